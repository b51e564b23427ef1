/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_query.h -- one range of time, asked in batches and printed.
 *
 * Threads: any, with a client for each. */
#ifndef SK_CLI_CTL_QUERY_H
#define SK_CLI_CTL_QUERY_H

#include <stdint.h>

struct sk_ctl_http;
struct sk_ctl_opts;
struct sk_ctl_progress;

/* Prints the answer of the query for [start_ns, end_ns) to `fd`. `progress` may be NULL. The exit
 * code; what went wrong was said. */
int sk_ctl_query_range(const struct sk_ctl_opts *opts, struct sk_ctl_http *http, int64_t start_ns,
                       int64_t end_ns, int fd, struct sk_ctl_progress *progress);

#endif
