/* SPDX-License-Identifier: Apache-2.0 */
/* index_select.h -- which series of an index satisfy a set of label predicates and have chunks in a
 * span of time.
 *
 * A label that a series lacks counts as the empty text. Predicates that hold for the empty text
 * therefore take series away, others let only their own through.
 *
 * Threads: any; the predicates' functions are called from the calling thread. */
#ifndef SK_TSDB_INDEX_INDEX_SELECT_H
#define SK_TSDB_INDEX_INDEX_SELECT_H

#include "base/arena.h"
#include "tsdb_index/index.h"

struct sk_index_predicate {
    struct sk_str name;
    bool (*matches)(void *ctx, struct sk_str value); /* not called when `exact` */
    void *ctx;
    bool exact; /* the value equals `value` */
    struct sk_str value;
    bool matches_empty; /* what the predicate says of the empty text */
};

struct sk_index_span {
    int64_t from_ms, through_ms; /* both inclusive */
};

struct sk_index_refs {
    uint32_t *items; /* ascending */
    size_t count;
};

/* All predicates must hold; none at all selects every series. The references live in `arena`.
 * SK_ECORRUPT: a list or series that was needed is damaged; SK_ENOMEM. Uses one bit per 16 bytes of
 * the series section while it runs, at most. */
SK_MUST_CHECK enum sk_err sk_index_select(const struct sk_index *index,
                                          const struct sk_index_predicate *predicates, size_t count,
                                          struct sk_index_span span, struct sk_arena *arena,
                                          struct sk_index_refs *ret_refs);

#endif
