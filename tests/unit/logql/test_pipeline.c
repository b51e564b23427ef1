/* SPDX-License-Identifier: Apache-2.0 */
/* Protects what comes out of log queries: the blocks of tests/golden/logql/pipeline*.lqt, and
 * what the interface of pipeline.h promises beyond them. */
#include "lib/testlib.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "logql/ip_filter.h"
#include "logql/parse.h"
#include "logql/pipeline.h"
#include "logql/rune_lower.h"
#include "logql/rune_upper.h"
#include "logql/tmpl.h"

#define ARENA_BYTES (64u << 20)
#define META_MAX    16

/* ---- one query ---- */

struct query {
    struct sk_arena arena;
    const struct sk_pipeline *pipeline;
    struct sk_pipeline_run *run;
    struct sk_error why;
};

/* Parses and compiles as the querier does. */
static enum sk_err query_compile(struct query *q, struct sk_str text)
{
    const struct sk_ast_expr *written, *expr;
    struct sk_strbuf whole;
    memset(q, 0, sizeof(*q));
    sk_arena_init(&q->arena, ARENA_BYTES, NULL);
    sk_strbuf_init(&whole, 1u << 20);
    if (text.len == 0 || text.ptr[0] != '{')
        sk_strbuf_puts(&whole, "{t=\"1\"} ");
    sk_strbuf_str(&whole, text);
    enum sk_err err = sk_logql_parse(&q->arena, sk_strbuf_view(&whole), &written, &q->why);
    if (err == SK_OK)
        err = sk_logql_reparse(&q->arena, written, &expr, &q->why);
    if (err == SK_OK) {
        assert_int_equal(expr->kind, SK_AST_LOG);
        err = sk_pipeline_create(&q->arena, &expr->u.log, &q->pipeline, &q->why);
    }
    sk_strbuf_deinit(&whole);
    return err;
}

static void query_open(struct query *q, const char *text)
{
    if (query_compile(q, sk_str_from(text)) != SK_OK)
        fail_msg("%s: %s", text, q->why.text);
    assert_int_equal(sk_pipeline_run_create(q->pipeline, ARENA_BYTES, NULL, &q->run), SK_OK);
    sk_pipeline_run_stream(q->run, (struct sk_labelset){NULL, 0});
}

static void query_close(struct query *q)
{
    sk_pipeline_run_destroy(q->run);
    sk_arena_deinit(&q->arena);
}

/* ---- the golden blocks ---- */

struct block {
    struct query q;
    struct sk_str name;
    struct sk_arena arena; /* of what the block says */
    struct sk_labelset meta;
    struct sk_str input;
    bool has_input;
    enum sk_pipeline_verdict verdict;
    struct sk_str line;
    struct sk_pipeline_labels labels;
    int64_t ts_ns;
    bool line_checked, wrong;
    size_t entries;
};

static struct sk_str take_line(struct sk_str *rest)
{
    size_t len = sk_str_find(*rest, SK_STR("\n"), 0);
    struct sk_str line = {rest->ptr, len == SIZE_MAX ? rest->len : len};
    size_t used = len == SIZE_MAX ? rest->len : len + 1;
    rest->ptr += used;
    rest->len -= used;
    return line;
}

static struct sk_str take_until(struct sk_str *rest, const char *mark)
{
    const char *start = rest->ptr;
    while (rest->len > 0 && !sk_str_starts(*rest, sk_str_from(mark)))
        (void)take_line(rest);
    size_t len = (size_t)(rest->ptr - start);
    while (len > 0 && start[len - 1] == '\n')
        len--;
    return (struct sk_str){start, len};
}

/* Whether the line is this word and an argument, or nothing, behind it. */
static bool word(struct sk_str line, const char *name, struct sk_str *ret_arg)
{
    size_t len = strlen(name);
    if (!sk_str_starts(line, sk_str_from(name)))
        return false;
    *ret_arg = (struct sk_str){line.ptr + len, line.len - len};
    return true;
}

