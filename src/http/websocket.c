/* SPDX-License-Identifier: Apache-2.0 */
/* websocket.c -- see websocket.h. wslay reads the client's frames and makes control frames; text
 * frames go out without it, for it would copy them.
 *
 * Bytes leave in units of one uv_write: the text frame that waits, then the control frames gathered
 * meanwhile. After our close frame nothing is written; the connection lingers until the client's
 * end, like one that was answered for the last time. */
#include "http/websocket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "http/http_int.h"
#include "http/ws_key.h"

enum {
    REASON_BYTES_MAX = 123,
    CONTROL_BYTES_MAX = 64 * 1024, /* a client that pings and does not read is cut off */
    PING_MS = 1000,
    CLOSE_WAIT_S = 2,   /* for the answer to our close frame */
    UNACKED_MS = 60000, /* a client whose machine is gone */
};

struct sk_ws {
    struct sk_http_conn *conn;
    wslay_event_context_ptr ctx;
    struct sk_strbuf control, control_out; /* gathered; being written */
    struct sk_strbuf frame;                /* waits */
    bool has_frame, frame_out, writing;
    bool closing;  /* our close frame is made: no more frames */
    bool finished; /* the client has closed, or breaks the protocol: nothing is read any more */
    const uint8_t *in;
    size_t in_len; /* what wslay has not read yet */
    uv_timer_t ping;
    int64_t closing_mono_ns;
    void (*on_room)(struct sk_http_req *req);
};

/* ---- handshake ---- */

static bool token_in(const struct sk_http_req *req, const char *name, struct sk_str token)
{
    for (const struct sk_http_header *h = req->headers; h != NULL; h = h->next) {
        if (!sk_str_eq_nocase(h->name, sk_str_from(name)))
            continue;
        for (size_t at = 0; at <= h->value.len;) {
            size_t comma = sk_str_find(h->value, SK_STR(","), at);
            size_t end = comma == SIZE_MAX ? h->value.len : comma;
            struct sk_str part = {h->value.ptr + at, end - at};
            if (sk_str_eq_nocase(sk_str_trim(part), token))
                return true;
            at = end + 1;
        }
    }
    return false;
}

int sk_ws_refusal(const struct sk_http_req *req)
{
    if (!token_in(req, "Connection", SK_STR("upgrade")) ||
        !token_in(req, "Upgrade", SK_STR("websocket")))
        return 400;
    if (!sk_str_is(req->method, "GET"))
        return 405;
    if (!token_in(req, "Sec-WebSocket-Version", SK_STR("13")) ||
        !sk_ws_key_good(sk_http_header_get(req, "Sec-WebSocket-Key")))
        return 400;
    return 0;
}

