/* SPDX-License-Identifier: Apache-2.0 */
/* jsonscan.c -- see jsonscan.h. Skipping keeps a bit stack of open brackets instead of recursing. */
#include "base/jsonscan.h"

#include "base/arena.h"
#include "base/utf8.h"

_Static_assert(SK_JSON_DEPTH_MAX <= 64, "the stack of sk_json_skip() is one word");

char sk_json_peek(struct sk_json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
        j->p++;
    return j->p < j->end ? *j->p : '\0';
}

bool sk_json_string_scan(struct sk_json *j, struct sk_json_text *ret)
{
    if (sk_json_peek(j) != '"')
        return false;
    const char *from = j->p + 1, *p = from;
    bool escaped = false;
    for (;; p++) {
        if (p >= j->end || (unsigned char)*p < 0x20) {
            j->p = p;
            return false;
        }
        if (*p == '"')
            break;
        if (*p == '\\') {
            escaped = true;
            p++;
            if (p >= j->end) {
                j->p = p;
                return false;
            }
        }
    }
    ret->raw = (struct sk_str){from, (size_t)(p - from)};
    ret->escaped = escaped;
    j->p = p + 1;
    return true;
}

static bool word(struct sk_json *j, const char *text, size_t len)
{
    if ((size_t)(j->end - j->p) < len || memcmp(j->p, text, len) != 0)
        return false;
    j->p += len;
    return true;
}

static bool number(struct sk_json *j)
{
    const char *from = j->p;
    while (j->p < j->end && ((*j->p >= '0' && *j->p <= '9') || *j->p == '-' || *j->p == '+' ||
                             *j->p == '.' || *j->p == 'e' || *j->p == 'E'))
        j->p++;
    return j->p > from;
}

static bool scalar(struct sk_json *j, char c)
{
    struct sk_json_text t;
    switch (c) {
    case '"':
        return sk_json_string_scan(j, &t);
    case 't':
        return word(j, "true", 4);
    case 'f':
        return word(j, "false", 5);
    case 'n':
        return word(j, "null", 4);
    default:
        return (c == '-' || (c >= '0' && c <= '9')) && number(j);
    }
}

/* After a value inside brackets: takes closers and one comma. false: fault; *done: all closed. */
static bool after_value(struct sk_json *j, uint64_t *objects, unsigned *depth)
{
    while (*depth > 0) {
        char c = sk_json_peek(j);
        bool object = (*objects & 1) != 0;
        if (c == ',') {
            j->p++;
            struct sk_json_text key;
            return !object || sk_json_key(j, &key);
        }
        if (c != (object ? '}' : ']'))
            return false;
        j->p++;
        *objects >>= 1;
        (*depth)--;
    }
    return true;
}

bool sk_json_skip(struct sk_json *j, struct sk_str *ret)
{
    (void)sk_json_peek(j); /* only to pass the blanks */
    const char *from = j->p;
    uint64_t objects = 0;
    unsigned depth = 0;
    do {
        char c = sk_json_peek(j);
        if (c == '{' || c == '[') {
            bool empty;
            if (depth >= SK_JSON_DEPTH_MAX || !sk_json_enter(j, c, &empty))
                return false;
            if (!empty) {
                struct sk_json_text key;
                objects = objects << 1 | (c == '{');
                depth++;
                if (c == '{' && !sk_json_key(j, &key))
                    return false;
                continue;
            }
        } else if (!scalar(j, c)) {
            return false;
        }
        if (!after_value(j, &objects, &depth))
            return false;
    } while (depth > 0);
    if (ret != NULL)
        *ret = (struct sk_str){from, (size_t)(j->p - from)};
    return true;
}

bool sk_json_enter(struct sk_json *j, char open, bool *ret_empty)
{
    if (sk_json_peek(j) != open)
        return false;
    j->p++;
    *ret_empty = sk_json_peek(j) == (open == '{' ? '}' : ']');
    if (*ret_empty)
        j->p++;
    return true;
}

bool sk_json_more(struct sk_json *j, char close, bool *ret_more)
{
    char c = sk_json_peek(j);
    if (c != ',' && c != close)
        return false;
    j->p++;
    *ret_more = c == ',';
    return true;
}

bool sk_json_key(struct sk_json *j, struct sk_json_text *ret)
{
    if (!sk_json_string_scan(j, ret) || sk_json_peek(j) != ':')
        return false;
    j->p++;
    return true;
}

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* \uXXXX at raw[*i] (behind the 'u'), surrogate pairs joined; -1: malformed. */
static int32_t unicode_escape(struct sk_str raw, size_t *i)
{
    int hi = raw.len - *i >= 4 ? hex4(raw.ptr + *i) : -1;
    if (hi < 0 || (hi >= 0xdc00 && hi <= 0xdfff))
        return -1;
    *i += 4;
    if (hi < 0xd800 || hi > 0xdbff)
        return hi;
    if (raw.len - *i < 6 || raw.ptr[*i] != '\\' || raw.ptr[*i + 1] != 'u')
        return -1;
    int lo = hex4(raw.ptr + *i + 2);
    if (lo < 0xdc00 || lo > 0xdfff)
        return -1;
    *i += 6;
    return 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
}

size_t sk_json_unescape(struct sk_str raw, char *out)
{
    static const char simple[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    size_t n = 0;
    for (size_t i = 0; i < raw.len;) {
        if (raw.ptr[i] != '\\') {
            out[n++] = raw.ptr[i++];
            continue;
        }
        if (++i >= raw.len)
            return SIZE_MAX;
        char c = raw.ptr[i++];
        if (c == 'u') {
            int32_t r = unicode_escape(raw, &i);
            if (r < 0)
                return SIZE_MAX;
            n += sk_utf8_encode(out + n, (uint32_t)r);
            continue;
        }
        const char *s = simple;
        while (*s != '\0' && *s != c)
            s += 2;
        if (*s == '\0')
            return SIZE_MAX;
        out[n++] = s[1];
    }
    return n;
}

bool sk_json_text_get(struct sk_arena *arena, struct sk_json_text t, struct sk_str *ret)
{
    if (!t.escaped) {
        *ret = t.raw;
        return true;
    }
    char *out = sk_arena_alloc(arena, t.raw.len + 1);
    size_t n = out == NULL ? SIZE_MAX : sk_json_unescape(t.raw, out);
    if (n == SIZE_MAX)
        return false;
    *ret = (struct sk_str){out, n};
    return true;
}
