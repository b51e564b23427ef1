/* SPDX-License-Identifier: Apache-2.0 */
/* labelset.c -- see labelset.h. Sets are short (15 labels by default), so searches are linear
 * and the sort is an insertion sort. */
#include "labels/labelset.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/gotext.h"
#include "base/hash.h"

void sk_labels_sort(struct sk_label *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct sk_label moving = items[i];
        size_t k = i;
        while (k > 0 && sk_str_cmp(items[k - 1].name, moving.name) > 0) {
            items[k] = items[k - 1];
            k--;
        }
        items[k] = moving;
    }
}

size_t sk_labels_find(struct sk_labelset set, struct sk_str name)
{
    for (size_t i = 0; i < set.count; i++) {
        if (sk_str_eq(set.items[i].name, name))
            return i;
    }
    return SIZE_MAX;
}

struct sk_str sk_labels_get(struct sk_labelset set, struct sk_str name)
{
    size_t i = sk_labels_find(set, name);
    return i == SIZE_MAX ? (struct sk_str){NULL, 0} : set.items[i].value;
}

int sk_labels_cmp(struct sk_labelset a, struct sk_labelset b)
{
    size_t n = a.count < b.count ? a.count : b.count;
    for (size_t i = 0; i < n; i++) {
        int c = sk_str_cmp(a.items[i].name, b.items[i].name);
        if (c == 0)
            c = sk_str_cmp(a.items[i].value, b.items[i].value);
        if (c != 0)
            return c;
    }
    return a.count < b.count ? -1 : a.count > b.count;
}

bool sk_labels_eq(struct sk_labelset a, struct sk_labelset b)
{
    if (a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++) {
        if (!sk_str_eq(a.items[i].name, b.items[i].name) ||
            !sk_str_eq(a.items[i].value, b.items[i].value))
            return false;
    }
    return true;
}

uint64_t sk_labels_fingerprint(struct sk_labelset set)
{
    char small[1024];
    size_t need = 0;
    for (size_t i = 0; i < set.count; i++)
        need += set.items[i].name.len + set.items[i].value.len + 2;
    char *buf = need <= sizeof(small) ? small : sk_malloc(need);
    sk_assert(buf != NULL); /* label sets are bounded to some MiB at most */
    size_t n = 0;
    for (size_t i = 0; i < set.count; i++) {
        const struct sk_label *l = &set.items[i];
        if (sk_str_is(l->name, "__name__"))
            continue;
        memcpy(buf + n, l->name.ptr, l->name.len);
        n += l->name.len;
        buf[n++] = (char)0xff;
        if (l->value.len != 0)
            memcpy(buf + n, l->value.ptr, l->value.len);
        n += l->value.len;
        buf[n++] = (char)0xff;
    }
    uint64_t fp = sk_hash_xxh64(buf, n);
    if (buf != small)
        sk_free(buf);
    return fp;
}

void sk_labels_format(struct sk_strbuf *out, struct sk_labelset set)
{
    sk_strbuf_putc(out, '{');
    for (size_t i = 0; i < set.count; i++) {
        if (i > 0)
            sk_strbuf_puts(out, ", ");
        sk_strbuf_str(out, set.items[i].name);
        sk_strbuf_putc(out, '=');
        sk_go_quote(out, set.items[i].value);
    }
    sk_strbuf_putc(out, '}');
}

enum sk_err sk_labels_copy(struct sk_arena *arena, struct sk_labelset set, struct sk_labelset *ret)
{
    struct sk_label *items = sk_arena_calloc(arena, set.count, sizeof(*items));
    if (items == NULL)
        return SK_ENOMEM;
    for (size_t i = 0; i < set.count; i++) {
        items[i].name = sk_arena_str(arena, set.items[i].name);
        items[i].value = sk_arena_str(arena, set.items[i].value);
        if (items[i].name.ptr == NULL || items[i].value.ptr == NULL)
            return SK_ENOMEM;
    }
    *ret = (struct sk_labelset){items, set.count};
    return SK_OK;
}

enum sk_err sk_labels_copy_heap(struct sk_labelset set, struct sk_labelset *ret)
{
    size_t bytes = set.count * sizeof(struct sk_label);
    for (size_t i = 0; i < set.count; i++)
        bytes += set.items[i].name.len + set.items[i].value.len;
    struct sk_label *items = sk_malloc(bytes);
    if (items == NULL)
        return SK_ENOMEM;
    char *at = (char *)(items + set.count);
    for (size_t i = 0; i < set.count; i++) {
        struct sk_label l = set.items[i];
        memcpy(at, l.name.ptr, l.name.len);
        items[i].name = (struct sk_str){at, l.name.len};
        at += l.name.len;
        if (l.value.len != 0)
            memcpy(at, l.value.ptr, l.value.len);
        items[i].value = (struct sk_str){at, l.value.len};
        at += l.value.len;
    }
    *ret = (struct sk_labelset){items, set.count};
    return SK_OK;
}

static bool alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bool sk_label_name_valid(struct sk_str name)
{
    if (name.len == 0 || !alpha(name.ptr[0]))
        return false;
    for (size_t i = 1; i < name.len; i++) {
        if (!alpha(name.ptr[i]) && !digit(name.ptr[i]))
            return false;
    }
    return true;
}

bool sk_label_name_is_normal(struct sk_str name)
{
    if (name.len == 0 || digit(name.ptr[0]))
        return false;
    bool other = false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!alpha(c) && !digit(c))
            return false;
        if (c != '_')
            other = true;
        else if (i > 0 && name.ptr[i - 1] == '_')
            return false; /* `__x__` takes the slow way */
    }
    return other;
}

bool sk_label_name_normalize(struct sk_strbuf *out, struct sk_str name)
{
    size_t start = out->len;
    struct sk_str dunder = SK_STR("__");
    bool wrapped = name.len >= 4 && sk_str_starts(name, dunder) && sk_str_ends(name, dunder);
    struct sk_str core = wrapped ? (struct sk_str){name.ptr + 2, name.len - 4} : name;
    if (wrapped)
        sk_strbuf_str(out, dunder);
    else if (core.len > 0 && digit(core.ptr[0]))
        sk_strbuf_puts(out, "key_");
    bool other = false;
    for (size_t i = 0; i < core.len; i++) {
        char c = core.ptr[i];
        bool plain = digit(c) || (alpha(c) && c != '_');
        other = other || plain;
        if (plain)
            sk_strbuf_putc(out, c);
        else if (out->len == start || i == 0 || out->ptr[out->len - 1] != '_')
            sk_strbuf_putc(out, '_');
    }
    if (wrapped)
        sk_strbuf_str(out, dunder);
    if (other)
        return true;
    out->len = start;
    if (out->ptr != NULL)
        out->ptr[start] = '\0';
    return false;
}
