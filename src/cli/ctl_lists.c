/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_lists.c -- `labels`, `series` and `stats`: one request over a range of time, one list. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/gotext.h"
#include "cli/ctl_answer.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_listing.h"
#include "cli/ctl_text.h"

enum { COLUMN_GAP = 2 };

/* Asks `path` with end, start and, if `name` is given, one parameter between them in the order of
 * names. */
static enum sk_err ask(struct sk_ctl_listing *l, const char *path, const char *name,
                       const char *value, struct sk_error *e)
{
    struct sk_ctl_span span;
    enum sk_err err = sk_ctl_listing_span(l, 1, &span, e);
    if (err != SK_OK)
        return err;
    struct sk_ctl_param params[3];
    size_t n = 0;
    params[n++] = (struct sk_ctl_param){"end", span.end};
    if (name != NULL)
        params[n++] = (struct sk_ctl_param){name, sk_str_from(value)};
    params[n++] = (struct sk_ctl_param){"start", span.start};
    return sk_ctl_listing_ask(l, path, params, n, e);
}

/* ---- labels ---- */

int sk_ctl_labels(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_listing l;
    struct sk_error e;
    struct sk_strbuf path;
    sk_ctl_listing_init(&l, opts);
    sk_strbuf_init(&path, SK_CTL_BUFFER_BYTES_MAX);
    sk_strbuf_puts(&path, "/loki/api/v1/label");
    if (opts->args.count > 0) {
        sk_strbuf_putc(&path, '/');
        sk_ctl_path_escape(&path, sk_str_from(opts->args.items[0]));
        sk_strbuf_puts(&path, "/values");
    } else {
        sk_strbuf_putc(&path, 's');
    }
    enum sk_err err = path.failed ? sk_error_set(&e, SK_ENOMEM, "out of memory")
                                  : ask(&l, path.ptr, NULL, NULL, &e);
    const json_t *data = err == SK_OK ? json_object_get(l.root, "data") : NULL;
    for (size_t i = 0; i < json_array_size(data); i++) {
        sk_strbuf_str(&l.out, sk_ctl_json_str(json_array_get(data, i)));
        sk_strbuf_putc(&l.out, '\n');
    }
    sk_strbuf_deinit(&path);
    return sk_ctl_listing_end(&l, err, &e);
}

/* ---- series ---- */

static int by_labels(const void *a, const void *b)
{
    const struct sk_labelset *x = a, *y = b;
    return sk_labels_cmp(*x, *y);
}

/* The label sets of the answer, sorted; in the listing's arena. */
static enum sk_err decode_series(struct sk_ctl_listing *l, struct sk_labelset **ret,
                                 size_t *ret_count, struct sk_error *e)
{
    const json_t *data = json_object_get(l->root, "data");
    size_t count = json_array_size(data);
    struct sk_labelset *sets = sk_arena_calloc(&l->arena, count + 1, sizeof(*sets));
    if (sets == NULL)
        return sk_error_set(e, SK_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        enum sk_err err = sk_ctl_json_labels(&l->arena, json_array_get(data, i), &sets[i], e);
        if (err != SK_OK)
            return err;
    }
    qsort(sets, count, sizeof(*sets), by_labels);
    *ret = sets;
    *ret_count = count;
    return SK_OK;
}

/* What --analyze-labels counts. */
struct usage {
    struct sk_str name;
    uint64_t values, streams;
};

static int by_label(const void *a, const void *b)
{
    const struct sk_label *x = a, *y = b;
    int c = sk_str_cmp(x->name, y->name);
    return c != 0 ? c : sk_str_cmp(x->value, y->value);
}

/* Most values first, then by name. */
static int by_values(const void *a, const void *b)
{
    const struct usage *x = a, *y = b;
    if (x->values != y->values)
        return x->values > y->values ? -1 : 1;
    return sk_str_cmp(x->name, y->name);
}

/* All labels of all sets, sorted by name and value: each run of a name is a label's streams, each
 * run of a value in it one value. */
