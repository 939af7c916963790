// Elementwise maximum of two int8 tensors: of the stored values, whatever their quantisation.
//
//   left, right   as the shape says
//   output        [rows][columns], does not overlap them
#ifndef USIM_KERNELS_MAXIMUM_MAXIMUM_H
#define USIM_KERNELS_MAXIMUM_MAXIMUM_H

#include <stdint.h>

#include "common/broadcast.h"
#include "common/fixed_point.h"

KERNEL_INLINE void maximum_s8(const struct broadcast *shape, const int8_t *restrict left,
                              const int8_t *restrict right, int8_t *restrict output) {
    for (int32_t row = 0; row < shape->rows; row++) {
        const int8_t *left_row = left + axes_offset(&shape->left, row);
        const int8_t *right_row = right + axes_offset(&shape->right, row);
        for (int32_t i = 0; i < shape->columns; i++) {
            *output++ =
                (int8_t)max_s32(left_row[i * shape->left_step], right_row[i * shape->right_step]);
        }
    }
}

#endif
