/* SPDX-License-Identifier: Apache-2.0 */
/* index_select.c -- postings are intersected smallest first. Predicates over many values gather
 * them in a bitmap over references (a reference is an offset / 16, so the map is small), which
 * then filters the candidates. When few candidates are left, their labels are read instead: a
 * name like `pod` may have more values than the selection has series. */
#include "tsdb_index/index_select.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "tsdb_index/index_int.h"

enum { DIRECT_MAX = 64 }; /* candidates that are judged by their labels */

struct selection {
    const struct sk_index *index;
    uint32_t *refs; /* candidates, ascending, once `known` */
    size_t count;
    bool known;
    uint64_t *bits;
    uint64_t bit_first, bit_count;
    struct sk_index_series series;
};

static bool predicate_holds(const struct sk_index_predicate *p, struct sk_str value)
{
    return p->exact ? sk_str_eq(value, p->value) : p->matches(p->ctx, value);
}

static enum sk_err refs_load(struct selection *s, const struct sk_index_postings *postings)
{
    s->refs = sk_malloc(postings->count * sizeof(*s->refs));
    if (s->refs == NULL)
        return SK_ENOMEM;
    for (uint32_t i = 0; i < postings->count; i++)
        s->refs[i] = sk_load_be32(postings->refs + 4 * (size_t)i);
    s->count = postings->count;
    s->known = true;
    return SK_OK;
}

/* Keeps the candidates that are in `postings`; steps double from the last place, so that a short
 * list against a long one costs little. */
static void refs_intersect(struct selection *s, const struct sk_index_postings *postings)
{
    size_t kept = 0, lo = 0;
    for (size_t i = 0; i < s->count && lo < postings->count; i++) {
        uint32_t ref = s->refs[i];
        size_t step = 1, hi = lo;
        while (hi < postings->count && sk_load_be32(postings->refs + 4 * hi) < ref) {
            lo = hi + 1;
            hi += step;
            step *= 2;
        }
        if (hi > postings->count)
            hi = postings->count;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (sk_load_be32(postings->refs + 4 * mid) < ref)
                lo = mid + 1;
            else
                hi = mid;
        }
        if (lo < postings->count && sk_load_be32(postings->refs + 4 * lo) == ref)
            s->refs[kept++] = ref;
    }
    s->count = kept;
}

/* The lists of all exact predicates that do not hold for the empty text. */
static enum sk_err select_exact(struct selection *s, const struct sk_index_predicate *predicates,
                                size_t count)
{
    struct sk_index_postings *lists = sk_malloc(count * sizeof(*lists));
    if (lists == NULL)
        return SK_ENOMEM;
    enum sk_err err = SK_OK;
    size_t n = 0, least = 0;
    for (size_t i = 0; i < count; i++) {
        if (!predicates[i].exact || predicates[i].matches_empty)
            continue;
        err = sk_index_postings(s->index, predicates[i].name, predicates[i].value, &lists[n]);
        if (err != SK_OK)
            goto out;
        if (lists[n].count < lists[least].count)
            least = n;
        n++;
    }
    if (n == 0)
        goto out;
    err = refs_load(s, &lists[least]);
    for (size_t i = 0; err == SK_OK && i < n; i++) {
        if (i != least)
            refs_intersect(s, &lists[i]);
    }
out:
    sk_free(lists);
    return err;
}

static bool bit_get(const struct selection *s, uint32_t ref)
{
    uint64_t bit = ref - s->bit_first;
    return (s->bits[bit / 64] >> (bit % 64) & 1) != 0;
}

/* Marks the series whose value of `p->name` satisfies, or (`inverse`) does not satisfy it. */
static enum sk_err bits_gather(struct selection *s, const struct sk_index_predicate *p,
                               bool inverse)
{
    size_t words = (size_t)(s->bit_count / 64 + 1);
    if (s->bits == NULL)
        s->bits = sk_malloc(words * sizeof(*s->bits));
    if (s->bits == NULL)
        return SK_ENOMEM;
    memset(s->bits, 0, words * sizeof(*s->bits));
    struct sk_index_values values;
    struct sk_str value;
    uint64_t off;
    sk_index_values_init(s->index, p->name, &values);
    while (sk_index_values_next(&values, &value, &off)) {
        struct sk_index_postings postings;
        if (predicate_holds(p, value) == inverse)
            continue;
        enum sk_err err = sk_index_postings_at(s->index, off, &postings);
        if (err != SK_OK)
            return err;
        for (uint32_t i = 0; i < postings.count; i++) {
            uint32_t ref = sk_load_be32(postings.refs + 4 * (size_t)i);
            if (ref < s->bit_first || ref - s->bit_first >= s->bit_count)
                return SK_ECORRUPT;
            uint64_t bit = ref - s->bit_first;
            s->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
        }
    }
    return SK_OK;
}

