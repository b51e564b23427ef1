/* SPDX-License-Identifier: Apache-2.0 */
/* gore.c -- the reader: a stack of finished pieces with markers for open groups and bars, as
 * Go's parser has it, because the shape of the tree depends on when pieces are joined. */
#include "labels/gore_int.h"

#include "base/assert.h"
#include "base/utf8.h"

bool sk_gore_nomem(struct sk_gore_parser *p)
{
    p->err = sk_error_set(p->reterr, SK_ENOMEM, "out of memory");
    return false;
}

bool sk_gore_fail(struct sk_gore_parser *p, const char *what, struct sk_str part)
{
    p->err = sk_error_set(p->reterr, SK_EPARSE, "error parsing regexp: %s: `%.*s`", what,
                          SK_STR_ARG(part));
    return false;
}

static struct sk_str since(const struct sk_gore_parser *p, const char *start)
{
    return (struct sk_str){start, (size_t)(p->at - start)};
}

static struct sk_str rest(const struct sk_gore_parser *p)
{
    return (struct sk_str){p->at, (size_t)(p->end - p->at)};
}

bool sk_gore_next_rune(struct sk_gore_parser *p, uint32_t *ret)
{
    unsigned width;
    sk_assert(p->at < p->end);
    uint32_t r = sk_utf8_decode(p->at, (size_t)(p->end - p->at), &width);
    if (r == SK_RUNE_ERROR && width == 1)
        return sk_gore_fail(p, "invalid UTF-8", rest(p));
    p->at += width;
    *ret = r;
    return true;
}

/* ---- nodes and the stack ---- */

struct sk_gore_node *sk_gore_node(struct sk_gore_parser *p, enum sk_gore_op op, size_t sub_count)
{
    struct sk_gore_node *n = sk_arena_calloc(p->arena, 1, sizeof(*n));
    if (n == NULL) {
        (void)sk_gore_nomem(p);
        return NULL;
    }
    n->op = op;
    n->height = 1;
    n->size = 1;
    n->sub_count = sub_count;
    if (sub_count > 0) {
        n->subs = sk_arena_calloc(p->arena, sub_count, sizeof(struct sk_gore_node *));
        if (n->subs == NULL) {
            (void)sk_gore_nomem(p);
            return NULL;
        }
    }
    return n;
}

/* What a compiled program would take, in Go's rough count. */
static uint64_t program_size(const struct sk_gore_node *n, uint64_t subs)
{
    uint64_t size = subs;
    uint64_t copies = n->max < 0 ? (uint64_t)n->min : (uint64_t)n->max;
    if (n->op == SK_GORE_LITERAL)
        size = n->rune_count;
    else if (n->op == SK_GORE_CAPTURE || n->op == SK_GORE_STAR)
        size = subs + 2;
    else if (n->op == SK_GORE_PLUS || n->op == SK_GORE_QUEST)
        size = subs + 1;
    else if (n->op == SK_GORE_ALTERNATE)
        size = subs + n->sub_count - 1;
    else if (n->op == SK_GORE_REPEAT && n->max < 0)
        size = n->min == 0 ? subs + 2 : 1 + copies * subs;
    else if (n->op == SK_GORE_REPEAT)
        size = copies * subs + (uint64_t)(n->max - n->min);
    return size == 0 ? 1 : size;
}

bool sk_gore_finish(struct sk_gore_parser *p, struct sk_gore_node *n)
{
    enum { PROGRAM_MAX = (128 << 20) / 40 }; /* 128 MiB of instructions */
    unsigned height = 0;
    uint64_t subs = 0;
    for (size_t i = 0; i < n->sub_count; i++) {
        if (n->subs[i]->height > height)
            height = n->subs[i]->height;
        subs += n->subs[i]->size; /* each is at most PROGRAM_MAX: no overflow */
    }
    n->height = height + 1;
    n->size = program_size(n, subs);
    if (n->size > PROGRAM_MAX)
        return sk_gore_fail(p, "expression too large", p->whole);
    if (n->height > SK_GORE_DEPTH_MAX)
        return sk_gore_fail(p, "expression nests too deeply", p->whole);
    return true;
}

