/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the mapping of OTLP records to streams, lines and metadata, which must be Loki's to the
 * byte: both forms, names, values, precedence, service_name, times, errors, hostile bodies. */
#include "lib/testlib.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/varint.h"
#include "labels/regex.h"
#include "wire/otlp.h"

enum { NOW = 777 };

static const struct sk_str discover[] = {
    {"service", 7}, {"app", 3}, {"k8s_container_name", 18}, {"k8s_job_name", 12}};

/* As many as Loki makes labels, and in its order. */
static const struct sk_str label_attributes[] = {
    {"service.name", 12},
    {"service.namespace", 17},
    {"service.instance.id", 19},
    {"deployment.environment", 22},
    {"deployment.environment.name", 27},
    {"cloud.region", 12},
    {"cloud.availability_zone", 23},
    {"k8s.cluster.name", 16},
    {"k8s.namespace.name", 18},
    {"k8s.pod.name", 12},
    {"k8s.container.name", 18},
    {"container.name", 14},
    {"k8s.replicaset.name", 19},
    {"k8s.deployment.name", 19},
    {"k8s.statefulset.name", 20},
    {"k8s.daemonset.name", 18},
    {"k8s.cronjob.name", 16},
    {"k8s.job.name", 12},
};

static struct sk_otlp_rules rules(void)
{
    return (struct sk_otlp_rules){
        .label_attributes = label_attributes,
        .label_attribute_count = SK_COUNT_OF(label_attributes),
        .discover_service_name = discover,
        .discover_service_name_count = SK_COUNT_OF(discover),
    };
}

/* `name=value` of an entry by name, of equal names the first one, empty values left out. */
static void dump_pairs(struct sk_strbuf *out, const struct sk_push *push,
                       const struct sk_push_entry *e)
{
    const struct sk_push_pair *pairs = push->pairs + e->pair_first;
    struct sk_str last = {"", 0};
    for (;;) {
        const struct sk_push_pair *next = NULL;
        for (uint32_t i = 0; i < e->pair_count; i++) {
            if (sk_str_cmp(pairs[i].name, last) > 0 &&
                (next == NULL || sk_str_cmp(pairs[i].name, next->name) < 0))
                next = &pairs[i];
        }
        if (next == NULL)
            return;
        last = next->name;
        if (next->value.len > 0)
            sk_strbuf_printf(out, " %.*s=%.*s", SK_STR_ARG(next->name), SK_STR_ARG(next->value));
    }
}

/* {labels}\n<ts> <line> name=value ...\n */
static void dump(struct sk_strbuf *out, const struct sk_push *push)
{
    for (size_t i = 0; i < push->stream_count; i++) {
        const struct sk_push_stream *s = &push->streams[i];
        sk_strbuf_printf(out, "%.*s\n", SK_STR_ARG(s->labels));
        for (uint32_t k = 0; k < s->entry_count; k++) {
            const struct sk_push_entry *e = &push->entries[s->entry_first + k];
            sk_strbuf_printf(out, "%lld %.*s", (long long)e->ts_ns, SK_STR_ARG(e->line));
            dump_pairs(out, push, e);
            sk_strbuf_putc(out, '\n');
        }
    }
}

/* What a body decodes to, or "error: TEXT"; sk_free's. */
static char *decoded(bool json, struct sk_slice body, const struct sk_otlp_rules *r)
{
    struct sk_push push;
    struct sk_strbuf out;
    struct sk_error e = {.text = ""};
    uint8_t *exact =
        sk_malloc(body.len > 0 ? body.len : 1); /* its own block, so that ASan sees an overread */
    assert_non_null(exact);
    memcpy(exact, body.ptr, body.len);
    sk_push_init(&push, 64u << 20, NULL);
    sk_strbuf_init(&out, 64u << 20);
    struct sk_slice b = {exact, body.len};
    enum sk_err err = json ? sk_push_decode_otlp_json(&push, b, r, NOW, &e)
                           : sk_push_decode_otlp_proto(&push, b, r, NOW, &e);
    if (err != SK_OK) {
        sk_strbuf_puts(&out, "error: ");
        for (size_t i = 0; i < e.len; i++) /* a NUL is shown as \0 */
            sk_strbuf_add(&out, e.text[i] == '\0' ? "\\0" : &e.text[i], e.text[i] == '\0' ? 2 : 1);
    } else {
        dump(&out, &push);
    }
    sk_strbuf_putc(&out, '\0');
    sk_push_deinit(&push);
    sk_free(exact);
    return sk_strbuf_take(&out);
}

static char *json(const char *body)
{
    struct sk_otlp_rules r = rules();
    return decoded(true, (struct sk_slice){(const uint8_t *)body, strlen(body)}, &r);
}

static void json_gives(const char *body, const char *want)
{
    char *got = json(body);
    if (strcmp(got, want) != 0)
        fail_msg("%s\n got: %s\nwant: %s", body, got, want);
    sk_free(got);
}

/* One record of service "s" with `members`. */
static void record_gives(const char *members, const char *want)
{
    char *body = NULL;
    assert_true(
        asprintf(&body,
                 "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                 "\"value\":{\"stringValue\":\"s\"}}]},\"scopeLogs\":[{\"logRecords\":[{%s}]}]}]}",
                 members) > 0);
    char *full = NULL;
    assert_true(asprintf(&full, "%s%s",
                         strncmp(want, "error", 5) == 0 ? "" : "{service_name=\"s\"}\n", want) > 0);
    json_gives(body, full);
    free(body);
    free(full);
}

/* ---- names, values ---- */

