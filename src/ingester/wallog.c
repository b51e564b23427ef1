/* SPDX-License-Identifier: Apache-2.0 */
/* wallog.c -- see wallog.h. The thread's loop is run(); one group is group_commit(). */
#include "ingester/wallog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/log.h"
#include "base/vfs.h"
#include "ingester/ingester_int.h"
#include "wal/appender.h"
#include "wal/record.h"
#include "wal/segment.h"

enum { PATH_BYTES = 4096, OUT_FLUSH_BYTES = 1 << 20, PROBE_OK_COUNT = 3, PROBE_S = 5 };

enum sync_mode { SYNC_ALWAYS, SYNC_INTERVAL, SYNC_OS };

struct wallog {
    struct sk_ingester *ing;
    const struct sk_vfs *vfs;
    const char *dir;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct sk_pushop *head, **tail; /* waiting */
    size_t count;
    uint64_t waiting_bytes;
    bool stop, roll_asked;
    _Atomic uint64_t seg, first_seg, closed_bytes, off;
    enum sync_mode mode;
    int64_t gap_ns, interval_ns, last_sync_ns;
    /* the thread's own */
    struct sk_wal_appender file; /* `off` is its committed offset, for other threads */
    struct sk_strbuf out;        /* framed, not yet written */
    struct sk_strbuf series;
    unsigned failures;
};

/* ---- segments ---- */

static void segment_path(const struct wallog *log, uint64_t seg, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%08llu", log->dir, (unsigned long long)seg);
}

static enum sk_err segment_open(struct wallog *log, uint64_t seg)
{
    char path[PATH_BYTES];
    segment_path(log, seg, path);
    enum sk_err err = sk_wal_appender_open(&log->file, path);
    if (err != SK_OK)
        return err;
    err = sk_vfs_fsync_dir(log->vfs, log->dir);
    if (err != SK_OK) {
        sk_wal_appender_close(&log->file);
        (void)!log->vfs->unlink(log->vfs, path);
        return err;
    }
    sk_strbuf_reset(&log->out);
    atomic_store(&log->seg, seg);
    atomic_store(&log->off, 0);
    return SK_OK;
}

static void segment_close(struct wallog *log)
{
    if (log->file.fd < 0)
        return;
    sk_wal_appender_close(&log->file);
    atomic_fetch_add(&log->closed_bytes, log->file.committed);
}

static enum sk_err out_write(struct wallog *log)
{
    if (log->out.len == 0)
        return SK_OK;
    enum sk_err err = sk_wal_appender_write(
        &log->file, (struct sk_slice){(const uint8_t *)log->out.ptr, log->out.len});
    if (err == SK_OK)
        sk_strbuf_reset(&log->out);
    return err;
}

static enum sk_err out_commit(struct wallog *log)
{
    enum sk_err err = out_write(log);
    if (err != SK_OK)
        return err;
    int64_t now = sk_clock_mono_ns();
    bool due = log->mode == SYNC_ALWAYS ||
               (log->mode == SYNC_INTERVAL && now - log->last_sync_ns >= log->interval_ns);
    if (due)
        log->last_sync_ns = now;
    err = sk_wal_appender_commit(&log->file, due);
    if (err == SK_OK)
        atomic_store(&log->off, log->file.committed);
    return err;
}

/* ---- one group ---- */

/* Series records of the operation's streams that this segment does not have yet. */
static void series_collect(struct wallog *log, struct sk_pushop *op)
{
    uint64_t seg = atomic_load(&log->seg);
    sk_strbuf_reset(&log->series);
    for (size_t i = 0; i < op->stream_count; i++) {
        struct stream *s = op->streams[i];
        if (s->series_seg == seg)
            continue;
        if (log->series.len == 0)
            sk_wal_series_begin(&log->series, s->tenant->name_str);
        sk_wal_series_add(&log->series, s->ref, s->labels);
        s->series_seg = seg;
    }
}

static enum sk_err op_frame(struct wallog *log, struct sk_pushop *op)
{
    uint64_t at = log->file.written + log->out.len;
    series_collect(log, op);
    if (log->series.len > 0)
        at = sk_wal_frame(&log->out, at,
                          (struct sk_slice){(const uint8_t *)log->series.ptr, log->series.len});
    (void)sk_wal_frame(&log->out, at,
                       (struct sk_slice){(const uint8_t *)op->record.ptr, op->record.len});
    if (log->out.failed || log->series.failed)
        return SK_ENOMEM;
    op->seg = atomic_load(&log->seg);
    return log->out.len >= OUT_FLUSH_BYTES ? out_write(log) : SK_OK;
}

