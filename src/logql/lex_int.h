/* SPDX-License-Identifier: Apache-2.0 */
/* lex_int.h -- the tokens of LogQL and the reader that makes them; private to this folder.
 *
 * A reader produces one token per call. Positions are Loki's: the column where the last token
 * starts, counted in runes, and its line -- but line 0 where recognising the token took runes
 * beyond its first (two-rune operators, [..], durations, sizes, flags), because clients see them
 * in error messages. */
#ifndef SK_LOGQL_LEX_INT_H
#define SK_LOGQL_LEX_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

/* X(name, text in messages) in the order in which messages list them. */
#define SK_LEX_TOKENS(X)                                                                           \
    X(EOF, "$end")                                                                                 \
    X(BYTES, "BYTES")                                                                              \
    X(IDENTIFIER, "IDENTIFIER")                                                                    \
    X(STRING, "STRING")                                                                            \
    X(NUMBER, "NUMBER")                                                                            \
    X(FUNCTION_FLAG, "FUNCTION_FLAG")                                                              \
    X(DURATION, "DURATION")                                                                        \
    X(RANGE, "RANGE")                                                                              \
    X(EQ, "=")                                                                                     \
    X(RE, "=~")                                                                                    \
    X(NRE, "!~")                                                                                   \
    X(NPA, "!>")                                                                                   \
    X(OPEN_BRACE, "{")                                                                             \
    X(CLOSE_BRACE, "}")                                                                            \
    X(COMMA, ",")                                                                                  \
    X(DOT, ".")                                                                                    \
    X(PIPE_MATCH, "|~")                                                                            \
    X(PIPE_EXACT, "|=")                                                                            \
    X(PIPE_PATTERN, "|>")                                                                          \
    X(OPEN_PAREN, "(")                                                                             \
    X(CLOSE_PAREN, ")")                                                                            \
    X(BY, "by")                                                                                    \
    X(WITHOUT, "without")                                                                          \
    X(COUNT_OVER_TIME, "COUNT_OVER_TIME")                                                          \
    X(RATE, "RATE")                                                                                \
    X(RATE_COUNTER, "RATE_COUNTER")                                                                \
    X(BYTES_OVER_TIME, "BYTES_OVER_TIME")                                                          \
    X(BYTES_RATE, "BYTES_RATE")                                                                    \
    X(AVG_OVER_TIME, "AVG_OVER_TIME")                                                              \
    X(SUM_OVER_TIME, "SUM_OVER_TIME")                                                              \
    X(MIN_OVER_TIME, "MIN_OVER_TIME")                                                              \
    X(MAX_OVER_TIME, "MAX_OVER_TIME")                                                              \
    X(STDVAR_OVER_TIME, "STDVAR_OVER_TIME")                                                        \
    X(STDDEV_OVER_TIME, "STDDEV_OVER_TIME")                                                        \
    X(QUANTILE_OVER_TIME, "QUANTILE_OVER_TIME")                                                    \
    X(FIRST_OVER_TIME, "FIRST_OVER_TIME")                                                          \
    X(LAST_OVER_TIME, "LAST_OVER_TIME")                                                            \
    X(ABSENT_OVER_TIME, "ABSENT_OVER_TIME")                                                        \
    X(SUM, "SUM")                                                                                  \
    X(AVG, "AVG")                                                                                  \
    X(MAX, "MAX")                                                                                  \
    X(MIN, "MIN")                                                                                  \
    X(COUNT, "COUNT")                                                                              \
    X(STDDEV, "STDDEV")                                                                            \
    X(STDVAR, "STDVAR")                                                                            \
    X(BOTTOMK, "BOTTOMK")                                                                          \
    X(TOPK, "TOPK")                                                                                \
    X(APPROX_TOPK, "APPROX_TOPK")                                                                  \
    X(SORT, "SORT")                                                                                \
    X(SORT_DESC, "SORT_DESC")                                                                      \
    X(VECTOR, "VECTOR")                                                                            \
    X(LABEL_REPLACE, "label_replace")                                                              \
    X(VARIANTS, "variants")                                                                        \
    X(OF, "of")                                                                                    \
    X(BYTES_CONV, "BYTES_CONV")                                                                    \
    X(DURATION_CONV, "DURATION_CONV")                                                              \
    X(DURATION_SECONDS_CONV, "DURATION_SECONDS_CONV")                                              \
    X(IP, "ip")                                                                                    \
    X(PIPE, "|")                                                                                   \
    X(JSON, "json")                                                                                \
    X(REGEXP, "regexp")                                                                            \
    X(LOGFMT, "logfmt")                                                                            \
    X(UNPACK, "unpack")                                                                            \
    X(PATTERN, "pattern")                                                                          \
    X(LINE_FORMAT, "line_format")                                                                  \
    X(LABEL_FORMAT, "label_format")                                                                \
    X(DECOLORIZE, "decolorize")                                                                    \
    X(DROP, "drop")                                                                                \
    X(KEEP, "keep")                                                                                \
    X(UNWRAP, "unwrap")                                                                            \
    X(OFFSET, "offset")                                                                            \
    X(BOOL, "bool")                                                                                \
    X(ON, "on")                                                                                    \
    X(IGNORING, "ignoring")                                                                        \
    X(GROUP_LEFT, "group_left")                                                                    \
    X(GROUP_RIGHT, "group_right")                                                                  \
    X(OR, "or")                                                                                    \
    X(AND, "and")                                                                                  \
    X(UNLESS, "unless")                                                                            \
    X(CMP_EQ, "==")                                                                                \
    X(NEQ, "!=")                                                                                   \
    X(GT, ">")                                                                                     \
    X(GTE, ">=")                                                                                   \
    X(LT, "<")                                                                                     \
    X(LTE, "<=")                                                                                   \
    X(ADD, "+")                                                                                    \
    X(SUB, "-")                                                                                    \
    X(MUL, "*")                                                                                    \
    X(DIV, "/")                                                                                    \
    X(MOD, "%")                                                                                    \
    X(POW, "^")

