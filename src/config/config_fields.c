/* SPDX-License-Identifier: Apache-2.0 */
/* config_fields.c -- which keys act: the tables that carry keys into struct sk_config and struct
 * sk_limits. A key that is in no table here has no effect (config_warn.c tells the user).
 *
 * Threads: any; the tables are constant. */
#include "config/config_int.h"

#include "base/assert.h"
#include "base/gotext.h"

#define LIMIT(name, kind)                                                                          \
    {                                                                                              \
#name, kind, offsetof(struct sk_limits, name)                                              \
    }
#define LIMIT_NS(name)                                                                             \
    {                                                                                              \
#name, SK_FIELD_I64, offsetof(struct sk_limits, name##_ns)                                 \
    }

static const struct sk_config_field limit_fields[] = {
    LIMIT(ingestion_rate_mb, SK_FIELD_F64),
    LIMIT(ingestion_burst_size_mb, SK_FIELD_F64),
    LIMIT(max_label_name_length, SK_FIELD_U64),
    LIMIT(max_label_value_length, SK_FIELD_U64),
    LIMIT(max_label_names_per_series, SK_FIELD_U64),
    LIMIT(reject_old_samples, SK_FIELD_BOOL),
    LIMIT_NS(reject_old_samples_max_age),
    LIMIT_NS(creation_grace_period),
    LIMIT(max_line_size, SK_FIELD_U64),
    LIMIT(max_line_size_truncate, SK_FIELD_BOOL),
    LIMIT(max_line_size_truncate_identifier, SK_FIELD_STR),
    LIMIT(increment_duplicate_timestamp, SK_FIELD_BOOL),
    LIMIT(discover_service_name, SK_FIELD_LIST),
    LIMIT(discover_log_levels, SK_FIELD_BOOL),
    LIMIT(log_level_fields, SK_FIELD_LIST),
    LIMIT(log_level_from_json_max_depth, SK_FIELD_I64),
    LIMIT(max_streams_per_user, SK_FIELD_U64),
    LIMIT(max_global_streams_per_user, SK_FIELD_U64),
    LIMIT(unordered_writes, SK_FIELD_BOOL),
    LIMIT(per_stream_rate_limit, SK_FIELD_U64),
    LIMIT(per_stream_rate_limit_burst, SK_FIELD_U64),
    LIMIT(allow_structured_metadata, SK_FIELD_BOOL),
    LIMIT(max_structured_metadata_size, SK_FIELD_U64),
    LIMIT(max_structured_metadata_entries_count, SK_FIELD_U64),
    LIMIT_NS(block_ingestion_until),
    LIMIT(block_ingestion_status_code, SK_FIELD_I64),
    LIMIT(enforced_labels, SK_FIELD_LIST),
    LIMIT_NS(retention_period),
    LIMIT(deletion_mode, SK_FIELD_STR),
    LIMIT_NS(max_query_length),
    LIMIT_NS(max_query_lookback),
    LIMIT_NS(max_query_range),
    LIMIT(max_query_series, SK_FIELD_U64),
    LIMIT(max_entries_limit_per_query, SK_FIELD_U64),
    LIMIT(max_streams_matchers_per_query, SK_FIELD_U64),
    LIMIT(max_query_bytes_read, SK_FIELD_U64),
    LIMIT(max_querier_bytes_read, SK_FIELD_U64),
    LIMIT_NS(query_timeout),
    LIMIT(max_concurrent_tail_requests, SK_FIELD_U64),
    LIMIT(volume_enabled, SK_FIELD_BOOL),
    LIMIT(volume_max_series, SK_FIELD_U64),
    LIMIT(required_labels, SK_FIELD_LIST),
    LIMIT(minimum_labels_number, SK_FIELD_U64),
    LIMIT(ruler_max_rules_per_rule_group, SK_FIELD_U64),
    LIMIT(ruler_max_rule_groups_per_tenant, SK_FIELD_U64),
    {"otlp_config.resource_attributes.ignore_defaults", SK_FIELD_BOOL,
     offsetof(struct sk_limits, otlp.ignore_defaults)},
    {"otlp_config.severity_text_as_label", SK_FIELD_BOOL,
     offsetof(struct sk_limits, otlp.severity_text_as_label)},
};

enum sk_err sk_node_texts(struct sk_arena *arena, const struct sk_config_node *list,
                          struct sk_str_list *ret)
{
    size_t count = 0, i = 0;
    for (const struct sk_config_node *child = list->first; child != NULL; child = child->next)
        count++;
    struct sk_str *items = sk_arena_calloc(arena, count + 1, sizeof(*items));
    if (items == NULL)
        return SK_ENOMEM;
    for (const struct sk_config_node *child = list->first; child != NULL; child = child->next)
        items[i++] = child->text;
    *ret = (struct sk_str_list){items, count};
    return SK_OK;
}

