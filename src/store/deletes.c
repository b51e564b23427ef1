/* SPDX-License-Identifier: Apache-2.0 */
/* deletes.c -- see deletes.h. A tenant's requests are one array; a change makes the next one, puts
 * its text into the file, and then the array in the place of the old one. */
#include "store/deletes.h"

#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/gotext.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/jsonout.h"
#include "base/jsonscan.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "base/vfs.h"
#include "objstore/objkey.h"

#define HEAD   "skald-deletes 1 "
#define CRC    "crc32c "
#define SUFFIX ".deletes"
#define MS_MAX (INT64_MAX / SK_NS_PER_MS)

/* One version of a tenant's requests, with all its texts. */
struct version {
    struct sk_arena arena;
    struct sk_delete *items;
    size_t count;
    int64_t generation_ns;
};

struct tenant {
    struct sk_str name; /* behind the struct */
    struct version *now;
};

struct sk_deletes {
    const struct sk_vfs *vfs;
    char *folder;
    struct sk_budget *budget;
    pthread_mutex_t change; /* held over a whole change, files included */
    pthread_mutex_t lock;   /* tenants and their versions; never held over a file call */
    struct sk_hmap tenants;
};

/* ---- formats ---- */

enum sk_err sk_delete_time_parse(struct sk_str text, int64_t *ret_ms)
{
    enum { SECONDS_LEN_MAX = 10 };
    int64_t n;
    if (text.len <= SECONDS_LEN_MAX && sk_str_to_i64(text, &n)) {
        *ret_ms = n * 1000;
        return SK_OK;
    }
    if (sk_rfc3339_parse(text, &n) != SK_OK)
        return SK_EPARSE;
    *ret_ms = n / SK_NS_PER_MS - (n % SK_NS_PER_MS < 0);
    return SK_OK;
}

void sk_deletes_encode(struct sk_strbuf *out, int64_t generation_ns, const struct sk_delete *items,
                       size_t count)
{
    sk_strbuf_printf(out, HEAD "%lld\n", (long long)generation_ns);
    for (size_t i = 0; i < count; i++) {
        const struct sk_delete *d = &items[i];
        sk_strbuf_printf(
            out, "{\"id\":\"%s\",\"start\":%lld,\"end\":%lld,\"created\":%lld,\"query\":", d->id,
            (long long)d->start_ms, (long long)d->end_ms, (long long)d->created_ms);
        sk_json_string(out, d->query);
        sk_strbuf_puts(out, "}\n");
    }
    if (!out->failed)
        sk_strbuf_printf(out, CRC "%08x\n", sk_crc32c(sk_slice_of_str(sk_strbuf_view(out))));
}

static bool line_take(struct sk_str *text, struct sk_str *ret)
{
    size_t n = sk_str_find(*text, SK_STR("\n"), 0);
    if (n == SIZE_MAX)
        return false;
    *ret = (struct sk_str){text->ptr, n};
    *text = (struct sk_str){text->ptr + n + 1, text->len - n - 1};
    return true;
}

static bool id_valid(struct sk_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if ((id.ptr[i] < '0' || id.ptr[i] > '9') && (id.ptr[i] < 'a' || id.ptr[i] > 'f'))
            return false;
    }
    return id.len == SK_DELETE_ID_LEN;
}

static bool time_decode(struct sk_json *j, int64_t *ret)
{
    struct sk_str text;
    return sk_json_skip(j, &text) && sk_str_to_i64(text, ret) && *ret >= -MS_MAX && *ret <= MS_MAX;
}

static bool member_decode(struct sk_arena *arena, struct sk_json *j, struct sk_delete *d)
{
    struct sk_json_text key, value;
    struct sk_str name, text;
    if (!sk_json_key(j, &key) || !sk_json_text_get(arena, key, &name))
        return false;
    if (sk_str_is(name, "start"))
        return time_decode(j, &d->start_ms);
    if (sk_str_is(name, "end"))
        return time_decode(j, &d->end_ms);
    if (sk_str_is(name, "created"))
        return time_decode(j, &d->created_ms);
    if (!sk_json_string_scan(j, &value) || !sk_json_text_get(arena, value, &text))
        return false;
    if (sk_str_is(name, "query")) {
        d->query = sk_arena_str(arena, text);
        return d->query.ptr != NULL && text.len <= SK_DELETE_QUERY_BYTES_MAX && sk_utf8_valid(text);
    }
    if (!sk_str_is(name, "id") || !id_valid(text))
        return false;
    memcpy(d->id, text.ptr, SK_DELETE_ID_LEN);
    return true;
}

