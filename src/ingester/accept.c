/* SPDX-License-Identifier: Apache-2.0 */
/* accept.c -- from a decoded push to a log record: validation in Loki's order and with its texts,
 * tenant and stream limits, metadata normalised, levels found. Nothing is kept of what is refused. */
#include "ingester/ingester_int.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "ingester/wallog.h"
#include "wal/record.h"
#include "wire/level.h"

enum { FAULTS_MAX = 64, FAULT_BYTES_MAX = 8192, PAIRS_MAX = 1024, MiB = 1 << 20 };

struct fault {
    char *text;
    unsigned count;
};

/* One push on its way through this file. */
struct passage {
    struct sk_ingester *ing;
    struct sk_pushop *op;
    const struct sk_push *push;
    struct tenant *t;
    const struct sk_limits *limits;
    int64_t now_ns;
    struct label_entry **labels; /* per stream; NULL: refused */
    bool *ok;                    /* per entry: passed so far */
    struct sk_arena scratch;
    uint64_t received_lines, received_bytes, received_meta;
    uint64_t lines, bytes; /* accepted by validation */
    struct fault faults[FAULTS_MAX];
    size_t fault_count;
    int status; /* of the first ingester error */
    struct sk_strbuf ing_text;
    int64_t base_ns;
};

static void discard(struct passage *p, const char *reason, uint64_t samples, uint64_t bytes)
{
    char labels[512];
    (void)snprintf(labels, sizeof(labels),
                   "reason=\"%s\",tenant=\"%s\",retention_hours=\"0\",policy=\"\",format=\"%s\"",
                   reason, p->t->name, p->op->format);
    sk_metric_add(sk_counter("loki_discarded_samples_total", "Refused entries by reason.", labels),
                  samples);
    sk_metric_add(sk_counter("loki_discarded_bytes_total", "Refused bytes by reason.", labels),
                  bytes);
}

static void fault_add(struct passage *p, const char *text)
{
    for (size_t i = 0; i < p->fault_count; i++) {
        if (strncmp(p->faults[i].text, text, FAULT_BYTES_MAX) == 0) {
            p->faults[i].count++;
            return;
        }
    }
    if (p->fault_count == FAULTS_MAX) {
        p->faults[FAULTS_MAX - 1].count++;
        return;
    }
    size_t len = strlen(text);
    char *copy = sk_memdup0(text, len > FAULT_BYTES_MAX ? FAULT_BYTES_MAX : len);
    if (copy != NULL)
        p->faults[p->fault_count++] = (struct fault){copy, 1};
}

/* "0001-01-01T00:00:00Z" for an entry without a time. */
static void format_time(struct sk_strbuf *out, int64_t ts_ns)
{
    if (ts_ns == INT64_MIN)
        sk_strbuf_puts(out, "0001-01-01T00:00:00Z");
    else
        sk_rfc3339_format_s(out, ts_ns);
}

/* ---- validation of entries ---- */

static const char *check_time(struct passage *p, const struct label_entry *e, int64_t ts_ns,
                              struct sk_strbuf *out)
{
    const struct sk_limits *lim = p->limits;
    if (lim->reject_old_samples &&
        (ts_ns == INT64_MIN || ts_ns < p->now_ns - lim->reject_old_samples_max_age_ns)) {
        sk_strbuf_printf(out,
                         "entry for stream '%.*s' has timestamp too old: ", SK_STR_ARG(e->printed));
        format_time(out, ts_ns);
        sk_strbuf_puts(out, ", oldest acceptable timestamp is: ");
        format_time(out, p->now_ns - lim->reject_old_samples_max_age_ns);
        return "greater_than_max_sample_age";
    }
    if (ts_ns > p->now_ns + lim->creation_grace_period_ns) {
        sk_strbuf_printf(out,
                         "entry for stream '%.*s' has timestamp too new: ", SK_STR_ARG(e->printed));
        format_time(out, ts_ns);
        return "too_far_in_future";
    }
    return NULL;
}

