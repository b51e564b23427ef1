/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_tail.c -- `query --tail`: entries are printed as they come. A connection that breaks is made
 * again from the newest time seen, whose entries come once more: what was printed of that time is
 * remembered and left out. SIGINT closes the WebSocket before it ends the program. */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/hash.h"
#include "cli/ctl_answer.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_print.h"
#include "cli/ctl_text.h"
#include "cli/ctl_websocket.h"

enum { RECONNECTS_MAX = 5, BACKOFF_MIN_S = 1, BACKOFF_MAX_S = 10, NEWEST_MAX = 100000 };

struct tail {
    const struct sk_ctl_opts *opts;
    struct sk_ctl_http *http;
    struct sk_ctl_format format;
    struct sk_strbuf out;
    int64_t start_ns;
    int64_t newest_ns; /* 0: nothing came yet */
    uint64_t *newest;  /* hashes of the lines of that time */
    size_t newest_count, newest_cap;
    bool again; /* after a reconnect: they may come once more */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signum)
{
    interrupted = signum;
}

static void signals_catch(void)
{
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: waiting ends */
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
}

/* The program ends by the signal that it has caught. */
static void signals_raise(void)
{
    (void)signal(interrupted, SIG_DFL);
    (void)raise(interrupted);
}

/* ---- printing ---- */

/* Whether the entry was printed before the connection broke. Remembers it otherwise. */
static bool seen(struct tail *t, const struct sk_ctl_entry *e)
{
    uint64_t hash = sk_hash_mem(e->line.ptr, e->line.len);
    if (e->ts_ns < t->newest_ns) /* late: it was not asked for again */
        return false;
    if (e->ts_ns > t->newest_ns) {
        t->newest_ns = e->ts_ns;
        t->newest_count = 0;
        t->again = false;
    }
    for (size_t i = 0; t->again && i < t->newest_count; i++) {
        if (t->newest[i] == hash)
            return true;
    }
    if (t->newest_count < NEWEST_MAX && SK_GROW(t->newest, t->newest_cap, t->newest_count + 1))
        t->newest[t->newest_count++] = hash;
    return false;
}

static enum sk_err shown_make(struct tail *t, struct sk_ctl_answer *a, struct sk_labelset set,
                              struct sk_ctl_shown *ret)
{
    const struct sk_ctl_opts *o = t->opts;
    struct sk_strbuf text;
    enum sk_err err = SK_OK;
    ret->labels = set;
    ret->hash = sk_labels_fingerprint(set);
    if (o->include_labels.count > 0)
        err = sk_ctl_labels_select(&a->arena, ret->labels, &o->include_labels, true, &ret->labels);
    if (err == SK_OK && o->exclude_labels.count > 0)
        err = sk_ctl_labels_select(&a->arena, ret->labels, &o->exclude_labels, false, &ret->labels);
    if (err != SK_OK)
        return err;
    sk_strbuf_init(&text, SK_CTL_BUFFER_BYTES_MAX);
    sk_labels_format(&text, ret->labels);
    while (text.len < (size_t)o->labels_width && !text.failed)
        sk_strbuf_putc(&text, ' ');
    ret->text = sk_arena_str(&a->arena, sk_strbuf_view(&text));
    err = text.failed || ret->text.ptr == NULL ? SK_ENOMEM : SK_OK;
    sk_strbuf_deinit(&text);
    return err;
}

static void drops_say(struct tail *t, const json_t *drops, struct sk_ctl_answer *a)
{
    if (json_array_size(drops) > 0)
        sk_ctl_say("Server dropped following entries due to slow client");
    for (size_t i = 0; i < json_array_size(drops); i++) {
        const json_t *d = json_array_get(drops, i);
        struct sk_error unused;
        struct sk_labelset labels;
        struct sk_strbuf text;
        int64_t ts_ns = 0;
        sk_strbuf_init(&text, SK_CTL_BUFFER_BYTES_MAX);
        if (sk_str_to_i64(sk_ctl_json_str(json_object_get(d, "timestamp")), &ts_ns) &&
            sk_ctl_json_labels(&a->arena, json_object_get(d, "labels"), &labels, &unused) ==
                SK_OK) {
            sk_ctl_time_format(&text, ts_ns, t->format.layout, t->format.utc);
            sk_strbuf_putc(&text, ' ');
            sk_labels_format(&text, labels);
            sk_ctl_say("%.*s", SK_STR_ARG(sk_strbuf_view(&text)));
        }
        sk_strbuf_deinit(&text);
    }
}

static enum sk_err frame_print(struct tail *t, struct sk_str frame, struct sk_error *reterr)
{
    struct sk_ctl_answer a;
    enum sk_err err = sk_ctl_answer_decode_tail(&a, frame, reterr);
    if (err != SK_OK)
        return err;
    struct sk_ctl_shown *shown = sk_arena_calloc(&a.arena, a.stream_count + 1, sizeof(*shown));
    if (shown == NULL)
        err = SK_ENOMEM;
    for (size_t i = 0; err == SK_OK && i < a.stream_count; i++)
        err = shown_make(t, &a, a.streams[i], &shown[i]);
    for (size_t i = 0; err == SK_OK && i < a.entry_count; i++) {
        const struct sk_ctl_entry *e = &a.entries[i];
        if (!seen(t, e))
            sk_ctl_print_entry(&t->out, &t->format, e->ts_ns, &shown[e->stream_idx], e->line);
    }
    if (err != SK_OK || t->out.failed)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    else if (!sk_ctl_write(sk_strbuf_view(&t->out)))
        err = sk_error_set(reterr, SK_EINVAL, "the output is closed");
    sk_strbuf_reset(&t->out);
    drops_say(t, json_object_get(a.root, "dropped_entries"), &a);
    sk_ctl_answer_deinit(&a);
    return err;
}

