/* SPDX-License-Identifier: Apache-2.0 */
/* config_int.h -- what the files of this folder share.
 *
 * Two trees meet here. Keys: the table of all keys Loki knows, in document order, made from
 * keys.tsv at build time; a key's children are the keys behind it up to its `end`. Nodes: one
 * YAML document in memory, into which flags are then written. Loading is: text -> nodes ->
 * checked against the keys -> flags put in -> fields of struct sk_config filled from nodes or
 * defaults.
 *
 * Invariants of a checked tree:
 *   (1) every node has a key, every scalar parses as its key's type;
 *   (2) no map holds a name twice; no node is null (null means "not given" and is taken out).
 *
 * Threads: a tree belongs to one thread while it is built, and is constant afterwards. */
#ifndef SK_CONFIG_CONFIG_INT_H
#define SK_CONFIG_CONFIG_INT_H

#include "base/vfs.h"
#include "config/config.h"
#include "config/yaml_node.h"

/* ---- limits ---- */

/* A configuration or runtime file larger than this is refused. Bytes. */
#define SK_CONFIG_FILE_BYTES_MAX     (4u << 20)
/* Memory of a configuration, with its tree. Bytes. */
#define SK_CONFIG_ARENA_BYTES        (64u << 20)
/* Text after -config.expand-env. Bytes. */
#define SK_CONFIG_EXPANDED_BYTES_MAX (16u << 20)

/* ---- keys ---- */

enum sk_key_type {
    SK_KEY_BLOCK, /* named keys */
    SK_KEY_LIST,  /* blocks; its one child key is "[]" */
    SK_KEY_MAP,   /* blocks by free names; its one child key is "<name>" */
    SK_KEY_STRING,
    SK_KEY_SECRET,
    SK_KEY_URL,
    SK_KEY_INT,
    SK_KEY_FLOAT,
    SK_KEY_BOOL,
    SK_KEY_DURATION, /* Go: 1h30m; a bare integer is ns */
    SK_KEY_PROM,     /* Prometheus: 1w2d */
    SK_KEY_BYTES,    /* 256KB, powers of 1024 */
    SK_KEY_BYTES2,   /* the same with KiB and sums: 63KiB1023B */
    SK_KEY_CSV,      /* one text, commas inside */
    SK_KEY_LEVEL,    /* debug info warn error */
    SK_KEY_DAY,      /* 2024-04-01 */
    SK_KEY_TIME,     /* RFC 3339, a day, or 0 */
    SK_KEY_STRINGS,
    SK_KEY_SECRETS,
    SK_KEY_STRMAP,
    SK_KEY_SECRETMAP, /* lists of secrets by name */
    SK_KEY_ANY,
};

struct sk_config_key {
    uint32_t name, def, flag; /* in sk_config_key_pool; 0 is "" */
    uint16_t parent;
    uint16_t end; /* first key behind this one's subtree */
    uint8_t type; /* enum sk_key_type */
};

extern const char sk_config_key_pool[];
extern const struct sk_config_key sk_config_keys[]; /* [0] is the document */
extern const size_t sk_config_key_count;

#define SK_KEY_NONE SIZE_MAX

static inline const char *sk_key_name(size_t key)
{
    return sk_config_key_pool + sk_config_keys[key].name;
}

static inline const char *sk_key_default(size_t key)
{
    return sk_config_key_pool + sk_config_keys[key].def;
}

static inline const char *sk_key_flag(size_t key)
{
    return sk_config_key_pool + sk_config_keys[key].flag;
}

static inline enum sk_key_type sk_key_type(size_t key)
{
    return (enum sk_key_type)sk_config_keys[key].type;
}

/* SK_KEY_NONE when there is none. Cost: the number of siblings, resp. of keys. */
size_t sk_key_child(size_t key, struct sk_str name);
size_t sk_key_at(size_t below, const char *path); /* "ingester.wal.dir" */
size_t sk_key_by_flag(struct sk_str flag);

