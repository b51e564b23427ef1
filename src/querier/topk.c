/* SPDX-License-Identifier: Apache-2.0 */
/* topk.c -- see topk.h. `forward` decides all comparisons; worse() is the heap's order. */
#include "querier/topk.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/hash.h"

void sk_topk_init(struct sk_topk *t, struct sk_log_result *res, uint64_t limit, bool thinning,
                  bool forward)
{
    *t = (struct sk_topk){.res = res, .limit = limit, .thinning = thinning, .forward = forward};
    sk_strbuf_init(&t->scratch, 64u << 20);
}

/* What the heap's array and the allocator need beside a line, and an identity in its table. */
#define ITEM_BYTES (2 * sizeof(struct sk_result_entry) + 16)
#define SEEN_BYTES (4 * sizeof(struct sk_hmap_slot))

static uint64_t item_bytes(struct sk_str line)
{
    return line.len + 1 + ITEM_BYTES;
}

static void entry_free(struct sk_topk *t, struct sk_result_entry *e)
{
    uint64_t bytes = item_bytes(e->line);
    sk_free((void *)(uintptr_t)e->line.ptr);
    sk_budget_release(t->res->budget, bytes);
    t->res->charged_bytes -= bytes;
}

void sk_topk_deinit(struct sk_topk *t)
{
    for (size_t i = 0; i < t->count; i++)
        entry_free(t, &t->items[i]);
    for (size_t i = 0; i < t->done_count; i++)
        entry_free(t, &t->done[i]);
    sk_free(t->items);
    sk_free(t->done);
    sk_hmap_deinit(&t->sets);
    sk_hmap_deinit(&t->seen);
    sk_strbuf_deinit(&t->scratch);
    *t = (struct sk_topk){0};
}

/* <0: x comes before y in the result. */
static int order(bool forward, const struct sk_result_entry *x, const struct sk_result_entry *y)
{
    if (x->ts_ns != y->ts_ns)
        return (x->ts_ns < y->ts_ns) == forward ? -1 : 1;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->seq == y->seq)
        return 0;
    return (x->seq < y->seq) == forward ? -1 : 1;
}

static int cmp_forward(const void *a, const void *b)
{
    return order(true, a, b);
}

static int cmp_backward(const void *a, const void *b)
{
    return order(false, a, b);
}

bool sk_topk_hopeless(const struct sk_topk *t, int64_t ts_ns)
{
    if (t->count < t->limit)
        return false;
    return t->forward ? ts_ns > t->items[0].ts_ns : ts_ns < t->items[0].ts_ns;
}

bool sk_topk_full(const struct sk_topk *t, int64_t *ret_ts_ns)
{
    if (t->count < t->limit)
        return false;
    *ret_ts_ns = t->items[0].ts_ns;
    return true;
}

bool sk_topk_complete(const struct sk_topk *t)
{
    return t->done_count >= t->limit;
}

/* ---- heap: items[0] is the worst ---- */

static void sift_up(struct sk_topk *t, size_t i)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (order(t->forward, &t->items[parent], &t->items[i]) >= 0)
            return;
        struct sk_result_entry swap = t->items[parent];
        t->items[parent] = t->items[i];
        t->items[i] = swap;
        i = parent;
    }
}

static void sift_down(struct sk_topk *t, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < t->count; k++) {
            if (order(t->forward, &t->items[worst], &t->items[k]) < 0)
                worst = k;
        }
        if (worst == i)
            return;
        struct sk_result_entry swap = t->items[worst];
        t->items[worst] = t->items[i];
        t->items[i] = swap;
        i = worst;
    }
}

static bool heap_room(struct sk_topk *t)
{
    return t->count >= t->limit || SK_GROW(t->items, t->items_cap, t->count + 1);
}

/* There is room, and when the heap is full `e` is better than its worst. */
static void heap_put(struct sk_topk *t, const struct sk_result_entry *e)
{
    if (t->count >= t->limit) {
        entry_free(t, &t->items[0]);
        t->items[0] = *e;
        sift_down(t, 0);
    } else {
        t->items[t->count++] = *e;
        sift_up(t, t->count - 1);
    }
}

/* ---- interned label sets ---- */

