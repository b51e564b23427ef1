/* SPDX-License-Identifier: Apache-2.0 */
/* ingester_int.h -- what the files of src/ingester share: tenants, streams, chunks in memory.
 *
 *   tenant  -- label cache (text as sent -> labels), limits, rate, counters
 *   stream  -- labels, reference, one open chunk, closed chunks waiting for the flush
 *   chunk   -- symbols, blocks (compressed, or just cut), and the head: entries in arrival order in
 *              the form of a block, so that cutting is compressing and queries read it as they are
 *
 * Life of an entry:
 *
 *   accept.c: validated, encoded into a log record -> wallog.c: written and synced
 *     -> apply.c: appended to the head -> (block full) compressed -> (chunk full, idle, old, asked for)
 *     closed -> flush.c: chunk file, index head -> index file -> log segments removed
 *
 * Locks: a stream is guarded by the lock of its shard (by reference); the tenant map by map_lock;
 * a tenant's label cache by cache_lock; the list of feeds by feeds_lock, with which
 * none of these is taken. Order: map_lock, shard lock, cache_lock. Compression and
 * file calls are done without any of them.
 *
 * Invariants:
 *   (1) bytes of a blob below the length that a reader was given never change;
 *   (2) chunk->first_seg is at most the log segment of any of its entries;
 *   (3) a stream's counter never goes back while a log segment mentions the stream. */
#ifndef SK_INGESTER_INGESTER_INT_H
#define SK_INGESTER_INGESTER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/budget.h"
#include "base/hmap.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/strbuf.h"
#include "base/workpool.h"
#include "chunk/block.h"
#include "chunk/symbols.h"
#include "codec/codec.h"
#include "config/config.h"
#include "ingester/ingester.h"
#include "ingester/patterns.h"
#include "labels/labelset.h"
#include "wire/push.h"

enum flush_reason {
    FLUSH_FULL,
    FLUSH_IDLE,
    FLUSH_AGE,
    FLUSH_SYNC,
    FLUSH_FORCED,
    FLUSH_MEMORY,
    FLUSH_WAL,
};

/* Shared bytes: a head being filled, a cut block, a compressed one. With data NULL they are in the
 * spill file at spill_off. */
struct blob {
    _Atomic uint32_t refs;
    uint8_t *data;
    size_t len, cap;
    uint64_t spill_off;
    struct sk_ingester *ing;
    bool packed;
};

struct iblock {
    int64_t ts_min_ns, ts_max_ns;
    uint32_t entry_count;
    uint64_t size_bytes; /* lines + 8 per pair */
    struct blob *blob;   /* compressed unless `raw` */
    bool raw;            /* cut but not yet compressed */
    bool sorted;         /* raw only */
};

struct ichunk {
    struct ichunk *next; /* closed chunks of a stream */
    _Atomic uint32_t refs;
    struct sk_symbols symbols;
    struct iblock *blocks;
    size_t block_count, block_cap;
    /* the head */
    struct blob *head; /* NULL: empty */
    size_t head_len;
    uint32_t head_entries;
    uint64_t head_size; /* lines + 8 per pair */
    int64_t head_min_ns, head_max_ns, head_last_ns;
    bool head_unsorted;
    size_t head_run_off; /* where its newest entries of one time begin */
    uint32_t head_run;   /* how many they are */
    /* over all of it */
    int64_t ts_min_ns, ts_max_ns;
    uint64_t packed_bytes, entry_count;
    int64_t touched_mono_ns; /* last entry */
    uint64_t first_seg, last_counter;
    unsigned cutting;         /* blocks being compressed right now */
    enum flush_reason reason; /* closed chunks */
    bool has_meta;
};

struct stream {
    struct tenant *tenant;
    struct sk_labelset labels; /* heap block, owned */
    uint64_t ref;              /* fingerprint, or a mapped small number */
    uint64_t hash;             /* fingerprint of the labels */
    struct ichunk *open;       /* NULL: none */
    struct ichunk *closed, **closed_tail;
    unsigned pins; /* log records on their way: not to be removed */
    /* as accepted for the log */
    uint64_t counter;
    int64_t highest_ns; /* INT64_MIN: none since it came into memory */
    /* The last entry, for repeats: its time, and the hash of its line and metadata. A collision
     * would drop a line that has the very time of the one before, which no real data meets. */
    int64_t last_ns;
    uint64_t last_hash;
    bool has_last;
    uint64_t series_seg;      /* log thread only: newest segment that has its series record */
    uint64_t last_seg;        /* newest segment that mentions it */
    uint64_t flushed_counter; /* entries up to it are in chunk files */
    uint64_t build_counter;   /* ... when the running index build began */
    uint64_t durable_counter; /* entries up to it are in indexed chunks */
    double rate_tokens;
    int64_t rate_mono_ns;
    bool active; /* counted in the tenant's streams */
};

