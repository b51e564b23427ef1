/* SPDX-License-Identifier: Apache-2.0 */
/* metric_scan.c -- reads what all leaves need, once. Leaves with the same selector and overlapping
 * spans of time form a group with one selection: a block is unpacked once and given to each.
 *
 * The work is a list of tasks, units or chains of units that overlap, in the order of the streams'
 * hashes. Workers take the next task from a counter: the caller itself, and helpers from the pool
 * as far as it has free ones. What workers have found is joined in the order of the tasks, so that
 * it does not matter who did which.
 *
 * Invariants: (1) a helper touches the scan only while it runs (helpers.h); (2) each task is taken
 * once; (3) after a failure no further task is taken. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/workpool.h"
#include "querier/helpers.h"
#include "querier/metric_extract.h"

#define HELP_WORTH_BYTES (4u << 20) /* less is done alone */
#define WORKER_ARENA_MAX ((size_t)4 << 30)
/* Units that overlap more form one task: only then can the order of equal times matter. */
#define SEAM_NS          (2 * INT64_C(1000000))

struct group {
    const struct sk_ast_matcher *list;
    struct sk_matcher *matchers;
    size_t matcher_count;
    int64_t start_ns, end_ns;
    struct sk_selection sel;
    bool selected;
    struct sk_repeats *repeats; /* per stream */
};

struct task {
    struct group *group;
    struct sk_sel_stream *stream;
    struct sk_repeats *repeats;
    struct sk_unit **units;
    size_t count;
};

struct worker {
    struct sk_metric_scan *scan;
    struct sk_arena arena;
    struct sk_unit_scan units;
    struct sk_delete_run *deletes;
    struct sk_extract *leaves; /* by number of the leaf */
    struct sk_log_stats stats;
    enum sk_err err;
    size_t err_task;
    struct sk_error error;
    bool begun;
};

struct sk_metric_scan {
    struct sk_mrun *r;
    struct sk_arena arena; /* tasks */
    const struct sk_delete_filter *deletes;
    struct group *groups;
    size_t group_count;
    struct task *tasks;
    size_t task_count, task_cap;
    uint64_t bytes; /* to be read, as far as known */
    _Atomic size_t next;
    _Atomic bool failed;
    struct worker *workers[SK_HELPERS_MAX + 1];
    size_t worker_count;
    struct sk_helpers helpers;
};

/* ---- groups and tasks ---- */

static bool matchers_eq(const struct sk_ast_matcher *a, const struct sk_ast_matcher *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->op != b->op || !sk_str_eq(a->name, b->name) || !sk_str_eq(a->value, b->value))
            return false;
    }
    return a == b;
}

static void group_join(struct sk_metric_scan *s, size_t at)
{
    struct sk_leaf *leaf = s->r->leaves[at];
    const struct sk_windows *w = &leaf->windows;
    for (size_t i = 0; i < s->group_count; i++) {
        struct group *g = &s->groups[i];
        if (!matchers_eq(g->list, leaf->range->log.matchers) || w->start_ns >= g->end_ns ||
            w->end_ns <= g->start_ns)
            continue;
        g->start_ns = w->start_ns < g->start_ns ? w->start_ns : g->start_ns;
        g->end_ns = w->end_ns > g->end_ns ? w->end_ns : g->end_ns;
        leaf->group = i;
        return;
    }
    leaf->group = s->group_count;
    s->groups[s->group_count++] = (struct group){
        .list = leaf->range->log.matchers, .start_ns = w->start_ns, .end_ns = w->end_ns};
}

static int stream_cmp(const void *a, const void *b)
{
    const struct sk_sel_stream *x = *(struct sk_sel_stream *const *)a;
    const struct sk_sel_stream *y = *(struct sk_sel_stream *const *)b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return sk_labels_cmp(x->labels, y->labels);
}

static int unit_cmp(const void *a, const void *b)
{
    return sk_unit_arrival_cmp(*(struct sk_unit *const *)a, *(struct sk_unit *const *)b);
}

static uint64_t unit_bytes(const struct sk_unit *u)
{
    return u->checksum != 0 ? (uint64_t)u->kb << 10 : u->bytes;
}

static enum sk_err task_add(struct sk_metric_scan *s, struct task t)
{
    if (!SK_GROW(s->tasks, s->task_cap, s->task_count + 1))
        return SK_ENOMEM;
    s->tasks[s->task_count++] = t;
    return SK_OK;
}

/* The units of a stream as tasks; where one begins before the others have ended goes into the spans
 * in which entries may repeat. */
