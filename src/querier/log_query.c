/* SPDX-License-Identifier: Apache-2.0 */
/* log_query.c -- see log_query.h.
 *
 * Units of all streams are sorted by time, and reading stops when the kept entries are complete and
 * no unit left can hold a better one. A block is searched as a whole for the pipeline's needle;
 * only entries that hold it are decoded further. Candidates of a block are then visited from its
 * better end, so that a full result ends the block early.
 *
 * A query that has read much gets helpers (helpers.h), each with a topk of its own; they take units
 * in the order in which one alone would. Units of a stream that overlap in time form a chain, which
 * is read by one worker, so that it meets all repeats of an entry; what the others have found then
 * cannot repeat it, and the best of all is what one alone would find. Workers tell each other the
 * worst time that still matters. */
#include "querier/log_query.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/workpool.h"
#include "logql/pipeline.h"
#include "querier/delete_filter.h"
#include "querier/helpers.h"
#include "querier/topk.h"
#include "querier/unit_scan.h"

#define RESULT_ARENA_BYTES_MAX (1u << 30)
#define HELP_WORTH_BYTES       (4u << 20) /* less is done alone */

struct unit_ref {
    struct sk_sel_stream *stream;
    struct sk_unit *unit;
    uint64_t order; /* of the unit within its stream */
    size_t chain;
    struct unit_ref *next; /* left to its worker */
};

/* What the workers of a query share. */
struct crew {
    struct sk_helpers helpers;
    pthread_mutex_t lock;
    size_t next;        /* unit; under the lock, as are the next two */
    struct run **chain; /* who reads it; NULL: nobody yet */
    size_t chain_count;
    _Atomic int64_t bound_ns; /* entries that are worse cannot be in the answer */
    _Atomic bool failed;
    struct run *list[SK_HELPERS_MAX];
    size_t count;
};

struct candidate {
    struct sk_block_entry entry;
    uint64_t seq;
    bool hit; /* the needle is in the line */
};

struct run {
    const struct sk_log_query *q;
    struct sk_log_result *res;
    struct sk_arena arena; /* the pipeline */
    const struct sk_pipeline *pipeline;
    struct sk_pipeline_run *pipe;
    const struct sk_delete_filter *deletes;
    struct sk_delete_run *delete_run;
    enum sk_delete_reach reach; /* of the deletes into the present unit */
    struct sk_selection sel;
    struct sk_unit_scan scan;
    struct sk_topk top;
    struct unit_ref *units;
    struct candidate *cands;
    size_t cand_cap;
    struct sk_sel_stream *stream_now;
    int64_t start_ns, end_ns; /* of the present split */
    struct sk_error *reterr;
    struct crew *crew;
    struct unit_ref *left, *left_last; /* units of its chains that others came by */
    /* of a helper, which shares `pipeline`, `units` and reads `sel` of the caller's */
    const struct run *caller;
    struct sk_log_result own;
    struct sk_error why;
    enum sk_err err;
    bool begun;
};

/* No entry of this time can get into the answer. */
static bool hopeless(const struct run *r, int64_t ts_ns)
{
    int64_t bound = atomic_load_explicit(&r->crew->bound_ns, memory_order_relaxed);
    return (r->q->forward ? ts_ns > bound : ts_ns < bound) || sk_topk_hopeless(&r->top, ts_ns);
}

/* As many better ones as are asked for are known. */
static void bound_tell(struct run *r)
{
    int64_t worst, bound = atomic_load_explicit(&r->crew->bound_ns, memory_order_relaxed);
    if (r->q->interval_ns > 0 || !sk_topk_full(&r->top, &worst))
        return;
    while ((r->q->forward ? worst < bound : worst > bound) &&
           !atomic_compare_exchange_weak(&r->crew->bound_ns, &bound, worst))
        continue;
}

static enum sk_err interrupted(struct run *r)
{
    return sk_query_interrupted(r->q->stop, r->q->deadline_mono_ns, r->reterr);
}

/* ---- matchers ---- */

