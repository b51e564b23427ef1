/* SPDX-License-Identifier: Apache-2.0 */
/* loopq.h -- messages from any thread to the loop. One uv_async, wake-ups coalesced: a wake drains
 * all. A message is embedded in the sender's struct and is the receiver's once `fn` runs. */
#ifndef SK_BASE_LOOPQ_H
#define SK_BASE_LOOPQ_H

#include <pthread.h>
#include <uv.h>

#include "base/err.h"

struct sk_loopmsg {
    struct sk_loopmsg *next; /* the queue's */
    void (*fn)(struct sk_loopmsg *msg);
};

struct sk_loopq {
    uv_async_t async;
    pthread_mutex_t lock;
    struct sk_loopmsg *head, **tail;
};

SK_MUST_CHECK enum sk_err sk_loopq_start(struct sk_loopq *q, uv_loop_t *loop);

/* Any thread. The loop must be running (or will be), and not yet stopped. */
void sk_loopq_post(struct sk_loopq *q, struct sk_loopmsg *msg);

/* Loop thread; closes the handle. Messages must have ceased. */
void sk_loopq_stop(struct sk_loopq *q);

#endif
