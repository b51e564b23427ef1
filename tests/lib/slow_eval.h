/* SPDX-License-Identifier: Apache-2.0 */
/* slow_eval.h -- LogQL as its rules read: every entry through every stage, every window by a loop
 * over all entries, every vector operation by loops over lists. It shares the parser of queries,
 * regular expressions and the reading of numbers with the engine, and nothing of what makes that
 * fast: no search over blocks, no hints, no buckets, no caches, no early tests.
 *
 * It knows a part of the language, over entries of one unit of time each (query_gen.h makes such
 * data). What it does not know, or where the rules leave a choice, gives SLOW_UNSURE.
 *
 * Memory: the arena's. Threads: one at a time. */
#ifndef SK_TESTS_SLOW_EVAL_H
#define SK_TESTS_SLOW_EVAL_H

#include "lib/memsource.h"
#include "logql/ast.h"

enum slow_verdict { SLOW_OK, SLOW_FAILS, SLOW_UNSURE };

enum { SLOW_LABELS_MAX = 32, SLOW_LEAVES_MAX = 16 };

/* An entry as the stages have left it; `labels` are all it has, sorted, but error details. */
struct slow_entry {
    int64_t ts_ns;
    struct sk_str line;
    struct sk_label items[SLOW_LABELS_MAX];
    size_t count;
    struct sk_labelset stream, meta;
};

struct slow_entries {
    struct slow_entry *items; /* by time */
    size_t count;
};

struct slow_sample {
    struct sk_labelset labels;
    double value;
};

struct slow_vector {
    struct slow_sample *items;
    size_t count;
    bool scalar; /* a number: one item without labels */
};

struct slow {
    struct sk_arena *arena;
    struct mem_source *source;
    enum slow_verdict verdict; /* the worst so far */
    bool inexact;              /* last digits may differ from the engine's */
    const struct sk_ast_log *logs[SLOW_LEAVES_MAX];
    struct slow_entries entries[SLOW_LEAVES_MAX];
    size_t leaf_count;
};

/* All entries that the query keeps, each once. */
struct slow_entries slow_log(struct slow *s, const struct sk_ast_log *log);

/* The value of a metric expression at one time. */
struct slow_vector slow_metric(struct slow *s, const struct sk_ast_expr *e, int64_t at_ns);

/* ---- between the parts ---- */

void *slow_alloc(struct slow *s, size_t count, size_t size);
void slow_unsure(struct slow *s);
struct sk_str slow_get(const struct slow_entry *e, const char *name);
struct sk_str slow_get_str(const struct slow_entry *e, struct sk_str name);
void slow_set(struct slow *s, struct slow_entry *e, struct sk_str name, struct sk_str value);
void slow_unset(struct slow_entry *e, struct sk_str name);
void slow_stages(struct slow *s, const struct sk_ast_stage *list, struct slow_entry *e,
                 bool *ret_keep);

#endif
