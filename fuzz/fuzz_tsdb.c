/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_tsdb.c -- any bytes as an index file: every lookup, and what reads well is built again.
 * The first byte says whether checksums are put right first. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/varint.h"
#include "tsdb_index/index_select.h"
#include "tsdb_index/index_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERIES_MAX = 64 };

static void frame_fix(uint8_t *file, size_t size, uint64_t off)
{
    if (off > size || size - off < 8)
        return;
    uint32_t len = sk_load_be32(file + off);
    if (len > size - off - 8)
        return;
    sk_store_be32(file + off + 4 + len, sk_crc32c((struct sk_slice){file + off + 4, len}));
}

static void checksums_fix(uint8_t *file, size_t size)
{
    if (size < 81)
        return;
    uint8_t *toc = file + size - 76;
    uint64_t series = sk_load_be64(toc + 8), end = sk_load_be64(toc + 16);
    frame_fix(file, size - 76, sk_load_be64(toc));
    frame_fix(file, size - 76, sk_load_be64(toc + 40));
    frame_fix(file, size - 76, sk_load_be64(toc + 48));
    for (uint64_t at = series; at < end && end <= size - 76 && at <= UINT32_MAX;) {
        at = (at + 15) & ~UINT64_C(15);
        const uint8_t *p = file + at;
        uint64_t len;
        if (at >= end || !sk_uvar_decode(&p, file + end, &len))
            break;
        uint64_t body = (uint64_t)(p - file);
        if (len > end - body || end - body - len < 4)
            break;
        sk_store_be32(file + body + len, sk_crc32c((struct sk_slice){file + body, (size_t)len}));
        at = body + len + 4;
    }
    sk_store_be32(toc + 72, sk_crc32c((struct sk_slice){toc, 72}));
}

static bool even_length(void *ctx, struct sk_str value)
{
    (void)ctx;
    return value.len % 2 == 0;
}

static void lookups(const struct sk_index *x)
{
    struct sk_str name = {NULL, 0}, value;
    struct sk_arena arena;
    sk_arena_init(&arena, 16 << 20, NULL);
    for (unsigned i = 0; i < 32 && sk_index_name_after(x, name, &name); i++) {
        struct sk_index_values values;
        uint64_t off;
        sk_index_values_init(x, name, &values);
        for (unsigned k = 0; k < 32 && sk_index_values_next(&values, &value, &off); k++) {
            struct sk_index_postings one;
            struct sk_index_refs refs;
            struct sk_index_predicate p[] = {
                {.name = name, .exact = true, .value = value, .matches_empty = value.len == 0},
                {.name = name, .matches = even_length, .matches_empty = true},
                {.name = SK_STR("app"), .matches = even_length, .matches_empty = true}};
            if (sk_index_postings_at(x, off, &one) == SK_OK && one.count > 0)
                (void)sk_load_be32(one.refs + 4 * ((size_t)one.count - 1));
            struct sk_index_span span = {k % 2 ? INT64_MIN : 5, INT64_MAX};
            (void)!sk_index_select(x, p + k % 2, 3 - k % 2, span, &arena, &refs);
        }
    }
    sk_arena_deinit(&arena);
}

static void rebuild(const struct sk_index *x)
{
    struct sk_index_series series[SERIES_MAX] = {0};
    struct sk_index_input inputs[SERIES_MAX];
    size_t count = 0;
    uint32_t ref = 0;
    while (count < SERIES_MAX && sk_index_series_after(x, ref, &ref) == SK_OK && ref != 0) {
        struct sk_index_series *s = &series[count];
        if (sk_index_series_read(x, ref, SK_INDEX_LABELS | SK_INDEX_CHUNKS, INT64_MIN, INT64_MAX,
                                 s) != SK_OK)
            continue;
        inputs[count++] = (struct sk_index_input){
            {s->labels, s->label_count}, {NULL, 0}, s->fingerprint, s->chunks, s->chunk_count};
    }
    struct sk_strbuf out;
    struct sk_index_sums sums;
    struct sk_index *again;
    sk_strbuf_init(&out, 16 << 20);
    enum sk_err err = sk_index_build(inputs, count, sk_index_version(x), &out, &sums);
    if (err == SK_OK) {
        err = sk_index_create((struct sk_slice){(const uint8_t *)out.ptr, out.len}, NULL, &again);
        sk_assert(err == SK_OK);
        err = sk_index_verify(again);
        sk_assert(err == SK_OK);
        sk_index_destroy(again);
    } else {
        sk_assert(out.len == 0);
    }
    sk_strbuf_deinit(&out);
    for (size_t i = 0; i < SERIES_MAX; i++)
        sk_index_series_deinit(&series[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_index *x;
    if (size < 1)
        return 0;
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        return 0;
    memcpy(copy, data + 1, size - 1);
    if ((data[0] & 1) != 0)
        checksums_fix(copy, size - 1);
    if (sk_index_create((struct sk_slice){copy, size - 1}, NULL, &x) == SK_OK) {
        (void)!sk_index_verify(x);
        lookups(x);
        rebuild(x);
        sk_index_destroy(x);
    }
    free(copy);
    return 0;
}
