/* SPDX-License-Identifier: Apache-2.0 */
/* server_run.h -- wires everything together: start, signals, stop.
 *
 *   start  lock, budgets, store, takeover of what Loki left, ingester (replay), listen, ready
 *   stop   SIGTERM or SIGINT: not ready, no new connections, requests end, log synced, exit 0;
 *          a second signal skips what durability does not need */
#ifndef SK_SERVER_SERVER_RUN_H
#define SK_SERVER_SERVER_RUN_H

#include "base/err.h"

struct sk_config;

/* Serves until a signal ends it. Returns the exit status of the process; reterr tells why it could not
 * start (status 1). */
int sk_server_run(const struct sk_config *config, struct sk_error *reterr);

#endif
