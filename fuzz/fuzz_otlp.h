/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_otlp.h -- what fuzz_otlp_proto and fuzz_otlp_json hold a decoded push to. */
#ifndef SK_FUZZ_OTLP_H
#define SK_FUZZ_OTLP_H

#include "base/arena.h"
#include "base/assert.h"
#include "fuzz_push.h"
#include "labels/labelset.h"
#include "wire/otlp.h"

static const struct sk_str fuzz_labels[] = {
    {"service.name", 12}, {"k8s.container.name", 18}, {"k8s.job.name", 12}, {"cloud.region", 12}};
static const struct sk_str fuzz_names[] = {{"a", 1}, {"host.name", 9}};
static const struct sk_attr_rule fuzz_label[] = {{SK_ATTR_LABEL, fuzz_names, 2, NULL}};
static const struct sk_attr_rule fuzz_drop[] = {{SK_ATTR_DROP, fuzz_names, 2, NULL}};
static const struct sk_str fuzz_discover[] = {{"k8s_container_name", 18}, {"k8s_job_name", 12}};

/* Streams have entries, labels that parse and print the same, and texts unlike each other's;
 * metadata names are normal. */
static inline void fuzz_otlp_check(const struct sk_push *push, struct sk_slice body)
{
    struct sk_arena arena;
    fuzz_push_check(push, body);
    sk_arena_init(&arena, 64u << 20, NULL);
    for (size_t i = 0; i < push->stream_count; i++) {
        struct sk_labelset set;
        struct sk_error why;
        struct sk_strbuf again;
        sk_assert(push->streams[i].entry_count > 0);
        sk_assert(sk_labels_parse(&arena, push->streams[i].labels, &set, &why) == SK_OK);
        sk_strbuf_init(&again, SIZE_MAX / 2);
        sk_labels_format(&again, set);
        sk_assert(sk_str_eq(sk_strbuf_view(&again), push->streams[i].labels));
        sk_strbuf_deinit(&again);
        for (size_t k = 0; k < i && i < 100; k++)
            sk_assert(!sk_str_eq(push->streams[k].labels, push->streams[i].labels));
    }
    for (size_t i = 0; i < push->pair_count; i++) {
        struct sk_str name = push->pairs[i].name;
        sk_assert(sk_label_name_valid(name));
        sk_assert(sk_label_name_is_normal(name) || sk_str_starts(name, SK_STR("__")));
    }
    sk_arena_deinit(&arena);
}

static inline void fuzz_otlp_run(bool json, const uint8_t *data, size_t size)
{
    const struct sk_attr_rules label = {fuzz_label, size % 8 > 5}, drop = {fuzz_drop, size % 8 > 6};
    struct sk_otlp_rules rules = {
        .label_attributes = fuzz_labels,
        .label_attribute_count = SK_COUNT_OF(fuzz_labels),
        .resource = label,
        .scope = drop,
        .record = size % 2 == 0 ? label : drop,
        .severity_text_as_label = size % 4 == 3,
        .discover_service_name = fuzz_discover,
        .discover_service_name_count = SK_COUNT_OF(fuzz_discover),
    };
    struct sk_push push;
    struct sk_error why = {.text = ""};
    struct sk_slice body = {data, size};
    sk_push_init(&push, 16u << 20, NULL);
    enum sk_err err = json ? sk_push_decode_otlp_json(&push, body, &rules, 777, &why)
                           : sk_push_decode_otlp_proto(&push, body, &rules, 777, &why);
    if (err == SK_OK)
        fuzz_otlp_check(&push, body);
    else
        sk_assert(why.text[0] != '\0');
    sk_push_deinit(&push);
}

#endif
