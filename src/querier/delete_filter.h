/* SPDX-License-Identifier: Apache-2.0 */
/* delete_filter.h -- leaves out of a query the entries that delete requests name (store/deletes.h):
 * entries of matching streams, within the span, that pass the request's own pipeline.
 *
 *   sk_delete_filter_create()  once per query; NULL when no request touches it: nothing to ask
 *   sk_delete_run_create()     per thread that reads
 *       sk_delete_run_unit()       per unit: one look at span and selector of each request
 *           sk_delete_run_entry()      per entry, only when the unit is touched in part
 *
 * Threads: a filter is immutable, any; a run: one at a time. */
#ifndef SK_QUERIER_DELETE_FILTER_H
#define SK_QUERIER_DELETE_FILTER_H

#include "querier/unit_scan.h"
#include "store/deletes.h"

struct sk_delete_filter;
struct sk_delete_run;

/* Compiles those of `items` that reach into [start_ns, end_ns). The filter lives in `arena` and
 * borrows the items. *ret is NULL when there are none. */
SK_MUST_CHECK enum sk_err sk_delete_filter_create(struct sk_arena *arena,
                                                  const struct sk_delete *items, size_t count,
                                                  int64_t start_ns, int64_t end_ns,
                                                  const struct sk_delete_filter **ret,
                                                  struct sk_error *reterr);

/* Whether a request with this query can be carried out. SK_EPARSE, SK_EUNSUPPORTED, SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_delete_query_check(struct sk_arena *arena, struct sk_str query,
                                                struct sk_error *reterr);

/* `filter` NULL gives *ret NULL. */
SK_MUST_CHECK enum sk_err sk_delete_run_create(const struct sk_delete_filter *filter,
                                               struct sk_budget *budget,
                                               struct sk_delete_run **ret);
void sk_delete_run_destroy(struct sk_delete_run *run); /* NULL is a no-op */

enum sk_delete_reach {
    SK_DELETE_NONE, /* every entry stays */
    SK_DELETE_SOME, /* each is to be asked for */
    SK_DELETE_ALL,  /* none stays */
};

/* What the requests do to the unit, whose entries are asked for next. `run` may be NULL. */
enum sk_delete_reach sk_delete_run_unit(struct sk_delete_run *run,
                                        const struct sk_sel_stream *stream,
                                        const struct sk_unit *unit);

/* Whether an entry of that unit is deleted. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_delete_run_entry(struct sk_delete_run *run, struct sk_unit_scan *scan,
                                              struct sk_unit *unit, const struct sk_block_entry *e,
                                              bool *ret_deleted);

#endif
