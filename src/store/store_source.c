/* SPDX-License-Identifier: Apache-2.0 */
/* store_source.c -- the store as a source of lines: index lookups into a selection, and reading of
 * chunk files. Checksums of the file, its sections and every block are verified; a file whose outer
 * checksum is wrong but whose inner ones hold is served and reported. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "base/log.h"
#include "chunk/chunk.h"
#include "codec/codec.h"
#include "objstore/envelope.h"
#include "store/store_int.h"
#include "tsdb_index/index_select.h"
#include "tsdb_index/index_writer.h"

struct held { /* a stored chunk in a selection */
    struct sk_store *store;
    struct sk_str tenant;
    uint64_t fingerprint;
    int64_t from_ms, through_ms;
    uint32_t checksum;
    enum sk_chunk_layout layout;
};

/* ---- reading ---- */

static void path_format(struct sk_strbuf *path, const struct held *h, enum sk_chunk_layout layout)
{
    struct sk_chunk_key key = {h->tenant, h->fingerprint, h->from_ms, h->through_ms, h->checksum};
    sk_strbuf_reset(path);
    sk_chunk_path_format(path, &key, layout);
}

/* *path is that of the file; when there is none, the one that it should have. */
static enum sk_err file_read(const struct held *h, struct sk_unit_reader *r, struct sk_strbuf *path)
{
    path_format(path, h, h->layout);
    sk_strbuf_reset(&r->file);
    enum sk_err err =
        sk_objstore_get(h->store->objects, sk_strbuf_view(path), SK_CHUNK_FILE_BYTES_MAX, &r->file);
    if (err == SK_ENOENT) { /* a chunk across the border of two schemas may have the other form */
        path_format(path, h,
                    h->layout == SK_CHUNK_LAYOUT_V11 ? SK_CHUNK_LAYOUT_V12 : SK_CHUNK_LAYOUT_V11);
        err = sk_objstore_get(h->store->objects, sk_strbuf_view(path), SK_CHUNK_FILE_BYTES_MAX,
                              &r->file);
        if (err == SK_ENOENT)
            path_format(path, h, h->layout);
    }
    return err;
}

static enum sk_err unit_open(struct sk_unit *unit, struct sk_unit_reader *r)
{
    const struct held *h = unit->held;
    struct sk_strbuf path;
    struct sk_envelope env;
    struct sk_chunk *chunk;
    const char *why = "file is missing";
    sk_strbuf_init(&path, 4096);
    enum sk_err err = file_read(h, r, &path);
    if (err != SK_OK)
        goto out;
    struct sk_slice file = {(const uint8_t *)r->file.ptr, r->file.len};
    bool outer_ok = sk_crc32c(file) == h->checksum;
    why = "not a sound chunk";
    err = sk_envelope_decode(file, r->codec, &r->arena, &env);
    if (err != SK_OK)
        goto out;
    why = "its head names another chunk than its path";
    if (!sk_str_eq(env.tenant, h->tenant) || env.fingerprint != h->fingerprint ||
        env.from_ms != h->from_ms || env.through_ms != h->through_ms) {
        err = SK_ECORRUPT;
        goto out;
    }
    why = "not a sound chunk";
    err = sk_chunk_init(&r->arena, env.body, r->codec, &chunk);
    if (err != SK_OK)
        goto out;
    if (!outer_ok)
        store_note_damage(h->store, "chunk", path.ptr,
                          "checksum of the file is wrong, its blocks are checked");
    size_t count = sk_chunk_block_count(chunk);
    struct sk_unit_block *blocks = sk_arena_calloc(&r->arena, count, sizeof(*blocks));
    if (blocks == NULL) {
        err = SK_ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        const struct sk_chunk_block *b = sk_chunk_block_at(chunk, i);
        blocks[i] = (struct sk_unit_block){b->ts_min_ns, b->ts_max_ns, b->entry_count};
    }
    r->blocks = blocks;
    r->block_count = count;
    r->has_meta = sk_chunk_has_meta(chunk);
    r->state = chunk;
    r->chunks_opened++;
    r->packed_bytes += r->file.len;
out:
    if (err == SK_ENOENT || err == SK_ECORRUPT || err == SK_ELIMIT || err == SK_EUNSUPPORTED) {
        store_note_damage(h->store, "chunk", path.ptr == NULL ? "" : path.ptr, why);
        err = err == SK_ENOENT ? SK_ENOENT : SK_ECORRUPT;
    } else if (err == SK_EACCES) { /* for who asks, as good as a failing disk */
        sk_log(SK_LOG_ERROR, "no permission to read a chunk", "file",
               path.ptr == NULL ? "" : path.ptr);
        err = SK_EIO;
    }
    sk_strbuf_deinit(&path);
    return err;
}

