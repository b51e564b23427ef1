/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the nine chunk encodings: what is packed reads back, Loki's forms of empty data, limits,
 * and streams that other writers make (several members, linked LZ4 blocks, big windows). */
#include "lib/testlib.h"

#include <lz4frame.h>
#include <zstd.h>

#include "base/alloc.h"
#include "codec/codec.h"

static const enum sk_codec all[] = {
    SK_CODEC_NONE,   SK_CODEC_GZIP,   SK_CODEC_LZ4_64K, SK_CODEC_SNAPPY, SK_CODEC_LZ4_256K,
    SK_CODEC_LZ4_1M, SK_CODEC_LZ4_4M, SK_CODEC_FLATE,   SK_CODEC_ZSTD,
};

static struct sk_codec_ctx *ctx;

static struct sk_slice view(const struct sk_strbuf *b)
{
    return (struct sk_slice){(const uint8_t *)b->ptr, b->len};
}

/* Log-like text, with a part that does not shrink. */
static void sample(struct sk_strbuf *out, size_t bytes)
{
    uint64_t seed = 42;
    while (out->len < bytes / 2)
        sk_strbuf_printf(out, "ts=%llu level=info msg=\"request done\" path=/api/%llu\n",
                         (unsigned long long)(1700000000000ull + testlib_rand(&seed) % 100000),
                         (unsigned long long)(testlib_rand(&seed) % 1000));
    while (out->len < bytes) {
        uint64_t r = testlib_rand(&seed);
        sk_strbuf_add(out, &r, 8);
    }
    out->len = bytes;
}

static void every_codec_round_trips_every_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 100, 65535, 65536, 65537, 300000, 5000000};
    for (size_t c = 0; c < SK_COUNT_OF(all); c++) {
        for (size_t i = 0; i < SK_COUNT_OF(sizes); i++) {
            struct sk_strbuf raw, packed, back;
            sk_strbuf_init(&raw, SIZE_MAX / 2);
            sk_strbuf_init(&packed, SIZE_MAX / 2);
            sk_strbuf_init(&back, SIZE_MAX / 2);
            sample(&raw, sizes[i]);
            sk_strbuf_puts(&packed, "before");
            sk_strbuf_puts(&back, "kept");
            assert_int_equal(sk_codec_pack(ctx, all[c], view(&raw), &packed), SK_OK);
            struct sk_slice p = {(const uint8_t *)packed.ptr + 6, packed.len - 6};
            assert_int_equal(sk_codec_unpack(ctx, all[c], p, sizes[i], &back), SK_OK);
            assert_int_equal(back.len, 4 + sizes[i]);
            assert_memory_equal(back.ptr, "kept", 4);
            if (sizes[i] > 0) {
                assert_memory_equal(back.ptr + 4, raw.ptr, sizes[i]);
                /* one byte less is refused, and leaves the buffer as it was */
                assert_int_equal(sk_codec_unpack(ctx, all[c], p, sizes[i] - 1, &back), SK_ELIMIT);
                assert_int_equal(back.len, 4 + sizes[i]);
            }
            sk_strbuf_deinit(&raw);
            sk_strbuf_deinit(&packed);
            sk_strbuf_deinit(&back);
        }
    }
}

static void empty_data_has_lokis_sizes(void **state)
{
    (void)state;
    static const struct {
        enum sk_codec codec;
        size_t len;
    } cases[] = {{SK_CODEC_NONE, 0},  {SK_CODEC_SNAPPY, 0},   {SK_CODEC_GZIP, 20},
                 {SK_CODEC_FLATE, 2}, {SK_CODEC_LZ4_64K, 11}, {SK_CODEC_LZ4_4M, 11},
                 {SK_CODEC_ZSTD, 13}};
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        struct sk_strbuf out;
        sk_strbuf_init(&out, 1000);
        assert_int_equal(sk_codec_pack(ctx, cases[i].codec, (struct sk_slice){NULL, 0}, &out),
                         SK_OK);
        assert_int_equal(out.len, cases[i].len);
        sk_strbuf_deinit(&out);
    }
}

