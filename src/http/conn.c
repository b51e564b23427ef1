/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c -- receives requests: reads, feeds llhttp, keeps the limits of time and size.
 *
 * Header bytes are gathered in conn->head and cut into pieces once the head is complete. Body bytes
 * are read straight into the request's buffer: while a body is expected, the read buffer is the
 * buffer's own tail, and on_body only moves its end (or the bytes, inside chunked framing). */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "http/http_int.h"

#include <arpa/inet.h>

enum {
    REQ_ARENA_BYTES_MAX = 64 << 20,
    PENDING_BYTES_MAX = 64 * 1024,
    BODY_STEP_BYTES = 64 * 1024,
    LINGER_S = 2,
};

static void conn_feed(struct sk_http_conn *conn, const char *data, size_t len);
static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);

/* ---- parser callbacks ---- */

static int refuse(struct sk_http_conn *conn, int status, const char *text)
{
    conn->fail_status = status;
    conn->fail_text = text;
    return HPE_USER;
}

static int on_message_begin(llhttp_t *parser)
{
    struct sk_http_conn *conn = parser->data;
    struct sk_http_req *req = sk_calloc(1, sizeof(*req));
    if (req == NULL)
        return refuse(conn, 503, "out of memory\n");
    sk_arena_init(&req->arena, REQ_ARENA_BYTES_MAX, conn->server->opt.budget);
    sk_strbuf_init(&req->body, SIZE_MAX / 2);
    req->conn = conn;
    req->start_mono_ns = sk_clock_mono_ns();
    req->body_bytes_max = conn->server->opt.body_bytes_max;
    memcpy(req->peer, conn->peer, sizeof(req->peer));
    sk_tls_names(conn, &req->cert_names, &req->cert_name_count);
    sk_assert(conn->req == NULL);
    conn->req = req;
    sk_strbuf_reset(&conn->head);
    conn->header_count = 0;
    conn->url_len = 0;
    conn->in_value = false;
    if (conn->state == CONN_IDLE) {
        conn->state = CONN_HEADERS;
        conn->since_ns = req->start_mono_ns;
    }
    return 0;
}

static int head_add(struct sk_http_conn *conn, const char *at, size_t len)
{
    if (conn->head.len + len > conn->server->opt.header_bytes_max)
        return refuse(conn, 431, "request line and headers are too large\n");
    sk_strbuf_add(&conn->head, at, len);
    return conn->head.failed ? refuse(conn, 503, "out of memory\n") : 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct sk_http_conn *conn = parser->data;
    conn->url_len += len;
    return head_add(conn, at, len);
}

/* One header is complete: from field_off to value_off its name, from there to the end its value. */
static int header_close(struct sk_http_conn *conn)
{
    struct sk_http_req *req = conn->req;
    if (++conn->header_count > conn->server->opt.header_count_max)
        return refuse(conn, 431, "too many headers\n");
    struct sk_http_header *h = sk_arena_alloc(&req->arena, sizeof(*h));
    if (h == NULL)
        return refuse(conn, 503, "out of memory\n");
    struct sk_str all = sk_strbuf_view(&conn->head);
    for (size_t i = conn->field_off; i < conn->value_off; i++) {
        if ((unsigned char)all.ptr[i] <= ' ')
            return refuse(conn, 400, "400 Bad Request: blank in a header's name\n");
    }
    h->name = sk_arena_str(
        &req->arena, (struct sk_str){all.ptr + conn->field_off, conn->value_off - conn->field_off});
    h->value = sk_arena_str(&req->arena, sk_str_trim((struct sk_str){all.ptr + conn->value_off,
                                                                     all.len - conn->value_off}));
    if (h->name.ptr == NULL || h->value.ptr == NULL)
        return refuse(conn, 503, "out of memory\n");
    h->next = req->headers; /* reversed again when the head is complete */
    req->headers = h;
    conn->in_value = false;
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct sk_http_conn *conn = parser->data;
    if (conn->in_value) {
        int rc = header_close(conn);
        if (rc != 0)
            return rc;
        conn->field_off = conn->head.len;
    } else if (conn->header_count == 0 && conn->head.len == conn->url_len) {
        conn->field_off = conn->head.len;
    }
    return head_add(conn, at, len);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct sk_http_conn *conn = parser->data;
    if (!conn->in_value) {
        conn->in_value = true;
        conn->value_off = conn->head.len;
    }
    return head_add(conn, at, len);
}

