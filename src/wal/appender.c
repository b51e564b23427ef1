/* SPDX-License-Identifier: Apache-2.0 */
/* appender.c -- see appender.h. Direct writes pass through a stage of aligned memory that is small
 * enough to stay in the processor's cache. */
#include "wal/appender.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

enum { BLOCK = SK_WAL_BLOCK_BYTES, STAGE_BYTES = 256 * 1024 };

/* Never written to; not const, so that it takes no room in the program's file. */
static _Alignas(BLOCK) uint8_t zeros[STAGE_BYTES];

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

enum sk_err sk_wal_appender_init(struct sk_wal_appender *a, const struct sk_vfs *vfs, bool synced)
{
    *a = (struct sk_wal_appender){.vfs = vfs, .synced = synced, .fd = -1};
    a->stage = sk_malloc_aligned(BLOCK, STAGE_BYTES);
    return a->stage == NULL ? SK_ENOMEM : SK_OK;
}

void sk_wal_appender_deinit(struct sk_wal_appender *a)
{
    sk_free(a->stage);
    a->stage = NULL;
}

/* ---- room ---- */

static enum sk_err zeros_write(struct sk_wal_appender *a, uint64_t end)
{
    uint64_t target = round_up(end, SK_WAL_PREALLOC_BYTES);
    for (uint64_t at = a->reserved; at < target;) {
        uint64_t n = target - at < sizeof(zeros) ? target - at : sizeof(zeros);
        enum sk_err err = sk_vfs_write_all(a->vfs, a->fd, (struct sk_slice){zeros, (size_t)n}, at);
        if (err != SK_OK)
            return err;
        at += n;
    }
    enum sk_err err = a->synced ? a->vfs->fsync(a->vfs, a->fd) : SK_OK;
    if (err == SK_OK)
        a->reserved = target;
    return err;
}

enum sk_err sk_wal_appender_reserve(struct sk_wal_appender *a, uint64_t bytes)
{
    uint64_t end = round_up(a->written + bytes, BLOCK);
    if (end <= a->reserved)
        return SK_OK;
    if (bytes < SK_WAL_GROUP_BYTES)
        return zeros_write(a, end);
    enum sk_err err = a->vfs->fallocate(a->vfs, a->fd, a->reserved, end - a->reserved);
    if (err == SK_EUNSUPPORTED)
        return zeros_write(a, end);
    if (err == SK_OK)
        a->reserved = end;
    return err;
}

/* ---- the file ---- */

static enum sk_err open_as(struct sk_wal_appender *a, const char *path, bool direct)
{
    int flags = O_RDWR | O_CREAT | O_EXCL | (direct ? O_DIRECT : 0);
    enum sk_err err = a->vfs->open(a->vfs, path, flags, SK_VFS_FILE_MODE, &a->fd);
    if (err != SK_OK) {
        a->fd = -1;
        return err;
    }
    a->direct = direct;
    a->written = a->committed = a->reserved = 0;
    err = sk_wal_appender_reserve(a, 1);
    if (err != SK_OK) {
        (void)!a->vfs->close(a->vfs, a->fd); /* given up */
        (void)!a->vfs->unlink(a->vfs, path);
        a->fd = -1;
    }
    return err;
}

enum sk_err sk_wal_appender_open(struct sk_wal_appender *a, const char *path)
{
    sk_assert(a->fd < 0);
    enum sk_err err = open_as(a, path, a->synced);
    if (err == SK_EINVAL && a->synced) { /* tmpfs and others refuse, some at the first write only */
        (void)!a->vfs->unlink(a->vfs, path);
        err = open_as(a, path, false);
    }
    return err;
}

static enum sk_err direct_write(struct sk_wal_appender *a, struct sk_slice data)
{
    while (data.len > 0) {
        size_t have = (size_t)(a->written % BLOCK);
        size_t n = data.len < STAGE_BYTES - have ? data.len : STAGE_BYTES - have;
        size_t end = have + n, padded = (size_t)round_up(end, BLOCK), rest = end % BLOCK;
        memcpy(a->stage + have, data.ptr, n);
        memset(a->stage + end, 0, padded - end);
        enum sk_err err =
            sk_vfs_write_all(a->vfs, a->fd, (struct sk_slice){a->stage, padded}, a->written - have);
        if (err != SK_OK)
            return err;
        memmove(a->stage, a->stage + end - rest, rest);
        a->written += n;
        data.ptr += n;
        data.len -= n;
    }
    return SK_OK;
}

enum sk_err sk_wal_appender_write(struct sk_wal_appender *a, struct sk_slice data)
{
    enum sk_err err = sk_wal_appender_reserve(a, data.len);
    if (err != SK_OK)
        return err;
    if (a->direct)
        return direct_write(a, data);
    err = sk_vfs_write_all(a->vfs, a->fd, data, a->written);
    if (err == SK_OK)
        a->written += data.len;
    return err;
}

enum sk_err sk_wal_appender_commit(struct sk_wal_appender *a, bool sync)
{
    enum sk_err err = sync ? a->vfs->fdatasync(a->vfs, a->fd) : SK_OK;
    if (err != SK_OK)
        return err;
    a->committed = a->written;
    memcpy(a->tail, a->stage, (size_t)(a->committed % BLOCK));
    return SK_OK;
}

void sk_wal_appender_rollback(struct sk_wal_appender *a)
{
    a->written = a->committed;
    memcpy(a->stage, a->tail, (size_t)(a->committed % BLOCK));
}

void sk_wal_appender_close(struct sk_wal_appender *a)
{
    if (a->fd < 0)
        return;
    if (a->vfs->ftruncate(a->vfs, a->fd, a->committed) == SK_OK)
        (void)!a->vfs->fsync(a->vfs, a->fd); /* a longer zero tail is legal */
    (void)!a->vfs->close(a->vfs, a->fd);
    a->fd = -1;
}
