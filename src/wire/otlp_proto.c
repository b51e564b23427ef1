/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_proto.c -- the protobuf form of OTLP logs (opentelemetry.proto.logs.v1, common.v1).
 *
 * Fields may come in any order, so a message that holds both what describes and what is
 * described is passed over twice: once for the resource (scope), once for what belongs to it.
 * Passing over costs nothing but the tags. Texts are slices of the body. */
#include "wire/otlp_int.h"

#include "base/bytes.h"
#include "base/varint.h"
#include "wire/wire_int.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;        /* WIRE_VARINT, _FIXED64, _FIXED32 */
    struct sk_slice bytes; /* WIRE_BYTES */
};

/* One message being read. */
struct pb {
    struct otlp_map *map;
    const uint8_t *begin, *p, *end;
    enum sk_err err;
};

static struct pb pb_of(struct otlp_map *m, struct sk_slice msg)
{
    return (struct pb){m, msg.ptr, msg.ptr, msg.ptr + msg.len, SK_OK};
}

static bool fixed_read(struct pb *pb, struct field *f)
{
    size_t len = f->wire == WIRE_FIXED64 ? 8 : 4;
    if ((size_t)(pb->end - pb->p) < len)
        return false;
    f->value = len == 8 ? sk_load_le64(pb->p) : sk_load_le32(pb->p);
    pb->p += len;
    return true;
}

/* The next field; false at the end or on a fault (pb->err). */
static bool field_next(struct pb *pb, struct field *f)
{
    uint64_t tag, len;
    struct sk_error *reterr = pb->map->reterr;
    if (pb->p >= pb->end)
        return false;
    if (!sk_uvar_decode(&pb->p, pb->end, &tag))
        goto eof;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        pb->err = sk_error_set(
            reterr, SK_EPARSE, "proto: Link: illegal field=%d (tag=%llu, pos=%zu)",
            (int)(int32_t)(tag >> 3), (unsigned long long)tag, (size_t)(pb->p - pb->begin));
        return false;
    }
    f->number = (uint32_t)(tag >> 3);
    f->wire = tag & 7;
    switch (f->wire) {
    case WIRE_VARINT:
        if (!sk_uvar_decode(&pb->p, pb->end, &f->value))
            goto eof;
        return true;
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        if (!fixed_read(pb, f))
            goto eof;
        return true;
    case WIRE_BYTES:
        if (!sk_uvar_decode(&pb->p, pb->end, &len) || len > (uint64_t)(pb->end - pb->p))
            goto eof;
        f->bytes = (struct sk_slice){pb->p, (size_t)len};
        pb->p += len;
        return true;
    default:
        pb->err = sk_error_set(reterr, SK_EPARSE, "proto: illegal wireType %u", f->wire);
        return false;
    }
eof:
    pb->err = sk_error_set(reterr, SK_EPARSE, "unexpected EOF");
    return false;
}

/* Whether `f` has the type of its field; else pb->err is set and the message given up. */
static bool typed(struct pb *pb, const struct field *f, enum wire_type want, const char *name)
{
    if (f->wire == (uint32_t)want)
        return true;
    pb->err = sk_error_set(pb->map->reterr, SK_EPARSE, "proto: wrong wireType = %u for field %s",
                           f->wire, name);
    return false;
}

/* ---- values ---- */

static enum sk_err value_read(struct otlp_map *m, struct sk_slice msg, unsigned depth,
                              struct otlp_value *ret);

/* KeyValue. */
static enum sk_err pair_read(struct otlp_map *m, struct sk_slice msg, unsigned depth,
                             struct sk_str *ret_key, struct otlp_value *ret)
{
    struct pb pb = pb_of(m, msg);
    struct field f;
    *ret_key = SK_STR("");
    *ret = (struct otlp_value){.kind = OTLP_EMPTY};
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 1 && typed(&pb, &f, WIRE_BYTES, "Key"))
            *ret_key = sk_str_of_slice(f.bytes);
        else if (f.number == 2 && typed(&pb, &f, WIRE_BYTES, "Value"))
            pb.err = value_read(m, f.bytes, depth, ret);
    }
    return pb.err;
}

/* ArrayValue or KeyValueList: both hold their members in field 1. */
static enum sk_err items_read(struct otlp_map *m, struct sk_slice msg, unsigned depth,
                              struct otlp_value *ret)
{
    struct pb pb = pb_of(m, msg);
    struct field f;
    struct otlp_item **tail = &ret->u.items;
    *tail = NULL;
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number != 1 || !typed(&pb, &f, WIRE_BYTES, "Values"))
            continue;
        struct otlp_item *item = sk_otlp_item(m, &tail);
        if (item == NULL)
            return SK_ENOMEM;
        pb.err = ret->kind == OTLP_MAP ? pair_read(m, f.bytes, depth, &item->key, &item->value)
                                       : value_read(m, f.bytes, depth, &item->value);
    }
    return pb.err;
}

