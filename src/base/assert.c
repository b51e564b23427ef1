/* SPDX-License-Identifier: Apache-2.0 */
/* assert.c -- see assert.h. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void sk_assert_fail(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "level=error msg=\"assertion failed\" expr=\"%s\" caller=%s:%d\n", expr,
                  file, line);
    abort();
}
