/* SPDX-License-Identifier: Apache-2.0 */
/* jsonscan.h -- a pull scanner over JSON text for hot paths (push bodies), without a tree and
 * without allocation. Everything is bounded by `end`; nesting is bounded by SK_JSON_DEPTH_MAX.
 *
 *   struct sk_json j = {text.ptr, text.ptr + text.len};
 *   if (sk_json_enter(&j, '{')) do { sk_json_key(&j, &key) ... } while (sk_json_more(&j, '}'));
 *
 * Every function returns false on a syntax fault and leaves `p` at the offending byte. */
#ifndef SK_BASE_JSONSCAN_H
#define SK_BASE_JSONSCAN_H

#include <stdbool.h>

#include "base/slice.h"

#define SK_JSON_DEPTH_MAX 64

struct sk_arena;

struct sk_json {
    const char *p;
    const char *end;
};

struct sk_json_text {
    struct sk_str raw; /* between the quotes, escapes unresolved */
    bool escaped;      /* holds a backslash */
};

/* Skips blanks; the next byte, or '\0' at the end (a raw NUL byte is never legal there). */
char sk_json_peek(struct sk_json *j);

/* A string; raw control bytes are a fault. */
bool sk_json_string_scan(struct sk_json *j, struct sk_json_text *ret);

/* Steps over any value; *ret (may be NULL) is its text. */
bool sk_json_skip(struct sk_json *j, struct sk_str *ret);

/* Takes the opening byte ('{' or '['). *ret_empty: it was closed at once. */
bool sk_json_enter(struct sk_json *j, char open, bool *ret_empty);

/* Behind a member: ',' gives *ret_more true, the closing byte false. */
bool sk_json_more(struct sk_json *j, char close, bool *ret_more);

/* "key" and the colon. */
bool sk_json_key(struct sk_json *j, struct sk_json_text *ret);

/* Resolves escapes into `out` (room for raw.len bytes), returns the length, or SIZE_MAX on a bad escape
 * or a lone surrogate. */
size_t sk_json_unescape(struct sk_str raw, char *out);

/* The decoded text: borrowed when nothing is escaped, else in `arena`. false: bad escape or memory. */
bool sk_json_text_get(struct sk_arena *arena, struct sk_json_text t, struct sk_str *ret);

#endif
