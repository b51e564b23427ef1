/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.c -- what Loki left in tsdb-shipper-active: chunks flushed shortly before it stopped are
 * listed there alone, in the log of its index head (wal/) or in built files that were not shipped
 * (multitenant/). Entries whose chunk file exists with its size and checksum, and that no index of
 * their table lists, go into our head; the next build makes them durable and the files go. */
#include <fcntl.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/log.h"
#include "codec/codec.h"
#include "store/store_int.h"
#include "tsdb_index/index_name.h"
#include "tsdb_index/index_writer.h"
#include "wal/checkpoint.h"
#include "wal/segment.h"

struct takeover {
    struct sk_store *store;
    struct sk_arena arena;
    struct sk_codec_ctx *codec;
    size_t taken, skipped;
};

struct series_ref {
    struct series_ref *next;
    struct sk_str tenant;
    uint64_t ref, fingerprint;
    struct sk_labelset labels;
};

struct name_list {
    struct sk_arena *arena;
    struct sk_str *items;
    size_t count, cap;
};

static enum sk_err on_name(void *ctx, struct sk_str name, bool is_dir)
{
    struct name_list *l = ctx;
    (void)is_dir;
    if (!SK_GROW(l->items, l->cap, l->count + 1))
        return SK_ENOMEM;
    l->items[l->count] = sk_arena_str(l->arena, name);
    return l->items[l->count++].ptr == NULL ? SK_ENOMEM : SK_OK;
}

static enum sk_err list_folder(struct takeover *t, const char *path, struct name_list *ret)
{
    *ret = (struct name_list){.arena = &t->arena};
    enum sk_err err = t->store->vfs->list(t->store->vfs, path, on_name, ret);
    if (err == SK_ENOENT)
        return SK_OK;
    for (size_t i = 1; i < ret->count; i++) { /* by name; the lists are short */
        for (size_t k = i; k > 0 && sk_str_cmp(ret->items[k - 1], ret->items[k]) > 0; k--) {
            struct sk_str swap = ret->items[k];
            ret->items[k] = ret->items[k - 1];
            ret->items[k - 1] = swap;
        }
    }
    return err;
}

static enum sk_err remember(struct takeover *t, const char *path)
{
    struct sk_store *s = t->store;
    if (!SK_GROW(s->taken_over, s->taken_cap, s->taken_count + 1))
        return SK_ENOMEM;
    s->taken_over[s->taken_count] = sk_memdup0(path, strlen(path));
    return s->taken_over[s->taken_count++] == NULL ? SK_ENOMEM : SK_OK;
}

/* Whether the chunk's file is there and sound. */
static bool chunk_sound(struct takeover *t, const struct sk_chunk_key *key)
{
    struct sk_strbuf path, file;
    size_t at = period_at(t->store, key->from_ms);
    sk_strbuf_init(&path, 4096);
    sk_strbuf_init(&file, SK_CHUNK_FILE_BYTES_MAX);
    sk_chunk_path_format(&path, key,
                         t->store->config->periods[at].schema < 12 ? SK_CHUNK_LAYOUT_V11
                                                                   : SK_CHUNK_LAYOUT_V12);
    bool ok = sk_objstore_get(t->store->objects, sk_strbuf_view(&path), SK_CHUNK_FILE_BYTES_MAX,
                              &file) == SK_OK &&
              sk_crc32c((struct sk_slice){(const uint8_t *)file.ptr, file.len}) == key->checksum;
    sk_strbuf_deinit(&path);
    sk_strbuf_deinit(&file);
    return ok;
}

/* Whether an index of the chunk's tables lists it. */
static bool chunk_indexed(struct takeover *t, struct sk_str tenant, struct sk_labelset labels,
                          const struct sk_index_chunk *c)
{
    struct sk_selection sel;
    bool found = false;
    struct sk_matcher *m = sk_arena_calloc(&t->arena, labels.count, sizeof(*m));
    if (m == NULL)
        return false;
    for (size_t i = 0; i < labels.count; i++) {
        if (sk_matcher_init(&m[i], SK_MATCHER_EQ, labels.items[i].name, labels.items[i].value,
                            NULL) != SK_OK)
            return false;
    }
    sk_selection_init(&sel, tenant, m, labels.count, c->from_ms * 1000000,
                      c->through_ms * 1000000 + 1, NULL);
    if (store_select(t->store, &sel) == SK_OK) {
        for (size_t i = 0; i < sel.stream_count; i++) {
            if (!sk_labels_eq(sel.streams[i]->labels, labels))
                continue;
            for (const struct sk_unit *u = sel.streams[i]->units; u != NULL; u = u->next)
                found =
                    found || (u->checksum == c->checksum && u->from_ns == c->from_ms * 1000000 &&
                              u->through_ns == c->through_ms * 1000000);
        }
    }
    sk_selection_deinit(&sel);
    return found;
}