enum sk_tok {
#define SK_LEX_ENUM(name, text) SK_TOK_##name,
    SK_LEX_TOKENS(SK_LEX_ENUM)
#undef SK_LEX_ENUM
};

struct sk_lex_token {
    enum sk_tok kind;
    size_t off;         /* byte offset where it starts */
    struct sk_str text; /* as written; STRING: decoded */
    int64_t ns;         /* DURATION, RANGE */
    uint64_t bytes;     /* BYTES */
};

struct sk_lex {
    struct sk_arena *arena;
    struct sk_error *reterr;
    const unsigned char *begin, *at, *end; /* *end is 0 */
    const unsigned char *bad;              /* first NUL or malformed byte, else end + 1 */
    const unsigned char *counted;          /* the two counts below are for here */
    size_t line_now, col_now;
    size_t line, col; /* of the last token, as messages show them */
};

/* `text` is copied into the arena. */
SK_MUST_CHECK enum sk_err sk_lex_init(struct sk_lex *lx, struct sk_arena *arena, struct sk_str text,
                                      struct sk_error *reterr);

/* The next token; EOF again and again at the end. */
SK_MUST_CHECK enum sk_err sk_lex_next(struct sk_lex *lx, struct sk_lex_token *ret);

/* SK_EPARSE with `message` and the position of the last token. */
enum sk_err sk_lex_error(const struct sk_lex *lx, const char *message);

const char *sk_lex_token_name(enum sk_tok kind);

/* ---- between the parts of the reader ---- */

/* Reads one token at lx->at (lexer.re). EOF is *ret_done. */
SK_MUST_CHECK enum sk_err sk_lex_scan(struct sk_lex *lx, struct sk_lex_token *ret);
void sk_lex_start(struct sk_lex *lx, struct sk_lex_token *ret, const unsigned char *start);

SK_MUST_CHECK enum sk_err sk_lex_identifier(struct sk_lex *lx, struct sk_lex_token *ret);
SK_MUST_CHECK enum sk_err sk_lex_rune(struct sk_lex *lx, struct sk_lex_token *ret);
SK_MUST_CHECK enum sk_err sk_lex_string(struct sk_lex *lx, struct sk_lex_token *ret);
SK_MUST_CHECK enum sk_err sk_lex_raw_string(struct sk_lex *lx, struct sk_lex_token *ret);
SK_MUST_CHECK enum sk_err sk_lex_char(struct sk_lex *lx, struct sk_lex_token *ret);
SK_MUST_CHECK enum sk_err sk_lex_number(struct sk_lex *lx, struct sk_lex_token *ret);
SK_MUST_CHECK enum sk_err sk_lex_range(struct sk_lex *lx, struct sk_lex_token *ret);
SK_MUST_CHECK enum sk_err sk_lex_minus(struct sk_lex *lx, struct sk_lex_token *ret);

/* Keyword or function word for an identifier, else IDENTIFIER (lexer.re). */
enum sk_tok sk_lex_keyword(const char *text, size_t len, bool *ret_function);

bool sk_lex_rune_letter(uint32_t rune);
bool sk_lex_rune_digit(uint32_t rune);

#endif
