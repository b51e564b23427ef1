/* SPDX-License-Identifier: Apache-2.0 */
/* Protects framing: records of every length around the page's borders read back, and damage costs
 * the record it touches, not those behind it. */
#include "lib/testlib.h"

#include <string.h>

#include "base/alloc.h"
#include "codec/codec.h"
#include "wal/segment.h"

enum { RECORDS = 40, RECORD_MAX = 100000 };

static uint8_t text[RECORD_MAX];
static size_t lengths[RECORDS];

static enum sk_err read_at(void *ctx, uint64_t off, void *buf, size_t len, size_t *ret_len)
{
    const struct sk_strbuf *all = ctx;
    size_t left = off >= all->len ? 0 : all->len - (size_t)off;
    *ret_len = left < len ? left : len;
    if (*ret_len > 0)
        memcpy(buf, all->ptr + off, *ret_len);
    return SK_OK;
}

/* Record i is lengths[i] bytes of its number. */
static void segment_make(struct sk_strbuf *out, uint64_t *seed, uint64_t *ends)
{
    static const size_t border[] = {2, 1, 32754, 32761, 32762, 32768, 65522, RECORD_MAX};
    uint64_t off = 0;
    sk_strbuf_init(out, 1 << 24);
    for (size_t i = 0; i < RECORDS; i++) {
        lengths[i] = i < SK_COUNT_OF(border) ? border[i] : 1 + (size_t)(testlib_rand(seed) % 40000);
        memset(text, (int)i + 1, lengths[i]);
        off = sk_wal_frame(out, off, (struct sk_slice){text, lengths[i]});
        assert_int_equal(off, out->len);
        ends[i] = off;
    }
    assert_false(out->failed);
}

/* Reads all; *ret_mask has a bit for each record found, which must be whole. */
static void segment_read(struct sk_strbuf *all, uint64_t *ret_mask, uint64_t *ret_damage)
{
    struct sk_codec_ctx *codec;
    struct sk_wal_reader r;
    struct sk_slice record;
    size_t next = 0;
    *ret_mask = 0;
    assert_int_equal(sk_codec_ctx_create(&codec), SK_OK);
    assert_int_equal(sk_wal_reader_init(&r, read_at, all, codec), SK_OK);
    while (sk_wal_reader_next(&r, &record) == SK_OK) {
        assert_true(record.len > 0);
        size_t i = (size_t)record.ptr[0] - 1;
        assert_true(i >= next && i < RECORDS);
        assert_int_equal(record.len, lengths[i]);
        for (size_t k = 0; k < record.len; k++)
            assert_int_equal(record.ptr[k], i + 1);
        *ret_mask |= 1ull << i;
        next = i + 1;
    }
    *ret_damage = r.damage_count;
    sk_wal_reader_deinit(&r);
    sk_codec_ctx_destroy(codec);
}

static void records_of_every_length_read_back(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed(), mask, damage, ends[RECORDS];
    struct sk_strbuf all;
    segment_make(&all, &seed, ends);
    segment_read(&all, &mask, &damage);
    assert_int_equal(mask, (1ull << RECORDS) - 1);
    assert_int_equal(damage, 0);
    memset(text, 0, sizeof(text)); /* the zeros of the preallocation */
    sk_strbuf_add(&all, text, sizeof(text));
    segment_read(&all, &mask, &damage);
    assert_int_equal(mask, (1ull << RECORDS) - 1);
    assert_int_equal(damage, 0);
    sk_strbuf_deinit(&all);
}

static void a_flipped_bit_costs_one_record(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed(), mask, damage, ends[RECORDS];
    struct sk_strbuf all;
    segment_make(&all, &seed, ends);
    for (unsigned round = 0; round < 40; round++) {
        size_t i = 1 + (size_t)(testlib_rand(&seed) % (RECORDS - 1));
        if (lengths[i] < 8)
            continue;
        uint64_t at = ends[i] - 1 - testlib_rand(&seed) % 4; /* in the data of its last fragment */
        all.ptr[at] ^= 0x10;
        segment_read(&all, &mask, &damage);
        assert_int_equal(mask, ((1ull << RECORDS) - 1) & ~(1ull << i));
        assert_true(damage > 0);
        all.ptr[at] ^= 0x10;
    }
    sk_strbuf_deinit(&all);
}

static void a_torn_tail_costs_the_last_record(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed(), mask, damage, ends[RECORDS];
    struct sk_strbuf all;
    segment_make(&all, &seed, ends);
    for (unsigned round = 0; round < 40; round++) {
        size_t i = 1 + (size_t)(testlib_rand(&seed) % (RECORDS - 1));
        uint64_t len = ends[i] - ends[i - 1];
        if (len < 3)
            continue;
        all.len = ends[i] - 1 - testlib_rand(&seed) % (len - 2);
        segment_read(&all, &mask, &damage);
        assert_int_equal(mask & ((1ull << i) - 1), (1ull << i) - 1);
        assert_int_equal(mask >> i, 0);
    }
    sk_strbuf_deinit(&all);
}

/* Of the last fragment's header only the first byte was written. */
static void a_header_cut_behind_its_type_ends_no_record(void **state)
{
    (void)state;
    uint64_t mask, damage;
    struct sk_strbuf all;
    sk_strbuf_init(&all, 1 << 20);
    lengths[0] = 40000;
    memset(text, 1, lengths[0]);
    (void)sk_wal_frame(&all, 0, (struct sk_slice){text, lengths[0]});
    all.len = SK_WAL_PAGE_BYTES + 1;
    segment_read(&all, &mask, &damage);
    assert_int_equal(mask, 0);
    assert_true(damage > 0);
    sk_strbuf_deinit(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_every_length_read_back),
        cmocka_unit_test(a_flipped_bit_costs_one_record),
        cmocka_unit_test(a_torn_tail_costs_the_last_record),
        cmocka_unit_test(a_header_cut_behind_its_type_ends_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
