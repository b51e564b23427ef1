/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_map.c -- from resources, scopes and records to streams, lines and metadata.
 *
 * What a resource and a scope give is made once and copied in front of each record's own pairs.
 * Names are looked up in a small cache: the same few occur in every record. Entries are appended
 * as they come, with the number of their stream; sk_otlp_finish() sorts them by stream if they
 * need it. */
#include "wire/otlp_int.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/gotext.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "labels/labelset.h"

enum target {
    TO_LABELS,
    TO_RECORD_LABELS,
    TO_SHARED,
    TO_ENTRY,
};

void sk_otlp_map_init(struct otlp_map *m, struct sk_push *push, const struct sk_otlp_rules *rules,
                      int64_t now_ns, struct sk_error *reterr)
{
    sk_assert(push->stream_count == 0 && push->entry_count == 0);
    *m = (struct otlp_map){.push = push, .rules = rules, .now_ns = now_ns, .reterr = reterr};
    m->labels_by_record = rules->severity_text_as_label || sk_attr_rules_label(&rules->record);
    size_t max = push->arena.cap_bytes;
    sk_strbuf_init(&m->scratch, max);
    sk_strbuf_init(&m->scratch2, max);
    sk_strbuf_init(&m->label_text, max);
}

void sk_otlp_map_deinit(struct otlp_map *m)
{
    sk_strbuf_deinit(&m->scratch);
    sk_strbuf_deinit(&m->scratch2);
    sk_strbuf_deinit(&m->label_text);
    sk_free(m->labels.items);
    sk_free(m->record_labels.items);
    sk_free(m->shared);
    sk_free(m->block);
    sk_free(m->entry_stream);
    sk_hmap_deinit(&m->streams);
}

struct otlp_item *sk_otlp_item(struct otlp_map *m, struct otlp_item ***tail)
{
    struct otlp_item *item = sk_arena_calloc(&m->push->arena, 1, sizeof(*item));
    if (item == NULL)
        return NULL;
    **tail = item;
    *tail = &item->next;
    return item;
}

/* ---- names ---- */

/* Normalises `raw` into the arena. */
static enum sk_err name_make(struct otlp_map *m, struct sk_str raw, struct sk_str *ret)
{
    if (raw.len == 0)
        return sk_error_set(m->reterr, SK_EPARSE, "symbolizer lookup: label name is empty");
    sk_strbuf_reset(&m->scratch);
    bool ok = sk_label_name_normalize(&m->scratch, raw);
    if (m->scratch.failed)
        return SK_ENOMEM;
    if (!ok) {
        sk_strbuf_reset(&m->scratch);
        sk_go_quote(&m->scratch, raw);
        return sk_error_set(
            m->reterr, SK_EPARSE,
            "symbolizer lookup: normalization for label name %s resulted in invalid "
            "name \"_\"",
            m->scratch.failed ? "" : m->scratch.ptr);
    }
    struct sk_str name = sk_arena_str(&m->push->arena, sk_strbuf_view(&m->scratch));
    if (name.ptr == NULL)
        return SK_ENOMEM;
    *ret = name;
    return SK_OK;
}

static enum sk_err name_of_key(struct otlp_map *m, struct sk_str key, struct sk_str *ret)
{
    if (sk_label_name_is_normal(key)) {
        *ret = key;
        return SK_OK;
    }
    struct otlp_name *slot = &m->names[sk_hash_mem(key.ptr, key.len) % OTLP_NAMES];
    if (slot->name.len == 0 || !sk_str_eq(slot->key, key)) {
        struct sk_str name;
        enum sk_err err = name_make(m, key, &name);
        if (err != SK_OK)
            return err;
        *slot = (struct otlp_name){key, name};
    }
    *ret = slot->name;
    return SK_OK;
}

static enum sk_err name_below(struct otlp_map *m, struct sk_str prefix, struct sk_str key,
                              struct sk_str *ret)
{
    sk_strbuf_reset(&m->scratch2);
    sk_strbuf_str(&m->scratch2, prefix);
    sk_strbuf_putc(&m->scratch2, '_');
    sk_strbuf_str(&m->scratch2, key);
    return m->scratch2.failed ? SK_ENOMEM : name_make(m, sk_strbuf_view(&m->scratch2), ret);
}

