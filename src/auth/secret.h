/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h -- what the users file keeps instead of passwords and tokens.
 *
 *   $scrypt$ln=14,r=8,p=1$SALT$HASH    a password; base64 without '=', as others write it too
 *   $sha256$HEX                        a random token of at least 128 bits: hashing is cheap, so
 *                                      anything that could be guessed would be
 *   cert                               none: the client's certificate bears the user's name
 *
 * Comparisons take the same time whatever differs. Threads: any, on secrets of their own. */
#ifndef SK_AUTH_SECRET_H
#define SK_AUTH_SECRET_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

#define SK_SECRET_HASH_BYTES       32
#define SK_SECRET_SALT_BYTES_MAX   64
/* scrypt with more than this is refused: each login would take it. Bytes. */
#define SK_SECRET_MEMORY_BYTES_MAX (64u << 20)
/* A password or token longer than this is wrong. Bytes. */
#define SK_SECRET_TEXT_BYTES_MAX   1024

enum sk_secret_kind { SK_SECRET_SCRYPT, SK_SECRET_SHA256, SK_SECRET_CERT };

struct sk_secret {
    enum sk_secret_kind kind;
    unsigned log_n, r, p; /* scrypt */
    uint8_t salt[SK_SECRET_SALT_BYTES_MAX];
    size_t salt_len;
    uint8_t hash[SK_SECRET_HASH_BYTES];
};

/* SK_EPARSE: the text says what is allowed. */
SK_MUST_CHECK enum sk_err sk_secret_parse(struct sk_str text, struct sk_secret *ret_secret,
                                          struct sk_error *reterr);
void sk_secret_format(struct sk_strbuf *out, const struct sk_secret *secret);

/* A new secret from a password, with a salt of its own and today's cost; from a token. */
SK_MUST_CHECK enum sk_err sk_secret_from_password(struct sk_str password,
                                                  struct sk_secret *ret_secret);
SK_MUST_CHECK enum sk_err sk_secret_from_token(struct sk_str token, struct sk_secret *ret_secret);

/* 256 random bits as base64url. SK_EIO: the system gives none. */
SK_MUST_CHECK enum sk_err sk_secret_token(struct sk_strbuf *out);

/* Memory that a check takes for its duration, bytes; what matters for scrypt only. */
uint64_t sk_secret_cost(const struct sk_secret *secret);
/* One that no password fits, at the cost of a usual one: for names that do not exist. */
void sk_secret_decoy(struct sk_secret *ret_secret);

/* Whether `text` is the password or token. scrypt takes tens of milliseconds. SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_secret_check(const struct sk_secret *secret, struct sk_str text,
                                          bool *ret_match);

/* A fingerprint of `text` under `key`, for tables of what was checked already: it tells nothing to
 * who does not know the key. */
SK_MUST_CHECK enum sk_err sk_secret_mark(const uint8_t key[SK_SECRET_HASH_BYTES],
                                         struct sk_str text,
                                         uint8_t ret_mark[SK_SECRET_HASH_BYTES]);
/* Random bytes for such a key. SK_EIO. */
SK_MUST_CHECK enum sk_err sk_secret_key(uint8_t ret_key[SK_SECRET_HASH_BYTES]);
/* Overwrites what held a secret. */
void sk_secret_wipe(void *ptr, size_t len);

/* Whether two hold the same hash. */
bool sk_secret_equal(const struct sk_secret *a, const struct sk_secret *b);

/* Standard or URL alphabet, '=' at the end or not. false: something else, or longer than `cap`. */
bool sk_base64_decode(struct sk_str text, uint8_t *out, size_t cap, size_t *ret_len);

#endif
