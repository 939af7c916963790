// 2-D convolution with a window of 1 x 1 and stride 1: each pixel's channels times the weights.
//
//   input       [pixels][input_channels]
//   weights     as of gemm.h, with input_channels as depth
//   channels    as of gemm.h, with output_channels columns
//   output      [pixels][output_channels], overlaps no other argument
//
// Requires: every extent >= 1; no accumulator leaves int32_t (the caller checks this from bias and
// weights).
#ifndef USIM_KERNELS_CONV_2D_POINTWISE_CONV_2D_POINTWISE_H
#define USIM_KERNELS_CONV_2D_POINTWISE_CONV_2D_POINTWISE_H

#include <stdint.h>

#include "common/gemm.h"

struct conv_2d_pointwise_shape {
    int32_t pixels;
    int32_t input_channels;
    int32_t output_channels;
    int32_t packed;
    int32_t narrow;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

KERNEL_INLINE void conv_2d_pointwise_s8(const struct conv_2d_pointwise_shape *shape,
                                        const int8_t *restrict input,
                                        const int8_t *restrict weights,
                                        const int32_t *restrict channels, int8_t *restrict output) {
    const struct gemm_shape gemm = {
        .depth = shape->input_channels,
        .row_stride = shape->input_channels,
        .columns = shape->output_channels,
        .output_stride = shape->output_channels,
        .packed = shape->packed,
        .even_rows = shape->pixels % 2 == 0,
        .range = {shape->narrow, shape->output_offset, shape->activation_min,
                  shape->activation_max},
    };
    gemm_s8(&gemm, input, shape->pixels, weights, channels, output);
}

#endif
