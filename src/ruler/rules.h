/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h -- where the rules of tenants are kept. Two kinds, as the configuration says:
 *
 *   local      <directory>/<tenant>/<file>: rule files that somebody else puts there; the namespace
 *              is the name of the file. Read only.
 *   writable   <path_prefix>/skald/rules/<tenant>.yaml: the map form of rule.h, replaced as a whole
 *              by each change (ruler_storage.backend: filesystem with use_thanos_objstore).
 *
 * Rules are read from the files each time: they are few, asked for seldom, and changed by others.
 * Threads: any; changes wait for each other. */
#ifndef SK_RULER_RULES_H
#define SK_RULER_RULES_H

#include "ruler/rule.h"

struct sk_config;
struct sk_rules;
struct sk_vfs;

/* *ret is NULL when no storage of rules is configured that there is here. */
SK_MUST_CHECK enum sk_err sk_rules_create(const struct sk_config *config, const struct sk_vfs *vfs,
                                          struct sk_rules **ret);
void sk_rules_destroy(struct sk_rules *rules); /* NULL is a no-op */

bool sk_rules_writable(const struct sk_rules *rules);

/* All rules of a tenant by namespace, sorted. SK_ENOENT: the tenant's local folder does not exist
 * (the text is Loki's). SK_EPARSE, SK_EINVAL: a file is no rule file; the text names it. */
SK_MUST_CHECK enum sk_err sk_rules_list(struct sk_rules *rules, struct sk_str tenant,
                                        struct sk_arena *arena, struct sk_rule_space **ret,
                                        struct sk_error *reterr);

/* Changes, which a local storage refuses with SK_EUNSUPPORTED and Loki's text. `arena` is for what
 * is read on the way. Setting replaces the group of that name. Deleting a namespace that does not
 * exist is SK_ENOENT; a group that does not exist has been deleted. */
SK_MUST_CHECK enum sk_err sk_rules_set(struct sk_rules *rules, struct sk_str tenant,
                                       struct sk_str space, const struct sk_rule_group *group,
                                       struct sk_arena *arena, struct sk_error *reterr);
SK_MUST_CHECK enum sk_err sk_rules_delete_group(struct sk_rules *rules, struct sk_str tenant,
                                                struct sk_str space, struct sk_str group,
                                                struct sk_arena *arena, struct sk_error *reterr);
SK_MUST_CHECK enum sk_err sk_rules_delete_space(struct sk_rules *rules, struct sk_str tenant,
                                                struct sk_str space, struct sk_arena *arena,
                                                struct sk_error *reterr);

/* ---- finding ---- */

struct sk_rule_space *sk_rule_space_find(struct sk_rule_space *spaces, struct sk_str name);
struct sk_rule_group *sk_rule_group_find(struct sk_rule_group *groups, struct sk_str name);

#endif
