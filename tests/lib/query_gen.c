/* SPDX-License-Identifier: Apache-2.0 */
/* query_gen.c -- see query_gen.h. */
#include "lib/query_gen.h"

#include <stdio.h>

unsigned gen_pick(struct gen *g, unsigned n)
{
    if (g->len == 0)
        return 0;
    g->len--;
    return *g->ptr++ % n;
}

#define PICK(g, list) (list)[gen_pick((g), SK_COUNT_OF(list))]

/* ---- entries ---- */

static const char *const words[] = {"err", "ERR", "Err", "warn", "x7", "info", "\xc3\xa9t\xc3\xa9",
                                    "errr"};
static const char *const values[] = {"3", "5", "12", "7.5", "100", "0", "-2", "x"};
static const char *const durations[] = {"150ms", "2s", "1m", "3h"};
static const char *const sizes[] = {"2KB", "300B", "1MiB", "5"};
static const char *const keys[] = {"a", "b", "c", "ab"};

/* A member, when a byte says so. */
static void member(struct gen *g, struct sk_strbuf *out, const char *name, const char *value,
                   bool number)
{
    const char *quote = number ? "" : "\"";
    if (gen_pick(g, 4) == 0)
        return;
    if (g->json)
        sk_strbuf_printf(out, "%s\"%s\":%s%s%s", out->len > 1 ? "," : "", name, quote, value,
                         quote);
    else
        sk_strbuf_printf(out, "%s%s=%s", out->len > 0 ? " " : "", name, value);
}

static void line(struct gen *g, struct sk_strbuf *out)
{
    sk_strbuf_reset(out);
    if (g->json)
        sk_strbuf_putc(out, '{');
    member(g, out, "k", PICK(g, keys), false);
    size_t v = gen_pick(g, 32);
    v = v < 31 ? v % 7 : 7; /* what is no number is rare */
    member(g, out, "v", values[v], g->json && v < 7);
    member(g, out, "d", PICK(g, durations), false);
    member(g, out, "b", PICK(g, sizes), false);
    member(g, out, "msg", PICK(g, words), false);
    if (gen_pick(g, 8) == 1)
        member(g, out, "s", PICK(g, keys), false);
    if (gen_pick(g, 8) == 1)
        member(g, out, "m", PICK(g, keys), false);
    if (g->json && out->len > 1 && gen_pick(g, 4) == 1)
        sk_strbuf_printf(out, ",\"o\":{\"k\":\"%s\"}", PICK(g, keys));
    if (!g->json && gen_pick(g, 2) == 1)
        sk_strbuf_printf(out, "%s%s", out->len > 0 ? " " : "", PICK(g, words));
    if (g->json && out->len == 1)
        sk_strbuf_puts(out, "\"msg\":\"none\"");
    if (g->json)
        sk_strbuf_putc(out, '}');
}

void gen_entries(struct gen *g, struct mem_source *m)
{
    struct sk_label labels[3][2] = {{{SK_STR("env"), SK_STR("p")}, {SK_STR("s"), SK_STR("1")}},
                                    {{SK_STR("env"), SK_STR("p")}, {SK_STR("s"), SK_STR("2")}},
                                    {{SK_STR("env"), SK_STR("q")}, {SK_STR("s"), SK_STR("3")}}};
    struct sk_strbuf text;
    size_t count = gen_pick(g, 64);
    int64_t ts = 0;
    sk_strbuf_init(&text, 1u << 16);
    for (size_t i = 0; i < count; i++) {
        struct sk_label meta = {SK_STR("m"), sk_str_from(PICK(g, keys))};
        struct mem_stream *s = mem_stream_of(m, (struct sk_labelset){labels[gen_pick(g, 3)], 2});
        unsigned how = gen_pick(g, 16);
        ts += (int64_t)(1 + gen_pick(g, 16)) * (how < 8 ? 1000000 : 125000000);
        line(g, &text);
        struct sk_labelset metas = {&meta, how % 4 == 0};
        mem_entry(m, s, ts, sk_strbuf_view(&text), metas);
        if (how == 15 || how == 14) /* once more, in the same unit or in another */
            mem_entry(m, s, ts, sk_strbuf_view(&text), metas);
        if (how == 14 || how == 13) {
            mem_unit_begin(m, s);
            mem_entry(m, s, ts, sk_strbuf_view(&text), metas);
        }
    }
    sk_strbuf_deinit(&text);
}

