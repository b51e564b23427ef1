/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.c -- see utf8.h. */
#include "base/utf8.h"

#include "base/assert.h"
#include "base/bytes.h"

static bool cont(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

uint32_t sk_utf8_decode(const char *p, size_t len, unsigned *ret_width)
{
    sk_assert_debug(len > 0);
    unsigned char c = (unsigned char)p[0];
    *ret_width = 1;
    if (c < 0x80)
        return c;
    if (c >= 0xc2 && c <= 0xdf && len >= 2 && cont(p[1])) {
        *ret_width = 2;
        return ((uint32_t)(c & 0x1f) << 6) | ((unsigned char)p[1] & 0x3f);
    }
    if (c >= 0xe0 && c <= 0xef && len >= 3 && cont(p[1]) && cont(p[2])) {
        uint32_t r = ((uint32_t)(c & 0x0f) << 12) | (((uint32_t)(unsigned char)p[1] & 0x3f) << 6) |
                     ((unsigned char)p[2] & 0x3f);
        if (r >= 0x800 && (r < 0xd800 || r > 0xdfff)) {
            *ret_width = 3;
            return r;
        }
        return SK_RUNE_ERROR;
    }
    if (c >= 0xf0 && c <= 0xf4 && len >= 4 && cont(p[1]) && cont(p[2]) && cont(p[3])) {
        uint32_t r = ((uint32_t)(c & 0x07) << 18) | (((uint32_t)(unsigned char)p[1] & 0x3f) << 12) |
                     (((uint32_t)(unsigned char)p[2] & 0x3f) << 6) | ((unsigned char)p[3] & 0x3f);
        if (r >= 0x10000 && r <= 0x10ffff) {
            *ret_width = 4;
            return r;
        }
    }
    return SK_RUNE_ERROR;
}

unsigned sk_utf8_encode(char out[4], uint32_t rune)
{
    if (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
        rune = SK_RUNE_ERROR;
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xc0 | (rune >> 6));
        out[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xe0 | (rune >> 12));
        out[1] = (char)(0x80 | ((rune >> 6) & 0x3f));
        out[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (rune >> 18));
    out[1] = (char)(0x80 | ((rune >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((rune >> 6) & 0x3f));
    out[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
}

bool sk_utf8_valid(struct sk_str s)
{
    size_t i = 0;
    while (i < s.len) {
        if (s.len - i >= 8 &&
            (sk_load_le64((const uint8_t *)s.ptr + i) & 0x8080808080808080u) == 0) {
            i += 8;
            continue;
        }
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        if (r == SK_RUNE_ERROR && width == 1)
            return false;
        i += width;
    }
    return true;
}

size_t sk_utf8_count(struct sk_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; n++) {
        unsigned width;
        (void)sk_utf8_decode(s.ptr + i, s.len - i, &width); /* only the width matters */
        i += width;
    }
    return n;
}
