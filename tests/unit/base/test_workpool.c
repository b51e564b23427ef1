/* SPDX-License-Identifier: Apache-2.0 */
/* test_workpool.c -- every job runs once, a class keeps to its share of the threads and takes
 * nothing from the others, and destroying the pool runs what is queued. */
#include "base/workpool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/assert.h"
#include "lib/testlib.h"

enum { JOBS = 200, THREADS = 4, SHARE = 2 };

struct state {
    _Atomic int running, most, done;
    pthread_mutex_t gate; /* held: jobs of class INGEST wait here */
};

struct test_job {
    struct sk_job job;
    struct state *state;
};

static void job_run(struct sk_job *job)
{
    struct state *s = ((struct test_job *)job)->state;
    int now = atomic_fetch_add(&s->running, 1) + 1, most = atomic_load(&s->most);
    while (now > most && !atomic_compare_exchange_weak(&s->most, &most, now)) {
    }
    pthread_mutex_lock(&s->gate);
    pthread_mutex_unlock(&s->gate);
    struct timespec pause = {0, 100000};
    nanosleep(&pause, NULL); /* lets others start meanwhile */
    atomic_fetch_sub(&s->running, 1);
    atomic_fetch_add(&s->done, 1);
}

static void quick_run(struct sk_job *job)
{
    atomic_fetch_add(&((struct test_job *)job)->state->done, 1);
}

static struct sk_workpool *pool_make(void)
{
    const struct sk_work_limit limits[SK_WORK_CLASSES] = {[SK_WORK_INGEST] = {JOBS, SHARE},
                                                          [SK_WORK_QUERY] = {JOBS, 0},
                                                          [SK_WORK_BACKGROUND] = {2, 0}};
    struct sk_workpool *pool;
    assert_int_equal(sk_workpool_create(THREADS, limits, &pool), SK_OK);
    return pool;
}

static void a_class_keeps_to_its_share_and_leaves_the_rest(void **unused)
{
    (void)unused;
    static struct test_job pushes[JOBS], queries[JOBS];
    struct state slow = {0}, quick = {0};
    pthread_mutex_init(&slow.gate, NULL);
    struct sk_workpool *pool = pool_make();
    pthread_mutex_lock(&slow.gate); /* the pushes that run now hold their threads */
    for (size_t i = 0; i < JOBS; i++) {
        pushes[i] = (struct test_job){.job = {.run = job_run}, .state = &slow};
        assert_int_equal(sk_workpool_submit(pool, SK_WORK_INGEST, &pushes[i].job), SK_OK);
    }
    for (size_t i = 0; i < JOBS; i++) {
        queries[i] = (struct test_job){.job = {.run = quick_run}, .state = &quick};
        assert_int_equal(sk_workpool_submit(pool, SK_WORK_QUERY, &queries[i].job), SK_OK);
    }
    struct timespec pause = {0, 1000000};
    for (int i = 0; i < 10000 && atomic_load(&quick.done) < JOBS; i++)
        nanosleep(&pause, NULL);
    assert_int_equal(atomic_load(&quick.done), JOBS);
    assert_int_equal(atomic_load(&slow.done), 0);
    pthread_mutex_unlock(&slow.gate);
    sk_workpool_destroy(pool); /* runs what is queued */
    assert_int_equal(atomic_load(&slow.done), JOBS);
    assert_int_equal(atomic_load(&slow.most), SHARE);
    pthread_mutex_destroy(&slow.gate);
}

static void a_full_queue_refuses_unless_forced(void **unused)
{
    (void)unused;
    struct test_job jobs[THREADS + 4];
    struct state s = {0};
    pthread_mutex_init(&s.gate, NULL);
    struct sk_workpool *pool = pool_make();
    pthread_mutex_lock(&s.gate);
    for (size_t i = 0; i < SK_COUNT_OF(jobs); i++)
        jobs[i] = (struct test_job){.job = {.run = job_run}, .state = &s};
    size_t taken = 0;
    struct timespec pause = {0, 1000000};
    while (atomic_load(&s.running) < THREADS) { /* all threads busy */
        if (taken == (size_t)atomic_load(&s.running))
            assert_int_equal(sk_workpool_submit(pool, SK_WORK_BACKGROUND, &jobs[taken++].job),
                             SK_OK);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(sk_workpool_submit(pool, SK_WORK_BACKGROUND, &jobs[taken++].job), SK_OK);
    assert_int_equal(sk_workpool_submit(pool, SK_WORK_BACKGROUND, &jobs[taken++].job), SK_OK);
    assert_int_equal(sk_workpool_waiting(pool, SK_WORK_BACKGROUND), 2);
    assert_int_equal(sk_workpool_submit(pool, SK_WORK_BACKGROUND, &jobs[taken].job), SK_EFULL);
    sk_workpool_submit_forced(pool, SK_WORK_BACKGROUND, &jobs[taken++].job);
    pthread_mutex_unlock(&s.gate);
    sk_workpool_destroy(pool);
    assert_int_equal(atomic_load(&s.done), taken);
    pthread_mutex_destroy(&s.gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_keeps_to_its_share_and_leaves_the_rest),
        cmocka_unit_test(a_full_queue_refuses_unless_forced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
