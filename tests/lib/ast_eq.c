/* SPDX-License-Identifier: Apache-2.0 */
/* ast_eq.c -- see ast_eq.h. */
#include "lib/ast_eq.h"

#include <math.h>

#include "base/gotext.h"
#include "base/strbuf.h"

static bool number_eq(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool size_eq(uint64_t a, uint64_t b)
{
    struct sk_strbuf x, y;
    sk_strbuf_init(&x, 64);
    sk_strbuf_init(&y, 64);
    sk_go_format_bytes(&x, a);
    sk_go_format_bytes(&y, b);
    bool same = sk_str_eq(sk_strbuf_view(&x), sk_strbuf_view(&y));
    sk_strbuf_deinit(&x);
    sk_strbuf_deinit(&y);
    return same;
}

static bool matchers_eq(const struct sk_ast_matcher *a, const struct sk_ast_matcher *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->op != b->op || !sk_str_eq(a->name, b->name) || !sk_str_eq(a->value, b->value))
            return false;
    }
    return a == NULL && b == NULL;
}

static bool filter_eq(const struct sk_ast_label_filter *a, const struct sk_ast_label_filter *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SK_LF_STRING:
    case SK_LF_IP:
        return a->match == b->match && sk_str_eq(a->name, b->name) && sk_str_eq(a->text, b->text);
    case SK_LF_NUMBER:
        return a->cmp == b->cmp && sk_str_eq(a->name, b->name) && number_eq(a->number, b->number);
    case SK_LF_DURATION:
        return a->cmp == b->cmp && sk_str_eq(a->name, b->name) && a->duration_ns == b->duration_ns;
    case SK_LF_BYTES:
        return a->cmp == b->cmp && sk_str_eq(a->name, b->name) && size_eq(a->bytes, b->bytes);
    case SK_LF_AND:
    case SK_LF_OR:
        break;
    }
    return filter_eq(a->left, b->left) && filter_eq(a->right, b->right);
}

static bool operands_eq(const struct sk_ast_line_operand *a, const struct sk_ast_line_operand *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->ip != b->ip || !sk_str_eq(a->text, b->text))
            return false;
    }
    return a == NULL && b == NULL;
}

static bool extractions_eq(const struct sk_ast_extraction *a, const struct sk_ast_extraction *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (!sk_str_eq(a->name, b->name) || !sk_str_eq(a->expr, b->expr))
            return false;
    }
    return a == NULL && b == NULL;
}

static bool formats_eq(const struct sk_ast_label_format *a, const struct sk_ast_label_format *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->rename != b->rename || !sk_str_eq(a->name, b->name) ||
            !sk_str_eq(a->value, b->value))
            return false;
    }
    return a == NULL && b == NULL;
}

static bool named_eq(const struct sk_ast_named *a, const struct sk_ast_named *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->has_matcher != b->has_matcher || !sk_str_eq(a->name, b->name) ||
            (a->has_matcher && (a->op != b->op || !sk_str_eq(a->value, b->value))))
            return false;
    }
    return a == NULL && b == NULL;
}

static bool stages_eq(const struct sk_ast_stage *a, const struct sk_ast_stage *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->kind != b->kind || !sk_str_eq(a->text, b->text) ||
            a->logfmt_strict != b->logfmt_strict || a->logfmt_keep_empty != b->logfmt_keep_empty ||
            (a->kind == SK_STAGE_LINE_FILTER && a->line_op != b->line_op) ||
            !operands_eq(a->operands, b->operands) ||
            !extractions_eq(a->extractions, b->extractions) ||
            !formats_eq(a->formats, b->formats) || !named_eq(a->named, b->named) ||
            !filter_eq(a->filter, b->filter))
            return false;
    }
    return a == NULL && b == NULL;
}

static bool log_eq(const struct sk_ast_log *a, const struct sk_ast_log *b)
{
    return matchers_eq(a->matchers, b->matchers) && stages_eq(a->stages, b->stages);
}

