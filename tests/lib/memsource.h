/* SPDX-License-Identifier: Apache-2.0 */
/* memsource.h -- streams in memory as a source of lines, for tests of queries and their fuzz
 * target. A stream is a list of units of one block each; entries may be added in any order.
 * Running out of memory ends the program. */
#ifndef SK_TESTS_MEMSOURCE_H
#define SK_TESTS_MEMSOURCE_H

#include "base/alloc.h"
#include "base/assert.h"
#include "base/strbuf.h"
#include "chunk/block.h"
#include "store/source.h"

struct mem_unit {
    struct mem_unit *next;
    struct sk_strbuf raw;
    struct sk_unit_block info;
    struct sk_str *symbols; /* in the arena */
    size_t symbol_count, symbol_cap;
};

struct mem_stream {
    struct mem_stream *next;
    struct sk_labelset labels;
    struct mem_unit *units; /* the last first */
};

struct mem_source {
    struct sk_arena arena;
    struct mem_stream *streams;
    uint64_t unit_bytes; /* what units say of their size: 0 the truth */
};

static inline void mem_source_init(struct mem_source *m)
{
    *m = (struct mem_source){.streams = NULL};
    sk_arena_init(&m->arena, (size_t)1 << 30, NULL);
}

static inline void mem_source_deinit(struct mem_source *m)
{
    for (struct mem_stream *s = m->streams; s != NULL; s = s->next) {
        for (struct mem_unit *u = s->units; u != NULL; u = u->next) {
            sk_strbuf_deinit(&u->raw);
            sk_free(u->symbols);
        }
    }
    sk_arena_deinit(&m->arena);
}

/* What is added next goes into a unit of its own. */
static inline void mem_unit_begin(struct mem_source *m, struct mem_stream *s)
{
    struct mem_unit *u = sk_arena_calloc(&m->arena, 1, sizeof(*u));
    sk_assert(u != NULL);
    u->info = (struct sk_unit_block){INT64_MAX, INT64_MIN, 0};
    sk_strbuf_init(&u->raw, 1u << 30);
    u->next = s->units;
    s->units = u;
}

static inline struct mem_stream *mem_stream_of(struct mem_source *m, struct sk_labelset labels)
{
    for (struct mem_stream *s = m->streams; s != NULL; s = s->next) {
        if (sk_labels_eq(s->labels, labels))
            return s;
    }
    struct mem_stream *s = sk_arena_calloc(&m->arena, 1, sizeof(*s));
    sk_assert(s != NULL && sk_labels_copy(&m->arena, labels, &s->labels) == SK_OK);
    s->next = m->streams;
    m->streams = s;
    mem_unit_begin(m, s);
    return s;
}

static inline uint32_t mem_symbol(struct mem_source *m, struct mem_unit *u, struct sk_str text)
{
    for (size_t i = 0; i < u->symbol_count; i++) {
        if (sk_str_eq(u->symbols[i], text))
            return (uint32_t)i;
    }
    sk_assert(SK_GROW(u->symbols, u->symbol_cap, u->symbol_count + 1));
    u->symbols[u->symbol_count] = sk_arena_str(&m->arena, text);
    return (uint32_t)u->symbol_count++;
}

/* `meta` is sorted by name; at most 16. */
static inline void mem_entry(struct mem_source *m, struct mem_stream *s, int64_t ts_ns,
                             struct sk_str line, struct sk_labelset meta)
{
    struct sk_symbol_pair pairs[16];
    struct mem_unit *u = s->units;
    sk_assert(meta.count <= SK_COUNT_OF(pairs));
    for (size_t i = 0; i < meta.count; i++) {
        pairs[i].name = mem_symbol(m, u, meta.items[i].name);
        pairs[i].value = mem_symbol(m, u, meta.items[i].value);
    }
    sk_assert(sk_strbuf_reserve(&u->raw, sk_block_entry_size_max(line.len, meta.count)));
    u->raw.len += sk_block_entry_encode((uint8_t *)u->raw.ptr + u->raw.len, ts_ns, line, pairs,
                                        meta.count, true);
    u->info.ts_min_ns = ts_ns < u->info.ts_min_ns ? ts_ns : u->info.ts_min_ns;
    u->info.ts_max_ns = ts_ns > u->info.ts_max_ns ? ts_ns : u->info.ts_max_ns;
    u->info.entry_count++;
}

/* ---- as a source ---- */

static enum sk_err mem_open(struct sk_unit *unit, struct sk_unit_reader *r)
{
    struct mem_unit *u = unit->held;
    r->blocks = &u->info;
    r->block_count = 1;
    r->has_meta = true;
    return SK_OK;
}

static enum sk_err mem_read(struct sk_unit *unit, struct sk_unit_reader *r, size_t idx,
                            struct sk_slice *ret_raw)
{
    struct mem_unit *u = unit->held;
    struct sk_slice raw = {(const uint8_t *)u->raw.ptr, u->raw.len};
    (void)idx; /* the only one */
    sk_strbuf_reset(&r->raw);
    enum sk_err err = sk_block_sort(raw, true, &r->raw);
    *ret_raw = (struct sk_slice){(const uint8_t *)r->raw.ptr, r->raw.len};
    return err;
}

static enum sk_err mem_meta(struct sk_unit *unit, struct sk_unit_reader *r, struct sk_slice meta,
                            struct sk_label *labels, size_t cap, size_t *ret_count)
{
    struct mem_unit *u = unit->held;
    struct sk_symbol_pair pairs[16];
    (void)r;
    if (cap > SK_COUNT_OF(pairs))
        return SK_ECORRUPT;
    enum sk_err err = sk_block_meta_decode(meta, pairs, cap, ret_count);
    for (size_t i = 0; err == SK_OK && i < *ret_count; i++)
        labels[i] = (struct sk_label){u->symbols[pairs[i].name], u->symbols[pairs[i].value]};
    return err;
}

static const struct sk_unit_ops mem_ops = {mem_open, mem_read, mem_meta, NULL};

static enum sk_err mem_select(void *ctx, struct sk_selection *sel)
{
    struct mem_source *m = ctx;
    enum sk_err err = SK_OK;
    for (struct mem_stream *s = m->streams; s != NULL && err == SK_OK; s = s->next) {
        struct sk_sel_stream *stream = NULL;
        if (!sk_matchers_match(sel->matchers, sel->matcher_count, s->labels))
            continue;
        for (struct mem_unit *u = s->units; u != NULL && err == SK_OK; u = u->next) {
            struct sk_unit *unit, like = {.ops = &mem_ops,
                                          .held = u,
                                          .from_ns = u->info.ts_min_ns,
                                          .through_ns = u->info.ts_max_ns,
                                          .bytes = m->unit_bytes == 0 ? u->raw.len : m->unit_bytes};
            if (u->info.entry_count == 0 || u->info.ts_min_ns >= sel->end_ns ||
                u->info.ts_max_ns < sel->start_ns)
                continue;
            if (stream == NULL)
                err = sk_selection_stream(sel, s->labels, &stream);
            if (err == SK_OK)
                err = sk_selection_unit(sel, stream, &like, &unit);
        }
    }
    return err;
}

static inline struct sk_source mem_source_of(struct mem_source *m)
{
    return (struct sk_source){m, mem_select};
}

#endif
