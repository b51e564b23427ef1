/* SPDX-License-Identifier: Apache-2.0 */
/* slow_eval.c -- entries and stages; see slow_eval.h. Metric queries are in slow_metric.c. */
#include "lib/slow_eval.h"

#include "base/gotext.h"
#include "labels/regex.h"

void *slow_alloc(struct slow *s, size_t count, size_t size)
{
    void *p = sk_arena_calloc(s->arena, count + 1, size);
    sk_assert(p != NULL);
    return p;
}

void slow_unsure(struct slow *s)
{
    s->verdict = SLOW_UNSURE;
}

/* ---- labels ---- */

struct sk_str slow_get_str(const struct slow_entry *e, struct sk_str name)
{
    for (size_t i = 0; i < e->count; i++) {
        if (sk_str_eq(e->items[i].name, name))
            return e->items[i].value;
    }
    return (struct sk_str){NULL, 0};
}

struct sk_str slow_get(const struct slow_entry *e, const char *name)
{
    return slow_get_str(e, sk_str_from(name));
}

void slow_unset(struct slow_entry *e, struct sk_str name)
{
    size_t n = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (!sk_str_eq(e->items[i].name, name))
            e->items[n++] = e->items[i];
    }
    e->count = n;
}

void slow_set(struct slow *s, struct slow_entry *e, struct sk_str name, struct sk_str value)
{
    slow_unset(e, name);
    if (e->count == SLOW_LABELS_MAX) {
        slow_unsure(s);
        return;
    }
    e->items[e->count++] = (struct sk_label){name, value};
    sk_labels_sort(e->items, e->count);
}

/* A parser's label: beside one of the stream or of the metadata it gets another name, and the first
 * value stays. */
static void extract(struct slow *s, struct slow_entry *e, struct sk_str name, struct sk_str value)
{
    if (sk_labels_get(e->stream, name).len > 0 || sk_labels_get(e->meta, name).len > 0)
        name = sk_arena_printf(s->arena, "%.*s_extracted", SK_STR_ARG(name));
    if (slow_get_str(e, name).ptr == NULL)
        slow_set(s, e, name, value);
}

/* ---- texts ---- */

static bool holds(struct sk_str line, struct sk_str text)
{
    for (size_t i = 0; i + text.len <= line.len; i++) {
        if (memcmp(line.ptr + i, text.ptr, text.len) == 0)
            return true;
    }
    return text.len == 0;
}

static bool regex_holds(struct slow *s, struct sk_str text, struct sk_str pattern, unsigned flags)
{
    struct sk_regex *re;
    struct sk_error why;
    if (sk_regex_create(pattern, flags, &re, &why) != SK_OK) {
        slow_unsure(s);
        return false;
    }
    bool yes = sk_regex_match(re, text);
    sk_regex_destroy(re);
    return yes;
}

static bool operand_holds(struct slow *s, enum sk_line_op op, struct sk_str line,
                          struct sk_str text)
{
    if (op == SK_LINE_CONTAINS || op == SK_LINE_NOT_CONTAINS)
        return holds(line, text);
    if (op == SK_LINE_RE || op == SK_LINE_NOT_RE)
        return regex_holds(s, line, text, 0);
    slow_unsure(s); /* patterns */
    return false;
}

static bool line_filter(struct slow *s, const struct sk_ast_stage *st, struct sk_str line)
{
    bool any = false;
    for (const struct sk_ast_line_operand *o = st->operands; o != NULL; o = o->next) {
        if (o->ip || (o->text.len == 0 && st->operands->next != NULL))
            slow_unsure(s);
        any = any || operand_holds(s, st->line_op, line, o->text);
    }
    bool negative = st->line_op == SK_LINE_NOT_CONTAINS || st->line_op == SK_LINE_NOT_RE;
    return any != negative;
}

/* ---- parsers: well-formed lines only ---- */

