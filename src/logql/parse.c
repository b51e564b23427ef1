/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c -- entry points, the services of parse_int.h, and expressions by precedence climbing. */
#include "logql/parse.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "logql/parse_int.h"
#include "logql/print.h"

/* ---- services ---- */

enum sk_tok sk_parser_peek(struct sk_parser *p)
{
    if (p->err != SK_OK)
        return SK_TOK_EOF;
    if (!p->have_tok) {
        p->err = sk_lex_next(&p->lex, &p->tok);
        if (p->err != SK_OK)
            return SK_TOK_EOF;
        p->have_tok = true;
    }
    return p->tok.kind;
}

struct sk_lex_token sk_parser_take(struct sk_parser *p)
{
    sk_assert(p->have_tok);
    p->have_tok = false;
    return p->tok;
}

bool sk_parser_accept(struct sk_parser *p, enum sk_tok kind)
{
    if (sk_parser_peek(p) != kind)
        return false;
    (void)sk_parser_take(p);
    return true;
}

bool sk_parser_unexpected(struct sk_parser *p, const char *expecting)
{
    char text[256];
    enum sk_tok kind = sk_parser_peek(p);
    if (p->err != SK_OK)
        return false;
    snprintf(text, sizeof(text), "syntax error: unexpected %s%s%s", sk_lex_token_name(kind),
             expecting == NULL ? "" : ", expecting ", expecting == NULL ? "" : expecting);
    p->err = sk_lex_error(&p->lex, text);
    return false;
}

bool sk_parser_expect(struct sk_parser *p, enum sk_tok kind, const char *expecting,
                      struct sk_lex_token *ret)
{
    if (sk_parser_peek(p) != kind || p->err != SK_OK)
        return sk_parser_unexpected(p, expecting);
    *ret = sk_parser_take(p);
    return true;
}

bool sk_parser_nomem(struct sk_parser *p)
{
    p->err = sk_error_set(p->reterr, SK_ENOMEM, "out of memory");
    return false;
}

bool sk_parser_fail(struct sk_parser *p, const char *fmt, ...)
{
    char text[SK_ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut when longer, as sk_error_set does */
    va_end(args);
    p->err = sk_error_set(p->reterr, SK_EPARSE, "parse error : %s", text);
    return false;
}

void sk_parser_complain(struct sk_parser *p, size_t start, const char *fmt, ...)
{
    if (p->complaint != NULL && p->complaint_start < start)
        return;
    char text[SK_ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut when longer */
    va_end(args);
    struct sk_str copy = sk_arena_str(p->arena, sk_str_from(text));
    if (copy.ptr == NULL) {
        (void)sk_parser_nomem(p);
        return;
    }
    p->complaint = copy.ptr;
    p->complaint_start = start;
}

static bool too_deep(struct sk_parser *p)
{
    p->err =
        sk_error_set(p->reterr, SK_ELIMIT, "parse error : the query nests deeper than %d levels",
                     SK_LOGQL_DEPTH_MAX);
    return false;
}

bool sk_parser_enter(struct sk_parser *p)
{
    return ++p->depth <= SK_LOGQL_DEPTH_MAX || too_deep(p);
}

void sk_parser_leave(struct sk_parser *p)
{
    sk_assert(p->depth > 0);
    p->depth--;
}

bool sk_parser_height(struct sk_parser *p, unsigned height)
{
    return height <= SK_LOGQL_DEPTH_MAX || too_deep(p);
}

void *sk_parser_alloc(struct sk_parser *p, size_t size)
{
    void *mem = sk_arena_calloc(p->arena, 1, size);
    if (mem == NULL)
        (void)sk_parser_nomem(p);
    return mem;
}

/* ---- expressions ---- */

static bool expression(struct sk_parser *p, int min, struct sk_parsed *ret);

static bool node_new(struct sk_parser *p, enum sk_ast_kind kind, struct sk_parsed *ret)
{
    ret->expr = sk_parser_alloc(p, sizeof(*ret->expr));
    if (ret->expr == NULL)
        return false;
    ret->expr->kind = kind;
    ret->height = 1;
    return true;
}

/* An expression that is no log query: what stands behind it decides how that is reported. */
static bool metric(struct sk_parser *p, struct sk_parsed *ret)
{
    if (!expression(p, 0, ret))
        return false;
    if (ret->expr->kind == SK_AST_LOG || ret->expr->kind == SK_AST_VARIANTS)
        return sk_parser_unexpected(p, NULL);
    return true;
}

/* (a, b), the parenthesis not yet read. */
static bool names(struct sk_parser *p, struct sk_ast_name_list **tail)
{
    struct sk_lex_token name, skip;
    const char *expecting = "IDENTIFIER or )";
    if (!sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip))
        return false;
    if (sk_parser_accept(p, SK_TOK_CLOSE_PAREN))
        return true;
    do {
        if (!sk_parser_expect(p, SK_TOK_IDENTIFIER, expecting, &name))
            return false;
        *tail = sk_parser_alloc(p, sizeof(**tail));
        if (*tail == NULL)
            return false;
        (*tail)->name = name.text;
        tail = &(*tail)->next;
        expecting = "IDENTIFIER";
    } while (sk_parser_accept(p, SK_TOK_COMMA));
    return sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ", or )", &skip);
}

