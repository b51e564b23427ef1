/* SPDX-License-Identifier: Apache-2.0 */
/* go_decimal.h -- exact decimal numbers: what sprig's addf, subf, mulf and divf compute with.
 * Sums and products are exact, quotients are rounded to 16 places, half away from zero.
 *
 * The value is sign * digits * 10^exp. Digits are limbs of nine, least first, in an arena. An
 * operand always comes from a double, so it has 17 digits at most; only the first operand grows. */
#ifndef SK_LOGQL_GO_DECIMAL_H
#define SK_LOGQL_GO_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* The shortest decimal that reads back as the double. */
struct sk_decimal_operand {
    uint64_t digits;
    int64_t exp;
    bool minus;
};

struct sk_decimal {
    uint32_t *limbs;
    size_t count; /* none: zero */
    int64_t exp;
    bool minus;
};

/* `v` is finite. */
struct sk_decimal_operand sk_decimal_operand(double v);

/* false: out of memory. `divisor` is not zero. */
bool sk_decimal_set(struct sk_arena *arena, struct sk_decimal *d, struct sk_decimal_operand v);
bool sk_decimal_add(struct sk_arena *arena, struct sk_decimal *d, struct sk_decimal_operand v);
bool sk_decimal_mul(struct sk_arena *arena, struct sk_decimal *d, struct sk_decimal_operand v);
bool sk_decimal_div(struct sk_arena *arena, struct sk_decimal *d,
                    struct sk_decimal_operand divisor);

/* The nearest double, infinite when it is too large. false: out of memory. */
bool sk_decimal_double(struct sk_arena *arena, const struct sk_decimal *d, double *ret);

#endif
