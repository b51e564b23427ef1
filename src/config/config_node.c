/* SPDX-License-Identifier: Apache-2.0 */
/* config_node.c -- one YAML document as a tree in an arena.
 *
 * libyaml's document interface resolves anchors; the copy here bounds depth and size (an alias
 * counts as all that it stands for), unfolds "<<" and keeps line numbers. Error lines are
 * counted as go-yaml counts them, so that texts are those of Loki. */
#include "config/config_int.h"

#include <yaml.h>

#include "base/assert.h"

struct copy {
    struct sk_arena *arena;
    yaml_document_t *doc;
    struct sk_error *reterr;
    unsigned nodes;
};

struct sk_config_node *sk_node_create(struct sk_arena *arena, enum sk_node_kind kind)
{
    struct sk_config_node *node = sk_arena_calloc(arena, 1, sizeof(*node));
    if (node != NULL)
        node->kind = kind;
    return node;
}

struct sk_config_node *sk_node_scalar(struct sk_arena *arena, struct sk_str text, bool quoted)
{
    struct sk_config_node *node = sk_node_create(arena, SK_NODE_SCALAR);
    if (node == NULL)
        return NULL;
    node->quoted = quoted;
    node->text = sk_arena_str(arena, text);
    return node->text.ptr == NULL ? NULL : node;
}

void sk_node_add(struct sk_config_node *parent, struct sk_config_node *child)
{
    sk_assert(parent->kind != SK_NODE_SCALAR);
    sk_assert(child->next == NULL);
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
}

struct sk_config_node *sk_node_child(const struct sk_config_node *node, struct sk_str name)
{
    if (node == NULL || node->kind != SK_NODE_MAP)
        return NULL;
    for (struct sk_config_node *child = node->first; child != NULL; child = child->next)
        if (sk_str_eq(child->name, name))
            return child;
    return NULL;
}

struct sk_config_node *sk_node_at(const struct sk_config_node *node, const char *path)
{
    struct sk_config_node *child = NULL;
    while (*path != '\0') {
        size_t n = strcspn(path, ".");
        child = sk_node_child(node, (struct sk_str){path, n});
        if (child == NULL)
            return NULL;
        node = child;
        path += n;
        path += *path == '.';
    }
    return child;
}

/* Takes `child` out of `parent`. */
static void unlink_child(struct sk_config_node *parent, struct sk_config_node *child)
{
    struct sk_config_node *before = NULL;
    for (struct sk_config_node *at = parent->first; at != child; at = at->next)
        before = at;
    if (before == NULL)
        parent->first = child->next;
    else
        before->next = child->next;
    if (parent->last == child)
        parent->last = before;
    child->next = NULL;
}

enum sk_err sk_node_put(struct sk_arena *arena, struct sk_config_node *root, size_t key,
                        struct sk_config_node *value)
{
    struct sk_strbuf path;
    sk_strbuf_init(&path, 4096);
    sk_key_path(&path, key);
    enum sk_err err = path.failed ? SK_ENOMEM : SK_OK;
    struct sk_config_node *at = root;
    for (size_t i = 0; err == SK_OK && i < path.len;) {
        size_t n = strcspn(path.ptr + i, ".");
        bool last = i + n == path.len;
        struct sk_str name = {path.ptr + i, n};
        struct sk_config_node *child = sk_node_child(at, name);
        if (child != NULL && (last || child->kind != SK_NODE_MAP)) {
            unlink_child(at, child);
            child = NULL;
        }
        if (child == NULL) {
            child = last ? value : sk_node_create(arena, SK_NODE_MAP);
            if (child == NULL || (child->name = sk_arena_str(arena, name)).ptr == NULL) {
                err = SK_ENOMEM;
                break;
            }
            sk_node_add(at, child);
        }
        at = child;
        i += n + 1;
    }
    sk_strbuf_deinit(&path);
    return err;
}

