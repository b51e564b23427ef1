/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_json.c -- the JSON form of OTLP logs. One pass; where "scopeLogs" stands before
 * "resource" ("logRecords" before "scope") the rest of the object is looked through for it
 * first. Names of members are taken in both spellings (timeUnixNano, time_unix_nano). Error
 * texts are those of the reader that Loki uses, with the bytes around the fault. */
#include "wire/otlp_int.h"

#include <stdio.h>

#include "base/gotext.h"
#include "base/jsonscan.h"
#include "wire/wire_int.h"

struct decoder {
    struct otlp_map *map;
    struct sk_json j;
    struct sk_str text;
};

/* ---- tokens ---- */

static enum sk_err fail(struct decoder *d, const char *at, const char *what)
{
    return sk_wire_fail_at(d->map->reterr, d->text, at, what);
}

/* "WANT, but found X" behind the byte X. */
static enum sk_err fail_found(struct decoder *d, const char *want)
{
    (void)sk_json_peek(&d->j); /* behind blanks */
    return sk_wire_fail_found(d->map->reterr, d->text, d->j.p, want);
}

static enum sk_err skip(struct decoder *d)
{
    return sk_json_skip(&d->j, NULL) ? SK_OK : fail_found(d, "Skip: expect a well-formed value");
}

/* Lone surrogates, which JavaScript sends, become U+FFFD of the same length in `raw`. */
static void surrogates_mend(char *raw, size_t len)
{
    for (size_t i = 0; i + 6 <= len; i++) {
        if (raw[i] != '\\')
            continue;
        char kind = (char)(raw[i + 3] | 32);
        bool surrogate = raw[i + 1] == 'u' && (raw[i + 2] | 32) == 'd' && kind >= '8' &&
                         (kind <= '9' || (kind >= 'a' && kind <= 'f'));
        if (!surrogate) {
            i++; /* the escaped byte */
            continue;
        }
        bool high = kind <= '9' || kind <= 'b';
        bool paired = high && len - i >= 12 && raw[i + 6] == '\\' && raw[i + 7] == 'u' &&
                      (raw[i + 8] | 32) == 'd' && (raw[i + 9] | 32) >= 'c' &&
                      (raw[i + 9] | 32) <= 'f';
        if (!paired)
            memcpy(raw + i + 2, "fffd", 4);
        i += paired ? 11 : 5;
    }
}

static enum sk_err text_get(struct decoder *d, struct sk_json_text t, struct sk_str *ret)
{
    if (!t.escaped) {
        *ret = t.raw;
        return SK_OK;
    }
    char *out = sk_arena_alloc(&d->map->push->arena, t.raw.len + 1);
    if (out == NULL)
        return SK_ENOMEM;
    size_t n = sk_json_unescape(t.raw, out);
    if (n == SIZE_MAX) {
        memcpy(out, t.raw.ptr, t.raw.len);
        surrogates_mend(out, t.raw.len);
        n = sk_json_unescape((struct sk_str){out, t.raw.len}, out); /* never grows: in place */
    }
    if (n == SIZE_MAX)
        return fail(d, d->j.p, "readEscapedChar: invalid escape char after \\");
    *ret = (struct sk_str){out, n};
    return SK_OK;
}

static enum sk_err string_read(struct decoder *d, struct sk_str *ret)
{
    struct sk_json_text t;
    char c = sk_json_peek(&d->j);
    if (c == 'n') {
        *ret = SK_STR("");
        return skip(d);
    }
    if (c != '"')
        return fail_found(d, "ReadString: expects \" or n");
    if (!sk_json_string_scan(&d->j, &t))
        return fail(d, d->j.p,
                    d->j.p < d->j.end ? "ReadString: invalid control character found"
                                      : "ReadString: unexpected end of input");
    return text_get(d, t, ret);
}

/* Steps through an object: *ret_key is the next member's name, ptr NULL behind the last one.
 * null is an object without members. `first` starts true. */
