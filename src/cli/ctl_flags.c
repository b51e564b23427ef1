/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_flags.c -- reads a command line by the tables of ctl_flags.h. Flags may stand anywhere, those
 * of a command behind its name. */
#include "cli/ctl_flags.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/gotext.h"
#include "cli/ctl_complete.h"
#include "cli/ctl_parallel.h"
#include "cli/ctl_time.h"

struct parser {
    struct sk_ctl_opts *opts;
    struct sk_error *reterr;
    const char *const *argv;
    int argc, at;      /* argv[at] comes next */
    const char *group; /* the first word of a command of two; NULL: none */
    bool given[SK_CTL_FLAGS_MAX];
};

static enum sk_err texts_add(struct sk_ctl_texts *texts, const char *text)
{
    if (!SK_GROW(texts->items, texts->cap, texts->count + 1))
        return SK_ENOMEM;
    texts->items[texts->count++] = text;
    return SK_OK;
}

static void *member(struct sk_ctl_opts *opts, const struct sk_ctl_flag *flag)
{
    return (char *)opts + flag->off;
}

static bool bool_parse(const char *text, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < SK_COUNT_OF(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool choice_parse(const char *choices, const char *text, int64_t *ret)
{
    size_t len = strlen(text);
    int64_t idx = 0;
    for (const char *c = choices;; idx++) {
        size_t n = strcspn(c, ",");
        if (n == len && memcmp(c, text, n) == 0) {
            *ret = idx;
            return true;
        }
        if (c[n] == '\0')
            return false;
        c += n + 1;
    }
}

/* Stores `text` in the flag's member. */
static enum sk_err set(struct parser *p, const struct sk_ctl_flag *flag, const char *text)
{
    void *to = member(p->opts, flag);
    struct sk_error e;
    uint64_t count;
    switch (flag->kind) {
    case SK_CTL_BOOL:
        if (bool_parse(text, to))
            return SK_OK;
        return sk_error_set(p->reterr, SK_EINVAL,
                            "strconv.ParseBool: parsing \"%s\": invalid syntax", text);
    case SK_CTL_TEXT:
        memcpy(to, &text, sizeof(text));
        return SK_OK;
    case SK_CTL_TEXTS:
        return texts_add(to, text);
    case SK_CTL_COUNT:
        if (!sk_str_to_u64(sk_str_from(text), &count) || count > INT64_MAX)
            return sk_error_set(p->reterr, SK_EINVAL,
                                "flag '--%s' wants a number that is not negative, got '%s'",
                                flag->name, text);
        memcpy(to, &(int64_t){(int64_t)count}, sizeof(int64_t));
        return SK_OK;
    case SK_CTL_DURATION:
        if (sk_go_parse_duration(sk_str_from(text), to, &e) != SK_OK)
            return sk_error_set(p->reterr, SK_EINVAL, "%s", e.text);
        return SK_OK;
    case SK_CTL_CHOICE:
        if (choice_parse(flag->choices, text, to))
            return SK_OK;
        return sk_error_set(p->reterr, SK_EINVAL, "enum value must be one of %s, got '%s'",
                            flag->choices, text);
    }
    return SK_EINVAL;
}

/* The flag that the command line may use here; NULL when there is none. */
static const struct sk_ctl_flag *find(const struct parser *p, struct sk_str name, char letter)
{
    unsigned commands = p->opts->command == NULL ? 0 : p->opts->command->bit;
    for (size_t i = 0; i < sk_ctl_flag_count; i++) {
        const struct sk_ctl_flag *flag = &sk_ctl_flags[i];
        bool here = flag->commands == SK_CTL_GLOBAL || (flag->commands & commands) != 0;
        if (here && (letter != '\0' ? flag->letter == letter : sk_str_is(name, flag->name)))
            return flag;
    }
    return NULL;
}

static enum sk_err give(struct parser *p, const struct sk_ctl_flag *flag, const char *text)
{
    size_t idx = (size_t)(flag - sk_ctl_flags);
    sk_assert(idx < sk_ctl_flag_count);
    if (p->given[idx] && flag->kind != SK_CTL_TEXTS && flag->kind != SK_CTL_BOOL)
        return sk_error_set(p->reterr, SK_EINVAL, "flag '%s' cannot be repeated", flag->name);
    p->given[idx] = true;
    return set(p, flag, text);
}

/* The next argument as the value of a flag. */
static enum sk_err give_next(struct parser *p, const struct sk_ctl_flag *flag, const char *shown)
{
    if (p->at >= p->argc)
        return sk_error_set(p->reterr, SK_EINVAL, "expected argument for flag '%s'", shown);
    return give(p, flag, p->argv[p->at++]);
}

/* `--name`, `--name=value`, `--no-name`. */
static enum sk_err long_flag(struct parser *p, const char *arg)
{
    struct sk_str name = {arg + 2, strcspn(arg + 2, "=")};
    const char *value = arg[2 + name.len] == '=' ? arg + 2 + name.len + 1 : NULL;
    const struct sk_ctl_flag *flag = find(p, name, '\0');
    const char *implied = "true";
    if (flag == NULL && sk_str_starts(name, SK_STR("no-"))) {
        flag = find(p, (struct sk_str){name.ptr + 3, name.len - 3}, '\0');
        implied = "false";
        if (flag != NULL && flag->kind != SK_CTL_BOOL)
            flag = NULL;
    }
    if (flag == NULL)
        return sk_error_set(p->reterr, SK_EINVAL, "unknown long flag '--%.*s'", SK_STR_ARG(name));
    if (flag->kind == SK_CTL_BOOL && value == NULL)
        return give(p, flag, implied);
    if (value != NULL)
        return give(p, flag, value);
    return give_next(p, flag, arg);
}

/* `-q`, `-o raw`, `-oraw`, `-qo raw`. */
static enum sk_err short_flags(struct parser *p, const char *arg)
{
    for (const char *c = arg + 1; *c != '\0'; c++) {
        const struct sk_ctl_flag *flag = find(p, (struct sk_str){0}, *c);
        if (flag == NULL)
            return sk_error_set(p->reterr, SK_EINVAL, "unknown short flag '-%c'", *c);
        if (flag->kind == SK_CTL_BOOL) {
            enum sk_err err = give(p, flag, "true");
            if (err != SK_OK)
                return err;
            continue;
        }
        char shown[3] = {'-', *c, '\0'};
        return c[1] != '\0' ? give(p, flag, c + 1) : give_next(p, flag, shown);
    }
    return SK_OK;
}

/* Whether `name` is `group word`; without a group, `word`. */
static bool command_is(const char *name, const char *group, const char *word)
{
    if (group == NULL)
        return strcmp(name, word) == 0;
    size_t len = strlen(group);
    return strncmp(name, group, len) == 0 && name[len] == ' ' && strcmp(name + len + 1, word) == 0;
}

static bool group_is(const char *name, const char *word)
{
    size_t len = strlen(word);
    return strncmp(name, word, len) == 0 && name[len] == ' ';
}

static enum sk_err command_word(struct parser *p, const char *word)
{
    for (size_t i = 0; i < sk_ctl_command_count; i++) {
        const struct sk_ctl_command *command = &sk_ctl_commands[i];
        if (command_is(command->name, p->group, word)) {
            p->opts->command = command;
            return SK_OK;
        }
        if (p->group == NULL && group_is(command->name, word)) {
            p->group = word;
            return SK_OK;
        }
    }
    return sk_error_set(p->reterr, SK_EINVAL, "expected command but got \"%s\"", word);
}

static enum sk_err word(struct parser *p, const char *text)
{
    const struct sk_ctl_command *command = p->opts->command;
    if (command == NULL) {
        if (strcmp(text, "help") != 0)
            return command_word(p, text);
        p->opts->help = true; /* `help`, `help push` */
        return SK_OK;
    }
    if (p->opts->args.count >= command->args_max)
        return sk_error_set(p->reterr, SK_EINVAL, "unexpected '%s'", text);
    return texts_add(&p->opts->args, text);
}

/* What was not given: the environment, else the table. */
static enum sk_err fill(struct parser *p)
{
    unsigned commands = p->opts->command == NULL ? 0 : p->opts->command->bit;
    for (size_t i = 0; i < sk_ctl_flag_count; i++) {
        const struct sk_ctl_flag *flag = &sk_ctl_flags[i];
        if (p->given[i] || (flag->commands != SK_CTL_GLOBAL && (flag->commands & commands) == 0))
            continue;
        const char *text = flag->env == NULL ? NULL : getenv(flag->env);
        if (text == NULL || text[0] == '\0')
            text = flag->preset;
        if (text == NULL && flag->kind == SK_CTL_COUNT)
            memcpy(member(p->opts, flag), &(int64_t){-1}, sizeof(int64_t));
        if (text == NULL)
            continue;
        enum sk_err err = set(p, flag, text);
        if (err != SK_OK)
            return err;
    }
    return SK_OK;
}

/* The first argument of `<query> [<field>]` that is missing, without its brackets. */
static enum sk_err missing(const struct parser *p, const char *args)
{
    size_t from = strcspn(args, "<") + 1;
    for (size_t i = 0; i < p->opts->args.count; i++)
        from += strcspn(args + from, "<") + 1;
    return sk_error_set(p->reterr, SK_EINVAL, "required argument '%.*s' not provided",
                        (int)strcspn(args + from, ">"), args + from);
}

static enum sk_err check_parts(const struct parser *p)
{
    const struct sk_ctl_opts *o = p->opts;
    if (o->parallel_workers < 1 || o->parallel_workers > SK_CTL_WORKERS_MAX)
        return sk_error_set(p->reterr, SK_EINVAL,
                            "flag '--parallel-max-workers' must be between 1 and %d",
                            SK_CTL_WORKERS_MAX);
    if (o->parallel_duration_ns < SK_NS_PER_S)
        return sk_error_set(p->reterr, SK_EINVAL, "flag '--parallel-duration' must be at least 1s");
    if (o->part_merge && o->part_prefix == NULL)
        return sk_error_set(p->reterr, SK_EINVAL,
                            "flag '--merge-parts' needs '--part-path-prefix'");
    return SK_OK;
}

/* Rules between flags. */
static enum sk_err check(const struct parser *p)
{
    const struct sk_ctl_opts *o = p->opts;
    if (o->store_config != NULL || o->remote_schema || o->schema_store != NULL)
        return sk_error_set(p->reterr, SK_EINVAL,
                            "flag '--store-config' is not available in skaldctl: it asks servers");
    if (o->from_stdin && o->command->bit != SK_CTL_CMD_QUERY)
        return sk_error_set(p->reterr, SK_EINVAL, "flag '--stdin' goes with the command 'query'");
    if (o->command->bit == SK_CTL_CMD_QUERY && o->batch == 0)
        return sk_error_set(p->reterr, SK_EINVAL, "flag '--batch' must be at least 1");
    if (o->command->bit == SK_CTL_CMD_QUERY) {
        enum sk_err err = check_parts(p);
        if (err != SK_OK)
            return err;
    }
    if (o->args.count < o->command->args_min)
        return missing(p, o->command->args);
    if (o->command->bit == SK_CTL_CMD_DELETE_CANCEL && o->request_id == NULL)
        return sk_error_set(p->reterr, SK_EINVAL, "required flag --request-id not provided");
    bool basic = o->username != NULL || o->password != NULL;
    if ((basic ? 1 : 0) + (o->bearer_token != NULL) + (o->bearer_token_file != NULL) > 1)
        return sk_error_set(p->reterr, SK_EINVAL,
                            "at most one of HTTP basic auth (username/password), bearer-token & "
                            "bearer-token-file is allowed to be configured");
    return SK_OK;
}

enum sk_err sk_ctl_opts_parse(struct sk_ctl_opts *opts, int argc, const char *const *argv,
                              struct sk_error *reterr)
{
    sk_assert(argc >= 0);
    *opts = (struct sk_ctl_opts){0};
    struct parser p = {.opts = opts, .reterr = reterr, .argv = argv, .argc = argc};
    bool words_only = false;
    enum sk_err err = SK_OK;
    while (err == SK_OK && p.at < argc) {
        const char *arg = argv[p.at++];
        if (!words_only && strcmp(arg, "--") == 0)
            words_only = true;
        else if (!words_only && strncmp(arg, "--", 2) == 0)
            err = long_flag(&p, arg);
        else if (!words_only && arg[0] == '-' && arg[1] != '\0')
            err = short_flags(&p, arg);
        else
            err = word(&p, arg);
    }
    if (err == SK_OK)
        err = fill(&p);
    bool asks = opts->help || opts->help_long || opts->help_man || opts->version ||
                opts->script[SK_CTL_BASH] || opts->script[SK_CTL_ZSH] || opts->script[SK_CTL_FISH];
    if (err == SK_OK && !asks && opts->command != NULL)
        err = check(&p);
    if (err == SK_OK && !asks && opts->command == NULL && p.group != NULL)
        err = sk_error_set(reterr, SK_EINVAL, "must select a subcommand of '%s'", p.group);
    if (err == SK_ENOMEM)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    if (err != SK_OK)
        sk_ctl_opts_deinit(opts);
    return err;
}

void sk_ctl_opts_deinit(struct sk_ctl_opts *opts)
{
    struct sk_ctl_texts *const all[] = {&opts->args,           &opts->headers,
                                        &opts->include_labels, &opts->exclude_labels,
                                        &opts->push_labels,    &opts->target_labels};
    for (size_t i = 0; i < SK_COUNT_OF(all); i++) {
        sk_free(all[i]->items);
        *all[i] = (struct sk_ctl_texts){0};
    }
}

enum sk_err sk_ctl_opts_range(const struct sk_ctl_opts *opts, int64_t *ret_start_ns,
                              int64_t *ret_end_ns, struct sk_error *reterr)
{
    int64_t end_ns = sk_clock_now_ns(), start_ns;
    enum sk_err err = SK_OK;
    if (opts->to != NULL)
        err = sk_ctl_time_parse(sk_str_from(opts->to), &end_ns, reterr);
    if (err != SK_OK)
        return err;
    if (opts->from != NULL)
        err = sk_ctl_time_parse(sk_str_from(opts->from), &start_ns, reterr);
    else if (__builtin_sub_overflow(end_ns, opts->since_ns, &start_ns))
        err = sk_error_set(reterr, SK_EPARSE, "--since reaches beyond the year 1677");
    if (err != SK_OK)
        return err;
    *ret_start_ns = start_ns;
    *ret_end_ns = end_ns;
    return SK_OK;
}
