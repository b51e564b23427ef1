/* SPDX-License-Identifier: Apache-2.0 */
/* push_json.c -- the JSON forms of a push. What is refused and what passes follows Loki (unknown keys
 * skipped, text behind the first value ignored, numbers as label values taken as they stand); the
 * texts of errors are those of the decoders that Loki uses, with the bytes around the fault. */
#include "wire/push.h"

#include <stdio.h>

#include "base/gotext.h"
#include "base/jsonscan.h"
#include "wire/wire_int.h"

enum { LABEL_COUNT_MAX = 4096 };

struct decoder {
    struct sk_push *push;
    struct sk_json j;
    const char *begin;
    struct sk_error *reterr;
    const char *fault; /* why the present stream object is refused */
};

static void error_add(struct sk_error *e, const char *ptr, size_t len)
{
    size_t room = sizeof(e->text) - 1 - e->len;
    len = len < room ? len : room;
    memcpy(e->text + e->len, ptr, len);
    e->len += len;
    e->text[e->len] = '\0';
}

/* What stands around `at` may hold NULs, so that it does not go through a format. */
static void error_add_place(struct sk_error *e, struct sk_str text, const char *at)
{
    char place[64];
    size_t before = (size_t)(at - text.ptr), after = text.len - before;
    size_t nb = before < 10 ? before : 10, na = after < 10 ? after : 10;
    size_t fb = before < 50 ? before : 50, fa = after < 50 ? after : 50;
    int n = snprintf(place, sizeof(place), ", error found in #%zu byte of ...|", nb);
    error_add(e, place, (size_t)n);
    error_add(e, at - nb, nb + na);
    error_add(e, "|..., bigger context ...|", 25);
    error_add(e, at - fb, fb + fa);
    error_add(e, "|...", 4);
}

enum sk_err sk_wire_fail_at(struct sk_error *reterr, struct sk_str text, const char *at,
                            const char *what)
{
    enum sk_err err = sk_error_set(reterr, SK_EPARSE, "%s", what);
    if (reterr != NULL)
        error_add_place(reterr, text, at);
    return err;
}

enum sk_err sk_wire_fail_found(struct sk_error *reterr, struct sk_str text, const char *p,
                               const char *want)
{
    bool end = p >= text.ptr + text.len;
    enum sk_err err = sk_error_set(reterr, SK_EPARSE, "%s, but found %c", want, end ? '\0' : *p);
    if (end) {
        while (p > text.ptr && strchr(" \t\r\n", p[-1]) != NULL && p[-1] != '\0')
            p--;
    }
    if (reterr != NULL)
        error_add_place(reterr, text, end ? p : p + 1);
    return err;
}

static enum sk_err fail_at(struct decoder *d, const char *at, const char *what)
{
    struct sk_str text = {d->begin, (size_t)(d->j.end - d->begin)};
    return sk_wire_fail_at(d->reterr, text, at, what);
}

/* The same for a fault inside stream object `end` points behind. */
static enum sk_err fail_stream(struct decoder *d, const char *end, const char *why)
{
    char what[256];
    (void)snprintf(what, sizeof(what),
                   "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: unmarshalerDecoder: %s",
                   why);
    return fail_at(d, end, what);
}

static const char BAD_OBJECT[] = "Value looks like object, but can't find closing '}' symbol";
static const char BAD_ARRAY[] = "Value is array, but can't find closing ']' symbol";
static const char BAD_STRING[] = "Value is string, but can't find closing '\"' symbol";
static const char BAD_NUMBER[] =
    "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol";
static const char BAD_JSON[] = "Malformed JSON error";
static const char NO_MEMORY[] = "out of memory";

/* The functions below read inside one stream object that has been skipped over once, so that its
 * brackets are known to close. They return NULL or the fault. */

static const char *pairs_read(struct decoder *d, struct sk_json *j)
{
    bool more;
    struct sk_json_text key, value;
    struct sk_str k, v;
    if (sk_json_peek(j) != '{')
        return BAD_OBJECT;
    (void)sk_json_enter(j, '{', &more);
    for (more = !more; more;) {
        if (!sk_json_key(j, &key))
            return BAD_OBJECT;
        if (sk_json_peek(j) != '"' || !sk_json_string_scan(j, &value))
            return BAD_STRING;
        if (!sk_json_text_get(&d->push->arena, key, &k) ||
            !sk_json_text_get(&d->push->arena, value, &v))
            return BAD_STRING;
        if (sk_push_add_pair(d->push, k, v) != SK_OK)
            return NO_MEMORY;
        if (!sk_json_more(j, '}', &more))
            return BAD_OBJECT;
    }
    return NULL;
}

