/* SPDX-License-Identifier: Apache-2.0 */
/* ingester.c -- start and stop. Order at the start: replay, log thread, repair of a damaged log,
 * flusher; at the stop the other way round. */
#include "ingester/ingester.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/vfs.h"
#include "ingester/ingester_int.h"
#include "ingester/wallog.h"
#include "store/store.h"

/* An unnamed file beside the data; without one compressed blocks stay in memory. */
static void spill_open(struct sk_ingester *ing)
{
    char dir[4096];
    (void)snprintf(dir, sizeof(dir), "%s/skald/tmp", ing->config->path_prefix);
    ing->spill_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (ing->spill_fd >= 0)
        return;
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/spill-XXXXXX", dir);
    ing->spill_fd = mkostemp(path, O_CLOEXEC);
    if (ing->spill_fd >= 0)
        (void)unlink(path); /* a leftover name is removed with the folder's other leftovers */
}

static void metrics_make(struct sk_ingester *ing)
{
    ing->m_flush_fail = sk_counter("loki_ingester_chunks_flush_failures_total",
                                   "Flushes that failed and are tried again.", "");
    ing->m_chunks = sk_gauge("loki_ingester_memory_chunks", "Chunks in memory.", "");
    ing->m_wal_records = sk_counter("loki_ingester_wal_records_logged_total",
                                    "Records written to the write-ahead log.", "");
    ing->m_wal_bytes = sk_counter("loki_ingester_wal_logged_bytes_total",
                                  "Bytes written to the write-ahead log.", "");
    ing->m_replayed = sk_counter("loki_ingester_wal_recovered_entries_total",
                                 "Entries recovered from the write-ahead log.", "");
    ing->m_corrupt = sk_counter("loki_ingester_wal_corruptions_total",
                                "Damaged places met in the write-ahead log.", "type=\"segment\"");
    ing->m_head_bytes =
        sk_gauge("skald_ingester_head_bytes", "Uncompressed entries in memory.", "");
    ing->m_packed_bytes =
        sk_gauge("skald_ingester_block_bytes", "Compressed blocks in memory.", "");
    ing->m_spill_bytes = sk_gauge("skald_ingester_spill_bytes",
                                  "Compressed blocks in the unnamed file beside the data.", "");
}

void sk_ingester_gauges(struct sk_ingester *ing)
{
    sk_metric_set(ing->m_chunks, (int64_t)atomic_load(&ing->chunk_count));
    sk_metric_set(ing->m_head_bytes, (int64_t)atomic_load(&ing->head_bytes));
    sk_metric_set(ing->m_packed_bytes, (int64_t)atomic_load(&ing->packed_bytes));
    sk_metric_set(ing->m_spill_bytes, (int64_t)atomic_load(&ing->spill_used));
    sk_metric_set(sk_gauge("loki_ingester_wal_bytes_in_use", "Bytes of the write-ahead log.", ""),
                  (int64_t)wallog_bytes(ing->log));
    sk_metric_set(sk_gauge("skald_read_only", "1 while the log cannot be written.", ""),
                  atomic_load(&ing->read_only));
    sk_metric_set(sk_gauge("skald_disk_full", "1 while pushes are refused for want of room.", ""),
                  atomic_load(&ing->full));
}

struct sk_patterns *sk_ingester_patterns(struct sk_ingester *ing)
{
    return ing->patterns;
}

static enum sk_err ingester_open(struct sk_ingester *ing, struct sk_error *reterr)
{
    uint64_t next;
    struct sk_str name = sk_str_from(ing->config->chunk_encoding);
    if (!sk_codec_by_name(name, &ing->codec))
        return sk_error_set(reterr, SK_EINVAL, "ingester.chunk_encoding: unknown encoding %s",
                            ing->config->chunk_encoding);
    enum sk_err err = sk_codec_ctx_create(&ing->apply_codec);
    if (err == SK_OK)
        err = sk_codec_ctx_create(&ing->flush_codec);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "out of memory");
    if (ing->config->pattern_ingester_enabled)
        err = sk_patterns_create(ing->heads, &ing->patterns);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "out of memory");
    err = replay_run(ing, &next, reterr);
    if (err == SK_OK)
        err = wallog_create(ing, ing->first_seg, next, &ing->log, reterr);
    if (err == SK_OK)
        err = flusher_start(ing);
    if (err == SK_OK && ing->log_damaged) {
        sk_log(SK_LOG_WARN,
               "the write-ahead log is damaged: flushing what it held before pushes are accepted");
        sk_ingester_flush_wait(ing);
    }
    return err;
}

