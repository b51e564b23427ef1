/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_labels.h -- which labels of an answer are shown.
 *
 * Made sets live in the caller's arena and borrow their texts from the sets they come from.
 * Threads: as the arena. */
#ifndef SK_CLI_CTL_LABELS_H
#define SK_CLI_CTL_LABELS_H

#include "base/arena.h"
#include "labels/labelset.h"

struct sk_ctl_texts {
    const char **items;
    size_t count, cap;
};

/* The labels that all `count` sets share, name and value. None for no set. */
SK_MUST_CHECK enum sk_err sk_ctl_labels_common(struct sk_arena *arena,
                                               const struct sk_labelset *sets, size_t count,
                                               struct sk_labelset *ret);

/* `set` without the labels that `drop` holds with the same value. */
SK_MUST_CHECK enum sk_err sk_ctl_labels_subtract(struct sk_arena *arena, struct sk_labelset set,
                                                 struct sk_labelset drop, struct sk_labelset *ret);

/* The labels of `set` whose names are (`keep`) or are not among `names`. */
SK_MUST_CHECK enum sk_err sk_ctl_labels_select(struct sk_arena *arena, struct sk_labelset set,
                                               const struct sk_ctl_texts *names, bool keep,
                                               struct sk_labelset *ret);

#endif
