/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_exec.c -- runs a template: walks its blocks and prints what actions come to. Templates of
 * texts and fields only are joined from their pieces instead. */
#include <stdarg.h>
#include <stdio.h>

#include "base/gotext.h"
#include "logql/tmpl_int.h"

/* The variables of all running templates together. */
enum { VARS_MAX = 65536 };

/* How a block ended. */
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAILED };

/* ---- failing ---- */

bool sk_tmpl_no_memory(struct sk_tmpl_exec *x)
{
    x->failed = x->no_memory = true;
    return false;
}

/* "line:1:2" of the node: line from 1, byte of the line from 0. */
static void location_print(struct sk_strbuf *b, const struct sk_tmpl *t, size_t pos)
{
    unsigned line = 1;
    size_t column = pos;
    for (size_t i = 0; i < pos && i < t->text.len; i++) {
        if (t->text.ptr[i] == '\n') {
            line++;
            column = pos - i - 1;
        }
    }
    sk_strbuf_str(b, t->name);
    sk_strbuf_printf(b, ":%u:%zu", line, column);
}

bool sk_tmpl_fail_str(struct sk_tmpl_exec *x, struct sk_str message)
{
    struct sk_strbuf b;
    if (x->failed)
        return false;
    x->failed = true;
    sk_strbuf_init(&b, SK_TMPL_TEXT_BYTES_MAX);
    sk_strbuf_puts(&b, "template: ");
    location_print(&b, x->tmpl, x->node->pos);
    sk_strbuf_puts(&b, ": executing ");
    sk_go_quote(&b, x->tree->name);
    sk_strbuf_puts(&b, " at <");
    sk_tmpl_node_print(&b, x->node);
    sk_strbuf_puts(&b, ">: ");
    sk_strbuf_str(&b, message);
    x->error = b.failed ? (struct sk_str){NULL, 0} : sk_arena_str(x->arena, sk_strbuf_view(&b));
    x->no_memory = x->error.ptr == NULL;
    sk_strbuf_deinit(&b);
    return false;
}

