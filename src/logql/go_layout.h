/* SPDX-License-Identifier: Apache-2.0 */
/* go_layout.h -- times with a zone, written and read by Go's reference-time layouts
 * ("2006-01-02T15:04:05.000Z07:00"), as Go's time package does.
 *
 * Years are those of the proleptic Gregorian calendar; a time is bounded by SK_GO_TIME_S_MAX, so
 * that no arithmetic here overflows. */
#ifndef SK_LOGQL_GO_LAYOUT_H
#define SK_LOGQL_GO_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "logql/go_zone.h"

/* Some nine million years to both sides of 1970. */
#define SK_GO_TIME_S_MAX (INT64_C(1) << 48)

/* 0001-01-01T00:00:00Z, Go's zero time. */
#define SK_GO_TIME_ZERO_S INT64_C(-62135596800)

struct sk_go_time {
    int64_t unix_s;
    int32_t nsec; /* 0..999999999 */
    const struct sk_zone *zone;
};

struct sk_go_civil {
    int64_t year;
    unsigned month, day, hour, minute, second; /* month and day from 1 */
    unsigned year_day, week_day;               /* from 1; Sunday is 0 */
    int32_t offset_s;
    struct sk_str abbrev;
    bool dst;
};

extern const char *const sk_go_month_names[12], *const sk_go_day_names[7];

struct sk_go_time sk_go_time_ns(int64_t ns, const struct sk_zone *zone);
/* Bounded by SK_GO_TIME_S_MAX. */
struct sk_go_time sk_go_time_s(int64_t unix_s, const struct sk_zone *zone);
/* Go's Time.Add. */
struct sk_go_time sk_go_time_add(struct sk_go_time t, int64_t ns);
struct sk_go_civil sk_go_time_civil(struct sk_go_time t);

/* The time of a date and a clock in a zone; values out of range are carried (32 January is
 * 1 February). Bounded by SK_GO_TIME_S_MAX. */
struct sk_go_time sk_go_time_date(int64_t year, int64_t month, int64_t day, int64_t day_s,
                                  int32_t nsec, const struct sk_zone *zone);

void sk_go_time_format(struct sk_strbuf *out, struct sk_go_time t, struct sk_str layout);

/* time.ParseInLocation: times without a zone are of `zone`. Zones made of an offset are in `arena`;
 * *ret_no_memory tells of them. false: the text does not fit the layout. */
bool sk_go_time_parse(struct sk_arena *arena, struct sk_str layout, struct sk_str text,
                      const struct sk_zone *zone, struct sk_go_time *ret, bool *ret_no_memory);

/* ---- between the two files ---- */

enum sk_layout_std {
    SK_LAYOUT_NONE,
    SK_LAYOUT_LONG_MONTH,
    SK_LAYOUT_MONTH,
    SK_LAYOUT_NUM_MONTH,
    SK_LAYOUT_ZERO_MONTH,
    SK_LAYOUT_LONG_WEEK_DAY,
    SK_LAYOUT_WEEK_DAY,
    SK_LAYOUT_DAY,
    SK_LAYOUT_UNDER_DAY,
    SK_LAYOUT_ZERO_DAY,
    SK_LAYOUT_UNDER_YEAR_DAY,
    SK_LAYOUT_ZERO_YEAR_DAY,
    SK_LAYOUT_HOUR,
    SK_LAYOUT_HOUR12,
    SK_LAYOUT_ZERO_HOUR12,
    SK_LAYOUT_MINUTE,
    SK_LAYOUT_ZERO_MINUTE,
    SK_LAYOUT_SECOND,
    SK_LAYOUT_ZERO_SECOND,
    SK_LAYOUT_LONG_YEAR,
    SK_LAYOUT_YEAR,
    SK_LAYOUT_UPPER_PM,
    SK_LAYOUT_LOWER_PM,
    SK_LAYOUT_TZ,
    SK_LAYOUT_ZONE,  /* an offset; see the flags */
    SK_LAYOUT_FRAC0, /* digits */
    SK_LAYOUT_FRAC9,
};

struct sk_layout_part {
    struct sk_str before; /* text in front of it */
    enum sk_layout_std std;
    bool zone_z;       /* ZONE: Z stands for 0 */
    bool zone_colon;   /* 07:00 */
    bool zone_minutes; /* not just 07 */
    bool zone_seconds;
    unsigned digits; /* FRAC */
    char separator;  /* FRAC: dot or comma */
};

/* Takes the next part off the front of *layout. */
struct sk_layout_part sk_layout_next(struct sk_str *layout);

#endif
