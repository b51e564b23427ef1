/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h -- memory that is freed all at once: a request's, a block's, a table's.
 *
 * Allocation is a pointer bump inside 16-byte aligned blocks that double up to 256 KiB.
 * Every arena has a cap, and may be charged to a budget; reaching either gives NULL,
 * which callers turn into SK_ENOMEM.
 *
 * Threads: one at a time. */
#ifndef SK_BASE_ARENA_H
#define SK_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct sk_budget;
struct sk_arena_block;
struct sk_arena_cleanup;

struct sk_arena {
    uint8_t *at;  /* next free byte of the newest block */
    uint8_t *end; /* its end */
    struct sk_arena_block *blocks;
    struct sk_arena_cleanup *cleanups;
    struct sk_budget *budget; /* may be NULL */
    size_t cap_bytes;
    size_t held_bytes; /* sum of the blocks */
};

/* `cap_bytes` bounds the sum of the blocks. Nothing is allocated yet. */
void sk_arena_init(struct sk_arena *arena, size_t cap_bytes, struct sk_budget *budget);

/* Runs the clean-ups, newest first, and frees all. May run twice; zeroed is fine. */
void sk_arena_deinit(struct sk_arena *arena);

/* As deinit, but keeps one block for the next use. */
void sk_arena_reset(struct sk_arena *arena);

void *sk_arena_alloc(struct sk_arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));
void *sk_arena_calloc(struct sk_arena *arena, size_t count, size_t size)
    __attribute__((malloc, alloc_size(2, 3)));

/* A copy of `s` in the arena, NUL-terminated beyond its length; ptr is NULL when the cap is reached. */
struct sk_str sk_arena_str(struct sk_arena *arena, struct sk_str s);

/* Formatted text in the arena; ptr is NULL when the cap is reached. */
struct sk_str sk_arena_printf(struct sk_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* `fn(ctx)` runs when the arena is reset or deinitialised. false: cap reached, not registered. */
bool sk_arena_on_deinit(struct sk_arena *arena, void (*fn)(void *ctx), void *ctx);

#endif
