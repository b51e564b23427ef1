/* SPDX-License-Identifier: Apache-2.0 */
/* query_gen.h -- queries and entries made of bytes: random ones in tests, the fuzzer's in fuzz
 * targets. Bytes that are used up go on as zeros, so that every text of bytes is a case.
 *
 * Threads: one at a time. */
#ifndef SK_TESTS_QUERY_GEN_H
#define SK_TESTS_QUERY_GEN_H

#include "lib/memsource.h"

struct gen {
    const uint8_t *ptr;
    size_t len;
    bool json;  /* lines are objects, not words */
    bool whole; /* the whole grammar, not only what slow_eval.h knows */
};

/* 0 <= result < n <= 256 */
unsigned gen_pick(struct gen *g, unsigned n);

/* Up to 64 entries in up to three streams, some of them in two units; times are multiples of
 * 1 ms below GEN_END_NS, and entries of one time are of different streams or equal. */
#define GEN_END_NS INT64_C(128000000000)
void gen_entries(struct gen *g, struct mem_source *m);

void gen_log_query(struct gen *g, struct sk_strbuf *out);
void gen_metric_query(struct gen *g, struct sk_strbuf *out);

#endif
