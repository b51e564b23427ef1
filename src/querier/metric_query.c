/* SPDX-License-Identifier: Apache-2.0 */
/* metric_query.c -- see metric_query.h: plan, scan, evaluation of nodes, and the result. */
#include "querier/metric_query.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "querier/metric_int.h"

/* ---- failures ---- */

enum sk_err sk_mrun_no_memory(struct sk_mrun *r)
{
    return sk_query_no_memory(r->reterr);
}

enum sk_err sk_mrun_too_many_series(struct sk_mrun *r)
{
    return sk_error_set(r->reterr, SK_ELIMIT,
                        "maximum number of series (%llu) reached for a single query; consider "
                        "reducing query cardinality by adding more specific stream selectors, "
                        "reducing the time range, or aggregating results with functions like "
                        "sum(), count() or topk()",
                        (unsigned long long)r->q->series_max);
}

enum sk_err sk_mrun_error(struct sk_mrun *r, enum sk_err err, const struct sk_strbuf *text)
{
    if (r->q->error_text != NULL)
        sk_strbuf_str(r->q->error_text, sk_strbuf_view(text));
    return sk_error_set(r->reterr, err, "%.*s", SK_STR_ARG(sk_strbuf_view(text)));
}

enum sk_err sk_mrun_interrupted(struct sk_mrun *r)
{
    return sk_query_interrupted(r->q->stop, r->q->deadline_mono_ns, r->reterr);
}

/* ---- vectors ---- */

double *sk_row_new(struct sk_mrun *r)
{
    double *row = sk_arena_calloc(&r->rows, r->step_count, sizeof(*row));
    for (size_t i = 0; row != NULL && i < r->step_count; i++)
        row[i] = sk_no_value();
    return row;
}

enum sk_err sk_mvector_add(struct sk_mrun *r, struct sk_mvector *v, const struct sk_mlabels *labels,
                           double *row)
{
    if (labels == NULL || row == NULL || !SK_GROW(v->items, v->cap, v->count + 1))
        return sk_mrun_no_memory(r);
    v->items[v->count++] = (struct sk_mseries){.labels = labels, .row = row};
    return SK_OK;
}

void sk_mvector_deinit(struct sk_mvector *v)
{
    sk_free(v->items);
    *v = (struct sk_mvector){0};
}

/* ---- nodes ---- */

struct collect {
    struct sk_mrun *r;
    struct sk_mvector *to;
};

static enum sk_err collect_row(void *ctx, const struct sk_mlabels *labels, const double *row)
{
    struct collect *c = ctx;
    double *copy = sk_arena_alloc(&c->r->rows, c->r->step_count * sizeof(*copy));
    if (copy == NULL)
        return sk_mrun_no_memory(c->r);
    memcpy(copy, row, c->r->step_count * sizeof(*copy));
    return sk_mvector_add(c->r, c->to, sk_mlabels_intern(&c->r->table, labels->set), copy);
}

static enum sk_err constant_eval(struct sk_mrun *r, const struct sk_node *n, struct sk_mvector *ret)
{
    struct sk_labelset none = {NULL, 0};
    double *row = sk_row_new(r);
    for (size_t i = 0; row != NULL && i < r->step_count; i++)
        row[i] = n->constant;
    return sk_mvector_add(r, ret, sk_mlabels_intern(&r->table, none), row);
}

/* What the pieces of an instant query give together. */
static double pieces_join(const struct sk_node *n, const double *row)
{
    enum sk_range_op op = n->leaf->op;
    double all = sk_no_value();
    for (size_t i = 0; i < n->steps; i++) {
        double v = row[i];
        if (!sk_has_value(v))
            continue;
        if (!sk_has_value(all))
            all = v;
        else if (op == SK_RANGE_MIN || op == SK_RANGE_MAX)
            all = isnan(all) || (op == SK_RANGE_MIN ? v < all : v > all) ? v : all;
        else
            all += v;
    }
    return sk_has_value(all) && n->divisor > 0 ? all / n->divisor : all;
}

static enum sk_err pieces_eval(struct sk_mrun *r, const struct sk_node *n, struct sk_mvector *ret)
{
    struct sk_mvector in = {0};
    r->step_count = n->steps;
    enum sk_err err = sk_aggregate_eval(r, n->left, &in);
    r->step_count = 1;
    for (size_t i = 0; i < in.count && err == SK_OK; i++) {
        double *row = sk_row_new(r);
        if (row != NULL)
            *row = pieces_join(n, in.items[i].row);
        err = sk_mvector_add(r, ret, in.items[i].labels, row);
    }
    sk_mvector_deinit(&in);
    return err;
}

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t rem = t % step;
    return rem < 0 ? t - rem - step : t - rem;
}