static void cut_and_flipped_streams_never_give_other_data(void **state)
{
    (void)state;
    struct sk_strbuf raw, packed, back;
    sk_strbuf_init(&raw, 1 << 20);
    sk_strbuf_init(&packed, 1 << 20);
    sk_strbuf_init(&back, 1 << 20);
    sample(&raw, 600);
    for (size_t c = 1; c < SK_COUNT_OF(all); c++) {
        packed.len = 0;
        assert_int_equal(sk_codec_pack(ctx, all[c], view(&raw), &packed), SK_OK);
        for (size_t cut = 0; cut < packed.len; cut++) {
            back.len = 0;
            struct sk_slice p = {(const uint8_t *)packed.ptr, cut};
            enum sk_err err = sk_codec_unpack(ctx, all[c], p, 1 << 16, &back);
            if (all[c] == SK_CODEC_SNAPPY && (cut == 0 || cut == 10))
                assert_int_equal(err, SK_OK); /* whole frames, none of them data */
            else
                assert_int_equal(err, SK_ECORRUPT);
            assert_int_equal(back.len, 0);
        }
        bool summed = all[c] == SK_CODEC_GZIP || all[c] == SK_CODEC_SNAPPY;
        for (size_t bit = 0; bit < packed.len * 8; bit++) {
            back.len = 0;
            packed.ptr[bit / 8] = (char)(packed.ptr[bit / 8] ^ (1 << (bit % 8)));
            enum sk_err err = sk_codec_unpack(ctx, all[c], view(&packed), 1 << 16, &back);
            packed.ptr[bit / 8] = (char)(packed.ptr[bit / 8] ^ (1 << (bit % 8)));
            if (err == SK_OK && summed && back.len > 0)
                assert_memory_equal(back.ptr, raw.ptr, raw.len);
        }
    }
    sk_strbuf_deinit(&raw);
    sk_strbuf_deinit(&packed);
    sk_strbuf_deinit(&back);
}

static void streams_of_several_members_are_joined(void **state)
{
    (void)state;
    static const enum sk_codec joinable[] = {SK_CODEC_GZIP, SK_CODEC_LZ4_64K, SK_CODEC_SNAPPY,
                                             SK_CODEC_ZSTD};
    for (size_t c = 0; c < SK_COUNT_OF(joinable); c++) {
        struct sk_strbuf packed, back;
        sk_strbuf_init(&packed, 1 << 20);
        sk_strbuf_init(&back, 1 << 20);
        assert_int_equal(sk_codec_pack(ctx, joinable[c], sk_slice_of_str(SK_STR("one ")), &packed),
                         SK_OK);
        assert_int_equal(sk_codec_pack(ctx, joinable[c], sk_slice_of_str(SK_STR("two")), &packed),
                         SK_OK);
        assert_int_equal(sk_codec_unpack(ctx, joinable[c], view(&packed), 100, &back), SK_OK);
        assert_str(sk_strbuf_view(&back), "one two");
        sk_strbuf_putc(&packed, 'x'); /* trailing garbage */
        back.len = 0;
        assert_int_equal(sk_codec_unpack(ctx, joinable[c], view(&packed), 100, &back), SK_ECORRUPT);
        sk_strbuf_deinit(&packed);
        sk_strbuf_deinit(&back);
    }
}

static void lz4_frames_of_the_library_are_read(void **state)
{
    (void)state;
    struct sk_strbuf raw, back;
    sk_strbuf_init(&raw, 1 << 24);
    sk_strbuf_init(&back, 1 << 24);
    sample(&raw, 900000);
    for (unsigned variant = 0; variant < 16; variant++) {
        LZ4F_preferences_t prefs = {
            .frameInfo = {.blockSizeID = LZ4F_max64KB,
                          .blockMode = (variant & 1) ? LZ4F_blockLinked : LZ4F_blockIndependent,
                          .contentChecksumFlag =
                              (variant & 2) ? LZ4F_contentChecksumEnabled : LZ4F_noContentChecksum,
                          .blockChecksumFlag =
                              (variant & 4) ? LZ4F_blockChecksumEnabled : LZ4F_noBlockChecksum,
                          .contentSize = (variant & 8) ? raw.len : 0}};
        size_t bound = LZ4F_compressFrameBound(raw.len, &prefs);
        uint8_t *packed = sk_malloc(bound);
        size_t n = LZ4F_compressFrame(packed, bound, raw.ptr, raw.len, &prefs);
        assert_false(LZ4F_isError(n));
        back.len = 0;
        assert_int_equal(
            sk_codec_unpack(ctx, SK_CODEC_LZ4_4M, (struct sk_slice){packed, n}, raw.len, &back),
            SK_OK);
        assert_int_equal(back.len, raw.len);
        assert_memory_equal(back.ptr, raw.ptr, raw.len);
        sk_free(packed);
    }
    /* and the library reads ours */
    struct sk_strbuf packed;
    sk_strbuf_init(&packed, 1 << 24);
    assert_int_equal(sk_codec_pack(ctx, SK_CODEC_LZ4_64K, view(&raw), &packed), SK_OK);
    LZ4F_dctx *dctx;
    assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&dctx, LZ4F_VERSION)));
    size_t at = 0, made = 0, rc = 1;
    while (rc != 0) {
        size_t src = packed.len - at, dst = back.cap - made;
        rc = LZ4F_decompress(dctx, back.ptr + made, &dst, packed.ptr + at, &src, NULL);
        assert_false(LZ4F_isError(rc));
        at += src;
        made += dst;
    }
    assert_int_equal(at, packed.len);
    assert_int_equal(made, raw.len);
    assert_memory_equal(back.ptr, raw.ptr, raw.len);
    LZ4F_freeDecompressionContext(dctx);
    sk_strbuf_deinit(&packed);
    sk_strbuf_deinit(&raw);
    sk_strbuf_deinit(&back);
}

