// 2-D convolution, int8 activations and weights, one scale per output channel: the fast way, for
// weights that were laid out for it. (conv_2d is the plain way, for windows that are too large.)
//
//   input       [batches][input_height][input_width][input_channels]
//   weights     as of gemm.h, with filter_height * filter_width * input_channels as depth
//   channels    as of gemm.h, with output_channels columns
//   output      [batches][output_height][output_width][output_channels]
//   scratch     patch_count rows of the depth rounded up to a multiple of 4, word-aligned
//
// Pixels are input_stride and output_stride bytes apart: more than their channels where these are a
// group of them (conv_2d_grouped.h). Nothing overlaps. Padding counts as the input's zero point.
// The windows of patch_count output pixels at a time are copied one after the other into the
// scratch memory, padding included, and multiplied with the weights.
// Requires: every extent and patch_count >= 1; every window starts before the input's end; no
// accumulator leaves int32_t (the caller checks this from bias and weights).
#ifndef USIM_KERNELS_CONV_2D_BLOCKED_CONV_2D_BLOCKED_H
#define USIM_KERNELS_CONV_2D_BLOCKED_CONV_2D_BLOCKED_H

#include <stdint.h>

#include "common/copy.h"
#include "common/gemm.h"
#include "common/window.h"

struct conv_2d_blocked_shape {
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
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t padding_top;
    int32_t padding_left;
    int32_t input_stride;
    int32_t output_stride;
    int32_t zero_point;
    int32_t patch_count;
    int32_t packed;
    int32_t narrow;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

// Where the output pixel is whose window comes next.
struct conv_2d_position {
    const int8_t *image;
    int32_t y;
    int32_t x;
};

// One row of a window: the taps columns.begin to columns.end from the input, the others padding.
KERNEL_INLINE int8_t *conv_2d_blocked_row(const struct conv_2d_blocked_shape *shape,
                                          const int8_t *restrict line, int32_t origin_x,
                                          struct tap_range columns, int8_t *restrict target) {
    const int32_t depth = shape->input_channels;
    const int32_t in_words = depth % 4 == 0;
    const int32_t in_a_row = shape->dilation_width == 1 && shape->input_stride == depth;
    if (in_a_row && columns.end - columns.begin == shape->filter_width) {
        // Most windows: a copy of constant size.
        return copy_run(target, line + origin_x * depth, shape->filter_width * depth, in_words);
    }
    target = fill_run(target, shape->zero_point, columns.begin * depth, in_words);
    if (in_a_row) {
        target = copy_run(target, line + (origin_x + columns.begin) * depth,
                          (columns.end - columns.begin) * depth, in_words);
    } else {
        for (int32_t kx = columns.begin; kx < columns.end; kx++) {
            const int32_t x = origin_x + kx * shape->dilation_width;
            target = copy_run(target, line + x * shape->input_stride, depth, in_words);
        }
    }
    return fill_run(target, shape->zero_point, (shape->filter_width - columns.end) * depth,
                    in_words);
}

// The whole window of one output pixel.
KERNEL_INLINE void conv_2d_blocked_patch(const struct conv_2d_blocked_shape *shape,
                                         const struct conv_2d_position *position,
                                         int8_t *restrict target) {
    const int32_t depth = shape->input_channels;
    const int32_t origin_y = position->y * shape->stride_height - shape->padding_top;
    const int32_t origin_x = position->x * shape->stride_width - shape->padding_left;
    const struct tap_range columns =
        clip_taps(origin_x, shape->filter_width, shape->dilation_width, shape->input_width);
    UNROLLED(1)
    for (int32_t ky = 0; ky < shape->filter_height; ky++) {
        const int32_t y = origin_y + ky * shape->dilation_height;
        if (y < 0 || y >= shape->input_height) {
            target =
                fill_run(target, shape->zero_point, shape->filter_width * depth, depth % 4 == 0);
        } else {
            const int8_t *restrict line =
                position->image + y * shape->input_width * shape->input_stride;
            target = conv_2d_blocked_row(shape, line, origin_x, columns, target);
        }
    }
    // Whole words: what fills them up meets weights of 0.
    const int32_t size = shape->filter_height * shape->filter_width * depth;
    fill_run(target, 0, (4 - size % 4) % 4, 0);
}

// The next output pixel, in the order in which the output stores them.
KERNEL_INLINE void conv_2d_blocked_advance(const struct conv_2d_blocked_shape *shape,
                                           struct conv_2d_position *position) {
    if (++position->x < shape->output_width) {
        return;
    }
    position->x = 0;
    if (++position->y == shape->output_height) {
        position->y = 0;
        position->image += shape->input_height * shape->input_width * shape->input_stride;
    }
}

// Bytes of one window in the scratch memory.
KERNEL_INLINE int32_t conv_2d_blocked_depth(const struct conv_2d_blocked_shape *shape) {
    return (shape->filter_height * shape->filter_width * shape->input_channels + 3) / 4 * 4;
}

KERNEL_INLINE int32_t conv_2d_blocked_pixels(const struct conv_2d_blocked_shape *shape) {
    return shape->batches * shape->output_height * shape->output_width;
}

// The next `count` output pixels, to `output`.
KERNEL_INLINE void conv_2d_blocked_several(const struct conv_2d_blocked_shape *shape,
                                           struct conv_2d_position *position, int32_t count,
                                           const int8_t *restrict weights,
                                           const int32_t *restrict channels,
                                           int8_t *restrict output, int8_t *restrict scratch) {
    const int32_t depth = conv_2d_blocked_depth(shape);
    const struct gemm_shape gemm = {
        .depth = depth,
        .row_stride = depth,
        .columns = shape->output_channels,
        .output_stride = shape->output_stride,
        .packed = shape->packed,
        .even_rows = conv_2d_blocked_pixels(shape) % 2 == 0 && shape->patch_count % 2 == 0,
        .range = {shape->narrow, shape->output_offset, shape->activation_min,
                  shape->activation_max},
    };
    for (int32_t i = 0; i < count; i++) {
        conv_2d_blocked_patch(shape, position, scratch + i * depth);
        conv_2d_blocked_advance(shape, position);
    }
    gemm_s8(&gemm, scratch, count, weights, channels, output);
}

KERNEL_INLINE void conv_2d_blocked_s8(const struct conv_2d_blocked_shape *shape,
                                      const int8_t *restrict input, const int8_t *restrict weights,
                                      const int32_t *restrict channels, int8_t *restrict output,
                                      int8_t *restrict scratch) {
    const int32_t pixels = conv_2d_blocked_pixels(shape);
    struct conv_2d_position position = {.image = input, .y = 0, .x = 0};
    for (int32_t done = 0; done < pixels; done += shape->patch_count) {
        const int32_t count = min_s32(shape->patch_count, pixels - done);
        conv_2d_blocked_several(shape, &position, count, weights, channels, output, scratch);
        output += count * shape->output_stride;
    }
}

#endif
