/* SPDX-License-Identifier: Apache-2.0 */
/* parse_pipeline.c -- selectors, pipeline stages, label filters. */
#include "logql/parse_int.h"

#include "base/assert.h"
#include "base/gotext.h"

/* ---- {name="value", ...} ---- */

static bool match_op(enum sk_tok tok, enum sk_match_op *ret)
{
    if (tok == SK_TOK_EQ)
        *ret = SK_MATCH_EQ;
    else if (tok == SK_TOK_NEQ)
        *ret = SK_MATCH_NEQ;
    else if (tok == SK_TOK_RE)
        *ret = SK_MATCH_RE;
    else if (tok == SK_TOK_NRE)
        *ret = SK_MATCH_NRE;
    else
        return false;
    return true;
}

/* The value behind a matcher's operator. */
static bool match_value(struct sk_parser *p, enum sk_match_op op, struct sk_str *ret)
{
    struct sk_lex_token value;
    if (!sk_parser_expect(p, SK_TOK_STRING, "STRING", &value))
        return false;
    *ret = value.text;
    bool regex = op == SK_MATCH_RE || op == SK_MATCH_NRE;
    return !regex || sk_check_regex(p, value.text, "");
}

static bool matcher(struct sk_parser *p, const char *expecting, struct sk_ast_matcher **ret)
{
    struct sk_lex_token name;
    if (!sk_parser_expect(p, SK_TOK_IDENTIFIER, expecting, &name))
        return false;
    struct sk_ast_matcher *m = sk_parser_alloc(p, sizeof(*m));
    if (m == NULL)
        return false;
    m->name = name.text;
    if (!match_op(sk_parser_peek(p), &m->op))
        return sk_parser_unexpected(p, "= or =~ or !~ or !=");
    (void)sk_parser_take(p);
    *ret = m;
    return match_value(p, m->op, &m->value);
}

bool sk_parse_selector(struct sk_parser *p, struct sk_ast_matcher **ret)
{
    const char *expecting = "IDENTIFIER or }";
    (void)sk_parser_take(p);
    *ret = NULL;
    if (sk_parser_accept(p, SK_TOK_CLOSE_BRACE))
        return true;
    do {
        if (!matcher(p, expecting, ret))
            return false;
        ret = &(*ret)->next;
        expecting = "IDENTIFIER";
    } while (sk_parser_accept(p, SK_TOK_COMMA));
    struct sk_lex_token close;
    return sk_parser_expect(p, SK_TOK_CLOSE_BRACE, "} or ,", &close);
}

/* ---- label filters ---- */

/* Precedences of `or` and `and` between themselves; see the algorithm below. */
enum { LF_ANY = 0, LF_OR = 1, LF_AND = 2 };

struct filter {
    struct sk_ast_label_filter *node;
    unsigned height;
};

static bool label_filter(struct sk_parser *p, int min, struct filter *ret);

/* Loki ignores a failed conversion here: 0x10 is 0, 1e400 is +Inf. */
bool sk_parse_float(struct sk_parser *p, struct sk_str text, double *ret, struct sk_error *why)
{
    char *plain = sk_parser_alloc(p, text.len + 1);
    size_t n = 0;
    *ret = 0;
    if (plain == NULL) {
        (void)sk_error_set(why, SK_ENOMEM, "out of memory");
        return false;
    }
    bool hex = text.len > 1 && (text.ptr[1] | 32) == 'x';
    for (size_t i = 0; i < text.len; i++) { /* the lexer has checked where they stand */
        if (text.ptr[i] != '_' || hex)
            plain[n++] = text.ptr[i];
    }
    return sk_go_parse_float((struct sk_str){plain, n}, ret, why) == SK_OK;
}

