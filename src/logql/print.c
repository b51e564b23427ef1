/* SPDX-License-Identifier: Apache-2.0 */
/* print.c -- the single-line form. The indented form is pretty.c. */
#include "logql/print.h"

#include "base/assert.h"
#include "base/gotext.h"
#include "logql/print_int.h"

const char *sk_logql_range_op_name(enum sk_range_op op)
{
    static const char *const names[] = {
        [SK_RANGE_RATE] = "rate",
        [SK_RANGE_RATE_COUNTER] = "rate_counter",
        [SK_RANGE_COUNT] = "count_over_time",
        [SK_RANGE_BYTES_RATE] = "bytes_rate",
        [SK_RANGE_BYTES] = "bytes_over_time",
        [SK_RANGE_AVG] = "avg_over_time",
        [SK_RANGE_SUM] = "sum_over_time",
        [SK_RANGE_MIN] = "min_over_time",
        [SK_RANGE_MAX] = "max_over_time",
        [SK_RANGE_STDVAR] = "stdvar_over_time",
        [SK_RANGE_STDDEV] = "stddev_over_time",
        [SK_RANGE_QUANTILE] = "quantile_over_time",
        [SK_RANGE_FIRST] = "first_over_time",
        [SK_RANGE_LAST] = "last_over_time",
        [SK_RANGE_ABSENT] = "absent_over_time",
    };
    sk_assert((size_t)op < SK_COUNT_OF(names));
    return names[op];
}

const char *sk_logql_vector_op_name(enum sk_vector_op op)
{
    static const char *const names[] = {
        [SK_VECTOR_SUM] = "sum",       [SK_VECTOR_AVG] = "avg",
        [SK_VECTOR_MAX] = "max",       [SK_VECTOR_MIN] = "min",
        [SK_VECTOR_COUNT] = "count",   [SK_VECTOR_STDDEV] = "stddev",
        [SK_VECTOR_STDVAR] = "stdvar", [SK_VECTOR_BOTTOMK] = "bottomk",
        [SK_VECTOR_TOPK] = "topk",     [SK_VECTOR_APPROX_TOPK] = "approx_topk",
        [SK_VECTOR_SORT] = "sort",     [SK_VECTOR_SORT_DESC] = "sort_desc",
    };
    sk_assert((size_t)op < SK_COUNT_OF(names));
    return names[op];
}

const char *sk_logql_bin_op_name(enum sk_bin_op op)
{
    static const char *const names[] = {
        [SK_BIN_OR] = "or",  [SK_BIN_AND] = "and", [SK_BIN_UNLESS] = "unless", [SK_BIN_ADD] = "+",
        [SK_BIN_SUB] = "-",  [SK_BIN_MUL] = "*",   [SK_BIN_DIV] = "/",         [SK_BIN_MOD] = "%",
        [SK_BIN_POW] = "^",  [SK_BIN_EQ] = "==",   [SK_BIN_NEQ] = "!=",        [SK_BIN_GT] = ">",
        [SK_BIN_GTE] = ">=", [SK_BIN_LT] = "<",    [SK_BIN_LTE] = "<=",
    };
    sk_assert((size_t)op < SK_COUNT_OF(names));
    return names[op];
}

static const char *match_op_name(enum sk_match_op op)
{
    static const char *const names[] = {
        [SK_MATCH_EQ] = "=", [SK_MATCH_NEQ] = "!=", [SK_MATCH_RE] = "=~", [SK_MATCH_NRE] = "!~"};
    sk_assert((size_t)op < SK_COUNT_OF(names));
    return names[op];
}

/* ---- selectors ---- */

/* Names beyond the classic alphabet are quoted, which the parser then refuses. */
static void matcher(struct sk_strbuf *out, struct sk_str name, enum sk_match_op op,
                    struct sk_str value)
{
    bool plain = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        plain = plain && (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (i > 0 && c >= '0' && c <= '9'));
    }
    if (plain)
        sk_strbuf_str(out, name);
    else
        sk_go_quote(out, name);
    sk_strbuf_puts(out, match_op_name(op));
    sk_go_quote(out, value);
}

void sk_logql_print_matchers(struct sk_strbuf *out, const struct sk_ast_matcher *matchers)
{
    sk_strbuf_putc(out, '{');
    for (const struct sk_ast_matcher *m = matchers; m != NULL; m = m->next) {
        if (m != matchers)
            sk_strbuf_puts(out, ", ");
        matcher(out, m->name, m->op, m->value);
    }
    sk_strbuf_putc(out, '}');
}

/* ---- stages ---- */

