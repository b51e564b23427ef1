/* SPDX-License-Identifier: Apache-2.0 */
/* metric_acc.c -- what workers collect per series, and how their findings become one. Counts, bytes
 * and extremes do not depend on the order of entries; samples are put into Loki's order here. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "querier/metric_int.h"

void sk_acc_init(struct sk_acc *a, const struct sk_leaf *leaf, struct sk_arena *arena,
                 struct sk_budget *budget)
{
    *a = (struct sk_acc){.leaf = leaf, .budget = budget, .arena = arena};
    a->table.arena = arena;
}

static void log_free(struct sk_acc *a)
{
    sk_free(a->log);
    sk_free(a->segments);
    if (a->charged_bytes > 0)
        sk_budget_release(a->budget, a->charged_bytes);
    a->log = NULL;
    a->segments = NULL;
    a->log_count = a->log_cap = a->segment_count = a->segment_cap = 0;
    a->charged_bytes = 0;
}

void sk_acc_deinit(struct sk_acc *a)
{
    log_free(a);
    sk_hmap_deinit(&a->table.map);
    sk_free(a->series);
    a->series = NULL;
    a->series_count = a->series_cap = 0;
}

/* SK_GROW with the growth charged. */
static bool grow_charged(struct sk_acc *a, void **items, size_t *cap, size_t need, size_t bytes)
{
    size_t old = *cap;
    if (need <= old)
        return true;
    if (!sk_grow(items, cap, need, bytes))
        return false;
    uint64_t more = (uint64_t)(*cap - old) * bytes;
    if (!sk_budget_charge(a->budget, more))
        return false;
    a->charged_bytes += more;
    return true;
}

#define GROW_CHARGED(a, items, cap, need)                                                          \
    grow_charged((a), (void **)(void *)&(items), &(cap), (need), sizeof(*(items)))

static size_t page_count(const struct sk_leaf *leaf)
{
    return (leaf->windows.buckets + SK_PAGE_BUCKETS - 1) / SK_PAGE_BUCKETS;
}

enum sk_err sk_acc_series(struct sk_acc *a, struct sk_labelset labels, size_t *ret)
{
    const struct sk_mlabels *l = sk_mlabels_intern(&a->table, labels);
    if (l == NULL)
        return SK_ENOMEM;
    if (l->id == a->series_count) {
        struct sk_leaf_series s = {.labels = l};
        if (a->leaf->series_max > 0 && a->series_count >= a->leaf->series_max)
            return SK_ELIMIT;
        if (a->leaf->acc != SK_ACC_SAMPLES) {
            s.pages = sk_arena_calloc(a->arena, page_count(a->leaf), sizeof(uint64_t *));
            if (s.pages == NULL)
                return SK_ENOMEM;
        }
        if (!GROW_CHARGED(a, a->series, a->series_cap, a->series_count + 1))
            return SK_ENOMEM;
        a->series[a->series_count++] = s;
    }
    *ret = l->id;
    return SK_OK;
}

enum sk_err sk_acc_task(struct sk_acc *a, size_t task)
{
    if (a->leaf->acc != SK_ACC_SAMPLES)
        return SK_OK;
    if (!GROW_CHARGED(a, a->segments, a->segment_cap, a->segment_count + 1))
        return SK_ENOMEM;
    a->segments[a->segment_count++] = (struct sk_acc_segment){task, a->log_count, 0};
    return SK_OK;
}

/* ---- buckets ---- */

static uint64_t *page_of(struct sk_acc *a, struct sk_leaf_series *s, size_t bucket)
{
    size_t width = a->leaf->acc == SK_ACC_BYTES ? 2 : 1;
    uint64_t **page = &s->pages[bucket / SK_PAGE_BUCKETS];
    if (*page == NULL) {
        *page = sk_arena_calloc(a->arena, SK_PAGE_BUCKETS * width, sizeof(**page));
        for (size_t i = 0; *page != NULL && a->leaf->acc == SK_ACC_EXTREME && i < SK_PAGE_BUCKETS;
             i++)
            (*page)[i] = SK_NO_VALUE_BITS;
    }
    return *page;
}

enum sk_err sk_acc_add_line(struct sk_acc *a, size_t series, size_t bucket, uint64_t bytes)
{
    uint64_t *page = page_of(a, &a->series[series], bucket);
    size_t i = bucket % SK_PAGE_BUCKETS;
    if (page == NULL)
        return SK_ENOMEM;
    if (a->leaf->acc == SK_ACC_COUNT) {
        page[i]++;
    } else {
        page[2 * i]++;
        page[2 * i + 1] += bytes;
    }
    return SK_OK;
}

