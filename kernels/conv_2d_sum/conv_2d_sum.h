// A convolution, and the sum of its result with another tensor, without a place for the result.
//
//   input, weights, channels   as of conv_2d_blocked.h
//   addend      [batches][output_height][output_width][output_channels]
//   output      of the same shape; may be the addend itself, and overlaps nothing else
//   scratch     patch_count rows as of conv_2d_blocked.h, then 2 * patch_count * output_channels
//               bytes, all word-aligned
//
// `conv` is the convolution with its own output's quantisation; of `sum`, as of scaled_sum.h, the
// left operand is the convolution's result, and `operands` is not looked at.
#ifndef USIM_KERNELS_CONV_2D_SUM_CONV_2D_SUM_H
#define USIM_KERNELS_CONV_2D_SUM_CONV_2D_SUM_H

#include <stdint.h>

#include "common/copy.h"
#include "common/scaled_sum.h"
#include "conv_2d_blocked/conv_2d_blocked.h"

struct conv_2d_sum_shape {
    struct conv_2d_blocked_shape conv;
    struct scaled_sum_shape sum;
};

KERNEL_INLINE void conv_2d_sum_s8(const struct conv_2d_sum_shape *shape,
                                  const int8_t *restrict input, const int8_t *restrict weights,
                                  const int32_t *restrict channels, const int8_t *addend,
                                  int8_t *output, int8_t *restrict scratch) {
    const struct conv_2d_blocked_shape *conv = &shape->conv;
    const int32_t pixels = conv_2d_blocked_pixels(conv);
    const int32_t most = conv->patch_count * conv->output_channels;
    int8_t *result = scratch + conv->patch_count * conv_2d_blocked_depth(conv);
    int8_t *copy = result + most;
    struct conv_2d_position position = {.image = input, .y = 0, .x = 0};
    for (int32_t done = 0; done < pixels; done += conv->patch_count) {
        const int32_t count = min_s32(conv->patch_count, pixels - done);
        conv_2d_blocked_several(conv, &position, count, weights, channels, result, scratch);
        const int32_t size = count * conv->output_channels;
        // The output may be where the addend is: from a copy, several elements go at once.
        copy_run(copy, addend, size, conv->output_channels % 4 == 0);
        scaled_sum_row(&shape->sum, size, result, 1, copy, 1, output, 1);
        addend += size;
        output += size;
    }
}

#endif
