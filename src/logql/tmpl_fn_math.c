/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fn_math.c -- sprig's arithmetic, which takes anything for a number: texts by their prefix,
 * true as 1, what is none as 0. */
#include <math.h>

#include "base/gotext.h"
#include "logql/go_decimal.h"
#include "logql/tmpl_int.h"

/* ---- conversions: they never fail ---- */

/* "12.7" as "12", when it is digits around one point; what else there is stays. */
static struct sk_str without_fraction(struct sk_str s)
{
    size_t i = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'), point;
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
        i++;
    if (i == s.len || s.ptr[i] != '.')
        return s;
    point = i++;
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
        i++;
    return i < s.len ? s : (struct sk_str){s.ptr, point};
}

/* Go's conversion as amd64 has it: what does not fit is the smallest integer. */
static int64_t float_to_int(double f)
{
    return f >= -0x1p63 && f < 0x1p63 ? (int64_t)f : INT64_MIN;
}

static int64_t to_int(struct sk_tv v)
{
    int64_t i;
    switch ((int)v.type) {
    case SK_TV_INT:
    case SK_TV_INT64:
    case SK_TV_UINT8:
    case SK_TV_DURATION:
    case SK_TV_MONTH:
    case SK_TV_WEEKDAY:
        return v.u.i;
    case SK_TV_FLOAT:
        return float_to_int(v.u.f);
    case SK_TV_BOOL:
        return v.u.b;
    case SK_TV_STRING:
        return sk_tmpl_parse_int(without_fraction(v.u.s), &i) ? i : 0;
    default:
        return 0;
    }
}

static double to_float(struct sk_tv v)
{
    double f;
    switch ((int)v.type) {
    case SK_TV_FLOAT:
        return v.u.f;
    case SK_TV_STRING:
        return sk_go_parse_float(v.u.s, &f, NULL) == SK_OK ? f : 0;
    default:
        return (double)to_int(v);
    }
}

static bool fn_int(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_int(SK_TV_INT, to_int(call->args[0]));
    return true;
}

static bool fn_float64(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_float(to_float(call->args[0]));
    return true;
}

/* ---- integers; they wrap ---- */

static bool give_int(int64_t v, struct sk_tv *ret)
{
    *ret = sk_tv_int(SK_TV_INT64, v);
    return true;
}

static bool fn_add(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < call->count; i++)
        sum += (uint64_t)to_int(call->args[i]);
    return give_int((int64_t)sum, ret);
}

static bool fn_sub(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int((int64_t)((uint64_t)to_int(call->args[0]) - (uint64_t)to_int(call->args[1])),
                    ret);
}

static bool fn_mul(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    uint64_t v = 1;
    for (size_t i = 0; i < call->count; i++)
        v *= (uint64_t)to_int(call->args[i]);
    return give_int((int64_t)v, ret);
}

static bool fn_div(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t a = to_int(call->args[0]), b = to_int(call->args[1]);
    if (b == 0)
        return sk_tmpl_error(call, "runtime error: integer divide by zero");
    return give_int(b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b, ret);
}

static bool fn_mod(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t a = to_int(call->args[0]), b = to_int(call->args[1]);
    if (b == 0)
        return sk_tmpl_error(call, "runtime error: integer divide by zero");
    return give_int(b == -1 ? 0 : a % b, ret);
}

static bool fn_max(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t best = to_int(call->args[0]);
    for (size_t i = 1; i < call->count; i++) {
        int64_t v = to_int(call->args[i]);
        best = v > best ? v : best;
    }
    return give_int(best, ret);
}

static bool fn_min(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t best = to_int(call->args[0]);
    for (size_t i = 1; i < call->count; i++) {
        int64_t v = to_int(call->args[i]);
        best = v < best ? v : best;
    }
    return give_int(best, ret);
}

/* ---- floats ---- */

/* Go's math.Max: an infinity wins over NaN, NaN over all else, 0 over -0. */
static double go_max(double a, double b)
{
    if (isinf(a) && a > 0)
        return a;
    if (isinf(b) && b > 0)
        return b;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? b : a;
    return a > b ? a : b;
}

static bool fn_maxf(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    double best = to_float(call->args[0]);
    for (size_t i = 1; i < call->count; i++)
        best = go_max(best, to_float(call->args[i]));
    *ret = sk_tv_float(best);
    return true;
}

static bool fn_minf(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    double best = to_float(call->args[0]);
    for (size_t i = 1; i < call->count; i++)
        best = -go_max(-best, -to_float(call->args[i]));
    *ret = sk_tv_float(best);
    return true;
}

static bool fn_ceil(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_float(ceil(to_float(call->args[0])));
    return true;
}

