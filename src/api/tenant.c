/* SPDX-License-Identifier: Apache-2.0 */
/* tenant.c -- whose request it is: X-Scope-OrgID, or `fake` where nobody is told apart. A query may
 * name several tenants, joined by '|', where the configuration lets it; then it asks them through
 * one source, within the strictest of their limits. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api_int.h"
#include "logql/parse.h"
#include "objstore/objkey.h"
#include "querier/tenant_source.h"

enum { TENANTS_MAX = 1000, SHOWN_BYTES = 150 };

static bool tenant_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!-_.*'()", c) != NULL);
}

/* SK_EINVAL with Loki's text. */
static enum sk_err tenant_check(struct sk_str t, struct sk_error *reterr)
{
    for (size_t i = 0; i < t.len; i++) {
        if (!tenant_char(t.ptr[i]))
            return sk_error_set(reterr, SK_EINVAL,
                                "tenant ID '%.*s' contains unsupported character '%c'",
                                (int)(t.len > SHOWN_BYTES ? SHOWN_BYTES : t.len), t.ptr, t.ptr[i]);
    }
    if (sk_str_is(t, ".") || sk_str_is(t, ".."))
        return sk_error_set(reterr, SK_EINVAL, "tenant ID is '.' or '..'");
    if (t.len > SK_TENANT_BYTES_MAX)
        return sk_error_set(reterr, SK_EINVAL, "tenant ID is too long: max 150 characters");
    if (!sk_tenant_valid(t))
        return sk_error_set(reterr, SK_EINVAL,
                            "tenant ID 'index' is the name of the index folder; choose another");
    return SK_OK;
}

/* ---- refusing ---- */

/* Loki's query frontend wraps the text, except for metric queries. */
static void answer_wrapped(struct call *call, const char *text)
{
    answer_text(call, 400, "rpc error: code = Code(400) desc = ", false);
    sk_strbuf_puts(&call->resp.body, text);
}

void tenant_refuse(struct call *call)
{
    const struct sk_ast_expr *expr;
    struct sk_error detail;
    enum sk_err err = parse_query(call, &expr, &detail);
    if (err == SK_OK && expr->kind != SK_AST_LOG)
        answer_text(call, 400, call->tenant_fault, false);
    else
        answer_wrapped(call, call->tenant_fault);
    call_finish(call);
}

static void refuse(struct call *call, const char *text)
{
    if ((call->route->flags & ROUTE_PUSH) != 0) {
        answer_text(call, 400, text, true);
    } else if (call->route->work == query_instant_work) {
        answer_text(call, 400, text, false);
    } else if (call->route->work == query_range_work) {
        call->tenant_fault = sk_arena_str(&call->req->arena, sk_str_from(text)).ptr;
        if (call->tenant_fault == NULL)
            answer_wrapped(call, text);
    } else {
        answer_wrapped(call, text);
    }
}

/* ---- several tenants ---- */

static int name_cmp(const void *a, const void *b)
{
    return sk_str_cmp(*(const struct sk_str *)a, *(const struct sk_str *)b);
}

/* Sorted, each once. SK_ENOENT: one is empty. */
static enum sk_err tenants_split(struct call *call, struct sk_str text, struct sk_error *reterr)
{
    size_t n = 0, kept = 0;
    struct sk_str *list = sk_arena_calloc(&call->req->arena, TENANTS_MAX, sizeof(*list));
    if (list == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
    for (size_t at = 0; at <= text.len;) {
        size_t bar = sk_str_find(text, SK_STR("|"), at);
        size_t end = bar == SIZE_MAX ? text.len : bar;
        if (n == TENANTS_MAX)
            return sk_error_set(reterr, SK_EINVAL, "more than %d tenants in one query",
                                TENANTS_MAX);
        list[n] = (struct sk_str){text.ptr + at, end - at};
        enum sk_err err = list[n].len == 0 ? sk_error_set(reterr, SK_ENOENT, "no org id")
                                           : tenant_check(list[n], reterr);
        if (err != SK_OK)
            return err;
        n++;
        at = end + 1;
    }
    qsort(list, n, sizeof(*list), name_cmp);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !sk_str_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    }
    call->tenant = list[0];
    call->tenants = list;
    call->tenant_count = kept > 1 ? kept : 0;
    return SK_OK;
}

