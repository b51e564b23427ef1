/* SPDX-License-Identifier: Apache-2.0 */
/* patterns.c -- see patterns.h. A line is cut into words and single characters between them; the
 * clusters of a stream stand in lists by level, number of tokens and first word, so that a line is
 * compared with few of them. */
#include "ingester/patterns.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/budget.h"
#include "base/gotext.h"
#include "base/hash.h"
#include "base/limits.h"

enum { TOKENS_MAX = 512, SPAN_S = 10, LEVEL_BYTES_MAX = 32, ALIKE_PERCENT = 30 };

struct token {
    uint16_t off, len;
    bool word, open; /* open: words differ here */
};

struct span { /* of ten seconds */
    int64_t number;
    uint32_t count;
};

struct cluster {
    struct cluster *older, *newer; /* of the stream, by its last line */
    struct cluster *next;          /* with the same key */
    uint64_t key;
    char level[LEVEL_BYTES_MAX];
    size_t level_len;
    struct span *spans; /* ascending */
    size_t span_count, span_cap;
    char *line; /* the first one; tokens point into it */
    size_t line_len;
    size_t token_count;
    struct token tokens[];
};

struct pstream {
    struct pstream *older, *newer; /* of the tenant */
    struct ptenant *tenant;
    struct sk_labelset labels; /* heap block */
    size_t labels_bytes;
    uint64_t hash;
    struct sk_hmap by_key; /* of struct cluster, each the first of its list */
    struct cluster *oldest, *newest;
    size_t cluster_count;
};

struct ptenant {
    struct sk_str name; /* heap */
    struct sk_hmap streams;
    struct pstream *oldest, *newest;
    uint64_t bytes;
};

struct sk_patterns {
    pthread_mutex_t lock;
    struct sk_budget budget;
    struct sk_hmap tenants;
    struct token tokens[TOKENS_MAX]; /* of the line that is fed */
};

/* ---- memory ---- */

static uint64_t cluster_bytes(const struct cluster *c)
{
    return sizeof(*c) + c->token_count * sizeof(struct token) + c->line_len +
           c->span_cap * sizeof(struct span);
}

static void charge_back(struct sk_patterns *p, struct ptenant *t, uint64_t bytes)
{
    sk_budget_release(&p->budget, bytes);
    t->bytes -= bytes;
}

/* Takes it out of the list of its key. */
static void cluster_unlist(struct pstream *s, struct cluster *c)
{
    size_t at = sk_hmap_first(&s->by_key, c->key);
    struct cluster *first = s->by_key.slots[at].value;
    if (first == c) {
        sk_hmap_remove_at(&s->by_key, at);
        if (c->next != NULL) /* a slot has just become free, so this takes no memory */
            sk_assert(sk_hmap_add(&s->by_key, c->key, c->next));
        return;
    }
    while (first->next != c)
        first = first->next;
    first->next = c->next;
}

static void cluster_unlink(struct pstream *s, struct cluster *c)
{
    *(c->older != NULL ? &c->older->newer : &s->oldest) = c->newer;
    *(c->newer != NULL ? &c->newer->older : &s->newest) = c->older;
}

static void cluster_link_newest(struct pstream *s, struct cluster *c)
{
    c->older = s->newest;
    c->newer = NULL;
    *(s->newest != NULL ? &s->newest->newer : &s->oldest) = c;
    s->newest = c;
}

static void cluster_free(struct sk_patterns *p, struct pstream *s, struct cluster *c)
{
    charge_back(p, s->tenant, cluster_bytes(c));
    cluster_unlist(s, c);
    cluster_unlink(s, c);
    s->cluster_count--;
    sk_free(c->spans);
    sk_free(c->line);
    sk_free(c);
}

static void stream_unlink(struct pstream *s)
{
    struct ptenant *t = s->tenant;
    *(s->older != NULL ? &s->older->newer : &t->oldest) = s->newer;
    *(s->newer != NULL ? &s->newer->older : &t->newest) = s->older;
}

static void stream_link_newest(struct pstream *s)
{
    struct ptenant *t = s->tenant;
    s->older = t->newest;
    s->newer = NULL;
    *(t->newest != NULL ? &t->newest->newer : &t->oldest) = s;
    t->newest = s;
}

static void stream_free(struct sk_patterns *p, struct pstream *s)
{
    struct ptenant *t = s->tenant;
    while (s->oldest != NULL)
        cluster_free(p, s, s->oldest);
    charge_back(p, t, sizeof(*s) + s->labels_bytes);
    stream_unlink(s);
    sk_hmap_remove(&t->streams, s->hash, s);
    sk_hmap_deinit(&s->by_key);
    sk_free((void *)(uintptr_t)s->labels.items);
    sk_free(s);
}

