/* SPDX-License-Identifier: Apache-2.0 */
/* hmap.c -- see hmap.h. At most three quarters of the slots are used. */
#include "base/hmap.h"

#include "base/alloc.h"
#include "base/assert.h"

void sk_hmap_deinit(struct sk_hmap *m)
{
    if (m == NULL)
        return;
    sk_free(m->slots);
    *m = (struct sk_hmap){0};
}

static size_t probe(const struct sk_hmap *m, uint64_t hash, size_t at)
{
    for (; m->slots[at].value != NULL; at = (at + 1) & m->mask) {
        if (m->slots[at].hash == hash)
            return at;
    }
    return SK_HMAP_END;
}

size_t sk_hmap_first(const struct sk_hmap *m, uint64_t hash)
{
    return m->slots == NULL ? SK_HMAP_END : probe(m, hash, (size_t)hash & m->mask);
}

size_t sk_hmap_next(const struct sk_hmap *m, uint64_t hash, size_t at)
{
    return probe(m, hash, (at + 1) & m->mask);
}

static void place(struct sk_hmap *m, struct sk_hmap_slot slot)
{
    size_t at = (size_t)slot.hash & m->mask;
    while (m->slots[at].value != NULL)
        at = (at + 1) & m->mask;
    m->slots[at] = slot;
}

bool sk_hmap_add(struct sk_hmap *m, uint64_t hash, void *value)
{
    sk_assert(value != NULL);
    size_t slots = sk_hmap_slots(m);
    if (m->count + 1 > slots / 4 * 3) {
        size_t want = slots == 0 ? 16 : slots * 2;
        struct sk_hmap grown = {.slots = sk_calloc(want, sizeof(*grown.slots)), .mask = want - 1};
        if (grown.slots == NULL)
            return false;
        for (size_t i = 0; i < slots; i++) {
            if (m->slots[i].value != NULL)
                place(&grown, m->slots[i]);
        }
        sk_free(m->slots);
        m->slots = grown.slots;
        m->mask = grown.mask;
    }
    place(m, (struct sk_hmap_slot){hash, value});
    m->count++;
    return true;
}

void sk_hmap_remove_at(struct sk_hmap *m, size_t at)
{
    sk_assert(m->slots[at].value != NULL && m->count > 0);
    size_t hole = at;
    for (size_t i = (at + 1) & m->mask; m->slots[i].value != NULL; i = (i + 1) & m->mask) {
        size_t home = (size_t)m->slots[i].hash & m->mask;
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->count--;
}

void sk_hmap_remove(struct sk_hmap *m, uint64_t hash, const void *value)
{
    size_t at = sk_hmap_first(m, hash);
    while (at != SK_HMAP_END && m->slots[at].value != value)
        at = sk_hmap_next(m, hash, at);
    sk_assert(at != SK_HMAP_END);
    sk_hmap_remove_at(m, at);
}
