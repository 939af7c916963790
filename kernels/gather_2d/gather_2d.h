// Picks pixels of images by row and column: RESIZE_NEAREST_NEIGHBOR.
//
//   input    [batches][.....][.....][pixel_bytes], image_bytes an image
//   rows     [output_height], where each output row's source row starts, in bytes
//   columns  [output_width], where in its row each output pixel's source starts, in bytes
//   output   [batches][output_height][output_width][pixel_bytes], does not overlap the input
//
// Requires: rows[y] + columns[x] + pixel_bytes <= image_bytes for all x and y.
#ifndef USIM_KERNELS_GATHER_2D_GATHER_2D_H
#define USIM_KERNELS_GATHER_2D_GATHER_2D_H

#include <stdint.h>

#include "common/bytes.h"

struct gather_2d_shape {
    int32_t batches;
    int32_t image_bytes;
    int32_t output_height;
    int32_t output_width;
    int32_t pixel_bytes;
};

KERNEL_INLINE void gather_2d(const struct gather_2d_shape *shape, const void *restrict input,
                             const int32_t *restrict rows, const int32_t *restrict columns,
                             void *restrict output) {
    uint8_t *restrict target = output;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        const uint8_t *restrict image = (const uint8_t *)input + batch * shape->image_bytes;
        for (int32_t y = 0; y < shape->output_height; y++) {
            const uint8_t *restrict row = image + rows[y];
            for (int32_t x = 0; x < shape->output_width; x++) {
                copy_bytes(target, row + columns[x], shape->pixel_bytes);
                target += shape->pixel_bytes;
            }
        }
    }
}

#endif
