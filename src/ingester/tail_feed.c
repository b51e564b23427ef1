/* SPDX-License-Identifier: Apache-2.0 */
/* tail_feed.c -- see tail_feed.h. Whether a stream fits a feed is found once and remembered by the
 * stream's reference. Order of locks: feeds_lock, then a feed's own. */
#include "ingester/tail_feed.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "ingester/ingester_int.h"

/* A feed remembers so many streams; the memory is emptied beyond. */
enum { STREAMS_KNOWN_MAX = 20000 };

struct sk_tail_labels {
    _Atomic uint32_t refs;
    struct sk_labelset set; /* heap block, owned */
    uint64_t hash;
    struct sk_budget *budget;
    uint64_t charged_bytes;
};

struct sk_tail_batch {
    _Atomic uint32_t refs;
    struct sk_tail_labels *labels;
    struct sk_budget *budget;
    size_t len;
    uint8_t bytes[];
};

struct sk_tail_feed {
    struct sk_tail_feed *next;
    struct sk_ingester *ing;
    struct sk_tail_feed_options opt;
    struct sk_hmap known; /* by a stream's reference: fits or not; the applier's */
    uint64_t known_bytes; /* charged for it */
    pthread_mutex_t lock; /* of what follows */
    struct sk_tail_item *head, **tail;
    uint64_t held_bytes; /* of items not freed yet, taken ones too */
    struct sk_tail_drops drops;
    _Atomic bool waiting;
};

static const char fits, fits_not; /* what `known` points to */

/* ---- labels, notes ---- */

static struct sk_tail_labels *labels_make(struct sk_budget *budget, struct sk_labelset set,
                                          uint64_t hash)
{
    uint64_t bytes = sizeof(struct sk_tail_labels) + set.count * sizeof(struct sk_label);
    for (size_t i = 0; i < set.count; i++)
        bytes += set.items[i].name.len + set.items[i].value.len;
    if (!sk_budget_charge(budget, bytes))
        return NULL;
    struct sk_tail_labels *l = sk_calloc(1, sizeof(*l));
    if (l == NULL || sk_labels_copy_heap(set, &l->set) != SK_OK) {
        sk_budget_release(budget, bytes);
        sk_free(l);
        return NULL;
    }
    atomic_init(&l->refs, 1);
    l->hash = hash;
    l->budget = budget;
    l->charged_bytes = bytes;
    return l;
}

struct sk_labelset sk_tail_labels_set(const struct sk_tail_labels *labels)
{
    return labels->set;
}

uint64_t sk_tail_labels_hash(const struct sk_tail_labels *labels)
{
    return labels->hash;
}

struct sk_tail_labels *sk_tail_labels_ref(struct sk_tail_labels *labels)
{
    atomic_fetch_add_explicit(&labels->refs, 1, memory_order_relaxed);
    return labels;
}

void sk_tail_labels_unref(struct sk_tail_labels *labels)
{
    if (labels == NULL || atomic_fetch_sub_explicit(&labels->refs, 1, memory_order_acq_rel) != 1)
        return;
    sk_budget_release(labels->budget, labels->charged_bytes);
    sk_free((void *)(uintptr_t)labels->set.items);
    sk_free(labels);
}

void sk_tail_drops_add(struct sk_tail_drops *drops, int64_t ts_ns, struct sk_tail_labels *labels)
{
    if (drops->items == NULL)
        drops->items = sk_calloc(SK_TAIL_DROPS_MAX, sizeof(*drops->items));
    if (drops->items == NULL || drops->count == SK_TAIL_DROPS_MAX) {
        drops->uncounted++;
        return;
    }
    drops->items[drops->count++] = (struct sk_tail_drop){ts_ns, sk_tail_labels_ref(labels)};
}

void sk_tail_drops_clear(struct sk_tail_drops *drops)
{
    for (size_t i = 0; i < drops->count; i++)
        sk_tail_labels_unref(drops->items[i].labels);
    sk_free(drops->items);
    *drops = (struct sk_tail_drops){.items = NULL};
}

/* ---- batches and items ---- */

static void batch_unref(struct sk_tail_batch *b)
{
    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    sk_tail_labels_unref(b->labels);
    sk_budget_release(b->budget, sizeof(*b) + b->len);
    sk_free(b);
}

