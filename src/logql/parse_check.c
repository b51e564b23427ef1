/* SPDX-License-Identifier: Apache-2.0 */
/* parse_check.c -- what is wrong with a query beyond its syntax, in Loki's words. */
#include "logql/parse_int.h"

#include <stdlib.h>

#include "labels/gore.h"
#include "logql/pattern_expr.h"
#include "logql/print.h"

/* ---- regular expressions and patterns: checked as soon as they are read ---- */

static bool gore(struct sk_parser *p, struct sk_str regex, const char *prefix,
                 struct sk_gore_info *info)
{
    struct sk_error why;
    enum sk_err err = sk_gore_check(p->arena, regex, info, &why);
    if (err == SK_OK)
        return true;
    if (err == SK_ENOMEM)
        return sk_parser_nomem(p);
    return sk_parser_fail(p, "%s%s", prefix, why.text);
}

bool sk_check_regex(struct sk_parser *p, struct sk_str regex, const char *prefix)
{
    return gore(p, regex, prefix, NULL);
}

bool sk_check_label_replace(struct sk_parser *p, struct sk_str regex)
{
    char *text = sk_parser_alloc(p, regex.len + 6);
    if (text == NULL)
        return false;
    memcpy(text, "^(?:", 4);
    if (regex.len > 0)
        memcpy(text + 4, regex.ptr, regex.len);
    memcpy(text + 4 + regex.len, ")$", 2);
    struct sk_str whole = {text, regex.len + 6};
    return gore(p, whole, "invalid regex in label_replace: ", NULL);
}

static int str_ptr_cmp(const void *a, const void *b)
{
    return sk_str_cmp(*(const struct sk_str *)a, *(const struct sk_str *)b);
}

/* The first name, in text order, that stands there for the second time; `names` keeps its order. */
static bool duplicate(struct sk_parser *p, const struct sk_str *names, size_t count,
                      struct sk_str *ret)
{
    ret->ptr = NULL;
    if (count < 2)
        return true;
    struct sk_str *sorted = sk_parser_alloc(p, count * sizeof(*sorted));
    bool *seen = sk_parser_alloc(p, count * sizeof(*seen));
    if (sorted == NULL || seen == NULL)
        return false;
    memcpy(sorted, names, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), str_ptr_cmp);
    for (size_t i = 0; i < count; i++) {
        const struct sk_str *at =
            names[i].len == 0 ? NULL
                              : bsearch(&names[i], sorted, count, sizeof(*sorted), str_ptr_cmp);
        if (at == NULL)
            continue;
        while (at > sorted && sk_str_eq(at[-1], *at))
            at--;
        if (seen[at - sorted]) {
            *ret = names[i];
            return true;
        }
        seen[at - sorted] = true;
    }
    return true;
}

bool sk_check_regexp_stage(struct sk_parser *p, struct sk_str regex)
{
    struct sk_gore_info info;
    struct sk_str twice;
    if (!gore(p, regex, "invalid regexp parser: ", &info) ||
        !duplicate(p, info.names, info.group_count, &twice))
        return false;
    if (twice.ptr != NULL)
        return sk_parser_fail(p, "invalid regexp parser: duplicate extracted label name '%.*s'",
                              SK_STR_ARG(twice));
    if (info.named_count == 0)
        return sk_parser_fail(p,
                              "invalid regexp parser: at least one named capture must be supplied");
    return true;
}

bool sk_check_pattern_stage(struct sk_parser *p, struct sk_str pattern)
{
    struct sk_str rest = pattern, before = {NULL, 0}, twice = {NULL, 0}, first = {NULL, 0},
                  second = {NULL, 0};
    size_t count = 0;
    if (pattern.len == 0)
        return sk_parser_fail(p, "invalid pattern parser: parse error at line 1, col 1: syntax "
                                 "error: unexpected $end, expecting IDENTIFIER or LITERAL");
    struct sk_str *names = sk_parser_alloc(p, (pattern.len / 3 + 1) * sizeof(*names));
    if (names == NULL)
        return false;
    while (rest.len > 0) {
        size_t n = sk_pattern_capture_len(rest);
        struct sk_str capture = {n > 0 ? rest.ptr : NULL, n};
        if (capture.ptr != NULL && before.ptr != NULL && first.ptr == NULL) {
            first = before;
            second = capture;
        }
        if (n > 0 && !sk_str_is(capture, "<_>"))
            names[count++] = (struct sk_str){rest.ptr + 1, n - 2};
        before = capture;
        n = n == 0 ? 1 : n;
        rest.ptr += n;
        rest.len -= n;
    }
    if (count == 0)
        return sk_parser_fail(p, "invalid pattern parser: at least one capture is required");
    if (first.ptr != NULL)
        return sk_parser_fail(p,
                              "invalid pattern parser: found consecutive capture '%.*s%.*s': "
                              "invalid expression",
                              SK_STR_ARG(first), SK_STR_ARG(second));
    if (!duplicate(p, names, count, &twice))
        return false;
    if (twice.ptr != NULL)
        return sk_parser_fail(
            p, "invalid pattern parser: duplicate capture name (%.*s): invalid expression",
            SK_STR_ARG(twice));
    return true;
}

