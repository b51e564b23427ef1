/* SPDX-License-Identifier: Apache-2.0 */
/* Protects otlp_config: rules decide in their order, expressions are anchored, tenants replace the
 * lists they give and keep the others, and a rule that makes no sense is named at the start. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/alloc.h"
#include "config/config_int.h"

static char *folder;
static char file[512], runtime[512];

static const char minimal[] = "common: {path_prefix: /data}\n"
                              "schema_config:\n"
                              "  configs:\n"
                              "    - {from: 2024-04-01, store: tsdb, object_store: filesystem, "
                              "schema: v13, index: {prefix: index_, period: 24h}}\n";

static void put(const char *text)
{
    struct sk_strbuf all;
    sk_strbuf_init(&all, 1 << 20);
    sk_strbuf_puts(&all, minimal);
    sk_strbuf_puts(&all, text);
    testlib_write(file, all.ptr, all.len);
    sk_strbuf_deinit(&all);
}

/* What was put, with the runtime file of this test. */
static enum sk_err load_put(struct sk_config *ret, struct sk_error *why)
{
    static char program[] = "skald", flag[600], overrides[600];
    char *argv[] = {program, flag, overrides, NULL};
    int status;
    snprintf(flag, sizeof(flag), "-config.file=%s", file);
    snprintf(overrides, sizeof(overrides), "-runtime-config.file=%s", runtime);
    return sk_config_load(3, argv, ret, &status, why);
}

/* minimal + `text` */
static enum sk_err load(const char *text, struct sk_config *ret, struct sk_error *why)
{
    put(text);
    return load_put(ret, why);
}

static void load_good(const char *text, struct sk_config *ret)
{
    struct sk_error why = {.text = ""};
    if (load(text, ret, &why) != SK_OK)
        fail_msg("%s", why.text);
    assert_int_equal(ret->warning_count, 0);
}

static void action_is(const struct sk_attr_rules *rules, const char *name, enum sk_attr_action want)
{
    enum sk_attr_action got = sk_attr_rules_action(rules, sk_str_from(name));
    if (got != want)
        fail_msg("%s: got %d, want %d", name, (int)got, (int)want);
}

static void nothing_given_means_lokis_labels_and_no_rules(void **state)
{
    (void)state;
    struct sk_config c;
    load_good("", &c);
    assert_int_equal(c.otlp_label_attributes.count, 18);
    assert_str(c.otlp_label_attributes.items[0], "service.name");
    assert_str(c.otlp_label_attributes.items[17], "k8s.job.name");
    assert_false(c.limits.otlp.ignore_defaults);
    assert_false(c.limits.otlp.severity_text_as_label);
    assert_int_equal(c.limits.otlp.resource_rules.count, 0);
    action_is(&c.limits.otlp.resource_rules, "any", SK_ATTR_METADATA);
    assert_false(sk_attr_rules_label(&c.limits.otlp.log_rules));
    sk_config_deinit(&c);
}

static void the_first_rule_that_matches_decides(void **state)
{
    (void)state;
    struct sk_config c;
    load_good("distributor:\n"
              "  otlp_config: {default_resource_attributes_as_index_labels: [mine]}\n"
              "limits_config:\n"
              "  otlp_config:\n"
              "    severity_text_as_label: true\n"
              "    resource_attributes:\n"
              "      ignore_defaults: true\n"
              "      attributes_config:\n"
              "        - {action: index_label, attributes: [app, k8s.pod.name]}\n"
              "        - {action: structured_metadata, regex: 'k8s\\.node.*'}\n"
              "        - {action: drop, regex: k8s.*}\n"
              "        - {action: index_label, attributes: [k8s.late], regex: null}\n"
              "    scope_attributes: [{action: drop, attributes: [noise]}]\n"
              "    log_attributes:\n"
              "      - {action: index_label, regex: a|b}\n",
              &c);
    const struct sk_otlp_limits *otlp = &c.limits.otlp;
    assert_true(otlp->severity_text_as_label && otlp->ignore_defaults);
    assert_int_equal(c.otlp_label_attributes.count, 1);
    assert_str(c.otlp_label_attributes.items[0], "mine");
    assert_int_equal(otlp->resource_rules.count, 4);
    action_is(&otlp->resource_rules, "app", SK_ATTR_LABEL);
    action_is(&otlp->resource_rules, "App", SK_ATTR_METADATA);
    action_is(&otlp->resource_rules, "k8s.pod.name", SK_ATTR_LABEL);
    action_is(&otlp->resource_rules, "k8s.node.name", SK_ATTR_METADATA);
    action_is(&otlp->resource_rules, "k8s.pod.uid", SK_ATTR_DROP);
    action_is(&otlp->resource_rules, "k8s.line\nbreak", SK_ATTR_DROP);
    action_is(&otlp->resource_rules, "my.k8s", SK_ATTR_METADATA);
    action_is(&otlp->resource_rules, "k8s.late", SK_ATTR_DROP);
    action_is(&otlp->scope_rules, "noise", SK_ATTR_DROP);
    action_is(&otlp->scope_rules, "noises", SK_ATTR_METADATA);
    action_is(&otlp->log_rules, "a", SK_ATTR_LABEL);
    action_is(&otlp->log_rules, "ab", SK_ATTR_METADATA);
    assert_true(sk_attr_rules_label(&otlp->log_rules));
    assert_false(sk_attr_rules_label(&otlp->scope_rules));
    sk_config_deinit(&c);
}

