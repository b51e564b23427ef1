/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the answers of metric queries: the blocks of tests/golden/logql/metrics.lqt; that a
 * range query is its instant queries one after the other; that the number of workers, the division
 * of a stream into units and repeated units change nothing; and where windows are cut. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/budget.h"
#include "base/gotext.h"
#include "base/workpool.h"
#include "lib/memsource.h"
#include "logql/parse.h"
#include "querier/metric_int.h"

/* ---- running a query ---- */

struct answer {
    struct sk_arena arena; /* the query */
    struct sk_metric_result result;
    enum sk_err err;
    struct sk_error why;
    struct sk_strbuf text; /* of a long error */
};

struct run_options {
    int64_t start_ns, end_ns, step_ns;
    struct sk_workpool *pool;
    uint64_t series_max;
};

static void answer_get(struct answer *a, struct mem_source *m, struct sk_str query,
                       const struct run_options *o)
{
    const struct sk_ast_expr *written, *expr = NULL;
    struct sk_source source = mem_source_of(m);
    memset(a, 0, sizeof(*a));
    sk_arena_init(&a->arena, 64u << 20, NULL);
    sk_strbuf_init(&a->text, 1u << 20);
    a->err = sk_logql_parse(&a->arena, query, &written, &a->why);
    if (a->err == SK_OK)
        a->err = sk_logql_reparse(&a->arena, written, &expr, &a->why);
    if (a->err != SK_OK)
        return;
    struct sk_metric_query q = {.tenant = SK_STR("t"),
                                .expr = expr,
                                .start_ns = o->start_ns,
                                .end_ns = o->end_ns,
                                .step_ns = o->step_ns,
                                .sources = &source,
                                .source_count = 1,
                                .pool = o->pool,
                                .series_max = o->series_max,
                                .error_text = &a->text};
    a->err = sk_metric_query_run(&q, &a->result, &a->why);
}

static struct sk_str answer_error(const struct answer *a)
{
    return a->text.len > 0 ? sk_strbuf_view(&a->text) : sk_str_from(a->why.text);
}

static void answer_free(struct answer *a)
{
    if (a->err == SK_OK)
        sk_metric_result_deinit(&a->result);
    sk_strbuf_deinit(&a->text);
    sk_arena_deinit(&a->arena);
}

static void put_series(struct sk_strbuf *out, const struct sk_metric_series *s)
{
    sk_labels_format(out, s->labels);
    for (size_t i = 0; i < s->count; i++) {
        sk_strbuf_putc(out, ' ');
        sk_go_float_f(out, (double)s->points[i].ts_ms / 1000);
        sk_strbuf_putc(out, ':');
        sk_go_float_f(out, s->points[i].value);
    }
    sk_strbuf_putc(out, '\n');
}

static void answer_print(struct sk_strbuf *out, const struct answer *a)
{
    static const char *const kinds[] = {"scalar ", "", ""};
    if (a->err != SK_OK) {
        sk_strbuf_printf(out, "%%%%FAIL %s\n", sk_err_name(a->err));
        sk_strbuf_str(out, answer_error(a));
        if (out->len > 0 && out->ptr[out->len - 1] != '\n')
            sk_strbuf_putc(out, '\n');
        return;
    }
    for (size_t i = 0; i < a->result.count; i++) {
        sk_strbuf_puts(out, kinds[a->result.kind]);
        put_series(out, &a->result.series[i]);
    }
}

/* ---- the golden blocks ---- */

static struct sk_str take_line(struct sk_str *rest)
{
    const char *nl = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
    size_t len = nl == NULL ? rest->len : (size_t)(nl - rest->ptr);
    struct sk_str line = {rest->ptr, len};
    len += nl != NULL;
    rest->ptr += len;
    rest->len -= len;
    return line;
}

static struct sk_str take_word(struct sk_str *rest)
{
    *rest = sk_str_trim(*rest);
    size_t at = sk_str_find(*rest, SK_STR(" "), 0);
    struct sk_str word = {rest->ptr, at == SIZE_MAX ? rest->len : at};
    rest->ptr += word.len;
    rest->len -= word.len;
    return word;
}

