/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h -- LogQL text to syntax tree, with Loki's error texts.
 *
 * Parsing includes what Loki checks while it parses: the regular expressions of matchers and
 * label_replace, the `regexp` and `pattern` stages, parameters, groupings, unwraps, and that every
 * selector has a matcher that refuses the empty text. What Loki finds only when it builds a
 * pipeline (templates, json and logfmt expressions, line filter regexes, ip patterns) is left to
 * the executor. Two literal operands have been folded.
 *
 * Loki executes not the text of the client but the printed form of its tree (print.h), which
 * rounds sizes and cannot express a few things: sk_logql_reparse() makes the tree that is executed.
 *
 * Threads: any; nothing is shared. */
#ifndef SK_LOGQL_PARSE_H
#define SK_LOGQL_PARSE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "logql/ast.h"

#define SK_LOGQL_TEXT_BYTES_MAX 131072 /* Loki's; longer queries are refused by name */
#define SK_LOGQL_DEPTH_MAX      512    /* height of a tree: everything below recurses on it */
#define SK_LOGQL_STAGES_MAX     8192   /* of a whole query */

/* SK_EPARSE with the text that clients get, prefix included (`parse error at line 1, col 2: ...` or
 * `parse error : ...`); SK_ELIMIT beyond the depth or the stages, with such a text too; SK_ENOMEM
 * when the arena's cap is reached. The tree and its texts live in the arena; `text` may go away. */
SK_MUST_CHECK enum sk_err sk_logql_parse(struct sk_arena *arena, struct sk_str text,
                                         const struct sk_ast_expr **ret_expr,
                                         struct sk_error *reterr);

/* The tree that Loki executes: numbers and binary operations stay, each other operand, or the whole
 * when it is no binary operation, is printed and parsed again. Errors as above, for that text. The
 * result may share nodes with `expr`, which must live as long. */
SK_MUST_CHECK enum sk_err sk_logql_reparse(struct sk_arena *arena, const struct sk_ast_expr *expr,
                                           const struct sk_ast_expr **ret_expr,
                                           struct sk_error *reterr);

/* A query that must be a plain selector; else SK_EPARSE `only label matchers are supported`.
 * `allow_empty`: {} will do, too, and gives *ret NULL. Others must refuse the empty text. */
SK_MUST_CHECK enum sk_err sk_logql_parse_selector(struct sk_arena *arena, struct sk_str text,
                                                  bool allow_empty,
                                                  const struct sk_ast_matcher **ret,
                                                  struct sk_error *reterr);

/* A query that must be a log query; its selector may match every stream, as those of deletes do.
 * Else SK_EPARSE `only log queries are supported`. */
SK_MUST_CHECK enum sk_err sk_logql_parse_log(struct sk_arena *arena, struct sk_str text,
                                             const struct sk_ast_log **ret,
                                             struct sk_error *reterr);

#endif
