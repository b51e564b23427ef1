/* SPDX-License-Identifier: Apache-2.0 */
/* json_paths.c -- see json_paths.h. The walk is that of json_stage.c without the labels. */
#include "logql/json_paths.h"

#include "logql/json_walk.h"
#include "logql/pipeline_int.h"

enum { NAME_BYTES_MAX = 16 << 20 };

struct walk {
    struct sk_arena *arena;
    struct sk_strbuf name;
    const struct sk_json_path *first, **tail;
    bool failed;
};

static struct sk_json_path *node_add(struct walk *w, const struct sk_json_path *parent,
                                     struct sk_str key)
{
    struct sk_json_path *n = sk_arena_alloc(w->arena, sizeof(*n));
    w->failed |= n == NULL;
    if (n != NULL)
        *n = (struct sk_json_path){.parent = parent, .name = SK_STR(""), .key = key};
    return n;
}

static void leaf_add(struct walk *w, const struct sk_json_path *parent, struct sk_str key)
{
    struct sk_json_path *n = node_add(w, parent, key);
    if (n == NULL)
        return;
    n->name = sk_arena_str(w->arena, sk_strbuf_view(&w->name));
    w->failed |= n->name.ptr == NULL;
    *w->tail = n;
    w->tail = &n->next;
}

static enum sk_jw_fault object_walk(struct walk *w, struct sk_str text, size_t prefix,
                                    const struct sk_json_path *parent, unsigned depth)
{
    struct sk_jw jw;
    struct sk_jw_value value;
    struct sk_str key;
    if (depth > SK_PIPELINE_JSON_DEPTH_MAX)
        return SK_JW_DEPTH;
    enum sk_jw_fault fault = sk_jw_begin(&jw, text, w->arena);
    while (fault == SK_JW_OK && !w->failed) {
        fault = sk_jw_member(&jw, &key, &value);
        if (fault != SK_JW_OK || jw.done)
            break;
        sk_json_name_join(&w->name, prefix, key);
        w->failed |= w->name.failed;
        if (value.kind == SK_JW_MAP)
            fault = object_walk(w, value.raw, w->name.len, node_add(w, parent, key), depth + 1);
        else if (value.kind != SK_JW_LIST && value.kind != SK_JW_NULL && w->name.len > 0)
            leaf_add(w, parent, key);
    }
    return fault;
}

enum sk_err sk_json_paths(struct sk_arena *arena, struct sk_str line,
                          const struct sk_json_path **ret)
{
    struct walk w = {.arena = arena};
    w.tail = &w.first;
    sk_strbuf_init(&w.name, NAME_BYTES_MAX);
    enum sk_jw_fault fault = object_walk(&w, line, 0, NULL, 1);
    sk_strbuf_deinit(&w.name);
    if (fault == SK_JW_NOMEM || w.failed)
        return SK_ENOMEM;
    *ret = w.first;
    return SK_OK;
}