static enum sk_err count_usage(struct sk_ctl_listing *l, const struct sk_labelset *sets,
                               size_t count, struct usage **ret, size_t *ret_count)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < count; i++)
        total += sets[i].count;
    struct sk_label *all = sk_arena_calloc(&l->arena, total + 1, sizeof(*all));
    struct usage *usages = sk_arena_calloc(&l->arena, total + 1, sizeof(*usages));
    if (all == NULL || usages == NULL)
        return SK_ENOMEM;
    for (size_t i = 0, k = 0; i < count; k += sets[i].count, i++) {
        if (sets[i].count > 0)
            memcpy(all + k, sets[i].items, sets[i].count * sizeof(*all));
    }
    qsort(all, total, sizeof(*all), by_label);
    for (size_t i = 0; i < total; i++) {
        bool same_name = i > 0 && sk_str_eq(all[i].name, all[i - 1].name);
        if (!same_name)
            usages[n++].name = all[i].name;
        usages[n - 1].streams++;
        if (!same_name || !sk_str_eq(all[i].value, all[i - 1].value))
            usages[n - 1].values++;
    }
    qsort(usages, n, sizeof(*usages), by_values);
    *ret = usages;
    *ret_count = n;
    return SK_OK;
}

/* Cells of a column are as wide as the widest, and a gap; the last column is not padded. */
static void print_usage(struct sk_strbuf *out, const struct usage *usages, size_t count)
{
    static const char heads[2][16] = {"Label Name", "Unique Values"};
    int width0 = (int)strlen(heads[0]), width1 = (int)strlen(heads[1]) + COLUMN_GAP;
    for (size_t i = 0; i < count; i++) {
        if (usages[i].name.len > (size_t)width0 && usages[i].name.len < 65536)
            width0 = (int)usages[i].name.len;
    }
    width0 += COLUMN_GAP;
    sk_strbuf_printf(out, "%-*s%-*sFound In Streams\n", width0, heads[0], width1, heads[1]);
    for (size_t i = 0; i < count; i++) {
        size_t from = out->len;
        sk_strbuf_str(out, usages[i].name);
        while (!out->failed && out->len - from < (size_t)width0)
            sk_strbuf_putc(out, ' ');
        sk_strbuf_printf(out, "%-*llu%llu\n", width1, (unsigned long long)usages[i].values,
                         (unsigned long long)usages[i].streams);
    }
}

static enum sk_err analyze(struct sk_ctl_listing *l, const struct sk_labelset *sets, size_t count,
                           struct sk_error *e)
{
    struct usage *usages;
    size_t n;
    if (count_usage(l, sets, count, &usages, &n) != SK_OK)
        return sk_error_set(e, SK_ENOMEM, "out of memory");
    sk_strbuf_printf(&l->out, "Total Streams:  %zu\nUnique Labels:  %zu\n\n", count, n);
    print_usage(&l->out, usages, n);
    return SK_OK;
}

int sk_ctl_series(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_listing l;
    struct sk_error e;
    struct sk_labelset *sets = NULL;
    size_t count = 0;
    sk_ctl_listing_init(&l, opts);
    enum sk_err err = ask(&l, "/loki/api/v1/series", "match", opts->args.items[0], &e);
    if (err == SK_OK)
        err = decode_series(&l, &sets, &count, &e);
    if (err == SK_OK && opts->analyze_labels) {
        err = analyze(&l, sets, count, &e);
    } else if (err == SK_OK) {
        for (size_t i = 0; i < count; i++) {
            sk_labels_format(&l.out, sets[i]);
            sk_strbuf_putc(&l.out, '\n');
        }
    }
    return sk_ctl_listing_end(&l, err, &e);
}

/* ---- stats ---- */

static uint64_t count_of(const json_t *object, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(object, name)); /* 0 when it is no integer */
    return v < 0 ? 0 : (uint64_t)v;
}

int sk_ctl_stats(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_listing l;
    struct sk_error e;
    sk_ctl_listing_init(&l, opts);
    enum sk_err err = ask(&l, "/loki/api/v1/index/stats", "query", opts->args.items[0], &e);
    if (err == SK_OK) {
        sk_strbuf_puts(&l.out, "{\n  bytes: ");
        sk_go_format_bytes(&l.out, count_of(l.root, "bytes"));
        sk_strbuf_printf(&l.out, "\n  chunks: %llu\n  streams: %llu\n  entries: %llu\n}\n",
                         (unsigned long long)count_of(l.root, "chunks"),
                         (unsigned long long)count_of(l.root, "streams"),
                         (unsigned long long)count_of(l.root, "entries"));
    }
    return sk_ctl_listing_end(&l, err, &e);
}
