/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the wrapper of chunk files: big fingerprints, odd labels, JSON in other writers' forms,
 * damage. */
#include "lib/testlib.h"

#include <string.h>

#include "base/alloc.h"
#include "base/binout.h"
#include "objstore/envelope.h"

static struct sk_codec_ctx *ctx;

static struct sk_slice view(const struct sk_strbuf *b)
{
    return (struct sk_slice){(const uint8_t *)b->ptr, b->len};
}

/* A chunk file with this JSON and the body "body". */
static void wrap(const char *json, bool old_length, struct sk_strbuf *out)
{
    sk_strbuf_reset(out);
    sk_put_be32(out, 0);
    assert_int_equal(sk_codec_pack(ctx, SK_CODEC_SNAPPY, sk_slice_of_str(sk_str_from(json)), out),
                     SK_OK);
    sk_store_be32((uint8_t *)out->ptr, (uint32_t)(out->len - (old_length ? 4 : 0)));
    sk_put_be32(out, 4);
    sk_strbuf_puts(out, "body");
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    static const uint64_t fps[] = {0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    static const int64_t times[] = {0, 1, 999, 1000, 1749592863750, 1749592800000, -1, -1500};
    struct sk_label labels[] = {
        {SK_STR("Upper"), SK_STR("")},
        {SK_STR("job"), SK_STR("\xe6\x97\xa5\xe6\x9c\xac")},
        {SK_STR("multi"), SK_STR("line1\nline2\r\t\x01\x1f\x7f")},
        {SK_STR("path"), SK_STR("C:\\x\"y/<>&")},
        {SK_STR("raw"), SK_STR("\xff\xfe")},
    };
    for (size_t i = 0; i < SK_COUNT_OF(fps) * SK_COUNT_OF(times); i++) {
        struct sk_strbuf out;
        struct sk_arena arena;
        struct sk_envelope_mark mark;
        struct sk_envelope env = {.tenant = SK_STR("team-a"),
                                  .fingerprint = fps[i % SK_COUNT_OF(fps)],
                                  .from_ms = times[i / SK_COUNT_OF(fps)],
                                  .through_ms = times[i / SK_COUNT_OF(fps)] + 1,
                                  .labels = {labels, i % (SK_COUNT_OF(labels) + 1)}};
        struct sk_envelope got;
        uint32_t crc;
        sk_strbuf_init(&out, 1 << 20);
        sk_arena_init(&arena, 1 << 20, NULL);
        assert_int_equal(sk_envelope_begin(&env, ctx, &out, &mark), SK_OK);
        sk_strbuf_puts(&out, "the body");
        assert_int_equal(sk_envelope_end(&mark, &out, &crc), SK_OK);
        assert_int_equal(crc, sk_crc32c(view(&out)));
        assert_int_equal(sk_envelope_decode(view(&out), ctx, &arena, &got), SK_OK);
        assert_true(got.fingerprint == env.fingerprint);
        assert_true(got.from_ms == env.from_ms && got.through_ms == env.through_ms);
        assert_str(got.tenant, "team-a");
        assert_true(sk_labels_eq(got.labels, env.labels));
        assert_int_equal(got.body.len, 8);
        sk_arena_deinit(&arena);
        sk_strbuf_deinit(&out);
    }
}

static void metadata_is_written_as_loki_writes_it(void **state)
{
    (void)state;
    struct sk_label labels[] = {{SK_STR("Z"), SK_STR("1")}, {SK_STR("a"), SK_STR("\x02")}};
    struct sk_envelope env = {.tenant = SK_STR("t"),
                              .fingerprint = UINT64_MAX,
                              .from_ms = 1050,
                              .through_ms = 2000,
                              .labels = {labels, 2}};
    struct sk_strbuf out, json;
    struct sk_envelope_mark mark;
    sk_strbuf_init(&out, 1 << 20);
    sk_strbuf_init(&json, 1 << 20);
    assert_int_equal(sk_envelope_begin(&env, ctx, &out, &mark), SK_OK);
    struct sk_slice meta = {(const uint8_t *)out.ptr + 4, mark.body - 8};
    assert_int_equal(sk_codec_unpack(ctx, SK_CODEC_SNAPPY, meta, 10000, &json), SK_OK);
    assert_str(
        sk_strbuf_view(&json),
        "{\"fingerprint\":18446744073709551615,\"userID\":\"t\",\"from\":1.050,\"through\":2,"
        "\"metric\":{\"Z\":\"1\",\"__name__\":\"logs\",\"a\":\"\\u0002\"},\"encoding\":129}\n");
    sk_strbuf_deinit(&out);
    sk_strbuf_deinit(&json);
}

static void other_forms_of_json_are_read(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "{\"fingerprint\":5,\"userID\":\"t\",\"from\":1.5,\"through\":2.25,\"metric\":{\"b\":\"2\","
        "\"a\":"
        "\"1\"},\"encoding\":128}",
        " { \"encoding\" : 129 , \"metric\" : { \"a\" : \"\\u0031\" , \"b\":\"2\" } , \"through\" "
        ": 2.250999 ,"
        "\r\n\t\"from\" : 1.500 , \"userID\" : \"\\u0074\" , \"fingerprint\" : 5 } \n",
        "{\"x\":[1,{\"y\":[null,true,\"}\"]}],\"fingerprint\":5,\"userID\":\"t\",\"from\":1.5e0,"
        "\"through\":225E-2,\"z\":{},\"metric\":{\"__name__\":\"logs\",\"b\":\"2\",\"a\":\"1\"}}",
    };
    for (size_t i = 0; i < SK_COUNT_OF(forms) * 2; i++) {
        struct sk_strbuf file;
        struct sk_arena arena;
        struct sk_envelope got;
        sk_strbuf_init(&file, 1 << 20);
        sk_arena_init(&arena, 1 << 20, NULL);
        wrap(forms[i / 2], i % 2 == 1, &file);
        assert_int_equal(sk_envelope_decode(view(&file), ctx, &arena, &got), SK_OK);
        assert_int_equal(got.fingerprint, 5);
        assert_int_equal(got.from_ms, 1500);
        assert_int_equal(got.through_ms, 2250);
        assert_str(got.tenant, "t");
        assert_int_equal(got.labels.count, 2);
        assert_str(got.labels.items[0].name, "a");
        assert_str(got.labels.items[0].value, "1");
        assert_str(got.labels.items[1].value, "2");
        assert_str(sk_str_of_slice(got.body), "body");
        sk_arena_deinit(&arena);
        sk_strbuf_deinit(&file);
    }
}

