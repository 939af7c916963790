// Elementwise square of the difference of two int8 tensors, each with its own scale and zero point.
//
//   left, right   as `operands` says
//   output        [operands.rows][operands.columns], does not overlap them
//
// Offsets: minus the zero points of the operands, the zero point of the output. The operands gain
// SQUARED_DIFFERENCE_HEADROOM_BITS of precision before they are brought to one scale. Requires:
// multipliers of the operands are at most 1/2, so that their difference fits 16 bits.
#ifndef USIM_KERNELS_SQUARED_DIFFERENCE_SQUARED_DIFFERENCE_H
#define USIM_KERNELS_SQUARED_DIFFERENCE_SQUARED_DIFFERENCE_H

#include <stdint.h>

#include "common/broadcast.h"
#include "common/fixed_point.h"

#define SQUARED_DIFFERENCE_HEADROOM_BITS 7

struct squared_difference_shape {
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
};

KERNEL_INLINE void squared_difference_s8(const struct squared_difference_shape *shape,
                                         const int8_t *restrict left, const int8_t *restrict right,
                                         int8_t *restrict output) {
    const struct broadcast *operands = &shape->operands;
    for (int32_t row = 0; row < operands->rows; row++) {
        const int8_t *left_row = left + axes_offset(&operands->left, row);
        const int8_t *right_row = right + axes_offset(&operands->right, row);
        for (int32_t i = 0; i < operands->columns; i++) {
            const int32_t a = left_row[i * operands->left_step] + shape->left_offset;
            const int32_t b = right_row[i * operands->right_step] + shape->right_offset;
            const int32_t difference =
                multiply_by_quantized_multiplier(a * (1 << SQUARED_DIFFERENCE_HEADROOM_BITS),
                                                 shape->left_multiplier, shape->left_shift) -
                multiply_by_quantized_multiplier(b * (1 << SQUARED_DIFFERENCE_HEADROOM_BITS),
                                                 shape->right_multiplier, shape->right_shift);
            *output++ =
                requantize_s8(difference * difference, shape->output_multiplier,
                              shape->output_shift, shape->output_offset, INT8_MIN, INT8_MAX);
        }
    }
}

#endif
