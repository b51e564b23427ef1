/* SPDX-License-Identifier: Apache-2.0 */
/* label_stages.c -- | drop and | keep: stages that take labels away. */
#include "labels/matcher.h"
#include "logql/pipeline_int.h"

struct named {
    size_t name; /* pinned */
    bool has_matcher;
    struct sk_matcher matcher;
};

struct named_list {
    struct named *items;
    size_t count;
};

static void matcher_release(void *matcher)
{
    sk_matcher_deinit(matcher);
}

static enum sk_err named_create(struct sk_pipeline_maker *m, const struct sk_ast_named *ast,
                                struct named *ret, struct sk_error *reterr)
{
    static const enum sk_matcher_kind matcher_kinds[] = {[SK_MATCH_EQ] = SK_MATCHER_EQ,
                                                         [SK_MATCH_NEQ] = SK_MATCHER_NEQ,
                                                         [SK_MATCH_RE] = SK_MATCHER_RE,
                                                         [SK_MATCH_NRE] = SK_MATCHER_NRE};
    enum sk_err err = sk_pipeline_pin(m, ast->name, &ret->name);
    if (err != SK_OK || !ast->has_matcher)
        return err;
    err = sk_matcher_init(&ret->matcher, matcher_kinds[ast->op], ast->name, ast->value, reterr);
    if (err != SK_OK)
        return err;
    if (!sk_arena_on_deinit(m->arena, matcher_release, &ret->matcher)) {
        sk_matcher_deinit(&ret->matcher);
        return SK_ENOMEM;
    }
    ret->has_matcher = true;
    return SK_OK;
}

static enum sk_err named_list_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                     const struct named_list **ret, struct sk_error *reterr)
{
    size_t count = 0;
    for (const struct sk_ast_named *n = ast->named; n != NULL; n = n->next)
        count++;
    struct named_list *list = sk_arena_calloc(m->arena, 1, sizeof(*list));
    if (list == NULL)
        return SK_ENOMEM;
    list->items = sk_arena_calloc(m->arena, count, sizeof(*list->items));
    if (list->items == NULL)
        return SK_ENOMEM;
    for (const struct sk_ast_named *n = ast->named; n != NULL; n = n->next) {
        enum sk_err err = named_create(m, n, &list->items[list->count++], reterr);
        if (err != SK_OK)
            return err;
    }
    *ret = list;
    return SK_OK;
}

/* The error slot that a name stands for, or NULL. */
static struct sk_str *error_slot(struct sk_label_builder *b, size_t name)
{
    if (name == SK_NAME_ERROR)
        return &b->error;
    return name == SK_NAME_ERROR_DETAILS ? &b->error_details : NULL;
}

static enum sk_pipeline_verdict drop_run(struct sk_pipeline_run *run, const void *data)
{
    const struct named_list *list = data;
    struct sk_label_builder *b = &run->labels;
    for (size_t i = 0; i < list->count; i++) {
        const struct named *n = &list->items[i];
        struct sk_label_slot *slot = sk_run_pinned(run, n->name);
        struct sk_str *error = error_slot(b, n->name);
        struct sk_str value = error != NULL ? *error : sk_label_value(b, slot);
        if (n->has_matcher && !sk_matcher_matches(&n->matcher, value))
            continue;
        if (error != NULL)
            *error = SK_STR("");
        else
            sk_label_delete(b, slot);
    }
    return SK_PIPELINE_KEEP;
}

static enum sk_pipeline_verdict keep_run(struct sk_pipeline_run *run, const void *data)
{
    const struct named_list *list = data;
    struct sk_label_builder *b = &run->labels;
    b->mark_seq++;
    for (size_t i = 0; i < list->count; i++) {
        const struct named *n = &list->items[i];
        struct sk_label_slot *slot = sk_run_pinned(run, n->name);
        if (!n->has_matcher || sk_matcher_matches(&n->matcher, sk_label_value(b, slot)))
            slot->mark = b->mark_seq;
    }
    sk_label_keep_marked(b);
    return SK_PIPELINE_KEEP;
}

enum sk_err sk_stage_drop_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                 struct sk_stage *ret, struct sk_error *reterr)
{
    const struct named_list *list;
    enum sk_err err = named_list_create(m, ast, &list, reterr);
    if (err == SK_OK)
        *ret = (struct sk_stage){drop_run, list};
    return err;
}

enum sk_err sk_stage_keep_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                 struct sk_stage *ret, struct sk_error *reterr)
{
    const struct named_list *list;
    enum sk_err err = named_list_create(m, ast, &list, reterr);
    if (err == SK_OK)
        *ret = (struct sk_stage){keep_run, list};
    return err;
}
