// Packed arithmetic: two 16-bit or four 8-bit lanes in a word, on the core's DSP instructions where
// it has them and in portable C elsewhere, bit for bit equal.
//
// Lane 0 is the least significant; memory is little-endian, on the chip as on our hosts. Sums wrap
// modulo 2^32, as the instructions' do.
#ifndef USIM_KERNELS_COMMON_SIMD_H
#define USIM_KERNELS_COMMON_SIMD_H

#include <stdint.h>

#include "common/compiler.h"
#include "common/fixed_point.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && !defined(USIM_PORTABLE)
#define SIMD_DSP 1
#include <arm_acle.h>
#else
#define SIMD_DSP 0
#endif

KERNEL_INLINE int32_t negate_wrapping(int32_t a) {
    return (int32_t)(0u - (uint32_t)a);
}

KERNEL_INLINE uint32_t rotate_right(uint32_t value, uint32_t bits) {
    return value >> bits | value << (32 - bits);
}

// Four bytes from any address; a word-aligned one is faster.
KERNEL_INLINE uint32_t load_s8x4(const int8_t *bytes) {
    uint32_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

KERNEL_INLINE uint32_t load_s16x2(const int16_t *pair) {
    uint32_t word;
    __builtin_memcpy(&word, pair, sizeof word);
    return word;
}

// The first `count` bytes (1 to 3) as lanes 0 on; the others are 0.
KERNEL_INLINE uint32_t load_s8_part(const int8_t *bytes, int32_t count) {
    uint32_t word = 0;
    for (int32_t i = 0; i < count; i++) {
        word |= (uint32_t)(uint8_t)bytes[i] << (8 * i);
    }
    return word;
}

KERNEL_INLINE int32_t low_s16(uint32_t pair) {
    return (int16_t)(uint16_t)pair;
}

KERNEL_INLINE int32_t high_s16(uint32_t pair) {
    return (int16_t)(uint16_t)(pair >> 16);
}

KERNEL_INLINE uint32_t pair_s16(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

// Bytes 0 and 2 as two 16-bit lanes. (Bytes 1 and 3: rotate by 8 first, which is free.)
KERNEL_INLINE uint32_t widen_even(uint32_t bytes) {
#if SIMD_DSP
    return (uint32_t)__sxtb16((int8x4_t)bytes);
#else
    return pair_s16((int8_t)(uint8_t)bytes, (int8_t)(uint8_t)(bytes >> 16));
#endif
}

KERNEL_INLINE uint32_t widen_odd(uint32_t bytes) {
    return widen_even(rotate_right(bytes, 8));
}

// As widen_even, added to the lanes of `offsets`.
KERNEL_INLINE uint32_t add_widened_even(uint32_t offsets, uint32_t bytes) {
#if SIMD_DSP
    return (uint32_t)__sxtab16((int16x2_t)offsets, (int8x4_t)bytes);
#else
    return pair_s16(low_s16(offsets) + (int8_t)(uint8_t)bytes,
                    high_s16(offsets) + (int8_t)(uint8_t)(bytes >> 16));
#endif
}

KERNEL_INLINE uint32_t add_widened_odd(uint32_t offsets, uint32_t bytes) {
    return add_widened_even(offsets, rotate_right(bytes, 8));
}

// `value` in all four bytes.
KERNEL_INLINE uint32_t splat_s8(int32_t value) {
    return (uint32_t)(uint8_t)value * UINT32_C(0x01010101);
}

// Byte by byte, the larger (or the smaller) of two signed ones.
KERNEL_INLINE uint32_t max_s8x4(uint32_t a, uint32_t b) {
#if SIMD_DSP
    (void)__ssub8((int8x4_t)a, (int8x4_t)b); // leaves in APSR.GE which bytes have a >= b
    return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
#else
    uint32_t result = 0;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        const uint32_t larger =
            (int8_t)(uint8_t)(a >> shift) >= (int8_t)(uint8_t)(b >> shift) ? a : b;
        result |= larger & UINT32_C(0xFF) << shift;
    }
    return result;
#endif
}

KERNEL_INLINE uint32_t min_s8x4(uint32_t a, uint32_t b) {
    return ~max_s8x4(~a, ~b); // ~x is -1 - x
}

// sum + both lanes' products.
KERNEL_INLINE int32_t dot_s16x2(uint32_t a, uint32_t b, int32_t sum) {
#if SIMD_DSP
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
#else
    const int32_t low = low_s16(a) * low_s16(b);
    return add_wrapping(sum, add_wrapping(low, high_s16(a) * high_s16(b)));
#endif
}

// sum + the product of lanes 0.
KERNEL_INLINE int32_t add_low_product(uint32_t a, uint32_t b, int32_t sum) {
#if SIMD_DSP
    return __smlabb((int32_t)a, (int32_t)b, sum);
#else
    return add_wrapping(sum, low_s16(a) * low_s16(b));
#endif
}

// sum + the product of lanes 1.
KERNEL_INLINE int32_t add_high_product(uint32_t a, uint32_t b, int32_t sum) {
#if SIMD_DSP
    return __smlatt((int32_t)a, (int32_t)b, sum);
#else
    return add_wrapping(sum, high_s16(a) * high_s16(b));
#endif
}

#endif
