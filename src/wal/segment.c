/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c -- see segment.h. The reader holds a window of 16 pages and never looks across a page
 * border but by joining fragments. */
#include "wal/segment.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "codec/codec.h"

enum { WINDOW_BYTES = 16 * (int)SK_WAL_PAGE_BYTES };
enum { TYPE_PAD = 0, TYPE_FULL = 1, TYPE_FIRST = 2, TYPE_MIDDLE = 3, TYPE_LAST = 4 };
enum { TYPE_MASK = 7, FLAG_SNAPPY = 8, FLAG_ZSTD = 16 };

static void fragment_write(struct sk_strbuf *out, uint8_t type, struct sk_slice data)
{
    uint8_t head[SK_WAL_HEADER_BYTES];
    head[0] = type;
    sk_store_be16(head + 1, (uint16_t)data.len);
    sk_store_be32(head + 3, sk_crc32c(data));
    sk_strbuf_add(out, head, sizeof(head));
    sk_strbuf_add(out, data.ptr, data.len);
}

uint64_t sk_wal_frame(struct sk_strbuf *out, uint64_t off, struct sk_slice record)
{
    static const uint8_t zeros[SK_WAL_HEADER_BYTES];
    bool first = true;
    size_t done = 0;
    do {
        uint64_t left = SK_WAL_PAGE_BYTES - off % SK_WAL_PAGE_BYTES;
        if (left < SK_WAL_HEADER_BYTES) {
            sk_strbuf_add(out, zeros, (size_t)left);
            off += left;
            left = SK_WAL_PAGE_BYTES;
        }
        size_t room = (size_t)(left - SK_WAL_HEADER_BYTES);
        size_t part = record.len - done < room ? record.len - done : room;
        bool last = done + part == record.len;
        if (!last && part == 0) { /* a header alone at the page's end: pad instead */
            sk_strbuf_add(out, zeros, (size_t)left);
            off += left;
            continue;
        }
        uint8_t type = first ? (last ? TYPE_FULL : TYPE_FIRST) : (last ? TYPE_LAST : TYPE_MIDDLE);
        fragment_write(out, type, (struct sk_slice){record.ptr + done, part});
        done += part;
        off += SK_WAL_HEADER_BYTES + part;
        first = false;
    } while (done < record.len);
    return off;
}

uint64_t sk_wal_framed_bytes(uint64_t off, uint64_t record_bytes)
{
    uint64_t room = SK_WAL_PAGE_BYTES - SK_WAL_HEADER_BYTES;
    (void)off;
    return record_bytes + (record_bytes / room + 2) * SK_WAL_HEADER_BYTES * 2;
}

enum sk_err sk_wal_reader_init(struct sk_wal_reader *r,
                               enum sk_err (*read)(void *ctx, uint64_t off, void *buf, size_t len,
                                                   size_t *ret_len),
                               void *ctx, struct sk_codec_ctx *codec)
{
    uint8_t *window = sk_malloc(WINDOW_BYTES);
    if (window == NULL)
        return SK_ENOMEM;
    *r = (struct sk_wal_reader){.read = read, .ctx = ctx, .codec = codec, .window = window};
    sk_strbuf_init(&r->record, SK_WAL_RECORD_BYTES_MAX);
    sk_strbuf_init(&r->unpacked, SK_WAL_RECORD_BYTES_MAX);
    return SK_OK;
}

void sk_wal_reader_deinit(struct sk_wal_reader *r)
{
    if (r == NULL)
        return;
    sk_strbuf_deinit(&r->record);
    sk_strbuf_deinit(&r->unpacked);
    sk_free(r->window);
    r->window = NULL;
}

/* The bytes from `off` to the end of its page, zero-filled behind the end of the file. */
static enum sk_err page_rest(struct sk_wal_reader *r, uint64_t off, struct sk_slice *ret)
{
    if (off < r->window_off || off >= r->window_off + r->window_len) {
        uint64_t from = off - off % SK_WAL_PAGE_BYTES;
        size_t got = 0;
        enum sk_err err = r->read(r->ctx, from, r->window, WINDOW_BYTES, &got);
        if (err != SK_OK)
            return err;
        sk_assert(got <= WINDOW_BYTES);
        if (got < WINDOW_BYTES)
            r->file_end = from + got;
        if (from + got <= off)
            return SK_ENOENT;
        size_t whole = (got + SK_WAL_PAGE_BYTES - 1) / SK_WAL_PAGE_BYTES * SK_WAL_PAGE_BYTES;
        memset(r->window + got, 0, whole - got);
        r->window_off = from;
        r->window_len = whole;
        r->ended = got < WINDOW_BYTES;
    }
    if (r->ended && off >= r->file_end)
        return SK_ENOENT;
    size_t at = (size_t)(off - r->window_off);
    *ret = (struct sk_slice){r->window + at, SK_WAL_PAGE_BYTES - at % SK_WAL_PAGE_BYTES};
    return SK_OK;
}

static bool all_zero(struct sk_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != 0)
            return false;
    }
    return true;
}

struct fragment {
    uint8_t type, flags;
    struct sk_slice data;
};

