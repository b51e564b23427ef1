/* SPDX-License-Identifier: Apache-2.0 */
/* ties.c -- the order of equal times within one stream of an answer. Loki's two engines each sort
 * the entries of every stream of every hourly piece with an unstable sort that takes "not later"
 * for "earlier". Up to twelve entries come out of the second sort as they went into the first; of
 * more, some ties are left in another order, always the same for the same entries. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/gosort.h"
#include "base/gotext.h"
#include "querier/topk.h"

#define PIECE_NS (3600 * SK_NS_PER_S)

struct member { /* an entry of the answer, by stream and piece */
    const struct sk_result_labels *labels;
    int64_t piece;
    size_t at;
};

struct sorting {
    struct sk_result_entry *items;
    bool forward;
};

static bool not_later(void *ctx, size_t i, size_t j)
{
    const struct sorting *s = ctx;
    int64_t a = s->items[i].ts_ns, b = s->items[j].ts_ns;
    return s->forward ? a <= b : a >= b;
}

static void items_swap(void *ctx, size_t i, size_t j)
{
    struct sorting *s = ctx;
    struct sk_result_entry was = s->items[i];
    s->items[i] = s->items[j];
    s->items[j] = was;
}

static int member_cmp(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->labels != y->labels) {
        int c = sk_str_cmp(x->labels->printed, y->labels->printed);
        if (c != 0)
            return c;
    }
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static bool same_list(const struct member *a, const struct member *b)
{
    return a->piece == b->piece &&
           (a->labels == b->labels || sk_str_eq(a->labels->printed, b->labels->printed));
}

static bool any_tie(const struct sk_result_entry *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (items[i].ts_ns == items[i - 1].ts_ns)
            return true;
    }
    return false;
}

static int64_t piece_of(int64_t ts_ns)
{
    return ts_ns / PIECE_NS - (ts_ns % PIECE_NS < 0);
}

/* Entries of one stream and piece go through both sorts and back to their places. */
static void list_order(struct sk_result_entry *items, const struct member *list, size_t count,
                       struct sk_result_entry *spare, bool forward)
{
    struct sorting s = {spare, forward};
    struct sk_go_sort sort = {&s, not_later, items_swap};
    for (size_t i = 0; i < count; i++)
        spare[i] = items[list[i].at];
    if (!any_tie(spare, count))
        return;
    sk_go_sort(&sort, count);
    sk_go_sort(&sort, count);
    for (size_t i = 0; i < count; i++)
        items[list[i].at] = spare[i];
}

enum sk_err sk_ties_order(struct sk_result_entry *items, size_t count, bool forward)
{
    if (count <= SK_GO_SORT_INSERTION_MAX || !any_tie(items, count))
        return SK_OK;
    struct member *m = sk_calloc(count, sizeof(*m));
    struct sk_result_entry *spare = sk_calloc(count, sizeof(*spare));
    enum sk_err err = m == NULL || spare == NULL ? SK_ENOMEM : SK_OK;
    for (size_t i = 0; err == SK_OK && i < count; i++)
        m[i] = (struct member){items[i].labels, piece_of(items[i].ts_ns), i};
    if (err == SK_OK)
        qsort(m, count, sizeof(*m), member_cmp);
    for (size_t from = 0, end; err == SK_OK && from < count; from = end) {
        for (end = from + 1; end < count && same_list(&m[from], &m[end]);)
            end++;
        if (end - from > SK_GO_SORT_INSERTION_MAX)
            list_order(items, m + from, end - from, spare, forward);
    }
    sk_free(m);
    sk_free(spare);
    return err;
}
