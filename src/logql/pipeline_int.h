/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_int.h -- what the stages share: the list of stages, what compiling and running a stage
 * looks like, and how stages read and write an entry.
 *
 * A new stage is a line in SK_STAGE_LIST, a file with its create function, and its tests. */
#ifndef SK_LOGQL_PIPELINE_INT_H
#define SK_LOGQL_PIPELINE_INT_H

#include "base/hmap.h"
#include "base/strbuf.h"
#include "logql/label_builder.h"
#include "logql/pipeline.h"
#include "logql/text_test.h"
#include "logql/tmpl.h"

/* X(kind, name, halts line filters, changes the line): sk_stage_NAME_create() compiles
 * SK_STAGE_KIND. Line filters move to the left up to a stage that halts them. */
#define SK_STAGE_LIST(X)                                                                           \
    X(LINE_FILTER, line_filter, true, false)                                                       \
    X(JSON, json, false, false)                                                                    \
    X(LOGFMT, logfmt, false, false)                                                                \
    X(REGEXP, regexp, false, false)                                                                \
    X(PATTERN, pattern, false, false)                                                              \
    X(UNPACK, unpack, true, true)                                                                  \
    X(LINE_FORMAT, line_format, true, true)                                                        \
    X(LABEL_FORMAT, label_format, false, false)                                                    \
    X(DECOLORIZE, decolorize, false, true)                                                         \
    X(DROP, drop, false, false)                                                                    \
    X(KEEP, keep, false, false)                                                                    \
    X(LABEL_FILTER, label_filter, true, false)

typedef enum sk_pipeline_verdict (*sk_stage_fn)(struct sk_pipeline_run *run, const void *data);

struct sk_stage {
    sk_stage_fn fn;
    const void *data; /* the stage's own, in the arena */
};

struct sk_pipeline {
    struct sk_stage *stages;
    size_t stage_count;
    size_t lead_count; /* of line filters in front of everything else */
    struct sk_str needle;
    size_t needle_stage;  /* passes whenever the line holds the needle; SIZE_MAX: none */
    struct sk_str *names; /* pinned, SK_NAMES_FIXED first */
    size_t name_count, name_cap;
    const struct sk_label_test **early; /* by name, or NULL */
    /* of metric queries */
    enum sk_pipeline_need need;
    size_t *required; /* pinned names that are asked for, unless need is SK_NEED_ALL */
    size_t required_count;
    size_t *group;  /* pinned: hints->names */
    size_t unwrap;  /* pinned, or SIZE_MAX */
    size_t post_at; /* stages from here on are for sk_pipeline_run_post() */
    bool line_only; /* nothing but line filters */
};

struct sk_pipeline_run {
    const struct sk_pipeline *pipeline;
    struct sk_arena arena; /* of the entry */
    struct sk_label_builder labels;
    struct sk_text_scratch scratch;
    struct sk_tmpl_scratch tmpl;
    struct sk_strbuf path; /* the name of a nested member while it is put together */
    struct sk_str line;
    int64_t ts_ns;
    const struct sk_label *meta; /* until labels_begun */
    size_t meta_count;
    bool labels_begun;
    struct sk_str passed; /* the line that sk_pipeline_line_passes() has let through */
    bool passed_set;
};

/* ---- compiling ---- */

struct sk_pipeline_maker {
    struct sk_arena *arena;
    struct sk_pipeline *pipeline;
    struct sk_hmap names; /* value: 1 + index */
};

#define SK_STAGE_DECLARE(kind, name, halts, changes)                                               \
    SK_MUST_CHECK enum sk_err sk_stage_##name##_create(                                            \
        struct sk_pipeline_maker *m, const struct sk_ast_stage *ast, struct sk_stage *ret,         \
        struct sk_error *reterr);
SK_STAGE_LIST(SK_STAGE_DECLARE)
#undef SK_STAGE_DECLARE

/* `json` with expressions; a part of the json stage. */
SK_MUST_CHECK enum sk_err sk_json_expr_create(struct sk_pipeline_maker *m,
                                              const struct sk_ast_stage *ast, struct sk_stage *ret,
                                              struct sk_error *reterr);