static void zstd_windows_above_8_mib_are_refused(void **state)
{
    (void)state;
    ZSTD_CCtx *zc = ZSTD_createCCtx();
    for (int log = 22; log <= 24; log++) {
        ZSTD_CCtx_setParameter(zc, ZSTD_c_windowLog, log);
        static uint8_t packed[1000];
        ZSTD_inBuffer in = {"abc", 3, 0};
        ZSTD_outBuffer out = {packed, sizeof(packed), 0};
        (void)ZSTD_compressStream2(zc, &out, &in, ZSTD_e_flush); /* so that the size is unknown */
        assert_int_equal(ZSTD_compressStream2(zc, &out, &in, ZSTD_e_end), 0);
        struct sk_strbuf back;
        sk_strbuf_init(&back, 1 << 20);
        enum sk_err err =
            sk_codec_unpack(ctx, SK_CODEC_ZSTD, (struct sk_slice){packed, out.pos}, 100, &back);
        assert_int_equal(err, log <= 23 ? SK_OK : SK_ELIMIT);
        sk_strbuf_deinit(&back);
    }
    ZSTD_freeCCtx(zc);
}

static void a_full_buffer_is_out_of_memory_not_over_limit(void **state)
{
    (void)state;
    for (size_t c = 0; c < SK_COUNT_OF(all); c++) {
        struct sk_strbuf raw, packed, back;
        sk_strbuf_init(&raw, 1 << 20);
        sk_strbuf_init(&packed, 1 << 20);
        sk_strbuf_init(&back, 500);
        sample(&raw, 1000);
        assert_int_equal(sk_codec_pack(ctx, all[c], view(&raw), &packed), SK_OK);
        assert_int_equal(sk_codec_unpack(ctx, all[c], view(&packed), 1000, &back), SK_ENOMEM);
        assert_int_equal(back.len, 0);
        sk_strbuf_deinit(&back);
        sk_strbuf_init(&back, 10);
        assert_int_equal(sk_codec_pack(ctx, all[c], view(&raw), &back), SK_ENOMEM);
        assert_int_equal(back.len, 0);
        sk_strbuf_deinit(&raw);
        sk_strbuf_deinit(&packed);
        sk_strbuf_deinit(&back);
    }
}

static void snappy_blocks_with_false_lengths_allocate_nothing(void **state)
{
    (void)state;
    struct sk_strbuf out;
    sk_strbuf_init(&out, SIZE_MAX / 2);
    assert_int_equal(sk_snappy_block_pack(sk_slice_of_str(SK_STR("hello hello hello")), &out),
                     SK_OK);
    struct sk_strbuf back;
    sk_strbuf_init(&back, SIZE_MAX / 2);
    assert_int_equal(sk_snappy_block_unpack(view(&out), 17, &back), SK_OK);
    assert_str(sk_strbuf_view(&back), "hello hello hello");
    assert_int_equal(sk_snappy_block_unpack(view(&out), 16, &back), SK_ELIMIT);
    static const uint8_t lies[] = {0xff, 0xff, 0xff, 0x7f, 0x00, 'a'}; /* 256 MiB from two bytes */
    back.len = 0;
    size_t cap = back.cap;
    assert_int_equal(sk_snappy_block_unpack((struct sk_slice){lies, sizeof(lies)}, SIZE_MAX, &back),
                     SK_ECORRUPT);
    assert_int_equal(back.cap, cap);
    sk_strbuf_deinit(&out);
    sk_strbuf_deinit(&back);
}

static void names_are_lokis(void **state)
{
    (void)state;
    for (size_t c = 0; c < SK_COUNT_OF(all); c++) {
        enum sk_codec back;
        assert_true(sk_codec_known((uint8_t)all[c]));
        assert_true(sk_codec_by_name(sk_str_from(sk_codec_name(all[c])), &back));
        assert_int_equal(back, all[c]);
    }
    assert_false(sk_codec_known(2));
    assert_false(sk_codec_known(10));
    enum sk_codec got;
    assert_false(sk_codec_by_name(SK_STR("lz4-4M"), &got));
}

int main(void)
{
    assert_true(sk_codec_ctx_create(&ctx) == SK_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_round_trips_every_size),
        cmocka_unit_test(empty_data_has_lokis_sizes),
        cmocka_unit_test(cut_and_flipped_streams_never_give_other_data),
        cmocka_unit_test(streams_of_several_members_are_joined),
        cmocka_unit_test(lz4_frames_of_the_library_are_read),
        cmocka_unit_test(zstd_windows_above_8_mib_are_refused),
        cmocka_unit_test(a_full_buffer_is_out_of_memory_not_over_limit),
        cmocka_unit_test(snappy_blocks_with_false_lengths_allocate_nothing),
        cmocka_unit_test(names_are_lokis),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_codec_ctx_destroy(ctx);
    return rc;
}
