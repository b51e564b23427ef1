/* SPDX-License-Identifier: Apache-2.0 */
/* Protects written indexes: Loki's files, read and built again from shuffled series, come out byte
 * for byte. */
#include "lib/testlib.h"

#include <stdlib.h>
#include <string.h>

#include "lib/tsdblib.h"
#include "tsdb_index/index.h"
#include "tsdb_index/index_writer.h"

struct inputs {
    struct sk_index_input *items;
    struct sk_index_series *series;
    size_t count;
};

/* The series of a file as inputs; tenants are taken out of the labels again. */
static struct inputs inputs_of(const struct sk_index *x, bool split_tenant)
{
    struct inputs in = {0};
    in.items = sk_calloc(2000, sizeof(*in.items));
    in.series = sk_calloc(2000, sizeof(*in.series));
    uint32_t ref = 0;
    for (;; in.count++) {
        assert_int_equal(sk_index_series_after(x, ref, &ref), SK_OK);
        if (ref == 0)
            return in;
        struct sk_index_series *s = &in.series[in.count];
        assert_int_equal(sk_index_series_read(x, ref, SK_INDEX_LABELS | SK_INDEX_CHUNKS, INT64_MIN,
                                              INT64_MAX, s),
                         SK_OK);
        struct sk_index_input *item = &in.items[in.count];
        *item = (struct sk_index_input){
            .fingerprint = s->fingerprint, .chunks = s->chunks, .chunk_count = s->chunk_count};
        size_t kept = 0;
        for (size_t i = 0; i < s->label_count; i++) {
            if (split_tenant && sk_str_is(s->labels[i].name, SK_INDEX_TENANT_LABEL))
                item->tenant = s->labels[i].value;
            else
                s->labels[kept++] = s->labels[i];
        }
        item->labels = (struct sk_labelset){s->labels, kept};
    }
}

static void inputs_free(struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++)
        sk_index_series_deinit(&in->series[i]);
    sk_free(in->items);
    sk_free(in->series);
}

static void lokis_files_are_rebuilt_byte_for_byte(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    for (size_t n = 0; n < SK_COUNT_OF(tsdblib_names) * 2; n++) {
        struct sk_strbuf file = tsdblib_load(tsdblib_names[n / 2]), out;
        struct sk_index *x;
        struct sk_index_sums sums;
        sk_strbuf_init(&out, 64 << 20);
        assert_int_equal(sk_index_create(tsdblib_view(&file), NULL, &x), SK_OK);
        struct inputs in = inputs_of(x, n % 2 == 1);
        for (size_t i = in.count; i > 1; i--) { /* any order of series and chunks will do */
            size_t k = (size_t)(testlib_rand(&seed) % i);
            struct sk_index_input swap = in.items[k];
            in.items[k] = in.items[i - 1];
            in.items[i - 1] = swap;
        }
        for (size_t i = 0; i < in.count; i++) {
            struct sk_index_series *s = &in.series[i];
            for (size_t k = 0; k + 1 < s->chunk_count; k += 2) {
                struct sk_index_chunk swap = s->chunks[k];
                s->chunks[k] = s->chunks[k + 1];
                s->chunks[k + 1] = swap;
            }
        }
        sk_strbuf_puts(&out, "before");
        assert_int_equal(sk_index_build(in.items, in.count, sk_index_version(x), &out, &sums),
                         SK_OK);
        assert_int_equal(out.len - 6, file.len);
        assert_memory_equal(out.ptr + 6, file.ptr, file.len);
        assert_int_equal(sums.file_bytes, file.len);
        assert_int_equal(sums.from_ms, sk_index_from_ms(x));
        assert_int_equal(sums.through_ms, sk_index_through_ms(x));
        assert_int_equal(sums.toc_crc, sk_index_toc_crc(x));
        assert_int_equal(sums.series_count, in.count);
        inputs_free(&in);
        sk_index_destroy(x);
        sk_strbuf_deinit(&file);
        sk_strbuf_deinit(&out);
    }
}

