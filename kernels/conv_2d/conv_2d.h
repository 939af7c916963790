// 2-D convolution, int8 activations and weights, one scale per output channel.
//
//   input       [batches][input_height][input_width][groups][input_channels]
//   weights     [groups][output_channels][filter_height][filter_width][input_channels], zero point
//   0 bias, multiplier, shift   [groups][output_channels] output
//   [batches][output_height][output_width][groups][output_channels], overlaps no other
//               argument
//
// Each group of output channels sees its group of input channels; mostly there is one. Padding
// counts as the input's zero point. input_offset is minus the input's zero point. Requires: every
// extent >= 1; every window starts before the input's end; no accumulator leaves int32_t (the
// caller checks this from bias and weights).
#ifndef USIM_KERNELS_CONV_2D_CONV_2D_H
#define USIM_KERNELS_CONV_2D_CONV_2D_H

#include <stdint.h>

#include "common/dot.h"
#include "common/fixed_point.h"
#include "common/window.h"

struct conv_2d_shape {
    int32_t batches;
    int32_t groups;
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
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t padding_top;
    int32_t padding_left;
    int32_t input_offset;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

// One output pixel's view of the input: the taps that are not padding, and where the window starts.
struct conv_2d_window {
    const int8_t *image;
    int32_t origin_y;
    int32_t origin_x;
    struct tap_range rows;
    struct tap_range columns;
};

// Adds the window's products to the sums of `channels` (1 or DOT_CHANNELS) output channels, whose
// weights start at `weights`.
KERNEL_INLINE void conv_2d_accumulate(const struct conv_2d_shape *shape,
                                      const struct conv_2d_window *window,
                                      const int8_t *restrict weights, int32_t channels,
                                      int32_t sums[DOT_CHANNELS]) {
    const int32_t depth = shape->input_channels;
    const int32_t weight_stride = shape->filter_height * shape->filter_width * depth;
    const int32_t stride = shape->groups * depth;
    const int32_t taps = window->columns.end - window->columns.begin;
    // Mostly, a row of taps is one contiguous run in the input as in the weights.
    const int32_t in_a_row = shape->dilation_width == 1 && shape->groups == 1;
    const int32_t runs = in_a_row ? min_s32(taps, 1) : taps;
    const int32_t length = in_a_row ? taps * depth : depth;
    for (int32_t ky = window->rows.begin; ky < window->rows.end; ky++) {
        const int32_t y = window->origin_y + ky * shape->dilation_height;
        for (int32_t run = 0; run < runs; run++) {
            const int32_t kx = window->columns.begin + run;
            const int32_t x = window->origin_x + kx * shape->dilation_width;
            const int8_t *restrict source = window->image + (y * shape->input_width + x) * stride;
            const int8_t *restrict filter = weights + (ky * shape->filter_width + kx) * depth;
            if (channels == DOT_CHANNELS) {
                dot_four_channels(source, shape->input_offset, filter, weight_stride, length, sums);
            } else {
                sums[0] += dot(source, shape->input_offset, filter, length);
            }
        }
    }
}

// The output channels of one group and pixel.
KERNEL_INLINE void conv_2d_pixel(const struct conv_2d_shape *shape,
                                 const struct conv_2d_window *window,
                                 const int8_t *restrict weights, const int32_t *restrict bias,
                                 const int32_t *restrict multiplier, const int32_t *restrict shift,
                                 int8_t *restrict output) {
    const int32_t channels = shape->output_channels;
    const int32_t weight_stride =
        shape->filter_height * shape->filter_width * shape->input_channels;
    const int32_t blocked = channels - channels % DOT_CHANNELS;
    for (int32_t c = 0; c < blocked; c += DOT_CHANNELS) {
        int32_t sums[DOT_CHANNELS] = {bias[c], bias[c + 1], bias[c + 2], bias[c + 3]};
        conv_2d_accumulate(shape, window, weights + c * weight_stride, DOT_CHANNELS, sums);
        for (int32_t k = 0; k < DOT_CHANNELS; k++) {
            output[c + k] =
                requantize_s8(sums[k], multiplier[c + k], shift[c + k], shape->output_offset,
                              shape->activation_min, shape->activation_max);
        }
    }
    for (int32_t c = blocked; c < channels; c++) {
        int32_t sums[DOT_CHANNELS] = {bias[c], 0, 0, 0};
        conv_2d_accumulate(shape, window, weights + c * weight_stride, 1, sums);
        output[c] = requantize_s8(sums[0], multiplier[c], shift[c], shape->output_offset,
                                  shape->activation_min, shape->activation_max);
    }
}

// All groups of one output pixel.
KERNEL_INLINE void conv_2d_groups(const struct conv_2d_shape *shape, struct conv_2d_window window,
                                  const int8_t *restrict weights, const int32_t *restrict bias,
                                  const int32_t *restrict multiplier, const int32_t *restrict shift,
                                  int8_t *restrict output) {
    const int32_t channels = shape->output_channels;
    for (int32_t group = 0; group < shape->groups; group++) {
        conv_2d_pixel(shape, &window, weights, bias, multiplier, shift, output);
        window.image += shape->input_channels;
        weights += channels * shape->filter_height * shape->filter_width * shape->input_channels;
        bias += channels;
        multiplier += channels;
        shift += channels;
        output += channels;
    }
}

KERNEL_INLINE void conv_2d_s8(const struct conv_2d_shape *shape, const int8_t *restrict input,
                              const int8_t *restrict weights, const int32_t *restrict bias,
                              const int32_t *restrict multiplier, const int32_t *restrict shift,
                              int8_t *restrict output) {
    const int32_t image_size =
        shape->input_height * shape->input_width * shape->groups * shape->input_channels;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        struct conv_2d_window window = {.image = input + batch * image_size};
        for (int32_t y = 0; y < shape->output_height; y++) {
            window.origin_y = y * shape->stride_height - shape->padding_top;
            window.rows = clip_taps(window.origin_y, shape->filter_height, shape->dilation_height,
                                    shape->input_height);
            for (int32_t x = 0; x < shape->output_width; x++) {
                window.origin_x = x * shape->stride_width - shape->padding_left;
                window.columns = clip_taps(window.origin_x, shape->filter_width,
                                           shape->dilation_width, shape->input_width);
                conv_2d_groups(shape, window, weights, bias, multiplier, shift, output);
                output += shape->groups * shape->output_channels;
            }
        }
    }
}

#endif
