/* SPDX-License-Identifier: Apache-2.0 */
/* go_zone.c -- see go_zone.h. TZif: a header with six counts, then transition times, their types,
 * the types (offset, dst, name), names; files of version 2 and on have all that again with 64-bit
 * times, and a POSIX TZ text for the time behind the last transition. */
#include "logql/go_zone.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/gotext.h"
#include "base/vfs.h"

enum { HEADER_BYTES = 44, TYPE_BYTES = 6, NAME_BYTES_MAX = 128, ABBREVS_BYTES_MAX = 4096 };

static const struct sk_zone_type utc_type = {0, false, {"UTC", 3}};

/* ---- the rule for the time behind the last change: EST5EDT,M3.2.0,M11.1.0 ---- */

struct rule_day {
    char kind; /* 'J': day 1..365 without 29 February, 'D': day 0..365, 'M': week day of a month */
    int day, week, mon;
    int time_s;
};

static bool take_number(struct sk_str *s, int min, int max, int *ret)
{
    int v = 0;
    size_t i = 0;
    for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++) {
        v = v * 10 + (s->ptr[i] - '0');
        if (v > max)
            return false;
    }
    if (i == 0 || v < min)
        return false;
    s->ptr += i;
    s->len -= i;
    *ret = v;
    return true;
}

static bool take_char(struct sk_str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    s->ptr++;
    s->len--;
    return true;
}

static bool take_abbrev(struct sk_str *s, struct sk_str *ret)
{
    bool angle = take_char(s, '<');
    size_t n = 0;
    while (n < s->len && (angle ? s->ptr[n] != '>' : strchr("0123456789,-+", s->ptr[n]) == NULL))
        n++;
    if (angle ? n == s->len : n < 3)
        return false;
    *ret = (struct sk_str){s->ptr, n};
    s->ptr += n;
    s->len -= n;
    return !angle || take_char(s, '>');
}

static bool take_offset(struct sk_str *s, int *ret)
{
    int h, m = 0, sec = 0;
    bool minus = take_char(s, '-');
    if (!minus)
        (void)take_char(s, '+'); /* a sign is optional */
    if (!take_number(s, 0, 24 * 7, &h))
        return false;
    if (take_char(s, ':') && !take_number(s, 0, 59, &m))
        return false;
    if (take_char(s, ':') && !take_number(s, 0, 59, &sec))
        return false;
    *ret = (h * 3600 + m * 60 + sec) * (minus ? -1 : 1);
    return true;
}

static bool take_rule_day(struct sk_str *s, struct rule_day *ret)
{
    *ret = (struct rule_day){.kind = 'D', .time_s = 2 * 3600};
    if (take_char(s, 'J')) {
        ret->kind = 'J';
        if (!take_number(s, 1, 365, &ret->day))
            return false;
    } else if (take_char(s, 'M')) {
        ret->kind = 'M';
        if (!take_number(s, 1, 12, &ret->mon) || !take_char(s, '.') ||
            !take_number(s, 1, 5, &ret->week) || !take_char(s, '.') ||
            !take_number(s, 0, 6, &ret->day))
            return false;
    } else if (!take_number(s, 0, 365, &ret->day)) {
        return false;
    }
    return !take_char(s, '/') || take_offset(s, &ret->time_s);
}

/* Seconds since the start of the year at which the rule's day and time are. */
static int64_t rule_seconds(int64_t year, const struct rule_day *r, int offset_s)
{
    int64_t start = sk_days_from_civil(year, 1, 1), day = r->day;
    if (r->kind == 'J') {
        bool leap = sk_days_from_civil(year, 3, 1) - sk_days_from_civil(year, 2, 1) == 29;
        day = r->day - 1 + (leap && r->day >= 60);
    } else if (r->kind == 'M') {
        int64_t first = sk_days_from_civil(year, (unsigned)r->mon, 1);
        int64_t end = r->mon == 12 ? sk_days_from_civil(year + 1, 1, 1)
                                   : sk_days_from_civil(year, (unsigned)r->mon + 1, 1);
        int64_t week_day = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        int64_t d = first + (r->day - week_day + 7) % 7;
        for (int i = 1; i < r->week && d + 7 < end; i++)
            d += 7;
        day = d - start;
    }
    return day * 86400 + r->time_s - offset_s;
}

struct rule {
    struct sk_str std, dst;
    int std_s, dst_s;
    struct rule_day from, to;
    bool has_dst;
};

