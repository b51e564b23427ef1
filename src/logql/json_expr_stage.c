/* SPDX-License-Identifier: Apache-2.0 */
/* json_expr_stage.c -- | json a="b.c[0]", d: chosen members become labels.
 *
 * All expressions are followed in one walk over the line: at each object the expressions whose next
 * step is a member's key go on into it, the others wait; what no expression wants is stepped over. */
#include "logql/expr_lex.h"
#include "logql/json_walk.h"
#include "logql/pipeline_int.h"

enum { STEPS_MAX = SK_PIPELINE_JSON_DEPTH_MAX };

struct step {
    bool is_index;
    uint64_t index;
    struct sk_str key;
};

struct path {
    size_t name; /* pinned */
    struct step *steps;
    size_t count;
};

struct json_expr {
    struct path *paths;
    size_t count;
};

/* ---- compiling ---- */

static enum sk_err steps_parse(struct sk_expr_lex *lex, struct step *steps, size_t *ret_count,
                               struct sk_error *reterr)
{
    size_t n = 0;
    enum sk_expr_tok tok = sk_expr_next(lex);
    if (tok != SK_EXPR_NAME && tok != SK_EXPR_OPEN)
        return sk_expr_unexpected(lex, tok, "LSB or FIELD", reterr);
    for (;;) {
        if (tok == SK_EXPR_NAME) {
            steps[n++].key = lex->text;
        } else { /* [ */
            tok = sk_expr_next(lex);
            if (tok != SK_EXPR_STRING && tok != SK_EXPR_INDEX)
                return sk_expr_unexpected(lex, tok, "STRING or INDEX", reterr);
            steps[n].is_index = tok == SK_EXPR_INDEX;
            if (steps[n].is_index && !sk_str_to_u64(lex->text, &steps[n].index))
                steps[n].index = UINT64_MAX; /* no array has so many */
            steps[n++].key = lex->text;
            tok = sk_expr_next(lex);
            if (tok != SK_EXPR_CLOSE)
                return sk_expr_unexpected(lex, tok, "RSB", reterr);
        }
        tok = sk_expr_next(lex);
        if (tok == SK_EXPR_DOT) {
            tok = sk_expr_next(lex);
            if (tok != SK_EXPR_NAME)
                return sk_expr_unexpected(lex, tok, "FIELD", reterr);
        } else if (tok == SK_EXPR_END) {
            break;
        } else if (tok != SK_EXPR_OPEN) {
            return sk_expr_unexpected(lex, tok, NULL, reterr);
        }
    }
    *ret_count = n;
    return sk_expr_finish(lex, reterr);
}

static enum sk_err path_create(struct sk_pipeline_maker *m, const struct sk_ast_extraction *e,
                               struct path *ret, struct sk_error *reterr)
{
    struct sk_expr_lex lex = {.whole = e->expr, .json = true};
    ret->steps = sk_arena_calloc(m->arena, e->expr.len + 1, sizeof(*ret->steps));
    if (ret->steps == NULL)
        return SK_ENOMEM;
    enum sk_err err = steps_parse(&lex, ret->steps, &ret->count, reterr);
    if (err != SK_OK)
        return err;
    if (ret->count > STEPS_MAX)
        return sk_error_set(reterr, SK_EPARSE, "cannot parse expression [%.*s]: too many steps",
                            SK_STR_ARG(e->expr));
    return sk_pipeline_pin(m, e->name, &ret->name);
}

/* ---- running ---- */

/* The paths that lead into the value at hand: indexes into the stage's paths. */
struct walk {
    struct sk_pipeline_run *run;
    const struct json_expr *stage;
    bool *found;
    size_t left; /* to be found */
};

static void value_walk(struct walk *k, const struct sk_jw_value *v, const size_t *active,
                       size_t count, size_t depth);

static void found(struct walk *k, size_t path, const struct sk_jw_value *v)
{
    struct sk_label_builder *b = &k->run->labels;
    struct sk_str value = v->raw;
    if (v->kind == SK_JW_NULL)
        value = SK_STR("");
    else if (v->kind == SK_JW_TEXT && !sk_jw_text(&k->run->arena, v, &value))
        b->failed = true;
    struct sk_label_slot *slot =
        sk_label_target(b, sk_run_pinned(k->run, k->stage->paths[path].name));
    if (slot == NULL || b->failed)
        return;
    sk_label_write(b, slot, sk_run_clean(k->run, value));
    k->found[path] = true;
    k->left--;
}

/* Follows those of `active` whose step at `depth` is this member or element. `room` is for the list
 * of those. */
static void child_walk(struct walk *k, const struct sk_jw_value *v, const size_t *active,
                       size_t count, size_t depth, struct sk_str key, uint64_t index, size_t *room)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct path *p = &k->stage->paths[active[i]];
        const struct step *s = &p->steps[depth];
        bool hit = key.ptr == NULL ? s->is_index && s->index == index
                                   : !s->is_index && sk_str_eq(s->key, key);
        if (k->found[active[i]] || !hit)
            continue;
        if (p->count == depth + 1)
            found(k, active[i], v);
        else
            room[n++] = active[i];
    }
    if (n > 0)
        value_walk(k, v, room, n, depth + 1);
}

