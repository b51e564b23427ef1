/* SPDX-License-Identifier: Apache-2.0 */
/* query_api.c -- query_range, query and format_query: parameters, the query, and its JSON answer,
 * which a worker writes piece by piece while the client takes it. */
#include <stdlib.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "logql/parse.h"
#include "logql/print.h"
#include "querier/log_query.h"

enum { PIECE_BYTES = 256 * 1024, POINTS_MAX = 11000 };

/* ---- streams as JSON ---- */

struct group {
    const struct sk_result_labels *labels;
    struct sk_str printed;
};

struct order { /* an entry and its group */
    uint32_t group, entry;
};

struct streams_answer {
    struct sk_log_result result;
    struct group *groups;
    size_t group_count;
    struct order *order; /* by group, then as the query gave them */
    size_t at;           /* next of `order` to write */
    bool categorize, begun;
    struct sk_str flags; /* encoding flags as sent */
};

static int group_cmp(const void *a, const void *b)
{
    return sk_str_cmp(((const struct group *)a)->printed, ((const struct group *)b)->printed);
}

static int order_cmp(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->entry > y->entry) - (x->entry < y->entry);
}

static const struct group *group_find(const struct streams_answer *s, struct sk_str printed)
{
    struct group key = {.printed = printed};
    return bsearch(&key, s->groups, s->group_count, sizeof(*s->groups), group_cmp);
}

static enum sk_err groups_make(struct streams_answer *s)
{
    size_t n = s->result.count, kept = 0;
    s->groups = sk_calloc(n, sizeof(*s->groups));
    s->order = sk_calloc(n, sizeof(*s->order));
    if (s->groups == NULL || s->order == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct sk_result_labels *l = s->result.entries[i].labels;
        s->groups[i] = (struct group){l, s->categorize ? l->printed_stream : l->printed};
    }
    if (n > 1)
        qsort(s->groups, n, sizeof(*s->groups), group_cmp);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !sk_str_eq(s->groups[kept - 1].printed, s->groups[i].printed))
            s->groups[kept++] = s->groups[i];
    }
    s->group_count = kept;
    for (size_t i = 0; i < n; i++) {
        const struct sk_result_labels *l = s->result.entries[i].labels;
        const struct group *g = group_find(s, s->categorize ? l->printed_stream : l->printed);
        s->order[i] = (struct order){(uint32_t)(g - s->groups), (uint32_t)i};
    }
    if (n > 1)
        qsort(s->order, n, sizeof(*s->order), order_cmp);
    return SK_OK;
}

static void write_labels(struct sk_strbuf *out, struct sk_labelset set)
{
    sk_strbuf_putc(out, '{');
    for (size_t i = 0; i < set.count; i++) {
        if (i > 0)
            sk_strbuf_putc(out, ',');
        sk_json_string(out, set.items[i].name);
        sk_strbuf_putc(out, ':');
        sk_json_string(out, set.items[i].value);
    }
    sk_strbuf_putc(out, '}');
}

static void write_entry(struct sk_strbuf *out, const struct sk_result_entry *e, bool categorize)
{
    sk_strbuf_puts(out, "[\"");
    sk_strbuf_i64(out, e->ts_ns);
    sk_strbuf_puts(out, "\",");
    sk_json_string_html(out, e->line);
    if (categorize) {
        bool meta = e->labels->meta.count > 0, parsed = e->labels->parsed.count > 0;
        sk_strbuf_puts(out, meta ? ",{\"structuredMetadata\":" : ",{");
        if (meta)
            write_labels(out, e->labels->meta);
        if (parsed) {
            sk_strbuf_puts(out, meta ? ",\"parsed\":" : "\"parsed\":");
            write_labels(out, e->labels->parsed);
        }
        sk_strbuf_putc(out, '}');
    }
    sk_strbuf_putc(out, ']');
}