static bool fn_floor(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_float(floor(to_float(call->args[0])));
    return true;
}

/* round v places [on]: negative values always go down, as their fraction is below `on`. */
static bool fn_round(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    double on = call->count > 2 ? call->args[2].u.f : 0.5, whole;
    double power = pow(10, (double)call->args[1].u.i);
    double digit = power * to_float(call->args[0]);
    double fraction = isinf(digit) ? NAN : modf(digit, &whole);
    *ret = sk_tv_float((fraction >= on ? ceil(digit) : floor(digit)) / power);
    return true;
}

/* ---- exact decimals ---- */

static bool operand(struct sk_tmpl_call *call, struct sk_tv v, struct sk_decimal_operand *ret)
{
    double f = to_float(v);
    if (isnan(f))
        return sk_tmpl_error(call, "Cannot create a Decimal from NaN");
    if (isinf(f))
        return sk_tmpl_error(call, "Cannot create a Decimal from %sInf", f > 0 ? "+" : "-");
    *ret = sk_decimal_operand(f);
    return true;
}

static bool apply(struct sk_tmpl_call *call, struct sk_decimal *d, char op,
                  struct sk_decimal_operand o)
{
    struct sk_arena *arena = call->x->arena;
    if (op == '/' && o.digits == 0)
        return sk_tmpl_error(call, "decimal division by 0");
    o.minus ^= op == '-';
    bool fine = op == '*'   ? sk_decimal_mul(arena, d, o)
                : op == '/' ? sk_decimal_div(arena, d, o)
                            : sk_decimal_add(arena, d, o);
    return fine || sk_tmpl_no_memory(call->x);
}

static bool decimal(struct sk_tmpl_call *call, char op, struct sk_tv *ret)
{
    struct sk_decimal d;
    struct sk_decimal_operand o = {0, 0, false};
    size_t i = 0;
    if (op != '+' && !operand(call, call->args[i++], &o)) /* a sum begins with 0 */
        return false;
    if (!sk_decimal_set(call->x->arena, &d, o))
        return sk_tmpl_no_memory(call->x);
    for (; i < call->count; i++) {
        if (!sk_tmpl_work(call->x, d.count * sizeof(*d.limbs)) ||
            !operand(call, call->args[i], &o) || !apply(call, &d, op, o))
            return false;
    }
    double v;
    if (!sk_decimal_double(call->x->arena, &d, &v))
        return sk_tmpl_no_memory(call->x);
    *ret = sk_tv_float(v);
    return true;
}

static bool fn_addf(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return decimal(call, '+', ret);
}

static bool fn_subf(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return decimal(call, '-', ret);
}

static bool fn_mulf(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return decimal(call, '*', ret);
}

static bool fn_divf(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return decimal(call, '/', ret);
}

/* ---- default ---- */

/* default d v: nothing is empty that has a length, a sign or a zone. */
static bool fn_default(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    bool truth = false;
    if (call->count > 1 && !sk_tmpl_truth(call->x, call->args[1], &truth))
        return false;
    *ret = call->args[truth ? 1 : 0];
    ret->iface = true;
    return true;
}

#define MANY                                                                                       \
    1, true, SK_TF_PLAIN,                                                                          \
    {                                                                                              \
        SK_TP_ANY, SK_TP_ANY                                                                       \
    }
#define ANY                                                                                        \
    0, true, SK_TF_PLAIN,                                                                          \
    {                                                                                              \
        SK_TP_ANY                                                                                  \
    }
#define TWO                                                                                        \
    2, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_ANY, SK_TP_ANY                                                                       \
    }
#define ONE                                                                                        \
    1, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_ANY                                                                                  \
    }

const struct sk_tmpl_func sk_tmpl_math_funcs[] = {
    {"int", fn_int, ONE},
    {"float64", fn_float64, ONE},
    {"add", fn_add, ANY},
    {"sub", fn_sub, TWO},
    {"mul", fn_mul, MANY},
    {"div", fn_div, TWO},
    {"mod", fn_mod, TWO},
    {"max", fn_max, MANY},
    {"min", fn_min, MANY},
    {"addf", fn_addf, ANY},
    {"subf", fn_subf, MANY},
    {"mulf", fn_mulf, MANY},
    {"divf", fn_divf, MANY},
    {"maxf", fn_maxf, MANY},
    {"minf", fn_minf, MANY},
    {"ceil", fn_ceil, ONE},
    {"floor", fn_floor, ONE},
    {"round", fn_round, 2, true, SK_TF_PLAIN, {SK_TP_ANY, SK_TP_INT, SK_TP_FLOAT}},
    {"default", fn_default, MANY},
    {.name = NULL},
};
