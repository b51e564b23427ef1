/* SPDX-License-Identifier: Apache-2.0 */
/* push.h -- decodes the bodies of log pushes into one flat form.
 *
 * Texts are borrowed from the (decompressed) body, or live in the push's arena where escapes had
 * to be resolved; both must outlive the use of the push. Nothing is validated here beyond syntax:
 * limits, names and times are the ingester's.
 *
 * Protobuf (package logproto): PushRequest{1 streams}, Stream{1 labels, 2 entries},
 * Entry{1 Timestamp{1 seconds, 2 nanos}, 2 line, 3 metadata{1 name, 2 value}}.
 * JSON: {"streams":[{"stream":{..},"values":[["ns","line",{..}],..]}]}.
 *
 * A push object is reused: reset keeps its arrays. Threads: one at a time. */
#ifndef SK_WIRE_PUSH_H
#define SK_WIRE_PUSH_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

#define SK_PUSH_STREAMS_MAX 65536u
#define SK_PUSH_ENTRIES_MAX 1000000u
#define SK_PUSH_PAIRS_MAX   2000000u

struct sk_push_pair {
    struct sk_str name;
    struct sk_str value;
};

struct sk_push_entry {
    int64_t ts_ns;
    struct sk_str line;
    uint32_t pair_first, pair_count; /* structured metadata, in push->pairs */
};

struct sk_push_stream {
    struct sk_str labels; /* text as sent; of JSON maps: made, names ascending */
    uint32_t entry_first, entry_count;
};

struct sk_push {
    struct sk_arena arena;
    struct sk_push_stream *streams;
    size_t stream_count, stream_cap;
    struct sk_push_entry *entries;
    size_t entry_count, entry_cap;
    struct sk_push_pair *pairs;
    size_t pair_count, pair_cap;
};

/* `arena_max` bounds what escapes and label texts may take. */
void sk_push_init(struct sk_push *push, size_t arena_max, struct sk_budget *budget);
void sk_push_reset(struct sk_push *push);
void sk_push_deinit(struct sk_push *push);

/* SK_EPARSE with Loki's text; SK_ELIMIT beyond the SK_PUSH_ maxima; SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_push_decode_proto(struct sk_push *push, struct sk_slice body,
                                               struct sk_error *reterr);
SK_MUST_CHECK enum sk_err sk_push_decode_json(struct sk_push *push, struct sk_str body,
                                              struct sk_error *reterr);
/* The body of the old /api/prom/push, {"streams":[{"labels":"{..}","entries":[{"ts":..,"line":..}]}]}. */
SK_MUST_CHECK enum sk_err sk_push_decode_json_legacy(struct sk_push *push, struct sk_str body,
                                                     struct sk_error *reterr);

/* For decoders: append, SK_ELIMIT or SK_ENOMEM when that fails. */
SK_MUST_CHECK enum sk_err sk_push_add_stream(struct sk_push *push, struct sk_str labels);
SK_MUST_CHECK enum sk_err sk_push_add_entry(struct sk_push *push, int64_t ts_ns,
                                            struct sk_str line);
SK_MUST_CHECK enum sk_err sk_push_add_pair(struct sk_push *push, struct sk_str name,
                                           struct sk_str value);

#endif
