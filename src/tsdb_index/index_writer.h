/* SPDX-License-Identifier: Apache-2.0 */
/* index_writer.h -- builds an index file (index.h has the layout) that equals Loki's byte for byte.
 *
 * Use it with all series of one file at hand. Series may come in any order; those with equal
 * fingerprint, tenant and labels are joined; chunks are sorted and their duplicates dropped; series
 * without any chunk are left out. That a label set keeps one fingerprint within a table is the
 * caller's duty.
 *
 * Threads: any. */
#ifndef SK_TSDB_INDEX_INDEX_WRITER_H
#define SK_TSDB_INDEX_INDEX_WRITER_H

#include "base/strbuf.h"
#include "tsdb_index/index.h"

#define SK_INDEX_TENANT_LABEL "__loki_tenant__"

struct sk_index_input {
    struct sk_labelset labels; /* names ascending, each once, without __name__ */
    struct sk_str tenant;      /* multi-tenant files: becomes the label above; else empty */
    uint64_t fingerprint;      /* of the stream, without the tenant */
    const struct sk_index_chunk *chunks;
    size_t chunk_count;
};

struct sk_index_sums {
    int64_t from_ms, through_ms; /* 0 without chunks */
    uint32_t toc_crc;
    size_t series_count, chunk_count; /* written */
    size_t file_bytes;
};

/* Appends the unpacked file to `out` (the caller packs it with gzip). `version` is 2 or 3.
 *   SK_EINVAL  labels out of order or one without a name, or a chunk that ends before it begins
 *   SK_ELIMIT  more than 64 GiB of series or a section above 4 GiB
 *   SK_ENOMEM  `out` or memory is used up
 * `out` is cut back on failure. */
SK_MUST_CHECK enum sk_err sk_index_build(const struct sk_index_input *series, size_t count,
                                         unsigned version, struct sk_strbuf *out,
                                         struct sk_index_sums *ret_sums);

#endif
