/* SPDX-License-Identifier: Apache-2.0 */
/* tail_frames.c -- the work of a tail on a worker: history first, then what comes out of the feed,
 * as JSON in frames.
 *
 * Each entry is rendered once, when it comes out of the pipeline, into a page that it shares with
 * those of the same step, and waits there until it is due and the queue of frames has room. Due is
 * an entry `delay_for` after its time, and at most so long after it came. Those that are due leave
 * in the order of their times. */
#include <stdlib.h>

#include "api/tail_int.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "base/limits.h"
#include "querier/log_query.h"

enum { META_PAIRS_MAX = 1024, PAGE_STEP_BYTES = 64 * 1024 };

/* One entry may take so much while its stages run; names of labels met so far as much again. */
#define PIPELINE_RUN_BYTES_MAX (64u << 20)

/* ---- text ---- */

/* One entry as an element of `streams`. labels: what is shown as the stream's. */
static void element_write(const struct tail *t, struct sk_strbuf *out, int64_t ts_ns,
                          struct sk_str line, struct sk_labelset shown,
                          const struct sk_pipeline_labels *labels)
{
    if (t->legacy) {
        struct sk_strbuf text;
        sk_strbuf_init(&text, SIZE_MAX / 2);
        sk_labels_format(&text, shown);
        sk_strbuf_puts(out, "{\"labels\":");
        sk_json_string_html(out, sk_strbuf_view(&text));
        sk_strbuf_puts(out, ",\"entries\":[{\"ts\":\"");
        sk_rfc3339_format(out, ts_ns);
        sk_strbuf_puts(out, "\",\"line\":");
        sk_json_string_html(out, line);
        sk_strbuf_puts(out, "}]}");
        out->failed = out->failed || text.failed;
        sk_strbuf_deinit(&text);
        return;
    }
    sk_strbuf_puts(out, "{\"stream\":");
    answer_labels(out, shown);
    sk_strbuf_puts(out, ",\"values\":[");
    answer_value(out, ts_ns, line, t->categorize ? labels : NULL);
    sk_strbuf_puts(out, "]}");
}

static void drops_write(const struct tail *t, struct sk_strbuf *out)
{
    for (size_t i = 0; i < t->drops.count; i++) {
        const struct sk_tail_drop *d = &t->drops.items[i];
        sk_strbuf_puts(out, i > 0 ? ",{\"timestamp\":\"" : "{\"timestamp\":\"");
        if (t->legacy)
            sk_rfc3339_format(out, d->ts_ns);
        else
            sk_strbuf_i64(out, d->ts_ns);
        sk_strbuf_puts(out, "\",\"labels\":");
        if (t->legacy) {
            struct sk_strbuf text;
            sk_strbuf_init(&text, SIZE_MAX / 2);
            sk_labels_format(&text, sk_tail_labels_set(d->labels));
            sk_json_string_html(out, sk_strbuf_view(&text));
            sk_strbuf_deinit(&text);
        } else {
            answer_labels(out, sk_tail_labels_set(d->labels));
        }
        sk_strbuf_putc(out, '}');
    }
}

static void frame_begin(struct sk_strbuf *out)
{
    sk_strbuf_init(out, SIZE_MAX / 2);
    sk_strbuf_puts(out, "{\"streams\":[");
}

/* Tells what was left out since the last frame, too. */
static void frame_end(const struct tail *t, struct sk_strbuf *out)
{
    sk_strbuf_putc(out, ']');
    if (t->categorize) {
        sk_strbuf_putc(out, ',');
        answer_flags(out, t->flags);
    }
    if (t->drops.count > 0) {
        sk_strbuf_puts(out, ",\"dropped_entries\":[");
        drops_write(t, out);
        sk_strbuf_putc(out, ']');
    } else if (t->legacy) {
        sk_strbuf_puts(out, ",\"dropped_entries\":null");
    }
    sk_strbuf_puts(out, t->legacy ? "}\n" : "}");
}

/* Takes `text`; false: no memory, nothing was made. */
static bool frame_add(struct tail *t, struct sk_strbuf *text)
{
    struct tail_frame *f = sk_calloc(1, sizeof(*f));
    if (f == NULL || text->failed || !sk_budget_charge(t->api->opt.query_budget, text->cap)) {
        sk_strbuf_deinit(text);
        sk_free(f);
        return false;
    }
    f->text = *text;
    f->charged_bytes = text->cap;
    *t->made_tail = f;
    t->made_tail = &f->next;
    t->made_count++;
    sk_tail_drops_clear(&t->drops);
    return true;
}

