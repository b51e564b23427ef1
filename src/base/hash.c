/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c -- see hash.h. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t sk_hash_xxh64(const void *data, size_t len)
{
    return XXH64(data, len, 0);
}

uint64_t sk_hash_mem(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}
