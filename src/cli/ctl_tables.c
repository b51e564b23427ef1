/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_tables.c -- the commands and the flags. */
#include <stddef.h>

#include "cli/ctl_cmds.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_time.h"

/* clang-format off */
const struct sk_ctl_command sk_ctl_commands[] = {
    {"query", SK_CTL_CMD_QUERY, 1, 1, "<query>", sk_ctl_query, "Run a LogQL query over a range of time."},
    {"instant-query", SK_CTL_CMD_INSTANT, 1, 1, "<query>", sk_ctl_instant_query, "Run a LogQL metric query at one point in time."},
    {"labels", SK_CTL_CMD_LABELS, 0, 1, "[<label>]", sk_ctl_labels, "List label names, or the values of one label."},
    {"series", SK_CTL_CMD_SERIES, 1, 1, "<matcher>", sk_ctl_series, "List the streams that match a selector."},
    {"stats", SK_CTL_CMD_STATS, 1, 1, "<query>", sk_ctl_stats, "Count what the index holds for a selector."},
    {"fmt", SK_CTL_CMD_FMT, 0, 0, "", sk_ctl_fmt, "Format a LogQL query read from standard input."},
    {"push", SK_CTL_CMD_PUSH, 0, SIZE_MAX, "[<file> ...]", sk_ctl_push, "Send the lines of files, or of standard input, to the server."},
    {"volume", SK_CTL_CMD_LATER, 0, SIZE_MAX, "", NULL, ""},
    {"volume_range", SK_CTL_CMD_LATER, 0, SIZE_MAX, "", NULL, ""},
    {"detected-fields", SK_CTL_CMD_LATER, 0, SIZE_MAX, "", NULL, ""},
    {"delete", SK_CTL_CMD_LATER, 0, SIZE_MAX, "", NULL, ""},
};
const size_t sk_ctl_command_count = SK_COUNT_OF(sk_ctl_commands);

#define OFF(member) offsetof(struct sk_ctl_opts, member)
#define QUERIES (SK_CTL_CMD_QUERY | SK_CTL_CMD_INSTANT)
#define RANGES (SK_CTL_CMD_QUERY | SK_CTL_CMD_LABELS | SK_CTL_CMD_SERIES | SK_CTL_CMD_STATS)

