/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the types of configuration values: what YAML sees in a scalar, what each type takes and
 * refuses, in whose words, and how it is printed back. */
#include "lib/testlib.h"

#include "config/config_int.h"

/* What the scalar prints as when read as the type; "!text" when it is refused with this text, with
 * "!!text" for a wrong kind (which Loki names with its line). */
static void check(enum sk_key_type type, const char *written, const char *want)
{
    bool quoted = written[0] == '"';
    struct sk_config_node node = {.quoted = quoted, .text = sk_str_from(written)};
    struct sk_strbuf out;
    struct sk_value v;
    struct sk_error why = {.text = ""};
    if (quoted)
        node.text = (struct sk_str){written + 1, strlen(written) - 2};
    sk_strbuf_init(&out, 65536);
    enum sk_err err = sk_value_parse(type, &node, &v, &why);
    if (err == SK_OK)
        sk_value_format(&out, type, &v);
    else
        sk_strbuf_printf(&out, "%s%s", err == SK_EINVAL ? "!!" : "!", why.text);
    if (!sk_str_is(sk_strbuf_view(&out), want))
        fail_msg("%s: got %.*s, want %s", written, SK_STR_ARG(sk_strbuf_view(&out)), want);
    sk_strbuf_deinit(&out);
}

static void go_durations(void **state)
{
    (void)state;
    check(SK_KEY_DURATION, "1h30m", "1h30m0s");
    check(SK_KEY_DURATION, "500ms", "500ms");
    check(SK_KEY_DURATION, "1.5h", "1h30m0s");
    check(SK_KEY_DURATION, "-5s", "-5s");
    check(SK_KEY_DURATION, "5", "5ns");
    check(SK_KEY_DURATION, "-1", "-1ns");
    check(SK_KEY_DURATION, "0", "0s");
    check(SK_KEY_DURATION, "\"5m\"", "5m0s");
    check(SK_KEY_DURATION, "abc", "!!cannot unmarshal !!str `abc` into time.Duration");
    check(SK_KEY_DURATION, "1d", "!!cannot unmarshal !!str `1d` into time.Duration");
    check(SK_KEY_DURATION, "1w", "!!cannot unmarshal !!str `1w` into time.Duration");
    check(SK_KEY_DURATION, "\"5\"", "!!cannot unmarshal !!str `5` into time.Duration");
    check(SK_KEY_DURATION, "true", "!!cannot unmarshal !!bool `true` into time.Duration");
    check(SK_KEY_DURATION, "1.5", "!!cannot unmarshal !!float `1.5` into time.Duration");
    check(SK_KEY_DURATION, "abcdefghijkl",
          "!!cannot unmarshal !!str `abcdefg...` into time.Duration");
}

static void prometheus_durations(void **state)
{
    (void)state;
    check(SK_KEY_PROM, "1w2d3h4m5s6ms", "9d3h4m5s6ms");
    check(SK_KEY_PROM, "721h", "30d1h");
    check(SK_KEY_PROM, "30d1h", "30d1h");
    check(SK_KEY_PROM, "1y", "1y");
    check(SK_KEY_PROM, "90m", "1h30m");
    check(SK_KEY_PROM, "1m0s", "1m");
    check(SK_KEY_PROM, "168h", "1w");
    check(SK_KEY_PROM, "0", "0s");
    check(SK_KEY_PROM, "5", "!not a valid duration string: \"5\"");
    check(SK_KEY_PROM, "1.5h", "!unknown unit \".\" in duration \"1.5h\"");
    check(SK_KEY_PROM, "1h1d", "!not a valid duration string: \"1h1d\"");
    check(SK_KEY_PROM, "\"\"", "!empty duration string");
}

