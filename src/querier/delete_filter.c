/* SPDX-License-Identifier: Apache-2.0 */
/* delete_filter.c -- see delete_filter.h. */
#include "querier/delete_filter.h"

#include "base/alloc.h"
#include "base/gotext.h"
#include "base/utf8.h"
#include "logql/parse.h"
#include "logql/pipeline.h"
#include "querier/log_query.h"

struct request {
    int64_t start_ns, through_ns; /* both inclusive */
    struct sk_matcher *matchers;
    size_t matcher_count;
    const struct sk_pipeline *pipeline; /* NULL: every line */
};

struct sk_delete_filter {
    struct request *requests;
    size_t count;
};

struct state {
    struct sk_pipeline_run *pipe; /* NULL as the pipeline is */
    bool of_stream;               /* the selector matches the present stream */
};

struct sk_delete_run {
    const struct sk_delete_filter *filter;
    const struct sk_sel_stream *stream;
    struct state *states; /* per request */
    size_t *touching;     /* those that touch the present unit */
    size_t touching_count;
};

/* ---- the filter ---- */

static void request_free(void *ctx)
{
    struct request *r = ctx;
    sk_query_matchers_free(r->matchers, r->matcher_count);
}

static enum sk_err request_compile(struct sk_arena *arena, struct sk_str query, struct request *r,
                                   struct sk_error *reterr)
{
    const struct sk_ast_log *log;
    enum sk_err err = sk_logql_parse_log(arena, query, &log, reterr);
    if (err == SK_OK && log->stages != NULL)
        err = sk_pipeline_create(arena, log, &r->pipeline, reterr);
    if (err == SK_OK)
        err = sk_query_matchers(log->matchers, &r->matchers, &r->matcher_count, reterr);
    if (err == SK_OK && !sk_arena_on_deinit(arena, request_free, r)) {
        request_free(r);
        err = sk_query_no_memory(reterr);
    }
    return err;
}

enum sk_err sk_delete_query_check(struct sk_arena *arena, struct sk_str query,
                                  struct sk_error *reterr)
{
    struct request *r = sk_arena_calloc(arena, 1, sizeof(*r));
    if (r == NULL)
        return sk_query_no_memory(reterr);
    if (!sk_utf8_valid(query))
        return sk_error_set(reterr, SK_EPARSE, "the query is not UTF-8");
    return request_compile(arena, query, r, reterr);
}

enum sk_err sk_delete_filter_create(struct sk_arena *arena, const struct sk_delete *items,
                                    size_t count, int64_t start_ns, int64_t end_ns,
                                    const struct sk_delete_filter **ret, struct sk_error *reterr)
{
    *ret = NULL;
    if (count == 0)
        return SK_OK;
    struct sk_delete_filter *f = sk_arena_calloc(arena, 1, sizeof(*f));
    if (f == NULL || (f->requests = sk_arena_calloc(arena, count, sizeof(*f->requests))) == NULL)
        return sk_query_no_memory(reterr);
    for (size_t i = 0; i < count; i++) {
        struct request *r = &f->requests[f->count];
        r->start_ns = items[i].start_ms * SK_NS_PER_MS;
        r->through_ns = items[i].end_ms * SK_NS_PER_MS;
        if (r->start_ns >= end_ns || r->through_ns < start_ns)
            continue;
        f->count++;
        enum sk_err err = request_compile(arena, items[i].query, r, reterr);
        if (err != SK_OK)
            return err;
    }
    *ret = f->count > 0 ? f : NULL;
    return SK_OK;
}

/* ---- runs ---- */

