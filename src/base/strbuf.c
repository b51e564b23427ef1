/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf.c -- see strbuf.h. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

void sk_strbuf_init(struct sk_strbuf *b, size_t max_bytes)
{
    sk_assert(b != NULL);
    *b = (struct sk_strbuf){.max_bytes = max_bytes};
}

void sk_strbuf_deinit(struct sk_strbuf *b)
{
    if (b == NULL)
        return;
    sk_free(b->ptr);
    b->ptr = NULL;
    b->len = b->cap = 0;
}

void sk_strbuf_reset(struct sk_strbuf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->ptr != NULL)
        b->ptr[0] = '\0';
}

bool sk_strbuf_reserve(struct sk_strbuf *b, size_t extra)
{
    if (b->failed)
        return false;
    if (b->len > b->max_bytes || extra > b->max_bytes - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + extra + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap < 64 ? 64 : b->cap * 2;
    if (cap < need)
        cap = need;
    char *grown = sk_realloc(b->ptr, cap);
    if (grown == NULL) {
        b->failed = true;
        return false;
    }
    b->ptr = grown;
    b->cap = cap;
    return true;
}

void sk_strbuf_add(struct sk_strbuf *b, const void *data, size_t len)
{
    if (!sk_strbuf_reserve(b, len))
        return;
    if (len != 0)
        memcpy(b->ptr + b->len, data, len);
    b->len += len;
    b->ptr[b->len] = '\0';
}

void sk_strbuf_str(struct sk_strbuf *b, struct sk_str s)
{
    sk_strbuf_add(b, s.ptr, s.len);
}

void sk_strbuf_puts(struct sk_strbuf *b, const char *cstr)
{
    sk_strbuf_add(b, cstr, strlen(cstr));
}

void sk_strbuf_putc(struct sk_strbuf *b, char c)
{
    sk_strbuf_add(b, &c, 1);
}

void sk_strbuf_u64(struct sk_strbuf *b, uint64_t v)
{
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    sk_strbuf_add(b, digits + n, sizeof(digits) - n);
}

void sk_strbuf_i64(struct sk_strbuf *b, int64_t v)
{
    if (v < 0)
        sk_strbuf_putc(b, '-');
    sk_strbuf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void sk_strbuf_printf(struct sk_strbuf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if (!sk_strbuf_reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, ap); /* measured just above */
    va_end(ap);
    b->len += (size_t)n;
}

char *sk_strbuf_take(struct sk_strbuf *b)
{
    char *ptr = b->ptr;
    b->ptr = NULL;
    b->len = b->cap = 0;
    return ptr;
}
