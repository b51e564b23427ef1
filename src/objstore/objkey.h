/* SPDX-License-Identifier: Apache-2.0 */
/* objkey.h -- names of chunks in the object store.
 *
 *   key (logs, markers)   <tenant>/<fp>/<from>:<through>:<crc>
 *   path, schema v12+     <tenant>/<fp>/base64("<from>:<through>:<crc>")
 *   path, schema v11-     base64("<tenant>/<fp>:<from>:<through>:<crc>"), in the root
 *
 * Numbers are lower-case hexadecimal without leading zeros; base64 is the standard alphabet with
 * padding. Threads: any. */
#ifndef SK_OBJSTORE_OBJKEY_H
#define SK_OBJSTORE_OBJKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/strbuf.h"

#define SK_TENANT_BYTES_MAX     150u
#define SK_CHUNK_PATH_BYTES_MAX 320u /* of either layout */

struct sk_chunk_key {
    struct sk_str tenant;
    uint64_t fingerprint;
    int64_t from_ms, through_ms;
    uint32_t checksum; /* of the whole file */
};

enum sk_chunk_layout {
    SK_CHUNK_LAYOUT_V12, /* and newer */
    SK_CHUNK_LAYOUT_V11, /* and older */
};

/* At most 150 bytes of letters, digits and !-_.*'() -- not ".", "..", nor "index", whose folder
 * holds the indexes. */
bool sk_tenant_valid(struct sk_str tenant);

void sk_chunk_key_format(struct sk_strbuf *out, const struct sk_chunk_key *key);
void sk_chunk_path_format(struct sk_strbuf *out, const struct sk_chunk_key *key,
                          enum sk_chunk_layout layout);

/* false: not a chunk's name, or an invalid tenant. `tenant` of a v11 path is written to
 * `tenant_buf` (SK_TENANT_BYTES_MAX bytes), else it points into the text. */
bool sk_chunk_key_parse(struct sk_str text, struct sk_chunk_key *ret_key);
bool sk_chunk_path_parse(struct sk_str path, char *tenant_buf, struct sk_chunk_key *ret_key,
                         enum sk_chunk_layout *ret_layout);

/* Milliseconds of a chunk's bounds: from is rounded down, through up. */
int64_t sk_chunk_from_ms(int64_t ts_min_ns);
int64_t sk_chunk_through_ms(int64_t ts_max_ns);

#endif
