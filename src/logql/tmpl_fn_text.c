/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fn_text.c -- functions on texts. Loki's own have capital letters and the text first; sprig's
 * have small ones and the text last, so that it can come through a pipeline. */
#include "base/utf8.h"
#include "logql/lex_int.h"
#include "logql/rune_lower.h"
#include "logql/rune_upper.h"
#include "logql/tmpl_int.h"

static struct sk_str arg_str(const struct sk_tmpl_call *call, size_t i)
{
    return call->args[i].u.s;
}

static struct sk_str from(struct sk_str s, size_t at)
{
    return (struct sk_str){s.ptr + at, s.len - at};
}

static struct sk_str upto(struct sk_str s, size_t len)
{
    return (struct sk_str){s.ptr, len};
}

/* ---- case ---- */

static bool mapped(struct sk_tmpl_call *call, struct sk_str s, uint32_t (*map)(uint32_t rune),
                   struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        char enc[4];
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        sk_strbuf_add(b, enc, sk_utf8_encode(enc, map(r)));
        i += width;
    }
    return sk_tmpl_give(call, b, ret);
}

static bool fn_lower(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return mapped(call, arg_str(call, 0), sk_rune_lower, ret);
}

static bool fn_upper(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return mapped(call, arg_str(call, 0), sk_rune_upper, ret);
}

/* Unicode white space as Go's unicode.IsSpace has it. */
static bool is_space(uint32_t r)
{
    return (r >= '\t' && r <= '\r') || r == ' ' || r == 0x85 || r == 0xa0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f ||
           r == 0x205f || r == 0x3000;
}

/* What strings.Title takes for the end of a word. */
static bool is_separator(uint32_t r)
{
    if (r == '_' || sk_lex_rune_letter(r) || sk_lex_rune_digit(r))
        return false;
    return r < 0x80 || is_space(r);
}

static bool fn_title(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str s = arg_str(call, 0);
    struct sk_strbuf *b = sk_tmpl_text(call);
    bool begins = true;
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        char enc[4];
        uint32_t r = sk_utf8_decode(s.ptr + i, s.len - i, &width);
        sk_strbuf_add(b, enc, sk_utf8_encode(enc, begins ? sk_rune_title(r) : r));
        begins = is_separator(r);
        i += width;
    }
    return sk_tmpl_give(call, b, ret);
}

/* ---- trimming ---- */

static bool in_set(uint32_t rune, struct sk_str set)
{
    for (size_t i = 0; i < set.len;) {
        unsigned width;
        if (sk_utf8_decode(set.ptr + i, set.len - i, &width) == rune)
            return true;
        i += width;
    }
    return false;
}

/* `set` NULL: white space. */
static bool cut_off(uint32_t rune, const struct sk_str *set)
{
    return set == NULL ? is_space(rune) : in_set(rune, *set);
}

static struct sk_str trim_left(struct sk_str s, const struct sk_str *set)
{
    while (s.len > 0) {
        unsigned width;
        if (!cut_off(sk_utf8_decode(s.ptr, s.len, &width), set))
            break;
        s = from(s, width);
    }
    return s;
}

/* The last rune of a text that is not empty. */
static uint32_t last_rune(struct sk_str s, unsigned *ret_width)
{
    size_t back = 1;
    while (back < 4 && back < s.len && ((unsigned char)s.ptr[s.len - back] & 0xc0) == 0x80)
        back++;
    uint32_t r = sk_utf8_decode(s.ptr + s.len - back, back, ret_width);
    if (*ret_width == back)
        return r;
    *ret_width = 1;
    return SK_RUNE_ERROR;
}

static struct sk_str trim_right(struct sk_str s, const struct sk_str *set)
{
    while (s.len > 0) {
        unsigned width;
        if (!cut_off(last_rune(s, &width), set))
            break;
        s.len -= width;
    }
    return s;
}

static struct sk_str trim_prefix(struct sk_str s, struct sk_str prefix)
{
    return sk_str_starts(s, prefix) ? from(s, prefix.len) : s;
}

