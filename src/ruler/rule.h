/* SPDX-License-Identifier: Apache-2.0 */
/* rule.h -- alerting and recording rules as YAML has them: reading, writing, checking.
 *
 *   namespace (a rule file) -> groups -> rules
 *
 * A rule file is `groups: [GROUP...]`, as Prometheus's. The map form, which the API gives and the
 * writable store keeps, is `NAMESPACE: [GROUP...]` per namespace. Unknown keys are ignored.
 *
 * Memory: everything lives in the arena. Threads: any; a tree is constant once it is read. */
#ifndef SK_RULER_RULE_H
#define SK_RULER_RULE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "labels/labelset.h"

/* A rule file or a tenant's rules; larger ones are refused. Bytes. */
#define SK_RULE_FILE_BYTES_MAX (8u << 20)

struct sk_rule {
    struct sk_rule *next;
    struct sk_str record, alert; /* one of them is empty */
    struct sk_str expr;
    int64_t for_ns, keep_firing_for_ns;
    struct sk_labelset labels, annotations; /* sorted */
};

struct sk_rule_group {
    struct sk_rule_group *next;
    struct sk_str name;
    int64_t interval_ns; /* 0: ruler.evaluation_interval */
    int64_t query_offset_ns;
    bool has_query_offset;
    int64_t limit; /* 0: none */
    struct sk_rule *rules;
    size_t rule_count;
    struct sk_labelset labels;
};

struct sk_rule_space {
    struct sk_rule_space *next;
    struct sk_str name;
    struct sk_rule_group *groups;
};

/* ---- rule_read.c: SK_EPARSE with a text that names the line, SK_ENOMEM ---- */

/* The body of a POST: one group. An empty one is a group without a name. */
SK_MUST_CHECK enum sk_err sk_rule_group_read(struct sk_arena *arena, struct sk_str text,
                                             struct sk_rule_group **ret, struct sk_error *reterr);
/* A rule file. */
SK_MUST_CHECK enum sk_err sk_rule_file_read(struct sk_arena *arena, struct sk_str text,
                                            struct sk_rule_group **ret, struct sk_error *reterr);
/* The map form. */
SK_MUST_CHECK enum sk_err sk_rule_spaces_read(struct sk_arena *arena, struct sk_str text,
                                              struct sk_rule_space **ret, struct sk_error *reterr);

/* ---- rule_print.c: as Loki writes YAML ---- */

void sk_rule_group_print(struct sk_strbuf *out, const struct sk_rule_group *group);
/* The map form, in the order of the list. */
void sk_rule_spaces_print(struct sk_strbuf *out, const struct sk_rule_space *spaces);

/* ---- rule_check.c ---- */

/* What is wrong with the groups of one namespace, as Loki tells it, several faults with ", "
 * between them; nothing is appended when they are good. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_rule_groups_check(struct sk_arena *arena,
                                               const struct sk_rule_group *groups,
                                               struct sk_strbuf *out);

#endif