static int target_split(struct sk_http_conn *conn)
{
    struct sk_http_req *req = conn->req;
    struct sk_str url = sk_arena_str(&req->arena, (struct sk_str){conn->head.ptr, conn->url_len});
    if (url.ptr == NULL)
        return refuse(conn, 503, "out of memory\n");
    req->target = url;
    size_t scheme = sk_str_find(url, SK_STR("://"), 0);
    if (url.len > 0 && url.ptr[0] != '/' && scheme != SIZE_MAX) { /* absolute form */
        size_t slash = sk_str_find(url, SK_STR("/"), scheme + 3);
        size_t from = slash == SIZE_MAX ? url.len : slash;
        url = (struct sk_str){url.ptr + from, url.len - from};
    }
    size_t mark = sk_str_find(url, SK_STR("?"), 0);
    if (mark != SIZE_MAX) {
        req->raw_query = (struct sk_str){url.ptr + mark + 1, url.len - mark - 1};
        url.len = mark;
    }
    req->raw_path = url;
    if (sk_http_unescape(&req->arena, url, false, &req->path, NULL) != SK_OK)
        return refuse(conn, 400, "400 Bad Request: the path holds a bad %-escape\n");
    return 0;
}

static void headers_reverse(struct sk_http_req *req)
{
    struct sk_http_header *done = NULL;
    for (struct sk_http_header *h = req->headers, *next; h != NULL; h = next) {
        next = h->next;
        h->next = done;
        done = h;
    }
    req->headers = done;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct sk_http_conn *conn = parser->data;
    struct sk_http_req *req = conn->req;
    if (conn->in_value) {
        int rc = header_close(conn);
        if (rc != 0)
            return rc;
    }
    headers_reverse(req);
    if (parser->http_major == 1 && parser->http_minor >= 1 &&
        sk_http_header_count(req, "Host") != 1)
        return refuse(conn, 400, "400 Bad Request: exactly one Host header is required\n");
    req->method = sk_str_from(llhttp_method_name((llhttp_method_t)parser->method));
    int rc = target_split(conn);
    if (rc != 0)
        return rc;
    req->keep_alive = llhttp_should_keep_alive(parser) != 0;
    parser->upgrade = 0; /* the handler decides: one that is refused is a request like others */
    req->chunked_ok = parser->http_major == 1 && parser->http_minor >= 1;
    const char *text = NULL;
    int status = conn->server->opt.on_headers(conn->server->opt.ctx, req, &text);
    if (status > 0)
        return refuse(conn, status, text);
    bool has_length = sk_http_header_count(req, "Content-Length") > 0;
    if (has_length && parser->content_length > req->body_bytes_max)
        return refuse(conn, 413, NULL);
    if (has_length && parser->content_length > 0 && parser->content_length <= 1 << 20)
        (void)sk_strbuf_reserve(&req->body, (size_t)parser->content_length + BODY_STEP_BYTES);
    struct sk_str expect = sk_http_header_get(req, "Expect");
    if (req->chunked_ok && sk_str_eq_nocase(expect, SK_STR("100-continue"))) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        sk_http_conn_write_now(conn, go_on, sizeof(go_on) - 1); /* who misses it sends anyway */
    }
    conn->state = CONN_BODY;
    conn->since_ns = sk_clock_mono_ns();
    conn->window_bytes = 0;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct sk_http_conn *conn = parser->data;
    struct sk_http_req *req = conn->req;
    conn->window_bytes += len;
    if (len > req->body_bytes_max || req->body.len > req->body_bytes_max - len)
        return refuse(conn, 413, NULL);
    if (!sk_budget_charge(conn->server->opt.budget, len))
        return refuse(conn, 429, "too many requests in flight for the memory budget, try again\n");
    req->body_charged += len;
    if (req->body.ptr != NULL && at >= req->body.ptr + req->body.len &&
        at + len <= req->body.ptr + req->body.cap - 1) {
        memmove(req->body.ptr + req->body.len, at, len);
        req->body.len += len;
        return 0;
    }
    sk_strbuf_add(&req->body, at, len);
    return req->body.failed ? refuse(conn, 503, "out of memory\n") : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

void sk_http_conn_settings(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_message_begin = on_message_begin;
    settings->on_url = on_url;
    settings->on_header_field = on_header_field;
    settings->on_header_value = on_header_value;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_message_complete = on_message_complete;
}

