/* SPDX-License-Identifier: Apache-2.0 */
/* http_check.h -- what targets share that are fed to the real HTTP server: the server on a loop of
 * its own, a client on a loopback connection, and turns of the loop. Included once per target. */
#ifndef SK_FUZZ_HTTP_CHECK_H
#define SK_FUZZ_HTTP_CHECK_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/budget.h"
#include "http/server.h"

enum { BODY_MAX = 4096, TURNS_MAX = 100000 };

static uv_loop_t loop;
static struct sk_http_server *server;
static struct sk_budget budget;

/* Once, with the handler of the target. */
static void server_start(struct sk_http_options hooks)
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
                                  .on_headers = hooks.on_headers,
                                  .on_request = hooks.on_request,
                                  .on_done = hooks.on_done};
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

/* Sends data[at..size) in pieces, one turn of the loop each; false when the server has closed. */
static bool client_feed(int fd, const uint8_t *data, size_t size, size_t at, size_t piece)
{
    bool open = true;
    while (at < size && open) {
        size_t n = size - at < piece ? size - at : piece;
        ssize_t sent = send(fd, data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            break;
        at += sent > 0 ? (size_t)sent : 0;
        turn();
        open = client_drain(fd);
    }
    return open;
}

/* Waits until the server has closed too, and no connection is left. */
static void client_end(int fd, bool open)
{
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
}

#endif