static const char *check_metadata(struct passage *p, const struct label_entry *e,
                                  const struct sk_push_entry *entry, uint64_t meta_bytes,
                                  struct sk_strbuf *out)
{
    const struct sk_limits *lim = p->limits;
    if (entry->pair_count == 0)
        return NULL;
    if (!lim->allow_structured_metadata) {
        sk_strbuf_printf(
            out,
            "stream '%.*s' includes structured metadata, but this feature is disallowed. "
            "Please see `limits_config.allow_structured_metadata` or contact your Loki "
            "administrator to enable it",
            SK_STR_ARG(e->printed));
        return "disallowed_structured_metadata";
    }
    if (lim->max_structured_metadata_size > 0 && meta_bytes > lim->max_structured_metadata_size) {
        sk_strbuf_printf(
            out,
            "stream '%.*s' has structured metadata too large: '%llu' bytes, limit: '%llu' "
            "bytes. Please see `limits_config.max_structured_metadata_size` or contact "
            "your Loki administrator to increase it",
            SK_STR_ARG(e->printed), (unsigned long long)meta_bytes,
            (unsigned long long)lim->max_structured_metadata_size);
        return "structured_metadata_too_large";
    }
    if (lim->max_structured_metadata_entries_count > 0 &&
        entry->pair_count > lim->max_structured_metadata_entries_count) {
        sk_strbuf_printf(
            out,
            "stream '%.*s' has too many structured metadata labels: '%u', limit: '%llu'. "
            "Please see `limits_config.max_structured_metadata_entries_count` or contact "
            "your Loki administrator to increase it",
            SK_STR_ARG(e->printed), entry->pair_count,
            (unsigned long long)lim->max_structured_metadata_entries_count);
        return "structured_metadata_too_many";
    }
    return NULL;
}

static uint64_t metadata_bytes(const struct sk_push *push, const struct sk_push_entry *entry)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < entry->pair_count; i++)
        n += push->pairs[entry->pair_first + i].name.len +
             push->pairs[entry->pair_first + i].value.len;
    return n;
}

/* detected_level of an entry: stream labels, metadata, then the line. */
static struct sk_str level_find(struct passage *p, const struct label_entry *e,
                                const struct sk_push_entry *entry)
{
    const struct sk_limits *lim = p->limits;
    const struct sk_push_pair *pairs = p->push->pairs + entry->pair_first;
    struct sk_str known, number = {NULL, 0};
    if (e->level.ptr != NULL)
        return e->level;
    for (size_t f = 0; f < lim->log_level_fields.count && entry->pair_count > 0; f++) {
        for (uint32_t i = 0; i < entry->pair_count; i++) {
            if (sk_str_eq(pairs[i].name, lim->log_level_fields.items[f]))
                return sk_level_of_word(pairs[i].value, &known) ? known : pairs[i].value;
        }
    }
    for (uint32_t i = 0; i < entry->pair_count; i++) {
        if (sk_str_is(pairs[i].name, "severity_number"))
            number = pairs[i].value;
    }
    if (number.ptr != NULL)
        return sk_level_of_severity(number);
    struct sk_level_rules rules = {
        lim->log_level_fields.items, lim->log_level_fields.count,
        lim->log_level_from_json_max_depth < 0 ? 0 : (unsigned)lim->log_level_from_json_max_depth};
    return sk_level_of_line(&rules, entry->line);
}

static bool has_detected_level(const struct sk_push *push, const struct sk_push_entry *entry)
{
    for (uint32_t i = 0; i < entry->pair_count; i++) {
        if (sk_str_is(push->pairs[entry->pair_first + i].name, "detected_level"))
            return true;
    }
    return false;
}

