/* SPDX-License-Identifier: Apache-2.0 */
/* level.h -- finds the log level of a line, as Loki's distributor does for `detected_level`.
 *
 * Order: a JSON line's first string member whose key is a level field (nested to a depth); else, if
 * the line holds '=', a logfmt pair whose key is one (earliest in the list wins, case ignored); else
 * the earliest whole level word in the line; else "unknown". Pure; any thread. */
#ifndef SK_WIRE_LEVEL_H
#define SK_WIRE_LEVEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct sk_level_rules {
    const struct sk_str *fields; /* limits_config.log_level_fields */
    size_t field_count;
    unsigned json_depth_max; /* log_level_from_json_max_depth; 0: no limit */
};

/* One of trace debug info warn error critical fatal unknown; static text. */
struct sk_str sk_level_of_line(const struct sk_level_rules *rules, struct sk_str line);

/* The level that a known word means ("WARNING" -> warn); false: not a known word. */
bool sk_level_of_word(struct sk_str word, struct sk_str *ret);

/* The level for an OTLP severity_number as text (1-4 trace ... 21-24 fatal; not a number: info). */
struct sk_str sk_level_of_severity(struct sk_str number);

#endif
