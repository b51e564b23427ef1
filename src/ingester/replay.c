/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c -- builds the heads from the log, ours or one that Loki left.
 *
 * Checkpoint first, then every segment from the lowest. Every entry is applied whatever its counter
 * says: what is there twice is hidden by queries, and nothing is lost by a wrong guess. Only what a
 * flush mark names as stored, and an index really lists, is left out.
 *
 * Damage costs the record (or page) it touches and is reported; a torn tail is cut off; a log that is
 * damaged in the middle is flushed to chunks at once, so that no later reader meets the damage. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/vfs.h"
#include "chunk/chunk.h"
#include "chunk/head.h"
#include "ingester/append.h"
#include "ingester/ingester_int.h"
#include "store/store.h"
#include "wal/checkpoint.h"
#include "wal/segment.h"

enum { PAIRS_MAX = 1024, QUARANTINE_BYTES_MAX = 1 << 30 };

struct known_ref { /* (tenant, ref) of the log -> stream */
    struct tenant *tenant;
    uint64_t ref;
    struct stream *stream;
    struct span {
        int64_t from_ns, through_ns;
    } * spans; /* of its stored chunks; read when a mark makes them matter */
    size_t span_count;
    bool spans_read;
};

struct replay {
    struct sk_ingester *ing;
    const struct sk_vfs *vfs;
    const char *dir;
    uint64_t *segs;
    size_t seg_count, seg_cap;
    uint64_t checkpoint; /* number */
    bool has_checkpoint;
    struct sk_hmap refs;
    struct sk_arena arena; /* of the present record */
    struct sk_arena keep;  /* of the whole replay */
    uint64_t entries, skipped, damaged_records, unknown_refs;
    bool damaged_middle;
    struct sk_error *reterr;
};

/* ---- files ---- */

static enum sk_err on_name(void *ctx, struct sk_str name, bool is_dir)
{
    struct replay *r = ctx;
    struct sk_str prefix = SK_STR("checkpoint.");
    uint64_t n;
    if (is_dir && sk_str_starts(name, prefix)) {
        struct sk_str rest = {name.ptr + prefix.len, name.len - prefix.len};
        if (sk_str_to_u64(rest, &n) && (!r->has_checkpoint || n > r->checkpoint)) {
            r->checkpoint = n;
            r->has_checkpoint = true;
        }
        return SK_OK;
    }
    if (is_dir || !sk_str_to_u64(name, &n))
        return SK_OK;
    if (!SK_GROW(r->segs, r->seg_cap, r->seg_count + 1))
        return SK_ENOMEM;
    r->segs[r->seg_count++] = n;
    return SK_OK;
}

