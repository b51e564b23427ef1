/* SPDX-License-Identifier: Apache-2.0 */
/* chunk.h -- reads the body of a log chunk, formats 1 to 4.
 *
 * A chunk holds one stream's lines over one span of time. Use this header when you hold a body's
 * bytes and want its blocks. The wrapper around the body is objstore's (envelope.h); the lines
 * inside a block are block.h's; chunk_writer.h makes bodies.
 *
 * Body of format 4 (integers big-endian, varints as in base/varint.h, checksums CRC-32C; the full
 * account, with a dumped example, is docs/FORMATS/chunk-v4.md):
 *
 *      0   4  magic 0x012EE56A
 *      4   1  format, 4
 *      5   1  codec of every compressed section (codec/codec.h)
 *      6   .  symbols: uvar count, then the packed texts; then its checksum (4)
 *      .   .  blocks, packed, each followed by its checksum (4)
 *      .   .  block table, then its checksum (4)
 *   end-32    symbols length 8, symbols offset 8, table length 8, table offset 8
 *
 *   table     uvar blocks, per block: uvar entries, var oldest ns, var newest ns, uvar offset,
 *             uvar size (lines + 8 per pair; formats 3 and 4 only), uvar packed length
 *
 * Formats 1 to 3 have no symbols and end in the table's offset (8) alone; 1 has no codec byte and
 * is gzip. In the write-ahead log's checkpoints the texts of the symbols are not packed.
 *
 * Invariants of an open chunk:
 *   (1) symbols and table lie inside the body and their checksums have matched;
 *   (2) a block's bytes are unchecked until sk_chunk_block_read() returns SK_OK;
 *   (3) every text of the symbol table is inside the body or the arena.
 *
 * Threads: a chunk is used by one thread at a time. */
#ifndef SK_CHUNK_CHUNK_H
#define SK_CHUNK_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "codec/codec.h"
#include "labels/labelset.h"

struct sk_arena;
struct sk_chunk; /* opaque */

#define SK_CHUNK_MAGIC             0x012ee56au
#define SK_CHUNK_BLOCKS_MAX        (1u << 20)   /* far above any real chunk; SK_ELIMIT */
#define SK_CHUNK_SYMBOLS_BYTES_MAX (256u << 20) /* decompressed; SK_ELIMIT */
#define SK_CHUNK_BLOCK_BYTES_MAX   (1u << 30)   /* decompressed; SK_ELIMIT */

struct sk_chunk_block {
    int64_t ts_min_ns;   /* oldest entry as the table says (Loki leaves out leading empty lines) */
    int64_t ts_max_ns;   /* newest entry */
    uint64_t size_bytes; /* lines + 8 per metadata pair; 0 in formats 1 and 2 */
    uint64_t packed_bytes; /* without checksum */
    uint32_t entry_count;
};

/* Opens `body`, which is borrowed and must outlive the chunk; the chunk lives in `arena`. Reads
 * header, tail, symbols and table only. A chunk may have no block at all.
 *   SK_ECORRUPT      wrong magic, section out of range, checksum mismatch
 *   SK_EUNSUPPORTED  a format or codec that this build does not read
 *   SK_ELIMIT        more blocks or symbol bytes than the limits above
 *   SK_ENOMEM        the arena's cap is reached */
SK_MUST_CHECK enum sk_err sk_chunk_init(struct sk_arena *arena, struct sk_slice body,
                                        struct sk_codec_ctx *ctx, struct sk_chunk **ret_chunk);

/* The same for the `data` field of a checkpoint record. Its blocks may overlap in time. */
SK_MUST_CHECK enum sk_err sk_chunk_init_checkpoint(struct sk_arena *arena, struct sk_slice body,
                                                   struct sk_chunk **ret_chunk);

unsigned sk_chunk_format(const struct sk_chunk *chunk); /* 1..4 */
enum sk_codec sk_chunk_codec(const struct sk_chunk *chunk);
bool sk_chunk_has_meta(const struct sk_chunk *chunk); /* format 4: for sk_block_iter_init() */

/* Blocks in table order; `idx` < count is the caller's duty. Borrowed. */
size_t sk_chunk_block_count(const struct sk_chunk *chunk);
const struct sk_chunk_block *sk_chunk_block_at(const struct sk_chunk *chunk, size_t idx);

/* Sums over the table, for an index entry: entries (mod 2^32), and KB as Loki counts them. */
uint32_t sk_chunk_entry_count(const struct sk_chunk *chunk);
uint32_t sk_chunk_kb(const struct sk_chunk *chunk);

/* Checks one block and appends its decompressed bytes to `out`. A block that is not where the table
 * says is looked for right behind the one before it.
 *   SK_ECORRUPT  checksum mismatch or damaged stream; other blocks stay readable
 *   SK_ELIMIT, SK_ENOMEM as sk_codec_unpack() */
SK_MUST_CHECK enum sk_err sk_chunk_block_read(const struct sk_chunk *chunk, size_t idx,
                                              struct sk_codec_ctx *ctx, struct sk_strbuf *out);

/* The packed bytes of a block after its checksum has matched; borrowed from the body. */
SK_MUST_CHECK enum sk_err sk_chunk_block_packed(const struct sk_chunk *chunk, size_t idx,
                                                struct sk_slice *ret_packed);

/* Symbols as stored. A number out of range reads as empty text. */
uint32_t sk_chunk_symbol_count(const struct sk_chunk *chunk);
struct sk_str sk_chunk_symbol(const struct sk_chunk *chunk, uint64_t id);

/* Decodes an entry's metadata into `labels` (`cap` >= sk_block_meta_count(meta)), in stored order.
 * Names are normalised as Loki does on reading (labels/labelset.h); a name without any letter or
 * digit, which Loki cannot read, comes as "_". Texts live as long as body and arena.
 * SK_ECORRUPT: lengths disagree; SK_ENOMEM: the arena's cap. */
SK_MUST_CHECK enum sk_err sk_chunk_meta_decode(struct sk_chunk *chunk, struct sk_slice meta,
                                               struct sk_label *labels, size_t cap,
                                               size_t *ret_count);

#endif
