/* SPDX-License-Identifier: Apache-2.0 */
/* gotime.c -- durations, sizes and times of gotext.h. */
#include "base/gotext.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

typedef void quote_fn(struct sk_strbuf *out, struct sk_str s);

/* As package time quotes: bytes beyond printable ASCII as \x.. */
static void time_quote(struct sk_strbuf *out, struct sk_str s)
{
    sk_strbuf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c >= 0x80) {
            sk_strbuf_printf(out, "\\x%02x", c);
            continue;
        }
        if (c == '"' || c == '\\')
            sk_strbuf_putc(out, '\\');
        sk_strbuf_putc(out, (char)c);
    }
    sk_strbuf_putc(out, '"');
}

static enum sk_err quoted(struct sk_error *reterr, quote_fn *quote, const char *what,
                          struct sk_str unit, struct sk_str s)
{
    struct sk_strbuf b;
    sk_strbuf_init(&b, SK_ERROR_TEXT_BYTES);
    sk_strbuf_puts(&b, what);
    if (unit.ptr != NULL) {
        quote(&b, unit);
        sk_strbuf_puts(&b, " in duration ");
    }
    quote(&b, s);
    enum sk_err err = sk_error_set(reterr, SK_EPARSE, "%.*s", SK_STR_ARG(sk_strbuf_view(&b)));
    sk_strbuf_deinit(&b);
    return err;
}

static enum sk_err quoted_error(struct sk_error *reterr, const char *what, struct sk_str unit,
                                struct sk_str s)
{
    return quoted(reterr, time_quote, what, unit, s);
}

static enum sk_err prom_error(struct sk_error *reterr, const char *what, struct sk_str unit,
                              struct sk_str s)
{
    return quoted(reterr, sk_go_quote, what, unit, s);
}

static int64_t go_unit_ns(struct sk_str u)
{
    if (sk_str_is(u, "ns"))
        return 1;
    if (sk_str_is(u, "us") || sk_str_is(u, "\xc2\xb5s") || sk_str_is(u, "\xce\xbcs"))
        return SK_NS_PER_US;
    if (sk_str_is(u, "ms"))
        return SK_NS_PER_MS;
    if (sk_str_is(u, "s"))
        return SK_NS_PER_S;
    if (sk_str_is(u, "m"))
        return SK_NS_PER_MIN;
    if (sk_str_is(u, "h"))
        return SK_NS_PER_HOUR;
    return 0;
}

/* One "12.5h" of a Go duration; false: no number here. */
static bool go_number(struct sk_str *s, uint64_t *ret_whole, uint64_t *ret_frac, double *ret_scale,
                      bool *ret_overflow)
{
    size_t i = 0;
    uint64_t whole = 0, frac = 0;
    double scale = 1;
    bool any = false, overflow = false;
    for (; i < s->len && digit(s->ptr[i]); i++) {
        any = true;
        if (whole > (uint64_t)INT64_MAX / 10)
            overflow = true;
        whole = whole * 10 + (uint64_t)(s->ptr[i] - '0');
    }
    if (i < s->len && s->ptr[i] == '.') {
        for (i++; i < s->len && digit(s->ptr[i]); i++) {
            any = true;
            if (frac > (uint64_t)INT64_MAX / 10)
                continue;
            frac = frac * 10 + (uint64_t)(s->ptr[i] - '0');
            scale *= 10;
        }
    }
    if (!any)
        return false;
    s->ptr += i;
    s->len -= i;
    *ret_whole = whole;
    *ret_frac = frac;
    *ret_scale = scale;
    *ret_overflow = overflow || whole > (uint64_t)INT64_MAX;
    return true;
}

