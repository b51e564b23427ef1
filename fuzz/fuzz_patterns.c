/* SPDX-License-Identifier: Apache-2.0 */
/* The input's lines are fed to two tenants in turn; no line is counted twice, and memory stays
 * within its account. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/budget.h"
#include "base/gotext.h"
#include "base/limits.h"
#include "ingester/patterns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t counted(struct sk_patterns *p, struct sk_str tenant)
{
    uint64_t total = 0;
    struct sk_pattern_result r = {.list = NULL};
    struct sk_pattern_query q = {.tenant = tenant, .end_s = 1000000, .step_s = 30};
    sk_arena_init(&r.arena, 256u << 20, NULL);
    enum sk_err err = sk_patterns_collect(p, &q, &r);
    sk_assert(err == SK_OK);
    sk_pattern_result_finish(&r);
    for (size_t i = 0; i < r.count; i++)
        total += r.list[i]->total;
    sk_pattern_result_deinit(&r);
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sk_str tenants[] = {{"a", 1}, {"b", 1}};
    static const struct sk_label label = {{"app", 3}, {"x", 1}};
    struct sk_patterns *p;
    struct sk_budget budget;
    uint64_t fed = 0;
    int64_t at_s = 0;
    sk_budget_init(&budget, 1u << 20, NULL);
    enum sk_err err = sk_patterns_create(&budget, &p);
    sk_assert(err == SK_OK);
    for (size_t at = 0; at < size && fed < SK_PATTERNS_STREAM_MAX; at_s++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end == NULL ? size - at : (size_t)(end - data) - at;
        struct sk_str line = {(const char *)data + at, len};
        sk_patterns_feed(p, tenants[at_s % 2], (struct sk_labelset){&label, 1}, 7,
                         at_s * SK_NS_PER_S, line, SK_STR("info"));
        fed += len > 0;
        at += len + 1;
    }
    sk_assert(counted(p, tenants[0]) + counted(p, tenants[1]) <= fed);
    sk_assert(sk_budget_used(&budget) <= 1u << 20);
    sk_patterns_destroy(p);
    sk_assert(sk_budget_used(&budget) == 0);
    return 0;
}
