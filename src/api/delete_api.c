/* SPDX-License-Identifier: Apache-2.0 */
/* delete_api.c -- /loki/api/v1/delete: adding, listing and cancelling delete requests, and which of
 * them queries heed. Adding and cancelling sync a file, so they run on a worker. */
#include "api/api_int.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "base/limits.h"
#include "querier/delete_filter.h"

static bool deletion_on(const struct call *call)
{
    return strcmp(call_limits(call)->deletion_mode, "disabled") != 0;
}

/* In a query for several tenants a request hides what is its tenant's alone: its selector gets a
 * matcher more. */
static enum sk_err delete_bind(struct sk_arena *arena, struct sk_str tenant, struct sk_delete *d)
{
    size_t brace = sk_str_find(d->query, SK_STR("{"), 0), at = brace + 1;
    if (brace == SIZE_MAX)
        return SK_OK; /* was checked when it was added: cannot be */
    while (at < d->query.len && d->query.ptr[at] == ' ')
        at++;
    bool alone = at < d->query.len && d->query.ptr[at] == '}';
    d->query = sk_arena_printf(arena, "%.*s__tenant_id__=`%.*s`%s%.*s", (int)(brace + 1),
                               d->query.ptr, SK_STR_ARG(tenant), alone ? "" : ", ",
                               (int)(d->query.len - brace - 1), d->query.ptr + brace + 1);
    return d->query.ptr == NULL ? SK_ENOMEM : SK_OK;
}

static enum sk_err deletes_of_all(const struct call *call, const struct sk_delete **ret,
                                  size_t *ret_count)
{
    struct sk_arena *arena = &call->req->arena;
    for (size_t i = 0; i < call->tenant_count; i++) {
        const struct sk_delete *items;
        size_t count;
        enum sk_err err =
            sk_deletes_list(call->api->opt.deletes, call->tenants[i], arena, &items, &count);
        struct sk_delete *all =
            err == SK_OK ? sk_arena_calloc(arena, *ret_count + count + 1, sizeof(*all)) : NULL;
        if (all == NULL)
            return SK_ENOMEM;
        if (*ret_count > 0)
            memcpy(all, *ret, *ret_count * sizeof(*all));
        for (size_t k = 0; k < count && err == SK_OK; k++) {
            all[*ret_count] = items[k];
            err = delete_bind(arena, call->tenants[i], &all[(*ret_count)++]);
        }
        if (err != SK_OK)
            return err;
        *ret = all;
    }
    return SK_OK;
}

enum sk_err call_deletes(const struct call *call, const struct sk_delete **ret, size_t *ret_count,
                         struct sk_error *reterr)
{
    struct sk_deletes *d = call->api->opt.deletes;
    *ret = NULL;
    *ret_count = 0;
    if (d == NULL || !deletion_on(call))
        return SK_OK;
    enum sk_err err = call->tenant_count > 0
                          ? deletes_of_all(call, ret, ret_count)
                          : sk_deletes_list(d, call->tenant, &call->req->arena, ret, ret_count);
    return err == SK_OK ? SK_OK
                        : sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
}

/* ---- adding ---- */

static enum sk_err bad(struct sk_error *reterr, const char *text)
{
    return sk_error_set(reterr, SK_EINVAL, "%s", text);
}

static enum sk_err times_get(const struct call *call, struct sk_delete *d, struct sk_error *reterr)
{
    struct sk_str start = param_get(call, "start"), end = param_get(call, "end");
    int64_t now_ms = sk_clock_now_ns() / SK_NS_PER_MS;
    d->created_ms = now_ms;
    d->end_ms = now_ms;
    if (start.len == 0)
        return bad(reterr, "start time not set");
    if (sk_delete_time_parse(start, &d->start_ms) != SK_OK)
        return bad(reterr, "invalid start time: require unix seconds or RFC3339 format");
    if (end.len > 0 && sk_delete_time_parse(end, &d->end_ms) != SK_OK)
        return bad(reterr, "invalid end time: require unix seconds or RFC3339 format");
    if (d->end_ms > now_ms)
        return bad(reterr, "deletes in the future are not allowed");
    if (d->start_ms >= d->end_ms)
        return bad(reterr, "start time can't be greater than or equal to end time");
    return SK_OK;
}