static enum sk_err stream_tasks(struct sk_metric_scan *s, struct group *g,
                                struct sk_sel_stream *stream, struct sk_repeats *repeats)
{
    size_t n = 0, from = 0;
    struct sk_unit **units =
        sk_arena_calloc(&s->arena, stream->unit_count, sizeof(struct sk_unit *));
    if (units == NULL)
        return SK_ENOMEM;
    for (struct sk_unit *u = stream->units; u != NULL; u = u->next) {
        if (u->through_ns >= g->start_ns && u->from_ns < g->end_ns)
            units[n++] = u;
    }
    if (n > 1)
        qsort(units, n, sizeof(struct sk_unit *), unit_cmp);
    int64_t through = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        struct sk_unit *u = units[i];
        s->bytes += unit_bytes(u);
        if (i > 0 && u->from_ns <= through)
            sk_spans_add(&repeats->units, u->from_ns,
                         u->through_ns < through ? u->through_ns : through);
        if (i > from && (u->from_ns > through || through - u->from_ns < SEAM_NS)) {
            enum sk_err err =
                task_add(s, (struct task){g, stream, repeats, units + from, i - from});
            if (err != SK_OK)
                return err;
            from = i;
        }
        through = u->through_ns > through ? u->through_ns : through;
    }
    return n > from ? task_add(s, (struct task){g, stream, repeats, units + from, n - from})
                    : SK_OK;
}

static enum sk_err group_select(struct sk_metric_scan *s, struct group *g)
{
    const struct sk_metric_query *q = s->r->q;
    enum sk_err err = sk_query_matchers(g->list, &g->matchers, &g->matcher_count, s->r->reterr);
    if (err != SK_OK)
        return err;
    sk_selection_init(&g->sel, q->tenant, g->matchers, g->matcher_count, g->start_ns, g->end_ns,
                      q->budget);
    g->selected = true;
    err = sk_query_select(&g->sel, q->sources, q->source_count, s->r->reterr);
    if (err != SK_OK)
        return err;
    s->r->res->stats.damaged += g->sel.damaged;
    s->r->res->stats.streams += g->sel.stream_count;
    s->r->res->stats.units += g->sel.unit_count;
    if (g->sel.stream_count > 1)
        qsort(g->sel.streams, g->sel.stream_count, sizeof(struct sk_sel_stream *), stream_cmp);
    g->repeats = sk_arena_calloc(&s->arena, g->sel.stream_count, sizeof(*g->repeats));
    if (g->repeats == NULL)
        return sk_mrun_no_memory(s->r);
    for (size_t i = 0; i < g->sel.stream_count; i++) {
        g->repeats[i].budget = q->budget;
        pthread_mutex_init(&g->repeats[i].lock, NULL);
    }
    for (size_t i = 0; i < g->sel.stream_count; i++) {
        if (stream_tasks(s, g, g->sel.streams[i], &g->repeats[i]) != SK_OK)
            return sk_mrun_no_memory(s->r);
    }
    return SK_OK;
}

static void group_free(struct group *g)
{
    for (size_t i = 0; g->repeats != NULL && i < g->sel.stream_count; i++) {
        struct sk_repeats *r = &g->repeats[i];
        sk_hmap_deinit(&r->seen);
        if (r->charged_bytes > 0)
            sk_budget_release(r->budget, r->charged_bytes);
        pthread_mutex_destroy(&r->lock);
    }
    if (g->selected)
        sk_selection_deinit(&g->sel);
    if (g->matchers != NULL)
        sk_query_matchers_free(g->matchers, g->matcher_count);
}

/* ---- blocks ---- */

/* One block for one leaf. */
static enum sk_err block_extract(struct worker *w, struct sk_extract *x, const struct task *t,
                                 struct sk_unit *unit, struct sk_slice raw,
                                 const struct sk_spans *spans, size_t leaf)
{
    const struct sk_windows *win = &x->leaf->windows;
    /* entries before a chunk's own start do not exist for readers */
    int64_t start = win->start_ns > unit->from_ns ? win->start_ns : unit->from_ns;
    struct sk_unit_hits hits;
    struct sk_block_entry e;
    size_t entries = 0;
    enum sk_err err = SK_OK;
    sk_extract_block(x);
    sk_unit_hits_init(&hits, raw, w->units.reader.has_meta, x->needle);
    while (err == SK_OK && sk_unit_hits_next(&hits, &e)) {
        if (e.ts_ns < start)
            continue;
        if (e.ts_ns >= win->end_ns)
            break; /* sorted by time */
        bool check = spans->count > 0 && sk_spans_hold(spans, e.ts_ns);
        const struct sk_metric_query *q = w->scan->r->q;
        if (++entries % SK_SCAN_ENTRIES_UNASKED == 0)
            err = sk_query_interrupted(q->stop, q->deadline_mono_ns, &w->error);
        if (err != SK_OK)
            break;
        err = sk_extract_entry(x, &w->units, unit, &e, check ? t->repeats : NULL,
                               leaf * 0x9e3779b97f4a7c15u);
    }
    if (hits.it.corrupt)
        w->stats.damaged++;
    return err;
}

