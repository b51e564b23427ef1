/* SPDX-License-Identifier: Apache-2.0 */
/* slow_check.c -- see slow_check.h.
 *
 * Log queries: with a limit beyond all entries the answers are the same entries; with a small one
 * the engine's are among them, as many, in order, of the same times. Metric queries: at each step
 * of a range, and at one of them as an instant, the same series with the same values but for last
 * digits. */
#include "lib/slow_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/budget.h"
#include "lib/query_gen.h"
#include "logql/parse.h"
#include "querier/metric_query.h"

enum { STEPS = 6 };

struct check {
    struct sk_arena arena;
    struct mem_source source;
    struct sk_strbuf query;
    const struct sk_ast_expr *expr;
    struct sk_budget budget;
    struct slow slow;
    size_t size;
};

static void set_show(struct sk_labelset set)
{
    struct sk_strbuf b;
    sk_strbuf_init(&b, 1u << 20);
    sk_labels_format(&b, set);
    (void)fprintf(stderr, "%.*s", SK_STR_ARG(sk_strbuf_view(&b)));
    sk_strbuf_deinit(&b);
}

static void source_show(const struct check *c)
{
    for (const struct mem_stream *s = c->source.streams; s != NULL; s = s->next) {
        set_show(s->labels);
        (void)fprintf(stderr, "\n");
        for (const struct mem_unit *u = s->units; u != NULL; u = u->next) {
            struct sk_block_iter it;
            struct sk_block_entry e;
            sk_block_iter_init(&it, (struct sk_slice){(const uint8_t *)u->raw.ptr, u->raw.len},
                               true);
            (void)fprintf(stderr, " unit\n");
            while (sk_block_next(&it, &e))
                (void)fprintf(stderr, "  %.3f %.*s%s\n", (double)e.ts_ns / 1e9, SK_STR_ARG(e.line),
                              e.meta.len > 1 ? " +m" : "");
        }
    }
}

static void differ(struct check *c, const char *what, int64_t at_ns)
{
    (void)fprintf(stderr, "%s\nquery %.*s\nat %.9f\n", what, SK_STR_ARG(sk_strbuf_view(&c->query)),
                  (double)at_ns / 1e9);
    source_show(c);
    abort();
}

static void slow_begin(struct check *c)
{
    c->slow = (struct slow){.arena = &c->arena, .source = &c->source};
}

/* ---- log queries ---- */

static struct sk_labelset without_details(struct check *c, struct sk_labelset set)
{
    struct sk_label *items = slow_alloc(&c->slow, set.count, sizeof(*items));
    size_t n = 0;
    for (size_t i = 0; i < set.count; i++) {
        if (!sk_str_is(set.items[i].name, "__error_details__"))
            items[n++] = set.items[i];
    }
    return (struct sk_labelset){items, n};
}

/* Two entries that show nothing but the same are one. */
static struct slow_entries shown_once(struct check *c, struct slow_entries in)
{
    struct slow_entries out = {slow_alloc(&c->slow, in.count, sizeof(*out.items)), 0};
    for (size_t i = 0; i < in.count; i++) {
        bool seen = false;
        for (size_t k = 0; k < out.count && !seen; k++) {
            const struct slow_entry *a = &in.items[i], *b = &out.items[k];
            seen = a->ts_ns == b->ts_ns && sk_str_eq(a->line, b->line) &&
                   sk_labels_eq(a->stream, b->stream) &&
                   sk_labels_eq((struct sk_labelset){a->items, a->count},
                                (struct sk_labelset){b->items, b->count});
        }
        if (!seen)
            out.items[out.count++] = in.items[i];
    }
    return out;
}

static bool entry_among(struct check *c, struct slow_entries want, const struct sk_result_entry *e)
{
    struct sk_labelset all = without_details(c, e->labels->all);
    for (size_t i = 0; i < want.count; i++) {
        const struct slow_entry *w = &want.items[i];
        if (w->ts_ns == e->ts_ns && sk_str_eq(w->line, e->line) &&
            sk_labels_eq((struct sk_labelset){w->items, w->count}, all))
            return true;
    }
    return false;
}