static void names_are_normalised(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"service.name", "service_name"},
        {"a..b", "a_b"},
        {"a-b", "a_b"},
        {"a:b", "a_b"},
        {"a__b", "a_b"},
        {"9digit", "key_9digit"},
        {"__dunder", "_dunder"},
        {"\xc3\xa5x", "_x"},
        {"trail_", "trail_"},
        {"UPPER.Case", "UPPER_Case"},
        {"__x__", "__x__"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(names); i++) {
        char members[200], want[100];
        snprintf(members, sizeof(members),
                 "\"timeUnixNano\":1,\"attributes\":[{\"key\":\"%s\",\"value\":{\"stringValue\":"
                 "\"v\"}}]",
                 names[i][0]);
        snprintf(want, sizeof(want), "1  %s=v\n", names[i][1]);
        record_gives(members, want);
    }
}

static void names_without_letters_refuse_the_request(void **state)
{
    (void)state;
    static const char *const names[] = {".", "_", "\xc3\xa5", " "};
    for (size_t i = 0; i < SK_COUNT_OF(names); i++) {
        char members[200], want[200];
        snprintf(members, sizeof(members),
                 "\"attributes\":[{\"key\":\"%s\",\"value\":{\"intValue\":1}}]", names[i]);
        snprintf(want, sizeof(want),
                 "error: symbolizer lookup: normalization for label name \"%s\" resulted in "
                 "invalid name "
                 "\"_\"",
                 names[i]);
        record_gives(members, want);
    }
    record_gives("\"attributes\":[{\"key\":\"\",\"value\":{\"stringValue\":\"3\"}}]",
                 "error: symbolizer lookup: label name is empty");
    record_gives("\"attributes\":[{\"value\":{\"stringValue\":\"3\"}}]",
                 "error: symbolizer lookup: label name is empty");
}

static void values_and_bodies_convert(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"{\"stringValue\":\"as <is>\\n\"}", "as <is>\n"},
        {"{\"intValue\":\"5\"}", "5"},
        {"{\"intValue\":-7}", "-7"},
        {"{\"boolValue\":true}", "true"},
        {"{\"boolValue\":false}", "false"},
        {"{\"doubleValue\":1.5}", "1.5"},
        {"{\"doubleValue\":3}", "3"},
        {"{\"doubleValue\":1e21}", "1e+21"},
        {"{\"doubleValue\":123456789012345680000}", "123456789012345680000"},
        {"{\"doubleValue\":0.000001}", "0.000001"},
        {"{\"doubleValue\":0.00000012}", "1.2e-7"},
        {"{\"doubleValue\":-0.0}", "-0"},
        {"{\"bytesValue\":\"AQID/w==\"}", "AQID/w=="},
        {"{\"bytesValue\":\"QUI=\"}", "QUI="},
        {"{\"bytesValue\":\"QUJD\"}", "QUJD"},
        {"{\"arrayValue\":{\"values\":[{\"intValue\":1},{\"stringValue\":\"a\"},{\"boolValue\":"
         "true},{},"
         "{\"kvlistValue\":{\"values\":[{\"key\":\"q\",\"value\":{\"doubleValue\":1.5}}]}}]}}",
         "[1,\"a\",true,null,{\"q\":1.5}]"},
        {"{\"arrayValue\":{}}", "[]"},
        {"{\"arrayValue\":{\"values\":[{\"doubleValue\":\"NaN\"}]}}", ""},
        {"{}", ""},
        {"null", ""},
    };
    for (size_t i = 0; i < SK_COUNT_OF(values); i++) {
        char members[600], want[300];
        snprintf(members, sizeof(members), "\"timeUnixNano\":\"1\",\"body\":%s", values[i][0]);
        snprintf(want, sizeof(want), "1 %s\n", values[i][1]);
        record_gives(members, want);
        snprintf(members, sizeof(members),
                 "\"timeUnixNano\":\"1\",\"attributes\":[{\"key\":\"k\",\"value\":%s}]",
                 values[i][0]);
        snprintf(want, sizeof(want), values[i][1][0] == '\0' ? "1 \n" : "1  k=%s\n", values[i][1]);
        record_gives(members, want);
    }
}

static void maps_flatten_as_attributes_and_stay_json_as_bodies(void **state)
{
    (void)state;
    record_gives(
        "\"timeUnixNano\":1,\"attributes\":[{\"key\":\"map.x\",\"value\":{\"kvlistValue\":"
        "{\"values\":[{\"key\":\"k1\",\"value\":{\"intValue\":4}},{\"key\":\"k.2\",\"value\":"
        "{\"kvlistValue\":{\"values\":[{\"key\":\"deep\",\"value\":{\"intValue\":1}}]}}}]}}}]",
        "1  map_x_k1=4 map_x_k_2_deep=1\n");
    record_gives(
        "\"timeUnixNano\":1,\"body\":{\"kvlistValue\":{\"values\":["
        "{\"key\":\"z\",\"value\":{\"intValue\":9}},{\"key\":\"z\",\"value\":{\"intValue\":1}},"
        "{\"key\":\"<\",\"value\":{\"stringValue\":\"&\"}},"
        "{\"key\":\"a\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"n\",\"value\":"
        "{\"arrayValue\":{\"values\":[{\"intValue\":1},{\"intValue\":2}]}}}]}}}]}}",
        "1 {\"<\":\"&\",\"a\":{\"n\":[1,2]},\"z\":1}\n");
    record_gives("\"timeUnixNano\":1,\"body\":{\"arrayValue\":{\"values\":[{\"stringValue\":"
                 "\"\\b\\f\\u0001\\u2028\\\"\\\\\"}]}}",
                 "1 [\"\\b\\f\\u0001\\u2028\\\"\\\\\"]\n");
}

