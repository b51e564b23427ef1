/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h -- the fixed limits of the server: value, unit, reason, and what happens when one is
 * reached. What users configure is in config/config.h; formats keep theirs beside the format. */
#ifndef SK_BASE_LIMITS_H
#define SK_BASE_LIMITS_H

/* ---- write-ahead log ---- */

/* A segment is closed beyond this; small ones let the log be cut often. Bytes. */
#define SK_WAL_SEGMENT_BYTES  (64u << 20)
/* Zeros written ahead of use, so that a commit changes no size and no extent. Bytes. */
#define SK_WAL_PREALLOC_BYTES (8u << 20)
/* A group is synced without waiting for the gap when so much is pending. Bytes. */
#define SK_WAL_GROUP_BYTES    (256u << 10)
/* Pushes that wait for the log; beyond, 503. */
#define SK_WAL_QUEUE_MAX      4096u

/* ---- pushes ---- */

/* A body may unpack to so much, whatever distributor.max_decompressed_size allows; beyond, 413
 * (OTLP: 400). Loki's default would let 300 KiB become 5 GB. Bytes. */
#define SK_PUSH_UNPACKED_BYTES_MAX  (100u << 20)
/* One that unpacks to no more is not charged to the budget of bodies beforehand. Bytes. */
#define SK_PUSH_UNPACKED_BYTES_FREE (4u << 20)

/* ---- ingester ---- */

/* Locks over streams; a power of two. */
#define SK_INGEST_SHARDS             16u
/* Buffers of log records that are kept for the next pushes, and the largest that is. */
#define SK_INGEST_SPARE_RECORDS      4u
#define SK_INGEST_SPARE_BYTES_MAX    (2u << 20)
/* Distinct label texts remembered per tenant; the cache is emptied beyond. */
#define SK_INGEST_LABEL_CACHE_MAX    20000u
/* Tenants in memory; a push for one more is refused with 429. */
#define SK_INGEST_TENANTS_MAX        10000u
/* Uncompressed heads all together; beyond, the head that grows is cut at a quarter block. Bytes. */
#define SK_INGEST_HEADS_SOFT_BYTES   (40u << 20)
/* Compressed blocks kept in memory; beyond, they go to an unnamed file beside the data. Bytes. */
#define SK_INGEST_PACKED_SOFT_BYTES  (16u << 20)
/* Symbols of open chunks (names and values of metadata); beyond, chunks that hold more than the
 * average are closed: ids of traces repeat in no other line, and would fill any memory. Bytes. */
#define SK_INGEST_SYMBOLS_SOFT_BYTES (24u << 20)
/* A built index is due when its head is older. Seconds. */
#define SK_INDEX_BUILD_S             900
/* ... or holds more chunks. */
#define SK_INDEX_HEAD_CHUNKS_MAX     20000u

/* ---- tails ---- */

/* Appended entries that wait in a tail's feed for a worker; beyond, entries are left out and noted
 * in `dropped_entries`. Bytes. */
#define SK_TAIL_FEED_BYTES_MAX    (4u << 20)
/* Entries that passed a tail's pipeline and wait for a frame; beyond, as above. */
#define SK_TAIL_WAITING_MAX       10000u
#define SK_TAIL_WAITING_BYTES_MAX (4u << 20)
/* Frames that wait for the reader. Loki has as many. */
#define SK_TAIL_FRAMES_MAX        10u
/* A frame takes no further entry beyond. Entries, bytes. */
#define SK_TAIL_FRAME_ENTRIES_MAX 100u
#define SK_TAIL_FRAME_BYTES_SOFT  (1u << 20)

/* ---- patterns of lines, where pattern_ingester is enabled ---- */

/* All, and those of a tenant; beyond, the one goes that no line has had for longest. Bytes. */
#define SK_PATTERNS_BYTES_MAX        (32u << 20)
#define SK_PATTERNS_TENANT_BYTES_MAX (8u << 20)
/* ... of a stream. */
#define SK_PATTERNS_STREAM_MAX       300u
/* Longer lines belong to no pattern. Bytes. */
#define SK_PATTERNS_LINE_BYTES_MAX   3000u
/* Counts of a pattern reach so far back from its newest line. Seconds. */
#define SK_PATTERNS_KEPT_S           10800

/* ---- reading ---- */

/* A chunk file larger than this is refused as damaged. Bytes. */
#define SK_CHUNK_FILE_BYTES_MAX (256u << 20)
/* An index file (unpacked) larger than this is refused. Bytes. */
#define SK_INDEX_FILE_BYTES_MAX (2048u << 20)

/* ---- deletes and rules ---- */

/* Delete requests of one tenant; one more is refused with 400. */
#define SK_DELETES_MAX            1000u
/* The query of one; longer ones are refused with 400. Bytes. */
#define SK_DELETE_QUERY_BYTES_MAX (16u << 10)
/* A file of delete requests larger than this is refused as damaged. Bytes. */
#define SK_DELETE_FILE_BYTES_MAX  (64u << 20)

/* ---- queues ---- */

#define SK_WORK_INGEST_MAX     2048u /* pushes waiting for a worker; beyond, 429 */
#define SK_WORK_QUERY_MAX      2048u /* queries waiting; beyond, 429 "too many outstanding requests" */
#define SK_WORK_BACKGROUND_MAX 64u

#endif
