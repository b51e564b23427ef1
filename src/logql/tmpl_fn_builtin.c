/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fn_builtin.c -- the functions of Go's text/template itself: comparisons, index and slice,
 * len, print, and escaping. */
#include "base/gotext.h"
#include "base/utf8.h"
#include "logql/tmpl_int.h"

/* ---- comparisons ---- */

enum basic {
    BASIC_NONE,
    BASIC_BOOL,
    BASIC_COMPLEX,
    BASIC_INT,
    BASIC_FLOAT,
    BASIC_STRING,
    BASIC_UINT
};

static enum basic basic_of(struct sk_tv v)
{
    switch ((int)v.type) {
    case SK_TV_BOOL:
        return BASIC_BOOL;
    case SK_TV_COMPLEX:
        return BASIC_COMPLEX;
    case SK_TV_FLOAT:
        return BASIC_FLOAT;
    case SK_TV_STRING:
        return BASIC_STRING;
    case SK_TV_UINT8:
        return BASIC_UINT;
    default:
        return sk_tv_counts(v.type) ? BASIC_INT : BASIC_NONE;
    }
}

static bool incompatible(struct sk_tmpl_call *call, struct sk_tv a, struct sk_tv b)
{
    return sk_tmpl_error(call, "incompatible types for comparison: %s and %s", sk_tv_type_name(a),
                         sk_tv_type_name(b));
}

/* `b` and its type, or both of both, as messages show values. */
static bool not_comparable(struct sk_tmpl_call *call, struct sk_tv a, struct sk_tv b, bool both)
{
    struct sk_strbuf *t = sk_tmpl_text(call);
    if (both) {
        sk_strbuf_puts(t, "non-comparable types ");
        sk_tmpl_print(call->x, t, &a, 1);
        sk_strbuf_printf(t, ": %s, %s: ", sk_tv_type_name(a), sk_tv_type_name(b));
        sk_tmpl_print(call->x, t, &b, 1);
    } else {
        sk_strbuf_puts(t, "non-comparable type ");
        sk_tmpl_print(call->x, t, &b, 1);
        sk_strbuf_printf(t, ": %s", sk_tv_type_name(b));
    }
    call->error = sk_arena_str(call->x->arena, sk_strbuf_view(t));
    return call->error.ptr == NULL ? sk_tmpl_no_memory(call->x) : false;
}

/* Neither is a number, a text or a truth value. */
static bool equal_other(struct sk_tmpl_call *call, struct sk_tv a, struct sk_tv b, bool *ret)
{
    bool a_none = a.type == SK_TV_NONE, b_none = b.type == SK_TV_NONE;
    bool a_map = a.type == SK_TV_MAP || a.type == SK_TV_LABELS;
    bool b_map = b.type == SK_TV_MAP || b.type == SK_TV_LABELS;
    if (a.type != b.type && !(a_map && b_map) && !a_none && !b_none)
        return not_comparable(call, a, b, true);
    if (a_none || b_none) {
        *ret = a_none == b_none;
        return true;
    }
    if (b.type == SK_TV_TIME)
        *ret = a.u.t.unix_s == b.u.t.unix_s && a.u.t.nsec == b.u.t.nsec && a.u.t.zone == b.u.t.zone;
    else if (b.type == SK_TV_LOCATION)
        *ret = a.u.zone == b.u.zone;
    else
        return not_comparable(call, a, b, false);
    return true;
}

static bool equal(struct sk_tmpl_call *call, struct sk_tv a, struct sk_tv b, bool *ret)
{
    a = sk_tv_strip(a);
    b = sk_tv_strip(b);
    enum basic ka = basic_of(a), kb = basic_of(b);
    *ret = false;
    if (ka != kb) {
        bool ints = (ka == BASIC_INT && kb == BASIC_UINT) || (ka == BASIC_UINT && kb == BASIC_INT);
        if (ints)
            *ret = a.u.i == b.u.i; /* the unsigned one is a byte */
        else if (a.type != SK_TV_NONE && b.type != SK_TV_NONE)
            return incompatible(call, a, b);
        return true;
    }
    switch ((int)ka) {
    case BASIC_BOOL:
        *ret = a.u.b == b.u.b;
        return true;
    case BASIC_COMPLEX:
        *ret = a.u.c.re == b.u.c.re && a.u.c.im == b.u.c.im;
        return true;
    case BASIC_FLOAT:
        *ret = a.u.f == b.u.f;
        return true;
    case BASIC_STRING:
        *ret = sk_str_eq(a.u.s, b.u.s);
        return true;
    case BASIC_INT:
    case BASIC_UINT:
        *ret = a.u.i == b.u.i;
        return true;
    default:
        return equal_other(call, a, b, ret);
    }
}