static void write_cache_stats(struct sk_strbuf *out)
{
    static const char *const kinds[] = {
        "chunk",        "index",        "result",      "statsResult",
        "volumeResult", "seriesResult", "labelResult", "instantMetricResult"};
    sk_strbuf_puts(out, "\"cache\":{");
    for (size_t i = 0; i < SK_COUNT_OF(kinds); i++)
        sk_strbuf_printf(out,
                         "%s\"%s\":{\"entriesFound\":0,\"entriesRequested\":0,\"entriesStored\":0,"
                         "\"bytesReceived\":0,\"bytesSent\":0,\"requests\":0,\"downloadTime\":0,"
                         "\"queryLengthServed\":0}",
                         i > 0 ? "," : "", kinds[i]);
    sk_strbuf_puts(out, "}");
}

static void write_stats(struct sk_strbuf *out, const struct sk_log_stats *st, uint64_t entries)
{
    double s = (double)st->wall_ns / 1e9;
    double rate = s > 0 ? 1 / s : 0;
    sk_strbuf_printf(
        out,
        "\"stats\":{\"summary\":{\"bytesProcessedPerSecond\":%.0f,"
        "\"linesProcessedPerSecond\":%.0f,\"totalBytesProcessed\":%llu,"
        "\"totalLinesProcessed\":%llu,\"execTime\":%.9f,\"queueTime\":0,\"subqueries\":0,"
        "\"totalEntriesReturned\":%llu,\"splits\":0,\"shards\":0,"
        "\"totalPostFilterLines\":%llu,\"totalStructuredMetadataBytesProcessed\":0},",
        (double)st->bytes * rate, (double)st->lines * rate, (unsigned long long)st->bytes,
        (unsigned long long)st->lines, s, (unsigned long long)entries,
        (unsigned long long)st->hit_lines);
    sk_strbuf_printf(
        out,
        "\"querier\":{\"store\":{\"totalChunksRef\":%llu,\"totalChunksDownloaded\":%llu,"
        "\"chunksDownloadTime\":0,\"queryReferencedStructuredMetadata\":false,\"chunk\":{"
        "\"headChunkBytes\":0,\"headChunkLines\":0,\"decompressedBytes\":%llu,"
        "\"decompressedLines\":%llu,\"compressedBytes\":%llu,\"totalDuplicates\":0,"
        "\"postFilterLines\":%llu,\"headChunkStructuredMetadataBytes\":0,"
        "\"decompressedStructuredMetadataBytes\":0},\"chunkRefsFetchTime\":0,"
        "\"congestionControlLatency\":0,\"pipelineWrapperFilteredLines\":0}},",
        (unsigned long long)st->units, (unsigned long long)st->chunks,
        (unsigned long long)st->raw_bytes, (unsigned long long)st->lines,
        (unsigned long long)st->packed_bytes, (unsigned long long)st->hit_lines);
    sk_strbuf_puts(
        out, "\"ingester\":{\"totalReached\":1,\"totalChunksMatched\":0,\"totalBatches\":0,"
             "\"totalLinesSent\":0,\"store\":{\"totalChunksRef\":0,\"totalChunksDownloaded\":0,"
             "\"chunksDownloadTime\":0,\"queryReferencedStructuredMetadata\":false,\"chunk\":{"
             "\"headChunkBytes\":0,\"headChunkLines\":0,\"decompressedBytes\":0,"
             "\"decompressedLines\":0,\"compressedBytes\":0,\"totalDuplicates\":0,"
             "\"postFilterLines\":0,\"headChunkStructuredMetadataBytes\":0,"
             "\"decompressedStructuredMetadataBytes\":0},\"chunkRefsFetchTime\":0,"
             "\"congestionControlLatency\":0,\"pipelineWrapperFilteredLines\":0}},");
    write_cache_stats(out);
    sk_strbuf_printf(
        out,
        ",\"index\":{\"totalChunks\":%llu,\"postFilterChunks\":%llu,\"shardsDuration\":0,"
        "\"usedBloomFilters\":false,\"totalStreams\":%llu}}",
        (unsigned long long)st->units, (unsigned long long)st->units,
        (unsigned long long)st->streams);
}