/* One entry: sets ok[idx], counts or refuses. */
static void validate_entry(struct passage *p, const struct label_entry *e, size_t idx)
{
    struct sk_push_entry *entry = &p->push->entries[idx];
    const struct sk_limits *lim = p->limits;
    uint64_t meta = entry->pair_count == 0 ? 0 : metadata_bytes(p->push, entry);
    struct sk_strbuf out;
    sk_strbuf_init(&out, 16 * MiB);
    const char *reason = check_time(p, e, entry->ts_ns, &out);
    if (reason == NULL && lim->max_line_size > 0 && entry->line.len > lim->max_line_size) {
        if (lim->max_line_size_truncate) {
            struct sk_str mark = sk_str_from(lim->max_line_size_truncate_identifier);
            size_t keep = lim->max_line_size > mark.len ? lim->max_line_size - mark.len : 0;
            struct sk_str cut = sk_arena_printf(&p->scratch, "%.*s%.*s", (int)keep, entry->line.ptr,
                                                SK_STR_ARG(mark));
            entry->line = cut.ptr != NULL ? cut : (struct sk_str){entry->line.ptr, keep};
        } else {
            sk_strbuf_printf(
                &out,
                "max entry size '%llu' bytes exceeded for stream '%.*s' while adding an "
                "entry with length '%zu' bytes",
                (unsigned long long)lim->max_line_size, SK_STR_ARG(e->printed), entry->line.len);
            reason = "line_too_long";
        }
    }
    if (reason == NULL)
        reason = check_metadata(p, e, entry, meta, &out);
    p->received_lines++;
    p->received_bytes += entry->line.len + meta;
    p->received_meta += meta;
    if (reason != NULL) {
        fault_add(p, out.failed ? reason : out.ptr);
        discard(p, reason, 1, entry->line.len + meta);
    } else {
        p->ok[idx] = true;
        p->lines++;
        p->bytes += entry->line.len + meta;
    }
    sk_strbuf_deinit(&out);
}

static uint64_t stream_bytes(const struct sk_push *push, const struct sk_push_stream *s)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->entry_count; i++)
        n += push->entries[s->entry_first + i].line.len;
    return n;
}

/* Labels of every stream first: one bad text refuses the request before anything is stored. */
static bool resolve_labels(struct passage *p)
{
    for (size_t i = 0; i < p->push->stream_count; i++) {
        struct label_entry *e;
        if (label_cache_get(p->t, p->limits, p->push->streams[i].labels, &e) != SK_OK) {
            p->op->status = 503;
            sk_strbuf_puts(&p->op->text, "not enough memory, try again\n");
            return false;
        }
        p->labels[i] = e;
        if (e->parse_error != NULL) {
            p->op->status = 400;
            sk_strbuf_printf(&p->op->text, "%s\n", e->parse_error);
            return false;
        }
    }
    return true;
}

static void validate(struct passage *p)
{
    for (size_t i = 0; i < p->push->stream_count; i++) {
        const struct sk_push_stream *s = &p->push->streams[i];
        struct label_entry *e = p->labels[i];
        if (s->entry_count == 0)
            continue;
        if (e->invalid != NULL) {
            fault_add(p, e->invalid);
            discard(p, e->invalid_reason, s->entry_count, stream_bytes(p->push, s));
            if (strcmp(e->invalid_reason, "missing_enforced_labels") != 0)
                discard(p, "invalid_labels", s->entry_count, stream_bytes(p->push, s));
            continue;
        }
        for (uint32_t k = 0; k < s->entry_count; k++)
            validate_entry(p, e, s->entry_first + k);
    }
    sk_metric_add(p->t->received_lines, p->received_lines);
    sk_metric_add(p->t->received_bytes, p->received_bytes);
    sk_metric_add(p->t->received_meta, p->received_meta);
}

/* ---- limits of rate ---- */

static bool bucket_take(double *tokens, int64_t *mono_ns, double rate, double burst, double want)
{
    int64_t now = sk_clock_mono_ns();
    if (*tokens < 0)
        *tokens = burst;
    else
        *tokens += (double)(now - *mono_ns) / 1e9 * rate;
    *mono_ns = now;
    if (*tokens > burst)
        *tokens = burst;
    if (want > *tokens)
        return false;
    *tokens -= want;
    return true;
}

static bool tenant_rate_ok(struct passage *p)
{
    double rate = p->limits->ingestion_rate_mb * MiB,
           burst = p->limits->ingestion_burst_size_mb * MiB;
    if (rate <= 0)
        return true;
    pthread_mutex_lock(&p->t->rate_lock);
    bool ok = bucket_take(&p->t->rate_tokens, &p->t->rate_mono_ns, rate, burst, (double)p->bytes);
    pthread_mutex_unlock(&p->t->rate_lock);
    if (!ok) {
        p->op->status = 429;
        sk_strbuf_printf(
            &p->op->text,
            "ingestion rate limit exceeded for user %s (limit: %.0f bytes/sec) while "
            "attempting to ingest '%llu' lines totaling '%llu' bytes, reduce log volume or "
            "contact your Loki administrator to see if the limit can be increased\n",
            p->t->name, rate, (unsigned long long)p->lines, (unsigned long long)p->bytes);
        discard(p, "rate_limited", p->lines, p->bytes);
    }
    return ok;
}