static bool fn_eq(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool same = false;
    if (call->count < 2)
        return sk_tmpl_error(call, "missing argument for comparison");
    for (size_t i = 1; i < call->count && !same; i++) {
        if (!equal(call, call->args[0], call->args[i], &same))
            return false;
    }
    *ret = sk_tv_bool(same);
    return true;
}

static bool fn_ne(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool same;
    if (!equal(call, call->args[0], call->args[1], &same))
        return false;
    *ret = sk_tv_bool(!same);
    return true;
}

static bool less(struct sk_tmpl_call *call, bool *ret)
{
    struct sk_tv a = sk_tv_strip(call->args[0]), b = sk_tv_strip(call->args[1]);
    enum basic ka = basic_of(a), kb = basic_of(b);
    bool ints = (ka == BASIC_INT || ka == BASIC_UINT) && (kb == BASIC_INT || kb == BASIC_UINT);
    if (ka == BASIC_NONE || kb == BASIC_NONE)
        return sk_tmpl_error(call, "invalid type for comparison");
    if (ka != kb && !ints)
        return incompatible(call, a, b);
    if (ka == BASIC_BOOL || ka == BASIC_COMPLEX)
        return sk_tmpl_error(call, "invalid type for comparison");
    if (ka == BASIC_STRING)
        *ret = sk_str_cmp(a.u.s, b.u.s) < 0;
    else
        *ret = ka == BASIC_FLOAT ? a.u.f < b.u.f : a.u.i < b.u.i;
    return true;
}

static bool less_or_equal(struct sk_tmpl_call *call, bool *ret)
{
    return less(call, ret) && (*ret || equal(call, call->args[0], call->args[1], ret));
}

static bool fn_lt(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool b = false;
    bool fine = less(call, &b);
    *ret = sk_tv_bool(b);
    return fine;
}

static bool fn_le(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool b = false;
    bool fine = less_or_equal(call, &b);
    *ret = sk_tv_bool(b);
    return fine;
}

static bool fn_gt(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool b = false;
    bool fine = less_or_equal(call, &b);
    *ret = sk_tv_bool(!b);
    return fine;
}

static bool fn_ge(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool b = false;
    bool fine = less(call, &b);
    *ret = sk_tv_bool(!b);
    return fine;
}

static bool fn_not(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool b;
    if (!sk_tmpl_truth(call->x, call->args[0], &b))
        return false;
    *ret = sk_tv_bool(!b);
    return true;
}

/* ---- len, index, slice ---- */

static bool fn_len(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_tv v = sk_tv_strip(call->args[0]);
    size_t len;
    if (v.type == SK_TV_NONE)
        return sk_tmpl_error(call, call->args[0].type == SK_TV_NIL
                                       ? "len of nil pointer"
                                       : "reflect: call of reflect.Value.Type on zero Value");
    if (!sk_tmpl_length(call->x, v, &len))
        return !call->x->failed && sk_tmpl_error(call, "len of type %s", sk_tv_type_name(v));
    *ret = sk_tv_int(SK_TV_INT, (int64_t)len);
    return true;
}

static bool index_arg(struct sk_tmpl_call *call, struct sk_tv index, size_t max, size_t *ret)
{
    index = sk_tv_strip(index);
    if (index.type == SK_TV_NONE)
        return sk_tmpl_error(call, "cannot index slice/array with nil");
    if (!sk_tv_counts(index.type))
        return sk_tmpl_error(call, "cannot index slice/array with type %s", sk_tv_type_name(index));
    if (index.u.i < 0 || (uint64_t)index.u.i > max)
        return sk_tmpl_error(call, "index out of range: %lld", (long long)index.u.i);
    *ret = (size_t)index.u.i;
    return true;
}

static bool index_map(struct sk_tmpl_call *call, struct sk_tv item, struct sk_tv key,
                      struct sk_tv *ret)
{
    struct sk_labelset labels;
    key = sk_tv_strip(key);
    if (key.type == SK_TV_NONE)
        return sk_tmpl_error(call, "value is nil; should be of type string");
    if (key.type != SK_TV_STRING)
        return sk_tmpl_error(call, "value has type %s; should be string", sk_tv_type_name(key));
    if (item.type == SK_TV_LABELS) {
        if (!sk_tmpl_labels(call->x, &labels))
            return false;
        struct sk_str value = sk_labels_get(labels, key.u.s);
        *ret = sk_tv_str(value.ptr == NULL ? SK_STR("") : value);
        return true;
    }
    *ret = (struct sk_tv){.type = SK_TV_NIL, .iface = true};
    for (size_t i = 0; i < item.u.map->count; i++) {
        if (sk_str_eq(item.u.map->items[i].key, key.u.s))
            *ret = item.u.map->items[i].value;
    }
    return true;
}