/* Seconds, or a duration such as 1h2m or 1ms. */
static int64_t time_of(struct sk_str text)
{
    double s;
    int64_t ns;
    if (sk_go_parse_float(text, &s, NULL) == SK_OK)
        return (int64_t)llround(s * 1e9);
    if (sk_go_parse_duration(text, &ns, NULL) != SK_OK)
        fail_msg("not a time: %.*s", SK_STR_ARG(text));
    return ns;
}

static struct sk_labelset labels_of(struct sk_arena *arena, struct sk_str text)
{
    struct sk_labelset set;
    struct sk_error why;
    if (sk_labels_parse(arena, text, &set, &why) != SK_OK)
        fail_msg("%.*s: %s", SK_STR_ARG(text), why.text);
    return set;
}

struct data {
    struct data *next;
    struct sk_str name;
    struct mem_source source;
};

struct golden {
    struct data *sets;
    size_t cases, wrong;
    struct sk_workpool *pool;
};

/* `TIME line`, or `TIME [{meta}] line`, below `{labels}`; `---` begins another unit. */
static struct data *data_read(struct golden *g, struct sk_str name, struct sk_str body)
{
    struct data *d = sk_calloc(1, sizeof(*d));
    struct mem_stream *stream = NULL;
    assert_non_null(d);
    d->name = name;
    mem_source_init(&d->source);
    d->source.unit_bytes = 8u << 20; /* worth several workers */
    while (body.len > 0) {
        struct sk_str line = take_line(&body);
        struct sk_labelset meta = {NULL, 0};
        if (line.len == 0)
            continue;
        if (line.ptr[0] == '{') {
            stream = mem_stream_of(&d->source, labels_of(&d->source.arena, line));
        } else if (sk_str_is(line, "---")) {
            mem_unit_begin(&d->source, stream);
        } else {
            int64_t ts = time_of(take_word(&line));
            line.ptr += line.len > 0;
            line.len -= line.len > 0;
            size_t close = sk_str_find(line, SK_STR("]"), 0);
            if (sk_str_starts(line, SK_STR("[{")) && close != SIZE_MAX) {
                meta = labels_of(&d->source.arena, (struct sk_str){line.ptr + 1, close - 1});
                line.ptr += close + 2;
                line.len -= close + 2;
            }
            mem_entry(&d->source, stream, ts, line, meta);
        }
    }
    d->next = g->sets;
    g->sets = d;
    return d;
}

static struct data *data_find(const struct golden *g, struct sk_str name)
{
    for (struct data *d = g->sets; d != NULL; d = d->next) {
        if (sk_str_eq(d->name, name))
            return d;
    }
    fail_msg("no data called %.*s", SK_STR_ARG(name));
    return NULL;
}

/* Each point of a range answer is what the instant query at its time gives. */
static void instants_agree(struct data *d, struct sk_str query, const struct run_options *range,
                           const struct answer *want)
{
    for (int64_t t = range->start_ns; t <= range->end_ns; t += range->step_ns) {
        struct run_options at = {.start_ns = t, .end_ns = t, .series_max = range->series_max};
        struct answer got;
        size_t points = 0, expected = 0;
        answer_get(&got, &d->source, query, &at);
        if (got.err != SK_OK)
            fail_msg("%.*s at %g: %s", SK_STR_ARG(query), (double)t / 1e9, got.why.text);
        for (size_t i = 0; i < got.result.count; i++)
            points += got.result.series[i].count;
        for (size_t i = 0; i < want->result.count; i++) {
            const struct sk_metric_series *s = &want->result.series[i];
            for (size_t k = 0; k < s->count; k++) {
                bool found = false;
                if (s->points[k].ts_ms != t / SK_NS_PER_MS)
                    continue;
                expected++;
                for (size_t j = 0; j < got.result.count; j++)
                    found = found || (sk_labels_eq(got.result.series[j].labels, s->labels) &&
                                      memcmp(&got.result.series[j].points[0].value,
                                             &s->points[k].value, sizeof(double)) == 0);
                if (!found)
                    fail_msg("%.*s at %g: another value", SK_STR_ARG(query), (double)t / 1e9);
            }
        }
        if (points != expected)
            fail_msg("%.*s at %g: %zu series, %zu wanted", SK_STR_ARG(query), (double)t / 1e9,
                     points, expected);
        answer_free(&got);
    }
}

