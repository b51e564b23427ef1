/* SPDX-License-Identifier: Apache-2.0 */
/* topk.h -- the best entries of a log query so far: a bounded heap with the worst at its root,
 * interned label sets, and the removal of repeats. Private to the querier. */
#ifndef SK_QUERIER_TOPK_H
#define SK_QUERIER_TOPK_H

#include "logql/pipeline.h"
#include "querier/log_query.h"

struct sk_topk {
    struct sk_log_result *res;
    uint64_t limit; /* of the heap and of the result */
    bool thinning;  /* an interval query */
    bool forward;
    struct sk_result_entry *items;
    size_t count, items_cap;
    struct sk_hmap sets; /* interned label sets */
    struct sk_hmap seen; /* identities of offered entries, value = itself */
    /* interval queries: entries that survived the thinning of earlier splits */
    struct sk_result_entry *done;
    size_t done_count, done_cap;
    struct sk_strbuf scratch;
};

void sk_topk_init(struct sk_topk *t, struct sk_log_result *res, uint64_t limit, bool thinning,
                  bool forward);
void sk_topk_deinit(struct sk_topk *t);

/* No entry of this time can get in any more. */
bool sk_topk_hopeless(const struct sk_topk *t, int64_t ts_ns);
/* The limit is reached; *ret_ts_ns: the worst time that is kept. */
bool sk_topk_full(const struct sk_topk *t, int64_t *ret_ts_ns);
/* Interval queries: the limit is reached. */
bool sk_topk_complete(const struct sk_topk *t);

/* Takes a copy of line and labels when the entry is among the best and no repeat. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_topk_offer(struct sk_topk *t, int64_t ts_ns, uint64_t hash,
                                        uint64_t seq, struct sk_str line,
                                        const struct sk_pipeline_labels *labels);

/* Takes over what another one of the same query has found; no entry is in both. `from` is left
 * empty, and its result may go. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_topk_absorb(struct sk_topk *t, struct sk_topk *from);

/* Keeps of the present entries the first, and each that is at least `interval_ns` from the one kept
 * before; moves them to the result of the query. */
SK_MUST_CHECK enum sk_err sk_topk_thin(struct sk_topk *t, int64_t interval_ns);

/* ties.c: sorted entries, with equal times of each stream in the order in which Loki gives them. */
SK_MUST_CHECK enum sk_err sk_ties_order(struct sk_result_entry *items, size_t count, bool forward);

/* Moves the entries, sorted, into the result. */
SK_MUST_CHECK enum sk_err sk_topk_finish(struct sk_topk *t);

#endif
