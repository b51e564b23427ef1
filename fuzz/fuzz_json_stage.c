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
    for (size_t i = 0; i < SK_COUNT_OF(queries); i++) {
        if (checks[i].run == NULL) {
            bool ok = check_open(&checks[i], sk_str_from(queries[i]));
            sk_assert(ok);
        }
        check_line(&checks[i], (struct sk_str){(const char *)data, size}, true);
    }
    return 0;
}