/* ---- resource, scope, record ---- */

static void later_names_win(void **state)
{
    (void)state;
    json_gives("{\"resourceLogs\":[{\"resource\":{\"attributes\":["
               "{\"key\":\"r\",\"value\":{\"stringValue\":\"res\"}},"
               "{\"key\":\"s\",\"value\":{\"stringValue\":\"res\"}}]},"
               "\"scopeLogs\":[{\"scope\":{\"attributes\":["
               "{\"key\":\"s\",\"value\":{\"stringValue\":\"scope\"}}]},"
               "\"logRecords\":[{\"timeUnixNano\":1,\"flags\":3,\"attributes\":["
               "{\"key\":\"l\",\"value\":{\"stringValue\":\"one\"}},"
               "{\"key\":\"l\",\"value\":{\"stringValue\":\"two\"}},"
               "{\"key\":\"flags\",\"value\":{\"stringValue\":\"attr\"}},"
               "{\"key\":\"r\",\"value\":{\"stringValue\":\"log\"}},"
               "{\"key\":\"s\",\"value\":{\"stringValue\":\"log\"}}]}]}]}]}",
               "{service_name=\"unknown_service\"}\n1  flags=3 l=two r=res s=scope\n");
}

static void fields_of_records_and_scopes_become_metadata(void **state)
{
    (void)state;
    record_gives(
        "\"timeUnixNano\":\"5\",\"observedTimeUnixNano\":\"6\",\"severityNumber\":"
        "\"SEVERITY_NUMBER_WARN2\",\"severityText\":\"W\",\"droppedAttributesCount\":2,\"flags\":1,"
        "\"traceId\":\"0AF7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\","
        "\"eventName\":\"x\",\"unknown\":{\"a\":[1,{\"b\":2}]}",
        "5  dropped_attributes_count=2 flags=1 observed_timestamp=6 severity_number=14 "
        "severity_text=W span_id=b7ad6b7169203331 trace_id=0af7651916cd43dd8448eb211c80319c\n");
    record_gives("\"timeUnixNano\":\"5\",\"severityNumber\":0,\"severityText\":\"\",\"flags\":0,"
                 "\"traceId\":\"\",\"spanId\":\"0000000000000000\"",
                 "5 \n");
    json_gives(
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"scope\":{\"name\":\"lib\",\"version\":\"1.0\","
        "\"droppedAttributesCount\":4,\"attributes\":[{\"key\":\"sc.a\",\"value\":{\"intValue\":1}}"
        "]},"
        "\"logRecords\":[{\"timeUnixNano\":1,\"body\":{\"stringValue\":\"x\"}}]}]}]}",
        "{service_name=\"unknown_service\"}\n"
        "1 x sc_a=1 scope_dropped_attributes_count=4 scope_name=lib scope_version=1.0\n");
}

static void times_fall_back_to_observed_and_now(void **state)
{
    (void)state;
    record_gives("\"timeUnixNano\":\"5\"", "5 \n");
    record_gives("\"observedTimeUnixNano\":\"6\"", "6 \n");
    record_gives("\"timeUnixNano\":0,\"observedTimeUnixNano\":\"6\"", "6 \n");
    record_gives("", "777 \n");
    record_gives("\"timeUnixNano\":\"18446744073709551615\"", "-1 \n");
}

static void resource_gives(const char *attrs, const char *labels, const char *pairs)
{
    char body[2000], want[1000];
    snprintf(body, sizeof(body),
             "{\"resourceLogs\":[{\"resource\":{\"attributes\":[%s]},\"scopeLogs\":[{"
             "\"logRecords\":[{}]}]}]}",
             attrs);
    snprintf(want, sizeof(want), "%s\n777 %s\n", labels, pairs);
    json_gives(body, want);
}

#define ATTR(k, v) "{\"key\":\"" k "\",\"value\":{\"stringValue\":\"" v "\"}}"

static void resources_give_labels_and_a_service_name(void **state)
{
    (void)state;
    resource_gives("", "{service_name=\"unknown_service\"}", "");
    resource_gives(ATTR("service.name", "svc") "," ATTR("app", "x"), "{service_name=\"svc\"}",
                   " app=x");
    resource_gives(ATTR("app", "x"), "{service_name=\"unknown_service\"}", " app=x");
    resource_gives(
        ATTR("service.name", "") "," ATTR("k8s.job.name", "j") "," ATTR("k8s.container.name", "c"),
        "{k8s_container_name=\"c\", k8s_job_name=\"j\", service_name=\"j\"}", "");
    resource_gives(ATTR("k8s.container.name", "") "," ATTR("k8s.job.name", "j"),
                   "{k8s_job_name=\"j\", service_name=\"j\"}", "");
    resource_gives(ATTR("service.name", "unknown_service:java") "," ATTR("k8s.container.name", "c"),
                   "{k8s_container_name=\"c\", service_name=\"unknown_service:java\"}", "");
    resource_gives(ATTR("service.name", "a") "," ATTR("service.name", "b\\\"q\\n"),
                   "{service_name=\"b\\\"q\\n\"}", "");
    resource_gives(ATTR("service.name", "a\xff\xc3"),
                   "{service_name=\"a\xef\xbf\xbd\xef\xbf\xbd\"}", "");
    resource_gives("{\"key\":\"cloud.region\",\"value\":{\"kvlistValue\":{\"values\":[" ATTR(
                       "z.1", "v") "]}}}," ATTR("cloud.availability_zone", "z"),
                   "{cloud_availability_zone=\"z\", cloud_region_z_1=\"v\", "
                   "service_name=\"unknown_service\"}",
                   "");
}

