/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_int.h -- what the parts of a template share: tokens, the tree, values, an execution, and
 * what a function looks like.
 *
 *   tmpl_lex.c     text to tokens              tmpl_parse.c    tokens to the tree
 *   tmpl_number.c  numbers of both             tmpl_node.c     the tree as text, for messages
 *   tmpl_exec.c    walks blocks, prints        tmpl_eval.c     pipelines, fields, calls
 *   tmpl_value.c   kinds of values             tmpl_fmt*.c     values as text (printf)
 *   tmpl_funcs.c   names to functions          tmpl_fn_*.c     functions, by subject
 *
 * Values are Go's as far as a template can tell: an int is no int64, and a value out of a JSON tree
 * is inside an interface, which shows in messages and decides whether fields can be read. */
#ifndef SK_LOGQL_TMPL_INT_H
#define SK_LOGQL_TMPL_INT_H

#include "logql/go_layout.h"
#include "logql/tmpl.h"

/* ---- tokens ---- */

enum sk_tmpl_tok {
    SK_TTOK_ERROR, /* text is the message */
    SK_TTOK_BOOL,
    SK_TTOK_CHAR, /* a printable ASCII character; comma is the only one with a meaning */
    SK_TTOK_CHAR_CONSTANT,
    SK_TTOK_COMPLEX,
    SK_TTOK_ASSIGN,
    SK_TTOK_DECLARE,
    SK_TTOK_EOF,
    SK_TTOK_FIELD,
    SK_TTOK_IDENTIFIER,
    SK_TTOK_LEFT_DELIM,
    SK_TTOK_LEFT_PAREN,
    SK_TTOK_NUMBER,
    SK_TTOK_PIPE,
    SK_TTOK_RAW_STRING,
    SK_TTOK_RIGHT_DELIM,
    SK_TTOK_RIGHT_PAREN,
    SK_TTOK_SPACE,
    SK_TTOK_STRING,
    SK_TTOK_TEXT,
    SK_TTOK_VARIABLE,
    SK_TTOK_KEYWORD, /* those below are keywords */
    SK_TTOK_BLOCK,
    SK_TTOK_BREAK,
    SK_TTOK_CONTINUE,
    SK_TTOK_DOT,
    SK_TTOK_DEFINE,
    SK_TTOK_ELSE,
    SK_TTOK_END,
    SK_TTOK_IF,
    SK_TTOK_NIL,
    SK_TTOK_RANGE,
    SK_TTOK_TEMPLATE,
    SK_TTOK_WITH,
};

struct sk_tmpl_token {
    enum sk_tmpl_tok kind;
    size_t pos;
    struct sk_str text;
    unsigned line;
};

struct sk_tmpl_lex {
    struct sk_arena *arena; /* of messages */
    struct sk_str in;
    size_t pos, start;
    unsigned line, start_line;
    int paren_depth;
    bool inside_action;
    bool no_memory;
};

void sk_tmpl_lex_init(struct sk_tmpl_lex *lx, struct sk_arena *arena, struct sk_str text);
struct sk_tmpl_token sk_tmpl_lex_next(struct sk_tmpl_lex *lx);

/* ---- the tree ---- */

enum sk_tmpl_kind {
    SK_TNODE_LIST,   /* first.. */
    SK_TNODE_TEXT,   /* value */
    SK_TNODE_ACTION, /* of: the pipeline */
    SK_TNODE_IF,     /* of, list, else_list */
    SK_TNODE_WITH,
    SK_TNODE_RANGE,
    SK_TNODE_TEMPLATE, /* value: its name; of, or NULL */
    SK_TNODE_BREAK,
    SK_TNODE_CONTINUE,
    SK_TNODE_END,        /* only while parsing */
    SK_TNODE_ELSE,       /* only while parsing */
    SK_TNODE_PIPE,       /* decls, assigns, first..: commands */
    SK_TNODE_COMMAND,    /* first..: arguments */
    SK_TNODE_FIELD,      /* idents */
    SK_TNODE_VARIABLE,   /* idents, the first with its dollar */
    SK_TNODE_CHAIN,      /* of: what the fields are of; idents */
    SK_TNODE_IDENTIFIER, /* func; text */
    SK_TNODE_DOT,
    SK_TNODE_NIL,
    SK_TNODE_BOOL,   /* truth */
    SK_TNODE_NUMBER, /* number; text */
    SK_TNODE_STRING, /* value; text: with its quotes */
};

