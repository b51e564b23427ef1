/* SPDX-License-Identifier: Apache-2.0 */
/* tsdblib.h -- golden index files for the tests of tsdb_index, unpacked. Header only, so that the
 * test library needs no codec. */
#ifndef SK_TESTS_TSDBLIB_H
#define SK_TESTS_TSDBLIB_H

#include <stdio.h>

#include "base/alloc.h"
#include "codec/codec.h"
#include "lib/testlib.h"

static const char *const tsdblib_names[] = {
    "multi-20249", "multi-20250", "pages",  "tenant-a",       "tenant-b",
    "two-tenants", "v2-multi",    "v2-v11", "wide-compacted", "wide-uncompacted",
};

/* The unpacked file; sk_strbuf_deinit() it. */
static inline struct sk_strbuf tsdblib_load(const char *name)
{
    char rest[256];
    void *ptr;
    struct sk_strbuf out;
    struct sk_codec_ctx *ctx;
    snprintf(rest, sizeof(rest), "golden/tsdb/good/%s.tsdb.gz", name);
    struct sk_slice packed = testlib_read(testlib_path(rest), &ptr);
    sk_strbuf_init(&out, 64 << 20);
    assert_true(sk_codec_ctx_create(&ctx) == SK_OK);
    assert_true(sk_codec_unpack(ctx, SK_CODEC_GZIP, packed, 64 << 20, &out) == SK_OK);
    sk_codec_ctx_destroy(ctx);
    sk_free(ptr);
    return out;
}

static inline struct sk_slice tsdblib_view(const struct sk_strbuf *b)
{
    return (struct sk_slice){(const uint8_t *)b->ptr, b->len};
}

#endif
