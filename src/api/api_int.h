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
#include "logql/pipeline.h"
#include "querier/metric_query.h"
#include "querier/series_query.h"
#include "store/deletes.h"
#include "wire/push.h"

struct auth;
struct call;
struct pieces;
struct scratch;
struct sk_user;
struct tail;

enum route_flags {
    ROUTE_GET = 1,
    ROUTE_POST = 2,
    ROUTE_TENANT = 4, /* needs one */
    ROUTE_PUSH = 8,   /* body limits and error manners of a push */
    ROUTE_ADMIN = 16, /* loopback, or a user with the right */
    ROUTE_ANY = 32,   /* any method */
    ROUTE_DELETE = 64,
    ROUTE_OPEN = 128, /* for everybody, whatever the users file says */
    ROUTE_PUT = 256,
    ROUTE_URL = 512,      /* parameters are those of the URL, whatever the body is */
    ROUTE_DELETES = 1024, /* there only with compactor.retention_enabled */
    ROUTE_RULES = 2048,   /* there only with a storage of rules */
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
    _Atomic bool stopping, flush_at_stop;
    pthread_mutex_t scratch_lock;
    struct scratch *scratch; /* free ones */
    int64_t start_ns;
    struct auth *auth; /* NULL: no users file */
    /* tails; the loop's */
    struct tail *tails;
    size_t tail_count;
    uv_timer_t tail_timer;
    bool tail_timer_made;
    struct sk_metric *m_tails, *m_tail_bytes, *m_tail_drops;
};

