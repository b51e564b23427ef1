/* SPDX-License-Identifier: Apache-2.0 */
/* binout.h -- appends the integers of Loki's binary formats to a strbuf, whose failure sticks.
 * Threads: as the buffer. */
#ifndef SK_BASE_BINOUT_H
#define SK_BASE_BINOUT_H

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/strbuf.h"
#include "base/varint.h"

static inline void sk_put_uvar(struct sk_strbuf *out, uint64_t v)
{
    uint8_t bytes[SK_VARINT_BYTES_MAX];
    sk_strbuf_add(out, bytes, sk_uvar_encode(bytes, v));
}

static inline void sk_put_var(struct sk_strbuf *out, int64_t v)
{
    sk_put_uvar(out, sk_zigzag_encode(v));
}

static inline void sk_put_be32(struct sk_strbuf *out, uint32_t v)
{
    uint8_t bytes[4];
    sk_store_be32(bytes, v);
    sk_strbuf_add(out, bytes, sizeof(bytes));
}

static inline void sk_put_be64(struct sk_strbuf *out, uint64_t v)
{
    uint8_t bytes[8];
    sk_store_be64(bytes, v);
    sk_strbuf_add(out, bytes, sizeof(bytes));
}

/* uvar length, then the bytes. */
static inline void sk_put_text(struct sk_strbuf *out, struct sk_str s)
{
    sk_put_uvar(out, s.len);
    sk_strbuf_str(out, s);
}

/* be32 CRC-32C of everything from position `from` on. */
static inline void sk_put_crc(struct sk_strbuf *out, size_t from)
{
    if (!out->failed)
        sk_put_be32(out, sk_crc32c_extend(0, out->ptr + from, out->len - from));
}

#endif
