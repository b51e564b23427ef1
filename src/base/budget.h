/* SPDX-License-Identifier: Apache-2.0 */
/* budget.h -- byte accounts. Everything of size that skald holds is charged to one.
 *
 * An account has a limit and may have a parent, which is charged too. Charging never
 * blocks. Threads: any (atomic counters). */
#ifndef SK_BASE_BUDGET_H
#define SK_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_budget {
    _Atomic uint64_t used_bytes;
    uint64_t limit_bytes; /* 0: no limit */
    struct sk_budget *parent;
};

void sk_budget_init(struct sk_budget *b, uint64_t limit_bytes, struct sk_budget *parent);

/* Charges `bytes` to `b` and its parents; false, with nothing charged, when one is full.
 * NULL is an account without limit. */
bool sk_budget_charge(struct sk_budget *b, uint64_t bytes);

/* Charges without looking at the limit, for memory that exists already. */
void sk_budget_force(struct sk_budget *b, uint64_t bytes);
void sk_budget_release(struct sk_budget *b, uint64_t bytes);
uint64_t sk_budget_used(const struct sk_budget *b);

#endif
