/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the way from argv and files to struct sk_config: real files load, defaults hold, flags
 * win, every fault is named in Loki's words, and what /config prints loads again. */
#include "lib/testlib.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/gotext.h"
#include "config/config_int.h"

#define HINT                                                                                       \
    ". Use `-config.expand-env=true` flag if you want to expand environment variables in your "    \
    "config file"

static char *folder;   /* of this test */
static char file[512]; /* in it */

static const char minimal[] = "common: {path_prefix: /data}\n"
                              "schema_config:\n"
                              "  configs:\n"
                              "    - {from: 2024-04-01, store: tsdb, object_store: filesystem, "
                              "schema: v13, index: {prefix: index_, period: 24h}}\n";

#define ARGS_MAX 16

/* Loads with the flags in `args` (NULL-ended; may be NULL). */
static enum sk_err load(const char *path, const char *const *args, struct sk_config *ret,
                        int *ret_exit, struct sk_error *why)
{
    static char program[] = "skald", flag[600];
    char *argv[ARGS_MAX + 3] = {program};
    int argc = 1;
    if (path != NULL) {
        snprintf(flag, sizeof(flag), "-config.file=%s", path);
        argv[argc++] = flag;
    }
    for (size_t i = 0; args != NULL && args[i] != NULL; i++) {
        assert_true(i < ARGS_MAX);
        argv[argc] = sk_memdup0(args[i], strlen(args[i]));
        assert_non_null(argv[argc++]);
    }
    enum sk_err err = sk_config_load(argc, argv, ret, ret_exit, why);
    for (int i = path != NULL ? 2 : 1; i < argc; i++)
        sk_free(argv[i]);
    return err;
}

static void load_good(const char *path, const char *const *args, struct sk_config *ret)
{
    struct sk_error why = {.text = ""};
    int status = -1;
    if (load(path, args, ret, &status, &why) != SK_OK)
        fail_msg("%s: %s", path, why.text);
}

static const char *write_file(const char *text)
{
    testlib_write(file, text, strlen(text));
    return file;
}

/* minimal + `text` is refused with `want`, where FILE stands for the file's name. */
static void refused(const char *before, const char *text, const char *want)
{
    struct sk_config config;
    struct sk_error why = {.text = ""};
    struct sk_strbuf all, expected;
    int status = -1;
    sk_strbuf_init(&all, 1 << 20);
    sk_strbuf_init(&expected, 1 << 20);
    sk_strbuf_puts(&all, before);
    sk_strbuf_puts(&all, text);
    sk_strbuf_putc(&all, '\0');
    const char *name = strstr(want, "FILE");
    sk_strbuf_add(&expected, want, name == NULL ? strlen(want) : (size_t)(name - want));
    if (name != NULL)
        sk_strbuf_printf(&expected, "%s%s", file, name + 4);
    if (load(write_file(all.ptr), NULL, &config, &status, &why) == SK_OK)
        fail_msg("accepted: %s", text);
    assert_int_equal(status, 1);
    if (strncmp(why.text, expected.ptr, expected.len) != 0)
        fail_msg("got:\n%s\nwant:\n%s", why.text, expected.ptr);
    sk_strbuf_deinit(&expected);
    sk_strbuf_deinit(&all);
}

/* ---- what loads ---- */

static void files_of_helm_and_tests_load(void **state)
{
    (void)state;
    static const char *const names[] = {"helm", "helm-community", "minimal", "no-prefix",
                                        "v11",  "v12-then-v13"};
    for (size_t i = 0; i < SK_COUNT_OF(names); i++) {
        char path[64];
        struct sk_config c;
        snprintf(path, sizeof(path), "golden/config/%s.yaml", names[i]);
        load_good(testlib_path(path), NULL, &c);
        if (c.warning_count != 0)
            fail_msg("%s: %s", names[i], c.warnings[0]);
        sk_config_deinit(&c);
    }
}

static void helm_file_means_what_it_says(void **state)
{
    (void)state;
    struct sk_config c;
    load_good(testlib_path("golden/config/helm.yaml"), NULL, &c);
    assert_false(c.auth_enabled);
    assert_string_equal(c.path_prefix, "/var/loki");
    assert_string_equal(c.chunks_directory, "/var/loki/chunks");
    assert_string_equal(c.rules_directory, "/var/loki/rules");
    assert_string_equal(c.wal_dir, "/var/loki/wal");
    assert_string_equal(c.active_index_directory, "/var/loki/tsdb-shipper-active");
    assert_string_equal(c.cache_location, "/var/loki/tsdb-shipper-cache");
    assert_string_equal(c.compactor_working_directory, "/var/loki/compactor");
    assert_string_equal(c.runtime_config_file, "/etc/loki/runtime-config/runtime-config.yaml");
    assert_int_equal(c.runtime_config_period_ns, 10 * SK_NS_PER_S);
    assert_int_equal(c.http_listen_port, 3100);
    assert_int_equal(c.http_server_read_timeout_ns, 600 * SK_NS_PER_S);
    assert_int_equal(c.limits.query_timeout_ns, 300 * SK_NS_PER_S);
    assert_int_equal(c.limits.reject_old_samples_max_age_ns, 7 * SK_NS_PER_DAY);
    assert_int_equal(c.period_count, 1);
    assert_int_equal(c.periods[0].from_day, 19814);
    assert_int_equal(c.periods[0].schema, 13);
    assert_string_equal(c.periods[0].index_prefix, "loki_index_");
    assert_string_equal(c.periods[0].index_path_prefix, "index/");
    assert_string_equal(c.chunk_encoding, "zstd");
    sk_config_deinit(&c);
}

