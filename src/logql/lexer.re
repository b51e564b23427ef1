/* SPDX-License-Identifier: Apache-2.0 */
/* lexer.re -- recognises blanks, comments, operators and the first bytes of everything else, and
 * knows the keywords. What needs more than a regular language (strings with their escapes, Go's
 * numbers, Unicode identifiers) is read by lex.c and lex_number.c from there on. */
#include "logql/lex_int.h"

#include <string.h>

#include "base/assert.h"

/*!re2c
    re2c:define:YYCTYPE = "unsigned char";
    re2c:yyfill:enable = 0;
    re2c:define:YYCURSOR = cur;
    re2c:define:YYMARKER = mark;
*/

/* Hands the token that ends at `cur` out; `more` runes than the first were taken one by one. */
static enum sk_err punct(struct sk_lex *lx, struct sk_lex_token *ret, enum sk_tok kind,
                         const unsigned char *cur, bool more)
{
    sk_lex_start(lx, ret, lx->at);
    ret->text = (struct sk_str){(const char *)lx->at, (size_t)(cur - lx->at)};
    ret->kind = kind;
    lx->at = cur;
    if (more)
        lx->line = 0;
    return SK_OK;
}

static enum sk_err reader(struct sk_lex *lx, struct sk_lex_token *ret,
                          enum sk_err (*read)(struct sk_lex *lx, struct sk_lex_token *ret))
{
    sk_lex_start(lx, ret, lx->at);
    return read(lx, ret);
}

/* Behind the opening of a comment. false: it has no end. */
static bool comment_end(struct sk_lex *lx, const unsigned char *from)
{
    const void *end = memmem(from, (size_t)(lx->end - from), "*/", 2);
    if (end == NULL)
        return false;
    lx->at = (const unsigned char *)end + 2;
    return true;
}

enum sk_err sk_lex_scan(struct sk_lex *lx, struct sk_lex_token *ret)
{
    const unsigned char *cur;
next:
    cur = lx->at;
    if (cur >= lx->end) {
        sk_lex_start(lx, ret, lx->end);
        ret->kind = SK_TOK_EOF;
        return SK_OK;
    }
    /*!re2c
        [ \t\r\n]+          { lx->at = cur; goto next; }
        "#" [^\n\x00]*      { lx->at = cur; goto next; }
        "//" [^\n\x00]*     { lx->at = cur; goto next; }
        "/*"                {
            sk_lex_start(lx, ret, lx->at);
            if (!comment_end(lx, cur))
                return sk_lex_error(lx, "comment not terminated");
            goto next;
        }
        *                   { return reader(lx, ret, sk_lex_rune); }
        [a-zA-Z_\x80-\xff]  { return reader(lx, ret, sk_lex_identifier); }
        [0-9] | "." [0-9]   { return reader(lx, ret, sk_lex_number); }
        ["]                 { return reader(lx, ret, sk_lex_string); }
        "`"                 { return reader(lx, ret, sk_lex_raw_string); }
        "'"                 { return reader(lx, ret, sk_lex_char); }
        "["                 { return reader(lx, ret, sk_lex_range); }
        "-"                 { return reader(lx, ret, sk_lex_minus); }
        ","   { return punct(lx, ret, SK_TOK_COMMA, cur, false); }
        "."   { return punct(lx, ret, SK_TOK_DOT, cur, false); }
        "{"   { return punct(lx, ret, SK_TOK_OPEN_BRACE, cur, false); }
        "}"   { return punct(lx, ret, SK_TOK_CLOSE_BRACE, cur, false); }
        "("   { return punct(lx, ret, SK_TOK_OPEN_PAREN, cur, false); }
        ")"   { return punct(lx, ret, SK_TOK_CLOSE_PAREN, cur, false); }
        "="   { return punct(lx, ret, SK_TOK_EQ, cur, false); }
        ">"   { return punct(lx, ret, SK_TOK_GT, cur, false); }
        "<"   { return punct(lx, ret, SK_TOK_LT, cur, false); }
        "|"   { return punct(lx, ret, SK_TOK_PIPE, cur, false); }
        "+"   { return punct(lx, ret, SK_TOK_ADD, cur, false); }
        "*"   { return punct(lx, ret, SK_TOK_MUL, cur, false); }
        "/"   { return punct(lx, ret, SK_TOK_DIV, cur, false); }
        "%"   { return punct(lx, ret, SK_TOK_MOD, cur, false); }
        "^"   { return punct(lx, ret, SK_TOK_POW, cur, false); }
        "=="  { return punct(lx, ret, SK_TOK_CMP_EQ, cur, true); }
        "!="  { return punct(lx, ret, SK_TOK_NEQ, cur, true); }
        "=~"  { return punct(lx, ret, SK_TOK_RE, cur, true); }
        "!~"  { return punct(lx, ret, SK_TOK_NRE, cur, true); }
        "!>"  { return punct(lx, ret, SK_TOK_NPA, cur, true); }
        "|="  { return punct(lx, ret, SK_TOK_PIPE_EXACT, cur, true); }
        "|~"  { return punct(lx, ret, SK_TOK_PIPE_MATCH, cur, true); }
        "|>"  { return punct(lx, ret, SK_TOK_PIPE_PATTERN, cur, true); }
        ">="  { return punct(lx, ret, SK_TOK_GTE, cur, true); }
        "<="  { return punct(lx, ret, SK_TOK_LTE, cur, true); }
    */
}

