/* SPDX-License-Identifier: Apache-2.0 */
/* Protects what the parser accepts, its error texts and both printed forms: the blocks of
 * tests/golden/logql/parse.lqt, and properties of random queries. */
#include "lib/testlib.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "logql/parse.h"
#include "logql/print.h"

#define ARENA_BYTES (64u << 20)

struct fixture {
    struct sk_arena arena;
    struct sk_strbuf out;
    struct sk_error why;
};

static int set_up(void **state)
{
    struct fixture *f = sk_calloc(1, sizeof(*f));
    assert_non_null(f);
    sk_arena_init(&f->arena, ARENA_BYTES, NULL);
    sk_strbuf_init(&f->out, 16u << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sk_strbuf_deinit(&f->out);
    sk_arena_deinit(&f->arena);
    sk_free(f);
    return 0;
}

/* The printed form of `query` in f->out, or the error's text. */
static enum sk_err print_of(struct fixture *f, struct sk_str query, bool pretty)
{
    const struct sk_ast_expr *expr;
    sk_arena_reset(&f->arena);
    sk_strbuf_reset(&f->out);
    enum sk_err err = sk_logql_parse(&f->arena, query, &expr, &f->why);
    if (err != SK_OK)
        sk_strbuf_puts(&f->out, f->why.text);
    else if (pretty)
        sk_logql_pretty(&f->out, expr);
    else
        sk_logql_print(&f->out, expr);
    assert_false(f->out.failed);
    return err;
}

/* ---- the golden blocks ---- */

static struct sk_str take_line(struct sk_str *rest)
{
    size_t len = sk_str_find(*rest, SK_STR("\n"), 0);
    struct sk_str line = {rest->ptr, len == SIZE_MAX ? rest->len : len};
    size_t used = len == SIZE_MAX ? rest->len : len + 1;
    rest->ptr += used;
    rest->len -= used;
    return line;
}

/* Lines up to one that starts with `mark`, which is left there; without the last line break. */
static struct sk_str take_until(struct sk_str *rest, const char *mark)
{
    const char *start = rest->ptr;
    while (rest->len > 0 && !sk_str_starts(*rest, sk_str_from(mark)))
        (void)take_line(rest);
    size_t len = (size_t)(rest->ptr - start);
    if (len > 0 && start[len - 1] == '\n')
        len--;
    return (struct sk_str){start, len};
}

/* Whether one block holds; prints the difference. */
static bool block_holds(struct fixture *f, struct sk_str name, struct sk_str query,
                        struct sk_str want)
{
    bool fail = sk_str_starts(want, SK_STR("%%FAIL\n"));
    bool pretty = sk_str_starts(want, SK_STR("%%PRETTY\n"));
    if (fail || pretty)
        (void)take_line(&want);
    enum sk_err err = print_of(f, query, pretty);
    struct sk_str got = sk_strbuf_view(&f->out);
    if ((err != SK_OK) == fail && sk_str_eq(got, want))
        return true;
    print_error("block %.*s\n query %.*s\n got   %.*s\n want  %.*s\n", SK_STR_ARG(name),
                SK_STR_ARG(query), SK_STR_ARG(got), SK_STR_ARG(want));
    return false;
}

static void golden_blocks_hold(void **state)
{
    void *mem;
    struct sk_slice file = testlib_read(testlib_path("golden/logql/parse.lqt"), &mem);
    struct sk_str rest = sk_str_of_slice(file);
    size_t blocks = 0, wrong = 0;
    (void)take_until(&rest, "=== ");
    while (rest.len > 0) {
        struct sk_str name = take_line(&rest);
        struct sk_str query = take_until(&rest, "---");
        (void)take_line(&rest);
        struct sk_str want = take_until(&rest, "=== ");
        blocks++;
        wrong += !block_holds(*state, name, query, want);
    }
    sk_free(mem);
    print_message("%zu blocks\n", blocks);
    assert_true(blocks >= 300);
    assert_int_equal(wrong, 0);
}

/* ---- random queries ---- */

struct maker {
    uint64_t rand;
    struct sk_strbuf text;
    unsigned depth;
};

static uint64_t below(struct maker *m, uint64_t n)
{
    return testlib_rand(&m->rand) % n;
}

#define PICK(m, list) sk_strbuf_puts(&(m)->text, (list)[below((m), SK_COUNT_OF(list))])

static void make_name(struct maker *m)
{
    static const char *const names[] = {"a", "b", "app", "status", "x9", "_u", "sum", "rate", "ip"};
    PICK(m, names);
}

static void make_string(struct maker *m)
{
    static const char *const strings[] = {"\"x\"",   "`a\"b`",      "\"\\\\n\\t\"", "\"\"",
                                          "\"f.*\"", "\"\\u00e4\"", "\"\\xff\"",    "`(a|b)+`"};
    PICK(m, strings);
}

static void make_matcher(struct maker *m)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    make_name(m);
    uint64_t op = below(m, 4);
    sk_strbuf_puts(&m->text, ops[op]);
    if (op < 2)
        make_string(m);
    else
        sk_strbuf_puts(&m->text, below(m, 2) ? "\"f.*o|b\"" : "`[^x]+$`");
}

