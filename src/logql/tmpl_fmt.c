/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fmt.c -- print, println and printf: Go's fmt package over the values that templates have.
 * What does not fit is told in the result, as Go does: %!d(string=x), %!s(MISSING). */
#include "logql/tmpl_fmt.h"
#include "base/gotext.h"
#include "base/utf8.h"

static void value_print(struct sk_fmt *f, struct sk_tv v, uint32_t verb, unsigned depth);

static struct sk_fmt fmt_begin(struct sk_tmpl_exec *x, struct sk_strbuf *out)
{
    struct sk_tmpl_scratch *s = x->in->scratch;
    return (struct sk_fmt){.x = x, .out = out, .part = &s->part, .number = &s->number};
}

static void flags_clear(struct sk_fmt *f)
{
    *f = fmt_begin(f->x, f->out);
}

static void put_rune(struct sk_strbuf *out, uint32_t r)
{
    char enc[4];
    sk_strbuf_add(out, enc, sk_utf8_encode(enc, r));
}

/* %!d(string=x) */
static void bad_verb(struct sk_fmt *f, struct sk_tv v, uint32_t verb)
{
    f->erroring = true;
    sk_strbuf_puts(f->out, "%!");
    put_rune(f->out, verb);
    sk_strbuf_putc(f->out, '(');
    if (v.type == SK_TV_NONE || v.type == SK_TV_NIL) {
        sk_strbuf_puts(f->out, "<nil>");
    } else {
        v.iface = false;
        sk_strbuf_puts(f->out, sk_tv_type_name(v));
        sk_strbuf_putc(f->out, '=');
        value_print(f, v, 'v', 0);
    }
    sk_strbuf_putc(f->out, ')');
    f->erroring = false;
}

/* ---- kinds ---- */

static void string_print(struct sk_fmt *f, struct sk_tv v, struct sk_str s, uint32_t verb)
{
    if (verb == 's' || (verb == 'v' && !f->sharp_v))
        sk_fmt_text(f, s);
    else if (verb == 'q' || verb == 'v')
        sk_fmt_quoted(f, s);
    else if (verb == 'x' || verb == 'X')
        sk_fmt_hex(f, s, verb == 'X');
    else
        bad_verb(f, v, verb);
}

static void integer_print(struct sk_fmt *f, struct sk_tv v, uint32_t verb)
{
    bool sharp = f->sharp;
    switch (verb) {
    case 'v':
        f->sharp |= f->sharp_v && v.type == SK_TV_UINT8; /* 0x1f */
        sk_fmt_number(f, v.u.i, f->sharp_v && v.type == SK_TV_UINT8 ? 16 : 10, 'v');
        f->sharp = sharp;
        break;
    case 'd':
        sk_fmt_number(f, v.u.i, 10, 'd');
        break;
    case 'b':
        sk_fmt_number(f, v.u.i, 2, 'b');
        break;
    case 'o':
    case 'O':
        sk_fmt_number(f, v.u.i, 8, (char)verb);
        break;
    case 'x':
    case 'X':
        sk_fmt_number(f, v.u.i, 16, (char)verb);
        break;
    case 'c':
        sk_fmt_rune(f, (uint64_t)v.u.i);
        break;
    case 'q':
        sk_fmt_quoted_rune(f, (uint64_t)v.u.i);
        break;
    case 'U':
        sk_fmt_unicode(f, (uint64_t)v.u.i);
        break;
    default:
        bad_verb(f, v, verb);
    }
}

static bool is_float_verb(uint32_t verb)
{
    return verb < 0x80 && verb != 0 && strchr("vbgGxXfFeE", (int)verb) != NULL;
}

static void float_verb(struct sk_fmt *f, double v, uint32_t verb)
{
    bool fixed = verb == 'f' || verb == 'F' || verb == 'e' || verb == 'E';
    sk_fmt_float(f, v, verb == 'v' ? 'g' : verb == 'F' ? 'f' : (char)verb, fixed ? 6 : -1);
}

