// From one quantisation to another, where either side has 16 bits. (8 bits to 8 bits is a table.)
//
//   input    [size]
//   output   [size], does not overlap input
//
// Offsets: minus the zero point of the input, the zero point of the output. The result is clamped
// to the output's type.
#ifndef USIM_KERNELS_RESCALE_RESCALE_H
#define USIM_KERNELS_RESCALE_RESCALE_H

#include <stdint.h>

#include "common/fixed_point.h"
#include "common/requantize_s16.h"

struct rescale_shape {
    int32_t size;
    int32_t input_offset;
    int32_t output_offset;
    int32_t output_multiplier;
    int32_t output_shift;
};

#define RESCALE_KERNEL(name, source, target, requantize, LOWEST, HIGHEST)                          \
    KERNEL_INLINE void name(const struct rescale_shape *shape, const source *restrict input,       \
                            target *restrict output) {                                             \
        KERNEL_SEVERAL_AT_ONCE                                                                     \
        for (int32_t i = 0; i < shape->size; i++) {                                                \
            output[i] = requantize(input[i] + shape->input_offset, shape->output_multiplier,       \
                                   shape->output_shift, shape->output_offset, LOWEST, HIGHEST);    \
        }                                                                                          \
    }

RESCALE_KERNEL(rescale_s8_s16, int8_t, int16_t, requantize_s16, INT16_MIN, INT16_MAX)
RESCALE_KERNEL(rescale_s16_s8, int16_t, int8_t, requantize_s8, INT8_MIN, INT8_MAX)
RESCALE_KERNEL(rescale_s16_s16, int16_t, int16_t, requantize_s16, INT16_MIN, INT16_MAX)

#endif