static enum sk_err segment_roll(struct wallog *log)
{
    uint64_t next = atomic_load(&log->seg) + 1;
    segment_close(log);
    return segment_open(log, next);
}

/* Room for all of the group that the segment can take: a full disk shows before anything is
 * written. */
static enum sk_err group_reserve(struct wallog *log, const struct sk_pushop *first)
{
    uint64_t bytes = 0;
    for (const struct sk_pushop *op = first; op != NULL; op = op->next) {
        uint64_t more = sk_wal_framed_bytes(log->file.written, op->record.len);
        if (log->file.written + bytes + more > SK_WAL_SEGMENT_BYTES)
            break;
        bytes += more;
    }
    return sk_wal_appender_reserve(&log->file, bytes);
}

/* Writes and syncs the group. *ret_done: the first operation that is not durable (NULL: all are). */
static enum sk_err group_write(struct wallog *log, struct sk_pushop *first,
                               struct sk_pushop **ret_failed)
{
    *ret_failed = first;
    enum sk_err err = SK_OK;
    if (log->file.fd < 0)
        err = segment_open(log, atomic_load(&log->seg) + 1);
    if (err == SK_OK)
        err = group_reserve(log, first);
    for (struct sk_pushop *op = first; op != NULL && err == SK_OK; op = op->next) {
        uint64_t at = log->file.written + log->out.len;
        if (at > 0 && at + sk_wal_framed_bytes(at, op->record.len) > SK_WAL_SEGMENT_BYTES) {
            err = out_commit(log);
            if (err == SK_OK) {
                *ret_failed = op;
                err = segment_roll(log);
            }
        }
        if (err == SK_OK)
            err = op_frame(log, op);
    }
    if (err == SK_OK)
        err = out_commit(log);
    if (err == SK_OK)
        *ret_failed = NULL;
    return err;
}

/* After a failure: nothing of this file is trusted beyond the committed offset. A full disk keeps the
 * segment, as the failure fell on the reservation. */
static void group_failed(struct wallog *log, enum sk_err err)
{
    sk_strbuf_reset(&log->out);
    sk_wal_appender_rollback(&log->file);
    sk_log(SK_LOG_ERROR, "write-ahead log: a write failed, the pushes of this group were refused",
           "dir", log->dir, "err", sk_err_text(err));
    if (err == SK_ENOSPC) {
        atomic_store(&log->ing->full, true);
        return;
    }
    log->failures++;
    segment_close(log);
    if (log->failures > 1 || segment_open(log, atomic_load(&log->seg) + 1) != SK_OK) {
        atomic_store(&log->ing->read_only, true);
        sk_log(SK_LOG_ERROR, "write-ahead log cannot be written: read-only until it can", "dir",
               log->dir);
    }
}

static void group_commit(struct wallog *log, struct sk_pushop *first)
{
    struct sk_pushop *failed;
    enum sk_err err = atomic_load(&log->ing->read_only) ? SK_EIO : SK_OK;
    failed = first;
    if (err == SK_OK) {
        err = group_write(log, first, &failed);
        if (err == SK_OK)
            log->failures = 0;
        else
            group_failed(log, err);
    }
    uint64_t records = 0, bytes = 0;
    bool bad = false;
    for (struct sk_pushop *op = first; op != NULL; op = op->next) {
        bad = bad || op == failed;
        op->log_err = bad ? err : SK_OK;
        records += !bad;
        bytes += bad ? 0 : op->record.len;
    }
    sk_metric_add(log->ing->m_wal_records, records);
    sk_metric_add(log->ing->m_wal_bytes, bytes);
    apply_group(log->ing, first);
}

/* ---- read-only: a probe file every few seconds ---- */

