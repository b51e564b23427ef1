/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_eval.c -- pipelines, commands, fields and calls, in the order in which Go's text/template
 * looks at them: messages say at which node something failed, and that is the one looked at last.
 *  */
#include <stdarg.h>
#include <stdio.h>

#include "logql/tmpl_int.h"

/* The arguments of a command: its nodes (the first is what is called), and what the pipeline brings
 * as the last one. */
struct arguments {
    const struct sk_tmpl_node *first; /* NULL: there are none */
    size_t count;                     /* nodes, the first included */
    bool has_final;
    struct sk_tv final;
};

static const struct arguments no_arguments;

static bool eval_arg(struct sk_tmpl_exec *x, struct sk_tv dot, enum sk_tmpl_param type,
                     const struct sk_tmpl_node *n, struct sk_tv *ret);

/* ---- parameters ---- */

static const struct {
    const char *name, *constant; /* what a literal of the type is called */
    enum sk_tv_type type;
} params[] = {
    [SK_TP_ANY] = {"interface {}", "", SK_TV_NONE},
    [SK_TP_VALUE] = {"reflect.Value", "", SK_TV_NONE},
    [SK_TP_STRING] = {"string", "string", SK_TV_STRING},
    [SK_TP_INT] = {"int", "integer", SK_TV_INT},
    [SK_TP_FLOAT] = {"float64", "float", SK_TV_FLOAT},
    [SK_TP_TIME] = {"time.Time", "", SK_TV_TIME},
    [SK_TP_DURATION] = {"time.Duration", "integer", SK_TV_DURATION},
    [SK_TP_LOCATION] = {"*time.Location", "", SK_TV_LOCATION},
    [SK_TP_CHECK] = {"", "", SK_TV_NONE},
};

static bool takes_any(enum sk_tmpl_param type)
{
    return type == SK_TP_ANY || type == SK_TP_VALUE || type == SK_TP_CHECK;
}

/* The value as an argument of the type. */
static bool validate(struct sk_tmpl_exec *x, struct sk_tv v, enum sk_tmpl_param type,
                     struct sk_tv *ret)
{
    if (v.type == SK_TV_NONE) {
        if (!takes_any(type))
            return sk_tmpl_fail(x, "invalid value; expected %s", params[type].name);
        *ret = v;
        if (type == SK_TP_ANY)
            *ret = (struct sk_tv){.type = SK_TV_NIL, .iface = true};
        return true;
    }
    *ret = v;
    if (takes_any(type) || v.type == params[type].type) {
        if (!takes_any(type))
            ret->iface = false;
        return true;
    }
    if (v.type != SK_TV_NIL)
        v.iface = false;
    return sk_tmpl_fail(x, "wrong type for value; expected %s; got %s", params[type].name,
                        sk_tv_type_name(v));
}

/* ---- constants ---- */

static bool has_any(struct sk_str s, const char *set)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\0' && strchr(set, s.ptr[i]) != NULL)
            return true;
    }
    return false;
}

/* A number where no type is asked for: how it is written says what it is. */
static bool ideal(struct sk_tmpl_exec *x, const struct sk_tmpl_node *n, struct sk_tv *ret)
{
    const struct sk_tmpl_number *num = &n->number;
    struct sk_str s = n->text;
    x->node = n;
    bool hex = s.len > 2 && s.ptr[0] == '0' && (s.ptr[1] | 0x20) == 'x' && !has_any(s, "pP");
    if (num->is_complex) {
        *ret = (struct sk_tv){.type = SK_TV_COMPLEX};
        ret->u.c.re = num->f;
        ret->u.c.im = num->im;
    } else if (num->is_float && !hex && s.ptr[0] != '\'' && has_any(s, ".eEpP")) {
        *ret = sk_tv_float(num->f);
    } else if (num->is_int) {
        *ret = sk_tv_int(SK_TV_INT, num->i);
    } else {
        return sk_tmpl_fail(x, "%.*s overflows int", SK_STR_ARG(s));
    }
    return true;
}

