/* SPDX-License-Identifier: Apache-2.0 */
/* metric_replace.c -- label_replace. Series that get equal labels stay apart: an instant answer
 * shows them both, a range answer as one series with repeated times. */
#include "base/alloc.h"
#include "labels/regex.h"
#include "querier/metric_int.h"

enum { VALUE_BYTES_MAX = 1 << 20 };

struct replace {
    const struct sk_ast_expr *ast;
    struct sk_regex *regex;
    struct sk_strbuf value;
    struct sk_str caps[SK_REGEX_GROUPS_MAX + 1];
    size_t caps_count;
};

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* The text of the group called `name`, which may be a number. */
static void group_append(struct replace *x, struct sk_str name)
{
    uint64_t n;
    if (sk_str_to_u64(name, &n)) {
        if (n < x->caps_count && x->caps[n].ptr != NULL)
            sk_strbuf_str(&x->value, x->caps[n]);
        return;
    }
    for (size_t i = 1; i < x->caps_count; i++) {
        if (sk_str_eq(sk_regex_group_name(x->regex, i), name) && x->caps[i].ptr != NULL) {
            sk_strbuf_str(&x->value, x->caps[i]);
            return;
        }
    }
}

/* $name, ${name}, $$ as Go expands them: a name is as long as it can be; a `$` that begins nothing
 * stands for itself. */
static void expand(struct replace *x, struct sk_str text)
{
    for (size_t i = 0; i < text.len;) {
        if (text.ptr[i] != '$' || i + 1 >= text.len) {
            sk_strbuf_putc(&x->value, text.ptr[i++]);
            continue;
        }
        if (text.ptr[i + 1] == '$') {
            sk_strbuf_putc(&x->value, '$');
            i += 2;
            continue;
        }
        bool brace = text.ptr[i + 1] == '{';
        size_t from = i + 1 + brace, end = from;
        while (end < text.len && is_word(text.ptr[end]))
            end++;
        if (end == from || (brace && (end >= text.len || text.ptr[end] != '}'))) {
            sk_strbuf_putc(&x->value, text.ptr[i++]);
            continue;
        }
        group_append(x, (struct sk_str){text.ptr + from, end - from});
        i = end + brace;
    }
}

/* The set with dst = the expanded text; without dst when that is empty. */
static const struct sk_mlabels *labels_replace(struct sk_mrun *r, struct replace *x,
                                               const struct sk_mlabels *from)
{
    const struct sk_ast_expr *e = x->ast;
    struct sk_str src = sk_labels_get(from->set, e->u.replace.src), dst = e->u.replace.dst;
    if (src.ptr == NULL)
        src = SK_STR("");
    if (!sk_regex_find(x->regex, src, 0, x->caps, x->caps_count))
        return from;
    sk_strbuf_reset(&x->value);
    expand(x, e->u.replace.replacement);
    struct sk_label *items = sk_arena_calloc(&r->rows, from->set.count + 1, sizeof(*items));
    size_t n = 0;
    if (x->value.failed || items == NULL)
        return NULL;
    for (size_t i = 0; i < from->set.count; i++) {
        if (!sk_str_eq(from->set.items[i].name, dst))
            items[n++] = from->set.items[i];
    }
    if (x->value.len > 0)
        items[n++] = (struct sk_label){dst, sk_strbuf_view(&x->value)};
    sk_labels_sort(items, n);
    return sk_mlabels_intern(&r->table, (struct sk_labelset){items, n});
}

enum sk_err sk_replace_eval(struct sk_mrun *r, const struct sk_node *n, struct sk_mvector *ret)
{
    struct replace *x = sk_calloc(1, sizeof(*x));
    struct sk_mvector in = {0};
    if (x == NULL)
        return sk_mrun_no_memory(r);
    x->ast = n->ast;
    sk_strbuf_init(&x->value, VALUE_BYTES_MAX);
    enum sk_err err =
        sk_regex_create(n->ast->u.replace.regex, SK_REGEX_ANCHORED, &x->regex, r->reterr);
    if (err == SK_OK) {
        size_t groups = sk_regex_group_count(x->regex);
        x->caps_count = 1 + (groups > SK_REGEX_GROUPS_MAX ? SK_REGEX_GROUPS_MAX : groups);
        err = sk_node_eval(r, n->left, &in);
    }
    for (size_t i = 0; i < in.count && err == SK_OK; i++)
        err = sk_mvector_add(r, ret, labels_replace(r, x, in.items[i].labels), in.items[i].row);
    sk_mvector_deinit(&in);
    sk_regex_destroy(x->regex);
    sk_strbuf_deinit(&x->value);
    sk_free(x);
    return err;
}
