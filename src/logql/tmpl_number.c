/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_number.c -- numbers and quoted texts as Go source writes them. A constant is kept in every
 * form that can hold it, and becomes the one that its use asks for. */
#include <math.h>

#include "base/gotext.h"
#include "base/utf8.h"
#include "logql/tmpl_int.h"

/* ---- integers ---- */

/* '_' may stand between digits and behind the prefix. */
static bool underscores_fine(struct sk_str digits, bool prefixed)
{
    char before = prefixed ? '0' : '_';
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] == '_' && (before == '_' || i + 1 == digits.len))
            return false;
        before = digits.ptr[i];
    }
    return true;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

static unsigned base_of(struct sk_str *s)
{
    unsigned base = 8, skip = 2;
    if (s->len < 2 || s->ptr[0] != '0')
        return 10;
    switch (s->ptr[1] | 0x20) {
    case 'x':
        base = 16;
        break;
    case 'o':
        break;
    case 'b':
        base = 2;
        break;
    default:
        skip = 1;
    }
    s->ptr += skip;
    s->len -= skip;
    return base;
}

bool sk_tmpl_parse_uint(struct sk_str s, uint64_t *ret)
{
    uint64_t v = 0;
    size_t whole = s.len;
    unsigned base = base_of(&s);
    if (s.len == 0 || !underscores_fine(s, whole != s.len))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '_')
            continue;
        unsigned d = (unsigned)digit_value(s.ptr[i]);
        if (d >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)d, &v))
            return false;
    }
    *ret = v;
    return true;
}

bool sk_tmpl_parse_int(struct sk_str s, int64_t *ret)
{
    uint64_t u;
    bool minus = s.len > 0 && s.ptr[0] == '-';
    if (s.len > 0 && (minus || s.ptr[0] == '+')) {
        s.ptr++;
        s.len--;
    }
    if (!sk_tmpl_parse_uint(s, &u) || u > (uint64_t)INT64_MAX + (minus ? 1 : 0))
        return false;
    *ret = minus ? (int64_t)(0 - u) : (int64_t)u;
    return true;
}

/* ---- constants ---- */

/* The integer that a float is, as far as it is one. */
static void integers_of(struct sk_tmpl_number *n)
{
    if (!n->is_int && n->f == floor(n->f) && fabs(n->f) < 0x1p63) {
        n->is_int = true;
        n->i = (int64_t)n->f;
    }
    if (!n->is_uint && n->f >= 0 && n->f == floor(n->f) && n->f < 0x1p64) {
        n->is_uint = true;
        n->u = (uint64_t)n->f;
    }
}

static void simplify_complex(struct sk_tmpl_number *n)
{
    n->is_float = n->im == 0;
    if (n->is_float)
        integers_of(n);
}

static const char *character(struct sk_arena *arena, struct sk_str text, struct sk_tmpl_number *ret)
{
    size_t at = 1;
    uint32_t r;
    bool byte;
    if (!sk_tmpl_unquote_char(text, &at, '\'', &r, &byte))
        return "invalid syntax";
    if (at + 1 != text.len) {
        struct sk_str s =
            sk_arena_printf(arena, "malformed character constant: %.*s", SK_STR_ARG(text));
        return s.ptr;
    }
    *ret = (struct sk_tmpl_number){
        .is_int = true, .is_uint = true, .is_float = true, .i = (int64_t)r, .u = r, .f = (double)r};
    return NULL;
}

/* "1+2i": where the imaginary part begins. */
static size_t imaginary_at(struct sk_str text)
{
    for (size_t i = text.len - 1; i > 0; i--) {
        char before = (char)(text.ptr[i - 1] | 0x20);
        if ((text.ptr[i] == '+' || text.ptr[i] == '-') && before != 'e' && before != 'p')
            return i;
    }
    return 0;
}

static const char *complex_pair(struct sk_str text, struct sk_tmpl_number *ret)
{
    size_t at = imaginary_at(text);
    struct sk_str re = {text.ptr, at}, im = {text.ptr + at, text.len - at - 1};
    if (sk_go_parse_float(re, &ret->f, NULL) != SK_OK ||
        sk_go_parse_float(im, &ret->im, NULL) != SK_OK)
        return "syntax error scanning complex number";
    ret->is_complex = true;
    simplify_complex(ret);
    return NULL;
}

static bool any_of(struct sk_str s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\0' && strchr(set, s.ptr[i]) != NULL)
            return true;
    }
    return false;
}

static const char *number_error(struct sk_arena *arena, const char *what, struct sk_str text)
{
    /* Digits, signs, dots and letters: nothing that quoting would change. */
    return sk_arena_printf(arena, "%s: \"%.*s\"", what, SK_STR_ARG(text)).ptr;
}