/* Words with or without `=value`, blanks between them. */
static void logfmt(struct slow *s, struct slow_entry *e)
{
    size_t i = 0;
    while (i < e->line.len) {
        size_t from = i, eq = SIZE_MAX;
        for (; i < e->line.len && e->line.ptr[i] != ' '; i++) {
            if (e->line.ptr[i] == '=' && eq == SIZE_MAX)
                eq = i;
        }
        if (eq != SIZE_MAX && i > eq + 1)
            extract(s, e, (struct sk_str){e->line.ptr + from, eq - from},
                    (struct sk_str){e->line.ptr + eq + 1, i - eq - 1});
        i++;
    }
}

/* One object at line[*at] == '{' without blanks, escapes and arrays. */
static void json_object(struct slow *s, struct slow_entry *e, struct sk_str prefix, size_t *at)
{
    const char *p = e->line.ptr;
    while (p[*at] != '}') {
        size_t from = *at + 2, end = from; /* behind `{"` or `,"` */
        while (p[end] != '"')
            end++;
        struct sk_str name = {p + from, end - from};
        if (prefix.len > 0)
            name = sk_arena_printf(s->arena, "%.*s_%.*s", SK_STR_ARG(prefix), SK_STR_ARG(name));
        *at = end + 2;
        if (p[*at] == '{') {
            json_object(s, e, name, at);
            continue;
        }
        bool text = p[*at] == '"';
        from = *at + text;
        for (end = from; text ? p[end] != '"' : p[end] != ',' && p[end] != '}';)
            end++;
        extract(s, e, name, (struct sk_str){p + from, end - from});
        *at = end + text;
    }
    (*at)++;
}

/* ---- label filters ---- */

static bool compared(enum sk_cmp_op op, double a, double b)
{
    switch (op) {
    case SK_CMP_EQ:
        return a == b;
    case SK_CMP_NEQ:
        return a != b;
    case SK_CMP_GT:
        return a > b;
    case SK_CMP_GTE:
        return a >= b;
    case SK_CMP_LT:
        return a < b;
    case SK_CMP_LTE:
        return a <= b;
    }
    return false;
}

/* A value that cannot be read is an error and let through. */
static bool value_filter(struct slow *s, const struct sk_ast_label_filter *f, struct slow_entry *e)
{
    struct sk_str text = slow_get_str(e, f->name);
    struct sk_error why;
    double have = 0, want = f->number;
    int64_t ns;
    uint64_t bytes;
    enum sk_err err;
    if (text.ptr == NULL)
        return false;
    if (f->kind == SK_LF_NUMBER) {
        err = sk_go_parse_float(text, &have, &why);
    } else if (f->kind == SK_LF_DURATION) {
        err = sk_go_parse_duration(text, &ns, &why);
        have = err == SK_OK ? (double)ns : 0;
        want = (double)f->duration_ns;
    } else {
        err = sk_go_parse_bytes(text, &bytes, &why);
        have = err == SK_OK ? (double)bytes : 0;
        want = (double)f->bytes;
    }
    if (err == SK_OK)
        return compared(f->cmp, have, want);
    if (slow_get(e, "__error__").len == 0)
        slow_set(s, e, SK_STR("__error__"), SK_STR("LabelFilterErr"));
    return true;
}

static bool text_filter(struct slow *s, enum sk_match_op op, struct sk_str have, struct sk_str want)
{
    bool negative = op == SK_MATCH_NEQ || op == SK_MATCH_NRE;
    bool yes = op == SK_MATCH_EQ || op == SK_MATCH_NEQ
                   ? sk_str_eq(have, want)
                   : regex_holds(s, have, want, SK_REGEX_ANCHORED);
    return yes != negative;
}

static bool label_filter(struct slow *s, const struct sk_ast_label_filter *f, struct slow_entry *e)
{
    struct sk_str have;
    bool left;
    switch (f->kind) {
    case SK_LF_STRING:
        have = slow_get_str(e, f->name);
        return text_filter(s, f->match, have.ptr == NULL ? SK_STR("") : have, f->text);
    case SK_LF_NUMBER:
    case SK_LF_DURATION:
    case SK_LF_BYTES:
        return value_filter(s, f, e);
    case SK_LF_AND:
        left = label_filter(s, f->left, e); /* both are tried: both may be an error */
        return label_filter(s, f->right, e) && left;
    case SK_LF_OR:
        return label_filter(s, f->left, e) || label_filter(s, f->right, e);
    case SK_LF_IP:
        break;
    }
    slow_unsure(s);
    return false;
}

