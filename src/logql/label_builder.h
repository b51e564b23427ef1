/* SPDX-License-Identifier: Apache-2.0 */
/* label_builder.h -- the labels of one entry while stages change them.
 *
 * Every name that is met has a slot, found once by hash and kept over entries and streams, so that
 * stages that name labels hold an index, and parsers that meet the same keys in line after line
 * find the slot by one comparison. What a slot says is valid for one stream (its label there) or one
 * entry (all else), which a sequence number tells: nothing is cleared between entries.
 *
 * Invariants:
 *   (1) a slot is in `touched` exactly when its entry_seq is the builder's;
 *   (2) a name has a value in one category at most: a later write takes it from the earlier one;
 *   (3) the slots of the pipeline's own names (pinned) never move; the others may be forgotten when
 *       an entry or a stream begins.
 *
 * Texts given to it are borrowed until the next entry. Threads: one at a time. */
#ifndef SK_LOGQL_LABEL_BUILDER_H
#define SK_LOGQL_LABEL_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hmap.h"
#include "base/slice.h"
#include "labels/labelset.h"

struct sk_label_test;

/* Names that every pipeline pins, in this order. */
enum sk_pinned_name {
    SK_NAME_ERROR,
    SK_NAME_ERROR_DETAILS,
    SK_NAME_PRESERVE_ERROR,
    SK_NAMES_FIXED
};

#define SK_LABEL_SUFFIX "_extracted"

enum sk_label_category { SK_LABEL_NONE, SK_LABEL_META, SK_LABEL_PARSED };

struct sk_label_slot {
    struct sk_str name;
    uint64_t hash;
    const struct sk_label_test *early; /* the filter that a parser's value must pass at once */
    struct sk_label_slot *suffixed;    /* NAME_extracted, once it was needed */

    uint64_t stream_seq; /* of the stream whose label this is ... */
    struct sk_str stream_value;

    uint64_t entry_seq; /* of the entry for which the rest holds */
    enum sk_label_category category;
    bool deleted;
    bool extracted; /* written by a stage: implicit parsers leave it alone */
    struct sk_str value;

    uint64_t mark; /* a stage's own use: equal to the builder's mark_seq */
};

enum { SK_LABEL_PREDICTIONS = 64 };

struct sk_label_builder {
    struct sk_arena names; /* unpinned slots and their names */
    struct sk_hmap table;
    struct sk_label_slot *pinned;
    size_t pinned_count, unpinned_count;
    struct sk_labelset stream;
    struct sk_label_slot **stream_slots;
    size_t stream_slots_cap;
    struct sk_label_slot **touched;
    size_t touched_count, touched_cap;
    uint64_t stream_seq, entry_seq, mark_seq;
    struct sk_str error, error_details; /* the slots of that name */
    /* The slots asked for during the last entry, in order: the next entry probably asks the same. */
    struct sk_label_slot *predicted[SK_LABEL_PREDICTIONS];
    size_t predicted_at;
    bool failed; /* out of memory; sticks for the stream when it came from its labels */
    bool stream_failed;
};

/* `names` and their texts must outlive the builder; the first are SK_NAMES_FIXED. false: no memory. */
bool sk_label_builder_init(struct sk_label_builder *b, const struct sk_str *names, size_t count,
                           size_t arena_max, struct sk_budget *budget);
void sk_label_builder_deinit(struct sk_label_builder *b);

void sk_label_builder_stream(struct sk_label_builder *b, struct sk_labelset stream);
void sk_label_builder_entry(struct sk_label_builder *b, const struct sk_label *meta, size_t count);

/* The slot of a name, made when it is new; NULL and `failed` when out of memory. */
struct sk_label_slot *sk_label_slot_of(struct sk_label_builder *b, struct sk_str name);

/* The same without making one: NULL when the name was never met. */
struct sk_label_slot *sk_label_slot_find(const struct sk_label_builder *b, struct sk_str name);

/* The slot that a parsed value for this name goes to: NAME_extracted when the stream has the name,
 * even if it was dropped, or metadata does now. NULL as above. */
struct sk_label_slot *sk_label_target(struct sk_label_builder *b, struct sk_label_slot *slot);

/* Whether the label exists now. `ret` may be NULL. */
bool sk_label_get(const struct sk_label_builder *b, const struct sk_label_slot *slot,
                  struct sk_str *ret);
/* Its value, else the empty text. */
struct sk_str sk_label_value(const struct sk_label_builder *b, const struct sk_label_slot *slot);

/* Whether a stage has written the name for this entry. */
bool sk_label_extracted(const struct sk_label_builder *b, const struct sk_label_slot *slot);

void sk_label_write(struct sk_label_builder *b, struct sk_label_slot *slot, struct sk_str value);
void sk_label_delete(struct sk_label_builder *b, struct sk_label_slot *slot);

/* Deletes every label whose slot is not marked, the error labels excepted. */
void sk_label_keep_marked(struct sk_label_builder *b);

/* The labels of the three categories, sorted by name, in `arena` or borrowed. false: no memory. */
bool sk_label_stream_set(struct sk_label_builder *b, struct sk_arena *arena,
                         struct sk_labelset *ret);
bool sk_label_category_set(struct sk_label_builder *b, struct sk_arena *arena,
                           enum sk_label_category category, struct sk_labelset *ret);

#endif
