/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.c -- three ways: SSE4.2, ARMv8 CRC, and slicing-by-8 tables. The hardware's is chosen at
 * run time, so that one binary serves every machine of its kind.
 *
 * The instruction takes three cycles but one may start in each, so long inputs are read as three
 * strands at once: a strand's sum is moved over the bytes that follow it (as if they were zeros, by
 * table) and joined with theirs by XOR, which is all that CRCs of neighbours need. */
#include "base/crc32c.h"

#include <stdbool.h>

#include "base/bytes.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

enum { STRAND = 1024 };

static uint32_t table[8][256];
static uint32_t moved[4][256]; /* what each byte of a sum becomes behind STRAND zero bytes */

__attribute__((constructor)) static void table_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = (c & 1) ? (c >> 1) ^ 0x82f63b78u : c >> 1;
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++)
            table[t][i] = (table[t - 1][i] >> 8) ^ table[0][table[t - 1][i] & 0xff];
    }
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t c = 1u << bit;
        for (int k = 0; k < STRAND; k++)
            c = (c >> 8) ^ table[0][c & 0xff];
        for (uint32_t i = 0; i < 256; i++)
            moved[bit / 8][i] ^= (i >> bit % 8 & 1) != 0 ? c : 0;
    }
}

static inline uint32_t strand_move(uint32_t c)
{
    return moved[0][c & 0xff] ^ moved[1][c >> 8 & 0xff] ^ moved[2][c >> 16 & 0xff] ^
           moved[3][c >> 24];
}

static uint32_t crc_soft(uint32_t crc, const uint8_t *p, size_t len)
{
    while (len >= 8) {
        uint64_t v = sk_load_le64(p) ^ crc;
        crc = table[7][v & 0xff] ^ table[6][(v >> 8) & 0xff] ^ table[5][(v >> 16) & 0xff] ^
              table[4][(v >> 24) & 0xff] ^ table[3][(v >> 32) & 0xff] ^ table[2][(v >> 40) & 0xff] ^
              table[1][(v >> 48) & 0xff] ^ table[0][v >> 56];
        p += 8;
        len -= 8;
    }
    while (len-- > 0)
        crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_hard(uint32_t crc, const uint8_t *p,
                                                           size_t len)
{
    uint64_t c = crc;
    for (; len >= 3 * STRAND; p += 3 * STRAND, len -= 3 * STRAND) {
        uint64_t c1 = 0, c2 = 0;
        for (size_t i = 0; i < STRAND; i += 8) {
            c = _mm_crc32_u64(c, sk_load_le64(p + i));
            c1 = _mm_crc32_u64(c1, sk_load_le64(p + STRAND + i));
            c2 = _mm_crc32_u64(c2, sk_load_le64(p + 2 * STRAND + i));
        }
        c = strand_move(strand_move((uint32_t)c) ^ (uint32_t)c1) ^ c2;
    }
    for (; len >= 8; p += 8, len -= 8)
        c = _mm_crc32_u64(c, sk_load_le64(p));
    crc = (uint32_t)c;
    while (len-- > 0)
        crc = _mm_crc32_u8(crc, *p++);
    return crc;
}

static bool have_hard(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
__attribute__((target("+crc"))) static uint32_t crc_hard(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 3 * STRAND; p += 3 * STRAND, len -= 3 * STRAND) {
        uint32_t c1 = 0, c2 = 0;
        for (size_t i = 0; i < STRAND; i += 8) {
            crc = __crc32cd(crc, sk_load_le64(p + i));
            c1 = __crc32cd(c1, sk_load_le64(p + STRAND + i));
            c2 = __crc32cd(c2, sk_load_le64(p + 2 * STRAND + i));
        }
        crc = strand_move(strand_move(crc) ^ c1) ^ c2;
    }
    for (; len >= 8; p += 8, len -= 8)
        crc = __crc32cd(crc, sk_load_le64(p));
    while (len-- > 0)
        crc = __crc32cb(crc, *p++);
    return crc;
}

static bool have_hard(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#else
static uint32_t crc_hard(uint32_t crc, const uint8_t *p, size_t len)
{
    return crc_soft(crc, p, len);
}

static bool have_hard(void)
{
    return false;
}
#endif

uint32_t sk_crc32c_extend(uint32_t crc, const void *data, size_t len)
{
    static int8_t hard = -1; /* benign race: every thread computes the same answer */
    int8_t h = __atomic_load_n(&hard, __ATOMIC_RELAXED);
    if (h < 0) {
        h = have_hard() ? 1 : 0;
        __atomic_store_n(&hard, h, __ATOMIC_RELAXED);
    }
    crc = ~crc;
    return ~(h ? crc_hard(crc, data, len) : crc_soft(crc, data, len));
}

uint32_t sk_crc32c(struct sk_slice data)
{
    return sk_crc32c_extend(0, data.ptr, data.len);
}
