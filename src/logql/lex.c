/* SPDX-License-Identifier: Apache-2.0 */
/* lex.c -- set-up, positions, identifiers and strings; lexer.re calls in here. */
#include "logql/lex_int.h"

#include <string.h>

#include "base/assert.h"
#include "base/gotext.h"
#include "base/utf8.h"

static const unsigned char *find_bad(struct sk_str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        unsigned width = 1;
        if (c >= 0x80)
            (void)sk_utf8_decode(s.ptr + i, s.len - i, &width);
        if (c == 0 || (c >= 0x80 && width == 1))
            return (const unsigned char *)s.ptr + i;
        i += width;
    }
    return (const unsigned char *)s.ptr + s.len + 1;
}

enum sk_err sk_lex_init(struct sk_lex *lx, struct sk_arena *arena, struct sk_str text,
                        struct sk_error *reterr)
{
    *lx = (struct sk_lex){.arena = arena, .reterr = reterr, .line_now = 1};
    struct sk_str copy = sk_arena_str(arena, text);
    if (copy.ptr == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    lx->begin = lx->at = lx->counted = (const unsigned char *)copy.ptr;
    lx->end = lx->begin + copy.len;
    lx->bad = find_bad(copy);
    if (sk_str_starts(copy, SK_STR("\xef\xbb\xbf")))
        lx->at += 3;
    return SK_OK;
}

enum sk_err sk_lex_error(const struct sk_lex *lx, const char *message)
{
    if (lx->line == 0 && lx->col == 0)
        return sk_error_set(lx->reterr, SK_EPARSE, "parse error : %s", message);
    return sk_error_set(lx->reterr, SK_EPARSE, "parse error at line %zu, col %zu: %s", lx->line,
                        lx->col, message);
}

const char *sk_lex_token_name(enum sk_tok kind)
{
    static const char *const names[] = {
#define SK_LEX_NAME(name, text) text,
        SK_LEX_TOKENS(SK_LEX_NAME)
#undef SK_LEX_NAME
    };
    sk_assert((size_t)kind < SK_COUNT_OF(names));
    return names[kind];
}

/* A token starts at `start`: moves the position there. */
void sk_lex_start(struct sk_lex *lx, struct sk_lex_token *ret, const unsigned char *start)
{
    sk_assert(start >= lx->counted && start <= lx->end);
    for (; lx->counted < start; lx->counted++) {
        if (*lx->counted == '\n') {
            lx->line_now++;
            lx->col_now = 0;
        } else if ((*lx->counted & 0xc0) != 0x80) {
            lx->col_now++;
        }
    }
    ret->off = (size_t)(start - lx->begin);
    lx->line = lx->line_now;
    lx->col = lx->col_now + 1;
    if (lx->begin == lx->end) /* the empty query has no position */
        lx->line = lx->col = 0;
}

/* Upstream reads one rune ahead of each token, and complains about a bad one right then: with the
 * position of the token just read, or without a line when it was skipping blanks. */
static enum sk_err bad_byte(struct sk_lex *lx, size_t line, size_t col)
{
    lx->line = line;
    lx->col = col;
    return sk_lex_error(lx, *lx->bad == 0 ? "invalid character NUL" : "invalid UTF-8 encoding");
}

enum sk_err sk_lex_next(struct sk_lex *lx, struct sk_lex_token *ret)
{
    size_t col = lx->col;
    *ret = (struct sk_lex_token){.kind = SK_TOK_EOF};
    if (lx->at == lx->bad)
        return bad_byte(lx, 0, col);
    enum sk_err err = sk_lex_scan(lx, ret);
    if (lx->bad > lx->end || (err != SK_OK && lx->begin + ret->off < lx->bad && lx->at < lx->bad))
        return err;
    if (lx->begin + ret->off >= lx->bad)
        return bad_byte(lx, 0, col);
    if (lx->at >= lx->bad)
        return bad_byte(lx, lx->line, lx->col);
    return err;
}

/* ---- identifiers ---- */

static const unsigned char *skip_blanks(const struct sk_lex *lx, const unsigned char *s)
{
    while (s < lx->end && (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n'))
        s++;
    return s;
}

/* Whether a parenthesis follows, or `by` or `without` and a parenthesis. */
static bool before_paren(const struct sk_lex *lx, const unsigned char *s)
{
    s = skip_blanks(lx, s);
    struct sk_str rest = {(const char *)s, (size_t)(lx->end - s)};
    if (rest.len > 0 && *s == '(')
        return true;
    if (rest.len > 2 && strncasecmp(rest.ptr, "by", 2) == 0)
        s += 2;
    else if (rest.len > 7 && strncasecmp(rest.ptr, "without", 7) == 0)
        s += 7;
    else
        return false;
    s = skip_blanks(lx, s);
    return s < lx->end && *s == '(';
}

/* The end of the identifier that starts at `s`; `s` when none does. */
static const unsigned char *identifier_end(const struct sk_lex *lx, const unsigned char *s)
{
    const unsigned char *start = s;
    while (s < lx->end) {
        unsigned width;
        uint32_t r = sk_utf8_decode((const char *)s, (size_t)(lx->end - s), &width);
        if (r != '_' && !sk_lex_rune_letter(r) && (s == start || !sk_lex_rune_digit(r)))
            break;
        s += width;
    }
    return s;
}

enum sk_err sk_lex_identifier(struct sk_lex *lx, struct sk_lex_token *ret)
{
    const unsigned char *end = identifier_end(lx, lx->at);
    if (end == lx->at)
        return sk_lex_rune(lx, ret);
    bool function;
    ret->text = (struct sk_str){(const char *)lx->at, (size_t)(end - lx->at)};
    ret->kind = sk_lex_keyword(ret->text.ptr, ret->text.len, &function);
    if (function && !before_paren(lx, end))
        ret->kind = SK_TOK_IDENTIFIER;
    lx->at = end;
    return SK_OK;
}

/* Any other rune counts as an identifier and is refused, or not, by the grammar. */
enum sk_err sk_lex_rune(struct sk_lex *lx, struct sk_lex_token *ret)
{
    unsigned width;
    (void)sk_utf8_decode((const char *)lx->at, (size_t)(lx->end - lx->at), &width);
    ret->kind = SK_TOK_IDENTIFIER;
    ret->text = (struct sk_str){(const char *)lx->at, width};
    lx->at += width;
    return SK_OK;
}

/* ---- strings ---- */

static unsigned digit_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

/* Exactly `count` digits of `base` at *at; false when there are fewer. */
static bool digits(const unsigned char **at, unsigned base, unsigned count, uint32_t *ret)
{
    uint32_t v = 0;
    for (; count > 0; count--) {
        unsigned d = digit_value(**at); /* the text's end is a NUL, no digit */
        if (d >= base)
            return false;
        v = v * base + d;
        (*at)++;
    }
    *ret = v;
    return true;
}

/* Decodes the escape at *at (behind the backslash) into *out. NULL or the message; *ret_late: the
 * message is found only when the string is decoded, after its end is known. */
static const char *escape(const unsigned char **at, unsigned char quote, char **out,
                          const char **ret_late)
{
    static const char pairs[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
    unsigned char c = **at;
    uint32_t v = 0;
    for (const char *e = pairs; *e != '\0'; e += 2) {
        if ((unsigned char)*e == c) {
            *(*out)++ = e[1];
            (*at)++;
            return NULL;
        }
    }
    if (c == quote) {
        *(*out)++ = (char)c;
        (*at)++;
        return NULL;
    }
    bool ok;
    if (c >= '0' && c <= '7') {
        ok = digits(at, 8, 3, &v);
    } else {
        unsigned count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (count == 0)
            return "invalid char escape";
        (*at)++;
        ok = digits(at, 16, count, &v);
    }
    if (!ok)
        return "invalid char escape";
    bool byte = c == 'x' || (c >= '0' && c <= '7');
    if (byte ? v > 255 : v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
        *ret_late = "invalid syntax";
    } else if (byte) {
        *(*out)++ = (char)v;
    } else {
        *out += sk_utf8_encode(*out, v);
    }
    return NULL;
}

/* The end of a string without its quote: the quote, or where the line ends. */
static const unsigned char *string_end(const struct sk_lex *lx, const unsigned char *s,
                                       bool *ret_escapes)
{
    *ret_escapes = false;
    for (; s < lx->end && *s != '"' && *s != '\n'; s++) {
        if (*s == '\\') {
            *ret_escapes = true;
            if (s + 1 < lx->end && s[1] != '\n')
                s++;
        }
    }
    return s;
}

enum sk_err sk_lex_string(struct sk_lex *lx, struct sk_lex_token *ret)
{
    const unsigned char *s = lx->at + 1;
    bool escapes;
    const unsigned char *stop = string_end(lx, s, &escapes);
    const char *late = NULL;
    ret->kind = SK_TOK_STRING;
    ret->text = (struct sk_str){(const char *)s, (size_t)(stop - s)};
    if (escapes) {
        char *buf = sk_arena_alloc(lx->arena, (size_t)(stop - s) + 4); /* no escape grows */
        if (buf == NULL)
            return sk_error_set(lx->reterr, SK_ENOMEM, "out of memory");
        char *out = buf;
        while (s < stop) {
            if (*s != '\\') {
                *out++ = (char)*s++;
                continue;
            }
            s++;
            const char *message = escape(&s, '"', &out, &late);
            if (message != NULL) {
                lx->at = s;
                return sk_lex_error(lx, message);
            }
        }
        ret->text = (struct sk_str){buf, (size_t)(out - buf)};
    }
    lx->at = stop;
    if (stop >= lx->end || *stop != '"')
        return sk_lex_error(lx, "literal not terminated");
    lx->at++;
    return late == NULL ? SK_OK : sk_lex_error(lx, late);
}

enum sk_err sk_lex_raw_string(struct sk_lex *lx, struct sk_lex_token *ret)
{
    const unsigned char *s = lx->at + 1;
    const unsigned char *end = memchr(s, '`', (size_t)(lx->end - s));
    lx->at = end == NULL ? lx->end : end + 1;
    if (end == NULL)
        return sk_lex_error(lx, "literal not terminated");
    ret->kind = SK_TOK_STRING;
    ret->text = (struct sk_str){(const char *)s, (size_t)(end - s)};
    return SK_OK;
}

/* 'x' is read as Go reads it, quotes included, and then is an identifier. */
enum sk_err sk_lex_char(struct sk_lex *lx, struct sk_lex_token *ret)
{
    const unsigned char *start = lx->at, *s = start + 1;
    size_t runes = 0;
    for (; s < lx->end && *s != '\'' && *s != '\n'; runes++) {
        char scratch[8], *out = scratch;
        const char *late = NULL;
        unsigned width = 1;
        if (*s == '\\') {
            s++;
            const char *message = escape(&s, '\'', &out, &late);
            if (message != NULL) {
                lx->at = s;
                return sk_lex_error(lx, message);
            }
            continue;
        }
        (void)sk_utf8_decode((const char *)s, (size_t)(lx->end - s), &width);
        s += width;
    }
    lx->at = s;
    if (s >= lx->end || *s == '\n')
        return sk_lex_error(lx, "literal not terminated");
    lx->at++;
    if (runes != 1)
        return sk_lex_error(lx, "invalid char literal");
    ret->kind = SK_TOK_IDENTIFIER;
    ret->text = (struct sk_str){(const char *)start, (size_t)(lx->at - start)};
    return SK_OK;
}

/* [..]: everything up to the bracket is the text of a duration. */
enum sk_err sk_lex_range(struct sk_lex *lx, struct sk_lex_token *ret)
{
    const unsigned char *s = lx->at + 1;
    const unsigned char *end = memchr(s, ']', (size_t)(lx->end - s));
    lx->line = 0;
    lx->at = end == NULL ? lx->end : end + 1;
    if (end == NULL)
        return sk_lex_error(lx, "missing closing ']' in duration");
    struct sk_error why;
    ret->text = (struct sk_str){(const char *)s, (size_t)(end - s)};
    enum sk_err err = sk_prom_parse_duration(ret->text, &ret->ns, &why);
    if (err == SK_ENOMEM)
        return sk_error_set(lx->reterr, SK_ENOMEM, "out of memory");
    if (err != SK_OK)
        return sk_lex_error(lx, why.text);
    ret->kind = SK_TOK_RANGE;
    return SK_OK;
}
