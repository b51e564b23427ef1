/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the handshake of WebSockets, the lengths in the heads of frames, the order of a frame
 * and the close behind it, and that a refused upgrade is a request like any other. */
#include "lib/testlib.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/budget.h"
#include "http/websocket.h"
#include "http/ws_key.h"

enum { TURNS_MAX = 200000 };

#define KEY   "dGhlIHNhbXBsZSBub25jZQ=="
#define HELLO "GET /ws HTTP/1.1\r\nHost: x\r\n"

static uv_loop_t loop;
static struct sk_http_server *server;
static size_t frame_bytes; /* of the one frame that the handler sends */
static unsigned ended;

/* ---- a server ---- */

static int on_headers(void *ctx, struct sk_http_req *req, const char **text)
{
    (void)ctx;
    (void)req;
    (void)text;
    return 0;
}

static void on_room(struct sk_http_req *req)
{
    sk_ws_close(req, 1011, SK_STR("enough"));
}

static void on_cancel(struct sk_http_req *req)
{
    ended++;
    sk_ws_end(req);
}

static void on_request(void *ctx, struct sk_http_req *req)
{
    (void)ctx;
    struct sk_http_response resp = {.status = sk_ws_refusal(req)};
    struct sk_strbuf text;
    if (resp.status != 0) {
        sk_http_respond(req, &resp);
        return;
    }
    req->on_cancel = on_cancel;
    sk_ws_accept(req, on_room);
    sk_strbuf_init(&text, 1 << 20);
    for (size_t i = 0; i < frame_bytes; i++)
        sk_strbuf_putc(&text, 'x');
    assert_true(sk_ws_room(req));
    sk_ws_send(req, &text);
    assert_false(sk_ws_room(req));
}

static int setup(void **state)
{
    (void)state;
    struct sk_error detail;
    const int64_t s = 1000000000;
    struct sk_http_options opt = {.address = "127.0.0.1",
                                  .conn_max = 16,
                                  .conn_per_peer_max = 16,
                                  .header_bytes_max = 8192,
                                  .header_count_max = 64,
                                  .body_bytes_max = 4096,
                                  .requests_per_conn_max = 100,
                                  .header_timeout_ns = s,
                                  .idle_timeout_ns = s,
                                  .write_timeout_ns = s,
                                  .body_window_ns = s,
                                  .body_window_bytes = 1,
                                  .on_headers = on_headers,
                                  .on_request = on_request};
    return uv_loop_init(&loop) != 0 || sk_http_server_start(&loop, &opt, &server, &detail) != SK_OK;
}

static int teardown(void **state)
{
    (void)state;
    sk_http_server_stop(server, NULL, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

/* ---- a client ---- */

static int client_open(const char *text)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(sk_http_server_port(server)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    return fd;
}

/* Reads until `out` holds `want` bytes. */
static void client_read(int fd, struct sk_strbuf *out, size_t want)
{
    char buf[65536];
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        if (out->len >= want)
            return;
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n > 0)
            sk_strbuf_add(out, buf, (size_t)n);
    }
    fail_msg("no more than %zu bytes came", out->len);
}

/* Where the head that begins at `at` has ended. */
static size_t head_end(int fd, struct sk_strbuf *out, size_t at)
{
    size_t end;
    while ((end = sk_str_find(sk_strbuf_view(out), SK_STR("\r\n\r\n"), at)) == SIZE_MAX)
        client_read(fd, out, out->len + 1);
    return end + 4;
}

static void the_end_is_told_once(int fd)
{
    (void)close(fd);
    for (unsigned i = 0; i < TURNS_MAX && sk_http_server_conns(server) > 0; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(sk_http_server_conns(server), 0);
}

/* ---- tests ---- */

static void keys_have_their_answers(void **state)
{
    (void)state;
    static const struct {
        const char *key, *accept;
    } good[] = {{KEY, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, /* of the RFC; then of recorded clients */
                {"j3bfe2mm6utN+wzofjej/A==", "EQRh77mK/mI9yaYqkuFluhp5KK0="},
                {"yF1HUhefvnh/bl4K1H6MWQ==", "vSJDeHS2WeyyZEixOiP/HVnjIU8="}};
    static const char *const bad[] = {"",
                                      "=",
                                      "dGhlIHNhbXBsZSBub25jZQ",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZ===",
                                      "dGhlIHNhbXBsZSBub25jZTEyMzQ1",
                                      "dGhl\x80HNhbXBsZSBub25jZQ=="};
    char accept[SK_WS_ACCEPT_BYTES + 1];
    for (size_t i = 0; i < SK_COUNT_OF(good); i++) {
        assert_true(sk_ws_key_good(sk_str_from(good[i].key)));
        sk_ws_key_accept(sk_str_from(good[i].key), accept);
        assert_string_equal(accept, good[i].accept);
    }
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++)
        assert_false(sk_ws_key_good(sk_str_from(bad[i])));
}

static void refused_upgrades_keep_the_connection(void **state)
{
    (void)state;
    struct sk_strbuf out;
    sk_strbuf_init(&out, 1 << 20);
    int fd = client_open(
        HELLO "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" /* no version */
              "POST /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Content-Length: 3\r\n\r\nabc" HELLO
              "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" HELLO "\r\n");
    for (size_t n = 0, at = 0; n < 4; n++) {
        static const char *const status[] = {"HTTP/1.1 400 ", "HTTP/1.1 405 ", "HTTP/1.1 400 ",
                                             "HTTP/1.1 400 "};
        size_t end = head_end(fd, &out, at) - 4;
        struct sk_str head = {out.ptr + at, end - at};
        assert_true(sk_str_starts(head, sk_str_from(status[n])));
        assert_int_equal(sk_str_find(head, SK_STR("Connection: close"), 0), SIZE_MAX);
        at = end + 4;
    }
    the_end_is_told_once(fd);
    sk_strbuf_deinit(&out);
}

static void frames_have_their_lengths(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 300000};
    static const char close_frame[] = "\x88\x08\x03\xf3"
                                      "enough";
    for (size_t k = 0; k < SK_COUNT_OF(sizes); k++) {
        struct sk_strbuf out;
        size_t n = sizes[k], ext = n < 126 ? 0 : n < 65536 ? 2 : 8;
        sk_strbuf_init(&out, 1 << 20);
        frame_bytes = n;
        ended = 0;
        int fd =
            client_open(HELLO "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n");
        size_t at = head_end(fd, &out, 0);
        client_read(fd, &out, at + 2 + ext + n + sizeof(close_frame) - 1);
        const unsigned char *p = (const unsigned char *)out.ptr + at;
        size_t len = 0;
        assert_int_equal(p[0], 0x81);
        assert_int_equal(p[1], ext == 0 ? n : ext == 2 ? 126 : 127);
        for (size_t i = 0; i < ext; i++)
            len = len << 8 | p[2 + i];
        assert_int_equal(ext == 0 ? p[1] : len, n);
        assert_memory_equal(p + 2 + ext + n, close_frame, sizeof(close_frame) - 1);
        the_end_is_told_once(fd);
        assert_int_equal(ended, 1);
        sk_strbuf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_their_answers),
        cmocka_unit_test_setup_teardown(refused_upgrades_keep_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_have_their_lengths, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
