/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_answer.h -- the JSON answer of a query, decoded: streams and their entries, or a metric
 * result left as JSON.
 *
 * Texts are borrowed from the JSON tree, which the answer owns. Threads: one at a time. */
#ifndef SK_CLI_CTL_ANSWER_H
#define SK_CLI_CTL_ANSWER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "labels/labelset.h"

struct json_t;

#define SK_CTL_ENTRIES_MAX 16000000u /* of one answer; far above any server's limit */

enum sk_ctl_result { SK_CTL_STREAMS, SK_CTL_MATRIX, SK_CTL_VECTOR, SK_CTL_SCALAR };

struct sk_ctl_entry {
    int64_t ts_ns;
    struct sk_str line;
    uint32_t stream_idx;
    uint32_t seq; /* position in the answer; keeps the order of equal times */
};

struct sk_ctl_answer {
    struct sk_arena arena;
    struct json_t *root;   /* owned */
    struct json_t *result; /* borrowed from root */
    struct json_t *stats;  /* borrowed from root; may be NULL */
    enum sk_ctl_result kind;
    struct sk_labelset *streams; /* STREAMS only */
    size_t stream_count;
    struct sk_ctl_entry *entries; /* of all streams, in the direction asked */
    size_t entry_count;
};

/* Decodes a body of query or query_range and sorts the entries, newest first unless `forward`.
 * SK_EPARSE: no such answer. The answer is deinit's on failure, too. */
SK_MUST_CHECK enum sk_err sk_ctl_answer_decode(struct sk_ctl_answer *answer, struct sk_str body,
                                               bool forward, struct sk_error *reterr);
/* The same for a frame of a tail, whose entries stay in its order. */
SK_MUST_CHECK enum sk_err sk_ctl_answer_decode_tail(struct sk_ctl_answer *answer,
                                                    struct sk_str frame, struct sk_error *reterr);
void sk_ctl_answer_deinit(struct sk_ctl_answer *answer); /* zeroed: fine */

/* Any answer as JSON; json_decref() frees it. */
SK_MUST_CHECK enum sk_err sk_ctl_json_decode(struct sk_str body, struct json_t **ret,
                                             struct sk_error *reterr);

/* A JSON object of texts as a label set in `arena`. */
SK_MUST_CHECK enum sk_err sk_ctl_json_labels(struct sk_arena *arena, const struct json_t *object,
                                             struct sk_labelset *ret, struct sk_error *reterr);

/* The text of a JSON string; empty when it is none. */
struct sk_str sk_ctl_json_str(const struct json_t *value);

#endif
