/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_http.c -- see ctl_http.h. Redirects are followed for GET only. libcurl's own headers are
 * switched off, so that a request holds what logcli's holds. */
#include "cli/ctl_http.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/gotext.h"
#include "base/vfs.h"
#include "cli/ctl_text.h"

enum { CONNECT_TIMEOUT_S = 30, REDIRECTS_MAX = 10, TOKEN_BYTES_MAX = 1 << 20 };

struct sk_ctl_http {
    const struct sk_ctl_opts *opts;
    CURL *curl;
    struct curl_slist *headers;
    struct sk_strbuf url;
    struct sk_strbuf body;
    struct sk_strbuf early; /* bytes behind the head of an upgrade's answer */
    char fault[CURL_ERROR_SIZE];
    bool setup_failed; /* an option or a header was refused; sticks */
};

const char *sk_ctl_version(void)
{
    return SK_CTL_VERSION;
}

/* All options go through here, so that none fails unseen. */
#define SET(http, option, value)                                                                   \
    ((http)->setup_failed |= curl_easy_setopt((http)->curl, (option), (value)) != CURLE_OK)

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct sk_ctl_http *http = ctx;
    sk_strbuf_add(&http->body, data, size * count);
    return http->body.failed ? 0 : size * count;
}

/* ---- headers ---- */

static void add_header(struct sk_ctl_http *http, const char *line)
{
    struct curl_slist *list = curl_slist_append(http->headers, line);
    if (list == NULL)
        http->setup_failed = true;
    else
        http->headers = list;
}

static void add_named_header(struct sk_ctl_http *http, const char *name, struct sk_str value)
{
    struct sk_strbuf line;
    sk_strbuf_init(&line, TOKEN_BYTES_MAX);
    sk_strbuf_printf(&line, "%s: %.*s", name, SK_STR_ARG(value));
    if (line.failed)
        http->setup_failed = true;
    else
        add_header(http, line.ptr);
    sk_strbuf_deinit(&line);
}

static void add_basic_auth(struct sk_ctl_http *http)
{
    const struct sk_ctl_opts *o = http->opts;
    struct sk_strbuf plain, value;
    sk_strbuf_init(&plain, TOKEN_BYTES_MAX);
    sk_strbuf_init(&value, TOKEN_BYTES_MAX);
    sk_strbuf_printf(&plain, "%s:%s", o->username == NULL ? "" : o->username,
                     o->password == NULL ? "" : o->password);
    sk_strbuf_puts(&value, "Basic ");
    sk_ctl_base64(&value, sk_strbuf_view(&plain));
    http->setup_failed |= plain.failed || value.failed;
    add_named_header(http, o->auth_header, sk_strbuf_view(&value));
    sk_strbuf_deinit(&plain);
    sk_strbuf_deinit(&value);
}

static enum sk_err add_bearer_auth(struct sk_ctl_http *http, struct sk_error *reterr)
{
    const struct sk_ctl_opts *o = http->opts;
    struct sk_strbuf token, value;
    enum sk_err err = SK_OK;
    sk_strbuf_init(&token, TOKEN_BYTES_MAX);
    sk_strbuf_init(&value, TOKEN_BYTES_MAX);
    if (o->bearer_token_file == NULL) {
        sk_strbuf_puts(&token, o->bearer_token);
    } else {
        err = sk_vfs_read_file(sk_vfs_posix(), o->bearer_token_file, TOKEN_BYTES_MAX, &token);
        if (err != SK_OK) {
            err = sk_error_set(reterr, SK_EINVAL,
                               "unable to read authorization credentials file %s: %s",
                               o->bearer_token_file, sk_err_text(err));
            goto out;
        }
    }
    sk_strbuf_printf(&value, "Bearer %.*s", SK_STR_ARG(sk_str_trim(sk_strbuf_view(&token))));
    http->setup_failed |= token.failed || value.failed;
    add_named_header(http, o->auth_header, sk_strbuf_view(&value));
out:
    sk_strbuf_deinit(&token);
    sk_strbuf_deinit(&value);
    return err;
}

