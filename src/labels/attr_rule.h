/* SPDX-License-Identifier: Apache-2.0 */
/* attr_rule.h -- rules that say what becomes of a named attribute: a stream label, metadata, or
 * nothing.
 *
 * They come from otlp_config and are applied to attributes of OpenTelemetry. A rule has a list of
 * names or a regular expression, anchored at both ends; names are compared as they were sent
 * (service.name, not service_name). The first rule that matches decides, metadata if none does.
 *
 * Rules are immutable once made, and shared. Threads: any. */
#ifndef SK_LABELS_ATTR_RULE_H
#define SK_LABELS_ATTR_RULE_H

#include <stddef.h>

#include "base/slice.h"

struct sk_regex;

enum sk_attr_action { SK_ATTR_METADATA, SK_ATTR_LABEL, SK_ATTR_DROP };

struct sk_attr_rule {
    enum sk_attr_action action;
    const struct sk_str *names;
    size_t name_count;
    const struct sk_regex *regex; /* NULL: by name */
};

struct sk_attr_rules {
    const struct sk_attr_rule *items; /* borrowed, as all they hold */
    size_t count;
};

/* "index_label", "structured_metadata", "drop". false: none of them. */
bool sk_attr_action_parse(struct sk_str text, enum sk_attr_action *ret);

enum sk_attr_action sk_attr_rules_action(const struct sk_attr_rules *rules, struct sk_str name);

/* Whether some rule makes labels. */
bool sk_attr_rules_label(const struct sk_attr_rules *rules);

#endif
