/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.c -- compiles the list of stages and drives entries through it. */
#include "logql/pipeline.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "logql/pipeline_int.h"
#include "logql/print.h"

/* A name of nested members may be as long as a line. */
enum { PATH_BYTES_MAX = 16 << 20 };

typedef enum sk_err (*create_fn)(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                 struct sk_stage *ret, struct sk_error *reterr);

static const struct {
    create_fn create;
    bool halts_line_filters, changes_line;
} kinds[] = {
#define STAGE_KIND(kind, name, halts, changes)                                                     \
    [SK_STAGE_##kind] = {sk_stage_##name##_create, halts, changes},
    SK_STAGE_LIST(STAGE_KIND)
#undef STAGE_KIND
};

enum sk_err sk_pipeline_pin(struct sk_pipeline_maker *m, struct sk_str name, size_t *ret)
{
    struct sk_pipeline *p = m->pipeline;
    uint64_t hash = sk_hash_mem(name.ptr, name.len);
    for (size_t at = sk_hmap_first(&m->names, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&m->names, hash, at)) {
        const struct sk_str *have = m->names.slots[at].value;
        if (sk_str_eq(*have, name)) {
            *ret = (size_t)(have - p->names);
            return SK_OK;
        }
    }
    sk_assert(p->name_count < p->name_cap);
    p->names[p->name_count] = name;
    if (!sk_hmap_add(&m->names, hash, &p->names[p->name_count]))
        return SK_ENOMEM;
    *ret = p->name_count++;
    return SK_OK;
}

/* NAME_extracted asks for NAME, too. */
enum sk_err sk_pipeline_pin_read(struct sk_pipeline_maker *m, struct sk_str name, size_t *ret)
{
    struct sk_pipeline *p = m->pipeline;
    struct sk_str suffix = SK_STR(SK_LABEL_SUFFIX);
    enum sk_err err = sk_pipeline_pin(m, name, ret);
    for (size_t pin = *ret; err == SK_OK && p->need != SK_NEED_ALL;) {
        size_t i = 0;
        while (i < p->required_count && p->required[i] != pin)
            i++;
        p->required[i] = pin;
        p->required_count += i == p->required_count;
        if (!sk_str_ends(name, suffix) || name.len == suffix.len)
            break;
        name.len -= suffix.len;
        err = sk_pipeline_pin(m, name, &pin);
    }
    return err;
}

/* ---- compiling ---- */

static size_t filter_names(const struct sk_ast_label_filter *f)
{
    if (f->kind != SK_LF_AND && f->kind != SK_LF_OR)
        return 1;
    return filter_names(f->left) + filter_names(f->right); /* SK_LOGQL_DEPTH_MAX bounds it */
}

/* At least as many as the stage pins; names in texts are counted by bytes. */
static size_t names_bound(const struct sk_ast_stage *s)
{
    size_t n = s->text.len;
    for (const struct sk_ast_extraction *e = s->extractions; e != NULL; e = e->next)
        n += 2;
    for (const struct sk_ast_label_format *f = s->formats; f != NULL; f = f->next)
        n += 2 + f->value.len;
    for (const struct sk_ast_named *d = s->named; d != NULL; d = d->next)
        n++;
    return n + (s->filter == NULL ? 0 : filter_names(s->filter));
}

/* SK_EPARSE and SK_EUNSUPPORTED with the stage in front of the detail. */
static enum sk_err stage_error(const struct sk_ast_stage *ast, enum sk_err code,
                               const struct sk_error *why, struct sk_error *reterr)
{
    struct sk_strbuf text;
    if (code == SK_ENOMEM)
        return sk_error_set(reterr, code, "out of memory");
    sk_strbuf_init(&text, SK_ERROR_TEXT_BYTES * 64);
    sk_logql_print_stage(&text, ast);
    struct sk_str s = sk_strbuf_view(&text);
    if (code == SK_EUNSUPPORTED)
        (void)sk_error_set(reterr, code,
                           "stage '%.*s' is not supported by this version of skald yet",
                           SK_STR_ARG(s));
    else
        (void)sk_error_set(reterr, code, "parse error : stage '%.*s' : %s", SK_STR_ARG(s),
                           why->text);
    sk_strbuf_deinit(&text);
    return code;
}

static enum sk_err stage_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                struct sk_stage *ret, struct sk_error *reterr)
{
    struct sk_error why = {.text = ""};
    enum sk_err err = kinds[ast->kind].create(m, ast, ret, &why);
    return err == SK_OK ? SK_OK : stage_error(ast, err, &why, reterr);
}