static enum sk_err unit_read(struct sk_unit *unit, struct sk_unit_reader *r, size_t idx,
                             struct sk_slice *ret_raw)
{
    const struct held *h = unit->held;
    sk_strbuf_reset(&r->raw);
    enum sk_err err = sk_chunk_block_read(r->state, idx, r->codec, &r->raw);
    if (err == SK_ECORRUPT || err == SK_ELIMIT) {
        struct sk_strbuf path;
        sk_strbuf_init(&path, 4096);
        path_format(&path, h, h->layout);
        store_note_damage(h->store, "chunk", path.ptr == NULL ? "" : path.ptr,
                          "a block is damaged and left out");
        sk_strbuf_deinit(&path);
        return SK_ECORRUPT;
    }
    if (err == SK_OK) {
        *ret_raw = (struct sk_slice){(const uint8_t *)r->raw.ptr, r->raw.len};
        r->raw_bytes += r->raw.len;
    }
    return err;
}

static enum sk_err unit_meta(struct sk_unit *unit, struct sk_unit_reader *r, struct sk_slice meta,
                             struct sk_label *labels, size_t cap, size_t *ret_count)
{
    (void)unit;
    return sk_chunk_meta_decode(r->state, meta, labels, cap, ret_count);
}

static const struct sk_unit_ops stored_ops = {unit_open, unit_read, unit_meta, NULL};

/* ---- selecting ---- */

struct select_ctx {
    struct sk_store *store;
    struct sk_selection *sel;
    int64_t from_ms, through_ms; /* both inclusive */
    struct sk_arena arena;
};

static bool matcher_adapter(void *ctx, struct sk_str value)
{
    return sk_matcher_matches(ctx, value);
}

static enum sk_err unit_add(struct select_ctx *c, struct sk_sel_stream *stream,
                            uint64_t fingerprint, const struct sk_index_chunk *entry, size_t period)
{
    struct sk_unit like = {.ops = &stored_ops,
                           .from_ns = entry->from_ms * SK_NS_PER_MS,
                           .through_ns = entry->through_ms * SK_NS_PER_MS,
                           .checksum = entry->checksum,
                           .kb = entry->kb,
                           .entry_count = entry->entry_count};
    struct sk_unit *unit;
    enum sk_err err = sk_selection_unit(c->sel, stream, &like, &unit);
    if (err != SK_OK || unit == NULL)
        return err;
    struct held *h = sk_arena_alloc(&c->sel->arena, sizeof(*h));
    if (h == NULL) {
        unit->ops = NULL;
        return SK_ENOMEM;
    }
    size_t at = period_at(c->store, entry->from_ms);
    (void)period;
    *h = (struct held){c->store,
                       c->sel->tenant,
                       fingerprint,
                       entry->from_ms,
                       entry->through_ms,
                       entry->checksum,
                       c->store->config->periods[at].schema < 12 ? SK_CHUNK_LAYOUT_V11
                                                                 : SK_CHUNK_LAYOUT_V12};
    unit->held = h;
    return SK_OK;
}

static enum sk_err series_add(struct select_ctx *c, const struct sk_index *index, uint32_t ref,
                              size_t period, struct sk_index_series *series)
{
    unsigned want = SK_INDEX_LABELS | (c->sel->series_only ? 0 : SK_INDEX_CHUNKS);
    enum sk_err err = sk_index_series_read(index, ref, want, c->from_ms, c->through_ms, series);
    if (err != SK_OK)
        return err;
    size_t n = 0;
    for (size_t i = 0; i < series->label_count; i++) {
        if (!sk_str_is(series->labels[i].name, SK_INDEX_TENANT_LABEL))
            series->labels[n++] = series->labels[i];
    }
    struct sk_sel_stream *stream;
    err = sk_selection_stream(c->sel, (struct sk_labelset){series->labels, n}, &stream);
    for (size_t i = 0; i < series->chunk_count && err == SK_OK && !c->sel->series_only; i++)
        err = unit_add(c, stream, series->fingerprint, &series->chunks[i], period);
    return err;
}

