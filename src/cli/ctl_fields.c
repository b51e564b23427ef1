/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_fields.c -- `detected-fields`: the fields that lines have, or the values of one. */
#include <jansson.h>

#include "base/gotext.h"
#include "cli/ctl_answer.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_listing.h"

static enum sk_err ask(struct sk_ctl_listing *l, const char *path, struct sk_error *e)
{
    const struct sk_ctl_opts *o = l->opts;
    struct sk_ctl_span span;
    struct sk_strbuf step;
    enum sk_err err = sk_ctl_listing_span(l, 1, &span, e);
    if (err != SK_OK)
        return err;
    sk_strbuf_init(&step, 64);
    sk_go_format_duration(&step, o->step_ns);
    struct sk_str limit = sk_arena_printf(&l->arena, "%lld", (long long)o->limit);
    struct sk_str line_limit = sk_arena_printf(&l->arena, "%lld", (long long)o->line_limit);
    if (step.failed || limit.ptr == NULL || line_limit.ptr == NULL) {
        err = sk_error_set(e, SK_ENOMEM, "out of memory");
    } else {
        const struct sk_ctl_param params[] = {
            {"end", span.end},          {"limit", limit},
            {"line_limit", line_limit}, {"query", sk_str_from(o->args.items[0])},
            {"start", span.start},      {"step", sk_strbuf_view(&step)},
        };
        err = sk_ctl_listing_ask(l, path, params, SK_COUNT_OF(params), e);
    }
    sk_strbuf_deinit(&step);
    return err;
}

static void print_fields(struct sk_strbuf *out, const json_t *fields)
{
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        json_int_t cardinality = json_integer_value(json_object_get(field, "cardinality"));
        sk_strbuf_puts(out, "label: ");
        sk_strbuf_str(out, sk_ctl_json_str(json_object_get(field, "label")));
        sk_strbuf_puts(out, "\t\ttype: ");
        sk_strbuf_str(out, sk_ctl_json_str(json_object_get(field, "type")));
        sk_strbuf_puts(out, "\t\tcardinality: ");
        sk_strbuf_i64(out, cardinality);
        sk_strbuf_putc(out, '\n');
    }
}

static void print_values(struct sk_strbuf *out, const json_t *values)
{
    for (size_t i = 0; i < json_array_size(values); i++) {
        sk_strbuf_str(out, sk_ctl_json_str(json_array_get(values, i)));
        sk_strbuf_putc(out, '\n');
    }
}

int sk_ctl_detected_fields(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_listing l;
    struct sk_error e;
    struct sk_strbuf path;
    bool one = opts->args.count > 1;
    sk_ctl_listing_init(&l, opts);
    sk_strbuf_init(&path, (size_t)1 << 20);
    sk_strbuf_puts(&path, "/loki/api/v1/detected_field");
    if (one) {
        sk_strbuf_putc(&path, '/');
        sk_ctl_path_escape(&path, sk_str_from(opts->args.items[1]));
        sk_strbuf_puts(&path, "/values");
    } else {
        sk_strbuf_putc(&path, 's');
    }
    enum sk_err err =
        path.failed ? sk_error_set(&e, SK_ENOMEM, "out of memory") : ask(&l, path.ptr, &e);
    if (err == SK_OK && one)
        print_values(&l.out, json_object_get(l.root, "values"));
    else if (err == SK_OK)
        print_fields(&l.out, json_object_get(l.root, "fields"));
    sk_strbuf_deinit(&path);
    return sk_ctl_listing_end(&l, err, &e);
}
