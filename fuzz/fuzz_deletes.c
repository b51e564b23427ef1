/* SPDX-License-Identifier: Apache-2.0 */
/* Any text behind a right checksum decodes as a file of delete requests or is refused; what decodes
 * is written and decodes to the same. The same text as parameters: its first line is a time, the
 * rest a query. */
#include <stdio.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "querier/delete_filter.h"
#include "store/deletes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct sk_delete *a, const struct sk_delete *b)
{
    sk_assert(strcmp(a->id, b->id) == 0 && sk_str_eq(a->query, b->query));
    sk_assert(a->start_ms == b->start_ms && a->end_ms == b->end_ms);
    sk_assert(a->created_ms == b->created_ms);
}

static void file_check(struct sk_arena *arena, struct sk_str text)
{
    struct sk_strbuf file, again;
    struct sk_delete *items, *items2;
    size_t count, count2;
    int64_t generation, generation2;
    sk_strbuf_init(&file, SIZE_MAX / 2);
    sk_strbuf_init(&again, SIZE_MAX / 2);
    sk_strbuf_str(&file, text);
    sk_strbuf_printf(&file, "crc32c %08x\n", sk_crc32c(sk_slice_of_str(text)));
    if (sk_deletes_decode(arena, sk_strbuf_view(&file), &generation, &items, &count) == SK_OK) {
        sk_deletes_encode(&again, generation, items, count);
        sk_assert(sk_deletes_decode(arena, sk_strbuf_view(&again), &generation2, &items2,
                                    &count2) == SK_OK);
        sk_assert(generation == generation2 && count == count2);
        for (size_t i = 0; i < count; i++)
            same(&items[i], &items2[i]);
    }
    sk_strbuf_deinit(&again);
    sk_strbuf_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_arena arena;
    struct sk_error why = {.text = ""};
    struct sk_str text = {(const char *)data, size};
    int64_t ms;
    sk_arena_init(&arena, 64u << 20, NULL);
    file_check(&arena, text);
    size_t n = sk_str_find(text, SK_STR("\n"), 0);
    if (n != SIZE_MAX) {
        (void)(sk_delete_time_parse((struct sk_str){text.ptr, n}, &ms) == SK_OK);
        struct sk_str query = {text.ptr + n + 1, size - n - 1};
        sk_assert(sk_delete_query_check(&arena, query, &why) == SK_OK || why.text[0] != '\0');
    }
    sk_arena_deinit(&arena);
    return 0;
}
