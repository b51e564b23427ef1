/* SPDX-License-Identifier: Apache-2.0 */
/* Protects what reaches the executor: Loki executes the printed form of a query, so the printed
 * form must say what the tree says. Over random queries of the whole grammar, parsing what was
 * printed gives the same tree. */
#include "lib/testlib.h"

#include <stdio.h>

#include "lib/ast_eq.h"
#include "lib/query_gen.h"
#include "logql/parse.h"
#include "logql/print.h"

enum { ROUNDS = 5000, BYTES = 512 };

static bool printed_is_the_same(const uint8_t *data, size_t *parsed)
{
    struct sk_arena arena;
    struct sk_strbuf query, text;
    struct sk_error why = {.text = ""};
    const struct sk_ast_expr *expr, *again = NULL;
    struct gen g = {.ptr = data, .len = BYTES, .json = data[0] % 2 == 1, .whole = true};
    sk_arena_init(&arena, 64u << 20, NULL);
    sk_strbuf_init(&query, 1u << 20);
    sk_strbuf_init(&text, 1u << 20);
    if (data[1] % 3 == 0)
        gen_log_query(&g, &query);
    else
        gen_metric_query(&g, &query);
    bool same = true;
    if (sk_logql_parse(&arena, sk_strbuf_view(&query), &expr, &why) == SK_OK) {
        (*parsed)++;
        sk_logql_print(&text, expr);
        same = sk_logql_parse(&arena, sk_strbuf_view(&text), &again, &why) == SK_OK &&
               ast_eq(expr, again);
    }
    if (!same)
        print_error("%.*s\nprints as\n%.*s\n%s\n", SK_STR_ARG(sk_strbuf_view(&query)),
                    SK_STR_ARG(sk_strbuf_view(&text)), why.text);
    sk_strbuf_deinit(&query);
    sk_strbuf_deinit(&text);
    sk_arena_deinit(&arena);
    return same;
}

static void parsing_what_was_printed_gives_the_tree(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    size_t parsed = 0;
    static uint8_t data[BYTES];
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BYTES; i++)
            data[i] = (uint8_t)(testlib_rand(&seed) >> 32);
        assert_true(printed_is_the_same(data, &parsed));
    }
    print_message("%zu of %d queries parse\n", parsed, ROUNDS);
    assert_true(parsed >= ROUNDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parsing_what_was_printed_gives_the_tree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
