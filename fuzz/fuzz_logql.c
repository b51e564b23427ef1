/* SPDX-License-Identifier: Apache-2.0 */
/* Any text parses or is refused with a text; what parses prints, and what was parsed from print
 * prints the same again. Printed queries may be refused for a few known reasons. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "logql/parse.h"
#include "logql/print.h"

#define ARENA_BYTES (64u << 20)
#define TEXT_BYTES  (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void selector(struct sk_arena *arena, struct sk_str text)
{
    const struct sk_ast_matcher *m;
    struct sk_error why;
    if (sk_logql_parse_selector(arena, text, true, &m, &why) != SK_OK)
        sk_assert(why.text[0] != '\0');
}

/* A '!' by itself is a name to Loki's lexer (`| json !` extracts it) but prints as the beginning of
 * `!="!"`, a line filter: such queries change when they are printed and parsed again, there too. */
static bool lone_bang(struct sk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char next = i + 1 < text.len ? text.ptr[i + 1] : ' ';
        if (text.ptr[i] == '!' && next != '=' && next != '~' && next != '>')
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_arena arena;
    struct sk_strbuf first, second, pretty;
    const struct sk_ast_expr *expr, *again;
    struct sk_error why;
    struct sk_str text = {(const char *)data, size};
    sk_arena_init(&arena, ARENA_BYTES, NULL);
    sk_strbuf_init(&first, TEXT_BYTES);
    sk_strbuf_init(&second, TEXT_BYTES);
    sk_strbuf_init(&pretty, TEXT_BYTES);
    enum sk_err err = sk_logql_parse(&arena, text, &expr, &why);
    if (err != SK_OK) {
        sk_assert(why.text[0] != '\0');
        goto out;
    }
    selector(&arena, text);
    sk_logql_print(&first, expr);
    sk_logql_pretty(&pretty, expr);
    if (!lone_bang(text) &&
        sk_logql_parse(&arena, sk_strbuf_view(&first), &again, &why) == SK_OK) {
        sk_logql_print(&second, again);
        sk_assert(first.failed || sk_str_eq(sk_strbuf_view(&first), sk_strbuf_view(&second)));
    }
out:
    sk_strbuf_deinit(&pretty);
    sk_strbuf_deinit(&second);
    sk_strbuf_deinit(&first);
    sk_arena_deinit(&arena);
    return 0;
}
