/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_stats.c -- see ctl_stats.h. Lines are named after their place in the answer: the section, and
 * the member with a capital letter; the levels `store`, `chunk` and `dataobj` between are left
 * out. */
#include "cli/ctl_stats.h"

#include <jansson.h>

#include "base/gotext.h"

enum unit { COUNT, BYTES, SECONDS, NANOS };

struct counter {
    const char *name; /* in the answer */
    enum unit unit;
};

static const struct counter ingester_counters[] = {
    {"totalReached", COUNT},   {"totalChunksMatched", COUNT}, {"totalBatches", COUNT},
    {"totalLinesSent", COUNT}, {"recvWaitTime", SECONDS},
};

static const struct counter querier_counters[] = {
    {"querierExecTime", SECONDS},
};

static const struct counter store_counters[] = {
    {"totalChunksRef", COUNT},           {"totalChunksDownloaded", COUNT},
    {"chunksDownloadTime", NANOS},       {"chunkRefsFetchTime", NANOS},
    {"congestionControlLatency", NANOS}, {"pipelineWrapperFilteredLines", COUNT},
};

static const struct counter chunk_counters[] = {
    {"headChunkBytes", BYTES},
    {"headChunkLines", COUNT},
    {"headChunkStructuredMetadataBytes", BYTES},
    {"decompressedBytes", BYTES},
    {"decompressedLines", COUNT},
    {"decompressedStructuredMetadataBytes", BYTES},
    {"compressedBytes", BYTES},
    {"totalDuplicates", COUNT},
    {"postFilterLines", COUNT},
};

static const struct counter dataobj_counters[] = {
    {"prePredicateDecompressedRows", COUNT},
    {"prePredicateDecompressedBytes", BYTES},
    {"prePredicateDecompressedStructuredMetadataBytes", BYTES},
    {"postPredicateRows", COUNT},
    {"postPredicateDecompressedBytes", BYTES},
    {"postPredicateStructuredMetadataBytes", BYTES},
    {"postFilterRows", COUNT},
    {"pagesScanned", COUNT},
    {"pagesDownloaded", COUNT},
    {"pagesDownloadedBytes", BYTES},
    {"pageBatches", COUNT},
    {"totalRowsAvailable", COUNT},
    {"totalPageDownloadTime", NANOS},
};

static const struct counter cache_counters[] = {
    {"requests", COUNT},      {"entriesRequested", COUNT},  {"entriesFound", COUNT},
    {"entriesStored", COUNT}, {"bytesSent", BYTES},         {"bytesReceived", BYTES},
    {"downloadTime", NANOS},  {"queryLengthServed", NANOS},
};

static const struct counter summary_counters[] = {
    {"bytesProcessedPerSecond", BYTES},
    {"linesProcessedPerSecond", COUNT},
    {"totalBytesProcessed", BYTES},
    {"totalLinesProcessed", COUNT},
    {"totalPostFilterLines", COUNT},
    {"totalStructuredMetadataBytesProcessed", BYTES},
    {"totalEntriesReturned", COUNT},
    {"execTime", SECONDS},
    {"queueTime", SECONDS},
    {"splits", COUNT},
    {"shards", COUNT},
    {"subqueries", COUNT},
};

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* `6.6 kB`: the number and the unit of sk_go_format_bytes() with a blank between. */
static void put_bytes(struct sk_strbuf *out, uint64_t bytes)
{
    size_t from = out->len;
    sk_go_format_bytes(out, bytes);
    size_t digits = from;
    while (digits < out->len &&
           ((out->ptr[digits] >= '0' && out->ptr[digits] <= '9') || out->ptr[digits] == '.'))
        digits++;
    sk_strbuf_putc(out, ' ');
    if (out->failed)
        return;
    for (size_t i = out->len - 1; i > digits; i--)
        out->ptr[i] = out->ptr[i - 1];
    out->ptr[digits] = ' ';
}

/* Answers are not trusted: a double beyond the integers is cut. */
static int64_t whole(double v)
{
    if (!(v > -9e18 && v < 9e18))
        return 0;
    return (int64_t)v;
}

static void put_value(struct sk_strbuf *out, const json_t *value, enum unit unit)
{
    double v = json_number_value(value); /* 0 for anything else */
    switch (unit) {
    case COUNT:
        sk_strbuf_i64(out, whole(v));
        return;
    case BYTES:
        put_bytes(out, v < 0 ? 0 : (uint64_t)whole(v));
        return;
    case SECONDS:
        sk_go_format_duration(out, whole(v * (double)SK_NS_PER_S));
        return;
    case NANOS:
        sk_go_format_duration(out, whole(v));
        return;
    }
}

static void put_section(struct sk_strbuf *out, const char *section, const json_t *object,
                        const struct counter *counters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = counters[i].name;
        sk_strbuf_printf(out, "%s.%c%s \t\t\t\t ", section, upper(name[0]), name + 1);
        put_value(out, json_object_get(object, name), counters[i].unit);
        sk_strbuf_putc(out, '\n');
    }
}

static void put_store(struct sk_strbuf *out, const char *section, const json_t *store)
{
    put_section(out, section, store, store_counters, SK_COUNT_OF(store_counters));
    put_section(out, section, json_object_get(store, "chunk"), chunk_counters,
                SK_COUNT_OF(chunk_counters));
    put_section(out, section, json_object_get(store, "dataobj"), dataobj_counters,
                SK_COUNT_OF(dataobj_counters));
}

void sk_ctl_stats_print(struct sk_strbuf *out, const struct json_t *stats)
{
    static const char *const caches[] = {
        "chunk",        "index",        "result",      "statsResult",
        "volumeResult", "seriesResult", "labelResult", "instantMetricResult"};
    const json_t *ingester = json_object_get(stats, "ingester");
    const json_t *querier = json_object_get(stats, "querier");
    put_section(out, "Ingester", ingester, ingester_counters, SK_COUNT_OF(ingester_counters));
    put_store(out, "Ingester", json_object_get(ingester, "store"));
    put_section(out, "Querier", querier, querier_counters, SK_COUNT_OF(querier_counters));
    put_store(out, "Querier", json_object_get(querier, "store"));
    for (size_t i = 0; i < SK_COUNT_OF(caches); i++) {
        char section[64];
        (void)snprintf(section, sizeof(section), "Cache.%c%s", upper(caches[i][0]), caches[i] + 1);
        put_section(out, section, json_object_get(json_object_get(stats, "cache"), caches[i]),
                    cache_counters, SK_COUNT_OF(cache_counters));
    }
    put_section(out, "Summary", json_object_get(stats, "summary"), summary_counters,
                SK_COUNT_OF(summary_counters));
}
