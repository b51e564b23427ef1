/* SPDX-License-Identifier: Apache-2.0 */
/* push_encode.h -- writes the protobuf body of a log push, the counterpart of push.h.
 *
 * A sender collects the encoded entries of one stream in a buffer and wraps them when it is time
 * to send; repeated calls of sk_push_encode_stream() put several streams into one body. The body
 * goes out as a raw snappy block (codec.h), which is the caller's step.
 *
 * Failure sticks in the buffers (strbuf.h). Threads: as the buffers. */
#ifndef SK_WIRE_PUSH_ENCODE_H
#define SK_WIRE_PUSH_ENCODE_H

#include "base/strbuf.h"
#include "wire/push.h"

/* Appends one entry as a field of a stream. Any time is fine; before 1970 the seconds are rounded
 * down, so that the nanoseconds stay positive. `pairs`: structured metadata. */
void sk_push_encode_entry(struct sk_strbuf *out, int64_t ts_ns, struct sk_str line,
                          const struct sk_push_pair *pairs, size_t pair_count);

/* Appends a stream made of its label text and of encoded entries. */
void sk_push_encode_stream(struct sk_strbuf *out, struct sk_str labels, struct sk_str entries);

#endif