enum sk_err sk_query_matchers(const struct sk_ast_matcher *list, struct sk_matcher **ret,
                              size_t *ret_count, struct sk_error *reterr)
{
    size_t n = 0, done = 0;
    for (const struct sk_ast_matcher *m = list; m != NULL; m = m->next)
        n++;
    struct sk_matcher *out = sk_calloc(n, sizeof(*out));
    if (out == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
    for (const struct sk_ast_matcher *m = list; m != NULL; m = m->next, done++) {
        static const enum sk_matcher_kind kinds[] = {SK_MATCHER_EQ, SK_MATCHER_NEQ, SK_MATCHER_RE,
                                                     SK_MATCHER_NRE};
        struct sk_error detail;
        enum sk_err err = sk_matcher_init(&out[done], kinds[m->op], m->name, m->value, &detail);
        if (err != SK_OK) {
            sk_query_matchers_free(out, done);
            return sk_error_set(reterr, err, "parse error : %s", detail.text);
        }
    }
    *ret = out;
    *ret_count = n;
    return SK_OK;
}

void sk_query_matchers_free(struct sk_matcher *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sk_matcher_deinit(&m[i]);
    sk_free(m);
}

/* ---- candidates of a block ---- */

/* The entries in the span that hold the needle, if there is one. */
static enum sk_err cands_find(struct run *r, struct sk_unit_hits *hits, uint64_t seq, size_t *count)
{
    struct sk_block_entry e;
    bool hit = hits->needle.len > 0;
    while (sk_unit_hits_next(hits, &e)) {
        if (e.ts_ns < r->start_ns || e.ts_ns >= r->end_ns)
            continue;
        if (!SK_GROW(r->cands, r->cand_cap, *count + 1))
            return SK_ENOMEM;
        r->cands[(*count)++] = (struct candidate){e, seq + hits->seq - 1, hit};
    }
    return SK_OK;
}

/* ---- one entry ---- */

static enum sk_err budget_error(struct run *r)
{
    return sk_query_no_memory(r->reterr);
}

static enum sk_err cand_run(struct run *r, struct unit_ref *u, const struct candidate *c)
{
    if (!sk_pipeline_line_passes(r->pipe, c->entry.line, c->hit))
        return SK_OK;
    enum sk_err err = sk_unit_scan_meta(&r->scan, u->unit, c->entry.meta);
    if (err != SK_OK) /* damaged metadata: the block's checksum held, so it is foreign */
        return err == SK_ENOMEM ? budget_error(r) : SK_OK;
    bool deleted = false;
    if (r->reach == SK_DELETE_SOME)
        err = sk_delete_run_entry(r->delete_run, &r->scan, u->unit, &c->entry, &deleted);
    if (err != SK_OK || deleted)
        return err == SK_OK ? SK_OK : budget_error(r);
    if (r->stream_now != u->stream) {
        sk_pipeline_run_stream(r->pipe, u->stream->labels);
        r->stream_now = u->stream;
    }
    switch (sk_pipeline_run_entry(r->pipe, c->entry.ts_ns, c->entry.line, r->scan.meta,
                                  r->scan.meta_count)) {
    case SK_PIPELINE_DROP:
        return SK_OK;
    case SK_PIPELINE_ERROR:
        return budget_error(r);
    case SK_PIPELINE_KEEP:
        break;
    }
    struct sk_pipeline_labels labels;
    err = sk_pipeline_run_labels(r->pipe, &labels);
    r->res->stats.hit_lines++;
    if (err == SK_OK)
        err = sk_topk_offer(&r->top, c->entry.ts_ns, u->stream->hash, c->seq,
                            sk_pipeline_run_line(r->pipe), &labels);
    return err == SK_ENOMEM ? budget_error(r) : err;
}

static enum sk_err block_run(struct run *r, struct unit_ref *u, struct sk_slice raw, uint64_t seq)
{
    struct sk_unit_hits hits;
    size_t count = 0;
    sk_unit_hits_init(&hits, raw, r->scan.reader.has_meta, sk_pipeline_needle(r->pipeline));
    r->res->stats.bytes += raw.len;
    enum sk_err err = cands_find(r, &hits, seq, &count);
    if (err != SK_OK)
        return budget_error(r);
    if (hits.it.corrupt)
        r->res->stats.damaged++;
    for (size_t i = 0; i < count && err == SK_OK; i++) {
        const struct candidate *c = &r->cands[r->q->forward ? i : count - 1 - i];
        if (hopeless(r, c->entry.ts_ns))
            break; /* the rest is worse still */
        err = i % SK_SCAN_ENTRIES_UNASKED == SK_SCAN_ENTRIES_UNASKED - 1 ? interrupted(r) : SK_OK;
        if (err == SK_OK)
            err = cand_run(r, u, c);
    }
    bound_tell(r);
    return err;
}

/* ---- units ---- */

static bool block_useless(const struct run *r, const struct sk_unit_block *b)
{
    /* Loki's own writer leaves empty lines at a block's start out of ts_min: only ts_max is sure */
    return b->ts_max_ns < r->start_ns || b->ts_min_ns >= r->end_ns ||
           hopeless(r, r->q->forward ? b->ts_min_ns : b->ts_max_ns);
}

static enum sk_err unit_run(struct run *r, struct unit_ref *u)
{
    r->reach = sk_delete_run_unit(r->delete_run, u->stream, u->unit);
    if (r->reach == SK_DELETE_ALL)
        return SK_OK;
    enum sk_err err = sk_unit_scan_open(&r->scan, u->unit);
    uint64_t seq = u->order << 40;
    if (err == SK_ECORRUPT || err == SK_ENOENT) {
        r->res->stats.damaged++;
        sk_unit_scan_close(&r->scan);
        return SK_OK;
    }
    size_t count = err == SK_OK ? r->scan.reader.block_count : 0;
    for (size_t i = 0; i < count && err == SK_OK; i++) {
        size_t idx = r->q->forward ? i : count - 1 - i;
        const struct sk_unit_block *b = &r->scan.reader.blocks[idx];
        uint64_t first = 0;
        for (size_t k = 0; k < idx; k++)
            first += r->scan.reader.blocks[k].entry_count;
        if (block_useless(r, b))
            continue;
        err = interrupted(r);
        struct sk_slice raw;
        enum sk_err read =
            err == SK_OK ? u->unit->ops->read(u->unit, &r->scan.reader, idx, &raw) : err;
        if (read == SK_ECORRUPT) {
            r->res->stats.damaged++;
            continue;
        }
        err = read == SK_ENOMEM ? budget_error(r) : read;
        if (err == SK_OK) {
            r->res->stats.lines += b->entry_count;
            err = block_run(r, u, raw, seq + first);
        }
    }
    sk_unit_scan_close(&r->scan);
    if (err == SK_EIO)
        return sk_error_set(r->reterr, err, "a chunk could not be read: %s", sk_err_text(err));
    return err == SK_ENOMEM ? budget_error(r) : err;
}

static int unit_order_cmp(const void *a, const void *b) /* within a stream: arrival */
{
    const struct unit_ref *x = a, *y = b;
    return sk_unit_arrival_cmp(x->unit, y->unit);
}

static int unit_newest_cmp(const void *a, const void *b)
{
    const struct unit_ref *x = a, *y = b;
    return (x->unit->through_ns < y->unit->through_ns) -
           (x->unit->through_ns > y->unit->through_ns);
}

static int unit_oldest_cmp(const void *a, const void *b)
{
    const struct unit_ref *x = a, *y = b;
    return (x->unit->from_ns > y->unit->from_ns) - (x->unit->from_ns < y->unit->from_ns);
}

static enum sk_err units_list(struct run *r)
{
    size_t n = 0;
    r->units = sk_calloc(r->sel.unit_count, sizeof(*r->units));
    if (r->units == NULL)
        return budget_error(r);
    for (size_t i = 0; i < r->sel.stream_count; i++) {
        size_t from = n;
        for (struct sk_unit *u = r->sel.streams[i]->units; u != NULL; u = u->next)
            r->units[n++] = (struct unit_ref){.stream = r->sel.streams[i], .unit = u};
        qsort(r->units + from, n - from, sizeof(*r->units), unit_order_cmp);
        int64_t through = INT64_MIN;
        for (size_t k = from; k < n; k++) {
            const struct sk_unit *u = r->units[k].unit;
            r->units[k].order = k - from + 1;
            r->crew->chain_count += k == from || u->from_ns > through;
            r->units[k].chain = r->crew->chain_count - 1;
            through = u->through_ns > through ? u->through_ns : through;
        }
    }
    qsort(r->units, n, sizeof(*r->units), r->q->forward ? unit_oldest_cmp : unit_newest_cmp);
    return SK_OK;
}

static bool unit_clip(const struct run *r, const struct sk_unit *u, int64_t start, int64_t end)
{
    return u->through_ns < start || u->from_ns >= end ||
           hopeless(r, r->q->forward ? u->from_ns : u->through_ns);
}

static enum sk_err unit_span(struct run *r, struct unit_ref *u, int64_t start, int64_t end)
{
    if (unit_clip(r, u->unit, start, end))
        return SK_OK;
    /* entries before a chunk's own start do not exist for readers */
    r->start_ns = start > u->unit->from_ns ? start : u->unit->from_ns;
    r->end_ns = end;
    return unit_run(r, u);
}

static enum sk_err span_run(struct run *r, int64_t start, int64_t end)
{
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < r->sel.unit_count && err == SK_OK; i++)
        err = unit_span(r, &r->units[i], start, end);
    return err;
}

