/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_lex.c -- the text of a template as tokens, by the rules of Go's text/template/parse. Trim
 * markers and comments end here; blanks inside actions are tokens, since `.a.b` and `.a .b`
 * differ. */
#include "base/gotext.h"
#include "base/utf8.h"
#include "logql/lex_int.h"
#include "logql/tmpl_int.h"

#define NO_RUNE UINT32_MAX /* the end */

static const struct {
    const char *word;
    enum sk_tmpl_tok kind;
} keywords[] = {
    {"block", SK_TTOK_BLOCK},
    {"break", SK_TTOK_BREAK},
    {"continue", SK_TTOK_CONTINUE},
    {"define", SK_TTOK_DEFINE},
    {"else", SK_TTOK_ELSE},
    {"end", SK_TTOK_END},
    {"if", SK_TTOK_IF},
    {"nil", SK_TTOK_NIL},
    {"range", SK_TTOK_RANGE},
    {"template", SK_TTOK_TEMPLATE},
    {"with", SK_TTOK_WITH},
    {"true", SK_TTOK_BOOL},
    {"false", SK_TTOK_BOOL},
};

void sk_tmpl_lex_init(struct sk_tmpl_lex *lx, struct sk_arena *arena, struct sk_str text)
{
    *lx = (struct sk_tmpl_lex){.arena = arena, .in = text, .line = 1, .start_line = 1};
}

/* ---- characters ---- */

static bool is_space(uint32_t r)
{
    return r == ' ' || r == '\t' || r == '\r' || r == '\n';
}

static bool is_alphanumeric(uint32_t r)
{
    return r == '_' || (r != NO_RUNE && (sk_lex_rune_letter(r) || sk_lex_rune_digit(r)));
}

static uint32_t rune_at(const struct sk_tmpl_lex *lx, unsigned *ret_width)
{
    *ret_width = 0;
    if (lx->pos >= lx->in.len)
        return NO_RUNE;
    return sk_utf8_decode(lx->in.ptr + lx->pos, lx->in.len - lx->pos, ret_width);
}

static uint32_t peek(const struct sk_tmpl_lex *lx)
{
    unsigned width;
    return rune_at(lx, &width);
}

static uint32_t take(struct sk_tmpl_lex *lx)
{
    unsigned width;
    uint32_t r = rune_at(lx, &width);
    lx->pos += width;
    if (r == '\n')
        lx->line++;
    return r;
}

static bool has(const struct sk_tmpl_lex *lx, size_t at, const char *text)
{
    struct sk_str t = sk_str_from(text);
    return at <= lx->in.len && sk_str_starts((struct sk_str){lx->in.ptr + at, lx->in.len - at}, t);
}

static bool space_at(const struct sk_tmpl_lex *lx, size_t at)
{
    return at < lx->in.len && is_space((unsigned char)lx->in.ptr[at]);
}

static bool left_marker_at(const struct sk_tmpl_lex *lx, size_t at)
{
    return has(lx, at, "-") && space_at(lx, at + 1);
}

/* The right delimiter, with or without its trim marker. */
static bool right_delim_at(const struct sk_tmpl_lex *lx, size_t at, bool *ret_trim)
{
    *ret_trim = space_at(lx, at) && has(lx, at + 1, "-}}");
    return *ret_trim || has(lx, at, "}}");
}

/* Steps over text that is in no token. */
static void skip_to(struct sk_tmpl_lex *lx, size_t pos)
{
    for (; lx->pos < pos; lx->pos++)
        lx->line += lx->in.ptr[lx->pos] == '\n';
    lx->start = lx->pos;
    lx->start_line = lx->line;
}

static void skip_spaces(struct sk_tmpl_lex *lx)
{
    size_t to = lx->pos;
    while (space_at(lx, to))
        to++;
    skip_to(lx, to);
}

/* ---- tokens ---- */