/* by (..) or without (..) if it stands there. */
static bool grouping(struct sk_parser *p, struct sk_ast_grouping **ret)
{
    enum sk_tok tok = sk_parser_peek(p);
    if (tok != SK_TOK_BY && tok != SK_TOK_WITHOUT)
        return p->err == SK_OK;
    (void)sk_parser_take(p);
    *ret = sk_parser_alloc(p, sizeof(**ret));
    if (*ret == NULL)
        return false;
    (*ret)->without = tok == SK_TOK_WITHOUT;
    return names(p, &(*ret)->names);
}

static const struct {
    enum sk_tok tok;
    enum sk_range_op op;
} range_ops[] = {
    {SK_TOK_RATE, SK_RANGE_RATE},
    {SK_TOK_RATE_COUNTER, SK_RANGE_RATE_COUNTER},
    {SK_TOK_COUNT_OVER_TIME, SK_RANGE_COUNT},
    {SK_TOK_BYTES_RATE, SK_RANGE_BYTES_RATE},
    {SK_TOK_BYTES_OVER_TIME, SK_RANGE_BYTES},
    {SK_TOK_AVG_OVER_TIME, SK_RANGE_AVG},
    {SK_TOK_SUM_OVER_TIME, SK_RANGE_SUM},
    {SK_TOK_MIN_OVER_TIME, SK_RANGE_MIN},
    {SK_TOK_MAX_OVER_TIME, SK_RANGE_MAX},
    {SK_TOK_STDVAR_OVER_TIME, SK_RANGE_STDVAR},
    {SK_TOK_STDDEV_OVER_TIME, SK_RANGE_STDDEV},
    {SK_TOK_QUANTILE_OVER_TIME, SK_RANGE_QUANTILE},
    {SK_TOK_FIRST_OVER_TIME, SK_RANGE_FIRST},
    {SK_TOK_LAST_OVER_TIME, SK_RANGE_LAST},
    {SK_TOK_ABSENT_OVER_TIME, SK_RANGE_ABSENT},
};

