/* SPDX-License-Identifier: Apache-2.0 */
/* label_builder.c -- see label_builder.h. */
#include "logql/label_builder.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

/* Unpinned names beyond this are forgotten before the next entry: lines with random keys would
 * fill the memory. */
enum { SLOTS_KEPT_MAX = 4096 };

enum { SORT_BY_INSERTION_MAX = 64 };

static bool table_add_pinned(struct sk_label_builder *b)
{
    for (size_t i = 0; i < b->pinned_count; i++) {
        b->pinned[i].suffixed = NULL;
        b->pinned[i].stream_seq = 0;
        if (!sk_hmap_add(&b->table, b->pinned[i].hash, &b->pinned[i]))
            return false;
    }
    return true;
}

bool sk_label_builder_init(struct sk_label_builder *b, const struct sk_str *names, size_t count,
                           size_t arena_max, struct sk_budget *budget)
{
    sk_assert(count >= SK_NAMES_FIXED);
    *b = (struct sk_label_builder){.pinned_count = count};
    sk_arena_init(&b->names, arena_max, budget);
    b->pinned = sk_calloc(count, sizeof(*b->pinned));
    if (b->pinned == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        b->pinned[i].name = names[i];
        b->pinned[i].hash = sk_hash_mem(names[i].ptr, names[i].len);
    }
    b->stream_seq = b->entry_seq = b->mark_seq = 1;
    return table_add_pinned(b);
}

void sk_label_builder_deinit(struct sk_label_builder *b)
{
    sk_hmap_deinit(&b->table);
    sk_arena_deinit(&b->names);
    sk_free(b->pinned);
    sk_free(b->stream_slots);
    sk_free(b->touched);
    *b = (struct sk_label_builder){.failed = true};
}

static struct sk_label_slot *slot_new(struct sk_label_builder *b, struct sk_str name, uint64_t hash)
{
    struct sk_label_slot *slot = sk_arena_calloc(&b->names, 1, sizeof(*slot));
    struct sk_str copy = {NULL, 0};
    if (slot != NULL)
        copy = sk_arena_str(&b->names, name);
    if (copy.ptr == NULL || !sk_hmap_add(&b->table, hash, slot)) {
        b->failed = true;
        return NULL;
    }
    slot->name = copy;
    slot->hash = hash;
    b->unpinned_count++;
    return slot;
}

static struct sk_label_slot *slot_find(const struct sk_label_builder *b, struct sk_str name,
                                       uint64_t hash)
{
    for (size_t at = sk_hmap_first(&b->table, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&b->table, hash, at)) {
        struct sk_label_slot *slot = b->table.slots[at].value;
        if (sk_str_eq(slot->name, name))
            return slot;
    }
    return NULL;
}

struct sk_label_slot *sk_label_slot_find(const struct sk_label_builder *b, struct sk_str name)
{
    return slot_find(b, name, sk_hash_mem(name.ptr, name.len));
}

struct sk_label_slot *sk_label_slot_of(struct sk_label_builder *b, struct sk_str name)
{
    size_t guess = b->predicted_at;
    if (guess < SK_LABEL_PREDICTIONS) {
        b->predicted_at++;
        struct sk_label_slot *slot = b->predicted[guess];
        if (slot != NULL && sk_str_eq(slot->name, name))
            return slot;
    }
    uint64_t hash = sk_hash_mem(name.ptr, name.len);
    struct sk_label_slot *slot = slot_find(b, name, hash);
    if (slot == NULL)
        slot = slot_new(b, name, hash);
    if (guess < SK_LABEL_PREDICTIONS)
        b->predicted[guess] = slot;
    return slot;
}

static void touch(struct sk_label_builder *b, struct sk_label_slot *slot)
{
    if (slot->entry_seq == b->entry_seq)
        return;
    if (!SK_GROW(b->touched, b->touched_cap, b->touched_count + 1)) {
        b->failed = true;
        return;
    }
    b->touched[b->touched_count++] = slot;
    slot->entry_seq = b->entry_seq;
    slot->category = SK_LABEL_NONE;
    slot->deleted = slot->extracted = false;
    slot->value = SK_STR("");
}

static bool of_stream(const struct sk_label_builder *b, const struct sk_label_slot *slot)
{
    return slot->stream_seq == b->stream_seq;
}

static bool of_entry(const struct sk_label_builder *b, const struct sk_label_slot *slot)
{
    return slot->entry_seq == b->entry_seq;
}

