/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_time.h -- times on the command line and in the output.
 *
 * Threads: any, as far as the C library's local time zone goes. */
#ifndef SK_CLI_CTL_TIME_H
#define SK_CLI_CTL_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

/* In the order of the choices of --output-timestamp-format. */
enum sk_ctl_layout {
    SK_CTL_RFC3339,
    SK_CTL_RFC3339NANO,
    SK_CTL_RFC822Z,
    SK_CTL_RFC1123Z,
    SK_CTL_STAMPMICRO,
    SK_CTL_STAMPMILLI,
    SK_CTL_STAMPNANO,
    SK_CTL_UNIXDATE,
};

#define SK_CTL_LAYOUTS                                                                             \
    "rfc3339,rfc3339nano,rfc822z,rfc1123z,stampmicro,stampmilli,stampnano,unixdate"

/* Appends the time as Go's layout of that name prints it, in UTC or in local time. */
void sk_ctl_time_format(struct sk_strbuf *out, int64_t ts_ns, enum sk_ctl_layout layout, bool utc);

/* "2006/01/02 15:04:05", local: what stands before every line on stderr. */
void sk_ctl_time_stamp(struct sk_strbuf *out, int64_t ts_ns);

/* "20060102T150405", UTC: what stands in names of files. */
void sk_ctl_time_compact(struct sk_strbuf *out, int64_t ts_ns);

/* RFC 3339 with a zone. SK_EPARSE: reterr has Go's text, `parsing time "x" as "2006-...": cannot
 * parse "" as "T"`. */
SK_MUST_CHECK enum sk_err sk_ctl_time_parse(struct sk_str text, int64_t *ret_ns,
                                            struct sk_error *reterr);

#endif
