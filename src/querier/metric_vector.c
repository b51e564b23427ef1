/* SPDX-License-Identifier: Apache-2.0 */
/* metric_vector.c -- vector aggregations. sum, avg, min, max, count, stddev, stdvar take their
 * series one by one and keep a few rows per group; so a leaf below them is never a vector as a
 * whole. topk, bottomk and sort choose among all series of a step. */
#include <stdlib.h>

#include "base/alloc.h"
#include "querier/metric_int.h"

/* ---- folding ---- */

struct fold_group {
    const struct sk_mlabels *labels;
    double *value;       /* sum, mean, extreme */
    double *count, *aux; /* where the function needs them, else NULL */
};

struct fold {
    struct sk_mrun *r;
    const struct sk_node *n;
    struct fold_group *groups;
    size_t count, cap;
    struct sk_hmap map; /* of labels to 1 + number */
};

static bool is_variance(enum sk_vector_op op)
{
    return op == SK_VECTOR_STDDEV || op == SK_VECTOR_STDVAR;
}

static struct fold_group *group_of(struct fold *f, const struct sk_mlabels *from)
{
    const struct sk_node *n = f->n;
    const struct sk_mlabels *l = sk_group_labels(f->r, n->mode, n->names, n->name_count, from->set);
    if (l == NULL)
        return NULL;
    for (size_t at = sk_hmap_first(&f->map, l->hash); at != SK_HMAP_END;
         at = sk_hmap_next(&f->map, l->hash, at)) {
        struct fold_group *g = &f->groups[(size_t)(uintptr_t)f->map.slots[at].value - 1];
        if (g->labels == l)
            return g;
    }
    struct fold_group g = {.labels = l, .value = sk_row_new(f->r)};
    bool counts = n->op == SK_VECTOR_AVG || is_variance(n->op);
    if (counts)
        g.count = sk_arena_calloc(&f->r->rows, f->r->step_count, sizeof(*g.count));
    if (is_variance(n->op))
        g.aux = sk_arena_calloc(&f->r->rows, f->r->step_count, sizeof(*g.aux));
    if (g.value == NULL || (counts && g.count == NULL) || (is_variance(n->op) && g.aux == NULL) ||
        !SK_GROW(f->groups, f->cap, f->count + 1) ||
        !sk_hmap_add(&f->map, l->hash, (void *)(uintptr_t)(f->count + 1)))
        return NULL;
    f->groups[f->count] = g;
    return &f->groups[f->count++];
}

static void value_fold(const struct sk_node *n, struct fold_group *g, size_t i, double v)
{
    double *have = &g->value[i], d;
    bool first = !sk_has_value(*have);
    switch (n->op) {
    case SK_VECTOR_SUM:
        *have = first ? 0 + v : *have + v;
        break;
    case SK_VECTOR_COUNT:
        *have = first ? 1 : *have + 1;
        break;
    case SK_VECTOR_MIN:
        *have = first || isnan(*have) || v < *have ? v : *have;
        break;
    case SK_VECTOR_MAX:
        *have = first || isnan(*have) || v > *have ? v : *have;
        break;
    case SK_VECTOR_AVG:
        g->count[i]++;
        if (n->quotient)
            *have = first ? 0 + v : *have + v;
        else
            *have = first ? v : *have + (v - *have) / g->count[i];
        break;
    case SK_VECTOR_STDDEV:
    case SK_VECTOR_STDVAR:
        g->count[i]++;
        if (first) {
            *have = v;
            g->aux[i] = v - v; /* 0; NaN of what is not finite */
        } else {
            d = v - *have;
            *have += d / g->count[i];
            g->aux[i] += d * (v - *have);
        }
        break;
    case SK_VECTOR_BOTTOMK:
    case SK_VECTOR_TOPK:
    case SK_VECTOR_APPROX_TOPK:
    case SK_VECTOR_SORT:
    case SK_VECTOR_SORT_DESC:
        break; /* not folded */
    }
}

static enum sk_err fold_row(void *ctx, const struct sk_mlabels *labels, const double *row)
{
    struct fold *f = ctx;
    struct fold_group *g = group_of(f, labels);
    if (g == NULL)
        return sk_mrun_no_memory(f->r);
    for (size_t i = 0; i < f->r->step_count; i++) {
        if (sk_has_value(row[i]))
            value_fold(f->n, g, i, row[i]);
    }
    return SK_OK;
}

static void group_end(const struct fold *f, struct fold_group *g)
{
    enum sk_vector_op op = f->n->op;
    for (size_t i = 0; i < f->r->step_count; i++) {
        if (!sk_has_value(g->value[i]))
            continue;
        if (op == SK_VECTOR_AVG && f->n->quotient)
            g->value[i] /= g->count[i];
        else if (op == SK_VECTOR_STDVAR)
            g->value[i] = g->aux[i] / g->count[i];
        else if (op == SK_VECTOR_STDDEV)
            g->value[i] = sqrt(g->aux[i] / g->count[i]);
    }
}

