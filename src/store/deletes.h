/* SPDX-License-Identifier: Apache-2.0 */
/* deletes.h -- requests to delete entries: which there are, kept durably, a small file per tenant.
 *
 * A request names streams and entries by a log query and a span of time. It takes effect for
 * queries as soon as it is added (querier/delete_filter.h). Cancelling takes it back.
 *
 *   file    <folder>/<tenant>.deletes:
 *           skald-deletes 1 GENERATION\n                            ns, of the last change
 *           {"id":"27e3b9b3","start":MS,"end":MS,"created":MS,"query":"..."}\n    per request
 *           crc32c XXXXXXXX\n                                       of all before, in hex
 *
 * Invariants: (1) what was added or cancelled is on disk before it takes effect; (2) requests are
 * in the order of creation; (3) ids are unique within a tenant.
 * Threads: any. Changes wait for each other; readers never wait for a file. */
#ifndef SK_STORE_DELETES_H
#define SK_STORE_DELETES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct sk_budget;
struct sk_deletes;
struct sk_vfs;

enum { SK_DELETE_ID_LEN = 8 };

struct sk_delete {
    char id[SK_DELETE_ID_LEN + 1]; /* hex */
    int64_t start_ms, end_ms;      /* both inclusive, start <= end */
    int64_t created_ms;
    struct sk_str query; /* valid UTF-8: the file is JSON */
};

struct sk_deletes_options {
    const struct sk_vfs *vfs;
    const char *folder; /* made when the first request comes */
    struct sk_budget *budget;
};

/* Reads all files. A damaged one is an error with its name in the text: what was deleted must not
 * come back unnoticed. */
SK_MUST_CHECK enum sk_err sk_deletes_create(const struct sk_deletes_options *opt,
                                            struct sk_deletes **ret_deletes,
                                            struct sk_error *reterr);
void sk_deletes_destroy(struct sk_deletes *d); /* NULL is a no-op */

/* Adds `like`, whose id is left aside. SK_ELIMIT: the tenant has SK_DELETES_MAX; SK_ENOMEM; or what
 * the file said. */
SK_MUST_CHECK enum sk_err sk_deletes_add(struct sk_deletes *d, struct sk_str tenant,
                                         const struct sk_delete *like,
                                         char ret_id[SK_DELETE_ID_LEN + 1]);

/* Takes one back, or, with an empty id, all. SK_ENOENT: there is no such id. */
SK_MUST_CHECK enum sk_err sk_deletes_cancel(struct sk_deletes *d, struct sk_str tenant,
                                            struct sk_str id);

/* Copies of all requests of the tenant, in `arena`. */
SK_MUST_CHECK enum sk_err sk_deletes_list(struct sk_deletes *d, struct sk_str tenant,
                                          struct sk_arena *arena, const struct sk_delete **ret,
                                          size_t *ret_count);

/* The time of the tenant's last change, ns; 0: none yet. */
int64_t sk_deletes_generation(struct sk_deletes *d, struct sk_str tenant);

/* ---- formats ---- */

/* A time of the API: whole seconds of up to ten digits, or RFC 3339. */
SK_MUST_CHECK enum sk_err sk_delete_time_parse(struct sk_str text, int64_t *ret_ms);

void sk_deletes_encode(struct sk_strbuf *out, int64_t generation_ns, const struct sk_delete *items,
                       size_t count);
/* SK_ECORRUPT, SK_ENOMEM. Texts live in `arena`. */
SK_MUST_CHECK enum sk_err sk_deletes_decode(struct sk_arena *arena, struct sk_str text,
                                            int64_t *ret_generation_ns,
                                            struct sk_delete **ret_items, size_t *ret_count);

#endif