static bool runes_append(struct sk_gore_parser *p, struct sk_gore_node *n, const uint32_t *runes,
                         size_t count)
{
    if (n->rune_count + count > n->rune_cap) {
        size_t cap =
            n->rune_cap * 2 > n->rune_count + count ? n->rune_cap * 2 : n->rune_count + count;
        uint32_t *more = sk_arena_calloc(p->arena, cap, sizeof(*more));
        if (more == NULL)
            return sk_gore_nomem(p);
        if (n->rune_count > 0)
            memcpy(more, n->runes, n->rune_count * sizeof(*more));
        n->runes = more;
        n->rune_cap = cap;
    }
    memcpy(n->runes + n->rune_count, runes, count * sizeof(*runes));
    n->rune_count += count;
    return true;
}

/* Joins the two topmost nodes when both are literals of one case rule. With `next` the upper one
 * is then reused for that rune, *ret_reused tells. The topmost literal is never joined before
 * something is pushed on it, or ab* would become (ab)*. */
static bool join_literals(struct sk_gore_parser *p, const uint32_t *next, bool fold,
                          bool *ret_reused)
{
    *ret_reused = false;
    if (p->stack_count < 2)
        return true;
    struct sk_gore_node *top = p->stack[p->stack_count - 1];
    struct sk_gore_node *below = p->stack[p->stack_count - 2];
    if (top->op != SK_GORE_LITERAL || below->op != SK_GORE_LITERAL || top->fold != below->fold)
        return true;
    if (!runes_append(p, below, top->runes, top->rune_count) || !sk_gore_finish(p, below))
        return false;
    if (next != NULL) {
        top->runes[0] = *next;
        top->rune_count = 1;
        top->fold = fold;
        top->size = 1;
        *ret_reused = true;
    } else {
        p->stack_count--;
    }
    return true;
}

static bool stack_add(struct sk_gore_parser *p, struct sk_gore_node *n)
{
    if (p->stack_count == p->stack_cap) {
        size_t cap = p->stack_cap == 0 ? 32 : p->stack_cap * 2;
        struct sk_gore_node **more = sk_arena_calloc(p->arena, cap, sizeof(struct sk_gore_node *));
        if (more == NULL)
            return sk_gore_nomem(p);
        if (p->stack_count > 0)
            memcpy(more, p->stack, p->stack_count * sizeof(struct sk_gore_node *));
        p->stack = more;
        p->stack_cap = cap;
    }
    p->stack[p->stack_count++] = n;
    return true;
}

static bool push_rune(struct sk_gore_parser *p, uint32_t rune, bool fold)
{
    bool reused;
    if (!join_literals(p, &rune, fold, &reused))
        return false;
    if (reused)
        return true;
    struct sk_gore_node *n = sk_gore_node(p, SK_GORE_LITERAL, 0);
    if (n == NULL || !runes_append(p, n, &rune, 1))
        return false;
    n->fold = fold;
    return stack_add(p, n);
}

bool sk_gore_literal(struct sk_gore_parser *p, uint32_t rune)
{
    return push_rune(p, p->fold ? sk_gore_fold(rune) : rune, p->fold);
}

