/* SPDX-License-Identifier: Apache-2.0 */
/* parse_range.c -- what a range aggregation takes: a selector, stages, an unwrap, a range and an
 * offset, in the orders that Loki knows:
 *
 *      S [P] [U] RANGE [O]        ( S [P] [U] ) RANGE [O]
 *      S RANGE [O] [P] [U]        ( S ) RANGE [O] [U]        ( any of these )
 *
 * What a wrong token is answered with depends on which of them is still possible. */
#include "logql/parse_int.h"

#include "base/assert.h"

/* Behind `unwrap`, up to the end of the post filters. */
static bool unwrap(struct sk_parser *p, struct sk_ast_log_range *r)
{
    struct sk_lex_token skip, name;
    struct sk_ast_unwrap *u = sk_parser_alloc(p, sizeof(*u));
    if (u == NULL)
        return false;
    (void)sk_parser_take(p); /* unwrap */
    enum sk_tok tok = sk_parser_peek(p);
    if (tok == SK_TOK_BYTES_CONV)
        u->conv = SK_UNWRAP_BYTES;
    else if (tok == SK_TOK_DURATION_CONV)
        u->conv = SK_UNWRAP_DURATION;
    else if (tok == SK_TOK_DURATION_SECONDS_CONV)
        u->conv = SK_UNWRAP_DURATION_SECONDS;
    else if (tok != SK_TOK_IDENTIFIER)
        return sk_parser_unexpected(
            p, "IDENTIFIER or BYTES_CONV or DURATION_CONV or DURATION_SECONDS_CONV");
    if (u->conv != SK_UNWRAP_NONE) {
        (void)sk_parser_take(p);
        if (!sk_parser_expect(p, SK_TOK_OPEN_PAREN, "(", &skip) ||
            !sk_parser_expect(p, SK_TOK_IDENTIFIER, "IDENTIFIER", &name) ||
            !sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ")", &skip))
            return false;
    } else {
        name = sk_parser_take(p);
    }
    u->name = name.text;
    r->unwrap = u;
    struct sk_ast_stage **tail = &u->post_filters, *s;
    while (sk_parser_accept(p, SK_TOK_PIPE)) {
        enum sk_tok start = sk_parser_peek(p);
        if (start != SK_TOK_IDENTIFIER && start != SK_TOK_OPEN_PAREN)
            return sk_parser_unexpected(p, "IDENTIFIER or (");
        if (!sk_parse_stage_new(p, SK_STAGE_LABEL_FILTER, &tail, &s) ||
            !sk_parse_label_filter(p, &s->filter))
            return false;
    }
    return p->err == SK_OK;
}

/* [5m] and, where it may stand, offset 1h. The range is the next token. */
static bool range_offset(struct sk_parser *p, struct sk_ast_log_range *r)
{
    struct sk_lex_token offset;
    r->range_ns = sk_parser_take(p).ns;
    if (!sk_parser_accept(p, SK_TOK_OFFSET))
        return p->err == SK_OK;
    if (!sk_parser_expect(p, SK_TOK_DURATION, "DURATION", &offset))
        return false;
    r->offset_ns = offset.ns;
    return true;
}

static bool stages_unwrap(struct sk_parser *p, struct sk_ast_log_range *r)
{
    struct sk_ast_stage **tail = &r->log.stages;
    bool has_unwrap = false;
    if (!sk_parse_stages(p, &tail, &has_unwrap))
        return false;
    return !has_unwrap || unwrap(p, r);
}

/* At the brace. With `in_paren` the closing parenthesis may come before the range; *ret_open tells
 * that it is the next token. */
static bool from_selector(struct sk_parser *p, struct sk_ast_log_range *r, bool in_paren,
                          bool *ret_open)
{
    *ret_open = false;
    if (!sk_parse_selector(p, &r->log.matchers))
        return false;
    bool bare = sk_parser_peek(p) == SK_TOK_RANGE;
    if (!bare && !stages_unwrap(p, r))
        return false;
    if (in_paren && sk_parser_peek(p) == SK_TOK_CLOSE_PAREN) {
        *ret_open = true;
        return true;
    }
    if (sk_parser_peek(p) != SK_TOK_RANGE) {
        const char *behind_unwrap = in_paren ? "RANGE or ) or |" : "RANGE or |";
        return sk_parser_unexpected(p, r->unwrap != NULL ? behind_unwrap : NULL);
    }
    return range_offset(p, r) && (!bare || stages_unwrap(p, r));
}

/* ( S [P] [U] ) RANGE [O] [U], at the first parenthesis' end. */
static bool behind_paren(struct sk_parser *p, struct sk_ast_log_range *r)
{
    if (sk_parser_peek(p) != SK_TOK_RANGE)
        return sk_parser_unexpected(p, "RANGE");
    if (!range_offset(p, r))
        return false;
    if (r->log.stages != NULL || r->unwrap != NULL || !sk_parser_accept(p, SK_TOK_PIPE))
        return p->err == SK_OK;
    if (sk_parser_peek(p) != SK_TOK_UNWRAP)
        return sk_parser_unexpected(p, "unwrap");
    return unwrap(p, r);
}

bool sk_parse_log_range(struct sk_parser *p, struct sk_ast_log_range *r)
{
    struct sk_lex_token close;
    bool open = false;
    enum sk_tok tok = sk_parser_peek(p);
    if (tok == SK_TOK_OPEN_BRACE)
        return from_selector(p, r, false, &open);
    if (tok != SK_TOK_OPEN_PAREN)
        return sk_parser_unexpected(p, "{ or (");
    (void)sk_parser_take(p);
    if (!sk_parser_enter(p))
        return false;
    bool ok = sk_parser_peek(p) == SK_TOK_OPEN_BRACE ? from_selector(p, r, true, &open)
                                                     : sk_parse_log_range(p, r);
    if (!ok || !sk_parser_expect(p, SK_TOK_CLOSE_PAREN, ")", &close))
        return false;
    sk_parser_leave(p);
    return !open || behind_paren(p, r);
}
