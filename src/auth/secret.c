/* SPDX-License-Identifier: Apache-2.0 */
/* secret.c -- see secret.h. */
#include "auth/secret.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

enum {
    LOG_N_MIN = 10,
    LOG_N_MAX = 20,
    LOG_N_NEW = 14, /* 16 MiB, some 50 ms on a Raspberry Pi 4 */
    R_NEW = 8,
    R_MAX = 32,
    P_MAX = 4,
    SALT_BYTES_MIN = 8,
    SALT_BYTES_NEW = 16,
    TOKEN_BYTES = 32,
};

/* ---- texts of bytes ---- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool sk_base64_decode(struct sk_str text, uint8_t *out, size_t cap, size_t *ret_len)
{
    unsigned bits = 0, have = 0;
    size_t n = 0;
    for (unsigned pads = 0; pads < 2 && sk_str_ends(text, SK_STR("=")); pads++)
        text.len--;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int v = base64_value(text.ptr[i]);
        if (v < 0)
            return false;
        bits = (bits << 6 | (unsigned)v) & 0xffff;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (n == cap)
            return false;
        out[n++] = (uint8_t)(bits >> have);
    }
    *ret_len = n;
    return true;
}

static void base64_encode(struct sk_strbuf *out, const uint8_t *data, size_t len, const char *last)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        unsigned bits = (unsigned)data[i] << 16 | (n > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                        (n > 2 ? data[i + 2] : 0);
        for (size_t k = 0; k <= n; k++) {
            unsigned v = bits >> (18 - 6 * k) & 63;
            sk_strbuf_putc(out, v < 62 ? alphabet[v] : last[v - 62]);
        }
    }
}

static bool hex_decode(struct sk_str text, uint8_t *out, size_t len)
{
    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (v < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : out[i / 2] | v);
    }
    return true;
}

/* ---- parsing ---- */

/* Takes what stands before `end` off `s`. */
static bool part_take(struct sk_str *s, char end, struct sk_str *ret)
{
    const char *at = s->len == 0 ? NULL : memchr(s->ptr, end, s->len);
    if (at == NULL)
        return false;
    *ret = (struct sk_str){s->ptr, (size_t)(at - s->ptr)};
    *s = (struct sk_str){at + 1, s->len - ret->len - 1};
    return true;
}

static bool number_is(struct sk_str text, struct sk_str name, unsigned min, unsigned max,
                      unsigned *ret)
{
    uint64_t v;
    if (!sk_str_starts(text, name))
        return false;
    struct sk_str digits = {text.ptr + name.len, text.len - name.len};
    if (!sk_str_to_u64(digits, &v) || v < min || v > max)
        return false;
    *ret = (unsigned)v;
    return true;
}

static enum sk_err scrypt_parse(struct sk_str rest, struct sk_secret *s, struct sk_error *reterr)
{
    struct sk_str log_n, r, p, salt;
    size_t hash_len;
    if (!part_take(&rest, ',', &log_n) || !part_take(&rest, ',', &r) ||
        !part_take(&rest, '$', &p) || !part_take(&rest, '$', &salt))
        return sk_error_set(reterr, SK_EPARSE,
                            "a password is kept as $scrypt$ln=14,r=8,p=1$SALT$HASH");
    if (!number_is(log_n, SK_STR("ln="), LOG_N_MIN, LOG_N_MAX, &s->log_n) ||
        !number_is(r, SK_STR("r="), 1, R_MAX, &s->r) ||
        !number_is(p, SK_STR("p="), 1, P_MAX, &s->p) ||
        sk_secret_cost(s) > SK_SECRET_MEMORY_BYTES_MAX)
        return sk_error_set(reterr, SK_EPARSE,
                            "scrypt needs ln=10 to 20, r=1 to 32, p=1 to 4, and at most 64 MiB "
                            "(128 * 2^ln * r)");
    if (!sk_base64_decode(salt, s->salt, sizeof(s->salt), &s->salt_len) ||
        s->salt_len < SALT_BYTES_MIN)
        return sk_error_set(reterr, SK_EPARSE, "scrypt's salt is not 8 to 64 bytes of base64");
    if (!sk_base64_decode(rest, s->hash, sizeof(s->hash), &hash_len) || hash_len != sizeof(s->hash))
        return sk_error_set(reterr, SK_EPARSE, "scrypt's hash is not 32 bytes of base64");
    return SK_OK;
}

enum sk_err sk_secret_parse(struct sk_str text, struct sk_secret *ret_secret,
                            struct sk_error *reterr)
{
    static const char scrypt[] = "$scrypt$", sha256[] = "$sha256$";
    struct sk_secret s = {.kind = SK_SECRET_SCRYPT};
    struct sk_str rest = {text.ptr + sizeof(scrypt) - 1, text.len - (sizeof(scrypt) - 1)};
    if (sk_str_is(text, "cert")) {
        s.kind = SK_SECRET_CERT;
    } else if (sk_str_starts(text, SK_STR(scrypt))) {
        enum sk_err err = scrypt_parse(rest, &s, reterr);
        if (err != SK_OK)
            return err;
    } else if (sk_str_starts(text, SK_STR(sha256))) { /* as long as the other */
        s.kind = SK_SECRET_SHA256;
        if (!hex_decode(rest, s.hash, sizeof(s.hash)))
            return sk_error_set(reterr, SK_EPARSE,
                                "a token is kept as $sha256$ and the 64 hex digits of its hash");
    } else {
        return sk_error_set(reterr, SK_EPARSE,
                            "a secret is $scrypt$..., $sha256$... or cert; `skaldctl hash-secret` "
                            "makes the first two");
    }
    *ret_secret = s;
    return SK_OK;
}

