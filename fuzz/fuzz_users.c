/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_users.c -- any bytes as a users file, and as what a client sends for credentials: they are
 * refused with the line, or every user has a secret that formats and parses to itself. No password
 * is checked here: scrypt would take the fuzzer's time. */
#include <stdint.h>
#include <string.h>

#include "auth/users.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct sk_users *users)
{
    for (size_t i = 0; i < sk_users_count(users); i++) {
        const struct sk_user *user = sk_users_at(users, i);
        struct sk_strbuf text;
        struct sk_secret again;
        sk_strbuf_init(&text, 4096);
        sk_secret_format(&text, &user->secret);
        sk_assert(sk_secret_parse(sk_strbuf_view(&text), &again, NULL) == SK_OK);
        sk_assert(again.kind == user->secret.kind && sk_secret_equal(&again, &user->secret));
        sk_assert(sk_secret_cost(&again) <= SK_SECRET_MEMORY_BYTES_MAX);
        sk_assert(user->name.len > 0 && user->rights != 0);
        sk_assert(user->all_tenants || user->tenant_count > 0);
        sk_assert(sk_users_find(users, user->name, 0) <= i);
        sk_strbuf_deinit(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_str text = {(const char *)data, size};
    struct sk_users *users;
    struct sk_error why = {.text = ""};
    uint8_t bytes[64];
    size_t len = 0;
    enum sk_err err = sk_users_parse(text, "users", &users, &why);
    if (err == SK_OK) {
        look(users);
        (void)sk_users_by_token(users, text);
        sk_users_drop(users);
    } else {
        sk_assert(strncmp(why.text, "users:", 6) == 0);
    }
    if (sk_base64_decode(text, bytes, sizeof(bytes), &len))
        sk_assert(len <= sizeof(bytes));
    return 0;
}
