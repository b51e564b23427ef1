/* SPDX-License-Identifier: Apache-2.0 */
/* metric_extract.c -- see metric_extract.h. Three ways to the series of an entry, from the
 * cheapest: all entries of the stream have one; entries with the same bytes of metadata have one
 * (nothing but line filters run); the pipeline runs and its labels are looked up. */
#include "querier/metric_extract.h"

#include "base/alloc.h"
#include "base/budget.h"
#include "base/gotext.h"
#include "base/hash.h"

enum { SEEN_BYTES = 32 }; /* what remembering an entry costs */

/* ---- repeats ---- */

void sk_spans_add(struct sk_spans *s, int64_t from_ns, int64_t through_ns)
{
    if (s->count < SK_REPEAT_SPANS_MAX) {
        s->items[s->count++] = (struct sk_span){from_ns, through_ns};
        return;
    }
    struct sk_span all = {from_ns, through_ns};
    for (size_t i = 0; i < s->count; i++) {
        all.from_ns = s->items[i].from_ns < all.from_ns ? s->items[i].from_ns : all.from_ns;
        all.through_ns =
            s->items[i].through_ns > all.through_ns ? s->items[i].through_ns : all.through_ns;
    }
    s->items[0] = all;
    s->count = 1;
}

static uint64_t entry_hash(const struct sk_unit_scan *scan, const struct sk_block_entry *e,
                           uint64_t salt)
{
    uint64_t h = sk_hash_mem(e->line.ptr, e->line.len) ^ salt;
    h = (h ^ (uint64_t)e->ts_ns) * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < scan->meta_count; i++) {
        const struct sk_label *l = &scan->meta[i];
        h = (h ^ sk_hash_mem(l->name.ptr, l->name.len)) * 0x9e3779b97f4a7c15u;
        h = (h ^ sk_hash_mem(l->value.ptr, l->value.len)) * 0x9e3779b97f4a7c15u;
    }
    return h ^ h >> 31;
}

/* Whether an equal entry was met before. Entries are known by 64 bits of hash. */
static enum sk_err repeats_check(struct sk_repeats *r, uint64_t hash, bool *ret_repeat)
{
    enum sk_err err = SK_OK;
    pthread_mutex_lock(&r->lock);
    *ret_repeat = sk_hmap_first(&r->seen, hash) != SK_HMAP_END;
    if (!*ret_repeat) {
        if (sk_budget_charge(r->budget, SEEN_BYTES))
            r->charged_bytes += SEEN_BYTES;
        else
            err = SK_ENOMEM;
        if (err == SK_OK && !sk_hmap_add(&r->seen, hash, r))
            err = SK_ENOMEM;
    }
    pthread_mutex_unlock(&r->lock);
    return err;
}

static enum sk_err tie_hashed(struct sk_ties *t, const struct sk_block_entry *e, bool *ret_repeat)
{
    uint64_t h = sk_hash_mem(e->line.ptr, e->line.len) * 0x9e3779b97f4a7c15u ^
                 sk_hash_mem(e->meta.ptr, e->meta.len);
    *ret_repeat = sk_hmap_first(&t->more, h) != SK_HMAP_END;
    return *ret_repeat || sk_hmap_add(&t->more, h, t) ? SK_OK : SK_ENOMEM;
}

/* Whether the block has an equal entry before this one. */
static enum sk_err tie_check(struct sk_ties *t, const struct sk_block_entry *e, bool *ret_repeat)
{
    *ret_repeat = false;
    if (t->count == 0 || t->ts_ns != e->ts_ns) {
        if (t->count > SK_TIES_COMPARED)
            sk_hmap_deinit(&t->more);
        t->ts_ns = e->ts_ns;
        t->count = 0;
    }
    for (size_t i = 0; i < t->count && i < SK_TIES_COMPARED; i++) {
        const struct sk_block_entry *k = &t->items[i];
        if (sk_str_eq(k->line, e->line) &&
            sk_str_eq(sk_str_of_slice(k->meta), sk_str_of_slice(e->meta))) {
            *ret_repeat = true;
            return SK_OK;
        }
    }
    if (t->count++ >= SK_TIES_COMPARED)
        return tie_hashed(t, e, ret_repeat);
    t->items[t->count - 1] = *e;
    return SK_OK;
}

/* ---- values ---- */

