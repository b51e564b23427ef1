/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_parallel.h -- `query` with --parallel-max-workers or --part-path-prefix: the range of time is
 * cut into pieces, threads fetch them.
 *
 *   piece:  waiting -> ready | failed
 *   file:   none -> PREFIX_FROM_TO.part.tmp -> PREFIX_FROM_TO.part    (UTC, to the second)
 *
 * A file has its name without .tmp only when it is whole and synced, so that a later run with the
 * same range, duration and prefix leaves it alone and fetches what is missing.
 *
 * Threads: one. */
#ifndef SK_CLI_CTL_PARALLEL_H
#define SK_CLI_CTL_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

struct sk_ctl_opts;

#define SK_CTL_WORKERS_MAX 256      /* threads; each has a connection and an answer in memory */
#define SK_CTL_PIECES_MAX  1000000u /* a minute each for two years */

struct sk_ctl_piece {
    int64_t start_ns, end_ns; /* [start, end) */
    enum { SK_CTL_PIECE_WAITING, SK_CTL_PIECE_READY, SK_CTL_PIECE_FAILED } state;
};

/* Cuts [start_ns, end_ns) into pieces of `piece_ns`, the newest and perhaps shorter one first, or
 * last (`forward`). SK_ELIMIT: more than SK_CTL_PIECES_MAX; SK_ENOMEM. sk_free() frees *ret. */
SK_MUST_CHECK enum sk_err sk_ctl_pieces_make(int64_t start_ns, int64_t end_ns, int64_t piece_ns,
                                             bool forward, struct sk_ctl_piece **ret,
                                             size_t *ret_count);

/* `PREFIX_20261122T140000_20261122T141000.part` */
void sk_ctl_part_path(struct sk_strbuf *out, const char *prefix, const struct sk_ctl_piece *piece);

/* The command. The exit code. */
int sk_ctl_parallel(const struct sk_ctl_opts *opts);

#endif