/* NaN gives way to every number. */
static void extreme_take(const struct sk_leaf *leaf, uint64_t *slot, double value)
{
    double have;
    memcpy(&have, slot, sizeof(have));
    if (!sk_has_value(have) || isnan(have) ||
        (leaf->op == SK_RANGE_MIN ? value < have : value > have))
        memcpy(slot, &value, sizeof(value));
}

enum sk_err sk_acc_add(struct sk_acc *a, size_t series, size_t bucket, int64_t ts_ns, double value)
{
    if (a->leaf->acc == SK_ACC_EXTREME) {
        uint64_t *page = page_of(a, &a->series[series], bucket);
        if (page == NULL)
            return SK_ENOMEM;
        extreme_take(a->leaf, &page[bucket % SK_PAGE_BUCKETS], value);
        return SK_OK;
    }
    if (!GROW_CHARGED(a, a->log, a->log_cap, a->log_count + 1))
        return SK_ENOMEM;
    a->log[a->log_count++] = (struct sk_logged_sample){{ts_ns, value}, series};
    a->segments[a->segment_count - 1].count++;
    return SK_OK;
}

/* ---- joining ---- */

static void page_join(const struct sk_leaf *leaf, uint64_t *to, const uint64_t *from)
{
    size_t n = SK_PAGE_BUCKETS * (leaf->acc == SK_ACC_BYTES ? 2 : 1);
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, &from[i], sizeof(v));
        if (leaf->acc != SK_ACC_EXTREME)
            to[i] += from[i];
        else if (sk_has_value(v))
            extreme_take(leaf, &to[i], v);
    }
}

static void series_join(const struct sk_leaf *leaf, struct sk_leaf_series *to,
                        const struct sk_leaf_series *from)
{
    if (to->pages == NULL) {
        to->pages = from->pages;
        return;
    }
    for (size_t i = 0; i < page_count(leaf); i++) {
        if (to->pages[i] == NULL)
            to->pages[i] = from->pages[i];
        else if (from->pages[i] != NULL)
            page_join(leaf, to->pages[i], from->pages[i]);
    }
}

/* Joins the series; map[w][i] is the place in the leaf of worker w's series i. */
static enum sk_err labels_join(struct sk_leaf *leaf, struct sk_acc **accs, size_t count,
                               struct sk_arena *arena, size_t **map)
{
    struct sk_mlabel_table own = {.arena = arena};
    size_t total = 0;
    enum sk_err err = SK_OK;
    for (size_t w = 0; w < count; w++)
        total += accs[w]->series_count;
    leaf->series = sk_arena_calloc(arena, total, sizeof(*leaf->series));
    if (leaf->series == NULL)
        err = SK_ENOMEM;
    for (size_t w = 0; w < count && err == SK_OK; w++) {
        map[w] = sk_arena_calloc(arena, accs[w]->series_count, sizeof(**map));
        if (map[w] == NULL)
            err = SK_ENOMEM;
        for (size_t i = 0; i < accs[w]->series_count && err == SK_OK; i++) {
            const struct sk_leaf_series *s = &accs[w]->series[i];
            const struct sk_mlabels *l = sk_mlabels_intern(&own, s->labels->set);
            if (l == NULL) {
                err = SK_ENOMEM;
                break;
            }
            map[w][i] = l->id;
            leaf->series[l->id].labels = l;
            if (leaf->acc != SK_ACC_SAMPLES)
                series_join(leaf, &leaf->series[l->id], s);
        }
    }
    leaf->series_count = own.count;
    sk_hmap_deinit(&own.map);
    return err;
}

/* ---- samples ---- */

struct source_segment {
    const struct sk_logged_sample *log;
    const size_t *map;
    size_t task, count;
};

static int segment_cmp(const void *a, const void *b)
{
    const struct source_segment *x = a, *y = b;
    return (x->task > y->task) - (x->task < y->task);
}

