/* SPDX-License-Identifier: Apache-2.0 */
/* err.c -- tables behind err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const char *sk_err_name(enum sk_err err)
{
    switch (err) {
#define SK_ERR_NAME(name, value, text)                                                             \
    case SK_##name:                                                                                \
        return #name;
        SK_ERR_LIST(SK_ERR_NAME)
#undef SK_ERR_NAME
    }
    return "EUNKNOWN";
}

const char *sk_err_text(enum sk_err err)
{
    switch (err) {
#define SK_ERR_TEXT(name, value, text)                                                             \
    case SK_##name:                                                                                \
        return text;
        SK_ERR_LIST(SK_ERR_TEXT)
#undef SK_ERR_TEXT
    }
    return "unknown error";
}

enum sk_err sk_err_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0:
        return SK_OK;
    case ENOSPC:
    case EDQUOT:
        return SK_ENOSPC;
    case ENOENT:
    case ENOTDIR:
        return SK_ENOENT;
    case EEXIST:
        return SK_EEXIST;
    case ENOMEM:
        return SK_ENOMEM;
    case EINVAL:
        return SK_EINVAL;
    case EACCES:
    case EPERM:
        return SK_EACCES;
    default:
        return SK_EIO;
    }
}

SK_PRINTF(4, 0)
static void error_fill(struct sk_error *reterr, enum sk_err code, int64_t pos, const char *fmt,
                       va_list ap)
{
    if (reterr == NULL)
        return;
    reterr->code = code;
    reterr->pos = pos;
    int len = vsnprintf(reterr->text, sizeof(reterr->text), fmt, ap);
    reterr->len = len < 0 ? 0 : (size_t)len;
    if (reterr->len >= sizeof(reterr->text)) /* a cut text is still a text */
        reterr->len = sizeof(reterr->text) - 1;
}

enum sk_err sk_error_set(struct sk_error *reterr, enum sk_err code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_fill(reterr, code, -1, fmt, ap);
    va_end(ap);
    return code;
}

enum sk_err sk_error_set_at(struct sk_error *reterr, enum sk_err code, int64_t pos, const char *fmt,
                            ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_fill(reterr, code, pos, fmt, ap);
    va_end(ap);
    return code;
}
