/* SPDX-License-Identifier: Apache-2.0 */
/* Protects block entries: what is encoded is iterated, damage stops the iteration, sorting is
 * stable. */
#include "lib/testlib.h"

#include <stdio.h>
#include <string.h>

#include "chunk/block.h"

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

static void entries_iterate_as_encoded(void **state)
{
    (void)state;
    static const int64_t times[] = {
        0, 1, -1, 63, 64, INT64_MAX, INT64_MIN, 1749592802000000000, -1749592802000000000, 1 << 20};
    static const struct sk_symbol_pair pairs[] = {{0, 1}, {127, 128}, {UINT32_MAX, 70000}};
    for (int meta = 0; meta <= 1; meta++) {
        struct sk_strbuf block;
        sk_strbuf_init(&block, 1 << 20);
        for (size_t i = 0; i < SK_COUNT_OF(times); i++)
            add(&block, times[i], (struct sk_str){"line\0\n text", i}, pairs, i % 4, meta == 1);
        struct sk_block_iter it;
        struct sk_block_entry e;
        size_t i = 0;
        sk_block_iter_init(&it, view(&block), meta == 1);
        for (; sk_block_next(&it, &e); i++) {
            struct sk_symbol_pair got[4];
            size_t count;
            assert_true(e.ts_ns == times[i]);
            assert_int_equal(e.line.len, i);
            assert_memory_equal(e.line.ptr, "line\0\n text", i);
            assert_int_equal(sk_block_meta_decode(e.meta, got, 4, &count), SK_OK);
            assert_int_equal(count, meta == 1 ? i % 4 : 0);
            assert_int_equal(count, sk_block_meta_count(e.meta));
            assert_memory_equal(got, pairs, count * sizeof(*got));
        }
        assert_int_equal(i, SK_COUNT_OF(times));
        assert_false(it.corrupt);
        for (size_t cut = 0; cut < block.len; cut++) { /* whole entries, or damage */
            sk_block_iter_init(&it, (struct sk_slice){(const uint8_t *)block.ptr, cut}, meta == 1);
            size_t left = 0;
            while (sk_block_next(&it, &e))
                left = (size_t)(it.pos - (const uint8_t *)block.ptr);
            assert_int_equal(it.corrupt, left != cut);
        }
        sk_strbuf_deinit(&block);
    }
}

static void lying_lengths_stop_the_iteration(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t len;
    } bad[] = {
        {{0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'x'}, 12}, /* line */
        {{0x02, 0x01, 'x', 0x00}, 4},                                                  /* no rest */
        {{0x02, 0x01, 'x', 0x05, 0x00}, 5}, /* rest too long */
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 11}, /* time */
    };
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        struct sk_block_iter it;
        struct sk_block_entry e;
        struct sk_block_stats stats;
        struct sk_slice block = {bad[i].bytes, bad[i].len};
        sk_block_iter_init(&it, block, true);
        assert_false(sk_block_next(&it, &e));
        assert_true(it.corrupt);
        assert_false(sk_block_next(&it, &e));
        assert_int_equal(sk_block_scan(block, true, &stats), SK_ECORRUPT);
    }
    struct sk_symbol_pair got[4];
    size_t count = 77;
    static const uint8_t many[] = {0x7f, 0, 0}, rest[] = {1, 0, 0, 0}, cut[] = {1, 0, 0x80};
    assert_int_equal(sk_block_meta_decode((struct sk_slice){many, 3}, got, 4, &count), SK_ECORRUPT);
    assert_int_equal(sk_block_meta_count((struct sk_slice){many, 3}), 0);
    assert_int_equal(sk_block_meta_decode((struct sk_slice){rest, 4}, got, 4, &count), SK_ECORRUPT);
    assert_int_equal(sk_block_meta_decode((struct sk_slice){cut, 3}, got, 4, &count), SK_ECORRUPT);
    assert_int_equal(count, 77);
}

static void sorting_is_by_time_and_stable(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    for (int round = 0; round < 300; round++) {
        struct sk_strbuf block, sorted;
        sk_strbuf_init(&block, 1 << 20);
        sk_strbuf_init(&sorted, 1 << 20);
        unsigned count = (unsigned)(testlib_rand(&seed) % 60), span = 1 + round % 50;
        for (unsigned i = 0; i < count; i++) {
            char line[16];
            struct sk_symbol_pair pair = {i, i};
            snprintf(line, sizeof(line), "%u", i);
            add(&block, (int64_t)(testlib_rand(&seed) % span), sk_str_from(line), &pair, i % 2,
                true);
        }
        assert_int_equal(sk_block_sort(view(&block), true, &sorted), SK_OK);
        assert_int_equal(sorted.len, block.len);
        struct sk_block_stats stats;
        assert_int_equal(sk_block_scan(view(&sorted), true, &stats), SK_OK);
        assert_int_equal(stats.entry_count, count);
        struct sk_block_iter it;
        struct sk_block_entry e;
        int64_t last_ts = -1;
        uint64_t last_line = 0, line;
        sk_block_iter_init(&it, view(&sorted), true);
        while (sk_block_next(&it, &e)) {
            assert_true(sk_str_to_u64(e.line, &line));
            assert_true(e.ts_ns > last_ts || (e.ts_ns == last_ts && line > last_line));
            assert_int_equal(sk_block_meta_count(e.meta), line % 2);
            last_ts = e.ts_ns;
            last_line = line;
        }
        sk_strbuf_deinit(&block);
        sk_strbuf_deinit(&sorted);
    }
}

static void sizes_count_lines_and_pairs(void **state)
{
    (void)state;
    struct sk_strbuf block, copy;
    struct sk_block_stats stats;
    static const struct sk_symbol_pair pairs[] = {{0, 1}, {2, 3}};
    sk_strbuf_init(&block, 1000);
    sk_strbuf_init(&copy, 1000);
    assert_int_equal(sk_block_scan(view(&block), true, &stats), SK_OK);
    assert_int_equal(stats.entry_count, 0);
    add(&block, 5, SK_STR("12345"), pairs, 2, true);
    add(&block, 3, SK_STR(""), NULL, 0, true);
    assert_int_equal(sk_block_scan(view(&block), true, &stats), SK_OK);
    assert_int_equal(stats.size_bytes, 5 + 16);
    assert_int_equal(stats.ts_min_ns, 3);
    assert_int_equal(stats.ts_max_ns, 5);
    assert_false(stats.sorted);
    struct sk_block_iter it;
    struct sk_block_entry e;
    sk_block_iter_init(&it, view(&block), true);
    while (sk_block_next(&it, &e))
        sk_block_entry_copy(&copy, &e, true);
    assert_int_equal(copy.len, block.len);
    assert_memory_equal(copy.ptr, block.ptr, copy.len);
    sk_strbuf_deinit(&block);
    sk_strbuf_deinit(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_iterate_as_encoded),
        cmocka_unit_test(lying_lengths_stop_the_iteration),
        cmocka_unit_test(sorting_is_by_time_and_stable),
        cmocka_unit_test(sizes_count_lines_and_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