static bool stream_limit_ok(struct passage *p, const struct label_entry *e,
                            const struct sk_push_stream *s)
{
    uint64_t max = p->limits->max_global_streams_per_user;
    if (p->limits->max_streams_per_user > 0 && (max == 0 || p->limits->max_streams_per_user < max))
        max = p->limits->max_streams_per_user;
    if (max == 0 || atomic_load(&p->t->stream_count) < max)
        return true;
    if (p->status == 0) {
        p->status = 429;
        sk_strbuf_printf(
            &p->ing_text,
            "maximum active stream limit exceeded when trying to create stream %.*s, reduce "
            "the number of active streams (reduce labels or reduce label values), or contact "
            "your Loki administrator to see if the limit can be increased, user: '%s'\n",
            SK_STR_ARG(e->printed), p->t->name);
    }
    discard(p, "stream_limit", s->entry_count, stream_bytes(p->push, s));
    return false;
}

/* ---- encoding, under the shard's lock ---- */

/* Sorted by name, names normalised, empty values left out, later twins of a name too. */
static size_t pairs_collect(struct passage *p, const struct sk_push_entry *entry,
                            struct sk_str level, struct sk_label *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < entry->pair_count && n < PAIRS_MAX - 1; i++) {
        struct sk_push_pair pair = p->push->pairs[entry->pair_first + i];
        if (pair.value.len == 0)
            continue;
        if (sk_str_is(pair.name, "detected_level")) {
            struct sk_str known;
            if (sk_level_of_word(pair.value, &known))
                pair.value = known;
        }
        out[n++] = (struct sk_label){pair.name, pair.value};
    }
    if (level.ptr != NULL && level.len > 0)
        out[n++] = (struct sk_label){SK_STR("detected_level"), level};
    if (n > 1)
        sk_labels_sort(out, n);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !sk_str_eq(out[kept - 1].name, out[i].name))
            out[kept++] = out[i];
    }
    return kept;
}

struct refused { /* entries of one stream that the ingester refused */
    struct sk_strbuf text;
    uint64_t count, bytes;
    uint64_t listed;
};

static void go_time(struct sk_strbuf *out, int64_t ts_ns)
{
    struct sk_strbuf t;
    sk_strbuf_init(&t, 64);
    sk_rfc3339_format(&t, ts_ns);
    for (size_t i = 0; i + 1 < t.len; i++)
        sk_strbuf_putc(out, t.ptr[i] == 'T' ? ' ' : t.ptr[i]);
    sk_strbuf_puts(out, " +0000 UTC");
    sk_strbuf_deinit(&t);
}

static void refuse_behind(struct passage *p, struct refused *r, int64_t ts_ns, int64_t oldest_ns,
                          uint64_t bytes)
{
    r->count++;
    r->bytes += bytes;
    if (p->ing->config->max_returned_stream_errors != 0 &&
        r->listed >= p->ing->config->max_returned_stream_errors)
        return;
    r->listed++;
    sk_strbuf_puts(&r->text, "entry with timestamp ");
    go_time(&r->text, ts_ns);
    sk_strbuf_puts(&r->text, " ignored, reason: 'entry too far behind, entry timestamp is: ");
    sk_rfc3339_format_s(&r->text, ts_ns);
    sk_strbuf_puts(&r->text, ", oldest acceptable timestamp is: ");
    sk_rfc3339_format_s(&r->text, oldest_ns);
    sk_strbuf_puts(&r->text, "',\n");
}

static void refused_report(struct passage *p, const struct label_entry *e, struct refused *r,
                           uint32_t total, int status, const char *reason)
{
    discard(p, reason, r->count, r->bytes);
    if (p->status != 0)
        return;
    p->status = status;
    sk_strbuf_str(&p->ing_text, sk_strbuf_view(&r->text));
    sk_strbuf_printf(&p->ing_text, "user '%s', total ignored: %llu out of %u for stream: %.*s\n",
                     p->t->name, (unsigned long long)r->count, total, SK_STR_ARG(e->printed));
}

