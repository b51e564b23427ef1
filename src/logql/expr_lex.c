/* SPDX-License-Identifier: Apache-2.0 */
/* expr_lex.c -- see expr_lex.h. A character that begins no word ends the text for the parser; only
 * when the parser is content with that end is the character blamed. */
#include "logql/expr_lex.h"

#include "base/utf8.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum sk_expr_tok take(struct sk_expr_lex *lex, size_t from, enum sk_expr_tok tok)
{
    lex->text = (struct sk_str){lex->whole.ptr + from, lex->at - from};
    return tok;
}

/* "..." up to the next quote, or to a ] that is left for the next word. */
static enum sk_expr_tok string(struct sk_expr_lex *lex)
{
    size_t from = ++lex->at;
    while (lex->at < lex->whole.len && lex->whole.ptr[lex->at] != '"' &&
           !(lex->json && lex->whole.ptr[lex->at] == ']'))
        lex->at++;
    (void)take(lex, from, SK_EXPR_STRING);
    if (lex->at < lex->whole.len && lex->whole.ptr[lex->at] == '"')
        lex->at++;
    return SK_EXPR_STRING;
}

enum sk_expr_tok sk_expr_next(struct sk_expr_lex *lex)
{
    const char *p = lex->whole.ptr;
    size_t len = lex->whole.len;
    while (lex->at < len && (p[lex->at] == ' ' || (p[lex->at] >= '\t' && p[lex->at] <= '\r')))
        lex->at++;
    size_t from = lex->at;
    if (lex->bad || from >= len)
        return SK_EXPR_END;
    if (is_letter(p[from])) {
        while (lex->at < len && (is_letter(p[lex->at]) || is_digit(p[lex->at])))
            lex->at++;
        return take(lex, from, SK_EXPR_NAME);
    }
    if (p[from] == '"')
        return string(lex);
    if (lex->json && is_digit(p[from])) {
        while (lex->at < len && is_digit(p[lex->at]))
            lex->at++;
        return take(lex, from, SK_EXPR_INDEX);
    }
    if (lex->json && (p[from] == '.' || p[from] == '[' || p[from] == ']')) {
        lex->at++;
        return p[from] == '.' ? SK_EXPR_DOT : p[from] == '[' ? SK_EXPR_OPEN : SK_EXPR_CLOSE;
    }
    unsigned width;
    (void)sk_utf8_decode(p + from, len - from, &width); /* only the width matters */
    lex->bad = true;
    lex->bad_text = (struct sk_str){p + from, width};
    return SK_EXPR_END;
}

enum sk_err sk_expr_unexpected(const struct sk_expr_lex *lex, enum sk_expr_tok tok,
                               const char *expecting, struct sk_error *reterr)
{
    static const char *const json_names[] = {"$end", "FIELD", "STRING", "INDEX",
                                             "DOT",  "LSB",   "RSB"};
    const char *name = !lex->json && tok == SK_EXPR_NAME ? "KEY" : json_names[tok];
    return sk_error_set(reterr, SK_EPARSE,
                        "cannot parse expression [%.*s]: syntax error: unexpected %s%s%s",
                        SK_STR_ARG(lex->whole), name, expecting == NULL ? "" : ", expecting ",
                        expecting == NULL ? "" : expecting);
}

enum sk_err sk_expr_finish(const struct sk_expr_lex *lex, struct sk_error *reterr)
{
    if (!lex->bad)
        return SK_OK;
    return sk_error_set(reterr, SK_EPARSE, "cannot parse expression [%.*s]: unexpected char %.*s",
                        SK_STR_ARG(lex->whole), SK_STR_ARG(lex->bad_text));
}
