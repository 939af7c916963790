// Fully connected layers: int8 or int16 activations with int8 weights, one scale per tensor or per
// output, and float32.
//
//   input       [batches][depth]
//   weights     int8 input: as of gemm.h, with units columns; int16: as of dot_s16.h, for each four
//               units; float32: [ceil(units / 4)][depth][4], anything fills up
//   channels    as of gemm.h
//   bias        [units, rounded up to 4]; int16: with the input's offset times the weights in it
//   scaling     [units, rounded up to 4][2]: multiplier and shift of fixed_point.h, or, if `wide`,
//               of scale_wide
//   output      [batches][units], overlaps no other argument
//
// Requires: every extent >= 1; no accumulator of int8 leaves int32_t, and no wide one of int16 2^47
// (the caller checks this from bias and weights). int16 sums that are not wide wrap.
#ifndef USIM_KERNELS_FULLY_CONNECTED_FULLY_CONNECTED_H
#define USIM_KERNELS_FULLY_CONNECTED_FULLY_CONNECTED_H

#include <stdint.h>

#include "common/dot_s16.h"
#include "common/float32.h"
#include "common/gemm.h"
#include "common/requantize_s16.h"

#define FULLY_CONNECTED_UNITS 4

struct fully_connected_shape {
    int32_t batches;
    int32_t depth;
    int32_t units;
    int32_t packed;
    int32_t narrow;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

struct fully_connected_s16_shape {
    int32_t batches;
    int32_t depth;
    int32_t units;
    int32_t wide; // 1: 64-bit accumulators
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

struct fully_connected_f32_shape {
    int32_t batches;
    int32_t depth;
    int32_t units;
    float activation_min;
    float activation_max;
};

KERNEL_INLINE void fully_connected_s8(const struct fully_connected_shape *shape,
                                      const int8_t *restrict input, const int8_t *restrict weights,
                                      const int32_t *restrict channels, int8_t *restrict output) {
    const struct gemm_shape gemm = {
        .depth = shape->depth,
        .row_stride = shape->depth,
        .columns = shape->units,
        .output_stride = shape->units,
        .packed = shape->packed,
        .even_rows = shape->batches % 2 == 0,
        .range = {shape->narrow, shape->output_offset, shape->activation_min,
                  shape->activation_max},
    };
    gemm_s8(&gemm, input, shape->batches, weights, channels, output);
}

KERNEL_INLINE int16_t fully_connected_output_s16(const struct fully_connected_s16_shape *shape,
                                                 int64_t sum, const int32_t *restrict scaling) {
    if (!shape->wide) {
        return requantize_s16((int32_t)sum, scaling[0], scaling[1], shape->output_offset,
                              shape->activation_min, shape->activation_max);
    }
    const int32_t scaled =
        add_wrapping(scale_wide(sum, scaling[0], scaling[1]), shape->output_offset);
    return (int16_t)min_s32(max_s32(scaled, shape->activation_min), shape->activation_max);
}

KERNEL_INLINE void fully_connected_s16(const struct fully_connected_s16_shape *shape,
                                       const int16_t *restrict input,
                                       const int8_t *restrict weights, const int64_t *restrict bias,
                                       const int32_t *restrict scaling, int16_t *restrict output) {
    const int32_t block = (shape->depth + 3) / 4 * 4 * FULLY_CONNECTED_UNITS;
    for (int32_t unit = 0; unit < shape->units; unit += FULLY_CONNECTED_UNITS) {
        const int32_t count = min_s32(FULLY_CONNECTED_UNITS, shape->units - unit);
        for (int32_t batch = 0; batch < shape->batches; batch++) {
            int64_t sums[FULLY_CONNECTED_UNITS] = {bias[unit], bias[unit + 1], bias[unit + 2],
                                                   bias[unit + 3]};
            dot_s16(input + batch * shape->depth, weights, shape->depth, sums);
            for (int32_t i = 0; i < count; i++) {
                output[batch * shape->units + unit + i] =
                    fully_connected_output_s16(shape, sums[i], scaling + 2 * (unit + i));
            }
        }
        weights += block;
    }
}

// Four units at once, each summed in the order of the input: four additions do not wait for each
// other.
KERNEL_INLINE void fully_connected_f32(const struct fully_connected_f32_shape *shape,
                                       const float *restrict input, const float *restrict weights,
                                       const float *restrict bias, float *restrict output) {
    for (int32_t unit = 0; unit < shape->units; unit += FULLY_CONNECTED_UNITS) {
        const int32_t count = min_s32(FULLY_CONNECTED_UNITS, shape->units - unit);
        for (int32_t batch = 0; batch < shape->batches; batch++) {
            const float *restrict row = input + batch * shape->depth;
            float sums[FULLY_CONNECTED_UNITS] = {0.0f, 0.0f, 0.0f, 0.0f};
            UNROLLED(4)
            for (int32_t i = 0; i < shape->depth; i++) {
                for (int32_t k = 0; k < FULLY_CONNECTED_UNITS; k++) {
                    sums[k] += row[i] * weights[FULLY_CONNECTED_UNITS * i + k];
                }
            }
            for (int32_t k = 0; k < count; k++) {
                output[batch * shape->units + unit + k] = clamp_f32(
                    sums[k] + bias[unit + k], shape->activation_min, shape->activation_max);
            }
        }
        weights += FULLY_CONNECTED_UNITS * shape->depth;
    }
}

#endif
