/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_time_methods.c -- the methods of Go's time.Time and of the types that they give. Those that
 * make bytes or take pointers are left out; those with several results are here for their
 * messages. */
#include "base/gotext.h"
#include "logql/tmpl_int.h"

__extension__ typedef __int128 wide;

static struct sk_tv receiver(const struct sk_tmpl_call *call)
{
    return call->args[-1];
}

static struct sk_go_time self(const struct sk_tmpl_call *call)
{
    return receiver(call).u.t;
}

static bool give_int(int64_t v, struct sk_tv *ret)
{
    *ret = sk_tv_int(SK_TV_INT, v);
    return true;
}

static bool give_int64(int64_t v, struct sk_tv *ret)
{
    *ret = sk_tv_int(SK_TV_INT64, v);
    return true;
}

static bool give_time(struct sk_go_time t, struct sk_tv *ret)
{
    *ret = sk_tv_time(t);
    return true;
}

static bool give_bool(bool b, struct sk_tv *ret)
{
    *ret = sk_tv_bool(b);
    return true;
}

/* ---- parts of a time ---- */

static bool m_year(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(sk_go_time_civil(self(call)).year, ret);
}

static bool m_month(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_int(SK_TV_MONTH, sk_go_time_civil(self(call)).month);
    return true;
}

static bool m_day(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(sk_go_time_civil(self(call)).day, ret);
}

static bool m_weekday(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_int(SK_TV_WEEKDAY, sk_go_time_civil(self(call)).week_day);
    return true;
}

static bool m_year_day(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(sk_go_time_civil(self(call)).year_day, ret);
}

static bool m_hour(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(sk_go_time_civil(self(call)).hour, ret);
}

static bool m_minute(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(sk_go_time_civil(self(call)).minute, ret);
}

static bool m_second(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(sk_go_time_civil(self(call)).second, ret);
}

static bool m_nanosecond(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(self(call).nsec, ret);
}

static bool m_is_dst(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_bool(sk_go_time_civil(self(call)).dst, ret);
}

static bool m_location(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = (struct sk_tv){.type = SK_TV_LOCATION, .u = {.zone = self(call).zone}};
    return true;
}

/* ---- counts since 1970; they wrap as Go's ---- */

static bool since_epoch(struct sk_go_time t, int64_t per_second, struct sk_tv *ret)
{
    uint64_t whole = (uint64_t)t.unix_s * (uint64_t)per_second;
    return give_int64((int64_t)(whole + (uint64_t)(t.nsec / (SK_NS_PER_S / per_second))), ret);
}

static bool m_unix(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return since_epoch(self(call), 1, ret);
}

static bool m_unix_milli(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return since_epoch(self(call), 1000, ret);
}

static bool m_unix_micro(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return since_epoch(self(call), 1000000, ret);
}

static bool m_unix_nano(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return since_epoch(self(call), SK_NS_PER_S, ret);
}

/* ---- comparing ---- */

static int compared(const struct sk_tmpl_call *call)
{
    struct sk_go_time a = self(call), b = call->args[0].u.t;
    if (a.unix_s != b.unix_s)
        return a.unix_s < b.unix_s ? -1 : 1;
    return a.nsec < b.nsec ? -1 : a.nsec > b.nsec;
}

static bool m_before(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_bool(compared(call) < 0, ret);
}

static bool m_after(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_bool(compared(call) > 0, ret);
}

static bool m_equal(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_bool(compared(call) == 0, ret);
}

static bool m_compare(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int(compared(call), ret);
}

static bool m_is_zero(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_bool(self(call).unix_s == SK_GO_TIME_ZERO_S && self(call).nsec == 0, ret);
}

/* ---- arithmetic ---- */

static bool m_add(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_time(sk_go_time_add(self(call), call->args[0].u.i), ret);
}

/* What is too long is the longest duration. */
static bool m_sub(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_go_time a = self(call), b = call->args[0].u.t;
    wide ns = (wide)(a.unix_s - b.unix_s) * SK_NS_PER_S + (a.nsec - b.nsec);
    ns = ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : ns;
    *ret = sk_tv_int(SK_TV_DURATION, (int64_t)ns);
    return true;
}

