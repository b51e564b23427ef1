/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_labels.c -- see ctl_labels.h. Sets are small and sorted; look-ups by name are enough. */
#include "cli/ctl_labels.h"

#include "base/assert.h"

static bool holds(struct sk_labelset set, struct sk_label label)
{
    size_t idx = sk_labels_find(set, label.name);
    return idx != SIZE_MAX && sk_str_eq(set.items[idx].value, label.value);
}

/* Room for all of `set`; the result is filled up to *count. */
static struct sk_label *room(struct sk_arena *arena, struct sk_labelset set)
{
    return sk_arena_calloc(arena, set.count + 1, sizeof(struct sk_label));
}

enum sk_err sk_ctl_labels_common(struct sk_arena *arena, const struct sk_labelset *sets,
                                 size_t count, struct sk_labelset *ret)
{
    sk_assert(sets != NULL || count == 0);
    if (count == 0) {
        *ret = (struct sk_labelset){0};
        return SK_OK;
    }
    struct sk_label *items = room(arena, sets[0]);
    if (items == NULL)
        return SK_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < sets[0].count; i++) {
        size_t k = 1;
        while (k < count && holds(sets[k], sets[0].items[i]))
            k++;
        if (k == count)
            items[n++] = sets[0].items[i];
    }
    *ret = (struct sk_labelset){items, n};
    return SK_OK;
}

enum sk_err sk_ctl_labels_subtract(struct sk_arena *arena, struct sk_labelset set,
                                   struct sk_labelset drop, struct sk_labelset *ret)
{
    struct sk_label *items = room(arena, set);
    if (items == NULL)
        return SK_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < set.count; i++) {
        if (!holds(drop, set.items[i]))
            items[n++] = set.items[i];
    }
    *ret = (struct sk_labelset){items, n};
    return SK_OK;
}

static bool named(const struct sk_ctl_texts *names, struct sk_str name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (sk_str_is(name, names->items[i]))
            return true;
    }
    return false;
}

enum sk_err sk_ctl_labels_select(struct sk_arena *arena, struct sk_labelset set,
                                 const struct sk_ctl_texts *names, bool keep,
                                 struct sk_labelset *ret)
{
    struct sk_label *items = room(arena, set);
    if (items == NULL)
        return SK_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < set.count; i++) {
        if (named(names, set.items[i].name) == keep)
            items[n++] = set.items[i];
    }
    *ret = (struct sk_labelset){items, n};
    return SK_OK;
}