static void label_value(struct sk_strbuf *out, const struct sk_ast_label_filter *f)
{
    static const char *const ops[] = {
        [SK_CMP_EQ] = "==",  [SK_CMP_NEQ] = "!=", [SK_CMP_GT] = ">",
        [SK_CMP_GTE] = ">=", [SK_CMP_LT] = "<",   [SK_CMP_LTE] = "<="};
    sk_assert((size_t)f->cmp < SK_COUNT_OF(ops));
    sk_strbuf_str(out, f->name);
    sk_strbuf_puts(out, ops[f->cmp]);
    if (f->kind == SK_LF_NUMBER)
        sk_go_float_f(out, f->number);
    else if (f->kind == SK_LF_DURATION)
        sk_go_format_duration(out, f->duration_ns);
    else
        sk_go_format_bytes(out, f->bytes);
}

void sk_logql_print_label_filter(struct sk_strbuf *out, const struct sk_ast_label_filter *f)
{
    switch (f->kind) {
    case SK_LF_STRING:
        matcher(out, f->name, f->match, f->text);
        return;
    case SK_LF_NUMBER:
    case SK_LF_DURATION:
    case SK_LF_BYTES:
        label_value(out, f);
        return;
    case SK_LF_IP:
        sk_strbuf_str(out, f->name);
        sk_strbuf_puts(out, match_op_name(f->match));
        sk_strbuf_puts(out, "ip(");
        sk_go_quote(out, f->text);
        sk_strbuf_putc(out, ')');
        return;
    case SK_LF_AND:
    case SK_LF_OR:
        break;
    }
    sk_strbuf_puts(out, "( ");
    sk_logql_print_label_filter(out, f->left);
    sk_strbuf_puts(out, f->kind == SK_LF_AND ? " , " : " or ");
    sk_logql_print_label_filter(out, f->right);
    sk_strbuf_puts(out, " )");
}

static void line_filter(struct sk_strbuf *out, const struct sk_ast_stage *s)
{
    static const char *const ops[] = {
        [SK_LINE_CONTAINS] = "|=", [SK_LINE_NOT_CONTAINS] = "!=", [SK_LINE_RE] = "|~",
        [SK_LINE_NOT_RE] = "!~",   [SK_LINE_PATTERN] = "|>",      [SK_LINE_NOT_PATTERN] = "!>",
    };
    sk_assert((size_t)s->line_op < SK_COUNT_OF(ops));
    sk_strbuf_puts(out, ops[s->line_op]);
    for (const struct sk_ast_line_operand *o = s->operands; o != NULL; o = o->next) {
        sk_strbuf_puts(out, o == s->operands ? " " : " or ");
        if (o->ip)
            sk_strbuf_puts(out, "ip(");
        sk_go_quote(out, o->text);
        if (o->ip)
            sk_strbuf_putc(out, ')');
    }
}

static void extractions(struct sk_strbuf *out, const struct sk_ast_extraction *list)
{
    for (const struct sk_ast_extraction *e = list; e != NULL; e = e->next) {
        sk_strbuf_putc(out, e == list ? ' ' : ',');
        sk_strbuf_str(out, e->name);
        sk_strbuf_putc(out, '=');
        sk_go_quote(out, e->expr);
    }
}

static void label_formats(struct sk_strbuf *out, const struct sk_ast_label_format *list)
{
    for (const struct sk_ast_label_format *f = list; f != NULL; f = f->next) {
        sk_strbuf_putc(out, f == list ? ' ' : ',');
        sk_strbuf_str(out, f->name);
        sk_strbuf_putc(out, '=');
        if (f->rename)
            sk_strbuf_str(out, f->value);
        else
            sk_go_quote(out, f->value);
    }
}

static void named(struct sk_strbuf *out, const struct sk_ast_named *list)
{
    for (const struct sk_ast_named *n = list; n != NULL; n = n->next) {
        sk_strbuf_putc(out, n == list ? ' ' : ',');
        if (n->has_matcher)
            matcher(out, n->name, n->op, n->value);
        else
            sk_strbuf_str(out, n->name);
    }
}

static void string_stage(struct sk_strbuf *out, const char *word, struct sk_str text)
{
    sk_strbuf_puts(out, word);
    sk_strbuf_putc(out, ' ');
    sk_go_quote(out, text);
}

