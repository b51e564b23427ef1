/* SPDX-License-Identifier: Apache-2.0 */
/* objstore.c -- dispatch, and the store over a file system. A put and a delete of a neighbour may
 * meet: the folder that the put has made is empty for a moment and may be taken away, so the put
 * makes it again, a few times at most. */
#include "objstore/objstore.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/hmap.h"

enum { KEY_BYTES_MAX = 4096, PATH_BYTES_MAX = 16384, PUT_TRIES_MAX = 5 };

#define TMP_PREFIX "obj-"

struct fs_store {
    struct sk_objstore store;
    const struct sk_vfs *vfs;
    char *root;
    char *tmp_dir;
    _Atomic uint64_t tmp_count;
    pthread_mutex_t lock;
    struct sk_hmap unsynced; /* paths of folders that changed since their last sync; owned */
};

bool sk_objstore_key_valid(struct sk_str key)
{
    if (key.len == 0 || key.len > KEY_BYTES_MAX || memchr(key.ptr, '\0', key.len) != NULL)
        return false;
    size_t start = 0;
    for (size_t i = 0; i <= key.len; i++) {
        if (i < key.len && key.ptr[i] != '/')
            continue;
        struct sk_str part = {key.ptr + start, i - start};
        if (part.len == 0 || sk_str_is(part, ".") || sk_str_is(part, ".."))
            return false;
        start = i + 1;
    }
    return true;
}

enum sk_err sk_objstore_put(struct sk_objstore *store, struct sk_str key, struct sk_slice data)
{
    return sk_objstore_key_valid(key) ? store->ops->put(store, key, data) : SK_EINVAL;
}

enum sk_err sk_objstore_sync(struct sk_objstore *store)
{
    return store->ops->sync(store);
}

enum sk_err sk_objstore_get(struct sk_objstore *store, struct sk_str key, size_t max_bytes,
                            struct sk_strbuf *out)
{
    return sk_objstore_key_valid(key) ? store->ops->get(store, key, max_bytes, out) : SK_EINVAL;
}

enum sk_err sk_objstore_delete(struct sk_objstore *store, struct sk_str key)
{
    return sk_objstore_key_valid(key) ? store->ops->remove(store, key) : SK_EINVAL;
}

enum sk_err sk_objstore_stat(struct sk_objstore *store, struct sk_str key, uint64_t *ret_bytes)
{
    return sk_objstore_key_valid(key) ? store->ops->stat(store, key, ret_bytes) : SK_EINVAL;
}

enum sk_err sk_objstore_list(struct sk_objstore *store, struct sk_str folder, sk_vfs_list_fn *fn,
                             void *ctx)
{
    if (folder.len > 0 && !sk_objstore_key_valid(folder))
        return SK_EINVAL;
    return store->ops->list(store, folder, fn, ctx);
}

void sk_objstore_destroy(struct sk_objstore *store)
{
    if (store != NULL)
        store->ops->destroy(store);
}

static struct fs_store *fs_of(struct sk_objstore *store)
{
    return SK_CONTAINER_OF(store, struct fs_store, store);
}

/* <root>/<key>, or the root itself. Heap text. */
static char *path_of(const struct fs_store *fs, struct sk_str key)
{
    struct sk_strbuf path;
    sk_strbuf_init(&path, PATH_BYTES_MAX);
    sk_strbuf_puts(&path, fs->root);
    if (key.len > 0) {
        sk_strbuf_putc(&path, '/');
        sk_strbuf_str(&path, key);
    }
    if (path.failed)
        sk_strbuf_deinit(&path);
    return sk_strbuf_take(&path);
}

/* ---- folders that wait for their sync ---- */

static bool unsynced_has(const struct fs_store *fs, struct sk_str dir, uint64_t hash)
{
    for (size_t at = sk_hmap_first(&fs->unsynced, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&fs->unsynced, hash, at)) {
        if (sk_str_is(dir, fs->unsynced.slots[at].value))
            return true;
    }
    return false;
}

static enum sk_err unsynced_add(struct fs_store *fs, struct sk_str dir)
{
    uint64_t hash = sk_hash_mem(dir.ptr, dir.len);
    enum sk_err err = SK_OK;
    pthread_mutex_lock(&fs->lock);
    if (!unsynced_has(fs, dir, hash)) {
        char *copy = sk_memdup0(dir.ptr, dir.len);
        if (copy == NULL || !sk_hmap_add(&fs->unsynced, hash, copy)) {
            sk_free(copy);
            err = SK_ENOMEM;
        }
    }
    pthread_mutex_unlock(&fs->lock);
    return err;
}

