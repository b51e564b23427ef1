/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_parse.c -- tokens to the tree, by the grammar of Go's text/template/parse and with its
 * messages. Templates defined inside share the token stream, but have look-ahead, variables and
 * line numbers of their own, which shows in messages. */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/gotext.h"
#include "base/utf8.h"
#include "labels/gore.h"
#include "labels/regex.h"
#include "logql/text_test.h"
#include "logql/tmpl_int.h"

struct variable {
    struct variable *next; /* the one declared before */
    struct sk_str name;
};

struct parser { /* of one template of the set */
    struct sk_arena *arena;
    struct sk_tmpl *tmpl;
    struct sk_tmpl_lex *lex;
    struct sk_error *reterr;
    struct sk_tmpl_token token[3]; /* look-ahead */
    int peek_count;
    struct variable *vars;
    unsigned action_line;
    unsigned range_depth;
    unsigned *depth; /* of nesting, all templates together */
    enum sk_err err;
};

/* ---- errors: the first one counts, and everything returns ---- */

static void out_of_memory(struct parser *p)
{
    if (p->err == SK_OK)
        p->err = sk_error_set(p->reterr, SK_ENOMEM, "out of memory");
}

static void fail(struct parser *p, const char *fmt, ...) SK_PRINTF(2, 3);
static void fail(struct parser *p, const char *fmt, ...)
{
    char message[SK_ERROR_TEXT_BYTES];
    va_list ap;
    if (p->err != SK_OK)
        return;
    if (p->lex->no_memory) {
        out_of_memory(p);
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap); /* cut when longer, as error texts are */
    va_end(ap);
    p->err = sk_error_set(p->reterr, SK_EPARSE, "template: %.*s:%u: %s", SK_STR_ARG(p->tmpl->name),
                          p->token[0].line, message);
}

/* The first `runes_max` runes. */
static struct sk_str cut_runes(struct sk_str s, size_t runes_max)
{
    size_t at = 0;
    for (; at < s.len && runes_max > 0; runes_max--) {
        unsigned width;
        (void)sk_utf8_decode(s.ptr + at, s.len - at, &width); /* only the width matters */
        at += width;
    }
    return (struct sk_str){s.ptr, at};
}

static void token_print(struct sk_strbuf *out, struct sk_tmpl_token t)
{
    if (t.kind == SK_TTOK_EOF) {
        sk_strbuf_puts(out, "EOF");
    } else if (t.kind == SK_TTOK_ERROR) {
        sk_strbuf_str(out, t.text);
    } else if (t.kind > SK_TTOK_KEYWORD) {
        sk_strbuf_printf(out, "<%.*s>", SK_STR_ARG(t.text));
    } else {
        sk_go_quote(out, t.text.len > 10 ? cut_runes(t.text, 10) : t.text);
        if (t.text.len > 10)
            sk_strbuf_puts(out, "...");
    }
}

static void unexpected(struct parser *p, struct sk_tmpl_token t, const char *context)
{
    struct sk_strbuf b;
    sk_strbuf_init(&b, SK_ERROR_TEXT_BYTES);
    token_print(&b, t);
    struct sk_str shown = sk_strbuf_view(&b);
    if (t.kind != SK_TTOK_ERROR)
        fail(p, "unexpected %.*s in %s", SK_STR_ARG(shown), context);
    else if (p->action_line == 0 || p->action_line == t.line)
        fail(p, "%.*s", SK_STR_ARG(shown));
    else
        fail(p, "%.*s%s started at %.*s:%u", SK_STR_ARG(shown),
             sk_str_ends(t.text, SK_STR(" action")) ? "" : " in action", SK_STR_ARG(p->tmpl->name),
             p->action_line);
    sk_strbuf_deinit(&b);
}

static void fail_quoted(struct parser *p, const char *before, struct sk_str text, const char *after)
{
    struct sk_strbuf b;
    sk_strbuf_init(&b, SK_ERROR_TEXT_BYTES);
    sk_go_quote(&b, text);
    fail(p, "%s%.*s%s", before, SK_STR_ARG(sk_strbuf_view(&b)), after);
    sk_strbuf_deinit(&b);
}

/* ---- look-ahead ---- */

static struct sk_tmpl_token next(struct parser *p)
{
    if (p->peek_count > 0)
        p->peek_count--;
    else
        p->token[0] = sk_tmpl_lex_next(p->lex);
    return p->token[p->peek_count];
}

