/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c -- see clock.h. */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t fake_ns;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t); /* cannot fail for the clocks used here */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t sk_clock_now_ns(void)
{
    int64_t fake = atomic_load_explicit(&fake_ns, memory_order_relaxed);
    return fake != 0 ? fake : read_clock(CLOCK_REALTIME);
}

int64_t sk_clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t sk_clock_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void sk_clock_fake(int64_t ns)
{
    atomic_store(&fake_ns, ns);
}
