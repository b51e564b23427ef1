/* SPDX-License-Identifier: Apache-2.0 */
/* store.c -- the store's life, writing chunks, building index files. */
#include "store/store.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/codec.h"
#include "objstore/envelope.h"
#include "store/store_int.h"
#include "tsdb_index/index_name.h"
#include "tsdb_index/index_writer.h"

#define OPEN_INDEX_BYTES_MIN (16u << 20)

size_t period_at(const struct sk_store *store, int64_t ms)
{
    int64_t day = sk_index_day(ms);
    size_t at = 0;
    for (size_t i = 0; i < store->config->period_count; i++) {
        if (store->config->periods[i].from_day <= day)
            at = i;
    }
    return at;
}

unsigned sk_store_schema_at(const struct sk_store *store, int64_t ts_ns)
{
    return store->config->periods[period_at(store, sk_chunk_from_ms(ts_ns))].schema;
}

void store_note_damage(struct sk_store *store, const char *kind, const char *name, const char *why)
{
    char labels[64];
    atomic_fetch_add(&store->damaged, 1);
    (void)snprintf(labels, sizeof(labels), "file=\"%s\"", kind);
    sk_metric_add(sk_counter("skald_corruptions_total", "Damaged files met.", labels), 1);
    sk_log(SK_LOG_WARN, "damaged file, continuing with what is readable", "kind", kind, "file",
           name, "err", why);
}

uint64_t sk_store_damaged(const struct sk_store *store)
{
    return atomic_load(&store->damaged);
}

/* ---- start ---- */

/* uploader/name, as Loki makes it once: it is part of index file names. */
static enum sk_err node_name(struct sk_store *store, struct sk_error *reterr)
{
    char path[4096];
    struct sk_strbuf text;
    (void)snprintf(path, sizeof(path), "%s/uploader", store->config->active_index_directory);
    enum sk_err err = sk_vfs_mkdirs(store->vfs, path);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "cannot make the folder %s: %s", path, sk_err_text(err));
    (void)snprintf(path, sizeof(path), "%s/uploader/name", store->config->active_index_directory);
    sk_strbuf_init(&text, 1024);
    err = sk_vfs_read_file(store->vfs, path, 512, &text);
    struct sk_str name = sk_str_trim(sk_strbuf_view(&text));
    bool usable = err == SK_OK && name.len > 0 && memchr(name.ptr, '/', name.len) == NULL;
    if (usable) {
        store->node = sk_memdup0(name.ptr, name.len);
        err = store->node == NULL ? SK_ENOMEM : SK_OK;
    } else {
        sk_strbuf_reset(&text);
        sk_strbuf_printf(&text, "skald-%lld", (long long)sk_clock_now_ns());
        err = sk_vfs_replace(store->vfs, path,
                             (struct sk_slice){(const uint8_t *)text.ptr, text.len});
        if (err == SK_OK)
            store->node = sk_strbuf_take(&text);
    }
    sk_strbuf_deinit(&text);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "cannot write %s: %s", path, sk_err_text(err));
    return SK_OK;
}

/* Whether names can be made in the folder. A full disk passes: queries are served then. */
static enum sk_err folder_probe(const struct sk_vfs *vfs, const char *folder)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/.skald-probe", folder);
    enum sk_err err = vfs->mkdir(vfs, path, 0750);
    if (err == SK_OK || err == SK_EEXIST) /* there: from a start that was killed */
        err = vfs->rmdir(vfs, path);
    return err == SK_ENOSPC ? SK_OK : err;
}