static const char *timestamp_read(struct sk_json *j, int64_t *ret_ns)
{
    struct sk_json_text t;
    if (sk_json_peek(j) != '"' || !sk_json_string_scan(j, &t) || t.escaped)
        return BAD_NUMBER;
    if (t.raw.len == 0 || t.raw.ptr[0] == '+' || !sk_str_to_i64(t.raw, ret_ns))
        return BAD_NUMBER;
    return NULL;
}

/* ["ns", "line", {..}, ...] */
static const char *entry_read(struct decoder *d, struct sk_json *j)
{
    bool empty, more = true;
    int64_t ts_ns = INT64_MIN; /* an empty entry has time zero of year 1: far too old */
    struct sk_json_text line;
    struct sk_str text = {"", 0};
    if (sk_json_peek(j) == 'n')
        return sk_json_skip(j, NULL) ? NULL : BAD_JSON;
    if (!sk_json_enter(j, '[', &empty))
        return BAD_JSON;
    for (unsigned i = 0; !empty && more; i++) {
        if (i == 0) {
            const char *why = timestamp_read(j, &ts_ns);
            if (why != NULL)
                return why;
        } else if (i == 1) {
            if (sk_json_peek(j) != '"' || !sk_json_string_scan(j, &line) ||
                !sk_json_text_get(&d->push->arena, line, &text))
                return BAD_STRING;
        } else if (i == 2) {
            if (sk_push_add_entry(d->push, ts_ns, text) != SK_OK)
                return NO_MEMORY;
            const char *why = pairs_read(d, j);
            if (why != NULL)
                return why;
        } else if (!sk_json_skip(j, NULL)) {
            return BAD_ARRAY;
        }
        if (!sk_json_more(j, ']', &more))
            return BAD_ARRAY;
        if (!more && i < 2)
            break;
        if (!more)
            return NULL; /* added already */
    }
    return sk_push_add_entry(d->push, ts_ns, text) == SK_OK ? NULL : NO_MEMORY;
}

static const char *values_read(struct decoder *d, struct sk_json *j)
{
    bool more;
    if (sk_json_peek(j) == 'n')
        return sk_json_skip(j, NULL) ? NULL : BAD_JSON;
    if (!sk_json_enter(j, '[', &more))
        return BAD_ARRAY;
    for (more = !more; more;) {
        const char *why = entry_read(d, j);
        if (why != NULL)
            return why;
        if (!sk_json_more(j, ']', &more))
            return BAD_ARRAY;
    }
    return NULL;
}

struct raw_label {
    struct sk_str name, value;
};

/* Sorted insertion; an equal name takes the new value. false: too many. */
static bool label_put(struct raw_label *items, size_t *count, struct raw_label l)
{
    size_t k = *count;
    for (size_t i = 0; i < *count; i++) {
        if (sk_str_eq(items[i].name, l.name)) {
            items[i].value = l.value;
            return true;
        }
    }
    if (*count >= LABEL_COUNT_MAX)
        return false;
    for (; k > 0 && sk_str_cmp(items[k - 1].name, l.name) > 0; k--)
        items[k] = items[k - 1];
    items[k] = l;
    (*count)++;
    return true;
}

/* {"a":"b"} -> {a="b"} */
static const char *labels_read(struct decoder *d, struct sk_json *j, struct sk_str *ret)
{
    bool more;
    size_t count = 0, cap = 0;
    struct raw_label *items = NULL;
    if (!sk_json_enter(j, '{', &more))
        return BAD_OBJECT;
    for (more = !more; more;) {
        struct sk_json_text key, value;
        struct raw_label l;
        if (!sk_json_key(j, &key) || !sk_json_text_get(&d->push->arena, key, &l.name))
            return BAD_OBJECT;
        if (sk_json_peek(j) == '"') {
            if (!sk_json_string_scan(j, &value) ||
                !sk_json_text_get(&d->push->arena, value, &l.value))
                return BAD_STRING;
        } else if (!sk_json_skip(j, &l.value)) {
            return BAD_OBJECT;
        }
        if (count == cap) {
            size_t cap_new = cap == 0 ? 16 : cap * 2;
            struct raw_label *grown = sk_arena_alloc(&d->push->arena, cap_new * sizeof(*grown));
            if (grown == NULL)
                return NO_MEMORY;
            if (count > 0)
                memcpy(grown, items, count * sizeof(*grown));
            items = grown;
            cap = cap_new;
        }
        if (!label_put(items, &count, l))
            return "too many labels";
        if (!sk_json_more(j, '}', &more))
            return BAD_OBJECT;
    }
    struct sk_strbuf text;
    sk_strbuf_init(&text, 64 << 20);
    sk_strbuf_putc(&text, '{');
    for (size_t i = 0; i < count; i++) {
        sk_strbuf_puts(&text, i > 0 ? ", " : "");
        sk_strbuf_str(&text, items[i].name);
        sk_strbuf_putc(&text, '=');
        sk_go_quote(&text, items[i].value);
    }
    sk_strbuf_putc(&text, '}');
    *ret = text.failed ? (struct sk_str){NULL, 0}
                       : sk_arena_str(&d->push->arena, sk_strbuf_view(&text));
    sk_strbuf_deinit(&text);
    return ret->ptr == NULL ? NO_MEMORY : NULL;
}