enum sk_err sk_node_put_text(struct sk_arena *arena, struct sk_config_node *root, const char *path,
                             const char *text)
{
    size_t key = sk_key_at(0, path);
    sk_assert(key != SK_KEY_NONE);
    bool quoted = sk_config_keys[key].type == SK_KEY_STRING;
    struct sk_config_node *node = sk_node_scalar(arena, sk_str_from(text), quoted);
    return node == NULL ? SK_ENOMEM : sk_node_put(arena, root, key, node);
}

void sk_node_merge(struct sk_config_node *into, struct sk_config_node *from)
{
    struct sk_config_node *next;
    for (struct sk_config_node *child = from->first; child != NULL; child = next) {
        next = child->next;
        child->next = NULL;
        struct sk_config_node *have = sk_node_child(into, child->name);
        if (have != NULL && have->kind == SK_NODE_MAP && child->kind == SK_NODE_MAP) {
            sk_node_merge(have, child); /* depth: SK_CONFIG_DEPTH_MAX by the parser */
            continue;
        }
        if (have != NULL)
            unlink_child(into, have);
        sk_node_add(into, child);
    }
    from->first = from->last = NULL;
}

static enum sk_err copy_node(struct copy *c, int index, unsigned depth,
                             struct sk_config_node **ret_node);

static bool is_merge(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           key->data.scalar.length == 2 && memcmp(key->data.scalar.value, "<<", 2) == 0;
}

/* The children of the map(s) behind "<<" that `map` does not have. */
static enum sk_err merge_in(struct copy *c, struct sk_config_node *map, struct sk_config_node *from)
{
    if (from->kind == SK_NODE_SCALAR)
        return sk_error_set(c->reterr, SK_EPARSE,
                            "yaml: map merge requires map or sequence of maps as the value");
    struct sk_config_node *next;
    for (struct sk_config_node *child = from->first; child != NULL; child = next) {
        next = child->next;
        child->next = NULL;
        if (from->kind == SK_NODE_SEQ) {
            if (child->kind != SK_NODE_MAP)
                return sk_error_set(
                    c->reterr, SK_EPARSE,
                    "yaml: map merge requires map or sequence of maps as the value");
            enum sk_err err = merge_in(c, map, child); /* once: `child` is a map */
            if (err != SK_OK)
                return err;
        } else if (sk_node_child(map, child->name) == NULL) {
            child->merged = true;
            sk_node_add(map, child);
        }
    }
    return SK_OK;
}

static enum sk_err copy_pair(struct copy *c, const yaml_node_pair_t *pair, unsigned depth,
                             struct sk_config_node *map)
{
    const yaml_node_t *key = yaml_document_get_node(c->doc, pair->key);
    struct sk_config_node *child;
    if (key == NULL || key->type != YAML_SCALAR_NODE)
        return sk_error_set(c->reterr, SK_EPARSE, "yaml: line %zu: a key must be a plain text",
                            key == NULL ? 0 : key->start_mark.line + 1);
    if (is_merge(key))
        return SK_OK; /* done when the map's own keys are known */
    enum sk_err err = copy_node(c, pair->value, depth, &child);
    if (err != SK_OK)
        return err;
    struct sk_str name = {(const char *)key->data.scalar.value, key->data.scalar.length};
    child->name = sk_arena_str(c->arena, name);
    child->name_line = (unsigned)key->start_mark.line + 1;
    if (child->name.ptr == NULL)
        return SK_ENOMEM;
    sk_node_add(map, child);
    return SK_OK;
}

