/* SPDX-License-Identifier: Apache-2.0 */
/* log.c -- see log.h. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/gotext.h"
#include "base/jsonout.h"

enum { REPEAT_SLOTS = 64, VALUE_BYTES_MAX = 256 };
#define REPEAT_NS (10 * SK_NS_PER_S)

static _Atomic int level_now = SK_LOG_INFO;
static _Atomic bool as_json;
static _Atomic uint64_t counts[4];

static struct {
    const char *msg;
    int64_t next_ns;
    uint64_t left_out;
} repeats[REPEAT_SLOTS];
static pthread_mutex_t repeat_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const names[] = {"debug", "info", "warn", "error"};

void sk_log_set_level(enum sk_log_level level)
{
    atomic_store(&level_now, (int)level);
}

enum sk_log_level sk_log_get_level(void)
{
    return (enum sk_log_level)atomic_load(&level_now);
}

const char *sk_log_level_name(enum sk_log_level level)
{
    return names[level];
}

bool sk_log_level_by_name(struct sk_str name, enum sk_log_level *ret)
{
    for (size_t i = 0; i < SK_COUNT_OF(names); i++) {
        if (sk_str_is(name, names[i])) {
            *ret = (enum sk_log_level)i;
            return true;
        }
    }
    return false;
}

void sk_log_set_json(bool json)
{
    atomic_store(&as_json, json);
}

uint64_t sk_log_count(enum sk_log_level level)
{
    return atomic_load(&counts[level]);
}

/* Messages are literals, so that the pointer is the identity. true: write; *left_out since the last. */
static bool repeat_pass(const char *msg, uint64_t *left_out)
{
    bool pass = true;
    *left_out = 0;
    int64_t now = sk_clock_mono_ns();
    pthread_mutex_lock(&repeat_lock);
    size_t slot = ((uintptr_t)msg >> 3) % REPEAT_SLOTS;
    if (repeats[slot].msg != msg) {
        repeats[slot].msg = msg;
        repeats[slot].left_out = 0;
        repeats[slot].next_ns = now + REPEAT_NS;
    } else if (now < repeats[slot].next_ns) {
        repeats[slot].left_out++;
        pass = false;
    } else {
        *left_out = repeats[slot].left_out;
        repeats[slot].left_out = 0;
        repeats[slot].next_ns = now + REPEAT_NS;
    }
    pthread_mutex_unlock(&repeat_lock);
    return pass;
}

static void add_value(struct sk_strbuf *out, const char *value, bool json)
{
    struct sk_str v = sk_str_from(value);
    if (v.len > VALUE_BYTES_MAX)
        v.len = VALUE_BYTES_MAX;
    bool plain = v.len > 0 && !json;
    for (size_t i = 0; i < v.len && plain; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        plain = c > 0x20 && c < 0x7f && c != '"' && c != '=' && c != '\\';
    }
    if (plain)
        sk_strbuf_str(out, v);
    else
        sk_json_string(out, v);
}

static void add_field(struct sk_strbuf *out, const char *key, const char *value, bool json)
{
    if (json) {
        sk_strbuf_puts(out, out->len > 1 ? "," : "");
        sk_json_string(out, sk_str_from(key));
        sk_strbuf_putc(out, ':');
    } else {
        sk_strbuf_puts(out, out->len > 0 ? " " : "");
        sk_strbuf_puts(out, key);
        sk_strbuf_putc(out, '=');
    }
    add_value(out, value, json);
}

void sk_log_write(enum sk_log_level level, const char *caller, const char *msg, ...)
{
    if ((int)level < atomic_load_explicit(&level_now, memory_order_relaxed))
        return;
    uint64_t left_out = 0;
    if (level >= SK_LOG_WARN && !repeat_pass(msg, &left_out))
        return;
    atomic_fetch_add(&counts[level], 1);
    bool json = atomic_load(&as_json);
    struct sk_strbuf out, ts;
    sk_strbuf_init(&out, 64 * 1024);
    sk_strbuf_init(&ts, 64);
    sk_rfc3339_format(&ts, sk_clock_now_ns());
    if (json)
        sk_strbuf_putc(&out, '{');
    add_field(&out, "ts", ts.ptr, json);
    add_field(&out, "level", names[level], json);
    const char *file = strrchr(caller, '/');
    add_field(&out, "caller", file == NULL ? caller : file + 1, json);
    add_field(&out, "msg", msg, json);
    va_list ap;
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
        const char *value = va_arg(ap, const char *);
        add_field(&out, key, value == NULL ? "" : value, json);
    }
    va_end(ap);
    if (left_out > 0)
        sk_strbuf_printf(&out, json ? ",\"repeated\":%llu" : " repeated=%llu",
                         (unsigned long long)left_out);
    sk_strbuf_puts(&out, json ? "}\n" : "\n");
    if (!out.failed && write(STDERR_FILENO, out.ptr, out.len) < 0) {
        /* nowhere left to tell */
    }
    sk_strbuf_deinit(&out);
    sk_strbuf_deinit(&ts);
}
