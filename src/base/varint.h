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

#define SK_VARINT_BYTES_MAX 10

static inline bool sk_uvar_decode(const uint8_t **pos, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *p = *pos;
    if (p < end && *p < 0x80) { /* one byte is by far the usual case */
        *ret = *p;
        *pos = p + 1;
        return true;
    }
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

/* Returns the number of bytes written. */
static inline size_t sk_uvar_encode(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

static inline size_t sk_var_encode(uint8_t *out, int64_t v)
{
    return sk_uvar_encode(out, sk_zigzag_encode(v));
}

static inline size_t sk_uvar_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

#endif