static bool constant_any(struct sk_tmpl_exec *x, const struct sk_tmpl_node *n, struct sk_tv *ret)
{
    x->node = n;
    if (n->kind == SK_TNODE_BOOL)
        *ret = sk_tv_bool(n->truth);
    else if (n->kind == SK_TNODE_STRING)
        *ret = sk_tv_str(n->value);
    else
        return ideal(x, n, ret);
    return true;
}

/* A literal where a type is asked for. */
static bool constant(struct sk_tmpl_exec *x, enum sk_tmpl_param type, const struct sk_tmpl_node *n,
                     struct sk_tv *ret)
{
    bool number = n->kind == SK_TNODE_NUMBER;
    if (takes_any(type))
        return constant_any(x, n, ret);
    if (type == SK_TP_STRING && n->kind == SK_TNODE_STRING)
        *ret = sk_tv_str(n->value);
    else if ((type == SK_TP_INT || type == SK_TP_DURATION) && number && n->number.is_int)
        *ret = sk_tv_int(params[type].type, n->number.i);
    else if (type == SK_TP_FLOAT && number && n->number.is_float)
        *ret = sk_tv_float(n->number.f);
    else if (params[type].constant[0] != '\0')
        return sk_tmpl_fail(x, "expected %s; found %.*s", params[type].constant,
                            SK_STR_ARG(n->text));
    else
        return sk_tmpl_fail(x, "can't handle %.*s for arg of type %s", SK_STR_ARG(n->text),
                            params[type].name);
    return true;
}

/* ---- calls ---- */

bool sk_tmpl_error(struct sk_tmpl_call *call, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    call->error = sk_arena_str(call->x->arena, (struct sk_str){text, len});
    return call->error.ptr == NULL ? sk_tmpl_no_memory(call->x) : false;
}

struct sk_strbuf *sk_tmpl_text(struct sk_tmpl_call *call)
{
    struct sk_strbuf *b = &call->x->in->scratch->text;
    sk_strbuf_reset(b);
    return b;
}

bool sk_tmpl_give(struct sk_tmpl_call *call, struct sk_strbuf *text, struct sk_tv *ret)
{
    if (text->failed)
        return sk_tmpl_error(call, "the result is longer than %u bytes", SK_TMPL_TEXT_BYTES_MAX);
    struct sk_str s = sk_arena_str(call->x->arena, sk_strbuf_view(text));
    if (s.ptr == NULL)
        return sk_tmpl_no_memory(call->x);
    *ret = sk_tv_str(s);
    return true;
}

static bool count_check(struct sk_tmpl_exec *x, const struct sk_tmpl_func *f, struct sk_str name,
                        size_t nodes, size_t count)
{
    if (f->special == SK_TF_RETURNS_THREE || f->special == SK_TF_RETURNS_TWO)
        return true; /* told below, when the number is right */
    if (f->variadic && count < f->fixed)
        return sk_tmpl_fail(x, "wrong number of args for %.*s: want at least %d got %zu",
                            SK_STR_ARG(name), f->fixed, nodes);
    if (!f->variadic && count != f->fixed)
        return sk_tmpl_fail(x, "wrong number of args for %.*s: want %d got %zu", SK_STR_ARG(name),
                            f->fixed, count);
    return true;
}

/* Methods whose results a template cannot take. */
static bool signature_fail(struct sk_tmpl_exec *x, const struct sk_tmpl_func *f, size_t count)
{
    if (count != f->fixed)
        return sk_tmpl_fail(x, "wrong number of args for %s: want %d got %zu", f->name, f->fixed,
                            count);
    if (f->special == SK_TF_RETURNS_THREE)
        return sk_tmpl_fail(x, "function %s has 3 return values; should be 1 or 2", f->name);
    return sk_tmpl_fail(
        x, "invalid function signature for %s: second return value should be error; is %s", f->name,
        strcmp(f->name, "ZoneBounds") == 0 ? "time.Time" : "int");
}

