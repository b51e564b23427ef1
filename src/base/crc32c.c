/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.c -- three ways: SSE4.2, ARMv8 CRC, and slicing-by-8 tables. The x86 one is chosen at
 * run time, so that one binary serves every amd64 machine. */
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

static uint32_t table[8][256];

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
    while (len >= 8) {
        c = _mm_crc32_u64(c, sk_load_le64(p));
        p += 8;
        len -= 8;
    }
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
    while (len >= 8) {
        crc = __crc32cd(crc, sk_load_le64(p));
        p += 8;
        len -= 8;
    }
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
