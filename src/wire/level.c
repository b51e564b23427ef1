/* SPDX-License-Identifier: Apache-2.0 */
/* level.c -- see level.h. Runs for every pushed line, so each scanner is one pass that stops at the
 * first answer and allocates nothing. */
#include "wire/level.h"

#include <strings.h>

static const struct {
    const char *word;
    unsigned char len;
    const char *level;
} words[] = {
    {"trace", 5, "trace"},       {"trc", 3, "trace"},   {"debug", 5, "debug"},
    {"dbg", 3, "debug"},         {"info", 4, "info"},   {"inf", 3, "info"},
    {"information", 11, "info"}, {"warn", 4, "warn"},   {"wrn", 3, "warn"},
    {"warning", 7, "warn"},      {"error", 5, "error"}, {"err", 3, "error"},
    {"critical", 8, "critical"}, {"fatal", 5, "fatal"},
};

/* In the order in which ties are decided; looked for inside lines. */
static const struct {
    const char *word;
    size_t len;
    const char *level;
} line_words[] = {
    {"trace", 5, "trace"},       {"debug", 5, "debug"}, {"fatal", 5, "fatal"},
    {"critical", 8, "critical"}, {"error", 5, "error"}, {"err", 3, "error"},
    {"warning", 7, "warn"},      {"warn", 4, "warn"},   {"info", 4, "info"},
};

/* What a byte can be; one lookup a byte is what scanning costs. */
enum {
    LEFT = 1,   /* a word may begin behind it */
    RIGHT = 2,  /* a word may end before it */
    FIRST = 4,  /* a level may begin with it */
    WORD = 8,   /* goes on a key or a bare value of logfmt */
    STRING = 16 /* an ordinary character inside a JSON string */
};

static uint8_t class_of(unsigned c)
{
    uint8_t k = 0;
    if (c == ' ' || c == '\t' || c == '\n' || c == '[' || c == '(' || c == '{' || c == '"' ||
        c == '=')
        k |= LEFT | RIGHT;
    if (c == ']' || c == ')' || c == '}' || c == ':' || c == ',' || c == '!')
        k |= RIGHT;
    for (size_t i = 0; i < SK_COUNT_OF(line_words); i++) {
        if ((c | 32) == (unsigned char)line_words[i].word[0])
            k |= FIRST;
    }
    if (c > ' ' && c != '=' && c != '"')
        k |= WORD;
    if (c != '"' && c != '\\')
        k |= STRING;
    return k;
}

static uint8_t classes[256];

__attribute__((constructor)) static void classes_make(void)
{
    for (unsigned c = 0; c < sizeof(classes); c++)
        classes[c] = class_of(c);
}

static inline bool is(char c, unsigned which)
{
    return (classes[(unsigned char)c] & which) != 0;
}

bool sk_level_of_word(struct sk_str word, struct sk_str *ret)
{
    for (size_t i = 0; i < SK_COUNT_OF(words); i++) {
        if (word.len == words[i].len && (word.ptr[0] | 32) == words[i].word[0] &&
            strncasecmp(word.ptr, words[i].word, word.len) == 0) {
            *ret = sk_str_from(words[i].level);
            return true;
        }
    }
    return false;
}

struct sk_str sk_level_of_severity(struct sk_str number)
{
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error", "fatal"};
    int64_t n;
    if (!sk_str_to_i64(number, &n))
        return SK_STR("info");
    if (n <= 0 || n > 24)
        return SK_STR("unknown");
    return sk_str_from(levels[(n - 1) / 4]);
}

static size_t field_index(const struct sk_level_rules *rules, struct sk_str key, bool nocase)
{
    for (size_t i = 0; i < rules->field_count; i++) {
        if (rules->fields[i].len == key.len &&
            (nocase ? strncasecmp(rules->fields[i].ptr, key.ptr, key.len) == 0
                    : memcmp(rules->fields[i].ptr, key.ptr, key.len) == 0))
            return i;
    }
    return SIZE_MAX;
}

/* The closing quote of a JSON string that begins behind p[-1]; NULL when it is cut. */
static const char *string_end(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (is(*p, STRING))
            continue;
        if (*p == '"')
            return p;
        p++;
    }
    return NULL;
}

