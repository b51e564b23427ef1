/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_query.c -- `query` and `instant-query`. A long answer is asked in batches (ctl_page.h); the
 * answer before the present one is kept, to know which entries at the boundary were printed. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "cli/ctl_answer.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_http.h"
#include "cli/ctl_page.h"
#include "cli/ctl_parallel.h"
#include "cli/ctl_print.h"
#include "cli/ctl_progress.h"
#include "cli/ctl_query.h"
#include "cli/ctl_stats.h"
#include "cli/ctl_stdin.h"
#include "cli/ctl_text.h"

#define OUT_FLUSH_BYTES (1u << 20)

struct query {
    const struct sk_ctl_opts *opts;
    struct sk_ctl_http *http;         /* borrowed */
    struct sk_ctl_progress *progress; /* NULL: none */
    int fd;                           /* of the output */
    struct sk_ctl_format format;
    struct sk_ctl_page page;
    struct sk_ctl_answer answer, before; /* the present batch and the one before it */
    struct sk_strbuf out;                /* for fd */
};

static void query_init(struct query *q, const struct sk_ctl_opts *opts, struct sk_ctl_http *http,
                       int fd)
{
    bool terminal = isatty(fd) == 1;
    *q = (struct query){
        .opts = opts,
        .http = http,
        .fd = fd,
        .format = {.output = (enum sk_ctl_output)opts->output,
                   .layout = (enum sk_ctl_layout)opts->layout,
                   .utc = opts->timezone == 1,
                   .no_labels = opts->no_labels,
                   .color = terminal,
                   .color_by_hash = opts->colored},
    };
    sk_strbuf_init(&q->out, SK_CTL_BUFFER_BYTES_MAX);
}

static void query_deinit(struct query *q)
{
    sk_ctl_answer_deinit(&q->answer);
    sk_ctl_answer_deinit(&q->before);
    sk_strbuf_deinit(&q->out);
}

static int failed(const struct sk_error *e)
{
    sk_ctl_say("Query failed: %s", e->text);
    return 1;
}

static bool flush(struct query *q)
{
    if (q->out.failed) {
        sk_ctl_say("Query failed: out of memory");
        return false;
    }
    bool ok = sk_ctl_write_to(q->fd, sk_strbuf_view(&q->out));
    sk_strbuf_reset(&q->out);
    return ok;
}

static bool print_stats(const struct sk_ctl_answer *answer)
{
    struct sk_strbuf text;
    sk_strbuf_init(&text, SK_CTL_BUFFER_BYTES_MAX);
    sk_ctl_stats_print(&text, answer->stats);
    bool ok = !text.failed && fwrite(text.ptr, 1, text.len, stderr) == text.len;
    sk_strbuf_deinit(&text);
    return ok;
}

/* ---- which labels are shown ---- */

static void say_names(const char *what, const struct sk_ctl_texts *names)
{
    struct sk_strbuf text;
    sk_strbuf_init(&text, SK_CTL_BUFFER_BYTES_MAX);
    for (size_t i = 0; i < names->count; i++)
        sk_strbuf_printf(&text, "%s%s", i == 0 ? "" : ",", names->items[i]);
    sk_ctl_say("%s: %.*s", what, SK_STR_ARG(sk_strbuf_view(&text)));
    sk_strbuf_deinit(&text);
}

static void say_labels(const struct query *q, struct sk_labelset common)
{
    const struct sk_ctl_opts *o = q->opts;
    if (o->quiet)
        return;
    if (common.count > 0) {
        struct sk_strbuf text, line;
        sk_strbuf_init(&text, SK_CTL_BUFFER_BYTES_MAX);
        sk_strbuf_init(&line, SK_CTL_BUFFER_BYTES_MAX);
        sk_labels_format(&text, common);
        sk_ctl_print_colored_labels(&line, &q->format, sk_strbuf_view(&text),
                                    sk_labels_fingerprint(common));
        sk_ctl_say("Common labels: %.*s", SK_STR_ARG(sk_strbuf_view(&line)));
        sk_strbuf_deinit(&text);
        sk_strbuf_deinit(&line);
    }
    if (o->exclude_labels.count > 0)
        say_names("Ignoring labels key", &o->exclude_labels);
    if (o->include_labels.count > 0)
        say_names("Print only labels key", &o->include_labels);
}