static struct sk_str trim_suffix(struct sk_str s, struct sk_str suffix)
{
    return sk_str_ends(s, suffix) ? upto(s, s.len - suffix.len) : s;
}

/* Each rune that goes is looked for in the whole set. */
static bool trim_work(struct sk_tmpl_call *call, struct sk_str s, struct sk_str cut)
{
    return sk_tmpl_work(call->x, (uint64_t)s.len * cut.len / 64); /* both are below 2^32 */
}

static bool fn_trim_cut(struct sk_tmpl_call *call, struct sk_tv *ret) /* Trim s cut */
{
    struct sk_str cut = arg_str(call, 1);
    *ret = sk_tv_str(trim_right(trim_left(arg_str(call, 0), &cut), &cut));
    return trim_work(call, arg_str(call, 0), cut);
}

static bool fn_trim_left(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str cut = arg_str(call, 1);
    *ret = sk_tv_str(trim_left(arg_str(call, 0), &cut));
    return trim_work(call, arg_str(call, 0), cut);
}

static bool fn_trim_right(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    struct sk_str cut = arg_str(call, 1);
    *ret = sk_tv_str(trim_right(arg_str(call, 0), &cut));
    return trim_work(call, arg_str(call, 0), cut);
}

static bool fn_trim_prefix(struct sk_tmpl_call *call, struct sk_tv *ret) /* TrimPrefix s p */
{
    *ret = sk_tv_str(trim_prefix(arg_str(call, 0), arg_str(call, 1)));
    return true;
}

static bool fn_trim_suffix(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_str(trim_suffix(arg_str(call, 0), arg_str(call, 1)));
    return true;
}

static bool fn_trim_space(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_str(trim_right(trim_left(arg_str(call, 0), NULL), NULL));
    return true;
}

static bool fn_trim_all(struct sk_tmpl_call *call, struct sk_tv *ret) /* trimAll cut s */
{
    struct sk_str cut = arg_str(call, 0);
    *ret = sk_tv_str(trim_right(trim_left(arg_str(call, 1), &cut), &cut));
    return trim_work(call, arg_str(call, 1), cut);
}

static bool fn_prefix_trim(struct sk_tmpl_call *call, struct sk_tv *ret) /* trimPrefix p s */
{
    *ret = sk_tv_str(trim_prefix(arg_str(call, 1), arg_str(call, 0)));
    return true;
}

static bool fn_suffix_trim(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_str(trim_suffix(arg_str(call, 1), arg_str(call, 0)));
    return true;
}

/* ---- parts ---- */

/* trunc n s: bytes, from the end when n < 0. */
static bool fn_trunc(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t n = call->args[0].u.i;
    struct sk_str s = arg_str(call, 1);
    if (n < 0 && (int64_t)s.len + n > 0)
        s = from(s, s.len - (size_t)-n);
    else if (n >= 0 && (uint64_t)n < s.len)
        s.len = (size_t)n;
    *ret = sk_tv_str(s);
    return true;
}

/* substr start end s: bytes. */
static bool fn_substr(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    static const char bounds[] = "runtime error: slice bounds out of range";
    long long start = call->args[0].u.i, end = call->args[1].u.i;
    struct sk_str s = arg_str(call, 2);
    long long len = (long long)s.len;
    if (start < 0) {
        if (end < 0)
            return sk_tmpl_error(call, "%s [:%lld]", bounds, end);
        if (end > len)
            return sk_tmpl_error(call, "%s [:%lld] with length %lld", bounds, end, len);
        *ret = sk_tv_str(upto(s, (size_t)end));
        return true;
    }
    if (end < 0 || end > len)
        end = len;
    if (start > end)
        return sk_tmpl_error(call, "%s [%lld:%lld]", bounds, start, end);
    *ret = sk_tv_str((struct sk_str){s.ptr + start, (size_t)(end - start)});
    return true;
}

static bool contains(struct sk_str s, struct sk_str sub)
{
    return sub.len == 0 || sk_str_find(s, sub, 0) != SIZE_MAX;
}