static struct ptenant *tenant_largest(const struct sk_patterns *p)
{
    struct ptenant *largest = NULL;
    for (size_t i = 0; i < sk_hmap_slots(&p->tenants); i++) {
        struct ptenant *t = p->tenants.slots[i].value;
        if (t != NULL && (largest == NULL || t->bytes > largest->bytes))
            largest = t;
    }
    return largest;
}

/* Charges the tenant; what has had no line for longest makes room. `keep` stays, whatever happens
 * to others. false: there is no room. */
static bool charge(struct sk_patterns *p, struct ptenant *t, const struct pstream *keep,
                   uint64_t bytes)
{
    for (;;) {
        bool full = t->bytes > SK_PATTERNS_TENANT_BYTES_MAX - bytes;
        if (!full && sk_budget_charge(&p->budget, bytes)) {
            t->bytes += bytes;
            return true;
        }
        struct ptenant *from = full ? t : tenant_largest(p);
        struct pstream *s = from->oldest == keep && keep != NULL ? keep->newer : from->oldest;
        if (s == NULL)
            return false;
        if (s->oldest != NULL)
            cluster_free(p, s, s->oldest);
        if (s->oldest == NULL)
            stream_free(p, s);
    }
}

/* ---- lines ---- */

static bool is_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c >= 0x80 || c == '_' || c == '-' || c == '.' || c == '/';
}

/* A colon within a time or an address. */
static bool joins(struct sk_str line, size_t at)
{
    return line.ptr[at] == ':' && at > 0 && at + 1 < line.len &&
           is_word((unsigned char)line.ptr[at - 1]) && is_word((unsigned char)line.ptr[at + 1]);
}

/* 0: it has too many. */
static size_t tokens_cut(struct sk_str line, struct token *tokens)
{
    size_t n = 0;
    for (size_t at = 0; at < line.len; n++) {
        size_t from = at;
        bool word = is_word((unsigned char)line.ptr[at]);
        if (n == TOKENS_MAX)
            return 0;
        at++;
        while (word && at < line.len && (is_word((unsigned char)line.ptr[at]) || joins(line, at)))
            at++;
        tokens[n] = (struct token){(uint16_t)from, (uint16_t)(at - from), word, false};
    }
    return n;
}

static uint64_t key_of(struct sk_str line, const struct token *tokens, size_t count,
                       struct sk_str level)
{
    uint64_t parts[3] = {sk_hash_mem(level.ptr, level.len), count, 0};
    for (size_t i = 0; i < count; i++) {
        if (!tokens[i].word)
            continue;
        bool digit = false;
        for (size_t k = 0; k < tokens[i].len; k++)
            digit |= line.ptr[tokens[i].off + k] >= '0' && line.ptr[tokens[i].off + k] <= '9';
        if (!digit) /* others are likely to differ from line to line */
            parts[2] = sk_hash_mem(line.ptr + tokens[i].off, tokens[i].len);
        break;
    }
    return sk_hash_mem(parts, sizeof(parts));
}

static bool token_same(const struct cluster *c, size_t i, struct sk_str line, const struct token *t)
{
    return c->tokens[i].len == t->len &&
           memcmp(c->line + c->tokens[i].off, line.ptr + t->off, t->len) == 0;
}

/* Words that are the same, of 100; -1: the line cannot be of this kind. */
static int alike(const struct cluster *c, struct sk_str line, const struct token *tokens,
                 size_t count)
{
    size_t words = 0, same = 0;
    if (c->token_count != count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (c->tokens[i].word != tokens[i].word)
            return -1;
        words += tokens[i].word;
        if (!c->tokens[i].open && token_same(c, i, line, &tokens[i]))
            same += tokens[i].word;
        else if (!tokens[i].word)
            return -1;
    }
    return words == 0 ? 100 : (int)(100 * same / words);
}

static struct cluster *cluster_find(const struct pstream *s, uint64_t key, struct sk_str line,
                                    const struct token *tokens, size_t count)
{
    struct cluster *best = NULL;
    int best_alike = ALIKE_PERCENT - 1;
    size_t at = sk_hmap_first(&s->by_key, key);
    for (struct cluster *c = at == SK_HMAP_END ? NULL : s->by_key.slots[at].value; c != NULL;
         c = c->next) {
        int a = alike(c, line, tokens, count);
        if (a > best_alike) {
            best_alike = a;
            best = c;
        }
    }
    return best;
}