/* The labels that need no printing per line: shared by all streams, and not asked for by name. */
static enum sk_err common_labels(struct query *q, struct sk_labelset *ret)
{
    const struct sk_ctl_opts *o = q->opts;
    struct sk_ctl_answer *a = &q->answer;
    *ret = (struct sk_labelset){0};
    if (o->include_common)
        return SK_OK;
    enum sk_err err = sk_ctl_labels_common(&a->arena, a->streams, a->stream_count, ret);
    if (err == SK_OK && o->include_labels.count > 0)
        err = sk_ctl_labels_select(&a->arena, *ret, &o->include_labels, false, ret);
    return err;
}

static enum sk_err shown_labels(struct query *q, struct sk_labelset common, struct sk_labelset set,
                                struct sk_labelset *ret)
{
    const struct sk_ctl_opts *o = q->opts;
    struct sk_arena *arena = &q->answer.arena;
    enum sk_err err = sk_ctl_labels_subtract(arena, set, common, ret);
    if (err == SK_OK && o->include_labels.count > 0)
        err = sk_ctl_labels_select(arena, *ret, &o->include_labels, true, ret);
    if (err == SK_OK && o->exclude_labels.count > 0)
        err = sk_ctl_labels_select(arena, *ret, &o->exclude_labels, false, ret);
    return err;
}

/* Pads `text` with blanks to `width` bytes. */
static struct sk_str padded(struct sk_arena *arena, struct sk_str text, size_t width)
{
    if (text.len >= width)
        return text;
    char *wide = sk_arena_alloc(arena, width);
    if (wide == NULL)
        return (struct sk_str){0};
    memcpy(wide, text.ptr, text.len);
    memset(wide + text.len, ' ', width - text.len);
    return (struct sk_str){wide, width};
}

/* Fills `shown`, one per stream of the answer, and says what is common. */
static enum sk_err prepare(struct query *q, struct sk_ctl_shown *shown)
{
    struct sk_ctl_answer *a = &q->answer;
    struct sk_labelset common;
    size_t width = (size_t)q->opts->labels_width;
    struct sk_strbuf text;
    sk_strbuf_init(&text, SK_CTL_BUFFER_BYTES_MAX);
    if (width > SK_CTL_BUFFER_BYTES_MAX)
        width = SK_CTL_BUFFER_BYTES_MAX;
    enum sk_err err = common_labels(q, &common);
    for (size_t i = 0; err == SK_OK && i < a->stream_count; i++) {
        err = shown_labels(q, common, a->streams[i], &shown[i].labels);
        if (err != SK_OK)
            break;
        sk_strbuf_reset(&text);
        sk_labels_format(&text, shown[i].labels);
        shown[i].text = sk_arena_str(&a->arena, sk_strbuf_view(&text));
        shown[i].hash = sk_labels_fingerprint(a->streams[i]);
        if (text.failed || shown[i].text.ptr == NULL)
            err = SK_ENOMEM;
        if (q->opts->labels_width == 0 && shown[i].text.len > width)
            width = shown[i].text.len;
    }
    for (size_t i = 0; err == SK_OK && i < a->stream_count; i++) {
        shown[i].text = padded(&a->arena, shown[i].text, width);
        if (shown[i].text.ptr == NULL)
            err = SK_ENOMEM;
    }
    if (err == SK_OK && a->stream_count > 0)
        say_labels(q, common);
    sk_strbuf_deinit(&text);
    return err;
}

/* ---- printing a batch ---- */

/* Whether the batch before printed this entry. Only its last ones, which share the boundary, can be
 * meant: they end the array. `used` marks the ones that were found. */
