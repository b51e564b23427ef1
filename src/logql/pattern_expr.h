/* SPDX-License-Identifier: Apache-2.0 */
/* pattern_expr.h -- patterns of literals and <captures>: the `pattern` parser and the line filters
 * |> and !>. Threads: parts are immutable, any. */
#ifndef SK_LOGQL_PATTERN_EXPR_H
#define SK_LOGQL_PATTERN_EXPR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct sk_pattern_part {
    bool capture;
    struct sk_str text; /* the literal, or the name inside <> */
};

/* Length of the capture `<name>` at the front of `s`, 0 when there is none. Anything else between
 * angle brackets is literal text. */
size_t sk_pattern_capture_len(struct sk_str s);

/* Splits a pattern; literals are not empty and do not meet. */
SK_MUST_CHECK enum sk_err sk_pattern_split(struct sk_arena *arena, struct sk_str pattern,
                                           struct sk_pattern_part **ret, size_t *ret_count);

/* Checks the parts of a line filter, whose captures have no names. SK_EPARSE with Loki's text. */
SK_MUST_CHECK enum sk_err sk_pattern_filter_check(const struct sk_pattern_part *parts, size_t count,
                                                  struct sk_error *reterr);

/* Whether the line has the pattern. Captures are not empty; a literal in front is searched, not
 * anchored; each literal counts where it occurs first. */
bool sk_pattern_filter_match(const struct sk_pattern_part *parts, size_t count, struct sk_str line);

/* The longest literal; empty when there is none. */
struct sk_str sk_pattern_longest(const struct sk_pattern_part *parts, size_t count);

#endif
