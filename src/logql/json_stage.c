/* SPDX-License-Identifier: Apache-2.0 */
/* json_stage.c -- | json without expressions: every member of the line's object becomes a label,
 * members of nested objects with their path joined by '_'. */
#include "logql/json_walk.h"
#include "logql/pipeline_int.h"

/* The name under construction is run->path: the part before `prefix` belongs to the objects around. */
static struct sk_label_slot *member_slot(struct sk_pipeline_run *run, size_t prefix,
                                         struct sk_str key)
{
    struct sk_strbuf *path = &run->path;
    if (prefix == 0 && sk_key_is_plain(key))
        return sk_label_slot_of(&run->labels, key);
    path->len = prefix;
    if (prefix > 0)
        sk_strbuf_putc(path, '_');
    size_t joined = path->len;
    sk_key_sanitize(path, key);
    if (path->len == joined)
        path->len = prefix; /* nothing is left of a blank key, and no '_' before it */
    run->labels.failed |= path->failed;
    if (path->len == 0 || path->failed)
        return NULL;
    return sk_label_slot_of(&run->labels, sk_strbuf_view(path));
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
    struct sk_label_slot *slot = member_slot(run, prefix, key);
    slot = slot == NULL ? NULL : sk_run_extract_to(run, slot);
    if (slot == NULL)
        return !run->labels.failed;
    return member_value(run, v, &value) && sk_run_extract(run, slot, value);
}

/* The prefix for the members of a nested object. */
static size_t nested_prefix(struct sk_pipeline_run *run, size_t prefix, struct sk_str key)
{
    struct sk_strbuf *path = &run->path;
    path->len = prefix;
    if (prefix > 0)
        sk_strbuf_putc(path, '_');
    size_t joined = path->len;
    sk_key_sanitize(path, key);
    run->labels.failed |= path->failed;
    return path->len == joined ? prefix : path->len;
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
    while (fault == SK_JW_OK && !*ret_rejected) {
        fault = sk_jw_member(&w, &key, &value);
        if (fault != SK_JW_OK || w.done)
            break;
        if (value.kind == SK_JW_MAP)
            fault = object_walk(run, value.raw, nested_prefix(run, prefix, key), depth + 1,
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
    sk_strbuf_reset(&run->path);
    enum sk_jw_fault fault = object_walk(run, run->line, 0, 1, &rejected);
    if (fault == SK_JW_NOMEM)
        run->labels.failed = true;
    if (rejected)
        return SK_PIPELINE_DROP;
    if (fault != SK_JW_OK)
        sk_run_error(run, SK_STR("JSONParserErr"), sk_jw_fault_text(fault));
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
