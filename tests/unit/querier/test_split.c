/* SPDX-License-Identifier: Apache-2.0 */
/* Protects what may be done in parts: a span of time cut in two and joined gives the answer of the
 * whole; several workers answer as one does; the search of a whole block for a text finds the lines
 * that hold it; and log queries end with their account. */
#include "lib/testlib.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/workpool.h"
#include "lib/query_gen.h"
#include "logql/parse.h"
#include "querier/metric_query.h"
#include "querier/unit_scan.h"

enum { BYTES = 1024, ROUNDS = 400 };

struct one {
    struct sk_arena arena;
    struct mem_source source;
    struct sk_strbuf query;
    const struct sk_ast_expr *expr; /* NULL: refused */
};

static void one_make(struct one *o, uint64_t *seed, bool log)
{
    uint8_t data[BYTES];
    struct sk_error why;
    const struct sk_ast_expr *written;
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(testlib_rand(seed) >> 32);
    struct gen g = {.ptr = data, .len = BYTES, .json = data[0] % 2 == 1};
    *o = (struct one){.expr = NULL};
    sk_arena_init(&o->arena, 64u << 20, NULL);
    mem_source_init(&o->source);
    sk_strbuf_init(&o->query, 1u << 16);
    if (log)
        gen_log_query(&g, &o->query);
    else
        gen_metric_query(&g, &o->query);
    gen_entries(&g, &o->source);
    o->source.unit_bytes = 8u << 20; /* worth several workers */
    if (sk_logql_parse(&o->arena, sk_strbuf_view(&o->query), &written, &why) != SK_OK ||
        sk_logql_reparse(&o->arena, written, &o->expr, &why) != SK_OK)
        o->expr = NULL;
}

static void one_free(struct one *o)
{
    sk_strbuf_deinit(&o->query);
    mem_source_deinit(&o->source);
    sk_arena_deinit(&o->arena);
}

/* ---- log queries ---- */

static void log_print(struct one *o, int64_t start_ns, int64_t end_ns, uint64_t limit, bool forward,
                      struct sk_workpool *pool, struct sk_strbuf *out)
{
    struct sk_source source = mem_source_of(&o->source);
    struct sk_log_result result;
    struct sk_error why;
    struct sk_log_query q = {.tenant = SK_STR("t"),
                             .log = &o->expr->u.log,
                             .start_ns = start_ns,
                             .end_ns = end_ns,
                             .limit = limit,
                             .forward = forward,
                             .sources = &source,
                             .pool = pool,
                             .source_count = 1};
    if (sk_log_query_run(&q, &result, &why) != SK_OK)
        fail_msg("%.*s: %s", SK_STR_ARG(sk_strbuf_view(&o->query)), why.text);
    for (size_t i = 0; i < result.count; i++) {
        const struct sk_result_entry *e = &result.entries[i];
        sk_strbuf_printf(out, "%.9f %.*s %.*s\n", (double)e->ts_ns / 1e9,
                         SK_STR_ARG(e->labels->printed), SK_STR_ARG(e->line));
    }
    sk_log_result_deinit(&result);
}

static void same_text(const struct one *o, const struct sk_strbuf *got,
                      const struct sk_strbuf *want)
{
    if (!sk_str_eq(sk_strbuf_view(got), sk_strbuf_view(want)))
        fail_msg("%.*s\n got\n%.*s want\n%.*s", SK_STR_ARG(sk_strbuf_view(&o->query)),
                 SK_STR_ARG(sk_strbuf_view(got)), SK_STR_ARG(sk_strbuf_view(want)));
}

