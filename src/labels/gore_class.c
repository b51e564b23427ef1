/* SPDX-License-Identifier: Apache-2.0 */
/* gore_class.c -- character classes: [...], \d, \p{...}, and what becomes of them in an
 * alternation. The runes of Unicode properties are not listed (the node is marked opaque):
 * nothing that is decided by the tree asks for them. */
#include "labels/gore_int.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/utf8.h"

/* Categories and scripts that both Go and RE2 know; byte order, for the search. */
static const char *const properties[] = {
    "Adlam",
    "Ahom",
    "Anatolian_Hieroglyphs",
    "Any",
    "Arabic",
    "Armenian",
    "Avestan",
    "Balinese",
    "Bamum",
    "Bassa_Vah",
    "Batak",
    "Bengali",
    "Bhaiksuki",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "C",
    "Canadian_Aboriginal",
    "Carian",
    "Caucasian_Albanian",
    "Cc",
    "Cf",
    "Chakma",
    "Cham",
    "Cherokee",
    "Chorasmian",
    "Co",
    "Common",
    "Coptic",
    "Cs",
    "Cuneiform",
    "Cypriot",
    "Cypro_Minoan",
    "Cyrillic",
    "Deseret",
    "Devanagari",
    "Dives_Akuru",
    "Dogra",
    "Duployan",
    "Egyptian_Hieroglyphs",
    "Elbasan",
    "Elymaic",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Gothic",
    "Grantha",
    "Greek",
    "Gujarati",
    "Gunjala_Gondi",
    "Gurmukhi",
    "Han",
    "Hangul",
    "Hanifi_Rohingya",
    "Hanunoo",
    "Hatran",
    "Hebrew",
    "Hiragana",
    "Imperial_Aramaic",
    "Inherited",
    "Inscriptional_Pahlavi",
    "Inscriptional_Parthian",
    "Javanese",
    "Kaithi",
    "Kannada",
    "Katakana",
    "Kawi",
    "Kayah_Li",
    "Kharoshthi",
    "Khitan_Small_Script",
    "Khmer",
    "Khojki",
    "Khudawadi",
    "L",
    "Lao",
    "Latin",
    "Lepcha",
    "Limbu",
    "Linear_A",
    "Linear_B",
    "Lisu",
    "Ll",
    "Lm",
    "Lo",
    "Lt",
    "Lu",
    "Lycian",
    "Lydian",
    "M",
    "Mahajani",
    "Makasar",
    "Malayalam",
    "Mandaic",
    "Manichaean",
    "Marchen",
    "Masaram_Gondi",
    "Mc",
    "Me",
    "Medefaidrin",
    "Meetei_Mayek",
    "Mende_Kikakui",
    "Meroitic_Cursive",
    "Meroitic_Hieroglyphs",
    "Miao",
    "Mn",
    "Modi",
    "Mongolian",
    "Mro",
    "Multani",
    "Myanmar",
    "N",
    "Nabataean",
    "Nag_Mundari",
    "Nandinagari",
    "Nd",
    "New_Tai_Lue",
    "Newa",
    "Nko",
    "Nl",
    "No",
    "Nushu",
    "Nyiakeng_Puachue_Hmong",
    "Ogham",
    "Ol_Chiki",
    "Old_Hungarian",
    "Old_Italic",
    "Old_North_Arabian",
    "Old_Permic",
    "Old_Persian",
    "Old_Sogdian",
    "Old_South_Arabian",
    "Old_Turkic",
    "Old_Uyghur",
    "Oriya",
    "Osage",
    "Osmanya",
    "P",
    "Pahawh_Hmong",
    "Palmyrene",
    "Pau_Cin_Hau",
    "Pc",
    "Pd",
    "Pe",
    "Pf",
    "Phags_Pa",
    "Phoenician",
    "Pi",
    "Po",
    "Ps",
    "Psalter_Pahlavi",
    "Rejang",
    "Runic",
    "S",
    "Samaritan",
    "Saurashtra",
    "Sc",
    "Sharada",
    "Shavian",
    "Siddham",
    "SignWriting",
    "Sinhala",
    "Sk",
    "Sm",
    "So",
    "Sogdian",
    "Sora_Sompeng",
    "Soyombo",
    "Sundanese",
    "Syloti_Nagri",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Tai_Le",
    "Tai_Tham",
    "Tai_Viet",
    "Takri",
    "Tamil",
    "Tangsa",
    "Tangut",
    "Telugu",
    "Thaana",
    "Thai",
    "Tibetan",
    "Tifinagh",
    "Tirhuta",
    "Toto",
    "Ugaritic",
    "Vai",
    "Vithkuqi",
    "Wancho",
    "Warang_Citi",
    "Yezidi",
    "Yi",
    "Z",
    "Zanabazar_Square",
    "Zl",
    "Zp",
    "Zs",
};

