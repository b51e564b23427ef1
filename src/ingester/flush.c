/* SPDX-License-Identifier: Apache-2.0 */
/* flush.c -- the flusher thread: closes chunks (idle, old, asked for, under pressure), writes them
 * to the store, has indexes built, and trims the log. The order is always: chunk durable, index
 * durable, mark written, segments deleted. */
#include "ingester/ingester_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/log.h"
#include "base/vfs.h"
#include "chunk/chunk_writer.h"
#include "ingester/wallog.h"
#include "store/store.h"
#include "wal/checkpoint.h"
#include "wal/segment.h"

enum { TICK_S = 1, FREE_FLOOR_MB = 64 };

static const char *const reasons[] = {"full",   "idle",   "max_age", "synced",
                                      "forced", "memory", "wal"};

/* ---- one chunk ---- */

static int block_cmp(const void *a, const void *b)
{
    const struct iblock *x = a, *y = b;
    if (x->ts_min_ns != y->ts_min_ns)
        return x->ts_min_ns < y->ts_min_ns ? -1 : 1;
    return (x->ts_max_ns > y->ts_max_ns) - (x->ts_max_ns < y->ts_max_ns);
}

/* All blocks of the closed chunk compressed. SK_EFULL: another thread is at one of them. */
static enum sk_err blocks_pack(struct sk_ingester *ing, struct shard *sh, struct ichunk *c)
{
    pthread_mutex_lock(&sh->lock);
    bool busy = c->cutting > 0;
    bool stuck = !busy && c->head_entries > 0 && chunk_cut_head(ing, c) == SIZE_MAX;
    size_t count = c->block_count;
    pthread_mutex_unlock(&sh->lock);
    if (busy)
        return SK_EFULL;
    if (stuck)
        return SK_ENOMEM;
    for (size_t i = 0; i < count; i++) { /* closed: nobody else adds blocks */
        if (!c->blocks[i].raw)
            continue;
        pthread_mutex_lock(&sh->lock);
        c->cutting++;
        pthread_mutex_unlock(&sh->lock);
        enum sk_err err =
            chunk_pack_block(ing, c, i, &sh->lock, ing->flush_codec, &ing->flush_scratch);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}

/* Entries of all blocks in time order, cut anew: for chunks whose blocks overlap. */
static enum sk_err blocks_merge(struct sk_ingester *ing, const struct ichunk *c,
                                struct sk_chunk_writer *w)
{
    struct sk_strbuf all, sorted, packed, spilled;
    enum sk_err err = SK_OK;
    sk_strbuf_init(&all, SIZE_MAX / 2);
    sk_strbuf_init(&sorted, SIZE_MAX / 2);
    sk_strbuf_init(&packed, SIZE_MAX / 2);
    sk_strbuf_init(&spilled, SIZE_MAX / 2);
    for (size_t i = 0; i < c->block_count && err == SK_OK; i++) {
        struct sk_slice bytes;
        err = blob_read(c->blocks[i].blob, &spilled, &bytes);
        if (err == SK_OK)
            err = sk_codec_unpack(ing->flush_codec, ing->codec, bytes, SK_CHUNK_FILE_BYTES_MAX * 4u,
                                  &all);
    }
    if (err == SK_OK)
        err = sk_block_sort((struct sk_slice){(const uint8_t *)all.ptr, all.len}, c->has_meta,
                            &sorted);
    struct sk_block_iter it;
    struct sk_block_entry e;
    sk_block_iter_init(&it, (struct sk_slice){(const uint8_t *)sorted.ptr, sorted.len},
                       c->has_meta);
    const uint8_t *from = it.pos;
    uint64_t size = 0;
    while (err == SK_OK && sk_block_next(&it, &e)) {
        size += e.line.len;
        if (size < ing->config->chunk_block_size && it.pos < it.end)
            continue;
        struct sk_chunk_packed block;
        sk_strbuf_reset(&packed);
        err = sk_chunk_block_pack(ing->flush_codec, ing->codec,
                                  (struct sk_slice){from, (size_t)(it.pos - from)}, c->has_meta,
                                  &packed, &block);
        if (err == SK_OK)
            err = sk_chunk_writer_add(w, &block);
        from = it.pos;
        size = 0;
    }
    sk_strbuf_deinit(&all);
    sk_strbuf_deinit(&sorted);
    sk_strbuf_deinit(&packed);
    sk_strbuf_deinit(&spilled);
    return err;
}

static enum sk_err blocks_copy(struct sk_ingester *ing, const struct ichunk *c,
                               struct sk_chunk_writer *w)
{
    struct sk_strbuf spilled;
    enum sk_err err = SK_OK;
    (void)ing;
    sk_strbuf_init(&spilled, SIZE_MAX / 2);
    for (size_t i = 0; i < c->block_count && err == SK_OK; i++) {
        const struct iblock *b = &c->blocks[i];
        struct sk_chunk_packed p = {.entry_count = b->entry_count,
                                    .ts_min_ns = b->ts_min_ns,
                                    .ts_max_ns = b->ts_max_ns,
                                    .size_bytes = b->size_bytes};
        err = blob_read(b->blob, &spilled, &p.packed);
        if (err == SK_OK)
            err = sk_chunk_writer_add(w, &p);
    }
    sk_strbuf_deinit(&spilled);
    return err;
}

static enum sk_err chunk_write(struct sk_ingester *ing, struct shard *sh, struct stream *s,
                               struct ichunk *c)
{
    struct sk_chunk_writer w;
    struct sk_chunk_sums sums;
    struct sk_strbuf body;
    pthread_mutex_lock(&sh->lock); /* readers copy the table under the lock */
    qsort(c->blocks, c->block_count, sizeof(*c->blocks), block_cmp);
    bool overlap = false;
    for (size_t i = 1; i < c->block_count; i++)
        overlap = overlap || c->blocks[i].ts_min_ns < c->blocks[i - 1].ts_max_ns;
    pthread_mutex_unlock(&sh->lock);
    sk_strbuf_init(&body, SK_CHUNK_FILE_BYTES_MAX);
    struct sk_chunk_writer_options opt = {.format = c->has_meta ? 4 : 3,
                                          .codec = ing->codec,
                                          .symbols = &c->symbols,
                                          .symbol_count = sk_symbols_count(&c->symbols)};
    enum sk_err err = sk_chunk_writer_begin(&w, &opt, ing->flush_codec, &body);
    if (err == SK_OK) {
        err = overlap ? blocks_merge(ing, c, &w) : blocks_copy(ing, c, &w);
        if (err == SK_OK)
            err = sk_chunk_writer_finish(&w, &sums);
        else
            sk_chunk_writer_cancel(&w);
    }
    if (err == SK_OK) {
        struct sk_store_chunk out = {.tenant = s->tenant->name_str,
                                     .labels = s->labels,
                                     .fingerprint = s->ref,
                                     .ts_min_ns = sums.ts_min_ns,
                                     .ts_max_ns = sums.ts_max_ns,
                                     .kb = sums.kb,
                                     .entry_count = sums.entry_count,
                                     .body = {(const uint8_t *)body.ptr, body.len},
                                     .first_seg = c->first_seg};
        err = sk_store_put(ing->opt.store, ing->flush_codec, &out);
    }
    sk_strbuf_deinit(&body);
    return err;
}

/* Flushes the closed chunks of one stream. The stream is pinned by the caller. */
static enum sk_err stream_flush(struct sk_ingester *ing, struct shard *sh, struct stream *s)
{
    for (;;) {
        pthread_mutex_lock(&sh->lock);
        struct ichunk *c = s->closed;
        if (c != NULL)
            chunk_ref(c);
        pthread_mutex_unlock(&sh->lock);
        if (c == NULL)
            return SK_OK;
        enum sk_err err = blocks_pack(ing, sh, c);
        if (err == SK_OK)
            err = chunk_write(ing, sh, s, c);
        if (err == SK_OK) {
            sk_metric_add(ing->m_flushed[c->reason], 1);
            pthread_mutex_lock(&sh->lock);
            sk_assert(s->closed == c);
            s->closed = c->next;
            if (s->closed == NULL)
                s->closed_tail = &s->closed;
            if (c->last_counter > s->flushed_counter)
                s->flushed_counter = c->last_counter;
            pthread_mutex_unlock(&sh->lock);
            atomic_fetch_sub(&ing->closed_chunks, 1);
            atomic_fetch_sub(&ing->chunk_count, 1);
            chunk_unref(c);
        }
        chunk_unref(c);
        if (err == SK_EFULL) /* comes again with the next sweep */
            return SK_OK;
        if (err != SK_OK)
            return err;
    }
}

/* ---- sweeps over all streams ---- */

struct sweep {
    struct sk_ingester *ing;
    enum flush_reason reason;
    bool force;           /* everything */
    uint64_t seg_max;     /* WAL pressure: chunks whose first segment is at most this; 0: none */
    uint64_t bytes_min;   /* memory pressure: chunks at least this large; 0: none */
    uint64_t symbols_min; /* the same by what their symbols hold */
    int64_t now_mono_ns;
    enum sk_err err;
};

static uint64_t chunk_bytes(const struct ichunk *c)
{
    return c->packed_bytes + c->head_len;
}

static void close_if_due(struct sweep *sw, struct stream *s)
{
    const struct sk_config *cfg = sw->ing->config;
    struct ichunk *c = s->open;
    if (c == NULL || c->entry_count == 0)
        return;
    if (sw->force)
        stream_close_chunk(s, sw->reason);
    else if (sw->seg_max > 0 && c->first_seg <= sw->seg_max)
        stream_close_chunk(s, FLUSH_WAL);
    else if (sw->bytes_min > 0 && chunk_bytes(c) >= sw->bytes_min)
        stream_close_chunk(s, FLUSH_MEMORY);
    else if (sw->symbols_min > 0 && sk_symbols_held_bytes(&c->symbols) >= sw->symbols_min)
        stream_close_chunk(s, FLUSH_MEMORY);
    else if (sw->now_mono_ns - c->touched_mono_ns > cfg->chunk_idle_period_ns)
        stream_close_chunk(s, FLUSH_IDLE);
    else if (c->ts_max_ns - c->ts_min_ns > cfg->max_chunk_age_ns)
        stream_close_chunk(s, FLUSH_AGE);
}

/* A stream without chunks leaves the count; it is freed when no log segment mentions it (3). */
static void retire_if_empty(struct sk_ingester *ing, struct shard *sh, struct stream *s)
{
    if (s->open != NULL || s->closed != NULL || s->pins > 0)
        return;
    if (s->active) {
        stream_set_active(s, false);
        s->highest_ns = INT64_MIN;
        s->has_last = false;
    }
    if (ing->log != NULL && s->last_seg < wallog_first_seg(ing->log))
        stream_destroy(sh, s);
}

/* The streams of a shard, pinned, so that the table may change meanwhile. */
static struct stream **shard_pin(struct shard *sh, size_t *ret_count)
{
    pthread_mutex_lock(&sh->lock);
    size_t n = 0;
    struct stream **list = sk_calloc(sh->streams.count + 1, sizeof(struct stream *));
    for (size_t i = 0; list != NULL && i < sk_hmap_slots(&sh->streams); i++) {
        if (sh->streams.slots[i].value != NULL) {
            list[n] = sh->streams.slots[i].value;
            list[n++]->pins++;
        }
    }
    pthread_mutex_unlock(&sh->lock);
    *ret_count = n;
    return list;
}

static void sweep_run(struct sweep *sw)
{
    struct sk_ingester *ing = sw->ing;
    sw->now_mono_ns = sk_clock_mono_ns();
    for (size_t k = 0; k < SK_INGEST_SHARDS; k++) {
        struct shard *sh = &ing->shards[k];
        size_t n;
        struct stream **list = shard_pin(sh, &n);
        if (list == NULL) {
            sw->err = SK_ENOMEM;
            return;
        }
        for (size_t i = 0; i < n; i++) {
            pthread_mutex_lock(&sh->lock);
            close_if_due(sw, list[i]);
            bool flush = list[i]->closed != NULL;
            pthread_mutex_unlock(&sh->lock);
            enum sk_err err = flush ? stream_flush(ing, sh, list[i]) : SK_OK;
            if (err != SK_OK && sw->err == SK_OK) {
                sw->err = err;
                sk_metric_add(ing->m_flush_fail, 1);
                if (err == SK_ENOSPC)
                    atomic_store(&ing->full, true);
                sk_log(SK_LOG_ERROR,
                       "chunk could not be flushed, it is tried again; nothing is lost", "tenant",
                       list[i]->tenant->name, "err", sk_err_text(err));
            }
            pthread_mutex_lock(&sh->lock);
            list[i]->pins--;
            retire_if_empty(ing, sh, list[i]);
            pthread_mutex_unlock(&sh->lock);
        }
        sk_free(list);
    }
}

/* ---- index and log ---- */

static void counters_note(struct sk_ingester *ing, bool built)
{
    for (size_t k = 0; k < SK_INGEST_SHARDS; k++) {
        struct shard *sh = &ing->shards[k];
        pthread_mutex_lock(&sh->lock);
        for (size_t i = 0; i < sk_hmap_slots(&sh->streams); i++) {
            struct stream *s = sh->streams.slots[i].value;
            if (s == NULL)
                continue;
            if (built && s->build_counter > s->durable_counter)
                s->durable_counter = s->build_counter;
            s->build_counter = s->flushed_counter;
        }
        pthread_mutex_unlock(&sh->lock);
    }
}

/* The first segment that must stay, and the marks for streams that later segments mention. */
static uint64_t keep_seg(struct sk_ingester *ing, struct sk_strbuf *marks)
{
    pthread_mutex_lock(&ing->apply_lock);
    uint64_t keep = wallog_current_seg(ing->log);
    if (ing->apply_head != NULL && ing->apply_head->seg < keep)
        keep = ing->apply_head->seg;
    pthread_mutex_unlock(&ing->apply_lock);
    uint64_t pending = sk_store_pending_seg(ing->opt.store);
    keep = pending < keep ? pending : keep;
    struct sk_strbuf record;
    sk_strbuf_init(&record, SIZE_MAX / 2);
    for (size_t k = 0; k < SK_INGEST_SHARDS; k++) {
        struct shard *sh = &ing->shards[k];
        pthread_mutex_lock(&sh->lock);
        for (size_t i = 0; i < sk_hmap_slots(&sh->streams); i++) {
            const struct stream *s = sh->streams.slots[i].value;
            if (s == NULL)
                continue;
            for (const struct ichunk *c = s->closed; c != NULL; c = c->next)
                keep = c->first_seg < keep ? c->first_seg : keep;
            if (s->open != NULL && s->open->first_seg < keep)
                keep = s->open->first_seg;
            if (s->durable_counter > 0) {
                sk_strbuf_reset(&record);
                sk_wal_mark_encode(&record, s->tenant->name_str, s->ref, s->labels,
                                   s->durable_counter);
                (void)sk_wal_frame(marks, marks->len,
                                   (struct sk_slice){(const uint8_t *)record.ptr, record.len});
            }
        }
        pthread_mutex_unlock(&sh->lock);
    }
    sk_strbuf_deinit(&record);
    return keep;
}

static enum sk_err build_and_trim(struct sk_ingester *ing)
{
    counters_note(ing, false);
    enum sk_err err = sk_store_build(ing->opt.store);
    if (err != SK_OK) {
        if (err == SK_ENOSPC)
            atomic_store(&ing->full, true);
        return err;
    }
    counters_note(ing, true);
    struct sk_strbuf marks;
    sk_strbuf_init(&marks, SIZE_MAX / 2);
    uint64_t keep = keep_seg(ing, &marks);
    if (!marks.failed)
        err = wallog_trim(ing->log, keep, &marks);
    if (err != SK_OK)
        sk_log(SK_LOG_WARN, "old log segments could not be removed, continuing", "err",
               sk_err_text(err));
    sk_strbuf_deinit(&marks);
    return SK_OK;
}

enum sk_err flush_everything(struct sk_ingester *ing, enum flush_reason reason)
{
    struct sweep sw = {.ing = ing, .reason = reason, .force = true};
    for (unsigned tries = 0; tries < 100; tries++) {
        sweep_run(&sw);
        if (sw.err != SK_OK || atomic_load(&ing->closed_chunks) == 0)
            break;
        struct timespec pause = {0, 20 * SK_NS_PER_MS}; /* a block is being compressed elsewhere */
        (void)nanosleep(&pause, NULL);
    }
    if (sw.err == SK_OK && ing->log != NULL) {
        wallog_roll(ing->log); /* so that the segments before it can go */
        struct timespec pause = {0, SK_NS_PER_MS};
        uint64_t seg = wallog_current_seg(ing->log);
        for (unsigned i = 0; i < 200 && wallog_current_seg(ing->log) == seg; i++)
            (void)nanosleep(&pause, NULL);
        return build_and_trim(ing);
    }
    return sw.err != SK_OK ? sw.err : sk_store_build(ing->opt.store);
}

/* ---- pressure ---- */

static void room_check(struct sk_ingester *ing)
{
    struct sk_vfs_space wal, chunks;
    const struct sk_vfs *vfs = ing->opt.vfs;
    if (vfs->space(vfs, ing->config->wal_dir, &wal) != SK_OK ||
        vfs->space(vfs, ing->config->chunks_directory, &chunks) != SK_OK)
        return;
    bool was = atomic_load(&ing->full);
    double mark = ing->config->wal_disk_full_threshold * (was ? 0.98 : 1);
    uint64_t floor = (uint64_t)FREE_FLOOR_MB << 20;
    uint64_t need = atomic_load(&ing->packed_bytes) * 2 + atomic_load(&ing->head_bytes);
    floor = need > floor ? need : floor;
    if (floor >
        wal.total_bytes / 8) /* a small disk: half a gigabyte must not be "full" when empty */
        floor = wal.total_bytes / 8;
    if (was)
        floor += floor / 50;
    bool full = false;
    const struct sk_vfs_space *spaces[] = {&wal, &chunks};
    for (size_t i = 0; i < 2; i++) {
        double used = 1 - (double)spaces[i]->free_bytes / (double)(spaces[i]->total_bytes + 1);
        full = full || (mark > 0 && used > mark) || spaces[i]->free_bytes < floor;
    }
    if (full != was) {
        atomic_store(&ing->full, full);
        sk_log(full ? SK_LOG_ERROR : SK_LOG_INFO,
               full ? "disk full: pushes are refused until there is room, queries are served"
                    : "there is room again, pushes are accepted",
               "dir", ing->config->wal_dir);
    }
}

/* Chunks of at least average size go when the heads' account is nearly used up. */
static uint64_t memory_mark(struct sk_ingester *ing)
{
    uint64_t limit = ing->heads == NULL ? 0 : ing->heads->limit_bytes;
    uint64_t used = sk_budget_used(ing->heads), chunks = atomic_load(&ing->chunk_count);
    if (limit == 0 || used < limit / 10 * 8 || chunks == 0)
        return 0;
    return used / chunks / 2 + 1;
}

/* Chunks whose symbols hold more than the average go when all symbols hold too much. */
static uint64_t symbols_mark(struct sk_ingester *ing)
{
    uint64_t used = sk_budget_used(&ing->symbols), chunks = atomic_load(&ing->chunk_count);
    return used <= SK_INGEST_SYMBOLS_SOFT_BYTES || chunks == 0 ? 0 : used / chunks + 1;
}

static uint64_t wal_mark(struct sk_ingester *ing)
{
    uint64_t first = wallog_first_seg(ing->log), now = wallog_current_seg(ing->log);
    if (wallog_bytes(ing->log) <= ing->config->wal_budget || now <= first)
        return 0;
    return first + (now - first) / 2;
}

static bool build_due(struct sk_ingester *ing)
{
    return sk_store_head_age_s(ing->opt.store) >= SK_INDEX_BUILD_S ||
           sk_store_head_chunks(ing->opt.store) >= SK_INDEX_HEAD_CHUNKS_MAX;
}

/* ---- the thread ---- */

static void tick(struct sk_ingester *ing, bool forced, bool check)
{
    struct sweep sw = {.ing = ing};
    room_check(ing);
    if (forced) {
        (void)!flush_everything(ing, FLUSH_FORCED); /* logged; the next tick goes on */
        return;
    }
    sw.seg_max = wal_mark(ing);
    sw.bytes_min = memory_mark(ing);
    sw.symbols_min = symbols_mark(ing);
    if (check || sw.seg_max > 0 || sw.bytes_min > 0 || sw.symbols_min > 0 ||
        atomic_load(&ing->closed_chunks) > 0)
        sweep_run(&sw);
    if (sw.seg_max > 0 || build_due(ing))
        (void)!build_and_trim(ing); /* logged; tried again */
}

static void *run(void *arg)
{
    struct sk_ingester *ing = arg;
    int64_t next_check = sk_clock_mono_ns() + ing->config->flush_check_period_ns;
    pthread_mutex_lock(&ing->flush_lock);
    while (!ing->flush_stop) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TICK_S;
        while (!ing->flush_stop && ing->flush_asked == ing->flush_served) {
            if (pthread_cond_timedwait(&ing->flush_wake, &ing->flush_lock, &until) == ETIMEDOUT)
                break;
        }
        if (ing->flush_stop)
            break;
        uint64_t asked = ing->flush_asked;
        bool forced = asked != ing->flush_served;
        pthread_mutex_unlock(&ing->flush_lock);
        bool check = sk_clock_mono_ns() >= next_check;
        if (check)
            next_check = sk_clock_mono_ns() + ing->config->flush_check_period_ns;
        tick(ing, forced, check);
        pthread_mutex_lock(&ing->flush_lock);
        ing->flush_served = asked;
        pthread_cond_broadcast(&ing->flush_idle);
    }
    ing->flush_served = ing->flush_asked;
    pthread_cond_broadcast(&ing->flush_idle);
    pthread_mutex_unlock(&ing->flush_lock);
    return NULL;
}

