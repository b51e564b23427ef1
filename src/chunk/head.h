/* SPDX-License-Identifier: Apache-2.0 */
/* head.h -- the `head` field of a checkpoint record: entries that are in no block yet.
 *
 *     u8    format: 5 with metadata (schema v13), 4 without, 3 without and ordered (old)
 *     uvar  entries
 *     -- format 3 only: uvar size, var oldest ns, var newest ns --
 *     per entry: var ns, uvar length, line; format 5: uvar pairs, per pair uvar name, uvar value
 *
 * Unlike a block's entry (block.h), the metadata carries no length. Symbol numbers are those of the
 * record's `data`. Threads: any. */
#ifndef SK_CHUNK_HEAD_H
#define SK_CHUNK_HEAD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

/* Appends the entries of `head` to `out` in the form of a block, with the metadata part if
 * `has_meta` (pairs of a format-5 head are dropped otherwise). Empty bytes are an empty head.
 * SK_ECORRUPT, SK_EUNSUPPORTED (another format), SK_ENOMEM; `out` is then as it was. */
SK_MUST_CHECK enum sk_err sk_head_decode(struct sk_slice head, bool has_meta, struct sk_strbuf *out,
                                         uint32_t *ret_entry_count);

/* Appends a head with the entries of `block`: format 5 if `has_meta`, else 4. */
SK_MUST_CHECK enum sk_err sk_head_encode(struct sk_slice block, bool has_meta,
                                         struct sk_strbuf *out);

#endif
