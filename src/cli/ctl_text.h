/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_text.h -- the ways out of skaldctl: results on stdout or into a file, everything else on
 * stderr. On a terminal stderr may end in a status, a line that the next one replaces.
 *
 * Threads: any. One call is not torn by another. */
#ifndef SK_CLI_CTL_TEXT_H
#define SK_CLI_CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

/* The most that one answer, or one buffer of output, may take. Bytes. */
#define SK_CTL_BUFFER_BYTES_MAX ((size_t)1 << 30)

/* One line on stderr, `2006/01/02 15:04:05 text`, in one write. */
void sk_ctl_say(const char *fmt, ...) SK_PRINTF(1, 2);

/* Shows `text`, without a newline, until anything else is written; empty: shows none. For stderr
 * that is a terminal only (ctl_progress.h). */
void sk_ctl_status(struct sk_str text);

/* Writes all to `fd`, at its position. false: that failed, and the reason was said. */
SK_MUST_CHECK bool sk_ctl_write_to(int fd, struct sk_str text);
/* The same for stdout. */
SK_MUST_CHECK bool sk_ctl_write(struct sk_str text);

#endif