static int property_cmp(const void *key, const void *item)
{
    return sk_str_cmp(*(const struct sk_str *)key, sk_str_from(*(const char *const *)item));
}

bool sk_gore_property_known(struct sk_str name)
{
    return bsearch(&name, properties, SK_COUNT_OF(properties), sizeof(properties[0]),
                   property_cmp) != NULL;
}

struct named_class {
    const char *name;
    const char *ranges; /* pairs of ASCII characters */
};

static const struct named_class posix_classes[] = {
    {"alnum", "09AZaz"},  {"alpha", "AZaz"},     {"ascii", NULL},     {"blank", "\t\t  "},
    {"cntrl", NULL},      {"digit", "09"},       {"graph", "!~"},     {"lower", "az"},
    {"print", " ~"},      {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"},
    {"word", "09AZ__az"}, {"xdigit", "09AFaf"},
};

static const struct named_class perl_classes[] = {
    {"d", "09"}, {"s", "\t\n\f\r  "}, {"w", "09AZ__az"}};

/* ---- ranges ---- */

bool sk_gore_ranges_add(struct sk_gore_ranges *r, uint32_t lo, uint32_t hi)
{
    if (r->count > 0) { /* text order mostly ascends: grow the last range where that is enough */
        uint32_t *last = r->runes + 2 * (r->count - 1);
        if (lo >= last[0] && lo <= last[1] + 1) {
            if (hi > last[1])
                last[1] = hi;
            return true;
        }
    }
    if (r->count == r->cap) {
        size_t cap = r->cap == 0 ? 8 : r->cap * 2;
        uint32_t *more = sk_arena_calloc(r->arena, cap, 2 * sizeof(*more));
        if (more == NULL)
            return false;
        if (r->count > 0)
            memcpy(more, r->runes, r->count * 2 * sizeof(*more));
        r->runes = more;
        r->cap = cap;
    }
    r->runes[2 * r->count] = lo;
    r->runes[2 * r->count + 1] = hi;
    r->count++;
    return true;
}

static int range_cmp(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    if (x[0] != y[0])
        return x[0] < y[0] ? -1 : 1;
    return x[1] > y[1] ? -1 : x[1] < y[1];
}

static void ranges_clean(struct sk_gore_ranges *r)
{
    if (r->count < 2)
        return;
    qsort(r->runes, r->count, 2 * sizeof(uint32_t), range_cmp);
    size_t out = 0;
    for (size_t i = 1; i < r->count; i++) {
        uint32_t *last = r->runes + 2 * out;
        const uint32_t *next = r->runes + 2 * i;
        if (next[0] <= last[1] + 1) {
            if (next[1] > last[1])
                last[1] = next[1];
            continue;
        }
        out++;
        r->runes[2 * out] = next[0];
        r->runes[2 * out + 1] = next[1];
    }
    r->count = out + 1;
}

/* Appends the complement of clean ranges. */
static bool add_negated(struct sk_gore_ranges *to, const uint32_t *runes, size_t count)
{
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        if (runes[2 * i] > next && !sk_gore_ranges_add(to, next, runes[2 * i] - 1))
            return false;
        next = runes[2 * i + 1] + 1;
    }
    return next > SK_GORE_RUNE_MAX || sk_gore_ranges_add(to, next, SK_GORE_RUNE_MAX);
}

