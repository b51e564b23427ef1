/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h -- other workers of the pool that help a query which runs on one. Private to the
 * querier.
 *
 * A helper that has not begun when the query is done is abandoned; waiting for it could be waiting
 * for ourselves: all workers may run queries. What belongs to the query is touched by a helper only
 * between begin and end of its function, and sk_helpers_end() returns when all of those have ended.
 *
 * Threads: start and end are the query's; functions run on workers. */
#ifndef SK_QUERIER_HELPERS_H
#define SK_QUERIER_HELPERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { SK_HELPERS_MAX = 15 };

struct sk_helper;
struct sk_workpool;

struct sk_helpers {
    struct sk_helper *list[SK_HELPERS_MAX];
    size_t count;
    size_t running; /* or not begun */
    pthread_mutex_t lock;
    pthread_cond_t ended;
};

void sk_helpers_init(struct sk_helpers *h);
void sk_helpers_deinit(struct sk_helpers *h); /* behind sk_helpers_end(), or nothing was started */

/* fn(ctx) on another worker, perhaps. false: there is no room for it, or no memory. */
bool sk_helpers_start(struct sk_helpers *h, struct sk_workpool *pool, void (*fn)(void *ctx),
                      void *ctx);

/* Those that have begun are waited for; the others will not begin any more. */
void sk_helpers_end(struct sk_helpers *h);

#endif
