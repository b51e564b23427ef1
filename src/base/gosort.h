/* SPDX-License-Identifier: Apache-2.0 AND BSD-3-Clause */
/* gosort.h -- Go's sort.Slice, step by step: pattern-defeating quicksort, which leaves equal
 * elements in an order of its own. Used where clients see that order, and where a comparison that
 * is not strict must have the effect that it has in Go.
 *
 * Memory: none. Threads: any. */
#ifndef SK_BASE_GOSORT_H
#define SK_BASE_GOSORT_H

#include <stdbool.h>
#include <stddef.h>

struct sk_go_sort {
    void *ctx;
    bool (*less)(void *ctx, size_t i, size_t j);
    void (*swap)(void *ctx, size_t i, size_t j);
};

/* Up to so many elements are sorted by insertion. */
#define SK_GO_SORT_INSERTION_MAX 12u

void sk_go_sort(const struct sk_go_sort *s, size_t count);

#endif
