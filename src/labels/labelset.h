/* SPDX-License-Identifier: Apache-2.0 */
/* labelset.h -- sets of labels: a stream's, an entry's, a result's.
 *
 * A label set is an array of (name, value) pairs in ascending byte order of the names, each
 * name once. Texts are borrowed; whoever makes a set says where they live.
 *
 * The fingerprint is Loki's (docs/FORMATS/tsdb-index.md): XXH64, seed 0, over
 * `name 0xFF value 0xFF` of every label in order, `__name__` left out.
 *
 * Threads: sets are immutable once made, so any. */
#ifndef SK_LABELS_LABELSET_H
#define SK_LABELS_LABELSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct sk_arena;

struct sk_label {
    struct sk_str name;
    struct sk_str value;
};

struct sk_labelset {
    const struct sk_label *items;
    size_t count;
};

/* Sorts by name, keeping the order of equal names. */
void sk_labels_sort(struct sk_label *items, size_t count);

/* Index of `name`, or SIZE_MAX. */
size_t sk_labels_find(struct sk_labelset set, struct sk_str name);
/* Its value; empty (ptr NULL) when absent. */
struct sk_str sk_labels_get(struct sk_labelset set, struct sk_str name);

/* Pairwise by name, then value; a prefix sorts first. */
int sk_labels_cmp(struct sk_labelset a, struct sk_labelset b);
bool sk_labels_eq(struct sk_labelset a, struct sk_labelset b);

uint64_t sk_labels_fingerprint(struct sk_labelset set);

/* {a="b", c="d"} with values quoted as Go does. */
void sk_labels_format(struct sk_strbuf *out, struct sk_labelset set);

/* A copy whose texts and array live in `arena`. */
SK_MUST_CHECK enum sk_err sk_labels_copy(struct sk_arena *arena, struct sk_labelset set,
                                         struct sk_labelset *ret);

/* A copy in one heap block (array first, texts behind); sk_free(ret->items) frees it. */
SK_MUST_CHECK enum sk_err sk_labels_copy_heap(struct sk_labelset set, struct sk_labelset *ret);

/* Parses the text of a push (`{a="b", c='d'}`; see docs/COMPATIBILITY.md) as Prometheus parses a
 * selector that holds `=` only. Empty values are kept, names may repeat; the result is sorted, texts
 * point into `text` or `arena`. SK_EPARSE: reterr has Loki's text, `couldn't parse labels: 1:5: ...`. */
SK_MUST_CHECK enum sk_err sk_labels_parse(struct sk_arena *arena, struct sk_str text,
                                          struct sk_labelset *ret, struct sk_error *reterr);

/* [a-zA-Z_][a-zA-Z0-9_]* */
bool sk_label_name_valid(struct sk_str name);

/* Metadata names as Loki stores them: runs of characters outside [A-Za-z0-9] become one '_', a pair
 * of `__` around the name stays, a leading digit gets `key_`. Appends to `out`; false, with nothing
 * appended, when only underscores are left (no valid name). */
bool sk_label_name_normalize(struct sk_strbuf *out, struct sk_str name);
/* Whether normalizing would change nothing (the usual case, checked without a copy). */
bool sk_label_name_is_normal(struct sk_str name);

#endif
