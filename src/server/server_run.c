/* SPDX-License-Identifier: Apache-2.0 */
/* server_run.c -- see server_run.h. */
#include "server/server_run.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include <uv.h>

#include "api/api.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/vfs.h"
#include "base/workpool.h"
#include "config/config.h"
#include "http/server.h"
#include "ingester/ingester.h"
#include "ruler/rules.h"
#include "server/secrets.h"
#include "store/deletes.h"
#include "store/store.h"

struct server {
    const struct sk_config *config;
    uv_loop_t loop;
    uv_signal_t term, intr, hup;
    uv_timer_t grace, reload, secrets_timer;
    struct sk_loopq loopq;
    struct sk_budget total, bodies, heads, queries, caches;
    struct sk_config_overrides *overrides;
    struct sk_store *store;
    struct sk_deletes *deletes;
    struct sk_rules *rules;
    struct sk_ingester *ingester;
    struct sk_workpool *pool;
    struct sk_source sources[2];
    struct sk_api *api;
    struct sk_http_server *http;
    struct sk_secrets secrets;
    int lock_fd;
    bool stopping, http_gone, loopq_started;
    int64_t start_mono_ns;
};

/* ---- memory ---- */

/* A whole number from a file such as memory.max; 0 when there is none. */
static uint64_t number_in(const char *path)
{
    unsigned long long n = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu", &n) != 1)
        n = 0;       /* "max" */
    (void)fclose(f); /* read only */
    return n;
}

/* 0.8 of the cgroup's limit, or a quarter of the RAM, or what the flag says. */
static uint64_t memory_budget(const struct sk_config *config)
{
    if (config->memory_limit > 0)
        return config->memory_limit;
    uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max");
    if (limit == 0)
        limit = number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (limit > 0 && limit < ram)
        return limit / 10 * 8;
    return ram / 4;
}

static void budgets_init(struct server *s)
{
    uint64_t total = memory_budget(s->config);
    sk_budget_init(&s->total, total, NULL);
    sk_budget_init(&s->bodies, total / 100 * 20, &s->total);
    sk_budget_init(&s->heads, total / 100 * 40, &s->total);
    sk_budget_init(&s->queries, total / 100 * 25, &s->total);
    sk_budget_init(&s->caches, total / 100 * 10, &s->total);
    /* big buffers come and go with each push: keep them in the heap, and the heap in few arenas */
    (void)mallopt(M_MMAP_THRESHOLD, 8 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
    (void)mallopt(M_ARENA_MAX, 2);
}

/* ---- lock ---- */

static enum sk_err lock_take(struct server *s, struct sk_error *reterr)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/skald", s->config->path_prefix);
    enum sk_err err = sk_vfs_mkdirs(sk_vfs_posix(), path);
    if (err != SK_OK)
        return sk_error_set(reterr, err,
                            "cannot make the folder %s: %s (is it writable for this user?)", path,
                            sk_err_text(err));
    (void)snprintf(path, sizeof(path), "%s/skald/lock", s->config->path_prefix);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (s->lock_fd < 0)
        return sk_error_set(reterr, SK_EIO, "cannot open %s (is it writable for this user?)", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return sk_error_set(
            reterr, SK_EEXIST,
            "another skald uses the data directory %s (it holds %s); stop it first, or "
            "give this one a common.path_prefix of its own",
            s->config->path_prefix, path);
    return SK_OK;
}

/* ---- gauges ---- */

static void gauges(void *ctx)
{
    struct server *s = ctx;
    sk_ingester_gauges(s->ingester);
    sk_metric_set(sk_gauge("skald_memory_budget_bytes", "Bytes that skald may hold.", ""),
                  (int64_t)s->total.limit_bytes);
    sk_metric_set(
        sk_gauge("skald_memory_used_bytes", "Bytes charged, by account.", "account=\"bodies\""),
        (int64_t)sk_budget_used(&s->bodies));
    sk_metric_set(
        sk_gauge("skald_memory_used_bytes", "Bytes charged, by account.", "account=\"heads\""),
        (int64_t)sk_budget_used(&s->heads));
    sk_metric_set(
        sk_gauge("skald_memory_used_bytes", "Bytes charged, by account.", "account=\"queries\""),
        (int64_t)sk_budget_used(&s->queries));
    sk_metric_set(
        sk_gauge("skald_memory_used_bytes", "Bytes charged, by account.", "account=\"caches\""),
        (int64_t)sk_budget_used(&s->caches));
    sk_metric_set(sk_gauge("skald_queue_length", "Jobs waiting for a worker.", "class=\"ingest\""),
                  (int64_t)sk_workpool_waiting(s->pool, SK_WORK_INGEST));
    sk_metric_set(sk_gauge("skald_queue_length", "Jobs waiting for a worker.", "class=\"query\""),
                  (int64_t)sk_workpool_waiting(s->pool, SK_WORK_QUERY));
}

/* ---- stop ---- */

static void loop_end(struct server *s)
{
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->intr, NULL);
    uv_close((uv_handle_t *)&s->hup, NULL);
    uv_close((uv_handle_t *)&s->grace, NULL);
    uv_close((uv_handle_t *)&s->reload, NULL);
    uv_close((uv_handle_t *)&s->secrets_timer, NULL);
    sk_loopq_stop(&s->loopq);
    s->loopq_started = false;
}