/* ---- nodes: complaints that wait for the end of the text ---- */

enum { GROUPING = 1, UNWRAP = 2, PLAIN = 4 };

/* What each range aggregation can do: take a grouping, an unwrapped value, plain entries. */
static unsigned range_abilities(enum sk_range_op op)
{
    switch (op) {
    case SK_RANGE_RATE:
    case SK_RANGE_ABSENT:
        return UNWRAP | PLAIN;
    case SK_RANGE_COUNT:
    case SK_RANGE_BYTES:
    case SK_RANGE_BYTES_RATE:
        return PLAIN;
    case SK_RANGE_RATE_COUNTER:
    case SK_RANGE_SUM:
        return UNWRAP;
    case SK_RANGE_AVG:
    case SK_RANGE_MIN:
    case SK_RANGE_MAX:
    case SK_RANGE_STDVAR:
    case SK_RANGE_STDDEV:
    case SK_RANGE_QUANTILE:
    case SK_RANGE_FIRST:
    case SK_RANGE_LAST:
        break;
    }
    return UNWRAP | GROUPING;
}

void sk_check_range(struct sk_parser *p, size_t start, const struct sk_ast_expr *expr,
                    struct sk_str param)
{
    enum sk_range_op op = expr->u.range.op;
    const char *name = sk_logql_range_op_name(op);
    unsigned can = range_abilities(op);
    struct sk_error why;
    double v;
    if (param.ptr != NULL && op != SK_RANGE_QUANTILE)
        sk_parser_complain(p, start, "parameter %.*s not supported for operation %s",
                           SK_STR_ARG(param), name);
    else if (param.ptr == NULL && op == SK_RANGE_QUANTILE)
        sk_parser_complain(p, start, "parameter required for operation %s", name);
    else if (param.ptr != NULL && !sk_parse_float(p, param, &v, &why))
        sk_parser_complain(p, start, "invalid parameter for operation %s: %s", name, why.text);
    else if (expr->u.range.grouping != NULL && (can & GROUPING) == 0)
        sk_parser_complain(p, start, "grouping not allowed for %s aggregation", name);
    else if (expr->u.range.range.unwrap != NULL && (can & UNWRAP) == 0)
        sk_parser_complain(p, start, "invalid aggregation %s with unwrap", name);
    else if (expr->u.range.range.unwrap == NULL && (can & PLAIN) == 0)
        sk_parser_complain(p, start, "invalid aggregation %s without unwrap", name);
}

/* Also sets the parameter. */
void sk_check_vector(struct sk_parser *p, size_t start, struct sk_ast_expr *expr,
                     struct sk_str param)
{
    enum sk_vector_op op = expr->u.vector.op;
    const char *name = sk_logql_vector_op_name(op);
    const struct sk_ast_grouping *grouping = expr->u.vector.grouping;
    bool sort = op == SK_VECTOR_SORT || op == SK_VECTOR_SORT_DESC;
    bool k = op == SK_VECTOR_TOPK || op == SK_VECTOR_BOTTOMK || op == SK_VECTOR_APPROX_TOPK;
    int64_t v = 0;
    if (k && param.ptr == NULL)
        sk_parser_complain(p, start, "parameter required for operation %s", name);
    else if (!k && param.ptr != NULL)
        sk_parser_complain(p, start, "unsupported parameter for operation %s(%.*s,", name,
                           SK_STR_ARG(param));
    else if (k && !sk_str_to_i64(param, &v))
        sk_parser_complain(p, start, "invalid parameter %s(%.*s,", name, SK_STR_ARG(param));
    else if (k && v <= 0)
        sk_parser_complain(p, start, "invalid parameter (must be greater than 0) %s(%.*s", name,
                           SK_STR_ARG(param));
    else if (op == SK_VECTOR_APPROX_TOPK && grouping != NULL)
        sk_parser_complain(p, start, "grouping not allowed for %s aggregation", name);
    else if (sort && grouping != NULL && grouping->names != NULL)
        sk_parser_complain(p, start, "sort and sort_desc doesn't allow grouping by ");
    expr->u.vector.param = v;
}

