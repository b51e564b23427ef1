/* SPDX-License-Identifier: Apache-2.0 */
/* Protects what Loki's push forms accept and refuse: the reactions to odd JSON, texts of decode
 * errors, protobuf with unknown, missing and malformed fields. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "wire/push.h"

enum form {
    PROTO,
    JSON,
    LEGACY,
};

/* "{labels} ts=line(name=value) ...; ..." or "error: TEXT"; sk_free's. */
static char *decoded(enum form form, const void *body, size_t len)
{
    struct sk_push push;
    struct sk_strbuf out;
    struct sk_error e = {.text = ""};
    char *exact = sk_malloc(len > 0 ? len : 1); /* its own block, so that ASan sees an overread */
    assert_non_null(exact);
    memcpy(exact, body, len);
    struct sk_str text = {exact, len};
    sk_push_init(&push, 1 << 20, NULL);
    sk_strbuf_init(&out, 1 << 20);
    enum sk_err err = form == PROTO  ? sk_push_decode_proto(&push, sk_slice_of_str(text), &e)
                      : form == JSON ? sk_push_decode_json(&push, text, &e)
                                     : sk_push_decode_json_legacy(&push, text, &e);
    if (err != SK_OK)
        sk_strbuf_printf(&out, "error: %s", e.text);
    for (size_t i = 0; err == SK_OK && i < push.stream_count; i++) {
        const struct sk_push_stream *s = &push.streams[i];
        sk_strbuf_printf(&out, "%.*s", SK_STR_ARG(s->labels));
        for (uint32_t k = 0; k < s->entry_count; k++) {
            const struct sk_push_entry *entry = &push.entries[s->entry_first + k];
            sk_strbuf_printf(&out, " %lld=%.*s", (long long)entry->ts_ns, SK_STR_ARG(entry->line));
            for (uint32_t p = 0; p < entry->pair_count; p++) {
                const struct sk_push_pair *pair = &push.pairs[entry->pair_first + p];
                sk_strbuf_printf(&out, "(%.*s=%.*s)", SK_STR_ARG(pair->name),
                                 SK_STR_ARG(pair->value));
            }
        }
        sk_strbuf_puts(&out, ";");
    }
    sk_strbuf_putc(&out, '\0');
    sk_push_deinit(&push);
    sk_free(exact);
    return sk_strbuf_take(&out);
}

static void gives(enum form form, const void *body, size_t len, const char *want)
{
    char *got = decoded(form, body, len);
    if (strcmp(got, want) != 0)
        fail_msg("%.*s\n got: %s\nwant: %s", (int)len, (const char *)body, got, want);
    sk_free(got);
}

static void json_gives(const char *body, const char *want)
{
    gives(JSON, body, strlen(body), want);
}

/* A stream {a="1"} with `values`. */
static void values_give(const char *values, const char *want)
{
    char body[500], full[300];
    snprintf(body, sizeof(body), "{\"streams\":[{\"stream\":{\"a\":\"1\"},\"values\":%s}]}",
             values);
    snprintf(full, sizeof(full), "{a=\"1\"}%s;", want);
    json_gives(body, full);
}

/* ---- JSON ---- */

static void odd_json_is_taken_as_loki_takes_it(void **state)
{
    (void)state;
    json_gives("{}", "");
    json_gives("null", "");
    json_gives("{\"streams\":[]}", "");
    json_gives("{\"streams\":null}", "");
    json_gives("{\"x\":[{}],\"streams\":[{\"y\":{},\"stream\":{\"a\":\"1\"}}],\"z\":1} trailing {",
               "{a=\"1\"};");
    json_gives("{\"streams\":[{}]}", "{};");
    json_gives("{\"streams\":[{\"stream\":{}}]}", "{};");
    json_gives("{\"streams\":[{\"stream\":{\"b\":\"\",\"a\":5,\"c\":true,\"d\":null}}]}",
               "{a=\"5\", b=\"\", c=\"true\", d=\"null\"};");
    json_gives("{\"streams\":[{\"stream\":{\"a\":\"1\",\"a\":\"2\\\"\\n\"}}]}",
               "{a=\"2\\\"\\n\"};");
    values_give("null", "");
    values_give("[]", "");
    values_give("[[\"5\",\"x\"],[\"6\",\"y\",{}],[\"7\",\"z\",{\"k\":\"v\",\"k\":\"w\"},5,null]]",
                " 5=x 6=y 7=z(k=v)(k=w)");
    values_give("[[]]", " -9223372036854775808=");
    values_give("[[\"5\"]]", " 5=");
    values_give("[[\"-5\",\"x\"]]", " -5=x");
    values_give("[[\"5\",\"\\u00fc\\t\\/\"]]", " 5=\xc3\xbc\t/");
    values_give("[[\"5\",\"raw \xff byte\"]]", " 5=raw \xff byte");
}

