/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_answer.c -- see ctl_answer.h. The tree is jansson's; arrays beside it are the arena's. */
#include "cli/ctl_answer.h"

#include <stdlib.h>

#include <jansson.h>

#include "base/assert.h"
#include "cli/ctl_text.h"

struct sk_str sk_ctl_json_str(const struct json_t *value)
{
    if (!json_is_string(value))
        return (struct sk_str){"", 0};
    return (struct sk_str){json_string_value(value), json_string_length(value)};
}

enum sk_err sk_ctl_json_decode(struct sk_str body, struct json_t **ret, struct sk_error *reterr)
{
    json_error_t e;
    json_t *root = json_loadb(body.ptr == NULL ? "" : body.ptr, body.len,
                              JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
    if (root == NULL)
        return sk_error_set(reterr, SK_EPARSE, "the answer is not JSON: %s at byte %d", e.text,
                            e.position);
    *ret = root;
    return SK_OK;
}

enum sk_err sk_ctl_json_labels(struct sk_arena *arena, const struct json_t *object,
                               struct sk_labelset *ret, struct sk_error *reterr)
{
    if (!json_is_object(object))
        return sk_error_set(reterr, SK_EPARSE, "the answer holds labels that are no object");
    json_t *o = (json_t *)(uintptr_t)object; /* iteration of jansson takes no const */
    struct sk_label *items = sk_arena_calloc(arena, json_object_size(o) + 1, sizeof(*items));
    if (items == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    size_t n = 0;
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        json_t *value = json_object_iter_value(it);
        if (!json_is_string(value))
            return sk_error_set(reterr, SK_EPARSE, "the answer holds a label that is no text");
        items[n++] =
            (struct sk_label){sk_str_from(json_object_iter_key(it)), sk_ctl_json_str(value)};
    }
    sk_labels_sort(items, n);
    *ret = (struct sk_labelset){items, n};
    return SK_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct sk_ctl_entry *x = a, *y = b;
    if (x->ts_ns != y->ts_ns)
        return x->ts_ns < y->ts_ns ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_time_backward(const void *a, const void *b)
{
    const struct sk_ctl_entry *x = a, *y = b;
    if (x->ts_ns != y->ts_ns)
        return x->ts_ns > y->ts_ns ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* One ["ns", "line", ...] of stream `stream_idx`. */
static enum sk_err entry_decode(struct sk_ctl_answer *a, const json_t *pair, size_t stream_idx,
                                struct sk_error *reterr)
{
    int64_t ts_ns;
    const json_t *ts = json_array_get(pair, 0), *line = json_array_get(pair, 1);
    if (!json_is_string(ts) || !json_is_string(line) || !sk_str_to_i64(sk_ctl_json_str(ts), &ts_ns))
        return sk_error_set(reterr, SK_EPARSE, "the answer holds a log entry that is none");
    a->entries[a->entry_count] = (struct sk_ctl_entry){
        ts_ns, sk_ctl_json_str(line), (uint32_t)stream_idx, (uint32_t)a->entry_count};
    a->entry_count++;
    return SK_OK;
}

static enum sk_err streams_decode(struct sk_ctl_answer *a, struct sk_error *reterr)
{
    size_t streams = json_array_size(a->result), entries = 0;
    for (size_t i = 0; i < streams; i++)
        entries += json_array_size(json_object_get(json_array_get(a->result, i), "values"));
    if (entries > SK_CTL_ENTRIES_MAX || streams > SK_CTL_ENTRIES_MAX)
        return sk_error_set(reterr, SK_ELIMIT, "the answer holds too many entries");
    a->streams = sk_arena_calloc(&a->arena, streams + 1, sizeof(*a->streams));
    a->entries = sk_arena_calloc(&a->arena, entries + 1, sizeof(*a->entries));
    if (a->streams == NULL || a->entries == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    for (size_t i = 0; i < streams; i++) {
        const json_t *stream = json_array_get(a->result, i);
        const json_t *values = json_object_get(stream, "values");
        enum sk_err err = sk_ctl_json_labels(&a->arena, json_object_get(stream, "stream"),
                                             &a->streams[i], reterr);
        for (size_t k = 0; err == SK_OK && k < json_array_size(values); k++)
            err = entry_decode(a, json_array_get(values, k), i, reterr);
        if (err != SK_OK)
            return err;
        a->stream_count++;
    }
    sk_assert(a->entry_count == entries);
    return SK_OK;
}

static enum sk_err result_decode(struct sk_ctl_answer *a, bool forward, struct sk_error *reterr)
{
    static const char *const kinds[] = {"streams", "matrix", "vector", "scalar"};
    const json_t *data = json_object_get(a->root, "data");
    struct sk_str type = sk_ctl_json_str(json_object_get(data, "resultType"));
    a->result = json_object_get(data, "result");
    a->stats = json_object_get(data, "stats");
    if (!json_is_array(a->result))
        return sk_error_set(reterr, SK_EPARSE, "the answer holds no result");
    size_t kind = 0;
    while (kind < SK_COUNT_OF(kinds) && !sk_str_is(type, kinds[kind]))
        kind++;
    if (kind == SK_COUNT_OF(kinds))
        return sk_error_set(reterr, SK_EPARSE, "unable to print unsupported type: %.*s",
                            SK_STR_ARG(type));
    a->kind = (enum sk_ctl_result)kind;
    if (a->kind != SK_CTL_STREAMS)
        return SK_OK;
    enum sk_err err = streams_decode(a, reterr);
    if (err == SK_OK && a->entry_count > 1)
        qsort(a->entries, a->entry_count, sizeof(*a->entries),
              forward ? by_time : by_time_backward);
    return err;
}

enum sk_err sk_ctl_answer_decode(struct sk_ctl_answer *answer, struct sk_str body, bool forward,
                                 struct sk_error *reterr)
{
    *answer = (struct sk_ctl_answer){0};
    sk_arena_init(&answer->arena, SK_CTL_BUFFER_BYTES_MAX, NULL);
    enum sk_err err = sk_ctl_json_decode(body, &answer->root, reterr);
    if (err == SK_OK)
        err = result_decode(answer, forward, reterr);
    if (err != SK_OK)
        sk_ctl_answer_deinit(answer);
    return err;
}

enum sk_err sk_ctl_answer_decode_tail(struct sk_ctl_answer *answer, struct sk_str frame,
                                      struct sk_error *reterr)
{
    *answer = (struct sk_ctl_answer){.kind = SK_CTL_STREAMS};
    sk_arena_init(&answer->arena, SK_CTL_BUFFER_BYTES_MAX, NULL);
    enum sk_err err = sk_ctl_json_decode(frame, &answer->root, reterr);
    answer->result = err == SK_OK ? json_object_get(answer->root, "streams") : NULL;
    if (err == SK_OK)
        err = streams_decode(answer, reterr);
    if (err != SK_OK)
        sk_ctl_answer_deinit(answer);
    return err;
}

void sk_ctl_answer_deinit(struct sk_ctl_answer *answer)
{
    sk_arena_deinit(&answer->arena);
    json_decref(answer->root);
    *answer = (struct sk_ctl_answer){0};
}
