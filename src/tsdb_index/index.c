/* SPDX-License-Identifier: Apache-2.0 */
/* index.c -- opening, and the lookups in symbols and postings table. Both tables are scanned
 * once at opening, which also proves them well formed; later lookups jump to a sample and walk
 * from there. */
#include "tsdb_index/index.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/varint.h"
#include "tsdb_index/index_int.h"

enum {
    TOC_SYMBOLS = 0,
    TOC_SERIES = 1,
    TOC_LABEL_INDICES = 2,
    TOC_POSTINGS_TABLE = 5,
    TOC_FINGERPRINTS = 6,
    TOC_OFFSETS = 7,
};

/* The body of the framed section at `off`, its checksum verified; *ret_end is where it ends. */
static enum sk_err frame_open(struct sk_slice file, uint64_t off, struct sk_slice *ret_body,
                              uint64_t *ret_end)
{
    struct sk_slice head, body, crc;
    if (!sk_slice_sub(file, off, 4, &head))
        return SK_ECORRUPT;
    uint32_t len = sk_load_be32(head.ptr);
    if (!sk_slice_sub(file, off + 4, len, &body))
        return SK_ECORRUPT;
    if (!sk_slice_sub(file, off + 4 + len, 4, &crc) || sk_load_be32(crc.ptr) != sk_crc32c(body))
        return SK_ECORRUPT;
    *ret_body = body;
    *ret_end = off + SK_INDEX_FRAME_BYTES + len;
    return SK_OK;
}

static bool text_decode(const uint8_t **pos, const uint8_t *end, struct sk_str *ret)
{
    const uint8_t *p = *pos;
    uint64_t len;
    if (!sk_uvar_decode(&p, end, &len) || len > (uint64_t)(end - p))
        return false;
    *ret = (struct sk_str){(const char *)p, (size_t)len};
    *pos = p + len;
    return true;
}

bool sk_index_pair_decode(const uint8_t **pos, const uint8_t *end, struct sk_index_pair *ret)
{
    const uint8_t *p = *pos;
    uint64_t keys;
    if (!sk_uvar_decode(&p, end, &keys) || keys != 2)
        return false;
    if (!text_decode(&p, end, &ret->name) || !text_decode(&p, end, &ret->value) ||
        !sk_uvar_decode(&p, end, &ret->off))
        return false;
    *pos = p;
    return true;
}

static int pair_cmp(struct sk_str name_a, struct sk_str value_a, struct sk_str name_b,
                    struct sk_str value_b)
{
    int c = sk_str_cmp(name_a, name_b);
    return c != 0 ? c : sk_str_cmp(value_a, value_b);
}

/* Splits a section into count and rows; each row takes at least `row_min` bytes. */
static enum sk_err rows_open(struct sk_slice body, size_t row_min, uint32_t *ret_count,
                             struct sk_slice *ret_rows)
{
    if (body.len < 4)
        return SK_ECORRUPT;
    uint32_t count = sk_load_be32(body.ptr);
    struct sk_slice rows = {body.ptr + 4, body.len - 4};
    if (count > rows.len / row_min)
        return SK_ECORRUPT;
    *ret_count = count;
    *ret_rows = rows;
    return SK_OK;
}

static enum sk_err symbols_open(struct sk_index *x, struct sk_slice body)
{
    enum sk_err err = rows_open(body, 1, &x->symbol_count, &x->symbols);
    if (err != SK_OK)
        return err;
    x->symbol_offs =
        sk_malloc((x->symbol_count / SK_INDEX_SYMBOL_EVERY + 1) * sizeof(*x->symbol_offs));
    if (x->symbol_offs == NULL)
        return SK_ENOMEM;
    const uint8_t *p = x->symbols.ptr;
    const uint8_t *end = p + x->symbols.len;
    for (uint32_t i = 0; i < x->symbol_count; i++) {
        struct sk_str text;
        if (i % SK_INDEX_SYMBOL_EVERY == 0)
            x->symbol_offs[i / SK_INDEX_SYMBOL_EVERY] = (uint32_t)(p - x->symbols.ptr);
        if (!text_decode(&p, end, &text))
            return SK_ECORRUPT;
    }
    return SK_OK;
}