static bool request_decode(struct sk_arena *arena, struct sk_str line, struct sk_delete *d)
{
    struct sk_json j = {line.ptr, line.ptr + line.len};
    bool empty, more = true;
    *d = (struct sk_delete){.id = ""};
    if (!sk_json_enter(&j, '{', &empty) || empty)
        return false;
    while (more) {
        if (!member_decode(arena, &j, d) || !sk_json_more(&j, '}', &more))
            return false;
    }
    return j.p == j.end && d->id[0] != '\0' && d->query.ptr != NULL && d->start_ms <= d->end_ms;
}

/* The text without its last line, whose checksum it must have. */
static bool crc_check(struct sk_str *text)
{
    enum { LAST_LEN = sizeof(CRC) - 1 + 8 + 1 };
    char last[LAST_LEN + 1];
    if (text->len < LAST_LEN)
        return false;
    struct sk_str body = {text->ptr, text->len - LAST_LEN};
    (void)snprintf(last, sizeof(last), CRC "%08x\n", sk_crc32c(sk_slice_of_str(body)));
    if (memcmp(body.ptr + body.len, last, LAST_LEN) != 0)
        return false;
    *text = body;
    return true;
}

enum sk_err sk_deletes_decode(struct sk_arena *arena, struct sk_str text,
                              int64_t *ret_generation_ns, struct sk_delete **ret_items,
                              size_t *ret_count)
{
    struct sk_str line, head = SK_STR(HEAD);
    int64_t generation;
    size_t lines = 0, n = 0;
    if (!crc_check(&text) || !line_take(&text, &line) || !sk_str_starts(line, head) ||
        !sk_str_to_i64((struct sk_str){line.ptr + head.len, line.len - head.len}, &generation))
        return SK_ECORRUPT;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    if (lines > SK_DELETES_MAX)
        return SK_ECORRUPT;
    struct sk_delete *items = sk_arena_calloc(arena, lines + 1, sizeof(*items));
    if (items == NULL)
        return SK_ENOMEM;
    while (line_take(&text, &line)) {
        if (!request_decode(arena, line, &items[n++]))
            return SK_ECORRUPT;
    }
    if (text.len > 0)
        return SK_ECORRUPT;
    *ret_generation_ns = generation;
    *ret_items = items;
    *ret_count = n;
    return SK_OK;
}

/* ---- versions ---- */

static void version_destroy(struct version *v)
{
    if (v == NULL)
        return;
    sk_arena_deinit(&v->arena);
    sk_free(v);
}

static struct version *version_create(struct sk_deletes *d)
{
    struct version *v = sk_calloc(1, sizeof(*v));
    if (v != NULL)
        sk_arena_init(&v->arena, SK_DELETE_FILE_BYTES_MAX, d->budget);
    return v;
}

/* Room for one more than `from` has (which may be NULL), and its requests but `without`. */
static enum sk_err version_next(struct sk_deletes *d, const struct version *from,
                                struct sk_str without, struct version **ret)
{
    struct version *v = version_create(d);
    size_t count = from == NULL ? 0 : from->count;
    if (v == NULL)
        return SK_ENOMEM;
    v->items = sk_arena_calloc(&v->arena, count + 1, sizeof(*v->items));
    bool good = v->items != NULL;
    for (size_t i = 0; i < count && good; i++) {
        if (sk_str_is(without, from->items[i].id))
            continue;
        v->items[v->count] = from->items[i];
        v->items[v->count].query = sk_arena_str(&v->arena, from->items[i].query);
        good = v->items[v->count++].query.ptr != NULL;
    }
    if (!good) {
        version_destroy(v);
        return SK_ENOMEM;
    }
    int64_t now = sk_clock_now_ns(), last = from == NULL ? 0 : from->generation_ns;
    v->generation_ns = now > last ? now : last + 1;
    *ret = v;
    return SK_OK;
}

/* ---- tenants ---- */

static struct tenant *tenant_find(struct sk_deletes *d, struct sk_str name)
{
    uint64_t hash = sk_hash_mem(name.ptr, name.len);
    for (size_t at = sk_hmap_first(&d->tenants, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&d->tenants, hash, at)) {
        struct tenant *t = d->tenants.slots[at].value;
        if (sk_str_eq(t->name, name))
            return t;
    }
    return NULL;
}

/* The one with this name, new when there is none; NULL: out of memory. */
static struct tenant *tenant_get(struct sk_deletes *d, struct sk_str name)
{
    struct tenant *t = tenant_find(d, name);
    if (t != NULL)
        return t;
    t = sk_malloc(sizeof(*t) + name.len);
    if (t == NULL)
        return NULL;
    memcpy((char *)(t + 1), name.ptr, name.len);
    *t = (struct tenant){.name = {(char *)(t + 1), name.len}};
    if (!sk_hmap_add(&d->tenants, sk_hash_mem(name.ptr, name.len), t)) {
        sk_free(t);
        return NULL;
    }
    return t;
}