static enum sk_err object_next(struct decoder *d, bool *first, struct sk_str *ret_key)
{
    char c = sk_json_peek(&d->j);
    struct sk_json_text t;
    *ret_key = (struct sk_str){NULL, 0};
    if (*first && c == 'n')
        return skip(d);
    if (c != (*first ? '{' : ',') && (*first || c != '}'))
        return fail_found(d, "ReadObject: expect { or , or } or n");
    d->j.p++;
    if (c == '}' || (c == '{' && sk_json_peek(&d->j) == '}')) {
        d->j.p += c == '{';
        return SK_OK;
    }
    *first = false;
    if (sk_json_peek(&d->j) != '"')
        return fail_found(d, c == '{' ? "ReadObject: expect \" after {"
                                      : "ReadObject: expect \" after ,");
    if (!sk_json_string_scan(&d->j, &t))
        return fail(d, d->j.p, "ReadString: unexpected end of input");
    if (sk_json_peek(&d->j) != ':')
        return fail_found(d, "ReadObject: expect : after object field");
    d->j.p++;
    return text_get(d, t, ret_key);
}

/* Steps through an array; null is an empty one. */
static enum sk_err array_next(struct decoder *d, bool *first, bool *ret_more)
{
    char c = sk_json_peek(&d->j);
    *ret_more = false;
    if (*first && c == 'n')
        return skip(d);
    if (c != (*first ? '[' : ',') && (*first || c != ']'))
        return fail_found(d, "ReadArray: expect [ or , or ] or n");
    d->j.p++;
    if (c == '[' && sk_json_peek(&d->j) == ']') {
        d->j.p++;
        return SK_OK;
    }
    *ret_more = c != ']';
    *first = false;
    return SK_OK;
}

/* `key` is `snake`, or its camelCase form. */
static bool key_is(struct sk_str key, const char *snake)
{
    size_t k = 0;
    for (const char *s = snake; *s != '\0'; s++) {
        if (k >= key.len)
            return false;
        if (*s == '_' && key.ptr[k] != '_') {
            s++;
            if (key.ptr[k] != *s - 32)
                return false;
        } else if (key.ptr[k] != *s) {
            return false;
        }
        k++;
    }
    return k == key.len;
}

/* ---- numbers ---- */

/* The digits of a number or string. */
static enum sk_err number_text(struct decoder *d, const char *who, struct sk_str *ret)
{
    char what[64];
    char c = sk_json_peek(&d->j);
    if (c == '"')
        return string_read(d, ret);
    if ((c == '-' || (c >= '0' && c <= '9')) && sk_json_skip(&d->j, ret))
        return SK_OK;
    (void)snprintf(what, sizeof(what), "%s: unsupported value type", who);
    return fail(d, d->j.p, what);
}

static enum sk_err bad_number(struct decoder *d, const char *who, const char *parser,
                              struct sk_str text)
{
    char what[256];
    (void)snprintf(what, sizeof(what), "%s: strconv.%s: parsing \"%.*s\": invalid syntax", who,
                   parser, (int)(text.len > 64 ? 64 : text.len), text.ptr);
    return fail(d, d->j.p, what);
}

static enum sk_err u64_read(struct decoder *d, uint64_t *ret)
{
    struct sk_str text;
    enum sk_err err = number_text(d, "ReadUint64", &text);
    if (err == SK_OK && !sk_str_to_u64(text, ret))
        err = bad_number(d, "ReadUint64", "ParseUint", text);
    return err;
}

static enum sk_err u32_read(struct decoder *d, uint32_t *ret)
{
    struct sk_str text;
    uint64_t v;
    enum sk_err err = number_text(d, "ReadUint32", &text);
    if (err != SK_OK)
        return err;
    if (!sk_str_to_u64(text, &v) || v > UINT32_MAX)
        return bad_number(d, "ReadUint32", "ParseUint", text);
    *ret = (uint32_t)v;
    return SK_OK;
}

static enum sk_err i64_read(struct decoder *d, int64_t *ret)
{
    struct sk_str text;
    enum sk_err err = number_text(d, "ReadInt64", &text);
    if (err == SK_OK && !sk_str_to_i64(text, ret))
        err = bad_number(d, "ReadInt64", "ParseInt", text);
    return err;
}