/* ---- selectors and stages ---- */

static void selector(struct gen *g, struct sk_strbuf *out)
{
    static const char *const list[] = {
        "{s=~\".+\"}",    "{env=\"p\"}",           "{s=\"1\"}",
        "{env=~\"p|q\"}", "{env=\"p\", s!=\"2\"}", "{env=\"p\", s!~\"[13]\"}",
        "{s=\"none\"}",   "{env=\"q\", s=\"3\"}",
    };
    sk_strbuf_puts(out, PICK(g, list));
}

static void line_filter(struct gen *g, struct sk_strbuf *out)
{
    static const char *const texts[] = {"err", "k=",       "a",   "7",    "ERR",
                                        " ",   "\xc3\xa9", "k=a", "\"k\""};
    static const char *const regexes[] = {
        "err",      "(?i)err", "(?i)E.R",       "a.c",
        "v=[0-9]+", "^k",      "x7$",           "foo|a",
        "err|warn", ".*err.*", "(?i)\xc3\x89t", "err+",
        "k=(a|b)",  "[ab]b",   "(err|warn).*7", "(?i)(ERR|x)7?",
        ".+",
    };
    bool re = gen_pick(g, 2) == 1, negative = gen_pick(g, 5) == 1;
    sk_strbuf_puts(out, re ? (negative ? " !~ " : " |~ ") : (negative ? " != " : " |= "));
    sk_strbuf_printf(out, "`%s`", re ? PICK(g, regexes) : PICK(g, texts));
    if (gen_pick(g, 4) == 1)
        sk_strbuf_printf(out, " or `%s`", re ? PICK(g, regexes) : PICK(g, texts));
}

static void label_test(struct gen *g, struct sk_strbuf *out)
{
    static const char *const ops[] = {"==", "!=", ">", ">=", "<", "<="};
    static const char *const names[] = {"k", "msg", "m", "s", "s_extracted", "none", "k"};
    static const char *const text_ops[] = {"=", "!=", "=~", "!~"};
    static const char *const texts[] = {"a", "b", "err", "1", "[ab]", ".*b", "a.?", ""};
    unsigned kind = gen_pick(g, 6);
    if (kind == 0)
        sk_strbuf_printf(out, "v %s %s", PICK(g, ops), values[gen_pick(g, 6)]);
    else if (kind == 1)
        sk_strbuf_printf(out, "d %s %s", PICK(g, ops), PICK(g, durations));
    else if (kind == 2)
        sk_strbuf_printf(out, "b %s %s", PICK(g, ops), gen_pick(g, 2) ? "2KB" : "1MB");
    else {
        const char *op = PICK(g, text_ops);
        /* without regex: `.*b` and the empty text are rewritten wrongly by Loki */
        unsigned n = op[1] == '~' || op[0] == '~' ? 5 : 4;
        sk_strbuf_printf(out, "%s%s`%s`", PICK(g, names), op,
                         g->whole ? PICK(g, texts) : texts[gen_pick(g, n)]);
    }
}

static void label_filter(struct gen *g, struct sk_strbuf *out)
{
    unsigned how = gen_pick(g, 6);
    sk_strbuf_puts(out, how == 1 ? " | (" : " | ");
    label_test(g, out);
    if (how < 3) {
        sk_strbuf_puts(out, how == 0 ? " and " : how == 1 ? " or " : " , ");
        label_test(g, out);
    }
    if (how == 1) {
        sk_strbuf_puts(out, ")");
        if (gen_pick(g, 2) == 1) {
            sk_strbuf_puts(out, " and ");
            label_test(g, out);
        }
    }
}

