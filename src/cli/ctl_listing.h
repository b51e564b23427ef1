/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_listing.h -- what the commands with one request and one list have in common: the client, the
 * decoded answer, memory, and the text for stdout.
 *
 *   init -> span (commands over a range of time) or open -> ask -> out -> end
 *
 * Threads: one. */
#ifndef SK_CLI_CTL_LISTING_H
#define SK_CLI_CTL_LISTING_H

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_http.h"

struct json_t;

struct sk_ctl_listing {
    const struct sk_ctl_opts *opts; /* borrowed */
    const char *fault;              /* what is said before the reason of a failure */
    struct sk_ctl_http *http;
    struct json_t *root; /* the answer */
    struct sk_arena arena;
    struct sk_strbuf out; /* for stdout */
};

/* A range of time as parameters; in the listing's arena. */
struct sk_ctl_span {
    struct sk_str start, end;
};

void sk_ctl_listing_init(struct sk_ctl_listing *l, const struct sk_ctl_opts *opts);

/* Makes the client. */
SK_MUST_CHECK enum sk_err sk_ctl_listing_open(struct sk_ctl_listing *l, struct sk_error *reterr);

/* Makes the client; --from and --to in nanoseconds, or divided by `unit_ns`. */
SK_MUST_CHECK enum sk_err sk_ctl_listing_span(struct sk_ctl_listing *l, int64_t unit_ns,
                                              struct sk_ctl_span *ret, struct sk_error *reterr);

/* One GET; the decoded answer is l->root. `params` are sorted. */
SK_MUST_CHECK enum sk_err sk_ctl_listing_ask(struct sk_ctl_listing *l, const char *path,
                                             const struct sk_ctl_param *params, size_t count,
                                             struct sk_error *reterr);

/* Writes l->out, or says what `err` was, and gives all back. The exit code. */
int sk_ctl_listing_end(struct sk_ctl_listing *l, enum sk_err err, const struct sk_error *e);

#endif
