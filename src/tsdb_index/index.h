/* SPDX-License-Identifier: Apache-2.0 */
/* index.h -- reads an unpacked TSDB index file, versions 2 and 3.
 *
 * An index maps label sets to the chunks of one table (one day). Integers are big-endian, varints
 * as in base/varint.h, checksums CRC-32C; the full account is docs/FORMATS/tsdb-index.md:
 *
 *      0   4  magic 0xBAAAD700
 *      4   1  version
 *      5   .  symbols              framed: be32 count, then uvar length + text, ascending
 *      .   .  series               each at a multiple of 16: uvar length, body, be32 checksum
 *      .   .  label indices        not used
 *      .   .  postings lists       framed, each at a multiple of 4: be32 count, be32 references
 *      .   .  label index table    not used
 *      .   .  postings table       framed: be32 count, then uvar 2, name, value, uvar offset
 *      .   .  fingerprint offsets  framed: be32 count, then be64 reference, be64 fingerprint
 *   end-76    seven offsets 8, from ms 8, through ms 8, be32 checksum
 *
 *   framed    be32 length, body, be32 checksum of the body
 *   reference offset / 16 of a series
 *   series    be64 fingerprint, uvar labels, per label uvar name symbol, uvar value symbol, uvar
 *             chunks, (version 3: be32 length, page markers), chunk entries
 *   entry     var from - previous through, uvar through - from, uvar KB, uvar entries, be32 crc
 *
 * Invariants of an open index:
 *   (1) checksums of the tail, symbols, postings table and fingerprint offsets have matched;
 *   (2) the postings table ascends strictly by (name, value) and is well formed throughout;
 *   (3) every symbol is inside the symbols section;
 *   (4) postings lists and series are unchecked until they are read; each read checks its own.
 *
 * Beside the file it holds 4 bytes per 8 symbols and 4 bytes per 32 pairs of the postings table.
 *
 * Threads: an open index is immutable, so any. */
#ifndef SK_TSDB_INDEX_INDEX_H
#define SK_TSDB_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "labels/labelset.h"

#define SK_INDEX_MAGIC      0xbaaad700u
#define SK_INDEX_LABELS_MAX 65536u /* of one series; SK_ECORRUPT */

struct sk_index; /* opaque */

/* Opens `file`. `owned` is what sk_free() shall get at the end: the memory behind `file`, or NULL
 * when it is borrowed and outlives the index. Ownership passes on success only.
 * SK_ECORRUPT, SK_EUNSUPPORTED (another version), SK_ENOMEM. Costs one pass over symbols and
 * postings table. */
SK_MUST_CHECK enum sk_err sk_index_create(struct sk_slice file, void *owned,
                                          struct sk_index **ret_index);
void sk_index_destroy(struct sk_index *index); /* NULL is a no-op */

/* Walks everything: each series, each postings list, and that the lists name exactly the series
 * that carry the pair. For a freshly written file. */
SK_MUST_CHECK enum sk_err sk_index_verify(const struct sk_index *index);

unsigned sk_index_version(const struct sk_index *index);
int64_t sk_index_from_ms(const struct sk_index *index);
int64_t sk_index_through_ms(const struct sk_index *index);
uint32_t sk_index_toc_crc(const struct sk_index *index);  /* part of per-tenant file names */
size_t sk_index_held_bytes(const struct sk_index *index); /* file, when owned, and tables */

/* The first label name after `prev` in byte order; start with an empty one. false: no more. */
bool sk_index_name_after(const struct sk_index *index, struct sk_str prev, struct sk_str *ret_name);

/* Pairs of one name in ascending order of their values. */
struct sk_index_values {
    const uint8_t *pos, *end;
    struct sk_str name;
};

void sk_index_values_init(const struct sk_index *index, struct sk_str name,
                          struct sk_index_values *ret_values);
/* *ret_off serves sk_index_postings_at(). false: no more. */
bool sk_index_values_next(struct sk_index_values *values, struct sk_str *ret_value,
                          uint64_t *ret_off);

/* References in ascending order, big-endian as they lie in the file. */
struct sk_index_postings {
    const uint8_t *refs;
    uint32_t count;
};

/* The list of a pair; empty when the pair does not occur. ("", "") is the list of all series.
 * SK_ECORRUPT: the list is damaged. */
SK_MUST_CHECK enum sk_err sk_index_postings(const struct sk_index *index, struct sk_str name,
                                            struct sk_str value, struct sk_index_postings *ret);
SK_MUST_CHECK enum sk_err sk_index_postings_at(const struct sk_index *index, uint64_t off,
                                               struct sk_index_postings *ret);

struct sk_index_chunk {
    int64_t from_ms, through_ms;
    uint32_t kb, entry_count;
    uint32_t checksum;
};

/* One series; arrays are reused by the next read and freed by deinit. Label texts are borrowed
 * from the file. */
struct sk_index_series {
    uint64_t fingerprint;
    uint32_t ref;
    struct sk_label *labels;
    size_t label_count, label_cap;
    struct sk_index_chunk *chunks; /* ascending by (from, through, checksum) in sound files */
    size_t chunk_count, chunk_cap;
};

enum { /* what a read fills */
       SK_INDEX_LABELS = 1,
       SK_INDEX_CHUNKS = 2,
};

/* Zeroed is a valid start. */
void sk_index_series_deinit(struct sk_index_series *series);

/* Reads the series at `ref`: what `want` names, chunks only where [from_ms, through_ms] (both
 * inclusive) meets theirs. SK_ECORRUPT: no such series, or damaged. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_index_series_read(const struct sk_index *index, uint32_t ref,
                                               unsigned want, int64_t from_ms, int64_t through_ms,
                                               struct sk_index_series *series);

/* The first series after `prev` in file order (ascending fingerprint); start with 0. *ret_ref is 0
 * at the end (no series can have it). SK_ECORRUPT. */
SK_MUST_CHECK enum sk_err sk_index_series_after(const struct sk_index *index, uint32_t prev,
                                                uint32_t *ret_ref);

#endif
