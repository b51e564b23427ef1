/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the reading of Loki's index files: they read as an independent decoder reads them,
 * and no flipped bit gives other data. */
#include "lib/testlib.h"

#include <string.h>

#include "base/crc32c.h"
#include "lib/tsdblib.h"
#include "tsdb_index/index.h"
#include "tsdb_index/index_name.h"

static void dump_series(const struct sk_index_series *s, struct sk_strbuf *out)
{
    uint32_t labels = 0, chunks = 0;
    for (size_t i = 0; i < s->label_count; i++) {
        labels = sk_crc32c_extend(labels, s->labels[i].name.ptr, s->labels[i].name.len);
        labels = sk_crc32c_extend(labels, "\xff", 1);
        labels = sk_crc32c_extend(labels, s->labels[i].value.ptr, s->labels[i].value.len);
        labels = sk_crc32c_extend(labels, "\xff", 1);
    }
    for (size_t i = 0; i < s->chunk_count; i++) {
        const struct sk_index_chunk *c = &s->chunks[i];
        char text[128];
        int n = snprintf(text, sizeof(text), "%lld %lld %u %u %08x;", (long long)c->from_ms,
                         (long long)c->through_ms, c->kb, c->entry_count, c->checksum);
        chunks = sk_crc32c_extend(chunks, text, (size_t)n);
    }
    sk_strbuf_printf(out, "%u %016llx %08x %zu %08x\n", s->ref, (unsigned long long)s->fingerprint,
                     labels, s->chunk_count, chunks);
}

/* All that a reader sees, but for the file name. */
static enum sk_err dump(struct sk_slice file, unsigned series_max, struct sk_strbuf *out)
{
    struct sk_index *x = NULL;
    struct sk_index_series series = {0};
    enum sk_err err = sk_index_create(file, NULL, &x);
    if (err != SK_OK)
        return err;
    unsigned count = 0;
    uint32_t ref = 0;
    struct sk_strbuf rows;
    sk_strbuf_init(&rows, 1 << 20);
    for (;;) {
        err = sk_index_series_after(x, ref, &ref);
        if (err != SK_OK || ref == 0)
            break;
        err = sk_index_series_read(x, ref, SK_INDEX_LABELS | SK_INDEX_CHUNKS, INT64_MIN, INT64_MAX,
                                   &series);
        if (err != SK_OK)
            break;
        if (count++ < series_max)
            dump_series(&series, &rows);
    }
    if (err == SK_OK) {
        sk_strbuf_printf(out, "version %u from %lld through %lld toc %08x series %u\n",
                         sk_index_version(x), (long long)sk_index_from_ms(x),
                         (long long)sk_index_through_ms(x), sk_index_toc_crc(x), count);
        sk_strbuf_str(out, sk_strbuf_view(&rows));
    }
    sk_strbuf_deinit(&rows);
    sk_index_series_deinit(&series);
    sk_index_destroy(x);
    return err;
}

static void golden_indexes_read_as_an_independent_decoder_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < SK_COUNT_OF(tsdblib_names); i++) {
        char rest[256];
        void *ptr;
        struct sk_index *x;
        struct sk_strbuf file = tsdblib_load(tsdblib_names[i]), got;
        sk_strbuf_init(&got, 1 << 20);
        snprintf(rest, sizeof(rest), "golden/tsdb/good/%s.txt", tsdblib_names[i]);
        struct sk_slice want = testlib_read(testlib_path(rest), &ptr);
        const uint8_t *line = memchr(want.ptr, '\n', want.len);
        size_t head = (size_t)(line + 1 - want.ptr);
        assert_int_equal(dump(tsdblib_view(&file), 200, &got), SK_OK);
        assert_int_equal(got.len, want.len - head);
        assert_memory_equal(got.ptr, want.ptr + head, got.len);
        assert_int_equal(sk_index_create(tsdblib_view(&file), NULL, &x), SK_OK);
        assert_int_equal(sk_index_verify(x), SK_OK);
        /* the name says what the tail says */
        struct sk_index_name name;
        struct sk_str text = {(const char *)want.ptr + 5, head - 6};
        assert_true(sk_index_name_parse(text, &name));
        assert_true(name.gzip);
        assert_int_equal(name.per_tenant, strncmp(tsdblib_names[i], "tenant-", 7) == 0 ||
                                              strcmp(tsdblib_names[i], "wide-compacted") == 0);
        if (name.per_tenant) {
            assert_int_equal(name.from_ms, sk_index_from_ms(x));
            assert_int_equal(name.through_ms, sk_index_through_ms(x));
            assert_int_equal(name.toc_crc, sk_index_toc_crc(x));
        }
        sk_index_destroy(x);
        sk_strbuf_deinit(&got);
        sk_strbuf_deinit(&file);
        sk_free(ptr);
    }
}

/* Every lookup over every name and value, as text. */
static enum sk_err dump_lookups(struct sk_slice file, struct sk_strbuf *out)
{
    struct sk_index *x;
    struct sk_str name = {NULL, 0}, value;
    struct sk_index_values values;
    struct sk_index_postings postings;
    uint64_t off;
    enum sk_err err = sk_index_create(file, NULL, &x);
    if (err != SK_OK)
        return err;
    while (err == SK_OK && sk_index_name_after(x, name, &name)) {
        sk_index_values_init(x, name, &values);
        while (err == SK_OK && sk_index_values_next(&values, &value, &off)) {
            err = sk_index_postings(x, name, value, &postings);
            if (err != SK_OK)
                break;
            sk_strbuf_str(out, name);
            sk_strbuf_putc(out, '=');
            sk_strbuf_str(out, value);
            sk_strbuf_putc(out, '\n');
            sk_strbuf_add(out, postings.refs, 4 * (size_t)postings.count);
        }
    }
    sk_index_destroy(x);
    return err;
}

