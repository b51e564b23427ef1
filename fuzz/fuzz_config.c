/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a configuration or are refused with a text; what loads prints, and what was loaded
 * from print prints the same again. Variables in any text expand or are refused with a text. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "config/config_int.h"

#define PRINT_BYTES (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *variable(void *ctx, const char *name)
{
    (void)ctx;
    return name[0] == 'V' ? "hello/world" : NULL;
}

/* false: refused. */
static bool load(struct sk_str text, struct sk_strbuf *out)
{
    struct sk_config config = {.target = "all"};
    struct sk_config_flags flags;
    struct sk_error why = {.text = ""};
    char program[] = "skald";
    char *argv[] = {program, NULL};
    sk_arena_init(&config.arena, SK_CONFIG_ARENA_BYTES, NULL);
    enum sk_err err = sk_flags_parse(&config.arena, 1, argv, &flags, &why);
    sk_assert(err == SK_OK);
    err = sk_config_load_text(&config, &flags, text, "file", &why);
    sk_assert(err == SK_OK || err == SK_ENOMEM || why.text[0] != '\0');
    if (err == SK_OK)
        sk_config_print(&config, out);
    sk_config_deinit(&config);
    return err == SK_OK;
}

/* libyaml refuses names of more than 1024 bytes that stand in a line. */
static bool has_long_line(struct sk_str text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n')
            start = i;
        if (i - start > 1000)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_strbuf first, second, expanded;
    struct sk_str text = {(const char *)data, size};
    sk_strbuf_init(&first, PRINT_BYTES);
    sk_strbuf_init(&second, PRINT_BYTES);
    sk_strbuf_init(&expanded, SK_CONFIG_EXPANDED_BYTES_MAX);
    if (load(text, &first) && !first.failed && !has_long_line(sk_strbuf_view(&first)) &&
        strstr(first.ptr, "<secret>") == NULL) {
        sk_assert(load(sk_strbuf_view(&first), &second));
        sk_assert(sk_str_eq(sk_strbuf_view(&first), sk_strbuf_view(&second)));
    }
    struct sk_error why = {.text = ""};
    if (sk_config_expand(text, variable, NULL, &expanded, &why) != SK_OK)
        sk_assert(why.text[0] != '\0' || expanded.failed);
    sk_strbuf_deinit(&expanded);
    sk_strbuf_deinit(&second);
    sk_strbuf_deinit(&first);
    return 0;
}
