/* SPDX-License-Identifier: Apache-2.0 */
/* print.h -- the printed forms of a query: one line, as Loki sends pieces of queries onward and
 * names stages in errors, and the indented form of the format_query endpoint. Both keep Loki's
 * peculiarities (spec logql-grammar 4), with one exception: an empty group_left before an operand
 * that starts with a parenthesis prints as `group_left ()`, because it would swallow the operand
 * otherwise.
 *
 * Failure sticks in the buffer (strbuf.h). Threads: any. */
#ifndef SK_LOGQL_PRINT_H
#define SK_LOGQL_PRINT_H

#include "base/strbuf.h"
#include "logql/ast.h"

void sk_logql_print(struct sk_strbuf *out, const struct sk_ast_expr *expr);
void sk_logql_print_stage(struct sk_strbuf *out, const struct sk_ast_stage *stage);
void sk_logql_print_matchers(struct sk_strbuf *out, const struct sk_ast_matcher *matchers);
void sk_logql_print_label_filter(struct sk_strbuf *out, const struct sk_ast_label_filter *filter);

/* The text of format_query. */
void sk_logql_pretty(struct sk_strbuf *out, const struct sk_ast_expr *expr);

/* rate, topk, ==: the words of the language; never NULL. */
const char *sk_logql_range_op_name(enum sk_range_op op);
const char *sk_logql_vector_op_name(enum sk_vector_op op);
const char *sk_logql_bin_op_name(enum sk_bin_op op);

#endif