/* ---- attributes ---- */

static bool discovers(const struct sk_otlp_rules *rules, struct sk_str name)
{
    for (size_t i = 0; i < rules->discover_service_name_count; i++) {
        if (sk_str_eq(rules->discover_service_name[i], name))
            return true;
    }
    return false;
}

/* Labels are UTF-8: each byte that is not becomes U+FFFD. */
static enum sk_err utf8_mend(struct otlp_map *m, struct sk_str *value)
{
    unsigned width;
    char rune[4];
    sk_strbuf_reset(&m->scratch2);
    for (size_t i = 0; i < value->len; i += width) {
        uint32_t r = sk_utf8_decode(value->ptr + i, value->len - i, &width);
        sk_strbuf_add(&m->scratch2, rune, sk_utf8_encode(rune, r));
    }
    struct sk_str mended = m->scratch2.failed
                               ? (struct sk_str){NULL, 0}
                               : sk_arena_str(&m->push->arena, sk_strbuf_view(&m->scratch2));
    if (mended.ptr == NULL)
        return SK_ENOMEM;
    *value = mended;
    return SK_OK;
}

static enum sk_err label_add(struct otlp_map *m, struct otlp_labels *to, struct sk_str name,
                             struct sk_str value)
{
    if (!sk_utf8_valid(value)) {
        enum sk_err err = utf8_mend(m, &value);
        if (err != SK_OK)
            return err;
    }
    if (!SK_GROW(to->items, to->cap, to->count + 1))
        return SK_ENOMEM;
    to->items[to->count] = (struct otlp_label){name, value, to->count};
    to->count++;
    return SK_OK;
}

static enum sk_err emit(struct otlp_map *m, enum target to, struct sk_str name, struct sk_str value)
{
    if (to == TO_LABELS) {
        enum sk_err err = label_add(m, &m->labels, name, value);
        if (err == SK_OK && m->service_label == 0 && value.len > 0 && discovers(m->rules, name))
            m->service_label = m->labels.count;
        return err;
    }
    if (to == TO_RECORD_LABELS)
        return label_add(m, &m->record_labels, name, value);
    if (to == TO_ENTRY)
        return sk_push_add_pair(m->push, name, value);
    if (!SK_GROW(m->shared, m->shared_cap, m->shared_count + 1))
        return SK_ENOMEM;
    m->shared[m->shared_count++] = (struct sk_push_pair){name, value};
    return SK_OK;
}

/* An attribute, or what is in it when it is a map. Maps nest SK_OTLP_DEPTH_MAX deep at most. */
static enum sk_err flatten(struct otlp_map *m, enum target to, struct sk_str name,
                           const struct otlp_value *value)
{
    struct sk_str text;
    enum sk_err err = SK_OK;
    if (value->kind != OTLP_MAP) {
        err = sk_otlp_text(&m->push->arena, &m->scratch, value, &text);
        return err != SK_OK ? err : emit(m, to, name, text);
    }
    for (const struct otlp_item *it = value->u.items; it != NULL && err == SK_OK; it = it->next) {
        struct sk_str below;
        err = name_below(m, name, it->key, &below);
        if (err == SK_OK)
            err = flatten(m, to, below, &it->value);
    }
    return err;
}

static enum sk_err attribute(struct otlp_map *m, enum target to, struct sk_str key,
                             const struct otlp_value *value)
{
    struct sk_str name;
    enum sk_err err = name_of_key(m, key, &name);
    return err != SK_OK ? err : flatten(m, to, name, value);
}

static enum sk_err number_pair(struct otlp_map *m, enum target to, const char *name, uint64_t v)
{
    sk_strbuf_reset(&m->scratch);
    sk_strbuf_u64(&m->scratch, v);
    struct sk_str text = m->scratch.failed
                             ? (struct sk_str){NULL, 0}
                             : sk_arena_str(&m->push->arena, sk_strbuf_view(&m->scratch));
    return text.ptr == NULL ? SK_ENOMEM : emit(m, to, sk_str_from(name), text);
}

static void reverse(struct sk_push_pair *pairs, size_t count)
{
    for (size_t i = 0, k = count; i + 1 < k; i++) {
        struct sk_push_pair moving = pairs[--k];
        pairs[k] = pairs[i];
        pairs[i] = moving;
    }
}

