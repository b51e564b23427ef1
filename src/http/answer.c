/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c -- writes answers: whole ones with Content-Length, streamed ones in chunks, one
 * uv_write in flight per connection. The next piece is asked for when the last one has left, which
 * is the back-pressure: a slow reader holds one piece in memory. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "http/http_int.h"

#include <stdio.h>
#include <time.h>

static void write_done(uv_write_t *write, int status);

const char *sk_http_status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 301:
        return "Moved Permanently";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Request Entity Too Large";
    case 422:
        return "Unprocessable Entity";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 499:
        return "Client Closed Request";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "Unknown";
    }
}

void sk_http_req_free(struct sk_http_req *req)
{
    if (req == NULL)
        return;
    if (req->body_charged > 0)
        sk_budget_release(req->conn->server->opt.budget, req->body_charged);
    sk_strbuf_deinit(&req->body);
    sk_arena_deinit(&req->arena);
    sk_free(req);
}

/* RFC 9110 date, made anew once a second. */
static const char *date_now(void)
{
    static char text[40];
    static time_t made;
    time_t now = (time_t)(sk_clock_now_ns() / 1000000000);
    if (now != made) {
        struct tm tm;
        gmtime_r(&now, &tm);
        (void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm); /* always fits */
        made = now;
    }
    return text;
}

/* Takes what on_request was given back from the handler. true: the client is still there. */
static bool take_back(struct sk_http_req *req)
{
    struct sk_http_conn *conn = req->conn;
    sk_assert(req->with_handler && conn->req == req);
    req->with_handler = false;
    if (conn->closed) {
        sk_http_conn_release(conn);
        return false;
    }
    return conn->state != CONN_CLOSING;
}

static void write_out(struct sk_http_conn *conn, const char *tail)
{
    uv_buf_t bufs[3] = {
        uv_buf_init(conn->out_head.ptr, (unsigned)conn->out_head.len),
        uv_buf_init(conn->out_body.ptr, (unsigned)conn->out_body.len),
        uv_buf_init((char *)(uintptr_t)tail, (unsigned)strlen(tail)),
    };
    conn->state = CONN_WRITING;
    conn->since_ns = sk_clock_mono_ns();
    conn->sent_bytes += conn->out_head.len + conn->out_body.len;
    if (conn->out_head.failed || conn->out_body.failed ||
        sk_http_conn_write(conn, bufs, 3, write_done) != 0) {
        sk_http_conn_close(conn);
        if (conn->req->with_handler) /* a stream that is to go on: it learns that it need not */
            conn->req->pull(conn->req);
    }
}

static void head_write(struct sk_http_conn *conn, const struct sk_http_response *resp,
                       const char *framing, bool keep_alive)
{
    struct sk_strbuf *out = &conn->out_head;
    sk_strbuf_reset(out);
    conn->status = resp->status;
    sk_strbuf_printf(out, "HTTP/1.1 %d %s\r\n", resp->status, sk_http_status_text(resp->status));
    if (resp->content_type != NULL)
        sk_strbuf_printf(out, "Content-Type: %s\r\n", resp->content_type);
    if (resp->content_type != NULL && strncmp(resp->content_type, "text/plain", 10) == 0 &&
        resp->status >= 300)
        sk_strbuf_puts(out, "X-Content-Type-Options: nosniff\r\n");
    sk_strbuf_str(out, resp->headers);
    sk_strbuf_printf(out, "Date: %s\r\n%s%s\r\n", date_now(), framing,
                     keep_alive ? "" : "Connection: close\r\n");
}

