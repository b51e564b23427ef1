/* SPDX-License-Identifier: Apache-2.0 */
/* config_print.c -- the effective configuration as YAML (/config, -print-config-stderr) and
 * -help.
 *
 * All keys in the table's order, with what was given or their default; the text loads again as
 * it is, but for secrets, which are shown as <secret>. Threads: any. */
#include "config/config_int.h"

#include <stdlib.h>

#include "base/assert.h"

#define DEFAULTS_ARENA_BYTES (1u << 20)

struct printer {
    struct sk_strbuf *out;
    struct sk_arena arena; /* of default values, reset per key */
    unsigned indent;
    bool dash; /* the next line begins a list's element */
};

static void line_start(struct printer *p)
{
    for (unsigned i = 0; i + (p->dash ? 2 : 0) < p->indent; i++)
        sk_strbuf_putc(p->out, ' ');
    if (p->dash)
        sk_strbuf_puts(p->out, "- ");
    p->dash = false;
}

static void spaces(struct sk_strbuf *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sk_strbuf_putc(out, ' ');
}

/* A scalar of a key without a type of its own. */
static void any_scalar(struct sk_strbuf *out, const struct sk_config_node *node)
{
    struct sk_value v;
    struct sk_config_node plain = *node;
    plain.quoted = false;
    bool text = node->quoted || sk_scalar_resolve(&plain, &v) == SK_SCALAR_STR;
    if (text)
        sk_yaml_text(out, node->text);
    else
        sk_strbuf_str(out, node->text);
}

/* Maps, lists and scalars as they were given. `masked`: every text is a secret. Recursion: depth of
 * the document. */
static void any_value(struct sk_strbuf *out, const struct sk_config_node *node, unsigned indent,
                      bool masked)
{
    if (node->kind == SK_NODE_SCALAR) {
        sk_strbuf_putc(out, ' ');
        if (masked)
            sk_strbuf_puts(out, node->text.len > 0 ? "<secret>" : "\"\"");
        else
            any_scalar(out, node);
        sk_strbuf_putc(out, '\n');
        return;
    }
    if (node->first == NULL) {
        sk_strbuf_puts(out, node->kind == SK_NODE_MAP ? " {}\n" : " []\n");
        return;
    }
    sk_strbuf_putc(out, '\n');
    for (const struct sk_config_node *child = node->first; child != NULL; child = child->next) {
        spaces(out, indent);
        if (node->kind == SK_NODE_MAP) {
            sk_yaml_text(out, child->name);
            sk_strbuf_putc(out, ':');
        } else {
            sk_strbuf_putc(out, '-');
        }
        any_value(out, child, indent + 2, masked);
    }
}

static void text_list(struct sk_strbuf *out, const struct sk_config_node *node, unsigned indent,
                      bool masked)
{
    if (node->first == NULL) {
        sk_strbuf_puts(out, " []\n");
        return;
    }
    sk_strbuf_putc(out, '\n');
    for (const struct sk_config_node *child = node->first; child != NULL; child = child->next) {
        spaces(out, indent);
        sk_strbuf_puts(out, "- ");
        if (masked)
            sk_strbuf_puts(out, child->text.len > 0 ? "<secret>" : "\"\"");
        else
            sk_yaml_text(out, child->text);
        sk_strbuf_putc(out, '\n');
    }
}

static void text_map(struct sk_strbuf *out, const struct sk_config_node *node, unsigned indent)
{
    if (node->first == NULL) {
        sk_strbuf_puts(out, " {}\n");
        return;
    }
    sk_strbuf_putc(out, '\n');
    for (const struct sk_config_node *child = node->first; child != NULL; child = child->next) {
        spaces(out, indent + 2);
        sk_yaml_text(out, child->name);
        sk_strbuf_puts(out, ": ");
        sk_yaml_text(out, child->text);
        sk_strbuf_putc(out, '\n');
    }
}

void sk_print_leaf(struct sk_strbuf *out, size_t key, const struct sk_config_node *node,
                   unsigned indent)
{
    enum sk_key_type type = sk_config_keys[key].type;
    struct sk_value v;
    sk_assert(!sk_key_is_container(key));
    if (type == SK_KEY_STRINGS || type == SK_KEY_SECRETS) {
        text_list(out, node, indent, type == SK_KEY_SECRETS);
    } else if (type == SK_KEY_STRMAP) {
        text_map(out, node, indent);
    } else if (type == SK_KEY_ANY || type == SK_KEY_SECRETMAP) {
        any_value(out, node, indent + 2, type == SK_KEY_SECRETMAP);
    } else if (sk_value_parse(type, node, &v, NULL) == SK_OK) { /* (1): always */
        sk_strbuf_putc(out, ' ');
        sk_value_format(out, type, &v);
        sk_strbuf_putc(out, '\n');
    }
}

static void print_key(struct printer *p, size_t key, struct sk_str name,
                      const struct sk_config_node *node);

static void print_children(struct printer *p, size_t key, const struct sk_config_node *node)
{
    for (size_t at = key + 1; at < sk_config_keys[key].end; at = sk_config_keys[at].end) {
        struct sk_str name = sk_str_from(sk_key_name(at));
        print_key(p, at, name, sk_node_child(node, name));
    }
}

