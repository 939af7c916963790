// From an accumulator to int16, as TensorFlow Lite's int16 kernels do it, bit for bit.
#ifndef USIM_KERNELS_COMMON_REQUANTIZE_S16_H
#define USIM_KERNELS_COMMON_REQUANTIZE_S16_H

#include <stdint.h>

#include "common/fixed_point.h"
#include "common/simd.h"

// value clamped to int16.
KERNEL_INLINE int32_t saturate_s16(int32_t value) {
#if SIMD_DSP
    return __ssat(value, 16);
#else
    return min_s32(max_s32(value, INT16_MIN), INT16_MAX);
#endif
}

// value * multiplier / 2^shift, to the nearest, ties upwards, modulo 2^32, for |value| < 2^47,
// 0 <= multiplier < 2^15 and 1 <= shift <= 46: what 64-bit accumulators are scaled with.
KERNEL_INLINE int32_t scale_wide(int64_t value, int32_t multiplier, int32_t shift) {
    return (int32_t)((value * multiplier + (INT64_C(1) << (shift - 1))) >> shift);
}

// fixed_point.h's requantize_s8, to another range.
KERNEL_INLINE int16_t requantize_s16(int32_t sum, int32_t multiplier, int32_t shift, int32_t offset,
                                     int32_t lowest, int32_t highest) {
    const int32_t scaled =
        add_wrapping(multiply_by_quantized_multiplier(sum, multiplier, shift), offset);
    return (int16_t)min_s32(max_s32(scaled, lowest), highest);
}

#endif