static enum sk_err add_custom_header(struct sk_ctl_http *http, const char *text,
                                     struct sk_error *reterr)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || colon == text)
        return sk_error_set(reterr, SK_EINVAL, "--header wants 'Name: value', got '%s'", text);
    struct sk_strbuf name;
    sk_strbuf_init(&name, TOKEN_BYTES_MAX);
    sk_strbuf_add(&name, text, (size_t)(colon - text));
    if (name.failed)
        http->setup_failed = true;
    else
        add_named_header(http, name.ptr, sk_str_trim(sk_str_from(colon + 1)));
    sk_strbuf_deinit(&name);
    return SK_OK;
}

static enum sk_err add_headers(struct sk_ctl_http *http, struct sk_error *reterr)
{
    const struct sk_ctl_opts *o = http->opts;
    enum sk_err err = SK_OK;
    add_header(http, "Accept:"); /* without a value: libcurl leaves it out */
    add_header(http, "Expect:");
    add_header(http, "Content-Type:");
    if (o->username != NULL || o->password != NULL)
        add_basic_auth(http);
    else if (o->bearer_token != NULL || o->bearer_token_file != NULL)
        err = add_bearer_auth(http, reterr);
    if (o->nocache)
        add_header(http, "Cache-Control: no-cache");
    if (o->org_id != NULL)
        add_named_header(http, "X-Scope-OrgID", sk_str_from(o->org_id));
    if (o->query_tags != NULL)
        add_named_header(http, "X-Query-Tags", sk_str_from(o->query_tags));
    for (size_t i = 0; err == SK_OK && i < o->headers.count; i++)
        err = add_custom_header(http, o->headers.items[i], reterr);
    return err;
}

/* ---- set-up ---- */

static void set_proxy(struct sk_ctl_http *http)
{
    const struct sk_ctl_opts *o = http->opts;
    if (o->proxy_url != NULL) {
        SET(http, CURLOPT_PROXY, o->proxy_url);
    } else if (!o->envproxy) {
        SET(http, CURLOPT_PROXY, ""); /* libcurl would read the environment */
    } else if (strncasecmp(o->addr, "http://", 7) == 0 && getenv("http_proxy") == NULL &&
               getenv("HTTP_PROXY") != NULL) {
        SET(http, CURLOPT_PROXY, getenv("HTTP_PROXY")); /* which libcurl ignores, for CGI's sake */
    }
}

