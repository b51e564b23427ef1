/* SPDX-License-Identifier: Apache-2.0 */
/* config_derive.c -- keys that follow from others, schema periods, and what must hold between keys.
 *
 * Error texts are Loki's where Loki has the check; the others tell what skald does not do. */
#include "config/config_int.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"

/* A key's text; "" when it was not given. */
static const char *text_at(const struct sk_config_node *root, const char *path)
{
    const struct sk_config_node *node = sk_node_at(root, path);
    return node == NULL || node->kind != SK_NODE_SCALAR ? "" : node->text.ptr;
}

static bool is_true(const struct sk_config_node *root, const char *path)
{
    struct sk_value v;
    const struct sk_config_node *node = sk_node_at(root, path);
    return node != NULL && node->kind == SK_NODE_SCALAR &&
           sk_scalar_resolve(node, &v) == SK_SCALAR_BOOL && v.b;
}

/* Sets `path` to `value` when it has none. */
static enum sk_err fill(struct sk_config *config, struct sk_config_node *root, const char *path,
                        const char *value)
{
    if (value[0] == '\0' || text_at(root, path)[0] != '\0')
        return SK_OK;
    return sk_node_put_text(&config->arena, root, path, value);
}

static enum sk_err fill_below(struct sk_config *config, struct sk_config_node *root,
                              const char *path, const char *folder, const char *name)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    struct sk_str full =
        sk_arena_printf(&config->arena, "%.*s%s%s", (int)n, folder,
                        name[0] == '\0' || (n == 1 && folder[0] == '/') ? "" : "/", name);
    return full.ptr == NULL ? SK_ENOMEM : fill(config, root, path, full.ptr);
}

/* Older files name each folder and no prefix: the prefix is then where the write-ahead log or the
 * index lies. */
static enum sk_err guess_prefix(struct sk_config *config, struct sk_config_node *root)
{
    static const char *const hints[] = {"ingester.wal.dir",
                                        "storage_config.tsdb_shipper.active_index_directory"};
    for (size_t i = 0; i < SK_COUNT_OF(hints); i++) {
        const char *path = text_at(root, hints[i]);
        size_t n = strlen(path);
        while (n > 1 && path[n - 1] == '/')
            n--;
        while (n > 0 && path[n - 1] != '/')
            n--;
        if (n < 2)
            continue;
        struct sk_str parent = sk_arena_str(&config->arena, (struct sk_str){path, n - 1});
        if (parent.ptr == NULL)
            return SK_ENOMEM;
        return sk_node_put_text(&config->arena, root, "common.path_prefix", parent.ptr);
    }
    return SK_OK;
}

static enum sk_err derive_paths(struct sk_config *config, struct sk_config_node *root)
{
    static const struct {
        const char *path, *name;
    } below_prefix[] = {
        {"common.storage.filesystem.chunks_directory", "chunks"},
        {"common.storage.filesystem.rules_directory", "rules"},
        {"ingester.wal.dir", "wal"},
        {"ingester.shutdown_marker_path", ""},
        {"compactor.working_directory", "compactor"},
        {"ruler.rule_path", "rules-temp"},
        {"storage_config.tsdb_shipper.active_index_directory", "tsdb-shipper-active"},
        {"storage_config.tsdb_shipper.cache_location", "tsdb-shipper-cache"},
        {"storage_config.bloom_shipper.working_directory", "blooms"},
    };
    enum sk_err err = SK_OK;
    if (text_at(root, "common.path_prefix")[0] == '\0')
        err = guess_prefix(config, root);
    const char *prefix = text_at(root, "common.path_prefix");
    for (size_t i = 0; err == SK_OK && prefix[0] != '\0' && i < SK_COUNT_OF(below_prefix); i++)
        err = fill_below(config, root, below_prefix[i].path, prefix, below_prefix[i].name);
    if (err == SK_OK && is_true(root, "storage_config.use_thanos_objstore"))
        err = fill(config, root, "storage_config.filesystem.directory",
                   text_at(root, "storage_config.object_store.filesystem.dir"));
    if (err == SK_OK)
        err = fill(config, root, "storage_config.filesystem.directory",
                   text_at(root, "common.storage.filesystem.chunks_directory"));
    if (err == SK_OK)
        err = fill(config, root, "ruler.storage.local.directory",
                   text_at(root, "common.storage.filesystem.rules_directory"));
    if (err == SK_OK)
        err = fill(config, root, "ruler.storage.type", "local");
    return err;
}

