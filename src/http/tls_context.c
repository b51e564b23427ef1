/* SPDX-License-Identifier: Apache-2.0 */
/* tls_context.c -- see tls.h. A digest of what was read tells whether files have changed; the
 * context in use is swapped under a lock and counted by OpenSSL. */
#include <pthread.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "base/metrics.h"
#include "base/vfs.h"
#include "http/http_int.h"
#include "http/tls.h"

/* A file of certificates or a key larger than this is refused. Bytes. */
#define PEM_BYTES_MAX (1u << 20)
#define KEY_PREFIX    "server.http_tls_config."

struct source {
    const char *key;  /* of the configuration, for errors */
    const char *file; /* NULL: in place */
    struct sk_strbuf text;
};

struct sk_tls {
    struct sk_tls_options opt;
    pthread_mutex_t lock; /* of ctx */
    SSL_CTX *ctx;
    pthread_mutex_t reload_lock; /* of digest */
    unsigned char digest[EVP_MAX_MD_SIZE];
};

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* ---- reading ---- */

static enum sk_err source_read(struct source *s, const char *file_key, const char *file,
                               const char *text_key, const char *text, struct sk_error *reterr)
{
    *s = (struct source){.key = given(file) ? file_key : text_key};
    sk_strbuf_init(&s->text, PEM_BYTES_MAX + 1);
    if (given(file) && given(text))
        return sk_error_set(reterr, SK_EINVAL,
                            KEY_PREFIX "%s and " KEY_PREFIX "%s: only one may be given", text_key,
                            file_key);
    if (!given(file)) {
        sk_strbuf_puts(&s->text, given(text) ? text : "");
        return s->text.failed ? sk_error_set(reterr, SK_ENOMEM, "out of memory") : SK_OK;
    }
    s->file = file;
    enum sk_err err = sk_vfs_read_file(sk_vfs_posix(), file, PEM_BYTES_MAX, &s->text);
    if (err != SK_OK)
        return sk_error_set(reterr, err, KEY_PREFIX "%s: %s: %s", file_key, file,
                            err == SK_ELIMIT ? "larger than 1 MiB" : sk_err_text(err));
    return SK_OK;
}

static enum sk_err source_bad(const struct source *s, const char *what, struct sk_error *reterr)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    (void)sk_error_set(reterr, SK_EINVAL, KEY_PREFIX "%s%s%s: %s%s%s%s", s->key,
                       s->file != NULL ? ": " : "", s->file != NULL ? s->file : "", what,
                       reason != NULL ? " (" : "", reason != NULL ? reason : "",
                       reason != NULL ? ")" : "");
    ERR_clear_error();
    return SK_EINVAL;
}

static BIO *source_open(const struct source *s)
{
    return BIO_new_mem_buf(s->text.ptr == NULL ? "" : s->text.ptr, (int)s->text.len);
}

/* A key that needs a password cannot be used; without this OpenSSL would ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)ctx;
    return -1;
}

/* ---- what goes into a context ---- */

static void expiry_gauge(const X509 *leaf)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
        return;
    sk_metric_set(sk_gauge("skald_tls_certificate_not_after_seconds",
                           "When the server's certificate expires, since the Unix epoch.", ""),
                  (int64_t)timegm(&tm));
}

static enum sk_err certificate_use(SSL_CTX *ctx, const struct source *s, struct sk_error *reterr)
{
    BIO *bio = source_open(s);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    enum sk_err err = SK_OK;
    if (cert == NULL || SSL_CTX_use_certificate(ctx, cert) != 1)
        err = source_bad(s, "no certificate that can be used", reterr);
    X509_free(cert);
    while (err == SK_OK && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, cert) == 1)
            continue;
        X509_free(cert);
        err = source_bad(s, "a certificate of the chain cannot be used", reterr);
    }
    ERR_clear_error(); /* the end of the file is an error to PEM_read_bio_X509 */
    BIO_free(bio);
    return err;
}