static void object_walk(struct walk *k, const struct sk_jw_value *v, const size_t *active,
                        size_t count, size_t depth, size_t *room)
{
    struct sk_jw w;
    struct sk_jw_value value;
    struct sk_str key;
    enum sk_jw_fault fault = sk_jw_begin(&w, v->raw, &k->run->arena);
    while (fault == SK_JW_OK && k->left > 0 && !k->run->labels.failed) {
        fault = sk_jw_member(&w, &key, &value);
        if (fault != SK_JW_OK || w.done)
            break;
        child_walk(k, &value, active, count, depth, key, 0, room);
    }
    if (fault == SK_JW_NOMEM)
        k->run->labels.failed = true;
}

static void array_walk(struct walk *k, const struct sk_jw_value *v, const size_t *active,
                       size_t count, size_t depth, size_t *room)
{
    struct sk_jw w = {.p = v->raw.ptr + 1, .end = v->raw.ptr + v->raw.len};
    struct sk_jw_value value;
    struct sk_str no_key = {NULL, 0};
    for (uint64_t index = 0; k->left > 0 && !k->run->labels.failed; index++) {
        if (sk_jw_peek(&w) == ']' || sk_jw_value(&w, &value) != SK_JW_OK)
            return;
        child_walk(k, &value, active, count, depth, no_key, index, room);
        if (sk_jw_peek(&w) != ',')
            return;
        w.p++;
    }
}

/* Recursion is bounded by STEPS_MAX. */
static void value_walk(struct walk *k, const struct sk_jw_value *v, const size_t *active,
                       size_t count, size_t depth)
{
    if (v->kind != SK_JW_MAP && v->kind != SK_JW_LIST)
        return;
    size_t *room = sk_arena_calloc(&k->run->arena, count, sizeof(*room));
    if (room == NULL)
        k->run->labels.failed = true;
    else if (v->kind == SK_JW_MAP)
        object_walk(k, v, active, count, depth, room);
    else
        array_walk(k, v, active, count, depth, room);
}

/* What was not found is there with an empty value, unless the name is in use. */
static void absent_fill(struct walk *k)
{
    struct sk_label_builder *b = &k->run->labels;
    for (size_t i = 0; i < k->stage->count && !b->failed; i++) {
        struct sk_label_slot *slot = sk_run_pinned(k->run, k->stage->paths[i].name);
        if (!k->found[i] && !sk_label_get(b, slot, NULL))
            sk_label_write(b, slot, SK_STR(""));
    }
}

static enum sk_pipeline_verdict json_expr_run(struct sk_pipeline_run *run, const void *data)
{
    const struct json_expr *stage = data;
    struct sk_str line = run->line;
    if (line.len == 0)
        return SK_PIPELINE_KEEP;
    if (line.ptr[0] != '{' && line.ptr[0] != '[' && line.ptr[0] != '"') {
        run->labels.error = SK_STR("JSONParserErr"); /* without touching the details */
        return SK_PIPELINE_KEEP;
    }
    struct walk k = {.run = run, .stage = stage, .left = stage->count};
    size_t *all = sk_arena_calloc(&run->arena, stage->count, sizeof(*all));
    k.found = sk_arena_calloc(&run->arena, stage->count, sizeof(*k.found));
    if (all == NULL || k.found == NULL)
        return SK_PIPELINE_ERROR;
    for (size_t i = 0; i < stage->count; i++)
        all[i] = i;
    /* the end of the whole is not looked for: what is broken behind the last hit goes unnoticed */
    struct sk_jw_value whole = {.kind = line.ptr[0] == '{' ? SK_JW_MAP : SK_JW_LIST, .raw = line};
    if (line.ptr[0] != '"')
        value_walk(&k, &whole, all, stage->count, 0);
    absent_fill(&k);
    return SK_PIPELINE_KEEP;
}

enum sk_err sk_json_expr_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                struct sk_stage *ret, struct sk_error *reterr)
{
    size_t count = 0;
    for (const struct sk_ast_extraction *e = ast->extractions; e != NULL; e = e->next)
        count++;
    struct json_expr *stage = sk_arena_calloc(m->arena, 1, sizeof(*stage));
    if (stage == NULL)
        return SK_ENOMEM;
    stage->paths = sk_arena_calloc(m->arena, count, sizeof(*stage->paths));
    if (stage->paths == NULL)
        return SK_ENOMEM;
    for (const struct sk_ast_extraction *e = ast->extractions; e != NULL; e = e->next) {
        enum sk_err err = path_create(m, e, &stage->paths[stage->count++], reterr);
        if (err != SK_OK)
            return err;
    }
    *ret = (struct sk_stage){json_expr_run, stage};
    return SK_OK;
}