static void backup(struct parser *p)
{
    p->peek_count++;
    sk_assert(p->peek_count <= 3);
}

static struct sk_tmpl_token peek(struct parser *p)
{
    struct sk_tmpl_token t = next(p);
    backup(p);
    return t;
}

static struct sk_tmpl_token next_non_space(struct parser *p)
{
    struct sk_tmpl_token t;
    do
        t = next(p);
    while (t.kind == SK_TTOK_SPACE);
    return t;
}

static struct sk_tmpl_token peek_non_space(struct parser *p)
{
    struct sk_tmpl_token t = next_non_space(p);
    backup(p);
    return t;
}

static struct sk_tmpl_token expect(struct parser *p, enum sk_tmpl_tok kind, const char *context)
{
    struct sk_tmpl_token t = next_non_space(p);
    if (t.kind != kind)
        unexpected(p, t, context);
    return t;
}

/* ---- nodes ---- */

static struct sk_tmpl_node *node_new(struct parser *p, enum sk_tmpl_kind kind, size_t pos)
{
    struct sk_tmpl_node *n = sk_arena_calloc(p->arena, 1, sizeof(*n));
    if (n == NULL) {
        out_of_memory(p);
        return NULL;
    }
    n->kind = kind;
    n->pos = pos;
    return n;
}

static void node_append(struct sk_tmpl_node *list, struct sk_tmpl_node *n)
{
    if (list->last == NULL)
        list->first = n;
    else
        list->last->next = n;
    list->last = n;
    list->count++;
}

static bool nest(struct parser *p)
{
    if (*p->depth >= SK_TMPL_DEPTH_MAX) {
        fail(p, "max expression depth exceeded");
        return false;
    }
    ++*p->depth;
    return true;
}

/* The index of a name in what sk_tmpl_names() gives. */
static size_t name_index(struct parser *p, struct sk_str name)
{
    struct sk_tmpl *t = p->tmpl;
    for (size_t i = 0; i < t->name_count; i++) {
        if (sk_str_eq(t->names[i], name))
            return i;
    }
    if (t->name_count == t->name_cap) {
        size_t cap = t->name_cap == 0 ? 8 : t->name_cap * 2;
        struct sk_str *grown = sk_arena_calloc(p->arena, cap, sizeof(*grown));
        if (grown == NULL) {
            out_of_memory(p);
            return 0;
        }
        if (t->name_count > 0)
            memcpy(grown, t->names, t->name_count * sizeof(*grown));
        t->names = grown;
        t->name_cap = cap;
    }
    t->names[t->name_count] = name;
    return t->name_count++;
}

/* Appends a token ".name" (or the "$name" of a variable) to the node's identifiers. */
static void ident_append(struct parser *p, struct sk_tmpl_node *n, struct sk_str text)
{
    struct sk_tmpl_ident *grown =
        sk_arena_calloc(p->arena, n->ident_count + 1, sizeof(*grown)); /* chains are short */
    if (grown == NULL) {
        out_of_memory(p);
        return;
    }
    if (n->ident_count > 0)
        memcpy(grown, n->idents, n->ident_count * sizeof(*grown));
    n->idents = grown;
    if (text.ptr[0] == '.') {
        text.ptr++;
        text.len--;
        grown[n->ident_count].name = name_index(p, text);
    }
    grown[n->ident_count++].text = text;
}

/* ---- variables ---- */

static void var_add(struct parser *p, struct sk_str name)
{
    struct variable *v = sk_arena_alloc(p->arena, sizeof(*v));
    if (v == NULL) {
        out_of_memory(p);
        return;
    }
    *v = (struct variable){p->vars, name};
    p->vars = v;
}

static bool var_known(const struct parser *p, struct sk_str name)
{
    for (const struct variable *v = p->vars; v != NULL; v = v->next) {
        if (sk_str_eq(v->name, name))
            return true;
    }
    return false;
}

/* ---- operands ---- */

static struct sk_tmpl_node *pipeline(struct parser *p, const char *context, enum sk_tmpl_tok end);

static struct sk_tmpl_node *identifier(struct parser *p, struct sk_tmpl_token t)
{
    struct sk_tmpl_node *n = node_new(p, SK_TNODE_IDENTIFIER, t.pos);
    if (n == NULL)
        return NULL;
    n->text = t.text;
    n->func = sk_tmpl_func_find(t.text);
    if (n->func == NULL)
        fail_quoted(p, "function ", t.text, " not defined");
    else
        p->tmpl->tells_time |= sk_tmpl_func_tells_time(n->func);
    return n;
}