static enum sk_err key_use(SSL_CTX *ctx, const struct source *s, const struct source *cert,
                           struct sk_error *reterr)
{
    BIO *bio = source_open(s);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    enum sk_err err = SK_OK;
    if (key == NULL)
        err = source_bad(s, "no private key that can be used; it must be PEM without a password",
                         reterr);
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        err = sk_error_set(reterr, SK_EINVAL,
                           KEY_PREFIX "%s: %s: not the key of the certificate in %s%s%s", s->key,
                           s->file != NULL ? s->file : "in place", cert->key,
                           cert->file != NULL ? ": " : "", cert->file != NULL ? cert->file : "");
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

static enum sk_err authorities_use(SSL_CTX *ctx, const struct source *s, struct sk_error *reterr)
{
    BIO *bio = source_open(s);
    X509 *cert;
    size_t count = 0;
    enum sk_err err = bio == NULL ? sk_error_set(reterr, SK_ENOMEM, "out of memory") : SK_OK;
    while (err == SK_OK && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) != 1 ||
            SSL_CTX_add_client_CA(ctx, cert) != 1)
            err = source_bad(s, "a certificate cannot be used", reterr);
        X509_free(cert);
        count++;
    }
    if (err == SK_OK && count == 0)
        err = source_bad(s, "no certificate in it", reterr);
    ERR_clear_error();
    BIO_free(bio);
    return err;
}

static int any_client(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED); /* present, not checked: no identity */
    return 1;
}

