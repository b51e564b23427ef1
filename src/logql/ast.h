/* SPDX-License-Identifier: Apache-2.0 */
/* ast.h -- the syntax tree of a LogQL query: what parse.h makes, print.h prints, and the
 * planner reads. The whole grammar of Loki 3.7 is here; what may be evaluated is decided later.
 *
 * All nodes, lists and texts live in the arena given to the parser and are immutable
 * afterwards. Texts are decoded (escapes resolved) and not NUL-terminated. Lists are linked
 * through `next` in source order.
 *
 * Threads: immutable, so any. */
#ifndef SK_LOGQL_AST_H
#define SK_LOGQL_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* ---- selectors ---- */

enum sk_match_op { SK_MATCH_EQ, SK_MATCH_NEQ, SK_MATCH_RE, SK_MATCH_NRE };

struct sk_ast_matcher {
    struct sk_ast_matcher *next;
    struct sk_str name;
    struct sk_str value;
    enum sk_match_op op;
};

/* ---- pipeline stages ---- */

enum sk_ast_stage_kind {
    SK_STAGE_LINE_FILTER,  /* |= != |~ !~ |> !> with its `or` chain */
    SK_STAGE_JSON,         /* extractions optional */
    SK_STAGE_LOGFMT,       /* flags, extractions optional */
    SK_STAGE_REGEXP,       /* text */
    SK_STAGE_PATTERN,      /* text */
    SK_STAGE_UNPACK,
    SK_STAGE_LINE_FORMAT,  /* text */
    SK_STAGE_LABEL_FORMAT, /* formats */
    SK_STAGE_DECOLORIZE,
    SK_STAGE_DROP,         /* named */
    SK_STAGE_KEEP,         /* named */
    SK_STAGE_LABEL_FILTER, /* filter */
};

enum sk_line_op {
    SK_LINE_CONTAINS,     /* |= */
    SK_LINE_NOT_CONTAINS, /* != */
    SK_LINE_RE,           /* |~ */
    SK_LINE_NOT_RE,       /* !~ */
    SK_LINE_PATTERN,      /* |> */
    SK_LINE_NOT_PATTERN,  /* !> */
};

/* One operand of a line filter. `!= "a" or "b"` has been rewritten by the parser into two
 * stages, so alternatives occur with the positive operators only. */
struct sk_ast_line_operand {
    struct sk_ast_line_operand *next; /* the next alternative */
    struct sk_str text;
    bool ip; /* ip("...") */
};

/* `name`, or name = "expression" of json, logfmt. */
struct sk_ast_extraction {
    struct sk_ast_extraction *next;
    struct sk_str name;
    struct sk_str expr; /* equal to `name` when none was written */
    bool has_expr;
};

struct sk_ast_label_format {
    struct sk_ast_label_format *next;
    struct sk_str name;
    struct sk_str value;
    bool rename; /* value is the source label, else a template */
};

/* An element of drop or keep: a name, or a matcher. */
struct sk_ast_named {
    struct sk_ast_named *next;
    struct sk_str name;
    struct sk_str value; /* when has_matcher */
    enum sk_match_op op;
    bool has_matcher;
};

enum sk_label_filter_kind {
    SK_LF_STRING,   /* name op "text": = != =~ !~ */
    SK_LF_NUMBER,   /* name cmp number */
    SK_LF_DURATION, /* name cmp duration_ns */
    SK_LF_BYTES,    /* name cmp bytes */
    SK_LF_IP,       /* name = / != ip("text") */
    SK_LF_AND,
    SK_LF_OR,
};

enum sk_cmp_op { SK_CMP_EQ, SK_CMP_NEQ, SK_CMP_GT, SK_CMP_GTE, SK_CMP_LT, SK_CMP_LTE };

struct sk_ast_label_filter {
    enum sk_label_filter_kind kind;
    enum sk_match_op match; /* STRING; IP uses EQ and NEQ */
    enum sk_cmp_op cmp;     /* NUMBER, DURATION, BYTES */
    struct sk_str name;
    struct sk_str text;   /* STRING, IP */
    double number;        /* NUMBER */
    int64_t duration_ns;  /* DURATION */
    uint64_t bytes;       /* BYTES: as written; execution rounds it (spec logql.md 3.2) */
    const struct sk_ast_label_filter *left, *right; /* AND, OR */
};

struct sk_ast_stage {
    struct sk_ast_stage *next;
    enum sk_ast_stage_kind kind;
    enum sk_line_op line_op;                /* LINE_FILTER */
    bool logfmt_strict, logfmt_keep_empty;  /* LOGFMT */
    struct sk_str text;                     /* REGEXP PATTERN LINE_FORMAT */
    struct sk_ast_line_operand *operands;   /* LINE_FILTER, at least one */
    struct sk_ast_extraction *extractions;  /* JSON LOGFMT */
    struct sk_ast_label_format *formats;    /* LABEL_FORMAT */
    struct sk_ast_named *named;             /* DROP KEEP */
    const struct sk_ast_label_filter *filter; /* LABEL_FILTER */
};

