/* SPDX-License-Identifier: Apache-2.0 */
/* matcher.c -- see matcher.h. */
#include "labels/matcher.h"

#include "base/assert.h"
#include "labels/regex.h"

enum sk_err sk_matcher_init(struct sk_matcher *m, enum sk_matcher_kind kind, struct sk_str name,
                            struct sk_str value, struct sk_error *reterr)
{
    sk_assert(m != NULL);
    struct sk_matcher made = {.name = name, .value = value, .kind = kind};
    if (kind == SK_MATCHER_RE || kind == SK_MATCHER_NRE) {
        enum sk_err err =
            sk_regex_create(value, SK_REGEX_ANCHORED | SK_REGEX_DOTALL, &made.regex, reterr);
        if (err != SK_OK)
            return err;
    }
    *m = made;
    return SK_OK;
}

void sk_matcher_deinit(struct sk_matcher *m)
{
    if (m == NULL)
        return;
    sk_regex_destroy(m->regex);
    m->regex = NULL;
}

bool sk_matcher_matches(const struct sk_matcher *m, struct sk_str value)
{
    switch (m->kind) {
    case SK_MATCHER_EQ:
        return sk_str_eq(m->value, value);
    case SK_MATCHER_NEQ:
        return !sk_str_eq(m->value, value);
    case SK_MATCHER_RE:
        return sk_regex_match(m->regex, value);
    case SK_MATCHER_NRE:
        return !sk_regex_match(m->regex, value);
    }
    return false;
}

bool sk_matchers_match(const struct sk_matcher *m, size_t count, struct sk_labelset set)
{
    for (size_t i = 0; i < count; i++) {
        if (!sk_matcher_matches(&m[i], sk_labels_get(set, m[i].name)))
            return false;
    }
    return true;
}