/* Decimal numbers of up to 15 digits are exact as a quotient of two exact doubles. */
static bool plain_float(struct sk_str s, double *ret)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    enum { DIGITS_MAX = 15 };
    int64_t v = 0;
    size_t i = s.len > 0 && s.ptr[0] == '-', digits = 0, point = SIZE_MAX;
    for (; i < s.len; i++) {
        if (s.ptr[i] == '.' && point == SIZE_MAX) {
            point = digits;
            continue;
        }
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || ++digits > DIGITS_MAX)
            return false;
        v = v * 10 + (s.ptr[i] - '0');
    }
    if (digits == 0 || (v == 0 && s.ptr[0] == '-'))
        return false;
    double d = (double)(s.ptr[0] == '-' ? -v : v);
    *ret = point == SIZE_MAX ? d : d / tens[digits - point];
    return true;
}

static enum sk_err value_convert(enum sk_unwrap_conv conv, struct sk_str text, double *ret,
                                 struct sk_error *why)
{
    int64_t ns;
    uint64_t bytes;
    enum sk_err err = SK_OK;
    switch (conv) {
    case SK_UNWRAP_NONE:
        return plain_float(text, ret) ? SK_OK : sk_go_parse_float(text, ret, why);
    case SK_UNWRAP_BYTES:
        err = sk_go_parse_bytes(text, &bytes, why);
        if (err == SK_OK)
            *ret = (double)bytes;
        break;
    case SK_UNWRAP_DURATION:
    case SK_UNWRAP_DURATION_SECONDS:
        err = sk_go_parse_duration(text, &ns, why);
        if (err == SK_OK)
            *ret = (double)(ns / SK_NS_PER_S) + (double)(ns % SK_NS_PER_S) / 1e9;
        break;
    }
    return err;
}

/* SK_PIPELINE_DROP: no sample. */
static enum sk_pipeline_verdict value_take(struct sk_extract *x, double *ret)
{
    const struct sk_leaf *leaf = x->leaf;
    struct sk_error why = {.text = ""};
    struct sk_str text;
    if (leaf->unwrap == NULL) {
        *ret = leaf->acc == SK_ACC_BYTES ? (double)sk_pipeline_run_line(x->pipe).len : 1;
        return SK_PIPELINE_KEEP;
    }
    if (!sk_pipeline_run_value(x->pipe, &text))
        return SK_PIPELINE_DROP;
    if (value_convert(leaf->unwrap->conv, text, ret, &why) != SK_OK) {
        *ret = 0;
        sk_pipeline_run_mark(x->pipe, SK_STR("SampleExtractionErr"), sk_str_from(why.text));
    }
    *ret += 0; /* -0 becomes 0, as it does on its way through Loki */
    return sk_pipeline_run_post(x->pipe);
}

/* ---- series ---- */

static enum sk_err series_by(struct sk_extract *x, size_t *ret)
{
    const struct sk_leaf *leaf = x->leaf;
    size_t n = 0;
    if (!SK_GROW(x->labels, x->label_cap, leaf->name_count))
        return SK_ENOMEM;
    for (size_t i = 0; i < leaf->name_count; i++) {
        x->labels[n].name = leaf->names[i];
        n += sk_pipeline_run_group(x->pipe, i, &x->labels[n].value);
    }
    if (x->series_known) {
        struct sk_labelset last = x->acc.series[x->series].labels->set;
        if (sk_labels_eq(last, (struct sk_labelset){x->labels, n})) {
            *ret = x->series;
            return SK_OK;
        }
    }
    return sk_acc_series(&x->acc, (struct sk_labelset){x->labels, n}, ret);
}

/* Whether a label is left out of the series of an ungrouped leaf. */
static bool left_out(const struct sk_leaf *leaf, struct sk_str name)
{
    return (leaf->unwrap != NULL && sk_str_eq(leaf->unwrap->name, name)) ||
           (leaf->mode == SK_GROUP_WITHOUT && sk_names_have(leaf->names, leaf->name_count, name));
}

/* The three sets as one, sorted; all labels when `whole`. */
static enum sk_err labels_merge(struct sk_extract *x, bool whole, struct sk_labelset *ret)
{
    struct sk_pipeline_labels got;
    size_t at[3] = {0, 0, 0}, n = 0;
    if (sk_pipeline_run_labels(x->pipe, &got) != SK_OK ||
        !SK_GROW(x->labels, x->label_cap, got.stream.count + got.meta.count + got.parsed.count))
        return SK_ENOMEM;
    const struct sk_labelset *parts[3] = {&got.stream, &got.meta, &got.parsed};
    for (;;) {
        int best = -1;
        for (int p = 0; p < 3; p++) {
            if (at[p] < parts[p]->count &&
                (best < 0 ||
                 sk_str_cmp(parts[p]->items[at[p]].name, parts[best]->items[at[best]].name) < 0))
                best = p;
        }
        if (best < 0)
            break;
        const struct sk_label *l = &parts[best]->items[at[best]++];
        if (whole || !left_out(x->leaf, l->name))
            x->labels[n++] = *l;
    }
    *ret = (struct sk_labelset){x->labels, n};
    return SK_OK;
}