/* ---- formats ---- */

/* Text with {{.name}} in it, nothing else between braces. */
static struct sk_str format(struct slow *s, const struct slow_entry *e, struct sk_str text)
{
    struct sk_strbuf out;
    sk_strbuf_init(&out, 1u << 20);
    for (size_t i = 0; i < text.len;) {
        if (text.ptr[i] != '{') {
            sk_strbuf_putc(&out, text.ptr[i++]);
            continue;
        }
        size_t from = i + 3, end = from;
        while (end < text.len && text.ptr[end] != '}')
            end++;
        sk_strbuf_str(&out, slow_get_str(e, (struct sk_str){text.ptr + from, end - from}));
        i = end + 2;
    }
    struct sk_str got = sk_arena_str(s->arena, sk_strbuf_view(&out));
    sk_strbuf_deinit(&out);
    sk_assert(got.ptr != NULL);
    return got;
}

static void label_format(struct slow *s, const struct sk_ast_label_format *f, struct slow_entry *e)
{
    struct sk_str value = f->rename ? slow_get_str(e, f->value) : format(s, e, f->value);
    if (value.len == 0 || f->next != NULL || sk_labels_get(e->stream, f->name).len > 0) {
        slow_unsure(s);
        return;
    }
    if (f->rename)
        slow_unset(e, f->value);
    slow_set(s, e, f->name, value);
}

static bool named(struct slow *s, const struct sk_ast_named *list, const struct sk_label *l)
{
    for (const struct sk_ast_named *n = list; n != NULL; n = n->next) {
        if (sk_str_eq(n->name, l->name) &&
            (!n->has_matcher || text_filter(s, n->op, l->value, n->value)))
            return true;
    }
    return false;
}

static void drop_keep(struct slow *s, const struct sk_ast_stage *st, struct slow_entry *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->count; i++) {
        bool error = sk_str_is(e->items[i].name, "__error__");
        bool keep = named(s, st->named, &e->items[i]) == (st->kind == SK_STAGE_KEEP);
        if (keep || error)
            e->items[n++] = e->items[i];
    }
    e->count = n;
}

/* ---- stages ---- */

static bool stage(struct slow *s, const struct sk_ast_stage *st, struct slow_entry *e)
{
    size_t at = 0;
    switch (st->kind) {
    case SK_STAGE_LINE_FILTER:
        return line_filter(s, st, e->line);
    case SK_STAGE_LOGFMT:
        if (st->extractions != NULL || st->logfmt_strict || st->logfmt_keep_empty)
            slow_unsure(s);
        logfmt(s, e);
        return true;
    case SK_STAGE_JSON:
        if (st->extractions != NULL || e->line.len == 0 || e->line.ptr[0] != '{')
            slow_unsure(s);
        else
            json_object(s, e, SK_STR(""), &at);
        return true;
    case SK_STAGE_LINE_FORMAT:
        e->line = format(s, e, st->text);
        return true;
    case SK_STAGE_LABEL_FORMAT:
        label_format(s, st->formats, e);
        return true;
    case SK_STAGE_DROP:
    case SK_STAGE_KEEP:
        drop_keep(s, st, e);
        return true;
    case SK_STAGE_LABEL_FILTER:
        return label_filter(s, st->filter, e);
    case SK_STAGE_REGEXP:
    case SK_STAGE_PATTERN:
    case SK_STAGE_UNPACK:
    case SK_STAGE_DECOLORIZE:
        break;
    }
    slow_unsure(s);
    return false;
}

void slow_stages(struct slow *s, const struct sk_ast_stage *list, struct slow_entry *e,
                 bool *ret_keep)
{
    *ret_keep = true;
    for (const struct sk_ast_stage *st = list; st != NULL && *ret_keep; st = st->next)
        *ret_keep = stage(s, st, e);
}

/* ---- entries ---- */

