/* SPDX-License-Identifier: Apache-2.0 */
/* push.c -- the container and the protobuf decoder. The decoder is one pass over the bytes: fields
 * of an entry are slices of the body. */
#include "wire/push.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/varint.h"
#include "wire/wire_int.h"

void sk_push_init(struct sk_push *push, size_t arena_max, struct sk_budget *budget)
{
    *push = (struct sk_push){0};
    sk_arena_init(&push->arena, arena_max, budget);
}

void sk_push_reset(struct sk_push *push)
{
    sk_arena_reset(&push->arena);
    push->stream_count = push->entry_count = push->pair_count = 0;
}

void sk_push_deinit(struct sk_push *push)
{
    if (push == NULL)
        return;
    sk_arena_deinit(&push->arena);
    sk_free(push->streams);
    sk_free(push->entries);
    sk_free(push->pairs);
    *push = (struct sk_push){0};
}

enum sk_err sk_push_add_stream(struct sk_push *push, struct sk_str labels)
{
    if (push->stream_count >= SK_PUSH_STREAMS_MAX)
        return SK_ELIMIT;
    if (!SK_GROW(push->streams, push->stream_cap, push->stream_count + 1))
        return SK_ENOMEM;
    push->streams[push->stream_count++] =
        (struct sk_push_stream){labels, (uint32_t)push->entry_count, 0};
    return SK_OK;
}

enum sk_err sk_push_add_entry(struct sk_push *push, int64_t ts_ns, struct sk_str line)
{
    sk_assert(push->stream_count > 0);
    if (push->entry_count >= SK_PUSH_ENTRIES_MAX)
        return SK_ELIMIT;
    if (!SK_GROW(push->entries, push->entry_cap, push->entry_count + 1))
        return SK_ENOMEM;
    push->entries[push->entry_count++] =
        (struct sk_push_entry){ts_ns, line, (uint32_t)push->pair_count, 0};
    push->streams[push->stream_count - 1].entry_count++;
    return SK_OK;
}

enum sk_err sk_push_add_pair(struct sk_push *push, struct sk_str name, struct sk_str value)
{
    sk_assert(push->entry_count > 0);
    if (push->pair_count >= SK_PUSH_PAIRS_MAX)
        return SK_ELIMIT;
    if (!SK_GROW(push->pairs, push->pair_cap, push->pair_count + 1))
        return SK_ENOMEM;
    push->pairs[push->pair_count++] = (struct sk_push_pair){name, value};
    push->entries[push->entry_count - 1].pair_count++;
    return SK_OK;
}

/* ---- protobuf ---- */

struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;        /* wire 0, 1, 5 */
    struct sk_slice bytes; /* wire 2 */
};

/* The next field of a message; false at the end or on a fault (reterr filled, *err set). Inlined by
 * force: it runs some ten times for each line, and each caller wants other parts of `f`. */
__attribute__((always_inline)) static inline bool field_next(const uint8_t **p, const uint8_t *end,
                                                             struct field *f, enum sk_err *err,
                                                             struct sk_error *reterr)
{
    uint64_t tag, len;
    if (*p >= end)
        return false;
    if (!sk_uvar_decode(p, end, &tag))
        goto eof;
    f->number = (uint32_t)(tag >> 3);
    f->wire = tag & 7;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        *err = sk_error_set(reterr, SK_EPARSE, "proto: illegal tag %u (wire type %u)", f->number,
                            f->wire);
        return false;
    }
    switch (f->wire) {
    case 0:
        if (!sk_uvar_decode(p, end, &f->value))
            goto eof;
        return true;
    case 1:
    case 5:
        len = f->wire == 1 ? 8 : 4;
        if ((uint64_t)(end - *p) < len)
            goto eof;
        *p += len;
        return true;
    case 2:
        if (!sk_uvar_decode(p, end, &len) || len > (uint64_t)(end - *p))
            goto eof;
        f->bytes = (struct sk_slice){*p, (size_t)len};
        *p += len;
        return true;
    default:
        *err = sk_error_set(reterr, SK_EPARSE, "proto: illegal wireType %u", f->wire);
        return false;
    }
eof:
    *err = sk_error_set(reterr, SK_EPARSE, "unexpected EOF");
    return false;
}

static enum sk_err wrong_wire(const struct field *f, const char *name, struct sk_error *reterr)
{
    return sk_error_set(reterr, SK_EPARSE, "proto: wrong wireType = %u for field %s", f->wire,
                        name);
}