static bool leaf_wants(const struct sk_leaf *leaf, const struct group *groups, const struct task *t,
                       int64_t from_ns, int64_t through_ns)
{
    return &groups[leaf->group] == t->group && through_ns >= leaf->windows.start_ns &&
           from_ns < leaf->windows.end_ns;
}

static enum sk_err block_run(struct worker *w, const struct task *t, struct sk_unit *unit,
                             size_t idx, const struct sk_spans *spans)
{
    struct sk_metric_scan *s = w->scan;
    const struct sk_unit_block *b = &w->units.reader.blocks[idx];
    struct sk_slice raw = {NULL, 0};
    bool wanted = false;
    for (size_t i = 0; i < s->r->leaf_count && !wanted; i++)
        wanted = leaf_wants(s->r->leaves[i], s->groups, t, b->ts_min_ns, b->ts_max_ns);
    if (!wanted)
        return SK_OK;
    enum sk_err err = sk_query_interrupted(s->r->q->stop, s->r->q->deadline_mono_ns, &w->error);
    if (err == SK_OK)
        err = unit->ops->read(unit, &w->units.reader, idx, &raw);
    if (err == SK_ECORRUPT) {
        w->stats.damaged++;
        return SK_OK;
    }
    if (err != SK_OK)
        return err;
    w->stats.lines += b->entry_count;
    w->stats.bytes += raw.len;
    for (size_t i = 0; i < s->r->leaf_count && err == SK_OK; i++) {
        struct sk_extract *x = &w->leaves[i];
        if (leaf_wants(x->leaf, s->groups, t, b->ts_min_ns, b->ts_max_ns))
            err = block_extract(w, x, t, unit, raw, spans, i);
        if (err == SK_EINVAL)
            w->error = x->error;
    }
    return err;
}

/* Where blocks of the unit overlap. */
static void block_spans(const struct sk_unit_reader *reader, struct sk_spans *spans)
{
    int64_t through = INT64_MIN;
    for (size_t i = 0; i < reader->block_count; i++) {
        const struct sk_unit_block *b = &reader->blocks[i];
        if (i > 0 && b->ts_min_ns <= through)
            sk_spans_add(spans, b->ts_min_ns, b->ts_max_ns < through ? b->ts_max_ns : through);
        through = b->ts_max_ns > through ? b->ts_max_ns : through;
    }
}

static enum sk_err unit_run(struct worker *w, const struct task *t, struct sk_unit *unit)
{
    enum sk_delete_reach reach = sk_delete_run_unit(w->deletes, t->stream, unit);
    if (reach == SK_DELETE_ALL)
        return SK_OK;
    enum sk_err err = sk_unit_scan_open(&w->units, unit);
    struct sk_spans spans = t->repeats->units;
    if (err == SK_ECORRUPT || err == SK_ENOENT) {
        w->stats.damaged++;
        err = SK_OK;
    } else if (err == SK_OK) {
        block_spans(&w->units.reader, &spans);
        for (size_t i = 0; i < w->scan->r->leaf_count; i++) {
            sk_extract_unit(&w->leaves[i]);
            w->leaves[i].deletes = reach == SK_DELETE_SOME ? w->deletes : NULL;
        }
        for (size_t i = 0; i < w->units.reader.block_count && err == SK_OK; i++)
            err = block_run(w, t, unit, i, &spans);
    }
    sk_unit_scan_close(&w->units);
    if (err == SK_EIO && w->error.text[0] == '\0')
        return sk_error_set(&w->error, err, "a chunk could not be read: %s", sk_err_text(err));
    return err;
}

/* ---- workers ---- */

