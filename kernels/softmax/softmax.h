// Softmax over the last axis, int8 to int8.
//
//   input       [rows][depth]
//   output      [rows][depth], scale 1/256, zero point -128, does not overlap input
//
// (multiplier, left_shift) is beta * the input's scale as Q5, as of fixed_point.h: an input
// difference d is d * multiplier * 2^(left_shift - 31) in Q5. Differences below lowest_difference
// count as zero, and lowest_difference * 2^left_shift must fit int32_t. Requires: rows >= 1, 1 <=
// depth <= 2047 (the sum of exponentials is kept in Q12).
#ifndef USIM_KERNELS_SOFTMAX_SOFTMAX_H
#define USIM_KERNELS_SOFTMAX_SOFTMAX_H

#include <stdint.h>

#include "common/exponential.h"
#include "common/fixed_point.h"

#define SOFTMAX_SUM_INTEGER_BITS 12

struct softmax_shape {
    int32_t rows;
    int32_t depth;
    int32_t multiplier;
    int32_t left_shift;
    int32_t lowest_difference;
};

// exp(difference * beta * scale) in Q0, for lowest_difference <= difference <= 0.
KERNEL_INLINE int32_t softmax_exp(const struct softmax_shape *shape, int32_t difference) {
    return exp_of_negative_q5(
        multiply_high(shift_left_wrapping(difference, shape->left_shift), shape->multiplier));
}

KERNEL_INLINE int32_t softmax_row_maximum(const int8_t *restrict row, int32_t depth) {
    int32_t highest = INT8_MIN;
    for (int32_t c = 0; c < depth; c++) {
        highest = max_s32(highest, row[c]);
    }
    return highest;
}

// The sum of a row's exponentials in Q12: at least 1, for the maximum itself.
KERNEL_INLINE int32_t softmax_row_sum(const struct softmax_shape *shape, const int8_t *restrict row,
                                      int32_t highest) {
    int32_t sum = 0;
    for (int32_t c = 0; c < shape->depth; c++) {
        const int32_t difference = row[c] - highest;
        if (difference >= shape->lowest_difference) {
            sum += rounding_divide_by_power_of_two(softmax_exp(shape, difference),
                                                   SOFTMAX_SUM_INTEGER_BITS);
        }
    }
    return sum;
}

KERNEL_INLINE void softmax_s8(const struct softmax_shape *shape, const int8_t *restrict input,
                              int8_t *restrict output) {
    for (int32_t row = 0; row < shape->rows; row++) {
        const int32_t highest = softmax_row_maximum(input, shape->depth);
        const uint32_t sum = (uint32_t)softmax_row_sum(shape, input, highest);
        // sum = (1 + fraction) * 2^(bits over unit): normalise, invert the mantissa, shift back.
        const int32_t headroom = __builtin_clz(sum);
        const int32_t bits_over_unit = SOFTMAX_SUM_INTEGER_BITS - headroom;
        const int32_t q0_to_output = bits_over_unit + 31 - 8; // the output counts 1/256ths
        const int32_t fraction = (int32_t)((sum << headroom) - (UINT32_C(1) << 31));
        const int32_t reciprocal = one_over_one_plus(fraction);
        for (int32_t c = 0; c < shape->depth; c++) {
            const int32_t difference = input[c] - highest;
            int32_t probability = 0;
            if (difference >= shape->lowest_difference && q0_to_output <= 31) {
                probability = rounding_divide_by_power_of_two(
                    multiply_high(reciprocal, softmax_exp(shape, difference)), q0_to_output);
            }
            output[c] = (int8_t)min_s32(probability + INT8_MIN, INT8_MAX);
        }
        input += shape->depth;
        output += shape->depth;
    }
}

#endif
