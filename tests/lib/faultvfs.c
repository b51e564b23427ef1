/* SPDX-License-Identifier: Apache-2.0 */
/* faultvfs.c -- see faultvfs.h. A failing close still closes, as Linux does. */
#include "lib/faultvfs.h"

static struct faultvfs *self(const struct sk_vfs *vfs)
{
    return vfs->ctx;
}

/* Counts a call; not SK_OK when it is the one to fail. */
static enum sk_err gate(const struct sk_vfs *vfs)
{
    struct faultvfs *f = self(vfs);
    f->calls++;
    if (f->fail_at == 0 || f->calls < f->fail_at || (f->calls > f->fail_at && !f->sticky))
        return SK_OK;
    f->hit = true;
    return sk_err_from_errno(f->errno_value);
}

#define GATE(vfs)                                                                                  \
    do {                                                                                           \
        enum sk_err gate_err = gate(vfs);                                                          \
        if (gate_err != SK_OK)                                                                     \
            return gate_err;                                                                       \
    } while (0)

static enum sk_err f_open(const struct sk_vfs *vfs, const char *path, int flags, unsigned mode,
                          int *ret_fd)
{
    GATE(vfs);
    enum sk_err err = self(vfs)->base->open(self(vfs)->base, path, flags, mode, ret_fd);
    if (err == SK_OK)
        self(vfs)->open_count++;
    return err;
}

static enum sk_err f_close(const struct sk_vfs *vfs, int fd)
{
    enum sk_err gate_err = gate(vfs);
    enum sk_err err = self(vfs)->base->close(self(vfs)->base, fd);
    self(vfs)->open_count--;
    return gate_err != SK_OK ? gate_err : err;
}

static size_t step(const struct sk_vfs *vfs, size_t len)
{
    return self(vfs)->short_writes && len > 1 ? len / 2 : len;
}

static enum sk_err f_pread(const struct sk_vfs *vfs, int fd, void *buf, size_t len, uint64_t off,
                           size_t *ret_len)
{
    GATE(vfs);
    return self(vfs)->base->pread(self(vfs)->base, fd, buf, step(vfs, len), off, ret_len);
}

static enum sk_err f_pwrite(const struct sk_vfs *vfs, int fd, const void *buf, size_t len,
                            uint64_t off, size_t *ret_len)
{
    GATE(vfs);
    return self(vfs)->base->pwrite(self(vfs)->base, fd, buf, step(vfs, len), off, ret_len);
}

static enum sk_err f_fsync(const struct sk_vfs *vfs, int fd)
{
    GATE(vfs);
    return self(vfs)->base->fsync(self(vfs)->base, fd);
}

static enum sk_err f_fdatasync(const struct sk_vfs *vfs, int fd)
{
    GATE(vfs);
    return self(vfs)->base->fdatasync(self(vfs)->base, fd);
}

static enum sk_err f_ftruncate(const struct sk_vfs *vfs, int fd, uint64_t len)
{
    GATE(vfs);
    return self(vfs)->base->ftruncate(self(vfs)->base, fd, len);
}

static enum sk_err f_fallocate(const struct sk_vfs *vfs, int fd, uint64_t off, uint64_t len)
{
    GATE(vfs);
    return self(vfs)->base->fallocate(self(vfs)->base, fd, off, len);
}

static enum sk_err f_fstat(const struct sk_vfs *vfs, int fd, struct sk_vfs_stat *ret_stat)
{
    GATE(vfs);
    return self(vfs)->base->fstat(self(vfs)->base, fd, ret_stat);
}

static enum sk_err f_stat(const struct sk_vfs *vfs, const char *path, struct sk_vfs_stat *ret_stat)
{
    GATE(vfs);
    return self(vfs)->base->stat(self(vfs)->base, path, ret_stat);
}

static enum sk_err f_rename(const struct sk_vfs *vfs, const char *from, const char *to)
{
    GATE(vfs);
    return self(vfs)->base->rename(self(vfs)->base, from, to);
}

static enum sk_err f_link(const struct sk_vfs *vfs, int fd, const char *path)
{
    GATE(vfs);
    return self(vfs)->base->link(self(vfs)->base, fd, path);
}

static enum sk_err f_unlink(const struct sk_vfs *vfs, const char *path)
{
    GATE(vfs);
    return self(vfs)->base->unlink(self(vfs)->base, path);
}

static enum sk_err f_mkdir(const struct sk_vfs *vfs, const char *path, unsigned mode)
{
    GATE(vfs);
    return self(vfs)->base->mkdir(self(vfs)->base, path, mode);
}

static enum sk_err f_rmdir(const struct sk_vfs *vfs, const char *path)
{
    GATE(vfs);
    return self(vfs)->base->rmdir(self(vfs)->base, path);
}

static enum sk_err f_list(const struct sk_vfs *vfs, const char *path, sk_vfs_list_fn *fn, void *ctx)
{
    GATE(vfs);
    return self(vfs)->base->list(self(vfs)->base, path, fn, ctx);
}

static enum sk_err f_space(const struct sk_vfs *vfs, const char *path,
                           struct sk_vfs_space *ret_space)
{
    GATE(vfs);
    return self(vfs)->base->space(self(vfs)->base, path, ret_space);
}

void faultvfs_init(struct faultvfs *f, const struct sk_vfs *base)
{
    *f = (struct faultvfs){.base = base};
    f->vfs = (struct sk_vfs){
        .open = f_open,
        .close = f_close,
        .pread = f_pread,
        .pwrite = f_pwrite,
        .fsync = f_fsync,
        .fdatasync = f_fdatasync,
        .ftruncate = f_ftruncate,
        .fallocate = f_fallocate,
        .fstat = f_fstat,
        .stat = f_stat,
        .rename = f_rename,
        .link = f_link,
        .unlink = f_unlink,
        .mkdir = f_mkdir,
        .rmdir = f_rmdir,
        .list = f_list,
        .space = f_space,
        .ctx = f,
    };
}

void faultvfs_arm(struct faultvfs *f, uint64_t fail_at, int errno_value, bool sticky)
{
    f->calls = 0;
    f->fail_at = fail_at;
    f->errno_value = errno_value;
    f->sticky = sticky;
    f->hit = false;
}