static void json_outside_of_streams_has_lokis_words(void **state)
{
    (void)state;
    json_gives("", "error: EOF");
    json_gives("hello",
               "error: readObjectStart: expect { or n, but found h, error found in #1 byte of "
               "...|hello|..., bigger context ...|hello|...");
    json_gives("\"x\"",
               "error: readObjectStart: expect { or n, but found \", error found in #1 byte of "
               "...|\"x\"|..., bigger context ...|\"x\"|...");
    json_gives("{\"streams\":{}}",
               "error: loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode slice: expect "
               "[ or n, but "
               "found {, error found in #10 byte of ...|streams\":{}}|..., bigger context "
               "...|{\"streams\":{}}|...");
    gives(LEGACY, "x", 1,
          "error: readObjectStart: expect { or n, but found x, error found in #1 byte of "
          "...|x|..., bigger "
          "context ...|x|...");
}

#define IN_STREAM                                                                                  \
    "error: loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: "

static void faults_of_a_stream_have_lokis_words(void **state)
{
    (void)state;
    static const char number[] = IN_STREAM
        "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol, error "
        "found in #10 byte of ";
    static const char text[] =
        IN_STREAM "Value is string, but can't find closing '\"' symbol, error found in ";
    static const char object[] =
        IN_STREAM "Value looks like object, but can't find closing '}' symbol, error ";
    static const struct {
        const char *stream, *want;
    } cases[] = {
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1.5\",\"x\"]]}", number},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[1768467600000000000,\"x\"]]}", number},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"9223372036854775808\",\"x\"]]}", number},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"+1768467600000000000\",\"x\"]]}", number},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"0x10\",\"x\"]]}", number},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"\",\"x\"]]}", number},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"2026-11-22T14:55:06Z\",\"x\"]]}", number},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",5]]}", text},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"x\",{\"k\":5}]]}", text},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"x\",{\"k\":null}]]}", text},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"\\ud800\"]]}", text},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"x\",null]]}", object},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"x\",\"y\"]]}", object},
        {"{\"stream\":null,\"values\":[[\"1\",\"x\"]]}", object},
        {"null", object},
        {"5", object},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[\"x\"]}", IN_STREAM "Malformed JSON error, "},
        {"{\"stream\":{\"a\":\"1\"},\"values\":{\"x\":1}}",
         IN_STREAM "Value is array, but can't find closing ']' symbol, "},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"a\tb\"]]}",
         "error: loghttp.PushRequest.Streams: "},
        {"{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"x\"],]}",
         "error: loghttp.PushRequest.Streams: "},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        char body[300];
        snprintf(body, sizeof(body), "{\"streams\":[%s]}", cases[i].stream);
        char *got = decoded(JSON, body, strlen(body));
        if (strncmp(got, cases[i].want, strlen(cases[i].want)) != 0)
            fail_msg("%s\n got: %s\nwant: %s", body, got, cases[i].want);
        sk_free(got);
    }
}

static void context_of_a_fault_is_cut_as_loki_cuts_it(void **state)
{
    (void)state;
    json_gives(
        "{\"streams\":[{\"stream\":{\"a\":\"1\"},\"values\":[[\"9223372036854775808\",\"x\"]]}]}",
        IN_STREAM
        "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol, error "
        "found in #10 byte of ...|08\",\"x\"]]}]}|..., bigger context "
        "...|:{\"a\":\"1\"},\"values\":[[\"9223372036854775808\",\"x\"]]}]}|...");
}

static void every_cut_of_json_is_refused(void **state)
{
    (void)state;
    static const char body[] =
        "{\"streams\":[{\"stream\":{\"a\":\"1\"},\"values\":[[\"5\",\"x\\u00fc\","
        "{\"k\":\"v\"}]]}]}";
    for (size_t n = 0; n + 1 < sizeof(body); n++) {
        char *got = decoded(JSON, body, n);
        assert_int_equal(strncmp(got, "error: ", 7), 0);
        sk_free(got);
    }
    json_gives(body, "{a=\"1\"} 5=x\xc3\xbc(k=v);");
}

static void old_form_has_rfc3339_times(void **state)
{
    (void)state;
    static const char body[] =
        "{\"streams\":[{\"labels\":\"{app=\\\"old\\\"}\",\"entries\":[{\"ts\":"
        "\"1970-01-01T00:00:06.5Z\",\"line\":\"legacy line\",\"x\":1}]}]}";
    static const char new_form[] =
        "{\"streams\":[{\"stream\":{\"a\":\"1\"},\"values\":[[\"5\",\"x\"]]}]}";
    static const char bad_time[] =
        "{\"streams\":[{\"labels\":\"{}\",\"entries\":[{\"ts\":\"5\"}]}]}";
    gives(LEGACY, body, sizeof(body) - 1, "{app=\"old\"} 6500000000=legacy line;");
    gives(LEGACY, new_form, sizeof(new_form) - 1, ";"); /* a stream without entries */
    char *got = decoded(LEGACY, bad_time, sizeof(bad_time) - 1);
    assert_int_equal(strncmp(got, "error: ", 7), 0);
    sk_free(got);
}

