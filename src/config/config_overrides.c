/* SPDX-License-Identifier: Apache-2.0 */
/* config_overrides.c -- limits per tenant from the runtime file, read again while the server runs.
 *
 * A version is immutable: sorted tenants with their limits. Readers take the current one through an
 * atomic pointer; old versions stay until the end, because limits were handed out from them.
 *
 * Threads: create, reload and destroy are one thread's at a time; reading is any thread's. */
#include "config/config_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

struct tenant {
    struct sk_str name;
    struct sk_limits limits;
};

struct version {
    struct sk_arena arena;
    struct version *older;
    struct sk_str content;  /* of all files, to see changes */
    struct tenant *tenants; /* sorted by name */
    size_t count;
};

struct sk_config_overrides {
    const struct sk_config *config;
    pthread_mutex_t reload_lock;
    _Atomic(struct version *) current;
};

/* ---- the document ---- */

/* A map of tenants, each a block as `key` says. */
static void check_tenants(size_t key, struct sk_config_node *map, struct sk_config_faults *faults)
{
    if (map->kind != SK_NODE_MAP) {
        sk_faults_add(faults, map->line, "cannot unmarshal %s into map[string]%s",
                      map->kind == SK_NODE_SEQ ? "!!seq" : "!!str", sk_key_go_type(key));
        return;
    }
    for (struct sk_config_node *tenant = map->first; tenant != NULL; tenant = tenant->next) {
        if (sk_node_child(map, tenant->name) != tenant)
            sk_faults_add(faults, tenant->name_line, "key \"%.*s\" already set in map",
                          SK_STR_ARG(tenant->name));
        if (!sk_node_is_null(tenant))
            sk_config_check(key, tenant, NULL, faults);
    }
}

/* "configs" are Loki's log switches per tenant, "multi_kv_config" is for its rings. */
static void check_runtime(struct sk_config_node *root, struct sk_config_faults *faults)
{
    static const char type[] = "loki.runtimeConfigValues";
    if (root->kind != SK_NODE_MAP) {
        if (!sk_node_is_null(root))
            sk_faults_add(faults, root->line, "cannot unmarshal %s into %s",
                          root->kind == SK_NODE_SEQ ? "!!seq" : "!!str", type);
        return;
    }
    for (struct sk_config_node *child = root->first; child != NULL; child = child->next) {
        bool overrides = sk_str_is(child->name, "overrides");
        if (!overrides && !sk_str_is(child->name, "configs") &&
            !sk_str_is(child->name, "multi_kv_config"))
            sk_faults_add(faults, child->name_line, "field %.*s not found in type %s",
                          SK_STR_ARG(child->name), type);
        else if (sk_node_child(root, child->name) != child)
            sk_faults_add(faults, child->name_line, "field %.*s already set in type %s",
                          SK_STR_ARG(child->name), type);
        else if (!sk_node_is_null(child) && !sk_str_is(child->name, "multi_kv_config"))
            check_tenants(sk_key_at(0, overrides ? "limits_config" : "operational_config"), child,
                          faults);
    }
}

static enum sk_err parse_file(struct sk_arena *arena, struct sk_str text, const char *path,
                              struct sk_config_node **ret_root, struct sk_error *reterr)
{
    struct sk_config_faults faults;
    struct sk_error why = {.text = ""};
    struct sk_config_node *root;
    sk_faults_init(&faults);
    enum sk_err err = sk_node_parse(arena, text, &root, &why);
    if (err == SK_OK)
        check_runtime(root, &faults);
    else if (err != SK_ENOMEM)
        (void)sk_error_set(&faults.custom, SK_EPARSE, "%s", why.text);
    if (err != SK_ENOMEM)
        err = sk_faults_report(&faults, "runtime config", path, reterr);
    sk_faults_deinit(&faults);
    if (err == SK_OK)
        *ret_root = root;
    return err;
}

/* ---- versions ---- */

static void version_free(struct version *v)
{
    if (v == NULL)
        return;
    sk_arena_deinit(&v->arena);
    sk_free(v);
}

static int by_name(const void *a, const void *b)
{
    const struct tenant *x = a, *y = b;
    return sk_str_cmp(x->name, y->name);
}

