/* SPDX-License-Identifier: Apache-2.0 */
/* chunk.c -- opens a chunk body and hands out its blocks.
 *
 * Opening works from the outside in: header, tail, section bounds, checksums, block table. No
 * number read from the body serves as a length or an offset before sk_slice_sub() has bounded it.
 * A block's offset is the exception: it may be wrong and is then replaced, so it is bounded when
 * the block is read. */
#include "chunk/chunk.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/varint.h"
#include "chunk/block.h"

enum {
    CRC_BYTES = 4,
    TAIL_V4_BYTES = 32,
    TAIL_OLD_BYTES = 8,
    ROW_BYTES_MIN = 5,       /* of the block table, format 1 */
    ENTRY_EXTRA_BYTES = 16,  /* usual cost of an entry beside its line */
    PACKED_RATIO_MAX = 1200, /* deflate's is 1032 */
};

struct block_row {
    struct sk_chunk_block info;
    uint64_t off;      /* as stated */
    uint64_t next_off; /* right behind the block before it */
};

struct sk_chunk {
    struct sk_arena *arena;
    struct sk_slice body;
    struct block_row *blocks;
    struct sk_str *symbols;
    struct sk_str *names; /* normalised, made on first use; ptr NULL: not yet */
    size_t block_count;
    uint64_t symbol_bytes;
    uint32_t symbol_count;
    uint8_t format;
    enum sk_codec codec;
    bool plain_symbols; /* checkpoint */
};

/* The section at [off, off+len), whose checksum follows it (1). */
static enum sk_err section_open(struct sk_slice body, uint64_t off, uint64_t len,
                                struct sk_slice *ret)
{
    struct sk_slice section, crc;
    if (!sk_slice_sub(body, off, len, &section))
        return SK_ECORRUPT;
    if (!sk_slice_sub(body, off + len, CRC_BYTES, &crc)) /* off + len <= body.len */
        return SK_ECORRUPT;
    if (sk_load_be32(crc.ptr) != sk_crc32c(section))
        return SK_ECORRUPT;
    *ret = section;
    return SK_OK;
}

/* The texts of the symbols, decompressed into the arena or borrowed from the body. */
static enum sk_err symbols_text(struct sk_chunk *chunk, struct sk_slice packed,
                                struct sk_codec_ctx *ctx, struct sk_slice *ret)
{
    if (chunk->plain_symbols || chunk->codec == SK_CODEC_NONE) {
        *ret = packed;
        return SK_OK;
    }
    struct sk_strbuf raw;
    sk_strbuf_init(&raw, SK_CHUNK_SYMBOLS_BYTES_MAX + 1);
    enum sk_err err = sk_codec_unpack(ctx, chunk->codec, packed, SK_CHUNK_SYMBOLS_BYTES_MAX, &raw);
    if (err != SK_OK)
        goto out;
    struct sk_str copy = sk_arena_str(chunk->arena, sk_strbuf_view(&raw));
    if (copy.ptr == NULL) {
        err = SK_ENOMEM;
        goto out;
    }
    *ret = sk_slice_of_str(copy);
out:
    sk_strbuf_deinit(&raw);
    return err;
}

static enum sk_err symbols_open(struct sk_chunk *chunk, struct sk_slice section,
                                struct sk_codec_ctx *ctx)
{
    const uint8_t *p = section.ptr;
    const uint8_t *end = section.ptr + section.len;
    uint64_t count;
    if (!sk_uvar_decode(&p, end, &count))
        return SK_ECORRUPT;
    if (count == 0)
        return SK_OK;
    struct sk_slice text;
    enum sk_err err = symbols_text(chunk, (struct sk_slice){p, (size_t)(end - p)}, ctx, &text);
    if (err != SK_OK)
        return err;
    if (count > text.len || count > UINT32_MAX) /* each takes a byte at least */
        return SK_ECORRUPT;
    struct sk_str *symbols = sk_arena_calloc(chunk->arena, (size_t)count, sizeof(*symbols));
    if (symbols == NULL)
        return SK_ENOMEM;
    p = text.ptr;
    end = text.ptr + text.len;
    for (size_t i = 0; i < count; i++) {
        uint64_t len;
        if (!sk_uvar_decode(&p, end, &len) || len > (uint64_t)(end - p))
            return SK_ECORRUPT;
        symbols[i] = (struct sk_str){(const char *)p, (size_t)len};
        chunk->symbol_bytes += len;
        p += len;
    }
    chunk->symbols = symbols;
    chunk->symbol_count = (uint32_t)count;
    return SK_OK;
}

