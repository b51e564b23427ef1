/* SPDX-License-Identifier: Apache-2.0 */
/* line_stages.c -- | decolorize: takes the colours of a terminal out of the line. */
#include "labels/regex.h"
#include "logql/pipeline_int.h"

/* ESC or its one-rune form, brackets, then a text up to BEL, or numbers and a final letter. */
#define ANSI_PATTERN                                                                               \
    "[\\x{1b}\\x{9b}][\\[\\]()#;?]*"                                                               \
    "(?:(?:(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\\x07)"                                              \
    "|(?:(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~]))"

static bool may_have_ansi(struct sk_str line)
{
    return line.len > 0 && (memchr(line.ptr, 0x1b, line.len) != NULL ||
                            memmem(line.ptr, line.len, "\xc2\x9b", 2) != NULL);
}

static enum sk_pipeline_verdict decolorize_run(struct sk_pipeline_run *run, const void *data)
{
    const struct sk_regex *ansi = data;
    struct sk_str line = run->line, hit;
    if (!may_have_ansi(line))
        return SK_PIPELINE_KEEP;
    char *out = sk_arena_alloc(&run->arena, line.len);
    if (out == NULL)
        return SK_PIPELINE_ERROR;
    size_t n = 0, from = 0;
    while (sk_regex_find(ansi, line, from, &hit, 1)) {
        size_t at = (size_t)(hit.ptr - line.ptr);
        memcpy(out + n, line.ptr + from, at - from);
        n += at - from;
        from = at + hit.len; /* a match is never empty */
    }
    memcpy(out + n, line.ptr + from, line.len - from);
    run->line = (struct sk_str){out, n + line.len - from};
    return SK_PIPELINE_KEEP;
}

enum sk_err sk_stage_decolorize_create(struct sk_pipeline_maker *m, const struct sk_ast_stage *ast,
                                       struct sk_stage *ret, struct sk_error *reterr)
{
    const struct sk_regex *ansi;
    (void)ast; /* it has no arguments */
    enum sk_err err = sk_arena_regex(m->arena, SK_STR(ANSI_PATTERN), 0, &ansi, reterr);
    if (err == SK_OK)
        *ret = (struct sk_stage){decolorize_run, ansi};
    return err;
}
