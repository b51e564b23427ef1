/* SPDX-License-Identifier: Apache-2.0 */
/* lex_number.c -- numbers as Go's text/scanner takes them, and what may follow one immediately:
 * the units of durations and sizes. Also the minus, which may start a duration or a flag. */
#include "logql/lex_int.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/gotext.h"
#include "base/utf8.h"

enum { HAS_DIGIT = 1, HAS_UNDERSCORE = 2 };

struct number {
    const unsigned char *at;
    char prefix; /* 0: decimal, '0': octal by leading zero, x, o, b */
    int base;
    int seen;
    bool point;
    unsigned char wrong; /* first digit that the base has not, else 0 */
    const char *message; /* the first complaint */
    char scratch[64];
};

static const char *literal_name(char prefix)
{
    switch (prefix) {
    case 'x':
        return "hexadecimal literal";
    case 'o':
    case '0':
        return "octal literal";
    case 'b':
        return "binary literal";
    default:
        return "decimal literal";
    }
}

static void complain(struct number *n, const char *message)
{
    if (n->message == NULL)
        n->message = message;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* Digits and '_'; returns what was seen. `check`: note digits beyond the base. */
static int run_of_digits(struct number *n, int base, bool check)
{
    int seen = 0;
    for (;; n->at++) {
        unsigned char c = *n->at, lower = c | 32;
        if (c == '_') {
            seen |= HAS_UNDERSCORE;
        } else if (is_digit(c) || (base == 16 && lower >= 'a' && lower <= 'f')) {
            seen |= HAS_DIGIT;
            if (check && base < 10 && c >= '0' + base && n->wrong == 0)
                n->wrong = c;
        } else {
            return seen;
        }
    }
}

static void integer_part(struct number *n)
{
    if (*n->at == '0') {
        n->at++;
        unsigned char c = *n->at | 32;
        if (c == 'x' || c == 'o' || c == 'b') {
            n->prefix = (char)c;
            n->base = c == 'x' ? 16 : c == 'o' ? 8 : 2;
            n->at++;
        } else {
            n->prefix = '0';
            n->base = 8;
            n->seen = HAS_DIGIT;
        }
    }
    n->seen |= run_of_digits(n, n->base, true);
}

static void exponent(struct number *n)
{
    unsigned char c = *n->at, e = c | 32;
    if (e == 'e' && n->prefix != 0 && n->prefix != '0') {
        snprintf(n->scratch, sizeof(n->scratch), "'%c' exponent requires decimal mantissa", c);
        complain(n, n->scratch);
    } else if (e == 'p' && n->prefix != 'x') {
        snprintf(n->scratch, sizeof(n->scratch), "'%c' exponent requires hexadecimal mantissa", c);
        complain(n, n->scratch);
    }
    n->at++;
    n->point = true; /* a float from here on */
    if (*n->at == '+' || *n->at == '-')
        n->at++;
    int seen = run_of_digits(n, 10, false);
    n->seen |= seen;
    if ((seen & HAS_DIGIT) == 0)
        complain(n, "exponent has no digits");
}

/* '_' must stand between digits, or between a prefix and a digit. */
static bool underscores_ok(const unsigned char *s, const unsigned char *end)
{
    char before = '.'; /* kind of the last character: digit 0, underscore, other . */
    if (end - s >= 2 && s[0] == '0' &&
        ((s[1] | 32) == 'x' || (s[1] | 32) == 'o' || (s[1] | 32) == 'b')) {
        s += 2;
        before = '0';
    }
    for (; s < end; s++) {
        unsigned char lower = *s | 32;
        char kind = *s == '_' ? '_' : is_digit(*s) || (lower >= 'a' && lower <= 'f') ? '0' : '.';
        if ((kind == '_' && before != '0') || (kind == '.' && before == '_'))
            return false;
        before = kind;
    }
    return before != '_';
}

static void scan(struct number *n, const unsigned char *start)
{
    *n = (struct number){.at = start, .base = 10};
    if (*start != '.')
        integer_part(n);
    if (*n->at == '.') {
        n->at++;
        n->point = true;
        if (n->prefix == 'o' || n->prefix == 'b') {
            snprintf(n->scratch, sizeof(n->scratch), "invalid radix point in %s",
                     literal_name(n->prefix));
            complain(n, n->scratch);
        }
        n->seen |= run_of_digits(n, n->base, true);
    }
    if ((n->seen & HAS_DIGIT) == 0) {
        snprintf(n->scratch, sizeof(n->scratch), "%s has no digits", literal_name(n->prefix));
        complain(n, n->scratch);
    }
    unsigned char e = *n->at | 32;
    if (e == 'e' || e == 'p')
        exponent(n);
    else if (n->prefix == 'x' && n->point)
        complain(n, "hexadecimal mantissa requires a 'p' exponent");
    if (!n->point && n->wrong != 0 && n->message == NULL) {
        snprintf(n->scratch, sizeof(n->scratch), "invalid digit '%c' in %s", n->wrong,
                 literal_name(n->prefix));
        complain(n, n->scratch);
    }
    if ((n->seen & HAS_UNDERSCORE) != 0 && !underscores_ok(start, n->at))
        complain(n, "'_' must separate successive digits");
    if (n->prefix == 'b' && !n->point && (n->seen & HAS_DIGIT) != 0)
        complain(n, "decimal literal has no digits"); /* observed */
}

/* The run of numerals and of runes of `units` at `s`. */
static const unsigned char *unit_run(const struct sk_lex *lx, const unsigned char *s,
                                     const char *units)
{
    while (s < lx->end) {
        unsigned width;
        uint32_t r = sk_utf8_decode((const char *)s, (size_t)(lx->end - s), &width);
        bool unit = r < 0x80 ? strchr(units, (int)r) != NULL : r == 0xb5 && units[0] == 'n';
        if (!unit && !sk_lex_rune_digit(r))
            break;
        s += width;
    }
    return s;
}

#define DURATION_UNITS "numshdwy."
#define SIZE_UNITS     "BikKMGTP."

/* Prometheus's form first, then Go's. */
static bool duration(struct sk_str text, int64_t *ret_ns)
{
    return sk_prom_parse_duration(text, ret_ns, NULL) == SK_OK ||
           sk_go_parse_duration(text, ret_ns, NULL) == SK_OK;
}

enum sk_err sk_lex_number(struct sk_lex *lx, struct sk_lex_token *ret)
{
    struct number n;
    const unsigned char *start = lx->at;
    scan(&n, start);
    sk_assert(n.at > start);
    lx->at = n.at < lx->end ? n.at : lx->end;
    if (n.message != NULL)
        return sk_lex_error(lx, n.message);
    ret->kind = SK_TOK_NUMBER;
    const unsigned char *end = unit_run(lx, n.at, DURATION_UNITS);
    struct sk_str text = {(const char *)start, (size_t)(end - start)};
    if (end > n.at && duration(text, &ret->ns)) {
        ret->kind = SK_TOK_DURATION;
    } else {
        end = unit_run(lx, n.at, SIZE_UNITS);
        text.len = (size_t)(end - start);
        if (end > n.at && sk_go_parse_bytes(text, &ret->bytes, NULL) == SK_OK)
            ret->kind = SK_TOK_BYTES;
        else
            end = n.at;
    }
    ret->text = (struct sk_str){(const char *)start, (size_t)(end - start)};
    if (end > n.at)
        lx->line = 0;
    lx->at = end;
    return SK_OK;
}

static const unsigned char *flag_end(const struct sk_lex *lx, const unsigned char *s)
{
    while (s < lx->end) {
        unsigned width;
        uint32_t r = sk_utf8_decode((const char *)s, (size_t)(lx->end - s), &width);
        if (r != '-' && !sk_lex_rune_letter(r))
            break;
        s += width;
    }
    return s;
}

/* --strict, -5m, or a lone minus. */
enum sk_err sk_lex_minus(struct sk_lex *lx, struct sk_lex_token *ret)
{
    const unsigned char *start = lx->at, *end = start + 1;
    ret->kind = SK_TOK_SUB;
    if (*end == '-') {
        const unsigned char *stop = flag_end(lx, end + 1);
        struct sk_str flag = {(const char *)start, (size_t)(stop - start)};
        if (sk_str_is(flag, "--strict") || sk_str_is(flag, "--keep-empty")) {
            ret->kind = SK_TOK_FUNCTION_FLAG;
            end = stop;
        }
    } else if (is_digit(*end) || *end == '.') {
        const unsigned char *stop = unit_run(lx, end, DURATION_UNITS);
        struct sk_str text = {(const char *)start, (size_t)(stop - start)};
        bool unit = stop > end && !is_digit(stop[-1]) && stop[-1] != '.';
        if (unit && sk_go_parse_duration(text, &ret->ns, NULL) == SK_OK) {
            ret->kind = SK_TOK_DURATION;
            end = stop;
        }
    }
    if (ret->kind != SK_TOK_SUB)
        lx->line = 0;
    ret->text = (struct sk_str){(const char *)start, (size_t)(end - start)};
    lx->at = end;
    return SK_OK;
}