static bool add_folded(struct sk_gore_ranges *r, uint32_t lo, uint32_t hi)
{
    if (!sk_gore_ranges_add(r, lo, hi))
        return false;
    for (uint32_t c = lo; c <= hi && c < 0x80; c++) {
        uint32_t lower = c | 32;
        if (lower < 'a' || lower > 'z')
            continue;
        if (!sk_gore_ranges_add(r, c ^ 32, c ^ 32))
            return false;
        if ((lower == 'k' && !sk_gore_ranges_add(r, 0x212a, 0x212a)) ||
            (lower == 's' && !sk_gore_ranges_add(r, 0x17f, 0x17f)))
            return false;
    }
    return hi < 0x80 || sk_gore_fold_add(r, lo, hi);
}

static bool add_named(struct sk_gore_ranges *r, const struct named_class *c, bool negated)
{
    uint32_t runes[8];
    size_t count = 0;
    static const uint32_t ascii[] = {0, 0x7f}, cntrl[] = {0, 0x1f, 0x7f, 0x7f};
    const uint32_t *from = runes;
    if (c->ranges == NULL) {
        from = c->name[0] == 'a' ? ascii : cntrl;
        count = c->name[0] == 'a' ? 1 : 2;
    } else {
        for (const char *s = c->ranges; *s != '\0'; s += 2, count++) {
            sk_assert(count < 4);
            runes[2 * count] = (uint32_t)s[0];
            runes[2 * count + 1] = (uint32_t)s[1];
        }
    }
    if (negated)
        return add_negated(r, from, count);
    for (size_t i = 0; i < count; i++) {
        if (!sk_gore_ranges_add(r, from[2 * i], from[2 * i + 1]))
            return false;
    }
    return true;
}

/* ---- escapes that stand for classes ---- */

static bool perl_class(struct sk_gore_parser *p, struct sk_gore_ranges *r, bool *ret_is)
{
    *ret_is = false;
    if (p->end - p->at < 2 || p->at[0] != '\\')
        return true;
    char c = p->at[1];
    for (size_t i = 0; i < SK_COUNT_OF(perl_classes); i++) {
        if ((c | 32) != perl_classes[i].name[0])
            continue;
        p->at += 2;
        *ret_is = true;
        return add_named(r, &perl_classes[i], c < 'a') || sk_gore_nomem(p);
    }
    return true;
}

/* \pL \p{Greek} \P{^Lu} */
static bool property_class(struct sk_gore_parser *p, bool *ret_is)
{
    *ret_is = false;
    if (p->end - p->at < 2 || p->at[0] != '\\' || (p->at[1] | 32) != 'p')
        return true;
    struct sk_str all = {p->at, (size_t)(p->end - p->at)};
    struct sk_str seq = {p->at, 2}, name = {p->at + 2, 0};
    if (all.len > 2 && all.ptr[2] == '{') {
        size_t end = sk_str_find(all, SK_STR("}"), 0);
        if (end == SIZE_MAX)
            return sk_gore_fail(
                p, sk_utf8_valid(all) ? "invalid character class range" : "invalid UTF-8", all);
        seq.len = end + 1;
        name = (struct sk_str){all.ptr + 3, end - 3};
        if (!sk_utf8_valid(name))
            return sk_gore_fail(p, "invalid UTF-8", name);
    } else if (all.len > 2) {
        uint32_t rune;
        p->at += 2;
        if (!sk_gore_next_rune(p, &rune))
            return false;
        seq.len = (size_t)(p->at - seq.ptr);
        name.len = seq.len - 2;
    }
    if (name.len > 0 && name.ptr[0] == '^') {
        name.ptr++;
        name.len--;
    }
    if (!sk_gore_property_known(name))
        return sk_gore_fail(p, "invalid character class range", seq);
    p->at = seq.ptr + seq.len;
    *ret_is = true;
    return true;
}

