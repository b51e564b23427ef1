/* SPDX-License-Identifier: Apache-2.0 */
/* gore.h -- regular expressions as Go's regexp/syntax reads them (Perl flags): the syntax
 * check with Go's error texts, the group names, and the simplified tree.
 *
 * Matching is done elsewhere. This tree exists because Loki decides by its shape which line
 * and label filters become substring tests (spec logql-pipeline 4.1), and because clients see
 * Go's error texts. The tree therefore has Go's shape: adjacent literals are one node, common
 * literal prefixes of adjacent alternatives are factored out, single-character alternatives are
 * one class, `x{0,}` `x{1,}` `x{0,1}` `x{1}` `x{0}` are star, plus, quest, x and empty. Other
 * counted repetitions stay SK_GORE_REPEAT where Go would write them out.
 *
 * All nodes and texts live in the caller's arena and are immutable after parsing.
 * Threads: any. */
#ifndef SK_LABELS_GORE_H
#define SK_LABELS_GORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

#define SK_GORE_DEPTH_MAX         1000    /* Go's: `expression nests too deeply` beyond */
#define SK_GORE_REPEAT_MAX        1000    /* Go's: `invalid repeat count` beyond */
#define SK_GORE_PATTERN_BYTES_MAX 1048576 /* longer: `expression too large` */
#define SK_GORE_RUNE_MAX          0x10ffffu

/* In Go's order: "more complex" class nodes come later, which decides merges. */
enum sk_gore_op {
    SK_GORE_EMPTY,            /* matches the empty string */
    SK_GORE_LITERAL,          /* runes[0..rune_count) */
    SK_GORE_CLASS,            /* runes: pairs lo, hi; sorted, disjoint */
    SK_GORE_ANY_NOT_NL,       /* . */
    SK_GORE_ANY,              /* (?s:.) */
    SK_GORE_BEGIN_LINE,       /* (?m:^) */
    SK_GORE_END_LINE,         /* (?m:$) */
    SK_GORE_BEGIN_TEXT,       /* ^ \A */
    SK_GORE_END_TEXT,         /* $ \z */
    SK_GORE_WORD_BOUNDARY,    /* \b */
    SK_GORE_NO_WORD_BOUNDARY, /* \B */
    SK_GORE_CAPTURE,          /* subs[0]; cap, name */
    SK_GORE_STAR,             /* subs[0] */
    SK_GORE_PLUS,             /* subs[0] */
    SK_GORE_QUEST,            /* subs[0] */
    SK_GORE_REPEAT,           /* subs[0] min..max times; max -1: no end */
    SK_GORE_CONCAT,           /* subs, at least two */
    SK_GORE_ALTERNATE,        /* subs, at least two */
};

struct sk_gore_node {
    enum sk_gore_op op;
    bool fold;          /* LITERAL: case-insensitive; its runes are then lower-cased */
    bool non_greedy;    /* STAR PLUS QUEST REPEAT */
    bool opaque;        /* CLASS: holds a Unicode property whose runes are not listed */
    int min, max;       /* REPEAT */
    unsigned cap;       /* CAPTURE: 1 for the first group */
    unsigned height;    /* 1 for a leaf */
    uint64_t size;      /* program size as Go estimates it */
    struct sk_str name; /* CAPTURE: empty when unnamed */
    uint32_t *runes;
    size_t rune_count, rune_cap;
    struct sk_gore_node **subs;
    size_t sub_count;
};

struct sk_gore_info {
    size_t group_count; /* capturing groups, named or not */
    size_t named_count;
    struct sk_str *names; /* one for each group, empty when unnamed; in the arena */
};

/* Whether Go accepts `pattern`. SK_EPARSE with Go's text in reterr (error parsing regexp: missing
 * closing ]: `[`), SK_ENOMEM when the arena's cap is reached. `ret_info` may be NULL. */
SK_MUST_CHECK enum sk_err sk_gore_check(struct sk_arena *arena, struct sk_str pattern,
                                        struct sk_gore_info *ret_info, struct sk_error *reterr);

/* The simplified tree. Errors as above. */
SK_MUST_CHECK enum sk_err sk_gore_parse(struct sk_arena *arena, struct sk_str pattern,
                                        const struct sk_gore_node **ret, struct sk_error *reterr);

/* Whether the expression, tried on the empty text, matches it. */
bool sk_gore_matches_empty(const struct sk_gore_node *node);

/* Simple lower case of the smallest member of the rune's fold orbit: two runes are equal under
 * (?i) when their values here are. */
uint32_t sk_gore_fold(uint32_t rune);

#endif
