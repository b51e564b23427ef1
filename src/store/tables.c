/* SPDX-License-Identifier: Apache-2.0 */
/* tables.c -- the folders of index files: listed on demand, files opened on first use and kept
 * while there is room. A file that cannot be read is told once; the table is then answered from an
 * index rebuilt out of its chunk files as well, so that nothing is missing. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "base/log.h"
#include "codec/codec.h"
#include "store/store_int.h"
#include "tsdb_index/index_name.h"

#define TABLE_TTL_NS (10 * SK_NS_PER_S)

static void file_unref(struct sk_store *store, struct index_file *f)
{
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (f->index != NULL)
        sk_budget_release(store->budget, f->bytes);
    sk_index_destroy(f->index);
    sk_free(f->key);
    sk_free(f->tenant);
    sk_free(f);
}

void tables_deinit(struct sk_store *store)
{
    for (struct table *t = store->tables, *next; t != NULL; t = next) {
        next = t->next;
        for (struct index_file *f = t->files, *nf; f != NULL; f = nf) {
            nf = f->next;
            file_unref(store, f);
        }
        sk_free(t);
    }
    store->tables = NULL;
}

void tables_forget_listing(struct sk_store *store, int64_t day)
{
    pthread_mutex_lock(&store->lock);
    for (struct table *t = store->tables; t != NULL; t = t->next) {
        if (t->day == day)
            t->listed_mono_ns = 0;
    }
    pthread_mutex_unlock(&store->lock);
}

/* ---- listing ---- */

struct listing {
    struct sk_store *store;
    struct table *table;
    const char *folder; /* object key of the table */
    const char *tenant; /* inside a tenant's folder; NULL: the table's own */
    char tenants[64][SK_TENANT_BYTES_MAX + 1];
    size_t tenant_count;
    bool more_tenants;
};

static struct index_file *file_find(const struct table *t, const char *key)
{
    for (struct index_file *f = t->files; f != NULL; f = f->next) {
        if (strcmp(f->key, key) == 0)
            return f;
    }
    return NULL;
}

static enum sk_err file_add(struct listing *l, const char *key)
{
    struct index_file *f = sk_calloc(1, sizeof(*f));
    if (f == NULL)
        return SK_ENOMEM;
    atomic_init(&f->refs, 1);
    f->key = sk_memdup0(key, strlen(key));
    f->tenant = l->tenant == NULL ? NULL : sk_memdup0(l->tenant, strlen(l->tenant));
    if (f->key == NULL || (l->tenant != NULL && f->tenant == NULL)) {
        file_unref(l->store, f);
        return SK_ENOMEM;
    }
    f->seen = true;
    f->next = l->table->files;
    l->table->files = f;
    return SK_OK;
}

static enum sk_err on_name(void *ctx, struct sk_str name, bool is_dir)
{
    struct listing *l = ctx;
    struct sk_index_name parsed;
    char key[4096];
    if (is_dir) {
        if (l->tenant == NULL && sk_tenant_valid(name)) {
            if (l->tenant_count == SK_COUNT_OF(l->tenants)) {
                l->more_tenants = true;
                return SK_OK;
            }
            memcpy(l->tenants[l->tenant_count], name.ptr, name.len);
            l->tenants[l->tenant_count++][name.len] = '\0';
        }
        return SK_OK;
    }
    (void)snprintf(key, sizeof(key), "%s%s%s/%.*s", l->folder, l->tenant ? "/" : "",
                   l->tenant ? l->tenant : "", SK_STR_ARG(name));
    if (!sk_index_name_parse(name, &parsed)) {
        sk_log(SK_LOG_WARN,
               "stray file in an index folder, ignored; Loki would answer nothing for that day",
               "file", key);
        return SK_OK;
    }
    struct index_file *f = file_find(l->table, key);
    if (f != NULL) {
        f->seen = true;
        return SK_OK;
    }
    return file_add(l, key);
}