enum sk_err flusher_start(struct sk_ingester *ing)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ing->flush_wake, &attr);
    pthread_cond_init(&ing->flush_idle, NULL);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&ing->flush_lock, NULL);
    for (size_t i = 0; i < SK_COUNT_OF(reasons); i++) {
        char labels[40];
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"", reasons[i]);
        ing->m_flushed[i] = sk_counter("loki_ingester_chunks_flushed_total",
                                       "Chunks written to the store by reason.", labels);
    }
    if (pthread_create(&ing->flusher, NULL, run, ing) != 0)
        return SK_ENOMEM;
    ing->flusher_running = true;
    return SK_OK;
}

void flusher_stop(struct sk_ingester *ing)
{
    if (!ing->flusher_running)
        return;
    pthread_mutex_lock(&ing->flush_lock);
    ing->flush_stop = true;
    pthread_cond_signal(&ing->flush_wake);
    pthread_mutex_unlock(&ing->flush_lock);
    pthread_join(ing->flusher, NULL);
    ing->flusher_running = false;
}

void sk_ingester_flush(struct sk_ingester *ing)
{
    pthread_mutex_lock(&ing->flush_lock);
    ing->flush_asked++;
    pthread_cond_signal(&ing->flush_wake);
    pthread_mutex_unlock(&ing->flush_lock);
}

void sk_ingester_flush_wait(struct sk_ingester *ing)
{
    pthread_mutex_lock(&ing->flush_lock);
    uint64_t mine = ++ing->flush_asked;
    pthread_cond_signal(&ing->flush_wake);
    while (ing->flush_served < mine && !ing->flush_stop)
        pthread_cond_wait(&ing->flush_idle, &ing->flush_lock);
    pthread_mutex_unlock(&ing->flush_lock);
}