static bool row_decode(const struct sk_chunk *chunk, const uint8_t **p, const uint8_t *end,
                       struct block_row *ret)
{
    struct sk_chunk_block *b = &ret->info;
    uint64_t entries;
    if (!sk_uvar_decode(p, end, &entries) || entries > UINT32_MAX)
        return false;
    if (!sk_var_decode(p, end, &b->ts_min_ns) || !sk_var_decode(p, end, &b->ts_max_ns))
        return false;
    if (!sk_uvar_decode(p, end, &ret->off))
        return false;
    if (chunk->format >= 3 && !sk_uvar_decode(p, end, &b->size_bytes))
        return false;
    if (!sk_uvar_decode(p, end, &b->packed_bytes))
        return false;
    b->entry_count = (uint32_t)entries;
    return true;
}

static enum sk_err table_open(struct sk_chunk *chunk, struct sk_slice table, uint64_t blocks_off)
{
    const uint8_t *p = table.ptr;
    const uint8_t *end = table.ptr + table.len;
    uint64_t count;
    if (!sk_uvar_decode(&p, end, &count) || count > (uint64_t)(end - p) / ROW_BYTES_MIN)
        return SK_ECORRUPT;
    if (count > SK_CHUNK_BLOCKS_MAX)
        return SK_ELIMIT;
    struct block_row *rows = sk_arena_calloc(chunk->arena, (size_t)count, sizeof(*rows));
    if (rows == NULL)
        return SK_ENOMEM;
    uint64_t next_off = blocks_off;
    for (size_t i = 0; i < count; i++) {
        struct sk_slice ignored;
        struct block_row *row = &rows[i];
        if (!row_decode(chunk, &p, end, row) || row->info.packed_bytes > chunk->body.len)
            return SK_ECORRUPT;
        row->next_off = next_off;
        uint64_t len = row->info.packed_bytes + CRC_BYTES;
        next_off = (sk_slice_sub(chunk->body, row->off, len, &ignored) ? row->off : next_off) + len;
    }
    chunk->blocks = rows;
    chunk->block_count = (size_t)count;
    return SK_OK;
}

/* Fills format and codec; *ret_len is the length of the header. */
static enum sk_err header_open(struct sk_chunk *chunk, size_t *ret_len)
{
    struct sk_slice body = chunk->body;
    if (body.len < 6 || sk_load_be32(body.ptr) != SK_CHUNK_MAGIC)
        return SK_ECORRUPT;
    chunk->format = body.ptr[4];
    if (chunk->format < 1 || chunk->format > 4)
        return SK_EUNSUPPORTED;
    uint8_t codec = chunk->format == 1 ? (uint8_t)SK_CODEC_GZIP : body.ptr[5];
    if (!sk_codec_known(codec))
        return SK_EUNSUPPORTED;
    chunk->codec = (enum sk_codec)codec;
    *ret_len = chunk->format == 1 ? 5 : 6;
    return SK_OK;
}