/* One alternative of AnyValue. */
static enum sk_err choice_read(struct pb *pb, const struct field *f, unsigned depth,
                               struct otlp_value *ret)
{
    static const struct {
        enum wire_type wire;
        enum otlp_kind kind;
        const char *name;
    } choices[] = {
        {WIRE_BYTES, OTLP_TEXT, "StringValue"}, {WIRE_VARINT, OTLP_BOOL, "BoolValue"},
        {WIRE_VARINT, OTLP_INT, "IntValue"},    {WIRE_FIXED64, OTLP_DOUBLE, "DoubleValue"},
        {WIRE_BYTES, OTLP_ARRAY, "ArrayValue"}, {WIRE_BYTES, OTLP_MAP, "KvlistValue"},
        {WIRE_BYTES, OTLP_BYTES, "BytesValue"},
    };
    if (f->number > SK_COUNT_OF(choices))
        return SK_OK;
    if (!typed(pb, f, choices[f->number - 1].wire, choices[f->number - 1].name))
        return pb->err;
    *ret = (struct otlp_value){.kind = choices[f->number - 1].kind};
    switch (ret->kind) {
    case OTLP_TEXT:
    case OTLP_BYTES:
        ret->u.text = sk_str_of_slice(f->bytes);
        break;
    case OTLP_BOOL:
        ret->u.truth = f->value != 0;
        break;
    case OTLP_INT:
        ret->u.integer = (int64_t)f->value;
        break;
    case OTLP_DOUBLE:
        memcpy(&ret->u.real, &f->value, sizeof(ret->u.real));
        break;
    case OTLP_ARRAY:
    case OTLP_MAP:
        if (depth < SK_OTLP_DEPTH_MAX)
            return items_read(pb->map, f->bytes, depth + 1, ret);
        ret->kind = OTLP_EMPTY;
        break;
    case OTLP_EMPTY:
        break;
    }
    return SK_OK;
}

static enum sk_err value_read(struct otlp_map *m, struct sk_slice msg, unsigned depth,
                              struct otlp_value *ret)
{
    struct pb pb = pb_of(m, msg);
    struct field f;
    *ret = (struct otlp_value){.kind = OTLP_EMPTY};
    while (pb.err == SK_OK && field_next(&pb, &f))
        pb.err = choice_read(&pb, &f, depth, ret);
    return pb.err;
}

static enum sk_err attr_read(struct otlp_map *m, struct sk_slice msg, sk_otlp_attr_fn *fn)
{
    struct sk_str key;
    struct otlp_value value;
    enum sk_err err = pair_read(m, msg, 0, &key, &value);
    return err != SK_OK ? err : fn(m, key, &value);
}

/* ---- records ---- */

static void id_read(struct pb *pb, const struct field *f, uint8_t *id, size_t len)
{
    bool trace = len == 16;
    if (!typed(pb, f, WIRE_BYTES, trace ? "TraceId" : "SpanId"))
        return;
    if (f->bytes.len == len)
        memcpy(id, f->bytes.ptr, len);
    else if (f->bytes.len == 0)
        memset(id, 0, len);
    else
        pb->err = sk_error_set(pb->map->reterr, SK_EPARSE, "invalid length for %s",
                               trace ? "TraceID" : "SpanID");
}

static void record_field(struct pb *pb, const struct field *f, struct otlp_record *r)
{
    switch (f->number) {
    case 1:
        if (typed(pb, f, WIRE_FIXED64, "TimeUnixNano"))
            r->time_ns = f->value;
        break;
    case 2:
        if (typed(pb, f, WIRE_VARINT, "SeverityNumber"))
            r->severity_number = (int32_t)(uint32_t)f->value;
        break;
    case 3:
        if (typed(pb, f, WIRE_BYTES, "SeverityText"))
            r->severity_text = sk_str_of_slice(f->bytes);
        break;
    case 5:
        if (typed(pb, f, WIRE_BYTES, "Body"))
            pb->err = value_read(pb->map, f->bytes, 0, &r->body);
        break;
    case 6:
        if (typed(pb, f, WIRE_BYTES, "Attributes"))
            pb->err = attr_read(pb->map, f->bytes, sk_otlp_record_attr);
        break;
    case 7:
        if (typed(pb, f, WIRE_VARINT, "DroppedAttributesCount"))
            r->dropped_attributes_count = (uint32_t)f->value;
        break;
    case 8:
        if (typed(pb, f, WIRE_FIXED32, "Flags"))
            r->flags = (uint32_t)f->value;
        break;
    case 9:
        id_read(pb, f, r->trace_id, sizeof(r->trace_id));
        break;
    case 10:
        id_read(pb, f, r->span_id, sizeof(r->span_id));
        break;
    case 11:
        if (typed(pb, f, WIRE_FIXED64, "ObservedTimeUnixNano"))
            r->observed_ns = f->value;
        break;
    default:
        break;
    }
}