static void write_flags(struct sk_strbuf *out, struct sk_str flags)
{
    sk_strbuf_puts(out, "\"encodingFlags\":[");
    for (size_t at = 0, n = 0; at <= flags.len; n++) {
        size_t comma = sk_str_find(flags, SK_STR(","), at);
        size_t end = comma == SIZE_MAX ? flags.len : comma;
        sk_strbuf_puts(out, n > 0 ? "," : "");
        sk_json_string(out, (struct sk_str){flags.ptr + at, end - at});
        at = end + 1;
    }
    sk_strbuf_puts(out, "],");
}

static void write_begin(struct sk_strbuf *out, const struct streams_answer *s)
{
    sk_strbuf_puts(out, "{\"status\":\"success\",");
    if (s->result.stats.damaged > 0)
        sk_strbuf_puts(out,
                       "\"warnings\":[\"damaged or missing files were left out of this answer; the "
                       "server's log names them\"],");
    sk_strbuf_puts(out, "\"data\":{\"resultType\":\"streams\",");
    if (s->flags.len > 0)
        write_flags(out, s->flags);
    sk_strbuf_puts(out, "\"result\":[");
}

static void streams_produce(struct call *call, struct sk_strbuf *out, bool *last)
{
    struct streams_answer *s = call->state;
    if (!s->begun)
        write_begin(out, s);
    s->begun = true;
    while (s->at < s->result.count && out->len < PIECE_BYTES) {
        const struct order *o = &s->order[s->at];
        bool opens = s->at == 0 || s->order[s->at - 1].group != o->group;
        bool closes = s->at + 1 == s->result.count || s->order[s->at + 1].group != o->group;
        if (opens) {
            const struct group *g = &s->groups[o->group];
            sk_strbuf_puts(out, s->at > 0 ? ",{\"stream\":" : "{\"stream\":");
            write_labels(out, s->categorize ? g->labels->stream : g->labels->all);
            sk_strbuf_puts(out, ",\"values\":[");
        } else {
            sk_strbuf_putc(out, ',');
        }
        write_entry(out, &s->result.entries[o->entry], s->categorize);
        if (closes)
            sk_strbuf_puts(out, "]}");
        s->at++;
    }
    *last = s->at == s->result.count;
    if (*last) {
        sk_strbuf_puts(out, "],");
        write_stats(out, &s->result.stats, s->result.count);
        sk_strbuf_puts(out, "}}\n");
    }
}

static void streams_free(struct streams_answer *s)
{
    sk_log_result_deinit(&s->result);
    sk_free(s->groups);
    sk_free(s->order);
    sk_free(s);
}

static void streams_dispose(struct call *call)
{
    streams_free(call->state);
}

/* ---- range queries ---- */

struct range_params {
    struct time_range range;
    uint64_t limit;
    int64_t step_ns, interval_ns;
    bool forward;
};

static enum sk_err range_params(const struct call *call, struct range_params *p,
                                struct sk_error *reterr)
{
    enum sk_err err = param_range(call, &p->range, reterr);
    if (err == SK_OK && p->range.end_ns < p->range.start_ns)
        err = sk_error_set(reterr, SK_EINVAL,
                           "end timestamp must not be before or equal to start time");
    if (err == SK_OK)
        err = param_limit(call, 100, &p->limit, reterr);
    if (err == SK_OK)
        err = param_direction(call, &p->forward, reterr);
    if (err != SK_OK)
        return err;
    int64_t length;
    if (__builtin_sub_overflow(p->range.end_ns, p->range.start_ns, &length))
        length = INT64_MAX;
    struct sk_str step = param_get(call, "step"), interval = param_get(call, "interval");
    int64_t step_s = length / SK_NS_PER_S / 250;
    p->step_ns = (step_s < 1 ? 1 : step_s) * SK_NS_PER_S;
    if (step.len > 0)
        err = param_duration(step, &p->step_ns, reterr);
    if (err == SK_OK && p->step_ns <= 0)
        err = sk_error_set(reterr, SK_EINVAL,
                           "zero or negative query resolution step widths are not accepted. Try a "
                           "positive integer");
    if (err == SK_OK && length / p->step_ns > POINTS_MAX)
        err = sk_error_set(
            reterr, SK_EINVAL,
            "exceeded maximum resolution of 11,000 points per time series. Try increasing "
            "the value of the step parameter");
    p->interval_ns = 0;
    if (err == SK_OK && interval.len > 0)
        err = param_duration(interval, &p->interval_ns, reterr);
    if (err == SK_OK && p->interval_ns < 0)
        err = sk_error_set(reterr, SK_EINVAL, "interval must be >= 0");
    return err;
}