static bool probe_once(struct wallog *log)
{
    static const uint8_t text[] = "skald probe";
    char path[PATH_BYTES];
    uint8_t back[sizeof(text)];
    size_t got = 0;
    int fd;
    (void)snprintf(path, sizeof(path), "%s/skald-probe.tmp", log->dir);
    if (log->vfs->open(log->vfs, path, O_RDWR | O_CREAT | O_TRUNC, SK_VFS_FILE_MODE, &fd) != SK_OK)
        return false;
    bool ok = sk_vfs_write_all(log->vfs, fd, (struct sk_slice){text, sizeof(text)}, 0) == SK_OK &&
              log->vfs->fsync(log->vfs, fd) == SK_OK &&
              log->vfs->pread(log->vfs, fd, back, sizeof(back), 0, &got) == SK_OK &&
              got == sizeof(back) && memcmp(back, text, sizeof(text)) == 0;
    ok = log->vfs->close(log->vfs, fd) == SK_OK && ok;
    (void)!log->vfs->unlink(log->vfs, path);
    return ok;
}

static void probe(struct wallog *log)
{
    static unsigned good;
    good = probe_once(log) ? good + 1 : 0;
    if (good < PROBE_OK_COUNT)
        return;
    good = 0;
    log->failures = 0;
    atomic_store(&log->ing->read_only, false);
    sk_log(SK_LOG_INFO, "write-ahead log can be written again", "dir", log->dir);
}

/* ---- the thread ---- */

static void deadline_in(struct timespec *t, int64_t ns)
{
    (void)clock_gettime(CLOCK_MONOTONIC, t);
    int64_t at = (int64_t)t->tv_sec * SK_NS_PER_S + t->tv_nsec + ns;
    t->tv_sec = at / SK_NS_PER_S;
    t->tv_nsec = at % SK_NS_PER_S;
}

/* Waits for a group that is due; lock held. NULL: stop, or time for a probe. */
static struct sk_pushop *group_take(struct wallog *log)
{
    struct timespec until;
    for (;;) {
        int64_t due = log->last_sync_ns + log->gap_ns - sk_clock_mono_ns();
        bool ready = log->head != NULL && (log->mode != SYNC_ALWAYS || due <= 0 || log->stop ||
                                           log->waiting_bytes >= SK_WAL_GROUP_BYTES);
        if (ready || (log->stop && log->head == NULL) || log->roll_asked)
            break;
        deadline_in(&until, log->head != NULL ? due : PROBE_S * SK_NS_PER_S);
        int rc = pthread_cond_timedwait(&log->wake, &log->lock, &until);
        if (rc == ETIMEDOUT && log->head == NULL)
            return NULL;
    }
    struct sk_pushop *first = log->head;
    log->head = NULL;
    log->tail = &log->head;
    log->count = 0;
    log->waiting_bytes = 0;
    return first;
}

static void *run(void *arg)
{
    struct wallog *log = arg;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        struct sk_pushop *group = group_take(log);
        bool roll = log->roll_asked;
        bool stop = log->stop && group == NULL && log->head == NULL;
        log->roll_asked = false;
        pthread_mutex_unlock(&log->lock);
        if (group != NULL)
            group_commit(log, group);
        if (roll && log->file.fd >= 0 && log->file.committed > 0) {
            segment_close(log);
            if (segment_open(log, atomic_load(&log->seg) + 1) != SK_OK)
                sk_log(SK_LOG_WARN, "write-ahead log: no new segment yet, continuing", "dir",
                       log->dir);
        }
        if (atomic_load(&log->ing->read_only) && group == NULL)
            probe(log);
        pthread_mutex_lock(&log->lock);
        if (stop)
            break;
    }
    pthread_mutex_unlock(&log->lock);
    segment_close(log);
    return NULL;
}

/* ---- the outside ---- */

static enum sk_err mode_parse(struct wallog *log, const char *text, struct sk_error *reterr)
{
    struct sk_str s = sk_str_from(text), prefix = SK_STR("interval:");
    if (sk_str_is(s, "always")) {
        log->mode = SYNC_ALWAYS;
    } else if (sk_str_is(s, "os")) {
        log->mode = SYNC_OS;
    } else if (sk_str_starts(s, prefix) &&
               sk_go_parse_duration((struct sk_str){s.ptr + prefix.len, s.len - prefix.len},
                                    &log->interval_ns, NULL) == SK_OK) {
        log->mode = SYNC_INTERVAL;
    } else {
        return sk_error_set(reterr, SK_EINVAL,
                            "-skald.wal-sync: \"%s\" is not always, os or interval:<duration>",
                            text);
    }
    if (log->mode != SYNC_ALWAYS)
        sk_log(SK_LOG_WARN,
               "acknowledged lines may be lost with the power: -skald.wal-sync is not always",
               "mode", text);
    return SK_OK;
}