/* Looks at the folder again; lock held (the listing of a local folder is short). */
static enum sk_err table_list(struct sk_store *store, struct table *t, struct sk_str tenant)
{
    const struct sk_schema_period *p = &store->config->periods[t->period];
    struct listing *l = sk_calloc(1, sizeof(*l));
    struct sk_strbuf folder;
    if (l == NULL)
        return SK_ENOMEM;
    sk_strbuf_init(&folder, 4096);
    sk_strbuf_puts(&folder, p->index_path_prefix);
    sk_index_table_format(&folder, sk_str_from(p->index_prefix), t->day);
    for (struct index_file *f = t->files; f != NULL; f = f->next)
        f->seen = f->substitute;
    *l = (struct listing){.store = store, .table = t, .folder = folder.ptr};
    enum sk_err err = sk_objstore_list(store->objects, sk_strbuf_view(&folder), on_name, l);
    for (size_t i = 0; i < l->tenant_count && err == SK_OK; i++) {
        char key[4096];
        l->tenant = l->tenants[i];
        (void)snprintf(key, sizeof(key), "%s/%s", folder.ptr, l->tenant);
        err = sk_objstore_list(store->objects, sk_str_from(key), on_name, l);
    }
    if (err == SK_OK && l->more_tenants) { /* many tenants: only the one asked for beside those */
        char key[4096], name[SK_TENANT_BYTES_MAX + 1];
        (void)snprintf(name, sizeof(name), "%.*s", SK_STR_ARG(tenant));
        l->tenant = name;
        (void)snprintf(key, sizeof(key), "%s/%s", folder.ptr, name);
        err = sk_objstore_list(store->objects, sk_str_from(key), on_name, l);
    }
    for (struct index_file **at = &t->files; *at != NULL && err == SK_OK;) {
        struct index_file *f = *at;
        if (f->seen) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        if (f->index != NULL)
            store->open_bytes -= f->bytes;
        file_unref(store, f);
    }
    if (err == SK_OK && !l->more_tenants)
        t->listed_mono_ns = sk_clock_mono_ns();
    sk_strbuf_deinit(&folder);
    sk_free(l);
    return err;
}

static struct table *table_get(struct sk_store *store, int64_t day, size_t period)
{
    for (struct table *t = store->tables; t != NULL; t = t->next) {
        if (t->day == day && t->period == period)
            return t;
    }
    struct table *t = sk_calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->day = day;
    t->period = period;
    t->next = store->tables;
    store->tables = t;
    return t;
}

/* ---- opening ---- */

/* Least recently used files go until there is room; lock held. Substitutes stay, for they cannot be
 * read again. */
static void make_room(struct sk_store *store, size_t bytes)
{
    while (store->open_bytes > 0 && store->open_bytes + bytes > store->open_max) {
        struct index_file *oldest = NULL;
        for (struct table *t = store->tables; t != NULL; t = t->next) {
            for (struct index_file *f = t->files; f != NULL; f = f->next) {
                if (f->index != NULL && !f->substitute && atomic_load(&f->refs) == 1 &&
                    (oldest == NULL || f->used < oldest->used))
                    oldest = f;
            }
        }
        if (oldest == NULL)
            return;
        store->open_bytes -= oldest->bytes;
        sk_budget_release(store->budget, oldest->bytes);
        sk_index_destroy(oldest->index);
        oldest->index = NULL;
    }
}

/* Reads, unpacks and opens an index object. */
static enum sk_err index_load(struct sk_store *store, const char *key, struct sk_index **ret)
{
    struct sk_strbuf file, raw;
    struct sk_codec_ctx *codec = NULL;
    sk_strbuf_init(&file, SK_INDEX_FILE_BYTES_MAX);
    sk_strbuf_init(&raw, SK_INDEX_FILE_BYTES_MAX);
    enum sk_err err =
        sk_objstore_get(store->objects, sk_str_from(key), SK_INDEX_FILE_BYTES_MAX, &file);
    if (err == SK_OK && sk_str_ends(sk_str_from(key), SK_STR(".gz"))) {
        err = sk_codec_ctx_create(&codec);
        if (err == SK_OK)
            err = sk_codec_unpack(codec, SK_CODEC_GZIP,
                                  (struct sk_slice){(const uint8_t *)file.ptr, file.len},
                                  SK_INDEX_FILE_BYTES_MAX, &raw);
        sk_strbuf_deinit(&file);
        file = raw;
        raw = (struct sk_strbuf){0};
    }
    if (err == SK_OK) {
        size_t len = file.len;
        char *owned = sk_strbuf_take(&file);
        char *fit = owned == NULL ? NULL : sk_realloc(owned, len);
        owned = fit != NULL ? fit : owned;
        err = sk_index_create((struct sk_slice){(const uint8_t *)owned, len}, owned, ret);
        if (err != SK_OK)
            sk_free(owned);
    }
    sk_codec_ctx_destroy(codec);
    sk_strbuf_deinit(&file);
    sk_strbuf_deinit(&raw);
    return err;
}

