/* SPDX-License-Identifier: Apache-2.0 */
/* query_api.c -- query_range, query and format_query: parameters and limits, then the query.
 * Answers are written by streams_answer.c and metric_answer.c. */
#include "api/api_int.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "logql/parse.h"
#include "logql/print.h"
#include "querier/metric_query.h"

/* ---- range queries ---- */

enum sk_err range_params(const struct call *call, struct range_params *p, struct sk_error *reterr)
{
    struct sk_str interval = param_get(call, "interval");
    enum sk_err err = param_range(call, &p->range, reterr);
    if (err == SK_OK && p->range.end_ns < p->range.start_ns)
        err = sk_error_set(reterr, SK_EINVAL,
                           "end timestamp must not be before or equal to start time");
    if (err == SK_OK)
        err = param_limit(call, "limit", 100, &p->limit, reterr);
    if (err == SK_OK)
        err = param_direction(call, &p->forward, reterr);
    if (err == SK_OK)
        err = param_step(call, p->range, &p->step_ns, reterr);
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

enum sk_err log_query_limits(const struct call *call, const struct sk_ast_log *log, uint64_t limit,
                             struct time_range *range, struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(call);
    bool empty = false;
    if (lim->max_entries_limit_per_query > 0 && limit > lim->max_entries_limit_per_query)
        return sk_error_set(
            reterr, SK_EINVAL,
            "max entries limit per query exceeded, limit > max_entries_limit_per_query "
            "(%llu > %llu)",
            (unsigned long long)limit, (unsigned long long)lim->max_entries_limit_per_query);
    enum sk_err err = selector_limits(call, log->matchers, reterr);
    if (err == SK_OK)
        err = range_limits(call, range, &empty, reterr);
    if (err == SK_OK && empty)
        range->end_ns = range->start_ns;
    return err;
}

enum sk_err log_query(struct call *call, const struct range_params *p, const struct sk_ast_log *log,
                      struct sk_log_result *ret, struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(call);
    struct time_range range = p->range;
    enum sk_err err = log_query_limits(call, log, p->limit, &range, reterr);
    if (err != SK_OK)
        return err;
    struct sk_log_query q = {.tenant = call->tenant,
                             .log = log,
                             .start_ns = range.start_ns,
                             .end_ns = range.end_ns,
                             .limit = p->limit,
                             .forward = p->forward,
                             .interval_ns = p->interval_ns,
                             .sources = call->sources,
                             .source_count = call->source_count,
                             .budget = call->api->opt.query_budget,
                             .pool = call->api->opt.pool,
                             .stop = &call->stop};
    if (lim->query_timeout_ns > 0)
        q.deadline_mono_ns = sk_clock_mono_ns() + lim->query_timeout_ns;
    err = call_deletes(call, &q.deletes, &q.delete_count, reterr);
    return err == SK_OK ? sk_log_query_run(&q, ret, reterr) : err;
}

enum sk_err parse_query(struct call *call, const struct sk_ast_expr **ret, struct sk_error *reterr)
{
    struct sk_str text = param_get(call, "query");
    const struct sk_ast_expr *expr;
    enum sk_err err = sk_logql_parse(&call->req->arena, text, &expr, reterr);
    if (err == SK_OK) /* the form that Loki executes: sizes are rounded by printing */
        err = sk_logql_reparse(&call->req->arena, expr, ret, reterr);
    return err;
}

/* Each selector of a metric query. */
static enum sk_err selectors_check(const struct call *call, const struct sk_ast_expr *e,
                                   struct sk_error *reterr)
{
    enum sk_err err = SK_OK;
    switch (e->kind) {
    case SK_AST_LOG:
        return selector_limits(call, e->u.log.matchers, reterr);
    case SK_AST_RANGE_AGG:
        return selector_limits(call, e->u.range.range.log.matchers, reterr);
    case SK_AST_VECTOR_AGG:
        return selectors_check(call, e->u.vector.expr, reterr);
    case SK_AST_BINARY: /* SK_LOGQL_DEPTH_MAX bounds it */
        err = selectors_check(call, e->u.binary.left, reterr);
        return err == SK_OK ? selectors_check(call, e->u.binary.right, reterr) : err;
    case SK_AST_LABEL_REPLACE:
        return selectors_check(call, e->u.replace.expr, reterr);
    case SK_AST_VARIANTS:
        return selector_limits(call, e->u.variants.of.log.matchers, reterr);
    case SK_AST_LITERAL:
    case SK_AST_VECTOR:
        break;
    }
    return SK_OK;
}

/* Runs the query and answers. step_ns 0: instant. `nothing`: all entries are too old to be seen. */
static void metric_query(struct call *call, const struct sk_ast_expr *expr, struct time_range range,
                         int64_t step_ns, bool nothing)
{
    const struct sk_limits *lim = call_limits(call);
    struct sk_error detail = {.text = ""};
    struct sk_metric_result result = {.series = NULL};
    struct sk_strbuf text;
    sk_strbuf_init(&text, 1u << 20);
    struct sk_metric_query q = {.tenant = call->tenant,
                                .expr = expr,
                                .start_ns = range.start_ns,
                                .end_ns = range.end_ns,
                                .step_ns = step_ns,
                                .sources = call->sources,
                                .source_count = nothing ? 0 : call->source_count,
                                .budget = call->api->opt.query_budget,
                                .pool = call->api->opt.pool,
                                .stop = &call->stop,
                                .series_max = lim->max_query_series,
                                .length_max_ns = lim->max_query_length_ns,
                                .range_max_ns = lim->max_query_range_ns,
                                .error_text = &text};
    if (lim->query_timeout_ns > 0)
        q.deadline_mono_ns = sk_clock_mono_ns() + lim->query_timeout_ns;
    enum sk_err err = selectors_check(call, expr, &detail);
    if (err == SK_OK)
        err = call_deletes(call, &q.deletes, &q.delete_count, &detail);
    if (err == SK_OK)
        err = sk_metric_query_run(&q, &result, &detail);
    if (err == SK_OK && !answer_metric(call, &result))
        err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    if (err != SK_OK) {
        answer_error(call, err, text.len > 0 && !text.failed ? text.ptr : detail.text);
        call_finish(call);
    }
    sk_metric_result_deinit(&result);
    sk_strbuf_deinit(&text);
}

/* Steps are whole milliseconds; start and end are multiples of them. */
static enum sk_err metric_range_query(struct call *call, const struct range_params *p,
                                      const struct sk_ast_expr *expr, struct sk_error *reterr)
{
    struct time_range range = p->range;
    int64_t step = p->step_ns - p->step_ns % SK_NS_PER_MS;
    bool empty;
    enum sk_err err = range_limits(call, &range, &empty, reterr);
    if (err == SK_OK && (step == 0 || !sk_metric_align(&range.start_ns, &range.end_ns, step)))
        err = sk_error_set(reterr, SK_EINVAL,
                           "zero or negative query resolution step widths are not accepted. Try a "
                           "positive integer");
    if (err == SK_OK)
        metric_query(call, expr, range, step, empty);
    return err;
}

static enum sk_err streams_query(struct call *call, const struct range_params *p,
                                 const struct sk_ast_log *log, bool legacy, struct sk_error *reterr)
{
    struct sk_log_result result;
    enum sk_err err = log_query(call, p, log, &result, reterr);
    if (err == SK_OK && !answer_streams(call, &result, legacy))
        err = sk_error_set(reterr, SK_ENOMEM, "not enough memory for this answer");
    return err;
}

static enum sk_err range_query(struct call *call, struct range_params *ret_params,
                               const struct sk_ast_expr **ret_expr, struct sk_error *reterr)
{
    enum sk_err err = range_params(call, ret_params, reterr);
    return err == SK_OK ? parse_query(call, ret_expr, reterr) : err;
}

void query_range_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct range_params p;
    const struct sk_ast_expr *expr = NULL;
    enum sk_err err = range_query(call, &p, &expr, &detail);
    if (err == SK_OK)
        err = expr->kind == SK_AST_LOG ? streams_query(call, &p, &expr->u.log, false, &detail)
                                       : metric_range_query(call, &p, expr, &detail);
    if (err != SK_OK) {
        answer_error(call, err, detail.text);
        call_finish(call);
    }
}

