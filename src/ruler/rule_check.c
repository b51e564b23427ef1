/* SPDX-License-Identifier: Apache-2.0 */
/* rule_check.c -- whether rules can be evaluated: what Prometheus asks of rules, with LogQL in the
 * place of PromQL. Templates in labels and annotations are not looked into. */
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "logql/parse.h"
#include "ruler/rule.h"

struct check {
    struct sk_arena *arena;
    struct sk_strbuf *out;
    size_t from; /* length of out at the start */
};

static void SK_PRINTF(2, 3) complain(struct check *c, const char *fmt, ...)
{
    char text[2 * SK_ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut when longer */
    va_end(args);
    sk_strbuf_puts(c->out, c->out->len > c->from ? ", " : "");
    sk_strbuf_puts(c->out, text);
}

static bool metric_name_valid(struct sk_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char ch = name.ptr[i];
        bool letter =
            (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' || ch == ':';
        if (!letter && (i == 0 || ch < '0' || ch > '9'))
            return false;
    }
    return name.len > 0;
}

static void check_labels(struct check *c, const struct sk_rule *rule)
{
    for (size_t i = 0; i < rule->labels.count; i++) {
        const struct sk_label *l = &rule->labels.items[i];
        if (!sk_label_name_valid(l->name) || sk_str_is(l->name, "__name__"))
            complain(c, "invalid label name: %.*s", SK_STR_ARG(l->name));
        if (!sk_utf8_valid(l->value))
            complain(c, "invalid label value: %.*s", SK_STR_ARG(l->value));
    }
    for (size_t i = 0; i < rule->annotations.count; i++) {
        struct sk_str name = rule->annotations.items[i].name;
        if (!sk_label_name_valid(name))
            complain(c, "invalid annotation name: %.*s", SK_STR_ARG(name));
    }
}

/* SK_ENOMEM. */
static enum sk_err check_expr(struct check *c, const struct sk_rule *rule, struct sk_str group)
{
    const struct sk_ast_expr *expr;
    struct sk_error why;
    bool record = rule->record.len > 0;
    struct sk_str name = record ? rule->record : rule->alert;
    if (rule->expr.len == 0) {
        complain(c, "field 'expr' must be set in rule");
        return SK_OK;
    }
    enum sk_err err = sk_logql_parse(c->arena, rule->expr, &expr, &why);
    if (err == SK_ENOMEM)
        return err;
    if (err != SK_OK)
        complain(c, "could not parse expression for %s '%.*s' in group '%.*s': %s",
                 record ? "record" : "alert", SK_STR_ARG(name), SK_STR_ARG(group), why.text);
    return SK_OK;
}

static enum sk_err check_rule(struct check *c, const struct sk_rule *rule, struct sk_str group)
{
    if (rule->record.len > 0 && rule->alert.len > 0) {
        complain(c, "only one of 'record' and 'alert' must be set");
        return SK_OK;
    }
    if (rule->record.len == 0 && rule->alert.len == 0) {
        complain(c, "one of 'record' or 'alert' must be set");
        return SK_OK;
    }
    enum sk_err err = check_expr(c, rule, group);
    if (err == SK_OK && rule->record.len > 0) {
        if (rule->annotations.count > 0)
            complain(c, "invalid field 'annotations' in recording rule");
        if (rule->for_ns != 0)
            complain(c, "invalid field 'for' in recording rule");
        if (rule->keep_firing_for_ns != 0)
            complain(c, "invalid field 'keep_firing_for' in recording rule");
        if (!metric_name_valid(rule->record))
            complain(c, "invalid recording rule name: %.*s", SK_STR_ARG(rule->record));
    }
    check_labels(c, rule);
    return err;
}

enum sk_err sk_rule_groups_check(struct sk_arena *arena, const struct sk_rule_group *groups,
                                 struct sk_strbuf *out)
{
    struct check c = {arena, out, out->len};
    size_t i = 0;
    for (const struct sk_rule_group *g = groups; g != NULL; g = g->next, i++) {
        if (g->name.len == 0)
            complain(&c, "group %zu: Groupname must not be empty", i);
        for (const struct sk_rule_group *k = groups; k != g; k = k->next) {
            if (sk_str_eq(k->name, g->name)) {
                complain(&c, "groupname: \"%.*s\" is repeated in the same file",
                         SK_STR_ARG(g->name));
                break;
            }
        }
        for (const struct sk_rule *rule = g->rules; rule != NULL; rule = rule->next) {
            enum sk_err err = check_rule(&c, rule, g->name);
            if (err != SK_OK)
                return err;
        }
    }
    return out->failed ? SK_ENOMEM : SK_OK;
}
