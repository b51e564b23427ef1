/* SPDX-License-Identifier: Apache-2.0 */
/* Protects Go's error texts for regular expressions and the shape of the simplified tree. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "labels/gore.h"

#define ARENA_BYTES (64u << 20)

static struct sk_arena arena;
static struct sk_strbuf out;
static struct sk_error why;

static int set_up(void **state)
{
    (void)state;
    sk_arena_init(&arena, ARENA_BYTES, NULL);
    sk_strbuf_init(&out, 1u << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sk_strbuf_deinit(&out);
    sk_arena_deinit(&arena);
    return 0;
}

static void add_rune(uint32_t rune)
{
    char bytes[4];
    sk_strbuf_add(&out, bytes, sk_utf8_encode(bytes, rune));
}

static const char *const words[] = {
    [SK_GORE_EMPTY] = "emp",
    [SK_GORE_LITERAL] = "lit",
    [SK_GORE_CLASS] = "cc",
    [SK_GORE_ANY_NOT_NL] = "dnl",
    [SK_GORE_ANY] = "dot",
    [SK_GORE_BEGIN_LINE] = "bol",
    [SK_GORE_END_LINE] = "eol",
    [SK_GORE_BEGIN_TEXT] = "bot",
    [SK_GORE_END_TEXT] = "eot",
    [SK_GORE_WORD_BOUNDARY] = "wb",
    [SK_GORE_NO_WORD_BOUNDARY] = "nwb",
    [SK_GORE_CAPTURE] = "cap",
    [SK_GORE_STAR] = "star",
    [SK_GORE_PLUS] = "plus",
    [SK_GORE_QUEST] = "que",
    [SK_GORE_REPEAT] = "rep",
    [SK_GORE_CONCAT] = "cat",
    [SK_GORE_ALTERNATE] = "alt",
};

/* cat{lit{a}star{dnl{}}}; a leading f: case-insensitive, n: not greedy. */
static void dump(const struct sk_gore_node *n)
{
    if (n->non_greedy && n->op != SK_GORE_CAPTURE)
        sk_strbuf_putc(&out, 'n');
    if (n->fold)
        sk_strbuf_putc(&out, 'f');
    sk_strbuf_puts(&out, words[n->op]);
    sk_strbuf_putc(&out, '{');
    if (n->op == SK_GORE_CLASS && n->opaque)
        sk_strbuf_puts(&out, "?");
    for (size_t i = 0; n->op == SK_GORE_LITERAL && i < n->rune_count; i++)
        add_rune(n->runes[i]);
    for (size_t i = 0; n->op == SK_GORE_CLASS && i < n->rune_count; i += 2) {
        sk_strbuf_printf(&out, "%s%x-%x", i == 0 ? "" : " ", n->runes[i], n->runes[i + 1]);
    }
    if (n->op == SK_GORE_REPEAT)
        sk_strbuf_printf(&out, "%d,%d ", n->min, n->max);
    if (n->name.len > 0)
        sk_strbuf_printf(&out, "%.*s:", SK_STR_ARG(n->name));
    for (size_t i = 0; i < n->sub_count; i++)
        dump(n->subs[i]);
    sk_strbuf_putc(&out, '}');
}

