/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.c -- the JSON is written and scanned by hand: its numbers exceed what JSON libraries
 * hold, and its texts are raw bytes that need not be UTF-8. */
#include "objstore/envelope.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/binout.h"
#include "base/utf8.h"

enum { MS_PER_S = 1000, NUMBER_BYTES_MAX = 64, ENCODING = 129, ENCODING_OLD = 128 };

/* ---- writing */

static void json_text(struct sk_strbuf *out, struct sk_str s)
{
    size_t done = 0;
    sk_strbuf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        sk_strbuf_add(out, s.ptr + done, i - done);
        done = i + 1;
        if (c == '"' || c == '\\') {
            sk_strbuf_putc(out, '\\');
            sk_strbuf_putc(out, (char)c);
        } else if (c == '\n') {
            sk_strbuf_puts(out, "\\n");
        } else if (c == '\r') {
            sk_strbuf_puts(out, "\\r");
        } else if (c == '\t') {
            sk_strbuf_puts(out, "\\t");
        } else {
            sk_strbuf_printf(out, "\\u%04x", c);
        }
    }
    sk_strbuf_add(out, s.ptr + done, s.len - done);
    sk_strbuf_putc(out, '"');
}

static void json_seconds(struct sk_strbuf *out, int64_t ms)
{
    uint64_t abs = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (ms < 0)
        sk_strbuf_putc(out, '-');
    sk_strbuf_u64(out, abs / MS_PER_S);
    if (abs % MS_PER_S != 0)
        sk_strbuf_printf(out, ".%03u", (unsigned)(abs % MS_PER_S));
}

static void json_labels(struct sk_strbuf *out, struct sk_labelset labels)
{
    struct sk_label name = {SK_STR("__name__"), SK_STR("logs")};
    bool named = false;
    for (size_t i = 0; i <= labels.count; i++) {
        bool more = i < labels.count;
        if (!named && (!more || sk_str_cmp(labels.items[i].name, name.name) >= 0)) {
            sk_strbuf_puts(out, i == 0 ? "" : ",");
            json_text(out, name.name);
            sk_strbuf_putc(out, ':');
            json_text(out, name.value);
            named = true;
            if (more && sk_str_eq(labels.items[i].name, name.name))
                continue; /* the set has it already */
        }
        if (!more)
            break;
        sk_strbuf_puts(out, i == 0 && !named ? "" : ",");
        json_text(out, labels.items[i].name);
        sk_strbuf_putc(out, ':');
        json_text(out, labels.items[i].value);
    }
}

enum sk_err sk_envelope_begin(const struct sk_envelope *envelope, struct sk_codec_ctx *ctx,
                              struct sk_strbuf *out, struct sk_envelope_mark *ret_mark)
{
    struct sk_strbuf json;
    struct sk_envelope_mark mark = {.start = out->len};
    sk_strbuf_init(&json, SK_ENVELOPE_META_BYTES_MAX);
    sk_strbuf_puts(&json, "{\"fingerprint\":");
    sk_strbuf_u64(&json, envelope->fingerprint);
    sk_strbuf_puts(&json, ",\"userID\":");
    json_text(&json, envelope->tenant);
    sk_strbuf_puts(&json, ",\"from\":");
    json_seconds(&json, envelope->from_ms);
    sk_strbuf_puts(&json, ",\"through\":");
    json_seconds(&json, envelope->through_ms);
    sk_strbuf_puts(&json, ",\"metric\":{");
    json_labels(&json, envelope->labels);
    sk_strbuf_printf(&json, "},\"encoding\":%d}\n", ENCODING);
    sk_put_be32(out, 0);
    enum sk_err err = json.failed || out->failed ? SK_ENOMEM : SK_OK;
    if (err == SK_OK)
        err = sk_codec_pack(ctx, SK_CODEC_SNAPPY,
                            (struct sk_slice){(const uint8_t *)json.ptr, json.len}, out);
    sk_strbuf_deinit(&json);
    if (err == SK_OK) {
        size_t meta_len = out->len - mark.start;
        sk_put_be32(out, 0);
        err = out->failed ? SK_ENOMEM : SK_OK;
        if (err == SK_OK)
            sk_store_be32((uint8_t *)out->ptr + mark.start, (uint32_t)meta_len);
    }
    if (err != SK_OK) {
        out->len = mark.start;
        return err;
    }
    mark.body = out->len;
    *ret_mark = mark;
    return SK_OK;
}

