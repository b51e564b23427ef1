/* SPDX-License-Identifier: Apache-2.0 */
/* regex_simplify.c -- regular expressions of filters as substring tests.
 *
 * The shapes that Loki rewrites, and into what, are part of what clients observe: some rewrites
 * change the meaning (`foo.*` in a label filter finds foo anywhere; `foo.*(bar|qux)` wants foobar or
 * fooqux). The rules are those of spec logql-pipeline 4.1, case by case; a shape without a rule
 * stays a regular expression.
 *
 * One rule needs more than the tree: alternatives that are concatenations themselves (`10.*|192.*` is
 * 1(?:0.*|92.*)) append to the bytes of the common base in place, as long as Go's slice has room, so
 * the later ones write over the earlier ones: the tests become `contains 19` and `contains 192`. Hence
 * `struct base` is a Go slice with Go's capacities. */
#include "base/assert.h"
#include "base/utf8.h"
#include "labels/gore.h"
#include "labels/regex.h"
#include "logql/rune_lower.h"
#include "logql/text_test.h"

enum { CONCAT_PARTS_MAX = 3 };

struct simplifier {
    struct sk_arena *arena;
    bool is_label;
    bool failed; /* out of memory */
};

/* A literal that the parts of a concatenation have in common: a Go []byte. */
struct base {
    char *buf; /* may be shared with other bases and with tests */
    size_t len, cap;
    bool known, fold; /* fold: lower case */
};

static bool is_any_star(const struct sk_gore_node *n)
{
    return n->op == SK_GORE_STAR && n->subs[0]->op == SK_GORE_ANY_NOT_NL;
}

/* The bytes that Go reserves for a slice of `need` bytes: its allocator's size classes. */
static size_t size_class(size_t need)
{
    static const size_t steps[][2] = {{32, 8}, {256, 16}, {512, 32}, {768, 64}, {1024, 128}};
    for (size_t i = 0; i < SK_COUNT_OF(steps); i++) {
        if (need <= steps[i][0])
            return (need + steps[i][1] - 1) / steps[i][1] * steps[i][1];
    }
    return (need + 255) / 256 * 256; /* longer literals are not followed to the byte */
}

/* The runes of `n` as UTF-8, in lower case when `fold`. */
static struct sk_str literal_text(struct simplifier *s, const struct sk_gore_node *n, bool fold)
{
    char *out = sk_arena_alloc(s->arena, 4 * n->rune_count + 1);
    size_t len = 0;
    if (out == NULL) {
        s->failed = true;
        return (struct sk_str){NULL, 0};
    }
    for (size_t i = 0; i < n->rune_count; i++)
        len += sk_utf8_encode(out + len, fold ? sk_rune_lower(n->runes[i]) : n->runes[i]);
    return (struct sk_str){out, len};
}

/* base = append(base, literal...); `copy`: into bytes of its own. */
static void base_append(struct simplifier *s, struct base *b, const struct sk_gore_node *literal,
                        bool copy)
{
    struct sk_str text = literal_text(s, literal, b->fold);
    size_t len = b->len + text.len;
    if (s->failed)
        return;
    if (copy || len > b->cap) {
        size_t need = !copy && len < 2 * b->cap && b->cap < 256 ? 2 * b->cap : len;
        size_t cap = size_class(need);
        char *buf = sk_arena_alloc(s->arena, cap);
        if (buf == NULL) {
            s->failed = true;
            return;
        }
        if (b->len > 0)
            memcpy(buf, b->buf, b->len);
        b->buf = buf;
        b->cap = cap;
    }
    if (text.len > 0)
        memcpy(b->buf + b->len, text.ptr, text.len);
    b->len = len;
}

static struct sk_text_test contains_test(struct simplifier *s, const struct base *b)
{
    struct sk_str text = {b->buf, b->len};
    if (b->len == 0)
        return (struct sk_text_test){.kind = SK_TEXT_TRUE};
    if (!b->fold)
        return (struct sk_text_test){.kind = SK_TEXT_CONTAINS, .text = text};
    text = sk_arena_str(s->arena, text); /* lower-casing has copied it */
    s->failed |= text.ptr == NULL;
    return (struct sk_text_test){.kind = SK_TEXT_CONTAINS_FOLD, .text = text};
}

