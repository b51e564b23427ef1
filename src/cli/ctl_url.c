/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_url.c -- see ctl_url.h. */
#include "cli/ctl_url.h"

#include <string.h>

#include "base/assert.h"

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void escape(struct sk_strbuf *out, struct sk_str s, const char *blank)
{
    for (size_t i = 0; i < s.len; i++) {
        if (plain(s.ptr[i]))
            sk_strbuf_putc(out, s.ptr[i]);
        else if (s.ptr[i] == ' ')
            sk_strbuf_puts(out, blank);
        else
            sk_strbuf_printf(out, "%%%02X", (unsigned)(unsigned char)s.ptr[i]);
    }
}

void sk_ctl_query_escape(struct sk_strbuf *out, struct sk_str s)
{
    escape(out, s, "+");
}

void sk_ctl_path_escape(struct sk_strbuf *out, struct sk_str s)
{
    escape(out, s, "%20");
}

void sk_ctl_params_format(struct sk_strbuf *out, const struct sk_ctl_param *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sk_assert(i == 0 || strcmp(params[i - 1].name, params[i].name) < 0);
        if (i > 0)
            sk_strbuf_putc(out, '&');
        sk_strbuf_puts(out, params[i].name);
        sk_strbuf_putc(out, '=');
        sk_ctl_query_escape(out, params[i].value);
    }
}

void sk_ctl_base64(struct sk_strbuf *out, struct sk_str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (i + k < s.len ? (unsigned char)s.ptr[i + k] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
        if (s.len - i < 3)
            four[3] = '=';
        if (s.len - i < 2)
            four[2] = '=';
        sk_strbuf_add(out, four, sizeof(four));
    }
}
