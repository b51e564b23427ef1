/* SPDX-License-Identifier: Apache-2.0 */
/* blob.c -- reference-counted bytes of heads and blocks, and the spill file.
 *
 * The spill file has no name (it goes with the process) and is only ever appended to; released
 * ranges are punched out, and the file begins anew when none is left. It holds nothing that the
 * log does not hold too. */
#include "ingester/ingester_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

struct blob *blob_create(struct sk_ingester *ing, size_t cap)
{
    struct blob *b = sk_calloc(1, sizeof(*b));
    uint8_t *data = b == NULL ? NULL : sk_malloc(cap);
    if (data == NULL) {
        sk_free(b);
        return NULL;
    }
    *b = (struct blob){.data = data, .cap = cap, .ing = ing};
    atomic_init(&b->refs, 1);
    atomic_fetch_add(&ing->head_bytes, cap);
    sk_budget_force(ing->heads, cap);
    return b;
}

bool blob_grow(struct blob *b, size_t cap)
{
    sk_assert(atomic_load(&b->refs) == 1 && !b->packed && cap >= b->cap);
    uint8_t *data = sk_realloc(b->data, cap);
    if (data == NULL)
        return false;
    atomic_fetch_add(&b->ing->head_bytes, cap - b->cap);
    sk_budget_force(b->ing->heads, cap - b->cap);
    b->data = data;
    b->cap = cap;
    return true;
}

struct blob *blob_ref(struct blob *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

static void spill_release(struct sk_ingester *ing, uint64_t off, uint64_t len)
{
    (void)fallocate(ing->spill_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
                    (off_t)len); /* where holes are unknown the space comes back with the file */
    atomic_fetch_sub(&ing->spill_used, len);
}

void blob_unref(struct blob *b)
{
    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct sk_ingester *ing = b->ing;
    if (b->data == NULL) {
        spill_release(ing, b->spill_off, b->len);
    } else {
        atomic_fetch_sub(b->packed ? &ing->packed_bytes : &ing->head_bytes, b->cap);
        sk_budget_release(ing->heads, b->cap);
        sk_free(b->data);
    }
    sk_free(b);
}

/* Writes to the spill file; false: it cannot take more, the bytes stay in memory. */
static bool spill_write(struct sk_ingester *ing, struct sk_slice bytes, uint64_t *ret_off)
{
    if (ing->spill_fd < 0)
        return false;
    uint64_t off = atomic_fetch_add(&ing->spill_end, bytes.len);
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = pwrite(ing->spill_fd, bytes.ptr + done, bytes.len - done, (off_t)(off + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    atomic_fetch_add(&ing->spill_used, bytes.len);
    *ret_off = off;
    return true;
}

struct blob *blob_create_packed(struct sk_ingester *ing, struct sk_slice bytes)
{
    struct blob *b = sk_calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    *b = (struct blob){.len = bytes.len, .ing = ing, .packed = true};
    atomic_init(&b->refs, 1);
    if (atomic_load(&ing->packed_bytes) + bytes.len > SK_INGEST_PACKED_SOFT_BYTES &&
        spill_write(ing, bytes, &b->spill_off))
        return b;
    b->data = sk_malloc(bytes.len);
    if (b->data == NULL) {
        sk_free(b);
        return NULL;
    }
    memcpy(b->data, bytes.ptr, bytes.len);
    b->cap = bytes.len;
    atomic_fetch_add(&ing->packed_bytes, bytes.len);
    sk_budget_force(ing->heads, bytes.len);
    return b;
}

enum sk_err blob_read(struct blob *b, struct sk_strbuf *out, struct sk_slice *ret)
{
    if (b->data != NULL) {
        *ret = (struct sk_slice){b->data, b->len};
        return SK_OK;
    }
    sk_strbuf_reset(out);
    if (!sk_strbuf_reserve(out, b->len))
        return SK_ENOMEM;
    for (size_t done = 0; done < b->len;) {
        ssize_t n =
            pread(b->ing->spill_fd, out->ptr + done, b->len - done, (off_t)(b->spill_off + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return SK_EIO;
        done += (size_t)n;
    }
    out->len = b->len;
    *ret = (struct sk_slice){(const uint8_t *)out->ptr, out->len};
    return SK_OK;
}
