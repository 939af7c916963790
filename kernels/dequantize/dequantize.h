// Quantised int8 to the real numbers they stand for.
//
//   input    [size]
//   output   [size], does not overlap input
//
// The product has at most 33 significant bits, so that rounding it once, as here, is the same as
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

KERNEL_INLINE void dequantize_s8(const struct dequantize_shape *shape, const int8_t *restrict input,
                                 float *restrict output) {
    for (int32_t i = 0; i < shape->size; i++) {
        output[i] = shape->scale * (float)(input[i] - shape->zero_point);
    }
}

#endif
