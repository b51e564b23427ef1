/* SPDX-License-Identifier: Apache-2.0 */
/* alloc.c -- see alloc.h. The fault counter costs one relaxed load per allocation. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t fault_left; /* 0: off */
static _Atomic bool fault_hit;

void sk_alloc_fault_arm(uint64_t nth)
{
    atomic_store(&fault_hit, false);
    atomic_store(&fault_left, nth);
}

bool sk_alloc_fault_hit(void)
{
    return atomic_load(&fault_hit);
}

static bool fault_now(void)
{
    if (__builtin_expect(atomic_load_explicit(&fault_left, memory_order_relaxed) == 0, 1))
        return false;
    if (atomic_fetch_sub(&fault_left, 1) != 1)
        return false;
    atomic_store(&fault_hit, true);
    return true;
}

void *sk_malloc(size_t size)
{
    return fault_now() ? NULL : malloc(size ? size : 1);
}

void *sk_calloc(size_t count, size_t size)
{
    if (fault_now())
        return NULL;
    return calloc(count ? count : 1, size ? size : 1);
}

void *sk_realloc(void *ptr, size_t size)
{
    return fault_now() ? NULL : realloc(ptr, size ? size : 1);
}

void *sk_malloc_aligned(size_t align, size_t size)
{
    return fault_now() ? NULL : aligned_alloc(align, size);
}

void sk_free(void *ptr)
{
    free(ptr);
}

char *sk_memdup0(const void *ptr, size_t len)
{
    size_t need;
    if (!sk_add_size(len, 1, &need))
        return NULL;
    char *copy = sk_malloc(need);
    if (copy == NULL)
        return NULL;
    if (len != 0)
        memcpy(copy, ptr, len);
    copy[len] = '\0';
    return copy;
}

bool sk_mul_size(size_t a, size_t b, size_t *ret)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

bool sk_add_size(size_t a, size_t b, size_t *ret)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}

bool sk_grow(void **items, size_t *cap, size_t need, size_t item_bytes)
{
    if (need <= *cap)
        return true;
    size_t cap_new = *cap < 8 ? 8 : *cap;
    while (cap_new < need) {
        if (!sk_add_size(cap_new, cap_new / 2, &cap_new))
            return false;
    }
    size_t bytes;
    if (!sk_mul_size(cap_new, item_bytes, &bytes))
        return false;
    void *grown = sk_realloc(*items, bytes);
    if (grown == NULL)
        return false;
    *items = grown;
    *cap = cap_new;
    return true;
}
