/* SPDX-License-Identifier: Apache-2.0 */
/* append.c -- see append.h. */
#include "ingester/append.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"

enum { PAIRS_MAX = 1024 };

/* f(t) = (t + fp) mod period steps back when the period ends between two entries. */
static bool sync_due(const struct sk_ingester *ing, const struct stream *s, const struct ichunk *c,
                     int64_t ts_ns)
{
    const struct sk_config *cfg = ing->config;
    if (cfg->sync_period_ns <= 0 || c->entry_count == 0 || ts_ns < c->ts_max_ns)
        return false;
    uint64_t period = (uint64_t)cfg->sync_period_ns;
    uint64_t now = ((uint64_t)ts_ns + s->hash) % period;
    uint64_t before = ((uint64_t)c->ts_max_ns + s->hash) % period;
    return now < before &&
           (double)c->packed_bytes > (double)cfg->chunk_target_size * cfg->sync_min_utilization;
}

static bool chunk_full(const struct sk_ingester *ing, const struct ichunk *c, uint64_t size)
{
    if (c->entry_count == 0)
        return false;
    uint64_t target = ing->config->chunk_target_size;
    if (target == 0)
        return c->block_count >= 10;
    return c->symbols.text_bytes + c->packed_bytes + c->head_size + size >= target;
}

/* A head is cut at the block size, or at a quarter of it when many heads are growing. */
static bool head_full(const struct sk_ingester *ing, const struct ichunk *c)
{
    uint64_t block = ing->config->chunk_block_size;
    if (c->head_size >= block)
        return true;
    return c->head_size >= block / 4 && atomic_load(&ing->head_bytes) > SK_INGEST_HEADS_SOFT_BYTES;
}

enum sk_err append_entry(struct sk_ingester *ing, struct stream *s, int64_t ts_ns,
                         struct sk_str line, const struct sk_label *pairs, size_t pair_count,
                         uint64_t seg, struct append_cut *ret_cut)
{
    struct sk_symbol_pair ids[PAIRS_MAX];
    struct ichunk *c;
    uint64_t size = line.len;
    ret_cut->chunk = NULL;
    sk_assert(pair_count <= PAIRS_MAX);
    for (size_t i = 0; i < pair_count; i++)
        size += pairs[i].name.len + pairs[i].value.len;
    if (s->open != NULL && (chunk_full(ing, s->open, size) || sync_due(ing, s, s->open, ts_ns)))
        stream_close_chunk(s);
    enum sk_err err = stream_open_chunk(s, &c);
    for (size_t i = 0; i < pair_count && err == SK_OK; i++) {
        err = sk_symbols_intern(&c->symbols, pairs[i].name, &ids[i].name);
        if (err == SK_OK)
            err = sk_symbols_intern(&c->symbols, pairs[i].value, &ids[i].value);
    }
    if (err == SK_OK)
        err = chunk_append(ing, c, ts_ns, line, ids, pair_count);
    if (err != SK_OK)
        return err;
    if (seg < c->first_seg)
        c->first_seg = seg;
    if (head_full(ing, c)) {
        size_t idx = chunk_cut_head(ing, c);
        if (idx != SIZE_MAX) {
            ret_cut->chunk = chunk_ref(c);
            ret_cut->idx = idx;
        }
    }
    return SK_OK;
}

static size_t pairs_read(const struct sk_wal_entry_view *e, const uint8_t *end,
                         struct sk_label *pairs)
{
    const uint8_t *p = e->pairs;
    size_t n = 0;
    for (uint64_t i = 0; i < e->pair_count; i++) {
        struct sk_label l;
        sk_wal_pair_next(&p, end, &l);
        if (n < PAIRS_MAX)
            pairs[n++] = l;
    }
    return n;
}

enum sk_err append_stream(struct sk_ingester *ing, struct stream *s, struct sk_wal_record *rec,
                          const struct sk_wal_stream *ws, uint64_t seg, struct sk_codec_ctx *codec,
                          struct sk_strbuf *scratch)
{
    struct sk_label pairs[PAIRS_MAX];
    struct sk_wal_entry_view e;
    struct shard *sh = shard_of(ing, s->hash);
    enum sk_err result = SK_OK;
    pthread_mutex_lock(&sh->lock);
    for (uint64_t i = 0; i < ws->count; i++) {
        struct append_cut cut;
        sk_wal_entry_next(rec, &e);
        if (result != SK_OK)
            continue;
        size_t n = pairs_read(&e, rec->end, pairs);
        result = append_entry(ing, s, e.ts_ns, e.line, pairs, n, seg, &cut);
        if (result == SK_OK && cut.chunk != NULL) {
            pthread_mutex_unlock(&sh->lock);
            /* failure leaves the block raw: the flush compresses it */
            (void)!chunk_pack_block(ing, cut.chunk, cut.idx, &sh->lock, codec, scratch);
            chunk_unref(cut.chunk);
            pthread_mutex_lock(&sh->lock);
        }
    }
    if (s->open != NULL) {
        s->open->touched_mono_ns = sk_clock_mono_ns();
        if ((uint64_t)ws->counter > s->open->last_counter)
            s->open->last_counter = (uint64_t)ws->counter;
    }
    if (seg > s->last_seg)
        s->last_seg = seg;
    pthread_mutex_unlock(&sh->lock);
    return result;
}
