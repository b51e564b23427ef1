/* SPDX-License-Identifier: Apache-2.0 */
/* assert.h -- assertions that stay on in release builds. They catch our own mistakes;
 * bytes from disk or network are never asserted. */
#ifndef SK_BASE_ASSERT_H
#define SK_BASE_ASSERT_H

/* Prints expression, file and line to stderr and aborts. */
__attribute__((noreturn, cold)) void sk_assert_fail(const char *expr, const char *file, int line);

#define sk_assert(expr)                                                                            \
    (__builtin_expect(!!(expr), 1) ? (void)0 : sk_assert_fail(#expr, __FILE__, __LINE__))

/* Only where a profile shows the cost of sk_assert. */
#ifdef NDEBUG
#define sk_assert_debug(expr) ((void)0)
#else
#define sk_assert_debug(expr) sk_assert(expr)
#endif

#endif
