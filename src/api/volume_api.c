/* SPDX-License-Identifier: Apache-2.0 */
/* volume_api.c -- index/volume and index/volume_range: bytes per group of streams, from the sizes
 * of chunks alone. A chunk that lies partly in the span, or in several buckets, counts by the part
 * of its time, as if its lines were spread evenly. */
#include <math.h>
#include <stdlib.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/gotext.h"
#include "logql/parse.h"
#include "querier/series_query.h"

enum { LIMIT_DEFAULT = 100 };
#define RESULT_BYTES_MAX ((size_t)1 << 30)

struct volume {
    struct call *call;
    bool ranged; /* volume_range */
    struct time_range range;
    int64_t step_ns; /* of volume_range */
    size_t bucket_count;
    uint64_t limit;
    bool by_label; /* aggregateBy=labels: each name by itself */
    const struct sk_ast_matcher *matchers;
    struct sk_str *targets; /* names to group by; none: all labels */
    size_t target_count;
    bool targets_given; /* then a stream must have them all */
    struct sk_metric_result result;
    struct sk_hmap map; /* of struct group */
    struct group **groups;
    size_t group_count, group_cap;
};

struct group {
    struct sk_labelset labels;
    struct sk_str printed;
    double total;
    double *bytes;  /* per bucket */
    uint8_t *given; /* per bucket: among the first `limit` */
};

/* ---- parameters ---- */

