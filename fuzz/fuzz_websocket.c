/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_websocket.c -- any bytes as what a client sends behind a good WebSocket handshake, to the
 * real server over a loopback connection. The first byte says in pieces of which size they arrive,
 * the second what the handler does: how many frames it sends, and whether it closes. The handler
 * must be told of the end exactly once; at the end no connection and no byte of the budget may be
 * left. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/budget.h"
#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096, TURNS_MAX = 100000 };

static const char handshake[] =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static uv_loop_t loop;
static struct sk_http_server *server;
static struct sk_budget budget;
static unsigned manner;
static unsigned frames_left, handled, ended, done;

/* ---- the handler ---- */

static int on_headers(void *ctx, struct sk_http_req *req, const char **text)
{
    (void)ctx;
    (void)req;
    (void)text;
    return 0;
}

static void on_room(struct sk_http_req *req)
{
    struct sk_strbuf text;
    if (frames_left == 0) {
        if ((manner & 1) != 0)
            sk_ws_close(req, 1011, SK_STR("a reason with \xc3\xa9"));
        return;
    }
    frames_left--;
    sk_strbuf_init(&text, 1 << 20);
    for (size_t i = 0; i < (manner >> 4) * 1000u; i++)
        sk_strbuf_putc(&text, 'x');
    sk_strbuf_puts(&text, "{}");
    sk_assert(sk_ws_room(req));
    sk_ws_send(req, &text);
}

static void on_cancel(struct sk_http_req *req)
{
    ended++;
    sk_ws_close(req, 1000, SK_STR("")); /* does nothing any more */
    sk_assert(ended == 1);
    sk_ws_end(req);
}

static void on_request(void *ctx, struct sk_http_req *req)
{
    (void)ctx;
    sk_assert(sk_ws_refusal(req) == 0);
    handled++;
    req->on_cancel = on_cancel;
    sk_ws_accept(req, on_room);
    if (ended == 0 && sk_ws_room(req))
        on_room(req);
}

static void on_done(void *ctx, const struct sk_http_req *req, int status, uint64_t sent_bytes)
{
    (void)ctx;
    (void)req;
    (void)sent_bytes;
    sk_assert(status == 101);
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
    frames_left = (manner >> 1) & 3;
    handled = ended = done = 0;
    int fd = client_open();
    bool open = send(fd, handshake, sizeof(handshake) - 1, MSG_NOSIGNAL) > 0;
    if (data[0] != 0) /* else the frames come with the handshake */
        turn();
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
    sk_assert(handled <= 1 && ended == handled && done == handled);
    sk_assert(sk_budget_used(&budget) == 0);
    return 0;
}
