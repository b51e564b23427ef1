/* SPDX-License-Identifier: Apache-2.0 */
/* users.c -- see users.h. Lookups walk all lines: there are few, and a walk tells nothing about
 * which of them was near. */
#include "auth/users.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/vfs.h"

#define ARENA_BYTES_MAX      (8u << 20)
#define TENANT_BYTES_MAX     150u
#define NAME_BYTES_MAX       256u
#define SECRETS_PER_NAME_MAX 4u /* each may cost a scrypt */

struct sk_users {
    struct sk_arena arena;
    _Atomic unsigned holders;
    uint64_t serial;
    struct sk_str text;
    struct sk_user *list;
    size_t count;
};

struct sk_userfile {
    const char *path;
    pthread_mutex_t lock; /* of `users` */
    struct sk_users *users;
    pthread_mutex_t reload_lock;
};

/* ---- parsing ---- */

static const struct {
    const char *name;
    enum sk_right right;
} rights[] = {{"push", SK_RIGHT_PUSH},
              {"read", SK_RIGHT_READ},
              {"delete", SK_RIGHT_DELETE},
              {"admin", SK_RIGHT_ADMIN}};

const char *sk_right_name(enum sk_right right)
{
    for (size_t i = 0; i < SK_COUNT_OF(rights); i++)
        if (rights[i].right == right)
            return rights[i].name;
    sk_assert(false);
    return "";
}

/* The next part of a list with commas; false: the list has ended. */
static bool list_next(struct sk_str *list, struct sk_str *ret)
{
    if (list->ptr == NULL)
        return false;
    size_t comma = sk_str_find(*list, SK_STR(","), 0);
    *ret = (struct sk_str){list->ptr, comma == SIZE_MAX ? list->len : comma};
    *list = comma == SIZE_MAX ? (struct sk_str){NULL, 0}
                              : (struct sk_str){list->ptr + comma + 1, list->len - comma - 1};
    return true;
}

enum sk_err sk_rights_parse(struct sk_str text, unsigned *ret_rights, struct sk_error *reterr)
{
    struct sk_str one;
    unsigned all = 0;
    while (list_next(&text, &one)) {
        size_t i = 0;
        while (i < SK_COUNT_OF(rights) && !sk_str_is(one, rights[i].name))
            i++;
        if (i == SK_COUNT_OF(rights))
            return sk_error_set(reterr, SK_EPARSE,
                                "\"%.*s\" is no right; rights are push, read, delete and admin, "
                                "with commas between",
                                SK_STR_ARG(one));
        all |= rights[i].right;
    }
    *ret_rights = all;
    return SK_OK;
}

