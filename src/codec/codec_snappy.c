/* SPDX-License-Identifier: Apache-2.0 */
/* codec_snappy.c -- raw snappy blocks, and the framing format around them.
 *
 *   stream identifier  ff 06 00 00 "sNaPpY"
 *   frame              type u8, length u24 little-endian, then the body:
 *     00       masked CRC (le32) of the plain bytes, snappy block
 *     01       masked CRC (le32), plain bytes
 *     80..fe   skipped; ff identifier again; 02..7f an error
 *
 * Frames are walked twice when read: the first pass adds up what they will give, so that memory is
 * taken once. */
#include <snappy-c.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "codec/codec.h"
#include "codec/codec_int.h"

enum {
    FRAME_PLAIN_MAX = 65536,
    FRAME_HEAD_BYTES = 4,
    CRC_BYTES = 4,
    FRAME_PACKED = 0x00,
    FRAME_PLAIN = 0x01,
    FRAME_SKIP_MIN = 0x80,
    FRAME_IDENT = 0xff,
    RATIO_MAX = 22, /* a snappy block cannot grow more */
    RATIO_SLACK = 64,
};

static const uint8_t ident[] = {0xff, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};

/* What a block declares, if it can be true. */
static enum sk_err block_raw_len(struct sk_slice packed, size_t raw_max, size_t *ret)
{
    size_t len;
    if (snappy_uncompressed_length((const char *)packed.ptr, packed.len, &len) != SNAPPY_OK)
        return SK_ECORRUPT;
    if (len > raw_max)
        return SK_ELIMIT;
    if (len > RATIO_SLACK && (len - RATIO_SLACK) / RATIO_MAX > packed.len)
        return SK_ECORRUPT;
    *ret = len;
    return SK_OK;
}

enum sk_err sk_snappy_block_unpack(struct sk_slice packed, size_t raw_max, struct sk_strbuf *out)
{
    sk_assert(out != NULL);
    size_t len;
    if (packed.len == 0)
        return SK_ECORRUPT;
    enum sk_err err = block_raw_len(packed, raw_max, &len);
    if (err != SK_OK)
        return err;
    if (!sk_strbuf_reserve(out, len))
        return SK_ENOMEM;
    size_t got = len;
    if (snappy_uncompress((const char *)packed.ptr, packed.len, out->ptr + out->len, &got) !=
            SNAPPY_OK ||
        got != len) {
        out->ptr[out->len] = '\0';
        return SK_ECORRUPT;
    }
    out->len += len;
    out->ptr[out->len] = '\0';
    return SK_OK;
}

enum sk_err sk_snappy_block_pack(struct sk_slice raw, struct sk_strbuf *out)
{
    sk_assert(out != NULL);
    size_t room = snappy_max_compressed_length(raw.len);
    if (!sk_strbuf_reserve(out, room))
        return SK_ENOMEM;
    const char *src = raw.ptr != NULL ? (const char *)raw.ptr : "";
    snappy_status rc = snappy_compress(src, raw.len, out->ptr + out->len, &room);
    sk_assert(rc == SNAPPY_OK);
    out->len += room;
    out->ptr[out->len] = '\0';
    return SK_OK;
}

static void frame_head_store(uint8_t *at, uint8_t type, size_t body_len, uint32_t crc)
{
    sk_store_le32(at, (uint32_t)type | (uint32_t)body_len << 8);
    sk_store_le32(at + FRAME_HEAD_BYTES, crc);
}

enum sk_err sk_snappy_frames_pack(struct sk_slice raw, struct sk_strbuf *out)
{
    if (raw.len == 0)
        return SK_OK; /* as Loki's writer: no data, no stream */
    sk_strbuf_add(out, ident, sizeof(ident));
    while (raw.len > 0) {
        size_t n = raw.len < FRAME_PLAIN_MAX ? raw.len : FRAME_PLAIN_MAX;
        size_t packed = snappy_max_compressed_length(n);
        if (!sk_strbuf_reserve(out, FRAME_HEAD_BYTES + CRC_BYTES + packed))
            return SK_ENOMEM;
        uint8_t *at = (uint8_t *)out->ptr + out->len;
        uint8_t *body = at + FRAME_HEAD_BYTES + CRC_BYTES;
        snappy_status rc = snappy_compress((const char *)raw.ptr, n, (char *)body, &packed);
        sk_assert(rc == SNAPPY_OK);
        uint8_t type = FRAME_PACKED;
        if (packed >= n - n / 8) { /* saves less than an eighth */
            memcpy(body, raw.ptr, n);
            packed = n;
            type = FRAME_PLAIN;
        }
        frame_head_store(at, type, packed + CRC_BYTES,
                         sk_crc32c_mask(sk_crc32c((struct sk_slice){raw.ptr, n})));
        out->len += FRAME_HEAD_BYTES + CRC_BYTES + packed;
        raw.ptr += n;
        raw.len -= n;
    }
    out->ptr[out->len] = '\0';
    return SK_OK;
}

