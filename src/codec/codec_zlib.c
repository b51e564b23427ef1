/* SPDX-License-Identifier: Apache-2.0 */
/* codec_zlib.c -- gzip and raw deflate. zlib counts in 32 bits, so both directions feed it at most
 * STEP_BYTES at a time. Its states live in the context and are reset, not made anew: making a
 * deflater costs more than packing a small block. */
#include "base/alloc.h"
#include "base/assert.h"
#include "codec/codec_int.h"

enum {
    STEP_BYTES = 1 << 30,
    WBITS_GZIP = 15 + 16,
    WBITS_RAW = -15,
    LEVEL = Z_DEFAULT_COMPRESSION,
    MEM_LEVEL = 8,     /* zlib's default */
    FIRST_ROOM = 4096, /* least memory that an unpack asks for */
    GUESS_FACTOR = 4,  /* log text shrinks to a quarter or less */
};

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    return sk_calloc(items, size);
}

static void zlib_free(voidpf opaque, voidpf ptr)
{
    (void)opaque;
    sk_free(ptr);
}

void sk_zlib_deinit(struct sk_codec_ctx *ctx)
{
    if (ctx->inflater_made)
        (void)inflateEnd(&ctx->inflater); /* nothing to do about a bad state */
    for (size_t i = 0; i < 2; i++) {
        if (ctx->deflater_made[i])
            (void)deflateEnd(&ctx->deflater[i]); /* "data discarded" after a failed call */
        ctx->deflater_made[i] = false;
    }
    ctx->inflater_made = false;
}

static enum sk_err deflater_get(struct sk_codec_ctx *ctx, bool gzip, z_stream **ret)
{
    size_t i = gzip ? 0 : 1;
    z_stream *z = &ctx->deflater[i];
    if (ctx->deflater_made[i]) {
        int rc = deflateReset(z);
        sk_assert(rc == Z_OK);
    } else {
        z->zalloc = zlib_alloc;
        z->zfree = zlib_free;
        if (deflateInit2(z, LEVEL, Z_DEFLATED, gzip ? WBITS_GZIP : WBITS_RAW, MEM_LEVEL,
                         Z_DEFAULT_STRATEGY) != Z_OK)
            return SK_ENOMEM;
        ctx->deflater_made[i] = true;
    }
    *ret = z;
    return SK_OK;
}

static uInt step_of(size_t left)
{
    return left > STEP_BYTES ? (uInt)STEP_BYTES : (uInt)left;
}

enum sk_err sk_zlib_pack(struct sk_codec_ctx *ctx, bool gzip, struct sk_slice raw,
                         struct sk_strbuf *out)
{
    z_stream *z;
    enum sk_err err = deflater_get(ctx, gzip, &z);
    if (err != SK_OK)
        return err;
    struct sk_slice left = raw;
    int rc = Z_OK;
    z->avail_in = 0;
    while (rc != Z_STREAM_END) {
        if (z->avail_in == 0) {
            z->avail_in = step_of(left.len);
            z->next_in = (z_const Bytef *)(uintptr_t)left.ptr; /* zlib reads only */
            left.ptr += z->avail_in;
            left.len -= z->avail_in;
        }
        size_t guess = raw.len / 8 + 64;
        if (!sk_strbuf_reserve(out, guess))
            return SK_ENOMEM;
        size_t room = out->cap - out->len - 1;
        if (room > out->max_bytes - out->len)
            room = out->max_bytes - out->len;
        uInt step = step_of(room);
        z->next_out = (Bytef *)out->ptr + out->len;
        z->avail_out = step;
        rc = deflate(z, left.len == 0 ? Z_FINISH : Z_NO_FLUSH);
        sk_assert(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
        out->len += step - z->avail_out;
    }
    out->ptr[out->len] = '\0';
    return SK_OK;
}

static enum sk_err inflater_get(struct sk_codec_ctx *ctx, bool gzip)
{
    int wbits = gzip ? WBITS_GZIP : WBITS_RAW;
    if (ctx->inflater_made) {
        int rc = inflateReset2(&ctx->inflater, wbits);
        if (rc == Z_OK)
            return SK_OK;
        return SK_ENOMEM;
    }
    ctx->inflater.zalloc = zlib_alloc;
    ctx->inflater.zfree = zlib_free;
    if (inflateInit2(&ctx->inflater, wbits) != Z_OK)
        return SK_ENOMEM;
    ctx->inflater_made = true;
    return SK_OK;
}

/* One call of inflate() into the room; into a spare byte when nothing is left, to learn whether the
 * stream has more to give. */
static enum sk_err inflate_step(z_stream *z, struct sk_unpack_room *room, size_t want, int *ret_rc)
{
    uint8_t spare = 0;
    uint8_t *dst;
    size_t len;
    enum sk_err err = sk_unpack_room_get(room, want, &dst, &len);
    if (err != SK_OK)
        return err;
    bool full = room->left == 0;
    uInt step = full ? 1 : step_of(len);
    z->next_out = full ? &spare : dst;
    z->avail_out = step;
    int rc = inflate(z, Z_NO_FLUSH);
    uInt made = step - z->avail_out;
    if (full && made > 0)
        return room->over_err;
    if (!full)
        sk_unpack_room_used(room, made);
    if (rc == Z_MEM_ERROR)
        return SK_ENOMEM;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return SK_ECORRUPT;
    if (rc == Z_BUF_ERROR && made == 0 && z->avail_in == 0)
        return SK_ECORRUPT; /* cut */
    *ret_rc = rc;
    return SK_OK;
}

enum sk_err sk_zlib_unpack(struct sk_codec_ctx *ctx, bool gzip, struct sk_slice packed,
                           struct sk_unpack_room *room)
{
    enum sk_err err = inflater_get(ctx, gzip);
    if (err != SK_OK)
        return err;
    z_stream *z = &ctx->inflater;
    size_t spare = room->out->cap > room->out->len ? room->out->cap - room->out->len - 1 : 0;
    size_t want = packed.len > SIZE_MAX / GUESS_FACTOR ? packed.len : packed.len * GUESS_FACTOR;
    if (want < FIRST_ROOM)
        want = FIRST_ROOM;
    if (spare >= packed.len && spare > 0)
        want = 1; /* the caller has made room already */
    z->avail_in = 0;
    for (;;) {
        if (z->avail_in == 0) {
            z->avail_in = step_of(packed.len);
            z->next_in = (z_const Bytef *)(uintptr_t)packed.ptr; /* zlib reads only */
            if (z->avail_in != 0) {
                packed.ptr += z->avail_in;
                packed.len -= z->avail_in;
            }
        }
        int rc;
        err = inflate_step(z, room, want, &rc);
        if (err != SK_OK)
            return err;
        want = room->out->len - room->start; /* doubles what there is */
        if (want < FIRST_ROOM)
            want = FIRST_ROOM;
        if (rc != Z_STREAM_END)
            continue;
        if (z->avail_in == 0 && packed.len == 0)
            return SK_OK;
        if (!gzip || inflateReset(z) != Z_OK) /* another gzip member follows */
            return SK_ECORRUPT;
    }
}