/* ---- reading ---- */

uv_buf_t sk_http_conn_buffer(struct sk_http_conn *conn, char *buf, size_t len)
{
    if (conn->state != CONN_BODY || !sk_strbuf_reserve(&conn->req->body, BODY_STEP_BYTES))
        return uv_buf_init(buf, (unsigned)len);
    struct sk_strbuf *body = &conn->req->body;
    return uv_buf_init(body->ptr + body->len, (unsigned)(body->cap - 1 - body->len));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct sk_http_conn *conn = (struct sk_http_conn *)handle;
    struct sk_http_server *server = conn->server;
    (void)suggested;
    *buf = conn->tls != NULL
               ? uv_buf_init(server->read_buf, sizeof(server->read_buf))
               : sk_http_conn_buffer(conn, server->read_buf, sizeof(server->read_buf));
}

void sk_http_conn_reading(struct sk_http_conn *conn, bool on)
{
    if (on == conn->reading || conn->closed)
        return;
    conn->reading = on;
    if (on)
        (void)uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    else
        (void)uv_read_stop((uv_stream_t *)&conn->tcp);
}

/* The request is complete: bytes behind it wait, the handler has it. */
static void request_hand_over(struct sk_http_conn *conn, const char *rest, size_t rest_len)
{
    sk_strbuf_add(&conn->pending, rest, rest_len);
    struct sk_http_req *req = conn->req;
    if (conn->pending.failed) {
        sk_http_conn_close(conn);
        return;
    }
    conn->state = CONN_BUSY;
    req->with_handler = true;
    conn->since_ns = sk_clock_mono_ns();
    if (req->body.ptr != NULL)
        req->body.ptr[req->body.len] = '\0';
    if (++conn->requests >= conn->server->opt.requests_per_conn_max || conn->server->stopping)
        req->keep_alive = false;
    conn->server->opt.on_request(conn->server->opt.ctx, req);
}

static const char *parse_text(llhttp_errno_t rc)
{
    switch ((int)rc) {
    case HPE_INVALID_METHOD:
        return "400 Bad Request: unknown method\n";
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
        return "400 Bad Request: bad Content-Length\n";
    case HPE_INVALID_TRANSFER_ENCODING:
        return "400 Bad Request: bad Transfer-Encoding\n";
    case HPE_INVALID_CHUNK_SIZE:
        return "400 Bad Request: bad chunk size\n";
    default:
        return "400 Bad Request: not a well-formed HTTP/1.1 request\n";
    }
}

static void conn_feed(struct sk_http_conn *conn, const char *data, size_t len)
{
    if (len == 0)
        return;
    llhttp_errno_t rc = llhttp_execute(&conn->parser, data, len);
    if (rc == HPE_OK)
        return;
    if (rc == HPE_PAUSED) {
        const char *at = llhttp_get_error_pos(&conn->parser);
        size_t used = at >= data && at <= data + len ? (size_t)(at - data) : len;
        request_hand_over(conn, data + used, len - used);
        return;
    }
    if (conn->fail_status == 0)
        (void)refuse(conn, 400, parse_text(rc));
    sk_http_conn_fail(conn, conn->fail_status, conn->fail_text);
}

void sk_http_conn_cancel(struct sk_http_conn *conn)
{
    struct sk_http_req *req = conn->req;
    if (req != NULL && !atomic_exchange(&req->cancelled, true) && req->on_cancel != NULL)
        req->on_cancel(req);
}

void sk_http_conn_eof(struct sk_http_conn *conn)
{
    conn->eof = true;
    if (conn->state == CONN_BUSY || conn->state == CONN_WRITING) {
        sk_http_conn_reading(conn, false);
        sk_http_conn_cancel(conn);
        return;
    }
    sk_http_conn_close(conn);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct sk_http_conn *conn = (struct sk_http_conn *)stream;
    if (nread == 0)
        return;
    if (nread < 0) {
        sk_http_conn_eof(conn);
        return;
    }
    if (conn->tls != NULL)
        sk_tls_feed(conn, buf->base, (size_t)nread);
    else
        sk_http_conn_input(conn, buf->base, (size_t)nread);
}