/* With an interval the hours are taken one by one: the first `limit` of each, thinned out. */
static enum sk_err splits_run(struct run *r)
{
    const struct sk_log_query *q = r->q;
    int64_t step = SK_NS_PER_HOUR;
    int64_t first = q->start_ns - ((q->start_ns % step) + step) % step;
    int64_t count = (q->end_ns - first + step - 1) / step;
    for (int64_t i = 0; i < count && !sk_topk_complete(&r->top); i++) {
        int64_t at = first + (q->forward ? i : count - 1 - i) * step;
        int64_t start = at > q->start_ns ? at : q->start_ns;
        int64_t end = at + step < q->end_ns ? at + step : q->end_ns;
        enum sk_err err = span_run(r, start, end);
        if (err != SK_OK)
            return err;
        err = sk_topk_thin(&r->top, q->interval_ns);
        if (err != SK_OK)
            return budget_error(r);
    }
    return SK_OK;
}

/* ---- several workers ---- */

/* The next unit for this worker; what it comes by that is of another's chain is left to that. NULL:
 * none is left. A worker that is done has got all of its units: no others are dealt any more. */
static struct unit_ref *unit_take(struct run *r, size_t count)
{
    struct crew *crew = r->crew;
    struct unit_ref *u = NULL;
    pthread_mutex_lock(&crew->lock);
    while (r->left == NULL && u == NULL && crew->next < count) {
        struct unit_ref *k = &r->units[crew->next++];
        struct run *who = crew->chain[k->chain];
        if (who == NULL || who == r) {
            crew->chain[k->chain] = r;
            u = k;
        } else {
            *(who->left == NULL ? &who->left : &who->left_last->next) = k;
            who->left_last = k;
        }
    }
    if (u == NULL && r->left != NULL) {
        u = r->left;
        r->left = u->next;
    }
    pthread_mutex_unlock(&crew->lock);
    return u;
}

