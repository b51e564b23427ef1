/* SPDX-License-Identifier: Apache-2.0 */
/* config.h -- the effective configuration: defaults < YAML file < flags.
 *
 * Every key of Loki 3.7's YAML is known (keys.tsv, built in); those that act here are fields below,
 * the others are accepted, with a warning where a user would expect an effect. skald's own settings
 * are flags -skald.* and variables SKALD_* only, so that the file stays legal for Loki.
 *
 * Times are ns, sizes bytes, texts NUL-terminated and owned by the config's arena. A config is
 * immutable after loading; per-tenant limits come from sk_config_limits().
 * Threads: immutable, so any; the overrides are swapped under a lock. */
#ifndef SK_CONFIG_CONFIG_H
#define SK_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "labels/attr_rule.h"

struct sk_config_overrides; /* opaque: the runtime file */
struct sk_config_node;      /* opaque: the document in memory */

struct sk_str_list {
    const struct sk_str *items;
    size_t count;
};

struct sk_retention_stream {
    const char *selector;
    int64_t period_ns;
    int32_t priority;
};

struct sk_otlp_limits {   /* what becomes of attributes, and of severity_text */
    bool ignore_defaults; /* otlp_label_attributes is not for this tenant */
    bool severity_text_as_label;
    struct sk_attr_rules resource_rules, scope_rules, log_rules;
};

struct sk_limits {                                     /* limits_config; names as in the YAML */
    double ingestion_rate_mb, ingestion_burst_size_mb; /* MiB/s, MiB */
    uint64_t max_label_name_length, max_label_value_length, max_label_names_per_series;
    bool reject_old_samples;
    int64_t reject_old_samples_max_age_ns, creation_grace_period_ns;
    uint64_t max_line_size; /* 0: no limit */
    bool max_line_size_truncate;
    const char *max_line_size_truncate_identifier;
    bool increment_duplicate_timestamp;
    struct sk_str_list discover_service_name;
    struct sk_otlp_limits otlp;
    bool discover_log_levels;
    struct sk_str_list log_level_fields;
    int64_t log_level_from_json_max_depth;
    uint64_t max_streams_per_user, max_global_streams_per_user;
    bool unordered_writes;
    uint64_t per_stream_rate_limit, per_stream_rate_limit_burst; /* bytes/s, bytes */
    bool allow_structured_metadata;
    uint64_t max_structured_metadata_size, max_structured_metadata_entries_count;
    int64_t block_ingestion_until_ns; /* 0: off */
    int64_t block_ingestion_status_code;
    struct sk_str_list enforced_labels;
    int64_t retention_period_ns; /* 0: for ever */
    const struct sk_retention_stream *retention_streams;
    size_t retention_stream_count;
    const char *deletion_mode;
    int64_t max_query_length_ns, max_query_lookback_ns, max_query_range_ns;
    uint64_t max_query_series, max_entries_limit_per_query, max_streams_matchers_per_query;
    uint64_t max_query_bytes_read, max_querier_bytes_read;
    int64_t query_timeout_ns;
    uint64_t max_concurrent_tail_requests;
    bool volume_enabled;
    uint64_t volume_max_series;
    struct sk_str_list required_labels;
    uint64_t minimum_labels_number;
    uint64_t ruler_max_rules_per_rule_group, ruler_max_rule_groups_per_tenant; /* 0: no limit */
};

struct sk_schema_period {
    int64_t from_day; /* days since 1970-01-01 */
    unsigned schema;  /* 11, 12, 13 */
    const char *store, *object_store;
    const char *index_prefix, *index_path_prefix; /* "index_", "index/" */
};

struct sk_config_own {  /* one of skald's own settings, for -config.explain */
    const char *flag;   /* without '-' */
    const char *text;   /* as given, or the default */
    const char *origin; /* the flag, or the variable SKALD_...; NULL: neither was given */
};

#define SK_CONFIG_OWN_COUNT 6