static bool signed_number(struct sk_parser *p, double *ret)
{
    struct sk_error why;
    struct sk_lex_token number;
    bool minus = sk_parser_peek(p) == SK_TOK_SUB;
    if (minus || sk_parser_peek(p) == SK_TOK_ADD)
        (void)sk_parser_take(p);
    if (!sk_parser_expect(p, SK_TOK_NUMBER, "NUMBER", &number))
        return false;
    (void)sk_parse_float(p, number.text, ret, &why);
    if (minus)
        *ret = -*ret;
    return p->err == SK_OK;
}

static bool ip_call(struct sk_parser *p, struct sk_str *ret)
{
    struct sk_lex_token text, skip;
    (void)sk_parser_take(p);
    if (!sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip) ||
        !sk_parser_expect(p, SK_TOK_STRING, "STRING", &text) ||
        !sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ")", &skip))
        return false;
    *ret = text.text;
    return true;
}

static bool cmp_op(enum sk_tok tok, enum sk_cmp_op *ret)
{
    if (tok == SK_TOK_EQ || tok == SK_TOK_CMP_EQ)
        *ret = SK_CMP_EQ;
    else if (tok == SK_TOK_NEQ)
        *ret = SK_CMP_NEQ;
    else if (tok == SK_TOK_GT)
        *ret = SK_CMP_GT;
    else if (tok == SK_TOK_GTE)
        *ret = SK_CMP_GTE;
    else if (tok == SK_TOK_LT)
        *ret = SK_CMP_LT;
    else if (tok == SK_TOK_LTE)
        *ret = SK_CMP_LTE;
    else
        return false;
    return true;
}

/* Behind the operator: a string, an address, a duration, a size or a number. */
static bool filter_value(struct sk_parser *p, enum sk_tok op, struct sk_ast_label_filter *f)
{
    enum sk_tok tok = sk_parser_peek(p);
    bool regex = op == SK_TOK_RE || op == SK_TOK_NRE;
    bool equality = op == SK_TOK_EQ || op == SK_TOK_NEQ;
    if (regex || (equality && tok == SK_TOK_STRING)) {
        f->kind = SK_LF_STRING;
        return match_value(p, f->match, &f->text);
    }
    if (equality && tok == SK_TOK_IP) {
        f->kind = SK_LF_IP;
        return ip_call(p, &f->text);
    }
    if (tok == SK_TOK_DURATION) {
        f->kind = SK_LF_DURATION;
        f->duration_ns = sk_parser_take(p).ns;
        return true;
    }
    if (tok == SK_TOK_BYTES) {
        f->kind = SK_LF_BYTES;
        f->bytes = sk_parser_take(p).bytes;
        return true;
    }
    if (tok != SK_TOK_NUMBER && tok != SK_TOK_ADD && tok != SK_TOK_SUB)
        return sk_parser_unexpected(p, NULL);
    f->kind = SK_LF_NUMBER;
    return signed_number(p, &f->number);
}

static bool filter_operand(struct sk_parser *p, struct filter *ret)
{
    enum sk_tok tok = sk_parser_peek(p);
    if (tok == SK_TOK_OPEN_PAREN) {
        (void)sk_parser_take(p);
        if (!label_filter(p, LF_ANY, ret))
            return false;
        struct sk_lex_token close;
        return sk_parser_expect(p, SK_TOK_CLOSE_PAREN, NULL, &close);
    }
    if (tok != SK_TOK_IDENTIFIER)
        return sk_parser_unexpected(p, "IDENTIFIER or (");
    struct sk_ast_label_filter *f = sk_parser_alloc(p, sizeof(*f));
    if (f == NULL)
        return false;
    f->name = sk_parser_take(p).text;
    enum sk_tok op = sk_parser_peek(p);
    bool cmp = cmp_op(op, &f->cmp);
    if (!match_op(op, &f->match) && !cmp)
        return sk_parser_unexpected(p, NULL);
    (void)sk_parser_take(p);
    ret->node = f;
    ret->height = 1;
    return filter_value(p, op, f);
}

