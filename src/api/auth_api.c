/* SPDX-License-Identifier: Apache-2.0 */
/* auth_api.c -- who sends a request, and may they: the users file (auth/users.h) at the door.
 *
 *   auth_refusal   headers are there, a body will follow: what can be refused already is
 *   auth_begin     -> known at once (token, certificate, checked lately)   -> go_on(call, user)
 *                  -> a password: scrypt on a worker, one check for all who send the same  -> go_on
 *                  -> 401, 429
 *
 * What was checked is remembered for REMEMBER_NS under a keyed hash of the header, so that neither
 * the table nor its timing tells a password. Wrong credentials are counted per address (IPv6: /64):
 * after WRONG_MAX only those that are remembered pass, for WRONG_WINDOW_NS. Missing ones are not
 * counted, for many clients try without first.
 *
 * Threads: the loop; check_run alone is a worker's. */
#include <arpa/inet.h>
#include <stdio.h>

#include "api/api_int.h"
#include "auth/users.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/log.h"

#define REMEMBER_NS     (60 * SK_NS_PER_S)
#define WRONG_WINDOW_NS (60 * SK_NS_PER_S)

enum {
    WRONG_MAX = 10,
    ADDRESSES_MAX = 1024,    /* beyond, the oldest is forgotten */
    REMEMBERED_MAX = 1024,   /* a newer one takes the place */
    CHECKS_MAX = 8,          /* passwords being checked; beyond, 429 */
    HEADER_BYTES_MAX = 4096, /* a longer Authorization is wrong */
};

static const char text_none[] = "credentials are required\n";
static const char text_wrong[] = "wrong credentials\n";
static const char text_slowed[] = "too many wrong credentials from this address, try again later\n";
static const char text_busy[] = "too many passwords are being checked, try again\n";

#define CHALLENGE "WWW-Authenticate: Basic realm=\"skald\", charset=\"UTF-8\"\r\n"

struct remembered {
    uint8_t mark[SK_SECRET_HASH_BYTES];
    uint64_t serial; /* of the users; 0: empty */
    size_t user;
    int64_t until_ns;
};

struct address {
    uint8_t bytes[16];
    int64_t since_ns;
    unsigned wrong; /* 0: empty */
};

struct auth {
    struct sk_userfile *file;
    uint8_t key[SK_SECRET_HASH_BYTES];
    struct check *checks;
    unsigned check_count;
    struct remembered remembered[REMEMBERED_MAX];
    struct address addresses[ADDRESSES_MAX];
};

/* A password on its way to a worker and back. */
struct check {
    struct sk_job job;
    struct sk_loopmsg msg;
    struct check *next;
    struct sk_api *api;
    struct sk_users *users; /* held */
    uint8_t mark[SK_SECRET_HASH_BYTES];
    struct sk_str name, password; /* in `text` */
    uint8_t text[HEADER_BYTES_MAX];
    uint64_t charged;
    struct call *waiting;
    char peer[64];
    size_t found; /* SIZE_MAX: none */
    enum sk_err err;
};

enum verdict { KNOWN, MISSING, WRONG, SLOWED, PASSWORD };

struct credentials {
    uint8_t mark[SK_SECRET_HASH_BYTES];
    size_t user;                    /* KNOWN */
    uint8_t text[HEADER_BYTES_MAX]; /* Basic, decoded */
    struct sk_str name, password;   /* in `text` */
};

/* ---- addresses ---- */

static void address_bytes(const char *peer, uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    memcpy(bytes, mapped, sizeof(mapped));
    if (inet_pton(AF_INET, peer, bytes + 12) == 1)
        return;
    memset(bytes, 0, 16);
    if (inet_pton(AF_INET6, peer, bytes) == 1 && memcmp(bytes, mapped, sizeof(mapped)) != 0)
        memset(bytes + 8, 0, 8);
}

/* Of this address, or with `make` in an empty or the oldest place; NULL: none. */
static struct address *address_find(struct auth *auth, const char *peer, bool make)
{
    uint8_t bytes[16];
    struct address *oldest = &auth->addresses[0];
    int64_t now = sk_clock_mono_ns();
    address_bytes(peer, bytes);
    for (size_t i = 0; i < ADDRESSES_MAX; i++) {
        struct address *a = &auth->addresses[i];
        if (a->wrong > 0 && now - a->since_ns > WRONG_WINDOW_NS)
            a->wrong = 0;
        if (a->wrong > 0 && memcmp(a->bytes, bytes, sizeof(bytes)) == 0)
            return a;
        if (oldest->wrong > 0 && (a->wrong == 0 || a->since_ns < oldest->since_ns))
            oldest = a;
    }
    if (!make)
        return NULL;
    *oldest = (struct address){.since_ns = now};
    memcpy(oldest->bytes, bytes, sizeof(bytes));
    return oldest;
}

