/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_http.h -- the HTTP client: address, credentials, TLS, proxy and headers of the command line
 * on one libcurl handle that keeps its connection.
 *
 * Threads: one at a time. */
#ifndef SK_CLI_CTL_HTTP_H
#define SK_CLI_CTL_HTTP_H

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_url.h"

struct sk_ctl_http; /* opaque */

/* Heap object. SK_EINVAL: the flags do not fit together, or a file cannot be read; SK_ENOMEM.
 * `opts` is borrowed. */
SK_MUST_CHECK enum sk_err sk_ctl_http_create(const struct sk_ctl_opts *opts,
                                             struct sk_ctl_http **ret_http,
                                             struct sk_error *reterr);
void sk_ctl_http_destroy(struct sk_ctl_http *http); /* NULL is a no-op */

enum sk_ctl_method { SK_CTL_GET, SK_CTL_POST, SK_CTL_DELETE };

/* A request without a body for path?params; `params` are sorted. Says the URL unless --quiet, and
 * repeats what fails, 4xx too, --retries times, saying why. SK_EIO: all attempts failed, with the
 * text `run out of attempts while querying the server`. *ret_body is borrowed until the next. */
SK_MUST_CHECK enum sk_err sk_ctl_http_ask(struct sk_ctl_http *http, enum sk_ctl_method method,
                                          const char *path, const struct sk_ctl_param *params,
                                          size_t param_count, struct sk_str *ret_body,
                                          struct sk_error *reterr);
/* The same for GET. */
SK_MUST_CHECK enum sk_err sk_ctl_http_get(struct sk_ctl_http *http, const char *path,
                                          const struct sk_ctl_param *params, size_t param_count,
                                          struct sk_str *ret_body, struct sk_error *reterr);

/* One POST of `body`, never repeated. SK_OK: there was an answer, whatever its status. SK_EIO:
 * there was none, reterr says why. */
SK_MUST_CHECK enum sk_err sk_ctl_http_post(struct sk_ctl_http *http, const char *path,
                                           const char *content_type, struct sk_slice body,
                                           long *ret_status, struct sk_str *ret_body,
                                           struct sk_error *reterr);

/* ---- a connection that changes its protocol ---- */

/* GET path?params with the further header `lines` ("Name: value\r\n" each), over a connection of
 * its own; the headers of the answer are read. *ret_status tells what came; *ret_text is the body
 * of a refusal as far as it came, else empty. SK_EIO: no answer, reterr says why. */
SK_MUST_CHECK enum sk_err sk_ctl_http_upgrade(struct sk_ctl_http *http, const char *path,
                                              const struct sk_ctl_param *params, size_t param_count,
                                              struct sk_str lines, long *ret_status,
                                              struct sk_str *ret_text, struct sk_error *reterr);
/* All of it. SK_EIO: the connection is broken. */
SK_MUST_CHECK enum sk_err sk_ctl_http_send(struct sk_ctl_http *http, struct sk_slice bytes);
/* Waits for `wait_ms` at most. SK_ETIMEDOUT: nothing came, or a signal; SK_ECLOSED: the server has
 * ended it; SK_EIO. */
SK_MUST_CHECK enum sk_err sk_ctl_http_recv(struct sk_ctl_http *http, void *buf, size_t len,
                                           int wait_ms, size_t *ret_len);

/* Sleeps before repetition `attempt` (0, 1, ...): `min_s` doubled each time, at most `max_s`. */
void sk_ctl_backoff(unsigned attempt, int64_t min_s, int64_t max_s);

/* "0.1" */
const char *sk_ctl_version(void);

#endif
