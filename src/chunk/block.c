/* SPDX-License-Identifier: Apache-2.0 */
/* block.c -- writing, checking and ordering of block entries. Sorting moves small references, not
 * lines; merge sort because it is stable and because pushes come in long ascending runs. */
#include "chunk/block.h"

#include "base/alloc.h"
#include "base/assert.h"

enum sk_err sk_block_meta_decode(struct sk_slice meta, struct sk_symbol_pair *pairs, size_t cap,
                                 size_t *ret_count)
{
    uint64_t count;
    if (meta.len == 0) {
        *ret_count = 0;
        return SK_OK;
    }
    const uint8_t *p = meta.ptr;
    const uint8_t *end = meta.ptr + meta.len;
    if (!sk_uvar_decode(&p, end, &count) || count > (uint64_t)(end - p) / 2)
        return SK_ECORRUPT;
    if (count > cap)
        return SK_ELIMIT;
    for (size_t i = 0; i < count; i++) {
        uint64_t name, value;
        if (!sk_uvar_decode(&p, end, &name) || !sk_uvar_decode(&p, end, &value))
            return SK_ECORRUPT;
        if (name > UINT32_MAX || value > UINT32_MAX)
            return SK_ECORRUPT;
        pairs[i] = (struct sk_symbol_pair){(uint32_t)name, (uint32_t)value};
    }
    if (p != end)
        return SK_ECORRUPT;
    *ret_count = (size_t)count;
    return SK_OK;
}

enum sk_err sk_block_scan(struct sk_slice block, bool has_meta, struct sk_block_stats *ret_stats)
{
    struct sk_block_stats s = {.sorted = true};
    struct sk_block_iter it;
    struct sk_block_entry e;
    int64_t last = INT64_MIN;
    sk_block_iter_init(&it, block, has_meta);
    while (sk_block_next(&it, &e)) {
        if (s.entry_count == UINT32_MAX)
            return SK_ELIMIT;
        if (e.ts_ns < last)
            s.sorted = false;
        last = e.ts_ns;
        if (s.entry_count == 0 || e.ts_ns < s.ts_min_ns)
            s.ts_min_ns = e.ts_ns;
        if (s.entry_count == 0 || e.ts_ns > s.ts_max_ns)
            s.ts_max_ns = e.ts_ns;
        s.entry_count++;
        s.size_bytes += e.line.len + 8 * sk_block_meta_count(e.meta);
    }
    if (it.corrupt)
        return SK_ECORRUPT;
    *ret_stats = s;
    return SK_OK;
}

size_t sk_block_entry_encode(uint8_t *out, int64_t ts_ns, struct sk_str line,
                             const struct sk_symbol_pair *pairs, size_t pair_count, bool has_meta)
{
    sk_assert(line.len < SK_BLOCK_LINE_BYTES_MAX);
    sk_assert(pair_count <= SK_BLOCK_PAIRS_MAX);
    uint8_t *p = out;
    p += sk_var_encode(p, ts_ns);
    p += sk_uvar_encode(p, line.len);
    if (line.len != 0)
        memcpy(p, line.ptr, line.len);
    p += line.len;
    if (!has_meta)
        return (size_t)(p - out);
    if (pair_count == 0) {
        *p++ = 1;
        *p++ = 0;
        return (size_t)(p - out);
    }
    size_t rest = sk_uvar_size(pair_count);
    for (size_t i = 0; i < pair_count; i++)
        rest += sk_uvar_size(pairs[i].name) + sk_uvar_size(pairs[i].value);
    p += sk_uvar_encode(p, rest);
    p += sk_uvar_encode(p, pair_count);
    for (size_t i = 0; i < pair_count; i++) {
        p += sk_uvar_encode(p, pairs[i].name);
        p += sk_uvar_encode(p, pairs[i].value);
    }
    sk_assert_debug((size_t)(p - out) <= sk_block_entry_size_max(line.len, pair_count));
    return (size_t)(p - out);
}