static bool name_in(const struct sk_str_list *list, struct sk_str name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (sk_str_eq(list->items[i], name))
            return true;
    }
    return false;
}

/* required_labels, minimum_labels_number, max_streams_matchers_per_query. */
static enum sk_err selector_limits(const struct call *call, const struct sk_ast_matcher *m,
                                   struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(call);
    struct sk_strbuf present, missing;
    uint64_t n = 0;
    enum sk_err err = SK_OK;
    sk_strbuf_init(&present, 4096);
    sk_strbuf_init(&missing, 4096);
    for (const struct sk_ast_matcher *k = m; k != NULL; k = k->next) {
        sk_strbuf_puts(&present, n++ > 0 ? ", " : "");
        sk_strbuf_str(&present, k->name);
    }
    for (size_t i = 0; i < lim->required_labels.count; i++) {
        struct sk_str_list one = {&lim->required_labels.items[i], 1};
        bool found = false;
        for (const struct sk_ast_matcher *k = m; k != NULL && !found; k = k->next)
            found = name_in(&one, k->name);
        if (found)
            continue;
        sk_strbuf_puts(&missing, missing.len > 0 ? ", " : "");
        sk_strbuf_str(&missing, lim->required_labels.items[i]);
    }
    if (missing.len > 0)
        err = sk_error_set(
            reterr, SK_EINVAL,
            "stream selector is missing required matchers [%s], labels present in the query "
            "were [%s]",
            missing.ptr, present.ptr == NULL ? "" : present.ptr);
    else if (lim->minimum_labels_number > 0 && n < lim->minimum_labels_number)
        err = sk_error_set(reterr, SK_EINVAL,
                           "stream selector has less label matchers than required: (present: [%s], "
                           "number_present: %llu, required_number_label_matchers: %llu)",
                           present.ptr == NULL ? "" : present.ptr, (unsigned long long)n,
                           (unsigned long long)lim->minimum_labels_number);
    else if (lim->max_streams_matchers_per_query > 0 && n > lim->max_streams_matchers_per_query)
        err = sk_error_set(
            reterr, SK_EINVAL,
            "max streams matchers per query exceeded, matchers-count > limit (%llu > %llu)",
            (unsigned long long)n, (unsigned long long)lim->max_streams_matchers_per_query);
    sk_strbuf_deinit(&present);
    sk_strbuf_deinit(&missing);
    return err;
}

static enum sk_err log_query(struct call *call, const struct range_params *p,
                             const struct sk_ast_log *log, struct sk_log_result *ret,
                             struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(call);
    struct time_range range = p->range;
    bool empty;
    if (lim->max_entries_limit_per_query > 0 && p->limit > lim->max_entries_limit_per_query)
        return sk_error_set(
            reterr, SK_EINVAL,
            "max entries limit per query exceeded, limit > max_entries_limit_per_query "
            "(%llu > %llu)",
            (unsigned long long)p->limit, (unsigned long long)lim->max_entries_limit_per_query);
    enum sk_err err = selector_limits(call, log->matchers, reterr);
    if (err == SK_OK)
        err = range_limits(call, &range, &empty, reterr);
    if (err != SK_OK)
        return err;
    if (empty)
        range.end_ns = range.start_ns;
    struct sk_log_query q = {.tenant = call->tenant,
                             .log = log,
                             .start_ns = range.start_ns,
                             .end_ns = range.end_ns,
                             .limit = p->limit,
                             .forward = p->forward,
                             .interval_ns = p->interval_ns,
                             .sources = call->api->opt.sources,
                             .source_count = call->api->opt.source_count,
                             .budget = call->api->opt.query_budget,
                             .stop = &call->stop};
    if (lim->query_timeout_ns > 0)
        q.deadline_mono_ns = sk_clock_mono_ns() + lim->query_timeout_ns;
    return sk_log_query_run(&q, ret, reterr);
}