static enum sk_err pairs_open(struct sk_index *x, struct sk_slice body)
{
    enum sk_err err = rows_open(body, 4, &x->pair_count, &x->pairs);
    if (err != SK_OK)
        return err;
    x->pair_offs = sk_malloc((x->pair_count / SK_INDEX_PAIR_EVERY + 1) * sizeof(*x->pair_offs));
    if (x->pair_offs == NULL)
        return SK_ENOMEM;
    const uint8_t *p = x->pairs.ptr;
    const uint8_t *end = p + x->pairs.len;
    struct sk_index_pair last = {0}, pair;
    for (uint32_t i = 0; i < x->pair_count; i++) {
        if (i % SK_INDEX_PAIR_EVERY == 0)
            x->pair_offs[i / SK_INDEX_PAIR_EVERY] = (uint32_t)(p - x->pairs.ptr);
        if (!sk_index_pair_decode(&p, end, &pair))
            return SK_ECORRUPT;
        if (i > 0 && pair_cmp(last.name, last.value, pair.name, pair.value) >= 0)
            return SK_ECORRUPT; /* lookups need the order (2) */
        last = pair;
    }
    x->pairs.len = (size_t)(p - x->pairs.ptr);
    return SK_OK;
}

static enum sk_err index_open(struct sk_index *x)
{
    if (x->file.len < 5 + SK_INDEX_TOC_BYTES || sk_load_be32(x->file.ptr) != SK_INDEX_MAGIC)
        return SK_ECORRUPT;
    x->version = x->file.ptr[4];
    if (x->version != 2 && x->version != 3)
        return SK_EUNSUPPORTED;
    const uint8_t *toc = x->file.ptr + x->file.len - SK_INDEX_TOC_BYTES;
    x->toc_crc = sk_load_be32(toc + SK_INDEX_TOC_BYTES - 4);
    if (sk_crc32c((struct sk_slice){toc, SK_INDEX_TOC_BYTES - 4}) != x->toc_crc)
        return SK_ECORRUPT;
    x->from_ms = (int64_t)sk_load_be64(toc + (size_t)TOC_OFFSETS * 8);
    x->through_ms = (int64_t)sk_load_be64(toc + (size_t)TOC_OFFSETS * 8 + 8);

    uint64_t off[TOC_OFFSETS], end;
    for (size_t i = 0; i < TOC_OFFSETS; i++)
        off[i] = sk_load_be64(toc + i * 8);
    struct sk_slice inner = {x->file.ptr, x->file.len - SK_INDEX_TOC_BYTES}, body;
    x->series_off = off[TOC_SERIES];
    x->series_end = off[TOC_LABEL_INDICES];
    if (x->series_end > inner.len || x->series_off > x->series_end)
        return SK_ECORRUPT;
    enum sk_err err = frame_open(inner, off[TOC_SYMBOLS], &body, &end);
    if (err != SK_OK)
        return err;
    err = symbols_open(x, body);
    if (err != SK_OK)
        return err;
    err = frame_open(inner, off[TOC_FINGERPRINTS], &body, &end);
    if (err != SK_OK)
        return err;
    err = frame_open(inner, off[TOC_POSTINGS_TABLE], &body, &end);
    return err != SK_OK ? err : pairs_open(x, body);
}

enum sk_err sk_index_create(struct sk_slice file, void *owned, struct sk_index **ret_index)
{
    sk_assert(ret_index != NULL);
    struct sk_index *x = sk_calloc(1, sizeof(*x));
    if (x == NULL)
        return SK_ENOMEM;
    x->file = file;
    enum sk_err err = index_open(x);
    if (err != SK_OK) {
        sk_index_destroy(x); /* `owned` stays with the caller */
        return err;
    }
    x->owned = owned;
    *ret_index = x;
    return SK_OK;
}

void sk_index_destroy(struct sk_index *index)
{
    if (index == NULL)
        return;
    sk_free(index->symbol_offs);
    sk_free(index->pair_offs);
    sk_free(index->owned);
    sk_free(index);
}

unsigned sk_index_version(const struct sk_index *index)
{
    return index->version;
}

int64_t sk_index_from_ms(const struct sk_index *index)
{
    return index->from_ms;
}

int64_t sk_index_through_ms(const struct sk_index *index)
{
    return index->through_ms;
}

uint32_t sk_index_toc_crc(const struct sk_index *index)
{
    return index->toc_crc;
}

size_t sk_index_held_bytes(const struct sk_index *index)
{
    return sizeof(*index) + (index->owned != NULL ? index->file.len : 0) +
           ((size_t)index->symbol_count / SK_INDEX_SYMBOL_EVERY + 1) * 4 +
           ((size_t)index->pair_count / SK_INDEX_PAIR_EVERY + 1) * 4;
}

bool sk_index_symbol(const struct sk_index *index, uint64_t id, struct sk_str *ret)
{
    if (id >= index->symbol_count)
        return false;
    const uint8_t *p = index->symbols.ptr + index->symbol_offs[id / SK_INDEX_SYMBOL_EVERY];
    const uint8_t *end = index->symbols.ptr + index->symbols.len;
    for (uint64_t skip = id % SK_INDEX_SYMBOL_EVERY; skip > 0; skip--) {
        struct sk_str passed;
        if (!text_decode(&p, end, &passed))
            return false;
    }
    return text_decode(&p, end, ret);
}