/* The oldest time that the stream takes. */
static int64_t stream_bound(const struct passage *p, const struct stream *s)
{
    if (s->highest_ns == INT64_MIN)
        return INT64_MIN;
    int64_t back = p->limits->unordered_writes ? p->ing->config->max_chunk_age_ns / 2 : 0;
    return s->highest_ns < INT64_MIN + back ? INT64_MIN : s->highest_ns - back;
}

static bool stream_rate_ok(struct passage *p, struct stream *s, const struct label_entry *e,
                           const struct sk_push_stream *ps)
{
    uint64_t want = stream_bytes(p->push, ps);
    if (p->limits->per_stream_rate_limit == 0 ||
        bucket_take(&s->rate_tokens, &s->rate_mono_ns, (double)p->limits->per_stream_rate_limit,
                    (double)p->limits->per_stream_rate_limit_burst, (double)want))
        return true;
    struct refused r = {.count = ps->entry_count, .bytes = want};
    sk_strbuf_init(&r.text, MiB);
    uint64_t list = p->ing->config->max_returned_stream_errors;
    for (uint32_t i = 0; i < ps->entry_count && (list == 0 || i < list); i++) {
        const struct sk_push_entry *entry = &p->push->entries[ps->entry_first + i];
        sk_strbuf_puts(&r.text, "entry with timestamp ");
        go_time(&r.text, entry->ts_ns);
        sk_strbuf_puts(&r.text, " ignored, reason: 'Per stream rate limit exceeded (limit: ");
        uint64_t limit = p->limits->per_stream_rate_limit;
        if (limit >= MiB && limit % MiB == 0)
            sk_strbuf_printf(&r.text, "%lluMB", (unsigned long long)(limit / MiB));
        else
            sk_strbuf_printf(&r.text, "%lluKB", (unsigned long long)(limit / 1024));
        sk_strbuf_printf(
            &r.text,
            "/sec) while attempting to ingest for stream '%.*s' totaling %zuB, consider "
            "splitting a stream via additional labels or contact your Loki administrator to "
            "see if the limit can be increased',\n",
            SK_STR_ARG(e->printed), entry->line.len);
    }
    refused_report(p, e, &r, ps->entry_count, 429, "per_stream_rate_limit");
    sk_strbuf_deinit(&r.text);
    return false;
}

/* The level is looked for here, where the line is copied: its bytes come from memory once. */
static size_t entry_encode(struct passage *p, const struct label_entry *e, size_t idx)
{
    struct sk_label pairs[PAIRS_MAX];
    const struct sk_limits *lim = p->limits;
    const struct sk_push_entry *entry = &p->push->entries[idx];
    struct sk_str level = {NULL, 0};
    if (lim->discover_log_levels && lim->allow_structured_metadata &&
        !has_detected_level(p->push, entry))
        level = level_find(p, e, entry);
    size_t n = pairs_collect(p, entry, level, pairs);
    return sk_wal_entry(&p->op->record, p->base_ns, entry->ts_ns, entry->line, pairs, n);
}

/* What follows the time of the entry that was encoded last, for telling repeats. */
static struct sk_str tail_of(const struct passage *p, size_t timeless)
{
    return (struct sk_str){p->op->record.ptr + timeless, p->op->record.len - timeless};
}

/* Encodes the entries that the stream takes, and clears ok[] of the others: those too far
 * behind, and those that repeat the one before (dropped silently). Returns how many. */
