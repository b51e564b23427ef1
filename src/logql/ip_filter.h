/* SPDX-License-Identifier: Apache-2.0 */
/* ip_filter.h -- the addresses of ip("..."): one address, a prefix or a range, v4 or v6, found
 * inside any text. Threads: any. */
#ifndef SK_LOGQL_IP_FILTER_H
#define SK_LOGQL_IP_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { SK_IP_V4_BYTES = 4, SK_IP_V6_BYTES = 16 };

/* lo..hi inclusive, in network order; the first `bytes` of each count. */
struct sk_ip_range {
    unsigned bytes; /* SK_IP_V4_BYTES or SK_IP_V6_BYTES */
    uint8_t lo[SK_IP_V6_BYTES];
    uint8_t hi[SK_IP_V6_BYTES];
};

/* false: no address, prefix or ascending range of one family. */
bool sk_ip_range_parse(struct sk_str text, struct sk_ip_range *ret);

/* Whether an address inside the range stands somewhere in the text. */
bool sk_ip_in_text(const struct sk_ip_range *range, struct sk_str text);

#endif