void sk_http_respond(struct sk_http_req *req, struct sk_http_response *resp)
{
    struct sk_http_conn *conn = req->conn;
    char length[48] = "";
    sk_assert(!req->streaming);
    if (!take_back(req)) {
        sk_strbuf_deinit(&resp->body);
        return;
    }
    if (resp->close)
        conn->close_after = true;
    bool keep_alive = req->keep_alive && !conn->close_after && !conn->server->stopping;
    if (!keep_alive)
        conn->close_after = true;
    if (resp->status != 204)
        (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", resp->body.len);
    sk_strbuf_deinit(&conn->out_body);
    conn->out_body = resp->body;
    resp->body = (struct sk_strbuf){0};
    head_write(conn, resp, length, keep_alive);
    if (sk_str_is(req->method, "HEAD"))
        conn->out_body.len = 0;
    write_out(conn, "");
}

void sk_http_stream_begin(struct sk_http_req *req, const struct sk_http_response *resp,
                          void (*pull)(struct sk_http_req *req))
{
    struct sk_http_conn *conn = req->conn;
    sk_assert(!req->streaming && pull != NULL);
    req->streaming = true;
    req->pull = pull;
    if (conn->state != CONN_CLOSING && !conn->closed) {
        if (!req->chunked_ok || resp->close)
            conn->close_after = true;
        bool keep_alive = req->keep_alive && !conn->close_after && !conn->server->stopping;
        head_write(conn, resp, req->chunked_ok ? "Transfer-Encoding: chunked\r\n" : "", keep_alive);
    }
    pull(req);
}

void sk_http_stream_write(struct sk_http_req *req, struct sk_strbuf *piece, bool last)
{
    struct sk_http_conn *conn = req->conn;
    sk_assert(req->streaming && req->with_handler && !req->stream_last);
    if (conn->state == CONN_CLOSING || conn->closed) {
        sk_strbuf_deinit(piece);
        if (last)
            (void)take_back(req); /* drops everything */
        else
            req->pull(req); /* cancelled is set: the handler comes to its end */
        return;
    }
    bool empty = piece->len == 0;
    req->stream_last = last;
    if (req->chunked_ok && !empty)
        sk_strbuf_printf(&conn->out_head, "%zx\r\n", piece->len);
    sk_strbuf_deinit(&conn->out_body);
    conn->out_body = *piece;
    *piece = (struct sk_strbuf){0};
    if (last && !take_back(req))
        return;
    write_out(conn, !req->chunked_ok ? ""
                    : last           ? (empty ? "0\r\n\r\n" : "\r\n0\r\n\r\n")
                    : empty          ? ""
                                     : "\r\n");
}

static void write_done(uv_write_t *write, int status)
{
    struct sk_http_conn *conn = SK_CONTAINER_OF(write, struct sk_http_conn, write_req);
    struct sk_http_req *req = conn->req;
    sk_strbuf_deinit(&conn->out_body);
    sk_strbuf_reset(&conn->out_head);
    if (conn->state == CONN_CLOSING) {
        if (req != NULL && req->with_handler && req->streaming)
            req->pull(req);
        return;
    }
    if (status != 0) {
        sk_http_conn_close(conn);
        if (req->with_handler && req->streaming)
            req->pull(req);
        return;
    }
    if (req->streaming && !req->stream_last) {
        conn->state = CONN_BUSY;
        req->pull(req);
        return;
    }
    sk_http_conn_answered(conn);
}

static struct sk_str fail_headers(int status)
{
    if (status == 429)
        return SK_STR("Retry-After: 1\r\n");
    if (status == 401) /* which must come with a challenge */
        return SK_STR("WWW-Authenticate: Basic realm=\"skald\", charset=\"UTF-8\"\r\n");
    return SK_STR("");
}

void sk_http_conn_fail(struct sk_http_conn *conn, int status, const char *text)
{
    char large[160];
    struct sk_http_response resp = {.status = status,
                                    .content_type = "text/plain; charset=utf-8",
                                    .headers = fail_headers(status),
                                    .close = true};
    if (conn->req == NULL) { /* bytes that never became a request */
        conn->req = sk_calloc(1, sizeof(*conn->req));
        if (conn->req == NULL) {
            sk_http_conn_close(conn);
            return;
        }
        conn->req->conn = conn;
        conn->req->start_mono_ns = sk_clock_mono_ns();
    }
    if (text == NULL) {
        (void)snprintf(large, sizeof(large),
                       "request body too large: message size too large than max (%llu vs %llu)\n",
                       (unsigned long long)(conn->parser.content_length > conn->req->body.len
                                                ? conn->parser.content_length
                                                : conn->req->body.len),
                       (unsigned long long)conn->req->body_bytes_max);
        text = large;
    }
    sk_strbuf_init(&resp.body, 4096);
    sk_strbuf_puts(&resp.body, text);
    conn->state = CONN_BUSY;
    conn->req->with_handler = true;
    sk_http_respond(conn->req, &resp);
}