struct call {
    struct sk_job job;
    struct sk_loopmsg msg;
    struct sk_api *api;
    struct sk_http_req *req;
    const struct route *route;
    struct sk_str tenant;
    /* Where a query finds entries: the server's sources, or one that asks several tenants. */
    const struct sk_source *sources;
    size_t source_count;
    struct sk_str *tenants;       /* of a query for several; then `tenant` is the first of them */
    size_t tenant_count;          /* 0: there is one */
    struct sk_limits *limits;     /* the strictest of theirs; NULL: those of `tenant` */
    const char *tenant_fault;     /* the refusal of query_range, which depends on the query */
    struct sk_str path_arg;       /* what {name} matched */
    struct sk_str path_arg2;      /* what the second {name} matched; empty: there is none */
    struct sk_http_param *params; /* form first, then URL */
    struct sk_http_response resp;
    _Atomic bool stop;
    void *state;            /* the handler's */
    struct pieces *pieces;  /* an answer that goes out in pieces */
    struct call *auth_next; /* waits for the same password */
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

bool from_loopback(const struct sk_http_req *req);
/* The request may go on: from `user`, or from nobody in particular (NULL). */
void auth_done(struct call *call, const struct sk_user *user);

/* ---- auth_api.c; the loop ---- */

SK_MUST_CHECK enum sk_err auth_create(struct sk_userfile *file, struct auth **ret_auth);
void auth_destroy(struct auth *auth); /* NULL is a no-op; no request may be open */
/* Ends, at once or later, in auth_done() or an answer. */
void auth_begin(struct call *call);
/* Before a body: a status above 0 and its text when the request is to be refused already. */
int auth_refusal(struct sk_api *api, const struct route *route, const struct sk_http_req *req,
                 const char **text);
/* Whether the user may name the request's tenant; false: answered. */
bool auth_tenant_ok(struct call *call, const struct sk_user *user);
/* ---- tenant.c ---- */

/* Sets the tenant, or tenants, and the sources. false: answered, unless call->tenant_fault is set:
 * then tenant_refuse() answers on a worker. */
bool tenant_set(struct call *call);
void tenant_refuse(struct call *call);

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
/* ["<ns>","line"], with a third element of metadata and parsed labels when they are given. */
void answer_value(struct sk_strbuf *out, int64_t ts_ns, struct sk_str line,
                  const struct sk_pipeline_labels *categorized);
/* "encodingFlags":[...]. */
void answer_flags(struct sk_strbuf *out, struct sk_str flags);
/* Whether the request asks for categorized labels; its flags as sent. */
bool encoding_flags(const struct call *call, struct sk_str *ret_flags);
/* Take the result and answer; false: out of memory, nothing was answered. `legacy`: in the form of
 * /api/prom/query. */
bool answer_streams(struct call *call, struct sk_log_result *result, bool legacy);
bool answer_metric(struct call *call, struct sk_metric_result *result);

/* ---- params.c ---- */

/* First value of a parameter; ptr NULL when absent. */
struct sk_str param_get(const struct call *call, const char *name);
SK_MUST_CHECK enum sk_err params_load(struct call *call, struct sk_error *reterr);

struct time_range {
    int64_t start_ns, end_ns;
};
/* SK_EINVAL with Go's words: strconv.<fn>: parsing "x": ... */
enum sk_err param_int_error(const char *fn, struct sk_str text, struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_range(const struct call *call, struct time_range *ret,
                                      struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_time(struct sk_str text, int64_t absent_ns, int64_t *ret_ns,
                                     struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_duration(struct sk_str text, int64_t *ret_ns,
                                         struct sk_error *reterr);
/* A number above 0: limit, line_limit. */
SK_MUST_CHECK enum sk_err param_limit(const struct call *call, const char *name, uint64_t absent,
                                      uint64_t *ret, struct sk_error *reterr);
enum { PARAM_STEPS_MAX = 11000 };
/* The step; absent: one that suits the range, PARAM_STEPS_MAX of which it may be at most. */
SK_MUST_CHECK enum sk_err param_step(const struct call *call, struct time_range range,
                                     int64_t *ret_ns, struct sk_error *reterr);
SK_MUST_CHECK enum sk_err param_direction(const struct call *call, bool *ret_forward,
                                          struct sk_error *reterr);
/* max_query_length and max_query_lookback. *ret_empty: nothing of the range is left. */
SK_MUST_CHECK enum sk_err range_limits(const struct call *call, struct time_range *range,
                                       bool *ret_empty, struct sk_error *reterr);
const struct sk_limits *call_limits(const struct call *call);

/* ---- query_api.c ---- */

struct range_params {
    struct time_range range;
    uint64_t limit;
    int64_t step_ns, interval_ns;
    bool forward;
};
SK_MUST_CHECK enum sk_err range_params(const struct call *call, struct range_params *p,
                                       struct sk_error *reterr);
/* `query` in the form that Loki executes. */
SK_MUST_CHECK enum sk_err parse_query(struct call *call, const struct sk_ast_expr **ret,
                                      struct sk_error *reterr);
/* Runs a log query within the tenant's limits. */
SK_MUST_CHECK enum sk_err log_query(struct call *call, const struct range_params *p,
                                    const struct sk_ast_log *log, struct sk_log_result *ret,
                                    struct sk_error *reterr);

/* ---- meta_api.c ---- */

/* A query for the streams of the request's tenant; both bounds inclusive. */
struct sk_series_query series_query(const struct call *call, struct time_range range,
                                    const struct sk_ast_matcher *m);

/* ---- query_api.c, for tails too ---- */

/* The tree of the parameter `query` as it is executed, in the request's arena. */
SK_MUST_CHECK enum sk_err parse_query(struct call *call, const struct sk_ast_expr **ret,
                                      struct sk_error *reterr);
/* The tenant's limits on a log query; max_query_lookback may move the range's start. */
SK_MUST_CHECK enum sk_err log_query_limits(const struct call *call, const struct sk_ast_log *log,
                                           uint64_t limit, struct time_range *range,
                                           struct sk_error *reterr);

/* ---- tail_api.c ---- */

/* Loop: every tail gets its close frame, and later ones too. */
void tails_stop(struct sk_api *api);
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
void tail_work(struct call *call);
void tail_legacy_work(struct call *call);
void query_legacy_work(struct call *call);
void labels_work(struct call *call);
void labels_legacy_work(struct call *call);
void label_values_work(struct call *call);
void series_work(struct call *call);
void stats_work(struct call *call);
void volume_work(struct call *call);
void volume_range_work(struct call *call);
void detected_labels_work(struct call *call);
void detected_fields_work(struct call *call);
void detected_values_work(struct call *call);
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
void patterns_work(struct call *call);
void drilldown_limits_serve(struct call *call);
void tenant_limits_serve(struct call *call);
void ring_serve(struct call *call);
void pattern_ring_serve(struct call *call);
void ruler_ring_serve(struct call *call);
void memberlist_serve(struct call *call);
void prepare_shutdown_serve(struct call *call);
void shutdown_serve(struct call *call);
void index_shards_serve(struct call *call);

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
