/* SPDX-License-Identifier: Apache-2.0 */
/* config_load.c -- from argv, files and the environment to a struct sk_config.
 *
 * The order: flags are read; the file is found, expanded, parsed and checked; flags are laid
 * over it; warnings are collected; what follows from other keys is written into the tree; fields
 * are read from the tree; the whole is checked as Loki checks it. Threads: one. */
#include "config/config_int.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/gotext.h"

#define WAL_SYNC_GAP_DEFAULT_NS (100 * SK_NS_PER_MS)
#define WAL_BUDGET_DEFAULT      (UINT64_C(512) << 20)

static const char *from_environ(void *ctx SK_UNUSED, const char *name)
{
    return getenv(name);
}

/* What skald runs with when nobody has configured anything: one node, no tenants, files below the
 * current folder. */
static const char built_in[] = "auth_enabled: false\n"
                               "common:\n"
                               "  replication_factor: 1\n"
                               "  ring: {kvstore: {store: inmemory}}\n"
                               "schema_config:\n"
                               "  configs:\n"
                               "    - from: 2024-01-01\n"
                               "      store: tsdb\n"
                               "      object_store: filesystem\n"
                               "      schema: v13\n"
                               "      index: {prefix: index_, period: 24h}\n";

static enum sk_err put_built_in_path(struct sk_config *config, struct sk_config_node *root)
{
    char cwd[PATH_MAX];
    bool at_root = getcwd(cwd, sizeof(cwd)) == NULL || strcmp(cwd, "/") == 0;
    struct sk_str path = sk_arena_printf(&config->arena, "%s/skald-data", at_root ? "" : cwd);
    if (path.ptr == NULL)
        return SK_ENOMEM;
    return sk_node_put_text(&config->arena, root, "common.path_prefix", path.ptr);
}

/* Parses and checks the text of a file; `name` is for errors. */
static enum sk_err parse_checked(struct sk_config *config, struct sk_str text, const char *name,
                                 struct sk_config_node **ret_root, struct sk_error *reterr)
{
    struct sk_config_faults faults;
    struct sk_error why = {.text = ""};
    struct sk_config_node *root;
    sk_faults_init(&faults);
    enum sk_err err = sk_node_parse(&config->arena, text, &root, &why);
    if (err == SK_OK)
        sk_config_check(0, root, NULL, &faults);
    else if (err != SK_ENOMEM)
        (void)sk_error_set(&faults.custom, SK_EPARSE, "%s", why.text);
    if (err != SK_ENOMEM)
        err = sk_faults_report(&faults, "config", name, reterr);
    sk_faults_deinit(&faults);
    if (err == SK_OK)
        *ret_root = root;
    return err;
}

static void set_from_flags(struct sk_config *config, const struct sk_config_flags *flags)
{
    config->wal_sync = "always";
    config->wal_sync_gap_ns = WAL_SYNC_GAP_DEFAULT_NS;
    config->wal_budget = WAL_BUDGET_DEFAULT;
    config->verify_config = flags->verify_config;
    config->print_config_stderr = flags->print_config_stderr;
    config->explain = flags->explain;
    config->log_config_reverse_order = flags->log_config_reverse_order;
    config->version = flags->version;
    config->help = flags->help;
    config->list_targets = flags->list_targets;
}

enum sk_err sk_config_load_text(struct sk_config *config, const struct sk_config_flags *flags,
                                struct sk_str text, const char *file_name, struct sk_error *reterr)
{
    struct sk_config_node *root;
    struct sk_error why = {.text = ""};
    set_from_flags(config, flags);
    if (file_name == NULL)
        text = SK_STR(built_in);
    enum sk_err err =
        parse_checked(config, text, file_name == NULL ? "built in" : file_name, &root, reterr);
    if (err == SK_OK && file_name == NULL)
        err = put_built_in_path(config, root);
    if (err != SK_OK)
        return err;
    sk_node_merge(root, flags->keys);
    config->root = root;
    err = sk_config_warn(config);
    if (err == SK_OK)
        err = sk_config_derive(config, root, reterr);
    if (err != SK_OK)
        return err;
    err = sk_config_fields_load(config, &why);
    if (err == SK_EINVAL || err == SK_EPARSE)
        return sk_error_set(reterr, err, "CONFIG ERROR: %s", why.text);
    if (err != SK_OK)
        return err;
    err = sk_limits_load(&config->arena, sk_node_child(root, SK_STR("limits_config")), false,
                         &config->limits, &why);
    if (err == SK_EINVAL || err == SK_EPARSE)
        return sk_error_set(reterr, err, "CONFIG ERROR: invalid limits_config config: %s",
                            why.text);
    if (err != SK_OK)
        return err;
    return sk_config_validate(config, reterr);
}

