/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fmt_verb.c -- writes texts, integers and floats as Go's fmt verbs do, flags and all. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/gotext.h"
#include "base/utf8.h"
#include "logql/tmpl_fmt.h"

/* ---- padding ---- */

static void padding(struct sk_fmt *f, size_t count)
{
    char c = f->zero && !f->minus ? '0' : ' ';
    if (!sk_strbuf_reserve(f->out, count))
        return; /* it has failed for good */
    for (size_t i = 0; i < count; i++)
        sk_strbuf_putc(f->out, c);
}

void sk_fmt_pad(struct sk_fmt *f, struct sk_str s)
{
    size_t runes = f->has_width ? sk_utf8_count(s) : 0;
    size_t missing = f->has_width && (size_t)f->width > runes ? (size_t)f->width - runes : 0;
    if (!f->minus)
        padding(f, missing);
    sk_strbuf_str(f->out, s);
    if (f->minus)
        padding(f, missing);
}

static void pad_blank(struct sk_fmt *f, struct sk_str s)
{
    bool zero = f->zero;
    f->zero = false;
    sk_fmt_pad(f, s);
    f->zero = zero;
}

/* ---- texts ---- */

/* As many runes as the precision allows. */
static struct sk_str truncated(const struct sk_fmt *f, struct sk_str s)
{
    size_t at = 0;
    if (!f->has_precision)
        return s;
    for (int n = f->precision; n > 0 && at < s.len; n--) {
        unsigned width;
        (void)sk_utf8_decode(s.ptr + at, s.len - at, &width); /* only the width matters */
        at += width;
    }
    return (struct sk_str){s.ptr, at};
}

void sk_fmt_text(struct sk_fmt *f, struct sk_str s)
{
    sk_fmt_pad(f, truncated(f, s));
}

void sk_fmt_hex(struct sk_fmt *f, struct sk_str s, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t len = f->has_precision && (size_t)f->precision < s.len ? (size_t)f->precision : s.len;
    sk_strbuf_reset(f->part);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (f->space && i > 0)
            sk_strbuf_putc(f->part, ' ');
        if (f->sharp && (i == 0 || f->space))
            sk_strbuf_puts(f->part, upper ? "0X" : "0x");
        sk_strbuf_putc(f->part, digits[c >> 4]);
        sk_strbuf_putc(f->part, digits[c & 15]);
    }
    sk_fmt_pad(f, sk_strbuf_view(f->part));
}

static void escaped_rune(struct sk_strbuf *b, uint32_t r, char quote, bool ascii)
{
    static const char escapes[] = "\aa\bb\ff\nn\rr\tt\vv";
    char enc[4];
    if (r == (uint32_t)quote || r == '\\') {
        sk_strbuf_putc(b, '\\');
        sk_strbuf_putc(b, (char)r);
        return;
    }
    if (ascii ? r < 0x80 && sk_go_rune_printable(r) : sk_go_rune_printable(r)) {
        sk_strbuf_add(b, enc, sk_utf8_encode(enc, r));
        return;
    }
    for (const char *e = escapes; *e != '\0'; e += 2) {
        if ((uint32_t)*e == r) {
            sk_strbuf_putc(b, '\\');
            sk_strbuf_putc(b, e[1]);
            return;
        }
    }
    if (r < 0x20 || r == 0x7f)
        sk_strbuf_printf(b, "\\x%02x", r);
    else
        sk_strbuf_printf(b, r < 0x10000 ? "\\u%04x" : "\\U%08x", r);
}

/* Whether `...` can hold it. */
static bool can_backquote(struct sk_str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        if ((r == SK_RUNE_ERROR && width == 1) || r == 0xfeff || (r < 0x20 && r != '\t') ||
            r == '`' || r == 0x7f)
            return false;
        i += width;
    }
    return true;
}

void sk_fmt_quoted(struct sk_fmt *f, struct sk_str s)
{
    struct sk_strbuf *b = f->number; /* `s` may be in the other */
    s = truncated(f, s);
    sk_strbuf_reset(b);
    if (f->sharp && can_backquote(s)) {
        sk_strbuf_putc(b, '`');
        sk_strbuf_str(b, s);
        sk_strbuf_putc(b, '`');
        sk_fmt_pad(f, sk_strbuf_view(b));
        return;
    }
    sk_strbuf_putc(b, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        if (r == SK_RUNE_ERROR && width == 1)
            sk_strbuf_printf(b, "\\x%02x", (unsigned char)s.ptr[i]);
        else
            escaped_rune(b, r, '"', f->plus);
        i += width;
    }
    sk_strbuf_putc(b, '"');
    sk_fmt_pad(f, sk_strbuf_view(b));
}

