/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf.h -- a growing byte buffer with a maximum, on the heap.
 *
 * Failure sticks: once memory or the maximum is reached, `failed` is true, further appends
 * do nothing, and the caller asks once at the end. `ptr` is always NUL-terminated when
 * anything was appended. */
#ifndef SK_BASE_STRBUF_H
#define SK_BASE_STRBUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct sk_strbuf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max_bytes;
    bool failed;
};

void sk_strbuf_init(struct sk_strbuf *b, size_t max_bytes);
void sk_strbuf_deinit(struct sk_strbuf *b); /* NULL, zeroed: fine */
void sk_strbuf_reset(struct sk_strbuf *b);  /* empty, not failed, keeps the memory */

/* Room for `extra` more bytes; false when that fails. */
bool sk_strbuf_reserve(struct sk_strbuf *b, size_t extra);

void sk_strbuf_add(struct sk_strbuf *b, const void *data, size_t len);
void sk_strbuf_str(struct sk_strbuf *b, struct sk_str s);
void sk_strbuf_puts(struct sk_strbuf *b, const char *cstr);
void sk_strbuf_putc(struct sk_strbuf *b, char c);
void sk_strbuf_u64(struct sk_strbuf *b, uint64_t v);
void sk_strbuf_i64(struct sk_strbuf *b, int64_t v);
void sk_strbuf_printf(struct sk_strbuf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The content, borrowed until the next append. */
static inline struct sk_str sk_strbuf_view(const struct sk_strbuf *b)
{
    return (struct sk_str){b->ptr, b->len};
}

/* Hands the memory to the caller (sk_free) and leaves the buffer empty. NULL when empty. */
char *sk_strbuf_take(struct sk_strbuf *b);

#endif
