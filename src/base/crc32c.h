/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.h -- CRC-32C (Castagnoli), the only checksum polynomial in Loki's files.
 * sk_crc32c of "123456789" is 0xe3069283. Uses the CPU's instruction where there is one. */
#ifndef SK_BASE_CRC32C_H
#define SK_BASE_CRC32C_H

#include <stdint.h>

#include "base/slice.h"

uint32_t sk_crc32c(struct sk_slice data);

/* Continues a checksum: sk_crc32c_extend(sk_crc32c(a), b) == sk_crc32c(ab). Start with 0. */
uint32_t sk_crc32c_extend(uint32_t crc, const void *data, size_t len);

/* The masked form inside snappy frames: ((crc>>15)|(crc<<17)) + 0xa282ead8. */
static inline uint32_t sk_crc32c_mask(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

#endif