static enum sk_err real_read(struct decoder *d, double *ret)
{
    struct sk_str text;
    enum sk_err err = number_text(d, "ReadFloat64", &text);
    if (err == SK_OK && sk_go_parse_float(text, ret, NULL) != SK_OK)
        err = bad_number(d, "ReadFloat64", "ParseFloat", text);
    return err;
}

static enum sk_err bool_read(struct decoder *d, bool *ret)
{
    char c = sk_json_peek(&d->j);
    if ((c != 't' && c != 'f') || !sk_json_skip(&d->j, NULL))
        return fail_found(d, "ReadBool: expect t or f");
    *ret = c == 't';
    return SK_OK;
}

/* A number, or SEVERITY_NUMBER_WARN2. */
static enum sk_err severity_read(struct decoder *d, int32_t *ret)
{
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    struct sk_str text, prefix = SK_STR("SEVERITY_NUMBER_");
    int64_t v;
    bool named = sk_json_peek(&d->j) == '"';
    enum sk_err err = named ? string_read(d, &text) : i64_read(d, &v);
    if (err != SK_OK)
        return err;
    if (!named) {
        *ret = (int32_t)(uint32_t)(uint64_t)v;
        return SK_OK;
    }
    struct sk_str word = text;
    if (sk_str_starts(word, prefix))
        word = (struct sk_str){word.ptr + prefix.len, word.len - prefix.len};
    int32_t step = 1;
    if (word.len > 0 && word.ptr[word.len - 1] >= '2' && word.ptr[word.len - 1] <= '4')
        step = word.ptr[--word.len] - '0';
    for (int32_t i = 0; i < (int32_t)SK_COUNT_OF(names) && text.len != word.len; i++) {
        if (sk_str_is(word, names[i])) {
            *ret = 4 * i + step;
            return SK_OK;
        }
    }
    if (sk_str_is(text, "SEVERITY_NUMBER_UNSPECIFIED")) {
        *ret = 0;
        return SK_OK;
    }
    char what[160];
    (void)snprintf(what, sizeof(what), "ReadEnumValue: unknown string value \"%.*s\"",
                   (int)(text.len > 64 ? 64 : text.len), text.ptr);
    return fail(d, d->j.p, what);
}

/* ---- bytes ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static enum sk_err id_read(struct decoder *d, uint8_t *id, size_t len)
{
    struct sk_str text;
    uint8_t bytes[16] = {0};
    enum sk_err err = string_read(d, &text);
    if (err != SK_OK)
        return err;
    if (text.len != 0 && text.len != 2 * len)
        return fail(d, d->j.p, "ID.UnmarshalJSONIter: length mismatch");
    for (size_t i = 0; i < text.len; i++) {
        int v = hex_digit(text.ptr[i]);
        if (v < 0)
            return fail(d, d->j.p, "ID.UnmarshalJSONIter: encoding/hex: invalid byte");
        bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | v);
    }
    memcpy(id, bytes, len);
    return SK_OK;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Standard alphabet with padding. */
static enum sk_err base64_read(struct decoder *d, struct sk_str *ret)
{
    struct sk_str text;
    enum sk_err err = string_read(d, &text);
    if (err != SK_OK)
        return err;
    char *out = sk_arena_alloc(&d->map->push->arena, text.len / 4 * 3 + 1);
    if (out == NULL)
        return SK_ENOMEM;
    size_t pad = sk_str_ends(text, SK_STR("==")) ? 2 : sk_str_ends(text, SK_STR("=")), n = 0;
    bool ok = text.len % 4 == 0;
    uint32_t word = 0;
    for (size_t i = 0; ok && i < text.len - pad; i++) {
        int v = base64_digit(text.ptr[i]);
        ok = v >= 0;
        word = word << 6 | (uint32_t)(v & 63);
        if (i % 4 != 0) /* a byte is full: 4, 2 or no bits are over */
            out[n++] = (char)(word >> (6 - 2 * (i % 4)));
    }
    if (!ok)
        return fail(d, d->j.p, "bytesValue: illegal base64 data");
    *ret = (struct sk_str){out, n};
    return SK_OK;
}