static struct sk_tmpl_token emit(struct sk_tmpl_lex *lx, enum sk_tmpl_tok kind)
{
    struct sk_tmpl_token t = {
        kind, lx->start, {lx->in.ptr + lx->start, lx->pos - lx->start}, lx->start_line};
    lx->start = lx->pos;
    lx->start_line = lx->line;
    return t;
}

static struct sk_tmpl_token error(struct sk_tmpl_lex *lx, struct sk_str message)
{
    lx->no_memory |= message.ptr == NULL;
    return (struct sk_tmpl_token){SK_TTOK_ERROR, lx->start, message, lx->start_line};
}

static struct sk_tmpl_token error_at_rune(struct sk_tmpl_lex *lx, const char *what, uint32_t r)
{
    char enc[5] = "";
    if (!sk_go_rune_printable(r))
        return error(lx, sk_arena_printf(lx->arena, "%s U+%04X", what, r));
    enc[sk_utf8_encode(enc, r)] = '\0';
    return error(lx, sk_arena_printf(lx->arena, "%s U+%04X '%s'", what, r, enc));
}

static struct sk_tmpl_token comment(struct sk_tmpl_lex *lx)
{
    bool trim;
    size_t end = sk_str_find(lx->in, SK_STR("*/"), lx->pos + 2);
    if (end == SIZE_MAX)
        return error(lx, SK_STR("unclosed comment"));
    end += 2;
    if (!right_delim_at(lx, end, &trim))
        return error(lx, SK_STR("comment ends before closing delimiter"));
    skip_to(lx, end + (trim ? 4 : 2));
    if (trim)
        skip_spaces(lx);
    return (struct sk_tmpl_token){.kind = SK_TTOK_SPACE}; /* nothing: go on with the text */
}

/* At "{{". */
static struct sk_tmpl_token left_delim(struct sk_tmpl_lex *lx)
{
    size_t marker = left_marker_at(lx, lx->pos + 2) ? 2 : 0;
    if (has(lx, lx->pos + 2 + marker, "/*")) {
        skip_to(lx, lx->pos + 2 + marker);
        return comment(lx);
    }
    lx->pos += 2;
    struct sk_tmpl_token t = emit(lx, SK_TTOK_LEFT_DELIM);
    lx->inside_action = true;
    lx->paren_depth = 0;
    skip_to(lx, lx->pos + marker);
    return t;
}

static struct sk_tmpl_token text(struct sk_tmpl_lex *lx)
{
    for (;;) {
        size_t at = sk_str_find(lx->in, SK_STR("{{"), lx->pos), end = at;
        if (at == SIZE_MAX) {
            enum sk_tmpl_tok kind = lx->in.len > lx->start ? SK_TTOK_TEXT : SK_TTOK_EOF;
            lx->pos = lx->in.len;
            struct sk_tmpl_token t = emit(lx, kind);
            for (size_t i = 0; i < t.text.len; i++)
                lx->line += t.text.ptr[i] == '\n';
            lx->start_line = lx->line;
            return t;
        }
        while (left_marker_at(lx, at + 2) && end > lx->pos && space_at(lx, end - 1))
            end--;
        struct sk_tmpl_token t = {
            SK_TTOK_TEXT, lx->start, {lx->in.ptr + lx->start, end - lx->start}, lx->start_line};
        skip_to(lx, at);
        if (t.text.len > 0)
            return t;
        t = left_delim(lx);
        if (t.kind != SK_TTOK_SPACE)
            return t;
    }
}

static struct sk_tmpl_token right_delim(struct sk_tmpl_lex *lx, bool trim)
{
    if (trim)
        skip_to(lx, lx->pos + 2);
    lx->pos += 2;
    struct sk_tmpl_token t = emit(lx, SK_TTOK_RIGHT_DELIM);
    if (trim)
        skip_spaces(lx);
    lx->inside_action = false;
    return t;
}