static void units_run(struct run *r, size_t count);

static enum sk_err run_begin(struct run *r)
{
    const struct sk_log_query *q = r->q;
    r->begun = true;
    sk_topk_init(&r->top, r->res, q->limit, q->interval_ns > 0, q->forward);
    enum sk_err err =
        sk_pipeline_run_create(r->pipeline, SK_SCAN_READER_BYTES_MAX, q->budget, &r->pipe);
    if (err == SK_OK)
        err = sk_delete_run_create(r->deletes, q->budget, &r->delete_run);
    if (err == SK_OK)
        err = sk_unit_scan_init(&r->scan, q->budget);
    return err == SK_OK ? SK_OK : budget_error(r);
}

static void run_end(struct run *r)
{
    r->res->stats.packed_bytes += r->scan.reader.packed_bytes;
    r->res->stats.raw_bytes += r->scan.reader.raw_bytes;
    r->res->stats.chunks += r->scan.reader.chunks_opened;
    sk_unit_scan_deinit(&r->scan);
    sk_pipeline_run_destroy(r->pipe);
    sk_delete_run_destroy(r->delete_run);
    sk_free(r->cands);
}

static void helper_run(void *ctx)
{
    struct run *r = ctx;
    int64_t cpu = sk_clock_cpu_ns();
    r->err = run_begin(r);
    if (r->err == SK_OK)
        units_run(r, r->caller->sel.unit_count);
    else
        atomic_store(&r->crew->failed, true);
    run_end(r);
    r->own.stats.cpu_ns = sk_clock_cpu_ns() - cpu;
}