static const char *real_number(struct sk_arena *arena, struct sk_str text, struct sk_tmpl_number *n)
{
    n->is_uint = sk_tmpl_parse_uint(text, &n->u);
    n->is_int = sk_tmpl_parse_int(text, &n->i);
    if (n->is_int && n->i == 0)
        n->is_uint = true; /* -0 */
    n->is_float = n->is_int || n->is_uint;
    if (n->is_float) {
        n->f = n->is_int ? (double)n->i : (double)n->u;
        return NULL;
    }
    if (sk_go_parse_float(text, &n->f, NULL) != SK_OK)
        return number_error(arena, "illegal number syntax", text);
    if (!any_of(text, ".eEpP"))
        return number_error(arena, "integer overflow", text);
    n->is_float = true;
    integers_of(n);
    return NULL;
}

const char *sk_tmpl_number_parse(struct sk_arena *arena, struct sk_str text, enum sk_tmpl_tok kind,
                                 struct sk_tmpl_number *ret)
{
    *ret = (struct sk_tmpl_number){.f = 0};
    if (kind == SK_TTOK_CHAR_CONSTANT)
        return character(arena, text, ret);
    if (kind == SK_TTOK_COMPLEX)
        return complex_pair(text, ret);
    if (text.len > 0 && text.ptr[text.len - 1] == 'i' &&
        sk_go_parse_float((struct sk_str){text.ptr, text.len - 1}, &ret->im, NULL) == SK_OK) {
        ret->is_complex = true;
        simplify_complex(ret);
        return NULL;
    }
    return real_number(arena, text, ret);
}

/* ---- quoted texts ---- */

static bool escaped_hex(struct sk_str s, size_t *at, size_t digits, uint32_t *ret)
{
    uint32_t v = 0;
    if (s.len - *at < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int d = digit_value(s.ptr[*at + i]);
        if (d > 15)
            return false;
        v = v << 4 | (uint32_t)d;
    }
    *at += digits;
    *ret = v;
    return true;
}

static bool escaped_octal(struct sk_str s, size_t *at, uint32_t *ret)
{
    uint32_t v = 0;
    if (s.len - *at < 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        char c = s.ptr[*at + i];
        if (c < '0' || c > '7')
            return false;
        v = v << 3 | (uint32_t)(c - '0');
    }
    *at += 3;
    *ret = v;
    return v <= 255;
}

/* Behind the backslash. */
static bool escape(struct sk_str s, size_t *at, char quote, uint32_t *ret, bool *ret_byte)
{
    static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
    char c = s.ptr[*at];
    if (c >= '0' && c <= '7')
        return escaped_octal(s, at, ret);
    (*at)++;
    if (c == 'x')
        return escaped_hex(s, at, 2, ret);
    if (c == 'u' || c == 'U') {
        *ret_byte = false;
        return escaped_hex(s, at, c == 'u' ? 4 : 8, ret) && *ret <= 0x10ffff &&
               !(*ret >= 0xd800 && *ret <= 0xdfff);
    }
    if (c == '\'' || c == '"') {
        *ret = (uint32_t)c;
        return c == quote;
    }
    for (const char *e = simple; *e != '\0'; e += 2) {
        if (*e == c) {
            *ret = (uint32_t)e[1];
            return true;
        }
    }
    return false;
}

bool sk_tmpl_unquote_char(struct sk_str s, size_t *at, char quote, uint32_t *ret, bool *ret_byte)
{
    *ret_byte = true;
    if (*at >= s.len || s.ptr[*at] == quote)
        return false;
    if ((unsigned char)s.ptr[*at] >= 0x80) {
        unsigned width;
        *ret = sk_utf8_decode(s.ptr + *at, s.len - *at, &width);
        *ret_byte = false;
        *at += width;
        return true;
    }
    if (s.ptr[*at] != '\\') {
        *ret = (unsigned char)s.ptr[(*at)++];
        return true;
    }
    (*at)++;
    return *at < s.len && escape(s, at, quote, ret, ret_byte);
}

bool sk_tmpl_unquote(struct sk_arena *arena, struct sk_str quoted, struct sk_str *ret)
{
    struct sk_str in = {quoted.ptr + 1, quoted.len - 2}; /* the lexer has seen both quotes */
    char quote = quoted.ptr[0];
    size_t n = 0, at = 0;
    char *out = sk_arena_alloc(arena, in.len * 3 + 1); /* a malformed byte becomes three */
    *ret = (struct sk_str){out, 0};
    if (out == NULL)
        return true;
    for (; quote == '`' && at < in.len; at++) {
        if (in.ptr[at] != '\r')
            out[n++] = in.ptr[at];
    }
    while (at < in.len) {
        uint32_t r;
        bool byte;
        if (in.ptr[at] == '\n' || !sk_tmpl_unquote_char(in, &at, quote, &r, &byte))
            return false;
        if (byte)
            out[n++] = (char)r;
        else
            n += sk_utf8_encode(out + n, r);
    }
    ret->len = n;
    return true;
}