/* The tenant's first key that is no good by itself; NULL: they are good one by one. */
static const struct sk_config_node *bad_key(const struct sk_config *config,
                                            const struct sk_config_node *tenant)
{
    const struct sk_config_node *found = NULL;
    struct sk_arena arena;
    sk_arena_init(&arena, SK_CONFIG_ARENA_BYTES, NULL);
    for (const struct sk_config_node *k = tenant->first; k != NULL && found == NULL; k = k->next) {
        struct sk_limits limits = config->limits;
        struct sk_config_node one = *k, map = {.kind = SK_NODE_MAP, .first = &one, .last = &one};
        one.next = NULL;
        enum sk_err err = sk_limits_load(&arena, &map, true, &limits, NULL);
        if (err == SK_EINVAL || err == SK_EPARSE)
            found = k;
        sk_arena_reset(&arena);
    }
    sk_arena_deinit(&arena);
    return found;
}

/* What only shows when limits are made of the texts, with its place in this file. */
static enum sk_err check_limits(struct sk_arena *arena, const struct sk_config *config,
                                const struct sk_config_node *root, const char *path,
                                struct sk_error *reterr)
{
    const struct sk_config_node *map = sk_node_child(root, SK_STR("overrides"));
    struct sk_error why = {.text = ""};
    if (map == NULL || map->kind != SK_NODE_MAP)
        return SK_OK;
    for (const struct sk_config_node *t = map->first; t != NULL; t = t->next) {
        struct sk_limits limits = config->limits;
        enum sk_err err =
            t->kind != SK_NODE_MAP ? SK_OK : sk_limits_load(arena, t, true, &limits, &why);
        if (err != SK_EINVAL && err != SK_EPARSE) {
            if (err != SK_OK)
                return err;
            continue;
        }
        const struct sk_config_node *key = bad_key(config, t);
        bool named = key == NULL || sk_str_starts(sk_str_from(why.text), key->name);
        return sk_error_set(reterr, err,
                            "failed parsing runtime config: %s: line %u: invalid override for "
                            "tenant %.*s: %.*s%s%s",
                            path, key == NULL ? t->name_line : key->name_line, SK_STR_ARG(t->name),
                            SK_STR_ARG(named ? SK_STR("") : key->name), named ? "" : ": ",
                            why.text);
    }
    return SK_OK;
}

static enum sk_err tenants_load(struct version *v, const struct sk_config *config,
                                const struct sk_config_node *root, struct sk_error *reterr)
{
    const struct sk_config_node *map = sk_node_child(root, SK_STR("overrides"));
    size_t count = 0, i = 0;
    struct sk_error why = {.text = ""};
    if (map == NULL || map->kind != SK_NODE_MAP)
        return SK_OK;
    for (const struct sk_config_node *t = map->first; t != NULL; t = t->next)
        count++;
    v->tenants = sk_arena_calloc(&v->arena, count + 1, sizeof(*v->tenants));
    if (v->tenants == NULL)
        return SK_ENOMEM;
    for (const struct sk_config_node *t = map->first; t != NULL; t = t->next) {
        if (t->kind != SK_NODE_MAP) /* null: nothing of its own */
            continue;
        struct tenant *tenant = &v->tenants[i];
        *tenant = (struct tenant){.name = t->name, .limits = config->limits};
        enum sk_err err = sk_limits_load(&v->arena, t, true, &tenant->limits, &why);
        if (err == SK_EINVAL || err == SK_EPARSE)
            return sk_error_set(reterr, err, "invalid override for tenant %.*s: %s",
                                SK_STR_ARG(t->name), why.text);
        if (err != SK_OK)
            return err;
        i++;
    }
    v->count = i;
    qsort(v->tenants, v->count, sizeof(*v->tenants), by_name);
    return SK_OK;
}

/* The texts of all files, one behind the other; ends[i] is where file i ends. */
#define FILES_MAX 16u

struct contents {
    struct sk_strbuf text;
    const char *paths[FILES_MAX];
    size_t ends[FILES_MAX];
    size_t count;
    struct sk_arena arena; /* of the paths */
};

static enum sk_err contents_read(struct contents *c, const char *list, struct sk_error *reterr)
{
    while (*list != '\0') {
        size_t n = strcspn(list, ",");
        struct sk_str one = sk_str_trim((struct sk_str){list, n});
        list += n;
        list += *list == ',';
        if (one.len == 0)
            continue;
        if (c->count == FILES_MAX)
            return sk_error_set(reterr, SK_ELIMIT, "runtime_config.file: more than %u files",
                                FILES_MAX);
        const char *path = sk_arena_str(&c->arena, one).ptr;
        if (path == NULL)
            return SK_ENOMEM;
        enum sk_err err =
            sk_vfs_read_file(sk_vfs_posix(), path, SK_CONFIG_FILE_BYTES_MAX, &c->text);
        if (err != SK_OK)
            return sk_error_set(reterr, err, "read file: %s: %s", path, sk_err_text(err));
        c->paths[c->count] = path;
        c->ends[c->count++] = c->text.len;
    }
    return SK_OK;
}

