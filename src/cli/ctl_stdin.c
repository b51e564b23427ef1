/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_stdin.c -- see ctl_stdin.h. What passes is kept until the end of the input: which labels are
 * common to all lines is known only then. */
#include "cli/ctl_stdin.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hmap.h"
#include "base/strbuf.h"
#include "logql/parse.h"
#include "logql/pipeline.h"

#define ANSWER_BYTES_MAX ((size_t)4 << 30)
#define LINE_BYTES_MAX   ((size_t)64 << 20)
#define QUERY_BYTES_MAX  ((size_t)16 << 20)

static const struct sk_label source[] = {{{"source", 6}, {"logcli", 6}}};

struct local {
    struct sk_ctl_answer *answer;
    struct sk_pipeline_run *run;
    int64_t newest_ns;
    struct sk_hmap sets; /* of struct sk_labelset in `streams`, by index + 1 */
    struct sk_labelset *streams;
    size_t stream_count, stream_cap;
    struct sk_ctl_entry *entries;
    size_t entry_count, entry_cap;
};

/* The query as it is, else behind a selector. */
static enum sk_err query_parse(struct sk_arena *arena, struct sk_str query,
                               const struct sk_ast_expr **ret, struct sk_error *reterr)
{
    struct sk_error ignored;
    struct sk_strbuf text;
    enum sk_err err = sk_logql_parse(arena, query, ret, reterr);
    if (err != SK_EPARSE)
        return err;
    sk_strbuf_init(&text, QUERY_BYTES_MAX);
    sk_strbuf_puts(&text, "{source=\"logcli\"} ");
    sk_strbuf_str(&text, query);
    if (!text.failed && sk_logql_parse(arena, sk_strbuf_view(&text), ret, &ignored) == SK_OK)
        err = SK_OK;
    sk_strbuf_deinit(&text);
    return err;
}

/* The number of the stream with these labels, which is made when it is new. */
static enum sk_err stream_of(struct local *l, struct sk_labelset set, uint32_t *ret)
{
    uint64_t hash = sk_labels_fingerprint(set);
    for (size_t at = sk_hmap_first(&l->sets, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&l->sets, hash, at)) {
        size_t i = (size_t)(uintptr_t)l->sets.slots[at].value - 1;
        if (sk_labels_eq(l->streams[i], set)) {
            *ret = (uint32_t)i;
            return SK_OK;
        }
    }
    if (!SK_GROW(l->streams, l->stream_cap, l->stream_count + 1) ||
        sk_labels_copy(&l->answer->arena, set, &l->streams[l->stream_count]) != SK_OK ||
        !sk_hmap_add(&l->sets, hash, (void *)(uintptr_t)(l->stream_count + 1)))
        return SK_ENOMEM;
    *ret = (uint32_t)l->stream_count++;
    return SK_OK;
}

/* All labels of the entry, whatever their category. */
static enum sk_err labels_of(struct local *l, struct sk_arena *arena, struct sk_labelset *ret)
{
    struct sk_pipeline_labels got;
    enum sk_err err = sk_pipeline_run_labels(l->run, &got);
    if (err != SK_OK)
        return err;
    const struct sk_labelset parts[] = {got.stream, got.meta, got.parsed};
    size_t n = 0, count = got.stream.count + got.meta.count + got.parsed.count;
    struct sk_label *items = sk_arena_alloc(arena, (count + 1) * sizeof(*items));
    if (items == NULL)
        return SK_ENOMEM;
    for (size_t p = 0; p < SK_COUNT_OF(parts); p++) {
        for (size_t i = 0; i < parts[p].count; i++)
            items[n++] = parts[p].items[i];
    }
    sk_labels_sort(items, n);
    *ret = (struct sk_labelset){items, n};
    return SK_OK;
}