static enum sk_err task_run(struct worker *w, size_t idx)
{
    struct sk_metric_scan *s = w->scan;
    const struct task *t = &s->tasks[idx];
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < s->r->leaf_count && err == SK_OK; i++) {
        if (&s->groups[s->r->leaves[i]->group] != t->group)
            continue;
        sk_extract_stream(&w->leaves[i], t->stream);
        err = sk_acc_task(&w->leaves[i].acc, idx);
    }
    for (size_t i = 0; i < t->count && err == SK_OK; i++)
        err = unit_run(w, t, t->units[i]);
    return err;
}

static enum sk_err worker_begin(struct worker *w)
{
    struct sk_metric_scan *s = w->scan;
    struct sk_budget *budget = s->r->q->budget;
    sk_arena_init(&w->arena, WORKER_ARENA_MAX, budget);
    enum sk_err err = sk_unit_scan_init(&w->units, budget);
    w->begun = true;
    if (err == SK_OK)
        err = sk_delete_run_create(s->deletes, budget, &w->deletes);
    if (err == SK_OK) {
        w->leaves = sk_arena_calloc(&w->arena, s->r->leaf_count, sizeof(*w->leaves));
        err = w->leaves == NULL ? SK_ENOMEM : SK_OK;
    }
    for (size_t i = 0; i < s->r->leaf_count && err == SK_OK; i++)
        err = sk_extract_init(&w->leaves[i], s->r->leaves[i], &w->arena, budget);
    return err;
}

static void worker_run(struct worker *w)
{
    struct sk_metric_scan *s = w->scan;
    int64_t cpu = sk_clock_cpu_ns();
    size_t idx = 0;
    enum sk_err err = worker_begin(w);
    while (err == SK_OK && !atomic_load_explicit(&s->failed, memory_order_relaxed)) {
        idx = atomic_fetch_add(&s->next, 1);
        if (idx >= s->task_count)
            break;
        err = task_run(w, idx);
    }
    sk_delete_run_destroy(w->deletes); /* the filter goes before the worker */
    w->deletes = NULL;
    if (err != SK_OK) {
        atomic_store(&s->failed, true);
        w->err = err;
        w->err_task = idx;
    }
    w->stats.cpu_ns =
        w == s->workers[0] ? 0 : sk_clock_cpu_ns() - cpu; /* the caller counts itself */
}

static void worker_free(struct worker *w, size_t leaf_count)
{
    if (w == NULL)
        return;
    if (w->begun) {
        for (size_t i = 0; w->leaves != NULL && i < leaf_count; i++)
            sk_extract_deinit(&w->leaves[i]);
        sk_unit_scan_deinit(&w->units);
        sk_arena_deinit(&w->arena);
    }
    sk_free(w);
}

/* ---- helpers ---- */

static void helper_run(void *ctx)
{
    worker_run(ctx);
}

static bool helper_start(struct sk_metric_scan *s)
{
    struct worker *w = sk_calloc(1, sizeof(*w));
    if (w == NULL)
        return false;
    w->scan = s;
    if (!sk_helpers_start(&s->helpers, s->r->q->pool, helper_run, w)) {
        sk_free(w);
        return false;
    }
    s->workers[s->worker_count++] = w;
    return true;
}

static enum sk_err workers_run(struct sk_metric_scan *s)
{
    struct sk_workpool *pool = s->r->q->pool;
    struct worker *own = sk_calloc(1, sizeof(*own));
    if (own == NULL)
        return sk_mrun_no_memory(s->r);
    own->scan = s;
    s->workers[s->worker_count++] = own;
    size_t help = pool == NULL || s->bytes < HELP_WORTH_BYTES ? 0 : sk_workpool_threads(pool) - 1;
    help = help > SK_HELPERS_MAX ? SK_HELPERS_MAX : help;
    for (size_t i = 0; i < help && i + 1 < s->task_count; i++) {
        if (!helper_start(s))
            break; /* nobody has time */
    }
    worker_run(own);
    sk_helpers_end(&s->helpers);
    return SK_OK;
}

/* ---- the result ---- */

static void stats_add(struct sk_log_stats *to, const struct worker *w, size_t leaf_count)
{
    const struct sk_log_stats *from = &w->stats;
    const struct sk_unit_reader *reader = &w->units.reader;
    to->lines += from->lines;
    to->bytes += from->bytes;
    to->damaged += from->damaged;
    to->cpu_ns += from->cpu_ns;
    to->packed_bytes += reader->packed_bytes;
    to->raw_bytes += reader->raw_bytes;
    to->chunks += reader->chunks_opened;
    for (size_t i = 0; w->leaves != NULL && i < leaf_count; i++)
        to->hit_lines += w->leaves[i].kept;
}