static struct sk_labelset labels_of(struct block *b, struct sk_str text)
{
    struct sk_labelset set;
    struct sk_error why;
    if (sk_labels_parse(&b->arena, text, &set, &why) != SK_OK)
        fail_msg("block %.*s: %.*s: %s", SK_STR_ARG(b->name), SK_STR_ARG(text), why.text);
    return set;
}

/* A text as it stands behind one blank, or quoted as in Go. */
static struct sk_str text_of(struct block *b, struct sk_str arg)
{
    if (arg.len > 0 && arg.ptr[0] == '"') { /* LogQL's texts are Go's */
        const struct sk_ast_expr *expr;
        struct sk_error why;
        struct sk_str query = sk_arena_printf(&b->arena, "{t=\"1\"} |= %.*s", SK_STR_ARG(arg));
        if (sk_logql_parse(&b->arena, query, &expr, &why) != SK_OK)
            fail_msg("block %.*s: %.*s: %s", SK_STR_ARG(b->name), SK_STR_ARG(arg), why.text);
        return expr->u.log.stages->operands->text;
    }
    if (arg.len > 0 && arg.ptr[0] == ' ')
        return (struct sk_str){arg.ptr + 1, arg.len - 1};
    assert_int_equal(arg.len, 0);
    return SK_STR("");
}

static void differs(struct block *b, const char *what, struct sk_str got, struct sk_str want)
{
    print_error("block %.*s\n line  %.*s\n %s\n got   %.*s\n want  %.*s\n", SK_STR_ARG(b->name),
                SK_STR_ARG(b->input), what, SK_STR_ARG(got), SK_STR_ARG(want));
    b->wrong = true;
}

static void same_set(struct block *b, const char *what, struct sk_labelset got,
                     struct sk_labelset want)
{
    struct sk_strbuf g, w;
    sk_strbuf_init(&g, 16u << 20);
    sk_strbuf_init(&w, 16u << 20);
    sk_labels_format(&g, got);
    sk_labels_format(&w, want);
    if (!sk_str_eq(sk_strbuf_view(&g), sk_strbuf_view(&w)))
        differs(b, what, sk_strbuf_view(&g), sk_strbuf_view(&w));
    sk_strbuf_deinit(&g);
    sk_strbuf_deinit(&w);
}

/* The three categories as one set. */
static struct sk_labelset joined(struct block *b)
{
    const struct sk_labelset *sets[] = {&b->labels.stream, &b->labels.meta, &b->labels.parsed};
    size_t n = 0, count = sets[0]->count + sets[1]->count + sets[2]->count;
    struct sk_label *all = sk_arena_calloc(&b->arena, count + 1, sizeof(*all));
    for (size_t i = 0; i < SK_COUNT_OF(sets); i++) {
        for (size_t k = 0; k < sets[i]->count; k++)
            all[n++] = sets[i]->items[k];
    }
    sk_labels_sort(all, n);
    return (struct sk_labelset){all, n};
}

/* The pre-test must agree with the verdict, and the needle be in what passes. */
static void pre_test(struct block *b)
{
    struct sk_str needle = sk_pipeline_needle(b->q.pipeline);
    bool hit = needle.len > 0 && sk_str_find(b->input, needle, 0) != SIZE_MAX;
    bool pass = sk_pipeline_line_passes(b->q.run, b->input, hit);
    bool plain = sk_pipeline_line_passes(b->q.run, b->input, false);
    if (pass != plain || (b->verdict == SK_PIPELINE_KEEP && (!pass || (needle.len > 0 && !hit))))
        differs(b, "the pre-test disagrees", SK_STR(""), needle);
    enum sk_pipeline_verdict again =
        sk_pipeline_run_entry(b->q.run, b->ts_ns, b->input, b->meta.items, b->meta.count);
    if (again != b->verdict)
        differs(b, "the pre-test changes the verdict", SK_STR(""), needle);
}