void sk_logql_print_stage(struct sk_strbuf *out, const struct sk_ast_stage *s)
{
    if (s->kind == SK_STAGE_LINE_FILTER) {
        line_filter(out, s);
        return;
    }
    sk_strbuf_puts(out, "| ");
    switch (s->kind) {
    case SK_STAGE_JSON:
        sk_strbuf_puts(out, "json");
        extractions(out, s->extractions);
        return;
    case SK_STAGE_LOGFMT:
        sk_strbuf_puts(out, "logfmt");
        if (s->logfmt_strict)
            sk_strbuf_puts(out, " --strict");
        if (s->logfmt_keep_empty)
            sk_strbuf_puts(out, " --keep-empty");
        extractions(out, s->extractions);
        return;
    case SK_STAGE_REGEXP:
        string_stage(out, "regexp", s->text);
        return;
    case SK_STAGE_PATTERN:
        string_stage(out, "pattern", s->text);
        return;
    case SK_STAGE_LINE_FORMAT:
        string_stage(out, "line_format", s->text);
        return;
    case SK_STAGE_LABEL_FORMAT:
        sk_strbuf_puts(out, "label_format");
        label_formats(out, s->formats);
        return;
    case SK_STAGE_DROP:
    case SK_STAGE_KEEP:
        sk_strbuf_puts(out, s->kind == SK_STAGE_DROP ? "drop" : "keep");
        named(out, s->named);
        return;
    case SK_STAGE_LABEL_FILTER:
        sk_logql_print_label_filter(out, s->filter);
        return;
    case SK_STAGE_UNPACK:
        sk_strbuf_puts(out, "unpack");
        return;
    case SK_STAGE_DECOLORIZE:
        sk_strbuf_puts(out, "decolorize");
        return;
    case SK_STAGE_LINE_FILTER:
        break;
    }
}

void sk_print_log(struct sk_strbuf *out, const struct sk_ast_log *log)
{
    sk_logql_print_matchers(out, log->matchers);
    for (const struct sk_ast_stage *s = log->stages; s != NULL; s = s->next) {
        sk_strbuf_putc(out, ' ');
        sk_logql_print_stage(out, s);
    }
}

void sk_print_unwrap(struct sk_strbuf *out, const struct sk_ast_unwrap *u)
{
    static const char *const convs[] = {
        [SK_UNWRAP_NONE] = NULL,
        [SK_UNWRAP_BYTES] = "bytes",
        [SK_UNWRAP_DURATION] = "duration",
        [SK_UNWRAP_DURATION_SECONDS] = "duration_seconds",
    };
    sk_assert((size_t)u->conv < SK_COUNT_OF(convs));
    const char *conv = convs[u->conv];
    sk_strbuf_puts(out, "| unwrap ");
    if (conv != NULL)
        sk_strbuf_printf(out, "%s(", conv);
    sk_strbuf_str(out, u->name);
    if (conv != NULL)
        sk_strbuf_putc(out, ')');
}

void sk_print_log_range(struct sk_strbuf *out, const struct sk_ast_log_range *r)
{
    sk_print_log(out, &r->log);
    if (r->unwrap != NULL) {
        sk_strbuf_putc(out, ' ');
        sk_print_unwrap(out, r->unwrap);
        for (const struct sk_ast_stage *s = r->unwrap->post_filters; s != NULL; s = s->next) {
            sk_strbuf_putc(out, ' ');
            sk_logql_print_stage(out, s);
        }
    }
    sk_strbuf_putc(out, '[');
    sk_prom_format_duration(out, r->range_ns);
    sk_strbuf_putc(out, ']');
    if (r->offset_ns != 0) {
        sk_strbuf_puts(out, " offset ");
        sk_go_format_duration(out, r->offset_ns);
    }
}

/* ---- metric expressions ---- */

void sk_print_names(struct sk_strbuf *out, const struct sk_ast_name_list *names,
                    const char *between)
{
    sk_strbuf_putc(out, '(');
    for (const struct sk_ast_name_list *n = names; n != NULL; n = n->next) {
        if (n != names)
            sk_strbuf_puts(out, between);
        sk_strbuf_str(out, n->name);
    }
    sk_strbuf_putc(out, ')');
}

/* ` by (a,b)`, ` without ()`. */
static void grouping(struct sk_strbuf *out, const struct sk_ast_grouping *g)
{
    if (g == NULL)
        return;
    sk_strbuf_puts(out, g->without ? " without " : " by ");
    sk_print_names(out, g->names, ",");
}

/* `by ()`, which a vector aggregation means without saying it. */
static bool is_plain(const struct sk_ast_grouping *g)
{
    return g != NULL && !g->without && g->names == NULL;
}

/* Whether the text of `e` begins with a parenthesis. */
static bool starts_open(const struct sk_ast_expr *e)
{
    return e->kind == SK_AST_BINARY;
}

