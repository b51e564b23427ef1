/* SPDX-License-Identifier: Apache-2.0 */
/* source.h -- what yields lines: the interface between the querier and whoever holds entries (the
 * store: chunks on disk; the ingester: live streams). It is declared here, below both.
 *
 * A query makes a selection, asks every source to add to it, and reads the units (chunks, or what
 * will become one) that it got. Order of asking: live sources first, so that a chunk that moves to
 * disk meanwhile is seen at least once; what is seen twice is removed by comparing entries.
 *
 * Lifetimes: everything of a selection lives in its arena or is held by its units until
 * sk_selection_deinit(). Threads: a selection is made by one thread; its units may then be read by
 * several, each with a reader of its own. */
#ifndef SK_STORE_SOURCE_H
#define SK_STORE_SOURCE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "labels/labelset.h"
#include "labels/matcher.h"

struct sk_codec_ctx;
struct sk_unit;

/* One block of an open unit, as its table says. */
struct sk_unit_block {
    int64_t ts_min_ns, ts_max_ns;
    uint32_t entry_count;
};

/* What reading one unit needs; reused for the next. */
struct sk_unit_reader {
    struct sk_arena arena;      /* reset by sk_unit_close() */
    struct sk_codec_ctx *codec; /* owned */
    struct sk_strbuf file;      /* the chunk's bytes */
    struct sk_strbuf raw;       /* the present block, decompressed */
    const struct sk_unit_block *blocks;
    size_t block_count;
    bool has_meta;
    void *state; /* the source's, in the arena */
    /* figures for the answer's statistics */
    uint64_t packed_bytes, raw_bytes, chunks_opened;
};

struct sk_unit_ops {
    /* Sets blocks, block_count, has_meta, state. SK_ECORRUPT, SK_ENOENT: the unit is left out. */
    enum sk_err (*open)(struct sk_unit *unit, struct sk_unit_reader *r);
    /* The entries of one block in time order, valid until the next read or close. */
    enum sk_err (*read)(struct sk_unit *unit, struct sk_unit_reader *r, size_t idx,
                        struct sk_slice *ret_raw);
    /* An entry's metadata as labels (stored order, names normalised). `cap` suffices for it. */
    enum sk_err (*meta)(struct sk_unit *unit, struct sk_unit_reader *r, struct sk_slice meta,
                        struct sk_label *labels, size_t cap, size_t *ret_count);
    /* Gives back what the selection held for this unit. */
    void (*release)(struct sk_unit *unit);
};

struct sk_unit {
    struct sk_unit *next; /* of the same stream */
    const struct sk_unit_ops *ops;
    void *held;                  /* the source's */
    int64_t from_ns, through_ns; /* bounds of its entries, both inclusive */
    uint32_t checksum;           /* of a stored chunk: with fp and bounds its identity; 0 live */
    uint32_t kb, entry_count;    /* as the index says; 0 when unknown */
    uint64_t bytes;              /* live: lines, 8 a pair, texts of symbols (as kb counts) */
};

struct sk_sel_stream {
    struct sk_labelset labels; /* in the selection's arena, or pinned by a unit */
    uint64_t hash;             /* fingerprint of the labels (not a mapped one) */
    struct sk_unit *units;
    size_t unit_count;
};

struct sk_selection {
    struct sk_arena arena;
    struct sk_str tenant;
    const struct sk_matcher *matchers;
    size_t matcher_count;
    int64_t start_ns, end_ns; /* [start, end) */
    bool series_only;         /* streams are wanted, no units (labels, series) */
    bool name_tenant;         /* streams get the tenant's name as the label __tenant_id__ */
    struct sk_hmap by_hash;   /* of struct sk_sel_stream */
    struct sk_sel_stream **streams;
    size_t stream_count, stream_cap;
    size_t unit_count;
    uint64_t damaged; /* files left out */
};

struct sk_source {
    void *ctx;
    /* Adds streams that match and have data in the span. */
    enum sk_err (*select)(void *ctx, struct sk_selection *sel);
};

/* `matchers` are borrowed. */
void sk_selection_init(struct sk_selection *sel, struct sk_str tenant,
                       const struct sk_matcher *matchers, size_t matcher_count, int64_t start_ns,
                       int64_t end_ns, struct sk_budget *budget);
void sk_selection_deinit(struct sk_selection *sel);

/* A label that streams get when several tenants are asked at once; their own label of that name is
 * shown with the prefix. */
#define SK_TENANT_LABEL        "__tenant_id__"
#define SK_TENANT_LABEL_PREFIX "original_"

/* The stream with these labels, added when it is new (labels are copied). */
SK_MUST_CHECK enum sk_err sk_selection_stream(struct sk_selection *sel, struct sk_labelset labels,
                                              struct sk_sel_stream **ret_stream);
/* A zeroed unit of the stream. A stored chunk (checksum != 0) that the stream has already gives NULL
 * in *ret_unit and SK_OK. */
SK_MUST_CHECK enum sk_err sk_selection_unit(struct sk_selection *sel, struct sk_sel_stream *stream,
                                            const struct sk_unit *like, struct sk_unit **ret_unit);

SK_MUST_CHECK enum sk_err sk_unit_reader_init(struct sk_unit_reader *r, size_t arena_max,
                                              struct sk_budget *budget);
void sk_unit_reader_deinit(struct sk_unit_reader *r);
void sk_unit_close(struct sk_unit_reader *r);

#endif
