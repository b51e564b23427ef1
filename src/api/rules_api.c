/* SPDX-License-Identifier: Apache-2.0 */
/* rules_api.c -- rules over HTTP: YAML under /loki/api/v1/rules and /api/prom/rules, Prometheus's
 * JSON below /prometheus. Nothing is evaluated: alerts are inactive, the health of every rule is
 * unknown, as Loki shows them before it has evaluated them. */
#include <stdio.h>

#include "api/api_int.h"
#include "base/gotext.h"
#include "base/jsonout.h"
#include "logql/parse.h"
#include "logql/print.h"
#include "ruler/rules.h"

#define RULES_ARENA_BYTES (64u << 20)
#define NEVER             "\"0001-01-01T00:00:00Z\""

/* One request: what is read lives until it is answered. */
struct job {
    struct call *call;
    struct sk_rules *rules;
    struct sk_arena arena;
    struct sk_str space, group; /* empty: not in the path */
    struct sk_error error;
};

/* ---- answers ---- */

static void json_begin(struct call *call, int status)
{
    sk_strbuf_deinit(&call->resp.body);
    sk_strbuf_init(&call->resp.body, SIZE_MAX / 2);
    call->resp.status = status;
    call->resp.content_type = "application/json";
}

static void json_success(struct call *call)
{
    json_begin(call, 202);
    sk_strbuf_puts(&call->resp.body,
                   "{\"status\":\"success\",\"data\":null,\"errorType\":\"\",\"error\":\"\"}");
}

/* Loki sends the JSON of an error as plain text, without the usual `nosniff`. */
static void json_error(struct call *call, int status, const char *type, const char *text)
{
    json_begin(call, status);
    sk_strbuf_printf(&call->resp.body,
                     "{\"status\":\"error\",\"data\":null,\"errorType\":\"%s\",\"error\":", type);
    sk_json_string_html(&call->resp.body, sk_str_from(text));
    sk_strbuf_putc(&call->resp.body, '}');
    call->resp.content_type = NULL;
    call->resp.headers = SK_STR("Content-Type: text/plain; charset=utf-8\r\n");
}

static void yaml(struct call *call)
{
    call->resp.status = 200;
    call->resp.content_type = "application/yaml";
}

/* ---- YAML: reading ---- */

static void list_serve(struct job *j)
{
    struct sk_rule_space *spaces = NULL;
    enum sk_err err = sk_rules_list(j->rules, j->call->tenant, &j->arena, &spaces, &j->error);
    if (err != SK_OK) {
        answer_text(j->call, err == SK_ENOMEM ? 429 : 400, j->error.text, true);
        return;
    }
    if (j->space.len > 0) {
        spaces = sk_rule_space_find(spaces, j->space);
        if (spaces != NULL)
            spaces->next = NULL;
    }
    if (spaces == NULL) {
        answer_text(j->call, 404, "no rule groups found", true);
        return;
    }
    sk_rule_spaces_print(&j->call->resp.body, spaces);
    yaml(j->call);
}

static void group_serve(struct job *j)
{
    struct sk_rule_space *spaces = NULL;
    if (!sk_rules_writable(j->rules)) {
        answer_text(j->call, 400, "GetRuleGroup unsupported in rule local store", true);
        return;
    }
    enum sk_err err = sk_rules_list(j->rules, j->call->tenant, &j->arena, &spaces, &j->error);
    if (err != SK_OK) {
        answer_text(j->call, err == SK_ENOMEM ? 429 : 400, j->error.text, true);
        return;
    }
    spaces = sk_rule_space_find(spaces, j->space);
    const struct sk_rule_group *g =
        spaces == NULL ? NULL : sk_rule_group_find(spaces->groups, j->group);
    if (g == NULL) {
        answer_text(j->call, 404, "group does not exist", true);
        return;
    }
    sk_rule_group_print(&j->call->resp.body, g);
    yaml(j->call);
}

/* ---- YAML: changing ---- */

/* Limits of the tenant; the count of groups has the new one in it. false: answered. */
static bool limits_hold(struct job *j, const struct sk_rule_group *group)
{
    char text[160];
    const struct sk_limits *lim = call_limits(j->call);
    struct sk_rule_space *spaces = NULL;
    uint64_t n = 1;
    text[0] = '\0';
    if (lim->ruler_max_rules_per_rule_group > 0 &&
        group->rule_count > lim->ruler_max_rules_per_rule_group) {
        (void)snprintf(text, sizeof(text),
                       "per-user rules per rule group limit (limit: %llu actual: %zu) exceeded",
                       (unsigned long long)lim->ruler_max_rules_per_rule_group, group->rule_count);
        answer_text(j->call, 400, text, true);
        return false;
    }
    enum sk_err err = sk_rules_list(j->rules, j->call->tenant, &j->arena, &spaces, &j->error);
    if (err != SK_OK) {
        answer_text(j->call, err == SK_ENOMEM ? 429 : 500, j->error.text, true);
        return false;
    }
    for (const struct sk_rule_space *s = spaces; s != NULL; s = s->next) {
        for (const struct sk_rule_group *g = s->groups; g != NULL; g = g->next)
            n++;
    }
    if (lim->ruler_max_rule_groups_per_tenant == 0 || n <= lim->ruler_max_rule_groups_per_tenant)
        return true;
    (void)snprintf(
        text, sizeof(text), "per-user rule groups limit (limit: %llu actual: %llu) exceeded",
        (unsigned long long)lim->ruler_max_rule_groups_per_tenant, (unsigned long long)n);
    answer_text(j->call, 400, text, true);
    return false;
}