struct sk_tmpl_ident {
    struct sk_str text;
    size_t name; /* index into sk_tmpl_names() */
};

/* A constant in all forms that can hold it. */
struct sk_tmpl_number {
    bool is_int, is_uint, is_float, is_complex;
    int64_t i;
    uint64_t u;
    double f, im; /* f is the real part of a complex one */
};

struct sk_tmpl_node {
    enum sk_tmpl_kind kind;
    size_t pos;
    struct sk_tmpl_node *next; /* in the list that it is in */
    struct sk_tmpl_node *first, *last;
    size_t count; /* of first.. */
    struct sk_tmpl_node *of, *list, *else_list;
    struct sk_tmpl_node *decls; /* PIPE: variables */
    size_t decl_count;
    bool assigns; /* PIPE: = and not := */
    bool truth;
    struct sk_str text, value;
    struct sk_tmpl_ident *idents;
    size_t ident_count;
    const struct sk_tmpl_func *func;
    struct sk_tmpl_number number;
};

/* Numbers as in Go source; `kind` is a token's. NULL or what is wrong. */
const char *sk_tmpl_number_parse(struct sk_arena *arena, struct sk_str text, enum sk_tmpl_tok kind,
                                 struct sk_tmpl_number *ret);

/* strconv.ParseInt(s, 0, 64) and ParseUint; false: syntax or range. */
bool sk_tmpl_parse_int(struct sk_str s, int64_t *ret);
bool sk_tmpl_parse_uint(struct sk_str s, uint64_t *ret);

/* strconv.Unquote of a string token. false: `invalid syntax`; ptr NULL: out of memory. */
bool sk_tmpl_unquote(struct sk_arena *arena, struct sk_str quoted, struct sk_str *ret);

/* One character of a quoted text at s[*at]: its rune, or byte when *ret_byte. false: syntax. */
bool sk_tmpl_unquote_char(struct sk_str s, size_t *at, char quote, uint32_t *ret, bool *ret_byte);

void sk_tmpl_node_print(struct sk_strbuf *out, const struct sk_tmpl_node *n);

struct sk_tmpl_tree { /* a template of the set, by name */
    struct sk_tmpl_tree *next;
    struct sk_str name;
    struct sk_tmpl_node *root;
};

struct sk_tmpl_pattern { /* a constant regular expression */
    struct sk_tmpl_pattern *next;
    struct sk_str text;
    const struct sk_regex *regex;
};

/* Templates of nothing but text and fields of the dot. */
struct sk_tmpl_piece {
    struct sk_str text; /* when is_text */
    size_t name;
    bool is_text;
};

struct sk_tmpl {
    struct sk_str name, text;
    struct sk_tmpl_tree *trees;
    const struct sk_tmpl_tree *root;
    struct sk_str *names;
    size_t name_count, name_cap;
    bool reads_map;
    struct sk_tmpl_pattern *patterns;
    struct sk_tmpl_piece *pieces; /* NULL: the tree is walked */
    size_t piece_count;
    bool tells_time;
    const struct sk_zone *local; /* the zone of this machine, when it tells time; NULL: UTC */
};

const struct sk_tmpl_tree *sk_tmpl_find(const struct sk_tmpl *t, struct sk_str name);

/* ---- values ---- */

enum sk_tv_type {
    SK_TV_NONE, /* no value at all: Go's invalid reflect.Value */
    SK_TV_NIL,  /* a nil inside an interface */
    SK_TV_BOOL,
    SK_TV_INT,
    SK_TV_INT64,
    SK_TV_UINT8,
    SK_TV_DURATION,
    SK_TV_MONTH,
    SK_TV_WEEKDAY,
    SK_TV_FLOAT,
    SK_TV_COMPLEX,
    SK_TV_STRING,
    SK_TV_TIME,
    SK_TV_LOCATION,
    SK_TV_LABELS, /* map[string]string: there is only one, the entry's */
    SK_TV_MAP,    /* map[string]interface {}: out of JSON */
    SK_TV_LIST,   /* []interface {}: likewise */
};

struct sk_tv_list;
struct sk_tv_map;

