/* SPDX-License-Identifier: Apache-2.0 */
/* Protects which labels are shown with a line. */
#include "lib/testlib.h"

#include "cli/ctl_labels.h"

static struct sk_arena arena;

static struct sk_labelset set(const char *text)
{
    struct sk_labelset made;
    struct sk_error e;
    assert_int_equal(sk_labels_parse(&arena, sk_str_from(text), &made, &e), SK_OK);
    return made;
}

static void assert_set(struct sk_labelset got, const char *want)
{
    struct sk_strbuf text;
    sk_strbuf_init(&text, 1 << 16);
    sk_labels_format(&text, got);
    assert_str(sk_strbuf_view(&text), want);
    sk_strbuf_deinit(&text);
}

static void common_labels_have_one_value_in_all_streams(void **state)
{
    (void)state;
    struct sk_labelset got;
    struct sk_labelset sets[] = {set("{a=\"1\", b=\"2\", c=\"3\"}"),
                                 set("{a=\"1\", b=\"x\", c=\"3\"}"),
                                 set("{a=\"1\", c=\"3\", d=\"4\"}")};
    assert_int_equal(sk_ctl_labels_common(&arena, sets, 3, &got), SK_OK);
    assert_set(got, "{a=\"1\", c=\"3\"}");
    assert_int_equal(sk_ctl_labels_common(&arena, sets, 1, &got), SK_OK);
    assert_set(got, "{a=\"1\", b=\"2\", c=\"3\"}");
    assert_int_equal(sk_ctl_labels_common(&arena, sets, 0, &got), SK_OK);
    assert_set(got, "{}");
}

static void subtracting_needs_name_and_value(void **state)
{
    (void)state;
    struct sk_labelset got;
    assert_int_equal(
        sk_ctl_labels_subtract(&arena, set("{a=\"1\", b=\"2\"}"), set("{a=\"1\", b=\"3\"}"), &got),
        SK_OK);
    assert_set(got, "{b=\"2\"}");
    assert_int_equal(sk_ctl_labels_subtract(&arena, set("{a=\"1\"}"), set("{a=\"1\"}"), &got),
                     SK_OK);
    assert_set(got, "{}");
}

static void labels_are_kept_or_dropped_by_name(void **state)
{
    (void)state;
    struct sk_labelset got;
    const char *items[] = {"b", "zz"};
    struct sk_ctl_texts names = {items, 2, 2};
    assert_int_equal(
        sk_ctl_labels_select(&arena, set("{a=\"1\", b=\"2\", c=\"3\"}"), &names, true, &got),
        SK_OK);
    assert_set(got, "{b=\"2\"}");
    assert_int_equal(
        sk_ctl_labels_select(&arena, set("{a=\"1\", b=\"2\", c=\"3\"}"), &names, false, &got),
        SK_OK);
    assert_set(got, "{a=\"1\", c=\"3\"}");
}

static void running_out_of_memory_is_an_answer(void **state)
{
    (void)state;
    struct sk_arena none;
    struct sk_labelset got = {0}, some = set("{a=\"1\"}");
    sk_arena_init(&none, 8, NULL);
    assert_int_equal(sk_ctl_labels_common(&none, &some, 1, &got), SK_ENOMEM);
    assert_int_equal(sk_ctl_labels_subtract(&none, some, some, &got), SK_ENOMEM);
    assert_null(got.items);
    sk_arena_deinit(&none);
}

static int setup(void **state)
{
    (void)state;
    sk_arena_init(&arena, 1 << 20, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sk_arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_labels_have_one_value_in_all_streams),
        cmocka_unit_test(subtracting_needs_name_and_value),
        cmocka_unit_test(labels_are_kept_or_dropped_by_name),
        cmocka_unit_test(running_out_of_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
