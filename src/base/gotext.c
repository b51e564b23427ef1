/* SPDX-License-Identifier: Apache-2.0 */
/* gotext.c -- strings and floats; durations, sizes and times are in gotime.c. */
#include "base/gotext.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"

/* Go prints what Unicode calls letters, marks, numbers, punctuation, symbols and the ASCII blank.
 * The ranges here are the unassigned, control, format, separator and private ones that matter. */
bool sk_go_rune_printable(uint32_t r)
{
    if (r < 0x20 || (r >= 0x7f && r <= 0xa0) || r == 0xad)
        return false;
    if ((r >= 0x2000 && r <= 0x200f) || (r >= 0x2028 && r <= 0x202f) ||
        (r >= 0x205f && r <= 0x206f))
        return false;
    if (r == 0x1680 || r == 0x3000 || r == 0xfeff || (r >= 0xfff0 && r <= 0xfffb))
        return false;
    if ((r >= 0xd800 && r <= 0xf8ff) || (r & 0xfffe) == 0xfffe || r >= 0xe0000)
        return false;
    return true;
}

static void quote_rune(struct sk_strbuf *out, const char *p, unsigned width, uint32_t r)
{
    static const char escapes[] = "\aa\bb\ff\nn\rr\tt\vv";
    if (r == '"' || r == '\\') {
        sk_strbuf_putc(out, '\\');
        sk_strbuf_putc(out, (char)r);
        return;
    }
    if (sk_go_rune_printable(r)) {
        sk_strbuf_add(out, p, width);
        return;
    }
    for (const char *e = escapes; *e != '\0'; e += 2) {
        if ((uint32_t)*e == r) {
            sk_strbuf_putc(out, '\\');
            sk_strbuf_putc(out, e[1]);
            return;
        }
    }
    if (r < 0x20 || r == 0x7f)
        sk_strbuf_printf(out, "\\x%02x", r);
    else if (r < 0x10000)
        sk_strbuf_printf(out, "\\u%04x", r);
    else
        sk_strbuf_printf(out, "\\U%08x", r);
}

void sk_go_quote(struct sk_strbuf *out, struct sk_str s)
{
    sk_strbuf_putc(out, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        if (r == SK_RUNE_ERROR && width == 1)
            sk_strbuf_printf(out, "\\x%02x", (unsigned char)s.ptr[i]);
        else
            quote_rune(out, s.ptr + i, width, r);
        i += width;
    }
    sk_strbuf_putc(out, '"');
}

