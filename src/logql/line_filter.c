/* SPDX-License-Identifier: Apache-2.0 */
/* line_filter.c -- |= != |~ !~ |> !>, with alternatives and ip(). The stage's data is its test. */
#include "logql/ip_filter.h"
#include "logql/pattern_expr.h"
#include "logql/pipeline_int.h"

static enum sk_pipeline_verdict line_filter_run(struct sk_pipeline_run *run, const void *data)
{
    bool pass = sk_text_test_match(data, &run->scratch, run->line);
    return pass ? SK_PIPELINE_KEEP : SK_PIPELINE_DROP;
}

const struct sk_text_test *sk_line_filter_test(const struct sk_stage *stage)
{
    return stage->data;
}

static enum sk_err ip_test(struct sk_pipeline_maker *m, struct sk_str text,
                           struct sk_text_test *ret, struct sk_error *reterr)
{
    struct sk_ip_range *range = sk_arena_calloc(m->arena, 1, sizeof(*range));
    if (range == NULL)
        return SK_ENOMEM;
    if (!sk_ip_range_parse(text, range))
        return sk_error_set(reterr, SK_EPARSE, "ip: invalid pattern: \"%.*s\"", SK_STR_ARG(text));
    *ret = (struct sk_text_test){.kind = SK_TEXT_IP, .ip = range};
    return SK_OK;
}

static enum sk_err pattern_test(struct sk_pipeline_maker *m, struct sk_str text,
                                struct sk_text_test *ret, struct sk_error *reterr)
{
    struct sk_pattern_part *parts;
    size_t count;
    enum sk_err err = sk_pattern_split(m->arena, text, &parts, &count);
    if (err == SK_OK)
        err = sk_pattern_filter_check(parts, count, reterr);
    if (err != SK_OK)
        return err;
    *ret = (struct sk_text_test){.kind = SK_TEXT_PATTERN,
                                 .parts = parts,
                                 .count = count,
                                 .text = sk_pattern_longest(parts, count)};
    return SK_OK;
}

static enum sk_err operand_test(struct sk_pipeline_maker *m, enum sk_line_op op,
                                const struct sk_ast_line_operand *o, bool alone,
                                struct sk_text_test *ret, struct sk_error *reterr)
{
    switch (op) {
    case SK_LINE_CONTAINS:
    case SK_LINE_NOT_CONTAINS:
        if (o->ip && alone)
            return ip_test(m, o->text, ret, reterr);
        /* among alternatives ip("...") is its argument, literally, as upstream has it */
        *ret = (struct sk_text_test){.kind = o->text.len == 0 ? SK_TEXT_TRUE : SK_TEXT_CONTAINS,
                                     .text = o->text};
        return SK_OK;
    case SK_LINE_RE:
    case SK_LINE_NOT_RE:
        if (o->ip && alone)
            break;
        return sk_text_test_regex(m->arena, o->text, false, ret, reterr);
    case SK_LINE_PATTERN:
    case SK_LINE_NOT_PATTERN:
        if (o->ip && alone)
            break;
        return pattern_test(m, o->text, ret, reterr);
    }
    return sk_error_set(reterr, SK_EPARSE, "ip: invalid operation");
}

enum sk_err sk_stage_line_filter_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                        struct sk_stage *ret, struct sk_error *reterr)
{
    size_t count = 0;
    for (const struct sk_ast_line_operand *o = ast->operands; o != NULL; o = o->next)
        count++;
    struct sk_text_test *tests = sk_arena_calloc(m->arena, count + 1, sizeof(*tests));
    if (tests == NULL)
        return SK_ENOMEM;
    size_t n = 0;
    for (const struct sk_ast_line_operand *o = ast->operands; o != NULL; o = o->next) {
        enum sk_err err = operand_test(m, ast->line_op, o, count == 1, &tests[n++], reterr);
        if (err != SK_OK)
            return err;
    }
    struct sk_text_test *whole = &tests[count];
    *whole = sk_text_test_any(tests, count);
    whole->negate = ast->line_op == SK_LINE_NOT_CONTAINS || ast->line_op == SK_LINE_NOT_RE ||
                    ast->line_op == SK_LINE_NOT_PATTERN;
    *ret = (struct sk_stage){line_filter_run, whole};
    return SK_OK;
}
