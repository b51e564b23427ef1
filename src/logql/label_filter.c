/* SPDX-License-Identifier: Apache-2.0 */
/* label_filter.c -- | name op value, joined by and, or. A filter that looks at one label only is
 * also tried early, as soon as a parser writes that label (pipeline_int.h). */
#include "base/gotext.h"
#include "logql/ip_filter.h"
#include "logql/pipeline_int.h"

struct sk_label_test {
    enum sk_label_filter_kind kind;
    enum sk_cmp_op cmp;
    size_t name;              /* pinned */
    struct sk_text_test text; /* STRING, IP */
    double number;
    int64_t duration_ns;
    uint64_t bytes;
    const struct sk_label_test *left, *right;
};

/* ---- matching ---- */

/* A value that cannot be read lets the entry pass, marked, unless it is marked already. */
static bool unreadable(struct sk_pipeline_run *run, const struct sk_error *why)
{
    if (run->labels.error.len > 0)
        return true;
    struct sk_str details = sk_arena_str(&run->arena, sk_str_from(why->text));
    run->labels.failed |= details.ptr == NULL;
    sk_run_error(run, SK_STR("LabelFilterErr"), details);
    return true;
}

/* -1, 0, 1; 2: not comparable (NaN), which only != likes. */
static bool cmp_holds(enum sk_cmp_op op, int order)
{
    switch (op) {
    case SK_CMP_EQ:
        return order == 0;
    case SK_CMP_NEQ:
        return order != 0;
    case SK_CMP_GT:
        return order == 1;
    case SK_CMP_GTE:
        return order == 0 || order == 1;
    case SK_CMP_LT:
        return order == -1;
    case SK_CMP_LTE:
        return order == 0 || order == -1;
    }
    return false;
}

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b) ? 1 : (a) == (b) ? 0 : 2)

/* Plain integers, the usual case, without the general parser. */
static bool small_integer(struct sk_str s, double *ret)
{
    enum { DIGITS_MAX = 15 }; /* exact in a double */
    int64_t v = 0;
    if (s.len == 0 || s.len > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        v = v * 10 + (s.ptr[i] - '0');
    }
    *ret = (double)v;
    return true;
}

static bool number_match(const struct sk_label_test *t, struct sk_pipeline_run *run,
                         struct sk_str value)
{
    double v;
    if (!small_integer(value, &v)) {
        struct sk_error why;
        if (sk_go_parse_float(value, &v, &why) != SK_OK)
            return unreadable(run, &why);
    }
    return cmp_holds(t->cmp, ORDER(v, t->number));
}

static bool duration_match(const struct sk_label_test *t, struct sk_pipeline_run *run,
                           struct sk_str value)
{
    int64_t v;
    struct sk_error why;
    if (sk_go_parse_duration(value, &v, &why) != SK_OK)
        return unreadable(run, &why);
    return cmp_holds(t->cmp, ORDER(v, t->duration_ns));
}

static bool bytes_match(const struct sk_label_test *t, struct sk_pipeline_run *run,
                        struct sk_str value)
{
    uint64_t v;
    struct sk_error why;
    if (sk_go_parse_bytes(value, &v, &why) != SK_OK)
        return unreadable(run, &why);
    return cmp_holds(t->cmp, ORDER(v, t->bytes));
}

static bool string_match(const struct sk_label_test *t, struct sk_pipeline_run *run)
{
    const struct sk_label_slot *slot = sk_run_pinned(run, t->name);
    struct sk_str value =
        t->name == SK_NAME_ERROR ? run->labels.error : sk_label_value(&run->labels, slot);
    return sk_text_test_match(&t->text, &run->scratch, value);
}

static bool ip_match(const struct sk_label_test *t, struct sk_pipeline_run *run,
                     struct sk_str value)
{
    if (run->labels.error.len > 0)
        return true;
    return sk_text_test_match(&t->text, &run->scratch, value);
}

bool sk_label_test_match(const struct sk_label_test *t, struct sk_pipeline_run *run)
{
    struct sk_str value;
    if (t->kind == SK_LF_AND) { /* both are tried: both may mark the entry */
        bool left = sk_label_test_match(t->left, run);
        return sk_label_test_match(t->right, run) && left;
    }
    if (t->kind == SK_LF_OR)
        return sk_label_test_match(t->left, run) || sk_label_test_match(t->right, run);
    if (t->kind == SK_LF_STRING)
        return string_match(t, run);
    if (!sk_label_get(&run->labels, sk_run_pinned(run, t->name), &value))
        return false;
    if (t->kind == SK_LF_NUMBER)
        return number_match(t, run, value);
    if (t->kind == SK_LF_DURATION)
        return duration_match(t, run, value);
    if (t->kind == SK_LF_BYTES)
        return bytes_match(t, run, value);
    return ip_match(t, run, value);
}

