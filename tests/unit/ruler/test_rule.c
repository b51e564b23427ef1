/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the YAML of rules: that texts of every kind are written so that they are read as they
 * were, in the style of Go's yaml.v3; what is refused when rules are read; texts of faults. */
#include "lib/testlib.h"

#include "ruler/rule.h"

static struct sk_rule_group *group_read(struct sk_arena *arena, const char *text)
{
    struct sk_rule_group *g = NULL;
    struct sk_error why = {.text = ""};
    enum sk_err err = sk_rule_group_read(arena, sk_str_from(text), &g, &why);
    if (err != SK_OK)
        fail_msg("%s", why.text);
    return g;
}

/* How the value of `expr` is written, and that it is read as it was. */
static void expr_case(const char *expr, const char *want)
{
    struct sk_arena arena;
    struct sk_strbuf out;
    struct sk_rule rule = {.alert = SK_STR("A"), .expr = sk_str_from(expr)};
    struct sk_rule_group g = {.name = SK_STR("g"), .rules = &rule, .rule_count = 1};
    sk_arena_init(&arena, 1u << 20, NULL);
    sk_strbuf_init(&out, 1u << 20);
    sk_rule_group_print(&out, &g);
    struct sk_str head = SK_STR("name: g\nrules:\n    - alert: A\n      expr: ");
    assert_true(sk_str_starts(sk_strbuf_view(&out), head));
    struct sk_str tail = {out.ptr + head.len, out.len - head.len - 1};
    assert_str(tail, want);
    const struct sk_rule_group *again = group_read(&arena, out.ptr);
    assert_str(again->rules->expr, expr);
    sk_strbuf_deinit(&out);
    sk_arena_deinit(&arena);
}

static void test_texts(void **state)
{
    (void)state;
    expr_case("sum by (app) (count_over_time({app=~\".+\"}[5m])) > 0",
              "sum by (app) (count_over_time({app=~\".+\"}[5m])) > 0");
    expr_case("hi {{ $labels.app }} {{ $value }}", "hi {{ $labels.app }} {{ $value }}");
    expr_case("{a=\"b\"}", "'{a=\"b\"}'");
    expr_case("it's: x", "'it''s: x'");
    expr_case("a #b", "'a #b'");
    expr_case("a#b:c", "a#b:c");
    expr_case("- x", "'- x'");
    expr_case("-x", "-x");
    expr_case("", "\"\"");
    expr_case("5", "\"5\"");
    expr_case("true", "\"true\"");
    expr_case("null", "\"null\"");
    expr_case(" x ", "' x '");
    expr_case("a\tb", "\"a\\tb\"");
    expr_case("\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac");
    expr_case("a\nb", "|-\n        a\n        b");
    expr_case("a\n  b\n", "|\n        a\n          b");
    expr_case("a\n\nb\n\n", "|+\n        a\n\n        b\n");
    expr_case("a \nb", "\"a \\nb\"");
    expr_case("\na", "\"\\na\"");
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "[]",
        "x",
        "name: [a]",
        "interval: 5x",
        "limit: x",
        "limit: 1.5",
        "rules: {}",
        "rules: [x]",
        "rules: [{labels: [a]}]",
        "rules: [{labels: {a: {}}}]",
        "rules: [{for: 1}]",
        "a: b: c",
    };
    struct sk_arena arena;
    (void)state;
    sk_arena_init(&arena, 1u << 20, NULL);
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        struct sk_rule_group *g;
        struct sk_error why = {.text = ""};
        assert_int_equal(sk_rule_group_read(&arena, sk_str_from(bad[i]), &g, &why), SK_EPARSE);
        assert_true(why.text[0] != '\0');
    }
    assert_int_equal(group_read(&arena, "name: ~\nrules: null\nlimit: null\nx: 1")->limit, 0);
    sk_arena_deinit(&arena);
}

static void check_case(const char *group, const char *want)
{
    struct sk_arena arena;
    struct sk_strbuf out;
    sk_arena_init(&arena, 1u << 20, NULL);
    sk_strbuf_init(&out, 1u << 20);
    assert_int_equal(sk_rule_groups_check(&arena, group_read(&arena, group), &out), SK_OK);
    assert_str(sk_strbuf_view(&out), want);
    sk_strbuf_deinit(&out);
    sk_arena_deinit(&arena);
}

static void test_check(void **state)
{
    (void)state;
    check_case("{name: g, rules: [{alert: A, expr: 'vector(1)', labels: {a: b}}]}", "");
    check_case("{}", "group 0: Groupname must not be empty");
    check_case("{name: g, rules: [{alert: A, record: b, expr: x}]}",
               "only one of 'record' and 'alert' must be set");
    check_case("{name: g, rules: [{expr: x}]}", "one of 'record' or 'alert' must be set");
    check_case("{name: g, rules: [{alert: A}]}", "field 'expr' must be set in rule");
    check_case("{name: g, rules: [{record: 1a, expr: 'vector(1)', annotations: {a: b}, for: 1m}]}",
               "invalid field 'annotations' in recording rule, invalid field 'for' in recording "
               "rule, invalid recording rule name: 1a");
    check_case("{name: g, rules: [{alert: A, expr: 'vector(1)', labels: {a-b: x, __name__: y}, "
               "annotations: {'': x}}]}",
               "invalid label name: __name__, invalid label name: a-b, invalid annotation name: ");
    check_case("{name: g, rules: [{record: a, expr: '{a=\"b\"'}]}",
               "could not parse expression for record 'a' in group 'g': parse error at line 1, col "
               "7: syntax error: unexpected $end, expecting } or ,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