/* The next frame; advances *left behind it. */
static enum sk_err frame_next(struct sk_slice *left, uint8_t *ret_type, struct sk_slice *ret_body)
{
    if (left->len < FRAME_HEAD_BYTES)
        return SK_ECORRUPT;
    uint32_t head = sk_load_le32(left->ptr);
    uint8_t type = (uint8_t)head;
    struct sk_slice body;
    if (!sk_slice_sub(*left, FRAME_HEAD_BYTES, head >> 8, &body))
        return SK_ECORRUPT;
    if (type > FRAME_PLAIN && type < FRAME_SKIP_MIN)
        return SK_ECORRUPT;
    if (type <= FRAME_PLAIN && body.len < CRC_BYTES)
        return SK_ECORRUPT;
    if (type == FRAME_IDENT &&
        (body.len != 6 || memcmp(body.ptr, ident + FRAME_HEAD_BYTES, 6) != 0))
        return SK_ECORRUPT;
    left->ptr += FRAME_HEAD_BYTES + body.len;
    left->len -= FRAME_HEAD_BYTES + body.len;
    *ret_type = type;
    *ret_body = body;
    return SK_OK;
}

static enum sk_err frames_raw_len(struct sk_slice left, struct sk_unpack_room *room, size_t *ret)
{
    size_t sum = 0;
    bool first = true;
    while (left.len > 0) {
        uint8_t type;
        struct sk_slice body;
        enum sk_err err = frame_next(&left, &type, &body);
        if (err != SK_OK)
            return err;
        if (first && type != FRAME_IDENT)
            return SK_ECORRUPT;
        first = false;
        if (type > FRAME_PLAIN)
            continue;
        size_t n = body.len - CRC_BYTES;
        if (type == FRAME_PACKED) {
            struct sk_slice block = {body.ptr + CRC_BYTES, n};
            if (block_raw_len(block, FRAME_PLAIN_MAX, &n) != SK_OK)
                return SK_ECORRUPT;
        }
        if (n > FRAME_PLAIN_MAX)
            return SK_ECORRUPT;
        if (n > room->left - sum)
            return room->over_err;
        sum += n;
    }
    *ret = sum;
    return SK_OK;
}

enum sk_err sk_snappy_frames_unpack(struct sk_slice packed, struct sk_unpack_room *room)
{
    size_t sum;
    enum sk_err err = frames_raw_len(packed, room, &sum);
    if (err != SK_OK)
        return err;
    uint8_t *dst;
    size_t free_len;
    err = sk_unpack_room_get(room, sum, &dst, &free_len);
    if (err != SK_OK)
        return err;
    size_t done = 0;
    while (packed.len > 0) {
        uint8_t type;
        struct sk_slice body;
        err = frame_next(&packed, &type, &body);
        if (err != SK_OK)
            return err;
        if (type > FRAME_PLAIN)
            continue;
        size_t n = body.len - CRC_BYTES;
        size_t raw_len = n;
        if (type == FRAME_PLAIN) {
            if (n > 0)
                memcpy(dst + done, body.ptr + CRC_BYTES, n);
        } else {
            raw_len = sum - done;
            if (snappy_uncompress((const char *)body.ptr + CRC_BYTES, n, (char *)dst + done,
                                  &raw_len) != SNAPPY_OK)
                return SK_ECORRUPT;
        }
        struct sk_slice raw = {dst + done, raw_len};
        if (sk_crc32c_mask(sk_crc32c(raw)) != sk_load_le32(body.ptr))
            return SK_ECORRUPT;
        done += raw_len;
    }
    sk_assert(done == sum);
    sk_unpack_room_used(room, done);
    return SK_OK;
}
