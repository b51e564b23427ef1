/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c -- see arena.h. A block's header sits at its start; big requests get a block of their own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"

enum { ALIGN = 16, BLOCK_BYTES_MIN = 1024, BLOCK_BYTES_MAX = 256 * 1024 };

struct sk_arena_block {
    struct sk_arena_block *next;
    size_t bytes; /* of the whole block, header included */
};

struct sk_arena_cleanup {
    struct sk_arena_cleanup *next;
    void (*fn)(void *ctx);
    void *ctx;
};

_Static_assert(sizeof(struct sk_arena_block) % ALIGN == 0, "block data starts aligned");

void sk_arena_init(struct sk_arena *arena, size_t cap_bytes, struct sk_budget *budget)
{
    sk_assert(arena != NULL);
    *arena = (struct sk_arena){.cap_bytes = cap_bytes, .budget = budget};
}

static void cleanups_run(struct sk_arena *arena)
{
    for (struct sk_arena_cleanup *c = arena->cleanups; c != NULL; c = c->next)
        c->fn(c->ctx);
    arena->cleanups = NULL;
}

static void block_free(struct sk_arena *arena, struct sk_arena_block *block)
{
    sk_assert(arena->held_bytes >= block->bytes);
    arena->held_bytes -= block->bytes;
    sk_budget_release(arena->budget, block->bytes);
    sk_free(block);
}

void sk_arena_deinit(struct sk_arena *arena)
{
    if (arena == NULL)
        return;
    cleanups_run(arena);
    while (arena->blocks != NULL) {
        struct sk_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        block_free(arena, block);
    }
    arena->at = arena->end = NULL;
}

void sk_arena_reset(struct sk_arena *arena)
{
    cleanups_run(arena);
    struct sk_arena_block *keep = arena->blocks;
    if (keep == NULL)
        return;
    while (keep->next != NULL) {
        struct sk_arena_block *block = keep->next;
        keep->next = block->next;
        block_free(arena, block);
    }
    arena->at = (uint8_t *)keep + sizeof(*keep);
    arena->end = (uint8_t *)keep + keep->bytes;
}

/* A new block in which `size` bytes fit becomes the current one. */
static bool block_add(struct sk_arena *arena, size_t size)
{
    size_t need, bytes = BLOCK_BYTES_MIN;
    if (!sk_add_size(size, sizeof(struct sk_arena_block), &need))
        return false;
    if (arena->held_bytes >= bytes)
        bytes = arena->held_bytes < BLOCK_BYTES_MAX ? arena->held_bytes : BLOCK_BYTES_MAX;
    if (bytes < need)
        bytes = need;
    if (arena->held_bytes > arena->cap_bytes || bytes > arena->cap_bytes - arena->held_bytes) {
        bytes = need; /* near the cap: take no more than is asked */
        if (arena->held_bytes > arena->cap_bytes || bytes > arena->cap_bytes - arena->held_bytes)
            return false;
    }
    if (!sk_budget_charge(arena->budget, bytes))
        return false;
    struct sk_arena_block *block = sk_malloc(bytes);
    if (block == NULL) {
        sk_budget_release(arena->budget, bytes);
        return false;
    }
    block->bytes = bytes;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->held_bytes += bytes;
    arena->at = (uint8_t *)block + sizeof(*block);
    arena->end = (uint8_t *)block + bytes;
    return true;
}

void *sk_arena_alloc(struct sk_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGN)
        return NULL;
    size = size == 0 ? ALIGN : (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size > (size_t)(arena->end - arena->at) && !block_add(arena, size))
        return NULL;
    void *p = arena->at;
    arena->at += size;
    return p;
}

void *sk_arena_calloc(struct sk_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!sk_mul_size(count, size, &bytes))
        return NULL;
    void *p = sk_arena_alloc(arena, bytes);
    if (p != NULL && bytes != 0)
        memset(p, 0, bytes);
    return p;
}

struct sk_str sk_arena_str(struct sk_arena *arena, struct sk_str s)
{
    size_t bytes;
    char *copy = sk_add_size(s.len, 1, &bytes) ? sk_arena_alloc(arena, bytes) : NULL;
    if (copy == NULL)
        return (struct sk_str){NULL, 0};
    if (s.len != 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return (struct sk_str){copy, s.len};
}

struct sk_str sk_arena_printf(struct sk_arena *arena, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return (struct sk_str){NULL, 0};
    char *text = sk_arena_alloc(arena, (size_t)n + 1);
    if (text == NULL)
        return (struct sk_str){NULL, 0};
    va_start(ap, fmt);
    (void)vsnprintf(text, (size_t)n + 1, fmt, ap); /* measured just above */
    va_end(ap);
    return (struct sk_str){text, (size_t)n};
}

bool sk_arena_on_deinit(struct sk_arena *arena, void (*fn)(void *ctx), void *ctx)
{
    struct sk_arena_cleanup *c = sk_arena_alloc(arena, sizeof(*c));
    if (c == NULL)
        return false;
    *c = (struct sk_arena_cleanup){arena->cleanups, fn, ctx};
    arena->cleanups = c;
    return true;
}
