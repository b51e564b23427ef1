/* SPDX-License-Identifier: Apache-2.0 */
/* Protects written chunks: all codecs and both formats read back, bytes equal Loki's where nothing
 * is compressed, and running out of memory leaves the buffer as it was. */
#include "lib/testlib.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/crc32c.h"
#include "chunk/chunk.h"
#include "chunk/chunk_writer.h"
#include "chunk/symbols.h"
#include "objstore/envelope.h"

static struct sk_codec_ctx *ctx;

static struct sk_slice view(const struct sk_strbuf *b)
{
    return (struct sk_slice){(const uint8_t *)b->ptr, b->len};
}

static void add(struct sk_strbuf *block, int64_t ts, struct sk_str line,
                const struct sk_symbol_pair *pairs, size_t count, bool meta)
{
    assert_true(sk_strbuf_reserve(block, sk_block_entry_size_max(line.len, count)));
    block->len +=
        sk_block_entry_encode((uint8_t *)block->ptr + block->len, ts, line, pairs, count, meta);
}

static void a_chunk_without_compression_equals_lokis(void **state)
{
    (void)state;
    void *ptr;
    struct sk_slice file =
        testlib_read(testlib_path("golden/chunk/good/none-appendix.chunk"), &ptr);
    struct sk_symbols symbols;
    uint32_t name, value;
    sk_symbols_init(&symbols, 1 << 20, NULL);
    assert_int_equal(sk_symbols_intern(&symbols, SK_STR("traceID"), &name), SK_OK);
    assert_int_equal(sk_symbols_intern(&symbols, SK_STR("ff"), &value), SK_OK);
    struct sk_symbol_pair pair = {name, value};
    struct sk_strbuf raw, packed, out;
    sk_strbuf_init(&raw, 1 << 20);
    sk_strbuf_init(&packed, 1 << 20);
    sk_strbuf_init(&out, 1 << 20);
    int64_t base = INT64_C(1749592800000000000);
    int64_t s = 1000000000;
    add(&raw, base + 2 * s, SK_STR("two, second chunk"), NULL, 0, true);
    add(&raw, base + 3 * s, SK_STR("three"), NULL, 0, true);
    add(&raw, base + 3 * s, SK_STR("three"), &pair, 1, true);
    add(&raw, base + 4 * s, SK_STR("four, second chunk"), NULL, 0, true);
    add(&raw, base + 7 * s, SK_STR("seven, second chunk"), NULL, 0, true);

    struct sk_label labels[] = {{SK_STR("app"), SK_STR("api")}, {SK_STR("env"), SK_STR("prod")}};
    struct sk_envelope env = {.tenant = SK_STR("fake"),
                              .fingerprint = 0x5fd68e2544215f6cu,
                              .from_ms = 1749592802000,
                              .through_ms = 1749592807000,
                              .labels = {labels, 2}};
    struct sk_envelope_mark mark;
    struct sk_chunk_writer w;
    struct sk_chunk_packed block;
    struct sk_chunk_sums sums;
    struct sk_chunk_writer_options options = {4, SK_CODEC_NONE, &symbols, 2, false};
    uint32_t crc;
    assert_int_equal(sk_chunk_block_pack(ctx, SK_CODEC_NONE, view(&raw), true, &packed, &block),
                     SK_OK);
    assert_int_equal(sk_envelope_begin(&env, ctx, &out, &mark), SK_OK);
    assert_int_equal(sk_chunk_writer_begin(&w, &options, ctx, &out), SK_OK);
    assert_int_equal(sk_chunk_writer_add(&w, &block), SK_OK);
    assert_int_equal(sk_chunk_writer_finish(&w, &sums), SK_OK);
    assert_int_equal(sk_envelope_end(&mark, &out, &crc), SK_OK);
    /* the body is the same byte for byte; the snappy frame around the JSON may differ */
    assert_int_equal(sums.body_bytes, file.len - 0xba);
    assert_memory_equal(out.ptr + mark.body, file.ptr + 0xba, sums.body_bytes);
    assert_int_equal(out.len, file.len);
    assert_memory_equal(out.ptr, file.ptr, file.len);
    assert_int_equal(crc, 0x5a833144);
    assert_int_equal(sums.entry_count, 5);
    assert_int_equal(sums.kb, 0);
    assert_int_equal(sums.ts_min_ns, base + 2 * s);
    assert_int_equal(sums.ts_max_ns, base + 7 * s);
    sk_symbols_deinit(&symbols);
    sk_strbuf_deinit(&raw);
    sk_strbuf_deinit(&packed);
    sk_strbuf_deinit(&out);
    sk_free(ptr);
}

