/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c -- see rules.h. */
#include "ruler/rules.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/vfs.h"
#include "config/config.h"
#include "objstore/objkey.h"

struct sk_rules {
    const struct sk_vfs *vfs;
    char *folder;
    bool writable;
    pthread_mutex_t change; /* of a writable storage: held from reading to replacing */
};

/* ---- finding ---- */

struct sk_rule_space *sk_rule_space_find(struct sk_rule_space *spaces, struct sk_str name)
{
    while (spaces != NULL && !sk_str_eq(spaces->name, name))
        spaces = spaces->next;
    return spaces;
}

struct sk_rule_group *sk_rule_group_find(struct sk_rule_group *groups, struct sk_str name)
{
    while (groups != NULL && !sk_str_eq(groups->name, name))
        groups = groups->next;
    return groups;
}

/* ---- reading ---- */

static enum sk_err no_memory(struct sk_error *reterr)
{
    return sk_error_set(reterr, SK_ENOMEM, "out of memory");
}

static enum sk_err io_error(struct sk_error *reterr, enum sk_err err, const char *path)
{
    return sk_error_set(reterr, err, "unable to read rules %s: %s", path, sk_err_text(err));
}

/* The text of a file, in the arena. */
static enum sk_err file_get(struct sk_rules *r, const char *path, struct sk_arena *arena,
                            struct sk_str *ret)
{
    struct sk_strbuf text;
    sk_strbuf_init(&text, SK_RULE_FILE_BYTES_MAX);
    enum sk_err err = sk_vfs_read_file(r->vfs, path, SK_RULE_FILE_BYTES_MAX, &text);
    if (err == SK_OK) {
        struct sk_str copy = sk_arena_str(arena, sk_strbuf_view(&text));
        err = copy.ptr == NULL ? SK_ENOMEM : SK_OK;
        if (err == SK_OK)
            *ret = copy;
    }
    sk_strbuf_deinit(&text);
    return err;
}

struct listing {
    struct sk_arena *arena;
    struct sk_rule_space *spaces;
    size_t count;
};

static enum sk_err name_add(void *ctx, struct sk_str name, bool is_dir)
{
    struct listing *l = ctx;
    if (is_dir)
        return SK_OK;
    struct sk_rule_space *s = sk_arena_calloc(l->arena, 1, sizeof(*s));
    if (s == NULL || (s->name = sk_arena_str(l->arena, name)).ptr == NULL)
        return SK_ENOMEM;
    s->next = l->spaces;
    l->spaces = s;
    l->count++;
    return SK_OK;
}

static int space_cmp(const void *a, const void *b)
{
    return sk_str_cmp((*(struct sk_rule_space *const *)a)->name,
                      (*(struct sk_rule_space *const *)b)->name);
}

static int group_cmp(const void *a, const void *b)
{
    return sk_str_cmp((*(struct sk_rule_group *const *)a)->name,
                      (*(struct sk_rule_group *const *)b)->name);
}

static enum sk_err spaces_sort(struct sk_arena *arena, struct sk_rule_space **spaces)
{
    size_t n = 0, i = 0;
    for (const struct sk_rule_space *s = *spaces; s != NULL; s = s->next)
        n++;
    struct sk_rule_space **all = sk_arena_calloc(arena, n + 1, sizeof(*all));
    if (all == NULL)
        return SK_ENOMEM;
    for (struct sk_rule_space *s = *spaces; s != NULL; s = s->next)
        all[i++] = s;
    qsort(all, n, sizeof(*all), space_cmp);
    for (i = 0; i < n; i++)
        all[i]->next = all[i + 1];
    *spaces = all[0];
    return SK_OK;
}

static enum sk_err groups_sort(struct sk_arena *arena, struct sk_rule_group **groups)
{
    size_t n = 0, i = 0;
    for (const struct sk_rule_group *g = *groups; g != NULL; g = g->next)
        n++;
    struct sk_rule_group **all = sk_arena_calloc(arena, n + 1, sizeof(*all));
    if (all == NULL)
        return SK_ENOMEM;
    for (struct sk_rule_group *g = *groups; g != NULL; g = g->next)
        all[i++] = g;
    qsort(all, n, sizeof(*all), group_cmp);
    for (i = 0; i < n; i++)
        all[i]->next = all[i + 1];
    *groups = all[0];
    return SK_OK;
}