/* ---- resource ---- */

void sk_otlp_resource_begin(struct otlp_map *m)
{
    m->labels.count = 0;
    m->service_label = 0;
    m->shared_count = 0;
    m->resource_pairs = 0;
    m->stream = UINT32_MAX;
}

enum sk_err sk_otlp_resource_attr(struct otlp_map *m, struct sk_str key,
                                  const struct otlp_value *value)
{
    for (size_t i = 0; i < m->rules->label_attribute_count; i++) {
        if (sk_str_eq(m->rules->label_attributes[i], key))
            return attribute(m, TO_LABELS, key, value);
    }
    enum sk_attr_action action = sk_attr_rules_action(&m->rules->resource, key);
    if (action == SK_ATTR_DROP)
        return SK_OK;
    return attribute(m, action == SK_ATTR_LABEL ? TO_LABELS : TO_SHARED, key, value);
}

static int label_cmp(const void *a, const void *b)
{
    const struct otlp_label *x = a, *y = b;
    int c = sk_str_cmp(x->name, y->name);
    return c != 0 ? c : x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Sorted, of equal names the last one, empty ones dropped. */
static void labels_sort(struct otlp_labels *labels)
{
    struct otlp_label *l = labels->items;
    size_t kept = 0;
    if (labels->count > 1)
        qsort(l, labels->count, sizeof(*l), label_cmp);
    for (size_t i = 0; i < labels->count; i++) {
        if (i + 1 < labels->count && sk_str_eq(l[i].name, l[i + 1].name))
            continue;
        if (l[i].value.len > 0)
            l[kept++] = l[i];
    }
    labels->count = kept;
}

/* Adds service_name and sorts. */
static enum sk_err labels_settle(struct otlp_map *m)
{
    struct sk_str service = m->service_label == 0 ? SK_STR("unknown_service")
                                                  : m->labels.items[m->service_label - 1].value;
    bool named = m->rules->discover_service_name_count == 0;
    for (size_t i = 0; i < m->labels.count && !named; i++)
        named =
            sk_str_is(m->labels.items[i].name, "service_name") && m->labels.items[i].value.len > 0;
    if (!named) {
        enum sk_err err = label_add(m, &m->labels, SK_STR("service_name"), service);
        if (err != SK_OK)
            return err;
    }
    labels_sort(&m->labels);
    return SK_OK;
}

/* The text of the resource's labels and the record's, both sorted; the record's win. */
static enum sk_err labels_print(struct otlp_map *m)
{
    const struct otlp_labels *a = &m->labels, *b = &m->record_labels;
    struct sk_strbuf *out = &m->label_text;
    size_t i = 0, k = 0;
    sk_strbuf_reset(out);
    sk_strbuf_putc(out, '{');
    while (i < a->count || k < b->count) {
        int c = i == a->count   ? 1
                : k == b->count ? -1
                                : sk_str_cmp(a->items[i].name, b->items[k].name);
        const struct otlp_label *next = c < 0 ? &a->items[i] : &b->items[k];
        i += c <= 0;
        k += c >= 0;
        sk_strbuf_puts(out, out->len > 1 ? ", " : "");
        sk_strbuf_str(out, next->name);
        sk_strbuf_putc(out, '=');
        sk_go_quote(out, next->value);
    }
    sk_strbuf_putc(out, '}');
    return out->failed ? SK_ENOMEM : SK_OK;
}

enum sk_err sk_otlp_resource_end(struct otlp_map *m)
{
    m->resource_pairs = m->shared_count;
    return labels_settle(m);
}

/* Finds or makes the stream of the text in label_text. */
static enum sk_err stream_get(struct otlp_map *m, uint32_t *ret)
{
    struct sk_str text = sk_strbuf_view(&m->label_text);
    uint64_t hash = sk_hash_mem(text.ptr, text.len);
    for (size_t at = sk_hmap_first(&m->streams, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&m->streams, hash, at)) {
        size_t idx = (size_t)(uintptr_t)m->streams.slots[at].value - 1;
        if (sk_str_eq(m->push->streams[idx].labels, text)) {
            *ret = (uint32_t)idx;
            return SK_OK;
        }
    }
    struct sk_str copy = sk_arena_str(&m->push->arena, text);
    if (copy.ptr == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_push_add_stream(m->push, copy);
    if (err != SK_OK)
        return err;
    if (!sk_hmap_add(&m->streams, hash, (void *)(uintptr_t)m->push->stream_count))
        return SK_ENOMEM;
    *ret = (uint32_t)(m->push->stream_count - 1);
    return SK_OK;
}

/* ---- scope ---- */

void sk_otlp_scope_begin(struct otlp_map *m)
{
    m->shared_count = m->resource_pairs;
}

enum sk_err sk_otlp_scope_attr(struct otlp_map *m, struct sk_str key,
                               const struct otlp_value *value)
{
    enum sk_attr_action action = sk_attr_rules_action(&m->rules->scope, key);
    sk_assert(action != SK_ATTR_LABEL);
    return action == SK_ATTR_DROP ? SK_OK : attribute(m, TO_SHARED, key, value);
}

enum sk_err sk_otlp_scope_end(struct otlp_map *m, const struct otlp_scope *scope)
{
    enum sk_err err = SK_OK;
    if (scope->name.len > 0)
        err = emit(m, TO_SHARED, SK_STR("scope_name"), scope->name);
    if (err == SK_OK && scope->version.len > 0)
        err = emit(m, TO_SHARED, SK_STR("scope_version"), scope->version);
    if (err == SK_OK && scope->dropped_attributes_count != 0)
        err = number_pair(m, TO_SHARED, "scope_dropped_attributes_count",
                          scope->dropped_attributes_count);
    if (err != SK_OK)
        return err;
    if (!SK_GROW(m->block, m->block_cap, m->shared_count))
        return SK_ENOMEM;
    if (m->shared_count > 0)
        memcpy(m->block, m->shared, m->shared_count * sizeof(*m->block));
    reverse(m->block, m->shared_count);
    return SK_OK;
}

/* ---- record ---- */

enum sk_err sk_otlp_record_begin(struct otlp_map *m)
{
    struct sk_push *push = m->push;
    enum sk_err err = SK_OK;
    m->record_labels.count = 0;
    /* With labels of records the record's end decides; any stream will do until then. */
    if (m->stream == UINT32_MAX && (!m->labels_by_record || push->stream_count == 0)) {
        err = labels_print(m);
        if (err == SK_OK)
            err = stream_get(m, &m->stream);
    }
    if (err == SK_OK)
        err = sk_push_add_entry(push, 0, SK_STR(""));
    if (err != SK_OK)
        return err;
    if (!SK_GROW(m->entry_stream, m->entry_stream_cap, push->entry_count))
        return SK_ENOMEM;
    m->entry_stream[push->entry_count - 1] = m->stream;
    if (m->shared_count > SK_PUSH_PAIRS_MAX - push->pair_count)
        return SK_ELIMIT;
    if (!SK_GROW(push->pairs, push->pair_cap, push->pair_count + m->shared_count))
        return SK_ENOMEM;
    if (m->shared_count > 0)
        memcpy(push->pairs + push->pair_count, m->block, m->shared_count * sizeof(*push->pairs));
    push->pair_count += m->shared_count;
    push->entries[push->entry_count - 1].pair_count = (uint32_t)m->shared_count;
    return SK_OK;
}

enum sk_err sk_otlp_record_attr(struct otlp_map *m, struct sk_str key,
                                const struct otlp_value *value)
{
    enum sk_attr_action action = sk_attr_rules_action(&m->rules->record, key);
    if (action == SK_ATTR_DROP)
        return SK_OK;
    return attribute(m, action == SK_ATTR_LABEL ? TO_RECORD_LABELS : TO_ENTRY, key, value);
}

/* Lower hexadecimal digits; nothing when all bytes are zero. */
static enum sk_err id_pair(struct otlp_map *m, const char *name, const uint8_t *id, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    bool any = false;
    for (size_t i = 0; i < len; i++)
        any = any || id[i] != 0;
    if (!any)
        return SK_OK;
    char *text = sk_arena_alloc(&m->push->arena, len * 2);
    if (text == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[id[i] >> 4];
        text[2 * i + 1] = digits[id[i] & 15];
    }
    return sk_push_add_pair(m->push, sk_str_from(name), (struct sk_str){text, len * 2});
}

static enum sk_err record_fields(struct otlp_map *m, const struct otlp_record *r)
{
    enum sk_err err = SK_OK;
    if (r->time_ns != 0 && r->observed_ns != 0)
        err = number_pair(m, TO_ENTRY, "observed_timestamp", r->observed_ns);
    if (err == SK_OK && r->severity_number != 0) {
        struct otlp_value v = {OTLP_INT, {.integer = r->severity_number}};
        err = flatten(m, TO_ENTRY, SK_STR("severity_number"), &v);
    }
    if (err == SK_OK && r->severity_text.len > 0)
        err = sk_push_add_pair(m->push, SK_STR("severity_text"), r->severity_text);
    if (err == SK_OK && r->dropped_attributes_count != 0)
        err = number_pair(m, TO_ENTRY, "dropped_attributes_count", r->dropped_attributes_count);
    if (err == SK_OK && r->flags != 0)
        err = number_pair(m, TO_ENTRY, "flags", r->flags);
    if (err == SK_OK)
        err = id_pair(m, "trace_id", r->trace_id, sizeof(r->trace_id));
    if (err == SK_OK)
        err = id_pair(m, "span_id", r->span_id, sizeof(r->span_id));
    return err;
}

enum sk_err sk_otlp_record_end(struct otlp_map *m, const struct otlp_record *r)
{
    size_t idx = m->push->entry_count - 1;
    enum sk_err err = record_fields(m, r);
    struct sk_str line;
    if (err == SK_OK)
        err = sk_otlp_text(&m->push->arena, &m->scratch, &r->body, &line);
    if (err == SK_OK && m->rules->severity_text_as_label && r->severity_text.len > 0)
        err = label_add(m, &m->record_labels, SK_STR("severity_text"), r->severity_text);
    if (err == SK_OK && m->labels_by_record) {
        labels_sort(&m->record_labels);
        err = labels_print(m);
        if (err == SK_OK)
            err = stream_get(m, &m->entry_stream[idx]);
    }
    if (err != SK_OK)
        return err;
    struct sk_push_entry *e = &m->push->entries[idx];
    e->line = line;
    e->ts_ns = r->time_ns != 0       ? (int64_t)r->time_ns
               : r->observed_ns != 0 ? (int64_t)r->observed_ns
                                     : m->now_ns;
    if (e->pair_count > m->shared_count)
        reverse(m->push->pairs + e->pair_first + m->shared_count, e->pair_count - m->shared_count);
    if (idx > 0 && m->entry_stream[idx] < m->entry_stream[idx - 1])
        m->disordered = true;
    return SK_OK;
}

/* ---- streams ---- */

/* Entries by stream, keeping their order; `first` has each stream's place. */
static enum sk_err entries_sort(struct otlp_map *m)
{
    struct sk_push *push = m->push;
    struct sk_push_entry *sorted = sk_calloc(push->entry_count, sizeof(*sorted));
    if (sorted == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < push->stream_count; i++)
        push->streams[i].entry_count = 0;
    for (size_t i = 0; i < push->entry_count; i++) {
        struct sk_push_stream *s = &push->streams[m->entry_stream[i]];
        sorted[s->entry_first + s->entry_count++] = push->entries[i];
    }
    sk_free(push->entries);
    push->entries = sorted;
    push->entry_cap = push->entry_count;
    return SK_OK;
}

enum sk_err sk_otlp_finish(struct otlp_map *m)
{
    struct sk_push *push = m->push;
    for (size_t i = 0; i < push->stream_count; i++)
        push->streams[i].entry_count = 0;
    for (size_t i = 0; i < push->entry_count; i++)
        push->streams[m->entry_stream[i]].entry_count++;
    uint32_t at = 0;
    for (size_t i = 0; i < push->stream_count; i++) {
        push->streams[i].entry_first = at;
        at += push->streams[i].entry_count;
    }
    sk_assert(at == push->entry_count);
    enum sk_err err = m->disordered ? entries_sort(m) : SK_OK;
    if (err != SK_OK)
        return err;
    size_t kept = 0; /* only with labels of records can one be empty */
    for (size_t i = 0; i < push->stream_count; i++) {
        if (push->streams[i].entry_count > 0)
            push->streams[kept++] = push->streams[i];
    }
    push->stream_count = kept;
    return SK_OK;
}
