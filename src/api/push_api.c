/* SPDX-License-Identifier: Apache-2.0 */
/* push_api.c -- POST /loki/api/v1/push and /api/prom/push: body forms, decompression within limits,
 * and the hand-over to the ingester. Decoding buffers are kept between requests, a few of them. */
#include <stdio.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/budget.h"
#include "base/limits.h"
#include "codec/codec.h"
#include "wire/push.h"

enum { SCRATCH_KEEP_BYTES = 8 << 20 };

struct scratch *scratch_take(struct sk_api *api)
{
    pthread_mutex_lock(&api->scratch_lock);
    struct scratch *s = api->scratch;
    if (s != NULL)
        api->scratch = s->next;
    pthread_mutex_unlock(&api->scratch_lock);
    if (s != NULL)
        return s;
    s = sk_calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    sk_push_init(&s->push, 1u << 30, api->opt.body_budget);
    sk_strbuf_init(&s->inflated, SIZE_MAX / 2);
    sk_strbuf_init(&s->body, SIZE_MAX / 2);
    if (sk_codec_ctx_create(&s->codec) != SK_OK) {
        sk_free(s);
        return NULL;
    }
    return s;
}

static void scratch_drop(struct scratch *s)
{
    sk_push_deinit(&s->push);
    sk_strbuf_deinit(&s->inflated);
    sk_strbuf_deinit(&s->body);
    sk_codec_ctx_destroy(s->codec);
    sk_free(s);
}

void scratch_give(struct sk_api *api, struct scratch *s)
{
    if (s->charged > 0)
        sk_budget_release(api->opt.body_budget, s->charged);
    s->charged = 0;
    if (s->inflated.cap + s->body.cap + s->push.entry_cap * sizeof(*s->push.entries) +
            s->push.pair_cap * sizeof(*s->push.pairs) + s->push.arena.held_bytes >
        SCRATCH_KEEP_BYTES) {
        scratch_drop(s);
        return;
    }
    sk_push_reset(&s->push);
    pthread_mutex_lock(&api->scratch_lock);
    s->next = api->scratch;
    api->scratch = s;
    pthread_mutex_unlock(&api->scratch_lock);
}

void push_scratch_free(struct sk_api *api)
{
    while (api->scratch != NULL) {
        struct scratch *s = api->scratch;
        api->scratch = s->next;
        scratch_drop(s);
    }
}

/* ---- body ---- */

uint64_t push_unpack_max(const struct sk_api *api)
{
    uint64_t max = api->config->max_decompressed_size;
    if (max > SK_PUSH_UNPACKED_BYTES_MAX)
        max = SK_PUSH_UNPACKED_BYTES_MAX;
    uint64_t half = api->opt.body_budget == NULL ? max : api->opt.body_budget->limit_bytes / 2;
    return half > 0 && half < max ? half : max;
}

enum sk_err push_unpack(struct sk_api *api, struct scratch *s, const enum sk_codec *codec,
                        struct sk_slice body, struct sk_strbuf *ret)
{
    uint64_t max = push_unpack_max(api);
    uint64_t limit = max < SK_PUSH_UNPACKED_BYTES_FREE ? max : SK_PUSH_UNPACKED_BYTES_FREE;
    for (;;) {
        sk_strbuf_reset(ret);
        enum sk_err err = codec == NULL ? sk_snappy_block_unpack(body, limit, ret)
                                        : sk_codec_unpack(s->codec, *codec, body, limit, ret);
        if (err != SK_ELIMIT || limit == max)
            return err;
        if (api->opt.body_budget != NULL) {
            if (!sk_budget_charge(api->opt.body_budget, max))
                return SK_ENOMEM;
            s->charged += max;
        }
        limit = max;
    }
}

static enum sk_err too_large(struct call *call, uint64_t max, struct sk_error *reterr)
{
    call->resp.status = 413;
    return sk_error_set(
        reterr, SK_ELIMIT,
        "request body too large: message size too large than max (decompressed vs %llu)",
        (unsigned long long)max);
}

/* Takes Content-Encoding off. */
static enum sk_err body_inflate(struct call *call, struct scratch *s, struct sk_slice *ret,
                                struct sk_error *reterr)
{
    struct sk_str enc = sk_http_header_get(call->req, "Content-Encoding");
    struct sk_slice body = {(const uint8_t *)call->req->body.ptr, call->req->body.len};
    bool gzip = sk_str_is(enc, "gzip"), deflate = sk_str_is(enc, "deflate");
    *ret = body;
    if (enc.len == 0 || sk_str_is(enc, "snappy"))
        return SK_OK;
    if (!gzip && !deflate)
        return sk_error_set(reterr, SK_EPARSE, "Content-Encoding \"%.*s\" not supported",
                            SK_STR_ARG(enc));
    if (body.len == 0)
        return sk_error_set(reterr, SK_EPARSE, "EOF");
    if (gzip && (body.len < 2 || body.ptr[0] != 0x1f || body.ptr[1] != 0x8b))
        return sk_error_set(reterr, SK_EPARSE, "gzip: invalid header");
    enum sk_codec codec = gzip ? SK_CODEC_GZIP : SK_CODEC_FLATE;
    enum sk_err err = push_unpack(call->api, s, &codec, body, &s->inflated);
    if (err == SK_ELIMIT)
        return too_large(call, push_unpack_max(call->api), reterr);
    if (err != SK_OK)
        return sk_error_set(reterr, err,
                            err == SK_ENOMEM ? "not enough memory for this body" : "EOF");
    *ret = (struct sk_slice){(const uint8_t *)s->inflated.ptr, s->inflated.len};
    return SK_OK;
}

