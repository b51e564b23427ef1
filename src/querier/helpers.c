/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c -- see helpers.h. */
#include "querier/helpers.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/workpool.h"

enum helper_state { HELPER_QUEUED, HELPER_RUNNING, HELPER_ABANDONED };

/* On the heap by itself: it may be queued for longer than the query lives. */
struct sk_helper {
    struct sk_job job;
    _Atomic int state;
    struct sk_helpers *owner;
    void (*fn)(void *ctx);
    void *ctx;
};

void sk_helpers_init(struct sk_helpers *h)
{
    *h = (struct sk_helpers){.count = 0};
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->ended, NULL);
}

void sk_helpers_deinit(struct sk_helpers *h)
{
    pthread_cond_destroy(&h->ended);
    pthread_mutex_destroy(&h->lock);
}

static void helper_job(struct sk_job *job)
{
    struct sk_helper *h = SK_CONTAINER_OF(job, struct sk_helper, job);
    int queued = HELPER_QUEUED;
    if (!atomic_compare_exchange_strong(&h->state, &queued, HELPER_RUNNING)) {
        sk_free(h); /* abandoned: the query is gone */
        return;
    }
    struct sk_helpers *owner = h->owner;
    h->fn(h->ctx);
    pthread_mutex_lock(&owner->lock);
    owner->running--;
    pthread_cond_signal(&owner->ended);
    pthread_mutex_unlock(&owner->lock);
}

bool sk_helpers_start(struct sk_helpers *h, struct sk_workpool *pool, void (*fn)(void *ctx),
                      void *ctx)
{
    struct sk_helper *one = h->count < SK_HELPERS_MAX ? sk_calloc(1, sizeof(*one)) : NULL;
    if (one == NULL)
        return false;
    *one = (struct sk_helper){.job.run = helper_job, .owner = h, .fn = fn, .ctx = ctx};
    pthread_mutex_lock(&h->lock);
    h->running++;
    bool started = sk_workpool_submit(pool, SK_WORK_QUERY, &one->job) == SK_OK;
    if (!started)
        h->running--;
    pthread_mutex_unlock(&h->lock);
    if (!started) {
        sk_free(one);
        return false;
    }
    h->list[h->count++] = one;
    return true;
}

void sk_helpers_end(struct sk_helpers *h)
{
    for (size_t i = 0; i < h->count; i++) {
        int queued = HELPER_QUEUED;
        if (!atomic_compare_exchange_strong(&h->list[i]->state, &queued, HELPER_ABANDONED))
            continue;
        h->list[i] = NULL;
        pthread_mutex_lock(&h->lock);
        h->running--;
        pthread_mutex_unlock(&h->lock);
    }
    pthread_mutex_lock(&h->lock);
    while (h->running > 0)
        pthread_cond_wait(&h->ended, &h->lock);
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < h->count; i++)
        sk_free(h->list[i]);
    h->count = 0;
}
