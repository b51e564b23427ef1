/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_complete.c -- see ctl_complete.h. The words before the last are read leniently: what a parser
 * would refuse is passed over. */
#include "cli/ctl_complete.h"

#include <string.h>

#include "cli/ctl_flags.h"

static const char *const scripts[] = {
    [SK_CTL_BASH] = "_skaldctl_bash_autocomplete() {\n"
                    "    local cur opts\n"
                    "    COMPREPLY=()\n"
                    "    cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
                    "    opts=$(\"${COMP_WORDS[0]}\" --completion-bash "
                    "\"${COMP_WORDS[@]:1:$COMP_CWORD}\")\n"
                    "    COMPREPLY=($(compgen -W \"${opts}\" -- \"${cur}\"))\n"
                    "    return 0\n"
                    "}\n"
                    "complete -F _skaldctl_bash_autocomplete -o default skaldctl\n",
    [SK_CTL_ZSH] = "#compdef skaldctl\n"
                   "_skaldctl() {\n"
                   "    local matches=(${(f)\"$(${words[1]} --completion-bash "
                   "\"${(@)words[2,$CURRENT]}\")\"})\n"
                   "    compadd -a matches\n"
                   "    if [[ $compstate[nmatches] -eq 0 && $words[$CURRENT] != -* ]]; then\n"
                   "        _files\n"
                   "    fi\n"
                   "}\n"
                   "if [[ \"${funcstack[1]}\" == _skaldctl ]]; then\n"
                   "    _skaldctl \"$@\"\n"
                   "else\n"
                   "    compdef _skaldctl skaldctl\n"
                   "fi\n",
    [SK_CTL_FISH] = "function __skaldctl_complete\n"
                    "    set -l words (commandline -opc) (commandline -ct)\n"
                    "    set -l found ($words[1] --completion-bash $words[2..-1])\n"
                    "    if count $found >/dev/null\n"
                    "        printf '%s\\n' $found\n"
                    "    else\n"
                    "        __fish_complete_path (commandline -ct)\n"
                    "    end\n"
                    "end\n"
                    "complete -c skaldctl -f -a '(__skaldctl_complete)'\n",
};

/* What the words before the last one say. */
struct seen {
    const struct sk_ctl_command *command;
    const char *group;              /* first word of a command of two; NULL: none */
    const struct sk_ctl_flag *open; /* the last word is its value */
};

void sk_ctl_complete_script(struct sk_strbuf *out, enum sk_ctl_shell shell)
{
    sk_strbuf_puts(out, scripts[shell]);
}

static bool usable(const struct sk_ctl_flag *flag, const struct sk_ctl_command *command)
{
    return flag->commands == SK_CTL_GLOBAL ||
           (command != NULL && (flag->commands & command->bit) != 0);
}

/* The flag that takes the next word as its value; NULL: none does. */
static const struct sk_ctl_flag *opened_by(const char *word, const struct sk_ctl_command *command)
{
    for (size_t i = 0; i < sk_ctl_flag_count; i++) {
        const struct sk_ctl_flag *flag = &sk_ctl_flags[i];
        if (flag->kind == SK_CTL_BOOL || !usable(flag, command))
            continue;
        bool is_long = strncmp(word, "--", 2) == 0 && strcmp(word + 2, flag->name) == 0;
        bool is_short =
            flag->letter != '\0' && word[0] == '-' && word[1] == flag->letter && word[2] == '\0';
        if (is_long || is_short)
            return flag;
    }
    return NULL;
}

/* The part of a command's name behind `group`, or its first word. */
static struct sk_str next_word(const struct sk_ctl_command *command, const char *group)
{
    struct sk_str name = sk_str_from(command->name);
    if (group == NULL)
        return (struct sk_str){name.ptr, strcspn(name.ptr, " ")};
    size_t len = strlen(group);
    if (!sk_str_starts(name, sk_str_from(group)) || name.len <= len || name.ptr[len] != ' ')
        return (struct sk_str){0};
    return (struct sk_str){name.ptr + len + 1, name.len - len - 1};
}

static void see_word(struct seen *s, const char *word)
{
    for (size_t i = 0; s->command == NULL && i < sk_ctl_command_count; i++) {
        const struct sk_ctl_command *c = &sk_ctl_commands[i];
        struct sk_str next = next_word(c, s->group);
        if (next.len == 0 || !sk_str_is(next, word))
            continue;
        if (next.ptr + next.len == c->name + strlen(c->name)) {
            s->command = c;
        } else {
            s->group = word;
            return;
        }
    }
}

static void put_commands(struct sk_strbuf *out, const char *group)
{
    struct sk_str last = {0};
    for (size_t i = 0; i < sk_ctl_command_count; i++) {
        struct sk_str next = next_word(&sk_ctl_commands[i], group);
        if (next.len == 0 || (last.len > 0 && sk_str_eq(next, last)))
            continue; /* commands of a group stand together */
        sk_strbuf_str(out, next);
        sk_strbuf_putc(out, '\n');
        last = next;
    }
}

static void put_choices(struct sk_strbuf *out, const char *choices)
{
    for (const char *c = choices; *c != '\0'; c++)
        sk_strbuf_putc(out, *c == ',' ? '\n' : *c);
    sk_strbuf_putc(out, '\n');
}

void sk_ctl_complete(struct sk_strbuf *out, int argc, const char *const *argv)
{
    struct seen s = {0};
    for (int i = 0; i + 1 < argc; i++) {
        if (s.open != NULL)
            s.open = NULL;
        else if (argv[i][0] == '-')
            s.open = opened_by(argv[i], s.command);
        else
            see_word(&s, argv[i]);
    }
    const char *last = argc > 0 ? argv[argc - 1] : "";
    if (s.open != NULL) {
        if (s.open->kind == SK_CTL_CHOICE)
            put_choices(out, s.open->choices);
    } else if (last[0] == '-') {
        for (size_t i = 0; i < sk_ctl_flag_count; i++) {
            if (sk_ctl_flags[i].help != NULL && usable(&sk_ctl_flags[i], s.command))
                sk_strbuf_printf(out, "--%s\n", sk_ctl_flags[i].name);
        }
    } else if (s.command == NULL) {
        put_commands(out, s.group);
    }
}
