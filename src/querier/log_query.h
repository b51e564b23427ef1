/* SPDX-License-Identifier: Apache-2.0 */
/* log_query.h -- runs one log query: select, read units newest (or oldest) first, search blocks,
 * run the pipeline over what is hit, keep the best `limit` entries.
 *
 * Order of results, as Loki's: time (down for backward), then the fingerprint of the stream's
 * labels ascending in both directions, then order of arrival (reversed for backward); entries of
 * one stream and time out of several chunks are merged by their printed labels. Entries equal in
 * stream, time, line and metadata are given once.
 *
 * Threads: called on a worker; others of `pool` help with what turns out to be long, without a
 * difference to the answer. `stop` may be set by any thread; it is looked at per block
 * and every few hundred entries. */
#ifndef SK_QUERIER_LOG_QUERY_H
#define SK_QUERIER_LOG_QUERY_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/err.h"
#include "logql/ast.h"
#include "store/source.h"

struct sk_budget;
struct sk_delete;
struct sk_workpool;

struct sk_log_query {
    struct sk_str tenant;
    const struct sk_ast_log *log;
    int64_t start_ns, end_ns; /* [start, end) */
    uint64_t limit;           /* > 0 */
    bool forward;
    int64_t interval_ns;             /* 0: off */
    const struct sk_source *sources; /* live ones first */
    size_t source_count;
    const struct sk_delete *deletes; /* entries that these name are left out */
    size_t delete_count;
    struct sk_budget *budget; /* may be NULL */
    struct sk_workpool *pool; /* for helpers; NULL: none */
    int64_t deadline_mono_ns; /* 0: none */
    _Atomic bool *stop;       /* may be NULL */
};

/* Labels of an entry by category; `all` is their union. Interned: equal sets are one object. */
struct sk_result_labels {
    struct sk_labelset all, stream, meta, parsed;
    struct sk_str printed;        /* of `all`: {a="b", ...} */
    struct sk_str printed_stream; /* of `stream` */
};

/* Where an entry stands; other chunks that repeat it follow. */
struct sk_result_repeat {
    struct sk_result_repeat *next;
    uint64_t seq;
};

struct sk_result_entry {
    int64_t ts_ns;
    struct sk_str line; /* heap, the result's */
    const struct sk_result_labels *labels;
    uint64_t hash; /* of the stream */
    uint64_t seq;  /* arrival order within the stream: number of the unit << 40 + place in it */
    const struct sk_result_repeat *repeats; /* itself first */
};

struct sk_log_stats {
    uint64_t lines, bytes;            /* looked at */
    uint64_t packed_bytes, raw_bytes; /* of chunks and blocks */
    uint64_t chunks, streams, units, hit_lines;
    uint64_t damaged; /* files or blocks left out */
    int64_t wall_ns, cpu_ns;
};

struct sk_log_result {
    struct sk_arena arena;           /* label sets */
    struct sk_result_entry *entries; /* in result order */
    size_t count;
    struct sk_budget *budget;
    uint64_t charged_bytes;
    struct sk_log_stats stats;
};

/* reterr has the text for the client. SK_EPARSE (pipeline), SK_EUNSUPPORTED, SK_ENOMEM (account
 * used up), SK_ETIMEDOUT, SK_ECANCELED, SK_EIO. */
SK_MUST_CHECK enum sk_err sk_log_query_run(const struct sk_log_query *q, struct sk_log_result *ret,
                                           struct sk_error *reterr);
void sk_log_result_deinit(struct sk_log_result *result); /* zeroed: fine */

/* The matchers of a syntax tree, compiled. Freed by sk_query_matchers_free(). */
SK_MUST_CHECK enum sk_err sk_query_matchers(const struct sk_ast_matcher *list,
                                            struct sk_matcher **ret, size_t *ret_count,
                                            struct sk_error *reterr);
void sk_query_matchers_free(struct sk_matcher *m, size_t count);

#endif