enum sk_err sk_ingester_create(const struct sk_ingester_options *opt, struct sk_ingester **ret_ing,
                               struct sk_error *reterr)
{
    struct sk_ingester *ing = sk_calloc(1, sizeof(*ing));
    if (ing == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    ing->opt = *opt;
    ing->config = opt->config;
    ing->heads = opt->budget;
    sk_budget_init(&ing->symbols, 0, ing->heads);
    ing->apply_tail = &ing->apply_head;
    atomic_init(&ing->mapped_next, 1);
    pthread_mutex_init(&ing->map_lock, NULL);
    pthread_mutex_init(&ing->apply_lock, NULL);
    pthread_mutex_init(&ing->spare_lock, NULL);
    pthread_mutex_init(&ing->feeds_lock, NULL);
    for (size_t i = 0; i < SK_INGEST_SHARDS; i++)
        pthread_mutex_init(&ing->shards[i].lock, NULL);
    sk_strbuf_init(&ing->apply_scratch, SIZE_MAX / 2);
    sk_strbuf_init(&ing->flush_scratch, SIZE_MAX / 2);
    metrics_make(ing);
    spill_open(ing);
    enum sk_err err = ingester_open(ing, reterr);
    if (err != SK_OK) {
        sk_ingester_destroy(ing, false);
        return err;
    }
    *ret_ing = ing;
    return SK_OK;
}

static void tenants_free(struct sk_ingester *ing)
{
    for (size_t i = 0; i < sk_hmap_slots(&ing->tenants); i++) {
        struct tenant *t = ing->tenants.slots[i].value;
        if (t == NULL)
            continue;
        label_cache_clear(t);
        sk_free(t->name);
        sk_free(t);
    }
    sk_hmap_deinit(&ing->tenants);
}

void sk_ingester_destroy(struct sk_ingester *ing, bool flush)
{
    if (ing == NULL)
        return;
    sk_assert(ing->feeds == NULL);
    atomic_store(&ing->stopping, true);
    flusher_stop(ing);
    if (flush && ing->log != NULL) {
        sk_log(SK_LOG_INFO, "flushing all chunks before the stop");
        if (flush_everything(ing, FLUSH_FORCED) != SK_OK)
            sk_log(SK_LOG_WARN, "not all chunks could be flushed; the log keeps their entries");
    } else if (ing->log != NULL && sk_store_head_chunks(ing->opt.store) > 0) {
        (void)!sk_store_build(ing->opt.store); /* logged; the log keeps the entries */
    }
    wallog_destroy(ing->log);
    for (size_t k = 0; k < SK_INGEST_SHARDS; k++) {
        struct shard *sh = &ing->shards[k];
        for (size_t i = 0; i < sk_hmap_slots(&sh->streams);) {
            struct stream *s = sh->streams.slots[i].value;
            if (s == NULL) {
                i++;
                continue;
            }
            s->pins = 0;
            stream_destroy(sh, s); /* may move another into this slot */
        }
        sk_hmap_deinit(&sh->streams);
        pthread_mutex_destroy(&sh->lock);
    }
    tenants_free(ing);
    sk_patterns_destroy(ing->patterns);
    sk_codec_ctx_destroy(ing->apply_codec);
    sk_codec_ctx_destroy(ing->flush_codec);
    sk_strbuf_deinit(&ing->apply_scratch);
    sk_strbuf_deinit(&ing->flush_scratch);
    if (ing->spill_fd >= 0)
        (void)close(ing->spill_fd); /* unnamed: it is gone */
    pthread_mutex_destroy(&ing->map_lock);
    pthread_mutex_destroy(&ing->apply_lock);
    pthread_mutex_destroy(&ing->spare_lock);
    for (size_t i = 0; i < ing->spare_count; i++)
        sk_strbuf_deinit(&ing->spares[i]);
    pthread_mutex_destroy(&ing->feeds_lock);
    sk_free(ing);
}
