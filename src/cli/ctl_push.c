/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_push.c -- `push`: lines of files or of standard input become one stream.
 *
 *   read -> line -> entry (protobuf) -> batch, sent at 1 MiB or 1 s after its first line
 *
 * Times are those of reading, in nanoseconds, each larger than the one before, so that the server
 * keeps the order and sends of the same batch twice do no harm. SIGINT and SIGTERM end the reading;
 * what was read is still sent. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/vfs.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_http.h"
#include "cli/ctl_progress.h"
#include "cli/ctl_text.h"
#include "codec/codec.h"
#include "labels/labelset.h"
#include "wire/push_encode.h"

enum {
    BATCH_BYTES = 1 << 20,
    LINE_BYTES_MAX = 1 << 20, /* four times what servers take by default */
    READ_BYTES = 1 << 16,
    ENTRY_EXTRA_BYTES = 64, /* above what an entry takes beside its line */
    RETRIES = 5,            /* unless --retries says else */
    MIN_BACKOFF_S = 1,
    MAX_BACKOFF_S = 30,
    HTTP_BAD_REQUEST = 400,
    HTTP_TOO_MANY = 429,
};
#define BATCH_AGE_NS SK_NS_PER_S
#define LABELS_MAX   128u
#define LABEL_BYTES  ((size_t)1 << 20)

struct push {
    const struct sk_ctl_opts *opts;
    struct sk_ctl_http *http;
    struct sk_strbuf labels;          /* text of the stream's labels */
    struct sk_strbuf line;            /* the beginning of a line whose end is not read yet */
    struct sk_strbuf entries;         /* the batch, encoded */
    struct sk_strbuf message, packed; /* the request, plain and compressed */
    bool skipping;                    /* inside a line that is too long */
    struct sk_ctl_progress progress;
    uint64_t total_bytes; /* of all files; 0: not known */
    int64_t last_ts_ns;
    int64_t batch_mono_ns, begin_mono_ns;
    uint64_t batch_lines, batch_bytes;
    uint64_t lines, bytes, requests; /* taken by the server */
    uint64_t refused_requests, refused_lines, long_lines;
};

static volatile sig_atomic_t stopping;

static void on_signal(int signo)
{
    (void)signo; /* both mean the same */
    stopping = 1;
}

/* The second signal of a kind ends the program at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    /* refused only for signals that cannot be caught */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- labels ---- */

static enum sk_err label_flag(const char *text, struct sk_label *ret, struct sk_error *reterr)
{
    const char *eq = strchr(text, '=');
    struct sk_str name = {text, eq == NULL ? 0 : (size_t)(eq - text)};
    if (eq == NULL || !sk_label_name_valid(name))
        return sk_error_set(reterr, SK_EINVAL, "--label wants name=value, got '%s'", text);
    *ret = (struct sk_label){name, sk_str_from(eq + 1)};
    return SK_OK;
}

/* Joins --labels and --label to the text of the stream. */
static enum sk_err labels_make(const struct sk_ctl_opts *o, struct sk_strbuf *out,
                               struct sk_error *reterr)
{
    struct sk_label items[LABELS_MAX];
    struct sk_labelset set = {0};
    struct sk_arena arena;
    enum sk_err err = SK_OK;
    sk_arena_init(&arena, LABEL_BYTES, NULL);
    if (o->push_label_set != NULL)
        err = sk_labels_parse(&arena, sk_str_from(o->push_label_set), &set, reterr);
    if (err == SK_OK && (set.count > LABELS_MAX || o->push_labels.count > LABELS_MAX - set.count))
        err = sk_error_set(reterr, SK_EINVAL, "more than %u labels", LABELS_MAX);
    if (err != SK_OK)
        goto out;
    size_t n = 0;
    for (; n < set.count; n++)
        items[n] = set.items[n];
    for (size_t i = 0; err == SK_OK && i < o->push_labels.count; i++, n++)
        err = label_flag(o->push_labels.items[i], &items[n], reterr);
    if (err != SK_OK)
        goto out;
    if (n == 0) {
        err = sk_error_set(reterr, SK_EINVAL,
                           "give the stream a label, with --label name=value "
                           "or --labels '{name=\"value\"}'");
        goto out;
    }
    sk_labels_sort(items, n);
    for (size_t i = 1; err == SK_OK && i < n; i++) {
        if (sk_str_eq(items[i - 1].name, items[i].name))
            err = sk_error_set(reterr, SK_EINVAL, "label '%.*s' is given twice",
                               SK_STR_ARG(items[i].name));
    }
    if (err == SK_OK)
        sk_labels_format(out, (struct sk_labelset){items, n});
    if (err == SK_OK && out->failed)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
out:
    sk_arena_deinit(&arena);
    return err;
}

