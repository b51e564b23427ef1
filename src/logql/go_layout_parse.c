/* SPDX-License-Identifier: Apache-2.0 */
/* go_layout_parse.c -- reads times by layouts, with the liberties that Go takes: a fraction of
 * seconds is read where the layout has none, and days may lack a leading zero. */
#include "base/gotext.h"
#include "logql/go_layout.h"

struct reading {
    struct sk_str rest; /* of the text */
    int year, month, day, year_day, hour, minute, second;
    int64_t nsec;
    bool am, pm, utc, has_offset;
    int offset_s;
    struct sk_str zone_name;
};

static bool is_digit(struct sk_str s, size_t at)
{
    return at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9';
}

static void step(struct sk_str *s, size_t n)
{
    s->ptr += n;
    s->len -= n;
}

/* The layout's text; a blank in it stands for any number of blanks. */
static bool skip_text(struct sk_str *s, struct sk_str prefix)
{
    while (prefix.len > 0) {
        if (prefix.ptr[0] == ' ') {
            if (s->len > 0 && s->ptr[0] != ' ')
                return false;
            while (prefix.len > 0 && prefix.ptr[0] == ' ')
                step(&prefix, 1);
            while (s->len > 0 && s->ptr[0] == ' ')
                step(s, 1);
            continue;
        }
        if (s->len == 0 || s->ptr[0] != prefix.ptr[0])
            return false;
        step(&prefix, 1);
        step(s, 1);
    }
    return true;
}

/* Exactly `count` digits. */
static bool take_digits(struct sk_str *s, size_t count, int *ret)
{
    int v = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(*s, i))
            return false;
        v = v * 10 + (s->ptr[i] - '0');
    }
    step(s, count);
    *ret = v;
    return true;
}

/* One or two digits; two when `fixed`. */
static bool take_number(struct sk_str *s, bool fixed, int *ret)
{
    if (!is_digit(*s, 1))
        return !fixed && take_digits(s, 1, ret);
    return take_digits(s, 2, ret);
}

static bool take_number3(struct sk_str *s, bool fixed, int *ret)
{
    size_t n = 0;
    while (n < 3 && is_digit(*s, n))
        n++;
    return n > 0 && (!fixed || n == 3) && take_digits(s, n, ret);
}

/* A name of the list, any case; `len`: that many letters of it, 0: all. */
static bool take_name(struct sk_str *s, const char *const *names, size_t count, size_t len,
                      int *ret)
{
    for (size_t i = 0; i < count; i++) {
        struct sk_str name = {names[i], len == 0 ? strlen(names[i]) : len};
        if (s->len >= name.len && sk_str_eq_nocase((struct sk_str){s->ptr, name.len}, name)) {
            step(s, name.len);
            *ret = (int)i;
            return true;
        }
    }
    return false;
}

/* ".123" of `len` bytes, as nanoseconds. */
static bool take_fraction(struct sk_str *s, size_t len, int64_t *ret)
{
    int64_t v = 0, unit = 1000000000;
    if (s->len < len || (s->ptr[0] != '.' && s->ptr[0] != ','))
        return false;
    for (size_t i = 1; i < len && i < 10; i++) {
        if (!is_digit(*s, i))
            return false;
        unit /= 10;
        v += (s->ptr[i] - '0') * unit;
    }
    step(s, len);
    *ret = v;
    return true;
}

static bool fraction_ahead(struct sk_str s)
{
    return s.len >= 2 && (s.ptr[0] == '.' || s.ptr[0] == ',') && is_digit(s, 1);
}

static bool any_fraction(struct reading *r)
{
    size_t n = 2;
    while (is_digit(r->rest, n))
        n++;
    return take_fraction(&r->rest, n, &r->nsec);
}

/* ---- zones ---- */

static bool read_offset(struct reading *r, const struct sk_layout_part *part)
{
    struct sk_str s = r->rest;
    int h, m = 0, sec = 0;
    if (part->zone_z && s.len > 0 && s.ptr[0] == 'Z') {
        r->utc = true;
        step(&r->rest, 1);
        return true;
    }
    if (s.len == 0 || (s.ptr[0] != '+' && s.ptr[0] != '-'))
        return false;
    bool minus = s.ptr[0] == '-';
    step(&s, 1);
    if (!take_digits(&s, 2, &h))
        return false;
    if (part->zone_minutes &&
        ((part->zone_colon && !skip_text(&s, SK_STR(":"))) || !take_digits(&s, 2, &m)))
        return false;
    if (part->zone_seconds &&
        ((part->zone_colon && !skip_text(&s, SK_STR(":"))) || !take_digits(&s, 2, &sec)))
        return false;
    r->rest = s;
    r->has_offset = true;
    r->offset_s = ((h * 60 + m) * 60 + sec) * (minus ? -1 : 1);
    return h <= 24 && m <= 60 && sec <= 60;
}

