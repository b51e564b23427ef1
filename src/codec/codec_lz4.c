/* SPDX-License-Identifier: Apache-2.0 */
/* codec_lz4.c -- LZ4 frames over liblz4's block functions.
 *
 *   le32 0x184D2204, FLG, BD, [content size 8], [dictionary id 4], header checksum 1
 *   blocks: le32 length (bit 31: stored plain), data, [le32 checksum]
 *   le32 0, [le32 content checksum]
 *
 * The frame is read and written here, not by lz4frame: blocks are decoded straight into the output
 * without its buffers (8 MiB for a 4 MiB frame), and a linked block finds its window there. Frames
 * may follow each other; skippable frames are skipped. */
#include <lz4.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "codec/codec_int.h"

#define FRAME_MAGIC    0x184d2204u
#define SKIP_MAGIC     0x184d2a50u
#define SKIP_MAGIC_MSK 0xfffffff0u
#define BLOCK_PLAIN    0x80000000u

enum {
    FLG_DICT_ID = 0x01,
    FLG_RESERVED = 0x02,
    FLG_CONTENT_SUM = 0x04,
    FLG_CONTENT_SIZE = 0x08,
    FLG_BLOCK_SUM = 0x10,
    FLG_INDEPENDENT = 0x20,
    FLG_VERSION_1 = 0x40,
    FLG_VERSION_MASK = 0xc0,
    WINDOW_BYTES = 65536,
    RATIO_MAX = 256, /* an LZ4 block grows by less */
};

struct frame {
    uint8_t flg;
    size_t block_max;
    size_t start; /* of its output, in the strbuf */
};

static size_t block_max_of(unsigned id)
{
    return (size_t)1 << (8 + 2 * id); /* 4: 64 KiB ... 7: 4 MiB */
}

enum sk_err sk_lz4_pack(struct sk_codec_ctx *ctx, unsigned block_id, struct sk_slice raw,
                        struct sk_strbuf *out)
{
    sk_assert(block_id >= 4 && block_id <= 7);
    if (ctx->lz4_state == NULL) {
        ctx->lz4_state = sk_malloc((size_t)LZ4_sizeofState());
        if (ctx->lz4_state == NULL)
            return SK_ENOMEM;
    }
    uint8_t head[7];
    sk_store_le32(head, FRAME_MAGIC);
    head[4] = FLG_VERSION_1 | FLG_INDEPENDENT;
    head[5] = (uint8_t)(block_id << 4);
    head[6] = (uint8_t)(XXH32(head + 4, 2, 0) >> 8);
    sk_strbuf_add(out, head, sizeof(head));
    while (raw.len > 0) {
        size_t n = raw.len < block_max_of(block_id) ? raw.len : block_max_of(block_id);
        if (!sk_strbuf_reserve(out, 4 + n))
            return SK_ENOMEM;
        uint8_t *at = (uint8_t *)out->ptr + out->len;
        int packed = 0;
        if (n > 1) /* at most n - 1: a block that does not shrink is stored plain */
            packed = LZ4_compress_fast_extState(ctx->lz4_state, (const char *)raw.ptr,
                                                (char *)at + 4, (int)n, (int)n - 1, 1);
        if (packed > 0) {
            sk_store_le32(at, (uint32_t)packed);
            out->len += 4 + (size_t)packed;
        } else {
            sk_store_le32(at, (uint32_t)n | BLOCK_PLAIN);
            memcpy(at + 4, raw.ptr, n);
            out->len += 4 + n;
        }
        raw.ptr += n;
        raw.len -= n;
    }
    static const uint8_t end_mark[4] = {0};
    sk_strbuf_add(out, end_mark, sizeof(end_mark));
    return out->failed ? SK_ENOMEM : SK_OK;
}

static bool take(struct sk_slice *left, size_t len, struct sk_slice *ret)
{
    if (!sk_slice_sub(*left, 0, len, ret))
        return false;
    left->ptr += len;
    left->len -= len;
    return true;
}

static bool take_le32(struct sk_slice *left, uint32_t *ret)
{
    struct sk_slice s;
    if (!take(left, 4, &s))
        return false;
    *ret = sk_load_le32(s.ptr);
    return true;
}

static enum sk_err frame_head(struct sk_slice *left, struct frame *ret)
{
    struct sk_slice fixed, rest, sum;
    if (!take(left, 2, &fixed))
        return SK_ECORRUPT;
    uint8_t flg = fixed.ptr[0], bd = fixed.ptr[1];
    if ((flg & FLG_VERSION_MASK) != FLG_VERSION_1 || (flg & FLG_RESERVED) != 0)
        return SK_ECORRUPT;
    if ((bd & 0x8f) != 0 || bd < 0x40)
        return SK_ECORRUPT;
    size_t more = ((flg & FLG_CONTENT_SIZE) != 0 ? 8u : 0u) + ((flg & FLG_DICT_ID) != 0 ? 4u : 0u);
    if (!take(left, more, &rest) || !take(left, 1, &sum))
        return SK_ECORRUPT;
    if ((uint8_t)(XXH32(fixed.ptr, 2 + more, 0) >> 8) != sum.ptr[0])
        return SK_ECORRUPT;
    if ((flg & FLG_DICT_ID) != 0)
        return SK_EUNSUPPORTED; /* nobody could give us the dictionary */
    ret->flg = flg;
    ret->block_max = block_max_of(bd >> 4);
    return SK_OK;
}

