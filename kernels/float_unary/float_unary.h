// Functions of one float, element by element: what converters leave between DEQUANTIZE and QUANTIZE
// where TensorFlow Lite has an operator in float only.
//
//   input, output   [size]; may be the same
#ifndef USIM_KERNELS_FLOAT_UNARY_FLOAT_UNARY_H
#define USIM_KERNELS_FLOAT_UNARY_FLOAT_UNARY_H

#include <stdint.h>

#include "common/compiler.h"

struct float_unary_shape {
    int32_t size;
};

KERNEL_INLINE void float_unary_neg(const struct float_unary_shape *shape, const float *input,
                                   float *output) {
    for (int32_t i = 0; i < shape->size; i++) {
        output[i] = -input[i];
    }
}

KERNEL_INLINE void float_unary_square(const struct float_unary_shape *shape, const float *input,
                                      float *output) {
    for (int32_t i = 0; i < shape->size; i++) {
        output[i] = input[i] * input[i];
    }
}

#endif
