/* SPDX-License-Identifier: Apache-2.0 */
/* vfs.h -- the files of the operating system behind a table of functions, so that tests can make
 * any call fail.
 *
 * Code above base calls files through a `const struct sk_vfs *` that it was given; sk_vfs_posix()
 * is the real one. Paths are NUL-terminated. Errors are those of sk_err_from_errno(); a folder
 * that is not empty is SK_EEXIST. A failed fsync or close is a lost write: give the file up, do
 * not repeat.
 *
 * Threads: any, as far as the implementation behind the table (posix: any). */
#ifndef SK_BASE_VFS_H
#define SK_BASE_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

#define SK_VFS_FILE_MODE 0640u
#define SK_VFS_DIR_MODE  0750u

struct sk_vfs_stat {
    uint64_t size_bytes;
    int64_t mtime_ns;
    bool is_dir, is_file;
};

struct sk_vfs_space {
    uint64_t total_bytes;
    uint64_t free_bytes; /* for unprivileged users */
    uint64_t free_inodes;
};

/* Called per name in a folder, "." and ".." left out, order undefined. Another code than SK_OK ends
 * the listing and is its result. */
typedef enum sk_err sk_vfs_list_fn(void *ctx, struct sk_str name, bool is_dir);

struct sk_vfs {
    /* `flags` as open(2); O_CLOEXEC is added. */
    enum sk_err (*open)(const struct sk_vfs *vfs, const char *path, int flags, unsigned mode,
                        int *ret_fd);
    enum sk_err (*close)(const struct sk_vfs *vfs, int fd);
    /* May move fewer bytes than asked; 0 read is the end of the file. */
    enum sk_err (*pread)(const struct sk_vfs *vfs, int fd, void *buf, size_t len, uint64_t off,
                         size_t *ret_len);
    enum sk_err (*pwrite)(const struct sk_vfs *vfs, int fd, const void *buf, size_t len,
                          uint64_t off, size_t *ret_len);
    enum sk_err (*fsync)(const struct sk_vfs *vfs, int fd);
    enum sk_err (*fdatasync)(const struct sk_vfs *vfs, int fd);
    enum sk_err (*ftruncate)(const struct sk_vfs *vfs, int fd, uint64_t len);
    enum sk_err (*fallocate)(const struct sk_vfs *vfs, int fd, uint64_t off, uint64_t len);
    enum sk_err (*fstat)(const struct sk_vfs *vfs, int fd, struct sk_vfs_stat *ret_stat);
    enum sk_err (*stat)(const struct sk_vfs *vfs, const char *path, struct sk_vfs_stat *ret_stat);
    enum sk_err (*rename)(const struct sk_vfs *vfs, const char *from, const char *to);
    /* Gives an open O_TMPFILE file a name. */
    enum sk_err (*link)(const struct sk_vfs *vfs, int fd, const char *path);
    enum sk_err (*unlink)(const struct sk_vfs *vfs, const char *path);
    enum sk_err (*mkdir)(const struct sk_vfs *vfs, const char *path, unsigned mode);
    enum sk_err (*rmdir)(const struct sk_vfs *vfs, const char *path);
    enum sk_err (*list)(const struct sk_vfs *vfs, const char *path, sk_vfs_list_fn *fn, void *ctx);
    enum sk_err (*space)(const struct sk_vfs *vfs, const char *path,
                         struct sk_vfs_space *ret_space);
    void *ctx; /* of the implementation */
};

const struct sk_vfs *sk_vfs_posix(void);

/* Writes all of `data` at `off`. */
SK_MUST_CHECK enum sk_err sk_vfs_write_all(const struct sk_vfs *vfs, int fd, struct sk_slice data,
                                           uint64_t off);

/* Appends the whole file to `out`. SK_ELIMIT: longer than `max_bytes`, nothing was read;
 * SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_vfs_read_file(const struct sk_vfs *vfs, const char *path,
                                           size_t max_bytes, struct sk_strbuf *out);

/* An open file as the `ctx` of a reader that asks for ranges. Reads until `len` bytes are there or
 * the file ends; *ret_len is less than `len` only at the end. */
struct sk_vfs_file {
    const struct sk_vfs *vfs;
    int fd;
};
SK_MUST_CHECK enum sk_err sk_vfs_file_read(void *ctx, uint64_t off, void *buf, size_t len,
                                           size_t *ret_len);

/* Makes `path` and its missing parents, each durable in its parent. */
SK_MUST_CHECK enum sk_err sk_vfs_mkdirs(const struct sk_vfs *vfs, const char *path);

/* fsync of the folder `path`, or of the folder that holds `path`. */
SK_MUST_CHECK enum sk_err sk_vfs_fsync_dir(const struct sk_vfs *vfs, const char *path);
SK_MUST_CHECK enum sk_err sk_vfs_fsync_parent(const struct sk_vfs *vfs, const char *path);

/* A file with just `data`, synced; its name is not durable yet. After a failure it is gone. */
SK_MUST_CHECK enum sk_err sk_vfs_write_synced(const struct sk_vfs *vfs, const char *path,
                                              struct sk_slice data);

/* Durable replacement: `data` is written to the name `.<name>.tmp` beside `path`, synced, renamed,
 * and the folder is synced. After a failure `path` is old or new, never mixed; the temporary name
 * is gone unless the process died. */
SK_MUST_CHECK enum sk_err sk_vfs_replace(const struct sk_vfs *vfs, const char *path,
                                         struct sk_slice data);

#endif
