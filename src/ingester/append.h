/* SPDX-License-Identifier: Apache-2.0 */
/* append.h -- puts entries of a log record into a stream's open chunk, cutting blocks and closing
 * chunks by Loki's rules (spec: block size, target size, sync period). Used for live pushes and for
 * replay alike, so that both give the same chunks. */
#ifndef SK_INGESTER_APPEND_H
#define SK_INGESTER_APPEND_H

#include "ingester/ingester_int.h"
#include "wal/record.h"

/* Reads exactly ws->count entries from `rec`. Takes the shard's lock itself. `seg` is where the record
 * stands. SK_ENOMEM: the rest of the entries was skipped. */
SK_MUST_CHECK enum sk_err append_stream(struct sk_ingester *ing, struct stream *s,
                                        struct sk_wal_record *rec, const struct sk_wal_stream *ws,
                                        uint64_t seg, struct sk_codec_ctx *codec,
                                        struct sk_strbuf *scratch);

/* One entry with its pairs as text; shard's lock held. *ret_cut: a block was cut that needs
 * packing. */
struct append_cut {
    struct ichunk *chunk; /* referenced; NULL: nothing was cut */
    size_t idx;
};

struct append_hash {
    uint32_t name, value;         /* sk_symbols_hash() */
    bool name_known, value_known; /* the same text as at this place in the entry before */
};

/* The pairs of one entry, borrowed. */
struct append_pairs {
    const struct sk_label *texts;
    const struct append_hash *hashes;
    size_t count;
};
void append_hashes(const struct sk_label *pairs, size_t count, struct append_hash *hashes);

/* The symbols of the pairs of the entry before: names and levels mostly come again. Valid while the
 * shard's lock is held; zeroed: none known. */
enum { APPEND_MEMO_PAIRS = 8 };
struct append_memo {
    const struct ichunk *chunk;
    size_t count;
    struct sk_symbol_pair ids[APPEND_MEMO_PAIRS];
};

SK_MUST_CHECK enum sk_err append_entry(struct sk_ingester *ing, struct stream *s, int64_t ts_ns,
                                       struct sk_str line, const struct append_pairs *pairs,
                                       uint64_t seg, struct append_memo *memo,
                                       struct append_cut *ret_cut);

#endif