static enum sk_pipeline_verdict label_filter_run(struct sk_pipeline_run *run, const void *data)
{
    return sk_label_test_match(data, run) ? SK_PIPELINE_KEEP : SK_PIPELINE_DROP;
}

const struct sk_label_test *sk_label_filter_single(const struct sk_stage *stage, size_t *ret_name)
{
    const struct sk_label_test *t = stage->data;
    if (t->kind == SK_LF_AND || t->kind == SK_LF_OR)
        return NULL;
    *ret_name = t->name;
    return t;
}

/* ---- compiling ---- */

/* Sizes go through their printed form, which has two digits (spec logql 3.2). */
static enum sk_err rounded(uint64_t bytes, uint64_t *ret)
{
    struct sk_strbuf text;
    struct sk_error why;
    sk_strbuf_init(&text, SK_ERROR_TEXT_BYTES);
    sk_go_format_bytes(&text, bytes);
    enum sk_err err = SK_ENOMEM;
    if (!text.failed) {
        err = sk_go_parse_bytes(sk_strbuf_view(&text), ret, &why);
        if (err == SK_ELIMIT) { /* 18446744073709551615 prints as 18EB, 19EB would be too large */
            *ret = bytes;
            err = SK_OK;
        }
    }
    sk_strbuf_deinit(&text);
    return err;
}

static enum sk_err string_create(struct sk_pipeline_maker *m, const struct sk_ast_label_filter *f,
                                 struct sk_label_test *t, struct sk_error *reterr)
{
    bool regex = f->match == SK_MATCH_RE || f->match == SK_MATCH_NRE;
    t->text = (struct sk_text_test){.kind = SK_TEXT_EQUALS, .text = f->text};
    if (regex) {
        enum sk_err err = sk_text_test_regex(m->arena, f->text, true, &t->text, reterr);
        if (err != SK_OK)
            return err;
    }
    t->text.negate = f->match == SK_MATCH_NEQ || f->match == SK_MATCH_NRE;
    return SK_OK;
}

static enum sk_err ip_create(struct sk_pipeline_maker *m, const struct sk_ast_label_filter *f,
                             struct sk_label_test *t, struct sk_error *reterr)
{
    struct sk_ip_range *range = sk_arena_calloc(m->arena, 1, sizeof(*range));
    if (range == NULL)
        return SK_ENOMEM;
    if (!sk_ip_range_parse(f->text, range))
        return sk_error_set(reterr, SK_EPARSE, "ip: invalid pattern: \"%.*s\"",
                            SK_STR_ARG(f->text));
    t->text =
        (struct sk_text_test){.kind = SK_TEXT_IP, .negate = f->match == SK_MATCH_NEQ, .ip = range};
    return SK_OK;
}

static enum sk_err leaf_create(struct sk_pipeline_maker *m, const struct sk_ast_label_filter *f,
                               struct sk_label_test *t, struct sk_error *reterr)
{
    enum sk_err err = sk_pipeline_pin(m, f->name, &t->name);
    if (err != SK_OK)
        return err;
    t->cmp = f->cmp;
    t->number = f->number;
    t->duration_ns = f->duration_ns;
    if (f->kind == SK_LF_STRING)
        return string_create(m, f, t, reterr);
    if (f->kind == SK_LF_IP)
        return ip_create(m, f, t, reterr);
    return f->kind == SK_LF_BYTES ? rounded(f->bytes, &t->bytes) : SK_OK;
}

/* Recursion is bounded by SK_LOGQL_DEPTH_MAX. */
static enum sk_err test_create(struct sk_pipeline_maker *m, const struct sk_ast_label_filter *f,
                               const struct sk_label_test **ret, struct sk_error *reterr)
{
    struct sk_label_test *t = sk_arena_calloc(m->arena, 1, sizeof(*t));
    if (t == NULL)
        return SK_ENOMEM;
    t->kind = f->kind;
    *ret = t;
    if (f->kind != SK_LF_AND && f->kind != SK_LF_OR)
        return leaf_create(m, f, t, reterr);
    enum sk_err err = test_create(m, f->left, &t->left, reterr);
    return err == SK_OK ? test_create(m, f->right, &t->right, reterr) : err;
}

enum sk_err sk_stage_label_filter_create(struct sk_pipeline_maker *m,
                                         const struct sk_ast_stage *ast, struct sk_stage *ret,
                                         struct sk_error *reterr)
{
    const struct sk_label_test *t;
    enum sk_err err = test_create(m, ast->filter, &t, reterr);
    if (err == SK_OK)
        *ret = (struct sk_stage){label_filter_run, t};
    return err;
}