static void environment_expands_in_the_conformance_file(void **state)
{
    (void)state;
    struct sk_config c;
    static const char *const args[] = {"-config.expand-env=true", NULL};
    setenv("CONFORMANCE_DATA_DIR", "/some/where", 1);
    setenv("CONFORMANCE_HTTP_PORT", "13100", 1);
    load_good(testlib_path("golden/config/conformance.yaml"), args, &c);
    assert_true(c.auth_enabled);
    assert_int_equal(c.http_listen_port, 13100);
    assert_string_equal(c.http_listen_address, "127.0.0.1");
    assert_string_equal(c.chunks_directory, "/some/where/chunks");
    assert_string_equal(c.log_level, "warn");
    assert_false(c.limits.reject_old_samples);
    assert_false(c.wal_flush_on_shutdown);
    assert_int_equal(c.query_ingesters_within_ns, 0);
    sk_config_deinit(&c);
}

static void folders_without_prefix_give_one(void **state)
{
    (void)state;
    struct sk_config c;
    load_good(testlib_path("golden/config/no-prefix.yaml"), NULL, &c);
    assert_string_equal(c.path_prefix, "/loki");
    assert_string_equal(c.chunks_directory, "/loki/chunks");
    assert_string_equal(c.active_index_directory, "/loki/index");
    assert_string_equal(c.rules_directory, "/loki/rules");
    assert_string_equal(c.chunk_encoding, "snappy");
    sk_config_deinit(&c);
}

static void older_schemas_load_without_structured_metadata(void **state)
{
    (void)state;
    struct sk_config c;
    load_good(testlib_path("golden/config/v12-then-v13.yaml"), NULL, &c);
    assert_int_equal(c.period_count, 2);
    assert_int_equal(c.periods[0].schema, 12);
    assert_int_equal(c.periods[1].schema, 13);
    assert_int_equal(c.periods[1].from_day, 20250);
    assert_int_equal(c.limits.max_query_length_ns, 0);
    sk_config_deinit(&c);
}

static void defaults_are_lokis(void **state)
{
    (void)state;
    struct sk_config c;
    load_good(testlib_path("golden/config/minimal.yaml"), NULL, &c);
    assert_true(c.auth_enabled);
    assert_string_equal(c.target, "all");
    assert_string_equal(c.http_listen_address, "");
    assert_int_equal(c.http_server_idle_timeout_ns, 120 * SK_NS_PER_S);
    assert_int_equal(c.graceful_shutdown_timeout_ns, 30 * SK_NS_PER_S);
    assert_string_equal(c.log_level, "info");
    assert_string_equal(c.log_format, "logfmt");
    assert_int_equal(c.chunk_idle_period_ns, 30 * SK_NS_PER_MIN);
    assert_int_equal(c.max_chunk_age_ns, 2 * SK_NS_PER_HOUR);
    assert_int_equal(c.chunk_retain_period_ns, 0);
    assert_int_equal(c.flush_check_period_ns, 30 * SK_NS_PER_S);
    assert_int_equal(c.sync_period_ns, SK_NS_PER_HOUR);
    assert_true(c.sync_min_utilization == 0.1);
    assert_int_equal(c.chunk_block_size, 262144);
    assert_int_equal(c.chunk_target_size, 1572864);
    assert_int_equal(c.max_returned_stream_errors, 10);
    assert_true(c.wal_enabled);
    assert_int_equal(c.wal_replay_memory_ceiling, UINT64_C(4) << 30);
    assert_true(c.wal_disk_full_threshold == 0.9);
    assert_int_equal(c.max_recv_msg_size, 104857600);
    assert_int_equal(c.max_decompressed_size, INT64_C(5242880000));
    assert_int_equal(c.query_ingesters_within_ns, 3 * SK_NS_PER_HOUR);
    assert_false(c.retention_enabled);
    assert_false(c.pattern_ingester_enabled);
    assert_string_equal(c.runtime_config_file, "");
    assert_string_equal(c.wal_sync, "always");
    assert_int_equal(c.wal_sync_gap_ns, 100 * SK_NS_PER_MS);
    assert_int_equal(c.wal_budget, 512u << 20);
    assert_int_equal(c.memory_limit, 0);
    assert_int_equal(c.workers, 0);
    sk_config_deinit(&c);
}

