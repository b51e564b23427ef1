/* SPDX-License-Identifier: Apache-2.0 */
/* ast_eq.h -- whether two syntax trees say the same, field by field. Sizes of label filters are
 * compared as they print: printing rounds them. */
#ifndef SK_TESTS_AST_EQ_H
#define SK_TESTS_AST_EQ_H

#include "logql/ast.h"

bool ast_eq(const struct sk_ast_expr *a, const struct sk_ast_expr *b);

#endif
