/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a query, the others go through it. */
#include "pipeline_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_str rest = {(const char *)data, size};
    size_t end = sk_str_find(rest, SK_STR("\n"), 0);
    struct check c;
    if (end == SIZE_MAX)
        end = size;
    bool ok = check_open(&c, (struct sk_str){rest.ptr, end});
    while (ok && end < rest.len) {
        rest.ptr += end + 1;
        rest.len -= end + 1;
        end = sk_str_find(rest, SK_STR("\n"), 0);
        end = end == SIZE_MAX ? rest.len : end;
        check_line(&c, (struct sk_str){rest.ptr, end}, false);
    }
    check_close(&c);
    return 0;
}
