/* SPDX-License-Identifier: Apache-2.0 */
/* codec.h -- the compressions of Loki's chunks and of HTTP bodies behind one interface.
 *
 * Values of `enum sk_codec` are the encoding byte of a chunk (docs/FORMATS/chunk-v4.md).
 * All functions work on whole buffers; a codec handle keeps the state of the libraries so that
 * nothing is allocated per call. Nothing is allocated on a length that the input declares
 * beyond the caller's limit.
 *
 * Threads: a handle is used by one thread at a time. */
#ifndef SK_CODEC_CODEC_H
#define SK_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

enum sk_codec {
    SK_CODEC_NONE = 0,
    SK_CODEC_GZIP = 1,
    SK_CODEC_LZ4_64K = 3,
    SK_CODEC_SNAPPY = 4, /* framing format */
    SK_CODEC_LZ4_256K = 5,
    SK_CODEC_LZ4_1M = 6,
    SK_CODEC_LZ4_4M = 7,
    SK_CODEC_FLATE = 8, /* raw deflate */
    SK_CODEC_ZSTD = 9,
};

struct sk_codec_ctx; /* opaque */

/* Heap object; libraries' states are made on first use. */
SK_MUST_CHECK enum sk_err sk_codec_ctx_create(struct sk_codec_ctx **ret_ctx);
void sk_codec_ctx_destroy(struct sk_codec_ctx *ctx); /* NULL is a no-op */

bool sk_codec_known(uint8_t byte); /* one of enum sk_codec */

/* Loki's chunk_encoding names: none gzip lz4-64k snappy lz4-256k lz4-1M lz4 flate zstd. */
const char *sk_codec_name(enum sk_codec codec);
bool sk_codec_by_name(struct sk_str name, enum sk_codec *ret);

/* Appends the compressed form of `raw` to `out` (empty input gives the same bytes as Loki's writer,
 * spec disk-format 5.4). SK_ENOMEM when `out` reaches its maximum. */
SK_MUST_CHECK enum sk_err sk_codec_pack(struct sk_codec_ctx *ctx, enum sk_codec codec,
                                        struct sk_slice raw, struct sk_strbuf *out);

/* Appends the decompressed form of `packed` to `out`, at most `raw_max` bytes. Reads any valid
 * stream of the format (concatenated gzip members, lz4 frames and zstd frames included).
 *   SK_ECORRUPT  not a valid stream, or cut
 *   SK_ELIMIT    more than raw_max bytes, or a zstd window above 8 MiB
 *   SK_ENOMEM    `out` reached its maximum */
SK_MUST_CHECK enum sk_err sk_codec_unpack(struct sk_codec_ctx *ctx, enum sk_codec codec,
                                          struct sk_slice packed, size_t raw_max,
                                          struct sk_strbuf *out);

/* Raw snappy block (protobuf pushes, WAL records), not the framing format. A declared length above
 * `raw_max`, or above what `packed` can make (22 x + 64), is SK_ELIMIT resp. SK_ECORRUPT before any
 * allocation. */
SK_MUST_CHECK enum sk_err sk_snappy_block_unpack(struct sk_slice packed, size_t raw_max,
                                                 struct sk_strbuf *out);
SK_MUST_CHECK enum sk_err sk_snappy_block_pack(struct sk_slice raw, struct sk_strbuf *out);

#endif
