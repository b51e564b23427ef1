/* SPDX-License-Identifier: Apache-2.0 */
/* json_stage.c -- | json without expressions: every member of the line's object becomes a label,
 * members of nested objects with their path joined by '_'. */
#include "logql/json_walk.h"
#include "logql/pipeline_int.h"

/* The name under construction is run->path: the part before `prefix` belongs to the objects around. */
static struct sk_label_slot *member_slot(struct sk_pipeline_run *run, size_t prefix,
                                         struct sk_str key)
{
    if (prefix == 0 && sk_key_is_plain(key))
        return sk_label_slot_of(&run->labels, key);
    sk_json_name_join(&run->path, prefix, key);
    run->labels.failed |= run->path.failed;
    if (run->path.len == 0 || run->path.failed)
        return NULL;
    return sk_label_slot_of(&run->labels, sk_strbuf_view(&run->path));
}

/* The value of a label; false: none, or out of memory. */
static bool member_value(struct sk_pipeline_run *run, const struct sk_jw_value *v,
                         struct sk_str *ret)
{
    if (v->kind != SK_JW_TEXT) {
        *ret = v->raw;
    } else if (!sk_jw_text(&run->arena, v, ret)) {
        run->labels.failed = true;
        return false;
    }
    if (v->kind != SK_JW_TEXT || v->escaped || v->high)
        *ret = sk_run_clean(run, *ret);
    return true;
}

/* false: the entry is rejected, or out of memory. */
static bool member_extract(struct sk_pipeline_run *run, size_t prefix, struct sk_str key,
                           const struct sk_jw_value *v)
{
    struct sk_str value;
    if (prefix == 0 && run->pipeline->need != SK_NEED_ALL && sk_key_is_plain(key) &&
        !sk_run_wants(run, key))
        return true;
    struct sk_label_slot *slot = member_slot(run, prefix, key);
    slot = slot == NULL ? NULL : sk_run_extract_to(run, slot);
    if (slot == NULL)
        return !run->labels.failed;
    if (!member_value(run, v, &value))
        return false;
    sk_label_write(&run->labels, slot, value);
    return sk_run_done(run) || sk_run_early(run, slot); /* the label that completes is not tested */
}

/* The prefix for the members of a nested object. */
static size_t nested_prefix(struct sk_pipeline_run *run, size_t prefix, struct sk_str key)
{
    sk_json_name_join(&run->path, prefix, key);
    run->labels.failed |= run->path.failed;
    return run->path.len;
}

static enum sk_jw_fault object_walk(struct sk_pipeline_run *run, struct sk_str text, size_t prefix,
                                    unsigned depth, bool *ret_rejected);

/* Objects in which nothing can be that is asked for are stepped over. */
static enum sk_jw_fault nested_walk(struct sk_pipeline_run *run, struct sk_str text, size_t prefix,
                                    unsigned depth, bool *ret_rejected)
{
    if (!sk_run_wants_prefix(run, (struct sk_str){run->path.ptr, prefix}))
        return SK_JW_OK;
    return object_walk(run, text, prefix, depth, ret_rejected);
}

/* SK_JW_OK with *ret_rejected when a filter has refused the entry. */
static enum sk_jw_fault object_walk(struct sk_pipeline_run *run, struct sk_str text, size_t prefix,
                                    unsigned depth, bool *ret_rejected)
{
    struct sk_jw w;
    struct sk_jw_value value;
    struct sk_str key;
    if (depth > SK_PIPELINE_JSON_DEPTH_MAX)
        return SK_JW_DEPTH;
    enum sk_jw_fault fault = sk_jw_begin(&w, text, &run->arena);
    while (fault == SK_JW_OK && !*ret_rejected && !sk_run_done(run)) {
        fault = sk_jw_member(&w, &key, &value);
        if (fault != SK_JW_OK || w.done)
            break;
        if (value.kind == SK_JW_MAP)
            fault = nested_walk(run, value.raw, nested_prefix(run, prefix, key), depth + 1,
                                ret_rejected);
        else if (value.kind != SK_JW_LIST && value.kind != SK_JW_NULL)
            *ret_rejected = !member_extract(run, prefix, key, &value);
    }
    return fault;
}

static enum sk_pipeline_verdict json_run(struct sk_pipeline_run *run, const void *data)
{
    bool rejected = false;
    (void)data; /* nothing to configure */
    if (sk_run_done(run))
        return SK_PIPELINE_KEEP;
    sk_strbuf_reset(&run->path);
    enum sk_jw_fault fault = object_walk(run, run->line, 0, 1, &rejected);
    if (fault == SK_JW_NOMEM)
        run->labels.failed = true;
    if (rejected)
        return SK_PIPELINE_DROP;
    if (fault != SK_JW_OK)
        sk_run_parser_error(run, SK_STR("JSONParserErr"), sk_jw_fault_text(fault));
    return SK_PIPELINE_KEEP;
}

enum sk_err sk_stage_json_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                 struct sk_stage *ret, struct sk_error *reterr)
{
    if (ast->extractions != NULL)
        return sk_json_expr_create(m, ast, ret, reterr);
    *ret = (struct sk_stage){json_run, NULL};
    return SK_OK;
}
