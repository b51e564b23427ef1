/* SPDX-License-Identifier: Apache-2.0 */
/* Any text parses as labels or is refused with a text; what parses prints, parses again to the same
 * labels and prints the same. Normalised metadata names are valid and stay as they are. */
#include "base/arena.h"
#include "base/assert.h"
#include "labels/labelset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void name_check(struct sk_str text)
{
    struct sk_strbuf once, twice;
    sk_strbuf_init(&once, SIZE_MAX / 2);
    sk_strbuf_init(&twice, SIZE_MAX / 2);
    if (sk_label_name_normalize(&once, text)) {
        sk_assert(sk_label_name_valid(sk_strbuf_view(&once)));
        sk_assert(sk_label_name_normalize(&twice, sk_strbuf_view(&once)));
        sk_assert(sk_str_eq(sk_strbuf_view(&once), sk_strbuf_view(&twice)));
        if (sk_label_name_is_normal(text))
            sk_assert(sk_str_eq(sk_strbuf_view(&once), text));
    } else {
        sk_assert(once.len == 0 && !sk_label_name_is_normal(text));
    }
    sk_strbuf_deinit(&once);
    sk_strbuf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_arena arena;
    struct sk_strbuf first, second;
    struct sk_labelset set, again;
    struct sk_error why = {.text = ""};
    struct sk_str text = {(const char *)data, size};
    sk_arena_init(&arena, 64u << 20, NULL);
    sk_strbuf_init(&first, SIZE_MAX / 2);
    sk_strbuf_init(&second, SIZE_MAX / 2);
    name_check(text);
    if (sk_labels_parse(&arena, text, &set, &why) == SK_OK) {
        sk_labels_format(&first, set);
        sk_assert(sk_labels_parse(&arena, sk_strbuf_view(&first), &again, &why) == SK_OK);
        sk_assert(sk_labels_eq(set, again));
        sk_assert(sk_labels_fingerprint(set) == sk_labels_fingerprint(again));
        sk_labels_format(&second, again);
        sk_assert(sk_str_eq(sk_strbuf_view(&first), sk_strbuf_view(&second)));
        for (size_t i = 0; i < set.count; i++)
            sk_assert(i == 0 || sk_str_cmp(set.items[i - 1].name, set.items[i].name) <= 0);
    } else {
        sk_assert(why.text[0] != '\0');
    }
    sk_strbuf_deinit(&second);
    sk_strbuf_deinit(&first);
    sk_arena_deinit(&arena);
    return 0;
}
