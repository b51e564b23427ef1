/* SPDX-License-Identifier: Apache-2.0 */
/* index_series.c -- reads series entries, and checks a whole file. Page markers are skipped: a
 * day's chunks of one stream are few, and the delta chain runs on across pages. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/varint.h"
#include "tsdb_index/index_int.h"

enum { CHUNK_BYTES_MIN = 8, LABEL_BYTES_MIN = 2 };

void sk_index_series_deinit(struct sk_index_series *series)
{
    if (series == NULL)
        return;
    sk_free(series->labels);
    sk_free(series->chunks);
    *series = (struct sk_index_series){0};
}

/* The checked body of the series at `off`; *ret_end is behind its checksum. */
static enum sk_err body_open(const struct sk_index *x, uint64_t off, struct sk_slice *ret_body,
                             uint64_t *ret_end)
{
    struct sk_slice area = {x->file.ptr, (size_t)x->series_end}, body, crc;
    if (off < x->series_off || off >= x->series_end)
        return SK_ECORRUPT;
    const uint8_t *p = x->file.ptr + off;
    uint64_t len;
    if (!sk_uvar_decode(&p, area.ptr + area.len, &len))
        return SK_ECORRUPT;
    uint64_t body_off = (uint64_t)(p - x->file.ptr);
    if (!sk_slice_sub(area, body_off, len, &body) || !sk_slice_sub(area, body_off + len, 4, &crc) ||
        sk_load_be32(crc.ptr) != sk_crc32c(body))
        return SK_ECORRUPT;
    *ret_body = body;
    *ret_end = body_off + len + 4;
    return SK_OK;
}

static enum sk_err labels_read(const struct sk_index *x, const uint8_t **pos, const uint8_t *end,
                               bool want, struct sk_index_series *series)
{
    uint64_t count, name, value;
    if (!sk_uvar_decode(pos, end, &count) || count > (uint64_t)(end - *pos) / LABEL_BYTES_MIN ||
        count > SK_INDEX_LABELS_MAX)
        return SK_ECORRUPT;
    if (want && !SK_GROW(series->labels, series->label_cap, (size_t)count))
        return SK_ENOMEM;
    series->label_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!sk_uvar_decode(pos, end, &name) || !sk_uvar_decode(pos, end, &value))
            return SK_ECORRUPT;
        if (!want)
            continue;
        struct sk_label *label = &series->labels[i];
        if (!sk_index_symbol(x, name, &label->name) || !sk_index_symbol(x, value, &label->value))
            return SK_ECORRUPT;
        if (i > 0 && sk_str_cmp(series->labels[i - 1].name, label->name) >= 0)
            return SK_ECORRUPT; /* label sets ascend by name everywhere */
        series->label_count = i + 1;
    }
    return SK_OK;
}

static bool chunk_decode(const uint8_t **pos, const uint8_t *end, int64_t prev_ms,
                         struct sk_index_chunk *ret)
{
    int64_t delta;
    uint64_t span, kb, entries;
    if (!sk_var_decode(pos, end, &delta) || !sk_uvar_decode(pos, end, &span) ||
        !sk_uvar_decode(pos, end, &kb) || !sk_uvar_decode(pos, end, &entries))
        return false;
    if (end - *pos < 4 || kb > UINT32_MAX || entries > UINT32_MAX || span > INT64_MAX)
        return false;
    if (__builtin_add_overflow(prev_ms, delta, &ret->from_ms) ||
        __builtin_add_overflow(ret->from_ms, (int64_t)span, &ret->through_ms))
        return false;
    ret->kb = (uint32_t)kb;
    ret->entry_count = (uint32_t)entries;
    ret->checksum = sk_load_be32(*pos);
    *pos += 4;
    return true;
}

static enum sk_err chunks_read(const struct sk_index *x, struct sk_slice left, int64_t from_ms,
                               int64_t through_ms, struct sk_index_series *series)
{
    const uint8_t *p = left.ptr;
    const uint8_t *end = left.ptr + left.len;
    uint64_t count;
    series->chunk_count = 0;
    if (!sk_uvar_decode(&p, end, &count))
        return SK_ECORRUPT;
    if (x->version >= 3) {
        if (end - p < 4)
            return SK_ECORRUPT;
        uint32_t markers = sk_load_be32(p);
        p += 4;
        if (markers > (uint64_t)(end - p) || (markers == 0 && count > 0))
            return SK_ECORRUPT;
        if (count == 0)
            return SK_OK; /* what follows are markers of nothing */
        p += markers;
    }
    if (count > (uint64_t)(end - p) / CHUNK_BYTES_MIN)
        return SK_ECORRUPT;
    int64_t prev_ms = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct sk_index_chunk chunk;
        if (!chunk_decode(&p, end, prev_ms, &chunk))
            return SK_ECORRUPT;
        prev_ms = chunk.through_ms;
        if (chunk.from_ms > through_ms || chunk.through_ms < from_ms)
            continue;
        if (!SK_GROW(series->chunks, series->chunk_cap, series->chunk_count + 1))
            return SK_ENOMEM;
        series->chunks[series->chunk_count++] = chunk;
    }
    /* The version byte has no checksum: read as another version, the rest does not come out
     * even. */
    return p == end ? SK_OK : SK_ECORRUPT;
}

