/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.h -- the growing symbol table of a stream's open chunk: names and values of structured
 * metadata, numbered from 0 in order of arrival, no text twice.
 *
 * Texts and the arrays that point to them never move: entries live in segments of 16, 32, 64 ...
 * and texts in blocks that are only added. A reader that took `count` once (sk_symbols_count())
 * may look at every number below it while the one writer goes on:
 *
 *   writer   text written, entry written, segment pointer stored, then `count` stored (release)
 *   reader   `count` loaded (acquire), then entries below it
 *
 *   segs[0] -> 0..15   segs[1] -> 16..47   segs[2] -> 48..111   ...
 *
 * Invariants: (1) an entry below `count` never changes; (2) the hash slots belong to the writer.
 *
 * Threads: one writer, any readers; init and deinit alone. */
#ifndef SK_CHUNK_SYMBOLS_H
#define SK_CHUNK_SYMBOLS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/slice.h"

#define SK_SYMBOLS_SEGS      22u
#define SK_SYMBOLS_SEG_FIRST 16u
/* 16 * (2^22 - 1): more numbers than a chunk of a few MiB can use. SK_ELIMIT beyond. */
#define SK_SYMBOLS_MAX       (SK_SYMBOLS_SEG_FIRST * ((1u << SK_SYMBOLS_SEGS) - 1u))

struct sk_symbols_slot {
    uint32_t hash;
    uint32_t id_plus_1; /* 0: free */
};

struct sk_symbols {
    struct sk_arena arena; /* entries and texts */
    struct sk_str *segs[SK_SYMBOLS_SEGS];
    _Atomic uint32_t count;
    uint32_t slot_count; /* a power of two, or 0 */
    struct sk_symbols_slot *slots;
    char *text_at, *text_end; /* what is left of the newest text block */
    uint64_t text_bytes;      /* sum of the lengths */
};

/* Nothing is allocated before the first text. `cap_bytes` bounds entries and texts; `budget`
 * (may be NULL) is charged for them. */
void sk_symbols_init(struct sk_symbols *symbols, size_t cap_bytes, struct sk_budget *budget);
void sk_symbols_deinit(struct sk_symbols *symbols); /* zeroed: fine; may run twice */

/* The number of `text`, new or old. The text is copied. SK_ENOMEM, SK_ELIMIT. Writer only. */
SK_MUST_CHECK enum sk_err sk_symbols_intern(struct sk_symbols *symbols, struct sk_str text,
                                            uint32_t *ret_id);

/* The same in steps, for who has many texts at hand: a table that grows for hours lies in no cache,
 * so all slots are asked for before the first is looked at. The hash holds for every table. */
uint32_t sk_symbols_hash(struct sk_str text);
static inline void sk_symbols_prefetch(const struct sk_symbols *symbols, uint32_t hash)
{
    if (symbols->slot_count > 0)
        __builtin_prefetch(&symbols->slots[hash & (symbols->slot_count - 1)], 1);
}
SK_MUST_CHECK enum sk_err sk_symbols_intern_hashed(struct sk_symbols *symbols, struct sk_str text,
                                                   uint32_t hash, uint32_t *ret_id);

static inline uint32_t sk_symbols_count(const struct sk_symbols *symbols)
{
    return atomic_load_explicit(&symbols->count, memory_order_acquire);
}

/* `id` < a count that the caller has seen. */
static inline struct sk_str sk_symbols_at(const struct sk_symbols *symbols, uint32_t id)
{
    sk_assert_debug(id < sk_symbols_count(symbols));
    uint32_t n = id + SK_SYMBOLS_SEG_FIRST;
    uint32_t seg = 27u - (uint32_t)__builtin_clz(n);
    return symbols->segs[seg][n - (SK_SYMBOLS_SEG_FIRST << seg)];
}

/* Sum of the lengths of all texts, and heap bytes held. Writer only. */
uint64_t sk_symbols_text_bytes(const struct sk_symbols *symbols);
size_t sk_symbols_held_bytes(const struct sk_symbols *symbols);

#endif