static const struct {
    enum sk_tok tok;
    enum sk_vector_op op;
} vector_ops[] = {
    {SK_TOK_SUM, SK_VECTOR_SUM},       {SK_TOK_AVG, SK_VECTOR_AVG},
    {SK_TOK_MAX, SK_VECTOR_MAX},       {SK_TOK_MIN, SK_VECTOR_MIN},
    {SK_TOK_COUNT, SK_VECTOR_COUNT},   {SK_TOK_STDDEV, SK_VECTOR_STDDEV},
    {SK_TOK_STDVAR, SK_VECTOR_STDVAR}, {SK_TOK_BOTTOMK, SK_VECTOR_BOTTOMK},
    {SK_TOK_TOPK, SK_VECTOR_TOPK},     {SK_TOK_APPROX_TOPK, SK_VECTOR_APPROX_TOPK},
    {SK_TOK_SORT, SK_VECTOR_SORT},     {SK_TOK_SORT_DESC, SK_VECTOR_SORT_DESC},
};

static bool range_op(enum sk_tok tok, enum sk_range_op *ret)
{
    for (size_t i = 0; i < SK_COUNT_OF(range_ops); i++) {
        if (range_ops[i].tok == tok) {
            *ret = range_ops[i].op;
            return true;
        }
    }
    return false;
}

static bool vector_op(enum sk_tok tok, enum sk_vector_op *ret)
{
    for (size_t i = 0; i < SK_COUNT_OF(vector_ops); i++) {
        if (vector_ops[i].tok == tok) {
            *ret = vector_ops[i].op;
            return true;
        }
    }
    return false;
}

static bool range_aggregation(struct sk_parser *p, enum sk_range_op op, struct sk_parsed *ret)
{
    struct sk_lex_token skip, param = {.kind = SK_TOK_EOF};
    struct sk_error why;
    (void)sk_parser_take(p);
    if (!node_new(p, SK_AST_RANGE_AGG, ret) || !sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip))
        return false;
    struct sk_ast_expr *e = ret->expr;
    e->u.range.op = op;
    enum sk_tok tok = sk_parser_peek(p);
    if (tok == SK_TOK_NUMBER) {
        param = sk_parser_take(p);
        e->u.range.has_param = true;
        (void)sk_parse_float(p, param.text, &e->u.range.param, &why); /* sk_check_range() judges */
        if (!sk_parser_expect(p, SK_TOK_COMMA, ",", &skip))
            return false;
    } else if (tok != SK_TOK_OPEN_BRACE && tok != SK_TOK_OPEN_PAREN) {
        return sk_parser_unexpected(p, "NUMBER or { or (");
    }
    if (!sk_parse_log_range(p, &e->u.range.range) ||
        !sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ")", &skip) || !grouping(p, &e->u.range.grouping))
        return false;
    sk_check_range(p, ret->start, e, param.text);
    return p->err == SK_OK;
}

/* A number behind an optional sign that has been read. */
static bool literal(struct sk_parser *p, const struct sk_lex_token *number, bool minus,
                    struct sk_parsed *ret)
{
    struct sk_error why;
    if (!node_new(p, SK_AST_LITERAL, ret))
        return false;
    if (!sk_parse_float(p, number->text, &ret->expr->u.literal, &why))
        sk_parser_complain(p, ret->start, "unable to parse literal as a float: %s", why.text);
    if (minus)
        ret->expr->u.literal = -ret->expr->u.literal;
    return p->err == SK_OK;
}

static bool binary_tail(struct sk_parser *p, int min, struct sk_parsed *left);

/* The argument of a vector aggregation with its parameter: a number and a comma. */
static bool vector_argument(struct sk_parser *p, struct sk_str *ret_param, struct sk_parsed *ret)
{
    if (sk_parser_peek(p) == SK_TOK_NUMBER) {
        struct sk_lex_token number = sk_parser_take(p);
        if (!sk_parser_accept(p, SK_TOK_COMMA)) {
            ret->start = number.off;
            return literal(p, &number, false, ret) && binary_tail(p, 0, ret);
        }
        *ret_param = number.text;
    }
    return metric(p, ret);
}