static bool token_char(char c)
{
    return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* `; name=value` any number of times; a value may be quoted. */
static bool media_params_ok(struct sk_str p)
{
    for (;;) {
        p = sk_str_trim(p);
        if (p.len == 0)
            return true;
        if (p.ptr[0] != ';')
            return false;
        p = sk_str_trim((struct sk_str){p.ptr + 1, p.len - 1});
        if (p.len == 0)
            return true; /* a lone semicolon at the end is tolerated */
        size_t n = 0, v;
        while (n < p.len && token_char(p.ptr[n]))
            n++;
        if (n == 0 || n >= p.len || p.ptr[n] != '=')
            return false;
        v = ++n;
        if (n < p.len && p.ptr[n] == '"') {
            size_t close = sk_str_find(p, SK_STR("\""), n + 1);
            if (close == SIZE_MAX)
                return false;
            n = close + 1;
        } else {
            while (n < p.len && token_char(p.ptr[n]))
                n++;
        }
        if (n == v)
            return false;
        p = (struct sk_str){p.ptr + n, p.len - n};
    }
}

/* Only the media type counts; *ret_json: application/json. */
static enum sk_err media_type(const struct sk_http_req *req, bool *ret_json,
                              struct sk_error *reterr)
{
    struct sk_str type = sk_http_header_get(req, "Content-Type");
    size_t semi = sk_str_find(type, SK_STR(";"), 0);
    struct sk_str params = {"", 0};
    if (semi != SIZE_MAX) {
        params = (struct sk_str){type.ptr + semi, type.len - semi};
        type.len = semi;
    }
    type = sk_str_trim(type);
    if (!media_params_ok(params))
        return sk_error_set(reterr, SK_EPARSE, "mime: invalid media parameter");
    if (type.len == 0)
        return sk_error_set(reterr, SK_EPARSE, "mime: no media type");
    *ret_json = sk_str_eq_nocase(type, SK_STR("application/json"));
    return SK_OK;
}

static enum sk_err body_decode(struct call *call, struct scratch *s, bool legacy,
                               struct sk_error *reterr)
{
    bool json;
    struct sk_slice body;
    enum sk_err err = media_type(call->req, &json, reterr);
    if (err == SK_OK)
        err = body_inflate(call, s, &body, reterr);
    if (err != SK_OK)
        return err;
    if (json)
        return legacy ? sk_push_decode_json_legacy(&s->push, sk_str_of_slice(body), reterr)
                      : sk_push_decode_json(&s->push, sk_str_of_slice(body), reterr);
    err = push_unpack(call->api, s, NULL, body, &s->body);
    if (err == SK_ELIMIT)
        return too_large(call, push_unpack_max(call->api), reterr);
    if (err == SK_ENOMEM)
        return sk_error_set(reterr, err, "not enough memory for this body");
    if (err != SK_OK)
        return sk_error_set(reterr, SK_EPARSE, "snappy: corrupt input");
    return sk_push_decode_proto(
        &s->push, (struct sk_slice){(const uint8_t *)s->body.ptr, s->body.len}, reterr);
}

/* ---- answer ---- */

void push_retry_header(struct call *call, int status)
{
    if (status == 429)
        call->resp.headers = SK_STR("Retry-After: 1\r\n");
    else if (status == 503)
        call->resp.headers = SK_STR("Retry-After: 5\r\n");
}

/* Any thread: everything accepted is durable. */
static void push_done(struct sk_pushop *op)
{
    struct call *call = op->user;
    call->resp.status = op->status;
    if (op->status != 204) {
        call->resp.content_type = "text/plain; charset=utf-8";
        sk_strbuf_deinit(&call->resp.body);
        call->resp.body = op->text;
        op->text = (struct sk_strbuf){0};
    }
    push_retry_header(call, op->status);
    sk_pushop_deinit(op);
    sk_free(op);
    call_finish(call);
}

void push_submit(struct call *call, struct scratch *s, struct sk_pushop *op, const char *format,
                 void (*done)(struct sk_pushop *op))
{
    struct sk_api *api = call->api;
    sk_pushop_init(op);
    op->tenant = call->tenant;
    op->format = format;
    op->done = done;
    op->user = call;
    sk_ingester_push(api->opt.ingester, op, &s->push); /* the call may be gone behind this line */
    scratch_give(api, s);
}

static void push_run(struct call *call, bool legacy)
{
    struct sk_error detail = {.text = ""};
    struct sk_api *api = call->api;
    struct scratch *s = scratch_take(api);
    struct sk_pushop *op = sk_malloc(sizeof(*op));
    enum sk_err err = s == NULL || op == NULL
                          ? sk_error_set(&detail, SK_ENOMEM, "not enough memory, try again")
                          : body_decode(call, s, legacy, &detail);
    if (err != SK_OK) {
        int status = call->resp.status != 0 ? call->resp.status : err == SK_ENOMEM ? 503 : 400;
        answer_text(call, status, "", false);
        sk_strbuf_add(&call->resp.body, detail.text, detail.len);
        sk_strbuf_putc(&call->resp.body, '\n');
        if (s != NULL)
            scratch_give(api, s);
        sk_free(op);
        call_finish(call);
        return;
    }
    push_submit(call, s, op, "loki", push_done);
}

void push_work(struct call *call)
{
    push_run(call, false);
}

/* The `stream`/`values` form is accepted here too, as a push without entries; protobuf as usual. */
void push_legacy_work(struct call *call)
{
    push_run(call, true);
}
