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

void sk_wal_entry(struct sk_strbuf *out, int64_t base_ns, int64_t ts_ns, struct sk_str line,
                  uint64_t pair_count)
{
    uint8_t b[2 * SK_VARINT_BYTES_MAX];
    if (!sk_strbuf_reserve(out, line.len + 3 * SK_VARINT_BYTES_MAX))
        return;
    size_t n = sk_var_encode(b, (int64_t)((uint64_t)ts_ns - (uint64_t)base_ns));
    n += sk_uvar_encode(b + n, line.len);
    sk_strbuf_add(out, b, n);
    sk_strbuf_str(out, line);
    put_uvar(out, pair_count);
}

void sk_wal_pair(struct sk_strbuf *out, struct sk_str name, struct sk_str value)
{
    put_str(out, name);
    put_str(out, value);
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

void sk_wal_entry_next(struct sk_wal_record *rec, struct sk_wal_entry_view *ret)
{
    int64_t delta;
    bool ok = sk_var_decode(&rec->p, rec->end, &delta) && get_str(&rec->p, rec->end, &ret->line);
    sk_assert(ok);
    ret->ts_ns = (int64_t)((uint64_t)rec->base_ns + (uint64_t)delta);
    ret->pair_count = 0;
    ret->pairs = rec->p;
    if (rec->kind != SK_WAL_ENTRIES_V3)
        return;
    ok = sk_uvar_decode(&rec->p, rec->end, &ret->pair_count);
    ret->pairs = rec->p;
    ok = ok && pairs_check(&rec->p, rec->end, ret->pair_count);
    sk_assert(ok);
}

void sk_wal_pair_next(const uint8_t **pairs, const uint8_t *end, struct sk_label *ret)
{
    bool ok = get_str(pairs, end, &ret->name) && get_str(pairs, end, &ret->value);
    sk_assert(ok);
}
