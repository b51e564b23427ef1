/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.h -- runs the stages of a log query over entries: line filters, parsers, label filters
 * and formatting stages, with Loki's results in every corner (docs/COMPATIBILITY.md says where
 * those surprise).
 *
 * A pipeline is compiled once and shared; each thread that reads entries has a run of its own:
 *
 *   sk_pipeline_create() -> sk_pipeline_run_create()
 *       for each stream: sk_pipeline_run_stream()
 *           for each entry: [sk_pipeline_line_passes()] sk_pipeline_run_entry()
 *               kept: sk_pipeline_run_line(), sk_pipeline_run_labels()
 *
 * An entry carries labels of three categories: those of its stream, its structured metadata, and
 * what stages have made of its line. A name is in one category only.
 *
 * Memory: whatever an entry needs is taken from the run and is taken back by the next call.
 * Results are borrowed from the entry, the stream, the pipeline and the run.
 * Threads: a pipeline is immutable, any; a run: one at a time. */
#ifndef SK_LOGQL_PIPELINE_H
#define SK_LOGQL_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "labels/labelset.h"
#include "logql/ast.h"

struct sk_budget;
struct sk_pipeline;
struct sk_pipeline_run;

/* Objects nested deeper in a JSON line are refused with an error label: each level is scanned once
 * more to find its end. */
#define SK_PIPELINE_JSON_DEPTH_MAX 128

/* Compiles the stages of `log`, which must live as long as the pipeline. SK_EPARSE with Loki's text
 * (`parse error : stage '...' : ...`), SK_EUNSUPPORTED for stages that this build does not execute,
 * SK_ENOMEM. The pipeline lives in `arena`, which releases its regular expressions. */
SK_MUST_CHECK enum sk_err sk_pipeline_create(struct sk_arena *arena, const struct sk_ast_log *log,
                                             const struct sk_pipeline **ret,
                                             struct sk_error *reterr);

/* ---- metric queries ---- */

/* Which labels a metric query asks of its entries. Parsers leave out the others and stop when they
 * have all, which clients see: what stands behind goes unread, faults too. */
enum sk_pipeline_need {
    SK_NEED_ALL,   /* every label */
    SK_NEED_NAMED, /* `names`, the unwrapped label, and what stages read */
    SK_NEED_BARE,  /* none but the unwrapped label and what stages read */
};

struct sk_pipeline_hints {
    enum sk_pipeline_need need;
    const struct sk_str *names; /* of the grouping: sk_pipeline_run_group() finds them by index */
    size_t name_count;
    struct sk_str unwrap;                    /* the label that holds the value; empty: none */
    const struct sk_ast_stage *post_filters; /* label filters, for sk_pipeline_run_post() */
    bool line_unread;                        /* a line_format that no stage reads is left out */
};

/* As sk_pipeline_create(). `hints` are borrowed during the call. */
SK_MUST_CHECK enum sk_err sk_pipeline_create_metric(struct sk_arena *arena,
                                                    const struct sk_ast_log *log,
                                                    const struct sk_pipeline_hints *hints,
                                                    const struct sk_pipeline **ret,
                                                    struct sk_error *reterr);

/* Nothing but line filters: the line and the labels of the entry pass as they are. */
bool sk_pipeline_line_only(const struct sk_pipeline *p);

/* A text that every line must hold to pass, as it is before any stage; empty when none is known. */
struct sk_str sk_pipeline_needle(const struct sk_pipeline *p);

/* No stages: every entry passes unchanged. */
bool sk_pipeline_is_empty(const struct sk_pipeline *p);

/* `arena_max` bounds the memory for one entry, and again that for the label names met so far. */
SK_MUST_CHECK enum sk_err sk_pipeline_run_create(const struct sk_pipeline *p, size_t arena_max,
                                                 struct sk_budget *budget,
                                                 struct sk_pipeline_run **ret);
void sk_pipeline_run_destroy(struct sk_pipeline_run *run); /* NULL is a no-op */

/* What follows are entries of this stream, whose labels are borrowed until the next call. */
void sk_pipeline_run_stream(struct sk_pipeline_run *run, struct sk_labelset stream);

/* Whether the line passes the line filters at the front. `needle_hit`: it is known to hold the
 * needle. When the next call is sk_pipeline_run_entry() with this very line, it does not test them
 * again. */
bool sk_pipeline_line_passes(struct sk_pipeline_run *run, struct sk_str line, bool needle_hit);

enum sk_pipeline_verdict {
    SK_PIPELINE_DROP,
    SK_PIPELINE_KEEP,
    SK_PIPELINE_ERROR, /* out of memory */
};

/* Runs one entry. `meta`: its structured metadata, sorted by name, borrowed until the next call. */
SK_MUST_CHECK enum sk_pipeline_verdict sk_pipeline_run_entry(struct sk_pipeline_run *run,
                                                             int64_t ts_ns, struct sk_str line,
                                                             const struct sk_label *meta,
                                                             size_t meta_count);

/* ---- of an entry that was kept; valid until the next call on the run ---- */

struct sk_str sk_pipeline_run_line(const struct sk_pipeline_run *run);

/* Each sorted by name; the error labels are among `parsed`. */
struct sk_pipeline_labels {
    struct sk_labelset stream, meta, parsed;
};

SK_MUST_CHECK enum sk_err sk_pipeline_run_labels(struct sk_pipeline_run *run,
                                                 struct sk_pipeline_labels *ret);

/* ---- the same, of a metric query ---- */

/* The value of the unwrapped label; false: absent or empty. */
bool sk_pipeline_run_value(struct sk_pipeline_run *run, struct sk_str *ret);

/* Of hints->names[i]: false when there is no such label. */
bool sk_pipeline_run_group(struct sk_pipeline_run *run, size_t i, struct sk_str *ret);

/* Sets the error labels: the value could not be read. `details` are copied. */
void sk_pipeline_run_mark(struct sk_pipeline_run *run, struct sk_str error, struct sk_str details);

/* The error label; empty: none. *ret_shown: it is a parser's and the query asks for the label
 * __error__, so that the entry is a sample like others. */
struct sk_str sk_pipeline_run_error(const struct sk_pipeline_run *run, bool *ret_shown);

/* Runs the filters behind unwrap. */
SK_MUST_CHECK enum sk_pipeline_verdict sk_pipeline_run_post(struct sk_pipeline_run *run);

#endif