static enum sk_err line_run(struct local *l, struct sk_arena *scratch, struct sk_str line)
{
    struct sk_labelset set;
    int64_t ts_ns = l->newest_ns - (int64_t)l->entry_count;
    sk_arena_reset(scratch);
    switch (sk_pipeline_run_entry(l->run, ts_ns, line, NULL, 0)) {
    case SK_PIPELINE_DROP:
        return SK_OK;
    case SK_PIPELINE_ERROR:
        return SK_ENOMEM;
    case SK_PIPELINE_KEEP:
        break;
    }
    if (l->entry_count >= SK_CTL_ENTRIES_MAX ||
        !SK_GROW(l->entries, l->entry_cap, l->entry_count + 1))
        return SK_ENOMEM;
    struct sk_ctl_entry *e = &l->entries[l->entry_count];
    *e = (struct sk_ctl_entry){.ts_ns = ts_ns, .seq = (uint32_t)l->entry_count};
    e->line = sk_arena_str(&l->answer->arena, sk_pipeline_run_line(l->run));
    enum sk_err err = e->line.ptr == NULL ? SK_ENOMEM : labels_of(l, scratch, &set);
    if (err == SK_OK)
        err = stream_of(l, set, &e->stream_idx);
    l->entry_count += err == SK_OK;
    return err;
}

static enum sk_err lines_run(struct local *l, uint64_t limit, FILE *in, struct sk_error *reterr)
{
    struct sk_arena scratch;
    char *line = NULL;
    size_t cap = 0;
    enum sk_err err = SK_OK;
    sk_arena_init(&scratch, LINE_BYTES_MAX, NULL);
    while (err == SK_OK && (limit == 0 || l->entry_count < limit)) {
        ssize_t n = getline(&line, &cap, in);
        if (n < 0)
            break;
        if (n > 0 && line[n - 1] == '\n')
            n--;
        err = line_run(l, &scratch, (struct sk_str){line, (size_t)n});
    }
    if (err != SK_OK)
        (void)sk_error_set(reterr, err, "out of memory");
    else if (ferror(in))
        err = sk_error_set(reterr, SK_EIO, "cannot read standard input: %s", strerror(errno));
    sk_free(line); /* getline takes it from the same heap */
    sk_arena_deinit(&scratch);
    return err;
}

/* Moves what was found into the answer. */
static enum sk_err answer_fill(struct local *l)
{
    struct sk_ctl_answer *a = l->answer;
    a->streams = sk_arena_calloc(&a->arena, l->stream_count + 1, sizeof(*a->streams));
    a->entries = sk_arena_calloc(&a->arena, l->entry_count + 1, sizeof(*a->entries));
    if (a->streams == NULL || a->entries == NULL)
        return SK_ENOMEM;
    if (l->stream_count > 0)
        memcpy(a->streams, l->streams, l->stream_count * sizeof(*a->streams));
    if (l->entry_count > 0)
        memcpy(a->entries, l->entries, l->entry_count * sizeof(*a->entries));
    a->stream_count = l->stream_count;
    a->entry_count = l->entry_count;
    return SK_OK;
}

enum sk_err sk_ctl_stdin_answer(struct sk_ctl_answer *ret, struct sk_str query, uint64_t limit,
                                FILE *in, struct sk_error *reterr)
{
    struct local l = {.answer = ret, .newest_ns = sk_clock_now_ns()};
    struct sk_arena arena;
    const struct sk_ast_expr *expr;
    const struct sk_pipeline *pipeline;
    *ret = (struct sk_ctl_answer){.kind = SK_CTL_STREAMS};
    sk_arena_init(&ret->arena, ANSWER_BYTES_MAX, NULL);
    sk_arena_init(&arena, QUERY_BYTES_MAX, NULL);
    enum sk_err err = query_parse(&arena, query, &expr, reterr);
    if (err == SK_OK && expr->kind != SK_AST_LOG)
        err = sk_error_set(reterr, SK_EUNSUPPORTED, "metrics Query: not supported");
    if (err == SK_OK)
        err = sk_pipeline_create(&arena, &expr->u.log, &pipeline, reterr);
    if (err == SK_OK && sk_pipeline_run_create(pipeline, LINE_BYTES_MAX, NULL, &l.run) != SK_OK)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    if (err == SK_OK) {
        sk_pipeline_run_stream(l.run, (struct sk_labelset){source, 1});
        err = lines_run(&l, limit, in, reterr);
    }
    if (err == SK_OK && answer_fill(&l) != SK_OK)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    sk_pipeline_run_destroy(l.run);
    sk_hmap_deinit(&l.sets);
    sk_free(l.streams);
    sk_free(l.entries);
    sk_arena_deinit(&arena);
    return err;
}
