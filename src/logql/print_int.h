/* SPDX-License-Identifier: Apache-2.0 */
/* print_int.h -- pieces of the single-line form that the indented form uses, too. */
#ifndef SK_LOGQL_PRINT_INT_H
#define SK_LOGQL_PRINT_INT_H

#include "logql/print.h"

void sk_print_log(struct sk_strbuf *out, const struct sk_ast_log *log);
void sk_print_log_range(struct sk_strbuf *out, const struct sk_ast_log_range *range);
void sk_print_unwrap(struct sk_strbuf *out, const struct sk_ast_unwrap *unwrap);
/* (a,b) with `between` the names. */
void sk_print_names(struct sk_strbuf *out, const struct sk_ast_name_list *names,
                    const char *between);
/* The operator with its modifiers. */
void sk_print_bin_op(struct sk_strbuf *out, const struct sk_ast_expr *expr, const char *between);
/* `5,` where an aggregation has a parameter. */
void sk_print_param(struct sk_strbuf *out, const struct sk_ast_expr *expr);
void sk_print_float(struct sk_strbuf *out, double v);

#endif
