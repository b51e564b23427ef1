/* SPDX-License-Identifier: Apache-2.0 */
/* router.c -- every endpoint in one table, and the way of a request from the loop to its handler. */
#include "api/api.h"

#include <stdio.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "base/log.h"

#define GETPOST (ROUTE_GET | ROUTE_POST)

static const struct route routes[] = {
    {"/loki/api/v1/push", "loki_api_v1_push", ROUTE_POST | ROUTE_TENANT | ROUTE_PUSH,
     SK_WORK_INGEST, push_work, NULL},
    {"/api/prom/push", "api_prom_push", ROUTE_POST | ROUTE_TENANT | ROUTE_PUSH, SK_WORK_INGEST,
     push_legacy_work, NULL},
    {"/otlp/v1/logs", "otlp_v1_logs", ROUTE_POST | ROUTE_TENANT | ROUTE_PUSH, SK_WORK_INGEST,
     otlp_work, NULL},
    {"/loki/api/v1/query_range", "loki_api_v1_query_range", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     query_range_work, NULL},
    {"/loki/api/v1/query", "loki_api_v1_query", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     query_instant_work, NULL},
    {"/loki/api/v1/tail", "loki_api_v1_tail", GETPOST | ROUTE_TENANT, SK_WORK_QUERY, tail_work,
     NULL},
    {"/api/prom/tail", "api_prom_tail", GETPOST | ROUTE_TENANT, SK_WORK_QUERY, tail_legacy_work,
     NULL},
    {"/loki/api/v1/labels", "loki_api_v1_labels", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     labels_work, NULL},
    {"/loki/api/v1/label", "loki_api_v1_label", GETPOST | ROUTE_TENANT, SK_WORK_QUERY, labels_work,
     NULL},
    {"/loki/api/v1/label/{name}/values", "loki_api_v1_label_name_values", GETPOST | ROUTE_TENANT,
     SK_WORK_QUERY, label_values_work, NULL},
    {"/loki/api/v1/series", "loki_api_v1_series", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     series_work, NULL},
    {"/loki/api/v1/index/stats", "loki_api_v1_index_stats", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     stats_work, NULL},
    {"/loki/api/v1/index/volume", "loki_api_v1_index_volume", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     volume_work, NULL},
    {"/loki/api/v1/index/volume_range", "loki_api_v1_index_volume_range", GETPOST | ROUTE_TENANT,
     SK_WORK_QUERY, volume_range_work, NULL},
    {"/loki/api/v1/detected_labels", "loki_api_v1_detected_labels", GETPOST | ROUTE_TENANT,
     SK_WORK_QUERY, detected_labels_work, NULL},
    {"/loki/api/v1/detected_fields", "loki_api_v1_detected_fields", GETPOST | ROUTE_TENANT,
     SK_WORK_QUERY, detected_fields_work, NULL},
    {"/loki/api/v1/detected_field/{name}/values", "loki_api_v1_detected_field_name_values",
     GETPOST | ROUTE_TENANT, SK_WORK_QUERY, detected_values_work, NULL},
    {"/loki/api/v1/patterns", "loki_api_v1_patterns", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     patterns_work, NULL},
    {"/loki/api/v1/format_query", "loki_api_v1_format_query", GETPOST, SK_WORK_QUERY,
     format_query_work, NULL},
    {"/api/prom/query", "api_prom_query", GETPOST | ROUTE_TENANT, SK_WORK_QUERY, query_legacy_work,
     NULL},
    {"/api/prom/label", "api_prom_label", GETPOST | ROUTE_TENANT, SK_WORK_QUERY, labels_legacy_work,
     NULL},
    {"/api/prom/label/{name}/values", "api_prom_label_name_values", GETPOST | ROUTE_TENANT,
     SK_WORK_QUERY, labels_legacy_work, NULL},
    {"/api/prom/series", "api_prom_series", GETPOST | ROUTE_TENANT, SK_WORK_QUERY, series_work,
     NULL},
    {"/loki/api/v1/delete", "loki_api_v1_delete",
     GETPOST | ROUTE_PUT | ROUTE_DELETE | ROUTE_TENANT | ROUTE_URL | ROUTE_DELETES, SK_WORK_QUERY,
     delete_work, NULL},
    {"/loki/api/v1/cache/generation_numbers", "loki_api_v1_cache_generation_numbers",
     ROUTE_GET | ROUTE_TENANT | ROUTE_DELETES, SK_WORK_QUERY, generation_numbers_work, NULL},
#define RULES (ROUTE_TENANT | ROUTE_URL | ROUTE_RULES)
    {"/loki/api/v1/rules", "loki_api_v1_rules", ROUTE_GET | RULES, SK_WORK_QUERY, rules_work, NULL},
    {"/loki/api/v1/rules/{namespace}", "loki_api_v1_rules_namespace",
     GETPOST | ROUTE_DELETE | RULES, SK_WORK_QUERY, rules_space_work, NULL},
    {"/loki/api/v1/rules/{namespace}/{groupName}", "loki_api_v1_rules_namespace_groupname",
     ROUTE_GET | ROUTE_DELETE | RULES, SK_WORK_QUERY, rules_group_work, NULL},
    {"/api/prom/rules", "api_prom_rules", ROUTE_GET | RULES, SK_WORK_QUERY, rules_work, NULL},
    {"/api/prom/rules/{namespace}", "api_prom_rules_namespace", GETPOST | ROUTE_DELETE | RULES,
     SK_WORK_QUERY, rules_space_work, NULL},
    {"/api/prom/rules/{namespace}/{groupName}", "api_prom_rules_namespace_groupname",
     ROUTE_GET | ROUTE_DELETE | RULES, SK_WORK_QUERY, rules_group_work, NULL},
    {"/prometheus/api/v1/rules", "prometheus_api_v1_rules", ROUTE_GET | RULES, SK_WORK_QUERY,
     prom_rules_work, NULL},
    {"/prometheus/api/v1/alerts", "prometheus_api_v1_alerts", ROUTE_GET | RULES, SK_WORK_QUERY,
     NULL, prom_alerts_serve},
#undef RULES
    {"/ready", "ready", ROUTE_GET | ROUTE_OPEN, SK_WORK_QUERY, NULL, ready_serve},
    {"/metrics", "metrics", ROUTE_ANY | ROUTE_OPEN, SK_WORK_QUERY, metrics_work, NULL},
    {"/config", "config", ROUTE_GET | ROUTE_ADMIN, SK_WORK_QUERY, config_work, NULL},
    {"/services", "services", ROUTE_GET | ROUTE_ADMIN, SK_WORK_QUERY, NULL, services_serve},
    {"/log_level", "log_level", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL, log_level_serve},
    {"/flush", "flush", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL, flush_serve},
    {"/ring", "ring", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL, ring_serve},
    {"/distributor/ring", "distributor_ring", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL,
     ring_serve},
    {"/compactor/ring", "compactor_ring", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL, ring_serve},
    {"/scheduler/ring", "scheduler_ring", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL, ring_serve},
    {"/pattern/ring", "pattern_ring", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL,
     pattern_ring_serve},
    {"/ruler/ring", "ruler_ring", GETPOST | ROUTE_ADMIN, SK_WORK_QUERY, NULL, ruler_ring_serve},
    {"/memberlist", "memberlist", ROUTE_GET | ROUTE_ADMIN, SK_WORK_QUERY, NULL, memberlist_serve},
    {"/ingester/prepare_shutdown", "ingester_prepare_shutdown",
     GETPOST | ROUTE_DELETE | ROUTE_ADMIN, SK_WORK_QUERY, NULL, prepare_shutdown_serve},
    {"/ingester/shutdown", "ingester_shutdown", ROUTE_POST | ROUTE_ADMIN, SK_WORK_QUERY, NULL,
     shutdown_serve},
    {"/loki/api/v1/drilldown-limits", "loki_api_v1_drilldown_limits", ROUTE_GET | ROUTE_TENANT,
     SK_WORK_QUERY, NULL, drilldown_limits_serve},
    {"/config/tenant/v1/limits", "config_tenant_v1_limits", ROUTE_GET | ROUTE_TENANT, SK_WORK_QUERY,
     NULL, tenant_limits_serve},
    {"/loki/api/v1/index/shards", "loki_api_v1_index_shards", GETPOST | ROUTE_TENANT, SK_WORK_QUERY,
     NULL, index_shards_serve},
    {"/loki/api/v1/status/buildinfo", "loki_api_v1_status_buildinfo", ROUTE_GET, SK_WORK_QUERY,
     NULL, buildinfo_serve},
};