static void rare_stage(struct gen *g, struct sk_strbuf *out)
{
    static const char *const list[] = {
        " | regexp `(?P<p>\\w+)=(?P<q>\\w+)`",
        " | pattern `<p>=<_> <q>`",
        " | unpack",
        " | decolorize",
        " |> `k=<_>`",
        " !> `<_> err` or `x<_>`",
        " |= ip(`10.0.0.0/8`)",
        " != ip(`::1`) or `a`",
        " | addr = ip(`10.1.2.3`)",
        " | addr != ip(`10.1.2.3-10.1.2.9`)",
        " | json p=`o.k`, q=`[0][\"x y\"]`",
        " | json k, o",
        " | logfmt --strict --keep-empty p=`k`, v",
        " | logfmt --keep-empty",
        " | label_format p=k, q=`{{ .v | ToUpper }}\\t\"`",
        " | line_format \"{{ if eq .k \\\"a\\\" }}\\n{{ end }}\"",
        " | drop k=`a`, m!~\"b.*\", s",
        " | keep k=~`a|b`, __error__",
        " | __error__ = \"\"",
        " | v > -1.5e3 or d <= 1h3m and b != 20GiB",
    };
    sk_strbuf_puts(out, PICK(g, list));
}

/* Label filters stand before what writes, renames or removes labels: a filter behind would be
 * tested by Loki before, too. */
static void stages(struct gen *g, struct sk_strbuf *out)
{
    static const unsigned char counts[] = {0, 0, 0, 1, 1, 2};
    for (unsigned n = PICK(g, counts); n > 0; n--)
        line_filter(g, out);
    for (unsigned n = g->whole ? gen_pick(g, 4) : 0; n > 0; n--)
        rare_stage(g, out);
    if (gen_pick(g, 4) != 0)
        sk_strbuf_puts(out, g->json ? " | json" : " | logfmt");
    for (unsigned n = PICK(g, counts); n > 0; n--)
        label_filter(g, out);
    if (gen_pick(g, 6) == 1)
        line_filter(g, out);
    if (gen_pick(g, 6) == 1)
        sk_strbuf_puts(out, gen_pick(g, 2) ? " | line_format `{{.k}}-{{.msg}} {{.s}}`"
                                           : " | line_format `err {{.none}}`");
    if (gen_pick(g, 6) == 1)
        line_filter(g, out);
    if (gen_pick(g, 6) == 1)
        sk_strbuf_puts(out,
                       gen_pick(g, 2) ? " | label_format p=`{{.k}}{{.s}}`" : " | label_format p=s");
    if (gen_pick(g, 6) == 1)
        sk_strbuf_puts(out, gen_pick(g, 2) ? " | drop k, m, s=`1`" : " | keep k, s, v, d, b");
}

void gen_log_query(struct gen *g, struct sk_strbuf *out)
{
    selector(g, out);
    stages(g, out);
}

/* ---- metric queries ---- */

static void grouping(struct gen *g, struct sk_strbuf *out)
{
    static const char *const list[] = {
        " by (k)",         " by (s)",     " by ()",     " without (s)",           " without (k, m)",
        " by (s, k, msg)", " without ()", " by (p, m)", " by (s_extracted, env)",
    };
    sk_strbuf_puts(out, PICK(g, list));
}

static void range(struct gen *g, struct sk_strbuf *out)
{
    static const char *const ranges[] = {"[10s]", "[1s]", "[500ms]", "[1m]", "[7s]", "[3m]"};
    static const char *const offsets[] = {"", "", "", " offset 3s", " offset -2s", ""};
    sk_strbuf_puts(out, PICK(g, ranges));
    sk_strbuf_puts(out, PICK(g, offsets));
}

static void plain_range(struct gen *g, struct sk_strbuf *out)
{
    static const char *const ops[] = {"count_over_time", "rate",
                                      "bytes_over_time", "bytes_rate",
                                      "count_over_time", "absent_over_time"};
    sk_strbuf_printf(out, "%s(", PICK(g, ops));
    gen_log_query(g, out);
    sk_strbuf_putc(out, ' ');
    range(g, out);
    sk_strbuf_putc(out, ')');
}

static void unwrap_range(struct gen *g, struct sk_strbuf *out)
{
    static const char *const ops[] = {"sum_over_time",      "avg_over_time",
                                      "min_over_time",      "max_over_time",
                                      "stddev_over_time",   "stdvar_over_time",
                                      "first_over_time",    "last_over_time",
                                      "quantile_over_time", "rate"};
    static const char *const unwraps[] = {"v",        "v", "duration(d)",
                                          "bytes(b)", "v", "duration_seconds(d)"};
    static const char *const params[] = {"0.5", "0.99", "0", "1"};
    unsigned op = gen_pick(g, SK_COUNT_OF(ops));
    sk_strbuf_printf(out, "%s(", ops[op]);
    if (op == 8)
        sk_strbuf_printf(out, "%s, ", PICK(g, params));
    gen_log_query(g, out);
    sk_strbuf_printf(out, " | unwrap %s", PICK(g, unwraps));
    if (gen_pick(g, 3) == 1)
        sk_strbuf_puts(out, gen_pick(g, 2) ? " | __error__=``" : " | v > 3");
    sk_strbuf_putc(out, ' ');
    range(g, out);
    sk_strbuf_putc(out, ')');
    if (op != 0 && op != 9 && gen_pick(g, 2) == 1)
        grouping(g, out);
}

