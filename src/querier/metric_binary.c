/* SPDX-License-Identifier: Apache-2.0 */
/* metric_binary.c -- binary operations: with a number, element by element; of two vectors, by keys
 * made of their labels (on, ignoring), step by step.
 *
 * Series of a key are chained, so that a key is matched once for all steps. The rules of
 * uniqueness hold at each step: what has no value there does not count. */
#include "base/alloc.h"
#include "querier/metric_int.h"

/* ---- two values ---- */

static bool is_comparison(enum sk_bin_op op)
{
    return op >= SK_BIN_EQ;
}

static bool compare(enum sk_bin_op op, double a, double b)
{
    return op == SK_BIN_EQ    ? a == b
           : op == SK_BIN_NEQ ? a != b
           : op == SK_BIN_GT  ? a > b
           : op == SK_BIN_GTE ? a >= b
           : op == SK_BIN_LT  ? a < b
                              : a <= b;
}

static double arithmetic(enum sk_bin_op op, double a, double b)
{
    bool divides = op == SK_BIN_DIV || op == SK_BIN_MOD;
    if (divides && b == 0)
        return NAN;
    return op == SK_BIN_ADD   ? a + b
           : op == SK_BIN_SUB ? a - b
           : op == SK_BIN_MUL ? a * b
           : op == SK_BIN_DIV ? a / b
           : op == SK_BIN_MOD ? fmod(a, b)
                              : pow(a, b);
}

struct binary {
    struct sk_mrun *r;
    enum sk_bin_op op;
    bool return_bool;
    bool has_matching, on;
    struct sk_str *names; /* of on, ignoring */
    size_t name_count;
    enum sk_match_card card;
    const struct sk_ast_name_list *include;
};

/* `kept` is what a comparison that holds leaves. No value: it does not hold. */
static double apply(const struct binary *b, double left, double right, double kept)
{
    if (!is_comparison(b->op))
        return arithmetic(b->op, left, right);
    bool holds = compare(b->op, left, right);
    if (b->return_bool)
        return holds ? 1 : 0;
    return holds ? kept : sk_no_value();
}

/* ---- with a number ---- */

static enum sk_err number_eval(const struct binary *b, const struct sk_node *n,
                               struct sk_mvector *ret)
{
    bool number_left = n->left->kind == SK_NODE_CONSTANT && n->left->literal;
    double number = number_left ? n->left->constant : n->right->constant;
    struct sk_mvector in = {0};
    enum sk_err err = sk_node_eval(b->r, number_left ? n->right : n->left, &in);
    for (size_t i = 0; i < in.count && err == SK_OK; i++) {
        double *row = sk_row_new(b->r);
        for (size_t k = 0; row != NULL && k < b->r->step_count; k++) {
            double v = in.items[i].row[k];
            if (sk_has_value(v))
                row[k] = apply(b, number_left ? number : v, number_left ? v : number, v);
        }
        err = sk_mvector_add(b->r, ret, in.items[i].labels, row);
    }
    sk_mvector_deinit(&in);
    return err;
}

/* ---- keys ---- */

struct side {
    struct sk_mvector v;
    size_t *key;  /* of each series */
    size_t *next; /* of the same key; SIZE_MAX: last */
};

struct key {
    const struct sk_mlabels *labels;
    size_t first[2], last[2]; /* series of left and right; SIZE_MAX: none */
};

struct match {
    const struct binary *b;
    struct side side[2];
    struct key *keys;
    size_t key_count, key_cap;
    struct sk_hmap map; /* of labels to 1 + number of the key */
    struct sk_mvector *ret;
    struct sk_hmap rows; /* of labels to 1 + number in ret */
};

static enum sk_err key_of(struct match *m, const struct sk_mlabels *labels, size_t *ret)
{
    const struct binary *b = m->b;
    enum sk_group_mode mode = !b->has_matching    ? SK_GROUP_ALL
                              : !b->on            ? SK_GROUP_WITHOUT
                              : b->name_count > 0 ? SK_GROUP_BY
                                                  : SK_GROUP_NONE;
    const struct sk_mlabels *l = sk_group_labels(b->r, mode, b->names, b->name_count, labels->set);
    if (l == NULL)
        return sk_mrun_no_memory(b->r);
    for (size_t at = sk_hmap_first(&m->map, l->hash); at != SK_HMAP_END;
         at = sk_hmap_next(&m->map, l->hash, at)) {
        *ret = (size_t)(uintptr_t)m->map.slots[at].value - 1;
        if (m->keys[*ret].labels == l)
            return SK_OK;
    }
    if (!SK_GROW(m->keys, m->key_cap, m->key_count + 1) ||
        !sk_hmap_add(&m->map, l->hash, (void *)(uintptr_t)(m->key_count + 1)))
        return sk_mrun_no_memory(b->r);
    *ret = m->key_count;
    m->keys[m->key_count++] = (struct key){l, {SIZE_MAX, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}};
    return SK_OK;
}