static bool is_slowed(struct auth *auth, const char *peer)
{
    const struct address *a = address_find(auth, peer, false);
    return a != NULL && a->wrong >= WRONG_MAX;
}

static void count(const char *labels)
{
    sk_metric_add(
        sk_counter("skald_auth_failures_total", "Requests refused, by what was wrong.", labels), 1);
}

static void wrong_count(struct auth *auth, const char *peer)
{
    struct address *a = address_find(auth, peer, true);
    count("reason=\"credentials\"");
    if (++a->wrong != WRONG_MAX)
        return;
    a->since_ns = sk_clock_mono_ns(); /* slowed from now on */
    sk_log(SK_LOG_WARN, "wrong credentials, the address is slowed for a minute", "peer", peer);
}

/* ---- what was checked lately ---- */

static struct remembered *place_of(struct auth *auth, const uint8_t *mark)
{
    return &auth->remembered[(mark[0] | mark[1] << 8) % REMEMBERED_MAX];
}

static void remember(struct auth *auth, const struct sk_users *users, const uint8_t *mark,
                     size_t user)
{
    struct remembered *r = place_of(auth, mark);
    *r = (struct remembered){.serial = sk_users_serial(users),
                             .user = user,
                             .until_ns = sk_clock_mono_ns() + REMEMBER_NS};
    memcpy(r->mark, mark, sizeof(r->mark));
}

static bool recall(struct auth *auth, const struct sk_users *users, const uint8_t *mark,
                   size_t *ret_user)
{
    const struct remembered *r = place_of(auth, mark);
    if (r->serial != sk_users_serial(users) || r->until_ns < sk_clock_mono_ns() ||
        memcmp(r->mark, mark, sizeof(r->mark)) != 0)
        return false;
    *ret_user = r->user;
    return true;
}

/* ---- credentials ---- */

/* What stands behind "<scheme> "; false: another scheme. */
static bool scheme_take(struct sk_str header, const char *scheme, struct sk_str *ret)
{
    size_t n = strlen(scheme);
    if (header.len <= n || header.ptr[n] != ' ' ||
        !sk_str_eq_nocase((struct sk_str){header.ptr, n}, sk_str_from(scheme)))
        return false;
    *ret = sk_str_trim((struct sk_str){header.ptr + n, header.len - n});
    return true;
}

static bool basic_decode(struct sk_str encoded, struct credentials *c)
{
    size_t len;
    if (!sk_base64_decode(encoded, c->text, sizeof(c->text), &len))
        return false;
    struct sk_str all = {(const char *)c->text, len};
    size_t colon = sk_str_find(all, SK_STR(":"), 0);
    if (colon == SIZE_MAX)
        return false;
    c->name = (struct sk_str){all.ptr, colon};
    c->password = (struct sk_str){all.ptr + colon + 1, all.len - colon - 1};
    return true;
}

/* A token given as the password of its user. */
static size_t token_as_password(const struct sk_users *users, const struct credentials *c)
{
    bool match = false;
    for (size_t i = sk_users_find(users, c->name, 0); i != SIZE_MAX;
         i = sk_users_find(users, c->name, i + 1)) {
        const struct sk_secret *secret = &sk_users_at(users, i)->secret;
        if (secret->kind == SK_SECRET_SHA256 &&
            sk_secret_check(secret, c->password, &match) == SK_OK && match)
            return i;
    }
    return SIZE_MAX;
}

static size_t by_certificate(const struct sk_users *users, const struct sk_http_req *req)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < req->cert_name_count && found == SIZE_MAX; i++)
        found = sk_users_by_cert(users, req->cert_names[i]);
    return found;
}

/* All that needs no scrypt. Counts what is wrong. */
static enum verdict judge(struct auth *auth, const struct sk_users *users,
                          const struct sk_http_req *req, struct credentials *c)
{
    struct sk_str header = sk_http_header_get(req, "Authorization"), given;
    if (header.ptr == NULL) {
        c->user = by_certificate(users, req);
        return c->user == SIZE_MAX ? MISSING : KNOWN;
    }
    bool good = header.len <= HEADER_BYTES_MAX;
    if (good && sk_secret_mark(auth->key, header, c->mark) != SK_OK)
        return SLOWED; /* no memory */
    if (good && recall(auth, users, c->mark, &c->user))
        return KNOWN;
    if (is_slowed(auth, req->peer)) {
        count("reason=\"slowed\"");
        return SLOWED;
    }
    c->user = SIZE_MAX;
    if (good && scheme_take(header, "Bearer", &given)) {
        c->user = sk_users_by_token(users, given);
    } else if (good && scheme_take(header, "Basic", &given) && basic_decode(given, c)) {
        c->user = token_as_password(users, c);
        if (c->user == SIZE_MAX)
            return PASSWORD;
    }
    if (c->user == SIZE_MAX) {
        wrong_count(auth, req->peer);
        return WRONG;
    }
    remember(auth, users, c->mark, c->user);
    return KNOWN;
}