static uint64_t set_hash(uint64_t h, struct sk_labelset set, uint64_t salt)
{
    h = (h + salt) * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < set.count; i++) {
        h = h * 0x9e3779b97f4a7c15u + sk_hash_mem(set.items[i].name.ptr, set.items[i].name.len);
        h = h * 0x9e3779b97f4a7c15u + sk_hash_mem(set.items[i].value.ptr, set.items[i].value.len);
    }
    return h;
}

/* Union of three sorted sets whose names differ. */
static enum sk_err set_union(struct sk_arena *arena, const struct sk_result_labels *l,
                             struct sk_labelset *ret)
{
    size_t n = l->stream.count + l->meta.count + l->parsed.count;
    struct sk_label *items = sk_arena_calloc(arena, n, sizeof(*items));
    if (items == NULL)
        return SK_ENOMEM;
    const struct sk_labelset *parts[3] = {&l->stream, &l->meta, &l->parsed};
    size_t at[3] = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        int best = -1;
        for (int p = 0; p < 3; p++) {
            if (at[p] < parts[p]->count &&
                (best < 0 ||
                 sk_str_cmp(parts[p]->items[at[p]].name, parts[best]->items[at[best]].name) < 0))
                best = p;
        }
        items[i] = parts[best]->items[at[best]++];
    }
    *ret = (struct sk_labelset){items, n};
    return SK_OK;
}

static struct sk_str set_print(struct sk_topk *t, struct sk_labelset set)
{
    sk_strbuf_reset(&t->scratch);
    sk_labels_format(&t->scratch, set);
    if (t->scratch.failed)
        return (struct sk_str){NULL, 0};
    return sk_arena_str(&t->res->arena, sk_strbuf_view(&t->scratch));
}

static enum sk_err set_intern(struct sk_topk *t, const struct sk_pipeline_labels *l,
                              const struct sk_result_labels **ret)
{
    uint64_t h = set_hash(set_hash(set_hash(0, l->stream, 1), l->meta, 2), l->parsed, 3);
    for (size_t at = sk_hmap_first(&t->sets, h); at != SK_HMAP_END;
         at = sk_hmap_next(&t->sets, h, at)) {
        const struct sk_result_labels *s = t->sets.slots[at].value;
        if (sk_labels_eq(s->stream, l->stream) && sk_labels_eq(s->meta, l->meta) &&
            sk_labels_eq(s->parsed, l->parsed)) {
            *ret = s;
            return SK_OK;
        }
    }
    struct sk_arena *arena = &t->res->arena;
    struct sk_result_labels *s = sk_arena_calloc(arena, 1, sizeof(*s));
    if (s == NULL || sk_labels_copy(arena, l->stream, &s->stream) != SK_OK ||
        sk_labels_copy(arena, l->meta, &s->meta) != SK_OK ||
        sk_labels_copy(arena, l->parsed, &s->parsed) != SK_OK ||
        set_union(arena, s, &s->all) != SK_OK)
        return SK_ENOMEM;
    s->printed = set_print(t, s->all);
    s->printed_stream = set_print(t, s->stream);
    if (s->printed.ptr == NULL || s->printed_stream.ptr == NULL || !sk_hmap_add(&t->sets, h, s))
        return SK_ENOMEM;
    *ret = s;
    return SK_OK;
}

/* ---- offering ---- */

/* A node per entry that was offered; repeats hang their places behind it. NULL: it is a repeat, or
 * there is no memory (*err). */
static struct sk_result_repeat *first_time(struct sk_topk *t, uint64_t identity, uint64_t seq,
                                           enum sk_err *err)
{
    size_t at = sk_hmap_first(&t->seen, identity);
    struct sk_result_repeat *node = sk_arena_alloc(&t->res->arena, sizeof(*node));
    *err = node == NULL ? SK_ENOMEM : SK_OK;
    if (node == NULL)
        return NULL;
    *node = (struct sk_result_repeat){NULL, seq};
    if (at != SK_HMAP_END) {
        struct sk_result_repeat *first = t->seen.slots[at].value;
        node->next = first->next;
        first->next = node;
        return NULL;
    }
    bool charged = sk_budget_charge(t->res->budget, SEEN_BYTES);
    t->res->charged_bytes += charged ? SEEN_BYTES : 0;
    if (!charged || !sk_hmap_add(&t->seen, identity, node)) {
        *err = SK_ENOMEM;
        return NULL;
    }
    return node;
}