/* [a] is the literal a, [Aa] the literal (?i)a. */
static bool class_as_rune(const struct sk_gore_node *n, uint32_t *ret_rune, bool *ret_fold)
{
    if (n->op != SK_GORE_CLASS || n->opaque || (n->rune_count != 2 && n->rune_count != 4))
        return false;
    const uint32_t *r = n->runes;
    if (n->rune_count == 2 && r[0] == r[1]) {
        *ret_rune = r[0];
        *ret_fold = false;
        return true;
    }
    bool pair = (n->rune_count == 4 && r[0] == r[1] && r[2] == r[3]) ||
                (n->rune_count == 2 && r[0] + 1 == r[1]);
    uint32_t other = n->rune_count == 4 ? r[2] : r[1];
    if (!pair || sk_gore_fold(r[0]) != sk_gore_fold(other) ||
        sk_gore_fold_members(sk_gore_fold(other)) != 2) /* k has three: the Kelvin sign */
        return false;
    *ret_rune = sk_gore_fold(other);
    *ret_fold = true;
    return true;
}

bool sk_gore_push(struct sk_gore_parser *p, struct sk_gore_node *n)
{
    uint32_t rune;
    bool fold, reused;
    if (class_as_rune(n, &rune, &fold))
        return push_rune(p, rune, fold);
    return join_literals(p, NULL, false, &reused) && stack_add(p, n);
}

static bool push_op(struct sk_gore_parser *p, enum sk_gore_op op)
{
    struct sk_gore_node *n = sk_gore_node(p, op, 0);
    return n != NULL && sk_gore_push(p, n);
}

/* ---- groups, bars ---- */

static bool marker(const struct sk_gore_node *n)
{
    return n->op >= SK_GORE_MARK_PAREN;
}

/* Replaces everything above the nearest marker by one node. */
static bool reduce(struct sk_gore_parser *p, enum sk_gore_op op)
{
    size_t from = p->stack_count;
    while (from > 0 && !marker(p->stack[from - 1]))
        from--;
    size_t count = p->stack_count - from;
    if (op == SK_GORE_ALTERNATE && count > 0)
        sk_gore_class_clean(p->stack[p->stack_count - 1]); /* the others were cleaned before */
    struct sk_gore_node *n = count == 0 ? sk_gore_node(p, SK_GORE_EMPTY, 0)
                                        : sk_gore_collapse(p, p->stack + from, count, op);
    if (n == NULL)
        return false;
    p->stack_count = from;
    return sk_gore_push(p, n);
}

static bool concat(struct sk_gore_parser *p)
{
    bool reused;
    return join_literals(p, NULL, false, &reused) && reduce(p, SK_GORE_CONCAT);
}

/* The pieces of an alternation lie below its bar marker. *ret_swapped: the topmost piece has been
 * moved there (or merged into the class that lies there). */
static bool swap_bar(struct sk_gore_parser *p, bool *ret_swapped)
{
    size_t n = p->stack_count;
    *ret_swapped = false;
    if (n < 2 || p->stack[n - 2]->op != SK_GORE_MARK_BAR)
        return true;
    struct sk_gore_node *top = p->stack[n - 1];
    *ret_swapped = true;
    if (n >= 3 && sk_gore_is_char(top) && sk_gore_is_char(p->stack[n - 3])) {
        struct sk_gore_node *below = p->stack[n - 3];
        if (top->op > below->op) {
            p->stack[n - 3] = top;
            top = below;
        }
        p->stack_count--;
        return sk_gore_class_merge(p, p->stack[n - 3], top);
    }
    if (n >= 3)
        sk_gore_class_clean(p->stack[n - 3]); /* out of reach from now on */
    p->stack[n - 1] = p->stack[n - 2];
    p->stack[n - 2] = top;
    return true;
}

static bool read_bar(struct sk_gore_parser *p)
{
    bool swapped;
    if (!concat(p) || !swap_bar(p, &swapped))
        return false;
    return swapped || push_op(p, SK_GORE_MARK_BAR);
}

/* Ends the alternation of a group or of the whole. */
static bool end_alternation(struct sk_gore_parser *p)
{
    bool swapped;
    if (!concat(p) || !swap_bar(p, &swapped))
        return false;
    if (swapped)
        p->stack_count--; /* the bar */
    return reduce(p, SK_GORE_ALTERNATE);
}

