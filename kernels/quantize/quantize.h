// Real numbers to int8: divided by the scale, rounded half away from zero, clamped.
//
//   input    [size]
//   output   [size], does not overlap input
//
// Requires: scale > 0. Infinities and numbers too large for an int32 give the nearest int8, NaN
// gives the zero point: what the Cortex-M7's own conversion instruction makes of them.
#ifndef USIM_KERNELS_QUANTIZE_QUANTIZE_H
#define USIM_KERNELS_QUANTIZE_QUANTIZE_H

#include <stdint.h>

#include "common/fixed_point.h"

struct quantize_shape {
    int32_t size;
    int32_t zero_point;
    float scale;
};

// To the nearest integer, ties away from zero, for |value| < 2^31; no rounding happens on the way.
KERNEL_INLINE int32_t round_half_away(float value) {
    const int32_t whole = (int32_t)value;
    const float fraction = value - (float)whole;
    return whole + (fraction >= 0.5f ? 1 : 0) - (fraction <= -0.5f ? 1 : 0);
}

KERNEL_INLINE void quantize_s8(const struct quantize_shape *shape, const float *restrict input,
                               int8_t *restrict output) {
    const float limit = 1024.0f; // beyond it every zero point ends in saturation
    for (int32_t i = 0; i < shape->size; i++) {
        const float steps = input[i] / shape->scale;
        int32_t rounded = 0;
        if (steps >= limit) {
            rounded = (int32_t)limit;
        } else if (steps <= -limit) {
            rounded = -(int32_t)limit;
        } else if (steps == steps) { // false for NaN
            rounded = round_half_away(steps);
        }
        output[i] = (int8_t)min_s32(max_s32(rounded + shape->zero_point, INT8_MIN), INT8_MAX);
    }
}

#endif
