/* SPDX-License-Identifier: Apache-2.0 */
/* store_int.h -- shared inside src/store.
 *
 *   index head   chunks flushed since the last build, by stream; `building` is the part that a
 *                build works on. Both are searched.
 *   table        one day's folder of index files; listings are looked at again after TABLE_TTL_S.
 *   index file   opened on first use, kept unpacked in memory, dropped when least recently used
 *
 * One lock guards heads, tables and the list of open files; files are read and unpacked outside it
 * (two threads may then load the same file; the second copy is thrown away). */
#ifndef SK_STORE_STORE_INT_H
#define SK_STORE_STORE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hmap.h"
#include "config/config.h"
#include "objstore/objkey.h"
#include "objstore/objstore.h"
#include "store/store.h"
#include "tsdb_index/index.h"

struct head_chunk {
    struct sk_index_chunk entry;
    uint64_t first_seg;
};

struct head_series {
    struct head_series *next;
    char *tenant;
    struct sk_labelset labels; /* heap */
    uint64_t fingerprint, hash;
    struct head_chunk *chunks;
    size_t count, cap;
};

struct index_head {
    struct sk_hmap by_key;
    struct head_series *first;
    size_t chunk_count;
    int64_t since_ns; /* wall clock of the first chunk */
};

struct index_file {
    struct index_file *next; /* of the table */
    char *key;               /* object key */
    char *tenant;            /* NULL: multi-tenant */
    struct sk_index *index;  /* NULL: not loaded */
    size_t bytes;
    uint64_t used;         /* clock of uses */
    _Atomic uint32_t refs; /* the table's own counts as one */
    bool bad, substitute;  /* could not be read; stands for bad ones */
    bool seen;             /* in the newest listing */
};

struct table {
    struct table *next;
    int64_t day;
    size_t period;
    struct index_file *files;
    int64_t listed_mono_ns; /* 0: never */
};

struct sk_store {
    const struct sk_config *config;
    const struct sk_vfs *vfs;
    struct sk_budget *budget;
    struct sk_objstore *objects;
    char *tmp_dir, *node;
    pthread_mutex_t lock;
    struct index_head head, building;
    struct table *tables;
    uint64_t use_clock;
    size_t open_bytes, open_max;
    int64_t last_name_s;
    pthread_mutex_t build_lock;
    char **taken_over; /* files and folders of Loki's to remove after a build */
    size_t taken_count, taken_cap;
    _Atomic uint64_t damaged;
};

/* ---- store.c ---- */

size_t period_at(const struct sk_store *store, int64_t ms);
void store_note_damage(struct sk_store *store, const char *kind, const char *name, const char *why);

/* ---- index_head.c ---- */

SK_MUST_CHECK enum sk_err head_add(struct index_head *head, struct sk_str tenant,
                                   struct sk_labelset labels, uint64_t fingerprint,
                                   const struct sk_index_chunk *entry, uint64_t first_seg);
void head_deinit(struct index_head *head);
bool head_has(const struct index_head *head, struct sk_str tenant, struct sk_labelset labels,
              const struct sk_index_chunk *entry);

/* ---- tables.c ---- */

/* Calls fn for every usable index of the tables that meet [from_ms, through_ms] for the tenant. */
typedef enum sk_err table_fn(void *ctx, const struct sk_index *index, bool multi_tenant,
                             size_t period);
SK_MUST_CHECK enum sk_err tables_each(struct sk_store *store, struct sk_str tenant, int64_t from_ms,
                                      int64_t through_ms, table_fn *fn, void *ctx);
/* A file that this process has just written. */
void tables_forget_listing(struct sk_store *store, int64_t day);
void tables_deinit(struct sk_store *store);

/* ---- rebuild.c ---- */

/* An index of all chunk files of a table, made by walking them: for a day whose index is damaged. */
SK_MUST_CHECK enum sk_err rebuild_table(struct sk_store *store, int64_t day, size_t period,
                                        struct sk_index **ret_index);

/* ---- store_source.c ---- */

enum sk_err store_select(void *ctx, struct sk_selection *sel);

#endif
