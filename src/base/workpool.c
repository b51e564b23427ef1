/* SPDX-License-Identifier: Apache-2.0 */
/* workpool.c -- one mutex, one condition; jobs are milliseconds, so the lock is not the cost. */
#include "base/workpool.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/assert.h"

struct queue {
    struct sk_job *head, **tail;
    size_t count, running;
    struct sk_work_limit limit;
};

struct sk_workpool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue queues[SK_WORK_CLASSES];
    unsigned picks;
    bool stopping;
    size_t thread_count;
    pthread_t threads[];
};

static struct sk_job *queue_pop(struct queue *q)
{
    struct sk_job *job = q->head;
    if (job == NULL || q->running == q->limit.running)
        return NULL;
    q->head = job->next;
    if (q->head == NULL)
        q->tail = &q->head;
    sk_assert(q->count > 0);
    q->count--;
    q->running++;
    job->next = NULL;
    return job;
}

/* Every fourth pick looks at the classes from the last to the first. */
static struct sk_job *pick(struct sk_workpool *pool, struct queue **ret_from)
{
    bool reverse = ++pool->picks % 4 == 0;
    for (int i = 0; i < SK_WORK_CLASSES; i++) {
        *ret_from = &pool->queues[reverse ? SK_WORK_CLASSES - 1 - i : i];
        struct sk_job *job = queue_pop(*ret_from);
        if (job != NULL)
            return job;
    }
    return NULL;
}

/* Whether another thread would find something to do. */
static bool more(const struct sk_workpool *pool)
{
    for (int i = 0; i < SK_WORK_CLASSES; i++) {
        const struct queue *q = &pool->queues[i];
        if (q->head != NULL && q->running < q->limit.running)
            return true;
    }
    return false;
}

static void *worker(void *arg)
{
    struct sk_workpool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct queue *from;
        struct sk_job *job = pick(pool, &from);
        if (job != NULL) {
            if (more(pool)) /* a wake-up may have met a class that was at its limit */
                pthread_cond_signal(&pool->wake);
            pthread_mutex_unlock(&pool->lock);
            job->run(job);
            pthread_mutex_lock(&pool->lock);
            from->running--;
        } else if (pool->stopping) {
            break; /* what a class at its limit still has is run by those who run it now */
        } else {
            pthread_cond_wait(&pool->wake, &pool->lock);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum sk_err sk_workpool_create(size_t threads, const struct sk_work_limit limits[SK_WORK_CLASSES],
                               struct sk_workpool **ret_pool)
{
    sk_assert(threads > 0 && threads < 1024);
    struct sk_workpool *pool = sk_calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));
    if (pool == NULL)
        return SK_ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 0; i < SK_WORK_CLASSES; i++) {
        pool->queues[i].tail = &pool->queues[i].head;
        pool->queues[i].limit = limits[i];
        if (limits[i].running == 0)
            pool->queues[i].limit.running = threads;
    }
    for (size_t i = 0; i < threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, worker, pool) != 0) {
            sk_workpool_destroy(pool);
            return SK_ENOMEM;
        }
        pool->thread_count++;
    }
    *ret_pool = pool;
    return SK_OK;
}

static enum sk_err submit(struct sk_workpool *pool, enum sk_work_class cls, struct sk_job *job,
                          bool forced)
{
    enum sk_err err = SK_OK;
    sk_assert(job != NULL && job->run != NULL);
    pthread_mutex_lock(&pool->lock);
    struct queue *q = &pool->queues[cls];
    if (pool->stopping && !forced) {
        err = SK_ECLOSED;
    } else if (q->count >= q->limit.waiting && !forced) {
        err = SK_EFULL;
    } else {
        job->next = NULL;
        *q->tail = job;
        q->tail = &job->next;
        q->count++;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return err;
}

enum sk_err sk_workpool_submit(struct sk_workpool *pool, enum sk_work_class cls, struct sk_job *job)
{
    return submit(pool, cls, job, false);
}

void sk_workpool_submit_forced(struct sk_workpool *pool, enum sk_work_class cls, struct sk_job *job)
{
    (void)submit(pool, cls, job, true); /* cannot fail when forced */
}

size_t sk_workpool_waiting(const struct sk_workpool *pool, enum sk_work_class cls)
{
    return __atomic_load_n(&pool->queues[cls].count, __ATOMIC_RELAXED);
}

size_t sk_workpool_threads(const struct sk_workpool *pool)
{
    return pool->thread_count;
}

void sk_workpool_destroy(struct sk_workpool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    sk_free(pool);
}