#define WORD(name) return cur == end ? SK_TOK_##name : SK_TOK_IDENTIFIER
#define FUNCTION(name)                                                                             \
    return *ret_function = cur == end, cur == end ? SK_TOK_##name : SK_TOK_IDENTIFIER

/* Function words mean themselves only before a parenthesis; the caller looks for it. The text must
 * be followed by a readable byte that no identifier holds. */
enum sk_tok sk_lex_keyword(const char *text, size_t len, bool *ret_function)
{
    const unsigned char *cur = (const unsigned char *)text, *mark;
    const unsigned char *end = cur + len;
    *ret_function = false;
    /*!re2c
        *                    { return SK_TOK_IDENTIFIER; }
        'by'                 { WORD(BY); }
        'without'            { WORD(WITHOUT); }
        'bool'               { WORD(BOOL); }
        'offset'             { WORD(OFFSET); }
        'on'                 { WORD(ON); }
        'ignoring'           { WORD(IGNORING); }
        'group_left'         { WORD(GROUP_LEFT); }
        'group_right'        { WORD(GROUP_RIGHT); }
        'or'                 { WORD(OR); }
        'and'                { WORD(AND); }
        'unless'             { WORD(UNLESS); }
        'json'               { WORD(JSON); }
        'regexp'             { WORD(REGEXP); }
        'logfmt'             { WORD(LOGFMT); }
        'unpack'             { WORD(UNPACK); }
        'pattern'            { WORD(PATTERN); }
        'label_format'       { WORD(LABEL_FORMAT); }
        'line_format'        { WORD(LINE_FORMAT); }
        'decolorize'         { WORD(DECOLORIZE); }
        'drop'               { WORD(DROP); }
        'keep'               { WORD(KEEP); }
        'variants'           { WORD(VARIANTS); }
        'of'                 { WORD(OF); }
        'unwrap'             { WORD(UNWRAP); }
        'sum'                { FUNCTION(SUM); }
        'avg'                { FUNCTION(AVG); }
        'max'                { FUNCTION(MAX); }
        'min'                { FUNCTION(MIN); }
        'count'              { FUNCTION(COUNT); }
        'stddev'             { FUNCTION(STDDEV); }
        'stdvar'             { FUNCTION(STDVAR); }
        'bottomk'            { FUNCTION(BOTTOMK); }
        'topk'               { FUNCTION(TOPK); }
        'approx_topk'        { FUNCTION(APPROX_TOPK); }
        'sort'               { FUNCTION(SORT); }
        'sort_desc'          { FUNCTION(SORT_DESC); }
        'rate'               { FUNCTION(RATE); }
        'rate_counter'       { FUNCTION(RATE_COUNTER); }
        'count_over_time'    { FUNCTION(COUNT_OVER_TIME); }
        'bytes_rate'         { FUNCTION(BYTES_RATE); }
        'bytes_over_time'    { FUNCTION(BYTES_OVER_TIME); }
        'avg_over_time'      { FUNCTION(AVG_OVER_TIME); }
        'sum_over_time'      { FUNCTION(SUM_OVER_TIME); }
        'min_over_time'      { FUNCTION(MIN_OVER_TIME); }
        'max_over_time'      { FUNCTION(MAX_OVER_TIME); }
        'stdvar_over_time'   { FUNCTION(STDVAR_OVER_TIME); }
        'stddev_over_time'   { FUNCTION(STDDEV_OVER_TIME); }
        'quantile_over_time' { FUNCTION(QUANTILE_OVER_TIME); }
        'first_over_time'    { FUNCTION(FIRST_OVER_TIME); }
        'last_over_time'     { FUNCTION(LAST_OVER_TIME); }
        'absent_over_time'   { FUNCTION(ABSENT_OVER_TIME); }
        'vector'             { FUNCTION(VECTOR); }
        'label_replace'      { FUNCTION(LABEL_REPLACE); }
        'bytes'              { FUNCTION(BYTES_CONV); }
        'duration'           { FUNCTION(DURATION_CONV); }
        'duration_seconds'   { FUNCTION(DURATION_SECONDS_CONV); }
        'ip'                 { FUNCTION(IP); }
    */
}
