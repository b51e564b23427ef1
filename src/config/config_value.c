/* SPDX-License-Identifier: Apache-2.0 */
/* config_value.c -- scalars: what YAML 1.1 sees in them, what each type of key accepts, how
 * values are printed. Rules and error texts are those of the Go libraries that Loki reads its
 * file with.
 *
 * Threads: any. */
#include "config/config_int.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/gotext.h"
#include "base/log.h"
#include "base/utf8.h"

#define NUMBER_TEXT_MAX 64u

static bool one_of(struct sk_str s, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sk_str_is(s, words[i]))
            return true;
    return false;
}

static bool resolve_bool(struct sk_str s, bool *ret)
{
    static const char *const yes[] = {"y",  "Y",  "yes",  "Yes",  "YES", "on",
                                      "On", "ON", "true", "True", "TRUE"};
    static const char *const no[] = {"n",   "N",   "no",    "No",    "NO",   "off",
                                     "Off", "OFF", "false", "False", "FALSE"};
    if (one_of(s, yes, SK_COUNT_OF(yes)))
        *ret = true;
    else if (one_of(s, no, SK_COUNT_OF(no)))
        *ret = false;
    else
        return false;
    return true;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* strconv.ParseInt(s, 0, 64), with "_" allowed anywhere as YAML does. */
static bool resolve_int(struct sk_str s, int64_t *ret)
{
    size_t i = 0;
    int base = 10;
    bool minus = false, any = false;
    if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+'))
        minus = s.ptr[i++] == '-';
    if (i + 1 < s.len && s.ptr[i] == '0') {
        char c = s.ptr[i + 1];
        base = c == 'x' || c == 'X' ? 16 : c == 'b' || c == 'B' ? 2 : 8;
        i += base == 8 && c != 'o' && c != 'O' ? 1 : 2;
    }
    int64_t v = 0;
    for (; i < s.len; i++) {
        int d = digit_value(s.ptr[i]);
        if (s.ptr[i] == '_')
            continue;
        if (d >= base || __builtin_mul_overflow(v, base, &v) ||
            (minus ? __builtin_sub_overflow(v, d, &v) : __builtin_add_overflow(v, d, &v)))
            return false;
        any = true;
    }
    if (any)
        *ret = v;
    return any;
}

/* [-+]?[0-9]*\.?[0-9]*([eE][-+]?[0-9]+)? with a digit, .inf, .nan */
static bool resolve_float(struct sk_str s, double *ret)
{
    static const char *const inf[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"};
    static const char *const minus_inf[] = {"-.inf", "-.Inf", "-.INF"};
    static const char *const not_number[] = {".nan", ".NaN", ".NAN"};
    if (one_of(s, inf, SK_COUNT_OF(inf)))
        *ret = (double)INFINITY;
    else if (one_of(s, minus_inf, SK_COUNT_OF(minus_inf)))
        *ret = -(double)INFINITY;
    else if (one_of(s, not_number, SK_COUNT_OF(not_number)))
        *ret = (double)NAN;
    else {
        if (s.len == 0 || s.len > NUMBER_TEXT_MAX)
            return false;
        for (size_t i = 0; i < s.len; i++)
            if (strchr("0123456789+-.eE", s.ptr[i]) == NULL || s.ptr[i] == '\0')
                return false;
        if (strchr("eE", s.ptr[0]) != NULL)
            return false;
        return sk_go_parse_float(s, ret, NULL) == SK_OK;
    }
    return true;
}

enum sk_scalar_kind sk_scalar_resolve(const struct sk_config_node *node, struct sk_value *ret)
{
    static const char *const null[] = {"", "~", "null", "Null", "NULL"};
    sk_assert(node->kind == SK_NODE_SCALAR);
    *ret = (struct sk_value){.s = node->text};
    if (node->quoted)
        return SK_SCALAR_STR;
    if (one_of(node->text, null, SK_COUNT_OF(null)))
        return SK_SCALAR_NULL;
    if (resolve_bool(node->text, &ret->b))
        return SK_SCALAR_BOOL;
    if (resolve_int(node->text, &ret->i)) {
        ret->f = (double)ret->i;
        return SK_SCALAR_INT;
    }
    return resolve_float(node->text, &ret->f) ? SK_SCALAR_FLOAT : SK_SCALAR_STR;
}

static enum sk_err wrong_kind(enum sk_scalar_kind kind, struct sk_str text, const char *into,
                              struct sk_error *reterr)
{
    static const char *const tags[] = {
        [SK_SCALAR_NULL] = "!!null",   [SK_SCALAR_BOOL] = "!!bool", [SK_SCALAR_INT] = "!!int",
        [SK_SCALAR_FLOAT] = "!!float", [SK_SCALAR_STR] = "!!str",
    };
    bool cut = text.len > 10;
    if (cut)
        text.len = 7;
    return sk_error_set(reterr, SK_EINVAL, "cannot unmarshal %s `%.*s%s` into %s", tags[kind],
                        SK_STR_ARG(text), cut ? "..." : "", into);
}

/* YYYY-MM-DD. */
static bool parse_day(struct sk_str s, int64_t *ret_days)
{
    uint64_t y, m, d;
    if (s.len != 10 || s.ptr[4] != '-' || s.ptr[7] != '-')
        return false;
    if (!sk_str_to_u64((struct sk_str){s.ptr, 4}, &y) ||
        !sk_str_to_u64((struct sk_str){s.ptr + 5, 2}, &m) ||
        !sk_str_to_u64((struct sk_str){s.ptr + 8, 2}, &d))
        return false;
    if (m < 1 || m > 12 || d < 1 || d > 31)
        return false;
    int64_t days = sk_days_from_civil((int64_t)y, (unsigned)m, (unsigned)d);
    int64_t back_y;
    unsigned back_m, back_d;
    sk_civil_from_days(days, &back_y, &back_m, &back_d);
    if (back_d != d || back_m != m) /* 31 April */
        return false;
    *ret_days = days;
    return true;
}

static bool parse_time(struct sk_str s, int64_t *ret_ns)
{
    int64_t days;
    if (sk_str_is(s, "0") || s.len == 0)
        *ret_ns = 0;
    else if (parse_day(s, &days) && days < INT64_MAX / SK_NS_PER_DAY &&
             days > INT64_MIN / SK_NS_PER_DAY)
        *ret_ns = days * SK_NS_PER_DAY;
    else
        return sk_rfc3339_parse(s, ret_ns) == SK_OK;
    return true;
}

static enum sk_err bytes_fault(struct sk_str s, const char *why, struct sk_error *reterr)
{
    return sk_error_set(reterr, SK_EPARSE, "strconv.UnmarshalText: parsing \"%.*s\": %s",
                        SK_STR_ARG(s), why);
}

/* Power of 1024 that the unit at the head of `s` means; its length in *ret_len. -1: no unit. */
static int unit_power(struct sk_str s, bool iec, size_t *ret_len)
{
    static const char units[] = "KMGTPE";
    size_t n = 0;
    int power = 0;
    for (size_t i = 0; s.len > 0 && i < 6; i++)
        if ((s.ptr[0] | 0x20) == (units[i] | 0x20)) {
            power = (int)i + 1;
            n = 1;
        }
    if (iec && power > 0 && n < s.len && s.ptr[n] == 'i')
        n++;
    if (n < s.len && (s.ptr[n] | 0x20) == 'b')
        n++;
    *ret_len = n;
    return power == 0 && n == 0 && s.len > 0 ? -1 : power;
}

enum sk_err sk_value_bytes(struct sk_str s, bool iec, uint64_t *ret, struct sk_error *reterr)
{
    uint64_t sum = 0;
    struct sk_str rest = s;
    if (s.len == 0)
        return bytes_fault(s, "invalid syntax", reterr);
    do {
        size_t n = 0;
        uint64_t v = 0;
        bool overflow = false;
        for (; n < rest.len && rest.ptr[n] >= '0' && rest.ptr[n] <= '9'; n++) {
            overflow = overflow || __builtin_mul_overflow(v, 10u, &v);
            overflow = overflow || __builtin_add_overflow(v, (uint64_t)(rest.ptr[n] - '0'), &v);
        }
        if (n == 0)
            return bytes_fault(s, "invalid syntax", reterr);
        while (n < rest.len && rest.ptr[n] == ' ')
            n++;
        rest = (struct sk_str){rest.ptr + n, rest.len - n};
        int power = unit_power(rest, iec, &n);
        if (power < 0 || (!iec && n != rest.len))
            return bytes_fault(s, "invalid syntax", reterr);
        if (overflow || (power > 0 && v > UINT64_MAX >> (10 * power)) ||
            __builtin_add_overflow(sum, v << (10 * power), &sum))
            return bytes_fault(s, "value out of range", reterr);
        rest = (struct sk_str){rest.ptr + n, rest.len - n};
    } while (rest.len > 0);
    *ret = sum;
    return SK_OK;
}

static enum sk_err parse_number(enum sk_key_type type, enum sk_scalar_kind kind, struct sk_value *v,
                                struct sk_error *reterr)
{
    bool number = kind == SK_SCALAR_INT || kind == SK_SCALAR_FLOAT;
    if (type == SK_KEY_FLOAT)
        return number ? SK_OK : wrong_kind(kind, v->s, "float64", reterr);
    if (kind == SK_SCALAR_INT)
        return SK_OK;
    if (kind == SK_SCALAR_FLOAT && v->f == floor(v->f) && fabs(v->f) < 9e15) {
        v->i = (int64_t)v->f;
        return SK_OK;
    }
    return wrong_kind(kind, v->s, "int", reterr);
}

/* Types that Loki reads from a text of their own. */
static enum sk_err parse_custom(enum sk_key_type type, struct sk_value *v, struct sk_error *reterr)
{
    enum sk_log_level level;
    uint64_t size = 0;
    enum sk_err err;
    if (type == SK_KEY_PROM)
        return sk_prom_parse_duration(v->s, &v->i, reterr);
    if (type == SK_KEY_BYTES || type == SK_KEY_BYTES2) {
        err = sk_value_bytes(v->s, type == SK_KEY_BYTES2, &size, reterr);
        v->u = size;
        return err;
    }
    if (type == SK_KEY_LEVEL)
        return v->s.len == 0 || sk_log_level_by_name(v->s, &level)
                   ? SK_OK
                   : sk_error_set(reterr, SK_EPARSE, "unrecognized log level \"%.*s\"",
                                  SK_STR_ARG(v->s));
    if (type == SK_KEY_DAY)
        return parse_day(v->s, &v->i)
                   ? SK_OK
                   : sk_error_set(reterr, SK_EPARSE,
                                  "parsing time \"%.*s\" as \"2006-01-02\": not a day",
                                  SK_STR_ARG(v->s));
    sk_assert(type == SK_KEY_TIME);
    return parse_time(v->s, &v->i)
               ? SK_OK
               : sk_error_set(reterr, SK_EPARSE, "failed to parse time: \"%.*s\"",
                              SK_STR_ARG(v->s));
}

enum sk_err sk_value_parse(enum sk_key_type type, const struct sk_config_node *node,
                           struct sk_value *ret, struct sk_error *reterr)
{
    struct sk_value v;
    enum sk_scalar_kind kind = sk_scalar_resolve(node, &v);
    enum sk_err err = SK_OK;
    if (kind == SK_SCALAR_NULL) { /* the zero value; a text is empty */
        v = (struct sk_value){.s = SK_STR("")};
    } else if (type == SK_KEY_INT || type == SK_KEY_FLOAT) {
        err = parse_number(type, kind, &v, reterr);
    } else if (type == SK_KEY_BOOL) {
        if (kind != SK_SCALAR_BOOL)
            err = wrong_kind(kind, v.s, "bool", reterr);
    } else if (type == SK_KEY_DURATION) {
        bool good = kind == SK_SCALAR_INT ||
                    (kind == SK_SCALAR_STR && sk_go_parse_duration(v.s, &v.i, NULL) == SK_OK);
        if (!good || v.i == INT64_MIN) /* the least number has no text with a unit */
            err = wrong_kind(kind, v.s, "time.Duration", reterr);
    } else if (type >= SK_KEY_PROM && type <= SK_KEY_TIME && type != SK_KEY_CSV) {
        err = parse_custom(type, &v, reterr);
    } else {
        sk_assert(type == SK_KEY_STRING || type == SK_KEY_SECRET || type == SK_KEY_URL ||
                  type == SK_KEY_CSV);
    }
    if (err == SK_OK)
        *ret = v;
    return err;
}

/* ---- flags ---- */

static bool go_bool(struct sk_str s, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    *ret = one_of(s, yes, SK_COUNT_OF(yes));
    return *ret || one_of(s, no, SK_COUNT_OF(no));
}

/* Types whose flags are read otherwise than their YAML; the result is a text for YAML. */
static enum sk_err flag_text(enum sk_key_type type, struct sk_str text, struct sk_strbuf *out,
                             struct sk_error *reterr)
{
    struct sk_value v = {0};
    bool good = true;
    enum sk_err err = SK_EPARSE;
    if (type == SK_KEY_BOOL) {
        good = go_bool(text, &v.b);
    } else if (type == SK_KEY_INT) {
        good = resolve_int(text, &v.i);
    } else if (type == SK_KEY_FLOAT) {
        good = sk_go_parse_float(text, &v.f, NULL) == SK_OK;
    } else if (type == SK_KEY_DURATION) {
        good = sk_go_parse_duration(text, &v.i, NULL) == SK_OK;
    } else {
        struct sk_config_node node = {.text = text, .quoted = true};
        err = sk_value_parse(type, &node, &v, reterr);
        if (err == SK_OK)
            sk_strbuf_str(out, text);
        return err;
    }
    if (!good)
        return sk_error_set(reterr, SK_EPARSE, "parse error");
    sk_value_format(out, type, &v);
    return SK_OK;
}

enum sk_err sk_value_from_flag(struct sk_arena *arena, size_t key, struct sk_str text,
                               struct sk_config_node *list, struct sk_config_node **ret_node,
                               struct sk_error *reterr)
{
    enum sk_key_type type = sk_config_keys[key].type;
    struct sk_config_node *node;
    if (type == SK_KEY_STRINGS || type == SK_KEY_SECRETS) {
        node = sk_node_scalar(arena, text, true);
        if (list == NULL)
            list = sk_node_create(arena, SK_NODE_SEQ);
        if (node == NULL || list == NULL)
            return SK_ENOMEM;
        sk_node_add(list, node);
        *ret_node = list;
        return SK_OK;
    }
    bool converted = type != SK_KEY_STRING && type != SK_KEY_SECRET && type != SK_KEY_URL &&
                     type != SK_KEY_CSV && type != SK_KEY_ANY;
    if (converted) {
        struct sk_strbuf out;
        sk_strbuf_init(&out, 65536);
        enum sk_err err = flag_text(type, text, &out, reterr);
        node = err == SK_OK ? sk_node_scalar(arena, sk_strbuf_view(&out), false) : NULL;
        sk_strbuf_deinit(&out);
        if (err != SK_OK)
            return err;
    } else {
        node = sk_node_scalar(arena, text, true);
    }
    if (node == NULL)
        return SK_ENOMEM;
    *ret_node = node;
    return SK_OK;
}

/* ---- printing ---- */

/* Whether the text can stand in YAML without quotes and is then read as this text by every
 * parser. */
static bool plain(struct sk_str s)
{
    struct sk_config_node node = {.text = s};
    struct sk_value v;
    if (s.len == 0 || sk_scalar_resolve(&node, &v) != SK_SCALAR_STR || s.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '/' || c == '.';
        bool inner = i > 0 && (c == '-' || c == '+' || c == ',' || c == '@' || c == '=');
        bool colon = i > 0 && i + 1 < s.len && c == ':';
        if (!word && !inner && !colon)
            return false;
    }
    return true;
}

/* Whether YAML takes the rune as it is inside double quotes, and keeps it. */
static bool rune_stays(uint32_t r)
{
    if (r < 0x80)
        return r >= 0x20 && r != 0x7f && r != '"' && r != '\\';
    return (r >= 0xa0 && r < 0xd800 && r != 0x2028 && r != 0x2029) ||
           (r >= 0xe000 && r <= 0xfffd && r != 0xfeff) || r >= 0x10000;
}

void sk_yaml_text(struct sk_strbuf *out, struct sk_str s)
{
    if (plain(s)) {
        sk_strbuf_str(out, s);
        return;
    }
    sk_strbuf_putc(out, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        bool malformed = r == SK_RUNE_ERROR && width == 1;
        if (r == '"' || r == '\\')
            sk_strbuf_printf(out, "\\%c", (char)r);
        else if (r == '\n')
            sk_strbuf_puts(out, "\\n");
        else if (!malformed && rune_stays(r))
            sk_strbuf_add(out, s.ptr + i, width);
        else
            sk_strbuf_printf(out, "\\u%04x", malformed ? SK_RUNE_ERROR : r);
        i += width;
    }
    sk_strbuf_putc(out, '"');
}

static void format_bytes(struct sk_strbuf *out, uint64_t v, bool iec)
{
    static const char units[] = "BKMGTPE";
    unsigned power = 6;
    if (v == 0) {
        sk_strbuf_puts(out, "0B");
        return;
    }
    for (; v != 0; power--) {
        uint64_t n = v >> (10 * power);
        if (power > 0 && (n == 0 || (!iec && n << (10 * power) != v)))
            continue;
        sk_strbuf_u64(out, n);
        if (power > 0)
            sk_strbuf_printf(out, iec ? "%ciB" : "%cB", units[power]);
        else
            sk_strbuf_putc(out, 'B');
        v -= n << (10 * power);
        if (power == 0)
            break;
    }
}

static void format_float(struct sk_strbuf *out, double f)
{
    if (isnan(f))
        sk_strbuf_puts(out, ".nan");
    else if (isinf(f))
        sk_strbuf_puts(out, f > 0 ? ".inf" : "-.inf");
    else
        sk_go_float_g(out, f, 21);
}

static void format_secret(struct sk_strbuf *out, struct sk_str s)
{
    if (s.len == 0)
        sk_strbuf_puts(out, "\"\"");
    else
        sk_strbuf_puts(out, "<secret>");
}

void sk_value_format(struct sk_strbuf *out, enum sk_key_type type, const struct sk_value *v)
{
    int64_t y;
    unsigned m, d;
    bool password = type == SK_KEY_URL &&
                    (sk_str_find(v->s, SK_STR("@"), 0) != SIZE_MAX || sk_str_is(v->s, "<secret>"));
    if (type == SK_KEY_SECRET || password) {
        format_secret(out, v->s);
    } else if (type == SK_KEY_INT) {
        sk_strbuf_i64(out, v->i);
    } else if (type == SK_KEY_FLOAT) {
        format_float(out, v->f);
    } else if (type == SK_KEY_BOOL) {
        sk_strbuf_puts(out, v->b ? "true" : "false");
    } else if (type == SK_KEY_DURATION) {
        sk_go_format_duration(out, v->i);
    } else if (type == SK_KEY_PROM) {
        sk_prom_format_duration(out, v->i);
    } else if (type == SK_KEY_BYTES || type == SK_KEY_BYTES2) {
        format_bytes(out, v->u, type == SK_KEY_BYTES2);
    } else if (type == SK_KEY_DAY) {
        sk_civil_from_days(v->i, &y, &m, &d);
        sk_strbuf_printf(out, "\"%04lld-%02u-%02u\"", (long long)y, m, d);
    } else if (type == SK_KEY_TIME) {
        if (v->i == 0)
            sk_strbuf_putc(out, '0');
        else
            sk_rfc3339_format(out, v->i);
    } else {
        sk_yaml_text(out, v->s);
    }
}

/* "[a b c]" as the elements of `list`. */
static bool default_list(struct sk_arena *arena, struct sk_str s, struct sk_config_node *list)
{
    if (s.len >= 2 && s.ptr[0] == '[')
        s = (struct sk_str){s.ptr + 1, s.len - 2};
    while (s.len > 0) {
        size_t n = 0;
        while (n < s.len && s.ptr[n] != ' ')
            n++;
        struct sk_config_node *node = sk_node_scalar(arena, (struct sk_str){s.ptr, n}, true);
        if (node == NULL)
            return false;
        sk_node_add(list, node);
        n += n < s.len;
        s = (struct sk_str){s.ptr + n, s.len - n};
    }
    return true;
}

struct sk_config_node *sk_key_default_node(struct sk_arena *arena, size_t key)
{
    struct sk_str def = sk_str_from(sk_key_default(key));
    enum sk_key_type type = sk_config_keys[key].type;
    char host[256] = "localhost";
    struct sk_config_node *node;
    sk_assert(!sk_key_is_container(key));
    if (type == SK_KEY_STRINGS || type == SK_KEY_SECRETS) {
        node = sk_node_create(arena, SK_NODE_SEQ);
        return node != NULL && default_list(arena, def, node) ? node : NULL;
    }
    if (type == SK_KEY_STRMAP || type == SK_KEY_SECRETMAP || (type == SK_KEY_ANY && def.len == 0))
        return sk_node_create(arena, SK_NODE_MAP);
    if (sk_str_is(def, "<hostname>") && gethostname(host, sizeof(host)) == 0) {
        host[sizeof(host) - 1] = '\0';
        def = sk_str_from(host);
    }
    return sk_node_scalar(arena, def, type == SK_KEY_STRING);
}