static enum sk_err copy_map(struct copy *c, const yaml_node_t *from, unsigned depth,
                            struct sk_config_node *map)
{
    const yaml_node_pair_t *start = from->data.mapping.pairs.start;
    const yaml_node_pair_t *top = from->data.mapping.pairs.top;
    for (const yaml_node_pair_t *pair = start; pair < top; pair++) {
        enum sk_err err = copy_pair(c, pair, depth, map);
        if (err != SK_OK)
            return err;
    }
    for (const yaml_node_pair_t *pair = start; pair < top; pair++) {
        struct sk_config_node *value;
        if (!is_merge(yaml_document_get_node(c->doc, pair->key)))
            continue;
        enum sk_err err = copy_node(c, pair->value, depth, &value);
        if (err == SK_OK)
            err = merge_in(c, map, value);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}

/* Recursion is bounded by SK_CONFIG_DEPTH_MAX. */
static enum sk_err copy_node(struct copy *c, int index, unsigned depth,
                             struct sk_config_node **ret_node)
{
    const yaml_node_t *from = yaml_document_get_node(c->doc, index);
    if (from == NULL)
        return sk_error_set(c->reterr, SK_EPARSE, "yaml: damaged document");
    if (depth >= SK_CONFIG_DEPTH_MAX || ++c->nodes > SK_CONFIG_NODES_MAX)
        return sk_error_set(c->reterr, SK_EPARSE, "yaml: line %zu: document is too %s",
                            from->start_mark.line + 1,
                            depth >= SK_CONFIG_DEPTH_MAX ? "deep" : "large");
    enum sk_node_kind kind = from->type == YAML_MAPPING_NODE    ? SK_NODE_MAP
                             : from->type == YAML_SEQUENCE_NODE ? SK_NODE_SEQ
                                                                : SK_NODE_SCALAR;
    struct sk_config_node *node = sk_node_create(c->arena, kind);
    if (node == NULL)
        return SK_ENOMEM;
    node->line = (unsigned)from->start_mark.line + 1;
    enum sk_err err = SK_OK;
    if (kind == SK_NODE_SCALAR) {
        struct sk_str text = {(const char *)from->data.scalar.value, from->data.scalar.length};
        node->text = sk_arena_str(c->arena, text);
        node->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        err = node->text.ptr == NULL ? SK_ENOMEM : SK_OK;
    } else if (kind == SK_NODE_MAP) {
        err = copy_map(c, from, depth + 1, node);
    } else {
        for (const yaml_node_item_t *item = from->data.sequence.items.start;
             err == SK_OK && item < from->data.sequence.items.top; item++) {
            struct sk_config_node *child;
            err = copy_node(c, *item, depth + 1, &child);
            if (err == SK_OK)
                sk_node_add(node, child);
        }
    }
    if (err == SK_OK)
        *ret_node = node;
    return err;
}

/* go-yaml counts parser errors from line 0 and names no line when that is 0. */
static enum sk_err parser_error(const yaml_parser_t *parser, struct sk_error *reterr)
{
    size_t line = 0;
    if (parser->error == YAML_MEMORY_ERROR)
        return SK_ENOMEM;
    if (parser->problem_mark.line != 0)
        line = parser->problem_mark.line + (parser->error == YAML_SCANNER_ERROR);
    else if (parser->context_mark.line != 0)
        line = parser->context_mark.line;
    const char *why =
        parser->problem != NULL ? parser->problem : "unknown problem parsing YAML content";
    if (line != 0)
        return sk_error_set_at(reterr, SK_EPARSE, (int64_t)line, "yaml: line %zu: %s", line, why);
    return sk_error_set(reterr, SK_EPARSE, "yaml: %s", why);
}

enum sk_err sk_node_parse(struct sk_arena *arena, struct sk_str text,
                          struct sk_config_node **ret_root, struct sk_error *reterr)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    enum sk_err err;
    if (!yaml_parser_initialize(&parser))
        return SK_ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len == 0 ? "" : text.ptr),
                                 text.len);
    if (!yaml_parser_load(&parser, &doc)) {
        err = parser_error(&parser, reterr);
        yaml_parser_delete(&parser);
        return err;
    }
    struct sk_config_node *root = NULL;
    struct copy c = {.arena = arena, .doc = &doc, .reterr = reterr};
    if (yaml_document_get_root_node(&doc) == NULL) {
        root = sk_node_create(arena, SK_NODE_MAP);
        err = root == NULL ? SK_ENOMEM : SK_OK;
    } else {
        err = copy_node(&c, 1, 0, &root);
    }
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    if (err == SK_OK)
        *ret_root = root;
    return err;
}
