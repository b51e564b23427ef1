/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fn_encode.c -- base64, the escapes of URLs, JSON, and texts that stand for sizes and
 * durations. */
#include "base/gotext.h"
#include "logql/tmpl_int.h"

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool fn_b64enc(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s = call->args[0].u.s;
    struct sk_strbuf *b = sk_tmpl_text(call);
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = (uint32_t)(unsigned char)s.ptr[i] << 16;
        if (n > 1)
            v |= (uint32_t)(unsigned char)s.ptr[i + 1] << 8;
        if (n > 2)
            v |= (unsigned char)s.ptr[i + 2];
        sk_strbuf_putc(b, alphabet[v >> 18]);
        sk_strbuf_putc(b, alphabet[v >> 12 & 63]);
        sk_strbuf_putc(b, n > 1 ? alphabet[v >> 6 & 63] : '=');
        sk_strbuf_putc(b, n > 2 ? alphabet[v & 63] : '=');
    }
    return sk_tmpl_give(call, b, ret);
}

struct b64 {
    struct sk_str in;
    size_t at;
};

/* The next byte that is no line break; -1: the end. */
static int b64_next(struct b64 *d)
{
    while (d->at < d->in.len) {
        char c = d->in.ptr[d->at++];
        if (c != '\n' && c != '\r')
            return (unsigned char)c;
    }
    return -1;
}

static int b64_value(int c)
{
    const char *p = c <= 0 ? NULL : strchr(alphabet, c);
    return p == NULL ? -1 : (int)(p - alphabet);
}

/* Behind `have` digits and a '='. false: *ret_bad is where it is wrong. */
static bool b64_padding(struct b64 *d, int have, size_t *ret_bad)
{
    *ret_bad = d->at - 1;
    if (have < 2)
        return false;
    if (have == 2) { /* a second one is due */
        int c = b64_next(d);
        *ret_bad = c < 0 ? d->in.len : d->at - 2; /* Go's: one too early */
        if (c != '=')
            return false;
    }
    bool over = b64_next(d) < 0;
    *ret_bad = d->at - 1;
    return over;
}

/* false: *ret_bad. */
static bool b64_decode(struct sk_strbuf *out, struct sk_str in, size_t *ret_bad)
{
    struct b64 d = {in, 0};
    for (;;) {
        uint32_t v = 0;
        int have = 0;
        bool padded = false;
        while (have < 4 && !padded) {
            int c = b64_next(&d), digit = b64_value(c);
            if (c < 0) {
                *ret_bad = d.at - (size_t)have;
                return have == 0;
            }
            if (c == '=') {
                if (!b64_padding(&d, have, ret_bad))
                    return false;
                padded = true;
            } else if (digit < 0) {
                *ret_bad = d.at - 1;
                return false;
            } else {
                v = v << 6 | (uint32_t)digit;
                have++;
            }
        }
        v <<= 6 * (4 - have);
        sk_strbuf_putc(out, (char)(v >> 16));
        if (have > 2)
            sk_strbuf_putc(out, (char)(v >> 8));
        if (have > 3)
            sk_strbuf_putc(out, (char)v);
        if (padded)
            return true;
    }
}

/* An error is the result. */
static bool fn_b64dec(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    size_t bad;
    if (!b64_decode(b, call->args[0].u.s, &bad)) {
        sk_strbuf_reset(b);
        sk_strbuf_printf(b, "illegal base64 data at input byte %zu", bad);
    }
    return sk_tmpl_give(call, b, ret);
}

/* ---- URLs ---- */

void sk_tmpl_query_escape(struct sk_strbuf *out, struct sk_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            sk_strbuf_putc(out, (char)c);
        else if (c == ' ')
            sk_strbuf_putc(out, '+');
        else
            sk_strbuf_printf(out, "%%%02X", c);
    }
}

static bool fn_urlencode(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    sk_tmpl_query_escape(b, call->args[0].u.s);
    return sk_tmpl_give(call, b, ret);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The first escape that is none; empty: all are fine. */
static struct sk_str bad_escape(struct sk_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '%')
            continue;
        size_t len = s.len - i < 3 ? s.len - i : 3;
        if (len < 3 || hex_value(s.ptr[i + 1]) < 0 || hex_value(s.ptr[i + 2]) < 0)
            return (struct sk_str){s.ptr + i, len};
        i += 2;
    }
    return SK_STR("");
}

static bool fn_urldecode(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s = call->args[0].u.s, bad = bad_escape(s);
    struct sk_strbuf *b = sk_tmpl_text(call);
    if (bad.len > 0) {
        sk_go_quote(b, bad);
        return sk_tmpl_error(call, "invalid URL escape %.*s", SK_STR_ARG(sk_strbuf_view(b)));
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%') {
            sk_strbuf_putc(b, (char)(hex_value(s.ptr[i + 1]) << 4 | hex_value(s.ptr[i + 2])));
            i += 2;
        } else {
            sk_strbuf_putc(b, s.ptr[i] == '+' ? ' ' : s.ptr[i]);
        }
    }
    return sk_tmpl_give(call, b, ret);
}

/* ---- JSON, sizes, durations ---- */

static bool fn_from_json(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return sk_tmpl_json(call->x, call->args[0].u.s, ret);
}

static bool fn_bytes(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_error why;
    uint64_t bytes;
    if (sk_go_parse_bytes(call->args[0].u.s, &bytes, &why) != SK_OK)
        return sk_tmpl_error(call, "%s", why.text);
    *ret = sk_tv_float((double)bytes);
    return true;
}

/* As Go's Duration.Seconds(): whole seconds and the rest apart. */
static bool fn_duration(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_error why;
    int64_t ns;
    if (sk_go_parse_duration(call->args[0].u.s, &ns, &why) != SK_OK)
        return sk_tmpl_error(call, "%s", why.text);
    *ret = sk_tv_float((double)(ns / SK_NS_PER_S) + (double)(ns % SK_NS_PER_S) / 1e9);
    return true;
}

#define ONE                                                                                        \
    1, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_STRING                                                                               \
    }

const struct sk_tmpl_func sk_tmpl_encode_funcs[] = {
    {"b64enc", fn_b64enc, ONE},
    {"b64dec", fn_b64dec, ONE},
    {"urlencode", fn_urlencode, ONE},
    {"urldecode", fn_urldecode, ONE},
    {"fromJson", fn_from_json, ONE},
    {"bytes", fn_bytes, ONE},
    {"duration", fn_duration, ONE},
    {"duration_seconds", fn_duration, ONE},
    {.name = NULL},
};
