/* SPDX-License-Identifier: Apache-2.0 */
/* logfmt_scan.c -- see logfmt_scan.h. Bytes up to the blank separate; all decisions about a byte come
 * from one table. */
#include "logql/logfmt_scan.h"

#include "base/utf8.h"

const char *sk_logfmt_fault_text(enum sk_logfmt_result fault)
{
    static const char *const texts[] = {
#define FAULT_TEXT(name, text) text,
        SK_LF_FAULT_LIST(FAULT_TEXT)
#undef FAULT_TEXT
    };
    return texts[fault];
}

static bool is_sep(char c)
{
    return (unsigned char)c <= ' ';
}

/* Moves over bytes that neither separate nor are = or "; whether one of them was above 0x7f. */
static bool skip_plain(struct sk_logfmt *s)
{
    const char *p = s->p;
    unsigned char high = 0;
    while (p < s->end && (unsigned char)*p > ' ' && *p != '=' && *p != '"')
        high |= (unsigned char)*p++;
    s->p = p;
    return (high & 0x80) != 0;
}

static bool key_is_valid(struct sk_str key)
{
    for (size_t i = 0; i < key.len;) {
        unsigned width;
        if (sk_utf8_decode(key.ptr + i, key.len - i, &width) == SK_RUNE_ERROR)
            return false;
        i += width;
    }
    return true;
}

static enum sk_logfmt_result unexpected(const struct sk_logfmt *s)
{
    return *s->p == '=' ? SK_LOGFMT_EQUALS : SK_LOGFMT_QUOTE;
}

/* Whether the escapes of a quoted value are valid. Control characters are not, beside an escape. */
static bool escapes_are_valid(struct sk_str raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        if ((unsigned char)raw.ptr[i] < ' ')
            return false;
        if (raw.ptr[i] != '\\')
            continue;
        if (++i >= raw.len || raw.ptr[i] == '\0' || strchr("\"\\/'bfnrtu", raw.ptr[i]) == NULL)
            return false;
        if (raw.ptr[i] != 'u')
            continue;
        for (int k = 0; k < 4; k++) {
            char c = ++i < raw.len ? raw.ptr[i] : 'x';
            if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f')))
                return false;
        }
    }
    return true;
}

static enum sk_logfmt_result quoted(struct sk_logfmt *s, struct sk_logfmt_pair *ret)
{
    unsigned char high = 0;
    const char *from = ++s->p, *p = from;
    for (; p < s->end && *p != '"'; p++) {
        high |= (unsigned char)*p;
        if (*p == '\\') {
            ret->escaped = true;
            p++;
        }
    }
    if (p >= s->end) {
        s->p = s->end;
        return SK_LOGFMT_UNTERMINATED;
    }
    s->p = p + 1;
    ret->value = (struct sk_str){from, (size_t)(p - from)};
    ret->high = (high & 0x80) != 0;
    return !ret->escaped || escapes_are_valid(ret->value) ? SK_LOGFMT_OK : SK_LOGFMT_INVALID_VALUE;
}

enum sk_logfmt_result sk_logfmt_next(struct sk_logfmt *s, struct sk_logfmt_pair *ret)
{
    while (s->p < s->end && is_sep(*s->p))
        s->p++;
    if (s->p >= s->end)
        return SK_LOGFMT_END;
    const char *from = s->p;
    bool high = skip_plain(s);
    ret->key = (struct sk_str){from, (size_t)(s->p - from)};
    ret->value = (struct sk_str){s->p, 0};
    ret->escaped = ret->high = false;
    bool at_end = s->p >= s->end;
    if (!at_end && (*s->p == '"' || (*s->p == '=' && s->p == from)))
        return unexpected(s);
    if (high && !key_is_valid(ret->key))
        return SK_LOGFMT_INVALID_KEY;
    if (at_end || is_sep(*s->p))
        return SK_LOGFMT_OK;
    s->p++; /* = */
    ret->value.ptr = s->p;
    if (s->p >= s->end || is_sep(*s->p))
        return SK_LOGFMT_OK;
    if (*s->p == '"')
        return quoted(s, ret);
    from = s->p;
    ret->high = skip_plain(s);
    if (s->p < s->end && !is_sep(*s->p))
        return unexpected(s);
    ret->value = (struct sk_str){from, (size_t)(s->p - from)};
    return SK_LOGFMT_OK;
}

void sk_logfmt_recover(struct sk_logfmt *s, enum sk_logfmt_result fault)
{
    if (fault == SK_LOGFMT_INVALID_VALUE)
        return; /* its quote was closed: the next pair may follow at once */
    while (s->p < s->end && !is_sep(*s->p))
        s->p++;
}

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit = c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 32) - 'a' + 10);
        v = v << 4 | digit;
    }
    return v;
}

/* The rune of the escape whose digits are at *i, which moves behind it and a second half. */
static uint32_t unicode(struct sk_str raw, size_t *i)
{
    uint32_t r = hex4(raw.ptr + *i);
    *i += 4;
    if (r < 0xd800 || r > 0xdfff)
        return r;
    if (r < 0xdc00 && raw.len - *i >= 6 && raw.ptr[*i] == '\\' && raw.ptr[*i + 1] == 'u') {
        uint32_t low = hex4(raw.ptr + *i + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *i += 6;
            return 0x10000 + ((r - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return SK_RUNE_ERROR;
}

size_t sk_logfmt_unescape(struct sk_str raw, char *out)
{
    size_t n = 0;
    if (!escapes_are_valid(raw))
        return SIZE_MAX;
    for (size_t i = 0; i < raw.len;) {
        char c = raw.ptr[i++];
        if (c != '\\') {
            out[n++] = c;
            continue;
        }
        c = raw.ptr[i++];
        if (c == 'u')
            n += sk_utf8_encode(out + n, unicode(raw, &i));
        else
            out[n++] = c == 'b'   ? '\b'
                       : c == 'f' ? '\f'
                       : c == 'n' ? '\n'
                       : c == 'r' ? '\r'
                       : c == 't' ? '\t'
                                  : c;
    }
    return n;
}