static enum sk_err series_take(struct sk_extract *x, size_t *ret)
{
    struct sk_labelset set = {NULL, 0};
    enum sk_err err = SK_OK;
    if (x->leaf->mode == SK_GROUP_BY)
        err = series_by(x, ret);
    else if (x->leaf->mode == SK_GROUP_NONE)
        err = x->series_known ? SK_OK : sk_acc_series(&x->acc, set, ret);
    else {
        err = labels_merge(x, false, &set);
        if (err == SK_OK)
            err = sk_acc_series(&x->acc, set, ret);
    }
    if (err == SK_OK && x->leaf->mode == SK_GROUP_NONE && x->series_known)
        *ret = x->series;
    if (err == SK_OK) {
        x->series = *ret;
        x->series_known = true;
    }
    return err;
}

/* The whole query fails on an entry with an error. */
static enum sk_err entry_fails(struct sk_extract *x, struct sk_str e)
{
    struct sk_labelset set;
    struct sk_strbuf *out = &x->error_text;
    if (labels_merge(x, true, &set) != SK_OK)
        return SK_ENOMEM;
    sk_strbuf_printf(out, "pipeline error: '%.*s' for series: '", SK_STR_ARG(e));
    sk_labels_format(out, set);
    sk_strbuf_printf(out,
                     "'.\nUse a label filter to intentionally skip this error. (e.g | "
                     "__error__!=\"%.*s\").\nTo skip all potential errors you can match empty "
                     "errors.(e.g __error__=\"\")\nThe label filter can also be specified after "
                     "unwrap. (e.g | unwrap latency | __error__=\"\" )\n",
                     SK_STR_ARG(e));
    return sk_error_set(&x->error, SK_EINVAL, "%s", out->failed ? "pipeline error" : out->ptr);
}

/* ---- the cheap ways ---- */

static struct sk_meta_slot *meta_slot(struct sk_extract *x, struct sk_slice meta)
{
    if (x->metas == NULL || meta.len > SK_META_CACHE_BYTES)
        return NULL;
    return &x->metas[sk_hash_mem(meta.ptr, meta.len) % SK_META_CACHE_SLOTS];
}

static bool meta_is(const struct sk_extract *x, const struct sk_meta_slot *slot,
                    struct sk_slice meta)
{
    return slot != NULL && slot->seq == x->unit_seq && slot->len == meta.len &&
           (meta.len == 0 || memcmp(slot->bytes, meta.ptr, meta.len) == 0);
}

/* The series of an entry whose line the filters let through, when that is known without running the
 * pipeline. */
static bool series_cached(struct sk_extract *x, struct sk_slice meta, struct sk_meta_slot **slot)
{
    *slot = NULL;
    if (!x->by_bytes)
        return false;
    if (x->stream_fixed)
        return x->series_known;
    if (meta_is(x, x->last_meta, meta)) {
        x->series = x->last_meta->series;
        return true;
    }
    *slot = meta_slot(x, meta);
    if (!meta_is(x, *slot, meta))
        return false;
    x->last_meta = *slot;
    x->series = (*slot)->series;
    return true;
}

static void series_cache(struct sk_extract *x, struct sk_slice meta, struct sk_meta_slot *slot)
{
    if (slot == NULL)
        return;
    slot->seq = x->unit_seq;
    slot->len = (uint32_t)meta.len;
    slot->series = x->series;
    if (meta.len > 0)
        memcpy(slot->bytes, meta.ptr, meta.len);
    x->last_meta = slot;
}

/* ---- one entry ---- */

static enum sk_err entry_run(struct sk_extract *x, struct sk_unit_scan *scan,
                             const struct sk_block_entry *e)
{
    double value = 1;
    size_t series;
    enum sk_pipeline_verdict v =
        sk_pipeline_run_entry(x->pipe, e->ts_ns, e->line, scan->meta, scan->meta_count);
    if (v == SK_PIPELINE_KEEP)
        v = value_take(x, &value);
    if (v != SK_PIPELINE_KEEP)
        return v == SK_PIPELINE_DROP ? SK_OK : SK_ENOMEM;
    bool shown;
    struct sk_str error = sk_pipeline_run_error(x->pipe, &shown);
    if (error.len > 0 && !shown)
        return entry_fails(x, error);
    enum sk_err err = series_take(x, &series);
    if (err != SK_OK)
        return err;
    x->kept++;
    if (x->leaf->acc <= SK_ACC_BYTES)
        return sk_acc_add_line(&x->acc, series, x->piece.bucket, (uint64_t)value);
    return sk_acc_add(&x->acc, series, x->piece.bucket, e->ts_ns, value);
}