static struct sk_tail_batch *batch_make(struct sk_budget *budget, struct sk_tail_labels *labels,
                                        struct sk_slice bytes)
{
    if (!sk_budget_charge(budget, sizeof(struct sk_tail_batch) + bytes.len))
        return NULL;
    struct sk_tail_batch *b = sk_malloc(sizeof(*b) + bytes.len);
    if (b == NULL) {
        sk_budget_release(budget, sizeof(*b) + bytes.len);
        return NULL;
    }
    atomic_init(&b->refs, 1);
    b->labels = sk_tail_labels_ref(labels);
    b->budget = budget;
    b->len = bytes.len;
    memcpy(b->bytes, bytes.ptr, bytes.len);
    return b;
}

void sk_tail_item_free(struct sk_tail_item *item)
{
    struct sk_tail_feed *feed = item->feed;
    pthread_mutex_lock(&feed->lock);
    feed->held_bytes -= sizeof(*item) + item->batch->len;
    pthread_mutex_unlock(&feed->lock);
    batch_unref(item->batch);
    sk_free(item);
}

/* ---- offering: the applier, with feeds_lock ---- */

/* A section that is being offered; the copy is made when the first feed wants it. */
struct offer {
    struct stream *stream;
    const struct sk_wal_record *entries; /* at the section's first */
    uint64_t count, number;
    int64_t now_ns;
    struct sk_tail_labels *labels;
    struct sk_tail_batch *batch;
    bool tried;
};

/* After the memory of streams has grown or was emptied. */
static void known_charge(struct sk_tail_feed *f)
{
    uint64_t bytes = sk_hmap_slots(&f->known) * sizeof(*f->known.slots);
    sk_budget_force(f->ing->opt.tail_budget, bytes);
    sk_budget_release(f->ing->opt.tail_budget, f->known_bytes);
    f->known_bytes = bytes;
}

static bool feed_wants(struct sk_tail_feed *f, const struct stream *s)
{
    if (!sk_str_eq(f->opt.tenant, s->tenant->name_str))
        return false;
    size_t at = sk_hmap_first(&f->known, s->ref);
    if (at != SK_HMAP_END)
        return f->known.slots[at].value == &fits;
    bool match = sk_matchers_match(f->opt.matchers, f->opt.matcher_count, s->labels);
    if (f->known.count >= STREAMS_KNOWN_MAX)
        sk_hmap_deinit(&f->known);
    /* when it cannot be remembered it is found again */
    (void)!sk_hmap_add(&f->known, s->ref, (void *)(uintptr_t)(match ? &fits : &fits_not));
    known_charge(f);
    return match;
}

static void offer_copy(struct sk_ingester *ing, struct offer *o)
{
    struct sk_budget *budget = ing->opt.tail_budget;
    struct sk_slice bytes = {o->entries->p, (size_t)(o->entries->end - o->entries->p)};
    if (o->tried)
        return;
    o->tried = true;
    o->labels = labels_make(budget, o->stream->labels, o->stream->hash);
    if (o->labels != NULL)
        o->batch = batch_make(budget, o->labels, bytes);
}

static void feed_note(struct sk_tail_feed *f, const struct offer *o)
{
    struct sk_wal_record rec = *o->entries;
    struct sk_wal_entry_view e;
    if (o->labels == NULL) {
        f->drops.uncounted += o->count;
        return;
    }
    for (uint64_t i = 0; i < o->count; i++) {
        sk_wal_entry_next(&rec, NULL, 0, &e);
        sk_tail_drops_add(&f->drops, e.ts_ns, o->labels);
    }
}

static void feed_add(struct sk_tail_feed *f, struct offer *o)
{
    struct sk_tail_item *item = o->batch == NULL ? NULL : sk_malloc(sizeof(*item));
    uint64_t bytes = o->batch == NULL ? 0 : sizeof(*item) + o->batch->len;
    pthread_mutex_lock(&f->lock);
    if (item == NULL || (f->held_bytes > 0 && f->held_bytes + bytes > SK_TAIL_FEED_BYTES_MAX)) {
        feed_note(f, o);
        sk_free(item);
    } else {
        *item = (struct sk_tail_item){.entries = *o->entries,
                                      .left = o->count,
                                      .number = o->number,
                                      .arrived_ns = o->now_ns,
                                      .labels = o->labels,
                                      .batch = o->batch,
                                      .feed = f};
        item->entries.p = o->batch->bytes;
        item->entries.end = o->batch->bytes + o->batch->len;
        atomic_fetch_add_explicit(&o->batch->refs, 1, memory_order_relaxed);
        f->held_bytes += bytes;
        *f->tail = item;
        f->tail = &item->next;
    }
    atomic_store(&f->waiting, true);
    pthread_mutex_unlock(&f->lock);
}