static enum sk_tmpl_param param_at(const struct sk_tmpl_func *f, size_t i)
{
    return f->params[i < f->fixed ? i : f->fixed];
}

/* and, or: what decides, without a look at the rest. */
static bool and_or(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_func *f,
                   const struct arguments *a, struct sk_tv *ret)
{
    struct sk_tv v = {.type = SK_TV_NONE};
    bool truth;
    for (const struct sk_tmpl_node *n = a->first == NULL ? NULL : a->first->next; n != NULL;
         n = n->next) {
        if (!eval_arg(x, dot, SK_TP_VALUE, n, &v) || !sk_tmpl_truth(x, v, &truth))
            return false;
        if (truth == (f->special == SK_TF_OR)) {
            *ret = v;
            return true;
        }
    }
    *ret = a->has_final ? a->final : v;
    return true;
}

/* "call" of something that is no function: nothing here is one. */
static bool call_fail(struct sk_tmpl_exec *x, const struct sk_tmpl_node *at,
                      const struct arguments *a, struct sk_tv of)
{
    struct sk_strbuf *b = &x->in->scratch->text;
    x->node = at;
    of = sk_tv_strip(of);
    if (of.type == SK_TV_NONE)
        return sk_tmpl_fail(x, "error calling call: call of nil");
    sk_strbuf_reset(b);
    sk_strbuf_puts(b, "error calling call: non-function ");
    if (a->count > 1)
        sk_tmpl_node_print(b, a->first->next);
    else if (of.type == SK_TV_STRING)
        sk_strbuf_str(b, of.u.s);
    else
        sk_strbuf_printf(b, "<%s Value>", sk_tv_type_name(of));
    sk_strbuf_printf(b, " of type %s", sk_tv_type_name(of));
    struct sk_str message = sk_arena_str(x->arena, sk_strbuf_view(b));
    return message.ptr == NULL ? sk_tmpl_no_memory(x) : sk_tmpl_fail_str(x, message);
}

/* Calls with arguments that were checked; argv[-1] is the receiver of a method. */
static bool call_with(struct sk_tmpl_exec *x, const struct sk_tmpl_func *f,
                      const struct sk_tmpl_node *at, struct sk_str name, const struct sk_tv *argv,
                      size_t count, struct sk_tv *ret)
{
    struct sk_tmpl_call call = {x, argv, count, {NULL, 0}};
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += argv[i].type == SK_TV_STRING ? argv[i].u.s.len : 0;
    if (!sk_tmpl_work(x, bytes))
        return false;
    if (f->fn(&call, ret))
        return true;
    if (x->failed)
        return false;
    x->node = at;
    struct sk_str text = sk_arena_printf(x->arena, "error calling %.*s: %.*s", SK_STR_ARG(name),
                                         SK_STR_ARG(call.error));
    return text.ptr == NULL ? sk_tmpl_no_memory(x) : sk_tmpl_fail_str(x, text);
}

static bool eval_call(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_func *f,
                      struct sk_tv receiver, const struct sk_tmpl_node *at, struct sk_str name,
                      const struct arguments *a, struct sk_tv *ret)
{
    size_t nodes = a->count == 0 ? 0 : a->count - 1, count = nodes + a->has_final, i = 0;
    if (!count_check(x, f, name, nodes, count))
        return false;
    if (f->special == SK_TF_RETURNS_TWO || f->special == SK_TF_RETURNS_THREE)
        return signature_fail(x, f, count);
    if (f->special == SK_TF_AND || f->special == SK_TF_OR)
        return and_or(x, dot, f, a, ret);
    struct sk_tv *argv = sk_arena_alloc(x->arena, (count + 2) * sizeof(*argv));
    if (argv == NULL)
        return sk_tmpl_no_memory(x);
    *argv++ = receiver;
    for (const struct sk_tmpl_node *n = nodes == 0 ? NULL : a->first->next; n != NULL;
         n = n->next) {
        if (!eval_arg(x, dot, param_at(f, i), n, &argv[i]))
            return false;
        i++;
    }
    if (a->has_final && !validate(x, a->final, param_at(f, i), &argv[i]))
        return false;
    if (f->special == SK_TF_CALL)
        return call_fail(x, at, a, argv[0]);
    return call_with(x, f, at, name, argv, count, ret);
}