static bool vector_aggregation(struct sk_parser *p, enum sk_vector_op op, struct sk_parsed *ret)
{
    struct sk_lex_token skip;
    struct sk_str param = {NULL, 0};
    struct sk_parsed inner;
    (void)sk_parser_take(p);
    if (!node_new(p, SK_AST_VECTOR_AGG, ret))
        return false;
    struct sk_ast_expr *e = ret->expr;
    e->u.vector.op = op;
    if (!grouping(p, &e->u.vector.grouping))
        return false;
    bool leading = e->u.vector.grouping != NULL;
    if (!sk_parser_expect(p, SK_TOK_OPEN_PAREN, leading ? "(" : "( or by or without", &skip) ||
        !vector_argument(p, &param, &inner) ||
        !sk_parser_expect(p, SK_TOK_CLOSE_PAREN, NULL, &skip) ||
        (!leading && !grouping(p, &e->u.vector.grouping)))
        return false;
    e->u.vector.expr = inner.expr;
    ret->height = inner.height + 1;
    sk_check_vector(p, ret->start, e, param);
    return p->err == SK_OK && sk_parser_height(p, ret->height);
}

static bool vector_literal(struct sk_parser *p, struct sk_parsed *ret)
{
    struct sk_lex_token number, skip;
    struct sk_error why;
    (void)sk_parser_take(p);
    if (!sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip) ||
        !sk_parser_expect(p, SK_TOK_NUMBER, "NUMBER", &number) ||
        !sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ")", &skip) || !node_new(p, SK_AST_VECTOR, ret))
        return false;
    if (!sk_parse_float(p, number.text, &ret->expr->u.literal, &why))
        sk_parser_complain(p, ret->start, "unable to parse vectorExpr as a float: %s", why.text);
    return p->err == SK_OK;
}

static bool label_replace(struct sk_parser *p, struct sk_parsed *ret)
{
    struct sk_lex_token skip, args[4];
    struct sk_parsed inner;
    (void)sk_parser_take(p);
    if (!sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip) || !metric(p, &inner))
        return false;
    for (size_t i = 0; i < 4; i++) {
        if (!sk_parser_expect(p, SK_TOK_COMMA, i == 0 ? NULL : ",", &skip) ||
            !sk_parser_expect(p, SK_TOK_STRING, "STRING", &args[i]))
            return false;
    }
    if (!sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ")", &skip) ||
        !sk_check_label_replace(p, args[3].text) || !node_new(p, SK_AST_LABEL_REPLACE, ret))
        return false;
    ret->expr->u.replace.expr = inner.expr;
    ret->expr->u.replace.dst = args[0].text;
    ret->expr->u.replace.replacement = args[1].text;
    ret->expr->u.replace.src = args[2].text;
    ret->expr->u.replace.regex = args[3].text;
    ret->height = inner.height + 1;
    return sk_parser_height(p, ret->height);
}

static bool variants(struct sk_parser *p, struct sk_parsed *ret)
{
    struct sk_lex_token skip;
    struct sk_parsed inner;
    (void)sk_parser_take(p);
    if (!node_new(p, SK_AST_VARIANTS, ret) || !sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip))
        return false;
    struct sk_ast_expr *e = ret->expr;
    struct sk_ast_expr_list **tail = &e->u.variants.variants;
    do {
        if (!metric(p, &inner))
            return false;
        *tail = sk_parser_alloc(p, sizeof(**tail));
        if (*tail == NULL)
            return false;
        (*tail)->expr = inner.expr;
        tail = &(*tail)->next;
        if (inner.height >= ret->height)
            ret->height = inner.height + 1;
    } while (sk_parser_accept(p, SK_TOK_COMMA));
    return sk_parser_expect(p, SK_TOK_CLOSE_PAREN, NULL, &skip) &&
           sk_parser_expect(p, SK_TOK_OF, "of", &skip) &&
           sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip) &&
           sk_parse_log_range(p, &e->u.variants.of) &&
           sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ")", &skip) && sk_parser_height(p, ret->height);
}

