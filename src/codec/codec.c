/* SPDX-License-Identifier: Apache-2.0 */
/* codec.c -- dispatch, names, and the room accounting that keeps every unpack inside the caller's
 * limit. Output is cut back to its old length when a call fails, so that a caller never sees the
 * first half of a damaged stream. */
#include "codec/codec.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "codec/codec_int.h"

static const struct {
    const char *name;
    enum sk_codec codec;
} codecs[] = {
    {"none", SK_CODEC_NONE},     {"gzip", SK_CODEC_GZIP},         {"lz4-64k", SK_CODEC_LZ4_64K},
    {"snappy", SK_CODEC_SNAPPY}, {"lz4-256k", SK_CODEC_LZ4_256K}, {"lz4-1M", SK_CODEC_LZ4_1M},
    {"lz4", SK_CODEC_LZ4_4M},    {"flate", SK_CODEC_FLATE},       {"zstd", SK_CODEC_ZSTD},
};

enum sk_err sk_codec_ctx_create(struct sk_codec_ctx **ret_ctx)
{
    sk_assert(ret_ctx != NULL);
    struct sk_codec_ctx *ctx = sk_calloc(1, sizeof(*ctx));
    if (ctx == NULL)
        return SK_ENOMEM;
    *ret_ctx = ctx;
    return SK_OK;
}

void sk_codec_ctx_destroy(struct sk_codec_ctx *ctx)
{
    if (ctx == NULL)
        return;
    sk_zlib_deinit(ctx);
    sk_zstd_deinit(ctx);
    sk_free(ctx->lz4_state);
    sk_free(ctx);
}

bool sk_codec_known(uint8_t byte)
{
    return byte <= SK_CODEC_ZSTD && byte != 2; /* 2 was reserved by Loki and is never valid */
}

const char *sk_codec_name(enum sk_codec codec)
{
    for (size_t i = 0; i < SK_COUNT_OF(codecs); i++) {
        if (codecs[i].codec == codec)
            return codecs[i].name;
    }
    return "unknown";
}

bool sk_codec_by_name(struct sk_str name, enum sk_codec *ret)
{
    for (size_t i = 0; i < SK_COUNT_OF(codecs); i++) {
        if (sk_str_is(name, codecs[i].name)) {
            *ret = codecs[i].codec;
            return true;
        }
    }
    return false;
}

enum sk_err sk_unpack_room_get(struct sk_unpack_room *room, size_t want, uint8_t **ret_ptr,
                               size_t *ret_len)
{
    struct sk_strbuf *out = room->out;
    if (want > room->left)
        want = room->left;
    if (!sk_strbuf_reserve(out, want))
        return SK_ENOMEM;
    size_t len = out->cap == 0 ? 0 : out->cap - out->len - 1; /* the last byte is for NUL */
    if (len > room->left)
        len = room->left;
    sk_assert(len >= want);
    *ret_ptr = (uint8_t *)out->ptr + out->len;
    *ret_len = len;
    return SK_OK;
}

void sk_unpack_room_used(struct sk_unpack_room *room, size_t len)
{
    sk_assert(len <= room->left);
    room->left -= len;
    room->out->len += len;
    if (room->out->ptr != NULL)
        room->out->ptr[room->out->len] = '\0';
}

enum sk_err sk_codec_pack(struct sk_codec_ctx *ctx, enum sk_codec codec, struct sk_slice raw,
                          struct sk_strbuf *out)
{
    sk_assert(ctx != NULL);
    sk_assert(out != NULL);
    size_t start = out->len;
    enum sk_err err = SK_EUNSUPPORTED;
    switch (codec) {
    case SK_CODEC_NONE:
        sk_strbuf_add(out, raw.ptr, raw.len);
        err = out->failed ? SK_ENOMEM : SK_OK;
        break;
    case SK_CODEC_GZIP:
    case SK_CODEC_FLATE:
        err = sk_zlib_pack(ctx, codec == SK_CODEC_GZIP, raw, out);
        break;
    case SK_CODEC_LZ4_64K:
        err = sk_lz4_pack(ctx, 4, raw, out);
        break;
    case SK_CODEC_LZ4_256K:
        err = sk_lz4_pack(ctx, 5, raw, out);
        break;
    case SK_CODEC_LZ4_1M:
        err = sk_lz4_pack(ctx, 6, raw, out);
        break;
    case SK_CODEC_LZ4_4M:
        err = sk_lz4_pack(ctx, 7, raw, out);
        break;
    case SK_CODEC_SNAPPY:
        err = sk_snappy_frames_pack(raw, out);
        break;
    case SK_CODEC_ZSTD:
        err = sk_zstd_pack(ctx, raw, out);
        break;
    }
    if (err != SK_OK)
        out->len = start;
    return err;
}

enum sk_err sk_codec_unpack(struct sk_codec_ctx *ctx, enum sk_codec codec, struct sk_slice packed,
                            size_t raw_max, struct sk_strbuf *out)
{
    sk_assert(ctx != NULL);
    sk_assert(out != NULL);
    if (out->failed)
        return SK_ENOMEM;
    size_t start = out->len;
    size_t fits = out->max_bytes > start ? out->max_bytes - start : 0;
    struct sk_unpack_room room = {out, start, raw_max, SK_ELIMIT};
    if (fits < raw_max) {
        room.left = fits;
        room.over_err = SK_ENOMEM;
    }
    enum sk_err err = SK_EUNSUPPORTED;
    switch (codec) {
    case SK_CODEC_NONE:
        err = packed.len <= room.left ? SK_OK : room.over_err;
        if (err == SK_OK) {
            sk_strbuf_add(out, packed.ptr, packed.len);
            err = out->failed ? SK_ENOMEM : SK_OK;
        }
        break;
    case SK_CODEC_GZIP:
    case SK_CODEC_FLATE:
        err = sk_zlib_unpack(ctx, codec == SK_CODEC_GZIP, packed, &room);
        break;
    case SK_CODEC_LZ4_64K:
    case SK_CODEC_LZ4_256K:
    case SK_CODEC_LZ4_1M:
    case SK_CODEC_LZ4_4M:
        err = sk_lz4_unpack(packed, &room); /* the frame says which it is */
        break;
    case SK_CODEC_SNAPPY:
        err = sk_snappy_frames_unpack(packed, &room);
        break;
    case SK_CODEC_ZSTD:
        err = sk_zstd_unpack(ctx, packed, &room);
        break;
    }
    if (err != SK_OK)
        out->len = start;
    return err;
}
