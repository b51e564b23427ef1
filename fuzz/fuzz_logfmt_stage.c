/* SPDX-License-Identifier: Apache-2.0 */
/* Any line goes through logfmt in all its forms, and gives labels that are text. */
#include "pipeline_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const queries[] = {
        "{t=\"1\"} | logfmt",
        "{t=\"1\"} | logfmt --keep-empty | a=\"\" | b>3 | logfmt",
        "{t=\"1\"} | logfmt --strict | __error__=\"\"",
        "{t=\"1\"} | logfmt a, b=\"c\", app, x=\"s\"",
        "{t=\"1\"} | logfmt --strict a=\"b\" | logfmt c=\"a\"",
    };
    static struct check checks[SK_COUNT_OF(queries)];
    check_queries(checks, queries, SK_COUNT_OF(queries), (struct sk_str){(const char *)data, size});
    return 0;
}