static bool index_once(struct sk_tmpl_call *call, struct sk_tv item, struct sk_tv index,
                       struct sk_tv *ret)
{
    size_t len, i;
    if (item.type == SK_TV_NIL)
        return sk_tmpl_error(call, "index of nil pointer");
    item = sk_tv_strip(item);
    if (item.type == SK_TV_LABELS || item.type == SK_TV_MAP)
        return index_map(call, item, index, ret);
    if (item.type != SK_TV_LIST && item.type != SK_TV_STRING)
        return sk_tmpl_error(call, "can't index item of type %s", sk_tv_type_name(item));
    len = item.type == SK_TV_LIST ? item.u.list->count : item.u.s.len;
    if (!index_arg(call, index, len, &i))
        return false;
    if (i == len)
        return sk_tmpl_error(call, "reflect: %s index out of range",
                             item.type == SK_TV_LIST ? "slice" : "string");
    *ret = item.type == SK_TV_LIST ? item.u.list->items[i]
                                   : sk_tv_int(SK_TV_UINT8, (unsigned char)item.u.s.ptr[i]);
    return true;
}

static bool fn_index(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_tv item = sk_tv_strip(call->args[0]);
    if (item.type == SK_TV_NONE)
        return sk_tmpl_error(call, "index of untyped nil");
    for (size_t i = 1; i < call->count; i++) {
        if (!index_once(call, item, call->args[i], &item))
            return false;
    }
    *ret = item;
    return true;
}

static bool slice_bounds(struct sk_tmpl_call *call, size_t len, size_t cap, size_t bounds[3])
{
    bounds[0] = 0;
    bounds[1] = len;
    for (size_t i = 1; i < call->count; i++) {
        if (!index_arg(call, call->args[i], cap, &bounds[i - 1]))
            return false;
    }
    if (bounds[0] > bounds[1])
        return sk_tmpl_error(call, "invalid slice index: %zu > %zu", bounds[0], bounds[1]);
    if (call->count == 4 && bounds[1] > bounds[2])
        return sk_tmpl_error(call, "invalid slice index: %zu > %zu", bounds[1], bounds[2]);
    return true;
}

static bool slice_list(struct sk_tmpl_call *call, const struct sk_tv_list *from, struct sk_tv *ret)
{
    size_t bounds[3];
    if (!slice_bounds(call, from->count, from->cap, bounds))
        return false;
    struct sk_tv_list *list = sk_arena_alloc(call->x->arena, sizeof(*list));
    if (list == NULL)
        return sk_tmpl_no_memory(call->x);
    *list = (struct sk_tv_list){from->items + bounds[0], bounds[1] - bounds[0],
                                (call->count == 4 ? bounds[2] : from->cap) - bounds[0]};
    *ret = (struct sk_tv){.type = SK_TV_LIST, .u = {.list = list}};
    return true;
}

static bool fn_slice(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_tv item = sk_tv_strip(call->args[0]);
    size_t bounds[3];
    if (item.type == SK_TV_NONE)
        return sk_tmpl_error(call, "slice of untyped nil");
    if (call->count > 4)
        return sk_tmpl_error(call, "too many slice indexes: %zu", call->count - 1);
    if (item.type == SK_TV_LIST)
        return slice_list(call, item.u.list, ret);
    if (item.type != SK_TV_STRING)
        return sk_tmpl_error(call, "can't slice item of type %s", sk_tv_type_name(item));
    if (call->count == 4)
        return sk_tmpl_error(call, "cannot 3-index slice a string");
    if (!slice_bounds(call, item.u.s.len, item.u.s.len, bounds))
        return false;
    *ret = sk_tv_str((struct sk_str){item.u.s.ptr + bounds[0], bounds[1] - bounds[0]});
    return true;
}

/* ---- print ---- */

static bool fn_print(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    sk_tmpl_print(call->x, b, call->args, call->count);
    return !call->x->failed && sk_tmpl_give(call, b, ret);
}

static bool fn_println(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    sk_tmpl_println(call->x, b, call->args, call->count);
    return !call->x->failed && sk_tmpl_give(call, b, ret);
}