/* "+03" or "-11": its length, 0: there is none. */
static size_t signed_hours(struct sk_str s)
{
    size_t n = 1;
    int hours = 0;
    if (s.len == 0 || (s.ptr[0] != '+' && s.ptr[0] != '-'))
        return 0;
    for (; is_digit(s, n) && hours <= 23; n++)
        hours = hours * 10 + (s.ptr[n] - '0');
    return n > 1 && hours <= 23 ? n : 0;
}

/* Length of what looks like the abbreviation of a zone, 0: nothing does. */
static size_t zone_name_len(struct sk_str s)
{
    size_t upper = 0;
    if (s.len < 3)
        return 0;
    if (sk_str_starts(s, SK_STR("ChST")) || sk_str_starts(s, SK_STR("MeST")))
        return 4;
    if (sk_str_starts(s, SK_STR("GMT")))
        return 3 + signed_hours((struct sk_str){s.ptr + 3, s.len - 3});
    if (s.ptr[0] == '+' || s.ptr[0] == '-')
        return signed_hours(s);
    while (upper < 6 && upper < s.len && s.ptr[upper] >= 'A' && s.ptr[upper] <= 'Z')
        upper++;
    if (upper == 5)
        return s.ptr[4] == 'T' ? 5 : 0;
    if (upper == 4)
        return s.ptr[3] == 'T' || sk_str_starts(s, SK_STR("WITA")) ? 4 : 0;
    return upper == 3 ? 3 : 0;
}

static bool read_zone_name(struct reading *r)
{
    if (sk_str_starts(r->rest, SK_STR("UTC"))) {
        r->utc = true;
        step(&r->rest, 3);
        return true;
    }
    size_t n = zone_name_len(r->rest);
    r->zone_name = (struct sk_str){r->rest.ptr, n};
    step(&r->rest, n);
    return n > 0;
}

/* ---- parts ---- */

static bool read_half(struct reading *r, const char *am, const char *pm)
{
    struct sk_str two = {r->rest.ptr, 2};
    if (r->rest.len < 2)
        return false;
    r->pm |= sk_str_is(two, pm);
    r->am |= sk_str_is(two, am);
    bool known = sk_str_is(two, pm) || sk_str_is(two, am);
    step(&r->rest, 2);
    return known;
}

static bool read_date(struct reading *r, enum sk_layout_std std)
{
    int ignored;
    switch ((int)std) {
    case SK_LAYOUT_YEAR:
        if (!take_digits(&r->rest, 2, &r->year))
            return false;
        r->year += r->year >= 69 ? 1900 : 2000;
        return true;
    case SK_LAYOUT_LONG_YEAR:
        return take_digits(&r->rest, 4, &r->year);
    case SK_LAYOUT_MONTH:
    case SK_LAYOUT_LONG_MONTH:
        if (!take_name(&r->rest, sk_go_month_names, 12, std == SK_LAYOUT_MONTH ? 3 : 0, &r->month))
            return false;
        r->month++;
        return true;
    case SK_LAYOUT_NUM_MONTH:
    case SK_LAYOUT_ZERO_MONTH:
        return take_number(&r->rest, std == SK_LAYOUT_ZERO_MONTH, &r->month) && r->month >= 1 &&
               r->month <= 12;
    case SK_LAYOUT_WEEK_DAY:
    case SK_LAYOUT_LONG_WEEK_DAY:
        return take_name(&r->rest, sk_go_day_names, 7, std == SK_LAYOUT_WEEK_DAY ? 3 : 0, &ignored);
    case SK_LAYOUT_UNDER_YEAR_DAY:
    case SK_LAYOUT_ZERO_YEAR_DAY:
        for (int i = 0; std == SK_LAYOUT_UNDER_YEAR_DAY && i < 2; i++) {
            if (r->rest.len > 0 && r->rest.ptr[0] == ' ')
                step(&r->rest, 1);
        }
        return take_number3(&r->rest, std == SK_LAYOUT_ZERO_YEAR_DAY, &r->year_day);
    default: /* days */
        if (std == SK_LAYOUT_UNDER_DAY && r->rest.len > 0 && r->rest.ptr[0] == ' ')
            step(&r->rest, 1);
        return take_number(&r->rest, std == SK_LAYOUT_ZERO_DAY, &r->day);
    }
}

static bool read_second(struct reading *r, enum sk_layout_std std, struct sk_str layout)
{
    if (!take_number(&r->rest, std == SK_LAYOUT_ZERO_SECOND, &r->second) || r->second > 59)
        return false;
    if (!fraction_ahead(r->rest))
        return true;
    enum sk_layout_std then = sk_layout_next(&layout).std;
    return then == SK_LAYOUT_FRAC0 || then == SK_LAYOUT_FRAC9 || any_fraction(r);
}

