/* SPDX-License-Identifier: Apache-2.0 */
/* logfmt_stage.c -- | logfmt, with and without expressions. */
#include "logql/expr_lex.h"
#include "logql/logfmt_scan.h"
#include "logql/pipeline_int.h"

struct target {
    size_t name;        /* pinned */
    struct sk_str expr; /* the key it wants, its own name apart */
};

struct logfmt {
    bool strict, keep_empty;
    struct target *targets; /* NULL: every pair */
    size_t count;
};

/* --strict has met a fault. false: the entry is rejected. */
static bool strict_fault(struct sk_pipeline_run *run, const struct sk_logfmt *s,
                         enum sk_logfmt_result fault)
{
    struct sk_str details =
        sk_arena_printf(&run->arena, "logfmt syntax error at pos %zu : %s",
                        (size_t)(s->p - s->start) + 1, sk_logfmt_fault_text(fault));
    run->labels.failed |= details.ptr == NULL;
    sk_run_error(run, SK_STR("LogfmtParserErr"), details);
    return sk_run_early(run, sk_run_pinned(run, SK_NAME_ERROR));
}

static struct sk_str pair_value(struct sk_pipeline_run *run, const struct sk_logfmt_pair *pair)
{
    struct sk_str value = pair->value;
    if (pair->escaped) {
        char *out = sk_arena_alloc(&run->arena, value.len);
        size_t n = out == NULL ? SIZE_MAX : sk_logfmt_unescape(value, out);
        if (n == SIZE_MAX) { /* the scanner has checked the escapes */
            run->labels.failed = true;
            return SK_STR("");
        }
        value = (struct sk_str){out, n};
    }
    return pair->escaped || pair->high ? sk_run_clean(run, value) : value;
}

/* ---- every pair ---- */

/* false: the entry is rejected. */
static bool pair_extract(struct sk_pipeline_run *run, const struct logfmt *stage,
                         const struct sk_logfmt_pair *pair)
{
    if (pair->value.len == 0 && !stage->keep_empty)
        return true;
    struct sk_label_slot *slot = sk_run_key_slot(run, pair->key);
    slot = slot == NULL ? NULL : sk_run_extract_to(run, slot);
    return slot == NULL || sk_run_extract(run, slot, pair_value(run, pair));
}

static enum sk_pipeline_verdict logfmt_run(struct sk_pipeline_run *run, const void *data)
{
    const struct logfmt *stage = data;
    struct sk_str line = run->line;
    struct sk_logfmt s = {line.ptr, line.ptr, line.ptr + line.len};
    struct sk_logfmt_pair pair;
    for (;;) {
        enum sk_logfmt_result got = sk_logfmt_next(&s, &pair);
        if (got == SK_LOGFMT_END || run->labels.failed)
            return SK_PIPELINE_KEEP;
        if (got == SK_LOGFMT_OK) {
            if (!pair_extract(run, stage, &pair))
                return SK_PIPELINE_DROP;
        } else if (stage->strict) {
            return strict_fault(run, &s, got) ? SK_PIPELINE_KEEP : SK_PIPELINE_DROP;
        } else {
            sk_logfmt_recover(&s, got);
        }
    }
}

/* ---- chosen pairs ---- */

/* Writes the value to each target with this key, as its expression or as its name; whether there was
 * one. */
static bool targets_write(struct sk_pipeline_run *run, const struct logfmt *stage, bool by_expr,
                          struct sk_str key, const struct sk_logfmt_pair *pair)
{
    bool any = false;
    for (size_t i = 0; i < stage->count && !run->labels.failed; i++) {
        const struct target *t = &stage->targets[i];
        struct sk_label_slot *slot = sk_run_pinned(run, t->name);
        if (!sk_str_eq(by_expr ? t->expr : slot->name, key))
            continue;
        any = true;
        slot = sk_label_target(&run->labels, slot);
        if (slot != NULL)
            sk_label_write(&run->labels, slot, pair_value(run, pair));
    }
    return any;
}

static bool is_target_name(const struct sk_pipeline_run *run, const struct logfmt *stage,
                           struct sk_str key)
{
    for (size_t i = 0; i < stage->count; i++) {
        if (sk_str_eq(run->pipeline->names[stage->targets[i].name], key))
            return true;
    }
    return false;
}

