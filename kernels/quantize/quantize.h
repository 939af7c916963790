// Real numbers to int8 or int16: divided by the scale, rounded half away from zero, clamped.
//
//   input    [size]
//   output   [size], does not overlap input
//
// Requires: scale > 0. Infinities and numbers too large for an int32 give the type's nearest one,
// NaN gives the zero point: what the Cortex-M7's own conversion instruction makes of them.
#ifndef USIM_KERNELS_QUANTIZE_QUANTIZE_H
#define USIM_KERNELS_QUANTIZE_QUANTIZE_H

#include <stdint.h>

#include "common/fixed_point.h"

struct quantize_shape {
    int32_t size;
    int32_t zero_point;
    float scale;
};

// To the nearest integer, ties away from zero; out of int32's range to its ends, NaN to 0.
KERNEL_INLINE int32_t round_half_away(float value) {
#ifdef __ARM_FPV5__ // Clang says so; GCC has no such macro
    float bits;     // of an integer
    __asm__("vcvta.s32.f32 %0, %1" : "=t"(bits) : "t"(value));
    int32_t rounded;
    __asm__("vmov %0, %1" : "=r"(rounded) : "t"(bits));
    return rounded;
#else
    if (value >= 0x1p31f) {
        return INT32_MAX;
    }
    if (value <= -0x1p31f) {
        return INT32_MIN;
    }
    const float number = value == value ? value : 0.0f; // NaN equals nothing
    const int32_t whole = (int32_t)number;
    const float fraction = number - (float)whole;
    return whole + (fraction >= 0.5f ? 1 : 0) - (fraction <= -0.5f ? 1 : 0);
#endif
}

// Beyond LIMIT steps, every zero point ends in saturation.
#define QUANTIZE_KERNEL(name, type, LOWEST, HIGHEST, LIMIT)                                        \
    KERNEL_INLINE void name(const struct quantize_shape *shape, const float *restrict input,       \
                            type *restrict output) {                                               \
        KERNEL_SEVERAL_AT_ONCE                                                                     \
        for (int32_t i = 0; i < shape->size; i++) {                                                \
            const int32_t steps =                                                                  \
                min_s32(max_s32(round_half_away(input[i] / shape->scale), -(LIMIT)), (LIMIT) - 1); \
            output[i] = (type)min_s32(max_s32(steps + shape->zero_point, LOWEST), HIGHEST);        \
        }                                                                                          \
    }

QUANTIZE_KERNEL(quantize_s8, int8_t, INT8_MIN, INT8_MAX, 1 << 10)
QUANTIZE_KERNEL(quantize_s16, int16_t, INT16_MIN, INT16_MAX, 1 << 18)

#endif