/* A run of blanks. The last may belong to a right delimiter with a trim marker. */
static struct sk_tmpl_token space(struct sk_tmpl_lex *lx)
{
    size_t count = 0;
    bool trim;
    while (is_space(peek(lx))) {
        (void)take(lx); /* a blank, as was just seen */
        count++;
    }
    if (right_delim_at(lx, lx->pos - 1, &trim) && trim) {
        lx->pos--;
        if (lx->in.ptr[lx->pos] == '\n')
            lx->line--;
        if (count == 1)
            return right_delim(lx, true);
    }
    return emit(lx, SK_TTOK_SPACE);
}

static bool at_terminator(const struct sk_tmpl_lex *lx)
{
    uint32_t r = peek(lx);
    return r == NO_RUNE || is_space(r) || (r < 0x80 && strchr(".,|:)(", (int)r) != NULL) ||
           has(lx, lx->pos, "}}");
}

static struct sk_tmpl_token word(struct sk_tmpl_lex *lx)
{
    while (is_alphanumeric(peek(lx)))
        (void)take(lx); /* it was looked at */
    if (!at_terminator(lx))
        return error_at_rune(lx, "bad character", peek(lx));
    struct sk_str w = {lx->in.ptr + lx->start, lx->pos - lx->start};
    for (size_t i = 0; i < SK_COUNT_OF(keywords); i++) {
        if (sk_str_is(w, keywords[i].word))
            return emit(lx, keywords[i].kind);
    }
    return emit(lx, SK_TTOK_IDENTIFIER);
}

/* Behind '.' or '$'. */
static struct sk_tmpl_token field_or_variable(struct sk_tmpl_lex *lx, enum sk_tmpl_tok kind)
{
    if (at_terminator(lx))
        return emit(lx, kind == SK_TTOK_VARIABLE ? kind : SK_TTOK_DOT);
    while (is_alphanumeric(peek(lx)))
        (void)take(lx); /* it was looked at */
    if (!at_terminator(lx))
        return error_at_rune(lx, "bad character", peek(lx));
    return emit(lx, kind);
}

/* Behind the opening quote. */
static struct sk_tmpl_token quoted(struct sk_tmpl_lex *lx, enum sk_tmpl_tok kind, uint32_t quote)
{
    for (;;) {
        uint32_t r = take(lx);
        if (r == quote)
            return emit(lx, kind);
        if (kind == SK_TTOK_RAW_STRING && r != NO_RUNE)
            continue;
        if (r == '\\') {
            r = take(lx);
            if (r != NO_RUNE && r != '\n')
                continue;
        }
        if (r != NO_RUNE && r != '\n')
            continue;
        if (kind == SK_TTOK_RAW_STRING)
            return error(lx, SK_STR("unterminated raw quoted string"));
        return error(lx, quote == '"' ? SK_STR("unterminated quoted string")
                                      : SK_STR("unterminated character constant"));
    }
}

/* ---- numbers: what is wrong about them the parser finds out ---- */

static bool accept(struct sk_tmpl_lex *lx, const char *set)
{
    if (lx->pos >= lx->in.len || lx->in.ptr[lx->pos] == '\0' ||
        strchr(set, lx->in.ptr[lx->pos]) == NULL)
        return false;
    lx->pos++;
    return true;
}

static void accept_run(struct sk_tmpl_lex *lx, const char *set)
{
    while (accept(lx, set))
        ;
}

static bool number_scan(struct sk_tmpl_lex *lx)
{
    static const char decimal[] = "0123456789_", hex[] = "0123456789abcdefABCDEF_";
    const char *digits = decimal;
    (void)accept(lx, "+-"); /* a sign is optional */
    if (accept(lx, "0")) {
        if (accept(lx, "xX"))
            digits = hex;
        else if (accept(lx, "oO"))
            digits = "01234567_";
        else if (accept(lx, "bB"))
            digits = "01_";
    }
    accept_run(lx, digits);
    if (accept(lx, "."))
        accept_run(lx, digits);
    if ((digits == decimal && accept(lx, "eE")) || (digits == hex && accept(lx, "pP"))) {
        (void)accept(lx, "+-"); /* likewise */
        accept_run(lx, decimal);
    }
    (void)accept(lx, "i"); /* imaginary */
    if (!is_alphanumeric(peek(lx)))
        return true;
    (void)take(lx); /* the message shows it */
    return false;
}

