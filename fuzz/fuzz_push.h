/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_push.h -- what every fuzz target of a push decoder holds a decoded push to: streams and
 * entries cover entries and pairs without gap or overlap, every text can be read. */
#ifndef SK_FUZZ_PUSH_H
#define SK_FUZZ_PUSH_H

#include "base/assert.h"
#include "wire/push.h"

static volatile uint8_t fuzz_sink;

/* Reads all of `s`, so that a sanitizer sees what lies outside of live memory. */

static inline void fuzz_touch(struct sk_str s)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum = (uint8_t)(sum + (uint8_t)s.ptr[i]);
    fuzz_sink = sum;
}

/* A text that starts in the body ends in it. */
static inline void fuzz_text(struct sk_str s, struct sk_slice body)
{
    uintptr_t p = (uintptr_t)s.ptr, from = (uintptr_t)body.ptr;
    sk_assert(s.ptr != NULL || s.len == 0);
    if (s.len > 0 && p >= from && p < from + body.len)
        sk_assert(s.len <= from + body.len - p);
    fuzz_touch(s);
}

static inline void fuzz_push_check(const struct sk_push *push, struct sk_slice body)
{
    size_t entries = 0, pairs = 0;
    for (size_t i = 0; i < push->stream_count; i++) {
        const struct sk_push_stream *s = &push->streams[i];
        fuzz_text(s->labels, body);
        sk_assert(s->entry_first == entries || s->entry_count == 0);
        entries += s->entry_count;
    }
    sk_assert(entries == push->entry_count);
    for (size_t i = 0; i < push->entry_count; i++) {
        const struct sk_push_entry *e = &push->entries[i];
        sk_assert(e->pair_first <= push->pair_count);
        sk_assert(e->pair_count <= push->pair_count - e->pair_first);
        pairs += e->pair_count;
        fuzz_text(e->line, body);
    }
    sk_assert(pairs == push->pair_count);
    for (size_t i = 0; i < push->pair_count; i++) {
        fuzz_text(push->pairs[i].name, body);
        fuzz_text(push->pairs[i].value, body);
    }
}

#endif