static bool filter_join(struct sk_parser *p, enum sk_label_filter_kind kind, struct filter *left,
                        const struct filter *right)
{
    struct sk_ast_label_filter *f = sk_parser_alloc(p, sizeof(*f));
    unsigned height = 1 + (left->height > right->height ? left->height : right->height);
    if (f == NULL || !sk_parser_height(p, height))
        return false;
    f->kind = kind;
    f->left = left->node;
    f->right = right->node;
    left->node = f;
    left->height = height;
    return true;
}

/* `and` binds tighter than `or`; a comma or mere juxtaposition means `and` but always continues the
 * operand at its left, whatever the precedence, and takes all that follows as its right side. */
static bool label_filter(struct sk_parser *p, int min, struct filter *ret)
{
    if (!sk_parser_enter(p) || !filter_operand(p, ret))
        return false;
    for (;;) {
        enum sk_tok tok = sk_parser_peek(p);
        int next = LF_ANY;
        if (tok == SK_TOK_OR && min <= LF_OR)
            next = LF_AND;
        else if (tok == SK_TOK_AND && min <= LF_AND)
            next = LF_AND + 1;
        else if (tok != SK_TOK_COMMA && tok != SK_TOK_IDENTIFIER && tok != SK_TOK_OPEN_PAREN)
            break;
        if (next != LF_ANY || tok == SK_TOK_COMMA)
            (void)sk_parser_take(p);
        struct filter right;
        if (!label_filter(p, next, &right) ||
            !filter_join(p, tok == SK_TOK_OR ? SK_LF_OR : SK_LF_AND, ret, &right))
            return false;
    }
    sk_parser_leave(p);
    return p->err == SK_OK;
}

bool sk_parse_label_filter(struct sk_parser *p, const struct sk_ast_label_filter **ret)
{
    struct filter f;
    if (!label_filter(p, LF_ANY, &f))
        return false;
    *ret = f.node;
    return true;
}

/* ---- stages ---- */

bool sk_parse_stage_new(struct sk_parser *p, enum sk_ast_stage_kind kind,
                        struct sk_ast_stage ***tail, struct sk_ast_stage **ret)
{
    if (++p->stage_count > SK_LOGQL_STAGES_MAX) {
        p->err = sk_error_set(p->reterr, SK_ELIMIT,
                              "parse error : the query has more than %d pipeline stages",
                              SK_LOGQL_STAGES_MAX);
        return false;
    }
    struct sk_ast_stage *s = sk_parser_alloc(p, sizeof(*s));
    if (s == NULL)
        return false;
    s->kind = kind;
    **tail = s;
    *tail = &s->next;
    *ret = s;
    return true;
}

static bool line_op(enum sk_tok tok, enum sk_line_op *ret)
{
    if (tok == SK_TOK_PIPE_EXACT)
        *ret = SK_LINE_CONTAINS;
    else if (tok == SK_TOK_NEQ)
        *ret = SK_LINE_NOT_CONTAINS;
    else if (tok == SK_TOK_PIPE_MATCH)
        *ret = SK_LINE_RE;
    else if (tok == SK_TOK_NRE)
        *ret = SK_LINE_NOT_RE;
    else if (tok == SK_TOK_PIPE_PATTERN)
        *ret = SK_LINE_PATTERN;
    else if (tok == SK_TOK_NPA)
        *ret = SK_LINE_NOT_PATTERN;
    else
        return false;
    return true;
}

