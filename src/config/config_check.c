/* SPDX-License-Identifier: Apache-2.0 */
/* config_check.c -- a document against the keys: unknown and doubled names, wrong kinds, bad
 * values.
 *
 * As in Loki, wrong names and kinds are collected, while the first bad content of a type with a
 * reader of its own (sizes, Prometheus durations ...) stands alone. Threads: one per tree. */
#include "config/config_int.h"

#include <stdarg.h>
#include <stdio.h>

#define FAULTS_SHOWN_MAX 8u
#define FAULT_BYTES_MAX  768u

void sk_faults_init(struct sk_config_faults *faults)
{
    *faults = (struct sk_config_faults){.custom = {.code = SK_OK}};
    sk_strbuf_init(&faults->lines, FAULT_BYTES_MAX);
    sk_strbuf_init(&faults->hint, FAULT_BYTES_MAX);
}

void sk_faults_deinit(struct sk_config_faults *faults)
{
    sk_strbuf_deinit(&faults->lines);
    sk_strbuf_deinit(&faults->hint);
}

enum sk_err sk_faults_report(const struct sk_config_faults *faults, const char *what,
                             const char *file, struct sk_error *reterr)
{
    bool config = strcmp(what, "config") == 0; /* only this file is expanded */
    const char *env = config ? ". Use `-config.expand-env=true` flag if you want to expand "
                               "environment variables in your config file"
                             : "";
    const char *nl = faults->hint.len > 0 ? "\n" : "";
    struct sk_str hint = sk_strbuf_view(&faults->hint);
    if (faults->custom.code != SK_OK)
        return sk_error_set(reterr, SK_EPARSE, "failed parsing %s: %s: %s%s%s%.*s", what, file,
                            faults->custom.text, env, nl, SK_STR_ARG(hint));
    if (faults->count == 0)
        return SK_OK;
    return sk_error_set(reterr, SK_EPARSE,
                        "failed parsing %s: %s: yaml: unmarshal errors:%.*s%s%s%.*s", what, file,
                        SK_STR_ARG(sk_strbuf_view(&faults->lines)), env, nl, SK_STR_ARG(hint));
}