static void complex_print(struct sk_fmt *f, struct sk_tv v, uint32_t verb)
{
    bool plus = f->plus;
    sk_strbuf_putc(f->out, '(');
    float_verb(f, v.u.c.re, verb);
    f->plus = true;
    float_verb(f, v.u.c.im, verb);
    f->plus = plus;
    sk_strbuf_puts(f->out, "i)");
}

/* ---- values with a method that makes text of them ---- */

static void time_text(struct sk_strbuf *out, struct sk_go_time t, bool go_syntax)
{
    struct sk_go_civil c = sk_go_time_civil(t);
    if (!go_syntax) {
        sk_go_time_format(out, t, SK_STR("2006-01-02 15:04:05.999999999 -0700 MST"));
        return;
    }
    sk_strbuf_printf(out, "time.Date(%lld, time.%s, %u, %u, %u, %u, %d, ", (long long)c.year,
                     sk_go_month_names[c.month - 1], c.day, c.hour, c.minute, c.second, t.nsec);
    if (t.zone == NULL || sk_str_is(t.zone->name, "Local")) {
        sk_strbuf_puts(out, t.zone == NULL ? "time.UTC)" : "time.Local)");
        return;
    }
    sk_strbuf_puts(out, "time.Location(");
    sk_go_quote(out, t.zone->name);
    sk_strbuf_puts(out, "))");
}

static void named_text(struct sk_strbuf *out, const char *type, const char *const *names,
                       int64_t count, int64_t first, int64_t v)
{
    if (v >= first && v < first + count)
        sk_strbuf_puts(out, names[v - first]);
    else
        sk_strbuf_printf(out, "%%!%s(%llu)", type, (unsigned long long)v);
}

static bool has_text(enum sk_tv_type type)
{
    return type == SK_TV_TIME || type == SK_TV_DURATION || type == SK_TV_MONTH ||
           type == SK_TV_WEEKDAY || type == SK_TV_LOCATION;
}

static struct sk_str method_text(struct sk_fmt *f, struct sk_tv v)
{
    struct sk_strbuf *b = f->part;
    sk_strbuf_reset(b);
    if (v.type == SK_TV_TIME)
        time_text(b, v.u.t, f->sharp_v);
    else if (v.type == SK_TV_DURATION)
        sk_go_format_duration(b, v.u.i);
    else if (v.type == SK_TV_MONTH)
        named_text(b, "Month", sk_go_month_names, 12, 1, v.u.i);
    else if (v.type == SK_TV_WEEKDAY)
        named_text(b, "Weekday", sk_go_day_names, 7, 0, v.u.i);
    else
        sk_strbuf_str(b, v.u.zone == NULL ? SK_STR("UTC") : v.u.zone->name);
    return sk_strbuf_view(b);
}

/* Whether the value has said itself what it looks like. */
static bool method_print(struct sk_fmt *f, struct sk_tv v, uint32_t verb)
{
    if (f->erroring || !has_text(v.type))
        return false;
    if (f->sharp_v) {
        if (v.type != SK_TV_TIME)
            return false;
        sk_fmt_text(f, method_text(f, v));
        return true;
    }
    if (verb != 'v' && verb != 's' && verb != 'x' && verb != 'X' && verb != 'q')
        return false;
    struct sk_str s = sk_arena_str(f->x->arena, method_text(f, v)); /* %x needs the scratch */
    if (s.ptr == NULL)
        (void)sk_tmpl_no_memory(f->x); /* x->failed tells */
    string_print(f, v, s, verb);
    return true;
}

/* The fields of a time: nanoseconds, seconds since the year 1, zone. */
static void time_fields(struct sk_fmt *f, struct sk_go_time t, uint32_t verb)
{
    sk_strbuf_putc(f->out, '{');
    integer_print(f, sk_tv_int(SK_TV_INT64, t.nsec), verb);
    sk_strbuf_putc(f->out, ' ');
    integer_print(f, sk_tv_int(SK_TV_INT64, t.unix_s - SK_GO_TIME_ZERO_S), verb);
    sk_strbuf_puts(f->out, " <nil>}");
}