static enum sk_err tenants_parse(struct sk_arena *arena, struct sk_str text, struct sk_user *user,
                                 struct sk_error *reterr)
{
    struct sk_str one, rest = text;
    size_t count = 1;
    if (sk_str_is(text, "*")) {
        user->all_tenants = true;
        return SK_OK;
    }
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ',';
    struct sk_str *tenants = sk_arena_calloc(arena, count, sizeof(*tenants));
    if (tenants == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    while (list_next(&rest, &one)) {
        if (one.len == 0 || one.len > TENANT_BYTES_MAX || sk_str_is(one, "*") ||
            sk_str_find(one, SK_STR("|"), 0) != SIZE_MAX)
            return sk_error_set(reterr, SK_EPARSE,
                                "\"%.*s\" is no tenant; tenants are names of 1 to 150 bytes with "
                                "commas between, or * alone",
                                SK_STR_ARG(one));
        tenants[user->tenant_count++] = one;
    }
    user->tenants = tenants;
    return SK_OK;
}

/* The next word of a line; empty at its end. */
static struct sk_str word_take(struct sk_str *line)
{
    *line = sk_str_trim(*line);
    size_t n = 0;
    while (n < line->len && line->ptr[n] != ' ' && line->ptr[n] != '\t')
        n++;
    struct sk_str word = {line->ptr, n};
    *line = (struct sk_str){line->ptr + n, line->len - n};
    return word;
}

static enum sk_err line_parse(struct sk_users *users, struct sk_str line, struct sk_error *reterr)
{
    struct sk_user *user = &users->list[users->count];
    *user = (struct sk_user){.name = word_take(&line)};
    struct sk_str secret = word_take(&line), what = word_take(&line), tenants = word_take(&line);
    if (tenants.len == 0 || sk_str_trim(line).len > 0)
        return sk_error_set(reterr, SK_EPARSE,
                            "a line holds four fields: name, secret, rights and tenants, with "
                            "blanks between and none inside");
    for (size_t i = 0; i < user->name.len; i++) {
        unsigned char c = (unsigned char)user->name.ptr[i];
        if (user->name.len > NAME_BYTES_MAX || c < 0x20 || c == 0x7f)
            return sk_error_set(reterr, SK_EPARSE,
                                "a name holds at most 256 bytes and no control characters");
    }
    enum sk_err err = sk_secret_parse(secret, &user->secret, reterr);
    if (err == SK_OK)
        err = sk_rights_parse(what, &user->rights, reterr);
    if (err == SK_OK)
        err = tenants_parse(&users->arena, tenants, user, reterr);
    if (err == SK_OK && user->secret.kind != SK_SECRET_CERT &&
        sk_str_find(user->name, SK_STR(":"), 0) != SIZE_MAX)
        err = sk_error_set(reterr, SK_EPARSE, "Basic cannot carry a name with a colon in it");
    size_t same = 0;
    for (size_t i = 0; i < users->count; i++)
        same += sk_str_eq(users->list[i].name, user->name);
    if (err == SK_OK && same == SECRETS_PER_NAME_MAX)
        err = sk_error_set(reterr, SK_EPARSE, "a name may stand in at most 4 lines");
    if (err == SK_OK)
        users->count++;
    return err;
}

static enum sk_err lines_parse(struct sk_users *users, const char *file, struct sk_error *reterr)
{
    struct sk_str text = users->text;
    struct sk_error why;
    unsigned number = 0;
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    users->list = sk_arena_calloc(&users->arena, lines < SK_USERS_MAX ? lines : SK_USERS_MAX,
                                  sizeof(*users->list));
    if (users->list == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "%s: out of memory", file);
    for (size_t at = 0; at < text.len;) {
        size_t end = sk_str_find(text, SK_STR("\n"), at);
        end = end == SIZE_MAX ? text.len : end;
        struct sk_str line = sk_str_trim((struct sk_str){text.ptr + at, end - at});
        at = end + 1;
        number++;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (users->count == SK_USERS_MAX)
            return sk_error_set(reterr, SK_EPARSE, "%s:%u: more than %u users", file, number,
                                SK_USERS_MAX);
        enum sk_err err = line_parse(users, line, &why);
        if (err != SK_OK)
            return sk_error_set_at(reterr, err, number, "%s:%u: %s", file, number, why.text);
    }
    return SK_OK;
}

enum sk_err sk_users_parse(struct sk_str text, const char *file, struct sk_users **ret_users,
                           struct sk_error *reterr)
{
    static _Atomic uint64_t serials;
    struct sk_users *users = sk_calloc(1, sizeof(*users));
    if (users == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "%s: out of memory", file);
    sk_arena_init(&users->arena, ARENA_BYTES_MAX, NULL);
    atomic_init(&users->holders, 1);
    users->serial = atomic_fetch_add(&serials, 1) + 1;
    users->text = sk_arena_str(&users->arena, text);
    enum sk_err err = users->text.ptr == NULL && text.len > 0
                          ? sk_error_set(reterr, SK_ENOMEM, "%s: out of memory", file)
                          : lines_parse(users, file, reterr);
    if (err == SK_OK)
        *ret_users = users;
    else
        sk_users_drop(users);
    return err;
}

void sk_users_drop(struct sk_users *users)
{
    if (users == NULL || atomic_fetch_sub(&users->holders, 1) > 1)
        return;
    sk_arena_deinit(&users->arena);
    sk_free(users);
}

/* ---- looking up ---- */

size_t sk_users_count(const struct sk_users *users)
{
    return users->count;
}

const struct sk_user *sk_users_at(const struct sk_users *users, size_t idx)
{
    sk_assert(idx < users->count);
    return &users->list[idx];
}

uint64_t sk_users_serial(const struct sk_users *users)
{
    return users->serial;
}

size_t sk_users_find(const struct sk_users *users, struct sk_str name, size_t from)
{
    for (size_t i = from; i < users->count; i++)
        if (sk_str_eq(users->list[i].name, name))
            return i;
    return SIZE_MAX;
}

size_t sk_users_by_token(const struct sk_users *users, struct sk_str token)
{
    size_t found = SIZE_MAX;
    struct sk_secret wanted;
    if (token.len > SK_SECRET_TEXT_BYTES_MAX || sk_secret_from_token(token, &wanted) != SK_OK)
        return SIZE_MAX;
    for (size_t i = 0; i < users->count; i++)
        if (users->list[i].secret.kind == SK_SECRET_SHA256 &&
            sk_secret_equal(&users->list[i].secret, &wanted) && found == SIZE_MAX)
            found = i;
    return found;
}

size_t sk_users_by_cert(const struct sk_users *users, struct sk_str name)
{
    for (size_t i = 0; i < users->count; i++)
        if (users->list[i].secret.kind == SK_SECRET_CERT && sk_str_eq(users->list[i].name, name))
            return i;
    return SIZE_MAX;
}

bool sk_user_has_tenant(const struct sk_user *user, struct sk_str tenant)
{
    for (size_t i = 0; i < user->tenant_count; i++)
        if (sk_str_eq(user->tenants[i], tenant))
            return true;
    return user->all_tenants;
}

/* ---- the file ---- */

enum sk_err sk_userfile_reload(struct sk_userfile *file, bool *ret_changed, struct sk_error *reterr)
{
    struct sk_strbuf text;
    struct sk_users *fresh = NULL;
    sk_strbuf_init(&text, SK_USERS_FILE_BYTES_MAX + 1);
    (void)pthread_mutex_lock(&file->reload_lock); /* fails for damaged locks only */
    enum sk_err err = sk_vfs_read_file(sk_vfs_posix(), file->path, SK_USERS_FILE_BYTES_MAX, &text);
    if (err != SK_OK)
        (void)sk_error_set(reterr, err, "-skald.users-file: %s: %s", file->path,
                           err == SK_ELIMIT ? "larger than 1 MiB" : sk_err_text(err));
    bool changed = err == SK_OK &&
                   (file->users == NULL || !sk_str_eq(file->users->text, sk_strbuf_view(&text)));
    if (changed)
        err = sk_users_parse(sk_strbuf_view(&text), file->path, &fresh, reterr);
    if (fresh != NULL) {
        (void)pthread_mutex_lock(&file->lock);
        struct sk_users *old = file->users;
        file->users = fresh;
        (void)pthread_mutex_unlock(&file->lock);
        sk_users_drop(old);
    }
    (void)pthread_mutex_unlock(&file->reload_lock);
    sk_strbuf_deinit(&text);
    if (err == SK_OK)
        *ret_changed = changed;
    return err;
}

struct sk_users *sk_userfile_hold(struct sk_userfile *file)
{
    (void)pthread_mutex_lock(&file->lock);
    struct sk_users *users = file->users;
    atomic_fetch_add(&users->holders, 1);
    (void)pthread_mutex_unlock(&file->lock);
    return users;
}

enum sk_err sk_userfile_create(const char *path, struct sk_userfile **ret_file,
                               struct sk_error *reterr)
{
    bool changed;
    struct sk_userfile *file = sk_calloc(1, sizeof(*file));
    if (file == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    file->path = path;
    (void)pthread_mutex_init(&file->lock, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&file->reload_lock, NULL);
    enum sk_err err = sk_userfile_reload(file, &changed, reterr);
    if (err == SK_OK)
        *ret_file = file;
    else
        sk_userfile_destroy(file);
    return err;
}

void sk_userfile_destroy(struct sk_userfile *file)
{
    if (file == NULL)
        return;
    sk_users_drop(file->users);
    (void)pthread_mutex_destroy(&file->reload_lock);
    (void)pthread_mutex_destroy(&file->lock);
    sk_free(file);
}
