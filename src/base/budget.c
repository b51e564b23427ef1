/* SPDX-License-Identifier: Apache-2.0 */
/* budget.c -- see budget.h. */
#include "base/budget.h"

#include "base/assert.h"

void sk_budget_init(struct sk_budget *b, uint64_t limit_bytes, struct sk_budget *parent)
{
    sk_assert(b != NULL);
    atomic_init(&b->used_bytes, 0);
    b->limit_bytes = limit_bytes;
    b->parent = parent;
}

bool sk_budget_charge(struct sk_budget *b, uint64_t bytes)
{
    for (struct sk_budget *at = b; at != NULL; at = at->parent) {
        uint64_t was = atomic_fetch_add(&at->used_bytes, bytes);
        if (at->limit_bytes == 0 || (was <= at->limit_bytes && bytes <= at->limit_bytes - was))
            continue;
        for (struct sk_budget *undo = b;; undo = undo->parent) {
            atomic_fetch_sub(&undo->used_bytes, bytes);
            if (undo == at)
                break;
        }
        return false;
    }
    return true;
}

void sk_budget_force(struct sk_budget *b, uint64_t bytes)
{
    for (; b != NULL; b = b->parent)
        atomic_fetch_add(&b->used_bytes, bytes);
}

void sk_budget_release(struct sk_budget *b, uint64_t bytes)
{
    for (; b != NULL; b = b->parent) {
        uint64_t was = atomic_fetch_sub(&b->used_bytes, bytes);
        sk_assert(was >= bytes);
    }
}

uint64_t sk_budget_used(const struct sk_budget *b)
{
    return b == NULL ? 0 : atomic_load(&b->used_bytes);
}