static bool rule_parse(struct sk_str s, struct rule *r)
{
    *r = (struct rule){.has_dst = false};
    if (!take_abbrev(&s, &r->std) || !take_offset(&s, &r->std_s))
        return false;
    r->std_s = -r->std_s; /* written as what is added to local time */
    if (s.len == 0 || s.ptr[0] == ',')
        return true;
    if (!take_abbrev(&s, &r->dst))
        return false;
    r->dst_s = r->std_s + 3600;
    if (s.len > 0 && s.ptr[0] != ',' && s.ptr[0] != ';') {
        if (!take_offset(&s, &r->dst_s))
            return false;
        r->dst_s = -r->dst_s;
    }
    if (s.len == 0)
        s = SK_STR(",M3.2.0,M11.1.0");
    r->has_dst = true;
    return (take_char(&s, ',') || take_char(&s, ';')) && take_rule_day(&s, &r->from) &&
           take_char(&s, ',') && take_rule_day(&s, &r->to) && s.len == 0;
}

static bool rule_at(struct sk_str text, int64_t last_s, int64_t unix_s, struct sk_zone_span *ret)
{
    struct rule r;
    if (!rule_parse(text, &r))
        return false;
    struct sk_zone_span std = {r.std_s, false, r.std, last_s, INT64_MAX};
    *ret = std;
    if (!r.has_dst)
        return true;
    struct sk_zone_span dst = {r.dst_s, true, r.dst, 0, 0};
    int64_t days = unix_s / 86400 - (unix_s % 86400 < 0), year;
    unsigned m, d;
    sk_civil_from_days(days, &year, &m, &d);
    int64_t start = sk_days_from_civil(year, 1, 1) * 86400;
    int64_t from = start + rule_seconds(year, &r.from, r.std_s);
    int64_t to = start + rule_seconds(year, &r.to, r.dst_s);
    if (to < from) { /* the southern half: summer is around new year */
        int64_t t = from;
        from = to;
        to = t;
        struct sk_zone_span swap = std;
        std = dst;
        dst = swap;
    }
    *ret = unix_s < from || unix_s >= to ? std : dst;
    ret->from_s = unix_s < from ? start : unix_s >= to ? to : from;
    ret->to_s = unix_s < from ? from : unix_s >= to ? start + INT64_C(365) * 86400 : to;
    return true;
}

/* ---- looking up ---- */

/* The type that holds before the first change. */
static const struct sk_zone_type *first_type(const struct sk_zone *zone)
{
    bool used = false;
    for (size_t i = 0; i < zone->change_count && !used; i++)
        used = zone->changes[i].type == 0;
    if (!used)
        return &zone->types[0];
    if (zone->change_count > 0 && zone->types[zone->changes[0].type].dst) {
        for (size_t i = zone->changes[0].type; i > 0; i--) {
            if (!zone->types[i - 1].dst)
                return &zone->types[i - 1];
        }
    }
    for (size_t i = 0; i < zone->type_count; i++) {
        if (!zone->types[i].dst)
            return &zone->types[i];
    }
    return &zone->types[0];
}

struct sk_zone_span sk_zone_at(const struct sk_zone *zone, int64_t unix_s)
{
    const struct sk_zone_type *type = &utc_type;
    struct sk_zone_span span = {.from_s = INT64_MIN, .to_s = INT64_MAX};
    if (zone != NULL && (zone->change_count == 0 || unix_s < zone->changes[0].when_s)) {
        type = first_type(zone);
        if (zone->change_count > 0)
            span.to_s = zone->changes[0].when_s;
    } else if (zone != NULL) {
        size_t lo = 0, hi = zone->change_count;
        while (hi - lo > 1) {
            size_t mid = lo + (hi - lo) / 2;
            if (unix_s < zone->changes[mid].when_s)
                hi = mid;
            else
                lo = mid;
        }
        type = &zone->types[zone->changes[lo].type];
        span.from_s = zone->changes[lo].when_s;
        if (hi < zone->change_count)
            span.to_s = zone->changes[hi].when_s;
        struct sk_zone_span by_rule;
        if (hi == zone->change_count && zone->rule.len > 0 &&
            rule_at(zone->rule, span.from_s, unix_s, &by_rule))
            return by_rule;
    }
    span.offset_s = type->offset_s;
    span.dst = type->dst;
    span.abbrev = type->abbrev;
    return span;
}

