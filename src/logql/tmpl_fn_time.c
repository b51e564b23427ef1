/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fn_time.c -- functions that make and show times, and zones by name, which a thread keeps.
 * The methods of times are in tmpl_time_methods.c. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "logql/tmpl_int.h"

/* Names that are no zone are kept too, so that lines with such do not search the disk each. Nothing
 * is ever replaced: times point to their zones. */
enum { KEPT = 16, ZONE_ARENA_BYTES_MAX = 1 << 20 };

struct kept {
    struct sk_str name;
    const struct sk_zone *zone;
    bool known;
};

struct sk_tmpl_zone {
    struct sk_arena arena; /* of the names and zones */
    struct kept kept[KEPT];
    size_t count;
};

void sk_tmpl_zones_release(struct sk_tmpl_scratch *s)
{
    if (s->zones != NULL)
        sk_arena_deinit(&s->zones->arena);
    sk_free(s->zones);
    s->zones = NULL;
}

static bool load(struct sk_arena *arena, struct sk_str name, struct kept *ret)
{
    *ret = (struct kept){.name = sk_arena_str(arena, name)};
    enum sk_err err = sk_zone_load(arena, name, &ret->zone);
    ret->known = err == SK_OK;
    return err != SK_ENOMEM && ret->name.ptr != NULL;
}

const struct sk_zone *sk_tmpl_zone_get(struct sk_tmpl_exec *x, struct sk_str name, bool *ret_known)
{
    struct sk_tmpl_zone *all = x->in->scratch->zones;
    struct kept one;
    *ret_known = true;
    if (sk_str_is(name, "Local"))
        return x->tmpl->local;
    if (all == NULL && (all = sk_calloc(1, sizeof(*all))) != NULL) {
        sk_arena_init(&all->arena, ZONE_ARENA_BYTES_MAX, NULL);
        x->in->scratch->zones = all;
    }
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        if (sk_str_eq(all->kept[i].name, name)) {
            *ret_known = all->kept[i].known;
            return all->kept[i].zone;
        }
    }
    bool keeps = all != NULL && all->count < KEPT;
    if (!load(keeps ? &all->arena : x->arena, name, &one)) {
        *ret_known = sk_tmpl_no_memory(x);
        return NULL;
    }
    if (keeps)
        all->kept[all->count++] = one;
    *ret_known = one.known;
    return one.zone;
}

/* ---- making times ---- */

static bool fn_timestamp(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_time(sk_go_time_ns(call->x->in->ts_ns, call->x->tmpl->local));
    return true;
}

static bool fn_now(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_time(sk_go_time_ns(sk_clock_now_ns(), call->x->tmpl->local));
    return true;
}

static bool parsed(struct sk_tmpl_call *call, struct sk_str layout, struct sk_str text,
                   const struct sk_zone *zone, struct sk_tv *ret)
{
    struct sk_go_time t;
    bool no_memory;
    if (!sk_go_time_parse(call->x->arena, layout, text, zone, &t, &no_memory))
        t = sk_go_time_s(SK_GO_TIME_ZERO_S, NULL);
    *ret = sk_tv_time(t);
    return !no_memory || sk_tmpl_no_memory(call->x);
}

static bool fn_to_date(struct sk_tmpl_call *call, struct sk_tv *ret) /* toDate layout s */
{
    return parsed(call, call->args[0].u.s, call->args[1].u.s, call->x->tmpl->local, ret);
}

static bool fn_to_date_in_zone(struct sk_tmpl_call *call, struct sk_tv *ret) /* ... layout zone s */
{
    bool known;
    const struct sk_zone *zone = sk_tmpl_zone_get(call->x, call->args[1].u.s, &known);
    if (call->x->failed)
        return false;
    return parsed(call, call->args[0].u.s, call->args[2].u.s, known ? zone : NULL, ret);
}

/* strconv.ParseInt(s, 10, 64); NULL or what is wrong. */
static const char *decimal(struct sk_str s, int64_t *ret)
{
    size_t i = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
    if (i == s.len)
        return "invalid syntax";
    for (size_t at = i; at < s.len; at++) {
        if (s.ptr[at] < '0' || s.ptr[at] > '9')
            return "invalid syntax";
    }
    return sk_str_to_i64(s, ret) ? NULL : "value out of range";
}

