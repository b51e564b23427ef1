/* SPDX-License-Identifier: Apache-2.0 */
/* otlp.h -- decodes OTLP log exports into the flat form of push.h, mapped as Loki maps them.
 *
 * Resource and log attributes that the rules name become stream labels; all others, scope
 * attributes and the fields of a record become metadata, but for those the rules drop. Nested
 * maps are flattened into names, names are normalised (a.b-c -> a_b_c), the body becomes the
 * line.
 *
 * Invariants of a decoded push:
 *   (1) streams have distinct label texts and at least one entry each;
 *   (2) of pairs with equal names the FIRST one counts: they stand in reverse of Loki's order,
 *       in which the last one counts (scope before resource before record);
 *   (3) texts are slices of the body or of the push's arena.
 *
 * Threads: one at a time per push; rules are read only. */
#ifndef SK_WIRE_OTLP_H
#define SK_WIRE_OTLP_H

#include "labels/attr_rule.h"
#include "wire/push.h"

struct sk_otlp_rules {
    const struct sk_str *label_attributes; /* resource attributes that become labels ... */
    size_t label_attribute_count;
    struct sk_attr_rules resource; /* ... before these rules are asked */
    struct sk_attr_rules scope;    /* without SK_ATTR_LABEL */
    struct sk_attr_rules record;
    bool severity_text_as_label;
    /* Labels whose value serves as service_name when there is no service.name; none: not added. */
    const struct sk_str *discover_service_name;
    size_t discover_service_name_count;
};

/* Values nested deeper are empty. */
#define SK_OTLP_DEPTH_MAX 32

/* `push` is empty (init or reset). `now_ns` is the time of records that have none. SK_EPARSE
 * with Loki's text where it has one; SK_ELIMIT beyond the SK_PUSH_ maxima; SK_ENOMEM. The push
 * holds nothing of use after a failure. */
SK_MUST_CHECK enum sk_err sk_push_decode_otlp_proto(struct sk_push *push, struct sk_slice body,
                                                    const struct sk_otlp_rules *rules,
                                                    int64_t now_ns, struct sk_error *reterr);
SK_MUST_CHECK enum sk_err sk_push_decode_otlp_json(struct sk_push *push, struct sk_slice body,
                                                   const struct sk_otlp_rules *rules,
                                                   int64_t now_ns, struct sk_error *reterr);

#endif