static enum sk_err sections_open(struct sk_chunk *chunk, struct sk_codec_ctx *ctx)
{
    size_t head_len;
    enum sk_err err = header_open(chunk, &head_len);
    if (err != SK_OK)
        return err;
    struct sk_slice body = chunk->body, table, symbols;
    if (chunk->format < 4) {
        if (body.len < head_len + TAIL_OLD_BYTES + CRC_BYTES)
            return SK_ECORRUPT;
        size_t end = body.len - TAIL_OLD_BYTES - CRC_BYTES;
        uint64_t off = sk_load_be64(body.ptr + body.len - TAIL_OLD_BYTES);
        if (off > end)
            return SK_ECORRUPT;
        err = section_open(body, off, end - off, &table);
        return err != SK_OK ? err : table_open(chunk, table, head_len);
    }
    if (body.len < head_len + TAIL_V4_BYTES)
        return SK_ECORRUPT;
    const uint8_t *tail = body.ptr + body.len - TAIL_V4_BYTES;
    struct sk_slice inner = {body.ptr, body.len - TAIL_V4_BYTES};
    uint64_t symbols_len = sk_load_be64(tail), symbols_off = sk_load_be64(tail + 8);
    err = section_open(inner, symbols_off, symbols_len, &symbols);
    if (err != SK_OK)
        return err;
    err = section_open(inner, sk_load_be64(tail + 24), sk_load_be64(tail + 16), &table);
    if (err != SK_OK)
        return err;
    err = symbols_open(chunk, symbols, ctx);
    if (err != SK_OK)
        return err;
    return table_open(chunk, table, symbols_off + symbols_len + CRC_BYTES);
}

static enum sk_err chunk_open(struct sk_arena *arena, struct sk_slice body,
                              struct sk_codec_ctx *ctx, bool plain_symbols,
                              struct sk_chunk **ret_chunk)
{
    sk_assert(arena != NULL);
    sk_assert(ret_chunk != NULL);
    struct sk_chunk *chunk = sk_arena_calloc(arena, 1, sizeof(*chunk));
    if (chunk == NULL)
        return SK_ENOMEM;
    chunk->arena = arena;
    chunk->body = body;
    chunk->plain_symbols = plain_symbols;
    enum sk_err err = sections_open(chunk, ctx);
    if (err != SK_OK)
        return err;
    sk_assert(chunk->block_count <= SK_CHUNK_BLOCKS_MAX);
    *ret_chunk = chunk;
    return SK_OK;
}

enum sk_err sk_chunk_init(struct sk_arena *arena, struct sk_slice body, struct sk_codec_ctx *ctx,
                          struct sk_chunk **ret_chunk)
{
    sk_assert(ctx != NULL);
    return chunk_open(arena, body, ctx, false, ret_chunk);
}

enum sk_err sk_chunk_init_checkpoint(struct sk_arena *arena, struct sk_slice body,
                                     struct sk_chunk **ret_chunk)
{
    return chunk_open(arena, body, NULL, true, ret_chunk);
}

unsigned sk_chunk_format(const struct sk_chunk *chunk)
{
    return chunk->format;
}

enum sk_codec sk_chunk_codec(const struct sk_chunk *chunk)
{
    return chunk->codec;
}

bool sk_chunk_has_meta(const struct sk_chunk *chunk)
{
    return chunk->format >= 4;
}

size_t sk_chunk_block_count(const struct sk_chunk *chunk)
{
    return chunk->block_count;
}

const struct sk_chunk_block *sk_chunk_block_at(const struct sk_chunk *chunk, size_t idx)
{
    sk_assert(idx < chunk->block_count);
    return &chunk->blocks[idx].info;
}

uint32_t sk_chunk_entry_count(const struct sk_chunk *chunk)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < chunk->block_count; i++)
        sum += chunk->blocks[i].info.entry_count;
    return sum;
}

uint32_t sk_chunk_kb(const struct sk_chunk *chunk)
{
    uint64_t sum = chunk->symbol_bytes;
    for (size_t i = 0; i < chunk->block_count; i++)
        sum += chunk->blocks[i].info.size_bytes;
    return (uint32_t)(sum / 1024 + (sum % 1024 >= 512 ? 1 : 0));
}

