/* SPDX-License-Identifier: Apache-2.0 */
/* ingester.h -- takes pushes, keeps them durable in the write-ahead log and searchable in memory,
 * and turns them into chunks.
 *
 * A push operation (struct sk_pushop) is owned by the caller; between sk_ingester_push() and `done`
 * it belongs to the ingester. `done` runs on any thread, possibly before push returns. When status
 * is 204 everything of the push is synced; any other status says in `text` what was refused (what
 * was accepted beside it is synced too).
 *
 * Threads: push from any worker; the rest as stated. */
#ifndef SK_INGESTER_INGESTER_H
#define SK_INGESTER_INGESTER_H

#include "base/err.h"
#include "base/strbuf.h"
#include "base/workpool.h"
#include "store/source.h"
#include "wire/push.h"

struct sk_budget;
struct sk_config;
struct sk_config_overrides;
struct sk_patterns;
struct sk_ingester;
struct sk_store;
struct sk_vfs;

struct sk_ingester_options {
    const struct sk_config *config;
    const struct sk_config_overrides *overrides; /* may be NULL */
    struct sk_store *store;                      /* receives chunks; plugged in by the server */
    struct sk_workpool *pool;
    const struct sk_vfs *vfs;
    struct sk_budget *budget;      /* heads */
    struct sk_budget *tail_budget; /* what waits in feeds (tail_feed.h); may be NULL */
};

struct sk_pushop {
    /* set by the caller */
    struct sk_str tenant; /* checked name; must live until done */
    const char *format;   /* "loki" or "otlp", for metrics */
    void (*done)(struct sk_pushop *op);
    void *user;
    /* results */
    int status;
    struct sk_strbuf text;
    /* the ingester's */
    struct sk_pushop *next;
    struct sk_ingester *ing;
    struct tenant *tenant_ptr;
    struct sk_strbuf record; /* entries record for the log */
    struct stream **streams; /* as they occur in the record, pinned */
    size_t stream_count, stream_cap;
    uint64_t seg; /* where the record was written */
    enum sk_err log_err;
};

/* Replays the log (progress on the log), takes over what Loki left, starts log and flusher threads.
 * reterr says what is wrong with a folder that cannot be used. */
SK_MUST_CHECK enum sk_err sk_ingester_create(const struct sk_ingester_options *opt,
                                             struct sk_ingester **ret_ing, struct sk_error *reterr);

/* Stops the threads. With `flush` all chunks are flushed and indexed before. Pushes must have ceased.
 * NULL is a no-op. */
void sk_ingester_destroy(struct sk_ingester *ing, bool flush);

void sk_pushop_init(struct sk_pushop *op);
void sk_pushop_deinit(struct sk_pushop *op);

/* `push` may be reused once this returns. */
void sk_ingester_push(struct sk_ingester *ing, struct sk_pushop *op, const struct sk_push *push);

/* Asks for a flush of everything; sk_ingester_flush_wait() returns when chunks and index are written. */
void sk_ingester_flush(struct sk_ingester *ing);
void sk_ingester_flush_wait(struct sk_ingester *ing);

/* NULL when pushes are accepted, else why not (static text): read-only, disk full, stopping. */
const char *sk_ingester_unavailable(const struct sk_ingester *ing);

/* Live streams as a source for queries. */
struct sk_source sk_ingester_source(struct sk_ingester *ing);

/* The patterns of the lines; NULL: pattern_ingester is off. */
struct sk_patterns *sk_ingester_patterns(struct sk_ingester *ing);

/* Sets the gauges of /metrics. */
void sk_ingester_gauges(struct sk_ingester *ing);

#endif
