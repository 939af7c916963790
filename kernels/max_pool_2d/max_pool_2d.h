// 2-D maximum pooling of int8 activations.
//
//   input       [batches][input_height][input_width][channels]
//   output      [batches][output_height][output_width][channels], does not overlap input
//
// Input and output share scale and zero point. Padding takes no part.
// Requires: every extent >= 1; every window covers at least one input pixel.
#ifndef USIM_KERNELS_MAX_POOL_2D_MAX_POOL_2D_H
#define USIM_KERNELS_MAX_POOL_2D_MAX_POOL_2D_H

#include <stdint.h>

#include "common/fixed_point.h"
#include "common/pool_2d_shape.h"
#include "common/simd.h"
#include "common/window.h"

// Four neighbouring channels of one output pixel, from `corner` on.
KERNEL_INLINE uint32_t max_pool_2d_four(const struct pool_2d_shape *shape,
                                        const int8_t *restrict corner, int32_t height,
                                        int32_t width) {
    uint32_t highest = splat_s8(shape->activation_min);
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            const int8_t *restrict pixel = corner + (y * shape->input_width + x) * shape->channels;
            highest = max_s8x4(highest, load_s8x4(pixel));
        }
    }
    return min_s8x4(highest, splat_s8(shape->activation_max));
}

// All channels of one output pixel: the maxima over `height` x `width` input pixels from `corner`
// on.
KERNEL_INLINE void max_pool_2d_pixel(const struct pool_2d_shape *shape,
                                     const int8_t *restrict corner, int32_t height, int32_t width,
                                     int8_t *restrict output) {
    const int32_t in_words = shape->channels - shape->channels % 4;
    for (int32_t c = 0; c < in_words; c += 4) {
        const uint32_t highest = max_pool_2d_four(shape, corner + c, height, width);
        __builtin_memcpy(output + c, &highest, sizeof highest);
    }
    for (int32_t c = in_words; c < shape->channels; c++) {
        int32_t highest = shape->activation_min;
        for (int32_t y = 0; y < height; y++) {
            for (int32_t x = 0; x < width; x++) {
                highest =
                    max_s32(highest, corner[(y * shape->input_width + x) * shape->channels + c]);
            }
        }
        output[c] = (int8_t)min_s32(highest, shape->activation_max);
    }
}

KERNEL_INLINE void max_pool_2d_s8(const struct pool_2d_shape *shape, const int8_t *restrict input,
                                  int8_t *restrict output) {
    const int32_t image_size = shape->input_height * shape->input_width * shape->channels;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        const int8_t *restrict image = input + batch * image_size;
        for (int32_t y = 0; y < shape->output_height; y++) {
            const int32_t origin_y = y * shape->stride_height - shape->padding_top;
            const struct tap_range rows =
                clip_taps(origin_y, shape->filter_height, 1, shape->input_height);
            for (int32_t x = 0; x < shape->output_width; x++) {
                const int32_t origin_x = x * shape->stride_width - shape->padding_left;
                const struct tap_range columns =
                    clip_taps(origin_x, shape->filter_width, 1, shape->input_width);
                const int32_t first_y = origin_y + rows.begin;
                const int32_t first_x = origin_x + columns.begin;
                const int8_t *restrict corner =
                    image + (first_y * shape->input_width + first_x) * shape->channels;
                max_pool_2d_pixel(shape, corner, rows.end - rows.begin, columns.end - columns.begin,
                                  output);
                output += shape->channels;
            }
        }
    }
}

#endif