/* `range START END STEP` or `at TIME`; then `max N`, `varies`. */
static void case_run(struct golden *g, struct sk_str name, struct data *d, struct sk_str query,
                     struct sk_str when, struct sk_str want)
{
    struct run_options o = {.series_max = 500};
    struct answer a, alone;
    struct sk_strbuf got, got_alone;
    bool varies = false; /* an instant query is another query */
    if (sk_str_is(take_word(&when), "range")) {
        o.start_ns = time_of(take_word(&when));
        o.end_ns = time_of(take_word(&when));
        o.step_ns = time_of(take_word(&when));
    } else {
        o.start_ns = o.end_ns = time_of(take_word(&when));
    }
    while (when.len > 0) {
        struct sk_str word = take_word(&when);
        if (sk_str_is(word, "max"))
            o.series_max = (uint64_t)(time_of(take_word(&when)) / SK_NS_PER_S);
        varies = varies || sk_str_is(word, "varies");
    }
    sk_strbuf_init(&got, 1u << 20);
    sk_strbuf_init(&got_alone, 1u << 20);
    answer_get(&alone, &d->source, query, &o);
    answer_print(&got_alone, &alone);
    o.pool = g->pool;
    answer_get(&a, &d->source, query, &o);
    answer_print(&got, &a);
    if (a.err == SK_OK && !sk_str_eq(sk_strbuf_view(&got), sk_strbuf_view(&got_alone)))
        fail_msg("%.*s: several workers gave\n%.*sone gave\n%.*s", SK_STR_ARG(name),
                 SK_STR_ARG(sk_strbuf_view(&got)), SK_STR_ARG(sk_strbuf_view(&got_alone)));
    if (!sk_str_eq(sk_str_trim(sk_strbuf_view(&got)), sk_str_trim(want))) {
        print_error("block %.*s\n%.*s\n got\n%.*s want\n%.*s\n", SK_STR_ARG(name),
                    SK_STR_ARG(query), SK_STR_ARG(sk_strbuf_view(&got)), SK_STR_ARG(want));
        g->wrong++;
    } else if (a.err == SK_OK && o.step_ns > 0 && !varies) {
        instants_agree(d, query, &o, &a);
    }
    g->cases++;
    answer_free(&a);
    answer_free(&alone);
    sk_strbuf_deinit(&got);
    sk_strbuf_deinit(&got_alone);
}

/* A block after its `=== ` line: `data NAME` or a case. */
static void block_run(struct golden *g, struct sk_str name, struct sk_str body)
{
    static struct sk_str data_name;
    static struct sk_str when;
    if (sk_str_starts(name, SK_STR("data "))) {
        (void)data_read(g, (struct sk_str){name.ptr + 5, name.len - 5}, body);
        return;
    }
    size_t sep = sk_str_find(body, SK_STR("\n---\n"), 0);
    if (sep == SIZE_MAX)
        fail_msg("block %.*s has no ---", SK_STR_ARG(name));
    struct sk_str query = {body.ptr, sep}, want = {body.ptr + sep + 5, body.len - sep - 5};
    while (query.len > 0 && query.ptr[0] == '%') { /* %data NAME, %range ..., %at ... */
        struct sk_str line = take_line(&query);
        line.ptr++;
        line.len--;
        if (sk_str_starts(line, SK_STR("data ")))
            data_name = (struct sk_str){line.ptr + 5, line.len - 5};
        else
            when = line;
    }
    case_run(g, name, data_find(g, data_name), query, when, want);
}

static struct sk_workpool *pool_make(void)
{
    const struct sk_work_limit limits[SK_WORK_CLASSES] = {{4, 0}, {64, 0}, {4, 0}};
    struct sk_workpool *pool;
    assert_int_equal(sk_workpool_create(4, limits, &pool), SK_OK);
    return pool;
}

static void golden_free(struct golden *g)
{
    while (g->sets != NULL) {
        struct data *d = g->sets;
        g->sets = d->next;
        mem_source_deinit(&d->source);
        sk_free(d);
    }
    sk_workpool_destroy(g->pool);
}