/* The fragment at the start of `rest`; false: no sound one. One without data ends no record, though
 * its checksum (0) is right: a header of which only the first byte reached the device looks so. */
static bool fragment_parse(struct sk_slice rest, struct fragment *ret)
{
    if (rest.len < SK_WAL_HEADER_BYTES)
        return false;
    ret->type = rest.ptr[0] & TYPE_MASK;
    ret->flags = rest.ptr[0] & (FLAG_SNAPPY | FLAG_ZSTD);
    size_t len = sk_load_be16(rest.ptr + 1);
    if ((rest.ptr[0] & 0xe0) != 0 || ret->type < TYPE_FULL || ret->type > TYPE_LAST ||
        len > rest.len - SK_WAL_HEADER_BYTES || (len == 0 && ret->type != TYPE_FIRST))
        return false;
    ret->data = (struct sk_slice){rest.ptr + SK_WAL_HEADER_BYTES, len};
    return sk_load_be32(rest.ptr + 3) == sk_crc32c(ret->data);
}

static void damage_note(struct sk_wal_reader *r, uint64_t off, uint64_t bytes)
{
    if (r->damage_count++ == 0)
        r->first_damage = (struct sk_wal_damage){off, bytes};
    r->damage_bytes += bytes;
    sk_strbuf_reset(&r->record);
}

/* Where to go on behind damage at `off` (2). */
static uint64_t resync(struct sk_slice rest, uint64_t off)
{
    if (rest.len >= SK_WAL_HEADER_BYTES) {
        size_t next = SK_WAL_HEADER_BYTES + sk_load_be16(rest.ptr + 1);
        uint8_t type = rest.ptr[0] & TYPE_MASK;
        struct fragment f;
        if (type >= TYPE_FULL && type <= TYPE_LAST && next < rest.len) {
            struct sk_slice behind = {rest.ptr + next, rest.len - next};
            if (fragment_parse(behind, &f) || all_zero(behind))
                return off + next;
        }
    }
    return off + rest.len;
}

static enum sk_err record_unpack(struct sk_wal_reader *r, uint8_t flags, struct sk_slice *ret)
{
    struct sk_slice packed = {(const uint8_t *)r->record.ptr, r->record.len};
    if (flags == 0) {
        *ret = packed;
        return SK_OK;
    }
    sk_strbuf_reset(&r->unpacked);
    enum sk_err err = (flags & FLAG_SNAPPY)
                          ? sk_snappy_block_unpack(packed, SK_WAL_RECORD_BYTES_MAX, &r->unpacked)
                          : sk_codec_unpack(r->codec, SK_CODEC_ZSTD, packed,
                                            SK_WAL_RECORD_BYTES_MAX, &r->unpacked);
    if (err == SK_OK && r->unpacked.len == 0)
        err = SK_ECORRUPT; /* no record is empty */
    if (err == SK_OK)
        *ret = (struct sk_slice){(const uint8_t *)r->unpacked.ptr, r->unpacked.len};
    return err;
}

/* One fragment in sequence: true when it ends a record. `*open`: a record has begun. */
static bool join(struct sk_wal_reader *r, const struct fragment *f, uint64_t off, bool *open)
{
    bool starts = f->type == TYPE_FULL || f->type == TYPE_FIRST;
    if (starts == *open) { /* first while open, or middle without a first */
        if (*open)         /* the open one was cut */
            damage_note(r, off, 0);
        *open = false;
        if (!starts) {
            damage_note(r, off, SK_WAL_HEADER_BYTES + f->data.len);
            return false;
        }
    }
    if (starts)
        sk_strbuf_reset(&r->record);
    sk_strbuf_add(&r->record, f->data.ptr, f->data.len);
    *open = f->type == TYPE_FIRST || f->type == TYPE_MIDDLE;
    return !*open;
}

enum sk_err sk_wal_reader_next(struct sk_wal_reader *r, struct sk_slice *ret_record)
{
    bool open = false;
    for (;;) {
        struct sk_slice rest;
        struct fragment f;
        enum sk_err err = page_rest(r, r->off, &rest);
        if (err == SK_ENOENT && open)
            damage_note(r, r->off, 0);
        if (err != SK_OK)
            return err;
        if (rest.ptr[0] == TYPE_PAD || rest.len < SK_WAL_HEADER_BYTES) {
            if (!all_zero(rest)) /* rubbish in the padding loses nothing by itself */
                damage_note(r, r->off, rest.len);
            r->off += rest.len;
            continue;
        }
        if (!fragment_parse(rest, &f)) {
            uint64_t next = resync(rest, r->off);
            damage_note(r, r->off, next - r->off);
            open = false;
            r->off = next;
            continue;
        }
        uint64_t at = r->off;
        r->off += SK_WAL_HEADER_BYTES + f.data.len;
        if (!join(r, &f, at, &open))
            continue;
        if (r->record.failed)
            return SK_ENOMEM;
        err = record_unpack(r, f.flags, ret_record);
        if (err == SK_ECORRUPT || err == SK_ELIMIT) {
            damage_note(r, at, f.data.len);
            continue;
        }
        if (err == SK_OK) {
            r->good_end = r->off;
            r->damage_before_good = r->damage_count > 0;
        }
        return err;
    }
}