static enum sk_err float_error(struct sk_str s, enum sk_err code, const char *what,
                               struct sk_error *reterr)
{
    struct sk_strbuf q;
    sk_strbuf_init(&q, SK_ERROR_TEXT_BYTES);
    sk_go_quote(&q, s);
    enum sk_err err = sk_error_set(reterr, code, "strconv.ParseFloat: parsing %.*s: %s",
                                   SK_STR_ARG(sk_strbuf_view(&q)), what);
    sk_strbuf_deinit(&q);
    return err;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool hex_digit(char c)
{
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Underscores stand between digits only; the prefix 0x counts as one. */
static bool underscores_ok(struct sk_str s, bool hex)
{
    char saw = '!';
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (hex && i == 1)
            c = '0'; /* the x */
        if (c == '_' && saw != '0')
            return false;
        bool is_digit = hex ? hex_digit(c) : digit(c);
        if (c != '_' && !is_digit && saw == '_')
            return false;
        saw = c == '_' ? '_' : is_digit ? '0' : '!';
    }
    return saw != '_';
}

/* Checks Go's grammar (after the sign) and copies the number without '_' for strtod. */
static bool float_scan(struct sk_str s, char *out, size_t cap)
{
    bool hex = s.len > 2 && s.ptr[0] == '0' && (s.ptr[1] | 32) == 'x';
    size_t n = 0, digits = 0, i = 0;
    bool dot = false;
    if (memchr(s.ptr, '_', s.len) != NULL && !underscores_ok(s, hex))
        return false;
    if (hex) {
        out[n++] = '0';
        out[n++] = 'x';
        i = 2;
    }
    for (; i < s.len; i++) {
        char c = s.ptr[i];
        if (n + 2 >= cap)
            return false;
        if (c == '_')
            continue;
        if (c == '.') {
            if (dot)
                return false;
            dot = true;
        } else if (hex ? hex_digit(c) : digit(c)) {
            digits++;
        } else {
            break;
        }
        out[n++] = c;
    }
    if (digits == 0)
        return false;
    if (i < s.len) {
        char e = (char)(s.ptr[i] | 32);
        if (e != (hex ? 'p' : 'e'))
            return false;
        out[n++] = s.ptr[i++];
        if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-'))
            out[n++] = s.ptr[i++];
        size_t exp = 0;
        for (; i < s.len; i++) {
            if (s.ptr[i] == '_')
                continue;
            if (!digit(s.ptr[i]) || n + 2 >= cap)
                return false;
            out[n++] = s.ptr[i];
            exp++;
        }
        if (exp == 0)
            return false;
    } else if (hex) {
        return false; /* a hexadecimal mantissa needs its exponent */
    }
    out[n] = '\0';
    return true;
}

static bool float_special(struct sk_str s, bool minus, bool sign, double *ret)
{
    if (sk_str_eq_nocase(s, SK_STR("inf")) || sk_str_eq_nocase(s, SK_STR("infinity"))) {
        *ret = minus ? -INFINITY : INFINITY;
        return true;
    }
    if (!sign && sk_str_eq_nocase(s, SK_STR("nan"))) {
        *ret = NAN;
        return true;
    }
    return false;
}

enum sk_err sk_go_parse_float(struct sk_str s, double *ret, struct sk_error *reterr)
{
    struct sk_str rest = s;
    bool sign = rest.len > 0 && (rest.ptr[0] == '+' || rest.ptr[0] == '-');
    bool minus = sign && rest.ptr[0] == '-';
    if (sign) {
        rest.ptr++;
        rest.len--;
    }
    if (float_special(rest, minus, sign, ret))
        return SK_OK;
    char small[64];
    char *text = rest.len + 4 <= sizeof(small) ? small : sk_malloc(rest.len + 4);
    if (text == NULL)
        return SK_ENOMEM;
    enum sk_err err = SK_OK;
    if (!float_scan(rest, text, rest.len + 4 <= sizeof(small) ? sizeof(small) : rest.len + 4)) {
        err = float_error(s, SK_EPARSE, "invalid syntax", reterr);
        goto out;
    }
    errno = 0;
    double v = strtod(text, NULL);
    *ret = minus ? -v : v;
    if (isinf(v))
        err = float_error(s, SK_ELIMIT, "value out of range", reterr);
out:
    if (text != small)
        sk_free(text);
    return err;
}

/* The shortest %e digits: `digits` gets the mantissa without point, *exp10 its exponent. */
static size_t shortest(double v, char digits[32], int *exp10)
{
    char text[40];
    int precision = fabs(v) < 2.3e-308 ? 1 : 15;
    for (; precision <= 17; precision++) {
        (void)snprintf(text, sizeof(text), "%.*e", precision - 1, v); /* at most 24 bytes */
        if (strtod(text, NULL) == v)
            break;
    }
    size_t n = 0;
    const char *p = text;
    for (; *p != 'e'; p++) {
        if (digit(*p))
            digits[n++] = *p;
    }
    *exp10 = (int)strtol(p + 1, NULL, 10);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

static bool float_odd(struct sk_strbuf *out, double v)
{
    if (isnan(v))
        sk_strbuf_puts(out, "NaN");
    else if (isinf(v))
        sk_strbuf_puts(out, v > 0 ? "+Inf" : "-Inf");
    else if (v == 0)
        sk_strbuf_puts(out, signbit(v) ? "-0" : "0");
    else
        return false;
    return true;
}

static void float_plain(struct sk_strbuf *out, const char *digits, size_t n, int exp10)
{
    if (exp10 < 0) {
        sk_strbuf_puts(out, "0.");
        for (int i = -1; i > exp10; i--)
            sk_strbuf_putc(out, '0');
        sk_strbuf_add(out, digits, n);
        return;
    }
    size_t whole = (size_t)exp10 + 1;
    for (size_t i = 0; i < whole; i++)
        sk_strbuf_putc(out, i < n ? digits[i] : '0');
    if (n > whole) {
        sk_strbuf_putc(out, '.');
        sk_strbuf_add(out, digits + whole, n - whole);
    }
}

void sk_go_float_f(struct sk_strbuf *out, double v)
{
    if (float_odd(out, v))
        return;
    if (v < 0) {
        sk_strbuf_putc(out, '-');
        v = -v;
    }
    if (v < 1e15 && v == floor(v)) {
        sk_strbuf_u64(out, (uint64_t)v);
        return;
    }
    char digits[32];
    int exp10;
    size_t n = shortest(v, digits, &exp10);
    float_plain(out, digits, n, exp10);
}

void sk_go_float_g(struct sk_strbuf *out, double v, int exp_limit)
{
    if (float_odd(out, v))
        return;
    if (v < 0) {
        sk_strbuf_putc(out, '-');
        v = -v;
    }
    char digits[32];
    int exp10;
    size_t n = shortest(v, digits, &exp10);
    if (exp10 >= -4 && exp10 < exp_limit) {
        float_plain(out, digits, n, exp10);
        return;
    }
    sk_strbuf_putc(out, digits[0]);
    if (n > 1) {
        sk_strbuf_putc(out, '.');
        sk_strbuf_add(out, digits + 1, n - 1);
    }
    sk_strbuf_printf(out, "e%c%02d", exp10 < 0 ? '-' : '+', abs(exp10));
}
