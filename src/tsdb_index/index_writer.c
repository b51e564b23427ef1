/* SPDX-License-Identifier: Apache-2.0 */
/* index_writer.c -- the steps in the order in which they run: order the series, number the texts,
 * number the (name, value) pairs, then write section by section.
 *
 * Texts and pairs are numbered by hash on first sight and ranked once at the end, so that sorting
 * touches each distinct text and pair once, and a label costs 4 bytes while the file is built. */
#include "tsdb_index/index_writer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/binout.h"
#include "base/hash.h"
#include "tsdb_index/index_int.h"

enum { SLOTS_FIRST = 256 };

struct pair {
    uint32_t name, value;  /* text numbers */
    uint32_t series_count; /* length of its list */
    size_t list;           /* where its list begins in `lists` */
    uint64_t file_off;
};

struct group { /* one series of the file: neighbours in `order` that are equal */
    size_t first, count;
    size_t pairs; /* where its pair numbers begin */
    uint32_t pair_count;
};

struct slots {
    uint32_t *ids_plus_1; /* 0: free */
    size_t count;         /* a power of two, or 0 */
};

struct builder {
    struct sk_strbuf *out;
    size_t start;
    unsigned version;
    const struct sk_index_input **order;
    struct group *groups;
    size_t group_count, group_cap;
    struct sk_str *texts;
    size_t text_count, text_cap;
    struct slots text_slots;
    uint32_t *rank; /* text number -> symbol number */
    struct pair *pairs;
    size_t pair_count, pair_cap;
    struct slots pair_slots;
    uint32_t *sorted_pairs;
    uint32_t *label_pairs; /* pair numbers of all groups, one after the other */
    size_t label_count, label_cap;
    uint32_t *refs;                /* of the groups */
    uint32_t *lists;               /* references of all pairs */
    struct sk_index_chunk *chunks; /* of one group */
    size_t chunk_count, chunk_cap;
    struct sk_strbuf entry, entries; /* of one series */
    uint64_t toc[7];
    struct sk_index_sums sums;
};

enum {
    TOC_SYMBOLS,
    TOC_SERIES,
    TOC_LABEL_INDICES,
    TOC_LABEL_TABLE,
    TOC_POSTINGS,
    TOC_PAIR_TABLE,
    TOC_FINGERPRINTS,
};

/* ---- labels with the tenant at its place */

static size_t input_label_count(const struct sk_index_input *in)
{
    return in->labels.count + (in->tenant.len > 0 ? 1 : 0);
}

static struct sk_label input_label(const struct sk_index_input *in, size_t idx)
{
    if (in->tenant.len == 0)
        return in->labels.items[idx];
    struct sk_label tenant = {SK_STR(SK_INDEX_TENANT_LABEL), in->tenant};
    if (idx > 0 && sk_str_cmp(in->labels.items[idx - 1].name, tenant.name) >= 0)
        return in->labels.items[idx - 1];
    if (idx < in->labels.count && sk_str_cmp(in->labels.items[idx].name, tenant.name) < 0)
        return in->labels.items[idx];
    return tenant;
}

static int input_cmp(const struct sk_index_input *a, const struct sk_index_input *b)
{
    if (a->fingerprint != b->fingerprint)
        return a->fingerprint < b->fingerprint ? -1 : 1;
    size_t an = input_label_count(a), bn = input_label_count(b);
    for (size_t i = 0; i < an && i < bn; i++) {
        struct sk_label la = input_label(a, i), lb = input_label(b, i);
        int c = sk_str_cmp(la.name, lb.name);
        if (c == 0)
            c = sk_str_cmp(la.value, lb.value);
        if (c != 0)
            return c;
    }
    return an < bn ? -1 : an > bn;
}

static int order_cmp(const void *a, const void *b)
{
    return input_cmp(*(const struct sk_index_input *const *)a,
                     *(const struct sk_index_input *const *)b);
}

