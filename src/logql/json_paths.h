/* SPDX-License-Identifier: Apache-2.0 */
/* json_paths.h -- where the labels that `| json` makes of a line stand in it: for each member that
 * becomes a label the keys that lead to it. Names are those of the stage before any suffix; a name
 * may come twice, and then the first is the one that the stage has taken.
 *
 * Threads: any; no state. */
#ifndef SK_LOGQL_JSON_PATHS_H
#define SK_LOGQL_JSON_PATHS_H

#include "base/arena.h"
#include "base/err.h"

struct sk_json_path {
    const struct sk_json_path *next;   /* of the line's members, in order */
    const struct sk_json_path *parent; /* the object that holds it; NULL: the line itself */
    struct sk_str name;                /* of a label; empty for an object */
    struct sk_str key;
};

/* The list lives in `arena`, texts there or in `line`. What stands behind a fault is not listed.
 * SK_ENOMEM: the arena's cap is reached. */
SK_MUST_CHECK enum sk_err sk_json_paths(struct sk_arena *arena, struct sk_str line,
                                        const struct sk_json_path **ret);

#endif
