/* SPDX-License-Identifier: Apache-2.0 */
/* Protects the delete requests: that what was added is there after a restart and what failed to be
 * written is not, the limit per tenant, the order, cancelling, and which times are accepted. */
#include "lib/testlib.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/vfs.h"
#include "lib/faultvfs.h"
#include "store/deletes.h"

static const char *folder_in(const char *tmp)
{
    static char folder[4096];
    (void)snprintf(folder, sizeof(folder), "%s/deletes", tmp);
    return folder;
}

static struct sk_deletes *open_at(const struct sk_vfs *vfs, const char *folder)
{
    struct sk_deletes *d = NULL;
    struct sk_error why;
    struct sk_deletes_options o = {.vfs = vfs, .folder = folder};
    assert_int_equal(sk_deletes_create(&o, &d, &why), SK_OK);
    return d;
}

static enum sk_err add(struct sk_deletes *d, const char *tenant, int64_t at, char *id)
{
    struct sk_delete like = {.start_ms = at,
                             .end_ms = at + 1000,
                             .created_ms = at + 2000,
                             .query = SK_STR("{a=\"\xc3\xa4\\n\"} |= `\"x\"\n`")};
    return sk_deletes_add(d, sk_str_from(tenant), &like, id);
}

static size_t count_of(struct sk_deletes *d, const char *tenant, struct sk_delete *ret_last)
{
    struct sk_arena arena;
    const struct sk_delete *items;
    size_t n;
    sk_arena_init(&arena, 64u << 20, NULL);
    assert_int_equal(sk_deletes_list(d, sk_str_from(tenant), &arena, &items, &n), SK_OK);
    for (size_t i = 1; i < n; i++)
        assert_true(items[i - 1].created_ms <= items[i].created_ms);
    if (n > 0) {
        assert_true(sk_str_is(items[n - 1].query, "{a=\"\xc3\xa4\\n\"} |= `\"x\"\n`"));
        *ret_last = items[n - 1];
    }
    sk_arena_deinit(&arena);
    return n;
}

static void test_outlives_restart(void **state)
{
    char id[SK_DELETE_ID_LEN + 1], other[SK_DELETE_ID_LEN + 1];
    struct sk_delete last;
    (void)state;
    char *tmp = testlib_mkdtemp();
    const char *folder = folder_in(tmp);
    struct sk_deletes *d = open_at(sk_vfs_posix(), folder);
    assert_int_equal(sk_deletes_generation(d, SK_STR("t")), 0);
    for (int64_t i = 0; i < 5; i++)
        assert_int_equal(add(d, "t", -1 + i * 1000, id), SK_OK);
    assert_int_equal(add(d, "u", 7, other), SK_OK);
    int64_t generation = sk_deletes_generation(d, SK_STR("t"));
    sk_deletes_destroy(d);
    d = open_at(sk_vfs_posix(), folder);
    assert_int_equal(sk_deletes_generation(d, SK_STR("t")), generation);
    assert_int_equal(count_of(d, "t", &last), 5);
    assert_string_equal(last.id, id);
    assert_int_equal(last.start_ms, 3999);
    assert_int_equal(last.end_ms, 4999);
    assert_int_equal(sk_deletes_cancel(d, SK_STR("t"), sk_str_from(other)), SK_ENOENT);
    assert_int_equal(sk_deletes_cancel(d, SK_STR("t"), sk_str_from(id)), SK_OK);
    assert_true(sk_deletes_generation(d, SK_STR("t")) > generation);
    assert_int_equal(count_of(d, "t", &last), 4);
    assert_int_equal(sk_deletes_cancel(d, SK_STR("t"), SK_STR("")), SK_OK);
    sk_deletes_destroy(d);
    d = open_at(sk_vfs_posix(), folder);
    assert_int_equal(count_of(d, "t", &last), 0);
    assert_int_equal(count_of(d, "u", &last), 1);
    sk_deletes_destroy(d);
    testlib_rmtree(tmp);
    sk_free(tmp);
}

