/* SPDX-License-Identifier: Apache-2.0 */
/* limits_api.c -- what a tenant may be told of its limits: drilldown-limits as JSON (Logs Drilldown
 * goes by it), /config/tenant/v1/limits as YAML. The keys are those that Loki publishes by default,
 * but for otlp_config and retention_stream. */
#include "api/api_int.h"
#include "base/gotext.h"
#include "base/jsonout.h"

enum kind { KIND_BOOL, KIND_COUNT, KIND_BYTES, KIND_DURATION, KIND_TEXTS, KIND_NEVER };

struct shown {
    const char *name;
    enum kind kind;
    size_t offset;
};

#define SHOWN(name, kind)                                                                          \
    {                                                                                              \
#name, kind, offsetof(struct sk_limits, name)                                              \
    }
#define SHOWN_NS(name)                                                                             \
    {                                                                                              \
#name, KIND_DURATION, offsetof(struct sk_limits, name##_ns)                                \
    }

static const struct shown shown[] = {
    SHOWN(discover_log_levels, KIND_BOOL),
    SHOWN(discover_service_name, KIND_TEXTS),
    SHOWN(log_level_fields, KIND_TEXTS),
    SHOWN(max_entries_limit_per_query, KIND_COUNT),
    SHOWN(max_line_size_truncate, KIND_BOOL),
    SHOWN(max_query_bytes_read, KIND_BYTES),
    SHOWN_NS(max_query_length),
    SHOWN_NS(max_query_lookback),
    SHOWN_NS(max_query_range),
    SHOWN(max_query_series, KIND_COUNT),
    {"metric_aggregation_enabled", KIND_NEVER, 0},
    {"pattern_persistence_enabled", KIND_NEVER, 0},
    SHOWN_NS(query_timeout),
    SHOWN_NS(retention_period),
    SHOWN(volume_enabled, KIND_BOOL),
    SHOWN(volume_max_series, KIND_COUNT),
};

static void bytes_write(struct sk_strbuf *out, uint64_t bytes)
{
    struct sk_strbuf text;
    sk_strbuf_init(&text, 64);
    sk_go_format_bytes(&text, bytes);
    for (size_t i = 0; i < text.len; i++) { /* 5 MB as 5MB */
        if (text.ptr[i] != ' ')
            sk_strbuf_putc(out, text.ptr[i]);
    }
    sk_strbuf_deinit(&text);
}

static void texts_write(struct sk_strbuf *out, const struct sk_str_list *list, bool yaml)
{
    sk_strbuf_puts(out, yaml && list->count > 0 ? "\n" : "[");
    for (size_t i = 0; i < list->count; i++) {
        sk_strbuf_puts(out, yaml ? "    - " : i > 0 ? "," : "");
        sk_json_string(out, list->items[i]);
        sk_strbuf_puts(out, yaml && i + 1 < list->count ? "\n" : "");
    }
    sk_strbuf_puts(out, yaml && list->count > 0 ? "" : "]");
}

static void value_write(struct sk_strbuf *out, const struct sk_limits *l, const struct shown *s,
                        bool yaml)
{
    const void *at = (const char *)l + s->offset;
    bool quoted = !yaml && (s->kind == KIND_BYTES || s->kind == KIND_DURATION);
    sk_strbuf_puts(out, quoted ? "\"" : "");
    switch (s->kind) {
    case KIND_NEVER:
        sk_strbuf_puts(out, "false");
        break;
    case KIND_BOOL:
        sk_strbuf_puts(out, *(const bool *)at ? "true" : "false");
        break;
    case KIND_COUNT:
        sk_strbuf_u64(out, *(const uint64_t *)at);
        break;
    case KIND_BYTES:
        bytes_write(out, *(const uint64_t *)at);
        break;
    case KIND_DURATION:
        sk_prom_format_duration(out, *(const int64_t *)at);
        break;
    case KIND_TEXTS:
        texts_write(out, at, yaml);
        break;
    }
    sk_strbuf_puts(out, quoted ? "\"" : "");
}

void drilldown_limits_serve(struct call *call)
{
    struct sk_strbuf body;
    sk_strbuf_init(&body, 1u << 20);
    sk_strbuf_puts(&body, "{\"limits\":{");
    for (size_t i = 0; i < SK_COUNT_OF(shown); i++) {
        sk_strbuf_printf(&body, "%s\"%s\":", i > 0 ? "," : "", shown[i].name);
        value_write(&body, call_limits(call), &shown[i], false);
    }
    sk_strbuf_printf(&body, "},\"pattern_ingester_enabled\":%s,\"version\":\"3.7.6\"}\n",
                     call->api->config->pattern_ingester_enabled ? "true" : "false");
    answer_json(call, &body);
    call->resp.content_type = "application/json";
}

void tenant_limits_serve(struct call *call)
{
    struct sk_strbuf body;
    sk_strbuf_init(&body, 1u << 20);
    for (size_t i = 0; i < SK_COUNT_OF(shown); i++) {
        sk_strbuf_printf(&body, "%s: ", shown[i].name);
        value_write(&body, call_limits(call), &shown[i], true);
        sk_strbuf_putc(&body, '\n');
    }
    answer_json(call, &body);
    call->resp.content_type = "text/plain; charset=utf-8";
}
