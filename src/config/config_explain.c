/* SPDX-License-Identifier: Apache-2.0 */
/* config_explain.c -- -config.explain: every setting that acts, and every other one that was given,
 * with its value and where it comes from.
 *
 *   server.http_listen_port: 3101    # flag -server.http-listen-port
 *   limits_config.retention_period: 30d    # /etc/skald.yaml:12
 *
 * Values are as sk_config_print shows them, secrets masked; the text is for people and for grep,
 * and does not load. Threads: one. */
#include "config/config_int.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/gotext.h"

#define DEFAULTS_ARENA_BYTES (1u << 20)
#define PATH_BYTES_MAX       4096u

struct explainer {
    const struct sk_config *config;
    struct sk_strbuf *out;
    struct sk_strbuf path;
    struct sk_arena arena; /* of default values, reset per key */
};

/* Line `number` of the file before variables were expanded. */
static bool has_variable(const struct sk_config *config, unsigned number)
{
    struct sk_str text = sk_str_from(config->unexpanded);
    for (unsigned n = 1; text.len > 0; n++) {
        size_t end = sk_str_find(text, SK_STR("\n"), 0);
        struct sk_str line = {text.ptr, end == SIZE_MAX ? text.len : end};
        if (n == number)
            return sk_str_find(line, SK_STR("${"), 0) != SIZE_MAX;
        size_t used = end == SIZE_MAX ? text.len : end + 1;
        text = (struct sk_str){text.ptr + used, text.len - used};
    }
    return false;
}

static void put_origin(struct explainer *e, size_t key, const struct sk_config_node *node)
{
    const struct sk_config *c = e->config;
    sk_strbuf_puts(e->out, "    # ");
    if (node == NULL)
        sk_strbuf_puts(e->out, "default");
    else if (node->from_flag)
        sk_strbuf_printf(e->out, "flag -%s", sk_key_flag(key));
    else if (node->line == 0)
        sk_strbuf_puts(e->out, "chosen by skald");
    else if (c->config_file == NULL)
        sk_strbuf_puts(e->out, "built in, for there is no file");
    else
        sk_strbuf_printf(e->out, "%s:%u%s", c->config_file, node->line,
                         has_variable(c, node->line) ? ", with environment variables" : "");
}

/* Whether the node, or one below it, came from a file or a flag. */
static bool is_given(const struct sk_config_node *node)
{
    return node != NULL && (node->line > 0 || node->from_flag);
}

static void leaf(struct explainer *e, size_t key, const struct sk_config_node *node)
{
    struct sk_strbuf path, value;
    sk_strbuf_init(&path, PATH_BYTES_MAX);
    sk_strbuf_init(&value, SK_CONFIG_FILE_BYTES_MAX * 8);
    sk_key_path(&path, key);
    bool acts = !path.failed && sk_config_acts(path.ptr);
    const struct sk_config_node *shown = node != NULL ? node : sk_key_default_node(&e->arena, key);
    if (shown == NULL || path.failed || e->path.failed) {
        e->out->failed = true;
    } else if (acts || is_given(node)) {
        sk_print_leaf(&value, key, shown, 2);
        struct sk_str all = sk_strbuf_view(&value);
        size_t end = sk_str_find(all, SK_STR("\n"), 0);
        end = end == SIZE_MAX ? all.len : end;
        sk_strbuf_printf(e->out, "%s:%.*s", e->path.ptr, (int)end, all.ptr == NULL ? "" : all.ptr);
        put_origin(e, key, node);
        sk_strbuf_puts(e->out, acts ? "" : ", has no effect");
        if (end < all.len)
            sk_strbuf_str(e->out, (struct sk_str){all.ptr + end, all.len - end});
        else
            sk_strbuf_putc(e->out, '\n');
        e->out->failed |= value.failed;
    }
    sk_arena_reset(&e->arena);
    sk_strbuf_deinit(&value);
    sk_strbuf_deinit(&path);
}

static void explain(struct explainer *e, size_t key, const struct sk_config_node *node);

/* One key below the present path, which is as before afterwards. Recursion: depth of the keys. */
static void below(struct explainer *e, size_t key, const struct sk_config_node *node,
                  const char *fmt, ...) SK_PRINTF(4, 5);
static void below(struct explainer *e, size_t key, const struct sk_config_node *node,
                  const char *fmt, ...)
{
    char name[512];
    size_t before = e->path.len;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(name, sizeof(name), fmt, args); /* cut when longer */
    va_end(args);
    sk_strbuf_puts(&e->path, name);
    explain(e, key, node);
    if (e->path.len > before) {
        e->path.len = before;
        e->path.ptr[before] = '\0';
    }
}

static void children(struct explainer *e, size_t key, const struct sk_config_node *node)
{
    for (size_t at = key + 1; at < sk_config_keys[key].end; at = sk_config_keys[at].end) {
        const char *name = sk_key_name(at);
        below(e, at, sk_node_child(node, sk_str_from(name)), "%s%s", e->path.len > 0 ? "." : "",
              name);
    }
}

static void explain(struct explainer *e, size_t key, const struct sk_config_node *node)
{
    enum sk_key_type type = sk_key_type(key);
    const struct sk_config_node *child = node == NULL ? NULL : node->first;
    size_t i = 0;
    if (type == SK_KEY_BLOCK) {
        children(e, key, node);
    } else if (type == SK_KEY_LIST) {
        for (; child != NULL; child = child->next)
            below(e, key + 1, child, "[%zu]", i++);
    } else if (type == SK_KEY_MAP) {
        for (; child != NULL; child = child->next)
            below(e, key + 1, child, ".%.*s", SK_STR_ARG(child->name));
    } else {
        leaf(e, key, node);
    }
}

static void own(struct explainer *e)
{
    const struct sk_config *c = e->config;
    for (size_t i = 0; i < SK_COUNT_OF(c->own); i++) {
        const struct sk_config_own *o = &c->own[i];
        if (o->flag == NULL)
            continue;
        sk_strbuf_printf(e->out, "%s: %s    # %s%s\n", o->flag, o->text,
                         o->origin == NULL     ? "default"
                         : o->origin[0] == 'S' ? "variable "
                                               : "flag -",
                         o->origin == NULL ? "" : o->origin);
    }
}

void sk_config_explain(const struct sk_config *config, struct sk_strbuf *out)
{
    struct explainer e = {.config = config, .out = out};
    sk_arena_init(&e.arena, DEFAULTS_ARENA_BYTES, NULL);
    sk_strbuf_init(&e.path, PATH_BYTES_MAX);
    own(&e);
    explain(&e, 0, config->root);
    sk_strbuf_deinit(&e.path);
    sk_arena_deinit(&e.arena);
}