static bool printed_before(const struct query *q, const struct sk_ctl_entry *entry, bool *used)
{
    const struct sk_ctl_answer *b = &q->before;
    for (size_t i = b->entry_count; i > 0; i--) {
        const struct sk_ctl_entry *old = &b->entries[i - 1];
        if (old->ts_ns != entry->ts_ns)
            return false;
        if (!used[i - 1] && sk_str_eq(old->line, entry->line) &&
            sk_labels_eq(b->streams[old->stream_idx], q->answer.streams[entry->stream_idx])) {
            used[i - 1] = true;
            return true;
        }
    }
    return false;
}

/* Prints the new entries of the answer and fills *ret. */
static enum sk_err print_batch(struct query *q, struct sk_ctl_page_result *ret)
{
    struct sk_ctl_answer *a = &q->answer;
    struct sk_ctl_shown *shown = sk_arena_calloc(&a->arena, a->stream_count + 1, sizeof(*shown));
    bool *used = sk_arena_calloc(&a->arena, q->before.entry_count + 1, sizeof(*used));
    if (shown == NULL || used == NULL)
        return SK_ENOMEM;
    enum sk_err err = prepare(q, shown);
    if (err != SK_OK)
        return err;
    struct sk_ctl_page_result result = {.received = a->entry_count};
    for (size_t i = 0; i < a->entry_count; i++) {
        const struct sk_ctl_entry *e = &a->entries[i];
        if (printed_before(q, e, used))
            continue;
        sk_ctl_print_entry(&q->out, &q->format, e->ts_ns, &shown[e->stream_idx], e->line);
        result.printed++;
        if (q->out.len >= OUT_FLUSH_BYTES && !flush(q))
            return SK_EIO;
    }
    if (a->entry_count > 0)
        result.boundary_ns = a->entries[a->entry_count - 1].ts_ns;
    for (size_t i = a->entry_count; i > 0 && a->entries[i - 1].ts_ns == result.boundary_ns; i--)
        result.at_boundary++;
    *ret = result;
    return flush(q) ? SK_OK : SK_EIO;
}

/* 0 or the exit code. */
static int print_metric(struct query *q)
{
    if (!sk_ctl_print_json(&q->out, q->answer.result)) {
        sk_ctl_say("Query failed: the answer is nested too deep");
        return 1;
    }
    return flush(q) ? 0 : 1;
}

/* ---- asking ---- */

static struct sk_str int_text(struct sk_strbuf *out, int64_t v)
{
    sk_strbuf_reset(out);
    sk_strbuf_i64(out, v);
    return sk_strbuf_view(out);
}

static struct sk_str seconds_text(struct sk_strbuf *out, int64_t ns)
{
    sk_strbuf_reset(out);
    sk_go_float_f(out, (double)ns / (double)SK_NS_PER_S);
    return sk_strbuf_view(out);
}

/* One request of `query`; *ret_body is borrowed from the client. */
static enum sk_err ask_range(struct query *q, struct sk_str *ret_body, struct sk_error *e)
{
    const struct sk_ctl_opts *o = q->opts;
    enum { END, INTERVAL, LIMIT, START, STEP, NUMBERS };
    struct sk_strbuf number[NUMBERS];
    struct sk_ctl_param params[7];
    size_t n = 0;
    for (size_t i = 0; i < NUMBERS; i++)
        sk_strbuf_init(&number[i], 512);
    params[n++] =
        (struct sk_ctl_param){"direction", sk_str_from(o->forward ? "FORWARD" : "BACKWARD")};
    params[n++] = (struct sk_ctl_param){"end", int_text(&number[END], q->page.end_ns)};
    if (o->interval_ns != 0)
        params[n++] =
            (struct sk_ctl_param){"interval", seconds_text(&number[INTERVAL], o->interval_ns)};
    params[n++] = (struct sk_ctl_param){
        "limit", int_text(&number[LIMIT], (int64_t)sk_ctl_page_ask(&q->page))};
    params[n++] = (struct sk_ctl_param){"query", sk_str_from(o->args.items[0])};
    params[n++] = (struct sk_ctl_param){"start", int_text(&number[START], q->page.start_ns)};
    if (o->step_ns != 0)
        params[n++] = (struct sk_ctl_param){"step", seconds_text(&number[STEP], o->step_ns)};
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < NUMBERS; i++) {
        if (number[i].failed)
            err = sk_error_set(e, SK_ENOMEM, "out of memory");
    }
    if (err == SK_OK)
        err = sk_ctl_http_get(q->http, "/loki/api/v1/query_range", params, n, ret_body, e);
    for (size_t i = 0; i < NUMBERS; i++)
        sk_strbuf_deinit(&number[i]);
    return err;
}

