/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c -- see secrets.h. */
#include "server/secrets.h"

#include <stdio.h>
#include <sys/prctl.h>

#include "auth/users.h"
#include "base/log.h"
#include "config/config.h"
#include "http/tls.h"

enum sk_err sk_secrets_load(struct sk_secrets *secrets, const struct sk_config *config,
                            struct sk_error *reterr)
{
    struct sk_tls_options to = {.cert = config->tls_cert,
                                .key = config->tls_key,
                                .client_ca = config->tls_client_ca,
                                .cert_file = config->tls_cert_file,
                                .key_file = config->tls_key_file,
                                .client_ca_file = config->tls_client_ca_file,
                                .client_auth_type = config->tls_client_auth_type,
                                .min_version = config->tls_min_version,
                                .cipher_suites = config->tls_cipher_suites};
    bool wanted = to.cert[0] != '\0' || to.key[0] != '\0' || to.cert_file[0] != '\0' ||
                  to.key_file[0] != '\0';
    enum sk_err err = wanted ? sk_tls_create(&to, &secrets->tls, reterr) : SK_OK;
    if (err == SK_OK && config->users_file != NULL)
        err = sk_userfile_create(config->users_file, &secrets->users, reterr);
#ifndef __SANITIZE_ADDRESS__ /* whose search for leaks reads the process as a debugger does */
    if (secrets->users != NULL)
        (void)prctl(PR_SET_DUMPABLE, 0); /* no core file holds a password; needs no right */
#endif
    return err;
}

/* One file's outcome; `told` is the fault that the log has already. */
static void tell(enum sk_err err, bool changed, const char *what, const char *text, char *told,
                 size_t told_bytes)
{
    if (err == SK_OK) {
        told[0] = '\0';
        if (changed)
            sk_log(SK_LOG_INFO, "loaded again", "what", what);
        return;
    }
    char cut[256];
    (void)snprintf(cut, sizeof(cut), "%s", text);
    if (strcmp(cut, told) == 0)
        return;
    (void)snprintf(told, told_bytes, "%s", cut);
    sk_log(SK_LOG_ERROR, "not taken over, the old one stays", "what", what, "err", text);
}

static void check_run(struct sk_job *job)
{
    struct sk_secrets *secrets = SK_CONTAINER_OF(job, struct sk_secrets, job);
    struct sk_error detail = {.text = ""};
    bool changed = false;
    if (secrets->tls != NULL) {
        enum sk_err err = sk_tls_reload(secrets->tls, &changed, &detail);
        tell(err, changed, "certificate", detail.text, secrets->tls_fault,
             sizeof(secrets->tls_fault));
    }
    if (secrets->users != NULL) {
        enum sk_err err = sk_userfile_reload(secrets->users, &changed, &detail);
        tell(err, changed, "users file", detail.text, secrets->users_fault,
             sizeof(secrets->users_fault));
    }
    atomic_store(&secrets->checking, false);
}

void sk_secrets_check(struct sk_secrets *secrets, struct sk_workpool *pool)
{
    if ((secrets->tls == NULL && secrets->users == NULL) ||
        atomic_exchange(&secrets->checking, true))
        return;
    secrets->job.run = check_run;
    if (sk_workpool_submit(pool, SK_WORK_BACKGROUND, &secrets->job) != SK_OK)
        atomic_store(&secrets->checking, false); /* the next check comes */
}

void sk_secrets_free(struct sk_secrets *secrets)
{
    sk_tls_destroy(secrets->tls);
    sk_userfile_destroy(secrets->users);
    secrets->tls = NULL;
    secrets->users = NULL;
}