static void log_queries_are_the_sum_of_their_parts(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    for (int round = 0; round < ROUNDS; round++) {
        struct one o;
        struct sk_strbuf whole, parts;
        sk_strbuf_init(&whole, 1u << 24);
        sk_strbuf_init(&parts, 1u << 24);
        one_make(&o, &seed, true);
        int64_t cut = (int64_t)(testlib_rand(&seed) % 30000) * 1000000;
        bool forward = testlib_rand(&seed) % 2 == 1;
        if (o.expr != NULL) {
            log_print(&o, 0, GEN_END_NS, 1000, forward, NULL, &whole);
            log_print(&o, forward ? 0 : cut, forward ? cut : GEN_END_NS, 1000, forward, NULL,
                      &parts);
            log_print(&o, forward ? cut : 0, forward ? GEN_END_NS : cut, 1000, forward, NULL,
                      &parts);
            same_text(&o, &parts, &whole);
        }
        one_free(&o);
        sk_strbuf_deinit(&whole);
        sk_strbuf_deinit(&parts);
    }
}

/* ---- workers ---- */

static struct sk_workpool *pool_make(void)
{
    const struct sk_work_limit limits[SK_WORK_CLASSES] = {{4, 0}, {64, 0}, {4, 0}};
    struct sk_workpool *pool;
    assert_int_equal(sk_workpool_create(4, limits, &pool), SK_OK);
    return pool;
}

static void workers_do_not_matter_to_log_queries(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    struct sk_workpool *pool = pool_make();
    for (int round = 0; round < ROUNDS; round++) {
        struct one o;
        struct sk_strbuf alone, several;
        sk_strbuf_init(&alone, 1u << 24);
        sk_strbuf_init(&several, 1u << 24);
        one_make(&o, &seed, true);
        uint64_t limit = testlib_rand(&seed) % 3 == 0 ? 1000 : 1 + testlib_rand(&seed) % 20;
        bool forward = testlib_rand(&seed) % 2 == 1;
        if (o.expr != NULL) {
            log_print(&o, 0, GEN_END_NS, limit, forward, NULL, &alone);
            log_print(&o, 0, GEN_END_NS, limit, forward, pool, &several);
            same_text(&o, &several, &alone);
        }
        one_free(&o);
        sk_strbuf_deinit(&alone);
        sk_strbuf_deinit(&several);
    }
    sk_workpool_destroy(pool);
}

/* ---- limits ---- */

/* However large the limit is, the account ends the query, and gets all back. */
static void log_queries_have_an_end(void **state)
{
    (void)state;
    struct sk_workpool *pool = pool_make();
    struct sk_arena arena;
    struct mem_source m;
    struct sk_budget budget;
    struct sk_error why;
    struct sk_log_result result;
    const struct sk_ast_expr *expr;
    mem_source_init(&m);
    m.unit_bytes = 8u << 20;
    for (int i = 0; i < 40000; i++) {
        char text[32];
        struct sk_label label = {SK_STR("a"), sk_str_from(i % 2 == 0 ? "x" : "y")};
        struct mem_stream *s = mem_stream_of(&m, (struct sk_labelset){&label, 1});
        (void)snprintf(text, sizeof(text), "%d", i);
        if (i % 4000 < 2)
            mem_unit_begin(&m, s);
        mem_entry(&m, s, i, sk_str_from(text), (struct sk_labelset){NULL, 0});
    }
    struct sk_source source = mem_source_of(&m);
    sk_arena_init(&arena, 1u << 20, NULL);
    assert_int_equal(sk_logql_parse(&arena, SK_STR("{a=~\".+\"}"), &expr, &why), SK_OK);
    struct sk_log_query q = {.tenant = SK_STR("t"),
                             .log = &expr->u.log,
                             .end_ns = 1000000,
                             .limit = UINT64_MAX,
                             .sources = &source,
                             .source_count = 1,
                             .budget = &budget};
    for (int i = 0; i < 4; i++) {
        _Atomic bool stop = true;
        q.pool = i % 2 == 0 ? NULL : pool;
        q.forward = i / 2 == 0;
        sk_budget_init(&budget, 4u << 20, NULL); /* half of what 40000 short lines need */
        assert_int_equal(sk_log_query_run(&q, &result, &why), SK_ENOMEM);
        assert_int_equal(sk_budget_used(&budget), 0);
        budget.limit_bytes = 64u << 20;
        assert_int_equal(sk_log_query_run(&q, &result, &why), SK_OK);
        assert_int_equal(result.count, 40000);
        assert_true(sk_budget_used(&budget) > 4u << 20); /* arrays grow as the workers share out */
        sk_log_result_deinit(&result);
        assert_int_equal(sk_budget_used(&budget), 0);
        q.stop = &stop;
        assert_int_equal(sk_log_query_run(&q, &result, &why), SK_ECANCELED);
        q.stop = NULL;
        q.deadline_mono_ns = 1;
        assert_int_equal(sk_log_query_run(&q, &result, &why), SK_ETIMEDOUT);
        q.deadline_mono_ns = 0;
    }
    sk_arena_deinit(&arena);
    mem_source_deinit(&m);
    sk_workpool_destroy(pool);
}

