/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_volume.c -- `volume` and `volume_range`: the bytes of each series, by the index. */
#include <jansson.h>

#include "base/gotext.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_listing.h"
#include "cli/ctl_print.h"

/* What the parameters borrow from. */
struct texts {
    struct sk_strbuf limit, step, labels;
};

static size_t params_make(const struct sk_ctl_opts *o, struct texts *t, struct sk_ctl_span span,
                          struct sk_ctl_param params[7])
{
    size_t n = 0;
    sk_strbuf_i64(&t->limit, o->limit);
    sk_go_float_f(&t->step, (double)o->step_ns / (double)SK_NS_PER_S);
    for (size_t i = 0; i < o->target_labels.count; i++)
        sk_strbuf_printf(&t->labels, "%s%s", i == 0 ? "" : ",", o->target_labels.items[i]);
    if (o->aggregate_by_labels)
        params[n++] = (struct sk_ctl_param){"aggregateBy", SK_STR("labels")};
    params[n++] = (struct sk_ctl_param){"end", span.end};
    params[n++] = (struct sk_ctl_param){"limit", sk_strbuf_view(&t->limit)};
    params[n++] = (struct sk_ctl_param){"query", sk_str_from(o->args.items[0])};
    params[n++] = (struct sk_ctl_param){"start", span.start};
    if (o->step_ns != 0)
        params[n++] = (struct sk_ctl_param){"step", sk_strbuf_view(&t->step)};
    if (o->target_labels.count > 0)
        params[n++] = (struct sk_ctl_param){"targetLabels", sk_strbuf_view(&t->labels)};
    return n;
}

/* SK_EPARSE: the answer holds none, or is nested too deep. */
static enum sk_err print(struct sk_ctl_listing *l, struct sk_error *e)
{
    const json_t *result = json_object_get(json_object_get(l->root, "data"), "result");
    if (!json_is_array(result))
        return sk_error_set(e, SK_EPARSE, "the answer holds no result");
    if (!sk_ctl_print_json(&l->out, result))
        return sk_error_set(e, SK_EPARSE, "the answer is nested too deep");
    return SK_OK;
}

static int volume(const struct sk_ctl_opts *opts, const char *path)
{
    struct sk_ctl_listing l;
    struct sk_ctl_span span;
    struct sk_ctl_param params[7];
    struct texts t;
    struct sk_strbuf *const bufs[] = {&t.limit, &t.step, &t.labels};
    struct sk_error e;
    for (size_t i = 0; i < SK_COUNT_OF(bufs); i++)
        sk_strbuf_init(bufs[i], (size_t)1 << 20);
    sk_ctl_listing_init(&l, opts);
    enum sk_err err = sk_ctl_listing_span(&l, 1, &span, &e);
    if (err == SK_OK) {
        size_t n = params_make(opts, &t, span, params);
        if (t.limit.failed || t.step.failed || t.labels.failed)
            err = sk_error_set(&e, SK_ENOMEM, "out of memory");
        else
            err = sk_ctl_listing_ask(&l, path, params, n, &e);
    }
    if (err == SK_OK)
        err = print(&l, &e);
    for (size_t i = 0; i < SK_COUNT_OF(bufs); i++)
        sk_strbuf_deinit(bufs[i]);
    return sk_ctl_listing_end(&l, err, &e);
}

int sk_ctl_volume(const struct sk_ctl_opts *opts)
{
    return volume(opts, "/loki/api/v1/index/volume");
}

int sk_ctl_volume_range(const struct sk_ctl_opts *opts)
{
    return volume(opts, "/loki/api/v1/index/volume_range");
}
