/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl_fmt.h -- between the parts of Go's fmt package: one verb with its flags, and how each kind
 * of value obeys it. tmpl_fmt.c reads formats and knows the values, tmpl_fmt_verb.c writes. */
#ifndef SK_LOGQL_TMPL_FMT_H
#define SK_LOGQL_TMPL_FMT_H

#include "logql/tmpl_int.h"

/* Widths and precisions beyond this are mistakes, as in Go. */
#define SK_FMT_WIDTH_MAX 1000000

struct sk_fmt {
    struct sk_tmpl_exec *x;
    struct sk_strbuf *out;
    struct sk_strbuf *part, *number; /* scratch */
    bool has_width, has_precision;
    bool minus, plus, sharp, space, zero;
    bool plus_v, sharp_v; /* %+v, %#v: the flags are meant for the whole value */
    bool erroring;        /* inside %!v(...): methods are not asked */
    int width, precision;
};

void sk_fmt_pad(struct sk_fmt *f, struct sk_str s);
void sk_fmt_text(struct sk_fmt *f, struct sk_str s);                       /* %s */
void sk_fmt_hex(struct sk_fmt *f, struct sk_str s, bool upper);            /* %x */
void sk_fmt_quoted(struct sk_fmt *f, struct sk_str s);                     /* %q */
void sk_fmt_rune(struct sk_fmt *f, uint64_t rune);                         /* %c */
void sk_fmt_quoted_rune(struct sk_fmt *f, uint64_t rune);                  /* %q of a number */
void sk_fmt_unicode(struct sk_fmt *f, uint64_t rune);                      /* %U */
void sk_fmt_number(struct sk_fmt *f, int64_t v, unsigned base, char verb); /* %d %b %o %O %x %X */
void sk_fmt_float(struct sk_fmt *f, double v, char verb, int precision);   /* -1: shortest */

#endif
