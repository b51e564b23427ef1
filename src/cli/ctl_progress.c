/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_progress.c -- see ctl_progress.h. */
#include "cli/ctl_progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/gotext.h"
#include "base/strbuf.h"
#include "cli/ctl_text.h"

enum { BAR_COLUMNS = 24, TEXT_BYTES = 128 };
#define PERIOD_NS (200 * SK_NS_PER_MS)

void sk_ctl_progress_init(struct sk_ctl_progress *p, bool quiet)
{
    *p = (struct sk_ctl_progress){.on = !quiet && isatty(STDERR_FILENO) == 1,
                                  .begin_mono_ns = sk_clock_mono_ns()};
}

static void put_bar(struct sk_strbuf *out, uint64_t done, uint64_t total)
{
    double part = done >= total ? 1 : (double)done / (double)total;
    int full = (int)(part * BAR_COLUMNS);
    sk_strbuf_putc(out, '[');
    for (int i = 0; i < BAR_COLUMNS; i++)
        sk_strbuf_putc(out, i < full ? '=' : (i == full ? '>' : ' '));
    sk_strbuf_printf(out, "] %3d%% ", (int)(part * 100));
}

void sk_ctl_progress_show(struct sk_ctl_progress *p, uint64_t done, uint64_t total, const char *fmt,
                          ...)
{
    int64_t now_ns = sk_clock_mono_ns();
    if (!p->on || (p->shown_mono_ns != 0 && now_ns - p->shown_mono_ns < PERIOD_NS))
        return;
    char text[TEXT_BYTES];
    struct sk_strbuf line;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut, if it is longer */
    va_end(args);
    sk_strbuf_init(&line, SK_CTL_BUFFER_BYTES_MAX);
    if (total > 0)
        put_bar(&line, done, total);
    sk_strbuf_puts(&line, text);
    if (!line.failed)
        sk_ctl_status(sk_strbuf_view(&line));
    sk_strbuf_deinit(&line);
    p->shown_mono_ns = now_ns;
}

void sk_ctl_progress_end(struct sk_ctl_progress *p)
{
    if (p->shown_mono_ns != 0)
        sk_ctl_status((struct sk_str){"", 0});
    p->shown_mono_ns = 0;
}