enum { BLOCKS = 5, LINES = 300 };

static void line_of(unsigned block, unsigned i, char *text, size_t size)
{
    snprintf(text, size, "level=info block=%u line=%u %0*d", block, i, (int)(i * 7 % 90), 0);
}

static void build(enum sk_codec codec, unsigned format, struct sk_strbuf *out,
                  struct sk_chunk_sums *sums)
{
    struct sk_symbols symbols;
    struct sk_strbuf raw[BLOCKS], packed;
    struct sk_chunk_packed block;
    struct sk_chunk_writer w;
    char text[200];
    sk_symbols_init(&symbols, 1 << 20, NULL);
    for (unsigned b = 0; b < BLOCKS; b++) {
        sk_strbuf_init(&raw[b], 1 << 20);
        for (unsigned i = 0; i < LINES; i++) {
            struct sk_symbol_pair pairs[2];
            line_of(b, i, text, sizeof(text));
            assert_int_equal(sk_symbols_intern(&symbols, SK_STR("a.b"), &pairs[0].name), SK_OK);
            assert_int_equal(sk_symbols_intern(&symbols, sk_str_from(text), &pairs[0].value),
                             SK_OK);
            pairs[1] = pairs[0];
            add(&raw[b], 1000 * b + i, sk_str_from(text), pairs, i % 3, format == 4);
        }
    }
    struct sk_chunk_writer_options options = {format, codec, format == 4 ? &symbols : NULL,
                                              format == 4 ? sk_symbols_count(&symbols) : 0, false};
    sk_strbuf_init(&packed, 1 << 20);
    assert_int_equal(sk_chunk_writer_begin(&w, &options, ctx, out), SK_OK);
    for (unsigned b = 0; b < BLOCKS; b++) {
        sk_strbuf_reset(&packed);
        assert_int_equal(
            sk_chunk_block_pack(ctx, codec, view(&raw[b]), format == 4, &packed, &block), SK_OK);
        assert_int_equal(block.entry_count, LINES);
        assert_int_equal(sk_chunk_writer_add(&w, &block), SK_OK);
        sk_strbuf_deinit(&raw[b]);
    }
    assert_int_equal(sk_chunk_writer_finish(&w, sums), SK_OK);
    sk_strbuf_deinit(&packed);
    sk_symbols_deinit(&symbols);
}

static void every_codec_and_format_reads_back(void **state)
{
    (void)state;
    for (uint8_t codec = 0; codec < 10; codec++) {
        for (unsigned format = 3; codec != 2 && format <= 4; format++) {
            struct sk_strbuf out, block;
            struct sk_chunk_sums sums;
            struct sk_arena arena;
            struct sk_chunk *chunk;
            char text[200];
            sk_strbuf_init(&out, 4 << 20);
            sk_strbuf_init(&block, 4 << 20);
            sk_arena_init(&arena, 4 << 20, NULL);
            sk_strbuf_puts(&out, "before");
            build((enum sk_codec)codec, format, &out, &sums);
            struct sk_slice body = {(const uint8_t *)out.ptr + 6, out.len - 6};
            assert_int_equal(body.len, sums.body_bytes);
            assert_int_equal(sk_chunk_init(&arena, body, ctx, &chunk), SK_OK);
            assert_int_equal(sk_chunk_block_count(chunk), BLOCKS);
            assert_int_equal(sk_chunk_entry_count(chunk), sums.entry_count);
            assert_int_equal(sk_chunk_kb(chunk), sums.kb);
            for (unsigned b = 0; b < BLOCKS; b++) {
                struct sk_block_iter it;
                struct sk_block_entry e;
                unsigned i = 0;
                sk_strbuf_reset(&block);
                assert_int_equal(sk_chunk_block_read(chunk, b, ctx, &block), SK_OK);
                sk_block_iter_init(&it, view(&block), sk_chunk_has_meta(chunk));
                for (; sk_block_next(&it, &e); i++) {
                    struct sk_label labels[2];
                    size_t count;
                    line_of(b, i, text, sizeof(text));
                    assert_str(e.line, text);
                    assert_int_equal(e.ts_ns, 1000 * b + i);
                    assert_int_equal(sk_chunk_meta_decode(chunk, e.meta, labels, 2, &count), SK_OK);
                    assert_int_equal(count, format == 4 ? i % 3 : 0);
                    for (size_t k = 0; k < count; k++) {
                        assert_str(labels[k].name, "a_b");
                        assert_str(labels[k].value, text);
                    }
                }
                assert_int_equal(i, LINES);
                assert_false(it.corrupt);
            }
            sk_arena_deinit(&arena);
            sk_strbuf_deinit(&out);
            sk_strbuf_deinit(&block);
        }
    }
}

