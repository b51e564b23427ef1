/* SPDX-License-Identifier: Apache-2.0 */
/* fields_api.c -- detected_fields and detected_field/{name}/values: the fields of the newest lines
 * of a log query. Answers are sorted, where Loki's order is random. */
#include "api/api_int.h"
#include "base/clock.h"
#include "base/jsonout.h"
#include "querier/field_query.h"

enum { LINES_DEFAULT = 100, FIELDS_DEFAULT = 1000 };

static enum sk_err fields_params(const struct call *call, struct range_params *p,
                                 uint64_t *ret_limit, struct sk_error *reterr)
{
    const char *limit = param_get(call, "limit").len > 0 ? "limit" : "field_limit";
    enum sk_err err = param_range(call, &p->range, reterr);
    if (err == SK_OK && p->range.end_ns < p->range.start_ns)
        err = sk_error_set(reterr, SK_EINVAL,
                           "end timestamp must not be before or equal to start time");
    if (err == SK_OK)
        err = param_limit(call, "line_limit", LINES_DEFAULT, &p->limit, reterr);
    if (err == SK_OK)
        err = param_limit(call, limit, FIELDS_DEFAULT, ret_limit, reterr);
    if (err == SK_OK)
        err = param_step(call, p->range, &p->step_ns, reterr);
    return err;
}

static enum sk_err fields_find(struct call *call, struct sk_str name, uint64_t *ret_limit,
                               struct sk_field_result *ret, struct sk_error *reterr)
{
    const struct sk_limits *lim = call_limits(call);
    struct range_params p = {.forward = false};
    const struct sk_ast_expr *expr = NULL;
    struct sk_log_result lines;
    int64_t deadline = lim->query_timeout_ns > 0 ? sk_clock_mono_ns() + lim->query_timeout_ns : 0;
    enum sk_err err = fields_params(call, &p, ret_limit, reterr);
    if (err == SK_OK)
        err = parse_query(call, &expr, reterr);
    if (err == SK_OK && expr->kind != SK_AST_LOG)
        err = sk_error_set(reterr, SK_EINVAL, "only log selector is supported");
    if (err == SK_OK)
        err = log_query(call, &p, &expr->u.log, &lines, reterr);
    if (err != SK_OK)
        return err;
    struct sk_field_query q = {.entries = &lines,
                               .name = name,
                               .limit = *ret_limit,
                               .budget = call->api->opt.query_budget,
                               .deadline_mono_ns = deadline,
                               .stop = &call->stop};
    err = sk_field_query_run(&q, ret, reterr);
    sk_log_result_deinit(&lines);
    return err;
}

static void texts_write(struct sk_strbuf *out, const struct sk_str *items, size_t count)
{
    sk_strbuf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        sk_strbuf_puts(out, i > 0 ? "," : "");
        sk_json_string(out, items[i]);
    }
    sk_strbuf_putc(out, ']');
}

static void field_write(struct sk_strbuf *out, const struct sk_field *f)
{
    sk_strbuf_puts(out, "{\"label\":");
    sk_json_string(out, f->name);
    sk_strbuf_printf(out, ",\"type\":\"%s\",\"cardinality\":%llu,\"parsers\":",
                     sk_field_type_text(f->type), (unsigned long long)f->cardinality);
    if (f->parser_count == 0)
        sk_strbuf_puts(out, "null");
    for (size_t i = 0; i < f->parser_count; i++)
        sk_strbuf_printf(out, "%s\"%s\"", i > 0 ? "," : "[", f->parsers[i]);
    sk_strbuf_puts(out, f->parser_count > 0 ? "]" : "");
    if (f->path != NULL) {
        sk_strbuf_puts(out, ",\"jsonPath\":");
        texts_write(out, f->path, f->path_count);
    }
    sk_strbuf_putc(out, '}');
}

static void result_write(struct sk_strbuf *out, const struct sk_field_result *r, uint64_t limit)
{
    sk_strbuf_putc(out, '{');
    for (size_t i = 0; i < r->field_count; i++) {
        sk_strbuf_puts(out, i > 0 ? "," : "\"fields\":[");
        field_write(out, r->fields[i]);
    }
    if (r->field_count > 0)
        sk_strbuf_printf(out, "],\"limit\":%llu", (unsigned long long)limit);
    if (r->value_count > 0) {
        sk_strbuf_printf(out, "\"limit\":%llu,\"values\":", (unsigned long long)limit);
        texts_write(out, r->values, r->value_count);
    }
    sk_strbuf_puts(out, "}\n");
}

static void fields_answer(struct call *call, struct sk_str name)
{
    struct sk_error detail = {.text = ""};
    struct sk_field_result result = {.fields = NULL};
    struct sk_strbuf body;
    uint64_t limit;
    sk_strbuf_init(&body, 256u << 20);
    enum sk_err err = fields_find(call, name, &limit, &result, &detail);
    if (err == SK_OK) {
        result_write(&body, &result, limit);
        if (body.failed)
            err = sk_error_set(&detail, SK_ENOMEM, "not enough memory for this answer");
    }
    sk_field_result_deinit(&result);
    if (err == SK_OK) {
        answer_json(call, &body);
    } else {
        sk_strbuf_deinit(&body);
        answer_error(call, err, detail.text);
    }
    call_finish(call);
}

void detected_fields_work(struct call *call)
{
    fields_answer(call, SK_STR(""));
}

void detected_values_work(struct call *call)
{
    fields_answer(call, call->path_arg);
}