enum sk_err sk_index_series_read(const struct sk_index *index, uint32_t ref, unsigned want,
                                 int64_t from_ms, int64_t through_ms,
                                 struct sk_index_series *series)
{
    sk_assert(series != NULL);
    struct sk_slice body;
    uint64_t ignored;
    enum sk_err err = body_open(index, (uint64_t)ref * SK_INDEX_SERIES_ALIGN, &body, &ignored);
    if (err != SK_OK)
        return err;
    if (body.len < 8)
        return SK_ECORRUPT;
    const uint8_t *p = body.ptr + 8;
    const uint8_t *end = body.ptr + body.len;
    series->fingerprint = sk_load_be64(body.ptr);
    series->ref = ref;
    series->chunk_count = 0;
    err = labels_read(index, &p, end, (want & SK_INDEX_LABELS) != 0, series);
    if (err != SK_OK || (want & SK_INDEX_CHUNKS) == 0)
        return err;
    return chunks_read(index, (struct sk_slice){p, (size_t)(end - p)}, from_ms, through_ms, series);
}

enum sk_err sk_index_series_after(const struct sk_index *index, uint32_t prev, uint32_t *ret_ref)
{
    uint64_t off = index->series_off;
    if (prev != 0) {
        struct sk_slice body;
        enum sk_err err = body_open(index, (uint64_t)prev * SK_INDEX_SERIES_ALIGN, &body, &off);
        if (err != SK_OK)
            return err;
    }
    off = (off + SK_INDEX_SERIES_ALIGN - 1) & ~(uint64_t)(SK_INDEX_SERIES_ALIGN - 1);
    if (off >= index->series_end) { /* what is left is padding */
        *ret_ref = 0;
        return SK_OK;
    }
    if (off / SK_INDEX_SERIES_ALIGN > UINT32_MAX)
        return SK_ECORRUPT;
    *ret_ref = (uint32_t)(off / SK_INDEX_SERIES_ALIGN);
    return SK_OK;
}

static bool postings_has(const struct sk_index_postings *p, uint32_t ref)
{
    size_t lo = 0, hi = p->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        uint32_t at = sk_load_be32(p->refs + 4 * mid);
        if (at == ref)
            return true;
        if (at < ref)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* Each series and each of its pairs; counts what the lists must hold in total. */
static enum sk_err verify_series(const struct sk_index *x, struct sk_index_series *s,
                                 uint64_t *ret_listed)
{
    uint64_t listed = 0;
    uint32_t ref = 0;
    for (;;) {
        enum sk_err err = sk_index_series_after(x, ref, &ref);
        if (err != SK_OK)
            return err;
        if (ref == 0)
            break;
        err = sk_index_series_read(x, ref, SK_INDEX_LABELS | SK_INDEX_CHUNKS, INT64_MIN, INT64_MAX,
                                   s);
        if (err != SK_OK)
            return err;
        for (size_t i = 0; i <= s->label_count; i++) { /* the last is the list of all series */
            struct sk_label pair = {SK_STR(""), SK_STR("")};
            if (i < s->label_count)
                pair = s->labels[i];
            struct sk_index_postings postings;
            err = sk_index_postings(x, pair.name, pair.value, &postings);
            if (err != SK_OK)
                return err;
            if (!postings_has(&postings, ref))
                return SK_ECORRUPT;
        }
        listed += s->label_count + 1;
    }
    *ret_listed = listed;
    return SK_OK;
}

enum sk_err sk_index_verify(const struct sk_index *index)
{
    struct sk_index_series series = {0};
    uint64_t listed = 0, found = 0;
    enum sk_err err = verify_series(index, &series, &listed);
    const uint8_t *p = index->pairs.ptr;
    const uint8_t *end = p + index->pairs.len;
    while (err == SK_OK && p < end) {
        struct sk_index_pair pair;
        struct sk_index_postings postings;
        bool ok = sk_index_pair_decode(&p, end, &pair);
        sk_assert(ok);
        err = sk_index_postings_at(index, pair.off, &postings);
        for (uint32_t i = 1; err == SK_OK && i < postings.count; i++) {
            if (sk_load_be32(postings.refs + 4 * i) <= sk_load_be32(postings.refs + 4 * (i - 1)))
                err = SK_ECORRUPT;
        }
        if (err == SK_OK)
            found += postings.count;
    }
    sk_index_series_deinit(&series);
    if (err == SK_OK && listed != found)
        err = SK_ECORRUPT; /* a list names a series that lacks the pair */
    return err;
}
