/* SPDX-License-Identifier: Apache-2.0 */
/* metric_plan.c -- from the syntax tree to nodes and leaves, with those of Loki's rewrites that
 * clients can see (spec logql-metrics 1.2, 3.2, 4, 6):
 *
 *   sum over count, rate, bytes, sum_over_time: the grouping is done while entries are read, and
 *       parsers are told that no other label is needed
 *   avg: sum / count, when Loki could spread it over shards
 *   avg_over_time with a grouping: sum of values / number of entries, with or without a value
 *   an instant sum, min, max or avg over a range of more than an hour: done for each hour, and the
 *       results combined by what the range function combines hours with, although that is wrong
 *   the largest parts that Loki could spread over shards are queries of their own, each with the
 *       limit of series */
#include "base/alloc.h"
#include "base/gotext.h"
#include "querier/metric_int.h"

struct grouping {
    enum sk_group_mode mode;
    struct sk_str *names;
    size_t count;
};

static enum sk_err no_memory(struct sk_mrun *r)
{
    return sk_mrun_no_memory(r);
}

/* NULL is the empty `by ()`. `extra` (may be empty) is added to a `without`. */
static enum sk_err grouping_of(struct sk_mrun *r, const struct sk_ast_grouping *ast,
                               struct sk_str extra, struct grouping *ret)
{
    size_t n = 0;
    for (const struct sk_ast_name_list *k = ast == NULL ? NULL : ast->names; k != NULL; k = k->next)
        n++;
    struct sk_str *names = sk_arena_calloc(&r->plan, n + 1, sizeof(*names));
    if (names == NULL)
        return no_memory(r);
    n = 0;
    for (const struct sk_ast_name_list *k = ast == NULL ? NULL : ast->names; k != NULL; k = k->next)
        names[n++] = k->name;
    bool without = ast != NULL && ast->without;
    if (without && extra.len > 0)
        names[n++] = extra;
    n = sk_names_sort(names, n);
    enum sk_group_mode mode = without ? SK_GROUP_WITHOUT : n > 0 ? SK_GROUP_BY : SK_GROUP_NONE;
    *ret = (struct grouping){mode, names, n};
    return SK_OK;
}

/* ---- what Loki could spread over shards ---- */

static bool changes_labels(const struct sk_ast_log *log)
{
    for (const struct sk_ast_stage *s = log->stages; s != NULL; s = s->next) {
        if (s->kind == SK_STAGE_KEEP || s->kind == SK_STAGE_DROP)
            return true;
        for (const struct sk_ast_label_format *f = s->formats; f != NULL; f = f->next) {
            if (f->rename)
                return true;
        }
    }
    return false;
}

static bool reduces_labels(const struct sk_ast_expr *e)
{
    switch (e->kind) {
    case SK_AST_RANGE_AGG:
        return e->u.range.grouping != NULL || changes_labels(&e->u.range.range.log);
    case SK_AST_VECTOR_AGG:
        return true;
    case SK_AST_BINARY:
        return reduces_labels(e->u.binary.left) || reduces_labels(e->u.binary.right);
    case SK_AST_LABEL_REPLACE:
        return reduces_labels(e->u.replace.expr);
    case SK_AST_LOG:
    case SK_AST_LITERAL:
    case SK_AST_VECTOR:
    case SK_AST_VARIANTS:
        break;
    }
    return false;
}

static bool range_shardable(enum sk_range_op op, bool top)
{
    switch (op) {
    case SK_RANGE_AVG:
    case SK_RANGE_FIRST:
    case SK_RANGE_LAST:
    case SK_RANGE_COUNT:
    case SK_RANGE_RATE:
    case SK_RANGE_BYTES:
    case SK_RANGE_BYTES_RATE:
    case SK_RANGE_SUM:
    case SK_RANGE_MAX:
    case SK_RANGE_MIN:
        return true;
    case SK_RANGE_QUANTILE:
        return top;
    case SK_RANGE_RATE_COUNTER:
    case SK_RANGE_STDVAR:
    case SK_RANGE_STDDEV:
    case SK_RANGE_ABSENT:
        break;
    }
    return false;
}

