/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_print.h -- query results as text: log entries in three manners, metric results as indented
 * JSON. Everything is appended to a buffer, whose failure sticks. Threads: as the buffer. */
#ifndef SK_CLI_CTL_PRINT_H
#define SK_CLI_CTL_PRINT_H

#include <stdint.h>

#include "base/slice.h"
#include "base/strbuf.h"
#include "cli/ctl_time.h"
#include "labels/labelset.h"

struct json_t;

enum sk_ctl_output { SK_CTL_DEFAULT, SK_CTL_RAW, SK_CTL_JSONL }; /* order of --output's choices */

struct sk_ctl_format {
    enum sk_ctl_output output;
    enum sk_ctl_layout layout;
    bool utc;
    bool no_labels;
    bool color;         /* stdout is a terminal */
    bool color_by_hash; /* each label set in a colour of its own */
};

/* A stream as it is shown. */
struct sk_ctl_shown {
    struct sk_labelset labels;
    struct sk_str text; /* {a="b"}, padded */
    uint64_t hash;      /* of all labels of the stream */
};

/* One line for one entry. */
void sk_ctl_print_entry(struct sk_strbuf *out, const struct sk_ctl_format *format, int64_t ts_ns,
                        const struct sk_ctl_shown *stream, struct sk_str line);

/* `text` between the codes that --colored-output gives to labels with this hash, or red. */
void sk_ctl_print_colored_labels(struct sk_strbuf *out, const struct sk_ctl_format *format,
                                 struct sk_str text, uint64_t hash);

/* A matrix, vector or scalar: two blanks of indent a level, keys ascending, newline at the end.
 * false: nested too deep for an answer. */
bool sk_ctl_print_json(struct sk_strbuf *out, const struct json_t *value);

#endif
