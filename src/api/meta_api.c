/* SPDX-License-Identifier: Apache-2.0 */
/* meta_api.c -- labels, label values, detected labels, series and index statistics. Answers are
 * sorted. */
#include <ctype.h>
#include <stdlib.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "logql/parse.h"
#include "querier/series_query.h"

enum { SELECTORS_MAX = 1000 };

/* ---- sorted, unique texts ---- */

struct texts {
    struct sk_str *items;
    size_t count, cap;
};

static bool texts_add(struct texts *t, struct sk_str s)
{
    if (!SK_GROW(t->items, t->cap, t->count + 1))
        return false;
    t->items[t->count++] = s;
    return true;
}

static int text_cmp(const void *a, const void *b)
{
    return sk_str_cmp(*(const struct sk_str *)a, *(const struct sk_str *)b);
}

static void texts_write(struct sk_strbuf *out, struct texts *t, bool legacy)
{
    const char *begin = legacy ? "\"values\":[" : ",\"data\":[";
    sk_strbuf_puts(out, legacy ? "{" : "{\"status\":\"success\"");
    if (t->count > 1)
        qsort(t->items, t->count, sizeof(*t->items), text_cmp);
    for (size_t i = 0; i < t->count; i++) {
        if (i > 0 && sk_str_eq(t->items[i - 1], t->items[i]))
            continue;
        sk_strbuf_puts(out, i > 0 ? "," : begin);
        sk_json_string(out, t->items[i]);
    }
    sk_strbuf_puts(out, t->count > 0 ? "]}\n" : "}\n");
}

/* ---- what is common ---- */

struct sk_series_query series_query(const struct call *call, struct time_range range,
                                    const struct sk_ast_matcher *m)
{
    return (struct sk_series_query){.tenant = call->tenant,
                                    .matchers = m,
                                    .start_ns = range.start_ns,
                                    .end_ns =
                                        range.end_ns == INT64_MAX ? range.end_ns : range.end_ns + 1,
                                    .sources = call->sources,
                                    .source_count = call->source_count,
                                    .budget = call->api->opt.query_budget};
}

static enum sk_err meta_range(const struct call *call, struct time_range *range, bool *ret_empty,
                              struct sk_error *reterr)
{
    enum sk_err err = param_range(call, range, reterr);
    if (err == SK_OK && range->end_ns < range->start_ns)
        err = sk_error_set(
            reterr, SK_EINVAL,
            "this data is no longer available, it is past now - max_query_lookback (0s)");
    if (err == SK_OK)
        err = range_limits(call, range, ret_empty, reterr);
    return err;
}

/* The optional `query` of labels and values. */
static enum sk_err selector_param(struct call *call, const struct sk_ast_matcher **ret,
                                  struct sk_error *reterr)
{
    struct sk_str text = param_get(call, "query");
    *ret = NULL;
    return text.len == 0 ? SK_OK
                         : sk_logql_parse_selector(&call->req->arena, text, false, ret, reterr);
}

/* Labels are looked up in whole tables, as Loki does: one day each. */
static struct time_range whole_days(struct time_range r)
{
    int64_t day = SK_NS_PER_DAY;
    if (r.start_ns < INT64_MIN + day || r.end_ns > INT64_MAX - day)
        return r;
    r.start_ns -= ((r.start_ns % day) + day) % day;
    r.end_ns += day - 1 - ((r.end_ns % day) + day) % day;
    return r;
}

/* The streams that the request's selector and span name, by whole days as Loki has it. */
static enum sk_err streams_select(struct call *call, struct sk_selection *sel,
                                  struct sk_error *reterr)
{
    struct time_range range;
    const struct sk_ast_matcher *m;
    bool empty;
    enum sk_err err = meta_range(call, &range, &empty, reterr);
    if (err == SK_OK)
        err = selector_param(call, &m, reterr);
    if (err != SK_OK || empty)
        return err;
    struct sk_series_query q = series_query(call, whole_days(range), m);
    return sk_series_query_run(&q, sel, reterr);
}

/* Names (name empty) or values of one label over the streams that match; legacy: in the form of
 * /api/prom/label. */
