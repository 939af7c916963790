// Elementwise product of two tensors: int8 or int16, each with its own scale, or float32.
//
//   left, right   as `operands` says
//   output        [operands.rows][operands.columns], does not overlap them
//
// Offsets: minus the zero points of the operands, the zero point of the output; int16 has none.
#ifndef USIM_KERNELS_MUL_MUL_H
#define USIM_KERNELS_MUL_MUL_H

#include <stdint.h>

#include "common/bounded_scaling.h"
#include "common/broadcast.h"
#include "common/float32.h"
#include "common/requantize_s16.h"

struct mul_shape {
    struct broadcast operands;
    int32_t left_offset;
    int32_t right_offset;
    int32_t output_offset;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t activation_min;
    int32_t activation_max;
};

struct mul_f32_shape {
    struct broadcast operands;
    float activation_min;
    float activation_max;
};

KERNEL_INLINE void mul_s8(const struct mul_shape *shape, const int8_t *restrict left,
                          const int8_t *restrict right, int8_t *restrict output) {
    const struct broadcast *operands = &shape->operands;
    const int32_t factor = kept_in_register(shape->output_multiplier);
    for (int32_t row = 0; row < operands->rows; row++) {
        const int8_t *left_row = left + axes_offset(&operands->left, row);
        const int8_t *right_row = right + axes_offset(&operands->right, row);
        KERNEL_SEVERAL_AT_ONCE
        for (int32_t i = 0; i < operands->columns; i++) {
            const int32_t a = left_row[i * operands->left_step] + shape->left_offset;
            const int32_t b = right_row[i * operands->right_step] + shape->right_offset;
            *output++ =
                requantize_bounded_s8(a * b, factor, shape->output_shift, shape->output_offset,
                                      shape->activation_min, shape->activation_max);
        }
    }
}

// Two int16 minima have a product of 2^30, which is more than requantize_bounded_s8's like takes.
KERNEL_INLINE void mul_s16(const struct mul_shape *shape, const int16_t *restrict left,
                           const int16_t *restrict right, int16_t *restrict output) {
    const struct broadcast *operands = &shape->operands;
    const int32_t factor = kept_in_register(shape->output_multiplier);
    for (int32_t row = 0; row < operands->rows; row++) {
        const int16_t *left_row = left + axes_offset(&operands->left, row);
        const int16_t *right_row = right + axes_offset(&operands->right, row);
        for (int32_t i = 0; i < operands->columns; i++) {
            const int32_t a = left_row[i * operands->left_step];
            const int32_t b = right_row[i * operands->right_step];
            *output++ = requantize_s16(a * b, factor, shape->output_shift, 0, shape->activation_min,
                                       shape->activation_max);
        }
    }
}

KERNEL_INLINE void mul_f32(const struct mul_f32_shape *shape, const float *restrict left,
                           const float *restrict right, float *restrict output) {
    const struct broadcast *operands = &shape->operands;
    for (int32_t row = 0; row < operands->rows; row++) {
        const float *left_row = left + axes_offset(&operands->left, row);
        const float *right_row = right + axes_offset(&operands->right, row);
        KERNEL_SEVERAL_AT_ONCE
        for (int32_t i = 0; i < operands->columns; i++) {
            const float product =
                left_row[i * operands->left_step] * right_row[i * operands->right_step];
            *output++ = clamp_f32(product, shape->activation_min, shape->activation_max);
        }
    }
}

#endif
