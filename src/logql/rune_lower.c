/* SPDX-License-Identifier: Apache-2.0 */
/* rune_lower.c -- lower case as case folding (labels/gore.h) less its exceptions: lower-case
 * letters that fold to another one, and capitals whose fold is not their lower case. */
#include "logql/rune_lower.h"

#include "base/utf8.h"
#include "labels/gore.h"

uint32_t sk_rune_lower(uint32_t rune)
{
    switch (rune) {
    case 0x130: /* capital I with dot above */
        return 'i';
    case 0x399: /* Iota: folds to the combining iota */
        return 0x3b9;
    case 0x39c: /* Mu: folds to the micro sign */
        return 0x3bc;
    case 0x17f:
    case 0x3b9:
    case 0x3bc:
    case 0x3c2:
    case 0x3d0:
    case 0x3d1:
    case 0x3d5:
    case 0x3d6:
    case 0x3f0:
    case 0x3f1:
    case 0x3f5:
    case 0x1e9b:
    case 0x1fbe:
    case 0x1fd3:
    case 0x1fe3:
    case 0xfb06:
        return rune;
    default:
        if (rune >= 0x1c80 && rune <= 0x1c88) /* small Cyrillic variants */
            return rune;
        return sk_gore_fold(rune);
    }
}

/* Eight ASCII letters at once: of what is added, only 'A'..'Z' reaches the top bit with the one and
 * not with the other. false: there are other bytes. */
static bool eight_lower(const char *in, char *out)
{
    uint64_t w, high = 0x8080808080808080u;
    memcpy(&w, in, sizeof(w));
    if ((w & high) != 0)
        return false;
    uint64_t capital = (w + 0x3f3f3f3f3f3f3f3fu) & ~(w + 0x2525252525252525u) & high;
    w |= capital >> 2;
    memcpy(out, &w, sizeof(w));
    return true;
}

size_t sk_text_lower(struct sk_str text, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        if (text.len - i >= 8 && eight_lower(text.ptr + i, out + n)) {
            n += 8;
            i += 8;
            continue;
        }
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x80) {
            out[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
            i++;
            continue;
        }
        unsigned width;
        uint32_t r = sk_utf8_decode(text.ptr + i, text.len - i, &width);
        char enc[4];
        unsigned len = sk_utf8_encode(enc, sk_rune_lower(r));
        memcpy(out + n, enc, len); /* at most 3 bytes for each byte read: SK_TEXT_LOWER_ROOM */
        n += len;
        i += width;
    }
    return n;
}