static const char *const shapes[][2] = {
    {"", "emp{}"},
    {"foo", "lit{foo}"},
    {"ab*", "cat{lit{a}star{lit{b}}}"},
    {"a(?:bc)d", "lit{abcd}"},
    {"foo.*", "cat{lit{foo}star{dnl{}}}"},
    {"(?s)foo.*?", "cat{lit{foo}nstar{dot{}}}"},
    {"(?U)a*", "nstar{lit{a}}"},
    {"foo|far", "cat{lit{f}alt{lit{oo}lit{ar}}}"},
    {"foo|foobar", "cat{lit{foo}alt{emp{}lit{bar}}}"},
    {"fo|foo", "cat{lit{fo}alt{emp{}lit{o}}}"},
    {"foo|bar|far", "alt{lit{foo}lit{bar}lit{far}}"},
    {"(foo)|(far)", "alt{cap{lit{foo}}cap{lit{far}}}"},
    {"foo|bar", "alt{lit{foo}lit{bar}}"},
    {"foo|", "alt{lit{foo}emp{}}"},
    {"|foo", "alt{emp{}lit{foo}}"},
    {"foo||bar", "alt{lit{foo}emp{}lit{bar}}"},
    {"foo|||bar", "alt{lit{foo}emp{}lit{bar}}"},
    {"a|b", "cc{61-62}"},
    {"a|c|e", "cc{61-61 63-63 65-65}"},
    {"a|a", "lit{a}"},
    {"foo(b|q)", "cat{lit{foo}cap{cc{62-62 71-71}}}"},
    {"foo(?:b|q)", "cat{lit{foo}cc{62-62 71-71}}"},
    {"a|.", "dnl{}"},
    {".|\\n", "dot{}"},
    {"a|[^a]", "dot{}"},
    {"[f]oo", "lit{foo}"},
    {"[Ff]oo", "cat{flit{f}lit{oo}}"},
    {"(?i)FoO5", "flit{foo5}"},
    {"(?i)k|K", "flit{k}"},
    {"[\xce\xa3\xcf\x83]", "cc{3a3-3a3 3c3-3c3}"},
    {"[\xc3\x84\xc3\xa4]", "flit{\xc3\xa4}"},
    {"[^\\x00-\\x{10FFFF}]", "cc{}"},
    {"(?i:a)b", "cat{flit{a}lit{b}}"},
    {"(?i)[f]oo", "flit{foo}"},
    {"(?i)[k]", "cc{4b-4b 6b-6b 212a-212a}"},
    {"(?i)STRASSE|strand", "cat{flit{stra}alt{flit{sse}flit{nd}}}"},
    {"^foo$", "cat{bot{}lit{foo}eot{}}"},
    {"(?m)^foo$", "cat{bol{}lit{foo}eol{}}"},
    {"\\Afoo\\z\\b\\B", "cat{bot{}lit{foo}eot{}wb{}nwb{}}"},
    {"fo+", "cat{lit{f}plus{lit{o}}}"},
    {"(?:foo){1}", "lit{foo}"},
    {".{0,}", "star{dnl{}}"},
    {".{1,}", "plus{dnl{}}"},
    {"x{0,1}", "que{lit{x}}"},
    {"x{0}", "emp{}"},
    {"x{2,3}", "rep{2,3 lit{x}}"},
    {"x{2,3}?", "nrep{2,3 lit{x}}"},
    {"(?:a*)*", "star{lit{a}}"},
    {"(?:a*)+", "plus{star{lit{a}}}"},
    {"(?:)*", "emp{}"},
    {"a{,2}", "lit{a{,2}}"},
    {"a{1", "lit{a{1}"},
    {"a{01}", "lit{a{01}}"},
    {"\\d|x", "cc{30-39 78-78}"},
    {"\\pL", "cc{?}"},
    {"[\\p{Greek}a]", "cc{?61-61}"},
    {"[^a-c]", "cc{0-60 64-10ffff}"},
    {"[[:alpha:]_]", "cc{41-5a 5f-5f 61-7a}"},
    {"[[:^digit:]]", "cc{0-2f 3a-10ffff}"},
    {"[]a]", "cc{5d-5d 61-61}"},
    {"[a-]", "cc{2d-2d 61-61}"},
    {"\\Qa.b\\E*", "cat{lit{a.}star{lit{b}}}"},
    {"\\Qa.b", "lit{a.b}"},
    {"\\x41\\x{1F600}\\101\\t", "lit{A\xf0\x9f\x98\x80"
                                "A\t}"},
    {"(?P<n>a)(?<m>b)(c)", "cat{cap{n:lit{a}}cap{m:lit{b}}cap{lit{c}}}"},
    {"foo.*(bar|qux)", "cat{lit{foo}star{dnl{}}cap{alt{lit{bar}lit{qux}}}}"},
    {"abc|abd|aef", "cat{lit{a}alt{cat{lit{b}cc{63-64}}lit{ef}}}"},
    {"[ab]x|[ab]yy", "cat{cc{61-62}alt{lit{x}lit{yy}}}"},
    {"ab+|ac", "cat{lit{a}alt{plus{lit{b}}lit{c}}}"},
    {"((a)|(b))c", "cat{cap{alt{cap{lit{a}}cap{lit{b}}}}lit{c}}"},
};

