/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the limits per tenant: the runtime file is strict, unset keys come from limits_config, a
 * bad new version is refused, and limits that were handed out stay valid. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/gotext.h"
#include "config/config_int.h"

static char *folder;
static char runtime[512], second[512];

/* A config whose runtime file is `list`. */
static void config_with(const char *list, struct sk_config *ret)
{
    char program[] = "skald", file[512], files[1200];
    char rate[] = "-distributor.ingestion-rate-limit-mb=7";
    struct sk_error why = {.text = ""};
    int status;
    snprintf(files, sizeof(files), "-runtime-config.file=%s", list); /* may be testlib's storage */
    snprintf(file, sizeof(file), "-config.file=%s", testlib_path("golden/config/minimal.yaml"));
    char *argv[] = {program, file, files, rate, NULL};
    if (sk_config_load(4, argv, ret, &status, &why) != SK_OK)
        fail_msg("%s", why.text);
}

static void put(const char *path, const char *text)
{
    testlib_write(path, text, strlen(text));
}

static void no_file_means_the_same_limits_for_all(void **state)
{
    (void)state;
    struct sk_config c;
    struct sk_config_overrides *o = (void *)&c;
    struct sk_error why;
    config_with("", &c);
    assert_int_equal(sk_config_overrides_create(&c, &o, &why), SK_OK);
    assert_null(o);
    assert_ptr_equal(sk_config_limits(&c, o, SK_STR("x")), &c.limits);
    assert_int_equal(sk_config_overrides_reload(o, &why), SK_OK);
    sk_config_overrides_destroy(o);
    sk_config_deinit(&c);
}

static void a_tenant_has_its_own_and_the_common_limits(void **state)
{
    (void)state;
    struct sk_config c;
    struct sk_config_overrides *o;
    struct sk_error why;
    config_with(testlib_path("golden/config/runtime.yaml"), &c);
    assert_int_equal(sk_config_overrides_create(&c, &o, &why), SK_OK);
    const struct sk_limits *l = sk_config_limits(&c, o, SK_STR("tenant1"));
    assert_true(l->ingestion_rate_mb == 100);
    assert_true(l->ingestion_burst_size_mb == 6);
    assert_int_equal(l->retention_period_ns, 3 * SK_NS_PER_DAY);
    assert_int_equal(l->retention_stream_count, 1);
    assert_string_equal(l->retention_streams[0].selector, "{app=\"x\"}");
    assert_int_equal(l->retention_streams[0].priority, 1);
    assert_int_equal(l->retention_streams[0].period_ns, 2 * SK_NS_PER_DAY);
    assert_ptr_equal(sk_config_limits(&c, o, SK_STR("tenant2")), &c.limits);
    assert_ptr_equal(sk_config_limits(&c, o, SK_STR("other")), &c.limits);
    assert_true(c.limits.ingestion_rate_mb == 7);
    sk_config_overrides_destroy(o);
    sk_config_deinit(&c);
}

static void empty_documents_load(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "{}",         "{}\n", "overrides:\n", "overrides: {}\n", "# nothing\n",
        "---\n", "configs:\n", "~"};
    struct sk_config c;
    config_with(runtime, &c);
    for (size_t i = 0; i < SK_COUNT_OF(texts); i++) {
        struct sk_config_overrides *o;
        struct sk_error why = {.text = ""};
        put(runtime, texts[i]);
        if (sk_config_overrides_create(&c, &o, &why) != SK_OK)
            fail_msg("%s: %s", texts[i], why.text);
        assert_ptr_equal(sk_config_limits(&c, o, SK_STR("x")), &c.limits);
        sk_config_overrides_destroy(o);
    }
    sk_config_deinit(&c);
}

static void faults_are_fatal_at_the_start(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {
        {"foo: 1\n", "yaml: unmarshal errors:\n  line 1: field foo not found in type "
                     "loki.runtimeConfigValues"},
        {"overrides:\n  t1:\n    foo: 1\n",
         "yaml: unmarshal errors:\n  line 3: field foo not found in type validation.plain"},
        {"overrides: {t1: {max_query_series: 1}, t1: {}}\n",
         "yaml: unmarshal errors:\n  line 1: key \"t1\" already set in map"},
        {"overrides: []\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into "
                            "map[string]validation.plain"},
        {"[]\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into "
                 "loki.runtimeConfigValues"},
        {"overrides: {t1: {retention_period: 5}}\n", "not a valid duration string: \"5\""},
        {"configs: {t1: {foo: true}}\n",
         "yaml: unmarshal errors:\n  line 1: field foo not found in type runtime.Config"},
        {"overrides: {t1: 5}\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!int `5` "
                                 "into validation.plain"},
        {"a: [\n", "yaml: line 1: did not find expected node content"},
    };
    struct sk_config c;
    struct sk_config_overrides *o = NULL;
    struct sk_error why;
    config_with(runtime, &c);
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        char want[1024];
        put(runtime, bad[i].text);
        snprintf(want, sizeof(want), "failed parsing runtime config: %s: %s", runtime, bad[i].want);
        assert_int_equal(sk_config_overrides_create(&c, &o, &why), SK_EPARSE);
        if (strncmp(why.text, want, strlen(want)) != 0)
            fail_msg("got:\n%s\nwant:\n%s", why.text, want);
    }
    char want[1024];
    put(runtime, "overrides:\n  t1:\n    max_query_series: 5\n    deletion_mode: x\n");
    assert_int_equal(sk_config_overrides_create(&c, &o, &why), SK_EINVAL);
    snprintf(want, sizeof(want),
             "failed parsing runtime config: %s: line 4: invalid override for tenant t1: "
             "deletion_mode: unknown deletion mode: must be one of disabled|",
             runtime);
    if (strncmp(why.text, want, strlen(want)) != 0)
        fail_msg("got:\n%s\nwant:\n%s", why.text, want);
    sk_config_deinit(&c);
    config_with("/nope/runtime.yaml", &c);
    assert_int_equal(sk_config_overrides_create(&c, &o, &why), SK_ENOENT);
    assert_string_equal(why.text, "read file: /nope/runtime.yaml: no such file or directory");
    assert_null(o);
    sk_config_deinit(&c);
}