static void rules_decide_about_labels(void **state)
{
    (void)state;
    const char *body =
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":[" ATTR("service.name", "s") "," ATTR(
            "mine", "m") "]},\"scopeLogs\":[{\"logRecords\":["
                         "{\"timeUnixNano\":1,\"severityText\":\"B\"},{\"timeUnixNano\":2,"
                         "\"severityText\":\"A\"},"
                         "{\"timeUnixNano\":3},{\"timeUnixNano\":4,\"severityText\":\"B\"}]}]}]}";
    struct sk_str mine = {"mine", 4};
    struct sk_otlp_rules r = {
        .label_attributes = &mine, .label_attribute_count = 1, .severity_text_as_label = true};
    char *got = decoded(true, (struct sk_slice){(const uint8_t *)body, strlen(body)}, &r);
    assert_string_equal(got,
                        "{mine=\"m\"}\n3  service_name=s\n"
                        "{mine=\"m\", severity_text=\"B\"}\n1  service_name=s severity_text=B\n"
                        "4  service_name=s severity_text=B\n"
                        "{mine=\"m\", severity_text=\"A\"}\n2  service_name=s severity_text=A\n");
    sk_free(got);
}

static void body_gives(const char *body, const struct sk_otlp_rules *r, const char *want)
{
    char *got = decoded(true, (struct sk_slice){(const uint8_t *)body, strlen(body)}, r);
    if (strcmp(got, want) != 0)
        fail_msg("\n got: %s\nwant: %s", got, want);
    sk_free(got);
}

static void rules_decide_about_every_attribute(void **state)
{
    (void)state;
#define NESTED(k)                                                                                  \
    "{\"key\":\"" k "\",\"value\":{\"kvlistValue\":{\"values\":[" ATTR("in", "n") "]}}}"
    static const char resource_has[] = ATTR("service.name", "s") "," ATTR("my.app", "m") "," ATTR(
        "secret", "x") "," ATTR("rest", "r") "," NESTED("k8s.pod");
    static const char scope_has[] = ATTR("my.app", "sc") "," ATTR("secret", "y");
    static const char record_has[] =
        ATTR("lvl", "hi") "," ATTR("secret", "z") "," ATTR("other", "o") "," NESTED("lvl.map");
    char *body = NULL;
    assert_true(asprintf(&body,
                         "{\"resourceLogs\":[{\"resource\":{\"attributes\":[%s]},"
                         "\"scopeLogs\":[{\"scope\":{\"attributes\":[%s]},"
                         "\"logRecords\":[{\"timeUnixNano\":1,\"attributes\":[%s]}]}]}]}",
                         resource_has, scope_has, record_has) > 0);
    static const struct sk_str app[] = {{"my.app", 6}, {"service.name", 12}};
    static const struct sk_str secret[] = {{"secret", 6}};
    struct sk_regex *pods = NULL, *levels = NULL;
    struct sk_error why;
    assert_int_equal(sk_regex_create(SK_STR("k8s.*"), SK_REGEX_ANCHORED, &pods, &why), SK_OK);
    assert_int_equal(sk_regex_create(SK_STR("lvl|lvl\\.map"), SK_REGEX_ANCHORED, &levels, &why),
                     SK_OK);
    const struct sk_attr_rule resource[] = {{SK_ATTR_DROP, secret, 1, NULL},
                                            {SK_ATTR_LABEL, app, 2, NULL},
                                            {SK_ATTR_LABEL, NULL, 0, pods}};
    const struct sk_attr_rule scope[] = {{SK_ATTR_DROP, secret, 1, NULL}};
    const struct sk_attr_rule record[] = {{SK_ATTR_LABEL, NULL, 0, levels},
                                          {SK_ATTR_DROP, secret, 1, NULL}};
    struct sk_otlp_rules r = {
        .resource = {resource, 3}, .scope = {scope, 1}, .record = {record, 2}};
    body_gives(body, &r,
               "{k8s_pod_in=\"n\", lvl=\"hi\", lvl_map_in=\"n\", my_app=\"m\", "
               "service_name=\"s\"}\n1  my_app=sc other=o rest=r\n");
    r.record.count = 0;
    r.resource.count = 1;
    body_gives(body, &r,
               "{}\n1  k8s_pod_in=n lvl=hi lvl_map_in=n my_app=sc other=o rest=r "
               "secret=z service_name=s\n");
    /* the defaults come before any rule */
    r.resource = (struct sk_attr_rules){&(struct sk_attr_rule){SK_ATTR_DROP, app, 2, NULL}, 1};
    r.label_attributes = app;
    r.label_attribute_count = 1;
    r.scope.count = 0;
    body_gives(body, &r,
               "{my_app=\"m\"}\n1  k8s_pod_in=n lvl=hi lvl_map_in=n my_app=sc other=o rest=r "
               "secret=y\n");
    sk_regex_destroy(levels);
    sk_regex_destroy(pods);
    free(body);
}