/* Puts a scalar that was checked into its field. */
static enum sk_err scalar_field(struct sk_arena *arena, const struct sk_config_field *field,
                                size_t key, const struct sk_config_node *node, void *at,
                                struct sk_error *reterr)
{
    struct sk_value v;
    enum sk_key_type type = sk_config_keys[key].type;
    enum sk_err err = sk_value_parse(type, node, &v, reterr);
    if (err != SK_OK)
        return err;
    uint64_t u = type == SK_KEY_BYTES ? v.u : v.i < 0 ? 0 : (uint64_t)v.i;
    uint16_t port = (uint16_t)u;
    const char *text;
    switch (field->kind) {
    case SK_FIELD_BOOL:
        memcpy(at, &v.b, sizeof(v.b));
        break;
    case SK_FIELD_I64:
        memcpy(at, &v.i, sizeof(v.i));
        break;
    case SK_FIELD_F64:
        memcpy(at, &v.f, sizeof(v.f));
        break;
    case SK_FIELD_U64:
        memcpy(at, &u, sizeof(u));
        break;
    case SK_FIELD_U16:
        if (v.i < 0 || v.i > UINT16_MAX)
            return sk_error_set(reterr, SK_EINVAL, "%s: %lld is not 0 to 65535", field->path,
                                (long long)v.i);
        memcpy(at, &port, sizeof(port));
        break;
    case SK_FIELD_STR:
        text = sk_arena_str(arena, v.s).ptr;
        if (text == NULL)
            return SK_ENOMEM;
        memcpy(at, &text, sizeof(text));
        break;
    case SK_FIELD_LIST:
        sk_assert(false);
    }
    return SK_OK;
}

enum sk_err sk_fields_load(struct sk_arena *arena, const struct sk_config_field *fields,
                           size_t count, size_t key, const struct sk_config_node *node, bool keep,
                           void *target, struct sk_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        size_t field_key = sk_key_at(key, fields[i].path);
        void *at = (char *)target + fields[i].offset;
        const struct sk_config_node *value = sk_node_at(node, fields[i].path);
        sk_assert(field_key != SK_KEY_NONE);
        sk_assert((fields[i].kind == SK_FIELD_LIST) ==
                  (sk_config_keys[field_key].type == SK_KEY_STRINGS));
        if (value == NULL && keep)
            continue;
        if (value == NULL && (value = sk_key_default_node(arena, field_key)) == NULL)
            return SK_ENOMEM;
        struct sk_str_list list;
        enum sk_err err;
        if (fields[i].kind == SK_FIELD_LIST) {
            err = sk_node_texts(arena, value, &list);
            if (err == SK_OK)
                memcpy(at, &list, sizeof(list));
        } else {
            err = scalar_field(arena, &fields[i], field_key, value, at, reterr);
        }
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}

/* ---- limits ---- */

static const struct sk_config_field stream_fields[] = {
    {"selector", SK_FIELD_STR, offsetof(struct sk_retention_stream, selector)},
    {"period", SK_FIELD_I64, offsetof(struct sk_retention_stream, period_ns)},
};

static enum sk_err retention_streams(struct sk_arena *arena, const struct sk_config_node *list,
                                     struct sk_limits *limits, struct sk_error *reterr)
{
    size_t count = 0, i = 0;
    size_t key = sk_key_at(0, "limits_config.retention_stream.[]");
    if (list == NULL)
        return SK_OK;
    for (const struct sk_config_node *child = list->first; child != NULL; child = child->next)
        count++;
    struct sk_retention_stream *streams = sk_arena_calloc(arena, count + 1, sizeof(*streams));
    if (streams == NULL)
        return SK_ENOMEM;
    for (const struct sk_config_node *child = list->first; child != NULL; child = child->next) {
        struct sk_retention_stream *s = &streams[i++];
        enum sk_err err = sk_fields_load(arena, stream_fields, SK_COUNT_OF(stream_fields), key,
                                         child, false, s, reterr);
        if (err != SK_OK)
            return err;
        struct sk_value v = {0};
        const struct sk_config_node *priority = sk_node_child(child, SK_STR("priority"));
        if (priority != NULL && (err = sk_value_parse(SK_KEY_INT, priority, &v, reterr)) != SK_OK)
            return err;
        if (v.i < INT32_MIN || v.i > INT32_MAX)
            return sk_error_set(reterr, SK_EINVAL,
                                "retention_stream: priority %lld is out of range", (long long)v.i);
        s->priority = (int32_t)v.i;
        if (s->period_ns >= SK_NS_PER_DAY)
            continue;
        struct sk_strbuf text;
        sk_strbuf_init(&text, 128);
        sk_prom_format_duration(&text, s->period_ns);
        err = sk_error_set(reterr, SK_EINVAL, "retention period must be >= 24h was %.*s",
                           SK_STR_ARG(sk_strbuf_view(&text)));
        sk_strbuf_deinit(&text);
        return err;
    }
    limits->retention_streams = streams;
    limits->retention_stream_count = count;
    return SK_OK;
}

