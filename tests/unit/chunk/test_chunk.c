/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the reading of Loki's chunks: every golden file reads to what an independent decoder
 * made of it, and no flipped bit or cut ever gives other data. */
#include "lib/testlib.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "chunk/block.h"
#include "chunk/chunk.h"
#include "objstore/envelope.h"
#include "objstore/objkey.h"

static struct sk_codec_ctx *ctx;

static struct sk_slice view(const struct sk_strbuf *b)
{
    return (struct sk_slice){(const uint8_t *)b->ptr, b->len};
}

static void dump_entry(struct sk_chunk *chunk, size_t block, const struct sk_block_entry *e,
                       struct sk_strbuf *out)
{
    struct sk_label labels[16];
    size_t count;
    struct sk_slice line = sk_slice_of_str(e->line);
    if (sk_block_meta_count(e->meta) > 16)
        return; /* of a damaged block */
    sk_strbuf_printf(out, "%zu %lld %zu %08x ", block, (long long)e->ts_ns, line.len,
                     sk_crc32c(line));
    if (sk_chunk_meta_decode(chunk, e->meta, labels, 16, &count) != SK_OK)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        sk_strbuf_puts(out, i == 0 ? "" : " ");
        sk_strbuf_str(out, labels[i].name);
        sk_strbuf_putc(out, '=');
        sk_strbuf_str(out, labels[i].value);
    }
    sk_strbuf_putc(out, '\n');
}

/* The text of a golden file. Not SK_OK: as the first function that failed said. */
static enum sk_err dump(struct sk_slice file, enum sk_chunk_layout layout, struct sk_strbuf *out)
{
    struct sk_arena arena;
    struct sk_strbuf block;
    sk_arena_init(&arena, 8 << 20, NULL);
    sk_strbuf_init(&block, 1 << 20);
    struct sk_envelope env;
    struct sk_chunk *chunk;
    enum sk_err err = sk_envelope_decode(file, ctx, &arena, &env);
    if (err != SK_OK)
        goto out;
    err = sk_chunk_init(&arena, env.body, ctx, &chunk);
    if (err != SK_OK)
        goto out;
    struct sk_chunk_key key = {env.tenant, env.fingerprint, env.from_ms, env.through_ms,
                               sk_crc32c(file)};
    sk_strbuf_puts(out, "key ");
    sk_chunk_key_format(out, &key);
    sk_strbuf_puts(out, "\npath ");
    sk_chunk_path_format(out, &key, layout);
    sk_strbuf_printf(out, "\nformat %u codec %s blocks %zu kb %u\n", sk_chunk_format(chunk),
                     sk_codec_name(sk_chunk_codec(chunk)), sk_chunk_block_count(chunk),
                     sk_chunk_kb(chunk));
    for (size_t i = 0; i < sk_chunk_block_count(chunk); i++) {
        struct sk_block_iter it;
        struct sk_block_entry e;
        uint32_t count = 0;
        sk_strbuf_reset(&block);
        err = sk_chunk_block_read(chunk, i, ctx, &block);
        if (err != SK_OK)
            goto out;
        sk_block_iter_init(&it, view(&block), sk_chunk_has_meta(chunk));
        while (sk_block_next(&it, &e)) {
            dump_entry(chunk, i, &e, out);
            count++;
        }
        assert_false(it.corrupt);
        assert_int_equal(count, sk_chunk_block_at(chunk, i)->entry_count);
    }
out:
    sk_strbuf_deinit(&block);
    sk_arena_deinit(&arena);
    return err;
}

static void golden_chunks_read_as_an_independent_decoder_reads_them(void **state)
{
    (void)state;
    char dir_path[4096], path[8192];
    unsigned seen = 0;
    snprintf(dir_path, sizeof(dir_path), "%s", testlib_path("golden/chunk/good"));
    DIR *dir = opendir(dir_path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char *dot = strstr(e->d_name, ".chunk");
        if (dot == NULL)
            continue;
        struct sk_strbuf got;
        void *file_ptr, *want_ptr;
        sk_strbuf_init(&got, 1 << 20);
        snprintf(path, sizeof(path), "%s/%s", dir_path, e->d_name);
        struct sk_slice file = testlib_read(path, &file_ptr);
        memcpy(strstr(path, ".chunk"), ".txt", sizeof(".txt"));
        struct sk_slice want = testlib_read(path, &want_ptr);
        bool v11 = strstr(e->d_name, "v11") != NULL;
        assert_int_equal(dump(file, v11 ? SK_CHUNK_LAYOUT_V11 : SK_CHUNK_LAYOUT_V12, &got), SK_OK);
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.ptr, want.ptr, want.len);
        sk_strbuf_deinit(&got);
        sk_free(file_ptr);
        sk_free(want_ptr);
        seen++;
    }
    closedir(dir);
    assert_true(seen >= 18);
}