/* ---- values ---- */

static enum sk_err value_read(struct decoder *d, unsigned depth, struct otlp_value *ret);

/* KeyValue. */
static enum sk_err pair_read(struct decoder *d, unsigned depth, struct sk_str *ret_key,
                             struct otlp_value *ret)
{
    bool first = true;
    struct sk_str key;
    *ret_key = SK_STR("");
    *ret = (struct otlp_value){.kind = OTLP_EMPTY};
    for (;;) {
        enum sk_err err = object_next(d, &first, &key);
        if (err != SK_OK || key.ptr == NULL)
            return err;
        if (sk_str_is(key, "key"))
            err = string_read(d, ret_key);
        else if (sk_str_is(key, "value"))
            err = value_read(d, depth, ret);
        else
            err = skip(d);
        if (err != SK_OK)
            return err;
    }
}

static enum sk_err members_read(struct decoder *d, unsigned depth, bool map,
                                struct otlp_item ***tail)
{
    bool first = true, more;
    for (;;) {
        enum sk_err err = array_next(d, &first, &more);
        if (err != SK_OK || !more)
            return err;
        struct otlp_item *item = sk_otlp_item(d->map, tail);
        if (item == NULL)
            return SK_ENOMEM;
        err = map ? pair_read(d, depth, &item->key, &item->value)
                  : value_read(d, depth, &item->value);
        if (err != SK_OK)
            return err;
    }
}

/* ArrayValue or KeyValueList: {"values":[..]}. */
static enum sk_err items_read(struct decoder *d, unsigned depth, enum otlp_kind kind,
                              struct otlp_value *ret)
{
    bool first = true;
    struct sk_str key;
    *ret = (struct otlp_value){.kind = OTLP_EMPTY};
    if (depth > SK_OTLP_DEPTH_MAX)
        return skip(d);
    *ret = (struct otlp_value){kind, {.items = NULL}};
    struct otlp_item **tail = &ret->u.items;
    for (;;) {
        enum sk_err err = object_next(d, &first, &key);
        if (err != SK_OK || key.ptr == NULL)
            return err;
        err = sk_str_is(key, "values") ? members_read(d, depth, kind == OTLP_MAP, &tail) : skip(d);
        if (err != SK_OK)
            return err;
    }
}

static enum sk_err choice_read(struct decoder *d, struct sk_str key, unsigned depth,
                               struct otlp_value *ret)
{
    struct otlp_value v = {.kind = OTLP_EMPTY};
    enum sk_err err;
    if (key_is(key, "string_value")) {
        v.kind = OTLP_TEXT;
        err = string_read(d, &v.u.text);
    } else if (key_is(key, "int_value")) {
        v.kind = OTLP_INT;
        err = i64_read(d, &v.u.integer);
    } else if (key_is(key, "bool_value")) {
        v.kind = OTLP_BOOL;
        err = bool_read(d, &v.u.truth);
    } else if (key_is(key, "double_value")) {
        v.kind = OTLP_DOUBLE;
        err = real_read(d, &v.u.real);
    } else if (key_is(key, "array_value")) {
        err = items_read(d, depth + 1, OTLP_ARRAY, &v);
    } else if (key_is(key, "kvlist_value")) {
        err = items_read(d, depth + 1, OTLP_MAP, &v);
    } else if (key_is(key, "bytes_value")) {
        v.kind = OTLP_BYTES;
        err = base64_read(d, &v.u.text);
    } else {
        return skip(d);
    }
    if (err == SK_OK)
        *ret = v;
    return err;
}

static enum sk_err value_read(struct decoder *d, unsigned depth, struct otlp_value *ret)
{
    bool first = true;
    struct sk_str key;
    *ret = (struct otlp_value){.kind = OTLP_EMPTY};
    for (;;) {
        enum sk_err err = object_next(d, &first, &key);
        if (err != SK_OK || key.ptr == NULL)
            return err;
        err = choice_read(d, key, depth, ret);
        if (err != SK_OK)
            return err;
    }
}