static bool shardable(const struct sk_ast_expr *e, bool top)
{
    if (e->kind == SK_AST_LITERAL)
        return true;
    if (e->kind == SK_AST_RANGE_AGG)
        return range_shardable(e->u.range.op, top);
    if (e->kind == SK_AST_BINARY)
        return (e->u.binary.op == SK_BIN_ADD || e->u.binary.op == SK_BIN_MUL) &&
               !e->u.binary.has_matching && shardable(e->u.binary.left, false) &&
               shardable(e->u.binary.right, false);
    if (e->kind != SK_AST_VECTOR_AGG || !shardable(e->u.vector.expr, false))
        return false;
    enum sk_vector_op op = e->u.vector.op;
    return op == SK_VECTOR_SUM || ((op == SK_VECTOR_AVG || op == SK_VECTOR_COUNT ||
                                    op == SK_VECTOR_MIN || op == SK_VECTOR_MAX) &&
                                   !reduces_labels(e->u.vector.expr));
}

/* ---- limits ---- */

static enum sk_err range_check(struct sk_mrun *r, const struct sk_ast_log_range *range)
{
    struct sk_strbuf a, b;
    if (r->q->range_max_ns <= 0 || range->range_ns <= r->q->range_max_ns)
        return SK_OK;
    sk_strbuf_init(&a, 64);
    sk_strbuf_init(&b, 64);
    sk_prom_format_duration(&a, range->range_ns);
    sk_prom_format_duration(&b, r->q->range_max_ns);
    enum sk_err err = sk_error_set(r->reterr, SK_EINVAL,
                                   "[interval] value exceeds limit: [%s] > [%s]", a.ptr, b.ptr);
    sk_strbuf_deinit(&a);
    sk_strbuf_deinit(&b);
    return err;
}

/* Loki cuts instant queries of these into pieces of an hour, so that their range may be longer than
 * a query. */
static bool splits_by_hour(const struct sk_ast_expr *e)
{
    enum sk_range_op op = e->u.range.op;
    return op == SK_RANGE_COUNT || op == SK_RANGE_RATE || op == SK_RANGE_BYTES ||
           op == SK_RANGE_BYTES_RATE || op == SK_RANGE_SUM || op == SK_RANGE_MIN ||
           op == SK_RANGE_MAX;
}

static enum sk_err length_check(struct sk_mrun *r, const struct sk_ast_expr *e)
{
    const struct sk_metric_query *q = r->q;
    int64_t range = e->u.range.range.range_ns, length;
    int64_t piece = range > SK_NS_PER_HOUR ? range : SK_NS_PER_HOUR;
    if (q->length_max_ns <= 0 || (q->step_ns == 0 && splits_by_hour(e)))
        return SK_OK;
    if (__builtin_sub_overflow(q->end_ns, q->start_ns, &length) || length > piece)
        length = piece;
    if (__builtin_add_overflow(length, range, &length))
        length = INT64_MAX;
    if (length <= q->length_max_ns)
        return SK_OK;
    struct sk_strbuf a, b;
    sk_strbuf_init(&a, 64);
    sk_strbuf_init(&b, 64);
    sk_go_format_duration(&a, length);
    sk_prom_format_duration(&b, q->length_max_ns);
    enum sk_err err = sk_error_set(
        r->reterr, SK_EINVAL,
        "the query time range exceeds the limit (query length: %s, limit: %s)", a.ptr, b.ptr);
    sk_strbuf_deinit(&a);
    sk_strbuf_deinit(&b);
    return err;
}

/* ---- leaves ---- */

static enum sk_acc_kind acc_kind(const struct sk_leaf *leaf)
{
    switch (leaf->op) {
    case SK_RANGE_BYTES:
    case SK_RANGE_BYTES_RATE:
        return SK_ACC_BYTES;
    case SK_RANGE_COUNT:
    case SK_RANGE_ABSENT:
        return SK_ACC_COUNT;
    case SK_RANGE_RATE:
        return leaf->unwrap == NULL ? SK_ACC_COUNT : SK_ACC_SAMPLES;
    case SK_RANGE_MIN:
    case SK_RANGE_MAX:
        return SK_ACC_EXTREME;
    case SK_RANGE_RATE_COUNTER:
    case SK_RANGE_AVG:
    case SK_RANGE_SUM:
    case SK_RANGE_STDVAR:
    case SK_RANGE_STDDEV:
    case SK_RANGE_QUANTILE:
    case SK_RANGE_FIRST:
    case SK_RANGE_LAST:
        break;
    }
    return SK_ACC_SAMPLES;
}