static void http_stopped(void *ctx)
{
    struct server *s = ctx;
    s->http = NULL;
    loop_end(s);
}

static void on_grace(uv_timer_t *timer)
{
    struct server *s = timer->data;
    sk_log(SK_LOG_WARN, "stop: requests did not end in time, closing their connections");
    if (s->http != NULL)
        sk_http_server_abort(s->http);
}

static void on_stop_signal(uv_signal_t *handle, int signum)
{
    struct server *s = handle->data;
    (void)signum;
    if (s->stopping) {
        if (s->http != NULL)
            sk_http_server_abort(s->http);
        return;
    }
    s->stopping = true;
    sk_log(SK_LOG_INFO, "stopping");
    sk_api_set_stopping(s->api);
    int64_t ms = s->config->graceful_shutdown_timeout_ns / SK_NS_PER_MS;
    if (ms > 25000 || ms <= 0)
        ms = 25000; /* Kubernetes kills at 30 s */
    (void)uv_timer_start(&s->grace, on_grace, (uint64_t)ms, 0);
    sk_http_server_stop(s->http, http_stopped, s);
}

/* ---- overrides, certificates, users ---- */

static void overrides_reload(struct server *s)
{
    struct sk_error detail;
    if (s->overrides == NULL)
        return;
    if (sk_config_overrides_reload(s->overrides, &detail) != SK_OK)
        sk_log(SK_LOG_ERROR, "runtime configuration not taken over, the old one stays", "err",
               detail.text);
}

static void secrets_check(struct server *s)
{
    sk_secrets_check(&s->secrets, s->pool);
}

static void on_hup(uv_signal_t *handle, int signum)
{
    (void)signum;
    overrides_reload(handle->data);
    secrets_check(handle->data);
}

static void on_secrets(uv_timer_t *timer)
{
    secrets_check(timer->data);
}

static void on_reload(uv_timer_t *timer)
{
    overrides_reload(timer->data);
}

/* ---- start ---- */

/* Delete requests are there, and heeded, with compactor.retention_enabled only. */
static enum sk_err deletes_start(struct server *s, struct sk_error *reterr)
{
    char folder[4096];
    struct sk_deletes_options o = {.vfs = sk_vfs_posix(), .folder = folder, .budget = &s->caches};
    if (!s->config->retention_enabled)
        return SK_OK;
    (void)snprintf(folder, sizeof(folder), "%s/skald/deletes", s->config->path_prefix);
    return sk_deletes_create(&o, &s->deletes, reterr);
}

