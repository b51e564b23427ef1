/* SPDX-License-Identifier: Apache-2.0 */
/* slice.c -- see slice.h. */
#include "base/slice.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'A' && u <= 'Z') ? (unsigned char)(u + 32) : u;
}

bool sk_str_eq_nocase(struct sk_str a, struct sk_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

size_t sk_str_find(struct sk_str hay, struct sk_str needle, size_t from)
{
    if (from > hay.len)
        return SIZE_MAX;
    if (needle.len == 0)
        return from;
    if (needle.len > hay.len - from)
        return SIZE_MAX;
    const char *hit = memmem(hay.ptr + from, hay.len - from, needle.ptr, needle.len);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - hay.ptr);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct sk_str sk_str_trim(struct sk_str s)
{
    while (s.len > 0 && blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool sk_str_to_u64(struct sk_str s, uint64_t *ret)
{
    if (s.len == 0)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(s.ptr[i] - '0'), &n))
            return false;
    }
    *ret = n;
    return true;
}

bool sk_str_to_i64(struct sk_str s, int64_t *ret)
{
    bool minus = s.len > 0 && s.ptr[0] == '-';
    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+')) {
        s.ptr++;
        s.len--;
    }
    uint64_t n;
    if (!sk_str_to_u64(s, &n))
        return false;
    if (n > (uint64_t)INT64_MAX + (minus ? 1u : 0u))
        return false;
    *ret = minus ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}
