/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c -- families in a list sorted by name, series in a list per family. Series are only
 * ever added, so readers of handles need no lock. */
#include "base/metrics.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/gotext.h"

struct series {
    struct series *next;
    struct sk_metric metric;
    char *labels;
};

struct family {
    struct family *next;
    const char *name, *help;
    enum sk_metric_kind kind;
    const double *bounds;
    size_t bounds_count, count;
    struct series *series;
};

const double sk_metric_seconds[14] = {.005, .01, .025, .05, .1, .25, .5,
                                      1,    2.5, 5,    10,  25, 50,  100};

static struct family *families;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sk_metric dummy;

static struct family *family_get(enum sk_metric_kind kind, const char *name, const char *help,
                                 const double *bounds, size_t bounds_count)
{
    struct family **at = &families;
    while (*at != NULL && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    if (*at != NULL && strcmp((*at)->name, name) == 0)
        return *at;
    struct family *f = sk_calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    *f = (struct family){.next = *at,
                         .name = name,
                         .help = help,
                         .kind = kind,
                         .bounds = bounds,
                         .bounds_count = bounds_count};
    *at = f;
    return f;
}

static struct series *series_get(struct family *f, const char *labels)
{
    struct series **at = &f->series;
    for (; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->labels, labels) == 0)
            return *at;
    }
    if (f->count >= SK_METRICS_SERIES_MAX)
        return NULL;
    struct series *s = sk_calloc(1, sizeof(*s));
    char *copy = sk_memdup0(labels, strlen(labels));
    _Atomic uint64_t *buckets =
        f->kind == SK_METRIC_HISTOGRAM ? sk_calloc(f->bounds_count + 1, sizeof(*buckets)) : NULL;
    if (s == NULL || copy == NULL || (f->kind == SK_METRIC_HISTOGRAM && buckets == NULL)) {
        sk_free(s);
        sk_free(copy);
        sk_free(buckets);
        return NULL;
    }
    s->labels = copy;
    s->metric.buckets = buckets;
    *at = s;
    f->count++;
    return s;
}

struct sk_metric *sk_metric_get(enum sk_metric_kind kind, const char *name, const char *help,
                                const char *labels, const double *bounds, size_t bounds_count)
{
    pthread_mutex_lock(&lock);
    struct family *f = family_get(kind, name, help, bounds, bounds_count);
    struct series *s = f == NULL ? NULL : series_get(f, labels);
    pthread_mutex_unlock(&lock);
    return s == NULL ? &dummy : &s->metric;
}

void sk_metric_observe(struct sk_metric *m, const double *bounds, size_t bounds_count, double v)
{
    if (m->buckets == NULL)
        return;
    size_t i = 0;
    while (i < bounds_count && v > bounds[i])
        i++;
    atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value, v > 0 ? (uint64_t)(v * 1e6) : 0, memory_order_relaxed);
}

static void write_name(struct sk_strbuf *out, const struct family *f, const struct series *s,
                       const char *suffix, const char *le)
{
    sk_strbuf_puts(out, f->name);
    sk_strbuf_puts(out, suffix);
    if (s->labels[0] == '\0' && le == NULL) {
        sk_strbuf_putc(out, ' ');
        return;
    }
    sk_strbuf_putc(out, '{');
    sk_strbuf_puts(out, s->labels);
    if (le != NULL)
        sk_strbuf_printf(out, "%sle=\"%s\"", s->labels[0] != '\0' ? "," : "", le);
    sk_strbuf_puts(out, "} ");
}

static void write_histogram(struct sk_strbuf *out, const struct family *f, const struct series *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= f->bounds_count; i++) {
        struct sk_strbuf le;
        sk_strbuf_init(&le, 64);
        if (i < f->bounds_count)
            sk_go_float_f(&le, f->bounds[i]);
        else
            sk_strbuf_puts(&le, "+Inf");
        sum += atomic_load_explicit(&s->metric.buckets[i], memory_order_relaxed);
        write_name(out, f, s, "_bucket", le.ptr);
        sk_strbuf_u64(out, sum);
        sk_strbuf_putc(out, '\n');
        sk_strbuf_deinit(&le);
    }
    write_name(out, f, s, "_sum", NULL);
    sk_go_float_f(out, (double)sk_metric_value(&s->metric) / 1e6);
    sk_strbuf_putc(out, '\n');
    write_name(out, f, s, "_count", NULL);
    sk_strbuf_u64(out, sum);
    sk_strbuf_putc(out, '\n');
}

void sk_metrics_write(struct sk_strbuf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    pthread_mutex_lock(&lock);
    for (const struct family *f = families; f != NULL; f = f->next) {
        sk_strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                         kinds[f->kind]);
        for (const struct series *s = f->series; s != NULL; s = s->next) {
            if (f->kind == SK_METRIC_HISTOGRAM) {
                write_histogram(out, f, s);
                continue;
            }
            write_name(out, f, s, "", NULL);
            if (f->kind == SK_METRIC_COUNTER)
                sk_strbuf_u64(out, sk_metric_value(&s->metric));
            else
                sk_strbuf_i64(out, (int64_t)sk_metric_value(&s->metric));
            sk_strbuf_putc(out, '\n');
        }
    }
    pthread_mutex_unlock(&lock);
}