/* |= "a" or "b" is one stage with alternatives; != "a" or "b" means neither: two stages. */
static bool line_filter(struct sk_parser *p, enum sk_line_op op, struct sk_ast_stage ***tail)
{
    bool negative = op == SK_LINE_NOT_CONTAINS || op == SK_LINE_NOT_RE || op == SK_LINE_NOT_PATTERN;
    struct sk_ast_line_operand **operand = NULL;
    (void)sk_parser_take(p);
    do {
        enum sk_tok tok = sk_parser_peek(p);
        if (tok != SK_TOK_STRING && tok != SK_TOK_IP)
            return sk_parser_unexpected(p, "STRING or ip");
        struct sk_ast_stage *s;
        if (operand == NULL || negative) {
            if (!sk_parse_stage_new(p, SK_STAGE_LINE_FILTER, tail, &s))
                return false;
            s->line_op = op;
            operand = &s->operands;
        }
        *operand = sk_parser_alloc(p, sizeof(**operand));
        if (*operand == NULL)
            return false;
        (*operand)->ip = tok == SK_TOK_IP;
        if (tok == SK_TOK_STRING)
            (*operand)->text = sk_parser_take(p).text;
        else if (!ip_call(p, &(*operand)->text))
            return false;
        operand = &(*operand)->next;
    } while (sk_parser_accept(p, SK_TOK_OR));
    return p->err == SK_OK;
}

/* a, b="expression" behind json and logfmt; may be missing. */
static bool extractions(struct sk_parser *p, struct sk_ast_extraction **tail)
{
    if (sk_parser_peek(p) != SK_TOK_IDENTIFIER)
        return p->err == SK_OK;
    do {
        struct sk_lex_token name, expr;
        if (!sk_parser_expect(p, SK_TOK_IDENTIFIER, "IDENTIFIER", &name))
            return false;
        struct sk_ast_extraction *e = sk_parser_alloc(p, sizeof(*e));
        if (e == NULL)
            return false;
        e->name = e->expr = name.text;
        if (sk_parser_accept(p, SK_TOK_EQ)) {
            if (!sk_parser_expect(p, SK_TOK_STRING, "STRING", &expr))
                return false;
            e->has_expr = true;
            e->expr = expr.text;
        }
        *tail = e;
        tail = &e->next;
    } while (sk_parser_accept(p, SK_TOK_COMMA));
    return p->err == SK_OK;
}

static bool label_formats(struct sk_parser *p, struct sk_ast_label_format **tail)
{
    do {
        struct sk_lex_token name, skip;
        if (!sk_parser_expect(p, SK_TOK_IDENTIFIER, "IDENTIFIER", &name) ||
            !sk_parser_expect(p, SK_TOK_EQ, "=", &skip))
            return false;
        enum sk_tok tok = sk_parser_peek(p);
        if (tok != SK_TOK_IDENTIFIER && tok != SK_TOK_STRING)
            return sk_parser_unexpected(p, "IDENTIFIER or STRING");
        struct sk_ast_label_format *f = sk_parser_alloc(p, sizeof(*f));
        if (f == NULL)
            return false;
        f->name = name.text;
        f->rename = tok == SK_TOK_IDENTIFIER;
        f->value = sk_parser_take(p).text;
        *tail = f;
        tail = &f->next;
    } while (sk_parser_accept(p, SK_TOK_COMMA));
    return p->err == SK_OK;
}

/* The names and matchers of drop and keep. */
static bool named(struct sk_parser *p, struct sk_ast_named **tail)
{
    do {
        struct sk_lex_token name;
        if (!sk_parser_expect(p, SK_TOK_IDENTIFIER, "IDENTIFIER", &name))
            return false;
        struct sk_ast_named *n = sk_parser_alloc(p, sizeof(*n));
        if (n == NULL)
            return false;
        n->name = name.text;
        n->has_matcher = match_op(sk_parser_peek(p), &n->op);
        if (n->has_matcher) {
            (void)sk_parser_take(p);
            if (!match_value(p, n->op, &n->value))
                return false;
        }
        *tail = n;
        tail = &n->next;
    } while (sk_parser_accept(p, SK_TOK_COMMA));
    return p->err == SK_OK;
}

static bool logfmt(struct sk_parser *p, struct sk_ast_stage *s)
{
    while (sk_parser_peek(p) == SK_TOK_FUNCTION_FLAG) {
        if (sk_str_is(sk_parser_take(p).text, "--strict"))
            s->logfmt_strict = true;
        else
            s->logfmt_keep_empty = true;
    }
    return extractions(p, &s->extractions);
}

