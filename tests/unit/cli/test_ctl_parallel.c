/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the pieces of a parallel download: they cover the range, without gap or overlap, in the
 * order asked, and their files have names of their own. */
#include "lib/testlib.h"

#include "base/alloc.h"
#include "base/gotext.h"
#include "cli/ctl_parallel.h"

#define MIN SK_NS_PER_MIN

static void pieces_cover_the_range(void **state)
{
    (void)state;
    const int64_t cases[][3] = {{0, 10 * MIN, 5 * MIN},        {0, 11 * MIN, 5 * MIN},
                                {7, 8, SK_NS_PER_S},           {-3 * MIN, 3 * MIN, 4 * MIN},
                                {INT64_MAX - 5, INT64_MAX, 2}, {0, INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        struct sk_ctl_piece *up, *down;
        size_t n, m;
        assert_int_equal(sk_ctl_pieces_make(cases[i][0], cases[i][1], cases[i][2], true, &up, &n),
                         SK_OK);
        assert_int_equal(
            sk_ctl_pieces_make(cases[i][0], cases[i][1], cases[i][2], false, &down, &m), SK_OK);
        assert_int_equal(n, m);
        assert_true(up[0].start_ns == cases[i][0] && up[n - 1].end_ns == cases[i][1]);
        for (size_t k = 0; k < n; k++) {
            assert_true(up[k].start_ns < up[k].end_ns);
            assert_true(up[k].end_ns - up[k].start_ns <= cases[i][2]);
            assert_true(k == 0 || up[k].start_ns == up[k - 1].end_ns);
            assert_true(down[n - 1 - k].start_ns == up[k].start_ns);
        }
        sk_free(up);
        sk_free(down);
    }
}

static void empty_and_endless_ranges(void **state)
{
    (void)state;
    struct sk_ctl_piece *pieces;
    size_t n;
    assert_int_equal(sk_ctl_pieces_make(5, 5, 1, true, &pieces, &n), SK_OK);
    assert_int_equal(n, 0);
    sk_free(pieces);
    assert_int_equal(sk_ctl_pieces_make(6, 5, 1, true, &pieces, &n), SK_OK);
    assert_int_equal(n, 0);
    sk_free(pieces);
    assert_int_equal(sk_ctl_pieces_make(INT64_MIN, INT64_MAX, 1, true, &pieces, &n), SK_ELIMIT);
    assert_int_equal(sk_ctl_pieces_make(0, SK_CTL_PIECES_MAX + 1, 1, true, &pieces, &n), SK_ELIMIT);
}

static void files_are_named_by_range(void **state)
{
    (void)state;
    struct sk_strbuf path;
    const int64_t start_ns = INT64_C(1795356000) * SK_NS_PER_S;
    sk_strbuf_init(&path, 1 << 20);
    sk_ctl_part_path(&path, "/tmp/x",
                     &(struct sk_ctl_piece){.start_ns = start_ns, .end_ns = start_ns + 10 * MIN});
    assert_string_equal(path.ptr, "/tmp/x_20261122T140000_20261122T141000.part");
    sk_strbuf_deinit(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_cover_the_range),
        cmocka_unit_test(empty_and_endless_ranges),
        cmocka_unit_test(files_are_named_by_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