static enum sk_err input_check(const struct sk_index_input *in)
{
    size_t n = input_label_count(in);
    if (n > SK_INDEX_LABELS_MAX)
        return SK_ELIMIT;
    if (n > 0 && input_label(in, 0).name.len == 0)
        return SK_EINVAL; /* the empty name stands for the list of all series */
    for (size_t i = 1; i < n; i++) {
        if (sk_str_cmp(input_label(in, i - 1).name, input_label(in, i).name) >= 0)
            return SK_EINVAL;
    }
    for (size_t i = 0; i < in->chunk_count; i++) {
        if (in->chunks[i].through_ms < in->chunks[i].from_ms)
            return SK_EINVAL;
    }
    return SK_OK;
}

static enum sk_err series_order(struct builder *b, const struct sk_index_input *series,
                                size_t count)
{
    b->order = sk_malloc(count * sizeof(struct sk_index_input *));
    if (b->order == NULL)
        return SK_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        enum sk_err err = input_check(&series[i]);
        if (err != SK_OK)
            return err;
        if (series[i].chunk_count > 0)
            b->order[n++] = &series[i];
    }
    if (n > 1)
        qsort(b->order, n, sizeof(struct sk_index_input *), order_cmp);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && input_cmp(b->order[i - 1], b->order[i]) == 0) {
            b->groups[b->group_count - 1].count++;
            continue;
        }
        if (!SK_GROW(b->groups, b->group_cap, b->group_count + 1))
            return SK_ENOMEM;
        b->groups[b->group_count++] = (struct group){.first = i, .count = 1};
    }
    return SK_OK;
}

/* ---- numbering */

static uint64_t pair_hash(uint32_t name, uint32_t value)
{
    uint64_t h = ((uint64_t)name << 32 | value) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t text_hash(struct sk_str s)
{
    return sk_hash_mem(s.len == 0 ? "" : s.ptr, s.len);
}

/* Doubles the slots when `used` of them are taken; `hash_of` gives a number's hash. */
static bool slots_room(struct slots *s, size_t used, const struct builder *b,
                       uint64_t (*hash_of)(const struct builder *b, uint32_t id))
{
    if (used < s->count / 2)
        return true;
    size_t count = s->count == 0 ? SLOTS_FIRST : s->count * 2;
    uint32_t *ids = sk_calloc(count, sizeof(*ids));
    if (ids == NULL)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        if (s->ids_plus_1[i] == 0)
            continue;
        size_t k = (size_t)hash_of(b, s->ids_plus_1[i] - 1) & (count - 1);
        while (ids[k] != 0)
            k = (k + 1) & (count - 1);
        ids[k] = s->ids_plus_1[i];
    }
    sk_free(s->ids_plus_1);
    *s = (struct slots){ids, count};
    return true;
}

static uint64_t hash_of_text(const struct builder *b, uint32_t id)
{
    return text_hash(b->texts[id]);
}

static uint64_t hash_of_pair(const struct builder *b, uint32_t id)
{
    return pair_hash(b->pairs[id].name, b->pairs[id].value);
}

static enum sk_err text_number(struct builder *b, struct sk_str text, uint32_t *ret)
{
    if (!slots_room(&b->text_slots, b->text_count, b, hash_of_text) ||
        !SK_GROW(b->texts, b->text_cap, b->text_count + 1))
        return SK_ENOMEM;
    size_t mask = b->text_slots.count - 1;
    size_t k = (size_t)text_hash(text) & mask;
    for (; b->text_slots.ids_plus_1[k] != 0; k = (k + 1) & mask) {
        uint32_t id = b->text_slots.ids_plus_1[k] - 1;
        if (sk_str_eq(b->texts[id], text)) {
            *ret = id;
            return SK_OK;
        }
    }
    if (b->text_count >= UINT32_MAX - 1)
        return SK_ELIMIT;
    b->texts[b->text_count++] = text;
    b->text_slots.ids_plus_1[k] = (uint32_t)b->text_count;
    *ret = (uint32_t)b->text_count - 1;
    return SK_OK;
}

