/* SPDX-License-Identifier: Apache-2.0 */
/* codec_int.h -- what the files of codec/ share: the context and the room of an unpack.
 *
 * Every unpacker writes straight into the memory of the caller's strbuf; struct unpack_room
 * says how much it may. Threads: as codec.h. */
#ifndef SK_CODEC_CODEC_INT_H
#define SK_CODEC_CODEC_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

struct sk_codec_ctx {
    z_stream inflater;    /* one for gzip and raw deflate; reset switches between them */
    z_stream deflater[2]; /* [0] gzip, [1] raw: a deflater cannot switch */
    bool inflater_made;
    bool deflater_made[2];
    struct ZSTD_CCtx_s *zstd_pack;
    struct ZSTD_DCtx_s *zstd_unpack;
    void *lz4_state; /* LZ4_sizeofState() bytes */
};

/* The part of `out` behind `start` that an unpack may fill. */
struct sk_unpack_room {
    struct sk_strbuf *out;
    size_t start;
    size_t left;          /* bytes that may still be made */
    enum sk_err over_err; /* what it means when they do not suffice */
};

/* Makes free memory of at least min(want, left) bytes; *ret_len is what is free and allowed (it may
 * be more, and is 0 only when nothing is left). SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_unpack_room_get(struct sk_unpack_room *room, size_t want,
                                             uint8_t **ret_ptr, size_t *ret_len);

/* `len` bytes of the free memory are filled now. */
void sk_unpack_room_used(struct sk_unpack_room *room, size_t len);

SK_MUST_CHECK enum sk_err sk_zlib_pack(struct sk_codec_ctx *ctx, bool gzip, struct sk_slice raw,
                                       struct sk_strbuf *out);
SK_MUST_CHECK enum sk_err sk_zlib_unpack(struct sk_codec_ctx *ctx, bool gzip,
                                         struct sk_slice packed, struct sk_unpack_room *room);
void sk_zlib_deinit(struct sk_codec_ctx *ctx);

/* `block_id` 4..7: block maxima of 64 KiB, 256 KiB, 1 MiB, 4 MiB. */
SK_MUST_CHECK enum sk_err sk_lz4_pack(struct sk_codec_ctx *ctx, unsigned block_id,
                                      struct sk_slice raw, struct sk_strbuf *out);
SK_MUST_CHECK enum sk_err sk_lz4_unpack(struct sk_slice packed, struct sk_unpack_room *room);

SK_MUST_CHECK enum sk_err sk_snappy_frames_pack(struct sk_slice raw, struct sk_strbuf *out);
SK_MUST_CHECK enum sk_err sk_snappy_frames_unpack(struct sk_slice packed,
                                                  struct sk_unpack_room *room);

SK_MUST_CHECK enum sk_err sk_zstd_pack(struct sk_codec_ctx *ctx, struct sk_slice raw,
                                       struct sk_strbuf *out);
SK_MUST_CHECK enum sk_err sk_zstd_unpack(struct sk_codec_ctx *ctx, struct sk_slice packed,
                                         struct sk_unpack_room *room);
void sk_zstd_deinit(struct sk_codec_ctx *ctx);

#endif
