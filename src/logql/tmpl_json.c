/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_json.c -- fromJson: a JSON text as values, as Go's encoding/json makes them: numbers are
 * floats, the last of equal keys counts, malformed UTF-8 becomes U+FFFD, and a text that is not
 * JSON through and through is nil. */
#include <stdlib.h>

#include "base/gotext.h"
#include "base/utf8.h"
#include "logql/tmpl_int.h"

/* Each level takes stack; Go's limit is 10000. */
enum { DEPTH_MAX = 500 };

struct json {
    struct sk_tmpl_exec *x;
    const char *p, *end;
    unsigned depth;
    bool no_memory;
};

static bool value(struct json *j, struct sk_tv *ret);

static char peek(struct json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
        j->p++;
    return j->p < j->end ? *j->p : '\0';
}

static bool take(struct json *j, char c)
{
    if (peek(j) != c || j->p == j->end)
        return false;
    j->p++;
    return true;
}

static void *memory(struct json *j, size_t bytes)
{
    void *p = sk_arena_alloc(j->x->arena, bytes);
    j->no_memory |= p == NULL;
    return p;
}

/* ---- strings ---- */

static bool hex4(struct json *j, uint32_t *ret)
{
    uint32_t v = 0;
    if (j->end - j->p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = j->p[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        else
            return false;
    }
    j->p += 4;
    *ret = v;
    return true;
}

/* Behind \u. A half of a pair alone is U+FFFD. */
static bool escaped_rune(struct json *j, uint32_t *ret)
{
    uint32_t low;
    if (!hex4(j, ret))
        return false;
    if (*ret < 0xd800 || *ret > 0xdfff)
        return true;
    const char *back = j->p;
    if (*ret <= 0xdbff && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u') {
        j->p += 2;
        if (!hex4(j, &low))
            return false;
        if (low >= 0xdc00 && low <= 0xdfff) {
            *ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
            return true;
        }
    }
    j->p = back;
    *ret = SK_RUNE_ERROR;
    return true;
}

/* Behind the backslash. */
static bool escape(struct json *j, char *out, size_t *n)
{
    static const char simple[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    uint32_t r;
    if (j->p == j->end)
        return false;
    char c = *j->p++;
    if (c == 'u') {
        if (!escaped_rune(j, &r))
            return false;
        *n += sk_utf8_encode(out + *n, r);
        return true;
    }
    for (const char *e = simple; *e != '\0'; e += 2) {
        if (*e == c) {
            out[(*n)++] = e[1];
            return true;
        }
    }
    return false;
}

static bool string(struct json *j, struct sk_str *ret)
{
    if (!take(j, '"'))
        return false;
    const char *close = j->p; /* at the latest */
    while (close < j->end && *close != '"')
        close += *close == '\\' && close + 1 < j->end ? 2 : 1;
    if (close >= j->end)
        return false;
    size_t n = 0;
    char *out = memory(j, (size_t)(close - j->p) * 3 + 1); /* a malformed byte becomes three */
    if (out == NULL)
        return false;
    while (j->p < close) {
        unsigned char c = (unsigned char)*j->p;
        if (c < 0x20)
            return false;
        if (c == '\\') {
            j->p++;
            if (!escape(j, out, &n))
                return false;
            continue;
        }
        unsigned width;
        uint32_t r = sk_utf8_decode(j->p, (size_t)(close - j->p), &width);
        n += sk_utf8_encode(out + n, r);
        j->p += width;
    }
    j->p = close + 1;
    *ret = (struct sk_str){out, n};
    return true;
}

/* ---- numbers ---- */

static size_t digits(struct json *j)
{
    const char *from = j->p;
    while (j->p < j->end && *j->p >= '0' && *j->p <= '9')
        j->p++;
    return (size_t)(j->p - from);
}

/* One that no double can hold is nil. */
static bool number(struct json *j, struct sk_tv *ret)
{
    const char *from = j->p;
    double f;
    j->p += *j->p == '-';
    const char *first = j->p;
    size_t n = digits(j);
    if (n == 0 || (n > 1 && *first == '0'))
        return false;
    if (j->p < j->end && *j->p == '.') {
        j->p++;
        if (digits(j) == 0)
            return false;
    }
    if (j->p < j->end && (*j->p | 0x20) == 'e') {
        j->p++;
        j->p += j->p < j->end && (*j->p == '+' || *j->p == '-');
        if (digits(j) == 0)
            return false;
    }
    *ret = (struct sk_tv){.type = SK_TV_NIL};
    if (sk_go_parse_float((struct sk_str){from, (size_t)(j->p - from)}, &f, NULL) == SK_OK)
        *ret = sk_tv_float(f);
    return true;
}

static bool word(struct json *j, struct sk_str text)
{
    if (!sk_str_starts((struct sk_str){j->p, (size_t)(j->end - j->p)}, text))
        return false;
    j->p += text.len;
    return true;
}

/* ---- arrays and objects ---- */

/* Room for one element more, as Go's append grows. */
static bool list_grow(struct json *j, struct sk_tv_list *list)
{
    if (list->count < list->cap)
        return true;
    size_t cap = list->cap == 0 ? 1 : list->cap * 2;
    struct sk_tv *items = memory(j, cap * sizeof(*items));
    if (items == NULL)
        return false;
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof(*items));
    for (size_t i = list->count; i < cap; i++)
        items[i] = (struct sk_tv){.type = SK_TV_NIL, .iface = true};
    list->items = items;
    list->cap = cap;
    return true;
}

static bool array(struct json *j, struct sk_tv *ret)
{
    struct sk_tv_list *list = memory(j, sizeof(*list));
    if (list == NULL)
        return false;
    *list = (struct sk_tv_list){NULL, 0, 0};
    *ret = (struct sk_tv){.type = SK_TV_LIST, .u = {.list = list}};
    j->p++;
    if (take(j, ']'))
        return true;
    do {
        struct sk_tv v;
        if (!value(j, &v) || !list_grow(j, list))
            return false;
        v.iface = true;
        list->items[list->count++] = v;
    } while (take(j, ','));
    return take(j, ']');
}

struct member {
    struct sk_tv_entry entry;
    size_t order;
};

static int member_cmp(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = sk_str_cmp(x->entry.key, y->entry.key);
    return c != 0 ? c : x->order < y->order ? -1 : 1;
}

/* Sorts, and keeps the last of equal keys. */
static bool map_make(struct json *j, struct member *members, size_t count, struct sk_tv_map *map)
{
    map->items = memory(j, (count + 1) * sizeof(*map->items));
    if (map->items == NULL)
        return false;
    if (count > 0)
        qsort(members, count, sizeof(*members), member_cmp);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && sk_str_eq(members[i].entry.key, members[i + 1].entry.key))
            continue;
        map->items[map->count++] = members[i].entry;
    }
    return true;
}

