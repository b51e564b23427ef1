/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_man.c -- prints the tables as a manual page, for man(1). */
#include "cli/ctl_flags.h"
#include "cli/ctl_http.h"

static const char head[] =
    ".ad l\n.nh\n.SH NAME\nskaldctl \\- asks a skald or Loki server, and sends logs to it\n"
    ".SH SYNOPSIS\n.B skaldctl\n[\\fIflags\\fR] \\fIcommand\\fR [\\fIargs\\fR ...]\n"
    ".SH DESCRIPTION\n"
    "Takes the commands and flags of logcli, so that scripts need no change, and adds\n"
    ".BR push .\n"
    "Results go to standard output; the addresses of requests, common labels, errors and\n"
    "progress go to standard error.\n"
    "Flags may stand anywhere, those of a command behind its name;\n"
    ".BI \\-\\-no\\- flag\nswitches one off.\n"
    "What is not given is taken from the environment, where a variable is named.\n";

static const char tail[] =
    ".SH EXIT STATUS\n0 if all went well, also if nothing was found; 1 otherwise.\n"
    ".SH EXAMPLES\n.nf\n"
    "skaldctl query \\(aq{job=\"nginx\"} |= \"error\"\\(aq \\-\\-since=6h \\-\\-limit=100\n"
    "skaldctl query \\(aq{job=\"nginx\"}\\(aq \\-\\-since=24h \\-\\-parallel\\-max\\-workers=4 "
    "\\e\n"
    "    \\-\\-part\\-path\\-prefix=/tmp/nginx \\-\\-merge\\-parts \\-o raw >nginx.log\n"
    "journalctl \\-f | skaldctl push \\-\\-label=job=journal\n"
    "skaldctl delete create \\(aq{job=\"nginx\"} |= \"secret\"\\(aq \\-\\-since=24h\n"
    ".fi\n"
    ".SH SEE ALSO\n.BR skald (8)\n";

/* Text of a page: no hyphens where the reader should copy a minus, no requests by accident. */
static void put(struct sk_strbuf *out, const char *text)
{
    if (text[0] == '.' || text[0] == '\'')
        sk_strbuf_puts(out, "\\&");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '-')
            sk_strbuf_puts(out, "\\-");
        else if (*c == '\\')
            sk_strbuf_puts(out, "\\e");
        else if (*c == '\'')
            sk_strbuf_puts(out, "\\(aq");
        else
            sk_strbuf_putc(out, *c);
    }
}

static void put_flag(struct sk_strbuf *out, const struct sk_ctl_flag *flag)
{
    sk_strbuf_puts(out, ".TP\n");
    if (flag->letter != '\0')
        sk_strbuf_printf(out, "\\fB\\-%c\\fR, ", flag->letter);
    sk_strbuf_puts(out, "\\fB\\-\\-");
    put(out, flag->name);
    sk_strbuf_puts(out, "\\fR");
    if (flag->kind != SK_CTL_BOOL) {
        sk_strbuf_puts(out, "=\\fI");
        put(out, flag->preset == NULL ? "VALUE" : flag->preset);
        sk_strbuf_puts(out, "\\fR");
    }
    sk_strbuf_putc(out, '\n');
    put(out, flag->help);
    if (flag->choices != NULL) {
        sk_strbuf_puts(out, " One of ");
        for (const char *c = flag->choices; *c != '\0'; c++) {
            sk_strbuf_putc(out, *c);
            if (*c == ',')
                sk_strbuf_putc(out, ' ');
        }
        sk_strbuf_putc(out, '.');
    }
    if (flag->env != NULL)
        sk_strbuf_printf(out, " ($%s)", flag->env);
    sk_strbuf_putc(out, '\n');
}

static void put_flags(struct sk_strbuf *out, unsigned command)
{
    for (size_t i = 0; i < sk_ctl_flag_count; i++) {
        const struct sk_ctl_flag *flag = &sk_ctl_flags[i];
        bool global = flag->commands == SK_CTL_GLOBAL;
        if (flag->help != NULL && (command == SK_CTL_GLOBAL) == global &&
            (flag->commands & command) != 0)
            put_flag(out, flag);
    }
}

void sk_ctl_man(struct sk_strbuf *out)
{
    sk_strbuf_printf(out, ".TH SKALDCTL 1 \"\" \"skald %s\"\n", sk_ctl_version());
    sk_strbuf_puts(out, head);
    sk_strbuf_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < sk_ctl_command_count; i++) {
        const struct sk_ctl_command *c = &sk_ctl_commands[i];
        sk_strbuf_puts(out, ".SS \"");
        put(out, c->name);
        if (c->args[0] != '\0')
            sk_strbuf_putc(out, ' ');
        put(out, c->args);
        sk_strbuf_puts(out, "\"\n");
        put(out, c->help);
        sk_strbuf_putc(out, '\n');
        put_flags(out, c->bit);
    }
    sk_strbuf_puts(out, ".SH FLAGS OF ALL COMMANDS\n");
    put_flags(out, SK_CTL_GLOBAL);
    sk_strbuf_puts(out, tail);
}
