// Fully connected layer, int8 activations and weights, one scale per tensor or per output.
//
//   input       [batches][depth]
//   weights     as of gemm.h, with units columns
//   channels    as of gemm.h
//   output      [batches][units], overlaps no other argument
//
// Requires: every extent >= 1; no accumulator leaves int32_t (the caller checks this from bias and
// weights).
#ifndef USIM_KERNELS_FULLY_CONNECTED_FULLY_CONNECTED_H
#define USIM_KERNELS_FULLY_CONNECTED_FULLY_CONNECTED_H

#include <stdint.h>

#include "common/gemm.h"

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

KERNEL_INLINE void fully_connected_s8(const struct fully_connected_shape *shape,
                                      const int8_t *restrict input, const int8_t *restrict weights,
                                      const int32_t *restrict channels, int8_t *restrict output) {
    const struct gemm_shape gemm = {
        .depth = shape->depth,
        .row_stride = shape->depth,
        .columns = shape->units,
        .packed = shape->packed,
        .even_rows = shape->batches % 2 == 0,
        .range = {shape->narrow, shape->output_offset, shape->activation_min,
                  shape->activation_max},
    };
    gemm_s8(&gemm, input, shape->batches, weights, channels, output);
}

#endif