enum sk_err sk_config_derive(struct sk_config *config, struct sk_config_node *root,
                             struct sk_error *reterr)
{
    enum sk_err err = derive_paths(config, root);
    if (err == SK_OK)
        err = fill(config, root, "ingester.chunk_encoding", "zstd");
    if (err == SK_OK)
        err = fill(config, root, "server.log_level", "info");
    if (err == SK_OK)
        err = fill(config, root, "runtime_config.file",
                   text_at(root, "limits_config.per_tenant_override_config"));
    if (err == SK_OK && text_at(root, "limits_config.per_tenant_override_config")[0] != '\0') {
        struct sk_value v;
        const struct sk_config_node *old =
            sk_node_at(root, "limits_config.per_tenant_override_period");
        if (old != NULL && sk_value_parse(SK_KEY_PROM, old, &v, reterr) == SK_OK) {
            struct sk_strbuf text;
            sk_strbuf_init(&text, 128);
            sk_go_format_duration(&text, v.i);
            err = text.failed ? SK_ENOMEM : fill(config, root, "runtime_config.period", text.ptr);
            sk_strbuf_deinit(&text);
        }
    }
    return err;
}

/* ---- schema ---- */

struct period_texts {
    const char *store, *object_store, *schema, *prefix, *path_prefix;
    int64_t from_day, period_ns;
};

static enum sk_err period_read(struct sk_arena *arena, const struct sk_config_node *node,
                               struct period_texts *p, struct sk_error *reterr)
{
    static const struct sk_config_field fields[] = {
        {"from", SK_FIELD_I64, offsetof(struct period_texts, from_day)},
        {"store", SK_FIELD_STR, offsetof(struct period_texts, store)},
        {"object_store", SK_FIELD_STR, offsetof(struct period_texts, object_store)},
        {"schema", SK_FIELD_STR, offsetof(struct period_texts, schema)},
        {"index.prefix", SK_FIELD_STR, offsetof(struct period_texts, prefix)},
        {"index.path_prefix", SK_FIELD_STR, offsetof(struct period_texts, path_prefix)},
        {"index.period", SK_FIELD_I64, offsetof(struct period_texts, period_ns)},
    };
    return sk_fields_load(arena, fields, SK_COUNT_OF(fields),
                          sk_key_at(0, "schema_config.configs.[]"), node, false, p, reterr);
}

/* `arg` stands where `before` ends. */
static enum sk_err config_error(struct sk_error *reterr, const char *before, const char *arg,
                                const char *after)
{
    return sk_error_set(reterr, SK_EINVAL, "CONFIG ERROR: %s%s%s", before, arg, after);
}

static enum sk_err period_check(const struct period_texts *p, struct sk_schema_period *ret,
                                struct sk_error *reterr)
{
    static const struct {
        const char *name;
        unsigned version;
    } schemas[] = {{"v11", 11}, {"v12", 12}, {"v13", 13}};
    unsigned version = 0;
    for (size_t i = 0; i < SK_COUNT_OF(schemas); i++)
        if (strcmp(p->schema, schemas[i].name) == 0)
            version = schemas[i].version;
    if (strcmp(p->store, "tsdb") != 0)
        return config_error(reterr, "schema_config: store \"", p->store,
                            "\" is not supported, skald reads and writes "
                            "tsdb only");
    if (strcmp(p->object_store, "filesystem") != 0)
        return config_error(reterr, "schema_config: object_store \"", p->object_store,
                            "\" is not supported, skald keeps its "
                            "chunks in filesystem only");
    if (version == 0)
        return config_error(reterr,
                            "invalid schema config: validating period_config: invalid schema "
                            "version \"",
                            p->schema, "\", supported: v11, v12, v13");
    if (p->period_ns != SK_NS_PER_DAY)
        return config_error(reterr,
                            "invalid schema config: validating period_config: tsdb must always "
                            "have periodic config for index set to 24h",
                            "", "");
    *ret = (struct sk_schema_period){
        .from_day = p->from_day,
        .schema = version,
        .store = p->store,
        .object_store = p->object_store,
        .index_prefix = p->prefix,
        .index_path_prefix = p->path_prefix[0] == '\0' ? "index/" : p->path_prefix,
    };
    return SK_OK;
}