static enum sk_err side_init(struct match *m, int s, const struct sk_node *n)
{
    struct side *x = &m->side[s];
    enum sk_err err = sk_node_eval(m->b->r, n, &x->v);
    if (err != SK_OK)
        return err;
    x->key = sk_calloc(x->v.count, sizeof(*x->key));
    x->next = sk_calloc(x->v.count, sizeof(*x->next));
    if (x->key == NULL || x->next == NULL)
        return sk_mrun_no_memory(m->b->r);
    for (size_t i = 0; i < x->v.count && err == SK_OK; i++) {
        err = key_of(m, x->v.items[i].labels, &x->key[i]);
        if (err != SK_OK)
            break;
        struct key *k = &m->keys[x->key[i]];
        x->next[i] = SIZE_MAX;
        if (k->first[s] == SIZE_MAX)
            k->first[s] = i;
        else
            x->next[k->last[s]] = i;
        k->last[s] = i;
    }
    return err;
}

static void match_deinit(struct match *m)
{
    for (int s = 0; s < 2; s++) {
        sk_mvector_deinit(&m->side[s].v);
        sk_free(m->side[s].key);
        sk_free(m->side[s].next);
    }
    sk_free(m->keys);
    sk_hmap_deinit(&m->map);
    sk_hmap_deinit(&m->rows);
}

/* The row of the result for these labels. NULL: out of memory. */
static double *result_row(struct match *m, const struct sk_mlabels *l)
{
    if (l == NULL)
        return NULL;
    for (size_t at = sk_hmap_first(&m->rows, l->hash); at != SK_HMAP_END;
         at = sk_hmap_next(&m->rows, l->hash, at)) {
        const struct sk_mseries *s = &m->ret->items[(size_t)(uintptr_t)m->rows.slots[at].value - 1];
        if (s->labels == l)
            return s->row;
    }
    double *row = sk_row_new(m->b->r);
    if (row == NULL || sk_mvector_add(m->b->r, m->ret, l, row) != SK_OK ||
        !sk_hmap_add(&m->rows, l->hash, (void *)(uintptr_t)m->ret->count))
        return NULL;
    return row;
}

/* ---- and, or, unless ---- */

static bool key_has(const struct match *m, const struct key *k, int s, size_t step)
{
    for (size_t i = k->first[s]; i != SIZE_MAX; i = m->side[s].next[i]) {
        if (sk_has_value(m->side[s].v.items[i].row[step]))
            return true;
    }
    return false;
}

