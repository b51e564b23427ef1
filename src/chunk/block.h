/* SPDX-License-Identifier: Apache-2.0 */
/* block.h -- the entries of a decompressed block, and of a head before it is compressed.
 *
 * Entries stand back to back until the bytes end (varints as in base/varint.h):
 *
 *     var   time in ns, absolute
 *     uvar  length of the line, then the line: any bytes
 *     -- with metadata (format 4) only --
 *     uvar  length of the rest of the entry; 1 when there is no pair
 *     uvar  number of pairs, then per pair: uvar name symbol, uvar value symbol
 *
 * An entry costs 10 to 12 bytes beside its line. Bytes are hostile: an iterator stops at the first
 * entry that does not fit and says so.
 *
 * Threads: an iterator is used by one thread; the bytes may be shared. */
#ifndef SK_CHUNK_BLOCK_H
#define SK_CHUNK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "base/varint.h"

#define SK_BLOCK_LINE_BYTES_MAX (1u << 30) /* Loki's reader refuses lines of 1 GiB */
#define SK_BLOCK_PAIRS_MAX      65536u     /* of one entry; Loki's limit is 128 */

struct sk_block_entry {
    int64_t ts_ns;
    struct sk_str line;
    struct sk_slice meta; /* pair count and pairs, not decoded; empty in a block without metadata */
};

struct sk_block_iter {
    const uint8_t *pos;
    const uint8_t *end;
    bool has_meta;
    bool corrupt; /* the iteration ended before the bytes did */
};

struct sk_symbol_pair {
    uint32_t name, value; /* positions in the symbol table */
};

static inline void sk_block_iter_init(struct sk_block_iter *it, struct sk_slice block,
                                      bool has_meta)
{
    const uint8_t *end = block.len == 0 ? block.ptr : block.ptr + block.len; /* ptr may be NULL */
    *it = (struct sk_block_iter){block.ptr, end, has_meta, false};
}

/* A varint of today's time in ns has 9 bytes; eight of them are joined at once. */
static inline bool sk_block_ts_decode(const uint8_t **pos, const uint8_t *end, int64_t *ret)
{
    const uint8_t *p = *pos;
    if (end - p >= 9) {
        uint64_t w = sk_load_le64(p);
        if ((w & 0x8080808080808080u) == 0x8080808080808080u && p[8] < 0x80) {
            w &= 0x7f7f7f7f7f7f7f7fu;
            w = (w & 0x007f007f007f007fu) | (w & 0x7f007f007f007f00u) >> 1;
            w = (w & 0x00003fff00003fffu) | (w & 0x3fff00003fff0000u) >> 2;
            w = (w & 0x000000000fffffffu) | (w & 0x0fffffff00000000u) >> 4;
            *ret = sk_zigzag_decode(w | (uint64_t)p[8] << 56);
            *pos = p + 9;
            return true;
        }
    }
    return sk_var_decode(pos, end, ret);
}

/* The next entry; its slices point into the block. false at the end, or at damage (`corrupt`). */
static inline bool sk_block_next(struct sk_block_iter *it, struct sk_block_entry *ret)
{
    const uint8_t *p = it->pos;
    const uint8_t *end = it->end;
    uint64_t len;
    if (p == end || it->corrupt)
        return false;
    if (!sk_block_ts_decode(&p, end, &ret->ts_ns) || !sk_uvar_decode(&p, end, &len) ||
        len > (uint64_t)(end - p) || len >= SK_BLOCK_LINE_BYTES_MAX)
        goto bad;
    ret->line = (struct sk_str){(const char *)p, (size_t)len};
    p += len;
    ret->meta = (struct sk_slice){p, 0};
    if (it->has_meta) {
        if (!sk_uvar_decode(&p, end, &len) || len == 0 || len > (uint64_t)(end - p))
            goto bad;
        ret->meta = (struct sk_slice){p, (size_t)len};
        p += len;
    }
    it->pos = p;
    return true;
bad:
    it->corrupt = true;
    return false;
}

/* Number of pairs that `meta` declares, bounded by what its bytes can hold; 0 when it is
 * damaged. */
static inline size_t sk_block_meta_count(struct sk_slice meta)
{
    const uint8_t *p = meta.ptr;
    uint64_t n;
    if (meta.len <= 1 || !sk_uvar_decode(&p, meta.ptr + meta.len, &n) || n > meta.len / 2 ||
        n > SK_BLOCK_PAIRS_MAX)
        return 0;
    return (size_t)n;
}

/* The pairs of an entry's metadata; `cap` >= sk_block_meta_count(meta). SK_ECORRUPT: the lengths
 * disagree or a symbol number does not fit 32 bits. Numbers beyond the symbol table are the
 * reader's affair (they read as empty text). */
SK_MUST_CHECK enum sk_err sk_block_meta_decode(struct sk_slice meta, struct sk_symbol_pair *pairs,
                                               size_t cap, size_t *ret_count);

/* What the block table says of a block. */
struct sk_block_stats {
    uint32_t entry_count;
    int64_t ts_min_ns, ts_max_ns; /* 0 without entries */
    uint64_t size_bytes;          /* sum of line bytes + 8 per metadata pair */
    bool sorted;                  /* times never go down */
};

/* Walks the whole block. SK_ECORRUPT, SK_ELIMIT (more than 2^32-1 entries). */
SK_MUST_CHECK enum sk_err sk_block_scan(struct sk_slice block, bool has_meta,
                                        struct sk_block_stats *ret_stats);

/* Room that one entry may need. */
static inline size_t sk_block_entry_size_max(size_t line_len, size_t pair_count)
{
    return 4 * SK_VARINT_BYTES_MAX + line_len + pair_count * 10;
}

/* Writes one entry at `out`, which has sk_block_entry_size_max() bytes; returns the bytes written.
 * `pairs` are sorted by name text. Without `has_meta` they are left out. */
size_t sk_block_entry_encode(uint8_t *out, int64_t ts_ns, struct sk_str line,
                             const struct sk_symbol_pair *pairs, size_t pair_count, bool has_meta);

/* Appends an entry as an iterator gave it (its symbols stay as they are). An empty `meta` in a
 * block with metadata becomes "no pairs". Failure sticks in `out`. */
void sk_block_entry_copy(struct sk_strbuf *out, const struct sk_block_entry *entry, bool has_meta);

/* Appends the entries of `block` to `out` in time order, equal times in their present order.
 * SK_ECORRUPT: damaged; SK_ENOMEM. Costs 24 bytes an entry while it runs. */
SK_MUST_CHECK enum sk_err sk_block_sort(struct sk_slice block, bool has_meta,
                                        struct sk_strbuf *out);

#endif