static enum sk_err attrs_read(struct decoder *d, sk_otlp_attr_fn *fn)
{
    bool first = true, more;
    for (;;) {
        struct sk_str key;
        struct otlp_value value;
        enum sk_err err = array_next(d, &first, &more);
        if (err != SK_OK || !more)
            return err;
        err = pair_read(d, 0, &key, &value);
        if (err == SK_OK)
            err = fn(d->map, key, &value);
        if (err != SK_OK)
            return err;
    }
}

/* ---- records ---- */

static enum sk_err record_member(struct decoder *d, struct sk_str key, struct otlp_record *r)
{
    if (key_is(key, "time_unix_nano"))
        return u64_read(d, &r->time_ns);
    if (key_is(key, "observed_time_unix_nano"))
        return u64_read(d, &r->observed_ns);
    if (key_is(key, "severity_number"))
        return severity_read(d, &r->severity_number);
    if (key_is(key, "severity_text"))
        return string_read(d, &r->severity_text);
    if (sk_str_is(key, "body"))
        return value_read(d, 0, &r->body);
    if (sk_str_is(key, "attributes"))
        return attrs_read(d, sk_otlp_record_attr);
    if (key_is(key, "dropped_attributes_count"))
        return u32_read(d, &r->dropped_attributes_count);
    if (sk_str_is(key, "flags"))
        return u32_read(d, &r->flags);
    if (key_is(key, "trace_id"))
        return id_read(d, r->trace_id, sizeof(r->trace_id));
    if (key_is(key, "span_id"))
        return id_read(d, r->span_id, sizeof(r->span_id));
    return skip(d);
}

static enum sk_err record_read(struct decoder *d)
{
    bool first = true;
    struct sk_str key;
    struct otlp_record r = {.body = {.kind = OTLP_EMPTY}};
    enum sk_err err = sk_otlp_record_begin(d->map);
    for (;;) {
        if (err == SK_OK)
            err = object_next(d, &first, &key);
        if (err != SK_OK)
            return err;
        if (key.ptr == NULL)
            return sk_otlp_record_end(d->map, &r);
        err = record_member(d, key, &r);
    }
}

/* Runs `each` over the elements of an array. */
static enum sk_err each_read(struct decoder *d, enum sk_err (*each)(struct decoder *d))
{
    bool first = true, more;
    for (;;) {
        enum sk_err err = array_next(d, &first, &more);
        if (err == SK_OK && more)
            err = each(d);
        if (err != SK_OK || !more)
            return err;
    }
}

/* ---- scopes, resources ---- */

static enum sk_err scope_read(struct decoder *d)
{
    bool first = true;
    struct sk_str key;
    struct otlp_scope scope = {.dropped_attributes_count = 0};
    for (;;) {
        enum sk_err err = object_next(d, &first, &key);
        if (err != SK_OK)
            return err;
        if (key.ptr == NULL)
            return sk_otlp_scope_end(d->map, &scope);
        if (sk_str_is(key, "name"))
            err = string_read(d, &scope.name);
        else if (sk_str_is(key, "version"))
            err = string_read(d, &scope.version);
        else if (sk_str_is(key, "attributes"))
            err = attrs_read(d, sk_otlp_scope_attr);
        else if (key_is(key, "dropped_attributes_count"))
            err = u32_read(d, &scope.dropped_attributes_count);
        else
            err = skip(d);
        if (err != SK_OK)
            return err;
    }
}

static enum sk_err resource_read(struct decoder *d)
{
    bool first = true;
    struct sk_str key;
    for (;;) {
        enum sk_err err = object_next(d, &first, &key);
        if (err != SK_OK)
            return err;
        if (key.ptr == NULL)
            return sk_otlp_resource_end(d->map);
        err = sk_str_is(key, "attributes") ? attrs_read(d, sk_otlp_resource_attr) : skip(d);
        if (err != SK_OK)
            return err;
    }
}