static void default_limits_are_lokis(void **state)
{
    (void)state;
    struct sk_config c;
    load_good(testlib_path("golden/config/minimal.yaml"), NULL, &c);
    const struct sk_limits *l = &c.limits;
    assert_true(l->ingestion_rate_mb == 4 && l->ingestion_burst_size_mb == 6);
    assert_int_equal(l->max_label_name_length, 1024);
    assert_int_equal(l->max_label_value_length, 2048);
    assert_int_equal(l->max_label_names_per_series, 15);
    assert_true(l->reject_old_samples && l->discover_log_levels && l->unordered_writes);
    assert_int_equal(l->reject_old_samples_max_age_ns, 7 * SK_NS_PER_DAY);
    assert_int_equal(l->creation_grace_period_ns, 10 * SK_NS_PER_MIN);
    assert_int_equal(l->max_line_size, 262144);
    assert_string_equal(l->max_line_size_truncate_identifier, "");
    assert_int_equal(l->discover_service_name.count, 13);
    assert_str(l->discover_service_name.items[0], "service");
    assert_str(l->discover_service_name.items[12], "k8s_job_name");
    assert_int_equal(l->log_level_fields.count, 14);
    assert_int_equal(l->log_level_from_json_max_depth, 2);
    assert_int_equal(l->max_global_streams_per_user, 5000);
    assert_int_equal(l->per_stream_rate_limit, 3u << 20);
    assert_int_equal(l->per_stream_rate_limit_burst, 15u << 20);
    assert_true(l->allow_structured_metadata);
    assert_int_equal(l->max_structured_metadata_size, 65536);
    assert_int_equal(l->max_structured_metadata_entries_count, 128);
    assert_int_equal(l->block_ingestion_until_ns, 0);
    assert_int_equal(l->block_ingestion_status_code, 260);
    assert_int_equal(l->enforced_labels.count, 0);
    assert_int_equal(l->retention_period_ns, 0);
    assert_string_equal(l->deletion_mode, "filter-and-delete");
    assert_int_equal(l->max_query_length_ns, 721 * SK_NS_PER_HOUR);
    assert_int_equal(l->max_query_series, 500);
    assert_int_equal(l->max_entries_limit_per_query, 5000);
    assert_int_equal(l->max_streams_matchers_per_query, 1000);
    assert_int_equal(l->max_query_bytes_read, 0);
    assert_int_equal(l->max_querier_bytes_read, UINT64_C(150) << 30);
    assert_int_equal(l->query_timeout_ns, SK_NS_PER_MIN);
    assert_int_equal(l->max_concurrent_tail_requests, 10);
    assert_true(l->volume_enabled);
    assert_int_equal(l->volume_max_series, 1000);
    sk_config_deinit(&c);
}

static void without_a_file_one_node_runs_below_the_current_folder(void **state)
{
    (void)state;
    struct sk_config c;
    char cwd[400], want[512];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    assert_int_equal(chdir(folder), 0);
    load_good(NULL, NULL, &c);
    assert_int_equal(chdir(cwd), 0);
    snprintf(want, sizeof(want), "%s/skald-data", folder);
    assert_null(c.config_file);
    assert_false(c.auth_enabled);
    assert_string_equal(c.path_prefix, want);
    assert_int_equal(c.http_listen_port, 3100);
    assert_int_equal(c.periods[0].from_day, 19723);
    assert_string_equal(c.periods[0].index_prefix, "index_");
    assert_int_equal(c.warning_count, 0);
    sk_config_deinit(&c);
}

static void null_means_not_given(void **state)
{
    (void)state;
    struct sk_config c;
    char text[1024];
    snprintf(text, sizeof(text),
             "%sserver:\nlimits_config:\ningester: {wal: , chunk_encoding: null}\nquerier: ~\n",
             minimal);
    load_good(write_file(text), NULL, &c);
    assert_int_equal(c.http_listen_port, 3100);
    assert_string_equal(c.wal_dir, "/data/wal");
    assert_string_equal(c.chunk_encoding, "zstd");
    assert_int_equal(c.limits.max_query_series, 500);
    sk_config_deinit(&c);
}

/* ---- flags ---- */

static void flags_win_over_the_file(void **state)
{
    (void)state;
    struct sk_config c;
    static const char *const args[] = {"-server.http-listen-port=13156",
                                       "--auth.enabled=false",
                                       "-querier.multi-tenant-queries-enabled",
                                       "-ingester.chunk-encoding",
                                       "gzip",
                                       "-validation.reject-old-samples=F",
                                       "-validation.discover-service-name=a",
                                       "-validation.discover-service-name=b",
                                       "-querier.query-timeout=2m",
                                       "-distributor.max-line-size=1MB",
                                       "-ingester.chunks-idle-period=1.5m",
                                       "-distributor.ingestion-rate-limit-mb=0x1p3",
                                       "-log.level=debug",
                                       "words",
                                       "-end=the flags",
                                       NULL};
    char text[1024];
    snprintf(text, sizeof(text),
             "%sserver: {http_listen_port: 1}\nlimits_config: {max_line_size: 5}\n", minimal);
    load_good(write_file(text), args, &c);
    assert_int_equal(c.http_listen_port, 13156);
    assert_false(c.auth_enabled);
    assert_true(c.multi_tenant_queries_enabled);
    assert_string_equal(c.chunk_encoding, "gzip");
    assert_false(c.limits.reject_old_samples);
    assert_int_equal(c.limits.discover_service_name.count, 2);
    assert_str(c.limits.discover_service_name.items[1], "b");
    assert_int_equal(c.limits.query_timeout_ns, 2 * SK_NS_PER_MIN);
    assert_int_equal(c.limits.max_line_size, 1u << 20);
    assert_int_equal(c.chunk_idle_period_ns, 90 * SK_NS_PER_S);
    assert_true(c.limits.ingestion_rate_mb == 8);
    assert_string_equal(c.log_level, "debug");
    sk_config_deinit(&c);
}