static enum sk_err targets_parse(struct volume *v, struct sk_str text, struct sk_error *reterr)
{
    struct sk_arena *arena = &v->call->req->arena;
    size_t room = text.len + 1;
    for (const struct sk_ast_matcher *m = v->matchers; m != NULL; m = m->next)
        room++;
    v->targets = sk_arena_calloc(arena, room, sizeof(*v->targets));
    if (v->targets == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
    v->targets_given = text.len > 0;
    for (size_t at = 0; v->targets_given && at <= text.len;) {
        size_t comma = sk_str_find(text, SK_STR(","), at);
        size_t end = comma == SIZE_MAX ? text.len : comma;
        v->targets[v->target_count++] = (struct sk_str){text.ptr + at, end - at};
        at = end + 1;
    }
    for (const struct sk_ast_matcher *m = v->matchers; m != NULL && !v->targets_given; m = m->next)
        v->targets[v->target_count++] = m->name;
    return SK_OK;
}

static enum sk_err params_parse(struct volume *v, struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(v->call);
    struct sk_str by = param_get(v->call, "aggregateBy"), limit = param_get(v->call, "limit");
    enum sk_err err = param_range(v->call, &v->range, reterr);
    if (err == SK_OK && v->range.end_ns < v->range.start_ns)
        err = sk_error_set(reterr, SK_EINVAL,
                           "end timestamp must not be before or equal to start time");
    v->limit = LIMIT_DEFAULT;
    if (err == SK_OK && !sk_str_is(limit, "0"))
        err = param_limit(v->call, "limit", LIMIT_DEFAULT, &v->limit, reterr);
    if (lim->volume_max_series > 0 && v->limit > lim->volume_max_series)
        v->limit = lim->volume_max_series;
    if (err == SK_OK && v->ranged)
        err = param_step(v->call, v->range, &v->step_ns, reterr);
    v->by_label = sk_str_is(by, "labels");
    if (err == SK_OK && by.len > 0 && !v->by_label && !sk_str_is(by, "series"))
        err = sk_error_set(reterr, SK_EINVAL, "invalid aggregation option");
    if (err == SK_OK)
        err = sk_logql_parse_selector(&v->call->req->arena, param_get(v->call, "query"), true,
                                      &v->matchers, reterr);
    if (err == SK_OK)
        err = targets_parse(v, param_get(v->call, "targetLabels"), reterr);
    return err;
}

/* ---- buckets: their borders are multiples of the step ---- */

static int64_t bucket_end(const struct volume *v, size_t idx)
{
    int64_t step = v->step_ns, start = v->range.start_ns;
    if (!v->ranged || idx + 1 == v->bucket_count)
        return v->range.end_ns;
    int64_t floor = start / step - (start % step < 0), at;
    if (__builtin_mul_overflow(floor + 1 + (int64_t)idx, step, &at) || at > v->range.end_ns)
        return v->range.end_ns;
    return at;
}

static void buckets_count(struct volume *v)
{
    v->bucket_count = 1;
    if (!v->ranged)
        return;
    v->bucket_count = SIZE_MAX; /* no end is the last one yet */
    size_t n = 0;
    while (n <= PARAM_STEPS_MAX && bucket_end(v, n) < v->range.end_ns)
        n++;
    v->bucket_count = n + 1;
}

/* Where Loki stops to count in a bucket that another follows: its last millisecond, cut to seconds.
 * So it misses up to a second of each. */
static int64_t counted_end(int64_t end_ns, bool last)
{
    int64_t ms = end_ns - SK_NS_PER_MS;
    return last ? end_ns : ms - ((ms % SK_NS_PER_S) + SK_NS_PER_S) % SK_NS_PER_S;
}

/* The part of the unit between the two times. */
static double part(const struct sk_unit *u, int64_t start_ns, int64_t end_ns, bool last)
{
    int64_t from = u->from_ns > start_ns ? u->from_ns : start_ns;
    int64_t counted = counted_end(end_ns, last);
    int64_t through = u->through_ns < counted ? u->through_ns : counted;
    if (u->from_ns >= start_ns && (u->through_ns < end_ns || (last && u->through_ns == end_ns)))
        return 1;
    if (through < from)
        return 0;
    return (double)(through - from) / (double)(u->through_ns - u->from_ns);
}

/* ---- groups ---- */

static struct group *group_of(struct volume *v, struct sk_labelset labels)
{
    struct sk_arena *arena = &v->result.arena;
    struct sk_strbuf text;
    uint64_t hash = sk_labels_fingerprint(labels);
    for (size_t at = sk_hmap_first(&v->map, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&v->map, hash, at)) {
        struct group *have = v->map.slots[at].value;
        if (sk_labels_eq(have->labels, labels))
            return have;
    }
    struct group *g = sk_arena_calloc(arena, 1, sizeof(*g));
    if (g == NULL || !SK_GROW(v->groups, v->group_cap, v->group_count + 1))
        return NULL;
    sk_strbuf_init(&text, 16u << 20);
    sk_labels_format(&text, labels);
    g->printed = sk_arena_str(arena, sk_strbuf_view(&text));
    sk_strbuf_deinit(&text);
    g->bytes = sk_arena_calloc(arena, v->bucket_count, sizeof(*g->bytes));
    g->given = sk_arena_calloc(arena, v->bucket_count, sizeof(*g->given));
    if (g->printed.ptr == NULL || g->bytes == NULL || g->given == NULL ||
        sk_labels_copy(arena, labels, &g->labels) != SK_OK || !sk_hmap_add(&v->map, hash, g))
        return NULL;
    v->groups[v->group_count++] = g;
    return g;
}

static void group_add(const struct volume *v, struct group *g, const struct sk_sel_stream *s)
{
    for (const struct sk_unit *u = s->units; u != NULL; u = u->next) {
        double size = u->checksum != 0 ? (double)u->kb * 1024 : (double)u->bytes;
        int64_t start = v->range.start_ns;
        for (size_t i = 0; i < v->bucket_count && start <= u->through_ns; i++) {
            int64_t end = bucket_end(v, i);
            double bytes = floor(size * part(u, start, end, i + 1 == v->bucket_count));
            g->bytes[i] += bytes;
            g->total += bytes;
            start = end;
        }
    }
}

static bool is_target(const struct volume *v, struct sk_str name)
{
    for (size_t i = 0; i < v->target_count; i++) {
        if (sk_str_eq(v->targets[i], name))
            return true;
    }
    return false;
}

static bool has_targets(const struct volume *v, struct sk_labelset labels)
{
    for (size_t i = 0; i < v->target_count && v->targets_given; i++) {
        if (sk_labels_find(labels, v->targets[i]) == SIZE_MAX)
            return false;
    }
    return true;
}

/* false: out of memory. */
static bool stream_add(struct volume *v, const struct sk_sel_stream *s, struct sk_label *room)
{
    size_t n = 0;
    struct group *g;
    if (!has_targets(v, s->labels))
        return true;
    for (size_t i = 0; i < s->labels.count; i++) {
        struct sk_label l = s->labels.items[i];
        if (!v->by_label && (v->target_count == 0 || is_target(v, l.name)))
            room[n++] = l;
        if (!v->by_label || (v->targets_given && !is_target(v, l.name)))
            continue;
        struct sk_label alone = {l.name, SK_STR("")};
        g = group_of(v, (struct sk_labelset){&alone, 1});
        if (g == NULL)
            return false;
        group_add(v, g, s);
    }
    if (n == 0)
        return true;
    g = group_of(v, (struct sk_labelset){room, n});
    if (g != NULL)
        group_add(v, g, s);
    return g != NULL;
}

static enum sk_err streams_add(struct volume *v, const struct sk_selection *sel)
{
    size_t most = 0;
    for (size_t i = 0; i < sel->stream_count; i++)
        most = sel->streams[i]->labels.count > most ? sel->streams[i]->labels.count : most;
    struct sk_label *room = sk_arena_calloc(&v->result.arena, most + 1, sizeof(*room));
    for (size_t i = 0; room != NULL && i < sel->stream_count; i++) {
        if (!stream_add(v, sel->streams[i], room))
            room = NULL;
    }
    return room == NULL ? SK_ENOMEM : SK_OK;
}

/* ---- the answer ---- */

static int name_cmp(const struct group *x, const struct group *y)
{
    return sk_str_cmp(x->printed, y->printed);
}

static int total_cmp(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    return name_cmp(x, y);
}

static int bucket_cmp(const void *a, const void *b, void *ctx)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    size_t bucket = *(const size_t *)ctx;
    if (x->bytes[bucket] != y->bytes[bucket])
        return x->bytes[bucket] > y->bytes[bucket] ? -1 : 1;
    return name_cmp(x, y);
}

