/* SPDX-License-Identifier: Apache-2.0 */
/* label_cache.c -- what a label text of a push means: parsed, sorted, completed with service_name,
 * judged by the tenant's limits. Clients send the same few texts over and over, so that all this
 * is done once per text. The cache is emptied when it is full. */
#include "ingester/ingester_int.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "wire/level.h"

enum { LABEL_TEXT_BYTES_MAX = 16 << 20 };

void label_entry_unref(struct label_entry *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    sk_arena_deinit(&e->arena);
    sk_free(e->parse_error);
    sk_free(e->invalid);
    sk_free(e);
}

void label_cache_clear(struct tenant *t)
{
    for (size_t i = 0; i < sk_hmap_slots(&t->label_cache); i++)
        label_entry_unref(t->label_cache.slots[i].value);
    sk_hmap_deinit(&t->label_cache);
}

/* Drops empty values; adds service_name where the limits ask for it. */
static enum sk_err complete(struct label_entry *e, struct sk_labelset sent,
                            const struct sk_limits *limits)
{
    struct sk_label *items = sk_arena_calloc(&e->arena, sent.count + 1, sizeof(*items));
    size_t n = 0;
    if (items == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < sent.count; i++) {
        if (sent.items[i].value.len != 0)
            items[n++] = sent.items[i];
    }
    struct sk_labelset set = {items, n};
    if (limits->discover_service_name.count > 0 &&
        sk_labels_find(set, SK_STR("service_name")) == SIZE_MAX &&
        sk_labels_find(set, SK_STR("__aggregated_metric__")) == SIZE_MAX &&
        sk_labels_find(set, SK_STR("__pattern__")) == SIZE_MAX) {
        struct sk_str value = SK_STR("unknown_service");
        for (size_t i = 0; i < limits->discover_service_name.count; i++) {
            size_t at = sk_labels_find(set, limits->discover_service_name.items[i]);
            if (at != SIZE_MAX) {
                value = items[at].value;
                break;
            }
        }
        items[n++] = (struct sk_label){SK_STR("service_name"), value};
        sk_labels_sort(items, n);
    }
    e->labels = (struct sk_labelset){items, n};
    return SK_OK;
}

static enum sk_err invalid_set(struct label_entry *e, const char *reason, struct sk_strbuf *text)
{
    e->invalid_reason = reason;
    e->invalid = text->failed ? NULL : sk_strbuf_take(text);
    return e->invalid == NULL ? SK_ENOMEM : SK_OK;
}

static enum sk_err check_enforced(struct label_entry *e, const struct sk_limits *limits,
                                  struct sk_str tenant, struct sk_strbuf *out)
{
    size_t missing = 0;
    sk_strbuf_puts(out, "missing required labels '");
    for (size_t i = 0; i < limits->enforced_labels.count; i++) {
        if (sk_labels_find(e->labels, limits->enforced_labels.items[i]) != SIZE_MAX)
            continue;
        sk_strbuf_puts(out, missing++ > 0 ? "," : "");
        sk_strbuf_str(out, limits->enforced_labels.items[i]);
    }
    if (missing == 0)
        return SK_OK;
    sk_strbuf_printf(out, "' for user '%.*s' for stream '%.*s' (policy: '')", SK_STR_ARG(tenant),
                     SK_STR_ARG(e->printed));
    return invalid_set(e, "missing_enforced_labels", out);
}

/* The checks of spec http-api 3 that concern labels, in Loki's order. */
static enum sk_err judge(struct label_entry *e, const struct sk_limits *limits,
                         struct sk_str tenant)
{
    struct sk_strbuf out;
    enum sk_err err = SK_OK;
    sk_strbuf_init(&out, 64 << 20);
    size_t counted = e->labels.count;
    if (limits->discover_service_name.count > 0 &&
        sk_labels_find(e->labels, SK_STR("service_name")) != SIZE_MAX)
        counted--;
    if (counted > limits->max_label_names_per_series) {
        sk_strbuf_printf(&out, "entry for stream '%.*s' has %zu label names; limit %llu",
                         SK_STR_ARG(e->printed), counted,
                         (unsigned long long)limits->max_label_names_per_series);
        err = invalid_set(e, "max_label_names_per_series", &out);
        goto out;
    }
    for (size_t i = 0; i < e->labels.count && err == SK_OK && e->invalid == NULL; i++) {
        const struct sk_label *l = &e->labels.items[i];
        if (l->name.len > limits->max_label_name_length) {
            sk_strbuf_printf(&out, "stream '%.*s' has label name too long: '%.*s'",
                             SK_STR_ARG(e->printed), SK_STR_ARG(l->name));
            err = invalid_set(e, "label_name_too_long", &out);
        } else if (l->value.len > limits->max_label_value_length) {
            sk_strbuf_printf(&out, "stream '%.*s' has label value too long: '%.*s'",
                             SK_STR_ARG(e->printed), SK_STR_ARG(l->value));
            err = invalid_set(e, "label_value_too_long", &out);
        } else if (i > 0 && sk_str_eq(l->name, e->labels.items[i - 1].name)) {
            sk_strbuf_printf(&out, "stream '%.*s' has duplicate label name: '%.*s'",
                             SK_STR_ARG(e->printed), SK_STR_ARG(l->name));
            err = invalid_set(e, "duplicate_label_names", &out);
        }
    }
    if (err == SK_OK && e->invalid == NULL && limits->enforced_labels.count > 0)
        err = check_enforced(e, limits, tenant, &out);
out:
    sk_strbuf_deinit(&out);
    return err;
}