/* The groups of one rule file. *ret_skip: it is a folder behind a link. */
static enum sk_err file_read(struct sk_rules *r, const char *path, struct sk_arena *arena,
                             struct sk_rule_group **ret, bool *ret_skip, struct sk_error *reterr)
{
    struct sk_vfs_stat st;
    struct sk_str text;
    struct sk_error why;
    struct sk_strbuf faults;
    *ret_skip = false;
    enum sk_err err = r->vfs->stat(r->vfs, path, &st);
    if (err == SK_OK && st.is_dir) {
        *ret_skip = true;
        return SK_OK;
    }
    if (err == SK_OK)
        err = file_get(r, path, arena, &text);
    if (err != SK_OK)
        return err == SK_ENOMEM ? no_memory(reterr) : io_error(reterr, err, path);
    err = sk_rule_file_read(arena, text, ret, &why);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "error parsing %s: %s", path, why.text);
    sk_strbuf_init(&faults, SK_ERROR_TEXT_BYTES);
    err = sk_rule_groups_check(arena, *ret, &faults);
    if (faults.len > 0)
        err = sk_error_set(reterr, SK_EINVAL, "error parsing %s: %s", path, faults.ptr);
    else if (err != SK_OK)
        err = no_memory(reterr);
    sk_strbuf_deinit(&faults);
    return err;
}

