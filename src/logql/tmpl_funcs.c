/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_funcs.c -- functions and methods by their names. */
#include "logql/tmpl_int.h"

static const struct sk_tmpl_func *find(const struct sk_tmpl_func *table, struct sk_str name)
{
    for (; table->name != NULL; table++) {
        if (sk_str_is(name, table->name))
            return table;
    }
    return NULL;
}

const struct sk_tmpl_func *sk_tmpl_func_find(struct sk_str name)
{
    static const struct sk_tmpl_func *const tables[] = {
        sk_tmpl_builtins,     sk_tmpl_text_funcs, sk_tmpl_regex_funcs,
        sk_tmpl_encode_funcs, sk_tmpl_math_funcs, sk_tmpl_time_funcs,
    };
    const struct sk_tmpl_func *f = NULL;
    for (size_t i = 0; i < SK_COUNT_OF(tables) && f == NULL; i++)
        f = find(tables[i], name);
    return f;
}

bool sk_tmpl_func_tells_time(const struct sk_tmpl_func *f)
{
    return f == find(sk_tmpl_time_funcs, sk_str_from(f->name));
}

const struct sk_tmpl_func *sk_tmpl_method_find(enum sk_tv_type type, struct sk_str name)
{
    switch ((int)type) {
    case SK_TV_TIME:
        return find(sk_tmpl_time_methods, name);
    case SK_TV_DURATION:
        return find(sk_tmpl_duration_methods, name);
    case SK_TV_MONTH:
        return find(sk_tmpl_month_methods, name);
    case SK_TV_WEEKDAY:
        return find(sk_tmpl_weekday_methods, name);
    case SK_TV_LOCATION:
        return find(sk_tmpl_location_methods, name);
    default:
        return NULL;
    }
}