static void print_list(struct printer *p, size_t key, const struct sk_config_node *node)
{
    sk_strbuf_puts(p->out, node == NULL || node->first == NULL ? " []\n" : "\n");
    p->indent += 2; /* the dash takes the two */
    for (const struct sk_config_node *child = node == NULL ? NULL : node->first; child != NULL;
         child = child->next) {
        p->dash = true;
        print_children(p, key + 1, child);
    }
    p->indent -= 2;
}

static void print_map(struct printer *p, size_t key, const struct sk_config_node *node)
{
    sk_strbuf_puts(p->out, node == NULL || node->first == NULL ? " {}\n" : "\n");
    p->indent += 2;
    for (const struct sk_config_node *child = node == NULL ? NULL : node->first; child != NULL;
         child = child->next)
        print_key(p, key + 1, child->name, child);
    p->indent -= 2;
}

/* Recursion: as deep as the keys. */
static void print_key(struct printer *p, size_t key, struct sk_str name,
                      const struct sk_config_node *node)
{
    enum sk_key_type type = sk_config_keys[key].type;
    line_start(p);
    sk_yaml_text(p->out, name);
    sk_strbuf_putc(p->out, ':');
    if (type == SK_KEY_BLOCK) {
        sk_strbuf_putc(p->out, '\n');
        p->indent += 2;
        print_children(p, key, node);
        p->indent -= 2;
    } else if (type == SK_KEY_LIST) {
        print_list(p, key, node);
    } else if (type == SK_KEY_MAP) {
        print_map(p, key, node);
    } else {
        if (node == NULL)
            node = sk_key_default_node(&p->arena, key);
        if (node == NULL)
            p->out->failed = true;
        else
            sk_print_leaf(p->out, key, node, p->indent);
        sk_arena_reset(&p->arena);
    }
}

void sk_config_print(const struct sk_config *config, struct sk_strbuf *out)
{
    struct printer p = {.out = out};
    sk_arena_init(&p.arena, DEFAULTS_ARENA_BYTES, NULL);
    print_children(&p, 0, config->root);
    sk_arena_deinit(&p.arena);
}

/* ---- help ---- */

static int by_flag(const void *a, const void *b)
{
    return strcmp(sk_key_flag(*(const uint16_t *)a), sk_key_flag(*(const uint16_t *)b));
}

static void help_keys(struct sk_strbuf *out)
{
    static const char *const kinds[] = {
        [SK_KEY_INT] = " int",           [SK_KEY_FLOAT] = " float",   [SK_KEY_BOOL] = "",
        [SK_KEY_DURATION] = " duration", [SK_KEY_PROM] = " duration", [SK_KEY_BYTES] = " size",
        [SK_KEY_BYTES2] = " size",       [SK_KEY_CSV] = " list,",     [SK_KEY_ANY] = " value",
    };
    uint16_t order[8192];
    size_t count = 0;
    sk_assert(sk_config_key_count <= SK_COUNT_OF(order));
    for (size_t key = 1; key < sk_config_key_count; key++)
        if (sk_config_keys[key].flag != 0)
            order[count++] = (uint16_t)key;
    qsort(order, count, sizeof(order[0]), by_flag);
    for (size_t i = 0; i < count; i++) {
        size_t key = order[i];
        const char *kind = kinds[sk_config_keys[key].type];
        sk_strbuf_printf(out, "  -%s%s\n    \t", sk_key_flag(key), kind == NULL ? " string" : kind);
        sk_key_path(out, key);
        if (sk_key_default(key)[0] != '\0')
            sk_strbuf_printf(out, " (default %s)", sk_key_default(key));
        sk_strbuf_putc(out, '\n');
    }
}

void sk_config_help(struct sk_strbuf *out)
{
    sk_strbuf_puts(
        out,
        "Usage of skald:\n"
        "  -config.file list,\n    \tThe first of these files that exists is read (default "
        "config.yaml,config/config.yaml)\n"
        "  -config.expand-env\n    \tExpand ${VARIABLE} in the file\n"
        "  -verify-config\n    \tCheck the configuration and exit\n"
        "  -config.explain\n    \tPrint every setting with where its value comes from, and exit\n"
        "  -print-config-stderr\n    \tPrint the effective configuration to stderr\n"
        "  -log-config-reverse-order\n    \tPrint the effective configuration to the log\n"
        "  -list-targets\n    \tList the targets and exit\n"
        "  -version\n    \tPrint the version and exit\n"
        "  -help\n    \tPrint this and exit\n"
        "\nskald's own settings (or the variable in brackets):\n"
        "  -skald.memory-limit size\n    \tMemory budget; 0 takes it from the cgroup or the RAM "
        "[SKALD_MEMORY_LIMIT]\n"
        "  -skald.wal-sync string\n    \talways, interval:<duration> or os (default always) "
        "[SKALD_WAL_SYNC]\n"
        "  -skald.wal-sync-gap duration\n    \tShortest time between two syncs, 0s to 1s (default "
        "100ms) [SKALD_WAL_SYNC_GAP]\n"
        "  -skald.wal-budget size\n    \tFlush early when the log grows beyond (default 512MB) "
        "[SKALD_WAL_BUDGET]\n"
        "  -skald.workers int\n    \tWorker threads; 0 is one per CPU [SKALD_WORKERS]\n"
        "  -skald.users-file string\n    \tWho may do what (docs/SECURITY.md); without it, "
        "everybody "
        "everything [SKALD_USERS_FILE]\n"
        "\nOne flag per key of the configuration file:\n");
    help_keys(out);
}
