/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the patterns of lines: which lines are one, how they are counted, that tenants do not
 * see each other's, and that whatever is fed memory has an end. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/budget.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "ingester/patterns.h"

static const struct sk_label labels[] = {{{"app", 3}, {"web", 3}}};

static void feed(struct sk_patterns *p, const char *tenant, int64_t at_s, const char *line,
                 const char *level)
{
    sk_patterns_feed(p, sk_str_from(tenant), (struct sk_labelset){labels, 1}, 1, at_s * SK_NS_PER_S,
                     sk_str_from(line), sk_str_from(level));
}

static struct sk_pattern_result ask(struct sk_patterns *p, const char *tenant, int64_t start_s,
                                    int64_t end_s, int64_t step_s)
{
    struct sk_pattern_result r = {.list = NULL};
    struct sk_pattern_query q = {
        .tenant = sk_str_from(tenant), .start_s = start_s, .end_s = end_s, .step_s = step_s};
    sk_arena_init(&r.arena, 64u << 20, NULL);
    assert_int_equal(sk_patterns_collect(p, &q, &r), SK_OK);
    sk_pattern_result_finish(&r);
    return r;
}

static void lines_alike_are_one(void **state)
{
    struct sk_patterns *p;
    (void)state;
    assert_int_equal(sk_patterns_create(NULL, &p), SK_OK);
    for (int i = 0; i < 60; i++) {
        char line[80];
        (void)snprintf(line, sizeof(line), "level=error i=%d k=0 msg=\"hello <world>\"", i);
        feed(p, "t", i, line, "error");
        (void)snprintf(line, sizeof(line), "level=info i=%d k=%d msg=\"hello <world>\"", i, i % 2);
        if (i % 2 == 0)
            feed(p, "t", i, line, "info");
    }
    feed(p, "t", 5, "quite another line", "info");
    feed(p, "other", 5, "of somebody else", "info");
    struct sk_pattern_result r = ask(p, "t", 0, 100, 20);
    assert_int_equal(r.count, 3);
    assert_true(sk_str_is(r.list[0]->text, "level=error i=<_> k=0 msg=\"hello <world>\""));
    assert_true(sk_str_is(r.list[0]->level, "error"));
    assert_int_equal(r.list[0]->total, 60);
    assert_int_equal(r.list[0]->count, 3);
    assert_int_equal(r.list[0]->samples[1].at_s, 20);
    assert_int_equal(r.list[0]->samples[1].count, 20);
    assert_true(sk_str_is(r.list[1]->text, "level=info i=<_> k=0 msg=\"hello <world>\""));
    assert_true(sk_str_is(r.list[2]->text, "quite another line"));
    sk_pattern_result_deinit(&r);
    r = ask(p, "t", 30, 39, 10);
    assert_int_equal(r.list[0]->total, 10);
    sk_pattern_result_deinit(&r);
    r = ask(p, "nobody", 0, 100, 10);
    assert_int_equal(r.count, 0);
    sk_pattern_result_deinit(&r);
    sk_patterns_destroy(p);
}

static void old_counts_go(void **state)
{
    struct sk_patterns *p;
    (void)state;
    assert_int_equal(sk_patterns_create(NULL, &p), SK_OK);
    for (int64_t at = 0; at <= 2 * SK_PATTERNS_KEPT_S; at += 10)
        feed(p, "t", at, "tick", "");
    feed(p, "t", 0, "tick", ""); /* too late */
    feed(p, "t", SK_PATTERNS_KEPT_S + 5, "tick", "");
    struct sk_pattern_result r = ask(p, "t", 0, 3 * SK_PATTERNS_KEPT_S, 10);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.list[0]->samples[0].at_s, SK_PATTERNS_KEPT_S);
    assert_int_equal(r.list[0]->samples[0].count, 2);
    assert_int_equal(r.list[0]->count, SK_PATTERNS_KEPT_S / 10 + 1);
    sk_pattern_result_deinit(&r);
    sk_patterns_destroy(p);
}

/* Lines without likeness, in many streams of many tenants. */
static void memory_has_an_end(void **state)
{
    struct sk_patterns *p;
    struct sk_budget budget;
    static char line[SK_PATTERNS_LINE_BYTES_MAX];
    (void)state;
    sk_budget_init(&budget, 4u << 20, NULL);
    assert_int_equal(sk_patterns_create(&budget, &p), SK_OK);
    for (unsigned i = 0; i < 20000; i++) {
        char tenant[8], value[8];
        size_t len = 1 + (i * 7919u) % (sizeof(line) - 1);
        (void)snprintf(tenant, sizeof(tenant), "t%u", i % 5);
        (void)snprintf(value, sizeof(value), "v%u", i % 97);
        struct sk_label l = {SK_STR("app"), sk_str_from(value)};
        for (size_t k = 0; k < len; k++)
            line[k] = "ab =,x"[(k * (i + 1)) % 6];
        sk_patterns_feed(p, sk_str_from(tenant), (struct sk_labelset){&l, 1}, i % 97,
                         (int64_t)i * SK_NS_PER_S, (struct sk_str){line, len}, SK_STR("info"));
        assert_true(sk_budget_used(&budget) <= 4u << 20);
    }
    for (unsigned i = 0; i < 5; i++) {
        char tenant[8];
        (void)snprintf(tenant, sizeof(tenant), "t%u", i);
        struct sk_pattern_result r = ask(p, tenant, 0, 20000, 10);
        assert_true(r.count > 0);
        sk_pattern_result_deinit(&r);
    }
    sk_patterns_destroy(p);
    assert_int_equal(sk_budget_used(&budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_alike_are_one),
        cmocka_unit_test(old_counts_go),
        cmocka_unit_test(memory_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
