// Depthwise 2-D convolution, int8: the fast way. (depthwise_conv_2d is the plain way, for very wide
// images.)
//
//   input       [batches][input_height][input_width][input_channels]
//   weights     [ceil(channels / 4)][filter_height * filter_width][4], 16 bits wide, the channels
//               in the order 0, 2, 1, 3; zeros fill up
//   channels    [channels rounded up to a multiple of 4][4] as of requantize.h; the input's offset
//               times the channel's weights is already in its bias
//   output      [batches][output_height][output_width][channels]
//   scratch     word-aligned, for the input of band_rows output rows and band_channels channels
//
// channels is input_channels * depth_multiplier; output channel c reads input channel
// c / depth_multiplier. Nothing overlaps. The input of a band of output rows is copied into the
// scratch memory, padded with the zero point, so that every window is whole, and each channel as
// often as it is read; four channels are multiplied at a time.
// Requires: every extent >= 1; band_channels a multiple of 4; band_rows <= output_height; no
// accumulator leaves int32_t (the caller checks this from bias and weights).
#ifndef USIM_KERNELS_DEPTHWISE_CONV_2D_PADDED_DEPTHWISE_CONV_2D_PADDED_H
#define USIM_KERNELS_DEPTHWISE_CONV_2D_PADDED_DEPTHWISE_CONV_2D_PADDED_H

#include <stdint.h>

#include "common/copy.h"
#include "common/requantize.h"
#include "common/simd.h"

// Rows and columns of a window whose taps are spelled out.
#ifndef WINDOW_UNROLLING
#define WINDOW_UNROLLING 3
#endif

