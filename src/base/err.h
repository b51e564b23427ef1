/* SPDX-License-Identifier: Apache-2.0 */
/* err.h -- the few error codes that every fallible function of skald returns.
 *
 * A function returns SK_OK and sets its ret_ outputs, or returns another code and
 * leaves them alone. Detail for humans travels in `struct sk_error`, filled on
 * failure only. Values are pinned: they appear in logs and tests. */
#ifndef SK_BASE_ERR_H
#define SK_BASE_ERR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SK_MUST_CHECK        __attribute__((warn_unused_result))
#define SK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define SK_UNUSED            __attribute__((unused))

/* X(name, value, text) */
#define SK_ERR_LIST(X)                                                                             \
    X(OK, 0, "success")                                                                            \
    X(EIO, -1, "input/output error")                                                               \
    X(ENOSPC, -2, "no space left on device")                                                       \
    X(ENOENT, -3, "no such file or directory")                                                     \
    X(EEXIST, -4, "already exists")                                                                \
    X(ECORRUPT, -5, "damaged data")                                                                \
    X(EUNSUPPORTED, -6, "format not supported")                                                    \
    X(EINVAL, -7, "invalid value")                                                                 \
    X(EPARSE, -8, "syntax error")                                                                  \
    X(ELIMIT, -9, "limit reached")                                                                 \
    X(ENOMEM, -10, "memory budget used up")                                                        \
    X(EFULL, -11, "queue full")                                                                    \
    X(ECANCELED, -12, "cancelled")                                                                 \
    X(ETIMEDOUT, -13, "timed out")                                                                 \
    X(ECLOSED, -14, "closed")                                                                      \
    X(EACCES, -15, "permission denied")

enum sk_err {
#define SK_ERR_ENUM(name, value, text) SK_##name = (value),
    SK_ERR_LIST(SK_ERR_ENUM)
#undef SK_ERR_ENUM
};

#define SK_ERROR_TEXT_BYTES 8192

struct sk_error {
    enum sk_err code;
    int64_t pos; /* line, byte or record number, whatever the caller documents; else -1 */
    size_t len;  /* of the text; what quotes damaged bytes may hold NULs before its end */
    char text[SK_ERROR_TEXT_BYTES]; /* NUL-terminated, cut when longer */
};

/* Name without prefix ("EIO") and English text of a code; never NULL. */
const char *sk_err_name(enum sk_err err);
const char *sk_err_text(enum sk_err err);

/* The code for an errno value. */
enum sk_err sk_err_from_errno(int errno_value);

/* Fills *reterr (NULL is allowed) and returns `code`, so that `return sk_error_set(...)` reads well. */
enum sk_err sk_error_set(struct sk_error *reterr, enum sk_err code, const char *fmt, ...)
    SK_PRINTF(3, 4);
enum sk_err sk_error_set_at(struct sk_error *reterr, enum sk_err code, int64_t pos, const char *fmt,
                            ...) SK_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif

#endif