/* An open group keeps the flags to restore in min. */
static bool open_group(struct sk_gore_parser *p, unsigned cap, struct sk_str name)
{
    struct sk_gore_node *n = sk_gore_node(p, SK_GORE_MARK_PAREN, 0);
    if (n == NULL)
        return false;
    n->cap = cap;
    n->name = name;
    n->min =
        (p->fold ? 1 : 0) | (p->dot_nl ? 2 : 0) | (p->multi_line ? 4 : 0) | (p->non_greedy ? 8 : 0);
    return sk_gore_push(p, n);
}

static void flags_set(struct sk_gore_parser *p, int flags)
{
    p->fold = (flags & 1) != 0;
    p->dot_nl = (flags & 2) != 0;
    p->multi_line = (flags & 4) != 0;
    p->non_greedy = (flags & 8) != 0;
}

static bool close_group(struct sk_gore_parser *p)
{
    if (!end_alternation(p))
        return false;
    if (p->stack_count < 2 || p->stack[p->stack_count - 2]->op != SK_GORE_MARK_PAREN)
        return sk_gore_fail(p, "unexpected )", p->whole);
    struct sk_gore_node *inner = p->stack[p->stack_count - 1];
    struct sk_gore_node *open = p->stack[p->stack_count - 2];
    p->stack_count -= 2;
    flags_set(p, open->min);
    if (open->cap == 0)
        return sk_gore_push(p, inner);
    struct sk_gore_node *n = sk_gore_node(p, SK_GORE_CAPTURE, 1);
    if (n == NULL)
        return false;
    n->cap = open->cap;
    n->name = open->name;
    n->subs[0] = inner;
    return sk_gore_finish(p, n) && sk_gore_push(p, n);
}

static bool group_add(struct sk_gore_parser *p, struct sk_str name)
{
    struct sk_gore_info *info = &p->info;
    if (info->group_count == p->names_cap) {
        size_t cap = p->names_cap == 0 ? 8 : p->names_cap * 2;
        struct sk_str *more = sk_arena_calloc(p->arena, cap, sizeof(*more));
        if (more == NULL)
            return sk_gore_nomem(p);
        if (info->group_count > 0)
            memcpy(more, info->names, info->group_count * sizeof(*more));
        info->names = more;
        p->names_cap = cap;
    }
    info->names[info->group_count++] = name;
    info->named_count += name.len > 0;
    return open_group(p, (unsigned)info->group_count, name);
}

static bool name_valid(struct sk_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
              (c >= 'A' && c <= 'Z')))
            return false;
    }
    return name.len > 0;
}

/* (?P<name> or (?<name>, `skip` bytes up to the name. */
static bool named_group(struct sk_gore_parser *p, size_t skip)
{
    struct sk_str all = rest(p);
    size_t end = sk_str_find(all, SK_STR(">"), 0);
    if (end == SIZE_MAX) {
        if (!sk_utf8_valid(all))
            return sk_gore_fail(p, "invalid UTF-8", all);
        return sk_gore_fail(p, "invalid named capture", all);
    }
    struct sk_str name = {all.ptr + skip, end - skip};
    if (!sk_utf8_valid(name))
        return sk_gore_fail(p, "invalid UTF-8", name);
    if (!name_valid(name))
        return sk_gore_fail(p, "invalid named capture", (struct sk_str){all.ptr, end + 1});
    p->at += end + 1;
    name = sk_arena_str(p->arena, name);
    if (name.ptr == NULL)
        return sk_gore_nomem(p);
    return group_add(p, name);
}

