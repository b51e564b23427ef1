/* SPDX-License-Identifier: Apache-2.0 */
/* rule_print.c -- rules as YAML, in the form of Go's yaml.v3, which clients compare texts with:
 * steps of four columns, lists indented, texts plain where they may be, those of several lines as
 * blocks. */
#include "base/gotext.h"
#include "base/utf8.h"
#include "config/yaml_node.h"
#include "ruler/rule.h"

/* ---- texts ---- */

/* The column of what is below a key in column `col`. */
static size_t below(size_t col)
{
    return (col + 4) / 4 * 4;
}

static void blanks(struct sk_strbuf *out, size_t count)
{
    while (count-- > 0)
        sk_strbuf_putc(out, ' ');
}

static bool rune_prints(uint32_t r)
{
    return (r >= 0x20 && r < 0x7f) || (r >= 0xa0 && r < 0xd800 && r != 0x2028 && r != 0x2029) ||
           (r >= 0xe000 && r <= 0xfffd && r != 0xfeff) || r >= 0x10000;
}

/* What the whole text holds. */
struct look {
    bool special; /* something that only double quotes can carry */
    bool newline;
    bool blank_newline; /* a blank before a newline or the end, or a first one */
};

static struct look look_at(struct sk_str s)
{
    struct look l = {.special = false};
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        bool last = i + width == s.len;
        if (r == '\n')
            l.newline = true;
        else if (!rune_prints(r) || (r == SK_RUNE_ERROR && width == 1))
            l.special = true;
        if (r == ' ' && (i == 0 || last || s.ptr[i + 1] == '\n'))
            l.blank_newline = true;
        i += width;
    }
    return l;
}

static bool is_blank_or_end(struct sk_str s, size_t i)
{
    return i >= s.len || s.ptr[i] == ' ';
}

/* One line of printable characters, no blank at either end: may it stand without quotes? */
static bool may_be_plain(struct sk_str s)
{
    struct sk_config_node node = {.text = s};
    struct sk_value v;
    if (s.len == 0 || sk_scalar_resolve(&node, &v) != SK_SCALAR_STR ||
        memchr("#,[]{}&*!|>'\"%@`", s.ptr[0], 17) != NULL || sk_str_is(s, "<<") ||
        sk_str_is(s, "=") || sk_str_starts(s, SK_STR("---")) || sk_str_starts(s, SK_STR("...")))
        return false;
    if (memchr("-?:", s.ptr[0], 3) != NULL && is_blank_or_end(s, 1))
        return false;
    for (size_t i = 1; i < s.len; i++) {
        if ((s.ptr[i] == ':' && is_blank_or_end(s, i + 1)) ||
            (s.ptr[i] == '#' && s.ptr[i - 1] == ' '))
            return false;
    }
    return true;
}

static void put_single(struct sk_strbuf *out, struct sk_str s)
{
    sk_strbuf_putc(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\'')
            sk_strbuf_putc(out, '\'');
        sk_strbuf_putc(out, s.ptr[i]);
    }
    sk_strbuf_putc(out, '\'');
}

static void put_double(struct sk_strbuf *out, struct sk_str s)
{
    sk_strbuf_putc(out, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        if (r == '"' || r == '\\')
            sk_strbuf_printf(out, "\\%c", (char)r);
        else if (r == '\n' || r == '\t' || r == '\r')
            sk_strbuf_printf(out, "\\%c", r == '\n' ? 'n' : r == '\t' ? 't' : 'r');
        else if (rune_prints(r) && !(r == SK_RUNE_ERROR && width == 1))
            sk_strbuf_add(out, s.ptr + i, width);
        else if (r < 0x100)
            sk_strbuf_printf(out, "\\x%02X", r);
        else
            sk_strbuf_printf(out, "\\u%04X", r);
        i += width;
    }
    sk_strbuf_putc(out, '"');
}

/* A block of lines in column `col`. */
static void put_block(struct sk_strbuf *out, struct sk_str s, size_t col)
{
    bool ends = s.ptr[s.len - 1] == '\n';
    bool more = ends && (s.len == 1 || s.ptr[s.len - 2] == '\n');
    sk_strbuf_puts(out, more ? "|+" : ends ? "|" : "|-");
    while (s.len > 0) {
        size_t n = sk_str_find(s, SK_STR("\n"), 0);
        struct sk_str line = {s.ptr, n == SIZE_MAX ? s.len : n};
        sk_strbuf_putc(out, '\n');
        if (line.len > 0)
            blanks(out, col);
        sk_strbuf_str(out, line);
        n = n == SIZE_MAX ? s.len : n + 1;
        s = (struct sk_str){s.ptr + n, s.len - n};
    }
}