static enum sk_err leaf_pipeline(struct sk_mrun *r, struct sk_leaf *leaf)
{
    bool bare = leaf->mode == SK_GROUP_NONE, by = leaf->mode == SK_GROUP_BY;
    struct sk_pipeline_hints hints = {
        .need = bare ? SK_NEED_BARE
                : by ? SK_NEED_NAMED
                     : SK_NEED_ALL,
        .names = leaf->names,
        .name_count = by ? leaf->name_count : 0,
        .line_unread = leaf->acc != SK_ACC_BYTES,
    };
    if (leaf->unwrap != NULL) {
        hints.unwrap = leaf->unwrap->name;
        hints.post_filters = leaf->unwrap->post_filters;
    }
    return sk_pipeline_create_metric(&r->plan, &leaf->range->log, &hints, &leaf->pipeline,
                                     r->reterr);
}

static enum sk_err leaf_add(struct sk_mrun *r, const struct sk_ast_expr *e, enum sk_range_op op,
                            const struct sk_ast_unwrap *unwrap, struct grouping g,
                            struct sk_node *ret)
{
    const struct sk_ast_log_range *range = &e->u.range.range;
    struct sk_leaf *leaf = sk_arena_calloc(&r->plan, 1, sizeof(*leaf));
    if (leaf == NULL || !SK_GROW(r->leaves, r->leaf_cap, r->leaf_count + 1))
        return no_memory(r);
    *leaf = (struct sk_leaf){.op = op,
                             .param = e->u.range.param,
                             .range = range,
                             .unwrap = unwrap,
                             .mode = g.mode,
                             .names = g.names,
                             .name_count = g.count};
    leaf->acc = acc_kind(leaf);
    int64_t first, step = r->q->step_ns;
    if (__builtin_sub_overflow(r->q->start_ns, range->offset_ns, &first))
        first = range->offset_ns > 0 ? INT64_MIN : INT64_MAX;
    if (step == 0)
        step = range->range_ns > 0 ? range->range_ns : 1;
    sk_windows_init(&leaf->windows, first, step, r->step_count, range->range_ns);
    enum sk_err err = range_check(r, range);
    if (err == SK_OK)
        err = length_check(r, e);
    if (err == SK_OK)
        err = leaf_pipeline(r, leaf);
    if (err != SK_OK)
        return err;
    if (range->range_ns > r->piece_ns)
        r->piece_ns = range->range_ns;
    r->leaves[r->leaf_count++] = leaf;
    *ret = (struct sk_node){.kind = SK_NODE_LEAF, .ast = e, .leaf = leaf};
    return SK_OK;
}

static struct sk_node *node_new(struct sk_mrun *r)
{
    return sk_arena_calloc(&r->plan, 1, sizeof(struct sk_node));
}

/* Sum of the values / number of entries, by the same labels. */
static enum sk_err quotient_plan(struct sk_mrun *r, const struct sk_ast_expr *e,
                                 struct sk_node *ret)
{
    const struct sk_ast_unwrap *unwrap = e->u.range.range.unwrap;
    static const struct sk_ast_grouping without_none = {.without = true};
    const struct sk_ast_grouping *ast = e->u.range.grouping;
    struct grouping sums, counts;
    struct sk_node *left = node_new(r), *right = node_new(r);
    if (left == NULL || right == NULL)
        return no_memory(r);
    enum sk_err err = grouping_of(r, ast == NULL ? &without_none : ast, SK_STR(""), &sums);
    if (err == SK_OK)
        err = grouping_of(r, ast == NULL ? &without_none : ast, unwrap->name, &counts);
    if (err == SK_OK)
        err = leaf_add(r, e, SK_RANGE_SUM, unwrap, sums, left);
    if (err == SK_OK)
        err = leaf_add(r, e, SK_RANGE_COUNT, NULL, counts, right);
    *ret = (struct sk_node){.kind = SK_NODE_BINARY, .ast = NULL, .left = left, .right = right};
    return err;
}