static bool fn_contains(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_bool(contains(arg_str(call, 1), arg_str(call, 0)));
    return true;
}

static bool fn_has_prefix(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_bool(sk_str_starts(arg_str(call, 1), arg_str(call, 0)));
    return true;
}

static bool fn_has_suffix(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_bool(sk_str_ends(arg_str(call, 1), arg_str(call, 0)));
    return true;
}

/* ---- filling ---- */

static void repeat(struct sk_strbuf *b, struct sk_str s, uint64_t count)
{
    size_t room;
    if (__builtin_mul_overflow(count, s.len, &room) || !sk_strbuf_reserve(b, room)) {
        b->failed = true;
        return;
    }
    size_t from = b->len;
    for (size_t have = 0; have < room; have = b->len - from) { /* doubles what is there */
        struct sk_str part = have == 0 ? s : (struct sk_str){b->ptr + from, have};
        sk_strbuf_add(b, part.ptr, part.len < room - have ? part.len : room - have);
    }
}

/* alignLeft, alignRight n s: n runes. */
static bool align(struct sk_tmpl_call *call, bool left, struct sk_tv *ret)
{
    int64_t n = call->args[0].u.i;
    struct sk_str s = arg_str(call, 1);
    size_t runes = sk_utf8_count(s), skip = 0;
    struct sk_strbuf *b = sk_tmpl_text(call);
    *ret = sk_tv_str(s);
    if (n < 0 || (uint64_t)n == runes)
        return true;
    if ((uint64_t)n > runes) {
        if (left)
            sk_strbuf_str(b, s);
        repeat(b, SK_STR(" "), (uint64_t)n - runes);
        if (!left)
            sk_strbuf_str(b, s);
        return sk_tmpl_give(call, b, ret);
    }
    if (!left)
        skip = runes - (size_t)n;
    for (size_t i = 0, at = 0; i < skip + (size_t)n; i++) {
        unsigned width;
        char enc[4];
        uint32_t r = sk_utf8_decode(s.ptr + at, s.len - at, &width);
        if (i >= skip)
            sk_strbuf_add(b, enc, sk_utf8_encode(enc, r));
        at += width;
    }
    return sk_tmpl_give(call, b, ret);
}

static bool fn_align_left(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return align(call, true, ret);
}

static bool fn_align_right(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return align(call, false, ret);
}

static bool fn_repeat(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    int64_t n = call->args[0].u.i, room;
    struct sk_str s = arg_str(call, 1);
    struct sk_strbuf *b = sk_tmpl_text(call);
    if (n < 0)
        return sk_tmpl_error(call, "strings: negative Repeat count");
    if (__builtin_mul_overflow(n, (int64_t)s.len, &room))
        return sk_tmpl_error(call, "strings: Repeat output length overflow");
    repeat(b, s, (uint64_t)n);
    return sk_tmpl_give(call, b, ret);
}

/* indent, nindent n s: blanks in front of every line. */
static bool indent(struct sk_tmpl_call *call, bool new_line, struct sk_tv *ret)
{
    int64_t n = call->args[0].u.i;
    struct sk_str s = arg_str(call, 1);
    struct sk_strbuf *b = sk_tmpl_text(call);
    if (n < 0)
        return sk_tmpl_error(call, "strings: negative Repeat count");
    if (new_line)
        sk_strbuf_putc(b, '\n');
    repeat(b, SK_STR(" "), (uint64_t)n);
    for (size_t i = 0; i < s.len && !b->failed; i++) {
        sk_strbuf_putc(b, s.ptr[i]);
        if (s.ptr[i] == '\n')
            repeat(b, SK_STR(" "), (uint64_t)n);
    }
    return sk_tmpl_give(call, b, ret);
}

static bool fn_indent(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return indent(call, false, ret);
}

static bool fn_nindent(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    return indent(call, true, ret);
}

/* ---- replacing ---- */