struct depthwise_conv_2d_padded_shape {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t input_channels;
    int32_t depth_multiplier;
    int32_t channels;
    int32_t output_height;
    int32_t output_width;
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t padding_top;
    int32_t padding_left;
    int32_t zero_point;
    int32_t band_rows;
    int32_t band_channels;
    int32_t narrow;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

// What a band covers: output rows from `first_row` on, and channels from `first_channel` on.
struct depthwise_band {
    int32_t first_row;
    int32_t rows;
    int32_t first_channel;
    int32_t channels;
};

// The input that a run of `count` windows covers along an axis.
KERNEL_INLINE int32_t covered(int32_t count, int32_t stride, int32_t taps, int32_t dilation) {
    return (count - 1) * stride + (taps - 1) * dilation + 1;
}

KERNEL_INLINE int32_t depthwise_padded_width(const struct depthwise_conv_2d_padded_shape *shape) {
    return covered(shape->output_width, shape->stride_width, shape->filter_width,
                   shape->dilation_width);
}

// Copies one pixel's channels, each depth_multiplier times.
KERNEL_INLINE void depthwise_padded_repeat(const struct depthwise_conv_2d_padded_shape *shape,
                                           const struct depthwise_band *band,
                                           const int8_t *restrict pixel, int8_t *restrict target) {
    const uint32_t times = (uint32_t)shape->depth_multiplier;
    const uint32_t first = (uint32_t)band->first_channel;
    const uint32_t count = (uint32_t)band->channels;
    if (times % 4 == 0) {
        for (uint32_t c = 0; c < count; c += 4) {
            fill_run(target + c, pixel[(first + c) / times], 4, 1);
        }
    } else {
        for (uint32_t c = 0; c < count; c++) {
            target[c] = pixel[(first + c) / times];
        }
    }
}

// Copies one input row of a band, with its padding.
KERNEL_INLINE void depthwise_padded_row(const struct depthwise_conv_2d_padded_shape *shape,
                                        const struct depthwise_band *band,
                                        const int8_t *restrict line, int8_t *restrict target) {
    const int32_t width = depthwise_padded_width(shape);
    const int32_t step = shape->band_channels;
    const int32_t in_words = shape->input_channels % 4 == 0;
    const int32_t begin = min_s32(shape->padding_left, width);
    const int32_t end = min_s32(shape->padding_left + shape->input_width, width);
    fill_run(target, shape->zero_point, begin * step, 1);
    if (shape->depth_multiplier != 1) {
        for (int32_t x = begin; x < end; x++) {
            depthwise_padded_repeat(shape, band, line, target + x * step);
            line += shape->input_channels;
        }
    } else if (shape->input_channels == step) {
        copy_run(target + begin * step, line, (end - begin) * step, in_words);
    } else {
        for (int32_t x = begin; x < end; x++) {
            copy_run(target + x * step, line + band->first_channel, band->channels, in_words);
            line += shape->input_channels;
        }
    }
    fill_run(target + end * step, shape->zero_point, (width - end) * step, 1);
}

// Copies a band's input, padding included.
KERNEL_INLINE void depthwise_padded_fill(const struct depthwise_conv_2d_padded_shape *shape,
                                         const struct depthwise_band *band,
                                         const int8_t *restrict image, int8_t *restrict target) {
    const int32_t line_size = shape->input_width * shape->input_channels;
    const int32_t row_size = depthwise_padded_width(shape) * shape->band_channels;
    const int32_t first = band->first_row * shape->stride_height - shape->padding_top;
    const int32_t rows =
        covered(band->rows, shape->stride_height, shape->filter_height, shape->dilation_height);
    for (int32_t y = first; y < first + rows; y++) {
        if (y < 0 || y >= shape->input_height) {
            fill_run(target, shape->zero_point, row_size, 1);
        } else {
            depthwise_padded_row(shape, band, image + y * line_size, target);
        }
        target += row_size;
    }
}

// Adds four channels of the window at `source` to their sums.
KERNEL_INLINE void depthwise_padded_window(const struct depthwise_conv_2d_padded_shape *shape,
                                           const int8_t *restrict source,
                                           const int16_t *restrict weights, int32_t sums[4]) {
    const int32_t step_x = shape->dilation_width * shape->band_channels;
    const int32_t step_y =
        shape->dilation_height * depthwise_padded_width(shape) * shape->band_channels;
    UNROLLED(WINDOW_UNROLLING)
    for (int32_t ky = 0; ky < shape->filter_height; ky++) {
        UNROLLED(WINDOW_UNROLLING)
        for (int32_t kx = 0; kx < shape->filter_width; kx++) {
            const uint32_t word = load_s8x4(source + ky * step_y + kx * step_x);
            const uint32_t even = widen_even(word);
            const uint32_t odd = widen_odd(word);
            const uint32_t filter_even = load_s16x2(weights);
            const uint32_t filter_odd = load_s16x2(weights + 2);
            sums[0] = add_low_product(even, filter_even, sums[0]);
            sums[1] = add_low_product(odd, filter_odd, sums[1]);
            sums[2] = add_high_product(even, filter_even, sums[2]);
            sums[3] = add_high_product(odd, filter_odd, sums[3]);
            weights += 4;
        }
    }
}

// Four channels (`count` of them are real) of all windows of a band.
KERNEL_INLINE void depthwise_padded_four(const struct depthwise_conv_2d_padded_shape *shape,
                                         int32_t rows, const int8_t *restrict source,
                                         const int16_t *restrict weights,
                                         const int32_t *restrict channels, int32_t count,
                                         int8_t *restrict output) {
    const struct output_range range = {shape->narrow, shape->output_offset, shape->activation_min,
                                       shape->activation_max};
    const int32_t row_size = depthwise_padded_width(shape) * shape->band_channels;
    for (int32_t y = 0; y < rows; y++) {
        const int8_t *restrict window = source;
        for (int32_t x = 0; x < shape->output_width; x++) {
            int32_t sums[4];
            for (int32_t c = 0; c < 4; c++) {
                sums[c] = read_channel(channels, c).bias;
            }
            depthwise_padded_window(shape, window, weights, sums);
            for (int32_t c = 0; c < count; c++) {
                const struct channel channel = read_channel(channels, c);
                output[c] = requantize_channel(&range, sums[c], &channel);
            }
            window += shape->stride_width * shape->band_channels;
            output += shape->channels;
        }
        source += shape->stride_height * row_size;
    }
}

// All channels of a band whose input is in the scratch memory.
KERNEL_INLINE void depthwise_padded_band(const struct depthwise_conv_2d_padded_shape *shape,
                                         const struct depthwise_band *band,
                                         const int8_t *restrict scratch,
                                         const int16_t *restrict weights,
                                         const int32_t *restrict channels,
                                         int8_t *restrict output) {
    const int32_t taps = shape->filter_height * shape->filter_width;
    const int32_t whole = band->channels - band->channels % 4;
    weights += band->first_channel * taps;
    channels += band->first_channel * CHANNEL_WORDS;
    output += band->first_channel;
    for (int32_t c = 0; c < whole; c += 4) {
        depthwise_padded_four(shape, band->rows, scratch + c, weights + c * taps,
                              channels + c * CHANNEL_WORDS, 4, output + c);
    }
    if (shape->channels % 4 != 0 && whole < band->channels) {
        depthwise_padded_four(shape, band->rows, scratch + whole, weights + whole * taps,
                              channels + whole * CHANNEL_WORDS, shape->channels % 4,
                              output + whole);
    }
}

KERNEL_INLINE void depthwise_conv_2d_padded_s8(const struct depthwise_conv_2d_padded_shape *shape,
                                               const int8_t *restrict input,
                                               const int16_t *restrict weights,
                                               const int32_t *restrict channels,
                                               int8_t *restrict output, int8_t *restrict scratch) {
    const int32_t output_line = shape->output_width * shape->channels;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        for (int32_t c = 0; c < shape->channels; c += shape->band_channels) {
            for (int32_t y = 0; y < shape->output_height; y += shape->band_rows) {
                const struct depthwise_band band = {
                    .first_row = y,
                    .rows = min_s32(shape->band_rows, shape->output_height - y),
                    .first_channel = c,
                    .channels = min_s32(shape->band_channels, shape->channels - c),
                };
                depthwise_padded_fill(shape, &band, input, scratch);
                depthwise_padded_band(shape, &band, scratch, weights, channels,
                                      output + y * output_line);
            }
        }
        input += shape->input_height * shape->input_width * shape->input_channels;
        output += shape->output_height * output_line;
    }
}

#endif