void sk_print_bin_op(struct sk_strbuf *out, const struct sk_ast_expr *e, const char *between)
{
    sk_strbuf_puts(out, sk_logql_bin_op_name(e->u.binary.op));
    if (e->u.binary.return_bool)
        sk_strbuf_puts(out, " bool");
    if (!e->u.binary.on && e->u.binary.matching == NULL)
        return; /* also `ignoring()`, whatever follows it */
    sk_strbuf_puts(out, e->u.binary.on ? " on " : " ignoring ");
    sk_print_names(out, e->u.binary.matching, between);
    sk_strbuf_putc(out, ' ');
    if (e->u.binary.card == SK_CARD_ONE_TO_ONE)
        return;
    sk_strbuf_puts(out, e->u.binary.card == SK_CARD_MANY_TO_ONE ? "group_left" : "group_right");
    if (e->u.binary.include != NULL || starts_open(e->u.binary.right)) {
        sk_strbuf_putc(out, ' ');
        sk_print_names(out, e->u.binary.include, between);
    }
}

void sk_print_param(struct sk_strbuf *out, const struct sk_ast_expr *e)
{
    if (e->kind == SK_AST_RANGE_AGG && e->u.range.has_param) {
        sk_go_float_f(out, e->u.range.param);
        sk_strbuf_putc(out, ',');
    }
    if (e->kind == SK_AST_VECTOR_AGG && e->u.vector.param != 0) {
        sk_strbuf_i64(out, e->u.vector.param);
        sk_strbuf_putc(out, ',');
    }
}

static void binary(struct sk_strbuf *out, const struct sk_ast_expr *e)
{
    sk_strbuf_putc(out, '(');
    sk_logql_print(out, e->u.binary.left);
    sk_strbuf_putc(out, ' ');
    sk_print_bin_op(out, e, ",");
    sk_strbuf_putc(out, ' ');
    sk_logql_print(out, e->u.binary.right);
    sk_strbuf_putc(out, ')');
}

static void label_replace(struct sk_strbuf *out, const struct sk_ast_expr *e)
{
    const struct sk_str args[] = {e->u.replace.dst, e->u.replace.replacement, e->u.replace.src,
                                  e->u.replace.regex};
    sk_strbuf_puts(out, "label_replace(");
    sk_logql_print(out, e->u.replace.expr);
    for (size_t i = 0; i < SK_COUNT_OF(args); i++) {
        sk_strbuf_putc(out, ',');
        sk_go_quote(out, args[i]);
    }
    sk_strbuf_putc(out, ')');
}

static void variants(struct sk_strbuf *out, const struct sk_ast_expr *e)
{
    sk_strbuf_puts(out, "variants(");
    for (const struct sk_ast_expr_list *v = e->u.variants.variants; v != NULL; v = v->next) {
        if (v != e->u.variants.variants)
            sk_strbuf_puts(out, ", ");
        sk_logql_print(out, v->expr);
    }
    sk_strbuf_puts(out, ") of (");
    sk_print_log_range(out, &e->u.variants.of);
    sk_strbuf_putc(out, ')');
}

void sk_print_float(struct sk_strbuf *out, double v)
{
    enum { GO_EXPONENT_FROM = 6 }; /* 1e+06 is the first to print so */
    sk_go_float_g(out, v, GO_EXPONENT_FROM);
}

/* The parser bounds the height of trees, so recursion is. */
void sk_logql_print(struct sk_strbuf *out, const struct sk_ast_expr *e)
{
    switch (e->kind) {
    case SK_AST_LOG:
        sk_print_log(out, &e->u.log);
        return;
    case SK_AST_RANGE_AGG:
        sk_strbuf_puts(out, sk_logql_range_op_name(e->u.range.op));
        sk_strbuf_putc(out, '(');
        sk_print_param(out, e);
        sk_print_log_range(out, &e->u.range.range);
        sk_strbuf_putc(out, ')');
        grouping(out, e->u.range.grouping);
        return;
    case SK_AST_VECTOR_AGG:
        sk_strbuf_puts(out, sk_logql_vector_op_name(e->u.vector.op));
        if (!is_plain(e->u.vector.grouping))
            grouping(out, e->u.vector.grouping);
        sk_strbuf_putc(out, '(');
        sk_print_param(out, e);
        sk_logql_print(out, e->u.vector.expr);
        sk_strbuf_putc(out, ')');
        return;
    case SK_AST_BINARY:
        binary(out, e);
        return;
    case SK_AST_LITERAL:
        sk_print_float(out, e->u.literal);
        return;
    case SK_AST_VECTOR:
        sk_strbuf_printf(out, "vector(%f)", e->u.literal);
        return;
    case SK_AST_LABEL_REPLACE:
        label_replace(out, e);
        return;
    case SK_AST_VARIANTS:
        variants(out, e);
        return;
    }
}
