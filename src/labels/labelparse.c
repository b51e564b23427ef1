/* SPDX-License-Identifier: Apache-2.0 */
/* labelparse.c -- the label text of a push. A recursive-descent reader of one level:
 * `{` [ name = string { , name = string } [,] ] `}`. Positions in messages are byte columns from 1. */
#include "labels/labelset.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/gotext.h"
#include "base/utf8.h"

struct parser {
    struct sk_arena *arena;
    struct sk_str text;
    size_t at;
    struct sk_label *items;
    size_t count, cap;
    struct sk_error *reterr;
};

static enum sk_err fail(struct parser *p, size_t col, const char *fmt, struct sk_str arg)
{
    char what[512];
    int n = arg.len > 200 ? 200 : (int)arg.len;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* literals of this file with one %.*s */
    (void)snprintf(what, sizeof(what), fmt, n, arg.ptr ? arg.ptr : "");
#pragma GCC diagnostic pop
    return sk_error_set_at(p->reterr, SK_EPARSE, (int64_t)col,
                           "couldn't parse labels: 1:%zu: parse error: %s", col + 1, what);
}

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct parser *p)
{
    while (p->at < p->text.len && space(p->text.ptr[p->at]))
        p->at++;
}

static bool ident_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

static struct sk_str ident(struct parser *p)
{
    size_t from = p->at;
    while (p->at < p->text.len && ident_char(p->text.ptr[p->at], p->at == from))
        p->at++;
    return (struct sk_str){p->text.ptr + from, p->at - from};
}

