/* SPDX-License-Identifier: Apache-2.0 */
/* metric_window.c -- which bucket a time falls into, and the row of values that a leaf's series has
 * over all steps. */
#include "base/alloc.h"
#include "querier/metric_int.h"

/* ---- times ---- */

static int64_t add_clamped(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static int64_t mul_clamped(int64_t a, int64_t b) /* both >= 0 */
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

void sk_windows_init(struct sk_windows *w, int64_t first_ns, int64_t step_ns, size_t count,
                     int64_t range_ns)
{
    int64_t last = add_clamped(first_ns, mul_clamped((int64_t)count - 1, step_ns));
    *w = (struct sk_windows){.first_ns = first_ns,
                             .step_ns = step_ns,
                             .range_ns = range_ns,
                             .count = count,
                             .whole = range_ns / step_ns,
                             .rem = range_ns % step_ns,
                             .start_ns = add_clamped(add_clamped(first_ns, -range_ns), 1),
                             .end_ns = add_clamped(last, 1)};
    w->k = w->whole > (int64_t)count ? count + 1 : (size_t)w->whole;
    w->parts = w->rem == 0 ? 1 : 2;
    w->buckets = (count + w->k) * w->parts;
}

void sk_windows_piece(const struct sk_windows *w, int64_t ts_ns, struct sk_piece *ret)
{
    int64_t n = (int64_t)w->count, d = add_clamped(ts_ns, -w->first_ns);
    int64_t s = d > 0 ? (d - 1) / w->step_ns + 1 : d / w->step_ns;
    int64_t through = add_clamped(w->first_ns, s * w->step_ns);
    int64_t from = add_clamped(through, -w->step_ns), edge = add_clamped(through, -w->rem);
    bool late = w->parts == 2 && ts_ns > edge;
    int64_t lowest = late ? -w->whole : 1 - w->whole, slot = s + (int64_t)w->k;
    if (w->whole > n + 1 && s < n - w->whole)
        slot = s + w->whole;
    else if (w->whole > n + 1 && s < 0)
        slot = n;
    ret->from_ns = late ? edge : from;
    ret->through_ns = late || w->parts == 1 ? through : edge;
    ret->wanted = s >= lowest && s < n && w->range_ns > 0 && (late || w->whole > 0);
    ret->bucket = !ret->wanted    ? 0
                  : w->parts == 1 ? (size_t)slot
                                  : 2 * (size_t)slot + (late ? 1 : 0);
}

/* ---- rows ---- */

struct rows {
    struct sk_mrun *r;
    const struct sk_leaf *leaf;
    double *row;      /* steps */
    uint64_t *linear; /* the buckets of a series, up to two per bucket */
    double *prefix, *suffix;
    double *scratch;
    size_t scratch_cap;
    double range_s;
};

static size_t bucket_width(const struct sk_leaf *leaf)
{
    return leaf->acc == SK_ACC_BYTES ? 2 : 1;
}

static void pages_unfold(struct rows *x, const struct sk_leaf_series *s, uint64_t absent)
{
    const struct sk_windows *w = &x->leaf->windows;
    size_t width = bucket_width(x->leaf);
    for (size_t i = 0; i < w->buckets; i += SK_PAGE_BUCKETS) {
        const uint64_t *page = s->pages[i / SK_PAGE_BUCKETS];
        size_t n = w->buckets - i < SK_PAGE_BUCKETS ? w->buckets - i : SK_PAGE_BUCKETS;
        for (size_t k = 0; k < n * width; k++)
            x->linear[i * width + k] = page == NULL ? absent : page[k];
    }
}

/* Counts and bytes are whole numbers: sums of windows are differences of sums from the start. */
static void count_row(struct rows *x, const struct sk_leaf_series *s)
{
    const struct sk_windows *w = &x->leaf->windows;
    enum sk_range_op op = x->leaf->op;
    size_t width = bucket_width(x->leaf);
    bool per_second = op == SK_RANGE_RATE || op == SK_RANGE_BYTES_RATE;
    pages_unfold(x, s, 0);
    for (size_t i = width; i < w->buckets * width; i++)
        x->linear[i] += x->linear[i - width];
    for (size_t i = 0; i < w->count; i++) {
        size_t from = sk_window_from(w, i) * width, last = (sk_window_end(w, i) - 1) * width;
        uint64_t n = x->linear[last] - x->linear[from - width];
        uint64_t sum = x->linear[last + width - 1] - x->linear[from - 1];
        if (n == 0)
            x->row[i] = sk_no_value();
        else
            x->row[i] = per_second ? (double)sum / x->range_s : (double)sum;
    }
}

static double better(enum sk_range_op op, double a, double b)
{
    if (!sk_has_value(a))
        return b;
    if (!sk_has_value(b))
        return a;
    return isnan(a) || (op == SK_RANGE_MIN ? b < a : b > a) ? b : a;
}

/* The best of each window of L buckets: every window ends in the block of L where it begins, or in
 * the next, so it is the best of a block's rest and of the next one's beginning. */
static void extreme_row(struct rows *x, const struct sk_leaf_series *s)
{
    const struct sk_windows *w = &x->leaf->windows;
    enum sk_range_op op = x->leaf->op;
    size_t n = w->buckets, len = sk_window_end(w, 0) - sk_window_from(w, 0);
    pages_unfold(x, s, SK_NO_VALUE_BITS);
    for (size_t i = 0; i < n; i++) {
        memcpy(&x->prefix[i], &x->linear[i], sizeof(double));
        x->suffix[i] = x->prefix[i];
    }
    for (size_t i = 1; i < n; i++) {
        if (i % len != 0)
            x->prefix[i] = better(op, x->prefix[i - 1], x->prefix[i]);
    }
    for (size_t i = n - 1; i-- > 0;) {
        if ((i + 1) % len != 0)
            x->suffix[i] = better(op, x->suffix[i], x->suffix[i + 1]);
    }
    for (size_t i = 0; i < w->count; i++)
        x->row[i] = better(op, x->suffix[sk_window_from(w, i)], x->prefix[sk_window_end(w, i) - 1]);
}

static enum sk_err samples_row(struct rows *x, const struct sk_leaf_series *s)
{
    const struct sk_windows *w = &x->leaf->windows;
    size_t lo = 0, hi = 0;
    if (!SK_GROW(x->scratch, x->scratch_cap, s->sample_count))
        return sk_mrun_no_memory(x->r);
    for (size_t i = 0; i < w->count; i++) {
        int64_t end = add_clamped(w->first_ns, mul_clamped((int64_t)i, w->step_ns));
        int64_t begin = add_clamped(end, -w->range_ns);
        while (hi < s->sample_count && s->samples[hi].ts_ns <= end)
            hi++;
        while (lo < hi && s->samples[lo].ts_ns <= begin)
            lo++;
        x->row[i] = lo == hi ? sk_no_value()
                             : sk_range_value(x->leaf, s->samples + lo, hi - lo, x->scratch);
    }
    return SK_OK;
}

/* ---- absent_over_time ---- */

static size_t matchers_of(const struct sk_ast_matcher *list, struct sk_str name)
{
    size_t n = 0;
    for (const struct sk_ast_matcher *m = list; m != NULL; m = m->next)
        n += sk_str_eq(m->name, name);
    return n;
}

/* The equality matchers whose name occurs once. */
static const struct sk_mlabels *absent_labels(struct rows *x)
{
    const struct sk_ast_matcher *list = x->leaf->range->log.matchers;
    size_t n = 0;
    for (const struct sk_ast_matcher *m = list; m != NULL; m = m->next)
        n++;
    struct sk_label *items = sk_arena_calloc(&x->r->rows, n, sizeof(*items));
    if (items == NULL)
        return NULL;
    n = 0;
    for (const struct sk_ast_matcher *m = list; m != NULL; m = m->next) {
        if (m->op == SK_MATCH_EQ && m->value.len > 0 && matchers_of(list, m->name) == 1)
            items[n++] = (struct sk_label){m->name, m->value};
    }
    sk_labels_sort(items, n);
    return sk_mlabels_intern(&x->r->table, (struct sk_labelset){items, n});
}

static enum sk_err absent_rows(struct rows *x, sk_row_fn fn, void *ctx)
{
    const struct sk_leaf *leaf = x->leaf;
    bool any = false;
    const struct sk_mlabels *labels = absent_labels(x);
    if (labels == NULL)
        return sk_mrun_no_memory(x->r);
    if (leaf->series_count > 0)
        count_row(x, &leaf->series[0]);
    for (size_t i = 0; i < leaf->windows.count; i++) {
        bool there = leaf->series_count > 0 && sk_has_value(x->row[i]);
        x->row[i] = there ? sk_no_value() : 1;
        any = any || !there;
    }
    return any ? fn(ctx, labels, x->row) : SK_OK;
}

/* ---- the rows of a leaf ---- */

static enum sk_err series_row(struct rows *x, const struct sk_leaf_series *s)
{
    switch (x->leaf->acc) {
    case SK_ACC_COUNT:
    case SK_ACC_BYTES:
        count_row(x, s);
        return SK_OK;
    case SK_ACC_EXTREME:
        extreme_row(x, s);
        return SK_OK;
    case SK_ACC_SAMPLES:
        break;
    }
    return samples_row(x, s);
}

static enum sk_err rows_each(struct rows *x, sk_row_fn fn, void *ctx)
{
    const struct sk_leaf *leaf = x->leaf;
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < leaf->series_count && err == SK_OK; i++) {
        if (i % 64 == 0 || leaf->acc == SK_ACC_SAMPLES)
            err = sk_mrun_interrupted(x->r);
        if (err == SK_OK)
            err = series_row(x, &leaf->series[i]);
        if (err == SK_OK)
            err = fn(ctx, leaf->series[i].labels, x->row);
    }
    return err;
}

