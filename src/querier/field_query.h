/* SPDX-License-Identifier: Apache-2.0 */
/* field_query.h -- which fields the lines of a log query have: names, types, how many values.
 *
 * The entries of the query are gone through stream by stream (by stream labels, as a client that
 * asks for categorised labels sees them), newest first. Each gives
 *   (1) its structured metadata, which no parser has found;
 *   (2) the labels that `json` makes of the line, or `logfmt` where the line is no JSON;
 *   (3) those that the query's own stages have made, as if that parser had found them.
 * The type of a field is that of its last value. Cardinalities are exact: Loki's sketch counts
 * alike up to thousands of values.
 *
 * Memory: everything is charged to the query's budget. Threads: a query runs on one worker. */
#ifndef SK_QUERIER_FIELD_QUERY_H
#define SK_QUERIER_FIELD_QUERY_H

#include "querier/log_query.h"

/* X(name, text): in the order in which they are tried. */
#define SK_FIELD_TYPE_LIST(X)                                                                      \
    X(INT, "int")                                                                                  \
    X(FLOAT, "float")                                                                              \
    X(BOOLEAN, "boolean")                                                                          \
    X(DURATION, "duration")                                                                        \
    X(BYTES, "bytes")                                                                              \
    X(STRING, "string")

enum sk_field_type {
#define SK_FIELD_TYPE(name, text) SK_FIELD_##name,
    SK_FIELD_TYPE_LIST(SK_FIELD_TYPE)
#undef SK_FIELD_TYPE
};

const char *sk_field_type_text(enum sk_field_type type);
enum sk_field_type sk_field_type_of(struct sk_str value);

struct sk_field {
    struct sk_str name;
    enum sk_field_type type;
    uint64_t cardinality;
    const char *parsers[2];    /* json, logfmt: those that have found it, the first one first */
    size_t parser_count;       /* 0: it is metadata alone */
    const struct sk_str *path; /* its keys in a JSON line; NULL: none is known */
    size_t path_count;
};

struct sk_field_result {
    struct sk_arena arena;
    struct sk_field **fields; /* by name */
    size_t field_count;
    struct sk_str *values; /* of the field asked for, in byte order */
    size_t value_count;
};

struct sk_field_query {
    const struct sk_log_result *entries; /* newest first */
    struct sk_str name;                  /* its values are asked for; empty: all fields */
    uint64_t limit;                      /* of fields or values: further ones are not taken */
    struct sk_budget *budget;            /* may be NULL */
    int64_t deadline_mono_ns;            /* 0: none */
    _Atomic bool *stop;                  /* may be NULL */
};

/* Errors as sk_log_query_run(). The result does not need the entries any more. */
SK_MUST_CHECK enum sk_err sk_field_query_run(const struct sk_field_query *q,
                                             struct sk_field_result *ret, struct sk_error *reterr);
void sk_field_result_deinit(struct sk_field_result *result); /* zeroed: fine */

#endif
