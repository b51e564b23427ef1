/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_print.c -- see ctl_print.h. */
#include "cli/ctl_print.h"

#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/gotext.h"
#include "base/jsonout.h"

#define BLUE  "\033[34m"
#define RED   "\033[31m"
#define PLAIN "\033[0m"

enum { JSON_DEPTH_MAX = 16, JSON_INDENT = 2 };

void sk_ctl_print_colored_labels(struct sk_strbuf *out, const struct sk_ctl_format *format,
                                 struct sk_str text, uint64_t hash)
{
    /* the colours of a terminal that are readable on black and on white, normal and bright */
    static const char *const palette[] = {"\033[31m", "\033[32m", "\033[33m", "\033[34m",
                                          "\033[35m", "\033[36m", "\033[91m", "\033[92m",
                                          "\033[93m", "\033[94m", "\033[95m", "\033[96m"};
    if (format->color)
        sk_strbuf_puts(out, format->color_by_hash ? palette[hash % SK_COUNT_OF(palette)] : RED);
    sk_strbuf_str(out, text);
    if (format->color)
        sk_strbuf_puts(out, PLAIN);
}

static void print_default(struct sk_strbuf *out, const struct sk_ctl_format *format, int64_t ts_ns,
                          const struct sk_ctl_shown *stream, struct sk_str line)
{
    if (format->color)
        sk_strbuf_puts(out, BLUE);
    sk_ctl_time_format(out, ts_ns, format->layout, format->utc);
    if (format->color)
        sk_strbuf_puts(out, PLAIN);
    sk_strbuf_putc(out, ' ');
    if (!format->no_labels) {
        sk_ctl_print_colored_labels(out, format, stream->text, stream->hash);
        sk_strbuf_putc(out, ' ');
    }
    sk_strbuf_str(out, line);
    sk_strbuf_putc(out, '\n');
}

static void print_jsonl(struct sk_strbuf *out, const struct sk_ctl_format *format, int64_t ts_ns,
                        const struct sk_ctl_shown *stream, struct sk_str line)
{
    sk_strbuf_putc(out, '{');
    if (!format->no_labels) {
        sk_strbuf_puts(out, "\"labels\":{");
        for (size_t i = 0; i < stream->labels.count; i++) {
            if (i > 0)
                sk_strbuf_putc(out, ',');
            sk_json_string_html(out, stream->labels.items[i].name);
            sk_strbuf_putc(out, ':');
            sk_json_string_html(out, stream->labels.items[i].value);
        }
        sk_strbuf_puts(out, "},");
    }
    sk_strbuf_puts(out, "\"line\":");
    sk_json_string_html(out, line);
    sk_strbuf_puts(out, ",\"timestamp\":\"");
    sk_ctl_time_format(out, ts_ns, SK_CTL_RFC3339NANO, format->utc);
    sk_strbuf_puts(out, "\"}\n");
}

void sk_ctl_print_entry(struct sk_strbuf *out, const struct sk_ctl_format *format, int64_t ts_ns,
                        const struct sk_ctl_shown *stream, struct sk_str line)
{
    switch (format->output) {
    case SK_CTL_DEFAULT:
        print_default(out, format, ts_ns, stream, line);
        return;
    case SK_CTL_RAW:
        sk_strbuf_str(out, line);
        sk_strbuf_putc(out, '\n');
        return;
    case SK_CTL_JSONL:
        print_jsonl(out, format, ts_ns, stream, line);
        return;
    }
}

/* ---- indented JSON ---- */

static bool print_value(struct sk_strbuf *out, const json_t *value, unsigned depth);

static void new_line(struct sk_strbuf *out, unsigned depth)
{
    sk_strbuf_printf(out, "\n%*s", (int)depth * JSON_INDENT, "");
}

static bool print_array(struct sk_strbuf *out, const json_t *array, unsigned depth)
{
    size_t count = json_array_size(array);
    sk_strbuf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            sk_strbuf_putc(out, ',');
        new_line(out, depth + 1);
        if (!print_value(out, json_array_get(array, i), depth + 1))
            return false;
    }
    if (count > 0)
        new_line(out, depth);
    sk_strbuf_putc(out, ']');
    return true;
}

static int by_key(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static bool print_object(struct sk_strbuf *out, const json_t *object, unsigned depth)
{
    json_t *o = (json_t *)(uintptr_t)object; /* iteration of jansson takes no const */
    size_t count = json_object_size(o), n = 0;
    const char **keys = sk_calloc(count + 1, sizeof(*keys));
    if (keys == NULL) {
        out->failed = true;
        return true;
    }
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it))
        keys[n++] = json_object_iter_key(it);
    qsort(keys, n, sizeof(*keys), by_key);
    bool ok = true;
    sk_strbuf_putc(out, '{');
    for (size_t i = 0; ok && i < n; i++) {
        if (i > 0)
            sk_strbuf_putc(out, ',');
        new_line(out, depth + 1);
        sk_json_string_html(out, sk_str_from(keys[i]));
        sk_strbuf_puts(out, ": ");
        ok = print_value(out, json_object_get(o, keys[i]), depth + 1);
    }
    if (n > 0)
        new_line(out, depth);
    sk_strbuf_putc(out, '}');
    sk_free(keys);
    return ok;
}

/* Recursion ends at JSON_DEPTH_MAX. */
static bool print_value(struct sk_strbuf *out, const json_t *value, unsigned depth)
{
    if (depth > JSON_DEPTH_MAX)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return print_object(out, value, depth);
    case JSON_ARRAY:
        return print_array(out, value, depth);
    case JSON_STRING:
        sk_json_string_html(out,
                            (struct sk_str){json_string_value(value), json_string_length(value)});
        return true;
    case JSON_INTEGER:
        sk_strbuf_i64(out, json_integer_value(value));
        return true;
    case JSON_REAL: /* times of samples; they count milliseconds */
        sk_go_float_f(out, round(json_real_value(value) * 1000) / 1000);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        sk_strbuf_puts(out, json_is_true(value) ? "true" : "false");
        return true;
    case JSON_NULL:
        sk_strbuf_puts(out, "null");
        return true;
    }
    return false;
}

bool sk_ctl_print_json(struct sk_strbuf *out, const struct json_t *value)
{
    bool ok = print_value(out, value, 0);
    sk_strbuf_putc(out, '\n');
    return ok;
}