static void test_failed_write_has_no_effect(void **state)
{
    char id[SK_DELETE_ID_LEN + 1];
    struct sk_delete last;
    struct faultvfs fault;
    (void)state;
    char *tmp = testlib_mkdtemp();
    const char *folder = folder_in(tmp);
    faultvfs_init(&fault, sk_vfs_posix());
    struct sk_deletes *d = open_at(&fault.vfs, folder);
    assert_int_equal(add(d, "t", 0, id), SK_OK);
    size_t count = 1;
    for (uint64_t at = 1; fault.hit || at == 1; at++) {
        faultvfs_arm(&fault, at, EIO, false);
        enum sk_err err = add(d, "t", (int64_t)at * 1000, id);
        count += err == SK_OK;
        assert_int_equal(count_of(d, "t", &last), count);
        faultvfs_arm(&fault, 0, 0, false);
        assert_int_equal(add(d, "t", (int64_t)at * 1000, id), SK_OK);
        assert_int_equal(count_of(d, "t", &last), ++count);
        if (err == SK_OK && at > 3)
            break;
    }
    sk_deletes_destroy(d);
    testlib_rmtree(tmp);
    sk_free(tmp);
}

static void test_limit(void **state)
{
    char id[SK_DELETE_ID_LEN + 1];
    struct sk_strbuf text;
    struct sk_delete last, one = {.id = "00000000", .end_ms = 1, .query = SK_STR("{}")};
    (void)state;
    char *tmp = testlib_mkdtemp();
    const char *folder = folder_in(tmp);
    struct sk_delete *items = sk_calloc(SK_DELETES_MAX, sizeof(*items));
    assert_non_null(items);
    for (size_t i = 0; i < SK_DELETES_MAX; i++) {
        items[i] = one;
        items[i].query = SK_STR("{a=\"\xc3\xa4\\n\"} |= `\"x\"\n`");
        (void)snprintf(items[i].id, sizeof(items[i].id), "%08x", (unsigned)i);
    }
    sk_strbuf_init(&text, 1u << 24);
    sk_deletes_encode(&text, 1, items, SK_DELETES_MAX);
    sk_free(items);
    assert_int_equal(sk_vfs_mkdirs(sk_vfs_posix(), folder), SK_OK);
    char path[5000];
    (void)snprintf(path, sizeof(path), "%s/t.deletes", folder);
    assert_int_equal(sk_vfs_replace(sk_vfs_posix(), path, sk_slice_of_str(sk_strbuf_view(&text))),
                     SK_OK);
    sk_strbuf_deinit(&text);
    struct sk_deletes *d = open_at(sk_vfs_posix(), folder);
    assert_int_equal(count_of(d, "t", &last), SK_DELETES_MAX);
    assert_int_equal(add(d, "t", 0, id), SK_ELIMIT);
    assert_int_equal(sk_deletes_cancel(d, SK_STR("t"), SK_STR("00000007")), SK_OK);
    assert_int_equal(add(d, "t", 0, id), SK_OK);
    sk_deletes_destroy(d);
    testlib_rmtree(tmp);
    sk_free(tmp);
}

static void test_times(void **state)
{
    int64_t ms;
    (void)state;
    assert_int_equal(sk_delete_time_parse(SK_STR("1795356078"), &ms), SK_OK);
    assert_int_equal(ms, 1795356078000);
    assert_int_equal(sk_delete_time_parse(SK_STR("2026-01-01T00:00:00.0015Z"), &ms), SK_OK);
    assert_int_equal(ms, 1767225600001);
    assert_int_equal(sk_delete_time_parse(SK_STR("1795356078000000000"), &ms), SK_EPARSE);
    assert_int_equal(sk_delete_time_parse(SK_STR("1.5"), &ms), SK_EPARSE);
    assert_int_equal(sk_delete_time_parse(SK_STR(""), &ms), SK_EPARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlives_restart),
        cmocka_unit_test(test_failed_write_has_no_effect),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
