/* SPDX-License-Identifier: Apache-2.0 */
/* alloc.h -- the only door to the C heap.
 *
 * Every function may return NULL; callers turn that into SK_ENOMEM. With the variable
 * SK_FAULT=alloc:N in the environment of a test program the N-th allocation fails
 * (sk_alloc_fault_arm() does the same from code). Threads: any. */
#ifndef SK_BASE_ALLOC_H
#define SK_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *sk_malloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *sk_calloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));
void *sk_realloc(void *ptr, size_t size) __attribute__((alloc_size(2)));
/* `align` is a power of two and divides `size`. */
void *sk_malloc_aligned(size_t align, size_t size) __attribute__((malloc, alloc_size(2)));
void sk_free(void *ptr); /* NULL is a no-op */

/* A NUL-terminated copy of `len` bytes; NULL when out of memory. */
char *sk_memdup0(const void *ptr, size_t len) __attribute__((malloc));

/* false when the result does not fit; *ret is then untouched. */
bool sk_mul_size(size_t a, size_t b, size_t *ret);
bool sk_add_size(size_t a, size_t b, size_t *ret);

/* Grows *items (element size `item_bytes`) so that `need` elements fit. false: out of memory,
 * the array is as it was. */
bool sk_grow(void **items, size_t *cap, size_t need, size_t item_bytes);

/* SK_GROW(v.items, v.cap, need): typed front of sk_grow() for any pointer lvalue. */
#define SK_GROW(items, cap, need)                                                                  \
    ((need) <= (cap) ? true : sk_grow((void **)(void *)&(items), &(cap), (need), sizeof(*(items))))

/* The n-th allocation from now on fails, once; 0 switches it off. Tests only. */
void sk_alloc_fault_arm(uint64_t nth);
bool sk_alloc_fault_hit(void); /* whether an armed fault has happened */

#endif
