/* SPDX-License-Identifier: Apache-2.0 */
/* pattern_expr.c -- see pattern_expr.h. */
#include "logql/pattern_expr.h"

size_t sk_pattern_capture_len(struct sk_str s)
{
    size_t n = 1;
    if (s.len < 3 || s.ptr[0] != '<')
        return 0;
    for (; n < s.len && s.ptr[n] != '>'; n++) {
        char c = s.ptr[n];
        bool letter = c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (n == 1 || c < '0' || c > '9'))
            return 0;
    }
    return n > 1 && n < s.len ? n + 1 : 0;
}

/* The part at the front of `rest`; its length in the pattern. */
static size_t part_at(struct sk_str rest, struct sk_pattern_part *ret)
{
    size_t n = sk_pattern_capture_len(rest);
    if (n > 0) {
        *ret = (struct sk_pattern_part){.capture = true, .text = {rest.ptr + 1, n - 2}};
        return n;
    }
    for (n = 1; n < rest.len; n++) {
        if (rest.ptr[n] == '<' &&
            sk_pattern_capture_len((struct sk_str){rest.ptr + n, rest.len - n}) > 0)
            break;
    }
    *ret = (struct sk_pattern_part){.text = {rest.ptr, n}};
    return n;
}

enum sk_err sk_pattern_split(struct sk_arena *arena, struct sk_str pattern,
                             struct sk_pattern_part **ret, size_t *ret_count)
{
    struct sk_pattern_part part;
    size_t count = 0;
    for (size_t at = 0; at < pattern.len; count++)
        at += part_at((struct sk_str){pattern.ptr + at, pattern.len - at}, &part);
    struct sk_pattern_part *parts = sk_arena_calloc(arena, count + 1, sizeof(*parts));
    if (parts == NULL)
        return SK_ENOMEM;
    size_t n = 0;
    for (size_t at = 0; at < pattern.len; n++)
        at += part_at((struct sk_str){pattern.ptr + at, pattern.len - at}, &parts[n]);
    *ret = parts;
    *ret_count = count;
    return SK_OK;
}

enum sk_err sk_pattern_filter_check(const struct sk_pattern_part *parts, size_t count,
                                    struct sk_error *reterr)
{
    for (size_t i = 1; i < count; i++) {
        if (parts[i].capture && parts[i - 1].capture)
            return sk_error_set(reterr, SK_EPARSE,
                                "found consecutive capture '<%.*s><%.*s>': invalid expression",
                                SK_STR_ARG(parts[i - 1].text), SK_STR_ARG(parts[i].text));
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].capture && !sk_str_is(parts[i].text, "_"))
            return sk_error_set(reterr, SK_EPARSE, "named captures are not allowed: found '<%.*s>'",
                                SK_STR_ARG(parts[i].text));
    }
    return SK_OK;
}

bool sk_pattern_filter_match(const struct sk_pattern_part *parts, size_t count, struct sk_str line)
{
    if (count == 0 || line.len == 0)
        return count == 0 && line.len == 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].capture)
            continue;
        size_t found = sk_str_find(line, parts[i].text, at);
        if (found == SIZE_MAX || (i > 0 && found == at))
            return false;
        at = found + parts[i].text.len;
    }
    return parts[count - 1].capture ? at < line.len : at == line.len;
}

struct sk_str sk_pattern_longest(const struct sk_pattern_part *parts, size_t count)
{
    struct sk_str best = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].capture && parts[i].text.len > best.len)
            best = parts[i].text;
    }
    return best;
}
