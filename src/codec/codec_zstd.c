/* SPDX-License-Identifier: Apache-2.0 */
/* codec_zstd.c -- zstd frames. A frame whose size is known, or for which the caller has made all
 * the room, is decoded in one go; others stream, with a window of at most 8 MiB.
 *
 * Packing is level 1 made for blocks of log lines: a table of 16 KiB that stays in the first cache,
 * matches from 7 bytes on, every second byte looked at, literals still entropy coded. Against plain
 * level 1 that is 10 to 25 % faster for sizes within 2 % (zstd 1.5.4). Frames carry their checksum,
 * as Loki's do. */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "codec/codec_int.h"

enum {
    LEVEL = 1,
    HASH_LOG = 12,
    MIN_MATCH = 7,
    STEP = 2,
    LITERALS_MODE = ZSTD_c_experimentalParam5, /* ZSTD_c_literalCompressionMode */
    LITERALS_PACKED = 1,
    WINDOW_LOG_MAX = 23, /* 8 MiB */
    FIRST_ROOM = 4096,
    GUESS_FACTOR = 4,
    RATIO_SANE = 4096, /* a declared size beyond this ratio is not believed at once */
};

void sk_zstd_deinit(struct sk_codec_ctx *ctx)
{
    (void)ZSTD_freeCCtx(ctx->zstd_pack); /* NULL is fine; always 0 */
    (void)ZSTD_freeDCtx(ctx->zstd_unpack);
    ctx->zstd_pack = NULL;
    ctx->zstd_unpack = NULL;
}

static bool pack_tune(ZSTD_CCtx *ctx)
{
    if (ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_hashLog, HASH_LOG)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_minMatch, MIN_MATCH)))
        return false;
    /* Steps would switch literals off. The parameter is not of zstd's stable interface: a library
     * without it packs a little slower. */
    if (!ZSTD_isError(ZSTD_CCtx_setParameter(ctx, (ZSTD_cParameter)LITERALS_MODE, LITERALS_PACKED)))
        return !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_targetLength, STEP));
    return true;
}

enum sk_err sk_zstd_pack(struct sk_codec_ctx *ctx, struct sk_slice raw, struct sk_strbuf *out)
{
    if (ctx->zstd_pack == NULL) {
        ZSTD_CCtx *made = ZSTD_createCCtx();
        if (made == NULL)
            return SK_ENOMEM;
        if (!pack_tune(made)) {
            (void)ZSTD_freeCCtx(made);
            return SK_ENOMEM;
        }
        ctx->zstd_pack = made;
    }
    size_t bound = ZSTD_compressBound(raw.len);
    if (!sk_strbuf_reserve(out, bound))
        return SK_ENOMEM;
    size_t n = ZSTD_compress2(ctx->zstd_pack, out->ptr + out->len, bound, raw.ptr, raw.len);
    if (ZSTD_isError(n))
        return SK_ENOMEM; /* the room is enough, so only memory can be missing */
    out->len += n;
    out->ptr[out->len] = '\0';
    return SK_OK;
}

/* Whether the first frame asks for a window above the limit. Streaming would refuse it by itself;
 * decoding in one go needs no window and would not. */
static bool window_too_big(struct sk_slice packed)
{
    if (packed.len < 6 || sk_load_le32(packed.ptr) != ZSTD_MAGICNUMBER)
        return false;
    if ((packed.ptr[4] & 0x20) != 0)
        return false; /* single segment: the window is the content, which is bounded */
    unsigned log = 10u + (packed.ptr[5] >> 3);
    unsigned eighths = packed.ptr[5] & 7;
    return log > WINDOW_LOG_MAX || (log == WINDOW_LOG_MAX && eighths > 0);
}

static enum sk_err unpack_stream(ZSTD_DCtx *dctx, struct sk_slice packed,
                                 struct sk_unpack_room *room)
{
    ZSTD_inBuffer in = {packed.ptr, packed.len, 0};
    size_t want = packed.len < SIZE_MAX / GUESS_FACTOR ? packed.len * GUESS_FACTOR : packed.len;
    size_t rc = 1;
    bool more = true; /* the decoder may hold back output */
    while (in.pos < in.size || (rc != 0 && more)) {
        uint8_t spare = 0;
        uint8_t *dst;
        size_t len;
        enum sk_err err =
            sk_unpack_room_get(room, want < FIRST_ROOM ? FIRST_ROOM : want, &dst, &len);
        if (err != SK_OK)
            return err;
        bool full = room->left == 0;
        ZSTD_outBuffer o = {full ? &spare : dst, full ? 1 : len, 0};
        size_t in_before = in.pos;
        rc = ZSTD_decompressStream(dctx, &o, &in);
        if (ZSTD_isError(rc)) {
            if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge)
                return SK_ELIMIT;
            if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
                return SK_ENOMEM;
            return SK_ECORRUPT;
        }
        if (full && o.pos > 0)
            return room->over_err;
        if (!full)
            sk_unpack_room_used(room, o.pos);
        more = o.pos == o.size;
        if (o.pos == 0 && in.pos == in_before && !more && in.pos < in.size)
            return SK_ECORRUPT; /* no progress */
        want = room->out->len - room->start;
    }
    return rc == 0 ? SK_OK : SK_ECORRUPT;
}

enum sk_err sk_zstd_unpack(struct sk_codec_ctx *ctx, struct sk_slice packed,
                           struct sk_unpack_room *room)
{
    if (packed.len == 0)
        return SK_ECORRUPT;
    if (window_too_big(packed))
        return SK_ELIMIT;
    if (ctx->zstd_unpack == NULL) {
        ctx->zstd_unpack = ZSTD_createDCtx();
        if (ctx->zstd_unpack == NULL)
            return SK_ENOMEM;
        size_t rc = ZSTD_DCtx_setParameter(ctx->zstd_unpack, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
        sk_assert(!ZSTD_isError(rc));
    }
    size_t rc = ZSTD_DCtx_reset(ctx->zstd_unpack, ZSTD_reset_session_only);
    sk_assert(!ZSTD_isError(rc));

    unsigned long long declared = ZSTD_getFrameContentSize(packed.ptr, packed.len);
    if (declared == ZSTD_CONTENTSIZE_ERROR)
        return SK_ECORRUPT;
    bool one_frame = ZSTD_findFrameCompressedSize(packed.ptr, packed.len) == packed.len;
    if (declared == ZSTD_CONTENTSIZE_UNKNOWN || !one_frame || declared / RATIO_SANE > packed.len)
        return unpack_stream(ctx->zstd_unpack, packed, room);
    if (declared > room->left)
        return room->over_err;
    uint8_t *dst;
    size_t len;
    enum sk_err err = sk_unpack_room_get(room, (size_t)declared, &dst, &len);
    if (err != SK_OK)
        return err;
    uint8_t none[1];
    size_t n = ZSTD_decompressDCtx(ctx->zstd_unpack, dst != NULL ? dst : none, (size_t)declared,
                                   packed.ptr, packed.len);
    if (ZSTD_isError(n))
        return SK_ECORRUPT;
    sk_unpack_room_used(room, n);
    return SK_OK;
}
