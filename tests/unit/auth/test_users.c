/* SPDX-License-Identifier: Apache-2.0 */
/* The users file: what a line may hold, what is said of one that is wrong, and that only the right
 * secret fits. Hashes of other programs are taken as they are. */
#include "lib/testlib.h"

#include "auth/users.h"
#include "base/alloc.h"

/* RFC 7914, section 12: scrypt("pleaseletmein", "SodiumChloride", N=16384, r=8, p=1); the first
 * 32 of its 64 bytes, which is what 32 bytes asked for are. */
#define RFC_SECRET                                                                                 \
    "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI"

static struct sk_users *parsed(const char *text)
{
    struct sk_users *users = NULL;
    struct sk_error e = {.text = ""};
    if (sk_users_parse(sk_str_from(text), "users", &users, &e) != SK_OK)
        fail_msg("%s", e.text);
    return users;
}

static void refused(const char *text, const char *want)
{
    struct sk_users *users = NULL;
    struct sk_error e = {.text = ""};
    assert_int_equal(sk_users_parse(sk_str_from(text), "users", &users, &e), SK_EPARSE);
    if (strstr(e.text, want) == NULL)
        fail_msg("%s: got \"%s\", want \"%s\"", text, e.text, want);
}

static bool fits(const struct sk_secret *secret, const char *text)
{
    bool match = false;
    assert_int_equal(sk_secret_check(secret, sk_str_from(text), &match), SK_OK);
    return match;
}

static void test_lines(void **state)
{
    (void)state;
    struct sk_users *users = parsed("# who may do what\r\n"
                                    "\n"
                                    "alloy\tcert   push,read *\r\n"
                                    "  pi:2 cert delete,admin a,b.c\n"
                                    "alloy " RFC_SECRET " read fake");
    assert_int_equal(sk_users_count(users), 3);
    const struct sk_user *first = sk_users_at(users, 0), *second = sk_users_at(users, 1);
    assert_int_equal(first->rights, SK_RIGHT_PUSH | SK_RIGHT_READ);
    assert_true(first->all_tenants && sk_user_has_tenant(first, SK_STR("any")));
    assert_true(sk_str_is(second->name, "pi:2"));
    assert_int_equal(second->rights, SK_RIGHT_DELETE | SK_RIGHT_ADMIN);
    assert_true(sk_user_has_tenant(second, SK_STR("a")));
    assert_true(sk_user_has_tenant(second, SK_STR("b.c")));
    assert_false(sk_user_has_tenant(second, SK_STR("b")));
    assert_false(sk_user_has_tenant(second, SK_STR("*")));
    assert_false(sk_user_has_tenant(second, SK_STR("")));
    assert_int_equal(sk_users_find(users, SK_STR("alloy"), 0), 0);
    assert_int_equal(sk_users_find(users, SK_STR("alloy"), 1), 2);
    assert_int_equal(sk_users_find(users, SK_STR("allo"), 0), SIZE_MAX);
    assert_int_equal(sk_users_by_cert(users, SK_STR("alloy")), 0);
    assert_int_equal(sk_users_by_cert(users, SK_STR("ALLOY")), SIZE_MAX);
    sk_users_drop(users);
    users = parsed("");
    assert_int_equal(sk_users_count(users), 0);
    sk_users_drop(users);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("a cert push\n", "users:1: a line holds four fields");
    refused("#\n\na cert push b c\n", "users:3: a line holds four fields");
    refused("a password push *\n", "users:1: a secret is $scrypt$..., $sha256$... or cert");
    refused("a $sha256$12 push *\n", "users:1: a token is kept as $sha256$ and the 64 hex digits");
    refused("a $scrypt$ push *\n", "users:1: a password is kept as $scrypt$ln=14,r=8,p=1");
    refused("a $scrypt$ln=21,r=8,p=1$U29kaXVtQ2hsb3JpZGU$aa push *\n", "scrypt needs ln=10 to 20");
    refused("a $scrypt$ln=17,r=8,p=1$U29kaXVtQ2hsb3JpZGU$aa push *\n", "at most 64 MiB");
    refused("a $scrypt$ln=14,r=8,p=1$U29k$aa push *\n", "scrypt's salt is not 8 to 64 bytes");
    refused("a $scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$aa push *\n", "scrypt's hash is not 32");
    refused("a cert write *\n", "\"write\" is no right; rights are push, read, delete and admin");
    refused("a cert push, *\n", "\"\" is no right");
    refused("a cert push a,,b\n", "\"\" is no tenant");
    refused("a cert push a|b\n", "\"a|b\" is no tenant");
    refused("a cert push a,*\n", "\"*\" is no tenant");
    refused("a:b " RFC_SECRET " push *\n", "Basic cannot carry a name with a colon");
    refused("a\x01 cert push *\n", "no control characters");
    refused("a cert push *\na cert push *\na cert push *\na cert push *\na cert push *\n",
            "users:5: a name may stand in at most 4 lines");
}

