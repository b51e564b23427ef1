/* SPDX-License-Identifier: Apache-2.0 */
/* log.h -- skald's own log lines: logfmt on stderr, one write per line.
 *
 *   sk_log(SK_LOG_WARN, "chunk damaged, continuing without it", "file", path, "err", text);
 *
 * The message is constant, values are fields (pairs of C strings, ended by the macro). Values are
 * quoted where needed and cut at 256 bytes. Equal messages are limited to one line in 10 s at warn
 * and error level, with a count of what was left out. Threads: any. */
#ifndef SK_BASE_LOG_H
#define SK_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum sk_log_level { SK_LOG_DEBUG, SK_LOG_INFO, SK_LOG_WARN, SK_LOG_ERROR };

void sk_log_set_level(enum sk_log_level level);
enum sk_log_level sk_log_get_level(void);
const char *sk_log_level_name(enum sk_log_level level);
bool sk_log_level_by_name(struct sk_str name, enum sk_log_level *ret);
void sk_log_set_json(bool json);

/* Lines written since the start, by level; for metrics. */
uint64_t sk_log_count(enum sk_log_level level);

void sk_log_write(enum sk_log_level level, const char *caller, const char *msg, ...)
    __attribute__((sentinel));

#define SK_LOG_STR2(x) #x
#define SK_LOG_STR(x)  SK_LOG_STR2(x)
#define sk_log(level, ...)                                                                         \
    sk_log_write((level), __FILE__ ":" SK_LOG_STR(__LINE__), __VA_ARGS__, (const char *)NULL)

#endif
