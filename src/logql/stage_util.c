/* SPDX-License-Identifier: Apache-2.0 */
/* stage_util.c -- keys as label names, and cleaning of values: what parsers have in common. */
#include "base/utf8.h"
#include "logql/pipeline_int.h"

/* 1: letter or '_'; 2: digit. */
static const unsigned char name_class[256] = {
    ['0'] = 2, ['1'] = 2, ['2'] = 2, ['3'] = 2, ['4'] = 2, ['5'] = 2, ['6'] = 2, ['7'] = 2,
    ['8'] = 2, ['9'] = 2, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
    ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1,
    ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1,
    ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['_'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1,
    ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,
    ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,
    ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

bool sk_key_is_plain(struct sk_str key)
{
    if (key.len == 0 || name_class[(unsigned char)key.ptr[0]] != 1)
        return false;
    for (size_t i = 1; i < key.len; i++) {
        if (name_class[(unsigned char)key.ptr[i]] == 0)
            return false;
    }
    return true;
}

/* Unicode white space as Go's unicode.IsSpace has it. */
static bool is_space(uint32_t r)
{
    return (r >= '\t' && r <= '\r') || r == ' ' || r == 0x85 || r == 0xa0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f ||
           r == 0x205f || r == 0x3000;
}

static struct sk_str trim_space(struct sk_str s)
{
    size_t from = 0, to = 0;
    bool begun = false;
    for (size_t i = 0; i < s.len;) {
        unsigned width;
        bool space = is_space(sk_utf8_decode(s.ptr + i, s.len - i, &width));
        if (!space && !begun) {
            begun = true;
            from = i;
        }
        i += width;
        if (!space)
            to = i;
    }
    return (struct sk_str){s.ptr + from, to - from};
}

void sk_key_sanitize(struct sk_strbuf *out, struct sk_str key)
{
    if (sk_key_is_plain(key)) {
        sk_strbuf_str(out, key);
        return;
    }
    key = trim_space(key);
    if (key.len > 0 && out->len == 0 && name_class[(unsigned char)key.ptr[0]] == 2)
        sk_strbuf_putc(out, '_');
    for (size_t i = 0; i < key.len;) {
        unsigned width;
        (void)sk_utf8_decode(key.ptr + i, key.len - i, &width); /* only the width matters */
        sk_strbuf_putc(out, name_class[(unsigned char)key.ptr[i]] != 0 ? key.ptr[i] : '_');
        i += width;
    }
}

void sk_json_name_join(struct sk_strbuf *path, size_t prefix, struct sk_str key)
{
    path->len = prefix;
    if (prefix > 0)
        sk_strbuf_putc(path, '_');
    size_t joined = path->len;
    sk_key_sanitize(path, key);
    if (path->len == joined)
        path->len = prefix;
}

struct sk_label_slot *sk_run_key_slot(struct sk_pipeline_run *run, struct sk_str key)
{
    if (sk_key_is_plain(key))
        return sk_label_slot_of(&run->labels, key);
    sk_strbuf_reset(&run->path);
    sk_key_sanitize(&run->path, key);
    run->labels.failed |= run->path.failed;
    if (run->path.len == 0 || run->path.failed)
        return NULL;
    return sk_label_slot_of(&run->labels, sk_strbuf_view(&run->path));
}

struct sk_label_slot *sk_run_extract_to(struct sk_pipeline_run *run, struct sk_label_slot *slot)
{
    struct sk_label_slot *to = sk_label_target(&run->labels, slot);
    if (to == NULL || sk_label_extracted(&run->labels, to))
        return NULL;
    return run->pipeline->need == SK_NEED_ALL || to->required ? to : NULL;
}

bool sk_run_wants(const struct sk_pipeline_run *run, struct sk_str name)
{
    const struct sk_pipeline *p = run->pipeline;
    for (size_t i = 0; i < p->required_count; i++) {
        if (sk_str_eq(p->names[p->required[i]], name))
            return true;
    }
    return p->need == SK_NEED_ALL;
}

bool sk_run_wants_prefix(const struct sk_pipeline_run *run, struct sk_str prefix)
{
    const struct sk_pipeline *p = run->pipeline;
    for (size_t i = 0; i < p->required_count; i++) {
        if (sk_str_starts(p->names[p->required[i]], prefix))
            return true;
    }
    return p->need == SK_NEED_ALL;
}

static bool is_clean(struct sk_str s)
{
    for (size_t i = 0; i < s.len;) {
        if ((unsigned char)s.ptr[i] < 0x80) {
            i++;
            continue;
        }
        unsigned width;
        if (sk_utf8_decode(s.ptr + i, s.len - i, &width) == SK_RUNE_ERROR)
            return false;
        i += width;
    }
    return true;
}

struct sk_str sk_run_clean(struct sk_pipeline_run *run, struct sk_str text)
{
    if (is_clean(text))
        return text;
    char *out = sk_arena_alloc(&run->arena, text.len);
    if (out == NULL) {
        run->labels.failed = true;
        return SK_STR("");
    }
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        unsigned width;
        if (sk_utf8_decode(text.ptr + i, text.len - i, &width) == SK_RUNE_ERROR) {
            out[n++] = ' ';
        } else {
            memcpy(out + n, text.ptr + i, width);
            n += width;
        }
        i += width;
    }
    return (struct sk_str){out, n};
}
