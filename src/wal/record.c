/* SPDX-License-Identifier: Apache-2.0 */
/* record.c -- see record.h. sk_wal_record_init() walks the whole record once with every length
 * bounded; the readers behind it then rely on that walk and only assert. */
#include "wal/record.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/varint.h"

static void put_u8(struct sk_strbuf *out, uint8_t v)
{
    sk_strbuf_add(out, &v, 1);
}

static void put_be64(struct sk_strbuf *out, uint64_t v)
{
    uint8_t b[8];
    sk_store_be64(b, v);
    sk_strbuf_add(out, b, sizeof(b));
}

static void put_uvar(struct sk_strbuf *out, uint64_t v)
{
    uint8_t b[SK_VARINT_BYTES_MAX];
    sk_strbuf_add(out, b, sk_uvar_encode(b, v));
}

static void put_str(struct sk_strbuf *out, struct sk_str s)
{
    put_uvar(out, s.len);
    sk_strbuf_str(out, s);
}

void sk_wal_series_begin(struct sk_strbuf *out, struct sk_str tenant)
{
    put_u8(out, SK_WAL_SERIES);
    put_str(out, tenant);
    put_u8(out, 1); /* the type byte of the Prometheus record inside */
}

void sk_wal_series_add(struct sk_strbuf *out, uint64_t ref, struct sk_labelset labels)
{
    put_be64(out, ref);
    put_uvar(out, labels.count);
    for (size_t i = 0; i < labels.count; i++) {
        put_str(out, labels.items[i].name);
        put_str(out, labels.items[i].value);
    }
}

void sk_wal_entries_begin(struct sk_strbuf *out, struct sk_str tenant, int64_t base_ns)
{
    put_u8(out, SK_WAL_ENTRIES_V3);
    put_str(out, tenant);
    put_be64(out, (uint64_t)base_ns);
}

void sk_wal_entries_stream(struct sk_strbuf *out, uint64_t ref, uint64_t counter, uint64_t count)
{
    sk_assert(counter > 0); /* 0 would read as "a new push" in Loki */
    put_be64(out, ref);
    put_be64(out, counter);
    put_uvar(out, count);
}

static uint8_t *text_encode(uint8_t *p, struct sk_str s)
{
    p += sk_uvar_encode(p, s.len);
    if (s.len != 0)
        memcpy(p, s.ptr, s.len);
    return p + s.len;
}

size_t sk_wal_entry(struct sk_strbuf *out, int64_t base_ns, int64_t ts_ns, struct sk_str line,
                    const struct sk_label *pairs, size_t pair_count)
{
    size_t room = line.len + 3 * SK_VARINT_BYTES_MAX;
    for (size_t i = 0; i < pair_count; i++)
        room += pairs[i].name.len + pairs[i].value.len + 2 * SK_VARINT_BYTES_MAX;
    if (!sk_strbuf_reserve(out, room))
        return out->len;
    uint8_t *start = (uint8_t *)out->ptr, *p = start + out->len;
    p += sk_var_encode(p, (int64_t)((uint64_t)ts_ns - (uint64_t)base_ns));
    size_t timeless = (size_t)(p - start);
    p = text_encode(p, line);
    p += sk_uvar_encode(p, pair_count);
    for (size_t i = 0; i < pair_count; i++)
        p = text_encode(text_encode(p, pairs[i].name), pairs[i].value);
    out->len = (size_t)(p - start);
    return timeless;
}

/* ---- reading ---- */

static bool get_str(const uint8_t **p, const uint8_t *end, struct sk_str *ret)
{
    uint64_t len;
    if (!sk_uvar_decode(p, end, &len) || len > (uint64_t)(end - *p))
        return false;
    *ret = (struct sk_str){(const char *)*p, (size_t)len};
    *p += len;
    return true;
}

static bool get_be64(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    if (end - *p < 8)
        return false;
    *ret = sk_load_be64(*p);
    *p += 8;
    return true;
}

static bool pairs_check(const uint8_t **p, const uint8_t *end, uint64_t count)
{
    struct sk_str s;
    for (uint64_t i = 0; i < count; i++) {
        if (!get_str(p, end, &s) || !get_str(p, end, &s))
            return false;
    }
    return true;
}

static bool series_check(const uint8_t *p, const uint8_t *end)
{
    uint64_t ref, labels;
    while (p < end) {
        if (!get_be64(&p, end, &ref) || !sk_uvar_decode(&p, end, &labels) ||
            !pairs_check(&p, end, labels))
            return false;
    }
    return true;
}

