/* SPDX-License-Identifier: Apache-2.0 */
/* api.h -- Loki's HTTP API: routes, parameters, answers, client-visible errors.
 *
 * The loop calls the three hooks; what costs CPU is done by workers, whose answers come back
 * through the loop's queue. Threads: hooks on the loop. */
#ifndef SK_API_API_H
#define SK_API_API_H

#include "base/err.h"
#include "base/loopq.h"
#include "http/server.h"
#include "store/source.h"

struct sk_api;
struct sk_budget;
struct sk_config;
struct sk_config_overrides;
struct sk_deletes;
struct sk_ingester;
struct sk_userfile;
struct sk_rules;
struct sk_workpool;

struct sk_api_options {
    const struct sk_config *config;
    const struct sk_config_overrides *overrides;
    struct sk_userfile *users; /* NULL: everybody may do everything */
    struct sk_ingester *ingester;
    const struct sk_source *sources; /* live ones first */
    size_t source_count;
    struct sk_deletes *deletes; /* NULL: there is no delete API */
    struct sk_rules *rules;     /* NULL: there is no rules API */
    struct sk_workpool *pool;
    struct sk_loopq *loopq;
    struct sk_budget *query_budget;
    struct sk_budget *body_budget;
    void (*gauges)(void *ctx); /* sets gauges before /metrics is written */
    void *ctx;
};

SK_MUST_CHECK enum sk_err sk_api_create(const struct sk_api_options *opt, struct sk_api **ret_api);
void sk_api_destroy(struct sk_api *api); /* NULL is a no-op; no request may be open */

/* /ready answers 503 from now on, pushes too; tails are closed. Loop. */
void sk_api_set_stopping(struct sk_api *api);

/* Somebody has asked that the stop flushes all chunks. `api` may be NULL. */
bool sk_api_flush_at_stop(const struct sk_api *api);

/* Hooks of struct sk_http_options; ctx is the api. */
int sk_api_on_headers(void *ctx, struct sk_http_req *req, const char **text);
void sk_api_on_request(void *ctx, struct sk_http_req *req);
void sk_api_on_done(void *ctx, const struct sk_http_req *req, int status, uint64_t sent_bytes);

#endif
