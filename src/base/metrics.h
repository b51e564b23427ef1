/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h -- counters, gauges and histograms for /metrics.
 *
 * A metric is made once (its family with the first use of the name) and lives for ever; the
 * handle is then updated without a lock. Label text is given ready-made, e.g. `tenant="a",reason="x"`.
 * Making a handle takes a lock and searches: keep handles, do not make them per line. A family holds
 * at most SK_METRICS_SERIES_MAX series; beyond that the handle of an overflow series is given.
 * Threads: any. */
#ifndef SK_BASE_METRICS_H
#define SK_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/strbuf.h"

#define SK_METRICS_SERIES_MAX 4096

enum sk_metric_kind { SK_METRIC_COUNTER, SK_METRIC_GAUGE, SK_METRIC_HISTOGRAM };

struct sk_metric {
    _Atomic uint64_t value;    /* counter; gauge (signed); histogram: sum in 1e-6 units */
    _Atomic uint64_t *buckets; /* histogram: counts per bucket, the last is +Inf */
};

/* The series `labels` of family `name`; never NULL (memory exhaustion gives a shared dummy).
 * `bounds` (histograms) are ascending upper limits; static storage. */
struct sk_metric *sk_metric_get(enum sk_metric_kind kind, const char *name, const char *help,
                                const char *labels, const double *bounds, size_t bounds_count);

static inline struct sk_metric *sk_counter(const char *name, const char *help, const char *labels)
{
    return sk_metric_get(SK_METRIC_COUNTER, name, help, labels, NULL, 0);
}

static inline struct sk_metric *sk_gauge(const char *name, const char *help, const char *labels)
{
    return sk_metric_get(SK_METRIC_GAUGE, name, help, labels, NULL, 0);
}

static inline void sk_metric_add(struct sk_metric *m, uint64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

static inline void sk_metric_set(struct sk_metric *m, int64_t v)
{
    atomic_store_explicit(&m->value, (uint64_t)v, memory_order_relaxed);
}

static inline uint64_t sk_metric_value(const struct sk_metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}

/* Histogram: counts `v` in its bucket. `bounds` as at making. */
void sk_metric_observe(struct sk_metric *m, const double *bounds, size_t bounds_count, double v);

/* Buckets of Loki's request histograms, seconds. */
extern const double sk_metric_seconds[14];

/* The whole exposition, text format 0.0.4. */
void sk_metrics_write(struct sk_strbuf *out);

#endif