static enum sk_err pair_number(struct builder *b, uint32_t name, uint32_t value, uint32_t *ret)
{
    if (!slots_room(&b->pair_slots, b->pair_count, b, hash_of_pair) ||
        !SK_GROW(b->pairs, b->pair_cap, b->pair_count + 1))
        return SK_ENOMEM;
    size_t mask = b->pair_slots.count - 1;
    size_t k = (size_t)pair_hash(name, value) & mask;
    for (; b->pair_slots.ids_plus_1[k] != 0; k = (k + 1) & mask) {
        uint32_t id = b->pair_slots.ids_plus_1[k] - 1;
        if (b->pairs[id].name == name && b->pairs[id].value == value) {
            *ret = id;
            return SK_OK;
        }
    }
    if (b->pair_count >= UINT32_MAX - 1)
        return SK_ELIMIT;
    b->pairs[b->pair_count++] = (struct pair){.name = name, .value = value};
    b->pair_slots.ids_plus_1[k] = (uint32_t)b->pair_count;
    *ret = (uint32_t)b->pair_count - 1;
    return SK_OK;
}

static enum sk_err labels_number(struct builder *b)
{
    for (size_t g = 0; g < b->group_count; g++) {
        struct group *group = &b->groups[g];
        const struct sk_index_input *in = b->order[group->first];
        size_t n = input_label_count(in);
        if (!SK_GROW(b->label_pairs, b->label_cap, b->label_count + n))
            return SK_ENOMEM;
        group->pairs = b->label_count;
        group->pair_count = (uint32_t)n;
        for (size_t i = 0; i < n; i++) {
            struct sk_label label = input_label(in, i);
            uint32_t name, value, pair;
            enum sk_err err = text_number(b, label.name, &name);
            if (err == SK_OK)
                err = text_number(b, label.value, &value);
            if (err == SK_OK)
                err = pair_number(b, name, value, &pair);
            if (err != SK_OK)
                return err;
            b->pairs[pair].series_count++;
            b->label_pairs[b->label_count++] = pair;
        }
    }
    return SK_OK;
}

static int text_cmp(const void *a, const void *b, void *ctx)
{
    const struct builder *builder = ctx;
    return sk_str_cmp(builder->texts[*(const uint32_t *)a], builder->texts[*(const uint32_t *)b]);
}

static int pair_rank_cmp(const void *a, const void *b, void *ctx)
{
    const struct builder *builder = ctx;
    const struct pair *pa = &builder->pairs[*(const uint32_t *)a];
    const struct pair *pb = &builder->pairs[*(const uint32_t *)b];
    uint64_t ka = (uint64_t)builder->rank[pa->name] << 32 | builder->rank[pa->value];
    uint64_t kb = (uint64_t)builder->rank[pb->name] << 32 | builder->rank[pb->value];
    return ka < kb ? -1 : ka > kb;
}

static uint32_t *numbers_make(size_t count)
{
    uint32_t *numbers = sk_malloc(count * sizeof(*numbers));
    for (size_t i = 0; numbers != NULL && i < count; i++)
        numbers[i] = (uint32_t)i;
    return numbers;
}

/* ---- sections */

static uint64_t here(const struct builder *b)
{
    return b->out->len - b->start;
}

static void pad(struct builder *b, size_t align)
{
    while (here(b) % align != 0 && !b->out->failed)
        sk_strbuf_putc(b->out, '\0');
}

/* Begins a framed section; frame_end() fills in the length. */
static size_t frame_begin(struct builder *b)
{
    size_t at = b->out->len;
    sk_put_be32(b->out, 0);
    return at;
}

