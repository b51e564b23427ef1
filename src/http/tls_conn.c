/* SPDX-License-Identifier: Apache-2.0 */
/* tls_conn.c -- TLS between the socket and the connection of conn.c.
 *
 *   bytes of the socket -> sk_tls_feed -> OpenSSL -> sk_http_conn_input        (plain)
 *   sk_tls_write        -> OpenSSL -> t->out -> uv_write                       (records)
 *
 * OpenSSL sees two ends of our own: `in` is the piece of the socket's bytes that is being fed,
 * `out` gathers records until records_send() hands them to libuv, which keeps their order.
 *
 * Invariants: (1) `in` is empty outside sk_tls_feed; (2) of an answer one slice of SLICE_BYTES is
 * on its way at a time, and its end is told once; (3) records in flight, strays (handshake, alerts,
 * new keys) with them, are about FLYING_BYTES_MAX, or the connection goes; (4) after OpenSSL has
 * failed (`broken`) it is not asked again. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/http_int.h"

enum {
    SLICE_BYTES = 64 * 1024,
    OUT_BYTES_MAX = 4 * SLICE_BYTES,
    FLYING_BYTES_MAX = 3 * SLICE_BYTES,
    SESSION_BYTES = 16 * 1024, /* charged for each connection: what an idle one was seen to hold */
    RECORD_HEAD_BYTES = 5,
    WRITE_BUFS_MAX = 3,
};

struct sk_tls_conn {
    SSL *ssl;
    const char *in;
    size_t in_len;
    struct sk_strbuf out;
    size_t flying_bytes; /* given to libuv, not yet written */
    char head[RECORD_HEAD_BYTES];
    size_t head_len;
    bool open; /* the handshake is done */
    bool broken;
    /* the answer that is being written */
    uv_buf_t bufs[WRITE_BUFS_MAX];
    unsigned buf_count, buf_at;
    size_t buf_off;
    uv_write_cb done; /* NULL: none */
    /* who the client's certificate says it is */
    struct sk_str names[SK_HTTP_CERT_NAMES_MAX];
    size_t name_count;
};

struct records {
    uv_write_t req;
    struct sk_http_conn *conn;
    struct sk_strbuf bytes;
    bool of_answer;
};

/* ---- OpenSSL's view of the socket ---- */

static int end_read(BIO *bio, char *buf, int len)
{
    struct sk_tls_conn *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = (size_t)len < t->in_len ? (size_t)len : t->in_len;
    memcpy(buf, t->in, n);
    t->in += n;
    t->in_len -= n;
    return (int)n;
}

static int end_write(BIO *bio, const char *data, int len)
{
    struct sk_tls_conn *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    sk_strbuf_add(&t->out, data, (size_t)len);
    return t->out.failed ? -1 : len;
}

static long end_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static int end_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static const BIO_METHOD *end_method(void)
{
    static BIO_METHOD *method; /* the loop's thread makes it once, for ever */
    if (method != NULL)
        return method;
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "skald");
    if (m == NULL || BIO_meth_set_read(m, end_read) != 1 || BIO_meth_set_write(m, end_write) != 1 ||
        BIO_meth_set_ctrl(m, end_ctrl) != 1 || BIO_meth_set_create(m, end_create) != 1) {
        BIO_meth_free(m);
        return NULL;
    }
    method = m;
    return method;
}

bool sk_tls_conn_create(struct sk_http_conn *conn)
{
    if (!sk_budget_charge(conn->server->opt.budget, SESSION_BYTES))
        return false;
    struct sk_tls_conn *t = sk_calloc(1, sizeof(*t));
    SSL *ssl = t == NULL ? NULL : sk_tls_session(conn->server->opt.tls);
    BIO *end = ssl == NULL || end_method() == NULL ? NULL : BIO_new(end_method());
    if (end == NULL) {
        SSL_free(ssl);
        sk_free(t);
        sk_budget_release(conn->server->opt.budget, SESSION_BYTES);
        return false;
    }
    BIO_set_data(end, t);
    SSL_set_bio(ssl, end, end); /* takes the reference, once for both */
    SSL_set_accept_state(ssl);
    sk_strbuf_init(&t->out, OUT_BYTES_MAX);
    t->ssl = ssl;
    conn->tls = t;
    return true;
}

