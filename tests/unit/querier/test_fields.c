/* SPDX-License-Identifier: Apache-2.0 */
/* Protects what is found in lines: the type of a value, which parser has found a field, where it
 * stands in JSON, what the limit leaves out, and that memory has an end. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/budget.h"
#include "querier/field_query.h"

static void types_are_gos(void **state)
{
    static const struct {
        const char *value;
        enum sk_field_type type;
    } rows[] = {
        {"5", SK_FIELD_INT},
        {"-7", SK_FIELD_INT},
        {"+5", SK_FIELD_INT},
        {"5.", SK_FIELD_FLOAT},
        {"-inf", SK_FIELD_FLOAT},
        {"NaN", SK_FIELD_FLOAT},
        {"1e3", SK_FIELD_FLOAT},
        {"1_000", SK_FIELD_FLOAT},
        {"0x1F", SK_FIELD_STRING},
        {"true", SK_FIELD_BOOLEAN},
        {"F", SK_FIELD_BOOLEAN},
        {"tRUE", SK_FIELD_STRING},
        {"1h30m", SK_FIELD_DURATION},
        {"-1m", SK_FIELD_DURATION},
        {"1d", SK_FIELD_STRING},
        {"10MB", SK_FIELD_BYTES},
        {"1.5 GiB", SK_FIELD_BYTES},
        {"-1B", SK_FIELD_STRING},
        {"", SK_FIELD_STRING},
        {"word", SK_FIELD_STRING},
        {"99999999999999999999", SK_FIELD_FLOAT},
    };
    (void)state;
    for (size_t i = 0; i < SK_COUNT_OF(rows); i++)
        assert_int_equal(sk_field_type_of(sk_str_from(rows[i].value)), rows[i].type);
    assert_string_equal(sk_field_type_text(SK_FIELD_DURATION), "duration");
}

/* ---- entries ---- */

static const struct sk_label stream_labels[] = {{{"app", 3}, {"web", 3}}};
static const struct sk_label meta_labels[] = {{{"trace", 5}, {"t1", 2}}};
static const struct sk_label made_labels[] = {{{"__error__", 9}, {"x", 1}},
                                              {{"made", 4}, {"1", 1}}};

static const struct sk_result_labels plain = {.stream = {stream_labels, 1},
                                              .meta = {meta_labels, 1},
                                              .printed_stream = {"{app=\"web\"}", 11}};
static const struct sk_result_labels made = {.stream = {stream_labels, 1},
                                             .parsed = {made_labels, 2},
                                             .printed_stream = {"{app=\"web\"}", 11}};

static struct sk_result_entry entry(const struct sk_result_labels *labels, const char *line)
{
    return (struct sk_result_entry){.labels = labels, .line = sk_str_from(line)};
}

static const struct sk_field *field(const struct sk_field_result *r, const char *name)
{
    for (size_t i = 0; i < r->field_count; i++) {
        if (sk_str_is(r->fields[i]->name, name))
            return r->fields[i];
    }
    return NULL;
}

static void fields_are_found(void **state)
{
    struct sk_result_entry entries[] = {
        entry(&plain, "{\"a\":{\"b c\":1},\"app\":\"x\",\"n\":1,\"l\":[1],\"z\":null}"),
        entry(&plain, "n=2.5 text=\"a b\" flag"),
        entry(&plain, "{\"n\":2.5"),
        entry(&made, "no fields here"),
    };
    struct sk_log_result lines = {.entries = entries, .count = SK_COUNT_OF(entries)};
    struct sk_field_query q = {.entries = &lines, .limit = 100};
    struct sk_field_result r;
    struct sk_error why;
    (void)state;
    assert_int_equal(sk_field_query_run(&q, &r, &why), SK_OK);
    assert_int_equal(r.field_count, 6); /* a_b_c app_extracted made n text trace */
    const struct sk_field *f = field(&r, "a_b_c");
    assert_int_equal(f->path_count, 2);
    assert_true(sk_str_is(f->path[0], "a") && sk_str_is(f->path[1], "b c"));
    f = field(&r, "app_extracted");
    assert_true(f->path_count == 1 && sk_str_is(f->path[0], "app"));
    f = field(&r, "n");
    assert_int_equal(f->cardinality, 2);
    assert_int_equal(f->type, SK_FIELD_FLOAT); /* that of the last one */
    assert_int_equal(f->parser_count, 2);
    assert_string_equal(f->parsers[0], "json");
    assert_string_equal(f->parsers[1], "logfmt");
    f = field(&r, "made");
    assert_true(f->parser_count == 1 && f->path == NULL);
    assert_string_equal(f->parsers[0], "logfmt");
    f = field(&r, "trace");
    assert_true(f->parser_count == 0 && f->cardinality == 1);
    sk_field_result_deinit(&r);

    q.limit = 1; /* metadata comes first */
    assert_int_equal(sk_field_query_run(&q, &r, &why), SK_OK);
    assert_int_equal(r.field_count, 1);
    assert_non_null(field(&r, "trace"));
    sk_field_result_deinit(&r);

    q.name = SK_STR("n");
    q.limit = 2;
    assert_int_equal(sk_field_query_run(&q, &r, &why), SK_OK);
    assert_int_equal(r.value_count, 2);
    assert_true(sk_str_is(r.values[0], "1") && sk_str_is(r.values[1], "2.5"));
    sk_field_result_deinit(&r);
}

static void memory_has_an_end(void **state)
{
    enum { COUNT = 20000 };
    static char lines[COUNT][24];
    static struct sk_result_entry entries[COUNT];
    struct sk_log_result all = {.entries = entries, .count = COUNT};
    struct sk_budget budget;
    struct sk_field_result r;
    struct sk_error why;
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(lines[i], sizeof(lines[i]), "n=%d", i);
        entries[i] = entry(&plain, lines[i]);
    }
    sk_budget_init(&budget, 1u << 20, NULL);
    struct sk_field_query q = {.entries = &all, .limit = COUNT, .budget = &budget};
    assert_int_equal(sk_field_query_run(&q, &r, &why), SK_ENOMEM);
    assert_int_equal(sk_budget_used(&budget), 0);
    q.budget = NULL;
    assert_int_equal(sk_field_query_run(&q, &r, &why), SK_OK);
    assert_int_equal(field(&r, "n")->cardinality, COUNT);
    sk_field_result_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_gos),
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(memory_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
