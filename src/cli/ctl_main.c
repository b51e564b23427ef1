/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_main.c -- main() of skaldctl. */
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/ctl_complete.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_http.h"
#include "cli/ctl_text.h"

/* Writes and frees `text`. */
static int print(struct sk_strbuf *text, FILE *to)
{
    bool ok = !text->failed &&
              fwrite(text->ptr == NULL ? "" : text->ptr, 1, text->len, to) == text->len &&
              fflush(to) == 0;
    sk_strbuf_deinit(text);
    return ok ? 0 : 1;
}

static int help(const struct sk_ctl_opts *opts, FILE *to)
{
    struct sk_strbuf out;
    sk_strbuf_init(&out, SK_CTL_BUFFER_BYTES_MAX);
    if (opts->help_man)
        sk_ctl_man(&out);
    else
        sk_ctl_help(&out, opts->command, opts->help_long);
    return print(&out, to);
}

static int complete(int argc, const char *const *argv)
{
    struct sk_strbuf out;
    sk_strbuf_init(&out, SK_CTL_BUFFER_BYTES_MAX);
    sk_ctl_complete(&out, argc, argv);
    return print(&out, stdout);
}

static int run(const struct sk_ctl_opts *opts)
{
    if (opts->version) {
        (void)fprintf(stderr, "skaldctl, version %s\n", sk_ctl_version());
        return 0;
    }
    if (opts->help || opts->help_long || opts->help_man)
        return help(opts, stdout);
    for (size_t i = 0; i < SK_COUNT_OF(opts->script); i++) {
        if (opts->script[i]) {
            struct sk_strbuf out;
            sk_strbuf_init(&out, SK_CTL_BUFFER_BYTES_MAX);
            sk_ctl_complete_script(&out, (enum sk_ctl_shell)i);
            return print(&out, stdout);
        }
    }
    if (opts->command == NULL)
        return help(opts, stderr);
    enum sk_log_level level;
    if (!sk_log_level_by_name(sk_str_from(opts->log_level), &level)) {
        (void)fprintf(stderr, "skaldctl: error: unrecognized log level \"%s\", try --help\n",
                      opts->log_level);
        return 1;
    }
    sk_log_set_level(level);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        sk_ctl_say("cannot set up libcurl");
        return 1;
    }
    int code = opts->command->run(opts);
    curl_global_cleanup();
    return code;
}

int main(int argc, char **argv)
{
    struct sk_ctl_opts opts;
    struct sk_error e;
    json_set_alloc_funcs(sk_malloc, sk_free);
    if (argc > 1 && strcmp(argv[1], "--completion-bash") == 0)
        return complete(argc - 2, (const char *const *)argv + 2);
    if (sk_ctl_opts_parse(&opts, argc > 0 ? argc - 1 : 0, (const char *const *)argv + 1, &e) !=
        SK_OK) {
        (void)fprintf(stderr, "skaldctl: error: %s, try --help\n", e.text);
        return 1;
    }
    int code = run(&opts);
    sk_ctl_opts_deinit(&opts);
    return code;
}
