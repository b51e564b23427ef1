/* SPDX-License-Identifier: Apache-2.0 */
/* head.c -- see head.h. An entry's pairs are the same bytes in both forms; only the length before
 * them comes and goes. */
#include "chunk/head.h"

#include "base/assert.h"
#include "chunk/block.h"

enum { HEAD_ORDERED = 3, HEAD_UNORDERED = 4, HEAD_UNORDERED_META = 5 };

/* Moves *pos behind a pair count and its pairs. */
static bool pairs_skip(const uint8_t **pos, const uint8_t *end)
{
    uint64_t count, symbol;
    if (!sk_uvar_decode(pos, end, &count) || count > (uint64_t)(end - *pos) / 2)
        return false;
    for (uint64_t i = 0; i < 2 * count; i++) {
        if (!sk_uvar_decode(pos, end, &symbol) || symbol > UINT32_MAX)
            return false;
    }
    return true;
}

static bool entry_decode(const uint8_t **pos, const uint8_t *end, bool pairs,
                         struct sk_block_entry *ret)
{
    uint64_t len;
    if (!sk_block_ts_decode(pos, end, &ret->ts_ns) || !sk_uvar_decode(pos, end, &len) ||
        len > (uint64_t)(end - *pos) || len >= SK_BLOCK_LINE_BYTES_MAX)
        return false;
    ret->line = (struct sk_str){(const char *)*pos, (size_t)len};
    *pos += len;
    const uint8_t *start = *pos;
    if (pairs && !pairs_skip(pos, end))
        return false;
    ret->meta = (struct sk_slice){start, (size_t)(*pos - start)};
    return true;
}

enum sk_err sk_head_decode(struct sk_slice head, bool has_meta, struct sk_strbuf *out,
                           uint32_t *ret_entry_count)
{
    sk_assert(out != NULL);
    uint64_t count;
    size_t start = out->len;
    if (head.len == 0) {
        *ret_entry_count = 0;
        return SK_OK;
    }
    const uint8_t *p = head.ptr;
    const uint8_t *end = head.ptr + head.len;
    uint8_t format = *p++;
    if (format < HEAD_ORDERED || format > HEAD_UNORDERED_META)
        return SK_EUNSUPPORTED;
    if (!sk_uvar_decode(&p, end, &count) || count > (uint64_t)(end - p) / 2)
        return SK_ECORRUPT;
    if (format == HEAD_ORDERED) {
        uint64_t size;
        int64_t bound;
        if (!sk_uvar_decode(&p, end, &size) || !sk_var_decode(&p, end, &bound) ||
            !sk_var_decode(&p, end, &bound))
            return SK_ECORRUPT;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct sk_block_entry e;
        if (!entry_decode(&p, end, format == HEAD_UNORDERED_META, &e)) {
            out->len = start;
            return SK_ECORRUPT;
        }
        sk_block_entry_copy(out, &e, has_meta);
    }
    if (p != end || out->failed) {
        out->len = start;
        return out->failed ? SK_ENOMEM : SK_ECORRUPT;
    }
    *ret_entry_count = (uint32_t)count;
    return SK_OK;
}

enum sk_err sk_head_encode(struct sk_slice block, bool has_meta, struct sk_strbuf *out)
{
    struct sk_block_stats stats;
    enum sk_err err = sk_block_scan(block, has_meta, &stats);
    if (err != SK_OK)
        return err;
    size_t start = out->len;
    uint8_t bytes[SK_VARINT_BYTES_MAX];
    sk_strbuf_putc(out, has_meta ? HEAD_UNORDERED_META : HEAD_UNORDERED);
    sk_strbuf_add(out, bytes, sk_uvar_encode(bytes, stats.entry_count));
    struct sk_block_iter it;
    struct sk_block_entry e;
    sk_block_iter_init(&it, block, has_meta);
    while (sk_block_next(&it, &e)) {
        struct sk_slice meta = e.meta;
        sk_block_entry_copy(out, &e, false);
        sk_strbuf_add(out, meta.ptr, meta.len);
    }
    if (out->failed) {
        out->len = start;
        return SK_ENOMEM;
    }
    return SK_OK;
}
