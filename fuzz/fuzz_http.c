/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http.c -- any bytes as what a client sends, to the real server over a loopback connection.
 * The first byte says in pieces of which size they arrive, the second how the handler answers.
 * Every request that reaches the handler is looked at as the API does; at the end no connection,
 * no request and no byte of the budget may be left. */
#include "http_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAX = 3 };

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (server == NULL)
        server_start((struct sk_http_options){
            .on_headers = on_headers, .on_request = on_request, .on_done = on_done});
    if (size < 2)
        return 0;
    size_t piece = data[0] == 0 ? SIZE_MAX : data[0];
    manner = data[1];
    handled = done = 0;
    int fd = client_open();
    client_end(fd, client_feed(fd, data, size, 2, piece));
    sk_assert(done >= handled);
    sk_assert(sk_budget_used(&budget) == 0);
    return 0;
}