static void sizes(void **state)
{
    (void)state;
    check(SK_KEY_BYTES, "262144", "256KB");
    check(SK_KEY_BYTES, "256KB", "256KB");
    check(SK_KEY_BYTES, "256 kb", "256KB");
    check(SK_KEY_BYTES, "1k", "1KB");
    check(SK_KEY_BYTES, "1024KB", "1MB");
    check(SK_KEY_BYTES, "1536KB", "1536KB");
    check(SK_KEY_BYTES, "1000", "1000B");
    check(SK_KEY_BYTES, "5B", "5B");
    check(SK_KEY_BYTES, "4GB", "4GB");
    check(SK_KEY_BYTES, "15E", "15EB");
    check(SK_KEY_BYTES, "0", "0B");
    check(SK_KEY_BYTES, "1XB", "!strconv.UnmarshalText: parsing \"1XB\": invalid syntax");
    check(SK_KEY_BYTES, "1KiB", "!strconv.UnmarshalText: parsing \"1KiB\": invalid syntax");
    check(SK_KEY_BYTES, "1.5MB", "!strconv.UnmarshalText: parsing \"1.5MB\": invalid syntax");
    check(SK_KEY_BYTES, "-1", "!strconv.UnmarshalText: parsing \"-1\": invalid syntax");
    check(SK_KEY_BYTES, "16E", "!strconv.UnmarshalText: parsing \"16E\": value out of range");
    check(SK_KEY_BYTES, "99999999999999999999",
          "!strconv.UnmarshalText: parsing \"99999999999999999999\": value out of range");
    check(SK_KEY_BYTES2, "63KiB1023B", "63KiB1023B");
    check(SK_KEY_BYTES2, "64MiB", "64MiB");
    check(SK_KEY_BYTES2, "64MB", "64MiB");
    check(SK_KEY_BYTES2, "65535", "63KiB1023B");
}

static void numbers(void **state)
{
    (void)state;
    check(SK_KEY_INT, "42", "42");
    check(SK_KEY_INT, "-1", "-1");
    check(SK_KEY_INT, "0x10", "16");
    check(SK_KEY_INT, "010", "8");
    check(SK_KEY_INT, "0o17", "15");
    check(SK_KEY_INT, "0b101", "5");
    check(SK_KEY_INT, "1_000", "1000");
    check(SK_KEY_INT, "9223372036854775807", "9223372036854775807");
    check(SK_KEY_INT, "-9223372036854775808", "-9223372036854775808");
    check(SK_KEY_INT, "1e3", "1000");
    check(SK_KEY_INT, "1.5", "!!cannot unmarshal !!float `1.5` into int");
    check(SK_KEY_INT, "\"42\"", "!!cannot unmarshal !!str `42` into int");
    check(SK_KEY_INT, "abc", "!!cannot unmarshal !!str `abc` into int");
    check(SK_KEY_INT, "yes", "!!cannot unmarshal !!bool `yes` into int");
    check(SK_KEY_INT, "99999999999999999999", "!!cannot unmarshal !!float `9999999...` into int");
    check(SK_KEY_FLOAT, "4", "4");
    check(SK_KEY_FLOAT, "0.1", "0.1");
    check(SK_KEY_FLOAT, "1e-7", "1e-07");
    check(SK_KEY_FLOAT, ".inf", ".inf");
    check(SK_KEY_FLOAT, "-.inf", "-.inf");
    check(SK_KEY_FLOAT, ".nan", ".nan");
    check(SK_KEY_FLOAT, "\"4\"", "!!cannot unmarshal !!str `4` into float64");
    check(SK_KEY_FLOAT, "inf", "!!cannot unmarshal !!str `inf` into float64");
}

static void booleans_are_those_of_yaml_1_1(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "ON", "y"};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "off", "Off", "n", "N"};
    for (size_t i = 0; i < SK_COUNT_OF(yes); i++)
        check(SK_KEY_BOOL, yes[i], "true");
    for (size_t i = 0; i < SK_COUNT_OF(no); i++)
        check(SK_KEY_BOOL, no[i], "false");
    check(SK_KEY_BOOL, "\"true\"", "!!cannot unmarshal !!str `true` into bool");
    check(SK_KEY_BOOL, "1", "!!cannot unmarshal !!int `1` into bool");
    check(SK_KEY_BOOL, "tRUE", "!!cannot unmarshal !!str `tRUE` into bool");
}