static int64_t step_at(const struct sk_mrun *r, size_t i)
{
    return r->q->start_ns + (int64_t)i * r->step_ns;
}

/* The number of series that have a value at a step of [from, end). */
static uint64_t series_between(const struct sk_mvector *v, size_t from, size_t end)
{
    uint64_t n = 0;
    for (size_t i = 0; i < v->count; i++) {
        size_t k = from;
        while (k < end && !sk_has_value(v->items[i].row[k]))
            k++;
        n += k < end;
    }
    return n;
}

/* The series of a part that Loki runs as a query of its own, in each piece of time. */
static enum sk_err part_check(struct sk_mrun *r, const struct sk_mvector *v)
{
    uint64_t max = r->q->series_max;
    if (max == 0 || v->count <= max)
        return SK_OK;
    for (size_t from = 0, end; from < r->step_count; from = end) {
        int64_t piece = floor_to(step_at(r, from), r->piece_ns);
        for (end = from + 1; end < r->step_count; end++) {
            if (floor_to(step_at(r, end), r->piece_ns) != piece)
                break;
        }
        if (series_between(v, from, end) > max)
            return sk_mrun_too_many_series(r);
    }
    return SK_OK;
}

/* Series without any value are no part of a result. */
static void drop_empty(struct sk_mrun *r, struct sk_mvector *v)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->count; i++) {
        bool any = false;
        for (size_t k = 0; k < r->step_count && !any; k++)
            any = sk_has_value(v->items[i].row[k]);
        if (any)
            v->items[kept++] = v->items[i];
    }
    v->count = kept;
}

enum sk_err sk_node_eval(struct sk_mrun *r, const struct sk_node *n, struct sk_mvector *ret)
{
    struct collect c = {r, ret};
    enum sk_err err = sk_mrun_interrupted(r);
    if (err != SK_OK)
        return err;
    switch (n->kind) {
    case SK_NODE_LEAF:
        err = sk_leaf_rows(r, n->leaf, collect_row, &c);
        break;
    case SK_NODE_AGGREGATE:
        err = sk_aggregate_eval(r, n, ret);
        break;
    case SK_NODE_BINARY:
        err = sk_binary_eval(r, n, ret);
        break;
    case SK_NODE_CONSTANT:
        return constant_eval(r, n, ret);
    case SK_NODE_REPLACE:
        err = sk_replace_eval(r, n, ret);
        break;
    case SK_NODE_PIECES:
        err = pieces_eval(r, n, ret);
        break;
    }
    if (err != SK_OK)
        return err;
    drop_empty(r, ret);
    return n->limited ? part_check(r, ret) : SK_OK;
}

/* ---- the result ---- */

struct named { /* a series and its labels as they are printed */
    struct sk_mseries series;
    struct sk_str text;
};

static int order_cmp(const struct sk_mseries *x, const struct sk_mseries *y)
{
    return (x->order > y->order) - (x->order < y->order);
}

static int series_cmp(const void *a, const void *b)
{
    const struct sk_mseries *x = a, *y = b;
    int c = sk_labels_cmp(x->labels->set, y->labels->set);
    return c != 0 ? c : order_cmp(x, y);
}

static int named_cmp(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int c = sk_str_cmp(x->text, y->text);
    return c != 0 ? c : order_cmp(&x->series, &y->series);
}

/* A matrix comes in the order of its printed labels, where {} is the last. */
static enum sk_err matrix_sort(struct sk_mrun *r, struct sk_mvector *v)
{
    struct sk_strbuf text;
    struct named *list = sk_arena_calloc(&r->res->arena, v->count, sizeof(*list));
    sk_strbuf_init(&text, 16u << 20);
    for (size_t i = 0; list != NULL && i < v->count; i++) {
        sk_strbuf_reset(&text);
        sk_labels_format(&text, v->items[i].labels->set);
        list[i] = (struct named){v->items[i], sk_arena_str(&r->res->arena, sk_strbuf_view(&text))};
        if (text.failed || list[i].text.ptr == NULL)
            list = NULL;
    }
    sk_strbuf_deinit(&text);
    if (list == NULL)
        return sk_mrun_no_memory(r);
    qsort(list, v->count, sizeof(*list), named_cmp);
    for (size_t i = 0; i < v->count; i++)
        v->items[i] = list[i].series;
    return SK_OK;
}