/* (?flags) or (?flags: at p->at. */
static bool flag_group(struct sk_gore_parser *p)
{
    static const char letters[] = "ismU";
    const char *start = p->at;
    int flags = 0, off = 0;
    bool minus = false, saw = false;
    p->at += 2;
    while (p->at < p->end) {
        uint32_t c;
        if (!sk_gore_next_rune(p, &c))
            return false;
        const char *letter = c < 0x80 && c != 0 ? strchr(letters, (int)c) : NULL;
        if (letter != NULL) {
            *(minus ? &off : &flags) |= 1 << (letter - letters);
            saw = true;
        } else if (c == '-' && !minus) {
            minus = true;
            saw = false;
        } else if ((c == ':' || c == ')') && (!minus || saw)) {
            static const struct sk_str none;
            if (c == ':' && !open_group(p, 0, none))
                return false;
            p->fold = (p->fold || (flags & 1)) && !(off & 1);
            p->dot_nl = (p->dot_nl || (flags & 2)) && !(off & 2);
            p->multi_line = (p->multi_line || (flags & 4)) && !(off & 4);
            p->non_greedy = (p->non_greedy || (flags & 8)) && !(off & 8);
            return true;
        } else {
            break;
        }
    }
    return sk_gore_fail(p, "invalid or unsupported Perl syntax", since(p, start));
}

static bool read_group(struct sk_gore_parser *p)
{
    static const struct sk_str none;
    struct sk_str all = rest(p);
    if (all.len < 2 || all.ptr[1] != '?') {
        p->at++;
        return group_add(p, none);
    }
    if (all.len > 4 && all.ptr[2] == 'P' && all.ptr[3] == '<')
        return named_group(p, 4);
    if (all.len > 3 && all.ptr[2] == '<')
        return named_group(p, 3);
    return flag_group(p);
}

/* ---- repetition ---- */

/* `n` times at most: nested counts multiply. */
static bool repeat_fits(const struct sk_gore_node *n, int left)
{
    if (n->op == SK_GORE_REPEAT) {
        int m = n->max < 0 ? n->min : n->max;
        if (n->max == 0)
            return true;
        if (m > left)
            return false;
        if (m > 0)
            left /= m;
    }
    for (size_t i = 0; i < n->sub_count; i++) {
        if (!repeat_fits(n->subs[i], left))
            return false;
    }
    return true;
}

/* Applies an operator that ends at p->at; `start` is where it stands, `last` where the operator
 * just before it stands, if there is one. */
static bool repeat(struct sk_gore_parser *p, const char *start, const char *last,
                   struct sk_gore_node *n)
{
    struct sk_str text = since(p, start);
    n->non_greedy = p->non_greedy;
    if (p->at < p->end && *p->at == '?') {
        p->at++;
        n->non_greedy = !n->non_greedy;
        text.len++;
    }
    if (last != NULL)
        return sk_gore_fail(p, "invalid nested repetition operator", since(p, last));
    if (p->stack_count == 0 || marker(p->stack[p->stack_count - 1]))
        return sk_gore_fail(p, "missing argument to repetition operator", text);
    n->subs[0] = p->stack[p->stack_count - 1];
    p->stack[p->stack_count - 1] = n;
    if (!sk_gore_finish(p, n))
        return false;
    if (n->op == SK_GORE_REPEAT && (n->min >= 2 || n->max >= 2) &&
        !repeat_fits(n, SK_GORE_REPEAT_MAX))
        return sk_gore_fail(p, "invalid repeat count", text);
    return true;
}

/* A decimal number without leading zeros; -1 when it is huge. */
static bool read_count(const char **at, const char *end, int *ret)
{
    const char *s = *at;
    if (s == end || *s < '0' || *s > '9')
        return false;
    if (end - s >= 2 && s[0] == '0' && s[1] >= '0' && s[1] <= '9')
        return false;
    int n = 0;
    for (; s < end && *s >= '0' && *s <= '9'; s++)
        n = n < 0 || n >= 100000000 ? -1 : n * 10 + (*s - '0');
    *at = s;
    *ret = n;
    return true;
}

