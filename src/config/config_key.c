/* SPDX-License-Identifier: Apache-2.0 */
/* config_key.c -- finding keys in the table made from keys.tsv, and what errors say about them.
 *
 * Lookups are linear: a start reads some hundred keys at most, blocks have below 120 children.
 * Threads: any; the table is constant. */
#include "config/config_int.h"

#include "base/assert.h"

/* Go types as Loki's errors name them. Keys that are missing are "config". */
static const struct {
    const char *path, *go_type;
} go_types[] = {
    {"", "loki.ConfigWrapper"},
    {"server", "server.Config"},
    {"internal_server", "internalserver.Config"},
    {"distributor", "distributor.Config"},
    {"querier", "querier.Config"},
    {"querier.engine", "logql.EngineOpts"},
    {"query_scheduler", "scheduler.Config"},
    {"frontend", "lokifrontend.Config"},
    {"query_range", "queryrange.Config"},
    {"ruler", "ruler.Config"},
    {"ruler.storage", "ruler.RuleStoreConfig"},
    {"ingester_client", "client.Config"},
    {"ingester", "ingester.Config"},
    {"ingester.wal", "ingester.WALConfig"},
    {"ingester.lifecycler", "ring.LifecyclerConfig"},
    {"pattern_ingester", "pattern.Config"},
    {"index_gateway", "indexgateway.Config"},
    {"bloom_build", "bloombuild.Config"},
    {"bloom_gateway", "bloomgateway.Config"},
    {"storage_config", "storage.Config"},
    {"storage_config.filesystem", "local.FSConfig"},
    {"storage_config.boltdb_shipper", "boltdb.IndexCfg"},
    {"storage_config.tsdb_shipper", "indexshipper.Config"},
    {"chunk_store_config", "config.ChunkStoreConfig"},
    {"schema_config", "config.SchemaConfig"},
    {"schema_config.configs.[]", "config.PeriodConfig"},
    {"schema_config.configs.[].index", "config.IndexPeriodicTableConfig"},
    {"compactor", "compactor.Config"},
    {"limits_config", "validation.plain"},
    {"limits_config.retention_stream.[]", "validation.StreamRetention"},
    {"frontend_worker", "worker.Config"},
    {"table_manager", "index.TableManagerConfig"},
    {"memberlist", "memberlist.KVConfig"},
    {"runtime_config", "runtimeconfig.Config"},
    {"operational_config", "runtime.Config"},
    {"tracing", "tracing.Config"},
    {"analytics", "analytics.Config"},
    {"common", "common.Config"},
    {"common.storage", "common.Storage"},
    {"common.storage.filesystem", "common.FilesystemConfig"},
    {"common.ring", "lokiring.RingConfig"},
};

static const struct {
    const char *go_type, *wants;
} by_type[] = {
    [SK_KEY_BLOCK] = {"config", "a block of keys"},
    [SK_KEY_LIST] = {"[]config", "a list of blocks"},
    [SK_KEY_MAP] = {"map[string]config", "blocks by name"},
    [SK_KEY_STRING] = {"string", "a text"},
    [SK_KEY_SECRET] = {"string", "a text"},
    [SK_KEY_URL] = {"string", "a URL"},
    [SK_KEY_INT] = {"int", "an integer"},
    [SK_KEY_FLOAT] = {"float64", "a number without quotes"},
    [SK_KEY_BOOL] = {"bool", "true or false without quotes"},
    [SK_KEY_DURATION] = {"time.Duration", "a duration such as 30s, 5m or 1h30m"},
    [SK_KEY_PROM] = {"model.Duration", "a duration such as 30s, 5m, 1d or 1w, with its unit"},
    [SK_KEY_BYTES] = {"string", "a size such as 262144, 256KB or 4MB"},
    [SK_KEY_BYTES2] = {"string", "a size such as 262144, 256KB or 4MiB"},
    [SK_KEY_CSV] = {"string", "one text with commas, not a list"},
    [SK_KEY_LEVEL] = {"string", "debug, info, warn or error"},
    [SK_KEY_DAY] = {"string", "a day such as 2024-04-01"},
    [SK_KEY_TIME] = {"string", "a time such as 2030-01-01 or 2030-01-01T00:00:00Z, or 0"},
    [SK_KEY_STRINGS] = {"[]string", "a list of texts"},
    [SK_KEY_SECRETS] = {"[]string", "a list of texts"},
    [SK_KEY_STRMAP] = {"map[string]string", "texts by name"},
    [SK_KEY_SECRETMAP] = {"map[string][]string", "lists of texts by name"},
    [SK_KEY_ANY] = {"config", "a block"},
};

size_t sk_key_child(size_t key, struct sk_str name)
{
    sk_assert(key < sk_config_key_count);
    for (size_t at = key + 1; at < sk_config_keys[key].end; at = sk_config_keys[at].end)
        if (sk_str_is(name, sk_key_name(at)))
            return at;
    return SK_KEY_NONE;
}

size_t sk_key_at(size_t below, const char *path)
{
    size_t key = below;
    while (*path != '\0' && key != SK_KEY_NONE) {
        size_t n = strcspn(path, ".");
        key = sk_key_child(key, (struct sk_str){path, n});
        path += n;
        path += *path == '.';
    }
    return key;
}

size_t sk_key_by_flag(struct sk_str flag)
{
    for (size_t key = 1; flag.len > 0 && key < sk_config_key_count; key++)
        if (sk_str_is(flag, sk_key_flag(key)))
            return key;
    return SK_KEY_NONE;
}

bool sk_key_is_container(size_t key)
{
    return sk_config_keys[key].type <= SK_KEY_MAP;
}

void sk_key_path(struct sk_strbuf *out, size_t key)
{
    size_t up[SK_CONFIG_DEPTH_MAX];
    size_t depth = 0;
    for (; key != 0; key = sk_config_keys[key].parent) {
        sk_assert(depth < SK_CONFIG_DEPTH_MAX);
        up[depth++] = key;
    }
    for (size_t i = depth; i > 0; i--) {
        if (i < depth)
            sk_strbuf_putc(out, '.');
        sk_strbuf_puts(out, sk_key_name(up[i - 1]));
    }
}

const char *sk_key_go_type(size_t key)
{
    for (size_t i = 0; sk_config_keys[key].type == SK_KEY_BLOCK && i < SK_COUNT_OF(go_types); i++)
        if (sk_key_at(0, go_types[i].path) == key)
            return go_types[i].go_type;
    return by_type[sk_config_keys[key].type].go_type;
}

const char *sk_key_wants(size_t key)
{
    return by_type[sk_config_keys[key].type].wants;
}

#define SIMILAR_NAME_MAX 64u

/* Edits (insert, delete, replace) between two short names; a large number for long ones. */
static unsigned edits(struct sk_str a, struct sk_str b)
{
    unsigned row[SIMILAR_NAME_MAX + 1];
    if (a.len > SIMILAR_NAME_MAX || b.len > SIMILAR_NAME_MAX)
        return UINT32_MAX;
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned best = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.len];
}

const char *sk_key_similar(size_t key, struct sk_str name)
{
    const char *nearest = NULL;
    unsigned best = name.len < 4 ? 2 : name.len < 9 ? 3 : 5; /* edits too many */
    for (size_t at = key + 1; at < sk_config_keys[key].end; at = sk_config_keys[at].end) {
        unsigned n = edits(name, sk_str_from(sk_key_name(at)));
        if (n < best) {
            best = n;
            nearest = sk_key_name(at);
        }
    }
    return nearest;
}
