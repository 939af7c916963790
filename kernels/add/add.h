// Elementwise sum of two int8 tensors of the same shape, each with its own scale and zero point.
//
//   left, right   [size]
//   output        [size], does not overlap them
//
// Offsets: minus the zero points of the operands, the zero point of the output. Both operands are
// brought to a common scale with 20 more bits (their shifts are <= 0), added, and scaled to the
// output.
#ifndef USIM_KERNELS_ADD_ADD_H
#define USIM_KERNELS_ADD_ADD_H

#include <stdint.h>

#include "common/fixed_point.h"

#define ADD_HEADROOM_BITS 20

struct add_shape {
    int32_t size;
    int32_t left_offset;
    int32_t left_multiplier;
    int32_t left_shift;
    int32_t right_offset;
    int32_t right_multiplier;
    int32_t right_shift;
    int32_t output_offset;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t activation_min;
    int32_t activation_max;
};

KERNEL_INLINE void add_s8(const struct add_shape *shape, const int8_t *restrict left,
                          const int8_t *restrict right, int8_t *restrict output) {
    const int32_t headroom = 1 << ADD_HEADROOM_BITS;
    for (int32_t i = 0; i < shape->size; i++) {
        const int32_t a = multiply_by_quantized_multiplier(
            (left[i] + shape->left_offset) * headroom, shape->left_multiplier, shape->left_shift);
        const int32_t b =
            multiply_by_quantized_multiplier((right[i] + shape->right_offset) * headroom,
                                             shape->right_multiplier, shape->right_shift);
        output[i] =
            requantize_s8(a + b, shape->output_multiplier, shape->output_shift,
                          shape->output_offset, shape->activation_min, shape->activation_max);
    }
}

#endif
