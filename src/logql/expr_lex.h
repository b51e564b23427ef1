/* SPDX-License-Identifier: Apache-2.0 */
/* expr_lex.h -- the words of the expressions of json and logfmt: `a.b["c"][0]`, `key`, `"any key"`,
 * and Loki's way of complaining about them. */
#ifndef SK_LOGQL_EXPR_LEX_H
#define SK_LOGQL_EXPR_LEX_H

#include "base/err.h"
#include "base/slice.h"

enum sk_expr_tok {
    SK_EXPR_END,
    SK_EXPR_NAME,   /* [A-Za-z_][A-Za-z0-9_]* */
    SK_EXPR_STRING, /* "..." without escapes */
    SK_EXPR_INDEX,  /* digits */
    SK_EXPR_DOT,
    SK_EXPR_OPEN,
    SK_EXPR_CLOSE,
};

struct sk_expr_lex {
    struct sk_str whole;
    size_t at;
    bool json; /* else logfmt: no dots, brackets and numbers */
    bool bad;  /* a character that begins nothing; the parser sees the end */
    struct sk_str bad_text;
    struct sk_str text; /* of the token */
};

enum sk_expr_tok sk_expr_next(struct sk_expr_lex *lex);

/* SK_EPARSE: `cannot parse expression [...]: syntax error: unexpected TOKEN, expecting ...`; NULL:
 * nothing is said about what was expected. */
enum sk_err sk_expr_unexpected(const struct sk_expr_lex *lex, enum sk_expr_tok tok,
                               const char *expecting, struct sk_error *reterr);

/* At the end of a correct expression: SK_EPARSE when a bad character ended it. */
SK_MUST_CHECK enum sk_err sk_expr_finish(const struct sk_expr_lex *lex, struct sk_error *reterr);

#endif