/* ---- the connection ---- */

static enum sk_err connect_once(struct tail *t, struct sk_ctl_ws **ret, struct sk_error *reterr)
{
    struct sk_strbuf number[3];
    struct sk_ctl_param params[4];
    size_t n = 0;
    const int64_t values[] = {t->opts->delay_for_s, t->opts->limit,
                              t->newest_ns != 0 ? t->newest_ns : t->start_ns};
    for (size_t i = 0; i < SK_COUNT_OF(number); i++) {
        sk_strbuf_init(&number[i], 64);
        sk_strbuf_i64(&number[i], values[i]);
    }
    if (t->opts->delay_for_s != 0)
        params[n++] = (struct sk_ctl_param){"delay_for", sk_strbuf_view(&number[0])};
    params[n++] = (struct sk_ctl_param){"limit", sk_strbuf_view(&number[1])};
    params[n++] = (struct sk_ctl_param){"query", sk_str_from(t->opts->args.items[0])};
    params[n++] = (struct sk_ctl_param){"start", sk_strbuf_view(&number[2])};
    enum sk_err err = sk_ctl_ws_open(t->http, "/loki/api/v1/tail", params, n, ret, reterr);
    for (size_t i = 0; i < SK_COUNT_OF(number); i++)
        sk_strbuf_deinit(&number[i]);
    return err;
}

static enum sk_err connect_again(struct tail *t, struct sk_ctl_ws **ret, struct sk_error *reterr)
{
    enum sk_err err = SK_EIO;
    t->again = true;
    for (unsigned i = 0; i < RECONNECTS_MAX && err != SK_OK && !interrupted; i++) {
        err = connect_once(t, ret, reterr);
        if (err == SK_OK)
            break;
        sk_ctl_say("Error recreating tailing connection after unexpected close, will retry: %s",
                   reterr->text);
        struct timespec wait = {.tv_sec = BACKOFF_MIN_S << i};
        if (wait.tv_sec > BACKOFF_MAX_S)
            wait.tv_sec = BACKOFF_MAX_S;
        (void)nanosleep(&wait, NULL); /* a signal ends it */
    }
    return err;
}

/* 0 or the exit code. */
static int follow(struct tail *t, struct sk_ctl_ws *ws)
{
    struct sk_error e;
    int code = 1;
    while (!interrupted) {
        struct sk_str frame;
        enum sk_err err = sk_ctl_ws_next(ws, &frame, &e);
        if (err == SK_ETIMEDOUT)
            continue;
        if (err == SK_OK) {
            err = frame_print(t, frame, &e);
            if (err == SK_OK)
                continue;
            sk_ctl_say("Error reading stream: %s", e.text);
            break;
        }
        if (err != SK_EIO) {
            sk_ctl_say("Error reading stream: %s", e.text);
            break;
        }
        sk_ctl_say("Remote websocket connection closed unexpectedly (%s). Connecting again.",
                   e.text);
        sk_ctl_ws_close(ws);
        ws = NULL;
        if (connect_again(t, &ws, &e) != SK_OK) {
            if (!interrupted)
                sk_ctl_say("Error recreating tailing connection: %s", e.text);
            break;
        }
    }
    sk_ctl_ws_close(ws);
    if (interrupted)
        code = 0;
    return code;
}

int sk_ctl_tail(const struct sk_ctl_opts *opts)
{
    struct sk_error e;
    struct sk_ctl_ws *ws = NULL;
    int64_t end_ns;
    int code = 1;
    struct tail t = {.opts = opts,
                     .format = {.output = (enum sk_ctl_output)opts->output,
                                .layout = (enum sk_ctl_layout)opts->layout,
                                .utc = opts->timezone == 1,
                                .no_labels = opts->no_labels,
                                .color = isatty(STDOUT_FILENO) == 1,
                                .color_by_hash = opts->colored}};
    sk_strbuf_init(&t.out, SK_CTL_BUFFER_BYTES_MAX);
    signals_catch();
    if (sk_ctl_opts_range(opts, &t.start_ns, &end_ns, &e) != SK_OK)
        sk_ctl_say("Unable to parse time %s", e.text);
    else if (sk_ctl_http_create(opts, &t.http, &e) != SK_OK || connect_once(&t, &ws, &e) != SK_OK)
        sk_ctl_say("Tailing logs failed: %s", e.text);
    else
        code = follow(&t, ws);
    sk_ctl_http_destroy(t.http);
    sk_strbuf_deinit(&t.out);
    sk_free(t.newest);
    if (interrupted)
        signals_raise();
    return code;
}