bool sk_key_is_container(size_t key); /* block, list or map of blocks */
/* The path in dots, elements as "[]" and "<name>". */
void sk_key_path(struct sk_strbuf *out, size_t key);
/* The Go type Loki names in errors: "ingester.Config", "time.Duration". */
const char *sk_key_go_type(size_t key);
/* What a value looks like, for hints: "a duration such as 30s or 1h30m". */
const char *sk_key_wants(size_t key);
/* The child of `key` whose name is nearest to `name`; NULL when none is near. */
const char *sk_key_similar(size_t key, struct sk_str name);

/* ---- nodes, beyond yaml_node.h ---- */

/* Puts `value` at the path of `key` (no lists on the way), in place of what is there. */
SK_MUST_CHECK enum sk_err sk_node_put(struct sk_arena *arena, struct sk_config_node *root,
                                      size_t key, struct sk_config_node *value);
SK_MUST_CHECK enum sk_err sk_node_put_text(struct sk_arena *arena, struct sk_config_node *root,
                                           const char *path, const char *text);

/* Moves `from` into `into`: maps are merged, all else is replaced. Both are maps. */
void sk_node_merge(struct sk_config_node *into, struct sk_config_node *from);

/* ---- values ---- */

/* A scalar as the YAML type `type`. SK_EINVAL: wrong kind of scalar, text as Loki's after "line
 * N: "; SK_EPARSE: right kind, bad content, text as Loki's whole. */
SK_MUST_CHECK enum sk_err sk_value_parse(enum sk_key_type type, const struct sk_config_node *node,
                                         struct sk_value *ret, struct sk_error *reterr);

/* The same for a flag's text; makes the node that the YAML would have held. `list` (may be NULL)
 * is the present value of a list flag, which is extended. Texts as Go's flag package after the
 * colon. */
SK_MUST_CHECK enum sk_err sk_value_from_flag(struct sk_arena *arena, size_t key, struct sk_str text,
                                             struct sk_config_node *list,
                                             struct sk_config_node **ret_node,
                                             struct sk_error *reterr);

/* Sizes: integer, blank, K M G T P E, B; base 1024. `iec` allows Ki and sums as well. */
SK_MUST_CHECK enum sk_err sk_value_bytes(struct sk_str s, bool iec, uint64_t *ret,
                                         struct sk_error *reterr);

/* `v` as a YAML scalar in its usual form (721h -> 30d1h, 262144 -> 256KB), or a text in quotes
 * where YAML needs them. */
void sk_value_format(struct sk_strbuf *out, enum sk_key_type type, const struct sk_value *v);
void sk_yaml_text(struct sk_strbuf *out, struct sk_str s);

/* The default of a leaf key as a node in `arena`; NULL when out of memory. */
struct sk_config_node *sk_key_default_node(struct sk_arena *arena, size_t key);

/* ---- loading ---- */

/* What is wrong with a document, in Loki's words, plus a hint of ours. */
struct sk_config_faults {
    struct sk_strbuf lines; /* "\n  line 3: field foo not found in type loki.ConfigWrapper" */
    struct sk_strbuf hint;  /* "" or one line */
    struct sk_error custom; /* text instead of the lines; code SK_OK when there is none */
    unsigned count;
};

void sk_faults_init(struct sk_config_faults *faults);
void sk_faults_deinit(struct sk_config_faults *faults);
void sk_faults_add(struct sk_config_faults *faults, unsigned line, const char *fmt, ...)
    SK_PRINTF(3, 4);
/* SK_OK without faults; else SK_EPARSE and "failed parsing `what`: `file`: ..." in *reterr. */
SK_MUST_CHECK enum sk_err sk_faults_report(const struct sk_config_faults *faults, const char *what,
                                           const char *file, struct sk_error *reterr);

/* Checks `node` against `key`, takes nulls out. `go_type` overrides the key's (NULL: does not). */
void sk_config_check(size_t key, struct sk_config_node *node, const char *go_type,
                     struct sk_config_faults *faults);

/* -config.expand-env: ${V}, ${V:-default} ... Variables come from `lookup` (NULL: unset). */
typedef const char *sk_config_env_fn(void *ctx, const char *name);
SK_MUST_CHECK enum sk_err sk_config_expand(struct sk_str text, sk_config_env_fn *lookup, void *ctx,
                                           struct sk_strbuf *out, struct sk_error *reterr);