static void entries_show(struct slow_entries want, const struct sk_log_result *got)
{
    for (size_t i = 0; i < want.count; i++) {
        (void)fprintf(stderr, "want %.3f ", (double)want.items[i].ts_ns / 1e9);
        set_show((struct sk_labelset){want.items[i].items, want.items[i].count});
        (void)fprintf(stderr, " %.*s\n", SK_STR_ARG(want.items[i].line));
    }
    for (size_t i = 0; i < got->count; i++) {
        (void)fprintf(stderr, "got  %.3f ", (double)got->entries[i].ts_ns / 1e9);
        set_show(got->entries[i].labels->all);
        (void)fprintf(stderr, " %.*s\n", SK_STR_ARG(got->entries[i].line));
    }
}

/* `want` is in order of time. */
static void log_run(struct check *c, struct slow_entries want, uint64_t limit, bool forward)
{
    struct sk_source source = mem_source_of(&c->source);
    struct sk_log_result result;
    struct sk_error why = {.text = ""};
    struct sk_log_query q = {.tenant = SK_STR("t"),
                             .log = &c->expr->u.log,
                             .start_ns = 0,
                             .end_ns = GEN_END_NS,
                             .limit = limit,
                             .forward = forward,
                             .sources = &source,
                             .source_count = 1,
                             .budget = &c->budget};
    if (sk_log_query_run(&q, &result, &why) != SK_OK)
        differ(c, why.text, 0);
    size_t n = want.count < limit ? want.count : limit;
    if (result.count != n) {
        entries_show(want, &result);
        differ(c, "another number of entries", 0);
    }
    for (size_t i = 0; i < n; i++) {
        const struct sk_result_entry *e = &result.entries[i];
        if (e->ts_ns != want.items[forward ? i : want.count - 1 - i].ts_ns) {
            entries_show(want, &result);
            differ(c, "another time", e->ts_ns);
        }
        if (!entry_among(c, want, e)) {
            entries_show(want, &result);
            differ(c, "an entry that should not be", e->ts_ns);
        }
        for (size_t k = 0; k < i; k++) {
            const struct sk_result_entry *o = &result.entries[k];
            if (o->ts_ns == e->ts_ns && o->labels == e->labels && o->hash == e->hash &&
                sk_str_eq(o->line, e->line))
                differ(c, "an entry is given twice", e->ts_ns);
        }
    }
    sk_log_result_deinit(&result);
}

static void log_check(struct check *c, uint64_t limit)
{
    slow_begin(c);
    struct slow_entries want = slow_log(&c->slow, &c->expr->u.log);
    if (c->slow.verdict != SLOW_OK)
        return;
    want = shown_once(c, want);
    c->size = want.count;
    for (int i = 0; i < 4; i++)
        log_run(c, want, i < 2 ? 1000 : limit, i % 2 == 0);
}

/* ---- metric queries ---- */

static bool near(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b))
        return a == b;
    return fabs(a - b) <= 1e-6 + 1e-9 * fmax(fabs(a), fabs(b));
}

static enum sk_err metric_run(struct check *c, int64_t start_ns, int64_t end_ns, int64_t step_ns,
                              struct sk_metric_result *ret, struct sk_error *why)
{
    struct sk_source source = mem_source_of(&c->source);
    struct sk_metric_query q = {.tenant = SK_STR("t"),
                                .expr = c->expr,
                                .start_ns = start_ns,
                                .end_ns = end_ns,
                                .step_ns = step_ns,
                                .sources = &source,
                                .source_count = 1,
                                .budget = &c->budget};
    why->text[0] = '\0';
    return sk_metric_query_run(&q, ret, why);
}

static const struct sk_metric_point *point_at(const struct sk_metric_series *s, int64_t ts_ms)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->points[i].ts_ms == ts_ms)
            return &s->points[i];
    }
    return NULL;
}

static void vector_show(const struct slow_vector *v)
{
    for (size_t i = 0; i < v->count; i++) {
        (void)fprintf(stderr, "want ");
        set_show(v->items[i].labels);
        (void)fprintf(stderr, " %.17g\n", v->items[i].value);
    }
}

