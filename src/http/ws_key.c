/* SPDX-License-Identifier: Apache-2.0 */
/* ws_key.c -- see ws_key.h. OpenSSL's headers name things sk_free and the like: this file includes
 * nothing of base/ that does, too. */
#include "http/ws_key.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

enum { KEY_BYTES = 16, KEY_TEXT_BYTES = 24 };

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

bool sk_ws_key_good(struct sk_str key)
{
    unsigned char raw[KEY_TEXT_BYTES];
    return key.len == KEY_TEXT_BYTES && sk_str_ends(key, SK_STR("==")) &&
           key.ptr[KEY_TEXT_BYTES - 3] != '=' &&
           EVP_DecodeBlock(raw, (const unsigned char *)key.ptr, KEY_TEXT_BYTES) == KEY_BYTES + 2;
}

void sk_ws_key_accept(struct sk_str key, char ret[SK_WS_ACCEPT_BYTES + 1])
{
    unsigned char joined[KEY_TEXT_BYTES + sizeof(guid) - 1], digest[SHA_DIGEST_LENGTH];
    memcpy(joined, key.ptr, KEY_TEXT_BYTES);
    memcpy(joined + KEY_TEXT_BYTES, guid, sizeof(guid) - 1);
    SHA1(joined, sizeof(joined), digest);
    (void)EVP_EncodeBlock((unsigned char *)ret, digest, SHA_DIGEST_LENGTH); /* its 28 characters */
}