/* ---- protobuf ---- */

#define PB(bytes, want) gives(PROTO, bytes, sizeof(bytes) - 1, want)

static void messages_are_read_in_any_order_with_unknown_fields(void **state)
{
    (void)state;
    PB("", "");
    PB("\x0a\x00", ";");
    PB("\x0a\x1a\x0a\x07{a=\"1\"}"
       "\x12\x0f\x0a\x04\x08\x01\x10\x05\x12\x01x\x1a\x04\x0a\x01k\x12\x00",
       "error: unexpected EOF");
    PB("\x0a\x1b\x0a\x07{a=\"1\"}"
       "\x12\x10\x0a\x04\x08\x01\x10\x05\x12\x01x\x1a\x05\x0a\x01k\x12\x00",
       "{a=\"1\"} 1000000005=x(k=);");
    /* line before time, hash, format, fields 4, 9 and 15 of all wire types */
    PB("\x0a\x11\x12\x09\x12\x01y\x0a\x02\x08\x02\x20\x07\x0a\x02{}\x18\x2a"
       "\x12\x03"
       "fmt\x49\x31\x32\x33\x34\x35\x36\x37\x38\x7d\x31\x32\x33\x34",
       "{} 2000000000=y;");
    PB("\x0a\x04\x0a\x02{}\x0a\x04\x0a\x02{}", "{};{};"); /* the ingester merges them */
    PB("\x0a\x02\x12\x00", " 0=;");
}

static void malformed_messages_are_refused(void **state)
{
    (void)state;
    PB("\x00", "error: proto: illegal tag 0 (wire type 0)");
    PB("\xff", "error: unexpected EOF");
    PB("\x0a", "error: unexpected EOF");
    PB("\x0a\x05\x0a", "error: unexpected EOF");
    PB("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "error: unexpected EOF");
    PB("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "error: unexpected EOF");
    PB("\x08\x01", "error: proto: wrong wireType = 0 for field Streams");
    PB("\x0b", "error: proto: illegal wireType 3");
    PB("\x0a\x02\x08\x01", "error: proto: wrong wireType = 0 for field Labels");
    PB("\x0a\x02\x10\x01", "error: proto: wrong wireType = 0 for field Entries");
    PB("\x0a\x04\x12\x02\x10\x01", "error: proto: wrong wireType = 0 for field Line");
    PB("\x0a\x06\x12\x04\x1a\x02\x08\x01", "error: proto: wrong wireType = 0 for field Name");
    PB("\x0a\x06\x12\x04\x0a\x02\x0a\x00", "error: proto: wrong wireType = 2 for field Seconds");
    char *got = decoded(PROTO, "\x0a\x0a\x12\x08\x0a\x06\x10\x80\x94\xeb\xdc\x03", 12); /* 1e9 ns */
    assert_int_equal(strncmp(got, "error: timestamp out of range", 29), 0);
    sk_free(got);
    got = decoded(PROTO, "\x0a\x0a\x12\x08\x0a\x06\x08\x80\x94\xeb\xdc\x7f", 12); /* far too late */
    assert_int_equal(strncmp(got, "error: timestamp out of range", 29), 0);
    sk_free(got);
}

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    static const char body[] =
        "{\"streams\":[{\"stream\":{\"a\":\"1\\n\"},\"values\":[[\"5\",\"x\\n\","
        "{\"k\":\"v\"}]]}]}";
    bool hit = true;
    uint64_t n;
    for (n = 1; hit && n < 100; n++) {
        struct sk_push push;
        struct sk_error e = {.text = ""};
        sk_push_init(&push, 1 << 20, NULL);
        sk_alloc_fault_arm(n);
        enum sk_err err = sk_push_decode_json(&push, SK_STR(body), &e);
        hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        assert_true(hit ? err != SK_OK && e.text[0] != '\0' : err == SK_OK);
        sk_push_deinit(&push);
    }
    assert_in_range(n, 4, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_json_is_taken_as_loki_takes_it),
        cmocka_unit_test(json_outside_of_streams_has_lokis_words),
        cmocka_unit_test(faults_of_a_stream_have_lokis_words),
        cmocka_unit_test(context_of_a_fault_is_cut_as_loki_cuts_it),
        cmocka_unit_test(every_cut_of_json_is_refused),
        cmocka_unit_test(old_form_has_rfc3339_times),
        cmocka_unit_test(messages_are_read_in_any_order_with_unknown_fields),
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