/* {matchers} stages: a log query. */
struct sk_ast_log {
    struct sk_ast_matcher *matchers;
    struct sk_ast_stage *stages;
};

/* ---- metric queries ---- */

enum sk_unwrap_conv { SK_UNWRAP_NONE, SK_UNWRAP_BYTES, SK_UNWRAP_DURATION, SK_UNWRAP_DURATION_SECONDS };

struct sk_ast_unwrap {
    struct sk_str name;
    enum sk_unwrap_conv conv;
    struct sk_ast_stage *post_filters; /* LABEL_FILTER stages only */
};

struct sk_ast_log_range {
    struct sk_ast_log log;
    struct sk_ast_unwrap *unwrap; /* NULL: none */
    int64_t range_ns;
    int64_t offset_ns;
};

struct sk_ast_name_list {
    struct sk_ast_name_list *next;
    struct sk_str name;
};

struct sk_ast_grouping {
    bool without;
    struct sk_ast_name_list *names;
};

enum sk_range_op {
    SK_RANGE_RATE, SK_RANGE_RATE_COUNTER, SK_RANGE_COUNT, SK_RANGE_BYTES_RATE, SK_RANGE_BYTES,
    SK_RANGE_AVG, SK_RANGE_SUM, SK_RANGE_MIN, SK_RANGE_MAX, SK_RANGE_STDVAR, SK_RANGE_STDDEV,
    SK_RANGE_QUANTILE, SK_RANGE_FIRST, SK_RANGE_LAST, SK_RANGE_ABSENT,
};

enum sk_vector_op {
    SK_VECTOR_SUM, SK_VECTOR_AVG, SK_VECTOR_MAX, SK_VECTOR_MIN, SK_VECTOR_COUNT, SK_VECTOR_STDDEV,
    SK_VECTOR_STDVAR, SK_VECTOR_BOTTOMK, SK_VECTOR_TOPK, SK_VECTOR_APPROX_TOPK, SK_VECTOR_SORT,
    SK_VECTOR_SORT_DESC,
};

enum sk_bin_op {
    SK_BIN_OR, SK_BIN_AND, SK_BIN_UNLESS, SK_BIN_ADD, SK_BIN_SUB, SK_BIN_MUL, SK_BIN_DIV, SK_BIN_MOD,
    SK_BIN_POW, SK_BIN_EQ, SK_BIN_NEQ, SK_BIN_GT, SK_BIN_GTE, SK_BIN_LT, SK_BIN_LTE,
};

enum sk_match_card { SK_CARD_ONE_TO_ONE, SK_CARD_MANY_TO_ONE /* group_left */, SK_CARD_ONE_TO_MANY };

enum sk_ast_kind {
    SK_AST_LOG,           /* u.log */
    SK_AST_RANGE_AGG,     /* u.range */
    SK_AST_VECTOR_AGG,    /* u.vector */
    SK_AST_BINARY,        /* u.binary */
    SK_AST_LITERAL,       /* u.literal */
    SK_AST_VECTOR,        /* vector(n): u.literal */
    SK_AST_LABEL_REPLACE, /* u.replace */
    SK_AST_VARIANTS,      /* u.variants */
};

struct sk_ast_expr;

struct sk_ast_expr_list {
    struct sk_ast_expr_list *next;
    const struct sk_ast_expr *expr;
};

struct sk_ast_expr {
    enum sk_ast_kind kind;
    union {
        struct sk_ast_log log;
        struct {
            enum sk_range_op op;
            bool has_param;
            double param;
            struct sk_ast_log_range range;
            struct sk_ast_grouping *grouping; /* NULL: none */
        } range;
        struct {
            enum sk_vector_op op;
            int64_t param; /* topk, bottomk, approx_topk */
            const struct sk_ast_expr *expr;
            struct sk_ast_grouping *grouping; /* NULL: none written */
        } vector;
        struct {
            enum sk_bin_op op;
            const struct sk_ast_expr *left, *right;
            bool return_bool;
            bool has_matching; /* on or ignoring was written */
            bool on;           /* else ignoring */
            struct sk_ast_name_list *matching;
            enum sk_match_card card;
            struct sk_ast_name_list *include;
        } binary;
        double literal;
        struct {
            const struct sk_ast_expr *expr;
            struct sk_str dst, replacement, src, regex;
        } replace;
        struct {
            struct sk_ast_expr_list *variants;
            struct sk_ast_log_range of;
        } variants;
    } u;
};

#endif