enum sk_err sk_leaf_rows(struct sk_mrun *r, struct sk_leaf *leaf, sk_row_fn fn, void *ctx)
{
    const struct sk_windows *w = &leaf->windows;
    struct rows x = {.r = r, .leaf = leaf};
    enum sk_err err;
    if (w->range_ns <= 0)
        return SK_OK;
    x.range_s = (double)(w->range_ns / 1000000000) + (double)(w->range_ns % 1000000000) / 1e9;
    x.row = sk_calloc(w->count, sizeof(*x.row));
    if (leaf->acc != SK_ACC_SAMPLES)
        x.linear = sk_calloc(w->buckets * bucket_width(leaf), sizeof(*x.linear));
    if (leaf->acc == SK_ACC_EXTREME) {
        x.prefix = sk_calloc(w->buckets, sizeof(*x.prefix));
        x.suffix = sk_calloc(w->buckets, sizeof(*x.suffix));
    }
    if (x.row == NULL || (leaf->acc != SK_ACC_SAMPLES && x.linear == NULL) ||
        (leaf->acc == SK_ACC_EXTREME && (x.prefix == NULL || x.suffix == NULL)))
        err = sk_mrun_no_memory(r);
    else
        err = leaf->op == SK_RANGE_ABSENT ? absent_rows(&x, fn, ctx) : rows_each(&x, fn, ctx);
    sk_free(x.row);
    sk_free(x.linear);
    sk_free(x.prefix);
    sk_free(x.suffix);
    sk_free(x.scratch);
    return err;
}