static enum sk_err range_plan(struct sk_mrun *r, const struct sk_ast_expr *e, struct sk_node *ret)
{
    const struct sk_ast_grouping *ast = e->u.range.grouping;
    const struct sk_ast_log_range *range = &e->u.range.range;
    struct grouping g = {.mode = SK_GROUP_ALL};
    if (e->u.range.op == SK_RANGE_AVG && range->unwrap != NULL &&
        (changes_labels(&range->log) || (ast != NULL && (!ast->without || ast->names != NULL))))
        return quotient_plan(r, e, ret);
    enum sk_err err = SK_OK;
    if (e->u.range.op == SK_RANGE_ABSENT)
        g.mode = SK_GROUP_NONE;
    else if (ast != NULL)
        err = grouping_of(r, ast, SK_STR(""), &g);
    return err == SK_OK ? leaf_add(r, e, e->u.range.op, range->unwrap, g, ret) : err;
}

/* ---- nodes ---- */

static enum sk_err node_plan(struct sk_mrun *r, const struct sk_ast_expr *e, bool top, bool inside,
                             const struct sk_node **ret);

static bool pushes_down(const struct sk_ast_expr *e)
{
    const struct sk_ast_expr *in = e->u.vector.expr;
    if (e->u.vector.op != SK_VECTOR_SUM || in->kind != SK_AST_RANGE_AGG ||
        in->u.range.grouping != NULL)
        return false;
    enum sk_range_op op = in->u.range.op;
    return op == SK_RANGE_COUNT || op == SK_RANGE_RATE || op == SK_RANGE_BYTES ||
           op == SK_RANGE_BYTES_RATE || op == SK_RANGE_SUM;
}

/* ---- instant queries by the hour ---- */

/* Whether an aggregation of hours differs from one of the whole. */
static bool hours_differ(enum sk_vector_op outer, enum sk_range_op inner)
{
    if (outer == SK_VECTOR_SUM)
        return inner == SK_RANGE_MIN || inner == SK_RANGE_MAX;
    if (outer == SK_VECTOR_MIN)
        return inner != SK_RANGE_MIN;
    if (outer == SK_VECTOR_MAX)
        return inner != SK_RANGE_MAX;
    return outer == SK_VECTOR_AVG;
}

/* json, logfmt: as many labels as there are in a line. */
static bool has_parser(const struct sk_ast_log *log)
{
    for (const struct sk_ast_stage *s = log->stages; s != NULL; s = s->next) {
        if ((s->kind == SK_STAGE_JSON || s->kind == SK_STAGE_LOGFMT) && s->extractions == NULL)
            return true;
    }
    return false;
}

static bool goes_by_hours(const struct sk_mrun *r, const struct sk_ast_expr *e)
{
    const struct sk_ast_expr *in = e->u.vector.expr;
    if (in->kind != SK_AST_RANGE_AGG)
        return false;
    bool rate = in->u.range.op == SK_RANGE_RATE || in->u.range.op == SK_RANGE_BYTES_RATE;
    return r->q->step_ns == 0 && splits_by_hour(in) &&
           in->u.range.range.range_ns > SK_NS_PER_HOUR &&
           !(rate && has_parser(&in->u.range.range.log)) &&
           hours_differ(e->u.vector.op, in->u.range.op);
}

/* The leaf counts or adds in hours that end at the time of the query; what the whole range does not
 * reach is cut off the first. */
static void leaf_split(struct sk_leaf *leaf, struct sk_node *pieces)
{
    int64_t end = leaf->windows.first_ns, start = leaf->windows.start_ns;
    int64_t range = leaf->windows.range_ns;
    size_t count = (size_t)((range + SK_NS_PER_HOUR - 1) / SK_NS_PER_HOUR);
    bool rate = leaf->op == SK_RANGE_RATE || leaf->op == SK_RANGE_BYTES_RATE;
    pieces->steps = count;
    pieces->divisor = rate ? (double)range / 1e9 : 0;
    if (leaf->op == SK_RANGE_RATE)
        leaf->op = leaf->unwrap == NULL ? SK_RANGE_COUNT : SK_RANGE_SUM;
    else if (leaf->op == SK_RANGE_BYTES_RATE)
        leaf->op = SK_RANGE_BYTES;
    sk_windows_init(&leaf->windows, end - (int64_t)(count - 1) * SK_NS_PER_HOUR, SK_NS_PER_HOUR,
                    count, SK_NS_PER_HOUR);
    leaf->windows.start_ns = start;
    leaf->series_max = 0;
}