static bool log_query(struct sk_parser *p, struct sk_parsed *ret)
{
    if (!node_new(p, SK_AST_LOG, ret) || !sk_parse_selector(p, &ret->expr->u.log.matchers))
        return false;
    struct sk_ast_stage **tail = &ret->expr->u.log.stages;
    return sk_parse_stages(p, &tail, NULL);
}

static bool parenthesis(struct sk_parser *p, struct sk_parsed *ret)
{
    struct sk_lex_token skip;
    (void)sk_parser_take(p);
    return expression(p, 0, ret) && sk_parser_expect(p, SK_TOK_CLOSE_PAREN, NULL, &skip);
}

static bool primary(struct sk_parser *p, struct sk_parsed *ret)
{
    enum sk_tok tok = sk_parser_peek(p);
    enum sk_range_op range;
    enum sk_vector_op vector;
    ret->start = p->tok.off;
    if (range_op(tok, &range))
        return range_aggregation(p, range, ret);
    if (vector_op(tok, &vector))
        return vector_aggregation(p, vector, ret);
    if (tok == SK_TOK_OPEN_BRACE)
        return log_query(p, ret);
    if (tok == SK_TOK_OPEN_PAREN)
        return parenthesis(p, ret);
    if (tok == SK_TOK_VECTOR)
        return vector_literal(p, ret);
    if (tok == SK_TOK_LABEL_REPLACE)
        return label_replace(p, ret);
    if (tok == SK_TOK_VARIANTS)
        return variants(p, ret);
    if (tok != SK_TOK_NUMBER && tok != SK_TOK_ADD && tok != SK_TOK_SUB)
        return sk_parser_unexpected(p, NULL);
    if (tok != SK_TOK_NUMBER)
        (void)sk_parser_take(p);
    struct sk_lex_token number;
    return sk_parser_expect(p, SK_TOK_NUMBER, "NUMBER", &number) &&
           literal(p, &number, tok == SK_TOK_SUB, ret);
}

/* Precedences from 1; ^ associates to the right, all others to the left. */
static const struct {
    enum sk_tok tok;
    enum sk_bin_op op;
    int prec;
} bin_ops[] = {
    {SK_TOK_OR, SK_BIN_OR, 1},     {SK_TOK_AND, SK_BIN_AND, 2}, {SK_TOK_UNLESS, SK_BIN_UNLESS, 2},
    {SK_TOK_CMP_EQ, SK_BIN_EQ, 3}, {SK_TOK_NEQ, SK_BIN_NEQ, 3}, {SK_TOK_GT, SK_BIN_GT, 3},
    {SK_TOK_GTE, SK_BIN_GTE, 3},   {SK_TOK_LT, SK_BIN_LT, 3},   {SK_TOK_LTE, SK_BIN_LTE, 3},
    {SK_TOK_ADD, SK_BIN_ADD, 4},   {SK_TOK_SUB, SK_BIN_SUB, 4}, {SK_TOK_MUL, SK_BIN_MUL, 5},
    {SK_TOK_DIV, SK_BIN_DIV, 5},   {SK_TOK_MOD, SK_BIN_MOD, 5}, {SK_TOK_POW, SK_BIN_POW, 6},
};

/* bool, on (..), ignoring (..), group_left (..) behind an operator. */
static bool modifiers(struct sk_parser *p, struct sk_ast_expr *e)
{
    e->u.binary.return_bool = sk_parser_accept(p, SK_TOK_BOOL);
    enum sk_tok tok = sk_parser_peek(p);
    if (tok != SK_TOK_ON && tok != SK_TOK_IGNORING)
        return p->err == SK_OK;
    (void)sk_parser_take(p);
    e->u.binary.has_matching = true;
    e->u.binary.on = tok == SK_TOK_ON;
    if (!names(p, &e->u.binary.matching))
        return false;
    tok = sk_parser_peek(p);
    if (tok != SK_TOK_GROUP_LEFT && tok != SK_TOK_GROUP_RIGHT)
        return p->err == SK_OK;
    (void)sk_parser_take(p);
    e->u.binary.card = tok == SK_TOK_GROUP_LEFT ? SK_CARD_MANY_TO_ONE : SK_CARD_ONE_TO_MANY;
    return sk_parser_peek(p) != SK_TOK_OPEN_PAREN || names(p, &e->u.binary.include);
}

