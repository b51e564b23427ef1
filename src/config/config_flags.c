/* SPDX-License-Identifier: Apache-2.0 */
/* config_flags.c -- the command line, read as Go's flag package reads it, and skald's own
 * settings.
 *
 * Every key has its flag; the values are put into a tree that is later laid over the file's. A
 * list's flag may be repeated and stands in for the file's list. Threads: one. */
#include "config/config_int.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/gotext.h"

enum own_kind { OWN_BOOL, OWN_TEXT };

static const struct {
    const char *name;
    enum own_kind kind;
    size_t offset;
} own_flags[] = {
    {"config.file", OWN_TEXT, offsetof(struct sk_config_flags, config_file)},
    {"config.expand-env", OWN_BOOL, offsetof(struct sk_config_flags, expand_env)},
    {"verify-config", OWN_BOOL, offsetof(struct sk_config_flags, verify_config)},
    {"config.explain", OWN_BOOL, offsetof(struct sk_config_flags, explain)},
    {"print-config-stderr", OWN_BOOL, offsetof(struct sk_config_flags, print_config_stderr)},
    {"log-config-reverse-order", OWN_BOOL,
     offsetof(struct sk_config_flags, log_config_reverse_order)},
    {"version", OWN_BOOL, offsetof(struct sk_config_flags, version)},
    {"help", OWN_BOOL, offsetof(struct sk_config_flags, help)},
    {"h", OWN_BOOL, offsetof(struct sk_config_flags, help)},
    {"list-targets", OWN_BOOL, offsetof(struct sk_config_flags, list_targets)},
    {"skald.memory-limit", OWN_TEXT, offsetof(struct sk_config_flags, memory_limit)},
    {"skald.wal-sync", OWN_TEXT, offsetof(struct sk_config_flags, wal_sync)},
    {"skald.wal-sync-gap", OWN_TEXT, offsetof(struct sk_config_flags, wal_sync_gap)},
    {"skald.wal-budget", OWN_TEXT, offsetof(struct sk_config_flags, wal_budget)},
    {"skald.workers", OWN_TEXT, offsetof(struct sk_config_flags, workers)},
    {"skald.users-file", OWN_TEXT, offsetof(struct sk_config_flags, users_file)},
};

static enum sk_err bad_value(struct sk_str name, bool is_bool, struct sk_str value, const char *why,
                             struct sk_error *reterr)
{
    return sk_error_set(reterr, SK_EINVAL, "invalid %svalue \"%.*s\" for %s-%.*s: %s",
                        is_bool ? "boolean " : "", SK_STR_ARG(value), is_bool ? "" : "flag ",
                        SK_STR_ARG(name), why);
}

static enum sk_err set_own(struct sk_arena *arena, size_t i, struct sk_str value,
                           struct sk_config_flags *flags, struct sk_error *reterr)
{
    void *field = (char *)flags + own_flags[i].offset;
    struct sk_str name = sk_str_from(own_flags[i].name);
    if (own_flags[i].kind == OWN_TEXT) {
        const char *text = sk_arena_str(arena, value).ptr;
        if (text == NULL)
            return SK_ENOMEM;
        memcpy(field, &text, sizeof(text));
        if (own_flags[i].offset == offsetof(struct sk_config_flags, config_file))
            flags->config_file_given = true;
        return SK_OK;
    }
    size_t key = sk_key_at(0, "auth_enabled"); /* any bool: for its way of reading */
    struct sk_config_node *node;
    struct sk_error why;
    enum sk_err err = sk_value_from_flag(arena, key, value, NULL, &node, &why);
    if (err == SK_EPARSE)
        return bad_value(name, true, value, why.text, reterr);
    if (err != SK_OK)
        return err;
    bool on = sk_str_is(node->text, "true");
    memcpy(field, &on, sizeof(on));
    return SK_OK;
}

static enum sk_err set_key(struct sk_arena *arena, size_t key, struct sk_str value,
                           struct sk_config_flags *flags, struct sk_error *reterr)
{
    struct sk_strbuf path;
    struct sk_config_node *node;
    struct sk_error why;
    sk_strbuf_init(&path, 4096);
    sk_key_path(&path, key);
    struct sk_config_node *list = path.failed ? NULL : sk_node_at(flags->keys, path.ptr);
    sk_strbuf_deinit(&path);
    bool extended = list != NULL && list->kind == SK_NODE_SEQ;
    enum sk_err err = sk_value_from_flag(arena, key, value, extended ? list : NULL, &node, &why);
    if (err == SK_ENOMEM)
        return err;
    if (err != SK_OK)
        return bad_value(sk_str_from(sk_key_flag(key)), sk_config_keys[key].type == SK_KEY_BOOL,
                         value, why.text, reterr);
    return extended ? SK_OK : sk_node_put(arena, flags->keys, key, node);
}