struct sk_config {
    struct sk_arena arena;
    const char *target;
    bool auth_enabled;
    /* server */
    const char *http_listen_address;
    uint16_t http_listen_port;
    uint64_t http_listen_conn_limit;
    int64_t http_server_read_timeout_ns, http_server_write_timeout_ns, http_server_idle_timeout_ns;
    const char *http_path_prefix;
    /* http_tls_config; PEM in place or names of files, "": not given */
    const char *tls_cert, *tls_key, *tls_client_ca;
    const char *tls_cert_file, *tls_key_file, *tls_client_ca_file, *tls_client_auth_type;
    const char *tls_min_version, *tls_cipher_suites;
    int64_t graceful_shutdown_timeout_ns;
    const char *log_level, *log_format;
    /* paths, resolved */
    const char *path_prefix, *chunks_directory, *rules_directory, *wal_dir;
    const char *active_index_directory, *cache_location, *compactor_working_directory;
    struct sk_schema_period *periods; /* ascending by from_day, at least one */
    size_t period_count;
    /* ingester */
    int64_t chunk_idle_period_ns, max_chunk_age_ns, chunk_retain_period_ns, flush_check_period_ns;
    int64_t sync_period_ns;
    double sync_min_utilization;
    uint64_t chunk_block_size, chunk_target_size;
    const char *chunk_encoding; /* a name of codec.h; "zstd" where the YAML names none */
    uint64_t max_returned_stream_errors;
    bool wal_enabled, wal_flush_on_shutdown;
    uint64_t wal_replay_memory_ceiling;
    double wal_disk_full_threshold;
    /* distributor, querier, compactor, runtime */
    uint64_t max_recv_msg_size, max_decompressed_size;
    struct sk_str_list otlp_label_attributes; /* of resources: labels, before any rule is asked */
    int64_t query_ingesters_within_ns, tail_max_duration_ns;
    bool multi_tenant_queries_enabled, compress_responses, retention_enabled;
    bool pattern_ingester_enabled;
    /* ruler */
    bool ruler_enable_api, use_thanos_objstore;
    const char *ruler_storage_type, *ruler_storage_backend, *ruler_storage_local_directory;
    int64_t ruler_evaluation_interval_ns;
    const char *runtime_config_file;
    int64_t runtime_config_period_ns;
    struct sk_limits limits; /* defaults for every tenant */
    /* skald's own: flags -skald.NAME, variables SKALD_NAME */
    uint64_t memory_limit;   /* -skald.memory-limit, bytes; 0: from cgroup or RAM */
    const char *wal_sync;    /* -skald.wal-sync: always | interval:<dur> | os */
    int64_t wal_sync_gap_ns; /* -skald.wal-sync-gap, 100ms */
    uint64_t wal_budget;     /* -skald.wal-budget, 512 MiB: flush early when the log grows beyond */
    uint64_t workers;        /* -skald.workers; 0: one per CPU */
    const char *users_file;  /* -skald.users-file; NULL: everybody may do everything */
    /* what the command line asked for instead of serving */
    bool verify_config, print_config_stderr, explain, version, help, list_targets;
    bool log_config_reverse_order;
    const char *config_file;           /* the file that was read; NULL: none, built-in settings */
    const struct sk_config_node *root; /* all that was given, for sk_config_print() */
    const char *unexpanded; /* its text before -config.expand-env; NULL: as it was read */
    struct sk_config_own own[SK_CONFIG_OWN_COUNT];
    const char *const *warnings; /* one line each, for the log */
    size_t warning_count;
};

/* Reads argv as Loki does (-flag=value, -flag value, --flag), the file it names and the
 * environment. On success *ret_config is filled. reterr texts are Loki's
 * (docs/COMPATIBILITY.md), one or more lines. *ret_exit is the exit status Loki would use: 2 for
 * flag errors, 1 for the rest. */
SK_MUST_CHECK enum sk_err sk_config_load(int argc, char **argv, struct sk_config *ret_config,
                                         int *ret_exit, struct sk_error *reterr);
void sk_config_deinit(struct sk_config *config);

/* The effective YAML, as /config and -print-config-stderr show it; secrets are masked. */
void sk_config_print(const struct sk_config *config, struct sk_strbuf *out);

/* -config.explain: a line for each setting that acts or was given, with where its value comes from:
 * default, file and line, flag, variable, or skald's choice. Secrets are masked. */
void sk_config_explain(const struct sk_config *config, struct sk_strbuf *out);

/* -help. */
void sk_config_help(struct sk_strbuf *out);

/* ---- per-tenant limits (runtime_config.file) ---- */

/* Loads the file; NULL when none is configured. A missing or invalid file is an error at the
 * start. */
SK_MUST_CHECK enum sk_err sk_config_overrides_create(const struct sk_config *config,
                                                     struct sk_config_overrides **ret_overrides,
                                                     struct sk_error *reterr);
void sk_config_overrides_destroy(struct sk_config_overrides *overrides);
/* Reads the file again when it has changed; a bad new version is refused and the old one kept. */
SK_MUST_CHECK enum sk_err sk_config_overrides_reload(struct sk_config_overrides *overrides,
                                                     struct sk_error *reterr);

/* The limits of a tenant: borrowed, valid until the config is freed (old versions are kept as
 * long). `overrides` may be NULL. Any thread. */
const struct sk_limits *sk_config_limits(const struct sk_config *config,
                                         const struct sk_config_overrides *overrides,
                                         struct sk_str tenant);

#endif