enum sk_err wallog_create(struct sk_ingester *ing, uint64_t first_seg, uint64_t next_seg,
                          struct wallog **ret_log, struct sk_error *reterr)
{
    struct wallog *log = sk_calloc(1, sizeof(*log));
    if (log == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    log->file.fd = -1;
    log->ing = ing;
    log->vfs = ing->opt.vfs;
    log->dir = ing->config->wal_dir;
    log->tail = &log->head;
    log->gap_ns = ing->config->wal_sync_gap_ns;
    atomic_init(&log->first_seg, first_seg);
    sk_strbuf_init(&log->out, SIZE_MAX / 2);
    sk_strbuf_init(&log->series, SIZE_MAX / 2);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&log->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&log->lock, NULL);
    enum sk_err err = mode_parse(log, ing->config->wal_sync, reterr);
    if (err == SK_OK &&
        sk_wal_appender_init(&log->file, log->vfs, log->mode == SYNC_ALWAYS) != SK_OK)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    if (err == SK_OK) {
        err = segment_open(log, next_seg);
        if (err == SK_ENOSPC) { /* serve queries; the room is looked at every second */
            atomic_store(&ing->full, true);
            atomic_store(&log->seg, next_seg - 1);
            err = SK_OK;
        }
        if (err != SK_OK)
            (void)sk_error_set(reterr, err,
                               "cannot create segment %08llu of the write-ahead log in %s: %s",
                               (unsigned long long)next_seg, log->dir, sk_err_text(err));
    }
    if (err == SK_OK && pthread_create(&log->thread, NULL, run, log) != 0)
        err = sk_error_set(reterr, SK_ENOMEM, "cannot start a thread");
    if (err != SK_OK) {
        segment_close(log);
        sk_wal_appender_deinit(&log->file);
        sk_free(log);
        return err;
    }
    *ret_log = log;
    return SK_OK;
}

void wallog_destroy(struct wallog *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    log->stop = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    sk_wal_appender_deinit(&log->file);
    sk_strbuf_deinit(&log->out);
    sk_strbuf_deinit(&log->series);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->lock);
    sk_free(log);
}

void wallog_submit(struct wallog *log, struct sk_pushop *op)
{
    op->next = NULL;
    op->log_err = SK_OK;
    pthread_mutex_lock(&log->lock);
    if (log->count >= SK_WAL_QUEUE_MAX) {
        pthread_mutex_unlock(&log->lock);
        op->log_err = SK_EFULL;
        apply_group(log->ing, op);
        return;
    }
    *log->tail = op;
    log->tail = &op->next;
    log->count++;
    log->waiting_bytes += op->record.len;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
}

uint64_t wallog_current_seg(struct wallog *log)
{
    return atomic_load(&log->seg);
}

uint64_t wallog_first_seg(struct wallog *log)
{
    return atomic_load(&log->first_seg);
}

uint64_t wallog_bytes(struct wallog *log)
{
    return atomic_load(&log->closed_bytes) + atomic_load(&log->off);
}

void wallog_roll(struct wallog *log)
{
    pthread_mutex_lock(&log->lock);
    log->roll_asked = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
}

/* ---- trimming ---- */

struct old_checkpoints {
    const struct wallog *log;
    uint64_t keep; /* the number that stays; UINT64_MAX: none */
    char names[64][64];
    size_t count;
};

static enum sk_err note_checkpoint(void *ctx, struct sk_str name, bool is_dir)
{
    struct old_checkpoints *old = ctx;
    uint64_t number;
    struct sk_str prefix = SK_STR("checkpoint.");
    if (!is_dir || !sk_str_starts(name, prefix) || name.len >= sizeof(old->names[0]) ||
        old->count == SK_COUNT_OF(old->names))
        return SK_OK;
    struct sk_str rest = {name.ptr + prefix.len, name.len - prefix.len};
    if (sk_str_to_u64(rest, &number) && number == old->keep)
        return SK_OK;
    memcpy(old->names[old->count], name.ptr, name.len);
    old->names[old->count++][name.len] = '\0';
    return SK_OK;
}