static struct sk_gore_node *class_node(struct sk_gore_parser *p, struct sk_gore_ranges *r)
{
    struct sk_gore_node *n = sk_gore_node(p, SK_GORE_CLASS, 0);
    if (n == NULL)
        return NULL;
    n->runes = r->runes;
    n->rune_count = 2 * r->count;
    n->rune_cap = 2 * r->cap;
    return n;
}

bool sk_gore_class_escape(struct sk_gore_parser *p, bool *ret_is)
{
    struct sk_gore_ranges r = {.arena = p->arena};
    bool property;
    if (!property_class(p, &property))
        return false;
    *ret_is = property;
    if (!property && !perl_class(p, &r, ret_is))
        return false;
    if (!*ret_is)
        return true;
    struct sk_gore_node *n = class_node(p, &r);
    if (n == NULL)
        return false;
    n->opaque = property;
    return sk_gore_push(p, n);
}

/* ---- [...] ---- */

/* [:alpha:] or [:^alpha:] inside brackets. */
static bool posix_class(struct sk_gore_parser *p, struct sk_gore_ranges *r, bool *ret_is)
{
    struct sk_str all = {p->at, (size_t)(p->end - p->at)};
    *ret_is = false;
    if (all.len <= 2 || all.ptr[0] != '[' || all.ptr[1] != ':')
        return true;
    size_t end = sk_str_find(all, SK_STR(":]"), 2);
    if (end == SIZE_MAX)
        return true;
    struct sk_str name = {all.ptr + 2, end - 2};
    bool negated = name.len > 0 && name.ptr[0] == '^';
    if (negated) {
        name.ptr++;
        name.len--;
    }
    for (size_t i = 0; i < SK_COUNT_OF(posix_classes); i++) {
        if (!sk_str_is(name, posix_classes[i].name))
            continue;
        p->at += end + 2;
        *ret_is = true;
        return add_named(r, &posix_classes[i], negated) || sk_gore_nomem(p);
    }
    return sk_gore_fail(p, "invalid character class range", (struct sk_str){all.ptr, end + 2});
}

static bool class_rune(struct sk_gore_parser *p, struct sk_str whole, uint32_t *ret)
{
    if (p->at == p->end)
        return sk_gore_fail(p, "missing closing ]", whole);
    if (*p->at == '\\')
        return sk_gore_escape(p, ret);
    return sk_gore_next_rune(p, ret);
}

/* One rune or lo-hi. */
static bool class_range(struct sk_gore_parser *p, struct sk_gore_ranges *r, struct sk_str whole)
{
    const char *start = p->at;
    uint32_t lo, hi;
    if (!class_rune(p, whole, &lo))
        return false;
    hi = lo;
    if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
        p->at++;
        if (!class_rune(p, whole, &hi))
            return false;
        if (hi < lo)
            return sk_gore_fail(p, "invalid character class range",
                                (struct sk_str){start, (size_t)(p->at - start)});
    }
    bool ok = p->fold ? add_folded(r, lo, hi) : sk_gore_ranges_add(r, lo, hi);
    return ok || sk_gore_nomem(p);
}

static bool class_item(struct sk_gore_parser *p, struct sk_gore_ranges *r, struct sk_str whole,
                       bool *ret_opaque)
{
    bool is;
    if (!posix_class(p, r, &is))
        return false;
    if (is)
        return true;
    if (!property_class(p, &is))
        return false;
    if (is) {
        *ret_opaque = true;
        return true;
    }
    if (!perl_class(p, r, &is))
        return false;
    return is || class_range(p, r, whole);
}