/* ---- runes ---- */

/* What UTF-8 can hold. */
static uint32_t rune_of(uint64_t v)
{
    return v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ? SK_RUNE_ERROR : (uint32_t)v;
}

void sk_fmt_rune(struct sk_fmt *f, uint64_t rune)
{
    char enc[4];
    size_t n = sk_utf8_encode(enc, rune_of(rune));
    sk_fmt_pad(f, (struct sk_str){enc, n});
}

void sk_fmt_quoted_rune(struct sk_fmt *f, uint64_t rune)
{
    sk_strbuf_reset(f->number);
    sk_strbuf_putc(f->number, '\'');
    escaped_rune(f->number, rune_of(rune), '\'', f->plus);
    sk_strbuf_putc(f->number, '\'');
    sk_fmt_pad(f, sk_strbuf_view(f->number));
}

void sk_fmt_unicode(struct sk_fmt *f, uint64_t rune)
{
    struct sk_strbuf *b = f->number;
    int digits = f->has_precision && f->precision > 4 ? f->precision : 4;
    char enc[4];
    sk_strbuf_reset(b);
    sk_strbuf_printf(b, "U+%0*llX", digits, (unsigned long long)rune);
    if (f->sharp && rune <= 0x10ffff && sk_go_rune_printable((uint32_t)rune)) {
        sk_strbuf_puts(b, " '");
        sk_strbuf_add(b, enc, sk_utf8_encode(enc, (uint32_t)rune));
        sk_strbuf_putc(b, '\'');
    }
    pad_blank(f, sk_strbuf_view(b));
}

/* ---- integers ---- */

static size_t digits_of(uint64_t u, unsigned base, bool upper, char out[64])
{
    char text[64];
    size_t n = 0;
    do {
        unsigned d = (unsigned)(u % base);
        text[n++] = (char)(d < 10 ? '0' + d : (upper ? 'A' : 'a') + d - 10);
        u /= base;
    } while (u != 0);
    for (size_t i = 0; i < n; i++)
        out[i] = text[n - 1 - i];
    return n;
}

static void sign(struct sk_fmt *f, struct sk_strbuf *b, bool negative)
{
    if (negative)
        sk_strbuf_putc(b, '-');
    else if (f->plus)
        sk_strbuf_putc(b, '+');
    else if (f->space)
        sk_strbuf_putc(b, ' ');
}

void sk_fmt_number(struct sk_fmt *f, int64_t v, unsigned base, char verb)
{
    struct sk_strbuf *b = f->number;
    bool negative = v < 0;
    uint64_t u = negative ? 0 - (uint64_t)v : (uint64_t)v;
    size_t zeros = 0;
    char digits[64];
    if (f->has_precision && f->precision == 0 && v == 0) {
        if (f->has_width)
            pad_blank(f, SK_STR(""));
        return;
    }
    if (f->has_precision)
        zeros = (size_t)f->precision;
    else if (f->zero && !f->minus && f->has_width) /* the sign stands in front of the zeros */
        zeros = (size_t)f->width - (f->width > 0 && (negative || f->plus || f->space));
    size_t n = digits_of(u, base, verb == 'X', digits);
    sk_strbuf_reset(b);
    sign(f, b, negative);
    if (verb == 'O')
        sk_strbuf_puts(b, "0o");
    if (f->sharp && base == 2)
        sk_strbuf_puts(b, "0b");
    if (f->sharp && base == 16)
        sk_strbuf_puts(b, verb == 'X' ? "0X" : "0x");
    if (f->sharp && base == 8 && zeros <= n && digits[0] != '0')
        sk_strbuf_putc(b, '0');
    for (size_t i = n; i < zeros; i++)
        sk_strbuf_putc(b, '0');
    sk_strbuf_add(b, digits, n);
    pad_blank(f, sk_strbuf_view(b));
}

/* ---- floats ---- */

/* 4503599627370496p-52 */
static void float_binary(struct sk_strbuf *b, double v)
{
    int exp;
    double m = frexp(v, &exp);
    exp -= 53;
    if (v != 0 && exp < -1074) { /* subnormal */
        m = ldexp(m, exp + 1074);
        exp = -1074;
    }
    if (v == 0)
        exp = -1074;
    sk_strbuf_printf(b, "%.0fp%+d", ldexp(m, 53), exp);
}