static bool range_eq(const struct sk_ast_log_range *a, const struct sk_ast_log_range *b)
{
    if (!log_eq(&a->log, &b->log) || a->range_ns != b->range_ns || a->offset_ns != b->offset_ns ||
        (a->unwrap == NULL) != (b->unwrap == NULL))
        return false;
    return a->unwrap == NULL ||
           (a->unwrap->conv == b->unwrap->conv && sk_str_eq(a->unwrap->name, b->unwrap->name) &&
            stages_eq(a->unwrap->post_filters, b->unwrap->post_filters));
}

static bool names_eq(const struct sk_ast_name_list *a, const struct sk_ast_name_list *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (!sk_str_eq(a->name, b->name))
            return false;
    }
    return a == NULL && b == NULL;
}

/* Nothing and `by ()` mean the same to a vector aggregation. */
static bool grouping_eq(const struct sk_ast_grouping *a, const struct sk_ast_grouping *b,
                        bool vector)
{
    static const struct sk_ast_grouping none;
    if (vector) {
        a = a == NULL ? &none : a;
        b = b == NULL ? &none : b;
    }
    if (a == NULL || b == NULL)
        return a == b;
    return a->without == b->without && names_eq(a->names, b->names);
}

/* `ignoring ()` prints as nothing, with what follows it. */
static bool binary_eq(const struct sk_ast_expr *a, const struct sk_ast_expr *b)
{
    bool plain = !a->u.binary.on && a->u.binary.matching == NULL;
    if (a->u.binary.op != b->u.binary.op || a->u.binary.return_bool != b->u.binary.return_bool)
        return false;
    if (!plain && (a->u.binary.on != b->u.binary.on || a->u.binary.card != b->u.binary.card ||
                   !names_eq(a->u.binary.matching, b->u.binary.matching) ||
                   !names_eq(a->u.binary.include, b->u.binary.include)))
        return false;
    return ast_eq(a->u.binary.left, b->u.binary.left) &&
           ast_eq(a->u.binary.right, b->u.binary.right);
}

static bool variants_eq(const struct sk_ast_expr *a, const struct sk_ast_expr *b)
{
    const struct sk_ast_expr_list *x = a->u.variants.variants, *y = b->u.variants.variants;
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        if (!ast_eq(x->expr, y->expr))
            return false;
    }
    return x == NULL && y == NULL && range_eq(&a->u.variants.of, &b->u.variants.of);
}

bool ast_eq(const struct sk_ast_expr *a, const struct sk_ast_expr *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SK_AST_LOG:
        return log_eq(&a->u.log, &b->u.log);
    case SK_AST_RANGE_AGG:
        return a->u.range.op == b->u.range.op && a->u.range.has_param == b->u.range.has_param &&
               number_eq(a->u.range.param, b->u.range.param) &&
               range_eq(&a->u.range.range, &b->u.range.range) &&
               grouping_eq(a->u.range.grouping, b->u.range.grouping, false);
    case SK_AST_VECTOR_AGG:
        return a->u.vector.op == b->u.vector.op && a->u.vector.param == b->u.vector.param &&
               grouping_eq(a->u.vector.grouping, b->u.vector.grouping, true) &&
               ast_eq(a->u.vector.expr, b->u.vector.expr);
    case SK_AST_BINARY:
        return binary_eq(a, b);
    case SK_AST_LITERAL:
    case SK_AST_VECTOR:
        return number_eq(a->u.literal, b->u.literal);
    case SK_AST_LABEL_REPLACE:
        return sk_str_eq(a->u.replace.dst, b->u.replace.dst) &&
               sk_str_eq(a->u.replace.replacement, b->u.replace.replacement) &&
               sk_str_eq(a->u.replace.src, b->u.replace.src) &&
               sk_str_eq(a->u.replace.regex, b->u.replace.regex) &&
               ast_eq(a->u.replace.expr, b->u.replace.expr);
    case SK_AST_VARIANTS:
        return variants_eq(a, b);
    }
    return false;
}
