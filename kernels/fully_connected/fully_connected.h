// Fully connected layer, int8 activations and weights, one scale per tensor or per output.
//
//   input       [batches][depth]
//   weights     [units][depth], zero point 0
//   bias        [units]
//   multiplier, shift   [units] if per_channel is 1, [1] if it is 0
//   output      [batches][units], overlaps no other argument
//
// input_offset is minus the input's zero point.
// Requires: every extent >= 1; no accumulator leaves int32_t (the caller checks this from bias and
// weights).
#ifndef USIM_KERNELS_FULLY_CONNECTED_FULLY_CONNECTED_H
#define USIM_KERNELS_FULLY_CONNECTED_FULLY_CONNECTED_H

#include <stdint.h>

#include "common/dot.h"
#include "common/fixed_point.h"

struct fully_connected_shape {
    int32_t batches;
    int32_t depth;
    int32_t units;
    int32_t per_channel;
    int32_t input_offset;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

KERNEL_INLINE int8_t fully_connected_requantize(const struct fully_connected_shape *shape,
                                                int32_t sum, const int32_t *restrict multiplier,
                                                const int32_t *restrict shift, int32_t unit) {
    const int32_t channel = unit * shape->per_channel;
    return requantize_s8(sum, multiplier[channel], shift[channel], shape->output_offset,
                         shape->activation_min, shape->activation_max);
}

KERNEL_INLINE void fully_connected_s8(const struct fully_connected_shape *shape,
                                      const int8_t *restrict input, const int8_t *restrict weights,
                                      const int32_t *restrict bias,
                                      const int32_t *restrict multiplier,
                                      const int32_t *restrict shift, int8_t *restrict output) {
    const int32_t depth = shape->depth;
    const int32_t blocked = shape->units - shape->units % DOT_CHANNELS;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        for (int32_t u = 0; u < blocked; u += DOT_CHANNELS) {
            int32_t sums[DOT_CHANNELS] = {bias[u], bias[u + 1], bias[u + 2], bias[u + 3]};
            dot_four_channels(input, shape->input_offset, weights + u * depth, depth, depth, sums);
            for (int32_t k = 0; k < DOT_CHANNELS; k++) {
                output[u + k] =
                    fully_connected_requantize(shape, sums[k], multiplier, shift, u + k);
            }
        }
        for (int32_t u = blocked; u < shape->units; u++) {
            const int32_t sum =
                bias[u] + dot(input, shape->input_offset, weights + u * depth, depth);
            output[u] = fully_connected_requantize(shape, sum, multiplier, shift, u);
        }
        input += depth;
        output += shape->units;
    }
}

#endif