/* Behind the expectations of an entry: an unchanged line is the default. */
static void entry_end(struct block *b)
{
    if (b->has_input && b->verdict == SK_PIPELINE_KEEP && !b->line_checked &&
        !sk_str_eq(b->line, b->input))
        differs(b, "line", b->line, b->input);
    b->line_checked = false;
}

static void entry_run(struct block *b, struct sk_str arg)
{
    entry_end(b);
    b->input = text_of(b, arg);
    b->has_input = true;
    b->entries++;
    b->verdict = sk_pipeline_run_entry(b->q.run, b->ts_ns, b->input, b->meta.items, b->meta.count);
    pre_test(b);
    if (b->verdict == SK_PIPELINE_KEEP)
        assert_int_equal(sk_pipeline_run_labels(b->q.run, &b->labels), SK_OK);
    b->line = sk_pipeline_run_line(b->q.run);
    b->meta = (struct sk_labelset){NULL, 0};
}

static void split_check(struct block *b, struct sk_str arg)
{
    const struct sk_labelset *sets[] = {&b->labels.stream, &b->labels.meta, &b->labels.parsed};
    static const char *const names[] = {"stream", "metadata", "parsed"};
    for (size_t i = 0; i < SK_COUNT_OF(sets); i++) {
        size_t end = sk_str_find(arg, SK_STR("}"), 0);
        assert_true(end != SIZE_MAX);
        struct sk_str text = {arg.ptr + 1, end};
        same_set(b, names[i], *sets[i], labels_of(b, text));
        arg.ptr += end + 1;
        arg.len -= end + 1;
    }
}

static void block_line(struct block *b, struct sk_str line)
{
    struct sk_str arg;
    if (line.len == 0 || line.ptr[0] == '#')
        return;
    if (word(line, ">", &arg)) {
        entry_run(b, arg);
    } else if (word(line, "stream ", &arg)) {
        sk_pipeline_run_stream(b->q.run, labels_of(b, arg));
    } else if (word(line, "at ", &arg)) {
        assert_true(sk_str_to_i64(arg, &b->ts_ns));
    } else if (word(line, "meta ", &arg)) {
        b->meta = labels_of(b, arg);
    } else if (word(line, "drop", &arg)) {
        if (b->verdict != SK_PIPELINE_DROP)
            differs(b, "verdict", SK_STR("keep"), line);
    } else if (word(line, "keep ", &arg)) {
        if (b->verdict == SK_PIPELINE_KEEP)
            same_set(b, "labels", joined(b), labels_of(b, arg));
        else
            differs(b, "verdict", SK_STR("drop"), line);
    } else if (word(line, "line", &arg)) {
        struct sk_str want = text_of(b, arg);
        b->line_checked = true;
        if (b->verdict == SK_PIPELINE_KEEP && !sk_str_eq(b->line, want))
            differs(b, "line", b->line, want);
    } else if (word(line, "split", &arg)) {
        if (b->verdict == SK_PIPELINE_KEEP)
            split_check(b, arg);
    } else {
        fail_msg("block %.*s: %.*s", SK_STR_ARG(b->name), SK_STR_ARG(line));
    }
}

static void block_run(struct block *b, struct sk_str query, struct sk_str body)
{
    struct sk_str want = body;
    enum sk_err err = query_compile(&b->q, query);
    if (word(body, "%%FAIL\n", &want)) {
        if (err == SK_OK || !sk_str_eq(sk_str_from(b->q.why.text), want))
            differs(b, "error", sk_str_from(b->q.why.text), want);
    } else if (err != SK_OK) {
        differs(b, "error", sk_str_from(b->q.why.text), SK_STR(""));
    } else {
        assert_int_equal(sk_pipeline_run_create(b->q.pipeline, ARENA_BYTES, NULL, &b->q.run),
                         SK_OK);
        sk_pipeline_run_stream(b->q.run, (struct sk_labelset){NULL, 0});
        while (body.len > 0)
            block_line(b, take_line(&body));
        entry_end(b);
        if (b->entries == 0)
            differs(b, "no entries", SK_STR(""), SK_STR(""));
    }
    query_close(&b->q);
}