/* ---- streams and entries ---- */

static void stream_slots_find(struct sk_label_builder *b)
{
    b->stream_seq++;
    b->stream_failed = !SK_GROW(b->stream_slots, b->stream_slots_cap, b->stream.count);
    if (b->stream_failed)
        return;
    b->predicted_at = SK_LABEL_PREDICTIONS; /* they are about entries */
    for (size_t i = 0; i < b->stream.count; i++) {
        struct sk_label_slot *slot = sk_label_slot_of(b, b->stream.items[i].name);
        if (slot == NULL) {
            b->stream_failed = true;
            return;
        }
        b->stream_slots[i] = slot;
        slot->stream_value = b->stream.items[i].value;
        /* an empty label of a stream counts as absent */
        slot->stream_seq = slot->stream_value.len > 0 ? b->stream_seq : 0;
    }
}

/* Forgets unpinned names when there are too many. */
static void slots_trim(struct sk_label_builder *b)
{
    if (b->unpinned_count <= SLOTS_KEPT_MAX)
        return;
    sk_hmap_deinit(&b->table);
    sk_arena_reset(&b->names);
    b->unpinned_count = 0;
    memset(b->predicted, 0, sizeof(b->predicted));
    if (!table_add_pinned(b)) {
        b->stream_failed = true;
        return;
    }
    stream_slots_find(b);
}

void sk_label_builder_stream(struct sk_label_builder *b, struct sk_labelset stream)
{
    b->stream = stream;
    b->entry_seq++;
    b->touched_count = 0;
    stream_slots_find(b);
}

static void meta_add(struct sk_label_builder *b, const struct sk_label *label)
{
    if (label->value.len == 0)
        return; /* counts as absent, too */
    struct sk_label_slot *slot = sk_label_slot_of(b, label->name);
    if (slot == &b->pinned[SK_NAME_ERROR]) {
        b->error = label->value;
        return;
    }
    if (slot == &b->pinned[SK_NAME_ERROR_DETAILS]) {
        b->error_details = label->value;
        return;
    }
    if (slot != NULL && of_stream(b, slot))
        slot = sk_label_target(b, slot);
    if (slot == NULL)
        return;
    touch(b, slot);
    slot->category = SK_LABEL_META;
    slot->value = label->value;
}

void sk_label_builder_entry(struct sk_label_builder *b, const struct sk_label *meta, size_t count)
{
    slots_trim(b);
    b->entry_seq++;
    b->touched_count = 0;
    b->predicted_at = 0;
    b->failed = b->stream_failed;
    b->required_left = b->required_count;
    b->error = b->error_details = SK_STR("");
    b->parser_error = false;
    for (size_t i = 0; i < count && !b->failed; i++)
        meta_add(b, &meta[i]);
}

/* ---- reading and writing ---- */

struct sk_label_slot *sk_label_target(struct sk_label_builder *b, struct sk_label_slot *slot)
{
    bool taken = of_stream(b, slot) || (of_entry(b, slot) && slot->category == SK_LABEL_META);
    if (!taken || slot->suffixed != NULL)
        return taken ? slot->suffixed : slot;
    size_t len = slot->name.len + sizeof(SK_LABEL_SUFFIX) - 1;
    char *name = sk_arena_alloc(&b->names, len);
    if (name == NULL) {
        b->failed = true;
        return NULL;
    }
    memcpy(name, slot->name.ptr, slot->name.len);
    memcpy(name + slot->name.len, SK_LABEL_SUFFIX, sizeof(SK_LABEL_SUFFIX) - 1);
    size_t at = b->predicted_at;
    b->predicted_at = SK_LABEL_PREDICTIONS; /* asked once only */
    slot->suffixed = sk_label_slot_of(b, (struct sk_str){name, len});
    b->predicted_at = at;
    return slot->suffixed;
}

bool sk_label_get(const struct sk_label_builder *b, const struct sk_label_slot *slot,
                  struct sk_str *ret)
{
    struct sk_str value;
    if (of_entry(b, slot) && slot->category != SK_LABEL_NONE)
        value = slot->value;
    else if (of_stream(b, slot) && !(of_entry(b, slot) && slot->deleted))
        value = slot->stream_value;
    else
        return false;
    if (ret != NULL)
        *ret = value;
    return true;
}