/* One element of "streams", its text known to be a closed object. */
static const char *stream_read(struct decoder *d, struct sk_json *j)
{
    bool more;
    struct sk_str labels = {"{}", 2};
    if (sk_push_add_stream(d->push, labels) != SK_OK)
        return NO_MEMORY;
    size_t idx = d->push->stream_count - 1;
    if (!sk_json_enter(j, '{', &more))
        return BAD_OBJECT;
    for (more = !more; more;) {
        struct sk_json_text key;
        const char *why = NULL;
        if (!sk_json_key(j, &key))
            return BAD_OBJECT;
        if (sk_str_is(key.raw, "stream")) {
            why = labels_read(d, j, &labels);
            d->push->streams[idx].labels = labels;
        } else if (sk_str_is(key.raw, "values")) {
            why = values_read(d, j);
        } else if (!sk_json_skip(j, NULL)) {
            why = BAD_OBJECT;
        }
        if (why != NULL)
            return why;
        if (!sk_json_more(j, '}', &more))
            return BAD_OBJECT;
    }
    return NULL;
}

static enum sk_err limit_fail(struct decoder *d)
{
    return sk_wire_limit_text(SK_ELIMIT, d->reterr);
}

static enum sk_err streams_read(struct decoder *d)
{
    bool more;
    if (sk_json_peek(&d->j) == 'n')
        return sk_json_skip(&d->j, NULL) ? SK_OK : fail_at(d, d->j.p, "ReadNil: expect null");
    if (!sk_json_enter(&d->j, '[', &more)) {
        char what[160];
        char c = sk_json_peek(&d->j);
        (void)snprintf(
            what, sizeof(what),
            "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode slice: expect [ "
            "or n, but found %c",
            c);
        return fail_at(d, d->j.p < d->j.end ? d->j.p + 1 : d->j.p, what);
    }
    for (more = !more; more;) {
        struct sk_str object;
        char first = sk_json_peek(&d->j);
        if (!sk_json_skip(&d->j, &object)) {
            const char *at = d->j.p < d->j.end ? d->j.p + 1 : d->j.p;
            return fail_at(d, at,
                           first == '{' || first == '['
                               ? "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: "
                                 "readObjectStart: value is not well-formed"
                               : "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Skip: do "
                                 "not know how to skip");
        }
        struct sk_json inner = {object.ptr, object.ptr + object.len};
        const char *why = stream_read(d, &inner);
        if (why == NO_MEMORY)
            return limit_fail(d);
        if (why != NULL)
            return fail_stream(d, d->j.p, why);
        if (!sk_json_more(&d->j, ']', &more))
            return fail_at(d, d->j.p,
                           "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: decode "
                           "slice: expect ] in the end");
    }
    return SK_OK;
}

/* The outermost object; `streams` reads the member of that name. */
static enum sk_err body_read(struct decoder *d, enum sk_err (*streams)(struct decoder *d))
{
    bool more;
    char c = sk_json_peek(&d->j);
    if (c == 'n' && sk_json_skip(&d->j, NULL))
        return SK_OK;
    if (!sk_json_enter(&d->j, '{', &more)) {
        if (d->j.end == d->begin)
            return sk_error_set(d->reterr, SK_EPARSE, "EOF");
        return sk_wire_fail_found(d->reterr,
                                  (struct sk_str){d->begin, (size_t)(d->j.end - d->begin)}, d->j.p,
                                  "readObjectStart: expect { or n");
    }
    for (more = !more; more;) {
        struct sk_json_text key;
        enum sk_err err = SK_OK;
        if (!sk_json_key(&d->j, &key))
            return fail_at(d, d->j.p, "ReadObject: expect a key in double quotes and a colon");
        if (sk_str_is(key.raw, "streams"))
            err = streams(d);
        else if (!sk_json_skip(&d->j, NULL))
            err = fail_at(d, d->j.p, "Skip: value is not well-formed");
        if (err != SK_OK)
            return err;
        if (!sk_json_more(&d->j, '}', &more)) {
            if (d->j.p >= d->j.end)
                return fail_at(d, d->j.p,
                               "loghttp.PushRequest.ReadObject: unexpected end of input");
            return fail_at(d, d->j.p, "loghttp.PushRequest.ReadObject: expect , or }");
        }
    }
    return SK_OK;
}

