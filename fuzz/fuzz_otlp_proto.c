/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes decode as an OTLP export in protobuf, or are refused with a text. */
#include "fuzz_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_otlp_run(false, data, size);
    return 0;
}
