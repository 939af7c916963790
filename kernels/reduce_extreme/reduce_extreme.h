// The largest or smallest of int8 values over any of a tensor's axes.
//
//   input    as `kept` and `reduced` say: the output's axes, and those that are looked through
//   output   [outputs], the product of the kept extents; does not overlap input
//
// `sign` is 1 for the largest and -1 for the smallest. Requires: outputs, count >= 1.
#ifndef USIM_KERNELS_REDUCE_EXTREME_REDUCE_EXTREME_H
#define USIM_KERNELS_REDUCE_EXTREME_REDUCE_EXTREME_H

#include <stdint.h>

#include "common/axes.h"
#include "common/fixed_point.h"

struct reduce_extreme_shape {
    int32_t outputs;
    int32_t count;
    struct axes kept;
    struct axes reduced;
    int32_t sign;
};

KERNEL_INLINE void reduce_extreme_s8(const struct reduce_extreme_shape *shape,
                                     const int8_t *restrict input, int8_t *restrict output) {
    for (int32_t i = 0; i < shape->outputs; i++) {
        const int8_t *first = input + axes_offset(&shape->kept, i);
        int32_t extreme = -INT8_MAX - 1;
        for (int32_t k = 0; k < shape->count; k++) {
            extreme = max_s32(extreme, shape->sign * first[axes_offset(&shape->reduced, k)]);
        }
        output[i] = (int8_t)(shape->sign * extreme);
    }
}

#endif
