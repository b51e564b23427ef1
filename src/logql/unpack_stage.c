/* SPDX-License-Identifier: Apache-2.0 */
/* unpack_stage.c -- | unpack: undoes what Promtail's pack stage did: the line was an object whose
 * member _entry is the line, and whose other texts are labels. Nothing changes until the whole object
 * was read and has an _entry. */
#include "logql/json_walk.h"
#include "logql/pipeline_int.h"

struct packed {
    struct sk_label_slot **slots; /* each once: a later duplicate replaces the value */
    struct sk_str *values;
    size_t count, cap;
    struct sk_str entry;
    bool has_entry;
};

static bool packed_grow(struct sk_pipeline_run *run, struct packed *k)
{
    size_t cap = k->cap == 0 ? 16 : 2 * k->cap;
    struct sk_label_slot **slots =
        sk_arena_calloc(&run->arena, cap, sizeof(struct sk_label_slot *));
    struct sk_str *values = sk_arena_calloc(&run->arena, cap, sizeof(*values));
    if (slots == NULL || values == NULL)
        return false;
    if (k->count > 0) {
        memcpy(slots, k->slots, k->count * sizeof(struct sk_label_slot *));
        memcpy(values, k->values, k->count * sizeof(*values));
    }
    k->slots = slots;
    k->values = values;
    k->cap = cap;
    return true;
}

static void packed_set(struct sk_pipeline_run *run, struct packed *k, struct sk_label_slot *slot,
                       struct sk_str value)
{
    size_t i = k->count;
    if (slot->mark == run->labels.mark_seq) { /* in the list already */
        for (i = 0; k->slots[i] != slot;)
            i++;
    } else if (k->count == k->cap && !packed_grow(run, k)) {
        run->labels.failed = true;
        return;
    }
    slot->mark = run->labels.mark_seq;
    k->slots[i] = slot;
    k->values[i] = value;
    k->count += i == k->count;
}

static void member_take(struct sk_pipeline_run *run, struct packed *k, struct sk_str key,
                        const struct sk_jw_value *v)
{
    struct sk_str value;
    if (!sk_jw_text(&run->arena, v, &value)) {
        run->labels.failed = true;
        return;
    }
    if (sk_str_is(key, "_entry")) {
        k->entry = value;
        k->has_entry = true;
        return;
    }
    struct sk_label_slot *slot = sk_run_key_slot(run, key);
    slot = slot == NULL ? NULL : sk_run_extract_to(run, slot);
    if (slot != NULL)
        packed_set(run, k, slot, sk_run_clean(run, value));
}

static enum sk_pipeline_verdict unpack_run(struct sk_pipeline_run *run, const void *data)
{
    struct packed k = {.slots = NULL};
    struct sk_jw w;
    struct sk_jw_value value;
    struct sk_str key;
    (void)data; /* nothing to configure */
    if (run->line.len == 0)
        return SK_PIPELINE_KEEP;
    if (run->line.ptr[0] != '{') {
        sk_run_error(run, SK_STR("JSONParserErr"),
                     SK_STR("expecting json object(6), but it is not"));
        return SK_PIPELINE_KEEP;
    }
    run->labels.mark_seq++;
    enum sk_jw_fault fault = sk_jw_begin(&w, run->line, &run->arena);
    while (fault == SK_JW_OK && !run->labels.failed) {
        fault = sk_jw_member(&w, &key, &value);
        if (fault != SK_JW_OK || w.done)
            break;
        if (value.kind == SK_JW_TEXT)
            member_take(run, &k, key, &value);
    }
    if (fault == SK_JW_NOMEM || run->labels.failed)
        return SK_PIPELINE_ERROR;
    if (fault != SK_JW_OK) {
        sk_run_error(run, SK_STR("JSONParserErr"), sk_jw_fault_text(fault));
        return SK_PIPELINE_KEEP;
    }
    if (!k.has_entry)
        return SK_PIPELINE_KEEP;
    run->line = k.entry;
    for (size_t i = 0; i < k.count; i++)
        sk_label_write(&run->labels, k.slots[i], k.values[i]);
    for (size_t i = 0; i < k.count; i++) {
        if (!sk_run_early(run, k.slots[i]))
            return SK_PIPELINE_DROP;
    }
    return SK_PIPELINE_KEEP;
}

enum sk_err sk_stage_unpack_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                   struct sk_stage *ret, struct sk_error *reterr)
{
    (void)m;
    (void)ast; /* it has no arguments */
    (void)reterr;
    *ret = (struct sk_stage){unpack_run, NULL};
    return SK_OK;
}