static void escapes_decode(void **state)
{
    (void)state;
    struct sk_strbuf file;
    struct sk_arena arena;
    struct sk_envelope got;
    sk_strbuf_init(&file, 1 << 20);
    sk_arena_init(&arena, 1 << 20, NULL);
    wrap("{\"fingerprint\":5,\"userID\":\"t\",\"from\":1,\"through\":2,\"metric\":{\"a\":"
         "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud83dx\\u0000\"}}",
         false, &file);
    assert_int_equal(sk_envelope_decode(view(&file), ctx, &arena, &got), SK_OK);
    static const char want[] = "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx";
    assert_int_equal(got.labels.items[0].value.len, sizeof(want)); /* and the NUL */
    assert_memory_equal(got.labels.items[0].value.ptr, want, sizeof(want));
    sk_arena_deinit(&arena);
    sk_strbuf_deinit(&file);
}

static void broken_json_is_damage(void **state)
{
    (void)state;
#define HEAD "{\"fingerprint\":5,\"userID\":\"t\",\"from\":1,\"through\":2"
    static const struct {
        const char *json;
        enum sk_err err;
    } bad[] = {
        {"", SK_ECORRUPT},
        {"{}", SK_ECORRUPT},
        {HEAD "}", SK_ECORRUPT},
        {HEAD ",\"metric\":{\"a\":\"1\"}", SK_ECORRUPT},
        {HEAD ",\"metric\":{\"a\":\"1}", SK_ECORRUPT},
        {HEAD ",\"metric\":{\"a\":\"\\x\"}}", SK_ECORRUPT},
        {HEAD ",\"metric\":{\"a\":\"\\u12\"}}", SK_ECORRUPT},
        {HEAD ",\"metric\":{\"a\":1}}", SK_ECORRUPT},
        {HEAD ",\"metric\":{\"a\":\"1\",\"a\":\"2\"}}", SK_ECORRUPT},
        {HEAD ",\"metric\":{},\"encoding\":130}", SK_EUNSUPPORTED},
        {HEAD ",\"metric\":{},\"fingerprint\":18446744073709551616}", SK_ECORRUPT},
        {HEAD ",\"metric\":{},\"fingerprint\":-1}", SK_ECORRUPT},
        {HEAD ",\"metric\":{},\"from\":1.}", SK_ECORRUPT},
        {HEAD ",\"metric\":{},\"from\":1.2.3}", SK_ECORRUPT},
        {HEAD ",\"metric\":{},\"from\":1e400}", SK_ECORRUPT},
        {HEAD ",\"metric\":{},\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}", SK_ELIMIT},
    };
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        struct sk_strbuf file;
        struct sk_arena arena;
        struct sk_envelope got;
        sk_strbuf_init(&file, 1 << 20);
        sk_arena_init(&arena, 1 << 20, NULL);
        wrap(bad[i].json, false, &file);
        assert_int_equal(sk_envelope_decode(view(&file), ctx, &arena, &got), bad[i].err);
        sk_arena_deinit(&arena);
        sk_strbuf_deinit(&file);
    }
}