static void points_check(struct check *c, const struct sk_metric_result *got,
                         const struct slow_vector *want, int64_t at_ns)
{
    size_t points = 0;
    bool same = true;
    for (size_t i = 0; i < got->count; i++) {
        const struct sk_metric_point *p = point_at(&got->series[i], at_ns / 1000000);
        bool found = p == NULL;
        points += p != NULL;
        for (size_t k = 0; k < want->count && !found; k++)
            found = sk_labels_eq(want->items[k].labels, got->series[i].labels) &&
                    near(want->items[k].value, p->value);
        same = same && found;
    }
    if (same && points == want->count)
        return;
    vector_show(want);
    for (size_t i = 0; i < got->count; i++) {
        const struct sk_metric_point *p = point_at(&got->series[i], at_ns / 1000000);
        if (p == NULL)
            continue;
        (void)fprintf(stderr, "got  ");
        set_show(got->series[i].labels);
        (void)fprintf(stderr, " %.17g\n", p->value);
    }
    differ(c, "another vector", at_ns);
}

/* Parsers stop early, so the engine may not meet the error that the slow way fails on, which then
 * has no answer to compare. It fails on no other. */
static void metric_check(struct check *c, int64_t step_ns, unsigned instant)
{
    struct slow_vector want[STEPS];
    struct sk_metric_result got;
    struct sk_error why;
    slow_begin(c);
    for (size_t i = 0; i < STEPS; i++)
        want[i] = slow_metric(&c->slow, c->expr, (int64_t)i * step_ns);
    if (c->slow.verdict == SLOW_UNSURE)
        return;
    enum sk_err err = metric_run(c, 0, (STEPS - 1) * step_ns, step_ns, &got, &why);
    if (err != SK_OK && c->slow.verdict == SLOW_OK)
        differ(c, why.text, 0);
    if (err == SK_OK) {
        for (size_t i = 0; i < STEPS && c->slow.verdict == SLOW_OK; i++) {
            points_check(c, &got, &want[i], (int64_t)i * step_ns);
            c->size += want[i].count;
        }
        sk_metric_result_deinit(&got);
    }
    int64_t at = (int64_t)instant * step_ns;
    if (c->slow.verdict != SLOW_OK)
        return;
    if (metric_run(c, at, at, 0, &got, &why) != SK_OK)
        differ(c, why.text, at);
    if (got.kind != SK_VALUE_SCALAR)
        points_check(c, &got, &want[instant], at);
    sk_metric_result_deinit(&got);
}

/* ---- a case ---- */

enum slow_verdict slow_check(const uint8_t *data, size_t len, size_t *ret_size)
{
    static const int64_t steps[] = {1000000000, 10000000000, 500000000, 7000000000};
    struct check c = {.size = 0};
    struct gen g = {.ptr = data, .len = len};
    struct sk_error why;
    const struct sk_ast_expr *written;
    sk_arena_init(&c.arena, (size_t)1 << 30, NULL);
    sk_budget_init(&c.budget, 64u << 20, NULL);
    mem_source_init(&c.source);
    sk_strbuf_init(&c.query, 1u << 16);
    g.json = gen_pick(&g, 2) == 1;
    bool log = gen_pick(&g, 3) == 0;
    unsigned limit = 1 + gen_pick(&g, 16), step = gen_pick(&g, 4), instant = gen_pick(&g, STEPS);
    if (log)
        gen_log_query(&g, &c.query);
    else
        gen_metric_query(&g, &c.query);
    gen_entries(&g, &c.source);
    enum slow_verdict v = SLOW_UNSURE;
    if (sk_logql_parse(&c.arena, sk_strbuf_view(&c.query), &written, &why) == SK_OK &&
        sk_logql_reparse(&c.arena, written, &c.expr, &why) == SK_OK) {
        if (log)
            log_check(&c, limit);
        else
            metric_check(&c, steps[step], instant);
        v = c.slow.verdict;
    }
    sk_assert(sk_budget_used(&c.budget) == 0);
    *ret_size = c.size;
    sk_strbuf_deinit(&c.query);
    mem_source_deinit(&c.source);
    sk_arena_deinit(&c.arena);
    return v;
}