static enum sk_err client_rule(SSL_CTX *ctx, const struct sk_tls_options *opt, bool *ret_verifies,
                               struct sk_error *reterr)
{
    static const struct {
        const char *name;
        int mode;
        bool verifies;
    } rules[] = {
        {"NoClientCert", SSL_VERIFY_NONE, false},
        {"RequestClientCert", SSL_VERIFY_PEER, false},
        {"RequireAnyClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, false},
        {"RequireClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, false}, /* old */
        {"VerifyClientCertIfGiven", SSL_VERIFY_PEER, true},
        {"RequireAndVerifyClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, true},
    };
    const char *wanted = given(opt->client_auth_type) ? opt->client_auth_type : "NoClientCert";
    size_t i = 0;
    while (i < SK_COUNT_OF(rules) && strcmp(rules[i].name, wanted) != 0)
        i++;
    if (i == SK_COUNT_OF(rules))
        return sk_error_set(reterr, SK_EINVAL,
                            KEY_PREFIX "client_auth_type: \"%s\" is not NoClientCert, "
                                       "RequestClientCert, RequireAnyClientCert, "
                                       "VerifyClientCertIfGiven or RequireAndVerifyClientCert",
                            wanted);
    SSL_CTX_set_verify(ctx, rules[i].mode, NULL);
    if (!rules[i].verifies)
        SSL_CTX_set_cert_verify_callback(ctx, any_client, NULL);
    *ret_verifies = rules[i].verifies;
    bool has_ca = given(opt->client_ca) || given(opt->client_ca_file);
    if (rules[i].verifies && !has_ca)
        return sk_error_set(reterr, SK_EINVAL,
                            KEY_PREFIX "client_auth_type: %s needs " KEY_PREFIX "client_ca_file",
                            wanted);
    if (has_ca && rules[i].mode == SSL_VERIFY_NONE)
        return sk_error_set(reterr, SK_EINVAL,
                            KEY_PREFIX "client_ca_file is given, but client_auth_type asks for no "
                                       "certificate; set it to RequireAndVerifyClientCert");
    return SK_OK;
}

static enum sk_err version_rule(SSL_CTX *ctx, const char *name, int *ret_version,
                                struct sk_error *reterr)
{
    static const struct {
        const char *name;
        int version;
    } versions[] = {{"VersionTLS10", TLS1_VERSION},
                    {"VersionTLS11", TLS1_1_VERSION},
                    {"VersionTLS12", TLS1_2_VERSION},
                    {"VersionTLS13", TLS1_3_VERSION}};
    *ret_version = TLS1_2_VERSION;
    size_t i = 0;
    while (given(name) && i < SK_COUNT_OF(versions) && strcmp(versions[i].name, name) != 0)
        i++;
    if (i == SK_COUNT_OF(versions))
        return sk_error_set(reterr, SK_EINVAL,
                            "server.tls_min_version: \"%s\" is not VersionTLS10, VersionTLS11, "
                            "VersionTLS12 or VersionTLS13",
                            name);
    if (given(name))
        *ret_version = versions[i].version;
    if (SSL_CTX_set_min_proto_version(ctx, *ret_version) != 1)
        return sk_error_set(reterr, SK_EINVAL, "server.tls_min_version: OpenSSL has no %s", name);
    return SK_OK;
}

/* Names of Go's crypto/tls; those that this OpenSSL lacks (RC4, 3DES) are left out. */
static bool suite_known(struct sk_str name)
{
    static const char *const known[] = {
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
        "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    };
    for (size_t i = 0; i < SK_COUNT_OF(known); i++)
        if (sk_str_is(name, known[i]))
            return true;
    return false;
}

/* OpenSSL's list of the suites below TLS 1.3. */
static enum sk_err suites_translate(const char *names, struct sk_strbuf *out,
                                    struct sk_error *reterr)
{
    while (*names != '\0') {
        char name[64];
        size_t n = strcspn(names, ",");
        struct sk_str one = sk_str_trim((struct sk_str){names, n});
        names += n;
        names += *names == ',';
        if (one.len == 0)
            continue;
        if (!suite_known(one))
            return sk_error_set(reterr, SK_EINVAL,
                                "server.tls_cipher_suites: \"%.*s\" is not a name of Go's "
                                "crypto/tls, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                                SK_STR_ARG(one));
        memcpy(name, one.ptr, one.len); /* a known name is shorter */
        name[one.len] = '\0';
        const char *theirs = OPENSSL_cipher_name(name);
        if (strcmp(theirs, "(NONE)") != 0 && strncmp(theirs, "TLS_", 4) != 0)
            sk_strbuf_printf(out, "%s%s", out->len > 0 ? ":" : "", theirs);
    }
    return SK_OK;
}

static enum sk_err suites_rule(SSL_CTX *ctx, const char *names, int min_version,
                               struct sk_error *reterr)
{
    struct sk_strbuf list;
    sk_strbuf_init(&list, 4096);
    enum sk_err err = SK_OK;
    if (given(names))
        err = suites_translate(names, &list, reterr);
    else
        sk_strbuf_puts(&list, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!PSK:!AESCCM");
    if (err == SK_OK && list.len == 0) { /* none is left but those of TLS 1.3 */
        if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
            err = sk_error_set(reterr, SK_EINVAL, "server.tls_cipher_suites: none can be used");
    } else if (err == SK_OK) {
        if (min_version < TLS1_2_VERSION) /* their signatures need it */
            sk_strbuf_puts(&list, ":@SECLEVEL=0");
        if (list.failed || SSL_CTX_set_cipher_list(ctx, list.ptr) != 1)
            err = sk_error_set(reterr, SK_EINVAL, "server.tls_cipher_suites: none can be used");
    }
    sk_strbuf_deinit(&list);
    return err;
}

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *theirs, unsigned theirs_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof(ours) - 1, theirs, theirs_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- contexts ---- */

static enum sk_err context_fill(SSL_CTX *ctx, const struct sk_tls_options *opt,
                                const struct source *cert, const struct source *key,
                                const struct source *ca, struct sk_error *reterr)
{
    bool verifies;
    int min_version;
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    enum sk_err err = SSL_CTX_set_num_tickets(ctx, 0) == 1
                          ? SK_OK
                          : sk_error_set(reterr, SK_ENOMEM, "out of memory");
    if (err == SK_OK)
        err = version_rule(ctx, opt->min_version, &min_version, reterr);
    if (err == SK_OK)
        err = suites_rule(ctx, opt->cipher_suites, min_version, reterr);
    if (err == SK_OK)
        err = client_rule(ctx, opt, &verifies, reterr);
    if (err == SK_OK && cert->text.len == 0)
        err = sk_error_set(reterr, SK_EINVAL, KEY_PREFIX "cert_file is missing or empty");
    if (err == SK_OK && key->text.len == 0)
        err = sk_error_set(reterr, SK_EINVAL, KEY_PREFIX "key_file is missing or empty");
    if (err == SK_OK)
        err = certificate_use(ctx, cert, reterr);
    if (err == SK_OK)
        err = key_use(ctx, key, cert, reterr);
    if (err == SK_OK && verifies)
        err = authorities_use(ctx, ca, reterr);
    if (err == SK_OK)
        expiry_gauge(SSL_CTX_get0_certificate(ctx));
    return err;
}

static bool digest_of(const struct source *const sources[3], unsigned char digest[EVP_MAX_MD_SIZE])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; good && i < 3; i++) {
        uint64_t len = sources[i]->text.len;
        good = EVP_DigestUpdate(md, &len, sizeof(len)) == 1 &&
               (len == 0 || EVP_DigestUpdate(md, sources[i]->text.ptr, len) == 1);
    }
    good = good && EVP_DigestFinal_ex(md, digest, NULL) == 1;
    EVP_MD_CTX_free(md);
    return good;
}

/* A new context when the sources differ from those of tls->digest; reload_lock is held. */
static enum sk_err context_make(struct sk_tls *tls, SSL_CTX **ret_ctx, struct sk_error *reterr)
{
    const struct sk_tls_options *o = &tls->opt;
    struct source cert = {0}, key = {0}, ca = {0};
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    SSL_CTX *ctx = NULL;
    enum sk_err err = source_read(&cert, "cert_file", o->cert_file, "cert", o->cert, reterr);
    if (err == SK_OK)
        err = source_read(&key, "key_file", o->key_file, "key", o->key, reterr);
    if (err == SK_OK)
        err = source_read(&ca, "client_ca_file", o->client_ca_file, "client_ca", o->client_ca,
                          reterr);
    if (err == SK_OK && !digest_of((const struct source *const[]){&cert, &key, &ca}, digest))
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    if (err != SK_OK || memcmp(digest, tls->digest, sizeof(digest)) == 0)
        goto out;
    ctx = SSL_CTX_new(TLS_server_method());
    err = ctx == NULL ? sk_error_set(reterr, SK_ENOMEM, "out of memory")
                      : context_fill(ctx, o, &cert, &key, &ca, reterr);
    if (err == SK_OK) {
        memcpy(tls->digest, digest, sizeof(digest));
        *ret_ctx = ctx;
        ctx = NULL;
    }
out:
    SSL_CTX_free(ctx);
    if (key.text.ptr != NULL)
        OPENSSL_cleanse(key.text.ptr, key.text.len);
    sk_strbuf_deinit(&cert.text);
    sk_strbuf_deinit(&key.text);
    sk_strbuf_deinit(&ca.text);
    return err;
}

enum sk_err sk_tls_reload(struct sk_tls *tls, bool *ret_changed, struct sk_error *reterr)
{
    SSL_CTX *fresh = NULL, *old = NULL;
    (void)pthread_mutex_lock(&tls->reload_lock); /* fails for damaged locks only */
    enum sk_err err = context_make(tls, &fresh, reterr);
    if (fresh != NULL) {
        (void)pthread_mutex_lock(&tls->lock);
        old = tls->ctx;
        tls->ctx = fresh;
        (void)pthread_mutex_unlock(&tls->lock);
        SSL_CTX_free(old); /* connections hold it on */
    }
    (void)pthread_mutex_unlock(&tls->reload_lock);
    if (err == SK_OK)
        *ret_changed = fresh != NULL;
    return err;
}

struct ssl_st *sk_tls_session(struct sk_tls *tls)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL *ssl = SSL_new(tls->ctx);
    (void)pthread_mutex_unlock(&tls->lock);
    return ssl;
}

enum sk_err sk_tls_create(const struct sk_tls_options *opt, struct sk_tls **ret_tls,
                          struct sk_error *reterr)
{
    bool changed;
    struct sk_tls *tls = sk_calloc(1, sizeof(*tls));
    if (tls == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    tls->opt = *opt;
    (void)pthread_mutex_init(&tls->lock, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&tls->reload_lock, NULL);
    enum sk_err err = sk_tls_reload(tls, &changed, reterr);
    if (err == SK_OK)
        *ret_tls = tls;
    else
        sk_tls_destroy(tls);
    return err;
}

void sk_tls_destroy(struct sk_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->ctx);
    (void)pthread_mutex_destroy(&tls->reload_lock);
    (void)pthread_mutex_destroy(&tls->lock);
    sk_free(tls);
}