static enum sk_err scope_absent(struct decoder *d)
{
    struct otlp_scope none = {.dropped_attributes_count = 0};
    return sk_otlp_scope_end(d->map, &none);
}

static enum sk_err resource_absent(struct decoder *d)
{
    return sk_otlp_resource_end(d->map);
}

/* An object whose member `head` describes the elements of its member `list`. */
struct pair_of_members {
    const char *head, *list;
    enum sk_err (*head_read)(struct decoder *d);
    enum sk_err (*head_absent)(struct decoder *d);
    enum sk_err (*element_read)(struct decoder *d);
};

/* Passes over a value by its brackets alone; what is wrong in it the real pass will say. */
static bool value_pass(struct sk_json *j)
{
    struct sk_json_text t;
    size_t depth = 0;
    do {
        char c = sk_json_peek(j);
        if (j->p >= j->end)
            return false;
        if (c == '"') {
            if (!sk_json_string_scan(j, &t))
                return false;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth-- == 0)
            return false;
        j->p++;
    } while (depth > 0 || (j->p < j->end && strchr(",}] \t\r\n", *j->p) == NULL));
    return true;
}

/* Before the list: looks for the head in the rest of the object, where `d` stands at the list's
 * value. */
static enum sk_err head_find(struct decoder *d, const struct pair_of_members *o)
{
    struct sk_json here = d->j, *j = &d->j;
    struct sk_json_text key;
    bool more = true, found = false;
    while (!found && value_pass(j) && sk_json_more(j, '}', &more) && more && sk_json_key(j, &key))
        found = sk_str_is(key.raw, o->head);
    enum sk_err err = found ? o->head_read(d) : o->head_absent(d);
    d->j = here;
    return err;
}

static enum sk_err described_read(struct decoder *d, const struct pair_of_members *o)
{
    bool first = true, have_head = false;
    struct sk_str key;
    for (;;) {
        enum sk_err err = object_next(d, &first, &key);
        if (err != SK_OK || key.ptr == NULL)
            return err;
        bool head = sk_str_is(key, o->head) && !have_head;
        if (head) {
            err = o->head_read(d);
        } else if (key_is(key, o->list)) {
            if (!have_head)
                err = head_find(d, o);
            if (err == SK_OK)
                err = each_read(d, o->element_read);
            head = true;
        } else {
            err = skip(d);
        }
        have_head = have_head || head;
        if (err != SK_OK)
            return err;
    }
}

static enum sk_err scope_logs_read(struct decoder *d)
{
    static const struct pair_of_members o = {"scope", "log_records", scope_read, scope_absent,
                                             record_read};
    sk_otlp_scope_begin(d->map);
    return described_read(d, &o);
}

static enum sk_err resource_logs_read(struct decoder *d)
{
    static const struct pair_of_members o = {"resource", "scope_logs", resource_read,
                                             resource_absent, scope_logs_read};
    sk_otlp_resource_begin(d->map);
    return described_read(d, &o);
}

enum sk_err sk_push_decode_otlp_json(struct sk_push *push, struct sk_slice body,
                                     const struct sk_otlp_rules *rules, int64_t now_ns,
                                     struct sk_error *reterr)
{
    struct otlp_map map;
    struct sk_str text = body.len > 0 ? sk_str_of_slice(body) : SK_STR("");
    struct decoder d = {&map, {text.ptr, text.ptr + text.len}, text};
    bool first = true;
    struct sk_str key = {"", 0};
    enum sk_err err = SK_OK;
    sk_otlp_map_init(&map, push, rules, now_ns, reterr);
    while (err == SK_OK && key.ptr != NULL) {
        err = object_next(&d, &first, &key);
        if (err == SK_OK && key.ptr != NULL)
            err = key_is(key, "resource_logs") ? each_read(&d, resource_logs_read) : skip(&d);
    }
    if (err == SK_OK)
        err = sk_otlp_finish(&map);
    sk_otlp_map_deinit(&map);
    return sk_wire_limit_text(err, reterr);
}
