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

#include "common/bounded_scaling.h"
#include "common/broadcast.h"

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

// An operand in the common scale. `factor` is its multiplier, kept in a register.
KERNEL_INLINE int32_t scaled_sum_operand(int32_t value, int32_t multiplier, int32_t factor,
                                         int32_t shift) {
    const int32_t wide = value * (1 << SCALED_SUM_HEADROOM_BITS);
    if (multiplier == 1 << 30 && shift == 0) {
        return wide / 2; // one half: the operand with the larger scale
    }
    return scale_bounded(wide, factor, shift);
}

// left + sign * right for sign 1 or -1: one row of `columns` elements, which lie `left_step` and
// `right_step` bytes apart.
KERNEL_INLINE void scaled_sum_row(const struct scaled_sum_shape *shape, int32_t columns,
                                  const int8_t *restrict left, int32_t left_step,
                                  const int8_t *restrict right, int32_t right_step,
                                  int8_t *restrict output, int32_t sign) {
    const int32_t left_factor = kept_in_register(shape->left_multiplier);
    const int32_t right_factor = kept_in_register(shape->right_multiplier);
    const int32_t output_factor = kept_in_register(shape->output_multiplier);
    KERNEL_SEVERAL_AT_ONCE
    for (int32_t i = 0; i < columns; i++) {
        const int32_t a =
            scaled_sum_operand(left[i * left_step] + shape->left_offset, shape->left_multiplier,
                               left_factor, shape->left_shift);
        const int32_t b =
            scaled_sum_operand(right[i * right_step] + shape->right_offset, shape->right_multiplier,
                               right_factor, shape->right_shift);
        output[i] = requantize_bounded_s8(a + sign * b, output_factor, shape->output_shift,
                                          shape->output_offset, shape->activation_min,
                                          shape->activation_max);
    }
}

// The whole tensors.
KERNEL_INLINE void scaled_sum_s8(const struct scaled_sum_shape *shape, const int8_t *restrict left,
                                 const int8_t *restrict right, int8_t *restrict output,
                                 int32_t sign) {
    const struct broadcast *operands = &shape->operands;
    for (int32_t row = 0; row < operands->rows; row++) {
        scaled_sum_row(shape, operands->columns, left + axes_offset(&operands->left, row),
                       operands->left_step, right + axes_offset(&operands->right, row),
                       operands->right_step, output, sign);
        output += operands->columns;
    }
}

#endif