enum sk_err sk_store_create(const struct sk_store_options *opt, struct sk_store **ret_store,
                            struct sk_error *reterr)
{
    struct sk_store *store = sk_calloc(1, sizeof(*store));
    if (store == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    store->config = opt->config;
    store->vfs = opt->vfs;
    store->budget = opt->budget;
    store->open_max = opt->budget != NULL && opt->budget->limit_bytes > OPEN_INDEX_BYTES_MIN
                          ? (size_t)opt->budget->limit_bytes
                          : OPEN_INDEX_BYTES_MIN;
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->build_lock, NULL);
    char tmp[4096];
    (void)snprintf(tmp, sizeof(tmp), "%s/skald/tmp", opt->config->path_prefix);
    store->tmp_dir = sk_memdup0(tmp, strlen(tmp));
    enum sk_err err = store->tmp_dir == NULL ? SK_ENOMEM : sk_vfs_mkdirs(store->vfs, tmp);
    if (err == SK_OK)
        err = sk_objstore_fs_create(store->vfs, sk_str_from(opt->config->chunks_directory),
                                    sk_str_from(tmp), &store->objects);
    if (err == SK_OK)
        err = folder_probe(store->vfs, opt->config->chunks_directory);
    if (err != SK_OK)
        (void)sk_error_set(reterr, err,
                           "cannot use the folder %s: %s (is it writable for this user?)",
                           opt->config->chunks_directory, sk_err_text(err));
    else
        err = node_name(store, reterr);
    if (err != SK_OK) {
        sk_store_destroy(store);
        return err;
    }
    *ret_store = store;
    return SK_OK;
}

void sk_store_destroy(struct sk_store *store)
{
    if (store == NULL)
        return;
    head_deinit(&store->head);
    head_deinit(&store->building);
    tables_deinit(store);
    sk_objstore_destroy(store->objects);
    for (size_t i = 0; i < store->taken_count; i++)
        sk_free(store->taken_over[i]);
    sk_free(store->taken_over);
    sk_free(store->tmp_dir);
    sk_free(store->node);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->build_lock);
    sk_free(store);
}

/* ---- chunks ---- */

enum sk_err sk_store_put(struct sk_store *store, struct sk_codec_ctx *codec,
                         const struct sk_store_chunk *chunk)
{
    struct sk_strbuf file, path;
    struct sk_envelope_mark mark;
    struct sk_envelope env = {.tenant = chunk->tenant,
                              .fingerprint = chunk->fingerprint,
                              .from_ms = sk_chunk_from_ms(chunk->ts_min_ns),
                              .through_ms = sk_chunk_through_ms(chunk->ts_max_ns),
                              .labels = chunk->labels};
    struct sk_index_chunk entry = {env.from_ms, env.through_ms, chunk->kb, chunk->entry_count, 0};
    sk_strbuf_init(&file, SK_CHUNK_FILE_BYTES_MAX);
    sk_strbuf_init(&path, 4096);
    enum sk_err err = sk_envelope_begin(&env, codec, &file, &mark);
    if (err == SK_OK) {
        sk_strbuf_add(&file, chunk->body.ptr, chunk->body.len);
        err = sk_envelope_end(&mark, &file, &entry.checksum);
    }
    if (err != SK_OK)
        goto out;
    struct sk_chunk_key key = {chunk->tenant, chunk->fingerprint, env.from_ms, env.through_ms,
                               entry.checksum};
    unsigned schema = sk_store_schema_at(store, chunk->ts_min_ns);
    sk_chunk_path_format(&path, &key, schema < 12 ? SK_CHUNK_LAYOUT_V11 : SK_CHUNK_LAYOUT_V12);
    err = sk_objstore_put(store->objects, sk_strbuf_view(&path),
                          (struct sk_slice){(const uint8_t *)file.ptr, file.len});
    if (err != SK_OK)
        goto out;
    pthread_mutex_lock(&store->lock);
    err = head_add(&store->head, chunk->tenant, chunk->labels, chunk->fingerprint, &entry,
                   chunk->first_seg);
    pthread_mutex_unlock(&store->lock);
out:
    sk_strbuf_deinit(&file);
    sk_strbuf_deinit(&path);
    return err;
}

size_t sk_store_head_chunks(const struct sk_store *store)
{
    struct sk_store *s = (struct sk_store *)(uintptr_t)store; /* for its lock alone */
    pthread_mutex_lock(&s->lock);
    size_t n = store->head.chunk_count + store->building.chunk_count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

int64_t sk_store_head_age_s(const struct sk_store *store)
{
    struct sk_store *s = (struct sk_store *)(uintptr_t)store;
    pthread_mutex_lock(&s->lock);
    const struct index_head *h = store->building.chunk_count > 0 ? &store->building : &store->head;
    int64_t age = h->chunk_count == 0 ? 0 : (sk_clock_now_ns() - h->since_ns) / SK_NS_PER_S;
    pthread_mutex_unlock(&s->lock);
    return age;
}

static uint64_t head_min_seg(const struct index_head *head)
{
    uint64_t min = UINT64_MAX;
    for (const struct head_series *s = head->first; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->count; i++)
            min = s->chunks[i].first_seg < min ? s->chunks[i].first_seg : min;
    }
    return min;
}