void sk_http_conn_input(struct sk_http_conn *conn, const char *data, size_t len)
{
    switch (conn->state) {
    case CONN_IDLE:
    case CONN_HEADERS:
    case CONN_BODY:
        conn_feed(conn, data, len);
        return;
    case CONN_BUSY:
    case CONN_WRITING: /* the next request, early: keep a little, then let TCP hold the rest */
        sk_strbuf_add(&conn->pending, data, len);
        if (conn->pending.failed)
            sk_http_conn_close(conn);
        else if (conn->pending.len >= PENDING_BYTES_MAX)
            sk_http_conn_reading(conn, false);
        return;
    case CONN_WEBSOCKET:
        sk_ws_feed(conn, data, len);
        return;
    case CONN_LINGER:
    case CONN_CLOSING:
        return;
    }
}

void sk_http_conn_linger(struct sk_http_conn *conn)
{
    conn->state = CONN_LINGER;
    conn->since_ns = sk_clock_mono_ns();
    sk_tls_bye(conn, false);
    if (conn->state == CONN_CLOSING)
        return;
    (void)uv_shutdown(&conn->shutdown_req, (uv_stream_t *)&conn->tcp, NULL);
    sk_http_conn_reading(conn, true);
}

void sk_http_conn_answered(struct sk_http_conn *conn)
{
    struct sk_http_req *req = conn->req;
    conn->req = NULL;
    if (conn->server->opt.on_done != NULL)
        conn->server->opt.on_done(conn->server->opt.ctx, req, conn->status, conn->sent_bytes);
    bool keep = req->keep_alive && !conn->close_after && !conn->eof && !conn->server->stopping;
    sk_http_req_free(req);
    if (conn->closed)
        return;
    conn->since_ns = sk_clock_mono_ns();
    if (!keep) {
        if (conn->eof) {
            sk_http_conn_close(conn);
            return;
        }
        sk_http_conn_linger(conn);
        return;
    }
    conn->state = CONN_IDLE;
    llhttp_resume(&conn->parser);
    sk_http_conn_reading(conn, true);
    if (conn->pending.len > 0) {
        struct sk_strbuf waiting = conn->pending;
        sk_strbuf_init(&conn->pending, waiting.max_bytes);
        conn_feed(conn, waiting.ptr, waiting.len);
        sk_strbuf_deinit(&waiting);
    }
}

/* ---- writing ---- */

int sk_http_conn_write(struct sk_http_conn *conn, const uv_buf_t *bufs, unsigned count,
                       uv_write_cb done)
{
    if (conn->tls != NULL)
        return sk_tls_write(conn, bufs, count, done);
    return uv_write(&conn->write_req, (uv_stream_t *)&conn->tcp, bufs, count, done);
}

void sk_http_conn_write_now(struct sk_http_conn *conn, const char *data, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)len);
    if (conn->tls != NULL)
        sk_tls_write_now(conn, data, len);
    else
        (void)uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
}

/* ---- coming and going ---- */

static void peer_name(struct sk_http_conn *conn)
{
    struct sockaddr_storage addr;
    int len = (int)sizeof(addr);
    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&addr, &len) != 0)
        return;
    if (addr.ss_family == AF_INET6)
        (void)uv_ip6_name((struct sockaddr_in6 *)&addr, conn->peer, sizeof(conn->peer));
    else
        (void)uv_ip4_name((struct sockaddr_in *)&addr, conn->peer, sizeof(conn->peer));
    conn->loopback = strncmp(conn->peer, "127.", 4) == 0 || strcmp(conn->peer, "::1") == 0 ||
                     strncmp(conn->peer, "::ffff:127.", 11) == 0;
}

static bool peer_has_too_many(const struct sk_http_conn *conn)
{
    size_t same = 0;
    if (conn->loopback)
        return false;
    for (const struct sk_http_conn *c = conn->server->conns; c != NULL; c = c->next)
        same += strcmp(c->peer, conn->peer) == 0;
    return same > conn->server->opt.conn_per_peer_max;
}

