/* SPDX-License-Identifier: Apache-2.0 */
/* push_encode.c -- lengths are computed before anything is written, so that nested messages need
 * no second buffer. */
#include "wire/push_encode.h"

#include "base/assert.h"
#include "base/binout.h"
#include "base/gotext.h"

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static void put_tag(struct sk_strbuf *out, unsigned field, unsigned wire)
{
    sk_put_uvar(out, (uint64_t)field << 3 | wire);
}

static void put_bytes(struct sk_strbuf *out, unsigned field, struct sk_str s)
{
    put_tag(out, field, WIRE_BYTES);
    sk_put_text(out, s);
}

/* Tag (one byte for fields below 16), length, content. */
static size_t bytes_size(size_t len)
{
    return 1 + sk_uvar_size(len) + len;
}

/* proto3 leaves zeros out. Negative seconds take ten bytes, as protobuf wants. */
static size_t timestamp_size(int64_t seconds, uint64_t nanos)
{
    return (seconds == 0 ? 0 : 1 + sk_uvar_size((uint64_t)seconds)) +
           (nanos == 0 ? 0 : 1 + sk_uvar_size(nanos));
}

static void put_timestamp(struct sk_strbuf *out, int64_t seconds, uint64_t nanos)
{
    put_tag(out, 1, WIRE_BYTES);
    sk_put_uvar(out, timestamp_size(seconds, nanos));
    if (seconds != 0) {
        put_tag(out, 1, WIRE_VARINT);
        sk_put_uvar(out, (uint64_t)seconds);
    }
    if (nanos != 0) {
        put_tag(out, 2, WIRE_VARINT);
        sk_put_uvar(out, nanos);
    }
}

static size_t pair_size(const struct sk_push_pair *p)
{
    return bytes_size(p->name.len) + bytes_size(p->value.len);
}

void sk_push_encode_entry(struct sk_strbuf *out, int64_t ts_ns, struct sk_str line,
                          const struct sk_push_pair *pairs, size_t pair_count)
{
    sk_assert(out != NULL);
    sk_assert(pairs != NULL || pair_count == 0);
    int64_t seconds = ts_ns / SK_NS_PER_S, nanos = ts_ns % SK_NS_PER_S;
    if (nanos < 0) {
        nanos += SK_NS_PER_S;
        seconds--;
    }
    size_t size = bytes_size(timestamp_size(seconds, (uint64_t)nanos)) + bytes_size(line.len);
    for (size_t i = 0; i < pair_count; i++)
        size += bytes_size(pair_size(&pairs[i]));
    put_tag(out, 2, WIRE_BYTES);
    sk_put_uvar(out, size);
    put_timestamp(out, seconds, (uint64_t)nanos);
    put_bytes(out, 2, line);
    for (size_t i = 0; i < pair_count; i++) {
        put_tag(out, 3, WIRE_BYTES);
        sk_put_uvar(out, pair_size(&pairs[i]));
        put_bytes(out, 1, pairs[i].name);
        put_bytes(out, 2, pairs[i].value);
    }
}

void sk_push_encode_stream(struct sk_strbuf *out, struct sk_str labels, struct sk_str entries)
{
    sk_assert(out != NULL);
    put_tag(out, 1, WIRE_BYTES);
    sk_put_uvar(out, bytes_size(labels.len) + entries.len);
    put_bytes(out, 1, labels);
    sk_strbuf_str(out, entries);
}