static void labels_of_records_hide_those_of_their_resource(void **state)
{
    (void)state;
    static const char body[] = "{\"resourceLogs\":[{\"resource\":{\"attributes\":[" ATTR(
        "service.name",
        "s") "]},"
             "\"scopeLogs\":[{\"logRecords\":["
             "{\"timeUnixNano\":1},"
             "{\"timeUnixNano\":2,\"attributes\":[" ATTR(
                 "service.name",
                 "t") "]},"
                      "{\"timeUnixNano\":3,\"attributes\":[" ATTR("z", "1") "," ATTR(
                          "z",
                          "2\\\"") "]},"
                                   "{\"timeUnixNano\":4,\"attributes\":[" ATTR(
                                       "severity.text",
                                       "attr") "],"
                                               "\"severityText\":\"own\"},"
                                               "{\"timeUnixNano\":5,\"attributes\":[" ATTR(
                                                   "z",
                                                   "") "]},"
                                                       "{\"timeUnixNano\":6,\"attributes\":[" ATTR(
                                                           "z", "\xff") "]}]}]}]}";
    static const struct sk_str names[] = {{"service.name", 12}, {"z", 1}, {"severity.text", 13}};
    const struct sk_attr_rule label = {SK_ATTR_LABEL, names, 3, NULL};
    struct sk_otlp_rules r = rules();
    r.record = (struct sk_attr_rules){&label, 1};
    r.severity_text_as_label = true;
    body_gives(body, &r,
               "{service_name=\"s\"}\n1 \n5 \n"
               "{service_name=\"t\"}\n2 \n"
               "{service_name=\"s\", z=\"2\\\"\"}\n3 \n"
               "{service_name=\"s\", severity_text=\"own\"}\n4  severity_text=own\n"
               "{service_name=\"s\", z=\"\xef\xbf\xbd\"}\n6 \n");
}

static void equal_labels_make_one_stream(void **state)
{
    (void)state;
#define RES(svc, host, ns)                                                                         \
    "{\"resource\":{\"attributes\":[" ATTR("service.name", svc) "," ATTR(                          \
        "host", host) "]},\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":" ns "}]}]}"
    json_gives("{\"resourceLogs\":[" RES("a", "h1", "1") "," RES("b", "h1", "2") "," RES(
                   "a", "h2", "3") "," RES("b", "h2", "4") "]}",
               "{service_name=\"a\"}\n1  host=h1\n3  host=h2\n{service_name=\"b\"}\n2  host=h1\n4  "
               "host=h2\n");
}

static void members_may_come_in_any_order_and_spelling(void **state)
{
    (void)state;
    json_gives(
        "{\"x\":1,\"resource_logs\":[{\"schema_url\":\"u\",\"scope_logs\":[{\"log_records\":["
        "{\"time_unix_nano\":\"9\",\"body\":{\"string_value\":\"snake\"},\"trace_\\u0069d\":"
        "\"0af7651916cd43dd8448eb211c80319c\"}],\"y\":[[]],\"scope\":{\"name\":\"late\"}}],"
        "\"resource\":{\"attributes\":[" ATTR("service.name", "late") "]}}] ,\"z\":null} trailing",
        "{service_name=\"late\"}\n"
        "9 snake scope_name=late trace_id=0af7651916cd43dd8448eb211c80319c\n");
    json_gives("{\"resourceLogs\":null}", "");
    json_gives("null", "");
    json_gives("{\"resourceLogs\":[{}]}", "");
    json_gives(
        "{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"scope\":null,\"logRecords\":[]}]}]}",
        "");
}

static void lone_surrogates_become_replacement_runes(void **state)
{
    (void)state;
    record_gives(
        "\"timeUnixNano\":1,\"body\":{\"stringValue\":\"a\\ud800b\\udc00\\ud83d\\ude00\\\\ud800\"}",
        "1 a\xef\xbf\xbd"
        "b\xef\xbf\xbd\xf0\x9f\x98\x80\\ud800\n");
}

static void json_faults_have_lokis_words(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "ReadObject: expect { or , or } or n, but found \\0, error found in #0 byte of "
             "...||..., "
             "bigger context ...||..."},
        {"{", "ReadObject: expect \" after {, but found \\0, error found in #1 byte of ...|{|..., "
              "bigger context ...|{|..."},
        {"[]",
         "ReadObject: expect { or , or } or n, but found [, error found in #1 byte of ...|[]|..., "
         "bigger context ...|[]|..."},
        {"{\"resourceLogs\":5}", "ReadArray: expect [ or , or ] or n, but found 5, error found in "
                                 "#10 byte of ...|rceLogs\":5}|..., "
                                 "bigger context ...|{\"resourceLogs\":5}|..."},
        {"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":"
         "\"1768467600000000000\","
         "\"body\":{\"stringValue\":\"bad ids\"},\"traceId\":\"zz\",\"spanId\":\"1\"}]}]}]}",
         "ID.UnmarshalJSONIter: length mismatch, error found in #10 byte of "
         "...|ceId\":\"zz\",\"spanId\":|..., "
         "bigger context ...|0\",\"body\":{\"stringValue\":\"bad "
         "ids\"},\"traceId\":\"zz\",\"spanId\":\"1\"}]}]}"
         "]}|..."},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        char want[600];
        snprintf(want, sizeof(want), "error: %s", cases[i][1]);
        json_gives(cases[i][0], want);
    }
}

