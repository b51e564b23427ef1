/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the reading of the command line. */
#include "lib/testlib.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/gotext.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_time.h"

static struct sk_ctl_opts opts;
static struct sk_error err;

#define PARSE(...)                                                                                 \
    parse((const char *const[]){__VA_ARGS__},                                                      \
          sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static enum sk_err parse(const char *const *argv, size_t argc)
{
    sk_ctl_opts_deinit(&opts);
    err.text[0] = '\0';
    return sk_ctl_opts_parse(&opts, (int)argc, argv, &err);
}

static void flags_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-q", "query", "--limit=5", "--addr", "http://h:1", "{a}", "-oraw",
                           "--forward", "--include-label=x", "--include-label", "y", "-z", "UTC"),
                     SK_OK);
    assert_string_equal(opts.command->name, "query");
    assert_true(opts.quiet && opts.forward);
    assert_int_equal(opts.limit, 5);
    assert_string_equal(opts.addr, "http://h:1");
    assert_int_equal(opts.output, 1);
    assert_int_equal(opts.timezone, 1);
    assert_int_equal(opts.include_labels.count, 2);
    assert_string_equal(opts.include_labels.items[1], "y");
    assert_string_equal(opts.args.items[0], "{a}");
}

static void presets_fill_what_is_not_given(void **state)
{
    (void)state;
    assert_int_equal(PARSE("query", "{a}"), SK_OK);
    assert_int_equal(opts.limit, 30);
    assert_int_equal(opts.batch, 1000);
    assert_true(opts.since_ns == SK_NS_PER_HOUR);
    assert_int_equal(opts.retries, -1);
    assert_string_equal(opts.addr, "http://localhost:3100");
    assert_string_equal(opts.auth_header, "Authorization");
    assert_null(opts.org_id);
}

static void the_environment_stands_between_flag_and_preset(void **state)
{
    (void)state;
    assert_int_equal(setenv("LOKI_ADDR", "http://env", 1), 0);
    assert_int_equal(setenv("LOKI_NO_CACHE", "true", 1), 0);
    assert_int_equal(setenv("LOKI_CLIENT_RETRIES", "3", 1), 0);
    assert_int_equal(setenv("LOKI_ORG_ID", "", 1), 0);
    assert_int_equal(PARSE("labels"), SK_OK);
    assert_string_equal(opts.addr, "http://env");
    assert_true(opts.nocache);
    assert_int_equal(opts.retries, 3);
    assert_null(opts.org_id);
    assert_int_equal(PARSE("labels", "--addr=http://flag", "--no-nocache"), SK_OK);
    assert_string_equal(opts.addr, "http://flag");
    assert_false(opts.nocache);
    assert_int_equal(setenv("LOKI_NO_CACHE", "perhaps", 1), 0);
    assert_int_equal(PARSE("labels"), SK_EINVAL);
    unsetenv("LOKI_ADDR");
    unsetenv("LOKI_NO_CACHE");
    unsetenv("LOKI_CLIENT_RETRIES");
    unsetenv("LOKI_ORG_ID");
}

static void double_dash_ends_the_flags(void **state)
{
    (void)state;
    assert_int_equal(PARSE("push", "--label=a=b", "--", "-x", "--", "-"), SK_OK);
    assert_int_equal(opts.args.count, 3);
    assert_string_equal(opts.args.items[0], "-x");
    assert_string_equal(opts.push_labels.items[0], "a=b");
}

static void mistakes_are_named(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--nope"), SK_EINVAL);
    assert_string_equal(err.text, "unknown long flag '--nope'");
    assert_int_equal(PARSE("labels", "--limit=3"), SK_EINVAL);
    assert_string_equal(err.text, "unknown long flag '--limit'");
    assert_int_equal(PARSE("-qx"), SK_EINVAL);
    assert_string_equal(err.text, "unknown short flag '-x'");
    assert_int_equal(PARSE("labels", "--addr"), SK_EINVAL);
    assert_string_equal(err.text, "expected argument for flag '--addr'");
    assert_int_equal(PARSE("query"), SK_EINVAL);
    assert_string_equal(err.text, "required argument 'query' not provided");
    assert_int_equal(PARSE("query", "{a}", "b"), SK_EINVAL);
    assert_string_equal(err.text, "unexpected 'b'");
    assert_int_equal(PARSE("frob"), SK_EINVAL);
    assert_string_equal(err.text, "expected command but got \"frob\"");
    assert_int_equal(PARSE("-o", "xml", "labels"), SK_EINVAL);
    assert_string_equal(err.text, "enum value must be one of default,raw,jsonl, got 'xml'");
    assert_int_equal(PARSE("query", "{a}", "--limit=-1"), SK_EINVAL);
    assert_int_equal(PARSE("query", "{a}", "--limit=1", "--limit=2"), SK_EINVAL);
    assert_int_equal(PARSE("query", "{a}", "--since=1d"), SK_EINVAL);
    assert_int_equal(PARSE("query", "{a}", "--batch=0"), SK_EINVAL);
    assert_int_equal(PARSE("labels", "--username=u", "--bearer-token=t"), SK_EINVAL);
    assert_int_equal(PARSE("labels", "--no-addr"), SK_EINVAL);
}