static void labels_run(struct call *call, struct sk_str name, bool legacy)
{
    struct sk_error detail = {.text = ""};
    struct sk_selection sel = {0};
    struct texts texts = {0};
    struct sk_strbuf body;
    bool ok = true;
    sk_strbuf_init(&body, 256u << 20);
    enum sk_err err = streams_select(call, &sel, &detail);
    for (size_t i = 0; err == SK_OK && i < sel.stream_count && ok; i++) {
        struct sk_labelset set = sel.streams[i]->labels;
        for (size_t k = 0; k < set.count && ok; k++) {
            if (name.len == 0)
                ok = texts_add(&texts, set.items[k].name);
            else if (sk_str_eq(set.items[k].name, name))
                ok = texts_add(&texts, set.items[k].value);
        }
    }
    for (size_t i = 0; err == SK_OK && ok && i < call->tenant_count; i++) { /* those without data */
        if (sk_str_is(name, SK_TENANT_LABEL))
            ok = texts_add(&texts, call->tenants[i]);
    }
    if (err == SK_OK && ok)
        texts_write(&body, &texts, legacy);
    if (err == SK_OK && (!ok || body.failed))
        err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    if (err == SK_OK) {
        answer_json(call, &body);
    } else {
        sk_strbuf_deinit(&body);
        answer_error(call, err, detail.text);
    }
    sk_free(texts.items);
    sk_selection_deinit(&sel);
    call_finish(call);
}

void labels_work(struct call *call)
{
    labels_run(call, SK_STR(""), false);
}

/* Of label/{name}/values, too: as Loki's, it gives the names of all labels. */
void labels_legacy_work(struct call *call)
{
    labels_run(call, SK_STR(""), true);
}

void label_values_work(struct call *call)
{
    labels_run(call, call->path_arg, false);
}

/* ---- detected labels ---- */

static int label_cmp(const void *a, const void *b)
{
    const struct sk_label *x = a, *y = b;
    int c = sk_str_cmp(x->name, y->name);
    return c != 0 ? c : sk_str_cmp(x->value, y->value);
}

static bool is_uuid(struct sk_str s)
{
    for (size_t i = 0; i < s.len && s.len == 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.ptr[i] != '-' : !isxdigit((unsigned char)s.ptr[i]))
            return false;
    }
    return s.len == 36;
}

/* Names whose values are all numbers or UUIDs tell nothing, but for some that are always shown. */
static bool is_shown(const struct sk_label *labels, size_t count)
{
    static const char *const always[] = {"cluster", "namespace", "instance", "pod"};
    double number;
    for (size_t i = 0; i < SK_COUNT_OF(always); i++) {
        if (sk_str_is(labels[0].name, always[i]))
            return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_uuid(labels[i].value) && sk_go_parse_float(labels[i].value, &number, NULL) != SK_OK)
            return true;
    }
    return false;
}

/* `labels` are sorted and unique. */
static void detected_write(struct sk_strbuf *out, const struct sk_label *labels, size_t count)
{
    bool any = false;
    for (size_t from = 0, end; from < count; from = end) {
        for (end = from + 1; end < count && sk_str_eq(labels[from].name, labels[end].name);)
            end++;
        if (!is_shown(labels + from, end - from))
            continue;
        sk_strbuf_puts(out, any ? ",{\"label\":" : "{\"detectedLabels\":[{\"label\":");
        sk_json_string(out, labels[from].name);
        sk_strbuf_printf(out, ",\"cardinality\":%zu}", end - from);
        any = true;
    }
    sk_strbuf_puts(out, any ? "]}\n" : "{}\n");
}

/* Labels of all streams, sorted, each pair once. NULL: out of memory. */
static struct sk_label *labels_collect(const struct sk_selection *sel, size_t *ret_count)
{
    struct sk_label *list = NULL;
    size_t cap = 0, n = 0, kept = 0;
    for (size_t i = 0; i < sel->stream_count; i++) {
        struct sk_labelset set = sel->streams[i]->labels;
        if (!SK_GROW(list, cap, n + set.count + 1)) {
            sk_free(list);
            return NULL;
        }
        for (size_t k = 0; k < set.count; k++)
            list[n++] = set.items[k];
    }
    if (n > 1)
        qsort(list, n, sizeof(*list), label_cmp);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || label_cmp(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    }
    *ret_count = kept;
    return list != NULL ? list : sk_calloc(1, sizeof(*list));
}