/* One flag; *at is moved when the value is the next word. */
static enum sk_err one_flag(struct sk_arena *arena, int argc, char **argv, int *at,
                            struct sk_config_flags *flags, struct sk_error *reterr)
{
    const char *text = argv[*at] + (argv[*at][1] == '-' ? 2 : 1);
    size_t n = strcspn(text, "=");
    struct sk_str name = {text, n};
    bool has_value = text[n] == '=';
    struct sk_str value = sk_str_from(has_value ? text + n + 1 : "");
    if (n == 0 || text[0] == '-')
        return sk_error_set(reterr, SK_EINVAL, "bad flag syntax: %s", argv[*at]);
    size_t own = 0;
    while (own < SK_COUNT_OF(own_flags) && !sk_str_is(name, own_flags[own].name))
        own++;
    bool is_own = own < SK_COUNT_OF(own_flags);
    size_t key = is_own ? SK_KEY_NONE : sk_key_by_flag(name);
    if (!is_own && key == SK_KEY_NONE)
        return sk_error_set(reterr, SK_EINVAL,
                            "flag provided but not defined: -%.*s\n"
                            "Run with -help to get list of available parameters",
                            SK_STR_ARG(name));
    bool is_bool =
        is_own ? own_flags[own].kind == OWN_BOOL : sk_config_keys[key].type == SK_KEY_BOOL;
    if (is_bool && !has_value)
        value = SK_STR("true");
    if (!is_bool && !has_value) {
        if (*at + 1 >= argc)
            return sk_error_set(reterr, SK_EINVAL, "flag needs an argument: -%.*s",
                                SK_STR_ARG(name));
        value = sk_str_from(argv[++*at]);
    }
    return is_own ? set_own(arena, own, value, flags, reterr)
                  : set_key(arena, key, value, flags, reterr);
}

/* Recursion: depth of the keys. */
static void mark_flags(struct sk_config_node *node)
{
    node->from_flag = true;
    for (struct sk_config_node *child = node->first; child != NULL; child = child->next)
        mark_flags(child);
}

enum sk_err sk_flags_parse(struct sk_arena *arena, int argc, char **argv,
                           struct sk_config_flags *ret_flags, struct sk_error *reterr)
{
    struct sk_config_flags flags = {.config_file = "config.yaml,config/config.yaml"};
    flags.keys = sk_node_create(arena, SK_NODE_MAP);
    if (flags.keys == NULL)
        return SK_ENOMEM;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0' || strcmp(argv[i], "--") == 0)
            break; /* words end the flags, and mean nothing */
        enum sk_err err = one_flag(arena, argc, argv, &i, &flags, reterr);
        if (err != SK_OK)
            return err;
    }
    mark_flags(flags.keys);
    *ret_flags = flags;
    return SK_OK;
}

/* ---- skald's own settings ---- */

#define WAL_SYNC_GAP_MAX_NS SK_NS_PER_S
#define WORKERS_MAX         1024u

struct setting {
    const char *name; /* of the flag */
    const char *text; /* NULL: not given */
};

static struct setting setting_of(const char *flag, const char *given, const char *variable,
                                 sk_config_env_fn *lookup, void *ctx)
{
    struct setting s = {flag, given};
    const char *env = given == NULL ? lookup(ctx, variable) : NULL;
    if (env != NULL && env[0] != '\0')
        s = (struct setting){variable, env};
    return s;
}

static enum sk_err bad_setting(const struct setting *s, const char *why, struct sk_error *reterr)
{
    if (s->name[0] == 'S')
        return sk_error_set(reterr, SK_EINVAL, "invalid value \"%s\" for variable %s: %s", s->text,
                            s->name, why);
    return bad_value(sk_str_from(s->name), false, sk_str_from(s->text), why, reterr);
}

static enum sk_err size_setting(const struct setting *s, uint64_t *field, struct sk_error *reterr)
{
    struct sk_error why;
    if (s->text == NULL)
        return SK_OK;
    if (sk_value_bytes(sk_str_from(s->text), true, field, &why) != SK_OK)
        return bad_setting(s, why.text, reterr);
    return SK_OK;
}

