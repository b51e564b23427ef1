/* SPDX-License-Identifier: Apache-2.0 */
/* json_walk.h -- the lenient walk over a JSON object that Loki's parsers do (spec logql-pipeline
 * 5.1): member by member, so that what stands before a fault is seen; a trailing comma is fine,
 * numbers are any token that begins like one, and whatever follows the object is not read.
 *
 *   enum sk_jw_fault fault = sk_jw_begin(&w, text);
 *   while (fault == SK_JW_OK && !w.done) {
 *       fault = sk_jw_member(&w, &key, &value);
 *       if (fault == SK_JW_OK && !w.done) ... use key and value ...
 *   }
 */
#ifndef SK_LOGQL_JSON_WALK_H
#define SK_LOGQL_JSON_WALK_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

/* X(name, text of __error_details__) */
#define SK_JW_FAULT_LIST(X)                                                                        \
    X(OK, "")                                                                                      \
    X(OBJECT, "Value looks like object, but can't find closing '}' symbol")                        \
    X(ARRAY, "Value is array, but can't find closing ']' symbol")                                  \
    X(MALFORMED, "Malformed JSON error")                                                           \
    X(UNKNOWN, "Unknown value type")                                                               \
    X(STRING, "Value is string, but can't find closing '\"' symbol")                               \
    X(ESCAPE, "Encountered an invalid escape sequence in a string")                                \
    X(DEPTH, "Objects nest too deeply")                                                            \
    X(NOMEM, "")

enum sk_jw_fault {
#define SK_JW_FAULT(name, text) SK_JW_##name,
    SK_JW_FAULT_LIST(SK_JW_FAULT)
#undef SK_JW_FAULT
};

struct sk_str sk_jw_fault_text(enum sk_jw_fault fault);

enum sk_jw_kind { SK_JW_TEXT, SK_JW_NUMBER, SK_JW_BOOL, SK_JW_NULL, SK_JW_MAP, SK_JW_LIST };

struct sk_jw_value {
    enum sk_jw_kind kind;
    bool escaped, high; /* TEXT: holds a backslash; bytes above 0x7f */
    struct sk_str raw;  /* TEXT: between the quotes; MAP, LIST: with their brackets */
};

struct sk_jw {
    const char *p, *end;
    bool begun, done;
    struct sk_arena *arena; /* for keys with escapes */
};

/* Steps into the object at the front of `text`, which blanks may precede. */
enum sk_jw_fault sk_jw_begin(struct sk_jw *w, struct sk_str text, struct sk_arena *arena);

/* The next member, or `done`. *ret_key is decoded. */
enum sk_jw_fault sk_jw_member(struct sk_jw *w, struct sk_str *ret_key, struct sk_jw_value *ret);

/* Any value at w->p, blanks skipped; p moves behind it. */
enum sk_jw_fault sk_jw_value(struct sk_jw *w, struct sk_jw_value *ret);

/* The next byte that is not blank, '\0' at the end. */
char sk_jw_peek(struct sk_jw *w);

/* The decoded text of a TEXT: empty when it holds a bad escape. false: out of memory. */
bool sk_jw_text(struct sk_arena *arena, const struct sk_jw_value *v, struct sk_str *ret);

#endif