static struct sk_tmpl_token number(struct sk_tmpl_lex *lx)
{
    bool good = number_scan(lx), complex = false;
    if (good && (peek(lx) == '+' || peek(lx) == '-')) {
        complex = true;
        good = number_scan(lx) && lx->in.ptr[lx->pos - 1] == 'i';
    }
    if (good)
        return emit(lx, complex ? SK_TTOK_COMPLEX : SK_TTOK_NUMBER);
    struct sk_strbuf b;
    sk_strbuf_init(&b, SK_ERROR_TEXT_BYTES);
    sk_go_quote(&b, (struct sk_str){lx->in.ptr + lx->start, lx->pos - lx->start});
    struct sk_tmpl_token t = error(
        lx, sk_arena_printf(lx->arena, "bad number syntax: %.*s", SK_STR_ARG(sk_strbuf_view(&b))));
    sk_strbuf_deinit(&b);
    return t;
}

/* ---- inside an action ---- */

static struct sk_tmpl_token paren(struct sk_tmpl_lex *lx, uint32_t r)
{
    lx->paren_depth += r == '(' ? 1 : -1;
    if (lx->paren_depth < 0)
        return error(lx, SK_STR("unexpected right paren"));
    return emit(lx, r == '(' ? SK_TTOK_LEFT_PAREN : SK_TTOK_RIGHT_PAREN);
}

static struct sk_tmpl_token punctuation(struct sk_tmpl_lex *lx, uint32_t r)
{
    switch (r) {
    case '=':
        return emit(lx, SK_TTOK_ASSIGN);
    case ':':
        if (take(lx) != '=')
            return error(lx, SK_STR("expected :="));
        return emit(lx, SK_TTOK_DECLARE);
    case '|':
        return emit(lx, SK_TTOK_PIPE);
    case '"':
        return quoted(lx, SK_TTOK_STRING, '"');
    case '`':
        return quoted(lx, SK_TTOK_RAW_STRING, '`');
    case '\'':
        return quoted(lx, SK_TTOK_CHAR_CONSTANT, '\'');
    case '$':
        return field_or_variable(lx, SK_TTOK_VARIABLE);
    case '(':
    case ')':
        return paren(lx, r);
    default:
        if (r > 0x20 && r < 0x7f)
            return emit(lx, SK_TTOK_CHAR);
        return error_at_rune(lx, "unrecognized character in action:", r);
    }
}

static bool digit_at(const struct sk_tmpl_lex *lx, size_t at)
{
    return at < lx->in.len && lx->in.ptr[at] >= '0' && lx->in.ptr[at] <= '9';
}

static struct sk_tmpl_token action(struct sk_tmpl_lex *lx)
{
    bool trim;
    if (right_delim_at(lx, lx->pos, &trim)) {
        if (lx->paren_depth == 0)
            return right_delim(lx, trim);
        return error(lx, SK_STR("unclosed left paren"));
    }
    uint32_t r = peek(lx);
    if (r == NO_RUNE)
        return error(lx, SK_STR("unclosed action"));
    if (is_space(r))
        return space(lx);
    if (r == '.' && lx->pos + 1 < lx->in.len && !digit_at(lx, lx->pos + 1)) {
        lx->pos++;
        return field_or_variable(lx, SK_TTOK_FIELD);
    }
    if (r == '.' || r == '+' || r == '-' || (r >= '0' && r <= '9'))
        return number(lx);
    if (is_alphanumeric(r))
        return word(lx);
    (void)take(lx); /* it is in `r` */
    return punctuation(lx, r);
}

struct sk_tmpl_token sk_tmpl_lex_next(struct sk_tmpl_lex *lx)
{
    return lx->inside_action ? action(lx) : text(lx);
}
