/* SPDX-License-Identifier: Apache-2.0 */
/* attr_rule.c -- see attr_rule.h. */
#include "labels/attr_rule.h"

#include "labels/regex.h"

bool sk_attr_action_parse(struct sk_str text, enum sk_attr_action *ret)
{
    if (sk_str_is(text, "index_label"))
        *ret = SK_ATTR_LABEL;
    else if (sk_str_is(text, "structured_metadata"))
        *ret = SK_ATTR_METADATA;
    else if (sk_str_is(text, "drop"))
        *ret = SK_ATTR_DROP;
    else
        return false;
    return true;
}

static bool rule_matches(const struct sk_attr_rule *rule, struct sk_str name)
{
    if (rule->regex != NULL)
        return sk_regex_match(rule->regex, name);
    for (size_t i = 0; i < rule->name_count; i++) {
        if (sk_str_eq(rule->names[i], name))
            return true;
    }
    return false;
}

enum sk_attr_action sk_attr_rules_action(const struct sk_attr_rules *rules, struct sk_str name)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rule_matches(&rules->items[i], name))
            return rules->items[i].action;
    }
    return SK_ATTR_METADATA;
}

bool sk_attr_rules_label(const struct sk_attr_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->items[i].action == SK_ATTR_LABEL)
            return true;
    }
    return false;
}
