/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_text.c -- see ctl_text.h. Both ends are written without stdio's buffers, so that the order
 * on a terminal is that of the calls. */
#include "cli/ctl_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "cli/ctl_time.h"

#define CLEAR_LINE "\r\033[K"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of every write and of what follows */
static bool status_shown;

/* 0, or the errno. */
static int write_all(int fd, struct sk_str text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        text.ptr += n;
        text.len -= (size_t)n;
    }
    return 0;
}

/* Under the lock. */
static void clear_status(void)
{
    if (status_shown)
        (void)write_all(STDERR_FILENO, SK_STR(CLEAR_LINE)); /* cosmetic */
    status_shown = false;
}

void sk_ctl_status(struct sk_str text)
{
    pthread_mutex_lock(&lock);
    clear_status();
    if (text.len > 0) {
        (void)write_all(STDERR_FILENO, text); /* cosmetic */
        status_shown = true;
    }
    pthread_mutex_unlock(&lock);
}

void sk_ctl_say(const char *fmt, ...)
{
    struct sk_strbuf line;
    va_list args, again;
    sk_strbuf_init(&line, SK_CTL_BUFFER_BYTES_MAX);
    sk_ctl_time_stamp(&line, sk_clock_now_ns());
    sk_strbuf_putc(&line, ' ');
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    if (len >= 0 && sk_strbuf_reserve(&line, (size_t)len)) {
        (void)vsnprintf(line.ptr + line.len, (size_t)len + 1, fmt, again); /* measured above */
        line.len += (size_t)len;
    }
    va_end(again);
    va_end(args);
    sk_strbuf_putc(&line, '\n');
    pthread_mutex_lock(&lock);
    clear_status();
    (void)write_all(STDERR_FILENO, sk_strbuf_view(&line)); /* nowhere left to complain */
    pthread_mutex_unlock(&lock);
    sk_strbuf_deinit(&line);
}

bool sk_ctl_write_to(int fd, struct sk_str text)
{
    pthread_mutex_lock(&lock);
    if (isatty(fd) == 1)
        clear_status();
    int e = write_all(fd, text);
    pthread_mutex_unlock(&lock);
    if (e != 0)
        sk_ctl_say("cannot write the output: %s", strerror(e));
    return e == 0;
}

bool sk_ctl_write(struct sk_str text)
{
    return sk_ctl_write_to(STDOUT_FILENO, text);
}