enum sk_err sk_push_decode_json(struct sk_push *push, struct sk_str body, struct sk_error *reterr)
{
    struct decoder d = {
        .push = push, .j = {body.ptr, body.ptr + body.len}, .begin = body.ptr, .reterr = reterr};
    return body_read(&d, streams_read);
}

/* ---- /api/prom/push ---- */

static enum sk_err legacy_entry(struct decoder *d)
{
    bool more;
    int64_t ts_ns = INT64_MIN;
    struct sk_str line = {"", 0};
    if (!sk_json_enter(&d->j, '{', &more))
        return fail_at(d, d->j.p, "logproto.EntryAdapter: expect {");
    for (more = !more; more;) {
        struct sk_json_text key, value;
        struct sk_str text;
        if (!sk_json_key(&d->j, &key))
            return fail_at(d, d->j.p, "logproto.EntryAdapter: expect a key");
        bool ts = sk_str_is(key.raw, "ts") || sk_str_is(key.raw, "timestamp");
        if (ts || sk_str_is(key.raw, "line")) {
            if (!sk_json_string_scan(&d->j, &value) ||
                !sk_json_text_get(&d->push->arena, value, &text))
                return fail_at(d, d->j.p, "logproto.EntryAdapter: expect a string");
            if (!ts)
                line = text;
            else if (sk_rfc3339_parse(text, &ts_ns) != SK_OK)
                return fail_at(d, d->j.p, "logproto.EntryAdapter: ts is not an RFC 3339 time");
        } else if (!sk_json_skip(&d->j, NULL)) {
            return fail_at(d, d->j.p, "logproto.EntryAdapter: value is not well-formed");
        }
        if (!sk_json_more(&d->j, '}', &more))
            return fail_at(d, d->j.p, "logproto.EntryAdapter: expect , or }");
    }
    return sk_push_add_entry(d->push, ts_ns, line) == SK_OK ? SK_OK : limit_fail(d);
}

static enum sk_err legacy_stream(struct decoder *d)
{
    bool more, more_entries;
    if (sk_push_add_stream(d->push, (struct sk_str){"", 0}) != SK_OK)
        return limit_fail(d);
    size_t idx = d->push->stream_count - 1;
    if (!sk_json_enter(&d->j, '{', &more))
        return fail_at(d, d->j.p, "logproto.StreamAdapter: expect {");
    for (more = !more; more;) {
        struct sk_json_text key, value;
        if (!sk_json_key(&d->j, &key))
            return fail_at(d, d->j.p, "logproto.StreamAdapter: expect a key");
        if (sk_str_is(key.raw, "labels")) {
            if (!sk_json_string_scan(&d->j, &value) ||
                !sk_json_text_get(&d->push->arena, value, &d->push->streams[idx].labels))
                return fail_at(d, d->j.p, "logproto.StreamAdapter: labels must be a string");
        } else if (sk_str_is(key.raw, "entries") && sk_json_peek(&d->j) == '[') {
            (void)sk_json_enter(&d->j, '[', &more_entries);
            for (more_entries = !more_entries; more_entries;) {
                enum sk_err err = legacy_entry(d);
                if (err != SK_OK)
                    return err;
                if (!sk_json_more(&d->j, ']', &more_entries))
                    return fail_at(d, d->j.p, "logproto.StreamAdapter: expect , or ]");
            }
        } else if (!sk_json_skip(&d->j, NULL)) {
            return fail_at(d, d->j.p, "logproto.StreamAdapter: value is not well-formed");
        }
        if (!sk_json_more(&d->j, '}', &more))
            return fail_at(d, d->j.p, "logproto.StreamAdapter: expect , or }");
    }
    return SK_OK;
}

static enum sk_err legacy_streams(struct decoder *d)
{
    bool more;
    if (sk_json_peek(&d->j) == 'n')
        return sk_json_skip(&d->j, NULL) ? SK_OK : fail_at(d, d->j.p, "ReadNil: expect null");
    if (!sk_json_enter(&d->j, '[', &more))
        return fail_at(d, d->j.p, "logproto.PushRequest.Streams: expect [");
    for (more = !more; more;) {
        enum sk_err err = legacy_stream(d);
        if (err != SK_OK)
            return err;
        if (!sk_json_more(&d->j, ']', &more))
            return fail_at(d, d->j.p, "logproto.PushRequest.Streams: expect , or ]");
    }
    return SK_OK;
}

enum sk_err sk_push_decode_json_legacy(struct sk_push *push, struct sk_str body,
                                       struct sk_error *reterr)
{
    struct decoder d = {
        .push = push, .j = {body.ptr, body.ptr + body.len}, .begin = body.ptr, .reterr = reterr};
    return body_read(&d, legacy_streams);
}
