// Leaky rectifier with slopes that are data, int8: input where it is positive, input * slope where
// it is negative, each tensor with its own scale and zero point.
//
//   left (the input), right (the slopes)   as `operands` says
//   output   [operands.rows][operands.columns], does not overlap them
//
// Offsets: minus the zero points of the operands, the zero point of the output.
#ifndef USIM_KERNELS_PRELU_PRELU_H
#define USIM_KERNELS_PRELU_PRELU_H

#include <stdint.h>

#include "common/broadcast.h"
#include "common/fixed_point.h"

struct prelu_shape {
    struct broadcast operands;
    int32_t left_offset;
    int32_t right_offset;
    int32_t output_offset;
    int32_t positive_multiplier;
    int32_t positive_shift;
    int32_t negative_multiplier;
    int32_t negative_shift;
};

KERNEL_INLINE void prelu_s8(const struct prelu_shape *shape, const int8_t *restrict left,
                            const int8_t *restrict right, int8_t *restrict output) {
    const struct broadcast *operands = &shape->operands;
    for (int32_t row = 0; row < operands->rows; row++) {
        const int8_t *left_row = left + axes_offset(&operands->left, row);
        const int8_t *right_row = right + axes_offset(&operands->right, row);
        for (int32_t i = 0; i < operands->columns; i++) {
            const int32_t value = left_row[i * operands->left_step] + shape->left_offset;
            const int32_t slope = right_row[i * operands->right_step] + shape->right_offset;
            *output++ =
                value >= 0 ? requantize_s8(value, shape->positive_multiplier, shape->positive_shift,
                                           shape->output_offset, INT8_MIN, INT8_MAX)
                           : requantize_s8(value * slope, shape->negative_multiplier,
                                           shape->negative_shift, shape->output_offset, INT8_MIN,
                                           INT8_MAX);
        }
    }
}

#endif