void sk_tls_conn_free(struct sk_http_conn *conn)
{
    struct sk_tls_conn *t = conn->tls;
    if (t == NULL)
        return;
    sk_assert(t->flying_bytes == 0);
    for (size_t i = 0; i < t->name_count; i++)
        sk_free((char *)(uintptr_t)t->names[i].ptr);
    SSL_free(t->ssl);
    sk_strbuf_deinit(&t->out);
    sk_free(t);
    sk_budget_release(conn->server->opt.budget, SESSION_BYTES);
    conn->tls = NULL;
}

bool sk_tls_conn_open(const struct sk_http_conn *conn)
{
    return conn->tls == NULL || conn->tls->open;
}

/* ---- writing ---- */

static void answer_go_on(struct sk_http_conn *conn);

static void answer_end(struct sk_http_conn *conn, int status)
{
    uv_write_cb done = conn->tls->done;
    conn->tls->done = NULL;
    done(&conn->write_req, status);
}

static void records_sent(uv_write_t *req, int status)
{
    struct records *r = SK_CONTAINER_OF(req, struct records, req);
    struct sk_http_conn *conn = r->conn;
    bool of_answer = r->of_answer;
    conn->tls->flying_bytes -= r->bytes.len;
    sk_strbuf_deinit(&r->bytes);
    sk_free(r);
    if (!of_answer)
        return;
    if (status != 0)
        answer_end(conn, status);
    else
        answer_go_on(conn);
}

/* What OpenSSL has written goes to the socket. 0 or an error of libuv. */
static int records_send(struct sk_http_conn *conn, bool of_answer)
{
    struct sk_tls_conn *t = conn->tls;
    if (t->out.failed)
        return UV_ENOMEM;
    if (t->out.len == 0)
        return of_answer ? UV_EPROTO : 0;
    struct records *r = sk_calloc(1, sizeof(*r));
    if (r == NULL)
        return UV_ENOMEM;
    *r = (struct records){.conn = conn, .bytes = t->out, .of_answer = of_answer};
    sk_strbuf_init(&t->out, OUT_BYTES_MAX);
    uv_buf_t buf = uv_buf_init(r->bytes.ptr, (unsigned)r->bytes.len);
    int rc = uv_write(&r->req, (uv_stream_t *)&conn->tcp, &buf, 1, records_sent);
    if (rc != 0) {
        sk_strbuf_deinit(&r->bytes);
        sk_free(r);
        return rc;
    }
    t->flying_bytes += r->bytes.len;
    return 0;
}

/* Records that belong to no answer; closes the connection of a client that does not take them. */
static void strays_send(struct sk_http_conn *conn)
{
    struct sk_tls_conn *t = conn->tls;
    if (conn->state != CONN_CLOSING &&
        (t->flying_bytes > FLYING_BYTES_MAX || records_send(conn, false) != 0))
        sk_http_conn_close(conn);
}

/* Encrypts the next slice; false: OpenSSL fails. */
static bool slice_encrypt(struct sk_tls_conn *t)
{
    size_t room = SLICE_BYTES;
    ERR_clear_error();
    while (t->buf_at < t->buf_count && room > 0) {
        const uv_buf_t *b = &t->bufs[t->buf_at];
        size_t n = b->len - t->buf_off < room ? b->len - t->buf_off : room;
        if (n > 0 && SSL_write(t->ssl, b->base + t->buf_off, (int)n) != (int)n)
            return false;
        t->buf_off += n;
        room -= n;
        if (t->buf_off == b->len) {
            t->buf_at++;
            t->buf_off = 0;
        }
    }
    return true;
}