static enum sk_err frame_end(struct builder *b, size_t at)
{
    struct sk_strbuf *out = b->out;
    if (out->failed)
        return SK_ENOMEM;
    size_t len = out->len - at - 4;
    if (len > UINT32_MAX)
        return SK_ELIMIT;
    sk_store_be32((uint8_t *)out->ptr + at, (uint32_t)len);
    sk_put_crc(out, at + 4);
    return out->failed ? SK_ENOMEM : SK_OK;
}

static enum sk_err symbols_write(struct builder *b)
{
    uint32_t *sorted = numbers_make(b->text_count);
    b->rank = sk_malloc(b->text_count * sizeof(*b->rank));
    enum sk_err err = SK_ENOMEM;
    if (sorted == NULL || b->rank == NULL)
        goto out;
    qsort_r(sorted, b->text_count, sizeof(*sorted), text_cmp, b);
    b->toc[TOC_SYMBOLS] = here(b);
    size_t frame = frame_begin(b);
    sk_put_be32(b->out, (uint32_t)b->text_count);
    for (size_t i = 0; i < b->text_count; i++) {
        b->rank[sorted[i]] = (uint32_t)i;
        sk_put_text(b->out, b->texts[sorted[i]]);
    }
    err = frame_end(b, frame);
out:
    sk_free(sorted);
    return err;
}

static int chunk_cmp(const void *a, const void *b)
{
    const struct sk_index_chunk *x = a, *y = b;
    if (x->from_ms != y->from_ms)
        return x->from_ms < y->from_ms ? -1 : 1;
    if (x->through_ms != y->through_ms)
        return x->through_ms < y->through_ms ? -1 : 1;
    return x->checksum < y->checksum ? -1 : x->checksum > y->checksum;
}

/* The chunks of a group, in order, each once. */
static enum sk_err chunks_gather(struct builder *b, const struct group *group)
{
    size_t n = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct sk_index_input *in = b->order[group->first + i];
        if (!SK_GROW(b->chunks, b->chunk_cap, n + in->chunk_count))
            return SK_ENOMEM;
        memcpy(b->chunks + n, in->chunks, in->chunk_count * sizeof(*in->chunks));
        n += in->chunk_count;
    }
    sk_assert(n > 0);
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++)
        sorted = chunk_cmp(&b->chunks[i - 1], &b->chunks[i]) < 0;
    size_t kept = sorted ? n : 1;
    if (!sorted) {
        qsort(b->chunks, n, sizeof(*b->chunks), chunk_cmp);
        for (size_t i = 1; i < n; i++) {
            if (chunk_cmp(&b->chunks[kept - 1], &b->chunks[i]) != 0)
                b->chunks[kept++] = b->chunks[i];
        }
    }
    b->chunk_count = kept;
    return SK_OK;
}

static void marker_put(struct sk_strbuf *out, const struct sk_index_chunk *page, size_t count,
                       size_t entries_off)
{
    uint32_t kb = 0, entries = 0;
    int64_t through_ms = 0; /* as Loki: a maximum that starts from 0 */
    for (size_t i = 0; i < count; i++) {
        kb += page[i].kb;
        entries += page[i].entry_count;
        if (page[i].through_ms > through_ms)
            through_ms = page[i].through_ms;
    }
    sk_put_uvar(out, count);
    sk_put_be32(out, kb);
    sk_put_be32(out, entries);
    sk_put_uvar(out, entries_off);
    sk_put_var(out, page[0].from_ms);
    sk_put_var(out, through_ms - page[0].from_ms);
}

