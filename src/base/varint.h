/* SPDX-License-Identifier: Apache-2.0 */
/* varint.h -- LEB128 integers as Loki's formats and protobuf use them.
 *
 *   uvar  unsigned, 7 bits a byte, low bits first, bit 7 = more follows; at most 10 bytes
 *   var   signed: zigzag, then uvar
 *
 * Decoders advance *pos and never read at or beyond `end`; they return false on a cut or
 * overlong number and leave *pos alone. Encoders need SK_VARINT_BYTES_MAX bytes of room. */
#ifndef SK_BASE_VARINT_H
#define SK_BASE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define SK_VARINT_BYTES_MAX 10

/* Byte by byte: near the end of the input. */
static inline bool sk_uvar_decode_slow(const uint8_t **pos, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *p = *pos;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (p >= end)
            return false;
        uint64_t b = *p++;
        if (shift == 63 && b > 1)
            return false;
        value |= (b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = value;
            *pos = p;
            return true;
        }
    }
    return false;
}

/* Eight bytes of seven bits each become one number. */
static inline uint64_t sk_uvar_join(uint64_t x)
{
    x &= 0x7f7f7f7f7f7f7f7fu;
    x = (x & 0x007f007f007f007fu) | (x & 0x7f007f007f007f00u) >> 1;
    x = (x & 0x00003fff00003fffu) | (x & 0x3fff00003fff0000u) >> 2;
    return (x & 0x000000000fffffffu) | (x & 0x0fffffff00000000u) >> 4;
}

/* From three bytes on; not for inlining. */
static bool sk_uvar_decode_long(const uint8_t **pos, const uint8_t *end, uint64_t *ret)
    __attribute__((noinline, unused));
static bool sk_uvar_decode_long(const uint8_t **pos, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *p = *pos;
    if (end - p < SK_VARINT_BYTES_MAX)
        return sk_uvar_decode_slow(pos, end, ret);
    uint64_t word = sk_load_le64(p), stop = ~word & 0x8080808080808080u;
    if (stop != 0) {
        *ret = sk_uvar_join(word & (stop ^ (stop - 1)));
        *pos = p + (unsigned)__builtin_ctzll(stop) / 8 + 1;
        return true;
    }
    unsigned ninth = p[8], tenth = p[9];
    if (ninth >= 0x80 && tenth > 1)
        return false;
    *ret = sk_uvar_join(word) | (uint64_t)(ninth & 0x7f) << 56 |
           (ninth < 0x80 ? 0 : (uint64_t)tenth << 63);
    *pos = p + (ninth < 0x80 ? 9 : 10);
    return true;
}

static inline bool sk_uvar_decode(const uint8_t **pos, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *p = *pos;
    if (end - p >= 2 && (p[0] < 0x80 || p[1] < 0x80)) { /* lengths and counts, nearly always */
        bool two = p[0] >= 0x80;
        *ret = two ? (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7 : p[0];
        *pos = p + 1 + two;
        return true;
    }
    return sk_uvar_decode_long(pos, end, ret);
}

static inline int64_t sk_zigzag_decode(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline uint64_t sk_zigzag_encode(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline bool sk_var_decode(const uint8_t **pos, const uint8_t *end, int64_t *ret)
{
    uint64_t raw;
    if (!sk_uvar_decode(pos, end, &raw))
        return false;
    *ret = sk_zigzag_decode(raw);
    return true;
}

/* Returns the number of bytes written; what lies behind them, up to SK_VARINT_BYTES_MAX, may be
 * overwritten too. */
static inline size_t sk_uvar_encode(uint8_t *out, uint64_t v)
{
    out[0] = (uint8_t)v;
    if (v < 0x80)
        return 1;
    unsigned more = (63u - (unsigned)__builtin_clzll(v)) / 7; /* bytes that another follows */
    uint64_t x = v & 0x00ffffffffffffffu;
    x = (x & 0x000000000fffffffu) | (x & 0x00fffffff0000000u) << 4;
    x = (x & 0x00003fff00003fffu) | (x & 0x0fffc0000fffc000u) << 2;
    x = (x & 0x007f007f007f007fu) | (x & 0x3f803f803f803f80u) << 1;
    x |= more >= 8 ? 0x8080808080808080u : 0x8080808080808080u & ((1ull << 8 * more) - 1);
    sk_store_le64(out, x);
    if (more < 8)
        return more + 1;
    out[8] = (uint8_t)(more == 8 ? v >> 56 : v >> 56 | 0x80);
    out[9] = (uint8_t)(v >> 63);
    return more + 1;
}

static inline size_t sk_var_encode(uint8_t *out, int64_t v)
{
    return sk_uvar_encode(out, sk_zigzag_encode(v));
}

static inline size_t sk_uvar_size(uint64_t v)
{
    return (63u - (unsigned)__builtin_clzll(v | 1)) / 7 + 1;
}

#endif