static void unsynced_free(struct sk_hmap *dirs)
{
    for (size_t i = 0; i < sk_hmap_slots(dirs); i++)
        sk_free(dirs->slots[i].value);
    sk_hmap_deinit(dirs);
}

static enum sk_err fs_sync(struct sk_objstore *store)
{
    struct fs_store *fs = fs_of(store);
    enum sk_err err = SK_OK;
    pthread_mutex_lock(&fs->lock);
    struct sk_hmap dirs = fs->unsynced;
    fs->unsynced = (struct sk_hmap){0};
    pthread_mutex_unlock(&fs->lock);
    for (size_t i = 0; i < sk_hmap_slots(&dirs); i++) {
        const char *dir = dirs.slots[i].value;
        if (dir == NULL)
            continue;
        if (err == SK_OK) {
            err = sk_vfs_fsync_dir(fs->vfs, dir);
            if (err == SK_ENOENT) /* its objects were deleted, and it with them */
                err = SK_OK;
        }
        if (err != SK_OK && unsynced_add(fs, sk_str_from(dir)) != SK_OK)
            err = SK_ENOMEM;
    }
    unsynced_free(&dirs);
    return err;
}

/* The last '/' of a path below the root. */
static size_t slash_before(const char *path, size_t len)
{
    while (path[len - 1] != '/')
        len--;
    return len - 1;
}

/* Makes the folders of `path` between the root and its last part. */
static enum sk_err parents_make(struct fs_store *fs, char *path)
{
    size_t root = strlen(fs->root);
    for (char *p = path + root + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        enum sk_err err = fs->vfs->mkdir(fs->vfs, path, SK_VFS_DIR_MODE);
        if (err == SK_OK)
            err = unsynced_add(fs, (struct sk_str){path, slash_before(path, (size_t)(p - path))});
        *p = '/';
        if (err != SK_OK && err != SK_EEXIST)
            return err;
    }
    return SK_OK;
}

/* The folder is noted when the name is there: a sync that goes on meanwhile may have come too soon
 * for it. */
static enum sk_err put_named(struct fs_store *fs, const char *tmp, char *path)
{
    enum sk_err err = fs->vfs->rename(fs->vfs, tmp, path);
    for (int i = 0; i < PUT_TRIES_MAX && err == SK_ENOENT; i++) {
        err = parents_make(fs, path);
        if (err == SK_OK)
            err = fs->vfs->rename(fs->vfs, tmp, path);
    }
    if (err != SK_OK) {
        (void)fs->vfs->unlink(fs->vfs, tmp); /* best effort; the first error is the answer */
        return err;
    }
    return unsynced_add(fs, (struct sk_str){path, slash_before(path, strlen(path))});
}

static enum sk_err fs_put(struct sk_objstore *store, struct sk_str key, struct sk_slice data)
{
    struct fs_store *fs = fs_of(store);
    struct sk_strbuf tmp;
    char *path = path_of(fs, key);
    sk_strbuf_init(&tmp, PATH_BYTES_MAX);
    sk_strbuf_printf(&tmp, "%s/" TMP_PREFIX "%ld-%llu", fs->tmp_dir, (long)getpid(),
                     (unsigned long long)atomic_fetch_add(&fs->tmp_count, 1));
    enum sk_err err = path == NULL || tmp.failed ? SK_ENOMEM : SK_OK;
    if (err == SK_OK)
        err = sk_vfs_write_synced(fs->vfs, tmp.ptr, data);
    if (err == SK_OK)
        err = put_named(fs, tmp.ptr, path);
    sk_strbuf_deinit(&tmp);
    sk_free(path);
    return err;
}

