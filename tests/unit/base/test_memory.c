/* SPDX-License-Identifier: Apache-2.0 */
/* Protects caps, budgets and checksums that every other folder leans on. */
#include "lib/testlib.h"

#include "base/arena.h"
#include "base/budget.h"
#include "base/crc32c.h"
#include "base/strbuf.h"
#include "base/varint.h"

static void crc32c_has_its_check_value(void **state)
{
    (void)state;
    assert_int_equal(sk_crc32c((struct sk_slice){(const uint8_t *)"123456789", 9}), 0xe3069283u);
}

static void arena_stops_at_its_cap_and_budget(void **state)
{
    (void)state;
    struct sk_budget budget;
    struct sk_arena arena;
    sk_budget_init(&budget, 64 * 1024, NULL);
    sk_arena_init(&arena, 1 << 20, &budget);
    size_t got = 0;
    while (sk_arena_alloc(&arena, 1000) != NULL)
        got += 1000;
    assert_true(got > 16 * 1024 && got <= 64 * 1024);
    sk_arena_deinit(&arena);
    assert_int_equal(sk_budget_used(&budget), 0);

    sk_arena_init(&arena, 4096, NULL);
    assert_null(sk_arena_alloc(&arena, 8192));
    assert_non_null(sk_arena_alloc(&arena, 100));
    sk_arena_deinit(&arena);
}

static void strbuf_failure_sticks(void **state)
{
    (void)state;
    struct sk_strbuf b;
    sk_strbuf_init(&b, 10);
    sk_strbuf_puts(&b, "12345678");
    sk_strbuf_puts(&b, "too long");
    sk_strbuf_putc(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.len, 8);
    sk_strbuf_deinit(&b);
}

static void varints_round_trip_and_refuse_overlong(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX, INT64_MAX};
    for (size_t i = 0; i < SK_COUNT_OF(values); i++) {
        uint8_t out[SK_VARINT_BYTES_MAX];
        size_t n = sk_uvar_encode(out, values[i]);
        assert_int_equal(n, sk_uvar_size(values[i]));
        const uint8_t *p = out;
        uint64_t v;
        assert_true(sk_uvar_decode(&p, out + n, &v));
        assert_true(v == values[i]);
        for (size_t cut = 0; cut < n; cut++) {
            p = out;
            assert_false(sk_uvar_decode(&p, out + cut, &v));
        }
    }
    static const uint8_t overlong[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    const uint8_t *p = overlong;
    uint64_t v;
    assert_false(sk_uvar_decode(&p, overlong + sizeof(overlong), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_has_its_check_value),
        cmocka_unit_test(arena_stops_at_its_cap_and_budget),
        cmocka_unit_test(strbuf_failure_sticks),
        cmocka_unit_test(varints_round_trip_and_refuse_overlong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
