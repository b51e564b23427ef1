/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_time.c -- see ctl_time.h. Names of days and months are English whatever the locale. */
#include "cli/ctl_time.h"

#include <time.h>

#include "base/assert.h"
#include "base/gotext.h"

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void split(int64_t ts_ns, bool utc, struct tm *ret_tm, int64_t *ret_frac_ns)
{
    int64_t s = ts_ns / SK_NS_PER_S, frac = ts_ns % SK_NS_PER_S;
    if (frac < 0) {
        frac += SK_NS_PER_S;
        s--;
    }
    time_t t = (time_t)s;
    *ret_tm = (struct tm){.tm_mday = 1};
    /* int64 nanoseconds end in the year 2262, which every time_t and tm of 64 bits holds */
    struct tm *made = utc ? gmtime_r(&t, ret_tm) : localtime_r(&t, ret_tm);
    sk_assert(made != NULL);
    *ret_frac_ns = frac;
}

static void put_zone(struct sk_strbuf *out, const struct tm *tm, const char *colon)
{
    long off = tm->tm_gmtoff < 0 ? -tm->tm_gmtoff : tm->tm_gmtoff;
    sk_strbuf_printf(out, "%c%02ld%s%02ld", tm->tm_gmtoff < 0 ? '-' : '+', off / 3600, colon,
                     off / 60 % 60);
}

/* ".5", nothing for 0. */
static void put_short_fraction(struct sk_strbuf *out, int64_t frac_ns)
{
    if (frac_ns == 0)
        return;
    int digits = 9;
    for (; frac_ns % 10 == 0; digits--)
        frac_ns /= 10;
    sk_strbuf_printf(out, ".%0*lld", digits, (long long)frac_ns);
}

static void put_rfc3339(struct sk_strbuf *out, const struct tm *tm, int64_t frac_ns, bool nano)
{
    sk_strbuf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", tm->tm_year + 1900, tm->tm_mon + 1,
                     tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec);
    if (nano)
        put_short_fraction(out, frac_ns);
    if (tm->tm_gmtoff == 0)
        sk_strbuf_putc(out, 'Z');
    else
        put_zone(out, tm, ":");
}

/* "Jan _2 15:04:05" and `digits` digits of the fraction. */
static void put_stamp(struct sk_strbuf *out, const struct tm *tm, int64_t frac_ns, int digits)
{
    for (int i = 9; i > digits; i--)
        frac_ns /= 10;
    sk_strbuf_printf(out, "%s %2d %02d:%02d:%02d.%0*lld", months[tm->tm_mon], tm->tm_mday,
                     tm->tm_hour, tm->tm_min, tm->tm_sec, digits, (long long)frac_ns);
}

void sk_ctl_time_format(struct sk_strbuf *out, int64_t ts_ns, enum sk_ctl_layout layout, bool utc)
{
    struct tm tm;
    int64_t frac_ns;
    split(ts_ns, utc, &tm, &frac_ns);
    switch (layout) {
    case SK_CTL_RFC3339:
    case SK_CTL_RFC3339NANO:
        put_rfc3339(out, &tm, frac_ns, layout == SK_CTL_RFC3339NANO);
        return;
    case SK_CTL_RFC822Z:
        sk_strbuf_printf(out, "%02d %s %02d %02d:%02d ", tm.tm_mday, months[tm.tm_mon],
                         (tm.tm_year + 1900) % 100, tm.tm_hour, tm.tm_min);
        put_zone(out, &tm, "");
        return;
    case SK_CTL_RFC1123Z:
        sk_strbuf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d ", days[tm.tm_wday], tm.tm_mday,
                         months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        put_zone(out, &tm, "");
        return;
    case SK_CTL_STAMPMICRO:
        put_stamp(out, &tm, frac_ns, 6);
        return;
    case SK_CTL_STAMPMILLI:
        put_stamp(out, &tm, frac_ns, 3);
        return;
    case SK_CTL_STAMPNANO:
        put_stamp(out, &tm, frac_ns, 9);
        return;
    case SK_CTL_UNIXDATE:
        sk_strbuf_printf(out, "%s %s %2d %02d:%02d:%02d %s %04d", days[tm.tm_wday],
                         months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                         utc ? "UTC" : tm.tm_zone, tm.tm_year + 1900);
        return;
    }
}

