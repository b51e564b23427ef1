/* SPDX-License-Identifier: Apache-2.0 */
/* Any template over any line: what is before the first NUL is the template, the rest the line. It
 * comes out the same twice, and what is refused or fails says why in Go's form. */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "logql/tmpl.h"

#define ARENA_BYTES_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool map_get(void *ctx, struct sk_labelset *ret)
{
    static const struct sk_label labels[] = {
        {{"a", 1}, {"1", 1}}, {{"b", 1}, {"two", 3}}, {{"msg", 3}, {"h\xc3\xa9llo\xff", 7}}};
    (void)ctx;
    *ret = (struct sk_labelset){labels, SK_COUNT_OF(labels)};
    return true;
}

/* Each name that the template reads has its label's value, as a stage gives it. */
static struct sk_str *values_of(struct sk_arena *arena, const struct sk_tmpl *t)
{
    struct sk_labelset labels;
    struct sk_tmpl_names names = sk_tmpl_names(t);
    struct sk_str *values = sk_arena_calloc(arena, names.count + 1, sizeof(*values));
    sk_assert(values != NULL && map_get(NULL, &labels));
    for (size_t i = 0; i < names.count; i++)
        values[i] = sk_labels_get(labels, names.items[i]);
    return values;
}

static void run(const struct sk_tmpl *t, struct sk_tmpl_scratch *scratch, struct sk_str line,
                struct sk_arena *arena)
{
    struct sk_str first, second;
    struct sk_tmpl_input in = {.arena = arena,
                               .scratch = scratch,
                               .line = line,
                               .ts_ns = INT64_C(1768478400123456789),
                               .map = map_get};
    in.values = values_of(arena, t);
    enum sk_tmpl_verdict v = sk_tmpl_execute(t, &in, &first);
    if (v == SK_TMPL_NO_MEMORY)
        return;
    sk_assert(v == SK_TMPL_DONE || sk_str_starts(first, SK_STR("template: line:")));
    enum sk_tmpl_verdict again = sk_tmpl_execute(t, &in, &second);
    sk_assert(again == SK_TMPL_NO_MEMORY || (again == v && sk_str_eq(first, second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_arena compiled, entry;
    struct sk_tmpl_scratch scratch;
    struct sk_error why = {.text = ""};
    const struct sk_tmpl *t;
    char *copy = sk_malloc(size + 1);
    sk_assert(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    size_t len = strlen(copy);
    struct sk_str line = {copy + len, 0};
    if (len < size)
        line = (struct sk_str){copy + len + 1, size - len - 1};
    sk_clock_fake(INT64_C(1768478400123456789));
    sk_arena_init(&compiled, ARENA_BYTES_MAX, NULL);
    sk_arena_init(&entry, ARENA_BYTES_MAX, NULL);
    sk_tmpl_scratch_init(&scratch);
    if (sk_tmpl_compile(&compiled, SK_STR("line"), (struct sk_str){copy, len}, &t, &why) == SK_OK)
        run(t, &scratch, line, &entry);
    else
        sk_assert(why.text[0] != '\0');
    sk_tmpl_scratch_deinit(&scratch);
    sk_arena_deinit(&entry);
    sk_arena_deinit(&compiled);
    sk_free(copy);
    return 0;
}
