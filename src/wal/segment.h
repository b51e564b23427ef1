/* SPDX-License-Identifier: Apache-2.0 */
/* segment.h -- segments of Loki's write-ahead logs: framing records into pages, and reading them
 * back past damage. The account with a dumped example is docs/FORMATS/wal.md.
 *
 * A segment is a sequence of 32 KiB pages. A record is 1..n fragments, none across a page:
 *
 *   0  1  type: 1 full, 2 first, 3 middle, 4 last; bit 3 snappy, bit 4 zstd (read, never written)
 *   1  2  length of the data, big-endian
 *   3  4  CRC-32C of the data, big-endian
 *   7  .  data
 *
 * Type 0 is one byte: the rest of the page is padding. The end of the file inside a page reads as
 * zeros.
 *
 * Invariants of reading:
 *   (1) a record is given only when all its fragments passed their CRC and came in order;
 *   (2) damage costs the record it touches when the header's length still leads to a sound
 *       fragment, else the rest of its page;
 *   (3) good_end is the offset behind the last whole record: what lies there may be overwritten.
 *
 * Threads: one at a time. */
#ifndef SK_WAL_SEGMENT_H
#define SK_WAL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct sk_codec_ctx;

#define SK_WAL_PAGE_BYTES       32768u
#define SK_WAL_HEADER_BYTES     7u
#define SK_WAL_RECORD_BYTES_MAX (1u << 30)

/* Appends `record` framed for file offset `off` to `out`; returns the offset behind it. Failure
 * sticks in `out`. */
uint64_t sk_wal_frame(struct sk_strbuf *out, uint64_t off, struct sk_slice record);

/* Bytes that framing would take at `off`, for deciding on a roll. */
uint64_t sk_wal_framed_bytes(uint64_t off, uint64_t record_bytes);

struct sk_wal_damage {
    uint64_t off;   /* where it begins */
    uint64_t bytes; /* skipped */
};

struct sk_wal_reader {
    /* Reads up to `len` bytes at `off`; sets *ret_len (short at the end of the file only). */
    enum sk_err (*read)(void *ctx, uint64_t off, void *buf, size_t len, size_t *ret_len);
    void *ctx;
    struct sk_codec_ctx *codec; /* borrowed; for compressed records */
    struct sk_strbuf record;    /* the record being joined */
    struct sk_strbuf unpacked;
    uint8_t *window; /* several pages */
    uint64_t window_off;
    size_t window_len;
    uint64_t off; /* next byte to look at */
    bool ended;
    uint64_t good_end; /* (3) */
    uint64_t file_end; /* set when the end has been seen */
    uint64_t damage_count, damage_bytes;
    struct sk_wal_damage first_damage;
    bool damage_before_good; /* a good record stands behind damage: not only a torn tail */
};

SK_MUST_CHECK enum sk_err sk_wal_reader_init(struct sk_wal_reader *r,
                                             enum sk_err (*read)(void *ctx, uint64_t off, void *buf,
                                                                 size_t len, size_t *ret_len),
                                             void *ctx, struct sk_codec_ctx *codec);
void sk_wal_reader_deinit(struct sk_wal_reader *r);

/* The next record, borrowed until the next call. SK_ENOENT at the end, SK_EIO, SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_wal_reader_next(struct sk_wal_reader *r, struct sk_slice *ret_record);

#endif
