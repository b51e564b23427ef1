/* SPDX-License-Identifier: Apache-2.0 */
/* series_query.h -- which streams match, without their lines: labels, values, series, statistics.
 * Bounds of time act on whole chunks. Threads: one worker. */
#ifndef SK_QUERIER_SERIES_QUERY_H
#define SK_QUERIER_SERIES_QUERY_H

#include "logql/ast.h"
#include "store/source.h"

struct sk_series_query {
    struct sk_str tenant;
    const struct sk_ast_matcher *matchers; /* NULL: all streams */
    int64_t start_ns, end_ns;              /* [start, end) */
    bool with_units;                       /* chunks too, for statistics */
    const struct sk_source *sources;
    size_t source_count;
    struct sk_budget *budget;
};

/* *ret must be given to sk_selection_deinit() on success. reterr has the text for the client. */
SK_MUST_CHECK enum sk_err sk_series_query_run(const struct sk_series_query *q,
                                              struct sk_selection *ret, struct sk_error *reterr);

#endif
