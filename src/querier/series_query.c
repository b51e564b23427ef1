/* SPDX-License-Identifier: Apache-2.0 */
/* series_query.c -- see series_query.h. */
#include "querier/series_query.h"

#include "querier/log_query.h"

enum sk_err sk_series_query_run(const struct sk_series_query *q, struct sk_selection *ret,
                                struct sk_error *reterr)
{
    struct sk_matcher *m = NULL;
    size_t n = 0;
    enum sk_err err = sk_query_matchers(q->matchers, &m, &n, reterr);
    if (err != SK_OK)
        return err;
    sk_selection_init(ret, q->tenant, m, n, q->start_ns, q->end_ns, q->budget);
    ret->series_only = !q->with_units;
    for (size_t i = 0; i < q->source_count && err == SK_OK; i++)
        err = q->sources[i].select(q->sources[i].ctx, ret);
    ret->matchers = NULL; /* they end here */
    ret->matcher_count = 0;
    sk_query_matchers_free(m, n);
    if (err != SK_OK) {
        sk_selection_deinit(ret);
        return sk_error_set(reterr, err,
                            err == SK_ENOMEM
                                ? "the query needs more memory than its share of the budget; "
                                  "narrow the selector or the time range"
                                : "the index could not be read");
    }
    return SK_OK;
}