struct sk_str sk_label_value(const struct sk_label_builder *b, const struct sk_label_slot *slot)
{
    struct sk_str value = SK_STR("");
    (void)sk_label_get(b, slot, &value); /* absent is empty */
    return value;
}

bool sk_label_extracted(const struct sk_label_builder *b, const struct sk_label_slot *slot)
{
    return of_entry(b, slot) && slot->extracted;
}

void sk_label_write(struct sk_label_builder *b, struct sk_label_slot *slot, struct sk_str value)
{
    touch(b, slot);
    if (slot->required && !slot->extracted)
        b->required_left--;
    slot->category = SK_LABEL_PARSED;
    slot->deleted = false;
    slot->extracted = true;
    slot->value = value;
}

void sk_label_delete(struct sk_label_builder *b, struct sk_label_slot *slot)
{
    touch(b, slot);
    slot->category = SK_LABEL_NONE;
    slot->deleted = true;
    slot->value = SK_STR("");
}

void sk_label_keep_marked(struct sk_label_builder *b)
{
    for (size_t i = 0; i < SK_NAMES_FIXED; i++)
        b->pinned[i].mark = b->mark_seq;
    for (size_t i = 0; i < b->touched_count; i++) {
        if (b->touched[i]->mark != b->mark_seq)
            sk_label_delete(b, b->touched[i]);
    }
    for (size_t i = 0; i < b->stream.count; i++) {
        if (b->stream_slots[i]->mark != b->mark_seq)
            sk_label_delete(b, b->stream_slots[i]);
    }
}

/* ---- results ---- */

static bool stream_label_stands(const struct sk_label_builder *b, const struct sk_label_slot *slot)
{
    return of_stream(b, slot) &&
           !(of_entry(b, slot) && (slot->deleted || slot->category != SK_LABEL_NONE));
}

bool sk_label_stream_set(struct sk_label_builder *b, struct sk_arena *arena,
                         struct sk_labelset *ret)
{
    size_t standing = 0;
    for (size_t i = 0; i < b->stream.count; i++)
        standing += stream_label_stands(b, b->stream_slots[i]);
    if (standing == b->stream.count) {
        *ret = b->stream;
        return true;
    }
    struct sk_label *items = sk_arena_calloc(arena, standing + 1, sizeof(*items));
    if (items == NULL)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < b->stream.count; i++) {
        if (stream_label_stands(b, b->stream_slots[i]))
            items[n++] = b->stream.items[i];
    }
    *ret = (struct sk_labelset){items, n};
    return true;
}

/* The value shown for a parsed label: a set error slot hides a label of its name. */
static bool hidden(const struct sk_label_builder *b, const struct sk_label_slot *slot)
{
    return (slot == &b->pinned[SK_NAME_ERROR] && b->error.len > 0) ||
           (slot == &b->pinned[SK_NAME_ERROR_DETAILS] && b->error_details.len > 0);
}

static int by_name(const void *a, const void *b)
{
    return sk_str_cmp(((const struct sk_label *)a)->name, ((const struct sk_label *)b)->name);
}

/* Names are distinct, so any sort will do; a hostile line may have tens of thousands. */
static void sort(struct sk_label *items, size_t count)
{
    if (count <= SORT_BY_INSERTION_MAX)
        sk_labels_sort(items, count);
    else
        qsort(items, count, sizeof(*items), by_name);
}

bool sk_label_category_set(struct sk_label_builder *b, struct sk_arena *arena,
                           enum sk_label_category category, struct sk_labelset *ret)
{
    size_t n = 0;
    struct sk_label *items = sk_arena_calloc(arena, b->touched_count + 2, sizeof(*items));
    if (items == NULL)
        return false;
    for (size_t i = 0; i < b->touched_count; i++) {
        const struct sk_label_slot *slot = b->touched[i];
        if (slot->category == category && !hidden(b, slot))
            items[n++] = (struct sk_label){slot->name, slot->value};
    }
    if (category == SK_LABEL_PARSED && b->error.len > 0)
        items[n++] = (struct sk_label){b->pinned[SK_NAME_ERROR].name, b->error};
    if (category == SK_LABEL_PARSED && b->error_details.len > 0)
        items[n++] = (struct sk_label){b->pinned[SK_NAME_ERROR_DETAILS].name, b->error_details};
    sort(items, n);
    *ret = (struct sk_labelset){items, n};
    return true;
}