static void malformed_members_are_refused(void **state)
{
    (void)state;
    static const char *const members[][2] = {
        {"\"timeUnixNano\":\"abc\"",
         "ReadUint64: strconv.ParseUint: parsing \"abc\": invalid syntax"},
        {"\"timeUnixNano\":-1", "ReadUint64: strconv.ParseUint: parsing \"-1\": invalid syntax"},
        {"\"timeUnixNano\":1.5", "ReadUint64"},
        {"\"timeUnixNano\":null", "ReadUint64: unsupported value type"},
        {"\"flags\":4294967296", "ReadUint32"},
        {"\"severityNumber\":\"LOUD\"", "ReadEnumValue: unknown string value \"LOUD\""},
        {"\"severityNumber\":\"WARN\"", "ReadEnumValue: unknown string value \"WARN\""},
        {"\"spanId\":\"zzzzzzzzzzzzzzzz\"", "ID.UnmarshalJSONIter"},
        {"\"body\":5", "ReadObject: expect { or , or } or n, but found 5"},
        {"\"body\":{\"stringValue\":5}", "ReadString: expects \" or n, but found 5"},
        {"\"body\":{\"stringValue\":\"a\tb\"}", "ReadString: invalid control character"},
        {"\"body\":{\"stringValue\":\"\\q\"}", "readEscapedChar"},
        {"\"body\":{\"boolValue\":1}", "ReadBool: expect t or f, but found 1"},
        {"\"body\":{\"intValue\":\"9223372036854775808\"}", "ReadInt64"},
        {"\"body\":{\"doubleValue\":\"x\"}", "ReadFloat64"},
        {"\"body\":{\"bytesValue\":\"A\"}", "bytesValue: illegal base64 data"},
        {"\"body\":{\"bytesValue\":\"A===\"}", "bytesValue: illegal base64 data"},
        {"\"body\":{\"bytesValue\":\"A-==\"}", "bytesValue: illegal base64 data"},
        {"\"body\":{},", "ReadObject: expect \" after ,"},
        {"\"body\" 5", "ReadObject: expect : after object field"},
        {"\"attributes\":[{\"key\":5}]", "ReadString"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(members); i++) {
        char body[300], want[200];
        snprintf(body, sizeof(body),
                 "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{%s}]}]}]}", members[i][0]);
        snprintf(want, sizeof(want), "error: %s", members[i][1]);
        char *got = json(body);
        if (strncmp(got, want, strlen(want)) != 0)
            fail_msg("%s\n got: %s\nwant: %s", body, got, want);
        sk_free(got);
    }
}

/* ---- protobuf ---- */

/* A message under construction: fields are appended, lengths put in front by wrap(). */
static void tag(struct sk_strbuf *b, unsigned number, unsigned wire)
{
    uint8_t v[SK_VARINT_BYTES_MAX];
    sk_strbuf_add(b, v, sk_uvar_encode(v, number << 3 | wire));
}

static void put_int(struct sk_strbuf *b, unsigned number, uint64_t value)
{
    uint8_t v[SK_VARINT_BYTES_MAX];
    tag(b, number, 0);
    sk_strbuf_add(b, v, sk_uvar_encode(v, value));
}

static void put_fixed(struct sk_strbuf *b, unsigned number, uint64_t value, size_t len)
{
    tag(b, number, len == 8 ? 1 : 5);
    sk_strbuf_add(b, &value, len); /* little-endian hosts only */
}

static void put_bytes(struct sk_strbuf *b, unsigned number, const void *data, size_t len)
{
    uint8_t v[SK_VARINT_BYTES_MAX];
    tag(b, number, 2);
    sk_strbuf_add(b, v, sk_uvar_encode(v, len));
    sk_strbuf_add(b, data, len);
}

static void put_text(struct sk_strbuf *b, unsigned number, const char *text)
{
    put_bytes(b, number, text, strlen(text));
}

/* The content of `b` becomes field `number` of an otherwise empty message. */
static void wrap(struct sk_strbuf *b, unsigned number)
{
    struct sk_strbuf whole;
    sk_strbuf_init(&whole, 64u << 20);
    put_bytes(&whole, number, b->ptr == NULL ? "" : b->ptr, b->len);
    sk_strbuf_deinit(b);
    *b = whole;
}

/* Moves the fields of `part` into field `number` of `b`. */
static void put_message(struct sk_strbuf *b, unsigned number, struct sk_strbuf *part)
{
    put_bytes(b, number, part->ptr == NULL ? "" : part->ptr, part->len);
    sk_strbuf_deinit(part);
    sk_strbuf_init(part, 64u << 20);
}

static void put_attr(struct sk_strbuf *b, unsigned number, const char *key, struct sk_strbuf *value)
{
    struct sk_strbuf kv;
    sk_strbuf_init(&kv, 1 << 20);
    put_text(&kv, 1, key);
    put_message(&kv, 2, value);
    put_message(b, number, &kv);
    sk_strbuf_deinit(&kv);
}

static void put_text_attr(struct sk_strbuf *b, unsigned number, const char *key, const char *text)
{
    struct sk_strbuf v;
    sk_strbuf_init(&v, 1 << 20);
    put_text(&v, 1, text);
    put_attr(b, number, key, &v);
    sk_strbuf_deinit(&v);
}

/* The example of the API's documentation, with one attribute of every type. */
static struct sk_strbuf sample(void)
{
    static const uint8_t trace[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    struct sk_strbuf b, scope, record, v, list;
    struct sk_strbuf *const all[] = {&b, &scope, &record, &v, &list};
    for (size_t i = 0; i < SK_COUNT_OF(all); i++)
        sk_strbuf_init(all[i], 1 << 20);
    double real = -2.5e-9;
    uint64_t bits;
    memcpy(&bits, &real, 8);
    put_fixed(&record, 1, 1795359834361498624u, 8);
    put_int(&record, 2, 9);
    put_text(&record, 3, "INFO");
    put_text(&v, 1, "js body");
    put_message(&record, 5, &v);
    put_text_attr(&record, 6, "x", "y");
    put_int(&v, 2, 1);
    put_attr(&record, 6, "b", &v);
    put_int(&v, 3, (uint64_t)-7);
    put_attr(&record, 6, "i", &v);
    put_fixed(&v, 4, bits, 8);
    put_attr(&record, 6, "d", &v);
    put_int(&v, 3, 1);
    put_message(&list, 1, &v);
    put_message(&list, 1, &v); /* empty: null */
    put_message(&v, 5, &list);
    put_attr(&record, 6, "l", &v);
    put_text_attr(&list, 1, "k.1", "m1");
    put_message(&v, 6, &list);
    put_attr(&record, 6, "m", &v);
    put_bytes(&v, 7, "\xff\x00", 2);
    put_attr(&record, 6, "raw", &v);
    put_int(&record, 7, 3);
    put_fixed(&record, 8, 1, 4);
    put_bytes(&record, 9, trace, 16);
    put_bytes(&record, 10, trace, 8);
    put_fixed(&record, 11, 1795359834361498625u, 8);
    put_text(&record, 12, "event");
    put_message(&scope, 2, &record);
    put_text(&v, 1, "s");
    put_message(&scope, 1, &v); /* behind what it describes */
    put_message(&b, 2, &scope);
    put_text_attr(&list, 1, "service.name", "js");
    put_int(&v, 3, 12);
    put_attr(&list, 1, "i", &v);
    put_message(&b, 1, &list);
    wrap(&b, 1);
    for (size_t i = 1; i < SK_COUNT_OF(all); i++)
        sk_strbuf_deinit(all[i]);
    return b;
}

static const char SAMPLE_JSON[] = "{\"resourceLogs\":[{\"resource\":{\"attributes\":[" ATTR(
    "service.name",
    "js") ","
          "{\"key\":\"i\",\"value\":{\"intValue\":12}}]},\"scopeLogs\":[{\"scope\":{\"name\":\"s\"}"
          ","
          "\"logRecords\":[{\"timeUnixNano\":\"1795359834361498624\",\"severityNumber\":9,"
          "\"severityText\":\"INFO\",\"body\":{\"stringValue\":\"js body\"},\"attributes\":[" ATTR(
              "x",
              "y") ","
                   "{\"key\":\"b\",\"value\":{\"boolValue\":true}},{\"key\":\"i\",\"value\":{"
                   "\"intValue\":\"-7\"}},"
                   "{\"key\":\"d\",\"value\":{\"doubleValue\":-2.5e-9}},"
                   "{\"key\":\"l\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":1},{}]}}},"
                   "{\"key\":\"m\",\"value\":{\"kvlistValue\":{\"values\":[" ATTR(
                       "k.1", "m1") "]}}},"
                                    "{\"key\":\"raw\",\"value\":{\"bytesValue\":\"/wA=\"}}],"
                                    "\"droppedAttributesCount\":3,\"flags\":1,\"traceId\":"
                                    "\"0102030405060708090a0b0c0d0e0f10\","
                                    "\"spanId\":\"0102030405060708\",\"observedTimeUnixNano\":"
                                    "\"1795359834361498625\"}]}]}]}";

