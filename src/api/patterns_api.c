/* SPDX-License-Identifier: Apache-2.0 */
/* patterns_api.c -- patterns: the kinds of lines of the streams that match, with their counts on
 * the grid of the step. */
#include "api/api_int.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "ingester/patterns.h"
#include "logql/parse.h"
#include "querier/log_query.h"

#define RESULT_BYTES_MAX ((size_t)256 << 20)

/* Finer than that is not counted. */
enum { STEP_MIN_S = 10 };

static enum sk_err patterns_collect(struct call *call, struct time_range range, int64_t step_ns,
                                    const struct sk_ast_matcher *selector,
                                    struct sk_pattern_result *ret, struct sk_error *reterr)
{
    struct sk_patterns *patterns = sk_ingester_patterns(call->api->opt.ingester);
    struct sk_matcher *m = NULL;
    size_t n = 0, tenants = call->tenant_count > 0 ? call->tenant_count : 1;
    enum sk_err err = sk_query_matchers(selector, &m, &n, reterr);
    if (err != SK_OK)
        return err;
    struct sk_pattern_query q = {.matchers = m,
                                 .matcher_count = n,
                                 .start_s = range.start_ns / SK_NS_PER_S,
                                 .end_s = range.end_ns / SK_NS_PER_S,
                                 .step_s = step_ns / SK_NS_PER_S};
    if (q.step_s < STEP_MIN_S)
        q.step_s = STEP_MIN_S;
    for (size_t i = 0; i < tenants && err == SK_OK; i++) {
        q.tenant = call->tenant_count > 0 ? call->tenants[i] : call->tenant;
        err = sk_patterns_collect(patterns, &q, ret);
    }
    sk_query_matchers_free(m, n);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "not enough memory for this query");
    sk_pattern_result_finish(ret);
    return SK_OK;
}

static void result_write(struct sk_strbuf *out, const struct sk_pattern_result *r)
{
    sk_strbuf_puts(out, "{\"status\":\"success\",\"data\":[");
    for (size_t i = 0; i < r->count; i++) {
        const struct sk_pattern *k = r->list[i];
        sk_strbuf_puts(out, i > 0 ? ",{\"pattern\":" : "{\"pattern\":");
        sk_json_string_html(out, k->text);
        sk_strbuf_puts(out, ",\"level\":");
        sk_json_string_html(out, k->level);
        sk_strbuf_puts(out, ",\"samples\":[");
        for (size_t n = 0; n < k->count; n++)
            sk_strbuf_printf(out, "%s[%lld,%llu]", n > 0 ? "," : "", (long long)k->samples[n].at_s,
                             (unsigned long long)k->samples[n].count);
        sk_strbuf_puts(out, "]}");
    }
    sk_strbuf_puts(out, "]}\n");
}

void patterns_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct time_range range;
    int64_t step_ns;
    const struct sk_ast_matcher *selector = NULL;
    struct sk_pattern_result result = {.list = NULL};
    struct sk_strbuf body;
    bool empty = false;
    bool off = sk_ingester_patterns(call->api->opt.ingester) == NULL;
    sk_arena_init(&result.arena, RESULT_BYTES_MAX, call->api->opt.query_budget);
    sk_strbuf_init(&body, RESULT_BYTES_MAX);
    enum sk_err err = param_range(call, &range, &detail);
    if (err == SK_OK && range.end_ns < range.start_ns)
        err = sk_error_set(&detail, SK_EINVAL,
                           "end timestamp must not be before or equal to start time");
    if (err == SK_OK)
        err = param_step(call, range, &step_ns, &detail);
    if (err == SK_OK)
        err = sk_logql_parse_selector(&call->req->arena, param_get(call, "query"), false, &selector,
                                      &detail);
    if (err == SK_OK)
        err = range_limits(call, &range, &empty, &detail);
    if (err == SK_OK && !off && !empty)
        err = patterns_collect(call, range, step_ns, selector, &result, &detail);
    if (err == SK_OK && !off)
        result_write(&body, &result);
    if (err == SK_OK && body.failed)
        err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    sk_pattern_result_deinit(&result);
    if (err == SK_OK && !off) {
        answer_json(call, &body);
    } else {
        sk_strbuf_deinit(&body);
        if (err == SK_OK)
            call->resp.status = 404; /* nothing else, as Loki */
        else
            answer_error(call, err, detail.text);
    }
    call_finish(call);
}
