/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_decompress.c -- any bytes as a stream of any codec. The first byte names the codec (a
 * value that is none means a raw snappy block), the second how much may be made and whether it
 * is packed again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sk_codec_ctx *ctx;
    if (ctx == NULL && sk_codec_ctx_create(&ctx) != SK_OK)
        abort();
    if (size < 2)
        return 0;
    struct sk_slice in = {data + 2, size - 2};
    size_t raw_max = (size_t)1 << (data[1] % 23);
    struct sk_strbuf out, packed, back;
    sk_strbuf_init(&out, data[1] & 0x80 ? 1 << 16 : 1 << 24);
    sk_strbuf_init(&packed, 1 << 26);
    sk_strbuf_init(&back, 1 << 24);
    uint8_t codec = data[0] % 11;
    enum sk_err err = sk_codec_known(codec)
                          ? sk_codec_unpack(ctx, (enum sk_codec)codec, in, raw_max, &out)
                          : sk_snappy_block_unpack(in, raw_max, &out);
    if (err != SK_OK) {
        sk_assert(out.len == 0);
    } else {
        sk_assert(out.len <= raw_max);
        struct sk_slice raw = {(const uint8_t *)out.ptr, out.len};
        if (sk_codec_known(codec)) {
            err = sk_codec_pack(ctx, (enum sk_codec)codec, raw, &packed);
            sk_assert(err == SK_OK);
            struct sk_slice again = {(const uint8_t *)packed.ptr, packed.len};
            err = sk_codec_unpack(ctx, (enum sk_codec)codec, again, raw.len, &back);
            sk_assert(err == SK_OK);
            sk_assert(sk_str_eq(sk_strbuf_view(&back), sk_strbuf_view(&out)));
        }
    }
    sk_strbuf_deinit(&out);
    sk_strbuf_deinit(&packed);
    sk_strbuf_deinit(&back);
    return 0;
}
