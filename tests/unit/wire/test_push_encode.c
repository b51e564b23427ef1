/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the protobuf that skaldctl sends: known bytes, and the decoder reads back what went
 * in. */
#include "lib/testlib.h"

#include <stdio.h>

#include "base/gotext.h"
#include "codec/codec.h"
#include "wire/push_encode.h"

static struct sk_strbuf entries, message;

static void reset(void)
{
    sk_strbuf_deinit(&entries);
    sk_strbuf_deinit(&message);
    sk_strbuf_init(&entries, 1 << 24);
    sk_strbuf_init(&message, 1 << 24);
}

static int teardown(void **state)
{
    (void)state;
    sk_strbuf_deinit(&entries);
    sk_strbuf_deinit(&message);
    return 0;
}

static void push_encode_writes_the_bytes_of_protobuf(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        0x0a, 29,                                       /* streams */
        0x0a, 7,  '{',  'a', '=',  '"',  'b', '"', '}', /* labels */
        0x12, 18,                                       /* entry */
        0x0a, 4,  0x08, 1,   0x10, 2,                   /* timestamp 1 s 2 ns */
        0x12, 2,  'h',  'i',                            /* line */
        0x1a, 6,  0x0a, 1,   't',  0x12, 1,   'x',      /* metadata */
    };
    struct sk_push_pair pair = {SK_STR("t"), SK_STR("x")};
    reset();
    sk_push_encode_entry(&entries, SK_NS_PER_S + 2, SK_STR("hi"), &pair, 1);
    sk_push_encode_stream(&message, SK_STR("{a=\"b\"}"), sk_strbuf_view(&entries));
    assert_int_equal(message.len, sizeof(want));
    assert_memory_equal(message.ptr, want, sizeof(want));
}

/* Decodes `message` behind a snappy block and returns the push. */
static void decode(struct sk_push *push, struct sk_strbuf *raw)
{
    struct sk_strbuf packed;
    struct sk_error e;
    sk_strbuf_init(&packed, 1 << 24);
    sk_strbuf_init(raw, 1 << 24);
    assert_false(message.failed);
    assert_int_equal(sk_snappy_block_pack(sk_slice_of_str(sk_strbuf_view(&message)), &packed),
                     SK_OK);
    assert_int_equal(sk_snappy_block_unpack(sk_slice_of_str(sk_strbuf_view(&packed)), 1 << 24, raw),
                     SK_OK);
    sk_strbuf_deinit(&packed);
    sk_push_init(push, 1 << 20, NULL);
    assert_int_equal(sk_push_decode_proto(push, sk_slice_of_str(sk_strbuf_view(raw)), &e), SK_OK);
}

static void push_encode_round_trips_times_before_and_after_1970(void **state)
{
    (void)state;
    static const int64_t times[] = {0,
                                    1,
                                    SK_NS_PER_S,
                                    INT64_C(1795360000123456789),
                                    -1,
                                    -SK_NS_PER_S,
                                    INT64_C(9223372035999999999),
                                    INT64_C(-9223372036000000000)};
    reset();
    for (size_t i = 0; i < SK_COUNT_OF(times); i++)
        sk_push_encode_entry(&entries, times[i], SK_STR("x"), NULL, 0);
    sk_push_encode_stream(&message, SK_STR("{}"), sk_strbuf_view(&entries));
    struct sk_push push;
    struct sk_strbuf raw;
    decode(&push, &raw);
    assert_int_equal(push.entry_count, SK_COUNT_OF(times));
    for (size_t i = 0; i < SK_COUNT_OF(times); i++)
        assert_true(push.entries[i].ts_ns == times[i]);
    sk_push_deinit(&push);
    sk_strbuf_deinit(&raw);
}

/* Streams and entries of random sizes; `sizes` are drawn twice from the same seed. */
static void push_encode_round_trips_random_streams(void **state)
{
    (void)state;
    enum { STREAMS = 5, ENTRIES = 200, TEXT_MAX = 3000 };
    static char text[TEXT_MAX];
    uint64_t seed = testlib_seed(), rnd = seed;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)testlib_rand(&rnd);
    uint64_t from = rnd;
    char labels[STREAMS][32];
    reset();
    for (int s = 0; s < STREAMS; s++) {
        sk_strbuf_reset(&entries);
        for (int i = 0; i < ENTRIES; i++) {
            struct sk_push_pair pairs[2] = {{SK_STR("n"), {text, testlib_rand(&rnd) % 300}},
                                            {{text, testlib_rand(&rnd) % 20}, SK_STR("")}};
            sk_push_encode_entry(&entries, s * 1000 + i,
                                 (struct sk_str){text, testlib_rand(&rnd) % TEXT_MAX}, pairs,
                                 (size_t)i % 3);
        }
        (void)snprintf(labels[s], sizeof(labels[s]), "{s=\"%d\"}", s);
        sk_push_encode_stream(&message, sk_str_from(labels[s]), sk_strbuf_view(&entries));
    }
    struct sk_push push;
    struct sk_strbuf raw;
    decode(&push, &raw);
    assert_int_equal(push.stream_count, STREAMS);
    assert_int_equal(push.entry_count, STREAMS * ENTRIES);
    rnd = from;
    for (size_t k = 0; k < push.entry_count; k++) {
        const struct sk_push_entry *e = &push.entries[k];
        size_t s = k / ENTRIES, i = k % ENTRIES;
        assert_str(push.streams[s].labels, labels[s]);
        assert_int_equal(e->ts_ns, s * 1000 + i);
        assert_int_equal(e->pair_count, i % 3);
        uint64_t value = testlib_rand(&rnd) % 300, name = testlib_rand(&rnd) % 20;
        struct sk_str line = {text, testlib_rand(&rnd) % TEXT_MAX};
        assert_true(sk_str_eq(e->line, line));
        if (e->pair_count > 0)
            assert_int_equal(push.pairs[e->pair_first].value.len, value);
        if (e->pair_count > 1)
            assert_int_equal(push.pairs[e->pair_first + 1].name.len, name);
    }
    sk_push_deinit(&push);
    sk_strbuf_deinit(&raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_encode_writes_the_bytes_of_protobuf),
        cmocka_unit_test(push_encode_round_trips_times_before_and_after_1970),
        cmocka_unit_test(push_encode_round_trips_random_streams),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
