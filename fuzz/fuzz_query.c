/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes choose a query and entries (tests/lib/query_gen.h); the engine answers as the slow
 * evaluator does (tests/lib/slow_eval.h). */
#include "lib/slow_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t answer;
    (void)slow_check(data, size, &answer);
    return 0;
}
