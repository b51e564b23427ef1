/* SPDX-License-Identifier: Apache-2.0 */
/* Any line goes through the stages that read JSON, and gives labels that are text; the places of
 * its members have names. */
#include "logql/json_paths.h"
#include "pipeline_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_paths(struct sk_str line)
{
    struct sk_arena arena;
    const struct sk_json_path *p = NULL;
    sk_arena_init(&arena, 64u << 20, NULL);
    enum sk_err err = sk_json_paths(&arena, line, &p);
    for (; err == SK_OK && p != NULL; p = p->next) {
        unsigned depth = 0;
        for (const struct sk_json_path *k = p; k != NULL; k = k->parent)
            depth++;
        sk_assert(p->name.len > 0 && depth <= SK_PIPELINE_JSON_DEPTH_MAX);
    }
    sk_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const queries[] = {
        "{t=\"1\"} | json",
        "{t=\"1\"} | json | a=\"1\" | b>3 | drop app | json",
        "{t=\"1\"} | json a=\"b.c[0]\", app, x=\"[\\\"k\\\"]\", y=\"[1]\", z=\"b\"",
        "{t=\"1\"} | unpack | json",
    };
    static struct check checks[SK_COUNT_OF(queries)];
    check_queries(checks, queries, SK_COUNT_OF(queries), (struct sk_str){(const char *)data, size});
    check_paths((struct sk_str){(const char *)data, size});
    return 0;
}