/* ---- answers ---- */

static void refuse(struct call *call, int status, const char *text)
{
    if (status == 401)
        call->resp.headers = SK_STR(CHALLENGE);
    else if (status == 429)
        call->resp.headers = SK_STR("Retry-After: 60\r\n");
    answer_text(call, status, text, false);
    call_finish(call);
}

static enum sk_right right_of(const struct call *call)
{
    const struct route *route = call->route;
    bool read = sk_str_is(call->req->method, "GET") || sk_str_is(call->req->method, "HEAD");
    if (route->flags & ROUTE_PUSH)
        return SK_RIGHT_PUSH;
    if (route->flags & ROUTE_ADMIN)
        return SK_RIGHT_ADMIN;
    if (!read && strstr(route->path, "/delete") != NULL)
        return SK_RIGHT_DELETE;
    if (!read && strstr(route->path, "/rules") != NULL)
        return SK_RIGHT_ADMIN;
    return SK_RIGHT_READ;
}

static void go_on_as(struct call *call, const struct sk_user *user)
{
    char text[512];
    enum sk_right right = right_of(call);
    if ((user->rights & right) != 0) {
        auth_done(call, user);
        return;
    }
    count("reason=\"right\"");
    (void)snprintf(text, sizeof(text), "the user \"%.*s\" has no right to %s%s\n",
                   SK_STR_ARG(user->name), right == SK_RIGHT_ADMIN ? "do what needs " : "",
                   sk_right_name(right));
    refuse(call, 403, text);
}

bool auth_tenant_ok(struct call *call, const struct sk_user *user)
{
    char text[640];
    bool several = call->tenant_count > 0;
    size_t count_all = several ? call->tenant_count : 1;
    for (size_t i = 0; i < count_all; i++) {
        struct sk_str one = several ? call->tenants[i] : call->tenant;
        if (sk_user_has_tenant(user, one))
            continue;
        count("reason=\"tenant\"");
        (void)snprintf(text, sizeof(text), "the user \"%.*s\" may not name the tenant \"%.*s\"",
                       SK_STR_ARG(user->name), SK_STR_ARG(one));
        answer_text(call, 403, text, true);
        return false;
    }
    return true;
}

/* ---- passwords ---- */

static void check_free(struct check *check)
{
    sk_users_drop(check->users);
    sk_budget_release(check->api->opt.query_budget, check->charged);
    sk_secret_wipe(check->text, sizeof(check->text));
    sk_free(check);
}

static void check_ended(struct sk_loopmsg *msg)
{
    struct check *check = SK_CONTAINER_OF(msg, struct check, msg);
    struct auth *auth = check->api->auth;
    struct check **at = &auth->checks;
    while (*at != check)
        at = &(*at)->next;
    *at = check->next;
    auth->check_count--;
    const struct sk_user *user =
        check->found == SIZE_MAX ? NULL : sk_users_at(check->users, check->found);
    if (user != NULL)
        remember(auth, check->users, check->mark, check->found);
    else if (check->err == SK_OK)
        wrong_count(auth, check->peer);
    for (struct call *call = check->waiting, *next; call != NULL; call = next) {
        next = call->auth_next;
        if (user != NULL)
            go_on_as(call, user);
        else if (check->err == SK_OK)
            refuse(call, 401, text_wrong);
        else
            refuse(call, 429, text_busy);
    }
    check_free(check);
}

/* A name that is not there takes as long as one that is. */
static void check_run(struct sk_job *job)
{
    struct check *check = SK_CONTAINER_OF(job, struct check, job);
    bool match = false, any = false;
    check->found = SIZE_MAX;
    for (size_t i = sk_users_find(check->users, check->name, 0);
         i != SIZE_MAX && check->err == SK_OK && !match;
         i = sk_users_find(check->users, check->name, i + 1)) {
        const struct sk_secret *secret = &sk_users_at(check->users, i)->secret;
        if (secret->kind != SK_SECRET_SCRYPT)
            continue;
        any = true;
        check->err = sk_secret_check(secret, check->password, &match);
        if (match)
            check->found = i;
    }
    if (!any) {
        struct sk_secret decoy;
        sk_secret_decoy(&decoy);
        check->err = sk_secret_check(&decoy, check->password, &match);
    }
    check->msg.fn = check_ended;
    sk_loopq_post(check->api->opt.loopq, &check->msg);
}

static uint64_t check_cost(const struct sk_users *users, struct sk_str name)
{
    struct sk_secret decoy;
    sk_secret_decoy(&decoy);
    uint64_t most = sk_secret_cost(&decoy);
    for (size_t i = sk_users_find(users, name, 0); i != SIZE_MAX;
         i = sk_users_find(users, name, i + 1)) {
        uint64_t cost = sk_secret_cost(&sk_users_at(users, i)->secret);
        most = cost > most ? cost : most;
    }
    return most;
}