/* Chunk entries into `entries`, page markers (version 3) behind the labels in `entry`. */
static void chunks_write(struct builder *b)
{
    struct sk_strbuf *entries = &b->entries, *entry = &b->entry;
    size_t pages = (b->chunk_count + SK_INDEX_PAGE_CHUNKS - 1) / SK_INDEX_PAGE_CHUNKS;
    int64_t prev_ms = 0;
    sk_strbuf_reset(entries);
    sk_put_uvar(entry, b->chunk_count);
    size_t length_at = entry->len;
    if (b->version >= 3) {
        sk_put_be32(entry, 0);
        sk_put_uvar(entry, pages);
    }
    for (size_t i = 0; i < b->chunk_count; i++) {
        const struct sk_index_chunk *c = &b->chunks[i];
        size_t left = b->chunk_count - i;
        if (b->version >= 3 && i % SK_INDEX_PAGE_CHUNKS == 0)
            marker_put(entry, c, left < SK_INDEX_PAGE_CHUNKS ? left : SK_INDEX_PAGE_CHUNKS,
                       entries->len);
        sk_put_var(entries, c->from_ms - prev_ms);
        sk_put_uvar(entries, (uint64_t)(c->through_ms - c->from_ms));
        sk_put_uvar(entries, c->kb);
        sk_put_uvar(entries, c->entry_count);
        sk_put_be32(entries, c->checksum);
        prev_ms = c->through_ms;
        if (b->sums.chunk_count == 0 || c->from_ms < b->sums.from_ms)
            b->sums.from_ms = c->from_ms;
        if (b->sums.chunk_count == 0 || c->through_ms > b->sums.through_ms)
            b->sums.through_ms = c->through_ms;
        b->sums.chunk_count++;
    }
    if (b->version >= 3 && !entry->failed)
        sk_store_be32((uint8_t *)entry->ptr + length_at, (uint32_t)(entry->len - length_at - 4));
    sk_strbuf_add(entry, entries->ptr, entries->len);
}

static enum sk_err series_write(struct builder *b)
{
    b->refs = sk_malloc(b->group_count * sizeof(*b->refs));
    if (b->refs == NULL)
        return SK_ENOMEM;
    b->toc[TOC_SERIES] = here(b);
    for (size_t g = 0; g < b->group_count; g++) {
        const struct group *group = &b->groups[g];
        enum sk_err err = chunks_gather(b, group);
        if (err != SK_OK)
            return err;
        pad(b, SK_INDEX_SERIES_ALIGN);
        if (here(b) / SK_INDEX_SERIES_ALIGN > UINT32_MAX)
            return SK_ELIMIT;
        b->refs[g] = (uint32_t)(here(b) / SK_INDEX_SERIES_ALIGN);
        struct sk_strbuf *entry = &b->entry;
        sk_strbuf_reset(entry);
        sk_put_be64(entry, b->order[group->first]->fingerprint);
        sk_put_uvar(entry, group->pair_count);
        for (uint32_t i = 0; i < group->pair_count; i++) {
            const struct pair *pair = &b->pairs[b->label_pairs[group->pairs + i]];
            sk_put_uvar(entry, b->rank[pair->name]);
            sk_put_uvar(entry, b->rank[pair->value]);
        }
        chunks_write(b);
        if (entry->failed || b->entries.failed)
            return SK_ENOMEM;
        sk_put_uvar(b->out, entry->len);
        size_t from = b->out->len;
        sk_strbuf_add(b->out, entry->ptr, entry->len);
        sk_put_crc(b->out, from);
    }
    return b->out->failed ? SK_ENOMEM : SK_OK;
}

/* Ranks the pairs and hands each its references. */
static enum sk_err lists_make(struct builder *b)
{
    b->sorted_pairs = numbers_make(b->pair_count);
    b->lists = sk_malloc(b->label_count * sizeof(*b->lists));
    if (b->sorted_pairs == NULL || b->lists == NULL)
        return SK_ENOMEM;
    qsort_r(b->sorted_pairs, b->pair_count, sizeof(*b->sorted_pairs), pair_rank_cmp, b);
    size_t at = 0;
    for (size_t i = 0; i < b->pair_count; i++) {
        struct pair *pair = &b->pairs[b->sorted_pairs[i]];
        pair->list = at;
        at += pair->series_count;
        pair->series_count = 0; /* counted again while filling */
    }
    for (size_t g = 0; g < b->group_count; g++) {
        for (uint32_t i = 0; i < b->groups[g].pair_count; i++) {
            struct pair *pair = &b->pairs[b->label_pairs[b->groups[g].pairs + i]];
            b->lists[pair->list + pair->series_count++] = b->refs[g];
        }
    }
    return SK_OK;
}

