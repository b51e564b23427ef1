/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the segment being written: what is committed stays as it is through rollbacks, failed
 * calls and the next open, byte for byte, whether writes go past the page cache or not. */
#include "lib/testlib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "lib/faultvfs.h"
#include "wal/appender.h"

static char path[4096];
static uint8_t bytes[1 << 20];

static void bytes_make(uint64_t *seed)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(testlib_rand(seed) | 1); /* no zeros, so that padding shows */
}

static void file_is(size_t len)
{
    void *owned;
    struct sk_slice file = testlib_read(path, &owned);
    assert_int_equal(file.len, len);
    assert_memory_equal(file.ptr, bytes, len);
    sk_free(owned);
}

/* What a crash would leave: the committed bytes, then zeros. */
static void file_begins_with(size_t len)
{
    void *owned;
    struct sk_slice file = testlib_read(path, &owned);
    assert_true(file.len >= len);
    assert_memory_equal(file.ptr, bytes, len);
    for (size_t i = len; i < file.len; i++)
        assert_int_equal(file.ptr[i], 0);
    sk_free(owned);
}

static char *dir_begin(void)
{
    char *dir = testlib_mkdtemp();
    snprintf(path, sizeof(path), "%s/00000000", dir);
    return dir;
}

static void dir_end(char *dir)
{
    testlib_rmtree(dir);
    sk_free(dir);
}

static void pieces_of_any_length_follow_each_other(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    bytes_make(&seed);
    for (int synced = 0; synced <= 1; synced++) {
        struct sk_wal_appender a;
        char *dir = dir_begin();
        assert_int_equal(sk_wal_appender_init(&a, sk_vfs_posix(), synced == 1), SK_OK);
        assert_int_equal(sk_wal_appender_open(&a, path), SK_OK);
        size_t at = 0;
        while (at < sizeof(bytes) - 1) {
            size_t max = testlib_rand(&seed) % 4 == 0 ? 400000 : 9000;
            size_t n = 1 + (size_t)(testlib_rand(&seed) % max);
            n = n > sizeof(bytes) - at ? sizeof(bytes) - at : n;
            assert_int_equal(sk_wal_appender_write(&a, (struct sk_slice){bytes + at, n}), SK_OK);
            at += n;
            if (testlib_rand(&seed) % 2 == 0) {
                assert_int_equal(sk_wal_appender_commit(&a, true), SK_OK);
                assert_int_equal(a.committed, at);
                file_begins_with(at);
            }
        }
        assert_int_equal(sk_wal_appender_commit(&a, true), SK_OK);
        sk_wal_appender_close(&a);
        file_is(at);
        sk_wal_appender_deinit(&a);
        dir_end(dir);
    }
}

static void rollback_forgets_what_was_not_committed(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    bytes_make(&seed);
    for (int synced = 0; synced <= 1; synced++) {
        struct sk_wal_appender a;
        char *dir = dir_begin();
        assert_int_equal(sk_wal_appender_init(&a, sk_vfs_posix(), synced == 1), SK_OK);
        assert_int_equal(sk_wal_appender_open(&a, path), SK_OK);
        assert_int_equal(sk_wal_appender_write(&a, (struct sk_slice){bytes, 5000}), SK_OK);
        assert_int_equal(sk_wal_appender_commit(&a, true), SK_OK);
        assert_int_equal(sk_wal_appender_write(&a, (struct sk_slice){bytes + 9, 300}), SK_OK);
        sk_wal_appender_rollback(&a);
        assert_int_equal(sk_wal_appender_write(&a, (struct sk_slice){bytes + 5000, 7000}), SK_OK);
        assert_int_equal(sk_wal_appender_commit(&a, true), SK_OK);
        assert_int_equal(sk_wal_appender_write(&a, (struct sk_slice){bytes, 100}), SK_OK);
        sk_wal_appender_close(&a);
        file_is(12000);
        sk_wal_appender_deinit(&a);
        dir_end(dir);
    }
}

/* Each call fails once, with and without all later ones failing too. */
static void a_failed_call_costs_nothing_that_was_committed(void **state)
{
    (void)state;
    uint64_t seed = testlib_seed();
    bytes_make(&seed);
    for (uint64_t n = 1;; n++) {
        struct sk_wal_appender a;
        struct faultvfs f;
        char *dir = dir_begin();
        faultvfs_init(&f, sk_vfs_posix());
        assert_int_equal(sk_wal_appender_init(&a, &f.vfs, n % 2 == 0), SK_OK);
        faultvfs_arm(&f, (n + 1) / 2, ENOSPC, false);
        size_t committed = 0;
        enum sk_err err = sk_wal_appender_open(&a, path);
        for (size_t at = 0; err == SK_OK && at < 600000; at += 100000) {
            err = sk_wal_appender_write(&a, (struct sk_slice){bytes + at, 100000});
            if (err == SK_OK)
                err = sk_wal_appender_commit(&a, true);
            if (err == SK_OK)
                committed = at + 100000;
        }
        bool hit = f.hit;
        if (a.fd >= 0) {
            sk_wal_appender_rollback(&a);
            sk_wal_appender_close(&a);
            void *owned;
            struct sk_slice file = testlib_read(path, &owned);
            assert_true(file.len >= committed);
            assert_memory_equal(file.ptr, bytes, committed);
            sk_free(owned);
        }
        assert_int_equal(f.open_count, 0);
        sk_wal_appender_deinit(&a);
        dir_end(dir);
        if (!hit)
            break;
    }
}

static void a_large_reservation_writes_no_zeros(void **state)
{
    (void)state;
    struct sk_wal_appender a;
    struct faultvfs f;
    char *dir = dir_begin();
    faultvfs_init(&f, sk_vfs_posix());
    assert_int_equal(sk_wal_appender_init(&a, &f.vfs, true), SK_OK);
    assert_int_equal(sk_wal_appender_open(&a, path), SK_OK);
    assert_int_equal(a.reserved, SK_WAL_PREALLOC_BYTES);
    uint64_t before = f.calls;
    assert_int_equal(sk_wal_appender_reserve(&a, 2 * SK_WAL_PREALLOC_BYTES), SK_OK);
    assert_int_equal(a.reserved, 2 * SK_WAL_PREALLOC_BYTES);
    assert_true(f.calls - before <= 1 || f.calls - before > 30); /* where it cannot allocate */
    sk_wal_appender_close(&a);
    file_is(0);
    sk_wal_appender_deinit(&a);
    dir_end(dir);
}

static void an_existing_file_is_left_alone(void **state)
{
    (void)state;
    struct sk_wal_appender a;
    char *dir = dir_begin();
    memcpy(bytes, "there", 5);
    testlib_write(path, bytes, 5);
    assert_int_equal(sk_wal_appender_init(&a, sk_vfs_posix(), true), SK_OK);
    assert_int_equal(sk_wal_appender_open(&a, path), SK_EEXIST);
    assert_int_equal(a.fd, -1);
    file_is(5);
    sk_wal_appender_deinit(&a);
    dir_end(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_length_follow_each_other),
        cmocka_unit_test(rollback_forgets_what_was_not_committed),
        cmocka_unit_test(a_failed_call_costs_nothing_that_was_committed),
        cmocka_unit_test(a_large_reservation_writes_no_zeros),
        cmocka_unit_test(an_existing_file_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