/* Sorts by time and keeps the order of equal times; what is sorted already is merged as it is. */
static void samples_sort(struct sk_sample *s, size_t n, struct sk_sample *spare)
{
    for (;;) {
        size_t out = 0, runs = 0;
        for (size_t at = 0; at < n; runs++) {
            size_t mid = at + 1, end;
            while (mid < n && s[mid].ts_ns >= s[mid - 1].ts_ns)
                mid++;
            end = mid < n ? mid + 1 : n;
            while (end < n && s[end].ts_ns >= s[end - 1].ts_ns)
                end++;
            for (size_t i = at, j = mid; i < mid || j < end;)
                spare[out++] = j >= end || (i < mid && s[i].ts_ns <= s[j].ts_ns) ? s[i++] : s[j++];
            at = end;
        }
        memcpy(s, spare, n * sizeof(*s));
        if (runs <= 1)
            return;
    }
}

static bool samples_sorted(const struct sk_sample *s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (s[i].ts_ns < s[i - 1].ts_ns)
            return false;
    }
    return true;
}

/* Deals the samples out to their series, task by task: streams by hash, units by arrival. */
static enum sk_err samples_deal(struct sk_leaf *leaf, struct source_segment *segs, size_t count,
                                size_t total, struct sk_arena *arena)
{
    struct sk_sample *all = sk_arena_calloc(arena, total, sizeof(*all));
    size_t longest = 0;
    if (all == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < leaf->series_count; i++) {
        struct sk_leaf_series *s = &leaf->series[i];
        s->samples = all;
        all += s->sample_count;
        longest = s->sample_count > longest ? s->sample_count : longest;
        s->sample_count = 0;
    }
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < segs[k].count; i++) {
            struct sk_leaf_series *s = &leaf->series[segs[k].map[segs[k].log[i].series]];
            s->samples[s->sample_count++] = segs[k].log[i].s;
        }
    }
    struct sk_sample *spare = NULL;
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < leaf->series_count && err == SK_OK; i++) {
        struct sk_leaf_series *s = &leaf->series[i];
        if (samples_sorted(s->samples, s->sample_count))
            continue;
        if (spare == NULL)
            spare = sk_calloc(longest, sizeof(*spare));
        if (spare == NULL)
            err = SK_ENOMEM;
        else
            samples_sort(s->samples, s->sample_count, spare);
    }
    sk_free(spare);
    return err;
}

static enum sk_err samples_join(struct sk_leaf *leaf, struct sk_acc **accs, size_t count,
                                size_t **map, struct sk_arena *arena)
{
    size_t n = 0, total = 0;
    for (size_t w = 0; w < count; w++)
        n += accs[w]->segment_count;
    struct source_segment *segs = sk_calloc(n, sizeof(*segs));
    if (segs == NULL)
        return SK_ENOMEM;
    n = 0;
    for (size_t w = 0; w < count; w++) {
        for (size_t i = 0; i < accs[w]->segment_count; i++) {
            const struct sk_acc_segment *g = &accs[w]->segments[i];
            if (g->count == 0)
                continue;
            segs[n++] = (struct source_segment){accs[w]->log + g->from, map[w], g->task, g->count};
        }
        for (size_t i = 0; i < accs[w]->log_count; i++)
            leaf->series[map[w][accs[w]->log[i].series]].sample_count++;
        total += accs[w]->log_count;
    }
    if (n > 1)
        qsort(segs, n, sizeof(*segs), segment_cmp);
    enum sk_err err = samples_deal(leaf, segs, n, total, arena);
    sk_free(segs);
    for (size_t w = 0; w < count; w++)
        log_free(accs[w]);
    return err;
}

static int series_cmp(const void *a, const void *b)
{
    return sk_labels_cmp(((const struct sk_leaf_series *)a)->labels->set,
                         ((const struct sk_leaf_series *)b)->labels->set);
}

enum sk_err sk_acc_join(struct sk_leaf *leaf, struct sk_acc **accs, size_t count,
                        struct sk_arena *arena)
{
    size_t **map = sk_calloc(count, sizeof(size_t *));
    if (map == NULL)
        return SK_ENOMEM;
    enum sk_err err = labels_join(leaf, accs, count, arena, map);
    if (err == SK_OK && leaf->acc == SK_ACC_SAMPLES)
        err = samples_join(leaf, accs, count, map, arena);
    sk_free(map);
    if (err == SK_OK && leaf->series_count > 1)
        qsort(leaf->series, leaf->series_count, sizeof(*leaf->series), series_cmp);
    if (err == SK_OK && leaf->series_max > 0 && leaf->series_count > leaf->series_max)
        err = SK_ELIMIT;
    return err;
}