static bool fn_printf(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    sk_tmpl_printf(call->x, b, call->args[0].u.s, call->args + 1, call->count - 1);
    return !call->x->failed && sk_tmpl_give(call, b, ret);
}

/* ---- escaping ---- */

/* The arguments as one text, as print has them. */
static bool joined(struct sk_tmpl_call *call, struct sk_str *ret)
{
    struct sk_tv v;
    if (call->count == 1 && call->args[0].type == SK_TV_STRING)
        v = call->args[0];
    else if (!fn_print(call, &v))
        return false;
    *ret = v.u.s;
    return true;
}

static bool fn_html(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s;
    if (!joined(call, &s))
        return false;
    struct sk_strbuf *b = sk_tmpl_text(call);
    for (size_t i = 0; i < s.len; i++) {
        switch (s.ptr[i]) {
        case '\0':
            sk_strbuf_puts(b, "\xef\xbf\xbd");
            break;
        case '"':
            sk_strbuf_puts(b, "&#34;");
            break;
        case '\'':
            sk_strbuf_puts(b, "&#39;");
            break;
        case '&':
            sk_strbuf_puts(b, "&amp;");
            break;
        case '<':
            sk_strbuf_puts(b, "&lt;");
            break;
        case '>':
            sk_strbuf_puts(b, "&gt;");
            break;
        default:
            sk_strbuf_putc(b, s.ptr[i]);
        }
    }
    return sk_tmpl_give(call, b, ret);
}

static void js_ascii(struct sk_strbuf *b, char c)
{
    if (c == '\\' || c == '\'' || c == '"') {
        sk_strbuf_putc(b, '\\');
        sk_strbuf_putc(b, c);
    } else if (c == '<' || c == '>' || c == '&' || c == '=' || (unsigned char)c < 0x20) {
        sk_strbuf_printf(b, "\\u%04X", (unsigned char)c);
    } else {
        sk_strbuf_putc(b, c);
    }
}

static bool fn_js(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s;
    if (!joined(call, &s))
        return false;
    struct sk_strbuf *b = sk_tmpl_text(call);
    for (size_t i = 0; i < s.len;) {
        unsigned width = 1;
        if ((unsigned char)s.ptr[i] < 0x80) {
            js_ascii(b, s.ptr[i]);
        } else {
            uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
            if (sk_go_rune_printable(r))
                sk_strbuf_add(b, s.ptr + i, width);
            else
                sk_strbuf_printf(b, "\\u%04X", r);
        }
        i += width;
    }
    return sk_tmpl_give(call, b, ret);
}

static bool fn_urlquery(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s;
    if (!joined(call, &s))
        return false;
    struct sk_strbuf *b = sk_tmpl_text(call);
    sk_tmpl_query_escape(b, s);
    return sk_tmpl_give(call, b, ret);
}

const struct sk_tmpl_func sk_tmpl_builtins[] = {
    {"and", NULL, 1, true, SK_TF_AND, {SK_TP_VALUE, SK_TP_VALUE}},
    {"or", NULL, 1, true, SK_TF_OR, {SK_TP_VALUE, SK_TP_VALUE}},
    {"call", NULL, 1, true, SK_TF_CALL, {SK_TP_VALUE, SK_TP_VALUE}},
    {"not", fn_not, 1, false, SK_TF_PLAIN, {SK_TP_VALUE}},
    {"eq", fn_eq, 1, true, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"ne", fn_ne, 2, false, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"lt", fn_lt, 2, false, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"le", fn_le, 2, false, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"gt", fn_gt, 2, false, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"ge", fn_ge, 2, false, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"len", fn_len, 1, false, SK_TF_PLAIN, {SK_TP_VALUE}},
    {"index", fn_index, 1, true, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"slice", fn_slice, 1, true, SK_TF_PLAIN, {SK_TP_VALUE, SK_TP_VALUE}},
    {"print", fn_print, 0, true, SK_TF_PLAIN, {SK_TP_ANY}},
    {"println", fn_println, 0, true, SK_TF_PLAIN, {SK_TP_ANY}},
    {"printf", fn_printf, 1, true, SK_TF_PLAIN, {SK_TP_STRING, SK_TP_ANY}},
    {"html", fn_html, 0, true, SK_TF_PLAIN, {SK_TP_ANY}},
    {"js", fn_js, 0, true, SK_TF_PLAIN, {SK_TP_ANY}},
    {"urlquery", fn_urlquery, 0, true, SK_TF_PLAIN, {SK_TP_ANY}},
    {.name = NULL},
};
