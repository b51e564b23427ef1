/* SPDX-License-Identifier: Apache-2.0 */
/* Protects durable replacement: whatever call fails, a file is old or new, nothing is left over and
 * no descriptor leaks. */
#include "lib/testlib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lib/faultvfs.h"

static char path[4096];

static const char *under(const char *dir, const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static enum sk_err count_one(void *ctx, struct sk_str name, bool is_dir)
{
    (void)name, (void)is_dir;
    (*(unsigned *)ctx)++;
    return SK_OK;
}

static unsigned names_in(const char *dir)
{
    unsigned n = 0;
    assert_int_equal(sk_vfs_posix()->list(sk_vfs_posix(), dir, count_one, &n), SK_OK);
    return n;
}

static bool file_is(const char *file, const char *text)
{
    struct sk_strbuf got;
    sk_strbuf_init(&got, 1000);
    assert_int_equal(sk_vfs_read_file(sk_vfs_posix(), file, 1000, &got), SK_OK);
    bool same = sk_str_is(sk_strbuf_view(&got), text);
    sk_strbuf_deinit(&got);
    return same;
}

static void replace_leaves_old_or_new_whatever_call_fails(void **state)
{
    (void)state;
    char *dir = testlib_mkdtemp();
    struct faultvfs f;
    faultvfs_init(&f, sk_vfs_posix());
    for (int sticky = 0; sticky <= 1; sticky++) {
        for (uint64_t n = 1;; n++) {
            const char *file = under(dir, "file");
            assert_int_equal(
                sk_vfs_replace(sk_vfs_posix(), file, sk_slice_of_str(SK_STR("old text"))), SK_OK);
            faultvfs_arm(&f, n, n % 2 ? EIO : ENOSPC, sticky == 1);
            f.short_writes = true;
            enum sk_err err = sk_vfs_replace(&f.vfs, file, sk_slice_of_str(SK_STR("new")));
            assert_int_equal(f.open_count, 0);
            if (!f.hit) {
                assert_int_equal(err, SK_OK);
                assert_true(file_is(file, "new"));
                assert_true(n > 5);
                break;
            }
            assert_true(file_is(file, "old text") || file_is(file, "new"));
            if (err == SK_OK) /* only the close of the folder does not matter */
                assert_true(file_is(file, "new"));
            if (sticky == 0)
                assert_int_equal(names_in(dir), 1);
        }
    }
    testlib_rmtree(dir);
    sk_free(dir);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    char *dir = testlib_mkdtemp();
    assert_int_equal(sk_vfs_mkdirs(sk_vfs_posix(), under(dir, "a/b//c")), SK_OK);
    assert_int_equal(sk_vfs_mkdirs(sk_vfs_posix(), under(dir, "a/b/c")), SK_OK);
    struct sk_vfs_stat st;
    assert_int_equal(sk_vfs_posix()->stat(sk_vfs_posix(), under(dir, "a/b/c"), &st), SK_OK);
    assert_true(st.is_dir);
    testlib_write(under(dir, "a/file"), "x", 1);
    assert_int_equal(sk_vfs_mkdirs(sk_vfs_posix(), under(dir, "a/file")), SK_EEXIST);
    assert_int_equal(sk_vfs_mkdirs(sk_vfs_posix(), under(dir, "a/file/c")), SK_EEXIST);
    assert_int_equal(sk_vfs_posix()->rmdir(sk_vfs_posix(), under(dir, "a")), SK_EEXIST);
    testlib_rmtree(dir);
    sk_free(dir);
}

static void reading_stops_at_its_limit(void **state)
{
    (void)state;
    char *dir = testlib_mkdtemp();
    testlib_write(under(dir, "file"), "0123456789", 10);
    struct sk_strbuf got;
    sk_strbuf_init(&got, 100);
    assert_int_equal(sk_vfs_read_file(sk_vfs_posix(), path, 9, &got), SK_ELIMIT);
    assert_int_equal(got.len, 0);
    assert_int_equal(sk_vfs_read_file(sk_vfs_posix(), path, 10, &got), SK_OK);
    assert_int_equal(got.len, 10);
    assert_int_equal(sk_vfs_read_file(sk_vfs_posix(), dir, 10, &got), SK_EINVAL);
    assert_int_equal(sk_vfs_read_file(sk_vfs_posix(), under(dir, "none"), 10, &got), SK_ENOENT);
    struct faultvfs f;
    faultvfs_init(&f, sk_vfs_posix());
    f.short_writes = true;
    sk_strbuf_reset(&got);
    assert_int_equal(sk_vfs_read_file(&f.vfs, under(dir, "file"), 10, &got), SK_OK);
    assert_str(sk_strbuf_view(&got), "0123456789");
    sk_strbuf_deinit(&got);
    testlib_rmtree(dir);
    sk_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace_leaves_old_or_new_whatever_call_fails),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(reading_stops_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
