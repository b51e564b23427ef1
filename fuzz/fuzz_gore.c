/* SPDX-License-Identifier: Apache-2.0 */
/* Any pattern gives a tree within its limits or an error text; check and parse agree. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "labels/gore.h"

#define ARENA_BYTES (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned height(const struct sk_gore_node *n)
{
    unsigned most = 0;
    for (size_t i = 0; i < n->sub_count; i++) {
        unsigned h = height(n->subs[i]);
        most = h > most ? h : most;
    }
    sk_assert(n->op != SK_GORE_CONCAT || n->sub_count >= 2);
    sk_assert(n->op != SK_GORE_ALTERNATE || n->sub_count >= 2);
    sk_assert(n->op != SK_GORE_LITERAL || n->rune_count > 0);
    sk_assert(n->op != SK_GORE_CLASS || n->rune_count % 2 == 0);
    for (size_t i = 0; n->op == SK_GORE_CLASS && !n->opaque && i + 2 < n->rune_count; i++)
        sk_assert(n->runes[i] <= n->runes[i + 1]);
    return most + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_arena arena;
    const struct sk_gore_node *n;
    struct sk_gore_info info;
    struct sk_error why;
    struct sk_str pattern = {(const char *)data, size};
    sk_arena_init(&arena, ARENA_BYTES, NULL);
    enum sk_err err = sk_gore_parse(&arena, pattern, &n, &why);
    enum sk_err check = sk_gore_check(&arena, pattern, &info, &why);
    sk_assert(err == check || err == SK_ENOMEM || check == SK_ENOMEM);
    if (err == SK_OK) {
        sk_assert(height(n) <= SK_GORE_DEPTH_MAX);
        (void)sk_gore_matches_empty(n);
    } else {
        sk_assert(why.text[0] != '\0');
    }
    sk_arena_deinit(&arena);
    return 0;
}
