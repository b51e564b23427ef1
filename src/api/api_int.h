/* SPDX-License-Identifier: Apache-2.0 */
/* api_int.h -- shared inside src/api: one request on its way (struct call), routes, answers.
 *
 *   loop    sk_api_on_request: route, method, tenant, parameters -> inline answer, or
 *   worker  call->work() fills call->resp -> call_finish()
 *   loop    call_answer: sk_http_respond(); the call is gone with the request
 *
 * A call lives in the request's arena. call->stop is set when the client goes away. */
#ifndef SK_API_API_INT_H
#define SK_API_API_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "base/metrics.h"
#include "base/workpool.h"
#include "codec/codec.h"
#include "config/config.h"
#include "ingester/ingester.h"
#include "querier/metric_query.h"
#include "querier/series_query.h"
#include "store/deletes.h"
#include "wire/push.h"

struct call;
struct pieces;
struct scratch;

enum route_flags {
    ROUTE_GET = 1,
    ROUTE_POST = 2,
    ROUTE_TENANT = 4, /* needs one */
    ROUTE_PUSH = 8,   /* body limits and error manners of a push */
    ROUTE_ADMIN = 16, /* loopback only */
    ROUTE_ANY = 32,   /* any method */
    ROUTE_PUT = 64,
    ROUTE_DELETE = 128,
    ROUTE_URL = 256,     /* parameters are those of the URL, whatever the body is */
    ROUTE_RULES = 1024,  /* there only with a storage of rules */
    ROUTE_DELETES = 512, /* there only with compactor.retention_enabled */
};

struct route {
    const char *path;  /* {name} matches one segment */
    const char *label; /* for metrics */
    unsigned flags;
    enum sk_work_class work_class;
    void (*work)(struct call *call);  /* on a worker; must end in call_finish(), at once or later */
    void (*serve)(struct call *call); /* on the loop, instead of `work` */
};

struct sk_api {
    struct sk_api_options opt;
    const struct sk_config *config;
    _Atomic bool stopping;
    pthread_mutex_t scratch_lock;
    struct scratch *scratch; /* free ones */
    int64_t start_ns;
};

struct call {
    struct sk_job job;
    struct sk_loopmsg msg;
    struct sk_api *api;
    struct sk_http_req *req;
    const struct route *route;
    struct sk_str tenant;
    struct sk_str path_arg;       /* what {name} matched */
    struct sk_str path_arg2;      /* what the second {name} matched; empty: there is none */
    struct sk_http_param *params; /* form first, then URL */
    struct sk_http_response resp;
    _Atomic bool stop;
    void *state;           /* the handler's */
    struct pieces *pieces; /* an answer that goes out in pieces */
};

/* Buffers of one push while it is decoded; a few are kept between requests. */
struct scratch {
    struct scratch *next;
    struct sk_push push;
    struct sk_strbuf inflated; /* Content-Encoding taken off */
    struct sk_strbuf body;     /* snappy */
    struct sk_codec_ctx *codec;
    uint64_t charged; /* bytes of the body budget held for the unpacked body */
};

/* ---- router.c ---- */

enum { ROUTE_ARGS_MAX = 2 };

/* NULL: none. ret_args: what the {name}s matched, in order. */
const struct route *route_find(struct sk_str path, struct sk_str ret_args[ROUTE_ARGS_MAX]);

/* ---- api_answer.c ---- */

void call_finish(struct call *call); /* any thread */
/* A plain text answer of `status`; a newline is added when `newline`. */
void answer_text(struct call *call, int status, const char *text, bool newline);
/* JSON body with status 200. Takes `body`. */
void answer_json(struct call *call, struct sk_strbuf *body);
/* An error of a query with Loki's status for its code. */
void answer_error(struct call *call, enum sk_err err, const char *text);
/* The answer goes out in pieces: `produce` fills one on a worker, until *last. `state` is freed with
 * `dispose` in the end. */
void answer_pieces(struct call *call, const char *content_type,
                   void (*produce)(struct call *call, struct sk_strbuf *out, bool *last),
                   void (*dispose)(struct call *call));

/* ---- stats_answer.c, streams_answer.c, metric_answer.c ---- */