static enum sk_err entry_kept(struct sk_extract *x, struct sk_unit_scan *scan, struct sk_unit *unit,
                              const struct sk_block_entry *e)
{
    struct sk_meta_slot *slot;
    if (series_cached(x, e->meta, &slot)) {
        x->kept++;
        return sk_acc_add_line(&x->acc, x->series, x->piece.bucket, e->line.len);
    }
    enum sk_err err = sk_unit_scan_meta(scan, unit, e->meta);
    if (err != SK_OK) /* damaged metadata */
        return err == SK_ENOMEM ? err : SK_OK;
    uint64_t kept = x->kept;
    err = entry_run(x, scan, e);
    if (err == SK_OK && x->kept > kept)
        series_cache(x, e->meta, slot);
    return err;
}

enum sk_err sk_extract_entry(struct sk_extract *x, struct sk_unit_scan *scan, struct sk_unit *unit,
                             const struct sk_block_entry *e, struct sk_repeats *repeats,
                             uint64_t salt)
{
    if (e->ts_ns <= x->piece.from_ns || e->ts_ns > x->piece.through_ns)
        sk_windows_piece(&x->leaf->windows, e->ts_ns, &x->piece);
    if (!x->piece.wanted || !sk_pipeline_line_passes(x->pipe, e->line, x->needle.len > 0))
        return SK_OK;
    bool repeat, deleted = false;
    enum sk_err err = SK_OK;
    if (x->deletes != NULL)
        err = sk_delete_run_entry(x->deletes, scan, unit, e, &deleted);
    if (err != SK_OK || deleted)
        return err;
    err = tie_check(x->ties, e, &repeat);
    if (err == SK_OK && repeats != NULL && !repeat) {
        err = sk_unit_scan_meta(scan, unit, e->meta);
        if (err == SK_OK)
            err = repeats_check(repeats, entry_hash(scan, e, salt), &repeat);
    }
    if (err != SK_OK || repeat)
        return err == SK_ECORRUPT ? SK_OK : err; /* damaged metadata */
    return entry_kept(x, scan, unit, e);
}

/* ---- life ---- */

enum sk_err sk_extract_init(struct sk_extract *x, const struct sk_leaf *leaf,
                            struct sk_arena *arena, struct sk_budget *budget)
{
    *x = (struct sk_extract){.leaf = leaf, .needle = sk_pipeline_needle(leaf->pipeline)};
    sk_acc_init(&x->acc, leaf, arena, budget);
    sk_strbuf_init(&x->error_text, 1u << 20);
    x->by_bytes = sk_pipeline_line_only(leaf->pipeline) && leaf->unwrap == NULL;
    x->piece = (struct sk_piece){INT64_MAX, INT64_MAX, 0, false};
    x->ties = sk_arena_calloc(arena, 1, sizeof(*x->ties));
    if (x->ties == NULL)
        return SK_ENOMEM;
    if (x->by_bytes) {
        x->metas = sk_arena_calloc(arena, SK_META_CACHE_SLOTS, sizeof(*x->metas));
        if (x->metas == NULL)
            return SK_ENOMEM;
    }
    return sk_pipeline_run_create(leaf->pipeline, SK_SCAN_READER_BYTES_MAX, budget, &x->pipe);
}

void sk_extract_deinit(struct sk_extract *x)
{
    sk_acc_deinit(&x->acc);
    if (x->ties != NULL)
        sk_hmap_deinit(&x->ties->more);
    sk_pipeline_run_destroy(x->pipe);
    sk_free(x->labels);
    sk_strbuf_deinit(&x->error_text);
    *x = (struct sk_extract){0};
}

void sk_extract_stream(struct sk_extract *x, const struct sk_sel_stream *stream)
{
    const struct sk_leaf *leaf = x->leaf;
    if (x->stream == stream)
        return;
    x->stream = stream;
    sk_pipeline_run_stream(x->pipe, stream->labels);
    bool fixed = leaf->mode == SK_GROUP_NONE || leaf->mode == SK_GROUP_BY;
    for (size_t i = 0; i < leaf->name_count && fixed && leaf->mode == SK_GROUP_BY; i++)
        fixed = sk_labels_get(stream->labels, leaf->names[i]).len > 0;
    x->stream_fixed = fixed;
    if (leaf->mode != SK_GROUP_NONE)
        x->series_known = false;
}

void sk_extract_unit(struct sk_extract *x)
{
    x->unit_seq++;
    x->last_meta = NULL;
}

void sk_extract_block(struct sk_extract *x)
{
    sk_hmap_deinit(&x->ties->more);
    x->ties->count = 0;
}
