/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c -- see checkpoint.h. */
#include "wal/checkpoint.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "base/varint.h"

#define YEAR_ONE_S (-62135596800) /* Go's zero time: "not flushed" */

struct field {
    uint64_t number, wire, value;
    struct sk_slice bytes;
};

/* false: end (p == end) or fault (p < end). */
static bool field_next(const uint8_t **pp, const uint8_t *end, struct field *f)
{
    const uint8_t *p = *pp;
    uint64_t tag, len;
    if (p >= end || !sk_uvar_decode(&p, end, &tag))
        return false;
    f->number = tag >> 3;
    f->wire = tag & 7;
    switch (f->wire) {
    case 0:
        if (!sk_uvar_decode(&p, end, &f->value))
            return false;
        break;
    case 1:
    case 5:
        len = f->wire == 1 ? 8 : 4;
        if ((uint64_t)(end - p) < len)
            return false;
        p += len;
        break;
    case 2:
        if (!sk_uvar_decode(&p, end, &len) || len > (uint64_t)(end - p))
            return false;
        f->bytes = (struct sk_slice){p, (size_t)len};
        p += len;
        break;
    default:
        return false;
    }
    *pp = p;
    return true;
}

static bool label_decode(struct sk_slice msg, struct sk_label *ret)
{
    const uint8_t *p = msg.ptr, *end = msg.ptr + msg.len;
    struct field f;
    *ret = (struct sk_label){{"", 0}, {"", 0}};
    while (field_next(&p, end, &f)) {
        if (f.number == 1 && f.wire == 2)
            ret->name = sk_str_of_slice(f.bytes);
        else if (f.number == 2 && f.wire == 2)
            ret->value = sk_str_of_slice(f.bytes);
    }
    return p == end;
}

static bool chunk_decode(struct sk_slice msg, struct sk_wal_cp_chunk *ret)
{
    const uint8_t *p = msg.ptr, *end = msg.ptr + msg.len;
    struct field f, t;
    while (field_next(&p, end, &f)) {
        if (f.wire != 2)
            continue;
        if (f.number == 3) {
            const uint8_t *q = f.bytes.ptr, *qend = f.bytes.ptr + f.bytes.len;
            int64_t seconds = 0;
            while (field_next(&q, qend, &t)) {
                if (t.number == 1 && t.wire == 0)
                    seconds = (int64_t)t.value;
            }
            ret->flushed = seconds != YEAR_ONE_S;
        } else if (f.number == 7) {
            ret->data = f.bytes;
        } else if (f.number == 8) {
            ret->head = f.bytes;
        }
    }
    return p == end;
}

/* How many fields 3 there are, to size the label array. */
static size_t label_count(struct sk_slice body)
{
    const uint8_t *p = body.ptr, *end = body.ptr + body.len;
    struct field f;
    size_t n = 0;
    while (field_next(&p, end, &f))
        n += f.number == 3;
    return n;
}

enum sk_err sk_wal_cp_decode(struct sk_arena *arena, struct sk_slice body,
                             struct sk_wal_cp_series *ret)
{
    const uint8_t *p = body.ptr, *end = body.ptr + body.len;
    struct sk_wal_cp_series made = {0};
    struct sk_wal_cp_chunk **tail = &made.chunks;
    struct sk_label *labels = sk_arena_calloc(arena, label_count(body), sizeof(*labels));
    struct field f;
    size_t n = 0;
    if (labels == NULL)
        return SK_ENOMEM;
    while (field_next(&p, end, &f)) {
        if (f.number == 1 && f.wire == 2) {
            made.tenant = sk_str_of_slice(f.bytes);
        } else if (f.number == 2 && f.wire == 0) {
            made.ref = f.value;
        } else if (f.number == 3) {
            if (f.wire != 2 || !label_decode(f.bytes, &labels[n++]))
                return SK_ECORRUPT;
        } else if (f.number == 4 && f.wire == 2) {
            struct sk_wal_cp_chunk *c = sk_arena_calloc(arena, 1, sizeof(*c));
            if (c == NULL)
                return SK_ENOMEM;
            if (!chunk_decode(f.bytes, c))
                return SK_ECORRUPT;
            *tail = c;
            tail = &c->next;
        } else if (f.number == 7 && f.wire == 0) {
            made.entry_count = (int64_t)f.value;
        }
    }
    if (p != end)
        return SK_ECORRUPT;
    sk_labels_sort(labels, n);
    made.labels = (struct sk_labelset){labels, n};
    *ret = made;
    return SK_OK;
}

static void put_uvar(struct sk_strbuf *out, uint64_t v)
{
    uint8_t b[SK_VARINT_BYTES_MAX];
    sk_strbuf_add(out, b, sk_uvar_encode(b, v));
}