static void make_filter(struct maker *m)
{
    static const char *const ops[] = {" = ", " == ", "!=", ">", ">=", "<", "<="};
    static const char *const values[] = {"5",    "-1.5", "+2",    "1h30m", "-5m", "5KB",
                                         "1GiB", "0.25", "250ms", "5d",    "1e3"};
    static const char *const joins[] = {" and ", " or ", ", ", " "};
    m->depth++;
    if (m->depth < 12 && below(m, 3) == 0) {
        bool paren = below(m, 2);
        if (paren)
            sk_strbuf_putc(&m->text, '(');
        make_filter(m);
        PICK(m, joins);
        make_filter(m);
        if (paren)
            sk_strbuf_putc(&m->text, ')');
    } else if (below(m, 3) == 0) {
        make_matcher(m);
    } else if (below(m, 8) == 0) {
        make_name(m);
        sk_strbuf_puts(&m->text, below(m, 2) ? "=ip(\"10.0.0.0/8\")" : "!=ip(\"::1\")");
    } else {
        make_name(m);
        PICK(m, ops);
        PICK(m, values);
    }
    m->depth--;
}

static void make_stage(struct maker *m)
{
    static const char *const lines[] = {" |= ", " != ", " |~ ", " !~ ", " |> ", " !> "};
    static const char *const stages[] = {" | json",
                                         " | json a=\"b.c\", d",
                                         " | logfmt",
                                         " | logfmt --strict --keep-empty k=\"v\"",
                                         " | unpack",
                                         " | decolorize",
                                         " | drop a, b=\"c\", d=~\"e\"",
                                         " | keep a",
                                         " | regexp `(?P<x>y)`",
                                         " | pattern \"<p> <_>\"",
                                         " | line_format \"{{.a}}\"",
                                         " | label_format a=b, c=\"{{.d}}\""};
    uint64_t what = below(m, 3);
    if (what == 0) {
        PICK(m, lines);
        make_string(m);
        while (below(m, 3) == 0) {
            sk_strbuf_puts(&m->text, " or ");
            if (below(m, 4) == 0)
                sk_strbuf_puts(&m->text, "ip(\"10.0.0.1\")");
            else
                make_string(m);
        }
    } else if (what == 1) {
        PICK(m, stages);
    } else {
        sk_strbuf_puts(&m->text, " | ");
        make_filter(m);
    }
}

static void make_log(struct maker *m)
{
    sk_strbuf_puts(&m->text, "{app=\"web\"");
    while (below(m, 3) == 0) {
        sk_strbuf_putc(&m->text, ',');
        make_matcher(m);
    }
    sk_strbuf_putc(&m->text, '}');
    while (below(m, 3) != 0)
        make_stage(m);
}

static void make_range(struct maker *m)
{
    static const char *const ranges[] = {"[5m]", "[1h30m]", "[2w]", "[1y2d]", "[0s]", "[15ms]"};
    static const char *const ops[] = {"rate(", "count_over_time(", "bytes_rate(",
                                      "absent_over_time("};
    static const char *const values[] = {"sum_over_time(", "max_over_time(",
                                         "quantile_over_time(0.99,", "rate_counter(",
                                         "stddev_over_time("};
    static const char *const unwraps[] = {" | unwrap x", " | unwrap bytes(x)",
                                          " | unwrap duration(x) | y=\"\"",
                                          " | unwrap duration_seconds(x) | y > 5 | z=\"1\""};
    bool value = below(m, 2);
    if (value)
        PICK(m, values);
    else
        PICK(m, ops);
    make_log(m);
    if (value)
        PICK(m, unwraps);
    PICK(m, ranges);
    if (below(m, 4) == 0)
        sk_strbuf_puts(&m->text, below(m, 2) ? " offset 1h" : " offset -90s");
    sk_strbuf_putc(&m->text, ')');
}