static void texts_keep_what_was_written(void **state)
{
    (void)state;
    check(SK_KEY_STRING, "abc", "abc");
    check(SK_KEY_STRING, "/var/loki", "/var/loki");
    check(SK_KEY_STRING, "5", "\"5\"");
    check(SK_KEY_STRING, "yes", "\"yes\"");
    check(SK_KEY_STRING, "\"\"", "\"\"");
    check(SK_KEY_STRING, "\"~\"", "\"~\"");
    check(SK_KEY_STRING, "a b", "\"a b\"");
    check(SK_KEY_STRING, "a:b", "a:b");
    check(SK_KEY_STRING, "a:", "\"a:\"");
    check(SK_KEY_STRING, "-", "\"-\"");
    check(SK_KEY_STRING, "q\"\\\n\t", "\"q\\\"\\\\\\n\\u0009\"");
    check(SK_KEY_STRING, "\xc3\xa4", "\"\xc3\xa4\"");
    check(SK_KEY_STRING, "\xc2\x85", "\"\\u0085\"");
    check(SK_KEY_CSV, "a,b", "a,b");
    check(SK_KEY_SECRET, "abc", "<secret>");
    check(SK_KEY_SECRET, "\"\"", "\"\"");
    check(SK_KEY_URL, "http://x/y", "http://x/y");
    check(SK_KEY_URL, "s3://key:pass@host", "<secret>");
    check(SK_KEY_LEVEL, "warn", "warn");
    check(SK_KEY_LEVEL, "foo", "!unrecognized log level \"foo\"");
}

static void days_and_times(void **state)
{
    (void)state;
    check(SK_KEY_DAY, "2024-04-01", "\"2024-04-01\"");
    check(SK_KEY_DAY, "\"2024-04-01\"", "\"2024-04-01\"");
    check(SK_KEY_DAY, "1970-01-01", "\"1970-01-01\"");
    check(SK_KEY_DAY, "2024-02-30", "!parsing time \"2024-02-30\" as \"2006-01-02\": not a day");
    check(SK_KEY_DAY, "2024-4-1", "!parsing time \"2024-4-1\" as \"2006-01-02\": not a day");
    check(SK_KEY_TIME, "0", "0");
    check(SK_KEY_TIME, "2030-01-01", "2030-01-01T00:00:00Z");
    check(SK_KEY_TIME, "2030-01-01T12:00:00Z", "2030-01-01T12:00:00Z");
    check(SK_KEY_TIME, "1893456000", "!failed to parse time: \"1893456000\"");
}

static void documents_have_limits(void **state)
{
    (void)state;
    struct sk_arena arena;
    struct sk_strbuf text;
    struct sk_config_node *root;
    struct sk_error why;
    sk_arena_init(&arena, SK_CONFIG_ARENA_BYTES, NULL);
    sk_strbuf_init(&text, 1 << 20);
    for (int i = 0; i < 200; i++)
        sk_strbuf_puts(&text, "{a: ");
    for (int i = 0; i < 200; i++)
        sk_strbuf_putc(&text, '}');
    assert_int_equal(sk_node_parse(&arena, sk_strbuf_view(&text), &root, &why), SK_EPARSE);
    assert_string_equal(why.text, "yaml: line 1: document is too deep");
    sk_strbuf_reset(&text);
    sk_strbuf_puts(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++)
        sk_strbuf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
                         i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_int_equal(sk_node_parse(&arena, sk_strbuf_view(&text), &root, &why), SK_EPARSE);
    assert_non_null(strstr(why.text, "document is too large"));
    sk_strbuf_deinit(&text);
    sk_arena_deinit(&arena);
}

static void merge_keys_and_aliases_unfold(void **state)
{
    (void)state;
    static const char text[] = "base: &b {x: 1, y: 2}\n"
                               "one: {<<: *b, y: 3}\n"
                               "two: {<<: [*b, {z: 4}]}\n"
                               "three: *b\n";
    struct sk_arena arena;
    struct sk_config_node *root;
    struct sk_error why;
    sk_arena_init(&arena, SK_CONFIG_ARENA_BYTES, NULL);
    assert_int_equal(sk_node_parse(&arena, SK_STR(text), &root, &why), SK_OK);
    assert_str(sk_node_at(root, "one.x")->text, "1");
    assert_str(sk_node_at(root, "one.y")->text, "3");
    assert_str(sk_node_at(root, "two.y")->text, "2");
    assert_str(sk_node_at(root, "two.z")->text, "4");
    assert_str(sk_node_at(root, "three.x")->text, "1");
    assert_null(sk_node_at(root, "three.z"));
    assert_int_equal(sk_node_at(root, "two")->line, 3);
    sk_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_durations),
        cmocka_unit_test(prometheus_durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(numbers),
        cmocka_unit_test(booleans_are_those_of_yaml_1_1),
        cmocka_unit_test(texts_keep_what_was_written),
        cmocka_unit_test(days_and_times),
        cmocka_unit_test(documents_have_limits),
        cmocka_unit_test(merge_keys_and_aliases_unfold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
