/* SPDX-License-Identifier: Apache-2.0 */
/* Protects names of chunks and tenants. */
#include "lib/testlib.h"

#include <stdio.h>

#include "objstore/objkey.h"

static void paths_and_keys_are_lokis(void **state)
{
    (void)state;
    struct sk_chunk_key key = {SK_STR("fake"), 0x5fd68e2544215f6cu, 0x1975bdb82d0, 0x1975bdb9658,
                               0x5a833144};
    struct sk_strbuf out;
    sk_strbuf_init(&out, 1000);
    sk_chunk_key_format(&out, &key);
    assert_str(sk_strbuf_view(&out), "fake/5fd68e2544215f6c/1975bdb82d0:1975bdb9658:5a833144");
    sk_strbuf_reset(&out);
    sk_chunk_path_format(&out, &key, SK_CHUNK_LAYOUT_V12);
    assert_str(sk_strbuf_view(&out),
               "fake/5fd68e2544215f6c/MTk3NWJkYjgyZDA6MTk3NWJkYjk2NTg6NWE4MzMxNDQ=");
    key.from_ms = 0x1975bdb7b00;
    key.through_ms = 0x1975bdb8e88;
    key.checksum = 0x22bc57d3;
    sk_strbuf_reset(&out);
    sk_chunk_path_format(&out, &key, SK_CHUNK_LAYOUT_V11);
    assert_str(sk_strbuf_view(&out),
               "ZmFrZS81ZmQ2OGUyNTQ0MjE1ZjZjOjE5NzViZGI3YjAwOjE5NzViZGI4ZTg4OjIyYmM1N2Qz");
    sk_strbuf_deinit(&out);
}

static void names_round_trip(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    for (unsigned round = 0; round < 3000; round++) {
        char tenant[SK_TENANT_BYTES_MAX], buf[SK_TENANT_BYTES_MAX];
        static const char chars[] = "abcXYZ019!-_*'()";
        size_t len = 1 + (size_t)(testlib_rand(&seed) % SK_TENANT_BYTES_MAX);
        for (size_t i = 0; i < len; i++)
            tenant[i] = chars[testlib_rand(&seed) % (sizeof(chars) - 1)];
        struct sk_chunk_key key = {{tenant, len},
                                   testlib_rand(&seed) >> round % 64,
                                   (int64_t)(testlib_rand(&seed) >> (2 + round % 60)),
                                   (int64_t)(testlib_rand(&seed) >> (2 + round % 60)),
                                   (uint32_t)(testlib_rand(&seed) >> (32 + round % 31))};
        if (round % 7 == 0)
            key.from_ms = -key.from_ms;
        for (int form = 0; form < 3; form++) {
            struct sk_chunk_key got;
            enum sk_chunk_layout layout;
            struct sk_strbuf out;
            sk_strbuf_init(&out, SK_CHUNK_PATH_BYTES_MAX);
            if (form < 2) {
                enum sk_chunk_layout want = form == 0 ? SK_CHUNK_LAYOUT_V12 : SK_CHUNK_LAYOUT_V11;
                sk_chunk_path_format(&out, &key, want);
                assert_true(sk_chunk_path_parse(sk_strbuf_view(&out), buf, &got, &layout));
                assert_int_equal(layout, want);
            } else {
                sk_chunk_key_format(&out, &key);
                assert_true(sk_chunk_key_parse(sk_strbuf_view(&out), &got));
            }
            assert_true(sk_str_eq(got.tenant, key.tenant));
            assert_true(got.fingerprint == key.fingerprint);
            assert_true(got.from_ms == key.from_ms && got.through_ms == key.through_ms);
            assert_true(got.checksum == key.checksum);
            sk_strbuf_deinit(&out);
        }
    }
}

static void foreign_names_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "fake",
        "fake/1",
        "fake/1/",
        "fake/1/MQ==",
        "fake//MTk3NWJkYjgyZDA6MTk3NWJkYjk2NTg6NWE4MzMxNDQ=",
        "fake/5FD6/MTk3NWJkYjgyZDA6MTk3NWJkYjk2NTg6NWE4MzMxNDQ=",
        "fake/5fd6/MTk3NWJkYjgyZDA6MTk3NWJkYjk2NTg6NWE4MzMxNDQ",
        "fake/5fd6/MTk3NWJkYjgyZDA6MTk3NWJkYjk2NTg6NWE4MzMxN=Q=",
        "fake/5fd6/sub/MTk3NWJkYjgyZDA6MTk3NWJkYjk2NTg6NWE4MzMxNDQ=",
        "index/5fd6/MTk3NWJkYjgyZDA6MTk3NWJkYjk2NTg6NWE4MzMxNDQ=",
        "loki_cluster_seed.json",
        "AAAA",
    };
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        char buf[SK_TENANT_BYTES_MAX];
        struct sk_chunk_key key;
        enum sk_chunk_layout layout;
        assert_false(sk_chunk_path_parse(sk_str_from(bad[i]), buf, &key, &layout));
    }
}

static void tenants_cannot_leave_their_folder(void **state)
{
    (void)state;
    assert_true(sk_tenant_valid(SK_STR("fake")));
    assert_true(sk_tenant_valid(SK_STR("a!-_.*'()Z9")));
    assert_true(sk_tenant_valid(SK_STR("...")));
    static const char *const bad[] = {"", ".", "..", "index", "a/b", "a\\b", "a b", "\xc3\xa9"};
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++)
        assert_false(sk_tenant_valid(sk_str_from(bad[i])));
    assert_false(sk_tenant_valid((struct sk_str){"a\0b", 3}));
    char longest[151];
    memset(longest, 'a', sizeof(longest));
    assert_true(sk_tenant_valid((struct sk_str){longest, 150}));
    assert_false(sk_tenant_valid((struct sk_str){longest, 151}));
}

static void bounds_round_outwards(void **state)
{
    (void)state;
    assert_int_equal(sk_chunk_from_ms(1999999), 1);
    assert_int_equal(sk_chunk_through_ms(1000001), 2);
    assert_int_equal(sk_chunk_through_ms(2000000), 2);
    assert_int_equal(sk_chunk_from_ms(-1), -1);
    assert_int_equal(sk_chunk_through_ms(-1), 0);
    assert_int_equal(sk_chunk_from_ms(-2000000), -2);
    assert_true(sk_chunk_from_ms(INT64_MIN) < sk_chunk_through_ms(INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_keys_are_lokis),
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(foreign_names_are_refused),
        cmocka_unit_test(tenants_cannot_leave_their_folder),
        cmocka_unit_test(bounds_round_outwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
