// Bilinear interpolation of int8 images; input and output share scale and zero point.
//
//   input    [batches][.....][.....][channels], image_size elements an image
//   rows     [output_height][3]: where the upper and the lower source row start, in elements, and
//            the lower one's weight in 1/1024
//   columns  [output_width][3]: the same of the left and the right source pixel in a row
//   output   [batches][output_height][output_width][channels], does not overlap the input
//
// Requires: weights in 0 .. 1024; every start + channels <= image_size for all pairs. The weighted
// sum is rounded to the nearest, ties away from zero. Right shifts are arithmetic.
#ifndef USIM_KERNELS_RESIZE_BILINEAR_RESIZE_BILINEAR_H
#define USIM_KERNELS_RESIZE_BILINEAR_RESIZE_BILINEAR_H

#include <stdint.h>

#include "common/compiler.h"

#define RESIZE_BILINEAR_ONE (1 << 10)

struct resize_bilinear_shape {
    int32_t batches;
    int32_t image_size;
    int32_t output_height;
    int32_t output_width;
    int32_t channels;
};

// One output pixel from the rows `upper` and `lower`; `below` is the latter's weight.
KERNEL_INLINE void resize_bilinear_pixel(const int8_t *restrict upper, const int8_t *restrict lower,
                                         int32_t below, const int32_t *restrict column,
                                         int32_t channels, int8_t *restrict output) {
    const int32_t one = RESIZE_BILINEAR_ONE;
    const int32_t half = one * one / 2;
    const int32_t left = column[0];
    const int32_t right = column[1];
    const int32_t upper_left = (one - below) * (one - column[2]);
    const int32_t upper_right = (one - below) * column[2];
    const int32_t lower_left = below * (one - column[2]);
    const int32_t lower_right = below * column[2];
    for (int32_t c = 0; c < channels; c++) {
        // The weights add up to 2^20: no sum leaves 28 bits.
        const int32_t sum = upper[left + c] * upper_left + upper[right + c] * upper_right +
                            lower[left + c] * lower_left + lower[right + c] * lower_right;
        // Halves go away from zero: a negative sum's has to end below the boundary.
        output[c] = (int8_t)((sum + half + (sum >> 31)) >> 20);
    }
}

KERNEL_INLINE void resize_bilinear_s8(const struct resize_bilinear_shape *shape,
                                      const int8_t *restrict input, const int32_t *restrict rows,
                                      const int32_t *restrict columns, int8_t *restrict output) {
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        const int8_t *restrict image = input + batch * shape->image_size;
        for (int32_t y = 0; y < shape->output_height; y++) {
            for (int32_t x = 0; x < shape->output_width; x++) {
                resize_bilinear_pixel(image + rows[3 * y], image + rows[3 * y + 1], rows[3 * y + 2],
                                      columns + 3 * x, shape->channels, output);
                output += shape->channels;
            }
        }
    }
}

#endif