static uint64_t entries_accept(struct passage *p, struct stream *s, const struct label_entry *e,
                               const struct sk_push_stream *ps, struct refused *r)
{
    struct sk_strbuf *out = &p->op->record;
    struct sk_str last = {NULL, 0}; /* of this push; else only its hash is known */
    size_t last_at = 0;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < ps->entry_count && !out->failed; i++) {
        size_t idx = ps->entry_first + i, start = out->len;
        const struct sk_push_entry *entry = &p->push->entries[idx];
        if (!p->ok[idx])
            continue;
        int64_t bound = stream_bound(p, s);
        if (entry->ts_ns < bound) {
            refuse_behind(p, r, entry->ts_ns, bound, entry->line.len);
            p->ok[idx] = false;
            continue;
        }
        size_t at = entry_encode(p, e, idx);
        struct sk_str tail = tail_of(p, at);
        if (last.len > 0)
            last.ptr = out->ptr + last_at; /* the buffer may have moved */
        if (s->has_last && s->last_ns == entry->ts_ns &&
            (last.len > 0 ? sk_str_eq(last, tail)
                          : s->last_hash == sk_hash_mem(tail.ptr, tail.len))) {
            p->ok[idx] = false;
            out->len = start;
            continue;
        }
        last = tail;
        last_at = at;
        s->has_last = true;
        s->last_ns = entry->ts_ns;
        s->highest_ns = entry->ts_ns > s->highest_ns ? entry->ts_ns : s->highest_ns;
        taken++;
    }
    if (last.len > 0)
        s->last_hash = sk_hash_mem(out->ptr + last_at, last.len);
    return taken;
}

/* Appends to the record what the stream takes of this push, and says how many entries that are. The
 * head of the entries names their number: it is written for all, and again when some fell out. */
static uint64_t stream_encode(struct passage *p, struct stream *s, const struct label_entry *e,
                              const struct sk_push_stream *ps, uint64_t offered)
{
    struct sk_strbuf *out = &p->op->record;
    size_t start = out->len;
    struct refused r = {0};
    sk_strbuf_init(&r.text, MiB);
    sk_wal_entries_stream(out, s->ref, s->counter + offered, offered);
    uint64_t taken = entries_accept(p, s, e, ps, &r);
    if (taken != offered)
        out->len = start;
    if (taken != offered && taken > 0) {
        sk_wal_entries_stream(out, s->ref, s->counter + taken, taken);
        for (uint32_t i = 0; i < ps->entry_count; i++) {
            if (p->ok[ps->entry_first + i])
                (void)entry_encode(p, e, ps->entry_first + i);
        }
    }
    s->counter += taken;
    if (r.count > 0)
        refused_report(p, e, &r, ps->entry_count, 400, "too_far_behind");
    sk_strbuf_deinit(&r.text);
    return taken;
}

static enum sk_err stream_take(struct passage *p, size_t i, uint64_t offered)
{
    const struct sk_push_stream *ps = &p->push->streams[i];
    struct label_entry *e = p->labels[i];
    struct shard *sh = shard_of(p->ing, e->hash);
    enum sk_err err = SK_OK;
    pthread_mutex_lock(&sh->lock);
    struct stream *s = stream_find(sh, p->t, e->labels, e->hash);
    if ((s == NULL || !s->active) && !stream_limit_ok(p, e, ps))
        goto out;
    if (s == NULL)
        err = stream_create(sh, p->t, e->labels, e->hash, 0, &s);
    if (err != SK_OK)
        goto out;
    stream_set_active(s, true);
    if (!stream_rate_ok(p, s, e, ps))
        goto out;
    if (!SK_GROW(p->op->streams, p->op->stream_cap, p->op->stream_count + 1)) {
        err = SK_ENOMEM;
        goto out;
    }
    if (stream_encode(p, s, e, ps, offered) > 0) {
        s->pins++;
        p->op->streams[p->op->stream_count++] = s;
    }
out:
    pthread_mutex_unlock(&sh->lock);
    return err;
}

static uint64_t offered_count(const struct passage *p, const struct sk_push_stream *ps)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < ps->entry_count; i++)
        n += p->ok[ps->entry_first + i];
    return n;
}

/* A buffer that another record has left, or an empty one. */
static void record_take(struct sk_ingester *ing, struct sk_strbuf *record)
{
    pthread_mutex_lock(&ing->spare_lock);
    if (ing->spare_count > 0) {
        sk_strbuf_deinit(record);
        *record = ing->spares[--ing->spare_count];
    }
    pthread_mutex_unlock(&ing->spare_lock);
    sk_strbuf_reset(record);
}

static void record_give(struct sk_ingester *ing, struct sk_strbuf *record)
{
    if (ing != NULL && record->cap > 0 && record->cap <= SK_INGEST_SPARE_BYTES_MAX) {
        pthread_mutex_lock(&ing->spare_lock);
        if (ing->spare_count < SK_INGEST_SPARE_RECORDS) {
            ing->spares[ing->spare_count++] = *record;
            *record = (struct sk_strbuf){0};
        }
        pthread_mutex_unlock(&ing->spare_lock);
    }
    sk_strbuf_deinit(record);
}