/* Entries are the same when stream, time, line and labels are, as the pipeline has left them. */
static uint64_t identity_of(const struct sk_result_entry *e, struct sk_str line)
{
    uint64_t h = sk_hash_mem(line.ptr, line.len);
    h = (h ^ (uint64_t)e->ts_ns) * 0x9e3779b97f4a7c15u + e->hash;
    return h * 0x9e3779b97f4a7c15u + (uint64_t)(uintptr_t)e->labels;
}

enum sk_err sk_topk_offer(struct sk_topk *t, int64_t ts_ns, uint64_t hash, uint64_t seq,
                          struct sk_str line, const struct sk_pipeline_labels *labels)
{
    struct sk_result_entry e = {.ts_ns = ts_ns, .hash = hash, .seq = seq};
    enum sk_err err = SK_OK;
    if (sk_topk_hopeless(t, ts_ns))
        return SK_OK;
    err = set_intern(t, labels, &e.labels);
    if (err != SK_OK)
        return err;
    e.repeats = first_time(t, identity_of(&e, line), seq, &err);
    if (e.repeats == NULL)
        return err;
    if (t->count >= t->limit && order(t->forward, &e, &t->items[0]) >= 0)
        return SK_OK;
    if (!sk_budget_charge(t->res->budget, item_bytes(line)))
        return SK_ENOMEM;
    char *copy = sk_memdup0(line.ptr, line.len);
    if (copy == NULL || !heap_room(t)) {
        sk_budget_release(t->res->budget, item_bytes(line));
        sk_free(copy);
        return SK_ENOMEM;
    }
    t->res->charged_bytes += item_bytes(line);
    e.line = (struct sk_str){copy, line.len};
    heap_put(t, &e);
    return SK_OK;
}

/* ---- what another one has found ---- */

static enum sk_err repeats_copy(struct sk_topk *t, const struct sk_result_repeat *list,
                                const struct sk_result_repeat **ret)
{
    struct sk_result_repeat *first = NULL, **end = &first;
    for (; list != NULL; list = list->next) {
        *end = sk_arena_alloc(&t->res->arena, sizeof(**end));
        if (*end == NULL)
            return SK_ENOMEM;
        **end = (struct sk_result_repeat){NULL, list->seq};
        end = &(*end)->next;
    }
    *ret = first;
    return SK_OK;
}

/* `e` is kept or freed. */
static enum sk_err entry_absorb(struct sk_topk *t, struct sk_topk *from, struct sk_result_entry *e)
{
    enum sk_err err = SK_OK;
    bool wanted = t->count < t->limit || order(t->forward, e, &t->items[0]) < 0;
    if (wanted) {
        struct sk_pipeline_labels l = {e->labels->stream, e->labels->meta, e->labels->parsed};
        err = set_intern(t, &l, &e->labels);
    }
    if (wanted && err == SK_OK)
        err = repeats_copy(t, e->repeats, &e->repeats);
    if (wanted && err == SK_OK && !heap_room(t))
        err = SK_ENOMEM;
    if (!wanted || err != SK_OK) {
        entry_free(from, e);
        return err;
    }
    from->res->charged_bytes -= item_bytes(e->line); /* both are of one account */
    t->res->charged_bytes += item_bytes(e->line);
    heap_put(t, e);
    return SK_OK;
}

enum sk_err sk_topk_absorb(struct sk_topk *t, struct sk_topk *from)
{
    enum sk_err err = SK_OK;
    while (from->count > 0 && err == SK_OK)
        err = entry_absorb(t, from, &from->items[--from->count]);
    return err;
}

/* ---- the end ---- */

static void sort_items(struct sk_topk *t)
{
    if (t->count > 1)
        qsort(t->items, t->count, sizeof(*t->items), t->forward ? cmp_forward : cmp_backward);
}

enum sk_err sk_topk_thin(struct sk_topk *t, int64_t interval_ns)
{
    int64_t last = 0;
    bool any = false;
    enum sk_err err = SK_OK;
    sort_items(t);
    for (size_t i = 0; i < t->count; i++) {
        struct sk_result_entry *e = &t->items[i];
        int64_t gap = t->forward ? e->ts_ns - last : last - e->ts_ns;
        bool keep = err == SK_OK && (!any || gap >= interval_ns) && t->done_count < t->limit;
        if (keep && !SK_GROW(t->done, t->done_cap, t->done_count + 1)) {
            err = SK_ENOMEM;
            keep = false;
        }
        if (!keep) {
            entry_free(t, e);
            continue;
        }
        t->done[t->done_count++] = *e;
        last = e->ts_ns;
        any = true;
    }
    t->count = 0;
    return err;
}

