/* SPDX-License-Identifier: Apache-2.0 */
/* objkey.c -- see objkey.h. */
#include "objstore/objkey.h"

#include "base/assert.h"

enum { NS_PER_MS = 1000000, TEXT_BYTES_MAX = 256 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool sk_tenant_valid(struct sk_str tenant)
{
    if (tenant.len == 0 || tenant.len > SK_TENANT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < tenant.len; i++) {
        char c = tenant.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c == '\0' || strchr("!-_.*'()", c) == NULL))
            return false;
    }
    return !sk_str_is(tenant, ".") && !sk_str_is(tenant, "..") && !sk_str_is(tenant, "index");
}

int64_t sk_chunk_from_ms(int64_t ts_min_ns)
{
    return ts_min_ns / NS_PER_MS - (ts_min_ns % NS_PER_MS < 0 ? 1 : 0);
}

int64_t sk_chunk_through_ms(int64_t ts_max_ns)
{
    return ts_max_ns / NS_PER_MS + (ts_max_ns % NS_PER_MS > 0 ? 1 : 0);
}

static void hex_u64(struct sk_strbuf *out, uint64_t v)
{
    sk_strbuf_printf(out, "%llx", (unsigned long long)v);
}

static void hex_i64(struct sk_strbuf *out, int64_t v)
{
    if (v < 0)
        sk_strbuf_putc(out, '-'); /* as Go prints it */
    hex_u64(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static void bounds_format(struct sk_strbuf *out, const struct sk_chunk_key *key)
{
    hex_i64(out, key->from_ms);
    sk_strbuf_putc(out, ':');
    hex_i64(out, key->through_ms);
    sk_strbuf_putc(out, ':');
    hex_u64(out, key->checksum);
}

static void base64(struct sk_strbuf *out, struct sk_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (n > 2 ? (uint32_t)p[i + 2] : 0);
        char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                        n > 1 ? alphabet[v >> 6 & 63] : '=', n > 2 ? alphabet[v & 63] : '='};
        sk_strbuf_add(out, four, sizeof(four));
    }
}

static bool unbase64(struct sk_str s, char *buf, size_t cap, struct sk_str *ret)
{
    size_t len = 0;
    if (s.len == 0 || s.len % 4 != 0 || s.len / 4 * 3 > cap)
        return false;
    for (size_t i = 0; i < s.len; i += 4) {
        uint32_t v = 0;
        unsigned pads = 0;
        for (size_t k = 0; k < 4; k++) {
            char c = s.ptr[i + k];
            const char *at = c == '\0' ? NULL : strchr(alphabet, c);
            if (c == '=' && i + 4 == s.len && k >= 2)
                pads++;
            else if (at == NULL || pads > 0)
                return false;
            v = v << 6 | (at == NULL ? 0 : (uint32_t)(at - alphabet));
        }
        buf[len++] = (char)(v >> 16);
        if (pads < 2)
            buf[len++] = (char)(v >> 8);
        if (pads < 1)
            buf[len++] = (char)v;
    }
    *ret = (struct sk_str){buf, len};
    return true;
}

void sk_chunk_key_format(struct sk_strbuf *out, const struct sk_chunk_key *key)
{
    sk_strbuf_str(out, key->tenant);
    sk_strbuf_putc(out, '/');
    hex_u64(out, key->fingerprint);
    sk_strbuf_putc(out, '/');
    bounds_format(out, key);
}

void sk_chunk_path_format(struct sk_strbuf *out, const struct sk_chunk_key *key,
                          enum sk_chunk_layout layout)
{
    struct sk_strbuf text;
    sk_assert(key->tenant.len <= SK_TENANT_BYTES_MAX);
    sk_strbuf_init(&text, TEXT_BYTES_MAX);
    if (layout == SK_CHUNK_LAYOUT_V12) {
        sk_strbuf_str(out, key->tenant);
        sk_strbuf_putc(out, '/');
        hex_u64(out, key->fingerprint);
        sk_strbuf_putc(out, '/');
    } else {
        sk_strbuf_str(&text, key->tenant);
        sk_strbuf_putc(&text, '/');
        hex_u64(&text, key->fingerprint);
        sk_strbuf_putc(&text, ':');
    }
    bounds_format(&text, key);
    if (text.failed)
        out->failed = true;
    else
        base64(out, sk_strbuf_view(&text));
    sk_strbuf_deinit(&text);
}

static bool hex_parse(struct sk_str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.len == 0 || s.len > 16)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret = v;
    return true;
}

static bool hex_signed_parse(struct sk_str s, int64_t *ret)
{
    uint64_t v;
    bool minus = s.len > 0 && s.ptr[0] == '-';
    if (minus) {
        s.ptr++;
        s.len--;
    }
    if (!hex_parse(s, &v) || v > (uint64_t)INT64_MAX)
        return false;
    *ret = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

/* Cuts `s` at the first `sep`: *ret is what stands before, `s` what stands behind. */
static bool cut(struct sk_str *s, char sep, struct sk_str *ret)
{
    const char *at = s->len == 0 ? NULL : memchr(s->ptr, sep, s->len);
    if (at == NULL)
        return false;
    *ret = (struct sk_str){s->ptr, (size_t)(at - s->ptr)};
    s->len -= ret->len + 1;
    s->ptr = at + 1;
    return true;
}

static bool bounds_parse(struct sk_str s, struct sk_chunk_key *key)
{
    struct sk_str from, through;
    uint64_t checksum;
    if (!cut(&s, ':', &from) || !cut(&s, ':', &through))
        return false;
    if (!hex_signed_parse(from, &key->from_ms) || !hex_signed_parse(through, &key->through_ms) ||
        !hex_parse(s, &checksum) || checksum > UINT32_MAX)
        return false;
    key->checksum = (uint32_t)checksum;
    return true;
}

bool sk_chunk_key_parse(struct sk_str text, struct sk_chunk_key *ret_key)
{
    struct sk_chunk_key key;
    struct sk_str fp;
    if (!cut(&text, '/', &key.tenant) || !sk_tenant_valid(key.tenant) || !cut(&text, '/', &fp) ||
        !hex_parse(fp, &key.fingerprint) || !bounds_parse(text, &key))
        return false;
    *ret_key = key;
    return true;
}

bool sk_chunk_path_parse(struct sk_str path, char *tenant_buf, struct sk_chunk_key *ret_key,
                         enum sk_chunk_layout *ret_layout)
{
    struct sk_chunk_key key = {0};
    struct sk_str fp, text;
    char buf[TEXT_BYTES_MAX];
    if (cut(&path, '/', &key.tenant)) {
        if (!sk_tenant_valid(key.tenant) || !cut(&path, '/', &fp) ||
            !hex_parse(fp, &key.fingerprint) || !unbase64(path, buf, sizeof(buf), &text) ||
            !bounds_parse(text, &key))
            return false;
        *ret_layout = SK_CHUNK_LAYOUT_V12;
        *ret_key = key;
        return true;
    }
    if (!unbase64(path, buf, sizeof(buf), &text) || !cut(&text, '/', &key.tenant) ||
        !sk_tenant_valid(key.tenant) || !cut(&text, ':', &fp) || !hex_parse(fp, &key.fingerprint) ||
        !bounds_parse(text, &key))
        return false;
    memcpy(tenant_buf, key.tenant.ptr, key.tenant.len);
    key.tenant.ptr = tenant_buf;
    *ret_layout = SK_CHUNK_LAYOUT_V11;
    *ret_key = key;
    return true;
}
