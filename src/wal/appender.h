/* SPDX-License-Identifier: Apache-2.0 */
/* appender.h -- the segment that is being written.
 *
 *   open -> { reserve -> write ... -> commit | rollback } ... -> close
 *
 * Bytes go to the device past the page cache (O_DIRECT) where the file system can: nobody reads the
 * log while it is written, and a small machine needs its page cache for chunks. The last, partial
 * block is then kept here and written again with what follows.
 *
 * Room is made before it is used, so that a full disk shows in sk_wal_appender_reserve() and never
 * inside a record. For small reservations it is made of zeros, SK_WAL_PREALLOC_BYTES ahead and
 * synced: a commit then changes neither size nor extents. A large one only has its blocks
 * allocated, as zeros would double what is written.
 *
 * Invariants:
 *   (1) bytes below `committed` are on the device and stay as they are; a rollback goes back there;
 *   (2) what lies behind `written` in the file is zeros, or left over from a rollback.
 *
 * A failed write or sync is not to be repeated: close the file. Threads: one at a time. */
#ifndef SK_WAL_APPENDER_H
#define SK_WAL_APPENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/vfs.h"

/* Offsets, lengths and memory of direct writes are multiples of it. */
#define SK_WAL_BLOCK_BYTES 4096u

struct sk_wal_appender {
    const struct sk_vfs *vfs;
    bool synced;        /* reservations are synced, writes go past the page cache */
    bool direct;        /* the open file can */
    int fd;             /* -1: none open */
    uint64_t written;   /* handed to the kernel up to here */
    uint64_t committed; /* synced up to here */
    uint64_t reserved;  /* has its blocks up to here; a multiple of the block */
    uint8_t *stage;     /* aligned; begins with the bytes of the partial block at `written` */
    uint8_t tail[SK_WAL_BLOCK_BYTES]; /* the partial block at `committed` */
};

/* `synced` false: nothing is synced but by sk_wal_appender_commit(). SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_wal_appender_init(struct sk_wal_appender *a, const struct sk_vfs *vfs,
                                               bool synced);
void sk_wal_appender_deinit(struct sk_wal_appender *a); /* closes nothing */

/* Creates `path`, which must not exist, with room for a start. The caller syncs the folder. */
SK_MUST_CHECK enum sk_err sk_wal_appender_open(struct sk_wal_appender *a, const char *path);

/* Room for `bytes` behind `written`. SK_ENOSPC leaves all as it was. */
SK_MUST_CHECK enum sk_err sk_wal_appender_reserve(struct sk_wal_appender *a, uint64_t bytes);

/* Appends; reserves by itself what was not. */
SK_MUST_CHECK enum sk_err sk_wal_appender_write(struct sk_wal_appender *a, struct sk_slice data);

/* What was written is now committed; with `sync` after an fdatasync. */
SK_MUST_CHECK enum sk_err sk_wal_appender_commit(struct sk_wal_appender *a, bool sync);

/* Forgets what was written since the last commit. */
void sk_wal_appender_rollback(struct sk_wal_appender *a);

/* Cuts the file at `committed`. Nothing that was committed depends on its success. */
void sk_wal_appender_close(struct sk_wal_appender *a);

#endif
