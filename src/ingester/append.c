/* SPDX-License-Identifier: Apache-2.0 */
/* append.c -- see append.h. */
#include "ingester/append.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"

enum { PAIRS_MAX = 1024, AHEAD = 16 };

/* Entries of the record, read before they are appended, so that the symbol table's slots are on
 * their way from memory when they are needed. */
struct ahead {
    struct sk_wal_entry_view entries[AHEAD];
    struct sk_label pairs[2 * PAIRS_MAX]; /* of all entries, one after the other */
    struct append_hash hashes[2 * PAIRS_MAX];
};

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

static enum sk_err pairs_intern(struct ichunk *c, const struct append_pairs *pairs,
                                struct append_memo *memo, struct sk_symbol_pair *ids)
{
    size_t known = memo->chunk == c ? memo->count : 0;
    for (size_t i = 0; i < pairs->count; i++) {
        const struct sk_label *p = &pairs->texts[i];
        const struct append_hash *h = &pairs->hashes[i];
        enum sk_err err = SK_OK;
        if (i < known && h->name_known)
            ids[i].name = memo->ids[i].name;
        else
            err = sk_symbols_intern_hashed(&c->symbols, p->name, h->name, &ids[i].name);
        if (i < known && h->value_known)
            ids[i].value = memo->ids[i].value;
        else if (err == SK_OK)
            err = sk_symbols_intern_hashed(&c->symbols, p->value, h->value, &ids[i].value);
        if (err != SK_OK)
            return err;
    }
    memo->chunk = c;
    memo->count = pairs->count < APPEND_MEMO_PAIRS ? pairs->count : APPEND_MEMO_PAIRS;
    memcpy(memo->ids, ids, memo->count * sizeof(*ids));
    return SK_OK;
}

enum sk_err append_entry(struct sk_ingester *ing, struct stream *s, int64_t ts_ns,
                         struct sk_str line, const struct append_pairs *pairs, uint64_t seg,
                         struct append_memo *memo, struct append_cut *ret_cut)
{
    struct sk_symbol_pair ids[PAIRS_MAX];
    struct ichunk *c;
    uint64_t size = line.len;
    ret_cut->chunk = NULL;
    sk_assert(pairs->count <= PAIRS_MAX);
    for (size_t i = 0; i < pairs->count; i++)
        size += pairs->texts[i].name.len + pairs->texts[i].value.len;
    if (s->open != NULL && chunk_full(ing, s->open, size))
        stream_close_chunk(s, FLUSH_FULL);
    else if (s->open != NULL && sync_due(ing, s, s->open, ts_ns))
        stream_close_chunk(s, FLUSH_SYNC);
    enum sk_err err = stream_open_chunk(s, &c);
    if (err == SK_OK)
        err = pairs_intern(c, pairs, memo, ids);
    if (err == SK_OK)
        err = chunk_append(ing, c, ts_ns, line, ids, pairs->count);
    if (err != SK_OK)
        return err;
    c->first_seg = seg < c->first_seg ? seg : c->first_seg;
    stream_set_active(s, true);
    if (head_full(ing, c)) {
        size_t idx = chunk_cut_head(ing, c);
        if (idx != SIZE_MAX) {
            c->cutting++; /* nobody else touches its blocks until it is packed */
            ret_cut->chunk = chunk_ref(c);
            ret_cut->idx = idx;
        }
    }
    return SK_OK;
}

void append_hashes(const struct sk_label *pairs, size_t count, struct append_hash *hashes)
{
    for (size_t i = 0; i < count; i++)
        hashes[i] = (struct append_hash){.name = sk_symbols_hash(pairs[i].name),
                                         .value = sk_symbols_hash(pairs[i].value)};
}

/* The hash of `text`; its slot is asked for. `before`: the text at the same place in the entry
 * before, or NULL; *known: it is the same, and nothing was asked for. */
static uint32_t hash_ahead(const struct sk_symbols *symbols, struct sk_str text,
                           const struct sk_str *before, uint32_t before_hash, bool *known)
{
    *known = before != NULL && sk_str_eq(*before, text);
    if (*known)
        return before_hash;
    uint32_t hash = sk_symbols_hash(text);
    sk_symbols_prefetch(symbols, hash);
    return hash;
}

/* Reads up to AHEAD of the `left` entries; at least one. */
static size_t read_ahead(struct ahead *a, const struct stream *s, struct sk_wal_record *rec,
                         uint64_t left)
{
    static const struct sk_symbols none;
    const struct sk_symbols *symbols = s->open != NULL ? &s->open->symbols : &none;
    size_t n = 0, at = 0, before_at = 0, before_count = 0;
    while (n < AHEAD && n < left && at <= PAIRS_MAX) {
        struct sk_wal_entry_view *e = &a->entries[n++];
        sk_wal_entry_next(rec, a->pairs + at, PAIRS_MAX, e);
        for (size_t i = 0; i < e->pair_count; i++) {
            struct append_hash *h = &a->hashes[at + i];
            const struct append_hash *bh = &a->hashes[before_at + i];
            const struct sk_label *p = &a->pairs[at + i], *b = &a->pairs[before_at + i];
            bool had = i < before_count;
            h->name = hash_ahead(symbols, p->name, had ? &b->name : NULL, bh->name, &h->name_known);
            h->value =
                hash_ahead(symbols, p->value, had ? &b->value : NULL, bh->value, &h->value_known);
        }
        before_at = at;
        before_count = e->pair_count;
        at += e->pair_count;
    }
    return n;
}

enum sk_err append_stream(struct sk_ingester *ing, struct stream *s, struct sk_wal_record *rec,
                          const struct sk_wal_stream *ws, uint64_t seg, struct sk_codec_ctx *codec,
                          struct sk_strbuf *scratch)
{
    struct ahead a;
    struct append_memo memo = {0};
    struct shard *sh = shard_of(ing, s->hash);
    enum sk_err result = SK_OK;
    pthread_mutex_lock(&sh->lock);
    for (uint64_t done = 0; done < ws->count;) {
        size_t n = read_ahead(&a, s, rec, ws->count - done);
        struct append_pairs pairs = {a.pairs, a.hashes, 0};
        done += n;
        for (size_t i = 0; i < n && result == SK_OK; i++) {
            const struct sk_wal_entry_view *e = &a.entries[i];
            struct append_cut cut;
            pairs.count = e->pair_count;
            result = append_entry(ing, s, e->ts_ns, e->line, &pairs, seg, &memo, &cut);
            pairs.texts += e->pair_count;
            pairs.hashes += e->pair_count;
            if (result != SK_OK || cut.chunk == NULL)
                continue;
            memo.count = 0; /* without the lock the chunk may go */
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