/* Puts stages[count] where Loki evaluates it: a line filter goes left to the line filters, or to the
 * stage that halts it. `kind` has the kinds of the stages so far, in order. */
static void stage_place(struct sk_stage *stages, enum sk_ast_stage_kind *kind, size_t count)
{
    struct sk_stage moving = stages[count];
    enum sk_ast_stage_kind moving_kind = kind[count];
    size_t to = count;
    while (moving_kind == SK_STAGE_LINE_FILTER && to > 0 && !kinds[kind[to - 1]].halts_line_filters)
        to--;
    memmove(stages + to + 1, stages + to, (count - to) * sizeof(*stages));
    memmove(kind + to + 1, kind + to, (count - to) * sizeof(*kind));
    stages[to] = moving;
    kind[to] = moving_kind;
}

/* The needle is the longest one of the line filters that see the line as it was. */
static void needle_choose(struct sk_pipeline *p, const enum sk_ast_stage_kind *kind)
{
    p->needle_stage = SIZE_MAX;
    while (p->lead_count < p->stage_count && kind[p->lead_count] == SK_STAGE_LINE_FILTER)
        p->lead_count++;
    for (size_t i = 0; i < p->stage_count && !kinds[kind[i]].changes_line; i++) {
        if (kind[i] != SK_STAGE_LINE_FILTER)
            continue;
        const struct sk_text_test *t = sk_line_filter_test(&p->stages[i]);
        struct sk_str needle = sk_text_test_needle(t);
        if (needle.len <= p->needle.len)
            continue;
        p->needle = needle;
        p->needle_stage = t->kind == SK_TEXT_CONTAINS ? i : SIZE_MAX;
    }
}

/* ---- what a metric query asks for ---- */

static enum sk_err filter_reads(struct sk_pipeline_maker *m, const struct sk_ast_label_filter *f)
{
    size_t pin;
    if (f->kind != SK_LF_AND && f->kind != SK_LF_OR)
        return sk_pipeline_pin_read(m, f->name, &pin);
    enum sk_err err = filter_reads(m, f->left); /* SK_LOGQL_DEPTH_MAX bounds it */
    return err == SK_OK ? filter_reads(m, f->right) : err;
}

/* The labels that a stage reads; those of templates are noted as they are compiled. */
static enum sk_err stage_reads(struct sk_pipeline_maker *m, const struct sk_ast_stage *s)
{
    size_t pin;
    enum sk_err err = s->filter == NULL ? SK_OK : filter_reads(m, s->filter);
    for (const struct sk_ast_label_format *f = s->formats; f != NULL && err == SK_OK; f = f->next)
        err = f->rename ? sk_pipeline_pin_read(m, f->value, &pin) : SK_OK;
    return err;
}

static bool reads_line(enum sk_ast_stage_kind kind)
{
    return kind == SK_STAGE_LINE_FILTER || kind == SK_STAGE_JSON || kind == SK_STAGE_LOGFMT ||
           kind == SK_STAGE_REGEXP || kind == SK_STAGE_PATTERN || kind == SK_STAGE_UNPACK;
}

/* A line_format whose line nobody looks at. */
static bool is_left_out(const struct sk_ast_stage *s, const struct sk_pipeline_hints *h)
{
    if (s->kind != SK_STAGE_LINE_FORMAT || !h->line_unread)
        return false;
    for (const struct sk_ast_stage *k = s->next; k != NULL; k = k->next) {
        if (reads_line(k->kind))
            return false;
    }
    return true;
}

static enum sk_err needs_find(struct sk_pipeline_maker *m, const struct sk_ast_stage *first,
                              const struct sk_pipeline_hints *h)
{
    struct sk_pipeline *p = m->pipeline;
    enum sk_err err = SK_OK;
    p->group = sk_arena_calloc(m->arena, h->name_count + 1, sizeof(*p->group));
    if (p->group == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < h->name_count && err == SK_OK; i++)
        err = sk_pipeline_pin_read(m, h->names[i], &p->group[i]);
    if (err == SK_OK && h->unwrap.len > 0)
        err = sk_pipeline_pin_read(m, h->unwrap, &p->unwrap);
    for (const struct sk_ast_stage *s = first; s != NULL && err == SK_OK; s = s->next)
        err = is_left_out(s, h) ? SK_OK : stage_reads(m, s);
    for (const struct sk_ast_stage *s = h->post_filters; s != NULL && err == SK_OK; s = s->next)
        err = stage_reads(m, s);
    return err;
}

