/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_delete.c -- `delete create`, `delete list` and `delete cancel`. Here times are seconds. */
#include <jansson.h>

#include "base/gotext.h"
#include "base/jsonout.h"
#include "cli/ctl_answer.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_listing.h"
#include "cli/ctl_print.h"
#include "cli/ctl_time.h"

#define DELETE_PATH "/loki/api/v1/delete"

int sk_ctl_delete_create(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_listing l;
    struct sk_ctl_span span;
    struct sk_error e;
    sk_ctl_listing_init(&l, opts);
    l.fault = "Error creating delete request";
    enum sk_err err = sk_ctl_listing_span(&l, SK_NS_PER_S, &span, &e);
    if (err == SK_OK) {
        struct sk_ctl_param params[4];
        struct sk_str unused;
        size_t n = 0;
        params[n++] = (struct sk_ctl_param){"end", span.end};
        if (opts->max_interval != NULL)
            params[n++] = (struct sk_ctl_param){"max_interval", sk_str_from(opts->max_interval)};
        params[n++] = (struct sk_ctl_param){"query", sk_str_from(opts->args.items[0])};
        params[n++] = (struct sk_ctl_param){"start", span.start};
        err = sk_ctl_http_ask(l.http, SK_CTL_POST, DELETE_PATH, params, n, &unused, &e);
    }
    if (err == SK_OK)
        sk_strbuf_puts(&l.out, "Delete request created successfully\n");
    return sk_ctl_listing_end(&l, err, &e);
}

int sk_ctl_delete_cancel(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_listing l;
    struct sk_error e;
    sk_ctl_listing_init(&l, opts);
    l.fault = "Error cancelling delete request";
    enum sk_err err = sk_ctl_listing_open(&l, &e);
    if (err == SK_OK) {
        struct sk_ctl_param params[2];
        struct sk_str unused;
        size_t n = 0;
        if (opts->force)
            params[n++] = (struct sk_ctl_param){"force", SK_STR("true")};
        params[n++] = (struct sk_ctl_param){"request_id", sk_str_from(opts->request_id)};
        err = sk_ctl_http_ask(l.http, SK_CTL_DELETE, DELETE_PATH, params, n, &unused, &e);
    }
    if (err == SK_OK)
        sk_strbuf_printf(&l.out, "Delete request %s cancelled successfully\n", opts->request_id);
    return sk_ctl_listing_end(&l, err, &e);
}

/* Seconds, whole or with a fraction; 0 for anything else or what no clock shows. */
static int64_t time_ns(const json_t *seconds)
{
    double s = json_number_value(seconds);
    return s > -9e9 && s < 9e9 ? (int64_t)(s * 1000) * SK_NS_PER_MS : 0;
}

static void print_text(struct sk_strbuf *out, const json_t *request, bool utc)
{
    sk_strbuf_puts(out, "Query: ");
    sk_strbuf_str(out, sk_ctl_json_str(json_object_get(request, "query")));
    sk_strbuf_puts(out, "\nStart Time: ");
    sk_ctl_time_format(out, time_ns(json_object_get(request, "start_time")), SK_CTL_RFC3339, utc);
    sk_strbuf_puts(out, "\nEnd Time: ");
    sk_ctl_time_format(out, time_ns(json_object_get(request, "end_time")), SK_CTL_RFC3339, utc);
    sk_strbuf_puts(out, "\nStatus: ");
    sk_strbuf_str(out, sk_ctl_json_str(json_object_get(request, "status")));
    sk_strbuf_puts(out, "\n---\n");
}

/* Seconds with up to three digits behind the point. */
static void put_seconds(struct sk_strbuf *out, const json_t *seconds)
{
    sk_go_float_f(out, (double)(time_ns(seconds) / SK_NS_PER_MS) / 1000);
}

static void print_json(struct sk_strbuf *out, const json_t *requests)
{
    size_t count = json_array_size(requests);
    sk_strbuf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        const json_t *request = json_array_get(requests, i);
        sk_strbuf_printf(out, "%s\n  {\n    \"start_time\": ", i == 0 ? "" : ",");
        put_seconds(out, json_object_get(request, "start_time"));
        sk_strbuf_puts(out, ",\n    \"end_time\": ");
        put_seconds(out, json_object_get(request, "end_time"));
        sk_strbuf_puts(out, ",\n    \"query\": ");
        sk_json_string_html(out, sk_ctl_json_str(json_object_get(request, "query")));
        sk_strbuf_puts(out, ",\n    \"status\": ");
        sk_json_string_html(out, sk_ctl_json_str(json_object_get(request, "status")));
        sk_strbuf_puts(out, "\n  }");
    }
    sk_strbuf_puts(out, count > 0 ? "\n]\n" : "]\n");
}

int sk_ctl_delete_list(const struct sk_ctl_opts *opts)
{
    struct sk_ctl_listing l;
    struct sk_error e;
    sk_ctl_listing_init(&l, opts);
    l.fault = "Error listing delete requests";
    enum sk_err err = sk_ctl_listing_open(&l, &e);
    if (err == SK_OK)
        err = sk_ctl_listing_ask(&l, DELETE_PATH, NULL, 0, &e);
    if (err == SK_OK && !json_is_array(l.root) && !json_is_null(l.root))
        err = sk_error_set(&e, SK_EPARSE, "the answer is no list");
    if (err == SK_OK && opts->output == SK_CTL_JSONL) {
        print_json(&l.out, l.root);
    } else if (err == SK_OK) {
        sk_strbuf_printf(&l.out, "Found %zu delete requests:\n", json_array_size(l.root));
        for (size_t i = 0; i < json_array_size(l.root); i++)
            print_text(&l.out, json_array_get(l.root, i), opts->timezone == 1);
    }
    return sk_ctl_listing_end(&l, err, &e);
}
