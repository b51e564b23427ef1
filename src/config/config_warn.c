/* SPDX-License-Identifier: Apache-2.0 */
/* config_warn.c -- keys that Loki acts on and skald does not, where the user would expect an
 * effect.
 *
 * Silent are blocks for other processes (rings, memberlist, gRPC, schedulers), caches, and what
 * only tunes speed; see docs/CONFIGURATION.md. Threads: one. */
#include "config/config_int.h"

#include "base/assert.h"

#define WARNINGS_MAX 64u

/* Paths (with all below them) that are accepted without a word. */
static const char *const silent[] = {
    "memberlist",
    "ui",
    "internal_server",
    "query_engine",
    "dataobj",
    "kafka_config",
    "ingest_limits",
    "ingest_limits_frontend",
    "ingest_limits_frontend_client",
    "bloom_build",
    "bloom_gateway",
    "index_gateway",
    "profiling",
    "ingester_client",
    "frontend_worker",
    "query_scheduler",
    "compactor_grpc_client",
    "compactor_client",
    "chunk_store_config",
    "analytics",
    "tracing",
    "ballast_bytes",
    "legacy_read_target",
    "table_manager",
    "query_range",
    "storage_config",
    "common",
    "http_prefix",
    "shutdown_delay",
    "tenant_limits_allow_publish",
    "server.http_listen_network",
    "server.register_instrumentation",
    "server.cluster_validation",
    "ingester.concurrent_flushes",
    "ingester.flush_op_backoff",
    "ingester.flush_op_timeout",
    "ingester.autoforget_unhealthy",
    "ingester.query_store_max_look_back_period",
    "ingester.wal.checkpoint_duration",
    "ingester.index_shards",
    "ingester.max_dropped_streams",
    "ingester.shutdown_marker_path",
    "ingester.owned_streams_check_interval",
    "ingester.delegate_stream_limits_enabled",
    "ingester.kafka_ingestion",
    "distributor.push_worker_count",
    "distributor.rate_store",
    "distributor.kafka_writes_enabled",
    "distributor.ingester_writes_enabled",
    "distributor.kafka_config",
    "distributor.ingest_limits_enabled",
    "distributor.ingest_limits_dry_run_enabled",
    "distributor.dataobj_tee",
    "distributor.tenant_topic",
    "querier.max_concurrent",
    "querier.query_store_only",
    "querier.query_ingester_only",
    "querier.query_partition_ingesters",
    "querier.dataobj",
    "querier.engine",
    "frontend.max_outstanding_per_tenant",
    "frontend.querier_forget_delay",
    "frontend.scheduler_address",
    "frontend.scheduler_dns_lookup_period",
    "frontend.scheduler_worker_concurrency",
    "frontend.graceful_shutdown_timeout",
    "frontend.instance_interface_names",
    "frontend.address",
    "frontend.port",
    "frontend.encoding",
    "frontend.tail_proxy_url",
    "frontend.tail_tls_config",
    "frontend.support_parquet_encoding",
    "frontend.instance_enable_ipv6",
    "frontend.experimental",
    "ruler.storage",
    "ruler.rule_path",
    "ruler.wal",
    "ruler.wal_cleaner",
    "ruler.ruler_client",
    "ruler_storage",
    "pattern_ingester",
    "compactor.compaction_interval",
    "compactor.max_compaction_parallelism",
    "compactor.upload_parallelism",
    "compactor.tables_to_compact",
    "compactor.skip_latest_n_tables",
    "compactor.horizontal_scaling_mode",
    "compactor.worker_config",
    "compactor.jobs_config",
    "compactor.delete_request_store_key_prefix",
    "compactor.delete_request_store_db_type",
    "compactor.backup_delete_request_store_db_type",
    "compactor._",
    "compactor.retention_delete_worker_count",
    "compactor.retention_backoff_config",
    "compactor.retention_table_timeout",
};

/* Keys of limits_config that only tune speed or other processes. */
static const char *const silent_limits[] = {
    "ingestion_rate_strategy",
    "simulated_push_latency",
    "enable_multi_variant_queries",
    "use_owned_stream_count",
    "max_chunks_per_query",
    "cardinality_limit",
    "max_query_parallelism",
    "tsdb_max_query_parallelism",
    "tsdb_max_bytes_per_shard",
    "tsdb_sharding_strategy",
    "tsdb_precompute_chunks",
    "max_cache_freshness_per_query",
    "max_metadata_cache_freshness",
    "max_stats_cache_freshness",
    "max_queriers_per_tenant",
    "max_query_capacity",
    "query_ready_index_num_days",
    "split_queries_by_interval",
    "split_metadata_queries_by_interval",
    "split_recent_metadata_queries_by_interval",
    "recent_metadata_query_window",
    "split_instant_metric_queries_by_interval",
    "engine_results_cache_time_bucket_interval",
    "split_ingester_queries_by_interval",
    "min_sharding_lookback",
    "shard_streams",
    "shard_aggregations",
    "allow_deletes",
    "index_gateway_shard_size",
    "index_gateway_max_capacity",
    "ingestion_partitions_tenant_shard_size",
    "ruler_tenant_shard_size",
    "ruler_enable_wal_replay",
    "max_scan_task_parallelism",
    "debug_engine_tasks",
    "debug_engine_streams",
    "s3_sse_type",
    "s3_sse_kms_key_id",
    "s3_sse_kms_encryption_context",
};