/* {n} {n,} {n,m}: false when it is none of them, and the brace means itself. */
static bool read_counts(const char **at, const char *end, int *ret_min, int *ret_max)
{
    const char *s = *at + 1;
    if (!read_count(&s, end, ret_min) || s == end)
        return false;
    *ret_max = *ret_min;
    if (*s == ',') {
        s++;
        if (s == end)
            return false;
        if (*s == '}')
            *ret_max = -1;
        else if (!read_count(&s, end, ret_max))
            return false;
        else if (*ret_max < 0)
            *ret_min = -1; /* too big: refused below */
    }
    if (s == end || *s != '}')
        return false;
    *at = s + 1;
    return true;
}

static bool read_repeat(struct sk_gore_parser *p, const char *last, bool *ret_repeat)
{
    const char *start = p->at;
    enum sk_gore_op op = *p->at == '*'   ? SK_GORE_STAR
                         : *p->at == '+' ? SK_GORE_PLUS
                         : *p->at == '?' ? SK_GORE_QUEST
                                         : SK_GORE_REPEAT;
    int min = 0, max = 0;
    *ret_repeat = true;
    if (op != SK_GORE_REPEAT) {
        p->at++;
    } else if (!read_counts(&p->at, p->end, &min, &max)) {
        p->at++;
        *ret_repeat = false;
        return sk_gore_literal(p, '{');
    }
    if (min < 0 || min > SK_GORE_REPEAT_MAX || max > SK_GORE_REPEAT_MAX || (max >= 0 && min > max))
        return sk_gore_fail(p, "invalid repeat count", since(p, start));
    struct sk_gore_node *n = sk_gore_node(p, op, 1);
    if (n == NULL)
        return false;
    n->min = min;
    n->max = max;
    return repeat(p, start, last, n);
}

/* ---- escapes ---- */

static int hex_value(uint32_t c)
{
    if (c >= '0' && c <= '9')
        return (int)c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? (int)c - 'a' + 10 : -1;
}

/* \x41 or \x{1F600}, behind the x. *ret_ok: well-formed. */
static bool escape_hex(struct sk_gore_parser *p, uint32_t *ret, bool *ret_ok)
{
    uint32_t c, r = 0;
    *ret_ok = false;
    if (p->at == p->end)
        return true;
    if (!sk_gore_next_rune(p, &c))
        return false;
    if (c != '{') {
        int hi = hex_value(c);
        if (p->at == p->end)
            return true;
        if (!sk_gore_next_rune(p, &c))
            return false;
        int lo = hex_value(c);
        *ret = (uint32_t)(hi * 16 + lo);
        *ret_ok = hi >= 0 && lo >= 0;
        return true;
    }
    for (size_t digits = 0; p->at < p->end; digits++) {
        if (!sk_gore_next_rune(p, &c))
            return false;
        if (c == '}') {
            *ret = r;
            *ret_ok = digits > 0;
            return true;
        }
        int v = hex_value(c);
        if (v < 0)
            return true;
        r = r * 16 + (uint32_t)v;
        if (r > SK_GORE_RUNE_MAX)
            return true;
    }
    return true;
}

/* A backslash and what follows, where it stands for one rune. */
bool sk_gore_escape(struct sk_gore_parser *p, uint32_t *ret)
{
    static const char pairs[] = "a\af\fn\nr\rt\tv\v";
    static const struct sk_str none;
    const char *start = p->at++;
    uint32_t c;
    if (p->at == p->end)
        return sk_gore_fail(p, "trailing backslash at end of expression", none);
    if (!sk_gore_next_rune(p, &c))
        return false;
    bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (c < 0x80 && !alnum) {
        *ret = c;
        return true;
    }
    bool octal_next = p->at < p->end && *p->at >= '0' && *p->at <= '7';
    if (c == '0' || (c >= '1' && c <= '7' && octal_next)) {
        *ret = c - '0';
        for (int i = 1; i < 3 && p->at < p->end && *p->at >= '0' && *p->at <= '7'; i++)
            *ret = *ret * 8 + (uint32_t)(*p->at++ - '0');
        return true;
    }
    if (c == 'x') {
        bool ok;
        if (!escape_hex(p, ret, &ok))
            return false;
        if (ok)
            return true;
    }
    for (const char *e = pairs; *e != '\0'; e += 2) {
        if ((uint32_t)*e == c) {
            *ret = (uint32_t)e[1];
            return true;
        }
    }
    return sk_gore_fail(p, "invalid escape sequence", since(p, start));
}

