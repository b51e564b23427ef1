/* SPDX-License-Identifier: Apache-2.0 */
/* jsonout.c -- runs of plain bytes are copied whole; a 256-entry table finds where one ends. */
#include "base/jsonout.h"

#include "base/utf8.h"

/* 0: copy, 1: always looked at, 2: looked at in HTML mode only, 3: start of a multi-byte rune */
static uint8_t kind[256];

__attribute__((constructor)) static void kind_init(void)
{
    for (unsigned i = 0; i < 256; i++)
        kind[i] = i < 0x20 || i == '"' || i == '\\' ? 1 : i >= 0x80 ? 3 : 0;
    kind['<'] = kind['>'] = kind['&'] = 2;
}

static void escape_ascii(struct sk_strbuf *out, unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        sk_strbuf_putc(out, '\\');
        sk_strbuf_putc(out, (char)c);
        return;
    case '\n':
        sk_strbuf_puts(out, "\\n");
        return;
    case '\r':
        sk_strbuf_puts(out, "\\r");
        return;
    case '\t':
        sk_strbuf_puts(out, "\\t");
        return;
    default:
        sk_strbuf_printf(out, "\\u%04x", c);
    }
}

static void write_string(struct sk_strbuf *out, struct sk_str s, bool html)
{
    size_t run = 0, i = 0;
    sk_strbuf_reserve(out, s.len + 2);
    sk_strbuf_putc(out, '"');
    while (i < s.len) {
        unsigned char c = (unsigned char)s.ptr[i];
        uint8_t k = kind[c];
        if (k == 0 || (k == 2 && !html)) {
            i++;
            continue;
        }
        unsigned width = 1;
        uint32_t r = c;
        if (k == 3) {
            r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
            bool bad = r == SK_RUNE_ERROR && width == 1;
            if (!bad && !(html && (r == 0x2028 || r == 0x2029))) {
                i += width;
                continue;
            }
        }
        sk_strbuf_add(out, s.ptr + run, i - run);
        if (k == 3 && r == SK_RUNE_ERROR)
            sk_strbuf_puts(out, "\xef\xbf\xbd");
        else if (k == 3)
            sk_strbuf_printf(out, "\\u%04x", r);
        else
            escape_ascii(out, c);
        i += width;
        run = i;
    }
    sk_strbuf_add(out, s.ptr + run, s.len - run);
    sk_strbuf_putc(out, '"');
}

void sk_json_string(struct sk_strbuf *out, struct sk_str s)
{
    write_string(out, s, false);
}

void sk_json_string_html(struct sk_strbuf *out, struct sk_str s)
{
    write_string(out, s, true);
}