static void what_is_not_there_yet_is_refused_by_name(void **state)
{
    (void)state;
    assert_int_equal(PARSE("query", "{a}", "-t"), SK_OK);
    assert_int_equal(PARSE("query", "{a}", "--store-config=x"), SK_EINVAL);
    assert_string_equal(err.text,
                        "flag '--store-config' is not available in skaldctl: it asks servers");
    assert_int_equal(PARSE("--stdin", "query", "{a}"), SK_OK);
    assert_int_equal(PARSE("--stdin", "labels"), SK_EINVAL);
    assert_int_equal(PARSE("query", "{a}", "--parallel-max-workers=2"), SK_OK);
    assert_int_equal(PARSE("query", "{a}", "--parallel-max-workers=0"), SK_EINVAL);
    assert_int_equal(PARSE("query", "{a}", "--merge-parts"), SK_EINVAL);
    assert_string_equal(err.text, "flag '--merge-parts' needs '--part-path-prefix'");
    assert_int_equal(PARSE("query", "{a}", "--parallel-max-workers=1"), SK_OK);
}

static void commands_may_be_of_two_words(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-q", "delete", "--since=2h", "create", "{a}"), SK_EINVAL);
    assert_string_equal(err.text, "unknown long flag '--since'");
    assert_int_equal(PARSE("delete", "-q", "create", "{a}", "--since=2h"), SK_OK);
    assert_string_equal(opts.command->name, "delete create");
    assert_true(opts.quiet && opts.since_ns == 2 * SK_NS_PER_HOUR);
    assert_int_equal(PARSE("delete"), SK_EINVAL);
    assert_string_equal(err.text, "must select a subcommand of 'delete'");
    assert_int_equal(PARSE("delete", "fmt"), SK_EINVAL);
    assert_string_equal(err.text, "expected command but got \"fmt\"");
    assert_int_equal(PARSE("create", "{a}"), SK_EINVAL);
    assert_int_equal(PARSE("delete", "cancel"), SK_EINVAL);
    assert_string_equal(err.text, "required flag --request-id not provided");
    assert_int_equal(PARSE("delete", "cancel", "--help"), SK_OK);
}

static void flags_mean_what_their_command_says(void **state)
{
    (void)state;
    assert_int_equal(PARSE("volume", "{a}", "--targetLabels=x", "--targetLabels=y"), SK_OK);
    assert_int_equal(opts.target_labels.count, 2);
    assert_int_equal(opts.step_ns, 0);
    assert_int_equal(PARSE("volume_range", "{a}"), SK_OK);
    assert_true(opts.limit == 30 && opts.step_ns == SK_NS_PER_HOUR);
    assert_int_equal(PARSE("detected-fields", "{a}", "f"), SK_OK);
    assert_true(opts.limit == 100 && opts.line_limit == 1000 && opts.step_ns == 10 * SK_NS_PER_S);
}

static void help_needs_no_arguments(void **state)
{
    (void)state;
    assert_int_equal(PARSE("query", "--help"), SK_OK);
    assert_true(opts.help);
    assert_int_equal(PARSE("help", "push"), SK_OK);
    assert_true(opts.help);
    assert_string_equal(opts.command->name, "push");
    struct sk_strbuf text;
    sk_strbuf_init(&text, 1 << 20);
    sk_ctl_help(&text, opts.command, false);
    assert_true(sk_str_find(sk_strbuf_view(&text), SK_STR("--label=VALUE"), 0) != SIZE_MAX);
    assert_true(sk_str_find(sk_strbuf_view(&text), SK_STR("($LOKI_ADDR)"), 0) != SIZE_MAX);
    assert_true(sk_str_find(sk_strbuf_view(&text), SK_STR("--batch"), 0) == SIZE_MAX);
    sk_strbuf_deinit(&text);
}

static void ranges_end_now_and_reach_back(void **state)
{
    (void)state;
    int64_t start, end;
    sk_clock_fake(INT64_C(1795360000000000000));
    assert_int_equal(PARSE("labels", "--since=1m"), SK_OK);
    assert_int_equal(sk_ctl_opts_range(&opts, &start, &end, &err), SK_OK);
    assert_true(end == INT64_C(1795360000000000000));
    assert_true(start == end - 60 * SK_NS_PER_S);
    assert_int_equal(PARSE("labels", "--to=2026-11-22T14:00:00Z"), SK_OK);
    assert_int_equal(sk_ctl_opts_range(&opts, &start, &end, &err), SK_OK);
    assert_true(end == INT64_C(1795356000000000000));
    assert_true(start == end - SK_NS_PER_HOUR);
    assert_int_equal(PARSE("labels", "--from=2026-11-22"), SK_OK);
    assert_int_equal(sk_ctl_opts_range(&opts, &start, &end, &err), SK_EPARSE);
    sk_clock_fake(0);
}

/* The enum and the choices of the table are two lists of one thing. */
static void layouts_and_their_names_agree(void **state)
{
    (void)state;
    assert_int_equal(PARSE("labels", "--output-timestamp-format=unixdate"), SK_OK);
    assert_int_equal(opts.layout, SK_CTL_UNIXDATE);
    assert_int_equal(PARSE("labels", "--output-timestamp-format=stampnano"), SK_OK);
    assert_int_equal(opts.layout, SK_CTL_STAMPNANO);
    assert_int_equal(PARSE("labels", "--output-timestamp-format=rfc822z"), SK_OK);
    assert_int_equal(opts.layout, SK_CTL_RFC822Z);
}

static int teardown(void **state)
{
    (void)state;
    sk_ctl_opts_deinit(&opts);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_stand_anywhere),
        cmocka_unit_test(presets_fill_what_is_not_given),
        cmocka_unit_test(the_environment_stands_between_flag_and_preset),
        cmocka_unit_test(double_dash_ends_the_flags),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(what_is_not_there_yet_is_refused_by_name),
        cmocka_unit_test(commands_may_be_of_two_words),
        cmocka_unit_test(flags_mean_what_their_command_says),
        cmocka_unit_test(help_needs_no_arguments),
        cmocka_unit_test(ranges_end_now_and_reach_back),
        cmocka_unit_test(layouts_and_their_names_agree),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