struct sk_tv {
    enum sk_tv_type type;
    bool iface; /* it is inside an interface */
    union {
        bool b;
        int64_t i; /* BOOL excepted, all that is counted */
        double f;
        struct {
            double re, im;
        } c;
        struct sk_str s;
        struct sk_go_time t;
        const struct sk_zone *zone;
        const struct sk_tv_list *list;
        const struct sk_tv_map *map;
    } u;
};

struct sk_tv_list {
    struct sk_tv *items;
    size_t count, cap; /* cap is what Go's would be */
};

struct sk_tv_entry {
    struct sk_str key;
    struct sk_tv value;
};

struct sk_tv_map {
    struct sk_tv_entry *items; /* sorted by key */
    size_t count;
};

/* Texts of values are never NULL. */
static inline struct sk_tv sk_tv_str(struct sk_str s)
{
    if (s.ptr == NULL)
        s.ptr = "";
    return (struct sk_tv){.type = SK_TV_STRING, .u = {.s = s}};
}

static inline struct sk_tv sk_tv_int(enum sk_tv_type type, int64_t i)
{
    return (struct sk_tv){.type = type, .u = {.i = i}};
}

static inline struct sk_tv sk_tv_float(double f)
{
    return (struct sk_tv){.type = SK_TV_FLOAT, .u = {.f = f}};
}

static inline struct sk_tv sk_tv_bool(bool b)
{
    return (struct sk_tv){.type = SK_TV_BOOL, .u = {.b = b}};
}

static inline struct sk_tv sk_tv_time(struct sk_go_time t)
{
    return (struct sk_tv){.type = SK_TV_TIME, .u = {.t = t}};
}

/* What is inside the interface, if it is in one. */
static inline struct sk_tv sk_tv_strip(struct sk_tv v)
{
    if (v.type == SK_TV_NIL)
        v.type = SK_TV_NONE;
    v.iface = false;
    return v;
}

static inline bool sk_tv_counts(enum sk_tv_type t)
{
    return t >= SK_TV_INT && t <= SK_TV_WEEKDAY;
}

/* Go's name of the type; of an interface, `interface {}`. */
const char *sk_tv_type_name(struct sk_tv v);

/* ---- an execution ---- */

struct sk_tmpl_var {
    struct sk_str name;
    struct sk_tv value;
};

struct sk_tmpl_exec {
    const struct sk_tmpl *tmpl;
    const struct sk_tmpl_input *in;
    struct sk_arena *arena;
    struct sk_strbuf *out;
    const struct sk_tmpl_tree *tree; /* the one that runs now */
    const struct sk_tmpl_node *node; /* where a message says it happened */
    struct sk_tmpl_var *vars;
    size_t var_count, var_cap, var_base; /* variables below var_base are of other templates */
    uint64_t steps;
    size_t depth;
    struct sk_labelset labels;
    bool labels_known;
    struct sk_str error; /* the whole text, once something failed */
    bool failed, no_memory;
};

/* false, with the whole message from Go's words for what went wrong at `x->node`. */
bool sk_tmpl_fail(struct sk_tmpl_exec *x, const char *fmt, ...) SK_PRINTF(2, 3);
bool sk_tmpl_fail_str(struct sk_tmpl_exec *x, struct sk_str message);
bool sk_tmpl_no_memory(struct sk_tmpl_exec *x); /* false */

/* One more node, element or call, which looks at so many bytes; false: there were too many. */
bool sk_tmpl_work(struct sk_tmpl_exec *x, uint64_t bytes);

bool sk_tmpl_push(struct sk_tmpl_exec *x, struct sk_str name, struct sk_tv value);
bool sk_tmpl_set(struct sk_tmpl_exec *x, struct sk_str name, struct sk_tv value);

/* The entry's labels as a map. */
bool sk_tmpl_labels(struct sk_tmpl_exec *x, struct sk_labelset *ret);

bool sk_tmpl_eval_pipe(struct sk_tmpl_exec *x, struct sk_tv dot, const struct sk_tmpl_node *pipe,
                       struct sk_tv *ret);

/* false: out of memory. `truth` of what is inside interfaces. */
bool sk_tmpl_truth(struct sk_tmpl_exec *x, struct sk_tv v, bool *ret);

/* Elements of a string (bytes), map or list; false when the type has no length. */
bool sk_tmpl_length(struct sk_tmpl_exec *x, struct sk_tv v, size_t *ret);

/* ---- functions ---- */