void tail_frame_free(struct tail *t, struct tail_frame *f)
{
    sk_budget_release(t->api->opt.query_budget, f->charged_bytes);
    sk_strbuf_deinit(&f->text);
    sk_free(f);
}

/* ---- the first step: history ---- */

static enum sk_err history_ask(struct tail *t, struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(t->call);
    struct sk_log_query q = {.tenant = t->call->tenant,
                             .log = t->log,
                             .start_ns = t->range.start_ns,
                             .end_ns = t->range.end_ns,
                             .limit = t->limit,
                             .sources = t->api->opt.sources,
                             .source_count = t->api->opt.source_count,
                             .budget = t->api->opt.query_budget,
                             .stop = &t->call->stop};
    if (lim->query_timeout_ns > 0)
        q.deadline_mono_ns = sk_clock_mono_ns() + lim->query_timeout_ns;
    enum sk_err err = call_deletes(t->call, &q.deletes, &q.delete_count, reterr);
    if (err == SK_OK)
        err = sk_log_query_run(&q, &t->history, reterr);
    t->history_upto = sk_ingester_applied_begun(t->api->opt.ingester);
    return err;
}

/* Newest last. */
static enum sk_err history_send(struct tail *t, struct sk_error *reterr)
{
    struct sk_strbuf out;
    if (t->history.count == 0)
        return SK_OK;
    frame_begin(&out);
    for (size_t i = t->history.count; i > 0; i--) {
        const struct sk_result_entry *e = &t->history.entries[i - 1];
        struct sk_pipeline_labels l = {e->labels->stream, e->labels->meta, e->labels->parsed};
        if (i < t->history.count)
            sk_strbuf_putc(&out, ',');
        element_write(t, &out, e->ts_ns, e->line, t->categorize ? l.stream : e->labels->all, &l);
    }
    frame_end(t, &out);
    return frame_add(t, &out) ? SK_OK
                              : sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
}

static enum sk_err feed_open(struct tail *t, struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(t->call);
    enum sk_err err = sk_query_matchers(t->log->matchers, &t->matchers, &t->matcher_count, reterr);
    if (err != SK_OK)
        return err;
    struct sk_tail_feed_options o = {.tenant = t->call->tenant,
                                     .matchers = t->matchers,
                                     .matcher_count = t->matcher_count,
                                     .feeds_max = lim->max_concurrent_tail_requests};
    err = sk_tail_feed_open(t->api->opt.ingester, &o, &t->feed);
    if (err == SK_ELIMIT)
        return sk_error_set(reterr, err,
                            "rpc error: code = Code(400) desc = max concurrent tail requests limit "
                            "exceeded, count > limit (%llu > %llu)",
                            (unsigned long long)lim->max_concurrent_tail_requests + 1,
                            (unsigned long long)lim->max_concurrent_tail_requests);
    return err == SK_OK ? err : sk_error_set(reterr, err, "not enough memory for this query");
}

void tail_open(struct tail *t)
{
    t->opened = true;
    sk_arena_init(&t->arena, 64u << 20, t->api->opt.query_budget);
    enum sk_err err = sk_pipeline_create(&t->arena, t->log, &t->pipeline, &t->close);
    if (err == SK_OK)
        err = feed_open(t, &t->close);
    if (err == SK_OK && sk_pipeline_run_create(t->pipeline, PIPELINE_RUN_BYTES_MAX,
                                               t->api->opt.query_budget, &t->run) != SK_OK)
        err = sk_error_set(&t->close, SK_ENOMEM, "not enough memory for this query");
    if (err == SK_OK)
        err = history_ask(t, &t->close);
    if (err == SK_OK)
        err = history_send(t, &t->close);
    if (err == SK_OK)
        t->close.text[0] = '\0';
}

