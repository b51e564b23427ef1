/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_fmt.c -- `fmt`: LogQL from standard input, formatted; no request. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/ctl_cmds.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_text.h"
#include "logql/parse.h"
#include "logql/print.h"

enum { READ_BYTES = 65536 };
#define PARSE_BYTES_MAX ((size_t)256 << 20)

/* All of standard input. 0, the errno, or ENOMEM. */
static int read_all(struct sk_strbuf *ret)
{
    for (;;) {
        if (!sk_strbuf_reserve(ret, READ_BYTES))
            return ENOMEM;
        ssize_t n = read(STDIN_FILENO, ret->ptr + ret->len, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return 0;
        ret->len += (size_t)n;
    }
}

static int format(struct sk_str text)
{
    struct sk_arena arena;
    struct sk_strbuf out;
    struct sk_error e;
    const struct sk_ast_expr *expr;
    int code = 1;
    sk_arena_init(&arena, PARSE_BYTES_MAX, NULL);
    sk_strbuf_init(&out, SK_CTL_BUFFER_BYTES_MAX);
    enum sk_err err = sk_logql_parse(&arena, text, &expr, &e);
    if (err != SK_OK) {
        sk_ctl_say("unable to format logql: failed to parse the query: %s",
                   err == SK_ENOMEM ? "out of memory" : e.text);
        goto out;
    }
    sk_logql_pretty(&out, expr);
    sk_strbuf_putc(&out, '\n');
    if (out.failed)
        sk_ctl_say("unable to format logql: out of memory");
    else
        code = sk_ctl_write(sk_strbuf_view(&out)) ? 0 : 1;
out:
    sk_arena_deinit(&arena);
    sk_strbuf_deinit(&out);
    return code;
}

int sk_ctl_fmt(const struct sk_ctl_opts *opts)
{
    struct sk_strbuf text;
    (void)opts; /* has no flags of its own */
    sk_strbuf_init(&text, (size_t)16 << 20);
    int e = read_all(&text);
    int code = 1;
    if (e != 0)
        sk_ctl_say("unable to format logql: cannot read standard input: %s", strerror(e));
    else
        code = format(sk_strbuf_view(&text));
    sk_strbuf_deinit(&text);
    return code;
}
