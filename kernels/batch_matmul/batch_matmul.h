// Products of int8 matrices, a pair for each batch; either factor may be repeated along batches.
//
//   left     a matrix [rows][depth] at each offset of `left_batches`, with the strides given
//   right    a matrix [depth][columns] at each offset of `right_batches`, likewise
//   output   [batches][rows][columns], does not overlap them
//
// Offsets: minus the zero points of the factors, the zero point of the output. Requires: depth <=
// 33025, so that sums of 255 * 255 fit.
#ifndef USIM_KERNELS_BATCH_MATMUL_BATCH_MATMUL_H
#define USIM_KERNELS_BATCH_MATMUL_BATCH_MATMUL_H

#include <stdint.h>

#include "common/axes.h"
#include "common/fixed_point.h"

struct batch_matmul_shape {
    int32_t batches;
    int32_t rows;
    int32_t columns;
    int32_t depth;
    struct axes left_batches;
    int32_t left_row_stride;
    int32_t left_depth_stride;
    struct axes right_batches;
    int32_t right_column_stride;
    int32_t right_depth_stride;
    int32_t left_offset;
    int32_t right_offset;
    int32_t output_offset;
    int32_t output_multiplier;
    int32_t output_shift;
};

// The product of one row of the left matrix and one column of the right one.
KERNEL_INLINE int32_t batch_matmul_dot(const struct batch_matmul_shape *shape,
                                       const int8_t *restrict left, const int8_t *restrict right) {
    int32_t sum = 0;
    for (int32_t k = 0; k < shape->depth; k++) {
        sum += (left[k * shape->left_depth_stride] + shape->left_offset) *
               (right[k * shape->right_depth_stride] + shape->right_offset);
    }
    return sum;
}

KERNEL_INLINE void batch_matmul_s8(const struct batch_matmul_shape *shape,
                                   const int8_t *restrict left, const int8_t *restrict right,
                                   int8_t *restrict output) {
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        const int8_t *left_matrix = left + axes_offset(&shape->left_batches, batch);
        const int8_t *right_matrix = right + axes_offset(&shape->right_batches, batch);
        for (int32_t row = 0; row < shape->rows; row++) {
            for (int32_t column = 0; column < shape->columns; column++) {
                const int32_t sum =
                    batch_matmul_dot(shape, left_matrix + row * shape->left_row_stride,
                                     right_matrix + column * shape->right_column_stride);
                *output++ = requantize_s8(sum, shape->output_multiplier, shape->output_shift,
                                          shape->output_offset, INT8_MIN, INT8_MAX);
            }
        }
    }
}

#endif
