/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the semantics that matchers and line filters rest on. */
#include "lib/testlib.h"

#include "labels/matcher.h"
#include "labels/regex.h"

static void matchers_are_anchored_and_dot_takes_newline(void **state)
{
    (void)state;
    struct sk_matcher m;
    struct sk_error e;
    assert_int_equal(sk_matcher_init(&m, SK_MATCHER_RE, SK_STR("x"), SK_STR("a.b|c"), &e), SK_OK);
    assert_true(sk_matcher_matches(&m, SK_STR("a\nb")));
    assert_true(sk_matcher_matches(&m, SK_STR("c")));
    assert_false(sk_matcher_matches(&m, SK_STR("xc")));
    assert_false(sk_matcher_matches(&m, SK_STR("")));
    sk_matcher_deinit(&m);
}

static void search_finds_groups_by_either_name_syntax(void **state)
{
    (void)state;
    struct sk_regex *re;
    struct sk_error e;
    assert_int_equal(sk_regex_create(SK_STR("(?<k>[a-z(?<]+)=(?P<v>\\d+)(x)?"), 0, &re, &e), SK_OK);
    assert_int_equal(sk_regex_group_count(re), 3);
    assert_str(sk_regex_group_name(re, 1), "k");
    struct sk_str caps[4];
    assert_true(sk_regex_find(re, SK_STR("  ab=42 "), 0, caps, 4));
    assert_str(caps[1], "ab");
    assert_str(caps[2], "42");
    assert_null(caps[3].ptr);
    assert_false(sk_regex_match(re, SK_STR("ab=x")));
    sk_regex_destroy(re);
}

static void bad_expressions_are_refused(void **state)
{
    (void)state;
    struct sk_regex *re = NULL;
    struct sk_error e;
    assert_int_equal(sk_regex_create(SK_STR("["), 0, &re, &e), SK_EPARSE);
    assert_int_equal(sk_regex_create(SK_STR("((a{100}){100}){100}"), 0, &re, &e), SK_EPARSE);
    assert_null(re);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matchers_are_anchored_and_dot_takes_newline),
        cmocka_unit_test(search_finds_groups_by_either_name_syntax),
        cmocka_unit_test(bad_expressions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
