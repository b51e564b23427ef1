/* SPDX-License-Identifier: Apache-2.0 */
/* ip_filter.c -- see ip_filter.h. The search looks for places that could begin an address, takes the
 * longest run of an address's characters there and parses it strictly, which is also why an address
 * at the very end of a text may go unseen: a place needs 4 bytes (v4) or 5 (v6) to be judged. */
#include "logql/ip_filter.h"

#include <arpa/inet.h>

enum { TEXT_BYTES_MAX = 45, V4_LOOK = 4, V6_LOOK = 5 };

struct addr {
    unsigned bytes;
    uint8_t b[SK_IP_V6_BYTES];
};

static bool addr_parse(struct sk_str text, bool v6, struct addr *ret)
{
    char z[TEXT_BYTES_MAX + 1];
    if (text.len == 0 || text.len > TEXT_BYTES_MAX || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    ret->bytes = v6 ? SK_IP_V6_BYTES : SK_IP_V4_BYTES;
    return inet_pton(v6 ? AF_INET6 : AF_INET, z, ret->b) == 1;
}

static bool addr_parse_any(struct sk_str text, struct addr *ret)
{
    bool v6 = text.len > 0 && memchr(text.ptr, ':', text.len) != NULL;
    return addr_parse(text, v6, ret);
}

/* "24", without leading zeros or signs. */
static bool prefix_bits(struct sk_str text, unsigned max, unsigned *ret)
{
    uint64_t v;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.ptr[0] == '0') ||
        !sk_str_to_u64(text, &v) || v > max)
        return false;
    *ret = (unsigned)v;
    return true;
}

static void range_of_prefix(const struct addr *a, unsigned bits, struct sk_ip_range *ret)
{
    ret->bytes = a->bytes;
    for (unsigned i = 0; i < a->bytes; i++) {
        unsigned keep = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;
        uint8_t mask = (uint8_t)(0xff00u >> keep);
        ret->lo[i] = a->b[i] & mask;
        ret->hi[i] = (uint8_t)(a->b[i] | (uint8_t)~mask);
    }
}

bool sk_ip_range_parse(struct sk_str text, struct sk_ip_range *ret)
{
    struct addr a, b;
    size_t dash = sk_str_find(text, SK_STR("-"), 0);
    size_t slash = sk_str_find(text, SK_STR("/"), 0);
    if (dash != SIZE_MAX) {
        struct sk_str to = {text.ptr + dash + 1, text.len - dash - 1};
        if (!addr_parse_any((struct sk_str){text.ptr, dash}, &a) || !addr_parse_any(to, &b) ||
            a.bytes != b.bytes || memcmp(a.b, b.b, a.bytes) > 0)
            return false;
        ret->bytes = a.bytes;
        memcpy(ret->lo, a.b, a.bytes);
        memcpy(ret->hi, b.b, a.bytes);
        return true;
    }
    if (!addr_parse_any(slash == SIZE_MAX ? text : (struct sk_str){text.ptr, slash}, &a))
        return false;
    unsigned bits = 8 * a.bytes;
    if (slash != SIZE_MAX) {
        struct sk_str number = {text.ptr + slash + 1, text.len - slash - 1};
        if (!prefix_bits(number, bits, &bits))
            return false;
    }
    range_of_prefix(&a, bits, ret);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool looks_v4(const char *p, size_t left)
{
    return left >= V4_LOOK && is_digit(p[0]) && (p[1] == '.' || p[2] == '.' || p[3] == '.');
}

static bool looks_v6(const char *p, size_t left)
{
    if (left < V6_LOOK)
        return false;
    if (p[0] == ':' && p[1] == ':' && is_hex(p[2]))
        return true;
    size_t n = 0;
    while (n < V6_LOOK - 1 && is_hex(p[n]))
        n++;
    return n > 0 && p[n] == ':';
}

static size_t run_len(const char *p, size_t left, bool v6)
{
    size_t n = 0;
    while (n < left && (p[n] == '.' || (v6 ? is_hex(p[n]) || p[n] == ':' : is_digit(p[n]))))
        n++;
    return n;
}

bool sk_ip_in_text(const struct sk_ip_range *range, struct sk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *p = text.ptr + i;
        size_t left = text.len - i;
        if (!is_hex(*p) && *p != ':')
            continue;
        bool v4 = looks_v4(p, left);
        if (!v4 && !looks_v6(p, left))
            continue;
        struct sk_str run = {p, run_len(p, left, !v4)};
        struct addr a;
        if (addr_parse(run, !v4, &a) && a.bytes == range->bytes &&
            memcmp(a.b, range->lo, a.bytes) >= 0 && memcmp(a.b, range->hi, a.bytes) <= 0)
            return true;
        i += run.len; /* and one more: the byte that ended the run begins nothing */
    }
    return false;
}
