/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_api.c -- POST /otlp/v1/logs: exports of OpenTelemetry clients. Errors are
 * google.rpc.Status messages in protobuf, for JSON requests too; 500 goes out as 503, since
 * exporters drop a batch for good on 500. Success is 204, as Loki answers. */
#include <stdio.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/varint.h"
#include "codec/codec.h"
#include "wire/otlp.h"

/* Status{2 message}; a newline at the end of `text` is left out. */
static void answer_status(struct call *call, int status, struct sk_str text)
{
    struct sk_strbuf *out = &call->resp.body;
    uint8_t len[SK_VARINT_BYTES_MAX];
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    sk_strbuf_reset(out);
    sk_strbuf_putc(out, 0x12);
    sk_strbuf_add(out, len, sk_uvar_encode(len, text.len));
    sk_strbuf_str(out, text);
    call->resp.status = status == 500 ? 503 : status;
    call->resp.content_type = "application/octet-stream";
    push_retry_header(call, call->resp.status);
}

static const char *unpack_fault(enum sk_codec codec)
{
    if (codec == SK_CODEC_GZIP)
        return "gzip: invalid header";
    return codec == SK_CODEC_ZSTD ? "invalid input: magic number mismatch"
                                  : "lz4: bad magic number";
}

/* Takes Content-Encoding off. */
static enum sk_err body_unpack(struct call *call, struct scratch *s, struct sk_slice *ret,
                               struct sk_error *reterr)
{
    struct sk_str enc = sk_http_header_get(call->req, "Content-Encoding");
    struct sk_slice body = {(const uint8_t *)call->req->body.ptr, call->req->body.len};
    uint64_t max = push_unpack_max(call->api);
    enum sk_codec codec;
    if (enc.len == 0) {
        *ret = body;
        return SK_OK;
    }
    if (sk_str_is(enc, "gzip"))
        codec = SK_CODEC_GZIP;
    else if (sk_str_is(enc, "zstd"))
        codec = SK_CODEC_ZSTD;
    else if (sk_str_is(enc, "lz4"))
        codec = SK_CODEC_LZ4_4M; /* any frame */
    else
        return sk_error_set(
            reterr, SK_EPARSE,
            "unsupported content encoding %.*s: only gzip, lz4 and zstd are supported",
            SK_STR_ARG(enc));
    if (body.len == 0)
        return sk_error_set(reterr, SK_EPARSE, "EOF");
    enum sk_err err = push_unpack(call->api, s, &codec, body, &s->inflated);
    if (err == SK_ELIMIT)
        return sk_error_set(reterr, SK_EPARSE,
                            "decompressed message size too large than max (%llu vs %llu)",
                            (unsigned long long)max + 1, (unsigned long long)max);
    if (err == SK_ENOMEM)
        return sk_error_set(reterr, err, "not enough memory for this body");
    if (err != SK_OK)
        return sk_error_set(reterr, SK_EPARSE, "%s", unpack_fault(codec));
    *ret = (struct sk_slice){(const uint8_t *)s->inflated.ptr, s->inflated.len};
    return SK_OK;
}

static enum sk_err body_decode(struct call *call, struct scratch *s, struct sk_error *reterr)
{
    struct sk_str type = sk_http_header_get(call->req, "Content-Type");
    const struct sk_limits *limits = call_limits(call);
    struct sk_str_list defaults = call->api->config->otlp_label_attributes;
    struct sk_otlp_rules rules = {
        .label_attributes = defaults.items,
        .label_attribute_count = limits->otlp.ignore_defaults ? 0 : defaults.count,
        .resource = limits->otlp.resource_rules,
        .scope = limits->otlp.scope_rules,
        .record = limits->otlp.log_rules,
        .severity_text_as_label = limits->otlp.severity_text_as_label,
        .discover_service_name = limits->discover_service_name.items,
        .discover_service_name_count = limits->discover_service_name.count,
    };
    struct sk_slice body;
    enum sk_err err = body_unpack(call, s, &body, reterr);
    if (err != SK_OK)
        return err;
    if (sk_str_is(type, "application/x-protobuf"))
        return sk_push_decode_otlp_proto(&s->push, body, &rules, sk_clock_now_ns(), reterr);
    if (sk_str_is(type, "application/json"))
        return sk_push_decode_otlp_json(&s->push, body, &rules, sk_clock_now_ns(), reterr);
    return sk_error_set(reterr, SK_EPARSE, "content type: %.*s is not supported", SK_STR_ARG(type));
}

/* Any thread: everything accepted is durable. */
static void otlp_done(struct sk_pushop *op)
{
    struct call *call = op->user;
    call->resp.status = op->status;
    if (op->status != 204)
        answer_status(call, op->status, sk_strbuf_view(&op->text));
    sk_pushop_deinit(op);
    sk_free(op);
    call_finish(call);
}

void otlp_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct sk_api *api = call->api;
    struct scratch *s = scratch_take(api);
    struct sk_pushop *op = sk_malloc(sizeof(*op));
    enum sk_err err = s == NULL || op == NULL
                          ? sk_error_set(&detail, SK_ENOMEM, "not enough memory, try again")
                          : body_decode(call, s, &detail);
    if (err != SK_OK) {
        answer_status(call, err == SK_ENOMEM ? 503 : 400, (struct sk_str){detail.text, detail.len});
        if (s != NULL)
            scratch_give(api, s);
        sk_free(op);
        call_finish(call);
        return;
    }
    push_submit(call, s, op, "otlp", otlp_done);
}
