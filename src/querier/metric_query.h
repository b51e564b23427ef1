/* SPDX-License-Identifier: Apache-2.0 */
/* metric_query.h -- runs one metric query, instant or over a range.
 *
 *   plan     metric_plan.c: the syntax tree becomes nodes; a range aggregation over a selector is
 *            a leaf, and what Loki pushes down or rewrites visibly is done here
 *   scan     metric_scan.c: the chunks of all leaves are read once, by several workers when there
 *            are free ones; entries become samples of series (metric_extract.c, metric_acc.c)
 *   windows  metric_window.c: samples become one value per series and step
 *   nodes    metric_vector.c, metric_binary.c, metric_replace.c: series become other series
 *
 * Entry t is in the window of step T with range r when T - r < t <= T. A step without entries in
 * the window has no point. Results do not depend on the number of workers, down to the last digit.
 *
 * Threads: called on a worker; `stop` may be set by any thread and is looked at per block
 * and every few hundred entries. */
#ifndef SK_QUERIER_METRIC_QUERY_H
#define SK_QUERIER_METRIC_QUERY_H

#include "querier/log_query.h"

struct sk_workpool;

struct sk_metric_query {
    struct sk_str tenant;
    const struct sk_ast_expr *expr;
    int64_t start_ns, end_ns;        /* evaluated at start, start + step, ... <= end */
    int64_t step_ns;                 /* 0: instant, at start_ns */
    const struct sk_source *sources; /* live ones first */
    size_t source_count;
    const struct sk_delete *deletes; /* entries that these name are left out */
    size_t delete_count;
    struct sk_budget *budget;     /* may be NULL */
    struct sk_workpool *pool;     /* for helpers; NULL: none */
    int64_t deadline_mono_ns;     /* 0: none */
    _Atomic bool *stop;           /* may be NULL */
    uint64_t series_max;          /* 0: no limit */
    int64_t length_max_ns;        /* of the data that is read for one step; 0: no limit */
    int64_t range_max_ns;         /* of [range]; 0: no limit */
    struct sk_strbuf *error_text; /* may be NULL; the whole text of an error that may be long */
};

enum sk_value_kind { SK_VALUE_SCALAR, SK_VALUE_VECTOR, SK_VALUE_MATRIX };

struct sk_metric_point {
    int64_t ts_ms;
    double value;
};

struct sk_metric_series {
    struct sk_labelset labels;
    struct sk_metric_point *points; /* one, unless it is a matrix */
    size_t count;
};

struct sk_metric_result {
    enum sk_value_kind kind;         /* SCALAR: one series without labels */
    struct sk_metric_series *series; /* by labels; of a vector that was sorted by value: so */
    size_t count;
    struct sk_arena arena; /* all of it */
    struct sk_log_stats stats;
};

/* Steps of a query: start and end moved outwards to multiples of the step. false: there are more
 * than can be counted. */
bool sk_metric_align(int64_t *start_ns, int64_t *end_ns, int64_t step_ns);

/* reterr has the text for the client (and q->error_text the same, uncut). SK_EPARSE (pipelines),
 * SK_EINVAL (entries with an error, ranges beyond a limit), SK_ELIMIT (series_max), SK_EIO (vectors
 * that cannot be matched: Loki answers 500), SK_EUNSUPPORTED, and as sk_log_query_run(). */
SK_MUST_CHECK enum sk_err sk_metric_query_run(const struct sk_metric_query *q,
                                              struct sk_metric_result *ret,
                                              struct sk_error *reterr);
void sk_metric_result_deinit(struct sk_metric_result *result); /* zeroed: fine */

#endif