/* The largest `limit` groups of each bucket are given. */
static void buckets_limit(struct volume *v, struct group **order)
{
    memcpy(order, v->groups, v->group_count * sizeof(struct group *));
    for (size_t b = 0; b < v->bucket_count && !atomic_load(&v->call->stop); b++) {
        if (v->group_count > v->limit)
            qsort_r(order, v->group_count, sizeof(struct group *), bucket_cmp, &b);
        for (size_t i = 0; i < v->group_count && i < v->limit; i++)
            order[i]->given[b] = order[i]->bytes[b] >= 1;
    }
}

static enum sk_err series_make(struct volume *v, const struct group *g)
{
    struct sk_metric_series *s = &v->result.series[v->result.count];
    size_t n = 0;
    for (size_t b = 0; b < v->bucket_count; b++)
        n += g->given[b];
    if (n == 0)
        return SK_OK;
    *s = (struct sk_metric_series){.labels = g->labels};
    s->points = sk_arena_calloc(&v->result.arena, n, sizeof(*s->points));
    if (s->points == NULL)
        return SK_ENOMEM;
    for (size_t b = 0; b < v->bucket_count; b++) {
        int64_t ms = bucket_end(v, b) / SK_NS_PER_MS - (b + 1 < v->bucket_count);
        if (g->given[b])
            s->points[s->count++] = (struct sk_metric_point){ms, (double)(uint64_t)g->bytes[b]};
    }
    if (n > 1)
        v->result.kind = SK_VALUE_MATRIX;
    v->result.count++;
    return SK_OK;
}

static enum sk_err result_make(struct volume *v)
{
    struct sk_arena *arena = &v->result.arena;
    struct group **order = sk_arena_calloc(arena, v->group_count + 1, sizeof(struct group *));
    v->result.kind = SK_VALUE_VECTOR;
    v->result.series = sk_arena_calloc(arena, v->group_count + 1, sizeof(*v->result.series));
    if (order == NULL || v->result.series == NULL)
        return SK_ENOMEM;
    if (v->group_count > 1)
        qsort(v->groups, v->group_count, sizeof(struct group *), total_cmp);
    if (v->group_count > 0)
        buckets_limit(v, order);
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < v->group_count && err == SK_OK; i++)
        err = series_make(v, v->groups[i]);
    return err;
}

static enum sk_err volume_run(struct volume *v, struct sk_error *reterr)
{
    struct sk_selection sel = {0};
    bool empty = false;
    enum sk_err err = params_parse(v, reterr);
    if (err == SK_OK)
        err = range_limits(v->call, &v->range, &empty, reterr);
    if (err != SK_OK)
        return err;
    buckets_count(v);
    if (!empty) {
        struct sk_series_query q = series_query(v->call, v->range, v->matchers);
        q.with_units = true;
        err = sk_series_query_run(&q, &sel, reterr);
    }
    if (err != SK_OK)
        return err;
    err = streams_add(v, &sel);
    if (err == SK_OK)
        err = result_make(v);
    sk_selection_deinit(&sel);
    return err == SK_OK ? SK_OK : sk_error_set(reterr, err, "not enough memory for this query");
}

static void volume_work_as(struct call *call, bool ranged)
{
    struct sk_error detail = {.text = ""};
    struct volume v = {.call = call, .ranged = ranged};
    if (!call_limits(call)->volume_enabled) {
        answer_text(call, 404, "not found", true);
        call_finish(call);
        return;
    }
    sk_arena_init(&v.result.arena, RESULT_BYTES_MAX, call->api->opt.query_budget);
    enum sk_err err = volume_run(&v, &detail);
    if (err == SK_OK && !answer_metric(call, &v.result))
        err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    sk_hmap_deinit(&v.map);
    sk_free(v.groups);
    if (err == SK_OK)
        return;
    sk_metric_result_deinit(&v.result);
    answer_error(call, err, detail.text);
    call_finish(call);
}

void volume_work(struct call *call)
{
    volume_work_as(call, false);
}

void volume_range_work(struct call *call)
{
    volume_work_as(call, true);
}
