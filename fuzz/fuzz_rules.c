/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is read as a rule group, a rule file and a map of namespaces, or is refused with a text;
 * what was read is printed, read again to the same, and prints the same. */
#include "base/arena.h"
#include "base/assert.h"
#include "ruler/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_labels(struct sk_labelset a, struct sk_labelset b)
{
    sk_assert(sk_labels_eq(a, b));
}

static void same(const struct sk_rule_group *a, const struct sk_rule_group *b)
{
    sk_assert(sk_str_eq(a->name, b->name) && a->interval_ns == b->interval_ns);
    sk_assert(a->limit == b->limit && a->rule_count == b->rule_count);
    same_labels(a->labels, b->labels);
    const struct sk_rule *y = b->rules;
    for (const struct sk_rule *x = a->rules; x != NULL; x = x->next, y = y->next) {
        sk_assert(sk_str_eq(x->record, y->record) && sk_str_eq(x->alert, y->alert));
        sk_assert(sk_str_eq(x->expr, y->expr) && x->for_ns == y->for_ns);
        same_labels(x->labels, y->labels);
        same_labels(x->annotations, y->annotations);
    }
    sk_assert(y == NULL);
}

/* YAML holds no malformed UTF-8, and neither do we when we print: only good texts come back. */
static void group_check(struct sk_arena *arena, const struct sk_rule_group *g)
{
    struct sk_strbuf first, second, faults;
    struct sk_rule_group *again;
    struct sk_error why = {.text = ""};
    sk_strbuf_init(&first, SIZE_MAX / 2);
    sk_strbuf_init(&second, SIZE_MAX / 2);
    sk_strbuf_init(&faults, SIZE_MAX / 2);
    sk_rule_group_print(&first, g);
    sk_assert(sk_rule_group_read(arena, sk_strbuf_view(&first), &again, &why) == SK_OK);
    same(g, again);
    sk_rule_group_print(&second, again);
    sk_assert(sk_str_eq(sk_strbuf_view(&first), sk_strbuf_view(&second)));
    (void)(sk_rule_groups_check(arena, g, &faults) == SK_OK);
    sk_strbuf_deinit(&faults);
    sk_strbuf_deinit(&second);
    sk_strbuf_deinit(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_arena arena;
    struct sk_rule_group *group;
    struct sk_rule_space *spaces;
    struct sk_error why = {.text = ""};
    struct sk_str text = {(const char *)data, size};
    if (size > 65536)
        return 0;
    sk_arena_init(&arena, 256u << 20, NULL);
    if (sk_rule_group_read(&arena, text, &group, &why) == SK_OK)
        group_check(&arena, group);
    else
        sk_assert(why.text[0] != '\0');
    if (sk_rule_file_read(&arena, text, &group, &why) == SK_OK) {
        for (; group != NULL; group = group->next)
            group_check(&arena, group);
    }
    if (sk_rule_spaces_read(&arena, text, &spaces, &why) == SK_OK) {
        struct sk_strbuf out;
        struct sk_rule_space *again;
        sk_strbuf_init(&out, SIZE_MAX / 2);
        sk_rule_spaces_print(&out, spaces);
        sk_assert(sk_rule_spaces_read(&arena, sk_strbuf_view(&out), &again, &why) == SK_OK);
        for (; spaces != NULL; spaces = spaces->next, again = again->next)
            sk_assert(again != NULL && sk_str_eq(spaces->name, again->name));
        sk_strbuf_deinit(&out);
    }
    sk_arena_deinit(&arena);
    return 0;
}