/* A label text as it was sent, and what became of it. */
struct label_entry {
    _Atomic uint32_t refs;
    uint64_t text_hash;
    struct sk_str text;        /* as sent */
    struct sk_labelset labels; /* as stored */
    uint64_t hash;
    struct sk_str printed;          /* {a="b", ...} for messages */
    struct sk_str level;            /* detected_level from a stream label; ptr NULL: none */
    char *parse_error;              /* refuses the whole request */
    char *invalid;                  /* refuses the stream */
    const char *invalid_reason;     /* metric */
    const struct sk_limits *limits; /* the ones it was judged by */
    struct sk_arena arena;
};

struct tenant {
    struct sk_ingester *ing;
    char *name;
    struct sk_str name_str;
    pthread_mutex_t cache_lock;
    struct sk_hmap label_cache;
    pthread_mutex_t rate_lock;
    double rate_tokens; /* bytes */
    int64_t rate_mono_ns;
    _Atomic uint64_t stream_count;
    struct sk_metric *memory_streams, *streams_created, *streams_removed;
    struct sk_metric *received_bytes, *received_lines, *received_meta;
};

struct shard {
    pthread_mutex_t lock;
    struct sk_hmap streams; /* by mix(tenant, hash) */
};

struct sk_tail_feed;
struct sk_wal_record;

struct sk_ingester {
    struct sk_ingester_options opt;
    const struct sk_config *config;
    pthread_mutex_t map_lock;
    struct sk_hmap tenants;
    size_t tenant_count;
    struct shard shards[SK_INGEST_SHARDS];
    _Atomic uint64_t mapped_next; /* 1, 2, ... for hash collisions */
    struct sk_budget *heads;
    struct sk_budget symbols; /* of open and closed chunks; part of `heads` */
    _Atomic uint64_t head_bytes, packed_bytes, chunk_count;
    int spill_fd;
    _Atomic uint64_t spill_end, spill_used;
    struct wallog *log;
    uint64_t first_seg; /* found by the replay */
    bool log_damaged;   /* in its middle: flush before anything is accepted */
    enum sk_codec codec;
    /* applying: groups in the order of the log, one applier at a time */
    pthread_mutex_t apply_lock;
    struct sk_pushop *apply_head, **apply_tail;
    bool applying;
    struct sk_job apply_job;
    /* buffers of records that were answered, for the next ones */
    pthread_mutex_t spare_lock;
    struct sk_strbuf spares[SK_INGEST_SPARE_RECORDS];
    size_t spare_count;
    struct sk_codec_ctx *apply_codec;
    struct sk_strbuf apply_scratch;
    /* feeds of tails: sections are numbered, one applier at a time */
    _Atomic uint64_t applied_begun, applied_done;
    _Atomic uint64_t feed_count;
    pthread_mutex_t feeds_lock;
    struct sk_tail_feed *feeds;
    struct sk_patterns *patterns; /* NULL: pattern_ingester is off */
    /* flushing */
    pthread_t flusher;
    bool flusher_running;
    pthread_mutex_t flush_lock;
    pthread_cond_t flush_wake, flush_idle;
    bool flush_stop;
    uint64_t flush_asked, flush_served; /* /flush: asked for, done */
    _Atomic uint64_t closed_chunks;     /* waiting for the flush */
    struct sk_codec_ctx *flush_codec;
    struct sk_strbuf flush_scratch;
    _Atomic bool stopping, read_only, full;
    struct sk_metric *m_flushed[8], *m_flush_fail, *m_chunks, *m_wal_records, *m_wal_bytes;
    struct sk_metric *m_replayed, *m_corrupt, *m_head_bytes, *m_packed_bytes, *m_spill_bytes;
};

/* ---- blob.c ---- */