static enum sk_err timestamp_decode(struct sk_slice msg, int64_t *ret_ns, struct sk_error *reterr)
{
    const uint8_t *p = msg.ptr, *end = msg.ptr + msg.len;
    struct field f;
    enum sk_err err = SK_OK;
    int64_t seconds = 0, nanos = 0;
    while (field_next(&p, end, &f, &err, reterr)) {
        if (f.number == 1 && f.wire == 0)
            seconds = (int64_t)f.value;
        else if (f.number == 2 && f.wire == 0)
            nanos = (int32_t)f.value;
        else if (f.number == 1 || f.number == 2)
            return wrong_wire(&f, f.number == 1 ? "Seconds" : "Nanos", reterr);
    }
    if (err != SK_OK)
        return err;
    if (nanos < 0 || nanos > 999999999 || seconds < -9223372036 || seconds > 9223372035)
        return sk_error_set(reterr, SK_EPARSE, "timestamp out of range: seconds:%lld nanos:%lld",
                            (long long)seconds, (long long)nanos);
    *ret_ns = seconds * 1000000000 + nanos;
    return SK_OK;
}

static enum sk_err pair_decode(struct sk_push *push, struct sk_slice msg, struct sk_error *reterr)
{
    const uint8_t *p = msg.ptr, *end = msg.ptr + msg.len;
    struct field f;
    enum sk_err err = SK_OK;
    struct sk_str name = {"", 0}, value = {"", 0};
    while (field_next(&p, end, &f, &err, reterr)) {
        if (f.number != 1 && f.number != 2)
            continue;
        if (f.wire != 2)
            return wrong_wire(&f, f.number == 1 ? "Name" : "Value", reterr);
        *(f.number == 1 ? &name : &value) = sk_str_of_slice(f.bytes);
    }
    return err != SK_OK ? err : sk_push_add_pair(push, name, value);
}

static enum sk_err entry_decode(struct sk_push *push, struct sk_slice msg, struct sk_error *reterr)
{
    const uint8_t *p = msg.ptr, *end = msg.ptr + msg.len;
    struct field f;
    enum sk_err err = sk_push_add_entry(push, 0, (struct sk_str){"", 0});
    if (err != SK_OK)
        return err;
    size_t idx = push->entry_count - 1;
    while (field_next(&p, end, &f, &err, reterr)) {
        if (f.number > 3)
            continue;
        if (f.wire != 2)
            return wrong_wire(&f,
                              f.number == 1   ? "Timestamp"
                              : f.number == 2 ? "Line"
                                              : "StructuredMetadata",
                              reterr);
        if (f.number == 1)
            err = timestamp_decode(f.bytes, &push->entries[idx].ts_ns, reterr);
        else if (f.number == 2)
            push->entries[idx].line = sk_str_of_slice(f.bytes);
        else
            err = pair_decode(push, f.bytes, reterr);
        if (err != SK_OK)
            return err;
    }
    return err;
}

static enum sk_err stream_decode(struct sk_push *push, struct sk_slice msg, struct sk_error *reterr)
{
    const uint8_t *p = msg.ptr, *end = msg.ptr + msg.len;
    struct field f;
    enum sk_err err = sk_push_add_stream(push, (struct sk_str){"", 0});
    if (err != SK_OK)
        return err;
    size_t idx = push->stream_count - 1;
    while (field_next(&p, end, &f, &err, reterr)) {
        if (f.number > 2)
            continue; /* hash and unknown ones */
        if (f.wire != 2)
            return wrong_wire(&f, f.number == 1 ? "Labels" : "Entries", reterr);
        if (f.number == 1)
            push->streams[idx].labels = sk_str_of_slice(f.bytes);
        else
            err = entry_decode(push, f.bytes, reterr);
        if (err != SK_OK)
            return err;
    }
    return err;
}

enum sk_err sk_wire_limit_text(enum sk_err err, struct sk_error *reterr)
{
    if (err == SK_ELIMIT)
        return sk_error_set(
            reterr, err,
            "push too large: more than %u streams, %u entries or %u metadata pairs in "
            "one request; send smaller batches",
            SK_PUSH_STREAMS_MAX, SK_PUSH_ENTRIES_MAX, SK_PUSH_PAIRS_MAX);
    if (err == SK_ENOMEM)
        return sk_error_set(reterr, err, "not enough memory for this push, try again or send less");
    return err;
}

enum sk_err sk_push_decode_proto(struct sk_push *push, struct sk_slice body,
                                 struct sk_error *reterr)
{
    const uint8_t *p = body.ptr, *end = body.ptr + body.len;
    struct field f;
    enum sk_err err = SK_OK;
    while (field_next(&p, end, &f, &err, reterr)) {
        if (f.number != 1)
            continue;
        if (f.wire != 2)
            return wrong_wire(&f, "Streams", reterr);
        err = stream_decode(push, f.bytes, reterr);
        if (err != SK_OK)
            return sk_wire_limit_text(err, reterr);
    }
    return err;
}