/* `change` is held. Takes `v`, in any case. */
static enum sk_err tenant_put(struct sk_deletes *d, struct sk_str name, struct version *v)
{
    struct sk_strbuf path, text;
    sk_strbuf_init(&path, 65536);
    sk_strbuf_init(&text, SK_DELETE_FILE_BYTES_MAX);
    sk_strbuf_printf(&path, "%s/%.*s" SUFFIX, d->folder, SK_STR_ARG(name));
    sk_deletes_encode(&text, v->generation_ns, v->items, v->count);
    pthread_mutex_lock(&d->lock);
    struct tenant *t = tenant_get(d, name);
    pthread_mutex_unlock(&d->lock);
    enum sk_err err = path.failed || text.failed || t == NULL ? SK_ENOMEM : SK_OK;
    if (err == SK_OK)
        err = sk_vfs_mkdirs(d->vfs, d->folder);
    if (err == SK_OK)
        err = sk_vfs_replace(d->vfs, path.ptr, sk_slice_of_str(sk_strbuf_view(&text)));
    if (err == SK_OK) {
        pthread_mutex_lock(&d->lock);
        struct version *old = t->now;
        t->now = v;
        pthread_mutex_unlock(&d->lock);
        v = old;
    }
    version_destroy(v);
    sk_strbuf_deinit(&text);
    sk_strbuf_deinit(&path);
    return err;
}

static const struct version *tenant_version(struct sk_deletes *d, struct sk_str name)
{
    pthread_mutex_lock(&d->lock);
    const struct tenant *t = tenant_find(d, name);
    const struct version *v = t == NULL ? NULL : t->now;
    pthread_mutex_unlock(&d->lock);
    return v;
}

static bool id_known(const struct version *v, const char *id)
{
    for (size_t i = 0; v != NULL && i < v->count; i++) {
        if (strcmp(v->items[i].id, id) == 0)
            return true;
    }
    return false;
}

static void id_make(const struct version *v, const struct sk_delete *d,
                    char ret_id[SK_DELETE_ID_LEN + 1])
{
    uint64_t h = sk_hash_mem(d->query.ptr, d->query.len) ^ (uint64_t)sk_clock_now_ns();
    do {
        h = (h ^ (uint64_t)d->start_ms) * 0x9e3779b97f4a7c15u + (uint64_t)d->end_ms;
        (void)snprintf(ret_id, SK_DELETE_ID_LEN + 1, "%08x", (unsigned)(h >> 32));
    } while (id_known(v, ret_id));
}

enum sk_err sk_deletes_add(struct sk_deletes *d, struct sk_str tenant, const struct sk_delete *like,
                           char ret_id[SK_DELETE_ID_LEN + 1])
{
    struct version *next = NULL;
    sk_assert(sk_tenant_valid(tenant) && like->start_ms <= like->end_ms &&
              sk_utf8_valid(like->query));
    pthread_mutex_lock(&d->change);
    const struct version *now = tenant_version(d, tenant);
    enum sk_err err = now != NULL && now->count >= SK_DELETES_MAX ? SK_ELIMIT : SK_OK;
    if (err == SK_OK)
        err = version_next(d, now, (struct sk_str){NULL, 0}, &next);
    if (err == SK_OK) {
        struct sk_delete *item = &next->items[next->count];
        *item = *like;
        item->query = sk_arena_str(&next->arena, like->query);
        id_make(now, like, item->id);
        next->count++;
        char id[SK_DELETE_ID_LEN + 1];
        memcpy(id, item->id, sizeof(id));
        if (item->query.ptr == NULL) {
            version_destroy(next);
            err = SK_ENOMEM;
        } else {
            err = tenant_put(d, tenant, next);
        }
        if (err == SK_OK)
            memcpy(ret_id, id, sizeof(id));
    }
    pthread_mutex_unlock(&d->change);
    return err;
}

enum sk_err sk_deletes_cancel(struct sk_deletes *d, struct sk_str tenant, struct sk_str id)
{
    struct version *next = NULL;
    enum sk_err err = SK_OK;
    sk_assert(sk_tenant_valid(tenant));
    pthread_mutex_lock(&d->change);
    const struct version *now = tenant_version(d, tenant);
    size_t count = now == NULL ? 0 : now->count;
    if (count > 0 || id.len > 0)
        err = version_next(d, id.len > 0 ? now : NULL, id, &next);
    if (err == SK_OK && id.len > 0 && next->count == count) {
        version_destroy(next);
        next = NULL;
        err = SK_ENOENT;
    }
    if (err == SK_OK && next != NULL)
        err = tenant_put(d, tenant, next);
    pthread_mutex_unlock(&d->change);
    return err;
}

