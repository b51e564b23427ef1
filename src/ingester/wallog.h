/* SPDX-License-Identifier: Apache-2.0 */
/* wallog.h -- the log thread: group commit of push records into segments in Loki's format.
 *
 * One sync is in flight at a time. Records that arrive meanwhile form the next group; a sync begins
 * when the last one began at least the gap ago, or SK_WAL_GROUP_BYTES wait. Every write is a pwrite
 * at the committed offset, so that what a failed write leaves is covered by the next.
 *
 * A failed write or sync is never repeated on that file: the group fails, the segment is closed at
 * the committed offset and a new one opened; a second failure makes the log read-only until a probe
 * file can be written again.
 *
 * Each segment repeats the series record of a stream before its first entries there, so that any
 * suffix of segments can be replayed alone.
 *
 * Threads: submit from any; the rest by the flusher or the owner. */
#ifndef SK_INGESTER_WALLOG_H
#define SK_INGESTER_WALLOG_H

#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

struct sk_ingester;
struct sk_pushop;
struct wallog;

SK_MUST_CHECK enum sk_err wallog_create(struct sk_ingester *ing, uint64_t first_seg,
                                        uint64_t next_seg, struct wallog **ret_log,
                                        struct sk_error *reterr);
/* Writes what waits, syncs, cuts the zero tail off. NULL is a no-op. */
void wallog_destroy(struct wallog *log);

/* Takes the operation; apply_group() gets it when it is synced or has failed. */
void wallog_submit(struct wallog *log, struct sk_pushop *op);

uint64_t wallog_current_seg(struct wallog *log);
uint64_t wallog_first_seg(struct wallog *log);
/* Bytes in all segments. */
uint64_t wallog_bytes(struct wallog *log);

/* Closes the present segment at its end; the next group opens another. */
void wallog_roll(struct wallog *log);

/* Deletes the segments below `keep_seg` and older checkpoints, after writing `marks` (framed records;
 * may be empty) as the checkpoint that stands for them. Flusher only. */
SK_MUST_CHECK enum sk_err wallog_trim(struct wallog *log, uint64_t keep_seg,
                                      const struct sk_strbuf *marks);

#endif
