/* SPDX-License-Identifier: Apache-2.0 */
/* gore_factor.c -- joins pieces into a concatenation or an alternation. Alternations are factored
 * in Go's four rounds: common literal prefixes of neighbours, common first pieces of neighbours,
 * runs of single characters, runs of empty matches. */
#include "labels/gore_int.h"

#include "base/assert.h"

static const struct sk_gore_node *leading_literal(const struct sk_gore_node *n)
{
    if (n->op == SK_GORE_CONCAT)
        n = n->subs[0];
    return n->op == SK_GORE_LITERAL ? n : NULL;
}

/* `n` without its first `count` runes. */
static struct sk_gore_node *cut_literal(struct sk_gore_parser *p, struct sk_gore_node *n,
                                        size_t count)
{
    struct sk_gore_node *lit = n->op == SK_GORE_CONCAT ? n->subs[0] : n;
    sk_assert(lit->op == SK_GORE_LITERAL && lit->rune_count >= count);
    lit->runes += count;
    lit->rune_count -= count;
    lit->rune_cap -= count;
    if (lit->rune_count == 0) {
        lit->op = SK_GORE_EMPTY;
        lit->fold = false;
        if (n != lit) {
            n->subs++;
            n->sub_count--;
        }
    }
    if (n != lit && n->sub_count == 1)
        n = n->subs[0];
    return sk_gore_finish(p, n) ? n : NULL;
}

static struct sk_gore_node *prefixed(struct sk_gore_parser *p, struct sk_gore_node *prefix,
                                     struct sk_gore_node **subs, size_t count)
{
    if (p->factor_depth >= SK_GORE_DEPTH_MAX) { /* the tree would be as deep */
        (void)sk_gore_fail(p, "expression nests too deeply", p->whole);
        return NULL;
    }
    p->factor_depth++;
    struct sk_gore_node *suffix = sk_gore_collapse(p, subs, count, SK_GORE_ALTERNATE);
    p->factor_depth--;
    struct sk_gore_node *n = suffix == NULL ? NULL : sk_gore_node(p, SK_GORE_CONCAT, 2);
    if (n == NULL)
        return NULL;
    n->subs[0] = prefix;
    n->subs[1] = suffix;
    return sk_gore_finish(p, n) ? n : NULL;
}

static struct sk_gore_node *factor_literal(struct sk_gore_parser *p, struct sk_gore_node **subs,
                                           size_t count, size_t same)
{
    const struct sk_gore_node *first = leading_literal(subs[0]);
    struct sk_gore_node *prefix = sk_gore_node(p, SK_GORE_LITERAL, 0);
    if (prefix == NULL)
        return NULL;
    prefix->fold = first->fold;
    prefix->runes = first->runes; /* the cut below moves the other's start, not the runes */
    prefix->rune_count = prefix->rune_cap = same;
    if (!sk_gore_finish(p, prefix))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        subs[i] = cut_literal(p, subs[i], same);
        if (subs[i] == NULL)
            return NULL;
    }
    return prefixed(p, prefix, subs, count);
}

static size_t common(const struct sk_gore_node *a, size_t len, const struct sk_gore_node *b)
{
    size_t same = 0;
    if (a == NULL || b == NULL || a->fold != b->fold)
        return 0;
    while (same < len && same < b->rune_count && a->runes[same] == b->runes[same])
        same++;
    return same;
}

static bool round_literals(struct sk_gore_parser *p, struct sk_gore_node **subs, size_t *count)
{
    size_t start = 0, out = 0, len = 0;
    for (size_t i = 0; i <= *count; i++) {
        const struct sk_gore_node *lit = i < *count ? leading_literal(subs[i]) : NULL;
        if (i > start && i < *count) {
            size_t same = common(leading_literal(subs[start]), len, lit);
            if (same > 0) {
                len = same;
                continue;
            }
        }
        if (i == start + 1) {
            subs[out++] = subs[start];
        } else if (i > start) {
            struct sk_gore_node *n = factor_literal(p, subs + start, i - start, len);
            if (n == NULL)
                return false;
            subs[out++] = n;
        }
        start = i;
        len = lit == NULL ? 0 : lit->rune_count;
    }
    *count = out;
    return true;
}

/* Only what matches a fixed number of characters may be factored out without changing which
 * alternative wins. */
static bool simple(const struct sk_gore_node *n)
{
    return sk_gore_is_char(n) ||
           (n->op == SK_GORE_REPEAT && n->min == n->max && sk_gore_is_char(n->subs[0]));
}

static bool simple_equal(const struct sk_gore_node *a, const struct sk_gore_node *b)
{
    if (a->op == SK_GORE_REPEAT)
        return b->op == SK_GORE_REPEAT && a->min == b->min && a->max == b->max &&
               a->non_greedy == b->non_greedy && simple_equal(a->subs[0], b->subs[0]);
    return a->op == b->op && a->fold == b->fold && !a->opaque && !b->opaque &&
           a->rune_count == b->rune_count &&
           (a->rune_count == 0 ||
            memcmp(a->runes, b->runes, a->rune_count * sizeof(*a->runes)) == 0);
}