/* ---- containers ---- */

static void open_print(struct sk_fmt *f, struct sk_tv v, const char *plain)
{
    v.iface = false;
    sk_strbuf_puts(f->out, f->sharp_v ? sk_tv_type_name(v) : plain);
    if (f->sharp_v)
        sk_strbuf_putc(f->out, '{');
}

static void separator_print(struct sk_fmt *f, size_t i)
{
    if (i > 0)
        sk_strbuf_puts(f->out, f->sharp_v ? ", " : " ");
}

static void container_print(struct sk_fmt *f, struct sk_tv v, uint32_t verb, unsigned depth)
{
    struct sk_labelset labels;
    size_t count;
    open_print(f, v, v.type == SK_TV_LIST ? "[" : "map[");
    if (!sk_tmpl_length(f->x, v, &count) ||
        (v.type == SK_TV_LABELS && !sk_tmpl_labels(f->x, &labels)))
        return; /* out of memory, as f->x knows */
    for (size_t i = 0; i < count && !f->out->failed && !f->x->failed; i++) {
        separator_print(f, i);
        if (v.type == SK_TV_LIST) {
            value_print(f, v.u.list->items[i], verb, depth + 1);
            continue;
        }
        bool own = v.type == SK_TV_LABELS;
        value_print(f, sk_tv_str(own ? labels.items[i].name : v.u.map->items[i].key), verb,
                    depth + 1);
        sk_strbuf_putc(f->out, ':');
        value_print(f, own ? sk_tv_str(labels.items[i].value) : v.u.map->items[i].value, verb,
                    depth + 1);
    }
    sk_strbuf_putc(f->out, f->sharp_v ? '}' : ']');
}

static void nil_print(struct sk_fmt *f, struct sk_tv v, uint32_t verb, unsigned depth)
{
    if (depth > 0)
        sk_strbuf_puts(f->out, f->sharp_v ? "interface {}(nil)" : "<nil>");
    else if (verb == 'T' || verb == 'v')
        sk_fmt_pad(f, SK_STR("<nil>"));
    else
        bad_verb(f, v, verb);
}

/* The depth of JSON trees is bounded where they are read. */
static void value_print(struct sk_fmt *f, struct sk_tv v, uint32_t verb, unsigned depth)
{
    if (v.type == SK_TV_NONE || v.type == SK_TV_NIL) {
        nil_print(f, v, verb, depth);
        return;
    }
    v.iface = false;
    if (verb == 'T' && depth == 0) {
        sk_fmt_text(f, sk_str_from(sk_tv_type_name(v)));
    } else if (verb == 'p' || (verb == 'w' && has_text(v.type))) {
        bad_verb(f, v, verb);
    } else if (method_print(f, v, verb)) {
        return;
    } else if (v.type == SK_TV_STRING) {
        string_print(f, v, v.u.s, verb);
    } else if (sk_tv_counts(v.type)) {
        integer_print(f, v, verb);
    } else if (v.type == SK_TV_BOOL && (verb == 't' || verb == 'v')) {
        sk_fmt_pad(f, v.u.b ? SK_STR("true") : SK_STR("false"));
    } else if (v.type == SK_TV_FLOAT && is_float_verb(verb)) {
        float_verb(f, v.u.f, verb);
    } else if (v.type == SK_TV_COMPLEX && is_float_verb(verb)) {
        complex_print(f, v, verb);
    } else if (v.type == SK_TV_TIME) {
        time_fields(f, v.u.t, verb);
    } else if (v.type == SK_TV_LABELS || v.type == SK_TV_MAP || v.type == SK_TV_LIST) {
        container_print(f, v, verb, depth);
    } else {
        bad_verb(f, v, verb);
    }
}