/* Asks, decodes and prints one batch; *ret_next tells whether there are more. 0 or the exit
 * code. */
static int run_batch(struct query *q, enum sk_ctl_page_next *ret_next)
{
    struct sk_error e;
    struct sk_str body;
    enum sk_err err = ask_range(q, &body, &e);
    if (err == SK_OK)
        err = sk_ctl_answer_decode(&q->answer, body, q->opts->forward, &e);
    if (err != SK_OK)
        return failed(&e);
    *ret_next = SK_CTL_PAGE_DONE;
    if (q->answer.kind != SK_CTL_STREAMS)
        return print_metric(q);
    struct sk_ctl_page_result result;
    err = print_batch(q, &result);
    if (err == SK_ENOMEM)
        sk_ctl_say("Query failed: out of memory");
    if (err != SK_OK)
        return 1;
    *ret_next = sk_ctl_page_advance(&q->page, &result);
    return 0;
}

static int stuck(const struct query *q)
{
    sk_ctl_say("Invalid batch size %llu, the next query will have %llu overlapping entries (all of "
               "them share one timestamp, and the entries of the timestamp at which a batch ends "
               "are asked again). Please increase your batch size to at least %llu to account for "
               "overlapping entries",
               (unsigned long long)q->page.batch, (unsigned long long)q->page.overlap,
               (unsigned long long)q->page.overlap + 1);
    return 1;
}

static int run_query(struct query *q)
{
    for (;;) {
        enum sk_ctl_page_next next;
        int code = run_batch(q, &next);
        if (code == 0 && q->opts->stats && !print_stats(&q->answer))
            code = 1;
        if (code != 0 || next == SK_CTL_PAGE_DONE)
            return code;
        if (next == SK_CTL_PAGE_STUCK)
            return stuck(q);
        if (q->progress != NULL)
            sk_ctl_progress_show(q->progress, q->page.printed, q->page.limit, "%llu entries",
                                 (unsigned long long)q->page.printed);
        sk_ctl_answer_deinit(&q->before);
        q->before = q->answer;
        q->answer = (struct sk_ctl_answer){0};
    }
}

static int run_stdin(struct query *q)
{
    struct sk_error e;
    struct sk_ctl_page_result unused;
    enum sk_err err = sk_ctl_stdin_answer(&q->answer, sk_str_from(q->opts->args.items[0]),
                                          (uint64_t)q->opts->limit, stdin, &e);
    if (err != SK_OK)
        return failed(&e);
    err = print_batch(q, &unused);
    if (err == SK_ENOMEM)
        sk_ctl_say("Query failed: out of memory");
    return err == SK_OK ? 0 : 1;
}

int sk_ctl_query_range(const struct sk_ctl_opts *opts, struct sk_ctl_http *http, int64_t start_ns,
                       int64_t end_ns, int fd, struct sk_ctl_progress *progress)
{
    struct query q;
    query_init(&q, opts, http, fd);
    q.progress = progress;
    q.page = (struct sk_ctl_page){.start_ns = start_ns,
                                  .end_ns = end_ns,
                                  .limit = (uint64_t)opts->limit,
                                  .batch = (uint64_t)opts->batch,
                                  .forward = opts->forward};
    int code = run_query(&q);
    query_deinit(&q);
    return code;
}

