/* SPDX-License-Identifier: Apache-2.0 */
/* config_otlp.c -- limits_config.otlp_config: lists of rules for the attributes of OpenTelemetry.
 *
 * Expressions are compiled here, once for each version of a tenant's limits, and go with the arena.
 * A list that is not given keeps what the common limits say; one that is given replaces it whole.
 *
 * Threads: one; the rules are constant afterwards. */
#include "config/config_int.h"
#include "labels/gore.h"
#include "labels/regex.h"

#define ARENA_GORE_BYTES (1u << 20)

static void regex_free(void *regex)
{
    sk_regex_destroy(regex);
}

/* In Go's words where Go refuses it too. */
static enum sk_err regex_make(struct sk_arena *arena, struct sk_str text,
                              const struct sk_regex **ret_regex, struct sk_error *why)
{
    struct sk_arena scratch;
    struct sk_regex *regex;
    sk_arena_init(&scratch, ARENA_GORE_BYTES, NULL);
    enum sk_err err = sk_gore_check(&scratch, text, NULL, why);
    sk_arena_deinit(&scratch);
    if (err == SK_OK)
        err = sk_regex_create(text, SK_REGEX_ANCHORED | SK_REGEX_DOTALL, &regex, why);
    if (err != SK_OK)
        return err;
    if (!sk_arena_on_deinit(arena, regex_free, regex)) {
        sk_regex_destroy(regex);
        return SK_ENOMEM;
    }
    *ret_regex = regex;
    return SK_OK;
}

/* `path` and `idx` name the rule in errors. */
static enum sk_err rule_load(struct sk_arena *arena, const struct sk_config_node *node,
                             const char *path, size_t idx, struct sk_attr_rule *ret_rule,
                             struct sk_error *reterr)
{
    const struct sk_config_node *action = sk_node_child(node, SK_STR("action"));
    const struct sk_config_node *names = sk_node_child(node, SK_STR("attributes"));
    const struct sk_config_node *regex = sk_node_child(node, SK_STR("regex"));
    struct sk_attr_rule rule = {.regex = NULL};
    struct sk_str text = action == NULL ? SK_STR("") : action->text;
    if (!sk_attr_action_parse(text, &rule.action))
        return sk_error_set(reterr, SK_EINVAL,
                            "%s[%zu].action: \"%.*s\" is not one of index_label, "
                            "structured_metadata, drop",
                            path, idx, SK_STR_ARG(text));
    bool named = names != NULL && names->first != NULL;
    if (named == (regex != NULL))
        return sk_error_set(reterr, SK_EINVAL, "%s[%zu]: %s", path, idx,
                            named ? "attributes and regex are both set, only one of them may be"
                                  : "attributes or regex must be set");
    if (regex == NULL) {
        struct sk_str_list list;
        enum sk_err err = sk_node_texts(arena, names, &list);
        if (err != SK_OK)
            return err;
        rule.names = list.items;
        rule.name_count = list.count;
    } else {
        struct sk_error why = {.text = ""};
        enum sk_err err = regex_make(arena, regex->text, &rule.regex, &why);
        if (err == SK_EPARSE || err == SK_ELIMIT)
            return sk_error_set(reterr, SK_EINVAL, "%s[%zu].regex: %s", path, idx, why.text);
        if (err != SK_OK)
            return err;
    }
    *ret_rule = rule;
    return SK_OK;
}

static enum sk_err rules_load(struct sk_arena *arena, const struct sk_config_node *list,
                              const char *path, struct sk_attr_rules *ret_rules,
                              struct sk_error *reterr)
{
    size_t count = 0, i = 0;
    for (const struct sk_config_node *child = list->first; child != NULL; child = child->next)
        count++;
    struct sk_attr_rule *items = sk_arena_calloc(arena, count + 1, sizeof(*items));
    if (items == NULL)
        return SK_ENOMEM;
    for (const struct sk_config_node *child = list->first; child != NULL; child = child->next) {
        enum sk_err err = rule_load(arena, child, path, i, &items[i], reterr);
        if (err != SK_OK)
            return err;
        i++;
    }
    *ret_rules = (struct sk_attr_rules){items, count};
    return SK_OK;
}

/* Loki has no labels of scopes. */
static enum sk_err no_labels(const struct sk_attr_rules *rules, const char *path,
                             struct sk_error *reterr)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->items[i].action == SK_ATTR_LABEL)
            return sk_error_set(reterr, SK_EINVAL,
                                "%s[%zu].action: \"index_label\" is not for attributes of scopes, "
                                "it is one of structured_metadata, drop",
                                path, i);
    }
    return SK_OK;
}

enum sk_err sk_otlp_limits_load(struct sk_arena *arena, const struct sk_config_node *node,
                                struct sk_otlp_limits *otlp, struct sk_error *reterr)
{
    struct {
        const char *path;
        struct sk_attr_rules *rules;
    } lists[] = {
        {"otlp_config.resource_attributes.attributes_config", &otlp->resource_rules},
        {"otlp_config.scope_attributes", &otlp->scope_rules},
        {"otlp_config.log_attributes", &otlp->log_rules},
    };
    for (size_t i = 0; i < SK_COUNT_OF(lists); i++) {
        const struct sk_config_node *list = sk_node_at(node, lists[i].path);
        if (list == NULL)
            continue;
        enum sk_err err = rules_load(arena, list, lists[i].path, lists[i].rules, reterr);
        if (err == SK_OK && lists[i].rules == &otlp->scope_rules)
            err = no_labels(lists[i].rules, lists[i].path, reterr);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}