static void no_flipped_bit_gives_other_data(void **state)
{
    (void)state;
    static const char *const names[] = {"multi-20250", "v2-v11"};
    for (size_t n = 0; n < SK_COUNT_OF(names); n++) {
        struct sk_strbuf file = tsdblib_load(names[n]), want, got;
        sk_strbuf_init(&want, 1 << 20);
        sk_strbuf_init(&got, 1 << 20);
        assert_int_equal(dump(tsdblib_view(&file), 1000, &want), SK_OK);
        assert_int_equal(dump_lookups(tsdblib_view(&file), &want), SK_OK);
        assert_true(want.len > 100);
        for (size_t bit = 0; bit < file.len * 8; bit++) {
            file.ptr[bit / 8] = (char)(file.ptr[bit / 8] ^ (1 << (bit % 8)));
            sk_strbuf_reset(&got);
            if (dump(tsdblib_view(&file), 1000, &got) == SK_OK &&
                dump_lookups(tsdblib_view(&file), &got) == SK_OK) {
                assert_int_equal(got.len, want.len);
                assert_memory_equal(got.ptr, want.ptr, got.len);
            }
            file.ptr[bit / 8] = (char)(file.ptr[bit / 8] ^ (1 << (bit % 8)));
        }
        for (size_t cut = 0; cut < file.len; cut++) {
            struct sk_index *x;
            struct sk_slice part = {(const uint8_t *)file.ptr, cut};
            assert_int_not_equal(sk_index_create(part, NULL, &x), SK_OK);
        }
        sk_strbuf_deinit(&file);
        sk_strbuf_deinit(&want);
        sk_strbuf_deinit(&got);
    }
}

static void lookups_find_what_is_there_and_nothing_else(void **state)
{
    (void)state;
    struct sk_strbuf file = tsdblib_load("wide-compacted");
    struct sk_index *x;
    struct sk_index_postings all, one;
    assert_int_equal(sk_index_create(tsdblib_view(&file), NULL, &x), SK_OK);
    assert_int_equal(sk_index_postings(x, SK_STR(""), SK_STR(""), &all), SK_OK);
    assert_int_equal(all.count, 1100);
    unsigned names = 0, values_seen = 0, sum = 0;
    struct sk_str name = {NULL, 0}, value, last = {NULL, 0};
    while (sk_index_name_after(x, name, &name)) {
        struct sk_index_values values;
        uint64_t off;
        assert_true(sk_str_cmp(last, name) < 0);
        last = name;
        names++;
        sk_index_values_init(x, name, &values);
        while (sk_index_values_next(&values, &value, &off)) {
            struct sk_index_postings again;
            char longer[300];
            assert_int_equal(sk_index_postings(x, name, value, &one), SK_OK);
            assert_int_equal(sk_index_postings_at(x, off, &again), SK_OK);
            assert_true(one.count > 0 && one.refs == again.refs);
            values_seen++;
            sum += one.count;
            memcpy(longer, value.ptr, value.len);
            longer[value.len] = '\0'; /* the very next text */
            assert_int_equal(
                sk_index_postings(x, name, (struct sk_str){longer, value.len + 1}, &again), SK_OK);
            assert_int_equal(again.count, 0);
        }
    }
    assert_true(names >= 2 && values_seen > 1000 && sum % 1100 == 0);
    assert_int_equal(sk_index_postings(x, SK_STR("zz"), SK_STR("zz"), &one), SK_OK);
    assert_int_equal(one.count, 0);
    sk_index_destroy(x);
    sk_strbuf_deinit(&file);
}

static void chunks_are_chosen_by_time(void **state)
{
    (void)state;
    struct sk_strbuf file = tsdblib_load("pages");
    struct sk_index *x;
    struct sk_index_series all = {0}, some = {0};
    uint32_t ref;
    assert_int_equal(sk_index_create(tsdblib_view(&file), NULL, &x), SK_OK);
    assert_int_equal(sk_index_series_after(x, 0, &ref), SK_OK);
    assert_int_equal(sk_index_series_read(x, ref, SK_INDEX_CHUNKS, INT64_MIN, INT64_MAX, &all),
                     SK_OK);
    assert_int_equal(all.chunk_count, 81);
    for (size_t i = 0; i < all.chunk_count; i++) {
        const struct sk_index_chunk *c = &all.chunks[i];
        size_t want = 0;
        for (size_t k = 0; k < all.chunk_count; k++)
            want +=
                all.chunks[k].from_ms <= c->through_ms && all.chunks[k].through_ms >= c->from_ms;
        assert_int_equal(
            sk_index_series_read(x, ref, SK_INDEX_CHUNKS, c->from_ms, c->through_ms, &some), SK_OK);
        assert_int_equal(some.chunk_count, want);
    }
    assert_int_equal(sk_index_series_read(x, ref + 1, SK_INDEX_CHUNKS, 0, 0, &some), SK_ECORRUPT);
    assert_int_equal(sk_index_series_read(x, UINT32_MAX, SK_INDEX_CHUNKS, 0, 0, &some),
                     SK_ECORRUPT);
    sk_index_series_deinit(&all);
    sk_index_series_deinit(&some);
    sk_index_destroy(x);
    sk_strbuf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_indexes_read_as_an_independent_decoder_reads_them),
        cmocka_unit_test(no_flipped_bit_gives_other_data),
        cmocka_unit_test(lookups_find_what_is_there_and_nothing_else),
        cmocka_unit_test(chunks_are_chosen_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