/* A damaged file: an error, or the data it had (a bit in the outer JSON aside, which the key
 * guards). */
static void flip_all(const char *name)
{
    void *ptr;
    char rest[256];
    snprintf(rest, sizeof(rest), "golden/chunk/good/%s.chunk", name);
    struct sk_slice file = testlib_read(testlib_path(rest), &ptr);
    struct sk_arena arena;
    struct sk_envelope env;
    struct sk_strbuf want, got, block;
    sk_strbuf_init(&want, 1 << 20);
    sk_strbuf_init(&got, 1 << 20);
    sk_strbuf_init(&block, 1 << 20);
    sk_arena_init(&arena, 8 << 20, NULL);
    assert_int_equal(sk_envelope_decode(file, ctx, &arena, &env), SK_OK);
    uint8_t *body = sk_malloc(env.body.len);
    memcpy(body, env.body.ptr, env.body.len);
    unsigned good = 0;
    for (size_t bit = 0; bit <= env.body.len * 8; bit++) {
        bool flipped = bit > 0; /* first the sound one */
        if (flipped)
            body[(bit - 1) / 8] ^= (uint8_t)(1 << ((bit - 1) % 8));
        struct sk_arena inner;
        sk_arena_init(&inner, 8 << 20, NULL);
        struct sk_chunk *chunk;
        struct sk_slice b = {body, env.body.len};
        sk_strbuf_reset(&got);
        enum sk_err err = sk_chunk_init(&inner, b, ctx, &chunk);
        for (size_t i = 0; err == SK_OK && i < sk_chunk_block_count(chunk); i++) {
            struct sk_block_iter it;
            struct sk_block_entry e;
            sk_strbuf_reset(&block);
            err = sk_chunk_block_read(chunk, i, ctx, &block);
            if (err != SK_OK)
                break;
            sk_block_iter_init(&it, view(&block), sk_chunk_has_meta(chunk));
            uint32_t count = 0;
            for (; sk_block_next(&it, &e); count++)
                dump_entry(chunk, i, &e, &got);
            /* the codec byte has no checksum of its own: the wrong one shows here */
            if (it.corrupt || count != sk_chunk_block_at(chunk, i)->entry_count)
                err = SK_ECORRUPT;
        }
        if (!flipped) {
            assert_int_equal(err, SK_OK);
            sk_strbuf_str(&want, sk_strbuf_view(&got));
        } else if (err == SK_OK) {
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.ptr, want.ptr, want.len);
            good++;
        }
        sk_arena_deinit(&inner);
        if (flipped)
            body[(bit - 1) / 8] ^= (uint8_t)(1 << ((bit - 1) % 8));
    }
    /* only the version byte, the codec byte of an lz4 chunk (any lz4 reads any other) and the
     * like */
    assert_true(good <= 4);
    for (size_t cut = 0; cut < env.body.len; cut++) {
        struct sk_arena inner;
        struct sk_chunk *chunk;
        sk_arena_init(&inner, 8 << 20, NULL);
        assert_int_not_equal(sk_chunk_init(&inner, (struct sk_slice){body, cut}, ctx, &chunk),
                             SK_OK);
        sk_arena_deinit(&inner);
    }
    sk_free(body);
    sk_free(ptr);
    sk_arena_deinit(&arena);
    sk_strbuf_deinit(&want);
    sk_strbuf_deinit(&got);
    sk_strbuf_deinit(&block);
}

static void no_flipped_bit_gives_other_data(void **state)
{
    (void)state;
    flip_all("none-appendix");
    flip_all("gzip-odd");
    flip_all("snappy-odd");
    flip_all("lz4-64k-api");
    flip_all("zstd-api");
    flip_all("v3-gzip-crossday");
}