/* How a key becomes a field of a struct. */
enum sk_field_kind {
    SK_FIELD_STR, /* const char * */
    SK_FIELD_BOOL,
    SK_FIELD_U16,
    SK_FIELD_U64, /* int (negative: 0) or bytes */
    SK_FIELD_I64, /* int, duration, time */
    SK_FIELD_F64,
    SK_FIELD_LIST, /* struct sk_str_list */
};

struct sk_config_field {
    const char *path; /* below the block that the table is for */
    enum sk_field_kind kind;
    size_t offset;
};

/* Fills the fields of `target` from `node` (the block `key`; may be NULL). Keys that are absent
 * take their default, or, with `keep`, leave the field as it is. */
SK_MUST_CHECK enum sk_err sk_fields_load(struct sk_arena *arena,
                                         const struct sk_config_field *fields, size_t count,
                                         size_t key, const struct sk_config_node *node, bool keep,
                                         void *target, struct sk_error *reterr);

/* The texts of a list, borrowed from it. */
SK_MUST_CHECK enum sk_err sk_node_texts(struct sk_arena *arena, const struct sk_config_node *list,
                                        struct sk_str_list *ret);

/* All fields that are keys, limits and schema periods apart. */
SK_MUST_CHECK enum sk_err sk_config_fields_load(struct sk_config *config, struct sk_error *reterr);

/* limits_config; `keep` as above. Error texts as after "CONFIG ERROR: ". */
SK_MUST_CHECK enum sk_err sk_limits_load(struct sk_arena *arena, const struct sk_config_node *node,
                                         bool keep, struct sk_limits *limits,
                                         struct sk_error *reterr);

/* The lists of rules of otlp_config, `node` being limits_config or NULL; those that are not given
 * stay as they are. */
SK_MUST_CHECK enum sk_err sk_otlp_limits_load(struct sk_arena *arena,
                                              const struct sk_config_node *node,
                                              struct sk_otlp_limits *otlp, struct sk_error *reterr);

/* Whether a key of limits_config acts, named without the block. */
bool sk_limits_acts(struct sk_str name);
/* Whether a key acts; `path` in dots. */
bool sk_config_acts(const char *path);

/* The command line. */
struct sk_config_flags {
    const char *config_file;
    bool config_file_given, expand_env;
    const char *memory_limit, *wal_sync, *wal_sync_gap, *wal_budget, *workers; /* NULL: not given */
    const char *users_file;
    bool verify_config, print_config_stderr, log_config_reverse_order, version, help, list_targets;
    bool explain;
    struct sk_config_node *keys; /* tree of the keys' flags */
};

/* Error texts are Go's; exit status 2. */
SK_MUST_CHECK enum sk_err sk_flags_parse(struct sk_arena *arena, int argc, char **argv,
                                         struct sk_config_flags *ret_flags,
                                         struct sk_error *reterr);

/* skald's own settings from flags and SKALD_*; exit status 2. */
SK_MUST_CHECK enum sk_err sk_flags_own(const struct sk_config_flags *flags,
                                       sk_config_env_fn *lookup, void *ctx,
                                       struct sk_config *config, struct sk_error *reterr);

/* Everything after the flags: from a YAML text to a filled config. `file_name` is for errors; NULL:
 * no file, the built-in single-node configuration. On failure the config is to be deinitialised. */
SK_MUST_CHECK enum sk_err sk_config_load_text(struct sk_config *config,
                                              const struct sk_config_flags *flags,
                                              struct sk_str text, const char *file_name,
                                              struct sk_error *reterr);

/* Warnings about keys without effect, into config->warnings. */
SK_MUST_CHECK enum sk_err sk_config_warn(struct sk_config *config);

/* Writes keys that follow from others (paths, names) into the tree, before the fields are read. */
SK_MUST_CHECK enum sk_err sk_config_derive(struct sk_config *config, struct sk_config_node *root,
                                           struct sk_error *reterr);

/* Schema periods, then Loki's semantic checks; texts begin with "CONFIG ERROR: ". */
SK_MUST_CHECK enum sk_err sk_config_validate(struct sk_config *config, struct sk_error *reterr);

/* A leaf's value as YAML, from behind "name:" to the line's end; compared with the default too. */
void sk_print_leaf(struct sk_strbuf *out, size_t key, const struct sk_config_node *node,
                   unsigned indent);

#endif
