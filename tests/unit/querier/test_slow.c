/* SPDX-License-Identifier: Apache-2.0 */
/* Protects that the engine's searches over blocks, hints, buckets and caches change no answer: over
 * random entries and queries it answers as the evaluator that has none of them. */
#include "lib/testlib.h"

#include "lib/slow_check.h"

enum { ROUNDS = 6000, BYTES = 1024 };

static void engine_answers_as_the_slow_way(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    size_t counts[3] = {0}, entries = 0;
    static uint8_t data[BYTES];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = seed;
        size_t size;
        for (size_t i = 0; i < BYTES; i++)
            data[i] = (uint8_t)testlib_rand(&seed);
        seed = begin;
        (void)testlib_rand(&seed);
        counts[slow_check(data, BYTES, &size)]++;
        entries += size > 0;
    }
    print_message("%zu compared (%zu not empty), %zu failing, %zu left open\n", counts[SLOW_OK],
                  entries, counts[SLOW_FAILS], counts[SLOW_UNSURE]);
    assert_true(counts[SLOW_OK] >= ROUNDS / 2);
    assert_true(entries >= ROUNDS / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(engine_answers_as_the_slow_way)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
