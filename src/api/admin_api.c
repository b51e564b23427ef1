/* SPDX-License-Identifier: Apache-2.0 */
/* admin_api.c -- readiness, metrics, configuration, build information, flush. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api_int.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "base/log.h"

void ready_serve(struct call *call)
{
    if (atomic_load(&call->api->stopping)) {
        answer_text(call, 503, "skald is shutting down", true);
        return;
    }
    const char *why = sk_ingester_unavailable(call->api->opt.ingester);
    if (why != NULL)
        answer_text(call, 503, why, false);
    else
        answer_text(call, 200, "ready", true);
}

/* process_* as Prometheus' client libraries give them. */
static void process_metrics(const struct sk_api *api)
{
    struct rusage ru;
    long pages = 0, total = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%ld %ld", &total, &pages) != 2)
            pages = 0;
        (void)fclose(f); /* read only */
    }
    sk_metric_set(sk_gauge("process_resident_memory_bytes", "Resident memory size in bytes.", ""),
                  pages * sysconf(_SC_PAGESIZE));
    sk_metric_set(sk_gauge("process_start_time_seconds", "Start time since the Unix epoch.", ""),
                  api->start_ns / SK_NS_PER_S);
    if (getrusage(RUSAGE_SELF, &ru) == 0)
        sk_metric_set(sk_gauge("skald_process_cpu_milliseconds", "CPU time of the process.", ""),
                      (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
                          (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000);
    sk_metric_set(
        sk_gauge("loki_build_info", "Always 1; labels tell the version.",
                 "version=\"3.7.6\",revision=\"skald-0.1.0\",branch=\"main\",goversion=\"\""),
        1);
    for (int l = SK_LOG_DEBUG; l <= SK_LOG_ERROR; l++) {
        char labels[32];
        (void)snprintf(labels, sizeof(labels), "level=\"%s\"",
                       sk_log_level_name((enum sk_log_level)l));
        struct sk_metric *m =
            sk_counter("loki_log_messages_total", "Lines of skald's own log.", labels);
        sk_metric_add(m, sk_log_count((enum sk_log_level)l) - sk_metric_value(m));
    }
}

void metrics_work(struct call *call)
{
    struct sk_strbuf body;
    sk_strbuf_init(&body, 64u << 20);
    call->api->opt.gauges(call->api->opt.ctx);
    process_metrics(call->api);
    sk_metrics_write(&body);
    answer_json(call, &body);
    call->resp.content_type = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    call_finish(call);
}

void config_work(struct call *call)
{
    struct sk_strbuf body;
    sk_strbuf_init(&body, 64u << 20);
    sk_config_print(call->api->config, &body);
    answer_json(call, &body);
    call->resp.content_type = "text/plain; charset=utf-8";
    call_finish(call);
}

void buildinfo_serve(struct call *call)
{
    struct sk_strbuf body;
    sk_strbuf_init(&body, 4096);
    sk_strbuf_puts(&body, "{\"version\":\"3.7.6\",\"revision\":\"skald-0.1.0\",\"branch\":\"main\","
                          "\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}\n");
    answer_json(call, &body);
    call->resp.content_type = "application/json";
}

void services_serve(struct call *call)
{
    answer_text(call, 200,
                "server => Running\ningester => Running\nstore => Running\nquerier => Running\n",
                false);
}

void log_level_serve(struct call *call)
{
    struct sk_strbuf body;
    enum sk_log_level level = sk_log_get_level();
    int status = 200;
    sk_strbuf_init(&body, 4096);
    struct sk_str wanted = param_get(call, "log_level");
    if (sk_str_is(call->req->method, "GET")) {
        sk_strbuf_printf(&body, "{\"message\":\"Current log level is %s\"}\n",
                         sk_log_level_name(level));
    } else if (sk_log_level_by_name(wanted, &level)) {
        sk_log_set_level(level);
        sk_strbuf_printf(&body, "{\"status\":\"success\",\"message\":\"Log level set to %s\"}\n",
                         sk_log_level_name(level));
    } else {
        struct sk_strbuf msg;
        sk_strbuf_init(&msg, 1024);
        sk_strbuf_puts(&msg, "unrecognized log level ");
        sk_go_quote(&msg, wanted);
        sk_strbuf_puts(&body, "{\"status\":\"failed\",\"message\":");
        sk_json_string_html(&body, sk_strbuf_view(&msg));
        sk_strbuf_puts(&body, "}\n");
        sk_strbuf_deinit(&msg);
        status = 400;
    }
    answer_json(call, &body);
    call->resp.content_type = "application/json";
    call->resp.status = status;
}

/* 204 at once; the flush goes on in the background, as Loki's does. */
void flush_serve(struct call *call)
{
    sk_ingester_flush(call->api->opt.ingester);
    call->resp.status = 204;
}
