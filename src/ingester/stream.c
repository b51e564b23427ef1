/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c -- tenants, streams and their chunks in memory. Everything about a stream is done under
 * its shard's lock; the one exception, compressing a cut block, is done by chunk_pack_block()
 * between two short visits under the lock. */
#include "ingester/ingester_int.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "chunk/block.h"
#include "chunk/chunk_writer.h"

enum { HEAD_BYTES_FIRST = 4096, SYMBOLS_BYTES_MAX = 64 << 20, SAME_TIME_MAX = 64 };

/* ---- tenants ---- */

/* map_lock held. */
static struct tenant *tenant_look(struct sk_ingester *ing, struct sk_str name)
{
    uint64_t hash = sk_hash_mem(name.ptr, name.len);
    for (size_t at = sk_hmap_first(&ing->tenants, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&ing->tenants, hash, at)) {
        struct tenant *t = ing->tenants.slots[at].value;
        if (sk_str_eq(t->name_str, name))
            return t;
    }
    return NULL;
}

struct tenant *tenant_find(struct sk_ingester *ing, struct sk_str name)
{
    pthread_mutex_lock(&ing->map_lock);
    struct tenant *found = tenant_look(ing, name);
    pthread_mutex_unlock(&ing->map_lock);
    return found;
}

static void tenant_metrics(struct tenant *t)
{
    char labels[512];
    (void)snprintf(labels, sizeof(labels), "tenant=\"%s\"", t->name);
    t->memory_streams =
        sk_gauge("loki_ingester_memory_streams", "Streams in memory per tenant.", labels);
    t->streams_created =
        sk_counter("loki_ingester_streams_created_total", "Streams created per tenant.", labels);
    t->streams_removed =
        sk_counter("loki_ingester_streams_removed_total", "Streams removed per tenant.", labels);
    (void)snprintf(labels, sizeof(labels),
                   "tenant=\"%s\",retention_hours=\"0\",is_internal_stream=\"false\",policy=\"\"",
                   t->name);
    t->received_bytes = sk_counter("loki_distributor_bytes_received_total",
                                   "Uncompressed bytes received per tenant.", labels);
    t->received_meta = sk_counter("loki_distributor_structured_metadata_bytes_received_total",
                                  "Bytes of structured metadata received per tenant.", labels);
    (void)snprintf(labels, sizeof(labels), "tenant=\"%s\",is_internal_stream=\"false\",policy=\"\"",
                   t->name);
    t->received_lines =
        sk_counter("loki_distributor_lines_received_total", "Lines received per tenant.", labels);
}

enum sk_err tenant_get(struct sk_ingester *ing, struct sk_str name, struct tenant **ret)
{
    pthread_mutex_lock(&ing->map_lock);
    struct tenant *t = tenant_look(ing, name);
    bool full = ing->tenant_count >= SK_INGEST_TENANTS_MAX;
    pthread_mutex_unlock(&ing->map_lock);
    if (t != NULL) {
        *ret = t;
        return SK_OK;
    }
    if (full) /* before its metrics are made, which stay */
        return SK_ELIMIT;
    t = sk_calloc(1, sizeof(*t));
    if (t != NULL)
        t->name = sk_memdup0(name.ptr, name.len);
    if (t == NULL || t->name == NULL) {
        sk_free(t);
        return SK_ENOMEM;
    }
    t->ing = ing;
    t->name_str = (struct sk_str){t->name, name.len};
    pthread_mutex_init(&t->cache_lock, NULL);
    pthread_mutex_init(&t->rate_lock, NULL);
    t->rate_tokens = -1; /* full at first use */
    tenant_metrics(t);
    /* Another push of a new tenant may have come first. There must be one only: streams are known
     * by their tenant's address, and those of a second one would be invisible to queries. */
    pthread_mutex_lock(&ing->map_lock);
    struct tenant *kept = tenant_look(ing, name);
    bool room = ing->tenant_count < SK_INGEST_TENANTS_MAX;
    if (kept == NULL && room && sk_hmap_add(&ing->tenants, sk_hash_mem(name.ptr, name.len), t)) {
        kept = t;
        ing->tenant_count++;
    }
    pthread_mutex_unlock(&ing->map_lock);
    if (kept != t) {
        pthread_mutex_destroy(&t->cache_lock);
        pthread_mutex_destroy(&t->rate_lock);
        sk_free(t->name);
        sk_free(t);
    }
    *ret = kept;
    return kept != NULL ? SK_OK : room ? SK_ENOMEM : SK_ELIMIT;
}

