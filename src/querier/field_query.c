/* SPDX-License-Identifier: Apache-2.0 */
/* field_query.c -- see field_query.h. */
#include "querier/field_query.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/gotext.h"
#include "base/hash.h"
#include "logql/json_paths.h"
#include "logql/pipeline.h"
#include "querier/unit_scan.h"

#define RESULT_BYTES_MAX ((size_t)1 << 30)
#define LINE_BYTES_MAX   ((size_t)64 << 20) /* what parsing one line may take */

enum { TYPED_BYTES_MAX = 128, INTERRUPT_EVERY = 64 };

/* Hashes of values; 0 is a free slot. */
struct distinct {
    uint64_t *slots;
    size_t mask, count;
};

struct field {
    struct sk_field shown; /* first */
    struct distinct seen;
};

struct parser {
    struct sk_ast_stage stage;
    struct sk_ast_log log;
    struct sk_pipeline_run *run;
    struct sk_str stream; /* the printed labels that the run has been given */
};

struct finder {
    const struct sk_field_query *q;
    struct sk_field_result *res;
    struct sk_arena arena; /* pipelines */
    struct sk_arena line;  /* of the present line */
    struct parser json, logfmt;
    struct sk_hmap by_name; /* of struct field */
    size_t field_cap, value_cap;
    struct distinct values;
    struct sk_error *reterr;
};

/* ---- types ---- */

const char *sk_field_type_text(enum sk_field_type type)
{
    static const char *const texts[] = {
#define TYPE_TEXT(name, text) text,
        SK_FIELD_TYPE_LIST(TYPE_TEXT)
#undef TYPE_TEXT
    };
    return texts[type];
}

static bool is_bool(struct sk_str s)
{
    static const char *const words[] = {"t", "T", "true",  "TRUE",  "True",
                                        "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < SK_COUNT_OF(words); i++) {
        if (sk_str_is(s, words[i]))
            return true;
    }
    return false;
}

enum sk_field_type sk_field_type_of(struct sk_str value)
{
    int64_t i;
    uint64_t u;
    double f;
    if (value.len == 0 || value.len > TYPED_BYTES_MAX)
        return SK_FIELD_STRING;
    if (sk_str_to_i64(value, &i))
        return SK_FIELD_INT;
    if (sk_go_parse_float(value, &f, NULL) == SK_OK)
        return SK_FIELD_FLOAT;
    if (is_bool(value))
        return SK_FIELD_BOOLEAN;
    if (sk_go_parse_duration(value, &i, NULL) == SK_OK)
        return SK_FIELD_DURATION;
    return sk_go_parse_bytes(value, &u, NULL) == SK_OK ? SK_FIELD_BYTES : SK_FIELD_STRING;
}

/* ---- counting ---- */

static bool slots_add(uint64_t *slots, size_t mask, uint64_t hash)
{
    size_t at = hash & mask;
    while (slots[at] != 0 && slots[at] != hash)
        at = (at + 1) & mask;
    bool is_new = slots[at] == 0;
    slots[at] = hash;
    return is_new;
}

/* Whether the value is new; *failed: out of memory. */
static bool distinct_add(struct sk_arena *arena, struct distinct *d, struct sk_str value,
                         bool *failed)
{
    uint64_t hash = sk_hash_mem(value.ptr, value.len);
    if (d->slots == NULL || 2 * d->count > d->mask) {
        size_t slots = d->slots == NULL ? 8 : 2 * (d->mask + 1);
        uint64_t *grown = sk_arena_calloc(arena, slots, sizeof(*grown));
        if (grown == NULL) {
            *failed = true;
            return false;
        }
        for (size_t i = 0; d->slots != NULL && i <= d->mask; i++) {
            if (d->slots[i] != 0)
                (void)slots_add(grown, slots - 1, d->slots[i]);
        }
        d->slots = grown;
        d->mask = slots - 1;
    }
    if (!slots_add(d->slots, d->mask, hash == 0 ? 1 : hash))
        return false;
    d->count++;
    return true;
}

/* ---- fields and values ---- */

/* NULL without *failed: there are enough fields already. */
static struct field *field_of(struct finder *f, struct sk_str name, bool *failed)
{
    uint64_t hash = sk_hash_mem(name.ptr, name.len);
    for (size_t at = sk_hmap_first(&f->by_name, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&f->by_name, hash, at)) {
        struct field *have = f->by_name.slots[at].value;
        if (sk_str_eq(have->shown.name, name))
            return have;
    }
    if (f->res->field_count >= f->q->limit)
        return NULL;
    struct field *new = sk_arena_calloc(&f->res->arena, 1, sizeof(*new));
    *failed = new == NULL || !SK_GROW(f->res->fields, f->field_cap, f->res->field_count + 1);
    if (*failed)
        return NULL;
    new->shown.name = sk_arena_str(&f->res->arena, name);
    *failed = new->shown.name.ptr == NULL || !sk_hmap_add(&f->by_name, hash, new);
    if (*failed)
        return NULL;
    f->res->fields[f->res->field_count++] = &new->shown;
    return new;
}