static enum sk_err parts_start(struct server *s, struct sk_error *reterr)
{
    const struct sk_config *cfg = s->config;
    struct sk_store_options so = {.config = cfg, .vfs = sk_vfs_posix(), .budget = &s->caches};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t workers = cfg->workers > 0 ? (size_t)cfg->workers : cpus > 1 ? (size_t)cpus : 2;
    const struct sk_work_limit work[SK_WORK_CLASSES] = {
        [SK_WORK_INGEST] = {.waiting = SK_WORK_INGEST_MAX, .running = (workers + 1) / 2},
        [SK_WORK_QUERY] = {.waiting = SK_WORK_QUERY_MAX},
        [SK_WORK_BACKGROUND] = {.waiting = SK_WORK_BACKGROUND_MAX}};
    enum sk_err err = sk_config_overrides_create(cfg, &s->overrides, reterr);
    if (err == SK_OK)
        err = sk_secrets_load(&s->secrets, cfg, reterr);
    if (err == SK_OK)
        err = sk_store_create(&so, &s->store, reterr);
    if (err == SK_OK)
        err = sk_store_takeover(s->store, reterr);
    if (err == SK_OK)
        err = deletes_start(s, reterr);
    if (err == SK_OK && cfg->ruler_enable_api &&
        sk_rules_create(cfg, sk_vfs_posix(), &s->rules) != SK_OK)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    if (err == SK_OK && sk_workpool_create(workers, work, &s->pool) != SK_OK)
        err = sk_error_set(reterr, SK_ENOMEM, "cannot start %zu worker threads", workers);
    if (err != SK_OK)
        return err;
    struct sk_ingester_options io = {.config = cfg,
                                     .overrides = s->overrides,
                                     .store = s->store,
                                     .pool = s->pool,
                                     .vfs = sk_vfs_posix(),
                                     .budget = &s->heads,
                                     .tail_budget = &s->queries};
    err = sk_ingester_create(&io, &s->ingester, reterr);
    if (err != SK_OK)
        return err;
    s->sources[0] = sk_ingester_source(s->ingester);
    s->sources[1] = sk_store_source(s->store);
    if (sk_loopq_start(&s->loopq, &s->loop) != SK_OK)
        return sk_error_set(reterr, SK_EIO, "cannot start the event loop");
    s->loopq_started = true;
    struct sk_api_options ao = {.config = cfg,
                                .overrides = s->overrides,
                                .users = s->secrets.users,
                                .ingester = s->ingester,
                                .sources = s->sources,
                                .source_count = 2,
                                .deletes = s->deletes,
                                .rules = s->rules,
                                .pool = s->pool,
                                .loopq = &s->loopq,
                                .query_budget = &s->queries,
                                .body_budget = &s->bodies,
                                .gauges = gauges,
                                .ctx = s};
    if (sk_api_create(&ao, &s->api) != SK_OK)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    return SK_OK;
}

static int64_t at_most(int64_t configured, int64_t cap)
{
    return configured > 0 && configured < cap ? configured : cap;
}

static enum sk_err listen_start(struct server *s, struct sk_error *reterr)
{
    const struct sk_config *cfg = s->config;
    struct sk_http_options ho = {
        .address = cfg->http_listen_address,
        .port = cfg->http_listen_port,
        .conn_max = cfg->http_listen_conn_limit > 0 ? (size_t)cfg->http_listen_conn_limit : 2048,
        .conn_per_peer_max = 256,
        .header_bytes_max = 1 << 20,
        .header_count_max = 256,
        .body_bytes_max = 10 << 20,
        .requests_per_conn_max = 10000,
        .header_timeout_ns = at_most(cfg->http_server_read_timeout_ns, 10 * SK_NS_PER_S),
        .idle_timeout_ns = at_most(cfg->http_server_idle_timeout_ns, 120 * SK_NS_PER_S),
        .write_timeout_ns = cfg->http_server_write_timeout_ns > 0
                                ? cfg->http_server_write_timeout_ns
                                : 30 * SK_NS_PER_S,
        .body_window_ns = 10 * SK_NS_PER_S,
        .body_window_bytes = 1024,
        .budget = &s->bodies,
        .tls = s->secrets.tls,
        .ctx = s->api,
        .on_headers = sk_api_on_headers,
        .on_request = sk_api_on_request,
        .on_done = sk_api_on_done,
    };
    return sk_http_server_start(&s->loop, &ho, &s->http, reterr);
}

