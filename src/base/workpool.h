/* SPDX-License-Identifier: Apache-2.0 */
/* workpool.h -- a fixed set of threads and one bounded queue per class of work.
 *
 * A job is embedded in the caller's struct and belongs to the pool from submit until `run`
 * starts; `run` may free it. Classes are served in the order of the enum, but at least one worker
 * in four picks goes to the next class that has work, so that none starves. A class may be kept to
 * a part of the threads: pushes must not take all of them from queries, and bytes that stay with
 * few cores are cheaper to work on.
 * Threads: submit from any. */
#ifndef SK_BASE_WORKPOOL_H
#define SK_BASE_WORKPOOL_H

#include <stddef.h>

#include "base/err.h"

enum sk_work_class { SK_WORK_INGEST, SK_WORK_QUERY, SK_WORK_BACKGROUND, SK_WORK_CLASSES };

struct sk_job {
    struct sk_job *next; /* the pool's */
    void (*run)(struct sk_job *job);
};

struct sk_workpool;

struct sk_work_limit {
    size_t waiting; /* jobs */
    size_t running; /* jobs at once; 0: as many as there are threads */
};

SK_MUST_CHECK enum sk_err sk_workpool_create(size_t threads,
                                             const struct sk_work_limit limits[SK_WORK_CLASSES],
                                             struct sk_workpool **ret_pool);

/* SK_EFULL: the queue of this class is full; SK_ECLOSED: the pool is stopping. */
SK_MUST_CHECK enum sk_err sk_workpool_submit(struct sk_workpool *pool, enum sk_work_class cls,
                                             struct sk_job *job);

/* As submit, but never refused by capacity: for work that an accepted request has already begun. */
void sk_workpool_submit_forced(struct sk_workpool *pool, enum sk_work_class cls,
                               struct sk_job *job);

size_t sk_workpool_waiting(const struct sk_workpool *pool, enum sk_work_class cls);
size_t sk_workpool_threads(const struct sk_workpool *pool);

/* Runs what is queued, then joins the threads. NULL is a no-op. */
void sk_workpool_destroy(struct sk_workpool *pool);

#endif