static bool value_add(struct finder *f, struct sk_str value)
{
    bool failed = false;
    if (f->res->value_count >= f->q->limit ||
        !distinct_add(&f->res->arena, &f->values, value, &failed))
        return !failed;
    struct sk_str kept = sk_arena_str(&f->res->arena, value);
    if (kept.ptr == NULL || !SK_GROW(f->res->values, f->value_cap, f->res->value_count + 1))
        return false;
    f->res->values[f->res->value_count++] = kept;
    return true;
}

static void parser_note(struct sk_field *s, const char *parser)
{
    for (size_t i = 0; i < s->parser_count; i++) {
        if (s->parsers[i] == parser)
            return;
    }
    s->parsers[s->parser_count++] = parser;
}

/* false: out of memory. */
static bool path_note(struct finder *f, struct sk_field *s, const struct sk_json_path *p)
{
    size_t depth = 0;
    for (const struct sk_json_path *k = p; k != NULL; k = k->parent)
        depth++;
    struct sk_str *keys = sk_arena_calloc(&f->res->arena, depth, sizeof(*keys));
    if (keys == NULL)
        return false;
    s->path = keys;
    s->path_count = depth;
    for (const struct sk_json_path *k = p; k != NULL; k = k->parent) {
        keys[--depth] = sk_arena_str(&f->res->arena, k->key);
        if (keys[depth].ptr == NULL)
            return false;
    }
    return true;
}

/* The place of a label in the line; NULL: it has none. */
static const struct sk_json_path *path_find(const struct sk_json_path *list, struct sk_str name,
                                            struct sk_labelset stream)
{
    static const struct sk_str suffix = {"_extracted", sizeof("_extracted") - 1};
    for (const struct sk_json_path *p = list; p != NULL; p = p->next) {
        bool taken = sk_labels_find(stream, p->name) != SIZE_MAX;
        if (sk_str_starts(name, p->name) && name.len == p->name.len + (taken ? suffix.len : 0) &&
            (!taken || memcmp(name.ptr + p->name.len, suffix.ptr, suffix.len) == 0))
            return p;
    }
    return NULL;
}

/* One label of an entry. `parser` NULL: metadata. false: out of memory. */
static bool label_add(struct finder *f, const struct sk_label *l, const char *parser,
                      const struct sk_json_path *paths, struct sk_labelset stream)
{
    bool failed = false;
    if (sk_str_is(l->name, "__error__") || sk_str_is(l->name, "__error_details__"))
        return true;
    if (f->q->name.len > 0)
        return !sk_str_eq(l->name, f->q->name) || value_add(f, l->value);
    struct field *field = field_of(f, l->name, &failed);
    if (field == NULL)
        return !failed;
    field->shown.type = sk_field_type_of(l->value);
    if (distinct_add(&f->res->arena, &field->seen, l->value, &failed))
        field->shown.cardinality++;
    if (parser != NULL)
        parser_note(&field->shown, parser);
    if (field->shown.path == NULL && !failed) {
        const struct sk_json_path *p = path_find(paths, l->name, stream);
        failed = p != NULL && !path_note(f, &field->shown, p);
    }
    return !failed;
}

/* ---- entries ---- */

static enum sk_err parser_init(struct finder *f, struct parser *p, enum sk_ast_stage_kind kind)
{
    const struct sk_pipeline *pipeline;
    p->stage = (struct sk_ast_stage){.kind = kind};
    p->log = (struct sk_ast_log){.stages = &p->stage};
    enum sk_err err = sk_pipeline_create(&f->arena, &p->log, &pipeline, f->reterr);
    if (err == SK_OK)
        err = sk_pipeline_run_create(pipeline, LINE_BYTES_MAX, f->q->budget, &p->run);
    return err;
}

/* What the parser makes of the line, valid until its next line. */
static enum sk_err parser_run(struct parser *p, const struct sk_result_entry *e,
                              struct sk_labelset *ret)
{
    struct sk_pipeline_labels labels;
    if (p->stream.ptr != e->labels->printed_stream.ptr)
        sk_pipeline_run_stream(p->run, e->labels->stream);
    p->stream = e->labels->printed_stream;
    if (sk_pipeline_run_entry(p->run, e->ts_ns, e->line, NULL, 0) != SK_PIPELINE_KEEP)
        return SK_ENOMEM;
    enum sk_err err = sk_pipeline_run_labels(p->run, &labels);
    if (err == SK_OK)
        *ret = labels.parsed;
    return err;
}