/* Segment by segment; {x} takes one that is not empty and writes it to the next of ret_args. */
static bool path_matches(const char *pattern, struct sk_str path, struct sk_str *ret_args)
{
    const char *p = pattern, *s = path.ptr, *end = path.ptr + path.len;
    while (*p != '\0') {
        if (*p == '{') {
            const char *from = s;
            while (s < end && *s != '/')
                s++;
            if (s == from)
                return false;
            *ret_args++ = (struct sk_str){from, (size_t)(s - from)};
            p = strchr(p, '}') + 1;
        } else if (s < end && *s == *p) {
            s++;
            p++;
        } else {
            return false;
        }
    }
    return s == end;
}

const struct route *route_find(struct sk_str path, struct sk_str ret_args[ROUTE_ARGS_MAX])
{
    struct sk_str args[ROUTE_ARGS_MAX];
    for (size_t i = 0; i < SK_COUNT_OF(routes); i++) {
        memset(args, 0, sizeof(args));
        if (path_matches(routes[i].path, path, args)) {
            memcpy(ret_args, args, sizeof(args));
            return &routes[i];
        }
    }
    return NULL;
}

/* The path below server.http_path_prefix; ptr NULL when it lies outside. */
static struct sk_str path_below_prefix(const struct sk_api *api, struct sk_str path)
{
    struct sk_str prefix = sk_str_from(api->config->http_path_prefix);
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/')
        prefix.len--;
    if (!sk_str_starts(path, prefix))
        return (struct sk_str){NULL, 0};
    return (struct sk_str){path.ptr + prefix.len, path.len - prefix.len};
}