void answer_labels(struct sk_strbuf *out, struct sk_labelset set);
/* "warnings":[...], when there are any. */
void answer_warnings(struct sk_strbuf *out, const struct sk_log_stats *st);
void answer_stats(struct sk_strbuf *out, const struct sk_log_stats *st, uint64_t entries);
/* Take the result and answer; false: out of memory, nothing was answered. */
bool answer_streams(struct call *call, struct sk_log_result *result);
bool answer_metric(struct call *call, struct sk_metric_result *result);

/* ---- params.c ---- */

/* First value of a parameter; ptr NULL when absent. */
struct sk_str param_get(const struct call *call, const char *name);
SK_MUST_CHECK enum sk_err params_load(struct call *call, struct sk_error *reterr);

struct time_range {
    int64_t start_ns, end_ns;
};
SK_MUST_CHECK enum sk_err param_range(const struct call *call, struct time_range *ret,
                                      struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_time(struct sk_str text, int64_t absent_ns, int64_t *ret_ns,
                                     struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_duration(struct sk_str text, int64_t *ret_ns,
                                         struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_limit(const struct call *call, uint64_t absent, uint64_t *ret,
                                      struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_direction(const struct call *call, bool *ret_forward,
                                          struct sk_error *reterr);
/* max_query_length and max_query_lookback. *ret_empty: nothing of the range is left. */
SK_MUST_CHECK enum sk_err range_limits(const struct call *call, struct time_range *range,
                                       bool *ret_empty, struct sk_error *reterr);
const struct sk_limits *call_limits(const struct call *call);

/* ---- meta_api.c ---- */

/* A query for the streams of the request's tenant; both bounds inclusive. */
struct sk_series_query series_query(const struct call *call, struct time_range range,
                                    const struct sk_ast_matcher *m);

/* ---- delete_api.c ---- */

/* The delete requests that queries of the tenant heed, in the request's arena. */
SK_MUST_CHECK enum sk_err call_deletes(const struct call *call, const struct sk_delete **ret,
                                       size_t *ret_count, struct sk_error *reterr);

/* ---- handlers ---- */

void push_work(struct call *call);
void otlp_work(struct call *call);
void push_legacy_work(struct call *call);
void query_range_work(struct call *call);
void query_instant_work(struct call *call);
void labels_work(struct call *call);
void label_values_work(struct call *call);
void series_work(struct call *call);
void stats_work(struct call *call);
void volume_work(struct call *call);
void volume_range_work(struct call *call);
void detected_labels_work(struct call *call);
void format_query_work(struct call *call);
void delete_work(struct call *call);
void generation_numbers_work(struct call *call);
void rules_work(struct call *call);
void rules_space_work(struct call *call);
void rules_group_work(struct call *call);
void prom_rules_work(struct call *call);
void prom_alerts_serve(struct call *call);
void ready_serve(struct call *call);
void metrics_work(struct call *call);
void config_work(struct call *call);
void buildinfo_serve(struct call *call);
void services_serve(struct call *call);
void log_level_serve(struct call *call);
void flush_serve(struct call *call);

/* ---- push_api.c, for pushes of every form ---- */

struct scratch *scratch_take(struct sk_api *api); /* NULL: out of memory */
void scratch_give(struct sk_api *api, struct scratch *s);
void push_scratch_free(struct sk_api *api);
/* Gives a decoded push to the ingester, and the scratch back; `done` may run before it returns, on
 * any thread. `format` is static. */
void push_submit(struct call *call, struct scratch *s, struct sk_pushop *op, const char *format,
                 void (*done)(struct sk_pushop *op));
/* The most bytes that a body may unpack to. */
uint64_t push_unpack_max(const struct sk_api *api);
/* Unpacks `body` into `ret`; codec NULL: a raw snappy block. More than SK_PUSH_UNPACKED_BYTES_FREE
 * is charged to the budget of bodies until scratch_give. SK_ELIMIT: beyond push_unpack_max;
 * SK_ENOMEM: the budget has not that much now; others as sk_codec_unpack. */
enum sk_err push_unpack(struct sk_api *api, struct scratch *s, const enum sk_codec *codec,
                        struct sk_slice body, struct sk_strbuf *ret);
/* Retry-After where a status of a push asks for patience. */
void push_retry_header(struct call *call, int status);

#endif
