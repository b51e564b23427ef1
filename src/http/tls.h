/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h -- the server's side of TLS: certificate, key and rules of a listener, by Loki's keys.
 *
 * Options are texts as in the configuration; NULL and "" mean "not given". Certificates and keys
 * are PEM, from a file or (cert, key, client_ca) in place. Client certificates:
 *
 *   "", NoClientCert             none is asked for
 *   RequestClientCert            asked for, may be missing, is not checked
 *   RequireAnyClientCert         must be there, is not checked
 *   VerifyClientCertIfGiven      may be missing, is checked
 *   RequireAndVerifyClientCert   must be there, is checked
 *
 * A name of a client certificate counts (struct sk_http_req, cert_names) only when it was checked.
 * TLS 1.2 is the least that is spoken unless min_version says otherwise; there are no session
 * tickets, no renegotiation, no compression; ALPN knows http/1.1 only.
 *
 * Connections keep the certificate that they began with; those that come after a reload get the new
 * one. Threads: any; create and destroy are one thread's. */
#ifndef SK_HTTP_TLS_H
#define SK_HTTP_TLS_H

#include <stdbool.h>

#include "base/err.h"

struct sk_tls;

struct sk_tls_options { /* borrowed for as long as the sk_tls lives */
    const char *cert_file, *key_file, *client_ca_file;
    const char *cert, *key, *client_ca;
    const char *client_auth_type;
    const char *min_version;   /* VersionTLS10 .. VersionTLS13 */
    const char *cipher_suites; /* Go's names, with commas; those of TLS 1.3 cannot be chosen */
};

/* Errors name the key and the file: SK_EINVAL for what is in them, else what reading them gave. */
SK_MUST_CHECK enum sk_err sk_tls_create(const struct sk_tls_options *opt, struct sk_tls **ret_tls,
                                        struct sk_error *reterr);
/* Reads the files again. On failure, such as a certificate whose key is still the old one, what was
 * loaded before stays in use. */
SK_MUST_CHECK enum sk_err sk_tls_reload(struct sk_tls *tls, bool *ret_changed,
                                        struct sk_error *reterr);
void sk_tls_destroy(struct sk_tls *tls); /* NULL is a no-op; no connection may be open */

#endif
