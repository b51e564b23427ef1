/* SPDX-License-Identifier: Apache-2.0 */
/* hmap.h -- hash table of pointers: open addressing, linear probing, back-shift on removal.
 *
 * The caller gives the hash and compares candidates itself:
 *
 *   for (size_t at = sk_hmap_first(&m, hash); at != SK_HMAP_END; at = sk_hmap_next(&m, hash, at))
 *       if (matches(m.slots[at].value)) ...
 *
 * Values are not owned. A zeroed map is empty. Threads: one at a time. */
#ifndef SK_BASE_HMAP_H
#define SK_BASE_HMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SK_HMAP_END SIZE_MAX

struct sk_hmap_slot {
    uint64_t hash;
    void *value; /* NULL: free */
};

struct sk_hmap {
    struct sk_hmap_slot *slots;
    size_t mask; /* slot count - 1; 0: no slots */
    size_t count;
};

void sk_hmap_deinit(struct sk_hmap *m);

/* Slots whose hash is `hash`, in probing order. */
size_t sk_hmap_first(const struct sk_hmap *m, uint64_t hash);
size_t sk_hmap_next(const struct sk_hmap *m, uint64_t hash, size_t at);

/* Adds without looking for an equal one; false when out of memory. */
bool sk_hmap_add(struct sk_hmap *m, uint64_t hash, void *value);
/* Removes the slot `at`, which moves others: end any iteration. */
void sk_hmap_remove_at(struct sk_hmap *m, size_t at);
/* Removes the slot that holds `value`; it must be there. */
void sk_hmap_remove(struct sk_hmap *m, uint64_t hash, const void *value);

/* Any order: for (i = 0; i < sk_hmap_slots(&m); i++) if (m.slots[i].value) ... */
static inline size_t sk_hmap_slots(const struct sk_hmap *m)
{
    return m->slots == NULL ? 0 : m->mask + 1;
}

#endif