bool sk_tmpl_fail(struct sk_tmpl_exec *x, const char *fmt, ...)
{
    char small[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    if (n < 0)
        return sk_tmpl_no_memory(x);
    if ((size_t)n < sizeof(small))
        return sk_tmpl_fail_str(x, (struct sk_str){small, (size_t)n});
    char *large = sk_arena_alloc(x->arena, (size_t)n + 1);
    if (large == NULL)
        return sk_tmpl_no_memory(x);
    va_start(ap, fmt);
    (void)vsnprintf(large, (size_t)n + 1, fmt, ap); /* measured just above */
    va_end(ap);
    return sk_tmpl_fail_str(x, (struct sk_str){large, (size_t)n});
}

bool sk_tmpl_work(struct sk_tmpl_exec *x, uint64_t bytes)
{
    x->steps += 1 + bytes / SK_TMPL_STEP_BYTES;
    if (x->steps <= SK_TMPL_STEPS_MAX)
        return true;
    return sk_tmpl_fail(x, "more than %u steps", SK_TMPL_STEPS_MAX);
}

/* ---- variables ---- */

bool sk_tmpl_push(struct sk_tmpl_exec *x, struct sk_str name, struct sk_tv value)
{
    if (x->var_count == x->var_cap) {
        size_t cap = x->var_cap == 0 ? 16 : x->var_cap * 2;
        struct sk_tmpl_var *grown =
            cap > VARS_MAX ? NULL : sk_arena_calloc(x->arena, cap, sizeof(*grown));
        if (grown == NULL)
            return sk_tmpl_no_memory(x);
        if (x->var_count > 0)
            memcpy(grown, x->vars, x->var_count * sizeof(*grown));
        x->vars = grown;
        x->var_cap = cap;
    }
    x->vars[x->var_count++] = (struct sk_tmpl_var){name, value};
    return true;
}

bool sk_tmpl_set(struct sk_tmpl_exec *x, struct sk_str name, struct sk_tv value)
{
    for (size_t i = x->var_count; i > x->var_base; i--) {
        if (sk_str_eq(x->vars[i - 1].name, name)) {
            x->vars[i - 1].value = value;
            return true;
        }
    }
    return sk_tmpl_fail(x, "undefined variable: %.*s", SK_STR_ARG(name));
}

/* ---- blocks ---- */

static enum flow walk_list(struct sk_tmpl_exec *x, struct sk_tv dot,
                           const struct sk_tmpl_node *list);

static bool print_value(struct sk_tmpl_exec *x, struct sk_tv v)
{
    if (v.type == SK_TV_STRING)
        sk_strbuf_str(x->out, v.u.s);
    else if (v.type == SK_TV_NONE)
        sk_strbuf_puts(x->out, "<no value>");
    else
        sk_tmpl_print(x, x->out, &v, 1);
    return !x->failed;
}

static enum flow walk_action(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *n)
{
    struct sk_tv v;
    if (!sk_tmpl_eval_pipe(x, dot, n->of, &v))
        return FLOW_FAILED;
    x->node = n;
    return n->of->decl_count > 0 || print_value(x, v) ? FLOW_ON : FLOW_FAILED;
}

static enum flow walk_branch(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *n)
{
    size_t mark = x->var_count;
    struct sk_tv v;
    bool truth;
    enum flow flow = FLOW_ON;
    if (!sk_tmpl_eval_pipe(x, dot, n->of, &v) || !sk_tmpl_truth(x, v, &truth))
        return FLOW_FAILED;
    if (truth)
        flow = walk_list(x, n->kind == SK_TNODE_WITH ? v : dot, n->list);
    else if (n->else_list != NULL)
        flow = walk_list(x, dot, n->else_list);
    x->var_count = mark;
    return flow;
}

/* ---- range ---- */

struct loop {
    const struct sk_tmpl_node *node;
    size_t mark;
    enum flow flow;
};

static bool loop_vars(struct sk_tmpl_exec *x, const struct sk_tmpl_node *pipe, struct sk_tv index,
                      struct sk_tv elem)
{
    const struct sk_tmpl_node *first = pipe->decls;
    if (pipe->decl_count == 0)
        return true;
    if (!pipe->assigns) { /* the topmost variables are the loop's */
        x->vars[x->var_count - 1].value = elem;
        if (pipe->decl_count > 1)
            x->vars[x->var_count - 2].value = index;
        return true;
    }
    if (pipe->decl_count == 1)
        return sk_tmpl_set(x, first->idents[0].text, elem);
    return sk_tmpl_set(x, first->idents[0].text, index) &&
           sk_tmpl_set(x, first->next->idents[0].text, elem);
}

/* false: the loop is over, as l->flow says. */
static bool loop_once(struct sk_tmpl_exec *x, struct loop *l, struct sk_tv index, struct sk_tv elem)
{
    l->flow = FLOW_FAILED;
    if (!sk_tmpl_work(x, 0) || !loop_vars(x, l->node->of, index, elem))
        return false;
    l->flow = walk_list(x, elem, l->node->list);
    x->var_count = l->mark;
    if (l->flow == FLOW_CONTINUE)
        l->flow = FLOW_ON;
    return l->flow == FLOW_ON;
}

static void loop_labels(struct sk_tmpl_exec *x, struct loop *l, size_t *ret_count)
{
    struct sk_labelset labels;
    if (!sk_tmpl_labels(x, &labels)) {
        l->flow = FLOW_FAILED;
        return;
    }
    *ret_count = labels.count;
    for (size_t i = 0; i < labels.count; i++) {
        if (!loop_once(x, l, sk_tv_str(labels.items[i].name), sk_tv_str(labels.items[i].value)))
            return;
    }
}

static void loop_map(struct sk_tmpl_exec *x, struct loop *l, const struct sk_tv_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        if (!loop_once(x, l, sk_tv_str(map->items[i].key), map->items[i].value))
            return;
    }
}

static void loop_list(struct sk_tmpl_exec *x, struct loop *l, const struct sk_tv_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!loop_once(x, l, sk_tv_int(SK_TV_INT, (int64_t)i), list->items[i]))
            return;
    }
}

