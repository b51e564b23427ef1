/* SPDX-License-Identifier: Apache-2.0 */
/* params.c -- parameters of requests with Loki's rules, defaults and texts. */
#include <math.h>

#include "api/api_int.h"
#include "base/clock.h"
#include "base/gotext.h"

enum { STEPS_DEFAULT = 250 };

struct sk_str param_get(const struct call *call, const char *name)
{
    for (const struct sk_http_param *p = call->params; p != NULL; p = p->next) {
        if (sk_str_is(p->name, name))
            return p->value;
    }
    return (struct sk_str){NULL, 0};
}

static bool is_form(const struct sk_http_req *req)
{
    struct sk_str type = sk_http_header_get(req, "Content-Type");
    size_t semi = sk_str_find(type, SK_STR(";"), 0);
    if (semi != SIZE_MAX)
        type.len = semi;
    return sk_str_eq_nocase(sk_str_trim(type), SK_STR("application/x-www-form-urlencoded"));
}

enum sk_err params_load(struct call *call, struct sk_error *reterr)
{
    struct sk_http_req *req = call->req;
    struct sk_http_param *form = NULL, *url = NULL;
    struct sk_error second;
    enum sk_err err = SK_OK, err_url;
    bool with_body = (call->route->flags & ROUTE_URL) == 0;
    if (with_body && sk_str_is(req->method, "POST") && is_form(req))
        err = sk_http_params_parse(&req->arena, sk_strbuf_view(&req->body), &form, reterr);
    err_url =
        sk_http_params_parse(&req->arena, req->raw_query, &url, err == SK_OK ? reterr : &second);
    struct sk_http_param **tail = &form;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = url;
    call->params = form;
    return err != SK_OK ? err : err_url;
}

