/* SPDX-License-Identifier: Apache-2.0 */
/* matcher.h -- a compiled condition on one stream label: = != =~ !~.
 *
 * Regular expressions are anchored at both ends and `.` matches newline, as Prometheus does.
 * A missing label is the empty string. Immutable after init, so any thread may match. */
#ifndef SK_LABELS_MATCHER_H
#define SK_LABELS_MATCHER_H

#include "labels/labelset.h"

struct sk_regex;

enum sk_matcher_kind { SK_MATCHER_EQ, SK_MATCHER_NEQ, SK_MATCHER_RE, SK_MATCHER_NRE };

struct sk_matcher {
    struct sk_str name;  /* borrowed */
    struct sk_str value; /* borrowed */
    enum sk_matcher_kind kind;
    struct sk_regex *regex; /* RE, NRE; owned */
};

/* SK_EPARSE / SK_ELIMIT: the expression does not compile; reterr says why. */
SK_MUST_CHECK enum sk_err sk_matcher_init(struct sk_matcher *m, enum sk_matcher_kind kind,
                                          struct sk_str name, struct sk_str value,
                                          struct sk_error *reterr);
void sk_matcher_deinit(struct sk_matcher *m);

bool sk_matcher_matches(const struct sk_matcher *m, struct sk_str value);

/* All of them against the set. */
bool sk_matchers_match(const struct sk_matcher *m, size_t count, struct sk_labelset set);

#endif
