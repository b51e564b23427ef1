/* SPDX-License-Identifier: Apache-2.0 */
/* capture_stages.c -- | pattern and | regexp: labels from captures by position. Values are copied
 * byte by byte, valid UTF-8 or not. */
#include "labels/regex.h"
#include "logql/pattern_expr.h"
#include "logql/pipeline_int.h"

/* ---- pattern ---- */

struct pattern_part {
    bool capture, named; /* <name>, not <_> */
    size_t name;         /* pinned */
    struct sk_str text;  /* literal */
};

struct pattern {
    struct pattern_part *parts;
    size_t count;
};

/* false: the entry is rejected. */
static bool capture_extract(struct sk_pipeline_run *run, size_t name, struct sk_str value)
{
    struct sk_label_slot *slot = sk_run_extract_to(run, sk_run_pinned(run, name));
    return slot == NULL || sk_run_extract(run, slot, value);
}

/* A capture takes what is before the next literal, or all the rest when that does not come: then it
 * is the last. The literal in front is anchored. */
static enum sk_pipeline_verdict pattern_run(struct sk_pipeline_run *run, const void *data)
{
    const struct pattern *stage = data;
    struct sk_str rest = run->line;
    size_t i = 0;
    if (rest.len == 0 || sk_run_done(run))
        return SK_PIPELINE_KEEP;
    if (!stage->parts[0].capture) {
        if (!sk_str_starts(rest, stage->parts[0].text))
            return SK_PIPELINE_KEEP;
        rest.ptr += stage->parts[0].text.len;
        rest.len -= stage->parts[0].text.len;
        i = 1;
    }
    while (i < stage->count) {
        const struct pattern_part *capture = &stage->parts[i++];
        struct sk_str value = rest;
        bool last = i >= stage->count;
        if (!last) {
            size_t at = sk_str_find(rest, stage->parts[i].text, 0);
            last = at == SIZE_MAX;
            value.len = last ? rest.len : at;
        }
        if (capture->named && !capture_extract(run, capture->name, value))
            return SK_PIPELINE_DROP;
        if (last)
            break;
        rest.ptr += value.len + stage->parts[i].text.len;
        rest.len -= value.len + stage->parts[i].text.len;
        i++;
    }
    return SK_PIPELINE_KEEP;
}

enum sk_err sk_stage_pattern_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                    struct sk_stage *ret, struct sk_error *reterr)
{
    struct sk_pattern_part *parts;
    struct pattern *stage = sk_arena_calloc(m->arena, 1, sizeof(*stage));
    (void)reterr; /* the parser has checked the pattern */
    if (stage == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_pattern_split(m->arena, ast->text, &parts, &stage->count);
    if (err != SK_OK)
        return err;
    stage->parts = sk_arena_calloc(m->arena, stage->count + 1, sizeof(*stage->parts));
    if (stage->parts == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < stage->count && err == SK_OK; i++) {
        struct pattern_part *p = &stage->parts[i];
        p->capture = parts[i].capture;
        p->text = parts[i].text;
        p->named = p->capture && !sk_str_is(p->text, "_");
        if (p->named)
            err = sk_pipeline_pin(m, p->text, &p->name);
    }
    if (err == SK_OK)
        *ret = (struct sk_stage){pattern_run, stage};
    return err;
}

/* ---- regexp ---- */

struct group {
    size_t idx;  /* of the capture */
    size_t name; /* pinned */
};

struct regexp {
    const struct sk_regex *regex;
    struct group *groups; /* named ones */
    size_t count;
    size_t caps_count;
};

static enum sk_pipeline_verdict regexp_run(struct sk_pipeline_run *run, const void *data)
{
    const struct regexp *stage = data;
    struct sk_str caps[SK_REGEX_GROUPS_MAX + 1];
    if (!sk_regex_find(stage->regex, run->line, 0, caps, stage->caps_count))
        return SK_PIPELINE_KEEP;
    for (size_t i = 0; i < stage->count; i++) {
        struct sk_str value = caps[stage->groups[i].idx];
        if (value.ptr == NULL)
            value = SK_STR("");
        if (!capture_extract(run, stage->groups[i].name, value))
            return SK_PIPELINE_DROP;
    }
    return SK_PIPELINE_KEEP;
}

static enum sk_err group_create(struct sk_pipeline_maker *m, struct sk_str name, size_t idx,
                                struct regexp *stage)
{
    struct sk_strbuf clean;
    sk_strbuf_init(&clean, name.len + 1);
    sk_key_sanitize(&clean, name);
    struct sk_str text = sk_arena_str(m->arena, sk_strbuf_view(&clean));
    enum sk_err err = clean.failed || text.ptr == NULL ? SK_ENOMEM : SK_OK;
    sk_strbuf_deinit(&clean);
    if (err != SK_OK)
        return err;
    stage->groups[stage->count].idx = idx;
    stage->caps_count = idx + 1;
    return sk_pipeline_pin(m, text, &stage->groups[stage->count++].name);
}

enum sk_err sk_stage_regexp_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                   struct sk_stage *ret, struct sk_error *reterr)
{
    struct regexp *stage = sk_arena_calloc(m->arena, 1, sizeof(*stage));
    if (stage == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_arena_regex(m->arena, ast->text, 0, &stage->regex, reterr);
    if (err != SK_OK)
        return err;
    size_t count = sk_regex_group_count(stage->regex);
    stage->groups = sk_arena_calloc(m->arena, count + 1, sizeof(*stage->groups));
    if (stage->groups == NULL)
        return SK_ENOMEM;
    for (size_t i = 1; i <= count && err == SK_OK; i++) {
        struct sk_str name = sk_regex_group_name(stage->regex, i);
        if (name.len > 0)
            err = group_create(m, name, i, stage);
    }
    if (err == SK_OK)
        *ret = (struct sk_stage){regexp_run, stage};
    return err;
}