enum sk_err sk_limits_load(struct sk_arena *arena, const struct sk_config_node *node, bool keep,
                           struct sk_limits *limits, struct sk_error *reterr)
{
    static const char *const modes[] = {"disabled", "filter-only", "filter-and-delete"};
    size_t key = sk_key_at(0, "limits_config");
    enum sk_err err = sk_fields_load(arena, limit_fields, SK_COUNT_OF(limit_fields), key, node,
                                     keep, limits, reterr);
    if (err == SK_OK)
        err = retention_streams(arena, sk_node_child(node, SK_STR("retention_stream")), limits,
                                reterr);
    if (err == SK_OK)
        err = sk_otlp_limits_load(arena, node, &limits->otlp, reterr);
    if (err != SK_OK)
        return err;
    for (size_t i = 0; i < SK_COUNT_OF(modes); i++)
        if (strcmp(limits->deletion_mode, modes[i]) == 0)
            return SK_OK;
    return sk_error_set(
        reterr, SK_EINVAL,
        "unknown deletion mode: must be one of disabled|filter-only|filter-and-delete");
}

bool sk_limits_acts(struct sk_str name)
{
    if (sk_str_is(name, "retention_stream") || sk_str_starts(name, SK_STR("otlp_config.")))
        return true;
    for (size_t i = 0; i < SK_COUNT_OF(limit_fields); i++)
        if (sk_str_is(name, limit_fields[i].path))
            return true;
    return false;
}

/* ---- the rest ---- */

#define FIELD(path, kind, name)                                                                    \
    {                                                                                              \
        path, kind, offsetof(struct sk_config, name)                                               \
    }

