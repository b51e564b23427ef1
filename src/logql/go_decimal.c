/* SPDX-License-Identifier: Apache-2.0 */
/* go_decimal.c -- see go_decimal.h. All it takes is arithmetic of a long number with a 64-bit
 * one, and sums of two long ones. */
#include "logql/go_decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

__extension__ typedef unsigned __int128 wide;

#define LIMB 1000000000u

enum { LIMB_DIGITS = 9, PLACES = 16 };

struct sk_decimal_operand sk_decimal_operand(double v)
{
    char text[40];
    struct sk_decimal_operand o = {0, 0, v < 0};
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*e", digits - 1, fabs(v)); /* at most 24 bytes */
        if (strtod(text, NULL) == fabs(v))
            break;
    }
    char *p = text;
    for (; *p != 'e'; p++) {
        if (*p == '.')
            continue;
        o.digits = o.digits * 10 + (uint64_t)(*p - '0');
        o.exp -= memchr(text, '.', (size_t)(p - text)) != NULL;
    }
    o.exp += strtol(p + 1, NULL, 10);
    while (o.digits != 0 && o.digits % 10 == 0) {
        o.digits /= 10;
        o.exp++;
    }
    if (o.digits == 0)
        o.exp = 0;
    return o;
}

static void trim(struct sk_decimal *d)
{
    while (d->count > 0 && d->limbs[d->count - 1] == 0)
        d->count--;
}

/* d->limbs = d->limbs * by, in new limbs with room for `extra` more. */
static bool multiply(struct sk_arena *arena, struct sk_decimal *d, uint64_t by, size_t extra)
{
    size_t room = d->count + 3 + extra;
    uint32_t *to = sk_arena_calloc(arena, room, sizeof(*to));
    wide carry = 0;
    if (to == NULL)
        return false;
    for (size_t i = 0; i < room; i++) {
        carry += i < d->count ? (wide)d->limbs[i] * by : 0;
        to[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    sk_assert(carry == 0);
    d->limbs = to;
    d->count = room;
    trim(d);
    return true;
}

static uint64_t power10(unsigned n)
{
    uint64_t v = 1;
    while (n-- > 0)
        v *= 10;
    return v;
}

/* Multiplies the limbs by 10^n without a change of exp. */
static bool scale_up(struct sk_arena *arena, struct sk_decimal *d, uint64_t n)
{
    size_t whole = (size_t)(n / LIMB_DIGITS);
    if (!multiply(arena, d, power10((unsigned)(n % LIMB_DIGITS)), whole) || d->count == 0)
        return d->count == 0;
    memmove(d->limbs + whole, d->limbs, d->count * sizeof(*d->limbs));
    memset(d->limbs, 0, whole * sizeof(*d->limbs));
    d->count += whole;
    return true;
}

/* Divides the limbs in place and drops the remainder. */
static void divide(struct sk_decimal *d, uint64_t by)
{
    wide rest = 0;
    for (size_t i = d->count; i > 0; i--) {
        rest = rest * LIMB + d->limbs[i - 1];
        d->limbs[i - 1] = (uint32_t)(rest / by);
        rest %= by;
    }
    trim(d);
}

bool sk_decimal_set(struct sk_arena *arena, struct sk_decimal *d, struct sk_decimal_operand v)
{
    uint32_t one = 1;
    *d = (struct sk_decimal){&one, 1, v.exp, v.minus};
    return multiply(arena, d, v.digits, 0);
}

static int compare(const struct sk_decimal *a, const struct sk_decimal *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (size_t i = a->count; i > 0; i--) {
        if (a->limbs[i - 1] != b->limbs[i - 1])
            return a->limbs[i - 1] < b->limbs[i - 1] ? -1 : 1;
    }
    return 0;
}

/* big +- small, with |big| >= |small|; big has room for one limb more. */
static void combine(struct sk_decimal *big, const struct sk_decimal *small, bool subtract)
{
    int64_t carry = 0;
    big->limbs[big->count] = 0;
    for (size_t i = 0; i <= big->count; i++) {
        int64_t s = i < small->count ? small->limbs[i] : 0;
        int64_t v = (int64_t)big->limbs[i] + (subtract ? -s : s) + carry;
        carry = v < 0 ? -1 : v >= (int64_t)LIMB;
        big->limbs[i] = (uint32_t)(v - carry * (int64_t)LIMB);
    }
    big->count++;
    trim(big);
}

bool sk_decimal_add(struct sk_arena *arena, struct sk_decimal *d, struct sk_decimal_operand v)
{
    struct sk_decimal b;
    if (!sk_decimal_set(arena, &b, v))
        return false;
    int64_t exp = d->exp < b.exp ? d->exp : b.exp;
    if (d->count > 0 && !scale_up(arena, d, (uint64_t)(d->exp - exp)))
        return false;
    if (b.count > 0 && !scale_up(arena, &b, (uint64_t)(b.exp - exp)))
        return false;
    bool swap = compare(d, &b) < 0;
    struct sk_decimal big = swap ? b : *d, small = swap ? *d : b;
    if (!multiply(arena, &big, 1, 1)) /* room */
        return false;
    combine(&big, &small, big.minus != small.minus);
    *d = big;
    d->exp = exp;
    return true;
}

bool sk_decimal_mul(struct sk_arena *arena, struct sk_decimal *d, struct sk_decimal_operand v)
{
    d->exp += v.exp;
    d->minus ^= v.minus;
    return multiply(arena, d, v.digits, 0);
}

/* One digit more than is wanted, which then rounds. */
bool sk_decimal_div(struct sk_arena *arena, struct sk_decimal *d, struct sk_decimal_operand divisor)
{
    int64_t scale = d->exp - divisor.exp + PLACES + 1;
    sk_assert(divisor.digits != 0);
    if (scale > 0 ? !scale_up(arena, d, (uint64_t)scale) : !multiply(arena, d, 1, 0))
        return false;
    divide(d, divisor.digits);
    for (; scale < 0 && d->count > 0; scale += LIMB_DIGITS)
        divide(d, power10(scale < -LIMB_DIGITS ? LIMB_DIGITS : (unsigned)-scale));
    uint32_t last = d->count == 0 ? 0 : d->limbs[0] % 10;
    divide(d, 10);
    d->exp = -PLACES;
    d->minus ^= divisor.minus;
    if (last < 5)
        return true;
    struct sk_decimal_operand one = {1, -PLACES, d->minus};
    return sk_decimal_add(arena, d, one);
}

bool sk_decimal_double(struct sk_arena *arena, const struct sk_decimal *d, double *ret)
{
    size_t room = d->count * LIMB_DIGITS + 32, n = 1;
    char *text = sk_arena_alloc(arena, room);
    if (text == NULL)
        return false;
    text[0] = d->minus && d->count > 0 ? '-' : '+';
    for (size_t i = d->count; i > 0; i--, n += LIMB_DIGITS)
        (void)snprintf(text + n, room - n, "%09u", d->limbs[i - 1]);     /* nine digits */
    (void)snprintf(text + n, room - n, "0e%lld", (long long)d->exp - 1); /* at most 23 bytes */
    *ret = strtod(text, NULL);
    return true;
}