static void what_is_asked_besides_serving_is_seen(void **state)
{
    (void)state;
    struct sk_config c;
    static const char *const args[] = {"-verify-config", "-print-config-stderr=true",
                                       "-log-config-reverse-order", "-list-targets", NULL};
    static const char *const version[] = {"-version", NULL};
    static const char *const help[] = {"-h", NULL};
    load_good(testlib_path("golden/config/minimal.yaml"), args, &c);
    assert_true(c.verify_config && c.print_config_stderr && c.log_config_reverse_order);
    assert_true(c.list_targets && !c.version && !c.help);
    sk_config_deinit(&c);
    load_good("nope.yaml", version, &c);
    assert_true(c.version);
    sk_config_deinit(&c);
    load_good("nope.yaml", help, &c);
    assert_true(c.help);
    sk_config_deinit(&c);
}

static void bad_flags_exit_with_2_in_gos_words(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *want;
    } cases[] = {
        {"-foo", NULL,
         "flag provided but not defined: -foo\nRun with -help to get list of available parameters"},
        {"-log.level=foo", NULL,
         "invalid value \"foo\" for flag -log.level: unrecognized log level \"foo\""},
        {"-server.http-listen-port=abc", NULL,
         "invalid value \"abc\" for flag -server.http-listen-port: parse error"},
        {"-auth.enabled=maybe", NULL,
         "invalid boolean value \"maybe\" for -auth.enabled: parse error"},
        {"-version=maybe", NULL, "invalid boolean value \"maybe\" for -version: parse error"},
        {"-ingester.max-chunk-age", "5",
         "invalid value \"5\" for flag -ingester.max-chunk-age: parse error"},
        {"-querier.query-timeout", "1.5h",
         "invalid value \"1.5h\" for flag -querier.query-timeout: unknown unit \".\" in duration "
         "\"1.5h\""},
        {"-distributor.max-line-size=1XB", NULL,
         "invalid value \"1XB\" for flag -distributor.max-line-size: strconv.UnmarshalText: "
         "parsing \"1XB\": invalid syntax"},
        {"-server.http-listen-address", NULL,
         "flag needs an argument: -server.http-listen-address"},
        {"-=x", NULL, "bad flag syntax: -=x"},
        {"---x", NULL, "bad flag syntax: ---x"},
        {"-skald.workers=x", NULL,
         "invalid value \"x\" for flag -skald.workers: must be 0 to 1024"},
        {"-skald.wal-sync=never", NULL,
         "invalid value \"never\" for flag -skald.wal-sync: must be always, interval:<duration> or "
         "os"},
        {"-skald.wal-sync-gap=2s", NULL,
         "invalid value \"2s\" for flag -skald.wal-sync-gap: must be 0s to 1s"},
        {"-skald.memory-limit=lots", NULL,
         "invalid value \"lots\" for flag -skald.memory-limit: strconv.UnmarshalText: parsing "
         "\"lots\": invalid syntax"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        const char *const args[] = {cases[i].a, cases[i].b, NULL};
        struct sk_config c;
        struct sk_error why = {.text = ""};
        int status = -1;
        if (load(testlib_path("golden/config/minimal.yaml"), args, &c, &status, &why) == SK_OK)
            fail_msg("accepted: %s", cases[i].a);
        assert_string_equal(why.text, cases[i].want);
        assert_int_equal(status, 2);
    }
}

static void own_settings_come_from_flags_then_variables(void **state)
{
    (void)state;
    struct sk_config c;
    static const char *const args[] = {"-skald.memory-limit=256MiB", "-skald.wal-sync=interval:1s",
                                       "-skald.workers", "3", NULL};
    setenv("SKALD_MEMORY_LIMIT", "1GB", 1);
    setenv("SKALD_WAL_SYNC", "os", 1);
    setenv("SKALD_WAL_SYNC_GAP", "5ms", 1);
    setenv("SKALD_WAL_BUDGET", "64MB", 1);
    setenv("SKALD_WORKERS", "2", 1);
    load_good(testlib_path("golden/config/minimal.yaml"), NULL, &c);
    assert_int_equal(c.memory_limit, 1u << 30);
    assert_string_equal(c.wal_sync, "os");
    assert_int_equal(c.wal_sync_gap_ns, 5 * SK_NS_PER_MS);
    assert_int_equal(c.wal_budget, 64u << 20);
    assert_int_equal(c.workers, 2);
    sk_config_deinit(&c);
    load_good(testlib_path("golden/config/minimal.yaml"), args, &c);
    assert_int_equal(c.memory_limit, 256u << 20);
    assert_string_equal(c.wal_sync, "interval:1s");
    assert_int_equal(c.workers, 3);
    sk_config_deinit(&c);
    setenv("SKALD_WORKERS", "many", 1);
    struct sk_error why;
    int status;
    assert_int_not_equal(load(testlib_path("golden/config/minimal.yaml"), NULL, &c, &status, &why),
                         SK_OK);
    assert_string_equal(why.text,
                        "invalid value \"many\" for variable SKALD_WORKERS: must be 0 to 1024");
    assert_int_equal(status, 2);
    unsetenv("SKALD_MEMORY_LIMIT");
    unsetenv("SKALD_WAL_SYNC");
    unsetenv("SKALD_WAL_SYNC_GAP");
    unsetenv("SKALD_WAL_BUDGET");
    unsetenv("SKALD_WORKERS");
}