static const char SAMPLE_WANT[] =
    "{service_name=\"js\"}\n1795359834361498624 js body b=true d=-2.5e-9 "
    "dropped_attributes_count=3 flags=1 "
    "i=12 l=[1,null] m_k_1=m1 observed_timestamp=1795359834361498625 raw=/wA= scope_name=s "
    "severity_number=9 severity_text=INFO span_id=0102030405060708 "
    "trace_id=0102030405060708090a0b0c0d0e0f10 x=y\n";

static void both_forms_agree(void **state)
{
    (void)state;
    struct sk_otlp_rules r = rules();
    struct sk_strbuf b = sample();
    char *got = decoded(false, sk_slice_of_str(sk_strbuf_view(&b)), &r);
    assert_string_equal(got, SAMPLE_WANT);
    sk_free(got);
    sk_strbuf_deinit(&b);
    json_gives(SAMPLE_JSON, SAMPLE_WANT);
}

static void proto_gives(const char *bytes, size_t len, const char *want)
{
    struct sk_otlp_rules r = rules();
    char *got = decoded(false, (struct sk_slice){(const uint8_t *)bytes, len}, &r);
    assert_string_equal(got, want);
    sk_free(got);
}

static void malformed_messages_are_refused(void **state)
{
    (void)state;
#define PROTO(bytes, want) proto_gives(bytes, sizeof(bytes) - 1, want)
    PROTO("", "");
    PROTO("\x00", "error: proto: Link: illegal field=0 (tag=0, pos=1)");
    PROTO("\xff", "error: unexpected EOF");
    PROTO("\x0a\x05\x0a", "error: unexpected EOF");
    PROTO("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "error: unexpected EOF");
    PROTO("\x08\x01", "error: proto: wrong wireType = 0 for field ResourceLogs");
    PROTO("\x0b", "error: proto: illegal wireType 3");
    PROTO("\x0a\x02\x0a\x00", ""); /* fluent-bit's empty resource */
    PROTO("\x12\x01x\x18\x05\x21\x31\x32\x33\x34\x35\x36\x37\x38", ""); /* unknown fields */
    PROTO("\x0a\x07\x12\x05\x12\x03\x4a\x01x", "error: invalid length for TraceID");
    PROTO("\x0a\x07\x12\x05\x12\x03\x52\x01x", "error: invalid length for SpanID");
    PROTO("\x0a\x08\x12\x06\x12\x04\x4a\x00\x52\x00", "{service_name=\"unknown_service\"}\n777 \n");
    PROTO("\x0a\x06\x12\x04\x12\x02\x08\x01",
          "error: proto: wrong wireType = 0 for field TimeUnixNano");
}

static void every_cut_is_an_error_or_a_shorter_push(void **state)
{
    (void)state;
    struct sk_otlp_rules r = rules();
    struct sk_strbuf b = sample();
    for (size_t n = 0; n < b.len; n++) {
        char *got = decoded(false, (struct sk_slice){(const uint8_t *)b.ptr, n}, &r);
        assert_string_equal(got, n == 0 ? "" : "error: unexpected EOF");
        sk_free(got);
    }
    for (size_t n = 0; n < sizeof(SAMPLE_JSON) - 1; n++) {
        char *got = decoded(true, (struct sk_slice){(const uint8_t *)SAMPLE_JSON, n}, &r);
        assert_int_equal(strncmp(got, "error: ", 7), 0);
        sk_free(got);
    }
    sk_strbuf_deinit(&b);
}

/* ---- hostile ---- */

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct sk_otlp_rules r = rules();
    struct sk_strbuf b;
    sk_strbuf_init(&b, 64u << 20);
    put_int(&b, 3, 1);
    for (int i = 0; i < 10000; i++) {
        wrap(&b, 1); /* a value of an array ... */
        wrap(&b, 5); /* ... which is a value */
    }
    wrap(&b, 5); /* body */
    wrap(&b, 2);
    wrap(&b, 2);
    wrap(&b, 1);
    char *got = decoded(false, sk_slice_of_str(sk_strbuf_view(&b)), &r);
    char open[SK_OTLP_DEPTH_MAX + 1] = {0}, close[SK_OTLP_DEPTH_MAX + 1] = {0};
    memset(open, '[', SK_OTLP_DEPTH_MAX);
    memset(close, ']', SK_OTLP_DEPTH_MAX);
    char want[200];
    snprintf(want, sizeof want, "{service_name=\"unknown_service\"}\n777 %snull%s\n", open, close);
    assert_string_equal(got, want);
    sk_free(got);
    sk_strbuf_reset(&b);
    sk_strbuf_puts(&b, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":");
    for (int i = 0; i < 10000; i++)
        sk_strbuf_puts(&b, "{\"arrayValue\":{\"values\":[");
    got = decoded(true, sk_slice_of_str(sk_strbuf_view(&b)), &r);
    assert_int_equal(strncmp(got, "error: Skip", 11), 0);
    sk_free(got);
    sk_strbuf_reset(&b);
    sk_strbuf_puts(&b, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":");
    for (int i = 0; i < 40; i++)
        sk_strbuf_puts(&b, "{\"arrayValue\":{\"values\":[");
    for (int i = 0; i < 40; i++)
        sk_strbuf_puts(&b, "]}}");
    sk_strbuf_puts(&b, "}]}]}]}");
    got = decoded(true, sk_slice_of_str(sk_strbuf_view(&b)), &r);
    assert_string_equal(got, want);
    sk_free(got);
    sk_strbuf_deinit(&b);
}

