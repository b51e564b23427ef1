/* SPDX-License-Identifier: Apache-2.0 */
/* slow_metric.c -- metric expressions at one time; see slow_eval.h. */
#include <math.h>

#include "base/gotext.h"
#include "lib/slow_eval.h"

/* ---- grouping ---- */

static bool names_have(const struct sk_ast_name_list *list, struct sk_str name)
{
    for (; list != NULL; list = list->next) {
        if (sk_str_eq(list->name, name))
            return true;
    }
    return false;
}

enum grouping { KEEP_ALL, KEEP_NAMED, LEAVE_OUT_NAMED };

/* What a grouping leaves of a set; `out` (may be NULL) goes in any case. */
static struct sk_labelset grouped(struct slow *s, struct sk_labelset set, enum grouping how,
                                  const struct sk_ast_name_list *names, const struct sk_str *out)
{
    struct sk_label *items = slow_alloc(s, set.count, sizeof(*items));
    size_t n = 0;
    for (size_t i = 0; i < set.count; i++) {
        bool listed = names_have(names, set.items[i].name);
        bool keep = how == KEEP_ALL || listed == (how == KEEP_NAMED);
        if (out != NULL && sk_str_eq(set.items[i].name, *out))
            keep = false;
        if (keep)
            items[n++] = set.items[i];
    }
    return (struct sk_labelset){items, n};
}

static enum grouping grouping_of(const struct sk_ast_grouping *g, enum grouping none)
{
    return g == NULL ? none : g->without ? LEAVE_OUT_NAMED : KEEP_NAMED;
}

static const struct sk_ast_name_list *names_of(const struct sk_ast_grouping *g)
{
    return g == NULL ? NULL : g->names;
}

/* The item with these labels, a new one with `value` when there is none. */
static struct slow_sample *sample_of(struct slow_vector *v, struct sk_labelset labels, double value)
{
    for (size_t i = 0; i < v->count; i++) {
        if (sk_labels_eq(v->items[i].labels, labels))
            return &v->items[i];
    }
    v->items[v->count] = (struct slow_sample){labels, value};
    return &v->items[v->count++];
}

static struct slow_vector vector_new(struct slow *s, size_t room)
{
    return (struct slow_vector){slow_alloc(s, room, sizeof(struct slow_sample)), 0, false};
}

/* ---- range functions ---- */

struct series {
    struct sk_labelset labels;
    double *values;
    size_t count;
};

static double mean_of(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum / (double)n;
}