static void the_first_file_that_exists_is_read(void **state)
{
    (void)state;
    struct sk_config c;
    struct sk_error why;
    int status;
    char list[1200];
    write_file(minimal);
    snprintf(list, sizeof(list), "nope.yaml,%s,other.yaml", file);
    load_good(list, NULL, &c);
    assert_string_equal(c.config_file, file);
    sk_config_deinit(&c);
    assert_int_equal(load("nope.yaml", NULL, &c, &status, &why), SK_ENOENT);
    assert_string_equal(why.text, "failed parsing config: nope.yaml does not exist, set "
                                  "config.file for custom config path");
    assert_int_equal(status, 1);
    assert_int_not_equal(load(folder, NULL, &c, &status, &why), SK_OK);
}

/* ---- what is refused ---- */

static void faults_of_yaml_are_named_as_in_loki(void **state)
{
    (void)state;
#define BAD "failed parsing config: FILE: "
    refused("", "auth_enabled: true\n\nfoo: 1\n",
            BAD "yaml: unmarshal errors:\n  line 3: field foo not found in type "
                "loki.ConfigWrapper" HINT);
    refused("", "ingester:\n  wal:\n    foo: 1\n",
            BAD "yaml: unmarshal errors:\n  line 3: field foo not found in type "
                "ingester.WALConfig" HINT);
    refused("", "schema_config: {configs: [{form: 2024-01-01}]}\n",
            BAD "yaml: unmarshal errors:\n  line 1: field form not found in type "
                "config.PeriodConfig" HINT "\nhint: did you mean from?");
    refused("", "limits_config: {retention_perod: 1h}\nfoo: 2\n",
            BAD "yaml: unmarshal errors:\n  line 2: field foo not found in type "
                "loki.ConfigWrapper\n  line 1: field retention_perod not found in type "
                "validation.plain" HINT "\nhint: did you mean retention_period?");
    refused("", "http_listen_port: 80\n",
            BAD "yaml: unmarshal errors:\n  line 1: field http_listen_port not found in type "
                "loki.ConfigWrapper" HINT "\nhint: did you mean server.http_listen_port?");
    refused("", "server: {}\nserver: {}\n",
            BAD "yaml: unmarshal errors:\n  line 2: field server already set in type "
                "loki.ConfigWrapper" HINT);
    refused("", "ingester: {chunk_idle_period: abc}\n",
            BAD "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `abc` into "
                "time.Duration" HINT "\nhint: ingester.chunk_idle_period takes a duration");
    refused("", "server: [1]\n",
            BAD
            "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into server.Config" HINT);
    refused("", "server: 5\n",
            BAD "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!int `5` into "
                "server.Config" HINT);
    refused("", "runtime_config: {file: [a, b]}\n",
            BAD "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into string" HINT);
    refused("", "memberlist: {join_members: a}\n",
            BAD "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `a` into []string" HINT);
    refused("", "limits_config: {max_line_size: 1XB}\n",
            BAD "strconv.UnmarshalText: parsing \"1XB\": invalid syntax" HINT "\nhint: ");
    refused("", "limits_config: {query_timeout: 5}\n",
            BAD "not a valid duration string: \"5\"" HINT);
    refused("", "a: [\n", BAD "yaml: line 1: did not find expected node content" HINT);
    refused("", "- a\n",
            BAD "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into "
                "loki.ConfigWrapper" HINT);
    refused("", "ruler: {remote_write: {clients: {a: {urls: x}}}}\n",
            BAD "yaml: unmarshal errors:\n  line 1: field urls not found in type config" HINT);
    refused("", "ruler: {remote_write: {clients: {a: {}, a: {}}}}\n",
            BAD "yaml: unmarshal errors:\n  line 1: key \"a\" already set in map" HINT);
#undef BAD
}