/* \Q...\E: the text between means itself. */
static bool read_quoted(struct sk_gore_parser *p)
{
    p->at += 2;
    struct sk_str all = rest(p);
    size_t len = sk_str_find(all, SK_STR("\\E"), 0);
    const char *stop = len == SIZE_MAX ? p->end : p->at + len;
    while (p->at < stop) {
        uint32_t c;
        if (!sk_gore_next_rune(p, &c) || !sk_gore_literal(p, c))
            return false;
    }
    if (len != SIZE_MAX)
        p->at = stop + 2;
    return true;
}

static bool read_backslash(struct sk_gore_parser *p)
{
    char c = p->end - p->at >= 2 ? p->at[1] : '\0';
    enum sk_gore_op op = c == 'A'   ? SK_GORE_BEGIN_TEXT
                         : c == 'z' ? SK_GORE_END_TEXT
                         : c == 'b' ? SK_GORE_WORD_BOUNDARY
                         : c == 'B' ? SK_GORE_NO_WORD_BOUNDARY
                                    : SK_GORE_EMPTY;
    if (op != SK_GORE_EMPTY) {
        p->at += 2;
        return push_op(p, op);
    }
    if (c == 'C') /* RE2's C++ library would take it */
        return sk_gore_fail(p, "invalid escape sequence", (struct sk_str){p->at, 2});
    if (c == 'Q')
        return read_quoted(p);
    bool is_class;
    if (!sk_gore_class_escape(p, &is_class))
        return false;
    if (is_class)
        return true;
    uint32_t rune;
    return sk_gore_escape(p, &rune) && sk_gore_literal(p, rune);
}

/* ---- the whole ---- */

/* One piece of the expression. `last`: the repetition operator just read, if any. */
static bool read_piece(struct sk_gore_parser *p, const char *last, bool *ret_repeat)
{
    uint32_t c;
    *ret_repeat = false;
    switch (*p->at) {
    case '(':
        return read_group(p);
    case '|':
        p->at++;
        return read_bar(p);
    case ')':
        p->at++;
        return close_group(p);
    case '^':
        p->at++;
        return push_op(p, p->multi_line ? SK_GORE_BEGIN_LINE : SK_GORE_BEGIN_TEXT);
    case '$':
        p->at++;
        return push_op(p, p->multi_line ? SK_GORE_END_LINE : SK_GORE_END_TEXT);
    case '.':
        p->at++;
        return push_op(p, p->dot_nl ? SK_GORE_ANY : SK_GORE_ANY_NOT_NL);
    case '[':
        return sk_gore_class(p);
    case '*':
    case '+':
    case '?':
    case '{':
        return read_repeat(p, last, ret_repeat);
    case '\\':
        return read_backslash(p);
    default:
        return sk_gore_next_rune(p, &c) && sk_gore_literal(p, c);
    }
}

static struct sk_gore_node *read_all(struct sk_gore_parser *p)
{
    const char *last = NULL;
    while (p->at < p->end) {
        const char *start = p->at;
        bool repeated;
        if (!read_piece(p, last, &repeated))
            return NULL;
        last = repeated ? start : NULL;
    }
    if (!end_alternation(p))
        return NULL;
    if (p->stack_count != 1) {
        (void)sk_gore_fail(p, "missing closing )", p->whole);
        return NULL;
    }
    return p->stack[0];
}