static void handles_init(struct server *s)
{
    (void)uv_signal_init(&s->loop, &s->term);
    (void)uv_signal_init(&s->loop, &s->intr);
    (void)uv_signal_init(&s->loop, &s->hup);
    (void)uv_timer_init(&s->loop, &s->grace);
    (void)uv_timer_init(&s->loop, &s->reload);
    (void)uv_timer_init(&s->loop, &s->secrets_timer);
    s->term.data = s->intr.data = s->hup.data = s->grace.data = s->reload.data = s;
    s->secrets_timer.data = s;
    (void)uv_signal_start(&s->term, on_stop_signal, SIGTERM);
    (void)uv_signal_start(&s->intr, on_stop_signal, SIGINT);
    (void)uv_signal_start(&s->hup, on_hup, SIGHUP);
    uint64_t period = (uint64_t)(s->config->runtime_config_period_ns / SK_NS_PER_MS);
    if (s->overrides != NULL && period > 0)
        (void)uv_timer_start(&s->reload, on_reload, period, period);
    (void)uv_timer_start(&s->secrets_timer, on_secrets, SK_SECRETS_CHECK_MS, SK_SECRETS_CHECK_MS);
}

static void parts_stop(struct server *s)
{
    /* requests have ended; queued work runs out before the ingester goes */
    bool flush = s->stopping && (s->config->wal_flush_on_shutdown || sk_api_flush_at_stop(s->api));
    sk_workpool_destroy(s->pool);
    sk_ingester_destroy(s->ingester, flush);
    sk_api_destroy(s->api);
    sk_rules_destroy(s->rules);
    sk_deletes_destroy(s->deletes);
    sk_store_destroy(s->store);
    sk_config_overrides_destroy(s->overrides);
    sk_secrets_free(&s->secrets);
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd); /* gives the lock back */
}

int sk_server_run(const struct sk_config *config, struct sk_error *reterr)
{
    static struct server s; /* one per process; large */
    s = (struct server){.config = config, .lock_fd = -1, .start_mono_ns = sk_clock_mono_ns()};
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < config->warning_count; i++)
        sk_log(SK_LOG_WARN, "configuration", "note", config->warnings[i]);
    if (config->retention_enabled)
        sk_log(SK_LOG_WARN, "configuration", "note",
               "compactor.retention_enabled: this version deletes nothing by age; watch the disk");
    budgets_init(&s);
    enum sk_err err = uv_loop_init(&s.loop) == 0 ? lock_take(&s, reterr) : SK_EIO;
    if (err == SK_OK)
        err = parts_start(&s, reterr);
    if (err == SK_OK)
        err = listen_start(&s, reterr);
    if (err == SK_OK) {
        char port[16], took[32];
        handles_init(&s);
        (void)snprintf(port, sizeof(port), "%u", sk_http_server_port(s.http));
        (void)snprintf(took, sizeof(took), "%.3fs",
                       (double)(sk_clock_mono_ns() - s.start_mono_ns) / 1e9);
        sk_log(SK_LOG_INFO, "skald is ready", "port", port, "data", config->path_prefix, "took",
               took, "tls", s.secrets.tls != NULL ? "on" : "off");
        (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    } else if (s.loopq_started) {
        sk_loopq_stop(&s.loopq);
        (void)uv_run(&s.loop, UV_RUN_DEFAULT);
    }
    parts_stop(&s);
    (void)uv_run(&s.loop, UV_RUN_NOWAIT);
    (void)uv_loop_close(&s.loop);
    if (err == SK_OK)
        sk_log(SK_LOG_INFO, "stopped");
    return err == SK_OK ? 0 : 1;
}