static size_t hint_names_bound(const struct sk_pipeline_hints *h)
{
    size_t n = 2 * h->name_count + 2;
    for (const struct sk_ast_stage *s = h->post_filters; s != NULL; s = s->next)
        n += 2 * names_bound(s);
    return n;
}

/* ---- the whole ---- */

/* For each name the first filter that looks at it alone. */
static enum sk_err early_find(struct sk_pipeline_maker *m, const enum sk_ast_stage_kind *kind)
{
    struct sk_pipeline *p = m->pipeline;
    p->early = sk_arena_calloc(m->arena, p->name_count, sizeof(const struct sk_label_test *));
    if (p->early == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < p->stage_count; i++) {
        size_t name;
        if (kind[i] != SK_STAGE_LABEL_FILTER)
            continue;
        const struct sk_label_test *t = sk_label_filter_single(&p->stages[i], &name);
        if (t != NULL && p->early[name] == NULL)
            p->early[name] = t;
    }
    return SK_OK;
}

static enum sk_err maker_begin(struct sk_pipeline_maker *m, const struct sk_ast_stage *first,
                               const struct sk_pipeline_hints *h, size_t *ret_stages)
{
    size_t names = SK_NAMES_FIXED + hint_names_bound(h), stages = 0, name;
    struct sk_pipeline *p = m->pipeline;
    for (const struct sk_ast_stage *s = first; s != NULL; s = s->next) {
        names += 2 * names_bound(s); /* each with and without a suffix */
        stages++;
    }
    for (const struct sk_ast_stage *s = h->post_filters; s != NULL; s = s->next)
        stages++;
    p->name_cap = names;
    p->names = sk_arena_calloc(m->arena, names, sizeof(*p->names));
    p->stages = sk_arena_calloc(m->arena, stages + 1, sizeof(*p->stages));
    p->required = sk_arena_calloc(m->arena, names, sizeof(*p->required));
    p->need = h->need;
    p->unwrap = SIZE_MAX;
    if (p->names == NULL || p->stages == NULL || p->required == NULL ||
        sk_pipeline_pin(m, SK_STR("__error__"), &name) != SK_OK ||
        sk_pipeline_pin(m, SK_STR("__error_details__"), &name) != SK_OK ||
        sk_pipeline_pin(m, SK_STR("__preserve_error__"), &name) != SK_OK)
        return SK_ENOMEM;
    *ret_stages = stages;
    return SK_OK;
}

/* Compiles the stages in front of unwrap, and behind them the filters after it. */
static enum sk_err stages_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *first,
                                 const struct sk_pipeline_hints *h, enum sk_ast_stage_kind *kind,
                                 struct sk_error *reterr)
{
    struct sk_pipeline *p = m->pipeline;
    enum sk_err err = SK_OK;
    for (const struct sk_ast_stage *s = first; s != NULL && err == SK_OK; s = s->next) {
        size_t at = p->stage_count;
        if (is_left_out(s, h))
            continue;
        err = stage_create(m, s, &p->stages[at], reterr);
        if (err != SK_OK)
            return err;
        kind[at] = s->kind;
        stage_place(p->stages, kind, at);
        p->stage_count++;
    }
    p->post_at = p->stage_count;
    for (const struct sk_ast_stage *s = h->post_filters; s != NULL && err == SK_OK; s = s->next)
        err = stage_create(m, s, &p->stages[p->post_at++], reterr);
    return err;
}