static enum sk_err encode_all(struct passage *p)
{
    for (size_t i = 0; i < p->push->entry_count; i++) {
        if (p->ok[i]) {
            p->base_ns = p->push->entries[i].ts_ns;
            break;
        }
    }
    record_take(p->ing, &p->op->record);
    (void)sk_strbuf_reserve(&p->op->record, (size_t)(p->bytes + p->lines * 48 + 256));
    sk_wal_entries_begin(&p->op->record, p->t->name_str, p->base_ns);
    for (size_t i = 0; i < p->push->stream_count; i++) {
        uint64_t offered = offered_count(p, &p->push->streams[i]);
        if (offered == 0)
            continue;
        enum sk_err err = stream_take(p, i, offered);
        if (err != SK_OK)
            return err;
    }
    return p->op->record.failed ? SK_ENOMEM : SK_OK;
}

/* ---- metadata names ---- */

/* Names that must be rewritten are rewritten in the push itself; invalid UTF-8 in values becomes
 * blanks. An empty name refuses the request. */
static bool normalize_pairs(struct passage *p)
{
    struct sk_strbuf b;
    sk_strbuf_init(&b, MiB);
    bool ok = true;
    for (size_t i = 0; i < p->push->pair_count && ok; i++) {
        struct sk_push_pair *pair = &p->push->pairs[i];
        if (!sk_label_name_is_normal(pair->name)) {
            sk_strbuf_reset(&b);
            if (pair->name.len == 0 || !sk_label_name_normalize(&b, pair->name)) {
                p->op->status = 400;
                sk_strbuf_puts(&p->op->text,
                               pair->name.len == 0
                                   ? "label name is empty\n"
                                   : "structured metadata name holds no letter or digit\n");
                ok = false;
                break;
            }
            pair->name = sk_arena_str(&p->scratch, sk_strbuf_view(&b));
            ok = pair->name.ptr != NULL;
        }
        if (ok && !sk_utf8_valid(pair->value)) {
            sk_strbuf_reset(&b);
            for (size_t k = 0; k < pair->value.len;) {
                unsigned w;
                uint32_t r = sk_utf8_decode(pair->value.ptr + k, pair->value.len - k, &w);
                if (r == SK_RUNE_ERROR && w == 1)
                    sk_strbuf_putc(&b, ' ');
                else
                    sk_strbuf_add(&b, pair->value.ptr + k, w);
                k += w;
            }
            pair->value = sk_arena_str(&p->scratch, sk_strbuf_view(&b));
            ok = pair->value.ptr != NULL;
        }
    }
    sk_strbuf_deinit(&b);
    if (!ok && p->op->status == 0) {
        p->op->status = 503;
        sk_strbuf_puts(&p->op->text, "not enough memory, try again\n");
    }
    return ok;
}

/* ---- the whole ---- */

static void faults_report(struct passage *p)
{
    struct sk_strbuf *out = &p->op->text;
    if (p->fault_count == 0)
        return;
    p->op->status = 400;
    bool grouped = p->fault_count > 1 || p->faults[0].count > 1;
    for (size_t i = 0; i < p->fault_count; i++) {
        sk_strbuf_puts(out, i > 0 ? "; " : "");
        if (grouped)
            sk_strbuf_printf(out, "%u errors like: ", p->faults[i].count);
        sk_strbuf_puts(out, p->faults[i].text);
    }
    sk_strbuf_putc(out, '\n');
}

static void passage_end(struct passage *p)
{
    for (size_t i = 0; i < p->push->stream_count && p->labels != NULL; i++)
        label_entry_unref(p->labels[i]);
    for (size_t i = 0; i < p->fault_count; i++)
        sk_free(p->faults[i].text);
    sk_free(p->labels);
    sk_free(p->ok);
    sk_arena_deinit(&p->scratch);
    sk_strbuf_deinit(&p->ing_text);
}