static enum sk_err chunk_take(struct takeover *t, struct sk_str tenant, struct sk_labelset labels,
                              uint64_t fingerprint, const struct sk_index_chunk *c)
{
    struct sk_chunk_key key = {tenant, fingerprint, c->from_ms, c->through_ms, c->checksum};
    if (!chunk_sound(t, &key) || chunk_indexed(t, tenant, labels, c)) {
        t->skipped++;
        return SK_OK;
    }
    t->taken++;
    pthread_mutex_lock(&t->store->lock);
    enum sk_err err = head_has(&t->store->head, tenant, labels, c)
                          ? SK_OK
                          : head_add(&t->store->head, tenant, labels, fingerprint, c, UINT64_MAX);
    pthread_mutex_unlock(&t->store->lock);
    return err;
}

/* ---- the log of Loki's index head ---- */

static enum sk_err head_record(struct takeover *t, struct sk_slice bytes,
                               struct series_ref **series)
{
    struct sk_wal_head_record rec;
    struct sk_str copy = sk_arena_str(&t->arena, sk_str_of_slice(bytes));
    if (copy.ptr == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_wal_head_decode(&t->arena, sk_slice_of_str(copy), &rec);
    if (err == SK_ECORRUPT) {
        store_note_damage(t->store, "wal", "tsdb-shipper-active/wal", "a record does not decode");
        return SK_OK;
    }
    if (err != SK_OK)
        return err;
    if (rec.series) {
        struct series_ref *s = sk_arena_alloc(&t->arena, sizeof(*s));
        if (s == NULL)
            return SK_ENOMEM;
        *s = (struct series_ref){*series, rec.tenant, rec.ref, rec.fingerprint, rec.labels};
        *series = s;
        return SK_OK;
    }
    const struct series_ref *s = *series;
    while (s != NULL && (s->ref != rec.ref || !sk_str_eq(s->tenant, rec.tenant)))
        s = s->next;
    for (size_t i = 0; i < rec.chunk_count && s != NULL && err == SK_OK; i++) {
        struct sk_index_chunk c = {rec.chunks[i].from_ms, rec.chunks[i].through_ms,
                                   rec.chunks[i].kb, rec.chunks[i].entries, rec.chunks[i].checksum};
        err = chunk_take(t, rec.tenant, s->labels, s->fingerprint, &c);
    }
    return err;
}

static enum sk_err head_segment(struct takeover *t, const char *path, struct series_ref **series)
{
    struct sk_vfs_file f = {t->store->vfs, -1};
    struct sk_wal_reader r;
    enum sk_err err = f.vfs->open(f.vfs, path, O_RDONLY, 0, &f.fd);
    if (err != SK_OK)
        return err;
    err = sk_wal_reader_init(&r, sk_vfs_file_read, &f, t->codec);
    if (err == SK_OK) {
        struct sk_slice record;
        while ((err = sk_wal_reader_next(&r, &record)) == SK_OK) {
            err = head_record(t, record, series);
            if (err != SK_OK)
                break;
        }
        if (err == SK_ENOENT)
            err = SK_OK;
        if (r.damage_count > 0)
            store_note_damage(t->store, "wal", path, "a damaged place was skipped");
        sk_wal_reader_deinit(&r);
    }
    (void)!f.vfs->close(f.vfs, f.fd); /* read only */
    return err;
}

/* wal/<store>_<date>/<sec>/<segments>, and the older wal/<sec>/<segments>. */
static enum sk_err head_logs(struct takeover *t, const char *folder, unsigned depth)
{
    struct name_list names;
    struct series_ref *series = NULL;
    enum sk_err err = list_folder(t, folder, &names);
    for (size_t i = 0; i < names.count && err == SK_OK; i++) {
        char path[4096];
        struct sk_vfs_stat st;
        (void)snprintf(path, sizeof(path), "%s/%.*s", folder, SK_STR_ARG(names.items[i]));
        err = t->store->vfs->stat(t->store->vfs, path, &st);
        if (err != SK_OK)
            break;
        if (st.is_dir && depth < 3)
            err = head_logs(t, path, depth + 1);
        else if (st.is_file)
            err = head_segment(t, path, &series);
        if (err == SK_OK)
            err = remember(t, path);
    }
    sk_free(names.items);
    return err;
}

/* ---- built, not shipped ---- */

static enum sk_err built_series(struct takeover *t, const struct sk_index *index,
                                struct sk_index_series *s)
{
    struct sk_str tenant = {NULL, 0};
    size_t n = 0;
    for (size_t i = 0; i < s->label_count; i++) {
        if (sk_str_is(s->labels[i].name, SK_INDEX_TENANT_LABEL))
            tenant = s->labels[i].value;
        else
            s->labels[n++] = s->labels[i];
    }
    (void)index;
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < s->chunk_count && err == SK_OK && sk_tenant_valid(tenant); i++)
        err = chunk_take(t, tenant, (struct sk_labelset){s->labels, n}, s->fingerprint,
                         &s->chunks[i]);
    return err;
}

