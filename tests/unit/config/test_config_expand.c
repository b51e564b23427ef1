/* SPDX-License-Identifier: Apache-2.0 */
/* Protects -config.expand-env: every form behaves as was observed in Loki. */
#include "lib/testlib.h"

#include "config/config_int.h"

static const char *variable(void *ctx, const char *name)
{
    (void)ctx;
    if (strcmp(name, "VV") == 0)
        return "hello";
    if (strcmp(name, "EMPTY") == 0)
        return "";
    if (strcmp(name, "PORT") == 0)
        return "8080";
    return strcmp(name, "PATHS") == 0 ? "a/b/c.txt" : NULL;
}

static const struct {
    const char *written, *becomes;
} good[] = {
    {"", ""},
    {"plain text", "plain text"},
    {"${VV}", "hello"},
    {"$VV", "$VV"},
    {"${NOPE}", ""},
    {"${NOPE:-def}", "def"},
    {"${EMPTY:-def}", "def"},
    {"${VV:-def}", "hello"},
    {"${NOPE:=def}", "def"},
    {"${NOPE:?err}", "err"},
    {"${VV:+alt}", "hello"},
    {"${VV^^}", "HELLO"},
    {"${VV^}", "Hello"},
    {"${VV,,}", "hello"},
    {"${#VV}", "5"},
    {"${#NOPE}", "0"},
    {"${VV:1:2}", "el"},
    {"${VV:3}", "lo"},
    {"${VV:1:99}", "ello"},
    {"${PORT:3100}", ""},
    {"${NOPE:3100}", ""},
    {"${VV/l/L}", "heLlo"},
    {"${VV//l/L}", "heLLo"},
    {"${VV/#he/HE}", "HEllo"},
    {"${VV/%lo/LO}", "helLO"},
    {"${VV/%xx/LO}", "hello"},
    {"${VV//l}", "heo"},
    {"${VV#he}", "llo"},
    {"${VV#xx}", "hello"},
    {"${PATHS##*/}", "c.txt"},
    {"${PATHS#*/}", "b/c.txt"},
    {"${PATHS%.*}", "a/b/c"},
    {"${PATHS%%/*}", "a"},
    {"$$VV", "$VV"},
    {"$${VV}", "${VV}"},
    {"a$", "a$"},
    {"${NOPE:-${VV}}", "hello"},
    {"${NOPE:-${EMPTY:-x}}y", "xy"},
    {"a: ${VV}\nb: ${PORT:-3100}\n", "a: hello\nb: 8080\n"},
    {"${NOPE:-http://x:1/y}", "http://x:1/y"},
};

static void every_form_expands_as_in_loki(void **state)
{
    (void)state;
    for (size_t i = 0; i < SK_COUNT_OF(good); i++) {
        struct sk_strbuf out;
        struct sk_error why = {.text = ""};
        sk_strbuf_init(&out, 65536);
        if (sk_config_expand(sk_str_from(good[i].written), variable, NULL, &out, &why) != SK_OK)
            fail_msg("%s: %s", good[i].written, why.text);
        assert_str(sk_strbuf_view(&out), good[i].becomes);
        sk_strbuf_deinit(&out);
    }
}

static void unfinished_forms_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *written, *why;
    } bad[] = {
        {"${NOPE-def}", "missing closing brace"}, {"${VV", "missing closing brace"},
        {"${VV:-a", "missing closing brace"},     {"${VV:", "missing closing brace"},
        {"${VV/a/b", "missing closing brace"},    {"${VV#", "missing closing brace"},
        {"${VV^", "missing closing brace"},       {"${", "unable to parse variable name"},
        {"${}", "unable to parse variable name"}, {"${#}", "unable to parse variable name"},
        {"${VV:-${VV}", "missing closing brace"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        struct sk_strbuf out;
        struct sk_error why = {.text = ""};
        sk_strbuf_init(&out, 65536);
        if (sk_config_expand(sk_str_from(bad[i].written), variable, NULL, &out, &why) != SK_EPARSE)
            fail_msg("%s was accepted", bad[i].written);
        assert_string_equal(why.text, bad[i].why);
        sk_strbuf_deinit(&out);
    }
}

static void nesting_has_an_end(void **state)
{
    (void)state;
    struct sk_strbuf text, out;
    struct sk_error why;
    sk_strbuf_init(&text, 65536);
    sk_strbuf_init(&out, 65536);
    for (int i = 0; i < 1000; i++)
        sk_strbuf_puts(&text, "${N:-");
    assert_int_equal(sk_config_expand(sk_strbuf_view(&text), variable, NULL, &out, &why),
                     SK_EPARSE);
    assert_string_equal(why.text, "variables are nested too deep");
    sk_strbuf_deinit(&out);
    sk_strbuf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_expands_as_in_loki),
        cmocka_unit_test(unfinished_forms_are_refused),
        cmocka_unit_test(nesting_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