static void answer_101(struct sk_strbuf *out, struct sk_str key)
{
    char accept[SK_WS_ACCEPT_BYTES + 1];
    sk_ws_key_accept(key, accept);
    sk_strbuf_printf(out,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
}

/* ---- wslay's callbacks ---- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
    struct sk_ws *ws = user;
    (void)flags;
    if (ws->in_len == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = len < ws->in_len ? len : ws->in_len;
    memcpy(buf, ws->in, n);
    ws->in += n;
    ws->in_len -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *user)
{
    struct sk_ws *ws = user;
    (void)flags;
    sk_strbuf_add(&ws->control, data, len);
    if (ws->control.failed) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)len;
}

static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                       .send_callback = on_send};

/* ---- writing ---- */

static void on_written(uv_write_t *write, int status);

static void frame_head(struct sk_strbuf *out, size_t len)
{
    uint8_t head[10] = {0x80 | WSLAY_TEXT_FRAME};
    size_t n = len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    head[1] = (uint8_t)(n == 0 ? len : n == 2 ? 126 : 127);
    for (size_t i = 0; i < n; i++)
        head[2 + i] = (uint8_t)((uint64_t)len >> (8 * (n - 1 - i)));
    sk_strbuf_add(out, head, 2 + n);
}

static void flush(struct sk_ws *ws)
{
    struct sk_http_conn *conn = ws->conn;
    if (ws->writing || conn->state != CONN_WEBSOCKET)
        return;
    if (!ws->has_frame && ws->control.len == 0)
        return;
    struct sk_strbuf spent = ws->control_out;
    ws->control_out = ws->control;
    ws->control = spent;
    sk_strbuf_reset(&ws->control);
    sk_strbuf_reset(&conn->out_head);
    sk_strbuf_deinit(&conn->out_body);
    ws->frame_out = ws->has_frame;
    if (ws->has_frame) {
        frame_head(&conn->out_head, ws->frame.len);
        conn->out_body = ws->frame;
        ws->frame = (struct sk_strbuf){0};
        ws->has_frame = false;
    }
    uv_buf_t bufs[3] = {
        uv_buf_init(conn->out_head.ptr, (unsigned)conn->out_head.len),
        uv_buf_init(conn->out_body.ptr, (unsigned)conn->out_body.len),
        uv_buf_init(ws->control_out.ptr, (unsigned)ws->control_out.len),
    };
    ws->writing = true;
    conn->since_ns = sk_clock_mono_ns();
    conn->sent_bytes += conn->out_head.len + conn->out_body.len + ws->control_out.len;
    if (conn->out_head.failed || ws->control_out.failed ||
        sk_http_conn_write(conn, bufs, 3, on_written) != 0)
        sk_http_conn_close(conn);
}

/* Everything is said: what the client still sends is read off, so that it gets our last bytes. */
static void linger(struct sk_ws *ws)
{
    if (ws->finished && !ws->writing && ws->control.len == 0)
        sk_http_conn_linger(ws->conn);
}

static void on_written(uv_write_t *write, int status)
{
    struct sk_http_conn *conn = SK_CONTAINER_OF(write, struct sk_http_conn, write_req);
    struct sk_ws *ws = conn->ws;
    bool room = ws->frame_out;
    ws->writing = ws->frame_out = false;
    sk_strbuf_deinit(&conn->out_body);
    sk_strbuf_reset(&conn->out_head);
    if (conn->state != CONN_WEBSOCKET)
        return;
    if (status != 0) {
        sk_http_conn_close(conn);
        return;
    }
    flush(ws);
    if (room && !ws->closing && conn->req != NULL && conn->req->with_handler)
        ws->on_room(conn->req);
    if (conn->state == CONN_WEBSOCKET)
        linger(ws);
}

/* Sends what wslay has queued. */
static void control_flush(struct sk_ws *ws)
{
    if (wslay_event_send(ws->ctx) != 0 || ws->control.len > CONTROL_BYTES_MAX) {
        sk_http_conn_close(ws->conn);
        return;
    }
    flush(ws);
}

static void closing_set(struct sk_ws *ws)
{
    if (ws->closing)
        return;
    ws->closing = true;
    ws->closing_mono_ns = sk_clock_mono_ns();
}

/* ---- reading ---- */

void sk_ws_feed(struct sk_http_conn *conn, const char *data, size_t len)
{
    struct sk_ws *ws = conn->ws;
    if (ws->finished)
        return;
    ws->in = (const uint8_t *)data;
    ws->in_len = len;
    int rc = wslay_event_recv(ws->ctx);
    ws->in = NULL;
    ws->in_len = 0;
    if (rc != 0 && !ws->closing) /* a malformed head, for which wslay would close without a code */
        sk_strbuf_add(&ws->control, "\x88\x02\x03\xea", 4);
    if (rc != 0 || wslay_event_get_read_enabled(ws->ctx) == 0) {
        ws->finished = true;
        closing_set(ws);
        if (ws->has_frame) { /* nobody waits for it */
            sk_strbuf_deinit(&ws->frame);
            ws->has_frame = false;
        }
    }
    if (rc == 0)
        control_flush(ws);
    else
        flush(ws);
    if (ws->finished && conn->state == CONN_WEBSOCKET)
        sk_http_conn_cancel(conn);
    if (conn->state == CONN_WEBSOCKET)
        linger(ws);
}

void sk_ws_sweep(struct sk_http_conn *conn, int64_t now_ns)
{
    struct sk_ws *ws = conn->ws;
    if ((ws->writing && now_ns - conn->since_ns > conn->server->opt.write_timeout_ns) ||
        (ws->closing && now_ns - ws->closing_mono_ns > CLOSE_WAIT_S * SK_NS_PER_S))
        sk_http_conn_close(conn);
}

static void on_ping(uv_timer_t *timer)
{
    struct sk_http_conn *conn = timer->data;
    struct sk_ws *ws = conn->ws;
    struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    if (conn->state != CONN_WEBSOCKET || ws->closing || ws->control.len > 0)
        return; /* the last one has not left yet, or none may */
    if (wslay_event_queue_msg(ws->ctx, &ping) != 0)
        sk_http_conn_close(conn);
    else
        control_flush(ws);
}

/* ---- the handler's calls ---- */

void sk_ws_accept(struct sk_http_req *req, void (*on_room)(struct sk_http_req *req))
{
    struct sk_http_conn *conn = req->conn;
    sk_assert(req->with_handler && conn->ws == NULL && on_room != NULL);
    struct sk_ws *ws = sk_calloc(1, sizeof(*ws));
    if (ws == NULL || wslay_event_context_server_init(&ws->ctx, &callbacks, ws) != 0) {
        sk_free(ws);
        sk_http_conn_close(conn);
        return;
    }
    ws->conn = conn;
    ws->on_room = on_room;
    wslay_event_config_set_max_recv_msg_length(ws->ctx, SK_WS_MESSAGE_BYTES_MAX);
    sk_strbuf_init(&ws->control, 2 * CONTROL_BYTES_MAX);
    sk_strbuf_init(&ws->control_out, 2 * CONTROL_BYTES_MAX);
    conn->ws = ws;
    conn->state = CONN_WEBSOCKET;
    conn->status = 101;
    (void)uv_timer_init(conn->server->loop, &ws->ping);
    ws->ping.data = conn;
    (void)uv_timer_start(&ws->ping, on_ping, PING_MS, PING_MS);
    int fd, unacked_ms = UNACKED_MS;
    if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) ==
        0) /* without it the kernel's own limit holds */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
    answer_101(&ws->control, sk_http_header_get(req, "Sec-WebSocket-Key"));
    flush(ws);
    if (conn->state != CONN_WEBSOCKET)
        return;
    struct sk_strbuf early = conn->pending;
    sk_strbuf_init(&conn->pending, early.max_bytes);
    sk_http_conn_reading(conn, true);
    if (early.len > 0)
        sk_ws_feed(conn, early.ptr, early.len);
    sk_strbuf_deinit(&early);
}

