/* SPDX-License-Identifier: Apache-2.0 */
/* live_source.c -- live streams as a source of lines. A selection takes, under the shard's lock, a
 * reference to the chunk and a copy of its table of blocks; bytes are shared and never change. */
#include "base/alloc.h"
#include "base/gotext.h"
#include "ingester/ingester_int.h"
#include "store/source.h"

struct live_block {
    struct sk_unit_block info; /* first: the reader's array has this stride copied out */
    struct blob *blob;         /* referenced */
    size_t len;                /* of raw bytes at the time of the snapshot */
    bool raw, sorted;
};

struct live_unit {
    struct sk_ingester *ing;
    struct ichunk *chunk;
    struct live_block *blocks;
    struct sk_unit_block *infos;
    size_t count;
};

static enum sk_err live_open(struct sk_unit *unit, struct sk_unit_reader *r)
{
    struct live_unit *u = unit->held;
    r->blocks = u->infos;
    r->block_count = u->count;
    r->has_meta = u->chunk->has_meta;
    r->state = u;
    return SK_OK;
}

static enum sk_err live_read(struct sk_unit *unit, struct sk_unit_reader *r, size_t idx,
                             struct sk_slice *ret_raw)
{
    struct live_unit *u = unit->held;
    struct live_block *b = &u->blocks[idx];
    enum sk_err err;
    if (b->raw && b->sorted) {
        *ret_raw = (struct sk_slice){b->blob->data, b->len};
        r->raw_bytes += b->len;
        return SK_OK;
    }
    sk_strbuf_reset(&r->raw);
    if (b->raw) {
        err = sk_block_sort((struct sk_slice){b->blob->data, b->len}, r->has_meta, &r->raw);
    } else {
        struct sk_slice packed;
        err = blob_read(b->blob, &r->file, &packed);
        if (err == SK_OK)
            err = sk_codec_unpack(r->codec, u->ing->codec, packed, SK_CHUNK_FILE_BYTES_MAX * 4u,
                                  &r->raw);
        r->packed_bytes += b->blob->len;
    }
    if (err == SK_OK) {
        *ret_raw = (struct sk_slice){(const uint8_t *)r->raw.ptr, r->raw.len};
        r->raw_bytes += r->raw.len;
    }
    return err;
}

static enum sk_err live_meta(struct sk_unit *unit, struct sk_unit_reader *r, struct sk_slice meta,
                             struct sk_label *labels, size_t cap, size_t *ret_count)
{
    struct live_unit *u = unit->held;
    struct sk_symbol_pair *pairs = sk_arena_alloc(&r->arena, (cap + 1) * sizeof(*pairs));
    size_t n;
    if (pairs == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_block_meta_decode(meta, pairs, cap, &n);
    if (err != SK_OK)
        return err;
    uint32_t known = sk_symbols_count(&u->chunk->symbols);
    for (size_t i = 0; i < n; i++) {
        struct sk_str none = {"", 0};
        labels[i].name =
            pairs[i].name < known ? sk_symbols_at(&u->chunk->symbols, pairs[i].name) : none;
        labels[i].value =
            pairs[i].value < known ? sk_symbols_at(&u->chunk->symbols, pairs[i].value) : none;
    }
    *ret_count = n;
    return SK_OK;
}

static void live_release(struct sk_unit *unit)
{
    struct live_unit *u = unit->held;
    if (u == NULL)
        return;
    for (size_t i = 0; i < u->count; i++)
        blob_unref(u->blocks[i].blob);
    chunk_unref(u->chunk);
}

static const struct sk_unit_ops live_ops = {live_open, live_read, live_meta, live_release};

/* Under the shard's lock. */
static enum sk_err chunk_snapshot(struct sk_selection *sel, struct sk_ingester *ing,
                                  struct ichunk *c, struct live_unit **ret)
{
    struct live_unit *u = sk_arena_calloc(&sel->arena, 1, sizeof(*u));
    size_t n = c->block_count + (c->head_entries > 0);
    struct live_block *blocks = sk_arena_calloc(&sel->arena, n, sizeof(*blocks));
    struct sk_unit_block *infos = sk_arena_calloc(&sel->arena, n, sizeof(*infos));
    if (u == NULL || blocks == NULL || infos == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < c->block_count; i++) {
        const struct iblock *b = &c->blocks[i];
        blocks[i] = (struct live_block){{b->ts_min_ns, b->ts_max_ns, b->entry_count},
                                        blob_ref(b->blob),
                                        b->blob->len,
                                        b->raw,
                                        b->sorted};
        infos[i] = blocks[i].info;
    }
    if (c->head_entries > 0) {
        size_t i = c->block_count;
        blocks[i] = (struct live_block){{c->head_min_ns, c->head_max_ns, c->head_entries},
                                        blob_ref(c->head),
                                        c->head_len,
                                        true,
                                        !c->head_unsorted};
        infos[i] = blocks[i].info;
    }
    *u = (struct live_unit){ing, chunk_ref(c), blocks, infos, n};
    *ret = u;
    return SK_OK;
}

static enum sk_err chunk_select(struct sk_selection *sel, struct sk_ingester *ing, struct stream *s,
                                struct ichunk *c, struct sk_sel_stream **stream)
{
    enum sk_err err = SK_OK;
    if (c->entry_count == 0 || c->ts_min_ns >= sel->end_ns || c->ts_max_ns < sel->start_ns)
        return SK_OK;
    if (*stream == NULL)
        err = sk_selection_stream(sel, s->labels, stream);
    if (err != SK_OK || sel->series_only)
        return err;
    struct live_unit *u;
    err = chunk_snapshot(sel, ing, c, &u);
    if (err != SK_OK)
        return err;
    struct sk_unit like = {.ops = &live_ops,
                           .held = u,
                           .from_ns = c->ts_min_ns,
                           .through_ns = c->ts_max_ns,
                           .entry_count = (uint32_t)c->entry_count,
                           .bytes = c->head_size + sk_symbols_text_bytes(&c->symbols)};
    for (size_t i = 0; i < c->block_count; i++)
        like.bytes += c->blocks[i].size_bytes;
    struct sk_unit *unit;
    err = sk_selection_unit(sel, *stream, &like, &unit);
    if (err != SK_OK)
        live_release(&like);
    return err;
}

static enum sk_err live_select(void *ctx, struct sk_selection *sel)
{
    struct sk_ingester *ing = ctx;
    struct tenant *t = tenant_find(ing, sel->tenant);
    enum sk_err err = SK_OK;
    if (t == NULL)
        return SK_OK;
    for (size_t k = 0; k < SK_INGEST_SHARDS && err == SK_OK; k++) {
        struct shard *sh = &ing->shards[k];
        pthread_mutex_lock(&sh->lock);
        for (size_t i = 0; i < sk_hmap_slots(&sh->streams) && err == SK_OK; i++) {
            struct stream *s = sh->streams.slots[i].value;
            struct sk_sel_stream *stream = NULL;
            if (s == NULL || s->tenant != t || (s->open == NULL && s->closed == NULL) ||
                !sk_matchers_match(sel->matchers, sel->matcher_count, s->labels))
                continue;
            for (struct ichunk *c = s->closed; c != NULL && err == SK_OK; c = c->next)
                err = chunk_select(sel, ing, s, c, &stream);
            if (s->open != NULL && err == SK_OK)
                err = chunk_select(sel, ing, s, s->open, &stream);
        }
        pthread_mutex_unlock(&sh->lock);
    }
    return err;
}

struct sk_source sk_ingester_source(struct sk_ingester *ing)
{
    return (struct sk_source){ing, live_select};
}