/* The table of a `none` chunk with one block: offset is at a known place. */
static void a_block_at_a_wrong_offset_is_found_behind_its_predecessor(void **state)
{
    (void)state;
    void *ptr;
    struct sk_slice file =
        testlib_read(testlib_path("golden/chunk/good/none-appendix.chunk"), &ptr);
    struct sk_arena arena;
    struct sk_strbuf block;
    struct sk_chunk *chunk;
    sk_arena_init(&arena, 8 << 20, NULL);
    sk_strbuf_init(&block, 1 << 20);
    uint8_t *body = (uint8_t *)ptr + 0xba;
    size_t len = file.len - 0xba;
    assert_int_equal(body[0xac], 0x16);
    static const uint8_t wrong[] = {0x15, 0x17, 0x00, 0x7f};
    for (size_t i = 0; i < sizeof(wrong); i++) {
        body[0xac] = wrong[i];
        sk_store_be32(body + 0xaf, sk_crc32c((struct sk_slice){body + 0x98, 0x17}));
        assert_int_equal(sk_chunk_init(&arena, (struct sk_slice){body, len}, ctx, &chunk), SK_OK);
        sk_strbuf_reset(&block);
        assert_int_equal(sk_chunk_block_read(chunk, 0, ctx, &block), SK_OK);
        assert_int_equal(block.len, 126);
    }
    body[0x20] ^= 1; /* now the block itself is damaged */
    assert_int_equal(sk_chunk_block_read(chunk, 0, ctx, &block), SK_ECORRUPT);
    assert_int_equal(block.len, 126);
    sk_strbuf_deinit(&block);
    sk_arena_deinit(&arena);
    sk_free(ptr);
}

static void unknown_formats_and_codecs_are_refused(void **state)
{
    (void)state;
    void *ptr;
    struct sk_slice file =
        testlib_read(testlib_path("golden/chunk/good/none-appendix.chunk"), &ptr);
    struct sk_arena arena;
    struct sk_chunk *chunk;
    uint8_t *body = (uint8_t *)ptr + 0xba;
    struct sk_slice b = {body, file.len - 0xba};
    sk_arena_init(&arena, 1 << 20, NULL);
    body[4] = 5;
    assert_int_equal(sk_chunk_init(&arena, b, ctx, &chunk), SK_EUNSUPPORTED);
    body[4] = 4;
    body[5] = 2;
    assert_int_equal(sk_chunk_init(&arena, b, ctx, &chunk), SK_EUNSUPPORTED);
    sk_arena_deinit(&arena);
    sk_arena_init(&arena, 64, NULL);
    body[5] = 0;
    assert_int_equal(sk_chunk_init(&arena, b, ctx, &chunk), SK_ENOMEM);
    sk_arena_deinit(&arena);
    sk_free(ptr);
}

static void checkpoint_data_has_plain_symbols(void **state)
{
    (void)state;
    /* as Loki 3.7.6 wrote it: an open chunk, encoding snappy, two symbols, no block yet */
    static const uint8_t data[] = {
        0x01, 0x2e, 0xe5, 0x6a, 0x04, 0x04, 0x02, 0x07, 't',  'r',  'a',  'c',  'e',  'I', 'D',
        0x02, 'b',  'b',  0x88, 0xf5, 0x2d, 0xc8, 0x00, 0x52, 0x7d, 0x53, 0x51, 0,    0,   0,
        0,    0,    0,    0,    0x0c, 0,    0,    0,    0,    0,    0,    0,    0x06, 0,   0,
        0,    0,    0,    0,    0,    0x01, 0,    0,    0,    0,    0,    0,    0,    0x16};
    struct sk_arena arena;
    struct sk_chunk *chunk;
    struct sk_slice body = {data, sizeof(data)};
    sk_arena_init(&arena, 1 << 20, NULL);
    assert_int_equal(sk_chunk_init_checkpoint(&arena, body, &chunk), SK_OK);
    assert_int_equal(sk_chunk_block_count(chunk), 0);
    assert_int_equal(sk_chunk_symbol_count(chunk), 2);
    assert_str(sk_chunk_symbol(chunk, 0), "traceID");
    assert_str(sk_chunk_symbol(chunk, 1), "bb");
    assert_str(sk_chunk_symbol(chunk, 2), "");
    assert_int_equal(sk_chunk_codec(chunk), SK_CODEC_SNAPPY);
    assert_int_equal(sk_chunk_init(&arena, body, ctx, &chunk), SK_ECORRUPT);
    sk_arena_deinit(&arena);
}

int main(void)
{
    assert_true(sk_codec_ctx_create(&ctx) == SK_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_chunks_read_as_an_independent_decoder_reads_them),
        cmocka_unit_test(no_flipped_bit_gives_other_data),
        cmocka_unit_test(a_block_at_a_wrong_offset_is_found_behind_its_predecessor),
        cmocka_unit_test(unknown_formats_and_codecs_are_refused),
        cmocka_unit_test(checkpoint_data_has_plain_symbols),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_codec_ctx_destroy(ctx);
    return rc;
}
