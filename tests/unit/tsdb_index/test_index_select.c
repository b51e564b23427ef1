/* SPDX-License-Identifier: Apache-2.0 */
/* Protects selection: over random sets of series it agrees with looking at each series. */
#include "lib/testlib.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "lib/tsdblib.h"
#include "tsdb_index/index_select.h"
#include "tsdb_index/index_writer.h"

enum { SERIES = 300, PREDICATES_MAX = 4 };

/* A predicate as a set of allowed values: bit v for "v<v>", bit 15 for the empty text. */
static bool in_mask(void *ctx, struct sk_str value)
{
    unsigned mask = *(unsigned *)ctx;
    if (value.len == 0)
        return mask >> 15 & 1;
    return mask >> (value.ptr[1] - '0') & 1;
}

struct world {
    struct sk_strbuf file;
    struct sk_index *index;
    char texts[SERIES][4][4];
    struct sk_label labels[SERIES][4];
    struct sk_index_chunk chunks[SERIES][2];
    struct sk_index_input inputs[SERIES];
};

static const char *const label_names[] = {"a", "b", "c", "id"};

/* Series `i` has labels by chance; fingerprint i, so that file order is number order. */
static void world_make(struct world *w, uint64_t *seed, size_t count)
{
    struct sk_index_sums sums;
    memset(w, 0, sizeof(*w));
    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        for (size_t k = 0; k < 4; k++) {
            unsigned spread = k == 3 ? 10 : 3;
            if (k < 3 && testlib_rand(seed) % 3 == 0)
                continue;
            snprintf(w->texts[i][k], 4, "v%u", (unsigned)(testlib_rand(seed) % spread));
            w->labels[i][n].name = sk_str_from(label_names[k]);
            w->labels[i][n++].value = sk_str_from(w->texts[i][k]);
        }
        for (size_t c = 0; c < 2; c++) {
            int64_t from = (int64_t)(testlib_rand(seed) % 1000);
            w->chunks[i][c] = (struct sk_index_chunk){from, from + 10, 1, 1, (uint32_t)c};
        }
        w->inputs[i] = (struct sk_index_input){
            {w->labels[i], n}, {NULL, 0}, i, w->chunks[i], 1 + testlib_rand(seed) % 2};
    }
    sk_strbuf_init(&w->file, 1 << 20);
    assert_int_equal(sk_index_build(w->inputs, count, 3, &w->file, &sums), SK_OK);
    assert_int_equal(sk_index_create(tsdblib_view(&w->file), NULL, &w->index), SK_OK);
    assert_int_equal(sk_index_verify(w->index), SK_OK);
}

static bool expected(const struct sk_index_input *in, const struct sk_index_predicate *p,
                     size_t count, struct sk_index_span span)
{
    for (size_t i = 0; i < count; i++) {
        struct sk_str value = sk_labels_get(in->labels, p[i].name);
        if (p[i].exact ? !sk_str_eq(value, p[i].value) : !p[i].matches(p[i].ctx, value))
            return false;
    }
    for (size_t i = 0; i < in->chunk_count; i++) {
        if (in->chunks[i].from_ms <= span.through_ms && in->chunks[i].through_ms >= span.from_ms)
            return true;
    }
    return false;
}

static void selection_agrees_with_looking_at_each_series(void **state)
{
    (void)state;
    static struct world w;
    static const char *const values[] = {"", "v0", "v1", "v2", "v9", "none"};
    uint64_t seed = testlib_seed();
    unsigned selected = 0;
    for (int round = 0; round < 2000; round++) {
        if (round % 50 == 0) {
            if (round > 0) {
                sk_index_destroy(w.index);
                sk_strbuf_deinit(&w.file);
            }
            world_make(&w, &seed, round % 100 == 0 ? SERIES : 1 + testlib_rand(&seed) % 90);
        }
        struct sk_index_predicate p[PREDICATES_MAX];
        unsigned masks[PREDICATES_MAX];
        size_t count = (size_t)(testlib_rand(&seed) % (PREDICATES_MAX + 1)), at = 0;
        for (size_t i = 0; i < count; i++) {
            p[i] = (struct sk_index_predicate){.name = SK_STR("")};
            p[i].name = sk_str_from(label_names[testlib_rand(&seed) % 4]);
            p[i].exact = testlib_rand(&seed) % 2;
            p[i].value = sk_str_from(values[testlib_rand(&seed) % SK_COUNT_OF(values)]);
            masks[i] = (unsigned)(testlib_rand(&seed) & 0xffff);
            p[i].matches = in_mask;
            p[i].ctx = &masks[i];
            p[i].matches_empty = p[i].exact ? p[i].value.len == 0 : masks[i] >> 15 & 1;
        }
        struct sk_index_span span = {INT64_MIN, INT64_MAX};
        if (testlib_rand(&seed) % 2) {
            span.from_ms = (int64_t)(testlib_rand(&seed) % 1100);
            span.through_ms = span.from_ms + (int64_t)(testlib_rand(&seed) % 100);
        }
        struct sk_arena arena;
        struct sk_index_refs refs;
        sk_arena_init(&arena, 1 << 20, NULL);
        assert_int_equal(sk_index_select(w.index, p, count, span, &arena, &refs), SK_OK);
        uint32_t ref = 0;
        for (size_t i = 0;; i++) {
            assert_int_equal(sk_index_series_after(w.index, ref, &ref), SK_OK);
            if (ref == 0)
                break;
            bool want = expected(&w.inputs[i], p, count, span);
            bool got = at < refs.count && refs.items[at] == ref;
            assert_int_equal(got, want);
            at += got;
        }
        assert_int_equal(at, refs.count);
        selected += (unsigned)refs.count;
        sk_arena_deinit(&arena);
    }
    assert_true(selected > 1000);
    sk_index_destroy(w.index);
    sk_strbuf_deinit(&w.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selection_agrees_with_looking_at_each_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