/* ---- counting ---- */

static bool spans_grow(struct sk_patterns *p, struct pstream *s, struct cluster *c)
{
    size_t cap = c->span_cap == 0 ? 4 : 2 * c->span_cap;
    uint64_t more = (cap - c->span_cap) * sizeof(struct span);
    if (!charge(p, s->tenant, s, more))
        return false;
    struct span *grown = sk_realloc(c->spans, cap * sizeof(*grown));
    if (grown == NULL) {
        charge_back(p, s->tenant, more);
        return false;
    }
    c->spans = grown;
    c->span_cap = cap;
    return true;
}

static void line_count(struct sk_patterns *p, struct pstream *s, struct cluster *c, int64_t ts_ns)
{
    int64_t number = ts_ns / (SPAN_S * SK_NS_PER_S) - (ts_ns % (SPAN_S * SK_NS_PER_S) < 0);
    size_t at = c->span_count, stale = 0;
    while (at > 0 && c->spans[at - 1].number > number)
        at--;
    if (at > 0 && c->spans[at - 1].number == number) {
        if (c->spans[at - 1].count < UINT32_MAX)
            c->spans[at - 1].count++;
        return;
    }
    int64_t newest = at < c->span_count ? c->spans[c->span_count - 1].number : number;
    int64_t oldest = newest - SK_PATTERNS_KEPT_S / SPAN_S;
    if (number < oldest)
        return;
    while (stale < at && c->spans[stale].number < oldest)
        stale++;
    if (stale > 0)
        memmove(c->spans, c->spans + stale, (c->span_count - stale) * sizeof(*c->spans));
    c->span_count -= stale;
    at -= stale;
    if (c->span_count == c->span_cap && !spans_grow(p, s, c))
        return;
    memmove(c->spans + at + 1, c->spans + at, (c->span_count - at) * sizeof(*c->spans));
    c->spans[at] = (struct span){number, 1};
    c->span_count++;
}

/* ---- feeding ---- */

static struct ptenant *tenant_of(struct sk_patterns *p, struct sk_str name, bool make)
{
    uint64_t hash = sk_hash_mem(name.ptr, name.len);
    for (size_t at = sk_hmap_first(&p->tenants, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&p->tenants, hash, at)) {
        struct ptenant *have = p->tenants.slots[at].value;
        if (sk_str_eq(have->name, name))
            return have;
    }
    struct ptenant *t = make ? sk_calloc(1, sizeof(*t) + name.len) : NULL;
    if (t == NULL)
        return NULL;
    memcpy(t + 1, name.ptr, name.len);
    t->name = (struct sk_str){(char *)(t + 1), name.len};
    if (!sk_hmap_add(&p->tenants, hash, t)) {
        sk_free(t);
        return NULL;
    }
    return t;
}

static struct pstream *stream_of(struct sk_patterns *p, struct ptenant *t,
                                 struct sk_labelset labels, uint64_t hash)
{
    for (size_t at = sk_hmap_first(&t->streams, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&t->streams, hash, at)) {
        struct pstream *have = t->streams.slots[at].value;
        if (sk_labels_eq(have->labels, labels))
            return have;
    }
    size_t bytes = labels.count * sizeof(struct sk_label);
    for (size_t i = 0; i < labels.count; i++)
        bytes += labels.items[i].name.len + labels.items[i].value.len;
    if (!charge(p, t, NULL, sizeof(struct pstream) + bytes))
        return NULL;
    struct pstream *s = sk_calloc(1, sizeof(*s));
    if (s == NULL || sk_labels_copy_heap(labels, &s->labels) != SK_OK ||
        !sk_hmap_add(&t->streams, hash, s)) {
        charge_back(p, t, sizeof(struct pstream) + bytes);
        if (s != NULL)
            sk_free((void *)(uintptr_t)s->labels.items);
        sk_free(s);
        return NULL;
    }
    s->tenant = t;
    s->hash = hash;
    s->labels_bytes = bytes;
    stream_link_newest(s);
    return s;
}

