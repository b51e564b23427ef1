/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the texts of requests. */
#include "lib/testlib.h"

#include "cli/ctl_url.h"

static struct sk_strbuf buf;

static void queries_are_escaped_as_go_escapes_them(void **state)
{
    (void)state;
    sk_strbuf_reset(&buf);
    sk_ctl_query_escape(&buf,
                        SK_STR("sum by (host) (count_over_time({app=\"cli\"}[30m]))-_.~\xc3"));
    assert_str(sk_strbuf_view(&buf), "sum+by+%28host%29+%28count_over_time%28%7Bapp%3D%22cli%22%7D"
                                     "%5B30m%5D%29%29-_.~%C3");
    sk_strbuf_reset(&buf);
    sk_ctl_path_escape(&buf, SK_STR("a b/c"));
    assert_str(sk_strbuf_view(&buf), "a%20b%2Fc");
}

static void parameters_are_joined(void **state)
{
    (void)state;
    const struct sk_ctl_param params[] = {{"end", SK_STR("1")}, {"query", SK_STR("{a}")}};
    sk_strbuf_reset(&buf);
    sk_ctl_params_format(&buf, params, 2);
    assert_str(sk_strbuf_view(&buf), "end=1&query=%7Ba%7D");
}

static void base64_pads(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},        {"u", "dQ=="},        {"u:", "dTo="},
        {"u:p", "dTpw"}, {"u:pw", "dTpwdw=="}, {"\xff\xfe\xfd", "//79"}};
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        sk_strbuf_reset(&buf);
        sk_ctl_base64(&buf, sk_str_from(cases[i][0]));
        assert_str(sk_strbuf_view(&buf), cases[i][1]);
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
        cmocka_unit_test(queries_are_escaped_as_go_escapes_them),
        cmocka_unit_test(parameters_are_joined),
        cmocka_unit_test(base64_pads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
