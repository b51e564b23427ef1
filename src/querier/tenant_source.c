/* SPDX-License-Identifier: Apache-2.0 */
/* tenant_source.c -- see tenant_source.h. */
#include "querier/tenant_source.h"

/* Whether the matchers on the label let the tenant pass. */
static bool is_asked(const struct sk_selection *sel, struct sk_str tenant)
{
    for (size_t i = 0; i < sel->matcher_count; i++) {
        if (sk_str_is(sel->matchers[i].name, SK_TENANT_LABEL) &&
            !sk_matcher_matches(&sel->matchers[i], tenant))
            return false;
    }
    return true;
}

static enum sk_err tenants_select(void *ctx, struct sk_selection *sel)
{
    const struct sk_tenant_source *s = ctx;
    const struct sk_selection asked = *sel;
    struct sk_matcher *rest = sk_arena_calloc(&sel->arena, sel->matcher_count + 1, sizeof(*rest));
    size_t n = 0;
    enum sk_err err = SK_OK;
    if (rest == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < asked.matcher_count; i++) {
        if (!sk_str_is(asked.matchers[i].name, SK_TENANT_LABEL))
            rest[n++] = asked.matchers[i]; /* what it points to stays the query's */
    }
    for (size_t k = 0; k < s->source_count && err == SK_OK; k++) {
        for (size_t i = 0; i < s->tenant_count && err == SK_OK; i++) {
            if (!is_asked(&asked, s->tenants[i]))
                continue;
            sel->matchers = rest;
            sel->matcher_count = n;
            sel->tenant = s->tenants[i];
            sel->name_tenant = true;
            err = s->sources[k].select(s->sources[k].ctx, sel);
            sel->matchers = asked.matchers;
            sel->matcher_count = asked.matcher_count;
            sel->tenant = asked.tenant;
            sel->name_tenant = false;
        }
    }
    return err;
}

struct sk_source sk_tenant_source_of(struct sk_tenant_source *s)
{
    return (struct sk_source){s, tenants_select};
}