static void put_field(struct sk_strbuf *out, uint64_t number, struct sk_str s)
{
    put_uvar(out, number << 3 | 2);
    put_uvar(out, s.len);
    sk_strbuf_str(out, s);
}

static size_t field_bytes(struct sk_str s)
{
    return 1 + sk_uvar_size(s.len) + s.len;
}

void sk_wal_mark_encode(struct sk_strbuf *out, struct sk_str tenant, uint64_t ref,
                        struct sk_labelset labels, uint64_t entry_count)
{
    sk_strbuf_putc(out, SK_WAL_CHECKPOINT);
    put_field(out, 1, tenant);
    put_uvar(out, 2 << 3);
    put_uvar(out, ref);
    for (size_t i = 0; i < labels.count; i++) {
        put_uvar(out, 3 << 3 | 2);
        put_uvar(out, field_bytes(labels.items[i].name) + field_bytes(labels.items[i].value));
        put_field(out, 1, labels.items[i].name);
        put_field(out, 2, labels.items[i].value);
    }
    put_uvar(out, 7 << 3);
    put_uvar(out, entry_count);
}

/* ---- index head WAL ---- */

static bool get_str(const uint8_t **p, const uint8_t *end, struct sk_str *ret)
{
    uint64_t len;
    if (!sk_uvar_decode(p, end, &len) || len > (uint64_t)(end - *p))
        return false;
    *ret = (struct sk_str){(const char *)*p, (size_t)len};
    *p += len;
    return true;
}

static enum sk_err head_labels(struct sk_arena *arena, const uint8_t *p, const uint8_t *end,
                               struct sk_wal_head_record *rec)
{
    uint64_t count;
    if (end - p < 9 || *p++ != 1)
        return SK_ECORRUPT;
    rec->ref = sk_load_be64(p);
    p += 8;
    if (!sk_uvar_decode(&p, end, &count) || count > (uint64_t)(end - p) / 2)
        return SK_ECORRUPT;
    struct sk_label *items = sk_arena_calloc(arena, (size_t)count, sizeof(*items));
    if (items == NULL)
        return SK_ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        if (!get_str(&p, end, &items[i].name) || !get_str(&p, end, &items[i].value))
            return SK_ECORRUPT;
    }
    if (p != end)
        return SK_ECORRUPT;
    sk_labels_sort(items, (size_t)count);
    rec->labels = (struct sk_labelset){items, (size_t)count};
    return SK_OK;
}

static enum sk_err head_chunks(struct sk_arena *arena, const uint8_t *p, const uint8_t *end,
                               struct sk_wal_head_record *rec)
{
    enum { CHUNK_BYTES = 28 };
    uint64_t count;
    if (end - p < 8)
        return SK_ECORRUPT;
    rec->ref = sk_load_be64(p);
    p += 8;
    if (!sk_uvar_decode(&p, end, &count) || (uint64_t)(end - p) % CHUNK_BYTES != 0 ||
        count != (uint64_t)(end - p) / CHUNK_BYTES)
        return SK_ECORRUPT;
    rec->chunk_count = (size_t)count;
    rec->chunks = sk_arena_calloc(arena, (size_t)count, sizeof(*rec->chunks));
    if (rec->chunks == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < rec->chunk_count; i++, p += CHUNK_BYTES)
        rec->chunks[i] = (struct sk_wal_head_chunk){
            (int64_t)sk_load_be64(p), (int64_t)sk_load_be64(p + 8), sk_load_be32(p + 16),
            sk_load_be32(p + 20), sk_load_be32(p + 24)};
    return SK_OK;
}

enum sk_err sk_wal_head_decode(struct sk_arena *arena, struct sk_slice bytes,
                               struct sk_wal_head_record *ret)
{
    const uint8_t *p = bytes.ptr, *end = bytes.ptr + bytes.len;
    struct sk_wal_head_record rec = {0};
    enum sk_err err;
    if (bytes.len == 0 || *p > 2)
        return SK_ECORRUPT;
    uint8_t type = *p++;
    if (!get_str(&p, end, &rec.tenant))
        return SK_ECORRUPT;
    if (type == 1) {
        err = head_chunks(arena, p, end, &rec);
    } else {
        rec.series = true;
        if (type == 2) {
            if (end - p < 8)
                return SK_ECORRUPT;
            rec.fingerprint = sk_load_be64(p);
            p += 8;
        }
        err = head_labels(arena, p, end, &rec);
        if (err == SK_OK && type == 0)
            rec.fingerprint = sk_labels_fingerprint(rec.labels);
    }
    if (err == SK_OK)
        *ret = rec;
    return err;
}
