/* SPDX-License-Identifier: Apache-2.0 */
/* go_zone.h -- time zones out of the zone database (TZif files), as Go's time package reads them.
 *
 * Nothing here changes the process (no TZ, no tzset), so any thread may use it. A zone lives in the
 * arena given and is immutable. UTC is a NULL pointer everywhere. */
#ifndef SK_LOGQL_GO_ZONE_H
#define SK_LOGQL_GO_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

/* Real ones are below 4 KiB. */
#define SK_ZONE_FILE_BYTES_MAX (256u << 10)

struct sk_zone_type {
    int32_t offset_s; /* east of UTC */
    bool dst;
    struct sk_str abbrev;
};

struct sk_zone_change {
    int64_t when_s;
    size_t type;
};

struct sk_zone {
    struct sk_str name;
    struct sk_zone_type *types; /* at least one */
    size_t type_count;
    struct sk_zone_change *changes;
    size_t change_count;
    struct sk_str rule; /* POSIX TZ text for times behind the last change, may be empty */
};

/* What holds at a time, and from when to when (approximately, where a rule says so). */
struct sk_zone_span {
    int32_t offset_s;
    bool dst;
    struct sk_str abbrev;
    int64_t from_s, to_s;
};

struct sk_zone_span sk_zone_at(const struct sk_zone *zone, int64_t unix_s);

/* The zone of this name, NULL for "" and "UTC". SK_ENOENT: there is none, or the name would leave
 * the database. SK_ECORRUPT, SK_EIO, SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_zone_load(struct sk_arena *arena, struct sk_str name,
                                       const struct sk_zone **ret);

/* The machine's zone: TZ, else /etc/localtime, else UTC. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_zone_load_local(struct sk_arena *arena, const struct sk_zone **ret);

/* A TZif file's bytes as a zone; what it keeps of them is copied. SK_ECORRUPT, SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_zone_parse(struct sk_arena *arena, struct sk_str name,
                                        struct sk_slice file, const struct sk_zone **ret);

/* A zone of one offset. NULL: out of memory. */
const struct sk_zone *sk_zone_fixed(struct sk_arena *arena, struct sk_str abbrev, int32_t offset_s);

/* The offset that `abbrev` stands for in the zone, preferably at the local time given. */
bool sk_zone_abbrev(const struct sk_zone *zone, struct sk_str abbrev, int64_t local_s,
                    int32_t *ret_offset_s);

#endif