/* What stands at `at`, in Prometheus' words, as an error. `context` follows "in". */
static enum sk_err unexpected(struct parser *p, const char *context)
{
    char fmt[128];
    size_t col = p->at;
    if (p->at >= p->text.len)
        return fail(p, col, "unexpected end of input inside braces%.*s", SK_STR(""));
    const char *s = p->text.ptr + p->at;
    size_t left = p->text.len - p->at;
    static const char *const ops[] = {"!=", "=~", "!~"};
    for (size_t i = 0; i < SK_COUNT_OF(ops); i++) {
        if (left >= 2 && memcmp(s, ops[i], 2) == 0) {
            (void)snprintf(fmt, sizeof(fmt), "unexpected <op:%%.*s>%s", context);
            return fail(p, col, fmt, sk_str_from(ops[i]));
        }
    }
    if (ident_char(*s, true)) {
        struct sk_str name = ident(p);
        (void)snprintf(fmt, sizeof(fmt), "unexpected identifier \"%%.*s\"%s", context);
        return fail(p, col, fmt, name);
    }
    if (*s == '=' || *s == ',' || *s == '{' || *s == '}') {
        (void)snprintf(fmt, sizeof(fmt), "unexpected \"%%.*s\"%s", context);
        return fail(p, col, fmt, (struct sk_str){s, 1});
    }
    unsigned width;
    uint32_t r = sk_utf8_decode(s, left, &width);
    if (r == SK_RUNE_ERROR && width == 1)
        return fail(p, col, "invalid UTF-8 rune%.*s", SK_STR(""));
    return fail(p, col, "unexpected character inside braces: '%.*s'", (struct sk_str){s, width});
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

/* \xhh, \ooo, \uhhhh, \Uhhhhhhhh: `digits` of `base`; the value, or -1. */
static int64_t escape_digits(struct parser *p, unsigned digits, int base)
{
    int64_t v = 0;
    for (unsigned i = 0; i < digits; i++, p->at++) {
        int d = p->at < p->text.len ? hex_value(p->text.ptr[p->at]) : -1;
        if (d < 0 || d >= base)
            return -1;
        v = v * base + d;
    }
    return v;
}

/* The character behind a backslash; false: no such escape. */
static bool escape(struct parser *p, char quote, char *out, size_t *n)
{
    static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
    char c = p->at < p->text.len ? p->text.ptr[p->at++] : '\0';
    for (const char *s = simple; *s != '\0'; s += 2) {
        if (*s == c) {
            out[(*n)++] = s[1];
            return true;
        }
    }
    if (c == quote) {
        out[(*n)++] = c;
        return true;
    }
    int64_t v;
    if (c == 'x' || (c >= '0' && c <= '7')) {
        if (c != 'x')
            p->at--;
        v = c == 'x' ? escape_digits(p, 2, 16) : escape_digits(p, 3, 8);
        if (v < 0 || v > 255)
            return false;
        out[(*n)++] = (char)v;
        return true;
    }
    if (c != 'u' && c != 'U')
        return false;
    v = escape_digits(p, c == 'u' ? 4 : 8, 16);
    if (v < 0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return false;
    *n += sk_utf8_encode(out + *n, (uint32_t)v);
    return true;
}

static enum sk_err string(struct parser *p, struct sk_str *ret)
{
    size_t open = p->at;
    char quote = p->text.ptr[p->at++];
    size_t from = p->at;
    const char *body = p->text.ptr + from;
    /* the plain case borrows from the text */
    while (p->at < p->text.len && p->text.ptr[p->at] != quote && p->text.ptr[p->at] != '\n' &&
           (quote == '`' || p->text.ptr[p->at] != '\\'))
        p->at++;
    if (quote == '`') {
        const char *end = memchr(body, '`', p->text.len - from);
        if (end == NULL)
            return fail(p, open, "unterminated raw string%.*s", SK_STR(""));
        *ret = (struct sk_str){body, (size_t)(end - body)};
        p->at = from + ret->len + 1;
        return SK_OK;
    }
    if (p->at < p->text.len && p->text.ptr[p->at] == quote) {
        *ret = (struct sk_str){body, p->at - from};
        p->at++;
        return SK_OK;
    }
    char *out = sk_arena_alloc(p->arena, p->text.len - from + 8);
    if (out == NULL)
        return SK_ENOMEM;
    size_t n = 0;
    for (p->at = from; p->at < p->text.len && p->text.ptr[p->at] != quote;) {
        char c = p->text.ptr[p->at++];
        if (c == '\n')
            return fail(p, open, "unterminated quoted string%.*s", SK_STR(""));
        if (c != '\\') {
            out[n++] = c;
            continue;
        }
        if (!escape(p, quote, out, &n))
            return fail(p, open, "unknown escape sequence in string%.*s", SK_STR(""));
    }
    if (p->at >= p->text.len)
        return fail(p, open, "unterminated quoted string%.*s", SK_STR(""));
    p->at++;
    *ret = (struct sk_str){out, n};
    return SK_OK;
}

static bool label_add(struct parser *p, struct sk_str name, struct sk_str value)
{
    if (p->count == p->cap) {
        size_t cap = p->cap == 0 ? 16 : p->cap * 2;
        struct sk_label *grown = sk_arena_alloc(p->arena, cap * sizeof(*grown));
        if (grown == NULL)
            return false;
        if (p->count != 0)
            memcpy(grown, p->items, p->count * sizeof(*grown));
        p->items = grown;
        p->cap = cap;
    }
    p->items[p->count++] = (struct sk_label){name, value};
    return true;
}

static enum sk_err pair(struct parser *p)
{
    if (p->at >= p->text.len || !ident_char(p->text.ptr[p->at], true))
        return unexpected(p, " in label set, expected identifier or \"}\"");
    struct sk_str name = ident(p), value;
    skip_space(p);
    if (p->at >= p->text.len || p->text.ptr[p->at] != '=' ||
        (p->at + 1 < p->text.len && p->text.ptr[p->at + 1] == '~'))
        return unexpected(p, " in label set, expected \"=\"");
    p->at++;
    skip_space(p);
    char c = p->at < p->text.len ? p->text.ptr[p->at] : '\0';
    if (c != '"' && c != '\'' && c != '`')
        return unexpected(p, " in label set, expected string");
    size_t col = p->at;
    enum sk_err err = string(p, &value);
    if (err != SK_OK)
        return err;
    if (!sk_utf8_valid(value))
        return fail(p, col, "invalid UTF-8 rune%.*s", SK_STR(""));
    return label_add(p, name, value) ? SK_OK : SK_ENOMEM;
}

static enum sk_err pairs(struct parser *p)
{
    for (;;) {
        skip_space(p);
        if (p->at < p->text.len && p->text.ptr[p->at] == '}')
            break;
        enum sk_err err = pair(p);
        if (err != SK_OK)
            return err;
        skip_space(p);
        if (p->at < p->text.len && p->text.ptr[p->at] == ',') {
            p->at++;
            continue;
        }
        if (p->at < p->text.len && p->text.ptr[p->at] == '}')
            break;
        return unexpected(p, " in label set, expected \",\" or \"}\"");
    }
    p->at++;
    skip_space(p);
    return p->at == p->text.len ? SK_OK : unexpected(p, "");
}

enum sk_err sk_labels_parse(struct sk_arena *arena, struct sk_str text, struct sk_labelset *ret,
                            struct sk_error *reterr)
{
    struct parser p = {.arena = arena, .text = text, .reterr = reterr};
    skip_space(&p);
    enum sk_err err = SK_OK;
    if (p.at < text.len) {
        if (ident_char(text.ptr[p.at], true)) { /* a bare name means {__name__="name"} */
            struct sk_str name = ident(&p);
            if (!label_add(&p, SK_STR("__name__"), name))
                return SK_ENOMEM;
            skip_space(&p);
            if (p.at == text.len)
                goto done;
        }
        if (text.ptr[p.at] != '{')
            return unexpected(&p, "");
        p.at++;
        err = pairs(&p);
    }
    if (err != SK_OK)
        return err;
done:
    sk_labels_sort(p.items, p.count);
    *ret = (struct sk_labelset){p.items, p.count};
    return SK_OK;
}