/* The number of digits says what is counted. */
static bool fn_unix_to_time(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s = call->args[0].u.s;
    const struct sk_zone *local = call->x->tmpl->local;
    int64_t v, unit = 0;
    const char *wrong = decimal(s, &v);
    if (wrong != NULL) {
        struct sk_strbuf *b = sk_tmpl_text(call);
        sk_strbuf_printf(b, "unable to parse time '%.*s': strconv.ParseInt: parsing ",
                         SK_STR_ARG(s));
        sk_go_quote(b, s);
        sk_strbuf_printf(b, ": %s", wrong);
        call->error = sk_arena_str(call->x->arena, sk_strbuf_view(b));
        return call->error.ptr == NULL ? sk_tmpl_no_memory(call->x) : false;
    }
    switch (s.len) {
    case 5:
        *ret = sk_tv_time(sk_go_time_s(v * 86400, local));
        return true;
    case 10:
        *ret = sk_tv_time(sk_go_time_s(v, local));
        return true;
    case 13:
        unit = SK_NS_PER_MS;
        break;
    case 16:
        unit = SK_NS_PER_US;
        break;
    case 19:
        unit = 1;
        break;
    default:
        return sk_tmpl_error(call, "unable to parse time '%.*s': %%!w(<nil>)", SK_STR_ARG(s));
    }
    /* 13 and 16 digits fit. */
    *ret = sk_tv_time(sk_go_time_ns((int64_t)((uint64_t)v * (uint64_t)unit), local));
    return true;
}

/* ---- showing them ---- */

static bool give_number(struct sk_tmpl_call *call, int64_t v, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    sk_strbuf_i64(b, v);
    return sk_tmpl_give(call, b, ret);
}

static bool fn_unix_epoch(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return give_number(call, call->args[0].u.t.unix_s, ret);
}

static bool fn_unix_epoch_millis(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_go_time t = call->args[0].u.t;
    return give_number(call, t.unix_s * 1000 + t.nsec / 1000000, ret);
}

static bool fn_unix_epoch_nanos(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_go_time t = call->args[0].u.t;
    uint64_t ns = (uint64_t)t.unix_s * (uint64_t)SK_NS_PER_S + (uint64_t)t.nsec; /* wraps as Go's */
    return give_number(call, (int64_t)ns, ret);
}

/* date layout v: a time or a number of seconds, else now. */
static bool fn_date(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_tv v = call->args[1];
    const struct sk_zone *local = call->x->tmpl->local;
    struct sk_strbuf *b = sk_tmpl_text(call);
    struct sk_go_time t = sk_go_time_ns(sk_clock_now_ns(), local);
    if (v.type == SK_TV_TIME)
        t = v.u.t;
    else if (v.type == SK_TV_INT || v.type == SK_TV_INT64)
        t = sk_go_time_s(v.u.i, local);
    t.zone = local;
    sk_go_time_format(b, t, call->args[0].u.s);
    return sk_tmpl_give(call, b, ret);
}

const struct sk_tmpl_func sk_tmpl_time_funcs[] = {
    {"__timestamp__", fn_timestamp, 0, false, SK_TF_PLAIN, {SK_TP_ANY}},
    {"now", fn_now, 0, false, SK_TF_PLAIN, {SK_TP_ANY}},
    {"date", fn_date, 2, false, SK_TF_PLAIN, {SK_TP_STRING, SK_TP_ANY}},
    {"toDate", fn_to_date, 2, false, SK_TF_PLAIN, {SK_TP_STRING, SK_TP_STRING}},
    {"toDateInZone",
     fn_to_date_in_zone,
     3,
     false,
     SK_TF_PLAIN,
     {SK_TP_STRING, SK_TP_STRING, SK_TP_STRING}},
    {"unixToTime", fn_unix_to_time, 1, false, SK_TF_PLAIN, {SK_TP_STRING}},
    {"unixEpoch", fn_unix_epoch, 1, false, SK_TF_PLAIN, {SK_TP_TIME}},
    {"unixEpochMillis", fn_unix_epoch_millis, 1, false, SK_TF_PLAIN, {SK_TP_TIME}},
    {"unixEpochNanos", fn_unix_epoch_nanos, 1, false, SK_TF_PLAIN, {SK_TP_TIME}},
    {.name = NULL},
};