static void faults_between_keys_are_named_as_in_loki(void **state)
{
    (void)state;
    refused(minimal, "ingester: {chunk_encoding: foo}\n",
            "CONFIG ERROR: invalid ingester config: invalid encoding: foo, supported: none, gzip, "
            "lz4-64k, snappy, lz4-256k, lz4-1M, lz4, flate, zstd");
    refused(minimal, "compactor: {retention_enabled: true}\n",
            "CONFIG ERROR: invalid compactor config: compactor.delete-request-store should be "
            "configured when retention is enabled");
    refused(minimal, "limits_config: {retention_stream: [{selector: '{a=\"b\"}', period: 23h}]}\n",
            "CONFIG ERROR: invalid limits_config config: retention period must be >= 24h was 23h");
    refused(minimal, "limits_config: {deletion_mode: never}\n",
            "CONFIG ERROR: invalid limits_config config: unknown deletion mode: must be on");
    refused(minimal, "server: {http_listen_port: 65536}\n",
            "CONFIG ERROR: server.http_listen_port: 65536 is not 0 to 65535");
    refused(minimal, "target: read\n", "error running skald: target read is not supported");
    refused(minimal, "target: all,foo\n", "error running skald: unrecognised module name: foo");
    refused(minimal, "storage_config: {use_thanos_objstore: true}\n",
            "CONFIG ERROR: storage_config.use_thanos_objstore is not supported");
    refused("", "", "CONFIG ERROR: schema_config is missing");
}

/* A file with one schema period is refused. */
static void bad_period(const char *period, const char *want)
{
    char text[1024];
    snprintf(text, sizeof(text), "common: {path_prefix: /d}\nschema_config: {configs: [%s]}\n",
             period);
    refused("", text, want);
}

static void faults_of_schema_periods_are_named(void **state)
{
    (void)state;
    bad_period("{from: 2024-01-01, store: boltdb-shipper, object_store: filesystem, schema: v12}",
               "CONFIG ERROR: schema_config: store \"boltdb-shipper\" is not supported");
    bad_period("{from: 2024-01-01, store: tsdb, object_store: s3, schema: v13}",
               "CONFIG ERROR: schema_config: object_store \"s3\" is not supported");
    bad_period("{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v9}",
               "CONFIG ERROR: invalid schema config: validating period_config: invalid schema "
               "version \"v9\"");
    bad_period("{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: "
               "{period: 168h}}",
               "CONFIG ERROR: invalid schema config: validating period_config: tsdb must always "
               "have periodic config for index set to 24h");
    bad_period(
        "{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v12, index: "
        "{period: 24h}}",
        "CONFIG ERROR: schema v13 is required to store Structured Metadata and use native "
        "OTLP ingestion, your schema version is v12. Set `allow_structured_metadata: false`");
    bad_period("{from: 2024-02-01, store: tsdb, object_store: filesystem, schema: v13, index: "
               "{period: 24h}}, {from: 2024-01-01, store: tsdb, object_store: filesystem, schema: "
               "v13, index: {period: 24h}}",
               "CONFIG ERROR: invalid schema config: from time in schemas must be distinct and in "
               "increasing order");
    bad_period("{from: yesterday}",
               "failed parsing config: FILE: parsing time \"yesterday\" as \"2006-01-02\"");
    refused("",
            "schema_config: {configs: [{from: 2024-01-01, store: tsdb, object_store: filesystem, "
            "schema: v13, index: {period: 24h}}]}\n",
            "CONFIG ERROR: common.path_prefix is empty");
}

static void a_future_period_does_not_decide_today(void **state)
{
    (void)state;
    struct sk_config c;
    char text[1024];
    snprintf(text, sizeof(text),
             "%s    - {from: 9999-01-01, store: tsdb, object_store: filesystem, schema: v12, "
             "index: {period: 24h}}\n",
             minimal);
    load_good(write_file(text), NULL, &c);
    assert_int_equal(c.period_count, 2);
    sk_config_deinit(&c);
}

/* ---- the table, warnings, printing ---- */

static void every_key_has_a_sound_default(void **state)
{
    (void)state;
    struct sk_arena arena;
    sk_arena_init(&arena, 8u << 20, NULL);
    assert_true(sk_config_key_count > 4500);
    for (size_t key = 1; key < sk_config_key_count; key++) {
        struct sk_strbuf out;
        assert_true(sk_config_keys[key].parent < key);
        assert_true(sk_config_keys[key].end > key);
        assert_true(sk_config_keys[key].end <= sk_config_keys[sk_config_keys[key].parent].end);
        if (sk_config_keys[key].flag != 0)
            assert_int_equal(sk_key_by_flag(sk_str_from(sk_key_flag(key))), key);
        if (sk_key_is_container(key))
            continue;
        struct sk_config_node *def = sk_key_default_node(&arena, key);
        assert_non_null(def);
        sk_strbuf_init(&out, 1 << 20);
        sk_print_leaf(&out, key, def, 0);
        if (out.len == 0)
            fail_msg("the default \"%s\" of %s is not of its type", sk_key_default(key),
                     sk_key_name(key));
        sk_strbuf_deinit(&out);
    }
    sk_arena_deinit(&arena);
}

