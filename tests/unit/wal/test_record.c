/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the records of the log: what is encoded reads back the same, and of a damaged record
 * nothing is given at all. */
#include "lib/testlib.h"

#include "base/arena.h"
#include "wal/record.h"

static const struct sk_label pairs[] = {{{"detected_level", 14}, {"info", 4}},
                                        {{"trace_id", 8}, {"0123456789abcdef", 16}}};
static const int64_t times[] = {1700000000000000000, 1700000000000000000, 1600000000000000000,
                                INT64_MAX,           INT64_MIN,           0};

/* Returns where the first stream ends. */
static size_t record_make(struct sk_strbuf *out)
{
    sk_strbuf_init(out, 1 << 20);
    sk_wal_entries_begin(out, SK_STR("tenant"), times[0]);
    sk_wal_entries_stream(out, 0x1122334455667788u, 6, SK_COUNT_OF(times));
    for (size_t i = 0; i < SK_COUNT_OF(times); i++)
        (void)sk_wal_entry(out, times[0], times[i], SK_STR("a line"), pairs, i % 3);
    size_t first_end = out->len;
    sk_wal_entries_stream(out, 7, 1, 1);
    (void)sk_wal_entry(out, times[0], 5, SK_STR(""), NULL, 0);
    assert_false(out->failed);
    return first_end;
}

static void record_is_whole(struct sk_wal_record *rec)
{
    struct sk_wal_stream s;
    struct sk_wal_entry_view e;
    struct sk_label got[2];
    assert_str(rec->tenant, "tenant");
    assert_true(sk_wal_stream_next(rec, &s));
    assert_int_equal(s.ref, 0x1122334455667788u);
    assert_int_equal(s.counter, 6);
    assert_int_equal(s.count, SK_COUNT_OF(times));
    for (size_t i = 0; i < SK_COUNT_OF(times); i++) {
        sk_wal_entry_next(rec, got, 2, &e);
        assert_int_equal(e.ts_ns, times[i]);
        assert_str(e.line, "a line");
        assert_int_equal(e.pair_count, i % 3);
        for (size_t k = 0; k < i % 3; k++) {
            assert_true(sk_str_eq(got[k].name, pairs[k].name));
            assert_true(sk_str_eq(got[k].value, pairs[k].value));
        }
    }
    assert_true(sk_wal_stream_next(rec, &s));
    sk_wal_entry_next(rec, got, 2, &e);
    assert_int_equal(e.ts_ns, 5);
    assert_int_equal(e.line.len, 0);
    assert_false(sk_wal_stream_next(rec, &s));
}

static void entries_read_back(void **state)
{
    (void)state;
    struct sk_strbuf out;
    struct sk_wal_record rec;
    (void)record_make(&out);
    struct sk_slice bytes = {(const uint8_t *)out.ptr, out.len};
    assert_int_equal(sk_wal_record_init(&rec, bytes), SK_OK);
    record_is_whole(&rec);
    sk_wal_record_init_own(&rec, bytes);
    record_is_whole(&rec);
    sk_strbuf_deinit(&out);
}

static void pairs_beyond_the_room_are_left_out(void **state)
{
    (void)state;
    struct sk_strbuf out;
    struct sk_wal_record rec;
    struct sk_wal_stream s;
    struct sk_wal_entry_view e;
    struct sk_label got[1];
    sk_strbuf_init(&out, 1 << 20);
    sk_wal_entries_begin(&out, SK_STR("t"), 0);
    sk_wal_entries_stream(&out, 1, 2, 2);
    (void)sk_wal_entry(&out, 0, 1, SK_STR("x"), pairs, 2);
    (void)sk_wal_entry(&out, 0, 2, SK_STR("y"), pairs, 2);
    assert_int_equal(sk_wal_record_init(&rec, (struct sk_slice){(const uint8_t *)out.ptr, out.len}),
                     SK_OK);
    assert_true(sk_wal_stream_next(&rec, &s));
    sk_wal_entry_next(&rec, got, 1, &e);
    assert_int_equal(e.pair_count, 1);
    sk_wal_entry_next(&rec, NULL, 0, &e);
    assert_int_equal(e.pair_count, 0);
    assert_str(e.line, "y");
    sk_strbuf_deinit(&out);
}

static void the_part_behind_the_time_tells_repeats(void **state)
{
    (void)state;
    struct sk_strbuf out;
    sk_strbuf_init(&out, 1 << 20);
    size_t first = sk_wal_entry(&out, 0, 5, SK_STR("same"), pairs, 1), first_end = out.len;
    size_t second = sk_wal_entry(&out, 0, INT64_MAX, SK_STR("same"), pairs, 1);
    assert_int_equal(first_end - first, out.len - second);
    assert_memory_equal(out.ptr + first, out.ptr + second, out.len - second);
    sk_strbuf_deinit(&out);
}

static void a_cut_or_longer_record_gives_nothing(void **state)
{
    (void)state;
    struct sk_strbuf out;
    struct sk_wal_record rec;
    size_t first_end = record_make(&out), whole = out.len;
    sk_strbuf_putc(&out, '\1');
    for (size_t len = 0; len <= out.len; len++) {
        /* it may end behind its tenant (8), its base (16), and any stream */
        bool fine = len == 8 || len == 16 || len == first_end || len == whole;
        assert_int_equal(sk_wal_record_init(&rec, (struct sk_slice){(const uint8_t *)out.ptr, len}),
                         fine ? SK_OK : SK_ECORRUPT);
    }
    sk_strbuf_deinit(&out);
}

static void series_read_back_sorted(void **state)
{
    (void)state;
    static const struct sk_label labels[] = {{{"b", 1}, {"2", 1}}, {{"a", 1}, {"1", 1}}};
    struct sk_strbuf out;
    struct sk_wal_record rec;
    struct sk_arena arena;
    struct sk_labelset got;
    uint64_t ref;
    enum sk_err err;
    sk_strbuf_init(&out, 1 << 20);
    sk_arena_init(&arena, 1 << 20, NULL);
    sk_wal_series_begin(&out, SK_STR("t"));
    sk_wal_series_add(&out, 9, (struct sk_labelset){labels, 2});
    assert_int_equal(sk_wal_record_init(&rec, (struct sk_slice){(const uint8_t *)out.ptr, out.len}),
                     SK_OK);
    assert_true(sk_wal_series_next(&rec, &arena, &ref, &got, &err));
    assert_int_equal(ref, 9);
    assert_int_equal(got.count, 2);
    assert_str(got.items[0].name, "a");
    assert_false(sk_wal_series_next(&rec, &arena, &ref, &got, &err));
    assert_int_equal(err, SK_OK);
    sk_arena_deinit(&arena);
    sk_strbuf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_read_back),
        cmocka_unit_test(pairs_beyond_the_room_are_left_out),
        cmocka_unit_test(the_part_behind_the_time_tells_repeats),
        cmocka_unit_test(a_cut_or_longer_record_gives_nothing),
        cmocka_unit_test(series_read_back_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
