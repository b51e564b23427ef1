/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h -- borrowed bytes (sk_slice) and borrowed text (sk_str). Neither is
 * NUL-terminated, neither owns anything. A zeroed value is empty. */
#ifndef SK_BASE_SLICE_H
#define SK_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sk_slice {
    const uint8_t *ptr;
    size_t len;
};

struct sk_str {
    const char *ptr;
    size_t len;
};

/* A literal: SK_STR("abc"). SK_STR_FMT/SK_STR_ARG print one: printf("%.*s", SK_STR_ARG(s)). */
#define SK_STR(literal) ((struct sk_str){(literal), sizeof(literal) - 1})
#define SK_STR_ARG(s)   (int)((s).len > 0x7fffffff ? 0x7fffffff : (s).len), ((s).ptr ? (s).ptr : "")

#define SK_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define SK_COUNT_OF(array)                 (sizeof(array) / sizeof((array)[0]))

static inline struct sk_str sk_str_from(const char *cstr)
{
    return (struct sk_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline struct sk_str sk_str_of_slice(struct sk_slice s)
{
    return (struct sk_str){(const char *)s.ptr, s.len};
}

static inline struct sk_slice sk_slice_of_str(struct sk_str s)
{
    return (struct sk_slice){(const uint8_t *)s.ptr, s.len};
}

static inline bool sk_str_eq(struct sk_str a, struct sk_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool sk_str_is(struct sk_str a, const char *cstr)
{
    return sk_str_eq(a, sk_str_from(cstr));
}

/* Byte order, shorter first on a common prefix: <0, 0, >0. */
static inline int sk_str_cmp(struct sk_str a, struct sk_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool sk_str_starts(struct sk_str s, struct sk_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool sk_str_ends(struct sk_str s, struct sk_str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The part [off, off+len) of `s`; false and untouched *ret when it is not inside. */
static inline bool sk_slice_sub(struct sk_slice s, uint64_t off, uint64_t len, struct sk_slice *ret)
{
    if (off > s.len || len > s.len - off)
        return false;
    *ret = (struct sk_slice){s.ptr == NULL ? NULL : s.ptr + off, (size_t)len};
    return true;
}

/* ASCII case-insensitive equality. */
bool sk_str_eq_nocase(struct sk_str a, struct sk_str b);

/* First occurrence of `needle` at or after `from`; SIZE_MAX when there is none. */
size_t sk_str_find(struct sk_str hay, struct sk_str needle, size_t from);

/* `s` without leading and trailing blanks (space, TAB, CR, LF). */
struct sk_str sk_str_trim(struct sk_str s);

/* Decimal digits only; false on anything else or overflow. */
bool sk_str_to_u64(struct sk_str s, uint64_t *ret);
bool sk_str_to_i64(struct sk_str s, int64_t *ret); /* optional sign */

#endif