static bool flag_in(struct sk_str flags, const char *name)
{
    for (size_t at = 0; at <= flags.len;) {
        size_t comma = sk_str_find(flags, SK_STR(","), at);
        size_t end = comma == SIZE_MAX ? flags.len : comma;
        if (sk_str_is((struct sk_str){flags.ptr + at, end - at}, name))
            return true;
        at = end + 1;
    }
    return false;
}

static enum sk_err parse_query(struct call *call, const struct sk_ast_expr **ret,
                               struct sk_error *reterr)
{
    struct sk_str text = param_get(call, "query");
    const struct sk_ast_expr *expr;
    enum sk_err err = sk_logql_parse(&call->req->arena, text, &expr, reterr);
    if (err == SK_OK) /* the form that Loki executes: sizes are rounded by printing */
        err = sk_logql_reparse(&call->req->arena, expr, ret, reterr);
    return err;
}

static enum sk_err metrics_unsupported(struct sk_error *reterr)
{
    return sk_error_set(
        reterr, SK_EUNSUPPORTED,
        "metric queries are not supported by this version of skald yet; log queries are");
}

void query_range_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct range_params p;
    const struct sk_ast_expr *expr = NULL;
    struct streams_answer *s = sk_calloc(1, sizeof(*s));
    enum sk_err err = s == NULL
                          ? sk_error_set(&detail, SK_ENOMEM, "not enough memory for this query")
                          : range_params(call, &p, &detail);
    if (err == SK_OK)
        err = parse_query(call, &expr, &detail);
    if (err == SK_OK && expr->kind != SK_AST_LOG)
        err = metrics_unsupported(&detail);
    if (err == SK_OK) {
        s->flags = sk_http_header_get(call->req, "X-Loki-Response-Encoding-Flags");
        s->categorize = flag_in(s->flags, "categorize-labels");
        err = log_query(call, &p, &expr->u.log, &s->result, &detail);
    }
    if (err == SK_OK && groups_make(s) != SK_OK)
        err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    if (err != SK_OK) {
        if (s != NULL)
            streams_free(s);
        answer_error(call, err, detail.text);
        call_finish(call);
        return;
    }
    call->state = s;
    answer_pieces(call, "application/json; charset=UTF-8", streams_produce, streams_dispose);
}

void query_instant_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    const struct sk_ast_expr *expr = NULL;
    int64_t time_ns;
    uint64_t limit;
    bool forward;
    enum sk_err err = param_time(param_get(call, "time"), sk_clock_now_ns(), &time_ns, &detail);
    if (err == SK_OK)
        err = param_limit(call, 100, &limit, &detail);
    if (err == SK_OK)
        err = param_direction(call, &forward, &detail);
    if (err == SK_OK)
        err = parse_query(call, &expr, &detail);
    if (err == SK_OK && expr->kind == SK_AST_LOG)
        err = sk_error_set(
            &detail, SK_EINVAL,
            "log queries are not supported as an instant query type, please change your "
            "query to a range query type");
    if (err == SK_OK)
        err = metrics_unsupported(&detail);
    answer_error(call, err, detail.text);
    call_finish(call);
}

void format_query_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    const struct sk_ast_expr *expr;
    struct sk_strbuf body, text;
    sk_strbuf_init(&body, 16u << 20);
    sk_strbuf_init(&text, 16u << 20);
    enum sk_err err = sk_logql_parse(&call->req->arena, param_get(call, "query"), &expr, &detail);
    if (err == SK_OK) {
        sk_logql_pretty(&text, expr);
        sk_strbuf_puts(&body, "{\"status\":\"success\",\"data\":");
        sk_json_string_html(&body, sk_strbuf_view(&text));
    } else {
        sk_strbuf_puts(&body, "{\"status\":\"invalid-query\",\"error\":");
        sk_json_string_html(&body, sk_str_from(detail.text));
    }
    sk_strbuf_puts(&body, "}\n");
    sk_strbuf_deinit(&text);
    answer_json(call, &body);
    call->resp.status = err == SK_OK ? 200 : 400;
    call_finish(call);
}
