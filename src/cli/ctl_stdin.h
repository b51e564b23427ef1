/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_stdin.h -- `query --stdin`: the pipeline of a log query over the lines of standard input, by
 * the server's own engine and without any server. Threads: one. */
#ifndef SK_CLI_CTL_STDIN_H
#define SK_CLI_CTL_STDIN_H

#include <stdio.h>

#include "base/err.h"
#include "cli/ctl_answer.h"

/* The lines of `in` that pass are entries of one stream {source="logcli"}, in the order of the
 * input and a nanosecond apart, the first one the newest. A selector is ignored and may be missing.
 * At most `limit` entries; 0: all. SK_EPARSE: not LogQL; SK_EUNSUPPORTED: a metric query; SK_EIO;
 * SK_ENOMEM; reterr has the text. The answer is to be deinit'ed either way. */
SK_MUST_CHECK enum sk_err sk_ctl_stdin_answer(struct sk_ctl_answer *ret, struct sk_str query,
                                              uint64_t limit, FILE *in, struct sk_error *reterr);

#endif