/* The number of pairs from `first` on that share its name. */
static size_t name_run(const struct builder *b, size_t first)
{
    size_t n = 1;
    while (first + n < b->pair_count &&
           b->pairs[b->sorted_pairs[first + n]].name == b->pairs[b->sorted_pairs[first]].name)
        n++;
    return n;
}

/* Label indices; the table's rows are collected in `rows` for later. */
static enum sk_err label_indices_write(struct builder *b, struct sk_strbuf *rows,
                                       uint32_t *ret_names)
{
    uint32_t names = 0;
    b->toc[TOC_LABEL_INDICES] = here(b);
    for (size_t i = 0; i < b->pair_count;) {
        size_t n = name_run(b, i);
        pad(b, 4);
        uint64_t off = here(b);
        size_t frame = frame_begin(b);
        sk_put_be32(b->out, 1);
        sk_put_be32(b->out, (uint32_t)n);
        for (size_t k = i; k < i + n; k++)
            sk_put_be32(b->out, b->rank[b->pairs[b->sorted_pairs[k]].value]);
        enum sk_err err = frame_end(b, frame);
        if (err != SK_OK)
            return err;
        sk_put_uvar(rows, 1);
        sk_put_text(rows, b->texts[b->pairs[b->sorted_pairs[i]].name]);
        sk_put_uvar(rows, off);
        names++;
        i += n;
    }
    *ret_names = names;
    return SK_OK;
}