/* ---- print, println ---- */

void sk_tmpl_print(struct sk_tmpl_exec *x, struct sk_strbuf *out, const struct sk_tv *args,
                   size_t count)
{
    struct sk_fmt f = fmt_begin(x, out);
    bool before = true;
    for (size_t i = 0; i < count; i++) {
        bool is_string = args[i].type == SK_TV_STRING;
        if (i > 0 && !is_string && !before)
            sk_strbuf_putc(out, ' ');
        value_print(&f, args[i], 'v', 0);
        before = is_string;
    }
}

void sk_tmpl_println(struct sk_tmpl_exec *x, struct sk_strbuf *out, const struct sk_tv *args,
                     size_t count)
{
    struct sk_fmt f = fmt_begin(x, out);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            sk_strbuf_putc(out, ' ');
        value_print(&f, args[i], 'v', 0);
    }
    sk_strbuf_putc(out, '\n');
}

/* ---- printf ---- */

struct reader {
    struct sk_fmt f;
    struct sk_str format;
    size_t at;
    const struct sk_tv *args;
    size_t arg_count, arg;
    bool reordered, good_arg, after_index;
};

static char at(const struct reader *r)
{
    return r->at < r->format.len ? r->format.ptr[r->at] : '\0';
}

static bool too_large(int64_t v)
{
    return v > SK_FMT_WIDTH_MAX || v < -SK_FMT_WIDTH_MAX;
}

/* Digits up to `end`; one number too large takes all of it. */
static bool take_number(struct reader *r, size_t end, int *ret)
{
    int v = 0;
    bool any = false;
    *ret = 0;
    for (; r->at < end && at(r) >= '0' && at(r) <= '9'; r->at++) {
        if (too_large(v)) {
            r->at = end;
            return false;
        }
        v = v * 10 + (at(r) - '0');
        any = true;
    }
    *ret = v;
    return any;
}

/* [n] */
static void take_index(struct reader *r)
{
    r->after_index = false;
    if (r->at >= r->format.len || at(r) != '[')
        return;
    r->reordered = true;
    struct sk_str rest = {r->format.ptr + r->at, r->format.len - r->at};
    const char *close = rest.len < 3 ? NULL : memchr(rest.ptr, ']', rest.len);
    if (close == NULL) {
        r->at++;
        r->good_arg = false;
        return;
    }
    size_t end = (size_t)(close - r->format.ptr);
    int v;
    r->at++;
    bool number = take_number(r, end, &v) && r->at == end;
    r->at = end + 1;
    if (number && v >= 1 && (size_t)v <= r->arg_count) {
        r->arg = (size_t)v - 1;
        r->after_index = true;
        return;
    }
    r->good_arg = false;
    r->after_index = number;
}

/* The next argument as a width or precision. */
static bool int_from_arg(struct reader *r, int *ret)
{
    *ret = 0;
    if (r->arg >= r->arg_count)
        return false;
    struct sk_tv v = r->args[r->arg++];
    if (!sk_tv_counts(v.type) || too_large(v.u.i))
        return false;
    *ret = (int)v.u.i;
    return true;
}

static void take_flags(struct reader *r)
{
    for (; r->at < r->format.len; r->at++) {
        switch (at(r)) {
        case '#':
            r->f.sharp = true;
            break;
        case '0':
            r->f.zero = true;
            break;
        case '+':
            r->f.plus = true;
            break;
        case '-':
            r->f.minus = true;
            break;
        case ' ':
            r->f.space = true;
            break;
        default:
            return;
        }
    }
}

static void take_width(struct reader *r)
{
    take_index(r);
    if (r->at < r->format.len && at(r) == '*') {
        r->at++;
        r->f.has_width = int_from_arg(r, &r->f.width);
        if (!r->f.has_width)
            sk_strbuf_puts(r->f.out, "%!(BADWIDTH)");
        if (r->f.width < 0) {
            r->f.width = -r->f.width;
            r->f.minus = true;
            r->f.zero = false;
        }
        r->after_index = false;
        return;
    }
    r->f.has_width = take_number(r, r->format.len, &r->f.width);
    if (r->after_index && r->f.has_width)
        r->good_arg = false;
}

