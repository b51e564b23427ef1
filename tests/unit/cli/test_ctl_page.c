/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the arithmetic of batches, first with the numbers of a recorded session. */
#include "lib/testlib.h"

#include "cli/ctl_page.h"

static void a_recorded_session_asks_10_10_7(void **state)
{
    (void)state;
    struct sk_ctl_page page = {.start_ns = 1000, .end_ns = 9000, .limit = 25, .batch = 10};
    assert_int_equal(sk_ctl_page_ask(&page), 10);
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){10, 10, 7000, 1}),
                     SK_CTL_PAGE_MORE);
    assert_int_equal(page.end_ns, 7001);
    assert_int_equal(sk_ctl_page_ask(&page), 10);
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){10, 9, 5001, 1}),
                     SK_CTL_PAGE_MORE);
    assert_int_equal(page.end_ns, 5002);
    assert_int_equal(sk_ctl_page_ask(&page), 7);
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){7, 6, 4000, 1}),
                     SK_CTL_PAGE_DONE);
    assert_int_equal(page.printed, 25);
}

static void the_first_request_asks_the_smaller_of_limit_and_batch(void **state)
{
    (void)state;
    struct sk_ctl_page page = {.start_ns = 0, .end_ns = 10, .limit = 4, .batch = 1000};
    assert_int_equal(sk_ctl_page_ask(&page), 4);
    page.limit = 5000;
    assert_int_equal(sk_ctl_page_ask(&page), 1000);
    page.limit = 0;
    assert_int_equal(sk_ctl_page_ask(&page), 1000);
    page.limit = UINT64_MAX;
    page.overlap = 999;
    assert_int_equal(sk_ctl_page_ask(&page), 1000);
}

static void a_short_batch_is_the_last(void **state)
{
    (void)state;
    struct sk_ctl_page page = {.start_ns = 0, .end_ns = 100, .limit = 0, .batch = 10};
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){9, 9, 50, 1}),
                     SK_CTL_PAGE_DONE);
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){0, 0, 0, 0}),
                     SK_CTL_PAGE_DONE);
}

static void forward_goes_on_at_the_newest_time(void **state)
{
    (void)state;
    struct sk_ctl_page page = {.start_ns = 0, .end_ns = 100, .batch = 10, .forward = true};
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){10, 10, 40, 3}),
                     SK_CTL_PAGE_MORE);
    assert_int_equal(page.start_ns, 40);
    assert_int_equal(page.end_ns, 100);
    assert_int_equal(page.overlap, 3);
}

static void a_batch_of_one_time_is_stuck(void **state)
{
    (void)state;
    struct sk_ctl_page page = {.start_ns = 0, .end_ns = 100, .batch = 10};
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){10, 10, 40, 10}),
                     SK_CTL_PAGE_STUCK);
    assert_int_equal(page.overlap, 10);
}

static void a_server_that_ignores_the_range_is_not_asked_for_ever(void **state)
{
    (void)state;
    struct sk_ctl_page page = {.start_ns = 50, .end_ns = 100, .batch = 10};
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){10, 10, 40, 1}),
                     SK_CTL_PAGE_DONE);
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){10, 0, 60, 1}),
                     SK_CTL_PAGE_DONE);
    assert_int_equal(sk_ctl_page_advance(&page, &(struct sk_ctl_page_result){10, 5, 100, 1}),
                     SK_CTL_PAGE_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_session_asks_10_10_7),
        cmocka_unit_test(the_first_request_asks_the_smaller_of_limit_and_batch),
        cmocka_unit_test(a_short_batch_is_the_last),
        cmocka_unit_test(forward_goes_on_at_the_newest_time),
        cmocka_unit_test(a_batch_of_one_time_is_stuck),
        cmocka_unit_test(a_server_that_ignores_the_range_is_not_asked_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