static enum sk_err entry_run(struct finder *f, const struct sk_result_entry *e)
{
    const struct sk_json_path *paths = NULL;
    struct sk_labelset found, stream = e->labels->stream;
    const char *parser = "json";
    bool ok = true;
    for (size_t i = 0; i < e->labels->meta.count && ok; i++)
        ok = label_add(f, &e->labels->meta.items[i], NULL, NULL, stream);
    enum sk_err err = parser_run(&f->json, e, &found);
    if (err == SK_OK && sk_labels_find(found, SK_STR("__error__")) != SIZE_MAX) {
        parser = "logfmt";
        err = parser_run(&f->logfmt, e, &found);
    } else if (err == SK_OK && f->q->name.len == 0) {
        sk_arena_reset(&f->line);
        err = sk_json_paths(&f->line, e->line, &paths);
    }
    if (err != SK_OK)
        return err;
    for (size_t i = 0; i < found.count && ok; i++)
        ok = label_add(f, &found.items[i], parser, paths, stream);
    for (size_t i = 0; i < e->labels->parsed.count && ok; i++)
        ok = label_add(f, &e->labels->parsed.items[i], parser, paths, stream);
    return ok ? SK_OK : SK_ENOMEM;
}

static int stream_cmp(const void *a, const void *b)
{
    const struct sk_result_entry *x = *(const struct sk_result_entry *const *)a;
    const struct sk_result_entry *y = *(const struct sk_result_entry *const *)b;
    int c = sk_str_cmp(x->labels->printed_stream, y->labels->printed_stream);
    return c != 0 ? c : (x > y) - (x < y); /* as the query gave them */
}

static enum sk_err entries_run(struct finder *f)
{
    size_t n = f->q->entries->count;
    const struct sk_result_entry **order = sk_arena_calloc(&f->arena, n + 1, sizeof(*order));
    if (order == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < n; i++)
        order[i] = &f->q->entries->entries[i];
    qsort(order, n, sizeof(*order), stream_cmp);
    enum sk_err err = SK_OK;
    for (size_t i = 0; i < n && err == SK_OK; i++) {
        if (i % INTERRUPT_EVERY == 0)
            err = sk_query_interrupted(f->q->stop, f->q->deadline_mono_ns, f->reterr);
        if (err == SK_OK)
            err = entry_run(f, order[i]);
    }
    return err;
}

/* ---- the whole ---- */

static int field_cmp(const void *a, const void *b)
{
    return sk_str_cmp((*(struct sk_field *const *)a)->name, (*(struct sk_field *const *)b)->name);
}

static int value_cmp(const void *a, const void *b)
{
    return sk_str_cmp(*(const struct sk_str *)a, *(const struct sk_str *)b);
}

enum sk_err sk_field_query_run(const struct sk_field_query *q, struct sk_field_result *ret,
                               struct sk_error *reterr)
{
    struct finder f = {.q = q, .res = ret, .reterr = reterr};
    *ret = (struct sk_field_result){.fields = NULL};
    sk_arena_init(&ret->arena, RESULT_BYTES_MAX, q->budget);
    sk_arena_init(&f.arena, RESULT_BYTES_MAX, q->budget);
    sk_arena_init(&f.line, LINE_BYTES_MAX, q->budget);
    enum sk_err err = parser_init(&f, &f.json, SK_STAGE_JSON);
    if (err == SK_OK)
        err = parser_init(&f, &f.logfmt, SK_STAGE_LOGFMT);
    if (err == SK_OK)
        err = entries_run(&f);
    if (err == SK_OK && ret->field_count > 0)
        qsort(ret->fields, ret->field_count, sizeof(*ret->fields), field_cmp);
    if (err == SK_OK && ret->value_count > 0)
        qsort(ret->values, ret->value_count, sizeof(*ret->values), value_cmp);
    sk_pipeline_run_destroy(f.json.run);
    sk_pipeline_run_destroy(f.logfmt.run);
    sk_hmap_deinit(&f.by_name);
    sk_arena_deinit(&f.line);
    sk_arena_deinit(&f.arena);
    if (err != SK_OK)
        sk_field_result_deinit(ret);
    return err == SK_ENOMEM ? sk_query_no_memory(reterr) : err;
}

void sk_field_result_deinit(struct sk_field_result *result)
{
    if (result == NULL)
        return;
    sk_free(result->fields);
    sk_free(result->values);
    sk_arena_deinit(&result->arena);
    *result = (struct sk_field_result){.fields = NULL};
}