static void faults_name_their_rule(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {
        {"log_attributes: [{action: label, attributes: [a]}]",
         "otlp_config.log_attributes[0].action: \"label\" is not one of index_label, "
         "structured_metadata, drop"},
        {"log_attributes: [{attributes: [a]}]",
         "otlp_config.log_attributes[0].action: \"\" is not one of index_label, "
         "structured_metadata, drop"},
        {"scope_attributes: [{action: drop, attributes: [a]}, {action: index_label, regex: b}]",
         "otlp_config.scope_attributes[1].action: \"index_label\" is not for attributes of scopes, "
         "it is one of structured_metadata, drop"},
        {"scope_attributes: [{action: drop, attributes: [a]}, {action: drop}]",
         "otlp_config.scope_attributes[1]: attributes or regex must be set"},
        {"scope_attributes: [{action: drop, attributes: []}]",
         "otlp_config.scope_attributes[0]: attributes or regex must be set"},
        {"scope_attributes: [{action: drop, attributes: [a], regex: b}]",
         "otlp_config.scope_attributes[0]: attributes and regex are both set, only one of them may "
         "be"},
        {"resource_attributes: {attributes_config: [{action: drop, regex: 'a['}]}",
         "otlp_config.resource_attributes.attributes_config[0].regex: error parsing regexp: "
         "missing closing ]: `[`"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        char text[512], want[512];
        struct sk_config c;
        struct sk_error why = {.text = ""};
        snprintf(text, sizeof(text), "limits_config: {otlp_config: {%s}}\n", bad[i].text);
        snprintf(want, sizeof(want), "CONFIG ERROR: invalid limits_config config: %s", bad[i].want);
        assert_int_equal(load(text, &c, &why), SK_EINVAL);
        assert_string_equal(why.text, want);
    }
}

static void tenants_replace_the_lists_they_give(void **state)
{
    (void)state;
    static const char good[] = "overrides:\n"
                               "  t1: {otlp_config: {log_attributes: [{action: index_label, "
                               "regex: 'x.*'}]}}\n"
                               "  t2: {otlp_config: {resource_attributes: {ignore_defaults: true, "
                               "attributes_config: []}, severity_text_as_label: true}}\n";
    static const char bad[] =
        "overrides: {t1: {otlp_config: {log_attributes: [{action: drop, regex: '('}]}}}\n";
    struct sk_config c;
    struct sk_config_overrides *o;
    struct sk_error why = {.text = ""};
    testlib_write(runtime, good, strlen(good));
    load_good("limits_config:\n"
              "  otlp_config:\n"
              "    resource_attributes: {attributes_config: [{action: drop, attributes: [r]}]}\n"
              "    log_attributes: [{action: drop, attributes: [l]}]\n",
              &c);
    if (sk_config_overrides_create(&c, &o, &why) != SK_OK)
        fail_msg("%s", why.text);
    const struct sk_otlp_limits *t1 = &sk_config_limits(&c, o, SK_STR("t1"))->otlp;
    action_is(&t1->resource_rules, "r", SK_ATTR_DROP);
    action_is(&t1->log_rules, "l", SK_ATTR_METADATA);
    action_is(&t1->log_rules, "xy", SK_ATTR_LABEL);
    assert_false(t1->ignore_defaults);
    const struct sk_otlp_limits *t2 = &sk_config_limits(&c, o, SK_STR("t2"))->otlp;
    action_is(&t2->resource_rules, "r", SK_ATTR_METADATA);
    action_is(&t2->log_rules, "l", SK_ATTR_DROP);
    assert_true(t2->ignore_defaults && t2->severity_text_as_label);
    action_is(&c.limits.otlp.log_rules, "l", SK_ATTR_DROP);

    char want[1024];
    testlib_write(runtime, bad, strlen(bad));
    assert_int_equal(sk_config_overrides_reload(o, &why), SK_EINVAL);
    snprintf(want, sizeof(want),
             "failed parsing runtime config: %s: line 1: invalid override for tenant t1: "
             "otlp_config.log_attributes[0].regex: error parsing regexp: missing closing ): `(`",
             runtime);
    assert_string_equal(why.text, want);
    assert_ptr_equal(&sk_config_limits(&c, o, SK_STR("t1"))->otlp, t1);
    action_is(&t1->log_rules, "xy", SK_ATTR_LABEL);
    sk_config_overrides_destroy(o);
    sk_config_deinit(&c);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    put("limits_config: {otlp_config: {log_attributes: [{action: drop, regex: a.b}, {action: "
        "index_label, attributes: [x, y]}]}}\n");
    for (uint64_t n = 1;; n++) {
        struct sk_config c;
        struct sk_error why = {.text = ""};
        sk_alloc_fault_arm(n);
        enum sk_err err = load_put(&c, &why);
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
    snprintf(file, sizeof(file), "%s/config.yaml", folder);
    snprintf(runtime, sizeof(runtime), "%s/runtime.yaml", folder);
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
        cmocka_unit_test(nothing_given_means_lokis_labels_and_no_rules),
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(faults_name_their_rule),
        cmocka_unit_test(tenants_replace_the_lists_they_give),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
