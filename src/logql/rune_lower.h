/* SPDX-License-Identifier: Apache-2.0 */
/* rune_lower.h -- simple lower case of Unicode, rune by rune, as Go's unicode.ToLower. Unlike case
 * folding it leaves lower-case letters alone: the long s stays itself. */
#ifndef SK_LOGQL_RUNE_LOWER_H
#define SK_LOGQL_RUNE_LOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

uint32_t sk_rune_lower(uint32_t rune);

/* Room for any text of `len` bytes in lower case: a malformed byte becomes U+FFFD. */
#define SK_TEXT_LOWER_ROOM(len) (3 * (len))

/* The text in lower case at `out`; its length. */
size_t sk_text_lower(struct sk_str text, char *out);

#endif