static int seg_cmp(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* ---- streams by the log's references ---- */

static uint64_t ref_key(const struct tenant *t, uint64_t ref)
{
    return ref ^ ((uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15u);
}

static struct known_ref *ref_find(struct replay *r, const struct tenant *t, uint64_t ref)
{
    uint64_t key = ref_key(t, ref);
    for (size_t at = sk_hmap_first(&r->refs, key); at != SK_HMAP_END;
         at = sk_hmap_next(&r->refs, key, at)) {
        struct known_ref *k = r->refs.slots[at].value;
        if (k->tenant == t && k->ref == ref)
            return k;
    }
    return NULL;
}

/* The stream with these labels; from now on `ref` names it. */
static enum sk_err ref_set(struct replay *r, struct tenant *t, uint64_t ref,
                           struct sk_labelset labels, struct known_ref **ret)
{
    uint64_t hash = sk_labels_fingerprint(labels);
    struct shard *sh = shard_of(r->ing, hash);
    struct stream *s = stream_find(sh, t, labels, hash);
    enum sk_err err = SK_OK;
    if (s == NULL)
        err = stream_create(sh, t, labels, hash, ref, &s);
    if (err != SK_OK)
        return err;
    if (ref <= 1u << 20 && ref >= atomic_load(&r->ing->mapped_next))
        atomic_store(&r->ing->mapped_next, ref + 1);
    struct known_ref *k = ref_find(r, t, ref);
    if (k == NULL) {
        k = sk_arena_calloc(&r->keep, 1, sizeof(*k));
        if (k == NULL || !sk_hmap_add(&r->refs, ref_key(t, ref), k))
            return SK_ENOMEM;
        k->tenant = t;
        k->ref = ref;
    }
    k->stream = s;
    *ret = k;
    return SK_OK;
}

/* Bounds of the chunks that the store has for the stream. */
static void spans_read(struct replay *r, struct known_ref *k)
{
    struct sk_selection sel;
    struct sk_labelset labels = k->stream->labels;
    k->spans_read = true;
    struct sk_matcher *m = sk_arena_calloc(&r->keep, labels.count + 1, sizeof(*m));
    if (m == NULL)
        return;
    for (size_t i = 0; i < labels.count; i++)
        m[i] = (struct sk_matcher){
            .name = labels.items[i].name, .value = labels.items[i].value, .kind = SK_MATCHER_EQ};
    struct sk_source store = sk_store_source(r->ing->opt.store);
    int64_t now = sk_clock_now_ns();
    sk_selection_init(&sel, k->tenant->name_str, m, labels.count, now - 400 * SK_NS_PER_DAY,
                      now + SK_NS_PER_DAY, NULL);
    if (store.select(store.ctx, &sel) == SK_OK) {
        for (size_t i = 0; i < sel.stream_count; i++) {
            if (!sk_labels_eq(sel.streams[i]->labels, labels))
                continue;
            k->spans = sk_arena_calloc(&r->keep, sel.streams[i]->unit_count, sizeof(*k->spans));
            for (struct sk_unit *u = sel.streams[i]->units; u != NULL && k->spans != NULL;
                 u = u->next)
                k->spans[k->span_count++] = (struct span){u->from_ns, u->through_ns};
        }
    }
    sk_selection_deinit(&sel);
}

static bool stored(struct replay *r, struct known_ref *k, int64_t ts_ns)
{
    if (!k->spans_read)
        spans_read(r, k);
    for (size_t i = 0; i < k->span_count; i++) {
        if (ts_ns >= k->spans[i].from_ns && ts_ns <= k->spans[i].through_ns)
            return true;
    }
    return false;
}

/* ---- applying ---- */

static enum sk_err apply_entry(struct replay *r, struct stream *s, int64_t ts_ns,
                               struct sk_str line, const struct sk_label *pairs, size_t n,
                               uint64_t seg, uint64_t counter)
{
    struct append_cut cut;
    struct append_hash hashes[PAIRS_MAX];
    struct append_memo memo = {0};
    struct shard *sh = shard_of(r->ing, s->hash);
    append_hashes(pairs, n, hashes);
    pthread_mutex_lock(&sh->lock);
    enum sk_err err = append_entry(r->ing, s, ts_ns, line, &(struct append_pairs){pairs, hashes, n},
                                   seg, &memo, &cut);
    if (err == SK_OK) {
        s->highest_ns = ts_ns > s->highest_ns ? ts_ns : s->highest_ns;
        s->open->touched_mono_ns = sk_clock_mono_ns();
        s->open->last_counter = counter > s->open->last_counter ? counter : s->open->last_counter;
        s->last_seg = seg > s->last_seg ? seg : s->last_seg;
        r->entries++;
    }
    pthread_mutex_unlock(&sh->lock);
    if (err == SK_OK && cut.chunk != NULL) {
        err = chunk_pack_block(r->ing, cut.chunk, cut.idx, &sh->lock, r->ing->apply_codec,
                               &r->ing->apply_scratch);
        chunk_unref(cut.chunk);
    }
    return err;
}

static enum sk_err entries_apply(struct replay *r, struct tenant *t, struct sk_wal_record *rec,
                                 uint64_t seg)
{
    struct sk_wal_stream ws;
    while (sk_wal_stream_next(rec, &ws)) {
        struct known_ref *k = ref_find(r, t, ws.ref);
        uint64_t counter = ws.counter > 0 ? (uint64_t)ws.counter : 0;
        bool marked = k != NULL && counter > 0 && counter <= k->stream->durable_counter;
        if (k == NULL)
            r->unknown_refs++;
        for (uint64_t i = 0; i < ws.count; i++) {
            struct sk_wal_entry_view e;
            struct sk_label pairs[PAIRS_MAX];
            sk_wal_entry_next(rec, pairs, PAIRS_MAX, &e);
            if (k == NULL)
                continue;
            if (marked && stored(r, k, e.ts_ns)) {
                r->skipped++;
                continue;
            }
            enum sk_err err =
                apply_entry(r, k->stream, e.ts_ns, e.line, pairs, e.pair_count, seg, counter);
            if (err != SK_OK)
                return err;
        }
        if (k != NULL) {
            struct stream *s = k->stream;
            uint64_t count = s->counter + ws.count;
            s->counter = counter > count ? counter : count;
            if (counter > INT64_MAX / 2) /* a jump that leaves no room to go on from */
                s->counter = count;
            s->last_seg = seg > s->last_seg ? seg : s->last_seg;
        }
    }
    return SK_OK;
}

static enum sk_err record_apply(struct replay *r, struct sk_slice bytes, uint64_t seg)
{
    struct sk_wal_record rec;
    struct tenant *t;
    sk_arena_reset(&r->arena);
    if (sk_wal_record_init(&rec, bytes) != SK_OK || rec.kind == SK_WAL_CHECKPOINT) {
        r->damaged_records++;
        return SK_OK;
    }
    enum sk_err err = tenant_get(r->ing, rec.tenant, &t);
    if (err != SK_OK)
        return err;
    if (rec.kind != SK_WAL_SERIES)
        return entries_apply(r, t, &rec, seg);
    uint64_t ref;
    struct sk_labelset labels;
    while (sk_wal_series_next(&rec, &r->arena, &ref, &labels, &err)) {
        struct known_ref *k;
        err = ref_set(r, t, ref, labels, &k);
        if (err != SK_OK)
            return err;
        k->stream->last_seg = seg > k->stream->last_seg ? seg : k->stream->last_seg;
    }
    return err;
}

/* ---- checkpoints ---- */

struct cp_target {
    struct replay *r;
    struct known_ref *k;
    struct sk_chunk *chunk;
    bool flushed;
    uint64_t counter;
};

static enum sk_err block_apply(struct cp_target *c, struct sk_slice raw)
{
    struct sk_block_iter it;
    struct sk_block_entry e;
    sk_block_iter_init(&it, raw, sk_chunk_has_meta(c->chunk));
    while (sk_block_next(&it, &e)) {
        struct sk_label pairs[PAIRS_MAX];
        size_t n = sk_block_meta_count(e.meta);
        if (n > PAIRS_MAX)
            continue;
        enum sk_err err = n == 0 ? SK_OK : sk_chunk_meta_decode(c->chunk, e.meta, pairs, n, &n);
        if (err == SK_ENOMEM)
            return err;
        if (err != SK_OK)
            continue;
        sk_labels_sort(pairs, n);
        if (c->flushed && stored(c->r, c->k, e.ts_ns)) {
            c->r->skipped++;
            continue;
        }
        err = apply_entry(c->r, c->k->stream, e.ts_ns, e.line, pairs, n, 0, c->counter);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}

static enum sk_err cp_chunk_apply(struct replay *r, struct known_ref *k,
                                  const struct sk_wal_cp_chunk *cp, uint64_t counter)
{
    struct cp_target c = {.r = r, .k = k, .flushed = cp->flushed, .counter = counter};
    struct sk_strbuf raw;
    uint32_t count;
    enum sk_err err = sk_chunk_init_checkpoint(&r->arena, cp->data, &c.chunk);
    sk_strbuf_init(&raw, SIZE_MAX / 2);
    for (size_t i = 0; err == SK_OK && i < sk_chunk_block_count(c.chunk); i++) {
        sk_strbuf_reset(&raw);
        err = sk_chunk_block_read(c.chunk, i, r->ing->apply_codec, &raw);
        if (err == SK_OK)
            err = block_apply(&c, (struct sk_slice){(const uint8_t *)raw.ptr, raw.len});
    }
    if (err == SK_OK) {
        sk_strbuf_reset(&raw);
        err = sk_head_decode(cp->head, sk_chunk_has_meta(c.chunk), &raw, &count);
        if (err == SK_OK)
            err = block_apply(&c, (struct sk_slice){(const uint8_t *)raw.ptr, raw.len});
    }
    sk_strbuf_deinit(&raw);
    if (err == SK_ECORRUPT || err == SK_EUNSUPPORTED || err == SK_ELIMIT) {
        r->damaged_records++;
        err = SK_OK;
    }
    return err;
}

static enum sk_err checkpoint_record(struct replay *r, struct sk_slice bytes)
{
    struct sk_wal_record rec;
    struct sk_wal_cp_series cp;
    struct tenant *t;
    struct known_ref *k;
    sk_arena_reset(&r->arena);
    if (sk_wal_record_init(&rec, bytes) != SK_OK || rec.kind != SK_WAL_CHECKPOINT) {
        r->damaged_records++;
        return SK_OK;
    }
    enum sk_err err =
        sk_wal_cp_decode(&r->arena, (struct sk_slice){rec.p, (size_t)(rec.end - rec.p)}, &cp);
    if (err == SK_ECORRUPT) {
        r->damaged_records++;
        return SK_OK;
    }
    if (err == SK_OK)
        err = tenant_get(r->ing, cp.tenant, &t);
    if (err == SK_OK)
        err = ref_set(r, t, cp.ref, cp.labels, &k);
    if (err != SK_OK)
        return err;
    uint64_t count = cp.entry_count > 0 ? (uint64_t)cp.entry_count : 0;
    k->stream->counter = count > k->stream->counter ? count : k->stream->counter;
    if (cp.chunks == NULL) { /* a flush mark */
        k->stream->durable_counter = k->stream->flushed_counter = count;
        return SK_OK;
    }
    for (const struct sk_wal_cp_chunk *c = cp.chunks; c != NULL && err == SK_OK; c = c->next)
        err = cp_chunk_apply(r, k, c, count);
    return err;
}

/* ---- one file ---- */

/* A copy of a damaged file for whoever wants to look into it. */
static void quarantine(struct replay *r, const char *path)
{
    char to[4096];
    struct sk_strbuf file;
    struct sk_slice data;
    const char *base = strrchr(path, '/');
    sk_strbuf_init(&file, QUARANTINE_BYTES_MAX);
    (void)snprintf(to, sizeof(to), "%s/skald/quarantine", r->ing->config->path_prefix);
    if (sk_vfs_mkdirs(r->vfs, to) == SK_OK &&
        sk_vfs_read_file(r->vfs, path, QUARANTINE_BYTES_MAX, &file) == SK_OK) {
        (void)snprintf(to, sizeof(to), "%s/skald/quarantine/wal-%s-%lld",
                       r->ing->config->path_prefix, base == NULL ? path : base + 1,
                       (long long)(sk_clock_now_ns() / SK_NS_PER_S));
        data = (struct sk_slice){(const uint8_t *)file.ptr, file.len};
        if (sk_vfs_replace(r->vfs, to, data) != SK_OK)
            sk_log(SK_LOG_WARN, "damaged log segment could not be copied aside, continuing", "file",
                   path);
    }
    sk_strbuf_deinit(&file);
}

static void damage_report(struct replay *r, const char *path, const struct sk_wal_reader *w)
{
    char off[24], bytes[24];
    (void)snprintf(off, sizeof(off), "%llu", (unsigned long long)w->first_damage.off);
    (void)snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)w->damage_bytes);
    sk_log(SK_LOG_WARN,
           w->damage_before_good ? "write-ahead log: damaged place skipped, continuing"
                                 : "write-ahead log: torn tail, continuing",
           "file", path, "offset", off, "skipped_bytes", bytes);
    sk_metric_add(r->ing->m_corrupt, w->damage_count);
}

/* Gives back the room that was written ahead when the process was killed: else each kill would cost
 * that much disk, and as much reading at every start. Nothing rests on it. */
static void tail_cut(struct replay *r, const char *path, int fd, uint64_t end)
{
    struct sk_vfs_stat st;
    if (r->vfs->stat(r->vfs, path, &st) == SK_OK && st.size_bytes > end + SK_WAL_PAGE_BYTES &&
        r->vfs->ftruncate(r->vfs, fd, end) != SK_OK)
        sk_log(SK_LOG_WARN, "unused room of a log segment could not be given back, continuing",
               "file", path);
}

static enum sk_err file_replay(struct replay *r, const char *path, bool checkpoint, uint64_t seg)
{
    struct sk_vfs_file f = {r->vfs, -1};
    struct sk_wal_reader w;
    enum sk_err err = r->vfs->open(r->vfs, path, O_RDWR, 0, &f.fd);
    if (err != SK_OK)
        return err;
    err = sk_wal_reader_init(&w, sk_vfs_file_read, &f, r->ing->apply_codec);
    if (err != SK_OK)
        goto out;
    struct sk_slice record;
    while ((err = sk_wal_reader_next(&w, &record)) == SK_OK) {
        err = checkpoint ? checkpoint_record(r, record) : record_apply(r, record, seg);
        if (err != SK_OK)
            break;
    }
    if (err == SK_ENOENT)
        err = SK_OK;
    if (w.damage_count == 0 && !checkpoint && err == SK_OK)
        tail_cut(r, path, f.fd, w.good_end);
    if (w.damage_count > 0) {
        damage_report(r, path, &w);
        if (w.damage_before_good) {
            r->damaged_middle = true;
            quarantine(r, path);
        } else if (!checkpoint && err == SK_OK) { /* repaired before anything is accepted */
            err = r->vfs->ftruncate(r->vfs, f.fd, w.good_end);
            if (err == SK_OK)
                err = r->vfs->fsync(r->vfs, f.fd);
        }
    }
    sk_wal_reader_deinit(&w);
out:
    (void)!r->vfs->close(r->vfs, f.fd); /* written data was synced above */
    return err;
}

static enum sk_err checkpoint_replay(struct replay *r)
{
    struct replay files = {0}; /* only its list of numbers is used */
    char dir[4096], path[4200];
    (void)snprintf(dir, sizeof(dir), "%s/checkpoint.%06llu", r->dir,
                   (unsigned long long)r->checkpoint);
    enum sk_err err = r->vfs->list(r->vfs, dir, on_name, &files);
    if (files.seg_count > 0)
        qsort(files.segs, files.seg_count, sizeof(*files.segs), seg_cmp);
    for (size_t i = 0; i < files.seg_count && err == SK_OK; i++) {
        (void)snprintf(path, sizeof(path), "%s/%08llu", dir, (unsigned long long)files.segs[i]);
        err = file_replay(r, path, true, 0);
    }
    sk_free(files.segs);
    return err;
}

/* ---- the whole ---- */

static enum sk_err replay_files(struct replay *r)
{
    char path[4096];
    enum sk_err err = r->has_checkpoint ? checkpoint_replay(r) : SK_OK;
    int64_t told_ns = sk_clock_mono_ns();
    for (size_t i = 0; i < r->seg_count && err == SK_OK; i++) {
        (void)snprintf(path, sizeof(path), "%s/%08llu", r->dir, (unsigned long long)r->segs[i]);
        err = file_replay(r, path, false, r->segs[i]);
        if (sk_clock_mono_ns() - told_ns > 5 * SK_NS_PER_S) {
            char done[48];
            told_ns = sk_clock_mono_ns();
            (void)snprintf(done, sizeof(done), "%zu/%zu", i + 1, r->seg_count);
            sk_log(SK_LOG_INFO, "replaying the write-ahead log", "segments", done);
        }
    }
    if (err != SK_OK)
        (void)sk_error_set(r->reterr, err, "cannot replay the write-ahead log in %s: %s", r->dir,
                           sk_err_text(err));
    return err;
}

static void tell(const struct replay *r, int64_t start_ns)
{
    char entries[24], skipped[24], bad[24], unknown[24], took[32];
    if (r->seg_count == 0 && !r->has_checkpoint)
        return;
    (void)snprintf(entries, sizeof(entries), "%llu", (unsigned long long)r->entries);
    (void)snprintf(skipped, sizeof(skipped), "%llu", (unsigned long long)r->skipped);
    (void)snprintf(bad, sizeof(bad), "%llu", (unsigned long long)r->damaged_records);
    (void)snprintf(unknown, sizeof(unknown), "%llu", (unsigned long long)r->unknown_refs);
    (void)snprintf(took, sizeof(took), "%.3fs", (double)(sk_clock_mono_ns() - start_ns) / 1e9);
    sk_log(r->damaged_records + r->unknown_refs > 0 ? SK_LOG_WARN : SK_LOG_INFO,
           "write-ahead log replayed", "entries", entries, "already_stored", skipped, "bad_records",
           bad, "without_series", unknown, "took", took);
}

enum sk_err replay_run(struct sk_ingester *ing, uint64_t *ret_next_seg, struct sk_error *reterr)
{
    struct replay r = {
        .ing = ing, .vfs = ing->opt.vfs, .dir = ing->config->wal_dir, .reterr = reterr};
    int64_t start = sk_clock_mono_ns();
    sk_arena_init(&r.arena, 1u << 30, NULL);
    sk_arena_init(&r.keep, 1u << 30, NULL);
    enum sk_err err = sk_vfs_mkdirs(r.vfs, r.dir);
    if (err == SK_OK)
        err = r.vfs->list(r.vfs, r.dir, on_name, &r);
    if (err != SK_OK) {
        (void)sk_error_set(reterr, err,
                           "cannot use the folder %s: %s (is it writable for this user?)", r.dir,
                           sk_err_text(err));
        goto out;
    }
    if (r.seg_count > 0)
        qsort(r.segs, r.seg_count, sizeof(*r.segs), seg_cmp);
    err = replay_files(&r);
    if (err != SK_OK)
        goto out;
    uint64_t next = r.seg_count > 0 ? r.segs[r.seg_count - 1] + 1 : 1;
    if (r.has_checkpoint && r.checkpoint >= next)
        next = r.checkpoint + 1;
    ing->first_seg = r.seg_count > 0 ? r.segs[0] : next;
    ing->log_damaged = r.damaged_middle;
    sk_metric_add(ing->m_replayed, r.entries);
    tell(&r, start);
    *ret_next_seg = next;
out:
    sk_hmap_deinit(&r.refs);
    sk_arena_deinit(&r.arena);
    sk_arena_deinit(&r.keep);
    sk_free(r.segs);
    return err;
}