static void set_serve(struct job *j)
{
    struct sk_rule_group *group = NULL;
    struct sk_strbuf faults;
    enum sk_err err =
        sk_rule_group_read(&j->arena, sk_strbuf_view(&j->call->req->body), &group, &j->error);
    if (err != SK_OK) {
        answer_text(j->call, 400, "unable to decoded rule group", true);
        return;
    }
    sk_strbuf_init(&faults, 1u << 20);
    err = sk_rule_groups_check(&j->arena, group, &faults);
    if (faults.len > 0)
        answer_text(j->call, 400, faults.ptr, true);
    else if (err != SK_OK)
        answer_text(j->call, 429, sk_err_text(err), true);
    else if (limits_hold(j, group)) {
        err = sk_rules_set(j->rules, j->call->tenant, j->space, group, &j->arena, &j->error);
        if (err == SK_OK)
            json_success(j->call);
        else
            answer_text(j->call, err == SK_ELIMIT ? 400 : 500, j->error.text, true);
    }
    sk_strbuf_deinit(&faults);
}

static void delete_serve(struct job *j)
{
    struct sk_str tenant = j->call->tenant;
    enum sk_err err =
        j->group.len > 0
            ? sk_rules_delete_group(j->rules, tenant, j->space, j->group, &j->arena, &j->error)
            : sk_rules_delete_space(j->rules, tenant, j->space, &j->arena, &j->error);
    if (err == SK_OK)
        json_success(j->call);
    else if (err == SK_ENOENT)
        answer_text(j->call, 404, j->error.text, true);
    else
        json_error(j->call, 500, "server_error", j->error.text);
}

/* ---- JSON ---- */

static void put_labels(struct sk_strbuf *out, const char *name, struct sk_labelset set)
{
    sk_strbuf_printf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < set.count; i++) {
        sk_strbuf_puts(out, i > 0 ? "," : "");
        sk_json_string_html(out, set.items[i].name);
        sk_strbuf_putc(out, ':');
        sk_json_string_html(out, set.items[i].value);
    }
    sk_strbuf_putc(out, '}');
}

/* The query as Loki prints it; as it is written when it does not parse. */
static void put_query(struct job *j, struct sk_strbuf *out, struct sk_str text)
{
    const struct sk_ast_expr *expr;
    struct sk_strbuf printed;
    sk_strbuf_init(&printed, 4u << 20);
    if (sk_logql_parse(&j->arena, text, &expr, &j->error) == SK_OK)
        sk_logql_print(&printed, expr);
    sk_json_string_html(out, printed.len > 0 ? sk_strbuf_view(&printed) : text);
    sk_strbuf_deinit(&printed);
}

static void put_rule(struct job *j, struct sk_strbuf *out, const struct sk_rule *rule)
{
    bool alert = rule->alert.len > 0;
    sk_strbuf_puts(out, alert ? "{\"state\":\"inactive\",\"name\":" : "{\"name\":");
    sk_json_string_html(out, alert ? rule->alert : rule->record);
    sk_strbuf_puts(out, ",\"query\":");
    put_query(j, out, rule->expr);
    if (alert) {
        sk_strbuf_puts(out, ",\"duration\":");
        sk_go_float_f(out, (double)rule->for_ns / 1e9);
    }
    put_labels(out, "labels", rule->labels);
    if (alert) {
        put_labels(out, "annotations", rule->annotations);
        sk_strbuf_puts(out, ",\"alerts\":[]");
    }
    sk_strbuf_printf(out,
                     ",\"health\":\"unknown\",\"lastError\":\"\",\"type\":\"%s\","
                     "\"lastEvaluation\":" NEVER ",\"evaluationTime\":0}",
                     alert ? "alerting" : "recording");
}

/* Whether a parameter that may be given several times has the value, or is not given. */
static bool asked_for(const struct call *call, const char *name, struct sk_str value)
{
    bool given = false;
    for (const struct sk_http_param *p = call->params; p != NULL; p = p->next) {
        if (!sk_str_is(p->name, name))
            continue;
        if (sk_str_eq(p->value, value))
            return true;
        given = true;
    }
    return !given;
}