/* Whether the history has shown this entry. Its entries stand newest first. */
static bool history_has(const struct tail *t, const struct sk_tail_item *item, int64_t ts_ns,
                        struct sk_str line, const struct sk_pipeline_labels *labels)
{
    size_t lo = 0, hi = t->history.count;
    if (item->number > t->history_upto)
        return false;
    while (lo < hi) { /* the first that is not newer */
        size_t mid = lo + (hi - lo) / 2;
        if (t->history.entries[mid].ts_ns > ts_ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < t->history.count && t->history.entries[lo].ts_ns == ts_ns; lo++) {
        const struct sk_result_entry *e = &t->history.entries[lo];
        if (e->hash == sk_tail_labels_hash(item->labels) && sk_str_eq(e->line, line) &&
            sk_labels_eq(e->labels->meta, labels->meta) &&
            sk_labels_eq(e->labels->parsed, labels->parsed))
            return true;
    }
    return false;
}

/* ---- entries of the feed ---- */

static void page_unref(struct tail *t, struct tail_page *p)
{
    if (--p->refs > 0)
        return;
    t->waiting_bytes -= p->charged_bytes;
    sk_budget_release(t->api->opt.query_budget, p->charged_bytes);
    sk_strbuf_deinit(&p->text);
    sk_free(p);
}

static struct tail_page *page_make(void)
{
    struct tail_page *p = sk_calloc(1, sizeof(*p));
    if (p != NULL) {
        p->refs = 1; /* the step's own */
        sk_strbuf_init(&p->text, SIZE_MAX / 2);
    }
    return p;
}

/* Charges what the page has grown to; false: no more may go in. */
static bool page_charge(struct tail *t, struct tail_page *p)
{
    if (p->text.failed)
        return false;
    if (p->text.cap <= p->charged_bytes)
        return true;
    uint64_t more = p->text.cap - p->charged_bytes;
    if (!sk_budget_charge(t->api->opt.query_budget, more))
        return false;
    p->charged_bytes += more;
    t->waiting_bytes += more;
    return t->waiting_bytes <= SK_TAIL_WAITING_BYTES_MAX || t->waiting_count == 0;
}

/* Room for one more entry, charged. */
static bool waiting_room(struct tail *t)
{
    size_t cap = t->waiting_cap;
    if (!SK_GROW(t->waiting, t->waiting_cap, t->waiting_count + 1))
        return false;
    sk_budget_force(t->api->opt.query_budget, (t->waiting_cap - cap) * sizeof(*t->waiting));
    return true;
}

static bool entry_keep(struct tail *t, struct tail_page *p, const struct sk_tail_item *item,
                       int64_t ts_ns, struct sk_str line, const struct sk_pipeline_labels *labels)
{
    size_t from = p->text.len;
    if (t->waiting_count >= SK_TAIL_WAITING_MAX || !waiting_room(t))
        return false;
    element_write(t, &p->text, ts_ns, line, labels->stream, labels);
    if (!page_charge(t, p)) {
        p->text.len = from;
        p->text.failed = false;
        return false;
    }
    int64_t since = ts_ns < item->arrived_ns ? ts_ns : item->arrived_ns;
    t->waiting[t->waiting_count++] = (struct tail_entry){.ts_ns = ts_ns,
                                                         .due_ns = since + t->delay_ns,
                                                         .order = t->order++,
                                                         .page = p,
                                                         .off = from,
                                                         .len = p->text.len - from};
    p->refs++;
    return true;
}

static void entry_take(struct tail *t, struct tail_page *p, struct sk_tail_item *item)
{
    struct sk_label meta[META_PAIRS_MAX];
    struct sk_wal_entry_view e;
    struct sk_pipeline_labels labels;
    sk_wal_entry_next(&item->entries, meta, META_PAIRS_MAX, &e);
    if (!sk_pipeline_line_passes(t->run, e.line, false))
        return;
    sk_labels_sort(meta, e.pair_count);
    enum sk_pipeline_verdict v = sk_pipeline_run_entry(t->run, e.ts_ns, e.line, meta, e.pair_count);
    if (v == SK_PIPELINE_DROP)
        return;
    if (v == SK_PIPELINE_KEEP && sk_pipeline_run_labels(t->run, &labels) == SK_OK) {
        struct sk_str line = sk_pipeline_run_line(t->run);
        if (history_has(t, item, e.ts_ns, line, &labels) ||
            (p != NULL && entry_keep(t, p, item, e.ts_ns, line, &labels)))
            return;
    }
    sk_tail_drops_add(&t->drops, e.ts_ns, item->labels);
    t->dropped++;
}

/* Takes over the notes of the feed. */
static void drops_join(struct tail *t, struct sk_tail_drops *more)
{
    t->dropped += more->count + more->uncounted;
    for (size_t i = 0; i < more->count; i++)
        sk_tail_drops_add(&t->drops, more->items[i].ts_ns, more->items[i].labels);
    sk_tail_drops_clear(more);
}

static void feed_drain(struct tail *t)
{
    struct sk_tail_drops drops;
    uint64_t done;
    struct sk_tail_item *items = sk_tail_feed_take(t->feed, &drops, &done);
    struct tail_page *page = items != NULL ? page_make() : NULL;
    drops_join(t, &drops);
    for (struct sk_tail_item *i = items, *next; i != NULL; i = next) {
        next = i->next;
        sk_pipeline_run_stream(t->run, sk_tail_labels_set(i->labels));
        for (; i->left > 0; i->left--)
            entry_take(t, page, i);
        sk_tail_item_free(i);
    }
    if (page != NULL)
        page_unref(t, page);
    if (done >= t->history_upto)
        sk_log_result_deinit(&t->history);
}

/* ---- frames of what is due ---- */

static int waiting_cmp(const void *a, const void *b)
{
    const struct tail_entry *x = a, *y = b;
    if (x->ts_ns != y->ts_ns)
        return x->ts_ns < y->ts_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Entries from waiting[at] on into one frame; those that went in have no page any more. *ret_next:
 * where the next frame begins. false: no memory, they wait on. */
static bool frame_fill(struct tail *t, size_t at, int64_t now_ns, size_t *ret_next)
{
    struct sk_strbuf out;
    size_t n = 0, i = at;
    frame_begin(&out);
    for (; i < t->waiting_count && n < SK_TAIL_FRAME_ENTRIES_MAX &&
           out.len < SK_TAIL_FRAME_BYTES_SOFT;
         i++) {
        const struct tail_entry *e = &t->waiting[i];
        if (e->due_ns > now_ns)
            continue;
        if (n++ > 0)
            sk_strbuf_putc(&out, ',');
        sk_strbuf_add(&out, e->page->text.ptr + e->off, e->len);
    }
    frame_end(t, &out);
    if (!frame_add(t, &out))
        return false;
    for (size_t k = at; k < i; k++) {
        if (t->waiting[k].due_ns > now_ns)
            continue;
        page_unref(t, t->waiting[k].page);
        t->waiting[k].page = NULL;
    }
    *ret_next = i;
    return true;
}

static bool due_from(const struct tail *t, size_t at, int64_t now_ns)
{
    for (; at < t->waiting_count; at++) {
        if (t->waiting[at].due_ns <= now_ns)
            return true;
    }
    return false;
}

static void frames_make(struct tail *t)
{
    int64_t now = sk_clock_now_ns();
    size_t at = 0, kept = 0;
    bool memory = true;
    if (t->waiting_count > 1)
        qsort(t->waiting, t->waiting_count, sizeof(*t->waiting), waiting_cmp);
    bool due = due_from(t, 0, now) || (t->drops.count > 0 && t->waiting_count == 0);
    while (due && memory && t->made_count < t->room) {
        memory = frame_fill(t, at, now, &at);
        due = due_from(t, at, now);
    }
    t->more = due && memory;
    for (size_t i = 0; i < t->waiting_count; i++) {
        if (t->waiting[i].page != NULL)
            t->waiting[kept++] = t->waiting[i];
    }
    t->waiting_count = kept;
}

void tail_collect(struct tail *t)
{
    feed_drain(t);
    frames_make(t);
}

bool tail_has_work(const struct tail *t)
{
    if (!t->opened || t->feed == NULL)
        return !t->opened;
    if (sk_tail_feed_waiting(t->feed) || t->history.count > 0)
        return true;
    return (t->waiting_count > 0 || t->drops.count > 0) && t->frame_count < SK_TAIL_FRAMES_MAX;
}

void tail_release(struct tail *t)
{
    for (size_t i = 0; i < t->waiting_count; i++)
        page_unref(t, t->waiting[i].page);
    t->waiting_count = 0;
    sk_budget_release(t->api->opt.query_budget, t->waiting_cap * sizeof(*t->waiting));
    sk_free(t->waiting);
    t->waiting = NULL;
    t->waiting_cap = 0;
    sk_tail_feed_close(t->feed);
    t->feed = NULL;
    sk_log_result_deinit(&t->history);
    sk_tail_drops_clear(&t->drops);
    sk_pipeline_run_destroy(t->run);
    t->run = NULL;
    sk_query_matchers_free(t->matchers, t->matcher_count);
    t->matchers = NULL;
    t->matcher_count = 0;
    sk_arena_deinit(&t->arena);
}
