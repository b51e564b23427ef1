/* SPDX-License-Identifier: Apache-2.0 */
/* streams_answer.c -- results of log queries as JSON: entries by the labels they share, which a
 * worker writes piece by piece while the client takes it. */
#include <stdlib.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/gotext.h"
#include "base/jsonout.h"

enum { PIECE_BYTES = 256 * 1024 };

struct group {
    const struct sk_result_labels *labels;
    struct sk_str printed;
};

struct order { /* an entry and its group */
    uint32_t group, entry;
};

struct streams_answer {
    struct sk_log_result result;
    struct group *groups;
    size_t group_count;
    struct order *order;            /* by group, then as the query gave them */
    size_t at;                      /* next of `order` to write */
    bool categorize, begun, legacy; /* legacy: the form of /api/prom/query */
    struct sk_str flags;            /* encoding flags as sent */
};

static int group_cmp(const void *a, const void *b)
{
    return sk_str_cmp(((const struct group *)a)->printed, ((const struct group *)b)->printed);
}

static int order_cmp(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->entry > y->entry) - (x->entry < y->entry);
}

static const struct group *group_find(const struct streams_answer *s, struct sk_str printed)
{
    struct group key = {.printed = printed};
    return bsearch(&key, s->groups, s->group_count, sizeof(*s->groups), group_cmp);
}

static enum sk_err groups_make(struct streams_answer *s)
{
    size_t n = s->result.count, kept = 0;
    s->groups = sk_calloc(n, sizeof(*s->groups));
    s->order = sk_calloc(n, sizeof(*s->order));
    if (s->groups == NULL || s->order == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct sk_result_labels *l = s->result.entries[i].labels;
        s->groups[i] = (struct group){l, s->categorize ? l->printed_stream : l->printed};
    }
    if (n > 1)
        qsort(s->groups, n, sizeof(*s->groups), group_cmp);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !sk_str_eq(s->groups[kept - 1].printed, s->groups[i].printed))
            s->groups[kept++] = s->groups[i];
    }
    s->group_count = kept;
    for (size_t i = 0; i < n; i++) {
        const struct sk_result_labels *l = s->result.entries[i].labels;
        const struct group *g = group_find(s, s->categorize ? l->printed_stream : l->printed);
        s->order[i] = (struct order){(uint32_t)(g - s->groups), (uint32_t)i};
    }
    if (n > 1)
        qsort(s->order, n, sizeof(*s->order), order_cmp);
    return SK_OK;
}

void answer_value(struct sk_strbuf *out, int64_t ts_ns, struct sk_str line,
                  const struct sk_pipeline_labels *categorized)
{
    sk_strbuf_puts(out, "[\"");
    sk_strbuf_i64(out, ts_ns);
    sk_strbuf_puts(out, "\",");
    sk_json_string_html(out, line);
    if (categorized != NULL) {
        bool meta = categorized->meta.count > 0, parsed = categorized->parsed.count > 0;
        sk_strbuf_puts(out, meta ? ",{\"structuredMetadata\":" : ",{");
        if (meta)
            answer_labels(out, categorized->meta);
        if (parsed) {
            sk_strbuf_puts(out, meta ? ",\"parsed\":" : "\"parsed\":");
            answer_labels(out, categorized->parsed);
        }
        sk_strbuf_putc(out, '}');
    }
    sk_strbuf_putc(out, ']');
}

void answer_flags(struct sk_strbuf *out, struct sk_str flags)
{
    sk_strbuf_puts(out, "\"encodingFlags\":[");
    for (size_t at = 0, n = 0; at <= flags.len; n++) {
        size_t comma = sk_str_find(flags, SK_STR(","), at);
        size_t end = comma == SIZE_MAX ? flags.len : comma;
        sk_strbuf_puts(out, n > 0 ? "," : "");
        sk_json_string(out, (struct sk_str){flags.ptr + at, end - at});
        at = end + 1;
    }
    sk_strbuf_putc(out, ']');
}

static void write_entry(struct sk_strbuf *out, const struct sk_result_entry *e, bool categorize)
{
    struct sk_pipeline_labels labels = {e->labels->stream, e->labels->meta, e->labels->parsed};
    answer_value(out, e->ts_ns, e->line, categorize ? &labels : NULL);
}

