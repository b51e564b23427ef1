/* SPDX-License-Identifier: Apache-2.0 */
/* Protects fingerprints (they are on disk), and the label texts and errors of pushes. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/arena.h"
#include "labels/labelset.h"

static struct sk_arena arena;

static struct sk_labelset parsed(const char *text)
{
    struct sk_labelset set;
    struct sk_error e = {0};
    if (sk_labels_parse(&arena, sk_str_from(text), &set, &e) != SK_OK)
        fail_msg("%s: %s", text, e.text);
    return set;
}

static void fingerprint_equals_lokis(void **state)
{
    (void)state;
    assert_true(sk_labels_fingerprint(parsed("{}")) == 0xef46db3751d8e999u);
    assert_true(sk_labels_fingerprint(parsed("{env=\"prod\", app='api'}")) == 0x5fd68e2544215f6cu);
    assert_true(sk_labels_fingerprint(parsed("{__name__=\"logs\",app=`api`,env=\"prod\",}")) ==
                0x5fd68e2544215f6cu);
}

static void escapes_are_resolved(void **state)
{
    (void)state;
    struct sk_labelset set = parsed("{a=\"x\\\"\\\\\\n\\x41\\u00fc\\101\"}");
    assert_int_equal(set.count, 1);
    assert_str(set.items[0].value, "x\"\\\nA\xc3\xbc"
                                   "A");
}

static void errors_have_prometheus_words(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{a=\"1\",a.b=\"v\"}", "1:9: parse error: unexpected character inside braces: '.'"},
        {"{=\"v\"}", "1:2: parse error: unexpected \"=\" in label set, expected identifier or \"}\""},
        {"{a=\"1\", \xc3\xbcn=\"v\"}", "1:9: parse error: unexpected character inside braces: '\xc3\xbc'"},
        {"{a=\"1\", a b=\"v\"}",
         "1:11: parse error: unexpected identifier \"b\" in label set, expected \"=\""},
        {"{a=\"1\"", "1:7: parse error: unexpected end of input inside braces"},
        {"{a=~\"1\"}", "1:3: parse error: unexpected <op:=~> in label set, expected \"=\""},
        {"{a!=\"1\"}", "1:3: parse error: unexpected <op:!=> in label set, expected \"=\""},
        {"{a=\"1\"} x", "1:9: parse error: unexpected identifier \"x\""},
        {"{a=\"\xff\"}", "1:4: parse error: invalid UTF-8 rune"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        struct sk_labelset set;
        struct sk_error e = {0};
        assert_int_equal(sk_labels_parse(&arena, sk_str_from(cases[i][0]), &set, &e), SK_EPARSE);
        char want[256];
        snprintf(want, sizeof(want), "couldn't parse labels: %s", cases[i][1]);
        assert_string_equal(e.text, want);
    }
}

static void metadata_names_are_normalized(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a.b", "a_b"},     {"a-b", "a_b"},   {"9x", "key_9x"},
                                           {"__uu", "_uu"},    {"__x__", "__x__"}, {"_u", "_u"},
                                           {"a__b", "a_b"},    {"plain", "plain"}, {"trail_", "trail_"}};
    struct sk_strbuf b;
    sk_strbuf_init(&b, 1000);
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        sk_strbuf_reset(&b);
        assert_true(sk_label_name_normalize(&b, sk_str_from(cases[i][0])));
        assert_str(sk_strbuf_view(&b), cases[i][1]);
        if (sk_label_name_is_normal(sk_str_from(cases[i][0])))
            assert_string_equal(cases[i][0], cases[i][1]);
    }
    sk_strbuf_reset(&b);
    assert_false(sk_label_name_normalize(&b, SK_STR("\xe6\x97\xa5")));
    assert_false(sk_label_name_normalize(&b, SK_STR("__")));
    assert_int_equal(b.len, 0);
    sk_strbuf_deinit(&b);
}

int main(void)
{
    sk_arena_init(&arena, 1 << 20, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprint_equals_lokis),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(errors_have_prometheus_words),
        cmocka_unit_test(metadata_names_are_normalized),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_arena_deinit(&arena);
    return rc;
}