static void helpers_start(struct run *r)
{
    struct crew *crew = r->crew;
    size_t help = sk_workpool_threads(r->q->pool) - 1;
    while (crew->count < help && crew->count < SK_HELPERS_MAX) {
        struct run *h = sk_calloc(1, sizeof(*h));
        if (h == NULL)
            return;
        *h = (struct run){.q = r->q,
                          .pipeline = r->pipeline,
                          .deletes = r->deletes,
                          .units = r->units,
                          .crew = crew,
                          .caller = r,
                          .own.budget = r->q->budget};
        h->res = &h->own;
        h->reterr = &h->why;
        sk_arena_init(&h->own.arena, RESULT_ARENA_BYTES_MAX, r->q->budget);
        if (!sk_helpers_start(&crew->helpers, r->q->pool, helper_run, h)) {
            sk_free(h);
            return;
        }
        crew->list[crew->count++] = h;
    }
}

/* Units until none is left, or somebody has failed. The caller gets help when there is more to do
 * than it has done. */
static void units_run(struct run *r, size_t count)
{
    bool alone = r->caller == NULL && r->q->pool != NULL;
    uint64_t bytes = 0;
    while (r->err == SK_OK && !atomic_load_explicit(&r->crew->failed, memory_order_relaxed)) {
        struct unit_ref *u = unit_take(r, count);
        if (u == NULL)
            return;
        if (unit_clip(r, u->unit, r->q->start_ns, r->q->end_ns))
            continue;
        r->err = unit_span(r, u, r->q->start_ns, r->q->end_ns);
        bytes += u->unit->checksum != 0 ? (uint64_t)u->unit->kb << 10 : u->unit->bytes;
        if (alone && bytes >= HELP_WORTH_BYTES) {
            helpers_start(r);
            alone = false;
        }
    }
    if (r->err != SK_OK)
        atomic_store(&r->crew->failed, true);
}

static void stats_add(struct sk_log_stats *to, const struct sk_log_stats *from)
{
    to->lines += from->lines;
    to->bytes += from->bytes;
    to->packed_bytes += from->packed_bytes;
    to->raw_bytes += from->raw_bytes;
    to->chunks += from->chunks;
    to->hit_lines += from->hit_lines;
    to->damaged += from->damaged;
    to->cpu_ns += from->cpu_ns;
}

static enum sk_err crew_run(struct run *r)
{
    struct crew *crew = r->crew;
    crew->chain = sk_calloc(crew->chain_count, sizeof(struct run *));
    if (crew->chain == NULL)
        return budget_error(r);
    units_run(r, r->sel.unit_count);
    sk_helpers_end(&crew->helpers);
    enum sk_err err = r->err;
    for (size_t i = 0; i < crew->count; i++) {
        struct run *h = crew->list[i];
        stats_add(&r->res->stats, &h->own.stats);
        if (err == SK_OK && h->err != SK_OK)
            err = sk_error_set(r->reterr, h->err, "%s", h->why.text);
        if (err == SK_OK && h->begun && sk_topk_absorb(&r->top, &h->top) != SK_OK)
            err = budget_error(r);
        sk_topk_deinit(&h->top);
        sk_log_result_deinit(&h->own);
        sk_free(h);
    }
    sk_free(crew->chain);
    return err;
}

