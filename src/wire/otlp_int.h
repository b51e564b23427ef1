/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_int.h -- between the two decoders of OTLP and the mapping they share.
 *
 *   resource_begin  resource_attr*  resource_end
 *     scope_begin  scope_attr*  scope_end
 *       record_begin  record_attr*  record_end
 *
 * repeat in this nesting; sk_otlp_finish() brings the streams in order. Values given to the mapping
 * may be forgotten when the call returns, their texts (body, arena) may not. */
#ifndef SK_WIRE_OTLP_INT_H
#define SK_WIRE_OTLP_INT_H

#include "base/hmap.h"
#include "wire/otlp.h"

enum otlp_kind {
    OTLP_EMPTY,
    OTLP_TEXT,
    OTLP_BOOL,
    OTLP_INT,
    OTLP_DOUBLE,
    OTLP_BYTES,
    OTLP_ARRAY,
    OTLP_MAP,
};

struct otlp_item;

struct otlp_value {
    enum otlp_kind kind;
    union {
        struct sk_str text; /* OTLP_TEXT, OTLP_BYTES */
        bool truth;
        int64_t integer;
        double real;
        struct otlp_item *items; /* OTLP_ARRAY, OTLP_MAP; nested SK_OTLP_DEPTH_MAX at most */
    } u;
};

struct otlp_item {
    struct otlp_item *next;
    struct sk_str key; /* of a map */
    struct otlp_value value;
};

struct otlp_scope {
    struct sk_str name, version;
    uint32_t dropped_attributes_count;
};

struct otlp_record {
    uint64_t time_ns, observed_ns; /* 0: absent */
    int32_t severity_number;
    struct sk_str severity_text;
    uint32_t dropped_attributes_count, flags;
    uint8_t trace_id[16], span_id[8]; /* all zero: absent */
    struct otlp_value body;
};

struct otlp_label {
    struct sk_str name, value;
    size_t seq;
};

struct otlp_labels {
    struct otlp_label *items;
    size_t count, cap;
};

struct otlp_name { /* one remembered normalisation */
    struct sk_str key, name;
};

#define OTLP_NAMES 256u

struct otlp_map {
    struct sk_push *push;
    const struct sk_otlp_rules *rules;
    int64_t now_ns;
    struct sk_error *reterr;
    struct sk_strbuf scratch, scratch2;
    struct sk_strbuf label_text;      /* of the present resource or record */
    struct otlp_labels labels;        /* of the present resource */
    struct otlp_labels record_labels; /* of the present record; they hide the resource's */
    bool labels_by_record;            /* the rules make labels of what a record has */
    size_t service_label;             /* index + 1 of the label that may serve as service_name */
    /* pairs of the resource, then of the scope, in Loki's order; then all of them reversed */
    struct sk_push_pair *shared, *block;
    size_t shared_count, shared_cap, block_cap, resource_pairs;
    uint32_t stream; /* of the present resource; UINT32_MAX: not made yet */
    struct sk_hmap streams;
    uint32_t *entry_stream; /* per entry */
    size_t entry_stream_cap;
    bool disordered; /* an entry's stream comes before that of the entry before it */
    struct otlp_name names[OTLP_NAMES];
};

/* resource_attr, scope_attr or record_attr */
typedef enum sk_err sk_otlp_attr_fn(struct otlp_map *m, struct sk_str key,
                                    const struct otlp_value *value);

void sk_otlp_map_init(struct otlp_map *m, struct sk_push *push, const struct sk_otlp_rules *rules,
                      int64_t now_ns, struct sk_error *reterr);
void sk_otlp_map_deinit(struct otlp_map *m);

void sk_otlp_resource_begin(struct otlp_map *m);
SK_MUST_CHECK enum sk_err sk_otlp_resource_attr(struct otlp_map *m, struct sk_str key,
                                                const struct otlp_value *value);
SK_MUST_CHECK enum sk_err sk_otlp_resource_end(struct otlp_map *m);
void sk_otlp_scope_begin(struct otlp_map *m);
SK_MUST_CHECK enum sk_err sk_otlp_scope_attr(struct otlp_map *m, struct sk_str key,
                                             const struct otlp_value *value);
SK_MUST_CHECK enum sk_err sk_otlp_scope_end(struct otlp_map *m, const struct otlp_scope *scope);
SK_MUST_CHECK enum sk_err sk_otlp_record_begin(struct otlp_map *m);
SK_MUST_CHECK enum sk_err sk_otlp_record_attr(struct otlp_map *m, struct sk_str key,
                                              const struct otlp_value *value);
SK_MUST_CHECK enum sk_err sk_otlp_record_end(struct otlp_map *m, const struct otlp_record *record);
SK_MUST_CHECK enum sk_err sk_otlp_finish(struct otlp_map *m);

/* A fresh item at *tail; NULL when memory is out. */
struct otlp_item *sk_otlp_item(struct otlp_map *m, struct otlp_item ***tail);

/* otlp_text.c: a value as a line or attribute: texts as they are, the rest as compact JSON does.
 * Borrowed or in `arena`. */
SK_MUST_CHECK enum sk_err sk_otlp_text(struct sk_arena *arena, struct sk_strbuf *scratch,
                                       const struct otlp_value *value, struct sk_str *ret);

#endif
