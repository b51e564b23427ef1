/* SPDX-License-Identifier: Apache-2.0 */
/* rune_upper.h -- simple upper and title case of Unicode, rune by rune, as Go's unicode.ToUpper and
 * unicode.ToTitle. Title case differs for a few digraphs and for Georgian. */
#ifndef SK_LOGQL_RUNE_UPPER_H
#define SK_LOGQL_RUNE_UPPER_H

#include <stdbool.h>
#include <stdint.h>

uint32_t sk_rune_upper(uint32_t rune);
uint32_t sk_rune_title(uint32_t rune);

#endif