enum sk_err sk_deletes_list(struct sk_deletes *d, struct sk_str tenant, struct sk_arena *arena,
                            const struct sk_delete **ret, size_t *ret_count)
{
    enum sk_err err = SK_OK;
    struct sk_delete *items = NULL;
    pthread_mutex_lock(&d->lock);
    const struct tenant *t = tenant_find(d, tenant);
    const struct version *v = t == NULL ? NULL : t->now;
    size_t count = v == NULL ? 0 : v->count;
    if (count > 0) {
        items = sk_arena_calloc(arena, count, sizeof(*items));
        err = items == NULL ? SK_ENOMEM : SK_OK;
    }
    for (size_t i = 0; i < count && err == SK_OK; i++) {
        items[i] = v->items[i];
        items[i].query = sk_arena_str(arena, v->items[i].query);
        err = items[i].query.ptr == NULL ? SK_ENOMEM : SK_OK;
    }
    pthread_mutex_unlock(&d->lock);
    if (err == SK_OK) {
        *ret = items;
        *ret_count = count;
    }
    return err;
}

int64_t sk_deletes_generation(struct sk_deletes *d, struct sk_str tenant)
{
    pthread_mutex_lock(&d->lock);
    const struct tenant *t = tenant_find(d, tenant);
    int64_t ns = t == NULL || t->now == NULL ? 0 : t->now->generation_ns;
    pthread_mutex_unlock(&d->lock);
    return ns;
}

/* ---- life ---- */

struct load {
    struct sk_deletes *d;
    struct sk_error *reterr;
};

static enum sk_err file_load(void *ctx, struct sk_str name, bool is_dir)
{
    struct load *l = ctx;
    struct sk_deletes *d = l->d;
    struct sk_strbuf path, text;
    struct sk_str file = name, suffix = SK_STR(SUFFIX);
    if (is_dir || !sk_str_ends(name, suffix))
        return SK_OK; /* not ours, or left by a crash */
    name.len -= suffix.len;
    if (!sk_tenant_valid(name))
        return SK_OK;
    struct version *v = version_create(d);
    struct tenant *t = tenant_get(d, name);
    sk_strbuf_init(&path, 65536);
    sk_strbuf_init(&text, SK_DELETE_FILE_BYTES_MAX);
    sk_strbuf_printf(&path, "%s/%.*s", d->folder, SK_STR_ARG(file));
    enum sk_err err = v == NULL || t == NULL || path.failed ? SK_ENOMEM : SK_OK;
    if (err == SK_OK)
        err = sk_vfs_read_file(d->vfs, path.ptr, SK_DELETE_FILE_BYTES_MAX, &text);
    if (err == SK_OK)
        err = sk_deletes_decode(&v->arena, sk_strbuf_view(&text), &v->generation_ns, &v->items,
                                &v->count);
    if (err == SK_OK) {
        t->now = v;
        v = NULL;
    } else {
        err = sk_error_set(l->reterr, err, "the delete requests in %s cannot be read: %s",
                           path.failed ? "?" : path.ptr, sk_err_text(err));
    }
    version_destroy(v);
    sk_strbuf_deinit(&text);
    sk_strbuf_deinit(&path);
    return err;
}

enum sk_err sk_deletes_create(const struct sk_deletes_options *opt, struct sk_deletes **ret_deletes,
                              struct sk_error *reterr)
{
    struct sk_deletes *d = sk_calloc(1, sizeof(*d));
    size_t n = strlen(opt->folder) + 1;
    char *folder = sk_malloc(n);
    if (d == NULL || folder == NULL) {
        sk_free(d);
        sk_free(folder);
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    }
    memcpy(folder, opt->folder, n);
    *d = (struct sk_deletes){.vfs = opt->vfs, .folder = folder, .budget = opt->budget};
    pthread_mutex_init(&d->change, NULL);
    pthread_mutex_init(&d->lock, NULL);
    struct load l = {d, reterr};
    *reterr = (struct sk_error){.text = ""};
    enum sk_err err = d->vfs->list(d->vfs, folder, file_load, &l);
    if (err == SK_ENOENT && reterr->text[0] == '\0')
        err = SK_OK; /* none yet */
    if (err != SK_OK) {
        if (reterr->text[0] == '\0')
            (void)sk_error_set(reterr, err, "cannot list %s: %s", folder, sk_err_text(err));
        sk_deletes_destroy(d);
        return err;
    }
    *ret_deletes = d;
    return SK_OK;
}

void sk_deletes_destroy(struct sk_deletes *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < sk_hmap_slots(&d->tenants); i++) {
        struct tenant *t = d->tenants.slots[i].value;
        if (t == NULL)
            continue;
        version_destroy(t->now);
        sk_free(t);
    }
    sk_hmap_deinit(&d->tenants);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->change);
    sk_free(d->folder);
    sk_free(d);
}
