/* SPDX-License-Identifier: Apache-2.0 */
/* websocket.h -- turns a request into a WebSocket (RFC 6455, no extensions, no subprotocol) that
 * carries text from the server; what the client sends besides control frames is read and dropped.
 *
 *   on_request -> sk_ws_refusal() == 0 -> sk_ws_accept()          101
 *       -> [sk_ws_room()] sk_ws_send() -> on_room -> sk_ws_send() ...
 *       -> [sk_ws_close()] -> req->on_cancel -> sk_ws_end()       the request is gone
 *
 * The server answers pings and close frames and sends a ping each second. One frame is on its way
 * at a time: `on_room` tells when it has left and the next may be given: that is the back-pressure.
 * Closed with 1002: unmasked, reserved or malformed frames; 1007: text that is no UTF-8; 1009: a
 * message above SK_WS_MESSAGE_BYTES_MAX. A frame that has not left within the server's write
 * timeout ends the connection.
 *
 * on_cancel comes once, when the client has closed, has gone, or the connection was ended; the
 * handler then gives the request back with sk_ws_end(), at once or later. Until then all calls are
 * allowed and do nothing any more. Threads: the loop. */
#ifndef SK_HTTP_WEBSOCKET_H
#define SK_HTTP_WEBSOCKET_H

#include "http/server.h"

/* A client's message may be so long. Bytes. */
#define SK_WS_MESSAGE_BYTES_MAX 4096u

/* 0: a good handshake; else the status to refuse it with, 400 or 405. */
int sk_ws_refusal(const struct sk_http_req *req);

/* Answers 101. `req` is not cancelled, its on_cancel is set and may be called during this. */
void sk_ws_accept(struct sk_http_req *req, void (*on_room)(struct sk_http_req *req));

/* Whether a frame may be given. */
bool sk_ws_room(const struct sk_http_req *req);
/* One text frame; takes `text`. There is room. */
void sk_ws_send(struct sk_http_req *req, struct sk_strbuf *text);
/* A close frame behind what was sent; a `reason` beyond 123 bytes is cut. */
void sk_ws_close(struct sk_http_req *req, uint16_t code, struct sk_str reason);
/* After on_cancel: the request is given back. */
void sk_ws_end(struct sk_http_req *req);

#endif
