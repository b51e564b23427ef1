/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_node.c -- the tree as text, as messages of executions show where they happened. */
#include "base/gotext.h"
#include "logql/tmpl_int.h"

static void idents_print(struct sk_strbuf *out, const struct sk_tmpl_node *n, size_t from)
{
    for (size_t i = from; i < n->ident_count; i++) {
        sk_strbuf_putc(out, '.');
        sk_strbuf_str(out, n->idents[i].text);
    }
}

static void grouped_print(struct sk_strbuf *out, const struct sk_tmpl_node *n)
{
    bool parens = n->kind == SK_TNODE_PIPE;
    if (parens)
        sk_strbuf_putc(out, '(');
    sk_tmpl_node_print(out, n);
    if (parens)
        sk_strbuf_putc(out, ')');
}

static void pipe_print(struct sk_strbuf *out, const struct sk_tmpl_node *pipe)
{
    for (const struct sk_tmpl_node *v = pipe->decls; v != NULL; v = v->next) {
        sk_tmpl_node_print(out, v);
        if (v->next != NULL)
            sk_strbuf_puts(out, ", ");
        else
            sk_strbuf_puts(out, pipe->assigns ? " = " : " := ");
    }
    for (const struct sk_tmpl_node *c = pipe->first; c != NULL; c = c->next) {
        sk_tmpl_node_print(out, c);
        if (c->next != NULL)
            sk_strbuf_puts(out, " | ");
    }
}

void sk_tmpl_node_print(struct sk_strbuf *out, const struct sk_tmpl_node *n)
{
    switch ((int)n->kind) {
    case SK_TNODE_ACTION:
        sk_strbuf_puts(out, "{{");
        sk_tmpl_node_print(out, n->of);
        sk_strbuf_puts(out, "}}");
        break;
    case SK_TNODE_PIPE:
        pipe_print(out, n);
        break;
    case SK_TNODE_COMMAND:
        for (const struct sk_tmpl_node *a = n->first; a != NULL; a = a->next) {
            grouped_print(out, a);
            if (a->next != NULL)
                sk_strbuf_putc(out, ' ');
        }
        break;
    case SK_TNODE_FIELD:
        idents_print(out, n, 0);
        break;
    case SK_TNODE_VARIABLE:
        sk_strbuf_str(out, n->idents[0].text);
        idents_print(out, n, 1);
        break;
    case SK_TNODE_CHAIN:
        grouped_print(out, n->of);
        idents_print(out, n, 0);
        break;
    case SK_TNODE_TEMPLATE:
        sk_strbuf_puts(out, "{{template ");
        sk_go_quote(out, n->value);
        if (n->of != NULL) {
            sk_strbuf_putc(out, ' ');
            sk_tmpl_node_print(out, n->of);
        }
        sk_strbuf_puts(out, "}}");
        break;
    default: /* words and literals; blocks are never where a message happens */
        sk_strbuf_str(out, n->text);
    }
}