static void golden_blocks_hold(void **state)
{
    (void)state;
    void *ptr;
    struct sk_slice all = testlib_read(testlib_path("golden/logql/metrics.lqt"), &ptr);
    struct sk_str rest = sk_str_of_slice(all);
    struct golden g = {.pool = pool_make()};
    while (rest.len > 0 && !sk_str_starts(rest, SK_STR("=== ")))
        (void)take_line(&rest);
    while (rest.len > 0) {
        struct sk_str name = take_line(&rest);
        size_t end = sk_str_find(rest, SK_STR("\n=== "), 0);
        size_t len = end == SIZE_MAX ? rest.len : end + 1;
        block_run(&g, (struct sk_str){name.ptr + 4, name.len - 4}, (struct sk_str){rest.ptr, len});
        rest.ptr += len;
        rest.len -= len;
    }
    print_message("%zu cases\n", g.cases);
    assert_int_equal(g.wrong, 0);
    assert_true(g.cases >= 250);
    golden_free(&g);
    sk_free(ptr);
}

/* ---- windows ---- */

/* Every window is its buckets, whatever step and range are. */
static void windows_hold_what_they_should(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    for (int round = 0; round < 3000; round++) {
        struct sk_windows w;
        int64_t step = 1 + (int64_t)(testlib_rand(&seed) % 20);
        int64_t range = 1 + (int64_t)(testlib_rand(&seed) % 200);
        size_t count = 1 + testlib_rand(&seed) % 9;
        int64_t first = (int64_t)(testlib_rand(&seed) % 100) - 50;
        sk_windows_init(&w, first, step, count, range);
        for (int64_t t = first - range - 5; t <= first + (int64_t)count * step + 5; t++) {
            struct sk_piece p;
            bool any = false;
            sk_windows_piece(&w, t, &p);
            assert_true(t > p.from_ns && t <= p.through_ns);
            for (size_t i = 0; i < count; i++) {
                int64_t end = first + (int64_t)i * step;
                bool inside = t > end - range && t <= end;
                bool held = p.wanted && p.bucket >= sk_window_from(&w, i) &&
                            p.bucket < sk_window_end(&w, i);
                any = any || inside;
                if (inside != held)
                    fail_msg("step %d range %d count %zu first %d t %d window %zu", (int)step,
                             (int)range, count, (int)first, (int)t, i);
            }
            assert_int_equal(any, p.wanted);
            assert_true(!p.wanted || p.bucket < w.buckets);
            assert_int_equal(any, any && t >= w.start_ns && t < w.end_ns);
        }
    }
}

/* ---- units ---- */

static const char *const unit_queries[] = {
    "count_over_time({a=~\".+\"}[10s])",
    "sum(rate({a=~\".+\"} |= \"1\" [7s]))",
    "sum by (k) (count_over_time({a=~\".+\"} | logfmt [25s]))",
    "max_over_time({a=~\".+\"} | logfmt | unwrap v [13s]) by (k)",
    "sum by (a) (sum_over_time({a=~\".+\"} | logfmt | unwrap v [30s]))",
    "quantile_over_time(0.7, {a=~\".+\"} | logfmt | unwrap v [20s]) by (a)",
    "stddev_over_time({a=~\".+\"} | logfmt | unwrap v [20s]) by (k)",
    "first_over_time({a=~\".+\"} | logfmt | unwrap v [20s]) by (k)",
    "bytes_over_time({a=~\".+\"} | m=\"x\" [11s])",
};

/* The same entries, in other units: none, some or all of them twice. */
static void entries_fill(struct mem_source *m, uint64_t seed, unsigned repeats)
{
    uint64_t how = testlib_rand(&seed);
    for (int a = 0; a < 3; a++) {
        struct sk_label label = {SK_STR("a"), {"xyz" + a, 1}};
        struct mem_stream *s = mem_stream_of(m, (struct sk_labelset){&label, 1});
        uint64_t from = testlib_rand(&seed);
        for (unsigned pass = 0; pass <= repeats; pass++) {
            uint64_t r = from;
            for (int i = 0; i < 200; i++) {
                char line[64];
                struct sk_label meta = {SK_STR("m"), SK_STR("x")};
                /* times of a stream differ, so that entries have one order in all units */
                int64_t ts = (int64_t)(i / 4) * SK_NS_PER_S + (int64_t)(i % 4);
                (void)snprintf(line, sizeof(line), "k=%u v=%u.%u i=%d",
                               (unsigned)(testlib_rand(&r) % 3), (unsigned)(testlib_rand(&r) % 90),
                               (unsigned)(testlib_rand(&r) % 10), i);
                size_t pairs = testlib_rand(&r) % 2;
                if (repeats > 0 && pass == 0 && (how >> (i / 16)) % 2 == 1)
                    mem_unit_begin(m, s);
                mem_entry(m, s, ts, sk_str_from(line), (struct sk_labelset){&meta, pairs});
            }
            mem_unit_begin(m, s);
        }
    }
}

