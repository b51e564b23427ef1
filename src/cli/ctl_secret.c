/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_secret.c -- `hash-secret`: a line for the users file from a password on standard input, or
 * from a token that is made here and shown once on standard error; no request. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "auth/users.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_text.h"

/* One line, without its end. On a terminal it is asked for, and not shown. */
static bool password_read(char *buf, size_t cap, struct sk_str *ret)
{
    struct termios old, quiet;
    bool asks = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &old) == 0;
    if (asks) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs("password: ", stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet); /* shown, if it cannot be helped */
    }
    size_t n = 0;
    ssize_t got = 0;
    while (n < cap && (n == 0 || buf[n - 1] != '\n')) {
        got = read(STDIN_FILENO, buf + n, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n++;
    }
    if (asks) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        (void)fputc('\n', stderr);
    }
    if (n > 0 && buf[n - 1] == '\n')
        n--;
    if (n > 0 && buf[n - 1] == '\r')
        n--;
    *ret = (struct sk_str){buf, n};
    return got >= 0 && n > 0 && n <= SK_SECRET_TEXT_BYTES_MAX;
}

/* false: said why. */
static bool secret_make(bool token, struct sk_secret *ret)
{
    char buf[SK_SECRET_TEXT_BYTES_MAX + 2];
    struct sk_strbuf made;
    struct sk_str text;
    enum sk_err err = SK_OK;
    sk_strbuf_init(&made, sizeof(buf));
    if (token) {
        err = sk_secret_token(&made);
        text = sk_strbuf_view(&made);
        if (err == SK_OK)
            err = sk_secret_from_token(text, ret);
        if (err == SK_OK)
            (void)fprintf(stderr, "token: %.*s\n", SK_STR_ARG(text));
    } else if (password_read(buf, sizeof(buf), &text)) {
        err = sk_secret_from_password(text, ret);
    } else {
        err = SK_EINVAL;
        sk_ctl_say("a password of 1 to %u bytes is needed on standard input",
                   SK_SECRET_TEXT_BYTES_MAX);
    }
    if (err == SK_EIO || err == SK_ENOMEM)
        sk_ctl_say("cannot make the secret: %s", sk_err_text(err));
    sk_secret_wipe(buf, sizeof(buf));
    sk_strbuf_deinit(&made);
    return err == SK_OK;
}

int sk_ctl_hash_secret(const struct sk_ctl_opts *opts)
{
    const char *name = opts->args.count > 0 ? opts->args.items[0] : NULL;
    struct sk_secret secret;
    struct sk_users *users = NULL;
    struct sk_strbuf line;
    struct sk_error e;
    int code = 1;
    sk_strbuf_init(&line, SK_USERS_FILE_BYTES_MAX);
    if (!secret_make(opts->make_token, &secret))
        goto out;
    if (name != NULL)
        sk_strbuf_printf(&line, "%s ", name);
    sk_secret_format(&line, &secret);
    if (name != NULL)
        sk_strbuf_printf(&line, " %s %s", opts->rights, opts->tenants);
    sk_strbuf_putc(&line, '\n');
    if (line.failed)
        sk_ctl_say("out of memory");
    else if (name != NULL && sk_users_parse(sk_strbuf_view(&line), "line", &users, &e) != SK_OK)
        sk_ctl_say("%s", e.text);
    else
        code = sk_ctl_write(sk_strbuf_view(&line)) ? 0 : 1;
out:
    sk_users_drop(users);
    sk_strbuf_deinit(&line);
    return code;
}