static void make_metric(struct maker *m);

static void make_binary(struct maker *m)
{
    static const char *const ops[] = {" + ", " - ",  " * ",  " / ",   " % ",
                                      " ^ ", " == ", " != ", " > ",   " >= bool ",
                                      " < ", " <= ", " or ", " and ", " unless "};
    static const char *const mods[] = {
        "on (a) ",      "ignoring (a, b) group_left ", "on () ",
        "ignoring () ", "on (a) group_right (c) ",     "on (a, b) group_left () "};
    bool paren = below(m, 2);
    if (paren)
        sk_strbuf_putc(&m->text, '(');
    make_metric(m);
    PICK(m, ops);
    if (below(m, 3) == 0)
        PICK(m, mods);
    make_metric(m);
    if (paren)
        sk_strbuf_putc(&m->text, ')');
}

static void make_metric(struct maker *m)
{
    static const char *const vectors[] = {
        "sum(",       "avg by (a) (",        "max without (a, b) (", "topk(5, ", "min without () (",
        "sort_desc(", "bottomk by (a) (2, ", "count by () ("};
    uint64_t what = m->depth > 6 ? below(m, 2) : below(m, 6);
    m->depth++;
    if (what <= 1) {
        make_range(m);
    } else if (what == 2) {
        make_binary(m);
    } else if (what == 3) {
        PICK(m, vectors);
        make_range(m);
        sk_strbuf_putc(&m->text, ')');
    } else if (what == 4) {
        sk_strbuf_puts(&m->text, "label_replace(");
        make_range(m);
        sk_strbuf_puts(&m->text, ", \"d\", \"$1\", \"s\", `(.*)`)");
    } else {
        static const char *const numbers[] = {"2", "-1.5", "1e7", "vector(3)", "0.0001"};
        PICK(m, numbers);
    }
    m->depth--;
}

/* Numbers that have no literal: folding makes them. */
static bool has_odd_number(struct sk_str text)
{
    return sk_str_find(text, SK_STR("Inf"), 0) != SIZE_MAX ||
           sk_str_find(text, SK_STR("NaN"), 0) != SIZE_MAX;
}

/* Sizes may be rounded once, `by ()` and `ignoring ()` vanish: from the first print on nothing
 * changes any more. */
static void printing_what_was_parsed_from_print_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct maker m = {.rand = testlib_seed()};
    struct sk_strbuf first;
    size_t accepted = 0;
    sk_strbuf_init(&m.text, 1u << 20);
    sk_strbuf_init(&first, 1u << 20);
    for (int i = 0; i < 20000; i++) {
        sk_strbuf_reset(&m.text);
        m.depth = 0;
        if (below(&m, 3) == 0)
            make_log(&m);
        else
            make_metric(&m);
        if (m.text.len >= 100000 || print_of(f, sk_strbuf_view(&m.text), false) != SK_OK)
            continue; /* a literal beside `and`, for instance */
        if (has_odd_number(sk_strbuf_view(&f->out)))
            continue;
        accepted++;
        sk_strbuf_reset(&first);
        sk_strbuf_str(&first, sk_strbuf_view(&f->out));
        if (print_of(f, sk_strbuf_view(&first), false) != SK_OK ||
            !sk_str_eq(sk_strbuf_view(&f->out), sk_strbuf_view(&first)))
            fail_msg("query %.*s\nprints %.*s\nthen %.*s", SK_STR_ARG(sk_strbuf_view(&m.text)),
                     SK_STR_ARG(sk_strbuf_view(&first)), SK_STR_ARG(sk_strbuf_view(&f->out)));
    }
    assert_true(accepted > 10000);
    sk_strbuf_deinit(&m.text);
    sk_strbuf_deinit(&first);
}

/* ---- limits ---- */

static void repeat_text(struct sk_strbuf *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        sk_strbuf_puts(out, text);
}