static struct sk_tmpl_node *variable(struct parser *p, struct sk_tmpl_token t)
{
    struct sk_tmpl_node *n = node_new(p, SK_TNODE_VARIABLE, t.pos);
    if (n == NULL)
        return NULL;
    ident_append(p, n, t.text);
    if (!var_known(p, t.text))
        fail_quoted(p, "undefined variable ", t.text, "");
    return n;
}

static struct sk_tmpl_node *number(struct parser *p, struct sk_tmpl_token t)
{
    struct sk_tmpl_node *n = node_new(p, SK_TNODE_NUMBER, t.pos);
    if (n == NULL)
        return NULL;
    n->text = t.text;
    const char *wrong = sk_tmpl_number_parse(p->arena, t.text, t.kind, &n->number);
    if (wrong != NULL)
        fail(p, "%s", wrong);
    return n;
}

static struct sk_tmpl_node *string(struct parser *p, struct sk_tmpl_token t)
{
    struct sk_tmpl_node *n = node_new(p, SK_TNODE_STRING, t.pos);
    if (n == NULL)
        return NULL;
    n->text = t.text;
    if (!sk_tmpl_unquote(p->arena, t.text, &n->value))
        fail(p, "invalid syntax");
    else if (n->value.ptr == NULL)
        out_of_memory(p);
    return n;
}

static struct sk_tmpl_node *field(struct parser *p, struct sk_tmpl_token t)
{
    struct sk_tmpl_node *n = node_new(p, SK_TNODE_FIELD, t.pos);
    if (n != NULL)
        ident_append(p, n, t.text);
    return n;
}

static struct sk_tmpl_node *parenthesized(struct parser *p)
{
    if (!nest(p))
        return NULL;
    struct sk_tmpl_node *n = pipeline(p, "parenthesized pipeline", SK_TTOK_RIGHT_PAREN);
    --*p->depth;
    return n;
}

static struct sk_tmpl_node *simple(struct parser *p, enum sk_tmpl_kind kind, struct sk_tmpl_token t)
{
    struct sk_tmpl_node *n = node_new(p, kind, t.pos);
    if (n != NULL) {
        n->text = t.text;
        n->truth = sk_str_is(t.text, "true");
    }
    return n;
}

/* NULL: what comes is no operand, or it failed. */
static struct sk_tmpl_node *term(struct parser *p)
{
    struct sk_tmpl_token t = next_non_space(p);
    switch ((int)t.kind) {
    case SK_TTOK_IDENTIFIER:
        return identifier(p, t);
    case SK_TTOK_DOT:
        p->tmpl->reads_map = true;
        return simple(p, SK_TNODE_DOT, t);
    case SK_TTOK_NIL:
        return simple(p, SK_TNODE_NIL, t);
    case SK_TTOK_BOOL:
        return simple(p, SK_TNODE_BOOL, t);
    case SK_TTOK_VARIABLE:
        return variable(p, t);
    case SK_TTOK_FIELD:
        return field(p, t);
    case SK_TTOK_CHAR_CONSTANT:
    case SK_TTOK_COMPLEX:
    case SK_TTOK_NUMBER:
        return number(p, t);
    case SK_TTOK_LEFT_PAREN:
        return parenthesized(p);
    case SK_TTOK_STRING:
    case SK_TTOK_RAW_STRING:
        return string(p, t);
    default:
        backup(p);
        return NULL;
    }
}

static bool is_literal(enum sk_tmpl_kind kind)
{
    return kind == SK_TNODE_BOOL || kind == SK_TNODE_STRING || kind == SK_TNODE_NUMBER ||
           kind == SK_TNODE_NIL || kind == SK_TNODE_DOT;
}

