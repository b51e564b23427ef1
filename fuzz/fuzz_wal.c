/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_wal.c -- any bytes as a segment of the log, as one record, as a checkpoint's record and as a
 * record of an index head. The first byte chooses; with its high bit set the checksums of the
 * segment's fragments are put right, so that the fuzzer gets behind them. What was read of a
 * segment is framed again and must read back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "codec/codec.h"
#include "wal/checkpoint.h"
#include "wal/record.h"
#include "wal/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAIRS_MAX = 8, ENTRIES_MAX = 1 << 16 };

static struct sk_codec_ctx *ctx;

static void fragments_fix(uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at + SK_WAL_HEADER_BYTES <= size) {
        size_t page_left = SK_WAL_PAGE_BYTES - at % SK_WAL_PAGE_BYTES;
        if ((bytes[at] & 7) == 0 || page_left < SK_WAL_HEADER_BYTES) {
            at += page_left;
            continue;
        }
        size_t len = sk_load_be16(bytes + at + 1);
        if (len > page_left - SK_WAL_HEADER_BYTES || len > size - at - SK_WAL_HEADER_BYTES)
            return;
        sk_store_be32(bytes + at + 3,
                      sk_crc32c((struct sk_slice){bytes + at + SK_WAL_HEADER_BYTES, len}));
        at += SK_WAL_HEADER_BYTES + len;
    }
}

static enum sk_err slice_read(void *read_ctx, uint64_t off, void *buf, size_t len, size_t *ret_len)
{
    const struct sk_slice *all = read_ctx;
    *ret_len = off >= all->len ? 0 : all->len - (size_t)off < len ? all->len - (size_t)off : len;
    if (*ret_len > 0)
        memcpy(buf, all->ptr + off, *ret_len);
    return SK_OK;
}

static void entries_walk(struct sk_wal_record *rec)
{
    struct sk_wal_stream ws;
    unsigned seen = 0;
    while (sk_wal_stream_next(rec, &ws)) {
        for (uint64_t i = 0; i < ws.count; i++) {
            struct sk_label pairs[PAIRS_MAX];
            struct sk_wal_entry_view e;
            struct sk_strbuf out;
            sk_wal_entry_next(rec, pairs, PAIRS_MAX, &e);
            if (++seen > ENTRIES_MAX)
                continue;
            sk_strbuf_init(&out, 1 << 24);
            size_t tail = sk_wal_entry(&out, rec->base_ns, e.ts_ns, e.line, pairs, e.pair_count);
            sk_assert(!out.failed && tail > 0 && tail < out.len);
            sk_strbuf_deinit(&out);
        }
    }
    sk_assert(rec->p == rec->end);
}

static void record_walk(struct sk_slice bytes)
{
    struct sk_wal_record rec;
    struct sk_arena arena;
    if (sk_wal_record_init(&rec, bytes) != SK_OK)
        return;
    sk_arena_init(&arena, 16 << 20, NULL);
    if (rec.kind == SK_WAL_SERIES) {
        uint64_t ref;
        struct sk_labelset labels;
        enum sk_err err;
        while (sk_wal_series_next(&rec, &arena, &ref, &labels, &err))
            (void)sk_labels_fingerprint(labels);
    } else if (rec.kind == SK_WAL_CHECKPOINT) {
        struct sk_wal_cp_series series;
        (void)!sk_wal_cp_decode(&arena, (struct sk_slice){rec.p, (size_t)(rec.end - rec.p)},
                                &series);
    } else {
        entries_walk(&rec);
    }
    sk_arena_deinit(&arena);
}

/* Calls `each` for every record; the number of them. */
static size_t segment_walk(struct sk_slice bytes, void (*each)(void *walk_ctx, struct sk_slice),
                           void *walk_ctx)
{
    struct sk_wal_reader r;
    struct sk_slice record;
    size_t count = 0;
    enum sk_err err = sk_wal_reader_init(&r, slice_read, &bytes, ctx);
    sk_assert(err == SK_OK);
    /* the end of the file inside a page reads as zeros, which may belong to a sound fragment */
    uint64_t before = 0,
             end = (bytes.len + SK_WAL_PAGE_BYTES - 1) / SK_WAL_PAGE_BYTES * SK_WAL_PAGE_BYTES;
    while ((err = sk_wal_reader_next(&r, &record)) == SK_OK) {
        sk_assert(r.good_end > before && r.good_end <= end);
        before = r.good_end;
        each(walk_ctx, record);
        count++;
    }
    sk_assert(err == SK_ENOENT || err == SK_ENOMEM);
    sk_wal_reader_deinit(&r);
    return count;
}

static void record_copy(void *walk_ctx, struct sk_slice record)
{
    struct sk_strbuf *out = walk_ctx;
    record_walk(record);
    uint64_t end = sk_wal_frame(out, out->len, record);
    sk_assert(out->failed || end == out->len);
}

static void record_ignore(void *walk_ctx, struct sk_slice record)
{
    (void)walk_ctx;
    (void)record;
}

static void head_walk(struct sk_slice bytes)
{
    struct sk_arena arena;
    struct sk_wal_head_record rec;
    sk_arena_init(&arena, 16 << 20, NULL);
    if (sk_wal_head_decode(&arena, bytes, &rec) == SK_OK && !rec.series)
        sk_assert(rec.chunk_count == 0 || rec.chunks != NULL);
    sk_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (ctx == NULL && sk_codec_ctx_create(&ctx) != SK_OK)
        abort();
    if (size < 2)
        return 0;
    uint8_t *copy = sk_malloc(size - 1);
    sk_assert(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    struct sk_slice bytes = {copy, size - 1};
    if (data[0] >= 0x80)
        fragments_fix(copy, size - 1);
    switch (data[0] % 3) {
    case 0: {
        struct sk_strbuf again;
        sk_strbuf_init(&again, 1 << 26);
        size_t count = segment_walk(bytes, record_copy, &again);
        if (!again.failed && again.len > 0)
            sk_assert(segment_walk((struct sk_slice){(const uint8_t *)again.ptr, again.len},
                                   record_ignore, NULL) == count);
        sk_strbuf_deinit(&again);
        break;
    }
    case 1:
        record_walk(bytes);
        break;
    default:
        head_walk(bytes);
        break;
    }
    sk_free(copy);
    return 0;
}