void sk_ctl_time_stamp(struct sk_strbuf *out, int64_t ts_ns)
{
    struct tm tm;
    int64_t frac_ns;
    split(ts_ns, false, &tm, &frac_ns);
    sk_strbuf_printf(out, "%04d/%02d/%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void sk_ctl_time_compact(struct sk_strbuf *out, int64_t ts_ns)
{
    struct tm tm;
    int64_t frac_ns;
    split(ts_ns, true, &tm, &frac_ns);
    sk_strbuf_printf(out, "%04d%02d%02dT%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                     tm.tm_hour, tm.tm_min, tm.tm_sec);
}

#define LAYOUT_TEXT "2006-01-02T15:04:05.999999999Z07:00"

static enum sk_err no_match(struct sk_str text, struct sk_str rest, const char *element,
                            struct sk_error *reterr)
{
    return sk_error_set(reterr, SK_EPARSE,
                        "parsing time \"%.*s\" as \"" LAYOUT_TEXT
                        "\": cannot parse \"%.*s\" as \"%s\"",
                        SK_STR_ARG(text), SK_STR_ARG(rest), element);
}

/* Says why `text` is not RFC 3339: the first element that does not fit, or the field out of
 * range. */
static enum sk_err explain(struct sk_str text, struct sk_error *reterr)
{
    static const struct {
        const char *text; /* of the layout */
        const char *name; /* NULL: literal */
        unsigned min, max;
    } elements[] = {
        {"2006", "year", 0, 9999}, {"-", NULL, 0, 0}, {"01", "month", 1, 12},  {"-", NULL, 0, 0},
        {"02", "day", 1, 31},      {"T", NULL, 0, 0}, {"15", "hour", 0, 23},   {":", NULL, 0, 0},
        {"04", "minute", 0, 59},   {":", NULL, 0, 0}, {"05", "second", 0, 59},
    };
    struct sk_str rest = text;
    const char *out_of_range = "day";
    for (size_t i = 0; i < SK_COUNT_OF(elements); i++) {
        size_t len = strlen(elements[i].text);
        uint64_t v = 0;
        if (elements[i].name == NULL
                ? !sk_str_starts(rest, sk_str_from(elements[i].text))
                : rest.len < len || !sk_str_to_u64((struct sk_str){rest.ptr, len}, &v))
            return no_match(text, rest, elements[i].text, reterr);
        if (elements[i].name != NULL && (v < elements[i].min || v > elements[i].max)) {
            out_of_range = elements[i].name;
            return sk_error_set(reterr, SK_EPARSE, "parsing time \"%.*s\": %s out of range",
                                SK_STR_ARG(text), out_of_range);
        }
        rest = (struct sk_str){rest.ptr + len, rest.len - len};
    }
    if (rest.len > 1 && rest.ptr[0] == '.') {
        size_t n = 1;
        while (n < rest.len && rest.ptr[n] >= '0' && rest.ptr[n] <= '9')
            n++;
        if (n > 1)
            rest = (struct sk_str){rest.ptr + n, rest.len - n};
    }
    int64_t unused;
    if (rest.len >= 1 && rest.ptr[0] == 'Z') {
        if (rest.len > 1)
            return sk_error_set(reterr, SK_EPARSE, "parsing time \"%.*s\": extra text: \"%.*s\"",
                                SK_STR_ARG(text),
                                SK_STR_ARG(((struct sk_str){rest.ptr + 1, rest.len - 1})));
    } else if (rest.len != 6 || (rest.ptr[0] != '+' && rest.ptr[0] != '-') || rest.ptr[3] != ':' ||
               !sk_str_to_i64((struct sk_str){rest.ptr + 1, 2}, &unused) ||
               !sk_str_to_i64((struct sk_str){rest.ptr + 4, 2}, &unused)) {
        return no_match(text, rest, "Z07:00", reterr);
    }
    return sk_error_set(reterr, SK_EPARSE, "parsing time \"%.*s\": %s out of range",
                        SK_STR_ARG(text), out_of_range);
}

enum sk_err sk_ctl_time_parse(struct sk_str text, int64_t *ret_ns, struct sk_error *reterr)
{
    if (sk_rfc3339_parse(text, ret_ns) == SK_OK)
        return SK_OK;
    return explain(text, reterr);
}
