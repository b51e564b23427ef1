/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the outputs: lines in three manners, metric results, statistics. */
#include "lib/testlib.h"

#include <jansson.h>

#include "cli/ctl_print.h"
#include "cli/ctl_stats.h"

#define TS INT64_C(1795357770000000001)

static struct sk_strbuf buf;

static const struct sk_label label = {{"detected_level", 14}, {"info", 4}};
static const struct sk_ctl_shown stream = {{&label, 1}, {"{detected_level=\"info\"} ", 24}, 8};

static struct sk_str print(struct sk_ctl_format format)
{
    format.utc = true;
    sk_strbuf_reset(&buf);
    sk_ctl_print_entry(&buf, &format, TS, &stream, SK_STR("msg=\"hello <world>\"\t\033[1m"));
    return sk_strbuf_view(&buf);
}

static void the_default_output_is_time_labels_line(void **state)
{
    (void)state;
    assert_str(print((struct sk_ctl_format){0}),
               "2026-11-22T14:29:30Z {detected_level=\"info\"}  msg=\"hello <world>\"\t\033[1m\n");
    assert_str(print((struct sk_ctl_format){.no_labels = true}),
               "2026-11-22T14:29:30Z msg=\"hello <world>\"\t\033[1m\n");
}

static void colours_surround_time_and_labels(void **state)
{
    (void)state;
    assert_str(print((struct sk_ctl_format){.color = true}),
               "\033[34m2026-11-22T14:29:30Z\033[0m \033[31m{detected_level=\"info\"} \033[0m "
               "msg=\"hello <world>\"\t\033[1m\n");
    assert_str(print((struct sk_ctl_format){.color = true, .color_by_hash = true}),
               "\033[34m2026-11-22T14:29:30Z\033[0m \033[93m{detected_level=\"info\"} \033[0m "
               "msg=\"hello <world>\"\t\033[1m\n");
    assert_str(print((struct sk_ctl_format){.color_by_hash = true}),
               "2026-11-22T14:29:30Z {detected_level=\"info\"}  msg=\"hello <world>\"\t\033[1m\n");
}

static void raw_is_the_line_and_jsonl_an_object(void **state)
{
    (void)state;
    assert_str(print((struct sk_ctl_format){.output = SK_CTL_RAW}),
               "msg=\"hello <world>\"\t\033[1m\n");
    assert_str(print((struct sk_ctl_format){.output = SK_CTL_JSONL}),
               "{\"labels\":{\"detected_level\":\"info\"},\"line\":\"msg=\\\"hello "
               "\\u003cworld\\u003e\\\"\\t\\u001b[1m\",\"timestamp\":"
               "\"2026-11-22T14:29:30.000000001Z\"}\n");
}

static struct sk_str print_json(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    sk_strbuf_reset(&buf);
    assert_true(sk_ctl_print_json(&buf, value));
    json_decref(value);
    return sk_strbuf_view(&buf);
}

static void metric_results_are_indented_json(void **state)
{
    (void)state;
    assert_str(print_json("[]"), "[]\n");
    assert_str(print_json("[6023624850173,\"2\"]"), "[\n  6023624850173,\n  \"2\"\n]\n");
    assert_str(print_json("[{\"values\":[[1795357199.999,\"1\"]],"
                          "\"metric\":{\"b\":\"<\",\"a\":\"x\"}},"
                          "{\"metric\":{},\"value\":[1,\"+Inf\"]}]"),
               "[\n  {\n    \"metric\": {\n      \"a\": \"x\",\n      \"b\": \"\\u003c\"\n    },\n"
               "    \"values\": [\n      [\n        1795357199.999,\n        \"1\"\n      ]\n"
               "    ]\n  },\n  {\n    \"metric\": {},\n    \"value\": [\n      1,\n"
               "      \"+Inf\"\n    ]\n  }\n]\n");
}

static void json_without_end_is_refused(void **state)
{
    (void)state;
    json_t *value = json_loads("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", 0, NULL);
    assert_non_null(value);
    sk_strbuf_reset(&buf);
    assert_false(sk_ctl_print_json(&buf, value));
    json_decref(value);
}

static bool has(const char *line)
{
    return sk_str_find(sk_strbuf_view(&buf), sk_str_from(line), 0) != SIZE_MAX;
}

static void statistics_print_counts_sizes_and_durations(void **state)
{
    (void)state;
    json_t *stats =
        json_loads("{\"ingester\":{\"totalReached\":1,\"store\":{\"chunkRefsFetchTime\":"
                   "228761,\"chunk\":{\"headChunkBytes\":6640}}},\"summary\":"
                   "{\"execTime\":0.004837,\"totalBytesProcessed\":\"x\"}}",
                   0, NULL);
    assert_non_null(stats);
    sk_strbuf_reset(&buf);
    sk_ctl_stats_print(&buf, stats);
    json_decref(stats);
    assert_true(sk_str_starts(sk_strbuf_view(&buf), SK_STR("Ingester.TotalReached \t\t\t\t 1\n")));
    assert_true(has("\nIngester.HeadChunkBytes \t\t\t\t 6.6 kB\n"));
    assert_true(has("\nIngester.ChunkRefsFetchTime \t\t\t\t 228.761\xc2\xb5s\n"));
    assert_true(has("\nQuerier.TotalChunksRef \t\t\t\t 0\n"));
    assert_true(has("\nCache.StatsResult.BytesSent \t\t\t\t 0 B\n"));
    assert_true(has("\nSummary.ExecTime \t\t\t\t 4.837ms\n"));
    assert_true(has("\nSummary.TotalBytesProcessed \t\t\t\t 0 B\n"));
}

static void missing_statistics_print_as_zero(void **state)
{
    (void)state;
    sk_strbuf_reset(&buf);
    sk_ctl_stats_print(&buf, NULL);
    assert_true(has("Ingester.TotalReached \t\t\t\t 0\n"));
    assert_true(has("Summary.ExecTime \t\t\t\t 0s\n"));
}

static int setup(void **state)
{
    (void)state;
    sk_strbuf_init(&buf, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sk_strbuf_deinit(&buf);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_output_is_time_labels_line),
        cmocka_unit_test(colours_surround_time_and_labels),
        cmocka_unit_test(raw_is_the_line_and_jsonl_an_object),
        cmocka_unit_test(metric_results_are_indented_json),
        cmocka_unit_test(json_without_end_is_refused),
        cmocka_unit_test(statistics_print_counts_sizes_and_durations),
        cmocka_unit_test(missing_statistics_print_as_zero),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