/* term .Field* -- more fields of a field or a variable are the same node, at the first of them. */
static struct sk_tmpl_node *operand(struct parser *p)
{
    struct sk_tmpl_node *n = term(p);
    if (n == NULL || p->err != SK_OK)
        return NULL;
    struct sk_tmpl_token t = peek(p);
    if (t.kind != SK_TTOK_FIELD) {
        if (n->kind == SK_TNODE_VARIABLE)
            p->tmpl->reads_map = true; /* it may hold the dot */
        return n;
    }
    if (n->kind == SK_TNODE_FIELD || n->kind == SK_TNODE_VARIABLE) {
        n->pos = t.pos;
    } else {
        struct sk_tmpl_node *chain = node_new(p, SK_TNODE_CHAIN, t.pos);
        if (chain == NULL)
            return NULL;
        chain->of = n;
        n = chain;
    }
    while (p->err == SK_OK && peek(p).kind == SK_TTOK_FIELD)
        ident_append(p, n, next(p).text);
    if (n->kind == SK_TNODE_CHAIN && is_literal(n->of->kind))
        fail_quoted(p, "unexpected . after term ", n->of->text, "");
    return p->err == SK_OK ? n : NULL;
}

/* ---- commands and pipelines ---- */

/* Compiles a constant regular expression. One that does not compile is an error of each entry. */
static void pattern_add(struct parser *p, const struct sk_tmpl_node *command)
{
    const struct sk_tmpl_node *f = command->first, *arg = f->next;
    const struct sk_regex *regex;
    if (f->kind != SK_TNODE_IDENTIFIER || f->func == NULL || f->func->special != SK_TF_REGEX ||
        arg == NULL || arg->kind != SK_TNODE_STRING)
        return;
    enum sk_err err = sk_gore_check(p->arena, arg->value, NULL, NULL);
    if (err == SK_OK)
        err = sk_arena_regex(p->arena, arg->value, 0, &regex, NULL);
    if (err == SK_ENOMEM)
        out_of_memory(p);
    if (err != SK_OK)
        return;
    struct sk_tmpl_pattern *pattern = sk_arena_alloc(p->arena, sizeof(*pattern));
    if (pattern == NULL) {
        out_of_memory(p);
        return;
    }
    *pattern = (struct sk_tmpl_pattern){p->tmpl->patterns, arg->value, regex};
    p->tmpl->patterns = pattern;
}

static struct sk_tmpl_node *command(struct parser *p)
{
    struct sk_tmpl_node *cmd = node_new(p, SK_TNODE_COMMAND, peek_non_space(p).pos);
    while (p->err == SK_OK) {
        (void)peek_non_space(p); /* only to skip blanks */
        struct sk_tmpl_node *n = operand(p);
        if (p->err != SK_OK)
            return NULL;
        if (n != NULL)
            node_append(cmd, n);
        struct sk_tmpl_token t = next(p);
        if (t.kind == SK_TTOK_SPACE)
            continue;
        if (t.kind == SK_TTOK_RIGHT_DELIM || t.kind == SK_TTOK_RIGHT_PAREN)
            backup(p);
        else if (t.kind != SK_TTOK_PIPE)
            unexpected(p, t, "operand");
        break;
    }
    if (p->err == SK_OK && cmd->count == 0)
        fail(p, "empty command");
    if (p->err != SK_OK)
        return NULL;
    pattern_add(p, cmd);
    return cmd;
}

static void decl_add(struct parser *p, struct sk_tmpl_node *pipe, struct sk_tmpl_token t)
{
    struct sk_tmpl_node *v = node_new(p, SK_TNODE_VARIABLE, t.pos);
    if (v == NULL)
        return;
    ident_append(p, v, t.text);
    var_add(p, t.text);
    struct sk_tmpl_node **end = &pipe->decls;
    while (*end != NULL)
        end = &(*end)->next;
    *end = v;
    pipe->decl_count++;
}

/* "$x :=", "$x =", "$k, $v :=" in front of a pipeline. Blanks are tokens, so that "$x foo" takes
 * three tokens to be known as something else. */
static void declarations(struct parser *p, struct sk_tmpl_node *pipe, const char *context)
{
    for (;;) {
        struct sk_tmpl_token v = peek_non_space(p);
        if (v.kind != SK_TTOK_VARIABLE)
            return;
        (void)next(p); /* `v` */
        struct sk_tmpl_token after = peek(p), t = peek_non_space(p);
        if (t.kind == SK_TTOK_ASSIGN || t.kind == SK_TTOK_DECLARE) {
            pipe->assigns = t.kind == SK_TTOK_ASSIGN;
            (void)next_non_space(p); /* `t` */
            decl_add(p, pipe, v);
            return;
        }
        if (t.kind != SK_TTOK_CHAR || t.text.ptr[0] != ',') {
            p->token[1] = after.kind == SK_TTOK_SPACE ? after : v;
            p->token[2] = v;
            p->peek_count = after.kind == SK_TTOK_SPACE ? 3 : 2;
            return;
        }
        (void)next_non_space(p); /* the comma */
        decl_add(p, pipe, v);
        if (strcmp(context, "range") != 0 || pipe->decl_count >= 2) {
            fail(p, "too many declarations in %s", context);
            return;
        }
        enum sk_tmpl_tok k = peek_non_space(p).kind;
        if (k != SK_TTOK_VARIABLE && k != SK_TTOK_RIGHT_DELIM && k != SK_TTOK_RIGHT_PAREN) {
            fail(p, "range can only initialize variables");
            return;
        }
    }
}

