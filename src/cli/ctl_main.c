/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_main.c -- main() of skaldctl. */
#include <stdio.h>

#include <curl/curl.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/ctl_flags.h"
#include "cli/ctl_http.h"
#include "cli/ctl_text.h"

static int help(const struct sk_ctl_opts *opts, FILE *to)
{
    struct sk_strbuf out;
    sk_strbuf_init(&out, SK_CTL_BUFFER_BYTES_MAX);
    sk_ctl_help(&out, opts->command, opts->help_long);
    bool ok = !out.failed && fwrite(out.ptr, 1, out.len, to) == out.len && fflush(to) == 0;
    sk_strbuf_deinit(&out);
    return ok ? 0 : 1;
}

static int run(const struct sk_ctl_opts *opts)
{
    if (opts->version) {
        (void)fprintf(stderr, "skaldctl, version %s\n", sk_ctl_version());
        return 0;
    }
    if (opts->help || opts->help_long)
        return help(opts, stdout);
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
    if (sk_ctl_opts_parse(&opts, argc > 0 ? argc - 1 : 0, (const char *const *)argv + 1, &e) !=
        SK_OK) {
        (void)fprintf(stderr, "skaldctl: error: %s, try --help\n", e.text);
        return 1;
    }
    int code = run(&opts);
    sk_ctl_opts_deinit(&opts);
    return code;
}
