/* SPDX-License-Identifier: Apache-2.0 */
/* unit_scan.c -- see unit_scan.h. */
#include "querier/unit_scan.h"

#include "base/clock.h"

enum sk_err sk_query_no_memory(struct sk_error *reterr)
{
    return sk_error_set(
        reterr, SK_ENOMEM,
        "the query needs more memory than its share of the budget; narrow the selector "
        "or the time range, or lower the limit");
}

enum sk_err sk_query_interrupted(_Atomic bool *stop, int64_t deadline_mono_ns,
                                 struct sk_error *reterr)
{
    if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed))
        return sk_error_set(reterr, SK_ECANCELED, "the request was cancelled by the client");
    if (deadline_mono_ns != 0 && sk_clock_mono_ns() > deadline_mono_ns)
        return sk_error_set(
            reterr, SK_ETIMEDOUT,
            "request timed out, decrease the duration of the request or add more label "
            "matchers (prefer exact match over regex match) to reduce the amount of data "
            "processed");
    return SK_OK;
}

enum sk_err sk_query_select(struct sk_selection *sel, const struct sk_source *sources, size_t count,
                            struct sk_error *reterr)
{
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < count && err == SK_OK; i++)
        err = sources[i].select(sources[i].ctx, sel);
    if (err == SK_ENOMEM)
        return sk_query_no_memory(reterr);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "the index could not be read: %s", sk_err_text(err));
    return SK_OK;
}

int sk_unit_arrival_cmp(const struct sk_unit *x, const struct sk_unit *y)
{
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    if (x->through_ns != y->through_ns)
        return x->through_ns < y->through_ns ? -1 : 1;
    return (x->checksum > y->checksum) - (x->checksum < y->checksum);
}

/* A hit in other bytes than a line's is none. */
bool sk_unit_hits_find(struct sk_unit_hits *h, struct sk_block_entry *ret)
{
    struct sk_str n = h->needle;
    while (h->hit != NULL && sk_block_next(&h->it, ret)) {
        const char *line_end = ret->line.ptr + ret->line.len;
        h->seq++;
        while (h->hit != NULL && h->hit < ret->line.ptr) /* in the bytes before the line */
            h->hit = memmem(h->hit + 1, (size_t)(h->end - h->hit - 1), n.ptr, n.len);
        if (h->hit == NULL || h->hit >= line_end)
            continue;
        bool inside = h->hit + n.len <= line_end;
        h->hit = memmem(line_end, (size_t)(h->end - line_end), n.ptr, n.len);
        if (inside)
            return true;
    }
    return false;
}

enum sk_err sk_unit_scan_init(struct sk_unit_scan *s, struct sk_budget *budget)
{
    s->meta_count = s->kept_len = 0;
    return sk_unit_reader_init(&s->reader, SK_SCAN_READER_BYTES_MAX, budget);
}

void sk_unit_scan_deinit(struct sk_unit_scan *s)
{
    sk_unit_reader_deinit(&s->reader);
}

enum sk_err sk_unit_scan_open(struct sk_unit_scan *s, struct sk_unit *unit)
{
    s->kept_len = 0;
    return unit->ops->open(unit, &s->reader);
}

void sk_unit_scan_close(struct sk_unit_scan *s)
{
    s->kept_len = 0;
    s->meta_count = 0;
    sk_unit_close(&s->reader);
}

enum sk_err sk_unit_scan_meta(struct sk_unit_scan *s, struct sk_unit *unit, struct sk_slice meta)
{
    if (meta.len > 0 && meta.len == s->kept_len && memcmp(meta.ptr, s->kept, meta.len) == 0)
        return SK_OK;
    size_t n = sk_block_meta_count(meta);
    s->meta_count = 0;
    s->kept_len = 0;
    if (n == 0)
        return SK_OK;
    if (n > SK_SCAN_META_PAIRS_MAX)
        return SK_ECORRUPT;
    enum sk_err err = unit->ops->meta(unit, &s->reader, meta, s->meta, n, &n);
    if (err != SK_OK)
        return err == SK_ENOMEM ? err : SK_ECORRUPT;
    sk_labels_sort(s->meta, n);
    s->meta_count = n;
    if (meta.len <= sizeof(s->kept)) {
        memcpy(s->kept, meta.ptr, meta.len);
        s->kept_len = meta.len;
    }
    return SK_OK;
}
