/* SPDX-License-Identifier: Apache-2.0 */
/* index_name.c -- see index_name.h. */
#include "tsdb_index/index_name.h"

int64_t sk_index_day(int64_t ms)
{
    int64_t day = ms / SK_INDEX_DAY_MS;
    return ms % SK_INDEX_DAY_MS < 0 ? day - 1 : day;
}

bool sk_index_table_parse(struct sk_str folder, struct sk_str prefix, int64_t *ret_day)
{
    uint64_t day;
    if (!sk_str_starts(folder, prefix))
        return false;
    struct sk_str digits = {folder.ptr + prefix.len, folder.len - prefix.len};
    if (!sk_str_to_u64(digits, &day) || day > (uint64_t)(INT64_MAX / SK_INDEX_DAY_MS))
        return false;
    *ret_day = (int64_t)day;
    return true;
}

void sk_index_table_format(struct sk_strbuf *out, struct sk_str prefix, int64_t day)
{
    sk_strbuf_str(out, prefix);
    sk_strbuf_i64(out, day);
}

/* Cuts `name` at its first dash behind an optional sign. */
static bool cut_dash(struct sk_str *name, struct sk_str *ret_before)
{
    size_t dash = sk_str_find(*name, SK_STR("-"), name->len > 0 && name->ptr[0] == '-' ? 1 : 0);
    if (dash == SIZE_MAX)
        return false;
    *ret_before = (struct sk_str){name->ptr, dash};
    name->ptr += dash + 1;
    name->len -= dash + 1;
    return true;
}

static bool hex32(struct sk_str s, uint32_t *ret)
{
    uint32_t v = 0;
    if (s.len == 0 || s.len > 8)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A') + 10;
        else
            return false;
        v = v << 4 | digit;
    }
    *ret = v;
    return true;
}

/* "compactor-<from>-<through>-<crc>" */
static bool parse_compacted(struct sk_str s, struct sk_index_name *ret)
{
    struct sk_str from, through;
    if (!sk_str_starts(s, SK_STR("compactor-")))
        return false;
    s.ptr += 10;
    s.len -= 10;
    return cut_dash(&s, &from) && cut_dash(&s, &through) && sk_str_to_i64(from, &ret->from_ms) &&
           sk_str_to_i64(through, &ret->through_ms) && hex32(s, &ret->toc_crc);
}

bool sk_index_name_parse(struct sk_str name, struct sk_index_name *ret)
{
    struct sk_index_name n = {0};
    struct sk_str created;
    if (sk_str_ends(name, SK_STR(".gz"))) {
        n.gzip = true;
        name.len -= 3;
    }
    if (!sk_str_ends(name, SK_STR(".tsdb")))
        return false;
    name.len -= 5;
    if (!cut_dash(&name, &created) || !sk_str_to_i64(created, &n.created))
        return false;
    n.node = name;
    struct sk_index_name compacted = n;
    if (parse_compacted(name, &compacted)) {
        n = compacted;
        n.per_tenant = true;
    }
    *ret = n;
    return true;
}

void sk_index_name_format(struct sk_strbuf *out, const struct sk_index_name *name)
{
    sk_strbuf_i64(out, name->created);
    sk_strbuf_putc(out, '-');
    if (name->per_tenant)
        sk_strbuf_printf(out, "compactor-%lld-%lld-%x", (long long)name->from_ms,
                         (long long)name->through_ms, name->toc_crc);
    else
        sk_strbuf_str(out, name->node);
    sk_strbuf_puts(out, name->gzip ? ".tsdb.gz" : ".tsdb");
}