void sk_faults_add(struct sk_config_faults *faults, unsigned line, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (++faults->count > FAULTS_SHOWN_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut when longer */
    va_end(args);
    sk_strbuf_printf(&faults->lines, "\n  line %u: %s", line, text);
}

/* Only the first fault gets a hint. */
static bool wants_hint(const struct sk_config_faults *faults)
{
    return faults->hint.len == 0;
}

static void hint_type(struct sk_config_faults *faults, size_t key)
{
    if (!wants_hint(faults))
        return;
    sk_strbuf_puts(&faults->hint, key == 0 ? "hint: the file" : "hint: ");
    sk_key_path(&faults->hint, key);
    sk_strbuf_printf(&faults->hint, " takes %s", sk_key_wants(key));
}

static void hint_name(struct sk_config_faults *faults, size_t key, struct sk_str name)
{
    const char *similar = sk_key_similar(key, name);
    if (!wants_hint(faults))
        return;
    size_t elsewhere = SK_KEY_NONE;
    for (size_t i = 1; similar == NULL && elsewhere == SK_KEY_NONE && i < sk_config_key_count; i++)
        if (sk_str_is(name, sk_key_name(i)) && name.len > 4)
            elsewhere = i;
    if (similar == NULL && elsewhere == SK_KEY_NONE)
        return;
    sk_strbuf_puts(&faults->hint, "hint: did you mean ");
    if (similar != NULL)
        sk_strbuf_puts(&faults->hint, similar);
    else
        sk_key_path(&faults->hint, elsewhere);
    sk_strbuf_putc(&faults->hint, '?');
}

static void wrong_node(struct sk_config_faults *faults, size_t key,
                       const struct sk_config_node *node, const char *into)
{
    struct sk_value v;
    static const char *const tags[] = {
        [SK_SCALAR_NULL] = "!!null",   [SK_SCALAR_BOOL] = "!!bool", [SK_SCALAR_INT] = "!!int",
        [SK_SCALAR_FLOAT] = "!!float", [SK_SCALAR_STR] = "!!str",
    };
    hint_type(faults, key);
    if (node->kind != SK_NODE_SCALAR) {
        sk_faults_add(faults, node->line, "cannot unmarshal %s into %s",
                      node->kind == SK_NODE_MAP ? "!!map" : "!!seq", into);
        return;
    }
    enum sk_scalar_kind kind = sk_scalar_resolve(node, &v);
    bool cut = node->text.len > 10;
    sk_faults_add(faults, node->line, "cannot unmarshal %s `%.*s%s` into %s", tags[kind],
                  cut ? 7 : (int)node->text.len, node->text.ptr, cut ? "..." : "", into);
}

bool sk_node_is_null(const struct sk_config_node *node)
{
    struct sk_value v;
    return node->kind == SK_NODE_SCALAR && sk_scalar_resolve(node, &v) == SK_SCALAR_NULL;
}

static void check_scalar(size_t key, enum sk_key_type type, const struct sk_config_node *node,
                         struct sk_config_faults *faults)
{
    struct sk_value v;
    struct sk_error why;
    if (node->kind != SK_NODE_SCALAR) {
        wrong_node(faults, key, node, sk_key_go_type(key));
        return;
    }
    enum sk_err err = sk_value_parse(type, node, &v, &why);
    if (err == SK_EINVAL) {
        hint_type(faults, key);
        sk_faults_add(faults, node->line, "%s", why.text);
    } else if (err != SK_OK && faults->custom.code == SK_OK) {
        sk_strbuf_reset(&faults->hint);
        hint_type(faults, key);
        sk_strbuf_printf(&faults->hint, " (line %u)", node->line);
        (void)sk_error_set(&faults->custom, SK_EPARSE, "%s", why.text);
    }
}

/* Lists and maps whose elements are texts, or lists of texts. */
static void check_texts(size_t key, const struct sk_config_node *node,
                        struct sk_config_faults *faults)
{
    enum sk_key_type type = sk_config_keys[key].type;
    bool list = type == SK_KEY_STRINGS || type == SK_KEY_SECRETS;
    if (node->kind != (list ? SK_NODE_SEQ : SK_NODE_MAP)) {
        wrong_node(faults, key, node, sk_key_go_type(key));
        return;
    }
    for (const struct sk_config_node *child = node->first; child != NULL; child = child->next) {
        if (type != SK_KEY_SECRETMAP) {
            if (child->kind != SK_NODE_SCALAR)
                wrong_node(faults, key, child, "string");
            continue;
        }
        if (child->kind != SK_NODE_SEQ) {
            wrong_node(faults, key, child, "[]string");
            continue;
        }
        for (const struct sk_config_node *s = child->first; s != NULL; s = s->next)
            if (s->kind != SK_NODE_SCALAR)
                wrong_node(faults, key, s, "string");
    }
}

/* Only the names of a map's or block's children. */
static void check_names(size_t key, struct sk_config_node *node, const char *go_type,
                        struct sk_config_faults *faults)
{
    bool map = sk_config_keys[key].type == SK_KEY_MAP;
    for (struct sk_config_node *child = node->first; child != NULL; child = child->next) {
        const struct sk_config_node *before = sk_node_child(node, child->name);
        if (!map && sk_key_child(key, child->name) == SK_KEY_NONE) {
            hint_name(faults, key, child->name);
            sk_faults_add(faults, child->name_line, "field %.*s not found in type %s",
                          SK_STR_ARG(child->name), go_type);
        } else if (before != child && map) {
            sk_faults_add(faults, child->name_line, "key \"%.*s\" already set in map",
                          SK_STR_ARG(child->name));
        } else if (before != child) {
            sk_faults_add(faults, child->name_line, "field %.*s already set in type %s",
                          SK_STR_ARG(child->name), go_type);
        }
    }
}

static void drop_nulls(struct sk_config_node *node)
{
    struct sk_config_node **link = &node->first;
    node->last = NULL;
    while (*link != NULL) {
        if (sk_node_is_null(*link)) {
            *link = (*link)->next;
            continue;
        }
        node->last = *link;
        link = &(*link)->next;
    }
}

static void check_list(size_t key, struct sk_config_node *node, struct sk_config_faults *faults)
{
    if (node->kind != SK_NODE_SEQ) {
        wrong_node(faults, key, node, sk_key_go_type(key));
        return;
    }
    drop_nulls(node);
    for (struct sk_config_node *child = node->first; child != NULL; child = child->next)
        sk_config_check(key + 1, child, NULL, faults);
}

/* Recursion: as deep as the keys. */
void sk_config_check(size_t key, struct sk_config_node *node, const char *go_type,
                     struct sk_config_faults *faults)
{
    enum sk_key_type type = sk_config_keys[key].type;
    if (go_type == NULL && type <= SK_KEY_MAP)
        go_type = sk_key_go_type(key);
    if (type == SK_KEY_ANY)
        return;
    if (type >= SK_KEY_STRINGS) {
        check_texts(key, node, faults);
        return;
    }
    if (type > SK_KEY_MAP) {
        check_scalar(key, type, node, faults);
        return;
    }
    if (type == SK_KEY_LIST) {
        check_list(key, node, faults);
        return;
    }
    if (node->kind != SK_NODE_MAP) {
        wrong_node(faults, key, node, go_type);
        return;
    }
    check_names(key, node, go_type, faults);
    drop_nulls(node);
    for (struct sk_config_node *child = node->first; child != NULL; child = child->next) {
        size_t child_key = type == SK_KEY_MAP ? key + 1 : sk_key_child(key, child->name);
        if (child_key != SK_KEY_NONE)
            sk_config_check(child_key, child, NULL, faults);
    }
}
