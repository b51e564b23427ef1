/* SPDX-License-Identifier: Apache-2.0 */
/* metric_int.h -- what the parts of metric queries share: label sets, windows, leaves, samples,
 * nodes, vectors. metric_query.h says how they follow each other.
 *
 * A vector is a list of series; a series has a row with one value per step, SK_NO_VALUE where it
 * has none. Rows and label sets live in the query's arena until the end. */
#ifndef SK_QUERIER_METRIC_INT_H
#define SK_QUERIER_METRIC_INT_H

#include <math.h>
#include <pthread.h>

#include "base/hmap.h"
#include "logql/pipeline.h"
#include "querier/metric_query.h"
#include "querier/unit_scan.h"

#define SK_METRIC_ARENA_BYTES_MAX ((size_t)4 << 30)

/* ---- no value: a NaN of our own that no arithmetic yields ---- */

#define SK_NO_VALUE_BITS 0x7ff4736b616c6421u

static inline double sk_no_value(void)
{
    uint64_t bits = SK_NO_VALUE_BITS;
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

static inline bool sk_has_value(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits != SK_NO_VALUE_BITS;
}

/* ---- label sets, each once per table ---- */

struct sk_mlabels {
    struct sk_labelset set;
    uint64_t hash;
    size_t id; /* by order of appearance */
};

struct sk_mlabel_table {
    struct sk_arena *arena;
    struct sk_hmap map;
    size_t count;
};

/* The one that equals `set`, which is sorted and is copied when it is new. NULL: out of memory. */
const struct sk_mlabels *sk_mlabels_intern(struct sk_mlabel_table *t, struct sk_labelset set);

/* ---- windows ---- */

/* Time is cut where windows begin and end. Bucket b of a series holds what fell into one such
 * piece, so that each window is a run of whole buckets. Steps further from each other than any two
 * windows reach (range > all steps together) share one bucket in the middle.
 *
 *   rem = range mod step, K = min(range / step, count + 1)
 *   parts 1 (rem == 0): window i is buckets i+1 .. i+K
 *   parts 2:            window i is buckets 2i+1 .. 2(i+K)+1 */
struct sk_windows {
    int64_t first_ns; /* end of window 0: of the entries, so offset is taken off */
    int64_t step_ns;  /* > 0 */
    int64_t range_ns;
    size_t count;
    int64_t whole, rem; /* of range / step */
    size_t k, parts;
    size_t buckets;
    int64_t start_ns, end_ns; /* [start, end): what any window holds */
};

void sk_windows_init(struct sk_windows *w, int64_t first_ns, int64_t step_ns, size_t count,
                     int64_t range_ns);

static inline size_t sk_window_from(const struct sk_windows *w, size_t i)
{
    return w->parts == 1 ? i + 1 : 2 * i + 1;
}

static inline size_t sk_window_end(const struct sk_windows *w, size_t i) /* exclusive */
{
    return w->parts == 1 ? i + w->k + 1 : 2 * (i + w->k) + 2;
}

/* The piece that holds a time. */
struct sk_piece {
    int64_t from_ns, through_ns; /* (from, through] */
    size_t bucket;
    bool wanted; /* in a window */
};

void sk_windows_piece(const struct sk_windows *w, int64_t ts_ns, struct sk_piece *ret);

/* ---- leaves ---- */

enum sk_group_mode { SK_GROUP_ALL, SK_GROUP_BY, SK_GROUP_WITHOUT, SK_GROUP_NONE };

enum sk_acc_kind {
    SK_ACC_COUNT,   /* number of entries per bucket */
    SK_ACC_BYTES,   /* number, and bytes of lines */
    SK_ACC_EXTREME, /* smallest or greatest value per bucket */
    SK_ACC_SAMPLES, /* every sample */
};

/* A range aggregation over a selector. */
struct sk_leaf {
    enum sk_range_op op;
    double param;
    const struct sk_ast_log_range *range;
    const struct sk_ast_unwrap *unwrap; /* NULL: none, whatever `range` says */
    enum sk_group_mode mode;
    struct sk_str *names; /* BY, WITHOUT: sorted, each once */
    size_t name_count;
    enum sk_acc_kind acc;
    const struct sk_pipeline *pipeline;
    struct sk_windows windows;
    uint64_t series_max; /* more cannot be answered; 0: no limit */
    size_t group;        /* of leaves with one selection */
    /* after the scan */
    struct sk_leaf_series *series; /* by labels */
    size_t series_count;
};

/* ---- samples ---- */

struct sk_sample {
    int64_t ts_ns;
    double value;
};

enum { SK_PAGE_BUCKETS = 64 };

/* A series while entries are read, and after: buckets in pages that exist once they are needed,
 * or samples. */
struct sk_leaf_series {
    const struct sk_mlabels *labels;
    uint64_t **pages;
    struct sk_sample *samples; /* by time, then hash of the stream, then arrival */
    size_t sample_count;
};

struct sk_logged_sample {
    struct sk_sample s;
    size_t series;
};

/* Samples of one task in the log of an accumulator. */
struct sk_acc_segment {
    size_t task, from, count;
};

/* What one worker has found for one leaf. */
struct sk_acc {
    const struct sk_leaf *leaf;
    struct sk_budget *budget;
    struct sk_arena *arena; /* of the worker: labels, pages */
    struct sk_mlabel_table table;
    struct sk_leaf_series *series; /* by id of their labels */
    size_t series_count, series_cap;
    struct sk_logged_sample *log;
    size_t log_count, log_cap;
    struct sk_acc_segment *segments;
    size_t segment_count, segment_cap;
    uint64_t charged_bytes;
};

void sk_acc_init(struct sk_acc *a, const struct sk_leaf *leaf, struct sk_arena *arena,
                 struct sk_budget *budget);
void sk_acc_deinit(struct sk_acc *a);

/* The series of these labels: *ret is its number. SK_ENOMEM, SK_ELIMIT (leaf->series_max). */
SK_MUST_CHECK enum sk_err sk_acc_series(struct sk_acc *a, struct sk_labelset labels, size_t *ret);

/* What follows belongs to this task. */
SK_MUST_CHECK enum sk_err sk_acc_task(struct sk_acc *a, size_t task);

/* One sample: the bucket is of its time; `value` is the length of the line for SK_ACC_BYTES. */
SK_MUST_CHECK enum sk_err sk_acc_add(struct sk_acc *a, size_t series, size_t bucket, int64_t ts_ns,
                                     double value);
/* ... of a leaf that counts, or adds bytes. */
SK_MUST_CHECK enum sk_err sk_acc_add_line(struct sk_acc *a, size_t series, size_t bucket,
                                          uint64_t bytes);

/* Joins what the workers have found into the leaf, in `arena`. The accumulators keep their pages,
 * which the leaf goes on using. SK_ENOMEM, SK_ELIMIT (leaf->series_max). */
SK_MUST_CHECK enum sk_err sk_acc_join(struct sk_leaf *leaf, struct sk_acc **accs, size_t count,
                                      struct sk_arena *arena);

/* ---- vectors and nodes ---- */

struct sk_mseries {
    const struct sk_mlabels *labels;
    double *row;
    size_t order; /* of arrival, for the result */
};

struct sk_mvector {
    struct sk_mseries *items; /* heap */
    size_t count, cap;
};

enum sk_node_kind {
    SK_NODE_LEAF,
    SK_NODE_AGGREGATE,
    SK_NODE_BINARY,
    SK_NODE_CONSTANT, /* literal or vector(): one series without labels */
    SK_NODE_REPLACE,
    SK_NODE_PIECES,
};

struct sk_node {
    enum sk_node_kind kind;
    const struct sk_ast_expr *ast; /* NULL: made by a rewrite */
    bool limited;                  /* its series are counted against series_max */
    bool literal;                  /* CONSTANT: a number, no vector */
    const struct sk_node *left, *right;
    struct sk_leaf *leaf;
    double constant;
    /* PIECES: the aggregation at `left` is evaluated over `steps` pieces of the range, and its
     * values become one by the function of the leaf */
    size_t steps;
    double divisor; /* 0: none */
    /* AGGREGATE */
    enum sk_vector_op op;
    int64_t param;
    bool quotient; /* avg as sum / count */
    enum sk_group_mode mode;
    struct sk_str *names;
    size_t name_count;
};

struct sk_metric_scan;

/* One query on its way. */
struct sk_mrun {
    const struct sk_metric_query *q;
    struct sk_metric_result *res;
    struct sk_error *reterr;
    struct sk_arena plan; /* nodes, pipelines */
    struct sk_arena rows; /* rows and labels of vectors */
    struct sk_mlabel_table table;
    struct sk_leaf **leaves;
    size_t leaf_count, leaf_cap;
    const struct sk_node *root;
    struct sk_metric_scan *scan; /* holds what the leaves have found */
    bool sorted;                 /* the query has sort or sort_desc */
    size_t step_count;
    int64_t step_ns;  /* > 0 */
    int64_t piece_ns; /* Loki's queries are this long; the limit of series holds in each */
};

enum sk_err sk_mrun_no_memory(struct sk_mrun *r);
/* SK_ELIMIT with Loki's text. */
enum sk_err sk_mrun_too_many_series(struct sk_mrun *r);
/* A message that may be longer than struct sk_error holds. */
enum sk_err sk_mrun_error(struct sk_mrun *r, enum sk_err err, const struct sk_strbuf *text);
SK_MUST_CHECK enum sk_err sk_mrun_interrupted(struct sk_mrun *r);

/* Sorts names and drops repeats. */
size_t sk_names_sort(struct sk_str *names, size_t count);
bool sk_names_have(const struct sk_str *names, size_t count, struct sk_str name);

SK_MUST_CHECK enum sk_err sk_metric_plan(struct sk_mrun *r);
SK_MUST_CHECK enum sk_err sk_metric_scan(struct sk_mrun *r);
void sk_metric_scan_free(struct sk_mrun *r); /* after the last use of the leaves; also on failure */

/* Calls `fn` with each series of the leaf and its row, which is reused. */
typedef enum sk_err (*sk_row_fn)(void *ctx, const struct sk_mlabels *labels, const double *row);
SK_MUST_CHECK enum sk_err sk_leaf_rows(struct sk_mrun *r, struct sk_leaf *leaf, sk_row_fn fn,
                                       void *ctx);

/* Value of a window of sorted samples; count > 0. `scratch` has room for count values. */
double sk_range_value(const struct sk_leaf *leaf, const struct sk_sample *s, size_t count,
                      double *scratch);

/* Each evaluates a node into `ret`, which is empty. */
SK_MUST_CHECK enum sk_err sk_node_eval(struct sk_mrun *r, const struct sk_node *n,
                                       struct sk_mvector *ret);
SK_MUST_CHECK enum sk_err sk_aggregate_eval(struct sk_mrun *r, const struct sk_node *n,
                                            struct sk_mvector *ret);
SK_MUST_CHECK enum sk_err sk_binary_eval(struct sk_mrun *r, const struct sk_node *n,
                                         struct sk_mvector *ret);
SK_MUST_CHECK enum sk_err sk_replace_eval(struct sk_mrun *r, const struct sk_node *n,
                                          struct sk_mvector *ret);

/* A row without values; NULL: out of memory. */
double *sk_row_new(struct sk_mrun *r);
SK_MUST_CHECK enum sk_err sk_mvector_add(struct sk_mrun *r, struct sk_mvector *v,
                                         const struct sk_mlabels *labels, double *row);
void sk_mvector_deinit(struct sk_mvector *v);

/* The labels that a grouping makes of a set; NULL: out of memory. */
const struct sk_mlabels *sk_group_labels(struct sk_mrun *r, enum sk_group_mode mode,
                                         const struct sk_str *names, size_t name_count,
                                         struct sk_labelset set);

#endif
