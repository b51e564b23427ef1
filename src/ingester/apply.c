/* SPDX-License-Identifier: Apache-2.0 */
/* apply.c -- appends what has been logged to the heads, in the order of the log, and then answers.
 * One applier runs at a time; the log thread only queues. Blocks that become full are compressed
 * here, between the visits under the shards' locks. */
#include "ingester/ingester_int.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingester/append.h"
#include "ingester/wallog.h"
#include "wal/record.h"

enum { LEVEL_PAIRS_MAX = 1024 };

void pushop_give_up(struct sk_ingester *ing, struct sk_pushop *op)
{
    for (size_t i = 0; i < op->stream_count; i++) {
        struct stream *s = op->streams[i];
        struct shard *sh = shard_of(ing, s->hash);
        pthread_mutex_lock(&sh->lock);
        s->has_last = false; /* what comes again must not count as a repeat */
        s->pins--;
        pthread_mutex_unlock(&sh->lock);
    }
    op->stream_count = 0;
}

static void op_fail(struct sk_ingester *ing, struct sk_pushop *op)
{
    pushop_give_up(ing, op);
    op->status = 503;
    sk_strbuf_reset(&op->text);
    sk_strbuf_puts(&op->text, op->log_err == SK_EFULL
                                  ? "too many pushes wait for the write-ahead log, try again\n"
                                  : "the write-ahead log could not be written, try again\n");
}

/* Appends one section and shows it to the tails. That there are any is asked afterwards: one that
 * comes later finds the entries in the heads. */
static enum sk_err section_apply(struct sk_ingester *ing, struct stream *s,
                                 struct sk_wal_record *rec, const struct sk_wal_stream *ws,
                                 uint64_t seg)
{
    struct sk_wal_record entries = *rec;
    uint64_t number = atomic_load_explicit(&ing->applied_done, memory_order_relaxed) + 1;
    atomic_store(&ing->applied_begun, number);
    enum sk_err err = append_stream(ing, s, rec, ws, seg, ing->apply_codec, &ing->apply_scratch);
    if (atomic_load(&ing->feed_count) > 0) {
        entries.end = rec->p;
        feeds_offer(ing, s, &entries, ws->count, number);
    }
    atomic_store(&ing->applied_done, number);
    return err;
}

/* What was pushed, line by line. The streams are pinned. */
static void patterns_apply(struct sk_ingester *ing, struct sk_pushop *op)
{
    struct sk_wal_record rec;
    struct sk_wal_stream ws;
    struct sk_wal_entry_view e;
    struct sk_label pairs[LEVEL_PAIRS_MAX];
    sk_wal_record_init_own(&rec,
                           (struct sk_slice){(const uint8_t *)op->record.ptr, op->record.len});
    for (size_t i = 0; sk_wal_stream_next(&rec, &ws); i++) {
        const struct stream *s = op->streams[i];
        for (uint64_t k = 0; k < ws.count; k++) {
            struct sk_str level = SK_STR("");
            sk_wal_entry_next(&rec, pairs, LEVEL_PAIRS_MAX, &e);
            for (size_t n = 0; n < e.pair_count && n < LEVEL_PAIRS_MAX; n++) {
                if (sk_str_is(pairs[n].name, "detected_level"))
                    level = pairs[n].value;
            }
            sk_patterns_feed(ing->patterns, s->tenant->name_str, s->labels, s->hash, e.ts_ns,
                             e.line, level);
        }
    }
}

static void op_apply(struct sk_ingester *ing, struct sk_pushop *op)
{
    struct sk_wal_record rec;
    sk_wal_record_init_own(&rec,
                           (struct sk_slice){(const uint8_t *)op->record.ptr, op->record.len});
    struct sk_wal_stream ws;
    if (ing->patterns != NULL)
        patterns_apply(ing, op);
    for (size_t i = 0; sk_wal_stream_next(&rec, &ws); i++) {
        sk_assert(i < op->stream_count);
        struct stream *s = op->streams[i];
        sk_assert(s->ref == ws.ref);
        enum sk_err err = section_apply(ing, s, &rec, &ws, op->seg);
        if (err != SK_OK) /* logged, so nothing is lost: the next start replays it */
            sk_log(SK_LOG_ERROR,
                   "logged entries could not be kept in memory; they return with a restart",
                   "tenant", s->tenant->name, "err", sk_err_text(err));
        struct shard *sh = shard_of(ing, s->hash);
        pthread_mutex_lock(&sh->lock);
        s->pins--;
        pthread_mutex_unlock(&sh->lock);
    }
}

static void apply_run(struct sk_job *job)
{
    struct sk_ingester *ing = SK_CONTAINER_OF(job, struct sk_ingester, apply_job);
    for (;;) {
        pthread_mutex_lock(&ing->apply_lock);
        struct sk_pushop *op = ing->apply_head;
        if (op == NULL) {
            ing->applying = false;
            pthread_mutex_unlock(&ing->apply_lock);
            return;
        }
        pthread_mutex_unlock(&ing->apply_lock);
        if (op->log_err == SK_OK)
            op_apply(ing, op);
        else
            op_fail(ing, op);
        pthread_mutex_lock(&ing->apply_lock); /* only now: its segment must not be trimmed before */
        ing->apply_head = op->next;
        if (ing->apply_head == NULL)
            ing->apply_tail = &ing->apply_head;
        pthread_mutex_unlock(&ing->apply_lock);
        op->next = NULL;
        op->done(op);
    }
}

void apply_group(struct sk_ingester *ing, struct sk_pushop *first)
{
    if (first == NULL)
        return;
    struct sk_pushop *last = first;
    while (last->next != NULL)
        last = last->next;
    pthread_mutex_lock(&ing->apply_lock);
    *ing->apply_tail = first;
    ing->apply_tail = &last->next;
    bool start = !ing->applying;
    ing->applying = true;
    pthread_mutex_unlock(&ing->apply_lock);
    if (start) {
        ing->apply_job.run = apply_run;
        sk_workpool_submit_forced(ing->opt.pool, SK_WORK_INGEST, &ing->apply_job);
    }
}