/* liblz4 says "failed" for damage and for too little room alike, so a first try in the room that is
 * there is followed by one in all that the block may need. */
static enum sk_err block_unpack(const struct frame *frame, struct sk_slice data,
                                struct sk_unpack_room *room)
{
    size_t need = data.len * RATIO_MAX < frame->block_max ? data.len * RATIO_MAX : frame->block_max;
    size_t want = data.len * 4 < need ? data.len * 4 : need;
    struct sk_strbuf *out = room->out;
    if (out->cap > out->len + 1 && out->cap - out->len - 1 >= data.len)
        want = 1; /* the caller has made room */
    for (;;) {
        uint8_t *dst;
        size_t len;
        enum sk_err err = sk_unpack_room_get(room, want, &dst, &len);
        if (err != SK_OK)
            return err;
        if (len > frame->block_max)
            len = frame->block_max;
        size_t before = (frame->flg & FLG_INDEPENDENT) != 0 ? 0 : out->len - frame->start;
        if (before > WINDOW_BYTES)
            before = WINDOW_BYTES;
        uint8_t none[1];
        char *to = dst != NULL ? (char *)dst : (char *)none;
        int n = LZ4_decompress_safe_usingDict((const char *)data.ptr, to, (int)data.len, (int)len,
                                              to - before, (int)before);
        if (n >= 0) {
            sk_unpack_room_used(room, (size_t)n);
            return SK_OK;
        }
        if (len >= need)
            return SK_ECORRUPT;
        if (len >= room->left)
            return room->over_err; /* or damaged: it cannot be told apart */
        want = need;
    }
}

static enum sk_err frame_block(const struct frame *frame, uint32_t word, struct sk_slice *left,
                               struct sk_unpack_room *room)
{
    struct sk_slice data;
    size_t len = word & ~BLOCK_PLAIN;
    if (len > frame->block_max || !take(left, len, &data))
        return SK_ECORRUPT;
    if ((frame->flg & FLG_BLOCK_SUM) != 0) {
        uint32_t sum;
        if (!take_le32(left, &sum) || sum != XXH32(data.ptr, data.len, 0))
            return SK_ECORRUPT;
    }
    if ((word & BLOCK_PLAIN) == 0)
        return block_unpack(frame, data, room);
    if (data.len > room->left)
        return room->over_err;
    uint8_t *dst;
    size_t room_len;
    enum sk_err err = sk_unpack_room_get(room, data.len, &dst, &room_len);
    if (err != SK_OK)
        return err;
    if (data.len > 0)
        memcpy(dst, data.ptr, data.len);
    sk_unpack_room_used(room, data.len);
    return SK_OK;
}

static enum sk_err frame_unpack(struct sk_slice *left, struct sk_unpack_room *room)
{
    struct frame frame = {.start = room->out->len};
    enum sk_err err = frame_head(left, &frame);
    if (err != SK_OK)
        return err;
    for (;;) {
        uint32_t word;
        if (!take_le32(left, &word))
            return SK_ECORRUPT;
        if (word == 0)
            break;
        err = frame_block(&frame, word, left, room);
        if (err != SK_OK)
            return err;
    }
    if ((frame.flg & FLG_CONTENT_SUM) != 0) {
        uint32_t sum;
        size_t made = room->out->len - frame.start;
        const char *from = made > 0 ? room->out->ptr + frame.start : "";
        if (!take_le32(left, &sum) || sum != XXH32(from, made, 0))
            return SK_ECORRUPT;
    }
    return SK_OK;
}

enum sk_err sk_lz4_unpack(struct sk_slice packed, struct sk_unpack_room *room)
{
    if (packed.len == 0)
        return SK_ECORRUPT;
    while (packed.len > 0) {
        uint32_t magic, skip;
        if (!take_le32(&packed, &magic))
            return SK_ECORRUPT;
        if ((magic & SKIP_MAGIC_MSK) == SKIP_MAGIC) {
            struct sk_slice ignored;
            if (!take_le32(&packed, &skip) || !take(&packed, skip, &ignored))
                return SK_ECORRUPT;
            continue;
        }
        if (magic != FRAME_MAGIC)
            return SK_ECORRUPT;
        enum sk_err err = frame_unpack(&packed, room);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}