int sk_api_on_headers(void *ctx, struct sk_http_req *req, const char **text)
{
    struct sk_api *api = ctx;
    struct sk_str args[ROUTE_ARGS_MAX];
    const struct route *route = route_find(path_below_prefix(api, req->path), args);
    int refusal = auth_refusal(api, route, req, text);
    if (refusal > 0)
        return refusal;
    if (route == NULL || (route->flags & ROUTE_PUSH) == 0) {
        req->body_bytes_max = 10u << 20; /* forms */
        return 0;
    }
    req->body_bytes_max = api->config->max_recv_msg_size;
    const char *why = atomic_load(&api->stopping) ? "skald is shutting down"
                                                  : sk_ingester_unavailable(api->opt.ingester);
    if (why != NULL) { /* before the body costs anything */
        *text = why;
        return 503;
    }
    return 0;
}

/* ---- dispatch ---- */

static void work_run(struct sk_job *job)
{
    struct call *call = SK_CONTAINER_OF(job, struct call, job);
    if (call->tenant_fault != NULL)
        tenant_refuse(call);
    else
        call->route->work(call);
}

static void on_cancel(struct sk_http_req *req)
{
    struct call *call = req->user;
    if (call != NULL)
        atomic_store(&call->stop, true);
}

static bool method_ok(const struct route *route, struct sk_str method)
{
    if (route->flags & ROUTE_ANY)
        return true;
    return (sk_str_is(method, "GET") && (route->flags & ROUTE_GET)) ||
           (sk_str_is(method, "POST") && (route->flags & ROUTE_POST)) ||
           (sk_str_is(method, "PUT") && (route->flags & ROUTE_PUT)) ||
           (sk_str_is(method, "DELETE") && (route->flags & ROUTE_DELETE));
}

/* Whether the configuration has the route at all. */
static bool route_on(const struct sk_api *api, const struct route *route)
{
    return ((route->flags & ROUTE_DELETES) == 0 || api->opt.deletes != NULL) &&
           ((route->flags & ROUTE_RULES) == 0 || api->opt.rules != NULL);
}

bool from_loopback(const struct sk_http_req *req)
{
    return strncmp(req->peer, "127.", 4) == 0 || strcmp(req->peer, "::1") == 0 ||
           strncmp(req->peer, "::ffff:127.", 11) == 0;
}

static void redirect(struct call *call, struct sk_str clean)
{
    struct sk_str q = call->req->raw_query;
    struct sk_str header = sk_arena_printf(&call->req->arena, "Location: %.*s%s%.*s\r\n",
                                           SK_STR_ARG(clean), q.len > 0 ? "?" : "", SK_STR_ARG(q));
    call->resp.headers = header;
    answer_text(call, 301, "", false);
    call->resp.content_type = NULL;
    call_finish(call);
}

static void dispatch(struct call *call)
{
    struct sk_http_req *req = call->req;
    struct sk_str clean, args[ROUTE_ARGS_MAX];
    if (sk_http_path_clean(&req->arena, req->raw_path, &clean) &&
        sk_str_find(clean, SK_STR("\r"), 0) == SIZE_MAX) {
        redirect(call, clean);
        return;
    }
    call->route = route_find(path_below_prefix(call->api, req->path), args);
    if (call->route != NULL) {
        call->path_arg = args[0];
        call->path_arg2 = args[1];
    }
    if (call->route == NULL || !route_on(call->api, call->route)) {
        answer_text(call, 404, "404 page not found", true);
    } else if (!method_ok(call->route, req->method)) {
        answer_text(call, 405, "", false);
        call->resp.content_type = NULL;
    } else {
        auth_begin(call);
        return;
    }
    call_finish(call);
}

/* false: answered. A fault of the header's is answered by a worker, and needs no tenant. */
static bool tenant_settled(struct call *call, const struct sk_user *user)
{
    if (!tenant_set(call))
        return call->tenant_fault != NULL;
    return user == NULL || auth_tenant_ok(call, user);
}