static struct cluster *cluster_make(struct sk_patterns *p, struct pstream *s, uint64_t key,
                                    struct sk_str line, size_t count, struct sk_str level)
{
    if (s->cluster_count >= SK_PATTERNS_STREAM_MAX)
        cluster_free(p, s, s->oldest);
    uint64_t bytes = sizeof(struct cluster) + count * sizeof(struct token) + line.len;
    if (!charge(p, s->tenant, s, bytes))
        return NULL;
    struct cluster *c = sk_calloc(1, sizeof(*c) + count * sizeof(struct token));
    char *text = sk_malloc(line.len);
    size_t at = sk_hmap_first(&s->by_key, key);
    if (c == NULL || text == NULL || (at == SK_HMAP_END && !sk_hmap_add(&s->by_key, key, c))) {
        charge_back(p, s->tenant, bytes);
        sk_free(c);
        sk_free(text);
        return NULL;
    }
    if (at != SK_HMAP_END) { /* second in its list */
        struct cluster *first = s->by_key.slots[at].value;
        c->next = first->next;
        first->next = c;
    }
    c->key = key;
    c->level_len = level.len < LEVEL_BYTES_MAX ? level.len : LEVEL_BYTES_MAX;
    memcpy(c->level, level.ptr, c->level_len);
    memcpy(text, line.ptr, line.len);
    c->line = text;
    c->line_len = line.len;
    c->token_count = count;
    memcpy(c->tokens, p->tokens, count * sizeof(struct token));
    cluster_link_newest(s, c);
    s->cluster_count++;
    return c;
}

static void line_feed(struct sk_patterns *p, struct pstream *s, int64_t ts_ns, struct sk_str line,
                      struct sk_str level)
{
    size_t count = tokens_cut(line, p->tokens);
    if (count == 0)
        return;
    uint64_t key = key_of(line, p->tokens, count, level);
    struct cluster *c = cluster_find(s, key, line, p->tokens, count);
    for (size_t i = 0; c != NULL && i < count; i++)
        c->tokens[i].open = c->tokens[i].open || !token_same(c, i, line, &p->tokens[i]);
    if (c == NULL)
        c = cluster_make(p, s, key, line, count, level);
    if (c == NULL)
        return;
    cluster_unlink(s, c);
    cluster_link_newest(s, c);
    line_count(p, s, c, ts_ns);
}