enum sk_tmpl_param {
    SK_TP_ANY,   /* interface{} */
    SK_TP_VALUE, /* reflect.Value */
    SK_TP_STRING,
    SK_TP_INT,
    SK_TP_FLOAT,
    SK_TP_TIME,
    SK_TP_DURATION,
    SK_TP_LOCATION,
    SK_TP_CHECK, /* no type: what fields are read of */
};

#define SK_TMPL_PARAMS_MAX 4

struct sk_tmpl_call {
    struct sk_tmpl_exec *x;
    const struct sk_tv *args; /* checked; of a method the receiver is args[-1] */
    size_t count;
    struct sk_str error; /* when it failed: text after `error calling NAME: ` */
};

/* false: call->error, or out of memory (sk_tmpl_exec.no_memory). */
typedef bool (*sk_tmpl_fn)(struct sk_tmpl_call *call, struct sk_tv *ret);

enum sk_tmpl_special {
    SK_TF_PLAIN,
    SK_TF_AND,
    SK_TF_OR,
    SK_TF_CALL,
    SK_TF_REGEX,       /* the first argument is a regular expression */
    SK_TF_RETURNS_TWO, /* a method whose results a template cannot take */
    SK_TF_RETURNS_THREE,
};

struct sk_tmpl_func {
    const char *name;
    sk_tmpl_fn fn;
    unsigned char fixed; /* parameters before the variadic one */
    bool variadic;       /* params[fixed] is the type of the rest */
    enum sk_tmpl_special special;
    enum sk_tmpl_param params[SK_TMPL_PARAMS_MAX];
};

const struct sk_tmpl_func *sk_tmpl_func_find(struct sk_str name);
bool sk_tmpl_func_tells_time(const struct sk_tmpl_func *f);
const struct sk_tmpl_func *sk_tmpl_method_find(enum sk_tv_type type, struct sk_str name);

/* false with the message. */
bool sk_tmpl_error(struct sk_tmpl_call *call, const char *fmt, ...) SK_PRINTF(2, 3);

/* What a function has written into the scratch text, in the arena. */
bool sk_tmpl_give(struct sk_tmpl_call *call, struct sk_strbuf *text, struct sk_tv *ret);

/* The scratch text, empty. */
struct sk_strbuf *sk_tmpl_text(struct sk_tmpl_call *call);

/* Tables, by subject; each ends with a name that is NULL. */
extern const struct sk_tmpl_func sk_tmpl_builtins[], sk_tmpl_text_funcs[], sk_tmpl_regex_funcs[],
    sk_tmpl_encode_funcs[], sk_tmpl_math_funcs[], sk_tmpl_time_funcs[];
extern const struct sk_tmpl_func sk_tmpl_time_methods[], sk_tmpl_duration_methods[],
    sk_tmpl_month_methods[], sk_tmpl_weekday_methods[], sk_tmpl_location_methods[];

/* fromJson: any JSON value; SK_TV_NIL when it is none. false: out of memory. */
bool sk_tmpl_json(struct sk_tmpl_exec *x, struct sk_str text, struct sk_tv *ret);

/* fmt.Sprint, Sprintln, Sprintf; results are appended. */
void sk_tmpl_print(struct sk_tmpl_exec *x, struct sk_strbuf *out, const struct sk_tv *args,
                   size_t count);
void sk_tmpl_println(struct sk_tmpl_exec *x, struct sk_strbuf *out, const struct sk_tv *args,
                     size_t count);
void sk_tmpl_printf(struct sk_tmpl_exec *x, struct sk_strbuf *out, struct sk_str format,
                    const struct sk_tv *args, size_t count);

/* url.QueryEscape. */
void sk_tmpl_query_escape(struct sk_strbuf *out, struct sk_str s);

/* The compiled regular expression: the template's own, or out of the scratch. NULL with the
 * message. */
const struct sk_regex *sk_tmpl_regex_get(struct sk_tmpl_call *call, struct sk_str pattern);
void sk_tmpl_regexes_release(struct sk_tmpl_scratch *s);

/* A zone by name: NULL is UTC, *ret_known false when there is none of that name. */
const struct sk_zone *sk_tmpl_zone_get(struct sk_tmpl_exec *x, struct sk_str name, bool *ret_known);
void sk_tmpl_zones_release(struct sk_tmpl_scratch *s);

#endif
