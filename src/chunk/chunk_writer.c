/* SPDX-License-Identifier: Apache-2.0 */
/* chunk_writer.c -- see chunk_writer.h. Blocks are copied straight to their place; only the table's
 * rows are kept until the end. */
#include "chunk/chunk_writer.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/binout.h"
#include "chunk/chunk.h"
#include "chunk/symbols.h"

struct sk_chunk_row {
    struct sk_chunk_packed block; /* its slice keeps the length only */
    uint64_t off;
};

static enum sk_err symbols_write(struct sk_chunk_writer *w,
                                 const struct sk_chunk_writer_options *options,
                                 struct sk_codec_ctx *ctx)
{
    struct sk_strbuf *out = w->out;
    size_t from = out->len;
    struct sk_strbuf raw;
    enum sk_err err = SK_OK;
    sk_strbuf_init(&raw, SK_CHUNK_SYMBOLS_BYTES_MAX);
    for (uint32_t i = 0; i < options->symbol_count; i++) {
        struct sk_str text = sk_symbols_at(options->symbols, i);
        sk_put_uvar(&raw, text.len);
        sk_strbuf_str(&raw, text);
        w->size_bytes += text.len;
    }
    if (raw.failed) {
        err = SK_ENOMEM;
        goto out;
    }
    sk_put_uvar(out, options->symbol_count);
    err = sk_codec_pack(ctx, options->plain_symbols ? SK_CODEC_NONE : options->codec,
                        (struct sk_slice){(const uint8_t *)raw.ptr, raw.len}, out);
    if (err != SK_OK)
        goto out;
    w->symbols_len = out->len - from;
    sk_put_crc(out, from);
    err = out->failed ? SK_ENOMEM : SK_OK;
out:
    sk_strbuf_deinit(&raw);
    return err;
}

enum sk_err sk_chunk_writer_begin(struct sk_chunk_writer *writer,
                                  const struct sk_chunk_writer_options *options,
                                  struct sk_codec_ctx *ctx, struct sk_strbuf *out)
{
    sk_assert(writer != NULL);
    sk_assert(options->format == 3 || options->format == 4);
    sk_assert(options->format == 4 || options->symbol_count == 0);
    sk_assert(options->symbol_count == 0 || options->symbols != NULL);
    *writer = (struct sk_chunk_writer){.out = out, .start = out->len, .format = options->format};
    sk_put_be32(out, SK_CHUNK_MAGIC);
    sk_strbuf_putc(out, (char)options->format);
    sk_strbuf_putc(out, (char)options->codec);
    enum sk_err err = out->failed ? SK_ENOMEM : SK_OK;
    if (err == SK_OK && options->format == 4)
        err = symbols_write(writer, options, ctx);
    if (err != SK_OK)
        out->len = writer->start;
    return err;
}

enum sk_err sk_chunk_writer_add(struct sk_chunk_writer *writer, const struct sk_chunk_packed *block)
{
    struct sk_strbuf *out = writer->out;
    sk_assert(block->ts_min_ns <= block->ts_max_ns);
    if (writer->row_count >= SK_CHUNK_BLOCKS_MAX)
        return SK_ELIMIT;
    if (!SK_GROW(writer->rows, writer->row_cap, writer->row_count + 1))
        return SK_ENOMEM;
    uint64_t off = out->len - writer->start;
    sk_strbuf_add(out, block->packed.ptr, block->packed.len);
    sk_put_be32(out, sk_crc32c(block->packed));
    if (out->failed)
        return SK_ENOMEM;
    writer->rows[writer->row_count++] = (struct sk_chunk_row){*block, off};
    writer->size_bytes += block->size_bytes;
    return SK_OK;
}

static void table_write(struct sk_chunk_writer *w, struct sk_chunk_sums *sums)
{
    struct sk_strbuf *out = w->out;
    sk_put_uvar(out, w->row_count);
    for (size_t i = 0; i < w->row_count; i++) {
        const struct sk_chunk_packed *b = &w->rows[i].block;
        sk_put_uvar(out, b->entry_count);
        sk_put_var(out, b->ts_min_ns);
        sk_put_var(out, b->ts_max_ns);
        sk_put_uvar(out, w->rows[i].off);
        sk_put_uvar(out, b->size_bytes);
        sk_put_uvar(out, b->packed.len);
        sums->entry_count += b->entry_count;
        if (i == 0 || b->ts_min_ns < sums->ts_min_ns)
            sums->ts_min_ns = b->ts_min_ns;
        if (i == 0 || b->ts_max_ns > sums->ts_max_ns)
            sums->ts_max_ns = b->ts_max_ns;
    }
}

enum sk_err sk_chunk_writer_finish(struct sk_chunk_writer *writer, struct sk_chunk_sums *ret_sums)
{
    struct sk_strbuf *out = writer->out;
    struct sk_chunk_sums sums = {0};
    size_t table_at = out->len;
    table_write(writer, &sums);
    size_t table_len = out->len - table_at;
    sk_put_crc(out, table_at);
    if (writer->format == 4) {
        sk_put_be64(out, writer->symbols_len);
        sk_put_be64(out, 6); /* symbols stand right behind the header */
        sk_put_be64(out, table_len);
    }
    sk_put_be64(out, table_at - writer->start);
    if (out->failed) {
        sk_chunk_writer_cancel(writer);
        return SK_ENOMEM;
    }
    sums.body_bytes = out->len - writer->start;
    sums.kb = (uint32_t)(writer->size_bytes / 1024 + (writer->size_bytes % 1024 >= 512 ? 1 : 0));
    sk_free(writer->rows);
    writer->rows = NULL;
    *ret_sums = sums;
    return SK_OK;
}

void sk_chunk_writer_cancel(struct sk_chunk_writer *writer)
{
    sk_free(writer->rows);
    writer->rows = NULL;
    writer->row_count = writer->row_cap = 0;
    writer->out->len = writer->start;
}

enum sk_err sk_chunk_block_pack(struct sk_codec_ctx *ctx, enum sk_codec codec, struct sk_slice raw,
                                bool has_meta, struct sk_strbuf *out,
                                struct sk_chunk_packed *ret_block)
{
    struct sk_block_stats stats;
    enum sk_err err = sk_block_scan(raw, has_meta, &stats);
    if (err != SK_OK)
        return err;
    if (!stats.sorted || stats.entry_count == 0)
        return SK_EINVAL;
    size_t from = out->len;
    err = sk_codec_pack(ctx, codec, raw, out);
    if (err != SK_OK)
        return err;
    *ret_block = (struct sk_chunk_packed){
        .packed = {(const uint8_t *)out->ptr + from, out->len - from},
        .entry_count = stats.entry_count,
        .ts_min_ns = stats.ts_min_ns,
        .ts_max_ns = stats.ts_max_ns,
        .size_bytes = stats.size_bytes,
    };
    return SK_OK;
}
