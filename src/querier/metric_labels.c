/* SPDX-License-Identifier: Apache-2.0 */
/* metric_labels.c -- label sets of results: interning and grouping. */
#include <stdlib.h>

#include "base/hash.h"
#include "querier/metric_int.h"

static uint64_t set_hash(struct sk_labelset set)
{
    uint64_t h = set.count;
    for (size_t i = 0; i < set.count; i++) {
        const struct sk_label *l = &set.items[i];
        h = (h ^ sk_hash_mem(l->name.ptr, l->name.len)) * 0x9e3779b97f4a7c15u;
        h = (h ^ sk_hash_mem(l->value.ptr, l->value.len)) * 0x9e3779b97f4a7c15u;
    }
    return h ^ h >> 29;
}

const struct sk_mlabels *sk_mlabels_intern(struct sk_mlabel_table *t, struct sk_labelset set)
{
    uint64_t hash = set_hash(set);
    for (size_t at = sk_hmap_first(&t->map, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&t->map, hash, at)) {
        const struct sk_mlabels *l = t->map.slots[at].value;
        if (sk_labels_eq(l->set, set))
            return l;
    }
    struct sk_mlabels *l = sk_arena_alloc(t->arena, sizeof(*l));
    if (l == NULL || sk_labels_copy(t->arena, set, &l->set) != SK_OK ||
        !sk_hmap_add(&t->map, hash, l))
        return NULL;
    l->hash = hash;
    l->id = t->count++;
    return l;
}

static int name_cmp(const void *a, const void *b)
{
    return sk_str_cmp(*(const struct sk_str *)a, *(const struct sk_str *)b);
}

size_t sk_names_sort(struct sk_str *names, size_t count)
{
    size_t n = 0;
    if (count > 1)
        qsort(names, count, sizeof(*names), name_cmp);
    for (size_t i = 0; i < count; i++) {
        if (n == 0 || !sk_str_eq(names[n - 1], names[i]))
            names[n++] = names[i];
    }
    return n;
}

bool sk_names_have(const struct sk_str *names, size_t count, struct sk_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (sk_str_eq(names[i], name))
            return true;
    }
    return false;
}

const struct sk_mlabels *sk_group_labels(struct sk_mrun *r, enum sk_group_mode mode,
                                         const struct sk_str *names, size_t name_count,
                                         struct sk_labelset set)
{
    struct sk_label few[16], *items = few;
    size_t n = 0;
    if (set.count > SK_COUNT_OF(few))
        items = sk_arena_calloc(&r->rows, set.count, sizeof(*items));
    if (items == NULL)
        return NULL;
    for (size_t i = 0; i < set.count; i++) {
        bool named = sk_names_have(names, name_count, set.items[i].name);
        bool keep =
            mode == SK_GROUP_ALL || (mode == SK_GROUP_BY && named) ||
            (mode == SK_GROUP_WITHOUT && !named && !sk_str_is(set.items[i].name, "__name__"));
        if (keep)
            items[n++] = set.items[i];
    }
    return sk_mlabels_intern(&r->table, (struct sk_labelset){items, n});
}
