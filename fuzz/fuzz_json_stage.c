/* SPDX-License-Identifier: Apache-2.0 */
/* Any line goes through the stages that read JSON, and gives labels that are text. */
#include "pipeline_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const queries[] = {
        "{t=\"1\"} | json",
        "{t=\"1\"} | json | a=\"1\" | b>3 | drop app | json",
        "{t=\"1\"} | json a=\"b.c[0]\", app, x=\"[\\\"k\\\"]\", y=\"[1]\", z=\"b\"",
        "{t=\"1\"} | unpack | json",
    };
    static struct check checks[SK_COUNT_OF(queries)];
    check_queries(checks, queries, SK_COUNT_OF(queries), (struct sk_str){(const char *)data, size});
    return 0;
}