enum sk_err sk_envelope_end(const struct sk_envelope_mark *mark, struct sk_strbuf *out,
                            uint32_t *ret_checksum)
{
    sk_assert(out->len >= mark->body);
    if (out->failed)
        return SK_ENOMEM;
    if (out->len - mark->body > UINT32_MAX)
        return SK_ELIMIT;
    sk_store_be32((uint8_t *)out->ptr + mark->body - 4, (uint32_t)(out->len - mark->body));
    *ret_checksum = sk_crc32c_extend(0, out->ptr + mark->start, out->len - mark->start);
    return SK_OK;
}

/* ---- reading */

struct scan {
    const char *at, *end;
    struct sk_arena *arena;
    struct sk_envelope *envelope;
    struct sk_label *labels; /* grows by doubling inside the arena */
    size_t label_count, label_cap;
    unsigned seen; /* keys */
};

enum {
    SEEN_FINGERPRINT = 1,
    SEEN_TENANT = 2,
    SEEN_FROM = 4,
    SEEN_THROUGH = 8,
    SEEN_METRIC = 16,
    SEEN_ALL = 31,
};

static void blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

/* Whether the next character is `c`, which is then passed. */
static bool next_is(struct scan *s, char c)
{
    blanks(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool hex4(struct scan *s, uint32_t *ret)
{
    uint32_t v = 0;
    if (s->end - s->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *s->at++;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            v = v << 4 | (uint32_t)(c - 'A' + 10);
        else
            return false;
    }
    *ret = v;
    return true;
}

/* One escape behind its backslash; writes up to 4 bytes. */
static bool escape(struct scan *s, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (s->at == s->end)
        return false;
    char c = *s->at++;
    if (c != 'u') {
        const char *at = c == '\0' ? NULL : strchr(from, c);
        if (at == NULL)
            return false;
        *(*to)++ = into[at - from];
        return true;
    }
    uint32_t rune, low;
    if (!hex4(s, &rune))
        return false;
    if (rune >= 0xd800 && rune < 0xdc00 && s->end - s->at >= 6 && s->at[0] == '\\' &&
        s->at[1] == 'u') {
        const char *back = s->at;
        s->at += 2;
        if (!hex4(s, &low))
            return false;
        if (low >= 0xdc00 && low < 0xe000)
            rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
        else
            s->at = back; /* half a pair: becomes U+FFFD */
    }
    *to += sk_utf8_encode(*to, rune);
    return true;
}

/* A text; a copy in the arena without its escapes. */
static enum sk_err text(struct scan *s, struct sk_str *ret)
{
    if (!next_is(s, '"'))
        return SK_ECORRUPT;
    const char *start = s->at;
    while (s->at < s->end && *s->at != '"')
        s->at += *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
    if (s->at >= s->end)
        return SK_ECORRUPT;
    struct sk_str copy = sk_arena_str(s->arena, (struct sk_str){start, (size_t)(s->at - start)});
    if (copy.ptr == NULL)
        return SK_ENOMEM;
    s->at++;
    if (memchr(start, '\\', copy.len) != NULL) { /* escapes only shrink, \uXXXX to 3 bytes */
        char *base = sk_arena_alloc(s->arena, copy.len + 1);
        struct scan inner = {.at = copy.ptr, .end = copy.ptr + copy.len};
        char *to = base;
        if (base == NULL)
            return SK_ENOMEM;
        while (inner.at < inner.end) {
            char c = *inner.at++;
            if (c != '\\')
                *to++ = c;
            else if (!escape(&inner, &to))
                return SK_ECORRUPT;
        }
        copy = (struct sk_str){base, (size_t)(to - base)};
    }
    *ret = copy;
    return SK_OK;
}

static bool number(struct scan *s, struct sk_str *ret)
{
    blanks(s);
    const char *start = s->at;
    while (s->at < s->end && *s->at != '\0' && strchr("+-.0123456789eE", *s->at) != NULL)
        s->at++;
    *ret = (struct sk_str){start, (size_t)(s->at - start)};
    return ret->len > 0 && ret->len < NUMBER_BYTES_MAX;
}

/* Seconds as text to milliseconds, without a double in between unless there is an exponent. */
static bool seconds_parse(struct sk_str s, int64_t *ret)
{
    if (memchr(s.ptr, 'e', s.len) != NULL || memchr(s.ptr, 'E', s.len) != NULL) {
        char copy[NUMBER_BYTES_MAX], *end;
        memcpy(copy, s.ptr, s.len);
        copy[s.len] = '\0';
        double ms = strtod(copy, &end) * MS_PER_S;
        if (*end != '\0' || !(ms > -9e15 && ms < 9e15))
            return false;
        *ret = (int64_t)ms;
        return true;
    }
    bool minus = s.ptr[0] == '-';
    if (minus) {
        s.ptr++;
        s.len--;
    }
    size_t dot = sk_str_find(s, SK_STR("."), 0);
    struct sk_str whole = {s.ptr, dot == SIZE_MAX ? s.len : dot};
    uint64_t ms, unit = MS_PER_S;
    if (!sk_str_to_u64(whole, &ms) || ms > (uint64_t)INT64_MAX / MS_PER_S - 1)
        return false;
    ms *= MS_PER_S;
    if (dot != SIZE_MAX && dot + 1 == s.len)
        return false;
    for (size_t i = dot == SIZE_MAX ? s.len : dot + 1; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        unit /= 10; /* 0 behind the third digit: the rest is cut off */
        ms += (uint64_t)(s.ptr[i] - '0') * unit;
    }
    *ret = minus ? -(int64_t)ms : (int64_t)ms;
    return true;
}

static enum sk_err label_add(struct scan *s, struct sk_label label)
{
    if (s->label_count == SK_ENVELOPE_LABELS_MAX)
        return SK_ELIMIT;
    if (s->label_count == s->label_cap) {
        size_t cap = s->label_cap == 0 ? 16 : s->label_cap * 2;
        struct sk_label *grown = sk_arena_calloc(s->arena, cap, sizeof(*grown));
        if (grown == NULL)
            return SK_ENOMEM;
        if (s->label_count > 0)
            memcpy(grown, s->labels, s->label_count * sizeof(*grown));
        s->labels = grown;
        s->label_cap = cap;
    }
    s->labels[s->label_count++] = label;
    return SK_OK;
}

static enum sk_err metric(struct scan *s)
{
    s->label_count = 0;
    if (!next_is(s, '{'))
        return SK_ECORRUPT;
    if (next_is(s, '}'))
        return SK_OK;
    do {
        struct sk_label label;
        enum sk_err err = text(s, &label.name);
        if (err != SK_OK)
            return err;
        if (!next_is(s, ':'))
            return SK_ECORRUPT;
        err = text(s, &label.value);
        if (err == SK_OK && !sk_str_is(label.name, "__name__"))
            err = label_add(s, label);
        if (err != SK_OK)
            return err;
    } while (next_is(s, ','));
    return next_is(s, '}') ? SK_OK : SK_ECORRUPT;
}

/* Any value, under a key that means nothing to us. */
static enum sk_err skip(struct scan *s)
{
    unsigned depth = 0;
    do {
        struct sk_str ignored;
        blanks(s);
        if (s->at == s->end)
            return SK_ECORRUPT;
        char c = *s->at;
        if (c == '"') {
            enum sk_err err = text(s, &ignored);
            if (err != SK_OK)
                return err;
        } else if (c == '{' || c == '[') {
            if (++depth > SK_ENVELOPE_DEPTH_MAX)
                return SK_ELIMIT;
            s->at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return SK_ECORRUPT;
            depth--;
            s->at++;
        } else if (depth > 0 && (c == ',' || c == ':')) {
            s->at++;
        } else if (c == 't' || c == 'f' || c == 'n') {
            while (s->at < s->end && *s->at >= 'a' && *s->at <= 'z')
                s->at++;
        } else if (!number(s, &ignored)) {
            return SK_ECORRUPT;
        }
    } while (depth > 0);
    return SK_OK;
}

static enum sk_err seconds(struct scan *s, unsigned seen, int64_t *ret)
{
    struct sk_str token;
    if (!number(s, &token) || !seconds_parse(token, ret))
        return SK_ECORRUPT;
    s->seen |= seen;
    return SK_OK;
}

static enum sk_err member(struct scan *s, struct sk_str key)
{
    struct sk_envelope *e = s->envelope;
    struct sk_str token;
    if (sk_str_is(key, "fingerprint")) {
        s->seen |= SEEN_FINGERPRINT;
        return number(s, &token) && sk_str_to_u64(token, &e->fingerprint) ? SK_OK : SK_ECORRUPT;
    }
    if (sk_str_is(key, "userID")) {
        s->seen |= SEEN_TENANT;
        return text(s, &e->tenant);
    }
    if (sk_str_is(key, "from"))
        return seconds(s, SEEN_FROM, &e->from_ms);
    if (sk_str_is(key, "through"))
        return seconds(s, SEEN_THROUGH, &e->through_ms);
    if (sk_str_is(key, "metric")) {
        s->seen |= SEEN_METRIC;
        return metric(s);
    }
    if (sk_str_is(key, "encoding")) {
        uint64_t encoding;
        if (!number(s, &token) || !sk_str_to_u64(token, &encoding))
            return SK_ECORRUPT;
        return encoding == ENCODING || encoding == ENCODING_OLD ? SK_OK : SK_EUNSUPPORTED;
    }
    return skip(s);
}

static enum sk_err object(struct scan *s)
{
    if (!next_is(s, '{'))
        return SK_ECORRUPT;
    do {
        struct sk_str key;
        enum sk_err err = text(s, &key);
        if (err != SK_OK)
            return err;
        if (!next_is(s, ':'))
            return SK_ECORRUPT;
        err = member(s, key);
        if (err != SK_OK)
            return err;
    } while (next_is(s, ','));
    if (!next_is(s, '}') || s->seen != SEEN_ALL)
        return SK_ECORRUPT;
    sk_labels_sort(s->labels, s->label_count);
    for (size_t i = 1; i < s->label_count; i++) {
        if (sk_str_eq(s->labels[i - 1].name, s->labels[i].name))
            return SK_ECORRUPT;
    }
    s->envelope->labels = (struct sk_labelset){s->labels, s->label_count};
    return SK_OK;
}

/* Splits the file for a metadata section that ends at `meta_end`. */
static bool split(struct sk_slice file, uint64_t meta_end, struct sk_slice *ret_meta,
                  struct sk_slice *ret_body)
{
    struct sk_slice length;
    if (meta_end < 4 || !sk_slice_sub(file, 4, meta_end - 4, ret_meta) ||
        !sk_slice_sub(file, meta_end, 4, &length))
        return false;
    uint32_t len = sk_load_be32(length.ptr);
    return file.len - meta_end - 4 == len && sk_slice_sub(file, meta_end + 4, len, ret_body);
}

enum sk_err sk_envelope_decode(struct sk_slice file, struct sk_codec_ctx *ctx,
                               struct sk_arena *arena, struct sk_envelope *ret_envelope)
{
    struct sk_slice meta, body;
    if (file.len < 8)
        return SK_ECORRUPT;
    uint64_t meta_len = sk_load_be32(file.ptr);
    if (!split(file, meta_len, &meta, &body) && !split(file, meta_len + 4, &meta, &body))
        return SK_ECORRUPT;
    struct sk_strbuf json;
    sk_strbuf_init(&json, SK_ENVELOPE_META_BYTES_MAX + 1);
    struct sk_envelope envelope = {.body = body};
    enum sk_err err =
        sk_codec_unpack(ctx, SK_CODEC_SNAPPY, meta, SK_ENVELOPE_META_BYTES_MAX, &json);
    if (err == SK_OK) {
        struct scan s = {
            .at = json.ptr, .end = json.ptr + json.len, .arena = arena, .envelope = &envelope};
        err = object(&s);
    }
    sk_strbuf_deinit(&json);
    if (err == SK_OK)
        *ret_envelope = envelope;
    return err;
}
