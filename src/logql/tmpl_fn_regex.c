/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fn_regex.c -- regexReplaceAll, regexReplaceAllLiteral, count. Constant patterns were
 * compiled with the template; others are kept for a while by the thread that runs it, since lines
 * after each other often have the same. */
#include "base/alloc.h"
#include "base/utf8.h"
#include "labels/gore.h"
#include "labels/regex.h"
#include "logql/lex_int.h"
#include "logql/text_test.h"
#include "logql/tmpl_int.h"

enum {
    KEPT = 4, /* patterns; each may take SK_REGEX_PROGRAM_BYTES_MAX */
    PATTERN_ARENA_BYTES_MAX = 4 << 20,
};

struct kept {
    struct sk_arena arena; /* of all below */
    struct sk_str pattern; /* ptr NULL: free */
    const struct sk_regex *regex;
    struct sk_str error; /* when it does not compile */
};

struct sk_tmpl_regex {
    struct kept kept[KEPT];
    size_t next; /* to be replaced */
};

void sk_tmpl_regexes_release(struct sk_tmpl_scratch *s)
{
    for (size_t i = 0; s->regexes != NULL && i < KEPT; i++)
        sk_arena_deinit(&s->regexes->kept[i].arena);
    sk_free(s->regexes);
    s->regexes = NULL;
}

static bool keep(struct kept *k, struct sk_str pattern)
{
    struct sk_error why = {.text = ""};
    sk_arena_deinit(&k->arena);
    *k = (struct kept){.regex = NULL};
    sk_arena_init(&k->arena, PATTERN_ARENA_BYTES_MAX, NULL);
    enum sk_err err = sk_gore_check(&k->arena, pattern, NULL, &why); /* Go's words */
    if (err == SK_OK)
        err = sk_arena_regex(&k->arena, pattern, 0, &k->regex, &why);
    if (err == SK_ENOMEM)
        return false;
    if (err != SK_OK)
        k->error = sk_arena_str(&k->arena, sk_str_from(why.text));
    k->pattern = sk_arena_str(&k->arena, pattern);
    return k->pattern.ptr != NULL && (err == SK_OK || k->error.ptr != NULL);
}

static struct kept *kept_find(struct sk_tmpl_regex *all, struct sk_str pattern)
{
    for (size_t i = 0; i < KEPT; i++) {
        if (all->kept[i].pattern.ptr != NULL && sk_str_eq(all->kept[i].pattern, pattern))
            return &all->kept[i];
    }
    return NULL;
}

const struct sk_regex *sk_tmpl_regex_get(struct sk_tmpl_call *call, struct sk_str pattern)
{
    struct sk_tmpl_scratch *s = call->x->in->scratch;
    for (const struct sk_tmpl_pattern *p = call->x->tmpl->patterns; p != NULL; p = p->next) {
        if (sk_str_eq(p->text, pattern))
            return p->regex;
    }
    if (s->regexes == NULL)
        s->regexes = sk_calloc(1, sizeof(*s->regexes));
    struct kept *k = s->regexes == NULL ? NULL : kept_find(s->regexes, pattern);
    if (s->regexes != NULL && k == NULL) {
        k = &s->regexes->kept[s->regexes->next];
        s->regexes->next = (s->regexes->next + 1) % KEPT;
        if (!keep(k, pattern)) {
            k->pattern.ptr = NULL;
            k = NULL;
        }
    }
    if (k == NULL) {
        (void)sk_tmpl_no_memory(call->x); /* x->failed tells */
        return NULL;
    }
    if (k->regex == NULL)
        call->error = sk_arena_str(call->x->arena, k->error);
    return k->regex;
}

/* ---- replacing ---- */

struct replacer {
    const struct sk_regex *regex;
    struct sk_str with;
    bool literal;
    struct sk_str caps[SK_REGEX_GROUPS_MAX + 1];
    size_t cap_count;
};

/* "$name", "${name}" at s[*at], behind the dollar. false: it stands for itself. */
static bool group_name(struct sk_str s, size_t *at, struct sk_str *ret)
{
    size_t i = *at;
    bool brace = i < s.len && s.ptr[i] == '{';
    i += brace;
    size_t from = i;
    while (i < s.len) {
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        if (r != '_' && !sk_lex_rune_letter(r) && !sk_lex_rune_digit(r))
            break;
        i += width;
    }
    *ret = (struct sk_str){s.ptr + from, i - from};
    if (ret->len == 0 || (brace && (i >= s.len || s.ptr[i] != '}')))
        return false;
    *at = i + brace;
    return true;
}

