/* SPDX-License-Identifier: Apache-2.0 */
/* chunk_writer.h -- builds the body of a chunk (chunk.h has the layout) behind whatever a buffer
 * holds already, from symbols and blocks that are compressed beforehand.
 *
 *     sk_chunk_writer_begin()  header and symbols
 *     sk_chunk_writer_add()    once per block, in time order
 *     sk_chunk_writer_finish() table and tail
 *
 * Format 4 for schema v13, format 3 (no symbols, no metadata) for v12 and older. With
 * `plain_symbols` the body is the `data` field of a checkpoint record.
 *
 * Rules that a stored chunk must keep are the caller's: blocks ascend in time and do not overlap,
 * bounds are exact, there is at least one entry.
 *
 * Threads: one at a time. */
#ifndef SK_CHUNK_CHUNK_WRITER_H
#define SK_CHUNK_CHUNK_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "chunk/block.h"
#include "codec/codec.h"

struct sk_symbols;

struct sk_chunk_packed {    /* one compressed block */
    struct sk_slice packed; /* borrowed until sk_chunk_writer_add() returns */
    uint32_t entry_count;
    int64_t ts_min_ns, ts_max_ns;
    uint64_t size_bytes; /* lines + 8 per metadata pair, as in struct sk_block_stats */
};

struct sk_chunk_row; /* private */

struct sk_chunk_writer {
    struct sk_strbuf *out;
    size_t start; /* of the body in `out` */
    struct sk_chunk_row *rows;
    size_t row_count, row_cap;
    uint64_t symbols_len;
    uint64_t size_bytes;
    unsigned format;
};

struct sk_chunk_writer_options {
    unsigned format; /* 3 or 4 */
    enum sk_codec codec;
    const struct sk_symbols *symbols; /* NULL: none */
    uint32_t symbol_count;            /* the first ones are written */
    bool plain_symbols;
};

struct sk_chunk_sums {
    size_t body_bytes;
    uint32_t entry_count;
    uint32_t kb;                  /* of the index entry */
    int64_t ts_min_ns, ts_max_ns; /* over all blocks; 0 without */
};

/* SK_ENOMEM; `writer` needs no deinit then, and `out` is as it was. */
SK_MUST_CHECK enum sk_err sk_chunk_writer_begin(struct sk_chunk_writer *writer,
                                                const struct sk_chunk_writer_options *options,
                                                struct sk_codec_ctx *ctx, struct sk_strbuf *out);

SK_MUST_CHECK enum sk_err sk_chunk_writer_add(struct sk_chunk_writer *writer,
                                              const struct sk_chunk_packed *block);

/* Ends the body and frees the writer's table; also after a failed add. On failure `out` is cut back
 * to where the body began. */
SK_MUST_CHECK enum sk_err sk_chunk_writer_finish(struct sk_chunk_writer *writer,
                                                 struct sk_chunk_sums *ret_sums);

/* Gives up: frees the table and cuts `out` back. */
void sk_chunk_writer_cancel(struct sk_chunk_writer *writer);

/* Scans `raw` (entries in time order) and appends its compressed form to `out`; *ret_block
 * describes it, `packed` pointing into `out`. SK_EINVAL: not in time order or empty. */
SK_MUST_CHECK enum sk_err sk_chunk_block_pack(struct sk_codec_ctx *ctx, enum sk_codec codec,
                                              struct sk_slice raw, bool has_meta,
                                              struct sk_strbuf *out,
                                              struct sk_chunk_packed *ret_block);

#endif
