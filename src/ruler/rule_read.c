/* SPDX-License-Identifier: Apache-2.0 */
/* rule_read.c -- from YAML to rules. Any scalar will do as a text, as in Go; null is as if the key
 * were not there. */
#include "base/gotext.h"
#include "config/yaml_node.h"
#include "ruler/rule.h"

struct reader {
    struct sk_arena *arena;
    struct sk_error *reterr;
};

static enum sk_err fault(struct reader *r, const struct sk_config_node *node, const char *wants)
{
    return sk_error_set(r->reterr, SK_EPARSE, "yaml: line %u: not %s", node->line, wants);
}

static enum sk_err no_memory(struct reader *r)
{
    return sk_error_set(r->reterr, SK_ENOMEM, "out of memory");
}

/* The value of a key; NULL when it is absent or null. */
static const struct sk_config_node *at(const struct sk_config_node *map, const char *name)
{
    const struct sk_config_node *node = sk_node_child(map, sk_str_from(name));
    return node == NULL || sk_node_is_null(node) ? NULL : node;
}

static enum sk_err text_get(struct reader *r, const struct sk_config_node *map, const char *name,
                            struct sk_str *ret)
{
    const struct sk_config_node *node = at(map, name);
    if (node == NULL)
        return SK_OK;
    if (node->kind != SK_NODE_SCALAR)
        return fault(r, node, "a text");
    *ret = node->text;
    return SK_OK;
}

/* *ret_given may be NULL. */
static enum sk_err duration_get(struct reader *r, const struct sk_config_node *map,
                                const char *name, int64_t *ret, bool *ret_given)
{
    const struct sk_config_node *node = at(map, name);
    if (node == NULL)
        return SK_OK;
    if (node->kind != SK_NODE_SCALAR || sk_prom_parse_duration(node->text, ret, NULL) != SK_OK)
        return fault(r, node, "a duration");
    if (ret_given != NULL)
        *ret_given = true;
    return SK_OK;
}

static enum sk_err limit_get(struct reader *r, const struct sk_config_node *map, int64_t *ret)
{
    struct sk_value v;
    const struct sk_config_node *node = at(map, "limit");
    if (node == NULL)
        return SK_OK;
    if (node->kind != SK_NODE_SCALAR || sk_scalar_resolve(node, &v) != SK_SCALAR_INT)
        return fault(r, node, "a whole number");
    *ret = v.i;
    return SK_OK;
}

static enum sk_err labels_get(struct reader *r, const struct sk_config_node *map, const char *name,
                              struct sk_labelset *ret)
{
    const struct sk_config_node *node = at(map, name);
    size_t n = 0;
    if (node == NULL)
        return SK_OK;
    if (node->kind != SK_NODE_MAP)
        return fault(r, node, "a map");
    for (const struct sk_config_node *c = node->first; c != NULL; c = c->next)
        n++;
    struct sk_label *items = sk_arena_calloc(r->arena, n + 1, sizeof(*items));
    if (items == NULL)
        return no_memory(r);
    n = 0;
    for (const struct sk_config_node *c = node->first; c != NULL; c = c->next, n++) {
        if (c->kind != SK_NODE_SCALAR)
            return fault(r, c, "a text");
        items[n].name = c->name;
        items[n].value = sk_node_is_null(c) ? SK_STR("") : c->text;
    }
    sk_labels_sort(items, n);
    for (size_t i = 1; i < n; i++) {
        if (sk_str_eq(items[i].name, items[i - 1].name))
            return fault(r, node, "a map with each key once");
    }
    *ret = (struct sk_labelset){items, n};
    return SK_OK;
}

static enum sk_err rule_get(struct reader *r, const struct sk_config_node *node,
                            struct sk_rule *rule)
{
    if (node->kind != SK_NODE_MAP)
        return fault(r, node, "a rule");
    enum sk_err err = text_get(r, node, "record", &rule->record);
    if (err == SK_OK)
        err = text_get(r, node, "alert", &rule->alert);
    if (err == SK_OK)
        err = text_get(r, node, "expr", &rule->expr);
    if (err == SK_OK)
        err = duration_get(r, node, "for", &rule->for_ns, NULL);
    if (err == SK_OK)
        err = duration_get(r, node, "keep_firing_for", &rule->keep_firing_for_ns, NULL);
    if (err == SK_OK)
        err = labels_get(r, node, "labels", &rule->labels);
    if (err == SK_OK)
        err = labels_get(r, node, "annotations", &rule->annotations);
    return err;
}

