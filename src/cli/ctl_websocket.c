/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_websocket.c -- see ctl_websocket.h. wslay reads and makes the frames. */
#include "cli/ctl_websocket.h"

#include <string.h>
#include <sys/random.h>

#include <wslay/wslay.h>

#include "base/alloc.h"
#include "cli/ctl_text.h"
#include "cli/ctl_url.h"

enum { WAIT_MS = 500, CLOSE_WAITS = 4, MESSAGE_BYTES_MAX = 1 << 30 };

struct sk_ctl_ws {
    struct sk_ctl_http *http;
    wslay_event_context_ptr ctx;
    struct sk_strbuf texts; /* that came together: each behind its length, a size_t */
    size_t texts_at;
    enum sk_err broken; /* SK_ECLOSED or SK_EIO: the connection is over */
    uint8_t in[64 * 1024];
    size_t in_at, in_len;
    uint16_t close_code;
    char close_reason[128];
};

/* ---- wslay's callbacks ---- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
    struct sk_ctl_ws *ws = user;
    (void)flags;
    size_t n = ws->in_len - ws->in_at < len ? ws->in_len - ws->in_at : len;
    if (n == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(buf, ws->in + ws->in_at, n);
    ws->in_at += n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *user)
{
    struct sk_ctl_ws *ws = user;
    (void)flags;
    if (sk_ctl_http_send(ws->http, (struct sk_slice){data, len}) != SK_OK) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)len;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *user)
{
    (void)user;
    if (getrandom(buf, len, 0) == (ssize_t)len)
        return 0;
    wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg,
                       void *user)
{
    struct sk_ctl_ws *ws = user;
    (void)ctx;
    if (msg->opcode == WSLAY_TEXT_FRAME) {
        sk_strbuf_add(&ws->texts, &msg->msg_length, sizeof(msg->msg_length));
        sk_strbuf_add(&ws->texts, msg->msg, msg->msg_length);
    } else if (msg->opcode == WSLAY_CONNECTION_CLOSE) {
        size_t n = msg->msg_length < 2 ? 0 : msg->msg_length - 2;
        n = n < sizeof(ws->close_reason) ? n : sizeof(ws->close_reason) - 1;
        ws->close_code = msg->status_code;
        if (n > 0)
            memcpy(ws->close_reason, msg->msg + 2, n);
        ws->close_reason[n] = '\0';
    }
}

static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                       .send_callback = on_send,
                                                       .genmask_callback = on_mask,
                                                       .on_msg_recv_callback = on_message};

/* ---- life ---- */

static enum sk_err handshake(struct sk_ctl_http *http, const char *path,
                             const struct sk_ctl_param *params, size_t param_count,
                             struct sk_error *reterr)
{
    char key[16];
    long status;
    struct sk_str said;
    struct sk_strbuf lines;
    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
        return sk_error_set(reterr, SK_EIO, "the system has no random numbers");
    sk_strbuf_init(&lines, 4096);
    sk_strbuf_puts(&lines, "Connection: Upgrade\r\nSec-WebSocket-Key: ");
    sk_ctl_base64(&lines, (struct sk_str){key, sizeof(key)});
    sk_strbuf_puts(&lines, "\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
    enum sk_err err = lines.failed ? sk_error_set(reterr, SK_ENOMEM, "out of memory") : SK_OK;
    if (err == SK_OK)
        err = sk_ctl_http_upgrade(http, path, params, param_count, sk_strbuf_view(&lines), &status,
                                  &said, reterr);
    if (err == SK_OK && status != 101)
        err = sk_error_set(reterr, SK_EIO, "error response from server: %.*s (status %ld)",
                           SK_STR_ARG(sk_str_trim(said)), status);
    sk_strbuf_deinit(&lines);
    return err;
}

enum sk_err sk_ctl_ws_open(struct sk_ctl_http *http, const char *path,
                           const struct sk_ctl_param *params, size_t param_count,
                           struct sk_ctl_ws **ret_ws, struct sk_error *reterr)
{
    enum sk_err err = handshake(http, path, params, param_count, reterr);
    if (err != SK_OK)
        return err;
    struct sk_ctl_ws *ws = sk_calloc(1, sizeof(*ws));
    if (ws == NULL || wslay_event_context_client_init(&ws->ctx, &callbacks, ws) != 0) {
        sk_free(ws);
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    }
    ws->http = http;
    sk_strbuf_init(&ws->texts, SK_CTL_BUFFER_BYTES_MAX);
    wslay_event_config_set_max_recv_msg_length(ws->ctx, MESSAGE_BYTES_MAX);
    *ret_ws = ws;
    return SK_OK;
}

/* Reads what is there and answers what wants an answer. */
static enum sk_err step(struct sk_ctl_ws *ws)
{
    if (ws->in_at == ws->in_len) {
        ws->in_at = ws->in_len = 0;
        enum sk_err err = sk_ctl_http_recv(ws->http, ws->in, sizeof(ws->in), WAIT_MS, &ws->in_len);
        if (err != SK_OK)
            return err;
    }
    int rc = wslay_event_recv(ws->ctx);
    if (wslay_event_send(ws->ctx) != 0 || rc != 0)
        return SK_EIO;
    return SK_OK;
}

enum sk_err sk_ctl_ws_next(struct sk_ctl_ws *ws, struct sk_str *ret_text, struct sk_error *reterr)
{
    while (ws->texts_at == ws->texts.len) {
        if (wslay_event_get_close_received(ws->ctx)) {
            ws->broken = SK_ECLOSED;
            return sk_error_set(reterr, SK_ECLOSED, "websocket: close %u: %s", ws->close_code,
                                ws->close_reason);
        }
        if (ws->broken != SK_OK)
            return sk_error_set(reterr, SK_EIO,
                                "websocket: close 1006 (abnormal closure): unexpected EOF");
        sk_strbuf_reset(&ws->texts);
        ws->texts_at = 0;
        enum sk_err err = step(ws);
        if (err == SK_ETIMEDOUT)
            return err;
        if (err != SK_OK || ws->texts.failed)
            ws->broken = SK_EIO;
    }
    size_t len;
    memcpy(&len, ws->texts.ptr + ws->texts_at, sizeof(len));
    *ret_text = (struct sk_str){ws->texts.ptr + ws->texts_at + sizeof(len), len};
    ws->texts_at += sizeof(len) + len;
    return SK_OK;
}

void sk_ctl_ws_close(struct sk_ctl_ws *ws)
{
    if (ws == NULL)
        return;
    if (ws->broken == SK_OK && wslay_event_queue_close(ws->ctx, 1000, NULL, 0) == 0 &&
        wslay_event_send(ws->ctx) == 0) {
        for (int i = 0; i < CLOSE_WAITS && !wslay_event_get_close_received(ws->ctx); i++) {
            sk_strbuf_reset(&ws->texts);
            enum sk_err err = step(ws);
            if (err != SK_OK && err != SK_ETIMEDOUT)
                break;
        }
    }
    wslay_event_context_free(ws->ctx);
    sk_strbuf_deinit(&ws->texts);
    sk_free(ws);
}