/* `regexp` of the oldest clients is one more line filter. */
static enum sk_err regexp_append(struct call *call, struct sk_ast_log *log)
{
    struct sk_str text = param_get(call, "regexp");
    struct sk_arena *arena = &call->req->arena;
    if (text.len == 0)
        return SK_OK;
    struct sk_ast_stage *stage = sk_arena_calloc(arena, 1, sizeof(*stage));
    struct sk_ast_line_operand *operand = sk_arena_calloc(arena, 1, sizeof(*operand));
    if (stage == NULL || operand == NULL)
        return SK_ENOMEM;
    operand->text = text;
    *stage = (struct sk_ast_stage){
        .kind = SK_STAGE_LINE_FILTER, .line_op = SK_LINE_RE, .operands = operand};
    struct sk_ast_stage **tail = &log->stages;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = stage;
    return SK_OK;
}

void query_legacy_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct range_params p;
    const struct sk_ast_expr *expr = NULL;
    enum sk_err err = range_query(call, &p, &expr, &detail);
    if (err == SK_OK && expr->kind != SK_AST_LOG)
        err = sk_error_set(&detail, SK_EINVAL,
                           "rpc error: code = Code(400) desc = legacy endpoints only support "
                           "streams result type");
    if (err == SK_OK) {
        struct sk_ast_log log = expr->u.log;
        err = regexp_append(call, &log);
        if (err == SK_OK)
            err = streams_query(call, &p, &log, true, &detail);
    }
    if (err != SK_OK) {
        answer_error(call, err, detail.text);
        call_finish(call);
    }
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
        err = param_limit(call, "limit", 100, &limit, &detail);
    if (err == SK_OK)
        err = param_direction(call, &forward, &detail);
    if (err == SK_OK)
        err = parse_query(call, &expr, &detail);
    if (err == SK_OK && expr->kind == SK_AST_LOG)
        err = sk_error_set(
            &detail, SK_EINVAL,
            "log queries are not supported as an instant query type, please change your "
            "query to a range query type");
    if (err != SK_OK) {
        answer_error(call, err, detail.text);
        call_finish(call);
        return;
    }
    metric_query(call, expr, (struct time_range){time_ns, time_ns}, 0, false);
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
