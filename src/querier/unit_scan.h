/* SPDX-License-Identifier: Apache-2.0 */
/* unit_scan.h -- what log and metric queries do alike: selecting streams, the order of units,
 * walking the entries of a block, their metadata, being interrupted. Private to the querier.
 *
 * Threads: a scan belongs to one; a selection that is complete may be read by several. */
#ifndef SK_QUERIER_UNIT_SCAN_H
#define SK_QUERIER_UNIT_SCAN_H

#include <stdatomic.h>

#include "chunk/block.h"
#include "store/source.h"

enum { SK_SCAN_META_PAIRS_MAX = 4096, SK_SCAN_META_BYTES_KEPT = 64 };

#define SK_SCAN_READER_BYTES_MAX (512u << 20)

/* A pipeline may take 200 us for an entry: sk_query_interrupted() is asked after so many. */
enum { SK_SCAN_ENTRIES_UNASKED = 64 };

/* ---- texts of failures, for clients ---- */

enum sk_err sk_query_no_memory(struct sk_error *reterr); /* SK_ENOMEM */

/* SK_ECANCELED when `stop` is set, SK_ETIMEDOUT behind the deadline (0: none), else SK_OK. */
SK_MUST_CHECK enum sk_err sk_query_interrupted(_Atomic bool *stop, int64_t deadline_mono_ns,
                                               struct sk_error *reterr);

/* Asks the sources, live ones first. The caller initialises and deinitialises the selection. */
SK_MUST_CHECK enum sk_err sk_query_select(struct sk_selection *sel, const struct sk_source *sources,
                                          size_t count, struct sk_error *reterr);

/* Order of arrival of the units of one stream: <0, 0, >0. */
int sk_unit_arrival_cmp(const struct sk_unit *x, const struct sk_unit *y);

/* ---- the entries of a block ---- */

/* Steps over entries whose line does not hold the needle: the block is searched as a whole. */
struct sk_unit_hits {
    struct sk_block_iter it;
    struct sk_str needle; /* empty: every entry is a hit */
    const char *hit, *end;
    uint64_t seq; /* place of the next entry in the block */
};

static inline void sk_unit_hits_init(struct sk_unit_hits *h, struct sk_slice raw, bool has_meta,
                                     struct sk_str needle)
{
    sk_block_iter_init(&h->it, raw, has_meta);
    h->needle = needle;
    h->end = (const char *)h->it.end;
    h->hit = needle.len == 0 || raw.len == 0 /* no bytes: the pointer may be NULL */
                 ? NULL
                 : memmem(raw.ptr, raw.len, needle.ptr, needle.len);
    h->seq = 0;
}

/* The next hit that is not before the present place; false: none is left. */
bool sk_unit_hits_find(struct sk_unit_hits *h, struct sk_block_entry *ret);

/* The next entry that is a hit; its place in the block is h->seq - 1. */
static inline bool sk_unit_hits_next(struct sk_unit_hits *h, struct sk_block_entry *ret)
{
    if (h->needle.len > 0)
        return sk_unit_hits_find(h, ret);
    h->seq++;
    return sk_block_next(&h->it, ret);
}

/* ---- metadata ---- */

/* A reader, and the metadata that was decoded last: neighbours often have the same. */
struct sk_unit_scan {
    struct sk_unit_reader reader;
    size_t meta_count;
    uint8_t kept[SK_SCAN_META_BYTES_KEPT];
    size_t kept_len; /* 0: none */
    struct sk_label meta[SK_SCAN_META_PAIRS_MAX];
};

SK_MUST_CHECK enum sk_err sk_unit_scan_init(struct sk_unit_scan *s, struct sk_budget *budget);
void sk_unit_scan_deinit(struct sk_unit_scan *s); /* zeroed: fine */

/* SK_ECORRUPT, SK_ENOENT: the unit is to be left out. Close it in any case. */
SK_MUST_CHECK enum sk_err sk_unit_scan_open(struct sk_unit_scan *s, struct sk_unit *unit);
void sk_unit_scan_close(struct sk_unit_scan *s);

/* s->meta[0..meta_count): the entry's metadata as labels, sorted by name, valid until the next call
 * or the close. SK_ECORRUPT: it cannot be read, the entry is to be left out. */
SK_MUST_CHECK enum sk_err sk_unit_scan_meta(struct sk_unit_scan *s, struct sk_unit *unit,
                                            struct sk_slice meta);

#endif