static bool rule_asked_for(const struct call *call, const struct sk_rule *rule)
{
    struct sk_str type = param_get(call, "type");
    bool alert = rule->alert.len > 0;
    return (type.len == 0 || sk_str_is(type, alert ? "alert" : "record")) &&
           asked_for(call, "rule_name[]", alert ? rule->alert : rule->record);
}

/* A group of which no rule is asked for is left out. */
static void put_group(struct job *j, struct sk_strbuf *out, struct sk_str file,
                      const struct sk_rule_group *g, bool *first)
{
    size_t begin = out->len, n = 0;
    sk_strbuf_puts(out, *first ? "{\"name\":" : ",{\"name\":");
    sk_json_string_html(out, g->name);
    sk_strbuf_puts(out, ",\"file\":");
    sk_json_string_html(out, file);
    sk_strbuf_puts(out, ",\"rules\":[");
    for (const struct sk_rule *r = g->rules; r != NULL; r = r->next) {
        if (!rule_asked_for(j->call, r))
            continue;
        sk_strbuf_puts(out, n++ > 0 ? "," : "");
        put_rule(j, out, r);
    }
    if (n == 0 && g->rules != NULL) {
        out->len = begin;
        return;
    }
    int64_t interval =
        g->interval_ns > 0 ? g->interval_ns : j->call->api->config->ruler_evaluation_interval_ns;
    sk_strbuf_puts(out, "],\"interval\":");
    sk_go_float_f(out, (double)interval / 1e9);
    sk_strbuf_printf(out, ",\"limit\":%lld,\"lastEvaluation\":" NEVER ",\"evaluationTime\":0}",
                     (long long)g->limit);
    *first = false;
}

static void prom_rules_serve(struct job *j)
{
    struct call *call = j->call;
    struct sk_rule_space *spaces = NULL;
    struct sk_str type = param_get(call, "type");
    bool first = true;
    if (type.len > 0 && !sk_str_is(type, "alert") && !sk_str_is(type, "record")) {
        struct sk_str text =
            sk_arena_printf(&j->arena, "invalid parameter \"type\": not supported value \"%.*s\"",
                            SK_STR_ARG(type));
        json_error(call, 400, "bad_data", text.ptr == NULL ? "invalid type" : text.ptr);
        return;
    }
    enum sk_err err = sk_rules_list(j->rules, call->tenant, &j->arena, &spaces, &j->error);
    if (err != SK_OK && err != SK_ENOENT) { /* a tenant without a folder has no rules */
        json_error(call, 500, "server_error", j->error.text);
        return;
    }
    json_begin(call, 200);
    struct sk_strbuf *out = &call->resp.body;
    sk_strbuf_puts(out, "{\"status\":\"success\",\"data\":{\"groups\":[");
    for (const struct sk_rule_space *s = spaces; s != NULL; s = s->next) {
        for (const struct sk_rule_group *g = s->groups; g != NULL; g = g->next) {
            if (asked_for(call, "file[]", s->name) && asked_for(call, "rule_group[]", g->name))
                put_group(j, out, s->name, g, &first);
        }
    }
    sk_strbuf_puts(out, "]},\"errorType\":\"\",\"error\":\"\"}");
}

/* ---- handlers ---- */

static void run(struct call *call, void (*serve)(struct job *j))
{
    struct job *j = sk_arena_calloc(&call->req->arena, 1, sizeof(*j));
    if (j == NULL) {
        answer_text(call, 429, sk_err_text(SK_ENOMEM), true);
    } else {
        j->call = call;
        j->rules = call->api->opt.rules;
        j->space = call->path_arg;
        j->group = call->path_arg2;
        sk_arena_init(&j->arena, RULES_ARENA_BYTES, call->api->opt.query_budget);
        serve(j);
        sk_arena_deinit(&j->arena);
    }
    call_finish(call);
}

void rules_work(struct call *call)
{
    run(call, list_serve);
}

void rules_space_work(struct call *call)
{
    if (sk_str_is(call->req->method, "GET"))
        run(call, list_serve);
    else
        run(call, sk_str_is(call->req->method, "DELETE") ? delete_serve : set_serve);
}

void rules_group_work(struct call *call)
{
    run(call, sk_str_is(call->req->method, "DELETE") ? delete_serve : group_serve);
}

void prom_rules_work(struct call *call)
{
    run(call, prom_rules_serve);
}

void prom_alerts_serve(struct call *call)
{
    json_begin(call, 200);
    sk_strbuf_puts(&call->resp.body, "{\"status\":\"success\",\"data\":{\"alerts\":[]},"
                                     "\"errorType\":\"\",\"error\":\"\"}");
}
