/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_url.h -- the texts of a request: escaped parameters in the order of their names, path
 * segments, credentials. Failure sticks in the buffer. Threads: as the buffer. */
#ifndef SK_CLI_CTL_URL_H
#define SK_CLI_CTL_URL_H

#include <stddef.h>

#include "base/slice.h"
#include "base/strbuf.h"

struct sk_ctl_param {
    const char *name;
    struct sk_str value;
};

/* As Go's url.QueryEscape: letters, digits and -_.~ stay, a blank is +, all else %XX. */
void sk_ctl_query_escape(struct sk_strbuf *out, struct sk_str s);
/* The same with %20 for a blank. */
void sk_ctl_path_escape(struct sk_strbuf *out, struct sk_str s);

/* a=1&b=2. `params` must be sorted by name. */
void sk_ctl_params_format(struct sk_strbuf *out, const struct sk_ctl_param *params, size_t count);

void sk_ctl_base64(struct sk_strbuf *out, struct sk_str s);

#endif
