/* SPDX-License-Identifier: Apache-2.0 */
/* stats_answer.c -- what answers of all queries have in common: labels as an object, warnings, and
 * the statistics in Loki's shape. */
#include "api/api_int.h"
#include "base/jsonout.h"

void answer_labels(struct sk_strbuf *out, struct sk_labelset set)
{
    sk_strbuf_putc(out, '{');
    for (size_t i = 0; i < set.count; i++) {
        if (i > 0)
            sk_strbuf_putc(out, ',');
        sk_json_string(out, set.items[i].name);
        sk_strbuf_putc(out, ':');
        sk_json_string(out, set.items[i].value);
    }
    sk_strbuf_putc(out, '}');
}

void answer_warnings(struct sk_strbuf *out, const struct sk_log_stats *st)
{
    if (st->damaged > 0)
        sk_strbuf_puts(out,
                       "\"warnings\":[\"damaged or missing files were left out of this answer; the "
                       "server's log names them\"],");
}

static void write_cache_stats(struct sk_strbuf *out)
{
    static const char *const kinds[] = {
        "chunk",        "index",        "result",      "statsResult",
        "volumeResult", "seriesResult", "labelResult", "instantMetricResult"};
    sk_strbuf_puts(out, "\"cache\":{");
    for (size_t i = 0; i < SK_COUNT_OF(kinds); i++)
        sk_strbuf_printf(out,
                         "%s\"%s\":{\"entriesFound\":0,\"entriesRequested\":0,\"entriesStored\":0,"
                         "\"bytesReceived\":0,\"bytesSent\":0,\"requests\":0,\"downloadTime\":0,"
                         "\"queryLengthServed\":0}",
                         i > 0 ? "," : "", kinds[i]);
    sk_strbuf_puts(out, "}");
}

void answer_stats(struct sk_strbuf *out, const struct sk_log_stats *st, uint64_t entries)
{
    double s = (double)st->wall_ns / 1e9;
    double rate = s > 0 ? 1 / s : 0;
    sk_strbuf_printf(
        out,
        "\"stats\":{\"summary\":{\"bytesProcessedPerSecond\":%.0f,"
        "\"linesProcessedPerSecond\":%.0f,\"totalBytesProcessed\":%llu,"
        "\"totalLinesProcessed\":%llu,\"execTime\":%.9f,\"queueTime\":0,\"subqueries\":0,"
        "\"totalEntriesReturned\":%llu,\"splits\":0,\"shards\":0,"
        "\"totalPostFilterLines\":%llu,\"totalStructuredMetadataBytesProcessed\":0},",
        (double)st->bytes * rate, (double)st->lines * rate, (unsigned long long)st->bytes,
        (unsigned long long)st->lines, s, (unsigned long long)entries,
        (unsigned long long)st->hit_lines);
    sk_strbuf_printf(
        out,
        "\"querier\":{\"store\":{\"totalChunksRef\":%llu,\"totalChunksDownloaded\":%llu,"
        "\"chunksDownloadTime\":0,\"queryReferencedStructuredMetadata\":false,\"chunk\":{"
        "\"headChunkBytes\":0,\"headChunkLines\":0,\"decompressedBytes\":%llu,"
        "\"decompressedLines\":%llu,\"compressedBytes\":%llu,\"totalDuplicates\":0,"
        "\"postFilterLines\":%llu,\"headChunkStructuredMetadataBytes\":0,"
        "\"decompressedStructuredMetadataBytes\":0},\"chunkRefsFetchTime\":0,"
        "\"congestionControlLatency\":0,\"pipelineWrapperFilteredLines\":0}},",
        (unsigned long long)st->units, (unsigned long long)st->chunks,
        (unsigned long long)st->raw_bytes, (unsigned long long)st->lines,
        (unsigned long long)st->packed_bytes, (unsigned long long)st->hit_lines);
    sk_strbuf_puts(
        out, "\"ingester\":{\"totalReached\":1,\"totalChunksMatched\":0,\"totalBatches\":0,"
             "\"totalLinesSent\":0,\"store\":{\"totalChunksRef\":0,\"totalChunksDownloaded\":0,"
             "\"chunksDownloadTime\":0,\"queryReferencedStructuredMetadata\":false,\"chunk\":{"
             "\"headChunkBytes\":0,\"headChunkLines\":0,\"decompressedBytes\":0,"
             "\"decompressedLines\":0,\"compressedBytes\":0,\"totalDuplicates\":0,"
             "\"postFilterLines\":0,\"headChunkStructuredMetadataBytes\":0,"
             "\"decompressedStructuredMetadataBytes\":0},\"chunkRefsFetchTime\":0,"
             "\"congestionControlLatency\":0,\"pipelineWrapperFilteredLines\":0}},");
    write_cache_stats(out);
    sk_strbuf_printf(
        out,
        ",\"index\":{\"totalChunks\":%llu,\"postFilterChunks\":%llu,\"shardsDuration\":0,"
        "\"usedBloomFilters\":false,\"totalStreams\":%llu}}",
        (unsigned long long)st->units, (unsigned long long)st->units,
        (unsigned long long)st->streams);
}
