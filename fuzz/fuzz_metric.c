/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a metric query, the others are entries a second apart, dealt out to two
 * streams; an empty line begins another chunk. As an instant query and over a range, it answers or
 * fails, with a text and with nothing left on the account. */
#include "../tests/lib/memsource.h"
#include "base/budget.h"
#include "logql/parse.h"
#include "querier/metric_query.h"

enum { ENTRIES_MAX = 200, STEPS = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct mem_source *m, struct sk_str rest)
{
    struct sk_label labels[] = {{SK_STR("a"), SK_STR("1")}, {SK_STR("a"), SK_STR("2")}};
    struct sk_label meta = {SK_STR("m"), SK_STR("x")};
    int64_t ts = 0;
    for (size_t i = 0; i < ENTRIES_MAX && rest.len > 0; i++) {
        size_t end = sk_str_find(rest, SK_STR("\n"), 0);
        size_t len = end == SIZE_MAX ? rest.len : end;
        struct sk_labelset set = {&labels[i % 2], 1};
        struct mem_stream *s = mem_stream_of(m, set);
        if (len == 0) {
            mem_unit_begin(m, s);
            ts -= 2000000000; /* it overlaps the one before */
        }
        ts += 1000000000;
        mem_entry(m, s, ts, (struct sk_str){rest.ptr, len},
                  (struct sk_labelset){&meta, i % 3 == 0});
        rest.ptr += len + (end != SIZE_MAX);
        rest.len -= len + (end != SIZE_MAX);
    }
}

static void run(struct mem_source *m, const struct sk_ast_expr *expr, int64_t step_ns)
{
    struct sk_source source = mem_source_of(m);
    struct sk_metric_result result;
    struct sk_error why = {.text = ""};
    struct sk_budget budget;
    sk_budget_init(&budget, 64u << 20, NULL);
    struct sk_metric_query q = {.tenant = SK_STR("t"),
                                .expr = expr,
                                .start_ns = step_ns == 0 ? 60000000000 : 0,
                                .end_ns = step_ns == 0 ? 60000000000 : STEPS * step_ns,
                                .step_ns = step_ns,
                                .sources = &source,
                                .source_count = 1,
                                .budget = &budget,
                                .series_max = 50};
    enum sk_err err = sk_metric_query_run(&q, &result, &why);
    if (err == SK_OK) {
        for (size_t i = 0; i < result.count; i++)
            sk_assert(result.series[i].count > 0);
        sk_metric_result_deinit(&result);
    } else {
        sk_assert(why.text[0] != '\0');
    }
    sk_assert(sk_budget_used(&budget) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_str text = {(const char *)data, size}, rest = {"", 0};
    struct sk_arena arena;
    struct sk_error why;
    const struct sk_ast_expr *written, *expr;
    size_t end = sk_str_find(text, SK_STR("\n"), 0);
    if (end != SIZE_MAX) {
        rest = (struct sk_str){text.ptr + end + 1, text.len - end - 1};
        text.len = end;
    }
    sk_arena_init(&arena, 64u << 20, NULL);
    if (sk_logql_parse(&arena, text, &written, &why) == SK_OK &&
        sk_logql_reparse(&arena, written, &expr, &why) == SK_OK && expr->kind != SK_AST_LOG) {
        struct mem_source m;
        mem_source_init(&m);
        fill(&m, rest);
        run(&m, expr, 0);
        run(&m, expr, 9000000000);
        mem_source_deinit(&m);
    }
    sk_arena_deinit(&arena);
    return 0;
}