static enum sk_err refs_from_bits(struct selection *s)
{
    size_t words = (size_t)(s->bit_count / 64 + 1), count = 0;
    for (size_t w = 0; w < words; w++)
        count += (size_t)__builtin_popcountll(s->bits[w]);
    s->refs = sk_malloc(count * sizeof(*s->refs));
    if (s->refs == NULL)
        return SK_ENOMEM;
    s->count = 0;
    for (size_t w = 0; w < words; w++) {
        for (uint64_t word = s->bits[w]; word != 0; word &= word - 1)
            s->refs[s->count++] =
                (uint32_t)(s->bit_first + w * 64 + (uint64_t)__builtin_ctzll(word));
    }
    s->known = true;
    return SK_OK;
}

/* Candidates come from lists, and a list may lie. */
static enum sk_err refs_keep(struct selection *s, bool marked)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        uint32_t ref = s->refs[i];
        if (ref < s->bit_first || ref - s->bit_first >= s->bit_count)
            return SK_ECORRUPT;
        if (bit_get(s, ref) == marked)
            s->refs[kept++] = ref;
    }
    s->count = kept;
    return SK_OK;
}

static enum sk_err select_direct(struct selection *s, const struct sk_index_predicate *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        enum sk_err err = sk_index_series_read(s->index, s->refs[i], SK_INDEX_LABELS, INT64_MIN,
                                               INT64_MAX, &s->series);
        if (err != SK_OK)
            return err;
        struct sk_labelset set = {s->series.labels, s->series.label_count};
        struct sk_str value = sk_labels_get(set, p->name);
        bool holds = value.len == 0 ? p->matches_empty : predicate_holds(p, value);
        if (holds)
            s->refs[kept++] = s->refs[i];
    }
    s->count = kept;
    return SK_OK;
}

static enum sk_err select_one(struct selection *s, const struct sk_index_predicate *p)
{
    if (s->known && s->count <= DIRECT_MAX)
        return select_direct(s, p);
    enum sk_err err;
    if (!s->known && p->matches_empty) {
        struct sk_index_postings all;
        err = sk_index_postings(s->index, SK_STR(""), SK_STR(""), &all);
        if (err != SK_OK)
            return err;
        err = refs_load(s, &all);
        if (err != SK_OK)
            return err;
    }
    err = bits_gather(s, p, p->matches_empty);
    if (err != SK_OK)
        return err;
    return s->known ? refs_keep(s, !p->matches_empty) : refs_from_bits(s);
}

/* Leaves the series that have a chunk in the span. */
static enum sk_err select_span(struct selection *s, struct sk_index_span span)
{
    size_t kept = 0;
    if (span.from_ms <= s->index->from_ms && span.through_ms >= s->index->through_ms)
        return SK_OK; /* each chunk is inside */
    for (size_t i = 0; i < s->count; i++) {
        enum sk_err err = sk_index_series_read(s->index, s->refs[i], SK_INDEX_CHUNKS, span.from_ms,
                                               span.through_ms, &s->series);
        if (err != SK_OK)
            return err;
        if (s->series.chunk_count > 0)
            s->refs[kept++] = s->refs[i];
    }
    s->count = kept;
    return SK_OK;
}

static enum sk_err select_all(struct selection *s, const struct sk_index_predicate *predicates,
                              size_t count, struct sk_index_span span)
{
    enum sk_err err = count > 0 ? select_exact(s, predicates, count) : SK_OK;
    /* predicates that let through first, then those that take away */
    for (int takes_away = 0; takes_away <= 1; takes_away++) {
        for (size_t i = 0; err == SK_OK && i < count; i++) {
            const struct sk_index_predicate *p = &predicates[i];
            if (p->matches_empty != (takes_away == 1) || (p->exact && !p->matches_empty))
                continue;
            if (!s->known || s->count > 0)
                err = select_one(s, p);
        }
    }
    if (err == SK_OK && !s->known) {
        struct sk_index_postings all;
        err = sk_index_postings(s->index, SK_STR(""), SK_STR(""), &all);
        if (err == SK_OK)
            err = refs_load(s, &all);
    }
    return err == SK_OK ? select_span(s, span) : err;
}

enum sk_err sk_index_select(const struct sk_index *index,
                            const struct sk_index_predicate *predicates, size_t count,
                            struct sk_index_span span, struct sk_arena *arena,
                            struct sk_index_refs *ret_refs)
{
    sk_assert(ret_refs != NULL);
    struct selection s = {
        .index = index,
        .bit_first = index->series_off / SK_INDEX_SERIES_ALIGN,
        .bit_count = (index->series_end - index->series_off) / SK_INDEX_SERIES_ALIGN + 2,
    };
    enum sk_err err = SK_OK;
    if (span.from_ms > index->through_ms || span.through_ms < index->from_ms)
        s.known = true; /* nothing */
    else
        err = select_all(&s, predicates, count, span);
    if (err != SK_OK)
        goto out;
    uint32_t *items = NULL;
    if (s.count > 0) {
        items = sk_arena_calloc(arena, s.count, sizeof(*items));
        if (items == NULL) {
            err = SK_ENOMEM;
            goto out;
        }
        memcpy(items, s.refs, s.count * sizeof(*items));
    }
    *ret_refs = (struct sk_index_refs){items, s.count};
out:
    sk_free(s.refs);
    sk_free(s.bits);
    sk_index_series_deinit(&s.series);
    return err;
}
