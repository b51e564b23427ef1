/* SPDX-License-Identifier: Apache-2.0 */
/* patterns.h -- the kinds of lines that streams have, found as they are pushed: lines with the same
 * punctuation and some of the same words are one pattern, whose differing words are shown as <_>;
 * for each pattern the lines are counted in spans of ten seconds.
 *
 *   patterns -> tenant -> stream -> cluster (one pattern of one level)
 *
 * Invariants:
 *   (1) what is held is charged to a budget of SK_PATTERNS_BYTES_MAX, a tenant holds no more than
 *       SK_PATTERNS_TENANT_BYTES_MAX, a stream no more than SK_PATTERNS_STREAM_MAX clusters;
 *       beyond, the cluster goes that no line has had for longest (of the stream, else of the
 *       stream that has had no line for longest, of the tenant that holds most);
 *   (2) the tokens of a cluster keep their number and punctuation, and a word that became <_> stays
 *       so;
 *   (3) counts are kept for SK_PATTERNS_KEPT_S back from a cluster's newest line.
 * Nothing is on disk: a restart begins anew.
 *
 * Threads: any; one lock over all. Feeding is done by one thread at a time. */
#ifndef SK_INGESTER_PATTERNS_H
#define SK_INGESTER_PATTERNS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hmap.h"
#include "labels/labelset.h"
#include "labels/matcher.h"

struct sk_budget;
struct sk_patterns;

/* `parent` may be NULL. */
SK_MUST_CHECK enum sk_err sk_patterns_create(struct sk_budget *parent, struct sk_patterns **ret);
void sk_patterns_destroy(struct sk_patterns *p); /* NULL is a no-op */

/* One line. `hash` is the fingerprint of the labels. A line for which there is no memory, or that
 * is longer than SK_PATTERNS_LINE_BYTES_MAX, is not counted. */
void sk_patterns_feed(struct sk_patterns *p, struct sk_str tenant, struct sk_labelset labels,
                      uint64_t hash, int64_t ts_ns, struct sk_str line, struct sk_str level);

struct sk_pattern_sample {
    int64_t at_s; /* a multiple of the step */
    uint64_t count;
};

struct sk_pattern {
    struct sk_str text, level;
    struct sk_pattern_sample *samples; /* ascending */
    size_t count, cap;
    uint64_t total;
};

struct sk_pattern_result {
    struct sk_arena arena; /* the caller's to initialise */
    struct sk_hmap by_text;
    struct sk_pattern **list;
    size_t count, cap;
};

struct sk_pattern_query {
    struct sk_str tenant;
    const struct sk_matcher *matchers;
    size_t matcher_count;
    int64_t start_s, end_s, step_s; /* [start, end] */
};

/* Adds the patterns of the tenant's streams that match. SK_ENOMEM: the arena's cap is reached. */
SK_MUST_CHECK enum sk_err sk_patterns_collect(struct sk_patterns *p,
                                              const struct sk_pattern_query *q,
                                              struct sk_pattern_result *ret);
/* When all is collected: puts patterns into order (most lines first) and adds up their samples. */
void sk_pattern_result_finish(struct sk_pattern_result *r);
void sk_pattern_result_deinit(struct sk_pattern_result *r); /* zeroed: fine */

#endif
