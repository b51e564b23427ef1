/* SPDX-License-Identifier: Apache-2.0 */
/* logfmt_scan.h -- key=value pairs of a line (spec logql-pipeline 5.3), pair by pair. */
#ifndef SK_LOGQL_LOGFMT_SCAN_H
#define SK_LOGQL_LOGFMT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* X(name, text in __error_details__) */
#define SK_LF_FAULT_LIST(X)                                                                        \
    X(OK, "")                                                                                      \
    X(END, "")                                                                                     \
    X(EQUALS, "unexpected '='")                                                                    \
    X(QUOTE, "unexpected '\"'")                                                                    \
    X(UNTERMINATED, "unterminated quoted value")                                                   \
    X(INVALID_VALUE, "invalid quoted value")                                                       \
    X(INVALID_KEY, "invalid key")

enum sk_logfmt_result {
#define SK_LF_FAULT(name, text) SK_LOGFMT_##name,
    SK_LF_FAULT_LIST(SK_LF_FAULT)
#undef SK_LF_FAULT
};

struct sk_logfmt {
    const char *start, *p, *end;
};

struct sk_logfmt_pair {
    struct sk_str key;
    struct sk_str value; /* between the quotes when it is quoted */
    bool escaped;        /* value: escapes are unresolved, but valid */
    bool high;           /* value: bytes above 0x7f */
};

/* The next pair (OK) or END. Else a fault whose place is p. */
enum sk_logfmt_result sk_logfmt_next(struct sk_logfmt *s, struct sk_logfmt_pair *ret);

/* Behind a fault: goes on to where the next pair may begin. */
void sk_logfmt_recover(struct sk_logfmt *s, enum sk_logfmt_result fault);

const char *sk_logfmt_fault_text(enum sk_logfmt_result fault);

/* Resolves valid escapes into `out` (room for raw.len bytes); lone surrogates become U+FFFD. The
 * length, or SIZE_MAX when they are not valid. */
size_t sk_logfmt_unescape(struct sk_str raw, char *out);

#endif
