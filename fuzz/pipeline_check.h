/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_check.h -- what must hold for any query and any line; shared by the targets that run
 * pipelines. */
#ifndef SK_FUZZ_PIPELINE_CHECK_H
#define SK_FUZZ_PIPELINE_CHECK_H

#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "labels/labelset.h"
#include "logql/parse.h"
#include "logql/pipeline.h"

struct check {
    struct sk_arena arena;
    const struct sk_pipeline *pipeline;
    struct sk_pipeline_run *run;
};

static inline void check_close(struct check *c)
{
    sk_pipeline_run_destroy(c->run);
    sk_arena_deinit(&c->arena);
}

/* false: the query is refused. */
static inline bool check_open(struct check *c, struct sk_str query)
{
    static const struct sk_label stream[] = {
        {{"app", 3}, {"web", 3}}, {{"app_extracted", 13}, {"x", 1}}, {{"s", 1}, {"v", 1}}};
    const struct sk_ast_expr *expr;
    struct sk_error why;
    *c = (struct check){.run = NULL};
    sk_clock_fake(INT64_C(1768478400123456789)); /* templates tell the time */
    sk_arena_init(&c->arena, 64u << 20, NULL);
    if (sk_logql_parse(&c->arena, query, &expr, &why) != SK_OK || expr->kind != SK_AST_LOG)
        return false;
    why.text[0] = '\0';
    if (sk_pipeline_create(&c->arena, &expr->u.log, &c->pipeline, &why) != SK_OK) {
        sk_assert(why.text[0] != '\0');
        return false;
    }
    enum sk_err err = sk_pipeline_run_create(c->pipeline, 64u << 20, NULL, &c->run);
    sk_assert(err == SK_OK);
    sk_pipeline_run_stream(c->run, (struct sk_labelset){stream, 3});
    return true;
}

static inline void check_set(struct sk_labelset set, bool utf8)
{
    for (size_t i = 0; i < set.count; i++) {
        sk_assert(set.items[i].name.len > 0);
        sk_assert(i == 0 || sk_str_cmp(set.items[i - 1].name, set.items[i].name) < 0);
        sk_assert(!utf8 || sk_utf8_valid(set.items[i].value));
    }
}

static inline uint64_t check_once(struct check *c, struct sk_str line, bool utf8)
{
    static const struct sk_label meta[] = {
        {{"a", 1}, {"1", 1}}, {{"app", 3}, {"m", 1}}, {{"x", 1}, {"", 0}}};
    struct sk_pipeline_labels got;
    enum sk_pipeline_verdict v = sk_pipeline_run_entry(c->run, 1, line, meta, 3);
    if (v != SK_PIPELINE_KEEP)
        return v;
    enum sk_err err = sk_pipeline_run_labels(c->run, &got);
    if (err != SK_OK)
        return 77;
    check_set(got.stream, utf8);
    check_set(got.meta, utf8);
    check_set(got.parsed, utf8);
    uint64_t sum = 1000 + sk_pipeline_run_line(c->run).len;
    sum = sum * 31 + sk_labels_fingerprint(got.stream);
    sum = sum * 31 + sk_labels_fingerprint(got.meta);
    return sum * 31 + sk_labels_fingerprint(got.parsed);
}

/* The line comes out the same twice, with and without the pre-test, which never refuses what the
 * pipeline keeps. The line is copied so that reading past its end is seen. */
static inline void check_line(struct check *c, struct sk_str text, bool utf8)
{
    char *copy = sk_malloc(text.len + (text.len == 0));
    sk_assert(copy != NULL);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    struct sk_str line = {copy, text.len};
    struct sk_str needle = sk_pipeline_needle(c->pipeline);
    uint64_t first = check_once(c, line, utf8);
    bool hit = needle.len > 0 && sk_str_find(line, needle, 0) != SIZE_MAX;
    bool pass = sk_pipeline_line_passes(c->run, line, hit);
    sk_assert(pass || first == SK_PIPELINE_DROP);
    sk_assert(needle.len == 0 || hit || first == SK_PIPELINE_DROP);
    if (pass)
        sk_assert(check_once(c, line, utf8) == first);
    sk_assert(check_once(c, line, utf8) == first);
    sk_free(copy);
}

/* The line through each of the queries; `checks` are static, opened at the first call. */
static inline void check_queries(struct check *checks, const char *const *queries, size_t count,
                                 struct sk_str text)
{
    for (size_t i = 0; i < count; i++) {
        if (checks[i].run == NULL) {
            bool ok = check_open(&checks[i], sk_str_from(queries[i]));
            sk_assert(ok);
        }
        check_line(&checks[i], text, true);
    }
}

#endif