static void pipeline_check(struct parser *p, const struct sk_tmpl_node *pipe, const char *context)
{
    unsigned stage = 2;
    if (pipe->first == NULL) {
        fail(p, "missing value for %s", context);
        return;
    }
    for (const struct sk_tmpl_node *c = pipe->first->next; c != NULL; c = c->next, stage++) {
        if (is_literal(c->first->kind)) {
            fail(p, "non executable command in pipeline stage %u", stage);
            return;
        }
    }
}

static bool begins_command(enum sk_tmpl_tok kind)
{
    switch ((int)kind) {
    case SK_TTOK_BOOL:
    case SK_TTOK_CHAR_CONSTANT:
    case SK_TTOK_COMPLEX:
    case SK_TTOK_DOT:
    case SK_TTOK_FIELD:
    case SK_TTOK_IDENTIFIER:
    case SK_TTOK_NUMBER:
    case SK_TTOK_NIL:
    case SK_TTOK_RAW_STRING:
    case SK_TTOK_STRING:
    case SK_TTOK_VARIABLE:
    case SK_TTOK_LEFT_PAREN:
        return true;
    default:
        return false;
    }
}

static struct sk_tmpl_node *pipeline(struct parser *p, const char *context, enum sk_tmpl_tok end)
{
    struct sk_tmpl_node *pipe = node_new(p, SK_TNODE_PIPE, peek_non_space(p).pos);
    if (pipe != NULL)
        declarations(p, pipe, context);
    while (p->err == SK_OK) {
        struct sk_tmpl_token t = next_non_space(p);
        if (t.kind == end) {
            pipeline_check(p, pipe, context);
            break;
        }
        if (!begins_command(t.kind)) {
            unexpected(p, t, context);
            break;
        }
        backup(p);
        struct sk_tmpl_node *cmd = command(p);
        if (cmd != NULL)
            node_append(pipe, cmd);
    }
    return p->err == SK_OK ? pipe : NULL;
}

/* ---- blocks ---- */

static struct sk_tmpl_node *text_or_action(struct parser *p);

/* Up to {{end}} or {{else}}, which is *ret_end. */
static struct sk_tmpl_node *item_list(struct parser *p, struct sk_tmpl_node **ret_end)
{
    struct sk_tmpl_node *list = node_new(p, SK_TNODE_LIST, peek_non_space(p).pos);
    while (p->err == SK_OK && peek_non_space(p).kind != SK_TTOK_EOF) {
        struct sk_tmpl_node *n = text_or_action(p);
        if (n == NULL)
            return NULL;
        if (n->kind == SK_TNODE_END || n->kind == SK_TNODE_ELSE) {
            *ret_end = n;
            return list;
        }
        node_append(list, n);
    }
    fail(p, "unexpected EOF");
    return NULL;
}

static struct sk_tmpl_node *control(struct parser *p, enum sk_tmpl_kind kind);

/* {{else if}} and {{else with}} are an else with an if inside whose {{end}} is the outer one's. */
static struct sk_tmpl_node *else_part(struct parser *p, enum sk_tmpl_kind kind,
                                      const struct sk_tmpl_node *at)
{
    struct sk_tmpl_node *list, *end;
    enum sk_tmpl_tok k = peek(p).kind;
    if ((kind == SK_TNODE_IF && k == SK_TTOK_IF) || (kind == SK_TNODE_WITH && k == SK_TTOK_WITH)) {
        (void)next(p); /* the keyword */
        list = node_new(p, SK_TNODE_LIST, at->pos);
        struct sk_tmpl_node *inner = list == NULL ? NULL : control(p, kind);
        if (inner == NULL)
            return NULL;
        node_append(list, inner);
        return list;
    }
    list = item_list(p, &end);
    if (list != NULL && end->kind != SK_TNODE_END)
        fail(p, "expected end; found {{else}}");
    return list;
}

