/* SPDX-License-Identifier: Apache-2.0 */
/* rebuild.c -- an index out of chunk files. Names carry tenant, fingerprint, bounds and checksum;
 * labels come from the head of one file per fingerprint. Sizes and counts are unknown (0), which
 * only statistics notice. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "codec/codec.h"
#include "objstore/envelope.h"
#include "store/store_int.h"
#include "tsdb_index/index_name.h"
#include "tsdb_index/index_writer.h"

struct names { /* of one folder */
    struct sk_arena *arena;
    struct sk_str *items;
    size_t count, cap;
    bool dirs;
};

static enum sk_err on_name(void *ctx, struct sk_str name, bool is_dir)
{
    struct names *n = ctx;
    if (is_dir != n->dirs)
        return SK_OK;
    if (!SK_GROW(n->items, n->cap, n->count + 1))
        return SK_ENOMEM;
    n->items[n->count] = sk_arena_str(n->arena, name);
    return n->items[n->count++].ptr == NULL ? SK_ENOMEM : SK_OK;
}

static enum sk_err names_list(struct sk_store *store, struct sk_arena *arena, const char *folder,
                              bool dirs, struct names *ret)
{
    *ret = (struct names){.arena = arena, .dirs = dirs};
    return sk_objstore_list(store->objects, sk_str_from(folder), on_name, ret);
}

struct rebuild {
    struct sk_store *store;
    int64_t day;
    struct sk_arena arena;
    struct sk_codec_ctx *codec;
    struct sk_index_input *inputs;
    size_t count, cap;
    struct sk_strbuf file;
};

/* Labels of a series, from any of its chunk files. */
static enum sk_err labels_read(struct rebuild *b, const char *path, struct sk_labelset *ret)
{
    struct sk_envelope env;
    sk_strbuf_reset(&b->file);
    enum sk_err err =
        sk_objstore_get(b->store->objects, sk_str_from(path), SK_CHUNK_FILE_BYTES_MAX, &b->file);
    if (err == SK_OK)
        err = sk_envelope_decode((struct sk_slice){(const uint8_t *)b->file.ptr, b->file.len},
                                 b->codec, &b->arena, &env);
    if (err == SK_OK)
        err = sk_labels_copy(&b->arena, env.labels, ret);
    return err;
}

static enum sk_err series_walk(struct rebuild *b, struct sk_str tenant, struct sk_str fp)
{
    char folder[512];
    struct names files;
    struct sk_index_input in = {.tenant = tenant};
    bool have_labels = false;
    (void)snprintf(folder, sizeof(folder), "%.*s/%.*s", SK_STR_ARG(tenant), SK_STR_ARG(fp));
    enum sk_err err = names_list(b->store, &b->arena, folder, false, &files);
    struct sk_index_chunk *chunks = sk_arena_calloc(&b->arena, files.count, sizeof(*chunks));
    if (err == SK_OK && chunks == NULL)
        err = SK_ENOMEM;
    for (size_t i = 0; i < files.count && err == SK_OK; i++) {
        char path[1024], tenant_buf[SK_TENANT_BYTES_MAX];
        struct sk_chunk_key key;
        enum sk_chunk_layout layout;
        (void)snprintf(path, sizeof(path), "%s/%.*s", folder, SK_STR_ARG(files.items[i]));
        if (!sk_chunk_path_parse(sk_str_from(path), tenant_buf, &key, &layout) ||
            sk_index_day(key.from_ms) > b->day || sk_index_day(key.through_ms) < b->day)
            continue;
        if (!have_labels && labels_read(b, path, &in.labels) == SK_OK)
            have_labels = true;
        in.fingerprint = key.fingerprint;
        chunks[in.chunk_count++] =
            (struct sk_index_chunk){key.from_ms, key.through_ms, 0, 0, key.checksum};
    }
    sk_free(files.items);
    if (err != SK_OK || !have_labels)
        return err;
    if (!SK_GROW(b->inputs, b->cap, b->count + 1))
        return SK_ENOMEM;
    in.chunks = chunks;
    b->inputs[b->count++] = in;
    return SK_OK;
}

enum sk_err rebuild_table(struct sk_store *store, int64_t day, size_t period,
                          struct sk_index **ret_index)
{
    struct rebuild b = {.store = store, .day = day};
    struct names tenants, fps;
    struct sk_strbuf out;
    struct sk_index_sums sums;
    sk_arena_init(&b.arena, 1u << 30, store->budget);
    sk_strbuf_init(&b.file, SK_CHUNK_FILE_BYTES_MAX);
    sk_strbuf_init(&out, SK_INDEX_FILE_BYTES_MAX);
    enum sk_err err = sk_codec_ctx_create(&b.codec);
    if (err == SK_OK)
        err = names_list(store, &b.arena, "", true, &tenants);
    for (size_t i = 0; err == SK_OK && i < tenants.count; i++) {
        char folder[256];
        if (!sk_tenant_valid(tenants.items[i]))
            continue;
        (void)snprintf(folder, sizeof(folder), "%.*s", SK_STR_ARG(tenants.items[i]));
        err = names_list(store, &b.arena, folder, true, &fps);
        for (size_t k = 0; err == SK_OK && k < fps.count; k++)
            err = series_walk(&b, tenants.items[i], fps.items[k]);
        sk_free(fps.items);
    }
    if (err == SK_OK)
        err = sk_index_build(b.inputs, b.count, store->config->periods[period].schema >= 13 ? 3 : 2,
                             &out, &sums);
    if (err == SK_OK) {
        size_t len = out.len;
        char *owned = sk_strbuf_take(&out);
        err = sk_index_create((struct sk_slice){(const uint8_t *)owned, len}, owned, ret_index);
        if (err != SK_OK)
            sk_free(owned);
    }
    if (b.codec != NULL)
        sk_free(tenants.items);
    sk_free(b.inputs);
    sk_codec_ctx_destroy(b.codec);
    sk_strbuf_deinit(&b.file);
    sk_strbuf_deinit(&out);
    sk_arena_deinit(&b.arena);
    return err;
}
