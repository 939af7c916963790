// A convolution by groups: the n-th group of output channels sees the n-th group of input channels.
//
//   input       [batches][input_height][input_width][groups][input_channels]
//   weights     for each group, in order, as of conv_2d_blocked.h
//   channels    for each group, in order, as of conv_2d_blocked.h
//   output      [batches][output_height][output_width][groups][output_channels]
//   scratch     as of conv_2d_blocked.h
//
// `conv` is the convolution of one group; its strides are those of all channels. Nothing overlaps.
#ifndef USIM_KERNELS_CONV_2D_GROUPED_CONV_2D_GROUPED_H
#define USIM_KERNELS_CONV_2D_GROUPED_CONV_2D_GROUPED_H

#include <stdint.h>

#include "conv_2d_blocked/conv_2d_blocked.h"

struct conv_2d_grouped_shape {
    struct conv_2d_blocked_shape conv;
    int32_t groups;
};

KERNEL_INLINE void conv_2d_grouped_s8(const struct conv_2d_grouped_shape *shape,
                                      const int8_t *restrict input, const int8_t *restrict weights,
                                      const int32_t *restrict channels, int8_t *restrict output,
                                      int8_t *restrict scratch) {
    const struct conv_2d_blocked_shape *conv = &shape->conv;
    const int32_t columns = (conv->output_channels + 1) / 2 * 2;
    for (int32_t group = 0; group < shape->groups; group++) {
        conv_2d_blocked_s8(conv, input, weights, channels, output, scratch);
        input += conv->input_channels;
        weights += columns * conv_2d_blocked_depth(conv);
        channels += columns * CHANNEL_WORDS;
        output += conv->output_channels;
    }
}

#endif
