/* SPDX-License-Identifier: Apache-2.0 */
/* objstore.h -- whole objects under slash-separated keys, behind a table of functions.
 *
 * Keys are relative: no empty part, no "." or "..", no NUL; SK_EINVAL otherwise.
 *
 * sk_objstore_fs_create() keeps objects as files below a root folder, in Loki's layout. A file gets
 * its name only when it is whole and synced; the unfinished ones live in `tmp_dir`, which is on the
 * same file system and outside every folder that Loki lists. Leftovers of a crash there (names
 * "obj-...") are removed at creation. Folders that a deletion empties go too, up to the root.
 * The names themselves become durable with sk_objstore_sync(), each folder synced once however many
 * files came: on a journaling file system every sync is a write to the card.
 *
 * Threads: any. */
#ifndef SK_OBJSTORE_OBJSTORE_H
#define SK_OBJSTORE_OBJSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "base/vfs.h"

struct sk_objstore;

struct sk_objstore_ops {
    enum sk_err (*put)(struct sk_objstore *store, struct sk_str key, struct sk_slice data);
    enum sk_err (*sync)(struct sk_objstore *store);
    enum sk_err (*get)(struct sk_objstore *store, struct sk_str key, size_t max_bytes,
                       struct sk_strbuf *out);
    enum sk_err (*remove)(struct sk_objstore *store, struct sk_str key);
    enum sk_err (*stat)(struct sk_objstore *store, struct sk_str key, uint64_t *ret_bytes);
    enum sk_err (*list)(struct sk_objstore *store, struct sk_str folder, sk_vfs_list_fn *fn,
                        void *ctx);
    void (*destroy)(struct sk_objstore *store);
};

struct sk_objstore {
    const struct sk_objstore_ops *ops;
};

/* Replaces an object of the same key. Durable after the next sk_objstore_sync(); a power cut
 * before leaves the old object, the new one or none, never a part. */
SK_MUST_CHECK enum sk_err sk_objstore_put(struct sk_objstore *store, struct sk_str key,
                                          struct sk_slice data);

/* Everything that was put before the call is durable when it returns SK_OK; after a failure the
 * next call tries again. */
SK_MUST_CHECK enum sk_err sk_objstore_sync(struct sk_objstore *store);

/* Appends the whole object. SK_ENOENT; SK_ELIMIT: larger than `max_bytes`; SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_objstore_get(struct sk_objstore *store, struct sk_str key,
                                          size_t max_bytes, struct sk_strbuf *out);

/* Durable when it returns. SK_ENOENT when there is none. */
SK_MUST_CHECK enum sk_err sk_objstore_delete(struct sk_objstore *store, struct sk_str key);

/* Size of an object; SK_ENOENT. */
SK_MUST_CHECK enum sk_err sk_objstore_stat(struct sk_objstore *store, struct sk_str key,
                                           uint64_t *ret_bytes);

/* Names right below a folder ("" is the root), in no order; a folder that does not exist is empty.
 * Another code than SK_OK from `fn` ends the listing and is the result. */
SK_MUST_CHECK enum sk_err sk_objstore_list(struct sk_objstore *store, struct sk_str folder,
                                           sk_vfs_list_fn *fn, void *ctx);

void sk_objstore_destroy(struct sk_objstore *store); /* NULL is a no-op */

/* Whether a key has the form above. */
bool sk_objstore_key_valid(struct sk_str key);

/* Makes both folders. `vfs` outlives the store. SK_ENOMEM and errors of the file system. */
SK_MUST_CHECK enum sk_err sk_objstore_fs_create(const struct sk_vfs *vfs, struct sk_str root,
                                                struct sk_str tmp_dir,
                                                struct sk_objstore **ret_store);

#endif
