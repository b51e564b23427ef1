/* SPDX-License-Identifier: Apache-2.0 AND BSD-3-Clause */
/* gosort.c -- see gosort.h. After zsortfunc.go of Go's package sort, Copyright (c) 2022 The Go
 * Authors, under the licence in LICENSE.go; the same comparisons and the same swaps in the same
 * order. Ranges are [a, b). */
#include "base/gosort.h"

#include <stdint.h>

enum hint { UNKNOWN, INCREASING, DECREASING };
enum { STEPS_MAX = 5, SHIFTING_MIN = 50, NINTHER_MIN = 50, SWAPS_MAX = 4 * 3 };

static bool less(const struct sk_go_sort *s, size_t i, size_t j)
{
    return s->less(s->ctx, i, j);
}

static void swap(const struct sk_go_sort *s, size_t i, size_t j)
{
    s->swap(s->ctx, i, j);
}

static unsigned bit_length(size_t n)
{
    return n == 0 ? 0 : 64u - (unsigned)__builtin_clzll(n);
}

static void insertion_sort(const struct sk_go_sort *s, size_t a, size_t b)
{
    for (size_t i = a + 1; i < b; i++) {
        for (size_t j = i; j > a && less(s, j, j - 1); j--)
            swap(s, j, j - 1);
    }
}

static void sift_down(const struct sk_go_sort *s, size_t root, size_t end, size_t first)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= end)
            return;
        if (child + 1 < end && less(s, first + child, first + child + 1))
            child++;
        if (!less(s, first + root, first + child))
            return;
        swap(s, first + root, first + child);
        root = child;
    }
}

static void heap_sort(const struct sk_go_sort *s, size_t a, size_t b)
{
    size_t n = b - a;
    for (size_t i = (n - 1) / 2 + 1; i-- > 0;)
        sift_down(s, i, n, a);
    for (size_t i = n; i-- > 0;) {
        swap(s, a, a + i);
        sift_down(s, 0, i, a);
    }
}

/* Of the two, the one that comes first goes to *x. */
static void order2(const struct sk_go_sort *s, size_t *x, size_t *y, unsigned *swaps)
{
    if (less(s, *y, *x)) {
        size_t was = *x;
        *x = *y;
        *y = was;
        ++*swaps;
    }
}

static size_t median(const struct sk_go_sort *s, size_t a, size_t b, size_t c, unsigned *swaps)
{
    order2(s, &a, &b, swaps);
    order2(s, &b, &c, swaps);
    order2(s, &a, &b, swaps);
    return b;
}

static size_t pivot_choose(const struct sk_go_sort *s, size_t a, size_t b, enum hint *ret_hint)
{
    size_t n = b - a, i = a + n / 4, j = a + n / 4 * 2, k = a + n / 4 * 3;
    unsigned swaps = 0;
    if (n >= NINTHER_MIN) {
        i = median(s, i - 1, i, i + 1, &swaps);
        j = median(s, j - 1, j, j + 1, &swaps);
        k = median(s, k - 1, k, k + 1, &swaps);
    }
    if (n >= 8)
        j = median(s, i, j, k, &swaps);
    *ret_hint = swaps == 0 ? INCREASING : swaps == SWAPS_MAX ? DECREASING : UNKNOWN;
    return j;
}

static void reverse(const struct sk_go_sort *s, size_t a, size_t b)
{
    for (size_t i = a, j = b - 1; i < j; i++, j--)
        swap(s, i, j);
}

/* true: the range is sorted. */
static bool partial_insertion_sort(const struct sk_go_sort *s, size_t a, size_t b)
{
    size_t i = a + 1;
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        while (i < b && !less(s, i, i - 1))
            i++;
        if (i == b)
            return true;
        if (b - a < SHIFTING_MIN)
            return false;
        swap(s, i, i - 1);
        if (i - a >= 2) {
            for (size_t j = i - 1; j >= 1 && less(s, j, j - 1); j--)
                swap(s, j, j - 1);
        }
        if (b - i >= 2) {
            for (size_t j = i + 1; j < b && less(s, j, j - 1); j++)
                swap(s, j, j - 1);
        }
    }
    return false;
}

static void patterns_break(const struct sk_go_sort *s, size_t a, size_t b)
{
    size_t n = b - a, mask = ((size_t)1 << bit_length(n)) - 1;
    uint64_t random = n;
    if (n < 8)
        return;
    for (size_t at = a + n / 4 * 2 - 1; at <= a + n / 4 * 2 + 1; at++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t other = (size_t)random & mask;
        swap(s, at, a + (other >= n ? other - n : other));
    }
}

/* Elements equal to the pivot, then greater ones; where these begin. */
static size_t partition_equal(const struct sk_go_sort *s, size_t a, size_t b, size_t pivot)
{
    size_t i = a + 1, j = b - 1;
    swap(s, a, pivot);
    for (;;) {
        while (i <= j && !less(s, a, i))
            i++;
        while (i <= j && less(s, a, j))
            j--;
        if (i > j)
            return i;
        swap(s, i++, j--);
    }
}

/* Smaller elements, the pivot, the others; where the pivot is. */
static size_t partition(const struct sk_go_sort *s, size_t a, size_t b, size_t pivot,
                        bool *ret_already)
{
    size_t i = a + 1, j = b - 1;
    *ret_already = true;
    swap(s, a, pivot);
    for (;;) {
        while (i <= j && less(s, i, a))
            i++;
        while (i <= j && !less(s, j, a))
            j--;
        if (i > j)
            break;
        swap(s, i++, j--);
        *ret_already = false;
    }
    swap(s, j, a);
    return j;
}

static void sort(const struct sk_go_sort *s, size_t a, size_t b, unsigned bad_left)
{
    bool balanced = true, partitioned = true;
    for (;;) {
        size_t n = b - a;
        enum hint hint;
        if (n <= SK_GO_SORT_INSERTION_MAX) {
            insertion_sort(s, a, b);
            return;
        }
        if (bad_left == 0) {
            heap_sort(s, a, b);
            return;
        }
        if (!balanced) {
            patterns_break(s, a, b);
            bad_left--;
        }
        size_t pivot = pivot_choose(s, a, b, &hint);
        if (hint == DECREASING) {
            reverse(s, a, b);
            pivot = b - 1 - (pivot - a);
            hint = INCREASING;
        }
        if (balanced && partitioned && hint == INCREASING && partial_insertion_sort(s, a, b))
            return;
        if (a > 0 && !less(s, a - 1, pivot)) {
            a = partition_equal(s, a, b, pivot);
            continue;
        }
        size_t mid = partition(s, a, b, pivot, &partitioned), left = mid - a, right = b - mid;
        balanced = (left < right ? left : right) >= n / 8;
        if (left < right) { /* the smaller part by recursion: its depth is logarithmic */
            sort(s, a, mid, bad_left);
            a = mid + 1;
        } else {
            sort(s, mid + 1, b, bad_left);
            b = mid;
        }
    }
}

void sk_go_sort(const struct sk_go_sort *s, size_t count)
{
    sort(s, 0, count, bit_length(count));
}