static void reload_takes_good_versions_and_refuses_bad_ones(void **state)
{
    (void)state;
    struct sk_config c;
    struct sk_config_overrides *o;
    struct sk_error why;
    put(runtime, "overrides: {a: {max_query_series: 1}, b: {max_query_series: 2}}\n");
    config_with(runtime, &c);
    assert_int_equal(sk_config_overrides_create(&c, &o, &why), SK_OK);
    const struct sk_limits *old = sk_config_limits(&c, o, SK_STR("a"));
    assert_int_equal(old->max_query_series, 1);
    assert_int_equal(sk_config_overrides_reload(o, &why), SK_OK); /* unchanged: the same version */
    assert_ptr_equal(sk_config_limits(&c, o, SK_STR("a")), old);

    put(runtime, "overrides: {a: {max_query_series: x}}\n");
    assert_int_equal(sk_config_overrides_reload(o, &why), SK_EPARSE);
    assert_ptr_equal(sk_config_limits(&c, o, SK_STR("a")), old);

    put(runtime, "overrides: {a: {max_query_series: 10}}\n");
    assert_int_equal(sk_config_overrides_reload(o, &why), SK_OK);
    assert_int_equal(sk_config_limits(&c, o, SK_STR("a"))->max_query_series, 10);
    assert_ptr_equal(sk_config_limits(&c, o, SK_STR("b")), &c.limits);
    assert_int_equal(old->max_query_series, 1); /* still readable */

    assert_int_equal(remove(runtime), 0);
    assert_int_equal(sk_config_overrides_reload(o, &why), SK_ENOENT);
    assert_int_equal(sk_config_limits(&c, o, SK_STR("a"))->max_query_series, 10);
    sk_config_overrides_destroy(o);
    sk_config_deinit(&c);
}

static void several_files_are_merged(void **state)
{
    (void)state;
    struct sk_config c;
    struct sk_config_overrides *o;
    struct sk_error why = {.text = ""};
    char list[1200];
    put(runtime, "overrides: {a: {max_query_series: 1, volume_max_series: 5}, b: "
                 "{max_query_series: 2}}\n");
    put(second, "overrides: {a: {max_query_series: 3, required_labels: [x, y]}, c: {}}\n");
    snprintf(list, sizeof(list), "%s, %s", runtime, second);
    config_with(list, &c);
    if (sk_config_overrides_create(&c, &o, &why) != SK_OK)
        fail_msg("%s", why.text);
    const struct sk_limits *a = sk_config_limits(&c, o, SK_STR("a"));
    assert_int_equal(a->max_query_series, 3);
    assert_int_equal(a->volume_max_series, 5);
    assert_int_equal(a->required_labels.count, 2);
    assert_str(a->required_labels.items[1], "y");
    assert_int_equal(sk_config_limits(&c, o, SK_STR("b"))->max_query_series, 2);
    sk_config_overrides_destroy(o);
    sk_config_deinit(&c);
}

static void the_old_name_of_the_file_works(void **state)
{
    (void)state;
    struct sk_config c;
    char program[] = "skald", file[512], old[600], period[] = "-limits.per-user-override-period=1m";
    struct sk_error why = {.text = ""};
    int status;
    snprintf(file, sizeof(file), "-config.file=%s", testlib_path("golden/config/minimal.yaml"));
    snprintf(old, sizeof(old), "-limits.per-user-override-config=%s", runtime);
    char *argv[] = {program, file, old, period, NULL};
    assert_int_equal(sk_config_load(4, argv, &c, &status, &why), SK_OK);
    assert_string_equal(c.runtime_config_file, runtime);
    assert_int_equal(c.runtime_config_period_ns, SK_NS_PER_MIN);
    sk_config_deinit(&c);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct sk_config c;
    config_with(testlib_path("golden/config/runtime.yaml"), &c);
    for (uint64_t n = 1;; n++) {
        struct sk_config_overrides *o;
        struct sk_error why = {.text = ""};
        sk_alloc_fault_arm(n);
        enum sk_err err = sk_config_overrides_create(&c, &o, &why);
        bool hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        if (err == SK_OK)
            sk_config_overrides_destroy(o);
        else
            assert_string_not_equal(why.text, "");
        if (!hit)
            break;
    }
    sk_config_deinit(&c);
}

static int set_up(void **state)
{
    (void)state;
    folder = testlib_mkdtemp();
    snprintf(runtime, sizeof(runtime), "%s/runtime.yaml", folder);
    snprintf(second, sizeof(second), "%s/second.yaml", folder);
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
        cmocka_unit_test(no_file_means_the_same_limits_for_all),
        cmocka_unit_test(a_tenant_has_its_own_and_the_common_limits),
        cmocka_unit_test(empty_documents_load),
        cmocka_unit_test(faults_are_fatal_at_the_start),
        cmocka_unit_test(reload_takes_good_versions_and_refuses_bad_ones),
        cmocka_unit_test(several_files_are_merged),
        cmocka_unit_test(the_old_name_of_the_file_works),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
