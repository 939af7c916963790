// Fixed-point arithmetic of TensorFlow Lite's int8 kernels, bit for bit.
//
// A number "Q(n)" is an int32_t with n integer bits, 31 - n fraction bits and a sign, so Q0 covers
// [-1, 1) and Q5 covers [-32, 32). A real multiplier m is a pair (multiplier, shift) with
// m = multiplier * 2^(shift - 31) and multiplier in [2^30, 2^31) or 0.
//
// Rounding is TensorFlow Lite Micro's default, which rounds twice: once in the high multiplication,
// once in the division by a power of two. (TFLITE_SINGLE_ROUNDING would differ in the last bit.)
//
// Right shifts of negative numbers are arithmetic, as in every compiler for Arm and for our hosts.
#ifndef USIM_KERNELS_COMMON_FIXED_POINT_H
#define USIM_KERNELS_COMMON_FIXED_POINT_H

#include <stdint.h>

#include "common/compiler.h"

KERNEL_INLINE int32_t min_s32(int32_t a, int32_t b) {
    return a < b ? a : b;
}

KERNEL_INLINE int32_t max_s32(int32_t a, int32_t b) {
    return a > b ? a : b;
}

// value * 2^shift modulo 2^32, for 0 <= shift <= 31.
KERNEL_INLINE int32_t shift_left_wrapping(int32_t value, int32_t shift) {
    return (int32_t)((uint32_t)value << shift);
}

// value * 2^shift, clamped to int32_t, for 0 <= shift <= 31.
KERNEL_INLINE int32_t shift_left_saturating(int32_t value, int32_t shift) {
    const int64_t wide = (int64_t)value * ((int64_t)1 << shift);
    if (wide > INT32_MAX) {
        return INT32_MAX;
    }
    return wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

// value / 2^exponent, to the nearest, ties away from zero, for 0 <= exponent <= 31.
KERNEL_INLINE int32_t rounding_divide_by_power_of_two(int32_t value, int32_t exponent) {
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1u);
    const int32_t remainder = value & mask;
    const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> exponent) + (remainder > threshold ? 1 : 0);
}

// a * b / 2^31, to the nearest, ties upwards: the product of Q(m) and Q(n) as Q(m + n).
KERNEL_INLINE int32_t multiply_high(int32_t a, int32_t b) {
    if (a == INT32_MIN && b == INT32_MIN) {
        return INT32_MAX; // the only product that does not fit
    }
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

// value * multiplier * 2^(shift - 31), for 0 <= multiplier and -31 <= shift <= 30. A left shift
// that overflows wraps, as TensorFlow Lite Micro's does on every machine that it runs on.
KERNEL_INLINE int32_t multiply_by_quantized_multiplier(int32_t value, int32_t multiplier,
                                                       int32_t shift) {
    const int32_t left = max_s32(shift, 0);
    const int32_t right = max_s32(-shift, 0);
    return rounding_divide_by_power_of_two(
        multiply_high(shift_left_wrapping(value, left), multiplier), right);
}

// a + b modulo 2^32.
KERNEL_INLINE int32_t add_wrapping(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

// An accumulator to an int8 activation: scale, add the zero point, clamp to the activation's range.
// Extreme scales make the sum wrap, as TensorFlow Lite Micro's does.
KERNEL_INLINE int8_t requantize_s8(int32_t sum, int32_t multiplier, int32_t shift, int32_t offset,
                                   int32_t lowest, int32_t highest) {
    const int32_t scaled =
        add_wrapping(multiply_by_quantized_multiplier(sum, multiplier, shift), offset);
    return (int8_t)min_s32(max_s32(scaled, lowest), highest);
}

#endif
