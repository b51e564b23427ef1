/* SPDX-License-Identifier: Apache-2.0 */
/* record.h -- the records of Loki's ingester WAL (docs/FORMATS/wal.md).
 *
 *   series:   u8 1   str tenant   u8 1   { be64 ref, uvar labels, { str name, str value } }
 *   entries:  u8 2|4|5   str tenant   be64 base_ns
 *             { be64 ref, [be64 counter], uvar entries, { var ts-base, str line, [uvar pairs {str, str}] } }
 *
 * skald writes types 1 and 5. Encoders append to a strbuf (failure sticks). A decoder checks the
 * whole record before anything of it is given, so that half a record is never applied.
 * Threads: values, one at a time. */
#ifndef SK_WAL_RECORD_H
#define SK_WAL_RECORD_H

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "labels/labelset.h"

enum sk_wal_kind {
    SK_WAL_SERIES = 1,
    SK_WAL_ENTRIES_V1 = 2, /* no counter, no metadata */
    SK_WAL_CHECKPOINT = 3, /* checkpoint.h; only in checkpoint folders */
    SK_WAL_ENTRIES_V2 = 4, /* counter */
    SK_WAL_ENTRIES_V3 = 5, /* counter and metadata */
};

/* ---- writing ---- */

void sk_wal_series_begin(struct sk_strbuf *out, struct sk_str tenant);
void sk_wal_series_add(struct sk_strbuf *out, uint64_t ref, struct sk_labelset labels);

void sk_wal_entries_begin(struct sk_strbuf *out, struct sk_str tenant, int64_t base_ns);
/* The head of one stream's entries; exactly `count` of sk_wal_entry() must follow. */
void sk_wal_entries_stream(struct sk_strbuf *out, uint64_t ref, uint64_t counter, uint64_t count);
/* One entry with its metadata. Returns the offset in `out` from where its bytes are those of every
 * entry with this line and this metadata, whatever its time. */
size_t sk_wal_entry(struct sk_strbuf *out, int64_t base_ns, int64_t ts_ns, struct sk_str line,
                    const struct sk_label *pairs, size_t pair_count);

/* ---- reading ---- */

struct sk_wal_record {
    enum sk_wal_kind kind;
    struct sk_str tenant;
    int64_t base_ns;        /* entries */
    const uint8_t *p, *end; /* what is left to read */
};

/* SK_ECORRUPT: empty, unknown type, or a byte too many or too few anywhere in it. Type 3 is accepted
 * with its body in p..end. */
SK_MUST_CHECK enum sk_err sk_wal_record_init(struct sk_wal_record *rec, struct sk_slice bytes);

/* The same for entries that this process has encoded itself: not checked again. */
void sk_wal_record_init_own(struct sk_wal_record *rec, struct sk_slice bytes);

/* The next series; labels in `arena`, texts borrowed from the record. false: none left, or no memory
 * (then *ret_err is SK_ENOMEM). */
bool sk_wal_series_next(struct sk_wal_record *rec, struct sk_arena *arena, uint64_t *ret_ref,
                        struct sk_labelset *ret_labels, enum sk_err *ret_err);

struct sk_wal_stream {
    uint64_t ref;
    int64_t counter; /* 0 in version 1 */
    uint64_t count;  /* entries that follow */
};

/* The next stream; its entries must all have been read with sk_wal_entry_next() before. */
bool sk_wal_stream_next(struct sk_wal_record *rec, struct sk_wal_stream *ret);

struct sk_wal_entry_view {
    int64_t ts_ns;
    struct sk_str line;
    size_t pair_count;
};

/* The next entry; its metadata goes to `pairs`, what is beyond `cap` is left out. */
void sk_wal_entry_next(struct sk_wal_record *rec, struct sk_label *pairs, size_t cap,
                       struct sk_wal_entry_view *ret);

#endif