static void trees_have_gos_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < SK_COUNT_OF(shapes); i++) {
        const struct sk_gore_node *n;
        sk_strbuf_reset(&out);
        assert_int_equal(sk_gore_parse(&arena, sk_str_from(shapes[i][0]), &n, &why), SK_OK);
        dump(n);
        if (!sk_str_is(sk_strbuf_view(&out), shapes[i][1]))
            fail_msg("%s: got %.*s, want %s", shapes[i][0], SK_STR_ARG(sk_strbuf_view(&out)),
                     shapes[i][1]);
    }
}

static void errors_have_gos_words(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[", "missing closing ]: `[`"},
        {"x[a", "missing closing ]: `[a`"},
        {"(", "missing closing ): `(`"},
        {"(?P<n>", "missing closing ): `(?P<n>`"},
        {")", "unexpected ): `)`"},
        {"a)b", "unexpected ): `a)b`"},
        {"\\", "trailing backslash at end of expression: ``"},
        {"*", "missing argument to repetition operator: `*`"},
        {"a|*", "missing argument to repetition operator: `*`"},
        {"(+?)", "missing argument to repetition operator: `+?`"},
        {"x{2}{3}", "invalid nested repetition operator: `{2}{3}`"},
        {"a**", "invalid nested repetition operator: `**`"},
        {"a*+", "invalid nested repetition operator: `*+`"},
        {"a???", "invalid nested repetition operator: `???`"},
        {"x{1001}", "invalid repeat count: `{1001}`"},
        {"x{2,1}", "invalid repeat count: `{2,1}`"},
        {"x{99999999999}", "invalid repeat count: `{99999999999}`"},
        {"(x{500}){3}", "invalid repeat count: `{3}`"},
        {"[b-a]", "invalid character class range: `b-a`"},
        {"[[:foo:]]", "invalid character class range: `[:foo:]`"},
        {"\\p{Foo}", "invalid character class range: `\\p{Foo}`"},
        {"\\pX", "invalid character class range: `\\pX`"},
        {"\\p{Greek", "invalid character class range: `\\p{Greek`"},
        {"\\q", "invalid escape sequence: `\\q`"},
        {"\\8", "invalid escape sequence: `\\8`"},
        {"\\C", "invalid escape sequence: `\\C`"},
        {"\\x{110000}", "invalid escape sequence: `\\x{110000`"},
        {"\\x{}", "invalid escape sequence: `\\x{}`"},
        {"[\\b]", "invalid escape sequence: `\\b`"},
        {"(?=a)", "invalid or unsupported Perl syntax: `(?=`"},
        {"(?!a)", "invalid or unsupported Perl syntax: `(?!`"},
        {"(?<=a)", "invalid named capture: `(?<=a)`"},
        {"(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"},
        {"(?P=n)", "invalid or unsupported Perl syntax: `(?P`"},
        {"(?P<x-y>a)", "invalid named capture: `(?P<x-y>`"},
        {"(?P<>a)", "invalid named capture: `(?P<>`"},
        {"(?<n", "invalid named capture: `(?<n`"},
        {"a\xff", "invalid UTF-8: `\xff`"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        char want[256];
        snprintf(want, sizeof(want), "error parsing regexp: %s", cases[i][1]);
        assert_int_equal(sk_gore_check(&arena, sk_str_from(cases[i][0]), NULL, &why), SK_EPARSE);
        assert_string_equal(why.text, want);
    }
}

static enum sk_err check_repeated(const char *head, const char *unit, size_t times,
                                  const char *tail)
{
    sk_strbuf_reset(&out);
    sk_strbuf_puts(&out, head);
    for (size_t i = 0; i < times; i++)
        sk_strbuf_puts(&out, unit);
    sk_strbuf_puts(&out, tail);
    for (size_t i = 0; tail[0] == 'x' && i < times; i++)
        sk_strbuf_putc(&out, ')');
    const struct sk_gore_node *n;
    return sk_gore_parse(&arena, sk_strbuf_view(&out), &n, &why);
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    static const char deep[] = "error parsing regexp: expression nests too deeply: ";
    static const char large[] = "error parsing regexp: expression too large: ";
    assert_int_equal(check_repeated("", "(", 990, "x"), SK_OK);
    assert_int_equal(check_repeated("", "(", 1000, "x"), SK_EPARSE);
    assert_memory_equal(why.text, deep, sizeof(deep) - 1);
    assert_int_equal(check_repeated("", "(?:", 5000, "x"), SK_OK);
    assert_int_equal(check_repeated("", "[ab][cd]", 20000, "|"), SK_OK);
    assert_int_equal(check_repeated("((((((abcdefghijabcdefghijabcdefghijabcdefghij", "abcdefghij",
                                    400, "))))))){1000}"),
                     SK_EPARSE);
    assert_int_equal(check_repeated("(?:", "abcdefghij", 400, "){1000}"), SK_EPARSE);
    assert_memory_equal(why.text, large, sizeof(large) - 1);
}

