// 2-D transposed convolution, int8 activations and weights, one scale per output channel: the fast
// way. (transpose_conv is the plain way, for windows that are too large.)
//
//   input       [batches][input_height][input_width][input_channels]
//   weights     of each phase, row by row: as of gemm.h, with rows * columns * input_channels as
//               depth and output_channels columns, the phase's taps in reverse order on either axis
//   channels    of each phase: as of gemm.h
//   output      [batches][output_height][output_width][output_channels]
//   scratch     patch_count patches of patch_bytes, word-aligned
//
// Outputs that lie a stride apart see the same taps of the window, in the same places:
// stride_height times stride_width phases, and each is a convolution with stride 1. Phase (py, px)
// has the taps py, py + stride_height ... and px, px + stride_width ... Nothing overlaps; beyond
// the input's edges is its zero point. Requires: every extent, stride and patch_count >= 1;
// paddings >= 0; patch_bytes a multiple of 4 that holds the largest phase's taps; no accumulator
// leaves int32_t (the caller checks this from bias and weights).
#ifndef USIM_KERNELS_TRANSPOSE_CONV_PHASED_TRANSPOSE_CONV_PHASED_H
#define USIM_KERNELS_TRANSPOSE_CONV_PHASED_TRANSPOSE_CONV_PHASED_H

#include <stdint.h>

#include "common/copy.h"
#include "common/gemm.h"
#include "common/window.h"

struct transpose_conv_phased_shape {
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
    int32_t zero_point;
    int32_t patch_count;
    int32_t patch_bytes;
    int32_t packed;
    int32_t narrow;
    int32_t output_offset;
    int32_t activation_min;
    int32_t activation_max;
};

// The input that some output pixels of a phase see: `rows` from `first_row` on, and for each pixel
// `columns`, the first one's from `first_column` on.
struct transpose_conv_view {
    const int8_t *image;
    int32_t first_row;
    int32_t rows;
    int32_t first_column;
    int32_t columns;
};

// How many taps of an axis a phase has.
KERNEL_INLINE int32_t phase_taps(int32_t taps, int32_t stride, int32_t phase) {
    return taps > phase ? (taps - phase + stride - 1) / stride : 0;
}

KERNEL_INLINE int32_t phase_words(const struct transpose_conv_phased_shape *shape, int32_t rows,
                                  int32_t columns) {
    return (rows * columns * shape->input_channels + 3) / 4;
}

// Copies what one output pixel sees.
KERNEL_INLINE void transpose_conv_patch(const struct transpose_conv_phased_shape *shape,
                                        const struct transpose_conv_view *view, int32_t column,
                                        int8_t *restrict target) {
    const int32_t depth = shape->input_channels;
    const int32_t in_words = depth % 4 == 0;
    const int32_t line_bytes = shape->input_width * depth;
    const int32_t run = view->columns * depth;
    // Of the columns, those that are inside.
    const int32_t begin = min_s32(max_s32(-column, 0), view->columns);
    const int32_t end = max_s32(min_s32(shape->input_width - column, view->columns), begin);
    for (int32_t y = view->first_row; y < view->first_row + view->rows; y++) {
        if (y < 0 || y >= shape->input_height) {
            target = fill_run(target, shape->zero_point, run, in_words);
            continue;
        }
        const int8_t *line = view->image + y * line_bytes + (column + begin) * depth;
        target = fill_run(target, shape->zero_point, begin * depth, in_words);
        target = copy_run(target, line, (end - begin) * depth, in_words);
        target = fill_run(target, shape->zero_point, (view->columns - end) * depth, in_words);
    }
    // Whole words: what fills them up meets weights of 0.
    fill_run(target, 0, -(view->rows * run) & 3, 0);
}

// `count` output pixels of a phase, a stride apart from `output` on.
KERNEL_INLINE void transpose_conv_run(const struct transpose_conv_phased_shape *shape,
                                      const struct transpose_conv_view *view, int32_t count,
                                      const int8_t *restrict weights,
                                      const int32_t *restrict channels, int8_t *restrict output,
                                      int8_t *restrict scratch) {
    const int32_t pixel_bytes = shape->stride_width * shape->output_channels;
    const struct gemm_shape gemm = {
        .depth = 4 * phase_words(shape, view->rows, view->columns),
        .row_stride = shape->patch_bytes,
        .columns = shape->output_channels,
        .output_stride = pixel_bytes,
        .packed = shape->packed,
        .even_rows = 0,
        .range = {shape->narrow, shape->output_offset, shape->activation_min,
                  shape->activation_max},
    };
    for (int32_t done = 0; done < count; done += shape->patch_count) {
        const int32_t patches = min_s32(shape->patch_count, count - done);
        for (int32_t i = 0; i < patches; i++) {
            transpose_conv_patch(shape, view, view->first_column + done + i,
                                 scratch + i * shape->patch_bytes);
        }
        gemm_s8(&gemm, scratch, patches, weights, channels, output + done * pixel_bytes);
    }
}

// One row of the output; the weights and channels are those of its first phase.
KERNEL_INLINE void transpose_conv_row(const struct transpose_conv_phased_shape *shape,
                                      struct transpose_conv_view view,
                                      const int8_t *restrict weights,
                                      const int32_t *restrict channels, int8_t *restrict output,
                                      int8_t *restrict scratch) {
    const int32_t stride = shape->stride_width;
    const int32_t pairs = (shape->output_channels + 1) / 2;
    for (int32_t phase = 0; phase < stride; phase++) {
        // Of this phase, the first pixel, and the input's column under the phase's last tap.
        const int32_t first = (phase + stride * shape->padding_left - shape->padding_left) % stride;
        view.columns = phase_taps(shape->filter_width, stride, phase);
        view.first_column = (first + shape->padding_left) / stride - (view.columns - 1);
        if (first < shape->output_width) {
            const int32_t count = (shape->output_width - first + stride - 1) / stride;
            transpose_conv_run(shape, &view, count, weights, channels,
                               output + first * shape->output_channels, scratch);
        }
        weights += pairs * 8 * phase_words(shape, view.rows, view.columns);
        channels += pairs * 2 * CHANNEL_WORDS;
    }
}

KERNEL_INLINE void transpose_conv_phased_s8(const struct transpose_conv_phased_shape *shape,
                                            const int8_t *restrict input,
                                            const int8_t *restrict weights,
                                            const int32_t *restrict channels,
                                            int8_t *restrict output, int8_t *restrict scratch) {
    const int32_t stride = shape->stride_height;
    const int32_t pairs = (shape->output_channels + 1) / 2;
    const int32_t output_line = shape->output_width * shape->output_channels;
    struct transpose_conv_view view = {.image = input};
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        int32_t offset = 0;
        for (int32_t phase = 0; phase < stride; phase++) {
            const int32_t first =
                (phase + stride * shape->padding_top - shape->padding_top) % stride;
            view.rows = phase_taps(shape->filter_height, stride, phase);
            for (int32_t y = first; y < shape->output_height; y += stride) {
                view.first_row = (y + shape->padding_top) / stride - (view.rows - 1);
                transpose_conv_row(shape, view, weights + offset,
                                   channels +
                                       phase * shape->stride_width * pairs * 2 * CHANNEL_WORDS,
                                   output + y * output_line, scratch);
            }
            for (int32_t px = 0; px < shape->stride_width; px++) {
                const int32_t columns = phase_taps(shape->filter_width, shape->stride_width, px);
                offset += pairs * 8 * phase_words(shape, view.rows, columns);
            }
        }
        view.image += shape->input_height * shape->input_width * shape->input_channels;
        output += shape->output_height * output_line;
    }
}

#endif
