/* SPDX-License-Identifier: Apache-2.0 */
/* ws_key.h -- the key of a WebSocket handshake and the text that answers it (RFC 6455, 4.2.2). No
 * state; any thread. */
#ifndef SK_HTTP_WS_KEY_H
#define SK_HTTP_WS_KEY_H

#include "base/slice.h"

#define SK_WS_ACCEPT_BYTES 28

/* Whether `key` is the Base64 of 16 bytes. */
bool sk_ws_key_good(struct sk_str key);

/* Sec-WebSocket-Accept of a good key, NUL-terminated. */
void sk_ws_key_accept(struct sk_str key, char ret[SK_WS_ACCEPT_BYTES + 1]);

#endif
