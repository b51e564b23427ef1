/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.h -- the wrapper of a chunk file around its body.
 *
 *      0   4  be32 M: length of the metadata, these 4 bytes included
 *      4 M-4  metadata: one JSON object in snappy framing format
 *      M   4  be32 D: length of the body; it ends the file
 *    M+4   D  body (chunk/chunk.h)
 *
 *   {"fingerprint":N,"userID":"T","from":S,"through":S,"metric":{...},"encoding":129}
 *
 * N is a decimal number up to 2^64-1; S are seconds with exactly three decimals, or none; the
 * metric is the stream's labels and __name__="logs". Very old files do not count the 4 bytes in M.
 *
 * Threads: any (the codec context one at a time). */
#ifndef SK_OBJSTORE_ENVELOPE_H
#define SK_OBJSTORE_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "codec/codec.h"
#include "labels/labelset.h"

#define SK_ENVELOPE_META_BYTES_MAX (4u << 20) /* of the JSON; SK_ELIMIT */
#define SK_ENVELOPE_LABELS_MAX     65536u
#define SK_ENVELOPE_DEPTH_MAX      16 /* of values under keys that skald does not know */

struct sk_envelope {
    struct sk_str tenant;
    uint64_t fingerprint;
    int64_t from_ms, through_ms;
    struct sk_labelset labels; /* sorted; without __name__ */
    struct sk_slice body;      /* decode only; points into the file */
};

/* Appends the head of a chunk file; the caller appends the body to the same buffer and calls
 * sk_envelope_end(), which fills in D and gives the checksum for the key. `mark` carries the places
 * between the two. SK_ENOMEM. */
struct sk_envelope_mark {
    size_t start, body;
};

SK_MUST_CHECK enum sk_err sk_envelope_begin(const struct sk_envelope *envelope,
                                            struct sk_codec_ctx *ctx, struct sk_strbuf *out,
                                            struct sk_envelope_mark *ret_mark);
SK_MUST_CHECK enum sk_err sk_envelope_end(const struct sk_envelope_mark *mark,
                                          struct sk_strbuf *out, uint32_t *ret_checksum);

/* Reads a chunk file. Keys of the JSON may stand in any order, unknown ones are skipped. Texts and
 * labels are in `arena`. The checksum of the file is the caller's to compare (sk_crc32c(file)), as
 * are tenant, fingerprint and bounds with the key.
 * SK_ECORRUPT, SK_ELIMIT, SK_ENOMEM; SK_EUNSUPPORTED: an outer encoding other than 128 and 129. */
SK_MUST_CHECK enum sk_err sk_envelope_decode(struct sk_slice file, struct sk_codec_ctx *ctx,
                                             struct sk_arena *arena,
                                             struct sk_envelope *ret_envelope);

#endif