static void file_run(const char *path, size_t blocks_min)
{
    void *mem;
    struct sk_slice file = testlib_read(testlib_path(path), &mem);
    struct sk_str rest = sk_str_of_slice(file);
    size_t blocks = 0, entries = 0, wrong = 0;
    (void)take_until(&rest, "=== ");
    while (rest.len > 0) {
        struct block b = {.verdict = SK_PIPELINE_DROP, .ts_ns = 1};
        sk_arena_init(&b.arena, ARENA_BYTES, NULL);
        b.name = take_line(&rest);
        struct sk_str query = take_until(&rest, "---");
        (void)take_line(&rest);
        block_run(&b, query, take_until(&rest, "=== "));
        blocks++;
        entries += b.entries;
        wrong += b.wrong;
        sk_arena_deinit(&b.arena);
    }
    sk_free(mem);
    print_message("%s: %zu blocks, %zu entries\n", path, blocks, entries);
    assert_true(blocks >= blocks_min);
    assert_int_equal(wrong, 0);
}

static void golden_blocks_hold(void **state)
{
    (void)state;
    file_run("golden/logql/pipeline.lqt", 230);
}

static void recorded_answers_hold(void **state)
{
    (void)state;
    file_run("golden/logql/pipeline_recorded.lqt", 200);
}

static void templates_hold(void **state)
{
    (void)state;
    file_run("golden/logql/templates.lqt", 250);
}

/* ---- needles ---- */

static void the_longest_literal_is_the_needle(void **state)
{
    (void)state;
    static const struct {
        const char *query, *needle;
    } cases[] = {
        {"", ""},
        {"|= \"a\" |= \"abc\" |= \"bc\"", "abc"},
        {"!= \"abc\"", ""},
        {"|= \"abc\" or \"abcd\"", ""},
        {"|= \"a\" or \"\"", "a"},
        {"|~ \"foo[0-9]+quux\"", "quux"},
        {"|~ \"(?i)foo\"", ""},
        {"|~ \"(abc)+x?\"", "abc"},
        {"|~ \"(abc)*x{2}\"", "x"},
        {"|> \"<_>abc<_>d\"", "abc"},
        {"!> \"abc\"", ""},
        {"|= ip(\"10.0.0.1\")", ""},
        {"| json |= \"abc\"", "abc"},
        {"| json | a=\"1\" |= \"abc\"", "abc"},
        {"| unpack |= \"abc\"", ""},
        {"| decolorize | a=\"1\" |= \"abc\"", ""},
        {"| decolorize |= \"abc\"", "abc"},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        struct query q;
        query_open(&q, cases[i].query);
        assert_str(sk_pipeline_needle(q.pipeline), cases[i].needle);
        assert_int_equal(sk_pipeline_is_empty(q.pipeline), cases[i].query[0] == '\0');
        query_close(&q);
    }
}

static void a_hit_needle_is_not_searched_again(void **state)
{
    (void)state;
    struct query q;
    query_open(&q, "|= \"abc\" != \"x\"");
    assert_true(sk_pipeline_line_passes(q.run, SK_STR("no needle"), true));
    assert_false(sk_pipeline_line_passes(q.run, SK_STR("no needle"), false));
    assert_false(sk_pipeline_line_passes(q.run, SK_STR("x"), true));
    query_close(&q);
    query_open(&q, "|~ \"abc[0-9]\""); /* the needle alone is not enough */
    assert_str(sk_pipeline_needle(q.pipeline), "abc");
    assert_false(sk_pipeline_line_passes(q.run, SK_STR("abc"), true));
    query_close(&q);
}

