/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_stages.c -- | line_format and | label_format. Whoever fails says so in the error labels and
 * leaves the line or the label as it is. */
#include "logql/pipeline_int.h"

#define FORMAT_ERROR SK_STR("TemplateFormatErr")

/* Templates of one stage with the labels that any of them reads. */
struct reads {
    size_t *names; /* pinned */
    size_t count;
};

/* ---- what templates read ---- */

/* Where a template's names begin in the stage's list is up to the caller. */
static enum sk_err names_pin(struct sk_pipeline_maker *m, const struct sk_tmpl *t, size_t *names)
{
    struct sk_tmpl_names n = sk_tmpl_names(t);
    for (size_t i = 0; i < n.count; i++) {
        enum sk_err err = sk_pipeline_pin_read(m, n.items[i], &names[i]);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}

static struct sk_str label_value(struct sk_pipeline_run *run, size_t name)
{
    const struct sk_label_builder *b = &run->labels;
    if (name == SK_NAME_ERROR && b->error.len > 0)
        return b->error;
    if (name == SK_NAME_ERROR_DETAILS && b->error_details.len > 0)
        return b->error_details;
    return sk_label_value(b, sk_run_pinned(run, name));
}

/* NULL: out of memory. */
static struct sk_str *values_get(struct sk_pipeline_run *run, const struct reads *r)
{
    struct sk_str *values = sk_arena_alloc(&run->arena, (r->count + 1) * sizeof(*values));
    for (size_t i = 0; values != NULL && i < r->count; i++)
        values[i] = label_value(run, r->names[i]);
    return values;
}

/* All labels, of all categories, with the error labels. */
static bool map_make(void *ctx, struct sk_labelset *ret)
{
    struct sk_pipeline_run *run = ctx;
    struct sk_pipeline_labels l;
    if (sk_pipeline_run_labels(run, &l) != SK_OK)
        return false;
    const struct sk_labelset sets[] = {l.stream, l.meta, l.parsed};
    size_t count = l.stream.count + l.meta.count + l.parsed.count, n = 0;
    struct sk_label *items = sk_arena_alloc(&run->arena, (count + 1) * sizeof(*items));
    if (items == NULL)
        return false;
    for (size_t i = 0; i < SK_COUNT_OF(sets); i++) {
        if (sets[i].count > 0)
            memcpy(items + n, sets[i].items, sets[i].count * sizeof(*items));
        n += sets[i].count;
    }
    sk_labels_sort(items, n);
    *ret = (struct sk_labelset){items, n};
    return true;
}

/* A map that was made before. */
static bool map_give(void *ctx, struct sk_labelset *ret)
{
    *ret = *(const struct sk_labelset *)ctx;
    return true;
}

static struct sk_tmpl_input input(struct sk_pipeline_run *run, const struct sk_str *values)
{
    return (struct sk_tmpl_input){.arena = &run->arena,
                                  .scratch = &run->tmpl,
                                  .line = run->line,
                                  .ts_ns = run->ts_ns,
                                  .values = values,
                                  .map = map_make,
                                  .map_ctx = run};
}

/* `after` precedes the text of what is wrong. */
static enum sk_err compile_error(enum sk_err err, const struct sk_error *why,
                                 struct sk_error *reterr, const char *before, struct sk_str name,
                                 const char *after)
{
    return sk_error_set(reterr, err, "%s%.*s%s%s", before, SK_STR_ARG(name), after, why->text);
}

/* ---- line_format ---- */

struct line_format {
    const struct sk_tmpl *tmpl;
    struct reads reads;
    bool is_field; /* `{{.name}}` alone: a plain lookup, which does not see the error labels */
    size_t field;  /* pinned */
};

static enum sk_pipeline_verdict line_format_run(struct sk_pipeline_run *run, const void *data)
{
    const struct line_format *f = data;
    struct sk_str text;
    if (f->is_field) {
        text = sk_label_value(&run->labels, sk_run_pinned(run, f->field));
        run->line = text.len == 0 ? SK_STR("") : text;
        return SK_PIPELINE_KEEP;
    }
    const struct sk_str *values = values_get(run, &f->reads);
    if (values == NULL)
        return SK_PIPELINE_ERROR;
    struct sk_tmpl_input in = input(run, values);
    switch (sk_tmpl_execute(f->tmpl, &in, &text)) {
    case SK_TMPL_DONE:
        run->line = text.len == 0 ? SK_STR("") : text;
        return SK_PIPELINE_KEEP;
    case SK_TMPL_FAILED:
        sk_run_error(run, FORMAT_ERROR, text);
        return SK_PIPELINE_KEEP;
    case SK_TMPL_NO_MEMORY:
        break;
    }
    return SK_PIPELINE_ERROR;
}

enum sk_err sk_stage_line_format_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                        struct sk_stage *ret, struct sk_error *reterr)
{
    struct sk_error why = {.text = ""};
    struct sk_str field;
    struct line_format *f = sk_arena_calloc(m->arena, 1, sizeof(*f));
    if (f == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_tmpl_compile(m->arena, SK_STR("line"), ast->text, &f->tmpl, &why);
    if (err != SK_OK)
        return compile_error(err, &why, reterr, "invalid line template: ", SK_STR(""), "");
    f->reads.count = sk_tmpl_names(f->tmpl).count;
    f->reads.names = sk_arena_calloc(m->arena, f->reads.count + 1, sizeof(*f->reads.names));
    if (f->reads.names == NULL)
        return SK_ENOMEM;
    err = names_pin(m, f->tmpl, f->reads.names);
    f->is_field = sk_tmpl_is_field(f->tmpl, &field);
    if (err == SK_OK && f->is_field)
        err = sk_pipeline_pin(m, field, &f->field);
    if (err == SK_OK)
        *ret = (struct sk_stage){line_format_run, f};
    return err;
}

/* ---- label_format ---- */

struct format {
    size_t to, from;            /* pinned; `from` of a rename */
    const struct sk_tmpl *tmpl; /* NULL: a rename */
    size_t values_at;           /* of the template's names in the stage's list */
};

struct label_format {
    struct format *items;
    size_t count;
    struct reads reads; /* of all templates, one after the other */
    bool keeps_map;     /* several templates, one of which looks at the labels as a map */
};

/* What the templates of one stage see: the labels as they are before the first of them. */
struct before {
    struct sk_str *values; /* NULL: no template has run */
    struct sk_labelset map;
};

static void rename_run(struct sk_pipeline_run *run, const struct format *f)
{
    struct sk_label_builder *b = &run->labels;
    struct sk_label_slot *from = sk_run_pinned(run, f->from);
    struct sk_str value;
    if (!sk_label_get(b, from, &value))
        return;
    sk_label_write(b, sk_run_pinned(run, f->to), value);
    sk_label_delete(b, from);
}

/* false: out of memory. */
static bool template_run(struct sk_pipeline_run *run, const struct label_format *stage,
                         const struct format *f, struct before *before)
{
    struct sk_str text;
    if (before->values == NULL) {
        before->values = values_get(run, &stage->reads);
        if (before->values == NULL || (stage->keeps_map && !map_make(run, &before->map)))
            return false;
    }
    struct sk_tmpl_input in = input(run, before->values + f->values_at);
    if (stage->keeps_map) {
        in.map = map_give;
        in.map_ctx = &before->map;
    }
    switch (sk_tmpl_execute(f->tmpl, &in, &text)) {
    case SK_TMPL_DONE:
        sk_label_write(&run->labels, sk_run_pinned(run, f->to), text);
        return true;
    case SK_TMPL_FAILED:
        sk_run_error(run, FORMAT_ERROR, text);
        return true;
    case SK_TMPL_NO_MEMORY:
        break;
    }
    return false;
}

static enum sk_pipeline_verdict label_format_run(struct sk_pipeline_run *run, const void *data)
{
    const struct label_format *stage = data;
    struct before before = {.values = NULL};
    for (size_t i = 0; i < stage->count; i++) {
        if (stage->items[i].tmpl == NULL)
            rename_run(run, &stage->items[i]);
        else if (!template_run(run, stage, &stage->items[i], &before))
            return SK_PIPELINE_ERROR;
    }
    return SK_PIPELINE_KEEP;
}

/* What Loki refuses about the targets. Names are pinned, so equal ones have one index. */
static enum sk_err targets_check(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                 struct sk_error *reterr)
{
    bool *seen = sk_arena_calloc(m->arena, m->pipeline->name_cap, sizeof(*seen));
    if (seen == NULL)
        return SK_ENOMEM;
    for (const struct sk_ast_label_format *f = ast->formats; f != NULL; f = f->next) {
        size_t name;
        enum sk_err err = sk_pipeline_pin(m, f->name, &name);
        if (err != SK_OK)
            return err;
        if (name == SK_NAME_ERROR)
            return sk_error_set(reterr, SK_EPARSE, "__error__ cannot be formatted");
        if (seen[name])
            return sk_error_set(
                reterr, SK_EPARSE,
                "multiple label name '%.*s' not allowed in a single format operation",
                SK_STR_ARG(f->name));
        seen[name] = true;
    }
    return SK_OK;
}

static enum sk_err format_create(struct sk_pipeline_maker *m, const struct sk_ast_label_format *ast,
                                 struct label_format *stage, struct sk_error *reterr)
{
    struct sk_error why = {.text = ""};
    struct format *f = &stage->items[stage->count++];
    enum sk_err err = sk_pipeline_pin(m, ast->name, &f->to);
    if (err != SK_OK || ast->rename)
        return err != SK_OK ? err : sk_pipeline_pin(m, ast->value, &f->from);
    err = sk_tmpl_compile(m->arena, SK_STR("label"), ast->value, &f->tmpl, &why);
    if (err != SK_OK)
        return compile_error(err, &why, reterr, "invalid template for label '", ast->name, "': ");
    f->values_at = stage->reads.count;
    stage->reads.count += sk_tmpl_names(f->tmpl).count;
    return SK_OK;
}

static enum sk_err reads_create(struct sk_pipeline_maker *m, struct label_format *stage)
{
    size_t templates = 0;
    stage->reads.names =
        sk_arena_calloc(m->arena, stage->reads.count + 1, sizeof(*stage->reads.names));
    if (stage->reads.names == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < stage->count; i++) {
        const struct format *f = &stage->items[i];
        if (f->tmpl == NULL)
            continue;
        enum sk_err err = names_pin(m, f->tmpl, stage->reads.names + f->values_at);
        if (err != SK_OK)
            return err;
        templates++;
        stage->keeps_map |= sk_tmpl_names(f->tmpl).reads_map;
    }
    stage->keeps_map &= templates > 1;
    return SK_OK;
}

enum sk_err sk_stage_label_format_create(struct sk_pipeline_maker *m,
                                         const struct sk_ast_stage *ast, struct sk_stage *ret,
                                         struct sk_error *reterr)
{
    size_t count = 0;
    for (const struct sk_ast_label_format *f = ast->formats; f != NULL; f = f->next)
        count++;
    enum sk_err err = targets_check(m, ast, reterr);
    if (err != SK_OK)
        return err;
    struct label_format *stage = sk_arena_calloc(m->arena, 1, sizeof(*stage));
    if (stage == NULL)
        return SK_ENOMEM;
    stage->items = sk_arena_calloc(m->arena, count, sizeof(*stage->items));
    if (stage->items == NULL)
        return SK_ENOMEM;
    for (const struct sk_ast_label_format *f = ast->formats; f != NULL; f = f->next) {
        err = format_create(m, f, stage, reterr);
        if (err != SK_OK)
            return err;
    }
    err = reads_create(m, stage);
    if (err == SK_OK)
        *ret = (struct sk_stage){label_format_run, stage};
    return err;
}
