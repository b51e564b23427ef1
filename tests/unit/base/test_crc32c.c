/* SPDX-License-Identifier: Apache-2.0 */
/* test_crc32c.c -- the sum is that of the definition at every length, joined strands included, and
 * an input may be given in pieces. */
#include "base/crc32c.h"

#include "lib/testlib.h"

enum { LEN_MAX = 10000 };

/* One bit after the other, as the definition has it. */
static uint32_t slow(const uint8_t *p, size_t len)
{
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = (c & 1) != 0 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    }
    return ~c;
}

static void fill(uint8_t *data, size_t len)
{
    uint32_t x = 2463534242u;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        data[i] = (uint8_t)x;
    }
}

static void sums_are_those_of_the_definition(void **unused)
{
    (void)unused;
    static uint8_t data[LEN_MAX];
    fill(data, sizeof(data));
    assert_int_equal(sk_crc32c((struct sk_slice){(const uint8_t *)"123456789", 9}), 0xe3069283u);
    for (size_t len = 0; len < LEN_MAX; len += len < 64 ? 1 : 331) {
        size_t off = len % 7;
        if (off + len > sizeof(data))
            break;
        assert_int_equal(sk_crc32c((struct sk_slice){data + off, len}), slow(data + off, len));
    }
    for (size_t len = 3071; len <= 3073; len++)
        assert_int_equal(sk_crc32c((struct sk_slice){data, len}), slow(data, len));
    assert_int_equal(sk_crc32c((struct sk_slice){data, LEN_MAX}), slow(data, LEN_MAX));
}

static void pieces_give_the_sum_of_the_whole(void **unused)
{
    (void)unused;
    static uint8_t data[LEN_MAX];
    fill(data, sizeof(data));
    uint32_t whole = sk_crc32c((struct sk_slice){data, LEN_MAX});
    for (size_t cut = 0; cut <= LEN_MAX; cut += 97)
        assert_int_equal(
            sk_crc32c_extend(sk_crc32c_extend(0, data, cut), data + cut, LEN_MAX - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_definition),
        cmocka_unit_test(pieces_give_the_sum_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
