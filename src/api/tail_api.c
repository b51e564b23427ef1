/* SPDX-License-Identifier: Apache-2.0 */
/* tail_api.c -- /loki/api/v1/tail and its old form: parameters, and the life of a tail on the loop
 * (tail_int.h). */
#include "api/tail_int.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "http/websocket.h"

enum { TICK_MS = 500, DELAY_S_MAX = 5, CLOSE_CODE = 1011 };

/* ---- parameters ---- */

static enum sk_err delay_param(const struct call *call, int64_t *ret_ns, struct sk_error *reterr)
{
    struct sk_str text = param_get(call, "delay_for");
    int64_t s = 0;
    if (text.len > 0 && !sk_str_to_i64(text, &s))
        return param_int_error("Atoi", text, reterr);
    if (s > DELAY_S_MAX)
        return sk_error_set(reterr, SK_EINVAL, "delay_for can't be greater than %d", DELAY_S_MAX);
    *ret_ns = s > 0 ? s * SK_NS_PER_S : 0;
    return SK_OK;
}

static enum sk_err tail_params(struct call *call, struct tail *t, struct sk_error *reterr)
{
    const struct sk_ast_expr *expr = NULL;
    enum sk_err err = param_limit(call, "limit", 100, &t->limit, reterr);
    if (err == SK_OK)
        err = param_range(call, &t->range, reterr);
    if (err == SK_OK)
        err = delay_param(call, &t->delay_ns, reterr);
    if (err == SK_OK)
        err = parse_query(call, &expr, reterr);
    if (err != SK_OK)
        return err;
    t->range.end_ns = sk_clock_now_ns();
    if (t->range.start_ns > t->range.end_ns)
        t->range.start_ns = t->range.end_ns;
    if (expr->kind != SK_AST_LOG)
        return SK_OK; /* the close frame says so */
    t->log = &expr->u.log;
    return log_query_limits(call, t->log, t->limit, &t->range, reterr);
}

/* ---- steps ---- */

static void tail_stepped(struct sk_loopmsg *msg);

static void tail_step(struct sk_job *job)
{
    struct tail *t = SK_CONTAINER_OF(job, struct tail, job);
    if (!t->opened)
        tail_open(t);
    else
        tail_collect(t);
    t->msg.fn = tail_stepped;
    sk_loopq_post(t->api->opt.loopq, &t->msg);
}

/* When the queue of queries is full, the next tick tries again. */
static void step_begin(struct tail *t)
{
    if (t->busy || t->closing || t->gone)
        return;
    t->room = SK_TAIL_FRAMES_MAX - t->frame_count;
    t->job.run = tail_step;
    t->busy = sk_workpool_submit(t->api->opt.pool, SK_WORK_QUERY, &t->job) == SK_OK;
}

/* ---- the end ---- */

static void frames_free(struct tail *t)
{
    while (t->frames != NULL) {
        struct tail_frame *f = t->frames;
        t->frames = f->next;
        tail_frame_free(t, f);
    }
    t->frames_tail = &t->frames;
    t->frame_count = 0;
}

/* Gives back what can be given back; the request with it once the client has gone. */
static void tail_end(struct tail *t)
{
    struct sk_api *api = t->api;
    if (t->busy || (!t->closing && !t->gone))
        return;
    tail_release(t);
    frames_free(t);
    if (!t->gone)
        return;
    sk_budget_release(api->opt.query_budget, t->sending_bytes);
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        api->tails = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    sk_metric_set(api->m_tails, (int64_t)--api->tail_count);
    t->req->user = NULL;
    sk_ws_end(t->req); /* the tail lived in its arena */
}

static void tail_close(struct tail *t, const char *text)
{
    if (t->closing || t->gone)
        return;
    t->closing = true;
    sk_ws_close(t->req, CLOSE_CODE, sk_str_from(text)); /* may come back to on_gone */
}

static void on_gone(struct sk_http_req *req)
{
    struct tail *t = req->user;
    t->gone = true;
    t->call->stop = true; /* of the history */
    if (!t->busy) {       /* not from within the WebSocket's own call */
        t->busy = true;
        t->msg.fn = tail_stepped;
        sk_loopq_post(t->api->opt.loopq, &t->msg);
    }
}

/* ---- frames ---- */

static void frames_pump(struct tail *t)
{
    while (t->frames != NULL && !t->closing && !t->gone && sk_ws_room(t->req)) {
        struct tail_frame *f = t->frames;
        t->frames = f->next;
        if (t->frames == NULL)
            t->frames_tail = &t->frames;
        t->frame_count--;
        t->sending_bytes = f->charged_bytes; /* the one before has left */
        f->charged_bytes = 0;
        sk_metric_add(t->api->m_tail_bytes, f->text.len);
        sk_ws_send(t->req, &f->text);
        tail_frame_free(t, f);
    }
    if (!t->busy && t->more && t->frame_count <= SK_TAIL_FRAMES_MAX / 2)
        step_begin(t);
}

static void on_room(struct sk_http_req *req)
{
    struct tail *t = req->user;
    sk_budget_release(t->api->opt.query_budget, t->sending_bytes);
    t->sending_bytes = 0;
    frames_pump(t);
}