static void write_entry_legacy(struct sk_strbuf *out, const struct sk_result_entry *e)
{
    sk_strbuf_puts(out, "{\"ts\":\"");
    sk_rfc3339_format(out, e->ts_ns);
    sk_strbuf_puts(out, "\",\"line\":");
    sk_json_string_html(out, e->line);
    sk_strbuf_putc(out, '}');
}

static void write_stream(struct sk_strbuf *out, const struct streams_answer *s,
                         const struct group *g)
{
    if (s->legacy) {
        sk_strbuf_puts(out, "{\"labels\":");
        sk_json_string_html(out, g->printed);
        sk_strbuf_puts(out, ",\"entries\":[");
        return;
    }
    sk_strbuf_puts(out, "{\"stream\":");
    answer_labels(out, s->categorize ? g->labels->stream : g->labels->all);
    sk_strbuf_puts(out, ",\"values\":[");
}

static void write_begin(struct sk_strbuf *out, const struct streams_answer *s)
{
    if (s->legacy) {
        sk_strbuf_puts(out, "{\"streams\":[");
        return;
    }
    sk_strbuf_puts(out, "{\"status\":\"success\",");
    answer_warnings(out, &s->result.stats);
    sk_strbuf_puts(out, "\"data\":{\"resultType\":\"streams\",");
    if (s->flags.len > 0) {
        answer_flags(out, s->flags);
        sk_strbuf_putc(out, ',');
    }
    sk_strbuf_puts(out, "\"result\":[");
}

static void streams_produce(struct call *call, struct sk_strbuf *out, bool *last)
{
    struct streams_answer *s = call->state;
    if (!s->begun)
        write_begin(out, s);
    s->begun = true;
    while (s->at < s->result.count && out->len < PIECE_BYTES) {
        const struct order *o = &s->order[s->at];
        bool opens = s->at == 0 || s->order[s->at - 1].group != o->group;
        bool closes = s->at + 1 == s->result.count || s->order[s->at + 1].group != o->group;
        sk_strbuf_puts(out, s->at > 0 ? "," : "");
        if (opens)
            write_stream(out, s, &s->groups[o->group]);
        if (s->legacy)
            write_entry_legacy(out, &s->result.entries[o->entry]);
        else
            write_entry(out, &s->result.entries[o->entry], s->categorize);
        if (closes)
            sk_strbuf_puts(out, "]}");
        s->at++;
    }
    *last = s->at == s->result.count;
    if (*last) {
        sk_strbuf_puts(out, "],");
        answer_stats(out, &s->result.stats, s->result.count);
        sk_strbuf_puts(out, s->legacy ? "}\n" : "}}\n");
    }
}

static void streams_free(struct streams_answer *s)
{
    sk_log_result_deinit(&s->result);
    sk_free(s->groups);
    sk_free(s->order);
    sk_free(s);
}

static void streams_dispose(struct call *call)
{
    streams_free(call->state);
}

bool encoding_flags(const struct call *call, struct sk_str *ret_flags)
{
    struct sk_str flags = sk_http_header_get(call->req, "X-Loki-Response-Encoding-Flags");
    *ret_flags = flags;
    for (size_t at = 0; at <= flags.len;) {
        size_t comma = sk_str_find(flags, SK_STR(","), at);
        size_t end = comma == SIZE_MAX ? flags.len : comma;
        if (sk_str_is((struct sk_str){flags.ptr + at, end - at}, "categorize-labels"))
            return true;
        at = end + 1;
    }
    return false;
}

bool answer_streams(struct call *call, struct sk_log_result *result, bool legacy)
{
    struct streams_answer *s = sk_calloc(1, sizeof(*s));
    if (s == NULL)
        return false;
    s->legacy = legacy;
    if (!legacy)
        s->categorize = encoding_flags(call, &s->flags);
    s->result = *result;
    *result = (struct sk_log_result){.entries = NULL};
    if (groups_make(s) != SK_OK) {
        streams_free(s);
        return false;
    }
    call->state = s;
    answer_pieces(call, "application/json; charset=UTF-8", streams_produce, streams_dispose);
    return true;
}
