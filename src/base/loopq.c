/* SPDX-License-Identifier: Apache-2.0 */
/* loopq.c -- see loopq.h. */
#include "base/loopq.h"

static void drain(uv_async_t *async)
{
    struct sk_loopq *q = async->data;
    pthread_mutex_lock(&q->lock);
    struct sk_loopmsg *msg = q->head;
    q->head = NULL;
    q->tail = &q->head;
    pthread_mutex_unlock(&q->lock);
    while (msg != NULL) {
        struct sk_loopmsg *next = msg->next;
        msg->fn(msg);
        msg = next;
    }
}

enum sk_err sk_loopq_start(struct sk_loopq *q, uv_loop_t *loop)
{
    q->head = NULL;
    q->tail = &q->head;
    if (uv_async_init(loop, &q->async, drain) != 0)
        return SK_EIO;
    q->async.data = q;
    pthread_mutex_init(&q->lock, NULL);
    return SK_OK;
}

void sk_loopq_post(struct sk_loopq *q, struct sk_loopmsg *msg)
{
    msg->next = NULL;
    pthread_mutex_lock(&q->lock);
    *q->tail = msg;
    q->tail = &msg->next;
    pthread_mutex_unlock(&q->lock);
    (void)uv_async_send(&q->async); /* fails only on a closed handle */
}

void sk_loopq_stop(struct sk_loopq *q)
{
    uv_close((uv_handle_t *)&q->async, NULL);
}