/* ---- metric queries ---- */

static void metric_print(struct one *o, int64_t start_ns, int64_t end_ns, struct sk_workpool *pool,
                         struct sk_strbuf *out)
{
    struct sk_source source = mem_source_of(&o->source);
    struct sk_metric_result result;
    struct sk_error why;
    struct sk_metric_query q = {.tenant = SK_STR("t"),
                                .expr = o->expr,
                                .start_ns = start_ns,
                                .end_ns = end_ns,
                                .step_ns = 1000000000,
                                .sources = &source,
                                .pool = pool,
                                .source_count = 1};
    if (sk_metric_query_run(&q, &result, &why) != SK_OK) {
        sk_strbuf_puts(out, "fails\n");
        return;
    }
    for (int64_t t = start_ns; t <= end_ns; t += q.step_ns) {
        for (size_t i = 0; i < result.count; i++) {
            const struct sk_metric_series *s = &result.series[i];
            for (size_t k = 0; k < s->count; k++) {
                if (s->points[k].ts_ms != t / 1000000)
                    continue;
                sk_strbuf_printf(out, "%d ", (int)(t / q.step_ns));
                sk_labels_format(out, s->labels);
                sk_strbuf_printf(out, " %.17g\n", s->points[k].value);
            }
        }
    }
    sk_metric_result_deinit(&result);
}

