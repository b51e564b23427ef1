/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the heads of checkpoint records: Loki's bytes read, ours equal them, damage is told. */
#include "lib/testlib.h"

#include "chunk/block.h"
#include "chunk/head.h"

static struct sk_slice view(const struct sk_strbuf *b)
{
    return (struct sk_slice){(const uint8_t *)b->ptr, b->len};
}

/* As Loki 3.7.6 wrote it: one entry, "beta two", one pair. */
static const uint8_t lokis[] = {0x05, 0x01, 0x80, 0xd0, 0xd2, 0x8c, 0xc7, 0xd8,
                                0xe6, 0xc7, 0x30, 0x08, 'b',  'e',  't',  'a',
                                ' ',  't',  'w',  'o',  0x01, 0x00, 0x01};

static void lokis_head_reads_and_is_written_alike(void **state)
{
    (void)state;
    struct sk_strbuf block, head;
    uint32_t count;
    sk_strbuf_init(&block, 1000);
    sk_strbuf_init(&head, 1000);
    assert_int_equal(sk_head_decode((struct sk_slice){lokis, sizeof(lokis)}, true, &block, &count),
                     SK_OK);
    assert_int_equal(count, 1);
    struct sk_block_iter it;
    struct sk_block_entry e;
    sk_block_iter_init(&it, view(&block), true);
    assert_true(sk_block_next(&it, &e));
    assert_str(e.line, "beta two");
    assert_true(e.ts_ns == 1749592802000000000);
    struct sk_symbol_pair pair;
    size_t pairs;
    assert_int_equal(sk_block_meta_decode(e.meta, &pair, 1, &pairs), SK_OK);
    assert_int_equal(pairs, 1);
    assert_int_equal(pair.name, 0);
    assert_int_equal(pair.value, 1);
    assert_false(sk_block_next(&it, &e));
    assert_int_equal(sk_head_encode(view(&block), true, &head), SK_OK);
    assert_int_equal(head.len, sizeof(lokis));
    assert_memory_equal(head.ptr, lokis, sizeof(lokis));
    sk_strbuf_deinit(&block);
    sk_strbuf_deinit(&head);
}

static void every_cut_is_damage(void **state)
{
    (void)state;
    struct sk_strbuf block;
    uint32_t count = 77;
    sk_strbuf_init(&block, 1000);
    for (size_t cut = 1; cut < sizeof(lokis); cut++) {
        assert_int_equal(sk_head_decode((struct sk_slice){lokis, cut}, true, &block, &count),
                         SK_ECORRUPT);
        assert_int_equal(block.len, 0);
        assert_int_equal(count, 77);
    }
    static const uint8_t unknown[] = {6, 0}, lie[] = {5, 0xff, 0xff, 0xff, 0x7f, 0};
    assert_int_equal(sk_head_decode((struct sk_slice){unknown, 2}, true, &block, &count),
                     SK_EUNSUPPORTED);
    assert_int_equal(sk_head_decode((struct sk_slice){lie, 6}, true, &block, &count), SK_ECORRUPT);
    sk_strbuf_deinit(&block);
}

static void old_heads_read_without_metadata(void **state)
{
    (void)state;
    static const uint8_t empty[] = {5, 0}, four[] = {4, 2, 0x02, 1, 'a', 0x04, 0},
                         three[] = {3, 1, 1, 0x02, 0x02, 0x02, 1, 'a'};
    struct sk_strbuf block, head;
    struct sk_block_stats stats;
    uint32_t count;
    sk_strbuf_init(&block, 1000);
    sk_strbuf_init(&head, 1000);
    assert_int_equal(sk_head_decode((struct sk_slice){empty, 2}, true, &block, &count), SK_OK);
    assert_int_equal(count, 0);
    assert_int_equal(sk_head_decode((struct sk_slice){NULL, 0}, true, &block, &count), SK_OK);
    assert_int_equal(block.len, 0);
    assert_int_equal(sk_head_decode((struct sk_slice){four, sizeof(four)}, false, &block, &count),
                     SK_OK);
    assert_int_equal(count, 2);
    assert_int_equal(sk_block_scan(view(&block), false, &stats), SK_OK);
    assert_int_equal(stats.ts_max_ns, 2);
    assert_int_equal(sk_head_encode(view(&block), false, &head), SK_OK);
    assert_int_equal(head.len, sizeof(four));
    assert_memory_equal(head.ptr, four, sizeof(four));
    sk_strbuf_reset(&block);
    assert_int_equal(sk_head_decode((struct sk_slice){three, sizeof(three)}, true, &block, &count),
                     SK_OK);
    assert_int_equal(count, 1);
    assert_int_equal(sk_block_scan(view(&block), true, &stats), SK_OK);
    assert_int_equal(stats.entry_count, 1);
    sk_strbuf_deinit(&block);
    sk_strbuf_deinit(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lokis_head_reads_and_is_written_alike),
        cmocka_unit_test(every_cut_is_damage),
        cmocka_unit_test(old_heads_read_without_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