/* One place where an entry of a run stands: a chunk may repeat what another holds. */
struct place {
    uint64_t unit, seq;
    size_t entry; /* in the run */
    bool popped;
};

static int place_forward_cmp(const void *a, const void *b)
{
    uint64_t x = ((const struct place *)a)->seq, y = ((const struct place *)b)->seq;
    return (x > y) - (x < y);
}

static int place_backward_cmp(const void *a, const void *b)
{
    return place_forward_cmp(b, a);
}

static bool is_head(const struct place *p, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (!p[k].popped && p[k].unit == p[i].unit)
            return false;
    }
    return !p[i].popped;
}

/* Of the heads of all units the one with the smallest labels; in a tie the unit that gave the entry
 * before goes on. */
static size_t head_pick(const struct place *p, size_t n, const struct sk_result_entry *run,
                        uint64_t last)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        if (!is_head(p, i))
            continue;
        int c = best == SIZE_MAX ? -1
                                 : sk_str_cmp(run[p[i].entry].labels->printed,
                                              run[p[best].entry].labels->printed);
        if (c < 0 || (c == 0 && p[i].unit == last))
            best = i;
    }
    return best;
}

static size_t places_list(const struct sk_result_entry *run, size_t n, struct place *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (out != NULL)
            out[count] = (struct place){run[i].seq >> 40, run[i].seq, i, false};
        count++;
        for (const struct sk_result_repeat *r = run[i].repeats->next; r != NULL; r = r->next) {
            if (out != NULL)
                out[count] = (struct place){r->seq >> 40, r->seq, i, false};
            count++;
        }
    }
    return count;
}

/* Entries of one stream and time that come from several chunks are merged as Loki merges chunks: an
 * entry that stands at the head of several is taken from all of them. */
static enum sk_err tie_merge(struct sk_result_entry *run, size_t n, bool forward)
{
    size_t count = places_list(run, n, NULL), done = 0;
    bool several = false;
    struct place *p = sk_calloc(count, sizeof(*p));
    struct sk_result_entry *merged = sk_calloc(n, sizeof(*merged));
    bool *given = sk_calloc(n, sizeof(*given));
    enum sk_err err = p == NULL || merged == NULL || given == NULL ? SK_ENOMEM : SK_OK;
    if (err != SK_OK)
        goto out;
    (void)places_list(run, n, p);
    for (size_t i = 1; i < count; i++)
        several = several || p[i].unit != p[0].unit;
    if (!several)
        goto out;
    qsort(p, count, sizeof(*p), forward ? place_forward_cmp : place_backward_cmp);
    for (uint64_t last = 0; done < n;) {
        size_t at = head_pick(p, count, run, last), entry = p[at].entry;
        last = p[at].unit;
        for (size_t i = 0; i < count; i++) {
            if (p[i].entry == entry && is_head(p, i))
                p[i].popped = true;
        }
        if (!given[entry])
            merged[done++] = run[entry];
        given[entry] = true;
    }
    memcpy(run, merged, n * sizeof(*run));
out:
    sk_free(p);
    sk_free(merged);
    sk_free(given);
    return err;
}

static enum sk_err ties_merge(struct sk_result_entry *items, size_t count, bool forward)
{
    enum sk_err err = SK_OK;
    for (size_t from = 0; from < count && err == SK_OK;) {
        size_t end = from + 1;
        while (end < count && items[end].ts_ns == items[from].ts_ns &&
               items[end].hash == items[from].hash)
            end++;
        if (end - from > 1)
            err = tie_merge(items + from, end - from, forward);
        from = end;
    }
    return err;
}

enum sk_err sk_topk_finish(struct sk_topk *t)
{
    if (t->thinning) { /* already in order */
        t->res->entries = t->done;
        t->res->count = t->done_count;
        t->done = NULL;
        t->done_count = 0;
        return SK_OK;
    }
    sort_items(t);
    enum sk_err err = ties_merge(t->items, t->count, t->forward);
    if (err == SK_OK)
        err = sk_ties_order(t->items, t->count, t->forward);
    t->res->entries = t->items;
    t->res->count = t->count;
    t->items = NULL;
    t->count = 0;
    return err;
}
