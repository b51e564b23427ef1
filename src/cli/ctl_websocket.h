/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_websocket.h -- a WebSocket over the client's connection: text comes, pings are answered.
 *
 * Threads: one at a time. */
#ifndef SK_CLI_CTL_WEBSOCKET_H
#define SK_CLI_CTL_WEBSOCKET_H

#include "cli/ctl_http.h"

struct sk_ctl_ws; /* opaque */

/* The handshake. `http` is borrowed until the close. SK_EIO: it failed; reterr has the server's
 * words when it has refused. */
SK_MUST_CHECK enum sk_err sk_ctl_ws_open(struct sk_ctl_http *http, const char *path,
                                         const struct sk_ctl_param *params, size_t param_count,
                                         struct sk_ctl_ws **ret_ws, struct sk_error *reterr);

/* The next text, borrowed until the next call. SK_ETIMEDOUT: none for a while, or a signal came;
 * call again. SK_ECLOSED: the server has closed, reterr says with what. SK_EIO: it broke. */
SK_MUST_CHECK enum sk_err sk_ctl_ws_next(struct sk_ctl_ws *ws, struct sk_str *ret_text,
                                         struct sk_error *reterr);

/* Sends a close frame, waits a moment for the answer, frees. NULL is a no-op. */
void sk_ctl_ws_close(struct sk_ctl_ws *ws);

#endif
