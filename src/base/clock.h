/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h -- the only source of time, so that tests can set it. */
#ifndef SK_BASE_CLOCK_H
#define SK_BASE_CLOCK_H

#include <stdint.h>

/* Wall clock, ns since the Unix epoch. */
int64_t sk_clock_now_ns(void);

/* Monotonic, ns; for intervals only. */
int64_t sk_clock_mono_ns(void);

/* CPU time of the calling thread, ns. */
int64_t sk_clock_cpu_ns(void);

/* Tests: the wall clock stands at `ns`; 0 lets it run again. */
void sk_clock_fake(int64_t ns);

#endif