/* (?:x*)* is x*, a repeated empty match is empty; counts that have an operator get it. */
static struct sk_gore_node *simplify(struct sk_gore_node *n)
{
    static struct sk_gore_node empty = {.op = SK_GORE_EMPTY, .height = 1, .size = 1};
    for (size_t i = 0; i < n->sub_count; i++)
        n->subs[i] = simplify(n->subs[i]);
    if (n->op == SK_GORE_REPEAT) {
        if (n->max == 0)
            return &empty;
        if (n->min == 1 && n->max == 1)
            return n->subs[0];
        if (n->max < 0 && n->min <= 1)
            n->op = n->min == 0 ? SK_GORE_STAR : SK_GORE_PLUS;
        else if (n->min == 0 && n->max == 1)
            n->op = SK_GORE_QUEST;
    }
    if (n->op == SK_GORE_STAR || n->op == SK_GORE_PLUS || n->op == SK_GORE_QUEST) {
        struct sk_gore_node *sub = n->subs[0];
        if (sub->op == SK_GORE_EMPTY || (sub->op == n->op && sub->non_greedy == n->non_greedy))
            return sub;
    }
    return n;
}

static enum sk_err run(struct sk_gore_parser *p, struct sk_arena *arena, struct sk_str pattern,
                       struct sk_gore_node **ret, struct sk_error *reterr)
{
    sk_assert(arena != NULL);
    *p = (struct sk_gore_parser){.arena = arena, .reterr = reterr, .whole = pattern};
    if (pattern.len == 0)
        p->whole.ptr = "";
    p->at = p->whole.ptr;
    p->end = p->at + pattern.len;
    if (pattern.len > SK_GORE_PATTERN_BYTES_MAX) {
        (void)sk_gore_fail(p, "expression too large", pattern);
        return p->err;
    }
    struct sk_gore_node *n = read_all(p);
    if (n == NULL) {
        sk_assert(p->err != SK_OK);
        return p->err;
    }
    *ret = n;
    return SK_OK;
}

enum sk_err sk_gore_check(struct sk_arena *arena, struct sk_str pattern,
                          struct sk_gore_info *ret_info, struct sk_error *reterr)
{
    struct sk_gore_parser p;
    struct sk_gore_node *n;
    enum sk_err err = run(&p, arena, pattern, &n, reterr);
    if (err == SK_OK && ret_info != NULL)
        *ret_info = p.info;
    return err;
}

enum sk_err sk_gore_parse(struct sk_arena *arena, struct sk_str pattern,
                          const struct sk_gore_node **ret, struct sk_error *reterr)
{
    struct sk_gore_parser p;
    struct sk_gore_node *n;
    enum sk_err err = run(&p, arena, pattern, &n, reterr);
    if (err == SK_OK)
        *ret = simplify(n);
    return err;
}

bool sk_gore_matches_empty(const struct sk_gore_node *n)
{
    switch (n->op) {
    case SK_GORE_LITERAL:
    case SK_GORE_CLASS:
    case SK_GORE_ANY_NOT_NL:
    case SK_GORE_ANY:
    case SK_GORE_WORD_BOUNDARY:
        return false;
    case SK_GORE_EMPTY:
    case SK_GORE_BEGIN_LINE:
    case SK_GORE_END_LINE:
    case SK_GORE_BEGIN_TEXT:
    case SK_GORE_END_TEXT:
    case SK_GORE_NO_WORD_BOUNDARY:
    case SK_GORE_STAR:
    case SK_GORE_QUEST:
        return true;
    case SK_GORE_CAPTURE:
    case SK_GORE_PLUS:
        return sk_gore_matches_empty(n->subs[0]);
    case SK_GORE_REPEAT:
        return n->min == 0 || sk_gore_matches_empty(n->subs[0]);
    case SK_GORE_CONCAT:
    case SK_GORE_ALTERNATE:
        break;
    }
    bool any = n->op == SK_GORE_ALTERNATE;
    for (size_t i = 0; i < n->sub_count; i++) {
        if (sk_gore_matches_empty(n->subs[i]) == any)
            return any;
    }
    return !any;
}