static enum sk_err failure(struct sk_metric_scan *s)
{
    const struct worker *first = NULL;
    for (size_t i = 0; i < s->worker_count; i++) {
        const struct worker *w = s->workers[i];
        if (w->err != SK_OK && (first == NULL || w->err_task < first->err_task))
            first = w;
    }
    if (first == NULL)
        return SK_OK;
    if (first->err == SK_ENOMEM)
        return sk_mrun_no_memory(s->r);
    if (first->err == SK_ELIMIT)
        return sk_mrun_too_many_series(s->r);
    for (size_t i = 0; first->leaves != NULL && i < s->r->leaf_count; i++) {
        const struct sk_extract *x = &first->leaves[i];
        if (first->err == SK_EINVAL && x->error_text.len > 0 && !x->error_text.failed)
            return sk_mrun_error(s->r, first->err, &x->error_text);
    }
    return sk_error_set(s->r->reterr, first->err, "%s",
                        first->error.text[0] != '\0' ? first->error.text : sk_err_text(first->err));
}

static enum sk_err join(struct sk_metric_scan *s)
{
    struct sk_acc *accs[SK_HELPERS_MAX + 1];
    for (size_t i = 0; i < s->r->leaf_count; i++) {
        size_t n = 0;
        for (size_t k = 0; k < s->worker_count; k++) {
            if (s->workers[k]->leaves != NULL)
                accs[n++] = &s->workers[k]->leaves[i].acc;
        }
        enum sk_err err = sk_acc_join(s->r->leaves[i], accs, n, &s->r->rows);
        if (err == SK_ELIMIT)
            return sk_mrun_too_many_series(s->r);
        if (err != SK_OK)
            return sk_mrun_no_memory(s->r);
    }
    return SK_OK;
}

/* The delete requests that reach into what any group reads. */
static enum sk_err deletes_compile(struct sk_metric_scan *s)
{
    const struct sk_metric_query *q = s->r->q;
    int64_t start_ns = INT64_MAX, end_ns = INT64_MIN;
    for (size_t i = 0; i < s->group_count; i++) {
        const struct group *g = &s->groups[i];
        start_ns = g->start_ns < start_ns ? g->start_ns : start_ns;
        end_ns = g->end_ns > end_ns ? g->end_ns : end_ns;
    }
    return sk_delete_filter_create(&s->arena, q->deletes, q->delete_count, start_ns, end_ns,
                                   &s->deletes, s->r->reterr);
}

static enum sk_err scan_run(struct sk_metric_scan *s)
{
    struct sk_mrun *r = s->r;
    enum sk_err err = SK_OK;
    s->groups = sk_arena_calloc(&s->arena, r->leaf_count, sizeof(*s->groups));
    if (s->groups == NULL)
        return sk_mrun_no_memory(r);
    for (size_t i = 0; i < r->leaf_count; i++)
        group_join(s, i);
    err = deletes_compile(s);
    for (size_t i = 0; i < s->group_count && err == SK_OK; i++)
        err = group_select(s, &s->groups[i]);
    if (err == SK_OK)
        err = workers_run(s);
    for (size_t i = 0; i < s->worker_count; i++)
        stats_add(&r->res->stats, s->workers[i], r->leaf_count);
    if (err == SK_OK)
        err = failure(s);
    return err == SK_OK ? join(s) : err;
}

/* What only reading needed. */
static void scan_shrink(struct sk_metric_scan *s)
{
    for (size_t i = 0; i < s->group_count; i++)
        group_free(&s->groups[i]);
    s->group_count = 0;
    sk_free(s->tasks);
    s->tasks = NULL;
    sk_arena_deinit(&s->arena);
}

enum sk_err sk_metric_scan(struct sk_mrun *r)
{
    if (r->leaf_count == 0)
        return SK_OK;
    struct sk_metric_scan *s = sk_calloc(1, sizeof(*s));
    if (s == NULL)
        return sk_mrun_no_memory(r);
    s->r = r;
    r->scan = s;
    sk_arena_init(&s->arena, WORKER_ARENA_MAX, r->q->budget);
    sk_helpers_init(&s->helpers);
    enum sk_err err = scan_run(s);
    scan_shrink(s);
    return err;
}

void sk_metric_scan_free(struct sk_mrun *r)
{
    struct sk_metric_scan *s = r->scan;
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->worker_count; i++)
        worker_free(s->workers[i], r->leaf_count);
    sk_helpers_deinit(&s->helpers);
    sk_free(s);
    r->scan = NULL;
}
