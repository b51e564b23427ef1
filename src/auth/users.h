/* SPDX-License-Identifier: Apache-2.0 */
/* users.h -- the users file (-skald.users-file): who may do what in the name of which tenants.
 *
 *   # name   secret                                  rights        tenants
 *   alloy    $sha256$5e88...                         push          *
 *   grafana  $scrypt$ln=14,r=8,p=1$c2Fs...$aGFz...   read          team-a,team-b
 *   pi-2     cert                                    push,read     fake
 *
 * Blanks part the four fields, a line that begins with '#' is a comment. A name may stand in up to
 * four lines, each with a secret, rights and tenants of its own, so that a secret can be replaced
 * without a gap. `admin` alone lets nobody push, read or delete. Tenants are names or '*'; without
 * auth_enabled the one tenant is `fake`.
 *
 * A struct sk_users is immutable and counted. Threads: any. */
#ifndef SK_AUTH_USERS_H
#define SK_AUTH_USERS_H

#include "auth/secret.h"

/* Larger files, and more lines, are refused. */
#define SK_USERS_FILE_BYTES_MAX (1u << 20)
#define SK_USERS_MAX            4096u

enum sk_right {
    SK_RIGHT_PUSH = 1,
    SK_RIGHT_READ = 2,
    SK_RIGHT_DELETE = 4,
    SK_RIGHT_ADMIN = 8,
};

struct sk_user {
    struct sk_str name;
    struct sk_secret secret;
    unsigned rights; /* of enum sk_right */
    bool all_tenants;
    const struct sk_str *tenants;
    size_t tenant_count;
};

struct sk_users; /* opaque */

/* Errors: "file:line: ..." with what is allowed there (SK_EPARSE); SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_users_parse(struct sk_str text, const char *file,
                                         struct sk_users **ret_users, struct sk_error *reterr);
void sk_users_drop(struct sk_users *users); /* NULL is a no-op */

size_t sk_users_count(const struct sk_users *users);
const struct sk_user *sk_users_at(const struct sk_users *users, size_t idx);
/* Differs from that of every other struct sk_users of the process. */
uint64_t sk_users_serial(const struct sk_users *users);

/* The next line of that name at or behind `from`; SIZE_MAX: none. */
size_t sk_users_find(const struct sk_users *users, struct sk_str name, size_t from);
/* The line whose secret is this token, or whose certificate bears this name; SIZE_MAX: none. */
size_t sk_users_by_token(const struct sk_users *users, struct sk_str token);
size_t sk_users_by_cert(const struct sk_users *users, struct sk_str name);

bool sk_user_has_tenant(const struct sk_user *user, struct sk_str tenant);
const char *sk_right_name(enum sk_right right);
/* "push,read" or the like, in any order. */
SK_MUST_CHECK enum sk_err sk_rights_parse(struct sk_str text, unsigned *ret_rights,
                                          struct sk_error *reterr);

/* ---- the file while the server runs ---- */

struct sk_userfile;

SK_MUST_CHECK enum sk_err sk_userfile_create(const char *path, struct sk_userfile **ret_file,
                                             struct sk_error *reterr);
/* Reads it again; a file that is missing or bad leaves the users as they are. */
SK_MUST_CHECK enum sk_err sk_userfile_reload(struct sk_userfile *file, bool *ret_changed,
                                             struct sk_error *reterr);
/* The present users, to be dropped by the caller. */
struct sk_users *sk_userfile_hold(struct sk_userfile *file);
void sk_userfile_destroy(struct sk_userfile *file);

#endif
