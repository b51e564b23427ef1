/* SPDX-License-Identifier: Apache-2.0 */
/* http_int.h -- shared inside src/http: connections and the server behind server.h.
 *
 * States of a connection and the function behind each arrow:
 *
 *   IDLE --conn_execute--> HEADERS --on_headers_complete--> BODY --on_message_complete--> BUSY
 *   BUSY --sk_http_respond / stream_*--> WRITING --write_done--> IDLE | LINGER | closed
 *   HEADERS, BODY --conn_fail--> WRITING (then LINGER)
 *   BUSY --sk_ws_accept--> WEBSOCKET --both have closed--> LINGER   (websocket.c)
 *   LINGER: our side is shut, input is discarded until EOF or the sweep's deadline
 *   any --conn_close--> CLOSING --conn_closed--> freed, once no request is with the handler */
#ifndef SK_HTTP_HTTP_INT_H
#define SK_HTTP_HTTP_INT_H

#include <llhttp.h>

#include "http/server.h"

enum conn_state {
    CONN_IDLE,
    CONN_HEADERS,
    CONN_BODY,
    CONN_BUSY,
    CONN_WRITING,
    CONN_WEBSOCKET,
    CONN_LINGER,
    CONN_CLOSING
};

struct ssl_st;
struct sk_tls_conn;
struct sk_ws;

struct sk_http_conn {
    uv_tcp_t tcp; /* first: handles are cast to connections */
    struct sk_http_server *server;
    struct sk_http_conn *prev, *next;
    llhttp_t parser;
    enum conn_state state;
    struct sk_http_req *req; /* being received, handled or answered */
    struct sk_strbuf head;   /* request line and header bytes of the request being received */
    size_t header_count;
    size_t url_len, field_off, value_off;
    bool in_value;
    int fail_status; /* set by parser callbacks that refuse */
    const char *fail_text;
    struct sk_strbuf pending; /* bytes behind the request being handled */
    bool reading, eof, closed, close_after;
    unsigned requests;
    int64_t since_ns; /* when the present state or window began */
    uint64_t window_bytes;
    uint64_t sent_bytes;
    int status;
    uv_write_t write_req;
    struct sk_strbuf out_head, out_body;
    uv_shutdown_t shutdown_req;
    struct sk_tls_conn *tls; /* NULL: plain */
    struct sk_ws *ws;        /* NULL before sk_ws_accept() */
    char peer[64];
    bool loopback;
};

struct sk_http_server {
    uv_tcp_t listener;
    uv_timer_t sweep;
    uv_loop_t *loop;
    struct sk_http_options opt;
    llhttp_settings_t settings;
    struct sk_http_conn *conns;
    size_t conn_count;
    uint16_t port;
    bool stopping, listener_closed;
    unsigned handles_open;
    void (*stop_done)(void *ctx);
    void *stop_ctx;
    char read_buf[64 * 1024];
    char plain_buf[16 * 1024]; /* one record of TLS */
};

void sk_http_conn_accept(struct sk_http_server *server);
void sk_http_conn_close(struct sk_http_conn *conn);
void sk_http_conn_sweep(struct sk_http_conn *conn, int64_t now_ns);
void sk_http_conn_settings(llhttp_settings_t *settings);
/* Called by conn.c when a connection's memory is gone. */
void sk_http_server_conn_gone(struct sk_http_server *server);

/* conn.c: the answer is out; the handle is gone and nobody holds the request. */
void sk_http_conn_answered(struct sk_http_conn *conn);
void sk_http_conn_release(struct sk_http_conn *conn);
/* All handles are gone. */
void sk_http_conn_closed(struct sk_http_conn *conn);
void sk_http_conn_reading(struct sk_http_conn *conn, bool on);
/* Tells the handler, once, that the client has gone. */
void sk_http_conn_cancel(struct sk_http_conn *conn);
/* Our side is shut; what the client still sends is dropped. */
void sk_http_conn_linger(struct sk_http_conn *conn);

/* Plain bytes of the client; the client's end. */
void sk_http_conn_input(struct sk_http_conn *conn, const char *data, size_t len);
void sk_http_conn_eof(struct sk_http_conn *conn);
/* Where the client's next plain bytes are best put: a body's own tail, or the buffer given. */
uv_buf_t sk_http_conn_buffer(struct sk_http_conn *conn, char *buf, size_t len);
/* As uv_write with conn->write_req, through TLS where it is spoken; one write at a time. */
int sk_http_conn_write(struct sk_http_conn *conn, const uv_buf_t *bufs, unsigned count,
                       uv_write_cb done);
/* A few bytes besides, dropped when the client does not take them. */
void sk_http_conn_write_now(struct sk_http_conn *conn, const char *data, size_t len);

/* tls_context.c: a session with the present certificate, owned by the caller; NULL: no memory. */
struct ssl_st *sk_tls_session(struct sk_tls *tls);

/* tls_conn.c, between the socket and the functions above. create sets conn->tls; false: no memory.
 * bye: our end of the session, as a record to be sent or (at_once) before the socket is closed. */
bool sk_tls_conn_create(struct sk_http_conn *conn);
void sk_tls_conn_free(struct sk_http_conn *conn);       /* plain: no-op */
bool sk_tls_conn_open(const struct sk_http_conn *conn); /* no handshake is under way */
void sk_tls_feed(struct sk_http_conn *conn, const char *data, size_t len);
int sk_tls_write(struct sk_http_conn *conn, const uv_buf_t *bufs, unsigned count, uv_write_cb done);
void sk_tls_write_now(struct sk_http_conn *conn, const char *data, size_t len);
void sk_tls_bye(struct sk_http_conn *conn, bool at_once);
void sk_tls_names(const struct sk_http_conn *conn, const struct sk_str **ret_names,
                  size_t *ret_count);

/* answer.c: an answer by the server itself (text NULL: the 413 text), after which it closes. */
void sk_http_conn_fail(struct sk_http_conn *conn, int status, const char *text);
void sk_http_req_free(struct sk_http_req *req);

/* websocket.c: bytes of the client; the state's timeouts; the connection's handle is gone. */
void sk_ws_feed(struct sk_http_conn *conn, const char *data, size_t len);
void sk_ws_sweep(struct sk_http_conn *conn, int64_t now_ns);
void sk_ws_closed(struct sk_http_conn *conn);
void sk_ws_free(struct sk_ws *ws); /* NULL is a no-op */

#endif