enum sk_err sk_go_parse_duration(struct sk_str s, int64_t *ret_ns, struct sk_error *reterr)
{
    static const struct sk_str none;
    struct sk_str rest = s;
    bool minus = rest.len > 0 && rest.ptr[0] == '-';
    if (rest.len > 0 && (rest.ptr[0] == '-' || rest.ptr[0] == '+')) {
        rest.ptr++;
        rest.len--;
    }
    if (sk_str_is(rest, "0")) {
        *ret_ns = 0;
        return SK_OK;
    }
    if (rest.len == 0)
        return quoted_error(reterr, "time: invalid duration ", none, s);
    uint64_t sum = 0;
    while (rest.len > 0) {
        uint64_t whole, frac;
        double scale;
        bool overflow;
        if (!go_number(&rest, &whole, &frac, &scale, &overflow) || overflow)
            return quoted_error(reterr, "time: invalid duration ", none, s);
        size_t n = 0;
        while (n < rest.len && rest.ptr[n] != '.' && !digit(rest.ptr[n]))
            n++;
        if (n == 0)
            return quoted_error(reterr, "time: missing unit in duration ", none, s);
        struct sk_str unit = {rest.ptr, n};
        int64_t ns = go_unit_ns(unit);
        if (ns == 0)
            return quoted_error(reterr, "time: unknown unit ", unit, s);
        rest.ptr += n;
        rest.len -= n;
        uint64_t part;
        if (__builtin_mul_overflow(whole, (uint64_t)ns, &part) || part > (uint64_t)INT64_MAX)
            return quoted_error(reterr, "time: invalid duration ", none, s);
        part += (uint64_t)((double)frac * ((double)ns / scale));
        if (__builtin_add_overflow(sum, part, &sum) || sum > (uint64_t)INT64_MAX)
            return quoted_error(reterr, "time: invalid duration ", none, s);
    }
    *ret_ns = minus ? -(int64_t)sum : (int64_t)sum;
    return SK_OK;
}

static void fraction(struct sk_strbuf *out, uint64_t frac, int digits)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%0*llu", digits, (unsigned long long)frac);
    while (n > 0 && text[n - 1] == '0')
        n--;
    if (n > 0) {
        sk_strbuf_putc(out, '.');
        sk_strbuf_add(out, text, (size_t)n);
    }
}

void sk_go_format_duration(struct sk_strbuf *out, int64_t ns)
{
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        sk_strbuf_putc(out, '-');
    if (u == 0) {
        sk_strbuf_puts(out, "0s");
    } else if (u < (uint64_t)SK_NS_PER_US) {
        sk_strbuf_printf(out, "%lluns", (unsigned long long)u);
    } else if (u < (uint64_t)SK_NS_PER_MS) {
        sk_strbuf_u64(out, u / 1000);
        fraction(out, u % 1000, 3);
        sk_strbuf_puts(out, "\xc2\xb5s");
    } else if (u < (uint64_t)SK_NS_PER_S) {
        sk_strbuf_u64(out, u / 1000000);
        fraction(out, u % 1000000, 6);
        sk_strbuf_puts(out, "ms");
    } else {
        uint64_t s = u / 1000000000;
        if (s >= 3600)
            sk_strbuf_printf(out, "%lluh", (unsigned long long)(s / 3600));
        if (s >= 60)
            sk_strbuf_printf(out, "%llum", (unsigned long long)(s / 60 % 60));
        sk_strbuf_u64(out, s % 60);
        fraction(out, u % 1000000000, 9);
        sk_strbuf_putc(out, 's');
    }
}

