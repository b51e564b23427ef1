/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_progress.h -- how far long work has come, on the last line of a terminal; on anything else,
 * and with --quiet, nothing.
 *
 * Threads: one at a time for each struct. */
#ifndef SK_CLI_CTL_PROGRESS_H
#define SK_CLI_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct sk_ctl_progress {
    bool on;
    int64_t begin_mono_ns, shown_mono_ns; /* shown: 0, never */
};

void sk_ctl_progress_init(struct sk_ctl_progress *p, bool quiet);

/* `[=====>    ]  42% text`; without a total (0) the text alone. At most five times a second. */
void sk_ctl_progress_show(struct sk_ctl_progress *p, uint64_t done, uint64_t total, const char *fmt,
                          ...) SK_PRINTF(4, 5);

/* Takes the line away. */
void sk_ctl_progress_end(struct sk_ctl_progress *p);

#endif
