/* SPDX-License-Identifier: Apache-2.0 */
/* skald_main.c -- the server program: command line and exit status; the rest is server/. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "config/config.h"
#include "server/server_run.h"

static const char version_text[] =
    "skald, version 0.1.0 (speaks the API and formats of Loki 3.7.6)\n";

static void print(FILE *to, const struct sk_strbuf *text)
{
    (void)fwrite(text->ptr == NULL ? "" : text->ptr, 1, text->len, to); /* nothing to do about it */
}

static int explain(const struct sk_config *config)
{
    struct sk_strbuf out;
    sk_strbuf_init(&out, 64u << 20);
    sk_config_explain(config, &out);
    bool failed = out.failed;
    print(stdout, &out);
    sk_strbuf_deinit(&out);
    return failed ? 1 : 0;
}

static int answer_only(const struct sk_config *config)
{
    struct sk_strbuf out;
    sk_strbuf_init(&out, 64u << 20);
    if (config->version)
        sk_strbuf_puts(&out, version_text);
    else if (config->help)
        sk_config_help(&out);
    else if (config->list_targets)
        sk_strbuf_puts(&out, "all\n");
    print(stdout, &out);
    sk_strbuf_deinit(&out);
    return 0;
}

int main(int argc, char **argv)
{
    static struct sk_config config;
    struct sk_error detail = {.text = ""};
    int status = 1;
    (void)umask(027);
    if (sk_config_load(argc, argv, &config, &status, &detail) != SK_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
        return status;
    }
    if (config.version || config.help || config.list_targets) {
        status = answer_only(&config);
        sk_config_deinit(&config);
        return status;
    }
    if (config.explain) {
        status = explain(&config);
        sk_config_deinit(&config);
        return status;
    }
    enum sk_log_level level;
    if (sk_log_level_by_name(sk_str_from(config.log_level), &level))
        sk_log_set_level(level);
    sk_log_set_json(sk_str_is(sk_str_from(config.log_format), "json"));
    if (config.print_config_stderr) {
        struct sk_strbuf out;
        sk_strbuf_init(&out, 64u << 20);
        sk_strbuf_puts(&out, "---\n# Loki Config\n# (version=skald 0.1.0)\n");
        sk_config_print(&config, &out);
        print(stderr, &out);
        sk_strbuf_deinit(&out);
    }
    if (config.verify_config) {
        sk_log(SK_LOG_INFO, "config is valid");
        status = 0;
    } else {
        status = sk_server_run(&config, &detail);
        if (status != 0)
            sk_log(SK_LOG_ERROR, "cannot start", "err", detail.text);
    }
    sk_config_deinit(&config);
    return status;
}