/* ---- fields ---- */

static struct sk_tv map_get(const struct sk_tv_map *map, struct sk_str key)
{
    size_t lo = 0, hi = map->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = sk_str_cmp(map->items[mid].key, key);
        if (c == 0)
            return map->items[mid].value;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (struct sk_tv){.type = SK_TV_NIL, .iface = true};
}

static bool eval_field(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_ident *field,
                       const struct sk_tmpl_node *n, const struct arguments *a,
                       struct sk_tv receiver, struct sk_tv *ret)
{
    if (receiver.type == SK_TV_NONE) {
        *ret = receiver;
        return true;
    }
    if (receiver.type == SK_TV_NIL)
        return sk_tmpl_fail(x, "nil pointer evaluating interface {}.%.*s", SK_STR_ARG(field->text));
    struct sk_tv inner = sk_tv_strip(receiver);
    const struct sk_tmpl_func *method = sk_tmpl_method_find(inner.type, field->text);
    if (method != NULL)
        return eval_call(x, dot, method, inner, n, field->text, a, ret);
    if (inner.type != SK_TV_LABELS && inner.type != SK_TV_MAP)
        return sk_tmpl_fail(x, "can't evaluate field %.*s in type %s", SK_STR_ARG(field->text),
                            sk_tv_type_name(receiver));
    if (a->count > 1 || a->has_final)
        return sk_tmpl_fail(x, "%.*s is not a method but has arguments", SK_STR_ARG(field->text));
    *ret = inner.type == SK_TV_LABELS ? sk_tv_str(x->in->values[field->name])
                                      : map_get(inner.u.map, field->text);
    return true;
}

/* The last field gets the arguments. */
static bool eval_chain(struct sk_tmpl_exec *x, struct sk_tv dot, struct sk_tv receiver,
                       const struct sk_tmpl_node *n, size_t from, const struct arguments *a,
                       struct sk_tv *ret)
{
    for (size_t i = from; i < n->ident_count; i++) {
        bool last = i + 1 == n->ident_count;
        if (!eval_field(x, dot, &n->idents[i], n, last ? a : &no_arguments, receiver, &receiver))
            return false;
    }
    *ret = receiver;
    return true;
}

static bool not_a_function(struct sk_tmpl_exec *x, const struct arguments *a)
{
    if (a->count <= 1 && !a->has_final)
        return true;
    struct sk_strbuf *b = &x->in->scratch->text;
    sk_strbuf_reset(b);
    sk_strbuf_puts(b, "can't give argument to non-function ");
    if (a->first != NULL)
        sk_tmpl_node_print(b, a->first);
    struct sk_str message = sk_arena_str(x->arena, sk_strbuf_view(b));
    return message.ptr == NULL ? sk_tmpl_no_memory(x) : sk_tmpl_fail_str(x, message);
}

static bool eval_variable(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *n,
                          const struct arguments *a, struct sk_tv *ret)
{
    struct sk_str name = n->idents[0].text;
    x->node = n;
    for (size_t i = x->var_count; i > x->var_base; i--) {
        if (!sk_str_eq(x->vars[i - 1].name, name))
            continue;
        *ret = x->vars[i - 1].value;
        if (n->ident_count == 1)
            return not_a_function(x, a);
        return eval_chain(x, dot, *ret, n, 1, a, ret);
    }
    return sk_tmpl_fail(x, "undefined variable: %.*s", SK_STR_ARG(name));
}

static bool eval_chain_node(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *n,
                            const struct arguments *a, struct sk_tv *ret)
{
    struct sk_tv of;
    x->node = n;
    return eval_arg(x, dot, SK_TP_CHECK, n->of, &of) && eval_chain(x, dot, of, n, 0, a, ret);
}