static enum sk_err parse_repeated(struct fixture *f, const char *head, const char *unit,
                                  size_t times, const char *tail)
{
    struct sk_strbuf text;
    sk_strbuf_init(&text, 1u << 20);
    sk_strbuf_puts(&text, head);
    repeat_text(&text, unit, times);
    sk_strbuf_puts(&text, tail);
    enum sk_err err = print_of(f, sk_strbuf_view(&text), false);
    sk_strbuf_deinit(&text);
    return err;
}

static void nesting_beyond_the_limit_is_refused(void **state)
{
    assert_int_equal(parse_repeated(*state, "", "(", 600, "1"), SK_ELIMIT);
    assert_str(sk_strbuf_view(&((struct fixture *)*state)->out),
               "parse error : the query nests deeper than 512 levels");
    assert_int_equal(parse_repeated(*state, "", "sum(", 600, "1"), SK_ELIMIT);
    assert_int_equal(parse_repeated(*state, "rate(", "(", 600, "{a=\"b\"}[5m]"), SK_ELIMIT);
    assert_int_equal(parse_repeated(*state, "{a=\"b\"} | ", "(", 600, "a=1"), SK_ELIMIT);
    assert_int_equal(parse_repeated(*state, "{a=\"b\"} | a=1", ", a=1", 600, ""), SK_ELIMIT);
    assert_int_equal(parse_repeated(*state, "{a=\"b\"} | a=1", " or a=1", 600, ""), SK_ELIMIT);
    assert_int_equal(parse_repeated(*state, "vector(1)", " + vector(1)", 600, ""), SK_ELIMIT);
    assert_int_equal(parse_repeated(*state, "vector(1)", " ^ vector(1)", 600, ""), SK_ELIMIT);
    assert_int_equal(parse_repeated(*state, "vector(1)", " + vector(1)", 400, ""), SK_OK);
    assert_int_equal(parse_repeated(*state, "{a=\"b\"} | a=1", " or a=1", 400, ""), SK_OK);
    assert_int_equal(parse_repeated(*state, "1", "+1", 5000, ""), SK_OK);
}

static void stages_beyond_the_limit_are_refused(void **state)
{
    assert_int_equal(parse_repeated(*state, "{a=\"b\"}", "|json", SK_LOGQL_STAGES_MAX, ""), SK_OK);
    assert_int_equal(parse_repeated(*state, "{a=\"b\"}", "|json", SK_LOGQL_STAGES_MAX + 1, ""),
                     SK_ELIMIT);
    assert_str(sk_strbuf_view(&((struct fixture *)*state)->out),
               "parse error : the query has more than 8192 pipeline stages");
}

static void long_queries_are_refused(void **state)
{
    assert_int_equal(parse_repeated(*state, "{a=\"b\"}", " ", SK_LOGQL_TEXT_BYTES_MAX - 7, ""),
                     SK_EPARSE);
    assert_str(sk_strbuf_view(&((struct fixture *)*state)->out),
               "parse error : input size too long (131072 > 131072)");
    assert_int_equal(parse_repeated(*state, "{a=\"b\"}", " ", SK_LOGQL_TEXT_BYTES_MAX - 8, ""),
                     SK_OK);
}

static void reaching_the_arena_cap_is_an_answer(void **state)
{
    struct fixture *f = *state;
    const struct sk_ast_expr *expr = NULL;
    struct sk_str query = SK_STR("sum by (a) (rate({a=\"b\", c=~\"(d|e)+\"} | json x=\"\\ty\" "
                                 "| x > 5 or y=\"z\" [5m])) / on (a) group_left vector(2)");
    enum sk_err err = SK_ENOMEM;
    for (size_t cap = 0; cap < 1u << 20 && err == SK_ENOMEM; cap += 512) {
        struct sk_arena small;
        sk_arena_init(&small, cap, NULL);
        err = sk_logql_parse(&small, query, &expr, &f->why);
        assert_true((err == SK_OK) == (expr != NULL));
        sk_arena_deinit(&small);
    }
    assert_int_equal(err, SK_OK);
}

/* ---- the other entry points ---- */