static enum sk_err hours_plan(struct sk_mrun *r, struct sk_node *ret)
{
    struct sk_node *inner = node_new(r);
    if (inner == NULL)
        return no_memory(r);
    *inner = *ret;
    *ret = (struct sk_node){.kind = SK_NODE_PIECES, .left = inner, .leaf = inner->left->leaf};
    leaf_split(inner->left->leaf, ret);
    return SK_OK;
}

static enum sk_err vector_plan(struct sk_mrun *r, const struct sk_ast_expr *e, bool inside,
                               struct sk_node *ret)
{
    struct grouping g;
    enum sk_vector_op op = e->u.vector.op;
    if (op == SK_VECTOR_APPROX_TOPK)
        return sk_error_set(r->reterr, SK_EIO,
                            "approx_topk is not enabled. See -limits.shard_aggregations");
    enum sk_err err = grouping_of(r, e->u.vector.grouping, SK_STR(""), &g);
    if (err != SK_OK)
        return err;
    if (pushes_down(e)) {
        const struct sk_ast_expr *in = e->u.vector.expr;
        return leaf_add(r, in, in->u.range.op, in->u.range.range.unwrap, g, ret);
    }
    r->sorted = r->sorted || op == SK_VECTOR_SORT || op == SK_VECTOR_SORT_DESC;
    *ret = (struct sk_node){.kind = SK_NODE_AGGREGATE,
                            .op = op,
                            .param = e->u.vector.param,
                            .quotient = op == SK_VECTOR_AVG && shardable(e, false),
                            .mode = g.mode,
                            .names = g.names,
                            .name_count = g.count};
    err = node_plan(r, e->u.vector.expr, false, inside, &ret->left);
    return err == SK_OK && goes_by_hours(r, e) ? hours_plan(r, ret) : err;
}

static enum sk_err replace_plan(struct sk_mrun *r, const struct sk_ast_expr *e, bool inside,
                                struct sk_node *ret)
{
    *ret = (struct sk_node){.kind = SK_NODE_REPLACE};
    return node_plan(r, e->u.replace.expr, false, inside, &ret->left);
}

static enum sk_err kind_plan(struct sk_mrun *r, const struct sk_ast_expr *e, bool inside,
                             struct sk_node *ret)
{
    enum sk_err err = SK_OK;
    switch (e->kind) {
    case SK_AST_RANGE_AGG:
        return range_plan(r, e, ret);
    case SK_AST_VECTOR_AGG:
        return vector_plan(r, e, inside, ret);
    case SK_AST_BINARY:
        *ret = (struct sk_node){.kind = SK_NODE_BINARY};
        err = node_plan(r, e->u.binary.left, false, inside, &ret->left);
        return err == SK_OK ? node_plan(r, e->u.binary.right, false, inside, &ret->right) : err;
    case SK_AST_LITERAL:
    case SK_AST_VECTOR:
        *ret = (struct sk_node){.kind = SK_NODE_CONSTANT,
                                .constant = e->u.literal,
                                .literal = e->kind == SK_AST_LITERAL};
        return SK_OK;
    case SK_AST_LABEL_REPLACE:
        return replace_plan(r, e, inside, ret);
    case SK_AST_VARIANTS:
        return sk_error_set(r->reterr, SK_EINVAL,
                            "multi variant queries are disabled for this instance");
    case SK_AST_LOG:
        break;
    }
    return sk_error_set(r->reterr, SK_EUNSUPPORTED, "not a metric query");
}

/* `inside`: a part around it is limited already. */
static enum sk_err node_plan(struct sk_mrun *r, const struct sk_ast_expr *e, bool top, bool inside,
                             const struct sk_node **ret)
{
    struct sk_node *n = node_new(r);
    if (n == NULL)
        return no_memory(r);
    bool limited = !inside && shardable(e, top);
    enum sk_err err = kind_plan(r, e, inside || limited, n);
    if (err != SK_OK)
        return err;
    n->ast = n->kind == SK_NODE_BINARY && e->kind != SK_AST_BINARY ? NULL : e;
    n->limited = limited && e->kind != SK_AST_LITERAL;
    if (n->kind == SK_NODE_LEAF && (top || (n->limited && r->step_count == 1)))
        n->leaf->series_max = r->q->series_max;
    *ret = n;
    return SK_OK;
}

enum sk_err sk_metric_plan(struct sk_mrun *r)
{
    return node_plan(r, r->q->expr, true, false, &r->root);
}