/* Takes from side `s` the points whose key the other side has (or has not). */
static enum sk_err set_take(struct match *m, int s, bool if_there, bool always)
{
    const struct side *x = &m->side[s];
    size_t steps = m->b->r->step_count;
    for (size_t i = 0; i < x->v.count; i++) {
        double *row = sk_row_new(m->b->r);
        for (size_t k = 0; row != NULL && k < steps; k++) {
            double v = x->v.items[i].row[k];
            if (sk_has_value(v) &&
                (always || key_has(m, &m->keys[x->key[i]], 1 - s, k) == if_there))
                row[k] = v;
        }
        enum sk_err err = sk_mvector_add(m->b->r, m->ret, x->v.items[i].labels, row);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}

static enum sk_err set_eval(struct match *m)
{
    if (m->b->op == SK_BIN_AND)
        return set_take(m, 0, true, false);
    if (m->b->op == SK_BIN_UNLESS)
        return set_take(m, 0, false, false);
    enum sk_err err = set_take(m, 0, false, true);
    return err == SK_OK ? set_take(m, 1, false, false) : err;
}

/* ---- arithmetic and comparisons ---- */

static enum sk_err not_unique(const struct match *m, int one)
{
    return sk_error_set(m->b->r->reterr, SK_EIO,
                        "found duplicate series on the %s hand-side;many-to-many matching not "
                        "allowed: matching labels must be unique on one side",
                        one == 1 ? "right" : "left");
}

static bool include_has(const struct sk_ast_name_list *list, struct sk_str name)
{
    for (; list != NULL; list = list->next) {
        if (sk_str_eq(list->name, name))
            return true;
    }
    return false;
}

/* Labels of the result: of the key, or of the many side with what it includes from the other. */
static const struct sk_mlabels *result_labels(const struct match *m, const struct key *k,
                                              const struct sk_mlabels *many,
                                              const struct sk_mlabels *one)
{
    const struct binary *b = m->b;
    if (b->card == SK_CARD_ONE_TO_ONE)
        return k->labels;
    size_t n = 0, room = many->set.count + one->set.count;
    struct sk_label *items = sk_arena_calloc(&b->r->rows, room, sizeof(*items));
    if (items == NULL)
        return NULL;
    for (size_t i = 0; i < many->set.count; i++) {
        if (!include_has(b->include, many->set.items[i].name))
            items[n++] = many->set.items[i];
    }
    for (size_t i = 0; i < one->set.count; i++) {
        if (include_has(b->include, one->set.items[i].name) && one->set.items[i].value.len > 0)
            items[n++] = one->set.items[i];
    }
    sk_labels_sort(items, n);
    return sk_mlabels_intern(&b->r->table, (struct sk_labelset){items, n});
}

/* One series of the many side against one of the other, all steps. */
static enum sk_err pair_eval(struct match *m, const struct key *k, size_t many_at, size_t one_at,
                             int one)
{
    const struct binary *b = m->b;
    const struct sk_mseries *many = &m->side[1 - one].v.items[many_at];
    const struct sk_mseries *single = &m->side[one].v.items[one_at];
    double *row = NULL;
    for (size_t i = 0; i < b->r->step_count; i++) {
        double x = many->row[i], y = single->row[i];
        if (!sk_has_value(x) || !sk_has_value(y))
            continue;
        double left = one == 1 ? x : y, right = one == 1 ? y : x;
        double v = apply(b, left, right, left);
        if (!sk_has_value(v))
            continue;
        if (row == NULL)
            row = result_row(m, result_labels(m, k, many->labels, single->labels));
        if (row == NULL)
            return sk_mrun_no_memory(b->r);
        if (sk_has_value(row[i]))
            return sk_error_set(b->r->reterr, SK_EIO,
                                b->card == SK_CARD_ONE_TO_ONE
                                    ? "multiple matches for labels: many-to-one matching must be "
                                      "explicit (group_left/group_right)"
                                    : "multiple matches for labels: grouping labels must ensure "
                                      "unique matches");
        row[i] = v;
    }
    return SK_OK;
}

static bool both_at_once(const struct match *m, const double *a, const double *b)
{
    for (size_t i = 0; i < m->b->r->step_count; i++) {
        if (sk_has_value(a[i]) && sk_has_value(b[i]))
            return true;
    }
    return false;
}

static enum sk_err key_eval(struct match *m, const struct key *k, int one)
{
    const struct side *single = &m->side[one], *many = &m->side[1 - one];
    for (size_t i = k->first[one]; i != SIZE_MAX; i = single->next[i]) {
        for (size_t j = single->next[i]; j != SIZE_MAX; j = single->next[j]) {
            if (both_at_once(m, single->v.items[i].row, single->v.items[j].row))
                return not_unique(m, one);
        }
    }
    for (size_t i = k->first[1 - one]; i != SIZE_MAX; i = many->next[i]) {
        for (size_t j = k->first[one]; j != SIZE_MAX; j = single->next[j]) {
            enum sk_err err = pair_eval(m, k, i, j, one);
            if (err != SK_OK)
                return err;
        }
    }
    return SK_OK;
}

static enum sk_err match_eval(struct match *m, const struct sk_node *n)
{
    int one = m->b->card == SK_CARD_ONE_TO_MANY ? 0 : 1;
    enum sk_err err = side_init(m, 0, n->left);
    if (err == SK_OK)
        err = side_init(m, 1, n->right);
    if (err == SK_OK && m->b->op <= SK_BIN_UNLESS)
        return set_eval(m);
    for (size_t i = 0; i < m->key_count && err == SK_OK; i++) {
        if (i % 64 == 0)
            err = sk_mrun_interrupted(m->b->r);
        if (err == SK_OK)
            err = key_eval(m, &m->keys[i], one);
    }
    return err;
}

/* ---- the node ---- */

static enum sk_err binary_init(struct sk_mrun *r, const struct sk_ast_expr *e, struct binary *b)
{
    size_t n = 0;
    *b = (struct binary){.r = r, .op = SK_BIN_DIV};
    if (e == NULL) /* a mean that was rewritten */
        return SK_OK;
    b->op = e->u.binary.op;
    b->return_bool = e->u.binary.return_bool;
    b->has_matching = e->u.binary.has_matching;
    b->on = e->u.binary.on;
    b->card = e->u.binary.card;
    b->include = e->u.binary.include;
    for (const struct sk_ast_name_list *k = e->u.binary.matching; k != NULL; k = k->next)
        n++;
    b->names = sk_arena_calloc(&r->plan, n + 1, sizeof(*b->names));
    if (b->names == NULL)
        return sk_mrun_no_memory(r);
    for (const struct sk_ast_name_list *k = e->u.binary.matching; k != NULL; k = k->next)
        b->names[b->name_count++] = k->name;
    return SK_OK;
}

enum sk_err sk_binary_eval(struct sk_mrun *r, const struct sk_node *n, struct sk_mvector *ret)
{
    struct binary b;
    enum sk_err err = binary_init(r, n->ast, &b);
    if (err != SK_OK)
        return err;
    if ((n->left->kind == SK_NODE_CONSTANT && n->left->literal) ||
        (n->right->kind == SK_NODE_CONSTANT && n->right->literal))
        return number_eval(&b, n, ret);
    struct match m = {.b = &b, .ret = ret};
    err = match_eval(&m, n);
    match_deinit(&m);
    return err;
}