void sk_secret_format(struct sk_strbuf *out, const struct sk_secret *secret)
{
    if (secret->kind == SK_SECRET_CERT) {
        sk_strbuf_puts(out, "cert");
    } else if (secret->kind == SK_SECRET_SHA256) {
        sk_strbuf_puts(out, "$sha256$");
        for (size_t i = 0; i < sizeof(secret->hash); i++)
            sk_strbuf_printf(out, "%02x", secret->hash[i]);
    } else {
        sk_strbuf_printf(out, "$scrypt$ln=%u,r=%u,p=%u$", secret->log_n, secret->r, secret->p);
        base64_encode(out, secret->salt, secret->salt_len, "+/");
        sk_strbuf_putc(out, '$');
        base64_encode(out, secret->hash, sizeof(secret->hash), "+/");
    }
}

/* ---- hashing ---- */

uint64_t sk_secret_cost(const struct sk_secret *secret)
{
    return secret->kind == SK_SECRET_SCRYPT ? (UINT64_C(128) << secret->log_n) * secret->r : 0;
}

/* The hash of `text` as `secret` has it. */
static enum sk_err hash_of(const struct sk_secret *secret, struct sk_str text,
                           uint8_t hash[SK_SECRET_HASH_BYTES])
{
    const char *ptr = text.ptr == NULL ? "" : text.ptr;
    int rc;
    if (secret->kind == SK_SECRET_SHA256)
        rc = EVP_Digest(ptr, text.len, hash, NULL, EVP_sha256(), NULL);
    else
        rc = EVP_PBE_scrypt(ptr, text.len, secret->salt, secret->salt_len,
                            UINT64_C(1) << secret->log_n, secret->r, secret->p,
                            2 * (uint64_t)SK_SECRET_MEMORY_BYTES_MAX, hash, SK_SECRET_HASH_BYTES);
    return rc == 1 ? SK_OK : SK_ENOMEM;
}

enum sk_err sk_secret_check(const struct sk_secret *secret, struct sk_str text, bool *ret_match)
{
    uint8_t hash[SK_SECRET_HASH_BYTES];
    *ret_match = false;
    if (secret->kind == SK_SECRET_CERT || text.len > SK_SECRET_TEXT_BYTES_MAX)
        return SK_OK;
    enum sk_err err = hash_of(secret, text, hash);
    if (err == SK_OK)
        *ret_match = CRYPTO_memcmp(hash, secret->hash, sizeof(hash)) == 0;
    return err;
}

enum sk_err sk_secret_mark(const uint8_t key[SK_SECRET_HASH_BYTES], struct sk_str text,
                           uint8_t ret_mark[SK_SECRET_HASH_BYTES])
{
    const unsigned char *ptr = (const unsigned char *)(text.ptr == NULL ? "" : text.ptr);
    return HMAC(EVP_sha256(), key, SK_SECRET_HASH_BYTES, ptr, text.len, ret_mark, NULL) == NULL
               ? SK_ENOMEM
               : SK_OK;
}

enum sk_err sk_secret_key(uint8_t ret_key[SK_SECRET_HASH_BYTES])
{
    return RAND_bytes(ret_key, SK_SECRET_HASH_BYTES) == 1 ? SK_OK : SK_EIO;
}

void sk_secret_wipe(void *ptr, size_t len)
{
    OPENSSL_cleanse(ptr, len);
}

bool sk_secret_equal(const struct sk_secret *a, const struct sk_secret *b)
{
    return CRYPTO_memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

enum sk_err sk_secret_from_token(struct sk_str token, struct sk_secret *ret_secret)
{
    struct sk_secret s = {.kind = SK_SECRET_SHA256};
    enum sk_err err = hash_of(&s, token, s.hash);
    if (err == SK_OK)
        *ret_secret = s;
    return err;
}

enum sk_err sk_secret_from_password(struct sk_str password, struct sk_secret *ret_secret)
{
    struct sk_secret s;
    sk_secret_decoy(&s);
    if (RAND_bytes(s.salt, (int)s.salt_len) != 1)
        return SK_EIO;
    enum sk_err err = hash_of(&s, password, s.hash);
    if (err == SK_OK)
        *ret_secret = s;
    return err;
}

enum sk_err sk_secret_token(struct sk_strbuf *out)
{
    uint8_t bytes[TOKEN_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return SK_EIO;
    base64_encode(out, bytes, sizeof(bytes), "-_");
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return out->failed ? SK_ENOMEM : SK_OK;
}

void sk_secret_decoy(struct sk_secret *ret_secret)
{
    *ret_secret = (struct sk_secret){.kind = SK_SECRET_SCRYPT,
                                     .log_n = LOG_N_NEW,
                                     .r = R_NEW,
                                     .p = 1,
                                     .salt_len = SALT_BYTES_NEW};
}
