/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_parallel.c -- see ctl_parallel.h. Threads take the next piece until there is none, or one
 * failed; the main thread waits for them and, with --merge-parts, prints what is ready in order. */
#include "cli/ctl_parallel.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/gotext.h"
#include "base/vfs.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_http.h"
#include "cli/ctl_progress.h"
#include "cli/ctl_query.h"
#include "cli/ctl_text.h"
#include "cli/ctl_time.h"

enum { COPY_BYTES = 1 << 18 };

struct download {
    const struct sk_ctl_opts *opts; /* of a piece: without a limit where there are several */
    struct sk_ctl_piece *pieces;
    size_t count;

    pthread_mutex_t lock; /* guards what follows and the pieces' states */
    pthread_cond_t changed;
    size_t next, done; /* pieces */
    bool failed;
    struct sk_ctl_progress progress;
};

/* ---- pieces ---- */

enum sk_err sk_ctl_pieces_make(int64_t start_ns, int64_t end_ns, int64_t piece_ns, bool forward,
                               struct sk_ctl_piece **ret, size_t *ret_count)
{
    sk_assert(piece_ns > 0);
    int64_t span_ns = 0;
    if (end_ns > start_ns && __builtin_sub_overflow(end_ns, start_ns, &span_ns))
        return SK_ELIMIT;
    uint64_t count = (uint64_t)(span_ns / piece_ns) + (span_ns % piece_ns != 0);
    if (count > SK_CTL_PIECES_MAX)
        return SK_ELIMIT;
    struct sk_ctl_piece *pieces = sk_calloc((size_t)count + 1, sizeof(*pieces));
    if (pieces == NULL)
        return SK_ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        int64_t from_ns = start_ns + (int64_t)i * piece_ns;
        int64_t to_ns = piece_ns < end_ns - from_ns ? from_ns + piece_ns : end_ns;
        pieces[forward ? i : count - 1 - i] =
            (struct sk_ctl_piece){.start_ns = from_ns, .end_ns = to_ns};
    }
    *ret = pieces;
    *ret_count = (size_t)count;
    return SK_OK;
}

void sk_ctl_part_path(struct sk_strbuf *out, const char *prefix, const struct sk_ctl_piece *piece)
{
    sk_strbuf_puts(out, prefix);
    sk_strbuf_putc(out, '_');
    sk_ctl_time_compact(out, piece->start_ns);
    sk_strbuf_putc(out, '_');
    sk_ctl_time_compact(out, piece->end_ns);
    sk_strbuf_puts(out, ".part");
}

/* ---- one part ---- */

/* Fills the file and gives it its name. The exit code. */
static int part_make(const struct sk_ctl_opts *opts, struct sk_ctl_http *http,
                     const struct sk_ctl_piece *piece, const char *path, const char *tmp_path)
{
    const struct sk_vfs *vfs = sk_vfs_posix();
    int fd;
    enum sk_err err = vfs->open(vfs, tmp_path, O_WRONLY | O_CREAT | O_TRUNC, SK_VFS_FILE_MODE, &fd);
    if (err != SK_OK) {
        sk_ctl_say("Query failed: cannot create %s: %s", tmp_path, sk_err_text(err));
        return 1;
    }
    int code = sk_ctl_query_range(opts, http, piece->start_ns, piece->end_ns, fd, NULL);
    if (code == 0)
        err = vfs->fsync(vfs, fd);
    enum sk_err closed = vfs->close(vfs, fd);
    if (code == 0 && err == SK_OK)
        err = closed;
    if (code == 0 && err == SK_OK)
        err = vfs->rename(vfs, tmp_path, path);
    if (err != SK_OK)
        sk_ctl_say("Query failed: cannot write %s: %s", path, sk_err_text(err));
    if (err != SK_OK || code != 0)
        (void)vfs->unlink(vfs, tmp_path); /* the next run would overwrite it */
    return err == SK_OK ? code : 1;
}

static int part_fetch(const struct sk_ctl_opts *opts, struct sk_ctl_http *http,
                      const struct sk_ctl_piece *piece)
{
    const struct sk_vfs *vfs = sk_vfs_posix();
    struct sk_vfs_stat stat;
    struct sk_strbuf path, tmp_path;
    int code = 1;
    sk_strbuf_init(&path, SK_CTL_BUFFER_BYTES_MAX);
    sk_strbuf_init(&tmp_path, SK_CTL_BUFFER_BYTES_MAX);
    sk_ctl_part_path(&path, opts->part_prefix, piece);
    sk_strbuf_str(&tmp_path, sk_strbuf_view(&path));
    sk_strbuf_puts(&tmp_path, ".tmp");
    if (path.failed || tmp_path.failed) {
        sk_ctl_say("Query failed: out of memory");
    } else if (!opts->part_overwrite && vfs->stat(vfs, path.ptr, &stat) == SK_OK) {
        if (!opts->quiet)
            sk_ctl_say("Skipping %s, which is complete", path.ptr);
        code = 0;
    } else {
        code = part_make(opts, http, piece, path.ptr, tmp_path.ptr);
    }
    sk_strbuf_deinit(&path);
    sk_strbuf_deinit(&tmp_path);
    return code;
}