uint64_t sk_store_pending_seg(struct sk_store *store)
{
    pthread_mutex_lock(&store->lock);
    uint64_t a = head_min_seg(&store->head), b = head_min_seg(&store->building);
    pthread_mutex_unlock(&store->lock);
    return a < b ? a : b;
}

/* ---- index files ---- */

/* Names that are tried for an index file, a second apart; beyond, the build fails and is tried
 * again. Files are minutes apart, so a clock that was set back meets few. */
#define NAME_TRIES_MAX 100000

struct build {
    struct sk_store *store;
    struct sk_arena arena;
    struct sk_codec_ctx *codec;
    struct sk_index_input *inputs;
    size_t count, cap;
};

/* The entries of `building` that belong to the table of `day` and period, as inputs of a file. */
static enum sk_err inputs_collect(struct build *b, int64_t day, size_t period)
{
    b->count = 0;
    for (const struct head_series *s = b->store->building.first; s != NULL; s = s->next) {
        struct sk_index_chunk *chunks = sk_arena_calloc(&b->arena, s->count, sizeof(*chunks));
        size_t n = 0;
        if (chunks == NULL)
            return SK_ENOMEM;
        for (size_t i = 0; i < s->count; i++) {
            const struct sk_index_chunk *c = &s->chunks[i].entry;
            if (sk_index_day(c->from_ms) <= day && day <= sk_index_day(c->through_ms))
                chunks[n++] = *c;
        }
        (void)period;
        if (n == 0)
            continue;
        if (!SK_GROW(b->inputs, b->cap, b->count + 1))
            return SK_ENOMEM;
        b->inputs[b->count++] = (struct sk_index_input){.labels = s->labels,
                                                        .tenant = sk_str_from(s->tenant),
                                                        .fingerprint = s->fingerprint,
                                                        .chunks = chunks,
                                                        .chunk_count = n};
    }
    return SK_OK;
}

/* Verified by opening and walking it before anyone else sees it. */
static enum sk_err file_check(struct sk_slice file)
{
    struct sk_index *index;
    enum sk_err err = sk_index_create(file, NULL, &index);
    if (err == SK_OK) {
        err = sk_index_verify(index);
        sk_index_destroy(index);
    }
    return err;
}

/* A name that no file of the table has. Seconds are part of it, and the process before this one may
 * have written in this second, or the clock may have been set back. */
static enum sk_err name_choose(struct sk_store *store, const struct sk_schema_period *p,
                               int64_t day, struct sk_strbuf *ret_key)
{
    int64_t now_s = sk_clock_now_ns() / SK_NS_PER_S;
    uint64_t bytes;
    enum sk_err err = SK_OK;
    for (int tries = 0; err == SK_OK && tries < NAME_TRIES_MAX; tries++) {
        store->last_name_s = now_s > store->last_name_s ? now_s : store->last_name_s + 1;
        struct sk_index_name name = {
            .gzip = true, .created = store->last_name_s, .node = sk_str_from(store->node)};
        sk_strbuf_reset(ret_key);
        sk_strbuf_puts(ret_key, p->index_path_prefix);
        sk_index_table_format(ret_key, sk_str_from(p->index_prefix), day);
        sk_strbuf_putc(ret_key, '/');
        sk_index_name_format(ret_key, &name);
        err = ret_key->failed ? SK_ENOMEM
                              : sk_objstore_stat(store->objects, sk_strbuf_view(ret_key), &bytes);
    }
    return err == SK_ENOENT ? SK_OK : err == SK_OK ? SK_EEXIST : err;
}

