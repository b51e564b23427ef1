/* SPDX-License-Identifier: Apache-2.0 */
/* config_expand.c -- ${VARIABLE} in the text of a configuration file (-config.expand-env).
 *
 * Only braces expand. As in Loki, ":-", ":=", ":?" and ":+" all mean "the word when empty", and a
 * number behind ":" is a position: ${PORT:3100} is a part of PORT, not a default. Threads: any. */
#include "config/config_int.h"

#include <ctype.h>

#include "base/assert.h"

#define NAME_BYTES_MAX 256u
#define WORD_DEPTH_MAX 16u
#define WORD_BYTES_MAX 65536u

struct expand {
    struct sk_str text;
    size_t at;
    sk_config_env_fn *lookup;
    void *ctx;
    struct sk_error *reterr;
};

static bool looking_at(const struct expand *e, const char *s)
{
    struct sk_str rest = {e->text.ptr + e->at, e->text.len - e->at};
    return sk_str_starts(rest, sk_str_from(s));
}

static bool take(struct expand *e, const char *s)
{
    if (!looking_at(e, s))
        return false;
    e->at += strlen(s);
    return true;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static enum sk_err no_brace(const struct expand *e)
{
    return sk_error_set_at(e->reterr, SK_EPARSE, (int64_t)e->at, "missing closing brace");
}

static enum sk_err variable(struct expand *e, unsigned depth, struct sk_strbuf *out);

/* The text up to (not including) one of `stops`; variables in it are expanded. */
static enum sk_err word(struct expand *e, const char *stops, unsigned depth, struct sk_strbuf *out)
{
    while (e->at < e->text.len) {
        char c = e->text.ptr[e->at];
        if (c != '\0' && strchr(stops, c) != NULL)
            return out->failed ? SK_ENOMEM : SK_OK;
        if (looking_at(e, "${")) {
            enum sk_err err = variable(e, depth + 1, out);
            if (err != SK_OK)
                return err;
            continue;
        }
        sk_strbuf_putc(out, c);
        e->at++;
    }
    return no_brace(e);
}

/* Glob with * and ?: whether all of `s` matches. */
static bool glob(struct sk_str pattern, struct sk_str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < s.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == s.ptr[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

/* ${V#p} ${V##p} ${V%p} ${V%%p}: the shortest or longest match at an end is cut off. */
static struct sk_str trimmed(struct sk_str v, struct sk_str pattern, bool front, bool longest)
{
    for (size_t k = 0; k <= v.len; k++) {
        size_t n = longest ? v.len - k : k;
        struct sk_str part = {front ? v.ptr : v.ptr + v.len - n, n};
        if (glob(pattern, part))
            return front ? (struct sk_str){v.ptr + n, v.len - n}
                         : (struct sk_str){v.ptr, v.len - n};
    }
    return v;
}

static enum sk_err trim_op(struct expand *e, struct sk_str v, unsigned depth, struct sk_strbuf *out)
{
    struct sk_strbuf pattern;
    char c = e->text.ptr[e->at++];
    bool longest = take(e, c == '#' ? "#" : "%");
    sk_strbuf_init(&pattern, WORD_BYTES_MAX);
    enum sk_err err = word(e, "}", depth, &pattern);
    if (err == SK_OK)
        sk_strbuf_str(out, trimmed(v, sk_strbuf_view(&pattern), c == '#', longest));
    sk_strbuf_deinit(&pattern);
    return err;
}

static void replaced(struct sk_str v, struct sk_str old, struct sk_str new, bool all,
                     struct sk_strbuf *out)
{
    size_t from = 0;
    while (old.len > 0) {
        size_t at = sk_str_find(v, old, from);
        if (at == SIZE_MAX)
            break;
        sk_strbuf_add(out, v.ptr + from, at - from);
        sk_strbuf_str(out, new);
        from = at + old.len;
        if (!all)
            break;
    }
    sk_strbuf_add(out, v.ptr + from, v.len - from);
}

/* ${V/a/b} ${V//a/b}, and at the ends ${V/#a/b} ${V/%a/b}. */
static enum sk_err replace_op(struct expand *e, struct sk_str v, unsigned depth,
                              struct sk_strbuf *out)
{
    struct sk_strbuf old, new;
    e->at++;
    bool all = take(e, "/");
    bool front = !all && take(e, "#");
    bool back = !all && !front && take(e, "%");
    sk_strbuf_init(&old, WORD_BYTES_MAX);
    sk_strbuf_init(&new, WORD_BYTES_MAX);
    enum sk_err err = word(e, "/}", depth, &old);
    if (err == SK_OK && take(e, "/"))
        err = word(e, "}", depth, &new);
    if (err != SK_OK)
        goto out;
    struct sk_str o = sk_strbuf_view(&old), n = sk_strbuf_view(&new);
    if (front && sk_str_starts(v, o)) {
        sk_strbuf_str(out, n);
        sk_strbuf_add(out, v.ptr + o.len, v.len - o.len);
    } else if (back && sk_str_ends(v, o)) {
        sk_strbuf_add(out, v.ptr, v.len - o.len);
        sk_strbuf_str(out, n);
    } else if (front || back) {
        sk_strbuf_str(out, v);
    } else {
        replaced(v, o, n, all, out);
    }
out:
    sk_strbuf_deinit(&new);
    sk_strbuf_deinit(&old);
    return err;
}

/* ${V^} ${V^^} ${V,} ${V,,} */
static void case_op(struct expand *e, struct sk_str v, struct sk_strbuf *out)
{
    char c = e->text.ptr[e->at++];
    bool all = take(e, c == '^' ? "^" : ",");
    for (size_t i = 0; i < v.len; i++) {
        int b = (unsigned char)v.ptr[i];
        if (i == 0 || all)
            b = c == '^' ? toupper(b) : tolower(b);
        sk_strbuf_putc(out, (char)b);
    }
}

/* ${V:-word} and its like, ${V:pos}, ${V:pos:len}. */
static enum sk_err colon_op(struct expand *e, struct sk_str v, unsigned depth,
                            struct sk_strbuf *out)
{
    struct sk_strbuf a, b;
    uint64_t pos, len = UINT64_MAX;
    sk_strbuf_init(&a, WORD_BYTES_MAX);
    sk_strbuf_init(&b, WORD_BYTES_MAX);
    enum sk_err err;
    e->at++;
    if (take(e, "-") || take(e, "=") || take(e, "?") || take(e, "+")) {
        err = word(e, "}", depth, &a);
        if (err == SK_OK)
            sk_strbuf_str(out, v.len > 0 ? v : sk_strbuf_view(&a));
        goto out;
    }
    err = word(e, ":}", depth, &a);
    bool has_len = err == SK_OK && take(e, ":");
    if (has_len)
        err = word(e, "}", depth, &b);
    if (err != SK_OK)
        goto out;
    bool number = sk_str_to_u64(sk_strbuf_view(&a), &pos);
    if (has_len)
        number = number && sk_str_to_u64(sk_strbuf_view(&b), &len);
    if (!number)
        sk_strbuf_str(out, v);
    else if (pos < v.len)
        sk_strbuf_add(out, v.ptr + pos, len < v.len - pos ? (size_t)len : v.len - (size_t)pos);
out:
    sk_strbuf_deinit(&b);
    sk_strbuf_deinit(&a);
    return err;
}

/* At "${"; ends behind "}". */
static enum sk_err variable(struct expand *e, unsigned depth, struct sk_strbuf *out)
{
    char name[NAME_BYTES_MAX];
    size_t n = 0;
    enum sk_err err = SK_OK;
    if (depth > WORD_DEPTH_MAX)
        return sk_error_set_at(e->reterr, SK_EPARSE, (int64_t)e->at,
                               "variables are nested too deep");
    e->at += 2;
    bool length = take(e, "#");
    for (; e->at < e->text.len && name_char(e->text.ptr[e->at]); e->at++)
        if (n + 1 < sizeof(name))
            name[n++] = e->text.ptr[e->at];
    name[n] = '\0';
    if (n == 0)
        return sk_error_set_at(e->reterr, SK_EPARSE, (int64_t)e->at,
                               "unable to parse variable name");
    const char *found = e->lookup(e->ctx, name);
    struct sk_str v = sk_str_from(found == NULL ? "" : found);
    char c = e->at < e->text.len ? e->text.ptr[e->at] : '\0';
    if (length)
        sk_strbuf_u64(out, v.len);
    else if (c == '}')
        sk_strbuf_str(out, v);
    else if (c == ':')
        err = colon_op(e, v, depth, out);
    else if (c == '#' || c == '%')
        err = trim_op(e, v, depth, out);
    else if (c == '/')
        err = replace_op(e, v, depth, out);
    else if (c == '^' || c == ',')
        case_op(e, v, out);
    if (err == SK_OK && !take(e, "}"))
        err = no_brace(e);
    return err;
}

enum sk_err sk_config_expand(struct sk_str text, sk_config_env_fn *lookup, void *ctx,
                             struct sk_strbuf *out, struct sk_error *reterr)
{
    struct expand e = {.text = text, .lookup = lookup, .ctx = ctx, .reterr = reterr};
    sk_assert(lookup != NULL);
    while (e.at < text.len) {
        if (looking_at(&e, "${")) {
            enum sk_err err = variable(&e, 0, out);
            if (err != SK_OK)
                return err;
            continue;
        }
        bool escaped = looking_at(&e, "$$");
        sk_strbuf_putc(out, text.ptr[e.at]);
        e.at += escaped ? 2 : 1;
    }
    return out->failed ? SK_ENOMEM : SK_OK;
}
