/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_chunk.c -- any bytes as a chunk body, as a checkpoint's data, as a head and as block
 * entries. The first byte chooses; with its high bit set the checksums of the body's sections
 * are put right, so that the fuzzer gets behind them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "chunk/block.h"
#include "chunk/chunk.h"
#include "chunk/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sk_codec_ctx *ctx;

static void section_fix(uint8_t *body, size_t size, uint64_t off, uint64_t len)
{
    if (off <= size && len <= size - off && size - off - len >= 4)
        sk_store_be32(body + off + len, sk_crc32c((struct sk_slice){body + off, (size_t)len}));
}

static void checksums_fix(uint8_t *body, size_t size)
{
    if (size < 40)
        return;
    if (body[4] < 4) {
        uint64_t off = sk_load_be64(body + size - 8);
        if (off <= size - 12)
            section_fix(body, size, off, size - 12 - off);
        return;
    }
    const uint8_t *tail = body + size - 32;
    section_fix(body, size - 32, sk_load_be64(tail + 8), sk_load_be64(tail));
    section_fix(body, size - 32, sk_load_be64(tail + 24), sk_load_be64(tail + 16));
}

static void block_walk(struct sk_slice block, bool has_meta, struct sk_chunk *chunk)
{
    struct sk_block_iter it;
    struct sk_block_entry e;
    struct sk_block_stats stats, sorted_stats;
    struct sk_strbuf sorted;
    uint32_t count = 0;
    sk_block_iter_init(&it, block, has_meta);
    while (sk_block_next(&it, &e)) {
        struct sk_label labels[32];
        struct sk_symbol_pair pairs[32];
        size_t n;
        count++;
        if (sk_block_meta_count(e.meta) > 32)
            continue;
        if (sk_block_meta_decode(e.meta, pairs, 32, &n) == SK_OK)
            sk_assert(n == sk_block_meta_count(e.meta));
        if (chunk != NULL && sk_chunk_meta_decode(chunk, e.meta, labels, 32, &n) == SK_OK) {
            for (size_t i = 0; i < n; i++)
                sk_assert(labels[i].name.ptr != NULL && labels[i].value.ptr != NULL);
        }
    }
    enum sk_err err = sk_block_scan(block, has_meta, &stats);
    sk_assert((err == SK_OK) == !it.corrupt);
    if (err != SK_OK)
        return;
    sk_assert(stats.entry_count == count);
    sk_strbuf_init(&sorted, 1 << 24);
    err = sk_block_sort(block, has_meta, &sorted);
    sk_assert(err == SK_OK && sorted.len == block.len);
    err = sk_block_scan((struct sk_slice){(const uint8_t *)sorted.ptr, sorted.len}, has_meta,
                        &sorted_stats);
    sk_assert(err == SK_OK && sorted_stats.sorted && sorted_stats.entry_count == count);
    sk_strbuf_deinit(&sorted);
}

static void chunk_walk(struct sk_slice body, bool checkpoint)
{
    struct sk_arena arena;
    struct sk_chunk *chunk;
    struct sk_strbuf block;
    sk_arena_init(&arena, 16 << 20, NULL);
    sk_strbuf_init(&block, 4 << 20);
    enum sk_err err = checkpoint ? sk_chunk_init_checkpoint(&arena, body, &chunk)
                                 : sk_chunk_init(&arena, body, ctx, &chunk);
    for (size_t i = 0; err == SK_OK && i < sk_chunk_block_count(chunk) && i < 64; i++) {
        sk_strbuf_reset(&block);
        if (sk_chunk_block_read(chunk, i, ctx, &block) == SK_OK)
            block_walk((struct sk_slice){(const uint8_t *)block.ptr, block.len},
                       sk_chunk_has_meta(chunk), chunk);
    }
    sk_strbuf_deinit(&block);
    sk_arena_deinit(&arena);
}

static void head_walk(struct sk_slice head)
{
    struct sk_strbuf block, again;
    uint32_t count;
    sk_strbuf_init(&block, 4 << 20);
    sk_strbuf_init(&again, 4 << 20);
    if (sk_head_decode(head, true, &block, &count) == SK_OK) {
        struct sk_slice b = {(const uint8_t *)block.ptr, block.len};
        struct sk_block_stats stats;
        enum sk_err err = sk_block_scan(b, true, &stats);
        sk_assert(err == SK_OK && stats.entry_count == count);
        err = sk_head_encode(b, true, &again);
        sk_assert(err == SK_OK);
    }
    sk_strbuf_deinit(&block);
    sk_strbuf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (ctx == NULL && sk_codec_ctx_create(&ctx) != SK_OK)
        abort();
    if (size < 1)
        return 0;
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        return 0;
    memcpy(copy, data + 1, size - 1);
    struct sk_slice in = {copy, size - 1};
    if ((data[0] & 0x80) != 0)
        checksums_fix(copy, in.len);
    switch (data[0] & 3) {
    case 0:
        chunk_walk(in, false);
        break;
    case 1:
        chunk_walk(in, true);
        break;
    case 2:
        head_walk(in);
        break;
    default:
        block_walk(in, (data[0] & 4) != 0, NULL);
        break;
    }
    free(copy);
    return 0;
}