static void answer_go_on(struct sk_http_conn *conn)
{
    struct sk_tls_conn *t = conn->tls;
    if (t->buf_at == t->buf_count) {
        answer_end(conn, 0);
        return;
    }
    int rc = t->broken || !slice_encrypt(t) ? UV_EPROTO : records_send(conn, true);
    if (rc != 0)
        answer_end(conn, rc);
}

int sk_tls_write(struct sk_http_conn *conn, const uv_buf_t *bufs, unsigned count, uv_write_cb done)
{
    struct sk_tls_conn *t = conn->tls;
    sk_assert(count <= WRITE_BUFS_MAX && t->done == NULL && t->open);
    t->buf_count = 0;
    for (unsigned i = 0; i < count; i++)
        if (bufs[i].len > 0)
            t->bufs[t->buf_count++] = bufs[i];
    t->buf_at = 0;
    t->buf_off = 0;
    if (t->broken || !slice_encrypt(t))
        return UV_EPROTO;
    int rc = records_send(conn, true);
    if (rc == 0)
        t->done = done;
    return rc;
}

void sk_tls_write_now(struct sk_http_conn *conn, const char *data, size_t len)
{
    ERR_clear_error();
    if (SSL_write(conn->tls->ssl, data, (int)len) == (int)len)
        strays_send(conn);
}

void sk_tls_bye(struct sk_http_conn *conn, bool at_once)
{
    struct sk_tls_conn *t = conn->tls;
    if (t == NULL || !t->open || t->broken)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl); /* the client's side of it is not waited for */
    ERR_clear_error();
    if (!at_once) {
        strays_send(conn);
    } else if (!t->out.failed && t->out.len > 0) {
        uv_buf_t buf = uv_buf_init(t->out.ptr, (unsigned)t->out.len);
        (void)uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1); /* a courtesy */
    }
}

/* ---- the handshake ---- */

static void name_add(struct sk_tls_conn *t, const unsigned char *text, int len)
{
    if (text == NULL || len <= 0 || len > SK_HTTP_CERT_NAME_BYTES_MAX ||
        t->name_count == SK_COUNT_OF(t->names))
        return;
    for (int i = 0; i < len; i++) {
        if (text[i] < 0x20 || text[i] == 0x7f) /* "good\0.evil" is no name */
            return;
    }
    char *copy = sk_memdup0(text, (size_t)len);
    if (copy != NULL)
        t->names[t->name_count++] = (struct sk_str){copy, (size_t)len};
}

/* The common name, then the alternative names: DNS, mail, URI. */
static void names_read(struct sk_tls_conn *t)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (cert == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK)
        return;
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *utf8 = NULL;
    if (at >= 0) {
        const ASN1_STRING *cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
        int len = ASN1_STRING_to_UTF8(&utf8, cn);
        if (len >= 0)
            name_add(t, utf8, len);
        OPENSSL_free(utf8);
    }
    GENERAL_NAMES *alt = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; alt != NULL && i < sk_GENERAL_NAME_num(alt); i++) {
        int type;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(alt, i), &type);
        if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI)
            name_add(t, ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
    }
    GENERAL_NAMES_free(alt);
}

void sk_tls_names(const struct sk_http_conn *conn, const struct sk_str **ret_names,
                  size_t *ret_count)
{
    *ret_names = conn->tls == NULL ? NULL : conn->tls->names;
    *ret_count = conn->tls == NULL ? 0 : conn->tls->name_count;
}

