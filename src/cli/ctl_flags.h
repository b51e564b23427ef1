/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_flags.h -- skaldctl's command line: one table of commands, one of flags, one struct that
 * holds what was given.
 *
 * A flag belongs to all commands or to some; the same name may stand in the table several times for
 * different commands. A value comes from the command line, else from the environment, else from
 * the table. Texts are borrowed from argv, the environment and the tables.
 *
 * Threads: one. */
#ifndef SK_CLI_CTL_FLAGS_H
#define SK_CLI_CTL_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "cli/ctl_labels.h"

struct sk_ctl_opts {
    const struct sk_ctl_command *command; /* NULL: none given */
    struct sk_ctl_texts args;

    bool help, help_long, help_man, version;
    bool script[3]; /* by enum sk_ctl_shell */
    const char *addr;
    const char *username, *password;
    const char *bearer_token, *bearer_token_file, *auth_header;
    const char *ca_cert, *cert, *key;
    bool tls_skip_verify;
    const char *org_id, *query_tags;
    bool nocache;
    int64_t retries, min_backoff_s, max_backoff_s; /* -1: not given */
    const char *proxy_url;
    bool envproxy, compress;
    struct sk_ctl_texts headers;
    bool quiet, stats, from_stdin;
    int64_t output, timezone, layout; /* index of the choice */
    const char *log_level, *cpuprofile, *memprofile;

    int64_t limit, batch;
    int64_t since_ns, step_ns, interval_ns;
    const char *from, *to, *now;
    bool forward, no_labels, include_common, colored;
    struct sk_ctl_texts include_labels, exclude_labels;
    int64_t labels_width;

    bool tail, follow;
    int64_t delay_for_s;
    int64_t parallel_duration_ns, parallel_workers;
    const char *part_prefix;
    bool part_overwrite, part_merge, part_keep;
    const char *store_config, *schema_store;
    bool remote_schema;

    bool analyze_labels;
    struct sk_ctl_texts target_labels;
    bool aggregate_by_labels;
    int64_t line_limit;
    const char *max_interval, *request_id;
    bool force;
    struct sk_ctl_texts push_labels;
    const char *push_label_set;

    bool make_token;
    const char *rights, *tenants;
};

enum {
    SK_CTL_CMD_QUERY = 1 << 0,
    SK_CTL_CMD_INSTANT = 1 << 1,
    SK_CTL_CMD_LABELS = 1 << 2,
    SK_CTL_CMD_SERIES = 1 << 3,
    SK_CTL_CMD_STATS = 1 << 4,
    SK_CTL_CMD_FMT = 1 << 5,
    SK_CTL_CMD_PUSH = 1 << 6,
    SK_CTL_CMD_VOLUME = 1 << 7,
    SK_CTL_CMD_VOLUME_RANGE = 1 << 8,
    SK_CTL_CMD_FIELDS = 1 << 9,
    SK_CTL_CMD_DELETE_CREATE = 1 << 10,
    SK_CTL_CMD_DELETE_LIST = 1 << 11,
    SK_CTL_CMD_DELETE_CANCEL = 1 << 12,
    SK_CTL_CMD_SECRET = 1 << 13,
    SK_CTL_GLOBAL = (1 << 14) - 1,
};

struct sk_ctl_command {
    const char *name; /* one word, or a group's and its own */
    unsigned bit;
    size_t args_min, args_max;
    const char *args;                           /* for the help; "" for none */
    int (*run)(const struct sk_ctl_opts *opts); /* exit code */
    const char *help;
};

extern const struct sk_ctl_command sk_ctl_commands[];
extern const size_t sk_ctl_command_count;

enum sk_ctl_flag_kind {
    SK_CTL_BOOL,     /* bool */
    SK_CTL_TEXT,     /* const char *, NULL without default */
    SK_CTL_TEXTS,    /* struct sk_ctl_texts, repeatable */
    SK_CTL_COUNT,    /* int64_t >= 0 */
    SK_CTL_DURATION, /* int64_t ns */
    SK_CTL_CHOICE,   /* int64_t, index in `choices` */
};

struct sk_ctl_flag {
    const char *name;
    char letter; /* '\0': none */
    enum sk_ctl_flag_kind kind;
    unsigned commands;  /* bits */
    size_t off;         /* in struct sk_ctl_opts */
    const char *env;    /* NULL: none */
    const char *preset; /* NULL: zero, false, NULL; COUNT: -1 */
    const char *choices;
    const char *help;
};

#define SK_CTL_FLAGS_MAX 96

extern const struct sk_ctl_flag sk_ctl_flags[];
extern const size_t sk_ctl_flag_count;

/* Reads the arguments behind the program's name. SK_EINVAL: reterr says what is wrong with them, in
 * logcli's words; SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_ctl_opts_parse(struct sk_ctl_opts *opts, int argc,
                                            const char *const *argv, struct sk_error *reterr);
void sk_ctl_opts_deinit(struct sk_ctl_opts *opts);

/* --from and --to, or their defaults: `to` is now, `from` is --since before `to`. SK_EPARSE:
 * reterr names the bad one. */
SK_MUST_CHECK enum sk_err sk_ctl_opts_range(const struct sk_ctl_opts *opts, int64_t *ret_start_ns,
                                            int64_t *ret_end_ns, struct sk_error *reterr);

/* The help: of one command, of the program, or (`all`) of the program with all its commands. */
void sk_ctl_help(struct sk_strbuf *out, const struct sk_ctl_command *command, bool all);

/* The manual page, for man(1). */
void sk_ctl_man(struct sk_strbuf *out);

#endif
