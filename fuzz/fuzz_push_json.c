/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes decode as a JSON push, in the present and the old form, or are refused with a text;
 * label texts that were made from maps are complete. */
#include "fuzz_push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_push push;
    struct sk_error why = {.text = ""};
    struct sk_slice body = {data, size};
    sk_push_init(&push, 16u << 20, NULL);
    if (sk_push_decode_json(&push, sk_str_of_slice(body), &why) == SK_OK) {
        fuzz_push_check(&push, body);
        for (size_t i = 0; i < push.stream_count; i++)
            sk_assert(sk_str_starts(push.streams[i].labels, SK_STR("{")) &&
                      sk_str_ends(push.streams[i].labels, SK_STR("}")));
    } else {
        sk_assert(why.text[0] != '\0');
    }
    sk_push_reset(&push);
    why.text[0] = '\0';
    if (sk_push_decode_json_legacy(&push, sk_str_of_slice(body), &why) == SK_OK)
        fuzz_push_check(&push, body);
    else
        sk_assert(why.text[0] != '\0');
    sk_push_deinit(&push);
    return 0;
}