static bool concat(struct simplifier *s, const struct sk_gore_node *n, struct base b,
                   struct sk_text_test *ret);

/* One alternative behind the base. */
static bool concat_leg(struct simplifier *s, const struct sk_gore_node *leg, struct base b,
                       struct sk_text_test *ret)
{
    if (leg->fold && !b.fold)
        return false;
    if (leg->op == SK_GORE_EMPTY || is_any_star(leg)) {
        *ret = contains_test(s, &b);
        return !s->failed;
    }
    if (leg->op == SK_GORE_CONCAT)
        return concat(s, leg, b, ret);
    if (leg->op != SK_GORE_LITERAL)
        return false;
    base_append(s, &b, leg, true);
    *ret = contains_test(s, &b);
    return !s->failed;
}

/* Adds the tests of an alternation's legs to tests[*count]. */
static bool concat_alternation(struct simplifier *s, const struct sk_gore_node *alt,
                               const struct base *b, struct sk_text_test **tests, size_t *count)
{
    size_t total = *count + alt->sub_count;
    struct sk_text_test *all = sk_arena_calloc(s->arena, total, sizeof(*all));
    if (all == NULL) {
        s->failed = true;
        return false;
    }
    if (*count > 0)
        memcpy(all, *tests, *count * sizeof(*all));
    for (size_t i = 0; i < alt->sub_count; i++) {
        if (!concat_leg(s, alt->subs[i], *b, &all[*count + i]))
            return false;
    }
    *tests = all;
    *count = total;
    return true;
}

/* The parts of a concatenation: captures opened once, empty ones left out. SIZE_MAX: too many. */
static size_t concat_parts(const struct sk_gore_node *n,
                           const struct sk_gore_node *parts[CONCAT_PARTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < n->sub_count; i++) {
        const struct sk_gore_node *sub = n->subs[i];
        if (sub->op == SK_GORE_CAPTURE)
            sub = sub->subs[0];
        if (sub->op == SK_GORE_EMPTY)
            continue;
        if (count == CONCAT_PARTS_MAX)
            return SIZE_MAX;
        parts[count++] = sub;
    }
    return count;
}

static bool concat(struct simplifier *s, const struct sk_gore_node *n, struct base b,
                   struct sk_text_test *ret)
{
    const struct sk_gore_node *parts[CONCAT_PARTS_MAX];
    struct sk_text_test *tests = NULL;
    size_t test_count = 0, count = concat_parts(n, parts);
    bool has_literal = false;
    if (count == SIZE_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct sk_gore_node *part = parts[i];
        if (part->op == SK_GORE_LITERAL && !has_literal) {
            has_literal = true;
            if (b.known && part->fold && !b.fold)
                return false;
            b.fold = b.known ? b.fold : part->fold;
            base_append(s, &b, part, false);
            b.known = true;
        } else if (part->op == SK_GORE_ALTERNATE && b.known) {
            if (!concat_alternation(s, part, &b, &tests, &test_count))
                return false;
        } else if (!is_any_star(part)) {
            return false;
        }
    }
    if (!b.known || s->failed)
        return false;
    *ret = test_count > 0 ? sk_text_test_any(tests, test_count) : contains_test(s, &b);
    return !s->failed;
}

static bool literal(struct simplifier *s, const struct sk_gore_node *n, struct sk_text_test *ret)
{
    struct base b = {.fold = n->fold};
    base_append(s, &b, n, true);
    *ret = contains_test(s, &b);
    if (s->is_label && ret->kind != SK_TEXT_TRUE)
        ret->kind = n->fold ? SK_TEXT_EQUALS_FOLD : SK_TEXT_EQUALS;
    return !s->failed;
}

static bool simplify(struct simplifier *s, const struct sk_gore_node *n, struct sk_text_test *ret);

static bool alternation(struct simplifier *s, const struct sk_gore_node *n,
                        struct sk_text_test *ret)
{
    struct sk_text_test *legs = sk_arena_calloc(s->arena, n->sub_count, sizeof(*legs));
    if (legs == NULL) {
        s->failed = true;
        return false;
    }
    for (size_t i = 0; i < n->sub_count; i++) {
        if (!simplify(s, n->subs[i], &legs[i]))
            return false;
    }
    *ret = sk_text_test_any(legs, n->sub_count);
    return true;
}

