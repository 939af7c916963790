// Softmax over the last axis, int8 to int8.
//
//   input         [rows][depth]
//   exponentials  [256]: exp(-i * beta * the input's scale) in Q0, or 0 for what counts as nothing
//   output        [rows][depth], scale 1/256, zero point -128, does not overlap input
//
// Requires: rows >= 1; 1 <= depth <= 4095 (the sum of exponentials is kept in Q12).
#ifndef USIM_KERNELS_SOFTMAX_SOFTMAX_H
#define USIM_KERNELS_SOFTMAX_SOFTMAX_H

#include <stdint.h>

#include "common/fixed_point.h"
#include "common/reciprocal.h"

#define SOFTMAX_SUM_INTEGER_BITS 12

struct softmax_shape {
    int32_t rows;
    int32_t depth;
};

KERNEL_INLINE int32_t softmax_row_maximum(const int8_t *restrict row, int32_t depth) {
    int32_t highest = INT8_MIN;
    KERNEL_SEVERAL_AT_ONCE
    for (int32_t c = 0; c < depth; c++) {
        highest = max_s32(highest, row[c]);
    }
    return highest;
}

// The sum of a row's exponentials in Q12: at least 1, for the maximum itself.
KERNEL_INLINE uint32_t softmax_row_sum(const int8_t *restrict row, int32_t depth,
                                       const int32_t *restrict exponentials, int32_t highest) {
    const uint32_t half = UINT32_C(1) << (SOFTMAX_SUM_INTEGER_BITS - 1);
    uint32_t sum = 0;
    KERNEL_SEVERAL_AT_ONCE
    for (int32_t c = 0; c < depth; c++) {
        sum += ((uint32_t)exponentials[highest - row[c]] + half) >> SOFTMAX_SUM_INTEGER_BITS;
    }
    return sum;
}

// A row's probabilities, which are reciprocal * exponential / 2^shift; neither is negative.
KERNEL_INLINE void softmax_row(const int8_t *restrict row, int32_t depth,
                               const int32_t *restrict exponentials, int32_t highest,
                               int32_t reciprocal, int32_t shift, int8_t *restrict output) {
    const uint32_t half = UINT32_C(1) << (shift - 1);
    KERNEL_SEVERAL_AT_ONCE
    for (int32_t c = 0; c < depth; c++) {
        const int32_t product = multiply_high(reciprocal, exponentials[highest - row[c]]);
        const int32_t probability = (int32_t)(((uint32_t)product + half) >> shift);
        output[c] = (int8_t)min_s32(probability + INT8_MIN, INT8_MAX);
    }
}

KERNEL_INLINE void softmax_s8(const struct softmax_shape *shape, const int8_t *restrict input,
                              const int32_t *restrict exponentials, int8_t *restrict output) {
    for (int32_t row = 0; row < shape->rows; row++) {
        const int32_t highest = softmax_row_maximum(input, shape->depth);
        const uint32_t sum = softmax_row_sum(input, shape->depth, exponentials, highest);
        // sum = (1 + fraction) * 2^(bits over unit): normalise, invert the mantissa, shift back.
        const int32_t headroom = __builtin_clz(sum);
        const int32_t bits_over_unit = SOFTMAX_SUM_INTEGER_BITS - headroom;
        const int32_t q0_to_output = bits_over_unit + 31 - 8; // the output counts 1/256ths
        const int32_t fraction = (int32_t)((sum << headroom) - (UINT32_C(1) << 31));
        // Beyond 31 bits all probabilities round to 0, as do those of a reciprocal of 0.
        const int32_t reciprocal = q0_to_output <= 31 ? one_over_one_plus(fraction) : 0;
        softmax_row(input, shape->depth, exponentials, highest, reciprocal,
                    min_s32(q0_to_output, 31), output);
        input += shape->depth;
        output += shape->depth;
    }
}

#endif