bool sk_gore_class(struct sk_gore_parser *p)
{
    struct sk_str whole = {p->at, (size_t)(p->end - p->at)};
    struct sk_gore_ranges r = {.arena = p->arena};
    bool opaque = false;
    p->at++;
    bool negated = p->at < p->end && *p->at == '^';
    if (negated)
        p->at++;
    /* ] right behind the bracket is a rune like others */
    for (bool first = true; first || p->at == p->end || *p->at != ']'; first = false) {
        if (!class_item(p, &r, whole, &opaque))
            return false;
    }
    p->at++;
    ranges_clean(&r);
    if (negated && !opaque) {
        struct sk_gore_ranges other = {.arena = p->arena};
        if (!add_negated(&other, r.runes, r.count))
            return sk_gore_nomem(p);
        r = other;
    }
    struct sk_gore_node *n = class_node(p, &r);
    if (n == NULL)
        return false;
    n->opaque = opaque;
    return sk_gore_push(p, n);
}

/* ---- in alternations ---- */

bool sk_gore_is_char(const struct sk_gore_node *n)
{
    return (n->op == SK_GORE_LITERAL && n->rune_count == 1) || n->op == SK_GORE_CLASS ||
           n->op == SK_GORE_ANY_NOT_NL || n->op == SK_GORE_ANY;
}

static bool add_node(struct sk_gore_ranges *r, const struct sk_gore_node *n)
{
    if (n->op == SK_GORE_LITERAL)
        return n->fold ? add_folded(r, n->runes[0], n->runes[0])
                       : sk_gore_ranges_add(r, n->runes[0], n->runes[0]);
    for (size_t i = 0; i + 1 < n->rune_count; i += 2) {
        if (!sk_gore_ranges_add(r, n->runes[i], n->runes[i + 1]))
            return false;
    }
    return true;
}

static bool has_newline(const struct sk_gore_node *n)
{
    if (n->op == SK_GORE_LITERAL)
        return n->runes[0] == '\n';
    for (size_t i = 0; n->op == SK_GORE_CLASS && i + 1 < n->rune_count; i += 2) {
        if (n->runes[i] <= '\n' && n->runes[i + 1] >= '\n')
            return true;
    }
    return n->op == SK_GORE_ANY;
}

/* `dst` is the later of the two in enum sk_gore_op. */
bool sk_gore_class_merge(struct sk_gore_parser *p, struct sk_gore_node *dst,
                         const struct sk_gore_node *src)
{
    sk_assert(sk_gore_is_char(dst) && sk_gore_is_char(src));
    if (dst->op == SK_GORE_ANY)
        return true;
    if (dst->op == SK_GORE_ANY_NOT_NL) {
        if (has_newline(src))
            dst->op = SK_GORE_ANY;
        return true;
    }
    if (dst->op == SK_GORE_LITERAL && src->op == SK_GORE_LITERAL &&
        dst->runes[0] == src->runes[0] && dst->fold == src->fold)
        return true;
    struct sk_gore_ranges r = {.arena = p->arena};
    if (dst->op == SK_GORE_CLASS) { /* its array may grow in place: long a|b|c chains stay linear */
        r.runes = dst->runes;
        r.count = dst->rune_count / 2;
        r.cap = dst->rune_cap / 2;
    } else if (!add_node(&r, dst)) {
        return sk_gore_nomem(p);
    }
    if (!add_node(&r, src))
        return sk_gore_nomem(p);
    dst->op = SK_GORE_CLASS;
    dst->fold = false;
    dst->opaque = dst->opaque || src->opaque;
    dst->runes = r.runes;
    dst->rune_count = 2 * r.count;
    dst->rune_cap = 2 * r.cap;
    return true;
}

void sk_gore_class_clean(struct sk_gore_node *n)
{
    if (n->op != SK_GORE_CLASS)
        return;
    struct sk_gore_ranges r = {NULL, n->runes, n->rune_count / 2, n->rune_cap / 2};
    ranges_clean(&r);
    n->rune_count = 2 * r.count;
    const uint32_t *c = n->runes;
    if (n->rune_count == 2 && c[0] == 0 && c[1] == SK_GORE_RUNE_MAX)
        n->op = SK_GORE_ANY;
    else if (n->rune_count == 4 && c[0] == 0 && c[1] == '\n' - 1 && c[2] == '\n' + 1 &&
             c[3] == SK_GORE_RUNE_MAX && !n->opaque)
        n->op = SK_GORE_ANY_NOT_NL;
}
