/* SPDX-License-Identifier: Apache-2.0 */
/* go_layout.c -- layouts taken apart, and times written by them; go_layout_parse.c reads. */
#include "logql/go_layout.h"

#include <stdio.h>

#include "base/gotext.h"

const char *const sk_go_month_names[12] = {"January",   "February", "March",    "April",
                                           "May",       "June",     "July",     "August",
                                           "September", "October",  "November", "December"};
const char *const sk_go_day_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

/* ---- times ---- */

static int64_t bounded(int64_t v, int64_t max)
{
    return v > max ? max : v < -max ? -max : v;
}

struct sk_go_time sk_go_time_s(int64_t unix_s, const struct sk_zone *zone)
{
    return (struct sk_go_time){bounded(unix_s, SK_GO_TIME_S_MAX), 0, zone};
}

struct sk_go_time sk_go_time_add(struct sk_go_time t, int64_t ns)
{
    struct sk_go_time d = sk_go_time_ns(ns, t.zone);
    int32_t nsec = t.nsec + d.nsec;
    d.unix_s = bounded(t.unix_s + d.unix_s + (nsec >= SK_NS_PER_S), SK_GO_TIME_S_MAX);
    d.nsec = nsec >= SK_NS_PER_S ? nsec - (int32_t)SK_NS_PER_S : nsec;
    return d;
}

struct sk_go_time sk_go_time_ns(int64_t ns, const struct sk_zone *zone)
{
    int64_t s = ns / SK_NS_PER_S, rest = ns % SK_NS_PER_S;
    if (rest < 0) {
        rest += SK_NS_PER_S;
        s--;
    }
    return (struct sk_go_time){s, (int32_t)rest, zone};
}

struct sk_go_civil sk_go_time_civil(struct sk_go_time t)
{
    struct sk_go_civil c;
    struct sk_zone_span span = sk_zone_at(t.zone, t.unix_s);
    int64_t local = t.unix_s + span.offset_s, days = local / 86400, rest = local % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    sk_civil_from_days(days, &c.year, &c.month, &c.day);
    c.hour = (unsigned)(rest / 3600);
    c.minute = (unsigned)(rest / 60 % 60);
    c.second = (unsigned)(rest % 60);
    c.year_day = (unsigned)(days - sk_days_from_civil(c.year, 1, 1)) + 1;
    c.week_day = (unsigned)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    c.offset_s = span.offset_s;
    c.abbrev = span.abbrev;
    c.dst = span.dst;
    return c;
}

struct sk_go_time sk_go_time_date(int64_t year, int64_t month, int64_t day, int64_t day_s,
                                  int32_t nsec, const struct sk_zone *zone)
{
    int64_t years_max = SK_GO_TIME_S_MAX / (4 * 366 * 86400);
    month = bounded(month, years_max) - 1;
    int64_t carry = month / 12 - (month % 12 < 0);
    int64_t y = bounded(bounded(year, years_max) + carry, years_max);
    int64_t days = sk_days_from_civil(y, (unsigned)(month - carry * 12) + 1, 1) +
                   bounded(day, SK_GO_TIME_S_MAX / (4 * 86400)) - 1;
    int64_t unix_s = days * 86400 + bounded(day_s, SK_GO_TIME_S_MAX / 4);
    struct sk_zone_span span = sk_zone_at(zone, unix_s);
    if (span.offset_s != 0) { /* it was taken as UTC, which may be beyond a change */
        int64_t utc = unix_s - span.offset_s;
        if (utc < span.from_s || utc >= span.to_s)
            span = sk_zone_at(zone, utc);
        unix_s -= span.offset_s;
    }
    return (struct sk_go_time){unix_s, nsec, zone};
}

/* ---- layouts ---- */

struct word {
    const char *text;
    enum sk_layout_std std;
};

/* By first letter, longer ones first. */
static const struct word words[] = {
    {"January", SK_LAYOUT_LONG_MONTH},
    {"Jan", SK_LAYOUT_MONTH},
    {"Monday", SK_LAYOUT_LONG_WEEK_DAY},
    {"Mon", SK_LAYOUT_WEEK_DAY},
    {"MST", SK_LAYOUT_TZ},
    {"002", SK_LAYOUT_ZERO_YEAR_DAY},
    {"01", SK_LAYOUT_ZERO_MONTH},
    {"02", SK_LAYOUT_ZERO_DAY},
    {"03", SK_LAYOUT_ZERO_HOUR12},
    {"04", SK_LAYOUT_ZERO_MINUTE},
    {"05", SK_LAYOUT_ZERO_SECOND},
    {"06", SK_LAYOUT_YEAR},
    {"15", SK_LAYOUT_HOUR},
    {"1", SK_LAYOUT_NUM_MONTH},
    {"2006", SK_LAYOUT_LONG_YEAR},
    {"2", SK_LAYOUT_DAY},
    {"__2", SK_LAYOUT_UNDER_YEAR_DAY},
    {"_2", SK_LAYOUT_UNDER_DAY},
    {"3", SK_LAYOUT_HOUR12},
    {"4", SK_LAYOUT_MINUTE},
    {"5", SK_LAYOUT_SECOND},
    {"PM", SK_LAYOUT_UPPER_PM},
    {"pm", SK_LAYOUT_LOWER_PM},
};