static void flips_and_cuts_are_damage_or_harmless(void **state)
{
    (void)state;
    void *ptr;
    struct sk_slice file = testlib_read(testlib_path("golden/chunk/good/gzip-odd.chunk"), &ptr);
    struct sk_envelope want, got;
    struct sk_arena keep, arena;
    sk_arena_init(&keep, 1 << 20, NULL);
    assert_int_equal(sk_envelope_decode(file, ctx, &keep, &want), SK_OK);
    size_t head = file.len - want.body.len;
    for (size_t bit = 0; bit < head * 8; bit++) {
        ((uint8_t *)ptr)[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        sk_arena_init(&arena, 1 << 20, NULL);
        if (sk_envelope_decode(file, ctx, &arena, &got) == SK_OK) {
            assert_true(got.fingerprint == want.fingerprint && got.from_ms == want.from_ms);
            assert_true(got.through_ms == want.through_ms && sk_str_eq(got.tenant, want.tenant));
            assert_true(sk_labels_eq(got.labels, want.labels));
            assert_true(got.body.ptr == want.body.ptr && got.body.len == want.body.len);
        }
        sk_arena_deinit(&arena);
        ((uint8_t *)ptr)[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    for (size_t cut = 0; cut < file.len; cut++) {
        sk_arena_init(&arena, 1 << 20, NULL);
        assert_int_equal(sk_envelope_decode((struct sk_slice){file.ptr, cut}, ctx, &arena, &got),
                         SK_ECORRUPT);
        sk_arena_deinit(&arena);
    }
    sk_arena_deinit(&keep);
    sk_free(ptr);
}

int main(void)
{
    assert_true(sk_codec_ctx_create(&ctx) == SK_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(metadata_is_written_as_loki_writes_it),
        cmocka_unit_test(other_forms_of_json_are_read),
        cmocka_unit_test(escapes_decode),
        cmocka_unit_test(broken_json_is_damage),
        cmocka_unit_test(flips_and_cuts_are_damage_or_harmless),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_codec_ctx_destroy(ctx);
    return rc;
}