static enum sk_err periods_load(struct sk_config *config, struct sk_error *reterr)
{
    const struct sk_config_node *list = sk_node_at(config->root, "schema_config.configs");
    size_t count = 0;
    for (const struct sk_config_node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
        count++;
    if (count == 0)
        return config_error(reterr,
                            "schema_config is missing: at least one period is needed, such as\n"
                            "schema_config: {configs: [{from: 2024-01-01, store: tsdb, "
                            "object_store: filesystem, schema: v13, index: {prefix: index_, "
                            "period: 24h}}]}",
                            "", "");
    struct sk_schema_period *periods = sk_arena_calloc(&config->arena, count, sizeof(*periods));
    if (periods == NULL)
        return SK_ENOMEM;
    size_t i = 0;
    for (const struct sk_config_node *n = list->first; n != NULL; n = n->next, i++) {
        struct period_texts p;
        enum sk_err err = period_read(&config->arena, n, &p, reterr);
        if (err == SK_OK)
            err = period_check(&p, &periods[i], reterr);
        if (err != SK_OK)
            return err;
        if (i > 0 && periods[i].from_day <= periods[i - 1].from_day)
            return config_error(reterr,
                                "invalid schema config: from time in schemas must be distinct and "
                                "in increasing order",
                                "", "");
    }
    config->periods = periods;
    config->period_count = count;
    return SK_OK;
}

/* The period in force now; the first when none is yet. */
static const struct sk_schema_period *active_period(const struct sk_config *config)
{
    int64_t today = sk_clock_now_ns() / SK_NS_PER_DAY;
    size_t active = 0;
    for (size_t i = 1; i < config->period_count; i++)
        if (config->periods[i].from_day <= today)
            active = i;
    return &config->periods[active];
}

/* ---- checks ---- */

static enum sk_err check_target(const struct sk_config *config, struct sk_error *reterr)
{
    static const char *const known[] = {
        "read",          "write",         "backend",        "distributor",
        "ingester",      "querier",       "query-frontend", "query-scheduler",
        "compactor",     "ruler",         "index-gateway",  "table-manager",
        "bloom-gateway", "bloom-planner", "bloom-builder",  "pattern-ingester",
    };
    struct sk_str rest = sk_str_from(config->target);
    while (rest.len > 0) {
        size_t n = strcspn(rest.ptr, ",");
        struct sk_str one = sk_str_trim((struct sk_str){rest.ptr, n});
        n += n < rest.len;
        rest = (struct sk_str){rest.ptr + n, rest.len - n};
        if (sk_str_is(one, "all") || one.len == 0)
            continue;
        for (size_t i = 0; i < SK_COUNT_OF(known); i++)
            if (sk_str_is(one, known[i]))
                return sk_error_set(reterr, SK_EINVAL,
                                    "error running skald: target %s is not supported: skald is one "
                                    "process, use -target=all",
                                    known[i]);
        return sk_error_set(reterr, SK_EINVAL,
                            "error running skald: unrecognised module name: %.*s", SK_STR_ARG(one));
    }
    return SK_OK;
}

static enum sk_err check_encoding(struct sk_config *config, struct sk_error *reterr)
{
    static const char *const names[] = {"none",   "gzip", "lz4-64k", "snappy", "lz4-256k",
                                        "lz4-1M", "lz4",  "flate",   "zstd"};
    for (size_t i = 0; i < SK_COUNT_OF(names); i++)
        if (sk_str_eq_nocase(sk_str_from(config->chunk_encoding), sk_str_from(names[i]))) {
            config->chunk_encoding = names[i];
            return SK_OK;
        }
    return config_error(reterr,
                        "invalid ingester config: invalid encoding: ", config->chunk_encoding,
                        ", supported: none, gzip, "
                        "lz4-64k, snappy, lz4-256k, lz4-1M, lz4, flate, zstd");
}

static enum sk_err check_metadata(const struct sk_config *config, struct sk_error *reterr)
{
    char version[16];
    const struct sk_schema_period *p = active_period(config);
    if (!config->limits.allow_structured_metadata || p->schema >= 13)
        return SK_OK;
    version[0] = 'v';
    version[1] = '1';
    version[2] = (char)('0' + p->schema % 10);
    version[3] = '\0';
    return config_error(
        reterr,
        "schema v13 is required to store Structured Metadata and use native OTLP ingestion, your "
        "schema version is ",
        version,
        ". Set `allow_structured_metadata: false` in the `limits_config` "
        "section or set the command line argument `-validation.allow-structured-metadata=false` "
        "and "
        "restart skald. Then proceed to update to schema v13 or newer before re-enabling this "
        "config");
}

enum sk_err sk_config_validate(struct sk_config *config, struct sk_error *reterr)
{
    const struct sk_config_node *root = config->root;
    enum sk_err err = check_target(config, reterr);
    if (err == SK_OK)
        err = periods_load(config, reterr);
    if (err == SK_OK)
        err = check_encoding(config, reterr);
    if (err == SK_OK)
        err = check_metadata(config, reterr);
    if (err != SK_OK)
        return err;
    if (config->retention_enabled && text_at(root, "compactor.delete_request_store")[0] == '\0')
        return config_error(reterr,
                            "invalid compactor config: compactor.delete-request-store should be "
                            "configured when retention is enabled",
                            "", "");
    if (config->path_prefix[0] == '\0')
        return config_error(reterr,
                            "common.path_prefix is empty: set it to the folder that holds all data",
                            "", "");
    /* chunks are not kept as Loki keeps them then: only for those who ask for rules that way */
    if (config->use_thanos_objstore && sk_node_at(root, "ruler_storage") == NULL)
        return config_error(reterr,
                            "storage_config.use_thanos_objstore is not supported, use "
                            "common.storage.filesystem (with a block ruler_storage it is accepted, "
                            "for rules that can be written)",
                            "", "");
    return SK_OK;
}
