// Where the largest value along one axis is; the first one of equals.
//
//   input    [outer][extent][inner]
//   output   [outer][inner], indices 0 .. extent - 1; does not overlap input
#ifndef USIM_KERNELS_ARG_MAX_ARG_MAX_H
#define USIM_KERNELS_ARG_MAX_ARG_MAX_H

#include <stdint.h>

#include "common/compiler.h"

struct arg_max_shape {
    int32_t outer;
    int32_t extent;
    int32_t inner;
};

KERNEL_INLINE void arg_max_s8(const struct arg_max_shape *shape, const int8_t *restrict input,
                              int32_t *restrict output) {
    for (int32_t o = 0; o < shape->outer; o++) {
        for (int32_t i = 0; i < shape->inner; i++) {
            const int8_t *first = input + o * shape->extent * shape->inner + i;
            int32_t best = 0;
            int8_t highest = first[0];
            for (int32_t k = 1; k < shape->extent; k++) {
                const int8_t value = first[k * shape->inner];
                if (value > highest) {
                    highest = value;
                    best = k;
                }
            }
            *output++ = best;
        }
    }
}

#endif