static enum sk_err local_list(struct sk_rules *r, struct sk_str tenant, struct sk_arena *arena,
                              struct sk_rule_space **ret, struct sk_error *reterr)
{
    struct listing l = {.arena = arena};
    struct sk_str dir = sk_arena_printf(arena, "%s/%.*s", r->folder, SK_STR_ARG(tenant));
    if (dir.ptr == NULL)
        return no_memory(reterr);
    enum sk_err err = r->vfs->list(r->vfs, dir.ptr, name_add, &l);
    if (err == SK_OK)
        err = spaces_sort(arena, &l.spaces);
    if (err == SK_ENOMEM)
        return no_memory(reterr);
    if (err != SK_OK)
        return sk_error_set(reterr, err, "unable to read rule dir %s: open %s: %s", dir.ptr,
                            dir.ptr, sk_err_text(err));
    struct sk_rule_space **at = &l.spaces;
    while (*at != NULL) {
        bool skip;
        struct sk_str path = sk_arena_printf(arena, "%s/%.*s", dir.ptr, SK_STR_ARG((*at)->name));
        if (path.ptr == NULL)
            return no_memory(reterr);
        err = file_read(r, path.ptr, arena, &(*at)->groups, &skip, reterr);
        if (err != SK_OK)
            return err;
        if (skip || (*at)->groups == NULL)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    *ret = l.spaces;
    return SK_OK;
}

static struct sk_str own_path(const struct sk_rules *r, struct sk_str tenant,
                              struct sk_arena *arena)
{
    sk_assert(sk_tenant_valid(tenant));
    return sk_arena_printf(arena, "%s/%.*s.yaml", r->folder, SK_STR_ARG(tenant));
}

static enum sk_err own_list(struct sk_rules *r, struct sk_str tenant, struct sk_arena *arena,
                            struct sk_rule_space **ret, struct sk_error *reterr)
{
    struct sk_str text, path = own_path(r, tenant, arena);
    struct sk_error why = {.text = ""};
    if (path.ptr == NULL)
        return no_memory(reterr);
    enum sk_err err = file_get(r, path.ptr, arena, &text);
    if (err == SK_ENOENT) {
        *ret = NULL;
        return SK_OK;
    }
    if (err != SK_OK)
        return err == SK_ENOMEM ? no_memory(reterr) : io_error(reterr, err, path.ptr);
    err = sk_rule_spaces_read(arena, text, ret, &why);
    return err == SK_OK ? SK_OK
                        : sk_error_set(reterr, err, "error parsing %s: %s", path.ptr, why.text);
}

enum sk_err sk_rules_list(struct sk_rules *rules, struct sk_str tenant, struct sk_arena *arena,
                          struct sk_rule_space **ret, struct sk_error *reterr)
{
    return rules->writable ? own_list(rules, tenant, arena, ret, reterr)
                           : local_list(rules, tenant, arena, ret, reterr);
}

/* ---- changing ---- */

static enum sk_err own_put(struct sk_rules *r, struct sk_str tenant, struct sk_rule_space *spaces,
                           struct sk_arena *arena, struct sk_error *reterr)
{
    struct sk_strbuf text;
    struct sk_str path = own_path(r, tenant, arena);
    enum sk_err err = path.ptr == NULL ? SK_ENOMEM : spaces_sort(arena, &spaces);
    for (struct sk_rule_space *s = spaces; s != NULL && err == SK_OK; s = s->next)
        err = groups_sort(arena, &s->groups);
    sk_strbuf_init(&text, SK_RULE_FILE_BYTES_MAX);
    if (err == SK_OK)
        sk_rule_spaces_print(&text, spaces);
    if (err == SK_OK && text.failed)
        err = sk_error_set(reterr, SK_ELIMIT, "rules of a tenant are limited to %u bytes",
                           SK_RULE_FILE_BYTES_MAX);
    else if (err != SK_OK)
        err = no_memory(reterr);
    if (err == SK_OK) {
        err = sk_vfs_mkdirs(r->vfs, r->folder);
        if (err == SK_OK)
            err = sk_vfs_replace(r->vfs, path.ptr, sk_slice_of_str(sk_strbuf_view(&text)));
        if (err != SK_OK)
            err = sk_error_set(reterr, err, "cannot write %s: %s", path.ptr, sk_err_text(err));
    }
    sk_strbuf_deinit(&text);
    return err;
}

static enum sk_err refused(struct sk_error *reterr, const char *what)
{
    return sk_error_set(reterr, SK_EUNSUPPORTED, "%s unsupported in rule local store", what);
}

/* Puts the group into the list of spaces, in place of the one of its name. */
static enum sk_err group_put(struct sk_arena *arena, struct sk_rule_space **spaces,
                             struct sk_str name, const struct sk_rule_group *group)
{
    struct sk_rule_space *space = sk_rule_space_find(*spaces, name);
    struct sk_rule_group *copy;
    if (space == NULL) {
        space = sk_arena_calloc(arena, 1, sizeof(*space));
        if (space == NULL)
            return SK_ENOMEM;
        *space = (struct sk_rule_space){.next = *spaces, .name = name};
        *spaces = space;
    }
    copy = sk_rule_group_find(space->groups, group->name);
    struct sk_rule_group *next = copy == NULL ? space->groups : copy->next;
    if (copy == NULL) {
        copy = sk_arena_alloc(arena, sizeof(*copy));
        if (copy == NULL)
            return SK_ENOMEM;
        space->groups = copy;
    }
    *copy = *group;
    copy->next = next;
    return SK_OK;
}

enum sk_err sk_rules_set(struct sk_rules *rules, struct sk_str tenant, struct sk_str space,
                         const struct sk_rule_group *group, struct sk_arena *arena,
                         struct sk_error *reterr)
{
    struct sk_rule_space *spaces;
    if (!rules->writable)
        return refused(reterr, "SetRuleGroup");
    pthread_mutex_lock(&rules->change);
    enum sk_err err = own_list(rules, tenant, arena, &spaces, reterr);
    if (err == SK_OK && group_put(arena, &spaces, space, group) != SK_OK)
        err = no_memory(reterr);
    if (err == SK_OK)
        err = own_put(rules, tenant, spaces, arena, reterr);
    pthread_mutex_unlock(&rules->change);
    return err;
}

static void space_unlink(struct sk_rule_space **spaces, const struct sk_rule_space *space)
{
    while (*spaces != space)
        spaces = &(*spaces)->next;
    *spaces = space->next;
}

/* Takes the group out, and its namespace when that is empty then; false: there is none. */
static bool group_unlink(struct sk_rule_space **spaces, struct sk_str name, struct sk_str group)
{
    struct sk_rule_space *space = sk_rule_space_find(*spaces, name);
    struct sk_rule_group *g = space == NULL ? NULL : sk_rule_group_find(space->groups, group);
    if (g == NULL)
        return false;
    struct sk_rule_group **at = &space->groups;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    if (space->groups == NULL)
        space_unlink(spaces, space);
    return true;
}

enum sk_err sk_rules_delete_group(struct sk_rules *rules, struct sk_str tenant, struct sk_str space,
                                  struct sk_str group, struct sk_arena *arena,
                                  struct sk_error *reterr)
{
    struct sk_rule_space *spaces;
    if (!rules->writable)
        return refused(reterr, "DeleteRuleGroup");
    pthread_mutex_lock(&rules->change);
    enum sk_err err = own_list(rules, tenant, arena, &spaces, reterr);
    if (err == SK_OK && group_unlink(&spaces, space, group))
        err = own_put(rules, tenant, spaces, arena, reterr);
    pthread_mutex_unlock(&rules->change);
    return err;
}

enum sk_err sk_rules_delete_space(struct sk_rules *rules, struct sk_str tenant, struct sk_str space,
                                  struct sk_arena *arena, struct sk_error *reterr)
{
    struct sk_rule_space *spaces;
    if (!rules->writable)
        return refused(reterr, "DeleteNamespace");
    pthread_mutex_lock(&rules->change);
    enum sk_err err = own_list(rules, tenant, arena, &spaces, reterr);
    const struct sk_rule_space *found = err == SK_OK ? sk_rule_space_find(spaces, space) : NULL;
    if (err == SK_OK && found == NULL) {
        err = sk_error_set(reterr, SK_ENOENT, "group namespace does not exist");
    } else if (err == SK_OK) {
        space_unlink(&spaces, found);
        err = own_put(rules, tenant, spaces, arena, reterr);
    }
    pthread_mutex_unlock(&rules->change);
    return err;
}

/* ---- life ---- */

enum sk_err sk_rules_create(const struct sk_config *config, const struct sk_vfs *vfs,
                            struct sk_rules **ret)
{
    struct sk_strbuf folder;
    bool local_backend = strcmp(config->ruler_storage_backend, "local") == 0;
    bool writable = config->use_thanos_objstore && !local_backend;
    const char *dir = config->use_thanos_objstore ? config->ruler_storage_local_directory
                                                  : config->rules_directory;
    *ret = NULL;
    if (!writable && (dir[0] == '\0' || (!config->use_thanos_objstore &&
                                         strcmp(config->ruler_storage_type, "local") != 0)))
        return SK_OK;
    if (writable && strcmp(config->ruler_storage_backend, "filesystem") != 0)
        return SK_OK;
    struct sk_rules *r = sk_calloc(1, sizeof(*r));
    if (r == NULL)
        return SK_ENOMEM;
    sk_strbuf_init(&folder, 65536);
    if (writable)
        sk_strbuf_printf(&folder, "%s/skald/rules", config->path_prefix);
    else
        sk_strbuf_puts(&folder, dir);
    while (folder.len > 1 && folder.ptr[folder.len - 1] == '/')
        folder.ptr[--folder.len] = '\0';
    *r = (struct sk_rules){.vfs = vfs, .writable = writable, .folder = sk_strbuf_take(&folder)};
    pthread_mutex_init(&r->change, NULL);
    if (r->folder == NULL) {
        sk_rules_destroy(r);
        return SK_ENOMEM;
    }
    *ret = r;
    return SK_OK;
}

void sk_rules_destroy(struct sk_rules *rules)
{
    if (rules == NULL)
        return;
    pthread_mutex_destroy(&rules->change);
    sk_free(rules->folder);
    sk_free(rules);
}

bool sk_rules_writable(const struct sk_rules *rules)
{
    return rules->writable;
}