static enum sk_err table_write(struct build *b, int64_t day, size_t period)
{
    const struct sk_schema_period *p = &b->store->config->periods[period];
    struct sk_strbuf file, packed, key;
    struct sk_index_sums sums;
    sk_strbuf_init(&file, SK_INDEX_FILE_BYTES_MAX);
    sk_strbuf_init(&packed, SK_INDEX_FILE_BYTES_MAX);
    sk_strbuf_init(&key, 4096);
    enum sk_err err = inputs_collect(b, day, period);
    if (err != SK_OK || b->count == 0)
        goto out;
    err = sk_index_build(b->inputs, b->count, p->schema >= 13 ? 3 : 2, &file, &sums);
    if (err == SK_OK)
        err = file_check((struct sk_slice){(const uint8_t *)file.ptr, file.len});
    if (err == SK_OK)
        err = sk_codec_pack(b->codec, SK_CODEC_GZIP,
                            (struct sk_slice){(const uint8_t *)file.ptr, file.len}, &packed);
    if (err != SK_OK)
        goto out;
    err = name_choose(b->store, p, day, &key);
    if (err != SK_OK)
        goto out;
    err = sk_objstore_put(b->store->objects, sk_strbuf_view(&key),
                          (struct sk_slice){(const uint8_t *)packed.ptr, packed.len});
    if (err == SK_OK) {
        tables_forget_listing(b->store, day);
        sk_log(SK_LOG_INFO, "index built", "file", key.ptr);
    }
out:
    sk_strbuf_deinit(&file);
    sk_strbuf_deinit(&packed);
    sk_strbuf_deinit(&key);
    return err;
}

/* Every day that an entry touches, from the first to the last. */
static void days_of(const struct index_head *head, int64_t *ret_first, int64_t *ret_last)
{
    *ret_first = INT64_MAX;
    *ret_last = INT64_MIN;
    for (const struct head_series *s = head->first; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->count; i++) {
            int64_t a = sk_index_day(s->chunks[i].entry.from_ms);
            int64_t z = sk_index_day(s->chunks[i].entry.through_ms);
            *ret_first = a < *ret_first ? a : *ret_first;
            *ret_last = z > *ret_last ? z : *ret_last;
        }
    }
}

static bool day_used(const struct index_head *head, int64_t day)
{
    for (const struct head_series *s = head->first; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->count; i++) {
            if (sk_index_day(s->chunks[i].entry.from_ms) <= day &&
                day <= sk_index_day(s->chunks[i].entry.through_ms))
                return true;
        }
    }
    return false;
}

static void remove_taken_over(struct sk_store *store)
{
    for (size_t i = 0; i < store->taken_count; i++) {
        if (store->vfs->unlink(store->vfs, store->taken_over[i]) != SK_OK)
            (void)!store->vfs->rmdir(store->vfs, store->taken_over[i]); /* a folder, or gone */
        sk_free(store->taken_over[i]);
    }
    store->taken_count = 0;
}

enum sk_err sk_store_build(struct sk_store *store)
{
    struct build b = {.store = store};
    enum sk_err err = SK_OK;
    pthread_mutex_lock(&store->build_lock);
    pthread_mutex_lock(&store->lock);
    if (store->building.chunk_count == 0) { /* else one that failed is tried again */
        head_deinit(&store->building);
        store->building = store->head;
        store->head = (struct index_head){0};
    }
    pthread_mutex_unlock(&store->lock);
    sk_arena_init(&b.arena, 1u << 30, NULL);
    if (store->building.chunk_count > 0) {
        int64_t first, last;
        err = sk_objstore_sync(store->objects); /* the chunks, before an index names them */
        if (err == SK_OK)
            err = sk_codec_ctx_create(&b.codec);
        days_of(&store->building, &first, &last);
        for (int64_t day = first; day <= last && err == SK_OK; day++) {
            if (day_used(&store->building, day))
                err = table_write(&b, day, period_at(store, day * SK_INDEX_DAY_MS));
            sk_arena_reset(&b.arena);
        }
        if (err == SK_OK)
            err = sk_objstore_sync(store->objects);
    }
    if (err == SK_OK) {
        pthread_mutex_lock(&store->lock);
        struct index_head done = store->building;
        store->building = (struct index_head){0};
        bool more = store->head.chunk_count > 0;
        pthread_mutex_unlock(&store->lock);
        head_deinit(&done);
        if (!more)
            remove_taken_over(store);
    } else {
        sk_log(SK_LOG_ERROR, "index build failed, it is tried again; nothing is lost", "err",
               sk_err_text(err));
    }
    sk_codec_ctx_destroy(b.codec);
    sk_free(b.inputs);
    sk_arena_deinit(&b.arena);
    pthread_mutex_unlock(&store->build_lock);
    return err;
}
