/* SPDX-License-Identifier: Apache-2.0 */
/* text_test.c -- matching. Searches are left to memmem(); tests that ignore case work on a lower
 * case copy, which is made once for all alternatives of a test. */
#include "logql/text_test.h"

#include "base/alloc.h"
#include "labels/regex.h"
#include "logql/ip_filter.h"
#include "logql/pattern_expr.h"
#include "logql/rune_lower.h"

void sk_text_scratch_deinit(struct sk_text_scratch *s)
{
    sk_free(s->lower);
    *s = (struct sk_text_scratch){.lower = NULL};
}

static bool contains(struct sk_str text, struct sk_str part)
{
    if (text.len < part.len)
        return false;
    return memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

/* `text` in lower case in the scratch memory. */
static struct sk_str lowered(struct sk_text_scratch *s, struct sk_str text)
{
    if (!s->lowered) {
        size_t room;
        if (!sk_mul_size(text.len, SK_TEXT_LOWER_ROOM(1), &room) ||
            !SK_GROW(s->lower, s->lower_cap, room)) {
            s->failed = true;
            return (struct sk_str){NULL, 0};
        }
        s->lower_len = sk_text_lower(text, s->lower);
        s->lowered = true;
    }
    return (struct sk_str){s->lower, s->lower_len};
}

static bool match(const struct sk_text_test *t, struct sk_text_scratch *s, struct sk_str text)
{
    switch (t->kind) {
    case SK_TEXT_TRUE:
        return true;
    case SK_TEXT_NON_EMPTY:
        return text.len > 0;
    case SK_TEXT_CONTAINS:
        return contains(text, t->text);
    case SK_TEXT_CONTAINS_FOLD:
        return contains(lowered(s, text), t->text);
    case SK_TEXT_EQUALS:
        return sk_str_eq(text, t->text);
    case SK_TEXT_EQUALS_FOLD:
        return text.len == t->text.len && sk_str_eq(lowered(s, text), t->text);
    case SK_TEXT_REGEX:
        return (t->text.len == 0 || contains(text, t->text)) && sk_regex_match(t->regex, text);
    case SK_TEXT_PATTERN:
        return sk_pattern_filter_match(t->parts, t->count, text);
    case SK_TEXT_IP:
        return sk_ip_in_text(t->ip, text);
    case SK_TEXT_ANY:
        break;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (match(&t->subs[i], s, text))
            return true;
    }
    return false;
}

bool sk_text_test_match(const struct sk_text_test *t, struct sk_text_scratch *s, struct sk_str text)
{
    s->lowered = false;
    return match(t, s, text) != t->negate;
}

struct sk_text_test sk_text_test_any(struct sk_text_test *tests, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (tests[i].kind != SK_TEXT_TRUE)
            tests[n++] = tests[i];
    }
    if (n == 0)
        return (struct sk_text_test){.kind = SK_TEXT_TRUE};
    if (n == 1)
        return tests[0];
    return (struct sk_text_test){.kind = SK_TEXT_ANY, .subs = tests, .count = n};
}

struct sk_str sk_text_test_needle(const struct sk_text_test *t)
{
    bool has = t->kind == SK_TEXT_CONTAINS || t->kind == SK_TEXT_EQUALS ||
               t->kind == SK_TEXT_REGEX || t->kind == SK_TEXT_PATTERN;
    return has && !t->negate ? t->text : (struct sk_str){NULL, 0};
}
