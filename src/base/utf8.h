/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h -- decoding and checking of UTF-8 as Go does it: a malformed byte counts as one
 * rune U+FFFD of width 1. */
#ifndef SK_BASE_UTF8_H
#define SK_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define SK_RUNE_ERROR 0xfffdu

/* Decodes the rune at p[0..len), len >= 1. Sets *ret_width (1..4). Malformed: SK_RUNE_ERROR,
 * width 1. A correctly encoded U+FFFD has width 3. */
uint32_t sk_utf8_decode(const char *p, size_t len, unsigned *ret_width);

/* Writes 1..4 bytes; surrogates and values above U+10FFFF are written as U+FFFD. */
unsigned sk_utf8_encode(char out[4], uint32_t rune);

bool sk_utf8_valid(struct sk_str s);
size_t sk_utf8_count(struct sk_str s); /* runes */

#endif