static enum sk_err fs_get(struct sk_objstore *store, struct sk_str key, size_t max_bytes,
                          struct sk_strbuf *out)
{
    struct fs_store *fs = fs_of(store);
    char *path = path_of(fs, key);
    if (path == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_vfs_read_file(fs->vfs, path, max_bytes, out);
    sk_free(path);
    return err;
}

/* Removes empty folders from the parent of `path` upwards, not the root, and makes the last change
 * durable. `path` is cut on the way. */
static enum sk_err parents_prune(const struct fs_store *fs, char *path)
{
    size_t root_len = strlen(fs->root);
    enum sk_err err;
    for (;;) {
        char *slash = strrchr(path, '/');
        sk_assert(slash != NULL && (size_t)(slash - path) >= root_len);
        *slash = '\0';
        if ((size_t)(slash - path) == root_len)
            break;
        err = fs->vfs->rmdir(fs->vfs, path);
        if (err == SK_EEXIST)
            break; /* not empty */
        if (err != SK_OK && err != SK_ENOENT)
            return err;
    }
    err = sk_vfs_fsync_dir(fs->vfs, path);
    return err == SK_ENOENT ? SK_OK : err; /* someone else has removed it, and synced */
}

static enum sk_err fs_remove(struct sk_objstore *store, struct sk_str key)
{
    struct fs_store *fs = fs_of(store);
    char *path = path_of(fs, key);
    if (path == NULL)
        return SK_ENOMEM;
    enum sk_err err = fs->vfs->unlink(fs->vfs, path);
    if (err == SK_OK)
        err = parents_prune(fs, path);
    sk_free(path);
    return err;
}

static enum sk_err fs_stat(struct sk_objstore *store, struct sk_str key, uint64_t *ret_bytes)
{
    struct fs_store *fs = fs_of(store);
    struct sk_vfs_stat st;
    char *path = path_of(fs, key);
    if (path == NULL)
        return SK_ENOMEM;
    enum sk_err err = fs->vfs->stat(fs->vfs, path, &st);
    sk_free(path);
    if (err == SK_OK && !st.is_file)
        err = SK_ENOENT;
    if (err == SK_OK)
        *ret_bytes = st.size_bytes;
    return err;
}

static enum sk_err fs_list(struct sk_objstore *store, struct sk_str folder, sk_vfs_list_fn *fn,
                           void *ctx)
{
    struct fs_store *fs = fs_of(store);
    struct sk_vfs_stat st;
    char *path = path_of(fs, folder);
    if (path == NULL)
        return SK_ENOMEM;
    enum sk_err err = fs->vfs->stat(fs->vfs, path, &st);
    if (err == SK_OK)
        err = fs->vfs->list(fs->vfs, path, fn, ctx);
    else if (err == SK_ENOENT)
        err = SK_OK;
    sk_free(path);
    return err;
}

static void fs_destroy(struct sk_objstore *store)
{
    struct fs_store *fs = fs_of(store);
    unsynced_free(&fs->unsynced);
    pthread_mutex_destroy(&fs->lock);
    sk_free(fs->root);
    sk_free(fs->tmp_dir);
    sk_free(fs);
}

/* Removes what an earlier process left in the temporary folder. */
static enum sk_err leftover_remove(void *ctx, struct sk_str name, bool is_dir)
{
    const struct fs_store *fs = ctx;
    struct sk_strbuf path;
    if (is_dir || !sk_str_starts(name, SK_STR(TMP_PREFIX)))
        return SK_OK;
    sk_strbuf_init(&path, PATH_BYTES_MAX);
    sk_strbuf_printf(&path, "%s/%.*s", fs->tmp_dir, SK_STR_ARG(name));
    enum sk_err err = path.failed ? SK_ENOMEM : fs->vfs->unlink(fs->vfs, path.ptr);
    sk_strbuf_deinit(&path);
    return err;
}

/* A copy without trailing slashes, unless it is the root of all. */
static char *folder_copy(struct sk_str path)
{
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    return sk_memdup0(path.ptr, path.len);
}

enum sk_err sk_objstore_fs_create(const struct sk_vfs *vfs, struct sk_str root,
                                  struct sk_str tmp_dir, struct sk_objstore **ret_store)
{
    static const struct sk_objstore_ops ops = {
        .put = fs_put,
        .sync = fs_sync,
        .get = fs_get,
        .remove = fs_remove,
        .stat = fs_stat,
        .list = fs_list,
        .destroy = fs_destroy,
    };
    sk_assert(vfs != NULL && root.len > 0 && tmp_dir.len > 0);
    struct fs_store *fs = sk_calloc(1, sizeof(*fs));
    if (fs == NULL)
        return SK_ENOMEM;
    fs->store.ops = &ops;
    fs->vfs = vfs;
    pthread_mutex_init(&fs->lock, NULL);
    fs->root = folder_copy(root);
    fs->tmp_dir = folder_copy(tmp_dir);
    enum sk_err err = fs->root == NULL || fs->tmp_dir == NULL ? SK_ENOMEM : SK_OK;
    if (err == SK_OK)
        err = sk_vfs_mkdirs(vfs, fs->root);
    if (err == SK_OK)
        err = sk_vfs_mkdirs(vfs, fs->tmp_dir);
    if (err == SK_OK)
        err = vfs->list(vfs, fs->tmp_dir, leftover_remove, fs);
    if (err != SK_OK) {
        fs_destroy(&fs->store);
        return err;
    }
    *ret_store = &fs->store;
    return SK_OK;
}