static double fold(enum sk_bin_op op, double a, double b)
{
    switch (op) {
    case SK_BIN_ADD:
        return a + b;
    case SK_BIN_SUB:
        return a - b;
    case SK_BIN_MUL:
        return a * b;
    case SK_BIN_DIV:
        return b == 0 ? NAN : a / b;
    case SK_BIN_MOD:
        return b == 0 ? NAN : fmod(a, b);
    case SK_BIN_POW:
        return pow(a, b);
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
    case SK_BIN_LTE:
        return a <= b;
    case SK_BIN_OR:
    case SK_BIN_AND:
    case SK_BIN_UNLESS:
        break;
    }
    return NAN;
}

/* Joins `left` and `right` by the operator in `e`; two numbers become one. */
static bool binary_join(struct sk_parser *p, struct sk_ast_expr *e, struct sk_parsed *left,
                        const struct sk_parsed *right)
{
    enum sk_bin_op op = e->u.binary.op;
    bool set = op == SK_BIN_OR || op == SK_BIN_AND || op == SK_BIN_UNLESS;
    if (!set && left->expr->kind == SK_AST_LITERAL && right->expr->kind == SK_AST_LITERAL) {
        left->expr->u.literal = fold(op, left->expr->u.literal, right->expr->u.literal);
        return true;
    }
    e->u.binary.left = left->expr;
    e->u.binary.right = right->expr;
    left->expr = e;
    left->height = 1 + (left->height > right->height ? left->height : right->height);
    sk_check_binary(p, left->start, e);
    return p->err == SK_OK && sk_parser_height(p, left->height);
}

static bool binary_tail(struct sk_parser *p, int min, struct sk_parsed *left)
{
    for (;;) {
        enum sk_tok tok = sk_parser_peek(p);
        size_t i = 0;
        while (i < SK_COUNT_OF(bin_ops) && bin_ops[i].tok != tok)
            i++;
        if (i == SK_COUNT_OF(bin_ops) || bin_ops[i].prec < min)
            return p->err == SK_OK;
        (void)sk_parser_take(p);
        struct sk_parsed node, right;
        if (!node_new(p, SK_AST_BINARY, &node))
            return false;
        node.expr->u.binary.op = bin_ops[i].op;
        int next = bin_ops[i].op == SK_BIN_POW ? bin_ops[i].prec : bin_ops[i].prec + 1;
        if (!modifiers(p, node.expr) || !expression(p, next, &right) ||
            !binary_join(p, node.expr, left, &right))
            return false;
    }
}

static bool expression(struct sk_parser *p, int min, struct sk_parsed *ret)
{
    if (!sk_parser_enter(p) || !primary(p, ret) || !binary_tail(p, min, ret))
        return false;
    sk_parser_leave(p);
    return true;
}

/* ---- entry points ---- */

/* What a selector must do. */
enum narrowing { NARROW, NARROW_OR_EMPTY, NARROW_NOT };