static enum sk_err request_get(struct call *call, struct sk_delete *d, struct sk_error *reterr)
{
    struct sk_error detail;
    struct sk_str interval = param_get(call, "max_interval");
    int64_t interval_ns;
    d->query = param_get(call, "query");
    if (d->query.len == 0)
        return bad(reterr, "query not set");
    if (d->query.len > SK_DELETE_QUERY_BYTES_MAX)
        return sk_error_set(reterr, SK_EINVAL, "query is longer than %u bytes",
                            SK_DELETE_QUERY_BYTES_MAX);
    enum sk_err err = sk_delete_query_check(&call->req->arena, d->query, &detail);
    if (err == SK_ENOMEM)
        return sk_error_set(reterr, err, "%s", detail.text);
    if (err != SK_OK)
        return bad(reterr, "invalid query expression");
    err = times_get(call, d, reterr);
    if (err == SK_OK && interval.len > 0 &&
        (sk_go_parse_duration(interval, &interval_ns, NULL) != SK_OK || interval_ns < SK_NS_PER_S))
        return bad(reterr, "invalid max_interval: valid time units are 's', 'm', 'h'");
    return err;
}

static void add_answer(struct call *call, enum sk_err err, const char *id, const char *text)
{
    if (err == SK_OK) {
        call->resp.status = 204;
        call->resp.headers = sk_arena_printf(&call->req->arena, "X-Delete-Request-Id: %s\r\n", id);
    } else if (err == SK_EINVAL) {
        answer_text(call, 400, text, true);
    } else if (err == SK_ELIMIT) {
        answer_text(call, 400, "too many delete requests: cancel some, or make them larger", true);
    } else {
        answer_text(call, err == SK_ENOMEM ? 429 : 500, sk_err_text(err), true);
    }
}

static void add(struct call *call)
{
    char id[SK_DELETE_ID_LEN + 1] = "";
    struct sk_error detail = {.text = ""};
    struct sk_delete d = {.id = ""};
    enum sk_err err = request_get(call, &d, &detail);
    if (err == SK_OK)
        err = sk_deletes_add(call->api->opt.deletes, call->tenant, &d, id);
    add_answer(call, err, id, detail.text);
}

/* ---- listing, cancelling ---- */

static void put_seconds(struct sk_strbuf *out, const char *name, int64_t ms)
{
    sk_strbuf_puts(out, name);
    sk_go_float_f(out, (double)ms / 1000);
}

static void list(struct call *call)
{
    const struct sk_delete *items;
    size_t count;
    struct sk_strbuf *out = &call->resp.body;
    if (sk_deletes_list(call->api->opt.deletes, call->tenant, &call->req->arena, &items, &count) !=
        SK_OK) {
        answer_text(call, 429, sk_err_text(SK_ENOMEM), true);
        return;
    }
    sk_strbuf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        sk_strbuf_printf(out, "%s{\"request_id\":\"%s\"", i > 0 ? "," : "", items[i].id);
        put_seconds(out, ",\"start_time\":", items[i].start_ms);
        put_seconds(out, ",\"end_time\":", items[i].end_ms);
        sk_strbuf_puts(out, ",\"query\":");
        sk_json_string_html(out, items[i].query);
        put_seconds(out, ",\"status\":\"received\",\"created_at\":", items[i].created_ms);
        sk_strbuf_puts(out, ",\"user_id\":\"\"}");
    }
    sk_strbuf_puts(out, "]\n");
    call->resp.status = 200;
    call->resp.content_type = "application/json";
}

static void cancel(struct call *call)
{
    enum sk_err err =
        sk_deletes_cancel(call->api->opt.deletes, call->tenant, param_get(call, "request_id"));
    if (err == SK_OK)
        call->resp.status = 204;
    else if (err == SK_ENOENT)
        answer_text(call, 404, "could not find delete request with given id", true);
    else
        answer_text(call, err == SK_ENOMEM ? 429 : 500, sk_err_text(err), true);
}

void delete_work(struct call *call)
{
    if (!deletion_on(call))
        answer_text(call, 403, "deletion is not available for this tenant", true);
    else if (sk_str_is(call->req->method, "GET"))
        list(call);
    else if (sk_str_is(call->req->method, "DELETE"))
        cancel(call);
    else
        add(call);
    call_finish(call);
}

/* Caches of query results would be dropped when this changes. */
void generation_numbers_work(struct call *call)
{
    int64_t ns = sk_deletes_generation(call->api->opt.deletes, call->tenant);
    sk_strbuf_putc(&call->resp.body, '"');
    if (ns != 0)
        sk_strbuf_i64(&call->resp.body, ns);
    sk_strbuf_puts(&call->resp.body, "\"\n");
    call->resp.status = 200;
    call->resp.content_type = "application/json";
    call_finish(call);
}