static enum sk_err built_file(struct takeover *t, const char *path)
{
    struct sk_strbuf file;
    struct sk_index *index;
    struct sk_index_series series = {0};
    sk_strbuf_init(&file, SK_INDEX_FILE_BYTES_MAX);
    enum sk_err err = sk_vfs_read_file(t->store->vfs, path, SK_INDEX_FILE_BYTES_MAX, &file);
    if (err != SK_OK)
        goto out;
    err = sk_index_create((struct sk_slice){(const uint8_t *)file.ptr, file.len}, NULL, &index);
    if (err != SK_OK) {
        store_note_damage(t->store, "index", path, sk_err_text(err));
        err = SK_OK;
        goto out;
    }
    for (uint32_t ref = 0;;) {
        err = sk_index_series_after(index, ref, &ref);
        if (err != SK_OK || ref == 0)
            break;
        err = sk_index_series_read(index, ref, SK_INDEX_LABELS | SK_INDEX_CHUNKS, INT64_MIN,
                                   INT64_MAX, &series);
        if (err == SK_OK)
            err = built_series(t, index, &series);
        if (err != SK_OK)
            break;
    }
    if (err == SK_ECORRUPT) {
        store_note_damage(t->store, "index", path, sk_err_text(err));
        err = SK_OK;
    }
    sk_index_series_deinit(&series);
    sk_index_destroy(index);
out:
    sk_strbuf_deinit(&file);
    return err;
}

static enum sk_err built_files(struct takeover *t, const char *folder)
{
    struct name_list tables, files;
    enum sk_err err = list_folder(t, folder, &tables);
    for (size_t i = 0; i < tables.count && err == SK_OK; i++) {
        char table[4096];
        (void)snprintf(table, sizeof(table), "%s/%.*s", folder, SK_STR_ARG(tables.items[i]));
        err = list_folder(t, table, &files);
        for (size_t k = 0; k < files.count && err == SK_OK; k++) {
            char path[8192];
            (void)snprintf(path, sizeof(path), "%s/%.*s", table, SK_STR_ARG(files.items[k]));
            if (sk_str_ends(files.items[k], SK_STR(".tsdb")))
                err = built_file(t, path);
            if (err == SK_OK)
                err = remember(t, path);
        }
        sk_free(files.items);
        if (err == SK_OK)
            err = remember(t, table);
    }
    sk_free(tables.items);
    return err;
}

enum sk_err sk_store_takeover(struct sk_store *store, struct sk_error *reterr)
{
    struct takeover t = {.store = store};
    char path[4096];
    sk_arena_init(&t.arena, 256u << 20, NULL);
    enum sk_err err = sk_codec_ctx_create(&t.codec);
    (void)snprintf(path, sizeof(path), "%s/wal", store->config->active_index_directory);
    if (err == SK_OK)
        err = head_logs(&t, path, 0);
    (void)snprintf(path, sizeof(path), "%s/multitenant", store->config->active_index_directory);
    if (err == SK_OK)
        err = built_files(&t, path);
    if (err != SK_OK) {
        (void)sk_error_set(reterr, err, "cannot read %s: %s", store->config->active_index_directory,
                           sk_err_text(err));
    } else if (t.taken > 0 || t.skipped > 0) {
        char a[24], b[24];
        (void)snprintf(a, sizeof(a), "%zu", t.taken);
        (void)snprintf(b, sizeof(b), "%zu", t.skipped);
        sk_log(SK_LOG_INFO, "took over chunks that Loki had not indexed yet", "taken", a,
               "already_known_or_gone", b);
    }
    sk_codec_ctx_destroy(t.codec);
    sk_arena_deinit(&t.arena);
    return err;
}