static double variance_of(const double *v, size_t n)
{
    double mean = mean_of(v, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return sum / (double)n;
}

static double quantile_of(struct slow *s, double q, const double *v, size_t n)
{
    double *sorted = slow_alloc(s, n, sizeof(*sorted));
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > v[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = v[i];
    }
    double rank = q * (double)(n - 1), w = rank - floor(rank);
    size_t k = (size_t)floor(rank), above = k + 1 < n ? k + 1 : n - 1;
    return sorted[k] * (1 - w) + sorted[above] * w;
}

static double range_value(struct slow *s, enum sk_range_op op, double param, int64_t range_ns,
                          const double *v, size_t n)
{
    double best = v[0], sum = mean_of(v, n) * (double)n;
    for (size_t i = 1; i < n; i++)
        best = (op == SK_RANGE_MIN && v[i] < best) || (op == SK_RANGE_MAX && v[i] > best) ? v[i]
                                                                                          : best;
    switch (op) {
    case SK_RANGE_COUNT:
        return (double)n;
    case SK_RANGE_SUM:
    case SK_RANGE_BYTES:
        s->inexact = s->inexact || op == SK_RANGE_SUM;
        return op == SK_RANGE_BYTES ? round(sum) : sum;
    case SK_RANGE_RATE:
    case SK_RANGE_BYTES_RATE:
        s->inexact = true;
        return sum / ((double)range_ns / 1e9);
    case SK_RANGE_MIN:
    case SK_RANGE_MAX:
        return best;
    case SK_RANGE_FIRST:
        return v[0];
    case SK_RANGE_LAST:
        return v[n - 1];
    case SK_RANGE_AVG:
        s->inexact = true;
        return mean_of(v, n);
    case SK_RANGE_STDVAR:
    case SK_RANGE_STDDEV:
        s->inexact = true;
        return op == SK_RANGE_STDVAR ? variance_of(v, n) : sqrt(variance_of(v, n));
    case SK_RANGE_QUANTILE:
        s->inexact = true;
        return quantile_of(s, param, v, n);
    case SK_RANGE_RATE_COUNTER:
    case SK_RANGE_ABSENT:
        break;
    }
    slow_unsure(s);
    return 0;
}

/* ---- the samples of a window ---- */

static enum sk_err convert(enum sk_unwrap_conv conv, struct sk_str text, double *ret)
{
    struct sk_error why;
    int64_t ns = 0;
    uint64_t bytes = 0;
    enum sk_err err = SK_OK;
    *ret = 0;
    if (conv == SK_UNWRAP_NONE)
        return sk_go_parse_float(text, ret, &why);
    if (conv == SK_UNWRAP_BYTES) {
        err = sk_go_parse_bytes(text, &bytes, &why);
        *ret = (double)bytes;
    } else {
        err = sk_go_parse_duration(text, &ns, &why);
        *ret = (double)ns / 1e9;
    }
    return err;
}

/* false: the entry gives no sample. */
static bool sample_take(struct slow *s, enum sk_range_op op, const struct sk_ast_unwrap *u,
                        struct slow_entry *e, double *ret)
{
    bool keep = true;
    *ret = op == SK_RANGE_BYTES || op == SK_RANGE_BYTES_RATE ? (double)e->line.len : 1;
    if (u == NULL)
        return true;
    struct sk_str text = slow_get_str(e, u->name);
    if (text.len == 0)
        return false;
    if (convert(u->conv, text, ret) != SK_OK) {
        *ret = 0;
        slow_set(s, e, SK_STR("__error__"), SK_STR("SampleExtractionErr"));
    }
    slow_stages(s, u->post_filters, e, &keep);
    return keep;
}

struct leaf {
    enum sk_range_op op;
    double param;
    const struct sk_ast_log_range *range;
    const struct sk_ast_unwrap *unwrap;
    enum grouping how;
    const struct sk_ast_name_list *names;
    const struct sk_str *out; /* a name that is never part of a series */
};

static struct series *series_of(struct series *all, size_t *count, struct sk_labelset labels)
{
    for (size_t i = 0; i < *count; i++) {
        if (sk_labels_eq(all[i].labels, labels))
            return &all[i];
    }
    all[*count] = (struct series){labels, NULL, 0};
    return &all[(*count)++];
}

static struct slow_vector leaf_eval(struct slow *s, const struct leaf *l, int64_t at_ns)
{
    struct slow_entries entries = slow_log(s, &l->range->log);
    struct series *all = slow_alloc(s, entries.count, sizeof(*all));
    struct slow_vector ret = vector_new(s, entries.count);
    size_t count = 0;
    int64_t end = at_ns - l->range->offset_ns;
    for (size_t i = 0; i < entries.count; i++) {
        struct slow_entry e = entries.items[i];
        double value;
        if (e.ts_ns <= end - l->range->range_ns || e.ts_ns > end)
            continue;
        if (!sample_take(s, l->op, l->unwrap, &e, &value))
            continue;
        if (slow_get(&e, "__error__").len > 0 && s->verdict == SLOW_OK)
            s->verdict = SLOW_FAILS;
        struct sk_label *items = slow_alloc(s, e.count, sizeof(*items));
        memcpy(items, e.items, e.count * sizeof(*items));
        struct sk_labelset set = {items, e.count};
        struct series *one = series_of(all, &count, grouped(s, set, l->how, l->names, l->out));
        if (one->values == NULL)
            one->values = slow_alloc(s, entries.count, sizeof(double));
        one->values[one->count++] = value;
    }
    for (size_t i = 0; i < count; i++) {
        double v = range_value(s, l->op, l->param, l->range->range_ns, all[i].values, all[i].count);
        ret.items[ret.count++] = (struct slow_sample){all[i].labels, v};
    }
    return ret;
}

static struct slow_vector absent_eval(struct slow *s, struct leaf *l, int64_t at_ns)
{
    const struct sk_ast_matcher *list = l->range->log.matchers;
    struct slow_vector ret = vector_new(s, 1);
    struct sk_label *items = slow_alloc(s, 16, sizeof(*items));
    size_t n = 0;
    l->op = SK_RANGE_COUNT;
    if (leaf_eval(s, l, at_ns).count > 0)
        return ret;
    for (const struct sk_ast_matcher *m = list; m != NULL && n < 16; m = m->next) {
        size_t same = 0;
        for (const struct sk_ast_matcher *k = list; k != NULL; k = k->next)
            same += sk_str_eq(k->name, m->name);
        if (same == 1 && m->op == SK_MATCH_EQ && m->value.len > 0)
            items[n++] = (struct sk_label){m->name, m->value};
    }
    sk_labels_sort(items, n);
    ret.items[ret.count++] = (struct slow_sample){{items, n}, 1};
    return ret;
}

static bool changes_labels(const struct sk_ast_log *log)
{
    for (const struct sk_ast_stage *st = log->stages; st != NULL; st = st->next) {
        if (st->kind == SK_STAGE_DROP || st->kind == SK_STAGE_KEEP ||
            (st->kind == SK_STAGE_LABEL_FORMAT && st->formats->rename))
            return true;
    }
    return false;
}

/* Loki makes a quotient of most means: the values' sum by the number of all entries. */
static struct slow_vector quotient_eval(struct slow *s, struct leaf *l, int64_t at_ns)
{
    struct leaf counts = *l;
    l->op = SK_RANGE_SUM;
    counts.op = SK_RANGE_COUNT;
    counts.unwrap = NULL;
    struct slow_vector sum = leaf_eval(s, l, at_ns), n = leaf_eval(s, &counts, at_ns);
    s->inexact = true;
    for (size_t i = 0; i < sum.count; i++)
        sum.items[i].value /= sample_of(&n, sum.items[i].labels, 1)->value;
    return sum;
}

static struct slow_vector range_eval(struct slow *s, const struct sk_ast_expr *e, int64_t at_ns)
{
    const struct sk_ast_grouping *g = e->u.range.grouping;
    const struct sk_ast_log_range *range = &e->u.range.range;
    struct leaf l = {.op = e->u.range.op,
                     .param = e->u.range.param,
                     .range = range,
                     .unwrap = range->unwrap,
                     .how = grouping_of(g, KEEP_ALL),
                     .names = names_of(g)};
    if (range->unwrap != NULL && l.how != KEEP_NAMED)
        l.out = &range->unwrap->name;
    if (l.op == SK_RANGE_ABSENT)
        return absent_eval(s, &l, at_ns);
    bool plain = g == NULL || (g->without && g->names == NULL);
    if (l.op == SK_RANGE_AVG && (!plain || changes_labels(&range->log)))
        return quotient_eval(s, &l, at_ns);
    return leaf_eval(s, &l, at_ns);
}

/* ---- vector functions ---- */

static bool chooses(enum sk_vector_op op)
{
    return op == SK_VECTOR_TOPK || op == SK_VECTOR_BOTTOMK;
}

/* The best `k` of each group, in any order. */
static struct slow_vector choose(struct slow *s, const struct sk_ast_expr *e,
                                 const struct slow_vector *in)
{
    struct slow_vector out = vector_new(s, in->count);
    const struct sk_ast_grouping *g = e->u.vector.grouping;
    for (size_t i = 0; i < in->count; i++) {
        struct sk_labelset own =
            grouped(s, in->items[i].labels, grouping_of(g, KEEP_NAMED), names_of(g), NULL);
        int64_t better = 0;
        for (size_t k = 0; k < in->count; k++) {
            struct sk_labelset other =
                grouped(s, in->items[k].labels, grouping_of(g, KEEP_NAMED), names_of(g), NULL);
            double a = in->items[k].value, b = in->items[i].value;
            if (k == i || !sk_labels_eq(own, other))
                continue;
            if (isnan(a) || isnan(b) || fabs(a - b) <= 1e-9 * fabs(a))
                slow_unsure(s); /* which of them is a matter of taste */
            better += e->u.vector.op == SK_VECTOR_TOPK ? a > b : a < b;
        }
        if (better < e->u.vector.param)
            out.items[out.count++] = in->items[i];
    }
    return out;
}

static double fold(struct slow *s, enum sk_vector_op op, const double *v, size_t n)
{
    double best = v[0];
    for (size_t i = 1; i < n; i++)
        best = isnan(best) || (op == SK_VECTOR_MIN ? v[i] < best : v[i] > best) ? v[i] : best;
    if (op == SK_VECTOR_MIN || op == SK_VECTOR_MAX)
        return best;
    if (op == SK_VECTOR_COUNT)
        return (double)n;
    s->inexact = true;
    if (op == SK_VECTOR_SUM)
        return mean_of(v, n) * (double)n;
    if (op == SK_VECTOR_AVG)
        return mean_of(v, n);
    return op == SK_VECTOR_STDVAR ? variance_of(v, n) : sqrt(variance_of(v, n));
}

static struct slow_vector vector_eval(struct slow *s, const struct sk_ast_expr *e, int64_t at_ns)
{
    struct slow_vector in = slow_metric(s, e->u.vector.expr, at_ns);
    enum sk_vector_op op = e->u.vector.op;
    const struct sk_ast_grouping *g = e->u.vector.grouping;
    if (op == SK_VECTOR_SORT || op == SK_VECTOR_SORT_DESC)
        return in;
    if (chooses(op))
        return choose(s, e, &in);
    struct series *all = slow_alloc(s, in.count, sizeof(*all));
    struct slow_vector out = vector_new(s, in.count);
    size_t count = 0;
    for (size_t i = 0; i < in.count; i++) {
        struct sk_labelset set =
            grouped(s, in.items[i].labels, grouping_of(g, KEEP_NAMED), names_of(g), NULL);
        struct series *one = series_of(all, &count, set);
        if (one->values == NULL)
            one->values = slow_alloc(s, in.count, sizeof(double));
        one->values[one->count++] = in.items[i].value;
    }
    for (size_t i = 0; i < count; i++)
        out.items[out.count++] =
            (struct slow_sample){all[i].labels, fold(s, op, all[i].values, all[i].count)};
    return out;
}

/* ---- binary operations ---- */

static double arithmetic(enum sk_bin_op op, double a, double b)
{
    if (op == SK_BIN_ADD || op == SK_BIN_SUB)
        return op == SK_BIN_ADD ? a + b : a - b;
    if (op == SK_BIN_MUL)
        return a * b;
    if (op == SK_BIN_POW)
        return pow(a, b);
    if (b == 0)
        return NAN;
    return op == SK_BIN_DIV ? a / b : fmod(a, b);
}

static bool holds(struct slow *s, enum sk_bin_op op, double a, double b)
{
    if (s->inexact && fabs(a - b) <= 1e-6 * (fabs(a) + 1))
        slow_unsure(s); /* a last digit decides */
    switch ((int)op) {
    case SK_BIN_EQ:
        return a == b;
    case SK_BIN_NEQ:
        return a != b;
    case SK_BIN_GT:
        return a > b;
    case SK_BIN_GTE:
        return a >= b;
    case SK_BIN_LT:
        return a < b;
    default:
        return a <= b;
    }
}

/* false: nothing is left. */
static bool apply(struct slow *s, const struct sk_ast_expr *e, double a, double b, double kept,
                  double *ret)
{
    enum sk_bin_op op = e->u.binary.op;
    if (op < SK_BIN_EQ) {
        if (op == SK_BIN_MOD || op == SK_BIN_DIV) {
            if (s->inexact && fabs(b) < 1e-6)
                slow_unsure(s);
            if (op == SK_BIN_MOD && s->inexact)
                slow_unsure(s);
        }
        *ret = arithmetic(op, a, b);
        return true;
    }
    bool yes = holds(s, op, a, b);
    *ret = e->u.binary.return_bool ? (yes ? 1 : 0) : kept;
    return yes || e->u.binary.return_bool;
}

static struct sk_labelset key_of(struct slow *s, const struct sk_ast_expr *e,
                                 struct sk_labelset set)
{
    enum grouping how = !e->u.binary.has_matching ? KEEP_ALL
                        : e->u.binary.on          ? KEEP_NAMED
                                                  : LEAVE_OUT_NAMED;
    return grouped(s, set, how, e->u.binary.matching, NULL);
}

static bool key_there(struct slow *s, const struct sk_ast_expr *e, const struct slow_vector *v,
                      struct sk_labelset key)
{
    for (size_t i = 0; i < v->count; i++) {
        if (sk_labels_eq(key_of(s, e, v->items[i].labels), key))
            return true;
    }
    return false;
}

static struct slow_vector set_eval(struct slow *s, const struct sk_ast_expr *e,
                                   const struct slow_vector *l, const struct slow_vector *r)
{
    struct slow_vector out = vector_new(s, l->count + r->count);
    for (size_t i = 0; i < l->count; i++) {
        bool there = key_there(s, e, r, key_of(s, e, l->items[i].labels));
        if (e->u.binary.op == SK_BIN_OR || there == (e->u.binary.op == SK_BIN_AND))
            out.items[out.count++] = l->items[i];
    }
    for (size_t i = 0; i < r->count && e->u.binary.op == SK_BIN_OR; i++) {
        if (!key_there(s, e, l, key_of(s, e, r->items[i].labels)))
            out.items[out.count++] = r->items[i];
    }
    return out;
}

static struct slow_vector number_eval(struct slow *s, const struct sk_ast_expr *e,
                                      const struct slow_vector *l, const struct slow_vector *r)
{
    const struct slow_vector *many = l->scalar ? r : l;
    struct slow_vector out = vector_new(s, many->count);
    for (size_t i = 0; i < many->count; i++) {
        double a = l->scalar ? l->items[0].value : l->items[i].value;
        double b = r->scalar ? r->items[0].value : r->items[i].value;
        struct slow_sample *to = &out.items[out.count];
        to->labels = many->items[i].labels;
        out.count += apply(s, e, a, b, many->items[i].value, &to->value);
    }
    return out;
}

static void fails(struct slow *s)
{
    if (s->verdict == SLOW_OK)
        s->verdict = SLOW_FAILS;
}

static struct slow_vector match_eval(struct slow *s, const struct sk_ast_expr *e,
                                     const struct slow_vector *l, const struct slow_vector *r)
{
    struct slow_vector out = vector_new(s, l->count * r->count);
    for (size_t i = 0; i < r->count; i++) {
        for (size_t k = i + 1; k < r->count; k++) {
            if (sk_labels_eq(key_of(s, e, r->items[i].labels), key_of(s, e, r->items[k].labels)))
                fails(s);
        }
    }
    for (size_t i = 0; i < l->count; i++) {
        struct sk_labelset key = key_of(s, e, l->items[i].labels);
        for (size_t k = 0; k < r->count; k++) {
            double a = l->items[i].value, b = r->items[k].value, v;
            if (!sk_labels_eq(key, key_of(s, e, r->items[k].labels)) || !apply(s, e, a, b, a, &v))
                continue;
            size_t before = out.count;
            (void)sample_of(&out, key, v);
            if (out.count == before)
                fails(s);
        }
    }
    return out;
}

static struct slow_vector binary_eval(struct slow *s, const struct sk_ast_expr *e, int64_t at_ns)
{
    struct slow_vector l = slow_metric(s, e->u.binary.left, at_ns);
    struct slow_vector r = slow_metric(s, e->u.binary.right, at_ns);
    if (e->u.binary.card != SK_CARD_ONE_TO_ONE || (l.scalar && r.scalar))
        slow_unsure(s);
    if (l.scalar || r.scalar)
        return number_eval(s, e, &l, &r);
    if (e->u.binary.op <= SK_BIN_UNLESS)
        return set_eval(s, e, &l, &r);
    return match_eval(s, e, &l, &r);
}

struct slow_vector slow_metric(struct slow *s, const struct sk_ast_expr *e, int64_t at_ns)
{
    struct slow_vector one = vector_new(s, 1);
    switch (e->kind) {
    case SK_AST_RANGE_AGG:
        return range_eval(s, e, at_ns);
    case SK_AST_VECTOR_AGG:
        return vector_eval(s, e, at_ns);
    case SK_AST_BINARY:
        return binary_eval(s, e, at_ns);
    case SK_AST_LITERAL:
    case SK_AST_VECTOR:
        one.items[one.count++] = (struct slow_sample){{NULL, 0}, e->u.literal};
        one.scalar = e->kind == SK_AST_LITERAL;
        return one;
    case SK_AST_LOG:
    case SK_AST_LABEL_REPLACE:
    case SK_AST_VARIANTS:
        break;
    }
    slow_unsure(s);
    return one;
}