/* A pair goes to the targets that ask for its key, else to the one that is called so. A key that an
 * earlier stage has written counts only when a target is called so. */
static void pair_assign(struct sk_pipeline_run *run, const struct logfmt *stage,
                        const struct sk_logfmt_pair *pair)
{
    struct sk_strbuf *path = &run->path;
    sk_strbuf_reset(path);
    sk_key_sanitize(path, pair->key);
    run->labels.failed |= path->failed;
    if (path->failed || path->len == 0)
        return;
    struct sk_str key = sk_strbuf_view(path);
    if (!is_target_name(run, stage, key)) {
        const struct sk_label_slot *known = sk_label_slot_find(&run->labels, key);
        if (known != NULL && sk_label_extracted(&run->labels, known))
            return;
    }
    if (!targets_write(run, stage, true, key, pair))
        (void)targets_write(run, stage, false, key, pair);
}

static enum sk_pipeline_verdict logfmt_expr_run(struct sk_pipeline_run *run, const void *data)
{
    const struct logfmt *stage = data;
    struct sk_str line = run->line;
    struct sk_logfmt s = {line.ptr, line.ptr, line.ptr + line.len};
    struct sk_logfmt_pair pair;
    for (size_t i = 0; i < stage->count; i++) {
        struct sk_label_slot *slot = sk_run_pinned(run, stage->targets[i].name);
        if (sk_label_target(&run->labels, slot) == slot)
            sk_label_write(&run->labels, slot, SK_STR(""));
    }
    while (!run->labels.failed) {
        enum sk_logfmt_result got = sk_logfmt_next(&s, &pair);
        if (got == SK_LOGFMT_END)
            break;
        if (got == SK_LOGFMT_OK) {
            pair_assign(run, stage, &pair);
        } else if (stage->strict) {
            return strict_fault(run, &s, got) ? SK_PIPELINE_KEEP : SK_PIPELINE_DROP;
        } else {
            sk_logfmt_recover(&s, got);
        }
    }
    return SK_PIPELINE_KEEP;
}

/* ---- compiling ---- */

static enum sk_err expr_parse(struct sk_str text, struct sk_str *ret, struct sk_error *reterr)
{
    struct sk_expr_lex lex = {.whole = text};
    enum sk_expr_tok tok = sk_expr_next(&lex);
    if (tok != SK_EXPR_NAME && tok != SK_EXPR_STRING)
        return sk_expr_unexpected(&lex, tok, "STRING or KEY", reterr);
    *ret = lex.text;
    tok = sk_expr_next(&lex);
    if (tok != SK_EXPR_END)
        return sk_expr_unexpected(&lex, tok, NULL, reterr);
    return sk_expr_finish(&lex, reterr);
}

enum sk_err sk_stage_logfmt_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                   struct sk_stage *ret, struct sk_error *reterr)
{
    size_t count = 0;
    struct logfmt *stage = sk_arena_calloc(m->arena, 1, sizeof(*stage));
    if (stage == NULL)
        return SK_ENOMEM;
    stage->strict = ast->logfmt_strict;
    stage->keep_empty = ast->logfmt_keep_empty;
    for (const struct sk_ast_extraction *e = ast->extractions; e != NULL; e = e->next)
        count++;
    if (count == 0) {
        *ret = (struct sk_stage){logfmt_run, stage};
        return SK_OK;
    }
    stage->targets = sk_arena_calloc(m->arena, count, sizeof(*stage->targets));
    if (stage->targets == NULL)
        return SK_ENOMEM;
    for (const struct sk_ast_extraction *e = ast->extractions; e != NULL; e = e->next) {
        struct target *t = &stage->targets[stage->count++];
        enum sk_err err = expr_parse(e->expr, &t->expr, reterr);
        if (err == SK_OK)
            err = sk_pipeline_pin(m, e->name, &t->name);
        if (err != SK_OK)
            return err;
    }
    *ret = (struct sk_stage){logfmt_expr_run, stage};
    return SK_OK;
}