static const struct {
    const char *name;
    int64_t ms;
} prom_units[] = {
    {"y", INT64_C(31536000000)},
    {"w", 604800000},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

enum sk_err sk_prom_parse_duration(struct sk_str s, int64_t *ret_ns, struct sk_error *reterr)
{
    static const struct sk_str none;
    if (s.len == 0)
        return sk_error_set(reterr, SK_EPARSE, "empty duration string");
    if (sk_str_is(s, "0")) {
        *ret_ns = 0;
        return SK_OK;
    }
    struct sk_str rest = s;
    size_t unit_idx = 0;
    uint64_t sum_ms = 0;
    while (rest.len > 0) {
        size_t n = 0;
        uint64_t v;
        while (n < rest.len && digit(rest.ptr[n]))
            n++;
        if (n == 0 || !sk_str_to_u64((struct sk_str){rest.ptr, n}, &v))
            return prom_error(reterr, "not a valid duration string: ", none, s);
        rest.ptr += n;
        rest.len -= n;
        for (n = 0; n < rest.len && !digit(rest.ptr[n]);)
            n++;
        if (n == 0)
            return prom_error(reterr, "not a valid duration string: ", none, s);
        struct sk_str unit = {rest.ptr, n};
        size_t idx = 0;
        while (idx < SK_COUNT_OF(prom_units) && !sk_str_is(unit, prom_units[idx].name))
            idx++;
        if (idx == SK_COUNT_OF(prom_units))
            return prom_error(reterr, "unknown unit ", unit, s);
        if (idx < unit_idx)
            return prom_error(reterr, "not a valid duration string: ", none, s);
        unit_idx = idx + 1;
        rest.ptr += n;
        rest.len -= n;
        uint64_t part;
        if (__builtin_mul_overflow(v, (uint64_t)prom_units[idx].ms, &part) ||
            __builtin_add_overflow(sum_ms, part, &sum_ms) ||
            sum_ms > (uint64_t)(INT64_MAX / SK_NS_PER_MS))
            return sk_error_set(reterr, SK_EPARSE, "duration out of range");
    }
    *ret_ns = (int64_t)sum_ms * SK_NS_PER_MS;
    return SK_OK;
}

/* y, w and d are used only where they leave no rest, as Prometheus does. */
void sk_prom_format_duration(struct sk_strbuf *out, int64_t ns)
{
    int64_t ms = ns / SK_NS_PER_MS;
    if (ms < 0) {
        sk_strbuf_putc(out, '-');
        ms = -ms;
    }
    if (ms == 0) {
        sk_strbuf_puts(out, "0s");
        return;
    }
    for (size_t i = 0; i < SK_COUNT_OF(prom_units); i++) {
        bool exact = i < 2; /* y and w only when exact */
        if (exact && ms % prom_units[i].ms != 0)
            continue;
        int64_t v = ms / prom_units[i].ms;
        if (v > 0) {
            sk_strbuf_printf(out, "%lld%s", (long long)v, prom_units[i].name);
            ms -= v * prom_units[i].ms;
        }
    }
}

static const struct {
    const char *name;
    uint64_t bytes;
} byte_units[] = {
    {"", 1},
    {"b", 1},
    {"kb", 1000},
    {"k", 1000},
    {"mb", 1000000},
    {"m", 1000000},
    {"gb", 1000000000},
    {"g", 1000000000},
    {"tb", 1000000000000},
    {"t", 1000000000000},
    {"pb", 1000000000000000},
    {"p", 1000000000000000},
    {"eb", 1000000000000000000},
    {"e", 1000000000000000000},
    {"kib", UINT64_C(1) << 10},
    {"ki", UINT64_C(1) << 10},
    {"mib", UINT64_C(1) << 20},
    {"mi", UINT64_C(1) << 20},
    {"gib", UINT64_C(1) << 30},
    {"gi", UINT64_C(1) << 30},
    {"tib", UINT64_C(1) << 40},
    {"ti", UINT64_C(1) << 40},
    {"pib", UINT64_C(1) << 50},
    {"pi", UINT64_C(1) << 50},
    {"eib", UINT64_C(1) << 60},
    {"ei", UINT64_C(1) << 60},
};

enum sk_err sk_go_parse_bytes(struct sk_str s, uint64_t *ret_bytes, struct sk_error *reterr)
{
    char num[64];
    size_t i = 0, n = 0;
    for (; i < s.len && (digit(s.ptr[i]) || s.ptr[i] == '.' || s.ptr[i] == ','); i++) {
        if (s.ptr[i] != ',' && n < sizeof(num))
            num[n++] = s.ptr[i];
    }
    double v;
    enum sk_err err = sk_go_parse_float((struct sk_str){num, n}, &v, reterr);
    if (err != SK_OK)
        return err;
    struct sk_str unit = sk_str_trim((struct sk_str){s.ptr + i, s.len - i});
    for (size_t k = 0; k < SK_COUNT_OF(byte_units); k++) {
        if (!sk_str_eq_nocase(unit, sk_str_from(byte_units[k].name)))
            continue;
        v *= (double)byte_units[k].bytes;
        if (v >= 18446744073709551616.0)
            return sk_error_set(reterr, SK_ELIMIT, "too large: %.*s", SK_STR_ARG(s));
        *ret_bytes = (uint64_t)v;
        return SK_OK;
    }
    char low[64];
    for (n = 0; n < unit.len && n < sizeof(low) - 1; n++)
        low[n] = (char)(unit.ptr[n] >= 'A' && unit.ptr[n] <= 'Z' ? unit.ptr[n] + 32 : unit.ptr[n]);
    low[n] = '\0';
    return sk_error_set(reterr, SK_EPARSE, "unhandled size name: %s", low);
}

void sk_go_format_bytes(struct sk_strbuf *out, uint64_t bytes)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 10) {
        sk_strbuf_printf(out, "%lluB", (unsigned long long)bytes);
        return;
    }
    double e = floor(log((double)bytes) / log(1000));
    double x = floor((double)bytes / pow(1000, e) * 10 + 0.5) / 10;
    sk_strbuf_printf(out, x < 10 ? "%.1f%s" : "%.0f%s", x, names[(int)e]);
}

