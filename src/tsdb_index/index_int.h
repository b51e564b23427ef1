/* SPDX-License-Identifier: Apache-2.0 */
/* index_int.h -- what the files of tsdb_index/ share. */
#ifndef SK_TSDB_INDEX_INDEX_INT_H
#define SK_TSDB_INDEX_INDEX_INT_H

#include "tsdb_index/index.h"

enum {
    SK_INDEX_TOC_BYTES = 76,
    SK_INDEX_FRAME_BYTES = 8, /* length and checksum */
    SK_INDEX_SERIES_ALIGN = 16,
    SK_INDEX_FPO_EVERY = 1024,
    SK_INDEX_PAGE_CHUNKS = 16,
    SK_INDEX_SYMBOL_EVERY = 8,
    SK_INDEX_PAIR_EVERY = 32,
};

struct sk_index {
    struct sk_slice file;
    void *owned;
    uint8_t version;
    uint64_t series_off, series_end;
    int64_t from_ms, through_ms;
    uint32_t toc_crc;
    struct sk_slice symbols; /* behind the count */
    uint32_t symbol_count;
    uint32_t *symbol_offs; /* of every 8th */
    struct sk_slice pairs; /* postings table behind the count */
    uint32_t pair_count;
    uint32_t *pair_offs; /* of every 32nd */
};

struct sk_index_pair {
    struct sk_str name, value;
    uint64_t off; /* of the postings list */
};

/* Decodes one row of the postings table. false: damaged. */
bool sk_index_pair_decode(const uint8_t **pos, const uint8_t *end, struct sk_index_pair *ret);

/* false: no such symbol. */
bool sk_index_symbol(const struct sk_index *index, uint64_t id, struct sk_str *ret);

#endif
