/* SPDX-License-Identifier: Apache-2.0 */
/* Protects names of tables and index files. */
#include "lib/testlib.h"

#include "tsdb_index/index_name.h"

static void names_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool per_tenant, gzip;
        int64_t created;
        const char *node;
    } cases[] = {
        {"1795361909-vm-1795361909830197227.tsdb.gz", false, true, 1795361909,
         "vm-1795361909830197227"},
        {"1795361909-a.tsdb", false, false, 1795361909, "a"},
        {"1795360736168735141-compactor-1749585600000-1749600005000-7fa4d62b.tsdb.gz", true, true,
         1795360736168735141, NULL},
        {"-5-compactor--1--2-0.tsdb", true, false, -5, NULL},
        {"5-compactor-1-2-123456789.tsdb", false, false, 5, "compactor-1-2-123456789"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        struct sk_index_name n;
        struct sk_strbuf out;
        sk_strbuf_init(&out, 1000);
        assert_true(sk_index_name_parse(sk_str_from(cases[i].name), &n));
        assert_int_equal(n.per_tenant, cases[i].per_tenant);
        assert_int_equal(n.gzip, cases[i].gzip);
        assert_true(n.created == cases[i].created);
        if (cases[i].node != NULL)
            assert_str(n.node, cases[i].node);
        sk_index_name_format(&out, &n);
        assert_str(sk_strbuf_view(&out), cases[i].name);
        sk_strbuf_deinit(&out);
    }
    static const char *const refused[] = {"",         ".tsdb",   "x.tsdb",          "1.tsdb",
                                          "a-b.tsdb", "1-b.tsd", "1-b.tsdb.gz.tmp", "README.txt",
                                          "-.tsdb",   "--1.tsdb"};
    for (size_t i = 0; i < SK_COUNT_OF(refused); i++) {
        struct sk_index_name n;
        assert_false(sk_index_name_parse(sk_str_from(refused[i]), &n));
    }
}

static void tables_are_days(void **state)
{
    (void)state;
    int64_t day;
    assert_int_equal(sk_index_day(1749599999999), 20249);
    assert_int_equal(sk_index_day(1749600000000), 20250);
    assert_int_equal(sk_index_day(-1), -1);
    assert_int_equal(sk_index_day(-86400000), -1);
    assert_true(sk_index_table_parse(SK_STR("index_20250"), SK_STR("index_"), &day));
    assert_int_equal(day, 20250);
    assert_false(sk_index_table_parse(SK_STR("index_"), SK_STR("index_"), &day));
    assert_false(sk_index_table_parse(SK_STR("index_2x"), SK_STR("index_"), &day));
    assert_false(sk_index_table_parse(SK_STR("delete_requests"), SK_STR("index_"), &day));
    struct sk_strbuf out;
    sk_strbuf_init(&out, 100);
    sk_index_table_format(&out, SK_STR("loki_index_"), 20250);
    assert_str(sk_strbuf_view(&out), "loki_index_20250");
    sk_strbuf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(tables_are_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