static void arena_cap_is_an_error(void **state)
{
    (void)state;
    struct sk_otlp_rules r = rules();
    struct sk_strbuf b;
    struct sk_push push;
    struct sk_error e = {.text = ""};
    sk_strbuf_init(&b, 64u << 20);
    for (int i = 0; i < 100000; i++)
        put_text(&b, 1, ""); /* two bytes that become an item of an array */
    wrap(&b, 5);
    wrap(&b, 5);
    wrap(&b, 2);
    wrap(&b, 2);
    wrap(&b, 1);
    sk_push_init(&push, 1 << 20, NULL);
    assert_int_equal(
        sk_push_decode_otlp_proto(&push, sk_slice_of_str(sk_strbuf_view(&b)), &r, NOW, &e),
        SK_ENOMEM);
    assert_true(e.text[0] != '\0');
    sk_push_deinit(&push);
    sk_strbuf_deinit(&b);
}

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    struct sk_otlp_rules r = rules();
    r.severity_text_as_label = true;
    const char *body =
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":[" ATTR("service.name", "s") "," ATTR(
            "a.b",
            "m") "]},\"scopeLogs\":[{\"scope\":{\"name\":\"n\"},\"logRecords\":["
                 "{\"severityText\":\"B\"},{\"severityText\":\"A\"},{\"severityText\":\"B\"}]}]}]}";
    uint64_t n = 0;
    bool hit = true;
    for (n = 1; hit && n < 1000; n++) {
        struct sk_push push;
        struct sk_error e = {.text = ""};
        sk_push_init(&push, 1 << 20, NULL);
        sk_alloc_fault_arm(n);
        enum sk_err err = sk_push_decode_otlp_json(
            &push, (struct sk_slice){(const uint8_t *)body, strlen(body)}, &r, NOW, &e);
        hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        assert_int_equal(err, hit ? SK_ENOMEM : SK_OK);
        sk_push_deinit(&push);
    }
    assert_in_range(n, 6, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_normalised),
        cmocka_unit_test(names_without_letters_refuse_the_request),
        cmocka_unit_test(values_and_bodies_convert),
        cmocka_unit_test(maps_flatten_as_attributes_and_stay_json_as_bodies),
        cmocka_unit_test(later_names_win),
        cmocka_unit_test(fields_of_records_and_scopes_become_metadata),
        cmocka_unit_test(times_fall_back_to_observed_and_now),
        cmocka_unit_test(resources_give_labels_and_a_service_name),
        cmocka_unit_test(rules_decide_about_labels),
        cmocka_unit_test(rules_decide_about_every_attribute),
        cmocka_unit_test(labels_of_records_hide_those_of_their_resource),
        cmocka_unit_test(equal_labels_make_one_stream),
        cmocka_unit_test(members_may_come_in_any_order_and_spelling),
        cmocka_unit_test(lone_surrogates_become_replacement_runes),
        cmocka_unit_test(json_faults_have_lokis_words),
        cmocka_unit_test(malformed_members_are_refused),
        cmocka_unit_test(both_forms_agree),
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(every_cut_is_an_error_or_a_shorter_push),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(arena_cap_is_an_error),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