static void passing_the_pre_test_counts_for_that_line_only(void **state)
{
    (void)state;
    struct query q;
    struct sk_str good = SK_STR("abc"), bad = SK_STR("xyz");
    query_open(&q, "|= \"abc\"");
    assert_true(sk_pipeline_line_passes(q.run, good, false));
    assert_int_equal(sk_pipeline_run_entry(q.run, 1, bad, NULL, 0), SK_PIPELINE_DROP);
    assert_int_equal(sk_pipeline_run_entry(q.run, 1, good, NULL, 0), SK_PIPELINE_KEEP);
    assert_int_equal(sk_pipeline_run_entry(q.run, 1, bad, NULL, 0), SK_PIPELINE_DROP);
    query_close(&q);
}

/* ---- limits ---- */

/* What the planner of metric queries asks a template. */
static void a_template_tells_what_it_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text, *names, *field;
        bool reads_map;
    } cases[] = {
        {"", "", "", false},
        {"{{.a}}", "a,", "a", false},
        {"{{- .a -}}", "a,", "a", false},
        {"{{.a}}!", "a,", "", false},
        {"{{.a | upper}}", "a,", "", false},
        {"{{.a.b}}{{$.c}}{{if .d}}{{.e}}{{end}}{{.a}}", "a,b,c,d,e,", "", false},
        {"{{define \"T\"}}{{.x}}{{end}}{{template \"T\"}}", "x,", "", false},
        {"{{index . \"a\"}}", "", "", true},
        {"{{range $k, $v := .}}{{$v}}{{end}}", "", "", true},
        {"{{__line__}}", "", "", false},
    };
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        struct sk_arena arena;
        struct sk_strbuf got;
        struct sk_error why;
        struct sk_str field = {NULL, 0};
        const struct sk_tmpl *t;
        sk_arena_init(&arena, ARENA_BYTES, NULL);
        sk_strbuf_init(&got, 1u << 10);
        assert_int_equal(
            sk_tmpl_compile(&arena, SK_STR("line"), sk_str_from(cases[i].text), &t, &why), SK_OK);
        struct sk_tmpl_names names = sk_tmpl_names(t);
        for (size_t n = 0; n < names.count; n++) {
            sk_strbuf_str(&got, names.items[n]);
            sk_strbuf_putc(&got, ',');
        }
        sk_strbuf_putc(&got, '\0');
        assert_string_equal(got.ptr, cases[i].names);
        assert_int_equal(names.reads_map, cases[i].reads_map);
        assert_int_equal(sk_tmpl_is_field(t, &field), cases[i].field[0] != '\0');
        assert_true(sk_str_is(field, cases[i].field));
        sk_strbuf_deinit(&got);
        sk_arena_deinit(&arena);
    }
}

/* Each key is new: the names are forgotten now and then, and the memory stays small. */
static void random_keys_do_not_fill_the_memory(void **state)
{
    (void)state;
    struct query q;
    if (query_compile(&q, SK_STR("| logfmt | a=\"1\" | keep a, b")) != SK_OK)
        fail_msg("%s", q.why.text);
    assert_int_equal(sk_pipeline_run_create(q.pipeline, 2u << 20, NULL, &q.run), SK_OK);
    struct sk_label items[] = {{SK_STR("s"), SK_STR("v")}};
    sk_pipeline_run_stream(q.run, (struct sk_labelset){items, 1});
    for (int i = 0; i < 100000; i++) {
        char line[64];
        int n = snprintf(line, sizeof(line), "k%d=1 a=1 s=x z%d=1", i, i);
        struct sk_pipeline_labels got;
        assert_int_equal(sk_pipeline_run_entry(q.run, 1, (struct sk_str){line, (size_t)n}, NULL, 0),
                         SK_PIPELINE_KEEP);
        assert_int_equal(sk_pipeline_run_labels(q.run, &got), SK_OK);
        assert_int_equal(got.stream.count, 0);
        assert_int_equal(got.parsed.count, 1);
        assert_str(got.parsed.items[0].name, "a");
    }
    query_close(&q);
}

static void repeat(struct sk_strbuf *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        sk_strbuf_puts(out, text);
}