/* name, letter, kind, commands, member, environment, default, choices, help */
const struct sk_ctl_flag sk_ctl_flags[] = {
    {"help", 'h', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(help), NULL, NULL, NULL, "Show this help."},
    {"help-long", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(help_long), NULL, NULL, NULL, "Show the help of all commands."},
    {"version", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(version), NULL, NULL, NULL, "Show the version."},
    {"addr", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(addr), "LOKI_ADDR", "http://localhost:3100", NULL, "Address of the server."},
    {"username", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(username), "LOKI_USERNAME", NULL, NULL, "User name for HTTP basic auth."},
    {"password", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(password), "LOKI_PASSWORD", NULL, NULL, "Password for HTTP basic auth."},
    {"bearer-token", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(bearer_token), "LOKI_BEARER_TOKEN", NULL, NULL, "Token for the authorization header."},
    {"bearer-token-file", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(bearer_token_file), "LOKI_BEARER_TOKEN_FILE", NULL, NULL, "File that holds the token."},
    {"auth-header", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(auth_header), "LOKI_AUTH_HEADER", "Authorization", NULL, "Name of the authorization header."},
    {"ca-cert", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(ca_cert), "LOKI_CA_CERT_PATH", NULL, NULL, "File with the certificates that the server's is checked against."},
    {"cert", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(cert), "LOKI_CLIENT_CERT_PATH", NULL, NULL, "File with the client's certificate."},
    {"key", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(key), "LOKI_CLIENT_KEY_PATH", NULL, NULL, "File with the key of the client's certificate."},
    {"tls-skip-verify", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(tls_skip_verify), "LOKI_TLS_SKIP_VERIFY", NULL, NULL, "Do not check the server's certificate."},
    {"org-id", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(org_id), "LOKI_ORG_ID", NULL, NULL, "Tenant, sent as X-Scope-OrgID."},
    {"query-tags", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(query_tags), "LOKI_QUERY_TAGS", NULL, NULL, "Sent as X-Query-Tags."},
    {"nocache", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(nocache), "LOKI_NO_CACHE", NULL, NULL, "Ask the server to use no result cache."},
    {"retries", '\0', SK_CTL_COUNT, SK_CTL_GLOBAL, OFF(retries), "LOKI_CLIENT_RETRIES", NULL, NULL, "How often a failed request is repeated (default 0; push: 5)."},
    {"min-backoff", '\0', SK_CTL_COUNT, SK_CTL_GLOBAL, OFF(min_backoff_s), "LOKI_CLIENT_MIN_BACKOFF", NULL, NULL, "Seconds before the first repetition (default 0; push: 1)."},
    {"max-backoff", '\0', SK_CTL_COUNT, SK_CTL_GLOBAL, OFF(max_backoff_s), "LOKI_CLIENT_MAX_BACKOFF", NULL, NULL, "Most seconds between repetitions (default 0; push: 30)."},
    {"proxy-url", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(proxy_url), "LOKI_HTTP_PROXY_URL", NULL, NULL, "Proxy for all requests."},
    {"envproxy", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(envproxy), "LOKI_ENV_PROXY", NULL, NULL, "Use the proxy named by HTTP_PROXY, HTTPS_PROXY and NO_PROXY."},
    {"compress", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(compress), "LOKI_HTTP_COMPRESSION", NULL, NULL, "Ask for compressed answers."},
    {"header", '\0', SK_CTL_TEXTS, SK_CTL_GLOBAL, OFF(headers), NULL, NULL, NULL, "Another header, 'Name: value'. Repeatable."},
    {"quiet", 'q', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(quiet), NULL, NULL, NULL, "No URL, common labels or summary on standard error."},
    {"stats", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(stats), NULL, NULL, NULL, "Show the statistics of queries."},
    {"output", 'o', SK_CTL_CHOICE, SK_CTL_GLOBAL, OFF(output), NULL, "default", "default,raw,jsonl", "How log lines are printed."},
    {"timezone", 'z', SK_CTL_CHOICE, SK_CTL_GLOBAL, OFF(timezone), NULL, "Local", "Local,UTC", "Time zone of the output."},
    {"output-timestamp-format", '\0', SK_CTL_CHOICE, SK_CTL_GLOBAL, OFF(layout), NULL, "rfc3339", SK_CTL_LAYOUTS, "Format of times in the default output."},
    {"log.level", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(log_level), NULL, "error", NULL, "debug, info, warn or error."},
    {"stdin", '\0', SK_CTL_BOOL, SK_CTL_GLOBAL, OFF(from_stdin), NULL, NULL, NULL, NULL},
    {"cpuprofile", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(cpuprofile), NULL, NULL, NULL, NULL},
    {"memprofile", '\0', SK_CTL_TEXT, SK_CTL_GLOBAL, OFF(memprofile), NULL, NULL, NULL, NULL},

    {"limit", '\0', SK_CTL_COUNT, QUERIES, OFF(limit), NULL, "30", NULL, "Entries to print; 0 prints all (query only)."},
    {"batch", '\0', SK_CTL_COUNT, SK_CTL_CMD_QUERY, OFF(batch), NULL, "1000", NULL, "Most entries of one request."},
    {"since", '\0', SK_CTL_DURATION, RANGES, OFF(since_ns), NULL, "1h", NULL, "How far back to look, if --from is not given."},
    {"from", '\0', SK_CTL_TEXT, RANGES, OFF(from), NULL, NULL, NULL, "Start, RFC 3339 with a zone (inclusive)."},
    {"to", '\0', SK_CTL_TEXT, RANGES, OFF(to), NULL, NULL, NULL, "End, RFC 3339 with a zone (exclusive)."},
    {"now", '\0', SK_CTL_TEXT, SK_CTL_CMD_INSTANT, OFF(now), NULL, NULL, NULL, "Point in time, RFC 3339 with a zone."},
    {"step", '\0', SK_CTL_DURATION, SK_CTL_CMD_QUERY, OFF(step_ns), NULL, NULL, NULL, "Distance of the points of a metric query."},
    {"interval", '\0', SK_CTL_DURATION, SK_CTL_CMD_QUERY, OFF(interval_ns), NULL, NULL, NULL, "Least distance of the entries of a log query."},
    {"forward", '\0', SK_CTL_BOOL, QUERIES, OFF(forward), NULL, NULL, NULL, "Oldest entries first."},
    {"no-labels", '\0', SK_CTL_BOOL, QUERIES, OFF(no_labels), NULL, NULL, NULL, "Do not print labels."},
    {"exclude-label", '\0', SK_CTL_TEXTS, QUERIES, OFF(exclude_labels), NULL, NULL, NULL, "Do not print this label. Repeatable."},
    {"include-label", '\0', SK_CTL_TEXTS, QUERIES, OFF(include_labels), NULL, NULL, NULL, "Print this label only. Repeatable."},
    {"include-common-labels", '\0', SK_CTL_BOOL, QUERIES, OFF(include_common), NULL, NULL, NULL, "Print labels that all streams share with every line."},
    {"labels-length", '\0', SK_CTL_COUNT, QUERIES, OFF(labels_width), NULL, "0", NULL, "Pad labels to this width; 0 finds one."},
    {"colored-output", '\0', SK_CTL_BOOL, QUERIES, OFF(colored), NULL, NULL, NULL, "Each stream in a colour of its own, on a terminal."},

    {"tail", 't', SK_CTL_BOOL, SK_CTL_CMD_QUERY, OFF(tail), NULL, NULL, NULL, NULL},
    {"follow", 'f', SK_CTL_BOOL, SK_CTL_CMD_QUERY, OFF(follow), NULL, NULL, NULL, NULL},
    {"delay-for", '\0', SK_CTL_COUNT, SK_CTL_CMD_QUERY, OFF(delay_for_s), NULL, "0", NULL, NULL},
    {"parallel-duration", '\0', SK_CTL_DURATION, SK_CTL_CMD_QUERY, OFF(parallel_duration_ns), NULL, "1h", NULL, NULL},
    {"parallel-max-workers", '\0', SK_CTL_COUNT, SK_CTL_CMD_QUERY, OFF(parallel_workers), NULL, "1", NULL, NULL},
    {"part-path-prefix", '\0', SK_CTL_TEXT, SK_CTL_CMD_QUERY, OFF(part_prefix), NULL, NULL, NULL, NULL},
    {"overwrite-completed-parts", '\0', SK_CTL_BOOL, SK_CTL_CMD_QUERY, OFF(part_overwrite), NULL, NULL, NULL, NULL},
    {"merge-parts", '\0', SK_CTL_BOOL, SK_CTL_CMD_QUERY, OFF(part_merge), NULL, NULL, NULL, NULL},
    {"keep-parts", '\0', SK_CTL_BOOL, SK_CTL_CMD_QUERY, OFF(part_keep), NULL, NULL, NULL, NULL},
    {"store-config", '\0', SK_CTL_TEXT, QUERIES, OFF(store_config), NULL, NULL, NULL, NULL},
    {"remote-schema", '\0', SK_CTL_BOOL, QUERIES, OFF(remote_schema), NULL, NULL, NULL, NULL},
    {"schema-store", '\0', SK_CTL_TEXT, QUERIES, OFF(schema_store), NULL, NULL, NULL, NULL},

    {"analyze-labels", '\0', SK_CTL_BOOL, SK_CTL_CMD_SERIES, OFF(analyze_labels), NULL, NULL, NULL, "Print how many values each label has instead."},

    {"label", '\0', SK_CTL_TEXTS, SK_CTL_CMD_PUSH, OFF(push_labels), NULL, NULL, NULL, "A label of the stream, name=value. Repeatable."},
    {"labels", '\0', SK_CTL_TEXT, SK_CTL_CMD_PUSH, OFF(push_label_set), NULL, NULL, NULL, "Labels of the stream, '{name=\"value\", ...}'."},
};
const size_t sk_ctl_flag_count = SK_COUNT_OF(sk_ctl_flags);
/* clang-format on */

_Static_assert(SK_COUNT_OF(sk_ctl_flags) <= SK_CTL_FLAGS_MAX, "the parser marks them in an array");