static void failed_allocations_leave_the_buffer_alone(void **state)
{
    (void)state;
    struct sk_strbuf raw, packed, out;
    struct sk_chunk_packed block;
    sk_strbuf_init(&raw, 1 << 20);
    sk_strbuf_init(&packed, 1 << 20);
    add(&raw, 1, SK_STR("line"), NULL, 0, true);
    assert_int_equal(sk_chunk_block_pack(ctx, SK_CODEC_GZIP, view(&raw), true, &packed, &block),
                     SK_OK);
    for (uint64_t n = 1;; n++) {
        struct sk_chunk_writer_options options = {4, SK_CODEC_GZIP, NULL, 0, false};
        struct sk_chunk_writer w;
        struct sk_chunk_sums sums;
        sk_strbuf_init(&out, 1 << 20);
        sk_alloc_fault_arm(n);
        sk_strbuf_puts(&out, "kept");
        enum sk_err err = out.failed ? SK_ENOMEM : SK_OK;
        size_t start = out.len;
        if (err == SK_OK)
            err = sk_chunk_writer_begin(&w, &options, ctx, &out);
        if (err == SK_OK) {
            err = sk_chunk_writer_add(&w, &block);
            if (err != SK_OK)
                sk_chunk_writer_cancel(&w);
            else
                err = sk_chunk_writer_finish(&w, &sums);
        }
        bool hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        if (err != SK_OK) {
            assert_int_equal(err, SK_ENOMEM);
            assert_int_equal(out.len, start);
        }
        sk_strbuf_deinit(&out);
        if (!hit) {
            assert_int_equal(err, SK_OK);
            assert_true(n > 3);
            break;
        }
    }
    sk_strbuf_deinit(&raw);
    sk_strbuf_deinit(&packed);
}

static void unordered_and_empty_blocks_are_not_packed(void **state)
{
    (void)state;
    struct sk_strbuf raw, packed;
    struct sk_chunk_packed block;
    sk_strbuf_init(&raw, 1 << 20);
    sk_strbuf_init(&packed, 1 << 20);
    assert_int_equal(sk_chunk_block_pack(ctx, SK_CODEC_GZIP, view(&raw), true, &packed, &block),
                     SK_EINVAL);
    add(&raw, 2, SK_STR("b"), NULL, 0, true);
    add(&raw, 1, SK_STR("a"), NULL, 0, true);
    assert_int_equal(sk_chunk_block_pack(ctx, SK_CODEC_GZIP, view(&raw), true, &packed, &block),
                     SK_EINVAL);
    sk_strbuf_deinit(&raw);
    sk_strbuf_deinit(&packed);
}

int main(void)
{
    assert_true(sk_codec_ctx_create(&ctx) == SK_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_without_compression_equals_lokis),
        cmocka_unit_test(every_codec_and_format_reads_back),
        cmocka_unit_test(failed_allocations_leave_the_buffer_alone),
        cmocka_unit_test(unordered_and_empty_blocks_are_not_packed),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_codec_ctx_destroy(ctx);
    return rc;
}