struct blob *blob_create(struct sk_ingester *ing, size_t cap);
/* A head that nobody else holds gets more room. */
SK_MUST_CHECK bool blob_grow(struct blob *b, size_t cap);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b);
/* A compressed block: in memory, or in the spill file when memory is used up. Copies `bytes`. */
struct blob *blob_create_packed(struct sk_ingester *ing, struct sk_slice bytes);
/* The bytes: borrowed from memory, or read into `out`. */
SK_MUST_CHECK enum sk_err blob_read(struct blob *b, struct sk_strbuf *out, struct sk_slice *ret);

/* ---- stream.c: all under the shard's lock unless told otherwise ---- */

struct shard *shard_of(struct sk_ingester *ing, uint64_t hash);
struct tenant *tenant_find(struct sk_ingester *ing, struct sk_str name); /* takes map_lock */
SK_MUST_CHECK enum sk_err tenant_get(struct sk_ingester *ing, struct sk_str name,
                                     struct tenant **ret); /* makes it; takes map_lock */
struct stream *stream_find(struct shard *sh, const struct tenant *t, struct sk_labelset labels,
                           uint64_t hash);
SK_MUST_CHECK enum sk_err stream_create(struct shard *sh, struct tenant *t,
                                        struct sk_labelset labels, uint64_t hash, uint64_t ref,
                                        struct stream **ret);
void stream_destroy(struct shard *sh, struct stream *s); /* removes it from the shard */
void stream_set_active(struct stream *s, bool active);

struct ichunk *chunk_ref(struct ichunk *c);
void chunk_unref(struct ichunk *c); /* no lock needed */
/* The stream's open chunk, made when there is none. */
SK_MUST_CHECK enum sk_err stream_open_chunk(struct stream *s, struct ichunk **ret);
/* Moves the open chunk (if it holds anything) to the closed ones. */
void stream_close_chunk(struct stream *s, enum flush_reason reason);
/* Appends one entry whose pairs are symbols of the chunk. */
SK_MUST_CHECK enum sk_err chunk_append(struct sk_ingester *ing, struct ichunk *c, int64_t ts_ns,
                                       struct sk_str line, const struct sk_symbol_pair *pairs,
                                       size_t pair_count);
/* Turns the head into a raw block; its index, or SIZE_MAX (empty head, no memory). */
size_t chunk_cut_head(struct sk_ingester *ing, struct ichunk *c);
/* Compresses raw block `idx`. The caller has raised c->cutting under the lock; it is lowered here.
 * Takes and releases `lock` itself (not held on entry). */
SK_MUST_CHECK enum sk_err chunk_pack_block(struct sk_ingester *ing, struct ichunk *c, size_t idx,
                                           pthread_mutex_t *lock, struct sk_codec_ctx *codec,
                                           struct sk_strbuf *scratch);

/* ---- label_cache.c ---- */

SK_MUST_CHECK enum sk_err label_cache_get(struct tenant *t, const struct sk_limits *limits,
                                          struct sk_str text, struct label_entry **ret);
void label_entry_unref(struct label_entry *e);
void label_cache_clear(struct tenant *t);

/* ---- apply.c ---- */

/* The operation will not be applied: its streams are let go. Takes their shards' locks. */
void pushop_give_up(struct sk_ingester *ing, struct sk_pushop *op);
/* Called by the log thread with the operations of a synced (or failed) group, in order. */
void apply_group(struct sk_ingester *ing, struct sk_pushop *first);

/* ---- tail_feed.c ---- */

/* Gives a section that was appended to the feeds that want it. `entries` stands at its first entry
 * and ends with its last. The applier; the stream is pinned. */
void feeds_offer(struct sk_ingester *ing, struct stream *s, const struct sk_wal_record *entries,
                 uint64_t count, uint64_t number);

/* ---- flush.c ---- */

SK_MUST_CHECK enum sk_err flusher_start(struct sk_ingester *ing);
void flusher_stop(struct sk_ingester *ing);
/* Everything to chunks, their index built, the log trimmed. Flusher, or while it does not run. */
SK_MUST_CHECK enum sk_err flush_everything(struct sk_ingester *ing, enum flush_reason reason);

/* ---- replay.c ---- */

SK_MUST_CHECK enum sk_err replay_run(struct sk_ingester *ing, uint64_t *ret_next_seg,
                                     struct sk_error *reterr);

#endif
