/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_websocket.c -- any bytes as what a client sends behind a good WebSocket handshake, to the
 * real server over a loopback connection. The first byte says in pieces of which size they arrive,
 * the second what the handler does: how many frames it sends, and whether it closes. The handler
 * must be told of the end exactly once; at the end no connection and no byte of the budget may be
 * left. */
#include "http_check.h"
#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char handshake[] =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (server == NULL)
        server_start((struct sk_http_options){
            .on_headers = on_headers, .on_request = on_request, .on_done = on_done});
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
    client_end(fd, open && client_feed(fd, data, size, 2, piece));
    sk_assert(handled <= 1 && ended == handled && done == handled);
    sk_assert(sk_budget_used(&budget) == 0);
    return 0;
}