static bool string_stage(struct sk_parser *p, struct sk_ast_stage *s)
{
    struct sk_lex_token text;
    if (!sk_parser_expect(p, SK_TOK_STRING, "STRING", &text))
        return false;
    s->text = text.text;
    if (s->kind == SK_STAGE_REGEXP)
        return sk_check_regexp_stage(p, s->text);
    return s->kind != SK_STAGE_PATTERN || sk_check_pattern_stage(p, s->text);
}

static bool stage_kind(enum sk_tok tok, enum sk_ast_stage_kind *ret)
{
    static const struct {
        enum sk_tok tok;
        enum sk_ast_stage_kind kind;
    } kinds[] = {
        {SK_TOK_JSON, SK_STAGE_JSON},
        {SK_TOK_LOGFMT, SK_STAGE_LOGFMT},
        {SK_TOK_REGEXP, SK_STAGE_REGEXP},
        {SK_TOK_PATTERN, SK_STAGE_PATTERN},
        {SK_TOK_UNPACK, SK_STAGE_UNPACK},
        {SK_TOK_LINE_FORMAT, SK_STAGE_LINE_FORMAT},
        {SK_TOK_LABEL_FORMAT, SK_STAGE_LABEL_FORMAT},
        {SK_TOK_DECOLORIZE, SK_STAGE_DECOLORIZE},
        {SK_TOK_DROP, SK_STAGE_DROP},
        {SK_TOK_KEEP, SK_STAGE_KEEP},
        {SK_TOK_IDENTIFIER, SK_STAGE_LABEL_FILTER},
        {SK_TOK_OPEN_PAREN, SK_STAGE_LABEL_FILTER},
    };
    for (size_t i = 0; i < SK_COUNT_OF(kinds); i++) {
        if (kinds[i].tok == tok) {
            *ret = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* Behind a bar. */
static bool stage(struct sk_parser *p, struct sk_ast_stage ***tail)
{
    enum sk_ast_stage_kind kind;
    struct sk_ast_stage *s;
    if (!stage_kind(sk_parser_peek(p), &kind))
        return sk_parser_unexpected(p, NULL);
    if (!sk_parse_stage_new(p, kind, tail, &s))
        return false;
    if (kind == SK_STAGE_LABEL_FILTER)
        return sk_parse_label_filter(p, &s->filter);
    (void)sk_parser_take(p);
    switch (kind) {
    case SK_STAGE_JSON:
        return extractions(p, &s->extractions);
    case SK_STAGE_LOGFMT:
        return logfmt(p, s);
    case SK_STAGE_REGEXP:
    case SK_STAGE_PATTERN:
    case SK_STAGE_LINE_FORMAT:
        return string_stage(p, s);
    case SK_STAGE_LABEL_FORMAT:
        return label_formats(p, &s->formats);
    case SK_STAGE_DROP:
    case SK_STAGE_KEEP:
        return named(p, &s->named);
    case SK_STAGE_UNPACK:
    case SK_STAGE_DECOLORIZE:
    case SK_STAGE_LINE_FILTER:
    case SK_STAGE_LABEL_FILTER:
        break;
    }
    return true;
}

bool sk_parse_stages(struct sk_parser *p, struct sk_ast_stage ***tail, bool *ret_unwrap)
{
    for (;;) {
        enum sk_tok tok = sk_parser_peek(p);
        enum sk_line_op op;
        if (line_op(tok, &op)) {
            if (!line_filter(p, op, tail))
                return false;
            continue;
        }
        if (tok != SK_TOK_PIPE)
            return p->err == SK_OK;
        (void)sk_parser_take(p);
        if (ret_unwrap != NULL && sk_parser_peek(p) == SK_TOK_UNWRAP) {
            *ret_unwrap = true;
            return true;
        }
        if (!stage(p, tail))
            return false;
    }
}