static enum sk_err wal_sync_setting(struct sk_arena *arena, const struct setting *s,
                                    const char **field, struct sk_error *reterr)
{
    struct sk_error why;
    int64_t ns;
    if (s->text == NULL)
        return SK_OK;
    struct sk_str text = sk_str_from(s->text), interval = SK_STR("interval:");
    bool good = sk_str_is(text, "always") || sk_str_is(text, "os");
    if (!good && sk_str_starts(text, interval)) {
        struct sk_str rest = {text.ptr + interval.len, text.len - interval.len};
        good = sk_go_parse_duration(rest, &ns, &why) == SK_OK && ns > 0;
    }
    if (!good)
        return bad_setting(s, "must be always, interval:<duration> or os", reterr);
    const char *copy = sk_arena_str(arena, text).ptr;
    if (copy == NULL)
        return SK_ENOMEM;
    *field = copy;
    return SK_OK;
}

/* For -config.explain. */
static enum sk_err own_keep(struct sk_config *config, size_t idx, const char *flag,
                            const struct setting *s, const char *preset)
{
    struct sk_config_own *own = &config->own[idx];
    *own = (struct sk_config_own){.flag = flag, .text = preset};
    if (s->text == NULL)
        return SK_OK;
    own->text = sk_arena_str(&config->arena, sk_str_from(s->text)).ptr;
    own->origin = s->name;
    return own->text == NULL ? SK_ENOMEM : SK_OK;
}

enum sk_err sk_flags_own(const struct sk_config_flags *flags, sk_config_env_fn *lookup, void *ctx,
                         struct sk_config *config, struct sk_error *reterr)
{
    struct setting memory =
        setting_of("skald.memory-limit", flags->memory_limit, "SKALD_MEMORY_LIMIT", lookup, ctx);
    struct setting sync =
        setting_of("skald.wal-sync", flags->wal_sync, "SKALD_WAL_SYNC", lookup, ctx);
    struct setting gap =
        setting_of("skald.wal-sync-gap", flags->wal_sync_gap, "SKALD_WAL_SYNC_GAP", lookup, ctx);
    struct setting budget =
        setting_of("skald.wal-budget", flags->wal_budget, "SKALD_WAL_BUDGET", lookup, ctx);
    struct setting workers =
        setting_of("skald.workers", flags->workers, "SKALD_WORKERS", lookup, ctx);
    struct setting users =
        setting_of("skald.users-file", flags->users_file, "SKALD_USERS_FILE", lookup, ctx);
    const struct {
        const struct setting *setting;
        const char *flag, *preset;
    } all[SK_CONFIG_OWN_COUNT] = {
        {&memory, "skald.memory-limit", "0"},  {&sync, "skald.wal-sync", "always"},
        {&gap, "skald.wal-sync-gap", "100ms"}, {&budget, "skald.wal-budget", "512MB"},
        {&workers, "skald.workers", "0"},      {&users, "skald.users-file", ""}};
    struct sk_error why;
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < SK_COUNT_OF(all) && err == SK_OK; i++)
        err = own_keep(config, i, all[i].flag, all[i].setting, all[i].preset);
    if (err == SK_OK)
        err = size_setting(&memory, &config->memory_limit, reterr);
    if (err == SK_OK)
        err = size_setting(&budget, &config->wal_budget, reterr);
    if (err == SK_OK)
        err = wal_sync_setting(&config->arena, &sync, &config->wal_sync, reterr);
    if (err == SK_OK && users.text != NULL && users.text[0] != '\0' &&
        (config->users_file = sk_arena_str(&config->arena, sk_str_from(users.text)).ptr) == NULL)
        err = SK_ENOMEM;
    if (err != SK_OK)
        return err;
    if (gap.text != NULL) {
        if (sk_go_parse_duration(sk_str_from(gap.text), &config->wal_sync_gap_ns, &why) != SK_OK)
            return bad_setting(&gap, why.text, reterr);
        if (config->wal_sync_gap_ns < 0 || config->wal_sync_gap_ns > WAL_SYNC_GAP_MAX_NS)
            return bad_setting(&gap, "must be 0s to 1s", reterr);
    }
    if (workers.text != NULL && (!sk_str_to_u64(sk_str_from(workers.text), &config->workers) ||
                                 config->workers > WORKERS_MAX))
        return bad_setting(&workers, "must be 0 to 1024", reterr);
    return SK_OK;
}