static bool selected(struct slow *s, const struct sk_ast_matcher *list, struct sk_labelset labels)
{
    for (const struct sk_ast_matcher *m = list; m != NULL; m = m->next) {
        struct sk_str have = sk_labels_get(labels, m->name);
        if (!text_filter(s, m->op, have.ptr == NULL ? SK_STR("") : have, m->value))
            return false;
    }
    return true;
}

static bool entry_eq(const struct slow_entry *a, const struct slow_entry *b)
{
    return a->ts_ns == b->ts_ns && sk_str_eq(a->line, b->line) &&
           sk_labels_eq(a->stream, b->stream) && sk_labels_eq(a->meta, b->meta) &&
           sk_labels_eq((struct sk_labelset){a->items, a->count},
                        (struct sk_labelset){b->items, b->count});
}

/* By time, equal ones once. */
static void entry_insert(struct slow_entries *all, const struct slow_entry *e)
{
    size_t at = all->count;
    for (size_t i = 0; i < all->count; i++) {
        if (entry_eq(&all->items[i], e))
            return;
    }
    for (; at > 0 && all->items[at - 1].ts_ns > e->ts_ns; at--)
        all->items[at] = all->items[at - 1];
    all->items[at] = *e;
    all->count++;
}

static void entry_read(struct slow *s, const struct mem_stream *stream, const struct mem_unit *u,
                       const struct sk_block_entry *raw, struct slow_entry *ret)
{
    struct sk_symbol_pair pairs[16];
    size_t n = 0;
    struct sk_label *meta = slow_alloc(s, SK_COUNT_OF(pairs), sizeof(*meta));
    *ret = (struct slow_entry){.ts_ns = raw->ts_ns, .line = raw->line, .stream = stream->labels};
    enum sk_err err = sk_block_meta_decode(raw->meta, pairs, SK_COUNT_OF(pairs), &n);
    sk_assert(err == SK_OK);
    for (size_t i = 0; i < stream->labels.count; i++)
        slow_set(s, ret, stream->labels.items[i].name, stream->labels.items[i].value);
    for (size_t i = 0; i < n; i++) {
        meta[i] = (struct sk_label){u->symbols[pairs[i].name], u->symbols[pairs[i].value]};
        slow_set(s, ret, meta[i].name, meta[i].value);
    }
    ret->meta = (struct sk_labelset){meta, n};
}

static struct slow_entries entries_read(struct slow *s, const struct sk_ast_matcher *matchers)
{
    size_t total = 0;
    for (const struct mem_stream *st = s->source->streams; st != NULL; st = st->next) {
        for (const struct mem_unit *u = st->units; u != NULL; u = u->next)
            total += u->info.entry_count;
    }
    struct slow_entries all = {slow_alloc(s, total, sizeof(struct slow_entry)), 0};
    for (const struct mem_stream *st = s->source->streams; st != NULL; st = st->next) {
        for (const struct mem_unit *u = st->units; u != NULL; u = u->next) {
            struct sk_slice bytes = {(const uint8_t *)u->raw.ptr, u->raw.len};
            struct sk_block_iter it;
            struct sk_block_entry raw;
            struct slow_entry e;
            if (!selected(s, matchers, st->labels))
                continue;
            sk_block_iter_init(&it, bytes, true);
            while (sk_block_next(&it, &raw)) {
                entry_read(s, st, u, &raw, &e);
                entry_insert(&all, &e);
            }
        }
    }
    return all;
}

struct slow_entries slow_log(struct slow *s, const struct sk_ast_log *log)
{
    for (size_t i = 0; i < s->leaf_count; i++) {
        if (s->logs[i] == log)
            return s->entries[i];
    }
    struct slow_entries all = entries_read(s, log->matchers);
    struct slow_entries kept = {slow_alloc(s, all.count, sizeof(struct slow_entry)), 0};
    for (size_t i = 0; i < all.count; i++) {
        bool keep;
        slow_stages(s, log->stages, &all.items[i], &keep);
        if (keep)
            kept.items[kept.count++] = all.items[i];
    }
    if (s->leaf_count < SLOW_LEAVES_MAX) {
        s->logs[s->leaf_count] = log;
        s->entries[s->leaf_count++] = kept;
    }
    return kept;
}