static void many_labels_come_out_sorted(void **state)
{
    (void)state;
    struct query q;
    struct sk_strbuf line;
    struct sk_pipeline_labels got;
    sk_strbuf_init(&line, 1u << 20);
    for (int i = 0; i < 5000; i++)
        sk_strbuf_printf(&line, "k%d=%d ", (i * 7919) % 5000, i);
    query_open(&q, "| logfmt");
    assert_int_equal(sk_pipeline_run_entry(q.run, 1, sk_strbuf_view(&line), NULL, 0),
                     SK_PIPELINE_KEEP);
    assert_int_equal(sk_pipeline_run_labels(q.run, &got), SK_OK);
    assert_int_equal(got.parsed.count, 5000);
    for (size_t i = 1; i < got.parsed.count; i++)
        assert_true(sk_str_cmp(got.parsed.items[i - 1].name, got.parsed.items[i].name) < 0);
    query_close(&q);
    sk_strbuf_deinit(&line);
}

static void nesting_beyond_the_limit_is_an_error_label(void **state)
{
    (void)state;
    struct query q;
    struct sk_strbuf line;
    struct sk_pipeline_labels got;
    sk_strbuf_init(&line, 1u << 20);
    repeat(&line, "{\"a\":", 1000);
    sk_strbuf_puts(&line, "1");
    repeat(&line, "}", 1000);
    query_open(&q, "| json");
    assert_int_equal(sk_pipeline_run_entry(q.run, 1, sk_strbuf_view(&line), NULL, 0),
                     SK_PIPELINE_KEEP);
    assert_int_equal(sk_pipeline_run_labels(q.run, &got), SK_OK);
    assert_str(sk_labels_get(got.parsed, SK_STR("__error__")), "JSONParserErr");
    assert_str(sk_labels_get(got.parsed, SK_STR("__error_details__")), "Objects nest too deeply");
    query_close(&q);
    sk_strbuf_deinit(&line);
}

static void reaching_the_cap_is_an_answer(void **state)
{
    (void)state;
    struct query q;
    struct sk_strbuf line;
    sk_strbuf_init(&line, 8u << 20);
    for (int i = 0; i < 100000; i++)
        sk_strbuf_printf(&line, "k%d=\"\\n\" ", i);
    if (query_compile(&q, SK_STR("| logfmt")) != SK_OK)
        fail_msg("%s", q.why.text);
    assert_int_equal(sk_pipeline_run_create(q.pipeline, 1u << 20, NULL, &q.run), SK_OK);
    sk_pipeline_run_stream(q.run, (struct sk_labelset){NULL, 0});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sk_pipeline_run_entry(q.run, 1, sk_strbuf_view(&line), NULL, 0),
                         SK_PIPELINE_ERROR);
        assert_int_equal(sk_pipeline_run_entry(q.run, 1, SK_STR("a=1"), NULL, 0), SK_PIPELINE_KEEP);
    }
    query_close(&q);
    sk_strbuf_deinit(&line);
}

static void compiling_within_any_cap_succeeds_or_says_so(void **state)
{
    (void)state;
    const struct sk_ast_expr *expr;
    const struct sk_pipeline *p = NULL;
    struct sk_arena tree;
    struct sk_error why;
    sk_arena_init(&tree, ARENA_BYTES, NULL);
    struct sk_str text =
        SK_STR("{a=\"b\"} |~ \"x(a|b.*)\" |> \"a<_>\" | json a=\"b[0]\" | logfmt c "
               "| regexp \"(?P<x>.)\" | pattern \"<a> <b>\" | a=~\"x|y.+\" or b>5 "
               "| drop a, b=~\"c\" | keep d | label_format e=f, g=\"{{.h}}\" | decolorize "
               "| line_format \"{{$x := .a}}{{if eq $x 1.5 'c'}}{{range .}}{{$x.y | count `b` | "
               "add 1}}{{else}}{{(now).Year}}{{end}}{{end}}{{define `T`}}z{{end}}\"");
    assert_int_equal(sk_logql_parse(&tree, text, &expr, &why), SK_OK);
    enum sk_err err = SK_ENOMEM;
    for (size_t cap = 0; cap < 1u << 20 && err == SK_ENOMEM; cap += 256) {
        struct sk_arena arena;
        sk_arena_init(&arena, cap, NULL);
        err = sk_pipeline_create(&arena, &expr->u.log, &p, &why);
        assert_true((err == SK_OK) == (p != NULL));
        sk_arena_deinit(&arena);
    }
    assert_int_equal(err, SK_OK);
    sk_arena_deinit(&tree);
}