static enum sk_err record_read(struct otlp_map *m, struct sk_slice msg)
{
    struct pb pb = pb_of(m, msg);
    struct field f;
    struct otlp_record r = {.body = {.kind = OTLP_EMPTY}};
    pb.err = sk_otlp_record_begin(m);
    while (pb.err == SK_OK && field_next(&pb, &f))
        record_field(&pb, &f, &r);
    return pb.err != SK_OK ? pb.err : sk_otlp_record_end(m, &r);
}

/* ---- scopes, resources ---- */

static enum sk_err scope_read(struct otlp_map *m, struct sk_slice msg, struct otlp_scope *scope)
{
    struct pb pb = pb_of(m, msg);
    struct field f;
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 1 && typed(&pb, &f, WIRE_BYTES, "Name"))
            scope->name = sk_str_of_slice(f.bytes);
        else if (f.number == 2 && typed(&pb, &f, WIRE_BYTES, "Version"))
            scope->version = sk_str_of_slice(f.bytes);
        else if (f.number == 3 && typed(&pb, &f, WIRE_BYTES, "Attributes"))
            pb.err = attr_read(m, f.bytes, sk_otlp_scope_attr);
        else if (f.number == 4 && typed(&pb, &f, WIRE_VARINT, "DroppedAttributesCount"))
            scope->dropped_attributes_count = (uint32_t)f.value;
    }
    return pb.err;
}

static enum sk_err scope_logs_read(struct otlp_map *m, struct sk_slice msg)
{
    struct field f;
    struct otlp_scope scope = {.dropped_attributes_count = 0};
    struct pb pb = pb_of(m, msg);
    sk_otlp_scope_begin(m);
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 1 && typed(&pb, &f, WIRE_BYTES, "Scope"))
            pb.err = scope_read(m, f.bytes, &scope);
    }
    if (pb.err == SK_OK)
        pb.err = sk_otlp_scope_end(m, &scope);
    pb.p = pb.begin;
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 2 && typed(&pb, &f, WIRE_BYTES, "LogRecords"))
            pb.err = record_read(m, f.bytes);
    }
    return pb.err;
}

static enum sk_err resource_read(struct otlp_map *m, struct sk_slice msg)
{
    struct pb pb = pb_of(m, msg);
    struct field f;
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 1 && typed(&pb, &f, WIRE_BYTES, "Attributes"))
            pb.err = attr_read(m, f.bytes, sk_otlp_resource_attr);
    }
    return pb.err;
}

static enum sk_err resource_logs_read(struct otlp_map *m, struct sk_slice msg)
{
    struct field f;
    struct pb pb = pb_of(m, msg);
    sk_otlp_resource_begin(m);
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 1 && typed(&pb, &f, WIRE_BYTES, "Resource"))
            pb.err = resource_read(m, f.bytes);
    }
    if (pb.err == SK_OK)
        pb.err = sk_otlp_resource_end(m);
    pb.p = pb.begin;
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 2 && typed(&pb, &f, WIRE_BYTES, "ScopeLogs"))
            pb.err = scope_logs_read(m, f.bytes);
    }
    return pb.err;
}

enum sk_err sk_push_decode_otlp_proto(struct sk_push *push, struct sk_slice body,
                                      const struct sk_otlp_rules *rules, int64_t now_ns,
                                      struct sk_error *reterr)
{
    struct otlp_map map;
    struct field f;
    if (body.len == 0)
        return SK_OK;
    sk_otlp_map_init(&map, push, rules, now_ns, reterr);
    struct pb pb = pb_of(&map, body);
    while (pb.err == SK_OK && field_next(&pb, &f)) {
        if (f.number == 1 && typed(&pb, &f, WIRE_BYTES, "ResourceLogs"))
            pb.err = resource_logs_read(&map, f.bytes);
    }
    enum sk_err err = pb.err != SK_OK ? pb.err : sk_otlp_finish(&map);
    sk_otlp_map_deinit(&map);
    return sk_wire_limit_text(err, reterr);
}