enum sk_err sk_pipeline_create_metric(struct sk_arena *arena, const struct sk_ast_log *log,
                                      const struct sk_pipeline_hints *hints,
                                      const struct sk_pipeline **ret, struct sk_error *reterr)
{
    size_t stages = 0;
    enum sk_ast_stage_kind *kind = NULL;
    struct sk_pipeline_maker m = {.arena = arena};
    m.pipeline = sk_arena_calloc(arena, 1, sizeof(*m.pipeline));
    enum sk_err err = m.pipeline == NULL ? SK_ENOMEM : maker_begin(&m, log->stages, hints, &stages);
    if (err == SK_OK) {
        kind = sk_arena_calloc(arena, stages + 1, sizeof(*kind));
        err = kind == NULL ? SK_ENOMEM : SK_OK;
    }
    if (err == SK_OK) {
        err = stages_create(&m, log->stages, hints, kind, reterr);
        if (err != SK_OK)
            goto out;
        err = needs_find(&m, log->stages, hints);
    }
    if (err == SK_OK)
        err = early_find(&m, kind);
    if (err != SK_OK) {
        (void)sk_error_set(reterr, err, "out of memory");
        goto out;
    }
    needle_choose(m.pipeline, kind);
    m.pipeline->line_only = m.pipeline->lead_count == m.pipeline->stage_count;
    *ret = m.pipeline;
out:
    sk_hmap_deinit(&m.names);
    return err;
}

enum sk_err sk_pipeline_create(struct sk_arena *arena, const struct sk_ast_log *log,
                               const struct sk_pipeline **ret, struct sk_error *reterr)
{
    struct sk_pipeline_hints all = {.need = SK_NEED_ALL};
    return sk_pipeline_create_metric(arena, log, &all, ret, reterr);
}

bool sk_pipeline_line_only(const struct sk_pipeline *p)
{
    return p->line_only;
}

struct sk_str sk_pipeline_needle(const struct sk_pipeline *p)
{
    return p->needle;
}

bool sk_pipeline_is_empty(const struct sk_pipeline *p)
{
    return p->stage_count == 0;
}

/* ---- running ---- */

enum sk_err sk_pipeline_run_create(const struct sk_pipeline *p, size_t arena_max,
                                   struct sk_budget *budget, struct sk_pipeline_run **ret)
{
    struct sk_pipeline_run *run = sk_calloc(1, sizeof(*run));
    if (run == NULL)
        return SK_ENOMEM;
    run->pipeline = p;
    run->line = SK_STR("");
    sk_arena_init(&run->arena, arena_max, budget);
    sk_strbuf_init(&run->path, PATH_BYTES_MAX);
    sk_tmpl_scratch_init(&run->tmpl);
    if (!sk_label_builder_init(&run->labels, p->names, p->name_count, arena_max, budget)) {
        sk_pipeline_run_destroy(run);
        return SK_ENOMEM;
    }
    for (size_t i = 0; i < p->name_count && p->need != SK_NEED_NAMED; i++)
        run->labels.pinned[i].early = p->early[i];
    for (size_t i = 0; i < p->required_count; i++)
        run->labels.pinned[p->required[i]].required = true;
    run->labels.required_count = p->required_count;
    *ret = run;
    return SK_OK;
}

void sk_pipeline_run_destroy(struct sk_pipeline_run *run)
{
    if (run == NULL)
        return;
    sk_label_builder_deinit(&run->labels);
    sk_text_scratch_deinit(&run->scratch);
    sk_tmpl_scratch_deinit(&run->tmpl);
    sk_strbuf_deinit(&run->path);
    sk_arena_deinit(&run->arena);
    sk_free(run);
}

void sk_pipeline_run_stream(struct sk_pipeline_run *run, struct sk_labelset stream)
{
    sk_label_builder_stream(&run->labels, stream);
    run->meta_count = 0;
    run->labels_begun = false;
    run->passed_set = false;
}

bool sk_pipeline_line_passes(struct sk_pipeline_run *run, struct sk_str line, bool needle_hit)
{
    const struct sk_pipeline *p = run->pipeline;
    run->passed_set = false;
    if (line.len == 0)
        line = SK_STR("");
    for (size_t i = 0; i < p->lead_count; i++) {
        if (needle_hit && i == p->needle_stage)
            continue;
        if (!sk_text_test_match(sk_line_filter_test(&p->stages[i]), &run->scratch, line) &&
            !run->scratch.failed) /* an entry that runs tells of it */
            return false;
    }
    run->passed = line;
    run->passed_set = !run->scratch.failed;
    return true;
}

static void labels_begin(struct sk_pipeline_run *run)
{
    sk_label_builder_entry(&run->labels, run->meta, run->meta_count);
    run->labels_begun = true;
}

