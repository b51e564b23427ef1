/* SPDX-License-Identifier: Apache-2.0 */
/* ring_api.c -- what operators of a cluster ask: the rings, of which this process is the only
 * member, memberlist, and shutting down. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "api/api_int.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/jsonout.h"

enum { HOST_BYTES = 256 };

static void instance_name(char *host)
{
    if (gethostname(host, HOST_BYTES) != 0)
        (void)snprintf(host, HOST_BYTES, "localhost");
    host[HOST_BYTES - 1] = '\0';
}

static void member_write_json(struct sk_strbuf *out, const struct call *call, const char *host)
{
    int64_t now = sk_clock_now_ns();
    sk_strbuf_puts(out, "{\"shards\":[{\"id\":");
    sk_json_string(out, sk_str_from(host));
    sk_strbuf_puts(out, ",\"state\":\"ACTIVE\",\"address\":");
    sk_json_string(out, sk_str_from(call->api->config->http_listen_address));
    sk_strbuf_puts(out, ",\"timestamp\":\"");
    sk_rfc3339_format_s(out, now);
    sk_strbuf_puts(out, "\",\"registered_timestamp\":\"");
    sk_rfc3339_format_s(out, call->api->start_ns);
    sk_strbuf_puts(out, "\",\"zone\":\"\",\"tokens\":[0],\"ownership\":100}],\"now\":\"");
    sk_rfc3339_format_s(out, now);
    sk_strbuf_puts(out, "\"}\n");
}

/* A text in a page. */
static void html_write(struct sk_strbuf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
            sk_strbuf_printf(out, "&#%d;", *text);
        else
            sk_strbuf_putc(out, *text);
    }
}

static void member_write_html(struct sk_strbuf *out, const struct call *call, const char *host)
{
    sk_strbuf_puts(out, "<!DOCTYPE html>\n<html><head><meta charset=\"UTF-8\"><title>Ring Status"
                        "</title></head><body>\n<h1>Ring Status</h1>\n<p>Current time: ");
    sk_rfc3339_format_s(out, sk_clock_now_ns());
    sk_strbuf_puts(out, "</p>\n<table border=\"1\"><thead><tr><th>Instance ID</th><th>State</th>"
                        "<th>Address</th><th>Registered At</th><th>Tokens</th><th>Ownership</th>"
                        "</tr></thead><tbody><tr><td>");
    html_write(out, host);
    sk_strbuf_puts(out, "</td><td>ACTIVE</td><td>");
    html_write(out, call->api->config->http_listen_address);
    sk_strbuf_puts(out, "</td><td>");
    sk_rfc3339_format_s(out, call->api->start_ns);
    sk_strbuf_puts(out, "</td><td>1</td><td>100%</td></tr></tbody></table>\n</body></html>\n");
}

void ring_serve(struct call *call)
{
    char host[HOST_BYTES];
    struct sk_strbuf body;
    bool json = sk_str_find(sk_http_header_get(call->req, "Accept"), SK_STR("application/json"),
                            0) != SIZE_MAX;
    instance_name(host);
    sk_strbuf_init(&body, 64u << 10);
    if (json)
        member_write_json(&body, call, host);
    else
        member_write_html(&body, call, host);
    answer_json(call, &body);
    call->resp.content_type = json ? "application/json" : "text/html; charset=utf-8";
}

void pattern_ring_serve(struct call *call)
{
    if (call->api->config->pattern_ingester_enabled)
        ring_serve(call);
    else
        answer_text(call, 404, "404 page not found", true);
}

void ruler_ring_serve(struct call *call)
{
    answer_text(call, 200,
                "<!DOCTYPE html>\n<html><head><meta charset=\"UTF-8\"><title>Ruler Status</title>"
                "</head><body>\n<h1>Ruler Status</h1>\n<p>Ruler running with shards disabled</p>\n"
                "</body></html>\n",
                false);
    call->resp.content_type = "text/html; charset=utf-8";
}

void memberlist_serve(struct call *call)
{
    answer_text(call, 200, "This instance doesn't use memberlist.", false);
}

/* ---- shutting down ---- */

/* POST and DELETE mark and unmark that the stop flushes; GET tells. */
void prepare_shutdown_serve(struct call *call)
{
    _Atomic bool *mark = &call->api->flush_at_stop;
    if (sk_str_is(call->req->method, "GET")) {
        answer_text(call, 200, atomic_load(mark) ? "set" : "unset", false);
        return;
    }
    atomic_store(mark, sk_str_is(call->req->method, "POST"));
    call->resp.status = 204;
}

/* A parameter that is on unless it says otherwise. */
static bool is_on(const struct call *call, const char *name)
{
    struct sk_str text = param_get(call, name);
    return !sk_str_is(text, "false") && !sk_str_is(text, "0");
}

/* 204 at once. The stop is that of SIGTERM; with terminate=false the process stays, refuses pushes
 * and is not ready. */
void shutdown_serve(struct call *call)
{
    bool flush = is_on(call, "flush");
    call->resp.status = 204;
    if (is_on(call, "terminate")) {
        atomic_store(&call->api->flush_at_stop, flush);
        (void)kill(getpid(), SIGTERM); /* to ourselves: it cannot fail */
        return;
    }
    sk_api_set_stopping(call->api);
    if (flush)
        sk_ingester_flush(call->api->opt.ingester);
}

/* ---- what a single process has no use for ---- */

/* Nobody splits queries here; Loki itself fails behind the check in this mode. */
void index_shards_serve(struct call *call)
{
    struct sk_str size = param_get(call, "targetBytesPerShard");
    uint64_t bytes;
    if (sk_go_parse_bytes(size, &bytes, NULL) != SK_OK || bytes == 0)
        answer_text(call, 400, "targetBytesPerShard must be a positive value", false);
    else
        answer_text(call, 404, "404 page not found", true);
}