/* The index by which stages know a label, the same for the same name. */
SK_MUST_CHECK enum sk_err sk_pipeline_pin(struct sk_pipeline_maker *m, struct sk_str name,
                                          size_t *ret);

/* The same for a label that the stage reads: a metric query that asks for some labels only asks for
 * this one, too. */
SK_MUST_CHECK enum sk_err sk_pipeline_pin_read(struct sk_pipeline_maker *m, struct sk_str name,
                                               size_t *ret);

/* The test of a compiled line filter, label filter that looks at one label (else NULL). */
const struct sk_text_test *sk_line_filter_test(const struct sk_stage *stage);
const struct sk_label_test *sk_label_filter_single(const struct sk_stage *stage, size_t *ret_name);

/* ---- running ---- */

bool sk_label_test_match(const struct sk_label_test *t, struct sk_pipeline_run *run);

static inline struct sk_label_slot *sk_run_pinned(struct sk_pipeline_run *run, size_t name)
{
    return &run->labels.pinned[name];
}

/* Sets both error slots; texts live as long as the entry. */
static inline void sk_run_error(struct sk_pipeline_run *run, struct sk_str error,
                                struct sk_str details)
{
    run->labels.error = error;
    run->labels.error_details = details;
}

/* Nothing that the query asks for is missing: parsers have no work (any more). */
static inline bool sk_run_done(const struct sk_pipeline_run *run)
{
    return run->pipeline->need != SK_NEED_ALL && run->labels.required_left == 0;
}

/* Whether a parser may be asked for a label of that name before any suffix; for an object, for one
 * whose name begins so. */
bool sk_run_wants(const struct sk_pipeline_run *run, struct sk_str name);
bool sk_run_wants_prefix(const struct sk_pipeline_run *run, struct sk_str prefix);

/* ... of a parser: a metric query that asks for the label __error__ shows those, and fails on
 * others. */
static inline void sk_run_parser_error(struct sk_pipeline_run *run, struct sk_str error,
                                       struct sk_str details)
{
    sk_run_error(run, error, details);
    run->labels.parser_error = true;
}

/* Where an implicit parser writes its value for the label `slot`: NULL when it must not or
 * need not. */
struct sk_label_slot *sk_run_extract_to(struct sk_pipeline_run *run, struct sk_label_slot *slot);

/* Whether the entry passes the early test of a label that was just written (or of the error slot).
 * */
static inline bool sk_run_early(struct sk_pipeline_run *run, const struct sk_label_slot *slot)
{
    return slot->early == NULL || sk_label_test_match(slot->early, run);
}

/* Writes it; false: the entry is rejected by a later filter. */
static inline bool sk_run_extract(struct sk_pipeline_run *run, struct sk_label_slot *slot,
                                  struct sk_str value)
{
    sk_label_write(&run->labels, slot, value);
    return sk_run_early(run, slot);
}

/* A copy with each U+FFFD and each malformed byte as a blank; the text itself when it has none. */
struct sk_str sk_run_clean(struct sk_pipeline_run *run, struct sk_str text);

/* Whether a key is a label name as it stands: [A-Za-z_][A-Za-z0-9_]*. */
bool sk_key_is_plain(struct sk_str key);

/* Appends the key as (part of) a label name: blanks around it left out, other runes as '_', and '_'
 * before a digit at the very front. */
void sk_key_sanitize(struct sk_strbuf *out, struct sk_str key);

/* Makes of the first `prefix` bytes of `path`, the name of an object in a JSON line, that of its
 * member `key`: joined by '_'. Of a key that is blank nothing is left, and no '_' before it. */
void sk_json_name_join(struct sk_strbuf *path, size_t prefix, struct sk_str key);

/* The slot for a key; NULL: nothing is left of it, or out of memory. */
struct sk_label_slot *sk_run_key_slot(struct sk_pipeline_run *run, struct sk_str key);

#endif