/* 0x1.8p+01: C's form with at least two digits of exponent, and normal when it is not. */
static void float_hex(struct sk_strbuf *b, double v, int precision, bool upper)
{
    char text[64];
    int shift = v != 0 && fabs(v) < 0x1p-1022 ? 1000 : 0;
    if (precision < 0)
        (void)snprintf(text, sizeof(text), "%a", ldexp(v, shift)); /* at most 24 bytes */
    else
        (void)snprintf(text, sizeof(text), "%.*a", precision < 30 ? precision : 30,
                       ldexp(v, shift)); /* likewise */
    char *p = strchr(text, 'p');
    int exp = (int)strtol(p + 1, NULL, 10) - shift;
    *p = '\0';
    if (upper) {
        for (char *c = text; *c != '\0'; c++)
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 0x20 : *c);
    }
    sk_strbuf_puts(b, text);
    for (int i = 30; i < precision; i++)
        sk_strbuf_putc(b, '0');
    sk_strbuf_printf(b, "%c%c%02d", upper ? 'P' : 'p', exp < 0 ? '-' : '+', abs(exp));
}

static void float_shortest(struct sk_strbuf *b, double v, bool upper)
{
    size_t from = b->len;
    sk_go_float_g(b, v, 6); /* as %e from 1e6 on */
    for (size_t i = from; upper && i < b->len; i++)
        b->ptr[i] = (char)(b->ptr[i] == 'e' ? 'E' : b->ptr[i]);
}

static void float_digits(struct sk_strbuf *b, double v, char verb, int precision)
{
    if (verb == 'b') {
        float_binary(b, v);
    } else if (verb == 'x' || verb == 'X') {
        float_hex(b, v, precision, verb == 'X');
    } else if (precision < 0) {
        float_shortest(b, v, verb == 'G');
    } else if (verb == 'f') {
        sk_strbuf_printf(b, "%.*f", precision, v);
    } else if (verb == 'e') {
        sk_strbuf_printf(b, "%.*e", precision, v);
    } else if (verb == 'E') {
        sk_strbuf_printf(b, "%.*E", precision, v);
    } else if (verb == 'G') {
        sk_strbuf_printf(b, "%.*G", precision, v);
    } else {
        sk_strbuf_printf(b, "%.*g", precision, v);
    }
}

/* '#': the point is shown, and with %g the zeros behind it too. `b` has a sign in front. */
static void float_sharp(struct sk_strbuf *b, struct sk_strbuf *tmp, char verb, int precision)
{
    bool hex = verb == 'x' || verb == 'X', point = false, significant = false;
    int digits = verb == 'g' || verb == 'G' || verb == 'x' ? (precision < 0 ? 6 : precision) : 0;
    size_t end = b->len;
    for (size_t i = 1; i < end; i++) {
        char c = b->ptr[i];
        if (c == 'p' || c == 'P' || (!hex && (c == 'e' || c == 'E'))) {
            end = i;
        } else if (c == '.') {
            point = true;
        } else {
            significant |= c != '0';
            digits -= significant;
        }
    }
    if (!point && end == 2 && b->ptr[1] == '0')
        digits--;
    sk_strbuf_reset(tmp);
    sk_strbuf_add(tmp, b->ptr + end, b->len - end);
    b->len = end;
    if (!point)
        sk_strbuf_putc(b, '.');
    for (; digits > 0; digits--)
        sk_strbuf_putc(b, '0');
    sk_strbuf_str(b, sk_strbuf_view(tmp));
}

void sk_fmt_float(struct sk_fmt *f, double v, char verb, int precision)
{
    struct sk_strbuf *b = f->number;
    char mark = signbit(v) && !isnan(v) ? '-' : f->space && !f->plus ? ' ' : '+';
    if (f->has_precision)
        precision = f->precision;
    sk_strbuf_reset(b);
    if (isnan(v) || isinf(v)) {
        if (isinf(v) || f->space || f->plus)
            sk_strbuf_putc(b, mark);
        sk_strbuf_puts(b, isnan(v) ? "NaN" : "Inf");
        /* As any number a positive one has no sign unless asked for, but fmt keeps Inf's. */
        pad_blank(f, sk_strbuf_view(b));
        return;
    }
    sk_strbuf_putc(b, mark);
    float_digits(b, fabs(v), verb, precision);
    if (f->sharp && verb != 'b')
        float_sharp(b, f->part, verb, precision);
    if (b->failed) {
        f->out->failed = true;
        return;
    }
    struct sk_str s = sk_strbuf_view(b);
    if (!f->plus && mark == '+') { /* no sign to show */
        sk_fmt_pad(f, (struct sk_str){s.ptr + 1, s.len - 1});
    } else if (f->zero && !f->minus && f->has_width && (size_t)f->width > s.len) {
        sk_strbuf_putc(f->out, mark); /* in front of the zeros */
        padding(f, (size_t)f->width - s.len);
        sk_strbuf_add(f->out, s.ptr + 1, s.len - 1);
    } else {
        sk_fmt_pad(f, s);
    }
}
