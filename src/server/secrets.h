/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.h -- the files of certificates and users: loaded at the start, read again every 10 s and
 * on SIGHUP by a worker (it reads files and computes), and swapped in when they have changed and
 * are good. A fault is logged once, until it changes.
 *
 * Threads: the loop's; load and free are the start's and the stop's. */
#ifndef SK_SERVER_SECRETS_H
#define SK_SERVER_SECRETS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/workpool.h"

struct sk_config;
struct sk_tls;
struct sk_userfile;

#define SK_SECRETS_CHECK_MS 10000u

struct sk_secrets {
    struct sk_tls *tls;        /* NULL: plain HTTP */
    struct sk_userfile *users; /* NULL: everybody may do everything */
    /* the check under way */
    struct sk_job job;
    _Atomic bool checking;
    char tls_fault[256], users_fault[256]; /* told last */
};

/* What is loaded before an error stays for sk_secrets_free. */
SK_MUST_CHECK enum sk_err sk_secrets_load(struct sk_secrets *secrets,
                                          const struct sk_config *config, struct sk_error *reterr);
/* Begins a check unless one is under way. */
void sk_secrets_check(struct sk_secrets *secrets, struct sk_workpool *pool);
/* The pool has stopped, no connection is open. */
void sk_secrets_free(struct sk_secrets *secrets);

#endif
