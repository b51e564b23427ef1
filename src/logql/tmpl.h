/* SPDX-License-Identifier: Apache-2.0 */
/* tmpl.h -- the templates of `line_format` and `label_format`: Go's text/template with the
 * functions that Loki adds to it (docs/COMPATIBILITY.md).
 *
 * A template is compiled once per query and run for each entry:
 *
 *   sk_tmpl_compile() -> immutable, shared by all threads
 *   sk_tmpl_scratch_init() for each thread; sk_tmpl_execute() for each entry
 *
 * The dot of a template is the map of an entry's labels. The names that it reads by field access
 * are known when it is compiled (sk_tmpl_names()), so that whoever runs it gives their values in an
 * array; the whole map is asked for only when something looks at it as a map.
 *
 * What a template can cost is bounded: SK_TMPL_STEPS_MAX, SK_TMPL_TEXT_BYTES_MAX,
 * SK_TMPL_DEPTH_MAX. Reaching one is an execution error of the entry.
 *
 * Threads: a template is immutable, any; a scratch: one at a time. */
#ifndef SK_LOGQL_TMPL_H
#define SK_LOGQL_TMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "labels/labelset.h"

/* Nodes, elements of ranges, and calls that one execution may come to; each SK_TMPL_STEP_BYTES of
 * the texts that a call is given count as one more. It ends within seconds, whatever it says. */
#define SK_TMPL_STEPS_MAX  (1u << 20)
#define SK_TMPL_STEP_BYTES 1024u

/* The result, and each text on the way there. Lines are smaller than this by far. Bytes. */
#define SK_TMPL_TEXT_BYTES_MAX (16u << 20)

/* Blocks and parentheses inside each other in the text, and calls of templates by templates: each
 * takes stack. */
#define SK_TMPL_DEPTH_MAX 200

struct sk_tmpl;
struct sk_tmpl_regex; /* tmpl_fn_regex.c */
struct sk_tmpl_zone;  /* tmpl_fn_time.c */

/* Compiles `text`, which must live as long as the template; `name` (`line`, `label`) is for
 * messages. SK_EPARSE with Go's words (`template: line:1: unclosed action`), SK_ENOMEM. */
SK_MUST_CHECK enum sk_err sk_tmpl_compile(struct sk_arena *arena, struct sk_str name,
                                          struct sk_str text, const struct sk_tmpl **ret,
                                          struct sk_error *reterr);

/* What a template reads. */
struct sk_tmpl_names {
    const struct sk_str *items; /* each identifier of a field chain, once, in order of appearance */
    size_t count;
    bool reads_map; /* may look at the labels otherwise: range ., index . "x", len ., print . */
};

struct sk_tmpl_names sk_tmpl_names(const struct sk_tmpl *t);

/* Whether the template is `{{.name}}` and nothing else, which line_format treats on its own. */
bool sk_tmpl_is_field(const struct sk_tmpl *t, struct sk_str *ret_name);

/* Memory of a thread that is kept from entry to entry. */
struct sk_tmpl_scratch {
    struct sk_strbuf out, text, part, number;
    struct sk_tmpl_regex *regexes; /* patterns that are not constants */
    struct sk_tmpl_zone *zones;
};

void sk_tmpl_scratch_init(struct sk_tmpl_scratch *s);
void sk_tmpl_scratch_deinit(struct sk_tmpl_scratch *s); /* zeroed: fine */

struct sk_tmpl_input {
    struct sk_arena *arena; /* of the entry: results live here */
    struct sk_tmpl_scratch *scratch;
    struct sk_str line;
    int64_t ts_ns;
    const struct sk_str *values; /* of sk_tmpl_names(); empty: no such label */
    /* All labels, sorted by name, each once. false: out of memory. */
    bool (*map)(void *ctx, struct sk_labelset *ret);
    void *map_ctx;
};

enum sk_tmpl_verdict {
    SK_TMPL_DONE,
    SK_TMPL_FAILED, /* the text is the error's: `template: line:1:2: executing "line" at ...` */
    SK_TMPL_NO_MEMORY,
};

/* Texts live in the arena, or are the template's or the input's. */
SK_MUST_CHECK enum sk_tmpl_verdict
sk_tmpl_execute(const struct sk_tmpl *t, const struct sk_tmpl_input *in, struct sk_str *ret_text);

#endif
