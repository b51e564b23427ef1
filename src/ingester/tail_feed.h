/* SPDX-License-Identifier: Apache-2.0 */
/* tail_feed.h -- what is appended to live streams, handed on to those who watch them (tails).
 *
 *   apply.c: a section (entries of one stream in one push) is appended, then offered
 *     -> every feed whose tenant and matchers fit gets a reference to one shared copy of it
 *     -> sk_tail_feed_take(): the items in the order of the log, which the taker frees
 *
 * Nobody's tail costs an applied section one atomic load.
 *
 * Against loss and doubling beside a query over the past: sections are numbered. Open the feed, run
 * the query, then ask sk_ingester_applied_begun(): what the query may have seen has at most that
 * number, and all else comes out of the feed. Once a take told a `done` of at least that number,
 * the items taken so far hold everything up to it.
 *
 * Memory is charged to the ingester's `tails` budget. A feed holds SK_TAIL_FEED_BYTES_MAX of items
 * that were not freed; beyond, or when the budget is used up, entries are left out and noted.
 *
 * Threads: open, close, take and free from any; one taker at a time for a feed. */
#ifndef SK_INGESTER_TAIL_FEED_H
#define SK_INGESTER_TAIL_FEED_H

#include "base/err.h"
#include "labels/labelset.h"
#include "labels/matcher.h"
#include "wal/record.h"

struct sk_ingester;
struct sk_tail_batch; /* the shared copy of a section */
struct sk_tail_feed;
struct sk_tail_labels; /* a stream's labels, counted references */

/* Entries of one stream. Read `left` of them with sk_wal_entry_next(&entries, ...). */
struct sk_tail_item {
    struct sk_tail_item *next;
    struct sk_wal_record entries;
    uint64_t left;
    uint64_t number; /* of the section */
    int64_t arrived_ns;
    struct sk_tail_labels *labels; /* the batch's */
    struct sk_tail_batch *batch;
    struct sk_tail_feed *feed;
};

/* An entry that was left out. */
struct sk_tail_drop {
    int64_t ts_ns;
    struct sk_tail_labels *labels; /* referenced */
};

/* Further ones are counted only. */
#define SK_TAIL_DROPS_MAX 1000u

struct sk_tail_drops {
    struct sk_tail_drop *items; /* SK_TAIL_DROPS_MAX of them, made at the first */
    size_t count;
    uint64_t uncounted; /* beyond what could be noted */
};

struct sk_tail_feed_options {
    struct sk_str tenant;              /* borrowed until the close */
    const struct sk_matcher *matchers; /* borrowed until the close */
    size_t matcher_count;
    uint64_t feeds_max; /* of the tenant */
};

/* SK_ELIMIT: the tenant has as many already. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_tail_feed_open(struct sk_ingester *ing,
                                            const struct sk_tail_feed_options *opt,
                                            struct sk_tail_feed **ret);
/* Items that were taken must have been freed. NULL is a no-op. */
void sk_tail_feed_close(struct sk_tail_feed *feed);

/* Whether a take would give anything. */
bool sk_tail_feed_waiting(const struct sk_tail_feed *feed);

/* All that waits, in order (NULL: nothing), and the notes, which replace *drops (empty before).
 * *ret_done: sections up to this number were all offered before. */
struct sk_tail_item *sk_tail_feed_take(struct sk_tail_feed *feed, struct sk_tail_drops *drops,
                                       uint64_t *ret_done);
void sk_tail_item_free(struct sk_tail_item *item);

/* The number of the newest section whose appending has begun. */
uint64_t sk_ingester_applied_begun(const struct sk_ingester *ing);

struct sk_labelset sk_tail_labels_set(const struct sk_tail_labels *labels);
uint64_t sk_tail_labels_hash(const struct sk_tail_labels *labels); /* the fingerprint */
struct sk_tail_labels *sk_tail_labels_ref(struct sk_tail_labels *labels);
void sk_tail_labels_unref(struct sk_tail_labels *labels);

/* Notes one; references `labels`. */
void sk_tail_drops_add(struct sk_tail_drops *drops, int64_t ts_ns, struct sk_tail_labels *labels);
void sk_tail_drops_clear(struct sk_tail_drops *drops); /* zeroed: fine */

#endif
