/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_value.c -- kinds of values: their names in messages, truth and length. */
#include "logql/tmpl_int.h"

const char *sk_tv_type_name(struct sk_tv v)
{
    static const char *const names[] = {
        [SK_TV_NONE] = "<nil>",
        [SK_TV_NIL] = "interface {}",
        [SK_TV_BOOL] = "bool",
        [SK_TV_INT] = "int",
        [SK_TV_INT64] = "int64",
        [SK_TV_UINT8] = "uint8",
        [SK_TV_DURATION] = "time.Duration",
        [SK_TV_MONTH] = "time.Month",
        [SK_TV_WEEKDAY] = "time.Weekday",
        [SK_TV_FLOAT] = "float64",
        [SK_TV_COMPLEX] = "complex128",
        [SK_TV_STRING] = "string",
        [SK_TV_TIME] = "time.Time",
        [SK_TV_LOCATION] = "*time.Location",
        [SK_TV_LABELS] = "map[string]string",
        [SK_TV_MAP] = "map[string]interface {}",
        [SK_TV_LIST] = "[]interface {}",
    };
    return v.iface ? "interface {}" : names[v.type];
}

bool sk_tmpl_labels(struct sk_tmpl_exec *x, struct sk_labelset *ret)
{
    if (!x->labels_known && !x->in->map(x->in->map_ctx, &x->labels))
        return sk_tmpl_no_memory(x);
    x->labels_known = true;
    *ret = x->labels;
    return true;
}

bool sk_tmpl_length(struct sk_tmpl_exec *x, struct sk_tv v, size_t *ret)
{
    struct sk_labelset labels;
    switch ((int)v.type) {
    case SK_TV_STRING:
        *ret = v.u.s.len;
        return true;
    case SK_TV_LIST:
        *ret = v.u.list->count;
        return true;
    case SK_TV_MAP:
        *ret = v.u.map->count;
        return true;
    case SK_TV_LABELS:
        if (!sk_tmpl_labels(x, &labels))
            return false;
        *ret = labels.count;
        return true;
    default:
        return false;
    }
}

bool sk_tmpl_truth(struct sk_tmpl_exec *x, struct sk_tv v, bool *ret)
{
    size_t len;
    switch ((int)v.type) {
    case SK_TV_NONE:
    case SK_TV_NIL:
        *ret = false;
        return true;
    case SK_TV_BOOL:
        *ret = v.u.b;
        return true;
    case SK_TV_FLOAT:
        *ret = v.u.f != 0;
        return true;
    case SK_TV_COMPLEX:
        *ret = v.u.c.re != 0 || v.u.c.im != 0;
        return true;
    case SK_TV_TIME:
    case SK_TV_LOCATION:
        *ret = true;
        return true;
    default:
        break;
    }
    if (sk_tv_counts(v.type)) {
        *ret = v.u.i != 0;
        return true;
    }
    if (!sk_tmpl_length(x, v, &len))
        return false;
    *ret = len > 0;
    return true;
}
