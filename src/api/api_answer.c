/* SPDX-License-Identifier: Apache-2.0 */
/* api_answer.c -- answers on their way from a worker to the loop: whole ones, and ones in pieces. */
#include "api/api_int.h"
#include "base/alloc.h"
#include "codec/codec.h"

enum { GZIP_BYTES_MIN = 1400 };

struct pieces {
    void (*produce)(struct call *call, struct sk_strbuf *out, bool *last);
    void (*dispose)(struct call *call);
    struct sk_strbuf piece;
    bool last, first;
};

static void call_answer(struct sk_loopmsg *msg)
{
    struct call *call = SK_CONTAINER_OF(msg, struct call, msg);
    call->req->user = NULL;
    sk_http_respond(call->req, &call->resp);
}

void call_finish(struct call *call)
{
    call->msg.fn = call_answer;
    sk_loopq_post(call->api->opt.loopq, &call->msg);
}

void answer_text(struct call *call, int status, const char *text, bool newline)
{
    call->resp.status = status;
    call->resp.content_type = "text/plain; charset=utf-8";
    sk_strbuf_puts(&call->resp.body, text);
    if (newline)
        sk_strbuf_putc(&call->resp.body, '\n');
}

void answer_json(struct call *call, struct sk_strbuf *body)
{
    call->resp.status = 200;
    call->resp.content_type = "application/json; charset=UTF-8";
    sk_strbuf_deinit(&call->resp.body);
    call->resp.body = *body;
    *body = (struct sk_strbuf){0};
}

void answer_error(struct call *call, enum sk_err err, const char *text)
{
    int status = 500;
    switch (err) {
    case SK_OK:
    case SK_EIO:
    case SK_ENOSPC:
    case SK_ENOENT:
    case SK_EEXIST:
    case SK_ECORRUPT:
    case SK_ECLOSED:
    case SK_EACCES:
        break;
    case SK_EINVAL:
    case SK_EPARSE:
    case SK_ELIMIT:
    case SK_ENOMEM:
        status = 400;
        break;
    case SK_EUNSUPPORTED:
        status = 501;
        break;
    case SK_EFULL:
        status = 429;
        break;
    case SK_ECANCELED:
        status = 499;
        break;
    case SK_ETIMEDOUT:
        status = 504;
        break;
    }
    answer_text(call, status, text, false);
}

/* Whole answers of some size are compressed when the client asks for it. */
static void body_compress(struct call *call)
{
    struct sk_codec_ctx *codec;
    struct sk_strbuf packed;
    struct sk_str accept = sk_http_header_get(call->req, "Accept-Encoding");
    if (call->resp.body.len < GZIP_BYTES_MIN ||
        sk_str_find(accept, SK_STR("gzip"), 0) == SIZE_MAX || sk_codec_ctx_create(&codec) != SK_OK)
        return;
    sk_strbuf_init(&packed, SIZE_MAX / 2);
    struct sk_slice raw = {(const uint8_t *)call->resp.body.ptr, call->resp.body.len};
    if (sk_codec_pack(codec, SK_CODEC_GZIP, raw, &packed) == SK_OK) {
        sk_strbuf_deinit(&call->resp.body);
        call->resp.body = packed;
        call->resp.headers = SK_STR("Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n");
    } else {
        sk_strbuf_deinit(&packed);
    }
    sk_codec_ctx_destroy(codec);
}

/* ---- in pieces ---- */

static void piece_send(struct sk_loopmsg *msg)
{
    struct call *call = SK_CONTAINER_OF(msg, struct call, msg);
    struct pieces *p = call->pieces;
    struct sk_http_req *req = call->req;
    struct sk_strbuf piece = p->piece;
    bool last = p->last;
    if (last) { /* the call goes with the request */
        p->dispose(call);
        req->user = NULL;
        sk_free(p);
    } else {
        p->piece = (struct sk_strbuf){0};
    }
    sk_http_stream_write(req, &piece, last);
}

static void piece_make(struct sk_job *job)
{
    struct call *call = SK_CONTAINER_OF(job, struct call, job);
    struct pieces *p = call->pieces;
    sk_strbuf_init(&p->piece, SIZE_MAX / 2);
    if (atomic_load(&call->stop))
        p->last = true;
    else
        p->produce(call, &p->piece, &p->last);
    call->msg.fn = piece_send;
    sk_loopq_post(call->api->opt.loopq, &call->msg);
}

static void piece_pull(struct sk_http_req *req)
{
    struct call *call = req->user;
    struct pieces *p = call->pieces;
    if (p->first) { /* it was made to see whether the answer fits into one */
        p->first = false;
        piece_send(&call->msg);
        return;
    }
    call->job.run = piece_make;
    sk_workpool_submit_forced(call->api->opt.pool, SK_WORK_QUERY, &call->job);
}

static void pieces_begin(struct sk_loopmsg *msg)
{
    struct call *call = SK_CONTAINER_OF(msg, struct call, msg);
    sk_http_stream_begin(call->req, &call->resp, piece_pull);
}

void answer_pieces(struct call *call, const char *content_type,
                   void (*produce)(struct call *call, struct sk_strbuf *out, bool *last),
                   void (*dispose)(struct call *call))
{
    struct pieces p = {.produce = produce, .dispose = dispose, .first = true};
    call->resp.status = 200;
    call->resp.content_type = content_type;
    sk_strbuf_init(&p.piece, SIZE_MAX / 2);
    produce(call, &p.piece, &p.last);
    if (p.last) {
        sk_strbuf_deinit(&call->resp.body);
        call->resp.body = p.piece;
        dispose(call);
        body_compress(call);
        call_finish(call);
        return;
    }
    struct pieces *kept = sk_malloc(sizeof(*kept));
    if (kept == NULL) {
        sk_strbuf_deinit(&p.piece);
        dispose(call);
        answer_text(call, 503, "not enough memory for this answer", false);
        call_finish(call);
        return;
    }
    *kept = p;
    call->pieces = kept;
    call->msg.fn = pieces_begin;
    sk_loopq_post(call->api->opt.loopq, &call->msg);
}