enum sk_err sk_delete_run_create(const struct sk_delete_filter *filter, struct sk_budget *budget,
                                 struct sk_delete_run **ret)
{
    *ret = NULL;
    if (filter == NULL)
        return SK_OK;
    struct sk_delete_run *run = sk_calloc(1, sizeof(*run));
    if (run == NULL)
        return SK_ENOMEM;
    run->filter = filter;
    run->states = sk_calloc(filter->count, sizeof(*run->states));
    run->touching = sk_calloc(filter->count, sizeof(*run->touching));
    enum sk_err err = run->states == NULL || run->touching == NULL ? SK_ENOMEM : SK_OK;
    for (size_t i = 0; i < filter->count && err == SK_OK; i++) {
        if (filter->requests[i].pipeline != NULL)
            err = sk_pipeline_run_create(filter->requests[i].pipeline, SK_SCAN_READER_BYTES_MAX,
                                         budget, &run->states[i].pipe);
    }
    if (err != SK_OK)
        sk_delete_run_destroy(run);
    else
        *ret = run;
    return err;
}

void sk_delete_run_destroy(struct sk_delete_run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; run->states != NULL && i < run->filter->count; i++)
        sk_pipeline_run_destroy(run->states[i].pipe);
    sk_free(run->states);
    sk_free(run->touching);
    sk_free(run);
}

static void stream_set(struct sk_delete_run *run, const struct sk_sel_stream *stream)
{
    run->stream = stream;
    for (size_t i = 0; i < run->filter->count; i++) {
        const struct request *r = &run->filter->requests[i];
        struct state *s = &run->states[i];
        s->of_stream = sk_matchers_match(r->matchers, r->matcher_count, stream->labels);
        if (s->of_stream && s->pipe != NULL)
            sk_pipeline_run_stream(s->pipe, stream->labels);
    }
}

enum sk_delete_reach sk_delete_run_unit(struct sk_delete_run *run,
                                        const struct sk_sel_stream *stream,
                                        const struct sk_unit *unit)
{
    if (run == NULL)
        return SK_DELETE_NONE;
    if (run->stream != stream)
        stream_set(run, stream);
    run->touching_count = 0;
    for (size_t i = 0; i < run->filter->count; i++) {
        const struct request *r = &run->filter->requests[i];
        if (!run->states[i].of_stream || r->start_ns > unit->through_ns ||
            r->through_ns < unit->from_ns)
            continue;
        if (r->pipeline == NULL && r->start_ns <= unit->from_ns &&
            r->through_ns >= unit->through_ns)
            return SK_DELETE_ALL;
        run->touching[run->touching_count++] = i;
    }
    return run->touching_count > 0 ? SK_DELETE_SOME : SK_DELETE_NONE;
}

static enum sk_err pipe_keeps(struct sk_pipeline_run *pipe, struct sk_unit_scan *scan,
                              struct sk_unit *unit, const struct sk_block_entry *e, bool *ret)
{
    *ret = false;
    if (!sk_pipeline_line_passes(pipe, e->line, false))
        return SK_OK;
    enum sk_err err = sk_unit_scan_meta(scan, unit, e->meta);
    if (err != SK_OK) /* damaged metadata */
        return err == SK_ENOMEM ? err : SK_OK;
    enum sk_pipeline_verdict v =
        sk_pipeline_run_entry(pipe, e->ts_ns, e->line, scan->meta, scan->meta_count);
    *ret = v == SK_PIPELINE_KEEP;
    return v == SK_PIPELINE_ERROR ? SK_ENOMEM : SK_OK;
}

enum sk_err sk_delete_run_entry(struct sk_delete_run *run, struct sk_unit_scan *scan,
                                struct sk_unit *unit, const struct sk_block_entry *e,
                                bool *ret_deleted)
{
    *ret_deleted = false;
    for (size_t k = 0; k < run->touching_count && !*ret_deleted; k++) {
        const struct request *r = &run->filter->requests[run->touching[k]];
        if (e->ts_ns < r->start_ns || e->ts_ns > r->through_ns)
            continue;
        *ret_deleted = r->pipeline == NULL;
        if (*ret_deleted)
            break;
        enum sk_err err =
            pipe_keeps(run->states[run->touching[k]].pipe, scan, unit, e, ret_deleted);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}