/* A level that a stream label gives to all its entries. */
static void level_of_labels(struct label_entry *e, const struct sk_limits *limits)
{
    if (!limits->discover_log_levels || !limits->allow_structured_metadata)
        return;
    for (size_t i = 0; i < limits->log_level_fields.count; i++) {
        size_t at = sk_labels_find(e->labels, limits->log_level_fields.items[i]);
        if (at == SIZE_MAX)
            continue;
        e->level = e->labels.items[at].value;
        struct sk_str known;
        if (sk_level_of_word(e->level, &known))
            e->level = known;
        return;
    }
}

static enum sk_err entry_fill(struct label_entry *e, struct tenant *t,
                              const struct sk_limits *limits, struct sk_str text)
{
    struct sk_error detail;
    struct sk_labelset sent;
    e->text = sk_arena_str(&e->arena, text);
    if (e->text.ptr == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_labels_parse(&e->arena, e->text, &sent, &detail);
    if (err == SK_EPARSE) {
        e->parse_error = sk_memdup0(detail.text, strlen(detail.text));
        return e->parse_error == NULL ? SK_ENOMEM : SK_OK;
    }
    if (err == SK_OK)
        err = complete(e, sent, limits);
    if (err != SK_OK)
        return err;
    e->hash = sk_labels_fingerprint(e->labels);
    struct sk_strbuf printed;
    sk_strbuf_init(&printed, 64 << 20);
    sk_labels_format(&printed, e->labels);
    if (!printed.failed)
        e->printed = sk_arena_str(&e->arena, sk_strbuf_view(&printed));
    sk_strbuf_deinit(&printed);
    if (e->printed.ptr == NULL)
        return SK_ENOMEM;
    level_of_labels(e, limits);
    e->limits = limits;
    return judge(e, limits, t->name_str);
}

enum sk_err label_cache_get(struct tenant *t, const struct sk_limits *limits, struct sk_str text,
                            struct label_entry **ret)
{
    uint64_t hash = sk_hash_mem(text.ptr, text.len);
    pthread_mutex_lock(&t->cache_lock);
    for (size_t at = sk_hmap_first(&t->label_cache, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&t->label_cache, hash, at)) {
        struct label_entry *e = t->label_cache.slots[at].value;
        if (e->limits == limits && sk_str_eq(e->text, text)) {
            atomic_fetch_add(&e->refs, 1);
            pthread_mutex_unlock(&t->cache_lock);
            *ret = e;
            return SK_OK;
        }
    }
    pthread_mutex_unlock(&t->cache_lock);

    struct label_entry *e = sk_calloc(1, sizeof(*e));
    if (e == NULL)
        return SK_ENOMEM;
    atomic_init(&e->refs, 1);
    e->text_hash = hash;
    sk_arena_init(&e->arena, LABEL_TEXT_BYTES_MAX * 4, t->ing->heads);
    enum sk_err err = entry_fill(e, t, limits, text);
    if (err != SK_OK) {
        label_entry_unref(e);
        return err;
    }
    if (e->parse_error == NULL && text.len < 64 * 1024) {
        pthread_mutex_lock(&t->cache_lock);
        if (t->label_cache.count >= SK_INGEST_LABEL_CACHE_MAX)
            label_cache_clear(t);
        if (sk_hmap_add(&t->label_cache, hash, e))
            atomic_fetch_add(&e->refs, 1);
        pthread_mutex_unlock(&t->cache_lock);
    }
    *ret = e;
    return SK_OK;
}