/* What a value looks like in a message. */
static bool fail_about(struct sk_tmpl_exec *x, const char *before, struct sk_tv v,
                       const char *after)
{
    struct sk_strbuf *b = &x->in->scratch->text;
    sk_strbuf_reset(b);
    sk_strbuf_puts(b, before);
    sk_tmpl_print(x, b, &v, 1);
    sk_strbuf_puts(b, after);
    struct sk_str message = sk_arena_str(x->arena, sk_strbuf_view(b));
    return message.ptr == NULL ? sk_tmpl_no_memory(x) : sk_tmpl_fail_str(x, message);
}

static void loop_count(struct sk_tmpl_exec *x, struct loop *l, struct sk_tv n)
{
    struct sk_tv none = {.type = SK_TV_NONE};
    if (l->node->of->decl_count > 1) {
        (void)fail_about(x, "can't use ", n, " to iterate over more than one variable");
        l->flow = FLOW_FAILED;
        return;
    }
    for (int64_t i = 0; i < n.u.i; i++) {
        if (!loop_once(x, l, none, sk_tv_int(n.type, i)))
            return;
    }
}

static enum flow walk_range(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *n)
{
    struct loop l = {n, 0, FLOW_ON};
    size_t mark = x->var_count, count = 0;
    struct sk_tv v;
    if (!sk_tmpl_eval_pipe(x, dot, n->of, &v))
        return FLOW_FAILED;
    l.mark = x->var_count;
    if (v.type == SK_TV_LABELS) {
        loop_labels(x, &l, &count);
    } else if (v.type == SK_TV_MAP) {
        count = v.u.map->count;
        loop_map(x, &l, v.u.map);
    } else if (v.type == SK_TV_LIST) {
        count = v.u.list->count;
        loop_list(x, &l, v.u.list);
    } else if (sk_tv_counts(v.type)) {
        count = v.u.i > 0;
        loop_count(x, &l, v);
    } else if (v.type != SK_TV_NONE) {
        (void)fail_about(x, "range can't iterate over ", v, "");
        return FLOW_FAILED;
    }
    if (count == 0 && l.flow == FLOW_ON && n->else_list != NULL)
        l.flow = walk_list(x, dot, n->else_list);
    else if (l.flow == FLOW_BREAK)
        l.flow = FLOW_ON;
    x->var_count = mark;
    return l.flow;
}

/* ---- templates ---- */

static bool depth_left(struct sk_tmpl_exec *x)
{
    return x->depth < SK_TMPL_DEPTH_MAX ||
           sk_tmpl_fail(x, "exceeded maximum template depth (%d)", SK_TMPL_DEPTH_MAX);
}

/* No variables but the dollar come along. */
static enum flow walk_template(struct sk_tmpl_exec *x, struct sk_tv dot,
                               const struct sk_tmpl_node *n)
{
    const struct sk_tmpl_tree *tree = sk_tmpl_find(x->tmpl, n->value), *caller = x->tree;
    struct sk_tv v = {.type = SK_TV_NONE};
    if (tree == NULL) {
        struct sk_strbuf *b = &x->in->scratch->text;
        sk_strbuf_reset(b);
        sk_go_quote(b, n->value);
        (void)sk_tmpl_fail(x, "template %.*s not defined", SK_STR_ARG(sk_strbuf_view(b)));
        return FLOW_FAILED;
    }
    if (!depth_left(x) || (n->of != NULL && !sk_tmpl_eval_pipe(x, dot, n->of, &v)))
        return FLOW_FAILED;
    size_t base = x->var_base, mark = x->var_count;
    x->var_base = mark;
    x->tree = tree;
    if (!sk_tmpl_push(x, SK_STR("$"), v))
        return FLOW_FAILED;
    enum flow flow = walk_list(x, v, tree->root);
    if (flow != FLOW_FAILED)
        x->tree = caller;
    x->var_base = base;
    x->var_count = mark;
    return flow;
}

static enum flow walk(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *n)
{
    x->node = n;
    switch ((int)n->kind) {
    case SK_TNODE_TEXT:
        sk_strbuf_str(x->out, n->value);
        return FLOW_ON;
    case SK_TNODE_ACTION:
        return walk_action(x, dot, n);
    case SK_TNODE_IF:
    case SK_TNODE_WITH:
        return walk_branch(x, dot, n);
    case SK_TNODE_RANGE:
        return walk_range(x, dot, n);
    case SK_TNODE_TEMPLATE:
        return walk_template(x, dot, n);
    case SK_TNODE_BREAK:
        return FLOW_BREAK;
    default:
        return FLOW_CONTINUE; /* the parser makes no other */
    }
}