/* Takes `users` when it returns true; false: too many, or no memory. */
static bool check_begin(struct call *call, struct sk_users *users, const struct credentials *c)
{
    struct auth *auth = call->api->auth;
    uint64_t cost = check_cost(users, c->name);
    if (auth->check_count == CHECKS_MAX || !sk_budget_charge(call->api->opt.query_budget, cost))
        return false;
    struct check *check = sk_calloc(1, sizeof(*check));
    if (check == NULL) {
        sk_budget_release(call->api->opt.query_budget, cost);
        return false;
    }
    check->api = call->api;
    check->charged = cost;
    memcpy(check->mark, c->mark, sizeof(check->mark));
    memcpy(check->text, c->text, sizeof(check->text));
    check->name = (struct sk_str){(const char *)check->text, c->name.len};
    check->password = (struct sk_str){check->name.ptr + c->name.len + 1, c->password.len};
    memcpy(check->peer, call->req->peer, sizeof(check->peer));
    check->job.run = check_run;
    check->waiting = call;
    check->users = users;
    if (sk_workpool_submit(call->api->opt.pool, SK_WORK_QUERY, &check->job) != SK_OK) {
        check->users = NULL;
        check_free(check);
        return false;
    }
    check->next = auth->checks;
    auth->checks = check;
    auth->check_count++;
    return true;
}

/* Joins a check of the same credentials. */
static bool check_join(struct call *call, const struct credentials *c)
{
    for (struct check *k = call->api->auth->checks; k != NULL; k = k->next) {
        if (memcmp(k->mark, c->mark, sizeof(k->mark)) != 0)
            continue;
        call->auth_next = k->waiting;
        k->waiting = call;
        return true;
    }
    return false;
}

/* ---- the door ---- */

static bool is_open(const struct route *route)
{
    return (route->flags & ROUTE_OPEN) != 0;
}

void auth_begin(struct call *call)
{
    struct auth *auth = call->api->auth;
    struct credentials c;
    if (auth == NULL || is_open(call->route)) {
        auth_done(call, NULL);
        return;
    }
    struct sk_users *users = sk_userfile_hold(auth->file);
    switch (judge(auth, users, call->req, &c)) {
    case KNOWN:
        go_on_as(call, sk_users_at(users, c.user));
        break;
    case MISSING:
        if (call->route->flags & ROUTE_ADMIN && from_loopback(call->req)) {
            auth_done(call, NULL);
            break;
        }
        count("reason=\"missing\"");
        refuse(call, 401, text_none);
        break;
    case WRONG:
        refuse(call, 401, text_wrong);
        break;
    case SLOWED:
        refuse(call, 429, text_slowed);
        break;
    case PASSWORD:
        if (check_join(call, &c))
            break;
        if (check_begin(call, users, &c))
            users = NULL;
        else
            refuse(call, 429, text_busy);
        break;
    }
    sk_users_drop(users);
    sk_secret_wipe(&c, sizeof(c));
}

int auth_refusal(struct sk_api *api, const struct route *route, const struct sk_http_req *req,
                 const char **text)
{
    struct auth *auth = api->auth;
    struct credentials c;
    int status = 0;
    if (auth == NULL || route == NULL || is_open(route))
        return 0;
    struct sk_str length = sk_http_header_get(req, "Content-Length");
    bool has_body = (length.ptr != NULL && !sk_str_is(length, "0")) ||
                    sk_http_header_count(req, "Transfer-Encoding") > 0;
    if (!has_body)
        return 0;
    struct sk_users *users = sk_userfile_hold(auth->file);
    switch (judge(auth, users, req, &c)) {
    case MISSING:
        count("reason=\"missing\"");
        *text = text_none;
        status = 401;
        break;
    case WRONG:
        *text = text_wrong;
        status = 401;
        break;
    case SLOWED:
        *text = text_slowed;
        status = 429;
        break;
    case KNOWN:
    case PASSWORD:
        break;
    }
    sk_users_drop(users);
    sk_secret_wipe(&c, sizeof(c));
    return status;
}

enum sk_err auth_create(struct sk_userfile *file, struct auth **ret_auth)
{
    struct auth *auth = sk_calloc(1, sizeof(*auth));
    if (auth == NULL)
        return SK_ENOMEM;
    auth->file = file;
    enum sk_err err = sk_secret_key(auth->key);
    if (err == SK_OK)
        *ret_auth = auth;
    else
        auth_destroy(auth);
    return err;
}

void auth_destroy(struct auth *auth)
{
    if (auth == NULL)
        return;
    sk_assert(auth->checks == NULL);
    sk_free(auth);
}
