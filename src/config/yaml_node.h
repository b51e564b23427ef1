/* SPDX-License-Identifier: Apache-2.0 */
/* yaml_node.h -- one YAML document as a tree in an arena: the configuration's, and rule files'.
 *
 * Anchors and "<<" are resolved; depth and size are bounded. Threads: a tree belongs to one thread
 * while it is built, and is constant afterwards. */
#ifndef SK_CONFIG_YAML_NODE_H
#define SK_CONFIG_YAML_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* Nodes of a document, aliases counted as what they stand for; beyond, the file is refused. */
#define SK_CONFIG_NODES_MAX 100000u
/* Nesting of a document; Loki's own keys need 12. */
#define SK_CONFIG_DEPTH_MAX 48u
enum sk_node_kind { SK_NODE_SCALAR, SK_NODE_MAP, SK_NODE_SEQ };

struct sk_config_node {
    enum sk_node_kind kind;
    bool quoted;        /* a scalar that is text whatever it looks like */
    bool merged;        /* came in by "<<" */
    bool from_flag;
    unsigned line;      /* of the value, from 1; 0 when not from a file */
    unsigned name_line; /* of the name */
    struct sk_str name; /* in a map */
    struct sk_str text; /* scalar */
    struct sk_config_node *first, *last, *next;
};

/* The first document of a YAML text; an empty one is an empty map. Texts: "yaml: line 3: ...". */
SK_MUST_CHECK enum sk_err sk_node_parse(struct sk_arena *arena, struct sk_str text,
                                        struct sk_config_node **ret_root, struct sk_error *reterr);

/* NULL when out of memory. */
struct sk_config_node *sk_node_create(struct sk_arena *arena, enum sk_node_kind kind);
struct sk_config_node *sk_node_scalar(struct sk_arena *arena, struct sk_str text, bool quoted);
void sk_node_add(struct sk_config_node *parent, struct sk_config_node *child);

/* NULL when absent; `path` in dots. `node` may be NULL. */
struct sk_config_node *sk_node_child(const struct sk_config_node *node, struct sk_str name);
struct sk_config_node *sk_node_at(const struct sk_config_node *node, const char *path);

bool sk_node_is_null(const struct sk_config_node *node);

/* ---- scalars ---- */

enum sk_scalar_kind {
    SK_SCALAR_NULL,
    SK_SCALAR_BOOL,
    SK_SCALAR_INT,
    SK_SCALAR_FLOAT,
    SK_SCALAR_STR,
};

struct sk_value {
    int64_t i;  /* int, duration and time in ns, day */
    uint64_t u; /* bytes */
    double f;
    bool b;
    struct sk_str s;
};

/* What YAML 1.1 makes of a scalar; ret->i, f, b are set accordingly. */
enum sk_scalar_kind sk_scalar_resolve(const struct sk_config_node *node, struct sk_value *ret);

#endif
