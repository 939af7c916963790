// Copies a block of up to five axes from one tensor into another, each with its own strides: what
// TRANSPOSE, SLICE, STRIDED_SLICE, SPLIT, CONCATENATION and PAD have in common.
//
//   input    at input_start + sum over axes of i * input_stride, for 0 <= i < extent
//   output   at output_start + sum over axes of i * output_stride; no byte of it is also read
//
// Starts, strides and `run` count bytes, so that elements may have any type. Axes are outermost
// first; unused ones have extent 1. `run` >= 1 bytes lie together on either side. Strides may be
// negative; every byte so addressed is inside its tensor.
#ifndef USIM_KERNELS_STRIDED_COPY_STRIDED_COPY_H
#define USIM_KERNELS_STRIDED_COPY_STRIDED_COPY_H

#include <stdint.h>

#include "common/bytes.h"

#define STRIDED_COPY_AXES 5

struct strided_copy_shape {
    int32_t input_start;
    int32_t output_start;
    int32_t extent[STRIDED_COPY_AXES];
    int32_t input_stride[STRIDED_COPY_AXES];
    int32_t output_stride[STRIDED_COPY_AXES];
    int32_t run;
};

// The two innermost axes.
KERNEL_INLINE void strided_copy_plane(const struct strided_copy_shape *shape, const uint8_t *input,
                                      uint8_t *output) {
    for (int32_t i = 0; i < shape->extent[3]; i++) {
        const uint8_t *source = input + i * shape->input_stride[3];
        uint8_t *target = output + i * shape->output_stride[3];
        for (int32_t k = 0; k < shape->extent[4]; k++) {
            copy_bytes(target + k * shape->output_stride[4], source + k * shape->input_stride[4],
                       shape->run);
        }
    }
}

KERNEL_INLINE void strided_copy(const struct strided_copy_shape *shape, const void *restrict input,
                                void *restrict output) {
    const uint8_t *restrict source = (const uint8_t *)input + shape->input_start;
    uint8_t *restrict target = (uint8_t *)output + shape->output_start;
    for (int32_t a = 0; a < shape->extent[0]; a++) {
        for (int32_t b = 0; b < shape->extent[1]; b++) {
            for (int32_t c = 0; c < shape->extent[2]; c++) {
                strided_copy_plane(shape,
                                   source + a * shape->input_stride[0] +
                                       b * shape->input_stride[1] + c * shape->input_stride[2],
                                   target + a * shape->output_stride[0] +
                                       b * shape->output_stride[1] + c * shape->output_stride[2]);
            }
        }
    }
}

#endif