static bool eval_function(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *n,
                          const struct sk_tmpl_node *at, const struct arguments *a,
                          struct sk_tv *ret)
{
    struct sk_tv none = {.type = SK_TV_NONE};
    x->node = n;
    return eval_call(x, dot, n->func, none, at, n->text, a, ret);
}

/* ---- operands and commands ---- */

static bool eval_arg(struct sk_tmpl_exec *x, struct sk_tv dot, enum sk_tmpl_param type,
                     const struct sk_tmpl_node *n, struct sk_tv *ret)
{
    struct arguments self = {n, 1, false, {.type = SK_TV_NONE}};
    bool fine;
    x->node = n;
    switch ((int)n->kind) {
    case SK_TNODE_DOT:
        *ret = dot;
        fine = true;
        break;
    case SK_TNODE_NIL:
        if (!takes_any(type))
            return sk_tmpl_fail(x, "cannot assign nil to %s", params[type].name);
        *ret = (struct sk_tv){.type = type == SK_TP_ANY ? SK_TV_NIL : SK_TV_NONE,
                              .iface = type == SK_TP_ANY};
        return true;
    case SK_TNODE_FIELD:
        fine = eval_chain(x, dot, dot, n, 0, &self, ret);
        break;
    case SK_TNODE_VARIABLE:
        fine = eval_variable(x, dot, n, &no_arguments, ret);
        break;
    case SK_TNODE_PIPE:
        fine = sk_tmpl_eval_pipe(x, dot, n, ret);
        break;
    case SK_TNODE_IDENTIFIER:
        fine = eval_function(x, dot, n, n, &no_arguments, ret);
        break;
    case SK_TNODE_CHAIN:
        fine = eval_chain_node(x, dot, n, &no_arguments, ret);
        break;
    default:
        return constant(x, type, n, ret);
    }
    return fine && validate(x, *ret, type, ret);
}

static bool eval_command(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *cmd,
                         bool has_final, struct sk_tv final, struct sk_tv *ret)
{
    const struct sk_tmpl_node *n = cmd->first;
    struct arguments a = {n, cmd->count, has_final, final};
    switch ((int)n->kind) {
    case SK_TNODE_FIELD:
        x->node = n;
        return eval_chain(x, dot, dot, n, 0, &a, ret);
    case SK_TNODE_CHAIN:
        return eval_chain_node(x, dot, n, &a, ret);
    case SK_TNODE_IDENTIFIER:
        return eval_function(x, dot, n, cmd, &a, ret);
    case SK_TNODE_PIPE:
        return not_a_function(x, &a) && sk_tmpl_eval_pipe(x, dot, n, ret);
    case SK_TNODE_VARIABLE:
        return eval_variable(x, dot, n, &a, ret);
    default:
        break;
    }
    x->node = n;
    if (!not_a_function(x, &a))
        return false;
    if (n->kind == SK_TNODE_NIL)
        return sk_tmpl_fail(x, "nil is not a command");
    if (n->kind == SK_TNODE_DOT) {
        *ret = dot;
        return true;
    }
    return constant_any(x, n, ret);
}

bool sk_tmpl_eval_pipe(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *pipe,
                       struct sk_tv *ret)
{
    struct sk_tv v = {.type = SK_TV_NONE};
    x->node = pipe;
    for (const struct sk_tmpl_node *c = pipe->first; c != NULL; c = c->next) {
        if (!sk_tmpl_work(x, 0) || !eval_command(x, dot, c, c != pipe->first, v, &v))
            return false;
        v = sk_tv_strip(v);
    }
    for (const struct sk_tmpl_node *d = pipe->decls; d != NULL; d = d->next) {
        bool fine = pipe->assigns ? sk_tmpl_set(x, d->idents[0].text, v)
                                  : sk_tmpl_push(x, d->idents[0].text, v);
        if (!fine)
            return false;
    }
    *ret = v;
    return true;
}