static bool entries_check(enum sk_wal_kind kind, const uint8_t *p, const uint8_t *end)
{
    uint64_t v, count, pairs;
    int64_t ts;
    struct sk_str line;
    while (p < end) {
        if (!get_be64(&p, end, &v) || (kind != SK_WAL_ENTRIES_V1 && !get_be64(&p, end, &v)) ||
            !sk_uvar_decode(&p, end, &count))
            return false;
        for (uint64_t i = 0; i < count; i++) {
            if (!sk_var_decode(&p, end, &ts) || !get_str(&p, end, &line))
                return false;
            if (kind != SK_WAL_ENTRIES_V3)
                continue;
            if (!sk_uvar_decode(&p, end, &pairs) || !pairs_check(&p, end, pairs))
                return false;
        }
    }
    return true;
}

enum sk_err sk_wal_record_init(struct sk_wal_record *rec, struct sk_slice bytes)
{
    const uint8_t *p = bytes.ptr, *end = bytes.ptr + bytes.len;
    if (bytes.len == 0)
        return SK_ECORRUPT;
    struct sk_wal_record made = {.kind = (enum sk_wal_kind) * p++, .end = end};
    uint64_t base = 0;
    switch ((int)made.kind) {
    case SK_WAL_CHECKPOINT:
        break;
    case SK_WAL_SERIES:
        if (!get_str(&p, end, &made.tenant) || p >= end || *p++ != 1 || !series_check(p, end))
            return SK_ECORRUPT;
        break;
    case SK_WAL_ENTRIES_V1:
    case SK_WAL_ENTRIES_V2:
    case SK_WAL_ENTRIES_V3:
        if (!get_str(&p, end, &made.tenant))
            return SK_ECORRUPT;
        if (p < end && !get_be64(&p, end, &base)) /* no base when there are no entries */
            return SK_ECORRUPT;
        if (!entries_check(made.kind, p, end))
            return SK_ECORRUPT;
        break;
    default:
        return SK_ECORRUPT;
    }
    made.base_ns = (int64_t)base;
    made.p = p;
    *rec = made;
    return SK_OK;
}

void sk_wal_record_init_own(struct sk_wal_record *rec, struct sk_slice bytes)
{
    const uint8_t *p = bytes.ptr, *end = bytes.ptr + bytes.len;
    uint64_t base = 0;
    sk_assert(bytes.len > 0 && *p == SK_WAL_ENTRIES_V3);
    *rec = (struct sk_wal_record){.kind = (enum sk_wal_kind) * p++, .end = end};
    bool ok = get_str(&p, end, &rec->tenant) && get_be64(&p, end, &base);
    sk_assert(ok);
    rec->base_ns = (int64_t)base;
    rec->p = p;
}

bool sk_wal_series_next(struct sk_wal_record *rec, struct sk_arena *arena, uint64_t *ret_ref,
                        struct sk_labelset *ret_labels, enum sk_err *ret_err)
{
    uint64_t ref, count;
    *ret_err = SK_OK;
    if (rec->p >= rec->end)
        return false;
    bool ok = get_be64(&rec->p, rec->end, &ref) && sk_uvar_decode(&rec->p, rec->end, &count);
    sk_assert(ok);
    struct sk_label *items = sk_arena_calloc(arena, (size_t)count, sizeof(*items));
    if (items == NULL) {
        *ret_err = SK_ENOMEM;
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        ok = get_str(&rec->p, rec->end, &items[i].name) &&
             get_str(&rec->p, rec->end, &items[i].value);
        sk_assert(ok);
    }
    sk_labels_sort(items, (size_t)count);
    *ret_ref = ref;
    *ret_labels = (struct sk_labelset){items, (size_t)count};
    return true;
}

bool sk_wal_stream_next(struct sk_wal_record *rec, struct sk_wal_stream *ret)
{
    uint64_t counter = 0;
    if (rec->p >= rec->end)
        return false;
    bool ok = get_be64(&rec->p, rec->end, &ret->ref) &&
              (rec->kind == SK_WAL_ENTRIES_V1 || get_be64(&rec->p, rec->end, &counter)) &&
              sk_uvar_decode(&rec->p, rec->end, &ret->count);
    sk_assert(ok);
    ret->counter = (int64_t)counter;
    return true;
}

void sk_wal_entry_next(struct sk_wal_record *rec, struct sk_label *pairs, size_t cap,
                       struct sk_wal_entry_view *ret)
{
    int64_t delta;
    uint64_t count = 0;
    const uint8_t *p = rec->p, *end = rec->end;
    bool ok = sk_var_decode(&p, end, &delta) && get_str(&p, end, &ret->line) &&
              (rec->kind != SK_WAL_ENTRIES_V3 || sk_uvar_decode(&p, end, &count));
    ret->ts_ns = (int64_t)((uint64_t)rec->base_ns + (uint64_t)delta);
    ret->pair_count = 0;
    for (uint64_t i = 0; i < count && ok; i++) {
        struct sk_label l;
        ok = get_str(&p, end, &l.name) && get_str(&p, end, &l.value);
        if (ret->pair_count < cap)
            pairs[ret->pair_count++] = l;
    }
    sk_assert(ok);
    rec->p = p;
}