static enum sk_err list_write(struct builder *b, const uint32_t *refs, size_t count,
                              uint64_t *ret_off)
{
    pad(b, 4);
    *ret_off = here(b);
    size_t frame = frame_begin(b);
    sk_put_be32(b->out, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        sk_put_be32(b->out, refs[i]);
    return frame_end(b, frame);
}

static void pair_put(struct sk_strbuf *out, struct sk_str name, struct sk_str value, uint64_t off)
{
    sk_put_uvar(out, 2);
    sk_put_text(out, name);
    sk_put_text(out, value);
    sk_put_uvar(out, off);
}

static enum sk_err postings_write(struct builder *b, uint64_t *ret_all_off)
{
    b->toc[TOC_POSTINGS] = here(b);
    enum sk_err err = list_write(b, b->refs, b->group_count, ret_all_off);
    for (size_t i = 0; err == SK_OK && i < b->pair_count; i++) {
        struct pair *pair = &b->pairs[b->sorted_pairs[i]];
        err = list_write(b, b->lists + pair->list, pair->series_count, &pair->file_off);
    }
    return err;
}

static enum sk_err tables_write(struct builder *b, const struct sk_strbuf *label_rows,
                                uint32_t names, uint64_t all_off)
{
    b->toc[TOC_LABEL_TABLE] = here(b);
    size_t frame = frame_begin(b);
    sk_put_be32(b->out, names);
    sk_strbuf_add(b->out, label_rows->ptr, label_rows->len);
    enum sk_err err = frame_end(b, frame);
    if (err != SK_OK)
        return err;
    b->toc[TOC_PAIR_TABLE] = here(b);
    frame = frame_begin(b);
    sk_put_be32(b->out, (uint32_t)b->pair_count + 1);
    pair_put(b->out, SK_STR(""), SK_STR(""), all_off);
    for (size_t i = 0; i < b->pair_count; i++) {
        const struct pair *pair = &b->pairs[b->sorted_pairs[i]];
        pair_put(b->out, b->texts[pair->name], b->texts[pair->value], pair->file_off);
    }
    err = frame_end(b, frame);
    if (err != SK_OK)
        return err;
    b->toc[TOC_FINGERPRINTS] = here(b);
    frame = frame_begin(b);
    size_t samples = (b->group_count + SK_INDEX_FPO_EVERY - 1) / SK_INDEX_FPO_EVERY;
    sk_put_be32(b->out, (uint32_t)samples);
    for (size_t g = 0; g < b->group_count; g += SK_INDEX_FPO_EVERY) {
        sk_put_be64(b->out, b->refs[g]);
        sk_put_be64(b->out, b->order[b->groups[g].first]->fingerprint);
    }
    return frame_end(b, frame);
}

static enum sk_err toc_write(struct builder *b)
{
    size_t at = b->out->len;
    for (size_t i = 0; i < SK_COUNT_OF(b->toc); i++)
        sk_put_be64(b->out, b->toc[i]);
    sk_put_be64(b->out, (uint64_t)b->sums.from_ms);
    sk_put_be64(b->out, (uint64_t)b->sums.through_ms);
    sk_put_crc(b->out, at);
    if (b->out->failed)
        return SK_ENOMEM;
    sk_assert(b->out->len - at == SK_INDEX_TOC_BYTES);
    b->sums.toc_crc = sk_load_be32((const uint8_t *)b->out->ptr + b->out->len - 4);
    b->sums.series_count = b->group_count;
    b->sums.file_bytes = b->out->len - b->start;
    return SK_OK;
}

static enum sk_err file_write(struct builder *b)
{
    struct sk_strbuf label_rows;
    uint32_t names = 0;
    uint64_t all_off = 0;
    sk_strbuf_init(&label_rows, UINT32_MAX);
    sk_put_be32(b->out, SK_INDEX_MAGIC);
    sk_strbuf_putc(b->out, (char)b->version);
    enum sk_err err = symbols_write(b);
    if (err == SK_OK)
        err = series_write(b);
    if (err == SK_OK)
        err = lists_make(b);
    if (err == SK_OK)
        err = label_indices_write(b, &label_rows, &names);
    if (err == SK_OK)
        err = label_rows.failed ? SK_ENOMEM : postings_write(b, &all_off);
    if (err == SK_OK)
        err = tables_write(b, &label_rows, names, all_off);
    if (err == SK_OK)
        err = toc_write(b);
    sk_strbuf_deinit(&label_rows);
    return err;
}

static void builder_deinit(struct builder *b)
{
    sk_free(b->order);
    sk_free(b->groups);
    sk_free(b->texts);
    sk_free(b->text_slots.ids_plus_1);
    sk_free(b->rank);
    sk_free(b->pairs);
    sk_free(b->pair_slots.ids_plus_1);
    sk_free(b->sorted_pairs);
    sk_free(b->label_pairs);
    sk_free(b->refs);
    sk_free(b->lists);
    sk_free(b->chunks);
    sk_strbuf_deinit(&b->entry);
    sk_strbuf_deinit(&b->entries);
}

enum sk_err sk_index_build(const struct sk_index_input *series, size_t count, unsigned version,
                           struct sk_strbuf *out, struct sk_index_sums *ret_sums)
{
    sk_assert(version == 2 || version == 3);
    sk_assert(out != NULL);
    struct builder b = {.out = out, .start = out->len, .version = version};
    sk_strbuf_init(&b.entry, UINT32_MAX);
    sk_strbuf_init(&b.entries, UINT32_MAX);
    enum sk_err err = series_order(&b, series, count);
    if (err == SK_OK)
        err = labels_number(&b);
    if (err == SK_OK)
        err = file_write(&b);
    if (err == SK_OK)
        *ret_sums = b.sums;
    else
        out->len = b.start;
    builder_deinit(&b);
    return err;
}