/* Memory that ends anywhere in a template is an answer too. */
static void templates_within_any_cap_run_or_say_so(void **state)
{
    (void)state;
    static const char text[] =
        "| label_format x=\"{{range $k, $v := fromJson "
        "`{\\\"a\\\":[1,{\\\"b\\\":null}]}`}}{{printf "
        "`%5.1f %v %q` 1.5 $v $k}}{{end}}\", y=\"{{len .}}{{divf 1 3}}{{regexReplaceAll `(b)` .s "
        "`$1`}}{{repeat 100 .s}}{{toDateInZone `2006 -0700` `Europe/Paris` `2026 +0100`}}\" "
        "| line_format \"{{regexReplaceAll .s .s .x}}{{.a.b}}\"";
    enum sk_pipeline_verdict verdict = SK_PIPELINE_ERROR;
    struct query q;
    struct sk_label items[] = {{SK_STR("s"), SK_STR("abc")}};
    if (query_compile(&q, sk_str_from(text)) != SK_OK)
        fail_msg("%s", q.why.text);
    for (size_t cap = 512; cap < 1u << 20 && verdict == SK_PIPELINE_ERROR; cap += 512) {
        if (sk_pipeline_run_create(q.pipeline, cap, NULL, &q.run) != SK_OK)
            continue;
        sk_pipeline_run_stream(q.run, (struct sk_labelset){items, 1});
        verdict = sk_pipeline_run_entry(q.run, 1, SK_STR("l"), NULL, 0);
        sk_pipeline_run_destroy(q.run);
        q.run = NULL;
    }
    assert_int_equal(verdict, SK_PIPELINE_KEEP);
    query_close(&q);
}

/* ---- parts ---- */

static void ip_patterns_are_strict(void **state)
{
    (void)state;
    struct sk_ip_range r;
    static const char *const good[] = {
        "1.2.3.4",         "::",      "fe80::/10",     "10.1.2.3/8", "0.0.0.0/0",
        "1.1.1.1-1.1.1.1", "::1-::2", "::ffff:1.2.3.4"};
    static const char *const bad[] = {
        "",          "1.2.3",       "1.2.3.4.5",         "01.2.3.4",
        "256.1.1.1", "1.2.3.4/33",  "1.2.3.4/08",        "1.2.3.4/",
        "::1/129",   "1.1.1.1-::1", "1.1.1.2-1.1.1.1",   "1.1.1.1 - 1.1.1.2",
        "x",         "1.2.3.4/+8",  "1:2:3:4:5:6:7:8:9", "-1.2.3.4"};
    for (size_t i = 0; i < SK_COUNT_OF(good); i++)
        assert_true(sk_ip_range_parse(sk_str_from(good[i]), &r));
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        if (sk_ip_range_parse(sk_str_from(bad[i]), &r))
            fail_msg("%s", bad[i]);
    }
    assert_true(sk_ip_range_parse(SK_STR("10.1.2.3/12"), &r));
    assert_true(sk_ip_in_text(&r, SK_STR("10.15.255.255")));
    assert_true(sk_ip_in_text(&r, SK_STR("10.0.0.0")));
    assert_false(sk_ip_in_text(&r, SK_STR("10.16.0.0")));
}