/* `count` < 0: all. An empty `old` is between all runes. */
static bool replaced(struct sk_tmpl_call *call, struct sk_str s, struct sk_str old,
                     struct sk_str new_text, int64_t count, struct sk_tv *ret)
{
    struct sk_strbuf *b = sk_tmpl_text(call);
    size_t at = 0;
    *ret = sk_tv_str(s);
    if (count == 0 || sk_str_eq(old, new_text))
        return true;
    for (bool first = true; count != 0; count--, first = false) {
        size_t hit = old.len > 0 ? sk_str_find(s, old, at) : at;
        if (old.len == 0 && !first) {
            unsigned width;
            if (at >= s.len)
                break;
            (void)sk_utf8_decode(s.ptr + at, s.len - at, &width); /* only the width matters */
            hit = at + width;
        }
        if (hit == SIZE_MAX || b->failed)
            break;
        sk_strbuf_add(b, s.ptr + at, hit - at);
        sk_strbuf_str(b, new_text);
        at = hit + old.len;
    }
    sk_strbuf_str(b, from(s, at));
    return sk_tmpl_give(call, b, ret);
}

static bool fn_replace_count(struct sk_tmpl_call *call, struct sk_tv *ret) /* Replace s old new n */
{
    return replaced(call, arg_str(call, 0), arg_str(call, 1), arg_str(call, 2), call->args[3].u.i,
                    ret);
}

static bool fn_replace(struct sk_tmpl_call *call, struct sk_tv *ret) /* replace old new s */
{
    return replaced(call, arg_str(call, 2), arg_str(call, 0), arg_str(call, 1), -1, ret);
}

/* ---- of the entry ---- */

static bool fn_line(struct sk_tmpl_call *call, struct sk_tv *ret)
{
    *ret = sk_tv_str(call->x->in->line);
    return true;
}

#define ONE                                                                                        \
    1, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_STRING                                                                               \
    }
#define TWO                                                                                        \
    2, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_STRING, SK_TP_STRING                                                                 \
    }
#define COUNT                                                                                      \
    2, false, SK_TF_PLAIN,                                                                         \
    {                                                                                              \
        SK_TP_INT, SK_TP_STRING                                                                    \
    }

const struct sk_tmpl_func sk_tmpl_text_funcs[] = {
    {"__line__", fn_line, 0, false, SK_TF_PLAIN, {SK_TP_ANY}},
    {"ToLower", fn_lower, ONE},
    {"ToUpper", fn_upper, ONE},
    {"lower", fn_lower, ONE},
    {"upper", fn_upper, ONE},
    {"title", fn_title, ONE},
    {"Trim", fn_trim_cut, TWO},
    {"TrimLeft", fn_trim_left, TWO},
    {"TrimRight", fn_trim_right, TWO},
    {"TrimPrefix", fn_trim_prefix, TWO},
    {"TrimSuffix", fn_trim_suffix, TWO},
    {"TrimSpace", fn_trim_space, ONE},
    {"trim", fn_trim_space, ONE},
    {"trimAll", fn_trim_all, TWO},
    {"trimPrefix", fn_prefix_trim, TWO},
    {"trimSuffix", fn_suffix_trim, TWO},
    {"trunc", fn_trunc, COUNT},
    {"substr", fn_substr, 3, false, SK_TF_PLAIN, {SK_TP_INT, SK_TP_INT, SK_TP_STRING}},
    {"contains", fn_contains, TWO},
    {"hasPrefix", fn_has_prefix, TWO},
    {"hasSuffix", fn_has_suffix, TWO},
    {"alignLeft", fn_align_left, COUNT},
    {"alignRight", fn_align_right, COUNT},
    {"repeat", fn_repeat, COUNT},
    {"indent", fn_indent, COUNT},
    {"nindent", fn_nindent, COUNT},
    {"Replace",
     fn_replace_count,
     4,
     false,
     SK_TF_PLAIN,
     {SK_TP_STRING, SK_TP_STRING, SK_TP_STRING, SK_TP_INT}},
    {"replace", fn_replace, 3, false, SK_TF_PLAIN, {SK_TP_STRING, SK_TP_STRING, SK_TP_STRING}},
    {.name = NULL},
};
