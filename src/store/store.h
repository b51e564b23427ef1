/* SPDX-License-Identifier: Apache-2.0 */
/* store.h -- chunks and indexes on disk: writing flushed chunks, keeping the index of what has been
 * flushed lately, building index files, and answering selections from all of it.
 *
 * A chunk that was put is visible to queries at once (index head, in memory); its file's name and
 * its index entry become durable with the next sk_store_build(). Until then sk_store_pending_seg()
 * tells the oldest log segment that still stands for it.
 *
 * Threads: any. */
#ifndef SK_STORE_STORE_H
#define SK_STORE_STORE_H

#include "base/err.h"
#include "base/vfs.h"
#include "store/source.h"

struct sk_budget;
struct sk_config;
struct sk_codec_ctx;
struct sk_store;

struct sk_store_options {
    const struct sk_config *config;
    const struct sk_vfs *vfs;
    struct sk_budget *budget; /* open indexes; may be NULL */
};

/* Makes the folders that are missing. reterr names the folder that cannot be used. */
SK_MUST_CHECK enum sk_err sk_store_create(const struct sk_store_options *opt,
                                          struct sk_store **ret_store, struct sk_error *reterr);
void sk_store_destroy(struct sk_store *store); /* NULL is a no-op */

struct sk_store_chunk {
    struct sk_str tenant;
    struct sk_labelset labels;
    uint64_t fingerprint; /* the stream's reference */
    int64_t ts_min_ns, ts_max_ns;
    uint32_t kb, entry_count;
    struct sk_slice body; /* chunk/chunk_writer.h */
    uint64_t first_seg;   /* oldest log segment that holds its entries */
};

/* The schema (11, 12, 13) in force for chunks that begin at `ts_ns`. */
unsigned sk_store_schema_at(const struct sk_store *store, int64_t ts_ns);

/* Writes the chunk file and adds it to the index head. It is durable after the next build. */
SK_MUST_CHECK enum sk_err sk_store_put(struct sk_store *store, struct sk_codec_ctx *codec,
                                       const struct sk_store_chunk *chunk);

/* Builds index files for everything in the head. On failure the head stays and is built next time. */
SK_MUST_CHECK enum sk_err sk_store_build(struct sk_store *store);
/* Chunks in the head, and seconds since the oldest came (0: empty). */
size_t sk_store_head_chunks(const struct sk_store *store);
int64_t sk_store_head_age_s(const struct sk_store *store);
/* Oldest log segment that stands for a chunk without a durable index entry; UINT64_MAX: none. */
uint64_t sk_store_pending_seg(struct sk_store *store);

/* Takes over what Loki left in tsdb-shipper-active: chunks listed there alone go into the head; the
 * files are removed by the next successful build. */
SK_MUST_CHECK enum sk_err sk_store_takeover(struct sk_store *store, struct sk_error *reterr);

struct sk_source sk_store_source(struct sk_store *store);

/* Files that could not be used since the start. */
uint64_t sk_store_damaged(const struct sk_store *store);

#endif
