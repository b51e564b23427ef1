/* SPDX-License-Identifier: Apache-2.0 */
/* Protects symbol tables: numbers are stable and dense, texts never move, and a reader beside the
 * writer sees whole entries. */
#include "lib/testlib.h"

#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "chunk/symbols.h"

enum { MANY = 20000 };

static struct sk_str text_of(uint32_t i, char *buf, size_t size)
{
    int n = snprintf(buf, size, "%0*u", (int)(i % 40), i);
    return (struct sk_str){buf, i == 0 ? 0 : (size_t)n};
}

static void equal_texts_have_one_number(void **state)
{
    (void)state;
    struct sk_symbols s;
    char buf[64];
    uint32_t id;
    uint64_t bytes = 0;
    sk_symbols_init(&s, 8 << 20, NULL);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            struct sk_str text = text_of(i, buf, sizeof(buf));
            assert_int_equal(sk_symbols_intern(&s, text, &id), SK_OK);
            assert_int_equal(id, i);
            bytes += round == 0 ? text.len : 0;
        }
    }
    assert_int_equal(sk_symbols_count(&s), MANY);
    assert_int_equal(sk_symbols_text_bytes(&s), bytes);
    for (uint32_t i = 0; i < MANY; i++)
        assert_true(sk_str_eq(sk_symbols_at(&s, i), text_of(i, buf, sizeof(buf))));
    sk_symbols_deinit(&s);
    sk_symbols_deinit(&s);
}

static void caps_and_budgets_are_kept(void **state)
{
    (void)state;
    struct sk_budget budget;
    struct sk_symbols s;
    char buf[64];
    uint32_t id, made = 0;
    sk_budget_init(&budget, 100000, NULL);
    sk_symbols_init(&s, 1 << 20, &budget);
    while (sk_symbols_intern(&s, text_of(made, buf, sizeof(buf)), &id) == SK_OK)
        made++;
    assert_true(made > 500 && made < 5000);
    for (uint32_t i = 0; i < made; i++) {
        assert_int_equal(sk_symbols_intern(&s, text_of(i, buf, sizeof(buf)), &id), SK_OK);
        assert_int_equal(id, i);
    }
    sk_symbols_deinit(&s);
    assert_int_equal(sk_budget_used(&budget), 0);
}

static void failed_allocations_change_nothing(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 100; n++) {
        struct sk_symbols s;
        char buf[64];
        uint32_t id;
        sk_symbols_init(&s, 1 << 20, NULL);
        sk_alloc_fault_arm(n);
        for (uint32_t i = 0; i < 300; i++) {
            enum sk_err err = sk_symbols_intern(&s, text_of(i, buf, sizeof(buf)), &id);
            if (err == SK_ENOMEM) /* once: the second try succeeds */
                err = sk_symbols_intern(&s, text_of(i, buf, sizeof(buf)), &id);
            assert_int_equal(err, SK_OK);
            assert_int_equal(id, i);
        }
        bool hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        sk_symbols_deinit(&s);
        if (!hit)
            return;
    }
}

static void *reader(void *arg)
{
    struct sk_symbols *s = arg;
    char buf[64];
    uint32_t count = 0;
    while (count < MANY) {
        count = sk_symbols_count(s);
        for (uint32_t i = count > 50 ? count - 50 : 0; i < count; i++) {
            if (!sk_str_eq(sk_symbols_at(s, i), text_of(i, buf, sizeof(buf))))
                return arg;
        }
    }
    return NULL;
}

static void a_reader_beside_the_writer_sees_whole_entries(void **state)
{
    (void)state;
    struct sk_symbols s;
    pthread_t thread;
    char buf[64];
    uint32_t id;
    void *failed;
    sk_symbols_init(&s, 8 << 20, NULL);
    assert_int_equal(pthread_create(&thread, NULL, reader, &s), 0);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(sk_symbols_intern(&s, text_of(i, buf, sizeof(buf)), &id), SK_OK);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    sk_symbols_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_one_number),
        cmocka_unit_test(caps_and_budgets_are_kept),
        cmocka_unit_test(failed_allocations_change_nothing),
        cmocka_unit_test(a_reader_beside_the_writer_sees_whole_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
