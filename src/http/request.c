/* SPDX-License-Identifier: Apache-2.0 */
/* request.c -- headers, percent-escapes, parameters and paths of a request; no connection needed. */
#include "http/server.h"

#include "base/gotext.h"

struct sk_str sk_http_header_get(const struct sk_http_req *req, const char *name)
{
    for (const struct sk_http_header *h = req->headers; h != NULL; h = h->next) {
        if (sk_str_eq_nocase(h->name, sk_str_from(name)))
            return h->value;
    }
    return (struct sk_str){NULL, 0};
}

size_t sk_http_header_count(const struct sk_http_req *req, const char *name)
{
    size_t n = 0;
    for (const struct sk_http_header *h = req->headers; h != NULL; h = h->next)
        n += sk_str_eq_nocase(h->name, sk_str_from(name));
    return n;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

static enum sk_err escape_error(struct sk_str text, size_t at, struct sk_error *reterr)
{
    struct sk_strbuf b;
    sk_strbuf_init(&b, 256);
    size_t n = text.len - at < 3 ? text.len - at : 3;
    sk_go_quote(&b, (struct sk_str){text.ptr + at, n});
    enum sk_err err =
        sk_error_set(reterr, SK_EPARSE, "invalid URL escape %.*s", SK_STR_ARG(sk_strbuf_view(&b)));
    sk_strbuf_deinit(&b);
    return err;
}

enum sk_err sk_http_unescape(struct sk_arena *arena, struct sk_str text, bool plus,
                             struct sk_str *ret, struct sk_error *reterr)
{
    char *out = sk_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    if (out == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int hi = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int lo = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return escape_error(text, i, reterr);
            out[n++] = (char)(hi << 4 | lo);
            i += 2;
        } else {
            out[n++] = plus && c == '+' ? ' ' : c;
        }
    }
    out[n] = '\0';
    *ret = (struct sk_str){out, n};
    return SK_OK;
}

enum sk_err sk_http_params_parse(struct sk_arena *arena, struct sk_str text,
                                 struct sk_http_param **ret, struct sk_error *reterr)
{
    struct sk_http_param *first = NULL, **tail = &first;
    enum sk_err result = SK_OK;
    for (size_t at = 0; at < text.len;) {
        size_t amp = sk_str_find(text, SK_STR("&"), at);
        size_t end = amp == SIZE_MAX ? text.len : amp;
        struct sk_str pair = {text.ptr + at, end - at};
        at = end + 1;
        if (pair.len == 0)
            continue;
        struct sk_error fault;
        enum sk_err err = SK_OK;
        struct sk_str key = pair, value = {"", 0};
        size_t eq = sk_str_find(pair, SK_STR("="), 0);
        if (eq != SIZE_MAX) {
            key.len = eq;
            value = (struct sk_str){pair.ptr + eq + 1, pair.len - eq - 1};
        }
        if (memchr(pair.ptr, ';', pair.len) != NULL)
            err = sk_error_set(&fault, SK_EPARSE, "invalid semicolon separator in query");
        if (err == SK_OK)
            err = sk_http_unescape(arena, key, true, &key, &fault);
        if (err == SK_OK)
            err = sk_http_unescape(arena, value, true, &value, &fault);
        struct sk_http_param *p = err == SK_OK ? sk_arena_alloc(arena, sizeof(*p)) : NULL;
        if (p == NULL) {
            if (result == SK_OK) {
                result = err == SK_OK ? SK_ENOMEM : err;
                (void)sk_error_set(reterr, result, "%s",
                                   err == SK_OK ? "out of memory" : fault.text);
            }
            continue;
        }
        *p = (struct sk_http_param){NULL, key, value};
        *tail = p;
        tail = &p->next;
    }
    *ret = first;
    return result;
}

bool sk_http_path_clean(struct sk_arena *arena, struct sk_str path, struct sk_str *ret)
{
    char *out = sk_arena_alloc(arena, path.len + 2);
    if (out == NULL)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < path.len;) {
        while (i < path.len && path.ptr[i] == '/')
            i++;
        size_t from = i;
        while (i < path.len && path.ptr[i] != '/')
            i++;
        struct sk_str part = {path.ptr + from, i - from};
        if (part.len == 0 || sk_str_is(part, "."))
            continue;
        if (sk_str_is(part, "..")) {
            while (n > 0 && out[--n] != '/') {
            }
            continue;
        }
        out[n++] = '/';
        memcpy(out + n, part.ptr, part.len);
        n += part.len;
    }
    if (n == 0 || (path.len > 0 && path.ptr[path.len - 1] == '/'))
        out[n++] = '/';
    *ret = (struct sk_str){out, n};
    return !sk_str_eq(*ret, path);
}
