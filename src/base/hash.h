/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h -- hashes from libxxhash: XXH64 where a format asks for it (stream fingerprints),
 * XXH3 for our own tables. */
#ifndef SK_BASE_HASH_H
#define SK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH64 with seed 0. */
uint64_t sk_hash_xxh64(const void *data, size_t len);

/* For hash tables in memory; the value is never stored. */
uint64_t sk_hash_mem(const void *data, size_t len);

#endif