/* ---- sending ---- */

static void show_progress(struct push *p)
{
    struct sk_strbuf text;
    double seconds = (double)(sk_clock_mono_ns() - p->begin_mono_ns) / (double)SK_NS_PER_S;
    sk_strbuf_init(&text, 256);
    sk_strbuf_printf(&text, "%llu lines, ", (unsigned long long)p->lines);
    sk_go_format_bytes(&text, p->bytes);
    sk_strbuf_puts(&text, ", ");
    sk_go_format_bytes(&text, seconds > 0.001 ? (uint64_t)((double)p->bytes / seconds) : 0);
    sk_strbuf_puts(&text, "/s");
    if (!text.failed) /* each line has its newline in the files */
        sk_ctl_progress_show(&p->progress, p->bytes + p->lines, p->total_bytes, "%s", text.ptr);
    sk_strbuf_deinit(&text);
}

/* One request, repeated while the server is away or busy. SK_OK: taken. SK_EINVAL: refused for
 * what it holds, which was said; others may pass. SK_EIO: given up, which was said. */
static enum sk_err request(struct push *p)
{
    const struct sk_ctl_opts *o = p->opts;
    int64_t retries = o->retries < 0 ? RETRIES : o->retries;
    int64_t min_s = o->min_backoff_s < 0 ? MIN_BACKOFF_S : o->min_backoff_s;
    int64_t max_s = o->max_backoff_s < 0 ? MAX_BACKOFF_S : o->max_backoff_s;
    struct sk_slice body = sk_slice_of_str(sk_strbuf_view(&p->packed));
    for (unsigned attempt = 0;; attempt++, retries--) {
        struct sk_error e;
        struct sk_str answer = {0};
        long status = 0;
        enum sk_err err = sk_ctl_http_post(p->http, "/loki/api/v1/push", "application/x-protobuf",
                                           body, &status, &answer, &e);
        if (err == SK_OK && status / 100 == 2)
            return SK_OK;
        bool again = err != SK_OK || status == HTTP_TOO_MANY || status / 100 == 5;
        if (err != SK_OK)
            sk_ctl_say("error sending request %s attempts remaining: %lld", e.text,
                       (long long)retries);
        else
            sk_ctl_say("error response from server: %ld: %.*s attempts remaining: %lld", status,
                       SK_STR_ARG(sk_str_trim(answer)), again ? (long long)retries : 0);
        if (!again)
            return status == HTTP_BAD_REQUEST ? SK_EINVAL : SK_EIO;
        if (retries <= 0)
            return SK_EIO;
        sk_ctl_backoff(attempt, min_s, max_s);
    }
}

/* Sends the batch, if there is one, and begins the next. */
static enum sk_err send_batch(struct push *p)
{
    if (p->batch_lines == 0)
        return SK_OK;
    sk_strbuf_reset(&p->message);
    sk_strbuf_reset(&p->packed);
    sk_push_encode_stream(&p->message, sk_strbuf_view(&p->labels), sk_strbuf_view(&p->entries));
    if (p->entries.failed || p->message.failed ||
        sk_snappy_block_pack(sk_slice_of_str(sk_strbuf_view(&p->message)), &p->packed) != SK_OK) {
        sk_ctl_say("Push failed: out of memory");
        return SK_ENOMEM;
    }
    enum sk_err err = request(p);
    if (err == SK_OK) {
        p->lines += p->batch_lines;
        p->bytes += p->batch_bytes;
        p->requests++;
        show_progress(p);
    } else if (err == SK_EINVAL) {
        p->refused_requests++;
        p->refused_lines += p->batch_lines;
        err = SK_OK;
    }
    if (err == SK_OK) {
        sk_strbuf_reset(&p->entries);
        p->batch_lines = p->batch_bytes = 0;
    }
    return err;
}

