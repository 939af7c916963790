// Sum or difference of two int8 tensors, each with its own scale and zero point: ADD and SUB.
//
//   left, right   as `operands` says
//   output        [operands.rows][operands.columns], does not overlap them
//
// Offsets: minus the zero points of the operands, the zero point of the output. Both operands are
// brought to a common scale with 20 more bits (their shifts are <= 0), added, and scaled to the
// output (its shift is <= 0, too).
#ifndef USIM_KERNELS_COMMON_SCALED_SUM_H
#define USIM_KERNELS_COMMON_SCALED_SUM_H

#include <stdint.h>

#include "common/broadcast.h"
#include "common/fixed_point.h"

#define SCALED_SUM_HEADROOM_BITS 20

struct scaled_sum_shape {
    struct broadcast operands;
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

// left + sign * right for sign 1 or -1.
KERNEL_INLINE void scaled_sum_s8(const struct scaled_sum_shape *shape, const int8_t *restrict left,
                                 const int8_t *restrict right, int8_t *restrict output,
                                 int32_t sign) {
    const struct broadcast *operands = &shape->operands;
    const int32_t headroom = 1 << SCALED_SUM_HEADROOM_BITS;
    for (int32_t row = 0; row < operands->rows; row++) {
        const int8_t *left_row = left + axes_offset(&operands->left, row);
        const int8_t *right_row = right + axes_offset(&operands->right, row);
        for (int32_t i = 0; i < operands->columns; i++) {
            const int32_t a = multiply_by_quantized_multiplier(
                (left_row[i * operands->left_step] + shape->left_offset) * headroom,
                shape->left_multiplier, shape->left_shift);
            const int32_t b = multiply_by_quantized_multiplier(
                (right_row[i * operands->right_step] + shape->right_offset) * headroom,
                shape->right_multiplier, shape->right_shift);
            *output++ =
                requantize_s8(a + sign * b, shape->output_multiplier, shape->output_shift,
                              shape->output_offset, shape->activation_min, shape->activation_max);
        }
    }
}

#endif