static enum sk_err version_create(const struct sk_config *config, const struct contents *c,
                                  struct version **ret_version, struct sk_error *reterr)
{
    struct version *v = sk_calloc(1, sizeof(*v));
    if (v == NULL)
        return SK_ENOMEM;
    sk_arena_init(&v->arena, SK_CONFIG_ARENA_BYTES, NULL);
    struct sk_config_node *root = sk_node_create(&v->arena, SK_NODE_MAP);
    enum sk_err err = root == NULL ? SK_ENOMEM : SK_OK;
    size_t from = 0;
    for (size_t i = 0; err == SK_OK && i < c->count; i++) {
        struct sk_config_node *file;
        struct sk_str text = {c->text.ptr == NULL ? "" : c->text.ptr + from, c->ends[i] - from};
        err = parse_file(&v->arena, text, c->paths[i], &file, reterr);
        if (err == SK_OK)
            err = check_limits(&v->arena, config, file, c->paths[i], reterr);
        if (err == SK_OK && file->kind == SK_NODE_MAP)
            sk_node_merge(root, file);
        from = c->ends[i];
    }
    if (err == SK_OK)
        err = tenants_load(v, config, root, reterr);
    if (err == SK_OK &&
        (v->content = sk_arena_str(&v->arena, sk_strbuf_view(&c->text))).ptr == NULL)
        err = SK_ENOMEM;
    if (err == SK_OK) {
        *ret_version = v;
        v = NULL;
    }
    version_free(v);
    return err;
}

enum sk_err sk_config_overrides_reload(struct sk_config_overrides *overrides,
                                       struct sk_error *reterr)
{
    struct contents c = {.count = 0};
    if (overrides == NULL)
        return SK_OK;
    sk_strbuf_init(&c.text, (size_t)FILES_MAX * SK_CONFIG_FILE_BYTES_MAX);
    sk_arena_init(&c.arena, 1u << 20, NULL);
    (void)sk_error_set(reterr, SK_ENOMEM, "%s", sk_err_text(SK_ENOMEM)); /* unless said better */
    (void)pthread_mutex_lock(&overrides->reload_lock); /* fails for damaged locks only */
    struct version *current = atomic_load(&overrides->current);
    struct version *fresh = NULL;
    enum sk_err err = contents_read(&c, overrides->config->runtime_config_file, reterr);
    if (err == SK_OK &&
        (current == NULL || !sk_str_eq(current->content, sk_strbuf_view(&c.text)))) {
        err = version_create(overrides->config, &c, &fresh, reterr);
        if (err == SK_OK) {
            fresh->older = current;
            atomic_store(&overrides->current, fresh);
        }
    }
    (void)pthread_mutex_unlock(&overrides->reload_lock);
    sk_arena_deinit(&c.arena);
    sk_strbuf_deinit(&c.text);
    return err;
}

enum sk_err sk_config_overrides_create(const struct sk_config *config,
                                       struct sk_config_overrides **ret_overrides,
                                       struct sk_error *reterr)
{
    if (config->runtime_config_file == NULL || config->runtime_config_file[0] == '\0') {
        *ret_overrides = NULL;
        return SK_OK;
    }
    struct sk_config_overrides *overrides = sk_calloc(1, sizeof(*overrides));
    if (overrides == NULL)
        return sk_error_set(reterr, SK_ENOMEM, "%s", sk_err_text(SK_ENOMEM));
    overrides->config = config;
    (void)pthread_mutex_init(&overrides->reload_lock,
                             NULL); /* cannot fail with default attributes */
    enum sk_err err = sk_config_overrides_reload(overrides, reterr);
    if (err == SK_OK)
        *ret_overrides = overrides;
    else
        sk_config_overrides_destroy(overrides);
    return err;
}

void sk_config_overrides_destroy(struct sk_config_overrides *overrides)
{
    if (overrides == NULL)
        return;
    struct version *v = atomic_load(&overrides->current);
    while (v != NULL) {
        struct version *older = v->older;
        version_free(v);
        v = older;
    }
    (void)pthread_mutex_destroy(&overrides->reload_lock); /* nobody holds it */
    sk_free(overrides);
}

const struct sk_limits *sk_config_limits(const struct sk_config *config,
                                         const struct sk_config_overrides *overrides,
                                         struct sk_str tenant)
{
    const struct version *v = overrides == NULL ? NULL : atomic_load(&overrides->current);
    size_t low = 0, high = v == NULL ? 0 : v->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = sk_str_cmp(v->tenants[mid].name, tenant);
        if (c == 0)
            return &v->tenants[mid].limits;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return &config->limits;
}
