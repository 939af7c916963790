// 2-D transposed convolution, int8 activations and weights, one scale per output channel.
//
//   input       [batches][input_height][input_width][input_channels]
//   weights     [output_channels][filter_height][filter_width][input_channels], zero point 0
//   bias, multiplier, shift   [output_channels]
//   output      [batches][output_height][output_width][output_channels], overlaps no other argument
//
// Input pixel (y, x) adds its products with tap (ky, kx) to the output at
// (y * stride_height - padding_top + ky, x * stride_width - padding_left + kx), where there is one.
// Each output pixel gathers them here, so that no buffer of sums is needed; no output need have
// any. input_offset is minus the input's zero point. Requires: every extent and stride >= 1;
// paddings >= 0; no accumulator leaves int32_t (the caller checks this from bias and weights).
#ifndef USIM_KERNELS_TRANSPOSE_CONV_TRANSPOSE_CONV_H
#define USIM_KERNELS_TRANSPOSE_CONV_TRANSPOSE_CONV_H

#include <stdint.h>

#include "common/dot.h"
#include "common/fixed_point.h"

struct transpose_conv_shape {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t input_channels;
    int32_t output_height;
    int32_t output_width;
    int32_t output_channels;
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t padding_top;
    int32_t padding_left;
    int32_t input_offset;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

// The taps that reach one output position, along one axis: `tap`, `tap` + stride ... `count` of
// them, from the input's positions `source`, `source` - 1 ...
struct transpose_conv_reach {
    int32_t tap;
    int32_t source;
    int32_t count;
};

// `position` counts from the first place that a tap may reach: output plus padding.
KERNEL_INLINE struct transpose_conv_reach transpose_conv_reach(int32_t position, int32_t stride,
                                                               int32_t taps, int32_t extent) {
    const int32_t nearest = position / stride;
    // Taps before the first input pixel's last one, and after the last input pixel's first one.
    const int32_t skipped = max_s32(nearest - (extent - 1), 0);
    const int32_t tap = position % stride + skipped * stride;
    const int32_t fitting = taps > tap ? (taps - tap + stride - 1) / stride : 0;
    const int32_t source = nearest - skipped;
    return (struct transpose_conv_reach){tap, source, min_s32(fitting, source + 1)};
}

// Adds all products that reach one output pixel to the sums of `channels` (1 or DOT_CHANNELS)
// output channels, whose weights start at `weights`.
KERNEL_INLINE void transpose_conv_accumulate(const struct transpose_conv_shape *shape,
                                             const int8_t *restrict image,
                                             const struct transpose_conv_reach reach[2],
                                             const int8_t *restrict weights, int32_t channels,
                                             int32_t sums[DOT_CHANNELS]) {
    const int32_t depth = shape->input_channels;
    const int32_t weight_stride = shape->filter_height * shape->filter_width * depth;
    for (int32_t i = 0; i < reach[0].count; i++) {
        const int32_t y = reach[0].source - i;
        const int32_t ky = reach[0].tap + i * shape->stride_height;
        for (int32_t k = 0; k < reach[1].count; k++) {
            const int32_t x = reach[1].source - k;
            const int32_t kx = reach[1].tap + k * shape->stride_width;
            const int8_t *restrict source = image + (y * shape->input_width + x) * depth;
            const int8_t *restrict filter = weights + (ky * shape->filter_width + kx) * depth;
            if (channels == DOT_CHANNELS) {
                dot_four_channels(source, shape->input_offset, filter, weight_stride, depth, sums);
            } else {
                sums[0] += dot(source, shape->input_offset, filter, depth);
            }
        }
    }
}

// All output channels of one output pixel.
KERNEL_INLINE void
transpose_conv_pixel(const struct transpose_conv_shape *shape, const int8_t *restrict image,
                     const struct transpose_conv_reach reach[2], const int8_t *restrict weights,
                     const int32_t *restrict bias, const int32_t *restrict multiplier,
                     const int32_t *restrict shift, int8_t *restrict output) {
    const int32_t channels = shape->output_channels;
    const int32_t weight_stride =
        shape->filter_height * shape->filter_width * shape->input_channels;
    const int32_t blocked = channels - channels % DOT_CHANNELS;
    for (int32_t c = 0; c < blocked; c += DOT_CHANNELS) {
        int32_t sums[DOT_CHANNELS] = {bias[c], bias[c + 1], bias[c + 2], bias[c + 3]};
        transpose_conv_accumulate(shape, image, reach, weights + c * weight_stride, DOT_CHANNELS,
                                  sums);
        for (int32_t k = 0; k < DOT_CHANNELS; k++) {
            output[c + k] =
                requantize_s8(sums[k], multiplier[c + k], shift[c + k], shape->output_offset,
                              shape->activation_min, shape->activation_max);
        }
    }
    for (int32_t c = blocked; c < channels; c++) {
        int32_t sums[DOT_CHANNELS] = {bias[c], 0, 0, 0};
        transpose_conv_accumulate(shape, image, reach, weights + c * weight_stride, 1, sums);
        output[c] = requantize_s8(sums[0], multiplier[c], shift[c], shape->output_offset,
                                  shape->activation_min, shape->activation_max);
    }
}

KERNEL_INLINE void transpose_conv_s8(const struct transpose_conv_shape *shape,
                                     const int8_t *restrict input, const int8_t *restrict weights,
                                     const int32_t *restrict bias,
                                     const int32_t *restrict multiplier,
                                     const int32_t *restrict shift, int8_t *restrict output) {
    const int32_t image_size = shape->input_height * shape->input_width * shape->input_channels;
    struct transpose_conv_reach reach[2];
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        for (int32_t y = 0; y < shape->output_height; y++) {
            reach[0] = transpose_conv_reach(y + shape->padding_top, shape->stride_height,
                                            shape->filter_height, shape->input_height);
            for (int32_t x = 0; x < shape->output_width; x++) {
                reach[1] = transpose_conv_reach(x + shape->padding_left, shape->stride_width,
                                                shape->filter_width, shape->input_width);
                transpose_conv_pixel(shape, input + batch * image_size, reach, weights, bias,
                                     multiplier, shift, output);
                output += shape->output_channels;
            }
        }
    }
}

#endif
