/* SPDX-License-Identifier: Apache-2.0 */
/* json_walk.c -- see json_walk.h. Strings are scanned eight bytes at a time. */
#include "logql/json_walk.h"

#include "base/bytes.h"
#include "base/jsonscan.h"

struct sk_str sk_jw_fault_text(enum sk_jw_fault fault)
{
    static const struct sk_str texts[] = {
#define FAULT_TEXT(name, text) {text, sizeof(text) - 1},
        SK_JW_FAULT_LIST(FAULT_TEXT)
#undef FAULT_TEXT
    };
    return texts[fault];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char sk_jw_peek(struct sk_jw *w)
{
    while (w->p < w->end && is_blank(*w->p))
        w->p++;
    return w->p < w->end ? *w->p : '\0';
}

#define BYTES_OF(c) (0x0101010101010101u * (uint64_t)(unsigned char)(c))
#define HIGH_BITS   BYTES_OF(0x80)

/* Bytes of `v` that are zero have their high bit set in the result, and perhaps some behind them. */
static uint64_t zero_bytes(uint64_t v)
{
    return (v - BYTES_OF(1)) & ~v & HIGH_BITS;
}

/* From behind an opening quote to the closing one; NULL: there is none. */
static const char *string_end(const char *p, const char *end, bool *ret_escaped, bool *ret_high)
{
    uint64_t high = 0;
    *ret_escaped = false;
    for (;;) {
        while (end - p >= 8) {
            uint64_t v = sk_load_le64((const uint8_t *)p);
            uint64_t hit = zero_bytes(v ^ BYTES_OF('"')) | zero_bytes(v ^ BYTES_OF('\\'));
            if (hit != 0) { /* the lowest bit is exact */
                unsigned skip = (unsigned)__builtin_ctzll(hit) / 8;
                high |= v & HIGH_BITS & ((UINT64_C(1) << (8 * skip)) - 1);
                p += skip;
                break;
            }
            high |= v & HIGH_BITS;
            p += 8;
        }
        if (p >= end)
            return NULL;
        if (*p == '"')
            break;
        if (*p == '\\') {
            *ret_escaped = true;
            if (++p >= end)
                return NULL;
        }
        high |= (unsigned char)*p & 0x80;
        p++;
    }
    *ret_high = high != 0;
    return p;
}

/* Behind the bracket that closes the one at p; only brackets of that kind count. NULL: none does. */
static const char *block_end(const char *p, const char *end, char open, char close)
{
    bool escaped, high;
    size_t level = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            p = string_end(p + 1, end, &escaped, &high);
            if (p == NULL)
                return NULL;
        } else if (*p == open) {
            level++;
        } else if (*p == close && --level == 0) {
            return p + 1;
        }
    }
    return NULL;
}

static enum sk_jw_fault token(struct sk_jw *w, struct sk_jw_value *ret)
{
    const char *from = w->p;
    while (w->p < w->end && !is_blank(*w->p) && *w->p != ',' && *w->p != '}' && *w->p != ']')
        w->p++;
    ret->raw = (struct sk_str){from, (size_t)(w->p - from)};
    if (ret->raw.len == 0)
        return SK_JW_UNKNOWN;
    if ((*from >= '0' && *from <= '9') || *from == '-')
        ret->kind = SK_JW_NUMBER;
    else if (sk_str_is(ret->raw, "true") || sk_str_is(ret->raw, "false"))
        ret->kind = SK_JW_BOOL;
    else if (sk_str_is(ret->raw, "null"))
        ret->kind = SK_JW_NULL;
    else
        return SK_JW_UNKNOWN;
    return SK_JW_OK;
}

enum sk_jw_fault sk_jw_value(struct sk_jw *w, struct sk_jw_value *ret)
{
    char c = sk_jw_peek(w);
    const char *from = w->p, *to;
    ret->escaped = ret->high = false;
    if (from >= w->end)
        return SK_JW_MALFORMED;
    if (c == '"') {
        to = string_end(from + 1, w->end, &ret->escaped, &ret->high);
        if (to == NULL)
            return SK_JW_STRING;
        ret->kind = SK_JW_TEXT;
        ret->raw = (struct sk_str){from + 1, (size_t)(to - from - 1)};
        w->p = to + 1;
        return SK_JW_OK;
    }
    if (c != '{' && c != '[')
        return token(w, ret);
    to = block_end(from, w->end, c, c == '{' ? '}' : ']');
    if (to == NULL)
        return c == '{' ? SK_JW_OBJECT : SK_JW_ARRAY;
    ret->kind = c == '{' ? SK_JW_MAP : SK_JW_LIST;
    ret->raw = (struct sk_str){from, (size_t)(to - from)};
    w->p = to;
    return SK_JW_OK;
}

enum sk_jw_fault sk_jw_begin(struct sk_jw *w, struct sk_str text, struct sk_arena *arena)
{
    *w = (struct sk_jw){.p = text.ptr, .end = text.ptr + text.len, .arena = arena};
    if (sk_jw_peek(w) != '{')
        return SK_JW_OBJECT;
    w->p++;
    return SK_JW_OK;
}

/* Between members: a comma, or the end of the object. */
static enum sk_jw_fault separator(struct sk_jw *w)
{
    char c = sk_jw_peek(w);
    if (w->p >= w->end)
        return w->begun ? SK_JW_ARRAY : SK_JW_MALFORMED;
    if (w->begun && c == ',') {
        w->p++;
        c = sk_jw_peek(w);
        if (w->p >= w->end)
            return SK_JW_ARRAY;
    } else if (w->begun && c != '}') {
        return SK_JW_OBJECT;
    }
    w->begun = true;
    w->done = c == '}';
    return SK_JW_OK;
}

static enum sk_jw_fault member_key(struct sk_jw *w, struct sk_str *ret)
{
    bool escaped, high;
    if (*w->p != '"')
        return SK_JW_OBJECT;
    const char *from = w->p + 1, *to = string_end(from, w->end, &escaped, &high);
    if (to == NULL)
        return SK_JW_MALFORMED;
    *ret = (struct sk_str){from, (size_t)(to - from)};
    w->p = to + 1;
    if (!escaped)
        return SK_JW_OK;
    char *out = sk_arena_alloc(w->arena, ret->len + 1);
    if (out == NULL)
        return SK_JW_NOMEM;
    size_t n = sk_json_unescape(*ret, out);
    *ret = (struct sk_str){out, n};
    return n == SIZE_MAX ? SK_JW_ESCAPE : SK_JW_OK;
}

enum sk_jw_fault sk_jw_member(struct sk_jw *w, struct sk_str *ret_key, struct sk_jw_value *ret)
{
    enum sk_jw_fault fault = separator(w);
    if (fault != SK_JW_OK || w->done)
        return fault;
    fault = member_key(w, ret_key);
    if (fault != SK_JW_OK)
        return fault;
    if (sk_jw_peek(w) != ':')
        return SK_JW_MALFORMED;
    w->p++;
    return sk_jw_value(w, ret);
}

bool sk_jw_text(struct sk_arena *arena, const struct sk_jw_value *v, struct sk_str *ret)
{
    if (!v->escaped) {
        *ret = v->raw;
        return true;
    }
    char *out = sk_arena_alloc(arena, v->raw.len + 1);
    if (out == NULL)
        return false;
    size_t n = sk_json_unescape(v->raw, out);
    *ret = n == SIZE_MAX ? SK_STR("") : (struct sk_str){out, n};
    return true;
}