static void file_set_index(struct sk_store *store, struct index_file *f, struct sk_index *index)
{
    size_t bytes = sk_index_held_bytes(index);
    make_room(store, bytes);
    f->index = index;
    f->bytes = bytes;
    store->open_bytes += bytes;
    sk_budget_force(store->budget, bytes);
}

/* The file's index, loaded when needed; a reference is taken. Lock held on entry and exit, not while
 * reading. */
static enum sk_err file_open(struct sk_store *store, struct index_file *f)
{
    f->used = ++store->use_clock;
    atomic_fetch_add(&f->refs, 1);
    if (f->index != NULL)
        return SK_OK;
    pthread_mutex_unlock(&store->lock);
    struct sk_index *index = NULL;
    enum sk_err err = index_load(store, f->key, &index);
    pthread_mutex_lock(&store->lock);
    if (err == SK_OK && f->index == NULL)
        file_set_index(store, f, index);
    else if (err == SK_OK)
        sk_index_destroy(index);
    return err;
}

static void table_rebuild(struct sk_store *store, struct table *t)
{
    for (struct index_file *f = t->files; f != NULL; f = f->next) {
        if (f->substitute)
            return;
    }
    int64_t day = t->day;
    size_t period = t->period;
    struct sk_index *index = NULL;
    pthread_mutex_unlock(&store->lock);
    sk_log(SK_LOG_WARN, "rebuilding the index of a day from its chunk files", "folder",
           store->config->chunks_directory);
    enum sk_err err = rebuild_table(store, day, period, &index);
    pthread_mutex_lock(&store->lock);
    struct listing l = {.store = store, .table = t};
    if (err != SK_OK || file_add(&l, "(rebuilt)") != SK_OK) {
        sk_index_destroy(index);
        return;
    }
    t->files->substitute = true;
    file_set_index(store, t->files, index);
}

static enum sk_err table_each(struct sk_store *store, struct table *t, struct sk_str tenant,
                              table_fn *fn, void *ctx)
{
    enum sk_err err = SK_OK;
    bool damaged = false;
    if (t->listed_mono_ns == 0 || sk_clock_mono_ns() - t->listed_mono_ns > TABLE_TTL_NS)
        err = table_list(store, t, tenant);
again:
    for (struct index_file *f = t->files, *next; f != NULL && err == SK_OK; f = next) {
        next = f->next;
        if (f->bad || (damaged && !f->substitute) ||
            (f->tenant != NULL && !sk_str_is(tenant, f->tenant)))
            continue;
        enum sk_err opened = file_open(store, f);
        if (opened == SK_OK) {
            pthread_mutex_unlock(&store->lock);
            err = fn(ctx, f->index, f->tenant == NULL, t->period);
            pthread_mutex_lock(&store->lock);
        }
        if (opened == SK_ECORRUPT || opened == SK_EUNSUPPORTED || opened == SK_ELIMIT ||
            err == SK_ECORRUPT) {
            f->bad = true;
            store_note_damage(store, "index", f->key, sk_err_text(opened != SK_OK ? opened : err));
            err = SK_OK;
        } else if (opened == SK_ENOENT) {
            t->listed_mono_ns = 0; /* compacted away meanwhile */
        } else if (opened != SK_OK) {
            err = opened;
        }
        next = f->next; /* the list may have grown at its head only */
        file_unref(store, f);
    }
    bool any_bad = false, have = false;
    for (struct index_file *f = t->files; f != NULL; f = f->next) {
        any_bad = any_bad || f->bad;
        have = have || f->substitute;
    }
    if (any_bad && !have && !damaged && err == SK_OK) {
        table_rebuild(store, t);
        damaged = true;
        goto again;
    }
    return err;
}

enum sk_err tables_each(struct sk_store *store, struct sk_str tenant, int64_t from_ms,
                        int64_t through_ms, table_fn *fn, void *ctx)
{
    int64_t first = sk_index_day(from_ms), last = sk_index_day(through_ms);
    int64_t oldest = store->config->periods[0].from_day;
    int64_t newest = sk_index_day(sk_clock_now_ns() / SK_NS_PER_MS) + 366;
    enum sk_err err = SK_OK;
    first = first < oldest ? oldest : first;
    last = last > newest ? newest : last; /* a span without end must not walk for ever */
    pthread_mutex_lock(&store->lock);
    for (int64_t day = first; day <= last && err == SK_OK; day++) {
        struct table *t = table_get(store, day, period_at(store, day * SK_INDEX_DAY_MS));
        err = t == NULL ? SK_ENOMEM : table_each(store, t, tenant, fn, ctx);
    }
    pthread_mutex_unlock(&store->lock);
    return err;
}
