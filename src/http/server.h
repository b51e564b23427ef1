/* SPDX-License-Identifier: Apache-2.0 */
/* server.h -- HTTP/1.1 server on libuv and llhttp.
 *
 * Life of a request:
 *
 *   accept -> headers -> [handler.on_headers] -> body -> handler.on_request
 *          -> sk_http_respond()                                   one answer in memory
 *          or sk_http_stream_begin() -> pull -> sk_http_stream_write() ...   pieces
 *          -> written -> next request of the connection, or close
 *
 * One request of a connection is handled at a time; pipelined ones wait unread. A request that was
 * handed to on_request must be answered exactly once, also when `cancelled` is set (the client has
 * gone): the answer is then dropped and the request freed. It is gone when respond, or the last
 * stream_write, has been called and the bytes are out; do not touch it after that call.
 *
 * Limits: struct sk_http_options. Framing errors are answered 400 and the connection closed.
 * Threads: everything here runs on the loop. Only `cancelled` may be read elsewhere. */
#ifndef SK_HTTP_SERVER_H
#define SK_HTTP_SERVER_H

#include <stdatomic.h>
#include <uv.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"

struct sk_budget;
struct sk_http_conn;
struct sk_http_server;
struct sk_tls;

/* Names of a client certificate that are kept, and the longest. */
#define SK_HTTP_CERT_NAMES_MAX      16
#define SK_HTTP_CERT_NAME_BYTES_MAX 256

struct sk_http_header {
    struct sk_http_header *next;
    struct sk_str name; /* as sent */
    struct sk_str value;
};

struct sk_http_param {
    struct sk_http_param *next;
    struct sk_str name; /* decoded */
    struct sk_str value;
};

struct sk_http_req {
    struct sk_arena arena; /* everything of the request but the body; freed with it */
    struct sk_http_conn *conn;
    struct sk_str method;    /* "GET" */
    struct sk_str target;    /* as sent */
    struct sk_str raw_path;  /* target up to '?' */
    struct sk_str path;      /* decoded */
    struct sk_str raw_query; /* behind '?' */
    struct sk_http_header *headers;
    struct sk_strbuf body;
    uint64_t body_bytes_max; /* on_headers may lower or raise it */
    uint64_t body_charged;   /* to the server's budget */
    int64_t start_mono_ns;
    char peer[64];                   /* address of the client, NUL-terminated */
    const struct sk_str *cert_names; /* of its checked certificate; the connection's */
    size_t cert_name_count;
    _Atomic bool cancelled;                     /* the client has gone */
    void (*on_cancel)(struct sk_http_req *req); /* set by the handler; loop thread; may be NULL */
    void *user;                                 /* the handler's */
    /* private to http: the streamed answer */
    void (*pull)(struct sk_http_req *req);
    bool with_handler; /* between on_request and the (last) answer */
    bool streaming, stream_last, keep_alive, chunked_ok;
};

struct sk_http_response {
    int status;
    const char *content_type; /* NULL: none */
    struct sk_str headers;    /* further "Name: value\r\n" lines, borrowed during the call */
    struct sk_strbuf body;    /* taken */
    bool close;               /* close the connection afterwards */
};

struct sk_http_options {
    const char *address; /* NULL or "": all */
    uint16_t port;
    size_t conn_max;          /* no more are accepted */
    size_t conn_per_peer_max; /* not counted for loopback */
    size_t header_bytes_max;  /* request line and headers */
    size_t header_count_max;
    uint64_t body_bytes_max; /* default of a request */
    size_t requests_per_conn_max;
    int64_t header_timeout_ns, idle_timeout_ns, write_timeout_ns;
    int64_t body_window_ns;     /* in each such span ... */
    uint64_t body_window_bytes; /* ... this much of a body must arrive */
    struct sk_budget *budget;   /* request bodies, sessions of TLS; may be NULL */
    struct sk_tls *tls;         /* NULL: plain HTTP; borrowed */
    void *ctx;
    /* Headers are complete. May set body_bytes_max; returning a status above 0 answers at once, with
     * `text` (static) as the body, and closes. */
    int (*on_headers)(void *ctx, struct sk_http_req *req, const char **text);
    void (*on_request)(void *ctx, struct sk_http_req *req);
    /* For every finished request, answered or not: access log and metrics. */
    void (*on_done)(void *ctx, const struct sk_http_req *req, int status, uint64_t sent_bytes);
};

/* Binds and listens. SK_EIO with a text that names the address when that fails (port in use). */
SK_MUST_CHECK enum sk_err sk_http_server_start(uv_loop_t *loop, const struct sk_http_options *opt,
                                               struct sk_http_server **ret_server,
                                               struct sk_error *reterr);
uint16_t sk_http_server_port(const struct sk_http_server *server);
size_t sk_http_server_conns(const struct sk_http_server *server);

/* Stops accepting, closes idle connections, lets requests end; `done(ctx)` when all are gone. */
void sk_http_server_stop(struct sk_http_server *server, void (*done)(void *ctx), void *ctx);
/* Closes what is left at once (after stop). */
void sk_http_server_abort(struct sk_http_server *server);

/* First header of that name (any case); ptr NULL when absent. */
struct sk_str sk_http_header_get(const struct sk_http_req *req, const char *name);
size_t sk_http_header_count(const struct sk_http_req *req, const char *name);

/* Splits an urlencoded text as Go does. Pairs that do not decode are left out and the first fault
 * is told (SK_EPARSE, `invalid URL escape "%zz"`); *ret is set either way, in order of appearance. */
enum sk_err sk_http_params_parse(struct sk_arena *arena, struct sk_str text,
                                 struct sk_http_param **ret, struct sk_error *reterr);
/* Percent-decoding; `plus` makes '+' a blank. SK_EPARSE as above. */
SK_MUST_CHECK enum sk_err sk_http_unescape(struct sk_arena *arena, struct sk_str text, bool plus,
                                           struct sk_str *ret, struct sk_error *reterr);
/* Go's path.Clean for request paths: true and *ret set when `path` is not clean. */
bool sk_http_path_clean(struct sk_arena *arena, struct sk_str path, struct sk_str *ret);

void sk_http_respond(struct sk_http_req *req, struct sk_http_response *resp);

/* A streamed answer (chunked, or until close for HTTP/1.0). `pull` is called once now and again
 * whenever written pieces have left; it leads, at once or later, to one stream_write. */
void sk_http_stream_begin(struct sk_http_req *req, const struct sk_http_response *resp,
                          void (*pull)(struct sk_http_req *req));
void sk_http_stream_write(struct sk_http_req *req, struct sk_strbuf *piece, bool last);

const char *sk_http_status_text(int status);

#endif
