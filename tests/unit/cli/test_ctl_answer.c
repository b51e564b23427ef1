/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the reading of answers, good and bad. */
#include "lib/testlib.h"

#include "cli/ctl_answer.h"

#define HEAD "{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":["
#define TAIL "]}}"

static void entries_of_all_streams_are_merged_by_time(void **state)
{
    (void)state;
    static const char body[] =
        HEAD "{\"stream\":{\"b\":\"2\",\"a\":\"1\"},\"values\":[[\"30\",\"x\"],[\"10\",\"y\"]]},"
             "{\"stream\":{},\"values\":[[\"20\",\"z\",{\"parsed\":{}}],[\"10\",\"w\"]]}" TAIL;
    struct sk_ctl_answer a;
    struct sk_error e;
    assert_int_equal(sk_ctl_answer_decode(&a, sk_str_from(body), false, &e), SK_OK);
    assert_int_equal(a.kind, SK_CTL_STREAMS);
    assert_int_equal(a.stream_count, 2);
    assert_str(a.streams[0].items[0].name, "a");
    assert_int_equal(a.entry_count, 4);
    static const char *const backward[] = {"x", "z", "y", "w"};
    for (size_t i = 0; i < 4; i++)
        assert_str(a.entries[i].line, backward[i]);
    sk_ctl_answer_deinit(&a);
    assert_int_equal(sk_ctl_answer_decode(&a, sk_str_from(body), true, &e), SK_OK);
    static const char *const forward[] = {"y", "w", "z", "x"};
    for (size_t i = 0; i < 4; i++)
        assert_str(a.entries[i].line, forward[i]);
    sk_ctl_answer_deinit(&a);
}

static void lines_may_hold_nul_bytes(void **state)
{
    (void)state;
    struct sk_ctl_answer a;
    struct sk_error e;
    assert_int_equal(
        sk_ctl_answer_decode(
            &a, SK_STR(HEAD "{\"stream\":{},\"values\":[[\"1\",\"a\\u0000b\"]]}" TAIL), false, &e),
        SK_OK);
    assert_int_equal(a.entries[0].line.len, 3);
    sk_ctl_answer_deinit(&a);
}

static void bad_answers_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"data\":{\"resultType\":\"streams\"}}",
        "{\"data\":{\"resultType\":\"other\",\"result\":[]}}",
        HEAD "5" TAIL,
        HEAD "{\"stream\":{\"a\":5},\"values\":[]}" TAIL,
        HEAD "{\"stream\":{},\"values\":[5]}" TAIL,
        HEAD "{\"stream\":{},\"values\":[[\"1\"]]}" TAIL,
        HEAD "{\"stream\":{},\"values\":[[1,\"a\"]]}" TAIL,
        HEAD "{\"stream\":{},\"values\":[[\"1x\",\"a\"]]}" TAIL,
        HEAD "{\"stream\":{},\"values\":[[\"99999999999999999999\",\"a\"]]}" TAIL,
        HEAD,
    };
    for (size_t i = 0; i < SK_COUNT_OF(bodies); i++) {
        struct sk_ctl_answer a;
        struct sk_error e;
        assert_int_equal(sk_ctl_answer_decode(&a, sk_str_from(bodies[i]), false, &e), SK_EPARSE);
        assert_true(e.text[0] != '\0');
        assert_null(a.root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_of_all_streams_are_merged_by_time),
        cmocka_unit_test(lines_may_hold_nul_bytes),
        cmocka_unit_test(bad_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
