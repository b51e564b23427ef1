/* SPDX-License-Identifier: Apache-2.0 */
/* Any answer of a server is decoded and printed by skaldctl, or refused with a text; entries come
 * out in the direction asked and belong to a stream. The first byte chooses the direction. */
#include <stdint.h>

#include <jansson.h>

#include "base/assert.h"
#include "cli/ctl_answer.h"
#include "cli/ctl_print.h"
#include "cli/ctl_stats.h"

#define OUT_BYTES ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct sk_ctl_answer *a, bool forward)
{
    const struct sk_ctl_format format = {.output = SK_CTL_JSONL, .utc = true};
    struct sk_strbuf out;
    sk_strbuf_init(&out, OUT_BYTES);
    for (size_t i = 0; i < a->entry_count; i++) {
        const struct sk_ctl_entry *e = &a->entries[i];
        sk_assert(e->stream_idx < a->stream_count);
        const struct sk_ctl_shown shown = {.labels = a->streams[e->stream_idx]};
        if (i > 0)
            sk_assert(forward ? a->entries[i - 1].ts_ns <= e->ts_ns
                              : a->entries[i - 1].ts_ns >= e->ts_ns);
        sk_ctl_print_entry(&out, &format, e->ts_ns, &shown, e->line);
    }
    if (a->kind != SK_CTL_STREAMS)
        (void)sk_ctl_print_json(&out, a->result); /* false: too deep */
    sk_ctl_stats_print(&out, a->stats);
    sk_strbuf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_ctl_answer a;
    struct sk_error e = {.text = ""};
    if (size == 0)
        return 0;
    bool forward = data[0] & 1;
    struct sk_str body = {(const char *)data + 1, size - 1};
    if (sk_ctl_answer_decode(&a, body, forward, &e) == SK_OK) {
        print(&a, forward);
        sk_ctl_answer_deinit(&a);
    } else {
        sk_assert(e.text[0] != '\0');
    }
    if (sk_ctl_answer_decode_tail(&a, body, &e) == SK_OK)
        sk_ctl_answer_deinit(&a);
    return 0;
}