/* Two equal chains of classes are factored piece by piece: the recursion must stop in time. */
static void factoring_stops_at_the_depth_limit(void **state)
{
    (void)state;
    struct sk_strbuf text;
    const struct sk_gore_node *n;
    sk_strbuf_init(&text, 1u << 20);
    for (int leg = 0; leg < 2; leg++) {
        for (int i = 0; i < 20000; i++)
            sk_strbuf_puts(&text, "[ab]");
        sk_strbuf_puts(&text, leg == 0 ? "x|" : "y");
    }
    assert_int_equal(sk_gore_parse(&arena, sk_strbuf_view(&text), &n, &why), SK_EPARSE);
    sk_strbuf_deinit(&text);
}

static void groups_are_listed(void **state)
{
    (void)state;
    struct sk_gore_info info;
    assert_int_equal(sk_gore_check(&arena, SK_STR("(a)(?P<x>b(?<y>c))(?:d)"), &info, &why), SK_OK);
    assert_int_equal(info.group_count, 3);
    assert_int_equal(info.named_count, 2);
    assert_str(info.names[0], "");
    assert_str(info.names[1], "x");
    assert_str(info.names[2], "y");
}

static void empty_matches_are_known(void **state)
{
    (void)state;
    static const char *const yes[] = {"", ".*", "x|", "^$", "(a?)", "a{0,3}", "\\B", "(?:a*)+"};
    static const char *const no[] = {".+", "x", "a*b", "\\b", "(a|b)", "[^x]", "a{2}"};
    const struct sk_gore_node *n;
    for (size_t i = 0; i < SK_COUNT_OF(yes); i++) {
        assert_int_equal(sk_gore_parse(&arena, sk_str_from(yes[i]), &n, &why), SK_OK);
        assert_true(sk_gore_matches_empty(n));
    }
    for (size_t i = 0; i < SK_COUNT_OF(no); i++) {
        assert_int_equal(sk_gore_parse(&arena, sk_str_from(no[i]), &n, &why), SK_OK);
        assert_false(sk_gore_matches_empty(n));
    }
}

static void folding_follows_unicode(void **state)
{
    (void)state;
    assert_int_equal(sk_gore_fold('K'), 'k');
    assert_int_equal(sk_gore_fold(0x212a), 'k');
    assert_int_equal(sk_gore_fold(0x17f), 's');
    assert_int_equal(sk_gore_fold(0xc4), 0xe4);
    assert_int_equal(sk_gore_fold(0x3a3), sk_gore_fold(0x3c2));
    assert_int_equal(sk_gore_fold(0x10400), 0x10428);
    assert_int_equal(sk_gore_fold(0xdf), sk_gore_fold(0x1e9e));
    assert_int_equal(sk_gore_fold('5'), '5');
    assert_int_equal(sk_gore_fold(0x130), 0x130);
}

static void reaching_the_arena_cap_is_an_answer(void **state)
{
    (void)state;
    struct sk_str pattern = SK_STR("(?i)foo|fa[r-t]+|(?P<x>\\d{2,3}[^a-z]|[[:alpha:]]x|q)*|fuzz");
    enum sk_err err = SK_ENOMEM;
    for (size_t cap = 0; cap < 1u << 20 && err == SK_ENOMEM; cap += 256) {
        const struct sk_gore_node *n;
        struct sk_arena small;
        sk_arena_init(&small, cap, NULL);
        err = sk_gore_parse(&small, pattern, &n, &why);
        sk_arena_deinit(&small);
    }
    assert_int_equal(err, SK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trees_have_gos_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_have_gos_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_and_size_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(factoring_stops_at_the_depth_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(groups_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_matches_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folding_follows_unicode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reaching_the_arena_cap_is_an_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