static enum sk_err fold_input(struct fold *f)
{
    struct sk_mvector in = {0};
    if (f->n->left->kind == SK_NODE_LEAF && !f->n->left->limited)
        return sk_leaf_rows(f->r, f->n->left->leaf, fold_row, f);
    enum sk_err err = sk_node_eval(f->r, f->n->left, &in);
    for (size_t i = 0; i < in.count && err == SK_OK; i++)
        err = fold_row(f, in.items[i].labels, in.items[i].row);
    sk_mvector_deinit(&in);
    return err;
}

static enum sk_err fold_eval(struct sk_mrun *r, const struct sk_node *n, struct sk_mvector *ret)
{
    struct fold f = {.r = r, .n = n};
    enum sk_err err = fold_input(&f);
    for (size_t i = 0; i < f.count && err == SK_OK; i++) {
        group_end(&f, &f.groups[i]);
        err = sk_mvector_add(r, ret, f.groups[i].labels, f.groups[i].value);
    }
    sk_hmap_deinit(&f.map);
    sk_free(f.groups);
    return err;
}

/* ---- choosing ---- */

struct rank {
    double value;
    size_t series, group; /* group: number of its labels */
    bool descending;
};

/* The best first; NaN is behind all numbers, and equal values stay in order of arrival. */
static int value_cmp(const struct rank *x, const struct rank *y)
{
    if (isnan(x->value) != isnan(y->value))
        return isnan(x->value) ? 1 : -1;
    if (x->value != y->value && !isnan(x->value))
        return (x->value > y->value) == x->descending ? -1 : 1;
    return (x->series > y->series) - (x->series < y->series);
}

static int rank_cmp(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return value_cmp(x, y);
}

static void step_choose(struct sk_mrun *r, const struct sk_node *n, const struct sk_mvector *in,
                        const size_t *group, struct rank *ranks, size_t step, double **rows)
{
    size_t count = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (sk_has_value(in->items[i].row[step]))
            ranks[count++] =
                (struct rank){in->items[i].row[step], i, group[i], n->op == SK_VECTOR_TOPK};
    }
    (void)r;
    if (count > 1)
        qsort(ranks, count, sizeof(*ranks), rank_cmp);
    int64_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        taken = i > 0 && ranks[i].group == ranks[i - 1].group ? taken + 1 : 1;
        if (taken <= n->param)
            rows[ranks[i].series][step] = ranks[i].value;
    }
}

static enum sk_err choose_eval(struct sk_mrun *r, const struct sk_node *n,
                               const struct sk_mvector *in, struct sk_mvector *ret)
{
    size_t *group = sk_calloc(in->count, sizeof(*group));
    struct rank *ranks = sk_calloc(in->count, sizeof(*ranks));
    double **rows = sk_calloc(in->count, sizeof(double *));
    enum sk_err err = group == NULL || ranks == NULL || rows == NULL ? sk_mrun_no_memory(r) : SK_OK;
    for (size_t i = 0; i < in->count && err == SK_OK; i++) {
        const struct sk_mlabels *l =
            sk_group_labels(r, n->mode, n->names, n->name_count, in->items[i].labels->set);
        rows[i] = sk_row_new(r);
        if (l == NULL || rows[i] == NULL)
            err = sk_mrun_no_memory(r);
        else
            group[i] = l->id;
    }
    for (size_t k = 0; k < r->step_count && err == SK_OK; k++)
        step_choose(r, n, in, group, ranks, k, rows);
    for (size_t i = 0; i < in->count && err == SK_OK; i++)
        err = sk_mvector_add(r, ret, in->items[i].labels, rows[i]);
    sk_free(group);
    sk_free(ranks);
    sk_free(rows);
    return err;
}

/* Of an instant query; a range query is ordered by labels in the end. */
static enum sk_err sort_eval(struct sk_mrun *r, const struct sk_node *n,
                             const struct sk_mvector *in, struct sk_mvector *ret)
{
    struct rank *ranks = sk_calloc(in->count, sizeof(*ranks));
    enum sk_err err = ranks == NULL ? sk_mrun_no_memory(r) : SK_OK;
    for (size_t i = 0; i < in->count && err == SK_OK; i++)
        ranks[i] = (struct rank){in->items[i].row[0], i, 0, n->op == SK_VECTOR_SORT_DESC};
    if (err == SK_OK && in->count > 1 && r->step_count == 1)
        qsort(ranks, in->count, sizeof(*ranks), rank_cmp);
    for (size_t i = 0; i < in->count && err == SK_OK; i++) {
        const struct sk_mseries *s = &in->items[ranks[i].series];
        err = sk_mvector_add(r, ret, s->labels, s->row);
    }
    sk_free(ranks);
    return err;
}

enum sk_err sk_aggregate_eval(struct sk_mrun *r, const struct sk_node *n, struct sk_mvector *ret)
{
    struct sk_mvector in = {0};
    bool sorts = n->op == SK_VECTOR_SORT || n->op == SK_VECTOR_SORT_DESC;
    if (!sorts && n->op != SK_VECTOR_TOPK && n->op != SK_VECTOR_BOTTOMK)
        return fold_eval(r, n, ret);
    enum sk_err err = sk_node_eval(r, n->left, &in);
    if (err == SK_OK)
        err = sorts ? sort_eval(r, n, &in, ret) : choose_eval(r, n, &in, ret);
    sk_mvector_deinit(&in);
    return err;
}