static bool blocked(struct passage *p)
{
    const struct sk_limits *lim = p->limits;
    if (lim->block_ingestion_until_ns == 0 || p->now_ns >= lim->block_ingestion_until_ns)
        return false;
    int code = (int)lim->block_ingestion_status_code;
    p->op->status = code == 200 ? 204 : code;
    if (code != 200) {
        struct sk_strbuf until;
        sk_strbuf_init(&until, 64);
        sk_rfc3339_format_s(&until, lim->block_ingestion_until_ns);
        sk_strbuf_printf(&p->op->text,
                         "ingestion blocked for user '%s' until '%s' with status code '%d'\n",
                         p->t->name, until.ptr, code);
        sk_strbuf_deinit(&until);
    }
    discard(p, "blocked_ingestion", p->push->entry_count, 0);
    return true;
}

/* Validates and encodes; true: op->record waits for the log. */
static bool passage_run(struct passage *p)
{
    if (p->push->stream_count == 0) {
        p->op->status = 422;
        sk_strbuf_puts(&p->op->text, "error at least one valid stream is required for ingestion\n");
        return false;
    }
    p->labels = sk_calloc(p->push->stream_count, sizeof(struct label_entry *));
    p->ok = sk_calloc(p->push->entry_count, sizeof(*p->ok));
    if (p->labels == NULL || p->ok == NULL) {
        p->op->status = 503;
        sk_strbuf_puts(&p->op->text, "not enough memory, try again\n");
        return false;
    }
    if (!resolve_labels(p) || !normalize_pairs(p) || blocked(p))
        return false;
    validate(p);
    if (p->lines > 0 && !tenant_rate_ok(p))
        return false;
    if (p->lines > 0 && encode_all(p) != SK_OK) {
        p->op->status = 503;
        sk_strbuf_puts(&p->op->text, "not enough memory, try again\n");
        if (!p->op->record.failed)
            return p->op->stream_count > 0;
        pushop_give_up(p->ing, p->op);
        return false;
    }
    if (p->status != 0) {
        p->op->status = p->status;
        sk_strbuf_str(&p->op->text, sk_strbuf_view(&p->ing_text));
    } else {
        faults_report(p);
    }
    return p->op->stream_count > 0;
}

void sk_pushop_init(struct sk_pushop *op)
{
    *op = (struct sk_pushop){0};
    sk_strbuf_init(&op->text, MiB);
    sk_strbuf_init(&op->record, 1u << 30);
}

void sk_pushop_deinit(struct sk_pushop *op)
{
    sk_strbuf_deinit(&op->text);
    record_give(op->ing, &op->record);
    sk_free(op->streams);
    op->streams = NULL;
}

const char *sk_ingester_unavailable(const struct sk_ingester *ing)
{
    if (atomic_load(&ing->stopping))
        return "skald is shutting down, try again\n";
    if (atomic_load(&ing->read_only))
        return "read-only: the write-ahead log cannot be written; queries are served\n";
    if (atomic_load(&ing->full))
        return "the disk is full: pushes are refused until there is room; queries are served\n";
    return NULL;
}

void sk_ingester_push(struct sk_ingester *ing, struct sk_pushop *op, const struct sk_push *push)
{
    struct passage p = {.ing = ing, .op = op, .push = push, .now_ns = sk_clock_now_ns()};
    op->ing = ing;
    op->status = 0;
    op->stream_count = 0;
    const char *why = sk_ingester_unavailable(ing);
    if (why != NULL) {
        op->status = 503;
        sk_strbuf_puts(&op->text, why);
        op->done(op);
        return;
    }
    enum sk_err err = tenant_get(ing, op->tenant, &p.t);
    if (err != SK_OK) {
        op->status = 429;
        sk_strbuf_puts(&op->text, "too many tenants in memory, try again later\n");
        op->done(op);
        return;
    }
    op->tenant_ptr = p.t;
    p.limits = sk_config_limits(ing->config, ing->opt.overrides, op->tenant);
    sk_arena_init(&p.scratch, 256 * MiB, ing->heads);
    sk_strbuf_init(&p.ing_text, MiB);
    bool log = passage_run(&p);
    passage_end(&p);
    if (op->status == 0)
        op->status = 204;
    if (log)
        wallog_submit(ing->log, op);
    else
        op->done(op);
}