static int line_cmp(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a text, which is cut up, in the order of letters. */
static size_t lines_sorted(struct sk_strbuf *text, char ***ret)
{
    size_t count = 0, n = 0;
    for (size_t i = 0; i < text->len; i++)
        count += text->ptr[i] == '\n';
    char **list = sk_calloc(count + 1, sizeof(*list)), *save = NULL;
    assert_non_null(list);
    for (char *l = count > 0 ? strtok_r(text->ptr, "\n", &save) : NULL; l != NULL;
         l = strtok_r(NULL, "\n", &save))
        list[n++] = l;
    qsort(list, n, sizeof(*list), line_cmp);
    *ret = list;
    return n;
}

static bool same_line(const char *a, const char *b)
{
    const char *x = strrchr(a, ' '), *y = strrchr(b, ' ');
    if (x == NULL || y == NULL || x - a != y - b || memcmp(a, b, (size_t)(x - a)) != 0)
        return false;
    double v = strtod(x, NULL), w = strtod(y, NULL);
    return strcmp(x, y) == 0 || fabs(v - w) <= 1e-9 * fmax(1, fmax(fabs(v), fabs(w)));
}

/* In which order series are added up depends on which came first in the span that is asked for: the
 * last digits may differ, and nothing else. Who wins a tie depends on it too. */
static void same_values(const struct one *o, struct sk_strbuf *got, struct sk_strbuf *want)
{
    char **a, **b;
    size_t n = lines_sorted(got, &a), m = lines_sorted(want, &b);
    bool same = n == m;
    for (size_t i = 0; i < n && same; i++)
        same = same_line(a[i], b[i]);
    sk_free(a);
    sk_free(b);
    if (!same)
        fail_msg("%.*s: parts differ from the whole", SK_STR_ARG(sk_strbuf_view(&o->query)));
}

static bool breaks_ties(const struct one *o)
{
    struct sk_str text = sk_strbuf_view(&o->query);
    return sk_str_find(text, SK_STR("topk"), 0) != SIZE_MAX ||
           sk_str_find(text, SK_STR("bottomk"), 0) != SIZE_MAX;
}

/* An error fails the part that meets it: such queries are left out. */
static void metric_queries_are_the_sum_of_their_parts(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    struct sk_workpool *pool = pool_make();
    for (int round = 0; round < ROUNDS; round++) {
        struct one o;
        struct sk_strbuf whole, parts, several;
        sk_strbuf_init(&whole, 1u << 24);
        sk_strbuf_init(&parts, 1u << 24);
        sk_strbuf_init(&several, 1u << 24);
        one_make(&o, &seed, false);
        int64_t end = 20, cut = 1 + (int64_t)(testlib_rand(&seed) % 19);
        if (o.expr != NULL) {
            metric_print(&o, 0, end * 1000000000, NULL, &whole);
            metric_print(&o, 0, end * 1000000000, pool, &several);
            metric_print(&o, 0, (cut - 1) * 1000000000, NULL, &parts);
            metric_print(&o, cut * 1000000000, end * 1000000000, NULL, &parts);
            same_text(&o, &several, &whole);
            if (!sk_str_is(sk_strbuf_view(&whole), "fails\n") && !breaks_ties(&o))
                same_values(&o, &parts, &whole);
        }
        one_free(&o);
        sk_strbuf_deinit(&whole);
        sk_strbuf_deinit(&parts);
        sk_strbuf_deinit(&several);
    }
    sk_workpool_destroy(pool);
}

/* ---- blocks ---- */

static size_t text_make(uint64_t *seed, char *out, size_t max)
{
    static const char letters[] = "aAbB\x01\x02 \xc3\xa9";
    size_t n = testlib_rand(seed) % (max + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = letters[testlib_rand(seed) % (sizeof(letters) - 1)];
    return n;
}

/* Bytes of times, lengths and metadata look like text here, and must not be found. */
static void block_search_finds_lines(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    for (int round = 0; round < 2000; round++) {
        struct mem_source m;
        struct sk_label label = {SK_STR("a"), SK_STR("b")};
        char text[64], needle_text[4];
        mem_source_init(&m);
        struct mem_stream *s = mem_stream_of(&m, (struct sk_labelset){&label, 1});
        size_t count = testlib_rand(&seed) % 30;
        for (size_t i = 0; i < count; i++) {
            size_t len = text_make(&seed, text, 12);
            int64_t ts = (int64_t)(testlib_rand(&seed) % 0x4242);
            mem_entry(&m, s, ts, (struct sk_str){text, len},
                      (struct sk_labelset){&label, testlib_rand(&seed) % 2});
        }
        struct sk_str needle = {needle_text, 1 + text_make(&seed, needle_text + 1, 2)};
        needle_text[0] = "aB\x01 "[testlib_rand(&seed) % 4];
        struct sk_slice raw = {(const uint8_t *)s->units->raw.ptr, s->units->raw.len};
        struct sk_unit_hits hits;
        struct sk_block_iter it;
        struct sk_block_entry want, got;
        uint64_t place = 0;
        sk_unit_hits_init(&hits, raw, true, needle);
        sk_block_iter_init(&it, raw, true);
        for (; sk_block_next(&it, &want); place++) {
            bool there = false;
            for (size_t i = 0; i + needle.len <= want.line.len; i++)
                there = there || memcmp(want.line.ptr + i, needle.ptr, needle.len) == 0;
            if (!there)
                continue;
            assert_true(sk_unit_hits_next(&hits, &got));
            assert_ptr_equal(got.line.ptr, want.line.ptr);
            assert_int_equal(hits.seq - 1, place);
        }
        assert_false(sk_unit_hits_next(&hits, &got));
        mem_source_deinit(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_queries_are_the_sum_of_their_parts),
        cmocka_unit_test(workers_do_not_matter_to_log_queries),
        cmocka_unit_test(log_queries_have_an_end),
        cmocka_unit_test(metric_queries_are_the_sum_of_their_parts),
        cmocka_unit_test(block_search_finds_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
