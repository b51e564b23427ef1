/* SPDX-License-Identifier: Apache-2.0 */
/* index_name.h -- names of tables and index files in the object store.
 *
 *   <prefix><day>/                                              a table; day = days since 1970
 *   <prefix><day>/<seconds>-<node>.tsdb[.gz]                    multi-tenant, uncompacted
 *   <prefix><day>/<tenant>/<ns>-compactor-<from>-<through>-<crc>.tsdb[.gz]    per tenant
 *
 * Loki demands no more than <integer>-<anything>.tsdb; the folder, not the name, says whether the
 * file is multi-tenant. Threads: any. */
#ifndef SK_TSDB_INDEX_INDEX_NAME_H
#define SK_TSDB_INDEX_INDEX_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/strbuf.h"

#define SK_INDEX_DAY_MS INT64_C(86400000)

struct sk_index_name {
    bool per_tenant; /* the canonical per-tenant form; else multi-tenant or foreign */
    bool gzip;
    int64_t created;             /* ns in per-tenant names, seconds in multi-tenant ones */
    struct sk_str node;          /* multi-tenant: what stands behind the first dash */
    int64_t from_ms, through_ms; /* per tenant */
    uint32_t toc_crc;            /* per tenant */
};

/* floor(ms / day) */
int64_t sk_index_day(int64_t ms);

/* The day number of a table folder; false when it is not prefix and digits. */
bool sk_index_table_parse(struct sk_str folder, struct sk_str prefix, int64_t *ret_day);
void sk_index_table_format(struct sk_strbuf *out, struct sk_str prefix, int64_t day);

/* false: Loki would refuse the whole table because of this name. `node` points into `name`. */
bool sk_index_name_parse(struct sk_str name, struct sk_index_name *ret);

/* Appends the name, with .gz if `gzip`. */
void sk_index_name_format(struct sk_strbuf *out, const struct sk_index_name *name);

#endif