static enum sk_err add_line(struct push *p, struct sk_str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (p->entries.len > 0 && p->entries.len + line.len + ENTRY_EXTRA_BYTES > BATCH_BYTES) {
        enum sk_err err = send_batch(p);
        if (err != SK_OK)
            return err;
    }
    int64_t ts_ns = sk_clock_now_ns();
    if (ts_ns <= p->last_ts_ns)
        ts_ns = p->last_ts_ns + 1;
    p->last_ts_ns = ts_ns;
    if (p->batch_lines == 0)
        p->batch_mono_ns = sk_clock_mono_ns();
    sk_push_encode_entry(&p->entries, ts_ns, line, NULL, 0);
    p->batch_lines++;
    p->batch_bytes += line.len;
    return SK_OK;
}

/* ---- reading ---- */

/* A piece of a line; `last`: its end. */
static enum sk_err take_piece(struct push *p, struct sk_str piece, bool last)
{
    enum sk_err err = SK_OK;
    if (!p->skipping && piece.len > LINE_BYTES_MAX - p->line.len) {
        p->skipping = true;
        p->long_lines++;
        sk_strbuf_reset(&p->line);
    }
    if (!last) {
        if (!p->skipping)
            sk_strbuf_str(&p->line, piece);
        return p->line.failed ? SK_ENOMEM : SK_OK;
    }
    if (!p->skipping && p->line.len == 0) {
        err = add_line(p, piece);
    } else if (!p->skipping) {
        sk_strbuf_str(&p->line, piece);
        err = p->line.failed ? SK_ENOMEM : add_line(p, sk_strbuf_view(&p->line));
    }
    p->skipping = false;
    sk_strbuf_reset(&p->line);
    return err;
}

static enum sk_err take_bytes(struct push *p, struct sk_str bytes)
{
    while (bytes.len > 0) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.ptr);
        enum sk_err err = take_piece(p, (struct sk_str){bytes.ptr, len}, end != NULL);
        if (err != SK_OK)
            return err;
        len += end != NULL;
        bytes = (struct sk_str){bytes.ptr + len, bytes.len - len};
    }
    return SK_OK;
}

/* Milliseconds until the batch is old enough to be sent; -1: there is none. */
static int wait_ms(const struct push *p)
{
    if (p->batch_lines == 0)
        return -1;
    int64_t left_ns = p->batch_mono_ns + BATCH_AGE_NS - sk_clock_mono_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / SK_NS_PER_MS) + 1;
}

/* Until the end of the input or a signal. SK_ENOENT: it cannot be read, which was said. */
static enum sk_err push_fd(struct push *p, int fd, const char *name)
{
    char buf[READ_BYTES];
    enum sk_err err = SK_OK;
    while (err == SK_OK && !stopping) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        int ready = poll(&waiting, 1, wait_ms(p));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0 || wait_ms(p) == 0) {
            err = send_batch(p);
            continue;
        }
        ssize_t n = read(fd, buf, sizeof(buf));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            sk_ctl_say("Push failed: cannot read %s: %s", name, strerror(errno));
            return SK_ENOENT;
        }
        if (n == 0)
            break;
        err = take_bytes(p, (struct sk_str){buf, (size_t)n});
    }
    if (err == SK_OK && (p->line.len > 0 || p->skipping)) /* no newline at the end */
        err = take_piece(p, (struct sk_str){"", 0}, true);
    if (err == SK_ENOMEM)
        sk_ctl_say("Push failed: out of memory");
    return err;
}