static bool m_add_date(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_go_time t = self(call);
    struct sk_go_civil c = sk_go_time_civil(t);
    int64_t year, month, day;
    if (__builtin_add_overflow(c.year, call->args[0].u.i, &year) ||
        __builtin_add_overflow((int64_t)c.month, call->args[1].u.i, &month) ||
        __builtin_add_overflow((int64_t)c.day, call->args[2].u.i, &day))
        return give_time(t, ret); /* no calendar goes there */
    return give_time(
        sk_go_time_date(year, month, day, c.hour * 3600 + c.minute * 60 + c.second, t.nsec, t.zone),
        ret);
}

/* What a time is beyond a multiple of `d` since the year 1. */
static int64_t beyond(struct sk_go_time t, int64_t d)
{
    wide ns = (wide)(t.unix_s - SK_GO_TIME_ZERO_S) * SK_NS_PER_S + t.nsec;
    int64_t rest = (int64_t)(ns % d);
    return rest < 0 ? rest + d : rest;
}

static bool m_truncate(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t d = call->args[0].u.i;
    return give_time(d <= 0 ? self(call) : sk_go_time_add(self(call), -beyond(self(call), d)), ret);
}

static bool m_round(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t d = call->args[0].u.i;
    if (d <= 0)
        return give_time(self(call), ret);
    int64_t rest = beyond(self(call), d);
    return give_time(sk_go_time_add(self(call), rest < d - rest ? -rest : d - rest), ret);
}

/* ---- zones and texts ---- */

static bool in_zone(struct sk_tmpl_call *call, const struct sk_zone *zone, struct sk_tv *ret)
{
    struct sk_go_time t = self(call);
    t.zone = zone;
    return give_time(t, ret);
}

static bool m_utc(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return in_zone(call, NULL, ret);
}

static bool m_local(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return in_zone(call, call->x->tmpl->local, ret);
}

static bool m_in(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return in_zone(call, call->args[0].u.zone, ret);
}

static bool m_format(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    sk_go_time_format(b, self(call), call->args[0].u.s);
    return sk_tmpl_give(call, b, ret);
}

/* Of every type here. */
static bool m_string(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    struct sk_tv v = receiver(call);
    sk_tmpl_print(call->x, b, &v, 1);
    return !call->x->failed && sk_tmpl_give(call, b, ret);
}

static bool m_go_string(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    struct sk_tv v = receiver(call);
    sk_tmpl_printf(call->x, b, SK_STR("%#v"), &v, 1);
    return !call->x->failed && sk_tmpl_give(call, b, ret);
}

/* ---- durations ---- */

static bool in_units(const struct sk_tmpl_call *call, int64_t unit, struct sk_tv *ret)
{
    int64_t d = receiver(call).u.i;
    *ret = sk_tv_float((double)(d / unit) + (double)(d % unit) / (double)unit);
    return true;
}

static bool m_hours(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return in_units(call, SK_NS_PER_HOUR, ret);
}

static bool m_minutes(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return in_units(call, SK_NS_PER_MIN, ret);
}

static bool m_seconds(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return in_units(call, SK_NS_PER_S, ret);
}

static bool m_milliseconds(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int64(receiver(call).u.i / SK_NS_PER_MS, ret);
}

static bool m_microseconds(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int64(receiver(call).u.i / SK_NS_PER_US, ret);
}

static bool m_nanoseconds(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_int64(receiver(call).u.i, ret);
}

static bool m_abs(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t d = receiver(call).u.i;
    *ret = sk_tv_int(SK_TV_DURATION, d >= 0 ? d : d == INT64_MIN ? INT64_MAX : -d);
    return true;
}

static bool m_duration_truncate(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t d = receiver(call).u.i, m = call->args[0].u.i;
    *ret = sk_tv_int(SK_TV_DURATION, m <= 0 ? d : d - d % m);
    return true;
}