static struct sk_gore_node *leading_piece(struct sk_gore_node *n)
{
    if (n->op == SK_GORE_CONCAT)
        n = n->subs[0];
    return n->op == SK_GORE_EMPTY ? NULL : n;
}

static struct sk_gore_node *cut_piece(struct sk_gore_parser *p, struct sk_gore_node *n)
{
    if (n->op != SK_GORE_CONCAT)
        return sk_gore_node(p, SK_GORE_EMPTY, 0);
    n->subs++;
    n->sub_count--;
    if (n->sub_count == 1)
        n = n->subs[0];
    return sk_gore_finish(p, n) ? n : NULL;
}

static bool round_pieces(struct sk_gore_parser *p, struct sk_gore_node **subs, size_t *count)
{
    size_t start = 0, out = 0;
    struct sk_gore_node *first = NULL;
    for (size_t i = 0; i <= *count; i++) {
        struct sk_gore_node *next = i < *count ? leading_piece(subs[i]) : NULL;
        if (i > start && first != NULL && next != NULL && simple(first) &&
            simple_equal(first, next))
            continue;
        if (i == start + 1) {
            subs[out++] = subs[start];
        } else if (i > start) {
            for (size_t j = start; j < i; j++) {
                subs[j] = cut_piece(p, subs[j]);
                if (subs[j] == NULL)
                    return false;
            }
            struct sk_gore_node *n = prefixed(p, first, subs + start, i - start);
            if (n == NULL)
                return false;
            subs[out++] = n;
        }
        start = i;
        first = next;
    }
    *count = out;
    return true;
}

static bool round_chars(struct sk_gore_parser *p, struct sk_gore_node **subs, size_t *count)
{
    size_t start = 0, out = 0;
    for (size_t i = 0; i <= *count; i++) {
        if (i < *count && sk_gore_is_char(subs[i]))
            continue;
        size_t most = start; /* the richest of the run takes the others in */
        for (size_t j = start + 1; j < i; j++) {
            if (subs[most]->op < subs[j]->op ||
                (subs[most]->op == subs[j]->op && subs[most]->rune_count < subs[j]->rune_count))
                most = j;
        }
        if (i > start) {
            struct sk_gore_node *into = subs[most];
            subs[most] = subs[start];
            for (size_t j = start + 1; j < i; j++) {
                if (!sk_gore_class_merge(p, into, subs[j]))
                    return false;
            }
            if (i > start + 1)
                sk_gore_class_clean(into);
            subs[out++] = into;
        }
        if (i < *count)
            subs[out++] = subs[i];
        start = i + 1;
    }
    *count = out;
    return true;
}

static void round_empty(struct sk_gore_node **subs, size_t *count)
{
    size_t out = 0;
    for (size_t i = 0; i < *count; i++) {
        if (i + 1 < *count && subs[i]->op == SK_GORE_EMPTY && subs[i + 1]->op == SK_GORE_EMPTY)
            continue;
        subs[out++] = subs[i];
    }
    *count = out;
}

/* The pieces with those of equal kind taken apart, in a new array. */
static struct sk_gore_node *flatten(struct sk_gore_parser *p, struct sk_gore_node **subs,
                                    size_t count, enum sk_gore_op op)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        total += subs[i]->op == op ? subs[i]->sub_count : 1;
    struct sk_gore_node *n = sk_gore_node(p, op, total);
    if (n == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (subs[i]->op != op) {
            n->subs[at++] = subs[i];
            continue;
        }
        memcpy(n->subs + at, subs[i]->subs, subs[i]->sub_count * sizeof(struct sk_gore_node *));
        at += subs[i]->sub_count;
    }
    sk_assert(at == total);
    return n;
}

/* Recurses through prefixed(), which bounds the depth. */
struct sk_gore_node *sk_gore_collapse(struct sk_gore_parser *p, struct sk_gore_node **subs,
                                      size_t count, enum sk_gore_op op)
{
    sk_assert(count > 0);
    if (count == 1)
        return subs[0];
    struct sk_gore_node *n = flatten(p, subs, count, op);
    if (n == NULL)
        return NULL;
    if (op == SK_GORE_ALTERNATE) {
        if (!round_literals(p, n->subs, &n->sub_count) ||
            !round_pieces(p, n->subs, &n->sub_count) || !round_chars(p, n->subs, &n->sub_count))
            return NULL;
        round_empty(n->subs, &n->sub_count);
        if (n->sub_count == 1)
            return n->subs[0];
    }
    return sk_gore_finish(p, n) ? n : NULL;
}
