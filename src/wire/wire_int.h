/* SPDX-License-Identifier: Apache-2.0 */
/* wire_int.h -- shared by the decoders of this folder. */
#ifndef SK_WIRE_WIRE_INT_H
#define SK_WIRE_WIRE_INT_H

#include "base/err.h"
#include "base/slice.h"

/* SK_EPARSE: "WHAT, error found in #N byte of ...|near|..., bigger context ...|far|..." around
 * `at`, which lies in `text` or behind it. */
enum sk_err sk_wire_fail_at(struct sk_error *reterr, struct sk_str text, const char *at,
                            const char *what);

/* The same for "WANT, but found X" with the byte X at `p`; where the text ends Loki finds a NUL,
 * and names the place before the blanks in front of it. */
enum sk_err sk_wire_fail_found(struct sk_error *reterr, struct sk_str text, const char *p,
                               const char *want);

/* Gives SK_ELIMIT and SK_ENOMEM of the sk_push_add_ functions their text; others pass. */
enum sk_err sk_wire_limit_text(enum sk_err err, struct sk_error *reterr);

#endif