bool sk_ws_room(const struct sk_http_req *req)
{
    const struct sk_http_conn *conn = req->conn;
    const struct sk_ws *ws = conn->ws;
    return conn->state == CONN_WEBSOCKET && !ws->closing && !ws->has_frame && !ws->frame_out;
}

void sk_ws_send(struct sk_http_req *req, struct sk_strbuf *text)
{
    sk_assert(sk_ws_room(req) && !text->failed);
    struct sk_ws *ws = req->conn->ws;
    ws->frame = *text;
    *text = (struct sk_strbuf){0};
    ws->has_frame = true;
    flush(ws);
}

void sk_ws_close(struct sk_http_req *req, uint16_t code, struct sk_str reason)
{
    struct sk_http_conn *conn = req->conn;
    if (conn->state != CONN_WEBSOCKET || conn->ws->closing)
        return;
    struct sk_ws *ws = conn->ws;
    size_t len = reason.len < REASON_BYTES_MAX ? reason.len : REASON_BYTES_MAX;
    while (len < reason.len && len > 0 && ((unsigned char)reason.ptr[len] & 0xc0) == 0x80)
        len--; /* not within a character */
    closing_set(ws);
    if (wslay_event_queue_close(ws->ctx, code, (const uint8_t *)reason.ptr, len) != 0)
        sk_http_conn_close(conn);
    else
        control_flush(ws);
}

void sk_ws_end(struct sk_http_req *req)
{
    struct sk_http_conn *conn = req->conn;
    sk_assert(req->with_handler && conn->req == req && atomic_load(&req->cancelled));
    req->with_handler = false;
    if (conn->closed)
        sk_http_conn_release(conn);
}

static void on_timer_closed(uv_handle_t *handle)
{
    sk_http_conn_closed(handle->data);
}

void sk_ws_closed(struct sk_http_conn *conn)
{
    uv_close((uv_handle_t *)&conn->ws->ping, on_timer_closed);
}

void sk_ws_free(struct sk_ws *ws)
{
    if (ws == NULL)
        return;
    wslay_event_context_free(ws->ctx);
    sk_strbuf_deinit(&ws->control);
    sk_strbuf_deinit(&ws->control_out);
    sk_strbuf_deinit(&ws->frame);
    sk_free(ws);
}
