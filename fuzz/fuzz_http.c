/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http.c -- any bytes as what a client sends, to the real server over a loopback connection.
 * The first byte says in pieces of which size they arrive, the second how the handler answers.
 * Every request that reaches the handler is looked at as the API does; at the end no connection,
 * no request and no byte of the budget may be left. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/budget.h"
#include "http/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096, PIECES_MAX = 3, TURNS_MAX = 100000 };

static uv_loop_t loop;
static struct sk_http_server *server;
static struct sk_budget budget;
static unsigned manner;
static unsigned handled, done;

/* ---- the handler ---- */

static int on_headers(void *ctx, struct sk_http_req *req, const char **text)
{
    (void)ctx;
    if ((manner & 8) != 0 && sk_str_is(req->path, "/refused")) {
        *text = "refused\n";
        return 404;
    }
    req->body_bytes_max = (manner & 4) != 0 ? BODY_MAX * 4 : BODY_MAX;
    return 0;
}

static void pull(struct sk_http_req *req)
{
    struct sk_strbuf piece;
    sk_strbuf_init(&piece, 1 << 16);
    uintptr_t n = (uintptr_t)req->user + 1;
    req->user = (void *)n;
    sk_strbuf_puts(&piece, "a piece of the answer");
    sk_http_stream_write(req, &piece, n >= PIECES_MAX);
}

static void request_look(struct sk_http_req *req)
{
    struct sk_http_param *params;
    struct sk_error detail;
    struct sk_str clean;
    (void)sk_http_params_parse(&req->arena, req->raw_query, &params, &detail);
    (void)sk_http_params_parse(&req->arena, sk_strbuf_view(&req->body), &params, &detail);
    (void)sk_http_path_clean(&req->arena, req->path, &clean);
    sk_assert(req->method.len > 0 && req->body.len <= req->body_bytes_max);
    for (const struct sk_http_header *h = req->headers; h != NULL; h = h->next)
        sk_assert(h->name.ptr != NULL && h->value.ptr != NULL);
}

static void on_request(void *ctx, struct sk_http_req *req)
{
    (void)ctx;
    handled++;
    request_look(req);
    struct sk_http_response resp = {.status = 200, .content_type = "text/plain"};
    sk_strbuf_init(&resp.body, 1 << 16);
    if ((manner & 1) != 0) {
        sk_http_stream_begin(req, &resp, pull);
        return;
    }
    resp.close = (manner & 2) != 0;
    sk_strbuf_puts(&resp.body, "answer\n");
    sk_http_respond(req, &resp);
}

static void on_done(void *ctx, const struct sk_http_req *req, int status, uint64_t sent_bytes)
{
    (void)ctx;
    (void)req;
    (void)sent_bytes;
    sk_assert(status >= 200 && status < 600);
    done++;
}

static void server_start(void)
{
    struct sk_error detail;
    struct sk_http_options opt = {.address = "127.0.0.1",
                                  .conn_max = 16,
                                  .conn_per_peer_max = 16,
                                  .header_bytes_max = 8192,
                                  .header_count_max = 64,
                                  .body_bytes_max = BODY_MAX,
                                  .requests_per_conn_max = 100,
                                  .header_timeout_ns = 1000000000,
                                  .idle_timeout_ns = 1000000000,
                                  .write_timeout_ns = 1000000000,
                                  .body_window_ns = 1000000000,
                                  .body_window_bytes = 1,
                                  .on_headers = on_headers,
                                  .on_request = on_request,
                                  .on_done = on_done};
    sk_budget_init(&budget, 1 << 20, NULL);
    if (uv_loop_init(&loop) != 0)
        abort();
    opt.budget = &budget;
    if (sk_http_server_start(&loop, &opt, &server, &detail) != SK_OK)
        abort();
}

/* ---- the client ---- */

static int client_open(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(sk_http_server_port(server)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger reset = {1, 0}; /* no port is left waiting */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0)
        abort();
    return fd;
}

/* Reads what is there; false at the end of the answers. */
static bool client_drain(int fd)
{
    char buf[16384];
    for (;;) {
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n < 0)
            return true;
    }
}

static void turn(void)
{
    (void)uv_run(&loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (server == NULL)
        server_start();
    if (size < 2)
        return 0;
    size_t piece = data[0] == 0 ? SIZE_MAX : data[0];
    manner = data[1];
    handled = done = 0;
    int fd = client_open();
    bool open = true;
    for (size_t at = 2; at < size && open;) {
        size_t n = size - at < piece ? size - at : piece;
        ssize_t sent = send(fd, data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            break;
        at += sent > 0 ? (size_t)sent : 0;
        turn();
        open = client_drain(fd);
    }
    (void)shutdown(fd, SHUT_WR); /* fails when the server has closed */
    for (unsigned i = 0; i < TURNS_MAX && open; i++) {
        turn();
        open = client_drain(fd);
    }
    sk_assert(!open);
    (void)close(fd);
    for (unsigned i = 0; i < TURNS_MAX && sk_http_server_conns(server) > 0; i++)
        turn();
    sk_assert(sk_http_server_conns(server) == 0);
    sk_assert(done >= handled);
    sk_assert(sk_budget_used(&budget) == 0);
    return 0;
}