/* Any key on the way with one of these names silences what is below. */
static const char *const silent_names[] = {
    "ring",        "scheduler_ring", "compactor_ring",
    "lifecycler",  "kvstore",        "grpc_client_config",
    "pool_config", "client_config",  "partition_ring",
};

static bool below(struct sk_str path, struct sk_str prefix)
{
    return sk_str_starts(path, prefix) &&
           (path.len == prefix.len || path.ptr[prefix.len] == '.' || path.ptr[prefix.len] == '[');
}

static bool is_silent(size_t key, const char *path)
{
    struct sk_str p = sk_str_from(path), limits = SK_STR("limits_config.");
    for (size_t i = 0; i < SK_COUNT_OF(silent); i++)
        if (below(p, sk_str_from(silent[i])))
            return true;
    if (sk_str_starts(p, SK_STR("server.grpc_")) ||
        sk_str_starts(p, SK_STR("limits_config.bloom_")))
        return true;
    if (sk_str_starts(p, limits)) {
        struct sk_str name = {p.ptr + limits.len, p.len - limits.len};
        for (size_t i = 0; i < SK_COUNT_OF(silent_limits); i++)
            if (below(name, sk_str_from(silent_limits[i])))
                return true;
    }
    for (; key != 0; key = sk_config_keys[key].parent)
        for (size_t i = 0; i < SK_COUNT_OF(silent_names); i++)
            if (strcmp(sk_key_name(key), silent_names[i]) == 0)
                return true;
    return false;
}

static enum sk_err differs(struct sk_arena *arena, size_t key, const struct sk_config_node *node,
                           bool *ret)
{
    struct sk_strbuf given, usual;
    if (sk_key_is_container(key)) {
        *ret = node->first != NULL;
        return SK_OK;
    }
    const struct sk_config_node *def = sk_key_default_node(arena, key);
    if (def == NULL)
        return SK_ENOMEM;
    sk_strbuf_init(&given, SK_CONFIG_FILE_BYTES_MAX * 8);
    sk_strbuf_init(&usual, SK_CONFIG_FILE_BYTES_MAX);
    sk_print_leaf(&given, key, node, 0);
    sk_print_leaf(&usual, key, def, 0);
    *ret = !sk_str_eq(sk_strbuf_view(&given), sk_strbuf_view(&usual));
    enum sk_err err = given.failed || usual.failed ? SK_ENOMEM : SK_OK;
    sk_strbuf_deinit(&usual);
    sk_strbuf_deinit(&given);
    return err;
}

static enum sk_err add(struct sk_config *config, const char **warnings, const char *path)
{
    if (config->warning_count == WARNINGS_MAX)
        return SK_OK;
    struct sk_str text = sk_arena_printf(&config->arena, "config key %s has no effect", path);
    if (text.ptr == NULL)
        return SK_ENOMEM;
    warnings[config->warning_count++] = text.ptr;
    return SK_OK;
}

/* Blocks are walked; lists and maps of blocks are one key each. Recursion: depth of the keys. */
static enum sk_err walk(struct sk_config *config, const char **warnings, size_t key,
                        const struct sk_config_node *node)
{
    struct sk_strbuf path;
    bool differing;
    enum sk_err err = SK_OK;
    if (sk_config_keys[key].type == SK_KEY_BLOCK) {
        for (const struct sk_config_node *child = node->first; child != NULL && err == SK_OK;
             child = child->next) {
            size_t child_key = sk_key_child(key, child->name);
            sk_assert(child_key != SK_KEY_NONE); /* (1) */
            err = walk(config, warnings, child_key, child);
        }
        return err;
    }
    sk_strbuf_init(&path, 4096);
    sk_key_path(&path, key);
    if (path.failed) {
        err = SK_ENOMEM;
    } else if (!sk_config_acts(path.ptr) && !is_silent(key, path.ptr)) {
        err = differs(&config->arena, key, node, &differing);
        if (err == SK_OK && differing)
            err = add(config, warnings, path.ptr);
    }
    sk_strbuf_deinit(&path);
    return err;
}

enum sk_err sk_config_warn(struct sk_config *config)
{
    struct sk_value v;
    const char **warnings = sk_arena_calloc(&config->arena, WARNINGS_MAX, sizeof(*warnings));
    if (warnings == NULL)
        return SK_ENOMEM;
    config->warnings = warnings;
    config->warning_count = 0;
    enum sk_err err = walk(config, warnings, 0, config->root);
    const struct sk_config_node *copies = sk_node_at(config->root, "common.replication_factor");
    if (err == SK_OK && copies != NULL && sk_value_parse(SK_KEY_INT, copies, &v, NULL) == SK_OK &&
        v.i > 1)
        err = add(config, warnings, "common.replication_factor");
    return err;
}