static void control_body(struct parser *p, struct sk_tmpl_node *n, const char *context)
{
    struct sk_tmpl_node *end;
    n->of = pipeline(p, context, SK_TTOK_RIGHT_DELIM);
    if (n->of == NULL)
        return;
    n->pos = n->of->pos;
    p->range_depth += n->kind == SK_TNODE_RANGE;
    n->list = item_list(p, &end);
    p->range_depth -= n->kind == SK_TNODE_RANGE;
    if (n->list != NULL && end->kind == SK_TNODE_ELSE)
        n->else_list = else_part(p, n->kind, end);
}

static struct sk_tmpl_node *control(struct parser *p, enum sk_tmpl_kind kind)
{
    static const char *const contexts[] = {
        [SK_TNODE_IF] = "if", [SK_TNODE_WITH] = "with", [SK_TNODE_RANGE] = "range"};
    struct variable *vars = p->vars;
    struct sk_tmpl_node *n = node_new(p, kind, 0);
    if (n == NULL || !nest(p))
        return NULL;
    control_body(p, n, contexts[kind]);
    --*p->depth;
    p->vars = vars;
    return p->err == SK_OK ? n : NULL;
}

static struct sk_tmpl_node *loop_exit(struct parser *p, enum sk_tmpl_kind kind,
                                      struct sk_tmpl_token at)
{
    const char *name = kind == SK_TNODE_BREAK ? "{{break}}" : "{{continue}}";
    (void)expect(p, SK_TTOK_RIGHT_DELIM, name); /* its error is in p->err */
    if (p->range_depth == 0)
        fail(p, "%s outside {{range}}", name);
    return p->err == SK_OK ? simple(p, kind, at) : NULL;
}

static struct sk_tmpl_node *else_control(struct parser *p)
{
    struct sk_tmpl_token t = peek_non_space(p);
    if (t.kind != SK_TTOK_IF && t.kind != SK_TTOK_WITH)
        t = expect(p, SK_TTOK_RIGHT_DELIM, "else");
    return p->err == SK_OK ? simple(p, SK_TNODE_ELSE, t) : NULL;
}

static struct sk_tmpl_node *end_control(struct parser *p)
{
    struct sk_tmpl_token t = expect(p, SK_TTOK_RIGHT_DELIM, "end");
    return p->err == SK_OK ? simple(p, SK_TNODE_END, t) : NULL;
}

/* ---- templates of the set ---- */

static bool is_empty(const struct sk_tmpl_node *n)
{
    if (n->kind == SK_TNODE_TEXT)
        return sk_str_trim(n->value).len == 0;
    if (n->kind != SK_TNODE_LIST)
        return false;
    for (const struct sk_tmpl_node *c = n->first; c != NULL; c = c->next) {
        if (!is_empty(c))
            return false;
    }
    return true;
}

const struct sk_tmpl_tree *sk_tmpl_find(const struct sk_tmpl *t, struct sk_str name)
{
    const struct sk_tmpl_tree *tree = t->trees;
    while (tree != NULL && !sk_str_eq(tree->name, name))
        tree = tree->next;
    return tree;
}

/* An empty one gives way to a later one of its name, and never takes another's place. */
static void tree_add(struct parser *p, struct sk_str name, struct sk_tmpl_node *root)
{
    struct sk_tmpl_tree *tree = p->tmpl->trees;
    while (tree != NULL && !sk_str_eq(tree->name, name))
        tree = tree->next;
    if (tree != NULL) {
        if (is_empty(tree->root))
            tree->root = root;
        else if (!is_empty(root))
            fail_quoted(p, "template: multiple definition of template ", name, "");
        return;
    }
    tree = sk_arena_alloc(p->arena, sizeof(*tree));
    if (tree == NULL) {
        out_of_memory(p);
        return;
    }
    *tree = (struct sk_tmpl_tree){p->tmpl->trees, name, root};
    p->tmpl->trees = tree;
}

static struct sk_str template_name(struct parser *p, struct sk_tmpl_token t, const char *context)
{
    struct sk_str none = SK_STR("");
    if (t.kind != SK_TTOK_STRING && t.kind != SK_TTOK_RAW_STRING) {
        unexpected(p, t, context);
        return none;
    }
    const struct sk_tmpl_node *n = string(p, t);
    return p->err == SK_OK ? n->value : none;
}