void auth_done(struct call *call, const struct sk_user *user)
{
    struct sk_error detail;
    if ((call->route->flags & ROUTE_ADMIN) != 0 && user == NULL && !from_loopback(call->req)) {
        answer_text(call, 403, "only served on the loopback address", true);
    } else if ((call->route->flags & ROUTE_TENANT) != 0 && !tenant_settled(call, user)) {
        /* answered */
    } else if ((call->route->flags & ROUTE_PUSH) == 0 && params_load(call, &detail) != SK_OK) {
        answer_text(call, 400, detail.text, false);
    } else if (call->route->serve != NULL) {
        call->route->serve(call);
    } else {
        call->job.run = work_run;
        enum sk_err err =
            sk_workpool_submit(call->api->opt.pool, call->route->work_class, &call->job);
        if (err == SK_OK)
            return;
        call->resp.headers = SK_STR("Retry-After: 1\r\n");
        answer_text(call, 429,
                    call->route->work_class == SK_WORK_INGEST
                        ? "too many pushes in flight, try again"
                        : "too many outstanding requests",
                    call->route->work_class == SK_WORK_INGEST);
    }
    call_finish(call);
}

void sk_api_on_request(void *ctx, struct sk_http_req *req)
{
    struct call *call = sk_arena_calloc(&req->arena, 1, sizeof(*call));
    if (call == NULL) {
        struct sk_http_response resp = {.status = 503, .close = true};
        sk_http_respond(req, &resp);
        return;
    }
    call->api = ctx;
    call->req = req;
    sk_strbuf_init(&call->resp.body, SIZE_MAX / 2);
    req->user = call;
    req->on_cancel = on_cancel;
    dispatch(call);
}

void sk_api_on_done(void *ctx, const struct sk_http_req *req, int status, uint64_t sent_bytes)
{
    struct sk_api *api = ctx;
    struct sk_str args[ROUTE_ARGS_MAX];
    char labels[256];
    const struct route *route = route_find(path_below_prefix(api, req->path), args);
    double seconds = (double)(sk_clock_mono_ns() - req->start_mono_ns) / 1e9;
    (void)snprintf(labels, sizeof(labels),
                   "method=\"%.*s\",route=\"%s\",status_code=\"%d\",ws=\"%s\"",
                   SK_STR_ARG(req->method), route == NULL ? "other" : route->label, status,
                   status == 101 ? "true" : "false");
    struct sk_metric *m = sk_metric_get(SK_METRIC_HISTOGRAM, "loki_request_duration_seconds",
                                        "Time spent serving HTTP requests.", labels,
                                        sk_metric_seconds, SK_COUNT_OF(sk_metric_seconds));
    sk_metric_observe(m, sk_metric_seconds, SK_COUNT_OF(sk_metric_seconds), seconds);
    if (status < 500 && sk_log_get_level() > SK_LOG_DEBUG)
        return;
    char code[16], took[32], bytes[24], path[160];
    (void)snprintf(code, sizeof(code), "%d", status);
    (void)snprintf(took, sizeof(took), "%.6fs", seconds);
    (void)snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)sent_bytes);
    (void)snprintf(path, sizeof(path), "%.*s",
                   (int)(req->raw_path.len > 150 ? 150 : req->raw_path.len),
                   req->raw_path.ptr == NULL ? "" : req->raw_path.ptr);
    sk_log(status >= 500 ? SK_LOG_WARN : SK_LOG_DEBUG, "request", "path", path, "status", code,
           "duration", took, "bytes", bytes, "peer", req->peer);
}

/* ---- life ---- */

enum sk_err sk_api_create(const struct sk_api_options *opt, struct sk_api **ret_api)
{
    struct sk_api *api = sk_calloc(1, sizeof(*api));
    if (api == NULL)
        return SK_ENOMEM;
    api->opt = *opt;
    api->config = opt->config;
    api->start_ns = sk_clock_now_ns();
    enum sk_err err = opt->users == NULL ? SK_OK : auth_create(opt->users, &api->auth);
    if (err != SK_OK) {
        sk_free(api);
        return err;
    }
    atomic_init(&api->flush_at_stop, false);
    pthread_mutex_init(&api->scratch_lock, NULL);
    *ret_api = api;
    return SK_OK;
}

void sk_api_destroy(struct sk_api *api)
{
    if (api == NULL)
        return;
    push_scratch_free(api);
    auth_destroy(api->auth);
    pthread_mutex_destroy(&api->scratch_lock);
    sk_free(api);
}

bool sk_api_flush_at_stop(const struct sk_api *api)
{
    return api != NULL && atomic_load(&api->flush_at_stop);
}

void sk_api_set_stopping(struct sk_api *api)
{
    atomic_store(&api->stopping, true);
    tails_stop(api);
}
