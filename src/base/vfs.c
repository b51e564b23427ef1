/* SPDX-License-Identifier: Apache-2.0 */
/* vfs.c -- the posix table, and helpers that work on any table. */
#include "base/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { STEP_BYTES_MAX = 1 << 30 };

static enum sk_err err_of(int rc)
{
    if (rc >= 0)
        return SK_OK;
    return errno == ENOTEMPTY ? SK_EEXIST : sk_err_from_errno(errno);
}

static enum sk_err posix_open(const struct sk_vfs *vfs, const char *path, int flags, unsigned mode,
                              int *ret_fd)
{
    (void)vfs;
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return sk_err_from_errno(errno);
    *ret_fd = fd;
    return SK_OK;
}

static enum sk_err posix_close(const struct sk_vfs *vfs, int fd)
{
    (void)vfs;
    int rc = close(fd);
    if (rc != 0 && errno == EINTR)
        return SK_OK; /* Linux has closed it */
    return err_of(rc);
}

static enum sk_err posix_pread(const struct sk_vfs *vfs, int fd, void *buf, size_t len,
                               uint64_t off, size_t *ret_len)
{
    (void)vfs;
    ssize_t n;
    do {
        n = pread(fd, buf, len > STEP_BYTES_MAX ? STEP_BYTES_MAX : len, (off_t)off);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return sk_err_from_errno(errno);
    *ret_len = (size_t)n;
    return SK_OK;
}

static enum sk_err posix_pwrite(const struct sk_vfs *vfs, int fd, const void *buf, size_t len,
                                uint64_t off, size_t *ret_len)
{
    (void)vfs;
    ssize_t n;
    do {
        n = pwrite(fd, buf, len > STEP_BYTES_MAX ? STEP_BYTES_MAX : len, (off_t)off);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return sk_err_from_errno(errno);
    *ret_len = (size_t)n;
    return SK_OK;
}

static enum sk_err posix_fsync(const struct sk_vfs *vfs, int fd)
{
    (void)vfs;
    return err_of(fsync(fd));
}

static enum sk_err posix_fdatasync(const struct sk_vfs *vfs, int fd)
{
    (void)vfs;
    return err_of(fdatasync(fd));
}

static enum sk_err posix_ftruncate(const struct sk_vfs *vfs, int fd, uint64_t len)
{
    (void)vfs;
    int rc;
    do {
        rc = ftruncate(fd, (off_t)len);
    } while (rc != 0 && errno == EINTR);
    return err_of(rc);
}

static enum sk_err posix_fallocate_(const struct sk_vfs *vfs, int fd, uint64_t off, uint64_t len)
{
    (void)vfs;
    int rc;
    do {
        rc = fallocate(fd, 0, (off_t)off, (off_t)len);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno == EOPNOTSUPP)
        return SK_EUNSUPPORTED;
    return err_of(rc);
}

static void stat_fill(const struct stat *st, struct sk_vfs_stat *ret)
{
    *ret = (struct sk_vfs_stat){
        .size_bytes = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .is_dir = S_ISDIR(st->st_mode),
        .is_file = S_ISREG(st->st_mode),
    };
}

static enum sk_err posix_fstat(const struct sk_vfs *vfs, int fd, struct sk_vfs_stat *ret_stat)
{
    (void)vfs;
    struct stat st;
    enum sk_err err = err_of(fstat(fd, &st));
    if (err == SK_OK)
        stat_fill(&st, ret_stat);
    return err;
}

static enum sk_err posix_stat(const struct sk_vfs *vfs, const char *path,
                              struct sk_vfs_stat *ret_stat)
{
    (void)vfs;
    struct stat st;
    enum sk_err err = err_of(stat(path, &st));
    if (err == SK_OK)
        stat_fill(&st, ret_stat);
    return err;
}

static enum sk_err posix_rename(const struct sk_vfs *vfs, const char *from, const char *to)
{
    (void)vfs;
    return err_of(rename(from, to));
}

static enum sk_err posix_link(const struct sk_vfs *vfs, int fd, const char *path)
{
    (void)vfs;
    char proc[32];
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd); /* always fits */
    return err_of(linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
}

static enum sk_err posix_unlink(const struct sk_vfs *vfs, const char *path)
{
    (void)vfs;
    return err_of(unlink(path));
}

static enum sk_err posix_mkdir(const struct sk_vfs *vfs, const char *path, unsigned mode)
{
    (void)vfs;
    return err_of(mkdir(path, (mode_t)mode));
}

static enum sk_err posix_rmdir(const struct sk_vfs *vfs, const char *path)
{
    (void)vfs;
    return err_of(rmdir(path));
}

static bool entry_is_dir(DIR *dir, const struct dirent *e)
{
    struct stat st;
    if (e->d_type == DT_DIR)
        return true;
    if (e->d_type != DT_UNKNOWN && e->d_type != DT_LNK)
        return false;
    return fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static enum sk_err posix_list(const struct sk_vfs *vfs, const char *path, sk_vfs_list_fn *fn,
                              void *ctx)
{
    (void)vfs;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return sk_err_from_errno(errno);
    enum sk_err err = SK_OK;
    while (err == SK_OK) {
        errno = 0;
        const struct dirent *e = readdir(dir); /* one stream per thread: safe in glibc */
        if (e == NULL) {
            err = sk_err_from_errno(errno);
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        err = fn(ctx, sk_str_from(e->d_name), entry_is_dir(dir, e));
    }
    (void)closedir(dir); /* opened for reading: nothing can be lost */
    return err;
}

static enum sk_err posix_space(const struct sk_vfs *vfs, const char *path,
                               struct sk_vfs_space *ret_space)
{
    (void)vfs;
    struct statvfs st;
    int rc;
    do {
        rc = statvfs(path, &st);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return sk_err_from_errno(errno);
    *ret_space = (struct sk_vfs_space){
        .total_bytes = (uint64_t)st.f_blocks * st.f_frsize,
        .free_bytes = (uint64_t)st.f_bavail * st.f_frsize,
        .free_inodes = st.f_favail,
    };
    return SK_OK;
}

const struct sk_vfs *sk_vfs_posix(void)
{
    static const struct sk_vfs table = {
        .open = posix_open,
        .close = posix_close,
        .pread = posix_pread,
        .pwrite = posix_pwrite,
        .fsync = posix_fsync,
        .fdatasync = posix_fdatasync,
        .ftruncate = posix_ftruncate,
        .fallocate = posix_fallocate_,
        .fstat = posix_fstat,
        .stat = posix_stat,
        .rename = posix_rename,
        .link = posix_link,
        .unlink = posix_unlink,
        .mkdir = posix_mkdir,
        .rmdir = posix_rmdir,
        .list = posix_list,
        .space = posix_space,
    };
    return &table;
}

enum sk_err sk_vfs_write_all(const struct sk_vfs *vfs, int fd, struct sk_slice data, uint64_t off)
{
    while (data.len > 0) {
        size_t n;
        enum sk_err err = vfs->pwrite(vfs, fd, data.ptr, data.len, off, &n);
        if (err != SK_OK)
            return err;
        if (n == 0)
            return SK_EIO; /* POSIX allows it; trying again could last for ever */
        data.ptr += n;
        data.len -= n;
        off += n;
    }
    return SK_OK;
}

enum sk_err sk_vfs_read_file(const struct sk_vfs *vfs, const char *path, size_t max_bytes,
                             struct sk_strbuf *out)
{
    size_t start = out->len;
    int fd;
    enum sk_err err = vfs->open(vfs, path, O_RDONLY, 0, &fd);
    if (err != SK_OK)
        return err;
    struct sk_vfs_stat st;
    err = vfs->fstat(vfs, fd, &st);
    if (err != SK_OK)
        goto out;
    if (!st.is_file || st.size_bytes > max_bytes) {
        err = st.is_file ? SK_ELIMIT : SK_EINVAL;
        goto out;
    }
    if (!sk_strbuf_reserve(out, (size_t)st.size_bytes)) {
        err = SK_ENOMEM;
        goto out;
    }
    size_t left = (size_t)st.size_bytes; /* a file that grows meanwhile is read as it was */
    while (left > 0) {
        size_t n;
        err = vfs->pread(vfs, fd, out->ptr + out->len, left, out->len - start, &n);
        if (err != SK_OK || n == 0)
            break;
        out->len += n;
        left -= n;
    }
    out->ptr[out->len] = '\0';
out:
    (void)vfs->close(vfs, fd); /* read only: nothing can be lost */
    if (err != SK_OK)
        out->len = start;
    return err;
}

/* Length of the folder part of `path`, without the last slash unless it is the root. */
static size_t parent_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return 0;
    return slash == path ? 1 : (size_t)(slash - path);
}

/* Heap text; "." when `path` has no folder part. */
static char *parent_of(const char *path)
{
    size_t len = parent_len(path);
    return len == 0 ? sk_memdup0(".", 1) : sk_memdup0(path, len);
}

enum sk_err sk_vfs_fsync_dir(const struct sk_vfs *vfs, const char *path)
{
    int fd;
    enum sk_err err = vfs->open(vfs, path, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (err != SK_OK)
        return err;
    err = vfs->fsync(vfs, fd);
    (void)vfs->close(vfs, fd); /* the fsync has decided */
    return err;
}

enum sk_err sk_vfs_fsync_parent(const struct sk_vfs *vfs, const char *path)
{
    char *parent = parent_of(path);
    if (parent == NULL)
        return SK_ENOMEM;
    enum sk_err err = sk_vfs_fsync_dir(vfs, parent);
    sk_free(parent);
    return err;
}

/* Makes one folder; SK_OK when it is there already. */
static enum sk_err mkdir_one(const struct sk_vfs *vfs, const char *path)
{
    enum sk_err err = vfs->mkdir(vfs, path, SK_VFS_DIR_MODE);
    if (err == SK_OK)
        return sk_vfs_fsync_parent(vfs, path);
    if (err != SK_EEXIST)
        return err;
    struct sk_vfs_stat st;
    err = vfs->stat(vfs, path, &st);
    if (err == SK_OK && !st.is_dir)
        err = SK_EEXIST;
    return err;
}

enum sk_err sk_vfs_mkdirs(const struct sk_vfs *vfs, const char *path)
{
    struct sk_vfs_stat st;
    if (vfs->stat(vfs, path, &st) == SK_OK)
        return st.is_dir ? SK_OK : SK_EEXIST;
    char *copy = sk_memdup0(path, strlen(path));
    if (copy == NULL)
        return SK_ENOMEM;
    enum sk_err err = SK_OK;
    for (char *p = copy + 1; err == SK_OK && *copy != '\0'; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        err = mkdir_one(vfs, copy);
        *p = c;
        if (c == '\0')
            break;
    }
    sk_free(copy);
    return err;
}

enum sk_err sk_vfs_write_synced(const struct sk_vfs *vfs, const char *path, struct sk_slice data)
{
    int fd;
    enum sk_err err = vfs->open(vfs, path, O_WRONLY | O_CREAT | O_TRUNC, SK_VFS_FILE_MODE, &fd);
    if (err != SK_OK)
        return err;
    err = sk_vfs_write_all(vfs, fd, data, 0);
    if (err == SK_OK)
        err = vfs->fsync(vfs, fd);
    enum sk_err close_err = vfs->close(vfs, fd);
    if (err == SK_OK)
        err = close_err;
    if (err != SK_OK)
        (void)vfs->unlink(vfs, path); /* best effort; the first error is the answer */
    return err;
}

enum sk_err sk_vfs_replace(const struct sk_vfs *vfs, const char *path, struct sk_slice data)
{
    size_t dir = parent_len(path);
    const char *name = path + dir + (dir > 0 && path[dir] == '/' ? 1 : 0);
    struct sk_strbuf tmp;
    sk_strbuf_init(&tmp, 65536);
    sk_strbuf_printf(&tmp, "%.*s.%s.tmp", (int)(name - path), path, name);
    enum sk_err err = tmp.failed ? SK_ENOMEM : sk_vfs_write_synced(vfs, tmp.ptr, data);
    if (err == SK_OK) {
        err = vfs->rename(vfs, tmp.ptr, path);
        if (err == SK_OK)
            err = sk_vfs_fsync_parent(vfs, path);
        else
            (void)vfs->unlink(vfs, tmp.ptr);
    }
    sk_strbuf_deinit(&tmp);
    return err;
}

enum sk_err sk_vfs_file_read(void *ctx, uint64_t off, void *buf, size_t len, size_t *ret_len)
{
    const struct sk_vfs_file *f = ctx;
    size_t done = 0, got;
    do {
        enum sk_err err =
            f->vfs->pread(f->vfs, f->fd, (char *)buf + done, len - done, off + done, &got);
        if (err != SK_OK)
            return err;
        done += got;
    } while (got > 0 && done < len);
    *ret_len = done;
    return SK_OK;
}