struct zone_word {
    const char *text; /* behind '-' or 'Z' */
    bool colon, minutes, seconds;
};

static const struct zone_word zone_words[] = {
    {"070000", false, true, true}, {"07:00:00", true, true, true}, {"0700", false, true, false},
    {"07:00", true, true, false},  {"07", false, false, false},
};

static bool is_digit(struct sk_str s, size_t at)
{
    return at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9';
}

static struct sk_str from(struct sk_str s, size_t at)
{
    return (struct sk_str){s.ptr + at, s.len - at};
}

/* Bytes of the part at the front of `s`, which is filled in; 0: plain text. */
static size_t zone_part(struct sk_str s, struct sk_layout_part *part)
{
    for (size_t i = 0; i < SK_COUNT_OF(zone_words); i++) {
        const struct zone_word *w = &zone_words[i];
        if (!sk_str_starts(from(s, 1), sk_str_from(w->text)))
            continue;
        part->std = SK_LAYOUT_ZONE;
        part->zone_z = s.ptr[0] == 'Z';
        part->zone_colon = w->colon;
        part->zone_minutes = w->minutes;
        part->zone_seconds = w->seconds;
        return 1 + strlen(w->text);
    }
    return 0;
}

static size_t fraction_part(struct sk_str s, struct sk_layout_part *part)
{
    size_t n = 1;
    if (s.len < 2 || (s.ptr[1] != '0' && s.ptr[1] != '9'))
        return 0;
    while (n < s.len && s.ptr[n] == s.ptr[1])
        n++;
    if (is_digit(s, n))
        return 0;
    part->std = s.ptr[1] == '0' ? SK_LAYOUT_FRAC0 : SK_LAYOUT_FRAC9;
    part->digits = (unsigned)(n - 1);
    part->separator = s.ptr[0];
    return n;
}

static size_t word_part(struct sk_str s, struct sk_layout_part *part)
{
    for (size_t i = 0; i < SK_COUNT_OF(words); i++) {
        struct sk_str w = sk_str_from(words[i].text);
        if (!sk_str_starts(s, w))
            continue;
        bool name = words[i].std == SK_LAYOUT_MONTH || words[i].std == SK_LAYOUT_WEEK_DAY;
        if (name && w.len < s.len && s.ptr[w.len] >= 'a' && s.ptr[w.len] <= 'z')
            continue; /* the beginning of a longer word */
        if (words[i].std == SK_LAYOUT_UNDER_DAY && sk_str_starts(s, SK_STR("_2006")))
            return 0; /* a line and the year */
        part->std = words[i].std;
        return w.len;
    }
    return 0;
}

static size_t part_at(struct sk_str s, struct sk_layout_part *part)
{
    switch (s.ptr[0]) {
    case '-':
    case 'Z':
        return zone_part(s, part);
    case '.':
    case ',':
        return fraction_part(s, part);
    default:
        return word_part(s, part);
    }
}

struct sk_layout_part sk_layout_next(struct sk_str *layout)
{
    struct sk_layout_part part = {.std = SK_LAYOUT_NONE};
    for (size_t i = 0; i < layout->len; i++) {
        size_t n = part_at(from(*layout, i), &part);
        if (n > 0) {
            part.before = (struct sk_str){layout->ptr, i};
            *layout = from(*layout, i + n);
            return part;
        }
    }
    part.before = *layout;
    *layout = (struct sk_str){layout->ptr + layout->len, 0};
    return part;
}

/* ---- writing ---- */

static void zone_format(struct sk_strbuf *out, int32_t offset_s, const struct sk_layout_part *part)
{
    int32_t minutes = offset_s / 60, rest = offset_s;
    if (part->zone_z && offset_s == 0) {
        sk_strbuf_putc(out, 'Z');
        return;
    }
    sk_strbuf_putc(out, minutes < 0 ? '-' : '+');
    if (minutes < 0) {
        minutes = -minutes;
        rest = -rest;
    }
    sk_strbuf_printf(out, "%02d", minutes / 60);
    if (part->zone_minutes)
        sk_strbuf_printf(out, "%s%02d", part->zone_colon ? ":" : "", minutes % 60);
    if (part->zone_seconds)
        sk_strbuf_printf(out, "%s%02d", part->zone_colon ? ":" : "", rest % 60);
}

static void name_format(struct sk_strbuf *out, const struct sk_go_civil *c)
{
    static const struct sk_layout_part plain = {.zone_minutes = true};
    if (c->abbrev.len > 0)
        sk_strbuf_str(out, c->abbrev);
    else
        zone_format(out, c->offset_s, &plain);
}

