/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h -- checkpoint records (type 3) and the records of the index head WAL.
 *
 * A checkpoint record is byte 3 and a protobuf message:
 *   Series{1 userID, 2 fingerprint, 3 labels{1 name, 2 value}, 4 chunks, 5 to, 6 lastLine, 7 entryCt, 8 highestTs}
 *   Chunk{1 from, 2 to, 3 flushedAt, 4 lastUpdated, 5 closed, 6 synced, 7 data, 8 head}
 * One without chunks is a flush mark: all entries of the stream up to counter entryCt are stored.
 *
 * Index head WAL (tsdb-shipper-active/wal):
 *   u8 2  str tenant  be64 fingerprint  u8 1  be64 ref  uvar labels {str, str}
 *   u8 1  str tenant  be64 ref  uvar chunks { be64 from_ms, be64 through_ms, be32 checksum, be32 KB, be32 entries }
 *   u8 0  as 2 without the fingerprint
 *
 * Threads: values. */
#ifndef SK_WAL_CHECKPOINT_H
#define SK_WAL_CHECKPOINT_H

#include "wal/record.h"

struct sk_wal_cp_chunk {
    struct sk_wal_cp_chunk *next;
    bool flushed;               /* flushedAt is a real time */
    struct sk_slice data, head; /* borrowed from the record */
};

struct sk_wal_cp_series {
    struct sk_str tenant;
    uint64_t ref;
    struct sk_labelset labels; /* sorted, in the arena */
    struct sk_wal_cp_chunk *chunks;
    int64_t entry_count;
};

/* `body` is the record behind its type byte. SK_ECORRUPT, SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_wal_cp_decode(struct sk_arena *arena, struct sk_slice body,
                                           struct sk_wal_cp_series *ret);

/* Appends a whole mark record (type byte included). */
void sk_wal_mark_encode(struct sk_strbuf *out, struct sk_str tenant, uint64_t ref,
                        struct sk_labelset labels, uint64_t entry_count);

struct sk_wal_head_chunk {
    int64_t from_ms, through_ms;
    uint32_t checksum, kb, entries;
};

struct sk_wal_head_record {
    bool series; /* else chunks */
    struct sk_str tenant;
    uint64_t ref;
    uint64_t fingerprint;      /* series; computed from the labels for type 0 */
    struct sk_labelset labels; /* series */
    size_t chunk_count;
    struct sk_wal_head_chunk *chunks;
};

SK_MUST_CHECK enum sk_err sk_wal_head_decode(struct sk_arena *arena, struct sk_slice bytes,
                                             struct sk_wal_head_record *ret);

#endif