static enum sk_err remove_file_in(void *ctx, struct sk_str name, bool is_dir)
{
    const struct wallog *log = ((void **)ctx)[0];
    const char *dir = ((void **)ctx)[1];
    char path[PATH_BYTES];
    if (is_dir)
        return SK_OK;
    (void)snprintf(path, sizeof(path), "%s/%.*s", dir, SK_STR_ARG(name));
    return log->vfs->unlink(log->vfs, path);
}

/* Renames to .tmp first, so that a crash in between leaves nothing that would be read. */
static void checkpoints_remove(struct wallog *log, uint64_t keep)
{
    struct old_checkpoints *old = sk_calloc(1, sizeof(*old));
    if (old == NULL)
        return;
    old->log = log;
    old->keep = keep;
    (void)!log->vfs->list(log->vfs, log->dir, note_checkpoint,
                          old); /* what is missed waits for the next trim */
    for (size_t i = 0; i < old->count; i++) {
        char from[PATH_BYTES], to[PATH_BYTES + 8];
        (void)snprintf(from, sizeof(from), "%s/%s", log->dir, old->names[i]);
        bool tmp = sk_str_ends(sk_str_from(from), SK_STR(".tmp"));
        (void)snprintf(to, sizeof(to), tmp ? "%s" : "%s.tmp", from);
        if (!tmp && log->vfs->rename(log->vfs, from, to) != SK_OK)
            continue;
        void *ctx[2] = {log, to};
        (void)!log->vfs->list(log->vfs, to, remove_file_in, ctx);
        (void)!log->vfs->rmdir(log->vfs, to);
    }
    sk_free(old);
}

static enum sk_err checkpoint_write(struct wallog *log, uint64_t number,
                                    const struct sk_strbuf *marks)
{
    char dir[PATH_BYTES], tmp[PATH_BYTES + 8], file[PATH_BYTES + 24];
    int fd = -1;
    (void)snprintf(dir, sizeof(dir), "%s/checkpoint.%06llu", log->dir, (unsigned long long)number);
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", dir);
    (void)snprintf(file, sizeof(file), "%s/00000000", tmp);
    enum sk_err err = log->vfs->mkdir(log->vfs, tmp, SK_VFS_DIR_MODE);
    if (err != SK_OK && err != SK_EEXIST)
        return err;
    err = log->vfs->open(log->vfs, file, O_WRONLY | O_CREAT | O_TRUNC, SK_VFS_FILE_MODE, &fd);
    if (err != SK_OK)
        return err;
    err = sk_vfs_write_all(log->vfs, fd, (struct sk_slice){(const uint8_t *)marks->ptr, marks->len},
                           0);
    if (err == SK_OK)
        err = log->vfs->fsync(log->vfs, fd);
    enum sk_err closed = log->vfs->close(log->vfs, fd);
    if (err == SK_OK)
        err = closed;
    if (err == SK_OK)
        err = sk_vfs_fsync_dir(log->vfs, tmp);
    if (err == SK_OK)
        err = log->vfs->rename(log->vfs, tmp, dir);
    return err == SK_OK ? sk_vfs_fsync_dir(log->vfs, log->dir) : err;
}

enum sk_err wallog_trim(struct wallog *log, uint64_t keep_seg, const struct sk_strbuf *marks)
{
    uint64_t first = atomic_load(&log->first_seg);
    if (keep_seg <= first || keep_seg == 0)
        return SK_OK;
    uint64_t number = marks->len > 0 ? keep_seg - 1 : UINT64_MAX;
    enum sk_err err = marks->len > 0 ? checkpoint_write(log, number, marks) : SK_OK;
    if (err == SK_EEXIST)
        err = SK_OK;
    uint64_t freed = 0;
    for (uint64_t seg = first; seg < keep_seg && err == SK_OK; seg++) {
        char path[PATH_BYTES];
        struct sk_vfs_stat st;
        segment_path(log, seg, path);
        if (log->vfs->stat(log->vfs, path, &st) == SK_OK)
            freed += st.size_bytes;
        err = log->vfs->unlink(log->vfs, path);
        if (err == SK_ENOENT)
            err = SK_OK;
        if (err == SK_OK)
            atomic_store(&log->first_seg, seg + 1);
    }
    if (err == SK_OK)
        checkpoints_remove(log, number);
    if (err == SK_OK)
        err = sk_vfs_fsync_dir(log->vfs, log->dir);
    uint64_t closed = atomic_load(&log->closed_bytes);
    atomic_fetch_sub(&log->closed_bytes, freed < closed ? freed : closed);
    return err;
}