static void equal_series_are_joined_and_empty_ones_left_out(void **state)
{
    (void)state;
    static const struct sk_label a[] = {{{"a", 1}, {"1", 1}}}, b[] = {{{"b", 1}, {"1", 1}}};
    static const struct sk_index_chunk one[] = {{10, 20, 1, 1, 7}, {5, 6, 1, 1, 8}},
                                       two[] = {{10, 20, 1, 1, 7}, {30, 30, 2, 2, 9}};
    struct sk_index_input in[] = {{{a, 1}, {NULL, 0}, 5, one, 2},
                                  {{b, 1}, {NULL, 0}, 3, one, 0},
                                  {{a, 1}, {NULL, 0}, 5, two, 2}};
    struct sk_strbuf out;
    struct sk_index_sums sums;
    struct sk_index *x;
    struct sk_index_series s = {0};
    uint32_t ref;
    sk_strbuf_init(&out, 1 << 20);
    assert_int_equal(sk_index_build(in, 3, 3, &out, &sums), SK_OK);
    assert_int_equal(sums.series_count, 1);
    assert_int_equal(sums.chunk_count, 3);
    assert_int_equal(sums.from_ms, 5);
    assert_int_equal(sums.through_ms, 30);
    assert_int_equal(sk_index_create(tsdblib_view(&out), NULL, &x), SK_OK);
    assert_int_equal(sk_index_verify(x), SK_OK);
    assert_int_equal(sk_index_series_after(x, 0, &ref), SK_OK);
    assert_int_equal(sk_index_series_read(x, ref, SK_INDEX_CHUNKS, INT64_MIN, INT64_MAX, &s),
                     SK_OK);
    assert_int_equal(s.chunk_count, 3);
    assert_int_equal(s.chunks[0].checksum, 8);
    assert_int_equal(s.chunks[2].checksum, 9);
    assert_int_equal(sk_index_series_after(x, ref, &ref), SK_OK);
    assert_int_equal(ref, 0);
    sk_index_series_deinit(&s);
    sk_index_destroy(x);
    sk_strbuf_reset(&out);
    assert_int_equal(sk_index_build(in, 0, 3, &out, &sums), SK_OK); /* empty, but sound */
    assert_int_equal(sk_index_create(tsdblib_view(&out), NULL, &x), SK_OK);
    assert_int_equal(sk_index_verify(x), SK_OK);
    sk_index_destroy(x);
    sk_strbuf_deinit(&out);
}

static void unsorted_labels_and_inverted_chunks_are_refused(void **state)
{
    (void)state;
    static const struct sk_label bad[] = {{{"b", 1}, {"1", 1}}, {{"a", 1}, {"1", 1}}};
    static const struct sk_label nameless[] = {{{"", 0}, {"", 0}}};
    static const struct sk_index_chunk good[] = {{10, 20, 1, 1, 7}},
                                       inverted[] = {{10, 9, 1, 1, 7}};
    struct sk_index_input in = {{bad, 2}, {NULL, 0}, 5, good, 1};
    struct sk_strbuf out;
    struct sk_index_sums sums;
    sk_strbuf_init(&out, 1 << 20);
    sk_strbuf_puts(&out, "kept");
    assert_int_equal(sk_index_build(&in, 1, 3, &out, &sums), SK_EINVAL);
    in.labels = (struct sk_labelset){bad, 1};
    in.chunks = inverted;
    assert_int_equal(sk_index_build(&in, 1, 3, &out, &sums), SK_EINVAL);
    in.labels = (struct sk_labelset){nameless, 1};
    in.chunks = good;
    assert_int_equal(sk_index_build(&in, 1, 3, &out, &sums), SK_EINVAL);
    assert_int_equal(out.len, 4);
    sk_strbuf_deinit(&out);
}

static void failed_allocations_leave_the_buffer_alone(void **state)
{
    (void)state;
    struct sk_strbuf file = tsdblib_load("two-tenants");
    struct sk_index *x;
    assert_int_equal(sk_index_create(tsdblib_view(&file), NULL, &x), SK_OK);
    struct inputs in = inputs_of(x, true);
    for (uint64_t n = 1;; n++) {
        struct sk_strbuf out;
        struct sk_index_sums sums;
        sk_strbuf_init(&out, 1 << 20);
        sk_strbuf_puts(&out, "kept");
        sk_alloc_fault_arm(n);
        enum sk_err err = sk_index_build(in.items, in.count, 3, &out, &sums);
        bool hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        if (hit) {
            assert_int_equal(err, SK_ENOMEM);
            assert_int_equal(out.len, 4);
        } else {
            assert_int_equal(err, SK_OK);
            assert_int_equal(out.len - 4, file.len);
        }
        sk_strbuf_deinit(&out);
        if (!hit) {
            assert_true(n > 15);
            break;
        }
    }
    inputs_free(&in);
    sk_index_destroy(x);
    sk_strbuf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lokis_files_are_rebuilt_byte_for_byte),
        cmocka_unit_test(equal_series_are_joined_and_empty_ones_left_out),
        cmocka_unit_test(unsorted_labels_and_inverted_chunks_are_refused),
        cmocka_unit_test(failed_allocations_leave_the_buffer_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