static int query_stdin(const struct sk_ctl_opts *opts)
{
    struct query q;
    query_init(&q, opts, NULL, STDOUT_FILENO);
    int code = run_stdin(&q);
    query_deinit(&q);
    return code;
}

int sk_ctl_query(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_http *http;
    struct sk_ctl_progress progress;
    struct sk_error e;
    int64_t start_ns, end_ns;
    if (opts->from_stdin)
        return query_stdin(opts);
    if (opts->tail || opts->follow)
        return sk_ctl_tail(opts);
    if (opts->parallel_workers > 1 || opts->part_prefix != NULL)
        return sk_ctl_parallel(opts);
    if (sk_ctl_opts_range(opts, &start_ns, &end_ns, &e) != SK_OK) {
        sk_ctl_say("Unable to parse time %s", e.text);
        return 1;
    }
    if (sk_ctl_http_create(opts, &http, &e) != SK_OK)
        return failed(&e);
    /* lines that scroll by are progress enough */
    sk_ctl_progress_init(&progress, opts->quiet || isatty(STDOUT_FILENO) == 1);
    int code = sk_ctl_query_range(opts, http, start_ns, end_ns, STDOUT_FILENO, &progress);
    sk_ctl_progress_end(&progress);
    sk_ctl_http_destroy(http);
    return code;
}

/* ---- instant-query ---- */

static enum sk_err ask_instant(struct query *q, int64_t time_ns, struct sk_str *ret_body,
                               struct sk_error *e)
{
    const struct sk_ctl_opts *o = q->opts;
    struct sk_strbuf limit, time;
    sk_strbuf_init(&limit, 64);
    sk_strbuf_init(&time, 64);
    const struct sk_ctl_param params[] = {
        {"direction", sk_str_from(o->forward ? "FORWARD" : "BACKWARD")},
        {"limit", int_text(&limit, o->limit)},
        {"query", sk_str_from(o->args.items[0])},
        {"time", int_text(&time, time_ns)},
    };
    enum sk_err err;
    if (limit.failed || time.failed)
        err = sk_error_set(e, SK_ENOMEM, "out of memory");
    else
        err = sk_ctl_http_get(q->http, "/loki/api/v1/query", params, SK_COUNT_OF(params), ret_body,
                              e);
    sk_strbuf_deinit(&limit);
    sk_strbuf_deinit(&time);
    return err;
}

static int run_instant(struct query *q, int64_t time_ns)
{
    struct sk_error e;
    struct sk_str body;
    enum sk_err err = ask_instant(q, time_ns, &body, &e);
    if (err == SK_OK)
        err = sk_ctl_answer_decode(&q->answer, body, q->opts->forward, &e);
    if (err != SK_OK)
        return failed(&e);
    int code = 0;
    struct sk_ctl_page_result unused;
    if (q->answer.kind == SK_CTL_STREAMS)
        code = print_batch(q, &unused) == SK_OK ? 0 : 1;
    else
        code = print_metric(q);
    if (code == 0 && q->opts->stats && !print_stats(&q->answer))
        code = 1;
    return code;
}

int sk_ctl_instant_query(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_http *http;
    struct query q;
    struct sk_error e;
    int64_t time_ns = sk_clock_now_ns();
    if (opts->now != NULL && sk_ctl_time_parse(sk_str_from(opts->now), &time_ns, &e) != SK_OK) {
        sk_ctl_say("Unable to parse time %s", e.text);
        return 1;
    }
    if (sk_ctl_http_create(opts, &http, &e) != SK_OK)
        return failed(&e);
    query_init(&q, opts, http, STDOUT_FILENO);
    int code = run_instant(&q, time_ns);
    query_deinit(&q);
    sk_ctl_http_destroy(http);
    return code;
}
