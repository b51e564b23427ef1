/* SPDX-License-Identifier: Apache-2.0 */
/* testlib.c -- see testlib.h. */
#include "lib/testlib.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

char *testlib_mkdtemp(void)
{
    char name[] = "/tmp/skald-test-XXXXXX";
    assert_non_null(mkdtemp(name));
    char *copy = sk_memdup0(name, sizeof(name) - 1);
    assert_non_null(copy);
    return copy;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void testlib_rmtree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* best effort */
}

struct sk_slice testlib_read(const char *path, void **ret_ptr)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot open %s", path);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    assert_true(size >= 0);
    void *data = sk_malloc((size_t)size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    *ret_ptr = data;
    return (struct sk_slice){data, (size_t)size};
}

void testlib_write(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

const char *testlib_path(const char *rest)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%s", SK_TEST_DIR, rest);
    return path;
}

uint64_t testlib_seed(void)
{
    const char *text = getenv("SK_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
    printf("SK_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

uint64_t testlib_rand(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