static void selectors_are_told_from_other_queries(void **state)
{
    struct fixture *f = *state;
    const struct sk_ast_matcher *m;
    assert_int_equal(
        sk_logql_parse_selector(&f->arena, SK_STR("{a=\"b\",c!~\"d\"}"), false, &m, &f->why),
        SK_OK);
    assert_str(m->name, "a");
    assert_str(m->next->value, "d");
    assert_int_equal(m->next->op, SK_MATCH_NRE);
    assert_int_equal(sk_logql_parse_selector(&f->arena, SK_STR("{}"), true, &m, &f->why), SK_OK);
    assert_null(m);
    static const char *const refused[] = {"{a=\"b\"} | json", "rate({a=\"b\"}[1m])", "vector(1)"};
    for (size_t i = 0; i < SK_COUNT_OF(refused); i++) {
        assert_int_equal(
            sk_logql_parse_selector(&f->arena, sk_str_from(refused[i]), true, &m, &f->why),
            SK_EPARSE);
        assert_string_equal(f->why.text, "only label matchers are supported");
    }
    assert_int_equal(sk_logql_parse_selector(&f->arena, SK_STR("{}"), false, &m, &f->why),
                     SK_EPARSE);
    assert_memory_equal(f->why.text, "parse error : queries require", 29);
    assert_int_equal(sk_logql_parse_selector(&f->arena, SK_STR("{a=~\".*\"}"), true, &m, &f->why),
                     SK_EPARSE);
}

static enum sk_err reparse(struct fixture *f, const char *query)
{
    const struct sk_ast_expr *expr, *again;
    sk_strbuf_reset(&f->out);
    assert_int_equal(sk_logql_parse(&f->arena, sk_str_from(query), &expr, &f->why), SK_OK);
    enum sk_err err = sk_logql_reparse(&f->arena, expr, &again, &f->why);
    if (err == SK_OK)
        sk_logql_print(&f->out, again);
    else
        sk_strbuf_puts(&f->out, f->why.text);
    return err;
}

static void execution_sees_the_printed_query(void **state)
{
    struct fixture *f = *state;
    const struct sk_ast_expr *expr, *again;
    assert_int_equal(sk_logql_parse(&f->arena, SK_STR("{a=\"b\"} | n > 5KiB"), &expr, &f->why),
                     SK_OK);
    assert_int_equal(expr->u.log.stages->filter->bytes, 5120);
    assert_int_equal(sk_logql_reparse(&f->arena, expr, &again, &f->why), SK_OK);
    assert_int_equal(again->u.log.stages->filter->bytes, 5100);
    assert_int_equal(reparse(f, "{app=\"auth\"} | logfmt | ünï!=\"\""), SK_EPARSE);
    assert_str(sk_strbuf_view(&f->out),
               "parse error at line 1, col 25: syntax error: unexpected STRING");
    assert_int_equal(reparse(f, "{a=\"b\"} | x > 1e400"), SK_EPARSE);
    assert_str(
        sk_strbuf_view(&f->out),
        "parse error at line 1, col 14: syntax error: unexpected IDENTIFIER, expecting NUMBER");
    assert_int_equal(reparse(f, "rate({a=\"b\"}[1m]) * (0/0)"), SK_OK);
    assert_int_equal(reparse(f, "sum(rate({a=\"b\"}[1m]) * (0/0))"), SK_EPARSE);
}

/* The parser looks one rune ahead, as upstream: a bad byte is blamed on what is before it. */
static void bad_bytes_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct sk_str query;
        const char *text;
    } cases[] = {
        {{"{a=\"\0\"}", 7}, "parse error at line 1, col 4: invalid character NUL"},
        {{"{a=\"\xff\"}", 7}, "parse error at line 1, col 4: invalid UTF-8 encoding"},
        {{"{a=\"b\"} \xff", 9}, "parse error at line 0, col 7: invalid UTF-8 encoding"},
        {{"{a=\"b\"}\xff", 8}, "parse error at line 1, col 7: invalid UTF-8 encoding"},
        {{"\0", 1}, "parse error : invalid character NUL"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        assert_int_equal(print_of(f, cases[i].query, false), SK_EPARSE);
        assert_str(sk_strbuf_view(&f->out), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(golden_blocks_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(printing_what_was_parsed_from_print_changes_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nesting_beyond_the_limit_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stages_beyond_the_limit_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_queries_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reaching_the_arena_cap_is_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(selectors_are_told_from_other_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(execution_sees_the_printed_query, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_bytes_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