static void take_precision(struct reader *r)
{
    if (r->at + 1 >= r->format.len || at(r) != '.')
        return;
    r->at++;
    if (r->after_index)
        r->good_arg = false;
    take_index(r);
    if (r->at < r->format.len && at(r) == '*') {
        r->at++;
        r->f.has_precision = int_from_arg(r, &r->f.precision);
        if (r->f.precision < 0) {
            r->f.precision = 0;
            r->f.has_precision = false;
        }
        if (!r->f.has_precision)
            sk_strbuf_puts(r->f.out, "%!(BADPREC)");
        r->after_index = false;
        return;
    }
    (void)take_number(r, r->format.len, &r->f.precision); /* none is 0 */
    r->f.has_precision = true;
}

static void verb_print(struct reader *r, uint32_t verb)
{
    const char *wrong = !r->good_arg ? "BADINDEX" : r->arg >= r->arg_count ? "MISSING" : NULL;
    if (verb == '%') {
        sk_strbuf_putc(r->f.out, '%');
        return;
    }
    if (wrong != NULL) {
        sk_strbuf_puts(r->f.out, "%!");
        put_rune(r->f.out, verb);
        sk_strbuf_printf(r->f.out, "(%s)", wrong);
        return;
    }
    if (verb == 'v' || verb == 'w') {
        r->f.sharp_v = r->f.sharp;
        r->f.sharp = false;
        r->f.plus_v = r->f.plus;
        r->f.plus = false;
    }
    value_print(&r->f, r->args[r->arg++], verb, 0);
}

/* One %...; false: the format has ended. */
static bool directive(struct reader *r)
{
    unsigned width;
    flags_clear(&r->f);
    r->good_arg = true;
    take_flags(r);
    take_width(r);
    take_precision(r);
    if (!r->after_index)
        take_index(r);
    if (r->at >= r->format.len) {
        sk_strbuf_puts(r->f.out, "%!(NOVERB)");
        return false;
    }
    uint32_t verb = sk_utf8_decode(r->format.ptr + r->at, r->format.len - r->at, &width);
    r->at += width;
    verb_print(r, verb);
    return true;
}

static void extra_print(struct reader *r)
{
    flags_clear(&r->f);
    sk_strbuf_puts(r->f.out, "%!(EXTRA ");
    for (size_t i = r->arg; i < r->arg_count; i++) {
        struct sk_tv v = r->args[i];
        if (i > r->arg)
            sk_strbuf_puts(r->f.out, ", ");
        if (v.type == SK_TV_NONE || v.type == SK_TV_NIL) {
            sk_strbuf_puts(r->f.out, "<nil>");
            continue;
        }
        v.iface = false;
        sk_strbuf_printf(r->f.out, "%s=", sk_tv_type_name(v));
        value_print(&r->f, v, 'v', 0);
    }
    sk_strbuf_putc(r->f.out, ')');
}

void sk_tmpl_printf(struct sk_tmpl_exec *x, struct sk_strbuf *out, struct sk_str format,
                    const struct sk_tv *args, size_t count)
{
    struct reader r = {.f = fmt_begin(x, out), .format = format, .args = args, .arg_count = count};
    while (r.at < format.len && !out->failed && !x->failed) {
        const char *rest = format.ptr + r.at;
        const char *percent = memchr(rest, '%', format.len - r.at);
        size_t text = percent == NULL ? format.len - r.at : (size_t)(percent - rest);
        sk_strbuf_add(out, rest, text);
        r.at += text;
        if (percent == NULL)
            break;
        r.at++;
        if (!directive(&r))
            break;
    }
    if (!r.reordered && r.arg < count)
        extra_print(&r);
}