int64_t sk_days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (int64_t)((153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1);
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void sk_civil_from_days(int64_t days, int64_t *ret_y, unsigned *ret_m, unsigned *ret_d)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *ret_d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *ret_m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *ret_y = yoe + era * 400 + (*ret_m <= 2);
}

static bool two_digits(const char *p, unsigned *ret)
{
    if (!digit(p[0]) || !digit(p[1]))
        return false;
    *ret = (unsigned)((p[0] - '0') * 10 + (p[1] - '0'));
    return true;
}

/* The "Z" or "+02:00" at the end. */
static bool zone_parse(struct sk_str z, int64_t *ret_s)
{
    unsigned h, m;
    if (sk_str_is(z, "Z")) {
        *ret_s = 0;
        return true;
    }
    if (z.len != 6 || (z.ptr[0] != '+' && z.ptr[0] != '-') || z.ptr[3] != ':' ||
        !two_digits(z.ptr + 1, &h) || !two_digits(z.ptr + 4, &m) || h > 24 || m > 59)
        return false;
    *ret_s = (int64_t)(h * 3600 + m * 60) * (z.ptr[0] == '-' ? -1 : 1);
    return true;
}

enum sk_err sk_rfc3339_parse(struct sk_str s, int64_t *ret_ns)
{
    unsigned y1, y2, mo, d, h, mi, sec;
    if (s.len < 20 || !two_digits(s.ptr, &y1) || !two_digits(s.ptr + 2, &y2) || s.ptr[4] != '-' ||
        !two_digits(s.ptr + 5, &mo) || s.ptr[7] != '-' || !two_digits(s.ptr + 8, &d) ||
        s.ptr[10] != 'T' || !two_digits(s.ptr + 11, &h) || s.ptr[13] != ':' ||
        !two_digits(s.ptr + 14, &mi) || s.ptr[16] != ':' || !two_digits(s.ptr + 17, &sec))
        return SK_EPARSE;
    static const unsigned mdays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned y = y1 * 100 + y2;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (mo < 1 || mo > 12 || d < 1 || d > mdays[mo - 1] || (mo == 2 && d == 29 && !leap) ||
        h > 23 || mi > 59 || sec > 59)
        return SK_EPARSE;
    size_t i = 19;
    int64_t frac = 0, unit = 100000000;
    if (s.ptr[i] == '.' || s.ptr[i] == ',') {
        size_t from = ++i;
        for (; i < s.len && digit(s.ptr[i]); i++) {
            frac += (s.ptr[i] - '0') * unit;
            unit /= 10;
        }
        if (i == from)
            return SK_EPARSE;
    }
    int64_t zone_s;
    if (!zone_parse((struct sk_str){s.ptr + i, s.len - i}, &zone_s))
        return SK_EPARSE;
    int64_t secs =
        sk_days_from_civil(y, mo, d) * 86400 + (int64_t)(h * 3600 + mi * 60 + sec) - zone_s;
    int64_t ns;
    if (__builtin_mul_overflow(secs, SK_NS_PER_S, &ns) || __builtin_add_overflow(ns, frac, &ns))
        return SK_EPARSE;
    *ret_ns = ns;
    return SK_OK;
}

static void format_seconds(struct sk_strbuf *out, int64_t ns, int64_t *ret_frac)
{
    int64_t secs = ns / SK_NS_PER_S, frac = ns % SK_NS_PER_S;
    if (frac < 0) {
        frac += SK_NS_PER_S;
        secs--;
    }
    int64_t days = secs / 86400, rest = secs % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t y;
    unsigned m, d;
    sk_civil_from_days(days, &y, &m, &d);
    sk_strbuf_printf(out, "%04lld-%02u-%02uT%02lld:%02lld:%02lld", (long long)y, m, d,
                     (long long)(rest / 3600), (long long)(rest / 60 % 60), (long long)(rest % 60));
    *ret_frac = frac;
}

void sk_rfc3339_format(struct sk_strbuf *out, int64_t ns)
{
    int64_t frac;
    format_seconds(out, ns, &frac);
    fraction(out, (uint64_t)frac, 9);
    sk_strbuf_putc(out, 'Z');
}

void sk_rfc3339_format_s(struct sk_strbuf *out, int64_t ns)
{
    int64_t frac;
    format_seconds(out, ns, &frac);
    sk_strbuf_putc(out, 'Z');
}