bool sk_zone_abbrev(const struct sk_zone *zone, struct sk_str abbrev, int64_t local_s,
                    int32_t *ret_offset_s)
{
    size_t count = zone == NULL ? 1 : zone->type_count;
    const struct sk_zone_type *types = zone == NULL ? &utc_type : zone->types;
    for (size_t i = 0; i < count; i++) {
        if (!sk_str_eq(types[i].abbrev, abbrev))
            continue;
        struct sk_zone_span span = sk_zone_at(zone, local_s - types[i].offset_s);
        if (sk_str_eq(span.abbrev, abbrev)) {
            *ret_offset_s = span.offset_s;
            return true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (sk_str_eq(types[i].abbrev, abbrev)) {
            *ret_offset_s = types[i].offset_s;
            return true;
        }
    }
    return false;
}

const struct sk_zone *sk_zone_fixed(struct sk_arena *arena, struct sk_str abbrev, int32_t offset_s)
{
    struct sk_zone *zone = sk_arena_calloc(arena, 1, sizeof(*zone));
    struct sk_zone_type *type = sk_arena_calloc(arena, 1, sizeof(*type));
    struct sk_str name = sk_arena_str(arena, abbrev);
    if (zone == NULL || type == NULL || name.ptr == NULL)
        return NULL;
    *type = (struct sk_zone_type){offset_s, false, name};
    *zone = (struct sk_zone){.name = name, .types = type, .type_count = 1};
    return zone;
}

/* ---- TZif ---- */

struct counts {
    size_t isut, isstd, leap, time, type, chars;
};

static bool header_read(struct sk_slice file, size_t off, struct counts *c)
{
    struct sk_slice h;
    if (!sk_slice_sub(file, off, HEADER_BYTES, &h) || memcmp(h.ptr, "TZif", 4) != 0)
        return false;
    *c = (struct counts){sk_load_be32(h.ptr + 20), sk_load_be32(h.ptr + 24),
                         sk_load_be32(h.ptr + 28), sk_load_be32(h.ptr + 32),
                         sk_load_be32(h.ptr + 36), sk_load_be32(h.ptr + 40)};
    /* With these the sums below cannot overflow. */
    return c->isut <= 256 && c->isstd <= 256 && c->leap <= 4096 && c->time <= 65536 &&
           c->type >= 1 && c->type <= 256 && c->chars <= ABBREVS_BYTES_MAX;
}

static size_t body_bytes(const struct counts *c, size_t time_bytes)
{
    return c->time * (time_bytes + 1) + c->type * TYPE_BYTES + c->chars +
           c->leap * (time_bytes + 4) + c->isstd + c->isut;
}

static enum sk_err types_read(struct sk_arena *arena, const struct counts *c, const uint8_t *types,
                              struct sk_zone *zone)
{
    struct sk_str chars = {(const char *)types + c->type * TYPE_BYTES, c->chars};
    struct sk_str copy = sk_arena_str(arena, chars);
    zone->types = sk_arena_calloc(arena, c->type, sizeof(*zone->types));
    if (copy.ptr == NULL || zone->types == NULL)
        return SK_ENOMEM;
    zone->type_count = c->type;
    for (size_t i = 0; i < c->type; i++, types += TYPE_BYTES) {
        size_t at = types[5];
        if (at >= copy.len)
            return SK_ECORRUPT;
        zone->types[i] = (struct sk_zone_type){(int32_t)sk_load_be32(types), types[4] != 0,
                                               sk_str_from(copy.ptr + at)};
    }
    return SK_OK;
}

static enum sk_err changes_read(struct sk_arena *arena, const struct counts *c, const uint8_t *body,
                                size_t time_bytes, struct sk_zone *zone)
{
    const uint8_t *types = body + c->time * time_bytes;
    zone->changes = sk_arena_calloc(arena, c->time + 1, sizeof(*zone->changes));
    if (zone->changes == NULL)
        return SK_ENOMEM;
    zone->change_count = c->time;
    for (size_t i = 0; i < c->time; i++) {
        const uint8_t *at = body + i * time_bytes;
        zone->changes[i].when_s =
            time_bytes == 8 ? (int64_t)sk_load_be64(at) : (int32_t)sk_load_be32(at);
        zone->changes[i].type = types[i];
        if (types[i] >= c->type ||
            (i > 0 && zone->changes[i].when_s <= zone->changes[i - 1].when_s))
            return SK_ECORRUPT;
    }
    return SK_OK;
}

/* The line behind a 64-bit body. */
static bool rule_read(struct sk_arena *arena, struct sk_slice file, size_t off,
                      struct sk_zone *zone)
{
    struct sk_str rest = {(const char *)file.ptr + off, file.len - off};
    if (rest.len < 2 || rest.ptr[0] != '\n' || rest.ptr[rest.len - 1] != '\n')
        return true;
    zone->rule = sk_arena_str(arena, (struct sk_str){rest.ptr + 1, rest.len - 2});
    return zone->rule.ptr != NULL;
}

enum sk_err sk_zone_parse(struct sk_arena *arena, struct sk_str name, struct sk_slice file,
                          const struct sk_zone **ret)
{
    struct counts c;
    size_t off = 0, time_bytes = 4;
    struct sk_slice body;
    if (!header_read(file, 0, &c))
        return SK_ECORRUPT;
    if (file.ptr[4] >= '2') {
        off = HEADER_BYTES + body_bytes(&c, 4);
        time_bytes = 8;
        if (!header_read(file, off, &c))
            return SK_ECORRUPT;
    }
    off += HEADER_BYTES;
    if (!sk_slice_sub(file, off, body_bytes(&c, time_bytes), &body))
        return SK_ECORRUPT;
    struct sk_zone *zone = sk_arena_calloc(arena, 1, sizeof(*zone));
    if (zone == NULL)
        return SK_ENOMEM;
    zone->name = sk_arena_str(arena, name);
    enum sk_err err =
        zone->name.ptr == NULL ? SK_ENOMEM : changes_read(arena, &c, body.ptr, time_bytes, zone);
    if (err == SK_OK)
        err = types_read(arena, &c, body.ptr + c.time * (time_bytes + 1), zone);
    if (err == SK_OK && time_bytes == 8 && !rule_read(arena, file, off + body.len, zone))
        err = SK_ENOMEM;
    if (err == SK_OK)
        *ret = zone;
    return err;
}

/* ---- files ---- */

static enum sk_err file_load(struct sk_arena *arena, struct sk_str name, const char *path,
                             const struct sk_zone **ret)
{
    struct sk_strbuf bytes;
    sk_strbuf_init(&bytes, SK_ZONE_FILE_BYTES_MAX);
    enum sk_err err = sk_vfs_read_file(sk_vfs_posix(), path, SK_ZONE_FILE_BYTES_MAX, &bytes);
    if (err == SK_OK)
        err = sk_zone_parse(arena, name, sk_slice_of_str(sk_strbuf_view(&bytes)), ret);
    sk_strbuf_deinit(&bytes);
    return err;
}

/* Letters, digits and what else zone names have, so that a name never leaves the database. */
static bool name_fine(struct sk_str name)
{
    if (name.len > NAME_BYTES_MAX || name.ptr[0] == '/' || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!word && c != '/' && c != '_' && c != '-' && c != '+')
            return false;
    }
    return true;
}