/* The first pair at or behind (name, value); *ret_pos stands on it. false: there is none. */
static bool pair_seek(const struct sk_index *x, struct sk_str name, struct sk_str value,
                      const uint8_t **ret_pos, struct sk_index_pair *ret)
{
    const uint8_t *base = x->pairs.ptr;
    const uint8_t *end = base + x->pairs.len;
    if (x->pair_count == 0)
        return false;
    size_t lo = 0, hi = (x->pair_count - 1) / SK_INDEX_PAIR_EVERY + 1;
    while (hi - lo > 1) { /* the last sample that is not behind the pair is in [lo, hi) */
        size_t mid = lo + (hi - lo) / 2;
        const uint8_t *p = base + x->pair_offs[mid];
        struct sk_index_pair sample;
        bool ok = sk_index_pair_decode(&p, end, &sample);
        sk_assert(ok); /* (2) */
        if (pair_cmp(sample.name, sample.value, name, value) <= 0)
            lo = mid;
        else
            hi = mid;
    }
    const uint8_t *p = base + x->pair_offs[lo];
    while (p < end) {
        const uint8_t *start = p;
        bool ok = sk_index_pair_decode(&p, end, ret);
        sk_assert(ok); /* (2) */
        if (pair_cmp(ret->name, ret->value, name, value) >= 0) {
            *ret_pos = start;
            return true;
        }
    }
    return false;
}

bool sk_index_name_after(const struct sk_index *index, struct sk_str prev, struct sk_str *ret_name)
{
    /* Behind every value of `prev` there is only a greater name: seek by samples, then walk. */
    const uint8_t *base = index->pairs.ptr;
    const uint8_t *end = base + index->pairs.len;
    size_t lo = 0, hi = ((size_t)index->pair_count + SK_INDEX_PAIR_EVERY - 1) / SK_INDEX_PAIR_EVERY;
    struct sk_index_pair pair;
    while (hi > lo) { /* the number of samples whose name is not above `prev` */
        size_t mid = lo + (hi - lo) / 2;
        const uint8_t *p = base + index->pair_offs[mid];
        bool ok = sk_index_pair_decode(&p, end, &pair);
        sk_assert(ok); /* (2) */
        if (sk_str_cmp(pair.name, prev) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    const uint8_t *p = base + (lo == 0 ? 0 : index->pair_offs[lo - 1]);
    while (p < end) {
        bool ok = sk_index_pair_decode(&p, end, &pair);
        sk_assert(ok); /* (2) */
        if (pair.name.len > 0 && sk_str_cmp(pair.name, prev) > 0) {
            *ret_name = pair.name;
            return true;
        }
    }
    return false;
}

void sk_index_values_init(const struct sk_index *index, struct sk_str name,
                          struct sk_index_values *ret_values)
{
    struct sk_index_pair pair;
    const uint8_t *end = index->pairs.ptr + index->pairs.len;
    *ret_values = (struct sk_index_values){end, end, name};
    const uint8_t *pos;
    if (pair_seek(index, name, SK_STR(""), &pos, &pair))
        ret_values->pos = pos;
}

bool sk_index_values_next(struct sk_index_values *values, struct sk_str *ret_value,
                          uint64_t *ret_off)
{
    struct sk_index_pair pair;
    const uint8_t *p = values->pos;
    if (p == values->end)
        return false;
    bool ok = sk_index_pair_decode(&p, values->end, &pair);
    sk_assert(ok); /* (2) */
    if (!sk_str_eq(pair.name, values->name))
        return false;
    values->pos = p;
    *ret_value = pair.value;
    *ret_off = pair.off;
    return true;
}

enum sk_err sk_index_postings_at(const struct sk_index *index, uint64_t off,
                                 struct sk_index_postings *ret)
{
    struct sk_slice inner = {index->file.ptr, index->file.len - SK_INDEX_TOC_BYTES}, body;
    uint64_t end;
    enum sk_err err = frame_open(inner, off, &body, &end);
    if (err != SK_OK)
        return err;
    if (body.len < 4 || body.len % 4 != 0 || sk_load_be32(body.ptr) != body.len / 4 - 1)
        return SK_ECORRUPT;
    *ret = (struct sk_index_postings){body.ptr + 4, sk_load_be32(body.ptr)};
    return SK_OK;
}

enum sk_err sk_index_postings(const struct sk_index *index, struct sk_str name, struct sk_str value,
                              struct sk_index_postings *ret)
{
    struct sk_index_pair pair;
    const uint8_t *pos;
    if (!pair_seek(index, name, value, &pos, &pair) || !sk_str_eq(pair.name, name) ||
        !sk_str_eq(pair.value, value)) {
        *ret = (struct sk_index_postings){NULL, 0};
        return SK_OK;
    }
    return sk_index_postings_at(index, pair.off, ret);
}