static void keys_without_effect_warn_where_one_expects_some(void **state)
{
    (void)state;
    struct sk_config c;
    char text[2048];
    snprintf(text, sizeof(text),
             "%s"
             "ruler: {alertmanager_url: 'http://x', poll_interval: 1m}\n"
             "limits_config: {blocked_queries: [{pattern: x}], max_cache_freshness_per_query: 1h}\n"
             "memberlist: {join_members: [x]}\n"
             "ingester: {lifecycler: {num_tokens: 5}, concurrent_flushes: 3}\n",
             minimal);
    load_good(write_file(text), NULL, &c);
    assert_int_equal(c.warning_count, 2);
    assert_string_equal(c.warnings[0], "config key ruler.alertmanager_url has no effect");
    assert_string_equal(c.warnings[1], "config key limits_config.blocked_queries has no effect");
    sk_config_deinit(&c);
    snprintf(text, sizeof(text), "%scommon: {replication_factor: 3}\n", strchr(minimal, '\n') + 1);
    static const char *const args[] = {"-common.path-prefix=/x", NULL};
    load_good(write_file(text), args, &c);
    assert_int_equal(c.warning_count, 1);
    assert_string_equal(c.warnings[0], "config key common.replication_factor has no effect");
    sk_config_deinit(&c);
}

static void print_again(const char *path, struct sk_strbuf *first)
{
    struct sk_config c;
    struct sk_strbuf second;
    sk_strbuf_init(first, 4 << 20);
    sk_strbuf_init(&second, 4 << 20);
    load_good(path, NULL, &c);
    sk_config_print(&c, first);
    assert_false(first->failed);
    sk_config_deinit(&c);
    load_good(write_file(first->ptr), NULL, &c);
    sk_config_print(&c, &second);
    sk_config_deinit(&c);
    assert_int_equal(first->len, second.len);
    assert_string_equal(first->ptr, second.ptr);
    sk_strbuf_deinit(&second);
}

static void what_is_printed_loads_and_prints_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"helm-community", "minimal", "no-prefix", "v12-then-v13"};
    for (size_t i = 0; i < SK_COUNT_OF(names); i++) {
        char path[64];
        struct sk_strbuf text;
        snprintf(path, sizeof(path), "golden/config/%s.yaml", names[i]);
        print_again(testlib_path(path), &text);
        assert_non_null(strstr(text.ptr, "\nserver:\n  http_listen_network: tcp\n"));
        assert_non_null(strstr(text.ptr, "\nmetrics_namespace: loki\n"));
        sk_strbuf_deinit(&text);
    }
}

static void lists_maps_and_secrets_print(void **state)
{
    (void)state;
    struct sk_config c;
    struct sk_strbuf out;
    char text[4096];
    snprintf(text, sizeof(text),
             "%s"
             "limits_config:\n"
             "  retention_stream: [{selector: '{a=\"b\"}', priority: 2, period: 721h}]\n"
             "  blocked_queries: [{pattern: 'a b', query_tags: {x: '5'}}]\n"
             "  policy_stream_mapping: {p: [{selector: '{a=\"b\"}', priority: 1}]}\n"
             "ruler:\n"
             "  remote_write:\n"
             "    clients: {one: {url: 'http://u:p@h/', basic_auth: {password: hush}, headers: "
             "{a: b}}}\n"
             "common: {path_prefix: /d, storage: {s3: {secret_access_key: hush}}}\n",
             strchr(minimal, '\n') + 1);
    load_good(write_file(text), NULL, &c);
    sk_strbuf_init(&out, 4 << 20);
    sk_config_print(&c, &out);
    assert_null(strstr(out.ptr, "hush"));
    assert_null(strstr(out.ptr, "u:p@"));
    assert_non_null(strstr(out.ptr, "    secret_access_key: <secret>\n"));
    assert_non_null(strstr(out.ptr, "\n  retention_stream:\n"
                                    "  - period: 30d1h\n"
                                    "    priority: 2\n"
                                    "    selector: \"{a=\\\"b\\\"}\"\n"));
    assert_non_null(strstr(out.ptr, "\n  policy_stream_mapping:\n"
                                    "    p:\n"
                                    "      -\n"
                                    "        selector: \"{a=\\\"b\\\"}\"\n"
                                    "        priority: 1\n"));
    assert_non_null(strstr(out.ptr, "    query_tags:\n      x: \"5\"\n"));
    sk_strbuf_deinit(&out);
    sk_config_deinit(&c);
    struct sk_strbuf first;
    print_again(write_file(text), &first);
    sk_strbuf_deinit(&first);
}