enum sk_err sk_chunk_block_packed(const struct sk_chunk *chunk, size_t idx,
                                  struct sk_slice *ret_packed)
{
    sk_assert(idx < chunk->block_count);
    const struct block_row *row = &chunk->blocks[idx];
    enum sk_err err = section_open(chunk->body, row->off, row->info.packed_bytes, ret_packed);
    if (err == SK_ECORRUPT && row->next_off != row->off)
        err = section_open(chunk->body, row->next_off, row->info.packed_bytes, ret_packed);
    return err;
}

enum sk_err sk_chunk_block_read(const struct sk_chunk *chunk, size_t idx, struct sk_codec_ctx *ctx,
                                struct sk_strbuf *out)
{
    struct sk_slice packed;
    enum sk_err err = sk_chunk_block_packed(chunk, idx, &packed);
    if (err != SK_OK)
        return err;
    const struct sk_chunk_block *info = &chunk->blocks[idx].info;
    /* Room for what the table promises, if a stream of this length can hold it: then the block is
     * decoded without growing. Failing to get it is no error yet. */
    uint64_t guess = info->size_bytes / 8 * 9 + (uint64_t)info->entry_count * ENTRY_EXTRA_BYTES;
    size_t fits = out->max_bytes > out->len ? out->max_bytes - out->len : 0;
    if (info->size_bytes != 0 && info->size_bytes <= SK_CHUNK_BLOCK_BYTES_MAX && guess <= fits &&
        guess / PACKED_RATIO_MAX <= packed.len && !sk_strbuf_reserve(out, (size_t)guess))
        return SK_ENOMEM;
    return sk_codec_unpack(ctx, chunk->codec, packed, SK_CHUNK_BLOCK_BYTES_MAX, out);
}

uint32_t sk_chunk_symbol_count(const struct sk_chunk *chunk)
{
    return chunk->symbol_count;
}

struct sk_str sk_chunk_symbol(const struct sk_chunk *chunk, uint64_t id)
{
    return id < chunk->symbol_count ? chunk->symbols[id] : SK_STR("");
}

/* The normalised form of a symbol that is used as a name. */
static enum sk_err name_get(struct sk_chunk *chunk, uint64_t id, struct sk_str *ret)
{
    if (id >= chunk->symbol_count) {
        *ret = SK_STR("");
        return SK_OK;
    }
    if (chunk->names == NULL) {
        chunk->names = sk_arena_calloc(chunk->arena, chunk->symbol_count, sizeof(struct sk_str));
        if (chunk->names == NULL)
            return SK_ENOMEM;
    }
    struct sk_str *name = &chunk->names[id];
    if (name->ptr == NULL) {
        struct sk_str made = chunk->symbols[id];
        if (made.len > 0 && !sk_label_name_is_normal(made)) {
            struct sk_strbuf text;
            sk_strbuf_init(&text, 4 * made.len + 16);
            bool valid = sk_label_name_normalize(&text, made);
            bool failed = text.failed;
            made = valid ? sk_arena_str(chunk->arena, sk_strbuf_view(&text)) : SK_STR("_");
            sk_strbuf_deinit(&text);
            if (failed || made.ptr == NULL)
                return SK_ENOMEM;
        }
        *name = made;
    }
    *ret = *name;
    return SK_OK;
}

enum sk_err sk_chunk_meta_decode(struct sk_chunk *chunk, struct sk_slice meta,
                                 struct sk_label *labels, size_t cap, size_t *ret_count)
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
        enum sk_err err = name_get(chunk, name, &labels[i].name);
        if (err != SK_OK)
            return err;
        labels[i].value = sk_chunk_symbol(chunk, value);
    }
    if (p != end)
        return SK_ECORRUPT;
    *ret_count = (size_t)count;
    return SK_OK;
}