void detected_labels_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct sk_selection sel = {0};
    struct sk_label *labels = NULL;
    struct sk_strbuf body;
    size_t count = 0;
    sk_strbuf_init(&body, 256u << 20);
    enum sk_err err = streams_select(call, &sel, &detail);
    if (err == SK_OK) {
        labels = labels_collect(&sel, &count);
        if (labels != NULL)
            detected_write(&body, labels, count);
        if (labels == NULL || body.failed)
            err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    }
    if (err == SK_OK) {
        answer_json(call, &body);
    } else {
        sk_strbuf_deinit(&body);
        answer_error(call, err, detail.text);
    }
    sk_free(labels);
    sk_selection_deinit(&sel);
    call_finish(call);
}

/* ---- series ---- */

static enum sk_err series_collect(struct call *call, struct time_range range,
                                  const struct sk_ast_matcher *m, struct texts *out,
                                  struct sk_error *reterr)
{
    struct sk_selection sel;
    struct sk_series_query q = series_query(call, range, m);
    struct sk_strbuf one;
    enum sk_err err = sk_series_query_run(&q, &sel, reterr);
    if (err != SK_OK)
        return err;
    sk_strbuf_init(&one, 16u << 20);
    for (size_t i = 0; i < sel.stream_count && err == SK_OK; i++) {
        struct sk_labelset set = sel.streams[i]->labels;
        sk_strbuf_reset(&one);
        for (size_t k = 0; k < set.count; k++) {
            sk_strbuf_puts(&one, k > 0 ? "," : "{");
            sk_json_string(&one, set.items[k].name);
            sk_strbuf_putc(&one, ':');
            sk_json_string(&one, set.items[k].value);
        }
        sk_strbuf_puts(&one, set.count > 0 ? "}" : "{}");
        struct sk_str kept = sk_arena_str(&call->req->arena, sk_strbuf_view(&one));
        if (kept.ptr == NULL || !texts_add(out, kept))
            err = sk_error_set(reterr, SK_ENOMEM, "not enough memory for this answer");
    }
    sk_strbuf_deinit(&one);
    sk_selection_deinit(&sel);
    return err;
}

/* match[] and match, all of them; none, or a single {}, means everything. */
static enum sk_err series_selectors(struct call *call, struct sk_str *texts, size_t *ret_count,
                                    struct sk_error *reterr)
{
    size_t n = 0;
    for (const struct sk_http_param *p = call->params; p != NULL; p = p->next) {
        if (!sk_str_is(p->name, "match[]") && !sk_str_is(p->name, "match"))
            continue;
        if (n == SELECTORS_MAX)
            return sk_error_set(reterr, SK_ELIMIT, "more than %d selectors in one request",
                                SELECTORS_MAX);
        texts[n++] = p->value;
    }
    *ret_count = n;
    return SK_OK;
}

static enum sk_err series_run(struct call *call, struct texts *out, struct sk_error *reterr)
{
    struct time_range range;
    bool empty;
    size_t n = 0;
    struct sk_str *selectors =
        sk_arena_calloc(&call->req->arena, SELECTORS_MAX, sizeof(*selectors));
    if (selectors == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "not enough memory for this query");
    enum sk_err err = param_range(call, &range, reterr);
    if (err == SK_OK && range.end_ns < range.start_ns)
        err = sk_error_set(
            reterr, SK_EINVAL,
            "this data is no longer available, it is past now - max_query_lookback (0s)");
    if (err == SK_OK)
        err = series_selectors(call, selectors, &n, reterr);
    for (size_t i = 0; i < n && err == SK_OK && n > 1; i++) {
        const struct sk_ast_matcher *m;
        err = sk_logql_parse_selector(&call->req->arena, selectors[i], true, &m, reterr);
        if (err == SK_OK && m == NULL)
            err = sk_error_set(reterr, SK_EINVAL, "0 matchers in group: {}");
    }
    if (err == SK_OK)
        err = range_limits(call, &range, &empty, reterr);
    if (err != SK_OK || empty)
        return err;
    if (n == 0)
        return series_collect(call, range, NULL, out, reterr);
    for (size_t i = 0; i < n && err == SK_OK; i++) {
        const struct sk_ast_matcher *m;
        err = sk_logql_parse_selector(&call->req->arena, selectors[i], true, &m, reterr);
        if (err == SK_OK)
            err = series_collect(call, range, m, out, reterr);
    }
    return err;
}

