/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_stats.h -- the counters that --stats prints. Threads: as the buffer. */
#ifndef SK_CLI_CTL_STATS_H
#define SK_CLI_CTL_STATS_H

#include "base/strbuf.h"

struct json_t;

/* Appends a line for every counter. `stats` (may be NULL) is data.stats of an answer; what it does
 * not hold prints as zero. */
void sk_ctl_stats_print(struct sk_strbuf *out, const struct json_t *stats);

#endif