static enum sk_err on_index(void *ctx, const struct sk_index *index, bool multi_tenant,
                            size_t period)
{
    struct select_ctx *c = ctx;
    size_t n = 0;
    struct sk_index_predicate *pred =
        sk_arena_calloc(&c->arena, c->sel->matcher_count + 1, sizeof(*pred));
    struct sk_index_refs refs = {0};
    struct sk_index_series series = {0};
    if (pred == NULL)
        return SK_ENOMEM;
    for (; n < c->sel->matcher_count; n++) {
        const struct sk_matcher *m = &c->sel->matchers[n];
        pred[n] = (struct sk_index_predicate){.name = m->name,
                                              .matches = matcher_adapter,
                                              .ctx = (void *)(uintptr_t)m,
                                              .exact = m->kind == SK_MATCHER_EQ,
                                              .value = m->value,
                                              .matches_empty = sk_matcher_matches(m, SK_STR(""))};
    }
    if (multi_tenant)
        pred[n++] = (struct sk_index_predicate){
            .name = SK_STR(SK_INDEX_TENANT_LABEL), .exact = true, .value = c->sel->tenant};
    enum sk_err err = sk_index_select(
        index, pred, n, (struct sk_index_span){c->from_ms, c->through_ms}, &c->arena, &refs);
    for (size_t i = 0; i < refs.count && err == SK_OK; i++)
        err = series_add(c, index, refs.items[i], period, &series);
    sk_index_series_deinit(&series);
    sk_arena_reset(&c->arena);
    return err;
}

static enum sk_err head_select(struct select_ctx *c, const struct index_head *head)
{
    for (const struct head_series *s = head->first; s != NULL; s = s->next) {
        if (!sk_str_is(c->sel->tenant, s->tenant) ||
            !sk_matchers_match(c->sel->matchers, c->sel->matcher_count, s->labels))
            continue;
        struct sk_sel_stream *stream = NULL;
        for (size_t i = 0; i < s->count; i++) {
            const struct sk_index_chunk *e = &s->chunks[i].entry;
            if (e->through_ms < c->from_ms || e->from_ms > c->through_ms)
                continue;
            enum sk_err err = SK_OK;
            if (stream == NULL)
                err = sk_selection_stream(c->sel, s->labels, &stream);
            if (err == SK_OK && !c->sel->series_only)
                err = unit_add(c, stream, s->fingerprint, e, period_at(c->store, e->from_ms));
            if (err != SK_OK)
                return err;
        }
    }
    return SK_OK;
}

/* floor for the start; the end is exclusive, so its last millisecond is (end - 1) floored. */
static int64_t floor_ms(int64_t ns)
{
    return ns >= 0 ? ns / SK_NS_PER_MS : -((-ns + SK_NS_PER_MS - 1) / SK_NS_PER_MS);
}

enum sk_err store_select(void *ctx, struct sk_selection *sel)
{
    struct select_ctx c = {.store = ctx,
                           .sel = sel,
                           .from_ms = floor_ms(sel->start_ns),
                           .through_ms =
                               floor_ms(sel->end_ns == INT64_MIN ? sel->end_ns : sel->end_ns - 1)};
    if (c.through_ms < c.from_ms)
        return SK_OK;
    sk_arena_init(&c.arena, 256u << 20, sel->arena.budget);
    /* heads first: a build moves entries from them into files, never back */
    pthread_mutex_lock(&c.store->lock);
    enum sk_err err = head_select(&c, &c.store->head);
    if (err == SK_OK)
        err = head_select(&c, &c.store->building);
    pthread_mutex_unlock(&c.store->lock);
    uint64_t damaged = atomic_load(&c.store->damaged);
    if (err == SK_OK)
        err = tables_each(c.store, sel->tenant, c.from_ms, c.through_ms, on_index, &c);
    sel->damaged += atomic_load(&c.store->damaged) - damaged;
    sk_arena_deinit(&c.arena);
    return err;
}

struct sk_source sk_store_source(struct sk_store *store)
{
    return (struct sk_source){store, store_select};
}
