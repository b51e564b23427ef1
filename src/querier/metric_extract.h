/* SPDX-License-Identifier: Apache-2.0 */
/* metric_extract.h -- from entries to samples: for one leaf and one worker the pipeline, the value,
 * the labels of the series, and what is remembered so that most entries need little of that.
 * Private to the querier. Threads: one at a time, but for struct sk_repeats. */
#ifndef SK_QUERIER_METRIC_EXTRACT_H
#define SK_QUERIER_METRIC_EXTRACT_H

#include "querier/delete_filter.h"
#include "querier/metric_int.h"

/* ---- entries that a stream holds twice ---- */

enum { SK_REPEAT_SPANS_MAX = 16 };

struct sk_span {
    int64_t from_ns, through_ns; /* both inclusive */
};

/* Spans of time where units of one stream overlap; only there can an entry repeat another. Beyond
 * SK_REPEAT_SPANS_MAX they are joined to one. */
struct sk_spans {
    struct sk_span items[SK_REPEAT_SPANS_MAX];
    size_t count;
};

void sk_spans_add(struct sk_spans *s, int64_t from_ns, int64_t through_ns);

static inline bool sk_spans_hold(const struct sk_spans *s, int64_t ts_ns)
{
    for (size_t i = 0; i < s->count; i++) {
        if (ts_ns >= s->items[i].from_ns && ts_ns <= s->items[i].through_ns)
            return true;
    }
    return false;
}

/* Of one stream; several workers may read its units. */
struct sk_repeats {
    struct sk_spans units; /* immutable while units are read */
    pthread_mutex_t lock;
    struct sk_hmap seen; /* hashes of entries */
    uint64_t charged_bytes;
    struct sk_budget *budget;
};

/* ---- extraction ---- */

/* Entries of one time in the present block: where a block was put in order, an entry may stand
 * beside the one that it repeats. The first few are compared, further ones known by a hash. */
enum { SK_TIES_COMPARED = 64 };

struct sk_ties {
    int64_t ts_ns;
    size_t count; /* 0: none */
    struct sk_block_entry items[SK_TIES_COMPARED];
    struct sk_hmap more;
};

enum { SK_META_CACHE_SLOTS = 256, SK_META_CACHE_BYTES = 64 };

/* Series by the bytes of an entry's metadata, within one unit. */
struct sk_meta_slot {
    uint32_t seq; /* of the unit */
    uint32_t len;
    size_t series;
    uint8_t bytes[SK_META_CACHE_BYTES];
};

struct sk_extract {
    const struct sk_leaf *leaf;
    struct sk_pipeline_run *pipe;
    struct sk_acc acc;
    struct sk_str needle;
    bool by_bytes; /* neither line nor labels are looked at: see sk_extract_stream() */
    struct sk_piece piece;
    struct sk_ties *ties;
    struct sk_delete_run *deletes; /* to ask about the entries of the present unit, or NULL */
    const struct sk_sel_stream *stream;
    bool stream_fixed; /* all entries of the stream are of one series, `series` when known */
    bool series_known;
    size_t series;
    uint32_t unit_seq;
    const struct sk_meta_slot *last_meta;
    struct sk_meta_slot *metas; /* or NULL */
    struct sk_label *labels;    /* of a series while they are put together */
    size_t label_cap;
    uint64_t kept;               /* entries that gave a sample */
    struct sk_error error;       /* what failed */
    struct sk_strbuf error_text; /* the same, uncut; may be empty */
};

SK_MUST_CHECK enum sk_err sk_extract_init(struct sk_extract *x, const struct sk_leaf *leaf,
                                          struct sk_arena *arena, struct sk_budget *budget);
void sk_extract_deinit(struct sk_extract *x); /* zeroed: fine */

/* What follows are entries of this stream; of another unit. */
void sk_extract_stream(struct sk_extract *x, const struct sk_sel_stream *stream);
void sk_extract_unit(struct sk_extract *x);

/* What follows are entries of another block. */
void sk_extract_block(struct sk_extract *x);

/* One entry that holds the needle. `repeats` is asked when not NULL. SK_ENOMEM, SK_ELIMIT (too many
 * series), SK_EINVAL (the entry has an error; x->error says so). */
SK_MUST_CHECK enum sk_err sk_extract_entry(struct sk_extract *x, struct sk_unit_scan *scan,
                                           struct sk_unit *unit, const struct sk_block_entry *e,
                                           struct sk_repeats *repeats, uint64_t salt);

#endif
