/* SPDX-License-Identifier: Apache-2.0 */
/* testlib.h -- what unit tests share: cmocka's includes in their order, temporary folders,
 * whole-file reading, a seeded random generator. Include it before anything else. */
#ifndef SK_TESTS_TESTLIB_H
#define SK_TESTS_TESTLIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

/* A fresh folder below /tmp, removed with its content by testlib_rmtree(). Heap text, sk_free. */
char *testlib_mkdtemp(void);
void testlib_rmtree(const char *path);

/* The whole file; fails the test when it cannot be read. *ret_ptr is sk_free's. */
struct sk_slice testlib_read(const char *path, void **ret_ptr);
void testlib_write(const char *path, const void *data, size_t len);

/* tests/<rest>, in static storage that the next call overwrites. */
const char *testlib_path(const char *rest);

/* splitmix64; the seed comes from SK_SEED or the clock and is printed once. */
uint64_t testlib_seed(void);
uint64_t testlib_rand(uint64_t *state);

#define assert_str(got, want_cstr)                                                                 \
    do {                                                                                           \
        struct sk_str got_ = (got);                                                                \
        if (!sk_str_is(got_, (want_cstr)))                                                         \
            fail_msg("got \"%.*s\", want \"%s\"", SK_STR_ARG(got_), (want_cstr));                  \
    } while (0)

#endif