static void least_u64(uint64_t *v, uint64_t other)
{
    if (other > 0 && (*v == 0 || other < *v))
        *v = other;
}

static void least_i64(int64_t *v, int64_t other)
{
    if (other > 0 && (*v == 0 || other < *v))
        *v = other;
}

/* Of numbers 0 means none, so that the least positive one is the strictest. */
static void limits_tighten(struct sk_limits *l, const struct sk_limits *o)
{
    least_i64(&l->max_query_length_ns, o->max_query_length_ns);
    least_i64(&l->max_query_lookback_ns, o->max_query_lookback_ns);
    least_i64(&l->max_query_range_ns, o->max_query_range_ns);
    least_i64(&l->query_timeout_ns, o->query_timeout_ns);
    least_u64(&l->max_query_series, o->max_query_series);
    least_u64(&l->max_entries_limit_per_query, o->max_entries_limit_per_query);
    least_u64(&l->max_streams_matchers_per_query, o->max_streams_matchers_per_query);
    least_u64(&l->max_query_bytes_read, o->max_query_bytes_read);
    least_u64(&l->max_querier_bytes_read, o->max_querier_bytes_read);
    least_u64(&l->volume_max_series, o->volume_max_series);
    l->volume_enabled = l->volume_enabled && o->volume_enabled;
    if (o->minimum_labels_number > l->minimum_labels_number)
        l->minimum_labels_number = o->minimum_labels_number;
    if (l->required_labels.count == 0)
        l->required_labels = o->required_labels;
}

static enum sk_err tenants_join(struct call *call, struct sk_error *reterr)
{
    struct sk_arena *arena = &call->req->arena;
    const struct sk_api *api = call->api;
    struct sk_tenant_source *several = sk_arena_calloc(arena, 1, sizeof(*several));
    struct sk_source *source = sk_arena_calloc(arena, 1, sizeof(*source));
    struct sk_limits *limits = sk_arena_calloc(arena, 1, sizeof(*limits));
    if (several == NULL || source == NULL || limits == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
    *several = (struct sk_tenant_source){call->tenants, call->tenant_count, api->opt.sources,
                                         api->opt.source_count};
    *source = sk_tenant_source_of(several);
    *limits = *call_limits(call);
    for (size_t i = 1; i < call->tenant_count; i++)
        limits_tighten(limits, sk_config_limits(api->config, api->opt.overrides, call->tenants[i]));
    call->limits = limits;
    call->sources = source;
    call->source_count = 1;
    return SK_OK;
}

/* ---- the whole ---- */

bool tenant_set(struct call *call)
{
    struct sk_error detail;
    bool push = (call->route->flags & ROUTE_PUSH) != 0;
    call->sources = call->api->opt.sources;
    call->source_count = call->api->opt.source_count;
    if (!call->api->config->auth_enabled) {
        call->tenant = SK_STR("fake");
        return true;
    }
    struct sk_str t = sk_http_header_get(call->req, "X-Scope-OrgID");
    if (t.len == 0) {
        answer_text(call, 401, "no org id", true);
        return false;
    }
    bool several = memchr(t.ptr, '|', t.len) != NULL;
    if (several && (push || !call->api->config->multi_tenant_queries_enabled)) {
        answer_text(call, 400, "multiple org IDs present", push);
        return false;
    }
    enum sk_err err = several ? tenants_split(call, t, &detail) : tenant_check(t, &detail);
    if (err == SK_OK && !several)
        call->tenant = t;
    if (err == SK_OK && call->tenant_count > 0)
        err = tenants_join(call, &detail);
    if (err == SK_ENOENT)
        answer_text(call, 401, detail.text, true);
    else if (err == SK_ENOMEM)
        answer_error(call, err, detail.text);
    else if (err != SK_OK)
        refuse(call, detail.text);
    return err == SK_OK;
}
