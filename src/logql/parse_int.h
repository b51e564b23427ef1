/* SPDX-License-Identifier: Apache-2.0 */
/* parse_int.h -- what the parts of the parser share.
 *
 * The parser is recursive-descent with one token of look-ahead that is fetched only when it is
 * asked for: checks that Loki makes on completing a piece (regular expressions) must come before
 * complaints about the token behind it. A function returns false after the error has been set.
 *
 * Complaints about a finished node (operand types, parameters) wait until the whole text has been
 * parsed; of several, the outermost and then the leftmost is reported. Nodes are completed inside
 * out, so that is the one that starts first, and of equal starts the one completed last. */
#ifndef SK_LOGQL_PARSE_INT_H
#define SK_LOGQL_PARSE_INT_H

#include "logql/lex_int.h"
#include "logql/parse.h"

struct sk_parser {
    struct sk_arena *arena;
    struct sk_error *reterr;
    enum sk_err err;
    struct sk_lex lex;
    struct sk_lex_token tok; /* valid when have_tok */
    bool have_tok;
    unsigned depth;
    size_t stage_count;
    const char *complaint; /* NULL: none */
    size_t complaint_start;
};

/* A parsed expression, where it starts, and how high its tree is. */
struct sk_parsed {
    struct sk_ast_expr *expr;
    size_t start;
    unsigned height;
};

/* The kind of the next token; EOF after an error, which then is reported. */
enum sk_tok sk_parser_peek(struct sk_parser *p);
/* Takes the token just peeked. */
struct sk_lex_token sk_parser_take(struct sk_parser *p);
bool sk_parser_accept(struct sk_parser *p, enum sk_tok kind);
/* Takes a token of this kind or fails with `expecting`, which may be NULL. */
bool sk_parser_expect(struct sk_parser *p, enum sk_tok kind, const char *expecting,
                      struct sk_lex_token *ret);
bool sk_parser_unexpected(struct sk_parser *p, const char *expecting);

bool sk_parser_nomem(struct sk_parser *p);
/* Fails with `parse error : ...`. */
bool sk_parser_fail(struct sk_parser *p, const char *fmt, ...) SK_PRINTF(2, 3);
void sk_parser_complain(struct sk_parser *p, size_t start, const char *fmt, ...) SK_PRINTF(3, 4);
bool sk_parser_enter(struct sk_parser *p);
void sk_parser_leave(struct sk_parser *p);
/* false and an error when a tree of this height is too high. */
bool sk_parser_height(struct sk_parser *p, unsigned height);
void *sk_parser_alloc(struct sk_parser *p, size_t size); /* zeroed; NULL: error set */

/* parse_pipeline.c */
bool sk_parse_selector(struct sk_parser *p, struct sk_ast_matcher **ret); /* at the { */
/* Stages while there are any; *tail is where the next one goes. Stops before `| unwrap`, having
 * taken the bar, when `ret_unwrap` is not NULL. */
bool sk_parse_stages(struct sk_parser *p, struct sk_ast_stage ***tail, bool *ret_unwrap);
bool sk_parse_label_filter(struct sk_parser *p, const struct sk_ast_label_filter **ret);
bool sk_parse_stage_new(struct sk_parser *p, enum sk_ast_stage_kind kind,
                        struct sk_ast_stage ***tail, struct sk_ast_stage **ret);
bool sk_parse_float(struct sk_parser *p, struct sk_str text, double *ret, struct sk_error *why);

/* parse_range.c */
bool sk_parse_log_range(struct sk_parser *p, struct sk_ast_log_range *ret);

/* parse_check.c */
bool sk_check_regex(struct sk_parser *p, struct sk_str regex, const char *prefix);
bool sk_check_regexp_stage(struct sk_parser *p, struct sk_str regex);
bool sk_check_pattern_stage(struct sk_parser *p, struct sk_str pattern);
bool sk_check_label_replace(struct sk_parser *p, struct sk_str regex);
void sk_check_range(struct sk_parser *p, size_t start, const struct sk_ast_expr *expr,
                    struct sk_str param);
void sk_check_vector(struct sk_parser *p, size_t start, struct sk_ast_expr *expr,
                     struct sk_str param);
void sk_check_binary(struct sk_parser *p, size_t start, const struct sk_ast_expr *expr);
/* Every selector of the finished tree refuses the empty text. */
bool sk_check_selectors(struct sk_parser *p, const struct sk_ast_expr *expr);

#endif