/* A parser of the same tokens for a template inside. */
static void sub_begin(struct parser *p, struct parser *sub)
{
    *sub = (struct parser){.arena = p->arena,
                           .tmpl = p->tmpl,
                           .lex = p->lex,
                           .reterr = p->reterr,
                           .depth = p->depth,
                           .err = p->err};
    var_add(sub, SK_STR("$"));
}

/* The items up to {{end}} are template `name`. */
static void sub_body(struct parser *sub, struct sk_str name, const char *context)
{
    struct sk_tmpl_node *end, *root = NULL;
    if (sub->err == SK_OK && nest(sub)) {
        root = item_list(sub, &end);
        --*sub->depth;
    }
    if (root != NULL && end->kind != SK_TNODE_END)
        fail(sub, "unexpected {{else}} in %s", context);
    if (sub->err == SK_OK)
        tree_add(sub, name, root);
}

static void definition(struct parser *p)
{
    struct parser sub;
    sub_begin(p, &sub);
    struct sk_str name = template_name(&sub, next_non_space(&sub), "define clause");
    if (sub.err == SK_OK)
        (void)expect(&sub, SK_TTOK_RIGHT_DELIM, "define clause"); /* its error is in sub.err */
    sub_body(&sub, name, "define clause");
    p->err = sub.err;
}

static struct sk_tmpl_node *template_node(struct parser *p, struct sk_tmpl_token t,
                                          struct sk_str name, struct sk_tmpl_node *pipe)
{
    struct sk_tmpl_node *n = p->err == SK_OK ? node_new(p, SK_TNODE_TEMPLATE, t.pos) : NULL;
    if (n != NULL) {
        n->value = name;
        n->of = pipe;
    }
    return n;
}

static struct sk_tmpl_node *block(struct parser *p)
{
    struct parser sub;
    struct sk_tmpl_token t = next_non_space(p);
    struct sk_str name = template_name(p, t, "block clause");
    struct sk_tmpl_node *pipe =
        p->err == SK_OK ? pipeline(p, "block clause", SK_TTOK_RIGHT_DELIM) : NULL;
    if (pipe == NULL)
        return NULL;
    sub_begin(p, &sub);
    sub_body(&sub, name, "block clause");
    p->err = sub.err;
    return template_node(p, t, name, pipe);
}

static struct sk_tmpl_node *template_call(struct parser *p)
{
    struct sk_tmpl_node *pipe = NULL;
    struct sk_tmpl_token t = next_non_space(p);
    struct sk_str name = template_name(p, t, "template clause");
    if (p->err == SK_OK && next_non_space(p).kind != SK_TTOK_RIGHT_DELIM) {
        backup(p);
        pipe = pipeline(p, "template clause", SK_TTOK_RIGHT_DELIM);
    }
    return template_node(p, t, name, pipe);
}

/* ---- actions ---- */

/* Behind the left delimiter. */
static struct sk_tmpl_node *action(struct parser *p)
{
    struct sk_tmpl_token t = next_non_space(p);
    switch ((int)t.kind) {
    case SK_TTOK_BLOCK:
        return block(p);
    case SK_TTOK_BREAK:
        return loop_exit(p, SK_TNODE_BREAK, t);
    case SK_TTOK_CONTINUE:
        return loop_exit(p, SK_TNODE_CONTINUE, t);
    case SK_TTOK_ELSE:
        return else_control(p);
    case SK_TTOK_END:
        return end_control(p);
    case SK_TTOK_IF:
        return control(p, SK_TNODE_IF);
    case SK_TTOK_RANGE:
        return control(p, SK_TNODE_RANGE);
    case SK_TTOK_TEMPLATE:
        return template_call(p);
    case SK_TTOK_WITH:
        return control(p, SK_TNODE_WITH);
    default:
        break;
    }
    backup(p);
    struct sk_tmpl_node *n = node_new(p, SK_TNODE_ACTION, peek(p).pos);
    if (n != NULL)
        n->of = pipeline(p, "command", SK_TTOK_RIGHT_DELIM);
    return p->err == SK_OK ? n : NULL;
}

