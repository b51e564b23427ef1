/* SPDX-License-Identifier: Apache-2.0 */
/* tenant_source.h -- several tenants as one source: it asks the sources below it for each tenant in
 * turn, whose streams get the label __tenant_id__. Matchers on that label choose among the tenants
 * and are not passed on.
 *
 * Threads: immutable once made, so any; lives as long as the sources and names that it borrows. */
#ifndef SK_QUERIER_TENANT_SOURCE_H
#define SK_QUERIER_TENANT_SOURCE_H

#include "store/source.h"

struct sk_tenant_source {
    const struct sk_str *tenants;
    size_t tenant_count;
    const struct sk_source *sources; /* live ones first */
    size_t source_count;
};

struct sk_source sk_tenant_source_of(struct sk_tenant_source *s);

#endif