enum sk_err param_int_error(const char *fn, struct sk_str text, struct sk_error *reterr)
{
    struct sk_strbuf q;
    bool number = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        number = number && ((text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
                            (i == 0 && text.len > 1 && (text.ptr[i] == '-' || text.ptr[i] == '+')));
    sk_strbuf_init(&q, SK_ERROR_TEXT_BYTES);
    sk_go_quote(&q, text);
    enum sk_err err = sk_error_set(reterr, SK_EINVAL, "strconv.%s: parsing %.*s: %s", fn,
                                   SK_STR_ARG(sk_strbuf_view(&q)),
                                   number ? "value out of range" : "invalid syntax");
    sk_strbuf_deinit(&q);
    return err;
}

enum sk_err param_time(struct sk_str text, int64_t absent_ns, int64_t *ret_ns,
                       struct sk_error *reterr)
{
    double f;
    int64_t n;
    if (text.len == 0) {
        *ret_ns = absent_ns;
        return SK_OK;
    }
    if (memchr(text.ptr, '.', text.len) != NULL && sk_go_parse_float(text, &f, NULL) == SK_OK &&
        fabs(f) < 9.2e9) {
        double whole, frac = modf(f, &whole);
        *ret_ns = (int64_t)whole * SK_NS_PER_S + (int64_t)llround(frac * 1000) * SK_NS_PER_MS;
        return SK_OK;
    }
    if (sk_str_to_i64(text, &n)) {
        *ret_ns = text.len <= 10 ? n * SK_NS_PER_S : n;
        return SK_OK;
    }
    if (sk_rfc3339_parse(text, ret_ns) == SK_OK)
        return SK_OK;
    return param_int_error("ParseInt", text, reterr);
}

enum sk_err param_duration(struct sk_str text, int64_t *ret_ns, struct sk_error *reterr)
{
    double f;
    if (sk_go_parse_float(text, &f, NULL) == SK_OK && fabs(f) < 9.2e9) {
        *ret_ns = (int64_t)(f * 1e9);
        return SK_OK;
    }
    if (sk_prom_parse_duration(text, ret_ns, NULL) == SK_OK)
        return SK_OK;
    struct sk_strbuf q;
    sk_strbuf_init(&q, SK_ERROR_TEXT_BYTES);
    sk_go_quote(&q, text);
    enum sk_err err = sk_error_set(reterr, SK_EINVAL, "cannot parse %.*s to a valid duration",
                                   SK_STR_ARG(sk_strbuf_view(&q)));
    sk_strbuf_deinit(&q);
    return err;
}

enum sk_err param_range(const struct call *call, struct time_range *ret, struct sk_error *reterr)
{
    struct time_range r;
    struct sk_error detail;
    int64_t now = sk_clock_now_ns(), since = SK_NS_PER_HOUR;
    struct sk_str text = param_get(call, "since");
    if (text.len > 0 && sk_prom_parse_duration(text, &since, &detail) != SK_OK)
        return sk_error_set(reterr, SK_EINVAL, "could not parse 'since' parameter: %s",
                            detail.text);
    if (param_time(param_get(call, "end"), now, &r.end_ns, &detail) != SK_OK)
        return sk_error_set(reterr, SK_EINVAL, "could not parse 'end' parameter: %s", detail.text);
    int64_t from = r.end_ns < now ? r.end_ns : now;
    if (param_time(param_get(call, "start"), from - since, &r.start_ns, &detail) != SK_OK)
        return sk_error_set(reterr, SK_EINVAL, "could not parse 'start' parameter: %s",
                            detail.text);
    *ret = r;
    return SK_OK;
}

enum sk_err param_limit(const struct call *call, const char *name, uint64_t absent, uint64_t *ret,
                        struct sk_error *reterr)
{
    struct sk_str text = param_get(call, name);
    int64_t n;
    if (text.len == 0) {
        *ret = absent;
        return SK_OK;
    }
    if (!sk_str_to_i64(text, &n))
        return param_int_error("Atoi", text, reterr);
    if (n <= 0)
        return sk_error_set(reterr, SK_EINVAL, "limit must be a positive value");
    *ret = (uint64_t)n;
    return SK_OK;
}

enum sk_err param_step(const struct call *call, struct time_range range, int64_t *ret_ns,
                       struct sk_error *reterr)
{
    int64_t length, step_ns;
    if (__builtin_sub_overflow(range.end_ns, range.start_ns, &length))
        length = INT64_MAX;
    struct sk_str text = param_get(call, "step");
    int64_t step_s = length / SK_NS_PER_S / STEPS_DEFAULT;
    enum sk_err err = SK_OK;
    step_ns = (step_s < 1 ? 1 : step_s) * SK_NS_PER_S;
    if (text.len > 0)
        err = param_duration(text, &step_ns, reterr);
    if (err == SK_OK && step_ns <= 0)
        err = sk_error_set(reterr, SK_EINVAL,
                           "zero or negative query resolution step widths are not accepted. Try a "
                           "positive integer");
    if (err == SK_OK && length / step_ns > PARAM_STEPS_MAX)
        err = sk_error_set(
            reterr, SK_EINVAL,
            "exceeded maximum resolution of 11,000 points per time series. Try increasing "
            "the value of the step parameter");
    if (err == SK_OK)
        *ret_ns = step_ns;
    return err;
}

enum sk_err param_direction(const struct call *call, bool *ret_forward, struct sk_error *reterr)
{
    struct sk_str text = param_get(call, "direction");
    if (text.len == 0 || sk_str_eq_nocase(text, SK_STR("backward"))) {
        *ret_forward = false;
        return SK_OK;
    }
    if (sk_str_eq_nocase(text, SK_STR("forward"))) {
        *ret_forward = true;
        return SK_OK;
    }
    return sk_error_set(reterr, SK_EINVAL, "invalid direction '%.*s'", SK_STR_ARG(text));
}

const struct sk_limits *call_limits(const struct call *call)
{
    if (call->limits != NULL)
        return call->limits;
    return sk_config_limits(call->api->config, call->api->opt.overrides, call->tenant);
}

enum sk_err range_limits(const struct call *call, struct time_range *range, bool *ret_empty,
                         struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(call);
    *ret_empty = false;
    if (lim->max_query_lookback_ns > 0) {
        int64_t oldest = sk_clock_now_ns() - lim->max_query_lookback_ns;
        if (range->end_ns < oldest)
            *ret_empty = true;
        else if (range->start_ns < oldest)
            range->start_ns = oldest;
    }
    int64_t length;
    if (__builtin_sub_overflow(range->end_ns, range->start_ns, &length))
        length = INT64_MAX;
    if (lim->max_query_length_ns <= 0 || length <= lim->max_query_length_ns)
        return SK_OK;
    struct sk_strbuf a, b;
    sk_strbuf_init(&a, 64);
    sk_strbuf_init(&b, 64);
    sk_go_format_duration(&a, length);
    sk_prom_format_duration(&b, lim->max_query_length_ns);
    enum sk_err err = sk_error_set(
        reterr, SK_EINVAL, "the query time range exceeds the limit (query length: %s, limit: %s)",
        a.ptr, b.ptr);
    sk_strbuf_deinit(&a);
    sk_strbuf_deinit(&b);
    return err;
}