/* Letters are taken eight at a time where they can be. */
static void ascii_is_lowered_at_any_place(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 11; at++) {
        for (unsigned c = 1; c < 128; c++) {
            char in[12] = "ZZZZZZZZZZZ", out[SK_TEXT_LOWER_ROOM(12)];
            in[at] = (char)c;
            assert_int_equal(sk_text_lower(sk_str_from(in), out), 11);
            for (unsigned i = 0; i < 11; i++)
                assert_int_equal(out[i], in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
        }
    }
}

static void upper_and_title_case_are_simple(void **state)
{
    (void)state;
    static const struct {
        uint32_t rune, upper, title;
    } cases[] = {{'a', 'A', 'A'},          {'Z', 'Z', 'Z'},
                 {'1', '1', '1'},          {0xe9, 0xc9, 0xc9},
                 {0xdf, 0xdf, 0xdf},       {0xff, 0x178, 0x178},
                 {0x131, 'I', 'I'},        {0x17f, 'S', 'S'},
                 {0x1c4, 0x1c4, 0x1c5},    {0x1c5, 0x1c4, 0x1c5},
                 {0x1c6, 0x1c4, 0x1c5},    {0x3c2, 0x3a3, 0x3a3},
                 {0x10d0, 0x1c90, 0x10d0}, {0x10428, 0x10400, 0x10400},
                 {0xab70, 0x13a0, 0x13a0}};
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        assert_int_equal(sk_rune_upper(cases[i].rune), cases[i].upper);
        assert_int_equal(sk_rune_title(cases[i].rune), cases[i].title);
    }
}

static void lower_case_is_simple(void **state)
{
    (void)state;
    static const struct {
        uint32_t rune, lower;
    } cases[] = {{'A', 'a'},         {'z', 'z'},       {0xc4, 0xe4},     {0x130, 'i'},
                 {0x131, 0x131},     {0x17f, 0x17f},   {0x1e9e, 0xdf},   {0x212a, 'k'},
                 {0x39c, 0x3bc},     {0x399, 0x3b9},   {0x3a3, 0x3c3},   {0x3c2, 0x3c2},
                 {0x13a0, 0xab70},   {0xab70, 0xab70}, {0x1c4, 0x1c6},   {0x1c5, 0x1c6},
                 {0x10400, 0x10428}, {0xff21, 0xff41}, {0x1c80, 0x1c80}, {0xfb06, 0xfb06}};
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++)
        assert_int_equal(sk_rune_lower(cases[i].rune), cases[i].lower);
    char out[SK_TEXT_LOWER_ROOM(8)];
    size_t n = sk_text_lower(SK_STR("AÄ\xff\xc8\xba"), out); /* Ⱥ grows to three bytes */
    assert_int_equal(n, 9);
    assert_memory_equal(out, "aä\xef\xbf\xbd\xe2\xb1\xa5", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_blocks_hold),
        cmocka_unit_test(recorded_answers_hold),
        cmocka_unit_test(templates_hold),
        cmocka_unit_test(the_longest_literal_is_the_needle),
        cmocka_unit_test(a_hit_needle_is_not_searched_again),
        cmocka_unit_test(passing_the_pre_test_counts_for_that_line_only),
        cmocka_unit_test(a_template_tells_what_it_reads),
        cmocka_unit_test(random_keys_do_not_fill_the_memory),
        cmocka_unit_test(many_labels_come_out_sorted),
        cmocka_unit_test(nesting_beyond_the_limit_is_an_error_label),
        cmocka_unit_test(reaching_the_cap_is_an_answer),
        cmocka_unit_test(compiling_within_any_cap_succeeds_or_says_so),
        cmocka_unit_test(ip_patterns_are_strict),
        cmocka_unit_test(ascii_is_lowered_at_any_place),
        cmocka_unit_test(lower_case_is_simple),
        cmocka_unit_test(upper_and_title_case_are_simple),
        cmocka_unit_test(templates_within_any_cap_run_or_say_so),
    };
    (void)setenv("TZ", "UTC", 1); /* templates show times of the machine's zone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