void sk_http_conn_accept(struct sk_http_server *server)
{
    struct sk_http_conn *conn = sk_calloc(1, sizeof(*conn));
    if (conn == NULL)
        return; /* stays in the backlog until memory is there */
    (void)uv_tcp_init(server->loop, &conn->tcp);
    conn->server = server;
    conn->state = CONN_IDLE;
    conn->since_ns = sk_clock_mono_ns();
    conn->next = server->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->conns = conn;
    server->conn_count++;
    sk_strbuf_init(&conn->head, server->opt.header_bytes_max + 1);
    sk_strbuf_init(&conn->pending,
                   PENDING_BYTES_MAX + sizeof(server->read_buf) + BODY_STEP_BYTES * 32);
    sk_strbuf_init(&conn->out_head, 64 * 1024);
    sk_strbuf_init(&conn->out_body, SIZE_MAX / 2);
    llhttp_init(&conn->parser, HTTP_REQUEST, &server->settings);
    conn->parser.data = conn;
    if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&conn->tcp) != 0 ||
        server->conn_count > server->opt.conn_max) {
        sk_http_conn_close(conn);
        return;
    }
    (void)uv_tcp_nodelay(&conn->tcp, 1);
    peer_name(conn);
    if (peer_has_too_many(conn) || (server->opt.tls != NULL && !sk_tls_conn_create(conn))) {
        sk_http_conn_close(conn);
        return;
    }
    sk_http_conn_reading(conn, true);
}

static void conn_free(struct sk_http_conn *conn)
{
    struct sk_http_server *server = conn->server;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    sk_assert(server->conn_count > 0);
    server->conn_count--;
    sk_strbuf_deinit(&conn->head);
    sk_strbuf_deinit(&conn->pending);
    sk_strbuf_deinit(&conn->out_head);
    sk_strbuf_deinit(&conn->out_body);
    sk_tls_conn_free(conn);
    sk_ws_free(conn->ws);
    sk_free(conn);
    sk_http_server_conn_gone(server);
}

/* The handle is gone. A request that the handler still has keeps the connection's memory until it
 * is answered (answer.c sees `closed`). */
static void on_closed(uv_handle_t *handle)
{
    struct sk_http_conn *conn = (struct sk_http_conn *)handle;
    if (conn->ws != NULL)
        sk_ws_closed(conn);
    else
        sk_http_conn_closed(conn);
}

void sk_http_conn_closed(struct sk_http_conn *conn)
{
    conn->closed = true;
    if (conn->req == NULL || !conn->req->with_handler)
        sk_http_conn_release(conn);
}

void sk_http_conn_release(struct sk_http_conn *conn)
{
    sk_assert(conn->closed);
    struct sk_http_req *req = conn->req;
    conn->req = NULL;
    if (req != NULL) {
        if (conn->server->opt.on_done != NULL)
            conn->server->opt.on_done(conn->server->opt.ctx, req, conn->ws != NULL ? 101 : 499,
                                      conn->sent_bytes);
        sk_http_req_free(req);
    }
    conn_free(conn);
}

void sk_http_conn_close(struct sk_http_conn *conn)
{
    if (conn->state == CONN_CLOSING)
        return;
    if (conn->state != CONN_LINGER)
        sk_tls_bye(conn, true);
    conn->state = CONN_CLOSING;
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
    if (conn->req != NULL && conn->req->with_handler)
        sk_http_conn_cancel(conn);
}

void sk_http_conn_sweep(struct sk_http_conn *conn, int64_t now_ns)
{
    const struct sk_http_options *opt = &conn->server->opt;
    int64_t age = now_ns - conn->since_ns;
    switch (conn->state) {
    case CONN_IDLE:
        if (age > (sk_tls_conn_open(conn) ? opt->idle_timeout_ns : opt->header_timeout_ns))
            sk_http_conn_close(conn);
        return;
    case CONN_HEADERS:
        if (age > opt->header_timeout_ns)
            sk_http_conn_fail(conn, 408, "the request's headers did not end in time\n");
        return;
    case CONN_BODY:
        if (age <= opt->body_window_ns)
            return;
        if (conn->window_bytes < opt->body_window_bytes) {
            sk_http_conn_fail(conn, 408, "the request's body arrives too slowly\n");
            return;
        }
        conn->window_bytes = 0;
        conn->since_ns = now_ns;
        return;
    case CONN_WRITING:
        if (age > opt->write_timeout_ns)
            sk_http_conn_close(conn);
        return;
    case CONN_WEBSOCKET:
        sk_ws_sweep(conn, now_ns);
        return;
    case CONN_LINGER:
        if (age > LINGER_S * SK_NS_PER_S)
            sk_http_conn_close(conn);
        return;
    case CONN_BUSY:
    case CONN_CLOSING:
        return;
    }
}
