/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_help.c -- prints the tables. Entries without a help text are left out. */
#include <string.h>

#include "cli/ctl_flags.h"

enum { HELP_COLUMN = 40 };

static void put_flag(struct sk_strbuf *out, const struct sk_ctl_flag *flag)
{
    size_t from = out->len;
    sk_strbuf_puts(out, "  ");
    if (flag->letter != '\0')
        sk_strbuf_printf(out, "-%c, ", flag->letter);
    else
        sk_strbuf_puts(out, "    ");
    sk_strbuf_printf(out, "--%s", flag->name);
    if (flag->kind == SK_CTL_CHOICE || (flag->preset != NULL && flag->kind != SK_CTL_BOOL))
        sk_strbuf_printf(out, "=%s", flag->preset);
    else if (flag->kind != SK_CTL_BOOL)
        sk_strbuf_puts(out, "=VALUE");
    if (out->len - from + 2 > HELP_COLUMN)
        sk_strbuf_printf(out, "\n%*s", HELP_COLUMN, "");
    else
        sk_strbuf_printf(out, "%*s", (int)(HELP_COLUMN - (out->len - from)), "");
    sk_strbuf_puts(out, flag->help);
    if (flag->choices != NULL)
        sk_strbuf_printf(out, " One of %s.", flag->choices);
    if (flag->env != NULL)
        sk_strbuf_printf(out, " ($%s)", flag->env);
    sk_strbuf_putc(out, '\n');
}

static void put_flags(struct sk_strbuf *out, const char *title, unsigned command)
{
    bool any = false;
    for (size_t i = 0; i < sk_ctl_flag_count; i++) {
        const struct sk_ctl_flag *flag = &sk_ctl_flags[i];
        bool global = flag->commands == SK_CTL_GLOBAL;
        if (flag->help == NULL || (command == SK_CTL_GLOBAL) != global ||
            (flag->commands & command) == 0)
            continue;
        if (!any)
            sk_strbuf_puts(out, title);
        any = true;
        put_flag(out, flag);
    }
}

void sk_ctl_help(struct sk_strbuf *out, const struct sk_ctl_command *command, bool all)
{
    if (command != NULL)
        sk_strbuf_printf(out, "usage: skaldctl %s [<flags>] %s\n\n%s\n", command->name,
                         command->args, command->help);
    else
        sk_strbuf_puts(out, "usage: skaldctl [<flags>] <command> [<args> ...]\n\n"
                            "Asks a skald or Loki server, and sends logs to it.\n");
    if (command != NULL)
        put_flags(out, "\nFlags of the command:\n", command->bit);
    put_flags(out, "\nFlags:\n", SK_CTL_GLOBAL);
    if (command != NULL)
        return;
    sk_strbuf_puts(out, "\nCommands:\n");
    for (size_t i = 0; i < sk_ctl_command_count; i++) {
        const struct sk_ctl_command *c = &sk_ctl_commands[i];
        sk_strbuf_printf(out, "  %s%s%s\n      %s\n", c->name, c->args[0] == '\0' ? "" : " ",
                         c->args, c->help);
        if (all)
            put_flags(out, "", c->bit);
    }
}