static bool run_failed(const struct sk_pipeline_run *run)
{
    return run->scratch.failed || (run->labels_begun && run->labels.failed);
}

enum sk_pipeline_verdict sk_pipeline_run_entry(struct sk_pipeline_run *run, int64_t ts_ns,
                                               struct sk_str line, const struct sk_label *meta,
                                               size_t meta_count)
{
    const struct sk_pipeline *p = run->pipeline;
    size_t at = 0;
    run->line = line.len == 0 ? SK_STR("") : line;
    if (run->passed_set && run->passed.ptr == run->line.ptr && run->passed.len == run->line.len)
        at = p->lead_count;
    run->passed_set = false;
    run->scratch.failed = false;
    run->ts_ns = ts_ns;
    run->meta = meta;
    run->meta_count = meta_count;
    run->labels_begun = false;
    sk_arena_reset(&run->arena);
    for (; at < p->stage_count; at++) {
        if (at >= p->lead_count && !run->labels_begun)
            labels_begin(run);
        enum sk_pipeline_verdict v = p->stages[at].fn(run, p->stages[at].data);
        if (run_failed(run))
            return SK_PIPELINE_ERROR;
        if (v != SK_PIPELINE_KEEP)
            return v;
    }
    return SK_PIPELINE_KEEP;
}

struct sk_str sk_pipeline_run_line(const struct sk_pipeline_run *run)
{
    return run->line;
}

enum sk_err sk_pipeline_run_labels(struct sk_pipeline_run *run, struct sk_pipeline_labels *ret)
{
    struct sk_pipeline_labels got;
    if (!run->labels_begun)
        labels_begin(run);
    if (run->labels.failed || !sk_label_stream_set(&run->labels, &run->arena, &got.stream) ||
        !sk_label_category_set(&run->labels, &run->arena, SK_LABEL_META, &got.meta) ||
        !sk_label_category_set(&run->labels, &run->arena, SK_LABEL_PARSED, &got.parsed))
        return SK_ENOMEM;
    *ret = got;
    return SK_OK;
}

/* ---- metric queries ---- */

bool sk_pipeline_run_value(struct sk_pipeline_run *run, struct sk_str *ret)
{
    struct sk_str value;
    if (!run->labels_begun)
        labels_begin(run);
    if (!sk_label_get(&run->labels, sk_run_pinned(run, run->pipeline->unwrap), &value) ||
        value.len == 0)
        return false;
    *ret = value;
    return true;
}

bool sk_pipeline_run_group(struct sk_pipeline_run *run, size_t i, struct sk_str *ret)
{
    size_t name = run->pipeline->group[i];
    if (!run->labels_begun)
        labels_begin(run);
    struct sk_str error = name == SK_NAME_ERROR           ? run->labels.error
                          : name == SK_NAME_ERROR_DETAILS ? run->labels.error_details
                                                          : SK_STR("");
    if (error.len > 0) {
        *ret = error;
        return true;
    }
    return sk_label_get(&run->labels, sk_run_pinned(run, name), ret);
}

void sk_pipeline_run_mark(struct sk_pipeline_run *run, struct sk_str error, struct sk_str details)
{
    struct sk_str e = sk_arena_str(&run->arena, error), d = sk_arena_str(&run->arena, details);
    run->labels.failed |= e.ptr == NULL || d.ptr == NULL;
    if (!run->labels.failed)
        sk_run_error(run, e, d);
}

struct sk_str sk_pipeline_run_error(const struct sk_pipeline_run *run, bool *ret_shown)
{
    *ret_shown = false;
    if (!run->labels_begun)
        return SK_STR("");
    *ret_shown = run->labels.parser_error && run->labels.pinned[SK_NAME_ERROR].required;
    return run->labels.error;
}

enum sk_pipeline_verdict sk_pipeline_run_post(struct sk_pipeline_run *run)
{
    const struct sk_pipeline *p = run->pipeline;
    if (!run->labels_begun)
        labels_begin(run);
    for (size_t at = p->stage_count; at < p->post_at; at++) {
        enum sk_pipeline_verdict v = p->stages[at].fn(run, p->stages[at].data);
        if (run_failed(run))
            return SK_PIPELINE_ERROR;
        if (v != SK_PIPELINE_KEEP)
            return v;
    }
    return SK_PIPELINE_KEEP;
}
