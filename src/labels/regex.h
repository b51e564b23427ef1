/* SPDX-License-Identifier: Apache-2.0 */
/* regex.h -- regular expressions with Go's syntax and semantics, by RE2 (linear time).
 *
 * re2_shim.cc is the only C++ file of the tree. A compiled expression is immutable;
 * matching is thread-safe. */
#ifndef SK_LABELS_REGEX_H
#define SK_LABELS_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sk_regex; /* opaque */

enum {
    SK_REGEX_ANCHORED = 1, /* ^(?:RE)$ */
    SK_REGEX_DOTALL = 2,   /* . matches newline */
};

#define SK_REGEX_GROUPS_MAX        256
#define SK_REGEX_PROGRAM_BYTES_MAX (8 << 20)

/* SK_EPARSE with RE2's words, SK_ELIMIT when the program would be too large. Syntax that clients see
 * refused is judged before by gore.h, which has Go's words. */
SK_MUST_CHECK enum sk_err sk_regex_create(struct sk_str pattern, unsigned flags,
                                          struct sk_regex **ret_regex, struct sk_error *reterr);
void sk_regex_destroy(struct sk_regex *regex); /* NULL is a no-op */

bool sk_regex_match(const struct sk_regex *regex, struct sk_str text);

/* Capturing groups, the whole match not counted. Names are "" for unnamed groups; borrowed. */
size_t sk_regex_group_count(const struct sk_regex *regex);
struct sk_str sk_regex_group_name(const struct sk_regex *regex, size_t idx);

/* The first match at or after `from`: caps[0] is the whole match, caps[i] group i; a group that took
 * no part has ptr NULL. Fills `caps_count` elements. false: no match. */
bool sk_regex_find(const struct sk_regex *regex, struct sk_str text, size_t from,
                   struct sk_str *caps, size_t caps_count);

#ifdef __cplusplus
}
#endif

#endif