void sk_block_entry_copy(struct sk_strbuf *out, const struct sk_block_entry *entry, bool has_meta)
{
    size_t room;
    if (!sk_add_size(entry->line.len + 3 * SK_VARINT_BYTES_MAX, entry->meta.len, &room) ||
        !sk_strbuf_reserve(out, room))
        return;
    uint8_t *start = (uint8_t *)out->ptr + out->len;
    uint8_t *p = start + sk_block_entry_encode(start, entry->ts_ns, entry->line, NULL, 0, false);
    if (has_meta && entry->meta.len == 0) {
        *p++ = 1;
        *p++ = 0;
    } else if (has_meta) {
        p += sk_uvar_encode(p, entry->meta.len);
        memcpy(p, entry->meta.ptr, entry->meta.len);
        p += entry->meta.len;
    }
    out->len += (size_t)(p - start);
    out->ptr[out->len] = '\0';
}

struct entry_ref {
    int64_t ts_ns;
    uint32_t off, len; /* in the block, which sk_block_sort() keeps below 4 GiB */
};

static void merge_runs(const struct entry_ref *a, size_t a_len, size_t b_len, struct entry_ref *to)
{
    const struct entry_ref *b = a + a_len;
    size_t i = 0, k = 0;
    while (i < a_len && k < b_len)
        *to++ = b[k].ts_ns < a[i].ts_ns ? b[k++] : a[i++]; /* `a` came first: it wins a tie */
    if (i < a_len)
        memcpy(to, a + i, (a_len - i) * sizeof(*a));
    else if (k < b_len)
        memcpy(to, b + k, (b_len - k) * sizeof(*b));
}

/* Length of the ascending run at the start. */
static size_t run_len(const struct entry_ref *refs, size_t count)
{
    size_t n = 1;
    while (n < count && refs[n].ts_ns >= refs[n - 1].ts_ns)
        n++;
    return n;
}

/* Merges neighbouring runs, back and forth between the arrays, until one is left; returns the array
 * that holds it. */
static struct entry_ref *refs_sort(struct entry_ref *refs, struct entry_ref *spare, size_t count)
{
    for (;;) {
        size_t done = 0, merged = 0;
        while (done < count) {
            size_t a = run_len(refs + done, count - done);
            size_t b = done + a < count ? run_len(refs + done + a, count - done - a) : 0;
            merge_runs(refs + done, a, b, spare + done);
            done += a + b;
            merged++;
        }
        struct entry_ref *sorted = spare;
        spare = refs;
        refs = sorted;
        if (merged <= 1)
            return refs;
    }
}

enum sk_err sk_block_sort(struct sk_slice block, bool has_meta, struct sk_strbuf *out)
{
    struct sk_block_stats stats;
    enum sk_err err = sk_block_scan(block, has_meta, &stats);
    if (err != SK_OK)
        return err;
    if (stats.sorted) {
        sk_strbuf_add(out, block.ptr, block.len);
        return out->failed ? SK_ENOMEM : SK_OK;
    }
    if (block.len > UINT32_MAX)
        return SK_ELIMIT;
    if (!sk_strbuf_reserve(out, block.len))
        return SK_ENOMEM;
    size_t count = stats.entry_count, bytes;
    if (!sk_mul_size(count, 2 * sizeof(struct entry_ref), &bytes))
        return SK_ENOMEM;
    struct entry_ref *refs = sk_malloc(bytes);
    if (refs == NULL)
        return SK_ENOMEM;
    struct sk_block_iter it;
    struct sk_block_entry e;
    sk_block_iter_init(&it, block, has_meta);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *start = it.pos;
        bool more = sk_block_next(&it, &e);
        sk_assert(more); /* scanned above */
        refs[i] =
            (struct entry_ref){e.ts_ns, (uint32_t)(start - block.ptr), (uint32_t)(it.pos - start)};
    }
    const struct entry_ref *sorted = refs_sort(refs, refs + count, count);
    for (size_t i = 0; i < count; i++)
        sk_strbuf_add(out, block.ptr + sorted[i].off, sorted[i].len);
    sk_free(refs);
    sk_assert(!out->failed);
    return SK_OK;
}
