/* SPDX-License-Identifier: Apache-2.0 */
/* slow_check.h -- a case out of bytes: entries and a query, which the engine and slow_eval.h answer
 * alike. Shared by the unit test and the fuzz target. */
#ifndef SK_TESTS_SLOW_CHECK_H
#define SK_TESTS_SLOW_CHECK_H

#include "lib/slow_eval.h"

/* Ends the program, with both answers on stderr, when they differ. The verdict says whether they
 * could be compared; *ret_size is the size of the answer. */
enum slow_verdict slow_check(const uint8_t *data, size_t len, size_t *ret_size);

#endif
