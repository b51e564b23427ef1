/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes decode as a logproto.PushRequest, or are refused with a text. */
#include "fuzz_push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_push push;
    struct sk_error why = {.text = ""};
    struct sk_slice body = {data, size};
    sk_push_init(&push, 16u << 20, NULL);
    if (sk_push_decode_proto(&push, body, &why) == SK_OK)
        fuzz_push_check(&push, body);
    else
        sk_assert(why.text[0] != '\0');
    sk_push_deinit(&push);
    return 0;
}