static const struct sk_config_field config_fields[] = {
    FIELD("target", SK_FIELD_STR, target),
    FIELD("auth_enabled", SK_FIELD_BOOL, auth_enabled),
    FIELD("server.http_listen_address", SK_FIELD_STR, http_listen_address),
    FIELD("server.http_listen_port", SK_FIELD_U16, http_listen_port),
    FIELD("server.http_listen_conn_limit", SK_FIELD_U64, http_listen_conn_limit),
    FIELD("server.http_server_read_timeout", SK_FIELD_I64, http_server_read_timeout_ns),
    FIELD("server.http_server_write_timeout", SK_FIELD_I64, http_server_write_timeout_ns),
    FIELD("server.http_server_idle_timeout", SK_FIELD_I64, http_server_idle_timeout_ns),
    FIELD("server.http_path_prefix", SK_FIELD_STR, http_path_prefix),
    FIELD("server.http_tls_config.cert", SK_FIELD_STR, tls_cert),
    FIELD("server.http_tls_config.key", SK_FIELD_STR, tls_key),
    FIELD("server.http_tls_config.client_ca", SK_FIELD_STR, tls_client_ca),
    FIELD("server.http_tls_config.cert_file", SK_FIELD_STR, tls_cert_file),
    FIELD("server.http_tls_config.key_file", SK_FIELD_STR, tls_key_file),
    FIELD("server.http_tls_config.client_ca_file", SK_FIELD_STR, tls_client_ca_file),
    FIELD("server.http_tls_config.client_auth_type", SK_FIELD_STR, tls_client_auth_type),
    FIELD("server.tls_min_version", SK_FIELD_STR, tls_min_version),
    FIELD("server.tls_cipher_suites", SK_FIELD_STR, tls_cipher_suites),
    FIELD("server.graceful_shutdown_timeout", SK_FIELD_I64, graceful_shutdown_timeout_ns),
    FIELD("server.log_level", SK_FIELD_STR, log_level),
    FIELD("server.log_format", SK_FIELD_STR, log_format),
    FIELD("ingester.chunk_idle_period", SK_FIELD_I64, chunk_idle_period_ns),
    FIELD("ingester.max_chunk_age", SK_FIELD_I64, max_chunk_age_ns),
    FIELD("ingester.chunk_retain_period", SK_FIELD_I64, chunk_retain_period_ns),
    FIELD("ingester.flush_check_period", SK_FIELD_I64, flush_check_period_ns),
    FIELD("ingester.sync_period", SK_FIELD_I64, sync_period_ns),
    FIELD("ingester.sync_min_utilization", SK_FIELD_F64, sync_min_utilization),
    FIELD("ingester.chunk_block_size", SK_FIELD_U64, chunk_block_size),
    FIELD("ingester.chunk_target_size", SK_FIELD_U64, chunk_target_size),
    FIELD("ingester.chunk_encoding", SK_FIELD_STR, chunk_encoding),
    FIELD("ingester.max_returned_stream_errors", SK_FIELD_U64, max_returned_stream_errors),
    FIELD("ingester.wal.enabled", SK_FIELD_BOOL, wal_enabled),
    FIELD("ingester.wal.dir", SK_FIELD_STR, wal_dir),
    FIELD("ingester.wal.flush_on_shutdown", SK_FIELD_BOOL, wal_flush_on_shutdown),
    FIELD("ingester.wal.replay_memory_ceiling", SK_FIELD_U64, wal_replay_memory_ceiling),
    FIELD("ingester.wal.disk_full_threshold", SK_FIELD_F64, wal_disk_full_threshold),
    FIELD("distributor.max_recv_msg_size", SK_FIELD_U64, max_recv_msg_size),
    FIELD("distributor.max_decompressed_size", SK_FIELD_U64, max_decompressed_size),
    FIELD("distributor.otlp_config.default_resource_attributes_as_index_labels", SK_FIELD_LIST,
          otlp_label_attributes),
    FIELD("querier.query_ingesters_within", SK_FIELD_I64, query_ingesters_within_ns),
    FIELD("querier.tail_max_duration", SK_FIELD_I64, tail_max_duration_ns),
    FIELD("querier.multi_tenant_queries_enabled", SK_FIELD_BOOL, multi_tenant_queries_enabled),
    FIELD("frontend.compress_responses", SK_FIELD_BOOL, compress_responses),
    FIELD("compactor.retention_enabled", SK_FIELD_BOOL, retention_enabled),
    FIELD("compactor.working_directory", SK_FIELD_STR, compactor_working_directory),
    FIELD("pattern_ingester.enabled", SK_FIELD_BOOL, pattern_ingester_enabled),
    FIELD("runtime_config.file", SK_FIELD_STR, runtime_config_file),
    FIELD("runtime_config.period", SK_FIELD_I64, runtime_config_period_ns),
    FIELD("common.path_prefix", SK_FIELD_STR, path_prefix),
    FIELD("storage_config.filesystem.directory", SK_FIELD_STR, chunks_directory),
    FIELD("ruler.storage.local.directory", SK_FIELD_STR, rules_directory),
    FIELD("ruler.storage.type", SK_FIELD_STR, ruler_storage_type),
    FIELD("ruler.enable_api", SK_FIELD_BOOL, ruler_enable_api),
    FIELD("ruler.evaluation_interval", SK_FIELD_I64, ruler_evaluation_interval_ns),
    FIELD("ruler_storage.backend", SK_FIELD_STR, ruler_storage_backend),
    FIELD("ruler_storage.local.directory", SK_FIELD_STR, ruler_storage_local_directory),
    FIELD("storage_config.use_thanos_objstore", SK_FIELD_BOOL, use_thanos_objstore),
    FIELD("storage_config.tsdb_shipper.active_index_directory", SK_FIELD_STR,
          active_index_directory),
    FIELD("storage_config.tsdb_shipper.cache_location", SK_FIELD_STR, cache_location),
};

/* Read elsewhere in this folder: blocks, lists, and keys that only derive others. */
static const char *const acting[] = {
    "schema_config",
    "limits_config.per_tenant_override_config",
    "limits_config.per_tenant_override_period",
    "common.storage.filesystem",
    "compactor.delete_request_store",
    "storage_config.object_store.filesystem",
};

enum sk_err sk_config_fields_load(struct sk_config *config, struct sk_error *reterr)
{
    return sk_fields_load(&config->arena, config_fields, SK_COUNT_OF(config_fields), 0,
                          config->root, false, config, reterr);
}

bool sk_config_acts(const char *path)
{
    struct sk_str p = sk_str_from(path), limits = SK_STR("limits_config.");
    for (size_t i = 0; i < SK_COUNT_OF(config_fields); i++)
        if (sk_str_is(p, config_fields[i].path))
            return true;
    for (size_t i = 0; i < SK_COUNT_OF(acting); i++) {
        struct sk_str a = sk_str_from(acting[i]);
        if (sk_str_starts(p, a) && (p.len == a.len || p.ptr[a.len] == '.'))
            return true;
    }
    return sk_str_starts(p, limits) &&
           sk_limits_acts((struct sk_str){p.ptr + limits.len, p.len - limits.len});
}