void series_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct texts out = {0};
    struct sk_strbuf body;
    sk_strbuf_init(&body, 256u << 20);
    enum sk_err err = series_run(call, &out, &detail);
    if (err == SK_OK) {
        if (out.count > 1)
            qsort(out.items, out.count, sizeof(*out.items), text_cmp);
        sk_strbuf_puts(&body, "{\"status\":\"success\",\"data\":[");
        bool first = true;
        for (size_t i = 0; i < out.count; i++) {
            if (i > 0 && sk_str_eq(out.items[i - 1], out.items[i]))
                continue;
            sk_strbuf_puts(&body, first ? "" : ",");
            sk_strbuf_str(&body, out.items[i]);
            first = false;
        }
        sk_strbuf_puts(&body, "]}\n");
        if (body.failed)
            err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    }
    if (err == SK_OK) {
        answer_json(call, &body);
    } else {
        sk_strbuf_deinit(&body);
        answer_error(call, err, detail.text);
    }
    sk_free(out.items);
    call_finish(call);
}

/* ---- statistics ---- */

struct stats {
    uint64_t streams, chunks, entries;
    double bytes;
};

/* The part of a chunk that lies in the span, assuming even spread. */
static double overlap(const struct sk_unit *u, struct time_range r)
{
    double length = (double)(u->through_ns - u->from_ns);
    int64_t from = u->from_ns > r.start_ns ? u->from_ns : r.start_ns;
    int64_t through = u->through_ns < r.end_ns ? u->through_ns : r.end_ns;
    if (length <= 0 || (from == u->from_ns && through == u->through_ns))
        return 1;
    return through <= from ? 0 : (double)(through - from) / length;
}

static struct stats stats_sum(const struct sk_selection *sel, struct time_range range)
{
    struct stats st = {0};
    double entries = 0;
    for (size_t i = 0; i < sel->stream_count; i++) {
        for (const struct sk_unit *u = sel->streams[i]->units; u != NULL; u = u->next) {
            double part = overlap(u, range);
            st.chunks++;
            st.bytes += part * (u->checksum != 0 ? (double)u->kb * 1024 : (double)u->bytes);
            entries += part * u->entry_count;
        }
        st.streams += sel->streams[i]->unit_count > 0;
    }
    st.entries = (uint64_t)entries;
    return st;
}

void stats_work(struct call *call)
{
    struct sk_error detail = {.text = ""};
    struct time_range range;
    const struct sk_ast_matcher *m = NULL;
    struct sk_selection sel = {0};
    struct sk_strbuf body;
    bool empty = false;
    enum sk_err err = param_range(call, &range, &detail);
    if (err == SK_OK && range.end_ns < range.start_ns)
        err = sk_error_set(&detail, SK_EINVAL,
                           "end timestamp must not be before or equal to start time");
    if (err == SK_OK)
        err = sk_logql_parse_selector(&call->req->arena, param_get(call, "query"), false, &m,
                                      &detail);
    if (err == SK_OK)
        err = range_limits(call, &range, &empty, &detail);
    if (err == SK_OK && !empty) {
        struct sk_series_query q = series_query(call, range, m);
        q.with_units = true;
        err = sk_series_query_run(&q, &sel, &detail);
    }
    if (err == SK_OK) {
        struct stats st = stats_sum(&sel, range);
        sk_strbuf_init(&body, 4096);
        sk_strbuf_printf(&body,
                         "{\"streams\":%llu,\"chunks\":%llu,\"bytes\":%.0f,\"entries\":%llu}\n",
                         (unsigned long long)st.streams, (unsigned long long)st.chunks, st.bytes,
                         (unsigned long long)st.entries);
        answer_json(call, &body);
    } else {
        answer_error(call, err, detail.text);
    }
    sk_selection_deinit(&sel);
    call_finish(call);
}