/* A tolerant walk: keys are strings followed by a colon; objects nest; arrays are stepped over. */
static bool json_level(const struct sk_level_rules *rules, struct sk_str line, struct sk_str *ret)
{
    const char *p = line.ptr, *end = line.ptr + line.len;
    unsigned objects = 0, arrays = 0;
    struct sk_str key = {NULL, 0};
    bool value = false; /* behind a colon */
    for (; p < end; p++) {
        switch (*p) {
        case '{':
            objects++;
            value = false;
            break;
        case '}':
            objects -= objects > 0;
            value = false;
            break;
        case '[':
            arrays++;
            break;
        case ']':
            arrays -= arrays > 0;
            break;
        case ',':
            value = false;
            break;
        case ':':
            value = key.ptr != NULL;
            break;
        case '"': {
            const char *close = string_end(p + 1, end);
            if (close == NULL)
                return false;
            struct sk_str text = {p + 1, (size_t)(close - p - 1)};
            p = close;
            bool deep = rules->json_depth_max != 0 && objects > rules->json_depth_max;
            if (value && arrays == 0 && !deep && field_index(rules, key, false) != SIZE_MAX) {
                *ret = text;
                return true;
            }
            key = value ? (struct sk_str){NULL, 0} : text;
            break;
        }
        default:
            break;
        }
    }
    return false;
}

/* Stops at the first fault, as the logfmt decoder does. */
static bool logfmt_level(const struct sk_level_rules *rules, struct sk_str line, struct sk_str *ret)
{
    const char *p = line.ptr, *end = line.ptr + line.len;
    size_t best = SIZE_MAX;
    while (p < end && best != 0) {
        while (p < end && (unsigned char)*p <= ' ')
            p++;
        const char *key = p;
        while (p < end && is(*p, WORD))
            p++;
        struct sk_str name = {key, (size_t)(p - key)};
        if (p >= end || *p == '"')
            break;
        if (*p != '=')
            continue;
        if (name.len == 0)
            break;
        const char *from = ++p;
        struct sk_str value;
        if (p < end && *p == '"') {
            const char *close = string_end(p + 1, end);
            if (close == NULL)
                break;
            value = (struct sk_str){p + 1, (size_t)(close - p - 1)};
            p = close + 1;
        } else {
            while (p < end && is(*p, WORD))
                p++;
            if (p < end && (*p == '=' || *p == '"'))
                break;
            value = (struct sk_str){from, (size_t)(p - from)};
        }
        size_t idx = field_index(rules, name, true);
        if (idx < best) {
            best = idx;
            *ret = value;
        }
    }
    return best != SIZE_MAX;
}

static struct sk_str word_level(struct sk_str line)
{
    bool border = true;
    for (size_t i = 0; i < line.len; border = is(line.ptr[i++], LEFT)) {
        if (!border || !is(line.ptr[i], FIRST))
            continue;
        char first = (char)(line.ptr[i] | 32);
        for (size_t k = 0; k < SK_COUNT_OF(line_words); k++) {
            size_t n = line_words[k].len;
            if (first == line_words[k].word[0] && line.len - i >= n &&
                strncasecmp(line.ptr + i, line_words[k].word, n) == 0 &&
                (i + n == line.len || is(line.ptr[i + n], RIGHT)))
                return sk_str_from(line_words[k].level);
        }
    }
    return SK_STR("unknown");
}

struct sk_str sk_level_of_line(const struct sk_level_rules *rules, struct sk_str line)
{
    struct sk_str trimmed = sk_str_trim(line), value, level;
    if (trimmed.len >= 2 && trimmed.ptr[0] == '{' && trimmed.ptr[trimmed.len - 1] == '}') {
        if (json_level(rules, trimmed, &value) && sk_level_of_word(value, &level))
            return level;
    } else if (memchr(line.ptr == NULL ? "" : line.ptr, '=', line.len) != NULL) {
        if (logfmt_level(rules, line, &value) && sk_level_of_word(value, &level))
            return level;
    }
    return word_level(line);
}