static void test_secrets(void **state)
{
    struct sk_secret s, again;
    struct sk_strbuf text;
    struct sk_error e;
    (void)state;
    assert_int_equal(sk_secret_parse(SK_STR(RFC_SECRET), &s, &e), SK_OK);
    assert_true(fits(&s, "pleaseletmein"));
    assert_false(fits(&s, "pleaseletmeim"));
    assert_false(fits(&s, ""));
    assert_int_equal(sk_secret_cost(&s), 16 << 20);
    sk_strbuf_init(&text, 4096);
    sk_secret_format(&text, &s);
    assert_true(sk_str_is(sk_strbuf_view(&text), RFC_SECRET));
    assert_int_equal(sk_secret_from_password(SK_STR("pa:ss wo\xc3\xb6rd"), &s), SK_OK);
    sk_strbuf_reset(&text);
    sk_secret_format(&text, &s);
    assert_int_equal(sk_secret_parse(sk_strbuf_view(&text), &again, &e), SK_OK);
    assert_true(fits(&again, "pa:ss wo\xc3\xb6rd"));
    assert_false(fits(&again, "pa:ss word"));
    sk_secret_decoy(&s);
    assert_false(fits(&s, ""));
    assert_int_equal(sk_secret_parse(SK_STR("cert"), &s, &e), SK_OK);
    assert_false(fits(&s, ""));
    sk_strbuf_deinit(&text);
}

static void test_tokens(void **state)
{
    struct sk_secret s;
    struct sk_strbuf token, file;
    (void)state;
    sk_strbuf_init(&token, 4096);
    sk_strbuf_init(&file, 4096);
    assert_int_equal(sk_secret_token(&token), SK_OK);
    assert_int_equal(token.len, 43);
    assert_int_equal(sk_secret_from_token(sk_strbuf_view(&token), &s), SK_OK);
    sk_strbuf_puts(&file, "other $sha256$"
                          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                          " read *\nmine ");
    sk_secret_format(&file, &s);
    sk_strbuf_puts(&file, " push *\n");
    struct sk_users *users = parsed(file.ptr);
    assert_int_equal(sk_users_by_token(users, sk_strbuf_view(&token)), 1);
    assert_int_equal(sk_users_by_token(users, SK_STR("")), 0); /* the hash above is of nothing */
    assert_int_equal(sk_users_by_token(users, SK_STR("guess")), SIZE_MAX);
    sk_users_drop(users);
    sk_strbuf_deinit(&file);
    sk_strbuf_deinit(&token);
}

static void test_base64(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: refused */
    } cases[] = {{"", ""},        {"YQ==", "a"},       {"YQ", "a"},         {"YWI=", "ab"},
                 {"YWJj", "abc"}, {"_-8", "\xff\xef"}, {"/+8", "\xff\xef"}, {"Y", NULL},
                 {"YW J", NULL},  {"=", ""},           {"YQ===", NULL},     {"\xff\xff", NULL}};
    (void)state;
    for (size_t i = 0; i < SK_COUNT_OF(cases); i++) {
        uint8_t out[16];
        size_t len = 0;
        bool good = sk_base64_decode(sk_str_from(cases[i].text), out, sizeof(out), &len);
        assert_int_equal(good, cases[i].want != NULL);
        if (good) {
            assert_int_equal(len, strlen(cases[i].want));
            assert_memory_equal(out, cases[i].want, len);
        }
    }
    uint8_t small[2];
    size_t len;
    assert_false(sk_base64_decode(SK_STR("YWJj"), small, sizeof(small), &len));
}

/* Each allocation fails once: the answer is SK_ENOMEM, and nothing is lost. */
static void test_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct sk_users *users = NULL;
        struct sk_error e;
        sk_alloc_fault_arm(n);
        enum sk_err err = sk_users_parse(SK_STR("a cert push x,y\n"), "users", &users, &e);
        bool hit = sk_alloc_fault_hit();
        sk_alloc_fault_arm(0);
        assert_int_equal(err, hit ? SK_ENOMEM : SK_OK);
        sk_users_drop(users);
        if (!hit)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_secrets), cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_base64),  cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