static void tail_stepped(struct sk_loopmsg *msg)
{
    struct tail *t = SK_CONTAINER_OF(msg, struct tail, msg);
    t->busy = false;
    if (t->made != NULL) {
        *t->frames_tail = t->made;
        t->frames_tail = t->made_tail;
        t->frame_count += t->made_count;
        t->made = NULL;
        t->made_tail = &t->made;
        t->made_count = 0;
    }
    sk_metric_add(t->api->m_tail_drops, t->dropped);
    t->dropped = 0;
    if (t->close.text[0] != '\0')
        tail_close(t, t->close.text);
    frames_pump(t);
    tail_end(t);
}

static void on_tick(uv_timer_t *timer)
{
    struct sk_api *api = timer->data;
    int64_t now = sk_clock_mono_ns(), max = api->config->tail_max_duration_ns;
    for (struct tail *t = api->tails, *next; t != NULL; t = next) {
        next = t->next;
        if (max > 0 && now - t->begun_mono_ns >= max) {
            tail_close(t, "reached tail max duration limit");
            tail_end(t);
        } else if (!t->busy && tail_has_work(t)) {
            step_begin(t);
        }
    }
}

void tails_stop(struct sk_api *api)
{
    for (struct tail *t = api->tails, *next; t != NULL; t = next) {
        next = t->next;
        tail_close(t, "all ingesters closed the connection");
        tail_end(t);
    }
    if (api->tail_timer_made)
        uv_close((uv_handle_t *)&api->tail_timer, NULL);
    api->tail_timer_made = false;
}

/* ---- the beginning ---- */

static void tails_begin(struct sk_api *api)
{
    if (api->tail_timer_made || atomic_load(&api->stopping))
        return;
    (void)uv_timer_init(api->opt.loopq->async.loop, &api->tail_timer);
    api->tail_timer.data = api;
    (void)uv_timer_start(&api->tail_timer, on_tick, TICK_MS, TICK_MS);
    api->tail_timer_made = true;
    api->m_tails = sk_gauge("loki_querier_tail_active", "Number of active tailers.", "");
    api->m_tail_bytes = sk_counter("loki_querier_tail_bytes_total", "Bytes sent to tails.", "");
    api->m_tail_drops = sk_counter("skald_tail_dropped_entries_total",
                                   "Entries that tails did not get: slow readers.", "");
}

static void tail_accept(struct sk_loopmsg *msg)
{
    struct tail *t = SK_CONTAINER_OF(msg, struct tail, msg);
    struct sk_api *api = t->api;
    struct sk_http_req *req = t->req;
    if (atomic_load(&req->cancelled) || atomic_load(&api->stopping)) {
        answer_text(t->call, 503, "stopping", true); /* of both only the second is seen */
        req->user = NULL;
        sk_http_respond(req, &t->call->resp);
        return;
    }
    tails_begin(api);
    t->begun_mono_ns = sk_clock_mono_ns();
    t->next = api->tails;
    if (t->next != NULL)
        t->next->prev = t;
    api->tails = t;
    sk_metric_set(api->m_tails, (int64_t)++api->tail_count);
    req->user = t;
    req->on_cancel = on_gone;
    sk_ws_accept(req, on_room);
    if (t->log == NULL)
        tail_close(t, "only log selector is supported");
    step_begin(t);
}

static bool upgrade_refused(struct call *call)
{
    int status = sk_ws_refusal(call->req);
    if (status == 0)
        return false;
    call->resp.headers = SK_STR("Results-Cache-Gen-Number: \r\nSec-Websocket-Version: 13\r\n");
    answer_text(call, status, sk_http_status_text(status), true);
    call_finish(call);
    return true;
}

static void tail_begin(struct call *call, bool legacy)
{
    struct sk_error detail = {.text = ""};
    struct tail *t = sk_arena_calloc(&call->req->arena, 1, sizeof(*t));
    if (t == NULL) {
        answer_error(call, SK_ENOMEM, "not enough memory for this query");
        call_finish(call);
        return;
    }
    t->api = call->api;
    t->call = call;
    t->req = call->req;
    t->legacy = legacy;
    t->categorize = encoding_flags(call, &t->flags) && !legacy;
    t->items_tail = &t->items;
    t->made_tail = &t->made;
    t->frames_tail = &t->frames;
    enum sk_err err = call->tenant_count > 0
                          ? sk_error_set(&detail, SK_EINVAL, "multiple org IDs present")
                          : tail_params(call, t, &detail);
    if (err != SK_OK) {
        call->resp.headers = SK_STR("Results-Cache-Gen-Number: \r\n");
        answer_error(call, err, detail.text);
        call_finish(call);
        return;
    }
    if (upgrade_refused(call))
        return;
    t->msg.fn = tail_accept;
    sk_loopq_post(call->api->opt.loopq, &t->msg);
}

void tail_work(struct call *call)
{
    tail_begin(call, false);
}

void tail_legacy_work(struct call *call)
{
    tail_begin(call, true);
}