static enum flow walk_list(struct sk_tmpl_exec *x, struct sk_tv dot,
                           const struct sk_tmpl_node *list)
{
    enum flow flow = FLOW_ON;
    if (!depth_left(x))
        return FLOW_FAILED;
    x->depth++;
    for (const struct sk_tmpl_node *n = list->first; n != NULL && flow == FLOW_ON; n = n->next) {
        if (!sk_tmpl_work(x, 0))
            flow = FLOW_FAILED;
        else
            flow = walk(x, dot, n);
        if (flow == FLOW_ON && x->out->failed) {
            x->node = n;
            (void)sk_tmpl_fail(x, "the result is longer than %u bytes", SK_TMPL_TEXT_BYTES_MAX);
            flow = FLOW_FAILED;
        }
    }
    x->depth--;
    return flow;
}

/* ---- the whole ---- */

static enum sk_tmpl_verdict pieces_join(const struct sk_tmpl *t, const struct sk_tmpl_input *in,
                                        struct sk_str *ret)
{
    size_t len = 0, at = 0;
    if (t->piece_count == 1) {
        const struct sk_tmpl_piece *p = &t->pieces[0];
        *ret = p->is_text ? p->text : in->values[p->name];
        return SK_TMPL_DONE;
    }
    for (size_t i = 0; i < t->piece_count; i++) {
        const struct sk_tmpl_piece *p = &t->pieces[i];
        len += p->is_text ? p->text.len : in->values[p->name].len;
    }
    char *out = sk_arena_alloc(in->arena, len + 1); /* texts in memory: no overflow */
    if (out == NULL)
        return SK_TMPL_NO_MEMORY;
    for (size_t i = 0; i < t->piece_count; i++) {
        const struct sk_tmpl_piece *p = &t->pieces[i];
        struct sk_str s = p->is_text ? p->text : in->values[p->name];
        if (s.len > 0)
            memcpy(out + at, s.ptr, s.len);
        at += s.len;
    }
    *ret = (struct sk_str){out, len};
    return SK_TMPL_DONE;
}

enum sk_tmpl_verdict sk_tmpl_execute(const struct sk_tmpl *t, const struct sk_tmpl_input *in,
                                     struct sk_str *ret_text)
{
    if (t->pieces != NULL)
        return pieces_join(t, in, ret_text);
    struct sk_tmpl_exec x = {.tmpl = t,
                             .in = in,
                             .arena = in->arena,
                             .out = &in->scratch->out,
                             .tree = t->root,
                             .node = t->root->root};
    struct sk_tv dot = {.type = SK_TV_LABELS};
    sk_strbuf_reset(x.out);
    if (sk_tmpl_push(&x, SK_STR("$"), dot))
        (void)walk_list(&x, dot, t->root->root); /* x.failed tells */
    if (!x.failed) {
        *ret_text = sk_arena_str(x.arena, sk_strbuf_view(x.out));
        x.no_memory = ret_text->ptr == NULL;
    }
    if (x.no_memory)
        return SK_TMPL_NO_MEMORY;
    if (!x.failed)
        return SK_TMPL_DONE;
    *ret_text = x.error;
    return SK_TMPL_FAILED;
}

void sk_tmpl_scratch_init(struct sk_tmpl_scratch *s)
{
    *s = (struct sk_tmpl_scratch){.regexes = NULL};
    sk_strbuf_init(&s->out, SK_TMPL_TEXT_BYTES_MAX);
    sk_strbuf_init(&s->text, SK_TMPL_TEXT_BYTES_MAX);
    sk_strbuf_init(&s->part, SK_TMPL_TEXT_BYTES_MAX);
    sk_strbuf_init(&s->number, SK_TMPL_TEXT_BYTES_MAX);
}

void sk_tmpl_scratch_deinit(struct sk_tmpl_scratch *s)
{
    sk_strbuf_deinit(&s->out);
    sk_strbuf_deinit(&s->text);
    sk_strbuf_deinit(&s->part);
    sk_strbuf_deinit(&s->number);
    sk_tmpl_regexes_release(s);
    sk_tmpl_zones_release(s);
}
