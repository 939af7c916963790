// 1 / (1 + x) in fixed point, bit for bit as TensorFlow Lite's int8 softmax has it. The notation
// Q(n) is that of fixed_point.h.
#ifndef USIM_KERNELS_COMMON_RECIPROCAL_H
#define USIM_KERNELS_COMMON_RECIPROCAL_H

#include <stdint.h>

#include "common/fixed_point.h"

// 1 / (1 + x) in Q0 for x in Q0, 0 <= x < 1: three Newton-Raphson steps in Q2.
KERNEL_INLINE int32_t one_over_one_plus(int32_t x) {
    const int32_t forty_eight_over_17 = 1515870810;       // 48/17 * 2^29
    const int32_t minus_thirty_two_over_17 = -1010580540; // -32/17 * 2^29
    const int32_t one_q2 = 1 << 29;
    // (1 + x) / 2, the sum rounded up; neither is negative.
    const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t estimate =
        forty_eight_over_17 + multiply_high(half_denominator, minus_thirty_two_over_17);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = one_q2 - multiply_high(half_denominator, estimate);
        estimate += shift_left_saturating(multiply_high(estimate, error), 2);
    }
    // estimate is 2 / (1 + x) in Q2; half of it is the same bits in Q1.
    return shift_left_saturating(estimate, 1);
}

#endif
