/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_text.c -- attribute values and bodies as text, in the manner of Go's encoding/json without
 * HTML escaping: keys of maps ascending, of equal keys the last one. */
#include "wire/otlp_int.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/gotext.h"
#include "base/utf8.h"

static void json_escape(struct sk_strbuf *out, unsigned char c)
{
    static const char short_from[] = "\"\\\n\r\t\b\f", short_to[] = "\"\\nrtbf";
    const char *at = c == '\0' ? NULL : strchr(short_from, c);
    if (at == NULL) {
        sk_strbuf_printf(out, "\\u%04x", c);
        return;
    }
    sk_strbuf_putc(out, '\\');
    sk_strbuf_putc(out, short_to[at - short_from]);
}

static void json_string(struct sk_strbuf *out, struct sk_str s)
{
    size_t run = 0;
    unsigned width;
    sk_strbuf_putc(out, '"');
    for (size_t i = 0; i < s.len; i += width) {
        unsigned char c = (unsigned char)s.ptr[i];
        width = 1;
        if (c < 0x80 && c >= 0x20 && c != '"' && c != '\\')
            continue;
        uint32_t r = c < 0x80 ? c : sk_utf8_decode(s.ptr + i, s.len - i, &width);
        bool bad = c >= 0x80 && r == SK_RUNE_ERROR && width == 1;
        if (c >= 0x80 && !bad && r != 0x2028 && r != 0x2029)
            continue;
        sk_strbuf_add(out, s.ptr + run, i - run);
        run = i + width;
        if (c < 0x80)
            json_escape(out, c);
        else
            sk_strbuf_printf(out, "\\u%04x", r);
    }
    sk_strbuf_add(out, s.ptr + run, s.len - run);
    sk_strbuf_putc(out, '"');
}

static void base64(struct sk_strbuf *out, struct sk_str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)s.ptr;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= n > 2 ? p[i + 2] : 0;
        char quad[4] = {digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
                        n > 2 ? digits[v & 63] : '='};
        sk_strbuf_add(out, quad, 4);
    }
}

static void real_text(struct sk_strbuf *out, double v)
{
    double size = fabs(v);
    if (!isfinite(v)) {
        sk_strbuf_puts(out, "json: unsupported value: ");
        sk_go_float_f(out, v);
    } else if (size == 0) {
        sk_strbuf_puts(out, signbit(v) ? "-0" : "0");
    } else if (size >= 1e-6 && size < 1e21) {
        sk_go_float_f(out, v);
    } else {
        sk_go_float_g(out, v, INT32_MIN);
        size_t n = out->len; /* e-09 is written e-9 */
        if (!out->failed && n >= 4 && out->ptr[n - 4] == 'e' && out->ptr[n - 3] == '-' &&
            out->ptr[n - 2] == '0') {
            out->ptr[n - 2] = out->ptr[n - 1];
            out->len--;
        }
    }
}

/* ---- JSON ---- */

struct member {
    const struct otlp_item *item;
    size_t seq;
};

static int member_cmp(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = sk_str_cmp(x->item->key, y->item->key);
    return c != 0 ? c : x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* false: no JSON can say this (NaN, infinities), or memory is out (out->failed). */
static bool json_value(struct sk_strbuf *out, const struct otlp_value *v);

static bool json_map(struct sk_strbuf *out, const struct otlp_item *items)
{
    struct member small[16], *members = small;
    size_t count = 0, written = 0;
    for (const struct otlp_item *it = items; it != NULL; it = it->next)
        count++;
    if (count > SK_COUNT_OF(small))
        members = sk_calloc(count, sizeof(*members));
    if (members == NULL) {
        out->failed = true;
        return false;
    }
    for (const struct otlp_item *it = items; it != NULL; it = it->next) {
        members[written] = (struct member){it, written};
        written++;
    }
    qsort(members, count, sizeof(*members), member_cmp);
    bool ok = true, first = true;
    sk_strbuf_putc(out, '{');
    for (size_t i = 0; i < count && ok; i++) {
        if (i + 1 < count && sk_str_eq(members[i].item->key, members[i + 1].item->key))
            continue;
        if (!first)
            sk_strbuf_putc(out, ',');
        first = false;
        json_string(out, members[i].item->key);
        sk_strbuf_putc(out, ':');
        ok = json_value(out, &members[i].item->value);
    }
    sk_strbuf_putc(out, '}');
    if (members != small)
        sk_free(members);
    return ok;
}

static bool json_array(struct sk_strbuf *out, const struct otlp_item *items)
{
    sk_strbuf_putc(out, '[');
    for (const struct otlp_item *it = items; it != NULL; it = it->next) {
        if (it != items)
            sk_strbuf_putc(out, ',');
        if (!json_value(out, &it->value))
            return false;
    }
    sk_strbuf_putc(out, ']');
    return true;
}

static bool json_value(struct sk_strbuf *out, const struct otlp_value *v)
{
    switch (v->kind) {
    case OTLP_EMPTY:
        sk_strbuf_puts(out, "null");
        return true;
    case OTLP_TEXT:
        json_string(out, v->u.text);
        return true;
    case OTLP_BOOL:
        sk_strbuf_puts(out, v->u.truth ? "true" : "false");
        return true;
    case OTLP_INT:
        sk_strbuf_i64(out, v->u.integer);
        return true;
    case OTLP_DOUBLE:
        real_text(out, v->u.real);
        return isfinite(v->u.real);
    case OTLP_BYTES:
        sk_strbuf_putc(out, '"');
        base64(out, v->u.text);
        sk_strbuf_putc(out, '"');
        return true;
    case OTLP_ARRAY:
        return json_array(out, v->u.items);
    case OTLP_MAP:
        return json_map(out, v->u.items);
    }
    return false;
}

enum sk_err sk_otlp_text(struct sk_arena *arena, struct sk_strbuf *scratch,
                         const struct otlp_value *value, struct sk_str *ret)
{
    sk_strbuf_reset(scratch);
    switch (value->kind) {
    case OTLP_EMPTY:
        *ret = SK_STR("");
        return SK_OK;
    case OTLP_TEXT:
        *ret = value->u.text;
        return SK_OK;
    case OTLP_BOOL:
        *ret = value->u.truth ? SK_STR("true") : SK_STR("false");
        return SK_OK;
    case OTLP_INT:
        sk_strbuf_i64(scratch, value->u.integer);
        break;
    case OTLP_DOUBLE:
        real_text(scratch, value->u.real);
        break;
    case OTLP_BYTES:
        base64(scratch, value->u.text);
        break;
    case OTLP_ARRAY:
    case OTLP_MAP:
        if (!json_value(scratch, value) && !scratch->failed)
            sk_strbuf_reset(scratch); /* what JSON cannot say is empty */
        break;
    }
    struct sk_str text =
        scratch->failed ? (struct sk_str){NULL, 0} : sk_arena_str(arena, sk_strbuf_view(scratch));
    if (text.ptr == NULL)
        return SK_ENOMEM;
    *ret = text;
    return SK_OK;
}