static void set_tls(struct sk_ctl_http *http)
{
    const struct sk_ctl_opts *o = http->opts;
    if (o->ca_cert != NULL)
        SET(http, CURLOPT_CAINFO, o->ca_cert);
    if (o->cert != NULL)
        SET(http, CURLOPT_SSLCERT, o->cert);
    if (o->key != NULL)
        SET(http, CURLOPT_SSLKEY, o->key);
    if (o->tls_skip_verify) {
        SET(http, CURLOPT_SSL_VERIFYPEER, 0L);
        SET(http, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_options(struct sk_ctl_http *http)
{
    SET(http, CURLOPT_ERRORBUFFER, http->fault);
    SET(http, CURLOPT_WRITEFUNCTION, on_body);
    SET(http, CURLOPT_WRITEDATA, http);
    SET(http, CURLOPT_USERAGENT, "skaldctl/" SK_CTL_VERSION);
    SET(http, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(http, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(http, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    SET(http, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    SET(http, CURLOPT_NOSIGNAL, 1L);
    if (http->opts->compress)
        SET(http, CURLOPT_ACCEPT_ENCODING, "gzip");
    set_proxy(http);
    set_tls(http);
}

enum sk_err sk_ctl_http_create(const struct sk_ctl_opts *opts, struct sk_ctl_http **ret_http,
                               struct sk_error *reterr)
{
    struct sk_ctl_http *http = sk_calloc(1, sizeof(*http));
    if (http == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    http->opts = opts;
    sk_strbuf_init(&http->url, SK_CTL_BUFFER_BYTES_MAX);
    sk_strbuf_init(&http->body, SK_CTL_BUFFER_BYTES_MAX);
    sk_strbuf_init(&http->early, SK_CTL_BUFFER_BYTES_MAX);
    http->curl = curl_easy_init();
    enum sk_err err = SK_OK;
    if (http->curl == NULL) {
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
        goto out;
    }
    set_options(http);
    err = add_headers(http, reterr);
    if (err == SK_OK && http->setup_failed)
        err = sk_error_set(reterr, SK_EINVAL, "libcurl refuses the options");
    if (err == SK_OK) {
        *ret_http = http;
        http = NULL;
    }
out:
    sk_ctl_http_destroy(http);
    return err;
}

void sk_ctl_http_destroy(struct sk_ctl_http *http)
{
    if (http == NULL)
        return;
    curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->headers);
    sk_strbuf_deinit(&http->url);
    sk_strbuf_deinit(&http->body);
    sk_strbuf_deinit(&http->early);
    sk_free(http);
}

/* ---- requests ---- */

/* The address without trailing slashes, the path, the parameters. */
static enum sk_err make_url(struct sk_ctl_http *http, const char *path,
                            const struct sk_ctl_param *params, size_t param_count,
                            struct sk_error *reterr)
{
    struct sk_str addr = sk_str_from(http->opts->addr);
    while (addr.len > 0 && addr.ptr[addr.len - 1] == '/')
        addr.len--;
    sk_strbuf_reset(&http->url);
    sk_strbuf_str(&http->url, addr);
    sk_strbuf_puts(&http->url, path);
    if (param_count > 0)
        sk_strbuf_putc(&http->url, '?');
    sk_ctl_params_format(&http->url, params, param_count);
    if (http->url.failed)
        return sk_error_set(reterr, SK_ENOMEM, "out of memory");
    SET(http, CURLOPT_URL, http->url.ptr);
    return SK_OK;
}

/* Where the request went: the address of the peer if there was one, else the host of the URL. */
static void put_peer(struct sk_ctl_http *http, struct sk_strbuf *out)
{
    char *ip = NULL, *host = NULL, *port = NULL;
    CURLU *u = curl_url();
    if (u != NULL && curl_url_set(u, CURLUPART_URL, http->url.ptr, 0) == CURLUE_OK) {
        (void)curl_url_get(u, CURLUPART_HOST, &host, 0); /* NULL when it fails */
        (void)curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    }
    if (curl_easy_getinfo(http->curl, CURLINFO_PRIMARY_IP, &ip) != CURLE_OK || ip == NULL ||
        ip[0] == '\0')
        ip = host;
    sk_strbuf_printf(out, "%s:%s", ip == NULL ? "" : ip, port == NULL ? "" : port);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

/* The words of Go's net package for the faults that people know by them. */
static enum sk_err transport_error(struct sk_ctl_http *http, CURLcode code, const char *method,
                                   struct sk_error *reterr)
{
    struct sk_strbuf text;
    long os_errno = 0;
    sk_strbuf_init(&text, SK_ERROR_TEXT_BYTES);
    (void)curl_easy_getinfo(http->curl, CURLINFO_OS_ERRNO, &os_errno); /* 0 when it fails */
    if (code == CURLE_COULDNT_CONNECT && os_errno == ECONNREFUSED) {
        sk_strbuf_puts(&text, "dial tcp ");
        put_peer(http, &text);
        sk_strbuf_puts(&text, ": connect: connection refused");
    } else if (code == CURLE_WRITE_ERROR && http->body.failed) {
        sk_strbuf_printf(&text, "the answer is larger than %zu bytes", http->body.max_bytes);
    } else {
        sk_strbuf_puts(&text, http->fault[0] != '\0' ? http->fault : curl_easy_strerror(code));
    }
    (void)sk_error_set(reterr, SK_EIO, "%s \"%.*s\": %.*s", method,
                       SK_STR_ARG(sk_strbuf_view(&http->url)), SK_STR_ARG(sk_strbuf_view(&text)));
    sk_strbuf_deinit(&text);
    return SK_EIO;
}

static enum sk_err perform(struct sk_ctl_http *http, const char *method, long *ret_status,
                           struct sk_error *reterr)
{
    if (http->setup_failed)
        return sk_error_set(reterr, SK_EIO, "libcurl refuses the request");
    sk_strbuf_reset(&http->body);
    http->fault[0] = '\0';
    CURLcode code = curl_easy_perform(http->curl);
    if (code != CURLE_OK)
        return transport_error(http, code, method, reterr);
    if (curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, ret_status) != CURLE_OK)
        return sk_error_set(reterr, SK_EIO, "libcurl tells no status");
    return SK_OK;
}

void sk_ctl_backoff(unsigned attempt, int64_t min_s, int64_t max_s)
{
    int64_t wait_s = min_s;
    for (unsigned i = 0; i < attempt && wait_s < max_s; i++)
        wait_s *= 2;
    if (max_s > 0 && wait_s > max_s)
        wait_s = max_s;
    if (wait_s <= 0)
        return;
    struct timespec left = {.tv_sec = (time_t)wait_s};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* The name of the method as Go's client writes it into its errors. */
static const char *set_method(struct sk_ctl_http *http, enum sk_ctl_method method)
{
    SET(http, CURLOPT_CUSTOMREQUEST, NULL);
    if (method == SK_CTL_POST) { /* of nothing */
        SET(http, CURLOPT_POST, 1L);
        SET(http, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        SET(http, CURLOPT_POSTFIELDS, "");
        return "Post";
    }
    SET(http, CURLOPT_HTTPGET, 1L);
    if (method == SK_CTL_DELETE) {
        SET(http, CURLOPT_CUSTOMREQUEST, "DELETE");
        return "Delete";
    }
    return "Get";
}

enum sk_err sk_ctl_http_ask(struct sk_ctl_http *http, enum sk_ctl_method method, const char *path,
                            const struct sk_ctl_param *params, size_t param_count,
                            struct sk_str *ret_body, struct sk_error *reterr)
{
    const struct sk_ctl_opts *o = http->opts;
    int64_t retries = o->retries < 0 ? 0 : o->retries;
    enum sk_err err = make_url(http, path, params, param_count, reterr);
    if (err != SK_OK)
        return err;
    const char *name = set_method(http, method);
    const char *error = method == SK_CTL_GET ? "error" : "Error"; /* logcli is of two minds */
    SET(http, CURLOPT_HTTPHEADER, http->headers);
    SET(http, CURLOPT_FOLLOWLOCATION, method == SK_CTL_GET ? 1L : 0L);
    if (!o->quiet)
        sk_ctl_say("%.*s", SK_STR_ARG(sk_strbuf_view(&http->url)));
    for (unsigned attempt = 0; retries >= 0; attempt++, retries--) {
        struct sk_error e;
        long status = 0;
        if (attempt > 0)
            sk_ctl_backoff(attempt - 1, o->min_backoff_s, o->max_backoff_s);
        if (perform(http, name, &status, &e) != SK_OK) {
            sk_ctl_say("%s sending request %s", error, e.text);
        } else if (status / 100 != 2) {
            sk_ctl_say("%s response from server: %.*s (<nil>) attempts remaining: %lld", error,
                       SK_STR_ARG(sk_strbuf_view(&http->body)), (long long)retries);
        } else {
            *ret_body = sk_strbuf_view(&http->body);
            return SK_OK;
        }
    }
    return sk_error_set(reterr, SK_EIO, "run out of attempts while querying the server");
}

enum sk_err sk_ctl_http_get(struct sk_ctl_http *http, const char *path,
                            const struct sk_ctl_param *params, size_t param_count,
                            struct sk_str *ret_body, struct sk_error *reterr)
{
    return sk_ctl_http_ask(http, SK_CTL_GET, path, params, param_count, ret_body, reterr);
}

enum sk_err sk_ctl_http_post(struct sk_ctl_http *http, const char *path, const char *content_type,
                             struct sk_slice body, long *ret_status, struct sk_str *ret_body,
                             struct sk_error *reterr)
{
    enum sk_err err = make_url(http, path, NULL, 0, reterr);
    if (err != SK_OK)
        return err;
    struct sk_strbuf type;
    sk_strbuf_init(&type, TOKEN_BYTES_MAX);
    sk_strbuf_printf(&type, "Content-Type: %s", content_type);
    struct curl_slist first = {type.ptr, http->headers}; /* the first of a name counts */
    if (type.failed) {
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
        goto out;
    }
    SET(http, CURLOPT_POST, 1L);
    SET(http, CURLOPT_FOLLOWLOCATION, 0L);
    SET(http, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    SET(http, CURLOPT_POSTFIELDS, body.ptr == NULL ? (const void *)"" : body.ptr);
    SET(http, CURLOPT_HTTPHEADER, &first);
    err = perform(http, "Post", ret_status, reterr);
    if (err == SK_OK)
        *ret_body = sk_strbuf_view(&http->body);
    SET(http, CURLOPT_HTTPHEADER, http->headers);
out:
    sk_strbuf_deinit(&type);
    return err;
}

/* ---- a connection that changes its protocol ---- */

static struct sk_str ws_url(struct sk_ctl_http *http)
{
    struct sk_str url = sk_strbuf_view(&http->url);
    sk_strbuf_reset(&http->body);
    if (strncasecmp(http->opts->addr, "http", 4) == 0) {
        sk_strbuf_puts(&http->body, "ws");
        url = (struct sk_str){url.ptr + 4, url.len - 4};
    }
    sk_strbuf_str(&http->body, url);
    return sk_strbuf_view(&http->body);
}

/* Waits until the socket is ready; SK_ETIMEDOUT also for a signal. */
static enum sk_err wait_for(struct sk_ctl_http *http, short events, int wait_ms)
{
    curl_socket_t fd;
    if (curl_easy_getinfo(http->curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD)
        return SK_EIO;
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, wait_ms);
    if (n < 0)
        return errno == EINTR ? SK_ETIMEDOUT : SK_EIO;
    return n == 0 ? SK_ETIMEDOUT : SK_OK;
}

enum sk_err sk_ctl_http_send(struct sk_ctl_http *http, struct sk_slice bytes)
{
    while (bytes.len > 0) {
        size_t n = 0;
        CURLcode code = curl_easy_send(http->curl, bytes.ptr, bytes.len, &n);
        if (code == CURLE_AGAIN) {
            if (wait_for(http, POLLOUT, CONNECT_TIMEOUT_S * 1000) != SK_OK)
                return SK_EIO;
        } else if (code != CURLE_OK) {
            return SK_EIO;
        }
        bytes = (struct sk_slice){bytes.ptr + n, bytes.len - n};
    }
    return SK_OK;
}

enum sk_err sk_ctl_http_recv(struct sk_ctl_http *http, void *buf, size_t len, int wait_ms,
                             size_t *ret_len)
{
    if (http->early.len > 0) {
        size_t n = http->early.len < len ? http->early.len : len;
        memcpy(buf, http->early.ptr, n);
        memmove(http->early.ptr, http->early.ptr + n, http->early.len - n);
        http->early.len -= n;
        *ret_len = n;
        return SK_OK;
    }
    for (bool waited = false;; waited = true) { /* TLS may hold bytes that the socket has not */
        CURLcode code = curl_easy_recv(http->curl, buf, len, ret_len);
        if (code == CURLE_OK)
            return *ret_len > 0 ? SK_OK : SK_ECLOSED;
        if (code != CURLE_AGAIN)
            return SK_EIO;
        enum sk_err err = waited ? SK_ETIMEDOUT : wait_for(http, POLLIN, wait_ms);
        if (err != SK_OK)
            return err;
    }
}

/* Connects, and writes the request as libcurl would. */
static enum sk_err upgrade_ask(struct sk_ctl_http *http, struct sk_str lines,
                               struct sk_error *reterr)
{
    struct sk_strbuf out;
    struct sk_str url = sk_strbuf_view(&http->url);
    long status;
    SET(http, CURLOPT_CONNECT_ONLY, 1L);
    SET(http, CURLOPT_FRESH_CONNECT, 1L);
    SET(http, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    enum sk_err err = perform(http, "Get", &status, reterr);
    if (err != SK_OK)
        return err;
    size_t host = sk_str_find(url, SK_STR("://"), 0) + 3;
    size_t slash = sk_str_find(url, SK_STR("/"), host);
    sk_assert(slash != SIZE_MAX); /* the path begins with one */
    size_t at = sk_str_find((struct sk_str){url.ptr, slash}, SK_STR("@"), host);
    host = at == SIZE_MAX ? host : at + 1;
    sk_strbuf_init(&out, SK_CTL_BUFFER_BYTES_MAX);
    sk_strbuf_printf(&out, "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: skaldctl/%s\r\n",
                     SK_STR_ARG(((struct sk_str){url.ptr + slash, url.len - slash})),
                     SK_STR_ARG(((struct sk_str){url.ptr + host, slash - host})), SK_CTL_VERSION);
    sk_strbuf_str(&out, lines);
    for (const struct curl_slist *h = http->headers; h != NULL; h = h->next) {
        if (!sk_str_ends(sk_str_from(h->data), SK_STR(":"))) /* which only silence libcurl */
            sk_strbuf_printf(&out, "%s\r\n", h->data);
    }
    sk_strbuf_puts(&out, "\r\n");
    if (out.failed)
        err = sk_error_set(reterr, SK_ENOMEM, "out of memory");
    else if (sk_ctl_http_send(http, sk_slice_of_str(sk_strbuf_view(&out))) != SK_OK)
        err = sk_error_set(reterr, SK_EIO, "the connection broke before the request was sent");
    sk_strbuf_deinit(&out);
    return err;
}

/* The head of the answer; what follows goes to `early`. */
static enum sk_err upgrade_answer(struct sk_ctl_http *http, long *ret_status,
                                  struct sk_error *reterr)
{
    size_t end = SIZE_MAX;
    sk_strbuf_reset(&http->body);
    while (end == SIZE_MAX) {
        char buf[4096];
        size_t n;
        enum sk_err err = sk_ctl_http_recv(http, buf, sizeof(buf), CONNECT_TIMEOUT_S * 1000, &n);
        if (err != SK_OK)
            return sk_error_set(reterr, SK_EIO, "no answer to the handshake: %s", sk_err_text(err));
        sk_strbuf_add(&http->body, buf, n);
        if (http->body.failed || http->body.len > TOKEN_BYTES_MAX)
            return sk_error_set(reterr, SK_EIO, "the answer to the handshake has no end");
        end = sk_str_find(sk_strbuf_view(&http->body), SK_STR("\r\n\r\n"), 0);
    }
    struct sk_str head = {http->body.ptr, end};
    int64_t status;
    if (!sk_str_starts(head, SK_STR("HTTP/1.")) || head.len < 12 ||
        !sk_str_to_i64((struct sk_str){head.ptr + 9, 3}, &status))
        return sk_error_set(reterr, SK_EIO, "the answer to the handshake is not HTTP");
    sk_strbuf_reset(&http->early);
    sk_strbuf_add(&http->early, http->body.ptr + end + 4, http->body.len - end - 4);
    *ret_status = (long)status;
    return http->early.failed ? sk_error_set(reterr, SK_ENOMEM, "out of memory") : SK_OK;
}

enum sk_err sk_ctl_http_upgrade(struct sk_ctl_http *http, const char *path,
                                const struct sk_ctl_param *params, size_t param_count,
                                struct sk_str lines, long *ret_status, struct sk_str *ret_text,
                                struct sk_error *reterr)
{
    enum sk_err err = make_url(http, path, params, param_count, reterr);
    if (err != SK_OK)
        return err;
    sk_strbuf_reset(&http->early);
    SET(http, CURLOPT_HTTPGET, 1L);
    if (!http->opts->quiet)
        sk_ctl_say("%.*s", SK_STR_ARG(ws_url(http)));
    err = upgrade_ask(http, lines, reterr);
    if (err == SK_OK)
        err = upgrade_answer(http, ret_status, reterr);
    if (err == SK_OK)
        *ret_text = *ret_status == 101 ? SK_STR("") : sk_strbuf_view(&http->early);
    return err;
}