static enum sk_err run(struct sk_arena *arena, struct sk_str text, enum narrowing narrowing,
                       const struct sk_ast_expr **ret, struct sk_error *reterr)
{
    sk_assert(arena != NULL);
    struct sk_parser p = {.arena = arena, .reterr = reterr};
    struct sk_parsed whole;
    if (text.len >= SK_LOGQL_TEXT_BYTES_MAX)
        return sk_error_set(reterr, SK_EPARSE, "parse error : input size too long (%zu > %d)",
                            text.len, SK_LOGQL_TEXT_BYTES_MAX);
    enum sk_err err = sk_lex_init(&p.lex, arena, text, reterr);
    if (err != SK_OK)
        return err;
    struct sk_lex_token end;
    if (!expression(&p, 0, &whole) || !sk_parser_expect(&p, SK_TOK_EOF, NULL, &end))
        return p.err;
    if (p.complaint != NULL) {
        (void)sk_parser_fail(&p, "%s", p.complaint);
        return p.err;
    }
    bool empty = whole.expr->kind == SK_AST_LOG && whole.expr->u.log.stages == NULL &&
                 whole.expr->u.log.matchers == NULL;
    bool check = narrowing == NARROW || (narrowing == NARROW_OR_EMPTY && !empty);
    if (check && !sk_check_selectors(&p, whole.expr))
        return p.err;
    *ret = whole.expr;
    return SK_OK;
}

enum sk_err sk_logql_parse(struct sk_arena *arena, struct sk_str text,
                           const struct sk_ast_expr **ret_expr, struct sk_error *reterr)
{
    return run(arena, text, NARROW, ret_expr, reterr);
}

static enum sk_err print_and_parse(struct sk_arena *arena, const struct sk_ast_expr *expr,
                                   const struct sk_ast_expr **ret, struct sk_error *reterr)
{
    enum { PRINTED_BYTES_MAX = 16 * SK_LOGQL_TEXT_BYTES_MAX }; /* the parser refuses long ones */
    struct sk_strbuf text;
    sk_strbuf_init(&text, PRINTED_BYTES_MAX);
    sk_logql_print(&text, expr);
    enum sk_err err = text.failed ? sk_error_set(reterr, SK_ENOMEM, "out of memory")
                                  : run(arena, sk_strbuf_view(&text), NARROW, ret, reterr);
    sk_strbuf_deinit(&text);
    return err;
}

enum sk_err sk_logql_reparse(struct sk_arena *arena, const struct sk_ast_expr *expr,
                             const struct sk_ast_expr **ret_expr, struct sk_error *reterr)
{
    if (expr->kind == SK_AST_LITERAL || expr->kind == SK_AST_VECTOR) {
        *ret_expr = expr;
        return SK_OK;
    }
    if (expr->kind != SK_AST_BINARY)
        return print_and_parse(arena, expr, ret_expr, reterr);
    struct sk_ast_expr *copy = sk_arena_alloc(arena, sizeof(*copy));
    if (copy == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    *copy = *expr;
    enum sk_err err = sk_logql_reparse(arena, expr->u.binary.left, &copy->u.binary.left, reterr);
    if (err == SK_OK)
        err = sk_logql_reparse(arena, expr->u.binary.right, &copy->u.binary.right, reterr);
    if (err == SK_OK)
        *ret_expr = copy;
    return err;
}

enum sk_err sk_logql_parse_selector(struct sk_arena *arena, struct sk_str text, bool allow_empty,
                                    const struct sk_ast_matcher **ret, struct sk_error *reterr)
{
    const struct sk_ast_expr *expr;
    enum sk_err err = run(arena, text, allow_empty ? NARROW_OR_EMPTY : NARROW, &expr, reterr);
    if (err != SK_OK)
        return err;
    if (expr->kind != SK_AST_LOG || expr->u.log.stages != NULL)
        return sk_error_set(reterr, SK_EPARSE, "only label matchers are supported");
    *ret = expr->u.log.matchers;
    return SK_OK;
}

enum sk_err sk_logql_parse_log(struct sk_arena *arena, struct sk_str text,
                               const struct sk_ast_log **ret, struct sk_error *reterr)
{
    const struct sk_ast_expr *expr;
    enum sk_err err = run(arena, text, NARROW_NOT, &expr, reterr);
    if (err != SK_OK)
        return err;
    if (expr->kind != SK_AST_LOG)
        return sk_error_set(reterr, SK_EPARSE, "only log queries are supported");
    *ret = &expr->u.log;
    return SK_OK;
}