/* ---- the query ---- */

static enum sk_err select_all(struct run *r, struct sk_matcher *m, size_t n)
{
    const struct sk_log_query *q = r->q;
    sk_selection_init(&r->sel, q->tenant, m, n, q->start_ns, q->end_ns, q->budget);
    enum sk_err err = sk_query_select(&r->sel, q->sources, q->source_count, r->reterr);
    r->res->stats.damaged += r->sel.damaged;
    r->res->stats.streams = r->sel.stream_count;
    r->res->stats.units = r->sel.unit_count;
    return err;
}

static enum sk_err run_selected(struct run *r)
{
    const struct sk_log_query *q = r->q;
    struct crew crew = {.bound_ns = q->forward ? INT64_MAX : INT64_MIN};
    sk_helpers_init(&crew.helpers);
    pthread_mutex_init(&crew.lock, NULL);
    r->crew = &crew;
    enum sk_err err = run_begin(r);
    if (err == SK_OK)
        err = units_list(r);
    if (err == SK_OK)
        err = q->interval_ns > 0 ? splits_run(r) : crew_run(r);
    run_end(r);
    if (err == SK_OK)
        err = sk_topk_finish(&r->top) == SK_OK ? SK_OK : budget_error(r);
    sk_topk_deinit(&r->top);
    pthread_mutex_destroy(&crew.lock);
    sk_helpers_deinit(&crew.helpers);
    return err;
}

enum sk_err sk_log_query_run(const struct sk_log_query *q, struct sk_log_result *ret,
                             struct sk_error *reterr)
{
    struct run *r = sk_calloc(1, sizeof(*r));
    struct sk_matcher *m = NULL;
    size_t n = 0;
    int64_t wall = sk_clock_mono_ns(), cpu = sk_clock_cpu_ns();
    sk_assert(q->limit > 0);
    *ret = (struct sk_log_result){.budget = q->budget};
    sk_arena_init(&ret->arena, RESULT_ARENA_BYTES_MAX, q->budget);
    if (r == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
    r->q = q;
    r->res = ret;
    r->reterr = reterr;
    sk_arena_init(&r->arena, 64u << 20, q->budget);
    enum sk_err err = sk_pipeline_create(&r->arena, q->log, &r->pipeline, reterr);
    if (err == SK_OK)
        err = sk_query_matchers(q->log->matchers, &m, &n, reterr);
    if (err == SK_OK)
        err = sk_delete_filter_create(&r->arena, q->deletes, q->delete_count, q->start_ns,
                                      q->end_ns, &r->deletes, reterr);
    if (err == SK_OK)
        err = select_all(r, m, n);
    if (err == SK_OK)
        err = run_selected(r);
    ret->stats.wall_ns = sk_clock_mono_ns() - wall;
    ret->stats.cpu_ns += sk_clock_cpu_ns() - cpu;
    sk_selection_deinit(&r->sel);
    sk_query_matchers_free(m, n);
    sk_arena_deinit(&r->arena);
    sk_free(r->units);
    sk_free(r);
    if (err != SK_OK)
        sk_log_result_deinit(ret);
    return err;
}

void sk_log_result_deinit(struct sk_log_result *result)
{
    if (result == NULL)
        return;
    for (size_t i = 0; i < result->count; i++)
        sk_free((void *)(uintptr_t)result->entries[i].line.ptr);
    sk_free(result->entries);
    if (result->charged_bytes > 0)
        sk_budget_release(result->budget, result->charged_bytes);
    sk_arena_deinit(&result->arena);
    *result = (struct sk_log_result){0};
}
