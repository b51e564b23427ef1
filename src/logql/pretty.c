/* SPDX-License-Identifier: Apache-2.0 */
/* pretty.c -- the indented form of format_query. A node whose single-line form has at most 100
 * bytes stands on one line; longer ones are laid out by kind. Upstream's defects are kept: see
 * run_of_filters(), stage(), grouping(). */
#include "base/assert.h"
#include "base/gotext.h"
#include "logql/print_int.h"

enum { LINE_BYTES_MAX = 100, INDENT_LEVELS_MAX = 64 };

static void indent(struct sk_strbuf *out, unsigned level)
{
    for (unsigned i = 0; i < level && i < INDENT_LEVELS_MAX; i++)
        sk_strbuf_puts(out, "  ");
}

/* Leaves what was appended since `from` when that is short; else takes it back. */
static bool fits(struct sk_strbuf *out, size_t from)
{
    if (out->failed || out->len - from <= LINE_BYTES_MAX)
        return true;
    out->len = from;
    return false;
}

/* A run of line filters counts as one stage. Beyond the line's length each gets its own, and loses
 * all alternatives but the first, as upstream. Returns the last of the run. */
static const struct sk_ast_stage *run_of_filters(struct sk_strbuf *out, unsigned level,
                                                 const struct sk_ast_stage *first)
{
    const struct sk_ast_stage *last = first;
    while (last->next != NULL && last->next->kind == SK_STAGE_LINE_FILTER)
        last = last->next;
    indent(out, level);
    size_t from = out->len;
    for (const struct sk_ast_stage *s = first;; s = s->next) {
        sk_logql_print_stage(out, s);
        if (s == last)
            break;
        sk_strbuf_putc(out, ' ');
    }
    if (fits(out, from))
        return last;
    for (const struct sk_ast_stage *s = first;; s = s->next) {
        struct sk_ast_line_operand operand = *s->operands;
        struct sk_ast_stage alone = *s;
        operand.next = NULL;
        alone.operands = &operand;
        if (s != first)
            indent(out, level);
        sk_logql_print_stage(out, &alone);
        if (s == last)
            return last;
        sk_strbuf_putc(out, '\n');
    }
}

static void stages(struct sk_strbuf *out, unsigned level, const struct sk_ast_stage *list)
{
    for (const struct sk_ast_stage *s = list; s != NULL; s = s->next) {
        sk_strbuf_putc(out, '\n');
        if (s->kind == SK_STAGE_LINE_FILTER) {
            s = run_of_filters(out, level, s);
            continue;
        }
        if (s->kind != SK_STAGE_DECOLORIZE) /* stands at the margin, as upstream */
            indent(out, level);
        sk_logql_print_stage(out, s);
    }
}

static void log_query(struct sk_strbuf *out, unsigned level, const struct sk_ast_log *log)
{
    indent(out, level);
    size_t from = out->len;
    sk_print_log(out, log);
    if (fits(out, from))
        return;
    sk_logql_print_matchers(out, log->matchers);
    stages(out, level + 1, log->stages);
}

static void log_range(struct sk_strbuf *out, unsigned level, const struct sk_ast_log_range *r)
{
    log_query(out, level, &r->log);
    if (r->unwrap != NULL) {
        sk_strbuf_putc(out, '\n');
        indent(out, level + 1);
        sk_print_unwrap(out, r->unwrap);
        stages(out, level + 1, r->unwrap->post_filters);
    }
    sk_strbuf_puts(out, " [");
    sk_prom_format_duration(out, r->range_ns);
    sk_strbuf_putc(out, ']');
    if (r->offset_ns != 0) {
        sk_strbuf_puts(out, " offset ");
        sk_prom_format_duration(out, r->offset_ns);
    }
}

/* An empty `without ()` prints without its parentheses, as upstream. */
static void grouping(struct sk_strbuf *out, const struct sk_ast_grouping *g)
{
    if (g == NULL || (!g->without && g->names == NULL))
        return;
    sk_strbuf_puts(out, g->without ? " without" : " by");
    if (g->names == NULL)
        return;
    sk_strbuf_putc(out, ' ');
    sk_print_names(out, g->names, ", ");
}

