/* SPDX-License-Identifier: Apache-2.0 */
/* gore_int.h -- what the parts of the regular expression reader share. */
#ifndef SK_LABELS_GORE_INT_H
#define SK_LABELS_GORE_INT_H

#include "labels/gore.h"

/* A growing list of rune ranges, pairs lo, hi, in an arena. */
struct sk_gore_ranges {
    struct sk_arena *arena;
    uint32_t *runes; /* 2 * count */
    size_t count, cap;
};

/* One pattern being read. Every function returns false after filling `err` and *reterr. */
struct sk_gore_parser {
    struct sk_arena *arena;
    struct sk_error *reterr;
    enum sk_err err;
    const char *at, *end;
    struct sk_str whole;
    bool fold, dot_nl, multi_line, non_greedy; /* (?ismU) */
    struct sk_gore_node **stack;               /* with markers for ( and | between */
    size_t stack_count, stack_cap;
    unsigned factor_depth; /* of the alternation being factored */
    struct sk_gore_info info;
    size_t names_cap;
};

/* Markers on the stack; above every sk_gore_op. */
#define SK_GORE_MARK_PAREN ((enum sk_gore_op)100)
#define SK_GORE_MARK_BAR   ((enum sk_gore_op)101)

/* Fails with `error parsing regexp: what: `part``. */
bool sk_gore_fail(struct sk_gore_parser *p, const char *what, struct sk_str part);
bool sk_gore_nomem(struct sk_gore_parser *p);

/* Reads the rune at p->at; false and an error when it is malformed. */
bool sk_gore_next_rune(struct sk_gore_parser *p, uint32_t *ret);
bool sk_gore_escape(struct sk_gore_parser *p, uint32_t *ret);

struct sk_gore_node *sk_gore_node(struct sk_gore_parser *p, enum sk_gore_op op, size_t sub_count);
/* Sets height and size from the children and checks both limits. */
bool sk_gore_finish(struct sk_gore_parser *p, struct sk_gore_node *node);
bool sk_gore_push(struct sk_gore_parser *p, struct sk_gore_node *node);
bool sk_gore_literal(struct sk_gore_parser *p, uint32_t rune);

/* classes (gore_class.c) */
bool sk_gore_ranges_add(struct sk_gore_ranges *r, uint32_t lo, uint32_t hi);
bool sk_gore_fold_add(struct sk_gore_ranges *r, uint32_t lo, uint32_t hi);
/* How many runes fold to `folded`, itself included. */
size_t sk_gore_fold_members(uint32_t folded);
bool sk_gore_class(struct sk_gore_parser *p); /* p->at is behind the [ */
/* \d \pL \p{Greek} ... at p->at: pushes a class. *ret_is false: something else stands there. */
bool sk_gore_class_escape(struct sk_gore_parser *p, bool *ret_is);
bool sk_gore_is_char(const struct sk_gore_node *n);
bool sk_gore_class_merge(struct sk_gore_parser *p, struct sk_gore_node *dst,
                         const struct sk_gore_node *src);
void sk_gore_class_clean(struct sk_gore_node *n); /* all runes: ANY; all but \n: ANY_NOT_NL */
bool sk_gore_property_known(struct sk_str name);

/* alternation (gore_factor.c): makes one node of subs[0..count), which it may reorder and change */
struct sk_gore_node *sk_gore_collapse(struct sk_gore_parser *p, struct sk_gore_node **subs,
                                      size_t count, enum sk_gore_op op);

#endif