/* The group that `name` stands for; an unknown one is empty. */
static struct sk_str group_value(const struct replacer *r, struct sk_str name)
{
    uint64_t n;
    if ((name.ptr[0] != '0' || name.len == 1) && sk_str_to_u64(name, &n))
        return n < r->cap_count ? r->caps[n] : SK_STR("");
    for (size_t i = 1; i < r->cap_count; i++) {
        if (r->caps[i].ptr != NULL && sk_str_eq(sk_regex_group_name(r->regex, i), name))
            return r->caps[i];
    }
    return SK_STR("");
}

static void expand(struct sk_strbuf *b, const struct replacer *r)
{
    struct sk_str s = r->with, name;
    for (size_t i = 0; i < s.len;) {
        if (s.ptr[i] != '$' || r->literal) {
            sk_strbuf_putc(b, s.ptr[i++]);
            continue;
        }
        i++;
        if (i < s.len && s.ptr[i] == '$') {
            sk_strbuf_putc(b, '$');
            i++;
        } else if (group_name(s, &i, &name)) {
            sk_strbuf_str(b, group_value(r, name));
        } else {
            sk_strbuf_putc(b, '$');
        }
    }
}

/* Bytes of the rune at s[at], 0 at the end. */
static size_t rune_bytes(struct sk_str s, size_t at)
{
    unsigned width = 0;
    if (at < s.len)
        (void)sk_utf8_decode(s.ptr + at, s.len - at, &width); /* only the width matters */
    return width;
}

/* As Go goes: an empty match behind another is none, and the search goes on a rune further. */
static void replace_all(struct sk_strbuf *b, struct replacer *r, struct sk_str s)
{
    size_t copied = 0, at = 0;
    while (at <= s.len && !b->failed && sk_regex_find(r->regex, s, at, r->caps, r->cap_count)) {
        size_t from = (size_t)(r->caps[0].ptr - s.ptr), to = from + r->caps[0].len;
        sk_strbuf_add(b, s.ptr + copied, from - copied);
        if (to > copied || from == 0)
            expand(b, r);
        copied = to;
        size_t step = rune_bytes(s, at);
        if (at + step > to)
            at += step;
        else
            at = at + 1 > to ? at + 1 : to;
    }
    sk_strbuf_add(b, s.ptr + copied, s.len - copied);
}

static bool replace(struct sk_tmpl_call *call, bool literal, struct sk_tv *ret)
{
    struct sk_str s = call->args[1].u.s;
    struct sk_strbuf *b = sk_tmpl_text(call);
    const struct sk_regex *regex = sk_tmpl_regex_get(call, call->args[0].u.s);
    if (regex == NULL)
        return false;
    struct replacer *r = sk_arena_alloc(call->x->arena, sizeof(*r)); /* large for the stack */
    if (r == NULL)
        return sk_tmpl_no_memory(call->x);
    r->regex = regex;
    r->with = call->args[2].u.s;
    r->literal = literal;
    r->cap_count = sk_regex_group_count(regex) + 1;
    replace_all(b, r, s.len == 0 ? SK_STR("") : s);
    return sk_tmpl_give(call, b, ret);
}

static bool fn_replace_all(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return replace(call, false, ret);
}

static bool fn_replace_literal(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return replace(call, true, ret);
}

/* ---- count ---- */

static bool fn_count(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s = call->args[1].u.s, hit;
    const struct sk_regex *regex = sk_tmpl_regex_get(call, call->args[0].u.s);
    size_t at = 0, before = SIZE_MAX; /* the end of the match before */
    int64_t count = 0;
    if (regex == NULL)
        return false;
    if (s.len == 0)
        s = SK_STR("");
    while (at <= s.len && sk_regex_find(regex, s, at, &hit, 1)) {
        size_t from = (size_t)(hit.ptr - s.ptr), to = from + hit.len;
        if (to == at) {
            size_t step = rune_bytes(s, at);
            count += from != before;
            at = step > 0 ? at + step : s.len + 1;
        } else {
            count++;
            at = to;
        }
        before = to;
    }
    *ret = sk_tv_int(SK_TV_INT, count);
    return true;
}

const struct sk_tmpl_func sk_tmpl_regex_funcs[] = {
    {"regexReplaceAll",
     fn_replace_all,
     3,
     false,
     SK_TF_REGEX,
     {SK_TP_STRING, SK_TP_STRING, SK_TP_STRING}},
    {"regexReplaceAllLiteral",
     fn_replace_literal,
     3,
     false,
     SK_TF_REGEX,
     {SK_TP_STRING, SK_TP_STRING, SK_TP_STRING}},
    {"count", fn_count, 2, false, SK_TF_REGEX, {SK_TP_STRING, SK_TP_STRING}},
    {.name = NULL},
};
