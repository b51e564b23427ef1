/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.c -- see symbols.h. Open addressing with linear steps, at most three quarters full; slots
 * keep the hash, so that growing does not touch the texts. */
#include "chunk/symbols.h"

#include "base/alloc.h"
#include "base/budget.h"
#include "base/hash.h"

enum { SLOTS_FIRST = 16, TEXT_BLOCK_MIN = 256, TEXT_BLOCK_MAX = 16384 };

_Static_assert(SK_SYMBOLS_SEG_FIRST == 16, "sk_symbols_at() counts with clz(16) == 27");

void sk_symbols_init(struct sk_symbols *symbols, size_t cap_bytes, struct sk_budget *budget)
{
    sk_assert(symbols != NULL);
    memset(symbols, 0, sizeof(*symbols));
    sk_arena_init(&symbols->arena, cap_bytes, budget);
}

void sk_symbols_deinit(struct sk_symbols *symbols)
{
    if (symbols == NULL)
        return;
    sk_budget_release(symbols->arena.budget, symbols->slot_count * sizeof(*symbols->slots));
    sk_arena_deinit(&symbols->arena);
    sk_free(symbols->slots);
    symbols->slots = NULL;
    symbols->slot_count = 0;
    symbols->text_at = symbols->text_end = NULL;
    symbols->text_bytes = 0;
    memset(symbols->segs, 0, sizeof(symbols->segs));
    atomic_store(&symbols->count, 0);
}

uint64_t sk_symbols_text_bytes(const struct sk_symbols *symbols)
{
    return symbols->text_bytes;
}

size_t sk_symbols_held_bytes(const struct sk_symbols *symbols)
{
    return symbols->arena.held_bytes + symbols->slot_count * sizeof(struct sk_symbols_slot);
}

/* The slot of `text`, or the free one where it belongs. */
static struct sk_symbols_slot *slot_find(const struct sk_symbols *s, struct sk_str text,
                                         uint32_t hash)
{
    uint32_t mask = s->slot_count - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        struct sk_symbols_slot *slot = &s->slots[i];
        if (slot->id_plus_1 == 0)
            return slot;
        if (slot->hash == hash && sk_str_eq(sk_symbols_at(s, slot->id_plus_1 - 1), text))
            return slot;
    }
}

static bool slots_grow(struct sk_symbols *s)
{
    uint32_t count = s->slot_count == 0 ? SLOTS_FIRST : s->slot_count * 2;
    struct sk_symbols_slot *slots = sk_calloc(count, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i].id_plus_1 == 0)
            continue;
        uint32_t k = s->slots[i].hash & (count - 1);
        while (slots[k].id_plus_1 != 0)
            k = (k + 1) & (count - 1);
        slots[k] = s->slots[i];
    }
    sk_budget_force(s->arena.budget, (count - s->slot_count) * sizeof(*slots));
    sk_free(s->slots);
    s->slots = slots;
    s->slot_count = count;
    return true;
}

/* A copy that never moves, packed without gaps. ptr is NULL when memory is used up. */
static struct sk_str text_copy(struct sk_symbols *s, struct sk_str text)
{
    if (text.len > (size_t)(s->text_end - s->text_at)) {
        size_t block = s->text_bytes < TEXT_BLOCK_MIN ? TEXT_BLOCK_MIN : (size_t)s->text_bytes;
        if (block > TEXT_BLOCK_MAX)
            block = TEXT_BLOCK_MAX;
        if (text.len >= block / 2) { /* big ones by themselves: the open block stays in use */
            char *own = sk_arena_alloc(&s->arena, text.len);
            if (own != NULL)
                memcpy(own, text.ptr, text.len);
            return (struct sk_str){own, text.len};
        }
        char *at = sk_arena_alloc(&s->arena, block);
        if (at == NULL)
            return (struct sk_str){NULL, 0};
        s->text_at = at;
        s->text_end = at + block;
    }
    if (text.len == 0)
        return SK_STR("");
    char *at = s->text_at;
    memcpy(at, text.ptr, text.len);
    s->text_at += text.len;
    return (struct sk_str){at, text.len};
}

uint32_t sk_symbols_hash(struct sk_str text)
{
    return (uint32_t)sk_hash_mem(text.len == 0 ? "" : text.ptr, text.len);
}

enum sk_err sk_symbols_intern(struct sk_symbols *symbols, struct sk_str text, uint32_t *ret_id)
{
    return sk_symbols_intern_hashed(symbols, text, sk_symbols_hash(text), ret_id);
}

enum sk_err sk_symbols_intern_hashed(struct sk_symbols *symbols, struct sk_str text, uint32_t hash,
                                     uint32_t *ret_id)
{
    sk_assert(symbols != NULL);
    uint32_t count = atomic_load_explicit(&symbols->count, memory_order_relaxed);
    if (count >= symbols->slot_count - symbols->slot_count / 4 && !slots_grow(symbols))
        return SK_ENOMEM;
    struct sk_symbols_slot *slot = slot_find(symbols, text, hash);
    if (slot->id_plus_1 != 0) {
        *ret_id = slot->id_plus_1 - 1;
        return SK_OK;
    }
    if (count >= SK_SYMBOLS_MAX)
        return SK_ELIMIT;
    uint32_t n = count + SK_SYMBOLS_SEG_FIRST;
    uint32_t seg = 27u - (uint32_t)__builtin_clz(n);
    uint32_t seg_size = SK_SYMBOLS_SEG_FIRST << seg;
    if (symbols->segs[seg] == NULL) {
        symbols->segs[seg] = sk_arena_calloc(&symbols->arena, seg_size, sizeof(struct sk_str));
        if (symbols->segs[seg] == NULL)
            return SK_ENOMEM;
    }
    struct sk_str copy = text_copy(symbols, text);
    if (copy.ptr == NULL)
        return SK_ENOMEM;
    symbols->segs[seg][n - seg_size] = copy;
    symbols->text_bytes += text.len;
    atomic_store_explicit(&symbols->count, count + 1, memory_order_release);
    *slot = (struct sk_symbols_slot){hash, count + 1};
    *ret_id = count;
    return SK_OK;
}