static bool object(struct json *j, struct sk_tv *ret)
{
    struct member *members = NULL;
    size_t count = 0, cap = 0;
    struct sk_tv_map *map = memory(j, sizeof(*map));
    if (map == NULL)
        return false;
    *map = (struct sk_tv_map){NULL, 0};
    *ret = (struct sk_tv){.type = SK_TV_MAP, .u = {.map = map}};
    j->p++;
    if (take(j, '}'))
        return map_make(j, NULL, 0, map);
    do {
        if (count == cap) {
            struct member *grown = memory(j, (cap = cap == 0 ? 8 : cap * 2) * sizeof(*grown));
            if (grown == NULL)
                return false;
            if (count > 0)
                memcpy(grown, members, count * sizeof(*grown));
            members = grown;
        }
        struct member *m = &members[count];
        if (!string(j, &m->entry.key) || !take(j, ':') || !value(j, &m->entry.value))
            return false;
        m->entry.value.iface = true;
        m->order = count++;
    } while (take(j, ','));
    return take(j, '}') && map_make(j, members, count, map);
}

static bool nested(struct json *j, bool (*read)(struct json *j, struct sk_tv *ret),
                   struct sk_tv *ret)
{
    if (j->depth >= DEPTH_MAX)
        return false;
    j->depth++;
    bool fine = read(j, ret);
    j->depth--;
    return fine;
}

static bool value(struct json *j, struct sk_tv *ret)
{
    switch (peek(j)) {
    case '{':
        return nested(j, object, ret);
    case '[':
        return nested(j, array, ret);
    case '"':
        ret->type = SK_TV_STRING;
        return string(j, &ret->u.s);
    case 't':
        *ret = sk_tv_bool(true);
        return word(j, SK_STR("true"));
    case 'f':
        *ret = sk_tv_bool(false);
        return word(j, SK_STR("false"));
    case 'n':
        *ret = (struct sk_tv){.type = SK_TV_NIL};
        return word(j, SK_STR("null"));
    default:
        return j->p < j->end && (*j->p == '-' || (*j->p >= '0' && *j->p <= '9')) && number(j, ret);
    }
}

bool sk_tmpl_json(struct sk_tmpl_exec *x, struct sk_str text, struct sk_tv *ret)
{
    struct json j = {.x = x, .p = text.ptr, .end = text.ptr + text.len};
    struct sk_tv v = {.type = SK_TV_NIL};
    bool fine = text.len > 0 && value(&j, &v) && (peek(&j), j.p == j.end);
    if (j.no_memory)
        return sk_tmpl_no_memory(x);
    *ret = fine ? v : (struct sk_tv){.type = SK_TV_NIL};
    ret->iface = true;
    return true;
}