/* OpenSSL gives the connection up: its alert goes out, then nothing more. */
static void give_up(struct sk_http_conn *conn)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (!conn->tls->open) {
        sk_metric_add(sk_counter("skald_tls_handshake_errors_total",
                                 "TLS handshakes that failed, by client's or by our fault.", ""),
                      1);
        sk_log(SK_LOG_DEBUG, "TLS handshake failed", "err", reason == NULL ? "unknown" : reason,
               "peer", conn->peer);
    }
    ERR_clear_error();
    conn->tls->broken = true;
    strays_send(conn);
    if (conn->state == CONN_IDLE || conn->state == CONN_HEADERS || conn->state == CONN_BODY)
        sk_http_conn_linger(conn);
    else
        sk_http_conn_eof(conn);
}

/* Go's server answers plain HTTP on a TLS port so. */
static bool plain_http(struct sk_http_conn *conn)
{
    static const char *const begins[] = {"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"};
    static const char answer[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
                                 "Client sent an HTTP request to an HTTPS server.\n";
    struct sk_tls_conn *t = conn->tls;
    size_t i = 0;
    while (i < SK_COUNT_OF(begins) && memcmp(t->head, begins[i], RECORD_HEAD_BYTES) != 0)
        i++;
    if (i == SK_COUNT_OF(begins))
        return false;
    sk_strbuf_add(&t->out, answer, sizeof(answer) - 1);
    strays_send(conn);
    if (conn->state != CONN_CLOSING)
        sk_http_conn_linger(conn);
    return true;
}

/* true: the handshake is done, and what follows in `in` is the client's first bytes. */
static bool handshake(struct sk_http_conn *conn)
{
    struct sk_tls_conn *t = conn->tls;
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1) {
        t->open = true;
        conn->since_ns = sk_clock_mono_ns();
        names_read(t);
        ERR_clear_error();
        return true;
    }
    if (SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ)
        strays_send(conn);
    else
        give_up(conn);
    return false;
}

static bool takes_input(const struct sk_http_conn *conn)
{
    return conn->state != CONN_LINGER && conn->state != CONN_CLOSING && !conn->eof;
}

/* The first five bytes are looked at before OpenSSL sees any; they may come one by one. */
static bool head_gather(struct sk_http_conn *conn)
{
    struct sk_tls_conn *t = conn->tls;
    size_t n =
        RECORD_HEAD_BYTES - t->head_len < t->in_len ? RECORD_HEAD_BYTES - t->head_len : t->in_len;
    memcpy(t->head + t->head_len, t->in, n);
    t->head_len += n;
    t->in += n;
    t->in_len -= n;
    if (t->head_len < RECORD_HEAD_BYTES || plain_http(conn))
        return false;
    const char *rest = t->in;
    size_t rest_len = t->in_len;
    t->in = t->head;
    t->in_len = RECORD_HEAD_BYTES;
    bool done = handshake(conn); /* takes the five */
    sk_assert(!done);
    t->in = rest;
    t->in_len = rest_len;
    return takes_input(conn);
}

void sk_tls_feed(struct sk_http_conn *conn, const char *data, size_t len)
{
    struct sk_tls_conn *t = conn->tls;
    if (!takes_input(conn))
        return;
    t->in = data;
    t->in_len = len;
    if ((t->head_len == RECORD_HEAD_BYTES || head_gather(conn)) && (t->open || handshake(conn))) {
        while (takes_input(conn)) {
            uv_buf_t to =
                sk_http_conn_buffer(conn, conn->server->plain_buf, sizeof(conn->server->plain_buf));
            ERR_clear_error();
            int n = SSL_read(t->ssl, to.base, to.len > INT_MAX ? INT_MAX : (int)to.len);
            int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n);
            if (why == SSL_ERROR_NONE)
                sk_http_conn_input(conn, to.base, (size_t)n);
            else if (why == SSL_ERROR_ZERO_RETURN)
                sk_http_conn_eof(conn);
            else if (why != SSL_ERROR_WANT_READ)
                give_up(conn);
            if (why != SSL_ERROR_NONE)
                break;
        }
        if (conn->state != CONN_CLOSING)
            strays_send(conn);
    }
    t->in = NULL;
    t->in_len = 0;
}