/* items[0..n) have the same labels: their points together, step by step. */
static enum sk_err series_give(struct sk_mrun *r, const struct sk_mseries *items, size_t n,
                               struct sk_metric_series *ret)
{
    size_t count = 0;
    struct sk_arena *arena = &r->res->arena;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < r->step_count; k++)
            count += sk_has_value(items[i].row[k]);
    }
    ret->points = sk_arena_calloc(arena, count, sizeof(*ret->points));
    if (ret->points == NULL || sk_labels_copy(arena, items[0].labels->set, &ret->labels) != SK_OK)
        return sk_mrun_no_memory(r);
    ret->count = 0;
    for (size_t k = 0; k < r->step_count; k++) {
        int64_t ts = step_at(r, k);
        for (size_t i = 0; i < n; i++) {
            if (sk_has_value(items[i].row[k]))
                ret->points[ret->count++] =
                    (struct sk_metric_point){ts / SK_NS_PER_MS, items[i].row[k]};
        }
    }
    return SK_OK;
}

static enum sk_err result_make(struct sk_mrun *r, struct sk_mvector *v)
{
    struct sk_metric_result *res = r->res;
    bool matrix = r->q->step_ns > 0;
    bool scalar = r->root->kind == SK_NODE_CONSTANT && r->root->literal;
    res->kind = matrix ? SK_VALUE_MATRIX : scalar ? SK_VALUE_SCALAR : SK_VALUE_VECTOR;
    res->series = sk_arena_calloc(&res->arena, v->count, sizeof(*res->series));
    if (res->series == NULL)
        return sk_mrun_no_memory(r);
    for (size_t i = 0; i < v->count; i++)
        v->items[i].order = i;
    if (v->count > 1 && !matrix && !r->sorted)
        qsort(v->items, v->count, sizeof(*v->items), series_cmp);
    if (v->count > 1 && matrix && matrix_sort(r, v) != SK_OK)
        return SK_ENOMEM;
    for (size_t i = 0; i < v->count;) {
        size_t n = 1;
        while (matrix && i + n < v->count && v->items[i + n].labels == v->items[i].labels)
            n++;
        enum sk_err err = series_give(r, v->items + i, n, &res->series[res->count]);
        if (err != SK_OK)
            return err;
        res->count++;
        i += n;
    }
    if (r->q->series_max > 0 && res->count > r->q->series_max)
        return sk_mrun_too_many_series(r);
    return SK_OK;
}

/* ---- the whole ---- */

bool sk_metric_align(int64_t *start_ns, int64_t *end_ns, int64_t step_ns)
{
    if (*start_ns < INT64_MIN + step_ns || *end_ns > INT64_MAX - step_ns)
        return false;
    *start_ns = floor_to(*start_ns, step_ns);
    *end_ns = floor_to(*end_ns + step_ns - 1, step_ns);
    return true;
}

static enum sk_err run_all(struct sk_mrun *r)
{
    struct sk_mvector v = {0};
    enum sk_err err = sk_metric_plan(r);
    if (err == SK_OK)
        err = sk_metric_scan(r);
    if (err == SK_OK)
        err = sk_node_eval(r, r->root, &v);
    if (err == SK_OK)
        err = result_make(r, &v);
    sk_mvector_deinit(&v);
    return err;
}

enum sk_err sk_metric_query_run(const struct sk_metric_query *q, struct sk_metric_result *ret,
                                struct sk_error *reterr)
{
    int64_t wall = sk_clock_mono_ns(), cpu = sk_clock_cpu_ns(), length;
    struct sk_mrun r = {.q = q, .res = ret, .reterr = reterr};
    *ret = (struct sk_metric_result){.series = NULL};
    if (__builtin_sub_overflow(q->end_ns, q->start_ns, &length) || length < 0)
        length = 0;
    r.step_ns = q->step_ns == 0 ? 1 : q->step_ns;
    r.step_count = q->step_ns == 0 ? 1 : (size_t)(length / q->step_ns) + 1;
    sk_arena_init(&ret->arena, SK_METRIC_ARENA_BYTES_MAX, q->budget);
    sk_arena_init(&r.plan, SK_METRIC_ARENA_BYTES_MAX, q->budget);
    sk_arena_init(&r.rows, SK_METRIC_ARENA_BYTES_MAX, q->budget);
    r.table.arena = &r.rows;
    r.piece_ns = SK_NS_PER_HOUR;
    enum sk_err err = run_all(&r);
    ret->stats.wall_ns = sk_clock_mono_ns() - wall;
    ret->stats.cpu_ns += sk_clock_cpu_ns() - cpu;
    sk_metric_scan_free(&r);
    sk_hmap_deinit(&r.table.map);
    sk_arena_deinit(&r.rows);
    sk_arena_deinit(&r.plan);
    sk_free(r.leaves);
    if (err != SK_OK)
        sk_metric_result_deinit(ret);
    return err;
}

void sk_metric_result_deinit(struct sk_metric_result *result)
{
    if (result == NULL)
        return;
    sk_arena_deinit(&result->arena);
    *result = (struct sk_metric_result){.series = NULL};
}