/* A value whose key stands in column `col`; `key`: it is a key itself. */
static void put_text(struct sk_strbuf *out, struct sk_str s, size_t col, bool key)
{
    struct look l = look_at(s);
    struct sk_config_node node = {.text = s};
    struct sk_value v;
    bool text = s.len > 0 && sk_scalar_resolve(&node, &v) == SK_SCALAR_STR;
    if (l.newline && !l.special && !l.blank_newline && !key && s.ptr[0] != '\n')
        put_block(out, s, below(col));
    else if (l.special || l.newline || !text)
        put_double(out, s);
    else if (!l.blank_newline && may_be_plain(s))
        sk_strbuf_str(out, s);
    else
        put_single(out, s);
}

/* ---- members ---- */

/* Where the next key goes: behind "- " for the first of a list's element. */
struct place {
    struct sk_strbuf *out;
    size_t col;
    bool behind_dash;
};

static void put_key(struct place *p, const char *name)
{
    if (!p->behind_dash)
        blanks(p->out, p->col);
    p->behind_dash = false;
    sk_strbuf_printf(p->out, "%s:", name);
}

static void put_member(struct place *p, const char *name, struct sk_str value)
{
    put_key(p, name);
    sk_strbuf_putc(p->out, ' ');
    put_text(p->out, value, p->col, false);
    sk_strbuf_putc(p->out, '\n');
}

static void put_duration(struct place *p, const char *name, int64_t ns)
{
    put_key(p, name);
    sk_strbuf_putc(p->out, ' ');
    sk_prom_format_duration(p->out, ns);
    sk_strbuf_putc(p->out, '\n');
}

static void put_labels(struct place *p, const char *name, struct sk_labelset set)
{
    if (set.count == 0)
        return;
    put_key(p, name);
    sk_strbuf_putc(p->out, '\n');
    for (size_t i = 0; i < set.count; i++) {
        blanks(p->out, below(p->col));
        put_text(p->out, set.items[i].name, below(p->col), true);
        sk_strbuf_puts(p->out, ": ");
        put_text(p->out, set.items[i].value, below(p->col), false);
        sk_strbuf_putc(p->out, '\n');
    }
}

/* "- " in column `col`; what follows is in the column behind. */
static struct place element(struct sk_strbuf *out, size_t col)
{
    blanks(out, col);
    sk_strbuf_puts(out, "- ");
    return (struct place){out, col + 2, true};
}

static void put_rule(struct place p, const struct sk_rule *rule)
{
    if (rule->record.len > 0)
        put_member(&p, "record", rule->record);
    if (rule->alert.len > 0)
        put_member(&p, "alert", rule->alert);
    put_member(&p, "expr", rule->expr);
    if (rule->for_ns != 0)
        put_duration(&p, "for", rule->for_ns);
    if (rule->keep_firing_for_ns != 0)
        put_duration(&p, "keep_firing_for", rule->keep_firing_for_ns);
    put_labels(&p, "labels", rule->labels);
    put_labels(&p, "annotations", rule->annotations);
}

static void put_group(struct place p, const struct sk_rule_group *g)
{
    put_member(&p, "name", g->name);
    if (g->interval_ns != 0)
        put_duration(&p, "interval", g->interval_ns);
    if (g->has_query_offset)
        put_duration(&p, "query_offset", g->query_offset_ns);
    if (g->limit != 0) {
        put_key(&p, "limit");
        sk_strbuf_printf(p.out, " %lld\n", (long long)g->limit);
    }
    put_key(&p, "rules");
    sk_strbuf_puts(p.out, g->rules == NULL ? " []\n" : "\n");
    for (const struct sk_rule *r = g->rules; r != NULL; r = r->next)
        put_rule(element(p.out, below(p.col)), r);
    put_labels(&p, "labels", g->labels);
}

void sk_rule_group_print(struct sk_strbuf *out, const struct sk_rule_group *group)
{
    put_group((struct place){out, 0, false}, group);
}

void sk_rule_spaces_print(struct sk_strbuf *out, const struct sk_rule_space *spaces)
{
    for (const struct sk_rule_space *s = spaces; s != NULL; s = s->next) {
        put_text(out, s->name, 0, true);
        sk_strbuf_puts(out, s->groups == NULL ? ": []\n" : ":\n");
        for (const struct sk_rule_group *g = s->groups; g != NULL; g = g->next)
            put_group(element(out, below(0)), g);
    }
}