static void fraction_format(struct sk_strbuf *out, int32_t nsec, const struct sk_layout_part *part)
{
    char digits[16];
    size_t n = part->digits < 9 ? part->digits : 9;
    (void)snprintf(digits, sizeof(digits), "%09d", nsec); /* nine digits */
    while (part->std == SK_LAYOUT_FRAC9 && n > 0 && digits[n - 1] == '0')
        n--;
    if (n == 0)
        return;
    sk_strbuf_putc(out, part->separator);
    sk_strbuf_add(out, digits, n);
}

static unsigned twelve(unsigned hour)
{
    return hour % 12 == 0 ? 12 : hour % 12;
}

static void date_part_format(struct sk_strbuf *out, const struct sk_go_civil *c,
                             enum sk_layout_std std)
{
    switch ((int)std) {
    case SK_LAYOUT_LONG_MONTH:
        sk_strbuf_puts(out, sk_go_month_names[c->month - 1]);
        break;
    case SK_LAYOUT_MONTH:
        sk_strbuf_add(out, sk_go_month_names[c->month - 1], 3);
        break;
    case SK_LAYOUT_NUM_MONTH:
        sk_strbuf_u64(out, c->month);
        break;
    case SK_LAYOUT_ZERO_MONTH:
        sk_strbuf_printf(out, "%02u", c->month);
        break;
    case SK_LAYOUT_LONG_WEEK_DAY:
        sk_strbuf_puts(out, sk_go_day_names[c->week_day]);
        break;
    case SK_LAYOUT_WEEK_DAY:
        sk_strbuf_add(out, sk_go_day_names[c->week_day], 3);
        break;
    case SK_LAYOUT_DAY:
        sk_strbuf_u64(out, c->day);
        break;
    case SK_LAYOUT_UNDER_DAY:
        sk_strbuf_printf(out, "%2u", c->day);
        break;
    case SK_LAYOUT_ZERO_DAY:
        sk_strbuf_printf(out, "%02u", c->day);
        break;
    case SK_LAYOUT_UNDER_YEAR_DAY:
        sk_strbuf_printf(out, "%3u", c->year_day);
        break;
    case SK_LAYOUT_ZERO_YEAR_DAY:
        sk_strbuf_printf(out, "%03u", c->year_day);
        break;
    case SK_LAYOUT_LONG_YEAR:
        sk_strbuf_printf(out, c->year < 0 ? "-%04lld" : "%04lld",
                         (long long)(c->year < 0 ? -c->year : c->year));
        break;
    default: /* SK_LAYOUT_YEAR */
        sk_strbuf_printf(out, "%02lld", (long long)(c->year < 0 ? -c->year : c->year) % 100);
    }
}

static void clock_part_format(struct sk_strbuf *out, const struct sk_go_civil *c,
                              enum sk_layout_std std)
{
    switch ((int)std) {
    case SK_LAYOUT_HOUR:
        sk_strbuf_printf(out, "%02u", c->hour);
        break;
    case SK_LAYOUT_HOUR12:
        sk_strbuf_u64(out, twelve(c->hour));
        break;
    case SK_LAYOUT_ZERO_HOUR12:
        sk_strbuf_printf(out, "%02u", twelve(c->hour));
        break;
    case SK_LAYOUT_MINUTE:
        sk_strbuf_u64(out, c->minute);
        break;
    case SK_LAYOUT_ZERO_MINUTE:
        sk_strbuf_printf(out, "%02u", c->minute);
        break;
    case SK_LAYOUT_SECOND:
        sk_strbuf_u64(out, c->second);
        break;
    case SK_LAYOUT_ZERO_SECOND:
        sk_strbuf_printf(out, "%02u", c->second);
        break;
    case SK_LAYOUT_UPPER_PM:
        sk_strbuf_puts(out, c->hour >= 12 ? "PM" : "AM");
        break;
    default: /* SK_LAYOUT_LOWER_PM */
        sk_strbuf_puts(out, c->hour >= 12 ? "pm" : "am");
    }
}

void sk_go_time_format(struct sk_strbuf *out, struct sk_go_time t, struct sk_str layout)
{
    struct sk_go_civil c = sk_go_time_civil(t);
    for (;;) {
        struct sk_layout_part part = sk_layout_next(&layout);
        sk_strbuf_str(out, part.before);
        switch ((int)part.std) {
        case SK_LAYOUT_NONE:
            return;
        case SK_LAYOUT_TZ:
            name_format(out, &c);
            break;
        case SK_LAYOUT_ZONE:
            zone_format(out, c.offset_s, &part);
            break;
        case SK_LAYOUT_FRAC0:
        case SK_LAYOUT_FRAC9:
            fraction_format(out, t.nsec, &part);
            break;
        case SK_LAYOUT_HOUR:
        case SK_LAYOUT_HOUR12:
        case SK_LAYOUT_ZERO_HOUR12:
        case SK_LAYOUT_MINUTE:
        case SK_LAYOUT_ZERO_MINUTE:
        case SK_LAYOUT_SECOND:
        case SK_LAYOUT_ZERO_SECOND:
        case SK_LAYOUT_UPPER_PM:
        case SK_LAYOUT_LOWER_PM:
            clock_part_format(out, &c, part.std);
            break;
        default:
            date_part_format(out, &c, part.std);
        }
    }
}