static void expression(struct sk_strbuf *out, unsigned level, const struct sk_ast_expr *e);

/* The parameter on a line of its own, the comma included. */
static void param(struct sk_strbuf *out, unsigned level, const struct sk_ast_expr *e)
{
    size_t from = out->len;
    indent(out, level);
    size_t text = out->len;
    sk_print_param(out, e);
    if (out->failed)
        return;
    if (out->len == text)
        out->len = from; /* has none */
    else
        sk_strbuf_putc(out, '\n');
}

static void aggregation(struct sk_strbuf *out, unsigned level, const struct sk_ast_expr *e)
{
    bool range = e->kind == SK_AST_RANGE_AGG;
    sk_strbuf_puts(out, range ? sk_logql_range_op_name(e->u.range.op)
                              : sk_logql_vector_op_name(e->u.vector.op));
    if (!range)
        grouping(out, e->u.vector.grouping);
    sk_strbuf_puts(out, "(\n");
    param(out, level + 1, e);
    if (range)
        log_range(out, level + 1, &e->u.range.range);
    else
        expression(out, level + 1, e->u.vector.expr);
    sk_strbuf_putc(out, '\n');
    indent(out, level);
    sk_strbuf_putc(out, ')');
    if (range)
        grouping(out, e->u.range.grouping);
}

static void binary(struct sk_strbuf *out, unsigned level, const struct sk_ast_expr *e)
{
    expression(out, level + 1, e->u.binary.left);
    sk_strbuf_putc(out, '\n');
    indent(out, level);
    sk_print_bin_op(out, e, ", ");
    sk_strbuf_putc(out, '\n');
    expression(out, level + 1, e->u.binary.right);
}

static void label_replace(struct sk_strbuf *out, unsigned level, const struct sk_ast_expr *e)
{
    const struct sk_str args[] = {e->u.replace.dst, e->u.replace.replacement, e->u.replace.src,
                                  e->u.replace.regex};
    sk_strbuf_puts(out, "label_replace(\n");
    expression(out, level + 1, e->u.replace.expr);
    for (size_t i = 0; i < SK_COUNT_OF(args); i++) {
        sk_strbuf_puts(out, ",\n");
        indent(out, level + 1);
        sk_go_quote(out, args[i]);
    }
    sk_strbuf_putc(out, '\n');
    indent(out, level);
    sk_strbuf_putc(out, ')');
}

static void variants(struct sk_strbuf *out, unsigned level, const struct sk_ast_expr *e)
{
    sk_strbuf_puts(out, "variants(\n");
    for (const struct sk_ast_expr_list *v = e->u.variants.variants; v != NULL; v = v->next) {
        expression(out, level + 1, v->expr);
        sk_strbuf_puts(out, v->next == NULL ? "\n" : ",\n");
    }
    indent(out, level);
    sk_strbuf_puts(out, ") of (\n");
    log_range(out, level + 1, &e->u.variants.of);
    sk_strbuf_putc(out, '\n');
    indent(out, level);
    sk_strbuf_putc(out, ')');
}

static void expression(struct sk_strbuf *out, unsigned level, const struct sk_ast_expr *e)
{
    if (e->kind == SK_AST_LOG) {
        log_query(out, level, &e->u.log);
        return;
    }
    size_t start = out->len;
    indent(out, level);
    size_t from = out->len;
    sk_logql_print(out, e);
    if (fits(out, from))
        return;
    switch (e->kind) {
    case SK_AST_RANGE_AGG:
    case SK_AST_VECTOR_AGG:
        aggregation(out, level, e);
        return;
    case SK_AST_BINARY:
        out->len = start; /* its legs indent themselves */
        binary(out, level, e);
        return;
    case SK_AST_LABEL_REPLACE:
        label_replace(out, level, e);
        return;
    case SK_AST_VARIANTS:
        variants(out, level, e);
        return;
    case SK_AST_LITERAL:
    case SK_AST_VECTOR:
    case SK_AST_LOG:
        break;
    }
    sk_logql_print(out, e); /* a very long number */
}

void sk_logql_pretty(struct sk_strbuf *out, const struct sk_ast_expr *e)
{
    sk_assert(e != NULL);
    expression(out, 0, e);
}