static void units_and_workers_do_not_matter(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    struct sk_workpool *pool = pool_make();
    for (int round = 0; round < 12; round++) {
        struct mem_source one, several, twice;
        struct mem_source *all[] = {&one, &several, &twice};
        uint64_t data = testlib_rand(&seed);
        for (size_t i = 0; i < 3; i++) {
            mem_source_init(all[i]);
            all[i]->unit_bytes = 4u << 20;
            entries_fill(all[i], data, (unsigned)i);
        }
        for (size_t k = 0; k < SK_COUNT_OF(unit_queries); k++) {
            struct run_options o = {.start_ns = 0,
                                    .end_ns = 60 * SK_NS_PER_S,
                                    .step_ns =
                                        (int64_t)(1 + testlib_rand(&seed) % 20) * SK_NS_PER_S};
            struct sk_strbuf want;
            sk_strbuf_init(&want, 1u << 20);
            for (size_t i = 0; i < 6; i++) {
                struct answer a;
                struct sk_strbuf got;
                sk_strbuf_init(&got, 1u << 20);
                o.pool = i % 2 == 1 ? pool : NULL;
                answer_get(&a, all[i / 2], sk_str_from(unit_queries[k]), &o);
                answer_print(i == 0 ? &want : &got, &a);
                if (i > 0 && !sk_str_eq(sk_strbuf_view(&want), sk_strbuf_view(&got)))
                    fail_msg("%s, variant %zu\n got\n%.*s want\n%.*s", unit_queries[k], i,
                             SK_STR_ARG(sk_strbuf_view(&got)), SK_STR_ARG(sk_strbuf_view(&want)));
                answer_free(&a);
                sk_strbuf_deinit(&got);
            }
            sk_strbuf_deinit(&want);
        }
        for (size_t i = 0; i < 3; i++)
            mem_source_deinit(all[i]);
    }
    sk_workpool_destroy(pool);
}

/* ---- limits ---- */

static void memory_has_an_end(void **state)
{
    (void)state;
    struct mem_source m;
    struct sk_budget budget;
    mem_source_init(&m);
    entries_fill(&m, 1, 0);
    sk_budget_init(&budget, 64u << 10, NULL);
    struct sk_arena arena;
    struct sk_error why;
    const struct sk_ast_expr *expr;
    struct sk_metric_result result;
    struct sk_source source = mem_source_of(&m);
    sk_arena_init(&arena, 1u << 20, NULL);
    assert_int_equal(sk_logql_parse(&arena, sk_str_from(unit_queries[5]), &expr, &why), SK_OK);
    struct sk_metric_query q = {.tenant = SK_STR("t"),
                                .expr = expr,
                                .end_ns = 600 * SK_NS_PER_S,
                                .step_ns = SK_NS_PER_S / 10,
                                .sources = &source,
                                .source_count = 1,
                                .budget = &budget};
    assert_int_equal(sk_metric_query_run(&q, &result, &why), SK_ENOMEM);
    assert_int_equal(sk_budget_used(&budget), 0);
    _Atomic bool stop = true;
    q.budget = NULL;
    q.stop = &stop;
    assert_int_equal(sk_metric_query_run(&q, &result, &why), SK_ECANCELED);
    q.stop = NULL;
    q.deadline_mono_ns = 1;
    assert_int_equal(sk_metric_query_run(&q, &result, &why), SK_ETIMEDOUT);
    sk_arena_deinit(&arena);
    mem_source_deinit(&m);
}

static void steps_are_multiples(void **state)
{
    (void)state;
    int64_t start = 7, end = 67;
    assert_true(sk_metric_align(&start, &end, 15));
    assert_int_equal(start, 0);
    assert_int_equal(end, 75);
    start = end = -1;
    assert_true(sk_metric_align(&start, &end, 15));
    assert_int_equal(start, -15);
    assert_int_equal(end, 0);
    start = end = INT64_MAX;
    assert_false(sk_metric_align(&start, &end, 15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_blocks_hold),
        cmocka_unit_test(windows_hold_what_they_should),
        cmocka_unit_test(units_and_workers_do_not_matter),
        cmocka_unit_test(memory_has_an_end),
        cmocka_unit_test(steps_are_multiples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
