/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the times of the command line and of the output. */
#include "lib/testlib.h"

#include <stdlib.h>
#include <time.h>

#include "cli/ctl_time.h"

static struct sk_strbuf buf;

static void zone(const char *tz)
{
    assert_int_equal(setenv("TZ", tz, 1), 0);
    tzset();
}

static struct sk_str format(int64_t ts_ns, enum sk_ctl_layout layout, bool utc)
{
    sk_strbuf_reset(&buf);
    sk_ctl_time_format(&buf, ts_ns, layout, utc);
    return sk_strbuf_view(&buf);
}

#define TS INT64_C(1795357770120000000) /* 2026-11-22T14:29:30.12Z */

static void layouts_print_as_go_prints_them(void **state)
{
    (void)state;
    zone("XYZ-5:30");
    assert_str(format(TS, SK_CTL_RFC3339, true), "2026-11-22T14:29:30Z");
    assert_str(format(TS, SK_CTL_RFC3339NANO, true), "2026-11-22T14:29:30.12Z");
    assert_str(format(TS, SK_CTL_RFC822Z, true), "22 Nov 26 14:29 +0000");
    assert_str(format(TS, SK_CTL_RFC1123Z, true), "Sun, 22 Nov 2026 14:29:30 +0000");
    assert_str(format(TS, SK_CTL_STAMPMICRO, true), "Nov 22 14:29:30.120000");
    assert_str(format(TS, SK_CTL_STAMPMILLI, true), "Nov 22 14:29:30.120");
    assert_str(format(TS, SK_CTL_STAMPNANO, true), "Nov 22 14:29:30.120000000");
    assert_str(format(TS, SK_CTL_UNIXDATE, true), "Sun Nov 22 14:29:30 UTC 2026");
}

static void local_times_carry_the_offset_of_the_zone(void **state)
{
    (void)state;
    zone("XYZ-5:30");
    assert_str(format(TS, SK_CTL_RFC3339, false), "2026-11-22T19:59:30+05:30");
    assert_str(format(TS, SK_CTL_RFC822Z, false), "22 Nov 26 19:59 +0530");
    assert_str(format(TS, SK_CTL_UNIXDATE, false), "Sun Nov 22 19:59:30 XYZ 2026");
    zone("ABC3");
    assert_str(format(TS, SK_CTL_RFC3339, false), "2026-11-22T11:29:30-03:00");
    zone("UTC0");
    assert_str(format(TS, SK_CTL_RFC3339, false), "2026-11-22T14:29:30Z");
}

static void fractions_lose_trailing_zeros_only(void **state)
{
    (void)state;
    assert_str(format(1, SK_CTL_RFC3339NANO, true), "1970-01-01T00:00:00.000000001Z");
    assert_str(format(1000000000, SK_CTL_RFC3339NANO, true), "1970-01-01T00:00:01Z");
    assert_str(format(-1, SK_CTL_RFC3339NANO, true), "1969-12-31T23:59:59.999999999Z");
    assert_str(format(3 * INT64_C(86400000000000), SK_CTL_STAMPMILLI, true), "Jan  4 00:00:00.000");
}

static void stamps_of_stderr_are_local(void **state)
{
    (void)state;
    zone("XYZ-5:30");
    sk_strbuf_reset(&buf);
    sk_ctl_time_stamp(&buf, TS);
    assert_str(sk_strbuf_view(&buf), "2026/11/22 19:59:30");
}

static void times_need_a_zone(void **state)
{
    (void)state;
    int64_t ns = 7;
    struct sk_error e;
    assert_int_equal(sk_ctl_time_parse(SK_STR("2026-11-22T14:29:30.12Z"), &ns, &e), SK_OK);
    assert_true(ns == TS);
    assert_int_equal(sk_ctl_time_parse(SK_STR("2026-11-22T19:59:30.12+05:30"), &ns, &e), SK_OK);
    assert_true(ns == TS);
}

static void bad_times_are_explained_in_go_s_words(void **state)
{
    (void)state;
#define AS " as \"2006-01-02T15:04:05.999999999Z07:00\": cannot parse "
    static const char *const cases[][2] = {
        {"2026-11-22", "parsing time \"2026-11-22\"" AS "\"\" as \"T\""},
        {"2026-11-22T14:00:00", "parsing time \"2026-11-22T14:00:00\"" AS "\"\" as \"Z07:00\""},
        {"now-1h", "parsing time \"now-1h\"" AS "\"now-1h\" as \"2006\""},
        {"", "parsing time \"\"" AS "\"\" as \"2006\""},
        {"2026-13-22T14:00:00Z", "parsing time \"2026-13-22T14:00:00Z\": month out of range"},
        {"2026-02-30T14:00:00Z", "parsing time \"2026-02-30T14:00:00Z\": day out of range"},
        {"2026-02-03T25:00:00Z", "parsing time \"2026-02-03T25:00:00Z\": hour out of range"},
        {"2026-02-03T15:00:00.5Zx", "parsing time \"2026-02-03T15:00:00.5Zx\": extra text: \"x\""},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        int64_t ns = 7;
        struct sk_error e;
        assert_int_equal(sk_ctl_time_parse(sk_str_from(cases[i][0]), &ns, &e), SK_EPARSE);
        assert_string_equal(e.text, cases[i][1]);
        assert_int_equal(ns, 7);
    }
}

static int setup(void **state)
{
    (void)state;
    sk_strbuf_init(&buf, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sk_strbuf_deinit(&buf);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_print_as_go_prints_them),
        cmocka_unit_test(local_times_carry_the_offset_of_the_zone),
        cmocka_unit_test(fractions_lose_trailing_zeros_only),
        cmocka_unit_test(stamps_of_stderr_are_local),
        cmocka_unit_test(times_need_a_zone),
        cmocka_unit_test(bad_times_are_explained_in_go_s_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