static void explain_tells_where_each_value_comes_from(void **state)
{
    static const char text[] = "common: {path_prefix: /data}\n"
                               "server:\n"
                               "  http_listen_port: ${EXPLAIN_PORT}\n"
                               "  http_tls_config: {cert: x, key: very-secret}\n"
                               "memberlist: {node_name: x}\n"
                               "limits_config: {discover_service_name: [a, b]}\n"
                               "schema_config:\n"
                               "  configs:\n"
                               "    - {from: 2024-04-01, store: tsdb, object_store: filesystem, "
                               "schema: v13, index: {prefix: index_, period: 24h}}\n";
    static const char *const args[] = {"-config.expand-env", "-config.explain", "-log.level=debug",
                                       "-skald.wal-sync=os", NULL};
    static const char *const wanted[] = {
        "skald.wal-sync: os    # flag -skald.wal-sync\n",
        "skald.workers: 3    # variable SKALD_WORKERS\n",
        "skald.wal-sync-gap: 100ms    # default\n",
        "\nserver.log_level: debug    # flag -log.level\n",
        "\ningester.chunk_idle_period: 30m0s    # default\n",
        "\ningester.wal.dir: /data/wal    # chosen by skald\n",
    };
    static const char *const wanted_lines[] = {
        "\nserver.http_listen_port: 3101    # %s:3, with environment variables\n",
        "\nserver.http_tls_config.key: <secret>    # %s:4\n",
        "\nmemberlist.node_name: x    # %s:5, has no effect\n",
        "\nlimits_config.discover_service_name:    # %s:6\n  - a\n  - b\n",
        "\nschema_config.configs[0].schema: v13    # %s:9\n",
    };
    struct sk_config c;
    struct sk_strbuf out;
    char want[1024];
    (void)state;
    setenv("EXPLAIN_PORT", "3101", 1);
    setenv("SKALD_WORKERS", "3", 1);
    const char *path = write_file(text);
    load_good(path, args, &c);
    assert_true(c.explain);
    sk_strbuf_init(&out, 1 << 20);
    sk_config_explain(&c, &out);
    assert_false(out.failed);
    for (size_t i = 0; i < SK_COUNT_OF(wanted); i++)
        if (strstr(out.ptr, wanted[i]) == NULL)
            fail_msg("no %s in:\n%s", wanted[i], out.ptr);
    for (size_t i = 0; i < SK_COUNT_OF(wanted_lines); i++) {
        snprintf(want, sizeof(want), wanted_lines[i], path);
        if (strstr(out.ptr, want) == NULL)
            fail_msg("no %s in:\n%s", want, out.ptr);
    }
    assert_null(strstr(out.ptr, "very-secret"));
    assert_null(strstr(out.ptr, "memcached"));
    unsetenv("EXPLAIN_PORT");
    unsetenv("SKALD_WORKERS");
    sk_strbuf_deinit(&out);
    sk_config_deinit(&c);
}

static void help_lists_every_flag(void **state)
{
    (void)state;
    struct sk_strbuf out;
    sk_strbuf_init(&out, 4 << 20);
    sk_config_help(&out);
    assert_non_null(strstr(out.ptr, "\n  -server.http-listen-port int\n    \t"
                                    "server.http_listen_port (default 3100)\n"));
    assert_non_null(strstr(out.ptr, "\n  -skald.memory-limit size\n"));
    assert_true(strstr(out.ptr, "\n  -auth.enabled") < strstr(out.ptr, "\n  -target"));
    sk_strbuf_deinit(&out);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct sk_config c;
        struct sk_error why = {.text = ""};
        int status = -1;
        const char *path = testlib_path("golden/config/helm.yaml");
        char flag[512], program[] = "skald";
        snprintf(flag, sizeof(flag), "-config.file=%s", path);
        char *argv[] = {program, flag, NULL};
        sk_alloc_fault_arm(n);
        enum sk_err err = sk_config_load(2, argv, &c, &status, &why);
        bool hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        if (err == SK_OK)
            sk_config_deinit(&c);
        else
            assert_string_not_equal(why.text, "");
        if (!hit)
            break;
    }
}

static int set_up(void **state)
{
    (void)state;
    folder = testlib_mkdtemp();
    snprintf(file, sizeof(file), "%s/config.yml", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    testlib_rmtree(folder);
    sk_free(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_helm_and_tests_load),
        cmocka_unit_test(helm_file_means_what_it_says),
        cmocka_unit_test(environment_expands_in_the_conformance_file),
        cmocka_unit_test(folders_without_prefix_give_one),
        cmocka_unit_test(older_schemas_load_without_structured_metadata),
        cmocka_unit_test(defaults_are_lokis),
        cmocka_unit_test(default_limits_are_lokis),
        cmocka_unit_test(without_a_file_one_node_runs_below_the_current_folder),
        cmocka_unit_test(null_means_not_given),
        cmocka_unit_test(flags_win_over_the_file),
        cmocka_unit_test(what_is_asked_besides_serving_is_seen),
        cmocka_unit_test(bad_flags_exit_with_2_in_gos_words),
        cmocka_unit_test(own_settings_come_from_flags_then_variables),
        cmocka_unit_test(the_first_file_that_exists_is_read),
        cmocka_unit_test(faults_of_yaml_are_named_as_in_loki),
        cmocka_unit_test(faults_between_keys_are_named_as_in_loki),
        cmocka_unit_test(faults_of_schema_periods_are_named),
        cmocka_unit_test(a_future_period_does_not_decide_today),
        cmocka_unit_test(every_key_has_a_sound_default),
        cmocka_unit_test(keys_without_effect_warn_where_one_expects_some),
        cmocka_unit_test(what_is_printed_loads_and_prints_the_same),
        cmocka_unit_test(lists_maps_and_secrets_print),
        cmocka_unit_test(explain_tells_where_each_value_comes_from),
        cmocka_unit_test(help_lists_every_flag),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
