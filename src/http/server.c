/* SPDX-License-Identifier: Apache-2.0 */
/* server.c -- the listener, the one-second sweep over connections, and the stop. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "http/http_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { BACKLOG = 1024, SWEEP_MS = 500 };

static void on_connection(uv_stream_t *listener, int status)
{
    struct sk_http_server *server = listener->data;
    if (status == 0)
        sk_http_conn_accept(server);
}

static void on_sweep(uv_timer_t *timer)
{
    struct sk_http_server *server = timer->data;
    int64_t now = sk_clock_mono_ns();
    for (struct sk_http_conn *c = server->conns, *next; c != NULL; c = next) {
        next = c->next;
        sk_http_conn_sweep(c, now);
    }
}

static enum sk_err bind_listen(struct sk_http_server *server, struct sk_error *reterr)
{
    const char *address = server->opt.address;
    if (address == NULL || address[0] == '\0')
        address = "::";
    struct sockaddr_storage addr;
    int rc = uv_ip4_addr(address, server->opt.port, (struct sockaddr_in *)&addr);
    if (rc != 0)
        rc = uv_ip6_addr(address, server->opt.port, (struct sockaddr_in6 *)&addr);
    if (rc != 0 && strcmp(address, "localhost") == 0)
        rc = uv_ip4_addr("127.0.0.1", server->opt.port, (struct sockaddr_in *)&addr);
    if (rc != 0)
        return sk_error_set(reterr, SK_EINVAL,
                            "server.http_listen_address: \"%s\" is not an IP address", address);
    rc = uv_tcp_bind(&server->listener, (struct sockaddr *)&addr, 0);
    if (rc == UV_EAFNOSUPPORT && strcmp(address, "::") == 0) { /* a kernel without IPv6 */
        (void)uv_ip4_addr("0.0.0.0", server->opt.port, (struct sockaddr_in *)&addr);
        rc = uv_tcp_bind(&server->listener, (struct sockaddr *)&addr, 0);
    }
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    if (rc != 0)
        return sk_error_set(reterr, SK_EIO, "cannot listen on %s port %u: %s%s", address,
                            server->opt.port, uv_strerror(rc),
                            rc == UV_EADDRINUSE ? " (is Loki or another skald running? Stop it or "
                                                  "set server.http_listen_port)"
                                                : "");
    int len = (int)sizeof(addr);
    rc = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&addr, &len);
    if (rc == 0)
        server->port = ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                                        : ((struct sockaddr_in *)&addr)->sin_port);
    return SK_OK;
}

static void handle_closed(uv_handle_t *handle)
{
    struct sk_http_server *server = handle->data;
    sk_assert(server->handles_open > 0);
    server->handles_open--;
    sk_http_server_conn_gone(server);
}

enum sk_err sk_http_server_start(uv_loop_t *loop, const struct sk_http_options *opt,
                                 struct sk_http_server **ret_server, struct sk_error *reterr)
{
    struct sk_http_server *server = sk_calloc(1, sizeof(*server));
    if (server == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    server->loop = loop;
    server->opt = *opt;
    sk_http_conn_settings(&server->settings);
    (void)uv_tcp_init(loop, &server->listener);
    (void)uv_timer_init(loop, &server->sweep);
    server->listener.data = server->sweep.data = server;
    server->handles_open = 2;
    enum sk_err err = bind_listen(server, reterr);
    if (err != SK_OK) {
        sk_http_server_stop(server, NULL, NULL);
        return err;
    }
    (void)uv_timer_start(&server->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    *ret_server = server;
    return SK_OK;
}

uint16_t sk_http_server_port(const struct sk_http_server *server)
{
    return server->port;
}

size_t sk_http_server_conns(const struct sk_http_server *server)
{
    return server->conn_count;
}

void sk_http_server_conn_gone(struct sk_http_server *server)
{
    if (!server->stopping || server->conns != NULL)
        return;
    if (server->handles_open > 0) {
        if (!uv_is_closing((uv_handle_t *)&server->sweep))
            uv_close((uv_handle_t *)&server->sweep, handle_closed);
        return;
    }
    void (*done)(void *) = server->stop_done;
    void *ctx = server->stop_ctx;
    sk_free(server);
    if (done != NULL)
        done(ctx);
}

void sk_http_server_stop(struct sk_http_server *server, void (*done)(void *ctx), void *ctx)
{
    sk_assert(!server->stopping);
    server->stopping = true;
    server->stop_done = done;
    server->stop_ctx = ctx;
    uv_close((uv_handle_t *)&server->listener, handle_closed);
    for (struct sk_http_conn *c = server->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONN_IDLE || c->state == CONN_LINGER)
            sk_http_conn_close(c);
    }
    if (server->conns == NULL)
        uv_close((uv_handle_t *)&server->sweep, handle_closed);
}

void sk_http_server_abort(struct sk_http_server *server)
{
    for (struct sk_http_conn *c = server->conns, *next; c != NULL; c = next) {
        next = c->next;
        sk_http_conn_close(c);
    }
}