/* Loki's name for the type of an operand that cannot be one, else NULL. */
static const char *no_operand(const struct sk_ast_expr *expr)
{
    if (expr->kind == SK_AST_LOG)
        return expr->u.log.stages == NULL ? "*syntax.MatchersExpr" : "*syntax.PipelineExpr";
    return expr->kind == SK_AST_VARIANTS ? "*syntax.MultiVariantExpr" : NULL;
}

void sk_check_binary(struct sk_parser *p, size_t start, const struct sk_ast_expr *expr)
{
    enum sk_bin_op op = expr->u.binary.op;
    const char *name = sk_logql_bin_op_name(op);
    const struct sk_ast_expr *legs[] = {expr->u.binary.left, expr->u.binary.right};
    static const char *const sides[] = {"left", "right"};
    for (size_t i = 0; i < 2; i++) {
        const char *type = no_operand(legs[i]);
        if (type != NULL) {
            sk_parser_complain(p, start, "unexpected type for %s leg of binary operation (%s): %s",
                               sides[i], name, type);
            return;
        }
    }
    if (op != SK_BIN_OR && op != SK_BIN_AND && op != SK_BIN_UNLESS)
        return;
    for (size_t i = 0; i < 2; i++) {
        if (legs[i]->kind == SK_AST_LITERAL) {
            sk_parser_complain(p, start,
                               "unexpected literal for %s leg of logical/set binary operation "
                               "(%s): %f",
                               sides[i], name, legs[i]->u.literal);
            return;
        }
    }
}

/* ---- selectors ---- */

/* Whether the matcher is one that Loki counts on to narrow the search. `a!=""` does, too. */
static bool narrows(struct sk_parser *p, const struct sk_ast_matcher *m, bool *ret)
{
    const struct sk_gore_node *regex;
    *ret = m->value.len > 0;
    if (m->op == SK_MATCH_NEQ)
        *ret = m->value.len == 0;
    if (m->op != SK_MATCH_RE && m->op != SK_MATCH_NRE)
        return true;
    if (sk_gore_parse(p->arena, m->value, &regex, NULL) != SK_OK)
        return sk_parser_nomem(p); /* its syntax was checked when it was read */
    *ret = sk_gore_matches_empty(regex) == (m->op == SK_MATCH_NRE);
    return true;
}

static bool no_narrowing(struct sk_parser *p)
{
    return sk_parser_fail(
        p, "queries require at least one regexp or equality matcher that does not have an "
           "empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but "
           "app=~\".+\" will");
}

static bool check_matchers(struct sk_parser *p, const struct sk_ast_matcher *matchers)
{
    for (const struct sk_ast_matcher *m = matchers; m != NULL; m = m->next) {
        bool enough;
        if (!narrows(p, m, &enough))
            return false;
        if (enough)
            return true;
    }
    return no_narrowing(p);
}

/* The selector of an aggregation is that of what it aggregates; a number has none. */
static bool check_argument(struct sk_parser *p, const struct sk_ast_expr *expr)
{
    if (expr->kind == SK_AST_LITERAL)
        return no_narrowing(p);
    return sk_check_selectors(p, expr);
}

bool sk_check_selectors(struct sk_parser *p, const struct sk_ast_expr *expr)
{
    switch (expr->kind) {
    case SK_AST_LITERAL:
    case SK_AST_VECTOR:
        return true;
    case SK_AST_LOG:
        return check_matchers(p, expr->u.log.matchers);
    case SK_AST_RANGE_AGG:
        return check_matchers(p, expr->u.range.range.log.matchers);
    case SK_AST_VECTOR_AGG:
        return check_argument(p, expr->u.vector.expr);
    case SK_AST_LABEL_REPLACE:
        return check_argument(p, expr->u.replace.expr);
    case SK_AST_BINARY:
        return sk_check_selectors(p, expr->u.binary.left) &&
               sk_check_selectors(p, expr->u.binary.right);
    case SK_AST_VARIANTS:
        break;
    }
    for (const struct sk_ast_expr_list *v = expr->u.variants.variants; v != NULL; v = v->next) {
        if (!sk_check_selectors(p, v->expr))
            return false;
    }
    return check_matchers(p, expr->u.variants.of.log.matchers);
}
