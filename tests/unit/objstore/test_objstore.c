/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the filesystem store: objects are whole or absent whatever call fails, empty folders go,
 * keys stay inside. */
#include "lib/testlib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "lib/faultvfs.h"
#include "objstore/objstore.h"

static char *root;
static char store_dir[512], tmp_dir[512];

static int set_up(void **state)
{
    (void)state;
    root = testlib_mkdtemp();
    snprintf(store_dir, sizeof(store_dir), "%s/store", root);
    snprintf(tmp_dir, sizeof(tmp_dir), "%s/tmp", root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    testlib_rmtree(root);
    sk_free(root);
    return 0;
}

static struct sk_objstore *store_open(const struct sk_vfs *vfs)
{
    struct sk_objstore *store;
    assert_int_equal(
        sk_objstore_fs_create(vfs, sk_str_from(store_dir), sk_str_from(tmp_dir), &store), SK_OK);
    return store;
}

static enum sk_err name_add(void *ctx, struct sk_str name, bool is_dir)
{
    sk_strbuf_printf(ctx, "%.*s%s ", SK_STR_ARG(name), is_dir ? "/" : "");
    return SK_OK;
}

/* Names in a folder of the store. */
static const char *names(struct sk_objstore *store, const char *folder)
{
    static char text[1000];
    struct sk_strbuf out;
    sk_strbuf_init(&out, sizeof(text) - 1);
    assert_int_equal(sk_objstore_list(store, sk_str_from(folder), name_add, &out), SK_OK);
    snprintf(text, sizeof(text), "%.*s", SK_STR_ARG(sk_strbuf_view(&out)));
    sk_strbuf_deinit(&out);
    return text;
}

static void objects_come_and_go(void **state)
{
    (void)state;
    struct sk_objstore *store = store_open(sk_vfs_posix());
    struct sk_str key = SK_STR("team-a/5f/MTk3NQ==");
    struct sk_strbuf got;
    uint64_t size;
    sk_strbuf_init(&got, 1000);
    assert_string_equal(names(store, ""), "");
    assert_int_equal(sk_objstore_get(store, key, 100, &got), SK_ENOENT);
    assert_int_equal(sk_objstore_stat(store, key, &size), SK_ENOENT);
    assert_int_equal(sk_objstore_put(store, key, sk_slice_of_str(SK_STR("first"))), SK_OK);
    assert_int_equal(sk_objstore_put(store, key, sk_slice_of_str(SK_STR("second!"))), SK_OK);
    assert_int_equal(sk_objstore_stat(store, key, &size), SK_OK);
    assert_int_equal(size, 7);
    assert_int_equal(sk_objstore_get(store, key, 6, &got), SK_ELIMIT);
    assert_int_equal(sk_objstore_get(store, key, 7, &got), SK_OK);
    assert_str(sk_strbuf_view(&got), "second!");
    assert_int_equal(sk_objstore_stat(store, SK_STR("team-a/5f"), &size), SK_ENOENT);
    assert_string_equal(names(store, ""), "team-a/ ");
    assert_string_equal(names(store, "team-a/5f"), "MTk3NQ== ");
    assert_string_equal(names(store, "team-b"), "");
    assert_int_equal(sk_objstore_put(store, SK_STR("team-a/60/x"), sk_slice_of_str(SK_STR(""))),
                     SK_OK);
    assert_int_equal(sk_objstore_delete(store, key), SK_OK);
    assert_string_equal(names(store, "team-a"), "60/ ");
    assert_int_equal(sk_objstore_delete(store, key), SK_ENOENT);
    assert_int_equal(sk_objstore_delete(store, SK_STR("team-a/60/x")), SK_OK);
    assert_string_equal(names(store, ""), "");
    sk_strbuf_deinit(&got);
    sk_objstore_destroy(store);
}

static void modes_keep_others_out(void **state)
{
    (void)state;
    struct sk_objstore *store = store_open(sk_vfs_posix());
    char path[1024];
    struct stat st;
    mode_t old = umask(0);
    assert_int_equal(sk_objstore_put(store, SK_STR("a/b"), sk_slice_of_str(SK_STR("x"))), SK_OK);
    umask(old);
    snprintf(path, sizeof(path), "%s/a/b", store_dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    snprintf(path, sizeof(path), "%s/a", store_dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    sk_objstore_destroy(store);
}

static void keys_cannot_leave_the_root(void **state)
{
    (void)state;
    struct sk_objstore *store = store_open(sk_vfs_posix());
    static const char *const bad[] = {"", "/", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a"};
    struct sk_strbuf got;
    sk_strbuf_init(&got, 1000);
    for (size_t i = 0; i < SK_COUNT_OF(bad); i++) {
        struct sk_str key = sk_str_from(bad[i]);
        assert_int_equal(sk_objstore_put(store, key, sk_slice_of_str(SK_STR("x"))), SK_EINVAL);
        assert_int_equal(sk_objstore_get(store, key, 100, &got), SK_EINVAL);
        assert_int_equal(sk_objstore_delete(store, key), SK_EINVAL);
    }
    assert_false(sk_objstore_key_valid((struct sk_str){"a\0b", 3}));
    sk_strbuf_deinit(&got);
    sk_objstore_destroy(store);
}

static void a_put_is_whole_or_absent_whatever_call_fails(void **state)
{
    (void)state;
    struct faultvfs f;
    faultvfs_init(&f, sk_vfs_posix());
    for (int sticky = 0; sticky <= 1; sticky++) {
        for (uint64_t n = 1;; n++) {
            struct sk_objstore *store = store_open(sk_vfs_posix());
            sk_objstore_destroy(store);
            store = store_open(&f.vfs);
            struct sk_strbuf got;
            struct sk_str key = SK_STR("t/f/o");
            sk_strbuf_init(&got, 1000);
            f.short_writes = true;
            faultvfs_arm(&f, n, n % 2 ? ENOSPC : EIO, sticky == 1);
            enum sk_err err = sk_objstore_put(store, key, sk_slice_of_str(SK_STR("payload")));
            if (err == SK_OK)
                err = sk_objstore_sync(store);
            bool hit = f.hit;
            faultvfs_arm(&f, 0, 0, false);
            assert_int_equal(f.open_count, 0);
            enum sk_err read_err = sk_objstore_get(store, key, 100, &got);
            if (err == SK_OK)
                assert_int_equal(read_err, SK_OK);
            if (read_err == SK_OK) {
                assert_str(sk_strbuf_view(&got), "payload");
                assert_int_equal(sk_objstore_delete(store, key), SK_OK);
            }
            sk_strbuf_deinit(&got);
            sk_objstore_destroy(store);
            if (!hit) {
                assert_int_equal(err, SK_OK);
                assert_true(n > 8);
                break;
            }
            testlib_rmtree(store_dir);
        }
    }
    /* leftovers are cleared at the next start */
    char path[1024];
    struct sk_vfs_stat st;
    snprintf(path, sizeof(path), "%s/obj-1-2", tmp_dir);
    testlib_write(path, "x", 1);
    struct sk_objstore *store = store_open(sk_vfs_posix());
    assert_int_equal(sk_vfs_posix()->stat(sk_vfs_posix(), path, &st), SK_ENOENT);
    sk_objstore_destroy(store);
}

/* Files in one folder share its sync; nothing is synced twice, and what failed is tried again. */
static void folders_are_synced_once_for_all_their_files(void **state)
{
    (void)state;
    struct faultvfs f;
    faultvfs_init(&f, sk_vfs_posix());
    struct sk_objstore *store = store_open(&f.vfs);
    const char *keys[] = {"t/a/1", "t/a/2", "t/b/1", "t/a/3"};
    for (size_t i = 0; i < SK_COUNT_OF(keys); i++)
        assert_int_equal(sk_objstore_put(store, sk_str_from(keys[i]), sk_slice_of_str(SK_STR("x"))),
                         SK_OK);
    faultvfs_arm(&f, 2, EIO, false); /* open, fsync */
    assert_int_equal(sk_objstore_sync(store), SK_EIO);
    assert_true(f.hit);
    faultvfs_arm(&f, 0, 0, false);
    uint64_t before = f.calls;
    assert_int_equal(sk_objstore_sync(store), SK_OK);
    assert_int_equal(f.calls - before, 3 * 4); /* open, fsync, close: the root, t, t/a, t/b */
    before = f.calls;
    assert_int_equal(sk_objstore_sync(store), SK_OK);
    assert_int_equal(f.calls - before, 0);
    /* a folder that a deletion took away in between is no failure */
    assert_int_equal(sk_objstore_put(store, SK_STR("t/c/1"), sk_slice_of_str(SK_STR("x"))), SK_OK);
    assert_int_equal(sk_objstore_delete(store, SK_STR("t/c/1")), SK_OK);
    assert_int_equal(sk_objstore_sync(store), SK_OK);
    sk_objstore_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(modes_keep_others_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_cannot_leave_the_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_put_is_whole_or_absent_whatever_call_fails, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(folders_are_synced_once_for_all_their_files, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