static void leaf(struct gen *g, struct sk_strbuf *out)
{
    if (gen_pick(g, 2) == 1)
        unwrap_range(g, out);
    else
        plain_range(g, out);
}

static void expr(struct gen *g, struct sk_strbuf *out, unsigned depth);

static void vector_agg(struct gen *g, struct sk_strbuf *out, unsigned depth)
{
    static const char *const ops[] = {"sum",    "sum",    "avg",  "min",     "max",  "count",
                                      "stddev", "stdvar", "topk", "bottomk", "sort", "sort_desc"};
    unsigned op = gen_pick(g, SK_COUNT_OF(ops));
    sk_strbuf_puts(out, ops[op]);
    if (op < 10 && gen_pick(g, 2) == 1)
        grouping(g, out);
    sk_strbuf_puts(out, op == 8 || op == 9 ? "(2, " : "(");
    expr(g, out, depth + 1);
    sk_strbuf_putc(out, ')');
}

static void binary(struct gen *g, struct sk_strbuf *out, unsigned depth)
{
    static const char *const ops[] = {
        "+",  "-", "*",  "/",   "%",  "^",      "==",     "!=",     ">",
        ">=", "<", "<=", "and", "or", "unless", "> bool", "== bool"};
    static const char *const numbers[] = {"2", "0", "1.5", "1"};
    static const char *const matches[] = {"",       " on (k)", " ignoring (s)",
                                          " on ()", "",        " on (s, k)"};
    static const char *const many[] = {"", " group_left ()", " group_right (m)",
                                       " group_left (s, p)"};
    const char *op = PICK(g, ops);
    bool set = op[0] == 'a' || op[0] == 'o' || op[0] == 'u';
    sk_strbuf_putc(out, '(');
    expr(g, out, depth + 1);
    sk_strbuf_printf(out, " %s", op);
    if (!set && gen_pick(g, 2) == 0) {
        sk_strbuf_printf(out, " %s)", PICK(g, numbers));
        return;
    }
    const char *match = PICK(g, matches);
    sk_strbuf_puts(out, match);
    if (g->whole && !set && match[0] != '\0')
        sk_strbuf_puts(out, PICK(g, many));
    sk_strbuf_putc(out, ' ');
    expr(g, out, depth + 1);
    sk_strbuf_putc(out, ')');
}

static void rare_expr(struct gen *g, struct sk_strbuf *out, unsigned depth)
{
    unsigned how = gen_pick(g, 4);
    if (how == 0) {
        sk_strbuf_puts(out, "label_replace(");
        expr(g, out, depth + 1);
        sk_strbuf_puts(out, ", \"dst\", \"$1\\t\", \"s\", `(.*)\"`)");
    } else if (how == 1) {
        sk_strbuf_puts(out, "vector(2.5)");
    } else if (how == 2) {
        sk_strbuf_puts(out, "approx_topk(7, ");
        expr(g, out, depth + 1);
        sk_strbuf_putc(out, ')');
    } else {
        sk_strbuf_puts(out, "rate_counter(");
        gen_log_query(g, out);
        sk_strbuf_puts(out, " | unwrap v [1h30m] offset 1h2m3s)");
    }
}

static void expr(struct gen *g, struct sk_strbuf *out, unsigned depth)
{
    unsigned how = depth >= 3 ? 0 : gen_pick(g, g->whole ? 8 : 6);
    if (how >= 6)
        rare_expr(g, out, depth);
    else if (how < 2)
        leaf(g, out);
    else if (how < 4)
        vector_agg(g, out, depth);
    else
        binary(g, out, depth);
}

void gen_metric_query(struct gen *g, struct sk_strbuf *out)
{
    expr(g, out, 0);
}
