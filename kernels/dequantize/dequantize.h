// Quantised int8, uint8 or int16 to the real numbers they stand for.
//
//   input    [size]
//   output   [size], does not overlap input
//
// The product has at most 41 significant bits, so that rounding it once, as here, is the same as
// TensorFlow Lite's product in double precision, rounded to single.
#ifndef USIM_KERNELS_DEQUANTIZE_DEQUANTIZE_H
#define USIM_KERNELS_DEQUANTIZE_DEQUANTIZE_H

#include <stdint.h>

#include "common/compiler.h"

struct dequantize_shape {
    int32_t size;
    int32_t zero_point;
    float scale;
};

#define DEQUANTIZE_KERNEL(name, type)                                                              \
    KERNEL_INLINE void name(const struct dequantize_shape *shape, const type *restrict input,      \
                            float *restrict output) {                                              \
        for (int32_t i = 0; i < shape->size; i++) {                                                \
            output[i] = shape->scale * (float)(input[i] - shape->zero_point);                      \
        }                                                                                          \
    }

DEQUANTIZE_KERNEL(dequantize_s8, int8_t)
DEQUANTIZE_KERNEL(dequantize_u8, uint8_t)
DEQUANTIZE_KERNEL(dequantize_s16, int16_t)

#endif
