// Sum of int8 values over any of a tensor's axes; or their mean, if the multiplier includes 1 /
// count.
//
//   input    as `kept` and `reduced` say: the output's axes, and those that are summed up
//   output   [outputs], the product of the kept extents; does not overlap input
//
// input_sum is what zero would sum up to: the input's zero point times `count`, the product of the
// reduced extents. Requires: count <= 2^23, so that sums fit.
#ifndef USIM_KERNELS_SUM_SUM_H
#define USIM_KERNELS_SUM_SUM_H

#include <stdint.h>

#include "common/axes.h"
#include "common/fixed_point.h"

struct sum_shape {
    int32_t outputs;
    int32_t count;
    struct axes kept;
    struct axes reduced;
    int32_t input_sum;
    int32_t output_offset;
    int32_t output_multiplier;
    int32_t output_shift;
};

KERNEL_INLINE void sum_s8(const struct sum_shape *shape, const int8_t *restrict input,
                          int8_t *restrict output) {
    for (int32_t i = 0; i < shape->outputs; i++) {
        const int8_t *first = input + axes_offset(&shape->kept, i);
        int32_t sum = -shape->input_sum;
        for (int32_t k = 0; k < shape->count; k++) {
            sum += first[axes_offset(&shape->reduced, k)];
        }
        output[i] = requantize_s8(sum, shape->output_multiplier, shape->output_shift,
                                  shape->output_offset, INT8_MIN, INT8_MAX);
    }
}

#endif
