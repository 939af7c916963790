// Elementwise difference of two int8 tensors; see scaled_sum.h for the contract.
#ifndef USIM_KERNELS_SUB_SUB_H
#define USIM_KERNELS_SUB_SUB_H

#include <stdint.h>

#include "common/scaled_sum.h"

KERNEL_INLINE void sub_s8(const struct scaled_sum_shape *shape, const int8_t *restrict left,
                          const int8_t *restrict right, int8_t *restrict output) {
    scaled_sum_s8(shape, left, right, output, -1);
}

#endif