enum sk_err sk_zone_load(struct sk_arena *arena, struct sk_str name, const struct sk_zone **ret)
{
    static const char *const folders[] = {"/usr/share/zoneinfo/", "/usr/share/lib/zoneinfo/",
                                          "/usr/lib/locale/TZ/", "/etc/zoneinfo/"};
    if (name.len == 0 || sk_str_is(name, "UTC")) {
        *ret = NULL;
        return SK_OK;
    }
    if (!name_fine(name))
        return SK_ENOENT;
    enum sk_err err = SK_ENOENT;
    for (size_t i = 0; i < SK_COUNT_OF(folders) && err == SK_ENOENT; i++) {
        struct sk_str path = sk_arena_printf(arena, "%s%.*s", folders[i], SK_STR_ARG(name));
        err = path.ptr == NULL ? SK_ENOMEM : file_load(arena, name, path.ptr, ret);
    }
    return err;
}

enum sk_err sk_zone_load_local(struct sk_arena *arena, const struct sk_zone **ret)
{
    const struct sk_zone *zone = NULL;
    struct sk_str local = SK_STR("Local");
    const char *tz = getenv("TZ");
    enum sk_err err;
    if (tz == NULL)
        err = file_load(arena, local, "/etc/localtime", &zone);
    else if (tz[0] == '/' || (tz[0] == ':' && tz[1] == '/'))
        err = file_load(arena, local, tz + (tz[0] == ':'), &zone);
    else
        err = sk_zone_load(arena, sk_str_from(tz + (tz[0] == ':')), &zone);
    if (err == SK_ENOMEM)
        return err;
    *ret = err == SK_OK ? zone : NULL;
    return SK_OK;
}