static enum sk_err push_file(struct push *p, const char *path)
{
    if (strcmp(path, "-") == 0)
        return push_fd(p, STDIN_FILENO, "standard input");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        sk_ctl_say("Push failed: cannot open %s: %s", path, strerror(errno));
        return SK_ENOENT;
    }
    enum sk_err err = push_fd(p, fd, path);
    (void)close(fd); /* only read */
    return err;
}

/* ---- the command ---- */

static void summary(struct push *p)
{
    const struct sk_ctl_opts *o = p->opts;
    sk_ctl_progress_end(&p->progress);
    if (!o->quiet) {
        struct sk_strbuf text;
        int64_t took_ns = sk_clock_mono_ns() - p->begin_mono_ns;
        sk_strbuf_init(&text, SK_CTL_BUFFER_BYTES_MAX);
        sk_strbuf_printf(&text, "Pushed %llu lines, ", (unsigned long long)p->lines);
        sk_go_format_bytes(&text, p->bytes);
        sk_strbuf_printf(&text, ", in %llu requests, to stream ", (unsigned long long)p->requests);
        sk_strbuf_str(&text, sk_strbuf_view(&p->labels));
        sk_strbuf_puts(&text, " in ");
        sk_go_format_duration(&text, took_ns / SK_NS_PER_MS * SK_NS_PER_MS);
        sk_ctl_say("%.*s", SK_STR_ARG(sk_strbuf_view(&text)));
        sk_strbuf_deinit(&text);
    }
    if (p->refused_requests > 0)
        sk_ctl_say("The server refused lines in %llu requests of %llu lines",
                   (unsigned long long)p->refused_requests, (unsigned long long)p->refused_lines);
    if (p->long_lines > 0)
        sk_ctl_say("%llu lines are longer than %d bytes and were left out",
                   (unsigned long long)p->long_lines, LINE_BYTES_MAX);
    if (p->batch_lines > 0)
        sk_ctl_say("%llu lines that were read could not be sent",
                   (unsigned long long)p->batch_lines);
}

/* What the files hold; 0 when one of them is no file. */
static uint64_t sum_sizes(const struct sk_ctl_texts *files)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct sk_vfs *vfs = sk_vfs_posix();
        struct sk_vfs_stat stat;
        if (vfs->stat(vfs, files->items[i], &stat) != SK_OK || !stat.is_file)
            return 0;
        sum += stat.size_bytes;
    }
    return sum;
}

static int push_all(struct push *p)
{
    const struct sk_ctl_texts *files = &p->opts->args;
    enum sk_err err = SK_OK;
    catch_signals();
    p->begin_mono_ns = sk_clock_mono_ns();
    p->total_bytes = sum_sizes(files);
    sk_ctl_progress_init(&p->progress, p->opts->quiet);
    if (files->count == 0)
        err = push_file(p, "-");
    for (size_t i = 0; err == SK_OK && !stopping && i < files->count; i++)
        err = push_file(p, files->items[i]);
    /* a file that cannot be read ends the work, but what was read before it is sent */
    if (err == SK_OK || err == SK_ENOENT) {
        enum sk_err sent = send_batch(p);
        err = err == SK_OK ? sent : err;
    }
    summary(p);
    return err == SK_OK && p->refused_requests == 0 && p->long_lines == 0 ? 0 : 1;
}

int sk_ctl_push(const struct sk_ctl_opts *opts)
{
    struct push p = {.opts = opts};
    struct sk_strbuf *const bufs[] = {&p.labels, &p.line, &p.entries, &p.message, &p.packed};
    struct sk_error e;
    int code = 1;
    for (size_t i = 0; i < SK_COUNT_OF(bufs); i++)
        sk_strbuf_init(bufs[i], SK_CTL_BUFFER_BYTES_MAX);
    if (labels_make(opts, &p.labels, &e) != SK_OK || sk_ctl_http_create(opts, &p.http, &e) != SK_OK)
        sk_ctl_say("Push failed: %s", e.text);
    else
        code = push_all(&p);
    sk_ctl_http_destroy(p.http);
    for (size_t i = 0; i < SK_COUNT_OF(bufs); i++)
        sk_strbuf_deinit(bufs[i]);
    return code;
}