/* The first file of the comma list that exists; *ret_path is NULL when none does. */
static enum sk_err find_file(struct sk_arena *arena, const char *list, const char **ret_path)
{
    *ret_path = NULL;
    while (*list != '\0' && *ret_path == NULL) {
        size_t n = strcspn(list, ",");
        struct sk_vfs_stat st;
        struct sk_str path = sk_arena_str(arena, (struct sk_str){list, n});
        if (path.ptr == NULL)
            return SK_ENOMEM;
        if (n > 0 && sk_vfs_posix()->stat(sk_vfs_posix(), path.ptr, &st) != SK_ENOENT)
            *ret_path = path.ptr;
        list += n;
        list += *list == ',';
    }
    return SK_OK;
}

static size_t line_count(struct sk_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '\n';
    return n;
}

/* While lines are what they were, a value's line tells whether variables stood in it. */
static enum sk_err keep_unexpanded(struct sk_config *config, struct sk_str text,
                                   struct sk_str expanded)
{
    if (!config->explain || line_count(text) != line_count(expanded))
        return SK_OK;
    config->unexpanded = sk_arena_str(&config->arena, text).ptr;
    return config->unexpanded == NULL ? SK_ENOMEM : SK_OK;
}

static enum sk_err load_file(struct sk_config *config, const struct sk_config_flags *flags,
                             struct sk_error *reterr)
{
    struct sk_strbuf text, expanded;
    struct sk_error why = {.text = ""};
    sk_strbuf_init(&text, SK_CONFIG_FILE_BYTES_MAX);
    sk_strbuf_init(&expanded, SK_CONFIG_EXPANDED_BYTES_MAX);
    const char *path;
    enum sk_err err = find_file(&config->arena, flags->config_file, &path);
    if (err != SK_OK)
        goto out;
    if (path == NULL && !flags->config_file_given) {
        err = sk_config_load_text(config, flags, SK_STR(""), NULL, reterr);
        goto out;
    }
    if (path == NULL) {
        err = sk_error_set(reterr, SK_ENOENT,
                           "failed parsing config: %s does not exist, set config.file for custom "
                           "config path",
                           flags->config_file);
        goto out;
    }
    config->config_file = path;
    config->explain = flags->explain;
    err = sk_vfs_read_file(sk_vfs_posix(), path, SK_CONFIG_FILE_BYTES_MAX, &text);
    if (err != SK_OK) {
        (void)sk_error_set(reterr, err, "failed parsing config: %s: %s", path,
                           err == SK_ELIMIT ? "larger than 4 MiB" : sk_err_text(err));
        goto out;
    }
    if (flags->expand_env) {
        err = sk_config_expand(sk_strbuf_view(&text), from_environ, NULL, &expanded, &why);
        if (err == SK_EPARSE)
            (void)sk_error_set(reterr, err, "failed parsing config: %s", why.text);
        if (err == SK_OK)
            err = keep_unexpanded(config, sk_strbuf_view(&text), sk_strbuf_view(&expanded));
        if (err != SK_OK)
            goto out;
    }
    err = sk_config_load_text(config, flags, sk_strbuf_view(flags->expand_env ? &expanded : &text),
                              path, reterr);
out:
    sk_strbuf_deinit(&expanded);
    sk_strbuf_deinit(&text);
    return err;
}

enum sk_err sk_config_load(int argc, char **argv, struct sk_config *ret_config, int *ret_exit,
                           struct sk_error *reterr)
{
    struct sk_config config = {.target = "all"};
    struct sk_config_flags flags;
    sk_arena_init(&config.arena, SK_CONFIG_ARENA_BYTES, NULL);
    (void)sk_error_set(reterr, SK_ENOMEM, "%s", sk_err_text(SK_ENOMEM)); /* unless said better */
    int status = 2;
    enum sk_err err = sk_flags_parse(&config.arena, argc, argv, &flags, reterr);
    if (err != SK_OK)
        goto out;
    if (flags.version || flags.help) { /* as in Loki, no file is needed for these */
        set_from_flags(&config, &flags);
        goto out;
    }
    status = 1;
    err = load_file(&config, &flags, reterr);
    if (err != SK_OK)
        goto out;
    status = 2;
    err = sk_flags_own(&flags, from_environ, NULL, &config, reterr);
out:
    if (err == SK_OK) {
        *ret_config = config;
        return SK_OK;
    }
    *ret_exit = status;
    sk_config_deinit(&config);
    return err;
}

void sk_config_deinit(struct sk_config *config)
{
    if (config == NULL)
        return;
    sk_arena_deinit(&config->arena);
    *config = (struct sk_config){.config_file = NULL};
}
