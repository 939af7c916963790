// Requantisation of numbers that are known to be small, in fewer instructions.
#ifndef USIM_KERNELS_COMMON_BOUNDED_SCALING_H
#define USIM_KERNELS_COMMON_BOUNDED_SCALING_H

#include <stdint.h>

#include "common/fixed_point.h"

// The same value, of which the compiler does not know any more that it is constant: kept in a
// register over a loop, a multiplier takes one instruction (SMMULR) to multiply with.
KERNEL_INLINE int32_t kept_in_register(int32_t value) {
    __asm__("" : "+r"(value));
    return value;
}

// multiply_by_quantized_multiplier, bit for bit, for |value| < 2^30, 0 <= multiplier and
// -31 <= shift <= 0: the value can be doubled, and no sum overflows.
KERNEL_INLINE int32_t scale_bounded(int32_t value, int32_t multiplier, int32_t shift) {
    const int32_t high = (int32_t)(((int64_t)(value * 2) * multiplier + (INT64_C(1) << 31)) >> 32);
    if (shift == 0) {
        return high;
    }
    const int32_t half = 1 << (-shift - 1);
    const int32_t one_if_negative = (int32_t)((uint32_t)high >> 31);
    return (high + half - one_if_negative) >> -shift; // ties go away from zero
}

// requantize_s8 for |sum| < 2^30, whatever the shift.
KERNEL_INLINE int8_t requantize_bounded_s8(int32_t sum, int32_t multiplier, int32_t shift,
                                           int32_t offset, int32_t lowest, int32_t highest) {
    if (shift > 0) {
        return requantize_s8(sum, multiplier, shift, offset, lowest, highest);
    }
    const int32_t scaled = scale_bounded(sum, multiplier, shift) + offset;
    return (int8_t)min_s32(max_s32(scaled, lowest), highest);
}

#endif
