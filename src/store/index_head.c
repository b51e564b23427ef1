/* SPDX-License-Identifier: Apache-2.0 */
/* index_head.c -- what has been flushed since the last index build, by tenant and stream. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "store/store_int.h"

static uint64_t series_key(struct sk_str tenant, uint64_t hash)
{
    return hash ^ sk_hash_mem(tenant.ptr, tenant.len);
}

static struct head_series *series_find(const struct index_head *head, struct sk_str tenant,
                                       struct sk_labelset labels, uint64_t hash)
{
    uint64_t key = series_key(tenant, hash);
    for (size_t at = sk_hmap_first(&head->by_key, key); at != SK_HMAP_END;
         at = sk_hmap_next(&head->by_key, key, at)) {
        struct head_series *s = head->by_key.slots[at].value;
        if (s->hash == hash && sk_str_is(tenant, s->tenant) && sk_labels_eq(s->labels, labels))
            return s;
    }
    return NULL;
}

static void series_free(struct head_series *s)
{
    if (s == NULL)
        return;
    sk_free(s->tenant);
    sk_free((void *)(uintptr_t)s->labels.items);
    sk_free(s->chunks);
    sk_free(s);
}

static enum sk_err series_add(struct index_head *head, struct sk_str tenant,
                              struct sk_labelset labels, uint64_t fingerprint, uint64_t hash,
                              struct head_series **ret)
{
    struct head_series *s = sk_calloc(1, sizeof(*s));
    if (s == NULL)
        return SK_ENOMEM;
    s->fingerprint = fingerprint;
    s->hash = hash;
    s->tenant = sk_memdup0(tenant.ptr, tenant.len);
    if (s->tenant == NULL || sk_labels_copy_heap(labels, &s->labels) != SK_OK ||
        !sk_hmap_add(&head->by_key, series_key(tenant, hash), s)) {
        series_free(s);
        return SK_ENOMEM;
    }
    s->next = head->first;
    head->first = s;
    *ret = s;
    return SK_OK;
}

enum sk_err head_add(struct index_head *head, struct sk_str tenant, struct sk_labelset labels,
                     uint64_t fingerprint, const struct sk_index_chunk *entry, uint64_t first_seg)
{
    uint64_t hash = sk_labels_fingerprint(labels);
    struct head_series *s = series_find(head, tenant, labels, hash);
    enum sk_err err = SK_OK;
    if (s != NULL && s->fingerprint != fingerprint)
        s = NULL; /* the same labels under another reference: an entry of its own */
    if (s == NULL)
        err = series_add(head, tenant, labels, fingerprint, hash, &s);
    if (err != SK_OK)
        return err;
    if (!SK_GROW(s->chunks, s->cap, s->count + 1))
        return SK_ENOMEM;
    s->chunks[s->count++] = (struct head_chunk){*entry, first_seg};
    if (head->chunk_count++ == 0)
        head->since_ns = sk_clock_now_ns();
    return SK_OK;
}

bool head_has(const struct index_head *head, struct sk_str tenant, struct sk_labelset labels,
              const struct sk_index_chunk *entry)
{
    const struct head_series *s = series_find(head, tenant, labels, sk_labels_fingerprint(labels));
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        const struct sk_index_chunk *c = &s->chunks[i].entry;
        if (c->checksum == entry->checksum && c->from_ms == entry->from_ms &&
            c->through_ms == entry->through_ms)
            return true;
    }
    return false;
}

void head_deinit(struct index_head *head)
{
    for (struct head_series *s = head->first, *next; s != NULL; s = next) {
        next = s->next;
        series_free(s);
    }
    sk_hmap_deinit(&head->by_key);
    *head = (struct index_head){0};
}