/* ---- streams ---- */

struct shard *shard_of(struct sk_ingester *ing, uint64_t hash)
{
    return &ing->shards[(hash >> 32) & (SK_INGEST_SHARDS - 1)];
}

static uint64_t stream_key(const struct tenant *t, uint64_t hash)
{
    return hash ^ ((uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15u);
}

struct stream *stream_find(struct shard *sh, const struct tenant *t, struct sk_labelset labels,
                           uint64_t hash)
{
    uint64_t key = stream_key(t, hash);
    for (size_t at = sk_hmap_first(&sh->streams, key); at != SK_HMAP_END;
         at = sk_hmap_next(&sh->streams, key, at)) {
        struct stream *s = sh->streams.slots[at].value;
        if (s->tenant == t && s->hash == hash && sk_labels_eq(s->labels, labels))
            return s;
    }
    return NULL;
}

/* A free reference: the fingerprint, unless it is small or another stream has it. */
static uint64_t ref_choose(struct shard *sh, struct tenant *t, uint64_t hash)
{
    bool taken = hash <= 1u << 20;
    uint64_t key = stream_key(t, hash);
    for (size_t at = sk_hmap_first(&sh->streams, key); at != SK_HMAP_END && !taken;
         at = sk_hmap_next(&sh->streams, key, at)) {
        const struct stream *s = sh->streams.slots[at].value;
        taken = s->tenant == t && s->ref == hash;
    }
    return taken ? atomic_fetch_add(&t->ing->mapped_next, 1) : hash;
}

enum sk_err stream_create(struct shard *sh, struct tenant *t, struct sk_labelset labels,
                          uint64_t hash, uint64_t ref, struct stream **ret)
{
    struct stream *s = sk_calloc(1, sizeof(*s));
    if (s == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_labels_copy_heap(labels, &s->labels);
    if (err != SK_OK)
        goto out;
    s->tenant = t;
    s->hash = hash;
    s->ref = ref != 0 ? ref : ref_choose(sh, t, hash);
    s->closed_tail = &s->closed;
    s->highest_ns = INT64_MIN;
    s->rate_tokens = -1;
    if (!sk_hmap_add(&sh->streams, stream_key(t, hash), s)) {
        err = SK_ENOMEM;
        goto out;
    }
    *ret = s;
    s = NULL;
out:
    if (s != NULL) {
        sk_free((void *)(uintptr_t)s->labels.items);
        sk_free(s);
    }
    return err;
}

void stream_set_active(struct stream *s, bool active)
{
    if (s->active == active)
        return;
    s->active = active;
    if (active) {
        atomic_fetch_add(&s->tenant->stream_count, 1);
        sk_metric_add(s->tenant->streams_created, 1);
    } else {
        atomic_fetch_sub(&s->tenant->stream_count, 1);
        sk_metric_add(s->tenant->streams_removed, 1);
    }
    sk_metric_set(s->tenant->memory_streams, (int64_t)atomic_load(&s->tenant->stream_count));
}

void stream_destroy(struct shard *sh, struct stream *s)
{
    sk_assert(s->pins == 0);
    sk_hmap_remove(&sh->streams, stream_key(s->tenant, s->hash), s);
    stream_set_active(s, false);
    if (s->open != NULL)
        chunk_unref(s->open);
    while (s->closed != NULL) {
        struct ichunk *c = s->closed;
        s->closed = c->next;
        chunk_unref(c);
    }
    sk_free((void *)(uintptr_t)s->labels.items);
    sk_free(s);
}

/* ---- chunks ---- */

struct ichunk *chunk_ref(struct ichunk *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void chunk_unref(struct ichunk *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < c->block_count; i++)
        blob_unref(c->blocks[i].blob);
    blob_unref(c->head);
    sk_symbols_deinit(&c->symbols);
    sk_free(c->blocks);
    sk_free(c);
}

enum sk_err stream_open_chunk(struct stream *s, struct ichunk **ret)
{
    if (s->open == NULL) {
        struct ichunk *c = sk_calloc(1, sizeof(*c));
        if (c == NULL)
            return SK_ENOMEM;
        atomic_init(&c->refs, 1);
        sk_symbols_init(&c->symbols, SYMBOLS_BYTES_MAX, &s->tenant->ing->symbols);
        c->ts_min_ns = INT64_MAX;
        c->ts_max_ns = INT64_MIN;
        c->first_seg = UINT64_MAX;
        const struct sk_config *cfg = s->tenant->ing->config;
        c->has_meta = cfg->periods[cfg->period_count - 1].schema >= 13;
        s->open = c;
        atomic_fetch_add(&s->tenant->ing->chunk_count, 1);
    }
    *ret = s->open;
    return SK_OK;
}

void stream_close_chunk(struct stream *s, enum flush_reason reason)
{
    struct ichunk *c = s->open;
    if (c == NULL || c->entry_count == 0)
        return;
    c->reason = reason;
    atomic_fetch_add(&s->tenant->ing->closed_chunks, 1);
    s->open = NULL;
    c->next = NULL;
    *s->closed_tail = c;
    s->closed_tail = &c->next;
}

/* Room for `need` more bytes in the head; readers keep the old bytes (1). */
static bool head_room(struct sk_ingester *ing, struct ichunk *c, size_t need)
{
    if (c->head != NULL && need <= c->head->cap - c->head_len)
        return true;
    size_t cap = c->head == NULL ? HEAD_BYTES_FIRST : 2 * c->head->cap;
    if (c->head == NULL && c->block_count > 0) /* it has filled one before: a quarter block, with
                                                  room for what stands beside the lines */
        cap = (size_t)ing->config->chunk_block_size / 16 * 5;
    if (cap < c->head_len + need)
        cap = c->head_len + need + need / 8;
    if (c->head != NULL && atomic_load(&c->head->refs) == 1)
        return blob_grow(c->head, cap); /* under the lock no reader can come */
    struct blob *b = blob_create(ing, cap);
    if (b == NULL)
        return false;
    if (c->head != NULL)
        memcpy(b->data, c->head->data, c->head_len);
    blob_unref(c->head);
    c->head = b;
    return true;
}

/* Whether the head's newest entries of the same time hold this one already (Loki drops it too). Only
 * runs of a sane length are looked through. */
static bool head_repeats(const struct ichunk *c, int64_t ts_ns, const uint8_t *entry, size_t len)
{
    struct sk_block_iter it;
    struct sk_block_entry e;
    if (c->head_entries == 0 || ts_ns != c->head_last_ns || c->head_run > SAME_TIME_MAX)
        return false;
    sk_block_iter_init(
        &it, (struct sk_slice){c->head->data + c->head_run_off, c->head_len - c->head_run_off},
        c->has_meta);
    for (const uint8_t *from = it.pos; sk_block_next(&it, &e); from = it.pos) {
        if ((size_t)(it.pos - from) == len && memcmp(from, entry, len) == 0)
            return true;
    }
    return false;
}

enum sk_err chunk_append(struct sk_ingester *ing, struct ichunk *c, int64_t ts_ns,
                         struct sk_str line, const struct sk_symbol_pair *pairs, size_t pair_count)
{
    if (!head_room(ing, c, sk_block_entry_size_max(line.len, pair_count)))
        return SK_ENOMEM;
    uint8_t *at = c->head->data + c->head_len;
    size_t len = sk_block_entry_encode(at, ts_ns, line, pairs, pair_count, c->has_meta);
    if (head_repeats(c, ts_ns, at, len))
        return SK_OK;
    if (c->head_entries == 0 || ts_ns != c->head_last_ns) {
        c->head_run_off = c->head_len;
        c->head_run = 0;
    }
    c->head_run++;
    c->head_len += len;
    c->head->len = c->head_len;
    if (c->head_entries == 0) {
        c->head_min_ns = c->head_max_ns = ts_ns;
    } else {
        c->head_unsorted = c->head_unsorted || ts_ns < c->head_last_ns;
        c->head_min_ns = ts_ns < c->head_min_ns ? ts_ns : c->head_min_ns;
        c->head_max_ns = ts_ns > c->head_max_ns ? ts_ns : c->head_max_ns;
    }
    c->head_last_ns = ts_ns;
    c->head_entries++;
    c->head_size += line.len + 8 * pair_count;
    c->entry_count++;
    c->ts_min_ns = ts_ns < c->ts_min_ns ? ts_ns : c->ts_min_ns;
    c->ts_max_ns = ts_ns > c->ts_max_ns ? ts_ns : c->ts_max_ns;
    return SK_OK;
}

size_t chunk_cut_head(struct sk_ingester *ing, struct ichunk *c)
{
    (void)ing;
    if (c->head_entries == 0 || !SK_GROW(c->blocks, c->block_cap, c->block_count + 1))
        return SIZE_MAX;
    c->blocks[c->block_count] = (struct iblock){.ts_min_ns = c->head_min_ns,
                                                .ts_max_ns = c->head_max_ns,
                                                .entry_count = c->head_entries,
                                                .size_bytes = c->head_size,
                                                .blob = c->head,
                                                .raw = true,
                                                .sorted = !c->head_unsorted};
    c->head = NULL;
    c->head_len = 0;
    c->head_entries = 0;
    c->head_size = 0;
    c->head_unsorted = false;
    return c->block_count++;
}

enum sk_err chunk_pack_block(struct sk_ingester *ing, struct ichunk *c, size_t idx,
                             pthread_mutex_t *lock, struct sk_codec_ctx *codec,
                             struct sk_strbuf *scratch)
{
    struct sk_strbuf sorted;
    sk_strbuf_init(&sorted, SIZE_MAX / 2);
    pthread_mutex_lock(lock);
    struct blob *raw = blob_ref(c->blocks[idx].blob);
    bool in_order = c->blocks[idx].sorted;
    sk_assert(c->cutting > 0);
    pthread_mutex_unlock(lock);

    struct sk_slice bytes = {raw->data, raw->len};
    enum sk_err err = SK_OK;
    struct blob *packed = NULL;
    if (!in_order) {
        err = sk_block_sort(bytes, c->has_meta, &sorted);
        bytes = (struct sk_slice){(const uint8_t *)sorted.ptr, sorted.len};
    }
    sk_strbuf_reset(scratch);
    if (err == SK_OK)
        err = sk_codec_pack(codec, ing->codec, bytes, scratch);
    if (err == SK_OK) {
        packed =
            blob_create_packed(ing, (struct sk_slice){(const uint8_t *)scratch->ptr, scratch->len});
        if (packed == NULL)
            err = SK_ENOMEM;
    }

    pthread_mutex_lock(lock);
    c->cutting--;
    if (err == SK_OK) {
        blob_unref(c->blocks[idx].blob);
        c->blocks[idx].blob = packed;
        c->blocks[idx].raw = false;
        c->packed_bytes += packed->len;
    }
    pthread_mutex_unlock(lock);
    blob_unref(raw);
    sk_strbuf_deinit(&sorted);
    return err;
}