static struct sk_tmpl_node *text_or_action(struct parser *p)
{
    struct sk_tmpl_token t = next_non_space(p);
    struct sk_tmpl_node *n = NULL;
    if (t.kind == SK_TTOK_TEXT) {
        n = node_new(p, SK_TNODE_TEXT, t.pos);
        if (n != NULL)
            n->value = t.text;
    } else if (t.kind == SK_TTOK_LEFT_DELIM) {
        p->action_line = t.line;
        n = action(p);
        p->action_line = 0;
    } else {
        unexpected(p, t, "input");
    }
    return n;
}

/* Like item_list(), but to the end, and {{define}} is allowed. */
static void top_level(struct parser *p)
{
    struct sk_tmpl_node *root = node_new(p, SK_TNODE_LIST, peek(p).pos);
    while (p->err == SK_OK && peek(p).kind != SK_TTOK_EOF) {
        if (peek(p).kind == SK_TTOK_LEFT_DELIM) {
            struct sk_tmpl_token delim = next(p);
            if (next_non_space(p).kind == SK_TTOK_DEFINE) {
                definition(p);
                continue;
            }
            p->token[1] = delim;
            p->peek_count = 2;
        }
        struct sk_tmpl_node *n = text_or_action(p);
        if (n == NULL)
            return;
        if (n->kind == SK_TNODE_END || n->kind == SK_TNODE_ELSE)
            fail(p, "unexpected {{%s}}", n->kind == SK_TNODE_END ? "end" : "else");
        else
            node_append(root, n);
    }
    if (p->err == SK_OK)
        tree_add(p, p->tmpl->name, root);
}

/* ---- the quick form ---- */

static bool is_plain_field(const struct sk_tmpl_node *n)
{
    if (n->kind != SK_TNODE_ACTION || n->of->decl_count != 0 || n->of->count != 1)
        return false;
    const struct sk_tmpl_node *cmd = n->of->first;
    return cmd->count == 1 && cmd->first->kind == SK_TNODE_FIELD && cmd->first->ident_count == 1;
}

/* Makes pieces of a template that only joins texts and labels. */
static void pieces_make(struct parser *p)
{
    struct sk_tmpl *t = p->tmpl;
    const struct sk_tmpl_node *root = t->root->root;
    size_t count = 0;
    for (const struct sk_tmpl_node *n = root->first; n != NULL; n = n->next) {
        if (n->kind != SK_TNODE_TEXT && !is_plain_field(n))
            return;
    }
    struct sk_tmpl_piece *pieces = sk_arena_calloc(p->arena, root->count + 1, sizeof(*pieces));
    if (pieces == NULL) {
        out_of_memory(p);
        return;
    }
    for (const struct sk_tmpl_node *n = root->first; n != NULL; n = n->next) {
        struct sk_tmpl_piece *piece = &pieces[count++];
        piece->is_text = n->kind == SK_TNODE_TEXT;
        if (piece->is_text)
            piece->text = n->value;
        else
            piece->name = n->of->first->first->idents[0].name;
    }
    t->pieces = pieces;
    t->piece_count = count;
}

enum sk_err sk_tmpl_compile(struct sk_arena *arena, struct sk_str name, struct sk_str text,
                            const struct sk_tmpl **ret, struct sk_error *reterr)
{
    struct sk_tmpl_lex lex;
    unsigned depth = 0;
    struct sk_tmpl *t = sk_arena_calloc(arena, 1, sizeof(*t));
    if (t == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    t->name = name;
    t->text = text.len == 0 ? SK_STR("") : text;
    struct parser p = {.arena = arena, .tmpl = t, .lex = &lex, .reterr = reterr, .depth = &depth};
    sk_tmpl_lex_init(&lex, arena, t->text);
    var_add(&p, SK_STR("$"));
    top_level(&p);
    if (p.err == SK_OK) {
        t->root = sk_tmpl_find(t, name);
        pieces_make(&p);
    }
    if (p.err == SK_OK && t->tells_time && sk_zone_load_local(arena, &t->local) != SK_OK)
        out_of_memory(&p);
    if (p.err == SK_OK)
        *ret = t;
    return p.err;
}

struct sk_tmpl_names sk_tmpl_names(const struct sk_tmpl *t)
{
    return (struct sk_tmpl_names){t->names, t->name_count, t->reads_map};
}

bool sk_tmpl_is_field(const struct sk_tmpl *t, struct sk_str *ret_name)
{
    if (t->piece_count != 1 || t->pieces[0].is_text)
        return false;
    *ret_name = t->names[t->pieces[0].name];
    return true;
}
