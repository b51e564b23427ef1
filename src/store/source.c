/* SPDX-License-Identifier: Apache-2.0 */
/* source.c -- selections and readers, the parts that all sources share. */
#include "store/source.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "codec/codec.h"

#define SELECTION_BYTES_MAX (1u << 30)

void sk_selection_init(struct sk_selection *sel, struct sk_str tenant,
                       const struct sk_matcher *matchers, size_t matcher_count, int64_t start_ns,
                       int64_t end_ns, struct sk_budget *budget)
{
    *sel = (struct sk_selection){.tenant = tenant,
                                 .matchers = matchers,
                                 .matcher_count = matcher_count,
                                 .start_ns = start_ns,
                                 .end_ns = end_ns};
    sk_arena_init(&sel->arena, SELECTION_BYTES_MAX, budget);
}

void sk_selection_deinit(struct sk_selection *sel)
{
    if (sel == NULL)
        return;
    for (size_t i = 0; i < sel->stream_count; i++) {
        for (struct sk_unit *u = sel->streams[i]->units; u != NULL; u = u->next) {
            if (u->ops != NULL && u->ops->release != NULL)
                u->ops->release(u);
        }
    }
    sk_hmap_deinit(&sel->by_hash);
    sk_free(sel->streams);
    sk_arena_deinit(&sel->arena);
    *sel = (struct sk_selection){0};
}

static enum sk_err tenant_name(struct sk_selection *sel, struct sk_labelset *labels)
{
    struct sk_label *with = sk_arena_calloc(&sel->arena, labels->count + 1, sizeof(*with));
    if (with == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < labels->count; i++) {
        with[i] = labels->items[i];
        if (sk_str_is(with[i].name, SK_TENANT_LABEL))
            with[i].name = SK_STR(SK_TENANT_LABEL_PREFIX SK_TENANT_LABEL);
    }
    with[labels->count] = (struct sk_label){SK_STR(SK_TENANT_LABEL), sel->tenant};
    sk_labels_sort(with, labels->count + 1);
    *labels = (struct sk_labelset){with, labels->count + 1};
    return SK_OK;
}

enum sk_err sk_selection_stream(struct sk_selection *sel, struct sk_labelset labels,
                                struct sk_sel_stream **ret_stream)
{
    if (sel->name_tenant && tenant_name(sel, &labels) != SK_OK)
        return SK_ENOMEM;
    uint64_t hash = sk_labels_fingerprint(labels);
    for (size_t at = sk_hmap_first(&sel->by_hash, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&sel->by_hash, hash, at)) {
        struct sk_sel_stream *s = sel->by_hash.slots[at].value;
        if (sk_labels_eq(s->labels, labels)) {
            *ret_stream = s;
            return SK_OK;
        }
    }
    struct sk_sel_stream *s = sk_arena_calloc(&sel->arena, 1, sizeof(*s));
    if (s == NULL || !SK_GROW(sel->streams, sel->stream_cap, sel->stream_count + 1))
        return SK_ENOMEM;
    enum sk_err err = sk_labels_copy(&sel->arena, labels, &s->labels);
    if (err != SK_OK)
        return err;
    s->hash = hash;
    if (!sk_hmap_add(&sel->by_hash, hash, s))
        return SK_ENOMEM;
    sel->streams[sel->stream_count++] = s;
    *ret_stream = s;
    return SK_OK;
}

enum sk_err sk_selection_unit(struct sk_selection *sel, struct sk_sel_stream *stream,
                              const struct sk_unit *like, struct sk_unit **ret_unit)
{
    if (like->checksum != 0) {
        for (struct sk_unit *u = stream->units; u != NULL; u = u->next) {
            if (u->checksum == like->checksum && u->from_ns == like->from_ns &&
                u->through_ns == like->through_ns) {
                *ret_unit = NULL;
                return SK_OK;
            }
        }
    }
    struct sk_unit *unit = sk_arena_alloc(&sel->arena, sizeof(*unit));
    if (unit == NULL)
        return SK_ENOMEM;
    *unit = *like;
    unit->next = stream->units;
    stream->units = unit;
    stream->unit_count++;
    sel->unit_count++;
    *ret_unit = unit;
    return SK_OK;
}

enum sk_err sk_unit_reader_init(struct sk_unit_reader *r, size_t arena_max,
                                struct sk_budget *budget)
{
    *r = (struct sk_unit_reader){0};
    sk_arena_init(&r->arena, arena_max, budget);
    sk_strbuf_init(&r->file, SIZE_MAX / 2);
    sk_strbuf_init(&r->raw, SIZE_MAX / 2);
    return sk_codec_ctx_create(&r->codec);
}

void sk_unit_reader_deinit(struct sk_unit_reader *r)
{
    if (r == NULL)
        return;
    sk_arena_deinit(&r->arena);
    sk_strbuf_deinit(&r->file);
    sk_strbuf_deinit(&r->raw);
    sk_codec_ctx_destroy(r->codec);
    r->codec = NULL;
}

void sk_unit_close(struct sk_unit_reader *r)
{
    sk_arena_reset(&r->arena);
    sk_strbuf_reset(&r->file);
    sk_strbuf_reset(&r->raw);
    r->blocks = NULL;
    r->block_count = 0;
    r->state = NULL;
}
