/* SPDX-License-Identifier: Apache-2.0 */
/* text_test.h -- a condition on a text: what line filters and the text forms of label filters are
 * made of. Regular expressions become substring tests where Loki does so, with Loki's results
 * (regex_simplify.c).
 *
 * Tests are immutable and live in an arena; matching needs scratch memory of the thread. */
#ifndef SK_LOGQL_TEXT_TEST_H
#define SK_LOGQL_TEXT_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct sk_regex;
struct sk_ip_range;
struct sk_pattern_part;

enum sk_text_test_kind {
    SK_TEXT_TRUE,
    SK_TEXT_NON_EMPTY,
    SK_TEXT_CONTAINS,      /* text, never empty */
    SK_TEXT_CONTAINS_FOLD, /* text in lower case, within the lower case of what is tested */
    SK_TEXT_EQUALS,
    SK_TEXT_EQUALS_FOLD, /* ... and of equal length in bytes */
    SK_TEXT_REGEX,       /* regex; `text` is a literal without which it cannot match, or empty */
    SK_TEXT_PATTERN,     /* parts; likewise */
    SK_TEXT_IP,          /* ip */
    SK_TEXT_ANY,         /* one of subs */
};

struct sk_text_test {
    enum sk_text_test_kind kind;
    bool negate;
    struct sk_str text;
    const struct sk_regex *regex;
    const struct sk_ip_range *ip;
    const struct sk_pattern_part *parts;
    const struct sk_text_test *subs;
    size_t count; /* of parts, subs */
};

/* Scratch memory for lower case. Zeroed is empty. */
struct sk_text_scratch {
    char *lower;
    size_t lower_cap, lower_len;
    bool lowered; /* of the text being tested */
    bool failed;  /* out of memory; the answer was useless */
};

void sk_text_scratch_deinit(struct sk_text_scratch *s);

bool sk_text_test_match(const struct sk_text_test *t, struct sk_text_scratch *s,
                        struct sk_str text);

/* The test for a regular expression: unanchored for a line, else anchored for a label's value. `.`
 * does not match a line break. SK_EPARSE with Go's text, SK_ELIMIT, SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_text_test_regex(struct sk_arena *arena, struct sk_str pattern,
                                             bool is_label, struct sk_text_test *ret,
                                             struct sk_error *reterr);

/* Compiles; the arena releases. */
SK_MUST_CHECK enum sk_err sk_arena_regex(struct sk_arena *arena, struct sk_str pattern,
                                         unsigned flags, const struct sk_regex **ret,
                                         struct sk_error *reterr);

/* Any of tests[0..count), which is reordered; tests that hold for every text are left out unless
 * there is nothing else. count > 0. */
struct sk_text_test sk_text_test_any(struct sk_text_test *tests, size_t count);

/* Text that whatever passes the test holds; empty when there is none. */
struct sk_str sk_text_test_needle(const struct sk_text_test *t);

#endif