/* false: give up. Recursion is bounded by SK_GORE_DEPTH_MAX. */
static bool simplify(struct simplifier *s, const struct sk_gore_node *n, struct sk_text_test *ret)
{
    while (n->op == SK_GORE_CAPTURE)
        n = n->subs[0];
    if (n->op == SK_GORE_LITERAL)
        return literal(s, n, ret);
    if (n->op == SK_GORE_ALTERNATE)
        return alternation(s, n, ret);
    if (n->op == SK_GORE_CONCAT)
        return concat(s, n, (struct base){.known = false}, ret);
    if (n->op == SK_GORE_EMPTY || is_any_star(n)) {
        *ret = (struct sk_text_test){.kind = SK_TEXT_TRUE};
        return true;
    }
    if (n->op == SK_GORE_PLUS && n->subs[0]->op == SK_GORE_ANY_NOT_NL) {
        *ret = (struct sk_text_test){.kind = SK_TEXT_NON_EMPTY};
        return true;
    }
    return false;
}

/* The longest literal that every match holds; NULL when there is none. */
static const struct sk_gore_node *required(const struct sk_gore_node *n)
{
    const struct sk_gore_node *best = NULL;
    switch (n->op) {
    case SK_GORE_LITERAL:
        return n->fold ? NULL : n;
    case SK_GORE_CAPTURE:
    case SK_GORE_PLUS:
        return required(n->subs[0]);
    case SK_GORE_REPEAT:
        return n->min > 0 ? required(n->subs[0]) : NULL;
    case SK_GORE_CONCAT:
        for (size_t i = 0; i < n->sub_count; i++) {
            const struct sk_gore_node *r = required(n->subs[i]);
            if (r != NULL && (best == NULL || r->rune_count > best->rune_count))
                best = r;
        }
        return best;
    case SK_GORE_EMPTY:
    case SK_GORE_CLASS:
    case SK_GORE_ANY_NOT_NL:
    case SK_GORE_ANY:
    case SK_GORE_BEGIN_LINE:
    case SK_GORE_END_LINE:
    case SK_GORE_BEGIN_TEXT:
    case SK_GORE_END_TEXT:
    case SK_GORE_WORD_BOUNDARY:
    case SK_GORE_NO_WORD_BOUNDARY:
    case SK_GORE_STAR:
    case SK_GORE_QUEST:
    case SK_GORE_ALTERNATE:
        break;
    }
    return NULL;
}

static void regex_release(void *regex)
{
    sk_regex_destroy(regex);
}

enum sk_err sk_arena_regex(struct sk_arena *arena, struct sk_str pattern, unsigned flags,
                           const struct sk_regex **ret, struct sk_error *reterr)
{
    struct sk_regex *regex;
    enum sk_err err = sk_regex_create(pattern, flags, &regex, reterr);
    if (err != SK_OK)
        return err;
    if (!sk_arena_on_deinit(arena, regex_release, regex)) {
        sk_regex_destroy(regex);
        return SK_ENOMEM;
    }
    *ret = regex;
    return SK_OK;
}

enum sk_err sk_text_test_regex(struct sk_arena *arena, struct sk_str pattern, bool is_label,
                               struct sk_text_test *ret, struct sk_error *reterr)
{
    const struct sk_gore_node *tree;
    enum sk_err err = sk_gore_parse(arena, pattern, &tree, reterr);
    if (err != SK_OK)
        return err;
    struct simplifier s = {.arena = arena, .is_label = is_label};
    struct sk_text_test t = {.kind = SK_TEXT_REGEX};
    if (simplify(&s, tree, &t)) {
        *ret = t;
        return SK_OK;
    }
    t = (struct sk_text_test){.kind = SK_TEXT_REGEX};
    const struct sk_gore_node *need = required(tree);
    if (need != NULL)
        t.text = literal_text(&s, need, false);
    if (s.failed)
        return SK_ENOMEM;
    err = sk_arena_regex(arena, pattern, is_label ? SK_REGEX_ANCHORED : 0, &t.regex, reterr);
    if (err == SK_OK)
        *ret = t;
    return err;
}