/* `layout` is what comes behind the part. */
static bool read_part(struct reading *r, const struct sk_layout_part *part, struct sk_str layout)
{
    switch ((int)part->std) {
    case SK_LAYOUT_HOUR:
        return take_number(&r->rest, false, &r->hour) && r->hour <= 23;
    case SK_LAYOUT_HOUR12:
    case SK_LAYOUT_ZERO_HOUR12:
        return take_number(&r->rest, part->std == SK_LAYOUT_ZERO_HOUR12, &r->hour) && r->hour <= 12;
    case SK_LAYOUT_MINUTE:
    case SK_LAYOUT_ZERO_MINUTE:
        return take_number(&r->rest, part->std == SK_LAYOUT_ZERO_MINUTE, &r->minute) &&
               r->minute <= 59;
    case SK_LAYOUT_SECOND:
    case SK_LAYOUT_ZERO_SECOND:
        return read_second(r, part->std, layout);
    case SK_LAYOUT_UPPER_PM:
        return read_half(r, "AM", "PM");
    case SK_LAYOUT_LOWER_PM:
        return read_half(r, "am", "pm");
    case SK_LAYOUT_ZONE:
        return read_offset(r, part);
    case SK_LAYOUT_TZ:
        return read_zone_name(r);
    case SK_LAYOUT_FRAC0:
        return take_fraction(&r->rest, 1 + part->digits, &r->nsec);
    case SK_LAYOUT_FRAC9:
        return !fraction_ahead(r->rest) || any_fraction(r);
    default:
        return read_date(r, part->std);
    }
}

/* ---- the whole ---- */

static int days_in(int month, int year)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* A day of the year becomes month and day, which must be those that were read, if any were. */
static bool resolve_day(struct reading *r)
{
    if (r->year_day >= 0) {
        int month = 1, day = r->year_day;
        while (month < 12 && day > days_in(month, r->year))
            day -= days_in(month++, r->year);
        if (day < 1 || day > days_in(month, r->year) || (r->month >= 0 && r->month != month) ||
            (r->day >= 0 && r->day != day))
            return false;
        r->month = month;
        r->day = day;
    }
    if (r->month < 0)
        r->month = 1;
    if (r->day < 0)
        r->day = 1;
    return r->day >= 1 && r->day <= days_in(r->month, r->year);
}

static struct sk_go_time time_in(const struct reading *r, const struct sk_zone *zone)
{
    return sk_go_time_date(r->year, r->month, r->day, r->hour * 3600 + r->minute * 60 + r->second,
                           (int32_t)r->nsec, zone);
}

/* The zone of an offset or an abbreviation: the given one when it has that, else one of its own. */
static bool resolve_zone(struct sk_arena *arena, const struct reading *r,
                         const struct sk_zone *zone, struct sk_go_time *t)
{
    int32_t offset = r->offset_s;
    bool known;
    *t = time_in(r, NULL);
    if (r->has_offset) {
        struct sk_zone_span span = sk_zone_at(zone, t->unix_s - offset);
        known = span.offset_s == offset &&
                (r->zone_name.len == 0 || sk_str_eq(span.abbrev, r->zone_name));
    } else {
        known = sk_zone_abbrev(zone, r->zone_name, t->unix_s, &offset);
        if (!known && r->zone_name.len > 4 && sk_str_starts(r->zone_name, SK_STR("GMT"))) {
            for (size_t i = 4; i < r->zone_name.len; i++)
                offset = offset * 10 + (r->zone_name.ptr[i] - '0') * 3600;
            offset = r->zone_name.ptr[3] == '-' ? -offset : offset;
            t->zone = sk_zone_fixed(arena, r->zone_name, offset);
            return t->zone != NULL; /* Go leaves the time itself as it is */
        }
    }
    if (known || r->has_offset)
        t->unix_s -= offset;
    t->zone = known ? zone : sk_zone_fixed(arena, r->zone_name, offset);
    return known || t->zone != NULL;
}

bool sk_go_time_parse(struct sk_arena *arena, struct sk_str layout, struct sk_str text,
                      const struct sk_zone *zone, struct sk_go_time *ret, bool *ret_no_memory)
{
    struct reading r = {.rest = text, .month = -1, .day = -1, .year_day = -1};
    *ret_no_memory = false;
    for (;;) {
        struct sk_layout_part part = sk_layout_next(&layout);
        if (!skip_text(&r.rest, part.before))
            return false;
        if (part.std == SK_LAYOUT_NONE)
            break;
        if (!read_part(&r, &part, layout))
            return false;
    }
    if (r.rest.len != 0)
        return false;
    if (r.pm && r.hour < 12)
        r.hour += 12;
    else if (r.am && !r.pm && r.hour == 12)
        r.hour = 0;
    if (!resolve_day(&r))
        return false;
    if (!r.utc && (r.has_offset || r.zone_name.len > 0)) {
        *ret_no_memory = !resolve_zone(arena, &r, zone, ret);
        return !*ret_no_memory;
    }
    *ret = time_in(&r, r.utc ? NULL : zone);
    return true;
}
