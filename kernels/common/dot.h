// Dot products of int8 vectors with int32 accumulators.
#ifndef USIM_KERNELS_COMMON_DOT_H
#define USIM_KERNELS_COMMON_DOT_H

#include <stdint.h>

#include "common/compiler.h"

// Output channels that share each load of an input element.
#define DOT_CHANNELS 4

// sums[c] += sum over i < length of (input[i] + offset) * weights[c * stride + i], for four c.
KERNEL_INLINE void dot_four_channels(const int8_t *restrict input, int32_t offset,
                                     const int8_t *restrict weights, int32_t stride, int32_t length,
                                     int32_t sums[DOT_CHANNELS]) {
    int32_t sum0 = sums[0];
    int32_t sum1 = sums[1];
    int32_t sum2 = sums[2];
    int32_t sum3 = sums[3];
    for (int32_t i = 0; i < length; i++) {
        const int32_t x = input[i] + offset;
        sum0 += x * weights[i];
        sum1 += x * weights[stride + i];
        sum2 += x * weights[2 * stride + i];
        sum3 += x * weights[3 * stride + i];
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

// sum over i < length of (input[i] + offset) * weights[i].
KERNEL_INLINE int32_t dot(const int8_t *restrict input, int32_t offset,
                          const int8_t *restrict weights, int32_t length) {
    int32_t sum = 0;
    for (int32_t i = 0; i < length; i++) {
        sum += (input[i] + offset) * weights[i];
    }
    return sum;
}

#endif