void feeds_offer(struct sk_ingester *ing, struct stream *s, const struct sk_wal_record *entries,
                 uint64_t count, uint64_t number)
{
    struct offer o = {.stream = s,
                      .entries = entries,
                      .count = count,
                      .number = number,
                      .now_ns = sk_clock_now_ns()};
    pthread_mutex_lock(&ing->feeds_lock);
    for (struct sk_tail_feed *f = ing->feeds; f != NULL; f = f->next) {
        if (!feed_wants(f, s))
            continue;
        offer_copy(ing, &o);
        feed_add(f, &o);
    }
    pthread_mutex_unlock(&ing->feeds_lock);
    batch_unref(o.batch);
    sk_tail_labels_unref(o.labels);
}

/* ---- feeds ---- */

enum sk_err sk_tail_feed_open(struct sk_ingester *ing, const struct sk_tail_feed_options *opt,
                              struct sk_tail_feed **ret)
{
    struct sk_tail_feed *f = sk_calloc(1, sizeof(*f));
    uint64_t same = 0;
    if (f == NULL)
        return SK_ENOMEM;
    f->ing = ing;
    f->opt = *opt;
    f->tail = &f->head;
    pthread_mutex_init(&f->lock, NULL);
    pthread_mutex_lock(&ing->feeds_lock);
    for (const struct sk_tail_feed *k = ing->feeds; k != NULL; k = k->next)
        same += sk_str_eq(k->opt.tenant, opt->tenant);
    bool room = same < opt->feeds_max;
    if (room) {
        f->next = ing->feeds;
        ing->feeds = f;
        atomic_fetch_add(&ing->feed_count, 1);
    }
    pthread_mutex_unlock(&ing->feeds_lock);
    if (!room) {
        pthread_mutex_destroy(&f->lock);
        sk_free(f);
        return SK_ELIMIT;
    }
    *ret = f;
    return SK_OK;
}

void sk_tail_feed_close(struct sk_tail_feed *feed)
{
    if (feed == NULL)
        return;
    struct sk_ingester *ing = feed->ing;
    pthread_mutex_lock(&ing->feeds_lock);
    struct sk_tail_feed **at = &ing->feeds;
    while (*at != feed)
        at = &(*at)->next;
    *at = feed->next;
    atomic_fetch_sub(&ing->feed_count, 1);
    pthread_mutex_unlock(&ing->feeds_lock); /* from here on nothing is offered */
    for (struct sk_tail_item *i = feed->head, *next; i != NULL; i = next) {
        next = i->next;
        sk_tail_item_free(i);
    }
    sk_tail_drops_clear(&feed->drops);
    sk_hmap_deinit(&feed->known);
    sk_budget_release(ing->opt.tail_budget, feed->known_bytes);
    pthread_mutex_destroy(&feed->lock);
    sk_free(feed);
}

bool sk_tail_feed_waiting(const struct sk_tail_feed *feed)
{
    return atomic_load(&feed->waiting);
}

struct sk_tail_item *sk_tail_feed_take(struct sk_tail_feed *feed, struct sk_tail_drops *drops,
                                       uint64_t *ret_done)
{
    *ret_done =
        atomic_load(&feed->ing->applied_done); /* before: what is offered later comes later */
    pthread_mutex_lock(&feed->lock);
    struct sk_tail_item *items = feed->head;
    feed->head = NULL;
    feed->tail = &feed->head;
    *drops = feed->drops;
    feed->drops = (struct sk_tail_drops){.items = NULL};
    atomic_store(&feed->waiting, false);
    pthread_mutex_unlock(&feed->lock);
    return items;
}

uint64_t sk_ingester_applied_begun(const struct sk_ingester *ing)
{
    return atomic_load(&ing->applied_begun);
}
