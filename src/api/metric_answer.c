/* SPDX-License-Identifier: Apache-2.0 */
/* metric_answer.c -- results of metric queries as JSON: matrix, vector, scalar. Times are seconds
 * with as many of three decimals as are needed, values texts of the shortest digits. */
#include "api/api_int.h"
#include "base/alloc.h"
#include "base/gotext.h"
#include "base/jsonout.h"

enum { PIECE_BYTES = 256 * 1024 };

struct metric_answer {
    struct sk_metric_result result;
    size_t series, point; /* next to write */
    bool begun;
};

static void write_time(struct sk_strbuf *out, int64_t ms)
{
    uint64_t abs = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    unsigned frac = (unsigned)(abs % 1000);
    if (ms < 0)
        sk_strbuf_putc(out, '-');
    sk_strbuf_u64(out, abs / 1000);
    if (frac == 0)
        return;
    char digits[5];
    (void)snprintf(digits, sizeof(digits), ".%03u", frac); /* fits */
    size_t len = 4;
    while (digits[len - 1] == '0')
        len--;
    sk_strbuf_add(out, digits, len);
}

static void write_point(struct sk_strbuf *out, const struct sk_metric_point *p)
{
    sk_strbuf_putc(out, '[');
    write_time(out, p->ts_ms);
    sk_strbuf_puts(out, ",\"");
    sk_go_float_f(out, p->value);
    sk_strbuf_puts(out, "\"]");
}

static const char *kind_name(enum sk_value_kind kind)
{
    return kind == SK_VALUE_MATRIX ? "matrix" : kind == SK_VALUE_VECTOR ? "vector" : "scalar";
}

/* A matrix goes out point by point, so that a long series needs no large buffer. */
static void write_series(struct sk_strbuf *out, struct metric_answer *a)
{
    const struct sk_metric_series *s = &a->result.series[a->series];
    bool matrix = a->result.kind == SK_VALUE_MATRIX;
    if (a->point == 0) {
        sk_strbuf_puts(out, a->series > 0 ? ",{\"metric\":" : "{\"metric\":");
        answer_labels(out, s->labels);
        sk_strbuf_puts(out, matrix ? ",\"values\":[" : ",\"value\":");
    }
    while (a->point < s->count && out->len < PIECE_BYTES) {
        if (a->point > 0)
            sk_strbuf_putc(out, ',');
        write_point(out, &s->points[a->point++]);
    }
    if (a->point < s->count)
        return;
    sk_strbuf_puts(out, matrix ? "]}" : "}");
    a->series++;
    a->point = 0;
}

static uint64_t returned_count(const struct sk_metric_result *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->count; i++)
        n += r->series[i].count;
    return n;
}

static void metric_produce(struct call *call, struct sk_strbuf *out, bool *last)
{
    struct metric_answer *a = call->state;
    bool scalar = a->result.kind == SK_VALUE_SCALAR;
    if (!a->begun) {
        sk_strbuf_puts(out, "{\"status\":\"success\",");
        answer_warnings(out, &a->result.stats);
        sk_strbuf_printf(out,
                         "\"data\":{\"resultType\":\"%s\",\"result\":", kind_name(a->result.kind));
        sk_strbuf_puts(out, scalar ? "" : "[");
        a->begun = true;
    }
    if (scalar) {
        write_point(out, &a->result.series[0].points[0]);
        a->series = a->result.count;
    }
    while (a->series < a->result.count && out->len < PIECE_BYTES)
        write_series(out, a);
    *last = a->series == a->result.count;
    if (!*last)
        return;
    sk_strbuf_puts(out, scalar ? "," : "],");
    answer_stats(out, &a->result.stats, returned_count(&a->result));
    sk_strbuf_puts(out, "}}");
}

static void metric_dispose(struct call *call)
{
    struct metric_answer *a = call->state;
    sk_metric_result_deinit(&a->result);
    sk_free(a);
}

bool answer_metric(struct call *call, struct sk_metric_result *result)
{
    struct metric_answer *a = sk_calloc(1, sizeof(*a));
    if (a == NULL)
        return false;
    a->result = *result;
    *result = (struct sk_metric_result){.series = NULL};
    call->state = a;
    answer_pieces(call, "application/json; charset=UTF-8", metric_produce, metric_dispose);
    return true;
}