void sk_patterns_feed(struct sk_patterns *p, struct sk_str tenant, struct sk_labelset labels,
                      uint64_t hash, int64_t ts_ns, struct sk_str line, struct sk_str level)
{
    if (line.len == 0 || line.len > SK_PATTERNS_LINE_BYTES_MAX)
        return;
    pthread_mutex_lock(&p->lock);
    struct ptenant *t = tenant_of(p, tenant, true);
    struct pstream *s = t == NULL ? NULL : stream_of(p, t, labels, hash);
    if (s != NULL) {
        stream_unlink(s);
        stream_link_newest(s);
        line_feed(p, s, ts_ns, line, level);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- asking ---- */

static bool sample_add(struct sk_pattern_result *r, struct sk_pattern *k, int64_t at_s,
                       uint64_t count)
{
    k->total += count;
    if (k->count > 0 && k->samples[k->count - 1].at_s == at_s) {
        k->samples[k->count - 1].count += count;
        return true;
    }
    if (k->count == k->cap) {
        size_t cap = k->cap == 0 ? 8 : 2 * k->cap;
        struct sk_pattern_sample *grown = sk_arena_calloc(&r->arena, cap, sizeof(*grown));
        if (grown == NULL)
            return false;
        if (k->count > 0)
            memcpy(grown, k->samples, k->count * sizeof(*grown));
        k->samples = grown;
        k->cap = cap;
    }
    k->samples[k->count++] = (struct sk_pattern_sample){at_s, count};
    return true;
}

static void text_write(struct sk_strbuf *out, const struct cluster *c)
{
    for (size_t i = 0; i < c->token_count; i++) {
        struct sk_str word = {c->line + c->tokens[i].off, c->tokens[i].len};
        sk_strbuf_str(out, c->tokens[i].open ? SK_STR("<_>") : word);
    }
}

/* The result's pattern of that text and level, made when it is new. */
static struct sk_pattern *pattern_of(struct sk_pattern_result *r, struct sk_str text,
                                     struct sk_str level)
{
    uint64_t hash = sk_hash_mem(text.ptr, text.len) ^ sk_hash_mem(level.ptr, level.len);
    for (size_t at = sk_hmap_first(&r->by_text, hash); at != SK_HMAP_END;
         at = sk_hmap_next(&r->by_text, hash, at)) {
        struct sk_pattern *have = r->by_text.slots[at].value;
        if (sk_str_eq(have->text, text) && sk_str_eq(have->level, level))
            return have;
    }
    struct sk_pattern *k = sk_arena_calloc(&r->arena, 1, sizeof(*k));
    if (k == NULL || !SK_GROW(r->list, r->cap, r->count + 1))
        return NULL;
    k->text = sk_arena_str(&r->arena, text);
    k->level = sk_arena_str(&r->arena, level);
    if (k->text.ptr == NULL || k->level.ptr == NULL || !sk_hmap_add(&r->by_text, hash, k))
        return NULL;
    r->list[r->count++] = k;
    return k;
}

static enum sk_err cluster_collect(const struct cluster *c, const struct sk_pattern_query *q,
                                   struct sk_strbuf *text, struct sk_pattern_result *ret)
{
    struct sk_pattern *k = NULL;
    for (size_t i = 0; i < c->span_count; i++) {
        int64_t at = c->spans[i].number * SPAN_S;
        if (at < q->start_s || at > q->end_s)
            continue;
        if (k == NULL) {
            sk_strbuf_reset(text);
            text_write(text, c);
            k = text->failed ? NULL
                             : pattern_of(ret, sk_strbuf_view(text),
                                          (struct sk_str){c->level, c->level_len});
        }
        if (k == NULL ||
            !sample_add(ret, k, at - ((at % q->step_s) + q->step_s) % q->step_s, c->spans[i].count))
            return SK_ENOMEM;
    }
    return SK_OK;
}

enum sk_err sk_patterns_collect(struct sk_patterns *p, const struct sk_pattern_query *q,
                                struct sk_pattern_result *ret)
{
    struct sk_strbuf text;
    enum sk_err err = SK_OK;
    sk_assert(q->step_s > 0);
    sk_strbuf_init(&text, 8 * SK_PATTERNS_LINE_BYTES_MAX);
    pthread_mutex_lock(&p->lock);
    const struct ptenant *t = tenant_of(p, q->tenant, false);
    for (const struct pstream *s = t == NULL ? NULL : t->oldest; s != NULL && err == SK_OK;
         s = s->newer) {
        if (!sk_matchers_match(q->matchers, q->matcher_count, s->labels))
            continue;
        for (const struct cluster *c = s->oldest; c != NULL && err == SK_OK; c = c->newer)
            err = cluster_collect(c, q, &text, ret);
    }
    pthread_mutex_unlock(&p->lock);
    sk_strbuf_deinit(&text);
    return err;
}

static int sample_cmp(const void *a, const void *b)
{
    const struct sk_pattern_sample *x = a, *y = b;
    return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

static int pattern_cmp(const void *a, const void *b)
{
    const struct sk_pattern *x = *(struct sk_pattern *const *)a;
    const struct sk_pattern *y = *(struct sk_pattern *const *)b;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    int c = sk_str_cmp(x->text, y->text);
    return c != 0 ? c : sk_str_cmp(x->level, y->level);
}

void sk_pattern_result_finish(struct sk_pattern_result *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct sk_pattern *k = r->list[i];
        size_t kept = 0;
        qsort(k->samples, k->count, sizeof(*k->samples), sample_cmp);
        for (size_t n = 0; n < k->count; n++) {
            if (kept > 0 && k->samples[kept - 1].at_s == k->samples[n].at_s)
                k->samples[kept - 1].count += k->samples[n].count;
            else
                k->samples[kept++] = k->samples[n];
        }
        k->count = kept;
    }
    if (r->count > 1)
        qsort(r->list, r->count, sizeof(*r->list), pattern_cmp);
}

void sk_pattern_result_deinit(struct sk_pattern_result *r)
{
    if (r == NULL)
        return;
    sk_hmap_deinit(&r->by_text);
    sk_free(r->list);
    sk_arena_deinit(&r->arena);
    *r = (struct sk_pattern_result){.list = NULL};
}

/* ---- life ---- */

enum sk_err sk_patterns_create(struct sk_budget *parent, struct sk_patterns **ret)
{
    struct sk_patterns *p = sk_calloc(1, sizeof(*p));
    if (p == NULL)
        return SK_ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    sk_budget_init(&p->budget, SK_PATTERNS_BYTES_MAX, parent);
    *ret = p;
    return SK_OK;
}

void sk_patterns_destroy(struct sk_patterns *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < sk_hmap_slots(&p->tenants); i++) {
        struct ptenant *t = p->tenants.slots[i].value;
        while (t != NULL && t->oldest != NULL)
            stream_free(p, t->oldest);
        if (t != NULL)
            sk_hmap_deinit(&t->streams);
        sk_free(t);
    }
    sk_hmap_deinit(&p->tenants);
    pthread_mutex_destroy(&p->lock);
    sk_free(p);
}