/* Halves away from zero; what would be too long is the longest. */
static bool m_duration_round(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t d = receiver(call).u.i, m = call->args[0].u.i;
    wide v = d;
    if (m > 0) {
        int64_t rest = d % m < 0 ? -(d % m) : d % m;
        int sign = d < 0 ? -1 : 1;
        v += rest < m - rest ? -sign * (wide)rest : sign * (wide)(m - rest);
    }
    v = v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : v;
    *ret = sk_tv_int(SK_TV_DURATION, (int64_t)v);
    return true;
}

#define NONE                                                                                       \
    0, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_ANY                                                                                  \
    }
#define TIME                                                                                       \
    1, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_TIME                                                                                 \
    }
#define SPAN                                                                                       \
    1, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_DURATION                                                                             \
    }
#define TWO                                                                                        \
    0, false, SK_TF_RETURNS_TWO,                                                                   \
    {                                                                                              \
        SK_TP_ANY                                                                                  \
    }
#define THREE                                                                                      \
    0, false, SK_TF_RETURNS_THREE,                                                                 \
    {                                                                                              \
        SK_TP_ANY                                                                                  \
    }

const struct sk_tmpl_func sk_tmpl_time_methods[] = {
    {"Year", m_year, NONE},
    {"Month", m_month, NONE},
    {"Day", m_day, NONE},
    {"Weekday", m_weekday, NONE},
    {"YearDay", m_year_day, NONE},
    {"Hour", m_hour, NONE},
    {"Minute", m_minute, NONE},
    {"Second", m_second, NONE},
    {"Nanosecond", m_nanosecond, NONE},
    {"IsDST", m_is_dst, NONE},
    {"Location", m_location, NONE},
    {"Unix", m_unix, NONE},
    {"UnixMilli", m_unix_milli, NONE},
    {"UnixMicro", m_unix_micro, NONE},
    {"UnixNano", m_unix_nano, NONE},
    {"Before", m_before, TIME},
    {"After", m_after, TIME},
    {"Equal", m_equal, TIME},
    {"Compare", m_compare, TIME},
    {"IsZero", m_is_zero, NONE},
    {"Add", m_add, SPAN},
    {"Sub", m_sub, TIME},
    {"AddDate", m_add_date, 3, false, SK_TF_PLAIN, {SK_TP_INT, SK_TP_INT, SK_TP_INT}},
    {"Truncate", m_truncate, SPAN},
    {"Round", m_round, SPAN},
    {"UTC", m_utc, NONE},
    {"Local", m_local, NONE},
    {"In", m_in, 1, false, SK_TF_PLAIN, {SK_TP_LOCATION}},
    {"Format", m_format, 1, false, SK_TF_PLAIN, {SK_TP_STRING}},
    {"String", m_string, NONE},
    {"GoString", m_go_string, NONE},
    {"Date", NULL, THREE},
    {"Clock", NULL, THREE},
    {"ISOWeek", NULL, TWO},
    {"Zone", NULL, TWO},
    {"ZoneBounds", NULL, TWO},
    {.name = NULL},
};

const struct sk_tmpl_func sk_tmpl_duration_methods[] = {
    {"Hours", m_hours, NONE},
    {"Minutes", m_minutes, NONE},
    {"Seconds", m_seconds, NONE},
    {"Milliseconds", m_milliseconds, NONE},
    {"Microseconds", m_microseconds, NONE},
    {"Nanoseconds", m_nanoseconds, NONE},
    {"Abs", m_abs, NONE},
    {"Truncate", m_duration_truncate, SPAN},
    {"Round", m_duration_round, SPAN},
    {"String", m_string, NONE},
    {.name = NULL},
};

const struct sk_tmpl_func sk_tmpl_month_methods[] = {{"String", m_string, NONE}, {.name = NULL}};
const struct sk_tmpl_func sk_tmpl_weekday_methods[] = {{"String", m_string, NONE}, {.name = NULL}};
const struct sk_tmpl_func sk_tmpl_location_methods[] = {{"String", m_string, NONE}, {.name = NULL}};
