/* SPDX-License-Identifier: Apache-2.0 */
/* gotext.h -- numbers, durations, sizes and quoted strings in the text forms of the Go
 * standard library and of Prometheus, which Loki's API, LogQL and YAML use everywhere.
 *
 * Parsers take the whole text or fail; errors that clients see carry Go's words. */
#ifndef SK_BASE_GOTEXT_H
#define SK_BASE_GOTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

#define SK_NS_PER_US   INT64_C(1000)
#define SK_NS_PER_MS   INT64_C(1000000)
#define SK_NS_PER_S    INT64_C(1000000000)
#define SK_NS_PER_MIN  (60 * SK_NS_PER_S)
#define SK_NS_PER_HOUR (3600 * SK_NS_PER_S)
#define SK_NS_PER_DAY  (24 * SK_NS_PER_HOUR)

/* strconv.Quote: double quotes, \a \b \f \n \r \t \v \\ \" and \x.. \u.... \U........ for what
 * cannot be printed; malformed bytes as \x... */
void sk_go_quote(struct sk_strbuf *out, struct sk_str s);
bool sk_go_rune_printable(uint32_t r); /* as far as it matters: see gotext.c */

/* strconv.ParseFloat(s, 64): decimal and hexadecimal floats, Inf, Infinity, NaN (any case), '_'
 * between digits. SK_EPARSE `invalid syntax`, SK_ELIMIT `value out of range` (*ret is then ±Inf).
 * reterr text: strconv.ParseFloat: parsing "x": invalid syntax */
SK_MUST_CHECK enum sk_err sk_go_parse_float(struct sk_str s, double *ret, struct sk_error *reterr);

/* Shortest digits that read back as the same double: never scientific ('f', -1), or %v/%g style as
 * text/template prints ('g' with exponent when e < -4 || e >= exp_limit). NaN, +Inf, -Inf. */
void sk_go_float_f(struct sk_strbuf *out, double v);
void sk_go_float_g(struct sk_strbuf *out, double v, int exp_limit);

/* time.ParseDuration: "1h30m", "1.5h", "-5us"; units ns us µs μs ms s m h; "0".
 * Texts: time: invalid duration "x", time: missing unit in duration "5", time: unknown unit "d" in duration "2d" */
SK_MUST_CHECK enum sk_err sk_go_parse_duration(struct sk_str s, int64_t *ret_ns,
                                               struct sk_error *reterr);
void sk_go_format_duration(struct sk_strbuf *out, int64_t ns); /* 1h30m0s, 1.5s, 0s */

/* Prometheus: y w d h m s ms, each once, in that order, integers; "0".
 * Texts: empty duration string, not a valid duration string: "5", unknown unit "us" in duration "5us" */
SK_MUST_CHECK enum sk_err sk_prom_parse_duration(struct sk_str s, int64_t *ret_ns,
                                                 struct sk_error *reterr);
void sk_prom_format_duration(struct sk_strbuf *out, int64_t ns); /* 30d1h; ms precision */

/* "5KB", "1.5 MiB", "2000": number, optional blank, unit of powers of 1000 (KB, k, K) or 1024 (KiB, Ki),
 * any case. Texts as Loki's: unhandled size name: s, strconv.ParseFloat: ..., too large: ... */
SK_MUST_CHECK enum sk_err sk_go_parse_bytes(struct sk_str s, uint64_t *ret_bytes,
                                            struct sk_error *reterr);
/* 5.1kB, 100MB, 999B: decimal units, one digit after the point below 10. */
void sk_go_format_bytes(struct sk_strbuf *out, uint64_t bytes);

/* RFC 3339 with optional fraction of seconds; SK_EPARSE otherwise. */
SK_MUST_CHECK enum sk_err sk_rfc3339_parse(struct sk_str s, int64_t *ret_ns);
/* UTC, "2026-11-22T14:29:30.5Z"; trailing zeros of the fraction are left out. */
void sk_rfc3339_format(struct sk_strbuf *out, int64_t ns);
void sk_rfc3339_format_s(struct sk_strbuf *out, int64_t ns); /* without fraction */

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. */
int64_t sk_days_from_civil(int64_t y, unsigned m, unsigned d);
void sk_civil_from_days(int64_t days, int64_t *ret_y, unsigned *ret_m, unsigned *ret_d);

#endif
