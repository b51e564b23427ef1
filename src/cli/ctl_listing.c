/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_listing.c -- see ctl_listing.h. */
#include "cli/ctl_listing.h"

#include <jansson.h>

#include "base/assert.h"
#include "cli/ctl_answer.h"
#include "cli/ctl_text.h"

void sk_ctl_listing_init(struct sk_ctl_listing *l, const struct sk_ctl_opts *opts)
{
    *l = (struct sk_ctl_listing){.opts = opts, .fault = "Error doing request"};
    sk_arena_init(&l->arena, SK_CTL_BUFFER_BYTES_MAX, NULL);
    sk_strbuf_init(&l->out, SK_CTL_BUFFER_BYTES_MAX);
}

enum sk_err sk_ctl_listing_open(struct sk_ctl_listing *l, struct sk_error *reterr)
{
    sk_assert(l->http == NULL);
    return sk_ctl_http_create(l->opts, &l->http, reterr);
}

enum sk_err sk_ctl_listing_span(struct sk_ctl_listing *l, int64_t unit_ns, struct sk_ctl_span *ret,
                                struct sk_error *reterr)
{
    int64_t start_ns, end_ns;
    enum sk_err err = sk_ctl_opts_range(l->opts, &start_ns, &end_ns, reterr);
    if (err == SK_OK)
        err = sk_ctl_listing_open(l, reterr);
    if (err != SK_OK)
        return err;
    struct sk_ctl_span span = {
        .start = sk_arena_printf(&l->arena, "%lld", (long long)(start_ns / unit_ns)),
        .end = sk_arena_printf(&l->arena, "%lld", (long long)(end_ns / unit_ns))};
    if (span.start.ptr == NULL || span.end.ptr == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    *ret = span;
    return SK_OK;
}

enum sk_err sk_ctl_listing_ask(struct sk_ctl_listing *l, const char *path,
                               const struct sk_ctl_param *params, size_t count,
                               struct sk_error *reterr)
{
    struct sk_str body;
    enum sk_err err = sk_ctl_http_get(l->http, path, params, count, &body, reterr);
    return err == SK_OK ? sk_ctl_json_decode(body, &l->root, reterr) : err;
}

int sk_ctl_listing_end(struct sk_ctl_listing *l, enum sk_err err, const struct sk_error *e)
{
    int code = 1;
    if (err == SK_OK && l->out.failed)
        sk_ctl_say("%s: out of memory", l->fault);
    else if (err == SK_OK)
        code = sk_ctl_write(sk_strbuf_view(&l->out)) ? 0 : 1;
    else if (err == SK_EPARSE && l->http == NULL)
        sk_ctl_say("Unable to parse time %s", e->text);
    else
        sk_ctl_say("%s: %s", l->fault, e->text);
    sk_ctl_http_destroy(l->http);
    json_decref(l->root);
    sk_arena_deinit(&l->arena);
    sk_strbuf_deinit(&l->out);
    return code;
}
