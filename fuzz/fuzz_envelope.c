/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_envelope.c -- any bytes as a chunk file, or (first byte odd) as the JSON inside one. What
 * decodes is encoded and decoded again. Paths are tried too. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/binout.h"
#include "objstore/envelope.h"
#include "objstore/objkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sk_codec_ctx *ctx;

static void decode(struct sk_slice file)
{
    struct sk_arena arena;
    struct sk_envelope env, again;
    sk_arena_init(&arena, 16 << 20, NULL);
    if (sk_envelope_decode(file, ctx, &arena, &env) == SK_OK) {
        struct sk_strbuf out;
        struct sk_envelope_mark mark;
        uint32_t crc;
        sk_strbuf_init(&out, 16 << 20);
        enum sk_err err = sk_envelope_begin(&env, ctx, &out, &mark);
        sk_assert(err == SK_OK);
        err = sk_envelope_end(&mark, &out, &crc);
        sk_assert(err == SK_OK);
        struct sk_slice made = {(const uint8_t *)out.ptr, out.len};
        err = sk_envelope_decode(made, ctx, &arena, &again);
        sk_assert(err == SK_OK);
        sk_assert(again.fingerprint == env.fingerprint && again.from_ms == env.from_ms);
        sk_assert(again.through_ms == env.through_ms && sk_str_eq(again.tenant, env.tenant));
        sk_assert(sk_labels_eq(again.labels, env.labels));
        sk_strbuf_deinit(&out);
    }
    sk_arena_deinit(&arena);
}

static void path(struct sk_str text)
{
    struct sk_chunk_key key, again;
    enum sk_chunk_layout layout, layout_again;
    char tenant[SK_TENANT_BYTES_MAX], tenant_again[SK_TENANT_BYTES_MAX];
    if (!sk_chunk_path_parse(text, tenant, &key, &layout))
        return;
    struct sk_strbuf out;
    sk_strbuf_init(&out, 1000);
    sk_chunk_path_format(&out, &key, layout);
    bool ok = sk_chunk_path_parse(sk_strbuf_view(&out), tenant_again, &again, &layout_again);
    sk_assert(ok && layout == layout_again && again.fingerprint == key.fingerprint);
    sk_assert(again.from_ms == key.from_ms && again.through_ms == key.through_ms);
    sk_assert(again.checksum == key.checksum && sk_str_eq(again.tenant, key.tenant));
    sk_strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (ctx == NULL && sk_codec_ctx_create(&ctx) != SK_OK)
        abort();
    if (size < 1)
        return 0;
    struct sk_slice in = {data + 1, size - 1};
    if (data[0] % 3 == 0) {
        decode(in);
    } else if (data[0] % 3 == 1) {
        struct sk_strbuf file;
        sk_strbuf_init(&file, 16 << 20);
        sk_put_be32(&file, 0);
        if (sk_codec_pack(ctx, SK_CODEC_SNAPPY, in, &file) == SK_OK) {
            sk_store_be32((uint8_t *)file.ptr, (uint32_t)file.len);
            sk_put_be32(&file, 0);
            decode((struct sk_slice){(const uint8_t *)file.ptr, file.len});
        }
        sk_strbuf_deinit(&file);
    } else {
        path(sk_str_of_slice(in));
    }
    return 0;
}