/* Copies the file to stdout. */
static enum sk_err part_copy(const char *path)
{
    const struct sk_vfs *vfs = sk_vfs_posix();
    int fd;
    char *buf = sk_malloc(COPY_BYTES);
    if (buf == NULL)
        return SK_ENOMEM;
    enum sk_err err = vfs->open(vfs, path, O_RDONLY, 0, &fd);
    if (err == SK_OK) {
        size_t n = 0;
        uint64_t off = 0;
        do {
            off += n;
            err = vfs->pread(vfs, fd, buf, COPY_BYTES, off, &n);
            if (err == SK_OK && !sk_ctl_write((struct sk_str){buf, n}))
                err = SK_EIO;
        } while (err == SK_OK && n > 0);
        (void)vfs->close(vfs, fd); /* only read */
    }
    sk_free(buf);
    return err;
}

/* Prints the part and deletes it, unless it is to be kept. */
static bool part_merge(const struct sk_ctl_opts *opts, const struct sk_ctl_piece *piece)
{
    const struct sk_vfs *vfs = sk_vfs_posix();
    struct sk_strbuf path;
    sk_strbuf_init(&path, SK_CTL_BUFFER_BYTES_MAX);
    sk_ctl_part_path(&path, opts->part_prefix, piece);
    enum sk_err err = path.failed ? SK_ENOMEM : part_copy(path.ptr);
    if (err == SK_OK && !opts->part_keep)
        err = vfs->unlink(vfs, path.ptr);
    if (err != SK_OK)
        sk_ctl_say("Query failed: cannot merge %s: %s", path.failed ? "a part" : path.ptr,
                   sk_err_text(err));
    sk_strbuf_deinit(&path);
    return err == SK_OK;
}

/* ---- threads ---- */

static void fail(struct download *d)
{
    pthread_mutex_lock(&d->lock);
    d->failed = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* The next piece; NULL: there is none, or one failed. */
static struct sk_ctl_piece *take(struct download *d)
{
    pthread_mutex_lock(&d->lock);
    struct sk_ctl_piece *piece = d->failed || d->next == d->count ? NULL : &d->pieces[d->next++];
    pthread_mutex_unlock(&d->lock);
    return piece;
}

static void give(struct download *d, struct sk_ctl_piece *piece, bool ok)
{
    pthread_mutex_lock(&d->lock);
    piece->state = ok ? SK_CTL_PIECE_READY : SK_CTL_PIECE_FAILED;
    d->done += ok;
    d->failed |= !ok;
    sk_ctl_progress_show(&d->progress, d->done, d->count, "%zu of %zu parts", d->done, d->count);
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static void *worker(void *ctx)
{
    struct download *d = ctx;
    struct sk_ctl_http *http;
    struct sk_ctl_piece *piece;
    struct sk_error e;
    if (sk_ctl_http_create(d->opts, &http, &e) != SK_OK) {
        sk_ctl_say("Query failed: %s", e.text);
        fail(d);
        return NULL;
    }
    while ((piece = take(d)) != NULL) {
        int code = d->opts->part_prefix != NULL
                       ? part_fetch(d->opts, http, piece)
                       : sk_ctl_query_range(d->opts, http, piece->start_ns, piece->end_ns,
                                            STDOUT_FILENO, NULL);
        give(d, piece, code == 0);
    }
    sk_ctl_http_destroy(http);
    return NULL;
}

/* Prints parts in their order until all are printed or one failed. */
static void merge(struct download *d)
{
    for (size_t i = 0; i < d->count; i++) {
        pthread_mutex_lock(&d->lock);
        while (d->pieces[i].state == SK_CTL_PIECE_WAITING && !d->failed)
            pthread_cond_wait(&d->changed, &d->lock);
        bool ready = d->pieces[i].state == SK_CTL_PIECE_READY;
        pthread_mutex_unlock(&d->lock);
        if (!ready)
            return;
        if (!part_merge(d->opts, &d->pieces[i])) {
            fail(d);
            return;
        }
    }
}

static int download(struct download *d)
{
    pthread_t threads[SK_CTL_WORKERS_MAX];
    size_t wanted = (size_t)d->opts->parallel_workers, n = 0;
    sk_assert(wanted <= SK_CTL_WORKERS_MAX);
    while (n < wanted && n < d->count && pthread_create(&threads[n], NULL, worker, d) == 0)
        n++;
    if (n == 0 && d->count > 0) {
        sk_ctl_say("Query failed: cannot start a thread");
        return 1;
    }
    if (d->opts->part_merge)
        merge(d);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    sk_ctl_progress_end(&d->progress);
    return d->failed ? 1 : 0;
}

int sk_ctl_parallel(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_opts piece_opts = *opts; /* borrows the texts */
    struct download d = {.opts = &piece_opts};
    struct sk_error e;
    int64_t start_ns, end_ns, piece_ns = opts->parallel_duration_ns;
    if (sk_ctl_opts_range(opts, &start_ns, &end_ns, &e) != SK_OK) {
        sk_ctl_say("Unable to parse time %s", e.text);
        return 1;
    }
    if (opts->parallel_workers > 1)
        piece_opts.limit = 0;
    else
        piece_ns = INT64_MAX; /* one worker fetches one part */
    enum sk_err err =
        sk_ctl_pieces_make(start_ns, end_ns, piece_ns, opts->forward, &d.pieces, &d.count);
    if (err != SK_OK) {
        sk_ctl_say("Query failed: %s",
                   err == SK_ELIMIT ? "--parallel-duration makes too many parts" : "out of memory");
        return 1;
    }
    pthread_mutex_init(&d.lock, NULL);
    pthread_cond_init(&d.changed, NULL);
    sk_ctl_progress_init(&d.progress, opts->quiet);
    int code = download(&d);
    pthread_cond_destroy(&d.changed);
    pthread_mutex_destroy(&d.lock);
    sk_free(d.pieces);
    return code;
}