static enum sk_err rules_get(struct reader *r, const struct sk_config_node *map,
                             struct sk_rule_group *group)
{
    const struct sk_config_node *list = at(map, "rules");
    struct sk_rule **tail = &group->rules;
    if (list == NULL)
        return SK_OK;
    if (list->kind != SK_NODE_SEQ)
        return fault(r, list, "a list of rules");
    for (const struct sk_config_node *c = list->first; c != NULL; c = c->next) {
        struct sk_rule *rule = sk_arena_calloc(r->arena, 1, sizeof(*rule));
        enum sk_err err = rule == NULL ? no_memory(r) : rule_get(r, c, rule);
        if (err != SK_OK)
            return err;
        *tail = rule;
        tail = &rule->next;
        group->rule_count++;
    }
    return SK_OK;
}

static enum sk_err group_get(struct reader *r, const struct sk_config_node *node,
                             struct sk_rule_group **ret)
{
    struct sk_rule_group *g = sk_arena_calloc(r->arena, 1, sizeof(*g));
    if (g == NULL)
        return no_memory(r);
    if (node->kind != SK_NODE_MAP)
        return fault(r, node, "a rule group");
    enum sk_err err = text_get(r, node, "name", &g->name);
    if (err == SK_OK)
        err = duration_get(r, node, "interval", &g->interval_ns, NULL);
    if (err == SK_OK)
        err = duration_get(r, node, "query_offset", &g->query_offset_ns, &g->has_query_offset);
    if (err == SK_OK)
        err = limit_get(r, node, &g->limit);
    if (err == SK_OK)
        err = rules_get(r, node, g);
    if (err == SK_OK)
        err = labels_get(r, node, "labels", &g->labels);
    if (err == SK_OK)
        *ret = g;
    return err;
}

static enum sk_err groups_get(struct reader *r, const struct sk_config_node *list,
                              struct sk_rule_group **ret)
{
    struct sk_rule_group *first = NULL, **tail = &first;
    if (list->kind != SK_NODE_SEQ)
        return fault(r, list, "a list of rule groups");
    for (const struct sk_config_node *c = list->first; c != NULL; c = c->next) {
        enum sk_err err = group_get(r, c, tail);
        if (err != SK_OK)
            return err;
        tail = &(*tail)->next;
    }
    *ret = first;
    return SK_OK;
}

enum sk_err sk_rule_group_read(struct sk_arena *arena, struct sk_str text,
                               struct sk_rule_group **ret, struct sk_error *reterr)
{
    struct reader r = {arena, reterr};
    struct sk_config_node *root;
    enum sk_err err = sk_node_parse(arena, text, &root, reterr);
    return err == SK_OK ? group_get(&r, root, ret) : err;
}

enum sk_err sk_rule_file_read(struct sk_arena *arena, struct sk_str text,
                              struct sk_rule_group **ret, struct sk_error *reterr)
{
    struct reader r = {arena, reterr};
    struct sk_config_node *root;
    enum sk_err err = sk_node_parse(arena, text, &root, reterr);
    if (err != SK_OK)
        return err;
    if (root->kind != SK_NODE_MAP)
        return fault(&r, root, "a rule file");
    const struct sk_config_node *list = at(root, "groups");
    *ret = NULL;
    return list == NULL ? SK_OK : groups_get(&r, list, ret);
}

enum sk_err sk_rule_spaces_read(struct sk_arena *arena, struct sk_str text,
                                struct sk_rule_space **ret, struct sk_error *reterr)
{
    struct reader r = {arena, reterr};
    struct sk_config_node *root;
    struct sk_rule_space *first = NULL, **tail = &first;
    enum sk_err err = sk_node_parse(arena, text, &root, reterr);
    if (err == SK_OK && root->kind != SK_NODE_MAP)
        err = fault(&r, root, "a map of namespaces");
    for (const struct sk_config_node *c = err == SK_OK ? root->first : NULL;
         c != NULL && err == SK_OK; c = c->next) {
        struct sk_rule_space *space = sk_arena_calloc(arena, 1, sizeof(*space));
        if (space == NULL)
            return no_memory(&r);
        space->name = c->name;
        err = groups_get(&r, c, &space->groups);
        *tail = space;
        tail = &space->next;
    }
    if (err == SK_OK)
        *ret = first;
    return err;
}
