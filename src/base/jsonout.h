/* SPDX-License-Identifier: Apache-2.0 */
/* jsonout.h -- JSON string escaping for answers, in Go's two manners. Malformed UTF-8
 * becomes U+FFFD. The rest of an answer is written by hand, in Loki's key order. */
#ifndef SK_BASE_JSONOUT_H
#define SK_BASE_JSONOUT_H

#include "base/slice.h"
#include "base/strbuf.h"

/* Quoted. Escapes " \ \n \r \t and other controls as \u00XX; all else raw. */
void sk_json_string(struct sk_strbuf *out, struct sk_str s);

/* The same, and < > & U+2028 U+2029 as \u003c ... (Go's HTML escaping, used for log lines). */
void sk_json_string_html(struct sk_strbuf *out, struct sk_str s);

#endif
